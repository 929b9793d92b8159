//! From the events of an entity to its row: a pure fold, [`fold`], over [`Patch`]es in their one order.
//!
//! Invariants: the row does not depend on the order in which patches arrived, only on [`Patch`]'s order; applying patches
//! again that a stored row already contains changes nothing but the version. Two things are the stored row's alone, as
//! soon as there is one: the immutable columns (time of the row, environment, trace of an observation or score), and
//! values that it has from patches that are no longer at hand.
//!
//! Nothing here fails: what a patch says was checked when it was decoded; a score that contradicts itself is left out.

mod fold;
mod metadata;
mod observation;
mod patch;
mod score;
mod tools;
mod trace;
mod tree;

#[cfg(test)]
mod tests;

pub use fold::fold;
pub use patch::Patch;
