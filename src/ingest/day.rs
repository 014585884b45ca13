//! One day of the dataset, written anew: its runs and its files merged, each event once.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, Hasher as _};
use std::path::Path;

use arrow::array::RecordBatch;

use super::ledger::{Calls, Day};
use super::merge::{Merge, OUTPUT_ROWS, Run};
use super::sorted::{Mark, PlaceInFile, Row};
use super::twins::Twins;
use crate::error::{Error, Result};
use crate::frame::{EventWriter, Place, Text, Texts, read};

/// A day to write: what it is made of.
pub(super) struct DayMerge<'m> {
    /// `YYYY-MM-DD`.
    pub(super) date: &'m str,
    /// All rows, each run sorted.
    pub(super) runs: Vec<Run>,
    /// Which of them repeat others.
    pub(super) twins: Twins,
    /// What others take the place of.
    pub(super) others: Others<'m>,
    /// The calls of those that gave way before.
    pub(super) calls: Calls,
    /// About the most rows of a file: a day with more is split by event id.
    pub(super) file_rows: u64,
}

/// What takes the place of rows that were there before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Others<'m> {
    /// Account and id of the events that addenda replace.
    pub(super) replaced: &'m BTreeSet<(Option<String>, String)>,
    /// Rows of the dataset at places where a file that has grown says something else now.
    pub(super) superseded: &'m [PlaceInFile],
}

/// Rows that were read and were not kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Merged {
    /// Rows that went in.
    pub(super) read: u64,
    /// Rows that are repeated by one that stays.
    pub(super) dropped: u64,
}

impl DayMerge<'_> {
    /// Writes the day's files into a folder: as many as the number of its events asks for. `rows` is the number of rows
    /// that go in.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Columns`].
    pub(super) fn write(&self, folder: &Path, rows: u64) -> Result<(Day, Merged)> {
        let mut files = self.files_for(rows);
        loop {
            let (mut day, mut merged) = (Day { files, replaced: self.calls.clone(), ..Day::default() }, Merged::default());
            for file in 0..files {
                self.write_file(folder, (file, files), &mut day, &mut merged)?;
            }
            if rows != merged.read || rows != day.events + merged.dropped {
                return Err(Error::Internal(format!("{}: {rows} rows, {merged:?}, but {} written", self.date, day.events)));
            }
            // Duplicates can leave fewer events than files were begun for; the number must not depend on them.
            if self.files_for(day.events) == files {
                return Ok((day, merged));
            }
            for file in 0..files {
                let path = folder.join(staged_name(self.date, file));
                std::fs::remove_file(&path).map_err(|error| Error::io("remove", &path, error))?;
            }
            files = self.files_for(day.events);
        }
    }

    /// How many files a day of so many rows has.
    fn files_for(&self, rows: u64) -> usize {
        usize::try_from(rows.div_ceil(self.file_rows.max(1))).unwrap_or(usize::MAX).max(1)
    }

    fn write_file(&self, folder: &Path, (file, files): (usize, usize), day: &mut Day, merged: &mut Merged) -> Result<()> {
        let mut output = Output::create(&folder.join(staged_name(self.date, file)))?;
        let mut merge = Merge::new(&self.runs)?;
        let mut group: Vec<Row> = Vec::new();
        while let Some(row) = merge.next()? {
            if files > 1 && file_of(row.id(), files) != file {
                continue;
            }
            merged.read += 1;
            // Before rows are compared: what another record takes the place of takes the place of none.
            if self.gives_way(&row, day) {
                merged.dropped += 1;
                continue;
            }
            match group.last_mut() {
                Some(last) if row.has_id_of(last) && row.is_same_event(last) => {
                    merged.dropped += 1;
                    if row.is_better_than(last) {
                        *last = row;
                    }
                }
                Some(last) if row.has_id_of(last) => group.push(row),
                _ => {
                    keep(&mut group, &mut merge, merged);
                    group.push(row);
                    if merge.kept() >= OUTPUT_ROWS {
                        output.push(&mut merge)?;
                    }
                }
            }
        }
        keep(&mut group, &mut merge, merged);
        output.push(&mut merge)?;
        output.finish(day)
    }

    /// Whether another record takes the place of a row, whatever else is there.
    fn gives_way(&self, row: &Row, day: &mut Day) -> bool {
        if self.is_replaced(row) || self.twins.is_copy(row) {
            day.replaced.add(row);
            return true;
        }
        self.is_superseded(row) || self.twins.is_network_twin(row) || self.twins.is_poor_copy(row, &self.calls)
    }

    fn is_superseded(&self, row: &Row) -> bool {
        row.is_loaded() && self.others.superseded.iter().any(|place| row.stands_at(place))
    }

    /// Whether an addendum takes the place of a row. Addenda stay: two of one event tell different things.
    fn is_replaced(&self, row: &Row) -> bool {
        let replaced = self.others.replaced;
        let named = |account: Option<&str>| replaced.contains(&(account.map(str::to_owned), row.id().to_owned()));
        // Some tables do not tell the account.
        let is_named = || match row.account() {
            Some(account) => named(Some(account)) || named(None),
            None => replaced.iter().any(|(_, id)| id == row.id()),
        };
        !replaced.is_empty() && row.mark(Mark::AddendumOf).is_none() && is_named()
    }
}

