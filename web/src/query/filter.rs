//! Conditions on entities: on their newest version, with an index of an older one where there is such an index.

use std::fmt::Write;

use tracemill_model::Millis;
use tracemill_warehouse::Statement;

/// A range of time, `[from, to)`; an end that is missing is open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// From here on.
    pub from: Option<Millis>,
    /// Up to here, itself not included.
    pub to: Option<Millis>,
}

impl Span {
    /// The condition on a time column.
    pub(super) fn sql(self, column: &str, sql: &mut String) {
        if self.from.is_some() {
            let _ = write!(sql, " AND {column} >= fromUnixTimestamp64Milli({{from:Int64}}, 'UTC')");
        }
        if self.to.is_some() {
            let _ = write!(sql, " AND {column} < fromUnixTimestamp64Milli({{to:Int64}}, 'UTC')");
        }
    }

    pub(super) fn bind(self, mut statement: Statement) -> Statement {
        if let Some(from) = self.from {
            statement = statement.param("from", from);
        }
        if let Some(to) = self.to {
            statement = statement.param("to", to);
        }
        statement
    }
}

/// One condition. `column` is a name of ours, never of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// Equal to the text.
    Is {
        /// Which column.
        column: &'static str,
        /// The text.
        value: String,
    },
    /// Equal to one of the texts.
    OneOf {
        /// Which column.
        column: &'static str,
        /// The texts.
        values: Vec<String>,
    },
    /// An array that has all of the texts.
    HasAll {
        /// Which column.
        column: &'static str,
        /// The texts.
        values: Vec<String>,
    },
    /// A number compared.
    Number {
        /// Which column.
        column: &'static str,
        /// `<`, `<=`, `=`, `!=`, `>`, `>=`.
        operator: &'static str,
        /// The number.
        value: f64,
    },
    /// A text that is not there: null or empty.
    Present {
        /// Which column.
        column: &'static str,
    },
    /// Of the traces with these properties: the condition is a subquery of its own.
    OfTraces {
        /// Conditions on traces.
        filters: Vec<Filter>,
    },
}

impl Filter {
    /// The columns that it looks at.
    pub(super) fn column(&self) -> &'static str {
        match self {
            Self::Is { column, .. }
            | Self::OneOf { column, .. }
            | Self::HasAll { column, .. }
            | Self::Number { column, .. }
            | Self::Present { column } => column,
            Self::OfTraces { .. } => "trace_id",
        }
    }

    /// The condition, with the parameters `{prefix}{index}`.
    pub(super) fn sql(&self, prefix: &str, index: usize, column: &str) -> String {
        match self {
            Self::Is { .. } => format!("{column} = {{{prefix}{index}:String}}"),
            Self::OneOf { .. } => format!("{column} IN {{{prefix}{index}:Array(String)}}"),
            Self::HasAll { .. } => format!("hasAll({column}, {{{prefix}{index}:Array(String)}})"),
            Self::Number { operator, .. } => format!("{column} {operator} {{{prefix}{index}:Float64}}"),
            Self::Present { .. } => format!("ifNull({column}, '') != ''"),
            Self::OfTraces { filters } => {
                // Of the newest version, as everywhere: its deletion is looked at with the rest.
                let inner = format!("{prefix}{index}_");
                let (mut columns, mut conditions) = (vec!["is_deleted"], String::new());
                for (at, filter) in filters.iter().enumerate() {
                    columns.push(filter.column());
                    let condition = filter.sql(&inner, at, &format!("t.{}", at + 2));
                    let _ = write!(conditions, " AND {condition}");
                }
                format!(
                    "{column} IN (SELECT id FROM (SELECT id, argMax(tuple({}), (event_ts, traces.is_deleted)) AS t \
                     FROM traces WHERE project_id = {{project:String}} GROUP BY toDate(timestamp), id \
                     HAVING t.1 = 0{conditions}))",
                    columns.join(", ")
                )
            }
        }
    }

    pub(super) fn bind(&self, prefix: &str, index: usize, statement: Statement) -> Statement {
        let name = format!("{prefix}{index}");
        match self {
            Self::Is { value, .. } => statement.param(&name, value),
            Self::OneOf { values, .. } | Self::HasAll { values, .. } => statement.param(&name, values.as_slice()),
            Self::Number { value, .. } => {
                let text = value.to_string();
                statement.param(&name, &text)
            }
            Self::Present { .. } => statement,
            Self::OfTraces { filters } => {
                let inner = format!("{name}_");
                filters
                    .iter()
                    .enumerate()
                    .fold(statement, |statement, (at, filter)| filter.bind(&inner, at, statement))
            }
        }
    }
}
