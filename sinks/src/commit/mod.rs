//! The commit of a window: its files are named by a manifest, and that is when they exist for readers.
//!
//! ```text
//!   reports of leaves ──► commit[project/table] ──► committed windows (their frontier is the cursor)
//! ```
//!
//! [`layout`] names objects, [`catalog`] keeps the manifests of an export, [`fence`] keeps other exporters out, [`tree`]
//! says whether the leaves of a window are all there, and [`commit`] is the task.

pub mod catalog;
pub mod fence;
pub mod layout;
mod letters;
mod task;
pub mod tree;

pub use catalog::Catalog;
pub use fence::Fence;
pub use layout::{DataName, Layout, LayoutKind};
pub use task::{CommitConfig, CommittedWindow, commit};
