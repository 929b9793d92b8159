//! A picture for Mermaid.

use super::picture::{Picture, Shape};

pub(super) fn render(pictures: &[Picture]) -> String {
    let mut text = "flowchart LR\n".to_owned();
    for (graph, picture) in pictures.iter().enumerate() {
        text.push_str(&format!("  subgraph g{graph}[{}]\n", quoted(&picture.name)));
        for (index, node) in picture.nodes.iter().enumerate() {
            let label = quoted(&format!("{}\n{}", node.name, node.ty));
            let (open, close) = match node.shape {
                Shape::Place => ("[(", ")]"),
                Shape::Source => ("([", "])"),
                Shape::Operator | Shape::Sink => ("[", "]"),
                Shape::Stage => ("(", ")"),
            };
            text.push_str(&format!("    g{graph}n{index}{open}{label}{close}\n"));
        }
        for edge in &picture.edges {
            let label = edge.flow.map_or_else(String::new, |flow| format!("|{flow}|"));
            text.push_str(&format!("    g{graph}n{} -->{label} g{graph}n{}\n", edge.from, edge.to));
        }
        text.push_str("  end\n");
    }
    text
}

fn quoted(text: &str) -> String {
    let text = text
        .replace('#', "#35;")
        .replace('"', "#quot;")
        .replace(['<', '>'], " ")
        .replace('\n', "<br>");
    format!("\"{text}\"")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_label_cannot_end_early() {
        assert_eq!(super::quoted("a\"b#c\nd"), "\"a#quot;b#35;c<br>d\"");
    }
}
