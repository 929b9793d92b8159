//! OTLP/JSON, and the form in which the reference stores a request: spans out of text that is valid JSON.
//!
//! Values of a wrong type count as absent. Ids are hex texts, byte arrays or buffers; integers are numbers, texts or
//! `{"low", "high"}`.

use std::borrow::Cow;

use super::cursor::Cursor;
use super::span::{Scope, Span, SpanEvent, Unreadable, Visitor, hex};
use super::value::{MAX_DEPTH, Pairs, Value};
use super::{Counts, OtlpError};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// How deep arrays and objects of a request may lie in each other: a value in a value takes up to four, so that what is too
/// deep for [`MAX_DEPTH`] can still be told from what is no request.
const MAX_NESTING: usize = 512;

/// A request: `{"resourceSpans": [...]}`, or with `stored` that array alone. Gives the array.
fn resource_spans<'a>(cursor: &mut Cursor<'a>, text: &'a str, stored: bool) -> Option<&'a str> {
    if stored && cursor.peek() == b'[' {
        return Some(text);
    }
    let mut found = None;
    if cursor.enter_object() {
        while let Some(key) = cursor.key() {
            let raw = cursor.raw();
            if key == "resourceSpans" {
                found = Some(raw);
            }
        }
    }
    found
}

/// How many there are.
pub(super) fn count(text: &str, stored: bool) -> Result<Counts, OtlpError> {
    let mut counts = Counts::default();
    let mut frame = Cursor::new(text);
    let list = resource_spans(&mut frame, text, stored);
    if frame.deepest() > MAX_NESTING {
        return Err(OtlpError::TooDeep { limit: MAX_NESTING });
    }
    let Some(list) = list else {
        return Ok(counts);
    };
    let mut cursor = Cursor::new(list);
    each(&mut cursor, |cursor| {
        counts.resource_spans += 1;
        members(cursor, |key, cursor| match key {
            "scopeSpans" => each(cursor, |cursor| {
                members(cursor, |key, cursor| match key {
                    "spans" => each(cursor, |cursor| {
                        cursor.skip();
                        counts.spans += 1;
                    }),
                    _ => cursor.skip(),
                });
            }),
            _ => cursor.skip(),
        });
    });
    Ok(counts)
}

/// Reads a request.
pub(super) fn read<'a>(text: &'a str, stored: bool, visitor: &mut impl Visitor<'a>) {
    let Some(list) = resource_spans(&mut Cursor::new(text), text, stored) else {
        return;
    };
    each(&mut Cursor::new(list), |cursor| {
        let (mut attributes, mut scopes) = (Pairs::new(), None);
        members(cursor, |key, cursor| match key {
            "resource" => members(cursor, |key, cursor| match key {
                "attributes" => drop(pairs(cursor, 0, &mut attributes)),
                _ => cursor.skip(),
            }),
            "scopeSpans" => scopes = Some(cursor.raw()),
            _ => cursor.skip(),
        });
        visitor.resource(attributes);
        if let Some(scopes) = scopes {
            each(&mut Cursor::new(scopes), |cursor| read_scope(cursor, visitor));
        }
    });
}

fn read_scope<'a>(cursor: &mut Cursor<'a>, visitor: &mut impl Visitor<'a>) {
    let (mut scope, mut spans) = (Scope::default(), None);
    members(cursor, |key, cursor| match key {
        "scope" => members(cursor, |key, cursor| match key {
            "name" => scope.name = cursor.string_or_skip().unwrap_or_default(),
            "version" => scope.version = cursor.string_or_skip().unwrap_or_default(),
            "attributes" => drop(pairs(cursor, 0, &mut scope.attributes)),
            _ => cursor.skip(),
        }),
        "spans" => spans = Some(cursor.raw()),
        _ => cursor.skip(),
    });
    visitor.scope(scope);
    if let Some(spans) = spans {
        each(&mut Cursor::new(spans), |cursor| visitor.span(read_span(cursor)));
    }
}

