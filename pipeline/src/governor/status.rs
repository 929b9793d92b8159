//! What the governor tells: for `status`, metrics and plots.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tracemill_model::{ByteSize, Millis};
use tracemill_operators::governor::{Law, Reason, Sample, Settings};

use super::since;
use crate::pace::for_people;

/// Changes that are remembered.
const KEPT: usize = 64;

/// What holds now, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GovernorStatus {
    /// The part of full speed, in percent.
    pub percent: f64,
    /// Leaves at once; `None`: as configured.
    pub leaves: Option<u64>,
    /// Bytes of answers a second; `None`: without a limit.
    pub bytes_per_second: Option<u64>,
    /// `idle`, `learning`, `calm`, `steady`, `slow`, `pressure(...)`.
    pub reason: String,
    /// What 95 of 100 interactive queries are to take at most, in ms; `None`: not known yet.
    pub target_ms: Option<f64>,
    /// What they take, in ms.
    pub p95_ms: f64,
    /// Interactive queries of the recent seconds.
    pub queries: u64,
    /// Since when the percentage holds.
    pub since: Option<Millis>,
    /// The last changes, the newest last: when, and to how many percent.
    pub changes: VecDeque<(Millis, f64)>,
}

impl GovernorStatus {
    pub(super) fn new(law: &Law, settings: Settings, reason: Reason, sample: Sample) -> Self {
        let ms = |duration: std::time::Duration| duration.as_secs_f64() * 1_000.0;
        Self {
            percent: (law.share() * 1_000.0).round() / 10.0,
            leaves: (settings != Settings::OPEN).then_some(settings.leaves),
            bytes_per_second: settings.bytes_per_second,
            reason: reason.to_string(),
            target_ms: law.target().map(ms),
            p95_ms: ms(sample.p95),
            queries: sample.queries,
            since: None,
            changes: VecDeque::new(),
        }
    }

    /// A line for people.
    #[must_use]
    pub fn line(&self, now: Millis) -> String {
        let rate = self
            .bytes_per_second
            .map(|bytes| format!(", {}/s", ByteSize(bytes)))
            .unwrap_or_default();
        let leaves = self
            .leaves
            .map(|leaves| format!(", {leaves} leaves"))
            .unwrap_or_default();
        let target = self
            .target_ms
            .map(|ms| format!(", to be at most {ms:.0}"))
            .unwrap_or_default();
        let held = self
            .since
            .map(|at| format!(" for {}", for_people(since(at, now))))
            .unwrap_or_default();
        format!(
            "governor: {:.0} % of full speed{leaves}{rate}{held} ({}); {} queries of late, p95 {:.0} ms{target}",
            self.percent, self.reason, self.queries, self.p95_ms
        )
    }
}

/// Where the governor tells. Cheap to clone; clones are one.
#[derive(Debug, Clone, Default)]
pub struct Told(Arc<Mutex<Option<GovernorStatus>>>);

impl Told {
    pub(super) fn tell(&self, now_is: &GovernorStatus, at: Millis) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut status = now_is.clone();
        let before = held.take();
        let is_same = before
            .as_ref()
            .is_some_and(|before| (before.percent - status.percent).abs() < 0.05);
        status.since = before
            .as_ref()
            .and_then(|before| before.since)
            .filter(|_| is_same)
            .or(Some(at));
        status.changes = before.map(|before| before.changes).unwrap_or_default();
        if !is_same {
            status.changes.push_back((at, status.percent));
            if status.changes.len() > KEPT {
                status.changes.pop_front();
            }
        }
        *held = Some(status);
    }

    /// What it told last; `None` where nothing governs.
    #[must_use]
    pub fn now(&self) -> Option<GovernorStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_remembered_and_since_when() {
        let told = Told::default();
        let mut status = GovernorStatus {
            percent: 100.0,
            leaves: None,
            bytes_per_second: None,
            reason: "idle".to_owned(),
            target_ms: None,
            p95_ms: 0.0,
            queries: 0,
            since: None,
            changes: VecDeque::new(),
        };
        told.tell(&status, Millis(1));
        told.tell(&status, Millis(2));
        status.percent = 50.0;
        told.tell(&status, Millis(3));
        let now = told.now().expect("it was told");
        assert_eq!(now.since, Some(Millis(3)));
        assert_eq!(now.changes, [(Millis(1), 100.0), (Millis(3), 50.0)]);
        assert!(
            now.line(Millis(3)).starts_with("governor: 50 % of full speed for "),
            "{}",
            now.line(Millis(3))
        );
        for at in 4..200 {
            status.percent = f64::from(at % 100);
            told.tell(&status, Millis(i64::from(at)));
        }
        assert_eq!(told.now().expect("told").changes.len(), KEPT);
    }
}
