//! Whole bodies: a request at intake, and the object that was stored of it.

use std::borrow::Cow;

use serde_json::value::RawValue;
use tracemill_model::Millis;
use tracemill_model::ingest::{Access, Body, Event, EventKind, Text};

use super::event::{Content, Envelope};
use super::fields::with_name;
use super::{Limits, Reading, Rules};
use crate::decode::walk::Cursor;
use crate::decode::{Decoded, Rejected, Why};

/// A body of which nothing can be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// It is not JSON in UTF-8.
    #[error("not JSON: {0}")]
    Json(String),
    /// It is JSON of another form.
    #[error("{0}")]
    Shape(&'static str),
    /// It has more events than a request may have.
    #[error("more than {limit} events")]
    TooMany {
        /// How many it may have.
        limit: usize,
    },
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch<'a> {
    /// Ids of all envelopes that were valid, those of logs too, in their order.
    pub successes: Vec<Text>,
    /// What is to be stored, in its order.
    pub accepted: Vec<Accepted<'a>>,
    /// What was not valid, in its order, and after it what the key may not write, in its order.
    pub rejected: Vec<Rejected>,
    /// Ids of the clients' own log lines, of which nothing is stored.
    pub logs: Vec<Text>,
}

/// An event that was valid.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted<'a> {
    /// The envelope's id.
    pub id: Text,
    /// What kind of change.
    pub kind: EventKind,
    /// The envelope's time.
    pub at: Millis,
    /// The id of the entity: the body's, or the envelope's where the body has none.
    pub entity: Text,
    /// The trace that it is of.
    pub trace: Option<Text>,
    /// The event as it came.
    pub text: Cow<'a, str>,
}

impl Batch<'_> {
    /// The raw object to store: a JSON array of the accepted events, each as it came. `None`: none was accepted.
    #[must_use]
    pub fn raw_object(&self) -> Option<Vec<u8>> {
        if self.accepted.is_empty() {
            return None;
        }
        let length: usize = self.accepted.iter().map(|event| event.text.len() + 1).sum();
        let mut object = Vec::with_capacity(length + 1);
        for (place, event) in self.accepted.iter().enumerate() {
            object.push(if place == 0 { b'[' } else { b',' });
            object.extend_from_slice(event.text.as_bytes());
        }
        object.push(b']');
        Some(object)
    }
}

/// Reads the body of `POST /api/public/ingestion`: `{"batch": [event, ...]}`.
///
/// # Errors
/// It is not JSON, has no batch, or more events than a request may have. A bad event is no error.
pub fn batch<'a>(body: &'a [u8], access: Access, limits: &Limits) -> Result<Batch<'a>, BatchError> {
    const NO_BATCH: BatchError = BatchError::Shape("batch: must be an array");
    if body.trim_ascii().is_empty() {
        return Err(NO_BATCH);
    }
    let mut cursor = Cursor::new(checked(body)?);
    if !cursor.enter(b'{') {
        return Err(BatchError::Shape("body: must be an object"));
    }
    let mut batch = Err(NO_BATCH);
    while let Some(key) = cursor.key() {
        if !with_name(key, |name| name == "batch") {
            cursor.value();
        } else if cursor.enter(b'[') {
            batch = Ok(Collector::new(access, limits).array(&mut cursor)?);
        } else {
            cursor.value();
            batch = Err(NO_BATCH);
        }
    }
    batch
}

