//! Deletions that jobs order: carried out one after another, beside the graph.
//!
//! *Invariants.* First the deleted are noted in memory, so that no row of them is written any more; then every epoch that
//! was pulled before is waited for; only then rows and raw events go. The job is acknowledged at the end.
//!
//! *On error.* What failed is begun again later, from the start, which is harmless.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::{mpsc, watch};
use tracemill_model::ingest::{EntityKey, EntityKind};
use tracemill_operators::Clock;
use tracemill_operators::bridge::Frontier;
use tracemill_operators::clock::backoff;
use tracemill_operators::decode::flow::Decoder;
use tracemill_operators::merge::Tombstones;
use tracemill_sinks::deletions::{self, Deleter, Target};
use tracemill_sinks::store::Store;
use tracemill_sources::queue::{Deletion, JobHandle, Queue};
use tracemill_warehouse::Service;
use tracemill_warehouse::tombstones::{Buried, Tombstone};

use super::pull::{PullFigures, patiently};
use super::redact::Redactor;

/// What carrying deletions out needs.
pub struct Runner {
    /// May insert and delete.
    pub service: Service,
    /// The raw store.
    pub store: Store,
    /// What the paths of raw objects begin with.
    pub prefix: String,
    /// Where the jobs are acknowledged.
    pub queue: Arc<dyn Queue>,
    /// What the graph must not write.
    pub tombstones: Tombstones,
    /// What is durable.
    pub durable: watch::Receiver<Frontier>,
    /// Which epochs there are.
    pub pulled: Arc<PullFigures>,
    /// How raw objects are read.
    pub decoder: Decoder,
    /// Now.
    pub clock: Clock,
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Runner")
    }
}

impl Runner {
    /// Runs until no more deletions can come.
    pub async fn run(mut self, mut deletions: mpsc::UnboundedReceiver<(JobHandle, Deletion)>) {
        let redactor = Redactor {
            prefix: self.prefix.clone(),
            decoder: Arc::clone(&self.decoder),
        };
        let deleter = Deleter::new(self.service.clone(), self.store.clone(), redactor);
        while let Some((handle, deletion)) = deletions.recv().await {
            let deletion = self.order(deletion);
            self.note(&deletion);
            self.settle().await;
            let mut tries = 0;
            let report = loop {
                match deleter.delete(&deletion, self.clock.now()).await {
                    Ok(report) => break report,
                    Err(error) => {
                        tries += 1;
                        let wait = backoff(tries);
                        tracing::warn!(projectId = %deletion.project, tries, wait_ms = wait.as_millis(), %error, "deletion_waiting");
                        tokio::time::sleep(wait).await;
                    }
                }
            };
            tracing::info!(projectId = %deletion.project, ?report, "deleted");
            patiently("acknowledge", || self.queue.done(std::slice::from_ref(&handle))).await;
        }
    }

    fn order(&self, deletion: Deletion) -> deletions::Deletion {
        let (project, what) = match deletion {
            Deletion::Traces { project, ids } => (project, Target::Traces(ids)),
            Deletion::Scores { project, ids } => (project, Target::Scores(ids)),
            Deletion::Project { project } => {
                let folders = vec![
                    format!("{}{project}", self.prefix),
                    format!("{}otel/{project}", self.prefix),
                ];
                (project, Target::Project { folders })
            }
        };
        deletions::Deletion {
            project,
            what,
            at: self.clock.now(),
        }
    }

    fn note(&self, deletion: &deletions::Deletion) {
        let key = |kind, id: &tracemill_model::ingest::Text| {
            let key = EntityKey {
                project: deletion.project.clone(),
                kind,
                id: id.clone(),
            };
            (key, deletion.at)
        };
        match &deletion.what {
            Target::Traces(ids) => self.tombstones.add(ids.iter().map(|id| key(EntityKind::Trace, id))),
            Target::Scores(ids) => self.tombstones.add(ids.iter().map(|id| key(EntityKind::Score, id))),
            Target::Project { .. } => self.tombstones.add_project(deletion.project.clone(), deletion.at),
        }
    }

    /// Waits until what was pulled before is written or dropped.
    async fn settle(&mut self) {
        let epochs = self.pulled.epochs.load(Ordering::Acquire);
        if let Some(last) = epochs.checked_sub(1) {
            let _ = self.durable.wait_for(|frontier| frontier.passed_window(last)).await;
        }
    }
}

/// Notes what the table of tombstones says.
pub fn note(known: &Tombstones, found: Vec<Tombstone>) {
    let mut entities = Vec::new();
    for Tombstone { what, at } in found {
        match what {
            Buried::Entity(key) => entities.push((key, at)),
            Buried::Project(project) => known.add_project(project, at),
        }
    }
    known.add(entities);
}
