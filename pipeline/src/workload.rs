//! The workloads of a process, each on a thread and a tokio runtime of its own: one's failure, or its load, is not the
//! others'.
//!
//! ```text
//!   start:  every workload at once
//!   fails:  alone ──► the process ends; beside others ──► they go on, it starts again after a pause
//!   stop:   the face (answers what is in progress) ──► the graphs (each becomes durable)
//! ```
//!
//! *Invariants.* A workload that starts again does so on a fresh runtime: no task of the failed attempt is left. Pauses grow
//! to a minute. What a person must mend (a fault of the configuration, a refused password) ends the process when it shows at
//! the first start, before the workload has begun its work: nobody would see it later, and nothing is lost yet.
//!
//! *On error.* The first error that a workload ended with is the process's.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tracemill_model::{Blame, Fault, Millis};
use tracemill_operators::{Clock, Nice};

use crate::PipelineError;

/// One attempt: from start to stop. It ends soon after its receiver says `true`.
pub type Attempt = Pin<Box<dyn Future<Output = Result<(), PipelineError>>>>;

/// How long tasks of an attempt that ended may take to end as well.
const SETTLE: Duration = Duration::from_secs(5);
/// The pause after the first failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// An attempt of that length was well: its end counts as a first failure.
const WELL: Duration = Duration::from_secs(300);

/// A part of the process that runs by itself.
pub struct Workload {
    /// Its name in the log and in `status`: `ingestion`.
    pub name: &'static str,
    /// Whether it stops before the others: it is what brings them work.
    pub is_face: bool,
    /// Whether it ends by itself (`--once`): it is not started again, and when no such workload is left the others stop.
    pub ends: bool,
    /// How far its threads give way to others.
    pub nice: Nice,
    /// Begins an attempt.
    pub begin: Box<dyn Fn(watch::Receiver<bool>) -> Attempt + Send>,
}

impl std::fmt::Debug for Workload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Workload({})", self.name)
    }
}

/// What a workload does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It runs.
    Running,
    /// It failed, and starts again.
    BackingOff {
        /// When.
        until: Millis,
        /// Why.
        error: String,
    },
    /// It is done.
    Ended {
        /// Why, if not well.
        error: Option<String>,
    },
}

/// What all workloads do, to be looked at from any of them. Cheap to clone; clones are one.
#[derive(Debug, Clone, Default)]
pub struct States {
    states: Arc<Mutex<BTreeMap<&'static str, State>>>,
    begun: Arc<Mutex<BTreeSet<&'static str>>>,
}

impl States {
    /// Each workload by its name.
    #[must_use]
    pub fn snapshot(&self) -> BTreeMap<&'static str, State> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A workload found all that it needs, and works: what fails from now on is no fault of the start.
    pub fn begun(&self, name: &'static str) {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
    }

    fn has_begun(&self, name: &'static str) -> bool {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).contains(name)
    }

    fn set(&self, name: &'static str, state: State) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.insert(name, state);
    }
}

/// What follows the end of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// The workload is done.
    End,
    /// The whole process is.
    EndAll,
    /// It starts again after that pause.
    Again(Duration),
}

/// How an attempt came about.
#[derive(Debug, Clone, Copy)]
struct Circumstances {
    /// It was told to stop, or was to end by itself.
    stopping: bool,
    /// It is the only workload.
    alone: bool,
    /// Attempts that failed before it, since one went well.
    failed_before: u32,
    /// No attempt began to work yet.
    is_first: bool,
    took: Duration,
}

/// Decides by how an attempt ended.
fn next(error: Option<&PipelineError>, about: Circumstances) -> Next {
    let Some(error) = error else { return Next::End };
    if about.stopping {
        return Next::End;
    }
    let is_for_a_person = error.fault() == Fault::User && !error.is_transient();
    if about.alone || (about.is_first && about.took < WELL && is_for_a_person) {
        return Next::EndAll;
    }
    let pause = FIRST_PAUSE.saturating_mul(1 << about.failed_before.min(10));
    Next::Again(pause.min(LONGEST_PAUSE))
}

