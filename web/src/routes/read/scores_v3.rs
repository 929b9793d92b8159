//! `GET /v3/scores`: pages that follow on each other; the value has the type of the score.

use serde::Serialize;
use tracemill_model::{Millis, Table};

use super::params::Params;
use super::scores::{SOURCES, TYPES};
use super::{Answer, Ask, Followed, Told, lists};
use crate::query::list::NEWEST_FIRST;
use crate::query::scores::{self, ScoreRow};
use crate::query::{Cursor, Filter, Listing};
use crate::shape::score_v3::{Fields, score};

/// The most scores of a page.
const MOST: u64 = 100;

fn one_of(params: &Params, name: &str, column: &'static str) -> Option<Filter> {
    let values = params.listed(name).filter(|values| !values.is_empty())?;
    Some(Filter::OneOf { column, values })
}

/// Values in upper case, each of which is one of a few.
fn chosen(params: &mut Params, name: &str, column: &'static str, choices: &[(&str, ())]) -> Option<Filter> {
    let values = params.listed(name).filter(|values| !values.is_empty())?;
    let values: Vec<String> = values.iter().map(|value| value.to_ascii_uppercase()).collect();
    if values.iter().any(|value| choices.iter().all(|(own, ())| own != value)) {
        let names: Vec<&str> = choices.iter().map(|(own, ())| *own).collect();
        params.fault(format!("{name}: must be some of {}", names.join(", ")));
    }
    Some(Filter::OneOf { column, values })
}

/// What scores are of: ids of one kind exclude those of another.
fn subject(params: &mut Params) -> Vec<Filter> {
    let kinds = ["traceId", "sessionId", "experimentId"];
    if kinds.iter().filter(|kind| params.text(kind).is_some()).count() > 1 {
        params.fault("traceId, sessionId, experimentId: only one of them at a time");
    }
    if params.text("observationId").is_some() && params.text("traceId").is_none() {
        params.fault("observationId: needs traceId, since ids of observations are those of a trace");
    }
    let all = [
        one_of(params, "traceId", "trace_id"),
        one_of(params, "sessionId", "session_id"),
        one_of(params, "experimentId", "dataset_run_id"),
        one_of(params, "observationId", "observation_id"),
    ];
    all.into_iter().flatten().collect()
}

/// `value`, `valueMin` and `valueMax`, whose meaning depends on `dataType`.
fn values(params: &mut Params) -> Vec<Filter> {
    let (least, most) = (params.float("valueMin"), params.float("valueMax"));
    let value = params.listed("value").filter(|values| !values.is_empty());
    let types = params.listed("dataType").unwrap_or_default();
    let kind = match &*types {
        [one] => one.to_ascii_uppercase(),
        _ => String::new(),
    };
    let is_bounded = params.text("valueMin").is_some() || params.text("valueMax").is_some();
    if is_bounded && kind != "NUMERIC" {
        params.fault("valueMin, valueMax: need dataType=NUMERIC");
    }
    let bound = |operator, value| Filter::Number {
        column: "value",
        operator,
        value,
    };
    let mut filters: Vec<Filter> = [
        least.map(|value| bound(">=", value)),
        most.map(|value| bound("<=", value)),
    ]
    .into_iter()
    .flatten()
    .collect();
    let Some(value) = value else { return filters };
    let number = |text: &String| text.parse::<f64>().ok().filter(|value| value.is_finite());
    match &*kind {
        "NUMERIC" if value.iter().all(|text| number(text).is_some()) => {
            // As ClickHouse prints a number, so that 1 and 1.0 are one.
            let texts = value.iter().filter_map(number).map(|number| number.to_string());
            filters.push(Filter::OneOf {
                column: "toString(value)",
                values: texts.collect(),
            });
        }
        "BOOLEAN" if value.iter().all(|text| text == "true" || text == "false") => {
            let texts = value.iter().map(|text| if text == "true" { "1" } else { "0" });
            filters.push(Filter::OneOf {
                column: "toString(value)",
                values: texts.map(str::to_owned).collect(),
            });
        }
        "CATEGORICAL" => filters.push(Filter::OneOf {
            column: "string_value",
            values: value,
        }),
        "NUMERIC" => params.fault("value: must be numbers, as dataType is NUMERIC"),
        "BOOLEAN" => params.fault("value: must be true or false, as dataType is BOOLEAN"),
        _ => params.fault("value: needs one dataType, which is NUMERIC, BOOLEAN or CATEGORICAL"),
    }
    filters
}

fn filters(params: &mut Params) -> Vec<Filter> {
    let all = [
        one_of(params, "id", "id"),
        one_of(params, "name", "name"),
        chosen(params, "source", "source", &SOURCES),
        chosen(params, "dataType", "data_type", &TYPES),
        one_of(params, "environment", "environment"),
        one_of(params, "configId", "config_id"),
        one_of(params, "queueId", "queue_id"),
        one_of(params, "authorUserId", "author_user_id"),
    ];
    let mut filters: Vec<Filter> = all.into_iter().flatten().collect();
    filters.extend(subject(params));
    filters.extend(values(params));
    filters
}

/// A page of scores, the newest first.
pub(crate) async fn list(mut ask: Ask) -> Answer<impl Serialize> {
    let project = &*ask.project();
    let params = &mut ask.params;
    let (limit, cursor) = (params.limit(MOST), params.cursor());
    let fields = Fields::of(params.fields(&Fields::NAMES).as_deref());
    let listing = Listing {
        table: Table::Scores,
        project: project.to_owned(),
        span: params.span("fromTimestamp", "toTimestamp"),
        filters: filters(params),
        order: NEWEST_FIRST,
    };
    let listing = match cursor {
        Some(cursor) => listing.beyond(cursor),
        None => listing,
    };
    let reader = &ask.reader()?;
    let rows = |places: &[_]| scores::rows(project, places);
    let (rows, more) = lists::next(reader, &listing, limit, rows, |row: &ScoreRow| &row.id).await?;
    let cursor = rows.last().filter(|_| more).map(|last| Cursor {
        at: Millis(last.timestamp),
        id: last.id.clone(),
    });
    let data = rows.into_iter().map(|row| score(project, row, fields)).collect();
    Ok(Told(Followed::new(
        data,
        cursor.map(|cursor| cursor.text()),
        Some(limit),
    )))
}
