//! What happens to the data between a source and a sink.
//!
//! Three kinds of code, never mixed in one file: pure decisions ([`dedup::VersionIndex`], [`split`]), dataflow
//! ([`bridge`], [`dedup::dedup`], [`reconcile`]), and the memory rule that both obey ([`budget`]).

pub mod batch;
pub mod bridge;
pub mod budget;
pub mod clock;
pub mod decode;
pub mod dedup;
pub mod epoch;
pub mod gather;
pub mod governor;
pub mod merge;
pub mod nice;
pub mod outcome;
pub mod price;
pub mod progress;
pub mod reconcile;
pub mod shares;
pub mod split;
#[cfg(test)]
mod vectors;

pub use budget::{Budget, Permit};
pub use clock::Clock;
pub use epoch::Epoch;
pub use nice::Nice;
pub use shares::{Shares, Weights};
