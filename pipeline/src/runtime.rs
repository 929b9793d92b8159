//! The running process: timely workers, the exports that they run, and how it all stops.
//!
//! ```text
//!   tokio: claims exports, watches failures and signals ──► list of exports
//!   worker threads: build each export of the list in order, step, park
//! ```
//!
//! *Invariants.* Every worker builds the exports in the order of the list, so their dataflows have the same numbers on
//! all of them. A worker leaves its loop when the list is closed and its dataflows are complete, or on the stop flag;
//! capabilities that are dropped then are never published, since nobody steps any more.
//!
//! *On error.* The first failure of a task sets the stop flag; what was committed stays, the rest is exported again. A
//! worker that panics sets it too, since its peers would wait for it for ever.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use timely::communication::WorkerGuards;
use timely::worker::Worker;
use tokio::sync::watch;
use tracemill_model::{Blame, ExportKey};
use tracemill_operators::bridge::{Context, Failures};
use tracemill_sinks::SinkError;
use tracemill_sinks::commit::Fence;
use tracemill_sources::SourceError;

use crate::PipelineError;
use crate::error::code_of;
use crate::export::ExportSpec;
use crate::export::dataflow::{self, Home};

/// How long a worker that has nothing to do sleeps at most before it looks at the list and the flags.
const PARK: Duration = Duration::from_millis(100);

/// How long tasks that were told to end may take for it.
const SETTLE: Duration = Duration::from_secs(20);

/// The process's workers.
pub struct Runtime {
    shared: Arc<Shared>,
    workers: Option<WorkerGuards<()>>,
    failures: Failures,
}

/// What the workers see.
struct Shared {
    exports: RwLock<Vec<Arc<ExportSpec>>>,
    homes: Mutex<HashMap<(String, ExportKey), Home>>,
    /// No more exports will be added: workers end when their dataflows are complete.
    closed: AtomicBool,
    /// Leave at once.
    stopped: AtomicBool,
    ended: watch::Sender<usize>,
    context: Context,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Runtime")
    }
}

impl Runtime {
    /// Starts the workers; they have nothing to do yet.
    ///
    /// # Errors
    /// The threads cannot be started.
    pub fn start(workers: usize) -> Result<Self, PipelineError> {
        let context = Context::new(tokio::runtime::Handle::current());
        let failures = context.failures.clone();
        let shared = Arc::new(Shared {
            exports: RwLock::default(),
            homes: Mutex::default(),
            closed: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            ended: watch::Sender::new(0),
            context,
        });
        let config = timely::Config::process(workers.max(1));
        let on_worker = Arc::clone(&shared);
        let workers =
            timely::execute(config, move |worker| work(worker, &on_worker)).map_err(|reason| PipelineError::Io {
                what: "cannot start the workers".to_owned(),
                reason,
            })?;
        Ok(Self {
            shared,
            workers: Some(workers),
            failures,
        })
    }

    /// Claims an export and gives it to the workers.
    ///
    /// # Errors
    /// [`SinkError::Owned`] while another exporter lives; any of the store.
    pub async fn add(&self, spec: ExportSpec) -> Result<(), PipelineError> {
        let now = spec.clock.now();
        let (fence, adopted) = Fence::claim(&spec.catalog, &spec.owner, now).await?;
        // What a killed run left under way is garbage from here on: we are the owner.
        let layout = &spec.catalog.layout;
        for folder in [layout.data_folder(&spec.key), layout.own_folder(&spec.key)] {
            spec.catalog.store.remove_stale_uploads(&folder, now).await?;
        }
        let garbage = spec.catalog.garbage().await?;
        if !garbage.is_empty() {
            tracing::info!(export = %spec.key, objects = garbage.len(), "garbage_removed");
            spec.catalog.store.delete(&garbage).await?;
        }
        let names = spec.catalog.names().await?;
        let covered = names.into_iter().map(|name| (name.window, name.generation)).collect();
        let id = (spec.route.clone(), spec.key.clone());
        self.shared.homes.lock().unwrap_or_else(PoisonError::into_inner).insert(
            id,
            Home {
                fence,
                adopted,
                covered,
            },
        );
        self.shared
            .exports
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::new(spec));
        Ok(())
    }

    /// Says that no more exports will be added.
    pub fn close(&self) {
        self.shared.closed.store(true, Ordering::Release);
    }

    /// Waits until all exports are complete, or the first failure.
    ///
    /// # Errors
    /// The first failure, with the exit code that it asks for.
    pub async fn finish(&self) -> Result<(), PipelineError> {
        let workers = self.workers.as_ref().map_or(0, |guards| guards.guards().len());
        let mut ended = self.shared.ended.subscribe();
        tokio::select! {
            biased;
            failure = self.failures.wait() => Err(graph_error(&failure)),
            // The sender lives as long as we do.
            _ = ended.wait_for(|ended| *ended >= workers) => {
                // Tasks that were told to end give back what they own: the tokens of their exports.
                let _ = tokio::time::timeout(SETTLE, self.shared.context.settled()).await;
                match self.failures.first() {
                    Some(failure) => Err(graph_error(&failure)),
                    None => Ok(()),
                }
            }
        }
    }

    /// Stops the workers at once, wherever they are, and waits for their threads.
    pub async fn stop(mut self) {
        self.shared.stopped.store(true, Ordering::Release);
        if let Some(workers) = self.workers.take() {
            // Dropping the guards joins the threads, which leave within `PARK`.
            let _ = tokio::task::spawn_blocking(move || drop(workers)).await;
        }
    }
}

