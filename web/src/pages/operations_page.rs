//! The page about the machinery: exports, queue, ClickHouse's load, the governor.

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use tracemill_model::Millis;

use super::access::{SignedIn, Visitor};
use super::frame::{Failure, Frame, Section, html};
use super::operations::{Export, Governor, Ingestion, Overview, Workload};
use super::{format, links};
use crate::query::processes::{self, LoadRow};
use crate::reader::ReadError;

/// Changes of the governor that are shown.
const CHANGES: usize = 12;

#[derive(Template)]
#[template(path = "operations.html")]
struct OperationsPage {
    frame: Frame,
    at: (String, String),
    /// Whether this is about one project alone.
    is_narrow: bool,
    ill: Vec<String>,
    workloads: Vec<Workload>,
    exports: Vec<ExportView>,
    missing: Option<String>,
    queue: Option<QueueView>,
    load: Vec<LoadView>,
    /// Why the load is not known.
    no_load: Option<&'static str>,
    reads: Option<(usize, usize)>,
    governor: Option<GovernorView>,
}

#[derive(Debug)]
struct ExportView {
    name: String,
    route: String,
    cursor: Option<(String, String)>,
    lag: String,
    is_late: bool,
    state: String,
    is_stuck: bool,
    open: String,
    committed: String,
    rows: String,
    bytes: String,
    splits: u64,
    letters: u64,
    outages: u64,
    windows: Vec<String>,
}

