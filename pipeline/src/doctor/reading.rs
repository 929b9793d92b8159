//! What was read and tried, before anybody judges.

use std::collections::BTreeMap;

use tracemill_model::Blame;
use tracemill_warehouse::profiles::Raise;
use tracemill_warehouse::{ServiceKind, WarehouseError};

use crate::PipelineError;
use crate::error::exit_code;

/// Why something could not be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The server's code, if it was the server that refused.
    pub(crate) code: Option<u32>,
    pub(crate) text: String,
    pub(crate) hint: Option<String>,
    pub(crate) exit: u8,
}

impl From<WarehouseError> for Failure {
    fn from(error: WarehouseError) -> Self {
        let code = error.code();
        Self {
            code,
            ..Self::from(PipelineError::from(error))
        }
    }
}

impl From<PipelineError> for Failure {
    fn from(error: PipelineError) -> Self {
        Self {
            code: None,
            text: error.to_string(),
            hint: error.hint(),
            exit: exit_code(&error),
        }
    }
}

/// What came of a try.
pub(crate) type Tried = Result<(), Failure>;

/// Settings by name, as a query sees them; those that nobody set are not there.
pub(crate) type Settings = BTreeMap<String, String>;

/// Who the server takes us for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) user: String,
    pub(crate) profiles: Vec<String>,
    pub(crate) quota: Option<String>,
    pub(crate) version: String,
    /// Our clock minus the server's, in milliseconds.
    pub(crate) ahead_ms: i64,
}

/// What one service was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServiceReading {
    pub(crate) kind: ServiceKind,
    /// The server's URL without credentials.
    pub(crate) host: String,
    /// The user of the configuration.
    pub(crate) user: String,
    pub(crate) database: String,
    /// What every query of the service is sent with.
    pub(crate) sent: Settings,
    /// With the service's limits. Where it failed, nothing more was asked.
    pub(crate) identity: Result<Identity, Failure>,
    /// What a query of the service sees.
    pub(crate) seen: Settings,
    /// What a query without limits of its own sees.
    pub(crate) forgetful: Result<Settings, Failure>,
    pub(crate) raises: Vec<(Raise, Tried)>,
    /// A query that needs more memory than it may take.
    pub(crate) hungry: Tried,
    /// A query that takes longer than it may.
    pub(crate) slow: Tried,
    /// An insert of nothing.
    pub(crate) insert: Tried,
    /// Reads of no row, by table.
    pub(crate) reads: Vec<(&'static str, Tried)>,
    pub(crate) grants: Result<Vec<String>, Failure>,
}
