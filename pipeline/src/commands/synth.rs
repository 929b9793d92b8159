//! `synth`: synthetic agent runs into ClickHouse, or through the interface of its clients.

mod through;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use tracemill_model::{ByteSize, Millis, ProjectId};
use tracemill_sources::synth::{Payload, Phase, ProjectSpec, SynthConfig};
use tracemill_warehouse::Service;

use super::place::PlaceArg;
use super::run::parse_time;
use crate::PipelineError;
use crate::bars::{Watch, say};
use crate::load::{LoadOptions, LoadProgress, LoadReport, load};
use crate::pace::grouped;

/// Arguments of `synth`.
#[derive(Debug, Args)]
pub(super) struct SynthArgs {
    #[command(flatten)]
    place: Option<PlaceArg>,
    #[command(flatten)]
    through: through::ThroughArgs,
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
    /// Observations of a trace on average.
    #[arg(long, default_value_t = 12.0, conflicts_with = "reference_day", value_name = "MEAN")]
    observations: f64,
    /// Scores of a trace on average.
    #[arg(long, default_value_t = 1.5, conflicts_with = "reference_day", value_name = "MEAN")]
    scores: f64,
    /// Rows of several hundred KB instead of a few.
    #[arg(long)]
    wide: bool,
    /// The middle size of a row's input and output together; some rows are a hundred times as large.
    #[arg(long, value_parser = parse_size, conflicts_with_all = ["wide", "reference_day"], value_name = "SIZE")]
    payload: Option<ByteSize>,
    /// The day of the benchmarks: one project, about 302,000 observation versions, 1.5 GiB.
    #[arg(long)]
    reference_day: bool,
    /// Windows that updates of a row's time stay in, in minutes: give the export's period where it is below a day.
    #[arg(long, default_value_t = 1440, value_name = "MINUTES")]
    slot: u32,
    /// Which rows: main (first), late (what comes after the main rows were exported), or all.
    #[arg(long, default_value = "main", value_parser = ["main", "late", "all"])]
    phase: String,
    /// Write the ledger of what is true into this folder; through the clients' interface `expectation.json` with counts.
    #[arg(long, value_name = "FOLDER")]
    ledger: Option<PathBuf>,
}

/// `tracemill synth`.
pub(super) async fn synth(args: SynthArgs) -> Result<(), PipelineError> {
    let config = config(&args)?;
    if let Some(url) = &args.through.through_sdk {
        let asked = through::Asked {
            config,
            observations: args.observations,
            traces: args.traces,
            ledger: args.ledger.clone(),
        };
        return through::through(url, &args.through, asked).await;
    }
    let Some(place) = &args.place else {
        return Err(PipelineError::Usage {
            reason: "nowhere to write to: give a graph file, --url or --through-sdk".to_owned(),
        });
    };
    let place = place.open().await?;
    let done = write(&place.service, config, &args).await;
    let closed = place.close().await;
    done.and(closed)
}

async fn write(service: &Service, config: SynthConfig, args: &SynthArgs) -> Result<(), PipelineError> {
    super::migrate::tables(service, None, false).await?;
    let phases = match args.phase.as_str() {
        "main" => vec![Phase::Main],
        "late" => vec![Phase::Late],
        _ => vec![Phase::Main, Phase::Late],
    };
    let options = LoadOptions {
        config,
        ledger: args.ledger.clone(),
        phases,
    };
    watched_load(service, options).await.map(drop)
}

/// Writes rows, shows how they go in, and says how many there were.
///
/// # Errors
/// As [`load`].
pub(crate) async fn watched_load(service: &Service, options: LoadOptions) -> Result<LoadReport, PipelineError> {
    let progress = Arc::new(LoadProgress::default());
    let watch = Watch::begin("writing", {
        let progress = Arc::clone(&progress);
        move || progress.sample()
    });
    let report = load(service, options, progress).await?;
    drop(watch);
    let rate = report.bytes as f64 / report.took.as_secs_f64().max(0.001);
    say(&format!(
        "{} rows, {} in {:.1} s, {}/s",
        grouped(report.rows),
        ByteSize(report.bytes),
        report.took.as_secs_f64(),
        ByteSize(rate as u64)
    ));
    Ok(report)
}

fn parse_size(text: &str) -> Result<ByteSize, String> {
    ByteSize::parse(text).map_err(|error| error.to_string())
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
    if let Some(size) = args.payload {
        let median = u32::try_from(size.0).unwrap_or(u32::MAX);
        config.payload = Payload {
            median,
            max: median.saturating_mul(100).min(64 << 20),
            ..Payload::default()
        };
    }
    if !args.reference_day {
        config.projects = (1..=args.projects)
            .map(|n| {
                let id = ProjectId::new(format!("synth-{n}")).map_err(|error| PipelineError::Usage {
                    reason: error.to_string(),
                })?;
                Ok(ProjectSpec {
                    traces_per_day: args.traces,
                    observations_per_trace: args.observations,
                    scores_per_trace: args.scores,
                    ..ProjectSpec::new(id)
                })
            })
            .collect::<Result<_, PipelineError>>()?;
    }
    Ok(config)
}