#[derive(Debug)]
struct QueueView {
    state: String,
    is_well: bool,
    error: String,
    figures: Vec<(&'static str, String)>,
    inserts: Vec<(String, String)>,
}

#[derive(Debug)]
struct LoadView {
    user: String,
    feature: String,
    queries: String,
    memory: String,
    oldest: String,
    rows: String,
    bytes: String,
}

#[derive(Debug)]
struct GovernorView {
    percent: String,
    /// Of a meter.
    width: f64,
    reason: String,
    figures: Vec<(&'static str, String)>,
    changes: Vec<(String, String, String)>,
}

/// `/operations`: everything, for one who knows the password.
pub(super) async fn all(signed_in: SignedIn) -> Response {
    if !signed_in.is_operator() {
        let own = signed_in.projects.first().map(|project| links::project(&project.id));
        return Redirect::to(&format!("{}/operations", own.unwrap_or_default())).into_response();
    }
    let Some(overview) = look(&signed_in).await else {
        return Failure::NotFound("page").page(&signed_in, None);
    };
    let frame = Frame::around(&signed_in, None, "Operations".to_owned(), Section::Operations);
    let load = match signed_in.reader() {
        Ok(reader) => reader.rows::<LoadRow>(processes::load()).await,
        Err(_) => Err(ReadError::Broken),
    };
    let mut page = OperationsPage::new(frame, overview, None);
    page.reads = signed_in.app.0.reader.as_ref().map(crate::reader::Reader::load);
    match load {
        Ok(rows) => page.load = rows.into_iter().map(LoadView::from).collect(),
        Err(ReadError::Denied) => {
            page.no_load = Some("The read_only user may not read system.processes: GRANT SELECT ON system.processes.");
        }
        Err(_) => page.no_load = Some("ClickHouse does not tell at the moment."),
    }
    html(&page)
}

/// `/project/{project}/operations`: what concerns the project.
pub(super) async fn of_project(visitor: Visitor) -> Response {
    let Some(overview) = look(&visitor.signed_in).await else {
        return Failure::NotFound("page").page(&visitor.signed_in, Some(&visitor.project));
    };
    let frame = Frame::of(&visitor, "Operations", Section::Operations);
    html(&OperationsPage::new(frame, overview, Some(visitor.id())))
}

async fn look(signed_in: &SignedIn) -> Option<Overview> {
    match &signed_in.pages().operations {
        Some(operations) => Some(operations.look().await),
        None => None,
    }
}

impl OperationsPage {
    /// `project`: nothing that concerns another is on the page.
    fn new(frame: Frame, overview: Overview, project: Option<&str>) -> Self {
        let Overview {
            at,
            workloads,
            ill,
            ingestion,
            exports,
            governor,
            missing,
        } = overview;
        let is_narrow = project.is_some();
        let own = exports
            .into_iter()
            .filter(|export| project.is_none_or(|project| project == export.project));
        Self {
            frame,
            at: (format::machine(at.0), format::time(at.0)),
            is_narrow,
            // These name what concerns everybody: errors, tables, other projects.
            ill: if is_narrow { Vec::new() } else { ill },
            workloads: if is_narrow { Vec::new() } else { workloads },
            exports: own.map(|export| ExportView::new(export, is_narrow)).collect(),
            missing: missing.filter(|_| !is_narrow),
            queue: ingestion.map(|ingestion| QueueView::new(ingestion, is_narrow)),
            load: Vec::new(),
            no_load: None,
            reads: None,
            governor: governor
                .filter(|_| !is_narrow)
                .map(|governor| GovernorView::new(governor, at)),
        }
    }
}

fn known(count: Option<u64>) -> String {
    count.map_or_else(|| "?".to_owned(), format::grouped)
}

fn ms(value: u64) -> String {
    format::duration(i64::try_from(value).unwrap_or(i64::MAX))
}

impl ExportView {
    fn new(export: Export, is_narrow: bool) -> Self {
        // A window of a day, and what the plan waits for.
        const LATE: u64 = 26 * 3_600_000;
        let is_stuck = export
            .states
            .iter()
            .any(|(_, state)| state.starts_with("held") || state.starts_with("backing_off"));
        let states = export
            .states
            .iter()
            .map(|(name, state)| match (is_narrow, state.split_once('(')) {
                // What is in brackets may be an error of the server: for its operators.
                (true, Some((state, _))) => format!("{name}: {state}"),
                _ => format!("{name}: {state}"),
            });
        let mut states: Vec<String> = states.collect();
        let more = states.len().saturating_sub(4);
        states.truncate(4);
        if more > 0 {
            states.push(format!("and {more} more"));
        }
        let window = |window: &super::operations::ExportWindow| {
            let again = if window.generation > 0 {
                format!(", written {} times", window.generation + 1)
            } else {
                String::new()
            };
            let at = window
                .written
                .map(|at| format!(", committed {}", format::time(at.0)))
                .unwrap_or_default();
            format!(
                "{} to {}{again}{at}",
                format::time(window.from.0),
                format::time(window.to.0)
            )
        };
        Self {
            name: format!("{} / {}", export.project, export.table),
            route: export.route,
            cursor: export.cursor.map(|at| (format::machine(at.0), format::time(at.0))),
            lag: export.lag_ms.map(ms).unwrap_or_default(),
            is_late: export.lag_ms.is_some_and(|lag| lag > LATE),
            state: if states.is_empty() {
                "idle".to_owned()
            } else {
                states.join("; ")
            },
            is_stuck,
            open: format::grouped(export.open),
            committed: format::grouped(export.committed),
            rows: format::grouped(export.rows),
            bytes: format::bytes(export.bytes),
            splits: export.splits,
            letters: export.letters,
            outages: export.outages,
            windows: export.windows.iter().map(window).collect(),
        }
    }
}

impl QueueView {
    fn new(ingestion: Ingestion, is_narrow: bool) -> Self {
        let mut figures = vec![
            ("Waiting", known(ingestion.waiting)),
            ("Active", known(ingestion.active)),
            ("Oldest job", ingestion.oldest_ms.map_or_else(|| "none".to_owned(), ms)),
        ];
        if !is_narrow {
            figures.extend([
                ("Delayed", known(ingestion.delayed)),
                ("Failed", known(ingestion.failed)),
                ("Rows written", format::grouped(ingestion.written)),
                ("Letters", format::grouped(ingestion.letters)),
            ]);
        }
        Self {
            is_well: ingestion.queue == "ready",
            state: ingestion.queue,
            error: ingestion.error.filter(|_| !is_narrow).unwrap_or_default(),
            figures,
            inserts: if is_narrow { Vec::new() } else { ingestion.inserts },
        }
    }
}

impl From<LoadRow> for LoadView {
    fn from(row: LoadRow) -> Self {
        let purpose = match row.feature.as_str() {
            "" => "not told",
            "read" => "read (pages and API)",
            feature => feature,
        };
        Self {
            feature: purpose.to_owned(),
            user: row.user,
            queries: format::grouped(row.queries),
            memory: format::bytes(u64::try_from(row.memory).unwrap_or(0)),
            oldest: format::duration((row.oldest * 1_000.0) as i64),
            rows: format::short(row.rows),
            bytes: format::bytes(row.bytes),
        }
    }
}

impl GovernorView {
    fn new(governor: Governor, now: Millis) -> Self {
        let mut figures = vec![
            ("Recent queries", format::grouped(governor.queries)),
            ("Their p95", format!("{:.0} ms", governor.p95_ms)),
        ];
        figures.extend(governor.target_ms.map(|target| ("Target", format!("{target:.0} ms"))));
        figures.extend(
            governor
                .leaves
                .map(|leaves| ("Leaves at once", format::grouped(leaves))),
        );
        figures.extend(
            governor
                .bytes_per_second
                .map(|rate| ("May read", format!("{}/s", format::bytes(rate)))),
        );
        let change = |(at, percent): &(Millis, f64)| {
            (
                format::machine(at.0),
                format!("{} ({})", format::time(at.0), format::ago(at.0, now.0)),
                format!("{percent:.0} %"),
            )
        };
        Self {
            percent: format!("{:.0} %", governor.percent),
            width: governor.percent.clamp(0.0, 100.0),
            reason: governor.reason,
            figures,
            changes: governor.changes.iter().rev().take(CHANGES).map(change).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overview() -> Overview {
        let export = |project: &str| Export {
            project: project.to_owned(),
            table: "traces".to_owned(),
            states: vec![("plan".to_owned(), "held(secret.example said no)".to_owned())],
            ..Export::default()
        };
        Overview {
            ill: vec!["export since".to_owned()],
            exports: vec![export("own"), export("other")],
            ingestion: Some(Ingestion {
                error: Some("redis.example".to_owned()),
                ..Ingestion::default()
            }),
            governor: Some(Governor::default()),
            ..Overview::default()
        }
    }

    #[test]
    fn a_project_sees_what_is_its_own() {
        let html = |project| {
            OperationsPage::new(Frame::bare("Operations"), overview(), project)
                .render()
                .expect("a page")
        };
        let own = html(Some("own"));
        for secret in ["other", "secret.example", "redis.example", "Governor", "export since"] {
            assert!(!own.contains(secret), "{secret}: {own}");
        }
        assert!(own.contains("own / traces") && own.contains("held"), "{own}");
        let all = html(None);
        for part in [
            "other / traces",
            "secret.example",
            "redis.example",
            "Governor",
            "export since",
        ] {
            assert!(all.contains(part), "{part}");
        }
    }
}
