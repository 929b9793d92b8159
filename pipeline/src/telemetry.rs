//! The log: JSON lines on standard error, or short lines for people where that is a terminal.

use tracing_subscriber::EnvFilter;

use crate::bars::{self, LogLines};

/// Begins logging. A filter that cannot be read is told, and `info` is used.
pub fn init(filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|error| {
        eprintln!("tracemill: the log filter {filter:?} cannot be read ({error}); using info");
        EnvFilter::new("info")
    });
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(LogLines::default);
    if bars::is_terminal() {
        builder.compact().with_target(false).init();
    } else {
        builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .init();
    }
}
