//! What the routes need to know of a body: the one place where the intake meets the decoders.
//!
//! The decoders' results borrow the body or hold its events one by one; what leaves here is owned and ready: the ids to
//! answer, the faults to answer, and the raw object to store. Nothing else in this crate looks into bodies of events.

use bytes::Bytes;
use tracemill_model::Millis;
use tracemill_model::ingest::{Access, RawForm, Text};
use tracemill_operators::decode::events::{self, Batch, BatchError, Single};
use tracemill_operators::decode::otlp;
use tracemill_operators::decode::walk::Cursor;
use tracemill_operators::decode::{Rejected, json};

/// What a body may contain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Events of a batch, scores of an array, ids of a deletion.
    pub events: usize,
    /// Spans of a request.
    pub spans: usize,
    /// Arrays and objects in each other within an event, the event itself being 1.
    pub nesting: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let default = events::Limits::default();
        Self {
            events: default.events,
            spans: 50_000,
            nesting: default.depth,
        }
    }
}

impl Limits {
    fn of_events(&self) -> events::Limits {
        events::Limits {
            events: self.events,
            depth: self.nesting,
            ..events::Limits::default()
        }
    }
}

/// A checked batch.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// The ids of the valid events: what is stored in the order in which it is processed, then the clients' log lines.
    pub(crate) successes: Vec<Text>,
    /// How many events are stored.
    pub(crate) stored: usize,
    /// All invalid ones in input order, then all that the key may not write.
    pub(crate) rejected: Vec<Rejected>,
    /// The raw object: a JSON array of the accepted events. Empty where none is.
    pub(crate) raw: Bytes,
}

impl From<Batch<'_>> for Checked {
    fn from(batch: Batch<'_>) -> Self {
        let raw = batch.raw_object().map(Bytes::from).unwrap_or_default();
        let Batch {
            mut accepted,
            rejected,
            logs,
            ..
        } = batch;
        let stored = accepted.len();
        // Stable: events of the same time stay in their order.
        accepted.sort_by_key(|event| (event.kind.is_update(), event.at));
        let successes = accepted.into_iter().map(|event| event.id).chain(logs).collect();
        Self {
            successes,
            stored,
            rejected,
            raw,
        }
    }
}

/// An OTLP request that cannot be taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum OtlpError {
    Parse,
    TooMany(usize),
}

/// One score, or many.
pub(crate) enum Scores {
    One(Text, Checked),
    Many(Checked),
}

/// A batch of events.
pub(crate) fn batch(body: &[u8], access: Access, limits: &Limits) -> Result<Checked, BatchError> {
    events::batch(body, access, &limits.of_events()).map(Checked::from)
}

/// The one event of a route of its own, and the id of its entity. `id` is of the envelope, and of an entity without one.
pub(crate) fn single(
    kind: Single,
    body: &[u8],
    id: &str,
    now: Millis,
    access: Access,
    limits: &Limits,
) -> Result<(Text, Checked), BatchError> {
    let (named, missing) = match kind {
        Single::SpanUpdate => (
            field(body, "spanId"),
            "spanId: required, the id of the span that is changed",
        ),
        Single::GenerationUpdate => (
            field(body, "generationId"),
            "generationId: required, the id of the generation that is changed",
        ),
        _ => (None, ""),
    };
    // What changes nothing that there is would be a new entity with a part of its fields.
    let is_object = body.trim_ascii_start().starts_with(b"{");
    if is_object && !missing.is_empty() && named.is_none() && field(body, "id").is_none() {
        return Err(BatchError::Shape(missing));
    }
    let id = named.as_deref().unwrap_or(id);
    let batch = events::single(kind, body, id, now, access, &limits.of_events())?;
    Ok((entity(&batch), batch.into()))
}

/// The entity of the first event that was accepted.
fn entity(batch: &Batch<'_>) -> Text {
    let first = batch.accepted.first();
    first.map(|event| event.entity.clone()).unwrap_or_default()
}

/// A text of an object. What is no JSON is nonsense here, and refused where it is decoded.
fn field(body: &[u8], name: &str) -> Option<Text> {
    let mut cursor = Cursor::new(std::str::from_utf8(body).ok()?);
    let mut found = None;
    if cursor.enter(b'{') {
        while let Some(key) = cursor.key() {
            let value = cursor.value();
            if json::string(key).as_deref() == Some(name) {
                found = json::string(value);
            }
        }
    }
    found
}

/// One score or an array of them.
pub(crate) fn scores(
    body: &[u8],
    now: Millis,
    ids: impl FnMut() -> Text,
    access: Access,
    limits: &Limits,
) -> Result<Scores, BatchError> {
    let batch = events::scores(body, access, now, ids, &limits.of_events())?;
    Ok(if body.trim_ascii_start().starts_with(b"[") {
        Scores::Many(batch.into())
    } else {
        Scores::One(entity(&batch), batch.into())
    })
}

/// How many spans an OTLP request has.
pub(crate) fn otlp(bytes: &[u8], form: RawForm, limits: &Limits) -> Result<usize, OtlpError> {
    let counts = otlp::count(bytes, form).map_err(|_| OtlpError::Parse)?;
    if counts.spans > limits.spans {
        return Err(OtlpError::TooMany(limits.spans));
    }
    Ok(counts.spans)
}
