//! `profile-queries`: what the queries of pages and routes cost on a server, and what would make them cheaper. Changes nothing.

use clap::Args;
use serde::Serialize;
use tracemill_model::table::TABLES;
use tracemill_model::{ByteSize, Table};
use tracemill_warehouse::{Service, ServiceKind};
use tracemill_web::query::patterns::{PATTERNS, Pattern, Sample, Step};

use super::GraphArg;
use crate::PipelineError;
use crate::bars::say;
use crate::pace::grouped;
use crate::profile::advice::{Advice, Figure, Sizes, advise};
use crate::profile::measure::{self, Asked};
use crate::session::Session;

/// Arguments of `profile-queries`.
#[derive(Debug, Args)]
pub(super) struct ProfileArgs {
    #[command(flatten)]
    graph: GraphArg,
    /// Only this project; may be repeated. Without it the five largest.
    #[arg(long, value_name = "ID")]
    project: Vec<String>,
    /// Drop the server's caches of marks and blocks before each first run: slows others down for a moment, and needs a grant.
    #[arg(long)]
    cold: bool,
    /// The report as JSON.
    #[arg(long)]
    json: bool,
}

/// What is told.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    /// What the first run of a pattern is: `cold`, or `first` where caches were left alone.
    first_run: &'static str,
    projects: Vec<ProjectReport>,
    /// What could not be asked, and what follows from that.
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ProjectReport {
    project: String,
    patterns: Vec<PatternReport>,
}

#[derive(Debug, Serialize)]
struct PatternReport {
    pattern: &'static str,
    steps: Vec<StepReport>,
    /// Why it has no figures.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StepReport {
    step: &'static str,
    table: String,
    first_ms: f64,
    warm_ms: f64,
    rows: u64,
    bytes: u64,
    /// Read; `null` where the query log cannot be read.
    granules: Option<u64>,
    returned: u64,
    memory: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<Advice>,
    #[serde(skip)]
    query: String,
    #[serde(skip)]
    by: Step,
}

/// `tracemill profile-queries`.
pub(super) async fn profile(args: ProfileArgs) -> Result<(), PipelineError> {
    let session = Session::open(&args.graph.graph).await?;
    let profiled = profile_all(&session, &args).await;
    let closed = session.close().await;
    profiled.and(closed)
}

async fn profile_all(session: &Session, args: &ProfileArgs) -> Result<(), PipelineError> {
    let service = session.service(ServiceKind::ReadOnly)?;
    service.ping().await?;
    let mut notes = Vec::new();
    let mut is_cold = args.cold;
    if args.cold
        && let Err(error) = measure::forget(&service).await
    {
        is_cold = false;
        let user = service.user();
        notes.push(format!(
            "--cold: {user} may not drop the server's caches, so first and second runs are compared: {error}"
        ));
    }
    let projects = match args.project.is_empty() {
        true => measure::projects(&service).await?,
        false => args.project.clone(),
    };
    let mut sizes = Vec::new();
    for table in TABLES {
        sizes.push((table, measure::sizes(&service, table).await?));
    }
    let mut report = Report {
        first_run: if is_cold { "cold" } else { "first" },
        projects: Vec::new(),
        notes,
    };
    for project in projects {
        match measure::sample(&service, &project).await? {
            Some(sample) => {
                let patterns = patterns(&service, &project, &sample, is_cold).await;
                report.projects.push(ProjectReport { project, patterns });
            }
            None => report.notes.push(format!("{project} has no traces")),
        }
    }
    look_up(&service, &mut report).await;
    for step in steps(&mut report) {
        step.advice = advice_on(step, &sizes);
    }
    match args.json {
        true => say(&serde_json::to_string_pretty(&report).expect("a report is always JSON")),
        false => tell(&report),
    }
    Ok(())
}

fn steps(report: &mut Report) -> impl Iterator<Item = &mut StepReport> {
    let patterns = report.projects.iter_mut().flat_map(|project| &mut project.patterns);
    patterns.flat_map(|pattern| &mut pattern.steps)
}

async fn patterns(service: &Service, project: &str, sample: &Sample, is_cold: bool) -> Vec<PatternReport> {
    let mut told = Vec::new();
    for pattern in PATTERNS {
        let name = pattern.name();
        // One that is too much for the server's limits says so, and the others go on.
        told.push(match twice(service, pattern, project, sample, is_cold).await {
            Ok(steps) => PatternReport {
                pattern: name,
                steps,
                failed: None,
            },
            Err(error) => PatternReport {
                pattern: name,
                steps: Vec::new(),
                failed: Some(error.to_string()),
            },
        });
    }
    told
}

