//! What can go wrong outside of a request.

use tracemill_model::{Blame, Fault};

/// A fault of the configuration, or of the listener.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Two keys of the configuration have the same public key.
    #[error("public key `{0}` is configured twice")]
    DuplicateKey(String),
    /// A public key that no client could send.
    #[error("public key `{0}` is not valid: it must not be empty, and not contain `:`")]
    PublicKey(String),
    /// A hash of a secret has not the form of one.
    #[error("the secret hash of public key `{public_key}` is not valid: {why}")]
    Hash {
        /// Whose.
        public_key: String,
        /// What it should be.
        why: &'static str,
    },
    /// Two keys name the same project with different names or organisations.
    #[error("project `{0}` is configured with different names or organisations")]
    Project(String),
    /// The listener failed.
    #[error("cannot accept connections: {0}")]
    Listener(#[from] std::io::Error),
}

impl Blame for Error {
    fn fault(&self) -> Fault {
        match self {
            Self::Listener(_) => Fault::Remote,
            _ => Fault::User,
        }
    }

    fn is_transient(&self) -> bool {
        matches!(self, Self::Listener(_))
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::DuplicateKey(_) => "duplicate_key",
            Self::PublicKey(_) => "public_key",
            Self::Hash { .. } => "secret_hash",
            Self::Project(_) => "project",
            Self::Listener(_) => "listener",
        }
    }
}
