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

/// What a thread counts, by numbers.
#[derive(Debug, Default)]
pub(super) struct CodedCoverage {
    /// Account, region and day, and where their counts stand.
    places: HashMap<(u32, u32, i32), usize, foldhash::fast::FixedState>,
    counts: Vec<CodedCounts>,
    /// The place of the event before.
    last: Option<((u32, u32, i32), usize)>,
}

#[derive(Debug, Default)]
struct CodedCounts {
    events: u64,
    replayed: u64,
    data: u64,
    files: HashSet<u32, foldhash::fast::FixedState>,
    last_file: Option<u32>,
}

impl CodedCoverage {
    pub(super) fn event(&mut self, event: EventView<'_>, replayed: bool) {
        let Some(counts) = self.counts(event) else { return };
        counts.events += 1;
        counts.replayed += u64::from(replayed);
        counts.data += u64::from(event.is_data());
    }

    /// An event of another shard: it tells that there is a file.
    pub(super) fn elsewhere(&mut self, event: EventView<'_>) {
        self.counts(event);
    }

    /// The counts of an event's account, region and day, to which its file belongs.
    fn counts(&mut self, event: EventView<'_>) -> Option<&mut CodedCounts> {
        let key = (event.text_code(Text::AccountId), event.text_code(Text::Region), day_of(event.time()));
        let place = match self.last {
            Some((last, place)) if last == key => place,
            _ => {
                let place = *self.places.entry(key).or_insert(self.counts.len());
                if place == self.counts.len() {
                    self.counts.push(CodedCounts::default());
                }
                self.last = Some((key, place));
                place
            }
        };
        let counts = self.counts.get_mut(place)?;
        let file = event.text_code(Text::SourceFile);
        if counts.last_file != Some(file) {
            counts.last_file = Some(file);
            counts.files.insert(file);
        }
        Some(counts)
    }

    pub(super) fn finish(self, codes: &Codes) -> Coverage {
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
            counts.skipped += 1;
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
