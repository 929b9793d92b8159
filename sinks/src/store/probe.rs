//! Does a store do what Tracemill needs? Asked once, before anything depends on it.
//!
//! A small object is created, created again (which must be refused), read back and removed, below `_tracemill/probe/`.
//! On error the object may stay; it is named after the process and the time, and harms nobody. A later probe removes it.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use tracemill_model::Millis;

use super::{Created, Store};
use crate::error::SinkError;

const FOLDER: &str = "_tracemill/probe";

/// After this no probe is still under way.
const STALE_MS: i64 = 3_600_000;

impl Store {
    /// Writes, conditionally creates, reads, lists and deletes a small object.
    ///
    /// # Errors
    /// One that says what is wrong: [`SinkError::Denied`], [`SinkError::NoBucket`], [`SinkError::Unreachable`],
    /// [`SinkError::Full`], or [`SinkError::Unsupported`] if the store does not honour conditional creation.
    pub async fn probe(&self) -> Result<(), SinkError> {
        let nanos = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_nanos());
        let path = format!("{FOLDER}/{nanos}-{}.json", std::process::id());
        let content = Bytes::from(format!("{{\"probe\":{nanos}}}\n"));
        if self.create(&path, content.clone()).await? == Created::AlreadyExists {
            return Err(self.unfit(
                "create an object conditionally",
                "it says that an object of a new name exists",
            ));
        }
        let checked = self.check_object(&path, &content).await;
        let removed = self.delete(&[path]).await;
        let now = Millis(i64::try_from(nanos / 1_000_000).unwrap_or(i64::MAX));
        self.remove_old_probes(now.plus(-STALE_MS)).await;
        checked.and(removed)
    }

    /// Removes what killed processes left of their probes. Best effort: it harms nobody.
    async fn remove_old_probes(&self, before: Millis) {
        let _ = self.remove_stale_uploads(FOLDER, before).await;
        let Ok(entries) = self.list(FOLDER, 100_000).await else {
            return;
        };
        let old = entries.into_iter().filter(|entry| entry.modified < before);
        let _ = self.delete(&old.map(|entry| entry.path).collect::<Vec<_>>()).await;
    }

    async fn check_object(&self, path: &str, content: &Bytes) -> Result<(), SinkError> {
        if self.create(path, Bytes::from_static(b"{}\n")).await? == Created::Created {
            return Err(self.unfit("create an object conditionally", "it replaced an object that existed"));
        }
        // What was just written may not be found only if the store is not consistent.
        let found = match self.get(path, 1024).await {
            Err(SinkError::NotFound { .. }) => Bytes::new(),
            found => found?,
        };
        if found != *content {
            return Err(self.unfit("read what was just written", "the object reads back differently"));
        }
        let listed = self.list(FOLDER, 100_000).await?;
        if !listed.iter().any(|entry| entry.path == path) {
            return Err(self.unfit("list what was just written", "the object is missing from the listing"));
        }
        Ok(())
    }

    fn unfit(&self, operation: &'static str, reason: &str) -> SinkError {
        SinkError::Unsupported {
            store: self.name().to_owned(),
            operation,
            reason: reason.to_owned(),
        }
    }
}
