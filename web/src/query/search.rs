//! Finding traces: by what they are, by a text in their names and ids, and where it is asked for by a text in payloads.

use std::fmt::Write;

use clickhouse::Row;
use serde::Deserialize;
use tracemill_model::{Millis, Table};
use tracemill_warehouse::Statement;

use super::filter::{Bounds, Filter, Span};
use super::list::{Listing, NEWEST_FIRST, Page};
use crate::reader::comment;

/// Steps of a trace may begin so much later than the trace, where payloads are looked through. ms.
const LATER: i64 = 3_600_000;

/// What is looked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    /// Whose.
    pub project: String,
    /// When.
    pub span: Span,
    /// What must hold of the newest version.
    pub filters: Vec<Filter>,
    /// A text that the name or an id holds, in letters of any case.
    pub text: Option<String>,
    /// The text may as well be in the input or output of the trace or of a step: wide columns are read.
    pub in_payloads: bool,
    /// Only traces with a step that failed.
    pub failed: bool,
}

/// What the steps of a trace come to.
#[derive(Debug, Clone, PartialEq, Row, Deserialize)]
pub struct TraceFigures {
    /// The trace.
    pub trace_id: String,
    /// From the first start to the last end, in ms.
    pub latency_ms: Option<i64>,
    /// As a decimal number.
    pub cost: String,
    /// How many.
    pub steps: u64,
    /// Those of level `ERROR`.
    pub errors: u64,
    /// Units in all.
    pub tokens: u64,
}

/// The columns that a text is looked for in, beside the id.
const TEXTS: [&str; 3] = ["name", "user_id", "session_id"];

impl Search {
    /// The traces of a page, the newest first; one more than it holds, where there are more.
    #[must_use]
    pub fn page(&self, page: Page) -> Statement {
        let listing = self.listing();
        let texts: &[&'static str] = if self.text.is_some() { &TEXTS } else { &[] };
        let column = |column: &str| listing.winner_of(column, texts);
        let mut sql = format!("SELECT id, day FROM ({}", listing.winners_with(self.span, texts));
        if self.failed {
            // Narrow columns alone, in the order of the sort key.
            sql.push_str(
                " AND id IN (SELECT trace_id FROM observations FINAL WHERE project_id = {project:String} AND is_deleted = 0 \
                 AND level = 'ERROR'",
            );
            self.steps().final_sql("start_time", &mut sql);
            sql.push(')');
        }
        self.text_condition(column, &mut sql);
        let offset = (page.page - 1).saturating_mul(page.limit);
        let _ = write!(
            sql,
            ") ORDER BY {} DESC, id DESC LIMIT {} OFFSET {offset}",
            column("timestamp"),
            page.limit + 1
        );
        let kind = if self.in_payloads { "searchPayloads" } else { "search" };
        let mut statement = listing.bind(sql, kind, self.span);
        if let Some(text) = &self.text {
            statement = statement.param("text", text);
        }
        self.steps().bind(statement)
    }

    /// When the steps of traces in the span may begin.
    fn steps(&self) -> Bounds<'static> {
        let to = self.span.to.map(|to| to.plus(LATER).within_tables());
        Span { to, ..self.span }.named("steps_from", "steps_to")
    }

    fn listing(&self) -> Listing {
        Listing {
            table: Table::Traces,
            project: self.project.clone(),
            span: self.span,
            filters: self.filters.clone(),
            order: NEWEST_FIRST,
        }
    }

