//! A replay: raw objects of the store through the ingestion graph once more, without its queue.
//!
//! *Invariants.* What is stored already as it is stays as it is: a second replay writes nothing. What was deleted stays
//! deleted. Raw objects are read, and never changed.
//!
//! *On error.* As the graph: what waits for a server waits; what cannot be taken in becomes a letter.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use tracemill_model::Millis;
use tracemill_model::ingest::{Job, raw_name};
use tracemill_operators::decode::flow::Decoder;
use tracemill_operators::{Budget, Clock};
use tracemill_sinks::SinkError;
use tracemill_sinks::store::{Entry, Store};
use tracemill_sources::queue::Work;
use tracemill_sources::queue::list::ListQueue;
use tracemill_warehouse::{ServiceKind, tombstones};

use super::assemble::{Assembled, assemble_with};
use super::runtime::Ingestion;
use super::spec::IngestionSpec;
use super::{deletion, process};
use crate::PipelineError;
use crate::session::Session;

/// Which raw objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// Those whose key begins so; `None`: with the queue's prefix.
    pub prefix: Option<String>,
    /// Those of that project.
    pub project: Option<String>,
    /// Received then or later; objects of the reference's layouts by when they were written.
    pub since: Option<Millis>,
    /// Received before.
    pub until: Option<Millis>,
}

impl Choice {
    fn takes(&self, job: &Job) -> bool {
        self.project.as_deref().is_none_or(|project| project == &*job.project)
            && self.since.is_none_or(|since| job.received >= since)
            && self.until.is_none_or(|until| job.received < until)
    }

    /// What comes before the layout in the names of its objects: the queue's prefix, unless another one is asked for.
    fn base<'a>(&'a self, own: &'a str) -> &'a str {
        self.prefix
            .as_deref()
            .filter(|given| !given.starts_with(own))
            .unwrap_or(own)
    }

    /// The job of a listed object, if it is one of these.
    fn job(&self, own: &str, entry: &Entry) -> Option<Job> {
        if self
            .prefix
            .as_ref()
            .is_some_and(|prefix| !entry.path.starts_with(prefix))
        {
            return None;
        }
        let job = raw_name::job_of(self.base(own), &entry.path, entry.modified)?;
        let job = Job {
            bytes: entry.size,
            ..job
        };
        self.takes(&job).then_some(job)
    }

    /// The folders in which such objects may be.
    fn folders(&self, own: &str) -> Vec<String> {
        let base = self.base(own);
        let folders = match (&self.prefix, &self.project) {
            (Some(prefix), _) if prefix.as_str() != base => vec![prefix.clone()],
            (_, Some(project)) => vec![format!("{base}{project}/"), format!("{base}otel/{project}/")],
            _ => vec![base.to_owned()],
        };
        // A prefix may end within a name.
        let folder = |path: String| {
            path.rsplit_once('/')
                .map_or(String::new(), |(folder, _)| folder.to_owned())
        };
        folders.into_iter().map(folder).collect()
    }
}

/// Lists raw objects, the oldest first. Holds about 300 bytes for each. `own`: the queue's prefix.
///
/// # Errors
/// Those of the store.
pub async fn jobs(store: &Store, own: &str, choice: &Choice) -> Result<Vec<Job>, SinkError> {
    let mut jobs = Vec::new();
    for folder in choice.folders(own) {
        store
            .list_each(&folder, |entry| {
                jobs.extend(choice.job(own, &entry));
                true
            })
            .await?;
    }
    jobs.sort_unstable_by(|a, b| (a.received, &a.object).cmp(&(b.received, &b.object)));
    Ok(jobs)
}

/// What a replay did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Raw objects that were read.
    pub objects: u64,
    /// Events in them.
    pub events: u64,
    /// Entities whose stored state is theirs already.
    pub unchanged: u64,
    /// Entities that were written.
    pub written: u64,
    /// Entities that were deleted before, and stay so.
    pub deleted: u64,
    /// Events and rows that were rejected: each is a letter.
    pub letters: u64,
    /// Whether it was stopped before its end.
    pub stopped: bool,
}

