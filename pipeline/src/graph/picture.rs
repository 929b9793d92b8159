//! Nodes and edges of a graph, the places where data comes from and goes to among them.

use tracemill_model::Period;

use crate::config::{
    Checked, Compression, Engine, FileFormat, FileSink, Flow, Graph, Layout, OnStuck, OperatorKind, Projects, SinkKind,
    SourceKind, Start, Store, StoreKind, Windows,
};

/// One graph as a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// The graph's name.
    pub name: String,
    /// Its nodes.
    pub nodes: Vec<Node>,
    /// Its edges, by the indices of their nodes.
    pub edges: Vec<Edge>,
}

/// A node of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// As the file names it; of a place, its address.
    pub name: String,
    /// What part it plays.
    pub shape: Shape,
    /// Its type: `windows`, `parquet`.
    pub ty: String,
    /// What was chosen for it, in a few words.
    pub detail: String,
}

/// What part a node plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// A server or a store, outside the graph.
    Place,
    /// A source.
    Source,
    /// An operator.
    Operator,
    /// A sink.
    Sink,
    /// A part of the way that is always there, and that the file does not name.
    Stage,
}

/// An edge of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// The node that gives.
    pub from: usize,
    /// The node that takes.
    pub to: usize,
    /// What flows; `None` to and from a place.
    pub flow: Option<Flow>,
}

/// A picture of each graph.
#[must_use]
pub fn pictures(checked: &Checked) -> Vec<Picture> {
    checked.graphs.iter().map(|graph| picture(checked, graph)).collect()
}

fn picture(checked: &Checked, graph: &Graph) -> Picture {
    if let Some(route) = graph.ingestion() {
        return super::ingestion::picture(checked, graph, &route);
    }
    let mut picture = Picture {
        name: graph.name.clone(),
        nodes: nodes(checked, graph),
        edges: Vec::new(),
    };
    for source in &graph.sources {
        picture.join(engine_name(checked), &source.name, None);
    }
    for operator in &graph.operators {
        match &operator.kind {
            OperatorKind::Dedup { input } => picture.join(input, &operator.name, Some(Flow::Versions)),
            OperatorKind::Split { into } => picture.join(&operator.name, into, Some(Flow::Descriptions)),
            OperatorKind::Merge(_) => {}
        }
    }
    for sink in &graph.sinks {
        let SinkKind::Files(files) = &sink.kind else { continue };
        picture.join(&files.input, &sink.name, Some(Flow::Rows));
        picture.join(&sink.name, &files.failed, Some(Flow::Outcomes));
        picture.join(&sink.name, &address(checked, &files.store, &files.prefix), None);
    }
    picture
}

impl Picture {
    fn join(&mut self, from: &str, to: &str, flow: Option<Flow>) {
        // A node may be named as a place is; an edge without a flow has a place at one end.
        let find = |name: &str, is_place: bool| {
            self.nodes
                .iter()
                .position(|node| node.name == name && (node.shape == Shape::Place) == is_place)
        };
        let ends = match flow {
            Some(_) => (find(from, false), find(to, false)),
            None => match (find(from, true), find(to, false)) {
                (Some(from), Some(to)) => (Some(from), Some(to)),
                _ => (find(from, false), find(to, true)),
            },
        };
        if let (Some(from), Some(to)) = ends {
            self.edges.push(Edge { from, to, flow });
        }
    }
}

