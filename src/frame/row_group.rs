//! The bytes of some columns of a row group: what stands close together is read at once, into room that is used again.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::serialized_reader::SerializedPageReader;

/// What stands in a file between columns that are wanted is read with them up to so many bytes: it costs less than to ask the
/// system once more.
const GAP: u64 = 4 << 10;

/// The bytes of the columns that are wanted of a row group.
#[derive(Default)]
pub(super) struct RowGroupBytes {
    parts: Vec<(u64, Bytes)>,
}

impl RowGroupBytes {
    /// Reads the bytes of chunks, and forgets those of others.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(super) fn read<'c>(&mut self, mut file: &File, chunks: impl Iterator<Item = &'c ColumnChunkMetaData>) -> Result<()> {
        let room = self.parts.drain(..).map(|(_, bytes)| bytes.try_into_mut().map(Vec::from).unwrap_or_default());
        let mut room = room.collect::<Vec<_>>().into_iter();
        let length = file.metadata()?.len();
        let mut wanted: Vec<Range<u64>> = chunks.map(range_of).collect::<Result<_>>()?;
        wanted.sort_unstable_by_key(|range| range.start);
        let mut together: Vec<Range<u64>> = Vec::with_capacity(wanted.len());
        for range in wanted {
            match together.last_mut() {
                Some(last) if range.start <= last.end.saturating_add(GAP) => last.end = last.end.max(range.end),
                _ => together.push(range),
            }
        }
        for range in together {
            if range.end > length {
                return Err(ParquetError::EOF(format!("it has {length} bytes, and columns up to {}", range.end)));
            }
            let mut bytes = room.next().unwrap_or_default();
            bytes.resize(usize::try_from(range.end - range.start).unwrap_or_default(), 0);
            file.seek(SeekFrom::Start(range.start))?;
            file.read_exact(&mut bytes)?;
            self.parts.push((range.start, Bytes::from(bytes)));
        }
        Ok(())
    }

    /// The pages of a chunk, as they stand in the file: compressed.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(super) fn pages(&self, chunk: &ColumnChunkMetaData, rows: usize) -> Result<SerializedPageReader<Bytes>> {
        let Range { start: begin, end } = range_of(chunk)?;
        let part = self.parts.iter().rev().find(|(from, _)| *from <= begin);
        let bytes = part.and_then(|(part, bytes)| {
            let [from, to] = [begin, end].map(|at| usize::try_from(at - part).ok());
            let (from, to) = (from?, to?);
            (to <= bytes.len()).then(|| bytes.slice(from..to))
        });
        let bytes = bytes.ok_or_else(|| ParquetError::EOF(format!("the file ends before `{}` does", chunk.column_path())))?;
        let begin = i64::try_from(begin).unwrap_or_default();
        let metadata = ColumnChunkMetaData::builder(chunk.column_descr_ptr())
            .set_compression(parquet::basic::Compression::UNCOMPRESSED)
            .set_num_values(chunk.num_values())
            .set_total_compressed_size(chunk.compressed_size())
            .set_dictionary_page_offset(chunk.dictionary_page_offset().map(|at| at - begin))
            .set_data_page_offset(chunk.data_page_offset() - begin)
            .build()?;
        SerializedPageReader::new(Arc::new(bytes), &metadata, rows, None)
    }
}

/// Where a chunk stands in its file.
fn range_of(chunk: &ColumnChunkMetaData) -> Result<Range<u64>> {
    let begin = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
    let end = begin.checked_add(chunk.compressed_size());
    let range = end.and_then(|end| Some(u64::try_from(begin).ok()?..u64::try_from(end).ok()?)).filter(|range| range.start <= range.end);
    range.ok_or_else(|| ParquetError::General(format!("`{}` stands at {begin}", chunk.column_path())))
}
