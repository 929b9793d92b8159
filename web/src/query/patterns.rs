//! What pages and routes ask, as sequences of statements: for those who measure them. The statements are those of this module, in
//! the order in which a route sends them; who runs them is the caller's.
//!
//! ```text
//! Sample (ids of a project) ──► Pattern::ask ──► statements, each made from the answers before it ──► Asks::rows
//! ```
//!
//! Invariant: a pattern whose sample is missing asks nothing.

use clickhouse::{Row, RowOwned, RowRead};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tracemill_model::time::DAY_MS;
use tracemill_model::{Millis, Table};
use tracemill_warehouse::{Comment, Statement};

use super::list::NEWEST_FIRST;
use super::metrics::{self, Aggregation, Bucket, Metric, View};
use super::observations::ObservationRow;
use super::scores::ScoreRow;
use super::sessions::SessionRow;
use super::traces::{TraceRow, TraceScores, TraceSums};
use super::{
    DayCount, Filter, Listing, Page, Place, Span, daily, dashboard, observations, scores, search, sessions, steps,
    traces,
};

/// Entities on a page, as the routes' default.
const LIMIT: u64 = 50;
/// The later page that is measured.
const LATER: u64 = 20;

/// Runs statements.
pub trait Asks {
    /// Why there is no answer.
    type Error;

    /// Runs one and reads all of its rows. `step` names it within its pattern.
    ///
    /// # Errors
    /// There is no answer.
    fn rows<T: RowOwned + RowRead>(
        &mut self,
        step: Step,
        statement: Statement,
    ) -> impl Future<Output = Result<Vec<T>, Self::Error>>;

    /// Runs one with how many rows there would be without its limit, see [`tracemill_warehouse::Service::counted`].
    ///
    /// # Errors
    /// There is no answer.
    fn counted<T: DeserializeOwned>(
        &mut self,
        step: Step,
        statement: Statement,
    ) -> impl Future<Output = Result<Vec<T>, Self::Error>>;
}

/// Which statement of a pattern: what it looks for, in which table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Step {
    /// Its name.
    pub name: &'static str,
    /// The table that it reads.
    pub table: Table,
    /// By what it finds its rows.
    pub by: By,
}

/// By what a statement finds its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum By {
    /// By project and time: all rows of the days are looked at.
    Days,
    /// By this column, which the sort key does not begin with.
    Column(&'static str),
}

const fn step(name: &'static str, table: Table, by: By) -> Step {
    Step { name, table, by }
}

/// A question that a page or a route asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// The latest traces, with latency, cost, observations and scores.
    Traces,
    /// A later page of them.
    TracesLater,
    /// Traces of a user.
    TracesOfUser,
    /// Traces of a name.
    TracesOfName,
    /// Traces with a tag.
    TracesOfTag,
    /// Traces of a session.
    TracesOfSession,
    /// Traces of the newest day.
    TracesOfDay,
    /// One trace, with its observations and scores, payloads included.
    Trace,
    /// The latest observations.
    Observations,
    /// One observation.
    Observation,
    /// A session with its traces.
    Session,
    /// The latest sessions.
    Sessions,
    /// The latest scores.
    Scores,
    /// Traces, observations, usage and cost by day and model.
    Daily,
    /// The same of the last seven days.
    DailyOfWeek,
    /// Observations, cost and latency of the last seven days by day and model, as metrics v2.
    MetricsOfWeek,
    /// The page of traces, looked for by a text in their names and ids.
    FindTraces,
    /// The page of a trace: its steps, without payloads.
    Steps,
    /// The dashboard of the last seven days.
    Dashboard,
}

/// All of them.
pub const PATTERNS: [Pattern; 19] = [
    Pattern::Traces,
    Pattern::TracesLater,
    Pattern::TracesOfUser,
    Pattern::TracesOfName,
    Pattern::TracesOfTag,
    Pattern::TracesOfSession,
    Pattern::TracesOfDay,
    Pattern::Trace,
    Pattern::Observations,
    Pattern::Observation,
    Pattern::Session,
    Pattern::Sessions,
    Pattern::Scores,
    Pattern::Daily,
    Pattern::DailyOfWeek,
    Pattern::MetricsOfWeek,
    Pattern::FindTraces,
    Pattern::Steps,
    Pattern::Dashboard,
];

/// What there is of a project to ask for. Empty texts: nothing of that kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// The time of the newest trace.
    pub newest: Millis,
    /// Of the newest day's traces.
    pub of_traces: SampleOfTraces,
    /// Of the newest day's observations.
    pub of_observations: SampleOfObservations,
}

