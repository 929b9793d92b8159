//! How a leaf that failed is split: pure decisions here, the dataflow operator in [`route`].
//!
//! Splitting follows the table's sort key, since that alone makes the parts cheaper to read: days, then types
//! (observations), then ranges of ids, down to a single id.
//!
//! *Invariants.* The parts of a split tile the leaf exactly, whatever its statistics say: they choose where to cut, never
//! what belongs. Each split makes both parts smaller in days, types or ids, so it ends.

mod flow;

use serde::{Deserialize, Serialize};
use tracemill_model::{IdRange, Leaf, Millis, Table, Types, Window};

pub use flow::{SplitConfig, route};

/// How often a window may be split along one path. Known ids are halved in about the logarithm of their number; the rest
/// is for ranges whose ids could not be read and are halved by their bytes, seven times a byte.
pub const MAX_DEPTH: usize = 500;

/// What the key columns of a leaf told before it failed; all zero where nothing was read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LeafStats {
    /// Rows of the leaf, every version counted.
    pub versions: u64,
    /// Rows by UTC day, in order of days (midnight).
    pub days: Vec<(Millis, u64)>,
    /// Rows by type, in order of names. Observations only.
    pub types: Vec<(String, u64)>,
    /// Some of the ids, sorted and distinct, chosen evenly.
    pub ids: Vec<String>,
    /// Whether the key columns were read to their end, and `ids` are all there are.
    pub has_all_ids: bool,
}

/// The answer to "how".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Split {
    /// Into these parts.
    Parts(Vec<Leaf>),
    /// It cannot be: one id, or the smallest range of ids, fails by itself.
    Single {
        /// The id, if it is known.
        id: Option<String>,
    },
}

/// Decides how to split `leaf`.
#[must_use]
pub fn split(leaf: &Leaf, table: Table, stats: &LeafStats) -> Split {
    if leaf.path.depth() >= MAX_DEPTH {
        return Split::Single { id: None };
    }
    if let Some(parts) = by_day(leaf, stats) {
        return Split::Parts(parts);
    }
    if let Some(parts) = table.is_sorted_by_type().then(|| by_type(leaf, stats)).flatten() {
        return Split::Parts(parts);
    }
    if stats.has_all_ids && stats.ids.len() <= 1 {
        let id = stats.ids.first().cloned();
        return match id.as_deref().and_then(|id| alone(leaf, id)) {
            Some(parts) => Split::Parts(parts),
            None => Split::Single { id },
        };
    }
    match by_id(leaf, stats) {
        Some(parts) => Split::Parts(parts),
        None => Split::Single { id: None },
    }
}

fn part(leaf: &Leaf, index: u8) -> Leaf {
    Leaf {
        path: leaf.path.child(index),
        ..leaf.clone()
    }
}

/// At the midnight that comes nearest to halving the rows; without rows, the middle one.
fn by_day(leaf: &Leaf, stats: &LeafStats) -> Option<Vec<Leaf>> {
    let midnights: Vec<Millis> = leaf.slice.days().skip(1).map(|day| day.from).collect();
    let middle = *midnights.get(midnights.len() / 2)?;
    let total: u64 = stats.days.iter().map(|(_, rows)| rows).sum();
    let before = |at: Millis| {
        stats
            .days
            .iter()
            .filter(|(day, _)| *day < at)
            .map(|(_, rows)| rows)
            .sum::<u64>()
    };
    let at = if total == 0 {
        middle
    } else {
        midnights
            .into_iter()
            .min_by_key(|at| (2 * before(*at)).abs_diff(total))
            .unwrap_or(middle)
    };
    let slices = [Window::new(leaf.slice.from, at)?, Window::new(at, leaf.slice.to)?];
    Some(
        (0..)
            .zip(slices)
            .map(|(index, slice)| Leaf {
                slice,
                ..part(leaf, index)
            })
            .collect(),
    )
}

