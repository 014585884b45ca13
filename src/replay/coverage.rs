//! Where and when there are events at all: no data is not no use.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Builder, Int64Builder, RecordBatch, StringBuilder};

use hashbrown::{HashMap, HashSet};

use super::codes::Codes;
use super::view::EventView;
use crate::error::Result;
use crate::frame::Text;
use crate::frame::parquet::TableWriter;
use crate::frame::schema::COVERAGE;
use crate::ingest::SkippedRow;
use crate::ingest::dataset::day_of;

/// The most rows of the table. Beyond it (one record with a date of centuries ago is enough) only days that have an event
/// somewhere are written, instead of every day of the window.
const MOST_ROWS: usize = 20_000_000;

/// Rows that are written at a time: a long window of many accounts and regions is mostly gaps.
const ROWS: usize = 100_000;

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
        let Some(counts) = self.counts.get_mut(place) else { return };
        counts.events += 1;
        counts.replayed += u64::from(replayed);
        counts.data += u64::from(event.is_data());
        let file = event.text_code(Text::SourceFile);
        if counts.last_file != Some(file) {
            counts.last_file = Some(file);
            counts.files.insert(file);
        }
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

    /// First and last day with an event.
    pub(super) fn days(&self) -> Option<(i32, i32)> {
        let all = self.accounts.values().flat_map(BTreeMap::values).flatten();
        let days = all.filter(|(_, counts)| counts.events > 0).filter_map(|(day, _)| *day);
        Some((days.clone().min()?, days.max()?))
    }

    /// The days of the table.
    fn window(&self, regions: usize) -> Vec<i32> {
        let Some((first, last)) = self.days() else { return Vec::new() };
        let length = usize::try_from(last.saturating_sub(first)).unwrap_or(usize::MAX).saturating_add(1);
        if length.saturating_mul(regions).saturating_mul(self.accounts.len()) <= MOST_ROWS {
            return (first..=last).collect();
        }
        let seen: BTreeSet<i32> = self.accounts.values().flat_map(BTreeMap::values).flatten().filter_map(|(day, _)| *day).collect();
        seen.into_iter().collect()
    }

    /// Writes the table: every account × region × day of the window, and what has no account, region or day.
    pub(super) fn write(mut self, path: &Path, accounts: impl IntoIterator<Item = String>) -> Result<()> {
        for account in accounts {
            self.accounts.entry(Some(account)).or_default();
        }
        let regions: BTreeSet<String> = self.accounts.values().flat_map(BTreeMap::keys).flatten().cloned().collect();
        let days = self.window(regions.len());
        let mut rows = Rows::create(path)?;
        let nothing = Counts::default();
        for (account, by_region) in &self.accounts {
            for (region, days) in by_region.iter().filter(|(region, _)| account.is_none() || region.is_none()) {
                days.iter().try_for_each(|(day, counts)| rows.push(account.as_deref(), region.as_deref(), *day, counts))?;
            }
            let Some(account) = account else { continue };
            for region in &regions {
                let seen = by_region.get(&Some(region.clone()));
                for day in &days {
                    let counts = seen.and_then(|seen| seen.get(&Some(*day))).unwrap_or(&nothing);
                    rows.push(Some(account), Some(region), Some(*day), counts)?;
                }
            }
        }
        rows.finish()
    }
}

/// Collects rows into batches and writes them.
struct Rows {
    writer: TableWriter,
    texts: [StringBuilder; 2],
    days: Date32Builder,
    counts: [Int64Builder; 6],
    rows: usize,
}

impl Rows {
    fn create(path: &Path) -> Result<Self> {
        let writer = TableWriter::create(path, &COVERAGE)?;
        Ok(Self { writer, texts: Default::default(), days: Date32Builder::new(), counts: Default::default(), rows: 0 })
    }

    fn push(&mut self, account: Option<&str>, region: Option<&str>, day: Option<i32>, counts: &Counts) -> Result<()> {
        for (builder, text) in self.texts.iter_mut().zip([account, region]) {
            builder.append_option(text);
        }
        self.days.append_option(day);
        let files = counts.files.len() as u64;
        let numbers = [files, counts.events, counts.replayed, counts.skipped, counts.management, counts.data];
        for (builder, number) in self.counts.iter_mut().zip(numbers) {
            builder.append_value(i64::try_from(number).unwrap_or(i64::MAX));
        }
        self.rows += 1;
        if self.rows >= ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.rows = 0;
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(9);
        columns.extend(self.texts.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef));
        columns.push(Arc::new(self.days.finish()));
        columns.extend(self.counts.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef));
        self.writer.push(&RecordBatch::try_new(Arc::clone(&COVERAGE.schema), columns)?)
    }

    fn finish(mut self) -> Result<()> {
        self.flush()?;
        self.writer.finish()
    }
}
