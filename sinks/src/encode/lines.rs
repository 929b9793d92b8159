//! The text encoder: rows as lines of CSV or JSON, compressed as they come.

use std::io::Write;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use tracemill_operators::governor::Readers;

use super::pieces::Pieces;
use super::scalar::{self, Column};
use super::{EncodeOptions, Finished, Format, TextCompression, csv, json};
use crate::SinkError;

/// The text is given to the compressor when it has grown to this.
const CHUNK: usize = 256 << 10;

pub(super) struct LinesEncoder {
    schema: SchemaRef,
    format: Format,
    /// The columns' names as JSON.
    names: Vec<Vec<u8>>,
    text: Vec<u8>,
    nested: Vec<u8>,
    stream: Stream,
    rows: u64,
    readers: Readers,
}

impl std::fmt::Debug for LinesEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinesEncoder")
            .field("format", &self.format)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

enum Stream {
    Plain(Pieces),
    Gzip(GzEncoder<Pieces>),
    Zstd(zstd::Encoder<'static, Pieces>),
}

impl Stream {
    fn new(compression: TextCompression, level: i32) -> std::io::Result<Self> {
        Ok(match compression {
            TextCompression::None => Self::Plain(Pieces::default()),
            TextCompression::Gzip => {
                let level = Compression::new(level.clamp(1, 9).unsigned_abs());
                Self::Gzip(GzEncoder::new(Pieces::default(), level))
            }
            TextCompression::Zstd => Self::Zstd(zstd::Encoder::new(Pieces::default(), level)?),
        })
    }

    fn write(&mut self, text: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Plain(out) => out.write_all(text),
            Self::Gzip(out) => out.write_all(text),
            Self::Zstd(out) => out.write_all(text),
        }
    }

    fn pieces(&mut self) -> &mut Pieces {
        match self {
            Self::Plain(out) => out,
            Self::Gzip(out) => out.get_mut(),
            Self::Zstd(out) => out.get_mut(),
        }
    }

    fn held(&self) -> u64 {
        // The windows and tables of the compressors: of gzip, and of zstd's fast levels.
        match self {
            Self::Plain(out) => out.held(),
            Self::Gzip(out) => out.get_ref().held() + (320 << 10),
            Self::Zstd(out) => out.get_ref().held() + (2 << 20),
        }
    }

    fn written(&self) -> u64 {
        match self {
            Self::Plain(out) => out.written(),
            Self::Gzip(out) => out.get_ref().written(),
            Self::Zstd(out) => out.get_ref().written(),
        }
    }

    fn finish(self) -> std::io::Result<Pieces> {
        match self {
            Self::Plain(out) => Ok(out),
            Self::Gzip(out) => out.finish(),
            Self::Zstd(out) => out.finish(),
        }
    }
}

impl LinesEncoder {
    pub(super) fn new(schema: &SchemaRef, options: &EncodeOptions) -> Result<Self, SinkError> {
        let format = options.format;
        if let Some(field) = schema
            .fields()
            .iter()
            .find(|field| !scalar::is_supported(field.data_type()))
        {
            let reason = format!(
                "column {:?} has the type {}, which has no text form",
                field.name(),
                field.data_type()
            );
            return Err(error(format, reason));
        }
        let compression = match format {
            Format::Csv(compression) | Format::Jsonl(compression) => compression,
            Format::Parquet => TextCompression::None,
        };
        let mut text = Vec::new();
        if matches!(format, Format::Csv(_)) {
            csv::put_header(&mut text, schema.fields().iter().map(|field| field.name().as_str()));
        }
        Ok(Self {
            schema: Arc::clone(schema),
            format,
            names: schema.fields().iter().map(|field| json::name(field.name())).collect(),
            text,
            nested: Vec::new(),
            stream: Stream::new(compression, options.level).map_err(|reason| error(format, reason))?,
            rows: 0,
            readers: options.readers.clone(),
        })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), SinkError> {
        if batch.schema_ref().fields() != self.schema.fields() {
            return Err(error(self.format, "a batch has not the schema of its file"));
        }
        let columns: Option<Vec<_>> = batch.columns().iter().map(|array| Column::of(array)).collect();
        let columns = columns.ok_or_else(|| error(self.format, "a column has a type without text form"))?;
        for row in 0..batch.num_rows() {
            match self.format {
                Format::Csv(_) => csv::put_line(&mut self.text, &mut self.nested, &columns, row),
                Format::Jsonl(_) | Format::Parquet => json::put_line(&mut self.text, &self.names, &columns, row),
            }
            if self.text.len() >= CHUNK {
                self.push_text()?;
            }
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    fn push_text(&mut self) -> Result<(), SinkError> {
        self.readers.give_way_blocking();
        self.stream
            .write(&self.text)
            .map_err(|reason| error(self.format, reason))?;
        self.text.clear();
        // One jumbo value must not be paid for until the end of the file.
        self.text.shrink_to(4 * CHUNK);
        self.nested.clear();
        self.nested.shrink_to(4 * CHUNK);
        Ok(())
    }

    pub(super) fn take_output(&mut self) -> Vec<Bytes> {
        self.stream.pieces().take()
    }

    pub(super) fn held_bytes(&self) -> u64 {
        self.text.capacity() as u64 + self.nested.capacity() as u64 + self.stream.held()
    }

    pub(super) fn encoded_bytes(&self) -> u64 {
        self.stream.written() + self.text.len() as u64
    }

    pub(super) const fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn finish(mut self) -> Result<Finished, SinkError> {
        self.push_text()?;
        let format = self.format;
        let mut pieces = self.stream.finish().map_err(|reason| error(format, reason))?;
        Ok(Finished {
            output: pieces.take(),
            rows: self.rows,
            row_groups: 0,
            bytes: pieces.written(),
        })
    }
}

fn error(format: Format, reason: impl std::fmt::Display) -> SinkError {
    SinkError::Encode {
        format: format.name(),
        reason: reason.to_string(),
    }
}
