//! Texts in lists and maps.

use arrow::array::StringArray;
use parquet::basic::Encoding;

use super::super::encoding::{pull_hybrid, pull_text, same_in_all, width_of};
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
        self.repeats |= same_in_all(repeated, places) != Some(0);
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
}
