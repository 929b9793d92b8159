//! Queues on Redis in the format of BullMQ, shared with Node workers and producers of its versions 5 and 6.
//!
//! The transitions are scripts of our own over the documented keys, since two things must be other than in any one of those
//! versions to be right beside all of them: jobs of a paused queue go into `paused` (where neither major loses them), and a
//! job that stalled too often fails in the script that finds it (older workers ignore a failure that is left for them).
//! A job of ours is not failed then but handed out as [`Work::GivenUp`](super::Work::GivenUp), to become a letter.
//!
//! *Invariants.* Locks are kept while jobs are held, and taken again after an outage unless somebody else had the job. A job
//! whose lock is lost is never acknowledged, and is reported. One connection waits for all queues, another one does the rest.
//! Jobs are held until they are given back; [`Queue::close`] gives back what is left without counting an attempt.
//!
//! *Order.* Within a queue, Redis's own: highest priority, then first in, first out. The queues go by fair shares of bytes; a
//! queue of ours may be several, the lanes, over which projects are spread, so that a backlog delays those of its own lane
//! alone. In the reference's queues nobody knows whose a job is before it is pulled.
//!
//! *Errors.* While Redis is away, pulling waits and tries again and [`Queue::state`] says so; everything else fails at once
//! with a transient error.
//!
//! *Not here.* Flows, schedulers and metrics: the queues of ingestion have none. Nodes of a Redis Cluster are not followed;
//! [`Prefix::Cluster`] names the keys as there, for a proxy or a single node in cluster mode.

mod connection;
mod durability;
mod held;
mod keep;
mod names;
mod opts;
mod probe;
mod producer;
mod pull;
mod scripts;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use tracemill_model::{Millis, Secret};
use tracemill_operators::bridge::{Task, spawn};
use tracemill_operators::{Clock, Shares, Weights};
use uuid::Uuid;

use self::connection::Connection;
use self::held::{Held, Inner, Source};
pub use self::names::{LangfuseQueues, MAX_LANES, OWN_QUEUE, Prefix, lane_of, lanes};
pub use self::probe::{RedisReport, Watched, probe};
pub use self::producer::{BullProducer, ProducerConfig};
use super::{Acknowledged, Depth, Failed, JobHandle, Pulled, Queue, QueueError, Retried, State, payload};

/// How many jobs one call completes or gives back, so that Redis is not held up.
const TOGETHER: usize = 500;

/// How queues on Redis are consumed.
#[derive(Debug, Clone)]
pub struct BullConfig {
    /// `redis://[user:password@]host:port/database`, `rediss://` for TLS.
    pub url: Secret,
    /// What stands before the keys.
    pub prefix: Prefix,
    /// Which queues, for example [`LangfuseQueues::names`] and [`OWN_QUEUE`].
    pub queues: Vec<Arc<str>>,
    /// How long a lock lasts that is not kept; it is kept four times in that time.
    pub lock: Duration,
    /// How often jobs without a worker are looked for. All workers of a queue should have the same.
    pub stalled_interval: Duration,
    /// How often a job may stall before it fails, or is given up.
    pub max_stalled: u32,
    /// How long a wait lasts at most before the queues are looked at again.
    pub poll: Duration,
    /// What a project's jobs count for, against those of others in other queues.
    pub weights: Weights,
}

impl BullConfig {
    /// With the usual times, and three stalls: one crash too many is no reason to lose a job.
    #[must_use]
    pub fn new(url: Secret, queues: Vec<Arc<str>>) -> Self {
        Self {
            url,
            prefix: Prefix::Bull,
            queues,
            lock: Duration::from_secs(30),
            stalled_interval: Duration::from_secs(30),
            max_stalled: 3,
            poll: Duration::from_secs(5),
            weights: Weights::default(),
        }
    }
}

/// What a pull remembers for the next.
#[derive(Debug, Default)]
struct Waiting {
    /// What each queue has had, and which ones are to be asked.
    shares: Shares,
    /// When all of them were to be asked.
    looked: Option<tokio::time::Instant>,
    /// When something becomes due.
    due: Option<i64>,
}

/// Queues on Redis. Dropping it without [`Queue::close`] leaves its jobs to the check for stalled ones.
#[derive(Debug)]
pub struct BullQueue {
    config: BullConfig,
    inner: Arc<Inner>,
    blocking: Connection,
    pulling: tokio::sync::Mutex<Waiting>,
    tasks: std::sync::Mutex<Vec<Task>>,
}

