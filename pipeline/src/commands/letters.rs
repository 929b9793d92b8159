//! `letters`: what could not be taken in, looked at, replayed and dropped.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use serde::Serialize;
use tracemill_model::Millis;
use tracemill_model::ingest::Job;
use tracemill_sinks::SinkError;
use tracemill_sinks::letters::{Filed, Filter, Letter, LetterState, Letters};
use tracemill_warehouse::{Service, ServiceKind};

use super::run::{parse_time, stop_signal};
use super::{GraphArg, help, replay};
use crate::PipelineError;
use crate::bars::say;
use crate::config::{Checked, IngestionRoute};
use crate::ingestion::assemble::{self, limits, open};
use crate::ingestion::decoder::decoder;
use crate::ingestion::inspect;
use crate::ingestion::replay::{no_graph, replay as run_replay};
use crate::session::{Session, load};

/// The largest raw object that is shown.
const LARGEST: u64 = 1 << 30;

/// Arguments of `letters`.
#[derive(Debug, Args)]
pub(super) struct LettersArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List letters.
    #[command(long_about = help::LETTERS_LIST)]
    List(ListArgs),
    /// Show a letter, and the event that it is about.
    #[command(long_about = help::LETTERS_SHOW)]
    Show(ShowArgs),
    /// Run the raw objects of letters through the graph once more, and mark the letters that came in.
    #[command(long_about = help::LETTERS_REPLAY)]
    Replay(ReplayArgs),
    /// Remove letters.
    #[command(long_about = help::LETTERS_DROP)]
    Drop(DropArgs),
}

/// Which letters.
#[derive(Debug, Args)]
struct FilterArgs {
    /// Only this project.
    #[arg(long, value_name = "ID")]
    project: Option<String>,
    /// Only those received then or later: a date, an RFC 3339 time, or milliseconds since 1970.
    #[arg(long, value_parser = parse_time, value_name = "TIME")]
    since: Option<Millis>,
    /// Only those received before.
    #[arg(long, value_parser = parse_time, value_name = "TIME")]
    until: Option<Millis>,
}

impl FilterArgs {
    fn is_any(&self) -> bool {
        self.project.is_some() || self.since.is_some() || self.until.is_some()
    }

    fn filter(self) -> Filter {
        Filter {
            project: self.project,
            since: self.since,
            until: self.until,
            object_prefix: String::new(),
        }
    }
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    graph: GraphArg,
    #[command(flatten)]
    filter: FilterArgs,
    /// Those that were replayed as well.
    #[arg(long)]
    all: bool,
    /// As JSON, one letter a line, for scripts.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ShowArgs {
    #[command(flatten)]
    graph: GraphArg,
    /// The letter's path, as `list` tells it.
    path: String,
}

#[derive(Debug, Args)]
struct ReplayArgs {
    #[command(flatten)]
    graph: GraphArg,
    /// Letters by path, as `list` tells them.
    #[arg(conflicts_with_all = ["project", "since", "until"])]
    paths: Vec<String>,
    #[command(flatten)]
    filter: FilterArgs,
    /// Remove letters that came in, instead of marking them.
    #[arg(long)]
    remove: bool,
    /// The report as JSON, for scripts.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct DropArgs {
    #[command(flatten)]
    graph: GraphArg,
    /// Letters by path, as `list` tells them.
    #[arg(conflicts_with_all = ["project", "since", "until"])]
    paths: Vec<String>,
    #[command(flatten)]
    filter: FilterArgs,
    /// Remove them; without it, a filter only counts them.
    #[arg(long)]
    yes: bool,
}

/// `tracemill letters`.
pub(super) async fn letters(args: LettersArgs) -> Result<(), PipelineError> {
    match args.command {
        Command::List(args) => list(args).await,
        Command::Show(args) => show(args).await,
        Command::Replay(args) => replay_letters(args).await,
        Command::Drop(args) => drop_letters(args).await,
    }
}

fn route(checked: &Checked) -> Result<IngestionRoute<'_>, PipelineError> {
    Ok(checked.ingestion().ok_or_else(no_graph)?.1)
}

fn shelf(checked: &Checked) -> Result<Letters, PipelineError> {
    assemble::letters(checked, &route(checked)?)
}

