//! The picture of an ingestion graph: the nodes that the file names, and the stages between them.

use tracemill_model::ByteSize;

use super::picture::{Edge, Node, Picture, Shape, address, engine_name, store_kind};
use crate::config::{Backend, Batch, Checked, Engine, Flow, Graph, IngestionRoute, Span};

/// Nodes and edges while they are drawn.
#[derive(Default)]
struct Drawing {
    nodes: Vec<Node>,
    edges: Vec<Edge>,
}

impl Drawing {
    fn node(&mut self, name: &str, shape: Shape, ty: &str, detail: impl Into<String>) -> usize {
        self.nodes.push(Node {
            name: name.to_owned(),
            shape,
            ty: ty.to_owned(),
            detail: detail.into(),
        });
        self.nodes.len() - 1
    }

    /// A place, drawn once.
    fn place(&mut self, name: &str, ty: &str) -> usize {
        let known = |node: &Node| node.shape == Shape::Place && node.name == name;
        match self.nodes.iter().position(known) {
            Some(index) => index,
            None => self.node(name, Shape::Place, ty, ""),
        }
    }

    fn stage(&mut self, name: &str, detail: &str) -> usize {
        self.node(name, Shape::Stage, "stage", detail)
    }

    fn edge(&mut self, from: usize, to: usize, flow: Option<Flow>) {
        self.edges.push(Edge { from, to, flow });
    }
}

/// `jobs ──► fetch ──► decode ──► merge ──► price ──► gather ──► rows ──► ack`, and the places around.
pub(super) fn picture(checked: &Checked, graph: &Graph, route: &IngestionRoute<'_>) -> Picture {
    let mut drawing = Drawing::default();
    let raw_address = address(checked, &route.queue.store, &route.queue.prefix);
    let raw = drawing.place(&raw_address, kind_of(checked, &route.queue.store));
    let (at, backend) = match &route.queue.backend {
        Backend::Local { dir } => (dir.display().to_string(), "local queue"),
        Backend::BullMq(bullmq) => (bullmq.address.clone(), "redis"),
    };
    let waiting = drawing.place(&at, backend);
    if let Some(intake) = &checked.intake {
        let listen = drawing.place(&intake.listen.to_string(), "intake");
        drawing.edge(listen, raw, None);
        drawing.edge(listen, waiting, None);
    }
    let jobs = drawing.node(route.source, Shape::Source, "queue", queue_detail(route));
    let fetch = drawing.stage("fetch", &format!("reads raw objects from {raw_address}"));
    let decode = drawing.stage("decode", "reads events and spans; what cannot be read becomes a letter");
    let merge = drawing.node(route.operator, Shape::Operator, "merge", merge_detail(route));
    let price = drawing.stage("price", &price_detail(checked));
    let gather = drawing.stage("gather", &format!("one insert a table: {}", batch(route.rows.batch)));
    let rows = drawing.node(route.sink, Shape::Sink, "clickhouse", rows_detail(checked, route));
    let ack = drawing.stage(
        "ack",
        "jobs are done when their rows were seen in ClickHouse, or are letters",
    );
    let letters_address = address(checked, &route.letters.store, &route.letters.prefix);
    let letters = drawing.node(
        route.letter_sink,
        Shape::Sink,
        "letters",
        format!("in {letters_address}, with the reason"),
    );
    let engine = drawing.node(engine_name(checked), Shape::Place, "clickhouse", engine_detail(checked));
    let letters_place = drawing.place(&letters_address, kind_of(checked, &route.letters.store));

    drawing.edge(waiting, jobs, None);
    drawing.edge(raw, fetch, None);
    for (from, to, flow) in [
        (jobs, fetch, Flow::Jobs),
        (fetch, decode, Flow::Objects),
        (decode, merge, Flow::Patches),
        (merge, price, Flow::MergedRows),
        (price, gather, Flow::PricedRows),
        (gather, rows, Flow::Inserts),
        (rows, ack, Flow::Epochs),
        (decode, letters, Flow::Rejected),
        (rows, letters, Flow::Rejected),
    ] {
        drawing.edge(from, to, Some(flow));
    }
    drawing.edge(rows, engine, None);
    drawing.edge(letters, letters_place, None);
    Picture {
        name: graph.name.clone(),
        nodes: drawing.nodes,
        edges: drawing.edges,
    }
}

fn kind_of(checked: &Checked, store: &str) -> &'static str {
    checked.stores.get(store).map_or("store", store_kind)
}

fn engine_detail(checked: &Checked) -> String {
    match &checked.engine {
        Engine::Embedded(embedded) => embedded.dir.display().to_string(),
        Engine::Servers(servers) => {
            let server = servers.read_write.as_ref().unwrap_or(&servers.export);
            server.url.clone()
        }
    }
}

fn batch(batch: Batch) -> String {
    format!("{} or {}", batch.bytes, Span(batch.age))
}

fn queue_detail(route: &IngestionRoute<'_>) -> String {
    let queue = route.queue;
    let backend = match &queue.backend {
        Backend::Local { dir } => format!("local, in {}", dir.display()),
        Backend::BullMq(bullmq) => {
            let queues = bullmq.names().len();
            let many = if queues == 1 { "queue" } else { "queues" };
            format!("bullmq at {}, {queues} {many}", bullmq.address)
        }
    };
    format!(
        "{backend}, epochs of {}, {} at once, {} attempts",
        batch(queue.batch),
        queue.in_flight,
        queue.attempts
    )
}

fn merge_detail(route: &IngestionRoute<'_>) -> String {
    let merge = route.merge;
    let history = if merge.history {
        "others are looked up"
    } else {
        "others are taken as new"
    };
    let held: ByteSize = merge.held_bytes;
    format!("holds entities for {}, at most {held}; {history}", Span(merge.held_for))
}

fn price_detail(checked: &Checked) -> String {
    let builtin = checked.prices.builtin.then(|| "built-in prices".to_owned());
    let file = checked.prices.file.as_ref().map(|file| file.display().to_string());
    let from: Vec<String> = file.into_iter().chain(builtin).collect();
    match from.as_slice() {
        [] => "usage alone: there are no prices".to_owned(),
        _ => format!("usage and cost, by {}", from.join(" and ")),
    }
}

fn rows_detail(checked: &Checked, route: &IngestionRoute<'_>) -> String {
    let log = if route.rows.file_log { ", and the file log" } else { "" };
    let engine = engine_name(checked);
    format!("inserts into {engine} and verifies{log}; what ClickHouse refuses becomes a letter")
}
