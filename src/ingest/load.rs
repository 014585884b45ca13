//! Loads log files into a dataset: read, inflate, decode and map in parallel, then write day by day.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Mutex;

use super::buffer::{Buffers, Collected};
use super::content::{self, Opened};
use super::dataset::{Dataset, Staging, date_text};
use super::day::{DayMerge, Merged};
use super::ledger::{Day, Known, ReadFile, SkippedRow, SourceFile};
use super::map::map_into;
use super::merge::{Merge, Run};
use super::source::{LogFile, Reading, find};
use super::threads::on_all_threads;
use super::twins::{Marks, Twins};
use crate::catalog::Catalog;
use crate::cloudtrail::{Record, Sink, Skipped};
use crate::error::Result;
use crate::frame::{EventRow, parquet, read};
use crate::progress::Progress;

/// About how much memory it takes to write one day.
const DAY_BYTES: usize = 32 << 20;

/// What a run of ingest did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ingested {
    /// Files that were read.
    pub files: u64,
    /// Files that the dataset had already.
    pub already_loaded: u64,
    /// Files in the folders that are no logs by their name.
    pub passed_over: u64,
    /// Records that were read, skipped ones included; of a file that has grown since it was loaded, all of them.
    pub records: u64,
    /// What was skipped of the files that were read.
    pub skipped: Vec<SkippedRow>,
}

/// Loads the log files of `paths`, read as `reading` says, into `dataset`, all or nothing. Files that it has already, by path and content, are
/// not decoded again; a file that has grown since takes the place of what was loaded of it.
///
/// # Errors
/// [`crate::Error::Io`] and [`crate::Error::Nothing`] for paths that are not there or hold no logs;
/// [`crate::Error::Usage`] if another process is loading into the dataset. Broken files and records are no errors, they
/// stand in the ledger.
pub fn ingest(paths: &[PathBuf], reading: &Reading, dataset: &mut Dataset, catalog: &Catalog, progress: &dyn Progress) -> Result<Ingested> {
    let logs = find(paths, reading)?;
    let staging = dataset.begin()?;
    progress.begin("reading logs", logs.files.len() as u64, logs.files.iter().map(|file| file.bytes).sum());
    let (collected, mut read) = read_all(&logs.files, reading, dataset, &staging, catalog, progress)?;
    read.sort_by(|a, b| a.source.cmp(&b.source));
    progress.end();
    let ingested = Ingested {
        files: read.len() as u64,
        already_loaded: (logs.files.len() - read.len()) as u64,
        passed_over: logs.passed_over,
        records: read.iter().map(|file| file.source.records).sum(),
        skipped: read.iter().flat_map(|file| file.skipped.clone()).collect(),
    };
    if read.is_empty() {
        return Ok(ingested);
    }
    let mut ledger = dataset.ledger.clone();
    ledger.days.extend(write_days(collected, dataset, &mut ledger.replaced, &staging, progress)?);
    ledger.enter(read);
    catalog.version().clone_into(&mut ledger.catalog_version);
    dataset.commit(staging, ledger)?;
    Ok(ingested)
}

/// Reads all files that are not in the dataset, on all threads.
fn read_all(
    files: &[LogFile],
    reading: &Reading,
    dataset: &Dataset,
    staging: &Staging,
    catalog: &Catalog,
    progress: &dyn Progress,
) -> Result<(Collected, Vec<ReadFile>)> {
    let mut known: BTreeMap<&str, Vec<&SourceFile>> = BTreeMap::new();
    dataset.ledger.sources.iter().for_each(|source| known.entry(&source.file).or_default().push(source));
    let budget = dataset.memory / rayon::current_num_threads();
    let threads = on_all_threads(files.len(), usize::MAX, |thread, next| {
        let mut reader = Reader { catalog, reading, known: &known, rows: Buffers::new(&staging.folder, thread, budget), read: Vec::new() };
        while let Some(file) = next().and_then(|at| files.get(at)) {
            progress.advance(file.bytes, reader.file(file)?);
        }
        Ok((reader.rows.finish()?, reader.read))
    })?;
    Ok(threads.into_iter().fold(Default::default(), |(collected, mut all): (Collected, Vec<_>), (more, read)| {
        all.extend(read);
        (collected.merge(more), all)
    }))
}