/// Keeps the rows of one time and id that no other one of them takes the place of.
fn keep(group: &mut Vec<Row>, merge: &mut Merge, merged: &mut Merged) {
    let before = group.len();
    if before > 1 {
        drop_poor(group);
    }
    merged.dropped += (before - group.len()) as u64;
    group.drain(..).for_each(|row| merge.keep(row));
}

/// Drops the poor copies of calls that are there in full.
fn drop_poor(group: &mut Vec<Row>) {
    if !group.iter().any(Row::is_poor) {
        return;
    }
    let full: Vec<Row> = group.iter().filter(|row| !row.is_poor()).cloned().collect();
    // What a poor copy does not tell fits whatever the full one says.
    let calls: BTreeSet<_> = full
        .iter()
        .flat_map(|row| {
            let ([source, name], account) = (row.call(), row.account());
            [(name, source, account), (name, source, None), (name, None, account), (name, None, None)]
        })
        .collect();
    group.retain(|row| {
        let [source, name] = row.call();
        !row.is_poor() || !calls.contains(&(name, source, row.account()))
    });
}

/// A file in the making, and what is in it.
pub(super) struct Output {
    writer: EventWriter,
    events: u64,
    id_conflicts: u64,
    /// Hashes of ids with their accounts.
    ids: hashbrown::HashSet<u64>,
}

impl Output {
    pub(super) fn create(path: &Path) -> Result<Self> {
        let counted = [Text::AccountId, Text::Region, Text::EventSource, Text::IdentityType];
        Ok(Self { writer: EventWriter::create(path, &counted)?, events: 0, id_conflicts: 0, ids: hashbrown::HashSet::new() })
    }

    /// Writes the rows that a merge has kept.
    fn push(&mut self, merge: &mut Merge) -> Result<()> {
        let (sorted, places) = merge.take();
        let batches: Vec<&RecordBatch> = sorted.iter().map(|sorted| sorted.batch()).collect();
        self.push_rows(&batches, &places)
    }

    /// Writes rows of some batches.
    pub(super) fn push_rows(&mut self, batches: &[&RecordBatch], places: &[Place]) -> Result<()> {
        let ids = batches.iter().map(|batch| read::text(batch, "event_id")).collect::<Result<Vec<_>>>()?;
        let accounts = batches.iter().map(|batch| Texts::of(batch, "account_id")).collect::<Result<Vec<_>>>()?;
        let hashes = foldhash::fast::FixedState::default();
        self.ids.reserve(places.len());
        for (batch, row) in places {
            let id = ids.get(*batch).and_then(|ids| read::get(ids, *row));
            let account = accounts.get(*batch).and_then(|accounts| accounts.get(*row));
            let mut hasher = hashes.build_hasher();
            [id, account].into_iter().for_each(|text| hasher.write(text.unwrap_or_default().as_bytes()));
            self.id_conflicts += u64::from(!self.ids.insert(hasher.finish()));
        }
        self.events += places.len() as u64;
        self.writer.push(batches, places)
    }

    /// Ends the file, and adds what is in it to its day's entry.
    pub(super) fn finish(self, day: &mut Day) -> Result<()> {
        day.events += self.events;
        day.id_conflicts += self.id_conflicts;
        let mut counts = self.writer.finish()?;
        for (to, column) in [
            (&mut day.accounts, "account_id"),
            (&mut day.regions, "region"),
            (&mut day.services, "event_source"),
            (&mut day.identities, "identity_type"),
        ] {
            let from = counts.remove(column).unwrap_or_default();
            from.into_iter().for_each(|(name, count)| *to.entry(name).or_default() += count);
        }
        Ok(())
    }
}

/// Which of a day's files an event stands in.
fn file_of(id: &str, files: usize) -> usize {
    let hash = foldhash::fast::FixedState::default().hash_one(id);
    usize::try_from(hash % files.max(1) as u64).unwrap_or_default()
}

/// The name of a day's file in the staging folder.
pub(super) fn staged_name(date: &str, file: usize) -> String {
    format!("{date}.{file:02}.{STAGED}")
}

/// The extension of the names of days' files in the staging folder.
const STAGED: &str = "new";

/// Whether a file of the staging folder is one of a day.
pub(super) fn is_staged(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == STAGED)
}

/// Whether a file of a day's folder may be one of the dataset.
pub(super) fn is_file_name(name: &str) -> bool {
    let number = name.strip_prefix("events-").and_then(|rest| rest.strip_suffix(".parquet"));
    name == "events.parquet" || number.is_some_and(|number| number.len() >= 2 && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The name of a day's file in the dataset.
pub(super) fn file_name(file: usize, files: usize) -> String {
    if files == 1 { "events.parquet".to_owned() } else { format!("events-{file:02}.parquet") }
}
