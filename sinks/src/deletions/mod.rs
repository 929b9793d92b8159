//! Deletions: entities of a project, or all of it, with their rows and their raw events, and for good.
//!
//! The order makes it safe to stop anywhere and begin again:
//!
//! 1. Tombstones: from here on nothing brings the entities back.
//! 2. What belongs to a trace is resolved from the tables, where it still is; it gets tombstones too.
//! 3. Raw objects are found by the file log, and events of the deleted are taken out of them; a raw object may hold events of
//!    others. Then the log's lines are marked.
//! 4. Again from 2, until nothing new is found: what was on its way arrives meanwhile.
//! 5. Rows are deleted last, traces after what belongs to them.
//!
//! *On error.* Everything that was done stays done; the same deletion is run again from the start.

mod plan;
mod raw;
mod statements;

pub use plan::{Deletion, Report, Target};
pub use raw::{Redact, Redacted};

use std::collections::HashSet;

use tokio::sync::Mutex;
use tracemill_model::Millis;
use tracemill_model::ingest::{EntityKey, EntityKind, Text};
use tracemill_warehouse::Service;
use tracemill_warehouse::chunks::chunks;
use tracemill_warehouse::tombstones::{Buried, bury};

use crate::SinkError;
use crate::store::Store;

/// Carries deletions out. One at a time: two that rewrite one raw object at once would undo each other, so a system has one
/// of these at work.
#[derive(Debug)]
pub struct Deleter<R> {
    service: Service,
    store: Store,
    redact: R,
    one: Mutex<()>,
}

impl<R: Redact> Deleter<R> {
    /// A deleter on a service that may insert and delete, and the raw store.
    #[must_use]
    pub fn new(service: Service, store: Store, redact: R) -> Self {
        Self {
            service,
            store,
            redact,
            one: Mutex::new(()),
        }
    }

    /// Carries a deletion out, all of it. Repeating it is harmless.
    ///
    /// # Errors
    /// Those of ClickHouse and of the store; [`SinkError::Redact`] where a raw object cannot be read. Run it again.
    pub async fn delete(&self, deletion: &Deletion, now: Millis) -> Result<Report, SinkError> {
        let _one = self.one.lock().await;
        let mut report = Report::default();
        match &deletion.what {
            Target::Project { folders } => self.project(deletion, folders, now, &mut report).await?,
            Target::Traces(ids) => {
                self.entities(deletion, EntityKind::Trace, ids, now, &mut report)
                    .await?;
            }
            Target::Scores(ids) => {
                self.entities(deletion, EntityKind::Score, ids, now, &mut report)
                    .await?;
            }
        }
        Ok(report)
    }

    async fn entities(
        &self,
        deletion: &Deletion,
        kind: EntityKind,
        ids: &[Text],
        now: Millis,
        report: &mut Report,
    ) -> Result<(), SinkError> {
        let project = &deletion.project;
        let key = |kind, id: &Text| EntityKey {
            project: project.clone(),
            kind,
            id: id.clone(),
        };
        let mut new: Vec<EntityKey> = ids.iter().map(|id| key(kind, id)).collect();
        let mut doomed: HashSet<EntityKey> = HashSet::new();
        while !new.is_empty() {
            let buried: Vec<Buried> = new.iter().cloned().map(Buried::Entity).collect();
            bury(&self.service, &buried, deletion.at).await?;
            doomed.extend(new.iter().cloned());
            if kind == EntityKind::Trace && new.iter().any(|key| key.kind == EntityKind::Trace) {
                // The objects of all of them are read once, so all are resolved first.
                let children = self.children(project, ids, &doomed).await?;
                let buried: Vec<Buried> = children.iter().cloned().map(Buried::Entity).collect();
                bury(&self.service, &buried, deletion.at).await?;
                doomed.extend(children.iter().cloned());
                new.extend(children);
            }
            self.raw(project, &new, &doomed, now, report).await?;
            new = if kind == EntityKind::Trace {
                self.children(project, ids, &doomed).await?
            } else {
                Vec::new()
            };
        }
        report.entities = doomed.len() as u64;
        for kind in [EntityKind::Score, EntityKind::Observation, EntityKind::Trace] {
            let ids: Vec<&Text> = doomed
                .iter()
                .filter(|key| key.kind == kind)
                .map(|key| &key.id)
                .collect();
            for ids in chunks(&ids, |id| id) {
                report.rows += statements::delete(&self.service, project, kind, ids).await?;
            }
        }
        Ok(())
    }

    /// Observations and scores of traces that are not among the doomed yet.
    async fn children(
        &self,
        project: &Text,
        traces: &[Text],
        doomed: &HashSet<EntityKey>,
    ) -> Result<Vec<EntityKey>, SinkError> {
        let mut children = HashSet::new();
        for kind in [EntityKind::Observation, EntityKind::Score] {
            for ids in chunks(traces, |id| id) {
                for id in statements::children(&self.service, project, kind, ids).await? {
                    let project = project.clone();
                    let id = id.into();
                    children.insert(EntityKey { project, kind, id });
                }
            }
        }
        Ok(children.into_iter().filter(|key| !doomed.contains(key)).collect())
    }

    /// Takes events out of the raw objects of `keys`, and marks the log's lines.
    async fn raw(
        &self,
        project: &Text,
        keys: &[EntityKey],
        doomed: &HashSet<EntityKey>,
        now: Millis,
        report: &mut Report,
    ) -> Result<(), SinkError> {
        for kind in EntityKind::ALL {
            let ids: Vec<&Text> = keys.iter().filter(|key| key.kind == kind).map(|key| &key.id).collect();
            for ids in chunks(&ids, |id| id) {
                let paths = statements::paths(&self.service, project, kind, ids).await?;
                raw::redact_all(&self.store, &self.redact, &paths, doomed, report).await?;
                statements::mark(&self.service, project, kind, ids, now).await?;
            }
        }
        Ok(())
    }

    async fn project(
        &self,
        deletion: &Deletion,
        folders: &[String],
        now: Millis,
        report: &mut Report,
    ) -> Result<(), SinkError> {
        let project = &deletion.project;
        bury(&self.service, &[Buried::Project(project.clone())], deletion.at).await?;
        let mut last = String::new();
        loop {
            let page = statements::project_paths(&self.service, project, &last).await?;
            let Some(end) = page.last() else { break };
            last.clone_from(end);
            let paths: Vec<String> = page.iter().map(|path| self.redact.path(path)).collect();
            self.store.delete(&paths).await?;
            report.objects_removed += paths.len() as u64;
        }
        for folder in folders {
            report.objects_removed += raw::remove_folder(&self.store, folder).await?;
        }
        statements::mark_project(&self.service, project, now).await?;
        for kind in [EntityKind::Score, EntityKind::Observation, EntityKind::Trace] {
            report.rows += statements::delete_project(&self.service, project, kind).await?;
        }
        Ok(())
    }
}
