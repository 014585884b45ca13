//! The codes of a text column, as wide as the number of its texts asks for: rows wait in memory until all logs are read, and
//! most of their columns have few texts.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, DictionaryArray, PrimitiveArray, StringArray};
use arrow::array::{UInt8Array, UInt16Array, UInt32Array};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowDictionaryKeyType, UInt8Type, UInt16Type, UInt32Type};
use arrow::error::{ArrowError, Result};

/// The code of a row without text.
pub(super) const NULL: u32 = u32::MAX;

/// A code for each row.
#[derive(Debug, Clone)]
pub enum Codes {
    /// Of up to 256 texts.
    Byte(UInt8Array),
    /// Of up to 65,536.
    Short(UInt16Array),
    /// Of any number.
    Long(UInt32Array),
}

impl Codes {
    /// Codes and texts of a column; `None` if it is not made of them.
    pub(super) fn of(column: &ArrayRef) -> Option<(Self, StringArray)> {
        let texts = |values: &ArrayRef| values.as_string_opt::<i32>().cloned();
        if let Some(column) = column.as_dictionary_opt::<UInt32Type>() {
            return Some((Self::Long(column.keys().clone()), texts(column.values())?));
        }
        if let Some(column) = column.as_dictionary_opt::<UInt8Type>() {
            return Some((Self::Byte(column.keys().clone()), texts(column.values())?));
        }
        let column = column.as_dictionary_opt::<UInt16Type>()?;
        Some((Self::Short(column.keys().clone()), texts(column.values())?))
    }

    /// A column of these codes, [`NULL`] for rows without text, and texts.
    pub(super) fn column(codes: &[u32], texts: StringArray) -> Result<ArrayRef> {
        // Of a row without text the narrow code says nothing: it is not valid.
        match texts.len() {
            ..=0x100 => column::<UInt8Type>(codes.iter().map(|code| *code as u8).collect(), valid(codes), texts),
            0x101..=0x1_0000 => column::<UInt16Type>(codes.iter().map(|code| *code as u16).collect(), valid(codes), texts),
            _ => Self::wide_column(codes.to_vec(), texts),
        }
    }

    /// The same of up to 65,536 texts, in two bytes however few there are.
    pub(super) fn short_column(codes: &[u32], texts: StringArray) -> Result<ArrayRef> {
        match texts.len() {
            ..=0x1_0000 => column::<UInt16Type>(codes.iter().map(|code| *code as u16).collect(), valid(codes), texts),
            _ => Err(ArrowError::DictionaryKeyOverflowError),
        }
    }

    /// The same, without making them narrower.
    pub(super) fn wide_column(codes: Vec<u32>, texts: StringArray) -> Result<ArrayRef> {
        let valid = valid(&codes);
        column::<UInt32Type>(codes, valid, texts)
    }

    fn array(&self) -> &dyn Array {
        match self {
            Self::Byte(codes) => codes,
            Self::Short(codes) => codes,
            Self::Long(codes) => codes,
        }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.array().len()
    }

    /// Whether no row has a code.
    pub fn is_empty(&self) -> bool {
        self.array().null_count() == self.len()
    }

    /// Which rows have a code; `None` if all have.
    pub fn nulls(&self) -> Option<&NullBuffer> {
        self.array().nulls()
    }

    /// Copies the codes of rows, each to a place, as numbers from `first` on; none for rows without.
    pub(super) fn copy(&self, rows: &[(u32, u32)], first: u32, to: &mut [u32]) {
        match self {
            Self::Byte(codes) => copy_codes(codes, rows, first, to),
            Self::Short(codes) => copy_codes(codes, rows, first, to),
            Self::Long(codes) => copy_codes(codes, rows, first, to),
        }
    }

    /// What a table says of the code of each row; 0 of none.
    pub fn look_up(&self, table: &[u32]) -> Vec<u32> {
        match self {
            Self::Byte(codes) => look_up(codes, table),
            Self::Short(codes) => look_up(codes, table),
            Self::Long(codes) => look_up(codes, table),
        }
    }

