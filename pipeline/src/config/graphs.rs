//! `[graph.NAME]`: nodes by kind, and the links that they name. Whether the links fit is checked in `edges`.

use tracemill_model::ByteSize;

use super::checked::{FileSink, Graph, LetterSink, Merge, Operator, OperatorKind, Queue, RowSink};
use super::checked::{Sink, SinkKind, Source, SourceKind, Windows};
use super::defaults;
use super::edges;
use super::family;
use super::fault::{listed, nearest};
use super::ingestion;
use super::queue;
use super::reader::{Bounds, Section, Text};
use super::sinks::{self, Format};
use super::stores::Stores;
use super::windows::{self, Shared};

/// Where a node stands in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Source,
    Operator,
    Sink,
}

/// A node as it is read.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) kind: NodeKind,
    /// `graph.export.sink.lake`.
    pub(super) path: String,
    pub(super) at: usize,
    pub(super) links: Vec<Link>,
}

/// What a node is.
#[derive(Debug)]
pub(super) enum NodeKind {
    Windows(Box<Windows>),
    Dedup,
    Split,
    Files(Box<FileSink>),
    Queue(Box<Queue>),
    Merge(Box<Merge>),
    Rows(Box<RowSink>),
    Letters(Box<LetterSink>),
    /// Its type is unknown or of a later version: a fault already, and no cause of others.
    Unknown,
}

/// A node's reference to another.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) key: &'static str,
    /// `None` where the key is missing or unreadable, which is a fault already.
    pub(super) to: Option<Text>,
}

/// What nodes refer to beside each other.
pub(super) struct Surroundings<'a> {
    pub(super) stores: &'a Stores,
    pub(super) shared: &'a Shared,
    /// The process's budget.
    pub(super) memory: ByteSize,
    /// The graph's own share of it.
    pub(super) share: ByteSize,
}

/// A graph and where its sinks write.
pub(super) struct Drafted {
    pub(super) graph: Graph,
    pub(super) nodes: Vec<Node>,
}

/// The types that exist, and those that a later version will have.
struct Types {
    place: Place,
    key: &'static str,
    /// The key with its article.
    one: &'static str,
    now: &'static [&'static str],
    later: &'static [&'static str],
}

const TYPES: [Types; 3] = [
    Types {
        place: Place::Source,
        key: "source",
        one: "a source",
        now: &["windows", "queue"],
        later: &[],
    },
    Types {
        place: Place::Operator,
        key: "operator",
        one: "an operator",
        now: &["dedup", "split", "merge"],
        later: &["filter", "sample", "decode", "price", "gather"],
    },
    Types {
        place: Place::Sink,
        key: "sink",
        one: "a sink",
        now: &["parquet", "csv", "jsonl", "clickhouse", "letters"],
        later: &[],
    },
];

/// Reads every graph and checks its edges.
pub(super) fn read(root: &Section<'_>, around: &Surroundings<'_>) -> Vec<Drafted> {
    let Some(section) = root.section("graph", "[graph.NAME.source.NAME]") else {
        if !root.has("graph") {
            let remedy = "add [graph.export.source.windows], an operator and a sink; examples/ has whole files";
            root.context
                .report_file("there is no graph, so nothing would run", remedy);
        }
        return Vec::new();
    };
    let graphs = section.named("[graph.NAME.source.NAME]");
    graphs
        .iter()
        .map(|(name, section)| read_graph(name, section, around))
        .collect()
}

fn read_graph(name: &str, section: &Section<'_>, around: &Surroundings<'_>) -> Drafted {
    let bounds = Bounds {
        range: defaults::MIN_MEMORY..=around.memory,
        why: " (no more than limits.memory)",
    };
    let memory = section.size("memory", &bounds);
    let around = &Surroundings {
        share: memory.unwrap_or(around.share),
        ..*around
    };
    let mut nodes = Vec::new();
    for types in &TYPES {
        let example = format!("[{}.{}.NAME]", section.path, types.key);
        if let Some(section) = section.section(types.key, &example) {
            for (name, section) in section.named(&example) {
                nodes.push(read_node(name, &section, types, around));
            }
        }
    }
    section.finish();
    let family = family::check(section, &nodes);
    edges::check(section, &nodes, &family);
    let mut graph = Graph {
        name: name.to_owned(),
        memory,
        sources: Vec::new(),
        operators: Vec::new(),
        sinks: Vec::new(),
    };
    for node in &nodes {
        settle(node, &mut graph);
    }
    Drafted { graph, nodes }
}

fn read_node(name: String, section: &Section<'_>, types: &Types, around: &Surroundings<'_>) -> Node {
    let ty = node_type(section, types);
    let (kind, links) = match (types.place, ty.as_deref()) {
        (Place::Source, Some(ty)) => (source(section, ty, around), Vec::new()),
        (Place::Operator, Some(ty)) => operator(section, ty),
        (Place::Sink, Some(ty)) => sink(section, ty, around),
        (_, None) => {
            // What it is we do not know; what it reads we do, so the nodes that it reads are not orphans.
            let keys = ["input", "failed", "into", "rejected"];
            let known = keys.into_iter().filter(|key| section.is_text(key));
            (NodeKind::Unknown, known.map(|key| link(section, key, "")).collect())
        }
    };
    if !matches!(kind, NodeKind::Unknown) {
        section.finish();
    }
    Node {
        name,
        place: types.place,
        kind,
        path: section.path.clone(),
        at: section.at,
        links,
    }
}

