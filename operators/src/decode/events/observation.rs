//! Bodies of observations: spans, events, everything like a generation, and the older form that names its own type.

use tracemill_model::ingest::{Field, Level, ObservationBody, ObservationType, Text};

use super::fields::{self, Fault, Fields, Raw, fault, is_null};
use super::{Reading, usage};
use crate::decode::json;
use crate::decode::walk::Cursor;

/// By which schema a body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Schema {
    /// `event-create`: no end.
    Point,
    /// Spans.
    Span,
    /// Generations and everything like them.
    Generation,
    /// `observation-create` and `observation-update`, whose body names the type.
    Legacy,
}

/// The body of an observation. `envelope` is its id where it has none and need not have one.
pub(super) fn body(
    of: &Fields<'_>,
    envelope: &Text,
    schema: Schema,
    reading: Reading<'_>,
) -> Result<ObservationBody, Fault> {
    let id = match fields::id("body.id", of.id, reading)? {
        Some(id) => id,
        None if schema == Schema::Legacy => envelope.clone(),
        None => return fault("body.id", "must be there"),
    };
    let mut body = ObservationBody {
        id,
        trace_id: fields::id("body.traceId", of.trace_id, reading)?,
        parent_observation_id: fields::filled("body.parentObservationId", of.parent_observation_id)?,
        name: fields::text("body.name", of.name)?,
        environment: match fields::environment(of.environment, reading) {
            // The older form has no such field in the reference, so a value that is not one is not an error.
            Err(_) if schema == Schema::Legacy => None,
            read => read?,
        },
        start_time: fields::time("body.startTime", of.start_time)?,
        metadata: fields::metadata(of.metadata, reading),
        input: fields::payload(of.input, reading),
        output: fields::payload(of.output, reading),
        level: level(of.level)?,
        status_message: fields::filled("body.statusMessage", of.status_message)?,
        version: fields::filled("body.version", of.version)?,
        ..ObservationBody::default()
    };
    if schema != Schema::Point {
        body.end_time = fields::time("body.endTime", of.end_time)?;
    }
    if matches!(schema, Schema::Generation | Schema::Legacy) {
        generation(of, schema, &mut body)?;
    }
    Ok(body)
}

fn generation(of: &Fields<'_>, schema: Schema, body: &mut ObservationBody) -> Result<(), Fault> {
    body.completion_start_time = fields::time("body.completionStartTime", of.completion_start_time)?;
    body.model = fields::text("body.model", of.model)?;
    body.model_parameters = model_parameters(of.model_parameters, schema)?;
    (body.usage, body.cost) = usage::provided(of)?;
    (body.prompt_name, body.prompt_version) = match prompt(of) {
        Err(_) if schema == Schema::Legacy => (None, None),
        read => read?,
    };
    Ok(())
}

fn level(raw: Raw<'_>) -> Result<Field<Level>, Fault> {
    match raw {
        None => Ok(Field::Absent),
        Some(raw) if is_null(raw) => Ok(Field::Null),
        Some(raw) => match json::string(raw).and_then(|name| Level::parse(&name)) {
            Some(level) => Ok(Field::Value(level)),
            None => fault("body.level", "must be DEBUG, DEFAULT, WARNING or ERROR"),
        },
    }
}

/// The link to a prompt: name and version, or neither.
fn prompt(of: &Fields<'_>) -> Result<(Option<Text>, Option<u16>), Fault> {
    let name = fields::filled("body.promptName", of.prompt_name)?;
    let version = fields::integer("body.promptVersion", of.prompt_version)?.filter(|&version| version != 0);
    if name.is_some() != version.is_some() {
        return fault(
            "body.promptName",
            "must come with a promptVersion other than 0, or both be absent",
        );
    }
    // No prompt has a version that does not fit: the link leads nowhere, as that of an unknown prompt.
    let version = version.and_then(|version| u16::try_from(version).ok());
    Ok((name.filter(|_| version.is_some()), version))
}

/// The map as compact JSON text.
fn model_parameters(raw: Raw<'_>, schema: Schema) -> Result<Option<Text>, Fault> {
    const NAME: &str = "body.modelParameters";
    let Some(raw) = raw.filter(|raw| !is_null(raw)) else {
        return Ok(None);
    };
    let mut cursor = Cursor::new(raw);
    if !cursor.enter(b'{') {
        return fault(NAME, "must be an object");
    }
    while cursor.key().is_some() {
        let value = cursor.value();
        let is_nested = value.starts_with(['[', '{']);
        if is_nested && schema == Schema::Legacy {
            return fault(NAME, "must hold strings, numbers, booleans or null");
        }
        if is_nested && !is_of_strings(value) {
            return fault(
                NAME,
                "must hold strings, numbers, booleans, null, or arrays or objects of strings",
            );
        }
    }
    Ok(Some(json::compact(raw).into()))
}

fn is_of_strings(raw: &str) -> bool {
    let mut cursor = Cursor::new(raw);
    if cursor.enter(b'[') {
        while cursor.item() {
            if !cursor.value().starts_with('"') {
                return false;
            }
        }
        return true;
    }
    if cursor.enter(b'{') {
        while cursor.key().is_some() {
            if !cursor.value().starts_with('"') {
                return false;
            }
        }
        return true;
    }
    false
}

/// The type that a body of the older form names.
pub(super) fn legacy_type(raw: Raw<'_>) -> Result<ObservationType, Fault> {
    match raw.and_then(json::string).as_deref() {
        Some("GENERATION") => Ok(ObservationType::Generation),
        Some("SPAN") => Ok(ObservationType::Span),
        Some("EVENT") => Ok(ObservationType::Event),
        _ => fault("body.type", "must be GENERATION, SPAN or EVENT"),
    }
}
