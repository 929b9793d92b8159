//! Everything that can go wrong with ClickHouse, sorted by what follows from it.
//!
//! The sorting that matters to a caller: [`WarehouseError::Unreachable`] says nothing about the query, so it waits;
//! every other error of a query may be the query's own, so it may be split. No text holds a password.

use std::path::PathBuf;
use std::time::Duration;

use tracemill_model::{Blame, Fault};

use crate::codes::{self, OnInsert};
use crate::message;
use crate::secret::{Secret, scrub};

/// How the reason begins where something else answered in ClickHouse's place.
const NOT_CLICKHOUSE: &str = "the answer is not clickhouse's";

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum WarehouseError {
    /// A URL, a user or a limit cannot be used as it is written.
    #[error("{what}")]
    Config {
        /// Which, and why.
        what: String,
    },
    /// No answer of ClickHouse: refused, unknown name, reset before an answer, or a proxy that answers for it.
    #[error("cannot reach clickhouse at {host}: {reason}")]
    Unreachable {
        /// The URL without credentials.
        host: String,
        /// What the network or the proxy said.
        reason: String,
    },
    /// The connection ended in the middle of an answer or of an insert. What the server did is not known.
    #[error("the connection to clickhouse at {host} was cut after {received} bytes: {reason}")]
    Cut {
        /// The URL without credentials.
        host: String,
        /// Bytes of the body that had arrived, decompressed; 0 for an insert.
        received: u64,
        /// What the network said.
        reason: String,
    },
    /// Our own deadline: the server neither answered nor refused.
    #[error("clickhouse at {host} was silent for {after:?} {during}")]
    Timeout {
        /// The URL without credentials.
        host: String,
        /// How long we waited.
        after: Duration,
        /// At which point: `before its answer`, `in the middle of its answer`.
        during: &'static str,
    },
    /// ClickHouse refused or failed.
    #[error("clickhouse error {code} {name}: {message}")]
    Server {
        /// The number in `Code: N`.
        code: u32,
        /// Its name, `MEMORY_LIMIT_EXCEEDED`; empty where the server did not say.
        name: String,
        /// Its text.
        message: String,
    },
    /// The answer is not what the code that asked expects.
    #[error("cannot read clickhouse's answer: {reason}")]
    Answer {
        /// What does not fit.
        reason: String,
    },
    /// No engine to run.
    #[error("no clickhouse to run: no `clickhouse` on the PATH, and no library at {}", library.display())]
    NoEngine {
        /// Where the library would be.
        library: PathBuf,
    },
    /// Another process runs an engine on the folder.
    #[error("the folder {} is in use by the clickhouse of process {pid}", folder.display())]
    FolderInUse {
        /// The data folder.
        folder: PathBuf,
        /// The server process; 0 where it is not known yet.
        pid: u32,
    },
    /// The embedded engine ended, or did not answer in time.
    #[error("the embedded clickhouse {what}: {log}")]
    Engine {
        /// `ended with exit status 1`, `did not answer within 60 s`.
        what: String,
        /// The last of what it wrote.
        log: String,
    },
    /// A file or folder of the embedded engine.
    #[error("cannot {what} {}: {source}", path.display())]
    File {
        /// The verb: `write`, `create`.
        what: &'static str,
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl WarehouseError {
    /// The server's code, where it is the server's error.
    #[must_use]
    pub fn code(&self) -> Option<u32> {
        match self {
            Self::Server { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether it says nothing about the query: wait and try the same again, split nothing.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// What it means for the batch, where it is the error of an insert.
    #[must_use]
    pub fn on_insert(&self) -> OnInsert {
        match self {
            Self::Server { code, message, .. } => codes::on_insert(*code, message),
            // A proxy that gives up does not know what the server did with the body that it had passed on.
            Self::Unreachable { reason, .. } if reason.starts_with(NOT_CLICKHOUSE) => OnInsert::Verify,
            Self::Unreachable { .. } | Self::Engine { .. } => OnInsert::Wait,
            Self::Cut { .. } | Self::Timeout { .. } | Self::Answer { .. } => OnInsert::Verify,
            Self::Config { .. } | Self::NoEngine { .. } | Self::FolderInUse { .. } | Self::File { .. } => {
                OnInsert::Hold
            }
        }
    }

    /// The reference's four names for logs and metrics: `MEMORY_LIMIT`, `OVERCOMMIT`, `TIMEOUT`, `UNKNOWN`.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        match self.kind() {
            "memory_limit" => "MEMORY_LIMIT",
            codes::OVERCOMMIT => "OVERCOMMIT",
            "timeout" => "TIMEOUT",
            _ => "UNKNOWN",
        }
    }

    /// An error of the server from its text; `None` where the text is not ClickHouse's.
    #[must_use]
    pub fn from_text(text: &str, secret: Option<&Secret>) -> Option<Self> {
        let parsed = message::parse(text)?;
        Some(Self::Server {
            code: parsed.code,
            name: parsed.name,
            message: scrub(&parsed.text, secret),
        })
    }
}

impl Blame for WarehouseError {
    fn fault(&self) -> Fault {
        match self {
            Self::Config { .. } | Self::NoEngine { .. } | Self::FolderInUse { .. } | Self::File { .. } => Fault::User,
            Self::Unreachable { .. } | Self::Cut { .. } | Self::Timeout { .. } | Self::Engine { .. } => Fault::Remote,
            Self::Server { code, .. } => codes::lookup(*code).fault,
            Self::Answer { .. } => Fault::Bug,
        }
    }

    fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Cut { .. } | Self::Timeout { .. } => true,
            Self::Server { code, .. } => codes::lookup(*code).transient,
            _ => false,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Config { .. } => "config",
            Self::Unreachable { .. } => "unreachable",
            Self::Cut { .. } => "cut",
            Self::Timeout { .. } => "timeout",
            Self::Server { code, message, .. } => codes::kind(*code, message),
            Self::Answer { .. } => "answer",
            Self::NoEngine { .. } => "no_engine",
            Self::FolderInUse { .. } => "folder_in_use",
            Self::Engine { .. } => "engine",
            Self::File { .. } => "file",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Unreachable { .. } => {
                Some("is the server up, and are host and port right (HTTP, usually 8123)?".to_owned())
            }
            Self::Server { code, .. } => {
                let hint = codes::lookup(*code).hint;
                (!hint.is_empty()).then(|| hint.to_owned())
            }
            Self::NoEngine { .. } => Some(
                "fetch the library with `scripts/clickhouse-library.sh`, install `clickhouse`, or configure a URL"
                    .to_owned(),
            ),
            Self::FolderInUse { pid, .. } if *pid > 0 => Some(format!("stop process {pid}, or use another folder")),
            Self::FolderInUse { .. } => Some("wait for it to start, or use another folder".to_owned()),
            _ => None,
        }
    }
}

/// Turns the client library's errors into ours: it knows the server's name and the secret to hide.
#[derive(Debug, Clone)]
pub(crate) struct ErrorContext {
    pub(crate) host: String,
    pub(crate) secret: Option<Secret>,
}

impl ErrorContext {
    /// `received`: bytes of the body so far.
    pub(crate) fn translate(&self, error: &clickhouse::error::Error, received: u64) -> WarehouseError {
        use clickhouse::error::Error;
        match error {
            Error::BadResponse(text) => self.refusal(text),
            Error::Network(source) if source.is::<hyper_util::client::legacy::Error>() => WarehouseError::Unreachable {
                host: self.host.clone(),
                reason: self.innermost(source.as_ref()),
            },
            // A compressed answer that ends early is a cut connection as well.
            Error::Network(source) | Error::Decompression(source) => self.cut(source.as_ref(), received),
            Error::InvalidParams(_) | Error::Unsupported(_) => WarehouseError::Config {
                what: scrub(&error.to_string(), self.secret.as_ref()),
            },
            other => WarehouseError::Answer {
                reason: scrub(&other.to_string(), self.secret.as_ref()),
            },
        }
    }

    /// An error of an insert. Once a connection stood, the server may have carried it out.
    pub(crate) fn translate_insert(&self, error: &clickhouse::error::Error, stall: Duration) -> WarehouseError {
        use clickhouse::error::Error;
        match error {
            Error::TimedOut => self.timeout(stall, "during an insert"),
            Error::Network(source) if !is_connect(source.as_ref()) => self.cut(source.as_ref(), 0),
            error => self.translate(error, 0),
        }
    }

    /// An answer with an error status.
    pub(crate) fn refusal(&self, text: &str) -> WarehouseError {
        WarehouseError::from_text(text, self.secret.as_ref()).unwrap_or_else(|| {
            let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let short: String = line.chars().take(200).collect();
            WarehouseError::Unreachable {
                host: self.host.clone(),
                reason: format!("{NOT_CLICKHOUSE}: {}", scrub(&short, self.secret.as_ref())),
            }
        })
    }

    fn cut(&self, source: &(dyn std::error::Error + Send + Sync + 'static), received: u64) -> WarehouseError {
        WarehouseError::Cut {
            host: self.host.clone(),
            received,
            reason: self.innermost(source),
        }
    }

    /// The last two links of the chain: the outer ones only say "client error".
    fn innermost(&self, source: &(dyn std::error::Error + 'static)) -> String {
        let mut texts = vec![source.to_string()];
        let mut next = source.source();
        while let Some(inner) = next {
            texts.push(inner.to_string());
            next = inner.source();
        }
        texts.dedup();
        let from = texts.len().saturating_sub(2);
        scrub(&texts[from..].join(": "), self.secret.as_ref())
    }

    pub(crate) fn timeout(&self, after: Duration, during: &'static str) -> WarehouseError {
        WarehouseError::Timeout {
            host: self.host.clone(),
            after,
            during,
        }
    }
}

/// Whether a request failed before a connection stood, so that the server cannot have seen it.
fn is_connect(source: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    source
        .downcast_ref::<hyper_util::client::legacy::Error>()
        .is_some_and(hyper_util::client::legacy::Error::is_connect)
}
