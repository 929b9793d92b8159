//! What the pages tell of the machinery: from this process's registry, from the files that other processes of this machine
//! leave, and from the stores of the exports.
//!
//! *Invariants.* Nothing is asked before somebody looks. Stores are listed at most every 15 s, by one look at a time; one
//! that does not answer in time is told as such, and the rest is shown.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::Mutex;
use tracemill_model::{Millis, Window};
use tracemill_operators::Clock;
use tracemill_web::Operations;
use tracemill_web::pages::operations::{Export, ExportWindow, Governor, Ingestion, Overview, Workload};

use crate::PipelineError;
use crate::assemble::Choice;
use crate::config::Checked;
use crate::export::plan::cursor;
use crate::governor::GovernorStatus;
use crate::ingestion::status::{self as ingestion, IngestionStatus};
use crate::observe::Registry;
use crate::observe::health::Ill;
use crate::shelf::{Shelf, shelves};
use crate::status::{ExportStatus, RunStatus, found};
use crate::workload::State;

/// How old a listing of the stores may be.
const FRESH: Duration = Duration::from_secs(15);
/// How long the stores may take to answer.
const WITHIN: Duration = Duration::from_secs(5);
/// Windows of an export that are told.
const WINDOWS: usize = 6;

/// What the store of an export says of it.
#[derive(Debug, Clone)]
struct Stored {
    route: String,
    project: String,
    table: String,
    cursor: Option<Millis>,
    lag: Duration,
    windows: Vec<ExportWindow>,
}

/// A listing of the stores, or why there is none, and when it was asked for.
type Listing = (Instant, Result<Vec<Stored>, String>);

/// Looks at everything.
#[derive(Debug)]
pub struct Overseer {
    checked: Checked,
    registry: Registry,
    clock: Clock,
    stored: Mutex<Option<Listing>>,
}

impl Overseer {
    /// Of this process and of the machine that it runs on.
    #[must_use]
    pub fn new(checked: Checked, registry: Registry, clock: Clock) -> Self {
        Self {
            checked,
            registry,
            clock,
            stored: Mutex::default(),
        }
    }

    /// What the stores say, or why they say nothing.
    async fn stored(&self) -> Result<Vec<Stored>, String> {
        let mut held = self.stored.lock().await;
        if let Some((at, stored)) = &*held
            && at.elapsed() < FRESH
        {
            return stored.clone();
        }
        let listed = match tokio::time::timeout(WITHIN, list(&self.checked)).await {
            Ok(listed) => listed.map_err(|error| format!("The store of the exports cannot be read: {error}")),
            Err(_) => Err("The store of the exports does not answer.".to_owned()),
        };
        *held = Some((Instant::now(), listed.clone()));
        listed
    }

    /// The newest run that exports: of this process, else of another of this machine.
    fn run(&self, own: Option<RunStatus>) -> Option<RunStatus> {
        own.or_else(|| {
            let runs = found(&self.checked.status.dir).ok()?;
            runs.into_iter().find(|run| run.alive).map(|run| run.status)
        })
    }

    fn ingestion(&self, own: Option<IngestionStatus>) -> Option<IngestionStatus> {
        own.or_else(|| {
            let runs = ingestion::found(&self.checked.status.dir);
            runs.into_iter().find(|run| run.alive).map(|run| run.status)
        })
    }
}

#[async_trait]
impl Operations for Overseer {
    async fn look(&self) -> Overview {
        let snapshot = self.registry.snapshot(&self.clock).await;
        let now = snapshot.at;
        let run = self.run(snapshot.export);
        let ingestion = self.ingestion(snapshot.ingestion);
        let (stored, missing) = match self.stored().await {
            Ok(stored) => (stored, None),
            Err(why) => (Vec::new(), Some(why)),
        };
        Overview {
            at: now,
            workloads: snapshot
                .states
                .iter()
                .map(|(name, state)| workload(name, state))
                .collect(),
            ill: snapshot.ill.iter().map(ill).collect(),
            ingestion: ingestion.map(told),
            governor: run.as_ref().and_then(|run| run.governor.clone()).map(governor),
            exports: exports(stored, run.map(|run| run.exports).unwrap_or_default(), now),
            missing,
        }
    }
}

async fn list(checked: &Checked) -> Result<Vec<Stored>, PipelineError> {
    let mut all = Vec::new();
    for shelf in shelves(checked, &Choice::default()).await? {
        all.push(stored(&shelf).await?);
    }
    Ok(all)
}

async fn stored(shelf: &Shelf) -> Result<Stored, PipelineError> {
    let names = shelf.catalog.names().await?;
    let windows: Vec<Window> = names.iter().map(|name| name.window).collect();
    let last = names.iter().rev().take(WINDOWS).map(|name| ExportWindow {
        from: name.window.from,
        to: name.window.to,
        generation: name.generation.saturating_sub(1),
        written: None,
    });
    Ok(Stored {
        route: shelf.route.clone(),
        project: shelf.catalog.key.project.to_string(),
        table: shelf.catalog.key.table.to_string(),
        cursor: names.first().map(|first| cursor(first.window.from, &windows)),
        lag: shelf.lag,
        windows: last.collect(),
    })
}

