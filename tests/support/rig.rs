//! An ingestion whose parts can be killed one by one: a ClickHouse, the process, and clients whose journal is the truth.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use toml::Table;

use crate::binary::{Running, Tracemill};
use crate::engine::{Engine, free_port};
use crate::ingestion::{PROJECT, PUBLIC_KEY, SECRET_KEY};
use crate::ledger::{python, run_python, test_file};
use crate::{http, wait_until};

/// How long a start or a stop may take.
const WITHIN: Duration = Duration::from_secs(60);

/// A project beside that of the clients, for requests that no journal has: `pk-lf-probe:sk-lf-probe`.
const PROBE: &str = "Authorization: Basic cGstbGYtcHJvYmU6c2stbGYtcHJvYmU=\r\nContent-Type: application/json\r\n";

/// Everything but the process itself, which a test starts, kills and starts again.
#[derive(Debug)]
pub struct Rig {
    /// ClickHouse, apart from the process.
    pub engine: Engine,
    /// The binary.
    pub tracemill: Tracemill,
    /// The graph file.
    pub graph: PathBuf,
    folder: PathBuf,
    port: u16,
}

impl Rig {
    /// `examples/ingestion.toml` with a ClickHouse apart, and with these sections merged into it.
    ///
    /// # Panics
    /// ClickHouse does not start, or `more` is no TOML.
    #[must_use]
    pub fn new(folder: &Path, more: &str) -> Self {
        let tracemill = Tracemill::new(&folder.join("logs"));
        let engine = Engine::start(&tracemill, &folder.join("clickhouse"));
        let port = free_port();
        let text = std::fs::read_to_string(test_file("../examples/ingestion.toml")).expect("the example is there");
        let mut graph: Table = text.parse().expect("the example is TOML");
        graph.remove("embedded");
        let shown = folder.display();
        let own = format!(
            r#"
            [clickhouse.read_write]
            url = "{}"
            [status]
            dir = "{shown}/status"
            [store.raw]
            url = "{shown}/raw"
            [intake]
            listen = "127.0.0.1:{port}"
            [access.probe]
            keys = [{{ public = "pk-lf-probe", secret = "sk-lf-probe" }}]
            [graph.ingestion.source.jobs]
            dir = "{shown}/queue"
            "#,
            engine.url()
        );
        merge(&mut graph, own.parse().expect("TOML"));
        merge(&mut graph, more.parse().expect("the test's sections are TOML"));
        let jobs = graph["graph"]["ingestion"]["source"]["jobs"].as_table_mut();
        let jobs = jobs.expect("the example has a queue");
        if jobs["backend"].as_str() != Some("local") {
            jobs.remove("dir");
        }
        let file = folder.join("graph.toml");
        std::fs::write(&file, toml::to_string(&graph).expect("plain values")).expect("written");
        let rig = Self {
            engine,
            tracemill,
            graph: file,
            folder: folder.to_owned(),
            port,
        };
        rig.tracemill.ok(["migrate".as_ref(), rig.graph.as_os_str()]);
        rig
    }

    /// Starts the process and waits until it listens.
    ///
    /// # Panics
    /// It does not.
    #[must_use]
    #[track_caller]
    pub fn run(&self) -> Running {
        let mut running = self.tracemill.start(["run".as_ref(), self.graph.as_os_str()]);
        running.until("the intake takes requests", WITHIN, |running| {
            (!running.records("taking_requests").is_empty()).then_some(())
        });
        running
    }

    /// Asks the process to end, and waits.
    ///
    /// # Panics
    /// It does not end well.
    #[track_caller]
    pub fn stop(running: Running) {
        running.signal("TERM");
        let output = running.wait(Duration::from_secs(3600));
        assert_eq!(output.code, Some(0), "{}", output.tail());
    }