/// Runs all of them until each has ended, or one failed for good.
///
/// `alone`: the process has one thing to do, so it ends when that fails. `stop` ends when the process is asked to stop.
///
/// # Errors
/// The first error that a workload ended with.
pub async fn run_all(
    workloads: Vec<Workload>,
    states: &States,
    clock: &Clock,
    alone: bool,
    stop: impl Future<Output = ()>,
) -> Result<(), PipelineError> {
    let (face_stop, graph_stop) = (watch::Sender::new(false), watch::Sender::new(false));
    let (tell, mut ended) = mpsc::unbounded_channel();
    let (mut faces, mut ending, mut running) = (0_usize, 0_usize, 0_usize);
    let mut threads = Vec::new();
    for workload in workloads {
        running += 1;
        faces += usize::from(workload.is_face);
        ending += usize::from(workload.ends);
        let stop = if workload.is_face { &face_stop } else { &graph_stop };
        let life = Life {
            workload,
            states: states.clone(),
            clock: clock.clone(),
            stop: stop.subscribe(),
            alone,
        };
        threads.push(life.begin(tell.clone())?);
    }
    tokio::pin!(stop);
    let (mut first, mut stopping) = (None, false);
    while running > 0 {
        tokio::select! {
            () = &mut stop, if !stopping => stopping = true,
            // Our own sender is alive.
            Some(End { is_face, ends, all, error }) = ended.recv() => {
                running -= 1;
                faces -= usize::from(is_face);
                ending -= usize::from(ends);
                stopping |= all || (ends && ending == 0);
                first = first.or(error);
            }
        }
        if stopping {
            face_stop.send_replace(true);
            if faces == 0 {
                graph_stop.send_replace(true);
            }
        }
    }
    // They have told their ends: nothing is waited for but that they give back what they hold.
    let _ = tokio::task::spawn_blocking(move || threads.into_iter().for_each(|thread| drop(thread.join()))).await;
    first.map_or(Ok(()), Err)
}

/// A workload's end.
struct End {
    is_face: bool,
    ends: bool,
    all: bool,
    error: Option<PipelineError>,
}

/// A workload from its first attempt to its end, on a thread of its own.
struct Life {
    workload: Workload,
    states: States,
    clock: Clock,
    stop: watch::Receiver<bool>,
    alone: bool,
}

