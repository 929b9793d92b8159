//! Encoded rows as blocks of Native: the same values column by column, which a server takes in for less than RowBinary.
//!
//! ```text
//!   rows (RowBinary) ──► Blocks ──► blocks (Native): columns, rows, then name, type and values of each column
//! ```
//!
//! *Invariants.* The server casts to its own types: a low cardinality is sent as what it holds. What is sent holds exactly
//! the values of the rows, in their order. Blocks of the same rows are the same bytes.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bytes::{Bytes, BytesMut};
use tracemill_model::Table;
use tracemill_model::table::{BLOB_STORAGE_FILE_LOG, Column};

use super::batch::RowTable;
use super::binary::{text, varint};

/// A block of so many bytes leaves.
const BLOCK: usize = 4 << 20;

/// How the values of a type lie in RowBinary and in Native.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Shape {
    /// So many bytes.
    Fixed(usize),
    /// Length and bytes.
    Text,
    Nullable(Box<Shape>),
    Array(Box<Shape>),
    Map(Box<Shape>, Box<Shape>),
}

/// A column's name, the type that it is sent as, and its shape.
type Layout = Vec<(&'static str, String, Shape)>;

impl Shape {
    /// Of a type without low cardinality; `None`: no column of ours has it.
    fn of(ty: &str) -> Option<Self> {
        let inner = |name: &str| ty.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
        if let Some(inner) = inner("Nullable") {
            return Some(Self::Nullable(Box::new(Self::of(inner)?)));
        }
        if let Some(inner) = inner("Array") {
            return Some(Self::Array(Box::new(Self::of(inner)?)));
        }
        if let Some(inner) = inner("Map") {
            let (key, value) = inner.split_once(", ")?;
            return Some(Self::Map(Box::new(Self::of(key)?), Box::new(Self::of(value)?)));
        }
        match ty {
            "String" => Some(Self::Text),
            "Bool" | "UInt8" => Some(Self::Fixed(1)),
            "UInt16" => Some(Self::Fixed(2)),
            "UInt64" | "Float64" | "DateTime64(3)" | "Decimal(18, 12)" => Some(Self::Fixed(8)),
            _ => None,
        }
    }
}

/// The columns that a table's rows are written with, in their order; those whose type is not known are left out, which
/// a test forbids.
fn layout(table: RowTable) -> &'static Layout {
    static LAYOUTS: LazyLock<BTreeMap<RowTable, Layout>> =
        LazyLock::new(|| RowTable::ALL.map(|table| (table, laid_out(table))).into());
    static NONE: Layout = Vec::new();
    LAYOUTS.get(&table).unwrap_or(&NONE)
}

fn laid_out(table: RowTable) -> Layout {
    let all: &[Column] = match table {
        RowTable::Traces => Table::Traces.columns(),
        RowTable::Observations => Table::Observations.columns(),
        RowTable::Scores => Table::Scores.columns(),
        RowTable::FileLog => BLOB_STORAGE_FILE_LOG,
    };
    let column = |name: &&'static str| {
        let column = all.iter().find(|column| column.name == *name)?;
        let ty = column.ty.replace("LowCardinality(String)", "String");
        let shape = Shape::of(&ty)?;
        Some((*name, ty, shape))
    };
    table.columns().iter().filter_map(column).collect()
}

/// The values of one column.
#[derive(Debug)]
enum Values {
    Fixed(usize, BytesMut),
    Text(BytesMut),
    Nullable(BytesMut, Box<Values>),
    Array(Ends, Box<Values>),
    Map(Ends, Box<Values>, Box<Values>),
}

/// Where the lists of a column end, among the items of all of them.
#[derive(Debug, Default)]
struct Ends {
    last: u64,
    bytes: BytesMut,
}

impl Ends {
    fn push(&mut self, items: usize) {
        self.last += items as u64;
        self.bytes.extend_from_slice(&self.last.to_le_bytes());
    }

