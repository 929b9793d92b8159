//! `status`: how far every export is, from the store and from what a running process leaves on this machine.
//!
//! Asks the store alone, never ClickHouse, so it works beside a running exporter and without any server. While the store is away it
//! still tells what processes of this machine left, and ends with the store's error.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;
use tracemill_model::manifest::Manifest;
use tracemill_model::{ByteSize, Millis, Window};
use tracemill_operators::Clock;
use tracemill_sinks::commit::fence::{Holder, holder};

use super::GraphArg;
use super::run::ChoiceArgs;
use crate::PipelineError;
use crate::assemble::Choice;
use crate::bars::say;
use crate::config::Checked;
use crate::export::plan::cursor;
use crate::figures;
use crate::ingestion::status::{self as ingestion, FoundIngestion};
use crate::pace::{for_people, grouped};
use crate::session::load;
use crate::shelf::{Shelf, shelves};
use crate::status::{ExportStatus, FoundRun, found};
use crate::verify::walk::manifests;

/// Arguments of `status`.
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    graph: GraphArg,
    /// As JSON, for scripts.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    choice: ChoiceArgs,
}

#[derive(Debug, Serialize)]
struct Report {
    at: Millis,
    exports: Vec<ExportReport>,
    /// Why there are not all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Ingestion that left a file on this machine, the newest first.
    ingestion: Vec<FoundIngestion>,
    /// The runs that left a file on this machine, the newest first.
    runs: Vec<FoundRun>,
}

/// The names of the first fields are those of the reference's planned endpoint.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ExportReport {
    project_id: String,
    table: String,
    last_export_at: Option<Millis>,
    last_export_status: &'static str,
    catchup_lag_minutes: Option<i64>,
    last_duration_ms: Option<u64>,
    route: String,
    store: String,
    cursor: Option<Millis>,
    newest_window: Option<Window>,
    windows: u64,
    files: u64,
    rows: u64,
    bytes: u64,
    splits: u64,
    letters: u64,
    /// How many windows are of each generation.
    generations: BTreeMap<u32, u64>,
    unreadable_manifests: u64,
    owner: Option<Holder>,
    /// What a process of this machine does for it, or did last.
    run: Option<ExportStatus>,
}

/// `tracemill status`.
pub(super) async fn status(args: StatusArgs) -> Result<(), PipelineError> {
    let choice = args.choice.choice()?;
    let checked = load(&args.graph.graph)?;
    let now = Clock::system().now();
    let runs = found(&checked.status.dir)?;
    let mut exports = Vec::new();
    let told = stored(&checked, &choice, &runs, now, &mut exports).await;
    let ingestion = ingestion::found(&checked.status.dir);
    let report = Report {
        at: now,
        exports,
        error: told.as_ref().err().map(ToString::to_string),
        ingestion,
        runs,
    };
    if args.json {
        say(&serde_json::to_string_pretty(&report).expect("a report is always JSON"));
    } else {
        tell(&report);
    }
    told
}

/// What the stores tell of each export, up to the first that does not.
async fn stored(
    checked: &Checked,
    choice: &Choice,
    runs: &[FoundRun],
    now: Millis,
    exports: &mut Vec<ExportReport>,
) -> Result<(), PipelineError> {
    for shelf in shelves(checked, choice).await? {
        exports.push(export(&shelf, runs, now).await?);
    }
    Ok(())
}

