//! A score whose value has a type of its own.

use serde::Serialize;
use serde_json::Value;

use super::{Json, metadata, time};
use crate::query::scores::ScoreRow;

/// The groups that are asked for beside the core.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields {
    details: bool,
    subject: bool,
    annotation: bool,
}

impl Fields {
    pub(crate) const NAMES: [&str; 3] = ["details", "subject", "annotation"];

    pub(crate) fn of(names: Option<&[String]>) -> Self {
        let has = |name: &str| names.is_some_and(|names| names.iter().any(|own| own == name));
        Self {
            details: has("details"),
            subject: has("subject"),
            annotation: has("annotation"),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Score {
    id: String,
    project_id: String,
    name: String,
    value: Value,
    data_type: String,
    source: String,
    timestamp: String,
    environment: String,
    created_at: String,
    updated_at: String,
    #[serde(flatten)]
    details: Option<Details>,
    #[serde(flatten)]
    annotation: Option<Annotation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Subject>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    comment: Option<String>,
    config_id: Option<String>,
    metadata: Json,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Annotation {
    author_user_id: Option<String>,
    queue_id: Option<String>,
}

/// What it is a score of.
#[derive(Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase", rename_all_fields = "camelCase")]
enum Subject {
    Trace { id: String },
    Observation { id: String, trace_id: Option<String> },
    Session { id: String },
    Experiment { id: String },
}

impl Subject {
    fn of(row: &ScoreRow) -> Option<Self> {
        let there = |id: &Option<String>| id.clone().filter(|id| !id.is_empty());
        let trace_id = there(&row.trace_id);
        if let Some(id) = there(&row.observation_id) {
            return Some(Self::Observation { id, trace_id });
        }
        let trace = trace_id.map(|id| Self::Trace { id });
        let session = || there(&row.session_id).map(|id| Self::Session { id });
        let experiment = || there(&row.dataset_run_id).map(|id| Self::Experiment { id });
        trace.or_else(session).or_else(experiment)
    }
}

fn value(row: &ScoreRow) -> Value {
    let text = || row.string_value.clone().unwrap_or_default();
    match &*row.data_type {
        "NUMERIC" => row.value.into(),
        "BOOLEAN" => (row.value != 0.0).into(),
        "TEXT" | "CORRECTION" if !row.long_string_value.is_empty() => row.long_string_value.clone().into(),
        _ => text().into(),
    }
}

pub(crate) fn score(project: &str, row: ScoreRow, fields: Fields) -> Score {
    Score {
        project_id: project.to_owned(),
        value: value(&row),
        subject: fields.subject.then(|| Subject::of(&row)).flatten(),
        details: fields.details.then(|| Details {
            comment: row.comment.clone(),
            config_id: row.config_id.clone(),
            metadata: metadata(&row.metadata),
        }),
        annotation: fields.annotation.then(|| Annotation {
            author_user_id: row.author_user_id.clone(),
            queue_id: row.queue_id.clone(),
        }),
        timestamp: time(row.timestamp),
        created_at: time(row.created_at),
        updated_at: time(row.updated_at),
        id: row.id,
        name: row.name,
        data_type: row.data_type,
        source: row.source,
        environment: row.environment,
    }
}
