//! Writes Parquet files of rows that are taken out of batches here and there.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray as _, ListArray, RecordBatch};
use arrow::compute::concat;
use arrow::datatypes::{DataType, Field, Fields, Schema};
use parquet::arrow::ArrowSchemaConverter;
use parquet::errors::Result as ParquetResult;
use parquet::file::properties::{EnabledStatistics, WriterPropertiesPtr};
use parquet::schema::types::{SchemaDescPtr, SchemaDescriptor};

use super::chunk::{Compressor, Pages, Stored};
use super::chunk_file::ChunkFile;
use super::leaf::Column;
use super::parquet::{create_private, properties, put, write_error, zstd_level};
use super::places::{Place, Taken};
use super::schema::Table;
use super::texts::{CodedBuilder, Recoding};
use crate::error::{Error, Result};

/// Some columns of rows: batches, and where the rows stand in them.
pub type Part<'p> = (&'p [&'p RecordBatch], &'p [Place]);

/// The most rows of a row group.
pub(super) const GROUP_ROWS: usize = 131_072;

/// How many bytes are written at once: most files of a day take one call.
const WRITE_BYTES: usize = 256 << 10;

/// What all files of a table have in common.
pub(super) struct Files {
    schema: SchemaDescPtr,
    properties: WriterPropertiesPtr,
}

impl Files {
    /// Those of a table.
    pub(super) fn of(table: &Table) -> Result<Self> {
        let schema = ArrowSchemaConverter::new().convert(&table.schema)?;
        let schema = SchemaDescriptor::new(schema.root_schema_ptr());
        Ok(Self { schema: Arc::new(schema), properties: Arc::new(properties(table)?) })
    }
}

/// Writes one file, row group by row group: beside it first, then renamed, so that a file is whole or not there. Texts
/// that stand in several rows stay codes from the rows that come in to the pages.
pub(super) struct RowsWriter {
    path: PathBuf,
    temporary: PathBuf,
    file: ChunkFile<BufWriter<File>>,
    room: Room,
    rows: usize,
}

/// What the rows of a file are collected in. The next file with the same columns can use it again.
pub(super) struct Room {
    zstd: Compressor,
    columns: Vec<Column>,
    recoding: Recoding,
    /// The most rows that it has held.
    most: usize,
}

impl Room {
    /// The most rows of which the memory is kept for another file.
    pub(super) const KEPT: usize = 16_384;

    /// For columns of such fields, with how they are stored.
    ///
    /// # Errors
    /// [`Error::Columns`].
    pub(super) fn new(fields: &Fields, stored: impl Fn(&Field) -> Stored) -> Result<Self> {
        let columns = fields.iter().map(|field| Column::new(field, stored(field))).collect::<Result<_>>()?;
        Ok(Self { zstd: Compressor::new(zstd_level()?)?, columns, recoding: Recoding::default(), most: 0 })
    }

    /// The same, unless it has grown large.
    pub(super) fn kept(self) -> Option<Self> {
        Some(self).filter(|room| room.most <= Self::KEPT)
    }
}

impl RowsWriter {
    /// Begins a file. The room is that of the columns that rows are pushed to.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Columns`].
    pub(super) fn create(path: &Path, files: &Files, room: Room) -> Result<Self> {
        let temporary = path.with_extension("parquet.part");
        let file = BufWriter::with_capacity(WRITE_BYTES, create_private(&temporary)?);
        Ok(Self {
            path: path.to_path_buf(),
            file: ChunkFile::new(file, Arc::clone(&files.schema), Arc::clone(&files.properties))?,
            temporary,
            room,
            rows: 0,
        })
    }

    /// Rows of the row group at hand.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Its columns.
    pub(super) fn columns(&self) -> &[Column] {
        &self.room.columns
    }

    /// Adds rows. Each part has some of the columns, in order: batches, and where the rows stand in them, as many as in the other
    /// parts. `full` ends a row group that is full.
    ///
    /// # Errors
    /// [`Error::Columns`], and those of `full`.
    pub(super) fn push(&mut self, parts: &[Part<'_>], mut full: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        let rows = parts.first().map_or(0, |(_, places)| places.len());
        if parts.iter().any(|(_, places)| places.len() != rows) {
            return Err(Error::Internal(format!("parts of rows for {}", self.path.display())));
        }
        let mut done = 0;
        while done < rows {
            let end = rows.min(done + GROUP_ROWS - self.rows);
            let these = parts.iter().map(|(batches, places)| (*batches, places.get(done..end).unwrap_or_default()));
            self.gather(these)?;
            self.rows += end - done;
            self.room.most = self.room.most.max(self.rows);
            done = end;
            if self.rows == GROUP_ROWS {
                full(self)?;
            }
        }
        Ok(())
    }

    fn gather<'p>(&mut self, parts: impl Iterator<Item = Part<'p>>) -> Result<()> {
        let Room { zstd, columns, recoding, .. } = &mut self.room;
        let mut columns = columns.iter_mut();
        for (batches, places) in parts {
            let places = Taken::new(places, batches.len())?;
            let of_part = batches.iter().map(|batch| batch.num_columns()).max().unwrap_or_default();
            for (at, column) in (0..of_part).zip(&mut columns) {
                let arrays: Vec<&ArrayRef> = batches.iter().filter_map(|batch| batch.columns().get(at)).collect();
                column.gather(&arrays, &places, recoding, zstd)?;
            }
        }
        match columns.next() {
            Some(_) => Err(Error::Internal(format!("rows for {} lack columns", self.path.display()))),
            None => Ok(()),
        }
    }

