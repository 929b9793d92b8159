//! What is asked of ClickHouse and the stores before anything is written: one clear error each.

use std::collections::BTreeSet;

use tracemill_model::Blame;
use tracemill_operators::Clock;
use tracemill_sources::SourceError;
use tracemill_sources::queue::QueueError;
use tracemill_sources::queue::bullmq::{self, RedisReport, Watched};
use tracemill_warehouse::Service;
use tracemill_warehouse::migrate;
use tracemill_warehouse::tables::{Finding, Severity};

use crate::PipelineError;
use crate::assemble;
use crate::config::{Backend, BullMq, IngestionRoute};
use crate::session::Session;

/// How far this machine's clock may be from ClickHouse's. Windows are planned by ClickHouse's clock; a larger difference
/// says that one of the two machines writes wrong times, into rows or into leases.
pub(crate) const CLOCK_TOLERANCE_MS: i64 = 300_000;

/// Checks everything that an export needs: reachable, let in, clocks, tables, columns, stores.
///
/// # Errors
/// The first thing that is wrong.
pub async fn check(session: &Session, service: &Service) -> Result<(), PipelineError> {
    service.ping().await?;
    check_clock(service, &Clock::system()).await?;
    check_tables(session, service).await?;
    check_stores(session).await
}

/// Both clocks must agree, within five minutes.
///
/// # Errors
/// [`SourceError::Clock`].
pub async fn check_clock(service: &Service, clock: &Clock) -> Result<(), PipelineError> {
    let theirs = service.server_time().await?;
    let ahead_ms = clock.now().0 - theirs.0;
    if ahead_ms.abs() > CLOCK_TOLERANCE_MS {
        return Err(SourceError::Clock {
            ahead_ms,
            allowed_ms: CLOCK_TOLERANCE_MS,
        }
        .into());
    }
    Ok(())
}

/// The exported tables must have the columns that are exported.
///
/// # Errors
/// [`PipelineError::Table`], which names every fault of the tables.
pub async fn check_tables(session: &Session, service: &Service) -> Result<(), PipelineError> {
    let tables: BTreeSet<&str> = session
        .checked
        .graphs
        .iter()
        .flat_map(|graph| graph.routes())
        .flat_map(|route| route.windows.tables.iter().map(|choice| choice.table.name()))
        .collect();
    let findings = migrate::check(service).await?;
    let faults: Vec<&Finding> = findings
        .iter()
        .filter(|finding| finding.severity() == Severity::Fault)
        .filter(|finding| tables.contains(finding.table()))
        .collect();
    if faults.is_empty() {
        return Ok(());
    }
    Err(table_error(&faults))
}

/// All tables that ingestion writes must have their columns.
///
/// # Errors
/// [`PipelineError::Table`], which names every fault of the tables.
pub async fn check_every_table(service: &Service) -> Result<(), PipelineError> {
    let findings = migrate::check(service).await?;
    let faults: Vec<&Finding> = findings
        .iter()
        .filter(|finding| finding.severity() == Severity::Fault)
        .collect();
    if faults.is_empty() {
        return Ok(());
    }
    Err(table_error(&faults))
}

/// The error that names all findings.
pub(crate) fn table_error(findings: &[&Finding]) -> PipelineError {
    let texts: Vec<String> = findings.iter().map(ToString::to_string).collect();
    PipelineError::Table {
        table: "a table".to_owned(),
        reason: texts.join("; "),
        is_missing: findings
            .iter()
            .any(|finding| matches!(finding, Finding::NoTable { .. })),
    }
}

/// Every store of a sink must take, refuse, give and remove a small object.
///
/// # Errors
/// The store's.
pub async fn check_stores(session: &Session) -> Result<(), PipelineError> {
    let mut probed = BTreeSet::new();
    for graph in &session.checked.graphs {
        for route in graph.routes() {
            if probed.insert(route.sink.store.clone()) {
                assemble::open_store(&session.checked, &route)?.probe().await?;
            }
        }
    }
    Ok(())
}

/// What ingestion needs beside ClickHouse: places for raw objects and letters that take, give and remove a small object,
/// a Redis that can hold the queue.
///
/// At a start what is only away is told and not waited for: jobs and letters wait for it as they do later.
///
/// # Errors
/// The first thing that waiting does not mend.
pub async fn check_ingestion(session: &Session) -> Result<(), PipelineError> {
    let Some((_, route)) = session.checked.ingestion() else {
        return Ok(());
    };
    for place in places(&route) {
        forgive(&place.name(), place.probe(session).await)?;
    }
    if let Backend::BullMq(bull) = &route.queue.backend
        && let Some(report) = forgive(&bull.address, redis(bull).await)?
    {
        for (warning, hint) in report.warnings() {
            tracing::warn!(redis = bull.address, hint, "{warning}");
        }
    }
    Ok(())
}

/// What is away may come back.
fn forgive<T>(what: &str, probed: Result<T, PipelineError>) -> Result<Option<T>, PipelineError> {
    match probed {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_transient() => {
            tracing::warn!(%error, what, "away_at_the_start");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Where an ingestion graph keeps objects.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    what: &'static str,
    store: &'a str,
    prefix: &'a str,
}

impl Place<'_> {
    /// For people: `raw objects in store raw below "events/"`.
    pub(crate) fn name(&self) -> String {
        let Self { what, store, prefix } = self;
        format!("{what} in store {store} below {prefix:?}")
    }

    /// Writes, reads and removes a small object there.
    pub(crate) async fn probe(&self, session: &Session) -> Result<(), PipelineError> {
        let store = crate::ingestion::assemble::open(&session.checked, self.store)?;
        Ok(store.probe_below(self.prefix).await?)
    }
}

/// The places of a graph.
pub(crate) fn places<'a>(route: &IngestionRoute<'a>) -> [Place<'a>; 2] {
    [
        Place {
            what: "raw objects",
            store: &route.queue.store,
            prefix: &route.queue.prefix,
        },
        Place {
            what: "letters",
            store: &route.letters.store,
            prefix: &route.letters.prefix,
        },
    ]
}

/// Asks a Redis whether it is fit.
///
/// # Errors
/// It does not answer, refuses, is too old, or is a replica.
pub(crate) async fn redis(bull: &BullMq) -> Result<RedisReport, PipelineError> {
    let url = bull.urls.first().ok_or_else(|| PipelineError::Usage {
        reason: "there is no url of redis".to_owned(),
    })?;
    let watched = Watched {
        prefix: &bull.prefix(),
        queues: &bull.queues,
        own: bull.own.as_deref(),
    };
    let report = bullmq::probe(url, watched).await?;
    match report.fault() {
        None => Ok(report),
        Some((reason, hint)) => Err(QueueError::Unfit { reason, hint }.into()),
    }
}
