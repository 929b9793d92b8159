//! Everything that an ingestion graph is built from.

use std::sync::Arc;

use tokio::sync::watch;
use tracemill_operators::bridge::Frontier;
use tracemill_operators::decode::flow::Decoder;
use tracemill_operators::merge::flow::MergeConfig;
use tracemill_sinks::letters::LettersTask;
use tracemill_sinks::rows::task::InsertConfig;
use tracemill_sources::raw::FetchConfig;
use tracemill_sources::stored::AnswerConfig;

/// One ingestion graph.
#[derive(Clone)]
pub struct IngestionSpec {
    /// The graph's name.
    pub name: String,
    /// How objects are read from the store.
    pub fetch: Arc<FetchConfig>,
    /// How they are decoded.
    pub decoder: Decoder,
    /// How entities are merged.
    pub merge: MergeConfig,
    /// How stored rows are looked up.
    pub answer: Arc<AnswerConfig>,
    /// The bytes of rows that travel to the insert together.
    pub chunk_bytes: u64,
    /// How rows are inserted.
    pub insert: InsertConfig,
    /// Whether `blob_storage_file_log` is written.
    pub file_log: bool,
    /// Where letters go.
    pub letters: LettersTask,
    /// What is durable, published by the graph's last operator.
    pub durable: watch::Sender<Frontier>,
}

impl std::fmt::Debug for IngestionSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IngestionSpec")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
