//! The raw store: an object store as the sources and the intake see it.

use async_trait::async_trait;
use bytes::Bytes;
use tracemill_model::Blame;
use tracemill_sinks::SinkError;
use tracemill_sinks::store::Store;
use tracemill_sources::raw::{RawEntry, RawError, RawStore};

/// The largest raw object that is read.
const LARGEST: u64 = 1 << 30;

/// How many objects of one folder are listed: an entity of the reference has a file for each of its requests.
const LISTED: usize = 1_000_000;

/// An object store with raw objects.
#[derive(Debug, Clone)]
pub struct Raw {
    /// The store.
    pub store: Store,
}

#[async_trait]
impl RawStore for Raw {
    async fn read(&self, path: &str) -> Result<Option<Bytes>, RawError> {
        match self.store.get(path, LARGEST).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(SinkError::NotFound { .. } | SinkError::BadPath { .. }) => Ok(None),
            Err(error) => Err(raw_error(&error)),
        }
    }

    async fn list(&self, folder: &str) -> Result<Vec<RawEntry>, RawError> {
        match self.store.list(folder, LISTED).await {
            Ok(entries) => Ok(entries
                .into_iter()
                .map(|entry| RawEntry {
                    path: entry.path,
                    modified: entry.modified,
                })
                .collect()),
            Err(SinkError::BadPath { .. }) => Ok(Vec::new()),
            Err(error) => Err(raw_error(&error)),
        }
    }
}

fn raw_error(error: &SinkError) -> RawError {
    let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
    RawError {
        reason: format!("{error}{hint}"),
    }
}
