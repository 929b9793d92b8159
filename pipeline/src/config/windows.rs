//! The `windows` source: projects, tables, columns, when an export starts, how often it runs, and how it looks back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tracemill_model::period::PERIOD_NAMES;
use tracemill_model::table::TABLES;
use tracemill_model::{Millis, Period, ProjectId, Table};
use tracemill_operators::Weights;

use super::checked::{Projects, Reconcile, Start, TableChoice, Windows};
use super::defaults;
use super::fault::{Report, listed, nearest};
use super::reader::{Bounds, Section, Span, Text};
use super::services::integer_variable;
use super::weights;

/// What `[projects]` says for every graph that says nothing itself.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) projects: Projects,
    pub(super) trace_only: BTreeSet<ProjectId>,
    /// Whatever graph it is.
    pub(super) weights: Weights,
}

const PROJECTS_EXAMPLE: &str = "a list of project ids, [\"my-project\"], or \"all\"";

/// Reads `[projects]`, else the environment.
pub(super) fn shared(root: &Section<'_>) -> Shared {
    let mut shared = Shared {
        projects: Projects::All,
        trace_only: BTreeSet::new(),
        weights: Weights::default(),
    };
    let section = root.section("projects", "[projects]");
    if let Some(section) = &section {
        let ids = projects(section, "ids");
        let listed = trace_only(section, ids.as_ref());
        shared.weights = weights::read(root, section, ids.as_ref());
        section.finish();
        shared.projects = ids.unwrap_or(Projects::All);
        if let Some(listed) = listed {
            shared.trace_only = listed;
            return shared;
        }
    }
    let name = "LANGFUSE_BLOB_STORAGE_EXPORT_TRACE_ONLY_PROJECT_IDS";
    for id in root
        .context
        .variable(name)
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|id| !id.is_empty())
    {
        match ProjectId::new(id) {
            Ok(id) => drop(shared.trace_only.insert(id)),
            Err(_) => {
                let message = format!("{name} holds what is no project id");
                root.context
                    .report_variable(name, &message, "write ids with commas between them");
            }
        }
    }
    shared
}

fn projects(section: &Section<'_>, key: &str) -> Option<Projects> {
    match section.word_or_list(key, PROJECTS_EXAMPLE)? {
        Ok(word) if word.value == "all" => Some(Projects::All),
        Ok(word) => {
            let message = format!(
                "{key} = {:?} in {} is neither \"all\" nor a list",
                word.raw, section.path
            );
            let remedy = format!("write {key} = [{:?}] for one project, or {key} = \"all\"", word.raw);
            section.report(word.at, key, Some(&word.raw), message, remedy);
            None
        }
        Err(texts) => {
            if section.is_empty_list(key) {
                let message = format!("{key} in {} is an empty list", section.path);
                section.report(
                    section.at_of(key),
                    key,
                    None,
                    message,
                    format!("write {PROJECTS_EXAMPLE}"),
                );
            }
            Some(Projects::Ids(
                ids(section, key, &texts).into_iter().map(|(id, _)| id).collect(),
            ))
        }
    }
}

/// The ids, each once; what is none, and what is there twice, is reported.
fn ids(section: &Section<'_>, key: &str, texts: &[Text]) -> Vec<(ProjectId, Text)> {
    let mut ids: Vec<(ProjectId, Text)> = Vec::new();
    for text in texts {
        let Ok(id) = ProjectId::new(text.value.clone()) else {
            let message = format!("{:?} in {} is no project id", text.raw, section.key(key));
            let remedy = "an id becomes a folder: no slash, no control character, not empty, not \"..\"";
            section.report(text.at, key, Some(&text.raw), message, remedy);
            continue;
        };
        if ids.iter().any(|(other, _)| *other == id) {
            let message = format!("the project {:?} is twice in {}", text.raw, section.key(key));
            section.report(text.at, key, Some(&text.raw), message, "remove one of the two");
            continue;
        }
        ids.push((id, text.clone()));
    }
    ids
}

fn trace_only(section: &Section<'_>, projects: Option<&Projects>) -> Option<BTreeSet<ProjectId>> {
    let texts = section.list("trace_only", "trace_only = [\"my-project\"]")?;
    let ids = ids(section, "trace_only", &texts);
    if let Some(Projects::Ids(known)) = projects {
        let names: Vec<&str> = known.iter().map(ProjectId::as_str).collect();
        for (id, text) in ids.iter().filter(|(id, _)| !known.contains(id)) {
            let message = format!(
                "{:?} in {} is no project of this export",
                text.raw,
                section.key("trace_only")
            );
            let remedy = nearest(id.as_str(), &names);
            section.report(text.at, "trace_only", Some(&text.raw), message, remedy);
        }
    }
    Some(ids.into_iter().map(|(id, _)| id).collect())
}

