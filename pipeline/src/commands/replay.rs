//! `replay`: raw objects through the ingestion graph once more.

use clap::Args;
use tracemill_model::Millis;
use tracemill_model::ingest::Job;

use super::GraphArg;
use super::run::{parse_time, stop_signal};
use crate::PipelineError;
use crate::bars::say;
use crate::ingestion::assemble::open;
use crate::ingestion::replay::{Choice, Report, jobs, no_graph, replay as run_replay};
use crate::pace::grouped;
use crate::session::{Session, load};

/// Arguments of `replay`.
#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    #[command(flatten)]
    graph: GraphArg,
    /// Only objects whose key begins so, `events/my-project/raw/2026/02/`. The queue's prefix without it.
    #[arg(long, value_name = "PREFIX")]
    prefix: Option<String>,
    /// Only objects that were received then or later: a date, an RFC 3339 time, or milliseconds since 1970.
    #[arg(long, value_parser = parse_time, value_name = "TIME")]
    since: Option<Millis>,
    /// Only objects that were received before.
    #[arg(long, value_parser = parse_time, value_name = "TIME")]
    until: Option<Millis>,
    /// Only this project.
    #[arg(long, value_name = "ID")]
    project: Option<String>,
    /// Say which objects there are, and read none.
    #[arg(long)]
    dry_run: bool,
    /// The report as JSON, for scripts.
    #[arg(long)]
    json: bool,
}

/// `tracemill replay`.
pub(super) async fn replay(args: ReplayArgs) -> Result<(), PipelineError> {
    let checked = load(&args.graph.graph)?;
    let (_, route) = checked.ingestion().ok_or_else(no_graph)?;
    let choice = Choice {
        prefix: args.prefix,
        project: args.project,
        since: args.since,
        until: args.until,
    };
    let store = open(&checked, &route.queue.store)?;
    let jobs = jobs(&store, &route.queue.prefix, &choice).await?;
    if args.dry_run {
        for job in &jobs {
            say(&format!("{}  {}", job.received, store.location(&job.object)));
        }
        say(&format!("{} objects, {} bytes", jobs.len(), grouped(bytes(&jobs))));
        return Ok(());
    }
    let session = Session::of(checked).await?;
    let replayed = run_replay(&session, jobs, stop_signal()).await;
    let closed = session.close().await;
    tell(&replayed?, args.json);
    closed
}

fn bytes(jobs: &[Job]) -> u64 {
    jobs.iter().map(|job| job.bytes).sum()
}

/// What a replay did: for people, or one line of JSON.
pub(super) fn tell(report: &Report, json: bool) {
    if json {
        return say(&serde_json::to_string(report).expect("a report is always JSON"));
    }
    if report.stopped {
        say("stopped before the end: what was read so far is complete");
    }
    say(&format!(
        "{} objects, {} events",
        grouped(report.objects),
        grouped(report.events)
    ));
    say(&format!(
        "{} entities inserted, {} there already, {} deleted before, {} letters",
        grouped(report.written),
        grouped(report.unchanged),
        grouped(report.deleted),
        grouped(report.letters)
    ));
}
