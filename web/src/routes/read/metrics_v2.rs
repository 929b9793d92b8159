//! `GET /v2/metrics`: totals as a query in JSON asks for them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tracemill_model::Table;

use super::conditions::{Condition, Conditions};
use super::{Answer, Ask, Told, columns, params};
use crate::query::Span;
use crate::query::metrics::{Aggregation, Bucket, Dimension, Field, Group, Metric, Query, VIEWS, View};
use crate::reply::Refusal;
use crate::shape::Json;

/// Rows, where nobody says how many.
const ROWS: u64 = 100;
const MOST_ROWS: u64 = 1_000;
const BINS: u64 = 10;
const MOST_BINS: u64 = 100;
/// The most dimensions, and the most metrics.
const MOST: usize = 20;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    view: String,
    #[serde(default)]
    dimensions: Vec<Named>,
    metrics: Vec<Measured>,
    #[serde(default)]
    filters: Vec<Condition>,
    #[serde(default)]
    time_dimension: Option<Time>,
    from_timestamp: String,
    to_timestamp: String,
    #[serde(default)]
    order_by: Option<Vec<Order>>,
    #[serde(default)]
    config: Option<Config>,
}

#[derive(Debug, Deserialize)]
struct Named {
    field: String,
}

#[derive(Debug, Deserialize)]
struct Measured {
    measure: String,
    aggregation: String,
}

#[derive(Debug, Deserialize)]
struct Time {
    granularity: String,
}

#[derive(Debug, Deserialize)]
struct Order {
    field: String,
    direction: String,
}

