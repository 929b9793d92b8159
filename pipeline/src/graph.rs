//! The picture of a checked configuration: nodes and edges with what flows along them, as text, DOT or Mermaid.
//!
//! Pure: a picture is made of [`crate::config::Checked`] alone, and holds no secret, since stores appear by their URL.

mod dot;
mod ingestion;
mod mermaid;
mod picture;
mod text;

pub use picture::{Edge, Node, Picture, Shape, pictures};

use crate::config::Checked;

/// How a picture is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Style {
    /// Lines and arrows for a terminal.
    Text,
    /// Graphviz.
    Dot,
    /// Mermaid, as Markdown renders it.
    Mermaid,
}

/// Every graph of the configuration, in the order of the file.
#[must_use]
pub fn render(checked: &Checked, style: Style) -> String {
    match style {
        Style::Text => text::render(checked),
        Style::Dot => dot::render(&pictures(checked)),
        Style::Mermaid => mermaid::render(&pictures(checked)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEE: &str = r#"
[clickhouse]
export = { url = "http://clickhouse:8123", password = "hidden" }
[store.lake]
url = "gs://lake/langfuse/"
[graph.export.source.windows]
type = "windows"
[graph.export.operator.newest]
type = "dedup"
input = "windows"
[graph.export.operator.halves]
type = "split"
into = "windows"
[graph.export.sink.lake]
type = "parquet"
input = "newest"
store = "lake"
failed = "halves"
[graph.export.sink.second]
type = "csv"
input = "newest"
store = "lake"
prefix = "csv/"
failed = "halves"
"#;

    fn checked() -> Checked {
        crate::config::load(TEE, "graph.toml", &|_| None).expect("no faults")
    }

    #[test]
    fn text_draws_the_way_and_the_feedback_below_it() {
        let text = render(&checked(), Style::Text);
        let drawn = [
            "  ClickHouse ──► windows ──versions──► newest ──rows──► lake ──► gs://lake/langfuse/\n",
            "                 ▲                                      │\n",
            "                 └──descriptions── halves ◄──outcomes───┘\n",
        ];
        assert!(text.contains(&drawn.concat()), "{text}");
        assert!(text.contains("gs://lake/langfuse/csv/"), "{text}");
        assert!(!text.contains("hidden"), "{text}");
    }

    #[test]
    fn the_corner_stands_below_the_sink_however_long_the_names_are() {
        for length in [1, 6, 20, 60] {
            let toml = TEE.replace("halves", &"h".repeat(length));
            let checked = crate::config::load(&toml, "graph.toml", &|_| None).expect("no faults");
            let text = render(&checked, Style::Text);
            let lines: Vec<&str> = text.lines().skip(2).take(3).collect();
            let column = |line: &str, what: &str| line.split(what).next().map(|before| before.chars().count());
            assert_eq!(column(lines[0], "lake"), column(lines[1], "│"), "{text}");
            assert_eq!(column(lines[0], "lake"), column(lines[2], "┘"), "{text}");
            assert_eq!(column(lines[0], "windows"), column(lines[1], "▲"), "{text}");
        }
    }

    #[test]
    fn dot_and_mermaid_have_every_edge_once() {
        let dot = render(&checked(), Style::Dot);
        assert!(dot.starts_with("digraph tracemill {"), "{dot}");
        for flow in ["batches of versions", "descriptions"] {
            assert_eq!(dot.matches(&format!("label=\"{flow}\"")).count(), 1, "{dot}");
        }
        for flow in ["batches of rows", "outcomes"] {
            assert_eq!(dot.matches(&format!("label=\"{flow}\"")).count(), 2, "{dot}");
        }
        let mermaid = render(&checked(), Style::Mermaid);
        assert!(mermaid.starts_with("flowchart LR\n"), "{mermaid}");
        assert_eq!(mermaid.matches("batches of rows").count(), 2, "{mermaid}");
    }

    #[test]
    fn a_picture_knows_every_node_and_where_it_stands() {
        let pictures = pictures(&checked());
        let [picture] = pictures.as_slice() else {
            panic!("one graph")
        };
        let names: Vec<_> = picture
            .nodes
            .iter()
            .map(|node| (node.name.as_str(), node.shape))
            .collect();
        assert_eq!(
            names,
            [
                ("ClickHouse", Shape::Place),
                ("windows", Shape::Source),
                ("newest", Shape::Operator),
                ("halves", Shape::Operator),
                ("lake", Shape::Sink),
                ("gs://lake/langfuse/", Shape::Place),
                ("second", Shape::Sink),
                ("gs://lake/langfuse/csv/", Shape::Place),
            ]
        );
    }

    const INGESTION: &str = r#"
[store.raw]
url = "s3://events"
[intake]
salt = "hidden"
[access.demo]
keys = [{ public = "pk-lf-a", secret = "hidden" }]
[graph.in.source.jobs]
type = "queue"
backend = "bullmq"
url = "redis://:hidden@redis:6379"
[graph.in.operator.merge]
type = "merge"
input = "jobs"
[graph.in.sink.rows]
type = "clickhouse"
input = "merge"
rejected = "letters"
[graph.in.sink.letters]
type = "letters"
"#;

    fn ingestion(toml: &str) -> Checked {
        crate::config::load(toml, "graph.toml", &|_| None).expect("no faults")
    }

    #[test]
    fn text_draws_the_stages_and_the_letters_below_them() {
        let text = render(&ingestion(INGESTION), Style::Text);
        let drawn = [
            "  jobs ──► fetch ──► decode ──► merge ──► price ──► gather ──► rows ──► ack\n",
            "                     │                                         │\n",
            "                     └──rejected──► letters ◄──rejected────────┘\n",
            "                        s3://events/letters/\n",
        ];
        assert!(text.contains(&drawn.concat()), "{text}");
        assert!(text.contains("bullmq at redis://***@redis:6379, 8 queues"), "{text}");
        assert!(!text.contains("hidden"), "{text}");
    }

    #[test]
    fn the_letters_branch_ends_below_both_however_long_the_names_are() {
        for length in [1, 6, 20, 60] {
            let name = "l".repeat(length);
            let toml = INGESTION.replace("sink.letters", &format!("sink.{name}"));
            let text = render(
                &ingestion(&toml.replace("\"letters\"\n[", &format!("\"{name}\"\n["))),
                Style::Text,
            );
            let lines: Vec<&str> = text.lines().skip(2).take(3).collect();
            let column = |line: &str, what: &str| line.split(what).next().map(|before| before.chars().count());
            assert_eq!(column(lines[0], "rows"), column(lines[2], "┘"), "{text}");
            assert_eq!(column(lines[0], "decode"), column(lines[2], "└"), "{text}");
            let bars: Vec<usize> = lines[1]
                .chars()
                .enumerate()
                .filter(|(_, c)| *c == '│')
                .map(|(at, _)| at)
                .collect();
            assert_eq!(bars.first().copied(), column(lines[0], "decode"), "{text}");
            assert_eq!(bars.last().copied(), column(lines[0], "rows"), "{text}");
        }
    }

    #[test]
    fn dot_and_mermaid_have_every_stage_and_edge_of_ingestion_once() {
        let checked = ingestion(INGESTION);
        for style in [Style::Dot, Style::Mermaid] {
            let drawn = render(&checked, style);
            for flow in [
                "jobs",
                "raw objects",
                "patches of entities",
                "merged rows",
                "priced rows",
                "inserts",
            ] {
                let label = if style == Style::Dot {
                    format!("[label=\"{flow}\"]")
                } else {
                    format!("|{flow}|")
                };
                assert_eq!(drawn.matches(&label).count(), 1, "{flow}: {drawn}");
            }
            assert_eq!(drawn.matches("durable epochs").count(), 1, "{drawn}");
            assert_eq!(
                drawn.matches("rejected rows").count(),
                2,
                "of decode and of insert: {drawn}"
            );
            assert!(!drawn.contains("hidden"), "{drawn}");
        }
    }

    #[test]
    fn stages_named_as_nodes_are_no_trouble() {
        let toml = INGESTION
            .replace("operator.merge", "operator.fetch")
            .replace("\"merge\"\nrej", "\"fetch\"\nrej");
        let pictures = pictures(&ingestion(&toml));
        let [picture] = pictures.as_slice() else {
            panic!("one graph")
        };
        let stages: Vec<&str> = picture
            .nodes
            .iter()
            .filter(|node| node.shape == Shape::Stage)
            .map(|node| node.name.as_str())
            .collect();
        assert_eq!(stages, ["fetch", "decode", "price", "gather", "ack"]);
        assert!(picture.edges.iter().all(|edge| edge.from != edge.to));
        let places: Vec<&str> = picture
            .nodes
            .iter()
            .filter(|node| node.shape == Shape::Place)
            .map(|node| node.name.as_str())
            .collect();
        let expected = ["s3://events/events/", "redis://***@redis:6379", "127.0.0.1:3000"];
        assert_eq!(places[..3], expected);
        assert_eq!(places[3..], ["embedded ClickHouse", "s3://events/letters/"]);
    }
}
