//! Report rows into columns: for tables that are small beside the log.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Int64Builder, ListBuilder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::DataType;

use super::schema::Table;
use crate::error::{Error, Result};

/// One value of a row; texts may be borrowed.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    /// Null of any type.
    Null,
    /// Text.
    Text(Cow<'a, str>),
    /// A count.
    Int(i64),
    /// Microseconds since 1970.
    Time(i64),
    /// Days since 1970.
    Day(i32),
    /// A boolean.
    Bool(bool),
    /// A list of texts.
    Texts(Cow<'a, [String]>),
    /// A list of borrowed texts.
    Refs(Vec<&'a str>),
}

impl<'a> Cell<'a> {
    /// Text, or null.
    pub fn text(text: Option<impl Into<Cow<'a, str>>>) -> Self {
        text.map_or(Self::Null, |text| Self::Text(text.into()))
    }

    /// A count.
    pub fn count(count: u64) -> Self {
        Self::Int(i64::try_from(count).unwrap_or(i64::MAX))
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<Vec<String>> for Cell<'_> {
    fn from(texts: Vec<String>) -> Self {
        Self::Texts(Cow::Owned(texts))
    }
}

enum Column {
    Text(StringBuilder),
    Int(Int64Builder),
    Time(TimestampMicrosecondBuilder),
    Day(Date32Builder),
    Bool(BooleanBuilder),
    Texts(ListBuilder<StringBuilder>),
}

/// Builds one table row by row.
pub struct TableBuilder {
    table: &'static Table,
    columns: Vec<Column>,
}

impl TableBuilder {
    /// An empty table.
    ///
    /// # Errors
    /// [`Error::Internal`] for a column type that no report table has.
    pub fn new(table: &'static Table) -> Result<Self> {
        let column = |data_type: &DataType| match data_type {
            DataType::Utf8 => Ok(Column::Text(StringBuilder::new())),
            DataType::Int64 => Ok(Column::Int(Int64Builder::new())),
            DataType::Timestamp(..) => Ok(Column::Time(TimestampMicrosecondBuilder::new().with_data_type(super::schema::timestamp()))),
            DataType::Date32 => Ok(Column::Day(Date32Builder::new())),
            DataType::Boolean => Ok(Column::Bool(BooleanBuilder::new())),
            DataType::List(_) => Ok(Column::Texts(ListBuilder::new(StringBuilder::new()))),
            other => Err(Error::Internal(format!("no builder for {other}"))),
        };
        let columns = table.schema.fields().iter().map(|field| column(field.data_type())).collect::<Result<_>>()?;
        Ok(Self { table, columns })
    }

    /// Adds a row: one cell a column, in the order of the schema.
    ///
    /// # Errors
    /// [`Error::Internal`] if the cells do not fit the columns.
    pub fn push(&mut self, row: Vec<Cell<'_>>) -> Result<()> {
        if row.len() != self.columns.len() {
            return Err(Error::Internal(format!("{} cells for the {} columns of {}", row.len(), self.columns.len(), self.table.name)));
        }
        for ((column, cell), field) in self.columns.iter_mut().zip(row).zip(self.table.schema.fields()) {
            match (column, cell) {
                (Column::Text(builder), Cell::Text(text)) => builder.append_value(text),
                (Column::Text(builder), Cell::Null) => builder.append_null(),
                (Column::Int(builder), Cell::Int(value)) => builder.append_value(value),
                (Column::Int(builder), Cell::Null) => builder.append_null(),
                (Column::Time(builder), Cell::Time(value)) => builder.append_value(value),
                (Column::Time(builder), Cell::Null) => builder.append_null(),
                (Column::Day(builder), Cell::Day(value)) => builder.append_value(value),
                (Column::Day(builder), Cell::Null) => builder.append_null(),
                (Column::Bool(builder), Cell::Bool(value)) => builder.append_value(value),
                (Column::Bool(builder), Cell::Null) => builder.append_null(),
                (Column::Texts(builder), Cell::Texts(texts)) => builder.append_value(texts.iter().map(Some)),
                (Column::Texts(builder), Cell::Refs(texts)) => builder.append_value(texts.into_iter().map(Some)),
                (Column::Texts(builder), Cell::Null) => builder.append_null(),
                (_, cell) => return Err(Error::Internal(format!("{cell:?} in column `{}` of {}", field.name(), self.table.name))),
            }
        }
        Ok(())
    }

    /// The table.
    ///
    /// # Errors
    /// [`Error::Columns`] if Arrow refuses, which would be a defect.
    pub fn finish(self) -> Result<RecordBatch> {
        let array = |column: Column| -> ArrayRef {
            match column {
                Column::Text(mut builder) => Arc::new(builder.finish()),
                Column::Int(mut builder) => Arc::new(builder.finish()),
                Column::Time(mut builder) => Arc::new(builder.finish()),
                Column::Day(mut builder) => Arc::new(builder.finish()),
                Column::Bool(mut builder) => Arc::new(builder.finish()),
                Column::Texts(mut builder) => Arc::new(builder.finish()),
            }
        };
        let columns = self.columns.into_iter().map(array).collect();
        Ok(RecordBatch::try_new(Arc::clone(&self.table.schema), columns)?)
    }
}
