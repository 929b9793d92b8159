//! The steps of a trace, as its page shows them: narrow columns alone; and one step with its payload.

use clickhouse::Row;
use serde::Deserialize;
use tracemill_model::{Millis, Table};
use tracemill_warehouse::Statement;

use super::filter::Span;
use super::{list, observations};
use crate::reader::comment;

/// So many steps of a trace are shown at most.
pub const MOST_STEPS: usize = 20_000;

/// A step. Times are ms since 1970.
#[derive(Debug, Clone, PartialEq, Row, Deserialize)]
#[expect(missing_docs, reason = "the columns of the table, and sums of its maps")]
pub struct StepRow {
    pub id: String,
    pub parent: Option<String>,
    pub r#type: String,
    pub name: String,
    pub level: String,
    pub start: i64,
    pub end: Option<i64>,
    pub model: Option<String>,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub total_tokens: u64,
    /// As a decimal number.
    pub cost: Option<String>,
}

/// The steps of a trace of then, the earliest first; one more than [`MOST_STEPS`], where there are more.
#[must_use]
pub fn of_trace(project: &str, trace: &str, at: Millis) -> Statement {
    let span = Span::of_trace(at);
    let mut sql = "SELECT id, parent_observation_id AS parent, CAST(type, 'String') AS type, name, \
         CAST(level, 'String') AS level, toUnixTimestamp64Milli(start_time) AS start, \
         toUnixTimestamp64Milli(end_time) AS end, provided_model_name AS model, \
         arraySum(mapValues(mapFilter((k, v) -> startsWith(k, 'input'), usage_details))) AS input_tokens, \
         arraySum(mapValues(mapFilter((k, v) -> startsWith(k, 'output'), usage_details))) AS output_tokens, \
         usage_details['total'] AS total_tokens, toString(total_cost) AS cost FROM (\
         SELECT id, parent_observation_id, type, name, level, start_time, end_time, provided_model_name, usage_details, \
         total_cost, is_deleted FROM observations WHERE project_id = {project:String} AND trace_id = {trace:String}"
        .to_owned();
    span.sql("start_time", &mut sql);
    sql.push_str(&format!(
        " ORDER BY event_ts DESC, is_deleted DESC LIMIT 1 BY id) WHERE is_deleted = 0 ORDER BY start_time, id LIMIT {}",
        MOST_STEPS + 1
    ));
    let statement = Statement::new(sql, comment("observation", "steps", project))
        .param("project", project)
        .param("trace", trace);
    span.bind(statement)
}

/// One step of a trace of then, with its payload.
#[must_use]
pub fn one(project: &str, step: &str, at: Millis) -> Statement {
    list::by_ids(
        Table::Observations,
        project,
        &[step],
        Span::of_trace(at),
        &observations::select(true),
    )
}
