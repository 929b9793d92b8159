//! Writes batches, with unlimited patience for a server that has trouble, and none for a row that it refuses.
//!
//! *Invariants.* A batch is given back as written only when each of its rows is in the table or among the rejected. What an
//! insert's error means is one table: `codes::on_insert`. The same rows go with the same `insert_deduplication_token`.
//!
//! *On error.* There is none to return: trouble and faults of configuration are waited for, and shown in
//! [`Writer::states`]. Dropping the future leaves rows that are there or not; who has not got its answer writes them again,
//! which is harmless.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tracemill_model::ingest::EntityKey;
use tracemill_model::{Blame, Millis};
use tracemill_operators::clock::{Clock, backoff};
use tracemill_warehouse::tables::Severity;
use tracemill_warehouse::{Comment, Insert, OnInsert, Service, WarehouseError, migrate};

use super::batch::Batch;
use super::native::Blocks;
use super::plan::Piece;
use super::state::{Stage, WriteState, WriteStates};
use super::verify;

/// Bytes of a body that are sent, and compressed, at once.
const SEND: usize = 1 << 20;

/// Attempts after which a single row with an error that nobody knows is given up, if others got in meanwhile.
const SUSPECT_TRIES: u32 = 5;

/// Attempts after which it is given up in any case: some eight minutes.
const SUSPECT_END: u32 = 20;

/// How long to wait before the `n`th repetition (from 1) of something.
#[derive(Clone)]
pub struct Patience(Arc<dyn Fn(u32) -> Duration + Send + Sync>);

impl Patience {
    /// Doubling from half a second to half a minute, less a random part of up to a half, so that writers do not come back
    /// all at once.
    #[must_use]
    pub fn jittered() -> Self {
        Self::of(|n| {
            let wait = backoff(n);
            // Each state is seeded anew.
            let random = RandomState::new().build_hasher().finish() % 512;
            wait - wait * u32::try_from(random).unwrap_or(0) / 1024
        })
    }

    /// Any other.
    #[must_use]
    pub fn of(wait: impl Fn(u32) -> Duration + Send + Sync + 'static) -> Self {
        Self(Arc::new(wait))
    }
}

impl fmt::Debug for Patience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Patience")
    }
}

/// A row that ClickHouse refuses: it becomes a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Its place in the batch.
    pub row: usize,
    /// Its entity.
    pub key: EntityKey,
    /// Its version.
    pub event_ts: Millis,
    /// ClickHouse's error code; 0 where there was none.
    pub code: u32,
    /// The kind of error: `violated_constraint`.
    pub kind: &'static str,
    /// What ClickHouse said.
    pub reason: String,
    /// Attempts at this row, those within larger pieces included.
    pub attempts: u32,
}

/// How a batch was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows that are in the table.
    pub rows: usize,
    /// Of these, those that were found there after an insert without an answer.
    pub verified: usize,
    /// Inserts that were tried.
    pub inserts: u32,
    /// Rows that were refused.
    pub rejected: Vec<Rejected>,
}

/// Writes batches. Several may be written at once.
#[derive(Debug)]
pub struct Writer {
    service: Service,
    clock: Clock,
    patience: Patience,
    states: WriteStates,
    /// Inserts that were accepted.
    accepted: AtomicU64,
}

/// A piece that is still to be sent.
#[derive(Debug)]
struct Work {
    piece: Piece,
    /// Attempts in a row without progress.
    tries: u32,
    /// Attempts at its rows altogether.
    attempts: u32,
    /// It goes under the token of an attempt without an answer, whose rows were not there afterwards.
    is_repeated: bool,
    /// What [`Writer::accepted`] was when its rows first failed for a reason that nobody knows.
    suspected: Option<u64>,
}

impl Work {
    fn halves(&self) -> [Self; 2] {
        let (first, second) = self.piece.halves();
        [first, second].map(|piece| Self {
            piece,
            // A suspect has waited already: the next failure halves it at once.
            tries: self.suspected.map_or(0, |_| SUSPECT_TRIES - 1),
            attempts: self.attempts,
            is_repeated: false,
            suspected: self.suspected,
        })
    }
}

impl Writer {
    /// A writer on a service that may insert.
    #[must_use]
    pub fn new(service: Service, clock: Clock, patience: Patience) -> Self {
        Self {
            service,
            clock,
            patience,
            states: WriteStates::default(),
            accepted: AtomicU64::new(0),
        }
    }

    /// What each batch does right now.
    #[must_use]
    pub fn states(&self) -> &WriteStates {
        &self.states
    }

