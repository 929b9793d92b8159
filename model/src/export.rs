//! Who exports what: one export is one (project, table) that leaves on a schedule.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Table;

/// A Langfuse project's id, as in the column `project_id`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProjectId(String);

/// The text cannot be a project's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{id}` is not a project id: it is {fault}")]
pub struct ProjectIdError {
    id: String,
    fault: &'static str,
}

impl ProjectId {
    /// Checks an id. It becomes a folder of the store, so what would leave that folder is refused.
    ///
    /// # Errors
    /// Empty, `.` or `..`, or with a slash, backslash or control character.
    pub fn new(id: impl Into<String>) -> Result<Self, ProjectIdError> {
        let id = id.into();
        let fault = if id.is_empty() {
            "empty"
        } else if id == "." || id == ".." {
            "a folder's own name"
        } else if id.contains(['/', '\\']) || id.chars().any(char::is_control) {
            "not usable as the name of a folder"
        } else {
            return Ok(Self(id));
        };
        Err(ProjectIdError { id, fault })
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names one export: the unit that has a cursor, a dataflow and an owner.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ExportKey {
    /// Whose rows.
    pub project: ProjectId,
    /// Which table.
    pub table: Table,
}

impl fmt::Display for ExportKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.project, self.table)
    }
}
