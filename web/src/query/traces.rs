//! Traces: their rows, and what their observations and scores say of them.

use clickhouse::Row;
use serde::Deserialize;
use tracemill_model::{Millis, Table};
use tracemill_warehouse::Statement;

use super::filter::Span;
use super::list::{self, Place};
use crate::reader::comment;

/// Texts by name.
pub type Pairs = Vec<(String, String)>;

/// A trace. Times are ms since 1970.
#[derive(Debug, Clone, PartialEq, Row, Deserialize)]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct TraceRow {
    pub id: String,
    pub timestamp: i64,
    pub name: String,
    pub user_id: Option<String>,
    pub metadata: Pairs,
    pub release: Option<String>,
    pub version: Option<String>,
    pub environment: String,
    pub public: bool,
    pub bookmarked: bool,
    pub tags: Vec<String>,
    pub input: Option<String>,
    pub output: Option<String>,
    pub session_id: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
}

/// What the observations of a trace come to.
#[derive(Debug, Clone, PartialEq, Row, Deserialize)]
pub struct TraceSums {
    /// The trace.
    pub trace_id: String,
    /// From the first start to the last end, in ms.
    pub latency_ms: Option<i64>,
    /// As a decimal number.
    pub total_cost: Option<String>,
    /// Ids, the earliest first.
    pub observations: Vec<String>,
}

/// The scores of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct TraceScores {
    /// The trace.
    pub trace_id: String,
    /// Ids.
    pub scores: Vec<String>,
}

/// The columns of [`TraceRow`]; those with payloads only `with_io`.
fn select(with_io: bool) -> String {
    let [metadata, input, output] = list::payloads(with_io);
    format!(
        "id, toUnixTimestamp64Milli(timestamp) AS timestamp, name, user_id, {metadata} AS metadata, release, version, \
         CAST(environment, 'String') AS environment, public, bookmarked, tags, {input} AS input, {output} AS output, \
         session_id, toUnixTimestamp64Milli(created_at) AS created_at, toUnixTimestamp64Milli(updated_at) AS updated_at"
    )
}

/// The traces of a page, in no order.
#[must_use]
pub fn rows(project: &str, places: &[Place], with_io: bool) -> Statement {
    list::rows(Table::Traces, project, places, &select(with_io))
}

/// A trace by its id alone: an index on ids finds it.
#[must_use]
pub fn one(project: &str, id: &str, with_io: bool) -> Statement {
    list::by_ids(Table::Traces, project, &[id], Span::default(), &select(with_io))
}

/// Latency, cost and observations of traces, the earliest of which is of then.
#[must_use]
pub fn sums(project: &str, ids: &[&str], earliest: Millis) -> Statement {
    let span = Span::of_trace(earliest);
    let mut sql = "SELECT w.1 AS trace_id, \
         CAST(if(countIf(w.4 IS NOT NULL) = 0, NULL, dateDiff('millisecond', min(w.3), max(ifNull(w.4, w.3)))), \
         'Nullable(Int64)') AS latency_ms, toString(sum(w.5)) AS total_cost, \
         arrayMap(one -> one.2, arraySort(groupArray((w.3, id)))) AS observations FROM (\
         SELECT id, argMax(tuple(trace_id, is_deleted, start_time, end_time, total_cost), (event_ts, is_deleted)) AS w \
         FROM observations WHERE project_id = {project:String} AND trace_id IN {ids:Array(String)}"
        .to_owned();
    span.sql("start_time", &mut sql);
    sql.push_str(" GROUP BY id HAVING w.2 = 0) GROUP BY trace_id");
    let statement = Statement::new(sql, comment("trace", "sums", project))
        .param("project", project)
        .param("ids", ids);
    span.bind(statement)
}

/// The scores of traces.
#[must_use]
pub fn scores(project: &str, ids: &[&str], earliest: Millis) -> Statement {
    let span = Span::of_trace(earliest);
    let mut sql = "SELECT w.1 AS trace_id, groupArray(id) AS scores FROM (\
         SELECT id, argMax(tuple(ifNull(trace_id, ''), is_deleted), (event_ts, is_deleted)) AS w \
         FROM scores WHERE project_id = {project:String} AND trace_id IN {ids:Array(String)}"
        .to_owned();
    span.sql("timestamp", &mut sql);
    sql.push_str(" GROUP BY id HAVING w.2 = 0 ORDER BY id) GROUP BY trace_id");
    let statement = Statement::new(sql, comment("trace", "scores", project))
        .param("project", project)
        .param("ids", ids);
    span.bind(statement)
}
