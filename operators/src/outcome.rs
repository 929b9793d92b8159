//! What became of a leaf, and why one failed. Descriptions only: these travel between workers.

use serde::{Deserialize, Serialize};
use tracemill_model::manifest::{FileEntry, SourceCounts};
use tracemill_model::{Blame, Leaf, Millis, Window};

use crate::split::LeafStats;

/// A window to export, as the plan emits it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedWindow {
    /// The window.
    pub window: Window,
    /// The generation that it will be written as, from 1.
    pub generation: u32,
}

/// A leaf on its way to be read, with what is known of earlier attempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The piece of the window.
    pub leaf: Leaf,
    /// The generation of its window.
    pub generation: u32,
    /// How often this same leaf was tried and was not itself at fault.
    pub waits: u32,
}

/// Why a leaf could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeafError {
    /// The kind, for people and metrics.
    pub kind: String,
    /// The text.
    pub message: String,
    /// Whether it says nothing about the leaf: the server or the store failed a trivial request too.
    pub is_outage: bool,
}

impl LeafError {
    /// An error that this leaf may be the cause of.
    pub fn of<E: Blame + std::fmt::Display>(error: &E) -> Self {
        Self {
            kind: error.kind().to_owned(),
            message: error.to_string(),
            is_outage: false,
        }
    }
}

/// The end of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// What was attempted.
    pub attempt: Attempt,
    /// How it ended.
    pub result: LeafResult,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LeafResult {
    /// All of its rows are in these files.
    Written(Written),
    /// It failed; what its key columns told before that helps to split it.
    Failed {
        /// Why.
        error: LeafError,
        /// What is known of its rows.
        stats: LeafStats,
    },
}

/// The files of a leaf and what they hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Written {
    /// The files.
    pub files: Vec<FileEntry>,
    /// What the key columns said.
    pub source: SourceCounts,
    /// The queries that read it.
    pub query_ids: Vec<String>,
    /// Where the time went.
    pub timing: Timing,
}

/// Where the time of a leaf went, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Timing {
    /// Waiting for the byte budget.
    pub budget: u64,
    /// The key columns.
    pub keys: u64,
    /// From the row query's start to its end; includes waiting for the encoder.
    pub rows: u64,
    /// Decoding Arrow.
    pub decode: u64,
    /// Choosing and copying the rows that stay.
    pub dedup: u64,
    /// Encoding.
    pub encode: u64,
    /// Waiting for the store.
    pub upload: u64,
    /// From the leaf's start to its end.
    pub total: u64,
    /// Bytes of Arrow data read.
    pub bytes_read: u64,
}

impl Timing {
    /// Adds another leaf's times.
    pub fn add(&mut self, other: Self) {
        let Self {
            budget,
            keys,
            rows,
            decode,
            dedup,
            encode,
            upload,
            total,
            bytes_read,
        } = other;
        self.budget += budget;
        self.keys += keys;
        self.rows += rows;
        self.decode += decode;
        self.dedup += dedup;
        self.encode += encode;
        self.upload += upload;
        self.total += total;
        self.bytes_read += bytes_read;
    }
}

/// What the commit hears of a window's leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LeafReport {
    /// A leaf is in its files.
    Written {
        /// Which.
        attempt: Attempt,
        /// Its files.
        written: Written,
    },
    /// A leaf was given up; it becomes a letter.
    GivenUp {
        /// Which.
        attempt: Attempt,
        /// The id, where its keys could be read.
        id: Option<String>,
        /// The last error.
        error: LeafError,
        /// When.
        at: Millis,
    },
    /// A leaf was replaced by its parts.
    Split {
        /// Which.
        attempt: Attempt,
        /// The parts, which tile it.
        parts: Vec<Leaf>,
        /// Why.
        error: LeafError,
    },
}

impl LeafReport {
    /// The attempt that it speaks of.
    #[must_use]
    pub fn attempt(&self) -> &Attempt {
        match self {
            Self::Written { attempt, .. } | Self::GivenUp { attempt, .. } | Self::Split { attempt, .. } => attempt,
        }
    }
}
