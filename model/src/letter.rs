//! Dead letters of an export: rows that could not be read or written, kept with their key and the reason.

use serde::{Deserialize, Serialize};

use crate::{ExportKey, IdRange, Millis, Window};

/// One row, or the smallest range of ids, that could not leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// Whose row.
    #[serde(flatten)]
    pub export: ExportKey,
    /// The window that it is missing from.
    pub window: Window,
    /// The row's id, where the key columns could be read.
    pub id: Option<String>,
    /// The range of ids that could not be read.
    pub ids: IdRange,
    /// The kind of the last error, as in the log.
    pub kind: String,
    /// The last error's text.
    pub reason: String,
    /// How many splits led here, each an attempt.
    pub attempts: u32,
    /// When it was given up.
    pub at: Millis,
}
