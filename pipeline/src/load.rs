//! Synthetic rows into ClickHouse: generated on one thread, inserted by a few requests at once.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tracemill_model::table::TABLES;
use tracemill_model::{Blame, Table};
use tracemill_sources::synth::{Chunk, Ledger, Phase, Synth, SynthConfig, schema, to_ipc_stream};
use tracemill_warehouse::{Comment, Service};

use crate::PipelineError;
use crate::pace::Sample;

/// Bytes of rows in one insert: large enough to make few parts.
const INSERT_BYTES: usize = 48 << 20;
/// Inserts at once.
const INSERTS: usize = 2;

/// What to write.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// What the rows are.
    pub config: SynthConfig,
    /// Where the ledger goes; `None`: no ledger.
    pub ledger: Option<PathBuf>,
    /// Which phases.
    pub phases: Vec<Phase>,
}

/// What was written so far, and in the end.
#[derive(Debug, Default)]
pub struct LoadProgress {
    /// Rows, by table in the order of [`TABLES`].
    pub rows: [AtomicU64; 3],
    /// Bytes of row data.
    pub bytes: AtomicU64,
    /// Chunks that were generated, and how many there are; none before the generator is ready.
    pub chunks: [AtomicU64; 2],
    /// Rows of the chunks that were generated; some of them still wait to be inserted.
    pub generated: AtomicU64,
}

impl LoadProgress {
    /// All of it, as a bar shows it.
    #[must_use]
    pub fn sample(&self) -> Sample {
        let [done, all] = [0, 1].map(|at: usize| self.chunks[at].load(Ordering::Relaxed));
        Sample {
            rows: self.all_rows(),
            bytes: self.bytes.load(Ordering::Relaxed),
            done: self.all_rows(),
            // Chunks are about equally large.
            total: (done > 0).then(|| self.generated.load(Ordering::Relaxed) * all / done),
            note: String::new(),
        }
    }

    /// All rows.
    #[must_use]
    pub fn all_rows(&self) -> u64 {
        self.rows.iter().map(|rows| rows.load(Ordering::Relaxed)).sum()
    }
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadReport {
    /// Rows of all tables.
    pub rows: u64,
    /// Bytes of row data, as Arrow.
    pub bytes: u64,
    /// How long it took.
    pub took: Duration,
}

/// A piece for one insert.
struct Piece {
    table: Table,
    body: Bytes,
    rows: u64,
    token: String,
}

/// Generates and inserts.
///
/// # Errors
/// A fault of the configuration, of the ledger's folder, or of ClickHouse.
pub async fn load(
    service: &Service,
    options: LoadOptions,
    progress: Arc<LoadProgress>,
) -> Result<LoadReport, PipelineError> {
    let began = Instant::now();
    let (sender, mut pieces) = mpsc::channel::<Piece>(1);
    let generated = tokio::task::spawn_blocking({
        let progress = Arc::clone(&progress);
        move || generate(options, &sender, &progress)
    });
    let slots = Arc::new(Semaphore::new(INSERTS));
    let mut inserts: JoinSet<Result<(), PipelineError>> = JoinSet::new();
    while let Some(piece) = pieces.recv().await {
        let slot = Arc::clone(&slots)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let (service, progress) = (service.clone(), Arc::clone(&progress));
        inserts.spawn(async move {
            let _slot = slot;
            insert(&service, piece, &progress).await
        });
        while let Some(ended) = inserts.try_join_next() {
            joined(ended)?;
        }
    }
    while let Some(ended) = inserts.join_next().await {
        joined(ended)?;
    }
    joined(generated.await)?;
    let bytes = progress.bytes.load(Ordering::Relaxed);
    Ok(LoadReport {
        rows: progress.all_rows(),
        bytes,
        took: began.elapsed(),
    })
}

fn joined(ended: Result<Result<(), PipelineError>, tokio::task::JoinError>) -> Result<(), PipelineError> {
    ended.map_err(|error| PipelineError::Io {
        what: "synth".to_owned(),
        reason: error.to_string(),
    })?
}

async fn insert(service: &Service, piece: Piece, progress: &LoadProgress) -> Result<(), PipelineError> {
    let columns: Vec<String> = schema(piece.table)
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut insert = service.insert(
        piece.table.name(),
        &columns,
        "ArrowStream",
        &Comment::new("synth"),
        Some(&piece.token),
    );
    let bytes = piece.body.len() as u64;
    let mut body = piece.body;
    while !body.is_empty() {
        let part = body.split_to(body.len().min(1 << 20));
        insert.send(part).await?;
    }
    insert.end().await?;
    let at = TABLES.iter().position(|table| *table == piece.table).unwrap_or(0);
    progress.rows[at].fetch_add(piece.rows, Ordering::Relaxed);
    progress.bytes.fetch_add(bytes, Ordering::Relaxed);
    Ok(())
}

/// Runs on a thread of its own.
fn generate(options: LoadOptions, pieces: &mpsc::Sender<Piece>, progress: &LoadProgress) -> Result<(), PipelineError> {
    let LoadOptions {
        config,
        ledger: folder,
        phases,
    } = options;
    let seed = config.seed;
    let synth = Synth::new(config).map_err(|error| synth_error(&error))?;
    let mut ledger = match &folder {
        Some(folder) => Some(open_ledger(folder, seed)?),
        None => None,
    };
    let mut waiting = Waiting::new(seed);
    progress.chunks[1].store(synth.chunks().count() as u64, Ordering::Relaxed);
    for id in synth.chunks() {
        let chunk = synth.chunk(id).map_err(|error| synth_error(&error))?;
        let rows: usize = chunk.batches.iter().map(|(_, batch)| batch.num_rows()).sum();
        if let Some(ledger) = &mut ledger {
            ledger.add(&chunk).map_err(|error| ledger_error(&error))?;
        }
        let is_chosen = phases.contains(&id.phase);
        if is_chosen && !waiting.add(chunk, pieces)? {
            // Nobody inserts any more: the error is told there.
            return Ok(());
        }
        progress
            .generated
            .fetch_add(if is_chosen { rows as u64 } else { 0 }, Ordering::Relaxed);
        progress.chunks[0].fetch_add(1, Ordering::Relaxed);
    }
    waiting.flush(pieces)?;
    if let (Some(ledger), Some(folder)) = (ledger, folder) {
        let (summary, _files) = ledger.finish().map_err(|error| ledger_error(&error))?;
        let text = serde_json::to_string_pretty(&summary).expect("a summary is always JSON");
        std::fs::write(folder.join("summary.json"), text).map_err(|error| ledger_error(&error))?;
    }
    Ok(())
}

/// Batches that wait to become an insert, by table.
struct Waiting {
    seed: u64,
    batches: [Vec<arrow_array::RecordBatch>; 3],
    bytes: [usize; 3],
    sent: u64,
}

impl Waiting {
    fn new(seed: u64) -> Self {
        Self {
            seed,
            batches: Default::default(),
            bytes: [0; 3],
            sent: 0,
        }
    }

