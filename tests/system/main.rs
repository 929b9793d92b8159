//! Whole-system tests: the release binary, a real ClickHouse, real files, and the ledger as the truth.

mod bullmq;
mod common;
mod crash;
mod demo;
mod faults;
mod fence;
mod formats;
mod ingest_bad;
mod ingest_clients;
mod ingest_letters;
mod late;
mod preflight;
mod rows;
mod schema;
mod stores;
mod stuck;
mod workers;
