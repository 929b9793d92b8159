//! Asks one server, by whichever service sees the most of it.

use tracemill_warehouse::tables::Finding;
use tracemill_warehouse::{Service, ServiceKind, Statement, migrate};

use super::ask::{comment, rows};
use super::reading::{Failure, ServiceReading};
use crate::session::Session;

/// A disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Disk {
    pub(super) name: String,
    pub(super) free: u64,
    pub(super) total: u64,
}

/// Mutations that are not done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Mutations {
    pub(super) pending: u64,
    pub(super) oldest_s: u64,
    /// Why the last try failed; empty if none did.
    pub(super) reason: String,
}

/// What a server was asked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ServerReading {
    pub(super) host: String,
    pub(super) version: String,
    pub(super) ahead_ms: i64,
    /// `max_server_memory_usage`; 0: not limited.
    pub(super) memory: Result<u64, Failure>,
    pub(super) disks: Result<Vec<Disk>, Failure>,
    /// Parts of the fullest partition, and which: `observations 202602`.
    pub(super) parts: Result<(u64, String), Failure>,
    pub(super) mutations: Result<Mutations, Failure>,
    pub(super) query_log: Result<bool, Failure>,
    /// What differs from the definitions, of the tables that the service needs.
    pub(super) findings: Result<Vec<Finding>, Failure>,
}

const MEMORY: &str =
    "SELECT max(toUInt64OrZero(value)) FROM system.server_settings WHERE name = 'max_server_memory_usage'";
const DISKS: &str = "SELECT name, free_space, total_space FROM system.disks ORDER BY name";
const PARTS: &str = "SELECT count() AS parts, concat(table, ' ', partition) AS place FROM system.parts \
                     WHERE active AND database = currentDatabase() GROUP BY place ORDER BY parts DESC, place LIMIT 1";
const MUTATIONS: &str = "SELECT count(), toUInt64(if(count() = 0, 0, greatest(0, dateDiff('second', min(create_time), now())))), \
                         max(latest_fail_reason) FROM system.mutations WHERE NOT is_done AND database = currentDatabase()";
const QUERY_LOG: &str = "SELECT count() FROM system.tables WHERE database = 'system' AND name = 'query_log'";

/// Which service is asked: that of the export sees the server's own tables.
const ORDER: [ServiceKind; 3] = [ServiceKind::Export, ServiceKind::ReadWrite, ServiceKind::ReadOnly];

/// Asks the server of that URL. Where no service of it answers, all is unknown.
pub(super) async fn read(session: &Session, readings: &[ServiceReading], host: &str) -> ServerReading {
    let of = |kind: ServiceKind| {
        readings
            .iter()
            .find(|reading| reading.kind == kind && reading.host == host && reading.identity.is_ok())
    };
    let Some(reading) = ORDER.into_iter().find_map(of) else {
        return unknown(host);
    };
    let Ok(service) = session.service(reading.kind) else {
        return unknown(host);
    };
    let mut server = ask(&service, host).await;
    if let Ok(identity) = &reading.identity {
        server.version = identity.version.clone();
        server.ahead_ms = identity.ahead_ms;
    }
    // Tables that a user may not read are hidden from it, so each service's own are compared by who may.
    let writer = of(ServiceKind::ReadWrite).and_then(|_| session.service(ServiceKind::ReadWrite).ok());
    server.findings = findings(writer.as_ref().unwrap_or(&service)).await;
    server
}

fn unknown(host: &str) -> ServerReading {
    let failure = Failure {
        code: None,
        text: "no service of it answers".to_owned(),
        hint: None,
        exit: 3,
    };
    ServerReading {
        host: host.to_owned(),
        version: String::new(),
        ahead_ms: 0,
        memory: Err(failure.clone()),
        disks: Err(failure.clone()),
        parts: Err(failure.clone()),
        mutations: Err(failure.clone()),
        query_log: Err(failure.clone()),
        findings: Err(failure),
    }
}

async fn ask(service: &Service, host: &str) -> ServerReading {
    let statement = |sql: &str| Statement::new(sql, comment());
    let memory = rows::<u64>(service, &statement(MEMORY)).await;
    let disks = rows::<(String, u64, u64)>(service, &statement(DISKS)).await;
    let parts = rows::<(u64, String)>(service, &statement(PARTS)).await;
    let mutations = rows::<(u64, u64, String)>(service, &statement(MUTATIONS)).await;
    let query_log = rows::<u64>(service, &statement(QUERY_LOG)).await;
    let disk = |(name, free, total)| Disk { name, free, total };
    ServerReading {
        memory: memory.map(|rows| rows.first().copied().unwrap_or(0)),
        disks: disks.map(|rows| rows.into_iter().map(disk).collect()),
        parts: parts.map(|rows| rows.into_iter().next().unwrap_or_default()),
        mutations: mutations.map(|rows| {
            let first = rows.into_iter().next();
            first.map_or_else(Mutations::default, |(pending, oldest_s, reason)| Mutations {
                pending,
                oldest_s,
                reason,
            })
        }),
        query_log: query_log.map(|rows| rows.first().is_some_and(|count| *count > 0)),
        ..unknown(host)
    }
}

/// Of the tables that the service reads.
async fn findings(service: &Service) -> Result<Vec<Finding>, Failure> {
    let needed = tracemill_warehouse::profiles::read_tables(service.kind());
    let mut findings = migrate::check(service).await.map_err(Failure::from)?;
    findings.retain(|finding| needed.contains(&finding.table()));
    Ok(findings)
}
