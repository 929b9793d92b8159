//! What ClickHouse already has of the entities that are being written.
