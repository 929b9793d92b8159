//! Behind the HTTP face: one raw object, then one job, then the answer.
//!
//! *Invariants.* When [`Intake::take`] has returned, the object and its job are durable. An
//! object without a job, of a request whose client went away or whose job could not be added, is never read: the client
//! sends the same events again.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use tracemill_model::Blame;
use tracemill_model::ingest::raw_name;
use tracemill_model::ingest::{EntityKind, Job, Text};
use tracemill_sinks::store::Store;
use tracemill_sources::queue::{self, Producer, Queue, State, Work};
use tracemill_web::{Deletion, Intake, IntakeError, Raw, Readiness};

/// What stores and enqueues.
#[derive(Debug)]
pub struct RawIntake {
    /// Where raw objects go.
    pub store: Store,
    /// What their paths begin with.
    pub prefix: Text,
    /// Where jobs go.
    pub producer: Arc<dyn Producer>,
    /// Whether they can.
    pub queue: Arc<dyn Queue>,
}

#[async_trait]
impl Intake for RawIntake {
    async fn take(&self, raw: Raw) -> Result<(), IntakeError> {
        let Raw {
            project,
            form,
            encoding,
            bytes,
            holds,
            sdk,
            access,
            received,
        } = raw;
        let id = uuid::Uuid::new_v4().simple().to_string();
        let path = raw_name::path(&self.prefix, &project, received, &id, form, encoding, &sdk);
        let job = Job {
            project,
            object: path.as_str().into(),
            form,
            encoding,
            bytes: bytes.len() as u64,
            holds,
            received,
            sdk,
            access,
        };
        self.store.put(&path, bytes).await.map_err(|error| away(&error))?;
        self.producer.add(&[job]).await.map_err(|error| away(&error))
    }

    async fn delete(&self, deletion: Deletion) -> Result<(), IntakeError> {
        let Deletion {
            project,
            kind,
            ids,
            requested: _,
        } = deletion;
        let deletion = match kind {
            EntityKind::Score => queue::Deletion::Scores { project, ids },
            EntityKind::Trace | EntityKind::Observation => queue::Deletion::Traces { project, ids },
        };
        let work = [Work::Delete(deletion)];
        self.producer
            .add_work(&work, Duration::ZERO)
            .await
            .map_err(|error| away(&error))
    }

    fn ready(&self) -> Readiness {
        match self.queue.state() {
            State::Ready => Readiness::Ready,
            State::Away { .. } => Readiness::Not("queue_away"),
            State::Closed => Readiness::Not("stopping"),
        }
    }
}

/// The intake of a graph that starts and ends while the HTTP face stays. Cheap to clone; clones are one.
#[derive(Debug, Clone, Default)]
pub struct Switch(Arc<RwLock<Option<Arc<RawIntake>>>>);

impl Switch {
    /// From now on requests go there; `None`: they are to come again later.
    pub fn turn(&self, to: Option<Arc<RawIntake>>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = to;
    }

    fn now(&self) -> Option<Arc<RawIntake>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Intake for Switch {
    async fn take(&self, raw: Raw) -> Result<(), IntakeError> {
        match self.now() {
            Some(intake) => intake.take(raw).await,
            None => Err(down()),
        }
    }

    async fn delete(&self, deletion: Deletion) -> Result<(), IntakeError> {
        match self.now() {
            Some(intake) => intake.delete(deletion).await,
            None => Err(down()),
        }
    }

    fn ready(&self) -> Readiness {
        self.now()
            .map_or(Readiness::Not("ingestion_down"), |intake| intake.ready())
    }
}

fn down() -> IntakeError {
    IntakeError::Unavailable {
        reason: "ingestion does not run now".to_owned(),
        retry_after: Some(Duration::from_secs(5)),
    }
}

/// Whatever the store or the queue say, the client may send it again: nothing of the request is at fault.
fn away<E: Blame + std::fmt::Display>(error: &E) -> IntakeError {
    IntakeError::Unavailable {
        reason: error.to_string(),
        retry_after: None,
    }
}