/// The error of a graph whose task failed, with the exit code that it asks for.
pub(crate) fn graph_error(failure: &tracemill_operators::bridge::Failure) -> PipelineError {
    let error = failure.error.as_ref();
    let blame: Option<&dyn Blame> = if let Some(error) = error.downcast_ref::<SinkError>() {
        Some(error)
    } else if let Some(error) = error.downcast_ref::<SourceError>() {
        Some(error)
    } else if let Some(error) = error.downcast_ref::<PipelineError>() {
        Some(error)
    } else {
        None
    };
    PipelineError::Graph {
        operator: failure.operator.clone(),
        reason: error.to_string(),
        code: blame.map_or(70, code_of),
        hint: blame.and_then(Blame::hint),
    }
}

/// One worker's life.
fn work(worker: &mut Worker, shared: &Shared) {
    let _ended = Ended(shared);
    let mut built = 0;
    while !shared.stopped.load(Ordering::Acquire) {
        let next = {
            let exports = shared.exports.read().unwrap_or_else(PoisonError::into_inner);
            exports.get(built).map(Arc::clone)
        };
        if let Some(spec) = next {
            built += 1;
            let is_home = dataflow::home_of(&spec, worker.peers()) == worker.index();
            let id = (spec.route.clone(), spec.key.clone());
            let home = is_home
                .then(|| shared.homes.lock().unwrap_or_else(PoisonError::into_inner).remove(&id))
                .flatten();
            dataflow::build(worker, &spec, &shared.context, home);
            continue;
        }
        if !worker.has_dataflows() && shared.closed.load(Ordering::Acquire) {
            break;
        }
        worker.step_or_park(Some(PARK));
    }
    for dataflow in worker.installed_dataflows() {
        worker.drop_dataflow(dataflow);
    }
}

/// Counts a worker as ended, also when it panics; then its peers must stop too.
struct Ended<'a>(&'a Shared);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stopped.store(true, Ordering::Release);
            self.0.context.failures.report("worker", Arc::new(WorkerPanicked));
        }
        self.0.ended.send_modify(|ended| *ended += 1);
    }
}

/// A worker's thread is gone.
#[derive(Debug, thiserror::Error)]
#[error("a worker panicked; see the lines above")]
pub(crate) struct WorkerPanicked;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_worker_that_panics_stops_its_peers_and_fails_its_graph() {
        let runtime = Runtime::start(2).expect("threads");
        let shared = Arc::clone(&runtime.shared);
        let worker = std::thread::spawn::<_, ()>(move || {
            let _ended = Ended(&shared);
            panic!("on purpose")
        });
        assert!(worker.join().is_err());
        let ended = runtime.finish().await;
        assert!(
            matches!(&ended, Err(PipelineError::Graph { operator, .. }) if operator == "worker"),
            "{ended:?}"
        );
        let mut left = runtime.shared.ended.subscribe();
        left.wait_for(|left| *left == 3).await.expect("the sender lives");
        runtime.stop().await;
    }
}
