//! Windows of ClickHouse tables, read in two passes: key columns first, then the rows.
//!
//! [`statements`] says what is asked, `frames` cuts the answer into Arrow messages, `keys` and `rows` read the two
//! passes, `read` is the task that runs the leaves, and [`survey`] asks how far the data reaches.

mod deadline;
pub mod digest;
mod frames;
mod keys;
mod leaf;
pub mod read;
mod rows;
pub mod statements;
pub mod survey;
mod tuning;

pub use leaf::LeafMemory;
pub use read::{ReadConfig, read};
pub use tuning::Tuning;
