//! Conditions on entities: on their newest version, with an index of an older one where there is such an index.

use std::fmt::Write;

use tracemill_model::time::DAY_MS;
use tracemill_model::{Millis, Table};
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
    /// Where observations and scores of a trace of then are: from the day before it on, since a clock that is set to another time
    /// zone is wrong by less than a day. Whole days, for all versions of a row are of one day.
    pub(super) fn of_trace(at: Millis) -> Self {
        Self {
            from: Some(at.plus(-DAY_MS).day()),
            to: None,
        }
    }

    /// Its ends as the parameters `from` and `to`.
    fn plain(self) -> Bounds<'static> {
        self.named("from", "to")
    }

    /// Its ends as parameters of these names.
    pub(super) fn named<'a>(self, from: &'a str, to: &'a str) -> Bounds<'a> {
        Bounds { span: self, from, to }
    }

    /// As [`Bounds::sql`].
    pub(super) fn sql(self, column: &str, sql: &mut String) {
        self.plain().sql(column, sql);
    }

    /// As [`Bounds::days_sql`].
    pub(super) fn days_sql(self, column: &str, sql: &mut String) {
        self.plain().days_sql(column, sql);
    }

    /// As [`Bounds::final_sql`].
    pub(super) fn final_sql(self, column: &str, sql: &mut String) {
        self.plain().final_sql(column, sql);
    }

    pub(super) fn bind(self, statement: Statement) -> Statement {
        self.plain().bind(statement)
    }
}

/// The ends of a span as parameters of a statement.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds<'a> {
    span: Span,
    from: &'a str,
    to: &'a str,
}

impl Bounds<'_> {
    /// The condition on a time column.
    pub(super) fn sql(self, column: &str, sql: &mut String) {
        if self.span.from.is_some() {
            let _ = write!(sql, " AND {column} >= {}", time(self.from));
        }
        if self.span.to.is_some() {
            let _ = write!(sql, " AND {column} < {}", time(self.to));
        }
    }

    /// The condition that a version is of the span's days. Versions of one row may differ in their time, but not in its day: what is
    /// grouped to find the newest is bound by days, and only that one by the time.
    pub(super) fn days_sql(self, column: &str, sql: &mut String) {
        if self.span.from.is_some_and(is_a_date) {
            let _ = write!(sql, " AND toDate({column}) >= toDate({})", time(self.from));
        }
        if self.span.to.is_some_and(is_a_date) {
            // The day of the last ms before it.
            let _ = write!(
                sql,
                " AND toDate({column}) <= toDate(fromUnixTimestamp64Milli({{{}:Int64}} - 1, 'UTC'))",
                self.to
            );
        }
    }

    /// The condition on the newest version's time, of a table that is read with `FINAL`. Parts are left out by the times that they have,
    /// and with the part of a newest version an older one would come back: so parts are chosen by days, and the time is compared in
    /// a way that chooses none.
    pub(super) fn final_sql(self, column: &str, sql: &mut String) {
        self.days_sql(column, sql);
        self.time_sql(column, sql);
    }

    /// The condition on a time column, by which nothing is chosen to be read: ClickHouse looks through functions of one column that
    /// keep its order.
    pub(super) fn time_sql(self, column: &str, sql: &mut String) {
        self.sql(&format!("greatest({column}, {column})"), sql);
    }

    pub(super) fn bind(self, mut statement: Statement) -> Statement {
        for (end, name) in [(self.span.from, self.from), (self.span.to, self.to)] {
            if let Some(end) = end {
                statement = statement.param(name, end);
            }
        }
        statement
    }
}

/// A parameter in ms as a time.
fn time(name: &str) -> String {
    format!("fromUnixTimestamp64Milli({{{name}:Int64}}, 'UTC')")
}

/// Whether ClickHouse's `Date` has the day of that time and the one before: others become some day, and nothing can be said by them.
fn is_a_date(at: Millis) -> bool {
    (1..=i64::from(u16::MAX)).contains(&at.0.div_euclid(DAY_MS))
}

