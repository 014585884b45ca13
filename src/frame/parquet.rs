//! Parquet files: how they are written and read.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::{ArrowWriter, ProjectionMask, arrow_writer::ArrowWriterOptions};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::schema::{SCHEMA_VERSION, Table};
use crate::error::{Error, Result};

/// The most rows of a row group of the events dataset.
const EVENT_ROWS: usize = 262_144;

/// Writes batches of a table to a file: beside it first, then renamed, so that a file is whole or not there.
///
/// # Errors
/// [`Error::Io`] and [`Error::Columns`].
pub fn write(path: &Path, table: &Table, batches: &[RecordBatch]) -> Result<()> {
    let mut writer = TableWriter::create(path, table)?;
    batches.iter().try_for_each(|batch| writer.push(batch))?;
    writer.finish()
}

/// Writes a table batch by batch.
pub struct TableWriter {
    path: PathBuf,
    temporary: PathBuf,
    writer: ArrowWriter<File>,
}

impl TableWriter {
    /// Begins a file.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Columns`].
    pub fn create(path: &Path, table: &Table) -> Result<Self> {
        let temporary = path.with_extension("parquet.part");
        let options = ArrowWriterOptions::new().with_properties(properties(table)?).with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(create_private(&temporary)?, Arc::clone(&table.schema), options)?;
        Ok(Self { path: path.to_path_buf(), temporary, writer })
    }

    /// Adds a batch.
    ///
    /// # Errors
    /// [`Error::Columns`].
    pub fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        Ok(self.writer.write(batch)?)
    }

    /// Ends the file and puts it in its place.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Columns`].
    pub fn finish(self) -> Result<()> {
        self.writer.close()?;
        std::fs::rename(&self.temporary, &self.path).map_err(|error| Error::io("write", &self.path, error))
    }
}

/// Creates a file that only its owner can read.
///
/// # Errors
/// [`Error::Io`].
pub fn create_private(path: &Path) -> Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path).map_err(|error| Error::io("create", path, error))
}

/// Writes a text file that only its owner can read.
///
/// # Errors
/// [`Error::Io`].
pub fn write_private(path: &Path, text: &str) -> Result<()> {
    let mut file = create_private(path)?;
    std::io::Write::write_all(&mut file, text.as_bytes()).map_err(|error| Error::io("write", path, error))
}

fn properties(table: &Table) -> Result<WriterProperties> {
    let metadata =
        [("retrial.schema", format!("{}/{SCHEMA_VERSION}", table.name)), ("retrial.version", env!("CARGO_PKG_VERSION").to_owned())];
    let metadata = metadata.map(|(key, value)| KeyValue { key: key.to_owned(), value: Some(value) }).to_vec();
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_created_by("retrial".to_owned())
        .set_key_value_metadata(Some(metadata));
    if table.name == "events" {
        properties = properties.set_max_row_group_row_count(Some(EVENT_ROWS));
        // What readers search by; the statistics of other columns are never asked for, and cost a comparison a value.
        const SEARCHED: [&str; 7] = ["event_time", "event_id", "account_id", "principal_account_id", "principal_arn", "region", "action"];
        properties = properties.set_statistics_enabled(EnabledStatistics::None);
        for name in SEARCHED {
            properties = properties.set_column_statistics_enabled(ColumnPath::from(name), EnabledStatistics::Chunk);
        }
        for unique in ["event_id", "request_id", "event_time", "source_index"] {
            properties = properties.set_column_dictionary_enabled(ColumnPath::from(unique), false);
        }
    }
    Ok(properties.build())
}

/// Reads a whole file, all columns or only `columns`.
///
/// # Errors
/// [`Error::Io`], and [`Error::Format`] for a file that is not Parquet.
pub fn read(path: &Path, columns: Option<&[&str]>) -> Result<Vec<RecordBatch>> {
    let mut batches = Vec::new();
    read_each(path, columns, |batch| {
        batches.push(batch);
        Ok(())
    })?;
    Ok(batches)
}

/// Hands a file's batches one by one to `each`.
///
/// # Errors
/// As [`read`], and those of `each`.
pub fn read_each(path: &Path, columns: Option<&[&str]>, mut each: impl FnMut(RecordBatch) -> Result<()>) -> Result<()> {
    let file = File::open(path).map_err(|error| Error::io("read", path, error))?;
    let unfit = |error: parquet::errors::ParquetError| Error::format(path, format!("is not a Parquet file that can be read: {error}"));
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(unfit)?;
    let builder = match columns {
        None => builder,
        Some(names) => {
            let mask = ProjectionMask::columns(builder.parquet_schema(), names.iter().copied());
            builder.with_projection(mask)
        }
    };
    let reader = builder.with_batch_size(16_384).build().map_err(unfit)?;
    for batch in reader {
        each(batch.map_err(|error| Error::format(path, format!("is damaged: {error}")))?)?;
    }
    Ok(())
}

/// The schema of a file.
///
/// # Errors
/// As [`read`].
pub fn schema(path: &Path) -> Result<SchemaRef> {
    let file = File::open(path).map_err(|error| Error::io("read", path, error))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)
        .map_err(|error| Error::format(path, format!("is not a Parquet file that can be read: {error}")))?;
    Ok(Arc::clone(builder.schema()))
}
