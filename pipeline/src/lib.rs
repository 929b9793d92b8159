//! The `tracemill` binary's own rooms: configuration, graph, runtime, roles, commands.

pub mod allocator;
pub mod assemble;
pub mod bars;
pub mod commands;
pub mod config;
mod doctor;
pub mod error;
pub mod export;
pub mod face;
pub mod figures;
pub mod governor;
pub mod graph;
pub mod ingestion;
mod journal;
pub mod load;
pub mod observe;
pub mod overview;
pub mod pace;
pub mod preflight;
mod profile;
mod profiles;
pub mod runtime;
pub mod send;
pub mod session;
pub mod shelf;
pub mod status;
pub mod telemetry;
pub mod verify;
pub mod workload;

pub use error::PipelineError;