fn read_span<'a>(cursor: &mut Cursor<'a>) -> Result<Span<'a>, Unreadable> {
    let mut span = Span::default();
    let mut fault = None;
    if cursor.peek() != b'{' {
        fault = Some("the span is not an object".to_owned());
    }
    members(cursor, |key, cursor| match key {
        "traceId" => span.trace_id = id(cursor),
        "spanId" => span.span_id = id(cursor),
        "parentSpanId" => span.parent_id = id(cursor),
        "name" => span.name = cursor.string_or_skip().unwrap_or_default(),
        "startTimeUnixNano" => time(cursor, &mut span.start, key, &mut fault),
        "endTimeUnixNano" => time(cursor, &mut span.end, key, &mut fault),
        "attributes" => {
            if pairs(cursor, 0, &mut span.attributes).is_err() {
                fault = Some(format!("an attribute is nested more than {MAX_DEPTH} deep"));
            }
        }
        "events" => each(cursor, |cursor| event(cursor, &mut span.events)),
        "status" => members(cursor, |key, cursor| match key {
            "message" => span.status_message = cursor.string_or_skip().unwrap_or_default(),
            "code" => span.is_error = matches!(cursor.raw(), "2" | r#""2""# | r#""STATUS_CODE_ERROR""#),
            _ => cursor.skip(),
        }),
        _ => cursor.skip(),
    });
    match fault {
        None => Ok(span),
        Some(reason) => Err(Unreadable {
            id: (!span.span_id.is_empty()).then(|| (&*span.span_id).into()),
            reason,
        }),
    }
}

fn event<'a>(cursor: &mut Cursor<'a>, events: &mut Vec<SpanEvent<'a>>) {
    let (mut name, mut raw) = (None, None);
    members(cursor, |key, cursor| match key {
        "name" => name = cursor.string_or_skip(),
        "attributes" => raw = Some(cursor.raw()),
        _ => cursor.skip(),
    });
    if let Some(name) = name.filter(|name| SpanEvent::matters(name)) {
        let mut attributes = Pairs::new();
        drop(pairs(&mut Cursor::new(raw.unwrap_or("[]")), 0, &mut attributes));
        events.push(SpanEvent { name, attributes });
    }
}

/// Calls for each member of an object with the cursor at its value, which the call must pass.
fn members<'a>(cursor: &mut Cursor<'a>, mut call: impl FnMut(&str, &mut Cursor<'a>)) {
    if cursor.enter_object() {
        while let Some(key) = cursor.key() {
            call(&key, cursor);
        }
    }
}

/// Calls for each item of an array with the cursor at it, which the call must pass.
fn each<'a>(cursor: &mut Cursor<'a>, mut call: impl FnMut(&mut Cursor<'a>)) {
    if cursor.enter_array() {
        while cursor.item() {
            call(cursor);
        }
    }
}

/// An id: a text as it is, bytes as hex.
fn id<'a>(cursor: &mut Cursor<'a>) -> Cow<'a, str> {
    match cursor.peek() {
        b'"' => cursor.string(),
        b'[' | b'{' => bytes(cursor).map_or(Cow::Borrowed(""), |bytes| hex(&bytes).into()),
        _ => {
            cursor.skip();
            Cow::Borrowed("")
        }
    }
}

/// Bytes: `[1, 2]` or `{"type": "Buffer", "data": [1, 2]}`.
fn bytes(cursor: &mut Cursor<'_>) -> Option<Vec<u8>> {
    let mut found = None;
    if cursor.peek() == b'{' {
        members(cursor, |key, cursor| match key {
            "data" if cursor.peek() == b'[' => found = bytes(cursor),
            _ => cursor.skip(),
        });
        return found;
    }
    let mut out = Some(Vec::new());
    each(cursor, |cursor| match (cursor.raw().parse(), &mut out) {
        (Ok(byte), Some(out)) => out.push(byte),
        _ => out = None,
    });
    out
}

