//! The servers that the sides share: the embedded ClickHouse, and the S3 test server. Both end with this process.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::process::{bound_to_parent, cpu_of, pause};
use crate::target::{BUCKET, CREDENTIALS};
use crate::{Failure, http};

/// How long a server may take to start.
const START: Duration = Duration::from_secs(60);
/// How long ClickHouse may be silent when it is asked by the harness; copying a day says nothing before it is done.
const SILENCE: Duration = Duration::from_secs(600);
/// How queries of the harness are told from those of the sides.
const OWN_COMMENT: &str = "bench";

/// A child that prints lines, the first ones of which say that it is ready.
#[derive(Debug)]
struct Announced {
    child: Child,
}

impl Announced {
    /// Starts it, and waits for a line from which `find` gets what is wanted.
    fn start<T: Send + 'static>(
        command: &mut Command,
        log: &Path,
        find: impl Fn(&str) -> Option<T> + Send + 'static,
    ) -> Result<(Self, T), Failure> {
        let name = command.get_program().to_string_lossy().into_owned();
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(log)?);
        let mut child = bound_to_parent(command).spawn()?;
        let lines = BufReader::new(child.stdout.take().ok_or("its output is a pipe")?);
        let started = Self { child };
        let (found, wanted) = mpsc::channel();
        std::thread::spawn(move || {
            // Read on to the end: a full pipe would stop the server.
            for line in lines.lines().map_while(Result::ok) {
                if let Some(value) = find(&line) {
                    let _ = found.send(value);
                }
            }
        });
        let value = wanted
            .recv_timeout(START)
            .map_err(|_| format!("{name} did not start; see {}", log.display()))?;
        Ok((started, value))
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // SAFETY: kill takes no pointers; the child was not waited for, so its id is its own.
        unsafe { libc::kill(self.child.id().cast_signed(), libc::SIGTERM) };
        let _ = self.child.wait();
    }
}

/// The embedded ClickHouse.
#[derive(Debug)]
pub struct ClickHouse {
    _owner: Announced,
    /// The server's own process.
    pub pid: u32,
    /// `127.0.0.1:port`.
    pub address: String,
    /// CPU seconds that it takes a second when nobody asks it anything.
    pub idle: f64,
}

impl ClickHouse {
    /// Starts it on a folder of its own.
    pub fn start(tracemill: &Path, dir: &Path) -> Result<Self, Failure> {
        let port = free_port()?;
        let mut command = Command::new(tracemill);
        command.args(["clickhouse", "--http-port", &port.to_string(), "--dir"]);
        command.arg(dir.join("clickhouse"));
        let (owner, pid) = Announced::start(&mut command, &dir.join("clickhouse.log"), |line| {
            let (_, rest) = line.split_once("its process is ")?;
            rest.split(',').next()?.trim().parse::<u32>().ok()
        })?;
        let address = format!("127.0.0.1:{port}");
        Ok(Self {
            _owner: owner,
            pid,
            address,
            idle: 0.0,
        })
    }

    /// Asks it, without that counting for a side.
    pub fn ask(&self, database: &str, sql: &str) -> Result<String, Failure> {
        let query = [("database", database), ("log_comment", OWN_COMMENT)];
        http::text(&self.address, &query, sql, SILENCE)
    }

    /// Its URL, for the exporter.
    pub fn url(&self, database: &str) -> String {
        format!("http://default@{}/?database={database}", self.address)
    }

    /// CPU time so far, in seconds.
    pub fn cpu(&self) -> Result<f64, Failure> {
        Ok(cpu_of(self.pid)?.as_secs_f64())
    }

    /// Measures what it takes when it is idle.
    pub fn measure_idle(&mut self, during: Duration) -> Result<(), Failure> {
        let (began, before) = (Instant::now(), self.cpu()?);
        pause(during);
        self.idle = (self.cpu()? - before) / began.elapsed().as_secs_f64();
        Ok(())
    }

    /// What the query log says of the queries of others that began in a span of time, given in microseconds since 1970.
    pub fn queries(&self, from: u128, to: u128) -> Result<QueryLog, Failure> {
        self.ask("default", "SYSTEM FLUSH LOGS")?;
        let answer = self.ask(
            "default",
            &format!(
                "SELECT count(), max(memory_usage), sum(read_bytes), sum(ProfileEvents['OSCPUVirtualTimeMicroseconds']) \
                 FROM system.query_log WHERE type != 'QueryStart' AND is_initial_query \
                 AND log_comment != '{OWN_COMMENT}' \
                 AND query_start_time_microseconds BETWEEN fromUnixTimestamp64Micro(toInt64({from})) \
                 AND fromUnixTimestamp64Micro(toInt64({to}))"
            ),
        )?;
        let fields: Vec<u64> = answer.split('\t').map(str::parse).collect::<Result<_, _>>()?;
        let [count, memory, read, cpu] = fields[..] else {
            return Err(format!("four numbers, not {answer:?}").into());
        };
        Ok(QueryLog {
            count,
            memory,
            read,
            cpu: cpu as f64 / 1e6,
        })
    }
}

/// ClickHouse's own accounting.
#[derive(Debug, Clone, Copy)]
pub struct QueryLog {
    /// Queries.
    pub count: u64,
    /// The largest memory of one, in bytes.
    pub memory: u64,
    /// Bytes read from tables.
    pub read: u64,
    /// CPU seconds of the threads that it accounts for.
    pub cpu: f64,
}

/// The S3 test server.
#[derive(Debug)]
pub struct ObjectServer {
    _owner: Announced,
    /// `http://127.0.0.1:port`.
    pub endpoint: String,
}

impl ObjectServer {
    /// Starts it with an empty bucket.
    pub fn start(root: &Path, dir: &Path) -> Result<Self, Failure> {
        let mut command = Command::new("python3");
        command.arg(root.join("tests/servers/start.py"));
        command.args(["s3", "--bucket", BUCKET, "--credential", CREDENTIALS.0, "--data"]);
        command.arg(dir.join("objects"));
        let (owner, port) = Announced::start(&mut command, &dir.join("objects.log"), |line| {
            line.strip_prefix("READY ")?.trim().parse::<u16>().ok()
        })?;
        let endpoint = format!("http://127.0.0.1:{port}");
        Ok(Self {
            _owner: owner,
            endpoint,
        })
    }
}

/// A port that nobody listens on now.
///
/// # Errors
/// There is none.
pub fn free_port() -> Result<u16, Failure> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
