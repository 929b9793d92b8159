//! Totals of anything by anything: one statement, made of names that are known here.
//!
//! ```text
//! newest versions within the span (winners) ──► their traces, observations, scores (joined where asked for) ──► groups
//! ```
//!
//! Joined tables are read narrow, and around the span alone. Every value leaves as JSON, as ClickHouse writes it.

mod fields;

use std::fmt::Write;

use clickhouse::Row;
use serde::Deserialize;
use tracemill_model::time::DAY_MS;
use tracemill_model::{Millis, Table};
use tracemill_warehouse::Statement;

pub use fields::{Dimension, Measure, VIEWS, View};

use super::filter::{Filter, Span};
use super::list::{Listing, NEWEST_FIRST};
use fields::Of;
pub(crate) use fields::{INPUT_COST, INPUT_TOKENS, IS_ROOT, OUTPUT_COST, OUTPUT_SPEED, OUTPUT_TOKENS, TOTAL_TOKENS};

/// Length of the time that is told together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "units of time")]
pub enum Bucket {
    Minute,
    Hour,
    Day,
    Week,
    Month,
}

/// How values become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "names of functions")]
pub enum Aggregation {
    Sum,
    Avg,
    Count,
    Max,
    Min,
    /// A percentile: 50, 75, 90, 95 or 99.
    Percentile(u8),
    /// So many bins: lower bound, upper bound and height of each.
    Histogram(u64),
}

/// What is told of a group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// Of what.
    pub measure: &'static Measure,
    /// How.
    pub aggregation: Aggregation,
}

/// What a row of the answer has, in the order of its values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Field {
    /// The time, as RFC 3339.
    Time,
    /// What it is grouped by: which one.
    Dimension(usize),
    /// A total: which one.
    Metric(usize),
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// Whose.
    pub project: String,
    /// Of which entities.
    pub view: &'static View,
    /// When.
    pub span: Span,
    /// What must hold of the newest versions.
    pub filters: Vec<Filter>,
    /// Grouped by time.
    pub bucket: Option<Bucket>,
    /// Grouped by these.
    pub dimensions: Vec<&'static Dimension>,
    /// What is told.
    pub metrics: Vec<Metric>,
    /// In which order; `true`: the least first.
    pub order: Vec<(Field, bool)>,
    /// So many rows at most.
    pub rows: u64,
}

/// A group: time, dimensions and metrics, each as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct Group {
    /// JSON texts.
    pub values: Vec<String>,
}

impl Query {
    /// The statement; its rows are [`Group`]s.
    #[must_use]
    pub fn statement(&self) -> Statement {
        let listing = self.listing();
        let more = self.columns();
        let sql = self.sql(&listing, &more);
        let around = |end: Option<Millis>, days: i64| end.unwrap_or_default().plus(days * DAY_MS).within_tables();
        listing
            .bind(sql, "metrics", self.span)
            .param("around_from", around(self.span.from, -2))
            .param("around_to", around(self.span.to, 2))
            .setting("output_format_json_quote_64bit_integers", 0)
            .setting("output_format_json_quote_denormals", 0)
            .setting("output_format_json_quote_decimals", 0)
            // Without rows on the other side a row is told with nothing of it.
            .setting("join_use_nulls", 0)
    }

    fn listing(&self) -> Listing {
        let mut filters = self.filters.clone();
        if let Some((column, values)) = self.view.only {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            filters.push(Filter::OneOf { column, values });
        }
        Listing {
            table: self.view.table,
            project: self.project.clone(),
            span: self.span,
            filters,
            order: NEWEST_FIRST,
        }
    }

