//! What can go wrong on the way into a file or a store.

use tracemill_model::{Blame, Fault};

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The rows could not be turned into a file.
    #[error("cannot encode {format}: {reason}")]
    Encode {
        /// `parquet`, `csv` or `jsonl`.
        format: &'static str,
        /// What the encoder said.
        reason: String,
    },
}

impl Blame for SinkError {
    fn fault(&self) -> Fault {
        match self {
            Self::Encode { .. } => Fault::Bug,
        }
    }

    fn is_transient(&self) -> bool {
        match self {
            Self::Encode { .. } => false,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Encode { .. } => "encode",
        }
    }
}
