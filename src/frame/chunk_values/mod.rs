//! The values of a column chunk, page by page: all of them, or those of the rows that are wanted.

mod nested;
mod present;

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, StringArray, TimestampMicrosecondArray, UInt32Array};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, TimeUnit};
use parquet::basic::Encoding;
use parquet::errors::Result;

use self::present::{Places, Present};
use super::codes::{Codes, NULL};
use super::encoding::{Hybrid, pull_hybrid, pull_text};

pub(in crate::frame) use self::nested::Nested;

/// The rows of a chunk that are wanted.
#[derive(Clone, Copy)]
pub(in crate::frame) struct Rows<'r> {
    /// How many there are.
    pub(in crate::frame) all: usize,
    /// Some of them, in order, or all.
    pub(in crate::frame) wanted: Option<&'r [u32]>,
}

impl<'r> Rows<'r> {
    /// Those that are wanted of a page, which begins at a row.
    fn of_page(self, begin: usize, rows: usize) -> Option<impl Iterator<Item = usize> + use<'r>> {
        let wanted = self.wanted?;
        let [from, to] = [begin, begin + rows].map(|row| wanted.partition_point(|wanted| (*wanted as usize) < row));
        Some(wanted.get(from..to).unwrap_or_default().iter().map(move |row| *row as usize - begin))
    }
}

/// The values of a chunk so far.
#[derive(Default)]
pub(in crate::frame) struct Values {
    /// The texts of the dictionary: where each ends, and all of them.
    dictionary: Option<(Vec<i32>, Vec<u8>)>,
    /// The numbers of the dictionary.
    counted: Option<Vec<i64>>,
    /// Codes of texts, or of nothing.
    codes: Vec<u32>,
    /// Plain texts.
    ends: Vec<i32>,
    texts: Vec<u8>,
    numbers: Vec<i64>,
    flags: Vec<bool>,
    /// Of all but codes, which rows have a value: of all rows from the first page on in which one has none, of wanted rows always.
    valid: Option<Vec<bool>>,
    /// Of nested values, the levels of their places.
    repeated: Vec<u32>,
    defined: Vec<u32>,
    /// The level at which a nested text stands.
    most_defined: u32,
    pub(in crate::frame) rows: usize,
    /// Room for codes of rows that have one.
    present: Vec<u32>,
    places: Places,
}

/// What the values of a page are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// Codes of texts.
    Codes,
    Texts,
    Flags,
    Numbers,
    /// Codes of numbers.
    Counted,
}

impl Values {
    /// Forgets everything, and keeps the room for the next chunk.
    pub(in crate::frame) fn clear(&mut self) {
        let Self { dictionary, counted, codes, ends, texts, numbers, flags, valid, repeated, defined, rows, present, .. } = self;
        (*dictionary, *counted, *valid, *rows) = (None, None, None, 0);
        [codes, repeated, defined, present].into_iter().for_each(Vec::clear);
        ends.clear();
        texts.clear();
        numbers.clear();
        flags.clear();
    }

    /// Whether the codes of numbers are the numbers.
    fn is_counting(&self) -> bool {
        self.counted.as_ref().is_some_and(|counted| counted.iter().zip(0..).all(|(number, code)| *number == code))
    }

    /// Takes a dictionary page of numbers, as [`Self::dictionary`].
    pub(in crate::frame) fn counted(&mut self, page: &[u8], count: usize) -> Option<bool> {
        let numbers: Vec<i64> = page.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect();
        (numbers.len() >= count).then_some(())?;
        let is_first = self.counted.is_none() && self.rows == 0;
        self.counted = Some(numbers);
        Some(is_first)
    }

