//! What a running process leaves behind for `tracemill status`: one small JSON file a process, replaced as a whole.
//!
//! *Invariants.* A file is renamed into place, so a reader sees all of it or the one before. A file tells its process by
//! number and start time, so that one left by a killed process is known as such.
//!
//! *On error.* The process goes on without the file; the first failure is told in the log.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tracemill_model::{ExportKey, Millis};
use tracemill_operators::progress::Progress;
use tracemill_operators::{Budget, Clock};
use tracemill_sinks::commit::fence::Owner;

use crate::PipelineError;
use crate::export::ExportSpec;
use crate::export::reached::Reached;
use crate::figures::{Figures, Last, Summary};
use crate::governor::{GovernorStatus, Told};
use crate::pace::{Sample, expected_rows};

/// How often the file is written.
const EVERY: Duration = Duration::from_secs(2);
/// Files of processes that have ended which are kept.
const KEPT: usize = 8;

/// A process, as it last described itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunStatus {
    /// Which process.
    pub owner: Owner,
    /// The graph file.
    pub graph: String,
    /// When this was written.
    pub at: Millis,
    /// How it ended; `None` while it runs, and for ever if it was killed.
    pub ended: Option<Ended>,
    /// Its byte budget.
    pub memory: Memory,
    /// What holds its exports back.
    #[serde(default)]
    pub governor: Option<GovernorStatus>,
    /// Its exports.
    pub exports: Vec<ExportStatus>,
    /// Its histograms.
    pub histograms: Vec<Summary>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ended {
    /// `None`: well.
    pub error: Option<String>,
}

/// The byte budget of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    /// Bytes.
    pub limit: u64,
    /// Bytes held now.
    pub used: u64,
    /// The most bytes that were held at once.
    pub peak: u64,
}

/// One export of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportStatus {
    /// The graph and the sink.
    pub route: String,
    /// `project/table`.
    pub export: String,
    /// What its pieces of work do, by name.
    pub states: Vec<(String, String)>,
    /// Windows that the plan gave out.
    pub windows_planned: u64,
    /// Windows that were committed.
    pub windows_committed: u64,
    /// Rows read from ClickHouse.
    pub rows_read: u64,
    /// Bytes of Arrow data read from ClickHouse.
    pub bytes_read: u64,
    /// Rows written.
    pub rows_written: u64,
    /// Bytes of files sent.
    pub bytes_written: u64,
    /// Files finished.
    pub files_written: u64,
    /// Leaves that were split.
    pub splits: u64,
    /// Leaves that were given up.
    pub letters: u64,
    /// Attempts that met an outage.
    pub outages: u64,
    /// The newest window that was committed.
    pub last: Option<Last>,
    /// The end of what is committed without a gap.
    #[serde(default)]
    pub cursor: Option<Millis>,
    /// How far the cursor is behind where it may be; where nothing was missing, how long ago that was seen.
    #[serde(default)]
    pub behind_ms: Option<u64>,
}

/// An export of this process.
#[derive(Debug)]
struct Entry {
    route: String,
    key: ExportKey,
    progress: Progress,
    reached: Reached,
    lag: Duration,
}

/// The exports of this process, to be looked at from other threads. Cheap to clone; clones are one.
#[derive(Debug, Clone)]
pub struct Board {
    exports: Arc<Mutex<Vec<Entry>>>,
    owner: Owner,
    graph: String,
    clock: Clock,
    memory: Budget,
    /// The histograms.
    pub figures: Figures,
    /// What the governor says.
    pub governor: Told,
}

impl Board {
    /// An empty board.
    #[must_use]
    pub fn new(graph: String, owner: Owner, clock: Clock, memory: Budget, figures: Figures) -> Self {
        Self {
            exports: Arc::default(),
            owner,
            graph,
            clock,
            memory,
            figures,
            governor: Told::default(),
        }
    }

    /// Adds an export.
    pub fn add(&self, spec: &ExportSpec) {
        let entry = Entry {
            route: spec.route.clone(),
            key: spec.key.clone(),
            progress: spec.progress.clone(),
            reached: spec.reached.clone(),
            lag: spec.lag,
        };
        self.with(|exports| exports.push(entry));
    }

