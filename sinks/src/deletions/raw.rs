//! Events out of raw objects.

use std::collections::HashSet;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use tracemill_model::ingest::EntityKey;

use super::Report;
use crate::SinkError;
use crate::store::Store;

/// No raw object is larger.
const LIMIT: u64 = 512 << 20;

/// Raw objects that are read and rewritten at once.
const AT_ONCE: usize = 4;

/// Objects that are removed in one request.
const REMOVE: usize = 1000;

/// What is left of a raw object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redacted {
    /// It holds nothing of the deleted.
    Unchanged,
    /// The others' events, in the same form and encoding.
    Rewritten(Bytes),
    /// Nothing.
    Empty,
}

/// Knows what is in raw objects.
pub trait Redact: Send + Sync {
    /// Takes the events of the doomed out of a raw object. An event that names a doomed trace as its own is to go as well.
    /// Doing it twice is the same as once.
    ///
    /// # Errors
    /// Why the object cannot be read. The deletion stops there.
    fn redact(&self, path: &str, bytes: Bytes, doomed: &HashSet<EntityKey>) -> Result<Redacted, String>;

    /// The path in the raw store of a `bucket_path`; as it is, unless the store has a prefix that the path repeats.
    fn path(&self, bucket_path: &str) -> String {
        bucket_path.to_owned()
    }
}

enum Outcome {
    Nothing,
    Rewritten,
    Removed,
}

/// Takes the doomed out of every object of `paths`.
pub(super) async fn redact_all<R: Redact>(
    store: &Store,
    redact: &R,
    paths: &[String],
    doomed: &HashSet<EntityKey>,
    report: &mut Report,
) -> Result<(), SinkError> {
    let mut outcomes = futures::stream::iter(paths)
        .map(|path| redact_one(store, redact, redact.path(path), doomed))
        .buffer_unordered(AT_ONCE);
    while let Some(outcome) = outcomes.try_next().await? {
        match outcome {
            Outcome::Nothing => {}
            Outcome::Rewritten => report.objects_rewritten += 1,
            Outcome::Removed => report.objects_removed += 1,
        }
    }
    Ok(())
}

async fn redact_one<R: Redact>(
    store: &Store,
    redact: &R,
    path: String,
    doomed: &HashSet<EntityKey>,
) -> Result<Outcome, SinkError> {
    let bytes = match store.get(&path, LIMIT).await {
        Ok(bytes) => bytes,
        // An earlier run removed it.
        Err(SinkError::NotFound { .. }) => return Ok(Outcome::Nothing),
        Err(error) => return Err(error),
    };
    match redact.redact(&path, bytes, doomed) {
        Ok(Redacted::Unchanged) => Ok(Outcome::Nothing),
        Ok(Redacted::Rewritten(bytes)) => {
            store.put(&path, bytes).await?;
            Ok(Outcome::Rewritten)
        }
        Ok(Redacted::Empty) => {
            store.delete(&[path]).await?;
            Ok(Outcome::Removed)
        }
        Err(reason) => Err(SinkError::Redact { path, reason }),
    }
}

/// Removes everything below a folder, page by page; how many objects.
pub(super) async fn remove_folder(store: &Store, folder: &str) -> Result<u64, SinkError> {
    let mut removed = 0;
    loop {
        let mut page = Vec::new();
        store
            .list_each(folder, |entry| {
                page.push(entry.path);
                page.len() < REMOVE
            })
            .await?;
        if page.is_empty() {
            return Ok(removed);
        }
        store.delete(&page).await?;
        removed += page.len() as u64;
    }
}
