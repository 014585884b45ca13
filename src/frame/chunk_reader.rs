//! Column chunks back from a file, as [`super::leaf`] lays them out: texts as the codes that stand there, one zstd context for
//! all of them. The reader of the parquet crate makes two contexts for each chunk and builds the codes of a batch anew; it
//! reads what is laid out in another way.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, Int64Array, ListArray, MapArray, StringArray, StructArray, TimestampMicrosecondArray,
    UInt32Array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, FieldRef, TimeUnit};
use bytes::Bytes;
use parquet::basic::{Compression, Encoding};
use parquet::column::page::{Page, PageReader as _};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::serialized_reader::SerializedPageReader;

use super::chunk::{pull_hybrid, pull_text, same_in_all};
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
    /// Codes of texts, or of nothing.
    codes: Vec<u32>,
    /// Plain texts.
    ends: Vec<i32>,
    texts: Vec<u8>,
    numbers: Vec<i64>,
    flags: Vec<bool>,
    /// Of all but codes, which rows have a value, from the first page on in which one has none.
    valid: Option<Vec<bool>>,
    /// Of nested values, the levels of their places.
    repeated: Vec<u32>,
    defined: Vec<u32>,
    rows: usize,
}

/// Which rows of a page have a value.
enum Present {
    All,
    None,
    Some(Vec<u32>),
}

impl Present {
    fn pull(levels: &[u8], rows: usize) -> Option<Self> {
        Some(match same_in_all(levels, rows) {
            Some(0) => Self::None,
            Some(_) => Self::All,
            None => {
                let mut present = Vec::new();
                pull_hybrid(levels, 1, rows, &mut present)?;
                Self::Some(present)
            }
        })
    }

    /// How many have one.
    fn count(&self, rows: usize) -> usize {
        match self {
            Self::All => rows,
            Self::None => 0,
            Self::Some(present) => present.iter().map(|level| *level as usize).sum(),
        }
    }

