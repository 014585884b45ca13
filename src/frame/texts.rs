//! Text columns in memory: plain, or as codes of values that each stand there once.
//!
//! Few values of a log's columns are new in a row: as codes they take a tenth of the memory, and are compared and copied
//! as numbers.

use std::hash::BuildHasher as _;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::buffer::{Buffer, OffsetBuffer};
use hashbrown::HashTable;

use super::codes::{self, Codes, NULL};
use super::places::Taken;
use super::read;
use super::recent::{Ends, Recent};
use crate::error::{Error, Result};

/// A text column, in either form.
#[derive(Debug, Clone)]
pub enum Texts {
    /// The texts themselves.
    Plain(StringArray),
    /// A code for each row, and the texts that the codes stand for.
    Coded(Codes, StringArray),
}

impl Texts {
    /// A column of a batch.
    ///
    /// # Errors
    /// [`Error::Columns`] if there is none, or if it holds no text.
    pub fn of(batch: &RecordBatch, name: &str) -> Result<Self> {
        Self::new(read::column(batch, name)?).ok_or_else(|| Error::Columns(format!("column `{name}` is not text")))
    }

    /// A column; `None` if it holds no text.
    pub fn new(column: &ArrayRef) -> Option<Self> {
        if let Some(plain) = column.as_string_opt::<i32>() {
            return Some(Self::Plain(plain.clone()));
        }
        Codes::of(column).map(|(codes, texts)| Self::Coded(codes, texts))
    }

    /// A number of a row's text that is another for another text; rows of a plain column each have their own.
    #[inline]
    pub fn code(&self, row: usize) -> Option<u32> {
        match self {
            Self::Plain(texts) => (row < texts.len() && texts.is_valid(row)).then(|| u32::try_from(row).unwrap_or(u32::MAX)),
            Self::Coded(codes, _) => codes.get(row),
        }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Plain(texts) => texts.len(),
            Self::Coded(codes, _) => codes.len(),
        }
    }

    /// Whether no row has a text.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Plain(texts) => texts.null_count() == texts.len(),
            Self::Coded(codes, _) => codes.is_empty(),
        }
    }

    /// Whether a text is among them.
    pub fn has(&self, text: &str) -> bool {
        let (Self::Plain(texts) | Self::Coded(_, texts)) = self;
        texts.iter().flatten().any(|known| known == text)
    }

    /// The rows that have a text, in order, with it.
    pub fn present(&self) -> impl Iterator<Item = (usize, &str)> {
        let nulls = match self {
            Self::Plain(texts) => texts.nulls(),
            Self::Coded(codes, _) => codes.nulls(),
        };
        let (rows, every) = match nulls {
            Some(nulls) => (Some(nulls.inner().set_indices()), 0..0),
            None => (None, 0..self.len()),
        };
        rows.into_iter().flatten().chain(every).filter_map(|row| Some((row, self.get(row)?)))
    }

    /// How many codes there are.
    fn codes(&self) -> usize {
        match self {
            Self::Plain(texts) | Self::Coded(_, texts) => texts.len(),
        }
    }

    /// The text of a code.
    fn text(&self, code: u32) -> Option<&str> {
        match self {
            Self::Plain(texts) | Self::Coded(_, texts) => read::get(texts, code as usize),
        }
    }

    /// Copies the codes of rows, each to a place, as numbers from `first` on; none for rows without text.
    fn copy(&self, rows: &[(u32, u32)], first: u32, to: &mut [u32]) {
        match self {
            Self::Plain(texts) => codes::copy(rows, texts.nulls(), to, |row| (row < texts.len()).then(|| first + row as u32)),
            Self::Coded(codes, _) => codes.copy(rows, first, to),
        }
    }

    /// The text of a row.
    #[inline]
    pub fn get(&self, row: usize) -> Option<&str> {
        match self {
            Self::Plain(texts) => read::get(texts, row),
            Self::Coded(codes, texts) => {
                let code = codes.get(row)?;
                read::get(texts, code as usize)
            }
        }
    }
}

