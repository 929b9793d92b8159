//! The governor of a process that ingests: a look each second at the parts of its tables, and how long its batches wait.
//!
//! ```text
//! parts, merges ──► Stretch ──► epochs and batches wait so many times their age
//! ```
//!
//! *Invariants.* Ingestion goes on whatever is seen: a batch that is full waits for nothing, and the factor has a bound.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tracemill_model::Millis;
use tracemill_operators::Clock;
use tracemill_operators::bridge::{Task, spawn};
use tracemill_operators::governor::{Stretch, Why};
use tracemill_warehouse::Service;

use super::parts::{PartsSampler, Seen, TableParts};
use super::{EVERY, since};
use crate::config;
use crate::pace::{for_people, grouped};

/// Changes that are remembered.
const KEPT: usize = 64;

/// What it works with.
#[derive(Debug)]
pub struct InsertParts {
    /// What it may do.
    pub config: config::Governor,
    /// Where it looks: the service that inserts.
    pub service: Service,
    /// What it changes.
    pub stretch: watch::Sender<u32>,
    /// The age of a batch that is not stretched.
    pub age: Duration,
    /// Now.
    pub clock: Clock,
    /// Where it tells what it does.
    pub told: InsertsTold,
}

/// Governs until the task is dropped; `None` where it is switched off.
#[must_use]
pub fn begin(parts: InsertParts) -> Option<Task<()>> {
    parts.config.enabled.then(|| spawn("governor", govern(parts)))
}

async fn govern(parts: InsertParts) {
    let InsertParts {
        config,
        service,
        stretch,
        age,
        clock,
        told,
    } = parts;
    let mut law = Stretch::new(config.stretch);
    let mut sampler = PartsSampler::new(service);
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let seen = sampler.look().await;
        let before = law.factor();
        let why = law.step(seen.fullest.as_ref().map(TableParts::crowd));
        let status = InsertsStatus::new(law.factor(), age, why, seen);
        log(before, &status);
        stretch.send_if_modified(|factor| std::mem::replace(factor, status.stretch) != status.stretch);
        told.tell(status, clock.now());
    }
}

fn log(before: u32, status: &InsertsStatus) {
    let InsertsStatus {
        stretch,
        wait_ms,
        reason,
        table,
        parts,
        delay_at,
        merges,
        ..
    } = status;
    if *stretch > before {
        tracing::warn!(
            stretch,
            wait_ms,
            reason,
            table,
            parts,
            delay_at,
            merges,
            "inserts_stretched"
        );
    } else if *stretch < before {
        tracing::info!(
            stretch,
            wait_ms,
            reason,
            table,
            parts,
            delay_at,
            merges,
            "inserts_relaxed"
        );
    }
}

/// How long inserts wait, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InsertsStatus {
    /// How many times its age a batch waits; 1: as configured.
    pub stretch: u32,
    /// What that comes to, in ms.
    pub wait_ms: u64,
    /// `few_parts`, `between`, `many_parts`, `unknown`.
    pub reason: String,
    /// The table that is nearest to its bound. This and the next are not known where ClickHouse does not tell.
    pub table: Option<String>,
    /// Active parts of its fullest partition.
    pub parts: Option<u64>,
    /// From how many on ClickHouse slows inserts into it down.
    pub delay_at: Option<u64>,
    /// From how many on ClickHouse refuses them.
    pub refuse_at: Option<u64>,
    /// Merges of the tables that run.
    pub merges: Option<u64>,
    /// Since when the stretch holds.
    pub since: Option<Millis>,
    /// The last changes, the newest last: when, and to what.
    pub changes: VecDeque<(Millis, u32)>,
}

impl InsertsStatus {
    fn new(stretch: u32, age: Duration, why: Why, seen: Seen) -> Self {
        let Seen { fullest, merges } = seen;
        let of = |part: fn(&TableParts) -> u64| fullest.as_ref().map(part);
        Self {
            stretch,
            wait_ms: u64::try_from(age.saturating_mul(stretch).as_millis()).unwrap_or(u64::MAX),
            reason: why.to_string(),
            parts: of(|table| table.parts),
            delay_at: of(|table| table.delay_at),
            refuse_at: of(|table| table.refuse_at),
            table: fullest.map(|fullest| fullest.table),
            merges,
            since: None,
            changes: VecDeque::new(),
        }
    }

    /// A line for people.
    #[must_use]
    pub fn line(&self, now: Millis) -> String {
        let held = self
            .since
            .map(|at| format!(" for {}", for_people(since(at, now))))
            .unwrap_or_default();
        let times = match self.stretch {
            0 | 1 => "their age".to_owned(),
            times => format!("{times} times their age"),
        };
        let crowd = match (&self.table, self.parts, self.delay_at) {
            (Some(table), Some(parts), Some(delay_at)) => format!(
                "; {table} has {} parts in a partition of {} that slow inserts down",
                grouped(parts),
                grouped(delay_at)
            ),
            _ => String::new(),
        };
        let merges = self
            .merges
            .map(|merges| format!("; {} merges run", grouped(merges)))
            .unwrap_or_default();
        format!(
            "inserts wait {times}, {} ms,{held} ({}){crowd}{merges}",
            grouped(self.wait_ms),
            self.reason
        )
    }
}

/// Where it tells. Cheap to clone; clones are one.
#[derive(Debug, Clone, Default)]
pub struct InsertsTold(Arc<Mutex<Option<InsertsStatus>>>);

impl InsertsTold {
    fn tell(&self, mut status: InsertsStatus, at: Millis) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = held.take();
        let is_same = before.as_ref().is_some_and(|before| before.stretch == status.stretch);
        let since = before.as_ref().and_then(|before| before.since).filter(|_| is_same);
        status.since = since.or(Some(at));
        status.changes = before.map(|before| before.changes).unwrap_or_default();
        if !is_same {
            status.changes.push_back((at, status.stretch));
            if status.changes.len() > KEPT {
                status.changes.pop_front();
            }
        }
        *held = Some(status);
    }

    /// What it told last; `None` where nothing governs.
    #[must_use]
    pub fn now(&self) -> Option<InsertsStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(parts: u64) -> Seen {
        Seen {
            fullest: Some(TableParts {
                table: "observations".to_owned(),
                parts,
                delay_at: 1_000,
                refuse_at: 3_000,
            }),
            merges: Some(3),
        }
    }

    #[test]
    fn changes_are_remembered_and_since_when() {
        let told = InsertsTold::default();
        let age = Duration::from_millis(750);
        for (at, stretch) in [(1, 1), (2, 1), (3, 2), (4, 2)] {
            told.tell(InsertsStatus::new(stretch, age, Why::Many, seen(600)), Millis(at));
        }
        let now = told.now().expect("it was told");
        assert_eq!((now.since, now.wait_ms), (Some(Millis(3)), 1_500));
        assert_eq!(now.changes, [(Millis(1), 1), (Millis(3), 2)]);
        let line = now.line(Millis(12_003));
        for part in [
            "2 times their age, 1,500 ms, for 12 s (many_parts)",
            "600 parts",
            "3 merges run",
        ] {
            assert!(line.contains(part), "{part} in {line}");
        }
        for at in 5..200 {
            told.tell(InsertsStatus::new(at, age, Why::Unknown, Seen::default()), Millis(5));
        }
        assert_eq!(told.now().expect("told").changes.len(), KEPT);
    }
}
