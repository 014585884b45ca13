//! Numbers for what stands in event rows, equal where the rows agree: what a kernel compares instead of texts.

use std::hash::{BuildHasher as _, Hasher as _};

use arrow::array::{Array, StringArray};
use hashbrown::HashTable;

use super::context;
use super::view::CheckRow;
use crate::error::Result;
use crate::evaluate::Program;
use crate::frame::{Distinct, Text, Texts, read};

/// The numbers of one kernel.
pub(super) struct Codes {
    texts: Vec<Column>,
    checks: Distinct,
    contexts: Distinct,
    /// The instants and ages that policies tell apart; `None`: all of them.
    times: Option<Vec<i64>>,
    ages: Option<Vec<i64>>,
    /// Room for the numbers of a row.
    pub(super) scratch: Vec<u64>,
}

/// The numbers of a text column.
#[derive(Default)]
struct Column {
    distinct: Distinct,
    /// The values that were numbered last, held so that others cannot take their place in memory.
    values: Option<StringArray>,
    /// For each of them its number plus one.
    numbers: Vec<u32>,
    /// The values that were hashed last.
    hashed: Option<StringArray>,
    /// For each of them its hash, or 0 where it was not asked for yet.
    hashes: Vec<u64>,
}

/// Lists of numbers, each once, numbered in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Lists {
    numbers: Vec<u32>,
    /// Where each list ends.
    ends: Vec<usize>,
    known: HashTable<u32>,
}

impl Lists {
    /// The number of a list, and whether it is new.
    #[inline]
    pub(super) fn number(&mut self, list: &[u32]) -> (u32, bool) {
        let Self { numbers, ends, known } = self;
        let hash = hash_of_numbers(list);
        if let Some(number) = known.find(hash, |number| list_of(numbers, ends, *number) == list) {
            return (*number, false);
        }
        let number = u32::try_from(ends.len()).unwrap_or(u32::MAX);
        numbers.extend_from_slice(list);
        ends.push(numbers.len());
        known.insert_unique(hash, number, |number| hash_of_numbers(list_of(numbers, ends, *number)));
        (number, true)
    }
}

#[inline]
fn list_of<'n>(numbers: &'n [u32], ends: &[usize], list: u32) -> &'n [u32] {
    let begin = (list as usize).checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or_default();
    ends.get(list as usize).and_then(|end| numbers.get(begin..*end)).unwrap_or_default()
}

fn hash_of_numbers(numbers: &[u32]) -> u64 {
    let mut hasher = foldhash::fast::FixedState::with_seed(0).build_hasher();
    let (pairs, last) = numbers.as_chunks();
    pairs.iter().for_each(|[a, b]| hasher.write_u64(u64::from(*a) << 32 | u64::from(*b)));
    last.iter().for_each(|number| hasher.write_u32(*number));
    hasher.finish()
}

/// Hashes of texts that are the same in every run.
const HASHER: foldhash::quality::FixedState = foldhash::quality::FixedState::with_seed(0x7265_7472);

impl Codes {
    /// Numbers for rows that policies of a program are asked about.
    pub(super) fn new(program: &Program) -> Self {
        Self {
            texts: Text::ALL.iter().map(|_| Column::default()).collect(),
            checks: Distinct::default(),
            contexts: Distinct::default(),
            times: program.instants(&["aws:currenttime", "aws:epochtime"]),
            ages: program.numbers(&["aws:multifactorauthage"]),
            scratch: Vec::new(),
        }
    }

    /// The numbers of a column's texts, row by row; 0 for none.
    pub(super) fn texts(&mut self, column: Text, texts: &Texts) -> Result<Vec<u32>> {
        let Some(numbers) = self.texts.get_mut(column as usize) else { return Ok(Vec::new()) };
        match texts {
            Texts::Plain(texts) => texts.iter().map(|text| number_of(&mut numbers.distinct, text)).collect(),
            Texts::Coded(codes, values) => {
                numbers.hold(values)?;
                Ok(codes.look_up(&numbers.numbers))
            }
        }
    }

