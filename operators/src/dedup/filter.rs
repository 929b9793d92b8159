//! The dataflow operator: keeps the rows that the leaf's index claims, and drops the key columns.
//!
//! ```text
//!   read ──► dedup[table] ──► file sink
//! ```
//!
//! *Frontiers.* A plain operator: what it gets at an epoch leaves at that epoch, in the same activation.
//!
//! *On error.* A batch of another shape, or rows that do not add up at the end of a leaf (the table changed between the
//! two passes), turn into a failed leaf, which is read again in smaller parts. Nothing is dropped.

use std::sync::Arc;
use std::time::Instant;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, BinaryArray, BooleanArray, RecordBatch};
use arrow_buffer::BooleanBufferBuilder;
use arrow_select::filter::FilterBuilder;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::operator::Operator;
use tracemill_model::Table;

use super::index::{KeyRow, VersionIndex};
use crate::Epoch;
use crate::batch::{LeafEvent, LeafJob, LeafStep};
use crate::outcome::LeafError;

/// How many key columns a table's rows begin with: id, `event_ts`, time, and the type where the table is sorted by it.
#[must_use]
pub fn key_columns_for(table: Table) -> usize {
    if table.is_sorted_by_type() { 4 } else { 3 }
}

/// Keeps the newest live version of each id.
pub fn dedup<'scope>(
    events: Stream<'scope, Epoch, Vec<LeafEvent>>,
    name: &str,
) -> Stream<'scope, Epoch, Vec<LeafEvent>> {
    events.unary::<CapacityContainerBuilder<Vec<LeafEvent>>, _, _, _>(Pipeline, name, |_capability, _info| {
        let mut leaves = Leaves::default();
        move |input, output| {
            input.for_each(|capability, events| {
                let mut session = output.session(&capability);
                for event in events.drain(..) {
                    if let Some(event) = leaves.on_event(event) {
                        session.give(event);
                    }
                }
            });
        }
    })
}

/// Leaves of which something is under way here, by the address of their job.
#[derive(Default)]
struct Leaves {
    /// Leaves that failed in this operator: their later events are swallowed.
    failed: Vec<Arc<LeafJob>>,
    /// Microseconds spent per leaf.
    spent: Vec<(usize, u64)>,
}

impl Leaves {
    fn on_event(&mut self, event: LeafEvent) -> Option<LeafEvent> {
        let LeafEvent { job, what } = event;
        let is_last = !matches!(what, LeafStep::Rows { .. });
        if let Some(at) = self.failed.iter().position(|failed| Arc::ptr_eq(failed, &job)) {
            if is_last {
                self.failed.swap_remove(at);
            }
            return None;
        }
        let what = match what {
            LeafStep::Rows { batch, permit, .. } => {
                let began = Instant::now();
                let kept = keep(&job, &batch);
                self.spend(&job, began);
                match kept {
                    Ok(None) => return None,
                    Ok(Some((batch, times))) => LeafStep::Rows {
                        batch,
                        times: Some(times),
                        permit,
                    },
                    Err(error) => {
                        self.failed.push(Arc::clone(&job));
                        LeafStep::Failed { error }
                    }
                }
            }
            LeafStep::End { query_ids, mut timing } => {
                timing.dedup += self.settle(&job);
                match check(&job.index) {
                    Ok(()) => LeafStep::End { query_ids, timing },
                    Err(error) => LeafStep::Failed { error },
                }
            }
            LeafStep::Failed { error } => {
                self.settle(&job);
                LeafStep::Failed { error }
            }
        };
        Some(LeafEvent { job, what })
    }

    fn spend(&mut self, job: &Arc<LeafJob>, began: Instant) {
        let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let key = Arc::as_ptr(job) as usize;
        match self.spent.iter_mut().find(|(known, _)| *known == key) {
            Some((_, sum)) => *sum += micros,
            None => self.spent.push((key, micros)),
        }
    }

    fn settle(&mut self, job: &Arc<LeafJob>) -> u64 {
        let key = Arc::as_ptr(job) as usize;
        let at = self.spent.iter().position(|(known, _)| *known == key);
        at.map_or(0, |at| self.spent.swap_remove(at).1)
    }
}

fn check(index: &VersionIndex) -> Result<(), LeafError> {
    let (claimed, expected) = (index.claimed(), index.expected());
    if claimed == expected {
        return Ok(());
    }
    Err(LeafError {
        kind: "changed".to_owned(),
        message: format!("the table changed while it was read: {claimed} of {expected} rows came"),
        is_outage: false,
    })
}

fn shape_error(reason: &str) -> LeafError {
    LeafError {
        kind: "protocol".to_owned(),
        message: reason.to_owned(),
        is_outage: false,
    }
}

/// The rows to write with their smallest and largest time, without key columns; `None` if there are none.
#[expect(clippy::type_complexity, reason = "used once")]
fn keep(job: &LeafJob, batch: &RecordBatch) -> Result<Option<(RecordBatch, (i64, i64))>, LeafError> {
    let keys = Keys::of(batch, job.key_columns)?;
    let rows = batch.num_rows();
    let mut mask = BooleanBufferBuilder::new(rows);
    let mut times = (i64::MAX, i64::MIN);
    let mut kept = 0;
    for at in 0..rows {
        let row = keys.row(at);
        let is_kept = job.index.claim(row);
        mask.append(is_kept);
        if is_kept {
            kept += 1;
            times = (times.0.min(row.time), times.1.max(row.time));
        }
    }
    if kept == 0 {
        return Ok(None);
    }
    let columns: Vec<usize> = (job.key_columns..batch.num_columns()).collect();
    let rest = batch
        .project(&columns)
        .map_err(|error| shape_error(&error.to_string()))?;
    if kept == rows {
        return Ok(Some((rest, times)));
    }
    let mask = BooleanArray::new(mask.finish(), None);
    let filter = FilterBuilder::new(&mask).optimize().build();
    let filtered = filter
        .filter_record_batch(&rest)
        .map_err(|error| shape_error(&error.to_string()))?;
    Ok(Some((filtered, times)))
}

/// The key columns of a batch, typed.
struct Keys<'a> {
    id: &'a BinaryArray,
    event_ts: &'a [i64],
    time: &'a [i64],
    ty: Option<&'a BinaryArray>,
}

impl<'a> Keys<'a> {
    fn of(batch: &'a RecordBatch, key_columns: usize) -> Result<Self, LeafError> {
        if batch.num_columns() < key_columns {
            return Err(shape_error("fewer columns than asked for"));
        }
        let binary = |at: usize| {
            batch
                .column(at)
                .as_binary_opt::<i32>()
                .ok_or_else(|| shape_error("a key column is no string"))
        };
        let millis = |at: usize| {
            let column = batch.column(at).as_primitive_opt::<TimestampMillisecondType>();
            column
                .filter(|column| column.null_count() == 0)
                .map(|column| column.values().as_ref())
                .ok_or_else(|| shape_error("a key column is no time in milliseconds"))
        };
        let ty = if key_columns > 3 { Some(binary(3)?) } else { None };
        Ok(Self {
            id: binary(0)?,
            event_ts: millis(1)?,
            time: millis(2)?,
            ty,
        })
    }

    fn row(&self, at: usize) -> KeyRow<'a> {
        KeyRow {
            id: self.id.value(at),
            event_ts: self.event_ts[at],
            time: self.time[at],
            ty: self.ty.map_or(&[], |ty| ty.value(at)),
        }
    }
}