/// One condition. `column` is a name or an expression of ours, never of a request.
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
    /// Equal to none of the texts; so is what is null.
    NoneOf {
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
    /// An array that has one of the texts, or none of them.
    HasAny {
        /// Which column.
        column: &'static str,
        /// The texts.
        values: Vec<String>,
        /// None of them.
        negated: bool,
    },
    /// A text that has a part.
    Text {
        /// Which column.
        column: &'static str,
        /// Where the part is.
        part: Part,
        /// The part.
        value: String,
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
    /// A time compared.
    Time {
        /// Which column.
        column: &'static str,
        /// `<`, `<=`, `>`, `>=`.
        operator: &'static str,
        /// The time.
        value: Millis,
    },
    /// A column that is true or false.
    Flag {
        /// Which column.
        column: &'static str,
        /// Which of both.
        value: bool,
    },
    /// A text that is there: neither null nor empty.
    Present {
        /// Which column.
        column: &'static str,
    },
    /// What is not there: null or empty.
    Absent {
        /// Which column.
        column: &'static str,
    },
    /// A condition on the value of one key of the filter's column, which is a map.
    Key {
        /// The key.
        key: String,
        /// The value is read as a number.
        is_number: bool,
        /// What must hold of it.
        test: Box<Filter>,
    },
    /// A map that has a key, or has not.
    HasKey {
        /// Which column.
        column: &'static str,
        /// The key.
        key: String,
        /// Has not.
        negated: bool,
    },
    /// Of what follows on an entity in the order of time and id, the newest first.
    Beyond {
        /// The time's column.
        column: &'static str,
        /// That entity's time.
        at: Millis,
        /// Its id.
        id: String,
    },
    /// Of the traces with these properties: the condition is a subquery of its own.
    OfTraces {
        /// Conditions on traces.
        filters: Vec<Filter>,
    },
    /// Of entities whose rows in another table come to something.
    Related(Box<Related>),
}

/// Where a part of a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Anywhere.
    Within,
    /// Anywhere, in upper or lower case.
    InAnyCase,
    /// Nowhere.
    Nowhere,
    /// At its begin.
    Begin,
    /// At its end.
    End,
}

/// What the rows of another table come to, for each entity that they belong to.
#[derive(Debug, Clone, PartialEq)]
pub struct Related {
    /// The entity's id, in the table that is asked.
    pub column: &'static str,
    /// The other table.
    pub table: Table,
    /// The entity's id there.
    pub by: &'static str,
    /// From this time of that table on.
    pub from: Option<Millis>,
    /// The columns that are looked at: `r.3`, `r.4` and so on in `measure`.
    pub columns: &'static [&'static str],
    /// Rows of that name alone (`r.3`).
    pub name: Option<String>,
    /// What they come to: an aggregate over `r`.
    pub measure: &'static str,
    /// What must hold of it.
    pub test: Filter,
    /// Entities for which it does not hold, or that have no such rows.
    pub negated: bool,
}

impl Filter {
    /// The column that it looks at.
    pub(super) fn column(&self) -> &'static str {
        match self {
            Self::Is { column, .. }
            | Self::OneOf { column, .. }
            | Self::NoneOf { column, .. }
            | Self::HasAll { column, .. }
            | Self::HasAny { column, .. }
            | Self::Text { column, .. }
            | Self::Number { column, .. }
            | Self::Time { column, .. }
            | Self::Flag { column, .. }
            | Self::HasKey { column, .. }
            | Self::Beyond { column, .. }
            | Self::Present { column }
            | Self::Absent { column } => column,
            Self::Key { test, .. } => test.column(),
            Self::OfTraces { .. } => "trace_id",
            Self::Related(related) => related.column,
        }
    }

    /// The condition, with the parameters `{prefix}{index}`.
    pub(super) fn sql(&self, prefix: &str, index: usize, column: &str) -> String {
        let own = format!("{prefix}{index}");
        match self {
            Self::Is { .. } => format!("{column} = {{{own}:String}}"),
            Self::OneOf { .. } => format!("{column} IN {{{own}:Array(String)}}"),
            Self::NoneOf { .. } => format!("ifNull({column}, '') NOT IN {{{own}:Array(String)}}"),
            Self::HasAll { .. } => format!("hasAll({column}, {{{own}:Array(String)}})"),
            Self::HasAny { negated, .. } => {
                format!("{}hasAny({column}, {{{own}:Array(String)}})", not(*negated))
            }
            Self::Text { part, .. } => part.sql(column, &own),
            Self::Number { operator, .. } => format!("{column} {operator} {{{own}:Float64}}"),
            Self::Time { operator, .. } => format!("{column} {operator} {}", time(&own)),
            Self::Flag { value, .. } => format!("{column} = {value}"),
            Self::Present { .. } => format!("notEmpty(ifNull(toString({column}), ''))"),
            Self::Absent { .. } => format!("empty(ifNull(toString({column}), ''))"),
            Self::Key { is_number, test, .. } => {
                let value = format!("{column}[{{{own}_key:String}}]");
                match is_number {
                    true => test.sql(prefix, index, &format!("toFloat64OrNull({value})")),
                    false => test.sql(prefix, index, &value),
                }
            }
            Self::HasKey { negated, .. } => format!("{}mapContains({column}, {{{own}:String}})", not(*negated)),
            Self::Beyond { .. } => {
                format!("({column}, id) < ({}, {{{own}_id:String}})", time(&own))
            }
            Self::OfTraces { filters } => of_traces(filters, &own, column),
            Self::Related(related) => related.sql(&own, column),
        }
    }

    pub(super) fn bind(&self, prefix: &str, index: usize, statement: Statement) -> Statement {
        let name = format!("{prefix}{index}");
        match self {
            Self::Is { value, .. } | Self::Text { value, .. } | Self::HasKey { key: value, .. } => {
                statement.param(&name, value)
            }
            Self::OneOf { values, .. }
            | Self::NoneOf { values, .. }
            | Self::HasAll { values, .. }
            | Self::HasAny { values, .. } => statement.param(&name, values.as_slice()),
            Self::Number { value, .. } => {
                let text = value.to_string();
                statement.param(&name, &text)
            }
            Self::Time { value, .. } => statement.param(&name, *value),
            Self::Flag { .. } | Self::Present { .. } | Self::Absent { .. } => statement,
            Self::Key { key, test, .. } => test.bind(prefix, index, statement.param(&format!("{name}_key"), key)),
            Self::Beyond { at, id, .. } => statement.param(&name, *at).param(&format!("{name}_id"), id),
            Self::OfTraces { filters } => {
                let inner = format!("{name}_");
                filters
                    .iter()
                    .enumerate()
                    .fold(statement, |statement, (at, filter)| filter.bind(&inner, at, statement))
            }
            Self::Related(related) => related.bind(&name, statement),
        }
    }
}