    /// Ends the row group: its last columns are `numbers`, which count from 0.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Columns`].
    pub(super) fn end_group(&mut self, numbers: &[Vec<u32>]) -> Result<()> {
        let written = self.write_group(numbers);
        written.map_err(|error| write_error(&self.path, error))?;
        self.rows = 0;
        Ok(())
    }

    fn write_group(&mut self, numbers: &[Vec<u32>]) -> ParquetResult<()> {
        let Self { file, room: Room { zstd, columns, .. }, .. } = self;
        let (schema, properties) = file.described_by();
        let mut descriptors = schema.columns().iter().map(|descriptor| {
            let is_searched = properties.statistics_enabled(descriptor.path()) != EnabledStatistics::None;
            (Arc::clone(descriptor), is_searched)
        });
        file.group(self.rows, |file, chunks| {
            for column in columns {
                column.close(&mut descriptors, zstd, file, chunks)?;
            }
            for (numbers, (descriptor, _)) in numbers.iter().zip(&mut descriptors) {
                let mut pages = Pages::new(Stored::AS_IT_IS);
                pages.counted(numbers, zstd)?;
                chunks.push(pages.close(descriptor, None, zstd, file)?);
            }
            Ok(())
        })
    }

    /// Ends the file and puts it in its place; `rest` ends the last row group. That the content survives a loss of power is left
    /// to whoever commits it. Returns the room, which is empty.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Columns`], and those of `rest`.
    pub(super) fn finish(mut self, rest: impl FnOnce(&mut Self) -> Result<()>) -> Result<Room> {
        if self.rows > 0 {
            rest(&mut self)?;
        }
        let file = self.file.finish().map_err(|error| write_error(&self.path, error))?;
        file.into_inner().map_err(|error| Error::io("write", &self.path, error.into_error()))?;
        put(&self.temporary, &self.path)?;
        Ok(self.room)
    }
}

/// Writes a table of rows that are taken out of batches, of which each may stand in many rows.
pub struct GatheredTable(RowsWriter);

impl GatheredTable {
    /// How many rows are best pushed at a time.
    pub const ROWS: usize = GROUP_ROWS;
    /// The most bytes of the dictionary of a column: nearly all texts stand in several rows.
    const DICTIONARY_BYTES: usize = 16 << 20;

    /// Begins a file. Of the columns `unique`, each row has a text of its own.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Columns`].
    pub fn create(path: &Path, table: &Table, unique: &[&str]) -> Result<Self> {
        let compressed = Stored { dictionary: Self::DICTIONARY_BYTES, ..Stored::COMPRESSED };
        let stored = |field: &Field| if unique.contains(&field.name().as_str()) { Stored::AS_IT_IS } else { compressed };
        let room = Room::new(&coded_fields(&table.schema, unique), stored)?;
        Ok(Self(RowsWriter::create(path, &Files::of(table)?, room)?))
    }

    /// Adds rows. Each part has some of the columns, in order: batches, and the rows to take of them, as many as of the others.
    /// A text is looked up once in each push, however often its code comes: so many rows at a time.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Columns`].
    pub fn push(&mut self, parts: &[Part<'_>]) -> Result<()> {
        self.0.push(parts, |rows| rows.end_group(&[]))
    }

    /// Ends the file and puts it in its place.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Columns`].
    pub fn finish(self) -> Result<()> {
        self.0.finish(|rows| rows.end_group(&[])).map(drop)
    }
}

/// The fields of columns whose texts stand as codes, but for those of which each row has one of its own.
pub(super) fn coded_fields(schema: &Schema, unique: &[&str]) -> Fields {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Utf8 if !unique.contains(&field.name().as_str()) => {
            Arc::new(Field::new_dictionary(field.name(), DataType::UInt32, DataType::Utf8, true))
        }
        _ => Arc::clone(field),
    });
    fields.collect()
}

/// Parts of a column as one, whose texts, and those in lists, stand as codes.
///
/// # Errors
/// [`Error::Columns`] beyond 2 GB of text.
pub fn in_codes(parts: &[&dyn Array]) -> Result<ArrayRef> {
    let column = concat(parts)?;
    let Some(lists) = column.as_list_opt::<i32>() else { return coded(&column) };
    let texts = coded(lists.values())?;
    let item = Arc::new(Field::new("item", texts.data_type().clone(), true));
    Ok(Arc::new(ListArray::try_new(item, lists.offsets().clone(), texts, lists.nulls().cloned())?))
}

/// A column of texts in codes; any other as it is.
fn coded(column: &ArrayRef) -> Result<ArrayRef> {
    let Some(texts) = column.as_string_opt::<i32>() else { return Ok(Arc::clone(column)) };
    let mut builder = CodedBuilder::default();
    for text in texts {
        builder.push(text)?;
    }
    builder.finish()
}
