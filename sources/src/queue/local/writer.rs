//! The one thread that writes: changes that wait at the same time share one transaction, and so one sync of the file.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{Notify, oneshot};
use tracemill_model::ingest::Text;
use tracemill_operators::Clock;

use super::lanes::Lanes;
use super::store::{Change, Counts, LaneChanges, Store};
use crate::queue::{Pulled, QueueError, State};

/// How many changes share a transaction at most.
const TOGETHER: usize = 4_096;

/// What is known without the file.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) counts: Counts,
    pub(super) lanes: Lanes,
    /// What was read from the file and not handed out: the next that are pulled.
    pub(super) ready: VecDeque<Ready>,
    /// What is pulled.
    pub(super) active: BTreeMap<u64, Active>,
    pub(super) state: State,
}

/// A job that was read from the file.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) lane: Text,
    pub(super) job: Pulled,
}

/// A job that is pulled.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) lane: Text,
    /// Attempts made before.
    pub(super) attempts: u32,
}

/// What the writer and its callers share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) known: Mutex<Known>,
    /// Held by whoever reads jobs from the file.
    pub(super) reading: Mutex<()>,
    /// Rings when there may be something to pull, and when the queue closes.
    pub(super) bell: Notify,
    pub(super) clock: Clock,
}

impl Shared {
    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes whether the file answers.
    pub(super) fn note<T>(&self, outcome: &Result<T, QueueError>) {
        let mut known = self.known();
        match (outcome, &known.state) {
            (_, State::Closed) | (Ok(_), State::Ready) => {}
            (Ok(_), State::Away { .. }) => {
                tracing::info!("queue_is_back");
                known.state = State::Ready;
            }
            (Err(error), state) => {
                let since = match state {
                    State::Away { since, .. } => *since,
                    _ => {
                        tracing::warn!(%error, "queue_is_away");
                        self.clock.now()
                    }
                };
                let error = error.to_string();
                known.state = State::Away { since, error };
            }
        }
    }
}

struct Ask {
    change: Change,
    reply: oneshot::Sender<Result<(), QueueError>>,
}

/// The way to the thread.
#[derive(Debug)]
pub(super) struct Writer {
    asks: Mutex<Option<Sender<Ask>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(shared: Arc<Shared>) -> std::io::Result<Self> {
        let (asks, inbox) = channel();
        let thread = std::thread::Builder::new()
            .name("local-queue".to_owned())
            .spawn(move || run(&shared, &inbox))?;
        Ok(Self {
            asks: Mutex::new(Some(asks)),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Makes a change, and waits until it is durable. It is made also if nobody waits any more.
    pub(super) async fn change(&self, change: Change) -> Result<(), QueueError> {
        let (reply, answer) = oneshot::channel();
        {
            let asks = self.asks.lock().unwrap_or_else(PoisonError::into_inner);
            let asks = asks.as_ref().ok_or(QueueError::Closed)?;
            asks.send(Ask { change, reply }).map_err(|_| QueueError::Closed)?;
        }
        answer.await.unwrap_or(Err(QueueError::Closed))
    }

    /// Makes what was asked for, then ends. To be called outside of asynchronous code, or for an idle queue.
    pub(super) fn stop(&self) {
        self.asks.lock().unwrap_or_else(PoisonError::into_inner).take();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // An error says that it panicked; its callers were told that the queue is closed.
            let _ = thread.join();
        }
    }
}

fn run(shared: &Shared, inbox: &Receiver<Ask>) {
    let mut is_broken = false;
    while let Ok(first) = inbox.recv() {
        let (mut changes, mut replies) = (vec![first.change], vec![first.reply]);
        while changes.len() < TOGETHER
            && let Ok(ask) = inbox.try_recv()
        {
            changes.push(ask.change);
            replies.push(ask.reply);
        }
        let reopened = if is_broken { reopen(shared) } else { Ok(()) };
        let next = shared.known().counts.next_number;
        let outcome = reopened.and_then(|()| shared.store.apply(next, &changes));
        is_broken = outcome.is_err();
        shared.note(&outcome);
        let answer = outcome.map(|(counts, lanes)| {
            settle(&mut shared.known(), counts, &lanes, &changes);
            shared.bell.notify_waiters();
        });
        for reply in replies {
            // Its caller may have gone.
            let _ = reply.send(answer.clone());
        }
    }
    shared.store.close();
}

fn reopen(shared: &Shared) -> Result<(), QueueError> {
    let (next, lanes) = shared.store.reopen()?;
    let mut known = shared.known();
    known.counts.next_number = known.counts.next_number.max(next);
    known.lanes.found(&lanes);
    Ok(())
}

/// What a transaction changes in memory.
fn settle(known: &mut Known, counts: Counts, lanes: &LaneChanges, changes: &[Change]) {
    known.counts = counts;
    for change in changes {
        match change {
            Change::Done(jobs) => {
                for (_, number) in jobs {
                    give_back(known, *number);
                }
            }
            Change::Retry { number, .. } | Change::Fail { number, .. } => give_back(known, *number),
            Change::Add { .. } | Change::Promote { .. } => {}
        }
    }
    known.lanes.changed(lanes);
}

fn give_back(known: &mut Known, number: u64) {
    if let Some(active) = known.active.remove(&number) {
        known.lanes.given_back(&active.lane);
    }
}