async fn twice(
    service: &Service,
    pattern: Pattern,
    project: &str,
    sample: &Sample,
    is_cold: bool,
) -> Result<Vec<StepReport>, PipelineError> {
    if is_cold {
        measure::forget(service).await?;
    }
    let first = measure::pattern(service, pattern, project, sample).await?;
    let warm = measure::pattern(service, pattern, project, sample).await?;
    let steps = first.into_iter().zip(warm);
    Ok(steps.map(|(first, warm)| step(first, &warm)).collect())
}

fn step(first: Asked, warm: &Asked) -> StepReport {
    StepReport {
        step: first.step.name,
        table: first.step.table.to_string(),
        first_ms: first.ms,
        warm_ms: warm.ms,
        rows: first.rows,
        bytes: first.bytes,
        granules: None,
        returned: first.returned,
        memory: first.memory.max(warm.memory),
        advice: None,
        query: first.id,
        by: first.step,
    }
}

/// Granules and memory from the query log, where it can be read.
async fn look_up(service: &Service, report: &mut Report) {
    let ids: Vec<String> = steps(report).map(|step| step.query.clone()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    match measure::logged(service, &ids).await {
        Ok(logged) => {
            let missing = ids.len().saturating_sub(logged.len());
            for step in steps(report) {
                if let Some((marks, memory)) = logged.get(&step.query) {
                    step.granules = Some(*marks);
                    step.memory = step.memory.max(*memory);
                }
            }
            if missing > 0 {
                report.notes.push(format!(
                    "system.query_log does not show {missing} queries yet: their granules are not told"
                ));
            }
        }
        Err(error) => report.notes.push(format!(
            "system.query_log cannot be read, so granules are not told: {error}"
        )),
    }
}

fn advice_on(step: &StepReport, sizes: &[(Table, Sizes)]) -> Option<Advice> {
    let (_, sizes) = sizes.iter().find(|(table, _)| *table == step.by.table)?;
    let figure = Figure {
        step: step.by,
        rows: step.rows,
        bytes: step.bytes,
        returned: step.returned,
    };
    advise(&figure, sizes)
}

fn tell(report: &Report) {
    for note in &report.notes {
        say(&format!("note: {note}"));
    }
    for project in &report.projects {
        say(&format!("\n{}", project.project));
        say(&format!(
            "  {:26} {:13} {:>9} {:>9} {:>12} {:>11} {:>9} {:>9} {:>11}",
            "pattern", "step", report.first_run, "warm", "rows read", "bytes", "granules", "returned", "memory"
        ));
        for pattern in &project.patterns {
            if let Some(failed) = &pattern.failed {
                say(&format!("  {:26} failed: {failed}", pattern.pattern));
            }
            for step in &pattern.steps {
                say(&line(pattern.pattern, step));
            }
        }
    }
    tell_advice(report);
}

fn line(pattern: &str, step: &StepReport) -> String {
    let granules = step.granules.map_or("-".to_owned(), grouped);
    let [bytes, memory] = [step.bytes, step.memory].map(|bytes| ByteSize(bytes).to_string());
    format!(
        "  {pattern:26} {:13} {:>6.0} ms {:>6.0} ms {:>12} {bytes:>11} {granules:>9} {:>9} {memory:>11}",
        step.step,
        step.first_ms,
        step.warm_ms,
        grouped(step.rows),
        grouped(step.returned),
    )
}

/// Each advice once, with the patterns that it is for.
fn tell_advice(report: &Report) {
    let mut told: Vec<(&Advice, Vec<String>)> = Vec::new();
    for project in &report.projects {
        for pattern in &project.patterns {
            for step in &pattern.steps {
                let Some(advice) = &step.advice else { continue };
                let of = format!(
                    "{}: {} of {:?} reads {} rows for {}, and would read about {}",
                    project.project,
                    step.step,
                    pattern.pattern,
                    grouped(step.rows),
                    grouped(step.returned),
                    grouped(advice.rows_then)
                );
                match told.iter_mut().find(|(own, _)| own.statements == advice.statements) {
                    Some((_, all)) => all.push(of),
                    None => told.push((advice, vec![of])),
                }
            }
        }
    }
    if told.is_empty() {
        say("\nno index and no projection would pay; nothing was changed");
        return;
    }
    for (advice, patterns) in told {
        say(&format!(
            "\nwould pay: {} on {}.{}, about {} on disk, {}.{} % more for each insert and merge to write; making it rewrites the table's parts once",
            advice.kind,
            advice.table,
            advice.column,
            ByteSize(advice.storage),
            advice.writes_per_mille / 10,
            advice.writes_per_mille % 10,
        ));
        for pattern in patterns {
            say(&format!("  {pattern}"));
        }
        for statement in &advice.statements {
            say(&format!("  {statement};"));
        }
    }
    say("\nnothing was changed");
}
