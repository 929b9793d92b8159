//! Where rows of an entity are. Pure.
//!
//! The day and the type (of an observation) or name (of a score) are part of the sort key, so rows of one entity that differ
//! in them do not replace each other: the newest of all places is the entity, and the others are to be buried.

use tracemill_model::Millis;
use tracemill_model::ingest::{ObservationType, Row, Text};

/// One place, and the newest version there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The type of an observation, the name of a score; empty for traces.
    pub part: Text,
    /// `timestamp` or `start_time` of the newest version there.
    pub time: Millis,
    /// The newest version.
    pub event_ts: Millis,
    /// Whether it is a tombstone.
    pub is_deleted: bool,
    /// The day in the sort key, as the server counts it (its time zone need not be UTC): days since 1970.
    pub(super) day: u16,
}

impl Place {
    /// The tombstone for this place, made from a row of the entity. `None` where the place has a type that we cannot write.
    #[must_use]
    pub fn grave(&self, row: &Row, event_ts: Millis) -> Option<Row> {
        let mut grave = row.clone();
        match &mut grave {
            Row::Trace(row) => row.timestamp = self.time,
            Row::Observation(row) => {
                row.start_time = self.time;
                row.ty = ObservationType::parse(&self.part).filter(|ty| ty.upper() == &*self.part)?;
            }
            Row::Score(row) => {
                row.timestamp = self.time;
                row.name = self.part.clone();
            }
        }
        grave.bury();
        grave.set_version(event_ts, event_ts);
        Some(grave)
    }
}

/// The place that is the entity's state, and the live ones beside it. Of the same version a live row is newer than a
/// tombstone: that is how an entity moves.
pub(super) fn newest(mut places: Vec<Place>) -> Option<(Place, Vec<Place>)> {
    let at = (0..places.len()).max_by_key(|&at| (places[at].event_ts, !places[at].is_deleted, places[at].time))?;
    let newest = places.swap_remove(at);
    places.retain(|place| !place.is_deleted);
    places.sort_unstable_by_key(|place| place.event_ts);
    Some((newest, places))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(part: &str, event_ts: i64, is_deleted: bool) -> Place {
        Place {
            part: part.into(),
            time: Millis(0),
            event_ts: Millis(event_ts),
            is_deleted,
            day: 0,
        }
    }

    #[test]
    fn the_newest_place_wins_and_the_live_ones_beside_it_are_named() {
        for (places, expected, others) in [
            (vec![place("a", 1, false)], "a", vec![]),
            (vec![place("a", 1, false), place("b", 2, false)], "b", vec!["a"]),
            (vec![place("a", 2, true), place("b", 1, false)], "a", vec!["b"]),
            (vec![place("a", 2, true), place("b", 2, false)], "b", vec![]),
            (
                vec![place("c", 3, false), place("a", 2, false), place("b", 1, false)],
                "c",
                vec!["b", "a"],
            ),
        ] {
            let (newest, left) = newest(places).expect("a place");
            assert_eq!(&*newest.part, expected);
            assert_eq!(left.iter().map(|place| &*place.part).collect::<Vec<_>>(), others);
        }
        assert_eq!(newest(Vec::new()), None);
    }
}
