//! Observations: their rows.

use clickhouse::Row;
use serde::Deserialize;
use tracemill_model::time::DAY_MS;
use tracemill_model::{Millis, Table};
use tracemill_warehouse::Statement;

use super::filter::Span;
use super::list::{self, Place};
use super::traces::Pairs;
use crate::reader::comment;

/// An observation. Times are ms since 1970, costs decimal numbers.
#[derive(Debug, Clone, PartialEq, Row, Deserialize)]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct ObservationRow {
    pub id: String,
    pub trace_id: String,
    pub environment: String,
    pub r#type: String,
    pub parent_observation_id: Option<String>,
    pub start_time: i64,
    pub end_time: Option<i64>,
    pub name: String,
    pub metadata: Pairs,
    pub level: String,
    pub status_message: Option<String>,
    pub version: Option<String>,
    pub input: Option<String>,
    pub output: Option<String>,
    pub provided_model_name: Option<String>,
    pub internal_model_id: Option<String>,
    pub model_parameters: Option<String>,
    pub usage_details: Vec<(String, u64)>,
    pub cost_details: Pairs,
    pub total_cost: Option<String>,
    pub completion_start_time: Option<i64>,
    pub prompt_id: Option<String>,
    pub prompt_name: Option<String>,
    pub prompt_version: Option<u16>,
    pub created_at: i64,
    pub updated_at: i64,
}

/// The columns of [`ObservationRow`]; those with payloads only `with_io`.
pub(super) fn select(with_io: bool) -> String {
    let [metadata, input, output] = list::payloads(with_io);
    format!(
        "id, trace_id, CAST(environment, 'String') AS environment, CAST(type, 'String') AS type, parent_observation_id, \
         toUnixTimestamp64Milli(start_time) AS start_time, toUnixTimestamp64Milli(end_time) AS end_time, name, \
         {metadata} AS metadata, CAST(level, 'String') AS level, status_message, version, {input} AS input, \
         {output} AS output, provided_model_name, internal_model_id, model_parameters, \
         CAST(usage_details, 'Map(String, UInt64)') AS usage_details, \
         CAST(cost_details, 'Map(String, String)') AS cost_details, toString(total_cost) AS total_cost, \
         toUnixTimestamp64Milli(completion_start_time) AS completion_start_time, prompt_id, prompt_name, prompt_version, \
         toUnixTimestamp64Milli(created_at) AS created_at, toUnixTimestamp64Milli(updated_at) AS updated_at"
    )
}

/// The observations of a page, in no order.
#[must_use]
pub fn rows(project: &str, places: &[Place], with_io: bool) -> Statement {
    list::rows(Table::Observations, project, places, &select(with_io))
}

/// An observation by its id alone.
#[must_use]
pub fn one(project: &str, id: &str) -> Statement {
    list::by_ids(Table::Observations, project, &[id], Span::default(), &select(true))
}

/// All observations of a trace of then, the earliest first.
#[must_use]
pub fn of_trace(project: &str, trace: &str, at: Millis, with_io: bool) -> Statement {
    let span = Span {
        from: Some(at.plus(-2 * DAY_MS)),
        to: None,
    };
    let mut sql = format!(
        "SELECT {} FROM (SELECT * FROM observations WHERE project_id = {{project:String}} AND trace_id = {{trace:String}}",
        select(with_io)
    );
    span.sql("start_time", &mut sql);
    sql.push_str(
        " ORDER BY event_ts DESC, is_deleted DESC LIMIT 1 BY id) WHERE is_deleted = 0 ORDER BY start_time, id",
    );
    let statement = Statement::new(sql, comment("observation", "ofTrace", project))
        .param("project", project)
        .param("trace", trace);
    span.bind(statement)
}
