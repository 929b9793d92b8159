//! Definitions as SQL, for one server and for a cluster.

use std::fmt::Write;

use tracemill_model::table::Column;

use super::Definition;
use crate::service::quoted;

/// One server, or a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Form {
    /// The cluster of `ON CLUSTER`.
    pub cluster: Option<String>,
    /// Whether the engines are the replicated ones, with the server's macros `shard` and `replica`.
    pub replicated: bool,
}

impl Form {
    /// ` ON CLUSTER name`, or nothing.
    #[must_use]
    pub fn on_cluster(&self) -> String {
        self.cluster
            .as_deref()
            .map(|name| format!(" ON CLUSTER {}", quoted(name)))
            .unwrap_or_default()
    }

    /// The engine of a table, from that of a single server: `ReplacingMergeTree(event_ts, is_deleted)`.
    #[must_use]
    pub fn engine(&self, family: &str, arguments: &str) -> String {
        if !self.replicated {
            return format!("{family}({arguments})");
        }
        let comma = if arguments.is_empty() { "" } else { ", " };
        format!(
            "Replicated{family}('/clickhouse/tables/{{shard}}/{{database}}/{{table}}', '{{replica}}'{comma}{arguments})"
        )
    }
}

/// How many insert blocks a table without a Keeper remembers, so that `insert_deduplication_token` works there too.
const DEDUPLICATION_WINDOW: u32 = 1000;

/// `CREATE TABLE IF NOT EXISTS`, in the service's database.
#[must_use]
pub fn create_sql(definition: &Definition, form: &Form) -> String {
    let mut sql = format!(
        "CREATE TABLE IF NOT EXISTS {}{} (",
        quoted(definition.name),
        form.on_cluster()
    );
    for (index, column) in definition.columns.iter().enumerate() {
        sql.push_str(if index == 0 { "\n    " } else { ",\n    " });
        column_sql(column, &mut sql);
    }
    for index in definition.indexes {
        let _ = write!(
            sql,
            ",\n    INDEX {} {} TYPE {} GRANULARITY 1",
            index.name, index.expression, index.ty
        );
    }
    let _ = write!(
        sql,
        "\n) ENGINE = {}",
        form.engine("ReplacingMergeTree", "event_ts, is_deleted")
    );
    if !definition.partition.is_empty() {
        let _ = write!(sql, "\nPARTITION BY {}", definition.partition);
    }
    let _ = write!(
        sql,
        "\nPRIMARY KEY ({})\nORDER BY ({})",
        definition.primary_key, definition.sort_key
    );
    if !form.replicated {
        let _ = write!(
            sql,
            "\nSETTINGS non_replicated_deduplication_window = {DEDUPLICATION_WINDOW}"
        );
    }
    sql
}

fn column_sql(column: &Column, sql: &mut String) {
    let _ = write!(sql, "{} {}", quoted(column.name), column.ty);
    if !column.default.is_empty() {
        let _ = write!(sql, " DEFAULT {}", column.default);
    }
    if !column.codec.is_empty() {
        let _ = write!(sql, " CODEC({})", column.codec);
    }
}

#[cfg(test)]
mod tests {
    use super::super::DEFINITIONS;
    use super::*;

    #[test]
    fn one_server() {
        let sql = create_sql(&DEFINITIONS[0], &Form::default());
        for part in [
            "CREATE TABLE IF NOT EXISTS `traces` (",
            "`input` Nullable(String) CODEC(ZSTD(3))",
            "`environment` LowCardinality(String) DEFAULT 'default'",
            "INDEX idx_id id TYPE bloom_filter(0.001) GRANULARITY 1",
            "ENGINE = ReplacingMergeTree(event_ts, is_deleted)",
            "PARTITION BY toYYYYMM(timestamp)",
            "ORDER BY (project_id, toDate(timestamp), id)",
            "non_replicated_deduplication_window",
        ] {
            assert!(sql.contains(part), "{part} in {sql}");
        }
    }

    #[test]
    fn a_cluster() {
        let form = Form {
            cluster: Some("main".to_owned()),
            replicated: true,
        };
        for definition in &DEFINITIONS {
            let sql = create_sql(definition, &form);
            assert!(
                sql.contains(&format!("`{}` ON CLUSTER `main` (", definition.name)),
                "{sql}"
            );
            assert!(sql.contains(
                "ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', event_ts, is_deleted)"
            ));
            assert!(!sql.contains("non_replicated"));
        }
        assert!(form.engine("MergeTree", "").ends_with("'{replica}')"));
    }

    #[test]
    fn the_primary_key_begins_the_sort_key() {
        for definition in &DEFINITIONS {
            assert!(
                definition.sort_key.starts_with(definition.primary_key),
                "{}",
                definition.name
            );
        }
    }
}
