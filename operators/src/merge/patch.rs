//! One event with where it comes from, as the merge holds it.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use tracemill_model::ingest::{Event, Origin};

/// A patch of an entity. Its order is that of application: rank, time, creates before updates, then where it comes from.
/// Patches of the same origin are the same patch, however often its raw object is read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Patch {
    /// The event.
    pub event: Event,
    /// Where it comes from.
    pub origin: Origin,
}

impl Patch {
    fn order(&self) -> impl Ord + '_ {
        let event = &self.event;
        (event.rank, event.at, event.kind.is_update(), &self.origin)
    }
}

impl PartialEq for Patch {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Patch {}

impl PartialOrd for Patch {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Patch {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

impl Patch {
    /// About how many bytes it holds.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        1000
    }
}