/// Reads a source of that type.
pub(super) fn read(section: &Section<'_>, shared: &Shared) -> Windows {
    let own = projects(section, "projects");
    let listed = trace_only(section, own.as_ref().or(Some(&shared.projects)));
    let lag = Bounds {
        range: Span(Duration::ZERO)..=Span(defaults::MAX_LAG),
        why: "",
    };
    let deadline = Bounds {
        range: Span(defaults::MIN_DEADLINE)..=Span(defaults::MAX_DEADLINE),
        why: "",
    };
    Windows {
        projects: own.unwrap_or_else(|| shared.projects.clone()),
        trace_only: listed.unwrap_or_else(|| shared.trace_only.clone()),
        tables: tables(section),
        start: start(section).unwrap_or(Start::FullHistory),
        every: every(section).unwrap_or(Period::QuarterHour),
        lag: section.duration("lag", &lag).unwrap_or(defaults::LAG),
        catch_up: catch_up(section),
        reconcile: reconcile(section),
        deadline: section.duration("deadline", &deadline).unwrap_or(defaults::DEADLINE),
    }
}

fn every(section: &Section<'_>) -> Option<Period> {
    let text = section.text("every")?;
    if let Some(period) = Period::parse(&text.value) {
        return Some(period);
    }
    let message = format!("every = {:?} in {} is no period", text.raw, section.path);
    let hint = nearest(&text.value, &PERIOD_NAMES);
    let remedy = if hint.starts_with("did") {
        format!("{hint} (one of {})", listed(&PERIOD_NAMES))
    } else {
        hint
    };
    section.report(text.at, "every", Some(&text.raw), message, remedy);
    None
}

fn catch_up(section: &Section<'_>) -> Option<Duration> {
    let bounds = Bounds {
        range: Span(defaults::MIN_CATCH_UP)..=Span(defaults::MAX_CATCH_UP),
        why: "",
    };
    if let Some(given) = section.duration_or_off("catch_up", &bounds) {
        return given;
    }
    if section.has("catch_up") {
        return None;
    }
    let (least, most) = (
        defaults::MIN_CATCH_UP.as_millis() as u64,
        defaults::MAX_CATCH_UP.as_millis() as u64,
    );
    let name = "LANGFUSE_BLOB_STORAGE_EXPORT_CATCHUP_INTERVAL_MS";
    if section.context.variable(name).as_deref() == Some("0") {
        return None;
    }
    let ms = integer_variable(section.context, name, least, most);
    Some(ms.map_or(defaults::CATCH_UP, Duration::from_millis))
}

fn reconcile(section: &Section<'_>) -> Option<Reconcile> {
    let mut reconcile = Reconcile {
        every: defaults::RECONCILE_EVERY,
        lookback: defaults::RECONCILE_LOOKBACK,
    };
    if section.is_text("reconcile") {
        return match section.choice("reconcile", &[("off", ())]) {
            Some(()) => None,
            None => Some(reconcile),
        };
    }
    let Some(section) = section.section(
        "reconcile",
        "reconcile = { every = \"1 h\", lookback = \"7 d\" } or \"off\"",
    ) else {
        return Some(reconcile);
    };
    let every = Bounds {
        range: Span(defaults::MIN_RECONCILE_EVERY)..=Span(defaults::MAX_LOOKBACK),
        why: "",
    };
    let lookback = Bounds {
        range: Span(defaults::MIN_RECONCILE_EVERY)..=Span(defaults::MAX_LOOKBACK),
        why: "",
    };
    reconcile.every = section.duration("every", &every).unwrap_or(reconcile.every);
    reconcile.lookback = section.duration("lookback", &lookback).unwrap_or(reconcile.lookback);
    if reconcile.lookback < reconcile.every {
        let (back, every) = (Span(reconcile.lookback), Span(reconcile.every));
        let message = format!(
            "{} looks back {back} every {every}: what changes in between is missed",
            section.path
        );
        section.report(section.at, "lookback", None, message, "make lookback longer than every");
    }
    section.finish();
    Some(reconcile)
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    FullHistory,
    FromDate,
    FromNow,
}

const MODES: [(&str, Mode); 3] = [
    ("full-history", Mode::FullHistory),
    ("from-date", Mode::FromDate),
    ("from-now", Mode::FromNow),
];

