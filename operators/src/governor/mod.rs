//! The governor: from how long interactive queries take, and what ClickHouse is short of, how much of it the export may use.
//!
//! ```text
//! interactive queries ──► Latency ─┐
//! ClickHouse's own figures ────────┴──► Law ──► Gate ──► leaves at once, bytes a second
//! queries as they run ──► Readers ──► an export on the same processors stands still
//! parts of the tables that are written ──► Stretch ──► how long a batch of ingestion waits
//! ```
//!
//! Static limits protect against the known; the governor against the rest. Without interactive queries nothing is held back,
//! and the export always keeps a part of its speed.

pub mod gate;
pub mod latency;
pub mod law;
pub mod readers;
pub mod stretch;

pub use gate::{Gate, Passage, Passed, Settings};
pub use latency::{Latency, Recent};
pub use law::{Bounds, Law, Reason, Sample};
pub use readers::{Heart, Readers, Running};
pub use stretch::{Crowd, Stretch, Why};
