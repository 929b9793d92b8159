//! What a server's table lacks, compared with its definition. A pure function over rows of `system.columns` and `system.tables`.

use std::fmt;

use super::Definition;

/// A row of `system.columns`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActualColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: String,
}

/// A row of `system.tables` with its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActualTable {
    /// `engine`: `ReplacingMergeTree`.
    pub engine: String,
    /// `sorting_key`.
    pub sort_key: String,
    /// Its columns.
    pub columns: Vec<ActualColumn>,
}

/// What a server has of one table; `None`: it has no such table.
pub type Actual = Option<ActualTable>;

/// Whether Tracemill can work with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It works, but slower or less safely.
    Warning,
    /// It does not.
    Fault,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The table is not there.
    NoTable {
        /// Which.
        table: &'static str,
    },
    /// The column is not there.
    NoColumn {
        /// Of which table.
        table: &'static str,
        /// Which.
        column: &'static str,
        /// The type it should have.
        expected: &'static str,
    },
    /// The column has another type.
    OtherType {
        /// Of which table.
        table: &'static str,
        /// Which.
        column: &'static str,
        /// The type it should have.
        expected: &'static str,
        /// The type it has.
        found: String,
    },
    /// Not a ReplacingMergeTree: versions of a row are never merged.
    OtherEngine {
        /// Which table.
        table: &'static str,
        /// Its engine.
        found: String,
    },
    /// Sorted otherwise: reads of a window cost more.
    OtherSortKey {
        /// Which table.
        table: &'static str,
        /// The key it should have.
        expected: &'static str,
        /// The key it has.
        found: String,
    },
}

impl Finding {
    /// Whether Tracemill can work with it.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self {
            Self::NoTable { .. } | Self::NoColumn { .. } | Self::OtherType { .. } => Severity::Fault,
            Self::OtherEngine { .. } | Self::OtherSortKey { .. } => Severity::Warning,
        }
    }

    /// The table it is about.
    #[must_use]
    pub const fn table(&self) -> &'static str {
        match self {
            Self::NoTable { table }
            | Self::NoColumn { table, .. }
            | Self::OtherType { table, .. }
            | Self::OtherEngine { table, .. }
            | Self::OtherSortKey { table, .. } => table,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTable { table } => write!(f, "table `{table}` is missing"),
            Self::NoColumn {
                table,
                column,
                expected,
            } => write!(f, "column `{table}.{column}` is missing: it should be {expected}"),
            Self::OtherType {
                table,
                column,
                expected,
                found,
            } => write!(f, "column `{table}.{column}` is {found}: it should be {expected}"),
            Self::OtherEngine { table, found } => {
                write!(
                    f,
                    "table `{table}` has the engine {found}: it should be a ReplacingMergeTree"
                )
            }
            Self::OtherSortKey { table, expected, found } => {
                write!(f, "table `{table}` is sorted by ({found}): it should be ({expected})")
            }
        }
    }
}

/// Every difference that matters. Further columns and indexes of the server's are fine.
#[must_use]
pub fn compare(definition: &Definition, actual: &Actual) -> Vec<Finding> {
    let table = definition.name;
    let Some(actual) = actual else {
        return vec![Finding::NoTable { table }];
    };
    let mut findings = Vec::new();
    for column in definition.columns {
        match actual.columns.iter().find(|other| other.name == column.name) {
            None => findings.push(Finding::NoColumn {
                table,
                column: column.name,
                expected: column.ty,
            }),
            Some(other) if !same_type(column.ty, &other.ty) => findings.push(Finding::OtherType {
                table,
                column: column.name,
                expected: column.ty,
                found: other.ty.clone(),
            }),
            Some(_) => {}
        }
    }
    // Replicated, Shared and Distributed over it: `ReplicatedReplacingMergeTree`, `SharedReplacingMergeTree`.
    if !actual.engine.ends_with("ReplacingMergeTree") {
        findings.push(Finding::OtherEngine {
            table,
            found: actual.engine.clone(),
        });
    }
    if plain(&actual.sort_key) != plain(definition.sort_key) {
        findings.push(Finding::OtherSortKey {
            table,
            expected: definition.sort_key,
            found: actual.sort_key.clone(),
        });
    }
    findings
}

/// Types are compared as written, but for what prints in two ways: spaces, an explicit UTC, and Decimal's aliases.
fn same_type(expected: &str, found: &str) -> bool {
    plain_type(expected) == plain_type(found)
}

fn plain_type(ty: &str) -> String {
    plain(ty)
        .replace("DateTime64(3,'UTC')", "DateTime64(3)")
        .replace("Decimal64(", "Decimal(18,")
}

fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && *c != '`').collect()
}

#[cfg(test)]
mod tests {
    use super::super::DEFINITIONS;
    use super::*;

    fn as_defined(definition: &Definition) -> ActualTable {
        ActualTable {
            engine: "ReplicatedReplacingMergeTree".to_owned(),
            sort_key: definition.sort_key.to_owned(),
            columns: definition
                .columns
                .iter()
                .map(|column| ActualColumn {
                    name: column.name.to_owned(),
                    ty: column.ty.to_owned(),
                })
                .collect(),
        }
    }

    #[test]
    fn what_is_as_defined_has_no_findings() {
        for definition in &DEFINITIONS {
            let mut actual = as_defined(definition);
            actual.columns.push(ActualColumn {
                name: "of_their_own".to_owned(),
                ty: "JSON".to_owned(),
            });
            actual.columns.reverse();
            assert_eq!(compare(definition, &Some(actual)), []);
        }
    }

    #[test]
    fn every_kind_of_difference_is_named() {
        let observations = &DEFINITIONS[1];
        assert_eq!(
            compare(observations, &None),
            [Finding::NoTable { table: "observations" }]
        );
        let mut actual = as_defined(observations);
        actual.engine = "MergeTree".to_owned();
        actual.sort_key = "id".to_owned();
        actual.columns.retain(|column| column.name != "input");
        for column in &mut actual.columns {
            if column.name == "total_cost" {
                column.ty = "Nullable(Float64)".to_owned();
            }
        }
        let findings = compare(observations, &Some(actual));
        let texts: Vec<_> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "column `observations.input` is missing: it should be Nullable(String)",
                "column `observations.total_cost` is Nullable(Float64): it should be Nullable(Decimal(18, 12))",
                "table `observations` has the engine MergeTree: it should be a ReplacingMergeTree",
                "table `observations` is sorted by (id): it should be (project_id, type, toDate(start_time), id)",
            ]
        );
        assert_eq!(findings.iter().filter(|f| f.severity() == Severity::Fault).count(), 2);
    }

    #[test]
    fn spellings_of_one_type_are_the_same() {
        for (expected, found, same) in [
            ("Nullable(Decimal(18, 12))", "Nullable(Decimal64(12))", true),
            ("DateTime64(3)", "DateTime64(3, 'UTC')", true),
            ("DateTime64(3)", "DateTime64(6)", false),
            ("DateTime64(3)", "DateTime64(3, 'Europe/Berlin')", false),
            ("String", "LowCardinality(String)", false),
            ("Map(String, String)", "Map(String,String)", true),
        ] {
            assert_eq!(same_type(expected, found), same, "{expected} {found}");
        }
    }
}
