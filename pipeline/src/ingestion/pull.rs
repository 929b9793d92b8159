//! The task beside the source of an ingestion graph: jobs become epochs, and epochs that are durable are acknowledged.
//!
//! ```text
//!   queue ──► pull ──► epochs 0, 1, 2 ...        durable frontier ──► acknowledge
//! ```
//!
//! *Invariants.* A job is acknowledged when the durable frontier has passed its epoch, and never before. At most
//! `in_flight` epochs are open, and the bytes of all of them are permits of the graph's budget. An epoch has at most the
//! batch's bytes and a third of the budget, or one job; what was pulled beyond them is the next one's. Between the beginnings of two epochs that are
//! not full lies the batch's age: a lonely job waits for nothing, a trickle makes few epochs. While the merge holds
//! entities and no job comes, an empty epoch now and then lets it let go.
//!
//! What was pulled goes before what comes: whoever's turn is next waits for all open epochs. So no more than keep every stage at work
//! are opened while the oldest has been open for a while: a backlog is then taken as fast, and delays others less.
//!
//! *On error.* A queue that is away is waited for. What cannot be understood fails in the queue with its reason.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tracemill_model::Blame;
use tracemill_operators::bridge::{Emitter, Frontier};
use tracemill_operators::clock::backoff;
use tracemill_operators::merge::hold::Held;
use tracemill_operators::{Budget, Epoch, Permit};
use tracemill_sources::queue::{Deletion, JobHandle, Pulled, Queue, QueueError, Work};

use super::weigh::{Room, Weight};
use crate::PipelineError;

/// How jobs become epochs.
#[derive(Debug, Clone)]
pub struct Batching {
    /// An epoch of so many bytes of raw objects, decompressed, is full.
    pub bytes: u64,
    /// An epoch of so many jobs is full.
    pub jobs: usize,
    /// How long after the last one an epoch that is not full waits.
    pub age: Duration,
    /// How many epochs may be open.
    pub in_flight: usize,
}

/// How many full epochs the budget is to hold at least: while one is read the next is looked up and another inserted.
const AT_ONCE: u64 = 3;

/// While an epoch has been open for so long, no more than [`AT_ONCE`] are.
const LONG: Duration = Duration::from_secs(1);

/// How many jobs are pulled before anything is known of their size.
const FIRST_JOBS: usize = 64;

/// How many jobs are pulled together at most: what of them is beyond an epoch goes before those that come meanwhile, whoever
/// has a turn then.
const PIECE: usize = 256;

/// How long a pull waits for a job before it is looked whether the process is to stop.
const LOOK: Duration = Duration::from_millis(500);

/// How often the merge is told the time while no job comes.
const TICK: Duration = Duration::from_secs(1);

/// A deletion that waits for its turn.
pub type Deletions = mpsc::UnboundedSender<(JobHandle, Deletion)>;

/// The puller of one graph.
#[derive(Debug)]
pub struct Puller {
    /// Where jobs come from.
    pub queue: Arc<dyn Queue>,
    /// How they are batched.
    pub batching: Batching,
    /// Whose permits epochs are.
    pub memory: Budget,
    /// What is durable.
    pub durable: watch::Receiver<Frontier>,
    /// Becomes true when no more jobs are to be pulled.
    pub draining: watch::Receiver<bool>,
    /// Where deletions go.
    pub deletions: Deletions,
    /// What the merge holds.
    pub held: Arc<Held>,
    /// Becomes true while nothing more is pulled because of what is not written yet.
    pub pressed: watch::Sender<bool>,
    /// How many times its age an epoch that is not full waits: more while ClickHouse has too many parts.
    pub stretch: watch::Receiver<u32>,
    /// What was done.
    pub figures: Arc<PullFigures>,
}

/// What was done.
#[derive(Debug, Default)]
pub struct PullFigures {
    /// The number of the next epoch.
    pub epochs: AtomicU64,
    /// Jobs that were pulled.
    pub pulled: AtomicU64,
    /// Jobs that were acknowledged.
    pub acknowledged: AtomicU64,
    /// Jobs that failed for good.
    pub failed: AtomicU64,
    /// Epochs that are open.
    pub open: AtomicU64,
}

/// Jobs of an epoch, and those that were pulled beyond it.
struct Batch {
    jobs: Vec<Pulled>,
    rest: VecDeque<Pulled>,
    permit: Permit,
}

