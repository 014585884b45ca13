//! The least-privilege review of the page, from `actions.parquet`: lists of actions that many principals share stand once.

use std::collections::HashMap;

use arrow::array::{Array as _, BooleanArray};
use serde::Serialize;
use serde_json::{Value, json};

use super::data::{TextTable, seconds};
use crate::error::Result;
use crate::frame::{parquet, read};
use crate::report::Report;

/// Bytes of JSON that the uses of principals may take, and the lists.
const USED: usize = 700_000;
const LISTS: usize = 500_000;

/// Rows of `actions.parquet` of a candidate, by kind.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Totals {
    /// Granted, never used, and CloudTrail would have shown it.
    unused: u64,
    /// Used, and granted no longer.
    no_longer_granted: u64,
    /// Granted, and CloudTrail never shows a use.
    not_observable: u64,
    /// Used on few days.
    rare: u64,
}

/// The lists of a principal in a candidate, by their places; `None` for an empty one, -1 for one that has no room.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Of {
    pub(super) unused: Option<i64>,
    pub(super) not_observable: Option<i64>,
    pub(super) no_longer_granted: Option<i64>,
}

/// Lists of numbers of texts, each once.
#[derive(Debug, Default)]
pub(super) struct Lists {
    pub(super) all: Vec<Vec<u32>>,
    places: HashMap<Vec<u32>, i64>,
    bytes: usize,
}

/// Everything of it that the page shows.
#[derive(Debug, Default)]
pub(super) struct Review {
    /// By candidate.
    pub(super) totals: Vec<Totals>,
    pub(super) lists: Lists,
    /// By candidate and principal.
    of: HashMap<(usize, usize), Of>,
    used: HashMap<usize, Vec<Value>>,
    bytes: usize,
    /// Principals whose uses have no room.
    full: bool,
}

/// The lists of the principal at hand.
#[derive(Debug, Default)]
struct Making {
    of: Option<(usize, Option<usize>)>,
    unused: Vec<u32>,
    not_observable: Vec<u32>,
    no_longer_granted: Vec<u32>,
}

/// Reads it. `principals` are those that the page shows.
pub(super) fn read(
    report: &Report,
    candidates: &[&str],
    principals: &HashMap<Option<String>, usize>,
    texts: &mut TextTable,
) -> Result<Review> {
    let mut review = Review { totals: vec![Totals::default(); candidates.len()], ..Review::default() };
    let mut making = Making::default();
    let path = report.folder.join("actions.parquet");
    parquet::read_each(&path, None, |batch| {
        let (names, arns, actions) =
            (read::text(&batch, "candidate")?, read::text(&batch, "principal_arn")?, read::text(&batch, "action")?);
        let [granted, used, observable, rare] = ["granted", "used", "observable", "rare"].map(|name| read::flag(&batch, name));
        let (granted, used, observable, rare) = (granted?, used?, observable?, rare?);
        let (events, days) = (read::int(&batch, "events")?, read::int(&batch, "days_seen")?);
        let (first, last) = (read::time(&batch, "first_seen")?, read::time(&batch, "last_seen")?);
        let is = |flags: &BooleanArray, row: usize, wanted: bool| flags.is_valid(row) && flags.value(row) == wanted;
        let mut same: Option<(usize, usize, Option<usize>)> = None;
        for row in 0..batch.num_rows() {
            let of_before =
                |before: usize| read::get(names, before) == read::get(names, row) && read::get(arns, before) == read::get(arns, row);
            let (candidate, principal) = match same.filter(|(before, ..)| of_before(*before)) {
                Some((_, candidate, principal)) => (candidate, principal),
                None => {
                    let Some(candidate) = candidates.iter().position(|name| read::get(names, row) == Some(*name)) else { continue };
                    (candidate, principals.get(&read::get(arns, row).map(str::to_owned)).copied())
                }
            };
            same = Some((row, candidate, principal));
            if making.of != Some((candidate, principal)) {
                review.take(&mut making);
                making.of = Some((candidate, principal));
            }
            let (is_used, is_granted) = (is(used, row, true), is(granted, row, true));
            let list = match () {
                () if is_used && is(granted, row, false) => Some((0, &mut making.no_longer_granted)),
                () if !is_used && is_granted && is(observable, row, false) => Some((1, &mut making.not_observable)),
                () if !is_used && is_granted => Some((2, &mut making.unused)),
                () => None,
            };
            let Some(totals) = review.totals.get_mut(candidate) else { continue };
            totals.rare += u64::from(is(rare, row, true));
            let action = read::get(actions, row).unwrap_or_default();
            if let Some((kind, list)) = list {
                let count = [&mut totals.no_longer_granted, &mut totals.not_observable, &mut totals.unused].into_iter().nth(kind);
                count.into_iter().for_each(|count| *count += 1);
                if principal.is_some() {
                    list.push(texts.number(action)?);
                }
            }
            if let (true, 0, Some(principal)) = (is_used, candidate, principal) {
                let time = |times: &arrow::array::TimestampMicrosecondArray| seconds(times.is_valid(row).then(|| times.value(row)));
                let action = texts.number(action)?;
                review.note(principal, json!([action, events.value(row), days.value(row), time(first), time(last), is(rare, row, true)]));
            }
        }
        Ok(())
    })?;
    review.take(&mut making);
    Ok(review)
}

impl Review {
    /// The lists of a principal that the page shows.
    pub(super) fn of(&self, candidate: usize, principal: usize) -> Of {
        self.of.get(&(candidate, principal)).copied().unwrap_or_default()
    }

    /// What a principal used; `None` if there is no room for it.
    pub(super) fn used(&self, principal: usize) -> Option<&[Value]> {
        match self.used.get(&principal) {
            Some(used) => Some(used),
            None if self.full => None,
            None => Some(&[]),
        }
    }

    fn note(&mut self, principal: usize, used: Value) {
        let size = used.to_string().len() + 1;
        if self.bytes + size > USED && !self.used.contains_key(&principal) {
            self.full = true;
            return;
        }
        self.bytes += size;
        self.used.entry(principal).or_default().push(used);
    }

    /// Ends the principal at hand.
    fn take(&mut self, making: &mut Making) {
        let Making { of, unused, not_observable, no_longer_granted } = std::mem::take(making);
        if let Some((candidate, Some(principal))) = of {
            let [unused, not_observable, no_longer_granted] =
                [unused, not_observable, no_longer_granted].map(|list| self.lists.place(list));
            self.of.insert((candidate, principal), Of { unused, not_observable, no_longer_granted });
        }
    }
}

impl Lists {
    /// The place of a list, as [`Of`] has it.
    fn place(&mut self, list: Vec<u32>) -> Option<i64> {
        if list.is_empty() {
            return None;
        }
        if let Some(known) = self.places.get(&list) {
            return Some(*known);
        }
        let size = list.len() * 5;
        if self.bytes + size > LISTS {
            return Some(-1);
        }
        self.bytes += size;
        let place = i64::try_from(self.all.len()).unwrap_or(-1);
        self.places.insert(list.clone(), place);
        self.all.push(list);
        Some(place)
    }
}
