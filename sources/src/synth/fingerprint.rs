//! The fingerprint of a row's content: MD5 over the canonical text of its export columns (defined in `synth`'s docs).

use std::io::Write as _;

use md5::{Digest as _, Md5};
use tracemill_model::Table;

use super::row::{Cell, Kind, Row, at};

/// A row's content in 128 bits.
pub type Fingerprint = [u8; 16];

/// Computes fingerprints of one table's rows.
#[derive(Debug)]
pub(super) struct Fingerprinter {
    columns: Vec<(usize, &'static str, Kind, bool)>,
    head: Vec<u8>,
    scratch: Vec<u8>,
}

impl Fingerprinter {
    pub(super) fn new(table: Table) -> Self {
        let columns = table.export_columns().iter().map(|name| {
            let index = at(table, name);
            let (kind, nullable) = Kind::of(table.columns()[index].ty);
            (index, *name, kind, nullable)
        });
        Self {
            columns: columns.collect(),
            head: Vec::new(),
            scratch: Vec::new(),
        }
    }

    pub(super) fn of(&mut self, row: &Row) -> Fingerprint {
        let mut digest = Md5::new();
        for (index, name, kind, nullable) in &self.columns {
            let cell = &row.cells[*index];
            self.head.extend_from_slice(name.as_bytes());
            self.head.push(b'=');
            if *nullable && !cell.set {
                self.head.push(b'~');
            } else if *kind == Kind::Text {
                // Texts are most of the bytes: they go to the digest without a copy.
                length(&mut self.head, cell.text.len());
                digest.update(&self.head);
                digest.update(&cell.text);
                self.head.clear();
            } else {
                self.scratch.clear();
                value(&mut self.scratch, *kind, cell);
                prefixed(&mut self.head, &self.scratch);
            }
            self.head.push(b';');
        }
        digest.update(&self.head);
        self.head.clear();
        digest.finalize().into()
    }
}

fn value(out: &mut Vec<u8>, kind: Kind, cell: &Cell) {
    match kind {
        Kind::Text => out.extend_from_slice(&cell.text),
        Kind::Bool => out.push(if cell.num() == 0 { b'0' } else { b'1' }),
        Kind::F64 => print(out, format_args!("{:016x}", cell.num())),
        Kind::Time | Kind::U8 | Kind::U16 | Kind::Decimal => print(out, format_args!("{}", cell.num())),
        Kind::List | Kind::TextMap => {
            for i in 0..cell.ends.len() {
                prefixed(out, cell.part(i));
            }
        }
        Kind::CountMap | Kind::DecimalMap => {
            let mut digits = Vec::with_capacity(20);
            for (i, num) in cell.nums.iter().enumerate() {
                prefixed(out, cell.part(i));
                digits.clear();
                print(&mut digits, format_args!("{num}"));
                prefixed(out, &digits);
            }
        }
    }
}

fn prefixed(out: &mut Vec<u8>, bytes: &[u8]) {
    length(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn length(out: &mut Vec<u8>, len: usize) {
    print(out, format_args!("{len}:"));
}

fn print(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a Vec takes every write");
}
