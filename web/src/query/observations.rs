//! Observations: their rows.

use clickhouse::Row;
use serde::Deserialize;
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
    pub usage_pricing_tier_name: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
}

/// The columns of [`ObservationRow`]; those with payloads only `with_io`.
pub(super) fn select(with_io: bool) -> String {
    let [metadata, input, output] = list::payloads(with_io);
    select_of(metadata, input, output)
}

fn select_of(metadata: &str, input: &str, output: &str) -> String {
    format!(
        "id, trace_id, CAST(environment, 'String') AS environment, CAST(type, 'String') AS type, parent_observation_id, \
         toUnixTimestamp64Milli(start_time) AS start_time, toUnixTimestamp64Milli(end_time) AS end_time, name, \
         {metadata} AS metadata, CAST(level, 'String') AS level, status_message, version, {input} AS input, \
         {output} AS output, provided_model_name, internal_model_id, model_parameters, \
         CAST(usage_details, 'Map(String, UInt64)') AS usage_details, \
         CAST(cost_details, 'Map(String, String)') AS cost_details, toString(total_cost) AS total_cost, \
         toUnixTimestamp64Milli(completion_start_time) AS completion_start_time, prompt_id, prompt_name, \
         prompt_version, usage_pricing_tier_name, \
         toUnixTimestamp64Milli(created_at) AS created_at, toUnixTimestamp64Milli(updated_at) AS updated_at"
    )
}

/// Which wide columns are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wide<'a> {
    /// Input and output.
    pub io: bool,
    /// Metadata, of which so many characters of a value are read, but all of the values of these keys.
    pub metadata: Option<(u64, &'a [String])>,
}

/// The observations of a page, in no order, with some of the wide columns.
#[must_use]
pub fn rows_with(project: &str, places: &[Place], wide: Wide<'_>) -> Statement {
    let [_, input, output] = list::payloads(wide.io);
    let metadata = match wide.metadata {
        None => list::payloads(false)[0].to_owned(),
        Some((most, _)) => format!(
            "CAST(mapApply((k, v) -> (k, if(has({{whole:Array(String)}}, k), v, substringUTF8(v, 1, {most}))), metadata), \
             'Map(String, String)')"
        ),
    };
    let keys = wide.metadata.map_or(&[] as &[String], |(_, keys)| keys);
    list::rows(
        Table::Observations,
        project,
        places,
        &select_of(&metadata, input, output),
    )
    .param("whole", keys)
}

/// What an observation's trace tells of itself.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct ParentRow {
    pub id: String,
    pub name: String,
    pub user_id: Option<String>,
    pub session_id: Option<String>,
    pub release: Option<String>,
    pub tags: Vec<String>,
    pub public: bool,
    pub bookmarked: bool,
}

/// The traces of observations.
#[must_use]
pub fn parents(project: &str, ids: &[&str]) -> Statement {
    let select = "id, name, user_id, session_id, release, tags, public, bookmarked";
    list::by_ids(Table::Traces, project, ids, Span::default(), select)
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
    let span = Span::of_trace(at);
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
