//! Starting a test server, and asking it what it saw.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tracemill_sinks::store::StoreConfig;

/// Azurite's well-known key, the same everywhere.
const AZURITE_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A server that runs until this is dropped.
pub(crate) struct Server {
    kind: &'static str,
    child: Child,
    pub(crate) port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its standard input closes with the child's handle: then it ends by itself, and its own child with it.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/servers")
}

impl Server {
    /// Starts `gcs`, `s3`, `s3-moto` or `azure`, with the bucket `lake`.
    pub(crate) fn start(kind: &'static str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut child = Command::new("python3")
            .arg(scripts().join("start.py"))
            .args([kind, "--bucket", "lake", "--data"])
            .arg(folder.path().join("data"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("python3 runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped"))
            .read_line(&mut line)
            .expect("readable");
        let Some(port) = line.trim().strip_prefix("READY ").and_then(|port| port.parse().ok()) else {
            drop(child.stdin.take());
            let mut said = String::new();
            let _ = child.stderr.take().expect("piped").read_to_string(&mut said);
            panic!(
                "the {kind} server did not start ({}): run scripts/test-services.sh",
                said.trim()
            );
        };
        Self {
            kind,
            child,
            port,
            _folder: folder,
        }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How to reach this server's bucket `lake`, below a prefix.
    pub(crate) fn config(&self, prefix: &str) -> StoreConfig {
        self.bucket("lake", prefix)
    }

    /// The same for any bucket.
    pub(crate) fn bucket(&self, bucket: &str, prefix: &str) -> StoreConfig {
        match self.kind {
            "gcs" => StoreConfig::new(format!("gs://{bucket}/{prefix}"))
                .with("endpoint", self.endpoint())
                .with("bearer_token", "let-me-in"),
            "azure" => StoreConfig::new(format!("az://{bucket}/{prefix}"))
                .with("account", "devstoreaccount1")
                .with("account_key", AZURITE_KEY)
                .with("endpoint", format!("{}/devstoreaccount1", self.endpoint())),
            _ => StoreConfig::new(format!("s3://{bucket}/{prefix}"))
                .with("endpoint", self.endpoint())
                .with("region", "us-east-1")
                .with("access_key_id", "let-me-in")
                .with("secret_access_key", "secret"),
        }
    }

    /// What our own server saw: its unfinished uploads, its requests by kind.
    pub(crate) fn state(&self) -> serde_json::Value {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port)).expect("our server");
        connection
            .write_all(b"GET /_test/state HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .expect("sent");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("answered");
        serde_json::from_str(answer.split_once("\r\n\r\n").expect("a body").1).expect("JSON")
    }

    /// Lets our own server answer every nth request with 503 before, or after, it carried it out.
    pub(crate) fn fail(&self, every: u32, late: u32) {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port)).expect("our server");
        let request =
            format!("PUT /_test/fail?every={every}&late={late} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).expect("sent");
        connection.read_to_string(&mut String::new()).expect("answered");
    }
}
