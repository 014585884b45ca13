//! Typed access to the columns of a batch.

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Int64Array, ListArray, MapArray, RecordBatch, StringArray, StructArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::TimestampMicrosecondType;

use crate::error::{Error, Result};

/// A text column.
///
/// # Errors
/// [`Error::Columns`] if the batch has no such column of that type.
pub fn text<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b StringArray> {
    column(batch, name)?.as_string_opt::<i32>().ok_or_else(|| unfit(name, "text"))
}

/// A column of counts.
///
/// # Errors
/// As [`text`].
pub fn int<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b Int64Array> {
    column(batch, name)?.as_any().downcast_ref().ok_or_else(|| unfit(name, "int64"))
}

/// A boolean column.
///
/// # Errors
/// As [`text`].
pub fn flag<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b BooleanArray> {
    column(batch, name)?.as_boolean_opt().ok_or_else(|| unfit(name, "boolean"))
}

/// A time column in microseconds.
///
/// # Errors
/// As [`text`].
pub fn time<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b TimestampMicrosecondArray> {
    column(batch, name)?.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(|| unfit(name, "timestamp[us]"))
}

/// A column of days since 1970.
///
/// # Errors
/// As [`text`].
pub fn day<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b Date32Array> {
    column(batch, name)?.as_any().downcast_ref().ok_or_else(|| unfit(name, "date32"))
}

/// A list column.
///
/// # Errors
/// As [`text`].
pub fn list<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b ListArray> {
    column(batch, name)?.as_list_opt::<i32>().ok_or_else(|| unfit(name, "list"))
}

/// A map column.
///
/// # Errors
/// As [`text`].
pub fn map<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b MapArray> {
    column(batch, name)?.as_map_opt().ok_or_else(|| unfit(name, "map"))
}

/// The texts of one value of a list of texts.
pub fn texts(values: &ArrayRef) -> Vec<String> {
    values.as_string_opt::<i32>().map(|texts| texts.iter().flatten().map(str::to_owned).collect()).unwrap_or_default()
}

/// A text field of a struct value's column.
pub fn field<'s>(values: &'s StructArray, name: &str) -> Option<&'s StringArray> {
    values.column_by_name(name)?.as_string_opt::<i32>()
}

/// A value of a text column.
pub fn get(column: &StringArray, row: usize) -> Option<&str> {
    (row < column.len() && column.is_valid(row)).then(|| column.value(row))
}

/// A column.
///
/// # Errors
/// [`Error::Columns`] if the batch has none of that name.
pub(super) fn column<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b ArrayRef> {
    batch
        .column_by_name(name)
        .ok_or_else(|| Error::Columns(format!("column `{name}` is missing: was the file written by an older version? load the logs again")))
}

fn unfit(name: &str, wanted: &str) -> Error {
    Error::Columns(format!("column `{name}` is not {wanted}"))
}
