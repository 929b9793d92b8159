//! Interactive queries: admitted, limited, cancelled with their reader, and timed.
//!
//! ```text
//! route ──► Admission ──► ClickHouse (service read_only) ──► rows
//!              │ full                │ too much, too long, away
//!              ▼                     ▼
//!           503, Retry-After      422, 503, 504
//! ```
//!
//! *Invariants.* At most [`ReadConfig::at_once`] queries run at once, and [`ReadConfig::waiting`] wait; every one carries the
//! service's limits and a `log_comment` with its project. A query whose reader goes away is cancelled at the server.

mod admission;
mod error;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clickhouse::{RowOwned, RowRead};
use tracemill_model::ByteSize;
use tracemill_warehouse::{Comment, Service, Statement};

pub use admission::Admission;
pub use error::ReadError;

/// How many interactive queries, and how large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadConfig {
    /// Queries at once.
    pub at_once: usize,
    /// Queries that may wait for their turn.
    pub waiting: usize,
    /// How long each waits at most.
    pub wait: Duration,
    /// Rows that one query may read; 0: as many as the profile allows.
    pub max_rows: u64,
    /// Bytes that one query may read; 0: as many as the profile allows.
    pub max_bytes: ByteSize,
}

impl Default for ReadConfig {
    fn default() -> Self {
        Self {
            at_once: 8,
            waiting: 64,
            wait: Duration::from_secs(5),
            max_rows: 0,
            max_bytes: ByteSize(0),
        }
    }
}

/// Called with the time that each interactive query took, its waiting included.
pub type Observer = Arc<dyn Fn(Duration) + Send + Sync>;

/// Runs interactive queries. Cheap to clone; clones are one.
#[derive(Clone)]
pub struct Reader(Arc<Inner>);

struct Inner {
    service: Service,
    config: ReadConfig,
    admission: Admission,
    observer: Observer,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reader({:?}, {:?})", self.0.service, self.0.config)
    }
}

impl Reader {
    /// A reader of that service.
    #[must_use]
    pub fn new(service: Service, config: ReadConfig, observer: Observer) -> Self {
        Self(Arc::new(Inner {
            service,
            config,
            admission: Admission::new(config.at_once, config.waiting, config.wait),
            observer,
        }))
    }

    /// Queries that run, and that wait.
    #[must_use]
    pub fn load(&self) -> (usize, usize) {
        self.0.admission.load()
    }

    /// Runs a query of one project and reads all of its rows.
    ///
    /// # Errors
    /// It is not admitted, or ClickHouse refuses, fails or is away.
    pub async fn rows<T: RowOwned + RowRead>(&self, statement: Statement) -> Result<Vec<T>, ReadError> {
        let inner = &*self.0;
        let began = Instant::now();
        let _admitted = inner.admission.enter().await?;
        let statement = self.limited(statement);
        let rows = inner.service.rows(&statement).await;
        (inner.observer)(began.elapsed());
        rows.map_err(|error| ReadError::of(&error))
    }

    fn limited(&self, statement: Statement) -> Statement {
        let ReadConfig {
            max_rows, max_bytes, ..
        } = self.0.config;
        // ClickHouse looks whether the client is still there while it runs queries that are declared to be readonly.
        let mut statement = statement
            .setting("readonly", 2)
            .setting("cancel_http_readonly_queries_on_client_close", 1);
        if max_rows > 0 {
            statement = statement.setting("max_rows_to_read", max_rows);
        }
        if max_bytes.0 > 0 {
            statement = statement.setting("max_bytes_to_read", max_bytes.0);
        }
        statement
    }
}

/// What names an interactive query in the query log.
#[must_use]
pub(crate) fn comment(about: &'static str, kind: &'static str, project: &str) -> Comment {
    Comment {
        feature: "read".into(),
        about: Some(about.into()),
        kind: Some(kind.into()),
        operation: None,
        project_id: Some(project.to_owned()),
    }
}
