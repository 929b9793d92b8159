//! Which version of which id is to be written: the answer of pass one, asked by pass two.
//!
//! Per id, the greatest (`event_ts`, tombstone, place) wins, where the place is the row's time and type: so a tombstone
//! wins over a live row of the same `event_ts`, and equal versions have one winner, whatever the order they are read in.
//!
//! *Memory.* 32 bytes a version while building, 32 an id afterwards, plus one bit and half a byte an id for the lookup.
//! Ids are kept as 128-bit hashes: among 10^9 ids two collide with a chance of about 10^-21.
//!
//! *Invariants.* [`VersionIndex::claim`] says yes at most once an id, and only for the winner's own row. When every row of
//! the leaf was offered, [`VersionIndex::claimed`] equals [`VersionIndex::expected`] unless the table changed in between.

use std::sync::atomic::{AtomicU64, Ordering};

use tracemill_model::manifest::{Digest, SourceCounts};
use tracemill_model::{Leaf, Millis, Types, Window};
use twox_hash::XxHash3_128;

use crate::split::LeafStats;

/// Ids that are remembered as text, to cut ranges at.
const SAMPLE: usize = 256;

/// The key columns of one row.
#[derive(Debug, Clone, Copy)]
pub struct KeyRow<'a> {
    /// `id`.
    pub id: &'a [u8],
    /// The version, `event_ts` in ms.
    pub event_ts: i64,
    /// The time column, in ms.
    pub time: i64,
    /// `type` where the table is sorted by it, else empty.
    pub ty: &'a [u8],
}

/// One version. Ordered by hash, then by which version wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    hash: u128,
    event_ts: i64,
    place: Place,
}

/// Time, type and two flags of a version in one integer, from the highest bit:
/// tombstone (1), time (45), hash of the type (16), in the leaf's slice (1), unused (1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place(u64);

impl Place {
    const TOMBSTONE: u64 = 1 << 63;
    const IN_SLICE: u64 = 1 << 1;
    /// Times are kept from year 1412 on, so that all of `DateTime64` fits in 45 bits.
    const TIME_BIAS: i64 = 1 << 44;

    fn new(time: i64, ty: &[u8], is_tombstone: bool, is_in_slice: bool) -> Self {
        let time = (time.wrapping_add(Self::TIME_BIAS) as u64) & ((1 << 45) - 1);
        let ty = if ty.is_empty() { 0 } else { (hash(ty) as u64) & 0xffff };
        let mut place = (time << 18) | (ty << 2);
        if is_tombstone {
            place |= Self::TOMBSTONE;
        }
        if is_in_slice {
            place |= Self::IN_SLICE;
        }
        Self(place)
    }

    fn is_tombstone(self) -> bool {
        self.0 & Self::TOMBSTONE != 0
    }

    fn is_in_slice(self) -> bool {
        self.0 & Self::IN_SLICE != 0
    }

    /// Whether it is where a live row of that time and type is.
    fn is_at(self, time: i64, ty: &[u8]) -> bool {
        self.0 & !Self::IN_SLICE == Self::new(time, ty, false, false).0
    }
}

fn hash(bytes: &[u8]) -> u128 {
    XxHash3_128::oneshot(bytes)
}

/// Collects the key columns of a leaf.
#[derive(Debug)]
pub struct IndexBuilder {
    slice: Window,
    types: Option<Types>,
    entries: Vec<Entry>,
    versions: u64,
    /// Rows by type, with whether the leaf writes that type: few types, so a scan beats a map.
    seen_types: Vec<(Vec<u8>, bool, u64)>,
    days: Vec<(Millis, u64)>,
    sample: Sample,
}

impl IndexBuilder {
    /// For the rows of that leaf; room for `versions` of them.
    #[must_use]
    pub fn new(leaf: &Leaf, versions: usize) -> Self {
        Self {
            slice: leaf.slice,
            types: leaf.types.clone(),
            entries: Vec::with_capacity(versions),
            versions: 0,
            seen_types: Vec::new(),
            days: Vec::new(),
            sample: Sample::default(),
        }
    }

