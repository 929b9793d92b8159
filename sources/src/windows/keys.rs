//! Pass one: the key columns of a leaf, into its version index.

use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampMillisecondType, UInt8Type};
use arrow_array::{Array, BinaryArray, RecordBatch};
use tracemill_model::{ExportKey, Leaf};
use tracemill_operators::Budget;
use tracemill_operators::dedup::{IndexBuilder, KeyRow};
use tracemill_warehouse::Service;

use super::rows::{Batches, Pace};
use super::statements;
use crate::SourceError;

/// Reads the key columns into `builder`, and says which query did. On error the builder holds what had arrived.
pub(super) async fn read_keys(
    service: &Service,
    key: &ExportKey,
    leaf: &Leaf,
    budget: &Budget,
    pace: Pace<'_>,
    builder: &mut IndexBuilder,
) -> Result<String, SourceError> {
    let statement = statements::keys(key, leaf.window, &leaf.ids);
    let mut batches = Batches::open(service, statement, budget, None, pace)?;
    while let Some(held) = batches.next().await? {
        each_key(&held.batch, key.table.is_sorted_by_type(), |row, is_live| {
            builder.push(row, is_live);
        })?;
    }
    Ok(batches.query_id().to_string())
}

/// Calls `push` for each row of an answer of [`statements::keys`].
pub(super) fn each_key(
    batch: &RecordBatch,
    has_type: bool,
    mut push: impl FnMut(KeyRow<'_>, bool),
) -> Result<(), SourceError> {
    let wrong = |reason: &str| SourceError::Shape {
        reason: format!("{reason}: {:?}", batch.schema_ref()),
    };
    let binary = |at: usize| batch.columns().get(at).and_then(|column| column.as_binary_opt::<i32>());
    let millis = |at: usize| {
        let column = batch
            .columns()
            .get(at)
            .and_then(|column| column.as_primitive_opt::<TimestampMillisecondType>());
        column
            .filter(|column| column.null_count() == 0)
            .map(|column| column.values())
    };
    let ids = binary(0).ok_or_else(|| wrong("ids are no strings"))?;
    let versions = millis(1).ok_or_else(|| wrong("versions are no times in milliseconds"))?;
    let times = millis(2).ok_or_else(|| wrong("times are no times in milliseconds"))?;
    let types: Option<&BinaryArray> = if has_type {
        Some(binary(3).ok_or_else(|| wrong("types are no strings"))?)
    } else {
        None
    };
    let live_at = if has_type { 4 } else { 3 };
    let live = batch
        .columns()
        .get(live_at)
        .and_then(|column| column.as_primitive_opt::<UInt8Type>());
    let live = live.ok_or_else(|| wrong("the live flag is no number"))?;
    for at in 0..batch.num_rows() {
        let ty = types.map_or(&[][..], |types| types.value(at));
        let row = KeyRow {
            id: ids.value(at),
            event_ts: versions[at],
            time: times[at],
            ty,
        };
        push(row, live.value(at) != 0);
    }
    Ok(())
}
