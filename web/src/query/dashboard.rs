//! Figures of a time for people: calls, cost, latency and errors by day and model.

use clickhouse::Row;
use serde::Deserialize;
use tracemill_model::Table;
use tracemill_warehouse::Statement;

use super::filter::Span;
use super::list::{Listing, NEWEST_FIRST, by_partition};
use crate::reader::comment;

/// What steps come to: of a day, of a model, or of a model on a day.
#[derive(Debug, Clone, PartialEq, Row, Deserialize)]
pub struct StepFigures {
    /// 1: of all days.
    pub all_days: u8,
    /// 1: of all models.
    pub all_models: u8,
    /// Days since 1970.
    pub day: u16,
    /// The model; empty where there is none.
    pub model: String,
    /// Steps.
    pub steps: u64,
    /// Those of level `ERROR`.
    pub errors: u64,
    /// Units in all.
    pub tokens: u64,
    /// As a decimal number.
    pub cost: String,
    /// The middle of their durations, in ms; NaN where none has ended.
    pub p50_ms: f64,
    /// Of a hundred, the ninety-fifth.
    pub p95_ms: f64,
}

/// How long the traces of a day took.
#[derive(Debug, Clone, Copy, PartialEq, Row, Deserialize)]
pub struct DayLatency {
    /// Days since 1970.
    pub day: u16,
    /// The middle one, in ms.
    pub p50_ms: f64,
    /// Of a hundred, the ninety-fifth.
    pub p95_ms: f64,
}

/// How many traces there are on each day.
#[must_use]
pub fn traces(project: &str, span: Span) -> Statement {
    let listing = Listing {
        table: Table::Traces,
        project: project.to_owned(),
        span,
        filters: Vec::new(),
        order: NEWEST_FIRST,
    };
    listing.count()
}

/// What the steps that began within a span come to.
#[must_use]
pub fn steps(project: &str, span: Span) -> Statement {
    let mut sql = "SELECT toUInt8(grouping(day)) AS all_days, toUInt8(grouping(model)) AS all_models, day, model, \
         count() AS steps, countIf(level = 'ERROR') AS errors, sum(units) AS tokens, toString(sum(price)) AS cost, \
         toFloat64(quantileTDigestIf(0.5)(ifNull(took, 0), isNotNull(took))) AS p50_ms, \
         toFloat64(quantileTDigestIf(0.95)(ifNull(took, 0), isNotNull(took))) AS p95_ms FROM (\
         SELECT toUInt16(toDate(start_time)) AS day, ifNull(provided_model_name, '') AS model, ifNull(total_cost, 0) AS price, \
         usage_details['total'] AS units, level, dateDiff('millisecond', start_time, end_time) AS took \
         FROM observations FINAL WHERE project_id = {project:String}"
        .to_owned();
    span.final_sql("start_time", &mut sql);
    sql.push_str(
        " AND is_deleted = 0) \
         GROUP BY GROUPING SETS ((day, model), (day), (model)) ORDER BY day, model",
    );
    let statement = Statement::new(sql, comment("observation", "dashboard", project))
        .param("project", project)
        .setting("force_grouping_standard_compatibility", 1);
    span.bind(by_partition(statement))
}

/// How long traces took, by the day of their first step within a span.
#[must_use]
pub fn latencies(project: &str, span: Span) -> Statement {
    let mut sql = "SELECT toUInt16(toDate(begun)) AS day, toFloat64(quantileTDigest(0.5)(took)) AS p50_ms, \
         toFloat64(quantileTDigest(0.95)(took)) AS p95_ms FROM (\
         SELECT min(start_time) AS begun, dateDiff('millisecond', begun, max(ifNull(end_time, start_time))) AS took \
         FROM observations FINAL WHERE project_id = {project:String}"
        .to_owned();
    span.final_sql("start_time", &mut sql);
    sql.push_str(" AND is_deleted = 0 GROUP BY trace_id) GROUP BY day ORDER BY day");
    let statement = Statement::new(sql, comment("trace", "dashboard", project)).param("project", project);
    span.bind(by_partition(statement))
}