/// Each export as its store and its process tell it.
fn exports(stored: Vec<Stored>, mut running: Vec<ExportStatus>, now: Millis) -> Vec<Export> {
    let mut all: Vec<Export> = Vec::new();
    for stored in stored {
        let key = format!("{}/{}", stored.project, stored.table);
        let place = running
            .iter()
            .position(|one| one.route == stored.route && one.export == key);
        let run = place.map(|place| running.remove(place));
        let committed = run.as_ref().and_then(|run| run.last).map(|last| last.at);
        let mut export = run.map(of_run).unwrap_or_default();
        let lag = i64::try_from(stored.lag.as_millis()).unwrap_or(i64::MAX);
        export.lag_ms = stored
            .cursor
            .map(|cursor| u64::try_from(now.0.saturating_sub(lag).saturating_sub(cursor.0)).unwrap_or(0));
        export.cursor = stored.cursor;
        export.windows = stored.windows;
        if let Some(newest) = export.windows.first_mut() {
            newest.written = committed;
        }
        (export.route, export.project, export.table) = (stored.route, stored.project, stored.table);
        all.push(export);
    }
    // Those that have not committed anything yet.
    all.extend(running.into_iter().map(of_run));
    all.sort_by(|one, other| (&one.project, &one.table, &one.route).cmp(&(&other.project, &other.table, &other.route)));
    all
}

fn of_run(status: ExportStatus) -> Export {
    let (project, table) = status.export.rsplit_once('/').unwrap_or((&status.export, ""));
    Export {
        project: project.to_owned(),
        table: table.to_owned(),
        cursor: None,
        lag_ms: None,
        windows: Vec::new(),
        open: status.windows_planned.saturating_sub(status.windows_committed),
        committed: status.windows_committed,
        rows: status.rows_written,
        bytes: status.bytes_written,
        splits: status.splits,
        letters: status.letters,
        outages: status.outages,
        states: status.states,
        route: status.route,
    }
}

fn workload(name: &str, state: &State) -> Workload {
    let (text, is_well) = match state {
        State::Running => ("running".to_owned(), true),
        State::BackingOff { until, error } => (format!("starts again at {until}: {error}"), false),
        State::Ended { error: None } => ("ended".to_owned(), true),
        State::Ended { error: Some(error) } => (format!("ended: {error}"), false),
    };
    Workload {
        name: name.to_owned(),
        state: text,
        is_well,
    }
}

fn ill(ill: &Ill) -> String {
    format!("{} is not well since {}: {}", ill.workload, ill.since, ill.why)
}

fn told(status: IngestionStatus) -> Ingestion {
    let queue = status.queue;
    Ingestion {
        queue: queue.state,
        error: queue.error,
        waiting: queue.waiting,
        active: queue.active,
        delayed: queue.delayed,
        failed: queue.failed,
        oldest_ms: queue.oldest_age_ms,
        written: status.written,
        letters: status.letters,
        inserts: status.inserts,
    }
}

fn governor(status: GovernorStatus) -> Governor {
    Governor {
        percent: status.percent,
        reason: status.reason,
        leaves: status.leaves,
        bytes_per_second: status.bytes_per_second,
        target_ms: status.target_ms,
        p95_ms: status.p95_ms,
        queries: status.queries,
        changes: status.changes.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_is_what_its_store_and_its_process_tell() {
        let stored = |project: &str| Stored {
            route: "export.lake".to_owned(),
            project: project.to_owned(),
            table: "traces".to_owned(),
            cursor: Some(Millis(1_000)),
            lag: Duration::from_millis(500),
            windows: Vec::new(),
        };
        let running = |export: &str| ExportStatus {
            route: "export.lake".to_owned(),
            export: export.to_owned(),
            states: Vec::new(),
            windows_planned: 3,
            windows_committed: 1,
            rows_read: 0,
            bytes_read: 0,
            rows_written: 7,
            bytes_written: 0,
            files_written: 0,
            splits: 2,
            letters: 0,
            outages: 0,
            cursor: None,
            behind_ms: None,
            last: None,
        };
        let all = exports(
            vec![stored("b"), stored("a")],
            vec![running("a/traces"), running("c/scores")],
            Millis(9_000),
        );
        let told: Vec<_> = all
            .iter()
            .map(|one| (one.project.as_str(), one.table.as_str(), one.rows, one.lag_ms))
            .collect();
        assert_eq!(
            told,
            [
                ("a", "traces", 7, Some(7_500)),
                ("b", "traces", 0, Some(7_500)),
                ("c", "scores", 7, None)
            ]
        );
        assert_eq!((all[0].open, all[0].splits), (2, 2));
    }
}
