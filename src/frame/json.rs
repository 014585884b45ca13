//! One row of a table as JSON: times as text, lists and maps as they are, what is null left out.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type, TimestampMicrosecondType};
use serde_json::{Map, Value};

use crate::iam::condition::date;

/// The columns of a row that are not null, by name.
pub fn row(batch: &RecordBatch, row: usize) -> Map<String, Value> {
    let schema = batch.schema();
    let cells = schema.fields().iter().zip(batch.columns()).map(|(field, column)| (field.name().clone(), value(column, row)));
    cells.filter(|(_, value)| !value.is_null()).collect()
}

fn value(column: &ArrayRef, row: usize) -> Value {
    if row >= column.len() || column.is_null(row) {
        return Value::Null;
    }
    let list = |values: &ArrayRef| (0..values.len()).map(|at| value(values, at)).collect::<Vec<Value>>();
    match column.data_type() {
        DataType::Utf8 => column.as_string_opt::<i32>().map_or(Value::Null, |texts| texts.value(row).into()),
        DataType::Boolean => column.as_boolean_opt().map_or(Value::Null, |flags| flags.value(row).into()),
        DataType::Int64 => column.as_primitive_opt::<Int64Type>().map_or(Value::Null, |numbers| numbers.value(row).into()),
        DataType::Timestamp(..) => {
            column.as_primitive_opt::<TimestampMicrosecondType>().map_or(Value::Null, |times| date::format(times.value(row)).into())
        }
        DataType::List(_) => column.as_list_opt::<i32>().map_or(Value::Null, |lists| list(&lists.value(row)).into()),
        DataType::Struct(fields) => {
            let Some(values) = column.as_struct_opt() else { return Value::Null };
            let members = fields.iter().zip(values.columns()).map(|(field, column)| (field.name().clone(), value(column, row)));
            Value::Object(members.collect())
        }
        DataType::Map(..) => {
            let Some(entries) = column.as_map_opt().map(|maps| maps.value(row)) else { return Value::Null };
            let Some(keys) = entries.column(0).as_string_opt::<i32>() else { return Value::Null };
            let members = (0..entries.len()).map(|at| (keys.value(at).to_owned(), value(entries.column(1), at)));
            Value::Object(members.collect())
        }
        _ => Value::Null,
    }
}
