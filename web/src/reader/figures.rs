//! What became of interactive queries.

use std::sync::atomic::{AtomicU64, Ordering};

use tracemill_model::Blame;

use super::{Admission, ReadConfig, ReadError};

/// What runs and waits, and what became of the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadFigures {
    /// Queries that run.
    pub running: u64,
    /// How many may run at once.
    pub at_once: u64,
    /// Queries that wait for their turn.
    pub waiting: u64,
    /// Queries that were answered.
    pub answered: u64,
    /// Queries without an answer, by reason: `queue_full` and `no_turn` were never sent, `abandoned` lost their reader.
    pub refused: Vec<(&'static str, u64)>,
}

/// Counts ends of queries.
#[derive(Debug, Default)]
pub(super) struct Counts {
    answered: AtomicU64,
    abandoned: AtomicU64,
    failed: [AtomicU64; FAILURES.len()],
}

/// Ends that ClickHouse gave.
const FAILURES: [ReadError; 4] = [
    ReadError::TooMuch,
    ReadError::TooLong,
    ReadError::Unavailable,
    ReadError::Broken,
];

impl Counts {
    /// A query that ran ended.
    pub(super) fn ended(&self, error: Option<&ReadError>) {
        let counter = match error {
            None => Some(&self.answered),
            Some(error) => {
                let at = FAILURES.iter().position(|known| known.kind() == error.kind());
                at.map(|at| &self.failed[at])
            }
        };
        if let Some(counter) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Its reader went away.
    pub(super) fn abandoned(&self) {
        self.abandoned.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn figures(&self, admission: &Admission, config: &ReadConfig) -> ReadFigures {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let ((running, waiting), (full, late)) = (admission.load(), admission.refused());
        let mut refused = vec![("queue_full", full), ("no_turn", late)];
        let failed = FAILURES.iter().zip(&self.failed);
        refused.extend(failed.map(|(error, count)| (error.kind(), get(count))));
        refused.push(("abandoned", get(&self.abandoned)));
        ReadFigures {
            running: running as u64,
            at_once: config.at_once as u64,
            waiting: waiting as u64,
            answered: get(&self.answered),
            refused,
        }
    }
}