    /// Puts values in the rows that have one, and `none` in the others.
    fn spread<T: Copy>(&self, rows: usize, values: &[T], none: T, into: &mut Vec<T>) {
        match self {
            Self::All => into.extend_from_slice(values.get(..rows).unwrap_or_default()),
            Self::None => into.resize(into.len() + rows, none),
            Self::Some(present) => {
                // Without a branch on what nobody can foresee.
                let mut next = 0;
                into.extend(present.iter().map(|level| {
                    let value = values.get(next).copied().unwrap_or(none);
                    next += *level as usize;
                    if *level == 1 { value } else { none }
                }));
            }
        }
    }
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
        if !flat {
            return Ok(None);
        }
        let Some(values) = self.values(file, chunk, kind, rows)? else { return Ok(None) };
        values.finish(kind).map(Some)
    }

    /// A column of lists of structs of texts, from the chunks of its texts. `None` as for [`Self::read`].
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(super) fn read_lists(
        &mut self,
        file: &File,
        chunks: &[&ColumnChunkMetaData],
        item: &FieldRef,
        rows: usize,
    ) -> Result<Option<ArrayRef>> {
        let DataType::Struct(fields) = item.data_type() else { return Ok(None) };
        let mut leaves = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            let descriptor = chunk.column_descr();
            if (descriptor.max_def_level(), descriptor.max_rep_level()) != (4, 1) {
                return Ok(None);
            }
            let Some(values) = self.values(file, chunk, &DataType::Utf8, rows)? else { return Ok(None) };
            leaves.push(values);
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
        file: &File,
        chunks: &[&ColumnChunkMetaData],
        entry: &FieldRef,
        rows: usize,
    ) -> Result<Option<ArrayRef>> {
        let levels = |chunk: &ColumnChunkMetaData| (chunk.column_descr().max_def_level(), chunk.column_descr().max_rep_level());
        let ([keys, values], DataType::Struct(fields)) = (chunks, entry.data_type()) else { return Ok(None) };
        let [_, list] = fields.as_ref() else { return Ok(None) };
        let DataType::List(item) = list.data_type() else { return Ok(None) };
        if levels(keys) != (2, 1) || levels(values) != (5, 2) {
            return Ok(None);
        }
        let Some(keys) = self.values(file, keys, &DataType::Utf8, rows)? else { return Ok(None) };
        let Some(values) = self.values(file, values, &DataType::Utf8, rows)? else { return Ok(None) };
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

    fn values(&mut self, file: &File, chunk: &ColumnChunkMetaData, kind: &DataType, rows: usize) -> Result<Option<Values>> {
        if !matches!(chunk.compression(), Compression::ZSTD(_)) {
            return Ok(None);
        }
        let descriptor = chunk.column_descr();
        let most = (descriptor.max_rep_level() > 0).then(|| (most(descriptor.max_rep_level()), most(descriptor.max_def_level())));
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
                    match most {
                        None => values.page(&page, num_values as usize, encoding, kind),
                        Some(most) => values.nested(&page, num_values as usize, encoding, most),
                    }
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
        Ok(Some(values))
    }

    /// The pages of a chunk, as they stand in the file: compressed.
    fn pages(&self, mut file: &File, chunk: &ColumnChunkMetaData, rows: usize) -> Result<SerializedPageReader<Bytes>> {
        let (begin, length) = chunk.byte_range();
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        file.seek(SeekFrom::Start(begin))?;
        file.take(length).read_to_end(&mut bytes)?;
        let begin = i64::try_from(begin).unwrap_or_default();
        let metadata = ColumnChunkMetaData::builder(chunk.column_descr_ptr())
            .set_compression(Compression::UNCOMPRESSED)
            .set_num_values(chunk.num_values())
            .set_total_compressed_size(chunk.compressed_size())
            .set_dictionary_page_offset(chunk.dictionary_page_offset().map(|at| at - begin))
            .set_data_page_offset(chunk.data_page_offset() - begin)
            .build()?;
        SerializedPageReader::new(Arc::new(Bytes::from(bytes)), &metadata, rows, None)
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
        let present = Present::pull(pull_text(&mut rest)?, rows)?;
        match (kind, encoding, &self.dictionary) {
            (DataType::Utf8, Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY, Some(_)) => self.codes(rest, rows, &present)?,
            // Nothing but rows without a text: no dictionary is needed.
            (DataType::Utf8, Encoding::PLAIN, None) if matches!(present, Present::None) && self.ends.is_empty() => {
                self.codes.resize(self.codes.len() + rows, NULL);
            }
            (DataType::Utf8, Encoding::PLAIN, None) if self.codes.is_empty() => {
                if !self.texts(rest, rows, &present)? {
                    return Some(false);
                }
                self.note(rows, &present);
            }
            (DataType::Boolean, Encoding::PLAIN, None) => {
                let count = present.count(rows);
                let flags = page_flags(rest, count)?;
                present.spread(rows, &flags, false, &mut self.flags);
                self.note(rows, &present);
            }
            (DataType::Int64 | DataType::Timestamp(TimeUnit::Microsecond, _), Encoding::PLAIN, None) => {
                let numbers: Vec<i64> = rest.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect();
                (numbers.len() >= present.count(rows)).then_some(())?;
                present.spread(rows, &numbers, 0, &mut self.numbers);
                self.note(rows, &present);
            }
            _ => return Some(false),
        }
        self.rows += rows;
        Some(true)
    }

    /// Takes a data page of nested texts, as [`Self::dictionary`]. `most` are the highest levels.
    fn nested(&mut self, page: &[u8], places: usize, encoding: Encoding, most: (u32, u32)) -> Option<bool> {
        let mut rest = page;
        let width = |most: u32| u32::BITS - most.leading_zeros();
        let before = self.defined.len();
        pull_hybrid(pull_text(&mut rest)?, width(most.0), places, &mut self.repeated)?;
        pull_hybrid(pull_text(&mut rest)?, width(most.1), places, &mut self.defined)?;
        let these = self.defined.get(before..).unwrap_or_default();
        let count = these.iter().filter(|defined| **defined == most.1).count();
        match encoding {
            _ if count == 0 => {}
            Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY if self.dictionary.is_some() => {
                let (width, packed) = rest.split_first()?;
                pull_hybrid(packed, u32::from(*width), count, &mut self.codes)?;
            }
            _ => return Some(false),
        }
        self.rows += self.repeated.get(before..).unwrap_or_default().iter().filter(|repeated| **repeated == 0).count();
        Some(true)
    }

    /// Of nested values, where the entries of each row end, and which rows have a list or map at all.
    fn rows(&self) -> (Vec<i32>, Vec<bool>) {
        let (mut ends, mut valid, mut entries) = (vec![0], Vec::with_capacity(self.rows), 0);
        for (repeated, defined) in self.repeated.iter().zip(&self.defined) {
            if *repeated == 0 {
                if !valid.is_empty() {
                    ends.push(entries);
                }
                valid.push(*defined > 0);
            }
            entries += i32::from(*defined > 1);
        }
        ends.push(entries);
        (ends, valid)
    }

    /// Of nested texts, those at places that are defined beyond a level; a text stands where they are defined up to `most`.
    fn entries(&self, beyond: u32, most: u32) -> StringArray {
        let (ends, texts) = self.dictionary.as_ref().map_or((&[][..], &[][..]), |(ends, texts)| (ends.as_slice(), texts.as_slice()));
        let text = |code: u32| {
            let (begin, end) = (*ends.get(code as usize)?, *ends.get(code as usize + 1)?);
            std::str::from_utf8(texts.get(usize::try_from(begin).ok()?..usize::try_from(end).ok()?)?).ok()
        };
        let mut codes = self.codes.iter();
        let entries = self.defined.iter().filter(|defined| **defined > beyond);
        entries.map(|defined| (*defined == most).then(|| codes.next()).flatten().and_then(|code| text(*code))).collect()
    }

    /// Notes which rows have a value.
    fn note(&mut self, rows: usize, present: &Present) {
        if matches!(present, Present::All) && self.valid.is_none() {
            return;
        }
        let valid = self.valid.get_or_insert_with(|| vec![true; self.rows]);
        match present {
            Present::All => valid.resize(valid.len() + rows, true),
            Present::None => valid.resize(valid.len() + rows, false),
            Present::Some(present) => valid.extend(present.iter().map(|level| *level == 1)),
        }
    }

    fn codes(&mut self, page: &[u8], rows: usize, present: &Present) -> Option<()> {
        let (width, packed) = page.split_first()?;
        match present {
            Present::All => pull_hybrid(packed, u32::from(*width), rows, &mut self.codes),
            present => {
                let (count, mut codes) = (present.count(rows), Vec::new());
                pull_hybrid(packed, u32::from(*width), count, &mut codes)?;
                present.spread(rows, &codes, NULL, &mut self.codes);
                Some(())
            }
        }
    }

    /// Whether they fit.
    fn texts(&mut self, mut page: &[u8], rows: usize, present: &Present) -> Option<bool> {
        self.texts.reserve(page.len());
        for row in 0..rows {
            let is_there = match present {
                Present::All => true,
                Present::None => false,
                Present::Some(present) => present.get(row) == Some(&1),
            };
            if is_there {
                self.texts.extend_from_slice(pull_text(&mut page)?);
            }
            let Ok(end) = i32::try_from(self.texts.len()) else { return Some(false) };
            self.ends.push(end);
        }
        Some(true)
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
                // No dictionary: no row has a text.
                _ if !self.codes.is_empty() || self.ends.is_empty() => {
                    let (ends, texts) = self.dictionary.unwrap_or_else(|| (vec![0], Vec::new()));
                    let texts = StringArray::try_new(OffsetBuffer::new(ends.into()), Buffer::from_vec(texts), None)?;
                    let codes = self.codes;
                    let is_valid = |row: usize| codes.get(row).is_some_and(|code| *code != NULL);
                    let valid = codes.contains(&NULL).then(|| NullBuffer::new(BooleanBuffer::collect_bool(codes.len(), is_valid)));
                    let codes = UInt32Array::try_new(ScalarBuffer::from(codes), valid)?;
                    Arc::new(DictionaryArray::try_new(codes, Arc::new(texts))?)
                }
                _ => {
                    let ends: Vec<i32> = std::iter::once(0).chain(self.ends).collect();
                    Arc::new(StringArray::try_new(OffsetBuffer::new(ends.into()), Buffer::from_vec(self.texts), valid)?)
                }
            },
        })
    }
}

/// The highest level, as the levels themselves are read.
fn most(level: i16) -> u32 {
    u32::try_from(level).unwrap_or_default()
}

/// So many flags of a page; `None` if there are fewer.
fn page_flags(page: &[u8], count: usize) -> Option<Vec<bool>> {
    let flags = page.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1));
    let flags: Vec<bool> = flags.take(count).collect();
    (flags.len() == count).then_some(flags)
}