fn start(section: &Section<'_>) -> Option<Start> {
    const DATE_EXAMPLE: &str = "write start = { mode = \"from-date\", date = \"2026-02-25\" }";
    if section.is_text("start") {
        return match section.choice("start", &MODES)? {
            Mode::FullHistory => Some(Start::FullHistory),
            Mode::FromNow => Some(Start::Now),
            Mode::FromDate => {
                let message = format!("start = \"from-date\" in {} has no date", section.path);
                section.report(section.at_of("start"), "start", None, message, DATE_EXAMPLE);
                None
            }
        };
    }
    let section = section.section("start", "start = { mode = \"full-history\" }")?;
    if !section.has("mode") {
        section.missing("mode", format!("write one of {}", listed(&MODES.map(|(name, _)| name))));
    }
    let mode = section.choice("mode", &MODES);
    let date = section.date("date");
    section.finish();
    match (mode?, date) {
        (Mode::FromDate, Some(date)) => Millis::parse(&date.value)
            .map(Start::From)
            .map_err(|_| {
                let message = format!("date = {:?} in {} is no time", date.raw, section.path);
                section.report(
                    date.at,
                    "date",
                    Some(&date.raw),
                    message,
                    "write \"2026-02-25\" or \"2026-02-25T12:15:00Z\"",
                );
            })
            .ok(),
        (Mode::FromDate, None) => {
            if !section.has("date") {
                section.missing("date", DATE_EXAMPLE);
            }
            None
        }
        (_, Some(date)) => {
            let message = format!("{} has a date, which its mode does not use", section.path);
            section.report(
                date.at,
                "date",
                Some(&date.raw),
                message,
                "remove it, or write mode = \"from-date\"",
            );
            None
        }
        (Mode::FullHistory, None) => Some(Start::FullHistory),
        (Mode::FromNow, None) => Some(Start::Now),
    }
}

/// The order in which tables are exported when the file names none.
const ALL_TABLES: [Table; 3] = [Table::Traces, Table::Observations, Table::Scores];

fn tables(section: &Section<'_>) -> Vec<TableChoice> {
    let names = TABLES.map(Table::name);
    let mut tables = Vec::new();
    let given = section.list("tables", "tables = [\"traces\", \"observations\", \"scores\"]");
    let is_given = section.has("tables");
    for text in given.iter().flatten() {
        let wrong = |message: String, remedy: String| {
            section.report(text.at, "tables", Some(&text.raw), message, remedy);
        };
        match Table::parse(&text.value) {
            None => wrong(
                format!("{:?} in {} is no table", text.raw, section.key("tables")),
                nearest(&text.value, &names),
            ),
            Some(table) if tables.contains(&table) => wrong(
                format!("the table {:?} is twice in {}", text.raw, section.key("tables")),
                "remove one of the two".to_owned(),
            ),
            Some(table) => tables.push(table),
        }
    }
    if section.is_empty_list("tables") {
        let message = format!("tables in {} is an empty list", section.path);
        section.report(
            section.at_of("tables"),
            "tables",
            None,
            message,
            format!("name some of {}", listed(&names)),
        );
    }
    if !is_given {
        tables.extend(ALL_TABLES);
    }
    let mut columns = columns(section, &tables);
    let choose = |table: Table| TableChoice {
        table,
        columns: columns
            .remove(&table)
            .unwrap_or_else(|| table.export_columns().to_vec()),
    };
    tables.into_iter().map(choose).collect()
}

fn columns(section: &Section<'_>, tables: &[Table]) -> BTreeMap<Table, Vec<&'static str>> {
    let mut chosen = BTreeMap::new();
    let Some(section) = section.section("columns", "columns = { traces = [\"id\", \"timestamp\"] }") else {
        return chosen;
    };
    for table in TABLES {
        let example = format!("{table} = [\"id\", {:?}]", table.time_column());
        let Some(texts) = section.list(table.name(), &example) else {
            continue;
        };
        if !tables.contains(&table) {
            let message = format!(
                "{} chooses columns of a table that is not exported",
                section.key(table.name())
            );
            section.report(
                section.at_of(table.name()),
                table.name(),
                None,
                message,
                "add it to tables, or remove this",
            );
        }
        if section.is_empty_list(table.name()) {
            let message = format!("{} is an empty list", section.key(table.name()));
            section.report(
                section.at_of(table.name()),
                table.name(),
                None,
                message,
                format!("write {example}"),
            );
        }
        chosen.insert(table, column_names(&section, table, &texts));
    }
    section.finish();
    chosen
}

fn column_names(section: &Section<'_>, table: Table, texts: &[Text]) -> Vec<&'static str> {
    let names: Vec<&str> = table.columns().iter().map(|column| column.name).collect();
    let mut chosen = Vec::new();
    for text in texts {
        let (message, remedy) = match table.column(&text.value) {
            None => (
                format!("{:?} is no column of {table}", text.raw),
                nearest(&text.value, &names),
            ),
            Some(column) if chosen.contains(&column.name) => {
                let message = format!("the column {:?} is twice in {}", text.raw, section.key(table.name()));
                (message, "remove one of the two".to_owned())
            }
            Some(column) => {
                chosen.push(column.name);
                continue;
            }
        };
        section.context.report(Report {
            at: text.at,
            path: &text.path,
            value: Some(&text.raw),
            message,
            remedy,
        });
    }
    chosen
}
