//! Daily totals: traces, observations, usage and cost, by day and model.

use clickhouse::Row;
use serde::Deserialize;
use tracemill_model::Table;
use tracemill_warehouse::Statement;

use super::filter::{Filter, Span};
use super::list::{DayCount, Listing, NEWEST_FIRST, by_partition};
use crate::reader::comment;

/// The usage of a model on a day.
#[derive(Debug, Clone, PartialEq, Row, Deserialize)]
pub struct DayUsage {
    /// Days since 1970.
    pub day: u16,
    /// The model; empty where there is none.
    pub model: String,
    /// Units of input.
    #[serde(rename = "input_units")]
    pub input: u64,
    /// Units of output.
    #[serde(rename = "output_units")]
    pub output: u64,
    /// Units in all.
    #[serde(rename = "total_units")]
    pub total: u64,
    /// As a decimal number.
    pub cost: String,
    /// Traces that have such observations.
    pub traces: u64,
    /// Observations.
    pub observations: u64,
}

/// How many traces match on each day, the newest day first.
#[must_use]
pub fn traces(project: &str, span: Span, filters: Vec<Filter>) -> Listing {
    Listing {
        table: Table::Traces,
        project: project.to_owned(),
        span,
        filters,
        order: NEWEST_FIRST,
    }
}

/// Usage by day and model of observations that began within a span, of traces that match.
#[must_use]
pub fn usage(project: &str, span: Span, filters: &[Filter]) -> Statement {
    // Aliases that are no columns: an alias hides the column of its name from the conditions.
    let mut sql = "SELECT toUInt16(toDate(start_time)) AS day, ifNull(provided_model_name, '') AS model, \
         sum(arraySum(mapValues(mapFilter((k, v) -> startsWith(k, 'input'), usage_details)))) AS input_units, \
         sum(arraySum(mapValues(mapFilter((k, v) -> startsWith(k, 'output'), usage_details)))) AS output_units, \
         sum(usage_details['total']) AS total_units, toString(sum(ifNull(total_cost, 0))) AS cost, \
         uniqExact(trace_id) AS traces, count() AS observations \
         FROM observations FINAL WHERE project_id = {project:String} AND is_deleted = 0"
        .to_owned();
    span.final_sql("start_time", &mut sql);
    let of_traces = Filter::OfTraces {
        filters: filters.to_vec(),
    };
    if !filters.is_empty() {
        sql.push_str(" AND ");
        sql.push_str(&of_traces.sql("t", 0, "trace_id"));
    }
    sql.push_str(" GROUP BY day, model ORDER BY day DESC, model");
    let statement = Statement::new(sql, comment("observation", "daily", project)).param("project", project);
    let statement = span.bind(by_partition(statement));
    match filters.is_empty() {
        true => statement,
        false => of_traces.bind("t", 0, statement),
    }
}

/// All days that either knows, the newest first.
#[must_use]
pub fn days(traces: &[DayCount], usage: &[DayUsage]) -> Vec<u16> {
    let mut days: Vec<u16> = traces.iter().map(|day| day.day).collect();
    days.extend(usage.iter().map(|usage| usage.day));
    days.sort_unstable_by(|one, other| other.cmp(one));
    days.dedup();
    days
}