struct Open {
    began: Instant,
    handles: Vec<JobHandle>,
    _permit: Permit,
}

type Collecting = BoxFuture<'static, Result<Option<Batch>, QueueError>>;

impl Puller {
    /// Runs until it is told to drain and everything is acknowledged.
    ///
    /// # Errors
    /// What waiting does not mend, of the queue.
    pub async fn run(mut self, emitter: Emitter<Work>) -> Result<(), PipelineError> {
        let mut open: BTreeMap<u64, Open> = BTreeMap::new();
        let mut collecting: Option<Collecting> = None;
        let mut rest = VecDeque::new();
        let mut last = None;
        let mut told = Instant::now();
        loop {
            let is_draining = *self.draining.borrow();
            if is_draining && collecting.is_none() && open.is_empty() && rest.is_empty() {
                emitter.close();
                return Ok(());
            }
            let oldest = open.first_key_value().map(|(_, open)| open.began.elapsed());
            let has_room = has_room(open.len(), oldest, self.batching.in_flight);
            if collecting.is_none() && (!is_draining || !rest.is_empty()) && has_room {
                collecting = Some(self.collect(last, std::mem::take(&mut rest)));
            }
            if collecting.is_none() {
                self.press(true);
            }
            let holds = self.held.entities.load(Ordering::Relaxed) > 0;
            tokio::select! {
                biased;
                changed = self.durable.changed() => {
                    if changed.is_err() {
                        // The graph is gone: what is open is pulled again.
                        emitter.close();
                        return Ok(());
                    }
                    self.acknowledge(&mut open).await;
                }
                batch = poll(&mut collecting) => {
                    collecting = None;
                    self.press(false);
                    if let Some(batch) = batch? {
                        last = Some(Instant::now());
                        told = Instant::now();
                        rest = self.dispatch(batch, &emitter, &mut open).await;
                    }
                }
                () = tokio::time::sleep_until(told + TICK), if holds && open.is_empty() => {
                    told = Instant::now();
                    let number = self.figures.epochs.fetch_add(1, Ordering::Relaxed);
                    emitter.advance(Epoch::of_window(number + 1));
                }
                _ = self.draining.changed(), if !is_draining => {}
            }
            self.figures.open.store(open.len() as u64, Ordering::Relaxed);
        }
    }

    fn press(&self, is_pressed: bool) {
        self.pressed
            .send_if_modified(|pressed| std::mem::replace(pressed, is_pressed) != is_pressed);
    }

    /// The jobs of the next epoch, `rest` first; `None`: it is time to stop.
    fn collect(&self, last: Option<Instant>, mut rest: VecDeque<Pulled>) -> Collecting {
        let (queue, batching) = (Arc::clone(&self.queue), self.batching.clone());
        let (memory, draining) = (self.memory.clone(), self.draining.clone());
        let pressed = self.pressed.clone();
        let age = batching.age.saturating_mul((*self.stretch.borrow()).max(1));
        let room = Room {
            jobs: batching.jobs,
            bytes: batching.bytes,
            memory: memory.limit() / AT_ONCE,
        };
        Box::pin(async move {
            while rest.is_empty() {
                if *draining.borrow() {
                    return Ok(None);
                }
                rest.extend(queue.pull(batching.jobs.min(FIRST_JOBS), LOOK).await?);
            }
            let due = last.map_or_else(Instant::now, |last| last + age);
            let mut jobs = Vec::new();
            let mut weight = Weight::default();
            loop {
                room.fill(&mut jobs, &mut weight, &mut rest);
                let left = due.saturating_duration_since(Instant::now());
                let wants = room.more(jobs.len(), weight);
                if !rest.is_empty() || wants == 0 || left.is_zero() || *draining.borrow() {
                    break;
                }
                rest.extend(queue.pull(wants.min(PIECE), left).await?);
            }
            let permit = match memory.try_acquire(weight.memory) {
                Some(permit) => permit,
                None => {
                    pressed.send_if_modified(|pressed| !std::mem::replace(pressed, true));
                    memory.acquire(weight.memory).await
                }
            };
            Ok(Some(Batch { jobs, rest, permit }))
        })
    }

