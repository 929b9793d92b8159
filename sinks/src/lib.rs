//! Where the data goes: files on object stores, the manifests that commit them, and letters.

pub mod commit;
pub mod encode;
pub mod error;
pub mod files;
pub mod rows;
pub mod store;

pub use error::SinkError;