    /// Takes a dictionary page: `Some(false)` if it cannot be taken so, `None` if it ends early.
    pub(in crate::frame) fn dictionary(&mut self, page: &[u8], count: usize) -> Option<bool> {
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
    pub(in crate::frame) fn page(
        &mut self,
        page: &[u8],
        (rows, of): (usize, Rows<'_>),
        encoding: Encoding,
        kind: &DataType,
    ) -> Option<bool> {
        // A row group has no more rows than its file says.
        (self.rows + rows <= of.all).then_some(())?;
        let mut values = page;
        let levels = pull_text(&mut values)?;
        let is_coded = matches!(encoding, Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY);
        let layout = match (kind, is_coded) {
            (DataType::Utf8, true) if self.dictionary.is_some() => Layout::Codes,
            (DataType::Utf8, false) if self.dictionary.is_none() => Layout::Texts,
            (DataType::UInt32, true) if self.is_counting() => Layout::Codes,
            (DataType::Int64, true) if self.counted.is_some() => Layout::Counted,
            (DataType::Boolean, false) if encoding == Encoding::PLAIN => Layout::Flags,
            (DataType::Int64 | DataType::Timestamp(TimeUnit::Microsecond, _), false) if encoding == Encoding::PLAIN => Layout::Numbers,
            _ => return Some(false),
        };
        let taken = match of.of_page(self.rows, rows).filter(|_| layout != Layout::Texts) {
            Some(wanted) => self.pick(levels, values, rows, layout, wanted).map(|()| true),
            None => self.take(levels, values, rows, layout),
        };
        self.rows += rows;
        taken
    }

    /// Takes some rows of a page.
    fn pick(&mut self, levels: &[u8], values: &[u8], rows: usize, layout: Layout, wanted: impl Iterator<Item = usize>) -> Option<()> {
        let Self { codes, flags, numbers, valid, counted, places, .. } = self;
        let (most, _) = wanted.size_hint();
        match layout {
            Layout::Codes => codes.reserve(most),
            Layout::Flags => flags.reserve(most),
            _ => numbers.reserve(most),
        }
        places.fill(levels, rows)?;
        match layout {
            Layout::Codes => {
                let (width, packed) = values.split_first()?;
                let mut packed = Hybrid::new(packed, u32::from(*width));
                places.each(wanted, |place| {
                    codes.push(match place {
                        Some(place) => packed.at(place)?,
                        None => NULL,
                    });
                    Some(())
                })
            }
            Layout::Counted => {
                let (width, packed) = values.split_first()?;
                let (mut packed, known) = (Hybrid::new(packed, u32::from(*width)), counted.as_deref().unwrap_or_default());
                places.each(wanted, |place| {
                    valid.get_or_insert_default().push(place.is_some());
                    numbers.push(place.map_or(Some(0), |place| known.get(packed.at(place)? as usize).copied())?);
                    Some(())
                })
            }
            Layout::Flags => places.each(wanted, |place| {
                valid.get_or_insert_default().push(place.is_some());
                flags.push(place.map_or(Some(false), |place| Some(values.get(place / 8)? >> (place % 8) & 1 == 1))?);
                Some(())
            }),
            Layout::Numbers | Layout::Texts => {
                let plain = values.as_chunks().0;
                places.each(wanted, |place| {
                    valid.get_or_insert_default().push(place.is_some());
                    numbers.push(place.map_or(Some(0), |place| plain.get(place).map(|bytes| i64::from_le_bytes(*bytes)))?);
                    Some(())
                })
            }
        }
    }

    /// Takes all rows of a page: `Some(false)` and `None` as [`Self::dictionary`].
    fn take(&mut self, levels: &[u8], values: &[u8], rows: usize, layout: Layout) -> Option<bool> {
        let present = Present::pull(levels, rows)?;
        match layout {
            Layout::Codes => {
                self.codes(values, rows, &present)?;
                return Some(true);
            }
            // Nothing but rows without a text: no dictionary is needed.
            Layout::Texts if matches!(present, Present::None) && self.ends.is_empty() => {
                self.codes.resize(self.codes.len() + rows, NULL);
                return Some(true);
            }
            Layout::Texts if !self.codes.is_empty() => return Some(false),
            Layout::Texts => {
                if !self.texts(values, rows, &present)? {
                    return Some(false);
                }
            }
            Layout::Flags => {
                let count = present.count(rows);
                let flags = page_flags(values, count)?;
                present.spread(rows, &flags, false, &mut self.flags);
            }
            Layout::Numbers => {
                let numbers: Vec<i64> = values.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect();
                (numbers.len() >= present.count(rows)).then_some(())?;
                present.spread(rows, &numbers, 0, &mut self.numbers);
            }
            Layout::Counted => {
                self.codes.clear();
                self.codes(values, rows, &present)?;
                let known = self.counted.as_deref().unwrap_or_default();
                let number = |code: &u32| if *code == NULL { Some(0) } else { known.get(*code as usize).copied() };
                let before = self.numbers.len();
                self.numbers.extend(self.codes.iter().map_while(number));
                (self.numbers.len() == before + rows).then_some(())?;
                self.codes.clear();
            }
        }
        self.note(rows, &present);
        Some(true)
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
                self.present.clear();
                pull_hybrid(packed, u32::from(*width), present.count(rows), &mut self.present)?;
                present.spread(rows, &self.present, NULL, &mut self.codes);
                Some(())
            }
        }
    }

