//! How much of its speed the export has, by how interactive queries fare. Pure: a state, a sample a second, a decision.
//!
//! The share of full speed is halved when queries take longer than the target, and grows by quarters while they are well below it;
//! in between it stays. A share at which the target was missed is remembered, and forgotten slowly: near it the share moves in small
//! steps, so that it does not swing around the place where the two workloads just fit. Nobody asking means full speed.
//!
//! The target is given, or learned: a multiple of what queries take while the export has the least share, or none. Until that
//! is known the export has the least share, which takes seconds.

use std::fmt;
use std::time::Duration;

/// What a law is given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// What 95 of 100 interactive queries are to take at most; `None`: learned.
    pub target: Option<Duration>,
    /// The least share of full speed, above 0: the export is never starved for ever.
    pub floor: f64,
}

/// What was seen in a second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sample {
    /// Interactive queries of the recent seconds.
    pub queries: u64,
    /// What 95 of 100 of them took at most.
    pub p95: Duration,
    /// What ClickHouse is short of, whatever queries say.
    pub pressure: Option<&'static str>,
    /// Whether the export read anything of late.
    pub is_exporting: bool,
}

/// Why the share is what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Nobody asks.
    Idle,
    /// It is not known yet what queries take without the export.
    Learning,
    /// Queries are well below the target.
    Calm,
    /// Queries are about at the target.
    Steady,
    /// Queries take too long.
    Slow,
    /// ClickHouse is short of that.
    Pressure(&'static str),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Idle => f.write_str("idle"),
            Self::Learning => f.write_str("learning"),
            Self::Calm => f.write_str("calm"),
            Self::Steady => f.write_str("steady"),
            Self::Slow => f.write_str("slow"),
            Self::Pressure(what) => write!(f, "pressure({what})"),
        }
    }
}

/// A learned target is that many times what queries take without the export.
const FACTOR: f64 = 1.25;
/// Below that part of the target queries are well.
const CALM: f64 = 0.85;
/// Fewer queries say nothing.
const ENOUGH: u64 = 3;
/// Seconds between two decreases: as long as latencies are remembered.
const SETTLE: u32 = 4;
/// Seconds of calm before an increase.
const PATIENCE: u32 = 2;
/// What was too much rises by that part each second, so that it is tried again some time.
const FORGET: f64 = 0.003;
/// Seconds at the floor after which queries are as if there were no export.
const LEARNED: u32 = 5;

/// The state.
#[derive(Debug, Clone, PartialEq)]
pub struct Law {
    bounds: Bounds,
    share: f64,
    /// What queries take without the export, in s.
    baseline: Option<f64>,
    since_cut: u32,
    calm: u32,
    slow: u32,
    at_floor: u32,
    /// A share that was too much.
    too_much: Option<f64>,
}

