//! What the routes need to know of a body: the one place where the intake meets the decoders.
//!
//! PROVISIONAL: a plain reading with the envelope's rules and the first rules of bodies. Each function stands for the one of the same
//! name in `tracemill_operators::decode` and becomes a call of it; nothing else in this crate looks into bodies.

use std::io::Read;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tracemill_model::Millis;
use tracemill_model::ingest::{Access, Encoding, RawForm, Text};
use tracemill_operators::decode::json::depth;
use tracemill_operators::decode::{Rejected, Why};

/// What a body may contain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Events of a batch, scores of an array, ids of a deletion.
    pub events: usize,
    /// Spans of a request.
    pub spans: usize,
    /// Arrays and objects in each other.
    pub nesting: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            events: 10_000,
            spans: 50_000,
            nesting: 512,
        }
    }
}

/// A checked batch.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// The ids of the accepted events, in the order in which they are processed.
    pub(crate) accepted: Vec<Text>,
    /// All invalid ones in input order, then all that the key may not write.
    pub(crate) rejected: Vec<Rejected>,
    /// The raw object: a JSON array of the accepted events. Empty where none is.
    pub(crate) raw: Bytes,
}

/// A body that is no batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BatchError {
    /// It is not JSON, or not UTF-8.
    Json,
    /// It is JSON of another shape: what is wrong.
    Shape(String),
    /// It has more events than so many.
    TooMany(usize),
}

/// A body that is no OTLP.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum OtlpError {
    Parse,
    TooMany(usize),
}

/// A body that cannot be decompressed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum InflateError {
    Invalid,
    TooLarge,
}

/// An event that a route makes.
pub(crate) struct Made<'a> {
    /// `trace-create`, `observation-update` and so on.
    pub(crate) kind: &'a str,
    /// `SPAN` and so on.
    pub(crate) observation: Option<&'a str>,
    /// The body's field that holds the id where `id` is missing.
    pub(crate) other_id: &'a str,
    /// Makes ids.
    pub(crate) id: &'a dyn Fn() -> String,
    pub(crate) now: Millis,
}

/// One score, or many.
pub(crate) enum Scores {
    One(Text, Checked),
    Many(Checked),
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    batch: Vec<&'a RawValue>,
}

/// A batch of events.
pub(crate) fn batch(body: &[u8], access: Access, limits: &Limits) -> Result<Checked, BatchError> {
    let text = std::str::from_utf8(body).map_err(|_| BatchError::Json)?;
    let text = if text.trim().is_empty() { "{}" } else { text };
    let whole: &RawValue = serde_json::from_str(text).map_err(|_| BatchError::Json)?;
    if !whole.get().starts_with('{') {
        return Err(BatchError::Shape("Invalid input: expected object".to_owned()));
    }
    let Ok(envelope) = serde_json::from_str::<Envelope<'_>>(whole.get()) else {
        return Err(BatchError::Shape("batch: Invalid input: expected array".to_owned()));
    };
    if envelope.batch.len() > limits.events {
        return Err(BatchError::TooMany(limits.events));
    }
    Ok(events(envelope.batch.iter().map(|raw| raw.get()), access, limits))
}

