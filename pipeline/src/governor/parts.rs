//! How many parts the tables have that ingestion writes, and how many ClickHouse bears.
//!
//! *On error.* What ClickHouse does not tell (no grant, away) is gone without; the first time is logged.

use clickhouse::Row;
use serde::Deserialize;
use tracemill_operators::governor::Crowd;
use tracemill_sinks::rows::RowTable;
use tracemill_warehouse::{Comment, Service, Statement};

use super::sample::{Once, within};

/// The fullest partition of each table, with the table's own bounds, else the server's.
const PARTS: &str = "\
    WITH (SELECT max(toUInt64OrZero(value)) FROM system.merge_tree_settings WHERE name = 'parts_to_delay_insert') AS delay, \
    (SELECT max(toUInt64OrZero(value)) FROM system.merge_tree_settings WHERE name = 'parts_to_throw_insert') AS refuse \
    SELECT t.name AS table, toUInt64(p.parts) AS parts, \
    toUInt64(coalesce(toUInt64OrNull(extract(engine_full, 'parts_to_delay_insert = ([0-9]+)')), delay, 0)) AS delay_at, \
    toUInt64(coalesce(toUInt64OrNull(extract(engine_full, 'parts_to_throw_insert = ([0-9]+)')), refuse, 0)) AS refuse_at \
    FROM system.tables AS t \
    LEFT JOIN (SELECT table, max(n) AS parts FROM (SELECT table, partition_id, count() AS n FROM system.parts \
    WHERE active AND database = currentDatabase() AND table IN {tables:Array(String)} GROUP BY table, partition_id) \
    GROUP BY table) AS p ON p.table = t.name \
    WHERE database = currentDatabase() AND name IN {tables:Array(String)} ORDER BY name";

const MERGES: &str = "SELECT count() FROM system.merges \
    WHERE database = currentDatabase() AND table IN {tables:Array(String)} AND NOT is_mutation";

/// The fullest partition of a table.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub(super) struct TableParts {
    /// Which.
    pub(super) table: String,
    /// Active parts.
    pub(super) parts: u64,
    /// From how many on ClickHouse slows inserts down.
    pub(super) delay_at: u64,
    /// From how many on it refuses them.
    pub(super) refuse_at: u64,
}

impl TableParts {
    /// What counts: the bound that comes first.
    pub(super) fn crowd(&self) -> Crowd {
        let bounds = [self.delay_at, self.refuse_at];
        Crowd {
            parts: self.parts,
            limit: bounds.into_iter().filter(|bound| *bound > 0).min().unwrap_or(0),
        }
    }
}

/// What a look saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// The table that is nearest to its bound; `None`: not known.
    pub(super) fullest: Option<TableParts>,
    /// Merges of the tables that run; `None`: not known.
    pub(super) merges: Option<u64>,
}

/// Looks at the parts.
pub(super) struct PartsSampler {
    service: Service,
    parts: Once,
    merges: Once,
}

impl PartsSampler {
    pub(super) fn new(service: Service) -> Self {
        Self {
            service,
            parts: Once::new("parts"),
            merges: Once::new("merges"),
        }
    }

    /// Looks once. Takes some milliseconds, a few seconds at most.
    pub(super) async fn look(&mut self) -> Seen {
        let tables = RowTable::ALL.map(RowTable::name);
        let about = |sql: &str| Statement::new(sql, Comment::new("governor")).param("tables", tables.as_slice());
        let (parts, merges) = (about(PARTS), about(MERGES));
        let (parts, merges) = tokio::join!(
            within(self.service.rows::<TableParts>(&parts)),
            within(self.service.one::<u64>(&merges))
        );
        Seen {
            fullest: self.parts.told(parts).and_then(fullest),
            merges: self.merges.told(merges),
        }
    }
}

/// The table that is nearest to its bound.
fn fullest(tables: Vec<TableParts>) -> Option<TableParts> {
    tables.into_iter().reduce(|fullest, other| {
        let is_fuller = other.crowd().fullness() > fullest.crowd().fullness();
        if is_fuller { other } else { fullest }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(table: &str, parts: u64, delay_at: u64, refuse_at: u64) -> TableParts {
        TableParts {
            table: table.to_owned(),
            parts,
            delay_at,
            refuse_at,
        }
    }

    #[test]
    fn the_table_that_is_nearest_to_its_own_bound_counts() {
        assert_eq!(fullest(Vec::new()), None);
        let tables = vec![
            parts("observations", 400, 1_000, 3_000),
            parts("scores", 30, 50, 3_000),
            parts("traces", 100, 0, 3_000),
        ];
        let fullest = fullest(tables).expect("there are tables");
        assert_eq!(fullest.table, "scores");
        assert_eq!(fullest.crowd(), Crowd { parts: 30, limit: 50 });
        assert_eq!(parts("t", 100, 0, 3_000).crowd().limit, 3_000);
        assert_eq!(parts("t", 100, 0, 0).crowd().fullness().to_bits(), 0);
    }
}
