//! JSON as text: values keep the digits and the order that the client wrote.
//!
//! Everything here takes the text of one valid JSON value (what a `RawValue` holds), and never recurses, so that nesting
//! cannot exhaust a stack.

use std::borrow::Cow;
use std::collections::HashMap;

use rust_decimal::Decimal;
use serde_json::value::RawValue;
use tracemill_model::ingest::{Metadata, MetadataValue, Text};

use super::walk::{Cursor, end_of_string};

/// The value without insignificant white space.
#[must_use]
pub fn compact(raw: &str) -> Cow<'_, str> {
    let Some(first) = next_space(raw.as_bytes(), 0) else {
        return Cow::Borrowed(raw);
    };
    let bytes = raw.as_bytes();
    let mut out = String::with_capacity(raw.len());
    let (mut from, mut space) = (0, Some(first));
    while let Some(at) = space {
        out.push_str(&raw[from..at]);
        from = at;
        while bytes.get(from).is_some_and(u8::is_ascii_whitespace) {
            from += 1;
        }
        space = next_space(bytes, from);
    }
    out.push_str(&raw[from..]);
    Cow::Owned(out)
}

/// Where the next white space outside of strings is.
fn next_space(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = end_of_string(bytes, at),
            byte if byte.is_ascii_whitespace() => return Some(at),
            _ => at += 1,
        }
    }
    None
}

/// How deep arrays and objects lie in each other: 0 for a scalar.
#[must_use]
pub fn depth(raw: &str) -> usize {
    let bytes = raw.as_bytes();
    let (mut at, mut depth, mut deepest) = (0, 0usize, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at = end_of_string(bytes, at);
                continue;
            }
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    deepest
}

/// A JSON string's text; half of a surrogate pair becomes U+FFFD. `None`: not a string.
#[must_use]
pub fn string(raw: &str) -> Option<Text> {
    let inner = raw.trim().strip_prefix('"')?.strip_suffix('"')?;
    match memchr::memchr(b'\\', inner.as_bytes()) {
        None => Some(inner.into()),
        Some(first) => Some(unescape(inner, first).into()),
    }
}

/// The text without escapes, of which `first` is the place of the first.
fn unescape(inner: &str, first: usize) -> String {
    let mut out = String::with_capacity(inner.len());
    let (mut plain, mut rest) = inner.split_at(first);
    loop {
        out.push_str(plain);
        let mut chars = rest.chars();
        // The backslash itself.
        chars.next();
        match chars.next() {
            None => return out,
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('u') => {
                let (char, after) = unicode(chars.as_str());
                out.push(char);
                chars = after.chars();
            }
            Some(other) => out.push(other),
        }
        let after = chars.as_str();
        let next = memchr::memchr(b'\\', after.as_bytes()).unwrap_or(after.len());
        (plain, rest) = after.split_at(next);
    }
}

/// The character of what follows `\u`, which may be two of them, and the rest.
fn unicode(text: &str) -> (char, &str) {
    let Some((unit, rest)) = hex(text) else {
        return (char::REPLACEMENT_CHARACTER, text);
    };
    if let Some(char) = char::from_u32(u32::from(unit)) {
        return (char, rest);
    }
    if let Some((low, after)) = rest.strip_prefix("\\u").and_then(hex)
        && let Some(Ok(char)) = char::decode_utf16([unit, low]).next()
    {
        return (char, after);
    }
    (char::REPLACEMENT_CHARACTER, rest)
}

fn hex(text: &str) -> Option<(u16, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    Some((u16::from_str_radix(digits, 16).ok()?, rest))
}

/// A JSON number as a decimal with 28 digits: smaller parts are rounded. `None`: not a number, or too large.
#[must_use]
pub fn decimal(raw: &str) -> Option<Decimal> {
    let (digits, exponent) = match raw.split_once(['e', 'E']) {
        None => return raw.parse().ok(),
        Some((digits, exponent)) => (digits, exponent),
    };
    let exact: Decimal = digits.parse().ok()?;
    let is_negative = exponent.starts_with('-');
    // More than five digits of exponent say the same as five.
    let exponent = exponent.trim_start_matches(['+', '-']).trim_start_matches('0');
    let exponent: u32 = exponent.get(..exponent.len().min(5)).map_or(Some(0), |text| {
        if text.is_empty() { Some(0) } else { text.parse().ok() }
    })?;
    if exact.is_zero() {
        return Some(Decimal::ZERO);
    }
    let mut number = exact;
    for _ in 0..exponent.min(64) {
        number = if is_negative {
            number / Decimal::TEN
        } else {
            number.checked_mul(Decimal::TEN)?
        };
    }
    Some(number)
}

/// The text of a column that takes any JSON: a string as it is, other values as compact JSON. `None`: null.
#[must_use]
pub fn payload(raw: &str) -> Option<Text> {
    let raw = raw.trim();
    match raw.as_bytes().first() {
        None | Some(b'n') => None,
        Some(b'"') => string(raw),
        Some(_) => Some(compact(raw).into()),
    }
}

