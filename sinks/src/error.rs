//! What can go wrong on the way into a file or a store.
//!
//! Invariants: no message holds a secret or the query of a URL; every message about a store names the store and, where
//! there is one, the path below its prefix.

use tracemill_model::{Blame, Fault};
use tracemill_warehouse::WarehouseError;

/// An error of this crate.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SinkError {
    /// The rows could not be turned into a file.
    #[error("cannot encode {format}: {reason}")]
    Encode {
        /// `parquet`, `csv` or `jsonl`.
        format: &'static str,
        /// What the encoder said.
        reason: String,
    },
    /// The address or the options of a store are wrong. Found without connecting.
    #[error("store {store}: {reason}")]
    StoreConfig {
        /// The store's address, without secrets.
        store: String,
        /// What is wrong.
        reason: String,
        /// What to write instead.
        remedy: String,
    },
    /// The server cannot be reached, or answers that it is overloaded.
    #[error("store {store} cannot be reached: {reason}")]
    Unreachable {
        /// The store's address.
        store: String,
        /// What the network or the server said.
        reason: String,
        /// Whether it was the credential service that could not be reached, not the store itself.
        credentials: bool,
    },
    /// The store refuses the credentials, or they may not do this.
    #[error("store {store} denies {path:?}: {reason}")]
    Denied {
        /// The store's address.
        store: String,
        /// The path below the store's prefix.
        path: String,
        /// What the store said.
        reason: String,
    },
    /// There is no such object.
    #[error("store {store} has no object {path:?}")]
    NotFound {
        /// The store's address.
        store: String,
        /// The path below the store's prefix.
        path: String,
    },
    /// There is no such bucket or container.
    #[error("store {store}: the bucket does not exist ({reason})")]
    NoBucket {
        /// The store's address.
        store: String,
        /// What the store said.
        reason: String,
    },
    /// The disk is full, or a quota is used up.
    #[error("store {store} is full at {path:?}: {reason}")]
    Full {
        /// The store's address.
        store: String,
        /// The path below the store's prefix.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// The store lacks what Tracemill needs of it.
    #[error("store {store} cannot {operation}: {reason}")]
    Unsupported {
        /// The store's address.
        store: String,
        /// What was asked of it.
        operation: &'static str,
        /// How that showed.
        reason: String,
    },
    /// There is an object already where one was to be created.
    #[error("store {store} has an object {path:?} already")]
    AlreadyExists {
        /// The store's address.
        store: String,
        /// The path below the store's prefix.
        path: String,
    },
    /// An object is larger than the caller's limit.
    #[error("object {path:?} of store {store} has {bytes} bytes, more than the limit of {limit}")]
    TooLarge {
        /// The store's address.
        store: String,
        /// The path below the store's prefix.
        path: String,
        /// The object's size in bytes.
        bytes: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A folder holds more objects than the caller's limit.
    #[error("folder {path:?} of store {store} holds more than {limit} objects")]
    TooMany {
        /// The store's address.
        store: String,
        /// The folder below the store's prefix.
        path: String,
        /// The limit.
        limit: usize,
    },
    /// A path that no store can hold.
    #[error("store {store}: {path:?} is not a path: {reason}")]
    BadPath {
        /// The store's address.
        store: String,
        /// The path.
        path: String,
        /// Why not.
        reason: String,
    },
    /// What the store holds is not what was sent.
    #[error("object {path:?} of store {store} is not what was uploaded: it has {what}")]
    ReadBack {
        /// The store's address.
        store: String,
        /// The path below the store's prefix.
        path: String,
        /// How it differs.
        what: String,
    },
    /// An object of ours cannot be read.
    #[error("object {path:?} of store {store} is not what tracemill writes there: {reason}")]
    Manifest {
        /// The store's address.
        store: String,
        /// The path below the store's prefix.
        path: String,
        /// What does not fit.
        reason: String,
    },
    /// Another exporter of the same export is at work.
    #[error("export {export} in store {store} is being written by another exporter: {owner}")]
    Owned {
        /// The store's address.
        store: String,
        /// The project and table.
        export: String,
        /// Who, where and since when.
        owner: String,
    },
    /// Another exporter took this export over while we were at work.
    #[error("export {export} in store {store} was taken over by another exporter: {owner}")]
    Fenced {
        /// The store's address.
        store: String,
        /// The project and table.
        export: String,
        /// Who, where and since when.
        owner: String,
    },
    /// Another exporter committed the same window with other content, at the same time.
    #[error(
        "window {window} of export {export} in store {store} was committed by run {run} at the same time, with other content"
    )]
    Conflict {
        /// The store's address.
        store: String,
        /// The project and table.
        export: String,
        /// The window.
        window: tracemill_model::Window,
        /// The run whose manifest counts.
        run: String,
    },
    /// Rows that cannot leave, where the configuration says to stop there.
    #[error("export {export} holds at window {window}: {rows}")]
    Stuck {
        /// The project and table.
        export: String,
        /// The window.
        window: tracemill_model::Window,
        /// Each row or range of ids, with its error.
        rows: String,
    },
    /// The leaves of a window do not make it up. Found before it is committed.
    #[error("a window is not whole: {reason}")]
    Tree {
        /// What is missing.
        reason: String,
    },
    /// An object among the letters is none.
    #[error("{path:?} is no letter: {reason}")]
    Letter {
        /// The path below the store's prefix.
        path: String,
        /// What does not fit.
        reason: String,
    },
    /// ClickHouse, where it was asked for a deletion.
    #[error("{reason}")]
    Warehouse {
        /// What it said.
        reason: String,
        /// Whose fault.
        fault: Fault,
        /// Whether it may succeed later.
        is_transient: bool,
        /// The kind of error.
        kind: &'static str,
        /// What a person can do.
        hint: Option<String>,
    },
    /// A raw object that a deletion has to take events out of cannot be read.
    #[error("cannot take deleted events out of {path:?}: {reason}")]
    Redact {
        /// The object.
        path: String,
        /// What does not fit.
        reason: String,
    },
    /// Anything else that a store said.
    #[error("store {store} failed at {path:?}: {reason}")]
    Store {
        /// The store's address.
        store: String,
        /// The path below the store's prefix.
        path: String,
        /// What the store said.
        reason: String,
    },
}

