//! Which advice follows from which figures. Pure.
//!
//! A statement is looked at when it reads much, and much more than it returns. It then depends on how it finds its rows:
//!
//! | finds rows by | and there is | advice |
//! |---|---|---|
//! | a column | no index on it | a bloom filter index |
//! | a column | an index | a projection of offsets, sorted by the column |
//! | days | - | none: it counts or sums what it reads; a narrower time range is what helps |

use serde::Serialize;
use tracemill_model::Table;
use tracemill_web::query::patterns::{By, Step};

/// What reads less is well as it is.
const MUCH_BYTES: u64 = 16 << 20;
/// So many rows are read for one that is returned, at least.
const MUCH_ROWS: u64 = 100;
/// Rows of a granule, which is the least that is read.
const GRANULE: u64 = 8192;
/// What the advice must save at least: it reads this part of the rows, or less.
const SAVES: u64 = 4;
/// Bytes that a filter of one in a thousand false answers takes for a value.
const BLOOM_BYTES: f64 = 1.8;
/// Bytes of a row's offset in a projection, before compression.
const OFFSET_BYTES: u64 = 8;

/// What one statement of a pattern cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figure {
    /// Which.
    pub(crate) step: Step,
    /// Rows read.
    pub(crate) rows: u64,
    /// Bytes read, uncompressed.
    pub(crate) bytes: u64,
    /// Rows returned.
    pub(crate) returned: u64,
}

/// A table as it is on the server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sizes {
    /// Rows, versions included.
    pub(crate) rows: u64,
    /// Bytes on disk.
    pub(crate) bytes: u64,
    /// Bytes on disk by column.
    pub(crate) columns: Vec<(String, u64)>,
    /// Columns with an index of their own.
    pub(crate) indexed: Vec<String>,
    /// Bytes of an index by its column.
    pub(crate) index_bytes: Vec<(String, u64)>,
    /// Columns that a projection is sorted by, after the project.
    pub(crate) projected: Vec<String>,
}

impl Sizes {
    fn column(&self, name: &str) -> u64 {
        let found = self.columns.iter().find(|(own, _)| own == name);
        found.map_or(0, |(_, bytes)| *bytes)
    }
}

/// What would pay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Advice {
    /// `index` or `projection`.
    pub(crate) kind: &'static str,
    /// The table.
    pub(crate) table: String,
    /// The column that rows are found by.
    pub(crate) column: String,
    /// Rows that the statement would read then, about.
    pub(crate) rows_then: u64,
    /// What it takes on disk, in bytes.
    pub(crate) storage: u64,
    /// How much more an insert writes, in thousandths of what it writes now.
    pub(crate) writes_per_mille: u64,
    /// The statements that make it, in this order.
    pub(crate) statements: Vec<String>,
}

/// What follows from a statement's figures on a table.
pub(crate) fn advise(figure: &Figure, sizes: &Sizes) -> Option<Advice> {
    let Figure {
        step,
        rows,
        bytes,
        returned,
    } = *figure;
    let By::Column(column) = step.by else { return None };
    let is_indexed = sizes.indexed.iter().any(|own| own == column);
    if bytes < MUCH_BYTES || rows / returned.max(1) < MUCH_ROWS {
        return None;
    }
    match is_indexed {
        // Each row that is returned may be in a granule of its own.
        false => {
            let then = returned.max(1).saturating_mul(GRANULE);
            (then <= rows / SAVES).then(|| index(step.table, column, then, sizes))
        }
        // Rows that are sorted by the column lie together; their versions are told apart by reading them.
        true if !sizes.projected.iter().any(|own| own == column) => {
            let then = returned.saturating_add(GRANULE);
            (then <= rows / SAVES).then(|| projection(step.table, column, then, sizes))
        }
        true => None,
    }
}

fn per_mille(part: u64, whole: u64) -> u64 {
    part.saturating_mul(1000) / whole.max(1)
}

fn index(table: Table, column: &str, rows_then: u64, sizes: &Sizes) -> Advice {
    // As large as the index of another column of the table; without one, by its false answers.
    let other = sizes
        .index_bytes
        .iter()
        .map(|(_, bytes)| *bytes)
        .filter(|bytes| *bytes > 0)
        .max();
    let storage = other.unwrap_or((sizes.rows as f64 * BLOOM_BYTES) as u64);
    let name = format!("idx_{column}");
    Advice {
        kind: "index",
        table: table.to_string(),
        column: column.to_owned(),
        rows_then,
        storage,
        writes_per_mille: per_mille(storage, sizes.bytes),
        statements: vec![
            format!("ALTER TABLE {table} ADD INDEX {name} {column} TYPE bloom_filter(0.001) GRANULARITY 1"),
            format!("ALTER TABLE {table} MATERIALIZE INDEX {name}"),
        ],
    }
}