/// Distinct texts, numbered in the order in which they came.
#[derive(Debug, Default)]
pub struct Distinct {
    /// The texts, one after the other, and where each ends.
    text: Vec<u8>,
    ends: Vec<u32>,
    /// Their numbers, by content: to ask for a text only where half of its hash agrees, and to grow without asking for any,
    /// leaves most of them where they are, which is not in the processor's caches.
    known: HashTable<(u32, u32)>,
}

/// The hash of a text that half of it stands for.
#[inline]
fn whole_hash(half: u32) -> u64 {
    u64::from(half) << u32::BITS | u64::from(half)
}

const HASHER: foldhash::fast::FixedState = foldhash::fast::FixedState::with_seed(0);

impl Distinct {
    /// The number of a text, and whether it is new.
    ///
    /// # Errors
    /// [`Error::Columns`] beyond 4 GB of text.
    pub fn number(&mut self, text: &str) -> Result<(u32, bool)> {
        let text = text.as_bytes();
        let half = HASHER.hash_one(text) as u32;
        let is_text = |(known, number): &(u32, u32)| *known == half && self.bytes(*number) == Some(text);
        if let Some((_, number)) = self.known.find(whole_hash(half), is_text) {
            return Ok((*number, false));
        }
        let end = u32::try_from(self.text.len() + text.len()).map_err(|error| Error::Columns(error.to_string()))?;
        let number = u32::try_from(self.ends.len()).map_err(|error| Error::Columns(error.to_string()))?;
        self.text.extend_from_slice(text);
        self.ends.push(end);
        self.known.insert_unique(whole_hash(half), (half, number), |(half, _)| whole_hash(*half));
        Ok((number, true))
    }

