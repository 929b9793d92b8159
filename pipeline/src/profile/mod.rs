//! What the queries of pages and routes cost on a server, and whether an index or a projection would pay.
//!
//! ```text
//! project ──► sample ──► each pattern, twice ──► Figure ─┐
//!                 system.parts_columns, indexes ──► Sizes ├──► advice ──► statements to print
//! ```
//!
//! `advice` decides, without I/O; `measure` asks. Invariant: nothing is changed; statements are only printed.

pub(crate) mod advice;
pub(crate) mod measure;
