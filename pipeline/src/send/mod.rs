//! Requests of the Langfuse clients to a server that takes them: generated on one thread, sent over a few connections.
//!
//! *Invariants.* What was not accepted is sent again, the same to the byte, until it is: after 408, 429 and 5xx as long as
//! the answer asks for, else after a pause that doubles up to five seconds. A lost connection is the same. Any other answer
//! ends the sending: it would be the same again.
//!
//! *On error.* The first error stops all connections.

mod answer;
mod client;
mod pacer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tracemill_model::{ProjectId, Secret};
use tracemill_sources::synth::sdk::Request;

use self::client::Client;
use self::pacer::Pacer;
use crate::PipelineError;
use crate::pace::Sample;

/// Whose requests, and what they are signed with.
#[derive(Debug, Clone)]
pub struct Key {
    /// The project, as the server names it.
    pub project: ProjectId,
    /// The public key.
    pub public: String,
    /// The secret key.
    pub secret: Secret,
}

impl Key {
    /// Reads `project:public:secret`. The project may hold colons itself.
    ///
    /// # Errors
    /// What is missing.
    pub fn parse(text: &str) -> Result<Self, String> {
        let form = "write PROJECT:PUBLIC:SECRET, such as demo:pk-lf-...:sk-lf-...";
        let (rest, secret) = text.rsplit_once(':').ok_or(form)?;
        let (project, public) = rest.rsplit_once(':').ok_or(form)?;
        if public.is_empty() || secret.is_empty() {
            return Err(form.to_owned());
        }
        Ok(Self {
            project: ProjectId::new(project).map_err(|error| error.to_string())?,
            public: public.to_owned(),
            secret: Secret::new(secret),
        })
    }
}

/// Called with each request that was accepted, and when.
pub type Accepted = Arc<dyn Fn(&Request, Instant) + Send + Sync>;

/// How to send.
#[derive(Clone)]
pub struct SendOptions {
    /// The server: `http://host:port`.
    pub url: String,
    /// A key for each project of the requests, by its place.
    pub keys: Vec<Key>,
    /// Events a second; 0: as fast as they are answered.
    pub rate: f64,
    /// Connections.
    pub connections: usize,
    /// Whether spans are compressed.
    pub gzip: bool,
    /// Who hears of what was accepted.
    pub accepted: Option<Accepted>,
}

impl std::fmt::Debug for SendOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SendOptions")
            .field("url", &self.url)
            .field("keys", &self.keys)
            .field("rate", &self.rate)
            .field("connections", &self.connections)
            .field("gzip", &self.gzip)
            .finish_non_exhaustive()
    }
}

/// What was sent so far.
#[derive(Debug, Default)]
pub struct SendProgress {
    /// Events that were accepted.
    pub events: AtomicU64,
    /// Bytes of accepted bodies, as sent.
    pub bytes: AtomicU64,
    /// Accepted requests.
    pub requests: AtomicU64,
    /// Tries that were not accepted.
    pub retries: AtomicU64,
    /// Events of accepted requests that were refused one by one.
    pub refused: AtomicU64,
}

impl SendProgress {
    /// As a bar shows it.
    #[must_use]
    pub fn sample(&self) -> Sample {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let retries = of(&self.retries);
        Sample {
            rows: of(&self.events),
            bytes: of(&self.bytes),
            done: of(&self.events),
            total: None,
            note: if retries == 0 {
                String::new()
            } else {
                format!("{retries} retries")
            },
        }
    }
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SendReport {
    /// Events that were accepted.
    pub events: u64,
    /// Bytes of their bodies, as sent.
    pub bytes: u64,
    /// Accepted requests.
    pub requests: u64,
    /// Tries that were not accepted.
    pub retries: u64,
    /// Events that were refused one by one.
    pub refused: u64,
    /// From the first request to the last answer.
    pub took: Duration,
}

/// What a connection needs.
struct Sender {
    client: Client,
    requests: Mutex<mpsc::Receiver<Request>>,
    pacer: Pacer,
    progress: Arc<SendProgress>,
    accepted: Option<Accepted>,
}

/// Sends all of them, and returns them when they are used up.
///
/// # Errors
/// The server's address is none; an answer says that it will never be another.
pub async fn send<R>(
    requests: R,
    options: SendOptions,
    progress: Arc<SendProgress>,
) -> Result<(SendReport, R), PipelineError>
where
    R: Iterator<Item = Request> + Send + 'static,
{
    let connections = options.connections.max(1);
    let client = Client::new(&options)?;
    let (made, received) = mpsc::channel(connections);
    let began = Instant::now();
    let maker = tokio::task::spawn_blocking(move || {
        let mut requests = requests;
        // Where nobody takes them any more, the error is told there.
        for request in requests.by_ref() {
            if made.blocking_send(request).is_err() {
                break;
            }
        }
        requests
    });
    let sender = Arc::new(Sender {
        client,
        requests: Mutex::new(received),
        pacer: Pacer::new(options.rate),
        progress: Arc::clone(&progress),
        accepted: options.accepted,
    });
    let mut workers = JoinSet::new();
    for _ in 0..connections {
        workers.spawn(Arc::clone(&sender).work());
    }
    drop(sender);
    let mut outcome = Ok(());
    while let Some(ended) = workers.join_next().await {
        let ended = ended
            .map_err(|error| io("a connection", &error))
            .and_then(|ended| ended);
        if outcome.is_ok() && ended.is_err() {
            outcome = ended;
            workers.abort_all();
        }
    }
    let took = began.elapsed();
    let requests = maker.await.map_err(|error| io("the generator", &error))?;
    outcome?;
    let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let report = SendReport {
        events: of(&progress.events),
        bytes: of(&progress.bytes),
        requests: of(&progress.requests),
        retries: of(&progress.retries),
        refused: of(&progress.refused),
        took,
    };
    Ok((report, requests))
}

impl Sender {
    async fn work(self: Arc<Self>) -> Result<(), PipelineError> {
        loop {
            let request = self.requests.lock().await.recv().await;
            let Some(request) = request else { return Ok(()) };
            self.pacer.wait(request.events).await;
            let sent = self.client.deliver(&request, &self.progress.retries).await?;
            if let Some(accepted) = &self.accepted {
                accepted(&request, Instant::now());
            }
            let add = |counter: &AtomicU64, more: u64| counter.fetch_add(more, Ordering::Relaxed);
            add(&self.progress.events, u64::from(request.events) - sent.refused);
            add(&self.progress.refused, sent.refused);
            add(&self.progress.bytes, sent.bytes);
            add(&self.progress.requests, 1);
        }
    }
}

fn io(what: &str, error: &dyn std::fmt::Display) -> PipelineError {
    PipelineError::Io {
        what: what.to_owned(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_and_never_printed() {
        let key = Key::parse("team:a:pk-lf-1:sk-lf-2").expect("a key");
        assert_eq!((key.project.as_str(), key.public.as_str()), ("team:a", "pk-lf-1"));
        assert!(!format!("{key:?}").contains("sk-lf-2"));
        for wrong in ["", "demo", "demo:pk", "demo::sk", "demo:pk:", ":pk:sk"] {
            assert!(Key::parse(wrong).is_err(), "{wrong}");
        }
    }
}
