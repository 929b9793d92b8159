//! A Redis of a test's own, and Node scripts that use it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::ledger::{service, test_file};
use crate::{engine, wait_until};

/// How long a start may take.
const WITHIN: Duration = Duration::from_secs(20);

/// A running Redis with an append-only file. Dropping it kills it.
#[derive(Debug)]
pub struct Redis {
    port: u16,
    data: PathBuf,
    fsync: &'static str,
    child: Option<Child>,
}

impl Redis {
    /// Starts it on a free port. Its append-only file is synced at every write.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start(data: &Path) -> Self {
        Self::start_with(data, "always")
    }

    /// The same with another `appendfsync`.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start_with(data: &Path, fsync: &'static str) -> Self {
        std::fs::create_dir_all(data).expect("a folder can be made");
        let mut redis = Self {
            port: engine::free_port(),
            data: data.to_owned(),
            fsync,
            child: None,
        };
        redis.restart();
        redis
    }

    /// Starts it again on its port and its data.
    ///
    /// # Panics
    /// It does not start.
    pub fn restart(&mut self) {
        self.kill();
        let port = self.port.to_string();
        let child = Command::new(service("redis/bin/redis-server"))
            .args([
                "--port",
                &port,
                "--bind",
                "127.0.0.1",
                "--appendonly",
                "yes",
                "--save",
                "",
            ])
            .args(["--appendfsync", self.fsync, "--maxmemory-policy", "noeviction", "--dir"])
            .arg(&self.data)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server can be started");
        self.child = Some(child);
        wait_until("redis answers", WITHIN, || self.ask("PING").starts_with("+PONG"));
    }

    /// Its append-only file, the one that grows.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn append_only_file(&self) -> PathBuf {
        let files = crate::scratch::files_ending(&self.data.join("appendonlydir"), ".incr.aof");
        files.into_iter().next_back().expect("an append-only file")
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The first line of its answer to a command in one line; empty without one.
    #[must_use]
    pub fn ask(&self, command: &str) -> String {
        let mut line = String::new();
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            let _ = stream.write_all(format!("{command}\r\n").as_bytes());
            let _ = BufReader::new(stream).read_line(&mut line);
        }
        line
    }

    /// How often it has run a command.
    #[must_use]
    pub fn calls(&self, command: &str) -> u64 {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else {
            return 0;
        };
        let _ = stream.write_all(b"INFO commandstats\r\nQUIT\r\n");
        let mut told = String::new();
        let _ = stream.read_to_string(&mut told);
        let begin = format!("cmdstat_{command}:calls=");
        let calls = told
            .lines()
            .find_map(|line| line.strip_prefix(&begin)?.split(',').next());
        calls.and_then(|calls| calls.parse().ok()).unwrap_or(0)
    }

    /// Starts `tests/node/bullmq/bull.mjs` with BullMQ of that major version.
    ///
    /// # Panics
    /// It cannot be started.
    #[must_use]
    pub fn node(&self, major: u32, command: &str, queue: &str, argument: &Value) -> Node {
        let mut child = Command::new("node")
            .arg(test_file("node/bullmq/bull.mjs"))
            .args([&major.to_string(), &self.port.to_string(), command, queue])
            .arg(argument.to_string())
            .env("TRACEMILL_TEST_MODULES", service("bullmq"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node can be started");
        Node {
            input: child.stdin.take(),
            output: BufReader::new(child.stdout.take().expect("piped")),
            child,
        }
    }

    /// Runs a command of the script to its end, and gives what it says.
    ///
    /// # Panics
    /// It says nothing.
    #[must_use]
    pub fn bull(&self, major: u32, command: &str, queue: &str, argument: &Value) -> Value {
        let mut node = self.node(major, command, queue, argument);
        let value = node.line();
        node.end();
        value
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A Node script that runs. Dropping it kills it.
#[derive(Debug)]
pub struct Node {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Node {
    /// The next value that it says.
    ///
    /// # Panics
    /// It ends without one, or what it says is no JSON.
    pub fn line(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("readable");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("the script said `{line}`: {error}"))
    }

    /// Closes its input, and waits for its end.
    pub fn end(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}