    /// What groups and totals look at of the view's own table.
    fn columns(&self) -> Vec<&'static str> {
        let dimensions = self.dimensions.iter().map(|dimension| match dimension.of {
            Of::Own => dimension.sql,
            Of::Trace => self.view.trace,
            Of::Observation => "observation_id",
        });
        let measures = self.metrics.iter().map(|metric| match metric.measure.is_of_scores {
            true => "id",
            false => metric.measure.sql,
        });
        dimensions.chain(measures).collect()
    }

    fn sql(&self, listing: &Listing, more: &[&'static str]) -> String {
        let place = |column: &str| listing.winner_of(column, more);
        let mut groups: Vec<String> = self.bucket.map(|bucket| bucket.sql("w.1")).into_iter().collect();
        groups.extend(self.dimensions.iter().map(|dimension| dimension.value(place)));
        let totals = self.metrics.iter().map(|metric| metric.value(place));
        let values: Vec<String> = groups.iter().cloned().chain(totals).collect();
        let told: Vec<String> = values
            .iter()
            .map(|value| format!("ifNull(toJSONString({value}), 'null')"))
            .collect();
        let mut sql = format!(
            "SELECT [{}] AS values FROM ({}) AS o",
            told.join(", "),
            listing.winners_with(self.span, more)
        );
        if self.dimensions.iter().any(|dimension| dimension.of == Of::Trace) {
            let _ = write!(
                sql,
                " LEFT ANY JOIN (SELECT id AS trace, argMax(tuple(is_deleted, name, tags, release, version), \
                 (event_ts, traces.is_deleted)) AS t FROM traces WHERE project_id = {{project:String}}{} \
                 GROUP BY toDate(timestamp), id HAVING t.1 = 0) AS x ON ifNull({}, '') = x.trace",
                around("timestamp"),
                place(self.view.trace)
            );
        }
        if self.dimensions.iter().any(|dimension| dimension.of == Of::Observation) {
            let _ = write!(
                sql,
                " LEFT ANY JOIN (SELECT id AS observation, argMax(tuple(is_deleted, name, provided_model_name, \
                 prompt_name, prompt_version), (event_ts, observations.is_deleted)) AS n FROM observations \
                 WHERE project_id = {{project:String}}{} GROUP BY type, toDate(start_time), id HAVING n.1 = 0) AS y \
                 ON ifNull({}, '') = y.observation",
                around("start_time"),
                place("observation_id")
            );
        }
        if self.metrics.iter().any(|metric| metric.measure.is_of_scores) {
            let _ = write!(
                sql,
                " LEFT ANY JOIN (SELECT s.2 AS scored, count() AS scores FROM (SELECT \
                 argMax(tuple(is_deleted, ifNull(observation_id, '')), (event_ts, scores.is_deleted)) AS s FROM scores \
                 WHERE project_id = {{project:String}}{} GROUP BY toDate(timestamp), name, id HAVING s.1 = 0) \
                 GROUP BY scored) AS z ON {} = z.scored",
                around("timestamp"),
                place("id")
            );
        }
        if !groups.is_empty() {
            let _ = write!(sql, " GROUP BY {}", groups.join(", "));
        }
        let order = self.order(&values, &groups);
        if !order.is_empty() {
            let _ = write!(sql, " ORDER BY {}", order.join(", "));
        }
        let _ = write!(sql, " LIMIT {}", self.rows);
        sql
    }

    /// As asked, else by time, else the greatest first total first; then by the groups, so that it is always the same.
    fn order(&self, values: &[String], groups: &[String]) -> Vec<String> {
        let times = usize::from(self.bucket.is_some());
        let at = |field: Field| match field {
            Field::Time => 0,
            Field::Dimension(at) => times + at,
            Field::Metric(at) => times + self.dimensions.len() + at,
        };
        let asked = self.order.iter().map(|(field, ascending)| (*field, *ascending));
        let default = match self.bucket {
            Some(_) => (Field::Time, true),
            None => (Field::Metric(0), false),
        };
        let mut order: Vec<(Field, bool)> = asked.collect();
        if order.is_empty() {
            order.push(default);
        }
        let order = order.into_iter().filter(|(field, _)| match field {
            Field::Metric(at) => !matches!(self.metrics[*at].aggregation, Aggregation::Histogram(_)),
            Field::Time | Field::Dimension(_) => true,
        });
        let sorted = order.map(|(field, ascending)| {
            let direction = if ascending { "ASC" } else { "DESC" };
            format!("{} {direction}", values[at(field)])
        });
        sorted.chain(groups.iter().cloned()).collect()
    }
}

/// Rows of another table may be a little older or newer than the span.
fn around(column: &str) -> String {
    format!(
        " AND {column} >= fromUnixTimestamp64Milli({{around_from:Int64}}, 'UTC') \
         AND {column} < fromUnixTimestamp64Milli({{around_to:Int64}}, 'UTC')"
    )
}

impl Bucket {
    /// The longest that gives a span of so many ms some fifty parts.
    #[must_use]
    pub const fn of(ms: i64) -> Self {
        const MINUTE: i64 = 60_000;
        match ms / 50 / MINUTE {
            ..5 => Self::Minute,
            5..240 => Self::Hour,
            240..5_760 => Self::Day,
            5_760..20_160 => Self::Week,
            _ => Self::Month,
        }
    }

