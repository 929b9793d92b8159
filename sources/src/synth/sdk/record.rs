//! What each row must be in the end, kept as digests while requests are made: for those who read the rows back.
//!
//! Memory: 48 bytes a row.

use tracemill_model::Table;
use tracemill_model::table::TABLES;
use twox_hash::XxHash3_128;

use crate::synth::plan::SCORE_TYPES;
use crate::synth::row::{Row, at};
use crate::synth::slot;

/// The columns that a row must have as they were sent, whichever protocol it came by. All hold text; null and the empty text
/// are the same.
#[must_use]
pub const fn compared(table: Table) -> &'static [&'static str] {
    match table {
        Table::Traces => &["id", "name", "user_id", "session_id", "environment", "input", "output"],
        Table::Observations => &[
            "id",
            "trace_id",
            "parent_observation_id",
            "type",
            "name",
            "environment",
            "input",
            "output",
        ],
        Table::Scores => &["id", "name", "trace_id", "observation_id", "environment", "comment"],
    }
}

/// A row that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentRow {
    /// The place of its project in the configuration.
    pub project: usize,
    /// Its table.
    pub table: Table,
    /// [`digest`] of its id.
    pub id: u128,
    /// [`digest`] of the columns that [`compared`] names.
    pub content: u128,
    /// Whether an export has it: corrections stay in ClickHouse.
    pub is_exported: bool,
}

/// A digest of texts in their order.
#[must_use]
pub fn digest<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> u128 {
    let mut sum = XxHash3_128::with_seed(0);
    for text in texts {
        sum.write(&(text.len() as u64).to_le_bytes());
        sum.write(text);
    }
    sum.finish_128()
}

/// Keeps what was sent, where anybody wants to know.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// By table, the places of the columns that are compared. Empty: nothing is kept.
    places: Option<[Vec<usize>; 3]>,
    rows: Vec<SentRow>,
}

impl Record {
    pub(super) fn begin(&mut self) {
        let of = |table: Table| compared(table).iter().map(|name| at(table, name)).collect();
        self.places = Some(TABLES.map(of));
    }

    pub(super) fn add(&mut self, project: usize, table: Table, kind: u8, row: &Row) {
        let Some(places) = &self.places else { return };
        let texts = places[slot(table)].iter().map(|at| row.cells[*at].text.as_slice());
        let is_text = SCORE_TYPES[usize::from(kind) % SCORE_TYPES.len()] == "TEXT";
        let is_of_session = || !row.cells[at(Table::Scores, "session_id")].text.is_empty();
        self.rows.push(SentRow {
            project,
            table,
            id: digest(texts.clone().take(1)),
            content: digest(texts),
            is_exported: table != Table::Scores || !is_text || is_of_session(),
        });
    }

    /// A trace that travels on its root span: what it has no input or output of its own for, it has from there.
    pub(super) fn add_on_root(&mut self, project: usize, trace: &Row, root: &Row) {
        let Some(places) = &self.places else { return };
        let of_root = |name| &root.cells[at(Table::Observations, name)].text;
        let texts = places[slot(Table::Traces)].iter().map(|place| {
            let own = &trace.cells[*place].text;
            let other = match Table::Traces.columns()[*place].name {
                name @ ("input" | "output") if own.is_empty() => of_root(name),
                _ => own,
            };
            other.as_slice()
        });
        self.rows.push(SentRow {
            project,
            table: Table::Traces,
            id: digest(texts.clone().take(1)),
            content: digest(texts),
            is_exported: true,
        });
    }

    pub(super) fn take(&mut self) -> Vec<SentRow> {
        std::mem::take(&mut self.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_tell_texts_apart_by_their_bounds() {
        let of = |texts: &[&str]| digest(texts.iter().map(|text| text.as_bytes()));
        assert_eq!(of(&["a", "b"]), of(&["a", "b"]));
        for other in [&["ab", ""][..], &["", "ab"], &["ab"], &["b", "a"], &[]] {
            assert_ne!(of(&["a", "b"]), of(other));
        }
    }

    #[test]
    fn compared_columns_are_columns_of_text_and_begin_with_the_id() {
        for table in TABLES {
            assert_eq!(compared(table).first(), Some(&"id"));
            let exported = table.export_columns();
            assert!(compared(table).iter().all(|name| exported.contains(name)), "{table}");
        }
    }
}
