//! Rows into ClickHouse.
