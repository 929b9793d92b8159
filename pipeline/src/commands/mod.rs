//! The commands: what the command line offers, each in a file of its own.

mod check;
mod clickhouse;
mod completions;
mod demo;
mod doctor;
mod gc;
mod graph;
mod help;
mod letters;
mod migrate;
mod place;
mod plan;
mod profile_queries;
mod profiles;
mod replay;
mod run;
mod status;
mod synth;
mod verify;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::PipelineError;

/// The data backbone of a Langfuse installation: traces leave ClickHouse as files, every row accounted for.
#[derive(Debug, Parser)]
#[command(name = "tracemill", version, about, propagate_version = true)]
#[command(long_about = help::ABOUT, after_help = help::SHORT, after_long_help = help::after())]
pub struct Cli {
    /// How much is logged: `error`, `warn`, `info`, `debug`, or a filter such as `tracemill=debug`.
    ///
    /// `info` without it; the demo logs warnings alone. The log goes to standard error: lines for people on a terminal,
    /// JSON elsewhere.
    #[arg(long, global = true, env = "TRACEMILL_LOG", value_name = "FILTER")]
    log: Option<String>,
    #[command(subcommand)]
    command: Command,
}

/// What it can do.
#[derive(Debug, Subcommand)]
enum Command {
    /// See it work: synthetic agent runs into a ClickHouse of its own, and out as Parquet.
    #[command(long_about = help::DEMO)]
    Demo(demo::DemoArgs),
    /// Run the graphs of a file until they are told to stop.
    #[command(long_about = help::RUN)]
    Run(run::RunArgs),
    /// Say whether a graph file is right, and with --connect whether its servers and stores are.
    #[command(long_about = help::CHECK)]
    Check(check::CheckArgs),
    /// Try every limit of every ClickHouse service, and say which layer between the workloads holds.
    #[command(long_about = help::DOCTOR)]
    Doctor(doctor::DoctorArgs),
    /// Draw the graphs of a file.
    #[command(long_about = help::GRAPH)]
    Graph(graph::GraphArgs),
    /// Say what a run would do now and what that would cost, and write nothing.
    #[command(long_about = help::PLAN)]
    Plan(plan::PlanArgs),
    /// Say how far the exports are.
    #[command(long_about = help::STATUS)]
    Status(status::StatusArgs),
    /// Read manifests and files back and compare them, with --connect also with ClickHouse.
    #[command(long_about = help::VERIFY)]
    Verify(verify::VerifyArgs),
    /// Export a range of time again, as the next generation, and end.
    #[command(long_about = help::EXPORT)]
    Export(run::ExportArgs),
    /// Write again the windows whose rows changed since they were exported, and end.
    #[command(long_about = help::RECONCILE)]
    Reconcile(run::ReconcileArgs),
    /// Remove what no manifest names.
    #[command(long_about = help::GC)]
    Gc(gc::GcArgs),
    /// Look at what could not be taken in, replay it, drop it.
    #[command(long_about = help::LETTERS)]
    Letters(letters::LettersArgs),
    /// Run raw objects through the ingestion graph once more, and end.
    #[command(long_about = help::REPLAY)]
    Replay(replay::ReplayArgs),
    /// Make the tables, or adopt those that Langfuse made.
    #[command(long_about = help::MIGRATE)]
    Migrate(migrate::MigrateArgs),
    /// Write the users of ClickHouse, one for each service, with limits that they cannot lift.
    #[command(long_about = help::PROFILES)]
    Profiles(profiles::ProfilesArgs),
    /// Write synthetic agent runs into ClickHouse, and the ledger of what is true of them.
    #[command(long_about = help::SYNTH)]
    Synth(synth::SynthArgs),
    /// Say what the queries of pages and of the API cost on a server, and what would make them cheaper.
    #[command(long_about = help::PROFILE_QUERIES)]
    ProfileQueries(profile_queries::ProfileArgs),
    /// Run the embedded ClickHouse by itself.
    #[command(long_about = help::CLICKHOUSE)]
    Clickhouse(clickhouse::ClickhouseArgs),
    /// Write completions for a shell.
    #[command(long_about = help::COMPLETIONS)]
    Completions(completions::CompletionsArgs),
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
        let default = match self.command {
            Command::Demo(_)
            | Command::Doctor(_)
            | Command::Status(_)
            | Command::Verify(_)
            | Command::Letters(_)
            | Command::ProfileQueries(_) => "warn",
            _ => "info",
        };
        self.log.as_deref().unwrap_or(default)
    }

    /// Runs the command.
    ///
    /// # Errors
    /// Whatever stopped it.
    pub async fn run(self) -> Result<(), PipelineError> {
        match self.command {
            Command::Demo(args) => demo::demo(args).await,
            Command::Run(args) => run::run(args).await,
            Command::Check(args) => check::check(args).await,
            Command::Doctor(args) => doctor::doctor(args).await,
            Command::Graph(args) => graph::graph(&args),
            Command::Plan(args) => plan::plan(args).await,
            Command::Status(args) => status::status(args).await,
            Command::Verify(args) => verify::verify(args).await,
            Command::Gc(args) => gc::gc(args).await,
            Command::Letters(args) => letters::letters(args).await,
            Command::Replay(args) => replay::replay(args).await,
            Command::Completions(args) => {
                completions::completions(&args);
                Ok(())
            }
            Command::Export(args) => run::export(args).await,
            Command::Reconcile(args) => run::reconcile(args).await,
            Command::Migrate(args) => migrate::migrate(args).await,
            Command::Profiles(args) => profiles::profiles(&args),
            Command::Synth(args) => synth::synth(args).await,
            Command::ProfileQueries(args) => profile_queries::profile(args).await,
            Command::Clickhouse(args) => clickhouse::clickhouse(args).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound_and_every_command_teaches() {
        let mut command = Cli::command();
        command.clone().debug_assert();
        command.build();
        let letters = command.find_subcommand("letters").expect("a command").clone();
        let own = command.get_subcommands().chain(letters.get_subcommands());
        for one in own.filter(|one| one.get_name() != "help") {
            let about = one.get_long_about().map(ToString::to_string).unwrap_or_default();
            assert!(about.contains("Example"), "{} has no example", one.get_name());
            assert!(about.contains("Exit codes"), "{} has no exit codes", one.get_name());
        }
    }

    #[test]
    fn a_graph_or_a_url_but_not_both_and_not_none() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' ')).is_ok();
        assert!(parse("tracemill migrate graph.toml"));
        assert!(parse("tracemill synth --url http://localhost:8123"));
        assert!(!parse("tracemill synth"));
        assert!(!parse("tracemill migrate graph.toml --url http://localhost:8123"));
    }
}