fn events<'a>(raws: impl Iterator<Item = &'a str>, access: Access, limits: &Limits) -> Checked {
    let mut checked = Checked::default();
    let (mut scopes, mut taken) = (Vec::new(), Vec::new());
    for (index, raw) in raws.enumerate() {
        let value: Value = if depth(raw) > limits.nesting {
            Value::Null
        } else {
            serde_json::from_str(raw).unwrap_or_default()
        };
        let id: Text = value["id"].as_str().unwrap_or("unknown").into();
        let rejected = |why, reason: String| Rejected {
            index: u32::try_from(index).unwrap_or(u32::MAX),
            id: id.clone(),
            why,
            reason,
        };
        match event_fault(&value) {
            Some(reason) => checked.rejected.push(rejected(Why::Invalid, reason)),
            None if value["type"] == "sdk-log" => {}
            None if access == Access::Scores && value["type"] != "score-create" => {
                scopes.push(rejected(Why::Scope, "Access Scope Denied".to_owned()));
            }
            None => {
                let update = value["type"].as_str().is_some_and(|kind| kind.ends_with("-update"));
                taken.push((update, value["timestamp"].as_str().unwrap_or("").to_owned(), id, raw));
            }
        }
    }
    checked.rejected.append(&mut scopes);
    let joined: Vec<&str> = taken.iter().map(|(_, _, _, raw)| *raw).collect();
    if !joined.is_empty() {
        checked.raw = Bytes::from(format!("[{}]", joined.join(",")));
    }
    taken.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    checked.accepted = taken.into_iter().map(|(_, _, id, _)| id).collect();
    checked
}

fn event_fault(event: &Value) -> Option<String> {
    let id_fault = |value: &Value| match value.as_str() {
        Some(id) if id.contains('\r') => Some("id: ID cannot contain carriage return characters".to_owned()),
        Some(id) if (1..=800).contains(&id.encode_utf16().count()) => None,
        _ => Some("id: Invalid input: expected string of 1 to 800 characters".to_owned()),
    };
    if let Some(fault) = id_fault(&event["id"]) {
        return Some(fault);
    }
    let kind = event["type"].as_str().unwrap_or("");
    let known = ["-create", "-update"].iter().any(|end| kind.ends_with(end)) || kind == "sdk-log";
    if !known || kind == "dataset-run-item-create" {
        return Some("type: Invalid input".to_owned());
    }
    if event["timestamp"].as_str().is_none_or(|at| Millis::parse(at).is_err()) {
        return Some("timestamp: Invalid ISO datetime".to_owned());
    }
    let body = &event["body"];
    if !body.is_object() {
        return Some("body: Invalid input: expected object".to_owned());
    }
    if body["name"]
        .as_str()
        .is_some_and(|name| name.encode_utf16().count() > 1_000)
        && kind == "trace-create"
    {
        return Some("body.name: Too big: expected string to have <=1000 characters".to_owned());
    }
    if kind == "score-create" && !(body["name"].is_string() && (body["value"].is_number() || body["value"].is_string()))
    {
        return Some("body: Invalid input: a score has a name and a value".to_owned());
    }
    let environment = body["environment"].as_str()?.to_lowercase();
    let charset = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if environment.starts_with("langfuse") || environment.len() > 40 || !environment.chars().all(charset) {
        return Some("body.environment: Invalid string".to_owned());
    }
    None
}

/// The one event of a route of its own, and the id of its entity.
pub(crate) fn single(
    body: &[u8],
    made: &Made<'_>,
    access: Access,
    limits: &Limits,
) -> Result<(Text, Checked), BatchError> {
    let value: Value = parse(body, limits)?;
    if !value.is_object() {
        return Err(BatchError::Shape("Invalid input: expected object".to_owned()));
    }
    let (id, event) = make(value, made);
    Ok((id, events(std::iter::once(event.as_str()), access, limits)))
}

/// One score or an array of them.
pub(crate) fn scores(body: &[u8], made: &Made<'_>, access: Access, limits: &Limits) -> Result<Scores, BatchError> {
    match parse(body, limits)? {
        Value::Array(items) if items.len() > limits.events => Err(BatchError::TooMany(limits.events)),
        Value::Array(items) => {
            let made: Vec<String> = items.into_iter().map(|item| make(item, made).1).collect();
            Ok(Scores::Many(events(made.iter().map(String::as_str), access, limits)))
        }
        value @ Value::Object(_) => {
            let (id, event) = make(value, made);
            Ok(Scores::One(id, events(std::iter::once(event.as_str()), access, limits)))
        }
        _ => Err(BatchError::Shape("Invalid input: expected object or array".to_owned())),
    }
}

