//! The ingestion graph: from jobs of a queue to rows in ClickHouse.

pub mod assemble;
pub mod dataflow;
pub mod decoder;
pub mod deletion;
pub mod inspect;
pub mod intake;
pub mod process;
pub mod pull;
pub mod raw;
pub mod redact;
pub mod replay;
pub mod runtime;
pub mod spec;
pub mod status;
mod weigh;

pub use runtime::Ingestion;
pub use spec::IngestionSpec;
