//! The ingestion graph: from jobs of a queue to rows in ClickHouse.

pub mod dataflow;
pub mod decoder;
pub mod intake;
pub mod pull;
pub mod raw;
pub mod runtime;
pub mod spec;

pub use runtime::Ingestion;
pub use spec::IngestionSpec;
