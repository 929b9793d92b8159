//! From the bytes of a raw object to events: pure, and never all or nothing. What cannot be read is a [`Rejected`] of its own.

pub mod events;
pub mod flow;
pub mod json;
pub mod otlp;
pub mod walk;

use tracemill_model::ingest::{Event, Text};

/// What became of a raw object.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decoded {
    /// What it says, in its order.
    pub events: Vec<Event>,
    /// What could not be read.
    pub rejected: Vec<Rejected>,
}

/// One event or span that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Its place among the object's events or spans.
    pub index: u32,
    /// The event's or span's id; `unknown` where it has none that is a text.
    pub id: Text,
    /// Why.
    pub why: Why,
    /// What is wrong, for the person who sent it.
    pub reason: String,
}

/// Why an event is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// It is not valid: status 400.
    Invalid,
    /// The key may not write it: status 401.
    Scope,
}
