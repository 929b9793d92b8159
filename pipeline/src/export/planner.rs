//! The plan's task: asks how far the data reaches, and emits the windows that are missing.
//!
//! *Invariants.* Windows get rising numbers in the order in which they are emitted. At most [`IN_FLIGHT`] of them are
//! not yet committed. The coverage in memory is what the manifests said at the start, and what was emitted since.
//!
//! *On error.* ClickHouse or the store out of reach: waits with backoff, emits nothing. Anything else ends the task.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tracemill_model::{Blame, ExportKey, Millis, Table, Window};
use tracemill_operators::Epoch;
use tracemill_operators::bridge::Emitter;
use tracemill_operators::clock::backoff;
use tracemill_operators::outcome::PlannedWindow;
use tracemill_operators::progress::State;
use tracemill_sources::windows::survey;

use super::plan::{self, Reach};
use super::reconcile;
use super::spec::{ExportSpec, Extent};
use crate::PipelineError;
use crate::config::Start;

/// Windows that may be under way at once: enough to keep every slot busy while one window waits for its last leaf.
const IN_FLIGHT: u64 = 8;

/// The longest time between two looks for new windows.
const LONGEST_NAP: Duration = Duration::from_secs(60);

/// How far a server's clock may move against ours between two looks before it is mistrusted.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

/// Emits the windows of one export.
pub(super) struct Planner {
    spec: Arc<ExportSpec>,
    emitter: Emitter<PlannedWindow>,
    committed: watch::Receiver<u64>,
    /// Every window that was written or emitted, with its generation.
    covered: Vec<(Window, u32)>,
    next: u64,
    clock: Option<(Millis, Instant)>,
    reconciled: Option<Instant>,
}

impl Planner {
    pub(super) fn new(
        spec: Arc<ExportSpec>,
        emitter: Emitter<PlannedWindow>,
        committed: watch::Receiver<u64>,
        covered: Vec<(Window, u32)>,
    ) -> Self {
        Self {
            spec,
            emitter,
            committed,
            covered,
            next: 0,
            clock: None,
            reconciled: None,
        }
    }

    /// Runs until the extent is covered, or the process drains.
    pub(super) async fn run(mut self, adopted: Option<(Window, u32)>) -> Result<(), PipelineError> {
        self.spec.reached.begin(self.covered.iter().map(|(window, _)| *window));
        // What the owner before us was about to commit comes first, exactly as it was: see `Fence`.
        if let Some((window, generation)) = adopted
            && self.generation_of(window) < generation
        {
            self.emit(window, generation).await;
        }
        let mut tries = 0;
        loop {
            if *self.spec.draining.borrow() {
                break;
            }
            match self.round().await {
                Ok(is_finished) if is_finished => break,
                Ok(_) => {
                    tries = 0;
                    self.nap().await;
                }
                Err(error) if error.is_transient() => {
                    tries += 1;
                    let pause = backoff(tries);
                    let state = State::BackingOff {
                        until: self.spec.clock.after(pause),
                        error: error.to_string(),
                    };
                    let _stage = self.spec.progress.stage("plan", state);
                    tracing::warn!(export = %self.spec.key, %error, "plan_waits");
                    self.sleep(pause).await;
                }
                Err(error) => return Err(error),
            }
        }
        self.emitter.close();
        Ok(())
    }

    /// One look: true when the extent is covered.
    async fn round(&mut self) -> Result<bool, PipelineError> {
        match self.spec.extent {
            Extent::Range(range) => {
                let windows = plan::backfill(range, &self.covered, self.spec.cut);
                self.looked(windows.len());
                for (window, generation) in windows {
                    self.emit(window, generation + 1).await;
                }
                Ok(true)
            }
            Extent::Reconcile => {
                self.reconcile().await?;
                Ok(true)
            }
            Extent::UntilCaughtUp => {
                self.fill().await?;
                Ok(true)
            }
            Extent::Forever => {
                self.fill().await?;
                let is_due = |reconcile: &crate::config::Reconcile| {
                    self.reconciled.is_none_or(|last| last.elapsed() >= reconcile.every)
                };
                if self.spec.reconcile.as_ref().is_some_and(is_due) {
                    self.reconcile().await?;
                    self.reconciled = Some(Instant::now());
                }
                Ok(false)
            }
        }
    }

