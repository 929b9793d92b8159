//! Rows to Arrow: one builder a table, the schema that ClickHouse takes, and the body of an `INSERT`.

use std::sync::Arc;

use arrow_array::builder::BooleanBufferBuilder;
use arrow_array::{
    ArrayRef, BooleanArray, Decimal128Array, Float64Array, ListArray, MapArray, RecordBatch, StringArray, StructArray,
    TimestampMillisecondArray, UInt8Array, UInt16Array, UInt64Array,
};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use bytes::Bytes;
use tracemill_model::Table;

use super::SynthError;
use super::row::{Cell, Kind, Row};

/// The precision and scale of costs.
const DECIMAL: (u8, i8) = (18, 12);

/// The Arrow schema of all of a table's columns, in the table's order, as `FORMAT ArrowStream` takes them.
#[must_use]
pub fn schema(table: Table) -> SchemaRef {
    let field = |column: &tracemill_model::table::Column| {
        let (kind, nullable) = Kind::of(column.ty);
        Field::new(column.name, data_type(kind), nullable)
    };
    Arc::new(Schema::new(table.columns().iter().map(field).collect::<Vec<_>>()))
}

/// The columns of an `INSERT INTO <table> (<columns>) FORMAT ArrowStream`, quoted and separated by commas.
#[must_use]
pub fn insert_columns(table: Table) -> String {
    let names: Vec<String> = table
        .columns()
        .iter()
        .map(|column| format!("`{}`", column.name))
        .collect();
    names.join(", ")
}

/// The body of an `INSERT ... FORMAT ArrowStream`: the batches as one uncompressed Arrow stream, end marker included.
///
/// # Errors
/// A batch whose schema is not the table's.
pub fn to_ipc_stream<'a>(
    table: Table,
    batches: impl IntoIterator<Item = &'a RecordBatch>,
) -> Result<Bytes, SynthError> {
    let batches: Vec<_> = batches.into_iter().collect();
    let size: usize = batches.iter().map(|batch| batch.get_array_memory_size()).sum();
    let mut body = Vec::with_capacity(size + size / 64 + (64 << 10));
    let schema = schema(table);
    let mut writer = arrow_ipc::writer::StreamWriter::try_new(&mut body, &schema)?;
    for batch in batches {
        if batch.schema() != schema {
            let found = batch.schema();
            let text = format!("a batch is not of table {table}: {found}");
            return Err(arrow_schema::ArrowError::SchemaError(text).into());
        }
        writer.write(batch)?;
    }
    writer.finish()?;
    drop(writer);
    Ok(Bytes::from(body))
}

fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::Text => DataType::Utf8,
        Kind::Time => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
        Kind::Bool => DataType::Boolean,
        Kind::U8 => DataType::UInt8,
        Kind::U16 => DataType::UInt16,
        Kind::F64 => DataType::Float64,
        Kind::Decimal => DataType::Decimal128(DECIMAL.0, DECIMAL.1),
        Kind::List => DataType::List(Arc::new(item())),
        Kind::TextMap | Kind::CountMap | Kind::DecimalMap => DataType::Map(Arc::new(entries(kind)), false),
    }
}

fn item() -> Field {
    Field::new("item", DataType::Utf8, false)
}

fn entries(kind: Kind) -> Field {
    Field::new("entries", DataType::Struct(entry_fields(kind)), false)
}

fn entry_fields(kind: Kind) -> Fields {
    let value = match kind {
        Kind::CountMap => DataType::UInt64,
        Kind::DecimalMap => data_type(Kind::Decimal),
        _ => DataType::Utf8,
    };
    Fields::from(vec![
        Field::new("keys", DataType::Utf8, false),
        Field::new("values", value, false),
    ])
}

/// Texts one after the other, with where each ends.
#[derive(Debug)]
struct Texts {
    bytes: Vec<u8>,
    offsets: Vec<i32>,
}

impl Texts {
    fn new() -> Self {
        Self {
            bytes: Vec::new(),
            offsets: vec![0],
        }
    }

    fn push(&mut self, text: &[u8]) -> Result<(), SynthError> {
        self.bytes.extend_from_slice(text);
        let end = i32::try_from(self.bytes.len()).map_err(|_| SynthError::ChunkTooLarge)?;
        self.offsets.push(end);
        Ok(())
    }

    fn finish(&mut self, nulls: Option<NullBuffer>) -> Result<StringArray, SynthError> {
        let done = std::mem::replace(self, Self::new());
        Ok(StringArray::try_new(
            offsets(done.offsets),
            Buffer::from_vec(done.bytes),
            nulls,
        )?)
    }
}

fn offsets(ends: Vec<i32>) -> OffsetBuffer<i32> {
    OffsetBuffer::new(ScalarBuffer::from(ends))
}

/// One column in the making.
#[derive(Debug)]
struct Builder {
    kind: Kind,
    nullable: bool,
    set: Vec<bool>,
    keys: Texts,
    texts: Texts,
    nums: Vec<i64>,
    ends: Vec<i32>,
}

