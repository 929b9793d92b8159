//! A queue in one file, for one process: the default, with nothing to install.
//!
//! *Invariants.* What was added is durable when [`Producer::add_work`] returns; calls at the same time share one sync of the
//! file. Jobs of a project are pulled in the order of their adding, those with a delay when they are due; projects that have
//! jobs are pulled from by fair shares of bytes, so that one's backlog does not delay the others'. After a crash everything
//! that was not acknowledged is pulled again; a pulled job needs no lock, since there is one process. The file's pages are used
//! again, and it is compacted at the start if most of it is empty.
//!
//! *Errors.* A second process is told that the file is in use. A disk that is full or fails makes `add` fail with a transient
//! error and changes nothing; the file is opened again at the next call.

mod lanes;
mod record;
mod store;
mod writer;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep_until};
use tracemill_model::ingest::Text;
use tracemill_operators::{Clock, Weights};

use self::lanes::{Lane, Lanes};
use self::store::{Change, Store};
use self::writer::{Active, Known, Ready, Shared, Writer};
use super::retry::{Backoff, Policy};
use super::{
    Acknowledged, Depth, Failed, JobHandle, Producer, ProjectDepth, Pulled, Queue, QueueError, Retried, State, Work,
};

/// The queue's name in what it hands out.
const NAME: &str = "local";
/// How long a pull waits before it asks a failing file again.
const AGAIN: Duration = Duration::from_millis(500);

/// How a local queue is set up.
#[derive(Debug, Clone)]
pub struct LocalConfig {
    /// The file; its folder is made.
    pub path: PathBuf,
    /// How often a job is tried.
    pub policy: Policy,
    /// How many failed jobs are kept; the oldest go first.
    pub keep_failed: u64,
    /// The share of each project.
    pub weights: Weights,
}

impl LocalConfig {
    /// A queue in that file: 20 attempts with waits from 5 s to 5 min, 10,000 failed jobs kept.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            policy: Policy {
                attempts: 20,
                backoff: Backoff::Exponential {
                    delay: Duration::from_secs(5),
                    jitter: 0.0,
                },
                longest: Duration::from_secs(300),
            },
            keep_failed: 10_000,
            weights: Weights::default(),
        }
    }
}

/// A queue in one file. Dropping it closes it.
#[derive(Debug)]
pub struct LocalQueue {
    shared: Arc<Shared>,
    writer: Arc<Writer>,
    policy: Policy,
    /// Held by the one pull.
    pulling: tokio::sync::Mutex<()>,
    name: Arc<str>,
}

impl LocalQueue {
    /// Opens or makes it. Reads the whole file after a crash: about a second for 100 MB.
    ///
    /// # Errors
    /// Another process has the file, or it cannot be read.
    pub fn open(config: &LocalConfig, clock: Clock) -> Result<Self, QueueError> {
        let (store, counts, lanes) = Store::open(&config.path, config.keep_failed)?;
        let shared = Arc::new(Shared {
            store,
            known: std::sync::Mutex::new(Known {
                counts,
                lanes: Lanes::new(config.weights.clone(), &lanes),
                ..Known::default()
            }),
            reading: std::sync::Mutex::new(()),
            bell: tokio::sync::Notify::new(),
            clock,
        });
        let writer = Writer::start(Arc::clone(&shared)).map_err(|error| QueueError::Open {
            path: config.path.clone(),
            reason: error.to_string(),
        })?;
        Ok(Self {
            shared,
            writer: Arc::new(writer),
            policy: config.policy,
            pulling: tokio::sync::Mutex::new(()),
            name: NAME.into(),
        })
    }

    /// What there is to pull right now.
    async fn take(&self, max: usize) -> Result<Vec<Pulled>, QueueError> {
        let now = self.shared.clock.now().0;
        let due = self.shared.known().counts.next_due.is_some_and(|due| due <= now);
        if due {
            self.writer.change(Change::Promote { now }).await?;
        }
        let missing = max.saturating_sub(self.shared.known().ready.len());
        if missing > 0 {
            let shared = Arc::clone(&self.shared);
            let name = Arc::clone(&self.name);
            let read = tokio::task::spawn_blocking(move || fill(&shared, &name, max));
            read.await.unwrap_or(Err(QueueError::Closed))?;
        }
        // No await from here on: who drops the future before this has pulled nothing.
        let mut known = self.shared.known();
        let count = max.min(known.ready.len());
        let taken: Vec<Ready> = known.ready.drain(..count).collect();
        let mut pulled = Vec::with_capacity(count);
        for Ready { lane, job } in taken {
            known.lanes.pulled(&lane);
            let attempts = job.attempts;
            known.active.insert(job.id.0, Active { lane, attempts });
            pulled.push(job);
        }
        Ok(pulled)
    }

