//! The product: `tracemill run` with a graph that ingests, as a child.

use std::fs::File;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Failure;
use crate::process::{bound_to_parent, pause};
use crate::server::free_port;
use serde_json::Value;

use crate::mixes::PROJECT;

/// The keys of a project, public and secret.
pub fn keys(project: &str) -> [String; 2] {
    ["pk", "sk"].map(|kind| format!("{kind}-lf-{project}"))
}

/// How long it may take to start, and to stop.
const WITHIN: Duration = Duration::from_secs(60);

/// A running product.
#[derive(Debug)]
pub struct Product {
    child: Child,
    /// `http://127.0.0.1:port`.
    pub url: String,
    log: PathBuf,
}

impl Product {
    /// Starts it on a folder, which may hold what an earlier one left, and waits until it listens.
    pub fn start(tracemill: &Path, dir: &Path, address: &str, database: &str) -> Result<Self, Failure> {
        Self::start_for(tracemill, dir, address, database, &[PROJECT.to_owned()])
    }

    /// The same for these projects, each with the keys that [`keys`] gives.
    pub fn start_for(
        tracemill: &Path,
        dir: &Path,
        address: &str,
        database: &str,
        projects: &[String],
    ) -> Result<Self, Failure> {
        std::fs::create_dir_all(dir)?;
        let port = free_port()?;
        let path = dir.join("graph.toml");
        std::fs::write(&path, graph(dir, port, address, database, projects))?;
        let log = dir.join("tracemill.log");
        let mut command = Command::new(tracemill);
        command.arg("run").arg(&path).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(File::options().create(true).append(true).open(&log)?);
        clean(&mut command);
        let child = bound_to_parent(&mut command).spawn()?;
        let mut product = Self {
            child,
            url: format!("http://127.0.0.1:{port}"),
            log,
        };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = product.child.try_wait()? {
                return Err(format!("tracemill ended with {status}; see {}", product.log.display()).into());
            }
            if began.elapsed() > WITHIN {
                return Err(format!("tracemill does not listen; see {}", product.log.display()).into());
            }
            pause(Duration::from_millis(20));
        }
        Ok(product)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs; an error if not.
    pub fn check(&mut self) -> Result<(), Failure> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(format!("tracemill ended with {status}; see {}", self.log.display()).into()),
        }
    }

    /// Stops it in order.
    pub fn stop(mut self) -> Result<(), Failure> {
        self.signal(libc::SIGTERM);
        let began = Instant::now();
        while self.child.try_wait()?.is_none() {
            if began.elapsed() > WITHIN {
                return Err(format!("tracemill does not stop; see {}", self.log.display()).into());
            }
            pause(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Ends it as a power failure would.
    pub fn kill(mut self) -> Result<(), Failure> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    fn signal(&self, signal: libc::c_int) {
        // SAFETY: kill takes no pointers; the child was not waited for, so its id is its own.
        unsafe { libc::kill(self.child.id().cast_signed(), signal) };
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Makes the tables in a database of their own.
pub fn migrate(tracemill: &Path, url: &str, log: &Path) -> Result<(), Failure> {
    let mut command = Command::new(tracemill);
    command
        .args(["migrate", "--url", url])
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command.stderr(File::options().create(true).append(true).open(log)?);
    clean(&mut command);
    let status = bound_to_parent(&mut command).status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("migrate ended with {status}; see {}", log.display()).into())
    }
}

/// What the caller's environment says of servers and exports is not for this run.
fn clean(command: &mut Command) {
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        if name.starts_with("CLICKHOUSE_") || name.starts_with("LANGFUSE_") || name == "TRACEMILL_LOG" {
            command.env_remove(&variable);
        }
    }
}

/// The graph of `examples/ingestion.toml`, on this ClickHouse and folder.
fn graph(dir: &Path, port: u16, address: &str, database: &str, projects: &[String]) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let folder = |name: &str| quoted(&dir.join(name).to_string_lossy());
    let access = |project: &String| {
        let [public, secret] = keys(project);
        format!("[access.{project}]\nkeys = [{{ public = \"{public}\", secret = \"{secret}\" }}]\n")
    };
    let access: String = projects.iter().map(access).collect();
    format!(
        r#"[clickhouse]
read_write = {{ url = {url}, user = "default", database = {database} }}

[store.raw]
url = {raw}

[intake]
listen = "127.0.0.1:{port}"

{access}
[graph.ingestion.source.jobs]
type = "queue"
backend = "local"
dir = {queue}
store = "raw"
prefix = "events/"

[graph.ingestion.operator.merge]
type = "merge"
input = "jobs"

[graph.ingestion.sink.rows]
type = "clickhouse"
input = "merge"
rejected = "letters"

[graph.ingestion.sink.letters]
type = "letters"
store = "raw"
prefix = "letters/"
"#,
        url = quoted(&format!("http://{address}")),
        database = quoted(database),
        raw = folder("raw"),
        queue = folder("queue"),
    )
}