    /// `place` gives a column of the newest version.
    fn text_condition(&self, place: impl Fn(&str) -> String, sql: &mut String) {
        if self.text.is_none() {
            return;
        }
        let holds = |column: &str| format!("positionCaseInsensitiveUTF8({column}, {{text:String}}) > 0");
        let _ = write!(sql, " AND ({}", holds("id"));
        for column in TEXTS {
            let _ = write!(sql, " OR {}", holds(&format!("ifNull({}, '')", place(column))));
        }
        if self.in_payloads {
            let hit = format!("{} OR {}", holds("ifNull(input, '')"), holds("ifNull(output, '')"));
            let traces = (Table::Traces, "id", self.span.named("from", "to"));
            for (table, of, bounds) in [traces, (Table::Observations, "trace_id", self.steps())] {
                // Only whether it was found is kept of a version, and the newest version's word counts. Where its time is not asked for,
                // no payload is looked through.
                let mut within = "1".to_owned();
                bounds.time_sql(table.time_column(), &mut within);
                let _ = write!(
                    sql,
                    " OR id IN (SELECT h.1 FROM (SELECT argMax(tuple(of_trace, is_deleted, hit), (event_ts, is_deleted)) AS h \
                     FROM (SELECT id, {of} AS of_trace, event_ts, is_deleted, toUInt8({within} AND ({hit})) AS hit FROM {} \
                     WHERE project_id = {{project:String}}",
                    table.name(),
                );
                bounds.days_sql(table.time_column(), sql);
                sql.push_str(") GROUP BY id HAVING h.2 = 0 AND h.3 = 1))");
            }
        }
        sql.push(')');
    }
}

/// What the steps of these traces come to, the earliest of which is of then.
#[must_use]
pub fn figures(project: &str, ids: &[&str], earliest: Millis) -> Statement {
    let span = Span::of_trace(earliest);
    let mut sql = "SELECT w.1 AS trace_id, \
         CAST(if(countIf(w.4 IS NOT NULL) = 0, NULL, dateDiff('millisecond', min(w.3), max(ifNull(w.4, w.3)))), \
         'Nullable(Int64)') AS latency_ms, toString(sum(ifNull(w.5, 0))) AS cost, count() AS steps, \
         countIf(w.6 = 'ERROR') AS errors, sum(w.7) AS tokens FROM (\
         SELECT id, argMax(tuple(trace_id, is_deleted, start_time, end_time, total_cost, level, usage_details['total']), \
         (event_ts, is_deleted)) AS w FROM observations WHERE project_id = {project:String} AND trace_id IN {ids:Array(String)}"
        .to_owned();
    span.sql("start_time", &mut sql);
    sql.push_str(" GROUP BY id HAVING w.2 = 0) GROUP BY trace_id");
    let statement = Statement::new(sql, comment("trace", "figures", project))
        .param("project", project)
        .param("ids", ids);
    span.bind(statement)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search() -> Search {
        Search {
            project: "p".to_owned(),
            span: Span::default(),
            filters: vec![Filter::Is {
                column: "name",
                value: "it's".to_owned(),
            }],
            text: Some("x' OR 1".to_owned()),
            in_payloads: false,
            failed: false,
        }
    }

    #[test]
    fn texts_are_bound_and_payloads_read_only_where_asked_for() {
        let page = Page { page: 3, limit: 50 };
        let narrow = search().page(page).sql().to_owned();
        assert!(!narrow.contains("OR 1") && !narrow.contains("it's"), "{narrow}");
        assert!(
            narrow.contains("w.3 = {f0:String}"),
            "the name is in the tuple once: {narrow}"
        );
        assert!(narrow.ends_with("LIMIT 51 OFFSET 100"), "{narrow}");
        for wide in ["input", "output", "observations"] {
            assert!(!narrow.contains(wide), "{wide}: {narrow}");
        }
        let wide = Search {
            in_payloads: true,
            failed: true,
            span: Span {
                from: None,
                to: Some(Millis(7)),
            },
            ..search()
        }
        .page(page)
        .sql()
        .to_owned();
        let failed =
            "FROM observations FINAL WHERE project_id = {project:String} AND is_deleted = 0 AND level = 'ERROR'";
        let later = wide
            .matches("greatest(start_time, start_time) < fromUnixTimestamp64Milli({steps_to:Int64}, 'UTC')")
            .count();
        assert_eq!(later, 2, "steps begin after their trace: {wide}");
        assert!(wide.contains(failed), "a deleted step has not failed: {wide}");
        let projects = wide.matches("project_id = {project:String}").count();
        assert_eq!(
            projects,
            wide.matches("FROM traces").count() + wide.matches("FROM observations").count(),
            "{wide}"
        );
    }
}
