//! Tombstones: what was deleted, so that events that arrive late, or are replayed, do not bring it back.
//!
//! A tombstone is written before anything is removed, and is never removed itself. Writing one twice is one tombstone, with
//! the later time.

use std::collections::HashMap;

use tracemill_model::Millis;
use tracemill_model::ingest::{EntityKey, EntityKind, Text};

use crate::chunks::chunks;
use crate::error::WarehouseError;
use crate::service::Service;
use crate::statement::{Comment, Statement};

/// The table.
pub const TABLE: &str = "tracemill_tombstones";

/// The kind of a tombstone that buries a whole project.
const PROJECT: &str = "project";

/// What was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Buried {
    /// One entity; of a trace, all that belongs to it.
    Entity(EntityKey),
    /// Everything of a project.
    Project(Text),
}

/// A deletion that holds for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// What.
    pub what: Buried,
    /// When it was asked for.
    pub at: Millis,
}

impl Buried {
    fn columns(&self) -> (&str, &'static str, &str) {
        match self {
            Self::Entity(key) => (&key.project, key.kind.name(), &key.id),
            Self::Project(project) => (project, PROJECT, ""),
        }
    }

    fn parse(project: &str, kind: &str, id: &str) -> Option<Self> {
        if kind == PROJECT {
            return Some(Self::Project(project.into()));
        }
        Some(Self::Entity(EntityKey {
            project: project.into(),
            kind: EntityKind::parse(kind)?,
            id: id.into(),
        }))
    }
}

/// The statement that makes the table. `on_cluster` is empty or ` ON CLUSTER name`.
pub(crate) fn create_sql(on_cluster: &str, engine: &str) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS `{TABLE}`{on_cluster} (\n    `project_id` String,\n    \
         `kind` LowCardinality(String),\n    `id` String,\n    `deleted_at` DateTime64(3)\n) ENGINE = {engine}\n\
         ORDER BY (project_id, kind, id)"
    )
}

fn comment(operation: &'static str, project: Option<&str>) -> Comment {
    Comment::ingestion("tombstone", operation, project)
}

/// Writes tombstones. They are durable when it returns.
///
/// # Errors
/// Those of the server; some may have been written then, and writing all of them again is right.
pub async fn bury(service: &Service, what: &[Buried], at: Millis) -> Result<(), WarehouseError> {
    for piece in chunks(what, |one| one.columns().2) {
        let columns: Vec<_> = piece.iter().map(Buried::columns).collect();
        let projects: Vec<&str> = columns.iter().map(|(project, ..)| *project).collect();
        let kinds: Vec<&str> = columns.iter().map(|(_, kind, _)| *kind).collect();
        let ids: Vec<&str> = columns.iter().map(|(.., id)| *id).collect();
        let sql = format!(
            "INSERT INTO `{TABLE}` (project_id, kind, id, deleted_at) SELECT t.1, t.2, t.3, \
             fromUnixTimestamp64Milli({{at:Int64}}, 'UTC') FROM (SELECT arrayJoin(arrayZip({{projects:Array(String)}}, \
             {{kinds:Array(String)}}, {{ids:Array(String)}})) AS t)"
        );
        let statement = Statement::new(sql, comment("bury", projects.first().copied()))
            .param("projects", projects.as_slice())
            .param("kinds", kinds.as_slice())
            .param("ids", ids.as_slice())
            .param("at", at)
            .setting("async_insert", 0);
        service.execute(&statement).await?;
    }
    Ok(())
}

/// Which of the keys are buried themselves, and since when. Whole projects are for [`since`].
///
/// # Errors
/// Those of the server.
pub async fn find(service: &Service, keys: &[EntityKey]) -> Result<HashMap<EntityKey, Millis>, WarehouseError> {
    let mut groups: HashMap<(&Text, EntityKind), Vec<&EntityKey>> = HashMap::new();
    for key in keys {
        groups.entry((&key.project, key.kind)).or_default().push(key);
    }
    let mut found = HashMap::new();
    for ((project, kind), keys) in groups {
        for piece in chunks(&keys, |key| &key.id) {
            let ids: Vec<&str> = piece.iter().map(|key| &*key.id).collect();
            let sql = format!(
                "SELECT id, toUnixTimestamp64Milli(max(deleted_at)) FROM `{TABLE}` \
                 WHERE project_id = {{project:String}} AND kind = {{kind:String}} AND id IN {{ids:Array(String)}} GROUP BY id"
            );
            let statement = Statement::new(sql, comment("findTombstones", Some(project)))
                .param("project", &**project)
                .param("kind", kind.name())
                .param("ids", ids.as_slice())
                .setting("use_query_cache", 0);
            for (id, at) in service.rows::<(String, i64)>(&statement).await? {
                let key = EntityKey {
                    project: Text::clone(project),
                    kind,
                    id: id.into(),
                };
                found.insert(key, Millis(at));
            }
        }
    }
    Ok(found)
}

/// Every tombstone from `since` on, by time. For all of a project's, and for keeping a set of them up to date.
///
/// # Errors
/// Those of the server.
pub async fn since(service: &Service, since: Millis) -> Result<Vec<Tombstone>, WarehouseError> {
    let sql = format!(
        "SELECT project_id, CAST(kind AS String), id, toUnixTimestamp64Milli(max(deleted_at)) AS at FROM `{TABLE}` \
         WHERE deleted_at >= fromUnixTimestamp64Milli({{since:Int64}}, 'UTC') GROUP BY project_id, kind, id ORDER BY at"
    );
    let statement = Statement::new(sql, comment("listTombstones", None))
        .param("since", since)
        .setting("use_query_cache", 0);
    let rows = service.rows::<(String, String, String, i64)>(&statement).await?;
    let read = |(project, kind, id, at): (String, String, String, i64)| {
        let what = Buried::parse(&project, &kind, &id)?;
        Some(Tombstone { what, at: Millis(at) })
    };
    Ok(rows.into_iter().filter_map(read).collect())
}
