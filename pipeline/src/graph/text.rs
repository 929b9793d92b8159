//! A picture for a terminal: one line a route, its feedback edge below it, and a list of the nodes.

use std::fmt::Write as _;

use super::picture::{Shape, address, engine_name, pictures};
use crate::config::{Checked, IngestionRoute, Route};

pub(super) fn render(checked: &Checked) -> String {
    let mut text = String::new();
    for (index, (graph, picture)) in checked.graphs.iter().zip(pictures(checked)).enumerate() {
        if index > 0 {
            text.push('\n');
        }
        text.push_str(&format!("graph {}\n", graph.name));
        if let Some(route) = graph.ingestion() {
            text.push('\n');
            text.push_str(&draw_ingestion(checked, &route));
        }
        for route in graph.routes() {
            text.push('\n');
            text.push_str(&draw(checked, &route));
        }
        text.push('\n');
        let own = || picture.nodes.iter().filter(|node| node.shape != Shape::Place);
        let width = |of: fn(&super::Node) -> &str| own().map(|node| of(node).chars().count()).max().unwrap_or(0);
        let (name, ty) = (width(|node| &node.name), width(|node| &node.ty));
        for node in own() {
            let line = format!("  {:name$}  {:ty$}  {}", node.name, node.ty, node.detail);
            // Writing to a text cannot fail.
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }
    text
}

/// The way from ClickHouse to the store, with the split's edge from the sink back to the source.
fn draw(checked: &Checked, route: &Route<'_>) -> String {
    let length = |text: &str| text.chars().count();
    let before = format!("  {} ──► ", engine_name(checked));
    let way = format!("{} ──versions──► {} ──rows──", route.source, route.dedup);
    let back = format!("└──descriptions── {} ◄──outcomes──", route.split);
    // The corner of the feedback stands below the sink's first letter: the shorter of the two is stretched.
    let end = (length(&way) + length("► ")).max(length(&back));
    let stretched = format!("{way}{}► ", "─".repeat(end - length("► ") - length(&way)));
    let margin = " ".repeat(length(&before));
    format!(
        "{before}{stretched}{} ──► {}\n{margin}▲{}│\n{margin}{back}{}┘\n",
        route.name,
        address(checked, &route.sink.store, &route.sink.prefix),
        " ".repeat(end - 1),
        "─".repeat(end - length(&back)),
    )
}

/// The way from the queue to the acknowledgement, with the letters' branch below it.
fn draw_ingestion(checked: &Checked, route: &IngestionRoute<'_>) -> String {
    let length = |text: &str| text.chars().count();
    let before = format!("  {} ──► fetch ──► ", route.source);
    let between = format!(" ──► {} ──► price ──► gather ──► ", route.operator);
    let branch = format!("└──rejected──► {} ◄──rejected──", route.letter_sink);
    // Both ends of the branch stand below first letters: the shorter of the two ways is stretched.
    let way = length("decode") + length(&between);
    let end = way.max(length(&branch));
    let stretched = between.replacen(" ──►", &format!(" ──{}►", "─".repeat(end - way)), 1);
    let margin = " ".repeat(length(&before));
    format!(
        "{before}decode{stretched}{} ──► ack\n{margin}│{}│\n{margin}{branch}{}┘\n{margin}   {}\n",
        route.sink,
        " ".repeat(end - 1),
        "─".repeat(end - length(&branch)),
        address(checked, &route.letters.store, &route.letters.prefix),
    )
}
