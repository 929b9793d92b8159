//! From changed states to the rows that are written: versions are given here.
//!
//! ```text
//!   ((entity, state), epoch, ±1) ──► stamp ──► rows
//! ```
//!
//! *Frontiers.* The changes of an epoch wait until it is complete, so that the old and the new state of an entity are seen
//! together.
//!
//! *Invariants.* The versions of an entity only grow. A state that is stored already is not written again. Where an
//! entity's place in the sort key changes, a tombstone takes its old place. What is deleted is not written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::operator::Operator;
use tracemill_model::Millis;
use tracemill_model::ingest::{Origin, Row};

use super::hold::Held;
use super::piece::Merged;
use super::tombstones::Tombstones;
use super::{Keyed, KeyedMap};
use crate::{Clock, Epoch};

type Change = ((Keyed, Merged), Epoch, isize);

/// A row that is to be written.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stamped {
    /// With its version.
    pub row: Row,
    /// Where the newest event comes from that it was made of; should the row be refused, this is where to look.
    pub origin: Option<Origin>,
}

/// Builds the operator.
pub fn stamp<'scope>(
    changes: Stream<'scope, Epoch, Vec<Change>>,
    name: &str,
    clock: Clock,
    tombstones: Tombstones,
    gauge: Arc<Held>,
) -> Stream<'scope, Epoch, Vec<Stamped>> {
    changes.unary_frontier::<CapacityContainerBuilder<Vec<Stamped>>, _, _, _>(Pipeline, name, |_capability, _info| {
        let mut versions = Versions {
            last: KeyedMap::default(),
            clock,
            tombstones,
            gauge,
        };
        let mut waiting: BTreeMap<Epoch, Waiting> = BTreeMap::new();
        move |(input, frontier), output| {
            input.for_each(|capability, items| {
                for ((key, state), epoch, diff) in items.drain(..) {
                    let waiting = waiting.entry(epoch).or_default();
                    if waiting.capability.is_none() {
                        waiting.capability = Some(capability.delayed(&epoch, 0));
                    }
                    let change = waiting.changes.entry(key).or_default();
                    *(if diff > 0 { &mut change.new } else { &mut change.old }) = Some(state);
                }
            });
            while let Some(entry) = waiting.first_entry() {
                if frontier.less_equal(entry.key()) {
                    break;
                }
                let Waiting { capability, changes } = entry.remove();
                let Some(capability) = capability else { continue };
                let mut session = output.session(&capability);
                for (key, change) in changes {
                    versions.change(key, change, |row| session.give(row));
                }
            }
        }
    })
}

#[derive(Default)]
struct Waiting {
    capability: Option<Capability<Epoch>>,
    changes: KeyedMap<StateChange>,
}

/// What became of an entity's state in an epoch.
#[derive(Default)]
struct StateChange {
    old: Option<Merged>,
    new: Option<Merged>,
}

struct Versions {
    /// Of each entity that is held, the version that was written last.
    last: KeyedMap<Millis>,
    clock: Clock,
    tombstones: Tombstones,
    gauge: Arc<Held>,
}

impl Versions {
    fn change(&mut self, key: Keyed, change: StateChange, mut give: impl FnMut(Stamped)) {
        let StateChange { old, new } = change;
        let Some(new) = new else {
            // It was let go.
            self.last.remove(&key);
            return;
        };
        if self.tombstones.has_row(&new.row) {
            self.gauge.deleted.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let known = self.last.get(&key).copied();
        let before = known.unwrap_or(new.floor);
        if known.is_none() && new.is_stored && new.others.is_empty() {
            self.last.insert(key, before);
            self.gauge.unchanged.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let now = self.clock.now();
        // One version is left free below it, for tombstones at other places.
        let version = now.max(before.plus(2));
        let buried = version.plus(-1);
        let moved = old.as_ref().filter(|old| old.row.place() != new.row.place());
        for left in moved.map(|old| &*old.row).into_iter().chain(new.others.iter()) {
            if left.place() != new.row.place() {
                let row = tombstone(left, buried, now);
                let origin = new.origin.clone();
                give(Stamped { row, origin });
            }
        }
        let mut row = Arc::unwrap_or_clone(new.row);
        row.set_version(version, now);
        let origin = new.origin;
        give(Stamped { row, origin });
        self.gauge.written.fetch_add(1, Ordering::Relaxed);
        self.last.insert(key, version);
    }
}

fn tombstone(row: &Row, version: Millis, now: Millis) -> Row {
    let mut row = row.clone();
    row.bury();
    row.set_version(version, now);
    row
}