impl BullQueue {
    /// Consumes these queues from now on; does not wait for Redis. To be called on a tokio runtime.
    ///
    /// # Errors
    /// The URL cannot be read, or a queue's name cannot be one.
    pub fn open(config: BullConfig, clock: Clock) -> Result<Self, QueueError> {
        let wrong = |reason: String| QueueError::Config { reason };
        if config.queues.is_empty() {
            return Err(wrong("there is no queue to consume".to_owned()));
        }
        if let Some(name) = config.queues.iter().find(|name| name.is_empty() || name.contains(':')) {
            return Err(wrong(format!("`{name}` cannot be the name of a queue")));
        }
        let source = |name: &Arc<str>| {
            let base = config.prefix.base(name);
            Source {
                name: Arc::clone(name),
                marker: format!("{base}marker"),
                base,
            }
        };
        let sources = config.queues.iter().map(source).collect();
        let commands = Connection::new(&config.url)?;
        let inner = Arc::new(Inner::new(commands, sources, Uuid::new_v4().to_string(), clock));
        let locks = spawn("queue-locks", keep::locks(Arc::clone(&inner), config.lock));
        let kept = spawn("queue-durability", durability::tell(Arc::clone(&inner)));
        let stalled = keep::stalled(Arc::clone(&inner), config.stalled_interval, config.max_stalled);
        Ok(Self {
            blocking: Connection::new(&config.url)?,
            inner,
            config,
            pulling: tokio::sync::Mutex::default(),
            tasks: std::sync::Mutex::new(vec![locks, kept, spawn("queue-stalled", stalled)]),
        })
    }

    /// Fails a job for good. `false`: it is not ours.
    async fn fail_held(&self, held: &Held, reason: &str) -> Result<bool, QueueError> {
        let inner = &self.inner;
        let keep = held.opts.on_fail;
        let code: i64 = inner
            .commands
            .run(
                &inner.scripts.fail,
                &inner.sources[held.source].base,
                inner.clock.now().0,
                |call| {
                    call.arg(&inner.token).arg(&*held.id).arg(reason);
                    call.arg(pull::stack_trace(held, reason));
                    call.arg(keep.count).arg(keep.age).arg(keep.limit);
                    call.arg(held.opts.policy.attempts);
                },
            )
            .await?;
        Ok(code == 0)
    }

    async fn give_up(&self, handle: JobHandle, held: &Held, reason: &str) -> Result<bool, QueueError> {
        let is_ours = self.fail_held(held, reason).await?;
        self.inner.let_go(handle);
        Ok(is_ours)
    }

    async fn complete(&self, source: usize, jobs: &[(JobHandle, Held)]) -> Result<Vec<i64>, QueueError> {
        let inner = &self.inner;
        inner
            .commands
            .run(
                &inner.scripts.complete,
                &inner.sources[source].base,
                inner.clock.now().0,
                |call| {
                    call.arg(&inner.token);
                    for (_, held) in jobs {
                        let keep = held.opts.on_complete;
                        call.arg(&*held.id).arg(keep.count).arg(keep.age).arg(keep.limit);
                    }
                },
            )
            .await
    }

