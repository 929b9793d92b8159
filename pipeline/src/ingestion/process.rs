//! The ingestion of one process: checked, started, served, and stopped in an order that loses nothing.
//!
//! ```text
//!   start: tables ──► graph ──► HTTP face
//!   stop:  HTTP face (answers what is in progress) ──► no more jobs are pulled ──► graph is durable ──► queue closes
//! ```
//!
//! The HTTP face is its own, or one that lives longer than the graph and reaches it through a [`Switch`].

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracemill_model::Millis;
use tracemill_operators::{Budget, Clock};
use tracemill_sinks::commit::fence::Owner;
use tracemill_warehouse::{Comment, MigrateOptions, Service, ServiceKind, Statement, migrate, tombstones};

use super::assemble::{Assembled, assemble};
use super::deletion;
use super::intake::{RawIntake, Switch};
use super::runtime::Ingestion;
use super::status::Gauges;
use crate::config::Engine;
use crate::governor::inserts::{self, InsertParts, InsertsTold};
use crate::preflight;
use crate::session::Session;
use crate::{PipelineError, face};

/// How often recent deletions of other processes are asked for.
const LOOK: Duration = Duration::from_secs(5);

/// Deletions of that time are kept in memory; older ones are found by lookups.
const REMEMBERED_MS: i64 = 86_400_000;

/// Who brings requests to the graph.
#[derive(Debug, Clone)]
pub enum Face {
    /// An HTTP face of its own, where the configuration has an intake.
    Own,
    /// One that others keep.
    Shared(Switch),
}

/// Runs the ingestion graph of a session, and its HTTP face if that is its own, until `stop` is true and everything that was
/// pulled is durable.
///
/// # Errors
/// What keeps it from starting; the first failure of the graph; a stop that takes longer than `stop_within`.
pub async fn run(
    session: &Session,
    stop: watch::Receiver<bool>,
    stop_within: Duration,
    face: Face,
) -> Result<(), PipelineError> {
    run_told(session, stop, stop_within, face, |_| {}).await
}

/// The same; `tell` is given the figures when the graph is about to start.
///
/// # Errors
/// As [`run`].
pub async fn run_told(
    session: &Session,
    stop: watch::Receiver<bool>,
    stop_within: Duration,
    face: Face,
    tell: impl FnOnce(&Gauges),
) -> Result<(), PipelineError> {
    let Some((graph, route)) = session.checked.ingestion() else {
        return Ok(());
    };
    let clock = Clock::system();
    let service = session.service(ServiceKind::ReadWrite)?;
    let has_tombstones = prepare(session, &service, &clock).await?;
    preflight::check_ingestion(session).await?;
    let memory = Budget::new("ingestion", session.checked.limits.memory.0);
    let memory = match graph.memory {
        Some(share) => memory.child(graph.name.as_str(), share.0),
        None => memory,
    };
    let assembled = assemble(&session.checked, &graph.name, &route, &service, &memory, &clock)?;
    let gauges = gauges(session, &graph.name, &assembled, memory, &clock);
    tell(&gauges);
    let _governor = inserts::begin(InsertParts {
        config: session.checked.governor.clone(),
        service: service.clone(),
        stretch: assembled.stretch.clone(),
        age: assembled.age,
        clock: clock.clone(),
        told: gauges.governor.clone(),
    });
    let Assembled {
        spec,
        puller,
        queue,
        producer,
        store,
        draining,
        deletions,
        tombstones,
        pulled,
        ..
    } = assembled;
    if has_tombstones {
        tombstones.note_older();
    }
    let deleter = deletion::Runner {
        service: service.clone(),
        store: store.clone(),
        prefix: route.queue.prefix.clone(),
        queue: Arc::clone(&queue),
        tombstones: tombstones.clone(),
        durable: spec.durable.subscribe(),
        pulled,
        decoder: Arc::clone(&spec.decoder),
        clock: clock.clone(),
    };
    let deleting = async {
        deleter.run(deletions).await;
        // Without a source of deletions there is nothing more to do.
        std::future::pending::<()>().await;
    };
    tokio::pin!(deleting);
    let _looking =
        tracemill_operators::bridge::spawn("tombstones", watch_tombstones(service, tombstones, clock.clone()));
    let running = Ingestion::start(&spec, puller, session.checked.limits.workers)?;
    let intake = Arc::new(RawIntake {
        store,
        prefix: route.queue.prefix.as_str().into(),
        producer,
        queue: Arc::clone(&queue),
    });
    let served = async {
        let stopped = told(stop.clone());
        match (face, &session.checked.intake) {
            (Face::Own, Some(config)) => face::listen(&session.checked, config, intake, &clock, stopped).await,
            (Face::Own, None) => {
                stopped.await;
                Ok(())
            }
            (Face::Shared(switch), _) => {
                let _turned = Turned::on(switch, intake);
                stopped.await;
                Ok(())
            }
        }
    };
    let working = async {
        tokio::select! {
            failed = running.finish() => failed,
            served = served => {
                draining.send_replace(true);
                let drained = tokio::time::timeout(stop_within, running.finish()).await;
                let drained = drained.unwrap_or(Err(PipelineError::Deadline {
                    seconds: stop_within.as_secs(),
                    open: 0,
                }));
                served.and(drained)
            }
        }
    };
    let folder = &session.checked.status.dir;
    let ended = tokio::select! {
        ended = working => ended,
        () = &mut deleting => Ok(()),
        () = gauges.keep(folder) => Ok(()),
    };
    running.stop().await;
    let closed = queue.close().await;
    let ended = ended.and(closed.map_err(PipelineError::from));
    gauges.end(folder, ended.as_ref().err().map(ToString::to_string)).await;
    ended
}

