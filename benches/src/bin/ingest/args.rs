//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Measures ingestion, from HTTP to rows, against plain inserts of the same rows into the same ClickHouse.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// A tenth of the events, and one round.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Rounds of each measurement.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: u32,
    /// Only these parts, separated by commas. Without it all but the backlog.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) parts: Vec<Part>,
    /// Only mixes whose name holds this text.
    #[arg(long, default_value = "")]
    pub(crate) mix: String,
    /// Also a backlog of a million small events: takes minutes.
    #[arg(long)]
    pub(crate) backlog: bool,
    /// Connections of the client.
    #[arg(long, default_value_t = 4)]
    pub(crate) connections: usize,
    /// Seconds of half load.
    #[arg(long, default_value_t = 30)]
    pub(crate) latency_for: u32,
    /// Events a second of half load, where they are not to be half of what was measured.
    #[arg(long)]
    pub(crate) latency_rate: Option<f64>,
    /// The longest wait for ClickHouse's merges to end after a run, in seconds.
    #[arg(long, default_value_t = 30)]
    pub(crate) settle: u64,
    /// The working folder; its content from before is removed.
    #[arg(long)]
    pub(crate) dir: PathBuf,
    /// Where the figures go as JSON.
    #[arg(long)]
    pub(crate) json: PathBuf,
    /// The binary that is measured.
    #[arg(long)]
    pub(crate) tracemill: PathBuf,
    /// How long one run may take, in seconds.
    #[arg(long, default_value_t = 300)]
    pub(crate) within: u64,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Events a second, CPU time an event, queries.
    Load,
    /// The time from an answer to the row.
    Latency,
    /// A queue of a million events.
    Backlog,
}

impl Args {
    /// Whether a part is wanted.
    pub(crate) fn wants(&self, part: Part) -> bool {
        match part {
            Part::Backlog => self.backlog || self.parts.contains(&part),
            _ => self.parts.is_empty() || self.parts.contains(&part),
        }
    }

    /// How many rounds there are.
    pub(crate) fn rounds(&self) -> u32 {
        if self.quick { 1 } else { self.rounds.max(1) }
    }
}
