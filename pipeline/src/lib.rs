//! The `tracemill` binary's own rooms: configuration, graph, runtime, roles, commands.

pub mod config;
pub mod graph;
