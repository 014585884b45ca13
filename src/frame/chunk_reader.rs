//! Column chunks back from a file, as [`super::leaf`] lays them out: texts as the codes that stand there, one zstd context for
//! all of them. The reader of the parquet crate makes two contexts for each chunk and builds the codes of a batch anew; it
//! reads what is laid out in another way.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListArray, MapArray, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, FieldRef};
use parquet::basic::Compression;
use parquet::column::page::{Page, PageReader as _};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;

use super::chunk::stored_in_one;
use super::chunk_values::{Nested, Rows, Values};
use super::row_group::RowGroupBytes;

/// Reads chunks, one after the other, into room that is used again and again.
pub(super) struct ChunkReader {
    zstd: zstd::bulk::Decompressor<'static>,
    page: Vec<u8>,
    values: Values,
}

impl ChunkReader {
    pub(super) fn new() -> Result<Self> {
        let zstd = zstd::bulk::Decompressor::new().map_err(|error| ParquetError::External(Box::new(error)))?;
        Ok(Self { zstd, page: Vec::new(), values: Values::default() })
    }

    /// The column of a chunk: its texts as codes, if they stand there so. `None` if it is laid out in another way.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(super) fn read(
        &mut self,
        bytes: &RowGroupBytes,
        chunk: &ColumnChunkMetaData,
        kind: &DataType,
        rows: Rows<'_>,
    ) -> Result<Option<ArrayRef>> {
        let descriptor = chunk.column_descr();
        let flat = descriptor.max_def_level() == 1 && descriptor.max_rep_level() == 0;
        if !flat || !self.fill(bytes, chunk, kind, rows)? {
            return Ok(None);
        }
        self.values.finish(kind, rows).map(Some)
    }

    /// A column of lists of structs of texts, from the chunks of its texts. `None` as for [`Self::read`].
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(super) fn read_lists(
        &mut self,
        bytes: &RowGroupBytes,
        chunks: &[&ColumnChunkMetaData],
        item: &FieldRef,
        rows: Rows<'_>,
    ) -> Result<Option<ArrayRef>> {
        let DataType::Struct(fields) = item.data_type() else { return Ok(None) };
        let mut leaves = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            let descriptor = chunk.column_descr();
            if (descriptor.max_def_level(), descriptor.max_rep_level()) != (4, 1) {
                return Ok(None);
            }
            if !self.fill(bytes, chunk, &DataType::Utf8, rows)? {
                return Ok(None);
            }
            leaves.push(self.values.take_nested(rows));
        }
        let Some(first) = leaves.first().filter(|_| leaves.len() == fields.len()) else { return Ok(None) };
        let (ends, valid) = first.rows();
        let present: Vec<bool> = first.defined.iter().filter(|defined| **defined > 1).map(|defined| *defined > 2).collect();
        let columns = leaves.iter().map(|leaf| Arc::new(leaf.entries(1, 4)) as ArrayRef).collect();
        let structs = StructArray::try_new(fields.clone(), columns, Some(NullBuffer::from(present)))?;
        let lists = ListArray::try_new(Arc::clone(item), OffsetBuffer::new(ends.into()), Arc::new(structs), Some(NullBuffer::from(valid)))?;
        Ok(Some(Arc::new(lists)))
    }

    /// A column of maps of texts to lists of texts, from the chunks of its keys and values. `None` as for [`Self::read`].
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(super) fn read_maps(
        &mut self,
        bytes: &RowGroupBytes,
        chunks: &[&ColumnChunkMetaData],
        entry: &FieldRef,
        rows: Rows<'_>,
    ) -> Result<Option<ArrayRef>> {
        let levels = |chunk: &ColumnChunkMetaData| (chunk.column_descr().max_def_level(), chunk.column_descr().max_rep_level());
        let ([keys, values], DataType::Struct(fields)) = (chunks, entry.data_type()) else { return Ok(None) };
        let [_, list] = fields.as_ref() else { return Ok(None) };
        let DataType::List(item) = list.data_type() else { return Ok(None) };
        if levels(keys) != (2, 1) || levels(values) != (5, 2) {
            return Ok(None);
        }
        let mut leaf = |chunk: &ColumnChunkMetaData| -> Result<Option<Nested>> {
            let is_filled = self.fill(bytes, chunk, &DataType::Utf8, rows)?;
            Ok(is_filled.then(|| self.values.take_nested(rows)))
        };
        let (Some(keys), Some(values)) = (leaf(keys)?, leaf(values)?) else { return Ok(None) };
        let (ends, valid) = keys.rows();
        let (mut list_ends, mut lists_valid, mut items) = (vec![0i32], Vec::new(), 0);
        for (repeated, defined) in values.repeated.iter().zip(&values.defined).filter(|(_, defined)| **defined > 1) {
            if *repeated < 2 {
                if !lists_valid.is_empty() {
                    list_ends.push(items);
                }
                lists_valid.push(*defined > 2);
            }
            items += i32::from(*defined > 3);
        }
        if !lists_valid.is_empty() {
            list_ends.push(items);
        }
        let items = Arc::new(values.entries(3, 5));
        let lists = ListArray::try_new(Arc::clone(item), OffsetBuffer::new(list_ends.into()), items, Some(NullBuffer::from(lists_valid)))?;
        let entries = StructArray::try_new(fields.clone(), vec![Arc::new(keys.entries(1, 2)), Arc::new(lists)], None)?;
        let maps = MapArray::try_new(Arc::clone(entry), OffsetBuffer::new(ends.into()), entries, Some(NullBuffer::from(valid)), false)?;
        Ok(Some(Arc::new(maps)))
    }

    /// Takes the values of a chunk, those of the rows that are wanted where rows stand alone; `false` if it is laid out in
    /// another way.
    fn fill(&mut self, bytes: &RowGroupBytes, chunk: &ColumnChunkMetaData, kind: &DataType, rows: Rows<'_>) -> Result<bool> {
        if !matches!(chunk.compression(), Compression::ZSTD(_)) {
            return Ok(false);
        }
        let descriptor = chunk.column_descr();
        let most = (descriptor.max_rep_level() > 0).then(|| (most(descriptor.max_rep_level()), most(descriptor.max_def_level())));
        let mut pages = bytes.pages(chunk, rows.all)?;
        let limit = usize::try_from(chunk.uncompressed_size()).unwrap_or_default();
        self.values.clear();
        while let Some(page) = pages.get_next_page()? {
            let (buf, num_values, encoding) = match page {
                Page::DictionaryPage { buf, num_values, .. } => (buf, num_values as usize, None),
                Page::DataPage { buf, num_values, encoding, .. } => (buf, num_values as usize, Some(encoding)),
                Page::DataPageV2 { .. } => return Ok(false),
            };
            let stored = stored_in_one(&buf);
            if stored.is_none() && !self.inflate(&buf, limit)? {
                return Ok(false);
            }
            let (page, values) = (stored.unwrap_or(&self.page), &mut self.values);
            let taken = match (encoding, most, kind) {
                (None, _, DataType::Utf8) => values.dictionary(page, num_values),
                (None, _, DataType::Int64 | DataType::UInt32) => values.counted(page, num_values),
                (None, ..) => Some(false),
                (Some(encoding), None, _) => values.page(page, (num_values, rows), encoding, kind),
                (Some(encoding), Some(most), _) => values.nested(page, num_values, encoding, most),
            };
            match taken {
                Some(true) => {}
                Some(false) => return Ok(false),
                None => return Err(ParquetError::General(format!("a page of `{}` ends early", descriptor.name()))),
            }
        }
        if self.values.rows != rows.all {
            let (name, found) = (descriptor.name(), self.values.rows);
            return Err(ParquetError::General(format!("`{name}` has {found} rows instead of {}", rows.all)));
        }
        Ok(true)
    }

    /// Takes a page's content; `false` if the page does not say how long it is.
    fn inflate(&mut self, page: &[u8], limit: usize) -> Result<bool> {
        let length = zstd::zstd_safe::get_frame_content_size(page).ok().flatten();
        let Some(length) = length.and_then(|length| usize::try_from(length).ok()).filter(|length| *length <= limit) else {
            return Ok(false);
        };
        self.page.clear();
        self.page.reserve(length);
        let inflated = self.zstd.decompress_to_buffer(page, &mut self.page);
        inflated.map(|_| true).map_err(|error| ParquetError::External(Box::new(error)))
    }
}

/// The highest level, as the levels themselves are read.
fn most(level: i16) -> u32 {
    u32::try_from(level).unwrap_or_default()
}