    /// Whether they fit.
    fn texts(&mut self, mut page: &[u8], rows: usize, present: &Present) -> Option<bool> {
        self.texts.reserve(page.len());
        self.ends.reserve(rows);
        let mut add = |is_there: bool| {
            if is_there {
                self.texts.extend_from_slice(pull_text(&mut page)?);
            }
            // Beyond what fits, an end that is none.
            self.ends.push(i32::try_from(self.texts.len()).unwrap_or(-1));
            Some(())
        };
        match present {
            Present::All => (0..rows).try_for_each(|_| add(true))?,
            Present::None => (0..rows).try_for_each(|_| add(false))?,
            Present::Some(levels) => levels.iter().try_for_each(|level| add(*level == 1))?,
        }
        if self.ends.last() == Some(&-1) {
            return Some(false);
        }
        Some(true)
    }

    /// The column of the rows that are wanted.
    pub(in crate::frame) fn finish(&mut self, kind: &DataType, rows: Rows<'_>) -> Result<ArrayRef> {
        let valid = self.valid.take().map(NullBuffer::from);
        Ok(match kind {
            DataType::Boolean => Arc::new(BooleanArray::new(BooleanBuffer::from(self.flags.as_slice()), valid)),
            DataType::Int64 => Arc::new(Int64Array::try_new(ScalarBuffer::from(std::mem::take(&mut self.numbers)), valid)?),
            DataType::UInt32 => Arc::new(UInt32Array::from(std::mem::take(&mut self.codes))),
            DataType::Timestamp(_, zone) => {
                let times = TimestampMicrosecondArray::try_new(ScalarBuffer::from(std::mem::take(&mut self.numbers)), valid)?;
                Arc::new(times.with_timezone_opt(zone.clone()))
            }
            // No dictionary: no row has a text.
            _ if self.ends.is_empty() => {
                let (ends, texts) = self.dictionary.take().unwrap_or_else(|| (vec![0], Vec::new()));
                let texts = StringArray::try_new(OffsetBuffer::new(ends.into()), Buffer::from_vec(texts), None)?;
                // Where no row has a text all rows were taken.
                self.codes.truncate(rows.wanted.map_or(rows.all, <[u32]>::len));
                Codes::wide_column(std::mem::take(&mut self.codes), texts)?
            }
            _ => {
                let ends: Vec<i32> = std::iter::once(0).chain(self.ends.iter().copied()).collect();
                let texts = std::mem::take(&mut self.texts);
                let texts = StringArray::try_new(OffsetBuffer::new(ends.into()), Buffer::from_vec(texts), valid)?;
                match rows.wanted {
                    None => Arc::new(texts),
                    Some(wanted) => arrow::compute::take(&texts, &UInt32Array::from(wanted.to_vec()), None)?,
                }
            }
        })
    }
}

/// So many flags of a page; `None` if there are fewer.
fn page_flags(page: &[u8], count: usize) -> Option<Vec<bool>> {
    let flags = page.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1));
    let flags: Vec<bool> = flags.take(count).collect();
    (flags.len() == count).then_some(flags)
}