/// The first part gets some of the known types, the second all others, known or not.
fn by_type(leaf: &Leaf, stats: &LeafStats) -> Option<Vec<Leaf>> {
    let seen: Vec<(&str, u64)> = match &leaf.types {
        Some(Types::Only(types)) => {
            let rows = |ty: &str| {
                stats
                    .types
                    .iter()
                    .find(|(name, _)| name == ty)
                    .map_or(0, |(_, rows)| *rows)
            };
            types.iter().map(|ty| (ty.as_str(), rows(ty))).collect()
        }
        None => stats.types.iter().map(|(ty, rows)| (ty.as_str(), *rows)).collect(),
        Some(except) => {
            let here = stats.types.iter().filter(|(ty, _)| except.contains(ty));
            here.map(|(ty, rows)| (ty.as_str(), *rows)).collect()
        }
    };
    if seen.len() < 2 {
        return None;
    }
    let first: Vec<String> = half_of(seen).into_iter().map(str::to_owned).collect();
    let second = match &leaf.types {
        None => Types::Except(first.clone()),
        Some(Types::Except(types)) => Types::Except(types.iter().chain(&first).cloned().collect()),
        Some(Types::Only(types)) => Types::Only(types.iter().filter(|ty| !first.contains(ty)).cloned().collect()),
    };
    Some(vec![
        Leaf {
            types: Some(Types::Only(first)),
            ..part(leaf, 0)
        },
        Leaf {
            types: Some(second),
            ..part(leaf, 1)
        },
    ])
}

/// Some of the weights that make about half of the sum: at least one of them, and not all.
fn half_of(mut weighted: Vec<(&str, u64)>) -> Vec<&str> {
    weighted.sort_by(|one, two| two.1.cmp(&one.1).then(one.0.cmp(two.0)));
    let total: u64 = weighted.iter().map(|(_, weight)| weight).sum();
    let last = weighted.len() - 1;
    let mut sum = 0;
    let mut taken = Vec::new();
    for (name, weight) in weighted.into_iter().take(last) {
        if taken.is_empty() || 2 * (sum + weight) <= total {
            sum += weight;
            taken.push(name);
        }
    }
    taken
}

/// At the median of the known ids; without two of them, at the middle of the range's bytes.
fn by_id(leaf: &Leaf, stats: &LeafStats) -> Option<Vec<Leaf>> {
    let median = stats.ids.get(stats.ids.len() / 2).filter(|_| stats.ids.len() > 1);
    let ranges = match median.and_then(|id| leaf.ids.cut(id)) {
        Some(ranges) => ranges,
        None => leaf.ids.cut(&middle(&leaf.ids)?)?,
    };
    Some(in_ranges(leaf, ranges))
}

/// Cuts off what lies before the one id that is there, then what lies behind it: what cannot be read may lie beside it.
/// `None` where the range holds nothing else.
fn alone(leaf: &Leaf, id: &str) -> Option<Vec<Leaf>> {
    let behind = format!("{id}\0");
    let ranges = leaf.ids.cut(id).or_else(|| leaf.ids.cut(&behind))?;
    Some(in_ranges(leaf, ranges))
}

fn in_ranges(leaf: &Leaf, (low, high): (IdRange, IdRange)) -> Vec<Leaf> {
    let leaves = (0..).zip([low, high]).map(|(index, ids)| Leaf {
        ids,
        ..part(leaf, index)
    });
    leaves.collect()
}

/// A text about halfway between the ends of a range, in byte order, of printable ASCII; `None` if there is none.
///
/// Reads both ends as fractions in base 128, so each call halves what is left and the texts grow by a digit in seven calls.
fn middle(range: &IdRange) -> Option<String> {
    const BASE: u32 = 128;
    /// Ids longer than this are not cut further by their bytes.
    const LONGEST: usize = 64;
    let digit = |text: &str, at: usize| u32::from(text.as_bytes().get(at).copied().unwrap_or(0).min(127));
    let from = range.from.as_deref().unwrap_or("");
    let longest = from.len().max(range.to.as_deref().map_or(0, str::len)).min(LONGEST) + 1;
    let mut carry = u32::from(range.to.is_none());
    let mut sum: Vec<u32> = vec![0; longest];
    for at in (0..longest).rev() {
        let other = range.to.as_deref().map_or(0, |to| digit(to, at));
        sum[at] = digit(from, at) + other;
    }
    // `to` open is 1.0: its digits are 0 and the whole part is 1.
    for at in (1..longest).rev() {
        sum[at - 1] += sum[at] / BASE;
        sum[at] %= BASE;
    }
    carry += sum[0] / BASE;
    sum[0] %= BASE;
    let mut rest = carry;
    let mut text = String::with_capacity(longest);
    for digit in sum {
        let value = rest * BASE + digit;
        let half = u8::try_from((value / 2).min(127)).unwrap_or(127);
        rest = value % 2;
        text.push(char::from(half));
    }
    let trimmed = text.trim_end_matches('\0').to_owned();
    range.cut(&trimmed).map(|_| trimmed)
}

