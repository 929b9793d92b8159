//! The connection to Redis: made when it is needed, thrown away when it fails, made again at the next call.
//!
//! Scripts are sent by their digest, and whole when the server does not know them. A failed call is never repeated here:
//! what it did is not known.

use std::collections::HashMap;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, FromRedisValue, RedisError, Script, ServerErrorKind};
use tokio::sync::Mutex;
use tracemill_model::Secret;

use crate::queue::QueueError;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(3);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);

/// One connection.
pub(super) struct Connection {
    client: Client,
    open: Mutex<Option<MultiplexedConnection>>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The client holds the password.
        f.write_str("Connection")
    }
}

impl Connection {
    /// To `redis://[user:password@]host:port/db`, or `rediss://` for TLS. Does not connect yet.
    pub(super) fn new(url: &Secret) -> Result<Self, QueueError> {
        let client = Client::open(url.reveal()).map_err(|error| QueueError::Config {
            // Its text may repeat the URL, and so the password.
            reason: format!("the url of redis cannot be read ({})", error.kind_text()),
        })?;
        Ok(Self {
            client,
            open: Mutex::new(None),
        })
    }

    async fn connected(&self) -> Result<MultiplexedConnection, QueueError> {
        let mut open = self.open.lock().await;
        if let Some(connection) = open.as_ref() {
            return Ok(connection.clone());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(ANSWER));
        let connection = self
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map_err(|error| read(&error))?;
        Ok(open.insert(connection).clone())
    }

    async fn settle<T>(&self, outcome: Result<T, RedisError>) -> Result<T, QueueError> {
        match outcome {
            Ok(value) => Ok(value),
            Err(error) => {
                let error = read(&error);
                if matches!(error, QueueError::Away { .. }) {
                    self.open.lock().await.take();
                }
                Err(error)
            }
        }
    }

    /// Runs a script on the queue whose keys have that prefix.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        base: &str,
        now: i64,
        args: impl FnOnce(&mut redis::ScriptInvocation<'_>) + Send,
    ) -> Result<T, QueueError> {
        let mut connection = self.connected().await?;
        let mut call = script.prepare_invoke();
        call.key(format!("{base}meta")).arg(base).arg(now);
        args(&mut call);
        let outcome = call.invoke_async(&mut connection).await;
        self.settle(outcome).await
    }

    /// Waits for the first of the markers, at most so long: its key and its score.
    pub(super) async fn wait(&self, markers: &[String], within: Duration) -> Result<Option<(String, f64)>, QueueError> {
        let mut connection = self.connected().await?;
        connection.set_response_timeout(within + ANSWER);
        let mut call = redis::cmd("BZPOPMIN");
        call.arg(markers).arg(format!("{:.3}", within.as_secs_f64().max(0.002)));
        let outcome: Result<Option<(String, String, f64)>, _> = call.query_async(&mut connection).await;
        let popped = self.settle(outcome).await?;
        Ok(popped.map(|(key, _, score)| (key, score)))
    }

    /// The settings of the server whose names match.
    pub(super) async fn settings(&self, pattern: &str) -> Result<HashMap<String, String>, QueueError> {
        let mut connection = self.connected().await?;
        let mut call = redis::cmd("CONFIG");
        call.arg("GET").arg(pattern);
        let outcome = call.query_async(&mut connection).await;
        self.settle(outcome).await
    }

    /// What the server says of itself.
    pub(super) async fn info(&self) -> Result<String, QueueError> {
        let mut connection = self.connected().await?;
        let outcome = redis::cmd("INFO").query_async(&mut connection).await;
        self.settle(outcome).await
    }

    /// How many jobs each of the queues has whose keys have these prefixes: waiting, paused, active, by priority, delayed.
    pub(super) async fn jobs(&self, bases: &[String]) -> Result<Vec<u64>, QueueError> {
        const LISTS: [&str; 3] = ["wait", "paused", "active"];
        const SETS: [&str; 2] = ["prioritized", "delayed"];
        if bases.is_empty() {
            return Ok(Vec::new());
        }
        let mut connection = self.connected().await?;
        let mut calls = redis::pipe();
        for base in bases {
            for name in LISTS {
                calls.cmd("LLEN").arg(format!("{base}{name}"));
            }
            for name in SETS {
                calls.cmd("ZCARD").arg(format!("{base}{name}"));
            }
        }
        let outcome: Result<Vec<u64>, _> = calls.query_async(&mut connection).await;
        let counts = self.settle(outcome).await?;
        Ok(counts
            .chunks(LISTS.len() + SETS.len())
            .map(|of| of.iter().sum())
            .collect())
    }

    /// Drops the connection; one that waits ends with it.
    pub(super) async fn close(&self) {
        self.open.lock().await.take();
    }
}

/// What an error of Redis means.
fn read(error: &RedisError) -> QueueError {
    let is_transient_answer = matches!(
        error.kind(),
        ErrorKind::Server(
            ServerErrorKind::BusyLoading
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ReadOnly
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::TryAgain
        )
    ) || matches!(error.code(), Some("OOM" | "MISCONF" | "BUSY" | "NOREPLICAS"));
    let is_answer = matches!(
        error.kind(),
        ErrorKind::Server(_)
            | ErrorKind::Extension
            | ErrorKind::AuthenticationFailed
            | ErrorKind::UnexpectedReturnType
            | ErrorKind::InvalidClientConfig
    );
    let reason = error.to_string();
    if is_answer {
        QueueError::Refused {
            reason,
            transient: is_transient_answer,
        }
    } else {
        QueueError::Away { reason }
    }
}

/// A short fixed text of an error's kind.
trait KindText {
    fn kind_text(&self) -> String;
}

impl KindText for RedisError {
    fn kind_text(&self) -> String {
        format!("{:?}", self.kind())
    }
}
