//! `verify`: reads manifests and files back, and with `--connect` compares with ClickHouse.

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::Args;
use tracemill_model::manifest::SourceCounts;
use tracemill_model::{ByteSize, Millis, Window};
use tracemill_operators::Clock;
use tracemill_sources::windows::LeafMemory;
use tracemill_sources::windows::digest::digests;

use super::GraphArg;
use super::run::{ChoiceArgs, parse_time};
use crate::PipelineError;
use crate::assemble::{Choice, Shared};
use crate::bars::{Watch, say};
use crate::config::Checked;
use crate::pace::grouped;
use crate::session::{Session, load};
use crate::shelf::shelves;
use crate::verify::walk::{Report, verify as walk};
use crate::verify::{Difference, Tally, check};

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    graph: GraphArg,
    /// Compare with ClickHouse as well: the live rows of each window, by count and digest. Reads key columns only.
    #[arg(long)]
    connect: bool,
    /// Decode ids and times of every Parquet file as well.
    #[arg(long)]
    deep: bool,
    #[command(flatten)]
    choice: ChoiceArgs,
    /// Only windows that reach beyond this time.
    #[arg(long, value_parser = parse_time, value_name = "TIME")]
    from: Option<Millis>,
    /// Only windows that begin before this time.
    #[arg(long, value_parser = parse_time, value_name = "TIME")]
    to: Option<Millis>,
}

/// What is verified.
pub(crate) struct Asked {
    pub(crate) choice: Choice,
    pub(crate) range: Option<Window>,
    pub(crate) deep: bool,
}

/// `tracemill verify`.
pub(super) async fn verify(args: VerifyArgs) -> Result<(), PipelineError> {
    let range = match (args.from, args.to) {
        (None, None) => None,
        (from, to) => {
            let (from, to) = (from.unwrap_or(Millis(i64::MIN)), to.unwrap_or(Millis(i64::MAX)));
            Some(Window::new(from, to).ok_or_else(|| PipelineError::Usage {
                reason: format!("--from {from} is not before --to {to}"),
            })?)
        }
    };
    let asked = Asked {
        choice: args.choice.choice()?,
        range,
        deep: args.deep,
    };
    let checked = load(&args.graph.graph)?;
    if !args.connect {
        return end(all(&checked, &asked, None).await?);
    }
    let session = Session::of(checked).await?;
    let verified = connected(&session, &asked).await;
    let closed = session.close().await;
    verified.and(closed)
}

/// With ClickHouse.
pub(crate) async fn connected(session: &Session, asked: &Asked) -> Result<(), PipelineError> {
    let shared = session.shared(Clock::system())?;
    shared.service.ping().await?;
    end(all(&session.checked, asked, Some(&shared)).await?)
}

fn end(differences: u64) -> Result<(), PipelineError> {
    match differences {
        0 => Ok(()),
        differences => Err(PipelineError::Verify { differences }),
    }
}

async fn all(checked: &Checked, asked: &Asked, shared: Option<&Shared>) -> Result<u64, PipelineError> {
    let shelves = shelves(checked, &asked.choice).await?;
    if shelves.is_empty() {
        say("there is nothing to verify: no export has left anything in its store");
    }
    let mut differences = 0;
    let mut totals = [0u64; 4];
    let tally = Arc::new(Tally::default());
    let watch = Watch::begin("verifying", {
        let tally = Arc::clone(&tally);
        move || tally.sample()
    });
    for shelf in &shelves {
        let mut report = walk(shelf, asked.range, asked.deep, &tally).await?;
        if let Some(shared) = shared {
            let changed = changed(&shelf.catalog.key, &report, shared).await?;
            report.differences.extend(changed);
        }
        tell(&shelf.route, &shelf.catalog.key.to_string(), &report);
        differences += report.differences.len() as u64;
        let sum =
            |part: fn(&tracemill_model::manifest::Manifest) -> u64| report.manifests.iter().map(part).sum::<u64>();
        let of_this = [
            report.manifests.len() as u64,
            report.files,
            sum(|m| m.rows),
            sum(|m| m.bytes),
        ];
        totals.iter_mut().zip(of_this).for_each(|(total, one)| *total += one);
    }
    drop(watch);
    let [windows, files, rows, bytes] = totals;
    let with = if shared.is_some() {
        "manifests, files and ClickHouse"
    } else {
        "manifests and files"
    };
    say(&format!(
        "{} exports, {windows} windows, {files} files, {} rows, {}: {} between {with}",
        shelves.len(),
        grouped(rows),
        ByteSize(bytes),
        match differences {
            0 => "no difference".to_owned(),
            1 => "1 difference".to_owned(),
            n => format!("{n} differences"),
        },
    ));
    Ok(differences)
}

async fn changed(
    key: &tracemill_model::ExportKey,
    report: &Report,
    shared: &Shared,
) -> Result<Vec<Difference>, PipelineError> {
    let written: BTreeMap<Window, SourceCounts> = report
        .manifests
        .iter()
        .map(|manifest| (manifest.window, manifest.source))
        .collect();
    let windows: Vec<Window> = written.keys().copied().collect();
    let now = digests(
        &shared.service,
        key,
        &windows,
        &shared.memory,
        LeafMemory::within(shared.memory.limit(), shared.leaves).index_max,
        &shared.gate,
    )
    .await?;
    let written: Vec<(Window, SourceCounts)> = written.into_iter().collect();
    let compared = tokio::task::spawn_blocking(move || check::changed(&written, &now));
    compared.await.map_err(|error| PipelineError::Io {
        what: "the windows cannot be compared".to_owned(),
        reason: error.to_string(),
    })
}

fn tell(route: &str, export: &str, report: &Report) {
    let rows: u64 = report.manifests.iter().map(|manifest| manifest.rows).sum();
    let verdict = match report.differences.len() {
        0 => "ok",
        _ => "DIFFERS",
    };
    let windows = report.manifests.len();
    say(&format!(
        "{verdict:7} {route} {export}: {windows} windows, {} files, {} rows",
        report.files,
        grouped(rows)
    ));
    for difference in &report.differences {
        say(&format!("          {difference}"));
    }
    for note in &report.notes {
        say(&format!("          note: {note}"));
    }
}
