//! What ClickHouse works on now, by user and by what the queries say they are for.

use clickhouse::Row;
use serde::Deserialize;
use tracemill_warehouse::{Comment, Statement};

/// The queries of a user with one purpose.
#[derive(Debug, Clone, PartialEq, Row, Deserialize)]
pub struct LoadRow {
    /// The user.
    pub user: String,
    /// What their `log_comment` says they are for; empty where it says nothing.
    pub feature: String,
    /// Queries that run.
    pub queries: u64,
    /// Memory that they hold, in bytes.
    pub memory: i64,
    /// How long the oldest runs, in seconds.
    pub oldest: f64,
    /// Rows that they have read.
    pub rows: u64,
    /// Bytes that they have read.
    pub bytes: u64,
}

/// Queries that run now. The user needs `SELECT` on `system.processes`.
#[must_use]
pub fn load() -> Statement {
    let sql = "SELECT user, JSONExtractString(Settings['log_comment'], 'feature') AS feature, count() AS queries, \
         sum(memory_usage) AS memory, max(elapsed) AS oldest, sum(read_rows) AS rows, sum(read_bytes) AS bytes \
         FROM system.processes GROUP BY user, feature ORDER BY memory DESC, user, feature LIMIT 100";
    let comment = Comment {
        feature: "read".into(),
        about: Some("process".into()),
        kind: Some("load".into()),
        operation: None,
        project_id: None,
    };
    Statement::new(sql.to_owned(), comment)
}
