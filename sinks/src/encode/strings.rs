//! A column chunk of strings without dictionary: cut into pages, and put into the file when its row group ends.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::{Array, StringArray};
use bytes::{Buf, Bytes};
use parquet::basic::{BoundaryOrder, Compression, Encoding, PageType, Type as PhysicalType};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder, PageEncodingStats};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::statistics::{Statistics, ValueStatistics};
use parquet::file::writer::SerializedRowGroupWriter;
use parquet::schema::types::ColumnDescPtr;

use super::layout::{PAGE_BYTES, PAGE_ROWS};
use super::page::{Page, PageRows, lower_bound, upper_bound};
use super::pieces::Pieces;

/// Cuts the rows of some arrays into pages.
pub(super) fn pages<'a>(arrays: &[&'a StringArray]) -> Vec<PageRows<'a>> {
    let mut pages = Vec::new();
    let mut page = PageRows::default();
    for array in arrays {
        let offsets = array.value_offsets();
        let mut start = 0;
        while start < array.len() {
            let limit = i64::from(offsets[start]) + PAGE_BYTES.saturating_sub(page.bytes) as i64;
            // The first offset at or beyond the limit ends the page; one value at least goes in.
            let ends = &offsets[start + 1..];
            let count = ends.partition_point(|end| i64::from(*end) < limit) + 1;
            let count = count.min(array.len() - start).min(PAGE_ROWS - page.rows);
            page.bytes += offsets[start + count].abs_diff(offsets[start]) as usize;
            page.rows += count;
            page.parts.push((array, start, count));
            start += count;
            if page.bytes >= PAGE_BYTES || page.rows >= PAGE_ROWS {
                pages.push(std::mem::take(&mut page));
            }
        }
    }
    if page.rows > 0 {
        pages.push(page);
    }
    pages
}

/// The finished pages of a column in a row group.
#[derive(Debug, Default)]
pub(super) struct StringChunk {
    pages: Vec<Page>,
    held: u64,
}

impl StringChunk {
    pub(super) fn push(&mut self, page: Page) {
        self.held += page.bytes.len() as u64;
        self.pages.push(page);
    }

    /// Bytes of its pages.
    pub(super) const fn bytes(&self) -> u64 {
        self.held
    }

    /// Appends the chunk to the row group.
    pub(super) fn append(
        self,
        group: &mut SerializedRowGroupWriter<'_, Pieces>,
        descriptor: &ColumnDescPtr,
        compression: Compression,
    ) -> Result<()> {
        let close = self.close(descriptor, compression)?;
        let pages = self.pages.into_iter().map(|page| page.bytes).collect();
        let source = PageSource(Arc::new(Mutex::new(pages)), self.held);
        group.append_column(&source, close)
    }

    fn close(&self, descriptor: &ColumnDescPtr, compression: Compression) -> Result<ColumnCloseResult> {
        let rows: u64 = self.pages.iter().map(|page| u64::from(page.rows)).sum();
        let value_bytes: u64 = self.pages.iter().map(|page| page.value_bytes).sum();
        let uncompressed: u64 = self.pages.iter().map(|page| page.uncompressed).sum();
        let pages = i32::try_from(self.pages.len()).map_err(|_| ParquetError::General("too many pages".to_owned()))?;
        let metadata = ColumnChunkMetaData::builder(Arc::clone(descriptor))
            .set_compression(compression)
            .set_encodings(vec![Encoding::PLAIN, Encoding::RLE])
            .set_page_encoding_stats(vec![PageEncodingStats {
                page_type: PageType::DATA_PAGE,
                encoding: Encoding::PLAIN,
                count: pages,
            }])
            .set_total_compressed_size(self.held.cast_signed())
            .set_total_uncompressed_size(uncompressed.cast_signed())
            .set_num_values(rows.cast_signed())
            .set_data_page_offset(0)
            .set_dictionary_page_offset(None)
            .set_statistics(self.statistics())
            .set_unencoded_byte_array_data_bytes(Some(value_bytes.cast_signed()))
            .build()?;
        let mut offsets = OffsetIndexBuilder::new();
        let mut offset = 0;
        for page in &self.pages {
            let length = i32::try_from(page.bytes.len())
                .map_err(|_| ParquetError::General(format!("a page of {} bytes", page.bytes.len())))?;
            offsets.append_row_count(i64::from(page.rows));
            offsets.append_offset_and_size(offset, length);
            offsets.append_unencoded_byte_array_data_bytes(Some(page.value_bytes.cast_signed()));
            offset += i64::from(length);
        }
        Ok(ColumnCloseResult {
            bytes_written: self.held,
            rows_written: rows,
            metadata,
            bloom_filter: None,
            column_index: self.column_index()?,
            offset_index: Some(offsets.build()),
        })
    }

    fn statistics(&self) -> Statistics {
        let nulls = self.pages.iter().map(|page| u64::from(page.nulls)).sum();
        let ranges = self.pages.iter().filter_map(|page| page.range.as_ref());
        let min = ranges.clone().map(|(min, _)| min).min().map(lower_bound);
        let max = ranges.map(|(_, max)| max).max().and_then(upper_bound);
        let (min, min_exact) = min.unzip();
        let (max, max_exact) = max.unzip();
        let (min, max) = (min.map(ByteArray::from), max.map(ByteArray::from));
        Statistics::ByteArray(
            ValueStatistics::new(min, max, None, Some(nulls), false)
                .with_min_is_exact(min_exact.unwrap_or(false))
                .with_max_is_exact(max_exact.unwrap_or(false)),
        )
    }

    fn column_index(&self) -> Result<Option<parquet::file::page_index::column_index::ColumnIndexMetaData>> {
        let mut index = ColumnIndexBuilder::new(PhysicalType::BYTE_ARRAY);
        index.set_boundary_order(BoundaryOrder::UNORDERED);
        for page in &self.pages {
            let nulls = i64::from(page.nulls);
            match &page.range {
                None => index.append(true, Vec::new(), Vec::new(), nulls, None),
                Some((min, max)) => {
                    let Some((max, _)) = upper_bound(max) else {
                        return Ok(None);
                    };
                    index.append(false, lower_bound(min).0, max, nulls, None);
                }
            }
        }
        index.build().map(Some)
    }
}

/// Gives the pages to the file's writer, and frees each as it is read.
struct PageSource(Arc<Mutex<VecDeque<Bytes>>>, u64);

impl Length for PageSource {
    fn len(&self) -> u64 {
        self.1
    }
}

impl ChunkReader for PageSource {
    type T = PageReader;

    fn get_read(&self, _start: u64) -> Result<PageReader> {
        Ok(PageReader(Arc::clone(&self.0)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        Err(ParquetError::General(format!(
            "pages are read in order, not {length} bytes at {start}"
        )))
    }
}

struct PageReader(Arc<Mutex<VecDeque<Bytes>>>);

impl Read for PageReader {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(page) = pages.front_mut() else {
            return Ok(0);
        };
        let count = page.len().min(out.len());
        page.copy_to_slice(&mut out[..count]);
        if page.is_empty() {
            pages.pop_front();
        }
        Ok(count)
    }
}
