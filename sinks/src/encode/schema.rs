//! From the Arrow types that ClickHouse streams to those of the files.
//!
//! ClickHouse streams strings as `Binary`; its own Parquet files call them strings. Times are instants in UTC, list elements and
//! map entries have the names that the Parquet format gives them; nullability stays as it came.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{Array, ArrayRef, ListArray, MapArray, RecordBatch, RecordBatchOptions, StructArray};
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};

use super::utf8;
use crate::SinkError;

/// A batch in the types of the file.
#[derive(Debug, Clone)]
pub struct Conformed {
    /// The rows.
    pub batch: RecordBatch,
    /// How many string values were not UTF-8 and were repaired with U+FFFD.
    pub repaired: u64,
}

/// The schema of a file whose rows come with `source`.
///
/// # Errors
///
/// [`SinkError::Encode`] for a type that no table of ours has (unions, views, run-end encoding).
pub fn target_schema(source: &Schema) -> Result<SchemaRef, SinkError> {
    let fields: Vec<Field> = source
        .fields()
        .iter()
        .map(|field| target_field(field, field.name()))
        .collect::<Result<_, _>>()?;
    Ok(Arc::new(Schema::new(fields)))
}

fn target_field(field: &Field, name: &str) -> Result<Field, SinkError> {
    Ok(Field::new(
        name,
        target_type(field.name(), field.data_type())?,
        field.is_nullable(),
    ))
}

