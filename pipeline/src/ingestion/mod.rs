//! The ingestion graph: from jobs of a queue to rows in ClickHouse.

pub mod assemble;
pub mod dataflow;
pub mod decoder;
pub mod deletion;
pub mod face;
pub mod intake;
pub mod process;
pub mod pull;
pub mod raw;
pub mod redact;
pub mod runtime;
pub mod spec;

pub use runtime::Ingestion;
pub use spec::IngestionSpec;
