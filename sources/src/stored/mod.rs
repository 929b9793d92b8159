//! What ClickHouse holds of entities: their newest rows by id, and the raw objects that they came from.
//!
//! A lookup is by project and id alone, without a bound in time (an event does not know when its entity began), for all keys
//! of a step at once, and in two steps: a narrow query finds where and which the newest versions are, reading no wide column;
//! a second one reads those rows by day and id. Ids are parameters, never SQL.
//!
//! *On error.* Nothing is kept between calls: ask again. A text in a row that we do not know never makes it unreadable.

mod answer;
mod binary;
mod history;
mod lookup;
mod places;
mod rows;

pub use answer::{AnswerConfig, AnswerFigures, answer};
pub use history::{RawObject, history};
pub use lookup::{Stored, lookup};
pub use places::Place;
pub use tracemill_warehouse::tombstones::since as tombstones;
