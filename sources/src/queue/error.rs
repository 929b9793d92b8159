//! What can go wrong with a queue.

use std::path::PathBuf;

use tracemill_model::{Blame, Fault};

/// An error of a queue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// Another process has the queue's file.
    #[error("the queue {} is in use by another process", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The queue's file is not one, or is damaged.
    #[error("the queue {} cannot be opened: {reason}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Reading or writing the queue's file failed.
    #[error("the queue's file failed: {reason}")]
    Storage {
        /// Why.
        reason: String,
    },
    /// Redis does not answer.
    #[error("redis is away: {reason}")]
    Away {
        /// Why.
        reason: String,
    },
    /// Redis refuses.
    #[error("redis refuses: {reason}")]
    Refused {
        /// Why.
        reason: String,
        /// Whether it may change its mind: it loads, is a replica, is full.
        transient: bool,
    },
    /// The configuration is wrong.
    #[error("the queue's configuration is wrong: {reason}")]
    Config {
        /// What is wrong.
        reason: String,
    },
    /// Redis cannot hold a queue.
    #[error("{reason}")]
    Unfit {
        /// Why.
        reason: String,
        /// What to do.
        hint: &'static str,
    },
    /// The queue was closed.
    #[error("the queue is closed")]
    Closed,
}

impl Blame for QueueError {
    fn fault(&self) -> Fault {
        match self {
            Self::InUse { .. } | Self::Open { .. } | Self::Config { .. } | Self::Unfit { .. } => Fault::User,
            Self::Storage { .. } | Self::Away { .. } | Self::Closed => Fault::Remote,
            Self::Refused { transient, .. } => {
                if *transient {
                    Fault::Remote
                } else {
                    Fault::User
                }
            }
        }
    }

    fn is_transient(&self) -> bool {
        match self {
            Self::Storage { .. } | Self::Away { .. } | Self::Closed => true,
            Self::Refused { transient, .. } => *transient,
            Self::InUse { .. } | Self::Open { .. } | Self::Config { .. } | Self::Unfit { .. } => false,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::InUse { .. } => "in_use",
            Self::Open { .. } => "open",
            Self::Storage { .. } => "storage",
            Self::Away { .. } => "unreachable",
            Self::Refused { .. } => "refused",
            Self::Config { .. } => "config",
            Self::Unfit { .. } => "unfit",
            Self::Closed => "closed",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::InUse { .. } => {
                Some("a local queue is for one process; several processes share one by `bullmq`".into())
            }
            Self::Refused { transient: false, .. } => {
                Some("check user, password and the permission to run scripts".into())
            }
            Self::Unfit { hint, .. } => Some((*hint).to_owned()),
            Self::Away { .. } => Some("start redis, or correct its url".into()),
            _ => None,
        }
    }
}
