//! `GET /scores`, `GET /scores/{id}`, and both of `/v2`.

use std::collections::HashMap;

use serde::Serialize;
use tracemill_model::Table;

use super::params::Params;
use super::{Answer, Ask, Id, Paged, Told, columns, conditions, lists, only};
use crate::query::list::NEWEST_FIRST;
use crate::query::scores::{self, ScoreRow, ScoredTrace};
use crate::query::{Filter, Listing};
use crate::shape;

const OPERATORS: [(&str, &str); 6] = [
    ("<", "<"),
    ("<=", "<="),
    ("=", "="),
    ("!=", "!="),
    (">", ">"),
    (">=", ">="),
];
pub(super) const SOURCES: [(&str, ()); 3] = [("API", ()), ("EVAL", ()), ("ANNOTATION", ())];
pub(super) const TYPES: [(&str, ()); 5] = [
    ("NUMERIC", ()),
    ("BOOLEAN", ()),
    ("CATEGORICAL", ()),
    ("TEXT", ()),
    ("CORRECTION", ()),
];

/// Which of the two routes: the first knows scores of traces alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

fn filters(params: &mut Params, version: Version) -> Vec<Filter> {
    params.choice("source", &SOURCES);
    params.choice("dataType", &TYPES);
    let of_traces: Vec<Filter> = [params.is("userId", "user_id"), params.has_all("traceTags", "tags")]
        .into_iter()
        .flatten()
        .collect();
    let ids = params
        .listed("scoreIds")
        .map(|values| Filter::OneOf { column: "id", values });
    let observations = params.listed("observationId").map(|values| Filter::OneOf {
        column: "observation_id",
        values,
    });
    let all = [
        params.is("name", "name"),
        params.is("source", "source"),
        params.is("configId", "config_id"),
        params.is("queueId", "queue_id"),
        params.is("dataType", "data_type"),
        params.is("sessionId", "session_id"),
        params.is("datasetRunId", "dataset_run_id"),
        params.is("traceId", "trace_id"),
        observations,
        params.one_of("environment", "environment"),
        ids,
        number(params),
        (!of_traces.is_empty()).then_some(Filter::OfTraces { filters: of_traces }),
        (version == Version::One).then_some(Filter::Present { column: "trace_id" }),
    ];
    all.into_iter().flatten().collect()
}

/// `operator` and `value`, which come together.
fn number(params: &mut Params) -> Option<Filter> {
    let operator = params.choice("operator", &OPERATORS);
    let (operator, value) = operator.zip(params.float("value"))?;
    Some(Filter::Number {
        column: "value",
        operator,
        value,
    })
}

/// A page of scores of traces.
pub(crate) async fn list(ask: Ask) -> Answer<impl Serialize> {
    listed(ask, Version::One).await
}

/// A page of scores of anything.
pub(crate) async fn list_v2(ask: Ask) -> Answer<impl Serialize> {
    listed(ask, Version::Two).await
}

async fn listed(mut ask: Ask, version: Version) -> Answer<impl Serialize> {
    let project = &*ask.project();
    let page = ask.params.page();
    let with_trace = ask.wants("trace", &["score", "trace"], true);
    let params = &mut ask.params;
    let conditions = conditions::read(params, columns::SCORES, Table::Scores, "fromTimestamp");
    let listing = Listing {
        table: Table::Scores,
        project: project.to_owned(),
        span: conditions.within(params.span("fromTimestamp", "toTimestamp")),
        filters: [filters(params, version), conditions.filters].concat(),
        order: NEWEST_FIRST,
    };
    let reader = &ask.reader()?;
    let rows = |places: &[_]| scores::rows(project, places);
    let (rows, total) = lists::page(reader, &listing, page, rows, |row: &ScoreRow| &row.id).await?;
    let mut ids: Vec<&str> = rows.iter().filter_map(|row| row.trace_id.as_deref()).collect();
    ids.sort_unstable();
    ids.dedup();
    let traces: Vec<ScoredTrace> = match with_trace && !ids.is_empty() {
        true => reader.rows(scores::traces(project, &ids)).await?,
        false => Vec::new(),
    };
    let traces: HashMap<&str, &ScoredTrace> = traces.iter().map(|trace| (trace.id.as_str(), trace)).collect();
    let data = rows.into_iter().map(|row| {
        let trace = row.trace_id.as_deref().and_then(|id| traces.get(id)).copied();
        shape::score_of_trace(project, row, trace)
    });
    Ok(Told(Paged::new(data.collect::<Vec<_>>(), page, total)))
}

/// One score.
pub(crate) async fn get(ask: Ask, Id(id): Id) -> Answer<impl Serialize> {
    let project = &*ask.project();
    let row = only(ask.reader()?.rows(scores::one(project, &id)).await?, "Score")?;
    Ok(Told(shape::score(project, row)))
}
