//! An observation in groups of fields, of which an answer has those that were asked for.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Json, decimal, decimals, metadata, payload, seconds, time};
use crate::query::observations::{ObservationRow, ParentRow};

/// Characters of a value of metadata that are told, where not all of them are asked for.
pub(crate) const METADATA: usize = 200;

/// The groups that are asked for; `core` always is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields {
    basic: bool,
    time: bool,
    pub(crate) io: bool,
    pub(crate) metadata: bool,
    model: bool,
    usage: bool,
    prompt: bool,
    metrics: bool,
    trace_context: bool,
}

impl Fields {
    pub(crate) const NAMES: [&str; 10] = [
        "core",
        "basic",
        "time",
        "io",
        "metadata",
        "model",
        "usage",
        "prompt",
        "metrics",
        "trace_context",
    ];

    /// Without names: `core` and `basic`.
    pub(crate) fn of(names: Option<Vec<String>>) -> Self {
        let names = names.unwrap_or_else(|| vec!["basic".to_owned()]);
        let has = |name: &str| names.iter().any(|own| own == name);
        Self {
            basic: has("basic"),
            time: has("time"),
            io: has("io"),
            metadata: has("metadata"),
            model: has("model"),
            usage: has("usage"),
            prompt: has("prompt"),
            metrics: has("metrics"),
            trace_context: has("trace_context"),
        }
    }

