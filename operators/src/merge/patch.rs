//! One event with where it comes from, as the merge holds it.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};
use tracemill_model::Millis;
use tracemill_model::ingest::{Event, Origin, Rank};

/// An event of an entity and its place in the entity's history.
///
/// Patches are ordered, and compared for equality, by rank, time, creates before updates, and origin, which is the order
/// in which they are applied: among equal times what was received later wins. The same origin is the same patch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Patch {
    /// The change.
    pub event: Event,
    /// Where it comes from.
    pub origin: Origin,
}

impl Patch {
    fn place(&self) -> (Rank, Millis, bool, &Origin) {
        (
            self.event.rank,
            self.event.at,
            self.event.kind.is_update(),
            &self.origin,
        )
    }
}

impl PartialEq for Patch {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
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
        self.place().cmp(&other.place())
    }
}

impl Hash for Patch {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.place().hash(state);
    }
}
