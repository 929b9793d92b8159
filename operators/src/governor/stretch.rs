//! How many times its age a batch of ingestion may wait, by how many parts its tables have. Pure: a state, a look a second, a
//! factor.
//!
//! Each insert makes a part, and merges take parts away. From half of the number at which ClickHouse slows inserts down by itself
//! the factor doubles, step by step, so that inserts become fewer and larger; below a quarter it halves again. In between it stays.
//! The factor never passes its bound, and a full batch never waits: ingestion is slowed in its inserts, never stopped.

use std::fmt;

/// From that part of the limit on there are many parts.
const MANY: f64 = 0.5;
/// From that part on it is urgent: the limit is near.
const URGENT: f64 = 0.85;
/// Below that part there are few.
const FEW: f64 = 0.25;
/// Looks with many parts before a step up.
const SURE: u32 = 2;
/// Looks between two steps up: the last one must show first.
const SETTLE: u32 = 5;
/// Looks with few parts before a step down.
const CALM: u32 = 10;
/// Looks between two steps down: what more inserts do shows slowly, and going too far means to come back.
const DESCEND: u32 = 30;
/// Looks that saw nothing before what was seen is forgotten.
const FORGET: u32 = 30;

/// The fullest partition of the tables that are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Crowd {
    /// Its active parts.
    pub parts: u64,
    /// Parts from which on ClickHouse slows inserts into it; 0: never.
    pub limit: u64,
}

impl Crowd {
    /// The parts as a part of the limit.
    #[must_use]
    pub fn fullness(self) -> f64 {
        if self.limit == 0 {
            return 0.0;
        }
        self.parts as f64 / self.limit as f64
    }
}

/// Why the factor is what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// There are few parts.
    Few,
    /// Neither few nor many: it stays.
    Between,
    /// There are many.
    Many,
    /// ClickHouse does not tell.
    Unknown,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Few => "few_parts",
            Self::Between => "between",
            Self::Many => "many_parts",
            Self::Unknown => "unknown",
        })
    }
}

/// The state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    most: u32,
    factor: u32,
    since_up: u32,
    /// Parts at the last step up: while there are fewer, that step was enough.
    parts_up: u64,
    since_down: u32,
    many: u32,
    few: u32,
    blind: u32,
}

impl Stretch {
    /// Not stretched. `most`: the greatest factor, at least 1.
    #[must_use]
    pub fn new(most: u32) -> Self {
        Self {
            most: most.max(1),
            factor: 1,
            since_up: SETTLE,
            parts_up: 0,
            since_down: DESCEND,
            many: 0,
            few: 0,
            blind: 0,
        }
    }

    /// How many times its age a batch may wait.
    #[must_use]
    pub const fn factor(&self) -> u32 {
        self.factor
    }

    /// A second has passed. `None`: it is not known how many parts there are.
    pub fn step(&mut self, seen: Option<Crowd>) -> Why {
        self.since_up = self.since_up.saturating_add(1);
        self.since_down = self.since_down.saturating_add(1);
        let Some(crowd) = seen else {
            self.blind = self.blind.saturating_add(1);
            self.many = 0;
            if self.blind >= FORGET {
                self.calm();
            }
            return Why::Unknown;
        };
        self.blind = 0;
        let fullness = crowd.fullness();
        if fullness >= MANY {
            self.few = 0;
            self.many += 1;
            let is_urgent = fullness >= URGENT;
            let settle = if is_urgent { SURE } else { SETTLE };
            let is_worse = is_urgent || crowd.parts >= self.parts_up;
            if self.many >= SURE && self.since_up >= settle && is_worse {
                self.factor = self.factor.saturating_mul(2).min(self.most);
                self.since_up = 0;
                self.parts_up = crowd.parts;
            }
            return Why::Many;
        }
        (self.many, self.parts_up) = (0, 0);
        if fullness < FEW {
            self.calm();
            return Why::Few;
        }
        self.few = 0;
        Why::Between
    }