    fn write(&mut self, out: &mut BytesMut) {
        self.last = 0;
        write(&mut self.bytes, out);
    }
}

fn write(bytes: &mut BytesMut, out: &mut BytesMut) {
    out.extend_from_slice(bytes);
    bytes.clear();
}

/// What is left of a row.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    fn length(&mut self) -> Option<usize> {
        let mut length = 0;
        for shift in (0..usize::BITS).step_by(7) {
            let byte = self.byte()?;
            length |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(length);
            }
        }
        None
    }

    /// A text with its length in front.
    fn text(&mut self) -> Option<&'a [u8]> {
        let whole = self.0;
        let length = self.length()?;
        self.take(length)?;
        whole.get(..whole.len() - self.0.len())
    }
}

impl Values {
    fn new(shape: &Shape) -> Self {
        let new = |shape| Box::new(Self::new(shape));
        match shape {
            Shape::Fixed(width) => Self::Fixed(*width, BytesMut::new()),
            Shape::Text => Self::Text(BytesMut::new()),
            Shape::Nullable(of) => Self::Nullable(BytesMut::new(), new(of)),
            Shape::Array(of) => Self::Array(Ends::default(), new(of)),
            Shape::Map(key, value) => Self::Map(Ends::default(), new(key), new(value)),
        }
    }

    /// Moves the next value of the row here; `None`: it is cut off.
    fn push(&mut self, row: &mut Rest<'_>) -> Option<()> {
        match self {
            Self::Fixed(width, bytes) => bytes.extend_from_slice(row.take(*width)?),
            Self::Text(bytes) => bytes.extend_from_slice(row.text()?),
            Self::Nullable(nulls, of) => {
                let is_null = row.byte()?;
                nulls.extend_from_slice(&[is_null]);
                if is_null == 0 {
                    of.push(row)?;
                } else {
                    of.push_default();
                }
            }
            Self::Array(ends, of) => {
                let items = row.length()?;
                for _ in 0..items {
                    of.push(row)?;
                }
                ends.push(items);
            }
            Self::Map(ends, keys, values) => {
                let items = row.length()?;
                for _ in 0..items {
                    keys.push(row)?;
                    values.push(row)?;
                }
                ends.push(items);
            }
        }
        Some(())
    }

    fn push_default(&mut self) {
        match self {
            Self::Fixed(width, bytes) => bytes.resize(bytes.len() + *width, 0),
            Self::Text(bytes) => varint(bytes, 0),
            Self::Nullable(nulls, of) => {
                nulls.extend_from_slice(&[1]);
                of.push_default();
            }
            Self::Array(ends, _) | Self::Map(ends, ..) => ends.push(0),
        }
    }

    /// Moves all values into a block.
    fn write(&mut self, out: &mut BytesMut) {
        match self {
            Self::Fixed(_, bytes) | Self::Text(bytes) => write(bytes, out),
            Self::Nullable(nulls, of) => {
                write(nulls, out);
                of.write(out);
            }
            Self::Array(ends, of) => {
                ends.write(out);
                of.write(out);
            }
            Self::Map(ends, keys, values) => {
                ends.write(out);
                keys.write(out);
                values.write(out);
            }
        }
    }
}

/// Makes blocks of the rows of one table.
#[derive(Debug)]
pub(super) struct Blocks {
    layout: &'static Layout,
    columns: Vec<Values>,
    rows: usize,
    bytes: usize,
}

impl Blocks {
    pub(super) fn new(table: RowTable) -> Self {
        let layout = layout(table);
        Self {
            columns: layout.iter().map(|(_, _, shape)| Values::new(shape)).collect(),
            layout,
            rows: 0,
            bytes: 0,
        }
    }

