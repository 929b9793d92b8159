//! Queues of jobs: what the intake hands to the ingestion graph, behind one trait.
//!
//! Two back ends: [`local`] (a file of this process) and [`bullmq`] (Redis, shared with the reference's Node processes); and
//! [`list`], which ends, for replays.
//!
//! *Invariants.*
//! - What [`Producer::add`] has returned for is durable.
//! - A pulled job stays locked until [`Queue::done`], [`Queue::retry`], [`Queue::fail`] or [`Queue::close`]; its lock is kept
//!   in the background. A job of a process that died is pulled again: every job is done *at least* once.
//! - A [`JobHandle`] names one delivery, not a job. A handle whose lock was lost acknowledges nothing.
//! - Nothing that a producer can write makes a queue fail or stop: what cannot be read is [`Work::Broken`].

pub mod bullmq;
mod error;
pub mod list;
pub mod local;
pub mod payload;
pub mod retry;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
pub use error::QueueError;
use serde::{Deserialize, Serialize};
use tracemill_model::Millis;
use tracemill_model::ingest::{Encoding, EntityKind, Job, Text};

/// One delivery of one job. A later delivery of the same job has another handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobHandle(pub(crate) u64);

impl fmt::Display for JobHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// A job that is ours until it is given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// Names this delivery.
    pub id: JobHandle,
    /// What is to be done.
    pub job: Work,
    /// How many attempts failed before.
    pub attempts: u32,
    /// When it was added.
    pub enqueued: Millis,
    /// The queue that it came from.
    pub queue: Arc<str>,
}

/// What a job asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Take in one raw object.
    Take(Job),
    /// Take in one entity's raw objects, as the reference lays them out.
    Entity(EntityJob),
    /// Not to be taken in any more: whoever had it ended each time. It becomes a letter.
    GivenUp {
        /// What was to be taken in.
        job: Job,
        /// Why it is given up.
        reason: String,
    },
    /// Delete.
    Delete(Deletion),
    /// Write one row as it is.
    Row {
        /// The table.
        table: Text,
        /// The row as a JSON object.
        row: Text,
    },
    /// A job that we know of and do not do.
    Unsupported {
        /// Its name, or what of it is not supported.
        name: Text,
        /// Its payload as JSON.
        data: Text,
    },
    /// A payload that cannot be read. Its job is to be failed with this reason.
    Broken {
        /// What is wrong.
        reason: String,
    },
}

/// The reference's ingestion job: an entity and the file that made it change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntityJob {
    /// Whose.
    pub project: Text,
    /// Of which kind.
    pub kind: EntityKind,
    /// The entity's id.
    pub id: Text,
    /// The file's name without its folder and `.json`.
    pub file_key: Option<Text>,
    /// Whether that file alone is to be read, not the entity's folder.
    pub skip_list: bool,
    /// When it was received.
    pub received: Millis,
}

/// What is to be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deletion {
    /// Traces with all that belongs to them.
    Traces {
        /// Whose.
        project: Text,
        /// Which; at least one.
        ids: Vec<Text>,
    },
    /// Scores.
    Scores {
        /// Whose.
        project: Text,
        /// Which; at least one.
        ids: Vec<Text>,
    },
    /// Everything of a project.
    Project {
        /// Which.
        project: Text,
    },
}

impl Work {
    /// Whose it is; `None`: nobody's, or it cannot be read.
    #[must_use]
    pub const fn project(&self) -> Option<&Text> {
        match self {
            Self::Take(job) | Self::GivenUp { job, .. } => Some(&job.project),
            Self::Entity(entity) => Some(&entity.project),
            Self::Delete(
                Deletion::Traces { project, .. } | Deletion::Scores { project, .. } | Deletion::Project { project },
            ) => Some(project),
            Self::Row { .. } | Self::Unsupported { .. } | Self::Broken { .. } => None,
        }
    }

    /// Bytes of the raw objects that it names, decompressed, about.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        /// An object whose job does not say its size.
        const UNKNOWN: u64 = 256 << 10;
        /// How often a compressed object is larger than it looks, where that is not known.
        const COMPRESSED: u64 = 8;
        match self {
            Self::Take(job) => match (job.holds.bytes, job.bytes, job.encoding) {
                (0, 0, _) => UNKNOWN,
                (0, bytes, Encoding::Identity) => bytes,
                (0, bytes, _) => bytes.saturating_mul(COMPRESSED),
                (bytes, ..) => bytes,
            },
            Self::Entity(_) => UNKNOWN,
            _ => 0,
        }
    }
}

/// How much there is to do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Depth {
    /// Ready to be pulled, also those of a paused queue.
    pub waiting: u64,
    /// Pulled and not given back, by anybody.
    pub active: u64,
    /// Not due yet.
    pub delayed: u64,
    /// Failed for good and kept.
    pub failed: u64,
    /// When the oldest job was added that is waiting, or active with us.
    pub oldest: Option<Millis>,
    /// The same by project, as far as the back end knows whose its jobs are; those without any job are left out.
    pub projects: Vec<ProjectDepth>,
}