fn parse(body: &[u8], limits: &Limits) -> Result<Value, BatchError> {
    let text = std::str::from_utf8(body).map_err(|_| BatchError::Json)?;
    if depth(text) > limits.nesting {
        return Err(BatchError::Shape("nested too deep".to_owned()));
    }
    serde_json::from_str(text).map_err(|_| BatchError::Json)
}

fn make(mut body: Value, made: &Made<'_>) -> (Text, String) {
    let id = ["id", made.other_id]
        .iter()
        .find_map(|name| body[*name].as_str().map(str::to_owned))
        .unwrap_or_else(made.id);
    if let Some(fields) = body.as_object_mut() {
        fields.insert("id".to_owned(), json!(id));
        if let Some(observation) = made.observation {
            fields.insert("type".to_owned(), json!(observation));
        }
    }
    let event = json!({"id": (made.id)(), "type": made.kind, "timestamp": made.now.to_string(), "body": body});
    (id.into(), event.to_string())
}

/// Decompresses, to at most `max` bytes.
pub(crate) fn decompress(encoding: Encoding, bytes: &[u8], max: u64) -> Result<Vec<u8>, InflateError> {
    let mut out = Vec::new();
    let read = match encoding {
        Encoding::Identity => bytes.take(max + 1).read_to_end(&mut out),
        Encoding::Gzip => flate2::read::MultiGzDecoder::new(bytes)
            .take(max + 1)
            .read_to_end(&mut out),
        Encoding::Zstd => {
            zstd::stream::read::Decoder::new(bytes).and_then(|decoder| decoder.take(max + 1).read_to_end(&mut out))
        }
    };
    match read {
        Err(_) => Err(InflateError::Invalid),
        Ok(_) if out.len() as u64 > max => Err(InflateError::TooLarge),
        Ok(_) => Ok(out),
    }
}

/// How many spans an OTLP request has.
pub(crate) fn otlp(bytes: &[u8], form: RawForm, limits: &Limits) -> Result<usize, OtlpError> {
    let spans = if form == RawForm::OtlpJson {
        json_spans(bytes, limits)
    } else {
        protobuf_spans(bytes)
    };
    match spans.ok_or(OtlpError::Parse)? {
        spans if spans > limits.spans => Err(OtlpError::TooMany(limits.spans)),
        spans => Ok(spans),
    }
}

fn json_spans(bytes: &[u8], limits: &Limits) -> Option<usize> {
    let text = std::str::from_utf8(bytes).ok()?;
    if depth(text) > limits.nesting {
        return None;
    }
    let request: Value = serde_json::from_str(text).ok()?;
    let list = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    let scopes = list(&request, "resourceSpans")
        .into_iter()
        .flat_map(|resource| list(&resource, "scopeSpans"));
    request
        .is_object()
        .then(|| scopes.map(|scope| list(&scope, "spans").len()).sum())
}

fn protobuf_spans(bytes: &[u8]) -> Option<usize> {
    let mut spans = 0;
    for resource in messages(bytes, 1)? {
        for scope in messages(resource, 2)? {
            spans += messages(scope, 2)?.len();
        }
    }
    Some(spans)
}

/// The length-delimited fields of that number.
fn messages(mut bytes: &[u8], number: u64) -> Option<Vec<&[u8]>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        let length = match tag & 7 {
            0 => varint(&mut bytes).map(|_| 0)?,
            1 => 8,
            2 => usize::try_from(varint(&mut bytes)?).ok()?,
            5 => 4,
            _ => return None,
        };
        let field = bytes.get(..length)?;
        bytes = &bytes[length..];
        if tag & 7 == 2 && tag >> 3 == number {
            found.push(field);
        }
    }
    Some(found)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 127) << shift;
        if *first < 128 {
            return Some(value);
        }
    }
    None
}
