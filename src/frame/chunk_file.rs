//! A Parquet file in the making: chunks, whose pages are written to the place where they stay, in row groups.
//!
//! The file writer of the parquet crate takes chunks that others made only through a copy of their bytes, and copies it once more.
//! The metadata at the file's end is the crate's.

use std::io::Write;

use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, FileMetaData, ParquetMetaData, ParquetMetaDataWriter, RowGroupMetaData};
use parquet::file::properties::WriterPropertiesPtr;
use parquet::file::writer::TrackedWrite;
use parquet::schema::types::SchemaDescPtr;

/// What a file begins with.
const MAGIC: &[u8; 4] = b"PAR1";

/// A file, up to the end of its last row group.
pub(super) struct ChunkFile<W: Write> {
    file: TrackedWrite<W>,
    schema: SchemaDescPtr,
    properties: WriterPropertiesPtr,
    groups: Vec<RowGroupMetaData>,
}

impl<W: Write + Send> ChunkFile<W> {
    /// Begins a file.
    pub(super) fn new(file: W, schema: SchemaDescPtr, properties: WriterPropertiesPtr) -> Result<Self> {
        let mut file = TrackedWrite::new(file);
        file.write_all(MAGIC)?;
        Ok(Self { file, schema, properties, groups: Vec::new() })
    }

    /// Its columns, and how they are written.
    pub(super) fn described_by(&self) -> (SchemaDescPtr, WriterPropertiesPtr) {
        (SchemaDescPtr::clone(&self.schema), WriterPropertiesPtr::clone(&self.properties))
    }

    /// Adds a row group of so many rows. `write` writes the chunks of all its columns, in order, and says what the metadata says of
    /// each.
    pub(super) fn group(
        &mut self,
        rows: usize,
        write: impl FnOnce(&mut TrackedWrite<W>, &mut Vec<ColumnChunkMetaData>) -> Result<()>,
    ) -> Result<()> {
        let begin = self.file.bytes_written();
        let mut chunks = Vec::with_capacity(self.schema.num_columns());
        write(&mut self.file, &mut chunks)?;
        let group = RowGroupMetaData::builder(SchemaDescPtr::clone(&self.schema))
            .set_num_rows(number(rows)?)
            .set_total_byte_size(chunks.iter().map(ColumnChunkMetaData::uncompressed_size).sum())
            .set_column_metadata(chunks)
            .set_ordinal(number(self.groups.len())?)
            .set_file_offset(number(begin)?);
        self.groups.push(group.build()?);
        Ok(())
    }

    /// Ends the file.
    pub(super) fn finish(self) -> Result<W> {
        let Self { mut file, schema, properties, groups } = self;
        let rows = groups.iter().map(RowGroupMetaData::num_rows).sum();
        let created_by = Some(properties.created_by().to_owned());
        let labels = properties.key_value_metadata().cloned();
        let about = FileMetaData::new(properties.writer_version().as_num(), rows, created_by, labels, schema, None);
        let metadata = ParquetMetaData::new(about, groups);
        // Into memory first: the crate's writer would drop the file, and with it what goes wrong with the last bytes.
        let mut end = Vec::new();
        ParquetMetaDataWriter::new(&mut end, &metadata).with_write_path_in_schema(properties.write_path_in_schema()).finish()?;
        file.write_all(&end)?;
        file.into_inner()
    }
}

/// A number as the metadata has it.
pub(super) fn number<N: TryInto<T, Error: std::error::Error + Send + Sync + 'static>, T>(number: N) -> Result<T> {
    number.try_into().map_err(|error| ParquetError::External(Box::new(error)))
}