fn source(section: &Section<'_>, ty: &str, around: &Surroundings<'_>) -> NodeKind {
    match ty {
        "queue" => NodeKind::Queue(Box::new(queue::read(section, around.stores, around.share))),
        _ => NodeKind::Windows(Box::new(windows::read(section, around.shared))),
    }
}

fn operator(section: &Section<'_>, ty: &str) -> (NodeKind, Vec<Link>) {
    let (kind, key, remedy) = match ty {
        "merge" => {
            let merge = Box::new(ingestion::merge(section));
            (NodeKind::Merge(merge), "input", "name the queue source that it reads")
        }
        "split" => (NodeKind::Split, "into", "name the source that it feeds back to"),
        _ => (NodeKind::Dedup, "input", "name the source that it reads"),
    };
    (kind, vec![link(section, key, remedy)])
}

fn sink(section: &Section<'_>, ty: &str, around: &Surroundings<'_>) -> (NodeKind, Vec<Link>) {
    let format = match ty {
        "letters" => {
            let letters = ingestion::letters(section, around.stores);
            return (NodeKind::Letters(Box::new(letters)), Vec::new());
        }
        "clickhouse" => {
            let rows = ingestion::rows(section, around.share);
            let links = vec![
                link(section, "input", "name the merge operator that it reads"),
                link(
                    section,
                    "rejected",
                    "name the letters sink that takes what ClickHouse refuses",
                ),
            ];
            return (NodeKind::Rows(Box::new(rows)), links);
        }
        "parquet" => Format::Parquet,
        "csv" => Format::Csv,
        _ => Format::Jsonl,
    };
    let files = sinks::read(section, format, around.stores, around.memory);
    let failed = "name the split operator that takes its failed leaves";
    let links = vec![
        link(section, "input", "name the dedup operator that it reads"),
        link(section, "failed", failed),
    ];
    (NodeKind::Files(Box::new(files)), links)
}

fn node_type(section: &Section<'_>, types: &Types) -> Option<String> {
    if !section.has("type") {
        section.missing(
            "type",
            format!(
                "write type = {}",
                types
                    .now
                    .iter()
                    .map(|ty| format!("{ty:?}"))
                    .collect::<Vec<_>>()
                    .join(" or ")
            ),
        );
        return None;
    }
    let text = section.name("type")?;
    if types.now.contains(&text.value.as_str()) {
        return Some(text.value);
    }
    let (message, remedy) = if types.later.contains(&text.value.as_str()) {
        let message = format!(
            "{} of type {:?} ({}) is not in this version",
            types.one, text.raw, section.path
        );
        (message, format!("remove it; this version has {}", listed(types.now)))
    } else {
        let message = format!("{:?} in {} is no type of {}", text.raw, section.path, types.one);
        (
            message,
            misplaced(types, &text.value).unwrap_or_else(|| nearest(&text.value, types.now)),
        )
    };
    section.report(text.at, "type", Some(&text.raw), message, remedy);
    None
}

/// The type exists, in another place.
fn misplaced(types: &Types, ty: &str) -> Option<String> {
    let other = TYPES
        .iter()
        .find(|other| other.key != types.key && other.now.contains(&ty))?;
    Some(format!(
        "{ty:?} is {}: write it under graph.NAME.{}",
        other.one, other.key
    ))
}

fn link(section: &Section<'_>, key: &'static str, remedy: &str) -> Link {
    if !section.has(key) {
        section.missing(key, remedy);
    }
    Link {
        key,
        to: section.name(key),
    }
}

/// Puts a node where the runtime finds it. Whatever is missing is a fault already.
fn settle(node: &Node, graph: &mut Graph) {
    let target = |key: &str| {
        let link = node.links.iter().find(|link| link.key == key);
        link.and_then(|link| link.to.as_ref())
            .map_or_else(String::new, |text| text.value.clone())
    };
    let name = node.name.clone();
    match &node.kind {
        NodeKind::Windows(windows) => graph.sources.push(Source {
            name,
            kind: SourceKind::Windows(Windows::clone(windows)),
        }),
        NodeKind::Dedup => graph.operators.push(Operator {
            name,
            kind: OperatorKind::Dedup { input: target("input") },
        }),
        NodeKind::Split => graph.operators.push(Operator {
            name,
            kind: OperatorKind::Split { into: target("into") },
        }),
        NodeKind::Files(sink) => graph.sinks.push(Sink {
            name,
            kind: SinkKind::Files(FileSink {
                input: target("input"),
                failed: target("failed"),
                ..FileSink::clone(sink)
            }),
        }),
        NodeKind::Queue(queue) => graph.sources.push(Source {
            name,
            kind: SourceKind::Queue(Queue::clone(queue)),
        }),
        NodeKind::Merge(merge) => graph.operators.push(Operator {
            name,
            kind: OperatorKind::Merge(Merge {
                input: target("input"),
                ..Merge::clone(merge)
            }),
        }),
        NodeKind::Rows(rows) => graph.sinks.push(Sink {
            name,
            kind: SinkKind::Rows(RowSink {
                input: target("input"),
                rejected: target("rejected"),
                ..RowSink::clone(rows)
            }),
        }),
        NodeKind::Letters(letters) => graph.sinks.push(Sink {
            name,
            kind: SinkKind::Letters(LetterSink::clone(letters)),
        }),
        NodeKind::Unknown => {}
    }
}
