//! A coded text column as a column chunk of a Parquet file: its texts are the dictionary page, its codes the data page.
//!
//! The column writer of the parquet crate takes texts, and would hash each of them to find the code that it has already.
//! Page headers and the file's metadata are the crate's. The format: Parquet's `Encodings.md`, "Dictionary Encoding" and
//! "Run Length Encoding / Bit-Packing Hybrid".

use std::fs::File;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, EncodingMask, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter as _};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, PageEncodingStats};
use parquet::file::statistics::{Statistics, ValueStatistics};
use parquet::file::writer::{SerializedPageWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use super::texts::{CodedBuilder, Distinct, NULL};

/// The most bytes of texts in a dictionary page; a column with more is written plain.
const DICTIONARY_BYTES: usize = 1 << 20;

/// About the most bytes of a page of plain texts.
const PAGE_BYTES: usize = 1 << 20;

/// Writes column chunks; keeps what every one of them needs.
pub(super) struct ChunkWriter {
    level: ZstdLevel,
    zstd: zstd::bulk::Compressor<'static>,
}

/// A chunk in the making.
struct Chunk<'z> {
    zstd: &'z mut zstd::bulk::Compressor<'static>,
    sink: TrackedWrite<Vec<u8>>,
    uncompressed: usize,
    stats: Vec<PageEncodingStats>,
}

impl ChunkWriter {
    /// A writer that compresses at a level of zstd.
    pub(super) fn new(level: ZstdLevel) -> Result<Self> {
        Ok(Self { level, zstd: zstd::bulk::Compressor::new(level.compression_level()).map_err(external)? })
    }

    /// Writes a column as the next chunk of a row group: the rows of the builder, which keeps them.
    pub(super) fn write(
        &mut self,
        column: &CodedBuilder,
        descriptor: ColumnDescPtr,
        statistics: bool,
        row_group: &mut SerializedRowGroupWriter<'_, File>,
    ) -> Result<()> {
        let (distinct, codes) = column.parts();
        let mut chunk = Chunk { zstd: &mut self.zstd, sink: TrackedWrite::new(Vec::new()), uncompressed: 0, stats: Vec::new() };
        let nulls = codes.iter().filter(|code| **code == NULL).count();
        let (dictionary, data) = chunk.pages(distinct, codes, nulls)?;
        let encodings = chunk.stats.iter().map(|stats| stats.encoding).chain([Encoding::RLE]).collect::<Vec<_>>();
        let mut metadata = ColumnChunkMetaData::builder(descriptor)
            .set_compression(Compression::ZSTD(self.level))
            .set_encodings_mask(EncodingMask::new_from_encodings(encodings.iter()))
            .set_page_encoding_stats(chunk.stats)
            .set_total_compressed_size(signed(chunk.sink.bytes_written())?)
            .set_total_uncompressed_size(signed(chunk.uncompressed)?)
            .set_num_values(signed(codes.len())?)
            .set_data_page_offset(data)
            .set_dictionary_page_offset(dictionary);
        if statistics {
            let edge = |text: Option<&[u8]>| text.map(|text| ByteArray::from(text.to_vec()));
            let (least, most) = (distinct.iter().min(), distinct.iter().max());
            let nulls = Some(nulls as u64);
            metadata = metadata.set_statistics(Statistics::ByteArray(ValueStatistics::new(edge(least), edge(most), None, nulls, false)));
        }
        let bytes = Bytes::from(chunk.sink.into_inner()?);
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: codes.len() as u64,
            metadata: metadata.build()?,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        row_group.append_column(&bytes, close)
    }
}

