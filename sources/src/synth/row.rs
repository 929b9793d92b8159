//! One row as cells in the order of its table's columns; filled again and again without allocating.

use tracemill_model::Table;

/// How a column's values are kept: the shape of its ClickHouse type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `String`, also `LowCardinality`.
    Text,
    /// `DateTime64(3)`.
    Time,
    /// `Bool`.
    Bool,
    /// `UInt8`.
    U8,
    /// `UInt16`.
    U16,
    /// `Float64`: its bits.
    F64,
    /// `Decimal(18, 12)`: scaled by 10^12.
    Decimal,
    /// `Array(String)`.
    List,
    /// `Map` to `String`.
    TextMap,
    /// `Map` to `UInt64`.
    CountMap,
    /// `Map` to `Decimal(18, 12)`.
    DecimalMap,
}

impl Kind {
    /// The kind of a column's type, and whether it is nullable.
    ///
    /// # Panics
    /// A type that no table has; a test visits every column.
    pub(super) fn of(ty: &str) -> (Self, bool) {
        let inner = ty.strip_prefix("Nullable(").and_then(|rest| rest.strip_suffix(')'));
        let kind = match inner.unwrap_or(ty) {
            "String" | "LowCardinality(String)" => Self::Text,
            "DateTime64(3)" => Self::Time,
            "Bool" => Self::Bool,
            "UInt8" => Self::U8,
            "UInt16" => Self::U16,
            "Float64" => Self::F64,
            "Decimal(18, 12)" => Self::Decimal,
            "Array(String)" => Self::List,
            "Map(LowCardinality(String), String)" | "Map(String, String)" => Self::TextMap,
            "Map(LowCardinality(String), UInt64)" => Self::CountMap,
            "Map(LowCardinality(String), Decimal(18, 12))" => Self::DecimalMap,
            other => unreachable!("no table has a column of type {other}"),
        };
        (kind, inner.is_some())
    }
}

/// One value. Which fields count depends on the column's kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cell {
    /// Whether there is a value; nothing else counts in a nullable column where there is none.
    pub(super) set: bool,
    /// Texts; of lists and maps all of them in a row, maps as key, value, key, value (or keys alone).
    pub(super) text: Vec<u8>,
    /// Where each text of a list or map ends.
    pub(super) ends: Vec<usize>,
    /// The number, or a map's values.
    pub(super) nums: Vec<i64>,
}

impl Cell {
    fn clear(&mut self) {
        self.set = false;
        self.text.clear();
        self.ends.clear();
        self.nums.clear();
    }

    /// The single number; 0 where none was set.
    pub(super) fn num(&self) -> i64 {
        self.nums.first().copied().unwrap_or(0)
    }

    /// The i-th text of a list or map.
    pub(super) fn part(&self, i: usize) -> &[u8] {
        let from = if i == 0 { 0 } else { self.ends[i - 1] };
        &self.text[from..self.ends[i]]
    }

    /// Ends the text that was last added as an element of a list or map.
    pub(super) fn end_part(&mut self) {
        self.ends.push(self.text.len());
    }
}

/// A row of one table.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) cells: Vec<Cell>,
}

impl Row {
    pub(super) fn new(table: Table) -> Self {
        Self {
            cells: vec![Cell::default(); table.columns().len()],
        }
    }

    pub(super) fn clear(&mut self) {
        self.cells.iter_mut().for_each(Cell::clear);
    }

    /// The cell's text, to be written; marks it as set.
    pub(super) fn text(&mut self, at: usize) -> &mut Vec<u8> {
        self.cells[at].set = true;
        &mut self.cells[at].text
    }

    pub(super) fn set_text(&mut self, at: usize, text: &str) {
        self.text(at).extend_from_slice(text.as_bytes());
    }

    pub(super) fn set_num(&mut self, at: usize, num: i64) {
        let cell = &mut self.cells[at];
        cell.set = true;
        cell.nums.push(num);
    }

    /// Adds an entry to a map of texts. Keys are given once and in byte order.
    pub(super) fn put(&mut self, at: usize, key: &str, value: &[u8]) {
        let cell = &mut self.cells[at];
        for part in [key.as_bytes(), value] {
            cell.text.extend_from_slice(part);
            cell.end_part();
        }
    }

    /// Adds an entry to a map of numbers. Keys are given once and in byte order.
    pub(super) fn put_num(&mut self, at: usize, key: &str, value: i64) {
        let cell = &mut self.cells[at];
        cell.text.extend_from_slice(key.as_bytes());
        cell.end_part();
        cell.nums.push(value);
    }

    /// Adds an element to a list.
    pub(super) fn push(&mut self, at: usize, value: &[u8]) {
        let cell = &mut self.cells[at];
        cell.text.extend_from_slice(value);
        cell.end_part();
    }

    /// The row's bytes: texts with their lengths in one byte or more, numbers at their width. Near what ClickHouse
    /// calls uncompressed bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.cells
            .iter()
            .map(|cell| (cell.text.len() + cell.ends.len() + cell.nums.len() * 8 + 1) as u64)
            .sum()
    }
}

/// The index of a column, found when the program is compiled.
pub(super) const fn at(table: Table, name: &str) -> usize {
    let columns = table.columns();
    let mut i = 0;
    while i < columns.len() {
        if same(columns[i].name.as_bytes(), name.as_bytes()) {
            return i;
        }
        i += 1;
    }
    panic!("the table has no such column");
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}
