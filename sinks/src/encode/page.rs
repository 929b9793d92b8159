//! One data page of a string column without dictionary: gathered from arrays, encoded, compressed.
//!
//! The general column writer of the Parquet crate copies every value three times and keeps a compressor per column. Nearly all
//! bytes of an export are in two string columns, so their pages are made here: one copy into a buffer that the thread keeps,
//! one pass of zstd, one allocation of the exact size. Pages are independent, so any number of threads works on one column.

use std::cell::RefCell;

use arrow_array::{Array, StringArray};
use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::page::{CompressedPage, Page as DataPage, PageWriter};
use parquet::errors::{ParquetError, Result};
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use zstd::bulk::Compressor;

use super::layout::STATISTICS_BYTES;

/// A thread gives buffers back that are larger than this.
const KEEP: usize = 8 << 20;

/// The rows of a page: ranges of arrays.
#[derive(Debug, Default)]
pub(super) struct PageRows<'a> {
    pub(super) parts: Vec<(&'a StringArray, usize, usize)>,
    /// Plain bytes of the values, at least.
    pub(super) bytes: usize,
    /// Rows, nulls among them.
    pub(super) rows: usize,
}

/// The first bytes of a value, and whether more follow. In the order of the values: equal bytes, then the longer value.
pub(super) type Prefix = (Vec<u8>, bool);

/// A borrowed [`Prefix`].
type Cut<'a> = (&'a [u8], bool);

/// A finished page.
#[derive(Debug)]
pub(super) struct Page {
    /// Header and body as they stand in the file.
    pub(super) bytes: Bytes,
    /// Header and body without compression.
    pub(super) uncompressed: u64,
    pub(super) rows: u32,
    pub(super) nulls: u32,
    /// Bytes of the values alone.
    pub(super) value_bytes: u64,
    /// Smallest and largest value, cut; none if all are null.
    pub(super) range: Option<(Prefix, Prefix)>,
}

struct Scratch {
    plain: Vec<u8>,
    compressed: Vec<u8>,
    compressor: Compressor<'static>,
    level: i32,
}

thread_local! {
    static SCRATCH: RefCell<Option<Scratch>> = const { RefCell::new(None) };
}

/// Encodes a page.
pub(super) fn encode(rows: &PageRows<'_>, nullable: bool, level: i32) -> Result<Page> {
    SCRATCH.with_borrow_mut(|slot| {
        let mut scratch = match slot.take() {
            Some(scratch) => scratch,
            None => Scratch {
                plain: Vec::new(),
                compressed: Vec::new(),
                compressor: Compressor::new(level)?,
                level,
            },
        };
        if scratch.level != level {
            scratch.compressor.set_compression_level(level)?;
            scratch.level = level;
        }
        let page = encode_with(&mut scratch, rows, nullable)?;
        if scratch.plain.capacity() + scratch.compressed.capacity() <= KEEP {
            *slot = Some(scratch);
        }
        Ok(page)
    })
}

fn encode_with(scratch: &mut Scratch, rows: &PageRows<'_>, nullable: bool) -> Result<Page> {
    let plain = &mut scratch.plain;
    plain.clear();
    plain.reserve(rows.bytes + 4 * rows.rows + rows.rows / 8 + 16);
    let nulls: usize = rows
        .parts
        .iter()
        .map(|(array, start, count)| nulls_in(array, *start, *count))
        .sum();
    if nullable {
        put_levels(plain, rows, nulls);
    }
    let levels = plain.len();
    let range = put_values(plain, rows);
    let value_bytes = (plain.len() - levels - 4 * (rows.rows - nulls)) as u64;
    let compressed = &mut scratch.compressed;
    compressed.clear();
    compressed.reserve(zstd::zstd_safe::compress_bound(plain.len()));
    scratch.compressor.compress_to_buffer(plain.as_slice(), compressed)?;
    let count = u32::try_from(rows.rows).map_err(|_| ParquetError::General(format!("a page of {} rows", rows.rows)))?;
    let body = DataPage::DataPage {
        buf: Bytes::copy_from_slice(compressed),
        num_values: count,
        encoding: Encoding::PLAIN,
        def_level_encoding: Encoding::RLE,
        rep_level_encoding: Encoding::RLE,
        statistics: None,
    };
    let mut out = TrackedWrite::new(Vec::with_capacity(compressed.len() + 64));
    let spec = SerializedPageWriter::new(&mut out).write_page(CompressedPage::new(body, plain.len()))?;
    Ok(Page {
        bytes: Bytes::from(out.into_inner()?.into_boxed_slice()),
        uncompressed: spec.uncompressed_size as u64,
        rows: count,
        nulls: u32::try_from(nulls).unwrap_or(count),
        value_bytes,
        range,
    })
}

fn nulls_in(array: &StringArray, start: usize, count: usize) -> usize {
    array.nulls().map_or(0, |nulls| nulls.slice(start, count).null_count())
}

