//! What is to be deleted, and what was.

use tracemill_model::Millis;
use tracemill_model::ingest::Text;

/// What is to be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Traces by id, with their observations and scores. Any number.
    Traces(Vec<Text>),
    /// Scores by id.
    Scores(Vec<Text>),
    /// Everything of the project.
    Project {
        /// Folders of the raw store that are the project's alone, such as those of its raw objects and letters: they go
        /// whole, whatever the log says.
        folders: Vec<String>,
    },
}

/// A deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// Whose.
    pub project: Text,
    /// What.
    pub what: Target,
    /// When it was asked for: the time of its tombstones.
    pub at: Millis,
}

/// What a deletion did. What an earlier, interrupted run did is not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Entities, those of traces included; 0 for a whole project.
    pub entities: u64,
    /// Raw objects that are gone.
    pub objects_removed: u64,
    /// Raw objects that were rewritten without the deleted events.
    pub objects_rewritten: u64,
    /// Rows that were deleted, every version counted.
    pub rows: u64,
}
