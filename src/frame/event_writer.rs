//! Writes the files of the events dataset.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, RecordBatch};
use parquet::arrow::ArrowSchemaConverter;
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterPropertiesPtr};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::TypePtr;

use super::Text;
use super::chunk::{Compressor, Pages};
use super::event::CODED;
use super::grain::{self, Grain};
use super::leaf::Column;
use super::parquet::{EVENT_ROWS, create_private, properties, put, write_error, zstd_level};
use super::schema::EVENTS;
use super::texts::Recoding;
use crate::error::{Error, Result};

/// Where a row stands: which batch of several, and the row there.
pub type Place = (usize, usize);

/// How many bytes are written at once: most files of a day take one call.
const WRITE_BYTES: usize = 256 << 10;

/// Writes one file, row group by row group: beside it first, then renamed, so that a file is whole or not there. Texts
/// that stand in several rows stay codes from the rows that come in to the pages.
pub struct EventWriter {
    path: PathBuf,
    temporary: PathBuf,
    file: SerializedFileWriter<BufWriter<File>>,
    zstd: Compressor,
    columns: Vec<Column>,
    recoding: Recoding,
    rows: usize,
    counted: BTreeMap<&'static str, BTreeMap<String, u64>>,
}

/// The schema and the properties of every file.
static EVERY_FILE: LazyLock<std::result::Result<(TypePtr, WriterPropertiesPtr), String>> = LazyLock::new(|| {
    let schema = ArrowSchemaConverter::new().convert(&EVENTS.schema).map_err(|error| error.to_string())?;
    Ok((schema.root_schema_ptr(), Arc::new(properties(&EVENTS).map_err(|error| error.to_string())?)))
});

impl EventWriter {
    /// Begins a file. The values of the columns `counted` are counted.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Columns`].
    pub fn create(path: &Path, counted: &[Text]) -> Result<Self> {
        let temporary = path.with_extension("parquet.part");
        let (schema, properties) = EVERY_FILE.as_ref().map_err(|error| Error::Columns(error.clone()))?;
        let file = BufWriter::with_capacity(WRITE_BYTES, create_private(&temporary)?);
        let columns = CODED.fields().iter().map(|field| Column::new(field));
        Ok(Self {
            path: path.to_path_buf(),
            file: SerializedFileWriter::new(file, Arc::clone(schema), Arc::clone(properties))?,
            temporary,
            zstd: Compressor::new(zstd_level()?)?,
            columns: columns.collect::<Result<_>>()?,
            recoding: Recoding::default(),
            rows: 0,
            counted: counted.iter().filter_map(|column| Text::NAMES.get(*column as usize)).map(|name| (*name, BTreeMap::new())).collect(),
        })
    }

    /// Adds rows of some batches, which have the columns of the events dataset.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Columns`].
    pub fn push(&mut self, batches: &[&RecordBatch], mut places: &[Place]) -> Result<()> {
        while !places.is_empty() {
            let (these, rest) = places.split_at(places.len().min(EVENT_ROWS - self.rows));
            for (at, column) in self.columns.iter_mut().enumerate() {
                let columns: Vec<&ArrayRef> = batches.iter().filter_map(|batch| batch.columns().get(at)).collect();
                column.gather(&columns, these, &mut self.recoding, &mut self.zstd)?;
            }
            self.rows += these.len();
            places = rest;
            if self.rows == EVENT_ROWS {
                self.end_group()?;
            }
        }
        Ok(())
    }

    fn end_group(&mut self) -> Result<()> {
        for (field, column) in CODED.fields().iter().zip(&self.columns) {
            let Some(counts) = self.counted.get_mut(field.name().as_str()) else { continue };
            for (value, count) in column.counts() {
                *counts.entry(value.unwrap_or_default().to_owned()).or_default() += count;
            }
        }
        let written = self.write_group();
        written.map_err(|error| write_error(&self.path, error))?;
        self.rows = 0;
        Ok(())
    }

    fn write_group(&mut self) -> std::result::Result<(), ParquetError> {
        let properties = Arc::clone(self.file.properties());
        let descriptors = self.file.schema_descr().columns().to_vec();
        let mut descriptors = descriptors.into_iter().map(|descriptor| {
            let is_searched = properties.statistics_enabled(descriptor.path()) != EnabledStatistics::None;
            (descriptor, is_searched)
        });
        let numbers = Grain::NUMBERS.map(|(grain, _)| self.numbers(grain));
        let mut group = self.file.next_row_group()?;
        for column in &mut self.columns {
            column.close(self.rows, &mut descriptors, &mut self.zstd, &mut group)?;
        }
        for (numbers, (descriptor, _)) in numbers.iter().zip(&mut descriptors) {
            let mut pages = Pages::new(true);
            pages.counted(numbers, &mut self.zstd)?;
            pages.close(self.rows, descriptor, None, &self.zstd, &mut group)?;
        }
        group.close()?;
        Ok(())
    }

    /// The numbers of a grain, for each row of the row group.
    fn numbers(&self, grain: Grain) -> Vec<u32> {
        let columns = CODED.fields().iter().zip(&self.columns);
        let columns = columns.filter(|(field, _)| Grain::of(field.name()) == grain).flat_map(|(_, column)| column.numbers());
        grain::number(&columns.collect::<Vec<_>>(), self.rows)
    }

    /// Ends the file and puts it in its place. Returns how often each value of the columns that are counted stands there; nulls
    /// are counted as the empty text. That the content survives a loss of power is left to whoever commits it.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Columns`].
    pub fn finish(mut self) -> Result<BTreeMap<&'static str, BTreeMap<String, u64>>> {
        if self.rows > 0 {
            self.end_group()?;
        }
        let file = self.file.into_inner().map_err(|error| write_error(&self.path, error))?;
        file.into_inner().map_err(|error| Error::io("write", &self.path, error.into_error()))?;
        put(&self.temporary, &self.path)?;
        Ok(self.counted)
    }
}
