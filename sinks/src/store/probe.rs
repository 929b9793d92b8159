//! Does a store do what Tracemill needs? Asked once, before anything depends on it.
//!
//! A small object is created, created again (which must be refused), read back and removed, below `_tracemill/probe/`.
//! On error the object may stay; it is named after the process and the time, and harms nobody.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::{Created, Store};
use crate::error::SinkError;

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
        let path = format!("_tracemill/probe/{nanos}-{}.json", std::process::id());
        let content = Bytes::from(format!("{{\"probe\":{nanos}}}\n"));
        if self.create(&path, content.clone()).await? == Created::AlreadyExists {
            return Err(self.unfit(
                "create an object conditionally",
                "it says that an object of a new name exists",
            ));
        }
        let checked = self.check_object(&path, &content).await;
        let removed = self.delete(&[path]).await;
        checked.and(removed)
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
        let listed = self.list("_tracemill/probe", 100_000).await?;
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
