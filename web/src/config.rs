//! The limits of the intake, with defaults that suit one process with 1 GiB.

use std::time::Duration;

use crate::decode::Limits;

/// How much of everything.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Bytes of a request with events or scores, before and after decompression. The reference's 4.5 MiB; clients cut their
    /// batches below it.
    pub body: u64,
    /// Bytes of a compressed OTLP request as sent.
    pub otlp_compressed: u64,
    /// Bytes of an OTLP request after decompression, or as sent where it is not compressed.
    pub otlp: u64,
    /// What a body may contain.
    pub content: Limits,
    /// Requests a second of one project; 0: no limit.
    pub rate: u32,
    /// How many requests a project may make at once after a pause. At least one.
    pub burst: u32,
    /// Requests of one project in progress at once; 0: no limit.
    pub in_flight: u32,
    /// How long a request waits for memory before the answer is 503.
    pub memory_wait: Duration,
    /// How long a connection may take to send a request's head, and may idle between requests.
    pub head_timeout: Duration,
    /// How long the next bytes of a body may take.
    pub chunk_timeout: Duration,
    /// How long a whole body may take.
    pub body_timeout: Duration,
    /// What a client still sends after a refusal is read and dropped up to so many bytes, so that it sees the answer.
    pub drain: u64,
    /// How long that may take.
    pub drain_timeout: Duration,
    /// Connections at once; more wait to be accepted.
    pub connections: usize,
    /// How long requests in progress have after the stop signal.
    pub grace: Duration,
    /// `Retry-After` of an answer 503 where nothing better is known.
    pub retry_after: Duration,
    /// Bodies larger than this are checked on a thread of their own, so that small requests do not wait behind them.
    pub inline: u64,
    /// bcrypt comparisons at once (each takes some 100 ms of a processor).
    pub bcrypt_at_once: usize,
    /// How long a request waits for its bcrypt comparison before the answer is 503.
    pub bcrypt_wait: Duration,
    /// How long a wrong secret is remembered.
    pub wrong_for: Duration,
    /// What `health` tells as the version.
    pub version: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            body: 4 * 1024 * 1024 + 512 * 1024,
            otlp_compressed: 16 << 20,
            otlp: 64 << 20,
            content: Limits::default(),
            rate: 1_000,
            burst: 2_000,
            in_flight: 256,
            memory_wait: Duration::from_millis(500),
            head_timeout: Duration::from_secs(30),
            chunk_timeout: Duration::from_secs(15),
            body_timeout: Duration::from_secs(60),
            drain: 32 << 20,
            drain_timeout: Duration::from_secs(5),
            connections: 4_096,
            grace: Duration::from_secs(30),
            retry_after: Duration::from_secs(1),
            inline: 64 << 10,
            bcrypt_at_once: 1,
            bcrypt_wait: Duration::from_secs(3),
            wrong_for: Duration::from_secs(30),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}
