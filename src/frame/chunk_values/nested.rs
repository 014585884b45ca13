//! Texts in lists and maps.

use arrow::array::StringArray;
use parquet::basic::Encoding;

use super::super::encoding::{pull_hybrid, pull_text, width_of};
use super::{Rows, Values};

/// Texts in lists or maps, with the levels of their places.
pub(in crate::frame) struct Nested {
    dictionary: Option<(Vec<i32>, Vec<u8>)>,
    codes: Vec<u32>,
    pub(in crate::frame) repeated: Vec<u32>,
    pub(in crate::frame) defined: Vec<u32>,
    rows: usize,
}

impl Nested {
    /// Of nested values, where the entries of each row end, and which rows have a list or map at all.
    pub(in crate::frame) fn rows(&self) -> (Vec<i32>, Vec<bool>) {
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
    pub(in crate::frame) fn entries(&self, beyond: u32, most: u32) -> StringArray {
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
    /// Takes a data page of nested texts, as [`Self::dictionary`]. `most` are the highest levels.
    pub(in crate::frame) fn nested(&mut self, page: &[u8], places: usize, encoding: Encoding, most: (u32, u32)) -> Option<bool> {
        let mut rest = page;
        self.most_defined = most.1;
        let before = self.defined.len();
        let repeated = pull_text(&mut rest)?;
        pull_hybrid(repeated, width_of(most.0), places, &mut self.repeated)?;
        pull_hybrid(pull_text(&mut rest)?, width_of(most.1), places, &mut self.defined)?;
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
    pub(in crate::frame) fn take_nested(&mut self, rows: Rows<'_>) -> Nested {
        let dictionary = self.dictionary.take();
        let Some(wanted) = rows.wanted else {
            let (repeated, defined) = (std::mem::take(&mut self.repeated), std::mem::take(&mut self.defined));
            return Nested { dictionary, codes: std::mem::take(&mut self.codes), repeated, defined, rows: rows.all };
        };
        let most = self.most_defined;
        let mut picked = Nested { dictionary, codes: Vec::new(), repeated: Vec::new(), defined: Vec::new(), rows: wanted.len() };
        picked.repeated.reserve(wanted.len());
        picked.defined.reserve(wanted.len());
        let mut wanted = wanted.iter().map(|row| *row as usize).peekable();
        let (mut rows, mut texts, mut is_wanted) = (0, 0, false);
        for (repeated, defined) in self.repeated.iter().zip(&self.defined) {
            if *repeated == 0 {
                is_wanted = wanted.next_if_eq(&rows).is_some();
                rows += 1;
            }
            if is_wanted {
                picked.repeated.push(*repeated);
                picked.defined.push(*defined);
                picked.codes.extend(self.codes.get(texts).filter(|_| *defined == most));
            }
            texts += usize::from(*defined == most);
        }
        picked
    }
}
