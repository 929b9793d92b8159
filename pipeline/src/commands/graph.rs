//! `graph`: the picture of a graph file.

use clap::{Args, ValueEnum};

use super::GraphArg;
use crate::PipelineError;
use crate::bars::say;
use crate::graph::{Style, render};
use crate::session::load;

/// Arguments of `graph`.
#[derive(Debug, Args)]
pub(super) struct GraphArgs {
    #[command(flatten)]
    graph: GraphArg,
    /// How it is drawn.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// Lines and arrows for a terminal.
    Text,
    /// Graphviz: `| dot -Tsvg`.
    Dot,
    /// Mermaid, as Markdown renders it.
    Mermaid,
}

/// `tracemill graph`.
pub(super) fn graph(args: &GraphArgs) -> Result<(), PipelineError> {
    let checked = load(&args.graph.graph)?;
    let style = match args.format {
        Format::Text => Style::Text,
        Format::Dot => Style::Dot,
        Format::Mermaid => Style::Mermaid,
    };
    say(render(&checked, style).trim_end());
    Ok(())
}
