//! How jobs are pulled: pick up what is there from all queues by fair shares; where nothing is, wait for a marker of any of them.
//!
//! A queue is asked while it had as much as it was asked for, once its marker comes, and every [`LOOK`] at the latest: markers may be
//! gone to other workers, and are not waited for while other queues have jobs. So many idle queues cost Redis little.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tracemill_model::ingest::Text;
use tracemill_model::{Blame, Millis};

use super::held::{Held, Inner};
use super::opts::{self, Opts};
use super::{BullQueue, Waiting};
use crate::queue::payload::OWN_JOB;
use crate::queue::{Pulled, QueueError, Work, payload};

/// How many jobs one call picks up, so that Redis is not held up.
const TOGETHER: usize = 250;
/// How many, where another queue may have some as well.
const FEW: usize = 32;
/// What a job costs beside the bytes of its object.
const JOB: u64 = 1 << 10;
/// How often all queues are asked.
const LOOK: Duration = Duration::from_millis(100);

/// A job's fields as the script answers them, id first.
type Fields = Vec<Option<Vec<u8>>>;

impl BullQueue {
    pub(super) async fn pull_within(&self, max: usize, max_wait: Duration) -> Result<Vec<Pulled>, QueueError> {
        let mut waiting = self.pulling.lock().await;
        let deadline = Instant::now() + max_wait;
        let mut failures = 0u32;
        loop {
            let mut closing = std::pin::pin!(self.inner.closing.notified());
            closing.as_mut().enable();
            if self.inner.closed() || max == 0 {
                return Ok(Vec::new());
            }
            self.look(&mut waiting, max_wait.is_zero());
            let outcome = self.pick_up(max, &mut waiting).await;
            self.inner.note(&outcome);
            match outcome {
                Ok(pulled) if !pulled.is_empty() => return Ok(pulled),
                Ok(_) => failures = 0,
                Err(error) if !error.is_transient() => return Err(error),
                Err(_) => failures += 1,
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Vec::new());
            }
            if failures > 0 {
                let again = Duration::from_millis(100 << failures.min(6)).min(left);
                // Running out is what is waited for.
                let _ = timeout(again, closing).await;
                continue;
            }
            tokio::select! {
                () = closing => {}
                outcome = self.wait(left, &mut waiting) => {
                    if let Err(error) = &outcome {
                        self.inner.note(&outcome);
                        if !error.is_transient() {
                            return Err(error.clone());
                        }
                    }
                }
            }
        }
    }

    /// Whom to ask: everybody `at_once`, when it is time, or when something is due; else whoever is known to have jobs.
    fn look(&self, waiting: &mut Waiting, at_once: bool) {
        let is_due = waiting.due.is_some_and(|due| due <= self.inner.clock.now().0);
        if !at_once && !is_due && waiting.looked.is_some_and(|at| at.elapsed() < LOOK) {
            return;
        }
        for source in &self.inner.sources {
            waiting.shares.join(&source.name);
        }
        waiting.due = None;
        waiting.looked = Some(Instant::now());
    }

    /// Blocks until some queue may have something.
    async fn wait(&self, left: Duration, waiting: &mut Waiting) -> Result<(), QueueError> {
        let markers: Vec<String> = self.inner.sources.iter().map(|source| source.marker.clone()).collect();
        let end = Instant::now() + left.min(self.config.poll);
        if self.config.prefix == super::Prefix::Cluster {
            // Markers of several queues lie in several slots: one call cannot wait for them all.
            tokio::time::sleep(left.min(Duration::from_millis(200))).await;
            return Ok(());
        }
        loop {
            let now = self.inner.clock.now().0;
            let mut wait = end.saturating_duration_since(Instant::now());
            if let Some(due) = waiting.due {
                wait = wait.min(Duration::from_millis(due.saturating_sub(now).max(0).unsigned_abs()));
            }
            if wait.is_zero() {
                return Ok(());
            }
            match self.blocking.wait(&markers, wait).await? {
                Some((_, score)) if score as i64 > self.inner.clock.now().0 => {
                    let due = score as i64;
                    waiting.due = Some(waiting.due.map_or(due, |old| old.min(due)));
                }
                Some((marker, _)) => {
                    let sources = &self.inner.sources;
                    if let Some(source) = sources.iter().find(|source| source.marker == marker) {
                        waiting.shares.join(&source.name);
                    }
                    return Ok(());
                }
                None => return Ok(()),
            }
        }
    }

    /// What is there right now, from the queues that are to be asked, by fair shares of the bytes that their jobs name.
    async fn pick_up(&self, max: usize, waiting: &mut Waiting) -> Result<Vec<Pulled>, QueueError> {
        let sources = &self.inner.sources;
        let mut pulled = Vec::new();
        while pulled.len() < max {
            let Some(name) = waiting.shares.pick() else { break };
            let Some(source) = sources.iter().position(|source| source.name == name) else {
                waiting.shares.leave(&name);
                continue;
            };
            // As many as the others can wait for.
            let together = if waiting.shares.waiting() > 1 { FEW } else { TOGETHER };
            let most = together.min(max - pulled.len());
            let (jobs, limited, due) = match self.fetch(source, most).await {
                Ok(answer) => answer,
                // What was picked up is ours already: it is handed out, and the error comes again.
                Err(error) if pulled.is_empty() => return Err(error),
                Err(_) => break,
            };
            if jobs.len() < most {
                waiting.shares.leave(&name);
            }
            let wakes = [
                (due > 0).then_some(due),
                (limited > 0).then(|| self.inner.clock.now().0 + limited),
            ];
            waiting.due = wakes.into_iter().flatten().chain(waiting.due).min();
            let before = pulled.len();
            self.hand_out(source, jobs, &mut pulled).await;
            for job in &pulled[before..] {
                let weight = job.job.project().map_or(1, |project| self.config.weights.of(project));
                let cost = job.job.bytes().saturating_add(JOB) / u64::from(weight);
                waiting.shares.charge(&name, cost);
            }
        }
        Ok(pulled)
    }

    async fn fetch(&self, source: usize, most: usize) -> Result<(Vec<Fields>, i64, i64), QueueError> {
        let inner = &self.inner;
        let lock = self.config.lock.as_millis() as u64;
        let base = &inner.sources[source].base;
        let now = inner.clock.now().0;
        inner
            .commands
            .run(&inner.scripts.fetch, base, now, |call| {
                call.arg(&inner.token).arg(lock).arg(most);
            })
            .await
    }

    /// Makes jobs of what the script answered. Those that are marked as failed are failed here, or given up.
    async fn hand_out(&self, source: usize, picked: Vec<Fields>, pulled: &mut Vec<Pulled>) {
        let mut doomed = Vec::new();
        for fields in picked {
            match read(&self.inner, source, &fields) {
                Read::Doomed(held, reason) => doomed.push((held, reason)),
                Read::Job(held, work) => {
                    let (attempts, enqueued) = (held.attempts, held.enqueued);
                    pulled.push(Pulled {
                        id: self.inner.hold(*held),
                        job: work,
                        attempts,
                        enqueued,
                        queue: Arc::clone(&self.inner.sources[source].name),
                    });
                }
            }
        }
        for (held, reason) in doomed {
            // Failing that, its lock runs out and the next one tries.
            if let Err(error) = self.fail_held(&held, &reason).await {
                tracing::warn!(%error, "job_not_failed");
            }
        }
        if self.inner.is_closed.load(Ordering::Acquire) {
            tracing::debug!("pulled_while_closing");
        }
    }
}