async fn export(shelf: &Shelf, runs: &[FoundRun], now: Millis) -> Result<ExportReport, PipelineError> {
    let catalog = &shelf.catalog;
    let names = catalog.names().await?;
    let windows: Vec<Window> = names.iter().map(|name| name.window).collect();
    let mut generations = BTreeMap::new();
    for name in &names {
        *generations.entry(name.generation).or_insert(0) += 1;
    }
    let opened = manifests(catalog, &names).await?;
    let unreadable = opened.iter().filter(|opened| opened.is_err()).count() as u64;
    let opened: Vec<Manifest> = opened.into_iter().filter_map(Result::ok).collect();
    let sum = |part: fn(&Manifest) -> u64| opened.iter().map(part).sum::<u64>();
    let key = catalog.key.to_string();
    let mine = runs.iter().find_map(|run| {
        let of = |status: &&ExportStatus| status.route == shelf.route && status.export == key;
        Some((run, run.status.exports.iter().find(of)?))
    });
    let cursor = names.first().map(|first| cursor(first.window.from, &windows));
    let lag = i64::try_from(shelf.lag.as_millis()).unwrap_or(i64::MAX);
    Ok(ExportReport {
        project_id: catalog.key.project.to_string(),
        table: catalog.key.table.to_string(),
        last_export_at: opened.iter().map(|manifest| manifest.written_at).max(),
        last_export_status: last_status(&key, mine, !names.is_empty()),
        catchup_lag_minutes: cursor.map(|cursor| catchup_lag_minutes(now, lag, cursor)),
        last_duration_ms: mine.and_then(|(_, status)| Some(status.last?.duration_ms)),
        route: shelf.route.clone(),
        store: catalog.store.location(&catalog.layout.data_folder(&catalog.key)),
        cursor,
        newest_window: windows.iter().max_by_key(|window| window.to).copied(),
        windows: names.len() as u64,
        files: sum(|manifest| manifest.files.len() as u64),
        rows: sum(|manifest| manifest.rows),
        bytes: sum(|manifest| manifest.bytes),
        splits: sum(|manifest| u64::from(manifest.splits)),
        letters: sum(|manifest| manifest.letters.as_ref().map_or(0, |letters| letters.count)),
        generations,
        unreadable_manifests: unreadable,
        owner: holder(catalog, now).await?,
        run: mine.map(|(_, status)| status.clone()),
    })
}

/// How far the cursor is behind where it may be. An idle project's cursor stays with its newest row, so this grows there.
fn catchup_lag_minutes(now: Millis, lag_ms: i64, cursor: Millis) -> i64 {
    (now.0.saturating_sub(lag_ms).saturating_sub(cursor.0)).max(0) / 60_000
}

/// What became of the last run of an export: `running`, `waiting` (for a server), `held` (for a person), `failed`,
/// `interrupted`, `success` or `never`.
fn last_status(key: &str, run: Option<(&FoundRun, &ExportStatus)>, has_windows: bool) -> &'static str {
    let Some((run, status)) = run else {
        return if has_windows { "success" } else { "never" };
    };
    let is_in = |state: &str| status.states.iter().any(|(_, text)| text.starts_with(state));
    match &run.status.ended {
        None if !run.alive => "interrupted",
        None if is_in("held") => "held",
        None if is_in("backing_off") => "waiting",
        None => "running",
        Some(ended)
            if ended
                .error
                .as_ref()
                .is_some_and(|error| error.contains(&format!("[{key}]"))) =>
        {
            "failed"
        }
        Some(_) if has_windows => "success",
        Some(_) => "never",
    }
}

fn tell(report: &Report) {
    for line in report.ingestion.iter().take(1).flat_map(ingestion::lines) {
        say(&line);
    }
    if report.exports.is_empty() && report.ingestion.is_empty() && report.error.is_none() {
        say("no export has left anything in its store");
    }
    for export in &report.exports {
        tell_export(export, report.at);
    }
    for run in report.runs.iter().take(1) {
        let verb = match (&run.status.ended, run.alive) {
            (None, true) => "runs".to_owned(),
            (None, false) => "was killed".to_owned(),
            (Some(ended), _) => match &ended.error {
                None => "ended well".to_owned(),
                Some(error) => format!("ended: {error}"),
            },
        };
        say(&format!("\n{} {verb}; written at {}", run.status.owner, run.status.at));
        if let Some(governor) = &run.status.governor {
            governor.lines(run.status.at).iter().for_each(|line| say(line));
        }
        let memory = run.status.memory;
        let [limit, used, peak] = [memory.limit, memory.used, memory.peak].map(ByteSize);
        say(&format!("memory budget {limit}: {used} held, {peak} at most"));
        say(figures::table(&run.status.histograms).trim_end());
    }
}

