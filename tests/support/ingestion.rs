//! An ingestion of a test's own: `tracemill run` on `examples/ingestion.toml`, with ports and folders of its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use toml::Table;

use crate::binary::{Output, Running, Tracemill};
use crate::engine::free_port;
use crate::ledger::test_file;

/// How long a start or a stop may take.
const WITHIN: Duration = Duration::from_secs(60);

/// The project that the example's keys write to.
pub const PROJECT: &str = "demo";
/// Its public key.
pub const PUBLIC_KEY: &str = "pk-lf-demo";
/// Its secret key.
pub const SECRET_KEY: &str = "sk-lf-demo";

/// A running ingestion with an empty ClickHouse. Dropping it kills it.
#[derive(Debug)]
pub struct Ingestion {
    port: u16,
    engine: PathBuf,
    child: Running,
}

impl Ingestion {
    /// Starts it with everything that it keeps in `folder`, and waits until it takes requests.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start(tracemill: &Tracemill, folder: &Path) -> Self {
        let (port, engine) = (free_port(), folder.join("clickhouse"));
        let text = std::fs::read_to_string(test_file("../examples/ingestion.toml")).expect("the example is there");
        let mut graph: Table = text.parse().expect("the example is TOML");
        let path = |path: &Path| path.to_string_lossy().into_owned();
        graph["embedded"]["dir"] = path(&engine).into();
        graph["store"]["raw"]["url"] = path(&folder.join("raw")).into();
        graph["intake"]["listen"] = format!("127.0.0.1:{port}").into();
        graph["graph"]["ingestion"]["source"]["jobs"]["dir"] = path(&folder.join("queue")).into();
        let file = folder.join("ingestion.toml");
        let text = toml::to_string(&graph).expect("a table of plain values");
        std::fs::write(&file, text).expect("the graph file can be written");
        let mut child = tracemill.start(["run".as_ref(), file.as_os_str()]);
        child.until("the intake takes requests", WITHIN, |child| {
            (!child.records("taking_requests").is_empty()).then_some(())
        });
        Self { port, engine, child }
    }

    /// The intake's URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its ClickHouse, with user and password: `http://user:password@host:port`.
    ///
    /// # Panics
    /// It does not say where it listens.
    #[must_use]
    pub fn clickhouse(&self) -> String {
        let text = std::fs::read(self.engine.join("run.json")).expect("the engine says where it listens");
        let run: Value = serde_json::from_slice(&text).expect("JSON");
        let user = "ingestion_user";
        let password = run["passwords"][user].as_str().expect("a password");
        let port = run["http_port"].as_u64().expect("a port");
        format!("http://{user}:{password}@127.0.0.1:{port}")
    }

    /// Asks it to end, and waits.
    ///
    /// # Panics
    /// It does not end well.
    #[must_use]
    pub fn stop(self) -> Output {
        self.child.signal("TERM");
        let output = self.child.wait(Duration::from_secs(3600));
        assert_eq!(output.code, Some(0), "{}", output.tail());
        output
    }
}
