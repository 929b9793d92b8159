//! Streams of a real ClickHouse, random batches of the same schemas, and files read back.

mod lines;
mod parquet;

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int32Array, ListArray, MapArray, RecordBatch,
    StringArray, StructArray, TimestampMillisecondArray, UInt8Array, UInt16Array, UInt64Array,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field, SchemaRef};
use bytes::Bytes;

use super::schema::{conform, target_schema};
use super::*;

pub(super) const STREAMS: [(&str, &[u8]); 3] = [
    ("traces", include_bytes!("fixtures/traces.arrows")),
    ("observations", include_bytes!("fixtures/observations.arrows")),
    ("scores", include_bytes!("fixtures/scores.arrows")),
];

/// What ClickHouse streamed.
pub(super) fn streamed(stream: &[u8]) -> Vec<RecordBatch> {
    let reader = arrow_ipc::reader::StreamReader::try_new(stream, None).unwrap();
    reader.collect::<Result<_, _>>().unwrap()
}

/// The file schema of a table, and its three recorded rows.
pub(super) fn recorded(table: usize) -> (SchemaRef, RecordBatch) {
    let batches = streamed(STREAMS[table].1);
    let target = target_schema(batches[0].schema_ref()).unwrap();
    let conformed = conform(batches[0].clone(), &target).unwrap();
    assert_eq!(conformed.repaired, 0);
    (target, conformed.batch)
}

pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) ^ self.0.rotate_left(17)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn text(&mut self) -> String {
        const WORDS: [&str; 10] = [
            "",
            "a",
            "quote \" comma , line\r\n",
            "ß",
            "😀",
            "\u{0}\u{1f}",
            "\\u0000",
            "{\"k\":[1]}",
            " ",
            "long ",
        ];
        let length = match self.below(100) {
            0 => 4_000,
            1..4 => 60,
            _ => 3,
        };
        let length = self.below(length);
        (0..length).map(|_| WORDS[self.below(10) as usize]).collect()
    }
}

/// Random values of a column.
pub(super) fn random_array(field: &Field, rows: usize, random: &mut Random) -> ArrayRef {
    let mut nulls = |share: u64| -> Option<NullBuffer> {
        field
            .is_nullable()
            .then(|| (0..rows).map(|_| random.below(10) >= share).collect())
    };
    let share = [0, 3, 10][rows % 3];
    let nulls = nulls(share);
    let some = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
    let offsets = |random: &mut Random| OffsetBuffer::<i32>::from_lengths((0..rows).map(|_| random.below(4) as usize));
    match field.data_type() {
        DataType::Utf8 => Arc::new(StringArray::from_iter(
            (0..rows).map(|row| some(row).then(|| random.text())),
        )),
        DataType::Boolean => Arc::new(BooleanArray::from_iter(
            (0..rows).map(|row| some(row).then(|| random.below(2) == 1)),
        )),
        DataType::UInt8 => Arc::new(UInt8Array::from_iter(
            (0..rows).map(|row| some(row).then(|| random.next() as u8)),
        )),
        DataType::UInt16 => Arc::new(UInt16Array::from_iter(
            (0..rows).map(|row| some(row).then(|| random.next() as u16)),
        )),
        DataType::UInt64 => Arc::new(UInt64Array::from_iter(
            (0..rows).map(|row| some(row).then(|| random.next())),
        )),
        DataType::Int32 => Arc::new(Int32Array::from_iter(
            (0..rows).map(|row| some(row).then(|| random.next() as i32)),
        )),
        DataType::Float64 => {
            let values = (0..rows).map(|row| some(row).then(|| f64::from_bits(random.next())));
            Arc::new(Float64Array::from_iter(values))
        }
        DataType::Decimal128(precision, scale) => {
            let limit = 10_i128.pow(u32::from(*precision));
            let values = (0..rows).map(|row| some(row).then(|| i128::from(random.next().cast_signed()) % limit));
            Arc::new(
                Decimal128Array::from_iter(values)
                    .with_precision_and_scale(*precision, *scale)
                    .unwrap(),
            )
        }
        DataType::Timestamp(_, zone) => {
            let values = (0..rows).map(|row| some(row).then(|| random.below(1 << 43) as i64 - (1 << 41)));
            Arc::new(TimestampMillisecondArray::from_iter(values).with_timezone_opt(zone.clone()))
        }
        DataType::List(item) => {
            let offsets = offsets(random);
            let values = random_array(item, offsets.last() as usize, random);
            Arc::new(ListArray::new(Arc::clone(item), offsets, values, nulls))
        }
        DataType::Map(entries, sorted) => {
            let offsets = offsets(random);
            let DataType::Struct(fields) = entries.data_type() else {
                panic!("{entries} is no struct")
            };
            let count = offsets.last() as usize;
            let columns = fields.iter().map(|field| random_array(field, count, random)).collect();
            let values = StructArray::new(fields.clone(), columns, None);
            Arc::new(MapArray::new(Arc::clone(entries), offsets, values, nulls, *sorted))
        }
        other => panic!("no random values of {other}"),
    }
}

