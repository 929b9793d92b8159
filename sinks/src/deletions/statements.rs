//! What a deletion asks of ClickHouse. Ids are parameters; each list of ids fits into one.

use tracemill_model::Millis;
use tracemill_model::ingest::{EntityKind, Text};
use tracemill_warehouse::chunks::between;
use tracemill_warehouse::{Comment, Service, Statement, WarehouseError};

/// Raw objects of a project that are listed at once.
const PAGE: u32 = 50_000;

fn statement(sql: impl Into<String>, about: &'static str, operation: &'static str, project: &str) -> Statement {
    Statement::new(sql, Comment::ingestion(about, operation, Some(project)))
        .param("project", project)
        .setting("use_query_cache", 0)
}

/// The ids of rows of that kind that name one of the traces.
pub(super) async fn children(
    service: &Service,
    project: &str,
    kind: EntityKind,
    traces: &[Text],
) -> Result<Vec<String>, WarehouseError> {
    let table = kind.table().name();
    let sql = format!(
        "SELECT DISTINCT id FROM {table} WHERE project_id = {{project:String}} AND trace_id IN {{traces:Array(String)}}"
    );
    let statement = statement(sql, table, "resolveTrace", project).param("traces", traces);
    service.rows(&statement).await
}

/// The raw objects of entities, each once.
pub(super) async fn paths(
    service: &Service,
    project: &str,
    kind: EntityKind,
    ids: &[&Text],
) -> Result<Vec<String>, WarehouseError> {
    let ids: Vec<&str> = ids.iter().map(|id| &***id).collect();
    let sql = "SELECT DISTINCT path FROM (SELECT argMax(bucket_path, event_ts) AS path FROM blob_storage_file_log \
               WHERE project_id = {project:String} AND entity_type = {kind:String} AND entity_id IN {ids:Array(String)} \
               GROUP BY entity_id, event_id HAVING argMax(is_deleted, (event_ts, is_deleted)) = 0)";
    let statement = statement(sql, "blob_storage_file_log", "resolveObjects", project)
        .param("kind", kind.name())
        .param("ids", ids.as_slice());
    service.rows(&statement).await
}

/// Raw objects of a project after `last`, in order.
pub(super) async fn project_paths(service: &Service, project: &str, last: &str) -> Result<Vec<String>, WarehouseError> {
    let sql = "SELECT DISTINCT bucket_path FROM blob_storage_file_log FINAL \
               WHERE project_id = {project:String} AND is_deleted = 0 AND bucket_path > {last:String} \
               ORDER BY bucket_path LIMIT {page:UInt32}";
    let statement = statement(sql, "blob_storage_file_log", "resolveObjects", project)
        .param("last", last)
        .param("page", PAGE);
    service.rows(&statement).await
}

/// The same lines as deleted, in a newer version.
const MARK: &str = "INSERT INTO blob_storage_file_log (id, project_id, entity_type, entity_id, event_id, bucket_name, \
                    bucket_path, created_at, updated_at, event_ts, is_deleted) \
                    SELECT id, project_id, entity_type, entity_id, event_id, bucket_name, bucket_path, created_at, \
                    fromUnixTimestamp64Milli({now:Int64}, 'UTC'), \
                    greatest(event_ts + toIntervalMillisecond(1), fromUnixTimestamp64Milli({now:Int64}, 'UTC')), 1 \
                    FROM blob_storage_file_log FINAL WHERE project_id = {project:String} AND is_deleted = 0";

/// Marks the lines of entities.
pub(super) async fn mark(
    service: &Service,
    project: &str,
    kind: EntityKind,
    ids: &[&Text],
    now: Millis,
) -> Result<(), WarehouseError> {
    let ids: Vec<&str> = ids.iter().map(|id| &***id).collect();
    let sql = format!("{MARK} AND entity_type = {{kind:String}} AND entity_id IN {{ids:Array(String)}}");
    let statement = statement(sql, "blob_storage_file_log", "markDeleted", project)
        .param("kind", kind.name())
        .param("ids", ids.as_slice())
        .param("now", now)
        .setting("async_insert", 0);
    service.execute(&statement).await.map(drop)
}

/// Marks the lines of a project.
pub(super) async fn mark_project(service: &Service, project: &str, now: Millis) -> Result<(), WarehouseError> {
    let statement = statement(MARK, "blob_storage_file_log", "markDeleted", project)
        .param("now", now)
        .setting("async_insert", 0);
    service.execute(&statement).await.map(drop)
}

/// Deletes rows by id; how many there were.
pub(super) async fn delete(
    service: &Service,
    project: &str,
    kind: EntityKind,
    ids: &[&Text],
) -> Result<u64, WarehouseError> {
    let ids: Vec<&str> = ids.iter().map(|id| &***id).collect();
    let (table, time) = (kind.table().name(), kind.table().time_column());
    let by_id = "project_id = {project:String} AND id IN {ids:Array(String)}";
    let sql = format!(
        "SELECT count(), toUnixTimestamp64Milli(min({time})), toUnixTimestamp64Milli(max({time})) FROM {table} WHERE {by_id}"
    );
    let count = statement(sql, table, "countDeleted", project).param("ids", ids.as_slice());
    let (rows, from, to): (u64, i64, i64) = service.one(&count).await?;
    if rows == 0 {
        return Ok(0);
    }
    // The bounds keep the delete off the parts of other months.
    let sql = format!(
        "DELETE FROM {table} WHERE {by_id}{}",
        between(time, Millis(from), Millis(to))
    );
    let delete = statement(sql, table, "delete", project)
        .param("ids", ids.as_slice())
        .param("from", from)
        .param("to", to);
    service.execute(&delete).await?;
    Ok(rows)
}

/// Deletes all rows of a project; how many there were.
pub(super) async fn delete_project(service: &Service, project: &str, kind: EntityKind) -> Result<u64, WarehouseError> {
    let table = kind.table().name();
    let count = format!("SELECT count() FROM {table} WHERE project_id = {{project:String}}");
    let rows: u64 = service.one(&statement(count, table, "countDeleted", project)).await?;
    if rows > 0 {
        let sql = format!("DELETE FROM {table} WHERE project_id = {{project:String}}");
        service.execute(&statement(sql, table, "delete", project)).await?;
    }
    Ok(rows)
}
