//! JSON lines: an object a row.
//!
//! Maps are objects, lists are arrays, decimals and 64-bit integers are numbers with all their digits, instants are ISO 8601
//! text, NaN and the infinities are null, since JSON has no word for them.

use serde::Serialize;

use super::scalar::{Column, Values, children, put, put_day, put_decimal, put_instant};

/// A row as a line. `names` are the columns' names as JSON text with the colon: `"id":`.
pub(super) fn put_line(out: &mut Vec<u8>, names: &[Vec<u8>], columns: &[Column<'_>], row: usize) {
    let mut before = b'{';
    for (name, column) in names.iter().zip(columns) {
        out.push(before);
        out.extend_from_slice(name);
        put_value(out, column, row);
        before = b',';
    }
    if names.is_empty() {
        out.push(b'{');
    }
    out.extend_from_slice(b"}\n");
}

/// The name of a column as [`put_line`] wants it.
pub(super) fn name(column: &str) -> Vec<u8> {
    let mut name = Vec::new();
    put_json(&mut name, column);
    name.push(b':');
    name
}

/// One value.
pub(super) fn put_value(out: &mut Vec<u8>, column: &Column<'_>, row: usize) {
    if column.is_null(row) {
        out.extend_from_slice(b"null");
        return;
    }
    match &column.values {
        Values::Text(array) => put_json(out, array.value(row)),
        Values::Bool(array) => put_json(out, &array.value(row)),
        Values::Unsigned(value) => put_json(out, &value(row)),
        Values::Signed(value) => put_json(out, &value(row)),
        Values::Float(value) => put_json(out, &value(row)),
        Values::Single(array) => put_json(out, &array.value(row)),
        Values::Decimal(array, scale) => put_decimal(out, array.value(row), *scale),
        Values::Instant(millis) => quoted(out, |out| put_instant(out, millis(row))),
        Values::Day(array) => quoted(out, |out| put_day(out, i64::from(array.value(row)))),
        Values::List(offsets, items) => {
            out.push(b'[');
            for (index, item) in children(offsets, row).enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                put_value(out, items, item);
            }
            out.push(b']');
        }
        Values::Map(offsets, keys, values) => {
            out.push(b'{');
            for (index, entry) in children(offsets, row).enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                put_value(out, keys, entry);
                out.push(b':');
                put_value(out, values, entry);
            }
            out.push(b'}');
        }
    }
}

fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    put(out, format_args!("\""));
    write(out);
    put(out, format_args!("\""));
}

fn put_json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value).expect("plain values are JSON, and writing to memory cannot fail");
}
