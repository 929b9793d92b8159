//! One run of load: what it costs both processes, and how long it takes until all of it is visible.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tracemill_benches::Failure;
use tracemill_benches::process::{cpu_of, pause, peak_of};
use tracemill_benches::server::ClickHouse;
use tracemill_pipeline::send::{Accepted, SendReport};
use tracemill_sources::synth::sdk::{Expectation, Request};

use crate::args::Args;
use tracemill_benches::client::Client;
use tracemill_benches::mixes::Mix;
use tracemill_benches::product::{Product, migrate};

/// How often the tables are counted once all events are accepted.
const LOOK: Duration = Duration::from_millis(100);
/// How long ClickHouse must have had nothing to merge.
const QUIET: Duration = Duration::from_secs(2);

/// What every run needs.
pub(crate) struct Bench<'a> {
    pub(crate) args: &'a Args,
    pub(crate) server: &'a ClickHouse,
    pub(crate) runtime: &'a Runtime,
    pub(crate) dir: PathBuf,
}

/// What a run cost.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// What the client saw.
    pub(crate) sent: SendReport,
    /// From the first request until everything was visible, in seconds.
    pub(crate) seconds: f64,
    /// Rows that are right.
    pub(crate) rows: u64,
    /// CPU seconds of the product until everything was visible.
    pub(crate) product_cpu: f64,
    /// CPU seconds of ClickHouse until then, without its idle rate.
    pub(crate) server_cpu: f64,
    /// The same until its merges were done.
    pub(crate) settled_cpu: f64,
    /// Whether they were done in time.
    pub(crate) is_settled: bool,
    /// CPU seconds of the client.
    pub(crate) client_cpu: f64,
    /// The product's peak resident memory in bytes.
    pub(crate) peak: u64,
    /// Queries by what they say they are for, with their CPU seconds.
    pub(crate) queries: BTreeMap<String, (u64, f64)>,
}

impl Run {
    /// Events a second.
    pub(crate) fn rate(&self) -> f64 {
        self.sent.events as f64 / self.seconds
    }

    /// Milliseconds of CPU an event, of both, merges included.
    pub(crate) fn cpu_ms(&self) -> f64 {
        (self.product_cpu + self.settled_cpu) * 1e3 / self.sent.events as f64
    }

    /// Queries whose kind is this, per 1,000 events.
    pub(crate) fn queries_of(&self, kind: &str) -> f64 {
        let prefix = format!("{kind} ");
        let all = self.queries.iter().filter(|(name, _)| name.starts_with(&prefix));
        all.map(|(_, (count, _))| *count as f64).sum::<f64>() * 1e3 / self.sent.events as f64
    }

    /// All of it.
    pub(crate) fn to_json(&self) -> Value {
        let queries: BTreeMap<&String, Value> = self
            .queries
            .iter()
            .map(|(name, (count, cpu))| (name, json!({"count": count, "cpu_s": cpu})))
            .collect();
        json!({
            "events": self.sent.events, "body_bytes": self.sent.bytes, "requests": self.sent.requests,
            "retries": self.sent.retries, "accepted_s": self.sent.took.as_secs_f64(), "visible_s": self.seconds,
            "rows": self.rows, "events_per_s": self.rate(), "product_cpu_s": self.product_cpu,
            "clickhouse_cpu_s": self.server_cpu, "clickhouse_settled_cpu_s": self.settled_cpu,
            "merges_settled": self.is_settled, "client_cpu_s": self.client_cpu, "cpu_ms_per_event": self.cpu_ms(),
            "product_peak_bytes": self.peak, "queries": queries,
        })
    }
}

