//! What a process that ingests leaves behind for `tracemill status`: one small JSON file, replaced as a whole, beside that
//! of its exports.
//!
//! *On error.* The process goes on without the file; the first failure is told in the log.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracemill_model::{ByteSize, Millis};
use tracemill_operators::merge::hold::Held;
use tracemill_operators::{Budget, Clock};
use tracemill_sinks::commit::fence::Owner;
use tracemill_sinks::rows::Writer;
use tracemill_sources::queue::{Depth, Queue, State};
use tracemill_sources::stored::AnswerFigures;

use super::pull::PullFigures;
use crate::governor::inserts::{InsertsStatus, InsertsTold};
use crate::pace::{for_people, grouped};
use crate::status::{Ended, Memory};

/// How often the file is written.
const EVERY: Duration = Duration::from_secs(2);

/// Files of processes that have ended which are kept.
const KEPT: usize = 8;

/// A process's ingestion, as it last described itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IngestionStatus {
    /// Which process.
    pub owner: Owner,
    /// The graph file.
    pub file: String,
    /// The graph's name in it.
    pub graph: String,
    /// When this was written.
    pub at: Millis,
    /// How it ended; `None` while it runs, and for ever if it was killed.
    pub ended: Option<Ended>,
    /// Its byte budget.
    pub memory: Memory,
    /// Its queue.
    pub queue: QueueStatus,
    /// Epochs that are not durable yet.
    pub epochs_open: u64,
    /// Jobs that were pulled.
    pub pulled: u64,
    /// Jobs that were acknowledged.
    pub acknowledged: u64,
    /// Jobs that failed for good.
    pub failed: u64,
    /// Entities that are held in memory.
    pub entities: u64,
    /// Their bytes, about.
    pub entity_bytes: u64,
    /// Entities that were looked up in ClickHouse.
    pub lookups: u64,
    /// Lookups that also read raw objects again.
    pub histories: u64,
    /// Rows that were written.
    pub written: u64,
    /// States that were stored already.
    pub unchanged: u64,
    /// States that were not written, since their entity was deleted.
    pub deleted: u64,
    /// Letters that were written.
    pub letters: u64,
    /// What each insert that is under way does: table and state.
    pub inserts: Vec<(String, String)>,
    /// Inserts that ClickHouse took.
    #[serde(default)]
    pub inserted: u64,
    /// How long batches wait for company, and why.
    #[serde(default)]
    pub governor: Option<InsertsStatus>,
}

/// A queue, as it was last seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueStatus {
    /// `ready`, `away` or `closed`.
    pub state: String,
    /// Why it is away.
    pub error: Option<String>,
    /// Jobs that wait. This and the others are not known where the queue does not answer.
    pub waiting: Option<u64>,
    /// Jobs that are worked on.
    pub active: Option<u64>,
    /// Jobs that are not due yet.
    pub delayed: Option<u64>,
    /// Jobs that failed for good and are kept.
    pub failed: Option<u64>,
    /// How long the oldest job that is not done has been there.
    pub oldest_age_ms: Option<u64>,
    /// By project, the longest wait first: a hundred, and what is beyond under [`OTHERS`].
    #[serde(default)]
    pub projects: Vec<ProjectQueue>,
}

/// A project's part of a queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectQueue {
    /// Which; empty: of jobs that are of none.
    pub project: String,
    /// Jobs that wait.
    pub waiting: u64,
    /// Jobs that are worked on.
    pub active: u64,
    /// How long the oldest job that is not done has been there.
    pub oldest_age_ms: Option<u64>,
}

/// The name under which the projects are summed up that are not told one by one.
pub const OTHERS: &str = "_others";

/// So many projects are told one by one.
const TOLD: usize = 100;

/// So many are told to people.
const SHOWN: usize = 5;