/// How many rows a leaf may have, learned from failures, and forgotten slowly.
///
/// A leaf that failed teaches half of its rows as the limit; each success near the limit raises it by a quarter, and to
/// what was written at least. A leaf that failed although one of its size was written before says nothing about sizes, so
/// a row that cannot be read does not make all other leaves small. Such failures wear that proof away: where rows have
/// grown, the limit is learned anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LeafLimit {
    rows: Option<u64>,
    /// Rows of a leaf that was written.
    proven: u64,
}

impl LeafLimit {
    /// Whether a leaf of that many rows should be split before it is tried.
    #[must_use]
    pub fn forbids(self, rows: u64) -> bool {
        self.rows.is_some_and(|limit| rows > limit.max(1))
    }

    /// A leaf of that many rows failed.
    pub fn failed(&mut self, rows: u64) {
        if rows <= self.proven {
            self.proven -= (self.proven / 8).max(1);
        } else if rows > 1 {
            let half = rows / 2;
            self.rows = Some(self.rows.map_or(half, |limit| limit.min(half)));
        }
    }

    /// A leaf of that many rows was written.
    pub fn succeeded(&mut self, rows: u64) {
        self.proven = self.proven.max(rows);
        if let Some(limit) = self.rows.filter(|limit| rows >= limit / 2) {
            let limit = limit.max(rows);
            self.rows = Some(limit + (limit / 4).max(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tracemill_model::time::DAY_MS;

    use super::*;

    fn leaf(days: i64) -> Leaf {
        Leaf::root(Window {
            from: Millis(0),
            to: Millis(days * DAY_MS),
        })
    }

    fn parts(split: Split) -> Vec<Leaf> {
        match split {
            Split::Parts(parts) => parts,
            Split::Single { id } => panic!("single {id:?}"),
        }
    }

    #[test]
    fn days_go_first_and_halve_the_rows() {
        let stats = LeafStats {
            days: vec![
                (Millis(0), 10),
                (Millis(DAY_MS), 10),
                (Millis(2 * DAY_MS), 100),
                (Millis(3 * DAY_MS), 10),
            ],
            ..LeafStats::default()
        };
        let parts = parts(split(&leaf(4), Table::Observations, &stats));
        assert_eq!(parts[0].slice.to, Millis(2 * DAY_MS));
        assert_eq!(parts[1].slice.from, Millis(2 * DAY_MS));
        assert_eq!(
            (parts[0].path.to_string(), parts[1].path.to_string()),
            ("r0".to_owned(), "r1".to_owned())
        );
    }

    #[test]
    fn types_go_second_and_unknown_ones_are_not_lost() {
        let types = [("SPAN", 50), ("GENERATION", 40), ("EVENT", 5), ("TOOL", 5)];
        let types = types.iter().map(|(name, rows)| ((*name).to_owned(), *rows)).collect();
        let stats = LeafStats {
            types,
            ..LeafStats::default()
        };
        let first = parts(split(&leaf(1), Table::Observations, &stats));
        assert_eq!(first[0].types, Some(Types::Only(vec!["SPAN".to_owned()])));
        assert_eq!(first[1].types, Some(Types::Except(vec!["SPAN".to_owned()])));
        let traces = parts(split(&leaf(1), Table::Traces, &stats));
        assert_eq!(traces[0].types, None, "only observations are sorted by type");
    }

    #[test]
    fn ids_end_at_a_single_one() {
        let stats = |ids: &[&str]| LeafStats {
            ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            has_all_ids: true,
            ..LeafStats::default()
        };
        let two = parts(split(&leaf(1), Table::Traces, &stats(&["a", "b"])));
        assert!(two[0].ids.contains("a") && !two[0].ids.contains("b") && two[1].ids.contains("b"));
        let from_a = parts(split(&two[0], Table::Traces, &stats(&["a"])));
        assert!(!from_a[0].ids.contains("a") && from_a[1].ids.contains("a~"));
        let only_a = parts(split(&from_a[1], Table::Traces, &stats(&["a"])));
        assert!(only_a[0].ids.contains("a") && !only_a[0].ids.contains("a~"));
        assert_eq!(
            split(&only_a[0], Table::Traces, &stats(&["a"])),
            Split::Single {
                id: Some("a".to_owned())
            }
        );
    }

    #[test]
    fn without_any_statistics_the_bytes_are_halved_until_a_range_holds_one_id() {
        let unknown = LeafStats::default();
        let target = "3f2c8a90-aaaa-bbbb-cccc-0123456789ab";
        let mut at = leaf(1);
        let mut neighbours = vec![target.to_owned(), "3f2c8a90-aaaa-bbbb-cccc-0123456789ac".to_owned()];
        while neighbours.len() > 1 {
            let parts = parts(split(&at, Table::Traces, &unknown));
            at = parts
                .into_iter()
                .find(|part| part.ids.contains(target))
                .expect("the parts tile the leaf");
            neighbours.retain(|id| at.ids.contains(id));
            assert!(at.path.depth() < MAX_DEPTH, "no end in sight: {at}");
        }
        assert_eq!(neighbours, [target]);
    }

    #[test]
    fn limits_fall_fast_and_rise_slowly() {
        let mut limit = LeafLimit::default();
        assert!(!limit.forbids(u64::MAX));
        limit.failed(1000);
        assert!(limit.forbids(501) && !limit.forbids(500));
        limit.succeeded(10);
        assert!(limit.forbids(501), "a small success teaches nothing");
        limit.succeeded(500);
        assert!(!limit.forbids(625) && limit.forbids(626));
    }

    #[test]
    fn a_row_that_cannot_be_read_makes_no_other_leaf_small() {
        let mut limit = LeafLimit::default();
        limit.failed(100_000);
        limit.succeeded(50_000);
        let mut rows = 50_000;
        while rows > 0 {
            limit.failed(rows);
            limit.succeeded(rows);
            rows /= 2;
        }
        assert!(!limit.forbids(50_000));
    }

    #[test]
    fn rows_that_have_grown_are_learned_anew() {
        let mut limit = LeafLimit::default();
        limit.succeeded(1_000_000);
        let failures = (1..1000).find(|_| {
            limit.failed(1000);
            limit.forbids(501)
        });
        assert!(failures.is_some_and(|failures| failures < 60), "{failures:?}");
    }

    fn stats() -> impl Strategy<Value = LeafStats> {
        (
            prop::collection::btree_map(0i64..5, 0u64..100, 0..5),
            prop::collection::btree_map("[A-D]", 0u64..100, 0..4),
            prop::collection::btree_set("[a-c]{0,3}", 0..6),
        )
            .prop_map(|(days, types, ids)| LeafStats {
                versions: 0,
                days: days
                    .into_iter()
                    .map(|(day, rows)| (Millis(day * DAY_MS), rows))
                    .collect(),
                types: types.into_iter().collect(),
                ids: ids.into_iter().collect(),
                has_all_ids: false,
            })
    }

    fn holds(leaf: &Leaf, at: Millis, ty: &str, id: &str) -> bool {
        leaf.slice.contains(at) && leaf.types.as_ref().is_none_or(|types| types.contains(ty)) && leaf.ids.contains(id)
    }

    proptest! {
        #[test]
        fn parts_tile_their_leaf_whatever_the_statistics_say(
            rounds in prop::collection::vec((stats(), any::<prop::sample::Index>()), 1..12),
            rows in prop::collection::vec((0i64..5 * DAY_MS, "[A-F]", "[a-e]{0,4}"), 1..40),
        ) {
            let mut leaves = vec![leaf(5)];
            for (stats, pick) in rounds {
                let at = pick.index(leaves.len());
                if let Split::Parts(parts) = split(&leaves[at], Table::Observations, &stats) {
                    leaves.splice(at..=at, parts);
                }
            }
            for (at, ty, id) in rows {
                let holders = leaves.iter().filter(|leaf| holds(leaf, Millis(at), &ty, &id)).count();
                prop_assert_eq!(holders, 1);
            }
            let mut paths: Vec<_> = leaves.iter().map(|leaf| leaf.path.to_string()).collect();
            paths.sort();
            paths.dedup();
            prop_assert_eq!(paths.len(), leaves.len());
        }
    }
}
