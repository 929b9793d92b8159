//! What can go wrong while generating.

use tracemill_model::{Blame, Fault};

use super::ChunkId;

/// A configuration or a chunk that cannot be generated, or a ledger that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum SynthError {
    /// The configuration has faults; all of them.
    #[error("cannot generate: {}", .0.join("; "))]
    Config(Vec<String>),
    /// The chunk is none of this generator's.
    #[error("the generator has no chunk {0:?}")]
    NoSuchChunk(ChunkId),
    /// A column of a chunk passes the 2 GiB that Arrow's offsets can count.
    #[error("a column of the chunk passes 2 GiB")]
    ChunkTooLarge,
    /// Arrow refused arrays that were built here.
    #[error("cannot build an Arrow batch")]
    Arrow(#[from] arrow_schema::ArrowError),
    /// The ledger's writer failed.
    #[error("cannot write the ledger")]
    Ledger(#[from] std::io::Error),
}

impl Blame for SynthError {
    fn fault(&self) -> Fault {
        match self {
            Self::Config(_) | Self::ChunkTooLarge | Self::Ledger(_) => Fault::User,
            Self::NoSuchChunk(_) | Self::Arrow(_) => Fault::Bug,
        }
    }

    fn is_transient(&self) -> bool {
        false
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Config(_) => "synth_config",
            Self::NoSuchChunk(_) => "synth_no_such_chunk",
            Self::ChunkTooLarge => "synth_chunk_too_large",
            Self::Arrow(_) => "synth_arrow",
            Self::Ledger(_) => "synth_ledger",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::ChunkTooLarge => Some("lower chunk_bytes, payload.max or observations_per_trace".to_owned()),
            Self::Ledger(_) => Some("check that the ledger's folder is writable and its disk not full".to_owned()),
            Self::Config(_) | Self::NoSuchChunk(_) | Self::Arrow(_) => None,
        }
    }
}
