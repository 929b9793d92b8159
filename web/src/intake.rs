//! What stores and enqueues, as the routes see it.

use std::time::Duration;

use bytes::Bytes;
use tracemill_model::ingest::{Access, Encoding, EntityKind, Holds, RawForm, Sdk, Text};
use tracemill_model::{Blame, Fault, Millis};

/// What an accepted request becomes: one raw object, one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    /// Whose.
    pub project: Text,
    /// What is in it.
    pub form: RawForm,
    /// How the bytes are compressed: as the client sent them.
    pub encoding: Encoding,
    /// The object's content.
    pub bytes: Bytes,
    /// How much that is.
    pub holds: Holds,
    /// Which client sent it.
    pub sdk: Sdk,
    /// What the sender's key may write.
    pub access: Access,
    /// When it was received.
    pub received: Millis,
}

/// What a client wants removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// Whose.
    pub project: Text,
    /// Traces or scores.
    pub kind: EntityKind,
    /// Which ones, each once.
    pub ids: Vec<Text>,
    /// When it was asked for.
    pub requested: Millis,
}

/// Whether requests can be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Yes.
    Ready,
    /// No, for the reason of that name. It is logged, not answered.
    Not(&'static str),
}

/// Why something could not be taken. The text is for logs; clients never see it.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// Store or queue are away or overloaded.
    #[error("cannot take it now: {reason}")]
    Unavailable {
        /// What happened.
        reason: String,
        /// When to try again, where that is known.
        retry_after: Option<Duration>,
    },
    /// The same request would fail again.
    #[error("cannot take it at all: {0}")]
    Broken(String),
}

impl Blame for IntakeError {
    fn fault(&self) -> Fault {
        match self {
            Self::Unavailable { .. } => Fault::Remote,
            Self::Broken(_) => Fault::Bug,
        }
    }

    fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "unavailable",
            Self::Broken(_) => "broken",
        }
    }
}

/// What stores and enqueues. Its futures are dropped when the client goes away, at any await: what is half done then
/// must do no harm.
#[async_trait::async_trait]
pub trait Intake: Send + Sync + 'static {
    /// Stores one raw object durably, then enqueues its job; returns only then.
    ///
    /// # Errors
    /// It is not both stored and enqueued. The client sends it again.
    async fn take(&self, raw: Raw) -> Result<(), IntakeError>;

    /// Notes durably that entities are to be removed.
    ///
    /// # Errors
    /// It is not noted.
    async fn delete(&self, deletion: Deletion) -> Result<(), IntakeError>;

    /// Whether requests can be taken now. Does not wait.
    fn ready(&self) -> Readiness;
}