    /// Forgets all; the room for them stays.
    fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.known.clear();
    }

    /// None, with room for about as many.
    fn empty_alike(&self) -> Self {
        Self {
            text: Vec::with_capacity(self.text.len() / 8 * 9),
            ends: Vec::with_capacity(self.ends.len() / 8 * 9),
            known: HashTable::with_capacity(self.ends.len() / 8 * 9),
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The bytes of all of them together.
    pub(super) fn bytes_of_text(&self) -> usize {
        self.text.len()
    }

    /// All of them, in the order of their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..).map_while(|number| self.bytes(number))
    }

    /// The text of a number.
    pub fn get(&self, number: u32) -> Option<&str> {
        self.bytes(number).and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    #[inline]
    fn bytes(&self, number: u32) -> Option<&[u8]> {
        let number = number as usize;
        let begin = if number == 0 { 0 } else { *self.ends.get(number - 1)? };
        self.text.get(begin as usize..*self.ends.get(number)? as usize)
    }
}

/// Bytes of a code.
const CODE: usize = size_of::<u32>();

/// Collects texts into a coded column.
#[derive(Debug, Default)]
pub(super) struct CodedBuilder {
    distinct: Distinct,
    codes: Vec<u32>,
    /// Rows without text, as long as none has one and there are no codes: a third of the columns has nothing in most batches.
    nothing: usize,
    recent: Recent,
}

/// The codes of several columns in one that is put together from them: each text is looked up once.
#[derive(Debug, Default)]
pub(super) struct Recoding {
    /// For each code of the columns, one after the other: in which use it was entered, and the new code.
    known: Vec<(u32, u32)>,
    uses: u32,
}

impl Recoding {
    /// Forgets what is known, and makes room for so many codes.
    fn begin(&mut self, codes: usize) -> u32 {
        self.uses = self.uses.wrapping_add(1);
        if self.uses == 0 {
            self.known.clear();
            self.uses = 1;
        }
        if self.known.len() < codes {
            self.known.resize(codes, (0, 0));
        }
        self.uses
    }
}

impl CodedBuilder {
    /// Adds a row; returns how many bytes of memory it takes.
    ///
    /// # Errors
    /// [`Error::Columns`] beyond 4 GB of text.
    #[inline]
    pub(super) fn push(&mut self, text: Option<&str>) -> Result<usize> {
        match text {
            Some(text) => self.push_text(text),
            None => {
                self.push_null();
                Ok(CODE)
            }
        }
    }

    /// Adds a row with the code of an earlier one, or [`NULL`]; returns how many bytes of memory it takes.
    #[inline]
    pub(super) fn repeat(&mut self, code: u32) -> usize {
        match code {
            NULL => self.push_null(),
            code => self.codes.push(code),
        }
        CODE
    }

    /// The code of the last row; [`NULL`] if it has no text.
    pub(super) fn last(&self) -> u32 {
        self.codes.last().copied().unwrap_or(NULL)
    }

    fn push_text(&mut self, text: &str) -> Result<usize> {
        self.end_nothing();
        let ends = Ends::of(text.as_bytes());
        let distinct = &self.distinct;
        if let Some(code) = self.recent.find(ends, |code| distinct.bytes(code) == Some(text.as_bytes())) {
            self.codes.push(code);
            return Ok(CODE);
        }
        let (code, is_new) = self.distinct.number(text)?;
        self.recent.keep(ends, code);
        self.codes.push(code);
        Ok(if is_new { text.len() + 4 * CODE } else { CODE })
    }

    #[inline]
    fn push_null(&mut self) {
        if self.codes.is_empty() { self.nothing += 1 } else { self.codes.push(NULL) }
    }

    /// The rows so far get their codes, as others follow.
    #[inline]
    fn end_nothing(&mut self) {
        if self.nothing > 0 {
            self.codes.resize(self.codes.len() + std::mem::take(&mut self.nothing), NULL);
        }
    }

    /// Adds rows of other columns.
    ///
    /// # Errors
    /// [`Error::Columns`] beyond 4 GB of text.
    pub(super) fn gather(&mut self, columns: &[Texts], places: &Taken<'_>, recoding: &mut Recoding) -> Result<()> {
        let rows = places.all.len();
        if columns.iter().all(Texts::is_empty) {
            match self.codes.is_empty() {
                true => self.nothing += rows,
                false => self.codes.resize(self.codes.len() + rows, NULL),
            }
            return Ok(());
        }
        self.codes.reserve(self.nothing + rows);
        self.end_nothing();
        let first = self.codes.len();
        self.codes.resize(first + rows, NULL);
        let added = self.codes.get_mut(first..).unwrap_or_default();
        // Column by column, where one loop does for all rows: the codes of all columns in one count.
        let mut begins = Vec::with_capacity(columns.len());
        let mut codes = 0u32;
        for (texts, rows) in columns.iter().zip(&places.of_batch) {
            let first = codes;
            begins.push(first);
            let more = u32::try_from(texts.codes()).ok().and_then(|more| first.checked_add(more));
            codes = more.ok_or_else(|| Error::Columns("more than four thousand million texts in some batches".to_owned()))?;
            texts.copy(rows, first, added);
        }
        // Row by row: new codes, counted as the texts first occur.
        let this = recoding.begin(codes as usize);
        for code in added.iter_mut().filter(|code| **code != NULL) {
            let Some(known) = recoding.known.get_mut(*code as usize) else { return Err(Error::Internal(format!("code {code}"))) };
            if known.0 != this {
                let column = begins.partition_point(|begin| begin <= code).saturating_sub(1);
                let text = columns.get(column).zip(begins.get(column)).and_then(|(texts, begin)| texts.text(code.checked_sub(*begin)?));
                *known = (this, self.distinct.number(text.unwrap_or_default())?.0);
            }
            *code = known.1;
        }
        Ok(())
    }

    /// The texts, and the code of each row; none where no row has a text.
    pub(super) fn parts(&self) -> (&Distinct, &[u32]) {
        (&self.distinct, &self.codes)
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.nothing + self.codes.len()
    }

    /// Each text, and in how many rows it stands; `None` for the rows without.
    pub(super) fn counts(&self) -> impl Iterator<Item = (Option<&str>, u64)> {
        let mut counts = vec![0; self.distinct.len()];
        let mut nulls = self.nothing as u64;
        for code in &self.codes {
            *counts.get_mut(*code as usize).unwrap_or(&mut nulls) += 1;
        }
        let texts = (0..).zip(counts).map(|(number, count)| (self.distinct.get(number), count));
        texts.chain((nulls > 0).then_some((None, nulls)))
    }

    /// Forgets all rows; the room for them stays.
    pub(super) fn clear(&mut self) {
        self.distinct.clear();
        self.codes.clear();
        self.nothing = 0;
        self.recent.clear();
    }

    /// The rows as a column, with codes as narrow as they can be; the builder is empty after, with room for as many.
    ///
    /// # Errors
    /// [`Error::Columns`] beyond 2 GB of text.
    pub(super) fn finish(&mut self) -> Result<ArrayRef> {
        self.finish_as(Codes::column)
    }

    /// The same with codes of two bytes.
    ///
    /// # Errors
    /// [`Error::Columns`] beyond 2 GB of text and 65,536 texts.
    pub(super) fn finish_short(&mut self) -> Result<ArrayRef> {
        self.finish_as(Codes::short_column)
    }

    fn finish_as(&mut self, column: impl Fn(&[u32], StringArray) -> arrow::error::Result<ArrayRef>) -> Result<ArrayRef> {
        self.end_nothing();
        // The next batch is about as large: growing to it step by step would copy the texts and hash them again.
        let next = self.distinct.empty_alike();
        let distinct = std::mem::replace(&mut self.distinct, next);
        let offsets: Vec<i32> = std::iter::once(0).chain(distinct.ends.into_iter().map(u32::cast_signed)).collect();
        if offsets.last().is_some_and(|last| *last < 0) {
            return Err(Error::Columns("more than 2 GB of text in a batch".to_owned()));
        }
        let texts = StringArray::try_new(OffsetBuffer::new(offsets.into()), Buffer::from_vec(distinct.text), None)?;
        let column = column(&self.codes, texts);
        self.codes.clear();
        self.recent.clear();
        Ok(column?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn codes_stand_for_the_texts_that_were_pushed() {
        let texts = [Some("a"), Some("a"), None, Some(""), Some("b"), Some("a"), None, Some("")];
        let mut builder = CodedBuilder::default();
        for round in 0..2 {
            texts.iter().for_each(|text| {
                builder.push(*text).unwrap();
            });
            let column = builder.finish().unwrap();
            let read = Texts::new(&column).unwrap();
            assert_eq!(texts.iter().enumerate().filter(|(row, text)| read.get(*row) != **text).count(), 0, "round {round}");
            assert!(matches!(&read, Texts::Coded(_, values) if values.len() == 3) && read.get(texts.len()).is_none());
        }
        assert_eq!(builder.finish().unwrap().len(), 0);
    }

    proptest! {
        #[test]
        fn gathered_rows_are_those_of_their_columns(
            columns in proptest::collection::vec((proptest::collection::vec(proptest::option::of(0u8..3), 1..6), proptest::bool::ANY), 1..4),
            takes in proptest::collection::vec(proptest::collection::vec((0usize..4, 0usize..6), 0..8), 1..5),
        ) {
            let texts = |rows: &[Option<u8>]| rows.iter().map(|row| row.map(|text| text.to_string())).collect::<Vec<_>>();
            let columns: Vec<(Vec<Option<String>>, Texts)> = columns.iter().map(|(rows, is_plain)| {
                let rows = texts(rows);
                let mut coded = CodedBuilder::default();
                for row in &rows {
                    coded.push(row.as_deref()).unwrap();
                }
                let plain: ArrayRef = std::sync::Arc::new(rows.iter().collect::<StringArray>());
                let column = Texts::new(&if *is_plain { plain } else { coded.finish().unwrap() }).unwrap();
                (rows, column)
            }).collect();
            let (mut builder, mut recoding, mut expected) = (CodedBuilder::default(), Recoding::default(), Vec::new());
            for takes in takes {
                // Of some of the columns, as of the batches that a stretch of rows is in.
                let some = &columns[..1 + takes.len() % columns.len()];
                let places: Vec<(usize, usize)> = takes.into_iter().map(|(column, row)| (column % some.len(), row % some[column % some.len()].0.len())).collect();
                expected.extend(places.iter().map(|(column, row)| some[*column].0[*row].clone()));
                let texts: Vec<Texts> = some.iter().map(|(_, texts)| texts.clone()).collect();
                builder.gather(&texts, &Taken::new(&places, texts.len()).unwrap(), &mut recoding).unwrap();
            }
            prop_assert_eq!(builder.len(), expected.len());
            let read = Texts::new(&builder.finish().unwrap()).unwrap();
            let read: Vec<Option<String>> = (0..expected.len()).map(|row| read.get(row).map(str::to_owned)).collect();
            prop_assert_eq!(read, expected);
        }
    }
}
