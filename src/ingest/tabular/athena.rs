//! Tables in the shape of the records themselves, as Athena, Glue, Spark and DataFrames write them: a column for each
//! member, in lower case or otherwise, objects as structs, as JSON text or as a column for each of their members.

use arrow::datatypes::Schema;

use super::{Row, Shape};
use crate::cloudtrail::columns::{Columns, Rebuilt, is_column};

pub(super) const SHAPE: Shape = Shape { uses: is_column, record };

fn record(row: Row, _: &Schema) -> Result<Rebuilt, String> {
    Ok(Columns(row.into_iter().collect()).rebuilt())
}
