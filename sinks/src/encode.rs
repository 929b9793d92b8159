//! Record batches in, the bytes of a file out: Parquet, CSV and JSON lines.
//!
//! Pure CPU work: nothing here talks to a disk or a network, and nothing waits for either; between two pages it stands still
//! while readers run whose processors it shares. An [`Encoder`] makes one file. Its
//! output is taken in pieces while it grows ([`Encoder::take_output`]), and what it holds is known at every moment
//! ([`Encoder::held_bytes`]), so a permit of the byte budget can cover it.
//!
//! Invariants: the rows of the file are the rows written, in their order, whatever the batch boundaries; the file is whole
//! after [`Encoder::finish`] and at no time before. After an error the encoder is of no further use: drop it, and what was
//! taken from it with it.

mod arrays;
mod csv;
mod footer;
mod json;
mod layout;
mod lines;
mod page;
mod parquet;
mod pieces;
mod pool;
mod scalar;
pub mod schema;
mod strings;
mod utf8;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use tracemill_operators::governor::Readers;

use crate::SinkError;

pub use footer::{FooterRead, footer_rows};
pub use pool::pool;

/// How a text file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TextCompression {
    /// Not at all.
    None,
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
}

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Apache Parquet, zstd pages.
    Parquet,
    /// RFC 4180 with a header line.
    Csv(TextCompression),
    /// One JSON object a line.
    Jsonl(TextCompression),
}

impl Format {
    /// Its name, as messages use it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Csv(_) => "csv",
            Self::Jsonl(_) => "jsonl",
        }
    }

    /// The end of a file name, without the leading dot.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Csv(TextCompression::None) => "csv",
            Self::Csv(TextCompression::Gzip) => "csv.gz",
            Self::Csv(TextCompression::Zstd) => "csv.zst",
            Self::Jsonl(TextCompression::None) => "jsonl",
            Self::Jsonl(TextCompression::Gzip) => "jsonl.gz",
            Self::Jsonl(TextCompression::Zstd) => "jsonl.zst",
        }
    }
}

/// What a file should be like.
#[derive(Debug, Clone)]
pub struct EncodeOptions {
    /// Its format.
    pub format: Format,
    /// A row group ends before its plain data (the values, not the compressed pages) exceed so many bytes; a single row that
    /// is larger makes a row group by itself. At most [`MAX_ROW_GROUP_BYTES`].
    pub row_group_bytes: u64,
    /// The row group ends early when the encoder holds more bytes than this, output not counted.
    pub max_held: u64,
    /// The level of zstd; that of gzip is the nearest of 1 to 9.
    pub level: i32,
    /// Key-value metadata of a Parquet file, beside what [`Encoder::add_metadata`] adds.
    pub metadata: Vec<(String, String)>,
    /// Whose queries the work stands still for.
    pub readers: Readers,
}

/// The largest row group: half of what a column chunk may hold.
pub const MAX_ROW_GROUP_BYTES: u64 = 1 << 30;

impl EncodeOptions {
    /// The defaults for a format: row groups of 64 MiB, 64 MiB held, zstd level 1.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self {
            format,
            row_group_bytes: 64 << 20,
            max_held: 64 << 20,
            level: 1,
            metadata: Vec::new(),
            readers: Readers::default(),
        }
    }
}

/// What [`Encoder::finish`] gives.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The last bytes of the file, those not yet taken.
    pub output: Vec<Bytes>,
    /// The rows of the file.
    pub rows: u64,
    /// Its row groups; 0 for text.
    pub row_groups: u64,
    /// Its size in bytes, all output together.
    pub bytes: u64,
}

/// Makes one file out of record batches.
#[derive(Debug)]
pub struct Encoder {
    format: Format,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Parquet(Box<parquet::ParquetEncoder>),
    Lines(Box<lines::LinesEncoder>),
}

impl Encoder {
    /// Begins a file with these columns. Every batch must have exactly this schema (see [`schema::conform`]).
    ///
    /// # Errors
    ///
    /// [`SinkError::Encode`] when the format has no form for the type of a column.
    pub fn new(schema: &SchemaRef, options: &EncodeOptions) -> Result<Self, SinkError> {
        let kind = match options.format {
            Format::Parquet => Kind::Parquet(Box::new(parquet::ParquetEncoder::new(schema, options)?)),
            Format::Csv(_) | Format::Jsonl(_) => Kind::Lines(Box::new(lines::LinesEncoder::new(schema, options)?)),
        };
        Ok(Self {
            format: options.format,
            kind,
        })
    }

    /// Adds rows. Takes CPU time in proportion to the batch, or none at all when the batch is only kept for later; the work
    /// runs on the [`pool`], or on the caller's own rayon pool if it is a thread of one.
    ///
    /// # Errors
    ///
    /// [`SinkError::Encode`] when the batch has another schema or a compressor fails.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), SinkError> {
        match &mut self.kind {
            Kind::Parquet(encoder) => encoder.write(batch),
            Kind::Lines(encoder) => encoder.write(batch),
        }
    }

    /// Adds an entry to the key-value metadata of a Parquet file; text formats have no place for it.
    pub fn add_metadata(&mut self, key: &str, value: &str) {
        if let Kind::Parquet(encoder) = &mut self.kind {
            encoder.add_metadata(key, value);
        }
    }

    /// The bytes that are finished since the last call, in order.
    pub fn take_output(&mut self) -> Vec<Bytes> {
        match &mut self.kind {
            Kind::Parquet(encoder) => encoder.take_output(),
            Kind::Lines(encoder) => encoder.take_output(),
        }
    }

    /// Bytes of memory held: rows not yet encoded, the row group in progress, and output not taken.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        match &self.kind {
            Kind::Parquet(encoder) => encoder.held_bytes(),
            Kind::Lines(encoder) => encoder.held_bytes(),
        }
    }

    /// About how many bytes the file would have if it ended now, without its footer. Rows that are kept but not yet encoded
    /// count by the ratio seen so far.
    #[must_use]
    pub fn encoded_bytes(&self) -> u64 {
        match &self.kind {
            Kind::Parquet(encoder) => encoder.encoded_bytes(),
            Kind::Lines(encoder) => encoder.encoded_bytes(),
        }
    }

    /// Rows written so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        match &self.kind {
            Kind::Parquet(encoder) => encoder.rows(),
            Kind::Lines(encoder) => encoder.rows(),
        }
    }

    /// The end of the file's name, without the leading dot.
    #[must_use]
    pub const fn extension(&self) -> &'static str {
        self.format.extension()
    }

    /// Ends the file. A file without rows is valid too.
    ///
    /// # Errors
    ///
    /// [`SinkError::Encode`] when the last rows cannot be encoded.
    pub fn finish(self) -> Result<Finished, SinkError> {
        match self.kind {
            Kind::Parquet(encoder) => encoder.finish(),
            Kind::Lines(encoder) => encoder.finish(),
        }
    }
}

/// The error of the Parquet encoder.
fn parquet_error(reason: impl std::fmt::Display) -> SinkError {
    SinkError::Encode {
        format: "parquet",
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests;