/// A value of metadata.
#[must_use]
pub fn metadata_value(raw: &str) -> MetadataValue {
    match string(raw) {
        Some(text) => MetadataValue::Text(text),
        None => MetadataValue::Json(compact(raw.trim()).into()),
    }
}

/// Metadata: an object's entries; a scalar or an array is the one entry `metadata`; null is nothing. Of a name that
/// occurs twice the last value counts.
#[must_use]
pub fn metadata(raw: &str) -> Metadata {
    let raw = raw.trim();
    match raw.as_bytes().first() {
        None | Some(b'n') => Metadata::new(),
        Some(b'{') => texts(raw)
            .unwrap_or_default()
            .into_iter()
            .map(|(name, value)| (name, metadata_value(value)))
            .collect(),
        Some(_) => vec![("metadata".into(), metadata_value(raw))],
    }
}

/// The entries of an object as text, in their order, each name once with its last value. `None`: not an object.
#[must_use]
pub fn texts(raw: &str) -> Option<Vec<(Text, &str)>> {
    /// Up to here a look at all names costs less than a map of them.
    const FEW: usize = 16;
    let mut cursor = Cursor::new(raw);
    if !cursor.enter(b'{') {
        return None;
    }
    let mut entries: Vec<(Text, &str)> = Vec::new();
    let mut places: HashMap<Text, usize> = HashMap::new();
    while let Some(key) = cursor.key() {
        let name = string(key).unwrap_or_default();
        let value = cursor.value();
        if entries.len() == FEW && places.is_empty() {
            places = entries
                .iter()
                .enumerate()
                .map(|(place, (name, _))| (name.clone(), place))
                .collect();
        }
        let known = if places.is_empty() {
            entries.iter().position(|(known, _)| *known == name)
        } else {
            places.get(&name).copied()
        };
        if let Some(place) = known {
            entries[place].1 = value;
            continue;
        }
        if !places.is_empty() {
            places.insert(name.clone(), entries.len());
        }
        entries.push((name, value));
    }
    Some(entries)
}

/// The entries of an object in their order, each name once with its last value; nothing for other values.
#[must_use]
pub fn entries(raw: &str) -> Vec<(Text, &RawValue)> {
    serde_json::from_str::<Entries<'_>>(raw)
        .map(|entries| entries.0)
        .unwrap_or_default()
}

struct Entries<'a>(Vec<(Text, &'a RawValue)>);

impl<'de> serde::Deserialize<'de> for Entries<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries: Vec<(Text, &'de RawValue)> = Vec::new();
                let mut places: HashMap<Text, usize> = HashMap::new();
                while let Some((name, value)) = map.next_entry::<&'de RawValue, &'de RawValue>()? {
                    let name = string(name.get()).unwrap_or_default();
                    if let Some(&place) = places.get(&name) {
                        entries[place].1 = value;
                    } else {
                        places.insert(name.clone(), entries.len());
                        entries.push((name, value));
                    }
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_go_and_digits_stay() {
        for (raw, expected) in [
            (r#"{"a": 1.0, "b" : [ 1e21 ,-0 ] }"#, r#"{"a":1.0,"b":[1e21,-0]}"#),
            (r#"{ "a b\" c ": "d \\" }"#, r#"{"a b\" c ":"d \\"}"#),
            ("12345678901234567890.10", "12345678901234567890.10"),
            ("[\n\t]", "[]"),
        ] {
            assert_eq!(compact(raw), expected);
        }
    }

    #[test]
    fn texts_as_they_are() {
        assert_eq!(payload(r#""a\n\"b\" \ud83d\ude00""#).as_deref(), Some("a\n\"b\" 😀"));
        assert_eq!(payload(r#""half \ud83d!""#).as_deref(), Some("half \u{FFFD}!"));
        assert_eq!(payload("null"), None);
        assert_eq!(payload("false").as_deref(), Some("false"));
        assert_eq!(payload(" 0 ").as_deref(), Some("0"));
        assert_eq!(payload(r#""""#).as_deref(), Some(""));
    }

    #[test]
    fn metadata_of_any_value() {
        let text = |text: &str| MetadataValue::Text(text.into());
        let json = |text: &str| MetadataValue::Json(text.into());
        assert_eq!(
            metadata(r#"{"a": {"x": 1}, "b": "v", "a": [1, 2], "\u0061b": null}"#),
            [
                ("a".into(), json("[1,2]")),
                ("b".into(), text("v")),
                ("ab".into(), json("null"))
            ]
        );
        assert_eq!(metadata("[1, 2]"), [("metadata".into(), json("[1,2]"))]);
        assert_eq!(metadata(r#""x""#), [("metadata".into(), text("x"))]);
        assert_eq!(metadata("true"), [("metadata".into(), json("true"))]);
        assert_eq!(metadata("null"), []);
    }

    #[test]
    fn depth_without_a_stack() {
        assert_eq!(depth("1"), 0);
        assert_eq!(depth(r#"{"[": [1, {"a": []}]}"#), 4);
        let deep = "[".repeat(1_000_000);
        assert_eq!(depth(&deep), 1_000_000);
    }
}
