//! The Parquet encoder: gathers batches, encodes their columns in parallel, cuts row groups by bytes.
//!
//! Invariants: a row group holds at most `row_group_bytes` of plain data, or a single row; what is held beyond the batches
//! gathered is compressed pages, and for each column outside the string path one open page. The rows of a row group are
//! encoded in order, and its columns have the same rows, whatever the number of threads.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, FieldRef, SchemaRef};
use bytes::Bytes;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::writer::SerializedFileWriter;
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use tracemill_operators::governor::Readers;

use super::page::{self, Page, PageRows};
use super::pieces::Pieces;
use super::strings::{self, StringChunk};
use super::{EncodeOptions, Finished, MAX_ROW_GROUP_BYTES, arrays, layout, parquet_error, pool};
use crate::SinkError;

/// How many plain bytes are gathered before they are encoded: enough pages for a few threads.
const GATHER: u64 = 8 << 20;

#[derive(Debug)]
pub(super) struct ParquetEncoder {
    schema: SchemaRef,
    writer: SerializedFileWriter<Pieces>,
    factory: ArrowRowGroupWriterFactory,
    level: i32,
    row_group_bytes: u64,
    max_held: u64,
    gathered: Vec<RecordBatch>,
    gathered_bytes: u64,
    group: Option<RowGroup>,
    row_groups: u64,
    rows: u64,
    /// Plain bytes of the row groups that are in the file, for the estimate of the size.
    plain: u64,
    readers: Readers,
}

#[derive(Debug)]
struct RowGroup {
    columns: Vec<Column>,
    /// Plain bytes of its rows.
    bytes: u64,
    /// Bytes of memory of its pages and open pages.
    held: u64,
    /// Bytes that it would add to the file if it ended now.
    encoded: u64,
}

/// The chunk, or chunks, of one column of the schema.
#[derive(Debug)]
enum Column {
    /// A flat string column without dictionary: see [`page`].
    Strings(StringChunk),
    /// Anything else: a writer for each leaf.
    Leaves(Vec<ArrowColumnWriter>),
}

impl ParquetEncoder {
    pub(super) fn new(schema: &SchemaRef, options: &EncodeOptions) -> Result<Self, SinkError> {
        let descriptor = layout::descriptor(schema).map_err(parquet_error)?;
        let properties = layout::properties(schema, &descriptor, options).map_err(parquet_error)?;
        let root = descriptor.root_schema_ptr();
        let writer = SerializedFileWriter::new(Pieces::default(), root, Arc::new(properties)).map_err(parquet_error)?;
        let factory = ArrowRowGroupWriterFactory::new(&writer, Arc::clone(schema));
        Ok(Self {
            schema: Arc::clone(schema),
            writer,
            factory,
            level: options.level,
            row_group_bytes: options.row_group_bytes.clamp(1, MAX_ROW_GROUP_BYTES),
            max_held: options.max_held,
            gathered: Vec::new(),
            gathered_bytes: 0,
            group: None,
            row_groups: 0,
            rows: 0,
            plain: 0,
            readers: options.readers.clone(),
        })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), SinkError> {
        if batch.schema_ref().fields() != self.schema.fields() {
            return Err(parquet_error("a batch has not the schema of its file"));
        }
        let mut rest = batch.clone();
        while rest.num_rows() > 0 {
            let used = self.group.as_ref().map_or(0, |group| group.bytes) + self.gathered_bytes;
            let bytes = arrays::batch_bytes(&rest);
            let room = self.row_group_bytes.saturating_sub(used);
            if bytes <= room {
                self.gather(rest, bytes);
                break;
            }
            let rows = match arrays::rows_within(&rest, room) {
                0 if used == 0 => 1,
                rows => rows,
            };
            if rows > 0 {
                let part = rest.slice(0, rows);
                let bytes = arrays::batch_bytes(&part);
                self.gather(part, bytes);
            }
            rest = rest.slice(rows, rest.num_rows() - rows);
            self.end_row_group()?;
        }
        if self.gathered_bytes >= GATHER.min(self.max_held / 2) {
            self.encode_gathered()?;
        }
        // Output that nobody took is not made less by ending a row group.
        if self.in_progress() > self.max_held {
            self.end_row_group()?;
        }
        Ok(())
    }

    fn gather(&mut self, batch: RecordBatch, bytes: u64) {
        self.rows += batch.num_rows() as u64;
        self.gathered_bytes += bytes;
        self.gathered.push(batch);
    }

