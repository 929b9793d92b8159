//! The jobs that are ours right now, and what the tasks of a queue share.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tracemill_model::Millis;
use tracemill_model::ingest::Text;
use tracemill_operators::Clock;

use super::connection::Connection;
use super::opts::Opts;
use super::scripts::Scripts;
use crate::queue::{JobHandle, ProjectDepth, QueueError, State};

/// One queue that is consumed.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) name: Arc<str>,
    /// What its keys begin with.
    pub(super) base: String,
    pub(super) marker: String,
}

/// A job that is ours.
#[derive(Debug, Clone)]
pub(super) struct Held {
    /// Place of its queue among the sources.
    pub(super) source: usize,
    pub(super) id: Text,
    pub(super) opts: Opts,
    pub(super) attempts: u32,
    pub(super) stack_trace: String,
    pub(super) enqueued: Millis,
    /// Whose it is; empty: nobody's.
    pub(super) project: Text,
}

/// Jobs by the place of their queue among the sources.
pub(super) type BySource = HashMap<usize, Vec<(JobHandle, Held)>>;

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) commands: Connection,
    pub(super) scripts: Scripts,
    pub(super) sources: Vec<Source>,
    /// Names this process in the locks.
    pub(super) token: String,
    pub(super) clock: Clock,
    pub(super) is_closed: AtomicBool,
    pub(super) closing: Notify,
    next: AtomicU64,
    held: Mutex<HashMap<u64, Held>>,
    lost: Mutex<Vec<JobHandle>>,
    state: Mutex<State>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    pub(super) fn new(commands: Connection, sources: Vec<Source>, token: String, clock: Clock) -> Self {
        Self {
            commands,
            scripts: Scripts::new(),
            sources,
            token,
            clock,
            is_closed: AtomicBool::new(false),
            closing: Notify::new(),
            next: AtomicU64::new(1),
            held: Mutex::default(),
            lost: Mutex::default(),
            state: Mutex::default(),
        }
    }

    pub(super) fn closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Takes a job, under a handle of its own.
    pub(super) fn hold(&self, job: Held) -> JobHandle {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.held).insert(number, job);
        JobHandle(number)
    }

    pub(super) fn get(&self, handle: JobHandle) -> Option<Held> {
        lock(&self.held).get(&handle.0).cloned()
    }

    pub(super) fn let_go(&self, handle: JobHandle) {
        lock(&self.held).remove(&handle.0);
    }

    /// Those of these handles that are still ours, by source; and the others.
    pub(super) fn by_source(&self, handles: &[JobHandle]) -> (BySource, Vec<JobHandle>) {
        let held = lock(&self.held);
        let (mut ours, mut lost) = (BySource::new(), Vec::new());
        for handle in handles {
            match held.get(&handle.0) {
                Some(job) => ours.entry(job.source).or_default().push((*handle, job.clone())),
                None => lost.push(*handle),
            }
        }
        (ours, lost)
    }

    /// Everything that is ours, by source.
    pub(super) fn all(&self) -> HashMap<usize, Vec<(JobHandle, Text)>> {
        let mut all = HashMap::<_, Vec<_>>::new();
        for (number, job) in lock(&self.held).iter() {
            all.entry(job.source)
                .or_default()
                .push((JobHandle(*number), Arc::clone(&job.id)));
        }
        all
    }

    /// What is ours of each project, by name.
    pub(super) fn projects(&self) -> Vec<ProjectDepth> {
        let mut projects = BTreeMap::<Text, ProjectDepth>::new();
        for job in lock(&self.held).values() {
            let entry = projects.entry(Arc::clone(&job.project));
            let project = entry.or_insert_with(|| ProjectDepth {
                project: Arc::clone(&job.project),
                waiting: 0,
                active: 0,
                oldest: None,
            });
            project.active += 1;
            project.oldest = project.oldest.into_iter().chain([job.enqueued]).min();
        }
        projects.into_values().collect()
    }

    /// A job is not ours any more, and whoever works on it is to learn so.
    pub(super) fn lose(&self, handle: JobHandle) {
        if let Some(job) = lock(&self.held).remove(&handle.0) {
            let queue = &self.sources[job.source].name;
            tracing::warn!(%queue, id = &*job.id, "job_lock_lost");
            lock(&self.lost).push(handle);
        }
    }

    pub(super) fn take_lost(&self) -> Vec<JobHandle> {
        std::mem::take(&mut lock(&self.lost))
    }

    pub(super) fn state(&self) -> State {
        if self.closed() {
            return State::Closed;
        }
        lock(&self.state).clone()
    }

    /// Notes whether Redis answers.
    pub(super) fn note<T>(&self, outcome: &Result<T, QueueError>) {
        let mut state = lock(&self.state);
        match (outcome, &*state) {
            (Ok(_), State::Away { .. }) => {
                tracing::info!("queue_is_back");
                *state = State::Ready;
            }
            (Ok(_), _) => {}
            (Err(error), old) => {
                let since = match old {
                    State::Away { since, .. } => *since,
                    _ => {
                        tracing::warn!(%error, "queue_is_away");
                        self.clock.now()
                    }
                };
                let error = error.to_string();
                *state = State::Away { since, error };
            }
        }
    }
}