    /// The code of a row.
    #[inline]
    pub fn get(&self, row: usize) -> Option<u32> {
        match self {
            Self::Byte(codes) => get(codes, row),
            Self::Short(codes) => get(codes, row),
            Self::Long(codes) => get(codes, row),
        }
    }
}

#[inline]
fn get<T: ArrowPrimitiveType<Native: Into<u32>>>(codes: &PrimitiveArray<T>, row: usize) -> Option<u32> {
    let code = codes.values().get(row)?;
    codes.is_valid(row).then(|| (*code).into())
}

fn look_up<T: ArrowPrimitiveType<Native: Into<u32>>>(codes: &PrimitiveArray<T>, table: &[u32]) -> Vec<u32> {
    let said = |code: &T::Native| table.get((*code).into() as usize).copied().unwrap_or_default();
    match codes.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => codes.values().iter().map(said).collect(),
        Some(nulls) => codes.values().iter().zip(nulls).map(|(code, is_there)| if is_there { said(code) } else { 0 }).collect(),
    }
}

fn copy_codes<T: ArrowPrimitiveType<Native: Into<u32>>>(codes: &PrimitiveArray<T>, rows: &[(u32, u32)], first: u32, to: &mut [u32]) {
    let values = codes.values();
    copy(rows, codes.nulls(), to, |row| values.get(row).map(|code| first + (*code).into()));
}

/// Puts the numbers of rows that are not null each to a place.
#[inline]
pub(super) fn copy(rows: &[(u32, u32)], nulls: Option<&NullBuffer>, to: &mut [u32], number: impl Fn(usize) -> Option<u32>) {
    let mut put = |row: usize, place: u32| {
        if let (Some(number), Some(to)) = (number(row), to.get_mut(place as usize)) {
            *to = number;
        }
    };
    match nulls.filter(|nulls| nulls.null_count() > 0) {
        None => rows.iter().for_each(|(row, place)| put(*row as usize, *place)),
        Some(nulls) => {
            let valid = rows.iter().filter(|(row, _)| (*row as usize) < nulls.len() && nulls.is_valid(*row as usize));
            valid.for_each(|(row, place)| put(*row as usize, *place));
        }
    }
}

/// Which rows have a text; `None` if all have one.
fn valid(codes: &[u32]) -> Option<NullBuffer> {
    let word = |codes: &[u32]| codes.iter().rev().fold(0, |word, code| word << 1 | u64::from(*code != NULL));
    codes.contains(&NULL).then(|| {
        let words: Vec<u64> = codes.chunks(u64::BITS as usize).map(word).collect();
        NullBuffer::new(BooleanBuffer::new(Buffer::from_vec(words), 0, codes.len()))
    })
}

fn column<T: ArrowDictionaryKeyType>(codes: Vec<T::Native>, valid: Option<NullBuffer>, texts: StringArray) -> Result<ArrayRef> {
    let codes = PrimitiveArray::<T>::try_new(ScalarBuffer::from(codes), valid)?;
    Ok(Arc::new(DictionaryArray::try_new(codes, Arc::new(texts))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_as_wide_as_they_need_to_be() {
        for texts in [1u32, 255, 256, 257, 65_535, 65_536, 65_537, 70_000] {
            let codes: Vec<u32> = (0..texts).rev().flat_map(|code| [code, NULL]).collect();
            let column = Codes::column(&codes, (0..texts).map(|text| Some(text.to_string())).collect()).unwrap();
            let (read, values) = Codes::of(&column).unwrap();
            let width = match read {
                Codes::Byte(_) => 1,
                Codes::Short(_) => 2,
                Codes::Long(_) => 4,
            };
            let needed = match texts {
                ..=256 => 1,
                257..=65_536 => 2,
                _ => 4,
            };
            assert_eq!(width, needed, "{texts}");
            assert_eq!((read.len(), read.is_empty(), values.len()), (codes.len(), false, texts as usize));
            assert!(codes.iter().enumerate().all(|(row, code)| read.get(row) == (*code != NULL).then_some(*code)), "{texts}");
            assert_eq!(read.get(codes.len()), None);
        }
    }
}
