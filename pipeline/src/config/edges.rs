//! The edges of a graph: every name finds a node, the types fit, nothing goes in circles but the split's feedback, and
//! nothing hangs loose.
//!
//! A fault here is never the consequence of another: a node that only a broken link could have named is no orphan, and
//! an edge of a circle has no second fault for its types.

use std::fmt;

use super::family::{self, Findings};
use super::fault::{Report, nearest};
use super::graphs::{Link, Node, NodeKind, Place};
use super::reader::{Section, Text};

/// What flows along an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flow {
    /// Which leaf is to be read: no rows.
    Descriptions,
    /// Batches of every version of every row.
    Versions,
    /// Batches of rows, each the newest of its id and alive.
    Rows,
    /// How a leaf ended.
    Outcomes,
    /// Which raw objects are to be taken in.
    Jobs,
    /// The bytes of raw objects.
    Objects,
    /// Changes of entities, as clients sent them.
    Patches,
    /// The merged state of entities.
    MergedRows,
    /// The same with usage and cost.
    PricedRows,
    /// Rows of one table, as many as one insert takes.
    Inserts,
    /// What was written and verified.
    Epochs,
    /// What could not be decoded or written, with the reason.
    Rejected,
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Descriptions => "descriptions",
            Self::Versions => "batches of versions",
            Self::Rows => "batches of rows",
            Self::Outcomes => "outcomes",
            Self::Jobs => "jobs",
            Self::Objects => "raw objects",
            Self::Patches => "patches of entities",
            Self::MergedRows => "merged rows",
            Self::PricedRows => "priced rows",
            Self::Inserts => "inserts",
            Self::Epochs => "durable epochs",
            Self::Rejected => "rejected rows",
        })
    }
}

/// What an edge of that key carries when a node of that kind has it; `None` where the kind is unknown.
fn carried(kind: &NodeKind, key: &str) -> Option<Flow> {
    match (kind, key) {
        (NodeKind::Dedup, "input") => Some(Flow::Versions),
        (NodeKind::Files(_), "input") => Some(Flow::Rows),
        (NodeKind::Files(_), "failed") => Some(Flow::Outcomes),
        (NodeKind::Split, "into") => Some(Flow::Descriptions),
        (NodeKind::Merge(_), "input") => Some(Flow::Patches),
        (NodeKind::Rows(_), "input") => Some(Flow::MergedRows),
        (NodeKind::Rows(_), "rejected") => Some(Flow::Rejected),
        _ => None,
    }
}

/// Whether a link of that key draws from its target; the others send to it.
fn draws(key: &str) -> bool {
    key == "input"
}

fn gives(kind: &NodeKind) -> Option<Flow> {
    match kind {
        NodeKind::Windows(_) => Some(Flow::Versions),
        NodeKind::Dedup => Some(Flow::Rows),
        NodeKind::Split => Some(Flow::Descriptions),
        NodeKind::Files(_) => Some(Flow::Outcomes),
        NodeKind::Queue(_) => Some(Flow::Patches),
        NodeKind::Merge(_) => Some(Flow::MergedRows),
        NodeKind::Rows(_) => Some(Flow::Rejected),
        NodeKind::Letters(_) | NodeKind::Unknown => None,
    }
}

/// What a node takes from those that send to it.
fn takes(kind: &NodeKind) -> Option<Flow> {
    match kind {
        NodeKind::Windows(_) => Some(Flow::Descriptions),
        NodeKind::Dedup => Some(Flow::Versions),
        NodeKind::Split => Some(Flow::Outcomes),
        NodeKind::Files(_) => Some(Flow::Rows),
        NodeKind::Merge(_) => Some(Flow::Patches),
        NodeKind::Rows(_) => Some(Flow::MergedRows),
        NodeKind::Letters(_) => Some(Flow::Rejected),
        NodeKind::Queue(_) | NodeKind::Unknown => None,
    }
}

/// What the node at the other end of such a link has to offer it.
fn offered(kind: &NodeKind, key: &str) -> Option<Flow> {
    if draws(key) { gives(kind) } else { takes(kind) }
}

