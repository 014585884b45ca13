//! Column chunks back from a file, as [`super::leaf`] lays them out: texts as the codes that stand there, one zstd context for
//! all of them. The reader of the parquet crate makes two contexts for each chunk and builds the codes of a batch anew; it
//! reads what is laid out in another way.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, DictionaryArray, Int64Array, StringArray, TimestampMicrosecondArray, UInt32Array};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, TimeUnit};
use bytes::Bytes;
use parquet::basic::{Compression, Encoding};
use parquet::column::page::{Page, PageReader as _};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::serialized_reader::SerializedPageReader;

use super::chunk::{pull_hybrid, pull_text};
use super::texts::NULL;

/// Reads chunks, one after the other.
pub(super) struct ChunkReader {
    zstd: zstd::bulk::Decompressor<'static>,
}

/// The values of a chunk so far.
#[derive(Default)]
struct Values {
    /// The texts of the dictionary: where each ends, and all of them.
    dictionary: Option<(Vec<i32>, Vec<u8>)>,
    codes: Vec<u32>,
    /// Plain texts.
    ends: Vec<i32>,
    texts: Vec<u8>,
    numbers: Vec<i64>,
    flags: Vec<bool>,
    /// Which rows have a value, from the first that has none on.
    valid: Option<Vec<bool>>,
    rows: usize,
}

impl ChunkReader {
    pub(super) fn new() -> Result<Self> {
        let zstd = zstd::bulk::Decompressor::new().map_err(|error| ParquetError::External(Box::new(error)))?;
        Ok(Self { zstd })
    }

    /// The column of a chunk: its texts as codes, if they stand there so. `None` if it is laid out in another way.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(super) fn read(&mut self, file: &File, chunk: &ColumnChunkMetaData, kind: &DataType, rows: usize) -> Result<Option<ArrayRef>> {
        let descriptor = chunk.column_descr();
        let flat = descriptor.max_def_level() == 1 && descriptor.max_rep_level() == 0;
        if !flat || !matches!(chunk.compression(), Compression::ZSTD(_)) {
            return Ok(None);
        }
        let mut pages = self.pages(file, chunk, rows)?;
        let limit = usize::try_from(chunk.uncompressed_size()).unwrap_or_default();
        let mut values = Values::default();
        while let Some(page) = pages.get_next_page()? {
            let taken = match page {
                Page::DictionaryPage { buf, num_values, .. } if matches!(kind, DataType::Utf8) => {
                    let Some(page) = self.inflate(&buf, limit)? else { return Ok(None) };
                    values.dictionary(&page, num_values as usize)
                }
                Page::DataPage { buf, num_values, encoding, .. } => {
                    let Some(page) = self.inflate(&buf, limit)? else { return Ok(None) };
                    values.page(&page, num_values as usize, encoding, kind)
                }
                _ => Some(false),
            };
            match taken {
                Some(true) => {}
                Some(false) => return Ok(None),
                None => return Err(ParquetError::General(format!("a page of `{}` ends early", descriptor.name()))),
            }
        }
        if values.rows != rows {
            return Err(ParquetError::General(format!("`{}` has {} rows instead of {rows}", descriptor.name(), values.rows)));
        }
        values.finish(kind).map(Some)
    }

    /// The pages of a chunk, as they stand in the file: compressed.
    fn pages(&self, mut file: &File, chunk: &ColumnChunkMetaData, rows: usize) -> Result<SerializedPageReader<Bytes>> {
        let (begin, length) = chunk.byte_range();
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        file.seek(SeekFrom::Start(begin))?;
        file.read_exact(&mut bytes)?;
        let begin = i64::try_from(begin).unwrap_or_default();
        let chunk = chunk.clone().into_builder().set_compression(Compression::UNCOMPRESSED);
        let metadata = chunk.build()?;
        let (dictionary, data) = (metadata.dictionary_page_offset(), metadata.data_page_offset());
        let metadata = metadata.into_builder().set_dictionary_page_offset(dictionary.map(|at| at - begin));
        SerializedPageReader::new(Arc::new(Bytes::from(bytes)), &metadata.set_data_page_offset(data - begin).build()?, rows, None)
    }

    /// A page's content; `None` if the page does not say how long it is.
    fn inflate(&mut self, page: &[u8], limit: usize) -> Result<Option<Vec<u8>>> {
        let length = zstd::zstd_safe::get_frame_content_size(page).ok().flatten();
        let Some(length) = length.and_then(|length| usize::try_from(length).ok()).filter(|length| *length <= limit) else {
            return Ok(None);
        };
        self.zstd.decompress(page, length).map(Some).map_err(|error| ParquetError::External(Box::new(error)))
    }
}

