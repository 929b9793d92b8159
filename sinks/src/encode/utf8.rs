//! Bytes to text: zero-copy where they are valid UTF-8, repaired where they are not.
//!
//! ClickHouse's `String` holds any bytes, a Parquet string only UTF-8. ClickHouse's own writer passes them as they are and
//! leaves the fault to the reader; here an invalid sequence becomes U+FFFD, and the values so changed are counted.

use arrow_array::builder::GenericStringBuilder;
use arrow_array::{Array, GenericBinaryArray, GenericStringArray, OffsetSizeTrait};

/// The array as text, and the number of values that had to be repaired.
pub(super) fn to_text<O: OffsetSizeTrait>(array: &GenericBinaryArray<O>) -> (GenericStringArray<O>, u64) {
    if !is_text(array) {
        return repair(array);
    }
    let (offsets, values, nulls) = array.clone().into_parts();
    // SAFETY: `is_text` found the bytes between the first and the last offset to be UTF-8, and every offset on a boundary.
    let text = unsafe { GenericStringArray::new_unchecked(offsets, values, nulls) };
    (text, 0)
}

/// Whether every value is UTF-8: all values together are, and none begins inside a character.
fn is_text<O: OffsetSizeTrait>(array: &GenericBinaryArray<O>) -> bool {
    let offsets = array.value_offsets();
    let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else {
        return true;
    };
    let values = &array.value_data()[first.as_usize()..last.as_usize()];
    if values.is_ascii() {
        return true;
    }
    let Ok(text) = simdutf8::basic::from_utf8(values) else {
        return false;
    };
    offsets
        .iter()
        .all(|offset| text.is_char_boundary(offset.as_usize() - first.as_usize()))
}

fn repair<O: OffsetSizeTrait>(array: &GenericBinaryArray<O>) -> (GenericStringArray<O>, u64) {
    let mut builder = GenericStringBuilder::<O>::with_capacity(array.len(), array.value_data().len());
    let mut repaired = 0;
    for value in array {
        match value.map(String::from_utf8_lossy) {
            Some(text) => {
                repaired += u64::from(matches!(text, std::borrow::Cow::Owned(_)));
                builder.append_value(text);
            }
            None => builder.append_null(),
        }
    }
    (builder.finish(), repaired)
}

#[cfg(test)]
mod tests {
    use arrow_array::BinaryArray;

    use super::*;

    #[test]
    fn valid_is_not_copied() {
        let binary = BinaryArray::from_opt_vec(vec![Some("grüße".as_bytes()), None, Some(b""), Some("😀".as_bytes())]);
        let (text, repaired) = to_text(&binary);
        assert_eq!(repaired, 0);
        assert_eq!(text.value_data().as_ptr(), binary.value_data().as_ptr());
        assert_eq!(
            text.iter().collect::<Vec<_>>(),
            vec![Some("grüße"), None, Some(""), Some("😀")]
        );
        let (part, repaired) = to_text(&binary.slice(2, 2));
        assert_eq!((part.value(1), repaired), ("😀", 0));
    }

    #[test]
    fn invalid_is_repaired() {
        let emoji = "😀".as_bytes();
        // The second and third value together are a valid character; alone neither is.
        let binary = BinaryArray::from_opt_vec(vec![
            Some(b"ok"),
            Some(&emoji[..2]),
            Some(&emoji[2..]),
            None,
            Some(b"a\xffb"),
        ]);
        let (text, repaired) = to_text(&binary);
        assert_eq!(repaired, 3);
        assert_eq!(text.value(0), "ok");
        assert!(text.value(1).chars().all(|c| c == char::REPLACEMENT_CHARACTER));
        assert!(text.is_null(3));
        assert_eq!(text.value(4), "a\u{fffd}b");
    }
}
