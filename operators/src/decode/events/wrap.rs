//! Bodies that come without an envelope: scores one by one or as an array, and the older routes of single events. Each
//! gets an envelope here, so that what is stored has one form.

use std::borrow::Cow;

use tracemill_model::Millis;
use tracemill_model::ingest::{Access, Text};

use super::batch::{Collector, checked};
use super::event::Envelope;
use super::fields::{self, Fields};
use super::{Batch, BatchError, Limits};
use crate::decode::Why;
use crate::decode::walk::Cursor;

/// Which of the older routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Single {
    /// `POST /api/public/traces`.
    Trace,
    /// `POST /api/public/spans`.
    SpanCreate,
    /// `PATCH /api/public/spans`.
    SpanUpdate,
    /// `POST /api/public/generations`.
    GenerationCreate,
    /// `PATCH /api/public/generations`.
    GenerationUpdate,
    /// `POST /api/public/events`.
    Event,
}

impl Single {
    /// The event's type, and the body's where it needs one.
    const fn types(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Trace => ("trace-create", None),
            Self::SpanCreate => ("observation-create", Some("SPAN")),
            Self::SpanUpdate => ("observation-update", Some("SPAN")),
            Self::GenerationCreate => ("observation-create", Some("GENERATION")),
            Self::GenerationUpdate => ("observation-update", Some("GENERATION")),
            Self::Event => ("observation-create", Some("EVENT")),
        }
    }
}

/// Reads the body of `POST /api/public/scores`: a score, or an array of scores. Each gets an envelope with the next of
/// `ids`, which is the score's id too where it has none, and with its own `timestamp`, else `received`.
///
/// # Errors
/// It is not JSON, neither an object nor an array, or has more scores than a request may have events. A bad score is no
/// error.
pub fn scores(
    body: &[u8],
    access: Access,
    received: Millis,
    mut ids: impl FnMut() -> Text,
    limits: &Limits,
) -> Result<Batch<'static>, BatchError> {
    let mut cursor = Cursor::new(checked(body)?);
    let mut collector = Collector::new(access, limits);
    let mut take = |cursor: &mut Cursor<'_>| {
        collector.count()?;
        score(cursor, received, &ids(), &mut collector);
        Ok(())
    };
    match cursor.peek() {
        Some(b'{') => take(&mut cursor)?,
        Some(b'[') => {
            cursor.enter(b'[');
            while cursor.item() {
                take(&mut cursor)?;
            }
        }
        _ => return Err(BatchError::Shape("body: must be a score, or an array of scores")),
    }
    Ok(collector.finish())
}

fn score(cursor: &mut Cursor<'_>, received: Millis, id: &str, collector: &mut Collector<'static, '_>) {
    cursor.peek();
    let from = cursor.place();
    let timestamp = match Fields::read(cursor) {
        Some(fields) => fields::time("timestamp", fields.timestamp),
        None => Ok(None),
    };
    let (at, fault) = match timestamp {
        Ok(at) => (at.unwrap_or(received), None),
        Err(fault) => (received, Some(fault)),
    };
    let text = enveloped("score-create", id, at, cursor.since(from));
    let envelope = Envelope::read(&mut Cursor::new(&text));
    match fault {
        Some(fault) => collector.reject(&envelope, (Why::Invalid, fault)),
        None => collector.take(&envelope, Cow::Owned(text.clone())),
    }
}

/// Reads the body of one of the older routes. The envelope gets `id`, which is the entity's too where the body has none.
///
/// # Errors
/// It is not JSON, or not an object. An event that is not valid is no error: it is the one in `rejected`.
pub fn single(
    kind: Single,
    body: &[u8],
    id: &str,
    received: Millis,
    access: Access,
    limits: &Limits,
) -> Result<Batch<'static>, BatchError> {
    let mut cursor = Cursor::new(checked(body)?);
    if cursor.peek() != Some(b'{') {
        return Err(BatchError::Shape("body: must be an object"));
    }
    let (ty, body_type) = kind.types();
    let body = cursor.value();
    let body = match body_type {
        None => Cow::Borrowed(body),
        Some(body_type) => typed(body, body_type),
    };
    let text = enveloped(ty, id, received, &body);
    let envelope = Envelope::read(&mut Cursor::new(&text));
    let mut collector = Collector::new(access, limits);
    collector.count()?;
    collector.take(&envelope, Cow::Owned(text.clone()));
    Ok(collector.finish())
}

/// The object with a `type` at its end, where it counts more than one that it may have.
fn typed<'a>(body: &'a str, ty: &str) -> Cow<'a, str> {
    let Some(open) = body.strip_suffix('}') else {
        return Cow::Borrowed(body);
    };
    let mut cursor = Cursor::new(body);
    let comma = if cursor.enter(b'{') && cursor.key().is_some() {
        ","
    } else {
        ""
    };
    Cow::Owned(format!(r#"{open}{comma}"type":"{ty}"}}"#))
}

fn enveloped(ty: &str, id: &str, at: Millis, body: &str) -> String {
    let id = serde_json::Value::from(id);
    format!(r#"{{"id":{id},"type":"{ty}","timestamp":"{at}","body":{body}}}"#)
}
