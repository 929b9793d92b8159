//! One run of one side: the command, its measurement, and what it told.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tracemill_benches::process::{self, Used};
use tracemill_benches::target::{BUCKET, CREDENTIALS, Target};
use tracemill_benches::{Failure, reference};

use crate::args::{Args, Side};
use tracemill_benches::day::Day;
use tracemill_benches::server::{ClickHouse, QueryLog};

/// So long after a side has ended, what it left to do in ClickHouse still counts for it.
const SETTLE: Duration = Duration::from_millis(500);

/// What a run needs.
pub(crate) struct Bench<'a> {
    pub(crate) args: &'a Args,
    pub(crate) server: &'a ClickHouse,
    pub(crate) target: &'a Target,
    /// Where the harness keeps graph files and logs.
    pub(crate) dir: &'a Path,
}

/// What a run cost, and what came out.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// The side's own process.
    pub(crate) used: Used,
    /// CPU seconds of the ClickHouse process, without its idle rate.
    pub(crate) server_cpu: f64,
    /// What ClickHouse accounted for.
    pub(crate) queries: QueryLog,
    /// Rows in the files.
    pub(crate) rows: u64,
    /// Bytes of the files.
    pub(crate) bytes: u64,
    /// Microseconds by stage; the exporter alone tells them.
    pub(crate) stages: Vec<(String, u64)>,
}

/// The stages that the exporter's records tell, in microseconds.
const STAGES: [&str; 7] = [
    "budgetUs", "keysUs", "rowsUs", "decodeUs", "dedupUs", "encodeUs", "uploadUs",
];

impl Bench<'_> {
    /// Runs a side once, into a place of its own.
    pub(crate) fn run(&self, side: Side, day: &Day, name: &str) -> Result<Run, Failure> {
        let target = self.target.below(name);
        let files = Files {
            out: self.dir.join(format!("{name}.out")),
            err: self.dir.join(format!("{name}.err")),
        };
        let mut command = match side {
            Side::Tracemill => self.tracemill(day, name, &target)?,
            Side::Reference => self.peer(day, 1, &target)?,
            Side::Reference96 => self.peer(day, 96, &target)?,
            Side::ClickhouseConnect => self.connect(day, name, &target)?,
        };
        command
            .stdout(File::create(&files.out)?)
            .stderr(File::create(&files.err)?);
        let mut run = self.measured(&mut command).map_err(|error| -> Failure {
            let log = std::fs::read_to_string(&files.err).unwrap_or_default();
            let last = log.lines().last().unwrap_or_default();
            format!("{name}: {error}: {last}; see {}", files.err.display()).into()
        })?;
        match side {
            Side::Tracemill => files.read_records(&mut run)?,
            _ => files.read_summary(&mut run)?,
        }
        Ok(run)
    }

    /// Runs a command, and takes what it cost itself and ClickHouse.
    fn measured(&self, command: &mut Command) -> Result<Run, Failure> {
        let (began, before) = (micros()?, self.server.cpu()?);
        let used = process::measure(command, self.args.within())?;
        let ended = micros()?;
        process::pause(SETTLE);
        let (after, took) = (self.server.cpu()?, micros()? - began);
        let idle = self.server.idle * took as f64 / 1e6;
        Ok(Run {
            used,
            server_cpu: (after - before - idle).max(0.0),
            queries: self.server.queries(began, ended)?,
            rows: 0,
            bytes: 0,
            stages: Vec::new(),
        })
    }

    fn tracemill(&self, day: &Day, name: &str, target: &Target) -> Result<Command, Failure> {
        let path = self.dir.join(format!("{name}.toml"));
        std::fs::write(&path, graph(&self.server.address, day, target))?;
        let mut command = Command::new(&self.args.tracemill);
        command.args(["run", "--once"]).arg(path).stdin(Stdio::null());
        // What the caller's environment says of servers and exports is not for this run.
        for (variable, _) in std::env::vars_os() {
            let name = variable.to_string_lossy();
            if name.starts_with("CLICKHOUSE_") || name.starts_with("LANGFUSE_") || name == "TRACEMILL_LOG" {
                command.env_remove(&variable);
            }
        }
        Ok(command)
    }

    fn peer(&self, day: &Day, windows: u32, target: &Target) -> Result<Command, Failure> {
        let mut command = Command::new(beside("peer")?);
        let Day {
            database,
            project,
            window,
            ..
        } = day;
        let (from, to) = (window.from.0.to_string(), window.to.0.to_string());
        command.args([
            &self.server.address,
            *database,
            *project,
            &from,
            &to,
            &windows.to_string(),
        ]);
        command.args(target.to_args()).stdin(Stdio::null());
        Ok(command)
    }

    fn connect(&self, day: &Day, name: &str, target: &Target) -> Result<Command, Failure> {
        let query = self.dir.join(format!("{name}.sql"));
        std::fs::write(&query, reference::query(day.project, day.window))?;
        let python = self.args.python.as_ref().ok_or("no Python for clickhouse-connect")?;
        let mut command = Command::new(python);
        command.arg(self.args.root.join("benches/connect.py"));
        command
            .args([&self.server.address, day.database])
            .args(target.to_args());
        command.args([CREDENTIALS.0, CREDENTIALS.1, BUCKET]);
        // Its client looks for credentials and regions of a cloud machine otherwise.
        command
            .env("AWS_EC2_METADATA_DISABLED", "true")
            // The test server takes no bodies in chunks, which the client sends for checksums that S3 does not require.
            .env("AWS_REQUEST_CHECKSUM_CALCULATION", "WHEN_REQUIRED")
            .stdin(File::open(query)?);
        Ok(command)
    }
}

