//! Where the data comes from: windows of ClickHouse tables, and the generator of synthetic agent runs.

pub mod error;
pub mod queue;
pub mod raw;
pub mod stored;
pub mod synth;
pub mod windows;

pub use error::SourceError;
