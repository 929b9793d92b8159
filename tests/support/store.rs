//! Object stores over HTTP: the servers of `tests/servers/start.py`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::ledger::test_file;
use crate::{Graph, engine, python};

/// Azurite's well-known key, the same everywhere.
const AZURITE_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A server with the bucket `lake`. Dropping it ends it.
#[derive(Debug)]
pub struct StoreServer {
    kind: &'static str,
    port: u16,
    data: PathBuf,
    more: Vec<String>,
    child: Option<Child>,
}

impl StoreServer {
    /// Starts `gcs`, `s3` (ours), `s3-moto` or `azure`; its data goes into `data`.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start(kind: &'static str, data: &Path, more: &[&str]) -> Self {
        let mut server = Self {
            kind,
            port: engine::free_port(),
            data: data.to_owned(),
            more: more.iter().map(|arg| (*arg).to_owned()).collect(),
            child: None,
        };
        server.restart();
        server
    }

    /// Starts it again on its port and its data.
    ///
    /// # Panics
    /// It does not start.
    pub fn restart(&mut self) {
        self.stop();
        let mut child = Command::new("python3")
            .arg(test_file("servers/start.py"))
            .args([
                self.kind,
                "--bucket",
                "lake",
                "--port",
                &self.port.to_string(),
                "--data",
            ])
            .arg(&self.data)
            .args(&self.more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("python3 runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped"))
            .read_line(&mut line)
            .expect("readable");
        assert!(
            line.starts_with("READY "),
            "the {} server did not start: run scripts/test-services.sh",
            self.kind
        );
        self.child = Some(child);
    }

    /// Ends it; its data stays.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Its standard input closes: then it ends by itself, and its own child with it.
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }

    /// The graph with this server's bucket as its store.
    #[must_use]
    pub fn store_of(&self, graph: Graph, prefix: &str) -> Graph {
        let endpoint = self.endpoint();
        let url = |scheme: &str| format!("{scheme}://lake/{prefix}/");
        let option = |graph: Graph, name: &str, value: &str| graph.set(&format!("store.lake.options.{name}"), value);
        match self.kind {
            "gcs" => {
                let graph = graph.set("store.lake.url", url("gs"));
                let graph = option(graph, "endpoint", &endpoint);
                option(graph, "bearer_token", "let-me-in")
            }
            "azure" => {
                let graph = graph.set("store.lake.url", url("az"));
                let graph = option(graph, "account", "devstoreaccount1");
                let graph = option(graph, "account_key", AZURITE_KEY);
                option(graph, "endpoint", &format!("{endpoint}/devstoreaccount1"))
            }
            _ => {
                let graph = graph.set("store.lake.url", url("s3"));
                let graph = option(graph, "endpoint", &endpoint);
                let graph = option(graph, "region", "us-east-1");
                let graph = option(graph, "access_key_id", "let-me-in");
                option(graph, "secret_access_key", "secret")
            }
        }
    }

    /// Copies every object of the bucket below the prefix into a folder, by a client that is not the code under test.
    ///
    /// # Panics
    /// The server cannot be asked.
    pub fn download(&self, prefix: &str, into: &Path) {
        let done = Command::new(python())
            .arg(test_file("servers/download.py"))
            .args([self.kind, &self.port.to_string(), "lake", prefix])
            .arg(into)
            .status()
            .expect("python runs");
        assert!(done.success(), "the objects of {} can be read", self.kind);
    }

    /// Puts one object.
    ///
    /// # Panics
    /// The server refuses it.
    pub fn put(&self, path: &str, body: &str) {
        let answer = self.ask("PUT", &format!("/lake/{path}"), body);
        assert!(answer.0 == 200, "PUT {path}: {answer:?}");
    }

    /// Where it listens.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Lets our own server fail no requests from now on.
    ///
    /// # Panics
    /// It is not one of ours.
    pub fn mend(&self) {
        self.fail(0);
    }

    /// Lets our own server refuse every `every`th request with 503; 0: none.
    ///
    /// # Panics
    /// It is not one of ours.
    pub fn fail(&self, every: u64) {
        let answer = self.ask("PUT", &format!("/_test/fail?every={every}&late=0"), "");
        assert!(answer.0 == 200, "{answer:?}");
    }

    /// What our own server saw: its unfinished uploads, its requests by kind.
    ///
    /// # Panics
    /// It is not one of ours.
    #[must_use]
    pub fn state(&self) -> Value {
        serde_json::from_str(&self.ask("GET", "/_test/state", "").1).expect("JSON")
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the server");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).expect("sent");
        stream.write_all(body.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        (status.expect("a status"), body.to_owned())
    }
}

impl Drop for StoreServer {
    fn drop(&mut self) {
        self.stop();
    }
}
