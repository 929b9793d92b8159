//! What the governor tells: for `status`, metrics and plots.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tracemill_model::{ByteSize, Millis};
use tracemill_operators::governor::{Law, Passage, Reason, Sample, Settings};

use super::{Load, since};
use crate::pace::{for_people, grouped};

/// Changes that are remembered.
const KEPT: usize = 64;

/// What holds now, and why.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
    /// Leaves at once that are never passed; `None`: as configured for the process.
    #[serde(default)]
    pub max_leaves: Option<u64>,
    /// Bytes a second that are never passed; `None`: without a limit.
    #[serde(default)]
    pub max_bytes_per_second: Option<u64>,
    /// What it let through.
    #[serde(default)]
    pub passed: Passed,
    /// What readers' queries took of the recent seconds, and what the export gave them.
    #[serde(default)]
    pub given: Given,
    /// How loaded ClickHouse is.
    #[serde(default)]
    pub load: Load,
}

/// How much of the recent seconds went to readers, where the export stands still for them; else nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Given {
    /// While so many percent of the time their queries ran.
    pub busy_percent: f64,
    /// While so many the export stood still.
    pub percent: f64,
    /// How long it stood still so far, in ms.
    pub total_ms: u64,
}

/// What the governor let through, and what waits for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Passed {
    /// Leaves that are read now.
    pub leaves: u64,
    /// The most that were read at once.
    pub most_leaves: u64,
    /// Bytes of answers.
    pub bytes: u64,
    /// Readers that wait now.
    pub waiting: u64,
    /// How long readers waited, added up, in ms.
    pub waited_ms: u64,
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
            ..Self::default()
        }
    }

    /// With what else was seen.
    pub(super) fn beside(self, passage: Passage, ceiling: Settings, given: Given, load: Load) -> Self {
        Self {
            max_leaves: (ceiling.leaves != u64::MAX).then_some(ceiling.leaves),
            max_bytes_per_second: ceiling.bytes_per_second,
            passed: Passed {
                leaves: passage.leaves,
                most_leaves: passage.most_leaves,
                bytes: passage.bytes,
                waiting: passage.waiting,
                waited_ms: u64::try_from(passage.waited.as_millis()).unwrap_or(u64::MAX),
            },
            given,
            load,
            ..self
        }
    }

    /// Lines for people.
    #[must_use]
    pub fn lines(&self, now: Millis) -> Vec<String> {
        let Passed {
            leaves,
            most_leaves,
            bytes,
            waiting,
            waited_ms,
        } = self.passed;
        let waited = for_people(std::time::Duration::from_millis(waited_ms));
        let passed = format!(
            "  {leaves} leaves read, {most_leaves} at most; {} let through; {waiting} wait, {waited} so far",
            ByteSize(bytes)
        );
        let mut lines = vec![self.line(now), passed];
        lines.extend(self.given.line());
        lines.extend(self.load.line().map(|load| format!("  clickhouse: {load}")));
        lines
    }

    /// The first of them.
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

impl Given {
    /// For people; `None`: it never stood still.
    fn line(&self) -> Option<String> {
        let so_far = for_people(std::time::Duration::from_millis(self.total_ms));
        let line = || {
            format!(
                "  readers' queries ran {:.0} % of the last seconds; the export stood still {:.0} %, {so_far} so far",
                self.busy_percent, self.percent
            )
        };
        (self.total_ms > 0).then(line)
    }
}

impl Load {
    /// What is known, for people; `None`: nothing is.
    fn line(&self) -> Option<String> {
        let of = |limit: u64, text: String| {
            if limit > 0 {
                format!(" of {text}")
            } else {
                String::new()
            }
        };
        let mut parts = Vec::new();
        if let Some(memory) = self.memory {
            let limit = of(self.memory_limit, ByteSize(self.memory_limit).to_string());
            parts.push(format!("{}{limit} of memory", ByteSize(memory)));
        }
        if let Some(queries) = self.queries {
            let users = self.by_user.iter().map(|(user, count)| format!("{user} {count}"));
            let users: Vec<String> = users.collect();
            let users = if users.is_empty() {
                String::new()
            } else {
                format!(" ({})", users.join(", "))
            };
            let limit = of(self.queries_limit, grouped(self.queries_limit));
            parts.push(format!("{}{limit} queries{users}", grouped(queries)));
        }
        if let Some(merges) = self.merges {
            parts.push(format!(
                "{}{} merges",
                grouped(merges),
                of(self.merges_limit, grouped(self.merges_limit))
            ));
        }
        if let Some(most) = self.parts {
            parts.push(format!("{} parts in the fullest partition", grouped(most)));
        }
        (!parts.is_empty()).then(|| parts.join(", "))
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
            reason: "idle".to_owned(),
            ..GovernorStatus::default()
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

    #[test]
    fn people_read_what_passed_and_how_loaded_clickhouse_is() {
        let passage = Passage {
            leaves: 1,
            most_leaves: 2,
            bytes: 3 << 20,
            waiting: 1,
            waited: std::time::Duration::from_secs(90),
        };
        let load = Load {
            memory: Some(1 << 30),
            memory_limit: 4 << 30,
            queries: Some(3),
            by_user: [("export_user".to_owned(), 2)].into(),
            merges: Some(4),
            merges_limit: 16,
            parts: Some(1_234),
            ..Load::default()
        };
        let ceiling = Settings {
            leaves: 2,
            bytes_per_second: Some(1 << 20),
        };
        let given = Given {
            busy_percent: 12.4,
            percent: 25.0,
            total_ms: 90_000,
        };
        let status = GovernorStatus::default().beside(passage, ceiling, given, load);
        assert_eq!(
            (status.max_leaves, status.max_bytes_per_second),
            (Some(2), Some(1 << 20))
        );
        let lines = status.lines(Millis(0));
        assert_eq!(
            lines[1..],
            [
                "  1 leaves read, 2 at most; 3 MiB let through; 1 wait, 1 min 30 s so far",
                "  readers' queries ran 12 % of the last seconds; the export stood still 25 %, 1 min 30 s so far",
                "  clickhouse: 1 GiB of 4 GiB of memory, 3 queries (export_user 2), 4 of 16 merges, 1,234 parts in the \
                 fullest partition",
            ]
        );
        let blind = GovernorStatus::default().beside(passage, Settings::OPEN, Given::default(), Load::default());
        assert_eq!((blind.lines(Millis(0)).len(), blind.max_leaves), (2, None));
    }
}