    /// Inserts that ClickHouse took.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Writes a batch, however long that takes. Cancel safe: a batch that was not given back is written again.
    pub async fn write(&self, batch: &Batch) -> Written {
        let mut run = Run {
            writer: self,
            batch,
            stage: self.states.begin(batch.table()),
            written: Written::default(),
            todo: Vec::new(),
            is_table_right: false,
        };
        if batch.rows() > 0 {
            run.todo.push(Work {
                piece: Piece::all(batch),
                tries: 0,
                attempts: 0,
                is_repeated: false,
                suspected: None,
            });
        }
        while let Some(work) = run.todo.pop() {
            run.attempt(work).await;
        }
        run.written.rejected.sort_unstable_by_key(|rejected| rejected.row);
        run.written
    }
}

async fn send(insert: &mut Insert, mut block: Bytes) -> Result<(), WarehouseError> {
    while !block.is_empty() {
        insert.send(block.split_to(block.len().min(SEND))).await?;
    }
    Ok(())
}

/// One batch on its way.
struct Run<'a> {
    writer: &'a Writer,
    batch: &'a Batch,
    stage: Stage,
    written: Written,
    /// What is left; the last is next.
    todo: Vec<Work>,
    /// The table was compared with its definition, so that what is refused is a row's own fault.
    is_table_right: bool,
}

