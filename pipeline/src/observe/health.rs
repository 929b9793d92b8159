//! Whether a process moves: it is unhealthy when there is work and nothing of it was done for minutes, or when a workload
//! stays down for as long.

use std::collections::BTreeMap;
use std::time::Duration;

use tracemill_model::Millis;

/// How long there may be work without progress.
pub const PATIENCE: Duration = Duration::from_secs(300);

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
#[derive(Debug, Default)]
pub struct Health {
    moved: BTreeMap<String, (u64, Millis)>,
    ill: Vec<Ill>,
}

impl Health {
    /// Looks at all workloads.
    pub fn look(&mut self, seen: &BTreeMap<String, Seen>, now: Millis) {
        self.moved.retain(|name, _| seen.contains_key(name));
        self.ill.clear();
        for (name, seen) in seen {
            let (done, since) = self.moved.entry(name.clone()).or_insert((seen.done, now));
            let is_well = !seen.has_work && seen.down.is_none();
            if is_well || (*done != seen.done && seen.down.is_none()) {
                *since = now;
            }
            *done = seen.done;
            let still = u64::try_from(now.0.saturating_sub(since.0)).unwrap_or(0);
            if still >= u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX) {
                self.ill.push(Ill {
                    workload: name.clone(),
                    since: *since,
                    why: match &seen.down {
                        Some(error) => format!("it is down: {error}"),
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

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn one(has_work: bool, done: u64, down: bool) -> BTreeMap<String, Seen> {
        let down = down.then(|| "no".to_owned());
        BTreeMap::from([("export".to_owned(), Seen { has_work, done, down })])
    }

    #[test]
    fn work_without_progress_is_an_illness_after_minutes() {
        let mut health = Health::default();
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
}
