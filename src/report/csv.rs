//! `changes.parquet` as CSV: every row and column. Lists are joined by `; `, times are RFC 3339.
//!
//! A text that a spreadsheet would take for a formula begins with an apostrophe, as spreadsheets write texts themselves.

use arrow::array::{Array as _, ArrayRef, AsArray as _};
use arrow::datatypes::{DataType, Int64Type, TimestampMicrosecondType};
use jiff::Timestamp;

use super::Report;
use crate::error::{Error, Result};
use crate::frame::schema::CHANGES;
use crate::frame::{parquet, read};

/// Renders a report.
///
/// # Errors
/// [`Error::Io`] and [`Error::Format`] for a folder that is no report.
pub fn render(report: &Report) -> Result<String> {
    let unwritten = |error: ::csv::Error| Error::Internal(error.to_string());
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(CHANGES.schema.fields().iter().map(|field| field.name())).map_err(unwritten)?;
    parquet::read_each(&report.folder.join("changes.parquet"), None, |batch| {
        for row in 0..batch.num_rows() {
            let cells: Vec<String> = batch.columns().iter().map(|column| cell(column, row)).collect();
            writer.write_record(&cells).map_err(unwritten)?;
        }
        Ok(())
    })?;
    let bytes = writer.into_inner().map_err(|error| Error::Internal(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| Error::Internal(error.to_string()))
}

fn cell(column: &ArrayRef, row: usize) -> String {
    if column.is_null(row) {
        return String::new();
    }
    match column.data_type() {
        DataType::Utf8 => text(column.as_string_opt::<i32>().map(|texts| texts.value(row)).unwrap_or_default()),
        DataType::Int64 => column.as_primitive_opt::<Int64Type>().map(|numbers| numbers.value(row).to_string()).unwrap_or_default(),
        DataType::Timestamp(..) => {
            let time = column.as_primitive_opt::<TimestampMicrosecondType>().map(|times| times.value(row));
            time.and_then(|time| Timestamp::from_microsecond(time).ok()).map(|time| time.to_string()).unwrap_or_default()
        }
        _ => text(&column.as_list_opt::<i32>().map(|lists| read::texts(&lists.value(row)).join("; ")).unwrap_or_default()),
    }
}

fn text(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']);
    if is_formula { format!("'{text}") } else { text.to_owned() }
}
