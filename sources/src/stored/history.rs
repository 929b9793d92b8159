//! The raw objects that hold events of entities, from `blob_storage_file_log`.

use std::collections::HashMap;

use tracemill_model::Millis;
use tracemill_model::ingest::{EntityKey, Text};
use tracemill_warehouse::chunks::chunks;
use tracemill_warehouse::{Comment, Service, Statement};

use super::lookup::groups;
use super::rows;
use crate::SourceError;

/// One raw object of an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawObject {
    /// The line's `event_id`: the object's name.
    pub name: Text,
    /// Its bucket.
    pub bucket: Text,
    /// Its key.
    pub path: Text,
    /// When the line was first written.
    pub created_at: Millis,
}

/// The raw objects of entities, oldest first, without those that were removed. Keys that have none are not in the answer.
///
/// # Errors
/// Those of ClickHouse; an answer that breaks off.
pub async fn history(service: &Service, keys: &[EntityKey]) -> Result<HashMap<EntityKey, Vec<RawObject>>, SourceError> {
    let sql = "SELECT entity_id, event_id, argMax(bucket_name, event_ts), argMax(bucket_path, event_ts), \
               toUnixTimestamp64Milli(min(created_at)) AS created FROM blob_storage_file_log \
               WHERE project_id = {project:String} AND entity_type = {kind:String} AND entity_id IN {ids:Array(String)} \
               GROUP BY entity_id, event_id HAVING argMax(is_deleted, (event_ts, is_deleted)) = 0 ORDER BY created, event_id";
    let mut found: HashMap<EntityKey, Vec<RawObject>> = HashMap::new();
    for ((project, kind), ids) in groups(keys) {
        for ids in chunks(&ids, |id| id) {
            let comment = Comment::ingestion("blob_storage_file_log", "lookupHistory", Some(project));
            let statement = Statement::new(sql, comment)
                .param("project", &**project)
                .param("kind", kind.name())
                .param("ids", ids)
                .setting("use_query_cache", 0);
            let read = |reader: &mut super::binary::Reader<'_>| {
                let id = reader.text()?;
                let object = RawObject {
                    name: reader.text()?,
                    bucket: reader.text()?,
                    path: reader.text()?,
                    created_at: reader.time()?,
                };
                Ok((id, object))
            };
            rows::each(service, &statement, read, |(id, object)| {
                let key = EntityKey {
                    project: Text::clone(project),
                    kind,
                    id,
                };
                found.entry(key).or_default().push(object);
            })
            .await?;
        }
    }
    Ok(found)
}
