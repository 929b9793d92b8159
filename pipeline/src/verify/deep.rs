//! Decoding a Parquet file's id and time columns: every row's time is within the window, the smallest and largest are
//! those of the manifest, and no id comes twice in a window.
//!
//! Reads the two columns' pages alone. Memory: 16 bytes an id of the window, and a batch.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::io::Read;
use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use bytes::{Buf, Bytes};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use tokio::runtime::Handle;
use tracemill_model::manifest::{FileEntry, Manifest};
use tracemill_model::{Millis, Table};
use tracemill_sinks::store::Store;

use super::Difference;

/// Rows decoded at once.
const BATCH: usize = 8192;

/// Looks into all files of a window. Blocks: call it off the asynchronous threads. Files whose columns were chosen
/// without id or time are passed over for what they lack.
#[must_use]
pub fn check(store: &Store, table: Table, manifest: &Manifest, handle: &Handle) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut ids = Ids::default();
    for file in &manifest.files {
        let times = read(store, table, file, handle, &mut ids);
        let mut add = |kind, what| found.push(Difference::of_object(kind, Some(manifest.window), &file.path, what));
        match times {
            Err(error) => add("rows", format!("it cannot be decoded: {error}")),
            Ok(seen) if seen.rows != file.rows => {
                add(
                    "rows",
                    format!("it has {} rows, the manifest says {}", seen.rows, file.rows),
                );
            }
            Ok(seen) => {
                if let Some((min, max)) = seen.times
                    && (min, max) != (file.min_time, file.max_time)
                {
                    let (told_min, told_max) = (file.min_time, file.max_time);
                    add(
                        "times",
                        format!("its rows are of {min} to {max}, the manifest says {told_min} to {told_max}"),
                    );
                }
            }
        }
    }
    if ids.doubled > 0 {
        let what = format!("{} rows have an id that another row of the window has", ids.doubled);
        found.push(Difference::of_window("rows", manifest.window, what));
    }
    found
}

/// The ids of a window, as hashes of 128 bits.
#[derive(Default)]
struct Ids {
    hashers: [RandomState; 2],
    seen: HashSet<(u64, u64)>,
    doubled: u64,
}

impl Ids {
    fn add(&mut self, id: &[u8]) {
        let [one, two] = &self.hashers;
        if !self.seen.insert((one.hash_one(id), two.hash_one(id))) {
            self.doubled += 1;
        }
    }
}

#[derive(Default)]
struct Seen {
    rows: u64,
    times: Option<(Millis, Millis)>,
}

fn read(store: &Store, table: Table, file: &FileEntry, handle: &Handle, ids: &mut Ids) -> Result<Seen, ParquetError> {
    let object = Object {
        store: store.clone(),
        path: file.path.clone(),
        size: file.bytes,
        handle: handle.clone(),
    };
    let builder = ParquetRecordBatchReaderBuilder::try_new(object)?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), ["id", table.time_column()]);
    let mut seen = Seen::default();
    for batch in builder.with_projection(mask).with_batch_size(BATCH).build()? {
        let batch = batch?;
        seen.rows += batch.num_rows() as u64;
        let column = batch
            .column_by_name("id")
            .and_then(|column| column.as_string_opt::<i32>());
        for id in column.into_iter().flatten() {
            ids.add(id.unwrap_or_default().as_bytes());
        }
        let times = batch.column_by_name(table.time_column());
        for at in times
            .and_then(|times| times.as_primitive_opt::<TimestampMillisecondType>())
            .into_iter()
            .flatten()
        {
            let at = Millis(at.unwrap_or_default());
            let (min, max) = seen.times.unwrap_or((at, at));
            seen.times = Some((min.min(at), max.max(at)));
        }
    }
    Ok(seen)
}

/// An object, read by ranges.
struct Object {
    store: Store,
    path: String,
    size: u64,
    handle: Handle,
}

impl Object {
    fn range(&self, range: Range<u64>) -> Result<Bytes, ParquetError> {
        self.handle
            .block_on(self.store.get_range(&self.path, range))
            .map_err(|error| ParquetError::General(error.to_string()))
    }
}

impl Length for Object {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for Object {
    type T = Box<dyn Read>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        // Page headers are read so; a piece from there on holds the header.
        let end = (start + (64 << 10)).min(self.size);
        Ok(Box::new(self.range(start..end)?.reader()))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        self.range(start..start + length as u64)
    }
}
