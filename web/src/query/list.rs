//! Lists: which entities match, on which days, and which of them are on a page.

use std::fmt::Write;

use clickhouse::Row;
use serde::Deserialize;
use tracemill_model::time::DAY_MS;
use tracemill_model::{Millis, Table};
use tracemill_warehouse::Statement;

use super::filter::{Filter, Span};
use crate::reader::comment;

/// The last entity of a page that is found in one pass over the span, sorted: it holds as many places as come before it.
const DEEP: u64 = 10_000;

/// Which page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// From 1.
    pub page: u64,
    /// Entities on it.
    pub limit: u64,
}

impl Page {
    fn offset(self) -> u64 {
        (self.page - 1).saturating_mul(self.limit)
    }

    /// Whether so much comes before it that its days are to be found first, by [`Listing::count`] and [`Listing::days`].
    #[must_use]
    pub fn is_deep(self) -> bool {
        self.offset().saturating_add(self.limit) > DEEP
    }

    /// How many pages there are of so many entities.
    #[must_use]
    pub const fn of(self, total: u64) -> u64 {
        total.div_ceil(self.limit)
    }
}

/// By what a list is sorted; then by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// A narrow column of ours; `None`: the time.
    pub column: Option<&'static str>,
    /// The least first.
    pub ascending: bool,
}

/// The newest first.
pub const NEWEST_FIRST: Order = Order {
    column: None,
    ascending: false,
};

/// A list of one table.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// Which.
    pub table: Table,
    /// Whose.
    pub project: String,
    /// When.
    pub span: Span,
    /// What must hold of the newest version.
    pub filters: Vec<Filter>,
    /// In which order.
    pub order: Order,
}

/// How many entities match on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Row, Deserialize)]
pub struct DayCount {
    /// Days since 1970.
    pub day: u16,
    /// Entities.
    pub count: u64,
}

/// Where an entity of a page is.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct Place {
    /// Its id.
    pub id: String,
    /// Days since 1970.
    pub day: u16,
}

/// The days that a page lies in, and how many entities of them come before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days {
    first: u16,
    last: u16,
    skip: u64,
}

impl Listing {
    /// How many there are on each day, the newest day first.
    #[must_use]
    pub fn count(&self) -> Statement {
        let sql = format!(
            "SELECT day, count() AS count FROM ({}) GROUP BY day ORDER BY day DESC",
            self.winners(self.span)
        );
        self.bind(sql, "count", self.span)
    }

    /// The days that a page lies in. `None`: there is no such page. Sorted by anything but time, it may lie in all of them.
    #[must_use]
    pub fn days(&self, counts: &[DayCount], page: Page) -> Option<Days> {
        let total: u64 = counts.iter().map(|day| day.count).sum();
        let offset = page.offset();
        if offset >= total {
            return None;
        }
        let (newest, oldest) = (counts.first()?.day, counts.last()?.day);
        if self.order.column.is_some() {
            return Some(Days {
                first: oldest,
                last: newest,
                skip: offset,
            });
        }
        let in_order: Vec<&DayCount> = match self.order.ascending {
            true => counts.iter().rev().collect(),
            false => counts.iter().collect(),
        };
        let (mut before, mut begin, mut skip) = (0, None, 0);
        for day in in_order {
            let after = before + day.count;
            if after > offset && begin.is_none() {
                (begin, skip) = (Some(day.day), offset - before);
            }
            if let Some(begin) = begin
                && after >= (offset + page.limit).min(total)
            {
                return Some(Days {
                    first: begin.min(day.day),
                    last: begin.max(day.day),
                    skip,
                });
            }
            before = after;
        }
        None
    }

    /// The entities of a page, in order, of the days that it lies in.
    #[must_use]
    pub fn page(&self, days: Days, limit: u64) -> Statement {
        self.ordered("page", days.within(self.span), limit, days.skip)
    }

    /// The same of the whole span, for pages that are not deep: to be asked with how many there are in all, which it sees as it goes.
    #[must_use]
    pub fn at_once(&self, page: Page) -> Statement {
        self.ordered("page", self.span, page.limit, page.offset())
    }

