//! Text columns in memory: plain, or as codes of values that each stand there once.
//!
//! Few values of a log's columns are new in a row: as codes they take a tenth of the memory, and are compared and copied
//! as numbers.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, NullBufferBuilder, RecordBatch, StringArray, UInt32Array};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::UInt32Type;
use hashbrown::HashTable;

use super::read;
use crate::error::{Error, Result};

/// A text column, in either form.
#[derive(Debug, Clone)]
pub enum Texts {
    /// The texts themselves.
    Plain(StringArray),
    /// A code for each row, and the texts that the codes stand for.
    Coded(UInt32Array, StringArray),
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
        let coded = column.as_dictionary_opt::<UInt32Type>()?;
        Some(Self::Coded(coded.keys().clone(), coded.values().as_string_opt::<i32>()?.clone()))
    }

    /// The text of a row.
    #[inline]
    pub fn get(&self, row: usize) -> Option<&str> {
        match self {
            Self::Plain(texts) => read::get(texts, row),
            Self::Coded(codes, texts) => {
                let code = (row < codes.len() && codes.is_valid(row)).then(|| codes.value(row))?;
                read::get(texts, code as usize)
            }
        }
    }
}

/// Collects texts into a coded column.
#[derive(Debug, Default)]
pub(super) struct CodedBuilder {
    /// The distinct texts, one after the other, and where each ends.
    text: String,
    ends: Vec<usize>,
    /// Their codes, by content.
    known: HashTable<u32>,
    codes: Vec<u32>,
    valid: Option<NullBufferBuilder>,
    last: u32,
}

const HASHER: foldhash::fast::FixedState = foldhash::fast::FixedState::with_seed(0);

impl CodedBuilder {
    /// Adds a row; returns how many bytes of memory it takes.
    pub(super) fn push(&mut self, text: Option<&str>) -> usize {
        const CODE: usize = size_of::<u32>();
        let Some(text) = text else {
            self.valid.get_or_insert_with(|| all_valid(self.codes.len())).append_null();
            self.codes.push(0);
            return CODE;
        };
        if let Some(valid) = &mut self.valid {
            valid.append_non_null();
        }
        // Rows that follow one another often agree.
        if value(&self.text, &self.ends, self.last) == Some(text) {
            self.codes.push(self.last);
            return CODE;
        }
        let hash = HASHER.hash_one(text);
        if let Some(code) = self.known.find(hash, |code| value(&self.text, &self.ends, *code) == Some(text)) {
            self.last = *code;
            self.codes.push(self.last);
            return CODE;
        }
        self.last = u32::try_from(self.ends.len()).unwrap_or(u32::MAX);
        self.text.push_str(text);
        self.ends.push(self.text.len());
        let rehash = |code: &u32| HASHER.hash_one(value(&self.text, &self.ends, *code).unwrap_or_default());
        self.known.insert_unique(hash, self.last, rehash);
        self.codes.push(self.last);
        text.len() + 4 * CODE
    }

    /// The rows as a column; the builder is empty after.
    ///
    /// # Errors
    /// [`Error::Columns`] for 2 GB of text and more.
    pub(super) fn finish(&mut self) -> Result<ArrayRef> {
        let Self { text, ends, codes, valid, .. } = std::mem::take(self);
        let offsets = std::iter::once(Ok(0)).chain(ends.into_iter().map(i32::try_from)).collect::<Result<Vec<i32>, _>>();
        let offsets = offsets.map_err(|error| Error::Columns(error.to_string()))?;
        let texts = StringArray::try_new(OffsetBuffer::new(offsets.into()), Buffer::from_vec(text.into_bytes()), None)?;
        let codes = UInt32Array::try_new(ScalarBuffer::from(codes), valid.and_then(|mut valid| valid.finish()))?;
        Ok(Arc::new(DictionaryArray::try_new(codes, Arc::new(texts))?))
    }
}

fn all_valid(rows: usize) -> NullBufferBuilder {
    let mut valid = NullBufferBuilder::new(rows);
    valid.append_n_non_nulls(rows);
    valid
}

/// The text of a code.
fn value<'t>(text: &'t str, ends: &[usize], code: u32) -> Option<&'t str> {
    let code = code as usize;
    let begin = if code == 0 { 0 } else { *ends.get(code - 1)? };
    text.get(begin..*ends.get(code)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_stand_for_the_texts_that_were_pushed() {
        let texts = [Some("a"), Some("a"), None, Some(""), Some("b"), Some("a"), None, Some("")];
        let mut builder = CodedBuilder::default();
        for round in 0..2 {
            texts.iter().for_each(|text| {
                builder.push(*text);
            });
            let column = builder.finish().unwrap();
            let read = Texts::new(&column).unwrap();
            assert_eq!(texts.iter().enumerate().filter(|(row, text)| read.get(*row) != **text).count(), 0, "round {round}");
            assert!(matches!(&read, Texts::Coded(_, values) if values.len() == 3) && read.get(texts.len()).is_none());
        }
        assert_eq!(builder.finish().unwrap().len(), 0);
    }
}