    /// Bytes that an index of that many versions takes.
    #[must_use]
    pub const fn bytes_for(versions: u64) -> u64 {
        versions * (size_of::<Entry>() as u64 + 2)
    }

    /// Takes in one row: all rows of the leaf's window and id range, also those outside of its slice, since a version
    /// there may win over one inside. `is_live`: not deleted, and of a kind that is exported.
    pub fn push(&mut self, row: KeyRow<'_>, is_live: bool) {
        let is_in_slice = self.slice.contains(Millis(row.time)) && self.count_type(row.ty);
        let hash = hash(row.id);
        if is_in_slice {
            self.versions += 1;
            self.count_day(Millis(row.time).day());
            self.sample.offer(hash, row.id);
        }
        if self.entries.len() == self.entries.capacity() && !self.entries.is_empty() {
            self.compact();
        }
        let place = Place::new(row.time, row.ty, !is_live, is_in_slice);
        self.entries.push(Entry {
            hash,
            event_ts: row.event_ts,
            place,
        });
    }

    /// Whether the leaf writes that type; counts the row if so.
    fn count_type(&mut self, ty: &[u8]) -> bool {
        if ty.is_empty() && self.types.is_none() {
            return true;
        }
        if let Some((_, is_in, rows)) = self.seen_types.iter_mut().find(|(name, ..)| name == ty) {
            *rows += u64::from(*is_in);
            return *is_in;
        }
        let name = String::from_utf8_lossy(ty);
        let is_in = self.types.as_ref().is_none_or(|types| types.contains(&name));
        self.seen_types.push((ty.to_vec(), is_in, u64::from(is_in)));
        is_in
    }

    fn count_day(&mut self, day: Millis) {
        // Rows come sorted by day within a part, so the last day is nearly always the one.
        match self.days.iter_mut().rev().find(|(known, _)| *known == day) {
            Some((_, rows)) => *rows += 1,
            None => self.days.push((day, 1)),
        }
    }

    /// Keeps the winners only. More versions than were announced fit in this way, as long as they are of the same ids.
    fn compact(&mut self) {
        self.entries.sort_unstable_by(|one, two| two.cmp(one));
        self.entries.dedup_by_key(|entry| entry.hash);
    }

    /// What is known so far, for splitting a leaf whose key columns could not all be read.
    #[must_use]
    pub fn stats(&self, is_complete: bool) -> LeafStats {
        let mut days = self.days.clone();
        days.sort_unstable();
        let mut types: Vec<_> = self
            .seen_types
            .iter()
            .filter(|(_, is_in, _)| *is_in)
            .map(|(name, _, rows)| (String::from_utf8_lossy(name).into_owned(), *rows))
            .collect();
        types.sort_unstable();
        let (ids, is_whole) = self.sample.texts();
        LeafStats {
            versions: self.versions,
            days,
            types,
            ids,
            has_all_ids: is_complete && is_whole,
        }
    }

    /// The index, and what it knows for a later split.
    #[must_use]
    pub fn finish(mut self) -> (VersionIndex, LeafStats) {
        let stats = self.stats(true);
        self.compact();
        // Ascending, for the lookup.
        self.entries.reverse();
        (VersionIndex::new(self.entries, self.versions), stats)
    }
}

/// The ids with the smallest hashes: an even choice of the distinct ids, whatever their order and repetitions.
#[derive(Debug, Default)]
struct Sample {
    /// Sorted by hash, at most [`SAMPLE`] + 1.
    smallest: Vec<(u128, Vec<u8>)>,
    overflowed: bool,
}