/// Frequent values of the newest day's traces.
#[derive(Debug, Clone, Default, PartialEq, Eq, Row, Deserialize)]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct SampleOfTraces {
    pub user_id: String,
    pub name: String,
    pub tag: String,
    pub session_id: String,
}

/// Of the newest day's observations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Row, Deserialize)]
pub struct SampleOfObservations {
    /// The trace with the most of them.
    pub trace_id: String,
    /// One of its observations.
    pub id: String,
}

impl Sample {
    /// The time of the project's newest trace; 0 where there is none. The answer is one `Int64`.
    #[must_use]
    pub fn newest(project: &str) -> Statement {
        let sql = "SELECT toUnixTimestamp64Milli(max(timestamp)) FROM traces WHERE project_id = {project:String}";
        Statement::new(sql, Comment::new("profile")).param("project", project)
    }

    /// Values of traces of that day: the answer is one [`SampleOfTraces`].
    #[must_use]
    pub fn traces(project: &str, newest: Millis) -> Statement {
        let sql = "SELECT topKIf(1)(ifNull(user_id, ''), ifNull(user_id, '') != '')[1] AS user_id, \
                   topKIf(1)(name, name != '')[1] AS name, topKArray(1)(tags)[1] AS tag, \
                   topKIf(1)(ifNull(session_id, ''), ifNull(session_id, '') != '')[1] AS session_id FROM traces \
                   WHERE project_id = {project:String} AND timestamp >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')";
        Statement::new(sql, Comment::new("profile"))
            .param("project", project)
            .param("from", newest.day())
    }

    /// The largest trace of that day: the answer is one [`SampleOfObservations`], or none.
    #[must_use]
    pub fn observations(project: &str, newest: Millis) -> Statement {
        let sql = "SELECT trace_id, any(observations.id) AS id FROM observations WHERE project_id = {project:String} \
                   AND trace_id != '' AND start_time >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') \
                   GROUP BY trace_id ORDER BY count() DESC, trace_id LIMIT 1";
        Statement::new(sql, Comment::new("profile"))
            .param("project", project)
            .param("from", newest.day())
    }
}

fn is(column: &'static str, value: &str) -> Vec<Filter> {
    vec![Filter::Is {
        column,
        value: value.to_owned(),
    }]
}

