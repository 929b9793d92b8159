use std::io::Read;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, TimestampMillisecondType, UInt8Type, UInt16Type, UInt64Type};
use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn unpack(bytes: &Bytes, compression: TextCompression) -> String {
    let mut text = String::new();
    match compression {
        TextCompression::None => text = String::from_utf8(bytes.to_vec()).unwrap(),
        TextCompression::Gzip => {
            flate2::read::GzDecoder::new(&bytes[..])
                .read_to_string(&mut text)
                .unwrap();
        }
        TextCompression::Zstd => {
            zstd::Decoder::new(&bytes[..])
                .unwrap()
                .read_to_string(&mut text)
                .unwrap();
        }
    }
    text
}

/// A value as the JSON text of it should read, made another way than the writer's.
fn expected(array: &dyn Array, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(row).into(),
        DataType::Boolean => array.as_boolean().value(row).into(),
        DataType::UInt8 => array.as_primitive::<UInt8Type>().value(row).into(),
        DataType::UInt16 => array.as_primitive::<UInt16Type>().value(row).into(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row).into(),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).into(),
        DataType::Timestamp(..) => array.as_primitive::<TimestampMillisecondType>().value(row).into(),
        DataType::Decimal128(..) => array.as_primitive::<Decimal128Type>().value_as_string(row).into(),
        DataType::List(_) => {
            let list = array.as_list::<i32>().value(row);
            (0..list.len()).map(|item| expected(&list, item)).collect()
        }
        DataType::Map(..) => {
            let map = array.as_map().value(row);
            let keys = map.column(0).as_string::<i32>();
            (0..map.len())
                .map(|entry| (keys.value(entry).to_owned(), expected(map.column(1), entry)))
                .collect()
        }
        other => panic!("no value of {other}"),
    }
}

/// Decimals are compared as text, whose digits must all be there; instants by their milliseconds.
fn assert_same(found: &Value, raw: &str, wanted: &Value, data_type: &DataType) {
    match data_type {
        DataType::Timestamp(..) if !wanted.is_null() => {
            assert_eq!(parse_instant(found.as_str().unwrap()), wanted.as_i64().unwrap());
        }
        // serde_json's own reader of floats may be off by a bit.
        DataType::Float64 if !wanted.is_null() => assert_eq!(raw.parse::<f64>().unwrap(), wanted.as_f64().unwrap()),
        DataType::Decimal128(..) if !wanted.is_null() => {
            let plain = wanted.as_str().unwrap();
            assert_eq!(raw, plain.trim_end_matches('0').trim_end_matches('.'), "{plain}");
        }
        DataType::Map(entries, _) if matches!(entries.data_type(), DataType::Struct(fields) if matches!(fields[1].data_type(), DataType::Decimal128(..))) => {
            for (key, value) in wanted.as_object().unwrap() {
                let plain = value.as_str().unwrap();
                let plain = plain.trim_end_matches('0').trim_end_matches('.');
                assert!(
                    raw.contains(&format!("{}:{plain}", Value::from(key.as_str()))),
                    "{raw} lacks {key} {plain}"
                );
            }
        }
        _ => assert_eq!(found, wanted),
    }
}

