//! What one export needs to run.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tracemill_model::{ByteSize, ExportKey, Window};
use tracemill_operators::bridge::Frontier;
use tracemill_operators::governor::Gate;
use tracemill_operators::progress::Progress;
use tracemill_operators::shares::Turns;
use tracemill_operators::split::LeafLimit;
use tracemill_operators::{Budget, Clock};
use tracemill_sinks::commit::fence::Owner;
use tracemill_sinks::commit::{Catalog, LayoutKind};
use tracemill_sinks::encode::EncodeOptions;
use tracemill_sinks::store::UploadOptions;
use tracemill_sources::windows::{LeafMemory, Tuning};
use tracemill_warehouse::Service;

use super::plan::Cut;
use super::reached::Reached;
use crate::config::{Reconcile, Start};
use crate::figures::Figures;

/// How much of its time axis a run covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Everything up to the horizon, and whatever comes.
    Forever,
    /// Everything up to the horizon as it is at the start, then it ends.
    UntilCaughtUp,
    /// A backfill of this range, then it ends.
    Range(Window),
    /// Windows whose rows changed since they were written, then it ends.
    Reconcile,
}

/// One export: everything that its dataflow needs, on whichever worker.
#[derive(Debug)]
pub struct ExportSpec {
    /// Whose rows.
    pub key: ExportKey,
    /// The graph and the sink that it belongs to, for names in logs.
    pub route: String,
    /// Where the rows are.
    pub service: Service,
    /// How much of ClickHouse the exports of the process may use now.
    pub gate: Gate,
    /// Settings that make wide rows cheap there.
    pub tuning: Tuning,
    /// Where the files go, and how they are named.
    pub catalog: Catalog,
    /// The columns of the files.
    pub columns: Vec<String>,
    /// Where the first window begins.
    pub start: Start,
    /// How windows are cut.
    pub cut: Cut,
    /// How far the horizon stays behind now.
    pub lag: Duration,
    /// Whether only traces are exported of this project: then observations do not hold the horizon back.
    pub trace_only: bool,
    /// Looking for late rows.
    pub reconcile: Option<Reconcile>,
    /// How much this run covers.
    pub extent: Extent,
    /// How long a leaf may take.
    pub deadline: Duration,
    /// What the files are.
    pub encode: EncodeOptions,
    /// How they are sent.
    pub upload: UploadOptions,
    /// The size at which a file is ended.
    pub file_size: ByteSize,
    /// Whether rows that cannot leave become letters.
    pub allow_letters: bool,
    /// Where leaves take their memory.
    pub memory: Budget,
    /// How much one takes.
    pub leaf_memory: LeafMemory,
    /// How many leaves at once, over all exports of the process.
    pub slots: Arc<Semaphore>,
    /// Which project's leaf is next.
    pub turns: Turns,
    /// What splits taught.
    pub learned: Arc<Mutex<LeafLimit>>,
    /// Who we are.
    pub owner: Owner,
    /// Now.
    pub clock: Clock,
    /// What is going on.
    pub progress: Progress,
    /// How far it has come.
    pub reached: Reached,
    /// Histograms over all exports.
    pub figures: Figures,
    /// Becomes true when no more windows are to be begun.
    pub draining: watch::Receiver<bool>,
    /// The durable frontier, published by the dataflow.
    pub durable: watch::Sender<Frontier>,
}

impl ExportSpec {
    /// Whether windows must not cross midnight.
    #[must_use]
    pub fn is_partitioned(&self) -> bool {
        self.catalog.layout.kind == LayoutKind::Hive
    }
}
