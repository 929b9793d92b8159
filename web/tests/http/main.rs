//! The intake over real connections, with an intake in memory behind it.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod captures;
mod connections;
mod ingestion;
mod keys;
mod limits;
mod measure;
mod otel;
mod single;
mod support;
