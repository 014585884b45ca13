//! Where and when there are events at all: no data is not no use.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::{HashMap, HashSet};

use super::codes::Codes;
use super::coverage_table::{Counted, CoverageTable};
use super::view::EventView;
use crate::frame::Text;
use crate::ingest::SkippedRow;
use crate::ingest::dataset::day_of;

type Days = BTreeMap<Option<i32>, Counts>;
type Regions = BTreeMap<Option<String>, Days>;

/// Counts by account, region and day.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Coverage {
    accounts: BTreeMap<Option<String>, Regions>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Counts {
    files: BTreeSet<String>,
    events: u64,
    replayed: u64,
    skipped: u64,
    management: u64,
    data: u64,
}

/// What a kernel counts, by numbers: the events of some calls at hand, and what they were added to.
#[derive(Debug, Default)]
pub(super) struct CodedCoverage {
    /// Account, region and day, and where their counts stand.
    places: HashMap<(u32, u32, i32), usize, foldhash::fast::FixedState>,
    counts: Vec<CodedCounts>,
    calls: Vec<OfCall>,
    /// Calls and the files in which they stand, some more than once.
    files: Vec<(u32, u32)>,
    day: i32,
}

/// The events of a call on one day.
#[derive(Debug, Default)]
struct OfCall {
    /// The numbers of its account and region.
    account: u32,
    region: u32,
    is_data: bool,
    events: u32,
    replayed: u32,
    last_file: Option<u32>,
}

#[derive(Debug, Default)]
struct CodedCounts {
    events: u64,
    replayed: u64,
    data: u64,
    files: HashSet<u32, foldhash::fast::FixedState>,
}

/// How an event is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counting {
    Replayed,
    NotReplayed,
    /// It is of another shard: it only tells that there is a file.
    Elsewhere,
}

impl CodedCoverage {
    /// Begins to count the events of other calls.
    pub(super) fn begin(&mut self) {
        self.end();
        self.calls.clear();
    }

    /// Adds a call: the next number.
    pub(super) fn call(&mut self, call: EventView<'_>) {
        let (account, region) = (call.text_code(Text::AccountId), call.text_code(Text::Region));
        self.calls.push(OfCall { account, region, is_data: call.is_data(), ..OfCall::default() });
    }

    /// Adds an event of a call.
    #[inline]
    pub(super) fn event(&mut self, call: u32, time: i64, file: u32, counting: Counting) {
        let day = day_of(time);
        if day != self.day {
            self.end();
            self.day = day;
        }
        let Some(of_call) = self.calls.get_mut(call as usize) else { return };
        of_call.events += u32::from(counting != Counting::Elsewhere);
        of_call.replayed += u32::from(counting == Counting::Replayed);
        if of_call.last_file != Some(file) {
            of_call.last_file = Some(file);
            self.files.push((call, file));
        }
    }

    /// Adds up what was counted on the day at hand.
    pub(super) fn end(&mut self) {
        let mut place = |of_call: &OfCall| {
            let next = self.counts.len();
            let place = *self.places.entry((of_call.account, of_call.region, self.day)).or_insert(next);
            if place == next {
                self.counts.push(CodedCounts::default());
            }
            place
        };
        let places: Vec<Option<usize>> = self.calls.iter().map(|call| call.last_file.map(|_| place(call))).collect();
        let counts_of = |call: usize| places.get(call).copied().flatten();
        for (call, of_call) in self.calls.iter_mut().enumerate() {
            let Some(counts) = counts_of(call).and_then(|place| self.counts.get_mut(place)) else { continue };
            counts.events += u64::from(of_call.events);
            counts.replayed += u64::from(of_call.replayed);
            counts.data += u64::from(if of_call.is_data { of_call.events } else { 0 });
            (of_call.events, of_call.replayed, of_call.last_file) = (0, 0, None);
        }
        for (call, file) in self.files.drain(..) {
            if let Some(counts) = counts_of(call as usize).and_then(|place| self.counts.get_mut(place)) {
                counts.files.insert(file);
            }
        }
    }

    pub(super) fn finish(mut self, codes: &Codes) -> Coverage {
        self.end();
        let mut coverage = Coverage::default();
        let mut counts: Vec<Option<CodedCounts>> = self.counts.into_iter().map(Some).collect();
        for ((account, region, day), place) in self.places {
            let Some(coded) = counts.get_mut(place).and_then(Option::take) else { continue };
            let text = |column, code| codes.text_of(column, code);
            let counts = coverage.counts(text(Text::AccountId, account), text(Text::Region, region), Some(day));
            counts.events = coded.events;
            counts.replayed = coded.replayed;
            counts.data = coded.data;
            counts.management = coded.events - coded.data;
            counts.files = coded.files.into_iter().map(|file| text(Text::SourceFile, file).unwrap_or_default().to_owned()).collect();
        }
        coverage
    }
}

impl Coverage {
    pub(super) fn skipped(&mut self, rows: &[SkippedRow]) {
        for row in rows {
            let counts = self.counts(None, None, row.event_time.map(day_of));
            counts.skipped += row.count;
            counts.files.insert(row.file.clone());
        }
    }

    fn counts(&mut self, account: Option<&str>, region: Option<&str>, day: Option<i32>) -> &mut Counts {
        let regions = self.accounts.entry(account.map(str::to_owned)).or_default();
        regions.entry(region.map(str::to_owned)).or_default().entry(day).or_default()
    }

    pub(super) fn merge(&mut self, other: Self) {
        for (account, regions) in other.accounts {
            for (region, days) in regions {
                for (day, counts) in days {
                    let own = self.counts(account.as_deref(), region.as_deref(), day);
                    own.files.extend(counts.files);
                    own.events += counts.events;
                    own.replayed += counts.replayed;
                    own.skipped += counts.skipped;
                    own.management += counts.management;
                    own.data += counts.data;
                }
            }
        }
    }

    /// The numbers of the table.
    pub(super) fn finish(self) -> CoverageTable {
        let mut table = CoverageTable::default();
        for (account, regions) in self.accounts {
            for (region, days) in regions {
                for (day, counts) in days {
                    let Counts { files, events, replayed, skipped, management, data } = counts;
                    let counted = Counted { files: files.len() as u64, events, replayed, skipped, management, data };
                    table.enter((account.clone(), region.clone(), day), counted);
                }
            }
        }
        table
    }
}
