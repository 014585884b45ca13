//! Tables in the shape of the records themselves, as Athena, Glue, Spark and DataFrames write them: a column for each
//! member, in lower case or otherwise, objects as structs, as JSON text or as a column for each of their members.

use arrow::datatypes::{DataType, Schema};
use serde_json::Value;

use super::{Row, Shape};
use crate::cloudtrail::columns::{Columns, Rebuilt, is_column, unquoted};

pub(super) const SHAPE: Shape = Shape { uses: is_column, records };

fn records(row: Row, schema: &Schema) -> Result<Vec<Rebuilt>, String> {
    // A map has every member that the record has, where a struct has those of its type.
    let is_map = |name: &str| schema.column_with_name(name).is_some_and(|(_, field)| matches!(field.data_type(), DataType::Map(..)));
    let cells = row.into_iter().map(|(name, cell)| {
        let cell = if cell.is_object() && is_map(&name) { Value::String(unquoted(&name, cell).to_string()) } else { cell };
        (name, cell)
    });
    Ok(vec![Columns(cells.collect()).rebuilt()])
}