/// Requests reach the graph until this is dropped, also when the graph fails.
struct Turned(Switch);

impl Turned {
    fn on(switch: Switch, intake: Arc<RawIntake>) -> Self {
        switch.turn(Some(intake));
        tracing::info!("taking_requests");
        Self(switch)
    }
}

impl Drop for Turned {
    fn drop(&mut self) {
        self.0.turn(None);
    }
}

/// What `tracemill status` is told.
fn gauges(session: &Session, graph: &str, assembled: &Assembled, memory: Budget, clock: &Clock) -> Gauges {
    let run = format!("ingestion-{}-{}", clock.now().file_stem(), std::process::id());
    Gauges {
        file: session.checked.file.clone(),
        graph: graph.to_owned(),
        owner: Owner::this_process(run, clock.now()),
        memory,
        queue: Arc::clone(&assembled.queue),
        pulled: Arc::clone(&assembled.pulled),
        held: Arc::clone(&assembled.held),
        asked: Arc::clone(&assembled.asked),
        writer: Arc::clone(&assembled.writer),
        letters: Arc::clone(&assembled.spec.letters.written),
        governor: InsertsTold::default(),
        clock: clock.clone(),
    }
}

async fn told(mut stop: watch::Receiver<bool>) {
    // A sender that is gone stops us as well.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// The tables must be there: ours are made where the engine is ours. Says whether anything was ever deleted.
pub(super) async fn prepare(session: &Session, service: &Service, clock: &Clock) -> Result<bool, PipelineError> {
    service.ping().await?;
    preflight::check_clock(service, clock).await?;
    if matches!(session.checked.engine, Engine::Embedded(_)) {
        migrate(service, &MigrateOptions::default()).await?;
    }
    preflight::check_every_table(service).await?;
    let comment = Comment::ingestion("tombstone", "countTombstones", None);
    let count = Statement::new(format!("SELECT count() FROM `{}`", tombstones::TABLE), comment);
    Ok(service.one::<u64>(&count).await? > 0)
}

/// Keeps recent deletions in memory, whoever ordered them.
async fn watch_tombstones(service: Service, known: tracemill_operators::merge::Tombstones, clock: Clock) {
    let mut since = clock.now().plus(-REMEMBERED_MS);
    loop {
        match tombstones::since(&service, since).await {
            Ok(found) => {
                since = found.iter().map(|one| one.at).max().unwrap_or(since).max(since);
                deletion::note(&known, found);
            }
            Err(error) => tracing::warn!(%error, "looking_for_tombstones"),
        }
        known.forget_before(Millis(clock.now().0 - REMEMBERED_MS));
        tokio::time::sleep(LOOK).await;
    }
}