fn tell_export(export: &ExportReport, now: Millis) {
    say(&format!(
        "{}/{}  {}  ({})",
        export.project_id, export.table, export.last_export_status, export.route
    ));
    match export.cursor {
        None => say("  nothing was committed"),
        Some(cursor) => tell_windows(export, cursor, now),
    }
    match &export.owner {
        Some(holder) if holder.alive => say(&format!("  owned by {}", holder.owner)),
        Some(holder) if holder.released => say("  no owner; the last one left in order"),
        Some(holder) => say(&format!("  no owner; the last one, {}, was killed", holder.owner)),
        None => say("  no owner"),
    }
    if let Some(run) = export.run.as_ref().filter(|run| !run.states.is_empty()) {
        for (name, state) in &run.states {
            say(&format!("    {name}: {state}"));
        }
    }
}

fn tell_windows(export: &ExportReport, cursor: Millis, now: Millis) {
    let behind = u64::try_from(now.0 - cursor.0).unwrap_or(0);
    let behind = for_people(std::time::Duration::from_millis(behind));
    let newest = export
        .newest_window
        .map(|window| window.to_string())
        .unwrap_or_default();
    let late = export.run.as_ref().and_then(|run| run.behind_ms);
    let late = late.map(|ms| format!(", {} behind", for_people(std::time::Duration::from_millis(ms))));
    let late = late.unwrap_or_default();
    say(&format!(
        "  cursor {cursor}, {behind} ago{late}; newest window {newest}"
    ));
    let generations: Vec<String> = export
        .generations
        .iter()
        .filter(|(generation, _)| **generation > 1)
        .map(|(generation, windows)| format!(", {windows} of generation {generation}"))
        .collect();
    say(&format!(
        "  {} windows{}, {} files, {} rows, {}, {} splits, {} letters",
        export.windows,
        generations.concat(),
        export.files,
        grouped(export.rows),
        ByteSize(export.bytes),
        export.splits,
        export.letters
    ));
    if export.unreadable_manifests > 0 {
        say(&format!(
            "  {} manifests cannot be read: run `tracemill verify`",
            export.unreadable_manifests
        ));
    }
}

#[cfg(test)]
mod tests {
    use tracemill_sinks::commit::fence::Owner;

    use super::*;
    use crate::status::{Ended, Memory, RunStatus};

    fn run(alive: bool, ended: Option<Ended>, state: &str) -> (FoundRun, ExportStatus) {
        let status = ExportStatus {
            route: "export.lake".to_owned(),
            export: "p/traces".to_owned(),
            states: vec![("plan".to_owned(), state.to_owned())],
            windows_planned: 0,
            windows_committed: 0,
            rows_read: 0,
            bytes_read: 0,
            rows_written: 0,
            bytes_written: 0,
            files_written: 0,
            splits: 0,
            letters: 0,
            outages: 0,
            last: None,
            cursor: None,
            behind_ms: None,
        };
        let run = RunStatus {
            owner: Owner::this_process(String::new(), Millis(0)),
            graph: String::new(),
            at: Millis(0),
            ended,
            memory: Memory {
                limit: 1,
                used: 0,
                peak: 0,
            },
            governor: None,
            exports: vec![status.clone()],
            histograms: Vec::new(),
        };
        (FoundRun { alive, status: run }, status)
    }

    #[test]
    fn the_last_status_says_what_a_person_would() {
        let failed = |operator: &str| {
            Some(Ended {
                error: Some(format!("{operator}: no")),
            })
        };
        for (found, has_windows, expected) in [
            (None, false, "never"),
            (None, true, "success"),
            (Some(run(true, None, "reading_rows")), true, "running"),
            (Some(run(true, None, "backing_off(until …)")), true, "waiting"),
            (Some(run(true, None, "held(no access)")), true, "held"),
            (Some(run(false, None, "reading_rows")), true, "interrupted"),
            (Some(run(false, failed("files[p/traces]"), "")), true, "failed"),
            (Some(run(false, failed("files[p/scores]"), "")), true, "success"),
            (Some(run(false, Some(Ended { error: None }), "")), false, "never"),
        ] {
            let found = found.as_ref().map(|(run, status)| (run, status));
            assert_eq!(last_status("p/traces", found, has_windows), expected);
        }
    }

    #[test]
    fn the_lag_counts_from_where_the_cursor_may_be() {
        assert_eq!(catchup_lag_minutes(Millis(600_000), 60_000, Millis(0)), 9);
        assert_eq!(catchup_lag_minutes(Millis(600_000), 60_000, Millis(590_000)), 0);
    }
}
