//! `GET /traces` and `GET /traces/{id}`.

use std::collections::HashMap;

use serde::Serialize;
use tracemill_model::{Millis, Table};

use super::params::Params;
use super::{Answer, Ask, Id, Paged, Told, columns, conditions, lists, only};
use crate::query::list::{NEWEST_FIRST, Order};
use crate::query::traces::{self, TraceRow, TraceScores, TraceSums};
use crate::query::{Filter, Listing, observations, scores};
use crate::reader::Reader;
use crate::reply::Refusal;
use crate::shape;

/// By what traces can be sorted.
const ORDERS: [(&str, Option<&str>); 9] = [
    ("timestamp", None),
    ("id", Some("id")),
    ("name", Some("name")),
    ("userId", Some("user_id")),
    ("release", Some("release")),
    ("version", Some("version")),
    ("sessionId", Some("session_id")),
    ("public", Some("public")),
    ("bookmarked", Some("bookmarked")),
];

/// Which parts of a trace are asked for.
#[derive(Debug, Clone, Copy)]
struct Fields {
    io: bool,
    scores: bool,
    observations: bool,
    metrics: bool,
}

impl Fields {
    const NAMES: [&str; 5] = ["core", "io", "scores", "observations", "metrics"];

    /// Without `fields`, everything but payloads (`io`), which are read only where they are asked for.
    fn read(params: &mut Params, with_io: bool) -> Self {
        let Some(names) = params.fields(&Self::NAMES) else {
            return Self {
                io: with_io,
                scores: true,
                observations: true,
                metrics: true,
            };
        };
        let has = |name: &str| names.iter().any(|own| own == name);
        Self {
            io: has("io"),
            scores: has("scores"),
            observations: has("observations"),
            metrics: has("metrics"),
        }
    }
}

/// The conditions on traces that several routes share.
pub(crate) fn filters(params: &mut Params) -> Vec<Filter> {
    let all = [
        params.is("userId", "user_id"),
        params.is("name", "name"),
        params.is("sessionId", "session_id"),
        params.is("version", "version"),
        params.is("release", "release"),
        params.has_all("tags", "tags"),
        params.one_of("environment", "environment"),
    ];
    all.into_iter().flatten().collect()
}

fn order(params: &mut Params) -> Order {
    let Some(text) = params.text("orderBy").map(str::to_owned) else {
        return NEWEST_FIRST;
    };
    let (name, direction) = text.split_once('.').unwrap_or((&text, "asc"));
    let column = ORDERS.iter().find(|(own, _)| *own == name);
    let ascending = match direction.to_ascii_lowercase().as_str() {
        "asc" => Some(true),
        "desc" => Some(false),
        _ => None,
    };
    match (column, ascending) {
        (Some((_, column)), Some(ascending)) => Order {
            column: *column,
            ascending,
        },
        _ => {
            let names = ORDERS.map(|(own, _)| own).join(", ");
            params.fault(format!("orderBy: must be a field (one of {names}) with .asc or .desc"));
            NEWEST_FIRST
        }
    }
}

/// A page of traces.
pub(crate) async fn list(mut ask: Ask) -> Answer<impl Serialize> {
    let project = &*ask.project();
    let params = &mut ask.params;
    let page = params.page();
    let fields = Fields::read(params, false);
    let conditions = conditions::read(params, columns::TRACES, Table::Traces, "fromTimestamp");
    let listing = Listing {
        table: Table::Traces,
        project: project.to_owned(),
        span: conditions.within(params.span("fromTimestamp", "toTimestamp")),
        filters: [filters(params), conditions.filters].concat(),
        order: order(params),
    };
    let reader = &ask.reader()?;
    let rows = |places: &[_]| traces::rows(project, places, fields.io);
    let (rows, total): (Vec<TraceRow>, _) = lists::page(reader, &listing, page, rows, |row: &TraceRow| &row.id).await?;
    let more = More::of(reader, project, &rows, fields).await?;
    let data = rows.into_iter().map(|row| {
        let sums = more.sums.get(&row.id);
        let observations = sums.map_or(&[] as &[String], |sums| &sums.observations);
        let observations = fields.observations.then(|| observations.to_vec());
        let scores = fields
            .scores
            .then(|| more.scores.get(&row.id).cloned().unwrap_or_default());
        let none = no_sums();
        let sums = fields.metrics.then(|| sums.unwrap_or(&none));
        shape::details(project, row, sums, observations, scores)
    });
    Ok(Told(Paged::new(data.collect::<Vec<_>>(), page, total)))
}