impl Builder {
    fn new(ty: &str) -> Self {
        let (kind, nullable) = Kind::of(ty);
        Self {
            kind,
            nullable,
            set: Vec::new(),
            keys: Texts::new(),
            texts: Texts::new(),
            nums: Vec::new(),
            ends: vec![0],
        }
    }

    fn append(&mut self, cell: &Cell) -> Result<(), SynthError> {
        if self.nullable {
            self.set.push(cell.set);
        }
        match self.kind {
            Kind::Text => self.texts.push(if cell.set { &cell.text } else { &[] })?,
            Kind::List => {
                for i in 0..cell.ends.len() {
                    self.texts.push(cell.part(i))?;
                }
                self.ends.push(self.texts.offsets.len() as i32 - 1);
            }
            Kind::TextMap => {
                for i in (0..cell.ends.len()).step_by(2) {
                    self.keys.push(cell.part(i))?;
                    self.texts.push(cell.part(i + 1))?;
                }
                self.ends.push(self.keys.offsets.len() as i32 - 1);
            }
            Kind::CountMap | Kind::DecimalMap => {
                for i in 0..cell.ends.len() {
                    self.keys.push(cell.part(i))?;
                }
                self.nums.extend_from_slice(&cell.nums);
                self.ends.push(self.keys.offsets.len() as i32 - 1);
            }
            _ => self.nums.push(cell.num()),
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef, SynthError> {
        let nulls = self.nullable.then(|| {
            let mut bits = BooleanBufferBuilder::new(self.set.len());
            bits.append_slice(&self.set);
            self.set.clear();
            NullBuffer::new(bits.finish())
        });
        let nums = std::mem::take(&mut self.nums);
        let ends = std::mem::replace(&mut self.ends, vec![0]);
        Ok(match self.kind {
            Kind::Text => Arc::new(self.texts.finish(nulls)?),
            Kind::Time => Arc::new(TimestampMillisecondArray::new(nums.into(), nulls).with_timezone("UTC")),
            Kind::Bool => Arc::new(BooleanArray::from_iter(nums.iter().map(|num| Some(*num != 0)))),
            Kind::U8 => Arc::new(UInt8Array::from_iter_values(nums.iter().map(|num| *num as u8))),
            Kind::U16 => {
                let nums: Vec<u16> = nums.iter().map(|num| *num as u16).collect();
                Arc::new(UInt16Array::new(nums.into(), nulls))
            }
            Kind::F64 => Arc::new(Float64Array::from_iter_values(
                nums.iter().map(|num| f64::from_bits(num.cast_unsigned())),
            )),
            Kind::Decimal => Arc::new(decimals(&nums, nulls)?),
            Kind::List => {
                let texts = Arc::new(self.texts.finish(None)?);
                Arc::new(ListArray::try_new(Arc::new(item()), offsets(ends), texts, None)?)
            }
            Kind::TextMap | Kind::CountMap | Kind::DecimalMap => {
                let values: ArrayRef = match self.kind {
                    Kind::CountMap => Arc::new(UInt64Array::from_iter_values(nums.iter().map(|n| n.cast_unsigned()))),
                    Kind::DecimalMap => Arc::new(decimals(&nums, None)?),
                    _ => Arc::new(self.texts.finish(None)?),
                };
                let columns = vec![Arc::new(self.keys.finish(None)?) as ArrayRef, values];
                let structs = StructArray::try_new(entry_fields(self.kind), columns, None)?;
                let field = Arc::new(entries(self.kind));
                Arc::new(MapArray::try_new(field, offsets(ends), structs, None, false)?)
            }
        })
    }
}

fn decimals(nums: &[i64], nulls: Option<NullBuffer>) -> Result<Decimal128Array, SynthError> {
    let nums: Vec<i128> = nums.iter().map(|num| i128::from(*num)).collect();
    Ok(Decimal128Array::new(nums.into(), nulls).with_precision_and_scale(DECIMAL.0, DECIMAL.1)?)
}

/// The rows of one table that a chunk has so far.
#[derive(Debug)]
pub(super) struct TableBuilder {
    table: Table,
    columns: Vec<Builder>,
    rows: usize,
}

impl TableBuilder {
    pub(super) fn new(table: Table) -> Self {
        Self {
            table,
            columns: table.columns().iter().map(|column| Builder::new(column.ty)).collect(),
            rows: 0,
        }
    }

    pub(super) fn append(&mut self, row: &Row) -> Result<(), SynthError> {
        self.rows += 1;
        for (column, cell) in self.columns.iter_mut().zip(&row.cells) {
            column.append(cell)?;
        }
        Ok(())
    }

    /// The batch; `None` where there is no row.
    pub(super) fn finish(&mut self) -> Result<Option<RecordBatch>, SynthError> {
        if self.rows == 0 {
            return Ok(None);
        }
        self.rows = 0;
        let arrays = self
            .columns
            .iter_mut()
            .map(Builder::finish)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Some(RecordBatch::try_new(schema(self.table), arrays)?))
    }
}
