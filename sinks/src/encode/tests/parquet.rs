use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use ::parquet::basic::{LogicalType, TimeUnit, Type as PhysicalType};
use ::parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use ::parquet::file::statistics::Statistics;
use ::parquet::schema::types::ColumnDescriptor;
use arrow_array::cast::AsArray;
use arrow_schema::Schema;
use arrow_select::concat::concat_batches;
use proptest::prelude::*;

use super::*;

fn metadata(file: &Bytes) -> ParquetMetaData {
    let mut reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Required);
    reader.try_parse(file).unwrap();
    reader.finish().unwrap()
}

fn read(file: &Bytes, schema: &SchemaRef) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file.clone()).unwrap();
    assert_eq!(reader.schema().fields(), schema.fields());
    let batches: Vec<_> = reader.build().unwrap().map(|batch| batch.unwrap()).collect();
    concat_batches(schema, batches.iter()).unwrap()
}

fn options(row_group_bytes: u64, max_held: u64) -> EncodeOptions {
    EncodeOptions {
        row_group_bytes,
        max_held,
        ..EncodeOptions::new(Format::Parquet)
    }
}

/// Plain bytes of each row group, from the rows it has.
fn group_bytes(file: &Bytes, batch: &RecordBatch) -> Vec<(usize, u64)> {
    let mut start = 0;
    let mut groups = Vec::new();
    for group in metadata(file).row_groups() {
        let rows = usize::try_from(group.num_rows()).unwrap();
        groups.push((rows, arrays::batch_bytes(&batch.slice(start, rows))));
        start += rows;
    }
    assert_eq!(start, batch.num_rows());
    groups
}

/// Every page's statistics hold for the values of the column, and so do those of the row group.
fn check_statistics(file: &Bytes, batch: &RecordBatch, column: usize) {
    let name = batch.schema_ref().field(column).name().clone();
    let mut row = 0;
    for group in metadata(file).row_groups() {
        let rows = usize::try_from(group.num_rows()).unwrap();
        let chunk = group
            .columns()
            .iter()
            .find(|chunk| chunk.column_path().string() == name)
            .unwrap();
        let Some(Statistics::ByteArray(statistics)) = chunk.statistics() else {
            panic!("{name} has no statistics")
        };
        let values = batch.column(column).slice(row, rows);
        let values = values.as_string::<i32>();
        assert_eq!(statistics.null_count_opt(), Some(values.null_count() as u64));
        for value in values.iter().flatten() {
            let (min, max) = (
                statistics.min_opt().unwrap().data(),
                statistics.max_opt().unwrap().data(),
            );
            assert!(min <= value.as_bytes() && value.as_bytes() <= max);
            assert!(min.len() <= 64 && max.len() <= 68);
        }
        if statistics.min_is_exact() {
            assert_eq!(
                statistics.min_opt().map(|min| min.data()),
                values.iter().flatten().min().map(str::as_bytes)
            );
        }
        if statistics.max_is_exact() {
            assert_eq!(
                statistics.max_opt().map(|max| max.data()),
                values.iter().flatten().max().map(str::as_bytes)
            );
        }
        row += rows;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn round_trip(
        table in 0_usize..3,
        rows in 0_usize..150,
        seed: u64,
        cuts in proptest::collection::vec(any::<usize>(), 0..6),
        row_group_bytes in prop_oneof![Just(1_u64), 1_000..100_000_u64, 1_000_000..64_000_000_u64],
        max_held in prop_oneof![Just(0_u64), 10_000..1_000_000_u64, Just(64 << 20)],
        take: bool,
    ) {
        let schema = recorded(table).0;
        let batch = random_batch(&schema, rows, &mut Random(seed));
        let (bytes, finished, _) = file(&cut(&batch, &cuts), &schema, &options(row_group_bytes, max_held), take);
        prop_assert_eq!(finished.rows, rows as u64);
        prop_assert_eq!(&read(&bytes, &schema), &batch);
        prop_assert_eq!(footer_rows(&bytes, bytes.len() as u64).unwrap(), FooterRead::Rows(rows as u64));
        let groups = group_bytes(&bytes, &batch);
        prop_assert_eq!(groups.len() as u64, finished.row_groups);
        for (rows, size) in groups {
            prop_assert!(rows == 1 || size <= row_group_bytes, "{} rows of {} bytes in a group of {}", rows, size, row_group_bytes);
        }
        check_statistics(&bytes, &batch, 0);
        if let Ok(input) = schema.index_of("input") {
            check_statistics(&bytes, &batch, input);
        }
    }
}

#[test]
fn row_groups_are_full() {
    let schema = recorded(1).0;
    let batch = random_batch(&schema, 2000, &mut Random(5));
    let limit = 500_000;
    let (bytes, _, _) = file(
        &cut(&batch, &[100, 700, 1500]),
        &schema,
        &options(limit, 64 << 20),
        true,
    );
    let groups = group_bytes(&bytes, &batch);
    assert!(groups.len() > 5);
    let mut next = 0;
    for (rows, size) in &groups[..groups.len() - 1] {
        next += rows;
        assert!(
            size + arrays::batch_bytes(&batch.slice(next, 1)) > limit,
            "{rows} rows, {size} bytes"
        );
    }
}

#[test]
fn threads_do_not_change_the_file() {
    let schema = recorded(1).0;
    let batches = cut(&random_batch(&schema, 3000, &mut Random(9)), &[10, 400, 2500]);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| file(&batches, &schema, &options(4 << 20, 64 << 20), false).0)
    };
    assert!(with(1) == with(4));
}

