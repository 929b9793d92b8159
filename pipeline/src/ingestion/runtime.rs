//! The workers of one ingestion graph, from start to a stop that leaves nothing half done.
//!
//! *On error.* The first failure of a task ends the graph; what was not acknowledged is pulled again by the next process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use timely::communication::WorkerGuards;
use tokio::sync::watch;
use tracemill_operators::bridge::{Context, Failures};

use super::dataflow;
use super::pull::Puller;
use super::spec::IngestionSpec;
use crate::PipelineError;
use crate::runtime::{WorkerPanicked, graph_error};

/// How long a worker that has nothing to do sleeps at most before it looks at the flags.
const PARK: Duration = Duration::from_millis(100);

/// How long tasks that were told to end may take for it.
const SETTLE: Duration = Duration::from_secs(20);

/// A running ingestion graph.
pub struct Ingestion {
    context: Context,
    workers: Option<WorkerGuards<()>>,
    failures: Failures,
    stopped: Arc<AtomicBool>,
    ended: watch::Receiver<usize>,
    peers: usize,
}

impl std::fmt::Debug for Ingestion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ingestion")
    }
}

impl Ingestion {
    /// Starts the graph's workers. Call it on the tokio runtime on which its tasks are to run.
    ///
    /// # Errors
    /// The threads cannot be started.
    pub fn start(spec: &Arc<IngestionSpec>, puller: Puller, workers: usize) -> Result<Self, PipelineError> {
        let peers = workers.max(1);
        let context = Context::new(tokio::runtime::Handle::current());
        let failures = context.failures.clone();
        let stopped = Arc::new(AtomicBool::new(false));
        let (end, ended) = watch::channel(0);
        let on_worker = (Arc::clone(spec), context.clone(), Arc::clone(&stopped));
        let puller = Mutex::new(Some(puller));
        let guards = timely::execute(timely::Config::process(peers), move |worker| {
            let (spec, context, stopped) = &on_worker;
            let _ended = Ended {
                end: &end,
                stopped,
                failures: &context.failures,
            };
            let own = (worker.index() == 0)
                .then(|| puller.lock().unwrap_or_else(PoisonError::into_inner).take())
                .flatten();
            dataflow::build(worker, spec, context, own);
            while worker.has_dataflows() && !stopped.load(Ordering::Acquire) {
                worker.step_or_park(Some(PARK));
            }
            for dataflow in worker.installed_dataflows() {
                worker.drop_dataflow(dataflow);
            }
        })
        .map_err(|reason| PipelineError::Io {
            what: "cannot start the workers".to_owned(),
            reason,
        })?;
        Ok(Self {
            context,
            workers: Some(guards),
            failures,
            stopped,
            ended,
            peers,
        })
    }

    /// Waits until the graph is complete (after it was told to drain), or for the first failure.
    ///
    /// # Errors
    /// The first failure.
    pub async fn finish(&self) -> Result<(), PipelineError> {
        let mut ended = self.ended.clone();
        tokio::select! {
            biased;
            failure = self.failures.wait() => Err(graph_error(&failure)),
            _ = ended.wait_for(|ended| *ended >= self.peers) => {
                let _ = tokio::time::timeout(SETTLE, self.context.settled()).await;
                match self.failures.first() {
                    Some(failure) => Err(graph_error(&failure)),
                    None => Ok(()),
                }
            }
        }
    }

    /// Stops the workers at once, wherever they are, and waits for their threads.
    pub async fn stop(mut self) {
        self.stopped.store(true, Ordering::Release);
        if let Some(workers) = self.workers.take() {
            // Dropping the guards joins the threads, which leave within `PARK`.
            let _ = tokio::task::spawn_blocking(move || drop(workers)).await;
        }
    }
}

/// Counts a worker's end, also by a panic, which stops its peers: they would wait for it for ever.
struct Ended<'a> {
    end: &'a watch::Sender<usize>,
    stopped: &'a AtomicBool,
    failures: &'a Failures,
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.stopped.store(true, Ordering::Release);
            self.failures.report("worker", Arc::new(WorkerPanicked));
        }
        self.end.send_modify(|ended| *ended += 1);
    }
}