    fn sql(self, time: &str) -> String {
        let at = format!("toTimeZone({time}, 'UTC')");
        let begin = match self {
            Self::Minute => format!("toStartOfMinute({at})"),
            Self::Hour => format!("toStartOfHour({at})"),
            Self::Day => format!("toStartOfDay({at})"),
            Self::Week => format!("toDateTime(toStartOfWeek({at}, 1), 'UTC')"),
            Self::Month => format!("toDateTime(toStartOfMonth({at}), 'UTC')"),
        };
        format!("formatDateTime({begin}, '%Y-%m-%dT%H:%i:%S.000Z', 'UTC')")
    }
}

impl Aggregation {
    /// By which it is asked for.
    #[must_use]
    pub fn parse(name: &str, bins: u64) -> Option<Self> {
        Some(match name {
            "sum" => Self::Sum,
            "avg" => Self::Avg,
            "count" => Self::Count,
            "max" => Self::Max,
            "min" => Self::Min,
            "p50" => Self::Percentile(50),
            "p75" => Self::Percentile(75),
            "p90" => Self::Percentile(90),
            "p95" => Self::Percentile(95),
            "p99" => Self::Percentile(99),
            "histogram" => Self::Histogram(bins),
            _ => return None,
        })
    }

    fn sql(self, value: &str) -> String {
        match self {
            Self::Sum => format!("sum({value})"),
            Self::Avg => format!("avg({value})"),
            Self::Count => format!("count({value})"),
            Self::Max => format!("max({value})"),
            Self::Min => format!("min({value})"),
            Self::Percentile(percent) => format!("quantile(0.{percent})(toFloat64({value}))"),
            Self::Histogram(bins) => {
                format!("histogramIf({bins})(ifNull(toFloat64({value}), 0), isNotNull({value}))")
            }
        }
    }
}

impl Metric {
    fn value(&self, place: impl Fn(&str) -> String) -> String {
        match self.measure.is_of_scores {
            true => self.aggregation.sql("scores"),
            false => self.aggregation.sql(&place(self.measure.sql)),
        }
    }
}

impl Dimension {
    fn value(&self, place: impl Fn(&str) -> String) -> String {
        match self.of {
            Of::Own => place(self.sql),
            Of::Trace | Of::Observation => self.sql.to_owned(),
        }
    }
}

/// The table of a view.
impl View {
    /// Its table.
    #[must_use]
    pub const fn table(&self) -> Table {
        self.table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(view: &str) -> Query {
        Query {
            project: "p".to_owned(),
            view: View::named(view).unwrap(),
            span: Span {
                from: Some(Millis(0)),
                to: Some(Millis(DAY_MS)),
            },
            filters: Vec::new(),
            bucket: None,
            dimensions: Vec::new(),
            metrics: Vec::new(),
            order: Vec::new(),
            rows: 100,
        }
    }

    #[test]
    fn parts_of_a_span() {
        const HOUR: i64 = 3_600_000;
        for (ms, bucket) in [
            (0, Bucket::Minute),
            (HOUR, Bucket::Minute),
            (DAY_MS, Bucket::Hour),
            (7 * DAY_MS, Bucket::Hour),
            (30 * DAY_MS, Bucket::Day),
            (365 * DAY_MS, Bucket::Week),
            (3_000 * DAY_MS, Bucket::Month),
        ] {
            assert_eq!(Bucket::of(ms), bucket, "{ms}");
        }
    }

    #[test]
    fn only_what_is_asked_for_is_joined() {
        let mut query = query("observations");
        let view = query.view;
        query.metrics = vec![Metric {
            measure: view.measure("count").unwrap(),
            aggregation: Aggregation::Count,
        }];
        let plain = query.statement().sql().to_owned();
        for other in ["JOIN", "traces", "scores", "input", "output", "metadata"] {
            assert!(!plain.contains(other), "{other}: {plain}");
        }
        query.dimensions = vec![view.dimension("traceName").unwrap()];
        let joined = query.statement().sql().to_owned();
        assert!(
            joined.contains("FROM traces WHERE project_id = {project:String}"),
            "{joined}"
        );
        assert!(joined.contains("GROUP BY nullIf(t.2, '') ORDER BY count("), "{joined}");
    }

    #[test]
    fn every_name_is_in_a_statement() {
        for view in VIEWS {
            for measure in view.measures {
                for name in ["sum", "avg", "count", "max", "min", "p50", "p99", "histogram"] {
                    let mut query = query(view.name);
                    query.dimensions = view.dimensions.iter().collect();
                    query.metrics = vec![Metric {
                        measure,
                        aggregation: Aggregation::parse(name, 10).unwrap(),
                    }];
                    query.bucket = Some(Bucket::Week);
                    assert!(query.statement().sql().contains("LEFT ANY JOIN"), "{name}");
                }
            }
        }
    }
}
