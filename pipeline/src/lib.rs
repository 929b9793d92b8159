//! The `tracemill` binary's own rooms: configuration, graph, runtime, roles, commands.

pub mod assemble;
pub mod commands;
pub mod config;
pub mod error;
pub mod export;
pub mod figures;
pub mod graph;
mod journal;
pub mod load;
pub mod preflight;
pub mod runtime;
pub mod session;
pub mod telemetry;

pub use error::PipelineError;