impl Values {
    /// Takes a dictionary page: `Some(false)` if it cannot be taken so, `None` if it ends early.
    fn dictionary(&mut self, page: &[u8], count: usize) -> Option<bool> {
        let (mut ends, mut texts) = (vec![0], Vec::with_capacity(page.len()));
        let mut rest = page;
        for _ in 0..count {
            texts.extend_from_slice(pull_text(&mut rest)?);
            let Ok(end) = i32::try_from(texts.len()) else { return Some(false) };
            ends.push(end);
        }
        let is_first = self.dictionary.is_none() && self.rows == 0;
        self.dictionary = Some((ends, texts));
        Some(is_first)
    }

    /// Takes a data page, as [`Self::dictionary`].
    fn page(&mut self, page: &[u8], rows: usize, encoding: Encoding, kind: &DataType) -> Option<bool> {
        let mut rest = page;
        let levels = pull_text(&mut rest)?;
        let mut present = Vec::new();
        pull_hybrid(levels, 1, rows, &mut present)?;
        let count = present.iter().filter(|level| **level == 1).count();
        match (kind, encoding, &self.dictionary) {
            (DataType::Utf8, Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY, Some(_)) => self.codes(rest, &present, count)?,
            (DataType::Utf8, Encoding::PLAIN, None) => {
                if !self.texts(rest, &present)? {
                    return Some(false);
                }
            }
            (DataType::Boolean, Encoding::PLAIN, None) => self.flags(rest, &present)?,
            (DataType::Int64 | DataType::Timestamp(TimeUnit::Microsecond, _), Encoding::PLAIN, None) => self.numbers(rest, &present)?,
            _ => return Some(false),
        }
        if count < rows && self.valid.is_none() {
            self.valid = Some(vec![true; self.rows]);
        }
        if let Some(valid) = &mut self.valid {
            valid.extend(present.iter().map(|level| *level == 1));
        }
        self.rows += rows;
        Some(true)
    }

    fn codes(&mut self, page: &[u8], present: &[u32], count: usize) -> Option<()> {
        let (width, packed) = page.split_first()?;
        if count == present.len() {
            return pull_hybrid(packed, u32::from(*width), count, &mut self.codes);
        }
        let mut some = Vec::new();
        if count > 0 {
            pull_hybrid(packed, u32::from(*width), count, &mut some)?;
        }
        let mut some = some.into_iter();
        self.codes.extend(present.iter().map(|level| if *level == 1 { some.next().unwrap_or(NULL) } else { NULL }));
        Some(())
    }

    /// Whether they fit.
    fn texts(&mut self, mut page: &[u8], present: &[u32]) -> Option<bool> {
        self.texts.reserve(page.len());
        for level in present {
            if *level == 1 {
                self.texts.extend_from_slice(pull_text(&mut page)?);
            }
            let Ok(end) = i32::try_from(self.texts.len()) else { return Some(false) };
            self.ends.push(end);
        }
        Some(true)
    }

    fn numbers(&mut self, page: &[u8], present: &[u32]) -> Option<()> {
        let mut numbers = page.chunks_exact(8).filter_map(|bytes| bytes.first_chunk().map(|bytes| i64::from_le_bytes(*bytes)));
        for level in present {
            self.numbers.push(if *level == 1 { numbers.next()? } else { 0 });
        }
        Some(())
    }

    fn flags(&mut self, page: &[u8], present: &[u32]) -> Option<()> {
        let mut flags = page.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1));
        for level in present {
            self.flags.push(*level == 1 && flags.next()?);
        }
        Some(())
    }

    fn finish(self, kind: &DataType) -> Result<ArrayRef> {
        let valid = self.valid.map(NullBuffer::from);
        Ok(match kind {
            DataType::Boolean => Arc::new(BooleanArray::new(BooleanBuffer::from(self.flags), valid)),
            DataType::Int64 => Arc::new(Int64Array::try_new(ScalarBuffer::from(self.numbers), valid)?),
            DataType::Timestamp(_, zone) => {
                let times = TimestampMicrosecondArray::try_new(ScalarBuffer::from(self.numbers), valid)?;
                Arc::new(times.with_timezone_opt(zone.clone()))
            }
            _ => match self.dictionary {
                Some((ends, texts)) => {
                    let texts = StringArray::try_new(OffsetBuffer::new(ends.into()), Buffer::from_vec(texts), None)?;
                    let codes = UInt32Array::try_new(ScalarBuffer::from(self.codes), valid)?;
                    Arc::new(DictionaryArray::try_new(codes, Arc::new(texts))?)
                }
                None => {
                    let ends: Vec<i32> = std::iter::once(0).chain(self.ends).collect();
                    Arc::new(StringArray::try_new(OffsetBuffer::new(ends.into()), Buffer::from_vec(self.texts), valid)?)
                }
            },
        })
    }
}
