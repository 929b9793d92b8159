//! The ingestion protocol: events as the Langfuse SDKs send them, one by one or in batches.
//!
//! [`batch`], [`scores`] and [`single`] read a request at intake and say what each event's answer is and what to store;
//! [`object`] reads what was stored. Both apply the same rules, so an event that intake took is never refused later.
//!
//! Invariants: an event that is not valid is one [`Rejected`](super::Rejected), never its batch; payload text is stored
//! and passed on as it came; nothing recurses on nesting, and no input panics. Errors are of whole bodies alone:
//! [`BatchError`].

mod batch;
mod event;
mod fields;
mod observation;
mod score;
mod time;
mod trace;
mod usage;
mod wrap;

#[cfg(test)]
mod tests;

pub use batch::{Accepted, Batch, BatchError, batch, object};
pub use time::datetime;
pub use wrap::{Single, scores, single};

/// What one request and one event may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Events of a request.
    pub events: usize,
    /// How deep arrays and objects may lie in each other within an event, the event itself being 1.
    pub depth: usize,
    /// UTF-16 units of an id.
    pub id: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            events: 10_000,
            depth: 128,
            id: 800,
        }
    }
}

/// By whose rules an event is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rules {
    /// Those for clients: environments become lower case and may not begin with `langfuse`.
    #[default]
    Public,
    /// Those for objects that the reference itself stored: environments as they are, and the values of its own screens.
    Internal,
}

/// How an event is read.
#[derive(Debug, Clone, Copy)]
struct Reading<'a> {
    rules: Rules,
    limits: &'a Limits,
    /// Whether payloads are wanted too: they cannot be wrong, so a check goes without.
    payloads: bool,
}
