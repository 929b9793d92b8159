//! `ExportTraceServiceRequest` as protobuf (opentelemetry-proto 1.5; the numbers are those of its fields).
//!
//! A request whose frame is broken is refused; a broken span is refused alone, and of a broken scope or resource counts what
//! can be read. Unknown fields are ignored. What [`count`] takes, [`read`] reads.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::Counts;
use super::span::{Scope, Span, SpanEvent, Unreadable, Visitor, hex};
use super::value::{MAX_DEPTH, Pairs, Value};
use super::wire::{Fields, Malformed, Wire, text};

/// Walks the frame and the fields of each span, but into no value: what passes here can be read.
pub(super) fn count(bytes: &[u8]) -> Result<Counts, Malformed> {
    let mut counts = Counts::default();
    for (_, resource) in messages(bytes, 1) {
        counts.resource_spans += 1;
        for (_, scope) in messages(resource?, 2) {
            for (_, span) in messages(scope?, 2) {
                for field in Fields(span?) {
                    field?;
                }
                counts.spans += 1;
            }
        }
    }
    Ok(counts)
}

/// Reads a request.
pub(super) fn read<'a>(bytes: &'a [u8], visitor: &mut impl Visitor<'a>) -> Result<(), Malformed> {
    for (_, resource) in messages(bytes, 1) {
        let resource = resource?;
        let mut attributes = Pairs::new();
        for (_, message) in messages(resource, 1) {
            pairs(message?, 1, &mut attributes).ok();
        }
        visitor.resource(attributes);
        for (_, spans) in messages(resource, 2) {
            let spans = spans?;
            let mut scope = Scope::default();
            for (_, message) in messages(spans, 1) {
                // Spans are worth more than the name of what made them.
                read_scope(message?, &mut scope).ok();
            }
            visitor.scope(scope);
            for (_, bytes) in messages(spans, 2) {
                visitor.span(read_span(bytes?));
            }
        }
    }
    Ok(())
}

/// The messages of one field, and what is malformed on the way.
fn messages(bytes: &[u8], field: u32) -> impl Iterator<Item = (u32, Result<&[u8], Malformed>)> {
    Fields(bytes).filter_map(move |next| match next {
        Ok((number, Wire::Bytes(bytes))) if number == field => Some((number, Ok(bytes))),
        Ok(_) => None,
        Err(malformed) => Some((field, Err(malformed))),
    })
}

fn read_scope<'a>(bytes: &'a [u8], scope: &mut Scope<'a>) -> Result<(), Malformed> {
    for field in Fields(bytes) {
        match field? {
            (1, Wire::Bytes(bytes)) => scope.name = text(bytes),
            (2, Wire::Bytes(bytes)) => scope.version = text(bytes),
            (3, Wire::Bytes(bytes)) => pair(bytes, 0, &mut scope.attributes).unwrap_or_default(),
            _ => {}
        }
    }
    Ok(())
}

/// Why an attribute cannot be read.
enum Fault {
    Malformed,
    TooDeep,
}

impl From<Malformed> for Fault {
    fn from(Malformed: Malformed) -> Self {
        Self::Malformed
    }
}

fn read_span(bytes: &[u8]) -> Result<Span<'_>, Unreadable> {
    let mut span = Span::default();
    read_fields(bytes, &mut span).map_err(|fault| Unreadable {
        id: (!span.span_id.is_empty()).then(|| (&*span.span_id).into()),
        reason: match fault {
            Fault::Malformed => "the span's protobuf is malformed".to_owned(),
            Fault::TooDeep => format!("an attribute is nested more than {MAX_DEPTH} deep"),
        },
    })?;
    Ok(span)
}

fn read_fields<'a>(bytes: &'a [u8], span: &mut Span<'a>) -> Result<(), Fault> {
    span.attributes.reserve(24);
    for field in Fields(bytes) {
        match field? {
            (1, Wire::Bytes(id)) => span.trace_id = hex(id).into(),
            (2, Wire::Bytes(id)) => span.span_id = hex(id).into(),
            (4, Wire::Bytes(id)) => span.parent_id = hex(id).into(),
            (5, Wire::Bytes(name)) => span.name = text(name),
            (7, Wire::Fixed64(time)) => span.start = time,
            (8, Wire::Fixed64(time)) => span.end = time,
            (9, Wire::Bytes(bytes)) => pair(bytes, 0, &mut span.attributes)?,
            (11, Wire::Bytes(bytes)) => event(bytes, &mut span.events)?,
            (15, Wire::Bytes(bytes)) => status(bytes, span)?,
            _ => {}
        }
    }
    Ok(())
}

fn status<'a>(bytes: &'a [u8], span: &mut Span<'a>) -> Result<(), Fault> {
    for field in Fields(bytes) {
        match field? {
            (2, Wire::Bytes(message)) => span.status_message = text(message),
            (3, Wire::Varint(code)) => span.is_error = code == 2,
            _ => {}
        }
    }
    Ok(())
}

fn event<'a>(bytes: &'a [u8], events: &mut Vec<SpanEvent<'a>>) -> Result<(), Fault> {
    let mut name = None;
    for field in Fields(bytes) {
        if let (2, Wire::Bytes(bytes)) = field? {
            name = Some(text(bytes));
        }
    }
    if let Some(name) = name.filter(|name| SpanEvent::matters(name)) {
        let mut attributes = Pairs::new();
        pairs(bytes, 3, &mut attributes)?;
        events.push(SpanEvent { name, attributes });
    }
    Ok(())
}

/// The key-value pairs of one field.
fn pairs<'a>(bytes: &'a [u8], number: u32, out: &mut Pairs<'a>) -> Result<(), Fault> {
    for (_, bytes) in messages(bytes, number) {
        pair(bytes?, 0, out)?;
    }
    Ok(())
}

fn pair<'a>(bytes: &'a [u8], depth: usize, out: &mut Pairs<'a>) -> Result<(), Fault> {
    let (mut name, mut found) = (Default::default(), Value::Null);
    for field in Fields(bytes) {
        match field? {
            (1, Wire::Bytes(bytes)) => name = text(bytes),
            (2, Wire::Bytes(bytes)) => found = value(bytes, depth)?,
            _ => {}
        }
    }
    out.push((name, found));
    Ok(())
}

fn value(bytes: &[u8], depth: usize) -> Result<Value<'_>, Fault> {
    let mut found = Value::Null;
    for field in Fields(bytes) {
        found = match field? {
            (1, Wire::Bytes(bytes)) => Value::Str(text(bytes)),
            (2, Wire::Varint(value)) => Value::Bool(value != 0),
            (3, Wire::Varint(value)) => Value::Int(value.cast_signed()),
            (4, Wire::Fixed64(bits)) => Value::Double(f64::from_bits(bits)),
            (5 | 6, Wire::Bytes(_)) if depth >= MAX_DEPTH => return Err(Fault::TooDeep),
            (5, Wire::Bytes(bytes)) => Value::Array(items(bytes, depth)?),
            (6, Wire::Bytes(bytes)) => {
                let mut entries = Pairs::new();
                for (_, bytes) in messages(bytes, 1) {
                    pair(bytes?, depth + 1, &mut entries)?;
                }
                Value::Map(entries)
            }
            (7, Wire::Bytes(bytes)) => Value::Str(BASE64_STANDARD.encode(bytes).into()),
            _ => continue,
        };
    }
    Ok(found)
}

fn items(bytes: &[u8], depth: usize) -> Result<Vec<Value<'_>>, Fault> {
    messages(bytes, 1).map(|(_, bytes)| value(bytes?, depth + 1)).collect()
}