    /// Emits what is missing between start and horizon.
    async fn fill(&mut self) -> Result<(), PipelineError> {
        let now = self.now().await?;
        let spec = Arc::clone(&self.spec);
        let Some(start) = self.start(now).await? else {
            spec.reached.looked(spec.clock.now(), None, None);
            self.looked(0);
            return Ok(());
        };
        let windows: Vec<Window> = self.covered.iter().map(|(window, _)| *window).collect();
        let cursor = plan::cursor(start, &windows);
        let reach = reach(&spec, cursor).await?;
        let Some(horizon) = plan::horizon(now, spec.lag, spec.cut.every, &reach) else {
            spec.reached.looked(spec.clock.now(), Some(start), None);
            self.looked(0);
            return Ok(());
        };
        spec.reached.looked(spec.clock.now(), Some(start), Some(horizon));
        let covered: Vec<Window> = self.covered.iter().map(|(window, _)| *window).collect();
        let windows = plan::windows(start, horizon, &covered, spec.cut);
        self.looked(windows.len());
        for window in windows {
            if *spec.draining.borrow() {
                break;
            }
            self.emit(window, 1).await;
        }
        Ok(())
    }

    /// Tells how many windows a look found: then people can be told how much is left.
    fn looked(&self, windows: usize) {
        self.spec.progress.add(|c| &c.windows_known, windows as u64);
        self.spec.progress.add(|c| &c.plans, 1);
    }

    /// Emits the windows whose rows are no longer those that were written.
    async fn reconcile(&mut self) -> Result<(), PipelineError> {
        // Only what is committed can be compared.
        self.wait_for(0).await;
        let changed = reconcile::changed_windows(&self.spec, &self.covered).await?;
        self.looked(changed.len());
        for (window, generation) in changed {
            self.emit(window, generation + 1).await;
        }
        Ok(())
    }

    async fn start(&self, now: Millis) -> Result<Option<Millis>, PipelineError> {
        match self.spec.start {
            Start::From(at) => Ok(Some(at)),
            Start::FullHistory => Ok(survey::first_time(&self.spec.service, &self.spec.key)
                .await?
                .map(Millis::day)),
            Start::Now => Ok(Some(self.spec.catalog.origin(now).await?)),
        }
    }

    /// The server's clock: windows are compared with times that it, or machines that it trusts, wrote. A jump is taken
    /// as the smaller of both readings, so that it can only make windows later.
    async fn now(&mut self) -> Result<Millis, PipelineError> {
        let told = self.spec.service.server_time().await?;
        let now = match self.clock {
            None => told,
            Some((before, at)) => {
                let expected = before.plus(i64::try_from(at.elapsed().as_millis()).unwrap_or(i64::MAX));
                if told.0.abs_diff(expected.0) > u64::try_from(CLOCK_TOLERANCE.as_millis()).unwrap_or(u64::MAX) {
                    tracing::warn!(export = %self.spec.key, %told, %expected, "clock_jumped");
                    told.min(expected)
                } else {
                    told
                }
            }
        };
        self.clock = Some((told, Instant::now()));
        Ok(now)
    }

    fn generation_of(&self, window: Window) -> u32 {
        self.covered
            .iter()
            .filter(|(known, _)| *known == window)
            .map(|(_, generation)| *generation)
            .max()
            .unwrap_or(0)
    }

    async fn emit(&mut self, window: Window, generation: u32) {
        self.wait_for(IN_FLIGHT - 1).await;
        self.covered.retain(|(known, _)| *known != window);
        self.covered.push((window, generation));
        self.spec.progress.add(|c| &c.windows_planned, 1);
        self.emitter
            .give(Epoch::of_window(self.next), PlannedWindow { window, generation });
        self.next += 1;
        self.emitter.advance(Epoch::of_window(self.next));
    }

    /// Waits until at most `open` windows are not committed.
    async fn wait_for(&mut self, open: u64) {
        let least = self.next.saturating_sub(open);
        // An error says that the commit's task is gone; then the graph stands still, and so do we, until it is dropped.
        if self.committed.wait_for(|committed| *committed >= least).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    async fn nap(&self) {
        let period = u64::try_from(self.spec.cut.every.len_ms()).unwrap_or(u64::MAX);
        let pause = Duration::from_millis(period / 4).min(LONGEST_NAP);
        let state = State::WaitingForWindow {
            until: self.spec.clock.after(pause),
        };
        let _stage = self.spec.progress.stage("plan", state);
        self.sleep(pause).await;
    }

    async fn sleep(&self, pause: Duration) {
        let mut draining = self.spec.draining.clone();
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = draining.wait_for(|draining| *draining) => {}
        }
    }
}

/// How far the project's tables reach from the cursor on.
pub(crate) async fn reach(spec: &ExportSpec, cursor: Millis) -> Result<Reach, PipelineError> {
    let last = async |table: Table| {
        let key = ExportKey {
            project: spec.key.project.clone(),
            table,
        };
        survey::last_time(&spec.service, &key, cursor).await
    };
    let traces = last(Table::Traces).await?;
    let observations = if spec.trace_only {
        None
    } else {
        last(Table::Observations).await?
    };
    let own = match spec.key.table {
        Table::Traces => traces,
        Table::Observations => observations,
        Table::Scores => last(Table::Scores).await?,
    };
    Ok(Reach {
        sources: [traces, observations],
        own,
    })
}
