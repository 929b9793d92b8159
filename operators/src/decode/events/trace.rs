//! Bodies of traces.

use tracemill_model::ingest::{Text, TraceBody};

use super::Reading;
use super::fields::{self, Fault, Fields, Raw, fault, is_null};
use crate::decode::json;
use crate::decode::walk::Cursor;

const LONGEST_NAME: usize = 1000;

/// The body of a trace; `envelope` is its id where it has none.
pub(super) fn body(of: &Fields<'_>, envelope: &Text, reading: Reading<'_>) -> Result<TraceBody, Fault> {
    let name = fields::text("body.name", of.name)?;
    if name.value().is_some_and(|name| fields::is_longer(name, LONGEST_NAME)) {
        return fault("body.name", "must have at most 1000 characters");
    }
    fields::text("body.externalId", of.external_id)?;
    Ok(TraceBody {
        id: fields::id("body.id", of.id, reading)?.unwrap_or_else(|| envelope.clone()),
        timestamp: fields::time("body.timestamp", of.timestamp)?,
        name,
        user_id: fields::text("body.userId", of.user_id)?,
        session_id: fields::text("body.sessionId", of.session_id)?,
        release: fields::text("body.release", of.release)?,
        version: fields::text("body.version", of.version)?,
        environment: fields::environment(of.environment, reading)?,
        public: public(of.public)?,
        tags: tags(of.tags)?,
        metadata: fields::metadata(of.metadata, reading),
        input: fields::payload(of.input, reading),
        output: fields::payload(of.output, reading),
    })
}

fn public(raw: Raw<'_>) -> Result<Option<bool>, Fault> {
    match raw {
        None => Ok(None),
        Some(raw) if is_null(raw) => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => fault("body.public", "must be a boolean"),
    }
}

fn tags(raw: Raw<'_>) -> Result<Vec<Text>, Fault> {
    const RULE: &str = "must be an array of strings";
    let mut tags = Vec::new();
    let Some(raw) = raw.filter(|raw| !is_null(raw)) else {
        return Ok(tags);
    };
    let mut cursor = Cursor::new(raw);
    if !cursor.enter(b'[') {
        return fault("body.tags", RULE);
    }
    while cursor.item() {
        match json::string(cursor.value()) {
            Some(tag) => tags.push(tag),
            None => return fault("body.tags", RULE),
        }
    }
    Ok(tags)
}
