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
mod figures;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use clickhouse::{RowOwned, RowRead};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tracemill_model::ByteSize;
use tracemill_operators::governor::Readers;
use tracemill_warehouse::{Comment, Service, Statement, WarehouseError};

use figures::Counts;

pub use admission::Admission;
pub use error::ReadError;
pub use figures::ReadFigures;

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

/// Called with the time that each interactive query took, its waiting included. One that was sent away took at least as long as
/// any may wait, and one whose reader went away as long as that reader had patience.
pub type Observer = Arc<dyn Fn(Duration) + Send + Sync>;

/// Runs interactive queries. Cheap to clone; clones are one.
#[derive(Clone)]
pub struct Reader(Arc<Inner>);

struct Inner {
    service: Service,
    config: ReadConfig,
    admission: Admission,
    observer: Observer,
    running: Readers,
    counts: Counts,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reader({:?}, {:?})", self.0.service, self.0.config)
    }
}

impl Reader {
    /// A reader of that service. Who shares its processors hears of its queries through `running`.
    #[must_use]
    pub fn new(service: Service, config: ReadConfig, observer: Observer, running: Readers) -> Self {
        Self(Arc::new(Inner {
            service,
            config,
            admission: Admission::new(config.at_once, config.waiting, config.wait),
            observer,
            running,
            counts: Counts::default(),
        }))
    }

    /// What became of queries so far, and what runs and waits.
    #[must_use]
    pub fn figures(&self) -> ReadFigures {
        let Inner {
            admission,
            counts,
            config,
            ..
        } = &*self.0;
        counts.figures(admission, config)
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
        let statement = self.limited(statement);
        self.admitted(self.0.service.rows(&statement)).await
    }

    /// The same with how many rows there would be without the query's `LIMIT`; see [`Service::counted`].
    ///
    /// # Errors
    /// As [`Self::rows`].
    pub async fn counted<T: DeserializeOwned>(&self, statement: Statement) -> Result<(Vec<T>, u64), ReadError> {
        let statement = self.limited(statement);
        let counted = self.admitted(self.0.service.counted(&statement)).await?;
        Ok((counted.rows, counted.total))
    }

    /// Asks once it is admitted.
    async fn admitted<T>(&self, answer: impl Future<Output = Result<T, WarehouseError>>) -> Result<T, ReadError> {
        let inner = &*self.0;
        let mut timed = Timed {
            inner,
            began: Instant::now(),
            at_least: Duration::ZERO,
            has_ended: false,
        };
        let admitted = inner.admission.enter().await;
        timed.has_ended = admitted.is_err();
        if admitted.is_err() {
            timed.at_least = inner.config.wait;
        }
        let _admitted = admitted?;
        let _running = inner.running.enter();
        let answer = answer.await;
        timed.has_ended = true;
        let answer = answer.map_err(|error| ReadError::of(&error));
        inner.counts.ended(answer.as_ref().err());
        answer
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

/// Tells the observer at the end of a query, whatever end that is.
struct Timed<'a> {
    inner: &'a Inner,
    began: Instant,
    at_least: Duration,
    has_ended: bool,
}

impl Drop for Timed<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.inner.counts.abandoned();
        }
        (self.inner.observer)(self.began.elapsed().max(self.at_least));
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

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::{Mutex, PoisonError};
    use std::task::{Context, Waker};

    use tracemill_warehouse::{ServiceConfig, ServiceKind};

    use super::*;

    /// A reader of a server that is not there, and what its observer is told.
    fn reader(wait: Duration) -> (Reader, Arc<Mutex<Vec<Duration>>>) {
        reader_of("http://127.0.0.1:1", wait, Readers::default())
    }

    fn reader_of(url: &str, wait: Duration, running: Readers) -> (Reader, Arc<Mutex<Vec<Duration>>>) {
        let server = ServiceConfig {
            url: url.to_owned(),
            ..ServiceConfig::default()
        };
        let service = Service::new(ServiceKind::ReadOnly, &server);
        let config = ReadConfig {
            at_once: 1,
            waiting: 1,
            wait,
            ..ReadConfig::default()
        };
        let told: Arc<Mutex<Vec<Duration>>> = Arc::default();
        let tell = Arc::clone(&told);
        let observer = move |took| tell.lock().unwrap_or_else(PoisonError::into_inner).push(took);
        (
            Reader::new(service.expect("a service"), config, Arc::new(observer), running),
            told,
        )
    }

    fn statement() -> Statement {
        Statement::new("SELECT 1", comment("trace", "byId", "p"))
    }

    #[tokio::test]
    async fn who_shares_the_processors_hears_of_a_query_while_it_runs() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let readers = Readers::new(0.1);
        let (reader, _) = reader_of(&url, Duration::from_secs(3), readers.clone());
        let is_held = || {
            let mut way = pin!(readers.give_way());
            way.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending()
        };
        assert!(!is_held());
        {
            let mut query = pin!(reader.rows::<u8>(statement()));
            // The server takes the connection, and says nothing.
            let silent = async { listener.accept().await.expect("a connection") };
            tokio::select! {
                _ = query.as_mut() => panic!("nobody answered"),
                _ = silent => {}
            }
            assert!(is_held());
        }
        assert!(readers.busy() > Duration::ZERO, "it is over with its reader");
    }

    #[tokio::test(start_paused = true)]
    async fn what_waited_or_was_sent_away_counts_as_slow() {
        let wait = Duration::from_secs(3);
        let (reader, told) = reader(wait);
        let turn = reader.0.admission.enter().await.expect("a turn");
        let mut waits = pin!(reader.rows::<u8>(statement()));
        assert!(
            waits
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
        assert_eq!(reader.rows::<u8>(statement()).await, Err(ReadError::Busy), "full");
        assert_eq!(waits.await, Err(ReadError::Busy), "its turn did not come");
        {
            // Its reader goes away after a second.
            let gone = tokio::time::timeout(Duration::from_secs(1), reader.rows::<u8>(statement()));
            assert!(gone.await.is_err());
        }
        let told = told.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let seconds: Vec<f64> = told.iter().map(|took| took.as_secs_f64().round()).collect();
        assert_eq!(seconds, [3.0, 3.0, 1.0]);
        let figures = reader.figures();
        assert_eq!((figures.running, figures.waiting), (1, 0));
        let refused: Vec<_> = figures.refused.into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(refused, [("queue_full", 1), ("no_turn", 1), ("abandoned", 1)]);
        drop(turn);
        assert_eq!(reader.figures().running, 0);
    }
}
