//! The tables: every column with its ClickHouse type, which of them leave in an export, and how rows are sorted.
//!
//! The shape is that of a Langfuse installation after its last migration; the export's column order is that of its files.

mod columns;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use columns::{BLOB_STORAGE_FILE_LOG, Column};

/// A table that is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Table {
    /// `traces`.
    Traces,
    /// `observations`.
    Observations,
    /// `scores`.
    Scores,
}

/// All of them, in the order in which the reference exports them.
pub const TABLES: [Table; 3] = [Table::Scores, Table::Traces, Table::Observations];

impl Table {
    /// The table of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        TABLES.into_iter().find(|table| table.name() == name)
    }

    /// Its name in ClickHouse and in paths.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Observations => "observations",
            Self::Scores => "scores",
        }
    }

    /// Its name in `log_comment`.
    #[must_use]
    pub const fn singular(self) -> &'static str {
        match self {
            Self::Traces => "trace",
            Self::Observations => "observation",
            Self::Scores => "score",
        }
    }

    /// The column of the time axis: windows are ranges of it.
    #[must_use]
    pub const fn time_column(self) -> &'static str {
        match self {
            Self::Traces | Self::Scores => "timestamp",
            Self::Observations => "start_time",
        }
    }

    /// Whether the sort key has `type` between project and day, so that a leaf may be split by it.
    #[must_use]
    pub const fn is_sorted_by_type(self) -> bool {
        matches!(self, Self::Observations)
    }

    /// Every column, in the order of the table.
    #[must_use]
    pub const fn columns(self) -> &'static [Column] {
        match self {
            Self::Traces => columns::TRACES,
            Self::Observations => columns::OBSERVATIONS,
            Self::Scores => columns::SCORES,
        }
    }

    /// The columns that an export writes, in the order of its files.
    #[must_use]
    pub const fn export_columns(self) -> &'static [&'static str] {
        match self {
            Self::Traces => columns::TRACES_EXPORT,
            Self::Observations => columns::OBSERVATIONS_EXPORT,
            Self::Scores => columns::SCORES_EXPORT,
        }
    }

    /// The column of that name.
    #[must_use]
    pub fn column(self, name: &str) -> Option<&'static Column> {
        self.columns().iter().find(|column| column.name == name)
    }

    /// A condition that every exported row meets, beside project and window: scores of kinds that the files do not
    /// know are left out, as the reference does.
    #[must_use]
    pub const fn filter(self) -> Option<&'static str> {
        match self {
            Self::Scores => Some("data_type IN ('NUMERIC', 'BOOLEAN', 'CATEGORICAL')"),
            Self::Traces | Self::Observations => None,
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn export_columns_exist() {
        for table in TABLES {
            for name in table.export_columns() {
                assert!(table.column(name).is_some(), "{table}.{name}");
            }
            assert!(table.export_columns().contains(&table.time_column()));
            for needed in ["id", "project_id", "event_ts", "is_deleted"] {
                assert!(table.column(needed).is_some(), "{table}.{needed}");
            }
        }
    }
}
