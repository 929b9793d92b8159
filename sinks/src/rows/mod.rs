//! Rows into ClickHouse: encoded once, written in batches, and verified where the outcome is not known.
//!
//! ```text
//!   Row, FileLog ──► Builder ──► Batch (bytes, row ends, keys) ──► Writer (native) ──► Written { rejected rows }
//! ```
//!
//! `batch`, [`encode`] and `native` are pure; `plan` says what is sent again after an error; `verify` asks what is there; [`Writer`]
//! talks. *Invariant:* when [`Writer::write`] returns, every row of the batch is in its table, or is among the rejected.

mod batch;
mod binary;
pub mod encode;
mod native;
mod plan;
mod state;
pub mod task;
mod verify;
mod writer;

pub use batch::{Batch, Builder, RowTable};
pub use encode::{FileLog, Refused};
pub use state::{WriteState, WriteStates};
pub use writer::{Patience, Rejected, Writer, Written};
