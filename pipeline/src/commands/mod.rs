//! The commands: what the command line offers, each in a file of its own.

mod clickhouse;
mod migrate;
mod run;
mod synth;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::PipelineError;

/// The data backbone of a Langfuse installation.
#[derive(Debug, Parser)]
#[command(name = "tracemill", version, about, propagate_version = true)]
pub struct Cli {
    /// How much is logged: `error`, `warn`, `info`, `debug`, or a filter such as `tracemill=debug`.
    #[arg(
        long,
        global = true,
        env = "TRACEMILL_LOG",
        default_value = "info",
        value_name = "FILTER"
    )]
    log: String,
    #[command(subcommand)]
    command: Command,
}

/// What it can do.
#[derive(Debug, Subcommand)]
enum Command {
    /// Run the graphs of a file until they are told to stop.
    Run(run::RunArgs),
    /// Export a range of time again, as the next generation, and end.
    Export(run::ExportArgs),
    /// Write again the windows whose rows changed since they were exported, and end.
    Reconcile(run::ReconcileArgs),
    /// Make the tables, or adopt those that Langfuse made.
    Migrate(migrate::MigrateArgs),
    /// Write synthetic agent runs into ClickHouse, and the ledger of what is true of them.
    Synth(synth::SynthArgs),
    /// Run the embedded ClickHouse by itself.
    Clickhouse(clickhouse::ClickhouseArgs),
}

/// The graph file, for the commands that need one.
#[derive(Debug, clap::Args)]
pub(crate) struct GraphArg {
    /// The graph file.
    #[arg(value_name = "GRAPH.toml")]
    pub graph: PathBuf,
}

impl Cli {
    /// The filter for the log.
    #[must_use]
    pub fn log_filter(&self) -> &str {
        &self.log
    }

    /// Runs the command.
    ///
    /// # Errors
    /// Whatever stopped it.
    pub async fn run(self) -> Result<(), PipelineError> {
        match self.command {
            Command::Run(args) => run::run(args).await,
            Command::Export(args) => run::export(args).await,
            Command::Reconcile(args) => run::reconcile(args).await,
            Command::Migrate(args) => migrate::migrate(args).await,
            Command::Synth(args) => synth::synth(args).await,
            Command::Clickhouse(args) => clickhouse::clickhouse(args).await,
        }
    }
}