    /// Every entity that matches, in order: for lists that others bound.
    #[must_use]
    pub fn all(&self) -> Statement {
        self.ordered("all", self.span, super::sessions::MOST_TRACES as u64, 0)
    }

    fn ordered(&self, kind: &'static str, span: Span, limit: u64, skip: u64) -> Statement {
        let direction = if self.order.ascending { "ASC" } else { "DESC" };
        let by = self.winner(self.order.column.unwrap_or(self.table.time_column()));
        let sql = format!(
            "SELECT id, day FROM ({}) ORDER BY {by} {direction}, id {direction} LIMIT {limit} OFFSET {skip}",
            self.winners(span)
        );
        self.bind(sql, kind, span)
    }

    /// The columns of the newest version that are looked at, in their places of the tuple `w`; then `more` columns.
    fn columns(&self, more: &[&'static str]) -> Vec<&'static str> {
        let mut columns = vec![self.table.time_column(), "is_deleted"];
        let wanted = self.filters.iter().map(Filter::column).chain(self.order.column);
        for column in wanted.chain(more.iter().copied()) {
            if !columns.contains(&column) {
                columns.push(column);
            }
        }
        columns
    }

    /// A column of the newest version.
    fn winner(&self, column: &str) -> String {
        self.winner_of(column, &[])
    }

    /// The same where `more` columns are looked at.
    pub(super) fn winner_of(&self, column: &str, more: &[&'static str]) -> String {
        let place = self.columns(more).iter().position(|one| *one == column);
        format!("w.{}", place.map_or(1, |place| place + 1))
    }

    /// The newest version of each id, if it is alive and matches.
    fn winners(&self, span: Span) -> String {
        self.winners_with(span, &[])
    }

    /// The same with `more` columns in the tuple `w`.
    ///
    /// Where an index knows the few rows that can match, only those are read, and grouped. Everything else is read with `FINAL`, of
    /// narrow columns alone: it merges in the order of the sort key, so it holds a few blocks, and is several times as fast as
    /// grouping by id.
    pub(super) fn winners_with(&self, span: Span, more: &[&'static str]) -> String {
        let (table, time) = (self.table.name(), self.table.time_column());
        let columns = self.columns(more).join(", ");
        let indexed: Vec<(usize, &Filter)> = self
            .filters
            .iter()
            .enumerate()
            .filter(|(_, filter)| is_indexed(self.table, filter))
            .collect();
        let (newest, source) = match indexed.is_empty() {
            true => (format!("tuple({columns})"), format!("{table} FINAL")),
            false => (
                format!("argMax(tuple({columns}), (event_ts, is_deleted))"),
                table.to_owned(),
            ),
        };
        let mut sql = format!(
            "SELECT id, toUInt16(toDate({time})) AS day, {newest} AS w FROM {source} WHERE project_id = {{project:String}}"
        );
        let is_alive = format!("{} = 0", self.winner_of("is_deleted", more));
        if indexed.is_empty() {
            span.final_sql(time, &mut sql);
            let _ = write!(sql, " AND {is_alive}");
        } else {
            span.days_sql(time, &mut sql);
            for (index, filter) in indexed {
                let condition = filter.sql("f", index, filter.column());
                let _ = write!(
                    sql,
                    " AND id IN (SELECT id FROM {table} WHERE project_id = {{project:String}}"
                );
                span.days_sql(time, &mut sql);
                let _ = write!(sql, " AND {condition})");
            }
            let _ = write!(sql, " GROUP BY {} HAVING {is_alive}", key(self.table));
            span.sql(&self.winner_of(time, more), &mut sql);
        }
        for (index, filter) in self.filters.iter().enumerate() {
            let condition = filter.sql("f", index, &self.winner_of(filter.column(), more));
            let _ = write!(sql, " AND {condition}");
        }
        sql
    }

    pub(super) fn bind(&self, sql: String, kind: &'static str, span: Span) -> Statement {
        let comment = comment(self.table.singular(), kind, &self.project);
        let statement = Statement::new(sql, comment)
            .param("project", &self.project)
            .setting("optimize_aggregation_in_order", 1);
        let statement = span.bind(by_partition(statement));
        self.filters
            .iter()
            .enumerate()
            .fold(statement, |statement, (index, filter)| {
                filter.bind("f", index, statement)
            })
    }
}

/// For `FINAL`: versions of one row are all in one partition, since the row's day is part of its key, and a partition is a month.
pub(super) fn by_partition(statement: Statement) -> Statement {
    statement.setting("do_not_merge_across_partitions_select_final", 1)
}

/// The sort key of a table after the project.
pub(super) const fn key(table: Table) -> &'static str {
    match table {
        Table::Traces => "toDate(timestamp), id",
        Table::Observations => "type, toDate(start_time), id",
        Table::Scores => "toDate(timestamp), name, id",
    }
}

/// Whether few granules hold what the filter asks for, and an index knows which.
fn is_indexed(table: Table, filter: &Filter) -> bool {
    let is_equal = |filter: &Filter| matches!(filter, Filter::Is { .. } | Filter::OneOf { .. });
    if let Filter::Key {
        test, is_number: false, ..
    } = filter
    {
        return table != Table::Scores && is_equal(test);
    }
    let equals = is_equal(filter);
    let columns: &[&str] = match table {
        Table::Traces => &["id", "session_id", "user_id"],
        Table::Observations => &["id", "trace_id"],
        Table::Scores => &["id"],
    };
    equals && columns.contains(&filter.column())
}

impl Days {
    /// The days, within a span.
    fn within(self, span: Span) -> Span {
        let from = Millis(i64::from(self.first) * DAY_MS);
        let to = Millis((i64::from(self.last) + 1) * DAY_MS);
        Span {
            from: Some(span.from.map_or(from, |own| own.max(from))),
            to: Some(span.to.map_or(to, |own| own.min(to))),
        }
    }
}

/// The columns `metadata`, `input` and `output`, or nothing of their types in their place.
pub(super) const fn payloads(with_io: bool) -> [&'static str; 3] {
    match with_io {
        true => ["CAST(metadata, 'Map(String, String)')", "input", "output"],
        false => [
            "CAST(map(), 'Map(String, String)')",
            "CAST(NULL, 'Nullable(String)')",
            "CAST(NULL, 'Nullable(String)')",
        ],
    }
}

/// The newest version of each of these, with the columns of `select`.
pub(super) fn rows(table: Table, project: &str, places: &[Place], select: &str) -> Statement {
    let days = places.iter().map(|place| i64::from(place.day));
    let span = Span {
        from: days.clone().min().map(|day| Millis(day * DAY_MS)),
        to: days.max().map(|day| Millis((day + 1) * DAY_MS)),
    };
    let ids: Vec<&str> = places.iter().map(|place| place.id.as_str()).collect();
    by_ids(table, project, &ids, span, select)
}

/// The newest version of each id within a span, alive ones alone.
pub(super) fn by_ids(table: Table, project: &str, ids: &[&str], span: Span, select: &str) -> Statement {
    let time = table.time_column();
    let mut sql = format!(
        "SELECT {select} FROM (SELECT * FROM {} WHERE project_id = {{project:String}} AND id IN {{ids:Array(String)}}",
        table.name()
    );
    span.sql(time, &mut sql);
    sql.push_str(" ORDER BY event_ts DESC, is_deleted DESC LIMIT 1 BY id) WHERE is_deleted = 0");
    let statement = Statement::new(sql, comment(table.singular(), "rows", project))
        .param("project", project)
        .param("ids", ids);
    span.bind(statement)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(order: Order) -> Listing {
        Listing {
            table: Table::Traces,
            project: "p".to_owned(),
            span: Span::default(),
            filters: Vec::new(),
            order,
        }
    }

    fn counts(all: &[(u16, u64)]) -> Vec<DayCount> {
        all.iter()
            .map(|(day, count)| DayCount {
                day: *day,
                count: *count,
            })
            .collect()
    }

    #[test]
    fn a_page_is_deep_by_what_comes_before_its_end() {
        for (page, limit, is_deep) in [
            (1, 100, false),
            (100, 100, false),
            (101, 100, true),
            (u64::MAX, 100, true),
        ] {
            assert_eq!(Page { page, limit }.is_deep(), is_deep, "{page}");
        }
    }

    #[test]
    fn a_page_lies_in_as_few_days_as_it_can() {
        let counts = counts(&[(9, 5), (8, 1), (5, 10), (1, 4)]);
        let newest = listing(NEWEST_FIRST);
        let oldest = listing(Order {
            column: None,
            ascending: true,
        });
        let by_name = listing(Order {
            column: Some("name"),
            ascending: true,
        });
        let days = |first, last, skip| Some(Days { first, last, skip });
        for (listing, page, limit, expected) in [
            (&newest, 1, 5, days(9, 9, 0)),
            (&newest, 1, 6, days(8, 9, 0)),
            (&newest, 2, 5, days(5, 8, 0)),
            (&newest, 3, 5, days(5, 5, 4)),
            (&newest, 2, 100, None),
            (&newest, 1, 100, days(1, 9, 0)),
            (&newest, 4, 6, days(1, 1, 2)),
            (&oldest, 1, 4, days(1, 1, 0)),
            (&oldest, 2, 4, days(5, 5, 0)),
            (&oldest, 3, 7, days(8, 9, 0)),
            (&by_name, 2, 4, days(1, 9, 4)),
        ] {
            assert_eq!(listing.days(&counts, Page { page, limit }), expected, "{page} {limit}");
        }
        assert_eq!(newest.days(&[], Page { page: 1, limit: 1 }), None);
    }

    #[test]
    fn conditions_are_on_the_newest_version_and_bound() {
        let mut listing = listing(NEWEST_FIRST);
        listing.filters = vec![
            Filter::Is {
                column: "name",
                value: "x' OR 1".to_owned(),
            },
            Filter::Is {
                column: "user_id",
                value: "u".to_owned(),
            },
        ];
        let sql = listing.count().sql().to_owned();
        assert!(!sql.contains("OR 1"), "{sql}");
        assert!(sql.contains("w.3 = {f0:String} AND w.4 = {f1:String}"), "{sql}");
        assert!(sql.contains("AND user_id = {f1:String})"), "an index helps: {sql}");
        assert!(!sql.contains("AND name = {f0:String})"), "no index helps: {sql}");
        for wide in ["input", "output", "metadata", "FINAL"] {
            assert!(!sql.contains(wide), "{wide}: {sql}");
        }
        listing.filters.truncate(1);
        let sql = listing.count().sql().to_owned();
        let narrow =
            "tuple(timestamp, is_deleted, name) AS w FROM traces FINAL WHERE project_id = {project:String} AND w.2 = 0";
        assert!(
            sql.contains(narrow),
            "deletions are looked at in the newest version: {sql}"
        );
    }

    #[test]
    fn an_index_is_asked_for_whole_days() {
        let mut listing = listing(NEWEST_FIRST);
        listing.span.from = Some(Millis(5 + DAY_MS));
        listing.filters = vec![Filter::Is {
            column: "user_id",
            value: "u".to_owned(),
        }];
        let sql = listing.count().sql().to_owned();
        let inner = sql.split("IN (SELECT").nth(1).expect("a subquery");
        assert!(inner.contains("AND toDate(timestamp) >= toDate("), "{sql}");
        assert!(
            !sql.contains("AND timestamp >=") && sql.contains("HAVING w.2 = 0 AND w.1 >="),
            "another version may be of another hour: {sql}"
        );
        // Days that ClickHouse's dates do not have.
        listing.span = Span {
            from: Some(Millis(5)),
            to: Some(Millis(1 << 43)),
        };
        let sql = listing.count().sql().to_owned();
        assert!(!sql.contains(" AND toDate("), "{sql}");
        assert!(sql.contains(" AND w.1 >= ") && sql.contains(" AND w.1 < "), "{sql}");
    }
}
