//! What can go wrong on the way out of ClickHouse.

use tracemill_model::{Blame, Fault};
use tracemill_warehouse::WarehouseError;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// ClickHouse, or the way to it.
    #[error(transparent)]
    Warehouse(#[from] WarehouseError),
    /// The answer ended without Arrow's end-of-stream marker, or its bytes are no Arrow.
    #[error("the arrow stream of query {query_id} is broken after {bytes} bytes: {reason}")]
    Stream {
        /// The query.
        query_id: String,
        /// How far it was read.
        bytes: u64,
        /// What is wrong.
        reason: String,
    },
    /// The rows of the answer are not of the shape that was asked for.
    #[error("the answer has another shape: {reason}")]
    Shape {
        /// What is wrong.
        reason: String,
    },
    /// The machine's clock and the server's disagree.
    #[error("the clock of this machine is {ahead_ms} ms ahead of clickhouse's; at most {allowed_ms} ms are allowed")]
    Clock {
        /// How far, negative for behind.
        ahead_ms: i64,
        /// How far it may be.
        allowed_ms: i64,
    },
    /// The windows of this export could not be given out.
    #[error("cannot plan: {reason}")]
    Plan {
        /// Why.
        reason: String,
    },
}

impl Blame for SourceError {
    fn fault(&self) -> Fault {
        match self {
            Self::Warehouse(error) => error.fault(),
            Self::Stream { .. } => Fault::Remote,
            Self::Shape { .. } => Fault::Bug,
            Self::Clock { .. } | Self::Plan { .. } => Fault::User,
        }
    }

    fn is_transient(&self) -> bool {
        match self {
            Self::Warehouse(error) => error.is_transient(),
            Self::Stream { .. } => true,
            Self::Shape { .. } | Self::Clock { .. } | Self::Plan { .. } => false,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Warehouse(error) => error.kind(),
            Self::Stream { .. } => "cut",
            Self::Shape { .. } => "protocol",
            Self::Clock { .. } => "clock",
            Self::Plan { .. } => "plan",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Warehouse(error) => error.hint(),
            Self::Stream { .. } | Self::Shape { .. } | Self::Plan { .. } => None,
            Self::Clock { .. } => Some("set both clocks by NTP; windows are planned by ClickHouse's clock".to_owned()),
        }
    }
}