impl Chunk<'_> {
    /// Writes all pages; returns where the dictionary page begins, if there is one, and where the first data page does.
    fn pages(&mut self, distinct: &Distinct, codes: &[u32], nulls: usize) -> Result<(Option<i64>, i64)> {
        let texts = distinct.len();
        if texts == 0 || distinct.bytes_of_text() > DICTIONARY_BYTES {
            let begin = signed(self.sink.bytes_written())?;
            self.plain_pages(distinct, codes)?;
            return Ok((None, begin));
        }
        let mut page = Vec::with_capacity(distinct.bytes_of_text() + 4 * texts);
        distinct.iter().try_for_each(|text| push_text(&mut page, text))?;
        self.page(page, |buf| Page::DictionaryPage {
            buf,
            num_values: u32::try_from(texts).unwrap_or(u32::MAX),
            encoding: Encoding::PLAIN,
            is_sorted: false,
        })?;
        let begin = signed(self.sink.bytes_written())?;
        let mut page = Vec::with_capacity(codes.len());
        push_levels(&mut page, codes, nulls)?;
        let width = usize::BITS - (texts - 1).leading_zeros();
        page.extend(u8::try_from(width));
        if nulls == 0 {
            push_hybrid(&mut page, codes, width);
        } else {
            let present: Vec<u32> = codes.iter().copied().filter(|code| *code != NULL).collect();
            push_hybrid(&mut page, &present, width);
        }
        self.data_page(page, codes.len(), Encoding::RLE_DICTIONARY)?;
        Ok((Some(0), begin))
    }

    fn plain_pages(&mut self, distinct: &Distinct, codes: &[u32]) -> Result<()> {
        let mut rows = codes;
        while !rows.is_empty() {
            let (mut values, mut count, mut nulls) = (Vec::new(), 0, 0);
            for code in rows {
                match distinct.get(*code) {
                    Some(text) => push_text(&mut values, text.as_bytes())?,
                    None => nulls += 1,
                }
                count += 1;
                if values.len() >= PAGE_BYTES {
                    break;
                }
            }
            let (these, rest) = rows.split_at(count);
            let mut page = Vec::with_capacity(values.len() + 64);
            push_levels(&mut page, these, nulls)?;
            page.extend_from_slice(&values);
            self.data_page(page, count, Encoding::PLAIN)?;
            rows = rest;
        }
        Ok(())
    }

    fn data_page(&mut self, page: Vec<u8>, rows: usize, encoding: Encoding) -> Result<()> {
        self.page(page, |buf| Page::DataPage {
            buf,
            num_values: u32::try_from(rows).unwrap_or(u32::MAX),
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        })
    }

    fn page(&mut self, content: Vec<u8>, page: impl FnOnce(Bytes) -> Page) -> Result<()> {
        let length = content.len();
        let page = page(Bytes::from(self.zstd.compress(&content).map_err(external)?));
        let (page_type, encoding) = (page.page_type(), page.encoding());
        let written = SerializedPageWriter::new(&mut self.sink).write_page(CompressedPage::new(page, length))?;
        self.uncompressed += written.uncompressed_size;
        match self.stats.last_mut() {
            Some(last) if (last.page_type, last.encoding) == (page_type, encoding) => last.count += 1,
            _ => self.stats.push(PageEncodingStats { page_type, encoding, count: 1 }),
        }
        Ok(())
    }
}