    /// The intake's port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Sends an event of another project than that of the clients: status, head and body of the answer.
    ///
    /// # Errors
    /// There is no answer.
    pub fn probe(&self) -> Result<(u16, String, Vec<u8>), std::io::Error> {
        let body = br#"{"batch":[{"id":"probe","type":"trace-create","timestamp":"2026-02-25T12:00:00.000Z",
            "body":{"id":"probe","name":"probe"}}]}"#;
        let answer = http::exchange(self.port, "POST", "/api/public/ingestion", PROBE, body)?;
        Ok((answer.status, answer.head, answer.body))
    }

    /// What the process says of itself, as of later than this call.
    ///
    /// # Panics
    /// It says nothing.
    #[must_use]
    pub fn status(&self, running: &mut Running) -> Value {
        let file = self.folder.join(format!("status/ingestion-{}.json", running.pid()));
        // As the file has it, so that texts compare as times.
        let now = Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%S.%3NZ"]).output();
        let now = String::from_utf8(now.expect("the time").stdout).expect("text");
        running.until("it describes itself", WITHIN, |_| {
            let status: Value = serde_json::from_slice(&std::fs::read(&file).ok()?).ok()?;
            let at = status["at"].as_str().expect("when");
            (at >= now.trim()).then_some(status)
        })
    }

    /// Waits until every job is done.
    ///
    /// # Panics
    /// They are not.
    #[track_caller]
    pub fn idle(&self, running: &mut Running, within: Duration) -> Value {
        crate::wait_for("every job is done", within, || {
            let status = self.status(running);
            let queue = &status["queue"];
            let busy = ["waiting", "active", "delayed"].iter().any(|name| queue[name] != 0);
            (!busy && status["epochsOpen"] == 0).then_some(status)
        })
    }

    /// Where the clients write down what was accepted.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.folder.join("journal.jsonl")
    }

    /// Requests that were accepted so far.
    #[must_use]
    pub fn accepted(&self) -> usize {
        let journal = std::fs::read(self.journal()).unwrap_or_default();
        journal.iter().filter(|byte| **byte == b'\n').count()
    }

    /// Starts `tests/traffic/traffic.py`.
    ///
    /// # Panics
    /// It cannot be started.
    #[must_use]
    pub fn traffic(&self, options: &[&str]) -> Traffic {
        let said = self.folder.join("traffic.json");
        let child = Command::new(python())
            .arg(test_file("traffic/traffic.py"))
            .args(["--url", &format!("http://127.0.0.1:{}", self.port)])
            .args([
                "--project",
                &format!("{PROJECT}:{PUBLIC_KEY}:{SECRET_KEY}"),
                "--journal",
            ])
            .arg(self.journal())
            .args(options)
            .stdout(Stdio::from(std::fs::File::create(&said).expect("a file")))
            .spawn()
            .expect("python can be started");
        Traffic { child, said }
    }

    /// Compares the tables with the journal: the report, and whether they are the same.
    ///
    /// # Panics
    /// The comparison does not run.
    #[must_use]
    pub fn compare(&self) -> (Value, bool) {
        let (report, stderr, code) = run_python([
            test_file("oracle/compare.py").into_os_string(),
            "--clickhouse".into(),
            self.engine.url().into(),
            "--journal".into(),
            self.journal().into_os_string(),
        ]);
        let report = serde_json::from_str(&report).unwrap_or_else(|_| panic!("compare.py: {report}{stderr}"));
        (report, code == Some(0))
    }
}

/// Tables are merged name by name, anything else is replaced.
fn merge(into: &mut Table, from: Table) {
    for (name, value) in from {
        match (into.get_mut(&name), value) {
            (Some(toml::Value::Table(old)), toml::Value::Table(new)) => merge(old, new),
            (_, value) => {
                into.insert(name, value);
            }
        }
    }
}

/// Clients that send. Dropping it kills them.
#[derive(Debug)]
pub struct Traffic {
    child: Child,
    said: PathBuf,
}

impl Traffic {
    /// Whether they still send.
    ///
    /// # Panics
    /// The process cannot be asked.
    #[must_use]
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("a child can be waited for").is_none()
    }

    /// Tells them to begin no more requests.
    ///
    /// # Panics
    /// There is no `kill` program, or they are gone.
    pub fn stop(&self) {
        let sent = Command::new("kill")
            .args(["-s", "TERM", &self.child.id().to_string()])
            .status();
        assert!(
            sent.is_ok_and(|status| status.success()),
            "cannot tell the clients to stop"
        );
    }

    /// Waits until they are done, and gives their report.
    ///
    /// # Panics
    /// They are not, or something was refused.
    #[track_caller]
    pub fn end(mut self, within: Duration) -> Value {
        wait_until("the clients are done", within, || !self.runs());
        let said = std::fs::read_to_string(&self.said).expect("a report");
        let status = self.child.wait().expect("it has ended");
        assert!(status.success(), "{status}: {said}");
        serde_json::from_str(&said).unwrap_or_else(|_| panic!("no report: {said}"))
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
