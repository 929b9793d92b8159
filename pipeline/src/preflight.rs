//! What is asked of ClickHouse and the stores before anything is written: one clear error each.

use std::collections::BTreeSet;

use tracemill_operators::Clock;
use tracemill_sources::SourceError;
use tracemill_warehouse::Service;
use tracemill_warehouse::migrate;
use tracemill_warehouse::tables::{Finding, Severity};

use crate::PipelineError;
use crate::assemble;
use crate::session::Session;

/// How far this machine's clock may be from ClickHouse's. Windows are planned by ClickHouse's clock; a larger difference
/// says that one of the two machines writes wrong times, into rows or into leases.
const CLOCK_TOLERANCE_MS: i64 = 300_000;

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
