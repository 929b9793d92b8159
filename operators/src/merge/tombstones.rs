//! What was deleted: known to every worker, so that nothing late brings it back.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tracemill_model::Millis;
use tracemill_model::ingest::{EntityKey, EntityKind, Row, Text};

use super::piece::trace_of;

/// Deleted entities that may still be met: those of recent deletions, and those that lookups found. Cheap to clone.
#[derive(Clone, Default)]
pub struct Tombstones {
    inner: Arc<RwLock<Inner>>,
    /// Whether anything was ever deleted: without, nobody need be asked.
    any: Arc<AtomicBool>,
}

#[derive(Default)]
struct Inner {
    projects: HashMap<Text, Millis>,
    entities: HashMap<EntityKey, Millis>,
}

impl fmt::Debug for Tombstones {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tombstones")
    }
}

impl Tombstones {
    /// Notes deletions. An entity that is a trace takes its observations and scores with it.
    pub fn add(&self, entities: impl IntoIterator<Item = (EntityKey, Millis)>) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        inner.entities.extend(entities);
        if !inner.entities.is_empty() {
            self.any.store(true, Ordering::Release);
        }
    }

    /// Notes that a whole project was deleted.
    pub fn add_project(&self, project: Text, at: Millis) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        inner.projects.insert(project, at);
        self.any.store(true, Ordering::Release);
    }

    /// Whether anything was ever deleted, so far as we know.
    #[must_use]
    pub fn has_any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// Says that there are deletions that are not in memory.
    pub fn note_older(&self) {
        self.any.store(true, Ordering::Release);
    }

    /// Forgets what was deleted before `at`; lookups find it again.
    pub fn forget_before(&self, at: Millis) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        inner.entities.retain(|_, deleted| *deleted >= at);
    }

    /// Whether the row's entity, its trace or its project was deleted.
    #[must_use]
    pub fn has_row(&self, row: &Row) -> bool {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        if inner.entities.is_empty() && inner.projects.is_empty() {
            return false;
        }
        let key = row.key();
        if inner.projects.contains_key(&key.project) || inner.entities.contains_key(&key) {
            return true;
        }
        trace_of(row).is_some_and(|id| {
            let trace = EntityKey {
                project: key.project.clone(),
                kind: EntityKind::Trace,
                id: id.clone(),
            };
            inner.entities.contains_key(&trace)
        })
    }
}
