//! ClickHouse as Tracemill uses it: services with their limits, errors with a name and a fault, the tables, and an
//! embedded engine for demos and tests.
//!
//! Every query goes through a [`Service`]: it carries the service's limits, a query id of its own and a `log_comment`,
//! so that no query of ours runs without a cap or without a name. Every failure is a [`WarehouseError`], which says whose
//! fault it is and whether the same attempt may succeed later.

pub mod address;
pub mod chunks;
pub mod codes;
pub mod embedded;
pub mod error;
mod exception;
mod http;
pub mod insert;
pub mod limits;
mod measured;
pub mod message;
pub mod migrate;
pub mod profiles;
pub mod secret;
pub mod service;
pub mod statement;
pub mod stream;
pub mod tables;
pub mod tombstones;

pub use codes::OnInsert;
pub use embedded::Embedded;
pub use error::WarehouseError;
pub use insert::Insert;
pub use limits::{Compression, Limits};
pub use measured::{Cost, Counted};
pub use migrate::{MigrateOptions, MigrateReport, migrate};
pub use secret::Secret;
pub use service::{Service, ServiceConfig, ServiceKind};
pub use statement::{Comment, QueryId, Statement};
pub use stream::ByteStream;
