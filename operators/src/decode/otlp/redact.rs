//! Takes spans out of a stored request, in its own form: what stays, stays byte for byte.
//!
//! ```text
//!   request ──read──► a verdict a span, in their order ──► the same frame without the doomed spans
//! ```
//!
//! *Invariants.* Reading what is left gives the events of the other spans, as before. Scopes and resources of which no span
//! is left go with them, as do members of an object that a later one of the same name hides. Twice is the same as once.

use std::ops::Range;

use tracemill_model::Millis;
use tracemill_model::ingest::{Body, Event, RawForm, Sdk};

use super::super::json;
use super::super::walk::Cursor;
use super::builder::Builder;
use super::span::{Scope, Span, Unreadable, Visitor};
use super::value::Pairs;
use super::wire::{Fields, Malformed, Wire};
use super::{OtlpError, protobuf, text, valid};

/// What is left of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// All of it: no span is doomed.
    All,
    /// The other spans.
    Some(Vec<u8>),
    /// No span.
    None,
}

/// The request (without compression) without the spans of which `is_doomed` says so, by the ids of their trace and of
/// themselves; a span that was refused has those that it came with.
///
/// # Errors
/// The body is not of that form.
pub fn without(
    bytes: &[u8],
    form: RawForm,
    received: Millis,
    sdk: &Sdk,
    is_doomed: &dyn Fn(&str, &str) -> bool,
) -> Result<Left, OtlpError> {
    let lossy;
    let mut verdicts = Verdicts {
        builder: Builder::new(received, sdk),
        is_doomed,
        doomed: Vec::new(),
    };
    match form {
        RawForm::OtlpProtobuf => protobuf::read(bytes, &mut verdicts).map_err(|Malformed| OtlpError::Protobuf)?,
        RawForm::OtlpJson | RawForm::OtlpStored => {
            lossy = String::from_utf8_lossy(bytes);
            text::read(valid(&lossy)?, form == RawForm::OtlpStored, &mut verdicts);
        }
        RawForm::Events => return Err(OtlpError::Form { form }),
    }
    let doomed = verdicts.doomed;
    if !doomed.contains(&true) {
        return Ok(Left::All);
    }
    if !doomed.contains(&false) {
        return Ok(Left::None);
    }
    let mut doomed = doomed.into_iter();
    let edited = if form == RawForm::OtlpProtobuf {
        message(bytes, &[1, 2, 2], &mut doomed).map_err(|Malformed| OtlpError::Protobuf)?
    } else {
        let lossy = String::from_utf8_lossy(bytes);
        let raw = valid(&lossy)?;
        let is_list = form == RawForm::OtlpStored && Cursor::new(raw).peek() == Some(b'[');
        if is_list {
            list(raw, &FRAME[1..], &mut doomed)
        } else {
            object(raw, &FRAME, &mut doomed)
        }
    };
    Ok(match edited {
        Edit::Keep => Left::All,
        Edit::Drop => Left::None,
        Edit::Replace(bytes) => Left::Some(bytes),
    })
}

/// The lists of lists of a request in JSON.
const FRAME: [&str; 3] = ["resourceSpans", "scopeSpans", "spans"];

/// Says of each span whether it is to go.
struct Verdicts<'a, 'd> {
    builder: Builder<'a>,
    is_doomed: &'d dyn Fn(&str, &str) -> bool,
    doomed: Vec<bool>,
}

impl<'a> Visitor<'a> for Verdicts<'a, '_> {
    fn resource(&mut self, attributes: Pairs<'a>) {
        self.builder.resource(attributes);
    }

    fn scope(&mut self, scope: Scope<'a>) {
        self.builder.scope(scope);
    }

    fn span(&mut self, span: Result<Span<'a>, Unreadable>) {
        let is_doomed = self.is_doomed;
        let own = match &span {
            Ok(span) => is_doomed(&span.trace_id, &span.span_id),
            Err(unreadable) => unreadable.id.as_ref().is_some_and(|id| is_doomed("", id)),
        };
        let before = self.builder.events().len();
        self.builder.span(span);
        // An attribute may name another trace than the span's own.
        let events = &self.builder.events()[before..];
        let is_doomed = match events {
            [] => own,
            events => events.iter().any(|event| names(event, is_doomed)),
        };
        self.doomed.push(is_doomed);
    }
}

