//! Tables with whole records in a column: as JSON text, as a struct, or as the list of a delivered file.

use arrow::datatypes::Schema;
use serde_json::Value;

use super::{Row, Shape, plain_name};
use crate::cloudtrail::columns::{Columns, Rebuilt, whole_record, without_nulls};
use crate::cloudtrail::holds_record;

pub(super) const SHAPE: Shape = Shape { uses: is_whole, records };

/// A table of any columns, one of which has records as JSON text.
pub(super) const ANY: Shape = Shape { uses: |_| true, records: in_any };

/// The column of delivered files, which hold several.
const LIST: &str = "records";

/// Whether a column may hold whole records.
pub(super) fn is_whole(column: &str) -> bool {
    whole_record(column).is_some() || plain_name(column) == LIST
}

fn records(row: Row, _: &Schema) -> Result<Vec<Rebuilt>, String> {
    let mut cells: Vec<_> = row.into_iter().filter(|(_, cell)| !cell.is_null()).collect();
    cells.sort_by_key(|(name, _)| whole_record(name).unwrap_or(usize::MAX));
    match cells.into_iter().next() {
        Some((_, Value::String(text))) => Ok(vec![Rebuilt { json: text, ..Rebuilt::default() }]),
        Some((_, Value::Array(records))) if !records.is_empty() => Ok(records.into_iter().map(of_struct).collect()),
        Some((_, cell @ Value::Object(_))) => Ok(vec![of_struct(cell)]),
        _ => Err("a row without a record in it".to_owned()),
    }
}

fn in_any(row: Row, _: &Schema) -> Result<Vec<Rebuilt>, String> {
    let record = row.into_iter().find_map(|(_, cell)| match cell {
        Value::String(text) if holds_record(&text) => Some(Rebuilt { json: text, ..Rebuilt::default() }),
        _ => None,
    });
    record.map(|record| vec![record]).ok_or_else(|| "a row without a record in it".to_owned())
}

/// What a struct tells, which may have no place for all that a record has.
fn of_struct(cell: Value) -> Rebuilt {
    match cell {
        Value::Object(members) if members.keys().any(|name| plain_name(name) == "eventname") => {
            Columns(members.into_iter().collect()).rebuilt()
        }
        Value::String(text) => Rebuilt { json: text, ..Rebuilt::default() },
        other => Rebuilt { json: without_nulls(other).to_string(), ..Rebuilt::default() },
    }
}
