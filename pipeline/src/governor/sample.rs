//! What a look sees: how interactive queries fare, and what ClickHouse is short of.

use std::time::{Duration, Instant};

use tracemill_operators::Clock;
use tracemill_operators::governor::{Latency, Recent, Sample};
use tracemill_warehouse::{Comment, Service, Statement, WarehouseError};

use super::RECENT;

/// Parts of one partition, from which on ClickHouse soon slows inserts down by itself.
const MANY_PARTS: f64 = 800.0;
/// The part of ClickHouse's memory limit that counts as short.
const SHORT: f64 = 0.85;
/// How long a look may take: a server that does not answer is told by the exports themselves.
const PATIENCE: Duration = Duration::from_secs(3);

/// Looks at ClickHouse.
pub(super) struct Sampler {
    export: Service,
    interactive: Option<Service>,
    latency: Latency,
    probes: Latency,
    is_told: bool,
}

/// Memory that is used and the limit, parts of the fullest partition.
type Load = (f64, f64, f64);

const LOAD: &str = "SELECT \
    (SELECT toFloat64(sum(value)) FROM system.metrics WHERE metric = 'MemoryTracking'), \
    (SELECT toFloat64(max(toUInt64OrZero(value))) FROM system.server_settings WHERE name = 'max_server_memory_usage'), \
    (SELECT toFloat64(max(value)) FROM system.asynchronous_metrics WHERE metric = 'MaxPartCountForPartition')";

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
            is_told: false,
        }
    }

    /// Looks once. Takes some milliseconds, a few seconds at most.
    pub(super) async fn look(&mut self) -> Sample {
        let load = self.load().await;
        let recent = match self.interactive {
            Some(_) => self.probe().await,
            None => self.latency.recent(),
        };
        Sample {
            queries: recent.count,
            p95: recent.p95,
            pressure: load.and_then(pressure),
            is_exporting: false,
        }
    }

    async fn load(&mut self) -> Option<Load> {
        let statement = Statement::new(LOAD, Comment::new("governor"));
        let load = match within(self.export.one::<Load>(&statement)).await? {
            Ok(load) => load,
            Err(error) => {
                if !std::mem::replace(&mut self.is_told, true) {
                    tracing::info!(%error, "the governor does not see what clickhouse is short of");
                }
                return None;
            }
        };
        Some(load)
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

async fn within<T>(answer: impl Future<Output = Result<T, WarehouseError>>) -> Option<Result<T, WarehouseError>> {
    tokio::time::timeout(PATIENCE, answer).await.ok()
}

fn pressure((memory, limit, parts): Load) -> Option<&'static str> {
    if limit > 0.0 && memory > limit * SHORT {
        return Some("memory");
    }
    (parts > MANY_PARTS).then_some("parts")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortage_has_a_name() {
        for (load, expected) in [
            ((0.0, 0.0, 0.0), None),
            ((9e9, 0.0, 10.0), None),
            ((9e9, 10e9, 10.0), Some("memory")),
            ((1e9, 10e9, 900.0), Some("parts")),
        ] {
            assert_eq!(pressure(load), expected, "{load:?}");
        }
    }
}