impl Run<'_> {
    async fn attempt(&mut self, mut work: Work) {
        self.stage.enter(WriteState::Writing);
        work.attempts += 1;
        self.written.inserts += 1;
        let token = work.piece.token(self.batch);
        match self.insert(&work.piece, &token).await {
            Ok(()) => {
                self.writer.accepted.fetch_add(1, Ordering::Relaxed);
                if work.is_repeated {
                    self.confirm(work, &token).await;
                } else {
                    self.written.rows += work.piece.len();
                }
            }
            Err(error) => {
                work.tries += 1;
                self.failed(work, token, &error).await;
            }
        }
    }

    async fn failed(&mut self, work: Work, token: String, error: &WarehouseError) {
        let single = work.piece.len() <= 1;
        match error.on_insert() {
            OnInsert::Halve if !single => {
                self.back_off(&work, error).await;
                self.push_halves(&work);
            }
            OnInsert::Wait | OnInsert::SlowDown | OnInsert::Halve => {
                self.back_off(&work, error).await;
                self.todo.push(work);
            }
            OnInsert::Verify => self.verify(work, token, error).await,
            OnInsert::Bisect => self.blame(work, error).await,
            OnInsert::Suspect => self.suspect(work, error).await,
            OnInsert::Hold => {
                self.hold(&work, &error.to_string()).await;
                self.todo.push(work);
            }
        }
    }

    /// Nobody knows the error: it may pass, or be the row's.
    async fn suspect(&mut self, mut work: Work, error: &WarehouseError) {
        let accepted = self.writer.accepted.load(Ordering::Relaxed);
        let since = *work.suspected.get_or_insert(accepted);
        let single = work.piece.len() <= 1;
        let is_sure = work.tries >= SUSPECT_END || (work.tries >= SUSPECT_TRIES && (!single || accepted > since));
        if is_sure {
            self.blame(work, error).await;
        } else if single && work.tries >= SUSPECT_TRIES && !self.todo.is_empty() {
            // Whether others get in tells more than another attempt.
            self.todo.insert(0, work);
        } else {
            self.back_off(&work, error).await;
            self.todo.push(work);
        }
    }

    /// A row is at fault, unless the table has changed under us: a single one is given up, more are halved.
    async fn blame(&mut self, work: Work, error: &WarehouseError) {
        if !self.is_table_right {
            match self.table_fault().await {
                Ok(None) => self.is_table_right = true,
                Ok(Some(fault)) => {
                    self.hold(&work, &fault).await;
                    return self.todo.push(work);
                }
                Err(other) => {
                    self.back_off(&work, &other).await;
                    return self.todo.push(work);
                }
            }
        }
        if work.piece.len() > 1 {
            return self.push_halves(&work);
        }
        self.written.rejected.extend(work.piece.rows().map(|row| {
            let entry = self.batch.entry(row);
            Rejected {
                row,
                key: entry.key.clone(),
                event_ts: entry.event_ts,
                code: error.code().unwrap_or(0),
                kind: error.kind(),
                reason: error.to_string(),
                attempts: work.attempts,
            }
        }));
    }

    /// Looks which rows are there, until that is known. What is missing is sent again.
    async fn verify(&mut self, mut work: Work, token: String, error: &WarehouseError) {
        let table = self.batch.table().name();
        tracing::warn!(table, rows = work.piece.len(), %error, "the outcome of an insert is not known");
        let missing = self.missing(&work.piece).await;
        let found = work.piece.len() - missing.len();
        self.written.rows += found;
        self.written.verified += found;
        if missing.is_empty() {
            return;
        }
        if found > 0 {
            work.tries = 1;
        }
        work.piece = work.piece.only(&missing, token);
        work.is_repeated = true;
        self.back_off(&work, error).await;
        self.todo.push(work);
    }

    /// A server notes a token before its rows are in place. If it was killed in between, it drops what comes again under that
    /// token, and says that all is well: then the rows go under another.
    async fn confirm(&mut self, mut work: Work, token: &str) {
        let missing = self.missing(&work.piece).await;
        self.written.rows += work.piece.len() - missing.len();
        if missing.is_empty() {
            return;
        }
        let table = self.batch.table().name();
        tracing::warn!(table, rows = missing.len(), "rows were lost whose token is remembered");
        work.piece = work.piece.only(&missing, format!("{token}-again"));
        work.is_repeated = false;
        self.todo.push(work);
    }

    /// The rows of a piece that are not there, once that is known.
    async fn missing(&mut self, piece: &Piece) -> Vec<usize> {
        let mut tries = 0;
        loop {
            self.stage.enter(WriteState::Verifying);
            match verify::missing(&self.writer.service, self.batch, piece).await {
                Ok(missing) => return missing,
                Err(other) => {
                    tries += 1;
                    self.pause(tries, other.on_insert(), &other.to_string()).await;
                }
            }
        }
    }

    fn push_halves(&mut self, work: &Work) {
        let [first, second] = work.halves();
        self.todo.push(second);
        self.todo.push(first);
    }

    async fn insert(&self, piece: &Piece, token: &str) -> Result<(), WarehouseError> {
        let table = self.batch.table();
        let project = piece.rows().next().map(|row| &*self.batch.entry(row).key.project);
        let comment = Comment::ingestion(table.name(), "writeToClickhouse", project);
        let insert = self
            .writer
            .service
            .insert(table.name(), table.columns(), "Native", &comment, Some(token));
        // Versions of a row that come together would be merged at once, which costs more than the merge that comes anyway.
        let mut insert = insert
            .setting("async_insert", 0)
            .setting("optimize_on_insert", 0)
            .setting("input_format_native_allow_types_conversion", 1);
        let mut blocks = Blocks::new(table);
        for row in piece.rows() {
            if let Some(block) = blocks.push(self.batch.encoded(row)) {
                send(&mut insert, block).await?;
            }
        }
        if let Some(block) = blocks.end() {
            send(&mut insert, block).await?;
        }
        insert.end().await.map(drop)
    }

    /// What differs between the table and what is written, if it is more than a matter of cost.
    async fn table_fault(&self) -> Result<Option<String>, WarehouseError> {
        let findings = migrate::check(&self.writer.service).await?;
        let fault = findings
            .iter()
            .find(|finding| finding.table() == self.batch.table().name() && finding.severity() == Severity::Fault);
        Ok(fault.map(ToString::to_string))
    }

    async fn back_off(&self, work: &Work, error: &WarehouseError) {
        let table = self.batch.table().name();
        let (rows, tries, kind) = (work.piece.len(), work.tries, error.kind());
        tracing::warn!(table, rows, tries, %error, kind, "an insert has to wait");
        self.pause(tries, error.on_insert(), &error.to_string()).await;
    }

    async fn hold(&self, work: &Work, why: &str) {
        let table = self.batch.table().name();
        let (rows, tries) = (work.piece.len(), work.tries);
        tracing::error!(table, rows, tries, why, "inserts are held until this is mended");
        self.pause(tries, OnInsert::Hold, why).await;
    }

    async fn pause(&self, tries: u32, on: OnInsert, why: &str) {
        // Merges take their time: fewer parts are there after seconds, not after half of one.
        let steps = if on == OnInsert::SlowDown { 3 } else { 0 };
        let wait = (self.writer.patience.0)(tries.saturating_add(steps).max(1));
        let why = why.to_owned();
        self.stage.enter(match on {
            OnInsert::Hold => WriteState::Held { why },
            _ => WriteState::BackingOff {
                until: self.writer.clock.after(wait),
                why,
            },
        });
        tokio::time::sleep(wait).await;
    }
}
