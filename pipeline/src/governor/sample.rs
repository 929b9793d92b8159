//! What a look sees: how interactive queries fare, and what ClickHouse is short of.
//!
//! *On error.* Each figure is asked for by itself: what ClickHouse does not tell (no grant, away) is gone without, and the
//! first time is logged.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tracemill_operators::Clock;
use tracemill_operators::governor::{Latency, Recent, Sample};
use tracemill_warehouse::{Comment, Service, Statement, WarehouseError};

use super::RECENT;

/// Parts of one partition, from which on ClickHouse soon slows inserts down by itself.
const MANY_PARTS: u64 = 800;
/// Parts of one partition, from which on merges that fill their pool are more than the usual.
const MERGED_PARTS: u64 = 300;
/// The part of ClickHouse's memory limit that counts as short.
const SHORT: f64 = 0.85;
/// The part of the queries that ClickHouse runs at most that counts as short.
const BUSY: f64 = 0.8;
/// How many queries are at most where ClickHouse has no limit: that of its own example configuration.
const QUERIES: u64 = 100;
/// How long a look may take: a server that does not answer is told by the exports themselves.
const PATIENCE: Duration = Duration::from_secs(3);
/// Looks between two at the server's settings, which change at a restart.
const SETTINGS_EVERY: u32 = 60;

/// Looks at ClickHouse.
pub(super) struct Sampler {
    export: Service,
    interactive: Option<Service>,
    latency: Latency,
    probes: Latency,
    limits: Limits,
    /// Looks until the settings are looked at again.
    settings_in: u32,
    asked: Asked,
}

/// What is asked for, each by itself.
struct Asked {
    metrics: Once,
    parts: Once,
    settings: Once,
    users: Once,
}

/// What the server bears; 0: without a limit, or not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Limits {
    memory: u64,
    queries: u64,
}

/// How loaded ClickHouse is. What is `None` it does not tell.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Load {
    /// Bytes of memory that it uses.
    pub memory: Option<u64>,
    /// Its limit; 0: none, or not known.
    pub memory_limit: u64,
    /// Queries that run, of every user.
    pub queries: Option<u64>,
    /// How many it runs at most; 0: without a limit, or not known.
    pub queries_limit: u64,
    /// Queries that run by user; without the grant `SHOW PROCESSES` the export's own alone.
    pub by_user: BTreeMap<String, u64>,
    /// Merges and mutations that run.
    pub merges: Option<u64>,
    /// How many run at most; 0: not known.
    pub merges_limit: u64,
    /// Parts of the fullest partition of all tables.
    pub parts: Option<u64>,
}

const METRICS: &str = "SELECT \
    toUInt64(sumIf(greatest(value, 0), metric = 'MemoryTracking')), \
    toUInt64(sumIf(value, metric = 'Query')), \
    toUInt64(sumIf(value, metric = 'BackgroundMergesAndMutationsPoolTask')), \
    toUInt64(sumIf(value, metric = 'BackgroundMergesAndMutationsPoolSize')) \
    FROM system.metrics";

const PARTS: &str =
    "SELECT toUInt64(max(value)) FROM system.asynchronous_metrics WHERE metric = 'MaxPartCountForPartition'";

const SETTINGS: &str = "SELECT \
    maxIf(toUInt64OrZero(value), name = 'max_server_memory_usage'), \
    maxIf(toUInt64OrZero(value), name = 'max_concurrent_queries') \
    FROM system.server_settings";

const USERS: &str = "SELECT user, count() FROM system.processes WHERE query_id != queryID() GROUP BY user";

/// What a reader's lookup of one trace costs: an index, and hardly a row.
const PROBE: &str =
    "SELECT count() FROM observations WHERE trace_id = 'tracemill-probe' AND start_time >= now() - 86400";

impl Sampler {
    pub(super) fn new(export: Service, interactive: Option<Service>, latency: Latency, clock: &Clock) -> Self {
        Self {
            export,
            interactive,
            latency,
            probes: Latency::new(clock.clone(), RECENT),
            limits: Limits::default(),
            settings_in: 0,
            asked: Asked {
                metrics: Once::new("metrics"),
                parts: Once::new("asynchronous_metrics"),
                settings: Once::new("server_settings"),
                users: Once::new("processes"),
            },
        }
    }

    /// Looks once. Takes some milliseconds, a few seconds at most.
    pub(super) async fn look(&mut self) -> (Sample, Load) {
        let load = self.load().await;
        let recent = match self.interactive {
            Some(_) => self.probe().await,
            None => self.latency.recent(),
        };
        let sample = Sample {
            queries: recent.count,
            p95: recent.p95,
            pressure: pressure(&load),
            is_exporting: false,
        };
        (sample, load)
    }

