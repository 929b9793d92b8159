//! The newest rows of entities.

use std::collections::HashMap;

use tracemill_model::ingest::{EntityKey, EntityKind, Row, Text};
use tracemill_model::time::DAY_MS;
use tracemill_model::{Millis, Table};
use tracemill_warehouse::chunks::chunks;
use tracemill_warehouse::service::quoted;
use tracemill_warehouse::{Comment, Service, Statement};

use super::binary::{Reader, Stop};
use super::places::{Place, newest};
use super::rows;
use crate::SourceError;

/// What is stored of an entity.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The newest version, which may be a tombstone.
    pub row: Row,
    /// Other places where it is live, oldest first: each is to be buried ([`Place::grave`]).
    pub others: Vec<Place>,
}

/// Looks up the newest rows of entities. Keys that have none are not in the answer.
///
/// # Errors
/// Those of ClickHouse; an answer that breaks off.
pub async fn lookup(service: &Service, keys: &[EntityKey]) -> Result<HashMap<EntityKey, Stored>, SourceError> {
    let mut found = HashMap::with_capacity(keys.len().min(1024));
    for ((project, kind), ids) in groups(keys) {
        for ids in chunks(&ids, |id| id) {
            // A version that is replaced between the two steps is looked up once more.
            let mut left = ids.to_vec();
            for _ in 0..3 {
                let places = places(service, project, kind, &left).await?;
                left = fill(service, project, kind, places, &mut found).await?;
                if left.is_empty() {
                    break;
                }
            }
            if let Some(id) = left.first() {
                return Err(SourceError::Shape {
                    reason: format!("the row of {kind} {id:?} changed three times while it was read"),
                });
            }
        }
    }
    Ok(found)
}

/// The ids of each project and kind, each once.
pub(super) fn groups(keys: &[EntityKey]) -> HashMap<(&Text, EntityKind), Vec<Text>> {
    let mut groups: HashMap<_, Vec<Text>> = HashMap::new();
    for key in keys {
        groups
            .entry((&key.project, key.kind))
            .or_default()
            .push(Text::clone(&key.id));
    }
    for ids in groups.values_mut() {
        ids.sort_unstable();
        ids.dedup();
    }
    groups
}

/// The part of the sort key beside project, day and id.
const fn part(table: Table) -> &'static str {
    match table {
        Table::Traces => "''",
        Table::Observations => "CAST(type AS String)",
        Table::Scores => "name",
    }
}

/// Step one: where the entities are, by narrow columns alone.
async fn places(
    service: &Service,
    project: &Text,
    kind: EntityKind,
    ids: &[Text],
) -> Result<HashMap<Text, Vec<Place>>, SourceError> {
    let table = kind.table();
    let (part, time) = (part(table), table.time_column());
    let sql = format!(
        "SELECT id, {part} AS part, toUInt16(toDate({time})) AS day, \
         toUnixTimestamp64Milli(argMax({time}, (event_ts, is_deleted))), toUnixTimestamp64Milli(max(event_ts)), \
         argMax(is_deleted, (event_ts, is_deleted)) FROM {table} \
         WHERE project_id = {{project:String}} AND id IN {{ids:Array(String)}} GROUP BY id, part, day"
    );
    let statement = statement(sql, "lookupPlaces", table, project).param("ids", ids);
    let read = |reader: &mut Reader<'_>| -> Result<(Text, Place), Stop> {
        let id = reader.text()?;
        let part = reader.text()?;
        let day = reader.short()?;
        let (time, event_ts) = (reader.time()?, reader.time()?);
        let is_deleted = reader.flag()?;
        let place = Place {
            part,
            time,
            event_ts,
            is_deleted,
            day,
        };
        Ok((id, place))
    };
    let mut places: HashMap<Text, Vec<Place>> = HashMap::new();
    rows::each(service, &statement, read, |(id, place)| {
        places.entry(id).or_default().push(place);
    })
    .await?;
    Ok(places)
}

/// Step two: the rows themselves, by all of their sort key. Returns the ids whose row was not as step one had said.
async fn fill(
    service: &Service,
    project: &Text,
    kind: EntityKind,
    places: HashMap<Text, Vec<Place>>,
    found: &mut HashMap<EntityKey, Stored>,
) -> Result<Vec<Text>, SourceError> {
    let mut wanted: HashMap<Text, (Place, Vec<Place>)> = places
        .into_iter()
        .filter_map(|(id, places)| Some((id, newest(places)?)))
        .collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let table = kind.table();
    let statement = fill_statement(table, project, &wanted);
    rows::each(
        service,
        &statement,
        |reader| Ok((rows::row(table, reader)?, reader.text()?)),
        |(row, part)| {
            let key = row.key();
            let is_wanted = |(place, _): &(Place, Vec<Place>)| {
                place.part == part && place.event_ts == row.event_ts() && place.is_deleted == row.is_deleted()
            };
            // The same version may be there twice: the first is as good.
            if let Some((_, others)) = wanted.get(&key.id).filter(|one| is_wanted(one)) {
                let others = others.clone();
                wanted.remove(&key.id);
                found.insert(key, Stored { row, others });
            }
        },
    )
    .await?;
    Ok(wanted.into_keys().collect())
}

fn fill_statement(table: Table, project: &Text, wanted: &HashMap<Text, (Place, Vec<Place>)>) -> Statement {
    let ids: Vec<&str> = wanted.keys().map(|id| &**id).collect();
    let date = |day: u16| Millis(i64::from(day) * DAY_MS).date();
    let mut days: Vec<String> = wanted.values().map(|(place, _)| date(place.day)).collect();
    days.sort_unstable();
    days.dedup();
    let mut parts: Vec<&str> = wanted.values().map(|(place, _)| &*place.part).collect();
    parts.sort_unstable();
    parts.dedup();
    let mut versions: Vec<i64> = wanted.values().map(|(place, _)| place.event_ts.0).collect();
    versions.sort_unstable();
    versions.dedup();
    let columns: Vec<String> = table.columns().iter().map(|column| quoted(column.name)).collect();
    let by_part = match table {
        Table::Traces => "",
        Table::Observations => " AND type IN {parts:Array(String)}",
        Table::Scores => " AND name IN {parts:Array(String)}",
    };
    let sql = format!(
        "SELECT {}, {} FROM {table} PREWHERE id IN {{ids:Array(String)}} \
         AND toUnixTimestamp64Milli(event_ts) IN {{versions:Array(Int64)}} \
         WHERE project_id = {{project:String}} AND toDate({}) IN {{days:Array(Date)}}{by_part}",
        columns.join(", "),
        part(table),
        table.time_column(),
    );
    statement(sql, "lookupRows", table, project)
        .param("ids", ids.as_slice())
        .param("days", days.as_slice())
        .param("versions", numbers(&versions).as_str())
        .param("parts", parts.as_slice())
}

/// An array of numbers as a parameter.
fn numbers<T: ToString>(numbers: &[T]) -> String {
    let texts: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    format!("[{}]", texts.join(","))
}

pub(super) fn statement(sql: String, operation: &'static str, table: Table, project: &Text) -> Statement {
    Statement::new(sql, Comment::ingestion(table.name(), operation, Some(project)))
        .param("project", &**project)
        .setting("use_query_cache", 0)
}
