//! CSV by RFC 4180: a header line, lines end with CR LF, quotes are doubled.
//!
//! NULL is nothing between the commas, an empty string is `""`. Maps and lists are JSON text, instants ISO 8601, bools `true` and
//! `false`, the odd floats `NaN`, `Infinity` and `-Infinity`.

use super::json;
use super::scalar::{Column, Values, put, put_day, put_decimal, put_instant};

/// The header line.
pub(super) fn put_header<'a>(out: &mut Vec<u8>, names: impl Iterator<Item = &'a str>) {
    for (index, name) in names.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        put_text(out, name.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// A row as a line. `nested` is a buffer for the JSON text of maps and lists.
pub(super) fn put_line(out: &mut Vec<u8>, nested: &mut Vec<u8>, columns: &[Column<'_>], row: usize) {
    for (index, column) in columns.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        if !column.is_null(row) {
            put_value(out, nested, column, row);
        }
    }
    out.extend_from_slice(b"\r\n");
}

fn put_value(out: &mut Vec<u8>, nested: &mut Vec<u8>, column: &Column<'_>, row: usize) {
    match &column.values {
        Values::Text(array) => put_text(out, array.value(row).as_bytes()),
        Values::Float(value) => put_float(out, value(row), column, row),
        Values::Single(array) => put_float(out, f64::from(array.value(row)), column, row),
        Values::Decimal(array, scale) => put_decimal(out, array.value(row), *scale),
        Values::Instant(millis) => put_instant(out, millis(row)),
        Values::Day(array) => put_day(out, i64::from(array.value(row))),
        Values::Bool(_) | Values::Unsigned(_) | Values::Signed(_) => json::put_value(out, column, row),
        Values::List(..) | Values::Map(..) => {
            nested.clear();
            json::put_value(nested, column, row);
            put_text(out, nested);
        }
    }
}

fn put_float(out: &mut Vec<u8>, value: f64, column: &Column<'_>, row: usize) {
    if value.is_finite() {
        json::put_value(out, column, row);
    } else if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else {
        put(out, format_args!("{}Infinity", if value < 0.0 { "-" } else { "" }));
    }
}

/// A field, in quotes where it needs them.
fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    if !text.is_empty() && !text.iter().any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n')) {
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    for part in text.split_inclusive(|byte| *byte == b'"') {
        out.extend_from_slice(part);
        if part.last() == Some(&b'"') {
            out.push(b'"');
        }
    }
    out.push(b'"');
}