enum Read {
    Job(Box<Held>, Work),
    Doomed(Box<Held>, String),
}

/// Reads a job's fields.
fn read(inner: &Inner, source: usize, fields: &Fields) -> Read {
    let bytes = |at: usize| fields.get(at).and_then(Option::as_deref);
    let text = |at: usize| bytes(at).map(String::from_utf8_lossy).unwrap_or_default();
    let number = |at: usize| text(at).parse::<i64>().ok();
    let enqueued = Millis(number(4).unwrap_or_else(|| inner.clock.now().0));
    // The older name wins where it is set, as in every reader of it.
    let made = number(7).or_else(|| number(6)).unwrap_or(0);
    let name = text(1);
    let mut held = Box::new(Held {
        source,
        id: text(0).into(),
        opts: Opts::read(&text(3)),
        attempts: u32::try_from(made).unwrap_or(0),
        stack_trace: text(8).into_owned(),
        enqueued,
        project: Text::default(),
    });
    let doom = bytes(9).filter(|reason| !reason.is_empty());
    let doom = doom.map(|reason| String::from_utf8_lossy(reason).into_owned());
    let queue = &inner.sources[source].name;
    let work = match std::str::from_utf8(bytes(2).unwrap_or_default()) {
        Ok(data) => payload::work(queue, &name, data, enqueued),
        Err(error) => Work::Broken {
            reason: format!("the payload of job `{name}` of queue `{queue}` cannot be read: {error}"),
        },
    };
    held.project = work.project().map(Arc::clone).unwrap_or_default();
    match (doom, work) {
        (None, work) => Read::Job(held, work),
        // A job of ours names what clients were promised: it is not left behind in the queue.
        (Some(reason), Work::Take(job)) if name == OWN_JOB => Read::Job(held, Work::GivenUp { job, reason }),
        (Some(reason), _) => Read::Doomed(held, reason),
    }
}

/// The stack trace of a job with one failure more.
pub(super) fn stack_trace(held: &Held, reason: &str) -> String {
    opts::stack_trace(&held.stack_trace, reason, held.opts.stack_traces)
}
