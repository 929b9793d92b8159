//! What is known of an entity: the values of the merge's collection.

use std::cmp::Ordering;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tracemill_model::Millis;
use tracemill_model::ingest::{Origin, Row, Text};

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
    /// Where the patch comes from that was received last; `None`: there is none.
    pub origin: Option<Origin>,
}

impl Merged {
    /// The state of an entity of which `stored` is known.
    #[must_use]
    pub fn new(row: Row, stored: Option<&Stored>, origin: Option<&Origin>) -> Self {
        let content = digest(&row);
        let mut others = stored.map(|stored| stored.others.clone()).unwrap_or_default();
        // The row moves away from where it is stored.
        let left = stored.map(|stored| &stored.row);
        others.extend(
            left.filter(|left| !left.is_deleted() && left.place() != row.place())
                .cloned(),
        );
        Self {
            digest: content,
            is_stored: stored.is_some_and(|stored| !stored.row.is_deleted() && digest(&stored.row) == content),
            floor: stored.map_or(Millis(0), |stored| stored.row.event_ts()),
            others: Arc::new(others),
            origin: origin.cloned(),
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

#[cfg(test)]
mod tests {
    use tracemill_model::ingest::{Body, EntityKey, EntityKind, Event, EventKind, Origin, Rank};
    use tracemill_model::time::DAY_MS;

    use super::super::fold;
    use super::*;

    fn at_day(day: i64) -> Row {
        let key = EntityKey {
            project: "p".into(),
            kind: EntityKind::Trace,
            id: "t".into(),
        };
        let patch = Patch {
            event: Event {
                id: "e".into(),
                kind: EventKind::TraceCreate,
                at: Millis(day * DAY_MS),
                rank: Rank::Whole,
                body: Body::Trace(Box::default()),
            },
            origin: Origin {
                received: Millis(0),
                object: "raw".into(),
                index: 0,
            },
        };
        fold(&key, None, &[&patch], Millis(1)).expect("a row")
    }

    #[test]
    fn a_row_that_moves_leaves_its_stored_place_to_be_buried() {
        let stored = Stored {
            row: at_day(2),
            others: Vec::new(),
        };
        assert_eq!(*Merged::new(at_day(1), Some(&stored), None).others, [at_day(2)]);
        assert!(Merged::new(at_day(2), Some(&stored), None).others.is_empty());
        let mut buried = stored;
        buried.row.bury();
        assert!(Merged::new(at_day(1), Some(&buried), None).others.is_empty());
    }
}