impl Bench<'_> {
    /// Makes a database with empty tables.
    pub(crate) fn database(&self, name: &str) -> Result<(), Failure> {
        self.server.ask("default", &format!("CREATE DATABASE {name}"))?;
        migrate(
            &self.args.tracemill,
            &self.server.url(name),
            &self.dir.join("migrate.log"),
        )
    }

    /// Removes it.
    pub(crate) fn drop_database(&self, name: &str) -> Result<(), Failure> {
        self.server
            .ask("default", &format!("DROP DATABASE {name} SYNC"))
            .map(drop)
    }

    /// Sends, and returns when all of it was accepted.
    pub(crate) fn send<R>(
        &self,
        requests: R,
        url: &str,
        rate: f64,
        accepted: Option<Accepted>,
    ) -> Result<(SendReport, R), Failure>
    where
        R: Iterator<Item = Request> + Send + 'static,
    {
        let client = Client {
            url: url.to_owned(),
            rate,
            connections: self.args.connections,
        };
        client.send(self.runtime, requests, accepted)
    }

    /// Runs a mix once, in a database of that name, which stays.
    pub(crate) fn run(&self, mix: &Mix, traces: u32, name: &str) -> Result<Run, Failure> {
        self.database(name)?;
        let folder = self.dir.join(name);
        let mut product = Product::start(&self.args.tracemill, &folder, &self.server.address, name)?;
        // Made before, so that making them costs nothing now.
        let mut made = mix.requests(1, traces)?;
        let requests: Vec<Request> = made.by_ref().collect();
        let expected = made.expectation();
        let (began, from) = (Instant::now(), micros()?);
        let before = [self.server.cpu()?, cpu_of(product.pid())?.as_secs_f64(), own_cpu()?];
        let (sent, _) = self.send(requests.into_iter(), &product.url, 0.0, None)?;
        let client_cpu = own_cpu()? - before[2];
        self.wait_visible(name, mix, &expected, &mut product)?;
        let seconds = began.elapsed().as_secs_f64();
        let product_cpu = cpu_of(product.pid())?.as_secs_f64() - before[1];
        let server_cpu = self.server.cpu()? - before[0] - self.server.idle * seconds;
        let queries = self.queries(name, from, micros()?)?;
        let (is_settled, settled_at) = self.settle(name)?;
        let idle = self.server.idle * settled_at.duration_since(began).as_secs_f64();
        let settled_cpu = self.server.cpu()? - before[0] - idle;
        let peak = peak_of(product.pid())?;
        product.stop()?;
        Ok(Run {
            sent,
            seconds,
            rows: expected.iter().map(|e| e.traces + e.observations + e.scores).sum(),
            product_cpu,
            server_cpu: server_cpu.max(0.0),
            settled_cpu: settled_cpu.max(0.0),
            is_settled,
            client_cpu,
            peak,
            queries,
        })
    }

    /// Waits until every entity is there, and with updates until each has what its last event says.
    pub(crate) fn wait_visible(
        &self,
        database: &str,
        mix: &Mix,
        expected: &[Expectation],
        product: &mut Product,
    ) -> Result<(), Failure> {
        let began = Instant::now();
        let sum = |of: fn(&Expectation) -> u64| expected.iter().map(of).sum::<u64>();
        for (table, end, wanted) in [
            ("observations", "end_time", sum(|e| e.observations)),
            ("traces", "output", sum(|e| e.traces)),
        ] {
            let complete = if mix.has_updates {
                format!("{end} IS NOT NULL")
            } else {
                "1".to_owned()
            };
            loop {
                let number = |sql: String| -> Result<u64, Failure> { Ok(self.server.ask(database, &sql)?.parse()?) };
                // The plain count is cheap, and tells when it is worth to look closer.
                if number(format!("SELECT count() FROM {table}"))? >= wanted
                    && number(format!("SELECT uniqExactIf(id, {complete}) FROM {table}"))? >= wanted
                {
                    break;
                }
                product.check()?;
                if began.elapsed() > Duration::from_secs(self.args.within) {
                    let there = number(format!("SELECT uniqExactIf(id, {complete}) FROM {table}"))?;
                    return Err(format!("{database}: {there} of {wanted} {table} after {:?}", began.elapsed()).into());
                }
                pause(LOOK);
            }
        }
        Ok(())
    }

    /// Waits until ClickHouse merges nothing any more. Whether that was so in time, and when it was.
    fn settle(&self, database: &str) -> Result<(bool, Instant), Failure> {
        let began = Instant::now();
        let mut quiet = None;
        loop {
            let merging = self.server.ask(
                "default",
                &format!("SELECT count() FROM system.merges WHERE database = '{database}'"),
            )?;
            let now = Instant::now();
            if merging == "0" {
                let since = *quiet.get_or_insert(now);
                if now - since >= QUIET {
                    return Ok((true, now));
                }
            } else {
                quiet = None;
            }
            if began.elapsed() > Duration::from_secs(self.args.settle) {
                return Ok((false, now));
            }
            pause(Duration::from_millis(250));
        }
    }

    fn queries(&self, database: &str, from: u128, to: u128) -> Result<BTreeMap<String, (u64, f64)>, Failure> {
        self.server.ask("default", "SYSTEM FLUSH LOGS")?;
        let answer = self.server.ask(
            "default",
            &format!(
                "SELECT concat(query_kind, ' ', JSONExtractString(log_comment, 'operation_name'), ' ', \
                 JSONExtractString(log_comment, 'type')) AS name, count(), sum(ProfileEvents['OSCPUVirtualTimeMicroseconds']) \
                 FROM system.query_log WHERE type != 'QueryStart' AND is_initial_query AND current_database = '{database}' \
                 AND log_comment != 'bench' AND query_start_time_microseconds BETWEEN fromUnixTimestamp64Micro(toInt64({from})) \
                 AND fromUnixTimestamp64Micro(toInt64({to})) GROUP BY name"
            ),
        )?;
        let mut queries = BTreeMap::new();
        for line in answer.lines() {
            let [name, count, cpu] = line.split('\t').collect::<Vec<_>>()[..] else {
                return Err(format!("three fields, not {line:?}").into());
            };
            queries.insert(name.trim().to_owned(), (count.parse()?, cpu.parse::<f64>()? / 1e6));
        }
        Ok(queries)
    }
}

/// CPU seconds of this process.
fn own_cpu() -> Result<f64, Failure> {
    Ok(cpu_of(std::process::id())?.as_secs_f64())
}

fn micros() -> Result<u128, Failure> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros())
}