    /// Whether something of the trace is told.
    pub(crate) const fn needs_trace(self) -> bool {
        self.basic || self.trace_context
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Observation {
    id: String,
    trace_id: String,
    start_time: String,
    end_time: Option<String>,
    project_id: String,
    parent_observation_id: Option<String>,
    r#type: String,
    #[serde(flatten)]
    basic: Option<Basic>,
    #[serde(flatten)]
    times: Option<Times>,
    #[serde(flatten)]
    io: Option<Io>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Json>,
    #[serde(flatten)]
    model: Option<Model>,
    #[serde(flatten)]
    usage: Option<Usage>,
    #[serde(flatten)]
    prompt: Option<Prompt>,
    #[serde(flatten)]
    metrics: Option<Metrics>,
    #[serde(flatten)]
    trace: Option<Context>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Basic {
    name: Option<String>,
    level: String,
    status_message: Option<String>,
    version: Option<String>,
    environment: String,
    bookmarked: bool,
    public: bool,
    user_id: Option<String>,
    session_id: Option<String>,
    is_root_observation: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Times {
    completion_start_time: Option<String>,
    created_at: String,
    updated_at: String,
}

/// As texts: nobody need parse what they do not want.
#[derive(Debug, Serialize)]
struct Io {
    input: Option<String>,
    output: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Model {
    model: Option<String>,
    internal_model_id: Option<String>,
    model_parameters: Json,
    model_id: Option<String>,
    // Prices are kept per project, not per row.
    input_price: Option<String>,
    output_price: Option<String>,
    total_price: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Usage {
    usage_details: Map<String, Value>,
    cost_details: Map<String, Value>,
    total_cost: Option<Value>,
    usage_pricing_tier_name: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Prompt {
    prompt_id: Option<String>,
    prompt_name: Option<String>,
    prompt_version: Option<u16>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Metrics {
    latency: Option<f64>,
    time_to_first_token: Option<f64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    tags: Vec<String>,
    release: Option<String>,
    trace_name: Option<String>,
}

/// `whole`: the keys whose values are told in full.
pub(crate) fn observation(
    project: &str,
    row: &ObservationRow,
    trace: Option<&ParentRow>,
    fields: Fields,
    whole: &[String],
) -> Observation {
    Observation {
        id: row.id.clone(),
        trace_id: row.trace_id.clone(),
        start_time: time(row.start_time),
        end_time: row.end_time.map(time),
        project_id: project.to_owned(),
        parent_observation_id: row.parent_observation_id.clone(),
        r#type: row.r#type.clone(),
        basic: fields.basic.then(|| basic(row, trace)),
        times: fields.time.then(|| Times {
            completion_start_time: row.completion_start_time.map(time),
            created_at: time(row.created_at),
            updated_at: time(row.updated_at),
        }),
        io: fields.io.then(|| Io {
            input: row.input.clone(),
            output: row.output.clone(),
        }),
        metadata: fields.metadata.then(|| cut(&row.metadata, whole)),
        model: fields.model.then(|| Model {
            model: row.provided_model_name.clone(),
            internal_model_id: row.internal_model_id.clone(),
            model_parameters: payload(row.model_parameters.as_deref()),
            model_id: row.internal_model_id.clone(),
            input_price: None,
            output_price: None,
            total_price: None,
        }),
        usage: fields.usage.then(|| usage(row)),
        prompt: fields.prompt.then(|| Prompt {
            prompt_id: row.prompt_id.clone(),
            prompt_name: row.prompt_name.clone(),
            prompt_version: row.prompt_version,
        }),
        metrics: fields.metrics.then(|| Metrics {
            latency: seconds(row.start_time, row.end_time),
            time_to_first_token: seconds(row.start_time, row.completion_start_time),
        }),
        trace: fields.trace_context.then(|| Context {
            tags: trace.map(|trace| trace.tags.clone()).unwrap_or_default(),
            release: trace.and_then(|trace| trace.release.clone()),
            trace_name: trace.map(|trace| trace.name.clone()).filter(|name| !name.is_empty()),
        }),
    }
}

fn basic(row: &ObservationRow, trace: Option<&ParentRow>) -> Basic {
    Basic {
        name: Some(row.name.clone()).filter(|name| !name.is_empty()),
        level: row.level.clone(),
        status_message: row.status_message.clone(),
        version: row.version.clone(),
        environment: row.environment.clone(),
        bookmarked: trace.is_some_and(|trace| trace.bookmarked),
        public: trace.is_some_and(|trace| trace.public),
        user_id: trace.and_then(|trace| trace.user_id.clone()),
        session_id: trace.and_then(|trace| trace.session_id.clone()),
        is_root_observation: row.parent_observation_id.as_deref().is_none_or(str::is_empty),
    }
}

fn usage(row: &ObservationRow) -> Usage {
    let units = row.usage_details.iter();
    Usage {
        usage_details: units.map(|(name, n)| (name.clone(), (*n).into())).collect(),
        cost_details: decimals(&row.cost_details),
        total_cost: row.total_cost.as_deref().map(decimal),
        usage_pricing_tier_name: row.usage_pricing_tier_name.clone(),
    }
}

/// Metadata whose long values are cut, which makes a text of what was JSON.
fn cut(pairs: &[(String, String)], whole: &[String]) -> Json {
    let (mut long, mut short) = (serde_json::Map::new(), Vec::new());
    for (name, text) in pairs {
        match text.char_indices().nth(METADATA) {
            Some((end, _)) if !whole.contains(name) => {
                long.insert(name.clone(), text[..end].into());
            }
            _ => short.push((name.clone(), text.clone())),
        }
    }
    if long.is_empty() {
        return metadata(&short);
    }
    let texts = long.iter().map(|(name, text)| (name.clone(), text.to_string()));
    short.extend(texts);
    metadata(&short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_cut_where_nobody_asks_for_all_of_them() {
        let pairs = [
            ("json".to_owned(), "{\"a\": 1}".to_owned()),
            ("long".to_owned(), "1".repeat(METADATA + 1)),
            ("wide".to_owned(), "ü".repeat(METADATA + 1)),
        ];
        let told: Value = serde_json::from_str(cut(&pairs, &["wide".to_owned()]).get()).unwrap();
        assert_eq!(told["json"]["a"], 1);
        assert_eq!(
            told["long"],
            "1".repeat(METADATA),
            "a text, though it looks like a number"
        );
        assert_eq!(told["wide"], "ü".repeat(METADATA + 1));
    }
}
