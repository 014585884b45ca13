//! The least-privilege review of the page, from `actions.parquet`: lists of actions that many principals share stand once.

use std::collections::{HashMap, HashSet};

use arrow::array::{Array as _, BooleanArray};
use serde::Serialize;
use serde_json::{Value, json};

use super::data::{TextTable, seconds};
use crate::error::{Error, Result};
use crate::frame::{Distinct, parquet, read};
use crate::iam::Arn;
use crate::report::{Report, counted};

/// Bytes of JSON that the uses of principals may take, and the lists.
const USED: usize = 700_000;
const LISTS: usize = 500_000;

/// Rows of `actions.parquet` of a candidate, by kind.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Totals {
    /// Granted, never used, and CloudTrail would have shown it.
    unused: u64,
    /// Used, and lost: an Allow went, or a Deny came.
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
    /// Granted to principals of accounts without any event: nothing could show their use.
    without_log: u64,
    /// Events of data planes.
    data_events: u64,
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
    let lost = Lost::read(report, candidates)?;
    let silent: HashSet<&str> =
        report.covered.accounts.iter().filter(|(_, days)| **days == 0).map(|(account, _)| account.as_str()).collect();
    let mut actions_by_text = Distinct::default();
    let mut numbers: Vec<u32> = Vec::new();
    let path = report.folder.join("actions.parquet");
    if !path.is_file() {
        return Err(Error::format(&path, "is not there: the report is of an older version; replay again"));
    }
    parquet::read_each(&path, None, |batch| {
        let (names, arns, actions) =
            (read::text(&batch, "candidate")?, read::text(&batch, "principal_arn")?, read::text(&batch, "action")?);
        let [granted, used, observable, rare] = ["granted", "used", "observable", "rare"].map(|name| read::flag(&batch, name));
        let (granted, used, observable, rare) = (granted?, used?, observable?, rare?);
        let (events, days) = (read::int(&batch, "events")?, read::int(&batch, "days_seen")?);
        let (first, last) = (read::time(&batch, "first_seen")?, read::time(&batch, "last_seen")?);
        let is = |flags: &BooleanArray, row: usize, wanted: bool| flags.is_valid(row) && flags.value(row) == wanted;
        let mut same: Option<(usize, Group)> = None;
        for row in 0..batch.num_rows() {
            let of_before =
                |before: usize| read::get(names, before) == read::get(names, row) && read::get(arns, before) == read::get(arns, row);
            let group = match same.filter(|(before, _)| of_before(*before)) {
                Some((_, group)) => group,
                None => {
                    let Some(candidate) = candidates.iter().position(|name| read::get(names, row) == Some(*name)) else { continue };
                    let arn = read::get(arns, row);
                    let account = arn.and_then(Arn::parse).map(|arn| arn.account).unwrap_or_default();
                    let principal = principals.get(&arn.map(str::to_owned)).copied();
                    Group { candidate, principal, without_log: silent.contains(account), lost: lost.place(candidate, arn) }
                }
            };
            same = Some((row, group));
            let Group { candidate, principal, .. } = group;
            if making.of != Some((candidate, principal)) {
                review.take(&mut making);
                making.of = Some((candidate, principal));
            }
            let action = read::get(actions, row).unwrap_or_default();
            let (number, new) = actions_by_text.number(action)?;
            if new {
                numbers.push(texts.number(action)?);
            }
            let number = numbers.get(number as usize).copied().unwrap_or_default();
            let (is_used, is_granted) = (is(used, row, true), is(granted, row, true));
            let Some(totals) = review.totals.get_mut(candidate) else { continue };
            totals.rare += u64::from(is(rare, row, true));
            let list = match () {
                () if is_used && lost.has(group.lost, action) => Some((&mut totals.no_longer_granted, &mut making.no_longer_granted)),
                () if !is_used && is_granted && is(observable, row, false) => {
                    Some((&mut totals.not_observable, &mut making.not_observable))
                }
                () if !is_used && is_granted && group.without_log => {
                    review.without_log += 1;
                    None
                }
                () if !is_used && is_granted => Some((&mut totals.unused, &mut making.unused)),
                () => None,
            };
            if let Some((count, list)) = list {
                *count += 1;
                if principal.is_some() {
                    list.push(number);
                }
            }
            if let (true, 0, Some(principal)) = (is_used, candidate, principal) {
                let time = |times: &arrow::array::TimestampMicrosecondArray| seconds(times.is_valid(row).then(|| times.value(row)));
                review.note(principal, json!([number, events.value(row), days.value(row), time(first), time(last), is(rare, row, true)]));
            }
        }
        Ok(())
    })?;
    review.take(&mut making);
    parquet::read_each(&report.folder.join("coverage.parquet"), Some(&["data"]), |batch| {
        review.data_events +=
            read::int(&batch, "data")?.values().iter().map(|count| u64::try_from(*count).unwrap_or_default()).sum::<u64>();
        Ok(())
    })?;
    Ok(review)
}

/// What rows of a principal in a candidate have in common.
#[derive(Debug, Clone, Copy)]
struct Group {
    candidate: usize,
    principal: Option<usize>,
    /// Its account has no event at all.
    without_log: bool,
    /// Where what it loses stands.
    lost: Option<usize>,
}

/// The actions that principals lose, from `principals.parquet`.
struct Lost {
    places: HashMap<(usize, Option<String>), usize>,
    all: Vec<Vec<String>>,
}

impl Lost {
    fn read(report: &Report, candidates: &[&str]) -> Result<Self> {
        let batch = &report.principals;
        let (names, arns, actions) =
            (read::text(batch, "candidate")?, read::text(batch, "principal_arn")?, read::list(batch, "actions_lost")?);
        let mut lost = Self { places: HashMap::new(), all: Vec::new() };
        for row in (0..batch.num_rows()).filter(|row| actions.is_valid(*row) && actions.value_length(*row) > 0) {
            let Some(candidate) = candidates.iter().position(|name| read::get(names, row) == Some(*name)) else { continue };
            lost.places.insert((candidate, read::get(arns, row).map(str::to_owned)), lost.all.len());
            lost.all.push(read::texts(&actions.value(row)));
        }
        Ok(lost)
    }

    fn place(&self, candidate: usize, arn: Option<&str>) -> Option<usize> {
        self.places.get(&(candidate, arn.map(str::to_owned))).copied()
    }

    fn has(&self, place: Option<usize>, action: &str) -> bool {
        place.and_then(|place| self.all.get(place)).is_some_and(|actions| actions.iter().any(|known| known == action))
    }
}

impl Review {
    /// What to keep in mind before anything is called unused, a sentence each.
    pub(super) fn caveats(&self, report: &Report) -> Vec<String> {
        let mut caveats = Vec::new();
        let (filters, shard) = (report.filters(), report.manifest.shard);
        if !filters.is_empty() || shard.is_some() {
            caveats.push("This report is of a part of the log: what stands in the rest of it counts as not used here.".to_owned());
        }
        if self.data_events == 0 {
            caveats.push("The log holds no data events: what only they show, such as mail that is sent and functions that are called, counts as not used.".to_owned());
        }
        if self.without_log > 0 {
            let grants = counted(self.without_log, "grant");
            caveats.push(format!("{grants} in accounts without any event are not counted: nothing could show their use."));
        }
        let not_replayed: u64 = report.manifest.counts.not_replayed.values().sum();
        if not_replayed > 0 {
            caveats.push(format!("{} that were not replayed count as no use.", counted(not_replayed, "event")));
        }
        caveats
    }

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