/// Reads a stored raw object of events: an array of them, or one.
///
/// # Errors
/// It is not JSON, or neither an array nor an object. A bad event is no error.
pub fn object(bytes: &[u8], access: Access, rules: Rules, limits: &Limits) -> Result<Decoded, BatchError> {
    let reading = Reading {
        rules,
        limits,
        payloads: true,
    };
    let mut decoded = Decoded::default();
    let mut cursor = Cursor::new(checked(bytes)?);
    let mut index = 0;
    let mut take = |cursor: &mut Cursor<'_>| {
        let envelope = Envelope::read(cursor);
        match envelope.content(access, reading) {
            Ok(Content::Event(event)) => decoded.events.push(event),
            Ok(Content::Log(_)) => {}
            Err(why) => decoded.rejected.push(rejected(index, &envelope, why)),
        }
        index += 1;
    };
    match cursor.peek() {
        Some(b'{') => take(&mut cursor),
        Some(b'[') => {
            cursor.enter(b'[');
            while cursor.item() {
                take(&mut cursor);
            }
        }
        _ => return Err(BatchError::Shape("object: must be an array of events, or one")),
    }
    Ok(decoded)
}

/// The body as the text of one JSON value.
pub(super) fn checked(body: &[u8]) -> Result<&str, BatchError> {
    let text = simdutf8::compat::from_utf8(body).map_err(|error| BatchError::Json(error.to_string()))?;
    // Reads it to its end without recursion, and builds nothing.
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| BatchError::Json(error.to_string()))?;
    Ok(raw.get())
}

fn rejected(index: u32, envelope: &Envelope<'_>, (why, reason): (Why, String)) -> Rejected {
    Rejected {
        index,
        id: envelope.id(),
        why,
        reason,
    }
}

/// Sorts a request's events into what a batch holds.
pub(super) struct Collector<'a, 'l> {
    batch: Batch<'a>,
    scope: Vec<Rejected>,
    access: Access,
    limits: &'l Limits,
    index: u32,
}

impl<'a, 'l> Collector<'a, 'l> {
    pub(super) fn new(access: Access, limits: &'l Limits) -> Self {
        Self {
            batch: Batch::default(),
            scope: Vec::new(),
            access,
            limits,
            index: 0,
        }
    }

    /// All events of the array that the cursor has entered.
    fn array(mut self, cursor: &mut Cursor<'a>) -> Result<Batch<'a>, BatchError> {
        while cursor.item() {
            self.count()?;
            let envelope = Envelope::read(cursor);
            self.take(&envelope, Cow::Borrowed(envelope.text));
        }
        Ok(self.finish())
    }

    /// Counts an event before it is read.
    pub(super) fn count(&mut self) -> Result<(), BatchError> {
        let limit = self.limits.events;
        if self.index as usize >= limit {
            return Err(BatchError::TooMany { limit });
        }
        self.index += 1;
        Ok(())
    }

    /// Takes the event that was counted last; `text` is what would be stored of it.
    pub(super) fn take(&mut self, envelope: &Envelope<'_>, text: Cow<'a, str>) {
        let reading = Reading {
            rules: Rules::Public,
            limits: self.limits,
            payloads: false,
        };
        match envelope.content(self.access, reading) {
            Ok(Content::Event(event)) => {
                self.batch.successes.push(event.id.clone());
                self.batch.accepted.push(accepted(event, text));
            }
            Ok(Content::Log(id)) => {
                self.batch.successes.push(id.clone());
                self.batch.logs.push(id);
            }
            Err(fault) => self.reject(envelope, fault),
        }
    }

    /// Rejects the event that was counted last.
    pub(super) fn reject(&mut self, envelope: &Envelope<'_>, fault: (Why, String)) {
        let rejected = rejected(self.index - 1, envelope, fault);
        match rejected.why {
            Why::Invalid => self.batch.rejected.push(rejected),
            Why::Scope => self.scope.push(rejected),
        }
    }

    pub(super) fn finish(mut self) -> Batch<'a> {
        self.batch.rejected.append(&mut self.scope);
        self.batch
    }
}

fn accepted(event: Event, text: Cow<'_, str>) -> Accepted<'_> {
    let entity = event.body.id().clone();
    let trace = match event.body {
        Body::Trace(_) => Some(entity.clone()),
        Body::Observation(body) => body.trace_id,
        Body::Score(body) => body.trace_id,
    };
    Accepted {
        id: event.id,
        kind: event.kind,
        at: event.at,
        entity,
        trace,
        text,
    }
}