impl Blame for SinkError {
    fn fault(&self) -> Fault {
        match self {
            Self::Encode { .. } | Self::BadPath { .. } | Self::Tree { .. } => Fault::Bug,
            Self::Unreachable { .. } | Self::Store { .. } | Self::ReadBack { .. } => Fault::Remote,
            Self::Warehouse { fault, .. } => *fault,
            _ => Fault::User,
        }
    }

    fn is_transient(&self) -> bool {
        match self {
            Self::Warehouse { is_transient, .. } => *is_transient,
            _ => matches!(self, Self::Unreachable { .. }),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Encode { .. } => "encode",
            Self::StoreConfig { .. } => "store_config",
            Self::Unreachable { .. } => "unreachable",
            Self::Denied { .. } => "denied",
            Self::NotFound { .. } => "not_found",
            Self::NoBucket { .. } => "no_bucket",
            Self::Full { .. } => "full",
            Self::Unsupported { .. } => "unsupported",
            Self::AlreadyExists { .. } => "already_exists",
            Self::TooLarge { .. } => "too_large",
            Self::TooMany { .. } => "too_many",
            Self::BadPath { .. } => "bad_path",
            Self::ReadBack { .. } => "read_back",
            Self::Manifest { .. } => "manifest",
            Self::Owned { .. } => "owned",
            Self::Fenced { .. } => "fenced",
            Self::Conflict { .. } => "conflict",
            Self::Stuck { .. } => "stuck",
            Self::Tree { .. } => "tree",
            Self::Letter { .. } => "letter",
            Self::Warehouse { kind, .. } => kind,
            Self::Redact { .. } => "redact",
            Self::Store { .. } => "store",
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Encode { .. }
            | Self::BadPath { .. }
            | Self::Tree { .. }
            | Self::Store { .. }
            | Self::ReadBack { .. } => {
                return None;
            }
            Self::Warehouse { hint, .. } => return hint.clone(),
            Self::Letter { .. } => "move the object away; what it was about can be replayed from its raw object",
            Self::Redact { .. } => "move the raw object away if it is of no use, then let the deletion run again",
            Self::StoreConfig { remedy, .. } => remedy.as_str(),
            Self::Unreachable { credentials: true, .. } => {
                "no credentials were given, so the machine's identity service was asked, and it did not answer: \
                 give credentials in the store's options or the environment, or run where workload identity is set up"
            }
            Self::Unreachable { .. } => "check the endpoint, the network and whether the server runs",
            Self::Denied { store, .. } if is_local(store) => {
                "give the user that runs tracemill write access to the folder, or choose another"
            }
            Self::Denied { .. } => {
                "check the store's credentials; they must be allowed to read, write, list and delete below its prefix"
            }
            Self::NotFound { .. } => "check the prefix, and whether something else deletes objects there",
            Self::NoBucket { .. } => "create the bucket, or correct its name in the store's url",
            Self::Full { .. } => "free space or raise the quota; nothing that was committed is lost",
            Self::Unsupported { .. } => {
                "use a store that honours conditional creation (If-None-Match: *), which the manifests rely on: \
                 local folders, GCS, S3 and Azure do; of S3-compatible servers use a recent release"
            }
            Self::AlreadyExists { .. } => "another writer was first: let only one exporter write an export",
            Self::TooMany { .. } => "use a prefix of its own for Tracemill, or remove what does not belong there",
            Self::Owned { .. } => {
                "stop the other one first; if it is dead, this export can be taken over two minutes after its last sign of life"
            }
            Self::Stuck { .. } => {
                "mend what keeps the rows from being read, or set on_stuck = \"letter\" to export the rest and keep letters"
            }
            Self::Conflict { .. } => {
                "make sure that only one exporter runs, then write the window once more with `tracemill export`"
            }
            Self::Fenced { .. } => "run one exporter for each export; what this one had committed stays",
            Self::Manifest { .. } => "restore the object, or move it away and export its window again",
            Self::TooLarge { .. } => "the object is not what Tracemill writes there; move it away",
        };
        Some(hint.to_owned())
    }
}

impl From<WarehouseError> for SinkError {
    fn from(error: WarehouseError) -> Self {
        Self::Warehouse {
            fault: error.fault(),
            is_transient: error.is_transient(),
            kind: error.kind(),
            hint: error.hint(),
            reason: error.to_string(),
        }
    }
}

fn is_local(store: &str) -> bool {
    store.starts_with("file:")
}