    /// Takes one encoded row, and gives a block when there is enough for one.
    pub(super) fn push(&mut self, row: &[u8]) -> Option<Bytes> {
        let mut rest = Rest(row);
        for column in &mut self.columns {
            if column.push(&mut rest).is_none() {
                // Our own encoder wrote it.
                debug_assert!(false, "a row of other columns");
                column.push_default();
            }
        }
        debug_assert!(rest.0.is_empty(), "a row of more columns");
        self.rows += 1;
        self.bytes += row.len();
        if self.bytes < BLOCK { None } else { self.end() }
    }

    /// What has not left yet.
    pub(super) fn end(&mut self) -> Option<Bytes> {
        if self.rows == 0 {
            return None;
        }
        let mut out = BytesMut::with_capacity(self.bytes + self.bytes / 8 + 4096);
        varint(&mut out, self.columns.len());
        varint(&mut out, self.rows);
        for ((name, ty, _), values) in self.layout.iter().zip(&mut self.columns) {
            text(&mut out, name);
            text(&mut out, ty);
            values.write(&mut out);
        }
        (self.rows, self.bytes) = (0, 0);
        Some(out.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_has_a_shape() {
        for table in RowTable::ALL {
            let names: Vec<&str> = layout(table).iter().map(|(name, ..)| *name).collect();
            assert_eq!(names, table.columns(), "{table}");
        }
    }

    #[test]
    fn shapes_of_types() {
        let text = || Box::new(Shape::Text);
        for (ty, expected) in [
            ("String", Some(Shape::Text)),
            ("Nullable(UInt16)", Some(Shape::Nullable(Box::new(Shape::Fixed(2))))),
            ("Array(String)", Some(Shape::Array(text()))),
            (
                "Map(String, Decimal(18, 12))",
                Some(Shape::Map(text(), Box::new(Shape::Fixed(8)))),
            ),
            ("LowCardinality(String)", None),
            ("Tuple(String)", None),
        ] {
            assert_eq!(Shape::of(ty), expected, "{ty}");
        }
    }

    fn columns(shapes: &[Shape]) -> Vec<Values> {
        shapes.iter().map(Values::new).collect()
    }

    fn written(columns: &mut [Values]) -> Vec<Vec<u8>> {
        columns
            .iter_mut()
            .map(|values| {
                let mut out = BytesMut::new();
                values.write(&mut out);
                out.to_vec()
            })
            .collect()
    }

    #[test]
    fn rows_become_columns() {
        let shapes =
            ["UInt16", "Nullable(String)", "Array(String)", "Map(String, UInt8)"].map(|ty| Shape::of(ty).expect(ty));
        let mut columns = columns(&shapes);
        let rows: [&[u8]; 2] = [
            b"\x01\x02\x00\x02ab\x02\x01x\x01y\x01\x01k\x07",
            b"\x03\x04\x01\x00\x02\x01m\x08\x01n\x09",
        ];
        for round in 0..2 {
            for row in rows {
                let mut rest = Rest(row);
                for column in &mut columns {
                    column.push(&mut rest).expect("a whole row");
                }
                assert_eq!(rest.0, b"");
            }
            let long = |value: u64| value.to_le_bytes().to_vec();
            let expected = [
                b"\x01\x02\x03\x04".to_vec(),
                b"\x00\x01\x02ab\x00".to_vec(),
                [long(2), long(2), b"\x01x\x01y".to_vec()].concat(),
                [long(1), long(3), b"\x01k\x01m\x01n\x07\x08\x09".to_vec()].concat(),
            ];
            assert_eq!(written(&mut columns), expected, "round {round}");
        }
    }

    #[test]
    fn what_is_cut_off_is_none() {
        for (ty, row) in [
            ("UInt64", &b"\x01"[..]),
            ("String", b"\x05abcd"),
            ("String", b"\x80"),
            ("String", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
            ("Nullable(UInt8)", b"\x00"),
            ("Map(String, String)", b"\x01\x01a"),
        ] {
            let mut values = Values::new(&Shape::of(ty).expect(ty));
            assert_eq!(values.push(&mut Rest(row)), None, "{ty} {row:?}");
        }
    }
}
