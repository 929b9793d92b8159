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

/// Since 1970.
fn nanos() -> u128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos())
}

fn millis(nanos: u128) -> Millis {
    Millis(i64::try_from(nanos / 1_000_000).unwrap_or(i64::MAX))
}

impl Store {
    /// Writes, conditionally creates, reads, lists and deletes a small object.
    ///
    /// # Errors
    /// One that says what is wrong: [`SinkError::Denied`], [`SinkError::NoBucket`], [`SinkError::Unreachable`],
    /// [`SinkError::Full`], or [`SinkError::Unsupported`] if the store does not honour conditional creation.
    pub async fn probe(&self) -> Result<(), SinkError> {
        let nanos = nanos();
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
        self.remove_old_probes(FOLDER, millis(nanos).plus(-STALE_MS)).await;
        checked.and(removed)
    }

    /// Writes, reads and deletes a small object below a prefix (empty, or with a slash at its end): all that raw objects and
    /// letters need.
    ///
    /// # Errors
    /// As [`Self::probe`].
    pub async fn probe_below(&self, prefix: &str) -> Result<(), SinkError> {
        let nanos = nanos();
        // No name of a raw object or of a letter.
        let folder = format!("{prefix}{FOLDER}");
        let path = format!("{folder}/{nanos}-{}", std::process::id());
        let content = Bytes::from(format!("{nanos}\n"));
        self.put(&path, content.clone()).await?;
        let checked = match self.get(&path, 1024).await {
            Ok(found) if found == content => Ok(()),
            Ok(_) | Err(SinkError::NotFound { .. }) => {
                Err(self.unfit("read what was just written", "the object reads back differently"))
            }
            Err(error) => Err(error),
        };
        let removed = self.delete(&[path]).await;
        self.remove_old_probes(&folder, millis(nanos).plus(-STALE_MS)).await;
        checked.and(removed)
    }

    /// Removes what killed processes left of their probes. Best effort: it harms nobody.
    async fn remove_old_probes(&self, folder: &str, before: Millis) {
        let _ = self.remove_stale_uploads(folder, before).await;
        let Ok(entries) = self.list(folder, 100_000).await else {
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
