//! A whole ingestion whose parts a test can break one by one: a ClickHouse in a process of its own, a raw store, a local
//! queue, and `tracemill run` over them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::engine::free_port;
use crate::ingestion::{PROJECT, PUBLIC_KEY, SECRET_KEY};
use crate::ledger::{run_python, test_file};
use crate::{Engine, Output, Running, Scratch, StoreServer, Tracemill, http};

/// How long a start may take.
const WITHIN: Duration = Duration::from_secs(60);

/// The tables of entities.
const TABLES: [&str; 3] = ["traces", "observations", "scores"];

/// What does not run until it is told to.
#[derive(Debug)]
pub struct Site {
    /// Its ClickHouse.
    pub engine: Engine,
    /// The binary under test.
    pub tracemill: Tracemill,
    /// Where everything is.
    pub scratch: Scratch,
    port: u16,
    status_port: u16,
    clickhouse: String,
    timeout: &'static str,
    unhealthy_after: &'static str,
    limits: String,
    store: String,
    more: String,
}

impl Site {
    /// An empty ClickHouse with the tables, and a local folder for raw objects.
    ///
    /// # Panics
    /// ClickHouse does not start.
    #[must_use]
    pub fn new() -> Self {
        let scratch = Scratch::new();
        let tracemill = Tracemill::new(&scratch.join("logs"));
        let engine = Engine::start(&tracemill, &scratch.join("clickhouse"));
        let site = Self {
            port: free_port(),
            status_port: free_port(),
            clickhouse: engine.url(),
            timeout: "60 s",
            unhealthy_after: "5 min",
            limits: String::new(),
            store: format!("[store.raw]\nurl = '{}'", scratch.join("raw").display()),
            more: String::new(),
            engine,
            tracemill,
            scratch,
        };
        site.tracemill.ok(site.args(&["migrate"], &[]));
        site
    }

    /// The same with ClickHouse at another address.
    #[must_use]
    pub fn at(mut self, url: &str) -> Self {
        url.clone_into(&mut self.clickhouse);
        self
    }

    /// The same with that limit for a query of ingestion.
    #[must_use]
    pub const fn timeout(mut self, timeout: &'static str) -> Self {
        self.timeout = timeout;
        self
    }

    /// The same with that patience before it is not healthy.
    #[must_use]
    pub const fn unhealthy_after(mut self, time: &'static str) -> Self {
        self.unhealthy_after = time;
        self
    }

    /// The same with more keys of the service that ingestion uses.
    #[must_use]
    pub fn limited(mut self, keys: &str) -> Self {
        keys.clone_into(&mut self.limits);
        self
    }

    /// The same with raw objects in our own S3 server.
    #[must_use]
    pub fn stored_in(mut self, server: &StoreServer) -> Self {
        self.store = format!(
            "[store.raw]\nurl = 's3://lake/raw/'\n[store.raw.options]\nendpoint = '{}'\nregion = 'us-east-1'\n\
             access_key_id = 'let-me-in'\nsecret_access_key = 'secret'",
            server.endpoint()
        );
        self
    }

    /// The same with more sections in its graph file.
    #[must_use]
    pub fn with(mut self, toml: &str) -> Self {
        self.more.push_str(toml);
        self
    }

    /// The folder of raw objects, where they are in one.
    #[must_use]
    pub fn raw(&self) -> PathBuf {
        self.scratch.join("raw")
    }