/// What a trace without observations comes to.
fn no_sums() -> TraceSums {
    TraceSums {
        trace_id: String::new(),
        latency_ms: None,
        total_cost: None,
        observations: Vec::new(),
    }
}

/// What observations and scores say of the traces of a page.
#[derive(Debug, Default)]
struct More {
    sums: HashMap<String, TraceSums>,
    scores: HashMap<String, Vec<String>>,
}

impl More {
    async fn of(reader: &Reader, project: &str, rows: &[TraceRow], fields: Fields) -> Result<Self, Refusal> {
        let mut more = Self::default();
        let Some(earliest) = rows.iter().map(|row| Millis(row.timestamp)).min() else {
            return Ok(more);
        };
        let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        if fields.observations || fields.metrics {
            let sums: Vec<TraceSums> = reader.rows(traces::sums(project, &ids, earliest)).await?;
            more.sums = sums.into_iter().map(|sums| (sums.trace_id.clone(), sums)).collect();
        }
        if fields.scores {
            let scores: Vec<TraceScores> = reader.rows(traces::scores(project, &ids, earliest)).await?;
            more.scores = scores.into_iter().map(|one| (one.trace_id, one.scores)).collect();
        }
        Ok(more)
    }
}

/// One trace with its observations and scores.
pub(crate) async fn get(mut ask: Ask, Id(id): Id) -> Answer<impl Serialize> {
    let (project, id) = (&*ask.project(), &*id);
    let fields = Fields::read(&mut ask.params, true);
    let reader = ask.reader()?;
    let row: TraceRow = only(
        reader.rows(traces::one(project, id, fields.io)).await?,
        &format!("Trace {id}"),
    )?;
    let at = Millis(row.timestamp);
    let needs = fields.observations || fields.metrics;
    let observations: Vec<observations::ObservationRow> = match needs {
        true => reader.rows(observations::of_trace(project, id, at, fields.io)).await?,
        false => Vec::new(),
    };
    let scores: Vec<scores::ScoreRow> = match fields.scores {
        true => reader.rows(scores::of_trace(project, id, at)).await?,
        false => Vec::new(),
    };
    let sums = fields.metrics.then(|| sums(&observations));
    let tell = |row| shape::observation(project, row);
    let told = observations.into_iter().filter(|_| fields.observations).map(tell);
    let told: Vec<_> = told.collect();
    let scores: Vec<_> = scores.into_iter().map(|row| shape::score(project, row)).collect();
    Ok(Told(shape::details(project, row, sums.as_ref(), told, scores)))
}

/// From the first start to the last end, and the cost of all.
fn sums(rows: &[observations::ObservationRow]) -> TraceSums {
    let from = rows.iter().map(|row| row.start_time).min();
    let to = rows.iter().map(|row| row.end_time.unwrap_or(row.start_time)).max();
    let has_end = rows.iter().any(|row| row.end_time.is_some());
    let costs = rows.iter().filter_map(|row| row.total_cost.as_deref());
    let cost = costs.filter_map(|text| text.parse::<rust_decimal::Decimal>().ok());
    TraceSums {
        latency_ms: from.zip(to).filter(|_| has_end).map(|(from, to)| to - from),
        total_cost: Some(cost.sum::<rust_decimal::Decimal>().normalize().to_string()),
        ..no_sums()
    }
}
