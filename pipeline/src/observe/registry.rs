//! What the workloads of this process let others look at.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracemill_model::Millis;
use tracemill_operators::Clock;
use tracemill_operators::governor::{Latency, Readers, Recent};
use tracemill_web::metrics::Snapshot as WebSnapshot;
use tracemill_web::{App, ReadFigures};

use super::health::{Health, Ill, Seen};
use crate::ingestion::status::{Gauges, IngestionStatus};
use crate::status::{Board, RunStatus};
use crate::workload::{State, States};

/// Interactive queries of that time are recent.
const RECENT: Duration = crate::governor::RECENT;

/// The workloads of this process. Cheap to clone; clones are one.
#[derive(Debug, Clone)]
pub struct Registry {
    /// What each does.
    pub states: States,
    /// How long interactive queries take.
    pub latency: Latency,
    /// Those that run now.
    pub readers: Readers,
    parts: Arc<Mutex<Parts>>,
    health: Arc<Mutex<Health>>,
}

#[derive(Debug, Default)]
struct Parts {
    ingestion: Option<Gauges>,
    export: Option<Board>,
    faces: BTreeMap<&'static str, App>,
}

/// Everything at one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// When.
    pub at: Millis,
    /// The workloads.
    pub states: BTreeMap<&'static str, State>,
    /// What ingestion counts.
    pub ingestion: Option<IngestionStatus>,
    /// What the exports count.
    pub export: Option<RunStatus>,
    /// What the HTTP faces count, since each began.
    pub faces: Vec<(&'static str, WebSnapshot)>,
    /// What became of interactive queries, where any are answered.
    pub reads: Option<ReadFigures>,
    /// How long interactive queries took of late.
    pub interactive: Recent,
    /// What is not well.
    pub ill: Vec<Ill>,
}

impl Default for Registry {
    fn default() -> Self {
        use crate::config::defaults::{GOVERNOR_FLOOR, UNHEALTHY_AFTER};
        Self::new(UNHEALTHY_AFTER, f64::from(GOVERNOR_FLOOR) / 100.0)
    }
}

impl Registry {
    /// `patience`: how long a workload may have work without progress, or be down, before it is not well. `floor`: the part of its
    /// time that an export keeps beside readers.
    #[must_use]
    pub fn new(patience: Duration, floor: f64) -> Self {
        Self {
            states: States::default(),
            latency: Latency::new(Clock::system(), RECENT),
            readers: Readers::new(floor),
            parts: Arc::default(),
            health: Arc::new(Mutex::new(Health::new(patience))),
        }
    }

    fn with(&self, change: impl FnOnce(&mut Parts)) {
        change(&mut self.parts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Ingestion begins.
    pub fn ingestion(&self, gauges: &Gauges) {
        self.states.begun("ingestion");
        self.with(|parts| parts.ingestion = Some(gauges.clone()));
    }

    /// The exports begin.
    pub fn export(&self, board: &Board) {
        self.with(|parts| parts.export = Some(board.clone()));
    }

    /// An HTTP face begins.
    pub fn face(&self, name: &'static str, app: &App) {
        self.with(|parts| drop(parts.faces.insert(name, app.clone())));
    }

    /// Everything, now.
    pub async fn snapshot(&self, clock: &Clock) -> Snapshot {
        let (ingestion, export, faces, reads) = {
            let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
            let Parts {
                ingestion,
                export,
                faces,
            } = &*parts;
            let run = export.as_ref().map(|board| board.status(None));
            let web: Vec<_> = faces
                .iter()
                .map(|(name, app)| (*name, app.metrics().snapshot()))
                .collect();
            let reads = faces.values().find_map(App::reads);
            (ingestion.clone(), run, web, reads)
        };
        let ingestion = match &ingestion {
            Some(gauges) => Some(gauges.status(None).await),
            None => None,
        };
        let health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        Snapshot {
            at: clock.now(),
            states: self.states.snapshot(),
            ingestion,
            export,
            faces,
            reads,
            interactive: self.latency.recent(),
            ill: health.ill().to_vec(),
        }
    }

    /// Looks whether everything moves.
    pub async fn look(&self, clock: &Clock) {
        let snapshot = self.snapshot(clock).await;
        let seen = seen(&snapshot);
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        health.look(&seen, snapshot.at);
    }

    /// What is not well, as of the last look.
    #[must_use]
    pub fn ill(&self) -> Vec<Ill> {
        self.health
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .ill()
            .to_vec()
    }
}

/// Whether each workload has work, and how much it has done.
fn seen(snapshot: &Snapshot) -> BTreeMap<String, Seen> {
    let one = |(name, state): (&&'static str, &State)| {
        let down = match state {
            State::Running => None,
            State::BackingOff { error, .. } => Some(error.clone()),
            State::Ended { error } => error.clone(),
        };
        let (has_work, done) = match *name {
            "ingestion" => snapshot.ingestion.as_ref().map_or((false, 0), ingestion_moves),
            "export" => snapshot.export.as_ref().map_or((false, 0), export_moves),
            _ => (false, 0),
        };
        ((*name).to_owned(), Seen { has_work, done, down })
    };
    snapshot.states.iter().map(one).collect()
}

fn ingestion_moves(status: &IngestionStatus) -> (bool, u64) {
    let queue = &status.queue;
    let has_work = queue.waiting.unwrap_or(0) + queue.active.unwrap_or(0) > 0 || status.epochs_open > 0;
    // A queue that is away hides its input.
    let is_blind = queue.state == "away";
    (has_work || is_blind, status.acknowledged + status.failed)
}

fn export_moves(status: &RunStatus) -> (bool, u64) {
    let waits = |(_, state): &(String, String)| state.starts_with("waiting_for_window");
    // Whatever is not waiting for its time has work, also where it is held or backs off.
    let has_work = status.exports.iter().any(|export| !export.states.iter().all(waits));
    let exports = status.exports.iter();
    let done = exports.map(|export| export.windows_committed + export.files_written + export.rows_read);
    (has_work, done.sum())
}
