use arrow_array::BinaryArray;
use arrow_array::types::Int32Type;

use super::super::tests::{STREAMS, streamed};
use super::*;

#[test]
fn recorded_streams_conform() {
    for (name, stream) in STREAMS {
        let batch = streamed(stream).remove(0);
        let target = target_schema(batch.schema_ref()).unwrap();
        let conformed = conform(batch.clone(), &target).unwrap();
        assert_eq!((conformed.repaired, conformed.batch.num_rows()), (0, 3), "{name}");
        for (source, field) in batch.schema_ref().fields().iter().zip(target.fields()) {
            assert_eq!(
                (source.name(), source.is_nullable()),
                (field.name(), field.is_nullable())
            );
        }
        let ids = conformed.batch.column(0).as_string::<i32>();
        assert_eq!(ids.value(1), "id-1 grüße 😀");
        assert_eq!(
            ids.value_data().as_ptr(),
            batch.column(0).as_binary::<i32>().value_data().as_ptr()
        );
        // What conforms already stays as it is.
        let again = conform(conformed.batch.clone(), &target).unwrap();
        assert_eq!(again.batch, conformed.batch);
        assert_eq!(target_schema(&target).unwrap(), target);
    }
}

#[test]
fn nested_values_are_repaired() {
    let keys = Arc::new(BinaryArray::from_vec(vec![b"k\xff", b"ok"])) as ArrayRef;
    let values = Arc::new(BinaryArray::from_vec(vec![b"v", b"\xf0\x9f"])) as ArrayRef;
    let fields = vec![
        Field::new("key", DataType::Binary, false),
        Field::new("value", DataType::Binary, false),
    ];
    let entries = StructArray::new(fields.clone().into(), vec![keys, values], None);
    let entry = Arc::new(Field::new("entries", DataType::Struct(fields.into()), false));
    let offsets = arrow_buffer::OffsetBuffer::from_lengths([2]);
    let map = MapArray::new(entry, offsets.clone(), entries, None, false);
    let item = Arc::new(Field::new("item", DataType::Binary, false));
    let list = ListArray::new(
        item,
        offsets,
        Arc::new(BinaryArray::from_vec(vec![b"\xff\xff", b""])),
        None,
    );
    let schema = Schema::new(vec![
        Field::new("map", map.data_type().clone(), false),
        Field::new("list", list.data_type().clone(), false),
    ]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(map), Arc::new(list)]).unwrap();
    let target = target_schema(batch.schema_ref()).unwrap();
    let conformed = conform(batch, &target).unwrap();
    assert_eq!(conformed.repaired, 3);
    let map = conformed.batch.column(0).as_map();
    assert_eq!(map.keys().as_string::<i32>().value(0), "k\u{fffd}");
    assert_eq!(map.values().as_string::<i32>().value(1), "\u{fffd}");
    assert_eq!(
        conformed
            .batch
            .column(1)
            .as_list::<i32>()
            .values()
            .as_string::<i32>()
            .value(0),
        "\u{fffd}\u{fffd}"
    );
}

#[test]
fn dictionaries_are_unfolded() {
    let values = Arc::new(BinaryArray::from_vec(vec![b"a", b"b"]));
    let keys = arrow_array::Int32Array::from(vec![Some(1), None, Some(0)]);
    let array = arrow_array::DictionaryArray::<Int32Type>::try_new(keys, values).unwrap();
    let schema = Schema::new(vec![Field::new("d", array.data_type().clone(), true)]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(array)]).unwrap();
    let target = target_schema(batch.schema_ref()).unwrap();
    let conformed = conform(batch, &target).unwrap().batch;
    let texts: Vec<_> = conformed.column(0).as_string::<i32>().iter().collect();
    assert_eq!(texts, [Some("b"), None, Some("a")]);
}

#[test]
fn faults_are_named() {
    let batch = streamed(STREAMS[2].1).remove(0);
    let target = target_schema(batch.schema_ref()).unwrap();
    let fewer = batch.project(&[0, 1]).unwrap();
    let error = conform(fewer, &target).unwrap_err().to_string();
    assert!(error.contains("2 columns, 24 expected"), "{error}");
    let mut order: Vec<_> = (0..24).collect();
    order.swap(0, 1);
    let error = conform(batch.project(&order).unwrap(), &target)
        .unwrap_err()
        .to_string();
    assert!(error.contains("\"timestamp\"") && error.contains("\"id\""), "{error}");
    let schema = Schema::new(vec![Field::new("odd", DataType::BinaryView, true)]);
    let error = target_schema(&schema).unwrap_err().to_string();
    assert!(error.contains("\"odd\""), "{error}");
}