#[test]
fn held_bytes_are_bounded() {
    let schema = recorded(1).0;
    let max_held = 2 << 20;
    let mut random = Random(3);
    // About 30 MB of text that zstd cannot shrink to nothing.
    let batches: Vec<_> = (0..60).map(|_| random_batch(&schema, 100, &mut random)).collect();
    let largest = batches.iter().map(arrays::batch_bytes).max().unwrap();
    let total: u64 = batches.iter().map(arrays::batch_bytes).sum();
    let (_, finished, held) = file(&batches, &schema, &options(64 << 20, max_held), true);
    assert!(
        held <= max_held + largest,
        "{held} held of {max_held}, batches of {largest}"
    );
    assert!(
        finished.row_groups > 1 && total > 4 * max_held,
        "{} row groups of {total} bytes",
        finished.row_groups
    );
    // Output that nobody takes is held too.
    let mut encoder = Encoder::new(&schema, &options(1 << 20, 1 << 20)).unwrap();
    for batch in &batches[..20] {
        encoder.write(batch).unwrap();
    }
    let before = encoder.held_bytes();
    let taken: usize = encoder.take_output().iter().map(Bytes::len).sum();
    assert!(taken > 0 && encoder.held_bytes() + taken as u64 <= before);
}

#[test]
fn estimate_of_the_size() {
    let schema = recorded(1).0;
    let batches = cut(
        &random_batch(&schema, 6000, &mut Random(4)),
        &(0..60).map(|i| i * 100).collect::<Vec<_>>(),
    );
    let mut encoder = Encoder::new(&schema, &options(8 << 20, 64 << 20)).unwrap();
    let mut last = 0;
    for batch in &batches {
        encoder.write(batch).unwrap();
        last = encoder.encoded_bytes();
    }
    let size = encoder.finish().unwrap().bytes;
    assert!(last > size / 2 && last < size * 2, "{last} estimated, {size} written");
}

#[test]
fn jumbo_values() {
    let (schema, three) = recorded(1);
    let input = schema.index_of("input").unwrap();
    for size in [430_000, 100_000_000] {
        let values = [None, Some("x".repeat(size)), Some("small".to_owned())];
        let mut columns = three.columns().to_vec();
        columns[input] = Arc::new(StringArray::from_iter(values));
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
        let (bytes, finished, _) = file(
            &[batch.clone(), batch.clone()],
            &schema,
            &options(64 << 20, 64 << 20),
            true,
        );
        assert_eq!(finished.rows, 6);
        let read = read(&bytes, &schema);
        assert!(read.slice(0, 3) == batch && read.slice(3, 3) == batch, "{size} bytes");
        check_statistics(&bytes, &read, input);
    }
}

#[test]
fn no_rows() {
    for table in 0..3 {
        let schema = recorded(table).0;
        let empty = RecordBatch::new_empty(Arc::clone(&schema));
        for batches in [vec![], vec![empty.clone()]] {
            let (bytes, finished, _) = file(&batches, &schema, &options(1 << 20, 1 << 20), true);
            assert_eq!((finished.rows, finished.row_groups), (0, 0));
            assert_eq!(footer_rows(&bytes, bytes.len() as u64).unwrap(), FooterRead::Rows(0));
            let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
            assert_eq!(reader.schema().fields(), schema.fields());
        }
    }
}

