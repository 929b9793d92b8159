//! The benchmark harness: what the benchmarks share.
//!
//! `export` measures the exporter against its peers, `peer` is the reference query with a plain HTTP client, `alone` measures
//! the read and the encoder by themselves, `ingest` measures ingestion against plain inserts, `isolation` what readers, ingestion and
//! export do to each other, `queries` what pages read against the reference's queries, and `bridge`, `dedup` and `encode` are micro benchmarks.

pub mod client;
pub mod day;
pub mod http;
pub mod mixes;
pub mod plot;
pub mod process;
pub mod product;
pub mod reference;
pub mod server;
pub mod spread;
pub mod target;

/// Any error: a benchmark that fails says why, and ends.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
