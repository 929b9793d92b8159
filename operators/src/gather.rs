//! The rows of an epoch, gathered by table.
//!
//! ```text
//!   rows ──► gather ──► one chunk for each table, epoch and worker
//! ```
//!
//! *Frontiers.* Rows wait until their epoch is complete, or until a chunk is full; chunks leave at their epoch.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::operator::Operator;
use tracemill_model::ingest::EntityKind;

use crate::Epoch;
use crate::merge::stamp::Stamped;

/// Rows of one table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Chunk {
    /// Of which entities.
    pub kind: EntityKind,
    /// At least one.
    pub rows: Vec<Stamped>,
}

/// Builds the operator. A chunk that reaches `bytes` leaves before its epoch is complete.
pub fn gather<'scope>(
    rows: Stream<'scope, Epoch, Vec<Stamped>>,
    name: &str,
    bytes: u64,
) -> Stream<'scope, Epoch, Vec<Chunk>> {
    rows.unary_frontier::<CapacityContainerBuilder<Vec<Chunk>>, _, _, _>(Pipeline, name, |_capability, _info| {
        let mut waiting: BTreeMap<Epoch, (Capability<Epoch>, Tables)> = BTreeMap::new();
        move |(input, frontier), output| {
            input.for_each(|capability, items| {
                let Some(capability) = capability.retain_least(0) else {
                    return;
                };
                let (held, tables) = waiting
                    .entry(*capability.time())
                    .or_insert_with(|| (capability, Tables::default()));
                for row in items.drain(..) {
                    if let Some(chunk) = tables.put(row, bytes) {
                        output.session(&*held).give(chunk);
                    }
                }
            });
            while let Some(entry) = waiting.first_entry() {
                if frontier.less_equal(entry.key()) {
                    break;
                }
                let (capability, tables) = entry.remove();
                output.session(&capability).give_iterator(tables.rest());
            }
        }
    })
}

#[derive(Default)]
struct Tables(BTreeMap<EntityKind, (u64, Vec<Stamped>)>);

impl Tables {
    fn put(&mut self, row: Stamped, limit: u64) -> Option<Chunk> {
        let kind = row.row.kind();
        let (bytes, rows) = self.0.entry(kind).or_default();
        *bytes += row.row.bytes();
        rows.push(row);
        if *bytes < limit {
            return None;
        }
        *bytes = 0;
        Some(Chunk {
            kind,
            rows: std::mem::take(rows),
        })
    }

    fn rest(self) -> impl Iterator<Item = Chunk> {
        let chunks = self.0.into_iter().map(|(kind, (_, rows))| Chunk { kind, rows });
        chunks.filter(|chunk| !chunk.rows.is_empty())
    }
}