const fn not(negated: bool) -> &'static str {
    if negated { "NOT " } else { "" }
}

fn of_traces(filters: &[Filter], own: &str, column: &str) -> String {
    // Of the newest version, as everywhere: its deletion is looked at with the rest.
    let inner = format!("{own}_");
    let (mut columns, mut conditions) = (vec!["is_deleted"], String::new());
    for (at, filter) in filters.iter().enumerate() {
        columns.push(filter.column());
        let condition = filter.sql(&inner, at, &format!("t.{}", at + 2));
        let _ = write!(conditions, " AND {condition}");
    }
    format!(
        "{column} IN (SELECT id FROM (SELECT id, tuple({}) AS t FROM traces FINAL \
         WHERE project_id = {{project:String}} AND t.1 = 0{conditions}))",
        columns.join(", ")
    )
}

impl Part {
    fn sql(self, column: &str, own: &str) -> String {
        let (text, part) = (format!("ifNull({column}, '')"), format!("{{{own}:String}}"));
        match self {
            Self::Within => format!("position({text}, {part}) > 0"),
            Self::InAnyCase => format!("positionCaseInsensitiveUTF8({text}, {part}) > 0"),
            Self::Nowhere => format!("position({text}, {part}) = 0"),
            Self::Begin => format!("startsWith({text}, {part})"),
            Self::End => format!("endsWith({text}, {part})"),
        }
    }
}

impl Related {
    fn since(&self) -> Span {
        Span {
            from: self.from,
            to: None,
        }
    }

    fn sql(&self, own: &str, column: &str) -> String {
        let Self { table, by, .. } = self;
        let columns: String = self.columns.iter().map(|column| format!(", {column}")).collect();
        let mut rows = format!(
            "SELECT tuple(is_deleted, {by}{columns}) AS r FROM {table} FINAL \
             WHERE project_id = {{project:String}} AND r.1 = 0"
        );
        let from = format!("{own}_from");
        self.since().named(&from, "").final_sql(table.time_column(), &mut rows);
        if self.name.is_some() {
            let _ = write!(rows, " AND r.3 = {{{own}_name:String}}");
        }
        let test = self.test.sql(&format!("{own}_"), 0, self.measure);
        format!(
            "{column} {}IN (SELECT ifNull(r.2, '') AS owner FROM ({rows}) GROUP BY owner HAVING {test})",
            not(self.negated)
        )
    }

    fn bind(&self, own: &str, mut statement: Statement) -> Statement {
        statement = self.since().named(&format!("{own}_from"), "").bind(statement);
        if let Some(name) = &self.name {
            statement = statement.param(&format!("{own}_name"), name);
        }
        self.test.bind(&format!("{own}_"), 0, statement)
    }
}
