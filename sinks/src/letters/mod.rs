//! Dead letters of ingestion: what could not be taken in, kept as objects with the reason until it is replayed.
//!
//! ```text
//!   <prefix>letters/<project>/<yyyy>/<mm>/<dd>/<uuid>.json
//! ```
//!
//! The day is that on which the raw object was received, and the name follows from what the letter is about: a job that is
//! run again writes its letters again, and adds none. The raw object is not part of a letter; it stays where it is.

mod letter;
mod task;
mod walk;

pub use letter::{Letter, LetterState, Subject};
pub use task::{LettersTask, letters};
pub use walk::{Filed, Filter, Walk};

use bytes::Bytes;

use crate::SinkError;
use crate::store::Store;

/// No letter of ours is larger.
const LIMIT: u64 = 1 << 20;

/// Letters of a raw store.
#[derive(Debug, Clone)]
pub struct Letters {
    store: Store,
    /// Empty, or with a slash at its end.
    prefix: String,
}

impl Letters {
    /// Letters below `<prefix>letters/`. The prefix is empty or ends with a slash.
    #[must_use]
    pub fn new(store: Store, prefix: impl Into<String>) -> Self {
        Self {
            store,
            prefix: prefix.into(),
        }
    }

    fn folder(&self) -> String {
        format!("{}letters", self.prefix)
    }

    /// Where a letter is, or would be.
    #[must_use]
    pub fn path(&self, subject: &Subject) -> String {
        format!("{}/{}", self.folder(), subject.path())
    }

    /// Writes a letter; one that is there already keeps the time of its first attempt, and its attempts are added up.
    /// Returns its path.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn put(&self, letter: &Letter) -> Result<String, SinkError> {
        let path = self.path(&letter.about);
        let merged = match self.get(&path).await {
            Ok(before) => letter.after(&before),
            // One that cannot be read is replaced by one that can.
            Err(SinkError::NotFound { .. } | SinkError::Letter { .. } | SinkError::TooLarge { .. }) => letter.clone(),
            Err(error) => return Err(error),
        };
        let text = serde_json::to_vec(&merged).expect("a letter is always JSON");
        self.store.put(&path, Bytes::from(text)).await?;
        Ok(path)
    }

    /// Reads a letter.
    ///
    /// # Errors
    /// [`SinkError::NotFound`]; [`SinkError::Letter`] if the object is none.
    pub async fn get(&self, path: &str) -> Result<Letter, SinkError> {
        let bytes = self.store.get(path, LIMIT).await?;
        serde_json::from_slice(&bytes).map_err(|error| SinkError::Letter {
            path: path.to_owned(),
            reason: error.to_string(),
        })
    }

    /// Marks a letter as replayed, unless it was written again since it was read: then it is open, and this gives false.
    /// One that is not there any more is fine.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn replayed(&self, filed: &Filed) -> Result<bool, SinkError> {
        let now = match self.get(&filed.path).await {
            Ok(letter) => letter,
            Err(SinkError::NotFound { .. }) => return Ok(true),
            Err(error) => return Err(error),
        };
        if now.attempts != filed.letter.attempts {
            return Ok(false);
        }
        let letter = Letter {
            state: LetterState::Replayed,
            ..now
        };
        let text = serde_json::to_vec(&letter).expect("a letter is always JSON");
        self.store.put(&filed.path, Bytes::from(text)).await?;
        Ok(true)
    }

    /// Removes letters. Those that are not there are fine.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn drop(&self, paths: &[String]) -> Result<(), SinkError> {
        self.store.delete(paths).await
    }

    /// Goes through letters day by day, by project and then by time received.
    #[must_use]
    pub fn walk(&self, filter: Filter) -> Walk<'_> {
        Walk::new(self, filter)
    }
}
