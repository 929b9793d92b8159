//! `tracemill doctor`: does each layer between the three workloads hold, as the server itself answers?
//!
//! ```text
//! ask, server, preflight (I/O) ──► readings ──► judge, judge_server, judge_redis (pure) ──► lines ──► people, JSON, exit code
//! ```
//!
//! A limit is not read but tried: a query asks for more, and must be refused; one needs more memory than it may take, and must
//! fail; one outlives its deadline, and must be ended. Each try is cheap and bounded, should it succeed, and changes nothing.

mod ask;
mod grants;
mod judge;
mod judge_redis;
mod judge_server;
mod reading;
mod report;
mod server;

pub(crate) use report::{Level, Report};

use tracemill_operators::Clock;
use tracemill_warehouse::ServiceKind;

use crate::config::{Backend, Checked, Engine};
use crate::preflight;
use crate::profiles::routed;
use crate::session::Session;

/// What to do about limits that the embedded engine does not keep.
const EMBEDDED: &str = "it is for demos and tests: use a server of [clickhouse]";

/// Asks every service of the session and the Redis of its queue, and judges.
pub(crate) async fn examine(session: &Session, clock: &Clock) -> Report {
    let mut readings = Vec::new();
    for kind in kinds(&session.checked) {
        readings.push(ask::service(session, kind, clock).await);
    }
    let mut servers: Vec<server::ServerReading> = Vec::new();
    for host in hosts(&readings) {
        servers.push(server::read(session, &readings, host).await);
    }
    let mut lines = Vec::new();
    let is_embedded = session.engine.is_some();
    if is_embedded {
        lines.push(judge_server::embedded());
    }
    for reading in &readings {
        lines.extend(judge::service(reading));
    }
    lines.extend(judge::together(&readings, &uses(&session.checked)));
    for server in &servers {
        lines.extend(judge_server::server(server, &readings));
    }
    if let Some((_, route)) = session.checked.ingestion()
        && let Backend::BullMq(bull) = &route.queue.backend
    {
        lines.extend(judge_redis::redis(&bull.address, &preflight::redis(bull).await));
    }
    if is_embedded {
        // Its users and profiles are the engine's own, and one person's.
        for line in lines.iter_mut().filter(|line| line.is_isolation()) {
            line.level = line.level.min(Level::Warn);
            line.remedy = line.remedy.as_ref().map(|_| EMBEDDED.to_owned());
        }
    }
    Report { lines }
}

/// The services that are asked.
fn kinds(checked: &Checked) -> Vec<ServiceKind> {
    match &checked.engine {
        Engine::Embedded(_) => vec![ServiceKind::ReadOnly, ServiceKind::ReadWrite, ServiceKind::Export],
        Engine::Servers(servers) => routed(checked, servers).iter().map(|one| one.kind).collect(),
    }
}

/// The services that a graph or a face of the file uses.
fn uses(checked: &Checked) -> Vec<ServiceKind> {
    match &checked.engine {
        Engine::Embedded(_) => Vec::new(),
        Engine::Servers(servers) => {
            let all = routed(checked, servers);
            all.iter().filter(|one| one.is_used).map(|one| one.kind).collect()
        }
    }
}

/// Each server once.
fn hosts(readings: &[reading::ServiceReading]) -> Vec<&str> {
    let mut hosts: Vec<&str> = readings.iter().map(|reading| reading.host.as_str()).collect();
    hosts.sort_unstable();
    hosts.dedup();
    hosts
}
