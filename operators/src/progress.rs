//! What an export does right now, in counters and named states: for progress bars, `status` and logs.
//!
//! Counters only grow. A state is entered by holding a [`Stage`], and left by dropping it, so none is left behind.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tracemill_model::Millis;

/// A named state of a piece of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Another leaf has to end first.
    WaitingForSlot,
    /// The governor holds the export back.
    WaitingForGovernor,
    /// The memory budget is taken.
    WaitingForBudget,
    /// Pass one.
    ReadingKeys,
    /// Pass two.
    ReadingRows,
    /// A file is being sent.
    Writing,
    /// A server could not be reached; nothing is tried before that time.
    BackingOff {
        /// When it is tried again.
        until: Millis,
        /// What it said.
        error: String,
    },
    /// All leaves are written; the window waits for those before it, or for its manifest.
    Committing,
    /// Nothing to do until that time.
    WaitingForWindow {
        /// When the plan looks again.
        until: Millis,
    },
    /// It stands still until a person acts.
    Held {
        /// Why.
        error: String,
    },
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WaitingForSlot => f.write_str("waiting_for_slot"),
            Self::WaitingForGovernor => f.write_str("waiting_for_governor"),
            Self::WaitingForBudget => f.write_str("waiting_for_budget"),
            Self::ReadingKeys => f.write_str("reading_keys"),
            Self::ReadingRows => f.write_str("reading_rows"),
            Self::Writing => f.write_str("writing"),
            Self::BackingOff { until, error } => write!(f, "backing_off(until {until}: {error})"),
            Self::Committing => f.write_str("committing"),
            Self::WaitingForWindow { until } => write!(f, "waiting_for_window(until {until})"),
            Self::Held { error } => write!(f, "held({error})"),
        }
    }
}

/// The counters of an export.
#[derive(Debug, Default)]
pub struct Counters {
    /// How often the plan looked for windows.
    pub plans: AtomicU64,
    /// Windows that the plan knew of, given out or not.
    pub windows_known: AtomicU64,
    /// Windows whose versions were counted.
    pub windows_counted: AtomicU64,
    /// Windows that the plan gave out.
    pub windows_planned: AtomicU64,
    /// Windows whose manifest is written.
    pub windows_committed: AtomicU64,
    /// Rows that are known to be there, every version counted.
    pub versions_found: AtomicU64,
    /// Rows that came from ClickHouse.
    pub rows_read: AtomicU64,
    /// Bytes of Arrow data that came from ClickHouse.
    pub bytes_read: AtomicU64,
    /// Rows handed to the encoder.
    pub rows_written: AtomicU64,
    /// Bytes of files sent.
    pub bytes_written: AtomicU64,
    /// Files finished.
    pub files_written: AtomicU64,
    /// Leaves that were split.
    pub splits: AtomicU64,
    /// Leaves that were given up.
    pub letters: AtomicU64,
    /// Attempts that met an outage.
    pub outages: AtomicU64,
    /// Strings that were no UTF-8 and were repaired.
    pub repaired: AtomicU64,
}

/// Shared by everything that works on one export.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    counters: Counters,
    states: Mutex<BTreeMap<String, State>>,
}

impl Progress {
    /// The counters.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// Adds to a counter.
    pub fn add(&self, counter: impl FnOnce(&Counters) -> &AtomicU64, n: u64) {
        counter(&self.0.counters).fetch_add(n, Ordering::Relaxed);
    }

    /// Reads a counter.
    pub fn get(&self, counter: impl FnOnce(&Counters) -> &AtomicU64) -> u64 {
        counter(&self.0.counters).load(Ordering::Relaxed)
    }

    /// Begins a piece of work in a state.
    #[must_use]
    pub fn stage(&self, name: impl Into<String>, state: State) -> Stage {
        let stage = Stage {
            progress: self.clone(),
            name: name.into(),
        };
        stage.enter(state);
        stage
    }

    /// Every piece of work and its state.
    #[must_use]
    pub fn states(&self) -> Vec<(String, State)> {
        let states = self.0.states.lock().unwrap_or_else(PoisonError::into_inner);
        states
            .iter()
            .map(|(name, state)| (name.clone(), state.clone()))
            .collect()
    }
}

/// A piece of work that has a state for as long as this lives.
#[derive(Debug)]
pub struct Stage {
    progress: Progress,
    name: String,
}

impl Stage {
    /// Goes over to another state.
    pub fn enter(&self, state: State) {
        let mut states = self.progress.0.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.insert(self.name.clone(), state);
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let mut states = self.progress.0.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.remove(&self.name);
    }
}
