//! Sessions as a list for people: those with a trace within a time, and what these traces come to.

use std::fmt::Write;

use clickhouse::Row;
use serde::Deserialize;
use tracemill_warehouse::Statement;

use super::filter::Span;
use super::list::Page;
use crate::reader::comment;

/// A session. Times are ms since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct GatheredRow {
    /// Its id.
    pub id: String,
    /// Its first trace within the time.
    pub first: i64,
    /// Its last trace within the time.
    pub last: i64,
    /// Traces within the time.
    pub traces: u64,
    /// Some of its users.
    pub users: Vec<String>,
    /// Those of its traces.
    pub environments: Vec<String>,
}

/// A page of the sessions with traces in a span, the latest first; one more, where there are more.
#[must_use]
pub fn list(project: &str, span: Span, text: Option<&str>, page: Page) -> Statement {
    let mut sql = "SELECT session AS id, toUnixTimestamp64Milli(min(w.1)) AS first, \
         toUnixTimestamp64Milli(max(w.1)) AS last, count() AS traces, \
         arraySort(groupUniqArrayIf(4)(w.5, w.5 != '')) AS users, \
         arraySort(groupUniqArray(4)(CAST(w.4, 'String'))) AS environments FROM (\
         SELECT argMax(tuple(timestamp, is_deleted, ifNull(session_id, ''), environment, ifNull(user_id, '')), \
         (event_ts, is_deleted)) AS w, w.3 AS session FROM traces WHERE project_id = {project:String}"
        .to_owned();
    span.sql("timestamp", &mut sql);
    sql.push_str(" GROUP BY toDate(timestamp), id HAVING w.2 = 0 AND session != ''");
    if text.is_some() {
        sql.push_str(
            " AND (positionCaseInsensitiveUTF8(session, {text:String}) > 0 OR positionCaseInsensitiveUTF8(w.5, {text:String}) > 0)",
        );
    }
    let offset = (page.page - 1).saturating_mul(page.limit);
    let _ = write!(
        sql,
        ") GROUP BY session ORDER BY last DESC, session LIMIT {} OFFSET {offset}",
        page.limit + 1
    );
    let mut statement = Statement::new(sql, comment("session", "gathered", project))
        .param("project", project)
        .setting("optimize_aggregation_in_order", 1);
    if let Some(text) = text {
        statement = statement.param("text", text);
    }
    span.bind(statement)
}