impl Pattern {
    /// Its name, as in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::TracesLater => "traces, page 20",
            Self::TracesOfUser => "traces of a user",
            Self::TracesOfName => "traces of a name",
            Self::TracesOfTag => "traces with a tag",
            Self::TracesOfSession => "traces of a session",
            Self::TracesOfDay => "traces of a day",
            Self::Trace => "a trace",
            Self::Observations => "observations",
            Self::Observation => "an observation",
            Self::Session => "a session",
            Self::Sessions => "sessions",
            Self::Scores => "scores",
            Self::Daily => "daily metrics",
            Self::DailyOfWeek => "daily metrics of a week",
            Self::MetricsOfWeek => "metrics v2 of a week",
            Self::FindTraces => "page: traces by a text",
            Self::Steps => "page: steps of a trace",
            Self::Dashboard => "page: dashboard of a week",
        }
    }

    /// Sends its statements, one after another.
    ///
    /// # Errors
    /// That of the first statement without an answer.
    pub async fn ask<A: Asks>(self, project: &str, sample: &Sample, asks: &mut A) -> Result<(), A::Error> {
        let day = Span {
            from: Some(sample.newest.day()),
            to: None,
        };
        let week = Span {
            from: Some(sample.newest.day().plus(-6 * DAY_MS)),
            to: None,
        };
        let of = &sample.of_traces;
        let first = Page { page: 1, limit: LIMIT };
        let later = Page {
            page: LATER,
            limit: LIMIT,
        };
        let (whole, none) = (Span::default(), Vec::new);
        match self {
            Self::Traces => list_of_traces(project, whole, none(), first, asks).await,
            Self::TracesLater => list_of_traces(project, whole, none(), later, asks).await,
            Self::TracesOfDay => list_of_traces(project, day, none(), first, asks).await,
            Self::TracesOfUser if !of.user_id.is_empty() => {
                list_of_traces(project, whole, is("user_id", &of.user_id), first, asks).await
            }
            Self::TracesOfName if !of.name.is_empty() => {
                list_of_traces(project, whole, is("name", &of.name), first, asks).await
            }
            Self::TracesOfTag if !of.tag.is_empty() => {
                let filter = Filter::HasAll {
                    column: "tags",
                    values: vec![of.tag.clone()],
                };
                list_of_traces(project, whole, vec![filter], first, asks).await
            }
            Self::TracesOfSession if !of.session_id.is_empty() => {
                list_of_traces(project, whole, is("session_id", &of.session_id), first, asks).await
            }
            Self::Trace if !sample.of_observations.trace_id.is_empty() => {
                trace(project, &sample.of_observations.trace_id, asks).await
            }
            Self::Observations => list_of_observations(project, first, asks).await,
            Self::Observation if !sample.of_observations.id.is_empty() => {
                let statement = observations::one(project, &sample.of_observations.id);
                let by = step("one", Table::Observations, By::Column("id"));
                asks.rows::<ObservationRow>(by, statement).await.map(drop)
            }
            Self::Session if !of.session_id.is_empty() => session(project, &of.session_id, asks).await,
            Self::Sessions => {
                let statement = sessions::list(project, whole, &[], first);
                let by = step("page", Table::Traces, By::Days);
                asks.rows::<SessionRow>(by, statement).await.map(drop)
            }
            Self::Scores => list_of_scores(project, first, asks).await,
            Self::Daily => days(project, whole, asks).await,
            Self::DailyOfWeek => days(project, week, asks).await,
            Self::MetricsOfWeek => metrics_of(project, week, asks).await,
            Self::FindTraces if !of.name.is_empty() => find(project, week, &of.name, first, asks).await,
            Self::Steps if !sample.of_observations.trace_id.is_empty() => {
                let by = step("steps", Table::Observations, By::Column("trace_id"));
                let statement = steps::of_trace(project, &sample.of_observations.trace_id, sample.newest.day());
                asks.rows::<steps::StepRow>(by, statement).await.map(drop)
            }
            Self::Dashboard => figures_of(project, week, asks).await,
            _ => Ok(()),
        }
    }
}

/// The places of a page that is not deep.
async fn places<A: Asks>(listing: &Listing, page: Page, asks: &mut A) -> Result<Vec<Place>, A::Error> {
    let by = By::Days;
    asks.counted(step("page", listing.table, by), listing.at_once(page))
        .await
}

fn listing(table: Table, project: &str, span: Span, filters: Vec<Filter>) -> Listing {
    Listing {
        table,
        project: project.to_owned(),
        span,
        filters,
        order: NEWEST_FIRST,
    }
}

/// The traces of a page.
async fn rows_of<A: Asks>(project: &str, places: &[Place], asks: &mut A) -> Result<Vec<TraceRow>, A::Error> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let by = step("rows", Table::Traces, By::Column("id"));
    asks.rows(by, traces::rows(project, places, false)).await
}

async fn list_of_traces<A: Asks>(
    project: &str,
    span: Span,
    filters: Vec<Filter>,
    page: Page,
    asks: &mut A,
) -> Result<(), A::Error> {
    let places = places(&listing(Table::Traces, project, span, filters), page, asks).await?;
    let rows = rows_of(project, &places, asks).await?;
    let Some(earliest) = rows.iter().map(|row| Millis(row.timestamp)).min() else {
        return Ok(());
    };
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let by = step("sums", Table::Observations, By::Column("trace_id"));
    let _: Vec<TraceSums> = asks.rows(by, traces::sums(project, &ids, earliest)).await?;
    let by = step("scores", Table::Scores, By::Column("trace_id"));
    let _: Vec<TraceScores> = asks.rows(by, traces::scores(project, &ids, earliest)).await?;
    Ok(())
}

async fn trace<A: Asks>(project: &str, id: &str, asks: &mut A) -> Result<(), A::Error> {
    let by = step("trace", Table::Traces, By::Column("id"));
    let rows: Vec<TraceRow> = asks.rows(by, traces::one(project, id, true)).await?;
    let Some(row) = rows.first() else { return Ok(()) };
    let at = Millis(row.timestamp);
    let by = step("observations", Table::Observations, By::Column("trace_id"));
    let _: Vec<ObservationRow> = asks.rows(by, observations::of_trace(project, id, at, true)).await?;
    let by = step("scores", Table::Scores, By::Column("trace_id"));
    let _: Vec<ScoreRow> = asks.rows(by, scores::of_trace(project, id, at)).await?;
    Ok(())
}