    /// The intake's URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The intake's port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What a path of its status listener answers.
    ///
    /// # Panics
    /// It does not answer.
    #[must_use]
    #[track_caller]
    pub fn tells(&self, path: &str) -> (u16, String) {
        let (status, body) = http::request(self.status_port, "GET", path, "", b"").expect("an answer");
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    /// Its graph file, written anew.
    ///
    /// # Panics
    /// It cannot be written.
    #[must_use]
    pub fn graph(&self) -> PathBuf {
        let folder = self.scratch.path().display();
        let Self {
            port,
            status_port,
            clickhouse,
            timeout,
            unhealthy_after,
            limits,
            store,
            more,
            ..
        } = self;
        let text = format!(
            r#"
            [clickhouse.read_write]
            url = "{clickhouse}"
            timeout = "{timeout}"
            {limits}
            [status]
            dir = "{folder}/status"
            listen = "127.0.0.1:{status_port}"
            unhealthy_after = "{unhealthy_after}"
            {store}
            [intake]
            listen = "127.0.0.1:{port}"
            [access.{PROJECT}]
            keys = [{{ public = "{PUBLIC_KEY}", secret = "{SECRET_KEY}" }}]
            [access.other]
            keys = [{{ public = "pk-lf-other", secret = "sk-lf-other" }}]
            [graph.ingestion.source.jobs]
            type = "queue"
            backend = "local"
            dir = "{folder}/queue"
            store = "raw"
            prefix = "events/"
            [graph.ingestion.operator.merge]
            type = "merge"
            input = "jobs"
            [graph.ingestion.sink.rows]
            type = "clickhouse"
            input = "merge"
            rejected = "letters"
            batch = {{ bytes = "32 MiB", age = "200 ms" }}
            [graph.ingestion.sink.letters]
            type = "letters"
            store = "raw"
            prefix = "letters/"
            {more}
            "#
        );
        let graph = self.scratch.join("graph.toml");
        std::fs::write(&graph, text).expect("the graph file can be written");
        graph
    }

    fn args(&self, command: &[&str], more: &[&str]) -> Vec<OsString> {
        let mut args: Vec<OsString> = command.iter().map(Into::into).collect();
        args.push(self.graph().into());
        args.extend(more.iter().map(Into::into));
        args
    }

    /// Starts it, and waits for nothing.
    ///
    /// # Panics
    /// It cannot be started.
    #[must_use]
    pub fn start(&self) -> Running {
        self.tracemill.start(self.args(&["run"], &[]))
    }

    /// Starts it with more arguments.
    ///
    /// # Panics
    /// It cannot be started.
    #[must_use]
    pub fn start_as(&self, more: &[&str]) -> Running {
        self.tracemill.start(self.args(&["run"], more))
    }

    /// Starts it, and waits until it takes requests.
    ///
    /// # Panics
    /// It does not.
    #[must_use]
    #[track_caller]
    pub fn run(&self) -> Running {
        let mut running = self.start();
        running.until("it takes requests", WITHIN, |_| {
            let ready = http::request(self.port, "GET", "/api/public/ready", "", b"").ok()?;
            (ready.0 == 200).then_some(())
        });
        running
    }

    /// What the process says of itself, every few seconds.
    #[must_use]
    pub fn status(&self, running: &Running) -> Value {
        self.told("ingestion", running)
    }

    /// The same of its exports.
    #[must_use]
    pub fn exports(&self, running: &Running) -> Value {
        self.told("run", running)
    }

    fn told(&self, what: &str, running: &Running) -> Value {
        let file = self.scratch.join(&format!("status/{what}-{}.json", running.pid()));
        let text = std::fs::read(file).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// The letters, also those that were replayed.
    ///
    /// # Panics
    /// They cannot be listed.
    #[must_use]
    pub fn letters(&self) -> Vec<Value> {
        let told = self.tracemill.ok(self.args(&["letters", "list"], &["--json", "--all"]));
        let json = |line: &str| serde_json::from_str(line).expect("JSON");
        told.stdout.lines().map(json).collect()
    }

    /// Waits until everything that was accepted before is acknowledged. Gives the status of then.
    ///
    /// # Panics
    /// It takes too long.
    #[track_caller]
    pub fn drained(&self, running: &mut Running, within: Duration) -> Value {
        let told = self.tracemill.ok(self.args(&["status"], &["--json"]));
        let report: Value = serde_json::from_str(&told.stdout).expect("JSON");
        // Times are texts of one length.
        let since = report["at"].as_str().expect("a time");
        running.until("the queue is empty", within, |running| {
            let status = self.status(running);
            let is_of_now = status["at"].as_str() > Some(since);
            let queue = &status["queue"];
            let is_empty = ["waiting", "active", "delayed"].iter().all(|name| queue[name] == 0);
            (is_of_now && is_empty && status["epochsOpen"] == 0).then_some(status)
        })
    }

    /// Asks it to end, and waits.
    ///
    /// # Panics
    /// It does not end well.
    #[track_caller]
    pub fn stop(running: Running) -> Output {
        running.signal("TERM");
        let output = running.wait(Duration::from_secs(3600));
        assert_eq!(output.code, Some(0), "{}", output.tail());
        output
    }

    /// Compares what ClickHouse holds with what the oracle makes of a journal.
    ///
    /// # Panics
    /// The comparison does not run.
    #[must_use]
    #[track_caller]
    pub fn compare(&self, journal: &Path) -> Value {
        let (report, stderr, code) = run_python([
            test_file("oracle/compare.py").into_os_string(),
            "--clickhouse".into(),
            self.engine.url().into(),
            "--journal".into(),
            journal.into(),
        ]);
        let json: Value = match serde_json::from_str(&report) {
            Ok(json) => json,
            Err(_) => panic!("compare.py ended with {code:?}:\n{report}{stderr}"),
        };
        assert_eq!(code == Some(0), json["right"] == true, "{json:#}");
        json
    }

    /// Entities that have more than one living row, after what ClickHouse merges away.
    #[must_use]
    pub fn doubled(&self) -> u64 {
        let of = |table: &str| {
            let sql = format!(
                "SELECT count() FROM (SELECT 1 FROM {table} FINAL WHERE is_deleted = 0 GROUP BY project_id, id \
                 HAVING count() > 1)"
            );
            self.engine.query(&sql).parse::<u64>().expect("a number")
        };
        TABLES.iter().map(|table| of(table)).sum()
    }

    /// Waits until all is acknowledged and ends the process; then every event of the journal must be in ClickHouse, once and
    /// as the oracle says, and none a letter. Gives the comparison.
    ///
    /// # Panics
    /// Something is missing, surplus, doubled or different.
    #[track_caller]
    pub fn right(&self, mut running: Running, journal: &Path, within: Duration) -> Value {
        let status = self.drained(&mut running, within);
        assert_eq!(
            (&status["failed"], &status["queue"]["failed"]),
            (&Value::from(0), &Value::from(0)),
            "{status:#}"
        );
        let _ = Self::stop(running);
        let report = self.compare(journal);
        assert!(report["right"] == true, "ClickHouse is not the oracle: {report:#}");
        assert!(
            report["entities"].as_u64() > Some(0),
            "nothing was compared: {report:#}"
        );
        assert_eq!(self.letters(), [] as [Value; 0]);
        assert_eq!(self.doubled(), 0, "entities with two rows");
        report
    }
}

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}