/// The projects that wait longest, and the sum of the others.
fn by_project(mut projects: Vec<ProjectQueue>) -> Vec<ProjectQueue> {
    projects.sort_by(|a, b| (b.oldest_age_ms, &a.project).cmp(&(a.oldest_age_ms, &b.project)));
    if projects.len() > TOLD {
        let mut others = ProjectQueue {
            project: OTHERS.to_owned(),
            ..ProjectQueue::default()
        };
        for project in projects.drain(TOLD..) {
            others.waiting += project.waiting;
            others.active += project.active;
            others.oldest_age_ms = others.oldest_age_ms.max(project.oldest_age_ms);
        }
        projects.push(others);
    }
    projects
}

impl QueueStatus {
    fn new(state: &State, depth: Option<&Depth>, now: Millis) -> Self {
        let age = |oldest: Millis| u64::try_from(now.0.saturating_sub(oldest.0)).unwrap_or(0);
        Self {
            state: state.name().to_owned(),
            error: match state {
                State::Away { error, .. } => Some(error.clone()),
                State::Ready | State::Closed => None,
            },
            waiting: depth.map(|depth| depth.waiting),
            active: depth.map(|depth| depth.active),
            delayed: depth.map(|depth| depth.delayed),
            failed: depth.map(|depth| depth.failed),
            oldest_age_ms: depth.and_then(|depth| depth.oldest).map(age),
            projects: by_project(
                depth
                    .map_or(&[][..], |depth| &depth.projects)
                    .iter()
                    .map(|project| ProjectQueue {
                        project: project.project.to_string(),
                        waiting: project.waiting,
                        active: project.active,
                        oldest_age_ms: project.oldest.map(age),
                    })
                    .collect(),
            ),
        }
    }
}

/// The figures of a running graph.
#[derive(Debug, Clone)]
pub struct Gauges {
    /// The graph file.
    pub file: String,
    /// The graph's name in it.
    pub graph: String,
    /// Which process.
    pub owner: Owner,
    /// Its memory.
    pub memory: Budget,
    /// Its queue.
    pub queue: Arc<dyn Queue>,
    /// What was pulled.
    pub pulled: Arc<PullFigures>,
    /// What is held.
    pub held: Arc<Held>,
    /// What was looked up.
    pub asked: Arc<AnswerFigures>,
    /// Writes rows.
    pub writer: Arc<Writer>,
    /// Letters that were written.
    pub letters: Arc<AtomicU64>,
    /// What the governor does with inserts.
    pub governor: InsertsTold,
    /// Now.
    pub clock: Clock,
}

impl Gauges {
    /// Everything, as the file has it.
    pub async fn status(&self, ended: Option<Ended>) -> IngestionStatus {
        let now = self.clock.now();
        // A queue that hangs is told as one whose depth is not known.
        let depth = match tokio::time::timeout(EVERY, self.queue.depth()).await {
            Ok(Ok(depth)) => Some(depth),
            Ok(Err(_)) | Err(_) => None,
        };
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Self {
            pulled, held, asked, ..
        } = self;
        IngestionStatus {
            owner: self.owner.clone(),
            file: self.file.clone(),
            graph: self.graph.clone(),
            at: now,
            ended,
            memory: Memory {
                limit: self.memory.limit(),
                used: self.memory.used(),
                peak: self.memory.peak(),
            },
            queue: QueueStatus::new(&self.queue.state(), depth.as_ref(), now),
            epochs_open: get(&pulled.open),
            pulled: get(&pulled.pulled),
            acknowledged: get(&pulled.acknowledged),
            failed: get(&pulled.failed),
            entities: get(&held.entities),
            entity_bytes: get(&held.bytes),
            lookups: get(&held.lookups),
            histories: get(&asked.histories),
            written: get(&held.written),
            unchanged: get(&held.unchanged),
            deleted: get(&held.deleted),
            letters: get(&self.letters),
            inserts: self
                .writer
                .states()
                .list()
                .into_iter()
                .map(|(table, state)| (table.name().to_owned(), state.to_string()))
                .collect(),
            inserted: self.writer.accepted(),
            governor: self.governor.now(),
        }
    }

