//! Protobuf written straight into a buffer: only what a request with spans needs.

/// Appends a variable-length integer.
pub(super) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// How many bytes [`varint`] appends.
pub(super) const fn varint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Appends a field of bytes, a string or a message that is written already. `field` is below 16.
pub(super) fn bytes(out: &mut Vec<u8>, field: u8, value: &[u8]) {
    out.push(field << 3 | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// How many bytes [`bytes`] appends for a value of that length.
pub(super) const fn bytes_len(value: usize) -> usize {
    1 + varint_len(value as u64) + value
}

/// Appends a field of eight bytes.
pub(super) fn fixed64(out: &mut Vec<u8>, field: u8, value: u64) {
    out.push(field << 3 | 1);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a field of a number or an enumeration.
pub(super) fn number(out: &mut Vec<u8>, field: u8, value: u64) {
    out.push(field << 3);
    varint(out, value);
}

/// Appends an attribute of a text: a `KeyValue` at `field`. The key is in two parts, the second often empty.
pub(super) fn attribute(out: &mut Vec<u8>, field: u8, key: [&[u8]; 2], value: &[u8]) {
    let key_len = key[0].len() + key[1].len();
    head(out, field, key, key_len, bytes_len(value.len()));
    bytes(out, 1, value);
}

/// Appends an attribute of a truth value.
pub(super) fn flag(out: &mut Vec<u8>, field: u8, key: &str, value: bool) {
    head(out, field, [key.as_bytes(), b""], key.len(), 2);
    number(out, 2, u64::from(value));
}

/// Appends an attribute of a list of texts.
pub(super) fn list<'a>(out: &mut Vec<u8>, field: u8, key: &str, items: impl Iterator<Item = &'a [u8]> + Clone) {
    let values: usize = items.clone().map(|item| bytes_len(bytes_len(item.len()))).sum();
    head(out, field, [key.as_bytes(), b""], key.len(), bytes_len(values));
    out.push(5 << 3 | 2);
    varint(out, values as u64);
    for item in items {
        out.push(1 << 3 | 2);
        varint(out, bytes_len(item.len()) as u64);
        bytes(out, 1, item);
    }
}

/// A `KeyValue` up to its `AnyValue`, which has `any_len` bytes.
fn head(out: &mut Vec<u8>, field: u8, key: [&[u8]; 2], key_len: usize, any_len: usize) {
    out.push(field << 3 | 2);
    varint(out, (bytes_len(key_len) + bytes_len(any_len)) as u64);
    out.push(1 << 3 | 2);
    varint(out, key_len as u64);
    out.extend_from_slice(key[0]);
    out.extend_from_slice(key[1]);
    out.push(2 << 3 | 2);
    varint(out, any_len as u64);
}
