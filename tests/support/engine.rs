//! A ClickHouse that several commands share: `tracemill clickhouse` as a child.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::binary::{Running, Tracemill};
use crate::http;

/// How long a start or a stop may take.
const WITHIN: Duration = Duration::from_secs(60);

/// A running engine. Dropping it kills it.
#[derive(Debug)]
pub struct Engine {
    tracemill: Tracemill,
    folder: PathBuf,
    port: u16,
    child: Option<Running>,
}

impl Engine {
    /// Starts it on a free port and waits until it answers.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start(tracemill: &Tracemill, folder: &Path) -> Self {
        let mut engine = Self {
            tracemill: tracemill.clone(),
            folder: folder.to_owned(),
            port: free_port(),
            child: None,
        };
        engine.restart();
        engine
    }

    /// Starts it again on its port and its folder, after [`Self::stop`] or [`Self::kill`].
    ///
    /// # Panics
    /// It does not start.
    pub fn restart(&mut self) {
        self.kill();
        let port = self.port.to_string();
        let args = ["clickhouse", "--http-port", &port, "--dir"].map(AsRef::as_ref);
        let mut child = self.tracemill.start(args.into_iter().chain([self.folder.as_os_str()]));
        child.until("ClickHouse answers", WITHIN, |child| {
            child.stdout().contains("ClickHouse answers").then_some(())
        });
        self.child = Some(child);
    }

    /// Asks it to end, and waits.
    ///
    /// # Panics
    /// It does not end.
    pub fn stop(&mut self) {
        if let Some(child) = self.child.take() {
            child.signal("TERM");
            let output = child.wait(Duration::from_secs(3600));
            assert_eq!(output.code, Some(0), "{}", output.tail());
        }
    }

    /// SIGKILL; its own child, the server, ends with it.
    ///
    /// # Panics
    /// The port stays open.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill();
            let port = self.port;
            crate::wait_until("the server's port closes", WITHIN, || {
                std::net::TcpStream::connect(("127.0.0.1", port)).is_err()
            });
        }
    }

    /// Where it listens: user default, no password.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its HTTP port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The answer to a query, without its last line end.
    ///
    /// # Panics
    /// The server refuses it, with the message.
    #[must_use]
    #[track_caller]
    pub fn query(&self, sql: &str) -> String {
        let text = String::from_utf8(self.bytes(sql)).expect("the answer is text");
        text.trim_end_matches('\n').to_owned()
    }

    /// The answer's bytes.
    ///
    /// # Panics
    /// As [`Self::query`].
    #[must_use]
    #[track_caller]
    pub fn bytes(&self, sql: &str) -> Vec<u8> {
        match http::post(self.port, "/", sql.as_bytes()) {
            Ok(body) => body,
            Err(error) => panic!("{sql}: {error}"),
        }
    }

    /// Runs a statement that answers nothing.
    ///
    /// # Panics
    /// As [`Self::query`].
    #[track_caller]
    pub fn execute(&self, sql: &str) {
        assert_eq!(self.query(sql), "", "{sql} was not to answer");
    }

    /// The answer as rows of tab-separated fields.
    ///
    /// # Panics
    /// As [`Self::query`].
    #[must_use]
    #[track_caller]
    pub fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let fields = |line: &str| line.split('\t').map(ToOwned::to_owned).collect();
        self.query(sql).lines().map(fields).collect()
    }
}

/// A port that is free now.
///
/// # Panics
/// There is none.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound port").port()
}
