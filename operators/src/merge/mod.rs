//! From the events of an entity to its row.
