//! What events are about.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Text;
use crate::Table;

/// A trace, an observation or a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntityKind {
    /// A trace.
    Trace,
    /// A span, generation, event and so on.
    Observation,
    /// A score.
    Score,
}

impl EntityKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Trace, Self::Observation, Self::Score];

    /// Its name in paths of raw objects and in `blob_storage_file_log.entity_type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Observation => "observation",
            Self::Score => "score",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Where its rows are.
    #[must_use]
    pub const fn table(self) -> Table {
        match self {
            Self::Trace => Table::Traces,
            Self::Observation => Table::Observations,
            Self::Score => Table::Scores,
        }
    }
}

impl fmt::Display for EntityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Names one entity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EntityKey {
    /// Whose.
    pub project: Text,
    /// Of which kind.
    pub kind: EntityKind,
    /// Its id, as clients chose it: any text of 1 to 800 UTF-16 units without a carriage return.
    pub id: Text,
}

impl fmt::Display for EntityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.project, self.kind, self.id)
    }
}