    /// The lane of a pulled job, and how many attempts of it were made before.
    fn active(&self, handle: JobHandle) -> Option<(Text, u32)> {
        let known = self.shared.known();
        let active = known.active.get(&handle.0)?;
        Some((Arc::clone(&active.lane), active.attempts))
    }

    async fn give_up(&self, lane: Text, handle: JobHandle, reason: &str) -> Result<(), QueueError> {
        let change = Change::Fail {
            lane,
            number: handle.0,
            reason: reason.to_owned(),
            at: self.shared.clock.now().0,
        };
        self.writer.change(change).await
    }
}

/// How much each project has, by name.
fn projects(shared: &Shared) -> Result<Vec<ProjectDepth>, QueueError> {
    let mut lanes: Vec<(Text, Lane)> = {
        let known = shared.known();
        known
            .lanes
            .iter()
            .map(|(name, lane)| (Arc::clone(name), *lane))
            .collect()
    };
    lanes.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    shared.store.look(|jobs| {
        let one = |(project, lane): (Text, Lane)| {
            let first = jobs.of(&project, 0)?.next().transpose()?;
            Ok(ProjectDepth {
                waiting: lane.rows.saturating_sub(lane.active),
                active: lane.active,
                oldest: first.and_then(|(_, bytes)| record::enqueued(&bytes)),
                project,
            })
        };
        lanes.into_iter().map(one).collect()
    })
}

/// Reads jobs from the file until `max` are ready or there are no more, in fair order.
fn fill(shared: &Shared, name: &Arc<str>, max: usize) -> Result<(), QueueError> {
    // One at a time: a pull that was given up may still be reading.
    let _one = shared.reading.lock().unwrap_or_else(PoisonError::into_inner);
    // Every number below this one is in what is looked at.
    let end = shared.known().counts.next_number;
    shared.store.look(|jobs| {
        let mut open = HashMap::new();
        loop {
            let next = {
                let mut known = shared.known();
                if known.ready.len() >= max {
                    None
                } else {
                    known.lanes.pick()
                }
            };
            let Some((lane, from)) = next else { return Ok(()) };
            let rows = match open.entry(Arc::clone(&lane)) {
                Entry::Occupied(rows) => rows.into_mut(),
                Entry::Vacant(place) => place.insert(jobs.of(&lane, from)?),
            };
            match rows.next().transpose()? {
                Some((number, bytes)) => {
                    let record = record::read(&bytes);
                    let mut known = shared.known();
                    known.lanes.read(&lane, number, record.work.bytes());
                    let job = Pulled {
                        id: JobHandle(number),
                        job: record.work,
                        attempts: record.attempts,
                        enqueued: record.enqueued,
                        queue: Arc::clone(name),
                    };
                    known.ready.push_back(Ready { lane, job });
                }
                // What came to it since is read the next time.
                None if !shared.known().lanes.reached(&lane, end) => return Ok(()),
                None => {}
            }
        }
    })
}

#[async_trait]
impl Queue for LocalQueue {
    async fn pull(&self, max: usize, max_wait: Duration) -> Result<Vec<Pulled>, QueueError> {
        let _one = self.pulling.lock().await;
        let deadline = Instant::now() + max_wait;
        loop {
            let mut bell = std::pin::pin!(self.shared.bell.notified());
            bell.as_mut().enable();
            if self.state() == State::Closed || max == 0 {
                return Ok(Vec::new());
            }
            let outcome = self.take(max).await;
            self.shared.note(&outcome);
            let mut until = deadline;
            match outcome {
                Ok(pulled) if !pulled.is_empty() => return Ok(pulled),
                Ok(_) => {
                    let due = self.shared.known().counts.next_due;
                    if let Some(due) = due {
                        let wait = due.saturating_sub(self.shared.clock.now().0).max(1);
                        until = until.min(Instant::now() + Duration::from_millis(wait.unsigned_abs()));
                    }
                }
                Err(_) => until = until.min(Instant::now() + AGAIN),
            }
            tokio::select! {
                () = bell => {}
                () = sleep_until(until) => {
                    if Instant::now() >= deadline {
                        return Ok(Vec::new());
                    }
                }
            }
        }
    }