/// Runs jobs through the session's ingestion graph, and ends when all of them are durable, or in order at `stop`.
///
/// # Errors
/// The file has no ingestion graph; what keeps a graph from starting; its first failure.
pub async fn replay(
    session: &Session,
    jobs: Vec<Job>,
    stop: impl Future<Output = ()>,
) -> Result<Report, PipelineError> {
    let (graph, route) = session.checked.ingestion().ok_or_else(no_graph)?;
    let clock = Clock::system();
    let service = session.service(ServiceKind::ReadWrite)?;
    process::prepare(session, &service, &clock).await?;
    let memory = Budget::new("replay", session.checked.limits.memory.0);
    let queue = Arc::new(ListQueue::new(jobs.into_iter().map(Work::Take)));
    let own = Arc::clone(&queue);
    let assembled = assemble_with(
        &session.checked,
        &graph.name,
        &route,
        &service,
        &memory,
        &clock,
        own.clone(),
        own,
    )?;
    let Assembled {
        spec,
        puller,
        draining,
        tombstones,
        pulled,
        held,
        deletions: _deletions,
        ..
    } = assembled;
    // All of them, and for as long as it takes: a replay meets what is old.
    tombstones.note_older();
    deletion::note(&tombstones, tombstones::since(&service, Millis(0)).await?);
    let events = Arc::new(AtomicU64::new(0));
    let mut spec = IngestionSpec::clone(&spec);
    spec.decoder = counted(spec.decoder, Arc::clone(&events));
    spec.merge.hold.asks_all = true;
    let letters = Arc::clone(&spec.letters.written);
    let running = Ingestion::start(&Arc::new(spec), puller, session.checked.limits.workers)?;
    let mut stopped = false;
    let working = async {
        let failed = tokio::select! {
            failed = running.finish() => Some(failed),
            () = queue.handed_out() => None,
            () = stop => {
                stopped = true;
                None
            }
        };
        draining.send_replace(true);
        match failed {
            Some(failed) => failed,
            None => running.finish().await,
        }
    };
    let ended = working.await;
    running.stop().await;
    ended?;
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    Ok(Report {
        objects: count(&pulled.acknowledged),
        events: count(&events),
        unchanged: count(&held.unchanged),
        written: count(&held.written),
        deleted: count(&held.deleted),
        letters: count(&letters),
        stopped,
    })
}

/// The error of commands that need an ingestion graph.
#[must_use]
pub fn no_graph() -> PipelineError {
    PipelineError::Usage {
        reason: "the file has no ingestion graph".to_owned(),
    }
}

/// A decoder that counts events.
fn counted(decoder: Decoder, events: Arc<AtomicU64>) -> Decoder {
    Arc::new(move |job, bytes| {
        let decoded = decoder(job, bytes)?;
        events.fetch_add(decoded.events.len() as u64, Ordering::Relaxed);
        Ok(decoded)
    })
}

#[cfg(test)]
mod tests {
    use tracemill_sinks::store::StoreConfig;

    use super::*;

    const OWN: &str = "events/p/raw/1970/01/01/00/0000000000005-a.events.json";
    const OTHER: &str = "events/q/raw/1970/01/01/00/0000000000009-b.otlp.pb.gz";

    async fn found(store: &Store, choice: Choice) -> Vec<String> {
        let jobs = jobs(store, "events/", &choice).await.expect("a listing");
        jobs.iter().map(|job| job.object.to_string()).collect()
    }

    #[tokio::test]
    async fn objects_are_chosen_by_prefix_project_and_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&StoreConfig::new(folder.path().to_string_lossy())).expect("a store");
        let theirs = ["events/p/trace/t/f.json", "events/otel/p/2026/02/25/12/30/u.json"];
        let others = [
            "letters/p/2026/01/01/x.json",
            "old/p/trace/t/f.json",
            "events/p/media/x.json",
        ];
        for path in [OWN, OTHER].iter().chain(&theirs).chain(&others) {
            store.put(path, "[]".into()).await.expect("written");
        }
        let all = Choice::default();
        // The reference's objects were written just now.
        assert_eq!(found(&store, all.clone()).await[..2], [OWN, OTHER]);
        assert_eq!(found(&store, all.clone()).await.len(), 4);
        let project = |project: &str| Choice {
            project: Some(project.to_owned()),
            ..Choice::default()
        };
        assert_eq!(found(&store, project("p")).await.len(), 3);
        assert_eq!(found(&store, project("q")).await, [OTHER]);
        let between = |since, until| Choice {
            since: Some(Millis(since)),
            until: Some(Millis(until)),
            ..Choice::default()
        };
        assert_eq!(found(&store, between(5, 9)).await, [OWN]);
        assert_eq!(found(&store, between(6, 10)).await, [OTHER]);
        let prefix = |prefix: &str| Choice {
            prefix: Some(prefix.to_owned()),
            ..Choice::default()
        };
        assert_eq!(found(&store, prefix("events/p/raw/1970/01")).await, [OWN]);
        assert_eq!(found(&store, prefix("events/ot")).await, [theirs[1]]);
        assert_eq!(
            found(&store, prefix("old/")).await,
            [others[1]],
            "another place in the same layout"
        );
    }
}
