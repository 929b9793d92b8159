//! From the events of an entity to its row.

mod digest;
pub mod flow;
#[cfg(test)]
mod flow_tests;
pub mod hold;
mod keyed;
mod patch;
pub mod piece;
pub mod pieces;
pub mod stamp;
pub mod tombstones;

pub use hold::Keyd;
pub use keyed::{Keyed, KeyedMap};
pub use patch::Patch;
pub use tombstones::Tombstones;
