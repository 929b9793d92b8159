//! Asks one service. Every statement carries the service's limits and a `log_comment`, but for the one that looks what a query
//! without limits has.

use std::collections::BTreeMap;
use std::time::Duration;

use clickhouse::{RowOwned, RowRead};
use tracemill_operators::Clock;
use tracemill_warehouse::profiles::{raises, read_tables};
use tracemill_warehouse::{Comment, Limits, Service, ServiceKind, Statement, WarehouseError};

use super::reading::{Failure, Identity, ServiceReading, Settings, Tried};
use crate::PipelineError;
use crate::session::Session;

/// How long a try may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Memory that the hungry query may take, and the numbers that it gathers: four times as much.
const SCANT: u64 = 8 << 20;
const HUNGRY: &str = "SELECT length(groupArray(number)) FROM numbers(4000000)";
/// Five seconds of sleep, in small blocks so that the deadline is looked at.
const SLOW: &str = "SELECT max(sleepEachRow(0.05)) FROM numbers(100)";
/// Inserts no row, whoever may.
const INSERT: &str = "INSERT INTO traces SELECT * FROM traces WHERE 0";

/// The settings that are looked at.
const LOOKED_AT: [&str; 7] = [
    "max_memory_usage",
    "max_memory_usage_for_user",
    "max_threads",
    "max_execution_time",
    "priority",
    "readonly",
    "max_concurrent_queries_for_user",
];

pub(super) fn comment() -> Comment {
    Comment::new("doctor")
}

/// Asks a service of the session.
pub(super) async fn service(session: &Session, kind: ServiceKind, clock: &Clock) -> ServiceReading {
    let opened = session.service(kind).and_then(|service| {
        let mut config = session.service_config(kind)?;
        config.limits = Limits::default();
        Ok((service, Service::new(kind, &config)?))
    });
    match opened {
        Ok((service, forgetful)) => ask(&service, &forgetful, clock).await,
        Err(error) => unasked(kind, String::new(), &error.into()),
    }
}

fn unasked(kind: ServiceKind, host: String, failure: &Failure) -> ServiceReading {
    let not = || Err(failure.clone());
    ServiceReading {
        kind,
        host,
        user: String::new(),
        database: String::new(),
        sent: Settings::new(),
        identity: Err(failure.clone()),
        seen: Settings::new(),
        forgetful: Err(failure.clone()),
        raises: Vec::new(),
        hungry: not(),
        slow: not(),
        insert: not(),
        reads: Vec::new(),
        grants: Err(failure.clone()),
    }
}

async fn ask(service: &Service, forgetful: &Service, clock: &Clock) -> ServiceReading {
    let kind = service.kind();
    let identity = match identity(service, clock).await {
        Ok(identity) => identity,
        Err(error) => {
            return ServiceReading {
                user: service.user().to_owned(),
                ..unasked(kind, service.host().to_owned(), &error)
            };
        }
    };
    let mut tries = Vec::new();
    for raise in raises(kind, service.limits().priority) {
        let statement = Statement::new("SELECT 1", comment()).setting(raise.setting, raise.value);
        tries.push((raise, tried(service, &statement).await));
    }
    let mut reads = Vec::new();
    for table in read_tables(kind) {
        let statement = Statement::new(format!("SELECT * FROM {table} LIMIT 0"), comment());
        reads.push((table, tried(service, &statement).await));
    }
    let scant = service
        .limits()
        .max_memory_usage
        .map_or(SCANT, |bytes| bytes.0.min(SCANT));
    let hungry = Statement::new(HUNGRY, comment()).setting("max_memory_usage", scant);
    let slow = Statement::new(SLOW, comment())
        .setting("max_block_size", 1)
        .setting("max_execution_time", 1);
    let sent = service.settings().iter();
    ServiceReading {
        kind,
        host: service.host().to_owned(),
        user: service.user().to_owned(),
        database: service.database().to_owned(),
        sent: sent.map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        identity: Ok(identity),
        seen: settings(service).await.unwrap_or_default(),
        forgetful: settings(forgetful).await,
        raises: tries,
        hungry: tried(service, &hungry).await,
        slow: tried(service, &slow).await,
        insert: tried(service, &Statement::new(INSERT, comment())).await,
        reads,
        grants: rows(service, &Statement::new("SHOW GRANTS", comment())).await,
    }
}

async fn identity(service: &Service, clock: &Clock) -> Result<Identity, Failure> {
    let sql =
        "SELECT currentUser(), arrayStringConcat(currentProfiles(), ' '), version(), toUnixTimestamp64Milli(now64(3))";
    let asked: Vec<(String, String, String, i64)> = rows(service, &Statement::new(sql, comment())).await?;
    let ours = clock.now().0;
    let Some((user, profiles, version, theirs)) = asked.into_iter().next() else {
        let reason = "it answered nothing".to_owned();
        return Err(PipelineError::from(WarehouseError::Answer { reason }).into());
    };
    let quota = Statement::new("SELECT quota_name FROM system.quota_usage LIMIT 1", comment());
    // Not everybody may see it.
    let quota = rows::<String>(service, &quota).await.unwrap_or_default();
    Ok(Identity {
        user,
        profiles: profiles.split(' ').map(str::to_owned).collect(),
        quota: quota.into_iter().next(),
        version,
        ahead_ms: ours - theirs,
    })
}

async fn settings(service: &Service) -> Result<Settings, Failure> {
    let sql = "SELECT name, value FROM system.settings WHERE changed AND name IN {names:Array(String)}";
    let statement = Statement::new(sql, comment()).param("names", LOOKED_AT.as_slice());
    let rows: Vec<(String, String)> = rows(service, &statement).await?;
    Ok(rows.into_iter().collect::<BTreeMap<_, _>>())
}

/// Runs a statement to its end, and forgets what it answers.
pub(super) async fn tried(service: &Service, statement: &Statement) -> Tried {
    within(service, service.execute(statement)).await.map(drop)
}

/// Rows of a statement.
pub(super) async fn rows<T: RowOwned + RowRead>(service: &Service, statement: &Statement) -> Result<Vec<T>, Failure> {
    within(service, service.rows(statement)).await
}

async fn within<T>(service: &Service, answer: impl Future<Output = Result<T, WarehouseError>>) -> Result<T, Failure> {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => answer.map_err(Failure::from),
        Err(_) => Err(Failure::from(WarehouseError::Timeout {
            host: service.host().to_owned(),
            after: PATIENCE,
            during: "before its answer",
        })),
    }
}
