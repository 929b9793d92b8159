//! Rows, lookups, letters and deletions of ingestion, on a real ClickHouse and a real folder.
//!
//! Needs the library that `scripts/clickhouse-library.sh` fetches, or a `clickhouse` on the PATH.

#![allow(clippy::disallowed_methods, reason = "a test's proxy runs beside it")]

#[path = "ingest/batches.rs"]
mod batches;
#[path = "ingest/deletions.rs"]
mod deletions;
#[path = "ingest/letters.rs"]
mod letters;
#[path = "ingest/outcomes.rs"]
mod outcomes;
#[path = "ingest/proxy.rs"]
mod proxy;
#[path = "ingest/round_trip.rs"]
mod round_trip;
#[path = "ingest/speed.rs"]
mod speed;
#[path = "ingest/stored.rs"]
mod stored;
#[path = "ingest/support.rs"]
mod support;

/// The body of the engine's process: does nothing in an ordinary run.
#[test]
fn clickhouse_child() {
    tracemill_warehouse::embedded::run_if_child();
}
