//! How a Parquet file lays its columns out: types, encodings, statistics. Pure decisions.

use std::sync::Arc;

use arrow_schema::{DataType, Schema};
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::{Compression, LogicalType, Type as PhysicalType, ZstdLevel};
use parquet::errors::Result;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::{ColumnPath, SchemaDescriptor, Type, TypePtr};

use super::EncodeOptions;

/// How many plain bytes a page holds before it ends, unless one value alone is larger.
pub(super) const PAGE_BYTES: usize = 1 << 20;

/// How many rows a page holds at most.
pub(super) const PAGE_ROWS: usize = 20_000;

/// Statistics keep so many bytes of a string.
pub(super) const STATISTICS_BYTES: usize = 64;

/// Strings that are long or mostly distinct: a dictionary would be built and thrown away.
const DISTINCT: [&str; 12] = [
    "id",
    "trace_id",
    "parent_observation_id",
    "observation_id",
    "execution_trace_id",
    "input",
    "output",
    "status_message",
    "comment",
    "long_string_value",
    "tool_calls",
    "model_parameters",
];

/// Whether a string column is written without a dictionary.
pub(super) fn is_distinct(column: &str) -> bool {
    DISTINCT.contains(&column)
}

/// The Parquet schema of a file: what the Arrow schema maps to, with decimals as fixed-length bytes, as ClickHouse writes them.
pub(super) fn descriptor(schema: &Schema) -> Result<SchemaDescriptor> {
    let converted = ArrowSchemaConverter::new().schema_root("schema").convert(schema)?;
    Ok(SchemaDescriptor::new(fixed_decimals(&converted.root_schema_ptr())?))
}

fn fixed_decimals(node: &TypePtr) -> Result<TypePtr> {
    let info = node.get_basic_info();
    if node.is_group() {
        let fields = node
            .get_fields()
            .iter()
            .map(fixed_decimals)
            .collect::<Result<Vec<_>>>()?;
        let mut group = Type::group_type_builder(node.name())
            .with_converted_type(info.converted_type())
            .with_logical_type(info.logical_type_ref().cloned())
            .with_fields(fields);
        if info.has_repetition() {
            group = group.with_repetition(info.repetition());
        }
        return Ok(Arc::new(group.build()?));
    }
    let Some(LogicalType::Decimal(decimal)) = info.logical_type_ref() else {
        return Ok(Arc::clone(node));
    };
    let (precision, scale) = (decimal.precision, decimal.scale);
    let column = Type::primitive_type_builder(node.name(), PhysicalType::FIXED_LEN_BYTE_ARRAY)
        .with_repetition(info.repetition())
        .with_converted_type(info.converted_type())
        .with_logical_type(info.logical_type_ref().cloned())
        .with_precision(precision)
        .with_scale(scale)
        .with_length(decimal_bytes(precision))
        .build()?;
    Ok(Arc::new(column))
}

/// The fewest bytes that hold every signed number of so many decimal digits.
fn decimal_bytes(precision: i32) -> i32 {
    let bits = f64::from(precision) * std::f64::consts::LOG2_10 + 1.0;
    // At most 76 digits: 32 bytes.
    #[expect(clippy::cast_possible_truncation, reason = "a small positive number")]
    let bytes = (bits / 8.0).ceil() as i32;
    bytes
}

/// The properties of the writer.
pub(super) fn properties(
    schema: &Schema,
    descriptor: &SchemaDescriptor,
    options: &EncodeOptions,
) -> Result<WriterProperties> {
    let metadata = options.metadata.iter();
    let metadata = metadata
        .map(|(key, value)| KeyValue::new(key.clone(), value.clone()))
        .collect();
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("tracemill ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata(Some(metadata))
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(options.level)?))
        .set_data_page_size_limit(PAGE_BYTES)
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_dictionary_enabled(false)
        .set_dictionary_page_size_limit(PAGE_BYTES / 4)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_statistics_truncate_length(Some(STATISTICS_BYTES))
        .set_column_index_truncate_length(Some(STATISTICS_BYTES))
        .set_bloom_filter_enabled(false);
    for column in descriptor.columns() {
        let parts = column.path().parts();
        let nested = parts.len() > 1;
        let is_text = column.physical_type() == PhysicalType::BYTE_ARRAY;
        let is_key = nested && parts.last().is_some_and(|last| last == "key" || last == "element");
        let path = ColumnPath::new(parts.to_vec());
        let dictionary = is_text && !is_distinct(&parts[0]) && (is_key || !nested);
        if dictionary || is_small_number(schema, &parts[0]) {
            properties = properties.set_column_dictionary_enabled(path.clone(), true);
        }
        if nested {
            // Nobody looks for rows by the smallest value of a map, and comparing long values costs time.
            properties = properties.set_column_statistics_enabled(path, EnabledStatistics::None);
        }
    }
    Ok(properties.build())
}

fn is_small_number(schema: &Schema, column: &str) -> bool {
    schema.field_with_name(column).is_ok_and(|field| {
        matches!(
            field.data_type(),
            DataType::UInt8 | DataType::UInt16 | DataType::Int8 | DataType::Int16
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_widths() {
        for (precision, bytes) in [
            (1, 1),
            (2, 1),
            (3, 2),
            (9, 4),
            (10, 5),
            (18, 8),
            (19, 9),
            (38, 16),
            (76, 32),
        ] {
            assert_eq!(decimal_bytes(precision), bytes, "{precision} digits");
        }
    }
}
