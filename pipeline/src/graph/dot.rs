//! A picture for Graphviz.

use super::picture::{Picture, Shape};

pub(super) fn render(pictures: &[Picture]) -> String {
    let mut text = "digraph tracemill {\n  rankdir=LR;\n  node [fontname=\"sans-serif\"];\n".to_owned();
    for (graph, picture) in pictures.iter().enumerate() {
        text.push_str(&format!(
            "  subgraph cluster_{graph} {{\n    label={};\n",
            quoted(&picture.name)
        ));
        for (index, node) in picture.nodes.iter().enumerate() {
            let shape = match node.shape {
                Shape::Place => "cylinder",
                Shape::Source | Shape::Operator | Shape::Sink => "box",
                Shape::Stage => "box, style=dashed",
            };
            let label = quoted(&format!("{}\n{}", node.name, node.ty));
            text.push_str(&format!("    g{graph}n{index} [shape={shape}, label={label}];\n"));
        }
        for edge in &picture.edges {
            let label = edge
                .flow
                .map_or_else(String::new, |flow| format!(" [label={}]", quoted(&flow.to_string())));
            text.push_str(&format!("    g{graph}n{} -> g{graph}n{}{label};\n", edge.from, edge.to));
        }
        text.push_str("  }\n");
    }
    text.push_str("}\n");
    text
}

fn quoted(text: &str) -> String {
    format!(
        "\"{}\"",
        text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_label_cannot_end_early() {
        assert_eq!(super::quoted("a\"b\\c\nd"), r#""a\"b\\c\nd""#);
    }
}
