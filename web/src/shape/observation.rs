//! An observation.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Json, decimal, decimals, metadata, payload, seconds, time};
use crate::query::observations::ObservationRow;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Observation {
    id: String,
    trace_id: String,
    project_id: String,
    r#type: String,
    name: Option<String>,
    start_time: String,
    end_time: Option<String>,
    completion_start_time: Option<String>,
    environment: String,
    level: String,
    status_message: Option<String>,
    parent_observation_id: Option<String>,
    version: Option<String>,
    input: Json,
    output: Json,
    metadata: Json,
    model: Option<String>,
    model_id: Option<String>,
    model_parameters: Json,
    prompt_id: Option<String>,
    prompt_name: Option<String>,
    prompt_version: Option<u16>,
    usage_details: Map<String, Value>,
    cost_details: Map<String, Value>,
    usage: Usage,
    unit: &'static str,
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    input_price: Option<f64>,
    output_price: Option<f64>,
    total_price: Option<f64>,
    calculated_input_cost: Option<Value>,
    calculated_output_cost: Option<Value>,
    calculated_total_cost: Option<Value>,
    latency: Option<f64>,
    time_to_first_token: Option<f64>,
    created_at: String,
    updated_at: String,
}

/// The older form of usage and cost.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Usage {
    input: u64,
    output: u64,
    total: u64,
    unit: &'static str,
    input_cost: Option<Value>,
    output_cost: Option<Value>,
    total_cost: Option<Value>,
}

/// Units whose name begins so: cached input is input.
fn units(details: &[(String, u64)], prefix: &str) -> u64 {
    let own = details.iter().filter(|(name, _)| name.starts_with(prefix));
    own.map(|(_, units)| *units).fold(0, u64::saturating_add)
}

fn cost(details: &[(String, String)], name: &str) -> Option<Value> {
    let own = details.iter().find(|(own, _)| own == name);
    own.map(|(_, text)| decimal(text))
}

pub(crate) fn observation(project: &str, row: ObservationRow) -> Observation {
    let usage = &row.usage_details;
    let (input, output) = (units(usage, "input"), units(usage, "output"));
    let total = usage
        .iter()
        .find(|(name, _)| name == "total")
        .map_or(0, |(_, units)| *units);
    let (input_cost, output_cost) = (cost(&row.cost_details, "input"), cost(&row.cost_details, "output"));
    let total_cost = row.total_cost.as_deref().map(decimal);
    Observation {
        id: row.id,
        trace_id: row.trace_id,
        project_id: project.to_owned(),
        r#type: row.r#type,
        name: Some(row.name).filter(|name| !name.is_empty()),
        start_time: time(row.start_time),
        end_time: row.end_time.map(time),
        completion_start_time: row.completion_start_time.map(time),
        environment: row.environment,
        level: row.level,
        status_message: row.status_message,
        parent_observation_id: row.parent_observation_id,
        version: row.version,
        input: payload(row.input.as_deref()),
        output: payload(row.output.as_deref()),
        metadata: metadata(&row.metadata),
        model: row.provided_model_name,
        model_id: row.internal_model_id,
        model_parameters: payload(row.model_parameters.as_deref()),
        prompt_id: row.prompt_id,
        prompt_name: row.prompt_name,
        prompt_version: row.prompt_version,
        usage: Usage {
            input,
            output,
            total,
            unit: "TOKENS",
            input_cost: input_cost.clone(),
            output_cost: output_cost.clone(),
            total_cost: total_cost.clone(),
        },
        unit: "TOKENS",
        prompt_tokens: input,
        completion_tokens: output,
        total_tokens: total,
        // Prices are kept per project, not per row.
        input_price: None,
        output_price: None,
        total_price: None,
        calculated_input_cost: input_cost,
        calculated_output_cost: output_cost,
        calculated_total_cost: total_cost,
        latency: seconds(row.start_time, row.end_time),
        time_to_first_token: seconds(row.start_time, row.completion_start_time),
        usage_details: row
            .usage_details
            .into_iter()
            .map(|(name, n)| (name, n.into()))
            .collect(),
        cost_details: decimals(&row.cost_details),
        created_at: time(row.created_at),
        updated_at: time(row.updated_at),
    }
}
