//! Against the real engine: what its errors look like, what its limits do, how it starts and ends.
//!
//! Needs the library that `scripts/clickhouse-library.sh` fetches, or a `clickhouse` on the PATH.

#[path = "real/engine.rs"]
mod engine;
#[path = "real/migrations.rs"]
mod migrations;
#[path = "real/queries.rs"]
mod queries;
#[path = "real/support.rs"]
mod support;

/// The body of the engine's process: does nothing in an ordinary run.
#[test]
fn clickhouse_child() {
    tracemill_warehouse::embedded::run_if_child();
}
