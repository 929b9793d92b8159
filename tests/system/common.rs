//! What several modules do: write synthetic rows, read manifests, and count.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tracemill_tests::scratch::{files_below, files_ending};
use tracemill_tests::{Engine, Graph, Output, Scratch, Tracemill};

/// The exported tables.
pub(crate) const TABLES: [&str; 3] = ["traces", "observations", "scores"];

/// A command on a graph file.
pub(crate) fn args(graph: &Path, command: &str, more: &[&str]) -> Vec<OsString> {
    let mut args = vec![OsString::from(command), graph.as_os_str().to_owned()];
    args.extend(more.iter().map(OsString::from));
    args
}

/// A ClickHouse with synthetic rows that were written in full before anything was exported, and their ledger.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) engine: Engine,
    pub(crate) tracemill: Tracemill,
    pub(crate) scratch: Scratch,
    /// The ledger's folder.
    pub(crate) truth: PathBuf,
    /// Versions of rows that were written.
    pub(crate) versions: u64,
}

impl Stage {
    /// Starts the engine and writes rows. ClickHouse merges nothing, so that every version stays where it was written.
    #[track_caller]
    pub(crate) fn new(synth: &[&str]) -> Self {
        let scratch = Scratch::new();
        let tracemill = Tracemill::new(&scratch.join("logs"));
        let engine = Engine::start(&tracemill, &scratch.join("clickhouse"));
        let truth = scratch.join("ledger");
        let mut stage = Self {
            engine,
            tracemill,
            scratch,
            truth,
            versions: 0,
        };
        let graph = stage.graph("synth").write();
        stage.tracemill.ok(args(&graph, "migrate", &[]));
        stage.engine.execute("SYSTEM STOP MERGES");
        stage.versions = stage.synth(&stage.truth, synth);
        stage
    }

    /// A graph that exports into the folder of that name.
    pub(crate) fn graph(&self, name: &str) -> Graph {
        Graph::new(self.scratch.path(), name, &self.engine)
    }

    /// Writes more rows, with a ledger of their own; how many versions.
    #[track_caller]
    pub(crate) fn synth(&self, ledger: &Path, more: &[&str]) -> u64 {
        let graph = self.graph("synth").write();
        let ledger = ledger.to_string_lossy();
        let more: Vec<&str> = more.iter().copied().chain(["--ledger", &ledger]).collect();
        let output = self.tracemill.ok(args(&graph, "synth", &more));
        let told = output.stdout.lines().find_map(|line| line.split_once(" rows, "));
        let (rows, rest) = told.unwrap_or_else(|| panic!("synth tells its rows: {}", output.tail()));
        println!("synth: {rows} rows, {rest}");
        rows.trim().replace(',', "").parse().expect("a number of rows")
    }

    /// Versions of rows in a table.
    #[track_caller]
    pub(crate) fn count(&self, table: &str) -> u64 {
        let count = self.engine.query(&format!("SELECT count() FROM {table}"));
        count.parse().expect("a number")
    }

    /// Exports everything that is missing.
    #[track_caller]
    pub(crate) fn export(&self, graph: &Graph) -> Output {
        let output = self.tracemill.ok(args(&graph.write(), "run", &["--once"]));
        println!("export: {:.1?}, {:?}", output.took, totals(&output));
        output
    }
}

/// What the records of committed windows add up to, for one table.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) windows: u64,
    pub(crate) rows: u64,
    pub(crate) versions: u64,
    pub(crate) files: u64,
    pub(crate) splits: u64,
    pub(crate) letters: u64,
}

/// Sums of the records of committed windows, by table.
pub(crate) fn totals(output: &Output) -> BTreeMap<String, Totals> {
    let mut totals: BTreeMap<String, Totals> = BTreeMap::new();
    for record in output.records("blob_export_job_completed") {
        let number = |name: &str| record[name].as_u64().unwrap_or_else(|| panic!("no {name} in {record}"));
        let table = record["tablesExported"].as_str().unwrap_or_default().to_owned();
        let sums = totals.entry(table).or_default();
        sums.windows += 1;
        sums.rows += number("rows");
        sums.versions += number("versions");
        sums.files += number("files");
        sums.splits += number("splits");
        sums.letters += number("letters");
    }
    totals
}

/// The only record of that message.
#[track_caller]
pub(crate) fn record(output: &Output, message: &str) -> Value {
    let mut records = output.records(message);
    assert_eq!(records.len(), 1, "records {message}: {}", output.tail());
    records.remove(0)
}

/// A window of an export: project, table, and its ends in ms.
pub(crate) type WindowKey = (String, String, i64, i64);

/// Every manifest of a local store, the newest generation of each window.
#[track_caller]
pub(crate) fn manifests(store: &Path) -> BTreeMap<WindowKey, Value> {
    let mut newest: BTreeMap<WindowKey, Value> = BTreeMap::new();
    // By their ending: what is being written has another name until it is whole.
    for path in files_ending(&store.join("_tracemill"), ".json") {
        if !path.parent().is_some_and(|folder| folder.ends_with("manifests")) {
            continue;
        }
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        let (from, to) = name.split_once('_').expect("a manifest's name");
        let end = |text: &str| text[..15].parse::<i64>().expect("ms in a manifest's name");
        let text = std::fs::read_to_string(&path).expect("a manifest");
        let manifest: Value = serde_json::from_str(&text).expect("JSON");
        let text = |name: &str| manifest[name].as_str().expect("a text").to_owned();
        let key = (text("project"), text("table"), end(from), end(to));
        let generation = |manifest: &Value| manifest["generation"].as_u64().expect("a number");
        if newest
            .get(&key)
            .is_none_or(|other| generation(other) < generation(&manifest))
        {
            newest.insert(key, manifest);
        }
    }
    newest
}

/// Asserts that the data files are those that the newest manifests name, no more and no less, of those sizes, and that
/// windows of one export neither overlap nor leave gaps. Gives the number of files.
#[track_caller]
pub(crate) fn assert_consistent(store: &Path) -> usize {
    let manifests = manifests(store);
    let mut named: BTreeMap<PathBuf, u64> = BTreeMap::new();
    for manifest in manifests.values() {
        for file in manifest["files"].as_array().expect("files") {
            let path = store.join(file["path"].as_str().expect("a path"));
            let before = named.insert(path.clone(), file["bytes"].as_u64().expect("bytes"));
            assert_eq!(before, None, "{} is in two manifests", path.display());
        }
    }
    let own = store.join("_tracemill");
    let found: BTreeMap<PathBuf, u64> = files_below(store)
        .into_iter()
        .filter(|path| !path.starts_with(&own))
        .map(|path| (path.clone(), path.metadata().expect("a file").len()))
        .collect();
    assert_eq!(
        found, named,
        "the files that are there, and those that the manifests name"
    );
    let mut last: Option<&WindowKey> = None;
    for key in manifests.keys() {
        if let Some(last) = last.filter(|last| (&last.0, &last.1) == (&key.0, &key.1)) {
            assert_eq!(last.3, key.2, "a gap or an overlap between {last:?} and {key:?}");
        }
        last = Some(key);
    }
    found.len()
}