impl Law {
    /// At full speed until somebody asks.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        let floor = bounds.floor.clamp(0.001, 1.0);
        Self {
            bounds: Bounds { floor, ..bounds },
            share: 1.0,
            baseline: None,
            since_cut: SETTLE,
            calm: 0,
            slow: 0,
            at_floor: 0,
            too_much: None,
        }
    }

    /// The share of full speed: from the floor to 1.
    #[must_use]
    pub const fn share(&self) -> f64 {
        self.share
    }

    /// What queries are to take at most, once it is known.
    #[must_use]
    pub fn target(&self) -> Option<Duration> {
        let learned = || Some(Duration::from_secs_f64(self.baseline? * FACTOR));
        self.bounds.target.or_else(learned)
    }

    /// A second has passed.
    pub fn step(&mut self, sample: Sample) -> Reason {
        self.since_cut = self.since_cut.saturating_add(1);
        self.too_much = self
            .too_much
            .map(|share| share * (1.0 + FORGET))
            .filter(|share| *share < 1.5);
        let is_at_floor = self.share <= self.bounds.floor;
        self.at_floor = if is_at_floor || !sample.is_exporting {
            self.at_floor + 1
        } else {
            0
        };
        if let Some(what) = sample.pressure {
            if self.since_cut >= SETTLE {
                self.cut(0.5);
            }
            return Reason::Pressure(what);
        }
        if sample.queries < ENOUGH {
            (self.calm, self.slow, self.too_much) = (0, 0, None);
            self.share = (self.share * 1.5).min(1.0);
            return Reason::Idle;
        }
        if self.at_floor >= LEARNED {
            self.learn(sample.p95.as_secs_f64());
        }
        let Some(target) = self.target() else {
            self.share = self.bounds.floor;
            return Reason::Learning;
        };
        self.follow(sample.p95.as_secs_f64() / target.as_secs_f64().max(1e-6))
    }

    /// `signal`: what queries take, as a part of the target.
    fn follow(&mut self, signal: f64) -> Reason {
        if signal > 1.0 {
            self.calm = 0;
            self.slow += 1;
            // One slow second is none; and what was slow before the last cut must not be counted again.
            let is_bad = signal > 2.0;
            if self.slow >= 2 && self.since_cut >= SETTLE {
                // Where the place is known already, a small step back will do.
                let is_near = self.too_much.is_some() && signal < 1.5;
                self.too_much = Some(self.share);
                self.cut(match (is_bad, is_near) {
                    (true, _) => 0.25,
                    (false, true) => 0.8,
                    (false, false) => 0.5,
                });
            }
            return Reason::Slow;
        }
        self.slow = 0;
        if signal > CALM {
            self.calm = 0;
            return Reason::Steady;
        }
        self.calm += 1;
        if self.calm >= PATIENCE {
            self.calm = 0;
            self.grow();
        }
        Reason::Calm
    }

    fn cut(&mut self, by: f64) {
        self.share = (self.share * by).max(self.bounds.floor);
        self.since_cut = 0;
    }

    fn grow(&mut self) {
        let share = (self.share * 1.3).min(1.0);
        self.share = match self.too_much {
            // Fast to a little below what was too much, then slowly past it.
            Some(too_much) if share > too_much * 0.75 => {
                let near = (too_much * 0.75).max(self.share + 0.01);
                near.min(share)
            }
            _ => share,
        };
    }

    fn learn(&mut self, p95: f64) {
        // Down at once, up slowly: a disturbance is not what queries take.
        self.baseline = Some(match self.baseline {
            Some(known) if p95 > known => known + (p95 - known) * 0.1,
            _ => p95,
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A server: what queries take by how busy it is, seen through a window of some seconds.
    struct Plant {
        alone: f64,
        seen: Vec<f64>,
    }

    impl Plant {
        /// `load`: interactive work as a part of the server; the export takes `share` of `appetite`.
        fn p95(&mut self, load: f64, appetite: f64, share: f64, noise: f64) -> Duration {
            let busy = (load + appetite * share).min(0.98);
            self.seen.push(self.alone / (1.0 - busy) * (1.0 + noise));
            let recent = self.seen.iter().rev().take(4).copied().fold(0.0, f64::max);
            Duration::from_secs_f64(recent)
        }
    }

    fn bounds(target: Option<u64>) -> Bounds {
        Bounds {
            target: target.map(Duration::from_millis),
            floor: 0.1,
        }
    }

    /// Runs law and plant for some seconds; the shares.
    fn run(
        law: &mut Law,
        plant: &mut Plant,
        seconds: usize,
        load: f64,
        mut noise: impl FnMut(usize) -> f64,
    ) -> Vec<f64> {
        (0..seconds)
            .map(|second| {
                let p95 = plant.p95(load, 0.8, law.share(), noise(second));
                law.step(Sample {
                    queries: 30,
                    p95,
                    pressure: None,
                    is_exporting: true,
                });
                law.share()
            })
            .collect()
    }

    /// How often the share turned around.
    fn turns(shares: &[f64]) -> usize {
        let moves: Vec<f64> = shares
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .filter(|by| by.abs() > 1e-9)
            .collect();
        moves
            .windows(2)
            .filter(|pair| pair[0].signum() != pair[1].signum())
            .count()
    }

    #[test]
    fn a_step_of_load_is_met_within_seconds_and_left_within_half_a_minute() {
        let mut law = Law::new(bounds(Some(60)));
        let mut plant = Plant {
            alone: 0.02,
            seen: Vec::new(),
        };
        // 0.02 / (1 - 0.1 - 0.8 * share) <= 0.06 leaves a share of about 0.7.
        let before = run(&mut law, &mut plant, 120, 0.1, |_| 0.0);
        let settled = *before.last().expect("shares");
        assert!((0.3..=0.8).contains(&settled), "{settled}");
        // Three times the load: a share of about 0.45.
        let during = run(&mut law, &mut plant, 60, 0.3, |_| 0.0);
        assert!(
            during[..5].iter().any(|share| *share <= settled * 0.6),
            "{:?}",
            &during[..8]
        );
        let after = run(&mut law, &mut plant, 60, 0.1, |_| 0.0);
        assert!(
            after[..30].iter().any(|share| *share >= settled * 0.75),
            "{:?}",
            &after[..30]
        );
        let all: Vec<f64> = before.iter().chain(&during).chain(&after).copied().collect();
        assert!(turns(&all) <= 14, "{} turns in four minutes", turns(&all));
    }

    #[test]
    fn nobody_asking_is_full_speed_and_the_target_is_learned() {
        let mut law = Law::new(bounds(None));
        assert_eq!(law.step(Sample::default()), Reason::Idle);
        assert!((law.share() - 1.0).abs() < 1e-9);
        let mut plant = Plant {
            alone: 0.02,
            seen: Vec::new(),
        };
        let shares = run(&mut law, &mut plant, 4, 0.1, |_| 0.0);
        assert!(
            shares.iter().all(|share| *share <= 0.1),
            "it learns at the floor: {shares:?}"
        );
        run(&mut law, &mut plant, 10, 0.1, |_| 0.0);
        let target = law.target().expect("it is learned").as_secs_f64();
        // At the floor: 0.02 / (1 - 0.1 - 0.08) = 0.0244, times 1.25.
        assert!((0.028..0.033).contains(&target), "{target}");
        for _ in 0..10 {
            law.step(Sample::default());
        }
        assert!((law.share() - 1.0).abs() < 1e-9, "and is left when nobody asks");
    }

    #[test]
    fn pressure_gives_way_whatever_queries_say() {
        let mut law = Law::new(bounds(Some(60)));
        let sample = Sample {
            pressure: Some("memory"),
            ..Sample::default()
        };
        for _ in 0..30 {
            assert_eq!(law.step(sample), Reason::Pressure("memory"));
        }
        assert!((law.share() - 0.1).abs() < 1e-9, "{}", law.share());
    }

    proptest! {
        #[test]
        fn it_stays_within_its_bounds_and_does_not_swing(
            noise in prop::collection::vec(-0.05..0.05_f64, 600),
            load in 0.05..0.5_f64,
            target in 30..200_u64,
        ) {
            let mut law = Law::new(bounds(Some(target)));
            let mut plant = Plant { alone: 0.02, seen: Vec::new() };
            let shares = run(&mut law, &mut plant, 600, load, |second| noise[second]);
            prop_assert!(shares.iter().all(|share| (0.1..=1.0).contains(share)));
            // Ten minutes: a turn each ten seconds at most, and in the last five it keeps about its place: a share that is
            // tried again and found too much costs a few seconds.
            prop_assert!(turns(&shares) <= 60, "{} turns", turns(&shares));
            let mut late = shares[300..].to_vec();
            late.sort_by(f64::total_cmp);
            let middle = late[late.len() / 2];
            let far = late.iter().filter(|share| (**share - middle).abs() > 0.4).count();
            prop_assert!(far < late.len() / 5, "{far} of {} seconds far from {middle}", late.len());
        }
    }
}
