//! `synth --through-sdk`: the same agent runs, sent to an intake as the Langfuse clients send them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use serde_json::json;
use tracemill_model::{ByteSize, ProjectId, Secret};
use tracemill_sources::synth::sdk::{Even, Expectation, Protocol, Requests, Runs, SdkConfig};
use tracemill_sources::synth::{ProjectSpec, SynthConfig};

use super::parse_size;
use crate::PipelineError;
use crate::bars::{Watch, say};
use crate::send::{Key, SendOptions, SendProgress, SendReport, send};

/// By how many traces the end of an entity is behind its beginning.
const BEHIND: usize = 8;

/// Arguments of `synth` that say how and to whom requests are sent.
#[derive(Debug, Args)]
#[command(next_help_heading = "Through the clients' HTTP interface")]
pub(super) struct ThroughArgs {
    /// Send the runs to this server as Langfuse's SDKs do, instead of writing rows into ClickHouse.
    #[arg(long, value_name = "URL", group = "PlaceArg")]
    pub(super) through_sdk: Option<String>,
    /// A project's id and keys; one for each project. Its runs are those of the project of that place.
    #[arg(long = "key", value_name = "PROJECT:PUBLIC:SECRET", value_parser = Key::parse, requires = "through_sdk")]
    #[arg(conflicts_with_all = ["public_key", "projects"])]
    keys: Vec<Key>,
    /// The public key where there is one project.
    #[arg(long, env = "LANGFUSE_PUBLIC_KEY", value_name = "KEY")]
    public_key: Option<String>,
    /// The secret key where there is one project.
    #[arg(long, env = "LANGFUSE_SECRET_KEY", value_name = "KEY", hide_env_values = true)]
    secret_key: Option<Secret>,
    /// How the clients talk: batches of events, spans, or both.
    #[arg(long, value_enum, default_value_t = Talk::Mix, requires = "through_sdk")]
    protocol: Talk,
    /// Events a second; 0: as fast as they are answered.
    #[arg(long, default_value_t = 0.0, requires = "through_sdk", value_name = "EVENTS")]
    rate: f64,
    /// Connections at once.
    #[arg(long, default_value_t = 4, requires = "through_sdk")]
    connections: usize,
    /// The share of entities that come as two events, begin and end; spans come complete.
    #[arg(long, default_value_t = 0.5, requires = "through_sdk", value_name = "SHARE")]
    updates: f64,
    /// Compress spans.
    #[arg(long, requires = "through_sdk")]
    gzip: bool,
    /// Runs that are all alike, each event of about this size: a trace with `--observations` generations.
    #[arg(long, value_parser = parse_size, requires = "through_sdk", value_name = "SIZE")]
    even: Option<ByteSize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Talk {
    /// `POST /api/public/ingestion`.
    Rest,
    /// `POST /api/public/otel/v1/traces`, protobuf.
    Otlp,
    /// Every second trace, by chance.
    Mix,
}

/// What of the other arguments counts here.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) config: SynthConfig,
    pub(super) observations: f64,
    pub(super) traces: u32,
    pub(super) ledger: Option<PathBuf>,
}

/// Sends, and says what was sent and what is to be in the tables then.
pub(super) async fn through(url: &str, args: &ThroughArgs, asked: Asked) -> Result<(), PipelineError> {
    let keys = keys(args)?;
    let requests = Requests::new(SdkConfig {
        runs: runs(args, &asked, &keys),
        protocol: match args.protocol {
            Talk::Rest => Protocol::Rest,
            Talk::Otlp => Protocol::Otlp,
            Talk::Mix => Protocol::Mix,
        },
        updates: args.updates,
        behind: BEHIND,
    })
    .map_err(|error| usage(error.to_string()))?;
    let progress = Arc::new(SendProgress::default());
    let watch = Watch::begin("sending", {
        let progress = Arc::clone(&progress);
        move || progress.sample()
    });
    let options = SendOptions {
        url: url.to_owned(),
        keys,
        rate: args.rate,
        connections: args.connections,
        gzip: args.gzip,
        accepted: None,
    };
    let (report, requests) = send(requests, options, progress).await?;
    drop(watch);
    let expected = requests.expectation();
    say(&record(&report, &expected));
    match &asked.ledger {
        Some(folder) => write_expectation(folder, &expected),
        None => Ok(()),
    }
}

fn runs(args: &ThroughArgs, asked: &Asked, keys: &[Key]) -> Runs {
    let projects = || keys.iter().map(|key| key.project.clone());
    if let Some(size) = args.even {
        return Runs::Even(Even {
            seed: asked.config.seed,
            projects: projects().collect(),
            from: asked.config.from,
            traces: asked.traces,
            generations: asked.observations as u32,
            event_bytes: u32::try_from(size.0).unwrap_or(u32::MAX),
            has_updates: args.updates > 0.0,
        });
    }
    let mut config = asked.config.clone();
    let like = config.projects.first().cloned().unwrap_or_default();
    config.projects = projects().map(|id| ProjectSpec { id, ..like.clone() }).collect();
    Runs::Agents(config)
}

fn keys(args: &ThroughArgs) -> Result<Vec<Key>, PipelineError> {
    if !args.keys.is_empty() {
        return Ok(args.keys.clone());
    }
    let (Some(public), Some(secret)) = (&args.public_key, &args.secret_key) else {
        let reason = "nobody is there to sign for: give --public-key and --secret-key, or --key PROJECT:PUBLIC:SECRET";
        return Err(usage(reason.to_owned()));
    };
    Ok(vec![Key {
        // The server knows the project by its key; the name is for the record alone.
        project: ProjectId::new("project").map_err(|error| usage(error.to_string()))?,
        public: public.clone(),
        secret: secret.clone(),
    }])
}

/// One line of JSON.
fn record(report: &SendReport, expected: &[Expectation]) -> String {
    let seconds = report.took.as_secs_f64();
    let rate = report.events as f64 / seconds.max(1e-9);
    json!({
        "events": report.events,
        "bytes": report.bytes,
        "requests": report.requests,
        "seconds": (seconds * 1e3).round() / 1e3,
        "rate": rate.round(),
        "retries": report.retries,
        "refused": report.refused,
        "expected": expected,
    })
    .to_string()
}

fn write_expectation(folder: &Path, expected: &[Expectation]) -> Result<(), PipelineError> {
    let text = serde_json::to_string_pretty(expected).expect("counts are always JSON");
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(folder.join("expectation.json"), text + "\n"))
        .map_err(|error| PipelineError::Io {
            what: "cannot write the expectation".to_owned(),
            reason: error.to_string(),
        })
}

fn usage(reason: String) -> PipelineError {
    PipelineError::Usage { reason }
}