pub(super) fn kind_name(kind: &NodeKind) -> &'static str {
    match kind {
        NodeKind::Queue(_) => "queue source",
        NodeKind::Merge(_) => "merge operator",
        NodeKind::Rows(_) => "clickhouse sink",
        NodeKind::Letters(_) => "letters sink",
        NodeKind::Windows(_) => "windows source",
        NodeKind::Dedup => "dedup operator",
        NodeKind::Split => "split operator",
        NodeKind::Files(_) => "file sink",
        NodeKind::Unknown => "node",
    }
}

/// The nodes of one graph while its edges are checked.
struct Edges<'n, 'a> {
    graph: &'n Section<'a>,
    nodes: &'n [Node],
    family: &'n Findings<'n>,
    /// What links that are faulty would have carried: nodes that only such a link could name are no orphans.
    broken: Vec<Flow>,
}

/// Checks one graph.
pub(super) fn check(graph: &Section<'_>, nodes: &[Node], family: &Findings<'_>) {
    let mut edges = Edges {
        graph,
        nodes,
        family,
        broken: Vec::new(),
    };
    edges.check_names();
    edges.check_places();
    let circular = edges.check_circles();
    for node in nodes {
        for link in &node.links {
            edges.check_link(node, link, circular.contains(&node.name.as_str()));
        }
    }
    edges.check_orphans();
    edges.check_feedback();
}

