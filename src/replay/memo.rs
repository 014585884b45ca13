//! What was worked out of one event, for all that agree with it in everything that was read for it.
//!
//! A rule that reads an event only through its view answers the same for two events that agree in the fields it read: it
//! takes the same turns. So a memo keeps, for each set of fields that was ever read, the answers by the numbers of those
//! fields. What a policy does not make a rule look at does not tell events apart.

use std::hash::{BuildHasher as _, Hasher as _};

use hashbrown::HashTable;

use super::codes::Codes;
use super::view::{EventView, Field};
use crate::error::Result;

/// Answers of one rule.
#[derive(Debug)]
pub(super) struct Memo<T> {
    tables: Vec<Table<T>>,
}

/// Answers that were worked out of the same fields.
#[derive(Debug)]
struct Table<T> {
    fields: Vec<Field>,
    set: u64,
    index: HashTable<u32>,
    /// The numbers of the fields, answer by answer.
    numbers: Vec<u64>,
    answers: Vec<T>,
}

/// The most answers of a table: beyond it they are worked out anew.
const MOST: usize = 1 << 20;

/// The most fields that there are.
const FIELDS: usize = 64;

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self { tables: Vec::new() }
    }
}

impl<T: Copy> Memo<T> {
    /// The answer for an event: a known one, or that of `rule`.
    pub(super) fn get(&mut self, event: EventView<'_>, codes: &mut Codes, rule: impl FnOnce(&mut Codes) -> Result<T>) -> Result<T> {
        let mut numbers = [0; FIELDS];
        for at in 0..self.tables.len() {
            let Some(table) = self.tables.get(at) else { break };
            let numbers = table.numbers_of(event, codes, &mut numbers)?;
            if let Some(answer) = table.find(numbers) {
                // The table that answers most comes first.
                self.tables.swap(at, at.saturating_sub(1));
                return Ok(answer);
            }
        }
        let (answer, set) = event.traced(|| rule(codes));
        let answer = answer?;
        let table = match self.tables.iter_mut().position(|table| table.set == set) {
            Some(at) => at,
            None => {
                self.tables.push(Table::new(set));
                self.tables.len() - 1
            }
        };
        if let Some(table) = self.tables.get_mut(table) {
            let numbers = table.numbers_of(event, codes, &mut numbers)?;
            table.insert(numbers, answer);
        }
        Ok(answer)
    }
}

impl<T: Copy> Table<T> {
    fn new(set: u64) -> Self {
        Self { fields: Field::all_of(set), set, index: HashTable::new(), numbers: Vec::new(), answers: Vec::new() }
    }

    fn numbers_of<'n>(&self, event: EventView<'_>, codes: &mut Codes, numbers: &'n mut [u64; FIELDS]) -> Result<&'n [u64]> {
        for (slot, field) in numbers.iter_mut().zip(&self.fields) {
            *slot = event.code(*field, codes)?;
        }
        Ok(numbers.get(..self.fields.len()).unwrap_or_default())
    }

    fn find(&self, numbers: &[u64]) -> Option<T> {
        let found = self.index.find(hash(numbers), |answer| key(&self.numbers, numbers.len(), *answer) == numbers)?;
        self.answers.get(*found as usize).copied()
    }

    fn insert(&mut self, numbers: &[u64], answer: T) {
        if self.answers.len() >= MOST {
            *self = Self::new(self.set);
        }
        let at = u32::try_from(self.answers.len()).unwrap_or_default();
        self.numbers.extend_from_slice(numbers);
        self.answers.push(answer);
        let known = &self.numbers;
        self.index.insert_unique(hash(numbers), at, |answer| hash(key(known, numbers.len(), *answer)));
    }
}

/// The numbers of an answer.
fn key(numbers: &[u64], width: usize, answer: u32) -> &[u64] {
    let begin = answer as usize * width;
    numbers.get(begin..begin + width).unwrap_or_default()
}

fn hash(numbers: &[u64]) -> u64 {
    let mut hasher = foldhash::fast::FixedState::with_seed(0).build_hasher();
    numbers.iter().for_each(|number| hasher.write_u64(*number));
    hasher.finish()
}
