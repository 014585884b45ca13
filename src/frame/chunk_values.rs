//! The values of a column chunk, page by page: all of them, or those of the rows that are wanted.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, DictionaryArray, Int64Array, StringArray, TimestampMicrosecondArray, UInt32Array};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, TimeUnit};
use parquet::basic::Encoding;
use parquet::errors::Result;

use super::encoding::{Hybrid, Ranks, pull_hybrid, pull_text, same_in_all};
use super::texts::NULL;

/// The rows of a chunk that are wanted.
#[derive(Clone, Copy)]
pub(super) struct Rows<'r> {
    /// How many there are.
    pub(super) all: usize,
    /// Some of them, in order, or all.
    pub(super) wanted: Option<&'r [u32]>,
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
pub(super) struct Values {
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
    /// Of all but codes, which rows have a value, from the first page on in which one has none.
    valid: Option<Vec<bool>>,
    /// Of nested values, the levels of their places.
    repeated: Vec<u32>,
    defined: Vec<u32>,
    /// Whether some row has several places.
    repeats: bool,
    /// The level at which a nested text stands.
    most_defined: u32,
    pub(super) rows: usize,
    /// Room for codes of rows that have one, and for the places of rows.
    present: Vec<u32>,
    starts: Vec<usize>,
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

/// Where the values of rows stand among the values of a page.
#[derive(Default)]
struct Places {
    /// The level of all rows, if they have the same.
    same: Option<u32>,
    present: Ranks,
}

impl Places {
    fn fill(&mut self, levels: &[u8], rows: usize) -> Option<()> {
        self.same = same_in_all(levels, rows);
        if self.same.is_none() { self.present.fill(levels, rows) } else { Some(()) }
    }

