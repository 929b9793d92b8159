//! The versions of one id: how many, which is newest, what it changes, and in which chunk it is written.
//!
//! Invariants: two versions with one `event_ts` are the same in every column; all versions of an id lie within one day
//! (UTC); every version of the late phase is newer than all of the main phase, or the same as one of them.

use tracemill_model::Table;
use tracemill_model::time::DAY_MS;

use super::config::Shares;
use super::rng::Rng;

/// Where a version is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// With its unit.
    Home,
    /// With the unit after its own.
    Next,
    /// In the late phase.
    Late,
}

/// One version of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) event_ts: i64,
    /// The time column, ms.
    pub(super) time: i64,
    /// Of observations and scores: the index of the type.
    pub(super) kind: u8,
    /// Which content: versions with equal `salt`, time and kind have equal export columns.
    pub(super) salt: u32,
    pub(super) deleted: bool,
    pub(super) place: Place,
}

const QUARTER: i64 = 900_000;
const BOUNDARIES: [i64; 4] = [QUARTER, QUARTER, 4 * QUARTER, DAY_MS];
const OBSERVATION_KINDS: u64 = 10;

/// Draws the versions of an id that first has the time `start`. The first is the oldest.
pub(super) fn plan(
    shares: &Shares,
    day: i64,
    start: i64,
    kind: u8,
    table: Table,
    rng: &mut Rng,
    out: &mut Vec<Version>,
) {
    out.clear();
    let time = if rng.chance(shares.boundary) {
        boundary(day, start, rng)
    } else {
        start
    };
    let late = rng.chance(shares.late_new);
    out.push(Version {
        event_ts: time + rng.between(200, 20_000),
        time,
        kind,
        salt: 0,
        deleted: false,
        place: if late { Place::Late } else { Place::Home },
    });
    if rng.chance(shares.updated) {
        for _ in 0..1 + rng.below(u64::from(shares.max_versions)) {
            update(shares, day, table, rng, out);
        }
    }
    if rng.chance(shares.repeated) {
        for _ in 0..1 + rng.below(u64::from(shares.max_versions)) {
            follow(shares, rng, out);
        }
    }
    // A deletion in the middle, which a newer version takes back.
    if out.len() > 2 && rng.chance(0.2) {
        let middle = 1 + rng.index(out.len() - 2);
        out[middle].deleted = true;
    }
    if rng.chance(shares.deleted) {
        follow(shares, rng, out).deleted = true;
    }
    if rng.chance(shares.equal) {
        let mut twin = rng.pick(out);
        twin.place = place(shares, late, rng);
        out.push(twin);
    }
    if !late && rng.chance(shares.late_changed) {
        change_late(shares, day, table, rng, out);
    }
}

/// Ids that exist already are changed, deleted, or written again as they were.
fn change_late(shares: &Shares, day: i64, table: Table, rng: &mut Rng, out: &mut Vec<Version>) {
    match rng.below(20) {
        0..14 => update(shares, day, table, rng, out),
        14..17 => {
            follow(shares, rng, out).deleted = true;
        }
        _ => out.push(out[0]),
    }
    let late = out.last_mut().expect("a version was pushed");
    late.place = Place::Late;
}

/// A newer version with other content, and for some of another type or time.
fn update(shares: &Shares, day: i64, table: Table, rng: &mut Rng, out: &mut Vec<Version>) {
    let salt = out.iter().map(|version| version.salt).max().unwrap_or(0) + 1;
    let retyped = table == Table::Observations && rng.chance(shares.retyped);
    let kind = rng.below(OBSERVATION_KINDS) as u8;
    let moved = rng.chance(shares.moved);
    let version = follow(shares, rng, out);
    version.salt = salt;
    if retyped {
        version.kind = kind;
    }
    if moved {
        let slot = day + (version.time - day).div_euclid(shares.moved_slot_ms) * shares.moved_slot_ms;
        let near = version.time + rng.between(-1_800_000, 1_800_000);
        version.time = near.clamp(slot, slot + shares.moved_slot_ms - 1);
    }
}

/// A newer version that is the same as the newest so far but for its `event_ts`.
fn follow<'a>(shares: &Shares, rng: &mut Rng, out: &'a mut Vec<Version>) -> &'a mut Version {
    let newest = *newest(out, |_| true).expect("an id has a version");
    let late = newest.place == Place::Late;
    out.push(Version {
        event_ts: newest.event_ts + 1 + rng.between(0, 300_000),
        deleted: false,
        place: place(shares, late, rng),
        ..newest
    });
    out.last_mut().expect("just pushed")
}

fn place(shares: &Shares, late: bool, rng: &mut Rng) -> Place {
    match (late, rng.chance(shares.apart)) {
        (true, _) => Place::Late,
        (false, true) => Place::Next,
        (false, false) => Place::Home,
    }
}

/// The boundary at or before a time, or the millisecond before the next one; within the day.
fn boundary(day: i64, at: i64, rng: &mut Rng) -> i64 {
    let step = rng.pick(&BOUNDARIES);
    let below = day + (at - day).div_euclid(step) * step;
    if rng.chance(0.6) { below } else { below + step - 1 }
}

/// The version that wins among those that `of` takes.
pub(super) fn newest(versions: &[Version], of: impl Fn(&Version) -> bool) -> Option<&Version> {
    versions
        .iter()
        .filter(|version| of(version))
        .max_by_key(|version| version.event_ts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::synth::rng::Rng;

    proptest! {
        #[test]
        fn the_module_s_invariants_hold(seed: u64, share in 0.0..1.0f64, at in 0..DAY_MS, slot in prop::sample::select(vec![QUARTER, DAY_MS])) {
            let shares = Shares {
                updated: share, repeated: share, deleted: share, equal: share, boundary: share,
                late_new: share, late_changed: share, moved: share, retyped: share, moved_slot_ms: slot, max_versions: 4, ..Shares::default()
            };
            let (day, mut out) = (20_000 * DAY_MS, Vec::new());
            plan(&shares, day, day + at, 1, Table::Observations, &mut Rng::new(seed), &mut out);
            for a in &out {
                prop_assert!((day..day + DAY_MS).contains(&a.time));
                prop_assert_eq!((a.time - day) / slot, (out[0].time - day) / slot);
                for b in &out {
                    if a.event_ts == b.event_ts {
                        prop_assert_eq!(Version { place: b.place, ..*a }, *b);
                    }
                    if a.place == Place::Late && b.place != Place::Late && a.event_ts < b.event_ts {
                        prop_assert!(out.iter().any(|c| c.place != Place::Late && c.event_ts == a.event_ts));
                    }
                }
            }
        }
    }
}
