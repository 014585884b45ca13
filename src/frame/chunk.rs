//! Column chunks of a Parquet file: pages of values, compressed, with what the file's metadata says of them.
//!
//! The column writers of the parquet crate take texts, and would hash each of them to find the code that it has already; they
//! also make two zstd contexts for each column of each file, which costs more than compressing a day of most columns. Page
//! headers are the crate's. The format: Parquet's `Encodings.md`, "Plain" and "Dictionary Encoding".

use std::borrow::Cow;
use std::io::Write;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, EncodingMask, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter as _};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, PageEncodingStats};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use super::chunk_file::number;
use super::codes::NULL;
use super::encoding::{push_hybrid, push_run, push_text, width_of};
use super::texts::Distinct;

/// About the most bytes of a page of plain values.
pub(super) const PAGE_BYTES: usize = 1 << 20;

/// A page of fewer bytes is not compressed: what that would save of a small file is less than what it takes to find out.
const SMALL_BYTES: usize = 512;

/// How the pages of a chunk are stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stored {
    /// Their content is that of zstd frames which hold it as it is.
    pub(super) is_raw: bool,
    /// The most bytes of texts in a dictionary page; a column with more is written plain.
    pub(super) dictionary: usize,
}

impl Stored {
    /// Compressed.
    pub(super) const COMPRESSED: Self = Self { is_raw: false, dictionary: 1 << 20 };
    /// Not compressed.
    pub(super) const AS_IT_IS: Self = Self { is_raw: true, ..Self::COMPRESSED };
}

/// Compresses pages, one after the other, with one context.
pub(super) struct Compressor {
    level: ZstdLevel,
    zstd: zstd::bulk::Compressor<'static>,
}

impl Compressor {
    /// One for a level of zstd.
    pub(super) fn new(level: ZstdLevel) -> Result<Self> {
        Ok(Self { level, zstd: zstd::bulk::Compressor::new(level.compression_level()).map_err(external)? })
    }
}

/// The pages of a chunk.
pub(super) struct Pages {
    pages: Vec<CompressedPage>,
    values: usize,
    stored: Stored,
}

/// The plain values of a page, behind room for the levels that stand before them: the page need not be put together anew.
pub(super) struct PlainValues(Vec<u8>);

impl PlainValues {
    /// The levels of thirty thousand rows, of which some have no value.
    const ROOM: usize = 4 << 10;

    /// None yet.
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    /// The values.
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.get(Self::ROOM..).unwrap_or_default()
    }

    /// What values are added to.
    pub(super) fn end(&mut self) -> &mut Vec<u8> {
        if self.0.is_empty() {
            self.0.resize(Self::ROOM, 0);
        }
        &mut self.0
    }

    /// Forgets the values.
    pub(super) fn clear(&mut self) {
        self.0.truncate(Self::ROOM);
    }

    /// The page.
    fn page(&mut self, levels: &[u8]) -> Cow<'_, [u8]> {
        let Some(begin) = Self::ROOM.checked_sub(levels.len()) else { return Cow::Owned([levels, self.bytes()].concat()) };
        if let Some(room) = self.end().get_mut(begin..Self::ROOM) {
            room.copy_from_slice(levels);
        }
        Cow::Borrowed(self.0.get(begin..).unwrap_or_default())
    }
}

/// Which values a page has, in levels of definition and repetition, and how deep these go.
#[derive(Clone, Copy)]
pub(super) struct Levels<'l> {
    /// Definition levels.
    pub(super) defined: Defined<'l>,
    /// The one of a value.
    pub(super) most_defined: u32,
    /// Repetition levels; none where nothing repeats.
    pub(super) repeated: &'l [u32],
    /// The highest of them.
    pub(super) most_repeated: u32,
}

/// Definition levels.
#[derive(Clone, Copy)]
pub(super) enum Defined<'l> {
    /// So many places with a value each.
    All(usize),
    /// So many places without one.
    None(usize),
    /// Place by place.
    Each(&'l [u32]),
}