impl Life {
    fn begin(self, tell: mpsc::UnboundedSender<End>) -> Result<JoinHandle<()>, PipelineError> {
        let name = self.workload.name;
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            // The runtime's and the workers' threads begin on this one.
            self.workload.nice.apply();
            let (all, error) = self.live();
            let Workload { is_face, ends, .. } = self.workload;
            let text = error.as_ref().map(ToString::to_string);
            self.states.set(self.workload.name, State::Ended { error: text });
            // Whoever does not listen has ended as well.
            let _ = tell.send(End {
                is_face,
                ends,
                all,
                error,
            });
        });
        thread.map_err(|error| cannot_start(name, &error))
    }

    /// Attempts until one is the last. Says whether the process is to end, and the error.
    fn live(&self) -> (bool, Option<PipelineError>) {
        let (mut failed_before, mut is_first) = (0, true);
        loop {
            self.states.set(self.workload.name, State::Running);
            let began = self.clock.now();
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .thread_name(self.workload.name)
                .enable_all()
                .build();
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(error) => return (true, Some(cannot_start(self.workload.name, &error))),
            };
            let attempt = AssertUnwindSafe(|| runtime.block_on((self.workload.begin)(self.stop.clone())));
            let error = std::panic::catch_unwind(attempt).unwrap_or_else(|_| Err(panicked(self.workload.name)));
            let took = u64::try_from(self.clock.now().0 - began.0).unwrap_or(0);
            let took = Duration::from_millis(took);
            let error = error.err();
            if took >= WELL {
                (failed_before, is_first) = (0, false);
            }
            let about = Circumstances {
                stopping: self.workload.ends || *self.stop.borrow(),
                alone: self.alone,
                failed_before,
                is_first: is_first && failed_before == 0 && !self.states.has_begun(self.workload.name),
                took,
            };
            let next = next(error.as_ref(), about);
            if let (Next::Again(pause), Some(error)) = (next, &error) {
                self.wait(&runtime, pause, error);
            }
            runtime.shutdown_timeout(SETTLE);
            match next {
                Next::End => return (false, error),
                Next::EndAll => return (true, error),
                Next::Again(_) if *self.stop.borrow() => return (false, error),
                Next::Again(_) => failed_before += 1,
            }
        }
    }

    fn wait(&self, runtime: &tokio::runtime::Runtime, pause: Duration, error: &PipelineError) {
        let (workload, seconds) = (self.workload.name, pause.as_secs());
        tracing::error!(workload, %error, hint = error.hint(), again_in_s = seconds, "workload_failed");
        let until = self.clock.after(pause);
        let error = error.to_string();
        self.states.set(workload, State::BackingOff { until, error });
        let mut stop = self.stop.clone();
        runtime.block_on(async {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // A sender that is gone stops us as well.
                _ = stop.wait_for(|stop| *stop) => {}
            }
        });
    }
}

fn cannot_start(name: &str, error: &std::io::Error) -> PipelineError {
    PipelineError::Io {
        what: format!("cannot start {name}"),
        reason: error.to_string(),
    }
}

