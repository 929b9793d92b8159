//! Exports and ingestion: a graph is one of the two, an ingestion graph has one node of each kind, and a file has one
//! ingestion graph, since an entity has one owner.

use super::checked::{Backend, Engine, Role};
use super::edges::kind_name;
use super::fault::Report;
use super::graphs::{Drafted, Node, NodeKind};
use super::reader::Section;

/// What a graph is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Export,
    Ingestion,
}

/// What was found wrong, so that it is not told again as something else.
#[derive(Debug, Default)]
pub(super) struct Findings<'n> {
    /// The graph has nodes of both families.
    pub(super) is_mixed: bool,
    /// Nodes of which the graph has another already.
    spare: Vec<&'n Node>,
}

impl Findings<'_> {
    pub(super) fn is_spare(&self, node: &Node) -> bool {
        self.spare.iter().any(|spare| std::ptr::eq(*spare, node))
    }
}

/// The family of a node; `None` where its kind is unknown.
pub(super) fn of(kind: &NodeKind) -> Option<Family> {
    match kind {
        NodeKind::Windows(_) | NodeKind::Dedup | NodeKind::Split | NodeKind::Files(_) => Some(Family::Export),
        NodeKind::Queue(_) | NodeKind::Merge(_) | NodeKind::Rows(_) | NodeKind::Letters(_) => Some(Family::Ingestion),
        NodeKind::Unknown => None,
    }
}

/// Checks one graph.
pub(super) fn check<'n>(graph: &Section<'_>, nodes: &'n [Node]) -> Findings<'n> {
    let mut findings = Findings::default();
    let report = |node: &Node, message: String, remedy: String| {
        graph.context.report(Report {
            at: node.at,
            path: &node.path,
            value: None,
            message,
            remedy,
        });
    };
    let first = |family| nodes.iter().find(|node| of(&node.kind) == Some(family));
    if let (Some(export), Some(ingestion)) = (first(Family::Export), first(Family::Ingestion)) {
        findings.is_mixed = true;
        let message = format!(
            "{} is an export ({}) and ingestion ({}) at once",
            graph.path, export.path, ingestion.path
        );
        let later = if export.at > ingestion.at { export } else { ingestion };
        let remedy = "write one of the two under a name of its own: [graph.export...] and [graph.ingestion...]";
        report(later, message, remedy.to_owned());
    }
    for (index, node) in nodes.iter().enumerate() {
        if of(&node.kind) != Some(Family::Ingestion) {
            continue;
        }
        let is_same = |other: &&Node| std::mem::discriminant(&other.kind) == std::mem::discriminant(&node.kind);
        if let Some(other) = nodes[..index].iter().find(is_same) {
            let kind = kind_name(&node.kind);
            let message = format!("{} is a second {kind} beside {}", node.path, other.path);
            report(
                node,
                message,
                format!("keep one {kind}: an ingestion graph has one of each kind"),
            );
            findings.spare.push(node);
        }
    }
    findings
}

/// Checks what graphs share with the rest of the file.
pub(super) fn check_file(root: &Section<'_>, graphs: &[Drafted], role: Role, engine: Option<&Engine>) {
    check_number(root, graphs);
    check_intake(root, graphs);
    let is_served = match engine {
        Some(Engine::Servers(servers)) => servers.read_write.is_some() || matches!(role, Role::Export | Role::Web),
        Some(Engine::Embedded(_)) | None => true,
    };
    let rows = nodes(graphs).find(|node| matches!(node.kind, NodeKind::Rows(_)));
    if let Some(node) = rows.filter(|_| !is_served) {
        let message = format!("{} inserts rows, but no service read_write is there", node.path);
        let remedy = "write read_write = { url = \"http://host:8123\" } in [clickhouse], or set CLICKHOUSE_URL";
        root.context.report(Report {
            at: node.at,
            path: &node.path,
            value: None,
            message,
            remedy: remedy.to_owned(),
        });
    }
}

fn nodes(graphs: &[Drafted]) -> impl Iterator<Item = &Node> {
    graphs.iter().flat_map(|drafted| &drafted.nodes)
}

fn check_number(root: &Section<'_>, graphs: &[Drafted]) {
    let ingestion = |drafted: &Drafted| {
        let queue = |node: &&Node| matches!(node.kind, NodeKind::Queue(_));
        drafted
            .nodes
            .iter()
            .find(queue)
            .map(|node| (node.at, node.path.clone()))
    };
    let mut all = graphs.iter().filter_map(ingestion);
    let Some((_, first)) = all.next() else { return };
    for (at, path) in all {
        root.context.report(Report {
            at,
            path: &path,
            value: None,
            message: format!("{path} begins a second ingestion graph beside that of {first}"),
            remedy: "keep one: an entity's changes must meet in one merge".to_owned(),
        });
    }
}

/// The intake puts jobs into the queue of the ingestion graph.
fn check_intake(root: &Section<'_>, graphs: &[Drafted]) {
    if !root.has("intake") {
        return;
    }
    let report = |message: String, remedy: &str| {
        root.report(root.at_of("intake"), "intake", None, message, remedy);
    };
    let queue = nodes(graphs).find_map(|node| match &node.kind {
        NodeKind::Queue(queue) => Some((node, queue)),
        _ => None,
    });
    let Some((node, queue)) = queue else {
        // A queue whose type cannot be read, or a file without graphs, is a fault already.
        if !nodes(graphs).any(|node| matches!(node.kind, NodeKind::Unknown)) {
            let message = "[intake] takes data in, but no graph has a queue to put it into".to_owned();
            let remedy = "add [graph.ingestion.source.jobs] with type = \"queue\", as in examples/ingestion.toml";
            report(message, remedy);
        }
        return;
    };
    match &queue.backend {
        Backend::BullMq(bullmq) if bullmq.own.is_none() && !bullmq.queues.is_empty() => {
            let message = format!(
                "[intake] has no queue to put jobs into: {}.queues names none of ours",
                node.path
            );
            report(message, "add \"tracemill-ingestion\" to queues");
        }
        Backend::BullMq(_) | Backend::Local { .. } => {}
    }
}