    fn calm(&mut self) {
        self.few += 1;
        if self.few >= CALM && self.since_down >= DESCEND {
            self.few = 0;
            self.since_down = 0;
            self.factor = (self.factor / 2).max(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn crowd(parts: u64) -> Option<Crowd> {
        Some(Crowd { parts, limit: 1_000 })
    }

    /// Runs it for so many looks at the same; the factors.
    fn run(stretch: &mut Stretch, seen: Option<Crowd>, looks: usize) -> Vec<u32> {
        (0..looks)
            .map(|_| {
                stretch.step(seen);
                stretch.factor()
            })
            .collect()
    }

    #[test]
    fn what_a_look_means() {
        for (seen, why) in [
            (crowd(0), Why::Few),
            (crowd(249), Why::Few),
            (crowd(250), Why::Between),
            (crowd(499), Why::Between),
            (crowd(500), Why::Many),
            (crowd(5_000), Why::Many),
            (None, Why::Unknown),
            (Some(Crowd { parts: 9, limit: 0 }), Why::Few),
        ] {
            assert_eq!(Stretch::new(8).step(seen), why, "{seen:?}");
        }
    }

    #[test]
    fn many_parts_stretch_in_steps_to_the_bound_and_few_go_back() {
        let mut stretch = Stretch::new(8);
        assert_eq!(run(&mut stretch, crowd(100), 100), [1; 100]);
        let up = run(&mut stretch, crowd(600), 20);
        assert_eq!(up[..6], [1, 2, 2, 2, 2, 2], "it waits for what a step does");
        assert_eq!((up[6], up[11], up[19]), (4, 8, 8));
        assert_eq!(run(&mut stretch, crowd(400), 60), [8; 60], "in between it stays");
        let down = run(&mut stretch, crowd(100), 70);
        assert_eq!((down[38], down[39], down[68], down[69]), (4, 2, 2, 1));
        assert_eq!((down[8], down[9]), (8, 4));
    }

    #[test]
    fn a_step_that_was_enough_is_not_followed_by_another() {
        let mut stretch = Stretch::new(8);
        run(&mut stretch, crowd(600), 2);
        let falling: Vec<u32> = (0..50).flat_map(|n| run(&mut stretch, crowd(599 - n), 1)).collect();
        assert_eq!(falling, [2; 50]);
    }

    #[test]
    fn where_the_limit_is_near_steps_follow_each_other() {
        let mut stretch = Stretch::new(8);
        assert_eq!(run(&mut stretch, crowd(900), 6), [1, 2, 2, 4, 4, 8]);
    }

    #[test]
    fn one_look_is_none_and_what_is_not_seen_is_forgotten() {
        let mut stretch = Stretch::new(8);
        for _ in 0..20 {
            stretch.step(crowd(900));
            stretch.step(crowd(300));
        }
        assert_eq!(stretch.factor(), 1);
        run(&mut stretch, crowd(900), 10);
        assert_eq!(*run(&mut stretch, None, 29).last().expect("looks"), 8);
        assert_eq!(*run(&mut stretch, None, 120).last().expect("looks"), 1);
    }

    /// Parts of a partition: inserts of five a second at factor 1, merges that take so many a second away, and more the more
    /// there are.
    fn plant(stretch: &mut Stretch, parts: &mut f64, merged: f64) {
        *parts += 5.0 / f64::from(stretch.factor());
        *parts = (*parts - merged).max(3.0);
        stretch.step(crowd(*parts as u64));
    }

    proptest! {
        #[test]
        fn it_stays_within_its_bound_and_moves_a_step_at_a_time(
            seen in prop::collection::vec(prop::option::of(0..2_000_u64), 1..400),
            most in 1..20_u32,
        ) {
            let mut stretch = Stretch::new(most);
            let mut turns = 0;
            let mut was_up = true;
            for parts in seen {
                let before = stretch.factor();
                stretch.step(parts.and_then(crowd));
                let after = stretch.factor();
                prop_assert!((1..=most).contains(&after));
                prop_assert!(after <= before * 2 && after >= before / 2);
                if after != before {
                    turns += u32::from((after > before) != was_up);
                    was_up = after > before;
                }
            }
            // A turn down needs ten calm looks, one up two more.
            prop_assert!(turns <= 400 / 6, "{turns}");
        }

        #[test]
        fn merges_that_keep_up_with_fewer_inserts_find_their_place(merged in 0.7..20.0_f64) {
            let mut stretch = Stretch::new(8);
            let mut parts = 3.0;
            for _ in 0..5_000 {
                plant(&mut stretch, &mut parts, merged);
                prop_assert!(parts < 1_000.0, "{parts} parts at {merged} merged a second");
            }
            // About its place it may move between two factors, slowly: a step in minutes.
            let mut steps = 0;
            for _ in 0..3_600 {
                let before = stretch.factor();
                plant(&mut stretch, &mut parts, merged);
                steps += u32::from(stretch.factor() != before);
            }
            prop_assert!(steps <= 50, "{steps} steps in an hour at {merged} merged a second");
        }
    }
}
