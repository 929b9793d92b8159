//! A trace.

use serde::Serialize;
use serde_json::Value;

use super::{Json, decimal, html_path, metadata, payload, time};
use crate::query::traces::{TraceRow, TraceSums};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Trace {
    id: String,
    project_id: String,
    timestamp: String,
    name: Option<String>,
    user_id: Option<String>,
    session_id: Option<String>,
    release: Option<String>,
    version: Option<String>,
    environment: String,
    public: bool,
    bookmarked: bool,
    tags: Vec<String>,
    input: Json,
    output: Json,
    metadata: Json,
    created_at: String,
    updated_at: String,
    external_id: Option<String>,
}

/// A trace with what its observations and scores come to, each as a list of ids or as a whole.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Details<O, S> {
    #[serde(flatten)]
    trace: Trace,
    html_path: String,
    latency: Option<f64>,
    total_cost: Option<Value>,
    observations: O,
    scores: S,
}

pub(crate) fn trace(project: &str, row: TraceRow) -> Trace {
    Trace {
        id: row.id,
        project_id: project.to_owned(),
        timestamp: time(row.timestamp),
        name: Some(row.name).filter(|name| !name.is_empty()),
        user_id: row.user_id,
        session_id: row.session_id,
        release: row.release,
        version: row.version,
        environment: row.environment,
        public: row.public,
        bookmarked: row.bookmarked,
        tags: row.tags,
        input: payload(row.input.as_deref()),
        output: payload(row.output.as_deref()),
        metadata: metadata(&row.metadata),
        created_at: time(row.created_at),
        updated_at: time(row.updated_at),
        external_id: None,
    }
}

/// `sums`: `None` where nobody asked for them.
pub(crate) fn details<O, S>(
    project: &str,
    row: TraceRow,
    sums: Option<&TraceSums>,
    observations: O,
    scores: S,
) -> Details<O, S> {
    let latency = sums.and_then(|sums| sums.latency_ms).map(|ms| ms as f64 / 1_000.0);
    let cost = sums.map(|sums| sums.total_cost.as_deref().map_or(Value::from(0), decimal));
    Details {
        html_path: html_path(project, &row.id),
        trace: trace(project, row),
        latency,
        total_cost: cost,
        observations,
        scores,
    }
}