    fn add(&mut self, chunk: Chunk, pieces: &mpsc::Sender<Piece>) -> Result<bool, PipelineError> {
        for (table, batch) in chunk.batches {
            let at = TABLES.iter().position(|known| *known == table).unwrap_or(0);
            self.bytes[at] += batch.get_array_memory_size();
            self.batches[at].push(batch);
            if self.bytes[at] >= INSERT_BYTES && !self.send(at, pieces)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn flush(&mut self, pieces: &mpsc::Sender<Piece>) -> Result<(), PipelineError> {
        for at in 0..TABLES.len() {
            self.send(at, pieces)?;
        }
        Ok(())
    }

    fn send(&mut self, at: usize, pieces: &mpsc::Sender<Piece>) -> Result<bool, PipelineError> {
        let batches = std::mem::take(&mut self.batches[at]);
        self.bytes[at] = 0;
        if batches.is_empty() {
            return Ok(true);
        }
        let table = TABLES[at];
        let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
        let body = to_ipc_stream(table, &batches).map_err(|error| synth_error(&error))?;
        self.sent += 1;
        let token = format!("synth-{}-{}-{}", self.seed, table, self.sent);
        Ok(pieces
            .blocking_send(Piece {
                table,
                body,
                rows,
                token,
            })
            .is_ok())
    }
}

fn open_ledger(folder: &Path, seed: u64) -> Result<Ledger<BufWriter<File>>, PipelineError> {
    std::fs::create_dir_all(folder).map_err(|error| ledger_error(&error))?;
    Ledger::new(seed, |table| {
        Ok(BufWriter::new(File::create(folder.join(format!("{table}.tsv")))?))
    })
    .map_err(|error| ledger_error(&error))
}

fn ledger_error(error: &std::io::Error) -> PipelineError {
    PipelineError::Io {
        what: "cannot write the ledger".to_owned(),
        reason: error.to_string(),
    }
}

fn synth_error(error: &(impl Blame + std::fmt::Display)) -> PipelineError {
    PipelineError::Usage {
        reason: error.to_string(),
    }
}
