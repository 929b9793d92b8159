//! What ClickHouse holds of windows that were exported before: counts and digests of their live rows.
//!
//! Reads key columns only, a day at a time, since the rows of any part of a day are spread over all of it. What does not
//! fit in memory at once is read in ranges of ids, whose counts and digests add up.

use tracemill_model::manifest::SourceCounts;
use tracemill_model::{ExportKey, IdRange, Leaf, Millis, Window};
use tracemill_operators::Budget;
use tracemill_operators::dedup::IndexBuilder;
use tracemill_operators::governor::Gate;
use tracemill_warehouse::Service;

use super::keys::each_key;
use super::rows::{Batches, Pace};
use super::statements;
use crate::SourceError;

/// What is read at once: bytes for batches, beside the index.
const BATCHES: u64 = 4 << 20;

/// Counts the windows of one export. They must not overlap.
///
/// `index_max`: bytes of memory that version indexes may take at once, of `memory`.
///
/// # Errors
/// Any of ClickHouse's: nothing is split here, the caller tries again.
pub async fn digests(
    service: &Service,
    key: &ExportKey,
    windows: &[Window],
    memory: &Budget,
    index_max: u64,
    gate: &Gate,
) -> Result<Vec<(Window, SourceCounts)>, SourceError> {
    let mut sorted = windows.to_vec();
    sorted.sort_unstable();
    let mut counted = Vec::with_capacity(sorted.len());
    for day in sorted.chunk_by(|one, two| one.from.day() == two.from.day()) {
        counted.extend(day_digests(service, key, day, memory, index_max, gate).await?);
    }
    Ok(counted)
}

/// The windows of one day, in one pass for each range of ids.
async fn day_digests(
    service: &Service,
    key: &ExportKey,
    windows: &[Window],
    memory: &Budget,
    index_max: u64,
    gate: &Gate,
) -> Result<Vec<(Window, SourceCounts)>, SourceError> {
    let (Some(first), Some(last)) = (windows.first(), windows.last()) else {
        return Ok(Vec::new());
    };
    let span = Window {
        from: first.from,
        to: last.to,
    };
    let mut counts: Vec<(Window, SourceCounts)> = windows
        .iter()
        .map(|window| (*window, SourceCounts::default()))
        .collect();
    for (ids, versions) in ranges(service, key, span, index_max).await? {
        let _permit = memory.acquire(IndexBuilder::bytes_for(versions) + BATCHES).await;
        let mut builders: Vec<IndexBuilder> = windows
            .iter()
            .map(|window| IndexBuilder::new(&Leaf::root(*window), 0))
            .collect();
        let pace = Pace {
            gate,
            deadline: None,
            is_last: false,
        };
        let batches_budget = Budget::new("reconcile", BATCHES);
        let mut batches = Batches::open(service, statements::keys(key, span, &ids), &batches_budget, None, pace)?;
        while let Some(held) = batches.next().await? {
            each_key(&held.batch, key.table.is_sorted_by_type(), |row, is_live| {
                if let Some(at) = window_at(windows, Millis(row.time)) {
                    builders[at].push(row, is_live);
                }
            })?;
        }
        for ((_, sum), builder) in counts.iter_mut().zip(builders) {
            sum.add(builder.finish().0.counts());
        }
    }
    Ok(counts)
}

/// The index of the window that holds `at`, of sorted windows that do not overlap.
fn window_at(windows: &[Window], at: Millis) -> Option<usize> {
    let after = windows.partition_point(|window| window.from <= at);
    let index = after.checked_sub(1)?;
    windows[index].contains(at).then_some(index)
}

/// Ranges of ids whose indexes fit in memory, with the versions that each holds.
async fn ranges(
    service: &Service,
    key: &ExportKey,
    span: Window,
    index_max: u64,
) -> Result<Vec<(IdRange, u64)>, SourceError> {
    let all = Leaf::root(span);
    let versions: u64 = service.one(&statements::count(key, &all)).await?;
    let parts = IndexBuilder::bytes_for(versions).div_ceil(index_max.max(1)).max(1);
    if parts == 1 {
        return Ok(vec![(IdRange::default(), versions)]);
    }
    let mut ids: Vec<String> = service.one(&statements::sample(key, &all)).await?;
    ids.sort_unstable();
    let mut ranges = Vec::new();
    // Twice as many as needed, since a sample only comes near the quantiles.
    for ids in cut(&ids, usize::try_from(2 * parts).unwrap_or(usize::MAX)) {
        let leaf = Leaf {
            ids,
            ..Leaf::root(span)
        };
        let versions: u64 = service.one(&statements::count(key, &leaf)).await?;
        ranges.push((leaf.ids, versions));
    }
    Ok(ranges)
}

/// Ranges that tile all ids, cut at the quantiles of a sorted sample.
fn cut(ids: &[String], parts: usize) -> Vec<IdRange> {
    let mut ranges = Vec::new();
    let mut rest = IdRange::default();
    for part in 1..parts {
        let at = ids.get(part * ids.len() / parts);
        if let Some((low, high)) = at.and_then(|id| rest.cut(id)) {
            ranges.push(low);
            rest = high;
        }
    }
    ranges.push(rest);
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_found_by_time() {
        let window = |from: i64, to: i64| Window {
            from: Millis(from),
            to: Millis(to),
        };
        let windows = [window(0, 10), window(10, 20), window(30, 40)];
        for (at, index) in [
            (-1, None),
            (0, Some(0)),
            (9, Some(0)),
            (10, Some(1)),
            (20, None),
            (39, Some(2)),
            (40, None),
        ] {
            assert_eq!(window_at(&windows, Millis(at)), index, "{at}");
        }
    }

    #[test]
    fn ranges_tile_all_ids() {
        let ids: Vec<String> = (0..100).map(|n| format!("{n:02}")).collect();
        let ranges = cut(&ids, 4);
        assert_eq!(ranges.len(), 4);
        for id in ["", "24", "25", "99", "zz"] {
            assert_eq!(ranges.iter().filter(|range| range.contains(id)).count(), 1, "{id}");
        }
        assert_eq!(cut(&[], 4).len(), 1, "without a sample there is one range");
        assert_eq!(cut(&["a".to_owned(), "a".to_owned()], 3).len(), 2, "equal ids cut once");
    }
}
