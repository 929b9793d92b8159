//! Sessions as a list for people: those with a trace within a time, and what these traces come to.

use std::fmt::Write;

use clickhouse::Row;
use serde::Deserialize;
use tracemill_warehouse::Statement;

use super::filter::Span;
use super::list::{Page, by_partition};
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
    let mut sql = "SELECT session AS id, toUnixTimestamp64Milli(min(timestamp)) AS first, \
         toUnixTimestamp64Milli(max(timestamp)) AS last, count() AS traces, \
         arraySort(groupUniqArrayIf(4)(user, user != '')) AS users, \
         arraySort(groupUniqArray(4)(CAST(environment, 'String'))) AS environments FROM (\
         SELECT timestamp, ifNull(session_id, '') AS session, environment, ifNull(user_id, '') AS user \
         FROM traces FINAL WHERE project_id = {project:String} AND is_deleted = 0 AND session != ''"
        .to_owned();
    span.final_sql("timestamp", &mut sql);
    if text.is_some() {
        sql.push_str(
            " AND (positionCaseInsensitiveUTF8(session, {text:String}) > 0 OR positionCaseInsensitiveUTF8(user, {text:String}) > 0)",
        );
    }
    let offset = (page.page - 1).saturating_mul(page.limit);
    let _ = write!(
        sql,
        ") GROUP BY session ORDER BY last DESC, session LIMIT {} OFFSET {offset}",
        page.limit + 1
    );
    let mut statement = Statement::new(sql, comment("session", "gathered", project)).param("project", project);
    if let Some(text) = text {
        statement = statement.param("text", text);
    }
    span.bind(by_partition(statement))
}