impl Defined<'_> {
    fn len(self) -> usize {
        match self {
            Self::All(places) | Self::None(places) => places,
            Self::Each(levels) => levels.len(),
        }
    }

    fn split_at(self, at: usize) -> (Self, Self) {
        match self {
            Self::All(places) => (Self::All(at), Self::All(places - at)),
            Self::None(places) => (Self::None(at), Self::None(places - at)),
            Self::Each(levels) => {
                let (these, rest) = levels.split_at(at);
                (Self::Each(these), Self::Each(rest))
            }
        }
    }
}

impl<'l> Levels<'l> {
    /// Those of a column with at most one value a row: 1 where there is one.
    pub(super) fn flat(defined: Defined<'l>) -> Self {
        Self { defined, most_defined: 1, repeated: &[], most_repeated: 0 }
    }

    fn push(&self, page: &mut Vec<u8>) -> Result<()> {
        let mut runs = Vec::new();
        if self.most_repeated > 0 {
            push_hybrid(&mut runs, self.repeated, width_of(self.most_repeated));
            push_text(page, &runs)?;
            runs.clear();
        }
        match self.defined {
            Defined::All(places) => push_run(&mut runs, places, self.most_defined, width_of(self.most_defined)),
            Defined::None(places) => push_run(&mut runs, places, 0, width_of(self.most_defined)),
            Defined::Each(levels) => push_hybrid(&mut runs, levels, width_of(self.most_defined)),
        }
        push_text(page, &runs)
    }
}

impl Pages {
    /// No pages yet; the content of raw ones is [`stored`].
    pub(super) fn new(stored: Stored) -> Self {
        Self { pages: Vec::new(), values: 0, stored }
    }

    /// Adds pages of coded texts, one for each entry of `codes` that is not [`NULL`]: their dictionary and their codes, or,
    /// where they are too large for a dictionary, themselves.
    pub(super) fn coded(&mut self, distinct: &Distinct, codes: &[u32], levels: &Levels<'_>, zstd: &mut Compressor) -> Result<()> {
        let texts = distinct.len();
        if matches!(levels.defined, Defined::None(_)) {
            return self.plain(&mut PlainValues::new(), levels, zstd);
        }
        if texts == 0 || distinct.bytes_of_text() > self.stored.dictionary && levels.most_repeated == 0 {
            return self.texts(distinct, codes, levels, zstd);
        }
        let mut page = Vec::with_capacity(distinct.bytes_of_text() + 4 * texts);
        distinct.iter().try_for_each(|text| push_text(&mut page, text))?;
        self.page(&page, zstd, |buf| Page::DictionaryPage {
            buf,
            num_values: u32::try_from(texts).unwrap_or(u32::MAX),
            encoding: Encoding::PLAIN,
            is_sorted: false,
        })?;
        page.clear();
        levels.push(&mut page)?;
        let width = width_of(u32::try_from(texts - 1).unwrap_or(u32::MAX));
        page.extend(u8::try_from(width));
        if codes.contains(&NULL) {
            push_hybrid(&mut page, &present(codes), width);
        } else {
            push_hybrid(&mut page, codes, width);
        }
        self.data_page(&page, levels.defined.len(), Encoding::RLE_DICTIONARY, zstd)
    }

    /// Adds pages of numbers that count from 0, one for each row.
    pub(super) fn counted(&mut self, numbers: &[u32], zstd: &mut Compressor) -> Result<()> {
        let most = numbers.iter().max().copied().unwrap_or_default();
        let mut page: Vec<u8> = (0..=i64::from(most)).flat_map(i64::to_le_bytes).collect();
        let num_values = most.saturating_add(1);
        self.page(&page, zstd, |buf| Page::DictionaryPage { buf, num_values, encoding: Encoding::PLAIN, is_sorted: true })?;
        page.clear();
        Levels::flat(Defined::All(numbers.len())).push(&mut page)?;
        page.extend(u8::try_from(width_of(most)));
        push_hybrid(&mut page, numbers, width_of(most));
        self.data_page(&page, numbers.len(), Encoding::RLE_DICTIONARY, zstd)
    }