    /// Gives an epoch's jobs to the graph; returns those that are the next one's.
    async fn dispatch(
        &self,
        batch: Batch,
        emitter: &Emitter<Work>,
        open: &mut BTreeMap<u64, Open>,
    ) -> VecDeque<Pulled> {
        let Batch { jobs, rest, permit } = batch;
        self.figures.pulled.fetch_add(jobs.len() as u64, Ordering::Relaxed);
        let number = self.figures.epochs.fetch_add(1, Ordering::Relaxed);
        let epoch = Epoch::of_window(number);
        let mut handles = Vec::with_capacity(jobs.len());
        for Pulled { id, job, queue, .. } in jobs {
            match job {
                Work::Take(_) | Work::Entity(_) | Work::GivenUp { .. } => {
                    handles.push(id);
                    emitter.give(epoch, job);
                }
                Work::Delete(deletion) => {
                    // The deleter lives as long as the graph; without it the job is pulled again.
                    let _ = self.deletions.send((id, deletion));
                }
                Work::Row { table, .. } => {
                    let reason = format!("rows of {table} as such are not taken");
                    self.fail(id, &queue, &reason).await;
                }
                Work::Unsupported { name, .. } => {
                    self.fail(id, &queue, &format!("jobs of the name {name} are not supported"))
                        .await;
                }
                Work::Broken { reason } => self.fail(id, &queue, &reason).await,
            }
        }
        emitter.advance(Epoch::of_window(number + 1));
        open.insert(
            number,
            Open {
                began: Instant::now(),
                handles,
                _permit: permit,
            },
        );
        rest
    }

    /// Acknowledges the epochs that the durable frontier has passed.
    async fn acknowledge(&self, open: &mut BTreeMap<u64, Open>) {
        let frontier = *self.durable.borrow();
        let mut handles = Vec::new();
        while let Some(entry) = open.first_entry() {
            if !frontier.passed_window(*entry.key()) {
                break;
            }
            handles.append(&mut entry.remove().handles);
        }
        if handles.is_empty() {
            return;
        }
        let done = patiently("acknowledge", || self.queue.done(&handles)).await;
        self.figures
            .acknowledged
            .fetch_add(handles.len() as u64, Ordering::Relaxed);
        if let Some(done) = done
            && !done.lost.is_empty()
        {
            tracing::warn!(jobs = done.lost.len(), "job_locks_lost");
        }
    }

    async fn fail(&self, id: JobHandle, queue: &str, reason: &str) {
        tracing::error!(queue, reason, "job_failed");
        self.figures.failed.fetch_add(1, Ordering::Relaxed);
        patiently("fail", || self.queue.fail(id, reason)).await;
    }
}

/// Whether another epoch may be opened beside so many, the oldest of which has been open for that long.
fn has_room(open: usize, oldest: Option<Duration>, in_flight: usize) -> bool {
    let is_slow = oldest.is_some_and(|oldest| oldest > LONG);
    let most = if is_slow {
        in_flight.min(AT_ONCE as usize)
    } else {
        in_flight
    };
    open < most.max(1)
}

/// Repeats until the queue answers. `None`: it never will; the job's lock runs out, and it is done again.
pub(super) async fn patiently<T, F, Fut>(what: &str, mut attempt: F) -> Option<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, QueueError>>,
{
    let mut tries = 0;
    loop {
        match attempt().await {
            Ok(answer) => return Some(answer),
            Err(error) if error.is_transient() => {
                tries += 1;
                let wait = backoff(tries);
                tracing::warn!(what, tries, wait_ms = wait.as_millis(), error = %error, "queue_away");
                tokio::time::sleep(wait).await;
            }
            Err(error) => {
                tracing::error!(what, error = %error, "queue_failed");
                return None;
            }
        }
    }
}

/// Polls what may not be there.
async fn poll(collecting: &mut Option<Collecting>) -> Result<Option<Batch>, QueueError> {
    match collecting {
        Some(collecting) => collecting.await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_epochs_are_opened_than_are_soon_done() {
        let ms = Duration::from_millis;
        for (open, oldest, in_flight, expected) in [
            (0, None, 8, true),
            (7, Some(ms(900)), 8, true),
            (8, Some(ms(900)), 8, false),
            (2, Some(ms(1_100)), 8, true),
            (3, Some(ms(1_100)), 8, false),
            (1, Some(ms(1_100)), 2, true),
            (2, Some(ms(1_100)), 2, false),
            // One always goes.
            (0, None, 0, true),
            (1, Some(ms(0)), 0, false),
        ] {
            assert_eq!(
                has_room(open, oldest, in_flight),
                expected,
                "{open} {oldest:?} {in_flight}"
            );
        }
    }
}
