//! One row: readers, ingestion and perhaps an export at once, and what each of them saw.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::{Value, json};
use tracemill_benches::Failure;
use tracemill_benches::client::{Client, look};
use tracemill_benches::day::Day;
use tracemill_benches::mixes::HALF_LOAD;
use tracemill_benches::process::{cpu_of, pause};
use tracemill_benches::product::{Product, migrate};
use tracemill_benches::server::ClickHouse;
use tracemill_model::Table;
use tracemill_pipeline::send::{Accepted, SendReport};
use tracemill_sources::synth::sdk::Request;

use crate::args::Args;
use crate::exporter::{Export, Exported, Exporter};
use crate::readers::{Read, Readers};

/// Seconds before what happens counts.
pub(crate) const WARM: f64 = 6.0;
/// Rows last no longer, in seconds.
const MOST: f64 = 900.0;
/// Between two looks for what was sent: as seldom as tells tenths of a second, for every look is a query.
const LOOK: Duration = Duration::from_millis(100);
/// Requests that are looked for, a second.
const PROBES: f64 = 5.0;

/// What rows share.
pub(crate) struct Bench<'a> {
    pub(crate) args: &'a Args,
    pub(crate) server: &'a ClickHouse,
    pub(crate) runtime: &'a tokio::runtime::Runtime,
    pub(crate) day: &'a Day,
    pub(crate) dir: std::path::PathBuf,
}

/// What a row showed.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Those that were due while the export ran.
    pub(crate) reads: Vec<Read>,
    pub(crate) latency: Histogram<u64>,
    pub(crate) sent: SendReport,
    /// Microseconds from a 2xx to the row.
    pub(crate) visible: Histogram<u64>,
    pub(crate) export: Option<Exported>,
    /// Peak resident memory of ClickHouse in bytes.
    pub(crate) memory: u64,
    /// Processors that ClickHouse and ingestion kept busy.
    pub(crate) busy: (f64, f64),
    pub(crate) seconds: f64,
}

impl Row {
    /// Milliseconds of a quantile of interactive queries.
    pub(crate) fn at(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1e3
    }

    /// The share of interactive queries that took over a second.
    pub(crate) fn over_a_second(&self) -> f64 {
        let slow = self.reads.iter().filter(|read| read.took > 1.0).count();
        slow as f64 / self.reads.len().max(1) as f64
    }

    pub(crate) fn errors(&self) -> usize {
        self.reads.iter().filter(|read| !read.is_answered).count()
    }

    /// Events a second.
    pub(crate) fn events(&self) -> f64 {
        self.sent.events as f64 / self.sent.took.as_secs_f64()
    }

    pub(crate) fn visible_ms(&self) -> f64 {
        self.visible.value_at_quantile(0.99) as f64 / 1e3
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "row": self.name, "queries": self.reads.len(), "p50_ms": self.at(0.5), "p90_ms": self.at(0.9), "p99_ms": self.at(0.99),
            "p99_9_ms": self.at(0.999), "over_1s": self.over_a_second(), "errors": self.errors(), "events_per_s": self.events(),
            "visible_p50_ms": self.visible.value_at_quantile(0.5) as f64 / 1e3, "visible_p99_ms": self.visible_ms(),
            "probes": self.visible.len(), "clickhouse_peak_bytes": self.memory, "seconds": self.seconds,
            "export_day_s": self.export.map(|export| export.seconds), "export_days": self.export.map(|export| export.days),
            "export_cpu_s_a_day": self.export.map(|export| export.cpu), "clickhouse_busy": self.busy.0, "ingestion_busy": self.busy.1,
        })
    }
}

