//! What is known of an entity: the values of the merge's collection.

use std::cmp::Ordering;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tracemill_model::Millis;
use tracemill_model::ingest::{Row, Text};

use super::Patch;
use super::digest::digest;

/// One value of an entity's group: what ClickHouse has of it, or one patch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Piece {
    /// The row that was stored before.
    Stored(Arc<Stored>),
    /// A change.
    Patch(Arc<Patch>),
}

/// What a lookup found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stored {
    /// The newest version.
    pub row: Row,
    /// Rows of the same id at other places of the sort key, which it does not replace by itself.
    pub others: Vec<Row>,
}

impl Ord for Piece {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Stored(left), Self::Stored(right)) => left.row.event_ts().cmp(&right.row.event_ts()),
            (Self::Stored(_), Self::Patch(_)) => Ordering::Less,
            (Self::Patch(_), Self::Stored(_)) => Ordering::Greater,
            (Self::Patch(left), Self::Patch(right)) => left.cmp(right),
        }
    }
}

impl PartialOrd for Piece {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Piece {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Piece {}

/// The state that the pieces of an entity add up to. Equal states are equal contents: versions and times of writing do not
/// count, so that a change that changes nothing is seen as none.
#[derive(Debug, Clone)]
pub struct Merged {
    digest: u128,
    /// The row; its version is given when it is written.
    pub row: Arc<Row>,
    /// The stored row's version, below which no new one may be; 0: nothing was stored.
    pub floor: Millis,
    /// Whether it is what is stored already.
    pub is_stored: bool,
    /// Stored rows at other places.
    pub others: Arc<Vec<Row>>,
}

impl Merged {
    /// The state of an entity of which `stored` is known.
    #[must_use]
    pub fn new(row: Row, stored: Option<&Stored>) -> Self {
        let content = digest(&row);
        Self {
            digest: content,
            is_stored: stored.is_some_and(|stored| !stored.row.is_deleted() && digest(&stored.row) == content),
            floor: stored.map_or(Millis(0), |stored| stored.row.event_ts()),
            others: Arc::new(stored.map(|stored| stored.others.clone()).unwrap_or_default()),
            row: Arc::new(row),
        }
    }
}

impl PartialEq for Merged {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Merged {}

impl Ord for Merged {
    fn cmp(&self, other: &Self) -> Ordering {
        self.digest.cmp(&other.digest)
    }
}

impl PartialOrd for Merged {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The trace that a row belongs to: deleted with it.
#[must_use]
pub fn trace_of(row: &Row) -> Option<&Text> {
    match row {
        Row::Trace(row) => Some(&row.id),
        Row::Observation(row) => Some(&row.trace_id).filter(|id| !id.is_empty()),
        Row::Score(row) => row.trace_id.as_ref(),
    }
}