    async fn done(&self, handles: &[JobHandle]) -> Result<Acknowledged, QueueError> {
        let (mut ours, mut lost) = (Vec::with_capacity(handles.len()), Vec::new());
        {
            let known = self.shared.known();
            for handle in handles {
                match known.active.get(&handle.0) {
                    Some(active) => ours.push((Arc::clone(&active.lane), handle.0)),
                    None => lost.push(*handle),
                }
            }
        }
        let done = ours.len();
        if done > 0 {
            self.writer.change(Change::Done(ours)).await?;
        }
        Ok(Acknowledged { done, lost })
    }

    async fn retry(&self, handle: JobHandle, reason: &str) -> Result<Retried, QueueError> {
        let Some((lane, made)) = self.active(handle) else {
            return Ok(Retried::Lost);
        };
        let Some(wait) = self.policy.next(made, 0.0) else {
            self.give_up(lane, handle, reason).await?;
            return Ok(Retried::Exhausted);
        };
        let due = (!wait.is_zero()).then(|| self.shared.clock.after(wait).0);
        let number = handle.0;
        self.writer.change(Change::Retry { lane, number, due }).await?;
        Ok(Retried::After(wait))
    }

    async fn fail(&self, handle: JobHandle, reason: &str) -> Result<bool, QueueError> {
        let Some((lane, _)) = self.active(handle) else {
            return Ok(false);
        };
        self.give_up(lane, handle, reason).await?;
        Ok(true)
    }

    fn take_lost(&self) -> Vec<JobHandle> {
        Vec::new()
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        let shared = Arc::clone(&self.shared);
        let read = tokio::task::spawn_blocking(move || projects(&shared));
        let projects = read.await.unwrap_or(Err(QueueError::Closed))?;
        let known = self.shared.known();
        let active = known.active.len() as u64;
        Ok(Depth {
            waiting: known.counts.waiting.saturating_sub(active),
            active,
            delayed: known.counts.delayed,
            failed: known.counts.failed,
            oldest: projects.iter().filter_map(|project| project.oldest).min(),
            projects,
        })
    }

    async fn failed(&self, max: usize) -> Result<Vec<Failed>, QueueError> {
        let shared = Arc::clone(&self.shared);
        let read = tokio::task::spawn_blocking(move || shared.store.failed(max));
        let rows = read.await.unwrap_or(Err(QueueError::Closed))?;
        let failed = rows.into_iter().filter_map(|(number, bytes)| {
            let (at, reason, record) = record::read_failed(&bytes)?;
            Some(Failed {
                queue: Arc::clone(&self.name),
                id: number.to_string().into(),
                job: record.work,
                attempts: record.attempts,
                reason,
                at,
            })
        });
        Ok(failed.collect())
    }

    fn state(&self) -> State {
        self.shared.known().state.clone()
    }

    async fn close(&self) -> Result<(), QueueError> {
        self.shared.known().state = State::Closed;
        self.shared.bell.notify_waiters();
        let writer = Arc::clone(&self.writer);
        // An error says that the thread panicked: it is gone as well.
        let _ = tokio::task::spawn_blocking(move || writer.stop()).await;
        Ok(())
    }
}

#[async_trait]
impl Producer for LocalQueue {
    async fn add_work(&self, work: &[Work], delay: Duration) -> Result<(), QueueError> {
        if work.is_empty() {
            return Ok(());
        }
        let now = self.shared.clock.now();
        let one = |work| (record::lane_of(work), record::new(work, now));
        let records = work.iter().map(one).collect();
        let due = (!delay.is_zero()).then(|| self.shared.clock.after(delay).0);
        self.writer.change(Change::Add { records, due }).await
    }
}

impl Drop for LocalQueue {
    fn drop(&mut self) {
        self.writer.stop();
    }
}