#[test]
fn footers() {
    let (schema, batch) = recorded(2);
    let (bytes, _, _) = file(&[batch], &schema, &options(1 << 20, 1 << 20), true);
    let size = bytes.len() as u64;
    let tail = |count: u64| &bytes[(size - count) as usize..];
    assert_eq!(footer_rows(tail(3), size).unwrap(), FooterRead::NeedMore(8));
    let FooterRead::NeedMore(needed) = footer_rows(tail(8), size).unwrap() else {
        panic!("eight bytes cannot suffice")
    };
    assert_eq!(
        footer_rows(tail(needed - 1), size).unwrap(),
        FooterRead::NeedMore(needed)
    );
    assert_eq!(footer_rows(tail(needed), size).unwrap(), FooterRead::Rows(3));
    assert!(footer_rows(&bytes[..bytes.len() - 1], size - 1).is_err());
    assert!(footer_rows(b"PAR1", 4).is_err());
    assert!(footer_rows(tail(8), 11).is_err());
    let mut lie = tail(size).to_vec();
    lie[bytes.len() - 8..bytes.len() - 4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(footer_rows(&lie, size).is_err());
}

#[test]
fn metadata_is_written() {
    let (schema, batch) = recorded(0);
    let mut given = options(1 << 20, 1 << 20);
    given.metadata = vec![("tracemill.table".to_owned(), "traces".to_owned())];
    let mut encoder = Encoder::new(&schema, &given).unwrap();
    encoder.write(&batch).unwrap();
    encoder.add_metadata("tracemill.rows", "3");
    let output = encoder.finish().unwrap().output.concat();
    let metadata = metadata(&Bytes::from(output));
    let pairs = metadata.file_metadata().key_value_metadata().unwrap();
    let pairs: Vec<_> = pairs
        .iter()
        .map(|pair| (pair.key.as_str(), pair.value.as_deref().unwrap()))
        .collect();
    assert_eq!(pairs, [("tracemill.table", "traces"), ("tracemill.rows", "3")]);
    let creator = metadata.file_metadata().created_by().unwrap();
    assert!(creator.starts_with("tracemill "), "{creator}");
}

/// A leaf column as the recording shows it.
fn leaf(column: &ColumnDescriptor) -> serde_json::Value {
    let logical = match column.logical_type_ref() {
        None => "None".to_owned(),
        Some(LogicalType::String) => "String".to_owned(),
        Some(LogicalType::Timestamp(time)) if time.is_adjusted_to_u_t_c && time.unit == TimeUnit::MILLIS => {
            "Timestamp(UTC, ms)".to_owned()
        }
        Some(LogicalType::Decimal(decimal)) => {
            format!("Decimal(precision={}, scale={})", decimal.precision, decimal.scale)
        }
        Some(LogicalType::Integer(integer)) => {
            format!("Int(bitWidth={}, isSigned={})", integer.bit_width, integer.is_signed)
        }
        Some(other) => format!("{other:?}"),
    };
    let length = match column.physical_type() {
        PhysicalType::FIXED_LEN_BYTE_ARRAY => column.type_length(),
        _ => 0,
    };
    let (definition, repetition) = (column.max_def_level(), column.max_rep_level());
    serde_json::json!([
        column.path().string(),
        column.physical_type().to_string(),
        logical,
        length,
        definition,
        repetition
    ])
}

/// The files have the very columns that ClickHouse's own Parquet writer gives for the same columns: names, order, physical and
/// logical types, nullability and nesting, as recorded from it.
#[test]
fn columns_are_those_of_clickhouse() {
    let recording: serde_json::Value =
        serde_json::from_str(include_str!("../fixtures/clickhouse-parquet.json")).unwrap();
    for (table, (name, _)) in STREAMS.iter().enumerate() {
        let (schema, batch) = recorded(table);
        let (bytes, _, _) = file(&[batch], &schema, &options(1 << 20, 1 << 20), true);
        let metadata = metadata(&bytes);
        let leaves: Vec<_> = metadata
            .file_metadata()
            .schema_descr()
            .columns()
            .iter()
            .map(|column| leaf(column))
            .collect();
        let expected = recording[name].as_array().unwrap();
        assert!(expected.len() >= 20);
        for (leaf, expected) in leaves.iter().zip(expected) {
            assert_eq!(leaf, expected, "{name}");
        }
        assert_eq!(leaves.len(), expected.len());
    }
}

/// Any choice of columns, down to none.
#[test]
fn choices_of_columns() {
    let (schema, batch) = recorded(1);
    for choice in [vec![], vec![0], vec![13, 9], vec![18, 22, 2]] {
        let batch = batch.project(&choice).unwrap();
        let fields: Vec<_> = choice
            .iter()
            .map(|index| Arc::clone(&schema.fields()[*index]))
            .collect();
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let (bytes, finished, _) = file(std::slice::from_ref(&batch), &schema, &options(1 << 20, 1 << 20), true);
        assert_eq!(finished.rows, 3);
        if !choice.is_empty() {
            assert_eq!(read(&bytes, &schema).columns(), batch.columns());
        }
    }
}
