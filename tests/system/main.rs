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
mod ingest_concurrent;
mod ingest_faults;
mod ingest_kills;
mod ingest_letters;
mod ingest_poison;
mod ingest_redis;
mod late;
mod preflight;
mod read;
mod roles;
mod rows;
mod schema;
mod shares;
mod stores;
mod stuck;
mod vectors;
mod workers;
