//! Tables with whole records in a column: as JSON text, as a struct, or as the list of a delivered file.

use arrow::datatypes::Schema;
use serde_json::Value;

use super::{Row, Shape, plain_name};
use crate::cloudtrail::columns::{Columns, Rebuilt, without_nulls};

pub(super) const SHAPE: Shape = Shape { uses: is_whole, records };

/// Columns that hold records, best first.
const WHOLE: [&str; 8] = ["eventjson", "cloudtrailevent", "eventdata", "raw", "record", "records", "detail", "message"];

/// Whether a column may hold whole records.
pub(super) fn is_whole(column: &str) -> bool {
    WHOLE.contains(&plain_name(column).trim_start_matches('@'))
}

fn records(row: Row, _: &Schema) -> Result<Vec<Rebuilt>, String> {
    let place = |name: &str| WHOLE.iter().position(|whole| *whole == plain_name(name).trim_start_matches('@'));
    let mut cells: Vec<_> = row.into_iter().filter(|(_, cell)| !cell.is_null()).collect();
    cells.sort_by_key(|(name, _)| place(name));
    match cells.into_iter().next() {
        Some((_, Value::String(text))) => Ok(vec![Rebuilt { json: text, ..Rebuilt::default() }]),
        Some((_, Value::Array(records))) if !records.is_empty() => Ok(records.into_iter().map(of_struct).collect()),
        Some((_, cell @ Value::Object(_))) => Ok(vec![of_struct(cell)]),
        _ => Err("a row without a record in it".to_owned()),
    }
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
