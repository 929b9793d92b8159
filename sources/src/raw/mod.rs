//! Raw objects: what clients sent, as it was stored before it was acknowledged.
//!
//! ```text
//!   work ──► fetch ──► raw objects with their jobs
//! ```
//!
//! *On error.* A store that is away is waited for without end; an object that is not there any more is given on as that.

mod fetch;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
pub(crate) use fetch::patiently;
pub use fetch::{FetchConfig, fetch, files_of};
use tracemill_model::Millis;

/// Where raw objects are. Paths are below the store's prefix.
#[async_trait]
pub trait RawStore: fmt::Debug + Send + Sync {
    /// An object's bytes; `None`: there is none of that path.
    ///
    /// # Errors
    /// The store's.
    async fn read(&self, path: &str) -> Result<Option<Bytes>, RawError>;

    /// All objects below a folder, in order of their paths.
    ///
    /// # Errors
    /// The store's.
    async fn list(&self, folder: &str) -> Result<Vec<RawEntry>, RawError>;
}

/// An object as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawEntry {
    /// Its path.
    pub path: String,
    /// When it was written, by the store's clock.
    pub modified: Millis,
}

/// The store does not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{reason}")]
pub struct RawError {
    /// The store's words.
    pub reason: String,
}

/// How long to wait before the `n`th repetition, from 1.
pub(crate) fn pause(n: u32) -> Duration {
    tracemill_operators::clock::backoff(n)
}
