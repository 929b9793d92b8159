//! Scores: their rows, and the traces that they are about.

use clickhouse::Row;
use serde::Deserialize;
use tracemill_model::{Millis, Table};
use tracemill_warehouse::Statement;

use super::filter::Span;
use super::list::{self, Place};
use super::traces::Pairs;
use crate::reader::comment;

/// A score. Times are ms since 1970.
#[derive(Debug, Clone, PartialEq, Row, Deserialize)]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct ScoreRow {
    pub id: String,
    pub timestamp: i64,
    pub environment: String,
    pub trace_id: Option<String>,
    pub session_id: Option<String>,
    pub dataset_run_id: Option<String>,
    pub observation_id: Option<String>,
    pub name: String,
    pub value: f64,
    pub source: String,
    pub comment: Option<String>,
    pub metadata: Pairs,
    pub author_user_id: Option<String>,
    pub config_id: Option<String>,
    pub data_type: String,
    pub string_value: Option<String>,
    pub queue_id: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
    pub execution_trace_id: Option<String>,
    pub long_string_value: String,
}

/// What a list of scores tells of a score's trace.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct ScoredTrace {
    pub id: String,
    pub user_id: Option<String>,
    pub session_id: Option<String>,
    pub environment: String,
    pub tags: Vec<String>,
}

const SELECT: &str = "id, toUnixTimestamp64Milli(timestamp) AS timestamp, CAST(environment, 'String') AS environment, \
     trace_id, session_id, dataset_run_id, observation_id, name, value, source, comment, \
     CAST(metadata, 'Map(String, String)') AS metadata, author_user_id, config_id, data_type, string_value, queue_id, \
     toUnixTimestamp64Milli(created_at) AS created_at, toUnixTimestamp64Milli(updated_at) AS updated_at, \
     execution_trace_id, long_string_value";

/// The scores of a page, in no order.
#[must_use]
pub fn rows(project: &str, places: &[Place]) -> Statement {
    list::rows(Table::Scores, project, places, SELECT)
}

/// A score by its id alone.
#[must_use]
pub fn one(project: &str, id: &str) -> Statement {
    list::by_ids(Table::Scores, project, &[id], Span::default(), SELECT)
}

/// All scores of a trace of then, the newest first.
#[must_use]
pub fn of_trace(project: &str, trace: &str, at: Millis) -> Statement {
    let span = Span::of_trace(at);
    let mut sql = format!(
        "SELECT {SELECT} FROM (SELECT * FROM scores WHERE project_id = {{project:String}} AND trace_id = {{trace:String}}"
    );
    span.sql("timestamp", &mut sql);
    sql.push_str(
        " ORDER BY event_ts DESC, is_deleted DESC LIMIT 1 BY id) WHERE is_deleted = 0 ORDER BY timestamp DESC, id",
    );
    let statement = Statement::new(sql, comment("score", "ofTrace", project))
        .param("project", project)
        .param("trace", trace);
    span.bind(statement)
}

/// The traces of scores.
#[must_use]
pub fn traces(project: &str, ids: &[&str]) -> Statement {
    let select = "id, user_id, session_id, CAST(environment, 'String') AS environment, tags";
    list::by_ids(Table::Traces, project, ids, Span::default(), select)
}