    /// Adds pages of texts that no dictionary holds, a few rows at a time.
    fn texts(&mut self, distinct: &Distinct, codes: &[u32], levels: &Levels<'_>, zstd: &mut Compressor) -> Result<()> {
        let (mut codes, mut defined) = (codes, levels.defined);
        loop {
            let (mut values, mut count) = (PlainValues::new(), 0);
            for code in codes {
                if let Some(text) = distinct.get(*code) {
                    push_text(values.end(), text.as_bytes())?;
                }
                count += 1;
                if values.bytes().len() >= PAGE_BYTES {
                    break;
                }
            }
            let rows = if levels.most_repeated > 0 { defined.len() } else { count };
            let (these, rest) = defined.split_at(rows);
            self.plain(&mut values, &Levels { defined: these, ..*levels }, zstd)?;
            (codes, defined) = (codes.get(count..).unwrap_or_default(), rest);
            if defined.len() == 0 {
                return Ok(());
            }
        }
    }

    /// Adds a page of values as they are: texts with their lengths, numbers in little endian, flags as bits.
    pub(super) fn plain(&mut self, values: &mut PlainValues, levels: &Levels<'_>, zstd: &mut Compressor) -> Result<()> {
        let mut before = Vec::with_capacity(levels.defined.len() / 4 + 64);
        levels.push(&mut before)?;
        self.data_page(&values.page(&before), levels.defined.len(), Encoding::PLAIN, zstd)
    }

    fn data_page(&mut self, page: &[u8], values: usize, encoding: Encoding, zstd: &mut Compressor) -> Result<()> {
        self.values += values;
        self.page(page, zstd, |buf| Page::DataPage {
            buf,
            num_values: u32::try_from(values).unwrap_or(u32::MAX),
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        })
    }

    fn page(&mut self, content: &[u8], zstd: &mut Compressor, page: impl FnOnce(Bytes) -> Page) -> Result<()> {
        let page = page(match self.stored.is_raw || content.len() < SMALL_BYTES {
            true => Bytes::from(stored(content)?),
            false => Bytes::from(zstd.zstd.compress(content).map_err(external)?),
        });
        self.pages.push(CompressedPage::new(page, content.len()));
        Ok(())
    }

    /// Writes the pages as the next chunk of a row group; what the file's metadata says of it.
    pub(super) fn close<W: Write + Send>(
        self,
        descriptor: ColumnDescPtr,
        statistics: Option<Statistics>,
        zstd: &Compressor,
        file: &mut TrackedWrite<W>,
    ) -> Result<ColumnChunkMetaData> {
        let begin = file.bytes_written();
        let (mut dictionary, mut data, mut uncompressed) = (None, None, 0);
        let mut stats: Vec<PageEncodingStats> = Vec::new();
        let mut writer = SerializedPageWriter::new(file);
        for page in self.pages {
            let (page_type, encoding, is_data) = (page.page_type(), page.encoding(), page.compressed_page().is_data_page());
            let written = writer.write_page(page)?;
            let first = if is_data { &mut data } else { &mut dictionary };
            first.get_or_insert(written.offset);
            uncompressed += written.uncompressed_size;
            match stats.last_mut() {
                Some(last) if (last.page_type, last.encoding) == (page_type, encoding) => last.count += 1,
                _ => stats.push(PageEncodingStats { page_type, encoding, count: 1 }),
            }
        }
        let encodings = stats.iter().map(|stats| stats.encoding).chain([Encoding::RLE]).collect::<Vec<_>>();
        let mut metadata = ColumnChunkMetaData::builder(descriptor)
            .set_compression(Compression::ZSTD(zstd.level))
            .set_encodings_mask(EncodingMask::new_from_encodings(encodings.iter()))
            .set_page_encoding_stats(stats)
            .set_total_compressed_size(number(file.bytes_written() - begin)?)
            .set_total_uncompressed_size(number(uncompressed)?)
            .set_num_values(number(self.values)?)
            .set_data_page_offset(data.map_or(Ok(0), number)?)
            .set_dictionary_page_offset(dictionary.map(number).transpose()?);
        if let Some(statistics) = statistics {
            metadata = metadata.set_statistics(statistics);
        }
        metadata.build()
    }
}

