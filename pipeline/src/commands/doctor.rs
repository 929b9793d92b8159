//! `doctor`: asks every service, and says which layer between the workloads holds and which does not.

use clap::Args;
use tracemill_operators::Clock;

use super::GraphArg;
use crate::PipelineError;
use crate::bars::say;
use crate::doctor::{Level, Report, examine};
use crate::session::{Session, load};

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    graph: GraphArg,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// `tracemill doctor`.
pub(super) async fn doctor(args: DoctorArgs) -> Result<(), PipelineError> {
    let checked = load(&args.graph.graph)?;
    let file = checked.file.clone();
    let session = Session::of(checked).await?;
    let report = examine(&session, &Clock::system()).await;
    let closed = session.close().await;
    if args.json {
        tell_json(&file, &report);
    } else {
        tell(&file, &report);
    }
    report.end().and(closed)
}

fn tell(file: &str, report: &Report) {
    say(file);
    for line in &report.lines {
        say(&format!("  {line}"));
    }
    let (ok, warnings) = (report.count(Level::Ok), report.count(Level::Warn));
    say(&format!(
        "{ok} ok, {warnings} warnings, {} failed",
        report.count(Level::Fail)
    ));
}

fn tell_json(file: &str, report: &Report) {
    let json = serde_json::json!({
        "file": file,
        "ok": report.count(Level::Ok),
        "warnings": report.count(Level::Warn),
        "failed": report.count(Level::Fail),
        "lines": report.lines,
    });
    say(&format!("{json:#}"));
}