/// How much there is to do of one project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectDepth {
    /// Which; empty: of jobs that are of none.
    pub project: Text,
    /// Ready to be pulled, as far as the back end knows.
    pub waiting: u64,
    /// Pulled by us and not given back.
    pub active: u64,
    /// When the oldest of these was added.
    pub oldest: Option<Millis>,
}

/// What became of an acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Acknowledged {
    /// How many are done.
    pub done: usize,
    /// Whose lock was lost before: others do, or did, the work again.
    pub lost: Vec<JobHandle>,
}

/// What became of a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retried {
    /// It will be pulled again after this wait.
    After(Duration),
    /// That was its last attempt: it has failed.
    Exhausted,
    /// Its lock was lost before: others have it.
    Lost,
}

/// How a queue is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum State {
    /// It answers.
    #[default]
    Ready,
    /// Its server or file does not answer. Pulling waits and tries again.
    Away {
        /// Since when.
        since: Millis,
        /// The last error.
        error: String,
    },
    /// It was closed.
    Closed,
}

impl State {
    /// A fixed name: `ready`, `away`, `closed`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Away { .. } => "away",
            Self::Closed => "closed",
        }
    }
}

/// A job that failed for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The queue that it came from.
    pub queue: Arc<str>,
    /// Its id there.
    pub id: Text,
    /// What it asked for.
    pub job: Work,
    /// How many attempts were made.
    pub attempts: u32,
    /// Why the last one failed.
    pub reason: String,
    /// When.
    pub at: Millis,
}

/// Where jobs come from.
#[async_trait]
pub trait Queue: fmt::Debug + Send + Sync {
    /// Up to `max` jobs: by fair shares of the projects that have some, as far as the back end knows them, and of a project
    /// in the order of their adding (highest priority first where a back end has priorities). Waits until there is one, at
    /// most `max_wait`. Empty: nothing came, the queue is closed, or its server is away (see
    /// [`Self::state`]). One call at a time.
    ///
    /// Dropping the future loses nothing: jobs that were just being handed out are pulled again, on Redis after their lock
    /// has run out.
    ///
    /// # Errors
    /// What waiting does not mend: a wrong password, a file that is damaged.
    async fn pull(&self, max: usize, max_wait: Duration) -> Result<Vec<Pulled>, QueueError>;

    /// Acknowledges. Only for work that is durable.
    ///
    /// # Errors
    /// The queue does not answer; the jobs stay ours, and the call may be repeated.
    async fn done(&self, handles: &[JobHandle]) -> Result<Acknowledged, QueueError>;

    /// Gives a job back for another attempt, after the wait that the job's options say. After its last attempt it fails.
    ///
    /// # Errors
    /// The queue does not answer; the job stays ours.
    async fn retry(&self, handle: JobHandle, reason: &str) -> Result<Retried, QueueError>;

    /// Fails a job for good. `false`: its lock was lost before.
    ///
    /// # Errors
    /// The queue does not answer; the job stays ours.
    async fn fail(&self, handle: JobHandle, reason: &str) -> Result<bool, QueueError>;

    /// The handles whose locks were lost since the last call. Their work may be done twice, which is harmless; they need
    /// not be acknowledged.
    fn take_lost(&self) -> Vec<JobHandle>;

    /// How much there is.
    ///
    /// # Errors
    /// The queue does not answer.
    async fn depth(&self) -> Result<Depth, QueueError>;

    /// The newest jobs that failed for good.
    ///
    /// # Errors
    /// The queue does not answer.
    async fn failed(&self, max: usize) -> Result<Vec<Failed>, QueueError>;

    /// How it is.
    fn state(&self) -> State;

    /// Stops: a running pull returns, and what was pulled and not given back waits for the next process, without an attempt
    /// being counted. Acknowledge before.
    ///
    /// # Errors
    /// The queue does not answer: what was pulled becomes free when its locks run out.
    async fn close(&self) -> Result<(), QueueError>;
}

/// Where jobs go.
#[async_trait]
pub trait Producer: fmt::Debug + Send + Sync {
    /// Adds jobs that may be pulled after `delay`. They are durable when it returns. Calls at the same time share the cost.
    ///
    /// # Errors
    /// The queue does not answer: it says so at once, and the jobs may or may not have been added.
    async fn add_work(&self, work: &[Work], delay: Duration) -> Result<(), QueueError>;

    /// Adds raw objects to take in.
    ///
    /// # Errors
    /// As [`Self::add_work`].
    async fn add(&self, jobs: &[Job]) -> Result<(), QueueError> {
        let work: Vec<Work> = jobs.iter().cloned().map(Work::Take).collect();
        self.add_work(&work, Duration::ZERO).await
    }
}
