//! The file sink: rows of leaves become files of a store.
//!
//! ```text
//!   rows, ends of leaves ──► files[project/table] ──► outcome of each leaf
//! ```
//!
//! *Frontiers.* A leaf's capability is held from its first event until its outcome is given.
//!
//! *Invariants.*
//! 1. A leaf is `Written` only when all of its files are in the store under their final names, and each was read back:
//!    its footer counts the rows that were written.
//! 2. A batch's permit is held until its rows are in the encoder; what encoder and upload hold is within the leaf's
//!    working set.
//! 3. What a failed leaf uploaded is not seen under its name, or will be overwritten or removed before its window is
//!    committed.
//!
//! *On error.* The leaf fails, which splits it. Faults that only a person can mend (no access, a full disk) end the task:
//! smaller leaves would meet them too.

mod task;
mod writer;

pub use task::write_files;
pub use writer::FilesConfig;
