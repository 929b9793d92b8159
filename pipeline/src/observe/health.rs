//! Whether a process moves: it is unhealthy when there is work and nothing of it was done for minutes, or when a workload
//! stays down for as long. One that is started again counts as down until it has stayed up for a while: else one that fails
//! again and again would look well in between.

use std::collections::BTreeMap;
use std::time::Duration;

use tracemill_model::Millis;

/// How long a workload that is started again must stay up to count as well.
const SETTLED: Duration = Duration::from_secs(30);

/// What one workload looks like at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// There is something to do.
    pub has_work: bool,
    /// Grows with each piece that is done. Any change is progress: a workload that starts again counts anew.
    pub done: u64,
    /// It is down, for that reason.
    pub down: Option<String>,
}

/// Why a workload is not well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ill {
    /// Which.
    pub workload: String,
    /// Since when.
    pub since: Millis,
    /// What is wrong, in words.
    pub why: String,
}

/// Remembers when each workload last moved.
#[derive(Debug)]
pub struct Health {
    patience: Duration,
    moved: BTreeMap<String, Moved>,
    ill: Vec<Ill>,
}

#[derive(Debug)]
struct Moved {
    done: u64,
    /// When it last was well or moved.
    since: Millis,
    /// Why it was last down, and since when it is up again.
    failed: Option<(String, Option<Millis>)>,
}

impl Moved {
    /// Takes in what it looks like, and gives why it is down, if it is.
    fn look(&mut self, seen: &Seen, settled: i64, now: Millis) {
        self.failed = match (&seen.down, self.failed.take()) {
            (Some(error), _) => Some((error.clone(), None)),
            (None, Some((error, up))) => {
                let up = up.unwrap_or(now);
                (now.0.saturating_sub(up.0) < settled).then_some((error, Some(up)))
            }
            (None, None) => None,
        };
        if self.failed.is_none() && (!seen.has_work || self.done != seen.done) {
            self.since = now;
        }
        self.done = seen.done;
    }
}

impl Health {
    /// `patience`: how long there may be work without progress.
    #[must_use]
    pub const fn new(patience: Duration) -> Self {
        Self {
            patience,
            moved: BTreeMap::new(),
            ill: Vec::new(),
        }
    }

    /// Looks at all workloads.
    pub fn look(&mut self, seen: &BTreeMap<String, Seen>, now: Millis) {
        self.moved.retain(|name, _| seen.contains_key(name));
        self.ill.clear();
        for (name, seen) in seen {
            let moved = self.moved.entry(name.clone()).or_insert(Moved {
                done: seen.done,
                since: now,
                failed: None,
            });
            moved.look(seen, ms(SETTLED.min(self.patience)), now);
            if now.0.saturating_sub(moved.since.0) >= ms(self.patience) {
                self.ill.push(Ill {
                    workload: name.clone(),
                    since: moved.since,
                    why: match &moved.failed {
                        Some((error, None)) => format!("it is down: {error}"),
                        Some((error, Some(_))) => format!("it was just started again: {error}"),
                        None => "there is work, and nothing was done".to_owned(),
                    },
                });
            }
        }
    }

    /// What is not well.
    #[must_use]
    pub fn ill(&self) -> &[Ill] {
        &self.ill
    }
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(300);
    const MINUTE: i64 = 60_000;

    fn one(has_work: bool, done: u64, down: bool) -> BTreeMap<String, Seen> {
        let down = down.then(|| "no".to_owned());
        BTreeMap::from([("export".to_owned(), Seen { has_work, done, down })])
    }

    #[test]
    fn work_without_progress_is_an_illness_after_minutes() {
        let mut health = Health::new(PATIENCE);
        for (minute, seen, is_well) in [
            (0, one(true, 1, false), true),
            (4, one(true, 1, false), true),
            (5, one(true, 1, false), false),
            // It moves again, and is idle for long.
            (6, one(true, 2, false), true),
            (20, one(false, 2, false), true),
            (60, one(false, 2, false), true),
            (64, one(true, 2, false), true),
            (65, one(true, 2, false), false),
            // Down for long, whatever it did before.
            (66, one(true, 3, false), true),
            (67, one(false, 0, true), true),
            (72, one(false, 0, true), false),
            (73, BTreeMap::new(), true),
        ] {
            health.look(&seen, Millis(minute * MINUTE));
            assert_eq!(health.ill().is_empty(), is_well, "minute {minute}: {:?}", health.ill());
        }
    }

    #[test]
    fn one_that_fails_again_and_again_is_ill_until_it_stays_up() {
        let mut health = Health::new(PATIENCE);
        let mut at = |seconds: i64, down: bool| {
            // Each attempt counts anew, and does a little.
            health.look(&one(true, seconds as u64, down), Millis(seconds * 1_000));
            health.ill().first().map(|ill| ill.why.clone())
        };
        assert_eq!(at(0, false), None);
        for seconds in (10..300).step_by(10) {
            assert_eq!(at(seconds, seconds % 20 == 10), None, "second {seconds}");
        }
        assert_eq!(at(300, false).as_deref(), Some("it was just started again: no"));
        assert_eq!(at(310, true).as_deref(), Some("it is down: no"));
        assert!(at(320, false).is_some() && at(340, false).is_some());
        assert_eq!(at(350, false), None, "it stayed up for half a minute");
    }
}