#[derive(Debug, Default, Deserialize)]
struct Config {
    bins: Option<u64>,
    row_limit: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Totals {
    data: Vec<BTreeMap<String, Json>>,
}

/// Totals by groups.
pub(crate) async fn totals(mut ask: Ask) -> Answer<impl Serialize> {
    let project = ask.project();
    let asked = match ask.params.text("query") {
        Some(text) => serde_json::from_str::<Asked>(text).map_err(|error| format!("query: {error}")),
        None => Err("query: required, a JSON object".to_owned()),
    };
    let read = asked.and_then(|asked| read(project, asked).map_err(|faults| faults.join("; ")));
    let query = match read {
        Ok(query) => Some(query),
        Err(fault) => {
            ask.params.fault(fault);
            None
        }
    };
    let reader = ask.reader()?;
    let query = query.ok_or(Refusal::Bug)?;
    let groups: Vec<Group> = reader.rows(query.statement()).await?;
    let names = names(&query);
    let data: Result<_, _> = groups.into_iter().map(|group| told(&names, group)).collect();
    Ok(Told(Totals {
        data: data.map_err(|_| Refusal::Bug)?,
    }))
}

/// The values of a group by their names.
fn told(names: &[String], group: Group) -> Result<BTreeMap<String, Json>, serde_json::Error> {
    let values = group.values.into_iter().map(RawValue::from_string);
    let pairs = names.iter().zip(values);
    pairs.map(|(name, value)| Ok((name.clone(), value?))).collect()
}

/// How a total is called.
fn alias(metric: &Metric) -> String {
    let aggregation = match metric.aggregation {
        Aggregation::Sum => "sum".to_owned(),
        Aggregation::Avg => "avg".to_owned(),
        Aggregation::Count => "count".to_owned(),
        Aggregation::Max => "max".to_owned(),
        Aggregation::Min => "min".to_owned(),
        Aggregation::Percentile(percent) => format!("p{percent}"),
        Aggregation::Histogram(_) => "histogram".to_owned(),
    };
    format!("{aggregation}_{}", metric.measure.name)
}

/// The names of a group's values, in their order.
fn names(query: &Query) -> Vec<String> {
    let time = query.bucket.map(|_| TIME.to_owned()).into_iter();
    let dimensions = query.dimensions.iter().map(|dimension| dimension.name.to_owned());
    time.chain(dimensions).chain(query.metrics.iter().map(alias)).collect()
}

const TIME: &str = "time_dimension";

/// What is asked, in names that are known; else every fault.
fn read(project: String, asked: Asked) -> Result<Query, Vec<String>> {
    let mut faults = Vec::new();
    let Some(view) = View::named(&asked.view) else {
        let names: Vec<&str> = VIEWS.iter().map(|view| view.name).collect();
        return Err(vec![format!("view: {:?} is none of {}", asked.view, names.join(", "))]);
    };
    if asked.dimensions.len() > MOST || asked.metrics.len() > MOST {
        faults.push(format!("dimensions, metrics: at most {MOST} of each"));
    }
    let span = span(&asked, &mut faults);
    let config = asked.config.unwrap_or_default();
    let rows = bounded(config.row_limit, ROWS, MOST_ROWS, "config.row_limit", &mut faults);
    let bins = bounded(config.bins, BINS, MOST_BINS, "config.bins", &mut faults);
    let dimensions = dimensions(view, &asked.dimensions, &mut faults);
    let metrics = metrics(view, &asked.metrics, bins, &mut faults);
    let columns = match view.table() {
        Table::Scores => columns::SCORES,
        _ => columns::OBSERVATIONS,
    };
    let conditions = Conditions::of(&asked.filters, columns, view.table(), &mut faults);
    let mut query = Query {
        project,
        view,
        span: conditions.within(span),
        filters: conditions.filters,
        bucket: bucket(asked.time_dimension.as_ref(), span, &mut faults),
        dimensions,
        metrics,
        order: Vec::new(),
        rows,
    };
    let names = names(&query);
    for (at, name) in names.iter().enumerate() {
        if names[..at].contains(name) {
            faults.push(format!("{name}: asked for twice"));
        }
    }
    for order in asked.order_by.unwrap_or_default() {
        let at = names.iter().position(|name| *name == order.field);
        let ascending = match order.direction.as_str() {
            "asc" => Some(true),
            "desc" => Some(false),
            _ => None,
        };
        match at.zip(ascending) {
            Some((at, ascending)) => query.order.push((field(&query, at), ascending)),
            None => faults.push(format!(
                "orderBy: {:?} must be one of {}, with asc or desc",
                order.field,
                names.join(", ")
            )),
        }
    }
    match faults.is_empty() {
        true => Ok(query),
        false => Err(faults),
    }
}

/// Which value has that place.
fn field(query: &Query, at: usize) -> Field {
    let times = usize::from(query.bucket.is_some());
    match at.checked_sub(times) {
        None => Field::Time,
        Some(at) => match at.checked_sub(query.dimensions.len()) {
            None => Field::Dimension(at),
            Some(at) => Field::Metric(at),
        },
    }
}

fn bounded(asked: Option<u64>, default: u64, most: u64, name: &str, faults: &mut Vec<String>) -> u64 {
    let number = asked.unwrap_or(default);
    if !(1..=most).contains(&number) {
        faults.push(format!("{name}: must be from 1 to {most}"));
    }
    number.clamp(1, most)
}

fn span(asked: &Asked, faults: &mut Vec<String>) -> Span {
    let mut time = |name: &str, text: &str| {
        let time = params::moment(text);
        if time.is_none() {
            faults.push(format!(
                "{name}: must be an ISO 8601 time, such as 2026-02-25T12:00:00Z"
            ));
        }
        time
    };
    let from = time("fromTimestamp", &asked.from_timestamp);
    let to = time("toTimestamp", &asked.to_timestamp);
    if from.zip(to).is_some_and(|(from, to)| from >= to) {
        faults.push("toTimestamp: must be after fromTimestamp".to_owned());
    }
    Span { from, to }
}

fn bucket(asked: Option<&Time>, span: Span, faults: &mut Vec<String>) -> Option<Bucket> {
    Some(match &*asked?.granularity {
        "auto" => {
            let (from, to) = (span.from.unwrap_or_default(), span.to.unwrap_or_default());
            Bucket::of(to.0.saturating_sub(from.0))
        }
        "minute" => Bucket::Minute,
        "hour" => Bucket::Hour,
        "day" => Bucket::Day,
        "week" => Bucket::Week,
        "month" => Bucket::Month,
        _ => {
            faults.push("timeDimension.granularity: must be auto, minute, hour, day, week or month".to_owned());
            return None;
        }
    })
}

fn dimensions(view: &'static View, asked: &[Named], faults: &mut Vec<String>) -> Vec<&'static Dimension> {
    let mut found = Vec::new();
    for Named { field } in asked {
        if let Some(dimension) = view.dimension(field) {
            found.push(dimension);
        } else if view.filters_only.contains(&&**field) {
            faults.push(format!(
                "dimensions: {field} has too many values to group by; use it in filters"
            ));
        } else {
            let names: Vec<&str> = view.dimensions.iter().map(|dimension| dimension.name).collect();
            faults.push(format!("dimensions: {field:?} is none of {}", names.join(", ")));
        }
    }
    found
}

fn metrics(view: &'static View, asked: &[Measured], bins: u64, faults: &mut Vec<String>) -> Vec<Metric> {
    if asked.is_empty() {
        faults.push("metrics: at least one".to_owned());
    }
    let mut found = Vec::new();
    for Measured { measure, aggregation } in asked {
        match (view.measure(measure), Aggregation::parse(aggregation, bins)) {
            (Some(measure), Some(aggregation)) => found.push(Metric { measure, aggregation }),
            (None, _) => {
                let names: Vec<&str> = view.measures.iter().map(|measure| measure.name).collect();
                faults.push(format!("metrics: measure {measure:?} is none of {}", names.join(", ")));
            }
            (_, None) => faults.push(format!(
                "metrics: aggregation {aggregation:?} is none of sum, avg, count, max, min, p50, p75, p90, p95, p99, \
                 histogram"
            )),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Result<Query, Vec<String>> {
        read("p".to_owned(), serde_json::from_str(json).unwrap())
    }

    #[test]
    fn values_are_named_and_sorted_as_asked() {
        let query = of(
            r#"{"view": "observations", "dimensions": [{"field": "type"}], "timeDimension": {"granularity": "auto"},
                "metrics": [{"measure": "count", "aggregation": "count"}, {"measure": "latency", "aggregation": "p95"}],
                "orderBy": [{"field": "p95_latency", "direction": "desc"}, {"field": "type", "direction": "asc"}],
                "fromTimestamp": "2026-01-01T00:00:00Z", "toTimestamp": "2026-01-02T00:00:00Z"}"#,
        )
        .unwrap();
        assert_eq!(names(&query), ["time_dimension", "type", "count_count", "p95_latency"]);
        assert_eq!(query.bucket, Some(Bucket::Hour));
        assert_eq!(query.order, [(Field::Metric(1), false), (Field::Dimension(0), true)]);
        assert_eq!(query.rows, ROWS);
    }

    #[test]
    fn every_fault_is_told() {
        let faults = of(
            r#"{"view": "scores-numeric", "dimensions": [{"field": "userId"}, {"field": "x"}],
                "metrics": [{"measure": "latency", "aggregation": "p95"}, {"measure": "value", "aggregation": "p96"}],
                "filters": [{"type": "string", "column": "level", "operator": "=", "value": "x"}],
                "orderBy": [{"field": "value", "direction": "up"}], "config": {"row_limit": 0, "bins": 101},
                "timeDimension": {"granularity": "year"}, "fromTimestamp": "soon", "toTimestamp": "2026-01-02"}"#,
        )
        .unwrap_err();
        assert_eq!(faults.len(), 10, "{faults:#?}");
        let backwards = of(
            r#"{"view": "observations", "metrics": [{"measure": "count", "aggregation": "count"}],
                "fromTimestamp": "2026-01-02", "toTimestamp": "2026-01-01"}"#,
        );
        assert_eq!(backwards.unwrap_err(), ["toTimestamp: must be after fromTimestamp"]);
    }
}
