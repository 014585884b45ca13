//! What was worked out of one event, for all that agree with it in everything that was read for it.
//!
//! A rule that reads an event only through its view answers the same for two events that agree in the fields it read: it
//! takes the same turns. So a memo keeps, for each set of fields that was ever read, the answers by the numbers of those
//! fields. What a policy does not make a rule look at does not tell events apart.

use std::hash::{BuildHasher as _, Hasher as _};

use hashbrown::{HashMap, HashTable};

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
    answers: Answers<T>,
}

#[derive(Debug)]
enum Answers<T> {
    /// By the number of the only field.
    One(Vec<Option<T>>),
    /// By the numbers of both fields.
    Two(HashMap<u64, T, foldhash::fast::FixedState>),
    /// By the numbers of more fields, or of one with large numbers.
    More(Many<T>),
}

#[derive(Debug)]
struct Many<T> {
    index: HashTable<u32>,
    /// The numbers of the fields, answer by answer.
    numbers: Vec<u64>,
    answers: Vec<T>,
}

/// The most answers of a table: beyond it they are worked out anew.
const MOST: usize = 1 << 20;

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self { tables: Vec::new() }
    }
}

impl<T: Copy> Memo<T> {
    /// The answer for an event: a known one, or that of `rule`.
    #[inline]
    pub(super) fn get(&mut self, event: EventView<'_>, codes: &mut Codes, rule: impl FnOnce(&mut Codes) -> Result<T>) -> Result<T> {
        self.get_with_fields(event, codes, rule).map(|(answer, _)| answer)
    }

    /// The answer for an event, and the fields of which it was worked out.
    #[inline]
    pub(super) fn get_with_fields(
        &mut self,
        event: EventView<'_>,
        codes: &mut Codes,
        rule: impl FnOnce(&mut Codes) -> Result<T>,
    ) -> Result<(T, u64)> {
        for at in 0..self.tables.len() {
            let Some(table) = self.tables.get(at) else { break };
            if let Some(answer) = table.find(event, codes)? {
                let set = table.set;
                if at > 0 {
                    // The table that answers most comes first.
                    self.tables.swap(at, at - 1);
                }
                return Ok((answer, set));
            }
        }
        self.work_out(event, codes, rule)
    }

    #[cold]
    fn work_out(&mut self, event: EventView<'_>, codes: &mut Codes, rule: impl FnOnce(&mut Codes) -> Result<T>) -> Result<(T, u64)> {
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
            table.insert(event, codes, answer)?;
        }
        Ok((answer, set))
    }
}

impl<T: Copy> Table<T> {
    fn new(set: u64) -> Self {
        let fields = Field::all_of(set);
        let answers = match fields.as_slice() {
            [only] if only.is_counted() => Answers::One(Vec::new()),
            [a, b] if a.is_counted() && b.is_counted() => Answers::Two(HashMap::default()),
            _ => Answers::More(Many { index: HashTable::new(), numbers: Vec::new(), answers: Vec::new() }),
        };
        Self { fields, set, answers }
    }

    #[inline]
    fn find(&self, event: EventView<'_>, codes: &mut Codes) -> Result<Option<T>> {
        Ok(match (&self.answers, self.fields.as_slice()) {
            (Answers::One(answers), [only]) => {
                let at = usize::try_from(event.code(*only, codes)?).unwrap_or(usize::MAX);
                answers.get(at).copied().flatten()
            }
            (Answers::Two(answers), [a, b]) => answers.get(&pair(event.code(*a, codes)?, event.code(*b, codes)?)).copied(),
            (Answers::More(many), fields) => {
                let numbers = numbers_of(fields, event, codes)?;
                let found = many.find(&numbers);
                codes.scratch = numbers;
                found
            }
            _ => None,
        })
    }

    fn insert(&mut self, event: EventView<'_>, codes: &mut Codes, answer: T) -> Result<()> {
        match (&mut self.answers, self.fields.as_slice()) {
            (Answers::One(answers), [only]) => {
                let at = usize::try_from(event.code(*only, codes)?).unwrap_or(usize::MAX);
                if at >= answers.len() {
                    answers.resize(at + 1, None);
                }
                if let Some(slot) = answers.get_mut(at) {
                    *slot = Some(answer);
                }
            }
            (Answers::Two(answers), [a, b]) => {
                if answers.len() >= MOST {
                    answers.clear();
                }
                answers.insert(pair(event.code(*a, codes)?, event.code(*b, codes)?), answer);
            }
            (Answers::More(many), fields) => {
                many.insert(&numbers_of(fields, event, codes)?, answer);
            }
            _ => {}
        }
        Ok(())
    }
}

#[inline]
fn pair(a: u64, b: u64) -> u64 {
    (a << 32) | b
}

/// The numbers of an event's fields, in a vector that is used again and again.
#[inline]
fn numbers_of(fields: &[Field], event: EventView<'_>, codes: &mut Codes) -> Result<Vec<u64>> {
    let mut numbers = std::mem::take(&mut codes.scratch);
    numbers.clear();
    for field in fields {
        numbers.push(event.code(*field, codes)?);
    }
    Ok(numbers)
}

impl<T: Copy> Many<T> {
    #[inline]
    fn find(&self, numbers: &[u64]) -> Option<T> {
        let found = self.index.find(hash(numbers), |answer| key(&self.numbers, numbers.len(), *answer).iter().eq(numbers))?;
        self.answers.get(*found as usize).copied()
    }

    fn insert(&mut self, numbers: &[u64], answer: T) {
        if self.answers.len() >= MOST {
            *self = Self { index: HashTable::new(), numbers: Vec::new(), answers: Vec::new() };
        }
        let at = u32::try_from(self.answers.len()).unwrap_or_default();
        self.numbers.extend_from_slice(numbers);
        self.answers.push(answer);
        let known = &self.numbers;
        self.index.insert_unique(hash(numbers), at, |answer| hash(key(known, numbers.len(), *answer)));
    }
}

/// The numbers of an answer.
#[inline]
fn key(numbers: &[u64], width: usize, answer: u32) -> &[u64] {
    let begin = answer as usize * width;
    numbers.get(begin..begin + width).unwrap_or_default()
}

#[inline]
fn hash(numbers: &[u64]) -> u64 {
    let mut hasher = foldhash::fast::FixedState::with_seed(0).build_hasher();
    numbers.iter().for_each(|number| hasher.write_u64(*number));
    hasher.finish()
}