fn panicked(name: &str) -> PipelineError {
    PipelineError::Graph {
        operator: name.to_owned(),
        reason: "it panicked; see the lines above".to_owned(),
        code: 70,
        hint: None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn about() -> Circumstances {
        Circumstances {
            stopping: false,
            alone: false,
            failed_before: 0,
            is_first: true,
            took: Duration::from_secs(1),
        }
    }

    fn outage() -> PipelineError {
        panicked("test")
    }

    fn usage() -> PipelineError {
        PipelineError::Usage {
            reason: "wrong".to_owned(),
        }
    }

    #[test]
    fn what_follows_an_end() {
        let again = |seconds| Next::Again(Duration::from_secs(seconds));
        let first = about();
        let later = Circumstances {
            failed_before: 3,
            is_first: false,
            ..first
        };
        let many = Circumstances {
            failed_before: 30,
            ..later
        };
        let alone = Circumstances { alone: true, ..first };
        let stopping = Circumstances {
            stopping: true,
            ..alone
        };
        for (error, about, expected) in [
            (None, first, Next::End),
            (Some(outage()), first, again(1)),
            (Some(outage()), later, again(8)),
            (Some(outage()), many, again(60)),
            (Some(outage()), alone, Next::EndAll),
            (Some(outage()), stopping, Next::End),
            (Some(usage()), first, Next::EndAll),
            (Some(usage()), later, again(8)),
        ] {
            assert_eq!(next(error.as_ref(), about), expected, "{error:?} {about:?}");
        }
    }

    /// Ends when it is told to.
    fn steady(name: &'static str, is_face: bool, log: &Arc<Mutex<Vec<&'static str>>>) -> Workload {
        let log = Arc::clone(log);
        Workload {
            name,
            is_face,
            ends: false,
            nice: Nice::NONE,
            begin: Box::new(move |mut stop| {
                let log = Arc::clone(&log);
                Box::pin(async move {
                    let _ = stop.wait_for(|stop| *stop).await;
                    log.lock().unwrap_or_else(PoisonError::into_inner).push(name);
                    Ok(())
                })
            }),
        }
    }

    #[tokio::test]
    async fn one_that_fails_starts_again_while_the_others_go_on_and_the_face_stops_first() {
        let log = Arc::default();
        let attempts = Arc::new(AtomicU32::new(0));
        let again = watch::Sender::new(false);
        let (count, tell) = (Arc::clone(&attempts), again.clone());
        let failing = Workload {
            name: "failing",
            is_face: false,
            ends: false,
            nice: Nice::NONE,
            begin: Box::new(move |mut stop| {
                let (count, tell) = (Arc::clone(&count), tell.clone());
                Box::pin(async move {
                    match count.fetch_add(1, Ordering::Relaxed) {
                        0 => panic!("the first attempt fails"),
                        _ => tell.send_replace(true),
                    };
                    let _ = stop.wait_for(|stop| *stop).await;
                    Ok(())
                })
            }),
        };
        let workloads = vec![steady("graph", false, &log), failing, steady("face", true, &log)];
        let states = States::default();
        let mut second = again.subscribe();
        let stop = async {
            let _ = second.wait_for(|again| *again).await;
            let running = states.snapshot();
            assert_eq!(running.len(), 3);
            assert!(running.values().all(|state| *state == State::Running), "{running:?}");
        };
        let ended = run_all(workloads, &states, &Clock::system(), false, stop).await;
        assert!(ended.is_ok(), "{ended:?}");
        assert_eq!(attempts.load(Ordering::Relaxed), 2);
        assert_eq!(*log.lock().unwrap_or_else(PoisonError::into_inner), ["face", "graph"]);
    }

    #[tokio::test]
    async fn a_fault_of_a_workload_that_had_begun_is_its_own() {
        let states = States::default();
        let attempts = watch::Sender::new(0);
        let (count, begun) = (attempts.clone(), states.clone());
        let refused = Workload {
            name: "refused",
            is_face: false,
            ends: false,
            nice: Nice::NONE,
            begin: Box::new(move |_| {
                begun.begun("refused");
                count.send_modify(|count| *count += 1);
                Box::pin(async { Err(usage()) })
            }),
        };
        let mut second = attempts.subscribe();
        let stop = async {
            let _ = second.wait_for(|count| *count >= 2).await;
        };
        let workloads = vec![steady("graph", false, &Arc::default()), refused];
        let ended = run_all(workloads, &states, &Clock::system(), false, stop).await;
        assert!(matches!(ended, Err(PipelineError::Usage { .. })), "{ended:?}");
    }

    #[tokio::test]
    async fn a_fault_of_the_configuration_ends_all_at_the_first_start() {
        let log = Arc::default();
        let wrong = Workload {
            name: "wrong",
            is_face: false,
            ends: false,
            nice: Nice::NONE,
            begin: Box::new(|_| Box::pin(async { Err(usage()) })),
        };
        let workloads = vec![steady("graph", false, &log), wrong];
        let states = States::default();
        let ended = run_all(workloads, &states, &Clock::system(), false, std::future::pending()).await;
        assert!(matches!(ended, Err(PipelineError::Usage { .. })), "{ended:?}");
        assert_eq!(*log.lock().unwrap_or_else(PoisonError::into_inner), ["graph"]);
    }

    #[tokio::test]
    async fn what_ends_by_itself_is_not_repeated_and_its_error_is_kept() {
        let log = Arc::default();
        let failing = Workload {
            name: "failing",
            is_face: false,
            ends: true,
            nice: Nice::NONE,
            begin: Box::new(|_| Box::pin(async { Err(outage()) })),
        };
        let workloads = vec![failing, steady("face", true, &log)];
        let states = States::default();
        let ended = run_all(workloads, &states, &Clock::system(), false, std::future::pending()).await;
        assert!(matches!(ended, Err(PipelineError::Graph { .. })), "{ended:?}");
        assert_eq!(*log.lock().unwrap_or_else(PoisonError::into_inner), ["face"]);
    }
}