fn names(event: &Event, is_doomed: &dyn Fn(&str, &str) -> bool) -> bool {
    match &event.body {
        Body::Trace(body) => is_doomed(&body.id, &event.id),
        Body::Observation(body) => is_doomed(body.trace_id.as_deref().unwrap_or_default(), &body.id),
        Body::Score(_) => false,
    }
}

/// What becomes of a part of a request.
enum Edit {
    Keep,
    Drop,
    Replace(Vec<u8>),
}

/// A message without the doomed among what lies at the end of `path`, a path of field numbers.
fn message(bytes: &[u8], path: &[u32], doomed: &mut impl Iterator<Item = bool>) -> Result<Edit, Malformed> {
    let Some((&number, below)) = path.split_first() else {
        return Ok(verdict(doomed));
    };
    let (mut out, mut kept, mut is_changed) = (Vec::new(), 0, false);
    let mut fields = Fields(bytes);
    loop {
        let rest = fields.0;
        let Some(field) = fields.next() else { break };
        let raw = &rest[..rest.len() - fields.0.len()];
        let edit = match field? {
            (found, Wire::Bytes(inner)) if found == number => message(inner, below, doomed)?,
            _ => {
                out.extend_from_slice(raw);
                continue;
            }
        };
        kept += usize::from(!matches!(edit, Edit::Drop));
        match edit {
            Edit::Keep => out.extend_from_slice(raw),
            Edit::Drop => is_changed = true,
            Edit::Replace(inner) => {
                is_changed = true;
                varint(u64::from(number) << 3 | 2, &mut out);
                varint(inner.len() as u64, &mut out);
                out.extend_from_slice(&inner);
            }
        }
    }
    Ok(match (is_changed, kept) {
        (false, _) => Edit::Keep,
        (true, 0) => Edit::Drop,
        (true, _) => Edit::Replace(out),
    })
}

fn verdict(doomed: &mut impl Iterator<Item = bool>) -> Edit {
    if doomed.next().unwrap_or(false) {
        Edit::Drop
    } else {
        Edit::Keep
    }
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// An object without the doomed in the list of its member `path[0]`, and so on below.
fn object(raw: &str, path: &[&str], doomed: &mut impl Iterator<Item = bool>) -> Edit {
    let Some((&name, below)) = path.split_first() else {
        return verdict(doomed);
    };
    let mut cursor = Cursor::new(raw);
    if !cursor.enter(b'{') {
        return Edit::Keep;
    }
    let mut places: Vec<Range<usize>> = Vec::new();
    while let Some(key) = cursor.key() {
        // White space before the value is not a part of it.
        cursor.peek();
        let from = cursor.place();
        cursor.value();
        if json::string(key).is_some_and(|key| &*key == name) {
            places.push(from..cursor.place());
        }
    }
    // Readers take the last of several.
    let Some(last) = places.pop() else {
        return Edit::Keep;
    };
    let new = match list(&raw[last.clone()], below, doomed) {
        Edit::Replace(new) => new,
        edit => return edit,
    };
    let mut out = Vec::with_capacity(raw.len());
    let mut at = 0;
    for hidden in places {
        out.extend_from_slice(&raw.as_bytes()[at..hidden.start]);
        out.extend_from_slice(b"[]");
        at = hidden.end;
    }
    out.extend_from_slice(&raw.as_bytes()[at..last.start]);
    out.extend_from_slice(&new);
    out.extend_from_slice(&raw.as_bytes()[last.end..]);
    Edit::Replace(out)
}

/// A list without the doomed of its items.
fn list(raw: &str, path: &[&str], doomed: &mut impl Iterator<Item = bool>) -> Edit {
    let mut cursor = Cursor::new(raw);
    if !cursor.enter(b'[') {
        return Edit::Keep;
    }
    let (mut out, mut is_changed) = (Vec::new(), false);
    while cursor.item() {
        let item = cursor.value();
        let edit = object(item, path, doomed);
        is_changed |= !matches!(edit, Edit::Keep);
        let text = match &edit {
            Edit::Keep => item.as_bytes(),
            Edit::Drop => continue,
            Edit::Replace(text) => text,
        };
        out.push(if out.is_empty() { b'[' } else { b',' });
        out.extend_from_slice(text);
    }
    match (is_changed, out.is_empty()) {
        (false, _) => Edit::Keep,
        (true, true) => Edit::Drop,
        (true, false) => {
            out.push(b']');
            Edit::Replace(out)
        }
    }
}
