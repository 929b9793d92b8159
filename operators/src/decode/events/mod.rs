//! The ingestion protocol: events as the Langfuse SDKs send them.
