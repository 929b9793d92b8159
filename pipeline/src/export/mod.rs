//! The export graph: one dataflow for each (project, table), from its plan to its cursor.
//!
//! [`plan`] decides which windows come next, `planner` is the task that asks and emits them, [`dataflow`] puts the
//! operators together, [`spec`] holds what one export needs, [`reached`] how far it has come, and [`reconcile`] finds
//! windows to write again.

pub mod dataflow;
pub mod plan;
pub(crate) mod planner;
pub mod reached;
pub mod reconcile;
pub mod spec;

pub use spec::{ExportSpec, Extent};
