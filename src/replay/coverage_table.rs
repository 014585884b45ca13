//! The table of coverage: a row for each account, region and day of the window, gaps too.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, Date32Builder, Int64Builder, RecordBatch, StringBuilder};

use crate::error::Result;
use crate::frame::parquet::{TableWriter, read_each};
use crate::frame::read;
use crate::frame::schema::COVERAGE;

/// The most rows of the table. Beyond it (one record with a date of centuries ago is enough) only days that have an event
/// somewhere are written, instead of every day of the window.
const MOST_ROWS: usize = 20_000_000;

/// Rows that are written at a time: a long window of many accounts and regions is mostly gaps.
const ROWS: usize = 100_000;

/// Account, region and day since 1970.
pub(super) type Place = (Option<String>, Option<String>, Option<i32>);

type Days = BTreeMap<Option<i32>, Counted>;

/// The numbers of a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) files: u64,
    pub(super) events: u64,
    pub(super) replayed: u64,
    pub(super) skipped: u64,
    pub(super) management: u64,
    pub(super) data: u64,
}

/// The numbers of all rows that are no gap.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct CoverageTable {
    accounts: BTreeMap<Option<String>, BTreeMap<Option<String>, Days>>,
}

impl CoverageTable {
    /// Enters the numbers of a place.
    pub(super) fn enter(&mut self, (account, region, day): Place, counted: Counted) {
        self.accounts.entry(account).or_default().entry(region).or_default().insert(day, counted);
    }

    /// Adds the table of another shard of the same run, as saved: every shard counts all files and all skipped records.
    ///
    /// # Errors
    /// Those of [`read_each`], [`crate::Error::Columns`].
    pub(super) fn add_shard(&mut self, path: &Path) -> Result<()> {
        const COUNTS: [&str; 6] = ["files", "events", "replayed", "skipped", "management", "data"];
        read_each(path, None, |batch| {
            let (accounts, regions) = (read::text(&batch, "account_id")?, read::text(&batch, "region")?);
            let days = read::day(&batch, "day")?;
            let columns = COUNTS.iter().map(|name| read::int(&batch, name)).collect::<Result<Vec<_>>>()?;
            for row in 0..batch.num_rows() {
                let account = self.accounts.entry(read::get(accounts, row).map(str::to_owned)).or_default();
                let mut numbers = columns.iter().map(|column| u64::try_from(column.value(row)).unwrap_or_default());
                let mut next = || numbers.next().unwrap_or_default();
                let (files, events, replayed) = (next(), next(), next());
                let counted = Counted { files, events, replayed, skipped: next(), management: next(), data: next() };
                if counted == Counted::default() {
                    continue;
                }
                let days_of = account.entry(read::get(regions, row).map(str::to_owned)).or_default();
                let own = days_of.entry(days.is_valid(row).then(|| days.value(row))).or_default();
                own.files = own.files.max(counted.files);
                own.skipped = own.skipped.max(counted.skipped);
                own.events += counted.events;
                own.replayed += counted.replayed;
                own.management += counted.management;
                own.data += counted.data;
            }
            Ok(())
        })
    }

    /// First and last day with an event.
    pub(super) fn days(&self) -> Option<(i32, i32)> {
        let all = self.accounts.values().flat_map(BTreeMap::values).flatten();
        let days = all.filter(|(_, counts)| counts.events > 0).filter_map(|(day, _)| *day);
        Some((days.clone().min()?, days.max()?))
    }

    /// How many days there are from the first event to the last.
    pub(super) fn length(&self) -> u64 {
        self.days().map_or(0, |(first, last)| u64::from(last.abs_diff(first)) + 1)
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
        let nothing = Counted::default();
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

    fn push(&mut self, account: Option<&str>, region: Option<&str>, day: Option<i32>, counts: &Counted) -> Result<()> {
        for (builder, text) in self.texts.iter_mut().zip([account, region]) {
            builder.append_option(text);
        }
        self.days.append_option(day);
        let numbers = [counts.files, counts.events, counts.replayed, counts.skipped, counts.management, counts.data];
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
