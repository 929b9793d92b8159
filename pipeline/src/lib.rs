//! The `tracemill` binary's own rooms: configuration, graph, runtime, roles, commands.

pub mod assemble;
pub mod config;
pub mod error;
pub mod export;
pub mod figures;
pub mod graph;
mod journal;
pub mod runtime;

pub use error::PipelineError;
