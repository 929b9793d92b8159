//! Which rows of a batch are not in their table: asked after an insert whose outcome is not known.
//!
//! A row counts as there when its table has its key, all of its sort key, in a version that is no older. What has moved to
//! another place meanwhile counts as missing; sending it again does no harm, since the older version loses.

use std::collections::HashMap;

use tracemill_model::Millis;
use tracemill_model::ingest::EntityKind;
use tracemill_warehouse::chunks::{between, chunks};
use tracemill_warehouse::{Comment, Service, Statement, WarehouseError};

use super::batch::{Batch, Entry, RowTable};
use super::plan::Piece;

/// The rows of the piece that are missing, sorted.
pub(super) async fn missing(service: &Service, batch: &Batch, piece: &Piece) -> Result<Vec<usize>, WarehouseError> {
    let mut missing = Vec::new();
    for ((project, kind), mut rows) in groups(batch, piece) {
        // Chunks of neighbouring times read fewer days.
        rows.sort_unstable_by_key(|&row| batch.entry(row).time);
        for rows in chunks(&rows, |&row| &batch.entry(row).key.id) {
            let there = there(service, batch, project, kind, rows).await?;
            missing.extend(rows.iter().copied().filter(|&row| !there.has(batch.entry(row))));
        }
    }
    missing.sort_unstable();
    Ok(missing)
}

fn groups<'a>(batch: &'a Batch, piece: &Piece) -> HashMap<(&'a str, EntityKind), Vec<usize>> {
    let mut groups: HashMap<_, Vec<usize>> = HashMap::new();
    for row in piece.rows() {
        let key = &batch.entry(row).key;
        groups.entry((&*key.project, key.kind)).or_default().push(row);
    }
    groups
}

/// id → (part, time, newest version).
struct There {
    found: HashMap<String, Vec<(String, i64, i64)>>,
    has_time: bool,
}

impl There {
    fn has(&self, entry: &Entry) -> bool {
        self.found.get(&*entry.key.id).is_some_and(|versions| {
            versions.iter().any(|(part, time, event_ts)| {
                part == entry.part.as_str()
                    && (!self.has_time || *time == entry.time.0)
                    && *event_ts >= entry.event_ts.0
            })
        })
    }
}

async fn there(
    service: &Service,
    batch: &Batch,
    project: &str,
    kind: EntityKind,
    rows: &[usize],
) -> Result<There, WarehouseError> {
    let table = batch.table();
    let comment = Comment::ingestion(table.name(), "verifyWrite", Some(project));
    let ids: Vec<&str> = rows.iter().map(|&row| &*batch.entry(row).key.id).collect();
    let times = || rows.iter().map(|&row| batch.entry(row).time);
    let (from, to) = (times().min().unwrap_or_default(), times().max().unwrap_or_default());
    let statement = Statement::new(sql(table, from, to), comment)
        .param("project", project)
        .param("kind", kind.name())
        .param("ids", ids.as_slice())
        .param("from", from)
        .param("to", to)
        .setting("use_query_cache", 0);
    let mut found: HashMap<String, Vec<(String, i64, i64)>> = HashMap::new();
    for (id, part, time, event_ts) in service.rows::<(String, String, i64, i64)>(&statement).await? {
        found.entry(id).or_default().push((part, time, event_ts));
    }
    Ok(There {
        found,
        has_time: table != RowTable::FileLog,
    })
}

fn sql(table: RowTable, from: Millis, to: Millis) -> String {
    let (part, time) = match table {
        RowTable::FileLog => {
            return "SELECT entity_id, event_id, toInt64(0), toUnixTimestamp64Milli(max(event_ts)) \
                    FROM blob_storage_file_log WHERE project_id = {project:String} AND entity_type = {kind:String} \
                    AND entity_id IN {ids:Array(String)} GROUP BY entity_id, event_id"
                .to_owned();
        }
        RowTable::Traces => ("''", "timestamp"),
        RowTable::Observations => ("CAST(type AS String)", "start_time"),
        RowTable::Scores => ("name", "timestamp"),
    };
    format!(
        "SELECT id, {part} AS part, toUnixTimestamp64Milli({time}) AS at, toUnixTimestamp64Milli(max(event_ts)) \
         FROM {table} WHERE project_id = {{project:String}} AND id IN {{ids:Array(String)}}{} GROUP BY id, part, at",
        between(time, from, to)
    )
}
