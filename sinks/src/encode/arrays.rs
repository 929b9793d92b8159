//! The plain size of arrays: what their values take, without what their buffers hold beyond.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;

/// Plain bytes of a batch.
pub(super) fn batch_bytes(batch: &RecordBatch) -> u64 {
    batch.columns().iter().map(|column| array_bytes(column)).sum()
}

/// Plain bytes of an array: values and lengths.
pub(super) fn array_bytes(array: &dyn Array) -> u64 {
    let count = array.len() as u64;
    match array.data_type() {
        DataType::Utf8 => span(array.as_string::<i32>().value_offsets()) + 4 * count,
        DataType::Binary => span(array.as_binary::<i32>().value_offsets()) + 4 * count,
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            4 * count + child_bytes(list.values(), list.value_offsets())
        }
        DataType::Map(_, _) => {
            let map = array.as_map();
            4 * count + child_bytes(map.keys(), map.value_offsets()) + child_bytes(map.values(), map.value_offsets())
        }
        DataType::Boolean => count.div_ceil(8),
        other => match other.primitive_width() {
            Some(width) => width as u64 * count,
            None => array.to_data().get_slice_memory_size().map_or(0, |bytes| bytes as u64),
        },
    }
}

fn span(offsets: &[i32]) -> u64 {
    match (offsets.first(), offsets.last()) {
        (Some(first), Some(last)) => u64::from(last.abs_diff(*first)),
        _ => 0,
    }
}

fn child_bytes(child: &ArrayRef, offsets: &[i32]) -> u64 {
    let start = offsets.first().map_or(0, |first| first.unsigned_abs() as usize);
    match usize::try_from(span(offsets)) {
        Ok(0) | Err(_) => 0,
        Ok(count) => array_bytes(&child.slice(start, count)),
    }
}

/// How many of the first rows have together at most `room` plain bytes.
pub(super) fn rows_within(batch: &RecordBatch, room: u64) -> usize {
    let (mut low, mut high) = (0, batch.num_rows());
    // The sizes of prefixes grow with their rows, so the answer is found by bisection: few steps, once per row group.
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if batch_bytes(&batch.slice(0, middle)) <= room {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}
