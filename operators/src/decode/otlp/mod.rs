//! OpenTelemetry: spans to events.