impl Sample {
    fn offer(&mut self, hash: u128, id: &[u8]) {
        if self.smallest.len() == SAMPLE && self.smallest.last().is_some_and(|(last, _)| hash > *last) {
            self.overflowed = true;
            return;
        }
        if let Err(at) = self.smallest.binary_search_by_key(&hash, |(known, _)| *known) {
            self.smallest.insert(at, (hash, id.to_vec()));
            if self.smallest.len() > SAMPLE {
                self.smallest.pop();
                self.overflowed = true;
            }
        }
    }

    /// Sorted texts, and whether they are all.
    fn texts(&self) -> (Vec<String>, bool) {
        let mut ids: Vec<String> = self
            .smallest
            .iter()
            .filter_map(|(_, id)| String::from_utf8(id.clone()).ok())
            .collect();
        let is_whole = !self.overflowed && ids.len() == self.smallest.len();
        ids.sort_unstable();
        (ids, is_whole)
    }
}

/// The winners of a leaf, and which of them were written.
#[derive(Debug)]
pub struct VersionIndex {
    /// Sorted by hash, one an id.
    entries: Vec<Entry>,
    /// `starts[b]` is the first entry whose hash begins with the bits `b`; one more at the end.
    starts: Vec<u32>,
    /// How far a hash is shifted to give its bucket.
    shift: u32,
    claimed: Vec<AtomicU64>,
    expected: u64,
    counts: SourceCounts,
}

