//! Parquet files: how they are written and read.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::{ArrowWriter, ProjectionMask, arrow_writer::ArrowWriterOptions};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::rows_writer::GROUP_ROWS;
use super::schema::{SCHEMA_VERSION, Table};
use crate::error::{Error, Result};

/// Smaller and faster than higher levels on columns that repeat.
pub(super) fn zstd_level() -> Result<ZstdLevel> {
    Ok(ZstdLevel::try_new(1)?)
}

/// Rows of a batch that is read.
const BATCH_ROWS: usize = 16_384;

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
        self.writer.write(batch).map_err(|error| write_error(&self.path, error))
    }

    /// Ends the file and puts it in its place.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Columns`].
    pub fn finish(self) -> Result<()> {
        self.writer.close().map_err(|error| write_error(&self.path, error))?;
        put(&self.temporary, &self.path)
    }
}

/// Puts a file that is whole in its place.
pub(super) fn put(temporary: &Path, path: &Path) -> Result<()> {
    std::fs::rename(temporary, path).map_err(|error| Error::io("write", path, error))
}

/// What Parquet says of a file that cannot be written: the operating system's answer, if that is the cause.
pub(super) fn write_error(path: &Path, error: ParquetError) -> Error {
    match error {
        ParquetError::External(cause) => match cause.downcast::<std::io::Error>() {
            Ok(error) => Error::io("write", path, *error),
            Err(cause) => Error::Columns(cause.to_string()),
        },
        error => error.into(),
    }
}

/// Creates a file that only its owner can read.
///
/// # Errors
/// [`Error::Io`].
pub fn create_private(path: &Path) -> Result<File> {
    let file = open_private(path)?;
    file.set_len(0).map_err(|error| Error::io("create", path, error))?;
    Ok(file)
}

/// Opens a file to write to that only its owner can read, with what is in it, or creates it.
///
/// # Errors
/// [`Error::Io`].
pub fn open_private(path: &Path) -> Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(false);
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

/// What every file says of itself: what stands in it, and who wrote it.
pub(super) fn labels(table: &Table) -> [(&'static str, String); 2] {
    [("retrial.schema", format!("{}/{SCHEMA_VERSION}", table.name)), ("retrial.version", env!("CARGO_PKG_VERSION").to_owned())]
}

pub(super) fn properties(table: &Table) -> Result<WriterProperties> {
    let metadata = labels(table).map(|(key, value)| KeyValue { key: key.to_owned(), value: Some(value) }).to_vec();
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(zstd_level()?))
        .set_created_by("retrial".to_owned())
        .set_key_value_metadata(Some(metadata));
    if table.name == "events" {
        properties = properties.set_max_row_group_row_count(Some(GROUP_ROWS)).set_offset_index_disabled(true);
    }
    // What readers search by; the statistics of other columns are never asked for, or say nothing, as those of random ids.
    const SEARCHED: [&str; 9] =
        ["event_time", "account_id", "principal_account_id", "principal_arn", "region", "action", "candidate", "change", "observed"];
    properties = properties.set_statistics_enabled(EnabledStatistics::None);
    for name in SEARCHED {
        properties = properties.set_column_statistics_enabled(ColumnPath::from(name), EnabledStatistics::Chunk);
    }
    // Each row has values of its own there: a dictionary would hold them all and be given up.
    const OF_ONE_ROW: [&[&str]; 4] = [&["change_id"], &["first_seen"], &["last_seen"], &["sample_event_ids", "list", "item"]];
    for path in OF_ONE_ROW {
        let path = ColumnPath::new(path.iter().map(|part| (*part).to_owned()).collect());
        properties = properties.set_column_dictionary_enabled(path, false);
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
    batches(path, columns, BATCH_ROWS)?.try_for_each(|batch| each(batch?))
}

/// A file's batches of so many rows.
///
/// # Errors
/// As [`read`].
pub fn batches(path: &Path, columns: Option<&[&str]>, rows: usize) -> Result<impl Iterator<Item = Result<RecordBatch>> + Send + use<>> {
    let file = File::open(path).map_err(|error| Error::io("read", path, error))?;
    let unfit = |error: ParquetError| Error::format(path, format!("is not a Parquet file that can be read: {error}"));
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(unfit)?;
    let builder = match columns {
        None => builder,
        Some(names) => {
            let mask = ProjectionMask::columns(builder.parquet_schema(), names.iter().copied());
            builder.with_projection(mask)
        }
    };
    let reader = builder.with_batch_size(rows).build().map_err(unfit)?;
    let path = path.to_path_buf();
    Ok(reader.map(move |batch| batch.map_err(|error| Error::format(&path, format!("is damaged: {error}")))))
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