    /// Writes the file every few seconds, for as long as it is polled.
    pub async fn keep(&self, folder: &Path) {
        prune(folder);
        let mut has_failed = false;
        loop {
            let status = self.status(None).await;
            if let Err(error) = write(folder, &status)
                && !std::mem::replace(&mut has_failed, true)
            {
                tracing::warn!(%error, folder = %folder.display(), "the status cannot be left there");
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Writes it a last time.
    pub async fn end(&self, folder: &Path, error: Option<String>) {
        // Whoever could be told was told when the file was first written.
        let _ = write(folder, &self.status(Some(Ended { error })).await);
    }
}

fn path(folder: &Path, pid: u32) -> PathBuf {
    folder.join(format!("ingestion-{pid}.json"))
}

fn write(folder: &Path, status: &IngestionStatus) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let path = path(folder, status.owner.pid);
    let new = path.with_extension("new");
    std::fs::write(&new, serde_json::to_vec_pretty(status)?)?;
    std::fs::rename(&new, &path)
}

/// A file as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FoundIngestion {
    /// Whether its process runs: then the file is at most some seconds old.
    pub alive: bool,
    /// What it says.
    #[serde(flatten)]
    pub status: IngestionStatus,
}

/// The ingestion of this machine that left a file, the newest first. What cannot be read is left out.
#[must_use]
pub fn found(folder: &Path) -> Vec<FoundIngestion> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<FoundIngestion> = entries
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("ingestion-") && name.ends_with(".json")
        })
        .filter_map(|path| serde_json::from_slice::<IngestionStatus>(&std::fs::read(path).ok()?).ok())
        .map(|status| FoundIngestion {
            alive: status.ended.is_none() && status.owner.is_running_here() == Some(true),
            status,
        })
        .collect();
    found.sort_by_key(|found| std::cmp::Reverse((found.alive, found.status.at)));
    found
}

/// Keeps the newest files of ended processes. Best effort: what stays harms nobody.
fn prune(folder: &Path) {
    for old in found(folder).iter().filter(|found| !found.alive).skip(KEPT) {
        let _ = std::fs::remove_file(path(folder, old.status.owner.pid));
    }
}

