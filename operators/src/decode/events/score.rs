//! Bodies of scores.

use tracemill_model::ingest::{Field, ScoreBody, ScoreSource, ScoreType, ScoreValue, Text};

use super::fields::{self, Fault, Fields, Raw, fault, is_set};
use super::{Reading, Rules};
use crate::decode::json;

/// The body of a score; `envelope` is its id where it has none.
pub(super) fn body(of: &Fields<'_>, envelope: &Text, reading: Reading<'_>) -> Result<ScoreBody, Fault> {
    let id = fields::id("body.id", of.id, reading)?.unwrap_or_else(|| envelope.clone());
    let Some(mut name) = of.name.and_then(json::string).filter(|name| !name.is_empty()) else {
        return fault("body.name", "must be a string that is not empty");
    };
    let data_type = data_type(of.data_type, reading)?;
    let value = value(of, data_type, reading)?;
    let config_id = fields::text("body.configId", of.config_id)?;
    if data_type == Some(ScoreType::Correction) {
        if config_id.value().is_some() {
            return fault("body.configId", "must be absent for a CORRECTION");
        }
        name = "output".into();
    }
    let trace_id = fields::filled("body.traceId", of.trace_id)?;
    let session_id = target("body.sessionId", of.session_id)?;
    let dataset_run_id = target("body.datasetRunId", of.dataset_run_id)?;
    let observation_id = target("body.observationId", of.observation_id)?;
    let targets =
        usize::from(trace_id.is_some()) + usize::from(is_set(&session_id)) + usize::from(is_set(&dataset_run_id));
    if targets != 1 {
        return fault("body", "must name exactly one of traceId, sessionId and datasetRunId");
    }
    if trace_id.is_none() && is_set(&observation_id) {
        return fault("body.observationId", "must come with a traceId");
    }
    if trace_id.is_none() && data_type == Some(ScoreType::Correction) {
        return fault("body.traceId", "must be there for a CORRECTION");
    }
    Ok(ScoreBody {
        id,
        name,
        trace_id,
        session_id,
        dataset_run_id,
        observation_id,
        environment: fields::environment(of.environment, reading)?,
        value,
        data_type,
        source: source(of.source)?,
        comment: fields::text("body.comment", of.comment)?,
        metadata: fields::metadata(of.metadata, reading),
        config_id,
        queue_id: fields::text("body.queueId", of.queue_id)?,
        execution_trace_id: fields::text("body.executionTraceId", of.execution_trace_id)?,
    })
}

/// What a score is about: an empty id names nothing, as null does.
fn target(name: &str, raw: Raw<'_>) -> Result<Field<Text>, Fault> {
    let field = fields::text(name, raw)?;
    Ok(if matches!(&field, Field::Value(text) if text.is_empty()) {
        Field::Null
    } else {
        field
    })
}

fn data_type(raw: Raw<'_>, reading: Reading<'_>) -> Result<Option<ScoreType>, Fault> {
    let Some(raw) = raw else { return Ok(None) };
    if reading.rules == Rules::Internal && fields::is_null(raw) {
        return Ok(None);
    }
    match json::string(raw).and_then(|name| ScoreType::parse(&name)) {
        Some(ty) => Ok(Some(ty)),
        None => fault(
            "body.dataType",
            "must be NUMERIC, CATEGORICAL, BOOLEAN or CORRECTION, or absent",
        ),
    }
}

fn source(raw: Raw<'_>) -> Result<ScoreSource, Fault> {
    let Some(raw) = raw else {
        return Ok(ScoreSource::default());
    };
    match json::string(raw).and_then(|name| ScoreSource::parse(&name)) {
        Some(source) => Ok(source),
        None => fault("body.source", "must be API, EVAL or ANNOTATION, or absent"),
    }
}

fn value(of: &Fields<'_>, data_type: Option<ScoreType>, reading: Reading<'_>) -> Result<ScoreValue, Fault> {
    let text = of.value.and_then(json::string).map(ScoreValue::Text);
    let number = of.value.and_then(fields::double);
    // The reference's screens store the row: its number in `value`, its text beside it.
    let row_text = |raw: Raw<'_>| {
        raw.filter(|_| reading.rules == Rules::Internal)
            .and_then(json::string)
            .map(ScoreValue::Text)
    };
    let (read, rule) = match data_type {
        Some(ScoreType::Numeric) => (number.map(ScoreValue::Number), "must be a number for NUMERIC"),
        Some(ScoreType::Boolean) => {
            let number = number.filter(|&number| number == 0.0 || number == 1.0);
            (number.map(ScoreValue::Number), "must be the number 0 or 1 for BOOLEAN")
        }
        Some(ScoreType::Categorical) => (
            text.or_else(|| row_text(of.string_value)),
            "must be a string for CATEGORICAL",
        ),
        Some(ScoreType::Correction) => (
            text.or_else(|| row_text(of.long_string_value)),
            "must be a string for CORRECTION",
        ),
        None => (
            text.or(number.map(ScoreValue::Number)),
            "must be a string or a finite number",
        ),
    };
    read.map_or_else(|| fault("body.value", rule), Ok)
}
