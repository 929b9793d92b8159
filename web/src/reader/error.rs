//! Why an interactive query has no answer, as its reader is told.

use tracemill_model::{Blame, Fault};
use tracemill_warehouse::WarehouseError;

/// Why there is no answer. Texts are for clients: nothing internal is in them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Too many queries at once.
    #[error("too many queries at once, try again later")]
    Busy,
    /// It would read more than one query may.
    #[error("the query would read too much")]
    TooMuch,
    /// It took longer than one query may.
    #[error("the query took too long")]
    TooLong,
    /// ClickHouse is away or overloaded.
    #[error("temporarily unavailable, try again later")]
    Unavailable,
    /// The service's user may not read that table.
    #[error("internal error")]
    Denied,
    /// A fault of ours, or of the set-up; it is in the log.
    #[error("internal error")]
    Broken,
}

impl ReadError {
    /// Whether it is worth to come again at once.
    pub(crate) const fn is_busy(&self) -> bool {
        matches!(self, Self::Busy | Self::Unavailable)
    }

    /// What ClickHouse's error means for a reader; what a person must look at is logged.
    pub(crate) fn of(error: &WarehouseError) -> Self {
        let told = match (error.code(), error) {
            // Rows or bytes to read, and what the answer may hold.
            (Some(158 | 307 | 396), _) => Self::TooMuch,
            // Its own memory limit: less would fit. That of the server or of the user is others' doing.
            (Some(241), WarehouseError::Server { message, .. }) if message.contains("for query") => Self::TooMuch,
            (Some(497), _) => Self::Denied,
            (Some(159 | 160), _) | (None, WarehouseError::Timeout { .. }) => Self::TooLong,
            (_, error) if error.is_unreachable() || error.is_transient() => Self::Unavailable,
            (Some(241 | 202), _) => Self::Unavailable,
            (None, WarehouseError::Cut { .. }) => Self::Unavailable,
            _ => Self::Broken,
        };
        match told {
            Self::Broken => tracing::error!(%error, kind = error.kind(), "read_failed"),
            _ => tracing::warn!(%error, kind = error.kind(), "read_refused"),
        }
        told
    }
}

impl Blame for ReadError {
    fn fault(&self) -> Fault {
        match self {
            Self::TooMuch | Self::TooLong => Fault::User,
            Self::Busy | Self::Unavailable => Fault::Remote,
            Self::Denied | Self::Broken => Fault::Bug,
        }
    }

    fn is_transient(&self) -> bool {
        self.is_busy()
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::TooMuch => "too_much",
            Self::TooLong => "too_long",
            Self::Unavailable => "unavailable",
            Self::Denied => "denied",
            Self::Broken => "broken",
        }
    }
}
