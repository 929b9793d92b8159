//! What flows through Tracemill: events, entities and rows on the way in; tables, windows, leaves, manifests and letters on
//! the way out.
//!
//! Plain data and pure functions over it. Nothing here talks to a server, a disk or a clock, so every
//! decision that is made in this crate can be tested by a table or a property.

pub mod bytesize;
pub mod export;
pub mod fault;
pub mod ingest;
pub mod leaf;
pub mod letter;
pub mod manifest;
pub mod period;
pub mod secret;
pub mod table;
pub mod time;
pub mod window;

pub use bytesize::ByteSize;
pub use export::{ExportKey, ProjectId};
pub use fault::{Blame, Fault};
pub use leaf::{IdRange, Leaf, LeafPath, Types};
pub use period::Period;
pub use secret::Secret;
pub use table::Table;
pub use time::Millis;
pub use window::Window;
