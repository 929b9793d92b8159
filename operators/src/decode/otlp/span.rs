//! The one form that all encodings of a request become.

use std::borrow::Cow;

use tracemill_model::ingest::Text;

use super::value::Pairs;

/// Takes a request apart, in its order.
pub(super) trait Visitor<'a> {
    /// What the following scopes are of.
    fn resource(&mut self, attributes: Pairs<'a>);
    /// What the following spans are of.
    fn scope(&mut self, scope: Scope<'a>);
    /// A span, or why it cannot be read.
    fn span(&mut self, span: Result<Span<'a>, Unreadable>);
}

/// A span that cannot be read.
#[derive(Debug)]
pub(super) struct Unreadable {
    /// Its id, where that much is known.
    pub id: Option<Text>,
    /// Why.
    pub reason: String,
}

/// The instrumentation that made spans.
#[derive(Debug, Default)]
pub(super) struct Scope<'a> {
    pub name: Cow<'a, str>,
    pub version: Cow<'a, str>,
    pub attributes: Pairs<'a>,
}

/// A span.
#[derive(Debug, Default)]
pub(super) struct Span<'a> {
    /// Lower-case hex where it was bytes, otherwise as it was sent. Empty: none.
    pub trace_id: Cow<'a, str>,
    pub span_id: Cow<'a, str>,
    /// Empty: none.
    pub parent_id: Cow<'a, str>,
    pub name: Cow<'a, str>,
    /// Nanoseconds since 1970. Zero: not known.
    pub start: u64,
    pub end: u64,
    pub attributes: Pairs<'a>,
    /// Those alone that say something of input or output.
    pub events: Vec<SpanEvent<'a>>,
    pub is_error: bool,
    pub status_message: Cow<'a, str>,
}

/// An event of a span.
#[derive(Debug)]
pub(super) struct SpanEvent<'a> {
    pub name: Cow<'a, str>,
    pub attributes: Pairs<'a>,
}

impl SpanEvent<'_> {
    /// Whether an event of that name is worth reading.
    pub(super) fn matters(name: &str) -> bool {
        name.starts_with("gen_ai.")
    }
}

/// Bytes as lower-case hex.
pub(super) fn hex<'a>(bytes: impl IntoIterator<Item = &'a u8>) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let bytes = bytes.into_iter();
    let mut out = String::with_capacity(bytes.size_hint().0 * 2);
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out
}
