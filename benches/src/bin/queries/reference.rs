//! What the reference sends for the same pages, in words of our own: from its public sources of August 2026 (lists with the field
//! groups `core,observations,scores,metrics`, as ours have them).
//!
//! A list joins what observations and scores of the whole project come to; it reads traces with `FINAL`, or, where a skip index
//! would help (user, session), ordered by version with one row an id. The table of its pages asks three times instead: rows,
//! count, and sums for the ids on the page.

use tracemill_web::query::patterns::{Pattern, Sample};

/// One statement: its name and its SQL.
pub(crate) type Named = (&'static str, String);

/// Sums of observations by trace, with what is asked of them beside.
fn per_trace(condition: &str) -> String {
    format!(
        "SELECT trace_id AS of_trace, count() AS many, sum(total_cost) AS cost, dateDiff('millisecond', least(min(start_time), min(end_time)), \
         greatest(max(start_time), max(end_time))) AS latency, sumMap(usage_details) AS units, sumMap(cost_details) AS costs, \
         groupArray(level) AS levels, groupUniqArray(id) AS ids FROM observations FINAL WHERE {condition} GROUP BY of_trace"
    )
}

fn list(project: &str, condition: &str, is_indexed: bool, offset: u64, from: Option<&str>) -> Vec<Named> {
    let of = format!("project_id = '{project}'");
    let (final_, newest) = match is_indexed {
        true => ("", ", t.event_ts DESC LIMIT 1 BY t.id, t.project_id"),
        false => ("FINAL", ""),
    };
    let since = |column: &str, back: &str| from.map_or(String::new(), |from| format!(" AND {column} >= {from}{back}"));
    let sums = per_trace(&format!("{of}{}", since("start_time", " - INTERVAL 1 HOUR")));
    let scores = format!(
        "SELECT trace_id AS of_trace, groupUniqArray(id) AS ids FROM scores WHERE {of} AND session_id IS NULL AND dataset_run_id IS NULL{} \
         GROUP BY of_trace",
        since("timestamp", "")
    );
    let rows = format!(
        "SELECT t.id, t.timestamp, t.name, t.environment, t.session_id, t.user_id, t.release, t.version, t.bookmarked, t.public, t.tags, \
         t.created_at, t.updated_at, s.ids, o.ids, o.latency, o.cost FROM traces AS t {final_} LEFT JOIN ({sums}) AS o ON t.id = o.of_trace \
         LEFT JOIN ({scores}) AS s ON t.id = s.of_trace WHERE t.{of}{condition} ORDER BY t.timestamp DESC{newest} LIMIT 50 OFFSET {offset}"
    );
    let exact = !is_indexed && !condition.is_empty();
    let count = format!(
        "SELECT count() FROM traces AS t {} WHERE t.{of}{condition}",
        if exact { "FINAL" } else { "" }
    );
    vec![("list", rows), ("count", count)]
}

/// The table of its pages; `ids`: those of the page.
pub(crate) fn table(project: &str, condition: &str, ids: &[String]) -> Vec<Named> {
    let of = format!("project_id = '{project}'");
    let ids: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
    let ids = ids.join(", ");
    let order =
        "ORDER BY toDate(t.timestamp) DESC, t.timestamp DESC, t.event_ts DESC LIMIT 1 BY id, project_id LIMIT 50";
    let sums = per_trace(&format!("{of} AND trace_id IN ({ids})"));
    let scores = format!(
        "SELECT of_trace, groupArray((name, mean)) AS means FROM (SELECT trace_id AS of_trace, name, data_type, string_value, avg(value) AS mean \
         FROM scores FINAL WHERE {of} AND trace_id IN ({ids}) GROUP BY ALL) GROUP BY of_trace"
    );
    vec![
        (
            "rows",
            format!(
                "SELECT t.id, t.project_id, t.timestamp, t.tags, t.bookmarked, t.name, t.release, t.version, t.user_id, t.environment, \
                 t.session_id, t.public FROM traces AS t WHERE t.{of}{condition} {order}"
            ),
        ),
        (
            "count",
            format!("SELECT uniqExact(t.id) FROM traces AS t WHERE t.{of}{condition}"),
        ),
        (
            "sums",
            format!(
                "SELECT t.id, t.timestamp, o.latency, o.costs, o.units, o.levels, o.many, s.means, t.public FROM traces AS t \
                 LEFT JOIN ({sums}) AS o ON o.of_trace = t.id LEFT JOIN ({scores}) AS s ON s.of_trace = t.id \
                 WHERE t.{of} AND t.id IN ({ids}) {order}"
            ),
        ),
    ]
}

fn trace(project: &str, id: &str, newest: &str) -> Vec<Named> {
    let of = format!("project_id = '{project}'");
    let since = format!("{newest} - INTERVAL 1 HOUR");
    vec![
        (
            "trace",
            format!(
                "SELECT id, name, user_id, metadata, release, version, project_id, environment, public, bookmarked, tags, input, output, \
                 session_id, timestamp, created_at, updated_at FROM traces WHERE id = '{id}' AND {of} ORDER BY event_ts DESC LIMIT 1"
            ),
        ),
        (
            "observations",
            format!(
                "SELECT * FROM observations WHERE trace_id = '{id}' AND {of} AND start_time >= {since} \
                 ORDER BY event_ts DESC LIMIT 1 BY id, project_id"
            ),
        ),
        (
            "scores",
            format!(
                "SELECT * FROM scores WHERE {of} AND trace_id IN ['{id}'] AND timestamp >= {since} \
                 ORDER BY event_ts DESC LIMIT 1 BY id, project_id"
            ),
        ),
    ]
}

fn daily(project: &str, from: Option<&str>) -> Vec<Named> {
    let of = format!("project_id = '{project}'");
    let since = |column: &str, back: &str| from.map_or(String::new(), |from| format!(" AND {column} >= {from}{back}"));
    let (steps, traces) = (since("start_time", " - INTERVAL 1 HOUR"), since("timestamp", ""));
    let units = |part: &str| {
        format!(
            "sum(arraySum(mapValues(mapFilter((k, v) -> positionCaseInsensitive(k, '{part}') > 0, usage_details))))"
        )
    };
    let by_model = format!(
        "SELECT toDate(start_time) AS date, provided_model_name AS model, count(id) AS many, uniqExact(trace_id) AS traces, {} AS i, {} AS o, \
         sumMap(usage_details)['total'] AS units, sum(coalesce(total_cost, 0)) AS cost FROM observations FINAL WHERE {of}{steps} \
         GROUP BY date, model",
        units("input"),
        units("output")
    );
    vec![
        (
            "days",
            format!(
                "SELECT coalesce(d.date, t.date) AS day, t.traces, d.many, d.cost, d.usage FROM (SELECT date, sum(m.many) AS many, \
                 sum(m.cost) AS cost, groupArray((m.model, m.i, m.o, m.units, m.cost, m.many, m.traces)) AS usage FROM ({by_model}) AS m \
                 GROUP BY date) AS d FULL OUTER JOIN (SELECT toDate(timestamp) AS date, count(id) AS traces FROM traces FINAL \
                 WHERE {of}{traces} GROUP BY date) AS t ON d.date = t.date ORDER BY day DESC LIMIT 50"
            ),
        ),
        (
            "count",
            format!("SELECT uniqExact(toDate(timestamp)) FROM traces WHERE {of}{traces}"),
        ),
    ]
}

/// What the reference sends for a pattern; nothing where it asks another database.
pub(crate) fn statements(pattern: Pattern, project: &str, sample: &Sample) -> Vec<Named> {
    let at = |ms: i64| format!("fromUnixTimestamp64Milli(toInt64({ms}), 'UTC')");
    let newest = sample.newest;
    let of = &sample.of_traces;
    let day = at(newest.day().0);
    match pattern {
        Pattern::Traces => list(project, "", false, 0, None),
        Pattern::TracesLater => list(project, "", false, 950, None),
        Pattern::TracesOfUser => list(project, &format!(" AND t.user_id = '{}'", of.user_id), true, 0, None),
        Pattern::TracesOfName => list(project, &format!(" AND t.name = '{}'", of.name), false, 0, None),
        Pattern::TracesOfTag => list(project, &format!(" AND hasAll(t.tags, ['{}'])", of.tag), false, 0, None),
        Pattern::TracesOfSession => list(
            project,
            &format!(" AND t.session_id = '{}'", of.session_id),
            true,
            0,
            None,
        ),
        Pattern::TracesOfDay => list(project, &format!(" AND t.timestamp >= {day}"), false, 0, Some(&day)),
        Pattern::Trace => trace(project, &sample.of_observations.trace_id, &day),
        Pattern::Session => vec![(
            "traces",
            format!(
                "SELECT * FROM traces WHERE session_id IN ['{}'] AND project_id = '{project}' ORDER BY event_ts DESC \
                 LIMIT 1 BY id, project_id",
                of.session_id
            ),
        )],
        Pattern::Daily => daily(project, None),
        Pattern::DailyOfWeek => daily(
            project,
            Some(&at(newest.day().plus(-6 * tracemill_model::time::DAY_MS).0)),
        ),
        Pattern::Observations | Pattern::Observation | Pattern::Sessions | Pattern::Scores => Vec::new(),
        Pattern::MetricsOfWeek | Pattern::FindTraces | Pattern::Steps | Pattern::Dashboard => Vec::new(),
    }
}
