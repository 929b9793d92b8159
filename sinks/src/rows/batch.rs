//! A batch: encoded rows of one table, where each of them ends, and what names it, so that a part of it is a slice.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use tracemill_model::Millis;
use tracemill_model::ingest::{EntityKey, EntityKind, Row, Text};

use super::encode::{self, FileLog, Refused};

/// A table that rows are written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RowTable {
    /// `traces`.
    Traces,
    /// `observations`.
    Observations,
    /// `scores`.
    Scores,
    /// `blob_storage_file_log`.
    FileLog,
}

impl RowTable {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Traces, Self::Observations, Self::Scores, Self::FileLog];

    /// Where rows of that kind go.
    #[must_use]
    pub const fn of(kind: EntityKind) -> Self {
        match kind {
            EntityKind::Trace => Self::Traces,
            EntityKind::Observation => Self::Observations,
            EntityKind::Score => Self::Scores,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Observations => "observations",
            Self::Scores => "scores",
            Self::FileLog => "blob_storage_file_log",
        }
    }

    /// The columns that are written, in order.
    #[must_use]
    pub const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Traces => encode::TRACES,
            Self::Observations => encode::OBSERVATIONS,
            Self::Scores => encode::SCORES,
            Self::FileLog => encode::FILE_LOG,
        }
    }
}

impl std::fmt::Display for RowTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What names a row beside its key: type of an observation, name of a score, raw object of a line of the file log.
#[derive(Debug, Clone)]
pub(super) enum Part {
    Fixed(&'static str),
    Text(Text),
}

impl Part {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Fixed(text) => text,
            Self::Text(text) => text,
        }
    }
}

/// One row of a batch.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Where its bytes end.
    end: usize,
    pub(super) key: EntityKey,
    pub(super) part: Part,
    /// The time in its sort key.
    pub(super) time: Millis,
    pub(super) event_ts: Millis,
}

/// Rows of one table on their way into it.
#[derive(Debug, Clone)]
pub struct Batch {
    table: RowTable,
    bytes: Bytes,
    entries: Vec<Entry>,
}

impl Batch {
    /// Where it goes.
    #[must_use]
    pub fn table(&self) -> RowTable {
        self.table
    }

    /// How many rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.entries.len()
    }

    /// How many bytes, encoded.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The entity of a row and its version.
    #[must_use]
    pub fn row(&self, index: usize) -> Option<(&EntityKey, Millis)> {
        self.entries.get(index).map(|entry| (&entry.key, entry.event_ts))
    }

    pub(super) fn entry(&self, index: usize) -> &Entry {
        &self.entries[index]
    }

    fn start(&self, row: usize) -> usize {
        row.checked_sub(1).map_or(0, |before| self.entries[before].end)
    }

    /// The bytes of one row.
    pub(super) fn encoded(&self, row: usize) -> &[u8] {
        &self.bytes[self.start(row)..self.entries[row].end]
    }

    /// The bytes of a range of rows.
    pub(super) fn slice(&self, rows: &Range<usize>) -> Bytes {
        self.bytes.slice(self.start(rows.start)..self.start(rows.end))
    }
}

/// Encodes rows of one table, batch after batch, in one buffer: it is used again once the batch before is gone.
#[derive(Debug)]
pub struct Builder {
    table: RowTable,
    buffer: BytesMut,
    entries: Vec<Entry>,
    /// The size of the last batch: what the next one will need.
    expected: (usize, usize),
}

impl Builder {
    /// An empty one.
    #[must_use]
    pub fn new(table: RowTable) -> Self {
        Self {
            table,
            buffer: BytesMut::new(),
            entries: Vec::new(),
            expected: (0, 0),
        }
    }

    /// Where its batches go.
    #[must_use]
    pub fn table(&self) -> RowTable {
        self.table
    }

    /// Rows so far.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.entries.len()
    }

    /// Bytes so far.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Whether there is nothing to take.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Appends a row.
    ///
    /// # Errors
    /// The table cannot hold it: it becomes a letter. The batch is as it was.
    pub fn push(&mut self, row: &Row) -> Result<(), Refused> {
        if RowTable::of(row.kind()) != self.table {
            return Err(Refused::Kind {
                table: self.table.name(),
                found: row.kind(),
            });
        }
        self.prepare();
        let before = self.buffer.len();
        let (part, time) = match row {
            Row::Trace(row) => {
                encode::trace(&mut self.buffer, row);
                (Part::Fixed(""), row.timestamp)
            }
            Row::Observation(row) => {
                if let Err(refused) = encode::observation(&mut self.buffer, row) {
                    self.buffer.truncate(before);
                    return Err(refused);
                }
                (Part::Fixed(row.ty.upper()), row.start_time)
            }
            Row::Score(row) => {
                encode::score(&mut self.buffer, row);
                (Part::Text(row.name.clone()), row.timestamp)
            }
        };
        self.entries.push(Entry {
            end: self.buffer.len(),
            key: row.key(),
            part,
            time,
            event_ts: row.event_ts(),
        });
        Ok(())
    }

    /// Appends a line of the file log.
    ///
    /// # Errors
    /// The batch is of another table.
    pub fn push_log(&mut self, line: &FileLog) -> Result<(), Refused> {
        if self.table != RowTable::FileLog {
            return Err(Refused::Kind {
                table: self.table.name(),
                found: line.key.kind,
            });
        }
        self.prepare();
        encode::file_log(&mut self.buffer, line);
        self.entries.push(Entry {
            end: self.buffer.len(),
            key: line.key.clone(),
            part: Part::Text(line.event_id.clone()),
            time: line.at,
            event_ts: line.at,
        });
        Ok(())
    }

    fn prepare(&mut self) {
        if self.entries.is_empty() {
            // Takes the old memory back if its batch is gone.
            self.buffer.reserve(self.expected.0);
            self.entries.reserve(self.expected.1);
        }
    }

    /// What was appended since the last time.
    #[must_use]
    pub fn take(&mut self) -> Batch {
        // An eighth more: the next batch is rarely of exactly the same size.
        self.expected = (self.buffer.len() / 8 * 9, self.entries.len() / 8 * 9);
        Batch {
            table: self.table,
            bytes: self.buffer.split().freeze(),
            entries: std::mem::take(&mut self.entries),
        }
    }
}