impl Bench<'_> {
    pub(crate) fn export<'b>(&'b self, name: &str, days: u32) -> Export<'b> {
        Export {
            tracemill: &self.args.tracemill,
            server: self.server,
            day: self.day,
            dir: self.dir.join(name),
            days,
            target: self.args.target,
            metrics: None,
            within: Duration::from_secs(self.args.within),
        }
    }

    /// Measures a row.
    pub(crate) fn row(&self, name: &'static str, exporter: Option<Exporter>) -> Result<Row, Failure> {
        let span = self.args.span();
        let priority = exporter.map_or(0, Exporter::readers_priority);
        let readers = Readers::new(self.server, self.day, priority, |_| self.args.queries, MOST)?;
        let place = name.replace(|one: char| !one.is_ascii_alphanumeric(), "_");
        let export = self.export(&place, self.args.days);
        self.beside(name, &readers, |began| {
            pause(Duration::from_secs_f64(WARM).saturating_sub(began.elapsed()));
            match exporter {
                Some(exporter) => export.run(exporter, span).map(Some),
                None => {
                    pause(Duration::from_secs_f64(span));
                    Ok(None)
                }
            }
        })
    }

    /// Readers and ingestion while `work` runs.
    pub(crate) fn beside(
        &self,
        name: &'static str,
        readers: &Readers,
        work: impl FnOnce(Instant) -> Result<Option<Exported>, Failure>,
    ) -> Result<Row, Failure> {
        let place = format!("iso_{}", name.replace(|one: char| !one.is_ascii_alphanumeric(), "_"));
        let dir = self.dir.join(&place);
        std::fs::create_dir_all(&dir)?;
        self.server.ask("default", &format!("CREATE DATABASE {place}"))?;
        migrate(&self.args.tracemill, &self.server.url(&place), &dir.join("migrate.log"))?;
        let product = Product::start(&self.args.tracemill, &dir, &self.server.address, &place)?;
        let stop = Arc::new(AtomicBool::new(false));
        let busy = || -> Result<(f64, f64), Failure> { Ok((self.server.cpu()?, cpu_of(product.pid())?.as_secs_f64())) };
        let began = Instant::now();
        let seen = std::thread::scope(|scope| {
            let sending = scope.spawn(|| self.ingest(&place, &product.url, &stop));
            let reading = scope.spawn(|| readers.run(self.server, began, &stop));
            let memory = scope.spawn(|| peak(self.server.pid, &stop));
            let before = busy();
            let worked = work(began);
            let (ended, after) = (began.elapsed().as_secs_f64(), busy());
            stop.store(true, Ordering::Relaxed);
            let (sent, reads, memory) = (sending.join(), reading.join(), memory.join());
            (worked, before, after, ended, sent, reads, memory)
        });
        let (worked, before, after, ended, sent, reads, memory) = seen;
        let panicked = |_| Failure::from("a thread of the benchmark panicked");
        let (sent, visible) = sent.map_err(panicked)??;
        let ((ch, own), (ch_after, own_after)) = (before?, after?);
        product.stop()?;
        self.server.ask("default", &format!("DROP DATABASE {place} SYNC"))?;
        let mut reads = reads.map_err(panicked)?;
        reads.retain(|read| read.due >= WARM && read.due <= ended);
        let mut latency = Histogram::new(3)?;
        for read in &reads {
            latency.record((read.took * 1e6) as u64)?;
        }
        let row = Row {
            name,
            reads,
            latency,
            sent,
            visible,
            export: worked?,
            memory: memory.map_err(panicked)?,
            busy: ((ch_after - ch) / ended, (own_after - own) / ended),
            seconds: ended - WARM,
        };
        eprintln!("{}", crate::report::line(&row));
        Ok(row)
    }

    /// Sends until `stop`, and looks when it is visible.
    fn ingest(
        &self,
        database: &str,
        url: &str,
        stop: &Arc<AtomicBool>,
    ) -> Result<(SendReport, Histogram<u64>), Failure> {
        let traces = (self.args.events * MOST / 6.0) as u32;
        let over = Arc::clone(stop);
        let requests = HALF_LOAD
            .requests(2, traces.max(100))?
            .take_while(move |_| !over.load(Ordering::Relaxed));
        let every = (self.args.events / 100.0 / PROBES).ceil().max(1.0) as u64;
        let (probe, probes) = mpsc::channel::<(String, Instant)>();
        let seen = AtomicU64::new(0);
        let accepted: Accepted = Arc::new(move |request: &Request, at: Instant| {
            let (table, id) = &request.last;
            if *table == Table::Observations && seen.fetch_add(1, Ordering::Relaxed).is_multiple_of(every) {
                // Nobody listens when the looking failed; that is told there.
                let _ = probe.send((id.clone(), at));
            }
        });
        let client = Client {
            url: url.to_owned(),
            rate: self.args.events,
            connections: 4,
        };
        std::thread::scope(|scope| {
            let looking = scope.spawn(move || look(self.server, database, &probes, LOOK));
            let sent = client
                .send(self.runtime, requests, Some(accepted))
                .map(|(report, _)| report);
            let found = looking.join().map_err(|_| "the looking panicked")??;
            Ok((sent?, found))
        })
    }
}

/// The most resident memory of a process until `stop`, in bytes.
fn peak(pid: u32, stop: &AtomicBool) -> u64 {
    let mut most = 0;
    while !stop.load(Ordering::Relaxed) {
        let pages = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
        let pages = pages
            .split(' ')
            .nth(1)
            .and_then(|pages| pages.parse::<u64>().ok())
            .unwrap_or(0);
        most = most.max(pages * 4096);
        pause(Duration::from_millis(100));
    }
    most
}