/// Lines for people.
#[must_use]
pub fn lines(found: &FoundIngestion) -> Vec<String> {
    let status = &found.status;
    let verb = match (&status.ended, found.alive) {
        (None, true) => "runs".to_owned(),
        (None, false) => "was killed".to_owned(),
        (Some(Ended { error: None }), _) => "ended well".to_owned(),
        (Some(Ended { error: Some(error) }), _) => format!("ended: {error}"),
    };
    let queue = &status.queue;
    let count = |n: Option<u64>| n.map_or_else(|| "?".to_owned(), grouped);
    let age = queue.oldest_age_ms.map(|ms| for_people(Duration::from_millis(ms)));
    let age = age.map(|age| format!(", the oldest {age} old")).unwrap_or_default();
    let error = queue
        .error
        .as_ref()
        .map(|error| format!(": {error}"))
        .unwrap_or_default();
    let mut lines = vec![
        format!(
            "ingestion {}  {verb}; {}; written at {}",
            status.graph, status.owner, status.at
        ),
        format!(
            "  queue {}{error}: {} wait, {} active, {} delayed, {} failed{age}",
            queue.state,
            count(queue.waiting),
            count(queue.active),
            count(queue.delayed),
            count(queue.failed)
        ),
    ];
    // One alone is the whole queue.
    let told = queue.projects.iter().filter(|_| queue.projects.len() > 1).take(SHOWN);
    lines.extend(told.map(|project| {
        let age = project.oldest_age_ms.map(|ms| for_people(Duration::from_millis(ms)));
        format!(
            "    project {}: {} wait, {} active, the oldest {} old",
            project.project,
            grouped(project.waiting),
            grouped(project.active),
            age.unwrap_or_default()
        )
    }));
    lines.extend([
        format!(
            "  {} jobs pulled, {} acknowledged, {} failed; {} epochs open",
            grouped(status.pulled),
            grouped(status.acknowledged),
            grouped(status.failed),
            status.epochs_open
        ),
        format!(
            "  {} entities held, {}; {} lookups, {} with history",
            grouped(status.entities),
            ByteSize(status.entity_bytes),
            grouped(status.lookups),
            grouped(status.histories)
        ),
        format!(
            "  {} rows written, {} there already, {} deleted before, {} letters",
            grouped(status.written),
            grouped(status.unchanged),
            grouped(status.deleted),
            grouped(status.letters)
        ),
    ]);
    let governor = status.governor.as_ref();
    lines.extend(governor.map(|governor| format!("  {}", governor.line(status.at))));
    lines.extend(
        status
            .inserts
            .iter()
            .map(|(table, state)| format!("    {table}: {state}")),
    );
    let memory = status.memory;
    let [limit, used, peak] = [memory.limit, memory.used, memory.peak].map(ByteSize);
    lines.push(format!("  memory budget {limit}: {used} held, {peak} at most"));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracemill_sources::queue::ProjectDepth;

    fn status() -> IngestionStatus {
        let away = State::Away {
            since: Millis(1),
            error: "no route".to_owned(),
        };
        IngestionStatus {
            owner: Owner::this_process("run".to_owned(), Millis(1)),
            file: "graph.toml".to_owned(),
            graph: "ingestion".to_owned(),
            at: Millis(5),
            ended: None,
            memory: Memory {
                limit: 1 << 20,
                used: 0,
                peak: 0,
            },
            queue: QueueStatus::new(
                &away,
                Some(&Depth {
                    waiting: 1234,
                    oldest: Some(Millis(1_000)),
                    projects: (0..150).map(depth_of).collect(),
                    ..Depth::default()
                }),
                Millis(61_000),
            ),
            epochs_open: 2,
            pulled: 3,
            acknowledged: 1,
            failed: 0,
            entities: 4,
            entity_bytes: 4096,
            lookups: 5,
            histories: 0,
            written: 6,
            unchanged: 7,
            deleted: 0,
            letters: 8,
            inserts: vec![("traces".to_owned(), "held(no access)".to_owned())],
            inserted: 9,
            governor: Some(InsertsStatus {
                stretch: 4,
                wait_ms: 3_000,
                reason: "many_parts".to_owned(),
                ..InsertsStatus::default()
            }),
        }
    }

    fn depth_of(n: u32) -> ProjectDepth {
        ProjectDepth {
            project: format!("p{n}").into(),
            waiting: 2,
            active: 1,
            oldest: Some(Millis(i64::from(n) * 100)),
        }
    }

    #[test]
    fn a_hundred_projects_are_told_and_the_others_summed_up() {
        let projects = status().queue.projects;
        assert_eq!(projects.len(), 101);
        assert_eq!(
            (projects[0].project.as_str(), projects[0].oldest_age_ms),
            ("p0", Some(61_000))
        );
        let others = &projects[100];
        assert_eq!(
            (others.project.as_str(), others.waiting, others.active),
            (OTHERS, 100, 50)
        );
        assert_eq!(others.oldest_age_ms, Some(51_000), "the longest of them");
    }

    #[test]
    fn a_status_reads_back_and_an_ended_one_is_not_alive() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(found(&folder.path().join("none")), []);
        write(folder.path(), &status()).expect("written");
        std::fs::write(folder.path().join("ingestion-0.json"), "{").expect("written");
        let alive = found(folder.path());
        assert_eq!(
            alive,
            [FoundIngestion {
                alive: true,
                status: status()
            }]
        );
        let ended = IngestionStatus {
            ended: Some(Ended { error: None }),
            ..status()
        };
        write(folder.path(), &ended).expect("written");
        assert!(!found(folder.path())[0].alive);
        // The exports' part looks at files of its own.
        assert_eq!(crate::status::found(folder.path()).expect("readable"), []);
    }

    #[test]
    fn people_read_what_waits_and_why() {
        let lines = lines(&FoundIngestion {
            alive: true,
            status: status(),
        });
        let text = lines.join("\n");
        for part in [
            "ingestion ingestion  runs",
            "queue away: no route: 1,234 wait",
            "the oldest 1 min 0 s old",
            "project p0: 2 wait, 1 active, the oldest 1 min 1 s old",
            "2 epochs open",
            "8 letters",
            "    traces: held(no access)",
            "inserts wait 4 times their age, 3,000 ms, (many_parts)",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
