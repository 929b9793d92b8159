//! Where the data goes: files on object stores, the manifests that commit them, rows into ClickHouse, and letters.

pub mod commit;
pub mod deletions;
pub mod encode;
pub mod error;
pub mod files;
pub mod letters;
pub mod rows;
pub mod store;

pub use error::SinkError;