/// Definition levels of a flat column, each one bit: a run if they are all the same, else the validity bitmap, which has the
/// very layout of a bit-packed run. Their length in front, as pages of version 1 have it.
fn put_levels(plain: &mut Vec<u8>, rows: &PageRows<'_>, nulls: usize) {
    let start = plain.len();
    plain.extend_from_slice(&[0; 4]);
    if nulls == 0 || nulls == rows.rows {
        put_varint(plain, (rows.rows as u64) << 1);
        plain.push(u8::from(nulls == 0));
    } else {
        let groups = rows.rows.div_ceil(8);
        put_varint(plain, (groups as u64) << 1 | 1);
        let first = plain.len();
        plain.resize(first + groups, 0);
        let mut row = 0;
        for (array, start, count) in &rows.parts {
            for index in *start..start + count {
                plain[first + row / 8] |= u8::from(array.is_valid(index)) << (row % 8);
                row += 1;
            }
        }
    }
    let length = u32::try_from(plain.len() - start - 4).expect("a page has few levels");
    plain[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        #[expect(clippy::cast_possible_truncation, reason = "the low seven bits are meant")]
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    #[expect(clippy::cast_possible_truncation, reason = "below 0x80")]
    out.push(value as u8);
}

fn put_values(plain: &mut Vec<u8>, rows: &PageRows<'_>) -> Option<(Prefix, Prefix)> {
    let mut range: Option<(Cut<'_>, Cut<'_>)> = None;
    for (array, start, count) in &rows.parts {
        let offsets = array.value_offsets();
        let data = array.value_data();
        for index in *start..start + count {
            if array.is_null(index) {
                continue;
            }
            let value = &data[offsets[index].unsigned_abs() as usize..offsets[index + 1].unsigned_abs() as usize];
            let length = offsets[index + 1].wrapping_sub(offsets[index]);
            plain.extend_from_slice(&length.to_le_bytes());
            plain.extend_from_slice(value);
            let prefix: Cut<'_> = match value.get(..STATISTICS_BYTES) {
                Some(cut) => (cut, value.len() > STATISTICS_BYTES),
                None => (value, false),
            };
            range = Some(match range {
                None => (prefix, prefix),
                Some((min, max)) => (min.min(prefix), max.max(prefix)),
            });
        }
    }
    range.map(|(min, max)| ((min.0.to_vec(), min.1), (max.0.to_vec(), max.1)))
}

/// The bytes that stand for a minimum: those of a cut value end at the last whole character, which is below the value.
pub(super) fn lower_bound(prefix: &Prefix) -> (Vec<u8>, bool) {
    let (bytes, cut) = prefix;
    if *cut {
        (whole(bytes).as_bytes().to_vec(), false)
    } else {
        (bytes.clone(), true)
    }
}

/// The bytes that stand for a maximum, and whether they are the value itself: a cut value is raised to the next text that no
/// continuation of it reaches. None if there is no such text.
pub(super) fn upper_bound(prefix: &Prefix) -> Option<(Vec<u8>, bool)> {
    let (bytes, cut) = prefix;
    if !cut {
        return Some((bytes.clone(), true));
    }
    let mut text = whole(bytes).to_owned();
    while let Some(last) = text.pop() {
        let next = (last..=char::MAX).nth(1);
        if let Some(next) = next {
            text.push(next);
            return Some((text.into_bytes(), false));
        }
    }
    None
}

/// The text in front, without a character that was cut.
fn whole(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        assert_eq!(lower_bound(&(b"abc".to_vec(), false)), (b"abc".to_vec(), true));
        assert_eq!(
            lower_bound(&("aß".as_bytes()[..2].to_vec(), true)),
            (b"a".to_vec(), false)
        );
        assert_eq!(upper_bound(&(b"abc".to_vec(), true)), Some((b"abd".to_vec(), false)));
        assert_eq!(
            upper_bound(&("a\u{10ffff}".as_bytes().to_vec(), true)),
            Some((b"b".to_vec(), false))
        );
        assert_eq!(
            upper_bound(&("\u{d7ff}".as_bytes().to_vec(), true)),
            Some(("\u{e000}".as_bytes().to_vec(), false))
        );
        assert_eq!(upper_bound(&("\u{10ffff}".as_bytes().to_vec(), true)), None);
        assert_eq!(upper_bound(&(b"x".to_vec(), false)), Some((b"x".to_vec(), true)));
    }

    #[test]
    fn levels_of_mixed_parts() {
        let first = StringArray::from(vec![Some("a"), None, Some("b")]);
        let second = StringArray::from(vec![None, Some("c"), None, None, None, None, Some("d")]);
        let rows = PageRows {
            parts: vec![(&first, 1, 2), (&second, 0, 7)],
            bytes: 3,
            rows: 9,
        };
        let mut out = Vec::new();
        put_levels(&mut out, &rows, 6);
        // Rows: 0 1 | 0 1 0 0 0 0 1, bit-packed from the low bit up, in two groups of eight.
        assert_eq!(out, [3, 0, 0, 0, 2 << 1 | 1, 0b0000_1010, 0b0000_0001]);
        let range = put_values(&mut Vec::new(), &rows);
        assert_eq!(range, Some(((b"b".to_vec(), false), (b"d".to_vec(), false))));
    }
}