    async fn load(&mut self) -> Load {
        let about = |sql: &str| Statement::new(sql, Comment::new("governor"));
        let (metrics, parts, users) = (about(METRICS), about(PARTS), about(USERS));
        let (metrics, parts, users) = tokio::join!(
            within(self.export.one::<(u64, u64, u64, u64)>(&metrics)),
            within(self.export.one::<u64>(&parts)),
            within(self.export.rows::<(String, u64)>(&users)),
        );
        if self.settings_in == 0 {
            let settings = about(SETTINGS);
            let settings = within(self.export.one::<(u64, u64)>(&settings)).await;
            if let Some((memory, queries)) = self.asked.settings.told(settings) {
                self.limits = Limits { memory, queries };
            }
        }
        self.settings_in = self.settings_in.checked_sub(1).unwrap_or(SETTINGS_EVERY);
        let metrics = self.asked.metrics.told(metrics);
        Load {
            memory: metrics.map(|(memory, ..)| memory),
            memory_limit: self.limits.memory,
            queries: metrics.map(|(_, queries, ..)| queries),
            queries_limit: self.limits.queries,
            by_user: self.asked.users.told(users).unwrap_or_default().into_iter().collect(),
            merges: metrics.map(|(_, _, merges, _)| merges),
            merges_limit: metrics.map_or(0, |(.., limit)| limit),
            parts: self.asked.parts.told(parts),
        }
    }

    /// Measures what a reader would see. Nobody's rows are looked at.
    async fn probe(&mut self) -> Recent {
        let Some(service) = &self.interactive else {
            return Recent::default();
        };
        let statement = Statement::new(PROBE, Comment::new("probe"));
        let began = Instant::now();
        let probed = within(service.one::<u64>(&statement)).await;
        // What fails at once says nothing; what takes too long does.
        if !matches!(probed, Some(Err(_))) {
            self.probes.record(began.elapsed());
        }
        self.probes.recent()
    }
}

/// A figure that may be refused: told in the log once, and again only after it was told.
#[derive(Debug)]
pub(super) struct Once {
    table: &'static str,
    is_told: bool,
}

impl Once {
    /// A figure of that table of `system`.
    pub(super) fn new(table: &'static str) -> Self {
        Self { table, is_told: false }
    }

    /// What was told, if anything was.
    pub(super) fn told<T>(&mut self, answer: Option<Result<T, WarehouseError>>) -> Option<T> {
        match answer? {
            Ok(told) => {
                self.is_told = false;
                Some(told)
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_told, true) {
                    tracing::info!(table = self.table, %error, "the governor goes without a figure of clickhouse");
                }
                None
            }
        }
    }
}

/// An answer, if it comes soon.
pub(super) async fn within<T>(
    answer: impl Future<Output = Result<T, WarehouseError>>,
) -> Option<Result<T, WarehouseError>> {
    tokio::time::timeout(PATIENCE, answer).await.ok()
}

/// What ClickHouse is short of.
fn pressure(load: &Load) -> Option<&'static str> {
    let is_above = |value: Option<u64>, bound: f64| value.is_some_and(|value| value as f64 > bound);
    if load.memory_limit > 0 && is_above(load.memory, load.memory_limit as f64 * SHORT) {
        return Some("memory");
    }
    let parts = load.parts.unwrap_or(0);
    if parts > MANY_PARTS {
        return Some("parts");
    }
    // A pool that is full is usual where much is written; with parts that pile up merges fall behind.
    let is_full = load.merges_limit > 0 && load.merges >= Some(load.merges_limit);
    if is_full && parts > MERGED_PARTS {
        return Some("merges");
    }
    let most = match load.queries_limit {
        0 => QUERIES,
        limit => limit,
    };
    is_above(load.queries, most as f64 * BUSY).then_some("queries")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(memory: u64, memory_limit: u64, parts: u64, merges: u64, queries: u64, queries_limit: u64) -> Load {
        Load {
            memory: Some(memory),
            memory_limit,
            queries: Some(queries),
            queries_limit,
            merges: Some(merges),
            merges_limit: 16,
            parts: Some(parts),
            by_user: BTreeMap::new(),
        }
    }

    #[test]
    fn shortage_has_a_name() {
        for (load, expected) in [
            (Load::default(), None),
            (load(0, 0, 0, 0, 0, 0), None),
            (load(9_000, 0, 10, 3, 5, 0), None),
            (load(9_000, 10_000, 10, 3, 5, 0), Some("memory")),
            (load(1_000, 10_000, 900, 3, 5, 0), Some("parts")),
            (load(1_000, 10_000, 200, 16, 5, 0), None),
            (load(1_000, 10_000, 400, 15, 5, 0), None),
            (load(1_000, 10_000, 400, 16, 5, 0), Some("merges")),
            (load(1_000, 10_000, 10, 3, 80, 0), None),
            (load(1_000, 10_000, 10, 3, 81, 0), Some("queries")),
            (load(1_000, 10_000, 10, 3, 81, 1_000), None),
            (load(1_000, 10_000, 10, 3, 9, 10), Some("queries")),
        ] {
            assert_eq!(pressure(&load), expected, "{load:?}");
        }
    }

    #[test]
    fn a_figure_is_told_or_gone_without() {
        let mut once = Once::new("parts");
        assert_eq!(once.told(Some(Ok(3))), Some(3));
        assert_eq!(once.told::<u8>(None), None, "it was too slow");
        let refused = || WarehouseError::Config { what: "no".to_owned() };
        assert_eq!(once.told::<u8>(Some(Err(refused()))), None);
        assert!(once.is_told);
        assert_eq!(once.told(Some(Ok(4))), Some(4));
        assert!(!once.is_told, "the next refusal is news again");
    }
}