    /// The text of a number.
    pub(super) fn text_of(&self, column: Text, number: u32) -> Option<&str> {
        self.texts.get(column as usize)?.distinct.get(number.checked_sub(1)?)
    }

    /// A hash of a row's text, the same in every run; 0 for none.
    #[inline]
    pub(super) fn hash(&mut self, column: Text, texts: &Texts, row: usize) -> u64 {
        let Some(numbers) = self.texts.get_mut(column as usize) else { return 0 };
        match texts {
            Texts::Plain(plain) => read::get(plain, row).map_or(0, hash),
            Texts::Coded(codes, values) => {
                let Some(code) = codes.get(row).map(|code| code as usize) else { return 0 };
                numbers.hold_hashes(values);
                match numbers.hashes.get_mut(code) {
                    Some(known) if *known != 0 => *known,
                    Some(unknown) => {
                        *unknown = read::get(values, code).map_or(0, hash);
                        *unknown
                    }
                    None => 0,
                }
            }
        }
    }

    /// The number of a time: equal where policies cannot tell times apart, given how exactly a record tells its time.
    pub(super) fn time(&self, time: i64) -> u64 {
        let Some(bounds) = &self.times else { return time.cast_unsigned() };
        let [earliest, latest] = context::possible_times(time).map(|time| place(bounds, time));
        (earliest << 32) | latest
    }

    /// The number of an age in seconds.
    pub(super) fn age(&self, age: i64) -> u64 {
        self.ages.as_ref().map_or(age.cast_unsigned(), |bounds| place(bounds, age))
    }

    /// The number of an event's further checks.
    pub(super) fn checks(&mut self, checks: &[CheckRow]) -> Result<u32> {
        Ok(self.checks.number(&format!("{checks:?}"))?.0)
    }

    /// The number of a request's own context.
    pub(super) fn request_context(&mut self, context: &[(String, Option<Vec<String>>)]) -> Result<u32> {
        Ok(self.contexts.number(&format!("{context:?}"))?.0)
    }
}

/// The number of a text, from 1; 0 for none.
fn number_of(distinct: &mut Distinct, text: Option<&str>) -> Result<u32> {
    text.map_or(Ok(0), |text| Ok(1 + distinct.number(text)?.0))
}

impl Column {
    /// Numbers the values of a batch, unless they are those of the one before.
    fn hold(&mut self, values: &StringArray) -> Result<()> {
        if !is_held(self.values.as_ref(), values) {
            self.numbers = values.iter().map(|text| number_of(&mut self.distinct, text)).collect::<Result<_>>()?;
            self.values = Some(values.clone());
        }
        Ok(())
    }

    #[inline]
    fn hold_hashes(&mut self, values: &StringArray) {
        if !is_held(self.hashed.as_ref(), values) {
            self.hashes.clear();
            self.hashes.resize(values.len(), 0);
            self.hashed = Some(values.clone());
        }
    }
}

/// Whether an array is the same place in memory as one that is held.
#[inline]
pub(super) fn is_held(held: Option<&StringArray>, values: &StringArray) -> bool {
    held.is_some_and(|held| {
        let [held_offsets, offsets] = [held, values].map(|values| values.value_offsets().as_ptr_range());
        held_offsets == offsets && held.value_data().as_ptr() == values.value_data().as_ptr()
    })
}

fn hash(text: &str) -> u64 {
    HASHER.hash_one(text).max(1)
}

/// Where a value stands among bounds: at one of them, or between two.
fn place(bounds: &[i64], value: i64) -> u64 {
    let below = bounds.partition_point(|bound| *bound < value);
    2 * below as u64 + u64::from(bounds.get(below) == Some(&value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_tell_a_bound_from_both_sides_of_it() {
        let places = [0, 9, 10, 11, 19, 20, 21].map(|value| place(&[10, 20], value));
        assert_eq!(places, [0, 0, 1, 2, 2, 3, 4]);
    }
}
