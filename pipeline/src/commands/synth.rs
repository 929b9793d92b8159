//! `synth`: synthetic agent runs into ClickHouse.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use tracemill_model::{ByteSize, Millis, ProjectId};
use tracemill_sources::synth::{Payload, Phase, ProjectSpec, SynthConfig};
use tracemill_warehouse::ServiceKind;

use super::GraphArg;
use super::run::parse_time;
use crate::PipelineError;
use crate::load::{LoadOptions, LoadProgress, load};
use crate::session::Session;

/// Arguments of `synth`.
#[derive(Debug, Args)]
pub(super) struct SynthArgs {
    #[command(flatten)]
    graph: GraphArg,
    /// Equal seeds give equal rows.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many projects, named synth-1, synth-2 and so on.
    #[arg(long, default_value_t = 2, conflicts_with = "reference_day")]
    projects: u32,
    /// The first day.
    #[arg(long, value_parser = parse_time, default_value = "2026-02-25", value_name = "DATE")]
    from: Millis,
    /// How many days.
    #[arg(long, default_value_t = 1)]
    days: u32,
    /// Traces a day and project; each has about 12 observations.
    #[arg(long, default_value_t = 500, conflicts_with = "reference_day")]
    traces: u32,
    /// Rows of several hundred KB instead of a few.
    #[arg(long)]
    wide: bool,
    /// The day of the benchmarks: one project, about 302,000 observation versions, 1.5 GiB.
    #[arg(long)]
    reference_day: bool,
    /// Windows that updates of a row's time stay in, in minutes: give the export's period where it is below a day.
    #[arg(long, default_value_t = 1440, value_name = "MINUTES")]
    slot: u32,
    /// Which rows: main (first), late (what comes after the main rows were exported), or all.
    #[arg(long, default_value = "main", value_parser = ["main", "late", "all"])]
    phase: String,
    /// Write the ledger of what is true into this folder.
    #[arg(long, value_name = "FOLDER")]
    ledger: Option<PathBuf>,
}

/// `tracemill synth`.
pub(super) async fn synth(args: SynthArgs) -> Result<(), PipelineError> {
    let session = Session::open(&args.graph.graph).await?;
    let done = with_session(&session, &args).await;
    let closed = session.close().await;
    done.and(closed)
}

async fn with_session(session: &Session, args: &SynthArgs) -> Result<(), PipelineError> {
    let service = session.service(ServiceKind::ReadWrite)?;
    super::migrate::tables(&service, None, false).await?;
    let phases = match args.phase.as_str() {
        "main" => vec![Phase::Main],
        "late" => vec![Phase::Late],
        _ => vec![Phase::Main, Phase::Late],
    };
    let options = LoadOptions {
        config: config(args)?,
        ledger: args.ledger.clone(),
        phases,
    };
    let progress = Arc::new(LoadProgress::default());
    let report = load(&service, options, Arc::clone(&progress)).await?;
    let rate = report.bytes as f64 / report.took.as_secs_f64().max(0.001);
    println!(
        "{} rows, {} in {:.1} s, {}/s",
        report.rows,
        ByteSize(report.bytes),
        report.took.as_secs_f64(),
        ByteSize(rate as u64)
    );
    Ok(())
}

fn config(args: &SynthArgs) -> Result<SynthConfig, PipelineError> {
    let mut config = if args.reference_day {
        SynthConfig::reference_day()
    } else {
        SynthConfig::default()
    };
    config.seed = args.seed;
    config.from = args.from;
    config.days = args.days;
    config.fingerprints = args.ledger.is_some();
    config.shares.moved_slot_ms = i64::from(args.slot) * 60_000;
    if args.wide {
        config.payload = Payload::wide();
    }
    if !args.reference_day {
        config.projects = (1..=args.projects)
            .map(|n| {
                let id = ProjectId::new(format!("synth-{n}")).map_err(|error| PipelineError::Usage {
                    reason: error.to_string(),
                })?;
                Ok(ProjectSpec {
                    traces_per_day: args.traces,
                    ..ProjectSpec::new(id)
                })
            })
            .collect::<Result<_, PipelineError>>()?;
    }
    Ok(config)
}
