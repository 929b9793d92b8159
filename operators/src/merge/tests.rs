//! The merge as tables: the numbers are those of the pinned behaviours and worked examples that the specification lists.

mod build;
mod observations;
mod properties;
mod scores;
mod traces;
mod values;
