//! What is asked of ClickHouse: pure text and parameters.
//!
//! No `FINAL`, no `ORDER BY`, no `LIMIT BY`: sorting wide rows is what takes a server down. Values are parameters, ids as
//! hexadecimal digits so that any byte passes.

use std::fmt::Write as _;

use tracemill_model::{ExportKey, IdRange, Leaf, Table, Types, Window};
use tracemill_warehouse::{Comment, Statement};

/// The rows of a window's id range: what pass one reads.
fn scope(table: Table, ids: &IdRange) -> String {
    let time = table.time_column();
    let mut sql = format!(
        "FROM {table} WHERE project_id = {{project:String}} \
         AND {time} >= fromUnixTimestamp64Milli({{from:Int64}}, 'UTC') \
         AND {time} < fromUnixTimestamp64Milli({{to:Int64}}, 'UTC')"
    );
    if ids.from.is_some() {
        sql.push_str(" AND id >= unhex({first_id:String})");
    }
    if ids.to.is_some() {
        sql.push_str(" AND id < unhex({end_id:String})");
    }
    sql
}

fn hex(id: &str) -> String {
    id.bytes().fold(String::with_capacity(2 * id.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `SELECT {columns}` of the scope, with its parameters.
fn build(key: &ExportKey, kind: &'static str, columns: &str, window: Window, ids: &IdRange, rest: &str) -> Statement {
    let mut comment = Comment::export(key.table, &key.project);
    comment.kind = Some(kind.into());
    let sql = format!("SELECT {columns} {}{rest}", scope(key.table, ids));
    let mut statement = Statement::new(sql, comment)
        .param("project", &key.project)
        .param("from", window.from)
        .param("to", window.to);
    if let Some(id) = &ids.from {
        statement = statement.param("first_id", hex(id).as_str());
    }
    if let Some(id) = &ids.to {
        statement = statement.param("end_id", hex(id).as_str());
    }
    statement
}

/// The condition that makes a row live: not deleted, and of a kind that is exported.
fn is_live(table: Table) -> String {
    match table.filter() {
        Some(filter) => format!("is_deleted = 0 AND {filter}"),
        None => "is_deleted = 0".to_owned(),
    }
}

fn key_columns(table: Table) -> String {
    let ty = if table.is_sorted_by_type() {
        ", type AS __type"
    } else {
        ""
    };
    format!(
        "id AS __id, event_ts AS __event_ts, {} AS __time{ty}",
        table.time_column()
    )
}

/// How many versions a leaf's index has to hold.
#[must_use]
pub fn count(key: &ExportKey, leaf: &Leaf) -> Statement {
    build(key, "count", "count()", leaf.window, &leaf.ids, "")
}

/// How many ids [`sample`] picks at most: all of them where there are no more.
pub(super) const SAMPLE: u64 = 256;

/// Some ids of a leaf, for cutting it before its key columns are read.
#[must_use]
pub fn sample(key: &ExportKey, leaf: &Leaf) -> Statement {
    build(
        key,
        "sample",
        &format!("groupArraySample({SAMPLE}, 1)(id)"),
        leaf.window,
        &leaf.ids,
        "",
    )
}

/// Pass one: the key columns of every version in the leaf's window and id range, and whether it is live.
#[must_use]
pub fn keys(key: &ExportKey, window: Window, ids: &IdRange) -> Statement {
    let columns = format!("{}, toUInt8({}) AS __live", key_columns(key.table), is_live(key.table));
    build(key, "keys", &columns, window, ids, "")
}

/// Pass two: key columns, then the columns to write, of every version in the leaf. Tombstones come too: a filter that drops
/// a row here and there makes the server copy every wide column, while dedup drops them for nothing.
#[must_use]
pub fn rows(key: &ExportKey, leaf: &Leaf, columns: &[String]) -> Statement {
    let mut selected = key_columns(key.table);
    for column in columns {
        let _ = write!(selected, ", `{column}`");
    }
    own(key, "analytic", &selected, leaf)
}

/// How many versions lie in the leaf itself, its slice and its types: the number that failures teach a limit for.
#[must_use]
pub fn own_count(key: &ExportKey, leaf: &Leaf) -> Statement {
    own(key, "count", "count()", leaf)
}

/// `SELECT {columns}` of the leaf itself.
fn own(key: &ExportKey, kind: &'static str, columns: &str, leaf: &Leaf) -> Statement {
    let types = match &leaf.types {
        None => None,
        Some(Types::Only(types)) => Some((" AND type IN {types:Array(String)}", types)),
        Some(Types::Except(types)) => Some((" AND type NOT IN {types:Array(String)}", types)),
    };
    let rest = types.map_or("", |(condition, _)| condition);
    let statement = build(key, kind, columns, leaf.slice, &leaf.ids, rest);
    match types {
        Some((_, types)) => statement.param("types", types.as_slice()),
        None => statement,
    }
}

/// Nothing, of the same table and columns: fails only for reasons that are not a leaf's own.
#[must_use]
pub fn nothing(key: &ExportKey, columns: &[String]) -> Statement {
    let mut selected = key_columns(key.table);
    for column in columns {
        let _ = write!(selected, ", `{column}`");
    }
    let mut comment = Comment::export(key.table, &key.project);
    comment.kind = Some("probe".into());
    Statement::new(format!("SELECT {selected} FROM {} WHERE 0", key.table), comment)
}

#[cfg(test)]
mod tests {
    use tracemill_model::{LeafPath, Millis, ProjectId};

    use super::*;

    #[test]
    fn a_leaf_of_everything_and_a_leaf_of_little() {
        let key = ExportKey {
            project: ProjectId::new("p'1").expect("an id"),
            table: Table::Observations,
        };
        let window = Window {
            from: Millis(0),
            to: Millis(86_400_000),
        };
        let all = Leaf::root(window);
        let sql = rows(&key, &all, &["id".to_owned(), "input".to_owned()])
            .sql()
            .to_owned();
        assert_eq!(
            sql,
            "SELECT id AS __id, event_ts AS __event_ts, start_time AS __time, type AS __type, `id`, `input` \
             FROM observations WHERE project_id = {project:String} \
             AND start_time >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') \
             AND start_time < fromUnixTimestamp64Milli({to:Int64}, 'UTC')"
        );
        let little = Leaf {
            types: Some(Types::Except(vec!["SPAN".to_owned()])),
            ids: IdRange {
                from: Some("a".to_owned()),
                to: Some("b".to_owned()),
            },
            path: LeafPath::default(),
            ..all
        };
        let sql = rows(&key, &little, &["id".to_owned()]).sql().to_owned();
        assert!(
            sql.contains("id >= unhex({first_id:String}) AND id < unhex({end_id:String})"),
            "{sql}"
        );
        assert!(sql.ends_with("AND type NOT IN {types:Array(String)}"), "{sql}");
        assert!(!sql.contains("p'1"), "values are parameters: {sql}");
        assert_eq!(hex("a/ÿ"), "612fc3bf");
    }

    #[test]
    fn scores_of_other_kinds_are_not_live() {
        let key = ExportKey {
            project: ProjectId::new("p").expect("an id"),
            table: Table::Scores,
        };
        let window = Window {
            from: Millis(0),
            to: Millis(1),
        };
        let sql = keys(&key, window, &IdRange::default()).sql().to_owned();
        assert!(
            sql.contains("toUInt8(is_deleted = 0 AND data_type IN ('NUMERIC', 'BOOLEAN', 'CATEGORICAL'))"),
            "{sql}"
        );
    }
}
