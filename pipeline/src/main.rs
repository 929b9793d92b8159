//! The `tracemill` binary.

fn main() {}
