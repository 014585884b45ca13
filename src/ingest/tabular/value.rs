//! A cell of a column as JSON.

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::datatypes::{
    ArrowTimestampType, DataType, Float32Type, Float64Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};
use arrow::util::display::array_value_to_string;
use serde_json::{Map, Value};

/// A cell; `None` for null. Structs have all members, also those that are null, and every number, date and the like is a
/// text: readers of records take scalars in any form.
pub(super) fn cell(column: &ArrayRef, row: usize) -> Option<Value> {
    if row >= column.len() || column.is_null(row) {
        return None;
    }
    Some(match column.data_type() {
        DataType::Utf8 => column.as_string_opt::<i32>()?.value(row).into(),
        DataType::LargeUtf8 => column.as_string_opt::<i64>()?.value(row).into(),
        // Older writers do not say that bytes are text.
        DataType::Binary => String::from_utf8_lossy(column.as_binary_opt::<i32>()?.value(row)).into(),
        DataType::LargeBinary => String::from_utf8_lossy(column.as_binary_opt::<i64>()?.value(row)).into(),
        DataType::FixedSizeBinary(16) => uuid(column.as_fixed_size_binary_opt()?.value(row)).into(),
        DataType::Float64 => number(column.as_primitive_opt::<Float64Type>()?.value(row)).into(),
        DataType::Float32 => number(column.as_primitive_opt::<Float32Type>()?.value(row).into()).into(),
        DataType::Boolean => column.as_boolean_opt()?.value(row).into(),
        DataType::Timestamp(unit, _) => instant(column, row, *unit)?.into(),
        DataType::Struct(_) => {
            let values = column.as_struct_opt()?;
            let members = values.fields().iter().zip(values.columns());
            members.map(|(field, column)| (field.name().clone(), cell(column, row).unwrap_or_default())).collect::<Map<_, _>>().into()
        }
        DataType::List(_) => list(&column.as_list_opt::<i32>()?.value(row)),
        DataType::LargeList(_) => list(&column.as_list_opt::<i64>()?.value(row)),
        DataType::Map(..) => {
            let entries = column.as_map_opt()?.value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            let members = (0..entries.len()).filter_map(|entry| match cell(keys, entry)? {
                Value::String(key) => Some((key, cell(values, entry)?)),
                _ => None,
            });
            members.collect::<Map<_, _>>().into()
        }
        _ => array_value_to_string(column, row).ok()?.into(),
    })
}

/// Ids, as every other form of the logs has them.
fn uuid(bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| hex.get(part).unwrap_or_default());
    parts.join("-")
}

/// A number that stands for digits, as an account id, is not printed as a fraction.
fn number(number: f64) -> String {
    /// Whole numbers up to here are exact.
    const EXACT: f64 = 9e15;
    if number.fract() == 0.0 && number.abs() < EXACT { format!("{number:.0}") } else { number.to_string() }
}

fn list(values: &ArrayRef) -> Value {
    (0..values.len()).map(|element| cell(values, element).unwrap_or_default()).collect::<Vec<_>>().into()
}

/// In ISO 8601; a time without zone is UTC, as CloudTrail's are. A time out of range is its number, so that the record is
/// skipped with that reason.
fn instant(column: &ArrayRef, row: usize, unit: TimeUnit) -> Option<String> {
    fn value<T: ArrowTimestampType>(column: &ArrayRef, row: usize) -> Option<i64> {
        column.as_any().downcast_ref::<PrimitiveArray<T>>().map(|times| times.value(row))
    }
    let (number, instant) = match unit {
        TimeUnit::Second => value::<TimestampSecondType>(column, row).map(|s| (s, jiff::Timestamp::from_second(s)))?,
        TimeUnit::Millisecond => value::<TimestampMillisecondType>(column, row).map(|ms| (ms, jiff::Timestamp::from_millisecond(ms)))?,
        TimeUnit::Microsecond => value::<TimestampMicrosecondType>(column, row).map(|us| (us, jiff::Timestamp::from_microsecond(us)))?,
        TimeUnit::Nanosecond => {
            value::<TimestampNanosecondType>(column, row).map(|ns| (ns, jiff::Timestamp::from_nanosecond(ns.into())))?
        }
    };
    Some(instant.map_or_else(|_| number.to_string(), |instant| instant.to_string()))
}