    fn encode_gathered(&mut self) -> Result<(), SinkError> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let batches = std::mem::take(&mut self.gathered);
        let mut group = match self.group.take() {
            Some(group) => group,
            None => self.begin_row_group()?,
        };
        let schema = &self.schema;
        let level = self.level;
        let readers = &self.readers;
        pool::run(readers, || group.write(schema, &batches, level, readers))?;
        group.bytes += std::mem::take(&mut self.gathered_bytes);
        group.measure();
        self.group = Some(group);
        Ok(())
    }

    fn begin_row_group(&self) -> Result<RowGroup, SinkError> {
        let index = usize::try_from(self.row_groups).map_err(parquet_error)?;
        let mut writers = self
            .factory
            .create_column_writers(index)
            .map_err(parquet_error)?
            .into_iter();
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        for field in self.schema.fields() {
            let leaves: Vec<_> = writers.by_ref().take(leaf_count(field.data_type())).collect();
            columns.push(
                if *field.data_type() == DataType::Utf8 && layout::is_distinct(field.name()) {
                    Column::Strings(StringChunk::default())
                } else {
                    Column::Leaves(leaves)
                },
            );
        }
        Ok(RowGroup {
            columns,
            bytes: 0,
            held: 0,
            encoded: 0,
        })
    }

    fn end_row_group(&mut self) -> Result<(), SinkError> {
        self.encode_gathered()?;
        let Some(group) = self.group.take() else {
            return Ok(());
        };
        self.row_groups += 1;
        self.plain += group.bytes;
        let compression = Compression::ZSTD(ZstdLevel::try_new(self.level).map_err(parquet_error)?);
        let closed = pool::run(&self.readers, || group.close(&self.readers))?;
        self.append(closed, compression).map_err(parquet_error)
    }

    fn append(&mut self, columns: Vec<Closed>, compression: Compression) -> parquet::errors::Result<()> {
        let descriptors = self.writer.schema_descr().columns().to_vec();
        let mut descriptors = descriptors.iter();
        let mut group = self.writer.next_row_group()?;
        for column in columns {
            match column {
                Closed::Strings(chunk) => {
                    let descriptor = descriptors.next().expect("every column has a descriptor");
                    chunk.append(&mut group, descriptor, compression)?;
                }
                Closed::Leaves(chunks) => {
                    for chunk in chunks {
                        descriptors.next();
                        chunk.append_to_row_group(&mut group)?;
                    }
                }
            }
        }
        group.close()?;
        self.writer.flush()?;
        Ok(())
    }

    pub(super) fn add_metadata(&mut self, key: &str, value: &str) {
        self.writer
            .append_key_value_metadata(KeyValue::new(key.to_owned(), value.to_owned()));
    }

    pub(super) fn take_output(&mut self) -> Vec<Bytes> {
        self.writer.inner_mut().take()
    }

    pub(super) fn held_bytes(&self) -> u64 {
        self.in_progress() + self.writer.inner().held()
    }

    /// Bytes held that are not yet output.
    fn in_progress(&self) -> u64 {
        self.gathered_bytes + self.group.as_ref().map_or(0, |group| group.held)
    }

    pub(super) fn encoded_bytes(&self) -> u64 {
        let (plain, encoded) = match &self.group {
            Some(group) => (group.bytes, group.encoded),
            None => (0, 0),
        };
        let encoded = self.writer.bytes_written() as u64 + encoded;
        let plain = self.plain + plain;
        let gathered = if plain == 0 {
            self.gathered_bytes / 4
        } else {
            let estimate = u128::from(self.gathered_bytes) * u128::from(encoded) / u128::from(plain);
            u64::try_from(estimate).unwrap_or(u64::MAX)
        };
        encoded + gathered
    }

    pub(super) const fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn finish(mut self) -> Result<Finished, SinkError> {
        self.end_row_group()?;
        self.writer.finish().map_err(parquet_error)?;
        let pieces = self.writer.inner_mut();
        Ok(Finished {
            output: pieces.take(),
            rows: self.rows,
            row_groups: self.row_groups,
            bytes: pieces.written(),
        })
    }
}

/// A column whose pages are complete.
enum Closed {
    Strings(StringChunk),
    Leaves(Vec<ArrowColumnChunk>),
}

