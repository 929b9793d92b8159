//! The HTTP face of Tracemill: the intake, the read API, and pages for people.
//!
//! ```text
//! request ──route──► key ──► limits ──► body (permits) ──► check ──► one raw object ──► Intake::take ──► answer
//! ```
//!
//! Invariants:
//! 1. A 2xx is sent only after [`Intake::take`] has returned: what was accepted is durable.
//! 2. A request is at most one raw object; nothing accepted is nothing stored.
//! 3. Bodies, what is decompressed of them, and raw objects are held with permits of the process's budget alone. Beside them is
//!    what a connection reads ahead: at most 64 KiB each, so at most [`Config::connections`] times that.
//! 4. An answer says what the client did wrong, or when to come again; never what happened inside.
//!
//! What can pass (store, queue, memory, a slow network) is answered with 503 and `Retry-After`, since clients drop their data on 500.

pub mod app;
mod auth;
mod body;
mod config;
mod cors;
mod decode;
mod drain;
mod error;
mod hashes;
mod intake;
mod keys;
mod limit;
pub mod metrics;
pub mod pages;
pub mod query;
pub mod reader;
mod reply;
mod routes;
mod server;
mod shape;

pub use app::{App, Parts};
pub use config::Config;
pub use decode::Limits;
pub use error::Error;
pub use hashes::fast_hash;
pub use intake::{Deletion, Intake, IntakeError, Raw, Readiness};
pub use keys::{KeyConfig, Keys, Organisation, SecretForm};
pub use metrics::Metrics;
pub use pages::{Operations, PagesConfig};
pub use reader::{ReadConfig, ReadFigures, Reader};
pub use server::serve;
