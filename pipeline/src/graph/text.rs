//! A picture for a terminal: one line a route, its feedback edge below it, and a list of the nodes.

use std::fmt::Write as _;

use super::picture::{Shape, address, engine_name, pictures};
use crate::config::{Checked, Route};

pub(super) fn render(checked: &Checked) -> String {
    let mut text = String::new();
    for (index, (graph, picture)) in checked.graphs.iter().zip(pictures(checked)).enumerate() {
        if index > 0 {
            text.push('\n');
        }
        text.push_str(&format!("graph {}\n", graph.name));
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
        address(checked, route.sink),
        " ".repeat(end - 1),
        "─".repeat(end - length(&back)),
    )
}
