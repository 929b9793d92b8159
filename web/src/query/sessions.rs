//! Sessions: what traces with the same session id have in common. There is no table of them.

use std::fmt::Write;

use clickhouse::Row;
use serde::Deserialize;
use tracemill_model::Table;
use tracemill_warehouse::Statement;

use super::filter::{Filter, Span};
use super::list::{Listing, NEWEST_FIRST, Page, Place, by_partition};
use crate::reader::comment;

/// A session, as its first trace began it.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct SessionRow {
    /// Its id.
    pub id: String,
    /// The time of its first trace, in ms since 1970.
    pub created_at: i64,
    /// That of its first trace.
    pub environment: String,
    /// How many there are in all.
    pub total: u64,
}

/// A page of the sessions that began within a span, the newest first.
#[must_use]
pub fn list(project: &str, span: Span, environments: &[String], page: Page) -> Statement {
    let mut sql = "SELECT session AS id, toUnixTimestamp64Milli(begun) AS created_at, \
         CAST(first_environment, 'String') AS environment, count() OVER () AS total FROM (\
         SELECT ifNull(session_id, '') AS session, min(timestamp) AS begun, argMin(environment, timestamp) AS first_environment \
         FROM traces FINAL WHERE project_id = {project:String} AND is_deleted = 0 AND session_id != '' \
         GROUP BY session) WHERE 1"
        .to_owned();
    span.sql("begun", &mut sql);
    if !environments.is_empty() {
        sql.push_str(" AND first_environment IN {environments:Array(String)}");
    }
    let offset = (page.page - 1).saturating_mul(page.limit);
    let _ = write!(
        sql,
        " ORDER BY begun DESC, session LIMIT {} OFFSET {offset}",
        page.limit
    );
    let statement = Statement::new(sql, comment("session", "list", project))
        .param("project", project)
        .param("environments", environments);
    span.bind(by_partition(statement))
}

/// The traces of a session: an index on session ids finds them.
#[must_use]
pub fn traces(project: &str, session: &str) -> Listing {
    Listing {
        table: Table::Traces,
        project: project.to_owned(),
        span: Span::default(),
        filters: vec![Filter::Is {
            column: "session_id",
            value: session.to_owned(),
        }],
        order: NEWEST_FIRST,
    }
}

/// The day and id of each, as [`super::traces::rows`] wants them.
#[must_use]
pub fn places(listing: &Listing) -> Statement {
    listing.all()
}

/// So many traces of a session are told at most.
pub const MOST_TRACES: usize = 10_000;

/// Whether a session has more traces than are told.
#[must_use]
pub fn is_cut(places: &[Place]) -> bool {
    places.len() >= MOST_TRACES
}
