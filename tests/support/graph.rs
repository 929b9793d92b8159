//! Graph files.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::Engine;

/// The nodes that a setting may be for.
const SOURCE: &str = "graph.export.source.windows";
const SINK: &str = "graph.export.sink.files";

/// The nodes of an export of hourly windows without lag into the store `lake`, for graph files that are written by hand. `more` goes into
/// its source.
#[must_use]
pub fn hourly_export(more: &str) -> String {
    format!(
        r#"
[graph.export.source.windows]
type = "windows"
every = "hourly"
lag = "0 s"
{more}
[graph.export.operator.newest]
type = "dedup"
input = "windows"
[graph.export.sink.files]
type = "parquet"
input = "newest"
store = "lake"
failed = "halves"
[graph.export.operator.halves]
type = "split"
into = "windows"
"#
    )
}

/// A graph file with one export: windows, dedup, a file sink and the feedback edge. Every key can be set by its path.
#[derive(Debug, Clone)]
pub struct Graph {
    path: PathBuf,
    store: PathBuf,
    root: Table,
}

impl Graph {
    /// An export of daily windows without lag as Parquet into the folder `<name>` beside the file `<name>.toml`, read from a
    /// shared engine.
    #[must_use]
    pub fn new(folder: &Path, name: &str, engine: &Engine) -> Self {
        Self::with_server(folder, name, &engine.url())
    }

    /// The same for any server's URL.
    #[must_use]
    pub fn with_server(folder: &Path, name: &str, url: &str) -> Self {
        Self::base(folder, name)
            .set("clickhouse.export.url", url)
            .set("clickhouse.read_write.url", url)
    }

    /// The same with an engine of its own, in `engine`.
    #[must_use]
    pub fn embedded(folder: &Path, name: &str, engine: &Path) -> Self {
        Self::base(folder, name).set("embedded.dir", engine.to_string_lossy().into_owned())
    }

    fn base(folder: &Path, name: &str) -> Self {
        let store = folder.join(name);
        let graph = Self {
            path: folder.join(format!("{name}.toml")),
            store: store.clone(),
            root: Table::new(),
        };
        graph
            .set("store.lake.url", store.to_string_lossy().into_owned())
            .source("type", "windows")
            .source("every", "daily")
            .source("lag", "0 s")
            .set("graph.export.operator.newest.type", "dedup")
            .set("graph.export.operator.newest.input", "windows")
            .sink("type", "parquet")
            .sink("input", "newest")
            .sink("store", "lake")
            .sink("layout", "langfuse")
            .sink("failed", "halves")
            .set("graph.export.operator.halves.type", "split")
            .set("graph.export.operator.halves.into", "windows")
    }

    /// Sets a key by its path, `limits.memory`.
    ///
    /// # Panics
    /// A part of the path is a value already.
    #[must_use]
    pub fn set(mut self, path: &str, value: impl Into<Value>) -> Self {
        let (tables, key) = path.rsplit_once('.').unwrap_or(("", path));
        let mut table = &mut self.root;
        for name in tables.split('.').filter(|name| !name.is_empty()) {
            let next = table.entry(name).or_insert_with(|| Value::Table(Table::new()));
            table = next.as_table_mut().expect("a path of tables");
        }
        table.insert(key.to_owned(), value.into());
        self
    }

    /// Sets a key of the windows: `every`, `projects`, `tables`, `start.mode`...
    #[must_use]
    pub fn source(self, key: &str, value: impl Into<Value>) -> Self {
        self.set(&format!("{SOURCE}.{key}"), value)
    }

    /// Sets a key of the file sink: `layout`, `file_size`, `compression`...
    #[must_use]
    pub fn sink(self, key: &str, value: impl Into<Value>) -> Self {
        self.set(&format!("{SINK}.{key}"), value)
    }

    /// Sets a key of the limits: `memory`, `leaves`, `workers`...
    #[must_use]
    pub fn limit(self, key: &str, value: impl Into<Value>) -> Self {
        self.set(&format!("limits.{key}"), value)
    }

    /// Exports only these tables.
    #[must_use]
    pub fn tables(self, tables: &[&str]) -> Self {
        let tables: Vec<Value> = tables.iter().copied().map(Value::from).collect();
        self.source("tables", tables)
    }

    /// The folder of its store, where that is a local one.
    #[must_use]
    pub fn store(&self) -> &Path {
        &self.store
    }

    /// Writes the file, and gives its path.
    ///
    /// # Panics
    /// It cannot be written.
    #[must_use]
    pub fn write(&self) -> PathBuf {
        let text = toml::to_string(&self.root).expect("a table of plain values");
        std::fs::write(&self.path, text).expect("the graph file can be written");
        self.path.clone()
    }
}
