//! Streams of Arrow batches out of ClickHouse, each with the permit for its bytes.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use bytes::Bytes;
use tracemill_operators::governor::Gate;
use tracemill_operators::{Budget, Permit};
use tracemill_warehouse::{ByteStream, QueryId, Service, Statement};

use super::deadline::Deadline;
use super::frames::{Frames, Wanted};
use crate::SourceError;

/// Arrow as ClickHouse writes it, in the form that costs both sides least: strings as bytes, so that one that is no UTF-8
/// does not break its batch; low cardinality as plain strings; no compression within (the HTTP body may have its own).
const ARROW_SETTINGS: [(&str, &str); 4] = [
    ("output_format_arrow_string_as_string", "0"),
    ("output_format_arrow_low_cardinality_as_dictionary", "0"),
    ("output_format_arrow_compression_method", "none"),
    ("output_format_arrow_fixed_string_as_fixed_byte_array", "1"),
];

/// A batch and what it holds of the budget.
pub(super) struct Held {
    pub(super) batch: RecordBatch,
    pub(super) permit: Arc<Permit>,
}

/// What holds a stream back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace<'a> {
    /// What the export may use now.
    pub(super) gate: &'a Gate,
    /// Whose time stands still meanwhile.
    pub(super) deadline: Option<&'a Deadline>,
    /// Its bytes are counted, and it waits for nothing: the last that can be done for a row before it is given up.
    pub(super) is_last: bool,
}

impl Pace<'_> {
    async fn take(&self, bytes: u64) {
        if self.is_last {
            let _ = self.gate.charge(bytes);
            return;
        }
        let _pause = self.deadline.map(Deadline::pause);
        self.gate.take(bytes).await;
    }
}

/// The answer of one query.
pub(super) struct Batches<'a> {
    stream: ByteStream,
    frames: Frames,
    chunk: Bytes,
    budget: &'a Budget,
    counter: Option<&'a AtomicU64>,
    pace: Pace<'a>,
    permit: Option<Permit>,
    bytes: u64,
    decode: Duration,
}

impl<'a> Batches<'a> {
    /// Sends the query. Its batches take their permits from `budget`; `counter` counts their bytes, `pace` holds them back.
    pub(super) fn open(
        service: &Service,
        statement: Statement,
        budget: &'a Budget,
        counter: Option<&'a AtomicU64>,
        pace: Pace<'a>,
    ) -> Result<Self, SourceError> {
        let statement = ARROW_SETTINGS
            .iter()
            .fold(statement, |statement, (name, value)| statement.setting(name, value));
        let stream = service.stream(&statement, "ArrowStream")?;
        Ok(Self {
            stream,
            frames: Frames::new(),
            chunk: Bytes::new(),
            budget,
            counter,
            pace,
            permit: None,
            bytes: 0,
            decode: Duration::ZERO,
        })
    }

    pub(super) fn query_id(&self) -> &QueryId {
        self.stream.query_id()
    }

    /// Bytes of the answer so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Time spent in copying and decoding, without waiting.
    pub(super) fn decode_time(&self) -> Duration {
        self.decode
    }

    /// The next batch; `None` at the end-of-stream marker. An answer without the marker is an error.
    pub(super) async fn next(&mut self) -> Result<Option<Held>, SourceError> {
        loop {
            match self.frames.wanted() {
                Wanted::Nothing => return self.end().await,
                Wanted::Body(size) => {
                    self.permit = Some(self.budget.acquire(size).await);
                    self.frames.allow();
                }
                Wanted::Bytes => {}
            }
            if self.chunk.is_empty() {
                match self.stream.next().await? {
                    Some(chunk) => {
                        self.pace.take(chunk.len() as u64).await;
                        self.on_chunk(chunk);
                    }
                    None => return Err(self.broken("it ended without the end-of-stream marker")),
                }
            }
            if let Some(batch) = self.feed()? {
                let permit = match self.permit.take() {
                    Some(permit) => permit,
                    // A batch without a body has no rows.
                    None => self.budget.acquire(0).await,
                };
                return Ok(Some(Held {
                    batch,
                    permit: Arc::new(permit),
                }));
            }
        }
    }

    fn on_chunk(&mut self, chunk: Bytes) {
        self.bytes += chunk.len() as u64;
        if let Some(counter) = self.counter {
            counter.fetch_add(chunk.len() as u64, std::sync::atomic::Ordering::Relaxed);
        }
        self.chunk = chunk;
    }

    fn feed(&mut self) -> Result<Option<RecordBatch>, SourceError> {
        let began = Instant::now();
        let mut rest: &[u8] = &self.chunk;
        let fed = self.frames.feed(&mut rest);
        let used = self.chunk.len() - rest.len();
        self.chunk = self.chunk.slice(used..);
        self.decode += began.elapsed();
        fed.map_err(|error| self.broken(&error.to_string()))
    }

    /// After the marker the body must end: what follows would be an exception, or another stream.
    async fn end(&mut self) -> Result<Option<Held>, SourceError> {
        while self.chunk.is_empty() {
            match self.stream.next().await? {
                None => return Ok(None),
                Some(chunk) => self.on_chunk(chunk),
            }
        }
        Err(self.broken("bytes follow the end-of-stream marker"))
    }

    fn broken(&self, reason: &str) -> SourceError {
        let query_id = self.query_id().to_string();
        SourceError::Stream {
            query_id,
            bytes: self.bytes,
            reason: reason.to_owned(),
        }
    }
}