impl VersionIndex {
    fn new(entries: Vec<Entry>, versions: u64) -> Self {
        // Eight entries a bucket on average: a bucket is four cache lines.
        let bits = (entries.len() / 8).max(1).ilog2() + 1;
        let shift = 128 - bits;
        let mut starts = Vec::with_capacity((1 << bits) + 1);
        let mut at = 0;
        for bucket in 0..=(1_u128 << bits) {
            while entries.get(at).is_some_and(|entry| entry.hash >> shift < bucket) {
                at += 1;
            }
            starts.push(u32::try_from(at).expect("a leaf has less than 2^32 ids: its permit would not fit"));
        }
        let mut counts = SourceCounts {
            versions,
            ..SourceCounts::default()
        };
        for entry in entries.iter().filter(|entry| entry.place.is_in_slice()) {
            if entry.place.is_tombstone() {
                counts.deleted += 1;
            } else {
                counts.live += 1;
                counts.digest = Digest(counts.digest.0.wrapping_add(digest(entry)));
            }
        }
        let claimed = (0..entries.len().div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Self {
            entries,
            starts,
            shift,
            claimed,
            expected: counts.live,
            counts,
        }
    }

    /// Whether this row is to be written: it is the newest version of its id, that version is alive, it belongs to the
    /// leaf, and no equal row was claimed before.
    pub fn claim(&self, row: KeyRow<'_>) -> bool {
        let hash = hash(row.id);
        let bucket = usize::try_from(hash >> self.shift).expect("a bucket's number fits: there are as many in memory");
        let (from, to) = (self.starts[bucket] as usize, self.starts[bucket + 1] as usize);
        let Some(found) = self.entries[from..to].iter().position(|entry| entry.hash == hash) else {
            return false;
        };
        let at = from + found;
        let entry = &self.entries[at];
        let is_winner =
            entry.event_ts == row.event_ts && entry.place.is_in_slice() && entry.place.is_at(row.time, row.ty);
        let bit = 1_u64 << (at % 64);
        is_winner && self.claimed[at / 64].fetch_or(bit, Ordering::Relaxed) & bit == 0
    }

    /// How many rows must be claimed.
    #[must_use]
    pub fn expected(&self) -> u64 {
        self.expected
    }

    /// How many rows were claimed.
    #[must_use]
    pub fn claimed(&self) -> u64 {
        self.claimed
            .iter()
            .map(|word| u64::from(word.load(Ordering::Relaxed).count_ones()))
            .sum()
    }

    /// What the key columns said of the leaf's slice.
    #[must_use]
    pub fn counts(&self) -> SourceCounts {
        self.counts
    }
}

/// One live winner's share of the digest. The hash of the id alone would not change when only the version does.
fn digest(entry: &Entry) -> u128 {
    let mut bytes = [0_u8; 24];
    bytes[..16].copy_from_slice(&entry.hash.to_le_bytes());
    bytes[16..].copy_from_slice(&entry.event_ts.to_le_bytes());
    hash(&bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use tracemill_model::IdRange;
    use tracemill_model::time::DAY_MS;

    use super::*;

    fn window() -> Window {
        Window {
            from: Millis(0),
            to: Millis(2 * DAY_MS),
        }
    }

    fn row<'a>(id: &'a str, event_ts: i64, time: i64, ty: &'a str) -> KeyRow<'a> {
        KeyRow {
            id: id.as_bytes(),
            event_ts,
            time,
            ty: ty.as_bytes(),
        }
    }

    fn index(leaf: &Leaf, rows: &[(KeyRow<'_>, bool)]) -> VersionIndex {
        let mut builder = IndexBuilder::new(leaf, rows.len());
        for (row, is_live) in rows {
            builder.push(*row, *is_live);
        }
        builder.finish().0
    }

    #[test]
    fn the_newest_live_version_is_claimed_once() {
        let rows = [
            (row("a", 1, 5, ""), true),
            (row("a", 2, 6, ""), true),
            (row("a", 2, 6, ""), true),
            (row("b", 1, 5, ""), true),
            (row("b", 2, 5, ""), false),
            (row("c", 1, 5, ""), true),
            (row("c", 1, 5, ""), false),
        ];
        let index = index(&Leaf::root(window()), &rows);
        let claimed: Vec<bool> = rows.iter().map(|(row, _)| index.claim(*row)).collect();
        assert_eq!(claimed, [false, true, false, false, false, false, false]);
        assert_eq!((index.claimed(), index.expected()), (1, 1));
        assert_eq!(
            (index.counts().versions, index.counts().live, index.counts().deleted),
            (7, 1, 2)
        );
    }

    #[test]
    fn a_version_outside_of_the_slice_wins_all_the_same() {
        let mut leaf = Leaf::root(window());
        leaf.slice = Window {
            from: Millis(0),
            to: Millis(DAY_MS),
        };
        leaf.types = Some(Types::Only(vec!["SPAN".to_owned()]));
        let rows = [
            (row("moved", 1, 5, "SPAN"), true),
            (row("moved", 2, DAY_MS + 5, "SPAN"), true),
            (row("changed", 1, 5, "SPAN"), true),
            (row("changed", 2, 5, "GENERATION"), true),
            (row("kept", 1, 5, "SPAN"), true),
        ];
        let index = index(&leaf, &rows);
        let claimed: Vec<&[u8]> = rows
            .iter()
            .filter(|(row, _)| index.claim(*row))
            .map(|(row, _)| row.id)
            .collect();
        assert_eq!(claimed, [b"kept"]);
        assert_eq!(index.expected(), 1);
    }

    #[test]
    fn a_change_between_the_passes_shows() {
        let index = index(&Leaf::root(window()), &[(row("a", 1, 5, ""), true)]);
        assert!(
            !index.claim(row("a", 2, 5, "")),
            "a newer version that pass one did not see"
        );
        assert!(!index.claim(row("new", 1, 5, "")));
        assert_eq!((index.claimed(), index.expected()), (0, 1));
    }

    #[test]
    fn a_sample_of_few_ids_is_all_of_them_and_of_many_is_even() {
        let mut builder = IndexBuilder::new(&Leaf::root(window()), 0);
        for n in 0..100 {
            builder.push(row(&format!("{:03}", n % 50), n, 5, ""), true);
        }
        let stats = builder.stats(true);
        assert_eq!((stats.ids.len(), stats.has_all_ids), (50, true));
        for n in 0..100_000 {
            builder.push(row(&format!("{n:06}"), n, 5, ""), true);
        }
        let stats = builder.stats(true);
        assert_eq!((stats.ids.len(), stats.has_all_ids), (SAMPLE, false));
        let median: u64 = stats.ids[SAMPLE / 2].parse().expect("a number");
        assert!((35_000..65_000).contains(&median), "{median}");
    }

    #[derive(Debug, Clone)]
    struct Version {
        id: String,
        event_ts: i64,
        time: i64,
        ty: String,
        is_live: bool,
    }

    fn versions() -> impl Strategy<Value = Vec<Version>> {
        let version = ("[a-f]{1,2}", 0i64..6, 0i64..2 * DAY_MS, "[AB]", any::<bool>());
        let version = version.prop_map(|(id, event_ts, time, ty, is_live)| {
            // Few places, so that versions often share one.
            Version {
                id,
                event_ts,
                time: time / DAY_MS * DAY_MS,
                ty,
                is_live,
            }
        });
        prop::collection::vec(version, 0..60)
    }

    /// The rule, written as a person would: by id, the greatest of (version, tombstone, time, type's place).
    fn oracle(versions: &[Version]) -> BTreeMap<String, Version> {
        let mut newest: BTreeMap<String, Version> = BTreeMap::new();
        for version in versions {
            let order = |v: &Version| (v.event_ts, Place::new(v.time, v.ty.as_bytes(), !v.is_live, false));
            let wins = newest
                .get(&version.id)
                .is_none_or(|known| order(version) > order(known));
            if wins {
                newest.insert(version.id.clone(), version.clone());
            }
        }
        newest
    }

    proptest! {
        #[test]
        fn leaves_that_tile_a_window_claim_each_winner_once(versions in versions(), cut in "[a-f]", shuffle in any::<u64>()) {
            let root = Leaf::root(window());
            let only = Types::Only(vec!["A".to_owned()]);
            let except = Types::Except(vec!["A".to_owned()]);
            let (low, high) = IdRange::default().cut(&cut).expect("two ranges");
            let mut claimed: BTreeMap<String, u32> = BTreeMap::new();
            let mut counts = SourceCounts::default();
            for ids in [low, high] {
                for day in window().days() {
                    for types in [&only, &except] {
                        let leaf = Leaf { ids: ids.clone(), slice: day, types: Some(types.clone()), ..root.clone() };
                        let rows: Vec<_> = versions.iter().filter(|v| leaf.ids.contains(&v.id)).collect();
                        let mut builder = IndexBuilder::new(&leaf, rows.len().min(4));
                        for v in &rows {
                            builder.push(row(&v.id, v.event_ts, v.time, &v.ty), v.is_live);
                        }
                        let (index, _) = builder.finish();
                        // Pass two meets the rows in another order.
                        let turn = usize::try_from(shuffle % 7).expect("small");
                        for v in rows.iter().rev().skip(turn).chain(rows.iter().rev().take(turn)) {
                            let in_slice = day.contains(Millis(v.time)) && types.contains(&v.ty);
                            if in_slice && index.claim(row(&v.id, v.event_ts, v.time, &v.ty)) {
                                *claimed.entry(v.id.clone()).or_default() += 1;
                            }
                        }
                        prop_assert_eq!(index.claimed(), index.expected());
                        counts.add(index.counts());
                    }
                }
            }
            let winners = oracle(&versions);
            let expected: BTreeMap<String, u32> =
                winners.values().filter(|v| v.is_live).map(|v| (v.id.clone(), 1)).collect();
            prop_assert_eq!(&claimed, &expected);
            prop_assert_eq!(counts.live, expected.len() as u64);
            let whole = index(&root, &versions.iter().map(|v| (row(&v.id, v.event_ts, v.time, &v.ty), v.is_live)).collect::<Vec<_>>());
            prop_assert_eq!(whole.counts(), counts, "the counts of the leaves are those of the window");
        }
    }
}
