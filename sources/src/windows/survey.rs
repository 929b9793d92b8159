//! How far the data of a project reaches: small questions that the plan asks.

use tracemill_model::{ExportKey, Millis, ProjectId, Table, Window};
use tracemill_warehouse::{Comment, Service, Statement};

use crate::SourceError;

/// Every project with a row in one of the tables, in order.
///
/// # Errors
/// As any query.
pub async fn projects(service: &Service, tables: &[Table]) -> Result<Vec<ProjectId>, SourceError> {
    let selects: Vec<String> = tables
        .iter()
        .map(|table| format!("SELECT project_id FROM {table} GROUP BY project_id"))
        .collect();
    let sql = format!(
        "SELECT DISTINCT project_id FROM ({}) ORDER BY project_id",
        selects.join(" UNION ALL ")
    );
    let statement = Statement::new(sql, Comment::new("blobstorage"));
    let ids: Vec<String> = service.rows(&statement).await?;
    Ok(ids.into_iter().filter_map(|id| ProjectId::new(id).ok()).collect())
}

/// The smallest positive time of a table's rows of the project; `None` without rows.
///
/// # Errors
/// As any query.
pub async fn first_time(service: &Service, key: &ExportKey) -> Result<Option<Millis>, SourceError> {
    let time = key.table.time_column();
    let statement = about(
        key,
        format!(
            "SELECT toUnixTimestamp64Milli(min({time})), count() FROM {} \
             WHERE project_id = {{project:String}} AND {time} > fromUnixTimestamp64Milli(toInt64(0), 'UTC')",
            key.table
        ),
    );
    let (first, rows): (i64, u64) = service.one(&statement).await?;
    Ok((rows > 0).then_some(Millis(first)))
}

/// The newest time of a live row of the project from `from` on; `None` without such rows.
///
/// # Errors
/// As any query.
pub async fn last_time(service: &Service, key: &ExportKey, from: Millis) -> Result<Option<Millis>, SourceError> {
    let time = key.table.time_column();
    let statement = about(
        key,
        format!(
            "SELECT toUnixTimestamp64Milli(max({time})), count() FROM {} \
             WHERE project_id = {{project:String}} AND {time} >= fromUnixTimestamp64Milli({{from:Int64}}, 'UTC') \
             AND is_deleted = 0",
            key.table
        ),
    )
    .param("from", from);
    let (last, rows): (i64, u64) = service.one(&statement).await?;
    Ok((rows > 0).then_some(Millis(last)))
}

/// What a window is expected to hold, for a dry run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Estimate {
    /// Versions of rows.
    pub versions: u64,
    /// Bytes of them, from the table's average row.
    pub bytes: u64,
}

/// Estimates windows without reading their rows: one count each, times the table's average row.
///
/// # Errors
/// As any query.
pub async fn estimate(service: &Service, key: &ExportKey, windows: &[Window]) -> Result<Vec<Estimate>, SourceError> {
    let sql = "SELECT sum(data_uncompressed_bytes), sum(rows) FROM system.parts \
               WHERE active AND database = currentDatabase() AND table = {table:String}";
    let statement = Statement::new(sql, Comment::export(key.table, &key.project)).param("table", key.table.name());
    let (bytes, rows): (u64, u64) = service.one(&statement).await?;
    let per_row = bytes / rows.max(1);
    let mut estimates = Vec::with_capacity(windows.len());
    for window in windows {
        let leaf = tracemill_model::Leaf::root(*window);
        let versions: u64 = service.one(&super::statements::count(key, &leaf)).await?;
        estimates.push(Estimate {
            versions,
            bytes: versions * per_row,
        });
    }
    Ok(estimates)
}

fn about(key: &ExportKey, sql: String) -> Statement {
    let mut comment = Comment::export(key.table, &key.project);
    comment.kind = Some("survey".into());
    Statement::new(sql, comment).param("project", &key.project)
}
