//! Of many versions of an id, the newest; and nothing of an id whose newest version is a tombstone.
//!
//! [`VersionIndex`] decides, [`dedup`] moves the batches.

mod filter;
mod index;

pub use filter::{dedup, key_columns_for};
pub use index::{IndexBuilder, KeyRow, VersionIndex};