    fn with<T>(&self, look: impl FnOnce(&mut Vec<Entry>) -> T) -> T {
        look(&mut self.exports.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The sum of a counter.
    fn sum(&self, count: impl Fn(&Progress) -> u64) -> u64 {
        self.with(|exports| exports.iter().map(|entry| count(&entry.progress)).sum())
    }

    /// Windows that were given out and not committed.
    #[must_use]
    pub fn open_windows(&self) -> u64 {
        self.sum(|progress| progress.get(|c| &c.windows_planned))
            .saturating_sub(self.sum(|progress| progress.get(|c| &c.windows_committed)))
    }

    /// Everything, as bars show it. `expected`: the rows that will be read, where somebody knows better.
    #[must_use]
    pub fn sample(&self, expected: Option<u64>) -> Sample {
        let files = self.sum(|p| p.get(|c| &c.files_written));
        let committed = self.sum(|p| p.get(|c| &c.windows_committed));
        let known = self.sum(|p| p.get(|c| &c.windows_known));
        let letters = self.sum(|p| p.get(|c| &c.letters));
        let waiting = self.with(|exports| {
            let states = exports.iter().flat_map(|entry| entry.progress.states());
            states.into_iter().map(|(_, state)| state).find(|state| {
                use tracemill_operators::progress::State::{BackingOff, Held};
                matches!(state, BackingOff { .. } | Held { .. })
            })
        });
        let mut note = format!("{committed}/{known} windows  {files} files");
        if letters > 0 {
            note.push_str(&format!("  {letters} letters"));
        }
        if let Some(state) = waiting {
            note.push_str(&format!("  {state}"));
        }
        let done = self.sum(|p| p.get(|c| &c.rows_read));
        let total = expected.or_else(|| {
            self.with(|exports| expected_rows(exports.iter().map(|entry| (entry.key.table, &entry.progress))))
        });
        Sample {
            rows: self.sum(|p| p.get(|c| &c.rows_written)),
            bytes: self.sum(|p| p.get(|c| &c.bytes_read)),
            done,
            total: total.filter(|total| *total > 0).map(|total| total.max(done)),
            note,
        }
    }

    /// Rows, bytes of files, files and windows that were written, and letters.
    #[must_use]
    pub fn totals(&self) -> [u64; 5] {
        [
            self.sum(|p| p.get(|c| &c.rows_written)),
            self.sum(|p| p.get(|c| &c.bytes_written)),
            self.sum(|p| p.get(|c| &c.files_written)),
            self.sum(|p| p.get(|c| &c.windows_committed)),
            self.sum(|p| p.get(|c| &c.letters)),
        ]
    }

    /// Everything, as the file has it.
    #[must_use]
    pub fn status(&self, ended: Option<Ended>) -> RunStatus {
        let figures = &self.figures;
        let exports = self.with(|exports| {
            let last = |entry: &Entry| figures.last(&entry.route, &entry.key);
            exports
                .iter()
                .map(|entry| export_status(entry, last(entry), self.clock.now()))
                .collect()
        });
        RunStatus {
            owner: self.owner.clone(),
            graph: self.graph.clone(),
            at: self.clock.now(),
            ended,
            memory: Memory {
                limit: self.memory.limit(),
                used: self.memory.used(),
                peak: self.memory.peak(),
            },
            governor: self.governor.now(),
            exports,
            histograms: figures.summaries(),
        }
    }
}

fn export_status(entry: &Entry, last: Option<Last>, now: Millis) -> ExportStatus {
    let Entry {
        route,
        key,
        progress,
        reached,
        lag,
    } = entry;
    let behind = reached.behind(now, *lag);
    let states = progress.states();
    ExportStatus {
        route: route.clone(),
        export: key.to_string(),
        states: states
            .into_iter()
            .map(|(name, state)| (name, state.to_string()))
            .collect(),
        windows_planned: progress.get(|c| &c.windows_planned),
        windows_committed: progress.get(|c| &c.windows_committed),
        rows_read: progress.get(|c| &c.rows_read),
        bytes_read: progress.get(|c| &c.bytes_read),
        rows_written: progress.get(|c| &c.rows_written),
        bytes_written: progress.get(|c| &c.bytes_written),
        files_written: progress.get(|c| &c.files_written),
        splits: progress.get(|c| &c.splits),
        letters: progress.get(|c| &c.letters),
        outages: progress.get(|c| &c.outages),
        last,
        cursor: reached.cursor(),
        behind_ms: behind.map(|behind| u64::try_from(behind.as_millis()).unwrap_or(u64::MAX)),
    }
}

/// Writes the file of this process.
#[derive(Debug)]
pub struct StatusFile {
    folder: PathBuf,
    path: PathBuf,
    written: Option<Instant>,
    has_failed: bool,
}

impl StatusFile {
    /// A file below `folder`, which is made when it is first written. Old ones of ended processes are removed.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        prune(folder);
        Self {
            folder: folder.to_owned(),
            path: folder.join(format!("run-{}.json", std::process::id())),
            written: None,
            has_failed: false,
        }
    }

    /// Writes it if the last time is long enough ago.
    pub fn tick(&mut self, board: &Board) {
        if self.written.is_none_or(|at| at.elapsed() >= EVERY) {
            self.write(&board.status(None));
        }
    }

    /// Writes it.
    pub fn write(&mut self, status: &RunStatus) {
        self.written = Some(Instant::now());
        if let Err(error) = self.try_write(status)
            && !std::mem::replace(&mut self.has_failed, true)
        {
            tracing::warn!(%error, folder = %self.folder.display(), "the status cannot be left there");
        }
    }

    fn try_write(&self, status: &RunStatus) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        let text = serde_json::to_vec_pretty(status)?;
        let new = self.path.with_extension("new");
        std::fs::write(&new, text)?;
        std::fs::rename(&new, &self.path)
    }
}