fn external(error: std::io::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

fn signed(bytes: usize) -> Result<i64> {
    i64::try_from(bytes).map_err(|error| ParquetError::External(Box::new(error)))
}

/// A text as in a plain page: its length and its bytes.
fn push_text(page: &mut Vec<u8>, text: &[u8]) -> Result<()> {
    let length = u32::try_from(text.len()).map_err(|error| ParquetError::External(Box::new(error)))?;
    page.extend_from_slice(&length.to_le_bytes());
    page.extend_from_slice(text);
    Ok(())
}

/// Definition levels: which rows have a text, as runs of bits behind their length in bytes.
fn push_levels(page: &mut Vec<u8>, codes: &[u32], nulls: usize) -> Result<()> {
    let mut levels = Vec::new();
    if nulls == 0 || nulls == codes.len() {
        push_run(&mut levels, codes.len(), u32::from(nulls == 0), 1);
    } else {
        let present: Vec<u32> = codes.iter().map(|code| u32::from(*code != NULL)).collect();
        push_hybrid(&mut levels, &present, 1);
    }
    push_text(page, &levels)
}

/// Numbers of `width` bits as runs of one number, and groups of eight between them.
fn push_hybrid(page: &mut Vec<u8>, numbers: &[u32], width: u32) {
    /// A shorter run costs more than its numbers in a group.
    const RUN: usize = 8;
    let mut rest = numbers;
    let mut group = 0;
    while let Some(first) = rest.get(group) {
        let same = rest.iter().skip(group).take_while(|number| *number == first).count();
        // A group is filled up before a run can follow it.
        let fill = (RUN - group % RUN) % RUN;
        if same < fill + RUN {
            group += same;
            continue;
        }
        let (before, after) = rest.split_at(group + fill);
        push_groups(page, before, width);
        push_run(page, same - fill, *first, width);
        (rest, group) = (after.get(same - fill..).unwrap_or_default(), 0);
    }
    push_groups(page, rest, width);
}

fn push_run(page: &mut Vec<u8>, length: usize, number: u32, width: u32) {
    if length > 0 {
        push_varint(page, length << 1);
        page.extend(number.to_le_bytes().iter().take(width.div_ceil(8) as usize));
    }
}

fn push_groups(page: &mut Vec<u8>, numbers: &[u32], width: u32) {
    if numbers.is_empty() {
        return;
    }
    push_varint(page, numbers.len().div_ceil(8) << 1 | 1);
    let (mut bits, mut held) = (0u64, 0);
    let padding = numbers.len().next_multiple_of(8) - numbers.len();
    for number in numbers.iter().copied().chain(std::iter::repeat_n(0, padding)) {
        bits |= u64::from(number) << held;
        held += width;
        if held >= 32 {
            page.extend(bits.to_le_bytes().iter().take(4));
            bits >>= 32;
            held -= 32;
        }
    }
    page.extend(bits.to_le_bytes().iter().take(held.div_ceil(8) as usize));
}

fn push_varint(page: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        page.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    page.push((number & 0x7f) as u8);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{AsArray as _, RecordBatch};
    use arrow::datatypes::{DataType, Field, Schema};
    use parquet::arrow::ArrowSchemaConverter;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use parquet::file::writer::SerializedFileWriter;
    use rand::{Rng as _, SeedableRng as _};

    use super::*;

    /// The rows of a file with one column, as the reader of the parquet crate finds them.
    fn written(rows: &[Option<String>]) -> Vec<Option<String>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("column.parquet");
        let schema = Schema::new(vec![Field::new("column", DataType::Utf8, true)]);
        let root = ArrowSchemaConverter::new().convert(&schema).unwrap().root_schema_ptr();
        let mut file = SerializedFileWriter::new(File::create(&path).unwrap(), root, Arc::default()).unwrap();
        let descriptor = file.schema_descr().column(0);
        let mut column = CodedBuilder::default();
        rows.iter().for_each(|row| {
            column.push(row.as_deref()).unwrap();
        });
        let mut group = file.next_row_group().unwrap();
        ChunkWriter::new(ZstdLevel::default()).unwrap().write(&column, descriptor, true, &mut group).unwrap();
        group.close().unwrap();
        file.close().unwrap();
        let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap();
        let statistics = builder.metadata().row_group(0).column(0).statistics().unwrap().clone();
        assert_eq!(statistics.null_count_opt(), Some(rows.iter().filter(|row| row.is_none()).count() as u64));
        let texts = || rows.iter().flatten().map(String::as_bytes);
        assert_eq!((statistics.min_bytes_opt(), statistics.max_bytes_opt()), (texts().min(), texts().max()));
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
            assert!(written(&column) == column, "{rows} rows of {values} values");
        }
    }

    #[test]
    fn a_column_of_long_texts_has_no_dictionary() {
        let long = |row: usize| (!row.is_multiple_of(5)).then(|| format!("{row}{}", "x".repeat(row % 3_000)));
        let column: Vec<Option<String>> = (0..4_000).map(long).collect();
        assert!(column.iter().flatten().map(String::len).sum::<usize>() > 3 * PAGE_BYTES);
        assert!(written(&column) == column);
        let huge = vec![Some("y".repeat(DICTIONARY_BYTES + 1)), None, Some(String::new())];
        assert!(written(&huge) == huge);
    }
}
