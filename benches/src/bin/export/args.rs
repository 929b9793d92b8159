//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// Measures the exporter against its peers, on one ClickHouse and one store.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// A tenth of the day, and one round without warming up.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Rounds of each side, beside one to warm up.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: u32,
    /// Where the sides write.
    #[arg(long, value_enum, default_value_t = StoreChoice::S3)]
    pub(crate) store: StoreChoice,
    /// Also a day of about 10 GiB: takes minutes.
    #[arg(long)]
    pub(crate) big: bool,
    /// Only these sides, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) sides: Vec<Side>,
    /// The working folder; its content from before is removed.
    #[arg(long)]
    pub(crate) dir: PathBuf,
    /// Where the figures go as JSON.
    #[arg(long)]
    pub(crate) json: PathBuf,
    /// The binary that is measured.
    #[arg(long)]
    pub(crate) tracemill: PathBuf,
    /// The project's root folder.
    #[arg(long)]
    pub(crate) root: PathBuf,
    /// A Python with what `benches/requirements.txt` names; without it that side is left out.
    #[arg(long)]
    pub(crate) python: Option<PathBuf>,
    /// How long one run of a side may take, in seconds.
    #[arg(long, default_value_t = 900)]
    pub(crate) within: u64,
}

/// Kinds of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StoreChoice {
    /// The S3 test server.
    S3,
    /// A folder.
    Local,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Side {
    /// The exporter.
    Tracemill,
    /// The reference's query, a plain HTTP client.
    Reference,
    /// clickhouse-connect with pyarrow.
    ClickhouseConnect,
    /// The reference's query in 96 windows.
    #[value(name = "reference-96")]
    Reference96,
}

impl Side {
    /// All, in the order in which they run.
    pub(crate) const ALL: [Self; 4] = [
        Self::Tracemill,
        Self::Reference,
        Self::ClickhouseConnect,
        Self::Reference96,
    ];

    /// Its name in the tables.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tracemill => "tracemill",
            Self::Reference => "reference",
            Self::ClickhouseConnect => "clickhouse-connect",
            Self::Reference96 => "reference-96",
        }
    }
}

impl Args {
    /// How long one run may take.
    pub(crate) fn within(&self) -> Duration {
        Duration::from_secs(self.within)
    }

    /// Rounds of a side, and whether one before them warms up. The slow one runs once.
    pub(crate) fn rounds(&self, side: Side) -> (u32, bool) {
        match side {
            Side::Reference96 => (1, false),
            _ if self.quick => (1, false),
            _ => (self.rounds.max(1), true),
        }
    }

    /// The sides that run.
    pub(crate) fn sides(&self) -> Vec<Side> {
        let mut sides = Side::ALL.to_vec();
        sides.retain(|side| self.sides.is_empty() || self.sides.contains(side));
        sides.retain(|side| *side != Side::ClickhouseConnect || self.python.is_some());
        sides
    }
}