/// The codes of the rows that have one.
fn present(codes: &[u32]) -> Vec<u32> {
    // Every code is written, and the next one over it if it is none: which rows have one is hard to foresee.
    let (mut present, mut count) = (vec![NULL; codes.len()], 0);
    for code in codes {
        if let Some(to) = present.get_mut(count) {
            *to = *code;
        }
        count += usize::from(*code != NULL);
    }
    present.truncate(count);
    present
}

/// The magic number of a frame of zstd, and a header that says that the content's size follows in four bytes.
const FRAME: [u8; 5] = [0x28, 0xB5, 0x2F, 0xFD, 0b1010_0000];

/// A frame of zstd whose blocks hold a page's content as it is: any reader copies it out. The format: RFC 8878, 3.1.1.
fn stored(content: &[u8]) -> Result<Vec<u8>> {
    const BLOCK_BYTES: usize = 128 << 10;
    let size = u32::try_from(content.len()).map_err(|error| ParquetError::External(Box::new(error)))?;
    let mut frame = Vec::with_capacity(content.len() + 3 * content.len().div_ceil(BLOCK_BYTES) + 12);
    frame.extend(FRAME);
    frame.extend(size.to_le_bytes());
    let mut rest = content;
    loop {
        let (block, after) = rest.split_at(rest.len().min(BLOCK_BYTES));
        // Whether it is the last, two bits of 0 for one that is not compressed, and its size.
        let header = (block.len() as u32) << 3 | u32::from(after.is_empty());
        frame.extend(header.to_le_bytes().iter().take(3));
        frame.extend_from_slice(block);
        rest = after;
        if rest.is_empty() {
            return Ok(frame);
        }
    }
}

/// The content of a frame that [`stored`] makes of one block; `None` of any other.
pub(super) fn stored_in_one(frame: &[u8]) -> Option<&[u8]> {
    let (size, rest) = frame.strip_prefix(&FRAME)?.split_first_chunk::<4>()?;
    let ([a, b, c], content) = rest.split_first_chunk::<3>()?;
    let size = u32::from_le_bytes(*size);
    let is_one = u32::from_le_bytes([*a, *b, *c, 0]) == size.checked_mul(8)? | 1 && content.len() == size as usize;
    is_one.then_some(content)
}