/// A piece of work for one thread.
enum Task<'a> {
    /// A page of the string column of that index.
    Page(usize, PageRows<'a>, bool),
    /// All new values of a column.
    Leaves(&'a mut [ArrowColumnWriter], &'a FieldRef, Vec<&'a ArrayRef>, u64),
}

impl Task<'_> {
    const fn bytes(&self) -> u64 {
        match self {
            Self::Page(_, rows, _) => rows.bytes as u64,
            Self::Leaves(_, _, _, bytes) => *bytes,
        }
    }

    fn run(self, level: i32, readers: &Readers) -> Result<Option<(usize, Page)>, SinkError> {
        readers.give_way_blocking();
        match self {
            Self::Page(column, rows, nullable) => {
                let page = page::encode(&rows, nullable, level).map_err(parquet_error)?;
                Ok(Some((column, page)))
            }
            Self::Leaves(writers, field, arrays, _) => {
                for array in arrays {
                    readers.give_way_blocking();
                    let leaves = compute_leaves(field, array).map_err(parquet_error)?;
                    for (writer, leaf) in writers.iter_mut().zip(&leaves) {
                        writer.write(leaf).map_err(parquet_error)?;
                    }
                }
                Ok(None)
            }
        }
    }
}

impl RowGroup {
    /// Encodes the rows of some batches, columns and pages in parallel.
    fn write(
        &mut self,
        schema: &SchemaRef,
        batches: &[RecordBatch],
        level: i32,
        readers: &Readers,
    ) -> Result<(), SinkError> {
        let mut tasks = Vec::new();
        for (index, (column, field)) in self.columns.iter_mut().zip(schema.fields()).enumerate() {
            match column {
                Column::Strings(_) => {
                    let arrays: Vec<_> = batches
                        .iter()
                        .map(|batch| batch.column(index).as_string::<i32>())
                        .collect();
                    let pages = strings::pages(&arrays);
                    tasks.extend(
                        pages
                            .into_iter()
                            .map(|rows| Task::Page(index, rows, field.is_nullable())),
                    );
                }
                Column::Leaves(writers) => {
                    let arrays: Vec<_> = batches.iter().map(|batch| batch.column(index)).collect();
                    let bytes = arrays.iter().map(|array| arrays::array_bytes(array)).sum();
                    tasks.push(Task::Leaves(writers, field, arrays, bytes));
                }
            }
        }
        // Large pieces first, so that the threads end together; the order of a column's pages is kept by its position.
        let mut tasks: Vec<_> = tasks.into_iter().enumerate().collect();
        tasks.sort_by_key(|(_, task)| std::cmp::Reverse(task.bytes()));
        let mut done: Vec<_> = tasks
            .into_par_iter()
            .with_max_len(1)
            .map(|(order, task)| Ok((order, task.run(level, readers)?)))
            .collect::<Result<_, SinkError>>()?;
        done.sort_by_key(|(order, _)| *order);
        for (column, page) in done.into_iter().filter_map(|(_, page)| page) {
            if let Column::Strings(chunk) = &mut self.columns[column] {
                chunk.push(page);
            }
        }
        Ok(())
    }

    /// Brings its figures up to date.
    fn measure(&mut self) {
        (self.held, self.encoded) = (0, 0);
        for column in &self.columns {
            match column {
                Column::Strings(chunk) => {
                    self.held += chunk.bytes();
                    self.encoded += chunk.bytes();
                }
                Column::Leaves(writers) => {
                    for writer in writers {
                        self.held += writer.memory_size() as u64;
                        self.encoded += writer.get_estimated_total_bytes() as u64;
                    }
                }
            }
        }
    }

    /// Ends the open pages of every column.
    fn close(self, readers: &Readers) -> Result<Vec<Closed>, SinkError> {
        self.columns
            .into_par_iter()
            .with_max_len(1)
            .map(|column| match column {
                Column::Strings(chunk) => Ok(Closed::Strings(chunk)),
                Column::Leaves(writers) => {
                    readers.give_way_blocking();
                    let chunks = writers.into_iter().map(|writer| writer.close().map_err(parquet_error));
                    chunks.collect::<Result<_, _>>().map(Closed::Leaves)
                }
            })
            .collect()
    }
}

/// How many leaf columns a type has.
fn leaf_count(data_type: &DataType) -> usize {
    match data_type {
        DataType::List(item) => leaf_count(item.data_type()),
        DataType::Map(entries, _) => leaf_count(entries.data_type()),
        DataType::Struct(fields) => fields.iter().map(|field| leaf_count(field.data_type())).sum(),
        _ => 1,
    }
}
