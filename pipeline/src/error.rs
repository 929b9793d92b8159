//! Errors of the binary, and the exit codes that they end in.

use tracemill_model::{Blame, Fault};
use tracemill_sinks::SinkError;
use tracemill_sources::SourceError;
use tracemill_warehouse::WarehouseError;

/// An error of a command.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The configuration has faults; the text holds all of them.
    #[error("{rendered}")]
    Config {
        /// One or more lines for each.
        rendered: String,
    },
    /// The command line asks for what cannot be.
    #[error("{reason}")]
    Usage {
        /// Why.
        reason: String,
    },
    /// The way out of ClickHouse.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The queue.
    #[error(transparent)]
    Queue(#[from] tracemill_sources::queue::QueueError),
    /// The way into the store.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// A table is not as an export needs it.
    #[error("{table} is not as an export needs it: {reason}")]
    Table {
        /// Its name.
        table: String,
        /// Each column that is missing or of another type.
        reason: String,
        /// Whether a whole table is missing.
        is_missing: bool,
    },
    /// A verification found differences.
    #[error("{differences} differences were found")]
    Verify {
        /// How many.
        differences: u64,
    },
    /// Of several checks some failed; each was told with its own error.
    #[error("{failed} of {all} checks failed")]
    Checks {
        /// How many failed.
        failed: usize,
        /// How many there were.
        all: usize,
        /// The exit code of the first.
        code: u8,
    },
    /// A local file or folder.
    #[error("{what}: {reason}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        reason: String,
    },
    /// A task of the graph failed.
    #[error("{operator}: {reason}")]
    Graph {
        /// The operator.
        operator: String,
        /// Its error, already told in the log.
        reason: String,
        /// The exit code that its error asks for.
        code: u8,
        /// What a person can do.
        hint: Option<String>,
    },
    /// A stop that took longer than its deadline.
    #[error("stopped after {seconds} s with {open} windows under way; they will be exported again")]
    Deadline {
        /// How long it was waited.
        seconds: u64,
        /// Windows that were not committed.
        open: u64,
    },
}

impl From<WarehouseError> for PipelineError {
    fn from(error: WarehouseError) -> Self {
        Self::Source(error.into())
    }
}

impl Blame for PipelineError {
    fn fault(&self) -> Fault {
        match self {
            Self::Source(error) => error.fault(),
            Self::Sink(error) => error.fault(),
            Self::Queue(error) => error.fault(),
            Self::Config { .. } | Self::Usage { .. } | Self::Table { .. } | Self::Io { .. } => Fault::User,
            Self::Verify { .. } | Self::Checks { .. } | Self::Graph { .. } | Self::Deadline { .. } => Fault::Remote,
        }
    }

    fn is_transient(&self) -> bool {
        match self {
            Self::Source(error) => error.is_transient(),
            Self::Sink(error) => error.is_transient(),
            Self::Queue(error) => error.is_transient(),
            _ => false,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Config { .. } => "config",
            Self::Usage { .. } => "usage",
            Self::Source(error) => error.kind(),
            Self::Sink(error) => error.kind(),
            Self::Queue(error) => error.kind(),
            Self::Table { .. } => "table",
            Self::Verify { .. } => "verify",
            Self::Checks { .. } => "checks",
            Self::Io { .. } => "io",
            Self::Graph { .. } => "graph",
            Self::Deadline { .. } => "deadline",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Source(error) => error.hint(),
            Self::Sink(error) => error.hint(),
            Self::Queue(error) => error.hint(),
            Self::Table { .. } => {
                Some("run `tracemill migrate`, or correct the columns in the configuration".to_owned())
            }
            Self::Verify { .. } => {
                Some("write the windows again: `tracemill export --from … --to …`, or `tracemill reconcile`".to_owned())
            }
            Self::Graph { hint, .. } => hint.clone(),
            Self::Config { .. }
            | Self::Usage { .. }
            | Self::Checks { .. }
            | Self::Io { .. }
            | Self::Deadline { .. } => None,
        }
    }
}

/// The exit code of an error: 0 is success, and each kind of fault that a script would treat differently has its own.
#[must_use]
pub fn exit_code(error: &PipelineError) -> u8 {
    match error {
        PipelineError::Config { .. } | PipelineError::Usage { .. } => 2,
        PipelineError::Graph { code, .. } | PipelineError::Checks { code, .. } => *code,
        PipelineError::Deadline { .. } => 4,
        PipelineError::Verify { .. } => 5,
        PipelineError::Table { is_missing: true, .. } => 11,
        PipelineError::Table { .. } => 12,
        PipelineError::Io { .. } => 20,
        PipelineError::Source(error) => code_of(error),
        PipelineError::Sink(error) => code_of(error),
        PipelineError::Queue(error) => code_of(error),
    }
}

/// All exit codes, for `--help`. [`exit_code`] and [`code_of`] give them.
pub const EXIT_CODES: &str = "\
Exit codes:
   0  done
   2  the graph file or the command line is wrong
   3  ClickHouse or a store cannot be reached
   4  a stop took longer than its deadline; the open windows are exported again
   5  verify found differences
   6  the clocks of this machine and of ClickHouse differ too much
   7  another exporter owns the export
   8  rows cannot leave, and the setting on_stuck is hold
   9  doctor: a layer between the workloads does not hold
  10  ClickHouse refuses the user or the password
  11  a table or a database is missing
  12  a column is missing or of another type
  13  access is denied, by ClickHouse or by a store
  14  a disk or a quota is full
  15  the bucket does not exist
  16  the store lacks what an export needs
  19  another fault that you can mend; the message says how
  20  a local file or folder
  21  another fault of a server
  70  a fault of tracemill itself";

/// The exit code of an error of one of the rooms below.
#[must_use]
pub fn code_of(error: &dyn Blame) -> u8 {
    match (error.kind(), error.fault()) {
        ("unreachable", _) => 3,
        ("clock", _) => 6,
        ("owned" | "fenced" | "conflict", _) => 7,
        ("stuck", _) => 8,
        ("wrong_credentials", _) => 10,
        ("unknown_table" | "unknown_database", _) => 11,
        ("unknown_column" | "type_mismatch", _) => 12,
        ("denied" | "access_denied" | "read_only", _) => 13,
        ("full", _) => 14,
        ("no_bucket", _) => 15,
        ("unsupported", _) => 16,
        ("store_config", _) => 2,
        (_, Fault::User) => 19,
        (_, Fault::Remote) => 21,
        (_, Fault::Bug) => 70,
    }
}
