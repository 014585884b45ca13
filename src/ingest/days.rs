//! Which days are written, and what each is made of: the rows that wait, and the files that it has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::dataset::{Dataset, Staging, date_text, day_of};
use super::day::{DayMerge, Merged, Others, staged_name};
use super::ledger::{Calls, Day};
use super::merge::{Merge, Run};
use super::sorted::PlaceInFile;
use super::threads::on_all_threads;
use super::twins::Twins;
use super::waiting::{Replaced, Rows, Waiting};
use crate::error::{Error, Result};
use crate::frame::{parquet, read};
use crate::progress::Progress;

/// About how much memory it takes to write one day.
const DAY_BYTES: usize = 32 << 20;

/// Days in the staging folder, by date.
pub(super) type Written = BTreeMap<String, Day>;

/// Where days are written, and where they are read that were loaded before.
pub(super) struct Days<'d> {
    pub(super) dataset: &'d Dataset,
    /// Datasets whose rows are added.
    pub(super) others: &'d [Dataset],
    pub(super) staging: &'d Staging,
}

impl<'d> Days<'d> {
    /// Writes the days of which no log that is left to read can have more.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Columns`].
    pub(super) fn write_complete(&self, thread: usize, waiting: &Waiting, written: &mut Written) -> Result<()> {
        while thread < self.most_at_once()
            && let Some((day, rows, replaced)) = waiting.complete_day()
        {
            let date = date_text(day);
            let others = Others { replaced: &replaced, superseded: &[] };
            let (day, _) = self.write(&date, rows, self.sources(&date), others)?;
            written.insert(date, day);
        }
        Ok(())
    }

    /// Writes every other day that something was read of, those again of which more was read after they were written, and those
    /// that hold an event which is replaced now. All that were written, and what addenda replace.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Columns`].
    pub(super) fn write_rest(&self, waiting: Waiting, mut written: Written, progress: &dyn Progress) -> Result<(Written, Replaced)> {
        let (days, replaced, superseded) = waiting.into_rest();
        let mut of_dates: BTreeMap<String, Vec<PlaceInFile>> = BTreeMap::new();
        superseded.into_iter().for_each(|place| of_dates.entry(date_text(day_of(place.time))).or_default().push(place));
        let mut dates: BTreeMap<String, Rows> = days.into_iter().map(|(day, rows)| (date_text(day), rows)).collect();
        let of_others = self.others.iter().flat_map(|other| other.ledger.days.keys()).filter(|date| !written.contains_key(*date));
        for date in of_dates.keys().chain(of_others) {
            dates.entry(date.clone()).or_default();
        }
        let new: BTreeSet<&str> = replaced.difference(&self.dataset.ledger.replaced).map(|(_, id)| id.as_str()).collect();
        if !new.is_empty() {
            let others: BTreeSet<&String> = written.keys().chain(self.dataset.ledger.days.keys()).collect();
            for date in others {
                if !dates.contains_key(date) && holds_one_of(&new, &self.staged(date, &written).unwrap_or_else(|| self.loaded(date)))? {
                    dates.insert(date.clone(), Rows::default());
                }
            }
        }
        progress.begin("writing events", dates.len() as u64, 0);
        let jobs: Vec<_> = dates.into_iter().map(|job| Mutex::new(Some(job))).collect();
        let more = on_all_threads(jobs.len(), self.most_at_once(), |_, next| {
            let mut days = Vec::new();
            while let Some(job) = next().and_then(|at| jobs.get(at)) {
                let Some((date, rows)) = job.lock().ok().and_then(|mut job| job.take()) else { continue };
                let sources = match (self.staged(&date, &written), written.get(&date)) {
                    (Some(files), Some(day)) => vec![(files.iter().map(|file| set_aside(file)).collect::<Result<_>>()?, day)],
                    _ => self.sources(&date),
                };
                let superseded = of_dates.get(&date).map(Vec::as_slice).unwrap_or_default();
                let others = Others { replaced: &replaced, superseded };
                let (day, merged) = self.write(&date, rows, sources, others)?;
                progress.advance(0, merged.read);
                days.push((date, day));
            }
            Ok(days)
        })?;
        progress.end();
        written.extend(more.into_iter().flatten());
        Ok((written, replaced))
    }

    /// How many threads write at once.
    fn most_at_once(&self) -> usize {
        (self.dataset.memory / DAY_BYTES).max(2)
    }

    /// The files of a day that were loaded before.
    fn loaded(&self, date: &str) -> Vec<PathBuf> {
        self.dataset.ledger.days.get(date).map(|day| self.dataset.files_of(date, day)).unwrap_or_default()
    }

    /// What there is of a day beside what was read of logs: in the dataset, and in those that are added.
    fn sources(&self, date: &str) -> Vec<(Vec<PathBuf>, &Day)> {
        let datasets = std::iter::once(self.dataset).chain(self.others);
        let of = |dataset: &'d Dataset| dataset.ledger.days.get(date).map(|day| (dataset.files_of(date, day), day));
        datasets.filter_map(of).collect()
    }

    /// The files of a day that was written in this run, with what was loaded before; `None` if it was not.
    fn staged(&self, date: &str, written: &Written) -> Option<Vec<PathBuf>> {
        Some((0..written.get(date)?.files).map(|file| self.staging.folder.join(staged_name(date, file))).collect())
    }

    /// Writes a day: its rows, and those of the files that there are of it.
    fn write(
        &self,
        date: &str,
        Rows { mut runs, mut marks }: Rows,
        sources: Vec<(Vec<PathBuf>, &Day)>,
        others: Others<'_>,
    ) -> Result<(Day, Merged)> {
        let folder = &self.staging.folder;
        let mut calls = Calls::default();
        for (files, before) in &sources {
            let read = marks.rows;
            for file in files {
                marks.read_file(file)?;
            }
            let (there, noted) = (marks.rows - read, before.events);
            if let Some(file) = files.first().filter(|_| there != noted) {
                let what = "something else has changed the dataset; load the logs again into a new folder";
                return Err(Error::format(
                    file,
                    format!("and the other files of its day hold {there} events, the ledger has {noted}: {what}"),
                ));
            }
            calls.extend(&before.replaced);
        }
        runs = Merge::reduce(runs, &|round| folder.join(format!("{date}-{round}.run")))?;
        runs.extend(sources.into_iter().flat_map(|(files, _)| files).map(Run::Events));
        let twins = Twins::find(&marks, &runs, &calls)?;
        DayMerge { date, runs, twins, others, calls, file_rows: self.dataset.file_rows }.write(folder, marks.rows)
    }
}

/// Gives a staged file another name, as that of a day that is written again.
fn set_aside(file: &Path) -> Result<PathBuf> {
    let aside = file.with_extension("before");
    std::fs::rename(file, &aside).map_err(|error| Error::io("write", &aside, error))?;
    Ok(aside)
}

/// Whether an event of those ids stands in one of the files.
fn holds_one_of(ids: &BTreeSet<&str>, files: &[PathBuf]) -> Result<bool> {
    for file in files {
        let mut found = false;
        parquet::read_each(file, Some(&["event_id"]), |batch| {
            found |= read::text(&batch, "event_id")?.iter().flatten().any(|id| ids.contains(id));
            Ok(())
        })?;
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}
