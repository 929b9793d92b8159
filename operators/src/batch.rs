//! What flows along the wide edges of an export's graph: the events of a leaf, in order.

use std::sync::Arc;
use std::time::Instant;

use arrow_array::RecordBatch;

use crate::dedup::VersionIndex;
use crate::outcome::{Attempt, LeafError, Timing};
use crate::split::LeafStats;
use crate::{Budget, Permit};

/// A leaf that is being read: what every event of it shares.
#[derive(Debug)]
pub struct LeafJob {
    /// What is attempted.
    pub attempt: Attempt,
    /// Which versions are to be written.
    pub index: VersionIndex,
    /// What the key columns told of the rows.
    pub stats: LeafStats,
    /// The leaf's own share of the memory budget; its batches take their permits here.
    pub memory: Budget,
    /// The permit of the index and the encoder's buffers.
    pub working_set: Permit,
    /// How many of the first columns are key columns, which are read for dedup and not written.
    pub key_columns: usize,
    /// When it began.
    pub started: Instant,
}

impl LeafJob {
    /// A leaf that ended before its key columns were read: it holds nothing.
    #[must_use]
    pub fn unread(attempt: Attempt, stats: LeafStats) -> Self {
        let memory = Budget::new("none", 0);
        let working_set = memory.try_acquire(0).expect("nothing is always free");
        let index = crate::dedup::IndexBuilder::new(&attempt.leaf, 0).finish().0;
        Self {
            attempt,
            index,
            stats,
            memory,
            working_set,
            key_columns: 0,
            started: Instant::now(),
        }
    }
}

/// One event of a leaf: begin, rows, and one end.
#[derive(Debug, Clone)]
pub struct LeafEvent {
    /// The leaf.
    pub job: Arc<LeafJob>,
    /// What happened.
    pub what: LeafStep,
}

/// What happened to a leaf.
#[derive(Debug, Clone)]
pub enum LeafStep {
    /// Rows as they were read, or as dedup left them, with the permit for their bytes.
    Rows {
        /// The rows.
        batch: RecordBatch,
        /// The smallest and largest time of a row, in ms; known after dedup.
        times: Option<(i64, i64)>,
        /// Holds the budget until the last clone is gone.
        permit: Arc<Permit>,
    },
    /// All rows were read.
    End {
        /// The queries that read it.
        query_ids: Vec<String>,
        /// Times so far.
        timing: Timing,
    },
    /// It failed; no more events of this leaf follow.
    Failed {
        /// Why.
        error: LeafError,
    },
}
