//! Arrow batches to polars frames over the Arrow C data interface: pointers change hands, text is not copied.
//!
//! The only place of the crate with `unsafe`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray as _, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use polars::prelude::{Column, DataFrame, PlSmallStr, Series};

use super::read::texts;
use crate::error::{Error, Result};

const _: () = assert!(size_of::<arrow::ffi::FFI_ArrowArray>() == size_of::<polars_arrow::ffi::ArrowArray>());
const _: () = assert!(size_of::<arrow::ffi::FFI_ArrowSchema>() == size_of::<polars_arrow::ffi::ArrowSchema>());

/// A polars frame of the batch's columns: times as microseconds and days as integers since 1970, lists as text. (The
/// summary only compares them, and polars' own types for them would cost features and build time.)
///
/// # Errors
/// [`Error::Columns`] if polars does not take a column.
pub fn to_polars(batch: &RecordBatch) -> Result<DataFrame> {
    let mut columns: Vec<Column> = Vec::with_capacity(batch.num_columns());
    for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
        let array = match field.data_type() {
            DataType::List(_) => cast(&joined(array)?, &DataType::Utf8View)?,
            DataType::Utf8 => cast(array, &DataType::Utf8View)?,
            DataType::Timestamp(..) => cast(array, &DataType::Int64)?,
            DataType::Date32 => cast(array, &DataType::Int32)?,
            _ => array.clone(),
        };
        let name = PlSmallStr::from_str(field.name());
        let array = import(array.as_ref())?;
        let series = Series::from_arrow(name, array).map_err(|error| Error::Columns(error.to_string()))?;
        columns.push(series.into());
    }
    DataFrame::new(batch.num_rows(), columns).map_err(|error| Error::Columns(error.to_string()))
}

/// A list column as text, its items joined by `, `.
fn joined(array: &ArrayRef) -> Result<ArrayRef> {
    let lists = array.as_list_opt::<i32>().ok_or_else(|| Error::Columns("a list of texts is expected".to_owned()))?;
    let joined = lists.iter().map(|list| list.map(|list| texts(&list).join(", ")));
    Ok(Arc::new(joined.collect::<StringArray>()))
}

#[expect(unsafe_code, reason = "the Arrow C data interface hands pointers over")]
fn import(array: &dyn Array) -> Result<Box<dyn polars_arrow::array::Array>> {
    let (array, schema) = arrow::ffi::to_ffi(&array.to_data())?;
    // SAFETY: both sides declare the structs of the Arrow C data interface, `repr(C)` and of the same size (asserted
    // above). `to_ffi` gives a valid, owned pair; ownership moves with the bits and each is released once, by polars.
    let (array, schema) = unsafe {
        (
            std::mem::transmute::<arrow::ffi::FFI_ArrowArray, polars_arrow::ffi::ArrowArray>(array),
            std::mem::transmute::<arrow::ffi::FFI_ArrowSchema, polars_arrow::ffi::ArrowSchema>(schema),
        )
    };
    // SAFETY: the schema is the one that was exported with the array.
    let imported = unsafe {
        polars_arrow::ffi::import_field_from_c(&schema).and_then(|field| polars_arrow::ffi::import_array_from_c(array, field.dtype))
    };
    imported.map_err(|error| Error::Columns(error.to_string()))
}
