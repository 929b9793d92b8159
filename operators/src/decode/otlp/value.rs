//! Values of attributes, borrowed from the request, and how they become texts.
//!
//! Values nest at most [`MAX_DEPTH`] deep: the readers see to it, so that what walks them may recurse.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::value::RawValue;
use tracemill_model::ingest::{MetadataValue, Text};

use super::super::json;

/// How deep arrays and maps may lie in each other in one attribute.
pub(super) const MAX_DEPTH: usize = 64;

/// A named list of values: attributes, or an OTLP key-value list.
pub(super) type Pairs<'a> = Vec<(Cow<'a, str>, Value<'a>)>;

/// An OTLP `AnyValue`. Bytes are base64 text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    /// None of the others.
    Null,
    /// `bool_value`.
    Bool(bool),
    /// `int_value`.
    Int(i64),
    /// `double_value`.
    Double(f64),
    /// `string_value`.
    Str(Cow<'a, str>),
    /// Text that a client had encoded as JSON: any valid JSON but a string.
    Json(Cow<'a, str>),
    /// `array_value`.
    Array(Vec<Self>),
    /// `kvlist_value`.
    Map(Pairs<'a>),
}

impl<'a> Value<'a> {
    /// Whether a program would take it for true: not null, false, zero or an empty text.
    pub(super) fn is_truthy(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Double(value) => *value != 0.0 && !value.is_nan(),
            Self::Str(text) => !text.is_empty(),
            Self::Json(text) => match text.as_bytes().first() {
                Some(b'n' | b'f') | None => false,
                Some(b'-' | b'0'..=b'9') => text.parse::<f64>().is_ok_and(|number| number != 0.0),
                Some(_) => true,
            },
            Self::Array(_) | Self::Map(_) => true,
        }
    }

    /// Whether there is something in it: a text, array or map with entries, or any scalar.
    pub(super) fn is_filled(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Str(text) => !text.is_empty(),
            Self::Json(text) => !matches!(&**text, "null" | "[]" | "{}"),
            Self::Array(items) => !items.is_empty(),
            Self::Map(entries) => !entries.is_empty(),
            Self::Bool(_) | Self::Int(_) | Self::Double(_) => true,
        }
    }

    /// Its text, where it is one.
    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// A text as it is, another value as JSON.
    pub(super) fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Str(text) | Self::Json(text) => Cow::Borrowed(text),
            other => {
                let mut out = String::new();
                other.write_json(&mut out);
                Cow::Owned(out)
            }
        }
    }

    /// As [`Self::text`], shared.
    pub(super) fn to_text(&self) -> Text {
        self.text().into()
    }

    /// As an entry of metadata.
    pub(super) fn to_metadata(&self) -> MetadataValue {
        match self {
            Self::Str(text) => MetadataValue::Text((&**text).into()),
            other => MetadataValue::Json(other.to_text()),
        }
    }

    /// Appends it as JSON.
    pub(super) fn write_json(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Int(value) => {
                let _ = write!(out, "{value}");
            }
            Self::Double(value) => write_double(*value, out),
            Self::Str(text) => write_string(text, out),
            Self::Json(text) => out.push_str(text),
            Self::Array(items) => {
                out.push('[');
                for (place, item) in items.iter().enumerate() {
                    if place > 0 {
                        out.push(',');
                    }
                    item.write_json(out);
                }
                out.push(']');
            }
            Self::Map(entries) => write_object(entries.iter().map(|(name, value)| (&**name, value)), out),
        }
    }

    /// What a text says as JSON; a text that is none stays as it is.
    pub(super) fn decoded(self) -> Self {
        let Self::Str(text) = &self else { return self };
        let Some(raw) = valid_json(text) else { return self };
        match json::string(raw) {
            Some(text) => Self::Str(Cow::Owned(text.as_ref().to_owned())),
            None => Self::Json(Cow::Owned(json::compact(raw).into_owned())),
        }
    }
}

/// Appends an object of values.
pub(super) fn write_object<'v, 'a: 'v>(entries: impl Iterator<Item = (&'v str, &'v Value<'a>)>, out: &mut String) {
    out.push('{');
    for (place, (name, value)) in entries.enumerate() {
        if place > 0 {
            out.push(',');
        }
        write_string(name, out);
        out.push(':');
        value.write_json(out);
    }
    out.push('}');
}

/// Appends a JSON string.
pub(super) fn write_string(text: &str, out: &mut String) {
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[from..at]);
        from = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            8 => out.push_str("\\b"),
            12 => out.push_str("\\f"),
            other => {
                let _ = write!(out, "\\u{other:04x}");
            }
        }
    }
    out.push_str(&text[from..]);
    out.push('"');
}

/// Appends a number as `JSON.stringify` does: the shortest digits that give it back, no `.0`, null for what is not finite.
fn write_double(value: f64, out: &mut String) {
    let size = value.abs();
    if !value.is_finite() {
        out.push_str("null");
    } else if size == 0.0 {
        out.push('0');
    } else if (1e-6..1e21).contains(&size) {
        let _ = write!(out, "{value}");
    } else {
        let text = format!("{value:e}");
        match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => {
                let _ = write!(out, "{digits}e+{exponent}");
            }
            _ => out.push_str(&text),
        }
    }
}

/// The text without white space around it, if it is one valid JSON value.
pub(super) fn valid_json(text: &str) -> Option<&str> {
    let text = text.trim_matches([' ', '\t', '\n', '\r']);
    let (first, last) = (*text.as_bytes().first()?, *text.as_bytes().last()?);
    // Most texts are prose: an error of the parser is an allocation.
    let plausible = match first {
        b'{' => last == b'}',
        b'[' => last == b']',
        b'"' => last == b'"' && text.len() > 1,
        b't' | b'f' | b'n' => matches!(text, "true" | "false" | "null"),
        b'-' | b'0'..=b'9' => last.is_ascii_digit(),
        _ => false,
    };
    (plausible && serde_json::from_str::<&RawValue>(text).is_ok()).then_some(text)
}
