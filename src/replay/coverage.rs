//! Where and when there are events at all: no data is not no use.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;

use super::batch::day;
use super::view::EventView;
use crate::error::Result;
use crate::frame::schema::COVERAGE;
use crate::frame::{Cell, TableBuilder, Text};
use crate::ingest::SkippedRow;

/// Counts by account, region and day.
#[derive(Debug, Clone, Default)]
pub(super) struct Coverage {
    cells: BTreeMap<(Option<String>, Option<String>, Option<i32>), Counts>,
}

#[derive(Debug, Clone, Default)]
struct Counts {
    files: BTreeSet<String>,
    events: u64,
    replayed: u64,
    skipped: u64,
    management: u64,
    data: u64,
}

impl Coverage {
    pub(super) fn event(&mut self, event: EventView<'_>, replayed: bool) {
        let owned = |column| event.text(column).map(str::to_owned);
        let counts = self.cells.entry((owned(Text::AccountId), owned(Text::Region), Some(day(event)))).or_default();
        counts.events += 1;
        counts.replayed += u64::from(replayed);
        match event.text(Text::EventCategory) {
            Some("Data") => counts.data += 1,
            _ => counts.management += 1,
        }
        let file = event.text(Text::SourceFile).unwrap_or_default();
        if !counts.files.contains(file) {
            counts.files.insert(file.to_owned());
        }
    }

    pub(super) fn skipped(&mut self, rows: &[SkippedRow]) {
        for row in rows {
            let day = row.event_time.map(crate::ingest::dataset::day_of);
            let counts = self.cells.entry((None, None, day)).or_default();
            counts.skipped += 1;
            counts.files.insert(row.file.clone());
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        for (key, counts) in other.cells {
            let own = self.cells.entry(key).or_default();
            own.files.extend(counts.files);
            own.events += counts.events;
            own.replayed += counts.replayed;
            own.skipped += counts.skipped;
            own.management += counts.management;
            own.data += counts.data;
        }
    }

    /// First and last day with an event.
    pub(super) fn days(&self) -> Option<(i32, i32)> {
        let days = self.cells.iter().filter(|(_, counts)| counts.events > 0).filter_map(|((_, _, day), _)| *day);
        Some((days.clone().min()?, days.max()?))
    }

    /// The table: every account × region × day of the window, and what has no account or day.
    pub(super) fn table(mut self, accounts: impl IntoIterator<Item = String>) -> Result<RecordBatch> {
        let mut all: BTreeSet<String> = accounts.into_iter().collect();
        all.extend(self.cells.keys().filter_map(|(account, ..)| account.clone()));
        let regions: BTreeSet<String> = self.cells.keys().filter_map(|(_, region, _)| region.clone()).collect();
        if let Some((first, last)) = self.days() {
            for account in &all {
                for region in &regions {
                    for day in first..=last {
                        self.cells.entry((Some(account.clone()), Some(region.clone()), Some(day))).or_default();
                    }
                }
            }
        }
        let mut table = TableBuilder::new(&COVERAGE)?;
        for ((account, region, day), counts) in self.cells {
            table.push(vec![
                Cell::text(account),
                Cell::text(region),
                day.map_or(Cell::Null, Cell::Day),
                Cell::count(counts.files.len() as u64),
                Cell::count(counts.events),
                Cell::count(counts.replayed),
                Cell::count(counts.skipped),
                Cell::count(counts.management),
                Cell::count(counts.data),
            ])?;
        }
        table.finish()
    }
}
