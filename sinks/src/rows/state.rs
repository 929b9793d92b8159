//! What each batch that is being written does right now, for `status`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracemill_model::Millis;

use super::batch::RowTable;

/// The state of one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteState {
    /// Its rows are being sent.
    Writing,
    /// The outcome of an insert is not known: its rows are looked for.
    Verifying,
    /// The server has trouble; nothing is sent before that time.
    BackingOff {
        /// When it is tried again.
        until: Millis,
        /// What the server said.
        why: String,
    },
    /// It stands still until a person acts; it is tried again every now and then.
    Held {
        /// What the server said.
        why: String,
    },
}

impl fmt::Display for WriteState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Writing => f.write_str("writing"),
            Self::Verifying => f.write_str("verifying"),
            Self::BackingOff { until, why } => write!(f, "backing_off(until {until}: {why})"),
            Self::Held { why } => write!(f, "held({why})"),
        }
    }
}

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    states: BTreeMap<u64, (RowTable, WriteState)>,
}

/// The states of all batches of a writer. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct WriteStates(Arc<Mutex<Inner>>);

impl WriteStates {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them, oldest batch first.
    #[must_use]
    pub fn list(&self) -> Vec<(RowTable, WriteState)> {
        self.lock().states.values().cloned().collect()
    }

    pub(super) fn begin(&self, table: RowTable) -> Stage {
        let mut inner = self.lock();
        let id = inner.next;
        inner.next += 1;
        inner.states.insert(id, (table, WriteState::Writing));
        Stage {
            states: self.clone(),
            id,
        }
    }
}

/// A batch's place among the states; dropping it leaves none behind.
#[derive(Debug)]
pub(super) struct Stage {
    states: WriteStates,
    id: u64,
}

impl Stage {
    pub(super) fn enter(&self, state: WriteState) {
        if let Some((_, current)) = self.states.lock().states.get_mut(&self.id) {
            *current = state;
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.states.lock().states.remove(&self.id);
    }
}
