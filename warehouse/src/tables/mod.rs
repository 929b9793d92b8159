//! The tables as ClickHouse should have them: definitions as SQL, and the comparison with what a server has.
//!
//! The columns come from the model, so that the definition, the comparison and the export cannot disagree.

pub mod compare;
mod ddl;

use tracemill_model::Table;
use tracemill_model::table::{BLOB_STORAGE_FILE_LOG, Column};

pub use compare::{Actual, ActualColumn, ActualTable, Finding, Severity, compare};
pub use ddl::{Form, create_sql};

/// A skip index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: &'static str,
    /// The indexed expression.
    pub expression: &'static str,
    /// The index type with its arguments.
    pub ty: &'static str,
}

const fn bloom(name: &'static str, expression: &'static str, ty: &'static str) -> Index {
    Index { name, expression, ty }
}

/// False positives of an index on ids, which are looked up one by one.
const FINE: &str = "bloom_filter(0.001)";
/// False positives of the other indexes.
const COARSE: &str = "bloom_filter(0.01)";

/// One table's definition.
#[derive(Debug, Clone, Copy)]
pub struct Definition {
    /// Its name.
    pub name: &'static str,
    /// Its columns, in order.
    pub columns: &'static [Column],
    /// The expression of `PARTITION BY`; empty for none.
    pub partition: &'static str,
    /// The expressions of `PRIMARY KEY`, a prefix of the sort key.
    pub primary_key: &'static str,
    /// The expressions of `ORDER BY`, as `system.tables.sorting_key` prints them.
    pub sort_key: &'static str,
    /// Skip indexes.
    pub indexes: &'static [Index],
}

/// Every table that `migrate` makes.
pub const DEFINITIONS: [Definition; 4] = [
    Definition {
        name: "traces",
        columns: Table::Traces.columns(),
        partition: "toYYYYMM(timestamp)",
        primary_key: "project_id, toDate(timestamp)",
        sort_key: "project_id, toDate(timestamp), id",
        indexes: &[
            bloom("idx_id", "id", FINE),
            bloom("idx_metadata_keys", "mapKeys(metadata)", COARSE),
            bloom("idx_metadata_values", "mapValues(metadata)", COARSE),
            bloom("idx_session_id", "session_id", FINE),
            bloom("idx_user_id", "user_id", FINE),
        ],
    },
    Definition {
        name: "observations",
        columns: Table::Observations.columns(),
        partition: "toYYYYMM(start_time)",
        primary_key: "project_id, type, toDate(start_time)",
        sort_key: "project_id, type, toDate(start_time), id",
        indexes: &[
            bloom("idx_id", "id", FINE),
            bloom("idx_trace_id", "trace_id", FINE),
            bloom("idx_metadata_keys", "mapKeys(metadata)", COARSE),
            bloom("idx_metadata_values", "mapValues(metadata)", COARSE),
        ],
    },
    Definition {
        name: "scores",
        columns: Table::Scores.columns(),
        partition: "toYYYYMM(timestamp)",
        primary_key: "project_id, toDate(timestamp), name",
        sort_key: "project_id, toDate(timestamp), name, id",
        indexes: &[
            bloom("idx_id", "id", FINE),
            bloom(
                "idx_project_trace_observation",
                "(project_id, trace_id, observation_id)",
                FINE,
            ),
            bloom("idx_project_session", "(project_id, session_id)", FINE),
            bloom("idx_project_dataset_run", "(project_id, dataset_run_id)", FINE),
        ],
    },
    Definition {
        name: "blob_storage_file_log",
        columns: BLOB_STORAGE_FILE_LOG,
        partition: "",
        primary_key: "project_id, entity_type, entity_id, event_id",
        sort_key: "project_id, entity_type, entity_id, event_id",
        indexes: &[],
    },
];

/// The definition of an exported table.
#[must_use]
pub fn definition(table: Table) -> &'static Definition {
    DEFINITIONS
        .iter()
        .find(|definition| definition.name == table.name())
        .expect("every exported table is defined")
}
