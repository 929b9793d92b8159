//! The exports: the product with its layers on or off, and the reference's query, all of the same day.

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tracemill_benches::Failure;
use tracemill_benches::day::Day;
use tracemill_benches::process::{Used, measure};
use tracemill_benches::server::ClickHouse;
use tracemill_benches::target::Target;

/// Who exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exporter {
    /// The reference's query with the reference's limits, one day after the other.
    Reference,
    /// The product with as many threads as there are processors, before everyone else, without a governor.
    Unlimited,
    /// The product as it is configured without further ado, but for the governor.
    Limited,
    /// The product with its governor.
    Governed,
}

impl Exporter {
    /// The `priority` of interactive queries beside it: with the limits of services in place, that of the service `read_only`;
    /// else the reference's, which is outside the order.
    pub(crate) const fn readers_priority(self) -> u32 {
        match self {
            Self::Reference | Self::Unlimited => 0,
            Self::Limited | Self::Governed => 1,
        }
    }
}

/// What is needed to export.
pub(crate) struct Export<'a> {
    pub(crate) tracemill: &'a Path,
    pub(crate) server: &'a ClickHouse,
    pub(crate) day: &'a Day,
    /// For graph files, logs and what is written.
    pub(crate) dir: PathBuf,
    /// How many times the day is exported.
    pub(crate) days: u32,
    /// What the governor is told to keep to, in milliseconds.
    pub(crate) target: Option<u32>,
    /// Where it tells its metrics.
    pub(crate) metrics: Option<u16>,
    pub(crate) within: Duration,
}

/// What exporting took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exported {
    /// Seconds for a day.
    pub(crate) seconds: f64,
    /// CPU seconds of the exporter for a day.
    pub(crate) cpu: f64,
    pub(crate) days: u32,
}

impl Export<'_> {
    /// Exports: the product `days` times in one process, the reference until `span` seconds have passed.
    pub(crate) fn run(&self, exporter: Exporter, span: f64) -> Result<Exported, Failure> {
        std::fs::create_dir_all(&self.dir)?;
        if exporter == Exporter::Reference {
            return self.reference(span);
        }
        let used = self.measured(&mut self.command(exporter)?)?;
        Ok(Exported::of(used, self.days))
    }

    fn reference(&self, span: f64) -> Result<Exported, Failure> {
        let began = Instant::now();
        let (mut wall, mut cpu, mut days) = (Duration::ZERO, Duration::ZERO, 0);
        while days == 0 || began.elapsed().as_secs_f64() < span {
            let target = Target::Local(self.dir.join(format!("reference-{days}")));
            let mut command = Command::new(std::env::current_exe()?.with_file_name("peer"));
            let Day {
                database,
                project,
                window,
                ..
            } = self.day;
            command.args([&self.server.address, *database, *project, &window.from.0.to_string()]);
            command.args([&window.to.0.to_string(), "1"]).args(target.to_args());
            let used = self.measured(&mut command)?;
            wall += used.wall;
            cpu += used.cpu;
            days += 1;
        }
        Ok(Exported::of(Used { wall, cpu, peak: 0 }, days))
    }

    fn measured(&self, command: &mut Command) -> Result<Used, Failure> {
        let log = self.dir.join("export.log");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::options().create(true).append(true).open(&log)?);
        measure(command, self.within).map_err(|error| format!("{error}; see {}", log.display()).into())
    }

    /// The product's command.
    pub(crate) fn command(&self, exporter: Exporter) -> Result<Command, Failure> {
        let path = self.dir.join("graph.toml");
        std::fs::write(&path, self.graph(exporter))?;
        let mut command = Command::new(self.tracemill);
        command.args(["run", "--once"]).arg(path);
        // What the caller's environment says of servers and exports is not for this run.
        for (variable, _) in std::env::vars_os() {
            let name = variable.to_string_lossy();
            if name.starts_with("CLICKHOUSE_") || name.starts_with("LANGFUSE_") || name == "TRACEMILL_LOG" {
                command.env_remove(&variable);
            }
        }
        Ok(command)
    }

    fn graph(&self, exporter: Exporter) -> String {
        let quoted = |text: &str| Value::from(text).to_string();
        let at = |name: &str| quoted(&self.dir.join(name).to_string_lossy());
        let (url, database) = (
            quoted(&format!("http://{}", self.server.address)),
            quoted(self.day.database),
        );
        let limits = match exporter {
            Exporter::Unlimited => ", max_threads = 2, priority = 0, max_memory_usage = \"1 TiB\"",
            _ => "",
        };
        let governor = exporter == Exporter::Governed;
        let target = self
            .target
            .map(|ms| format!("target_p95 = \"{ms} ms\"\n"))
            .unwrap_or_default();
        let mut graph = format!(
            "[clickhouse]\nexport = {{ url = {url}, user = \"default\", database = {database}{limits} }}\n\
             read_only = {{ url = {url}, user = \"default\", database = {database} }}\n\n\
             [governor]\nenabled = {governor}\n{target}\n[status]\ndir = {}\n{}\n[projects]\nids = [{}]\n",
            at("status"),
            self.metrics
                .map(|port| format!("listen = \"127.0.0.1:{port}\"\n"))
                .unwrap_or_default(),
            quoted(self.day.project),
        );
        for day in 0..self.days {
            let _ = write!(
                graph,
                r#"
[store.lake{day}]
url = {lake}

[graph.day{day}.source.windows]
type = "windows"
tables = ["observations"]
start = "full-history"
every = "daily"
lag = "0 s"

[graph.day{day}.operator.newest]
type = "dedup"
input = "windows"

[graph.day{day}.sink.lake]
type = "parquet"
input = "newest"
store = "lake{day}"
layout = "langfuse"
failed = "halves"

[graph.day{day}.operator.halves]
type = "split"
into = "windows"
"#,
                lake = at(&format!("lake{day}"))
            );
        }
        graph
    }
}

impl Exported {
    fn of(used: Used, days: u32) -> Self {
        let each = f64::from(days.max(1));
        Self {
            seconds: used.wall.as_secs_f64() / each,
            cpu: used.cpu.as_secs_f64() / each,
            days,
        }
    }
}
