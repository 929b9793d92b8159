//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Measures what readers see while a day is exported and events come in, all on one ClickHouse.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// A tenth of the day and little of the time: shows that it works.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Seconds of a row without an export, and at least of the reference's. The p99 of fewer than a thousand queries is chance.
    #[arg(long, default_value_t = 180.0)]
    pub(crate) span: f64,
    /// How many times an exporter takes the day in one run.
    #[arg(long, default_value_t = 14)]
    pub(crate) days: u32,
    /// Interactive queries a second.
    #[arg(long, default_value_t = 6.0)]
    pub(crate) queries: f64,
    /// Events a second that are ingested.
    #[arg(long, default_value_t = 1_000.0)]
    pub(crate) events: f64,
    /// What the governor is told that 95 of 100 interactive queries are to take at most, in milliseconds; without it, it is told
    /// nothing.
    #[arg(long)]
    pub(crate) target: Option<u32>,
    /// Only rows whose name holds this text, or one of these, between commas.
    #[arg(long, default_value = "")]
    pub(crate) rows: String,
    /// Only the governor under a step of the readers' load.
    #[arg(long)]
    pub(crate) step: bool,
    /// The working folder.
    #[arg(long)]
    pub(crate) dir: PathBuf,
    /// Where the figures go as JSON; the plots lie beside it.
    #[arg(long)]
    pub(crate) json: PathBuf,
    /// The binary that is measured.
    #[arg(long)]
    pub(crate) tracemill: PathBuf,
    /// How long one export may take, in seconds.
    #[arg(long, default_value_t = 600)]
    pub(crate) within: u64,
}

impl Args {
    pub(crate) fn span(&self) -> f64 {
        if self.quick { self.span / 18.0 } else { self.span }
    }
}