fn external(error: std::io::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray as _, RecordBatch, StringArray};
    use arrow::datatypes::{DataType, Field, Schema};
    use parquet::arrow::ArrowSchemaConverter;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use parquet::schema::types::SchemaDescriptor;
    use rand::{Rng as _, SeedableRng as _};

    use super::super::chunk_file::ChunkFile;
    use super::super::leaf::Column;
    use super::super::places::Taken;
    use super::super::texts::Recoding;
    use super::*;

    /// The rows of a file with one column, as the reader of the parquet crate finds them.
    fn written(rows: &[Option<String>], name: &str) -> Vec<Option<String>> {
        let is_coded = ["coded", "coded_raw"].contains(&name);
        let is_raw = name.ends_with("raw");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("column.parquet");
        let field = Field::new(name, DataType::Utf8, true);
        let schema = Schema::new(vec![field.clone()]);
        let root = ArrowSchemaConverter::new().convert(&schema).unwrap().root_schema_ptr();
        let schema = Arc::new(SchemaDescriptor::new(root));
        let mut file = ChunkFile::new(File::create(&path).unwrap(), Arc::clone(&schema), Arc::default()).unwrap();
        let texts: ArrayRef = Arc::new(rows.iter().collect::<StringArray>());
        let places: Vec<_> = (0..rows.len()).map(|row| (0, row)).collect();
        let coded = Field::new_dictionary(name, DataType::UInt32, DataType::Utf8, true);
        let mut column =
            Column::new(if is_coded { &coded } else { &field }, if is_raw { Stored::AS_IT_IS } else { Stored::COMPRESSED }).unwrap();
        let mut zstd = Compressor::new(ZstdLevel::default()).unwrap();
        column.gather(&[&texts], &Taken::new(&places, 1).unwrap(), &mut Recoding::default(), &mut zstd).unwrap();
        let mut descriptors = std::iter::once((schema.column(0), true));
        file.group(rows.len(), |file, chunks| column.close(&mut descriptors, &mut zstd, file, chunks)).unwrap();
        file.finish().unwrap();
        let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap();
        let texts = || rows.iter().flatten().map(String::as_bytes);
        let edge = |text: Option<&'_ [u8]>| text.filter(|text| text.len() <= 256).map(<[u8]>::to_vec);
        let statistics = builder.metadata().row_group(0).column(0).statistics().cloned();
        assert_eq!(statistics.is_some(), is_coded, "only what is searched by has statistics");
        if let Some(statistics) = statistics {
            assert_eq!(statistics.null_count_opt(), Some(rows.iter().filter(|row| row.is_none()).count() as u64));
            let read = [statistics.min_bytes_opt(), statistics.max_bytes_opt()].map(|edge| edge.map(<[u8]>::to_vec));
            assert_eq!(read, [edge(texts().min()), edge(texts().max())]);
        }
        let texts = |batch: RecordBatch| batch.column(0).as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect::<Vec<_>>();
        builder.build().unwrap().flat_map(|batch| texts(batch.unwrap())).collect()
    }

    #[test]
    fn a_column_reads_as_it_was_written() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
        for (rows, values, nulls, repeats) in [
            (1, 1, 0.0, 1),
            (7, 3, 0.3, 1),
            (8, 1, 0.0, 1),
            (9, 0, 1.0, 1),
            (1_000, 2, 0.0, 1),
            (1_003, 2, 0.1, 20),
            (5_000, 300, 0.5, 9),
            (20_000, 70_000, 0.01, 1),
            (20_000, 5_000, 0.0, 31),
        ] {
            let mut column: Vec<Option<String>> = Vec::new();
            while column.len() < rows {
                let value = (values > 0 && !rng.random_bool(nulls)).then(|| format!("{:x}", rng.random_range(0..values.max(1))));
                let times = rng.random_range(1..=repeats).min(rows - column.len());
                column.extend(std::iter::repeat_n(value, times));
            }
            for name in ["coded", "coded_raw", "plain", "plain_raw"] {
                assert!(written(&column, name) == column, "{rows} rows of {values} values, {name}");
            }
        }
    }

    #[test]
    fn what_is_stored_is_zstd() {
        let content: Vec<u8> = (0..400_000u32).map(|at| (at * 31 % 251) as u8).collect();
        for size in [0, 1, 255, 256, 70_000, 131_071, 131_072, 131_073, 262_144, 400_000] {
            let frame = stored(&content[..size]).unwrap();
            assert_eq!(zstd::zstd_safe::get_frame_content_size(&frame).ok().flatten(), Some(size as u64));
            assert!(zstd::bulk::decompress(&frame, size).unwrap() == content[..size], "{size}");
            assert!(zstd::stream::decode_all(frame.as_slice()).unwrap() == content[..size], "{size}");
            let in_one = stored_in_one(&frame);
            assert!(in_one == (size <= 128 << 10).then_some(&content[..size]), "{size}");
            let compressed = zstd::bulk::compress(&content[..size], 1).unwrap();
            assert!(stored_in_one(&compressed).is_none_or(|found| *found == content[..size]), "{size}");
            assert!(stored_in_one(&frame[..frame.len() - 1]).is_none());
        }
    }

    #[test]
    fn a_column_of_long_texts_has_no_dictionary() {
        let long = |row: usize| (!row.is_multiple_of(5)).then(|| format!("{row}{}", "x".repeat(row % 3_000)));
        let column: Vec<Option<String>> = (0..4_000).map(long).collect();
        assert!(column.iter().flatten().map(String::len).sum::<usize>() > 3 * PAGE_BYTES);
        let huge = vec![Some("y".repeat(Stored::COMPRESSED.dictionary + 1)), None, Some(String::new())];
        for name in ["coded", "coded_raw", "plain", "plain_raw"] {
            assert!(written(&column, name) == column);
            assert!(written(&huge, name) == huge);
        }
    }
}