fn target_type(column: &str, source: &DataType) -> Result<DataType, SinkError> {
    Ok(match source {
        DataType::Binary => DataType::Utf8,
        DataType::LargeBinary => DataType::LargeUtf8,
        DataType::Timestamp(unit, _) => DataType::Timestamp(*unit, Some("UTC".into())),
        DataType::Dictionary(_, values) => target_type(column, values)?,
        DataType::List(item) => DataType::List(Arc::new(target_field(item, "element")?)),
        DataType::Struct(fields) => DataType::Struct(
            fields
                .iter()
                .map(|field| target_field(field, field.name()))
                .collect::<Result<_, _>>()?,
        ),
        DataType::Map(entries, sorted) => {
            let DataType::Struct(fields) = entries.data_type() else {
                return Err(unsupported(column, source));
            };
            let [key, value] = &fields[..] else {
                return Err(unsupported(column, source));
            };
            let fields = vec![
                target_field(key, "key")?.with_nullable(false),
                target_field(value, "value")?,
            ];
            DataType::Map(
                Arc::new(Field::new("key_value", DataType::Struct(fields.into()), false)),
                *sorted,
            )
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Boolean | DataType::Date32 | DataType::FixedSizeBinary(_) => {
            source.clone()
        }
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => source.clone(),
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => source.clone(),
        DataType::Float32 | DataType::Float64 | DataType::Decimal128(..) | DataType::Decimal256(..) => source.clone(),
        other => return Err(unsupported(column, other)),
    })
}

fn unsupported(column: &str, data_type: &DataType) -> SinkError {
    SinkError::Encode {
        format: "arrow",
        reason: format!("column {column:?} has the type {data_type}, which has no form in the files"),
    }
}

/// The same rows with the types of `target`, without copying where the bytes may stay as they are.
///
/// # Errors
///
/// [`SinkError::Encode`] when the batch is not one of the source that `target` was made for, or has a null where there
/// may be none.
pub fn conform(batch: RecordBatch, target: &SchemaRef) -> Result<Conformed, SinkError> {
    if batch.schema_ref() == target {
        return Ok(Conformed { batch, repaired: 0 });
    }
    if batch.num_columns() != target.fields().len() {
        return Err(mismatch(format!(
            "{} columns, {} expected",
            batch.num_columns(),
            target.fields().len()
        )));
    }
    let mut repaired = 0;
    let rows = batch.num_rows();
    let mut columns = Vec::with_capacity(batch.num_columns());
    for ((source, field), array) in batch
        .schema_ref()
        .fields()
        .iter()
        .zip(target.fields())
        .zip(batch.columns())
    {
        if source.name() != field.name() {
            return Err(mismatch(format!(
                "column {:?} where {:?} is expected",
                source.name(),
                field.name()
            )));
        }
        columns.push(conform_array(array, field, &mut repaired)?);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let batch = RecordBatch::try_new_with_options(Arc::clone(target), columns, &options).map_err(mismatch)?;
    Ok(Conformed { batch, repaired })
}

fn mismatch(reason: impl std::fmt::Display) -> SinkError {
    SinkError::Encode {
        format: "arrow",
        reason: format!("the batch has not the schema of the file: {reason}"),
    }
}

fn conform_array(array: &ArrayRef, field: &FieldRef, repaired: &mut u64) -> Result<ArrayRef, SinkError> {
    if array.data_type() == field.data_type() {
        return Ok(Arc::clone(array));
    }
    Ok(match (array.data_type(), field.data_type()) {
        (DataType::Binary, DataType::Utf8) => {
            let (text, count) = utf8::to_text(array.as_binary::<i32>());
            *repaired += count;
            Arc::new(text)
        }
        (DataType::LargeBinary, DataType::LargeUtf8) => {
            let (text, count) = utf8::to_text(array.as_binary::<i64>());
            *repaired += count;
            Arc::new(text)
        }
        (DataType::Timestamp(from, _), DataType::Timestamp(to, Some(zone))) if from == to => {
            in_zone(array, *from, zone)
        }
        (DataType::Dictionary(_, _), _) => {
            let dictionary = array.as_any_dictionary();
            let plain = arrow_select::take::take(dictionary.values(), dictionary.keys(), None).map_err(mismatch)?;
            conform_array(&plain, field, repaired)?
        }
        (DataType::List(_), DataType::List(item)) => {
            let (_, offsets, values, nulls) = array.as_list::<i32>().clone().into_parts();
            let values = conform_array(&values, item, repaired)?;
            Arc::new(ListArray::try_new(Arc::clone(item), offsets, values, nulls).map_err(mismatch)?)
        }
        (DataType::Struct(_), DataType::Struct(_)) => Arc::new(conform_struct(array.as_struct(), field, repaired)?),
        (DataType::Map(_, _), DataType::Map(entries, _)) => {
            let (_, offsets, values, nulls, sorted) = array.as_map().clone().into_parts();
            let values = conform_struct(&values, entries, repaired)?;
            Arc::new(MapArray::try_new(Arc::clone(entries), offsets, values, nulls, sorted).map_err(mismatch)?)
        }
        (from, to) => {
            return Err(mismatch(format!(
                "column {:?} is {from}, {to} is expected",
                field.name()
            )));
        }
    })
}

fn conform_struct(array: &StructArray, field: &Field, repaired: &mut u64) -> Result<StructArray, SinkError> {
    let DataType::Struct(fields) = field.data_type() else {
        return Err(mismatch(format!(
            "{:?} is a struct, {} is expected",
            field.name(),
            field.data_type()
        )));
    };
    let (_, columns, nulls) = array.clone().into_parts();
    if columns.len() != fields.len() {
        return Err(mismatch(format!(
            "{:?} has {} fields, {} expected",
            field.name(),
            columns.len(),
            fields.len()
        )));
    }
    let columns = columns
        .iter()
        .zip(fields)
        .map(|(column, field)| conform_array(column, field, repaired))
        .collect::<Result<Vec<_>, _>>()?;
    StructArray::try_new_with_length(fields.clone(), columns, nulls, array.len()).map_err(mismatch)
}

fn in_zone(array: &ArrayRef, unit: TimeUnit, zone: &Arc<str>) -> ArrayRef {
    let zone = Arc::clone(zone);
    match unit {
        TimeUnit::Second => Arc::new(array.as_primitive::<TimestampSecondType>().clone().with_timezone(zone)),
        TimeUnit::Millisecond => Arc::new(
            array
                .as_primitive::<TimestampMillisecondType>()
                .clone()
                .with_timezone(zone),
        ),
        TimeUnit::Microsecond => Arc::new(
            array
                .as_primitive::<TimestampMicrosecondType>()
                .clone()
                .with_timezone(zone),
        ),
        TimeUnit::Nanosecond => Arc::new(
            array
                .as_primitive::<TimestampNanosecondType>()
                .clone()
                .with_timezone(zone),
        ),
    }
}

#[cfg(test)]
mod tests;
