//! What the machinery does, as plain data: whoever runs it fills it in, the page shows it.

use async_trait::async_trait;
use tracemill_model::Millis;

/// Tells how the machinery does.
#[async_trait]
pub trait Operations: Send + Sync {
    /// Everything, now.
    async fn look(&self) -> Overview;
}

/// Everything at one moment. Times are ms since 1970.
#[derive(Debug, Clone, Default)]
pub struct Overview {
    /// When.
    pub at: Millis,
    /// The parts of this process.
    pub workloads: Vec<Workload>,
    /// What is not well, in words.
    pub ill: Vec<String>,
    /// What comes in, where this process or another of this machine takes it.
    pub ingestion: Option<Ingestion>,
    /// Each export of this process, or of another of this machine.
    pub exports: Vec<Export>,
    /// What holds the exports back.
    pub governor: Option<Governor>,
    /// Why exports are not known, where they are not.
    pub missing: Option<String>,
}

/// A part of a process.
#[derive(Debug, Clone)]
pub struct Workload {
    /// `ingestion`, `export`, `web`.
    pub name: String,
    /// `running`, or why not.
    pub state: String,
    /// Whether it runs.
    pub is_well: bool,
}

/// What comes in.
#[derive(Debug, Clone, Default)]
pub struct Ingestion {
    /// `ready`, `away` or `closed`.
    pub queue: String,
    /// Why it is away.
    pub error: Option<String>,
    /// Jobs that wait; not known where the queue does not answer. The same holds for the next ones.
    pub waiting: Option<u64>,
    /// Jobs that are worked on.
    pub active: Option<u64>,
    /// Jobs that are not due yet.
    pub delayed: Option<u64>,
    /// Jobs that failed for good.
    pub failed: Option<u64>,
    /// How long the oldest job that is not done has been there, in ms.
    pub oldest_ms: Option<u64>,
    /// Rows that were written.
    pub written: u64,
    /// Letters that were written.
    pub letters: u64,
    /// Inserts that are under way: table and state.
    pub inserts: Vec<(String, String)>,
}

/// One export of one table of one project.
#[derive(Debug, Clone, Default)]
pub struct Export {
    /// The graph and the sink.
    pub route: String,
    /// Whose.
    pub project: String,
    /// Which table.
    pub table: String,
    /// Everything before it is exported.
    pub cursor: Option<Millis>,
    /// How far the cursor is behind where it may be, in ms.
    pub lag_ms: Option<u64>,
    /// The last windows, the newest first.
    pub windows: Vec<ExportWindow>,
    /// What its pieces of work do: name and state.
    pub states: Vec<(String, String)>,
    /// Windows that were begun and are not committed.
    pub open: u64,
    /// Windows that were committed.
    pub committed: u64,
    /// Rows that were written.
    pub rows: u64,
    /// Bytes that were written.
    pub bytes: u64,
    /// Leaves that were split.
    pub splits: u64,
    /// Rows that were given up.
    pub letters: u64,
    /// Attempts that met a server that was away.
    pub outages: u64,
}

/// A window that was committed.
#[derive(Debug, Clone)]
pub struct ExportWindow {
    /// Its begin.
    pub from: Millis,
    /// Its end.
    pub to: Millis,
    /// How often it was written: 0, 1, ...
    pub generation: u32,
    /// When, as far as this is known.
    pub written: Option<Millis>,
}

/// What holds the exports back.
#[derive(Debug, Clone, Default)]
pub struct Governor {
    /// The part of full speed, in percent.
    pub percent: f64,
    /// Why.
    pub reason: String,
    /// Leaves at once; `None`: as configured.
    pub leaves: Option<u64>,
    /// Bytes a second; `None`: without a limit.
    pub bytes_per_second: Option<u64>,
    /// What 95 of 100 interactive queries are to take at most, in ms.
    pub target_ms: Option<f64>,
    /// What they take, in ms.
    pub p95_ms: f64,
    /// Interactive queries of the recent seconds.
    pub queries: u64,
    /// The last changes, the newest last: when, and to how many percent.
    pub changes: Vec<(Millis, f64)>,
}