fn time(cursor: &mut Cursor<'_>, time: &mut u64, key: &str, fault: &mut Option<String>) {
    // Two halves are unsigned, a negative number is none of these times.
    let is_halves = cursor.peek() == b'{';
    match int(cursor) {
        Some(Value::Int(value)) if is_halves || value >= 0 => *time = value.cast_unsigned(),
        Some(Value::Double(value)) if value >= 0.0 => *time = value as u64,
        Some(Value::Null) => {}
        _ => *fault = Some(format!("`{key}` is not a number of nanoseconds")),
    }
}

/// A 64-bit integer in any of its spellings; a double where it is none. `None`: it is not a number.
pub(super) fn int<'a>(cursor: &mut Cursor<'a>) -> Option<Value<'a>> {
    match cursor.peek() {
        b'{' => {
            let (mut low, mut high) = (None, None);
            members(cursor, |key, cursor| match key {
                "low" => low = cursor.raw().parse::<i64>().ok(),
                "high" => high = cursor.raw().parse::<i64>().ok(),
                _ => cursor.skip(),
            });
            // Both halves are 32 bits, and either may be written as signed.
            let (low, high) = (low? as u32, high? as u32);
            Some(Value::Int((u64::from(high) << 32 | u64::from(low)).cast_signed()))
        }
        b'"' => number(&cursor.string()),
        b'n' => {
            cursor.skip();
            Some(Value::Null)
        }
        _ => number(cursor.raw()),
    }
}

fn number<'a>(text: &str) -> Option<Value<'a>> {
    let text = text.trim();
    if let Ok(int) = text.parse::<i64>() {
        return Some(Value::Int(int));
    }
    let double = text.parse::<f64>().ok()?;
    let whole = double.fract() == 0.0 && double.abs() < 9e18;
    Some(if whole {
        Value::Int(double as i64)
    } else {
        Value::Double(double)
    })
}

struct TooDeep;

/// A list of `{"key", "value"}`. What is too deep is null, and an error at the end.
fn pairs<'a>(cursor: &mut Cursor<'a>, depth: usize, out: &mut Pairs<'a>) -> Result<(), TooDeep> {
    let mut result = Ok(());
    each(cursor, |cursor| {
        let (mut name, mut found) = (None, Value::Null);
        members(cursor, |key, cursor| match key {
            "key" => name = cursor.string_or_skip(),
            "value" => found = value(cursor, depth, &mut result),
            _ => cursor.skip(),
        });
        if let Some(name) = name {
            out.push((name, found));
        }
    });
    result
}

fn value<'a>(cursor: &mut Cursor<'a>, depth: usize, result: &mut Result<(), TooDeep>) -> Value<'a> {
    let mut found = Value::Null;
    members(cursor, |key, cursor| match key {
        "stringValue" => found = cursor.string_or_skip().map_or(Value::Null, Value::Str),
        "boolValue" => found = Value::Bool(matches!(cursor.raw(), "true" | r#""true""#)),
        "intValue" => found = int(cursor).unwrap_or(Value::Null),
        "doubleValue" => {
            let raw = cursor.raw().trim_matches('"');
            found = raw.parse().map_or(Value::Null, Value::Double);
        }
        "bytesValue" => {
            found = match cursor.peek() {
                b'"' => Value::Str(cursor.string()),
                _ => bytes(cursor).map_or(Value::Null, |bytes| Value::Str(BASE64_STANDARD.encode(bytes).into())),
            }
        }
        "arrayValue" | "kvlistValue" if depth >= MAX_DEPTH => {
            cursor.skip();
            *result = Err(TooDeep);
        }
        "arrayValue" => {
            let mut items = Vec::new();
            members(cursor, |key, cursor| match key {
                "values" => each(cursor, |cursor| items.push(value(cursor, depth + 1, result))),
                _ => cursor.skip(),
            });
            found = Value::Array(items);
        }
        "kvlistValue" => {
            let mut entries = Pairs::new();
            members(cursor, |key, cursor| match key {
                "values" => {
                    if let Err(deep) = pairs(cursor, depth + 1, &mut entries) {
                        *result = Err(deep);
                    }
                }
                _ => cursor.skip(),
            });
            found = Value::Map(entries);
        }
        _ => cursor.skip(),
    });
    found
}