/// Hands letters to `each`, one after another. What cannot be read is told, and left.
async fn walk(letters: &Letters, filter: Filter, mut each: impl FnMut(Filed)) -> Result<(), PipelineError> {
    let mut walk = letters.walk(filter);
    loop {
        match walk.next().await {
            Ok(Some(filed)) => each(filed),
            Ok(None) => return Ok(()),
            Err(error @ (SinkError::Letter { .. } | SinkError::TooLarge { .. })) => say(&format!("left out: {error}")),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The letters of paths, or of a filter that are open.
async fn chosen(letters: &Letters, paths: &[String], filter: FilterArgs) -> Result<Vec<Filed>, PipelineError> {
    let mut chosen = Vec::new();
    if paths.is_empty() {
        walk(letters, filter.filter(), |filed| {
            if filed.letter.state == LetterState::Open {
                chosen.push(filed);
            }
        })
        .await?;
        return Ok(chosen);
    }
    for path in paths {
        let letter = letters.get(path).await?;
        let path = path.clone();
        chosen.push(Filed { path, letter });
    }
    Ok(chosen)
}

/// As `--json` has it.
#[derive(Serialize)]
struct Line<'a> {
    path: &'a str,
    #[serde(flatten)]
    letter: &'a Letter,
}

async fn list(args: ListArgs) -> Result<(), PipelineError> {
    let checked = load(&args.graph.graph)?;
    let letters = shelf(&checked)?;
    let mut count = 0u64;
    walk(&letters, args.filter.filter(), |filed| {
        let Filed { path, letter } = &filed;
        if !args.all && letter.state != LetterState::Open {
            return;
        }
        if args.json {
            say(&serde_json::to_string(&Line { path, letter }).expect("a letter is always JSON"));
            return;
        }
        if count == 0 {
            say(&row(&["last", "project", "what", "attempts", "reason"]));
        }
        count += 1;
        let state = if letter.state == LetterState::Open {
            ""
        } else {
            " (replayed)"
        };
        let attempts = format!("{}{state}", letter.attempts);
        say(&row(&[
            &letter.last.to_string(),
            &letter.about.project,
            &what(letter),
            &attempts,
            &letter.reason,
        ]));
        say(&format!("  {path}"));
    })
    .await?;
    if !args.json && count == 0 {
        say("no letters");
    }
    Ok(())
}

/// What a letter is about, in a few words: `trace a`, `event 3 b`.
fn what(letter: &Letter) -> String {
    let about = &letter.about;
    let index = about.index.map(|index| format!(" {index}")).unwrap_or_default();
    let id = about.id.as_deref().map(|id| format!(" {id}")).unwrap_or_default();
    format!("{}{index}{id}", about.kind)
}

/// A line of the table. Long texts are cut, but for those of the last column that end the line at 160 characters.
fn row(cells: &[&str; 5]) -> String {
    const WIDTHS: [usize; 5] = [24, 20, 44, 10, 160];
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(WIDTHS) {
        let cell: String = cell.split_whitespace().collect::<Vec<_>>().join(" ");
        let cut: String = if cell.chars().count() > width {
            cell.chars().take(width - 1).chain(['…']).collect()
        } else {
            cell
        };
        line.push_str(&format!("{cut:width$}  "));
    }
    line.trim_end().to_owned()
}

async fn show(args: ShowArgs) -> Result<(), PipelineError> {
    let checked = load(&args.graph.graph)?;
    let letter = shelf(&checked)?.get(&args.path).await?;
    say(&serde_json::to_string_pretty(&letter).expect("a letter is always JSON"));
    if inspect::entity(&letter.about).is_none() {
        return show_events(&checked, &letter, None).await;
    }
    // ClickHouse knows the objects; a look does without where it cannot be had.
    let Ok(session) = Session::of(checked.clone()).await else {
        return show_events(&checked, &letter, None).await;
    };
    let service = session.service(ServiceKind::ReadWrite).ok();
    let shown = show_events(&checked, &letter, service.as_ref()).await;
    let closed = session.close().await;
    shown.and(closed)
}

async fn show_events(checked: &Checked, letter: &Letter, service: Option<&Service>) -> Result<(), PipelineError> {
    let route = route(checked)?;
    let store = open(checked, &route.queue.store)?;
    let found = inspect::objects(&[letter], &route.queue.prefix, service).await?;
    let jobs: Vec<Job> = found.into_iter().flatten().collect();
    if jobs.is_empty() {
        say("its raw objects are not known");
        if service.is_none() && letter.about.object.is_empty() {
            say("  ClickHouse knows them, in blob_storage_file_log, and cannot be asked now: another process runs it");
        }
    }
    let decoder = decoder(limits(checked), usize::try_from(LARGEST).unwrap_or(usize::MAX));
    for job in jobs {
        say(&format!("\n{}", store.location(&job.object)));
        match store.get(&job.object, LARGEST).await {
            Ok(bytes) => {
                for text in inspect::texts(letter, &job, &bytes, &decoder) {
                    say(&text);
                }
            }
            Err(SinkError::NotFound { .. }) => say("  is not there any more"),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// What became of the letters of a replay.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    letters: u64,
    came_in: u64,
    still_open: u64,
    /// Letters whose raw objects are not known or not there any more.
    lost: u64,
}

async fn replay_letters(args: ReplayArgs) -> Result<(), PipelineError> {
    if args.paths.is_empty() && !args.filter.is_any() {
        return Err(PipelineError::Usage {
            reason: "say which letters: paths, --project, --since or --until".to_owned(),
        });
    }
    let checked = load(&args.graph.graph)?;
    let letters = shelf(&checked)?;
    let filed = chosen(&letters, &args.paths, args.filter).await?;
    if filed.is_empty() {
        say("no letters");
        return Ok(());
    }
    let session = Session::of(checked).await?;
    let replayed = replay_filed(&session, &letters, &filed, args.remove, args.json).await;
    let closed = session.close().await;
    replayed.and(closed)
}

async fn replay_filed(
    session: &Session,
    letters: &Letters,
    filed: &[Filed],
    remove: bool,
    json: bool,
) -> Result<(), PipelineError> {
    let route = route(&session.checked)?;
    let store = open(&session.checked, &route.queue.store)?;
    let service = session.service(ServiceKind::ReadWrite)?;
    let about: Vec<&Letter> = filed.iter().map(|filed| &filed.letter).collect();
    let found = inspect::objects(&about, &route.queue.prefix, Some(&service)).await?;
    // Each object once, however many letters it has; and those alone that are there.
    let mut jobs: BTreeMap<String, Option<Job>> = BTreeMap::new();
    for job in found.iter().flatten() {
        if jobs.contains_key(&*job.object) {
            continue;
        }
        let is_there = match store.head(&job.object).await {
            Ok(_) => true,
            Err(SinkError::NotFound { .. }) => false,
            Err(error) => return Err(error.into()),
        };
        jobs.insert(job.object.to_string(), is_there.then(|| job.clone()));
    }
    let is_lost = |objects: &[Job]| {
        !objects
            .iter()
            .any(|job| jobs.get(&*job.object).is_some_and(Option::is_some))
    };
    let lost: Vec<bool> = found.iter().map(|objects| is_lost(objects)).collect();
    let report = run_replay(session, jobs.into_values().flatten().collect(), stop_signal()).await?;
    let mut outcome = Outcome {
        letters: filed.len() as u64,
        ..Outcome::default()
    };
    for (filed, is_lost) in filed.iter().zip(lost) {
        if is_lost {
            outcome.lost += 1;
        } else if report.stopped || !letters.replayed(filed).await? {
            outcome.still_open += 1;
        } else {
            outcome.came_in += 1;
            if remove {
                letters.drop(std::slice::from_ref(&filed.path)).await?;
            }
        }
    }
    replay::tell(&report, json);
    if json {
        say(&serde_json::to_string(&outcome).expect("an outcome is always JSON"));
        return Ok(());
    }
    let verb = if remove { "removed" } else { "marked as replayed" };
    let Outcome {
        letters,
        came_in,
        still_open,
        lost,
    } = outcome;
    say(&format!(
        "of {letters} letters {came_in} came in and were {verb}, {still_open} are open, of {lost} there is no raw object any more"
    ));
    Ok(())
}

async fn drop_letters(args: DropArgs) -> Result<(), PipelineError> {
    if args.paths.is_empty() && !args.filter.is_any() {
        return Err(PipelineError::Usage {
            reason: "say which letters: paths, --project, --since or --until".to_owned(),
        });
    }
    let checked = load(&args.graph.graph)?;
    let letters = shelf(&checked)?;
    let paths: Vec<String> = if args.paths.is_empty() {
        let mut paths = Vec::new();
        walk(&letters, args.filter.filter(), |filed| paths.push(filed.path)).await?;
        if !args.yes {
            say(&format!(
                "{} letters would be removed: repeat it with --yes",
                paths.len()
            ));
            return Ok(());
        }
        paths
    } else {
        // A path that is no letter's is refused before anything is removed.
        for path in &args.paths {
            letters.get(path).await?;
        }
        args.paths
    };
    for page in paths.chunks(1000) {
        letters.drop(page).await?;
    }
    say(&format!("{} letters removed", paths.len()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_table_has_columns_and_no_line_breaks() {
        let long = "x".repeat(60);
        let line = row(&["2026", "p", &long, "2", "bad\nrow  of  DB"]);
        assert_eq!(line.lines().count(), 1);
        assert!(line.starts_with("2026                      p  "), "{line}");
        assert!(line.ends_with("2           bad row of DB"), "{line}");
        assert!(line.contains('…'));
    }
}
