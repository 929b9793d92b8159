//! Adds jobs to our own queue on Redis, each to the lane of its project.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use tracemill_model::Secret;
use tracemill_operators::Clock;

use super::connection::Connection;
use super::names::{OWN_QUEUE, Prefix, lane_of, lanes};
use super::opts;
use super::scripts::Scripts;
use crate::queue::payload::{self, OWN_JOB};
use crate::queue::retry::{Backoff, Policy};
use crate::queue::{Producer, QueueError, Work};

/// How many jobs one call adds.
const TOGETHER: usize = 500;

/// How jobs are added.
#[derive(Debug, Clone)]
pub struct ProducerConfig {
    /// As of the consumer.
    pub url: Secret,
    /// As of the consumer.
    pub prefix: Prefix,
    /// The queue. No Node worker may consume it: the payloads are ours.
    pub queue: String,
    /// How often a job is tried; it is written into the job.
    pub policy: Policy,
    /// How many failed jobs are kept.
    pub keep_failed: u64,
    /// Over how many queues projects are spread: [`lanes`] names them. Consumers have all of them.
    pub lanes: usize,
}

impl ProducerConfig {
    /// Our own queue: 20 attempts with waits from 5 s, 100,000 failed jobs kept.
    #[must_use]
    pub fn new(url: Secret) -> Self {
        Self {
            url,
            prefix: Prefix::Bull,
            queue: OWN_QUEUE.to_owned(),
            policy: Policy {
                attempts: 20,
                backoff: Backoff::Exponential {
                    delay: Duration::from_secs(5),
                    jitter: 0.0,
                },
                ..Policy::default()
            },
            keep_failed: 100_000,
            lanes: 1,
        }
    }
}

/// Adds jobs to one queue on Redis. Durable as far as that Redis is: it needs an append-only file and `noeviction`.
#[derive(Debug)]
pub struct BullProducer {
    connection: Connection,
    scripts: Scripts,
    /// Of each lane.
    bases: Vec<String>,
    opts: String,
    clock: Clock,
}

impl BullProducer {
    /// Adds to that queue; does not connect yet.
    ///
    /// # Errors
    /// The URL cannot be read, or the queue's name cannot be one.
    pub fn new(config: &ProducerConfig, clock: Clock) -> Result<Self, QueueError> {
        if config.queue.is_empty() || config.queue.contains(':') {
            return Err(QueueError::Config {
                reason: format!("`{}` cannot be the name of a queue", config.queue),
            });
        }
        Ok(Self {
            connection: Connection::new(&config.url)?,
            scripts: Scripts::new(),
            bases: lanes(&config.queue, config.lanes)
                .iter()
                .map(|lane| config.prefix.base(lane))
                .collect(),
            opts: opts::own(&config.policy, config.keep_failed),
            clock,
        })
    }
}

#[async_trait]
impl Producer for BullProducer {
    async fn add_work(&self, work: &[Work], delay: Duration) -> Result<(), QueueError> {
        let mut of_lanes = BTreeMap::<usize, Vec<&Work>>::new();
        for work in work {
            let project = work.project().map_or("", |project| &**project);
            let lane = lane_of(project, self.bases.len());
            of_lanes.entry(lane).or_default().push(work);
        }
        for (lane, work) in of_lanes {
            for work in work.chunks(TOGETHER) {
                self.add_to(&self.bases[lane], work, delay).await?;
            }
        }
        Ok(())
    }
}

impl BullProducer {
    async fn add_to(&self, base: &str, work: &[&Work], delay: Duration) -> Result<(), QueueError> {
        let _added: i64 = self
            .connection
            .run(&self.scripts.add, base, self.clock.now().0, |call| {
                call.arg(OWN_JOB).arg(&self.opts).arg(delay.as_millis() as u64);
                for work in work {
                    call.arg(payload::own(work));
                }
            })
            .await?;
        Ok(())
    }
}
