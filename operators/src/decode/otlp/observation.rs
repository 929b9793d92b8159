//! The observation that a span is.

use tracemill_model::Millis;
use tracemill_model::ingest::{Field, Level, Metadata, MetadataValue, ObservationBody, ObservationType, Text};

use super::super::json;
use super::builder::Subject;
use super::keys::{Attrs, Key};
use super::metadata::{self, Domain, NAMES};
use super::value::{Value, valid_json};
use super::{kind, model, usage};

/// The observation. Spans and events have no model, usage, cost and prompt; events have no end.
///
/// # Errors
/// Its level is none of the four.
pub(super) fn body(subject: &Subject<'_, '_>) -> Result<(ObservationType, ObservationBody), String> {
    let Subject { span, attrs, scope, .. } = subject;
    let ty = kind::observation_type(attrs, scope.is_old_python);
    let message = attrs.get(Key::ObsStatusMessage).map(Value::to_text);
    let mut body = ObservationBody {
        id: subject.id.clone(),
        trace_id: Some(subject.trace_id.clone()),
        parent_observation_id: (!span.parent_id.is_empty()).then(|| (&*span.parent_id).into()),
        name: Field::Value(name(subject)),
        environment: Some(subject.environment.clone()),
        start_time: Some(subject.start),
        end_time: (ty != ObservationType::Event).then_some(subject.end),
        metadata: metadata(subject),
        input: subject.payload.0.clone(),
        output: subject.payload.1.clone(),
        level: Field::Value(level(subject)?),
        status_message: message.or_else(|| (!span.status_message.is_empty()).then(|| (&*span.status_message).into())),
        version: subject.inherited(Key::LfVersion, Key::ServiceVersion),
        is_complete: true,
        ..ObservationBody::default()
    };
    if ty.is_generation_like() {
        body.completion_start_time = completion_start(attrs, subject.start);
        body.model = Field::or_absent(model::name(attrs));
        body.model_parameters = model::parameters(attrs, &scope.name);
        body.usage = usage::usage(attrs, &scope.name);
        body.cost = usage::cost(attrs);
        (body.prompt_name, body.prompt_version) = model::prompt(attrs);
    }
    Ok((ty, body))
}

/// The name: what the libraries say of it, else the span's.
pub(super) fn name(subject: &Subject<'_, '_>) -> Text {
    let attrs = subject.attrs;
    let said = attrs
        .first(&[Key::GenAiToolName, Key::LogfireMsg])
        .or_else(|| attrs.get(Key::AiToolName));
    if let Some(said) = said {
        return said.to_text();
    }
    match (attrs.get(Key::AiOperationId), attrs.truthy(Key::AiFunctionId)) {
        (Some(operation), Some(function)) => format!("{}:{}", function.text(), operation.text()).into(),
        (Some(operation), None) => operation.to_text(),
        (None, _) => (&*subject.span.name).into(),
    }
}

fn level(subject: &Subject<'_, '_>) -> Result<Level, String> {
    match subject.attrs.get(Key::ObsLevel) {
        Some(level) => {
            let level = level.text();
            Level::parse(&level).ok_or_else(|| {
                let shown: String = level.chars().take(40).collect();
                format!("level `{shown}`: must be DEBUG, DEFAULT, WARNING or ERROR")
            })
        }
        None if subject.span.is_error => Ok(Level::Error),
        None => Ok(Level::Default),
    }
}

fn metadata(subject: &Subject<'_, '_>) -> Metadata {
    let mut entries = subject.resource.metadata.clone();
    metadata::collect(subject.attrs, Domain::Observation, &mut entries);
    if let Some(attributes) = &subject.attributes {
        entries.set_shared(&NAMES.attributes, MetadataValue::Json(attributes.clone()));
    }
    entries.set_shared(&NAMES.resource, subject.resource.text.clone());
    entries.set_shared(&NAMES.scope, subject.scope.text.clone());
    entries.into_list()
}

/// When the first token came: a time, also one that was encoded as JSON; or milliseconds from the start.
fn completion_start(attrs: &Attrs<'_>, start: Millis) -> Option<Millis> {
    if let Some(text) = attrs.get(Key::ObsCompletionStart).and_then(Value::as_str) {
        let decoded = || json::string(valid_json(text)?).and_then(|text| time(&text));
        if let Some(at) = time(text).or_else(decoded) {
            return Some(at);
        }
    }
    let waited = attrs.first_present(&[Key::AiFirstChunk, Key::AiStreamFirstChunk])?;
    let waited: f64 = waited.text().trim().parse().ok()?;
    // Longer than a year is no wait.
    (0.0..3e10).contains(&waited).then(|| start.plus(waited.ceil() as i64))
}

fn time(text: &str) -> Option<Millis> {
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(Millis(at.as_millisecond()))
}