    async fn release(&self) -> Result<(), QueueError> {
        let inner = &self.inner;
        for (source, jobs) in inner.all() {
            for jobs in jobs.chunks(TOGETHER) {
                let _given: i64 = inner
                    .commands
                    .run(
                        &inner.scripts.release,
                        &inner.sources[source].base,
                        inner.clock.now().0,
                        |call| {
                            call.arg(&inner.token);
                            for (_, id) in jobs {
                                call.arg(&**id);
                            }
                        },
                    )
                    .await?;
                for (handle, _) in jobs {
                    inner.let_go(*handle);
                }
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Queue for BullQueue {
    async fn pull(&self, max: usize, max_wait: Duration) -> Result<Vec<Pulled>, QueueError> {
        self.pull_within(max, max_wait).await
    }

    async fn done(&self, handles: &[JobHandle]) -> Result<Acknowledged, QueueError> {
        let (ours, lost) = self.inner.by_source(handles);
        let mut acknowledged = Acknowledged { done: 0, lost };
        for (source, jobs) in ours {
            for jobs in jobs.chunks(TOGETHER) {
                let codes = self.complete(source, jobs).await?;
                for ((handle, _), code) in jobs.iter().zip(codes) {
                    self.inner.let_go(*handle);
                    if code == 0 {
                        acknowledged.done += 1;
                    } else {
                        acknowledged.lost.push(*handle);
                    }
                }
            }
        }
        Ok(acknowledged)
    }

    async fn retry(&self, handle: JobHandle, reason: &str) -> Result<Retried, QueueError> {
        let Some(held) = self.inner.get(handle) else {
            return Ok(Retried::Lost);
        };
        let chance = f64::from(Uuid::new_v4().as_fields().0) / f64::from(u32::MAX);
        let Some(wait) = held.opts.policy.next(held.attempts, chance) else {
            let is_ours = self.give_up(handle, &held, reason).await?;
            return Ok(if is_ours { Retried::Exhausted } else { Retried::Lost });
        };
        let inner = &self.inner;
        let code: i64 = inner
            .commands
            .run(
                &inner.scripts.retry,
                &inner.sources[held.source].base,
                inner.clock.now().0,
                |call| {
                    call.arg(&inner.token).arg(&*held.id).arg(reason);
                    call.arg(pull::stack_trace(&held, reason));
                    call.arg(wait.as_millis() as u64);
                },
            )
            .await?;
        inner.let_go(handle);
        Ok(if code == 0 { Retried::After(wait) } else { Retried::Lost })
    }

    async fn fail(&self, handle: JobHandle, reason: &str) -> Result<bool, QueueError> {
        match self.inner.get(handle) {
            Some(held) => self.give_up(handle, &held, reason).await,
            None => Ok(false),
        }
    }

    fn take_lost(&self) -> Vec<JobHandle> {
        self.inner.take_lost()
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        let mut depth = Depth::default();
        let inner = &self.inner;
        for source in &inner.sources {
            let asked = inner
                .commands
                .run(&inner.scripts.depth, &source.base, inner.clock.now().0, |_| {})
                .await;
            // Nobody pulls while enough is in hand: then this is how an outage is seen.
            inner.note(&asked);
            let (waiting, active, delayed, failed, oldest): (u64, u64, u64, u64, i64) = asked?;
            depth.waiting += waiting;
            depth.active += active;
            depth.delayed += delayed;
            depth.failed += failed;
            let oldest = (oldest > 0).then_some(Millis(oldest));
            depth.oldest = depth.oldest.into_iter().chain(oldest).min();
        }
        depth.projects = inner.projects();
        let ours = depth.projects.iter().filter_map(|project| project.oldest);
        depth.oldest = depth.oldest.into_iter().chain(ours).min();
        Ok(depth)
    }

    async fn failed(&self, max: usize) -> Result<Vec<Failed>, QueueError> {
        let inner = &self.inner;
        let mut failed = Vec::new();
        for source in &inner.sources {
            let jobs: Vec<Vec<Option<Vec<u8>>>> = inner
                .commands
                .run(&inner.scripts.failed, &source.base, inner.clock.now().0, |call| {
                    call.arg(max);
                })
                .await?;
            for job in jobs {
                let text = |at: usize| -> std::borrow::Cow<'_, str> {
                    let field = job.get(at).and_then(Option::as_deref);
                    field.map(String::from_utf8_lossy).unwrap_or_default()
                };
                let millis = |at: usize| Millis(text(at).parse().unwrap_or(0));
                failed.push(Failed {
                    queue: Arc::clone(&source.name),
                    id: text(0).into(),
                    job: payload::work(&source.name, &text(1), &text(2), millis(3)),
                    attempts: text(4).parse().unwrap_or(0),
                    reason: text(5).into_owned(),
                    at: millis(6),
                });
            }
        }
        failed.sort_by_key(|job| std::cmp::Reverse(job.at));
        failed.truncate(max);
        Ok(failed)
    }

    fn state(&self) -> State {
        self.inner.state()
    }

    async fn close(&self) -> Result<(), QueueError> {
        self.inner.is_closed.store(true, Ordering::Release);
        self.inner.closing.notify_waiters();
        // The pull that runs ends first: what it picked up is held then.
        let _waiting = self.pulling.lock().await;
        let released = self.release().await;
        self.tasks
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clear();
        self.blocking.close().await;
        self.inner.commands.close().await;
        released
    }
}
