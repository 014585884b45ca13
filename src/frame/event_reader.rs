//! Reads the files of the events dataset, each column as often as it says something new: columns of callers once for each
//! caller, columns of calls once for each call ([`Grain`]).

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Field, Schema, UInt32Type};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

use super::chunk_reader::ChunkReader;
use super::chunk_values::Rows;
use super::footer;
use super::grain::{self, Grain};
use super::row_group::RowGroupBytes;
use super::schema::EVENTS;
use crate::error::{Error, Result};

/// The events of a row group.
#[derive(Debug, Clone)]
pub struct EventRows {
    /// The columns of events, row by row.
    pub events: RecordBatch,
    /// The columns of callers and calls, each by number.
    groups: [Group; 2],
}

/// The callers, or the calls, of some events.
#[derive(Debug, Clone, Default)]
struct Group {
    batch: Option<RecordBatch>,
    /// The number of each row.
    numbers: Vec<u32>,
    /// The first row of each number.
    firsts: Vec<u32>,
}

impl EventRows {
    /// Events of which each is a caller and a call of its own.
    pub fn each(events: RecordBatch) -> Self {
        let numbers: Vec<u32> = (0..).take(events.num_rows()).collect();
        let group = Group { batch: Some(events.clone()), firsts: numbers.clone(), numbers };
        Self { events, groups: [group.clone(), group] }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.events.num_rows()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The batch with the columns of a grain: a row for each event, or for each number.
    pub fn batch(&self, grain: Grain) -> &RecordBatch {
        self.group(grain).and_then(|group| group.batch.as_ref()).unwrap_or(&self.events)
    }

    /// The number of each event; none if no column of the grain was read.
    pub fn numbers(&self, grain: Grain) -> &[u32] {
        self.group(grain).map(|group| group.numbers.as_slice()).unwrap_or_default()
    }

    /// The first event of each number.
    pub fn firsts(&self, grain: Grain) -> &[u32] {
        self.group(grain).map(|group| group.firsts.as_slice()).unwrap_or_default()
    }

    fn group(&self, grain: Grain) -> Option<&Group> {
        let at = Grain::NUMBERS.iter().position(|(other, _)| *other == grain)?;
        self.groups.get(at)
    }
}

/// Reads event files, one after the other.
pub struct EventReader {
    chunks: ChunkReader,
    bytes: RowGroupBytes,
}

impl EventReader {
    /// A reader.
    ///
    /// # Errors
    /// [`Error::Columns`] if there is no memory for it.
    pub fn new() -> Result<Self> {
        Ok(Self { chunks: ChunkReader::new()?, bytes: RowGroupBytes::default() })
    }

    /// Hands some columns of a file, row group by row group, to `each`, texts as codes ([`super::Texts`]) where they stand so
    /// in the file.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Format`] for a file that is not Parquet, [`Error::Columns`] for one without a column, and those of
    /// `each`.
    pub fn read(&mut self, path: &Path, columns: &[&str], mut each: impl FnMut(EventRows) -> Result<()>) -> Result<()> {
        let file = File::open(path).map_err(|error| Error::io("read", path, error))?;
        let unfit = |error: ParquetError| Error::format(path, format!("is not a Parquet file that can be read: {error}"));
        let damaged = |error: ParquetError| Error::format(path, format!("is damaged: {error}"));
        let metadata = Arc::new(footer::read(&file).map_err(unfit)?);
        for group in 0..metadata.num_row_groups() {
            let group = RowGroup { file: &file, metadata: &metadata, group };
            each(self.read_group(&group, columns).map_err(damaged)?)?;
        }
        Ok(())
    }

    fn read_group(&mut self, group: &RowGroup<'_>, columns: &[&str]) -> Result<EventRows, ParquetError> {
        let rows = group.rows();
        let of = |grain: Grain| columns.iter().copied().filter(move |column| Grain::of(column) == grain);
        let is_number = |name: &str| Grain::NUMBERS.iter().any(|(grain, number)| *number == name && of(*grain).next().is_some());
        let is_wanted = |name: &String| columns.contains(&name.as_str()) || is_number(name);
        let wanted = group.all_chunks().filter(|chunk| chunk.column_path().parts().first().is_some_and(is_wanted));
        self.bytes.read(group.file, wanted)?;
        let events = self.batch(group, of(Grain::Event), Rows { all: rows, wanted: None })?;
        let mut groups: [Group; 2] = Default::default();
        for (found, (grain, name)) in groups.iter_mut().zip(Grain::NUMBERS) {
            if of(grain).next().is_none() {
                continue;
            }
            found.numbers = self.numbers(group, name)?;
            let miscounted = |number| ParquetError::General(format!("`{name}` holds {number}, which does not count its rows"));
            found.firsts = grain::firsts(&found.numbers).map_err(miscounted)?;
            found.batch = Some(self.batch(group, of(grain), Rows { all: rows, wanted: Some(&found.firsts) })?);
        }
        Ok(EventRows { events, groups })
    }

