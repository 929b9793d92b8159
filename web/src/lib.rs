//! The HTTP face of Tracemill.
