//! Writes the files of the events dataset.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, new_empty_array};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::errors::ParquetError;
use parquet::file::properties::EnabledStatistics;
use parquet::file::writer::SerializedFileWriter;

use super::Text;
use super::chunk::ChunkWriter;
use super::event::CODED;
use super::parquet::{EVENT_ROWS, create_private, properties, put, write_error, zstd_level};
use super::schema::EVENTS;
use super::texts::{CodedBuilder, Recoding, Texts};
use crate::error::{Error, Result};

/// Where a row stands: which batch of several, and the row there.
pub type Place = (usize, usize);

/// Writes one file, row group by row group: beside it first, then renamed, so that a file is whole or not there. Texts
/// that stand in several rows stay codes from the rows that come in to the pages.
pub struct EventWriter {
    path: PathBuf,
    temporary: PathBuf,
    file: SerializedFileWriter<File>,
    chunks: ChunkWriter,
    /// The columns that arrow's writers take, as a table of their own.
    factory: ArrowRowGroupWriterFactory,
    columns: Vec<Column>,
    recoding: Recoding,
    rows: usize,
    counted: BTreeMap<&'static str, BTreeMap<String, u64>>,
}

/// A column of the row group in the making.
enum Column {
    Coded(CodedBuilder),
    Plain(Vec<ArrowColumnWriter>),
}

impl EventWriter {
    /// Begins a file. The values of the columns `counted` are counted.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Columns`].
    pub fn create(path: &Path, counted: &[Text]) -> Result<Self> {
        let temporary = path.with_extension("parquet.part");
        let properties = Arc::new(properties(&EVENTS)?);
        let root = |schema: &Schema| Ok::<_, ParquetError>(ArrowSchemaConverter::new().convert(schema)?.root_schema_ptr());
        let plain = CODED.fields().iter().filter(|field| !is_coded(field)).map(Arc::clone);
        let plain = Arc::new(Schema::new(plain.collect::<Vec<_>>()));
        // Column writers are made for a file; this one is none.
        let no_file = SerializedFileWriter::new(std::io::sink(), root(&plain)?, Arc::clone(&properties))?;
        let mut writer = Self {
            path: path.to_path_buf(),
            file: SerializedFileWriter::new(create_private(&temporary)?, root(&EVENTS.schema)?, properties)?,
            temporary,
            chunks: ChunkWriter::new(zstd_level()?)?,
            factory: ArrowRowGroupWriterFactory::new(&no_file, plain),
            columns: Vec::new(),
            recoding: Recoding::default(),
            rows: 0,
            counted: counted.iter().filter_map(|column| Text::NAMES.get(*column as usize)).map(|name| (*name, BTreeMap::new())).collect(),
        };
        writer.begin_group()?;
        Ok(writer)
    }

    fn begin_group(&mut self) -> Result<()> {
        self.rows = 0;
        let mut writers = self.factory.create_column_writers(0)?.into_iter();
        let columns = CODED.fields().iter().map(|field| match is_coded(field) {
            true => Column::Coded(CodedBuilder::default()),
            false => Column::Plain(writers.by_ref().take(leaves(field.data_type())).collect()),
        });
        self.columns = columns.collect();
        Ok(())
    }

    /// Adds rows of some batches, which have the columns of the events dataset.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Columns`].
    pub fn push(&mut self, batches: &[&RecordBatch], mut places: &[Place]) -> Result<()> {
        while !places.is_empty() {
            let (these, rest) = places.split_at(places.len().min(EVENT_ROWS - self.rows));
            self.push_all(batches, these)?;
            places = rest;
            if self.rows == EVENT_ROWS {
                self.end_group()?;
                self.begin_group()?;
            }
        }
        Ok(())
    }

    fn push_all(&mut self, batches: &[&RecordBatch], places: &[Place]) -> Result<()> {
        for ((at, field), column) in EVENTS.schema.fields().iter().enumerate().zip(&mut self.columns) {
            let columns: Vec<&ArrayRef> = batches.iter().filter_map(|batch| batch.columns().get(at)).collect();
            match column {
                Column::Coded(builder) => {
                    let texts: Option<Vec<Texts>> = columns.iter().map(|column| Texts::new(column)).collect();
                    let texts = texts.ok_or_else(|| Error::Columns(format!("column `{}` is not text", field.name())))?;
                    builder.gather(&texts, places, &mut self.recoding)?;
                }
                Column::Plain(writers) => {
                    let rows = gather(field, &columns, places)?;
                    let leaves = compute_leaves(field, &rows)?;
                    for (writer, leaf) in writers.iter_mut().zip(&leaves) {
                        writer.write(leaf)?;
                    }
                }
            }
        }
        self.rows += places.len();
        Ok(())
    }

    fn end_group(&mut self) -> Result<()> {
        let descriptors = self.file.schema_descr().columns().to_vec();
        let properties = Arc::clone(self.file.properties());
        let mut group = self.file.next_row_group()?;
        let mut descriptors = descriptors.into_iter();
        for (field, column) in CODED.fields().iter().zip(&mut self.columns) {
            match column {
                Column::Coded(builder) => {
                    if let Some(counts) = self.counted.get_mut(field.name().as_str()) {
                        for (value, count) in builder.counts() {
                            *counts.entry(value.unwrap_or_default().to_owned()).or_default() += count;
                        }
                    }
                    let Some(descriptor) = descriptors.next() else { break };
                    let path = descriptor.path().clone();
                    let statistics = properties.statistics_enabled(&path) != EnabledStatistics::None;
                    let written = self.chunks.write(builder, descriptor, statistics, &mut group);
                    written.map_err(|error| write_error(&self.path, error))?;
                    builder.clear();
                }
                Column::Plain(writers) => {
                    for writer in writers.drain(..) {
                        let written = writer.close().and_then(|chunk| chunk.append_to_row_group(&mut group));
                        written.map_err(|error| write_error(&self.path, error))?;
                        descriptors.next();
                    }
                }
            }
        }
        group.close().map_err(|error| write_error(&self.path, error))?;
        Ok(())
    }

    /// Ends the file, whose content then survives a loss of power, and puts it in its place. Returns how often each value of
    /// the columns that are counted stands there; nulls are counted as the empty text.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Columns`].
    pub fn finish(mut self) -> Result<BTreeMap<&'static str, BTreeMap<String, u64>>> {
        if self.rows > 0 {
            self.end_group()?;
        }
        let file = self.file.into_inner().map_err(|error| write_error(&self.path, error))?;
        file.sync_all().map_err(|error| Error::io("write", &self.path, error))?;
        put(&self.temporary, &self.path)?;
        Ok(self.counted)
    }
}

fn is_coded(field: &Field) -> bool {
    matches!(field.data_type(), DataType::Dictionary(..))
}

/// How many columns of Parquet a column of Arrow is.
fn leaves(kind: &DataType) -> usize {
    match kind {
        DataType::List(item) | DataType::Map(item, _) => leaves(item.data_type()),
        DataType::Struct(fields) => fields.iter().map(|field| leaves(field.data_type())).sum(),
        _ => 1,
    }
}

fn gather(field: &Field, columns: &[&ArrayRef], places: &[Place]) -> Result<ArrayRef> {
    if columns.is_empty() {
        return Ok(new_empty_array(field.data_type()));
    }
    Ok(interleave(&columns.iter().map(|column| column.as_ref() as &dyn Array).collect::<Vec<_>>(), places)?)
}