/// A file as it was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FoundRun {
    /// Whether its process runs: then the file is at most some seconds old.
    pub alive: bool,
    /// What it says.
    #[serde(flatten)]
    pub status: RunStatus,
}

/// The runs of this machine that left a file, the newest first. Files that cannot be read are left out.
///
/// # Errors
/// The folder is there but cannot be listed.
pub fn found(folder: &Path) -> Result<Vec<FoundRun>, PipelineError> {
    let io = |error: std::io::Error| PipelineError::Io {
        what: format!("cannot look into the status folder {}", folder.display()),
        reason: error.to_string(),
    };
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(io)?,
    };
    let mut runs = Vec::new();
    for entry in entries {
        let path = entry.map_err(io)?.path();
        let is_ours = path.extension().is_some_and(|extension| extension == "json");
        if let Some(status) = std::fs::read(&path).ok().filter(|_| is_ours)
            && let Ok(status) = serde_json::from_slice::<RunStatus>(&status)
        {
            let alive = status.ended.is_none() && status.owner.is_running_here() == Some(true);
            runs.push(FoundRun { alive, status });
        }
    }
    runs.sort_by_key(|run| std::cmp::Reverse((run.alive, run.status.at)));
    Ok(runs)
}

/// Keeps the newest files of ended processes. Best effort: what stays harms nobody.
fn prune(folder: &Path) {
    let Ok(runs) = found(folder) else { return };
    for run in runs.iter().filter(|run| !run.alive).skip(KEPT) {
        let _ = std::fs::remove_file(folder.join(format!("run-{}.json", run.status.owner.pid)));
    }
}

#[cfg(test)]
mod tests {
    use tracemill_model::{ProjectId, Table};
    use tracemill_operators::progress::State;

    use super::*;

    fn board() -> (Board, Progress) {
        let owner = Owner::this_process("run".to_owned(), Millis(1));
        let board = Board::new(
            "graph.toml".to_owned(),
            owner,
            Clock::of(|| Millis(5)),
            Budget::new("process", 100),
            Figures::default(),
        );
        let key = ExportKey {
            project: ProjectId::new("p").expect("an id"),
            table: Table::Traces,
        };
        let progress = Progress::default();
        let reached = Reached::default();
        reached.looked(Millis(3), Some(Millis(0)), Some(Millis(0)));
        board.with(|exports| {
            exports.push(Entry {
                route: "export.lake".to_owned(),
                key: key.clone(),
                progress: progress.clone(),
                reached,
                lag: Duration::ZERO,
            });
        });
        let last = Last {
            at: Millis(4),
            duration_ms: 3,
        };
        board.figures.committed("export.lake", &key, last);
        (board, progress)
    }

    #[test]
    fn a_status_reads_back_and_tells_a_living_process_from_one_that_ended() {
        let folder = tempfile::tempdir().expect("a folder");
        let (board, progress) = board();
        progress.add(|c| &c.rows_written, 7);
        let _stage = progress.stage("plan", State::ReadingKeys);
        let mut file = StatusFile::new(folder.path());
        file.tick(&board);
        let runs = found(folder.path()).expect("readable");
        assert_eq!(runs.len(), 1);
        assert!(runs[0].alive);
        assert_eq!(runs[0].status, board.status(None));
        assert_eq!(
            runs[0].status.exports[0].states,
            [("plan".to_owned(), "reading_keys".to_owned())]
        );
        assert_eq!(runs[0].status.exports[0].behind_ms, Some(2));
        assert_eq!(runs[0].status.exports[0].last.map(|last| last.duration_ms), Some(3));
        file.write(&board.status(Some(Ended { error: None })));
        assert!(!found(folder.path()).expect("readable")[0].alive, "it has ended");
    }

    #[test]
    fn a_file_of_a_killed_process_is_known_by_its_start() {
        let folder = tempfile::tempdir().expect("a folder");
        let (board, _) = board();
        let mut status = board.status(None);
        status.owner.process_start += 1;
        StatusFile::new(folder.path()).write(&status);
        std::fs::write(folder.path().join("torn.json"), "{").expect("written");
        let runs = found(folder.path()).expect("readable");
        assert_eq!(runs.iter().map(|run| run.alive).collect::<Vec<_>>(), [false]);
        assert_eq!(found(&folder.path().join("none")).expect("no folder"), []);
    }

    #[test]
    fn a_board_adds_up_and_expects_nothing_before_the_plan_looked() {
        let (board, progress) = board();
        assert_eq!(board.sample(None).total, None);
        progress.add(|c| &c.windows_planned, 3);
        progress.add(|c| &c.windows_committed, 1);
        assert_eq!(board.open_windows(), 2);
        assert_eq!(board.sample(Some(10)).total, Some(10));
    }
}
