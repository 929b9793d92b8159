//! What is asked of ClickHouse for the read API: statements with bound parameters, and their typed rows. No I/O.
//!
//! A list is read in two steps, neither of which sorts wide rows or merges them (`FINAL` is for narrow columns alone):
//!
//! ```text
//! page: the newest version of each id, by narrow columns in the order of the sort key, sorted ──► ids and days of the page, how many in all
//! rows: those ids, within those days                                                          ──► the columns asked for
//! ```
//!
//! Of a deep page the days come first, by a count of every day; then the page of those days alone is sorted.
//!
//! Invariants: every statement binds the project of the caller's key; deletions are looked at after the newest version was
//! found; columns `input`, `output` and `metadata` are read in the last step alone, and only where they were asked for.

pub mod cursor;
pub mod daily;
pub mod dashboard;
pub mod filter;
pub mod gathered;
pub mod list;
pub mod metrics;
pub mod observations;
pub mod patterns;
pub mod processes;
pub mod scores;
pub mod search;
pub mod sessions;
pub mod steps;
pub mod traces;

pub use cursor::Cursor;
pub use filter::{Filter, Span};
pub use list::{DayCount, Listing, Order, Page, Place};