fn projection(table: Table, column: &str, rows_then: u64, sizes: &Sizes) -> Advice {
    let storage = sizes.column("project_id") + sizes.column(column) + sizes.rows * OFFSET_BYTES;
    let name = format!("by_{column}");
    Advice {
        kind: "projection",
        table: table.to_string(),
        column: column.to_owned(),
        rows_then,
        storage,
        writes_per_mille: per_mille(storage, sizes.bytes),
        statements: vec![
            // A table that replaces versions takes no projection without saying what a merge does with it.
            format!("ALTER TABLE {table} MODIFY SETTING deduplicate_merge_projection_mode = 'rebuild'"),
            format!("ALTER TABLE {table} ADD PROJECTION {name} (SELECT _part_offset ORDER BY project_id, {column})"),
            format!("ALTER TABLE {table} MATERIALIZE PROJECTION {name}"),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(by: By, rows: u64, bytes: u64, returned: u64) -> Figure {
        let step = Step {
            name: "a step",
            table: Table::Scores,
            by,
        };
        Figure {
            step,
            rows,
            bytes,
            returned,
        }
    }

    fn sizes(indexed: &[&str], projected: &[&str]) -> Sizes {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Sizes {
            rows: 5_000_000,
            bytes: 1_000_000_000,
            columns: vec![
                ("project_id".to_owned(), 1_000_000),
                ("trace_id".to_owned(), 49_000_000),
            ],
            indexed: own(indexed),
            index_bytes: Vec::new(),
            projected: own(projected),
        }
    }

    #[test]
    fn advice_follows_from_figures() {
        let (trace, many) = (By::Column("trace_id"), 100 << 20);
        for (figure, sizes, expected, why) in [
            (
                figure(trace, 3_000_000, many, 3),
                sizes(&[], &[]),
                Some("index"),
                "it reads the table for three rows",
            ),
            (
                figure(trace, 3_000_000, many, 3),
                sizes(&["trace_id"], &[]),
                Some("projection"),
                "the index does not help",
            ),
            (
                figure(trace, 3_000_000, many, 3),
                sizes(&["trace_id"], &["trace_id"]),
                None,
                "there is one",
            ),
            (
                figure(trace, 3_000_000, many, 0),
                sizes(&[], &[]),
                Some("index"),
                "it reads the table for nothing",
            ),
            (
                figure(trace, 3_000_000, 15 << 20, 3),
                sizes(&[], &[]),
                None,
                "it reads little",
            ),
            (
                figure(trace, 3_000_000, many, 40_000),
                sizes(&["trace_id"], &[]),
                None,
                "it returns much of it",
            ),
            (
                figure(trace, 20_000, many, 3),
                sizes(&[], &[]),
                None,
                "an index would read as much",
            ),
            (
                figure(trace, 30_000, many, 3),
                sizes(&["trace_id"], &[]),
                None,
                "so would a projection",
            ),
            (
                figure(By::Days, 3_000_000, many, 14),
                sizes(&[], &[]),
                None,
                "it counts what it reads",
            ),
        ] {
            let advice = advise(&figure, &sizes).map(|advice| advice.kind);
            assert_eq!(advice, expected, "{why}");
        }
    }

    #[test]
    fn cost_is_told_with_the_statements() {
        let figure = figure(By::Column("trace_id"), 3_000_000, 100 << 20, 200);
        let advice = advise(&figure, &sizes(&["trace_id"], &[])).expect("advice");
        assert_eq!(advice.storage, 1_000_000 + 49_000_000 + 8 * 5_000_000);
        assert_eq!((advice.writes_per_mille, advice.rows_then), (90, 200 + GRANULE));
        assert_eq!(advice.statements.len(), 3);
        assert!(
            advice.statements[1].contains("ADD PROJECTION by_trace_id"),
            "{advice:?}"
        );
        let mut other = sizes(&[], &[]);
        // Few enough for an index, which finds granules.
        let figure = self::figure(By::Column("trace_id"), 3_000_000, 100 << 20, 3);
        let by_rows = advise(&figure, &other).expect("advice");
        assert_eq!(by_rows.storage, 9_000_000);
        other.index_bytes.push(("id".to_owned(), 7_000_000));
        assert_eq!(
            advise(&figure, &other).map(|advice| advice.storage),
            Some(7_000_000),
            "as measured"
        );
    }
}
