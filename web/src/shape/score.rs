//! A score.

use serde::Serialize;

use super::{Json, metadata, time};
use crate::query::scores::{ScoreRow, ScoredTrace};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Score {
    id: String,
    project_id: String,
    timestamp: String,
    environment: String,
    trace_id: Option<String>,
    session_id: Option<String>,
    observation_id: Option<String>,
    dataset_run_id: Option<String>,
    execution_trace_id: Option<String>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    string_value: Option<String>,
    data_type: String,
    source: String,
    comment: Option<String>,
    metadata: Json,
    author_user_id: Option<String>,
    config_id: Option<String>,
    queue_id: Option<String>,
    created_at: String,
    updated_at: String,
}

/// A score with what its trace tells of itself.
#[derive(Debug, Serialize)]
pub(crate) struct ScoreOfTrace {
    #[serde(flatten)]
    score: Score,
    trace: Option<About>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct About {
    user_id: Option<String>,
    session_id: Option<String>,
    environment: String,
    tags: Vec<String>,
}

pub(crate) fn score(project: &str, row: ScoreRow) -> Score {
    let is_text = matches!(row.data_type.as_str(), "TEXT" | "CORRECTION");
    let long = Some(row.long_string_value).filter(|text| !text.is_empty());
    let text = if is_text {
        long.or(row.string_value)
    } else {
        row.string_value
    };
    Score {
        id: row.id,
        project_id: project.to_owned(),
        timestamp: time(row.timestamp),
        environment: row.environment,
        trace_id: row.trace_id,
        session_id: row.session_id,
        observation_id: row.observation_id,
        dataset_run_id: row.dataset_run_id,
        execution_trace_id: row.execution_trace_id,
        name: row.name,
        value: (row.data_type != "TEXT").then_some(row.value),
        string_value: if row.data_type == "NUMERIC" {
            None
        } else {
            Some(text.unwrap_or_default())
        },
        data_type: row.data_type,
        source: row.source,
        comment: row.comment,
        metadata: metadata(&row.metadata),
        author_user_id: row.author_user_id,
        config_id: row.config_id,
        queue_id: row.queue_id,
        created_at: time(row.created_at),
        updated_at: time(row.updated_at),
    }
}

pub(crate) fn score_of_trace(project: &str, row: ScoreRow, trace: Option<&ScoredTrace>) -> ScoreOfTrace {
    ScoreOfTrace {
        score: score(project, row),
        trace: trace.map(|trace| About {
            user_id: trace.user_id.clone(),
            session_id: trace.session_id.clone(),
            environment: trace.environment.clone(),
            tags: trace.tags.clone(),
        }),
    }
}