pub(super) fn random_batch(schema: &SchemaRef, rows: usize, random: &mut Random) -> RecordBatch {
    let columns = schema
        .fields()
        .iter()
        .map(|field| random_array(field, rows, random))
        .collect();
    RecordBatch::try_new(Arc::clone(schema), columns).unwrap()
}

/// A batch cut into batches at these places.
pub(super) fn cut(batch: &RecordBatch, cuts: &[usize]) -> Vec<RecordBatch> {
    let mut places: Vec<_> = cuts
        .iter()
        .map(|cut| cut % (batch.num_rows() + 1))
        .chain([0, batch.num_rows()])
        .collect();
    places.sort_unstable();
    places
        .windows(2)
        .map(|pair| batch.slice(pair[0], pair[1] - pair[0]))
        .collect()
}

/// A whole file of these batches. The most that the encoder held after a `write` comes with it.
pub(super) fn file(
    batches: &[RecordBatch],
    schema: &SchemaRef,
    options: &EncodeOptions,
    take: bool,
) -> (Bytes, Finished, u64) {
    let mut encoder = Encoder::new(schema, options).unwrap();
    let (mut bytes, mut held) = (Vec::new(), 0);
    for batch in batches {
        encoder.write(batch).unwrap();
        if take {
            encoder
                .take_output()
                .iter()
                .for_each(|piece| bytes.extend_from_slice(piece));
        }
        held = held.max(encoder.held_bytes());
    }
    let finished = encoder.finish().unwrap();
    finished.output.iter().for_each(|piece| bytes.extend_from_slice(piece));
    assert_eq!(finished.bytes, bytes.len() as u64);
    (Bytes::from(bytes), finished, held)
}

#[test]
fn extensions() {
    for (format, extension) in [
        (Format::Parquet, "parquet"),
        (Format::Csv(TextCompression::Gzip), "csv.gz"),
        (Format::Jsonl(TextCompression::Zstd), "jsonl.zst"),
    ] {
        let encoder = Encoder::new(&recorded(0).0, &EncodeOptions::new(format)).unwrap();
        assert_eq!(encoder.extension(), extension);
    }
}

#[test]
fn foreign_batches_are_refused() {
    let (schema, _) = recorded(0);
    let (_, other) = recorded(2);
    for format in [
        Format::Parquet,
        Format::Csv(TextCompression::None),
        Format::Jsonl(TextCompression::None),
    ] {
        let mut encoder = Encoder::new(&schema, &EncodeOptions::new(format)).unwrap();
        let error = encoder.write(&other).unwrap_err().to_string();
        assert!(error.contains("schema") && error.contains(format.name()), "{error}");
    }
}