    /// A column of numbers of callers or calls.
    fn numbers(&mut self, group: &RowGroup<'_>, name: &str) -> Result<Vec<u32>, ParquetError> {
        let rows = Rows { all: group.rows(), wanted: None };
        let [chunk] = group.chunks(name)[..] else {
            return Err(ParquetError::General(format!("it has no column `{name}`: load the logs again")));
        };
        let column = match self.chunks.read(&self.bytes, chunk, &DataType::UInt32, rows)? {
            Some(column) => column,
            None => cast(&group.read_otherwise(name, rows)?, &DataType::UInt32)?,
        };
        let numbers = column.as_primitive_opt::<UInt32Type>().filter(|numbers| numbers.null_count() == 0);
        Ok(numbers.ok_or_else(|| ParquetError::General(format!("`{name}` is not a number in each row")))?.values().to_vec())
    }

    /// Columns of the rows that are wanted.
    fn batch<'c>(
        &mut self,
        group: &RowGroup<'_>,
        columns: impl Iterator<Item = &'c str>,
        rows: Rows<'_>,
    ) -> Result<RecordBatch, ParquetError> {
        let (mut fields, mut arrays) = (Vec::new(), Vec::new());
        for name in columns {
            let array = self.column(group, name, rows)?;
            fields.push(Field::new(name, array.data_type().clone(), true));
            arrays.push(array);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.wanted.map_or(rows.all, <[u32]>::len)));
        Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)?)
    }

    fn column(&mut self, group: &RowGroup<'_>, name: &str, rows: Rows<'_>) -> Result<ArrayRef, ParquetError> {
        let chunks = group.chunks(name);
        let kind = EVENTS.schema.field_with_name(name)?.data_type();
        let read = match (kind, chunks.as_slice()) {
            (_, []) => return Err(ParquetError::General(format!("it has no column `{name}`: load the logs again"))),
            (DataType::List(item), chunks) => self.chunks.read_lists(&self.bytes, chunks, item, rows)?,
            (DataType::Map(entry, _), chunks) => self.chunks.read_maps(&self.bytes, chunks, entry, rows)?,
            (kind, [chunk]) => self.chunks.read(&self.bytes, chunk, kind, rows)?,
            _ => None,
        };
        read.map_or_else(|| group.read_otherwise(name, rows), Ok)
    }
}

/// A row group of a file.
struct RowGroup<'f> {
    file: &'f File,
    metadata: &'f Arc<ParquetMetaData>,
    group: usize,
}

impl RowGroup<'_> {
    fn rows(&self) -> usize {
        usize::try_from(self.metadata.row_group(self.group).num_rows()).unwrap_or_default()
    }

    /// The chunks of a column.
    fn chunks(&self, name: &str) -> Vec<&ColumnChunkMetaData> {
        self.all_chunks().filter(|chunk| chunk.column_path().parts().first().is_some_and(|first| first == name)).collect()
    }

    fn all_chunks(&self) -> impl Iterator<Item = &ColumnChunkMetaData> {
        self.metadata.row_group(self.group).columns().iter()
    }

    /// A column by the reader of the parquet crate.
    fn read_otherwise(&self, name: &str, rows: Rows<'_>) -> Result<ArrayRef, ParquetError> {
        let metadata = ArrowReaderMetadata::try_new(Arc::clone(self.metadata), ArrowReaderOptions::new())?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(self.file.try_clone()?, metadata);
        let mask = ProjectionMask::columns(builder.parquet_schema(), [name]);
        let mut reader = builder.with_row_groups(vec![self.group]).with_projection(mask).with_batch_size(rows.all).build()?;
        let missing = || ParquetError::EOF(format!("a row group without `{name}`"));
        let batch = reader.next().ok_or_else(missing)??;
        let column = batch.columns().first().ok_or_else(missing)?;
        match rows.wanted {
            None => Ok(Arc::clone(column)),
            Some(wanted) => Ok(take(column, &UInt32Array::from(wanted.to_vec()), None)?),
        }
    }
}