/// Milliseconds of `2026-02-25T12:15:00.123Z`, by counting years and months.
fn parse_instant(text: &str) -> i64 {
    let number = |range: std::ops::Range<usize>| text[range].parse::<i64>().unwrap();
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let years: i64 = match year {
        1970.. => (1970..year).map(|year| 365 + i64::from(leap(year))).sum(),
        _ => -(year..1970).map(|year| 365 + i64::from(leap(year))).sum::<i64>(),
    };
    let lengths = [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let days = years + lengths[..month as usize - 1].iter().sum::<i64>() + day - 1;
    assert!(
        text.ends_with('Z') && &text[19..20] == "." && text.len() == 24,
        "{text}"
    );
    ((days * 24 + number(11..13)) * 60 + number(14..16)) * 60_000 + number(17..19) * 1000 + number(20..23)
}

fn compressions() -> impl Strategy<Value = TextCompression> {
    prop_oneof![
        Just(TextCompression::None),
        Just(TextCompression::Gzip),
        Just(TextCompression::Zstd)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn json_lines(table in 0_usize..3, rows in 0_usize..100, seed: u64, cuts in proptest::collection::vec(any::<usize>(), 0..4), compression in compressions(), take: bool) {
        let schema = recorded(table).0;
        let batch = random_batch(&schema, rows, &mut Random(seed));
        let (bytes, finished, _) = file(&cut(&batch, &cuts), &schema, &EncodeOptions::new(Format::Jsonl(compression)), take);
        prop_assert_eq!(finished.rows, rows as u64);
        let text = unpack(&bytes, compression);
        prop_assert_eq!(text.matches('\n').count(), rows);
        for (row, line) in text.lines().enumerate() {
            // Keys in the order of the columns, each value as its raw text too.
            let found: std::collections::BTreeMap<String, &serde_json::value::RawValue> = serde_json::from_str(line).unwrap();
            prop_assert_eq!(found.len(), schema.fields().len());
            for (field, array) in schema.fields().iter().zip(batch.columns()) {
                let raw = found[field.name()].get();
                let value: Value = serde_json::from_str(raw).unwrap();
                assert_same(&value, raw, &expected(array, row), field.data_type());
            }
        }
    }

    #[test]
    fn csv_lines(table in 0_usize..3, rows in 0_usize..100, seed: u64, cuts in proptest::collection::vec(any::<usize>(), 0..4), compression in compressions(), take: bool) {
        let schema = recorded(table).0;
        let batch = random_batch(&schema, rows, &mut Random(seed));
        let (bytes, finished, _) = file(&cut(&batch, &cuts), &schema, &EncodeOptions::new(Format::Csv(compression)), take);
        prop_assert_eq!(finished.rows, rows as u64);
        let text = unpack(&bytes, compression);
        let mut reader = ::csv::ReaderBuilder::new().from_reader(text.as_bytes());
        let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        prop_assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>(), names);
        let records: Vec<_> = reader.records().map(|record| record.unwrap()).collect();
        prop_assert_eq!(records.len(), rows);
        for (row, record) in records.iter().enumerate() {
            for ((field, array), found) in schema.fields().iter().zip(batch.columns()).zip(record) {
                let wanted = expected(array, row);
                match (field.data_type(), &wanted) {
                    (DataType::Utf8, _) => prop_assert_eq!(found, wanted.as_str().unwrap_or("")),
                    (DataType::Float64, Value::Null) => {
                        let value = array.as_primitive::<Float64Type>().value(row);
                        let read: f64 = found.parse().unwrap();
                        prop_assert!(read == value || read.is_nan() && value.is_nan());
                    }
                    (_, Value::Null) => prop_assert_eq!(found, ""),
                    (DataType::Timestamp(..), _) => assert_same(&found.into(), found, &wanted, field.data_type()),
                    (data_type, _) => assert_same(&serde_json::from_str(found).unwrap(), found, &wanted, data_type),
                }
            }
        }
    }
}

#[test]
fn csv_to_the_letter() {
    let fields = vec![
        Field::new("a,b", DataType::Utf8, true),
        Field::new("n", DataType::UInt16, true),
        Field::new(
            "t",
            DataType::Timestamp(arrow_schema::TimeUnit::Millisecond, Some("UTC".into())),
            false,
        ),
        Field::new("ok", DataType::Boolean, false),
    ];
    let schema: SchemaRef = Arc::new(arrow_schema::Schema::new(fields));
    let batch = RecordBatch::try_new(
        Arc::clone(&schema),
        vec![
            Arc::new(StringArray::from(vec![
                None,
                Some(""),
                Some("say \"hi\"\n"),
                Some(" plain "),
            ])),
            Arc::new(UInt16Array::from(vec![Some(65535), None, Some(0), Some(7)])),
            Arc::new(TimestampMillisecondArray::from(vec![0, 1, 2, 1_772_021_700_123]).with_timezone("UTC")),
            Arc::new(BooleanArray::from(vec![true, false, true, false])),
        ],
    )
    .unwrap();
    let (bytes, _, _) = file(
        &[batch],
        &schema,
        &EncodeOptions::new(Format::Csv(TextCompression::None)),
        true,
    );
    let expected = "\"a,b\",n,t,ok\r\n\
        ,65535,1970-01-01T00:00:00.000Z,true\r\n\
        \"\",,1970-01-01T00:00:00.001Z,false\r\n\
        \"say \"\"hi\"\"\n\",0,1970-01-01T00:00:00.002Z,true\r\n \
        plain ,7,2026-02-25T12:15:00.123Z,false\r\n";
    assert_eq!(std::str::from_utf8(&bytes).unwrap(), expected);
}

#[test]
fn held_bytes_are_bounded() {
    let schema = recorded(1).0;
    let mut random = Random(3);
    let batches: Vec<_> = (0..30).map(|_| random_batch(&schema, 100, &mut random)).collect();
    let largest = batches.iter().map(arrays::batch_bytes).max().unwrap();
    for compression in [TextCompression::None, TextCompression::Gzip, TextCompression::Zstd] {
        let (_, _, held) = file(&batches, &schema, &EncodeOptions::new(Format::Jsonl(compression)), true);
        assert!(held <= (4 << 20) + 3 * largest, "{held} held, batches of {largest}");
    }
}