impl<'n> Edges<'n, '_> {
    fn report(&self, at: usize, path: &str, value: Option<&str>, message: String, remedy: String) {
        self.graph.context.report(Report {
            at,
            path,
            value,
            message,
            remedy,
        });
    }

    /// The node that a link means: where two share a name, which is a fault of its own, the one that fits.
    fn target(&self, node: &Node, key: &str, to: &Text) -> Option<&'n Node> {
        let wanted = carried(&node.kind, key);
        let named = || self.nodes.iter().filter(|other| other.name == to.value);
        named()
            .find(|other| offered(&other.kind, key) == wanted)
            .or_else(|| named().next())
    }

    fn has(&self, is_it: impl Fn(&NodeKind) -> bool) -> bool {
        self.nodes.iter().any(|node| is_it(&node.kind))
    }

    fn origin(&self, node: &Node) -> Option<&'n Node> {
        self.target(node, "input", input(node)?)
    }

    fn check_names(&self) {
        for (index, node) in self.nodes.iter().enumerate() {
            if let Some(first) = self.nodes[..index].iter().find(|first| first.name == node.name) {
                let message = format!(
                    "the name {:?} is taken twice, by {} and {}",
                    node.name, first.path, node.path
                );
                self.report(
                    node.at,
                    &node.path,
                    Some(&node.name),
                    message,
                    "rename one of the two".to_owned(),
                );
            }
        }
    }

    fn check_places(&self) {
        for (place, key, what) in [(Place::Source, "source", "comes in"), (Place::Sink, "sink", "leaves")] {
            if !self.nodes.iter().any(|node| node.place == place) && !self.graph.holds(key) {
                let message = format!("{} has no {key}, so nothing {what}", self.graph.path);
                self.report(
                    self.graph.at,
                    &self.graph.path,
                    None,
                    message,
                    format!("add [{}.{key}.NAME]", self.graph.path),
                );
            }
        }
    }

    /// Follows `input` from every node; a way that comes back is a circle. Returns the nodes that are in one.
    fn check_circles(&self) -> Vec<&'n str> {
        let mut circular: Vec<&'n str> = Vec::new();
        for start in self.nodes {
            if circular.contains(&start.name.as_str()) {
                continue;
            }
            let mut way = vec![start];
            while let Some(next) = way.last().and_then(|node| self.origin(node)) {
                if std::ptr::eq(next, start) {
                    self.report_circle(&way);
                    circular.extend(way.iter().map(|node| node.name.as_str()));
                    break;
                }
                if way.iter().any(|node| std::ptr::eq(*node, next)) {
                    break;
                }
                way.push(next);
            }
        }
        circular
    }

    fn report_circle(&self, way: &[&Node]) {
        let Some(first) = way.first() else { return };
        let Some(text) = input(first) else { return };
        let names: Vec<&str> = way.iter().chain([first]).map(|node| node.name.as_str()).collect();
        let message = format!("{} goes in a circle: {}", self.graph.path, names.join(" reads "));
        let remedy = "read from a source; only a split may feed back".to_owned();
        self.report(text.at, &text.path, Some(&text.raw), message, remedy);
    }

    fn check_link(&mut self, node: &Node, link: &Link, is_circular: bool) {
        let wanted = carried(&node.kind, link.key);
        let Some(to) = &link.to else {
            self.broken.extend(wanted);
            return;
        };
        let Some(target) = self.target(node, link.key, to) else {
            self.report_unknown(node, link, to);
            self.broken.extend(wanted);
            return;
        };
        let Some(wanted) = wanted.filter(|_| !is_circular) else {
            return;
        };
        let is_known = !matches!(target.kind, NodeKind::Unknown);
        let offered = offered(&target.kind, link.key);
        if is_known && offered != Some(wanted) {
            // An edge between the two halves of a mixed graph goes with the mixing.
            if !(self.family.is_mixed && family::of(&node.kind) != family::of(&target.kind)) {
                self.report_misfit(node, link, to, target, (wanted, offered));
            }
            self.broken.push(wanted);
        }
    }

    fn report_unknown(&self, node: &Node, link: &Link, to: &Text) {
        let wanted = carried(&node.kind, link.key);
        let fits =
            |other: &&Node| other.name != node.name && (wanted.is_none() || offered(&other.kind, link.key) == wanted);
        let names: Vec<&str> = self.nodes.iter().filter(fits).map(|node| node.name.as_str()).collect();
        let message = format!(
            "there is no node {:?} in {}, which {} names",
            to.raw, self.graph.path, to.path
        );
        let remedy = match names.as_slice() {
            [] => format!("add {}", needed(wanted, draws(link.key), &self.graph.path)),
            _ => nearest(&to.value, &names),
        };
        self.report(to.at, &to.path, Some(&to.raw), message, remedy);
    }

    fn report_misfit(&self, node: &Node, link: &Link, to: &Text, target: &Node, flows: (Flow, Option<Flow>)) {
        let (wanted, given) = flows;
        let (here, there) = (kind_name(&node.kind), kind_name(&target.kind));
        let other = given.map_or_else(|| "nothing".to_owned(), |given| given.to_string());
        let message = if draws(link.key) {
            format!(
                "{}: a {here} takes {wanted}, but {:?} is a {there} and gives {other}",
                to.path, to.raw
            )
        } else {
            format!(
                "{}: a {here} sends {wanted} there, but {:?} is a {there} and takes {other}",
                to.path, to.raw
            )
        };
        let fits: Vec<&str> = self
            .nodes
            .iter()
            .filter(|other| offered(&other.kind, link.key) == Some(wanted))
            .map(|node| node.name.as_str())
            .collect();
        let remedy = match (fits.as_slice(), wanted, given) {
            ([], Flow::Rows, Some(Flow::Versions)) => format!("put a dedup operator between {:?} and this", to.raw),
            ([], Flow::MergedRows, Some(Flow::Patches)) => {
                format!("put a merge operator between {:?} and this", to.raw)
            }
            ([], ..) => format!("add {}", needed(Some(wanted), draws(link.key), &self.graph.path)),
            ([one], ..) => format!("write {} = {one:?}", link.key),
            (many, ..) => format!("name one of {}", super::fault::listed(many)),
        };
        self.report(to.at, &to.path, Some(&to.raw), message, remedy);
    }

    fn check_orphans(&self) {
        for node in self.nodes {
            let (what, flow) = match &node.kind {
                NodeKind::Windows(_) => ("nothing reads the source", Flow::Versions),
                NodeKind::Dedup => ("nothing reads the operator", Flow::Rows),
                NodeKind::Split => ("no sink sends its failed leaves to the operator", Flow::Outcomes),
                NodeKind::Queue(_) => ("nothing reads the source", Flow::Patches),
                NodeKind::Merge(_) => ("nothing reads the operator", Flow::MergedRows),
                NodeKind::Letters(_) => ("no clickhouse sink sends its rejected rows to the sink", Flow::Rejected),
                NodeKind::Files(_) | NodeKind::Rows(_) | NodeKind::Unknown => continue,
            };
            if self.family.is_spare(node)
                || (flow == Flow::Rejected && !self.has(|kind| matches!(kind, NodeKind::Rows(_))))
            {
                continue;
            }
            let key = match flow {
                Flow::Outcomes => "failed",
                Flow::Rejected => "rejected",
                _ => "input",
            };
            let is_named = self
                .nodes
                .iter()
                .flat_map(|other| &other.links)
                .any(|link| link.key == key && link.to.as_ref().is_some_and(|text| text.value == node.name));
            if !is_named && !self.broken.contains(&flow) {
                let message = format!("{what} {:?} of {}", node.name, self.graph.path);
                let remedy = match (&node.kind, key) {
                    (NodeKind::Queue(_), _) if !self.has(|kind| matches!(kind, NodeKind::Merge(_))) => {
                        let path = &self.graph.path;
                        format!(
                            "add [{path}.operator.NAME] with type = \"merge\" and input = {:?}",
                            node.name
                        )
                    }
                    (NodeKind::Merge(_), _) if !self.has(|kind| matches!(kind, NodeKind::Rows(_))) => {
                        let path = &self.graph.path;
                        format!(
                            "add [{path}.sink.NAME] with type = \"clickhouse\" and input = {:?}",
                            node.name
                        )
                    }
                    _ => format!(
                        "write {key} = {:?} in the node that should, or remove this one",
                        node.name
                    ),
                };
                self.report(node.at, &node.path, None, message, remedy);
            }
        }
    }

    /// A split has to feed the source from which the failed leaf came.
    fn check_feedback(&self) {
        for sink in self.nodes.iter().filter(|node| matches!(node.kind, NodeKind::Files(_))) {
            let Some(origin) = self.origin(sink).and_then(|dedup| self.origin(dedup)) else {
                continue;
            };
            let Some(failed) = linked(sink, "failed") else { continue };
            let Some(split) = self.target(sink, "failed", failed) else {
                continue;
            };
            let Some(into) = linked(split, "into") else { continue };
            let Some(fed) = self.target(split, "into", into) else {
                continue;
            };
            let are_sources = [origin, fed]
                .iter()
                .all(|node| matches!(node.kind, NodeKind::Windows(_)));
            if are_sources && !std::ptr::eq(origin, fed) {
                let message = format!(
                    "{}: {:?} feeds the source {:?}, but the leaves come from {:?}",
                    failed.path, failed.raw, fed.name, origin.name
                );
                let remedy = format!("name a split with into = {:?}", origin.name);
                self.report(failed.at, &failed.path, Some(&failed.raw), message, remedy);
            }
        }
    }
}

fn linked<'n>(node: &'n Node, key: &str) -> Option<&'n Text> {
    node.links
        .iter()
        .find(|link| link.key == key)
        .and_then(|link| link.to.as_ref())
}

fn input(node: &Node) -> Option<&Text> {
    linked(node, "input")
}

fn needed(flow: Option<Flow>, is_drawn: bool, graph: &str) -> String {
    match (flow, is_drawn) {
        (Some(Flow::Versions), true) => format!("[{graph}.source.NAME] with type = \"windows\""),
        (Some(Flow::Rows), true) => format!("[{graph}.operator.NAME] with type = \"dedup\""),
        (Some(Flow::Outcomes), false) => format!("[{graph}.operator.NAME] with type = \"split\""),
        (Some(Flow::Patches), true) => format!("[{graph}.source.NAME] with type = \"queue\""),
        (Some(Flow::MergedRows), true) => format!("[{graph}.operator.NAME] with type = \"merge\""),
        (Some(Flow::Rejected), false) => format!("[{graph}.sink.NAME] with type = \"letters\""),
        (Some(Flow::Descriptions), false) => format!("[{graph}.source.NAME] with type = \"windows\""),
        _ => format!("a node of that name to {graph}"),
    }
}