async fn list_of_observations<A: Asks>(project: &str, page: Page, asks: &mut A) -> Result<(), A::Error> {
    let listing = listing(Table::Observations, project, Span::default(), Vec::new());
    let places = places(&listing, page, asks).await?;
    if !places.is_empty() {
        let by = step("rows", Table::Observations, By::Column("id"));
        let _: Vec<ObservationRow> = asks.rows(by, observations::rows(project, &places, false)).await?;
    }
    Ok(())
}

async fn list_of_scores<A: Asks>(project: &str, page: Page, asks: &mut A) -> Result<(), A::Error> {
    let listing = listing(Table::Scores, project, Span::default(), Vec::new());
    let places = places(&listing, page, asks).await?;
    if !places.is_empty() {
        let by = step("rows", Table::Scores, By::Column("id"));
        let _: Vec<ScoreRow> = asks.rows(by, scores::rows(project, &places)).await?;
    }
    Ok(())
}

async fn session<A: Asks>(project: &str, id: &str, asks: &mut A) -> Result<(), A::Error> {
    let by = step("places", Table::Traces, By::Column("session_id"));
    let places: Vec<Place> = asks.rows(by, sessions::places(&sessions::traces(project, id))).await?;
    if !places.is_empty() {
        let by = step("rows", Table::Traces, By::Column("id"));
        let _: Vec<TraceRow> = asks.rows(by, traces::rows(project, &places, false)).await?;
    }
    Ok(())
}

async fn days<A: Asks>(project: &str, span: Span, asks: &mut A) -> Result<(), A::Error> {
    let by = step("usage", Table::Observations, By::Days);
    let _: Vec<daily::DayUsage> = asks.rows(by, daily::usage(project, span, &[])).await?;
    let by = step("traces", Table::Traces, By::Days);
    let _: Vec<DayCount> = asks.rows(by, daily::traces(project, span, Vec::new()).count()).await?;
    Ok(())
}

/// By day and model.
async fn metrics_of<A: Asks>(project: &str, span: Span, asks: &mut A) -> Result<(), A::Error> {
    let Some(view) = View::named("observations") else {
        return Ok(());
    };
    let told = [
        ("count", Aggregation::Count),
        ("totalCost", Aggregation::Sum),
        ("latency", Aggregation::Percentile(95)),
    ];
    let metric = |(name, aggregation)| {
        let measure = view.measure(name)?;
        Some(Metric { measure, aggregation })
    };
    let query = metrics::Query {
        project: project.to_owned(),
        view,
        span,
        filters: Vec::new(),
        bucket: Some(Bucket::Day),
        dimensions: view.dimension("providedModelName").into_iter().collect(),
        metrics: told.into_iter().filter_map(metric).collect(),
        order: Vec::new(),
        rows: 100,
    };
    let by = step("groups", Table::Observations, By::Days);
    asks.rows::<metrics::Group>(by, query.statement()).await.map(drop)
}

/// The page of traces, by a text.
async fn find<A: Asks>(project: &str, span: Span, text: &str, page: Page, asks: &mut A) -> Result<(), A::Error> {
    let search = search::Search {
        project: project.to_owned(),
        span,
        filters: Vec::new(),
        text: Some(text.to_owned()),
        in_payloads: false,
        failed: false,
    };
    let by = step("page", Table::Traces, By::Days);
    let places: Vec<Place> = asks.rows(by, search.page(page)).await?;
    let rows = rows_of(project, &places, asks).await?;
    let Some(earliest) = rows.iter().map(|row| Millis(row.timestamp)).min() else {
        return Ok(());
    };
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let by = step("figures", Table::Observations, By::Column("trace_id"));
    let statement = search::figures(project, &ids, earliest);
    asks.rows::<search::TraceFigures>(by, statement).await.map(drop)
}

/// The dashboard.
async fn figures_of<A: Asks>(project: &str, span: Span, asks: &mut A) -> Result<(), A::Error> {
    let by = step("traces", Table::Traces, By::Days);
    let _: Vec<DayCount> = asks.rows(by, dashboard::traces(project, span)).await?;
    let by = step("steps", Table::Observations, By::Days);
    let _: Vec<dashboard::StepFigures> = asks.rows(by, dashboard::steps(project, span)).await?;
    let by = step("latencies", Table::Observations, By::Days);
    let _: Vec<dashboard::DayLatency> = asks.rows(by, dashboard::latencies(project, span)).await?;
    Ok(())
}