fn nodes(checked: &Checked, graph: &Graph) -> Vec<Node> {
    let node = |name: &str, shape, ty: &str, detail: String| Node {
        name: name.to_owned(),
        shape,
        ty: ty.to_owned(),
        detail,
    };
    let mut nodes = Vec::new();
    if !graph.sources.is_empty() {
        let name = engine_name(checked);
        nodes.push(node(name, Shape::Place, "clickhouse", engine_detail(checked)));
    }
    for source in &graph.sources {
        let SourceKind::Windows(windows) = &source.kind else {
            continue;
        };
        nodes.push(node(&source.name, Shape::Source, "windows", windows_detail(windows)));
    }
    for operator in &graph.operators {
        let (ty, detail) = match &operator.kind {
            OperatorKind::Dedup { .. } => ("dedup", "keeps the newest living version of each id"),
            OperatorKind::Split { .. } => ("split", "halves failed leaves and feeds them back"),
            OperatorKind::Merge(_) => continue,
        };
        nodes.push(node(&operator.name, Shape::Operator, ty, detail.to_owned()));
    }
    for sink in &graph.sinks {
        let SinkKind::Files(files) = &sink.kind else { continue };
        nodes.push(node(
            &sink.name,
            Shape::Sink,
            format_name(files.format),
            sink_detail(files),
        ));
        let address = address(checked, &files.store, &files.prefix);
        let store = checked.stores.get(&files.store);
        nodes.push(node(
            &address,
            Shape::Place,
            store.map_or("store", store_kind),
            String::new(),
        ));
    }
    nodes
}

pub(super) fn engine_name(checked: &Checked) -> &'static str {
    match checked.engine {
        Engine::Embedded(_) => "embedded ClickHouse",
        Engine::Servers(_) => "ClickHouse",
    }
}

fn engine_detail(checked: &Checked) -> String {
    match &checked.engine {
        Engine::Embedded(embedded) => embedded.dir.display().to_string(),
        Engine::Servers(servers) => servers.export.url.clone(),
    }
}

/// Where a node's objects are: the store's URL and the prefix.
pub(super) fn address(checked: &Checked, store: &str, prefix: &str) -> String {
    let url = checked.stores.get(store).map_or("", |store| store.url.as_str());
    if prefix.is_empty() {
        return url.to_owned();
    }
    format!("{}/{prefix}", url.trim_end_matches('/'))
}

pub(super) fn store_kind(store: &Store) -> &'static str {
    match store.kind {
        StoreKind::Local(_) => "folder",
        StoreKind::Gcs => "gcs",
        StoreKind::S3 => "s3",
        StoreKind::Azure => "azure",
    }
}

fn format_name(format: FileFormat) -> &'static str {
    match format {
        FileFormat::Parquet { .. } => "parquet",
        FileFormat::Csv { .. } => "csv",
        FileFormat::Jsonl { .. } => "jsonl",
    }
}

fn windows_detail(windows: &Windows) -> String {
    let projects = match &windows.projects {
        Projects::All => "all projects".to_owned(),
        Projects::Ids(ids) if ids.len() == 1 => "1 project".to_owned(),
        Projects::Ids(ids) => format!("{} projects", ids.len()),
    };
    let tables: Vec<&str> = windows.tables.iter().map(|choice| choice.table.name()).collect();
    let start = match windows.start {
        Start::FullHistory => "from the first row".to_owned(),
        Start::From(at) => format!("from {at}"),
        Start::Now => "from now".to_owned(),
    };
    let every = match windows.every {
        Period::QuarterHour => "every 15 min".to_owned(),
        other => other.to_string(),
    };
    format!("{projects}, {}, {every}, {start}", tables.join(" + "))
}

fn sink_detail(files: &FileSink) -> String {
    let layout = match files.layout {
        Layout::Langfuse => "langfuse",
        Layout::Hive => "hive",
    };
    let (FileFormat::Parquet { compression, .. } | FileFormat::Csv { compression } | FileFormat::Jsonl { compression }) =
        files.format;
    let compression = match compression {
        Compression::None => "uncompressed".to_owned(),
        Compression::Gzip(level) => format!("gzip {level}"),
        Compression::Zstd(level) => format!("zstd {level}"),
    };
    let stuck = match files.on_stuck {
        OnStuck::Letter => "stuck rows become letters",
        OnStuck::Hold => "a stuck row holds the export",
    };
    format!("{layout} layout, {compression}, files of {}, {stuck}", files.file_size)
}