/// What a command printed.
struct Files {
    out: PathBuf,
    err: PathBuf,
}

impl Files {
    /// The one line of JSON that peers print.
    fn read_summary(&self, run: &mut Run) -> Result<(), Failure> {
        let text = std::fs::read_to_string(&self.out)?;
        let told: Value = serde_json::from_str(text.trim())?;
        run.rows = told["rows"].as_u64().ok_or("the rows of a peer")?;
        run.bytes = told["bytes"].as_u64().ok_or("the bytes of a peer")?;
        Ok(())
    }

    /// The exporter's records of committed windows.
    fn read_records(&self, run: &mut Run) -> Result<(), Failure> {
        let text = std::fs::read_to_string(&self.err)?;
        let records: Vec<Value> = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .filter(|record: &Value| record["message"] == "blob_export_job_completed")
            .collect();
        let sum = |name: &str| records.iter().filter_map(|record| record[name].as_u64()).sum::<u64>();
        run.rows = sum("rows");
        run.bytes = sum("bytes");
        run.stages = STAGES.iter().map(|name| ((*name).to_owned(), sum(name))).collect();
        let (splits, letters) = (sum("splits"), sum("letters"));
        if splits + letters > 0 {
            eprintln!("  note: {splits} splits, {letters} letters; see {}", self.err.display());
        }
        Ok(())
    }
}

impl Run {
    /// All of it.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "wall_s": self.used.wall.as_secs_f64(),
            "client_cpu_s": self.used.cpu.as_secs_f64(),
            "client_peak_bytes": self.used.peak,
            "clickhouse_cpu_s": self.server_cpu,
            "clickhouse_cpu_by_query_log_s": self.queries.cpu,
            "clickhouse_peak_bytes": self.queries.memory,
            "clickhouse_read_bytes": self.queries.read,
            "queries": self.queries.count,
            "rows": self.rows,
            "file_bytes": self.bytes,
            "stages_us": self.stages.iter().map(|(name, us)| (name.clone(), json!(us))).collect::<serde_json::Map<_, _>>(),
        })
    }
}

/// A graph that exports the project's observations by whole days.
fn graph(address: &str, day: &Day, target: &Target) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let options: Vec<String> = target
        .options()
        .iter()
        .map(|(name, value)| format!("{name} = {}", quoted(value)))
        .collect();
    let options = if options.is_empty() {
        String::new()
    } else {
        format!("[store.lake.options]\n{}\n", options.join("\n"))
    };
    format!(
        r#"[clickhouse]
export = {{ url = {url}, user = "default", database = {database} }}

[store.lake]
url = {store}
{options}
[projects]
ids = [{project}]

[graph.export.source.windows]
type = "windows"
tables = ["observations"]
start = "full-history"
every = "daily"
lag = "0 s"

[graph.export.operator.newest]
type = "dedup"
input = "windows"

[graph.export.sink.lake]
type = "parquet"
input = "newest"
store = "lake"
layout = "langfuse"
failed = "halves"

[graph.export.operator.halves]
type = "split"
into = "windows"
"#,
        url = quoted(&format!("http://{address}")),
        database = quoted(day.database),
        store = quoted(&target.url()),
        project = quoted(day.project),
    )
}

/// Another binary of this crate, built beside this one.
pub(crate) fn beside(name: &str) -> Result<PathBuf, Failure> {
    let path = std::env::current_exe()?.with_file_name(name);
    if path.is_file() {
        Ok(path)
    } else {
        Err(format!("{} is not built", path.display()).into())
    }
}

fn micros() -> Result<u128, Failure> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros())
}
