//! What the whole-system tests share: the built binary as a child process, a ClickHouse that several commands use, graph
//! files, and the checker that compares exported files with the ledger.
//!
//! *Invariants.* Everything that is started ends with the value that stands for it, also when a test panics; every wait has
//! a deadline, after which it panics with the tail of the log. Nothing here links the code under test but the plain types of
//! the model.

pub mod binary;
pub mod clients;
pub mod clock;
pub mod door;
pub mod engine;
pub mod graph;
pub mod guarded;
pub mod http;
pub mod ingestion;
pub mod ledger;
pub mod moments;
pub mod proxy;
pub mod redis;
pub mod rig;
pub mod scratch;
pub mod site;
pub mod store;
pub mod wait;

pub use binary::{Output, Running, Tracemill};
pub use clients::Clients;
pub use door::Door;
pub use engine::Engine;
pub use graph::Graph;
pub use guarded::Guarded;
pub use ingestion::Ingestion;
pub use ledger::{Check, Report, python};
pub use proxy::Proxy;
pub use redis::{Node, Redis};
pub use rig::{Rig, Traffic};
pub use scratch::Scratch;
pub use site::Site;
pub use store::StoreServer;
pub use wait::{wait_for, wait_until};