/// Writes every day that something was read of into the staging folder. `replaced` is what addenda replace, to which
/// those of this run are added.
fn write_days(
    mut collected: Collected,
    dataset: &Dataset,
    replaced: &mut BTreeSet<(Option<String>, String)>,
    staging: &Staging,
    progress: &dyn Progress,
) -> Result<BTreeMap<String, Day>> {
    let new: BTreeSet<_> = collected.marks.values_mut().flat_map(|marks| std::mem::take(&mut marks.replaced)).collect();
    let mut dates: BTreeMap<String, (Vec<Run>, Marks)> = BTreeMap::new();
    for (day, runs) in collected.runs {
        dates.insert(date_text(day), (runs, collected.marks.remove(&day).unwrap_or_default()));
    }
    if !new.is_subset(replaced) {
        replaced.extend(new.iter().cloned());
        for (date, day) in dataset.ledger.days.iter().filter(|(date, _)| !dates.contains_key(*date)).collect::<Vec<_>>() {
            if holds_one_of(&new, &dataset.files_of(date, day))? {
                dates.insert(date.clone(), Default::default());
            }
        }
    }
    progress.begin("writing events", dates.len() as u64, 0);
    let jobs: Vec<_> = dates.into_iter().map(|(date, input)| Mutex::new(Some((date, input)))).collect();
    let most = (dataset.memory / DAY_BYTES).max(2);
    let written = on_all_threads(jobs.len(), most, |_, next| {
        let mut days = Vec::new();
        while let Some(job) = next().and_then(|at| jobs.get(at)) {
            let Some((date, (runs, marks))) = job.lock().ok().and_then(|mut job| job.take()) else { continue };
            let (day, merged) = write_day(&date, runs, marks, dataset, replaced, staging)?;
            progress.advance(0, merged.read);
            days.push((date, day));
        }
        Ok(days)
    })?;
    progress.end();
    Ok(written.into_iter().flatten().collect())
}

/// Whether an event that is replaced stands in one of the files.
fn holds_one_of(replaced: &BTreeSet<(Option<String>, String)>, files: &[PathBuf]) -> Result<bool> {
    let ids: BTreeSet<&str> = replaced.iter().map(|(_, id)| id.as_str()).collect();
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

fn write_day(
    date: &str,
    mut runs: Vec<Run>,
    mut marks: Marks,
    dataset: &Dataset,
    replaced: &BTreeSet<(Option<String>, String)>,
    staging: &Staging,
) -> Result<(Day, Merged)> {
    if let Some(day) = dataset.ledger.days.get(date) {
        for file in dataset.files_of(date, day) {
            marks.read_file(&file)?;
            runs.push(Run::Events(file));
        }
    }
    let runs = Merge::reduce(runs, &|round| staging.folder.join(format!("{date}-{round}.run")))?;
    let twins = Twins::find(&marks, &runs)?;
    DayMerge { date, runs, twins, replaced, file_rows: dataset.file_rows }.write(&staging.folder, marks.rows)
}

/// One thread's reading.
struct Reader<'r> {
    catalog: &'r Catalog,
    reading: &'r Reading,
    /// What the ledger has, by path.
    known: &'r BTreeMap<&'r str, Vec<&'r SourceFile>>,
    rows: Buffers<'r>,
    read: Vec<ReadFile>,
}

impl Reader<'_> {
    /// Reads a file, unless the dataset has it; returns the number of its events.
    fn file(&mut self, file: &LogFile) -> Result<u64> {
        let name = file.path.to_string_lossy().into_owned();
        let opened = content::open(file, self.reading);
        let (size, sha256) = opened.as_ref().map_or_else(|_| (0, String::new()), |opened| (opened.bytes, opened.sha256.clone()));
        let beginning = opened.as_ref().map_or(&[][..], Opened::in_memory);
        let entries = self.known.get(name.as_str()).map(Vec::as_slice).unwrap_or_default();
        let replaces = match Known::of(entries, beginning, &sha256) {
            Known::Loaded => return Ok(0),
            Known::Older(source) => Some(source.clone()),
            Known::No => None,
        };
        let mut sink = Collector { catalog: self.catalog, file: &name, rows: &mut self.rows, skipped: Vec::new(), events: 0, failed: None };
        match opened {
            Err(skipped) => sink.skipped(skipped),
            Ok(opened) => opened.decode(self.reading, &mut sink),
        }
        let Collector { skipped, events, failed, .. } = sink;
        if let Some(error) = failed {
            return Err(error);
        }
        let records = events + skipped.len() as u64;
        let skipped = skipped.into_iter().map(|skipped| skipped_row(&name, skipped)).collect();
        self.read.push(ReadFile { source: SourceFile { file: name, bytes: size, sha256, records }, skipped, replaces });
        Ok(events)
    }
}

fn skipped_row(file: &str, skipped: Skipped) -> SkippedRow {
    SkippedRow {
        file: file.to_owned(),
        index: skipped.index,
        reason: skipped.reason.name().to_owned(),
        detail: skipped.detail,
        length: skipped.length,
        sha256: skipped.sha256,
        event_time: skipped.event_time,
    }
}

/// Maps the records of a file into rows.
struct Collector<'c, 'r> {
    catalog: &'c Catalog,
    file: &'c str,
    rows: &'c mut Buffers<'r>,
    skipped: Vec<Skipped>,
    events: u64,
    failed: Option<crate::Error>,
}

impl Sink for Collector<'_, '_> {
    fn record(&mut self, index: u64, time: i64, record: &Record<'_>, text: &str) {
        let mut row = EventRow::new(time, i64::try_from(index).unwrap_or(i64::MAX));
        row.caller = record.caller;
        map_into(&mut row, self.catalog, record, text, self.file, self.rows.has_caller(record.caller));
        let pushed = self.rows.push(&row);
        self.failed = self.failed.take().or(pushed.err());
        self.events += 1;
    }

    fn skipped(&mut self, skipped: Skipped) {
        self.skipped.push(skipped);
    }
}