    /// Hands the places of some rows, in order, to `take`; rows without a value have none. `None` if a page ends early.
    #[inline]
    fn each(&self, mut rows: impl Iterator<Item = usize>, mut take: impl FnMut(Option<usize>) -> Option<()>) -> Option<()> {
        match self.same {
            Some(0) => rows.try_for_each(|_| take(None)),
            Some(_) => rows.try_for_each(|row| take(Some(row))),
            None => rows.try_for_each(|row| take(self.present.before(row))),
        }
    }
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

/// Texts in lists or maps, with the levels of their places.
pub(super) struct Nested {
    dictionary: Option<(Vec<i32>, Vec<u8>)>,
    codes: Vec<u32>,
    pub(super) repeated: Vec<u32>,
    pub(super) defined: Vec<u32>,
    rows: usize,
}

impl Nested {
    /// Of nested values, where the entries of each row end, and which rows have a list or map at all.
    pub(super) fn rows(&self) -> (Vec<i32>, Vec<bool>) {
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
    pub(super) fn entries(&self, beyond: u32, most: u32) -> StringArray {
        let (ends, texts) = self.dictionary.as_ref().map_or((&[][..], &[][..]), |(ends, texts)| (ends.as_slice(), texts.as_slice()));
        let text = |code: u32| {
            let (begin, end) = (*ends.get(code as usize)?, *ends.get(code as usize + 1)?);
            std::str::from_utf8(texts.get(usize::try_from(begin).ok()?..usize::try_from(end).ok()?)?).ok()
        };
        let mut codes = self.codes.iter();
        let entries = self.defined.iter().filter(|defined| **defined > beyond);
        entries.map(|defined| (*defined == most).then(|| codes.next()).flatten().and_then(|code| text(*code))).collect()
    }
}

impl Values {
    /// Forgets everything, and keeps the room for the next chunk.
    pub(super) fn clear(&mut self) {
        let Self {
            dictionary, counted, codes, ends, texts, numbers, flags, valid, repeated, defined, repeats, rows, present, starts, ..
        } = self;
        (*dictionary, *counted, *valid, *rows) = (None, None, None, 0);
        *repeats = false;
        [codes, repeated, defined, present].into_iter().for_each(Vec::clear);
        starts.clear();
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
    pub(super) fn counted(&mut self, page: &[u8], count: usize) -> Option<bool> {
        let numbers: Vec<i64> = page.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect();
        (numbers.len() >= count).then_some(())?;
        let is_first = self.counted.is_none() && self.rows == 0;
        self.counted = Some(numbers);
        Some(is_first)
    }

    /// Takes a dictionary page: `Some(false)` if it cannot be taken so, `None` if it ends early.
    pub(super) fn dictionary(&mut self, page: &[u8], count: usize) -> Option<bool> {
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
    pub(super) fn page(&mut self, page: &[u8], (rows, of): (usize, Rows<'_>), encoding: Encoding, kind: &DataType) -> Option<bool> {
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

    /// Takes a data page of nested texts, as [`Self::dictionary`]. `most` are the highest levels.
    pub(super) fn nested(&mut self, page: &[u8], places: usize, encoding: Encoding, most: (u32, u32)) -> Option<bool> {
        let mut rest = page;
        let width = |most: u32| u32::BITS - most.leading_zeros();
        self.most_defined = most.1;
        let before = self.defined.len();
        let repeated = pull_text(&mut rest)?;
        self.repeats |= same_in_all(repeated, places) != Some(0);
        pull_hybrid(repeated, width(most.0), places, &mut self.repeated)?;
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

    /// The nested texts of the rows that are wanted.
    pub(super) fn take_nested(&mut self, rows: Rows<'_>) -> Nested {
        let dictionary = self.dictionary.take();
        let Some(wanted) = rows.wanted else {
            let (repeated, defined) = (std::mem::take(&mut self.repeated), std::mem::take(&mut self.defined));
            return Nested { dictionary, codes: std::mem::take(&mut self.codes), repeated, defined, rows: rows.all };
        };
        let most = self.most_defined;
        if !self.repeats {
            // One place in each row: the texts before a row are counted from the row that was wanted before it.
            let (mut codes, mut from, mut before) = (Vec::new(), 0, 0);
            let mut defined = Vec::with_capacity(wanted.len());
            for row in wanted.iter().map(|row| *row as usize) {
                let level = self.defined.get(row).copied().unwrap_or_default();
                if !self.codes.is_empty() {
                    before += self.defined.get(from..row).unwrap_or_default().iter().filter(|level| **level == most).count();
                    codes.extend(self.codes.get(before).filter(|_| level == most));
                    from = row;
                }
                defined.push(level);
            }
            return Nested { dictionary, codes, repeated: vec![0; wanted.len()], defined, rows: wanted.len() };
        }
        let mut picked = Nested { dictionary, codes: Vec::new(), repeated: Vec::new(), defined: Vec::new(), rows: wanted.len() };
        // The first level of each row, and where the last ends.
        self.starts.clear();
        self.starts.resize(self.repeated.len() + 1, 0);
        let mut rows = 0;
        for (at, repeated) in self.repeated.iter().chain([&0]).enumerate() {
            if let Some(start) = self.starts.get_mut(rows) {
                *start = at;
            }
            rows += usize::from(*repeated == 0);
        }
        self.starts.truncate(rows);
        let texts_in = |levels: &[u32]| levels.iter().filter(|level| **level == most).count();
        let (mut counted, mut before) = (0, 0);
        for row in wanted.iter().map(|row| *row as usize) {
            let Some([begin, end]) = self.starts.get(row..).and_then(<[usize]>::first_chunk).copied() else { break };
            before += texts_in(self.defined.get(counted..begin).unwrap_or_default());
            let defined = self.defined.get(begin..end).unwrap_or_default();
            let count = texts_in(defined);
            picked.repeated.extend_from_slice(self.repeated.get(begin..end).unwrap_or_default());
            picked.defined.extend_from_slice(defined);
            picked.codes.extend_from_slice(self.codes.get(before..before + count).unwrap_or_default());
            (counted, before) = (end, before + count);
        }
        picked
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
    pub(super) fn finish(&mut self, kind: &DataType, rows: Rows<'_>) -> Result<ArrayRef> {
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
                let codes = std::mem::take(&mut self.codes);
                let is_valid = |row: usize| codes.get(row).is_some_and(|code| *code != NULL);
                let valid = codes.contains(&NULL).then(|| NullBuffer::new(BooleanBuffer::collect_bool(codes.len(), is_valid)));
                let codes = UInt32Array::try_new(ScalarBuffer::from(codes), valid)?;
                Arc::new(DictionaryArray::try_new(codes, Arc::new(texts))?)
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
