//! Loads log files into a dataset: read, inflate, decode and map in parallel, and write day by day.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::buffer::Buffers;
use super::content::{self, LastEvent, Opened};
use super::dataset::Dataset;
use super::days::{Days, Written};
use super::ledger::{Known, Ledger, ReadFile, SkippedRow, SourceFile};
use super::map::map_into;
use super::order::by_time;
use super::sorted::PlaceInFile;
use super::source::{LogFile, Reading, find};
use super::threads::on_all_threads;
use super::waiting::Waiting;
use crate::catalog::Catalog;
use crate::cloudtrail::columns::Unknown;
use crate::cloudtrail::{Record, Sink, SkipReason, Skipped, written_out};
use crate::error::{Error, Result};
use crate::frame::EventRow;
use crate::progress::Progress;

/// What a run of ingest did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ingested {
    /// Files that were read, here or before into a dataset that was taken over.
    pub files: u64,
    /// Files of both kinds that the dataset had already.
    pub already_loaded: u64,
    /// Files in the folders that are no logs by their name and beginning.
    pub passed_over: Vec<PathBuf>,
    /// Records that were read, skipped ones included; of a file that has grown since it was loaded, all of them.
    pub records: u64,
    /// What was skipped of the files that were read: the first of each file and reason, and how many.
    pub skipped: Vec<SkippedRow>,
    /// What is unknown of how many events, since the tables that they come from do not tell it.
    pub unknown: BTreeMap<Unknown, u64>,
    /// Files with events and with bytes that are not UTF-8, which the events show as U+FFFD; what stands around the first of them.
    pub not_utf8: BTreeMap<String, String>,
}

impl Ingested {
    /// How many records were skipped.
    pub fn all_skipped(&self) -> u64 {
        SkippedRow::sum(&self.skipped)
    }
}

/// Loads the log files of `paths`, read as `reading` says, into `dataset`, all or nothing, and takes over the events of datasets among
/// them, with what their ledgers say of where these come from. Files that it has already, by path and content, are
/// not decoded again; a file that has grown since takes the place of what was loaded of it.
///
/// # Errors
/// [`crate::Error::Io`] and [`crate::Error::Nothing`] for paths that are not there or hold no logs;
/// [`crate::Error::Usage`] if another process is loading into one of the datasets. Broken files and records are no errors, they
/// stand in the ledger.
pub fn ingest(paths: &[PathBuf], reading: &Reading, dataset: &mut Dataset, catalog: &Catalog, progress: &dyn Progress) -> Result<Ingested> {
    let logs = find(paths, reading)?;
    let others = logs.datasets.iter().map(|path| Dataset::open(path)).collect::<Result<Vec<_>>>()?;
    let staging = dataset.begin()?;
    let (mut ledger, taken, others) = take_over(others, dataset)?;
    progress.begin("reading logs", logs.files.len() as u64, logs.files.iter().map(|file| file.bytes).sum());
    let ordered = by_time(&logs.files);
    let waiting = Waiting::new(ordered.iter().map(|(begins, _)| *begins).collect(), &ledger.replaced);
    let days = Days { dataset, others: &others, staging: &staging };
    let AllRead { mut read, written, unknown, not_utf8 } =
        read_all(&ordered, reading, &ledger.sources, &waiting, &days, catalog, progress)?;
    read.sort_by(|a, b| a.source.cmp(&b.source));
    progress.end();
    let sources = taken.sources.iter().chain(read.iter().map(|file| &file.source));
    let ingested = Ingested {
        files: (taken.sources.len() + read.len()) as u64,
        already_loaded: taken.known + (logs.files.len() - read.len()) as u64,
        passed_over: logs.passed_over,
        records: sources.map(|source| source.records).sum(),
        skipped: SkippedRow::first_of_each(taken.skipped.iter().chain(read.iter().flat_map(|file| &file.skipped))),
        unknown,
        not_utf8,
    };
    if ingested.files == 0 {
        return Ok(ingested);
    }
    let (written, replaced) = days.write_rest(waiting, written, progress)?;
    ledger.days.extend(written);
    ledger.replaced = replaced;
    if !read.is_empty() {
        ledger.mapped_with(catalog.version());
    }
    ledger.enter(read)?;
    others.iter().try_for_each(Dataset::assert_unchanged)?;
    dataset.commit(staging, ledger)?;
    Ok(ingested)
}

/// What is taken over of other datasets.
#[derive(Default)]
struct TakenOver {
    sources: Vec<SourceFile>,
    skipped: Vec<SkippedRow>,
    /// How many of their files the dataset had already.
    known: u64,
}

/// Enters what other datasets were loaded from, and returns the ledger with it and those of which there is something to take.
fn take_over(others: Vec<Dataset>, dataset: &Dataset) -> Result<(Ledger, TakenOver, Vec<Dataset>)> {
    let (mut ledger, mut taken, mut wanted) = (dataset.ledger.clone(), TakenOver::default(), Vec::new());
    ledger.forget_opened();
    for other in others {
        if other.path.canonicalize().is_ok_and(|path| dataset.path.canonicalize().is_ok_and(|own| own == path)) {
            return Err(Error::Usage(format!("`{}` is the dataset itself that is loaded into: name another one", other.path.display())));
        }
        let missing = ledger.missing_of(&other.ledger);
        taken.known += (other.ledger.sources.len() - missing.len()) as u64;
        if missing.is_empty() {
            continue;
        }
        taken.sources.extend(missing.iter().map(|file| file.source.clone()));
        taken.skipped.extend(missing.iter().flat_map(|file| file.skipped.clone()));
        ledger.mapped_with(&other.ledger.catalog_version);
        ledger.enter(missing)?;
        ledger.replaced.extend(other.ledger.replaced.iter().cloned());
        wanted.push(other);
    }
    Ok((ledger, taken, wanted))
}

/// What reading all files comes to.
#[derive(Default)]
struct AllRead {
    read: Vec<ReadFile>,
    written: Written,
    unknown: BTreeMap<Unknown, u64>,
    not_utf8: BTreeMap<String, String>,
}

/// Reads all files that are not `loaded`, on all threads; when memory gets scarce, writes the days that are complete.
fn read_all(
    files: &[(i64, &LogFile)],
    reading: &Reading,
    loaded: &[SourceFile],
    waiting: &Waiting,
    days: &Days<'_>,
    catalog: &Catalog,
    progress: &dyn Progress,
) -> Result<AllRead> {
    let mut known: BTreeMap<&str, Vec<&SourceFile>> = BTreeMap::new();
    loaded.iter().for_each(|source| known.entry(&source.file).or_default().push(source));
    let budget = days.dataset.memory / rayon::current_num_threads();
    let threads = on_all_threads(files.len(), usize::MAX, |thread, next| {
        let rows = Buffers::new(waiting, &days.staging.folder, thread, budget);
        let (mut reader, mut written) =
            (Reader { catalog, reading, known: &known, waiting, rows, room: Vec::new(), all: AllRead::default() }, Written::new());
        while let Some((_, file)) = waiting.next_file(thread, next).and_then(|at| files.get(at)) {
            progress.advance(file.bytes, reader.file(file)?);
            if reader.rows.end_file() {
                days.write_complete(thread, waiting, &mut written)?;
                reader.rows.make_room()?;
            }
        }
        reader.rows.finish()?;
        Ok(AllRead { written, ..reader.all })
    })?;
    let mut all = AllRead::default();
    for AllRead { read, written, unknown, not_utf8 } in threads {
        all.read.extend(read);
        all.written.extend(written);
        all.not_utf8.extend(not_utf8);
        unknown.into_iter().for_each(|(what, events)| *all.unknown.entry(what).or_default() += events);
    }
    Ok(all)
}

/// One thread's reading.
struct Reader<'r> {
    catalog: &'r Catalog,
    reading: &'r Reading,
    /// What the ledger has, by path.
    known: &'r BTreeMap<&'r str, Vec<&'r SourceFile>>,
    waiting: &'r Waiting,
    rows: Buffers<'r>,
    /// Room for the rows of some records, used again and again: it stays in the processor's caches.
    room: Vec<EventRow<'static>>,
    all: AllRead,
}

impl Reader<'_> {
    /// Reads a file, unless the dataset has it; returns the number of its events.
    fn file(&mut self, file: &LogFile) -> Result<u64> {
        let name = name_of(&file.path);
        let opened = content::open(file, self.reading);
        let (size, sha256) = opened.as_ref().map_or_else(|_| (0, String::new()), |opened| (opened.bytes, opened.sha256.clone()));
        let beginning = opened.as_ref().map_or(&[][..], Opened::in_memory);
        let entries = self.known.get(name.as_str()).map(Vec::as_slice).unwrap_or_default();
        let older = match Known::of(entries, beginning, &sha256, self.reading.max_inflated) {
            Known::Loaded => return Ok(0),
            Known::Older(source) => Some(source),
            Known::No => None,
        };
        let last = older.and_then(|older| opened.as_ref().ok()?.last_of(older, self.reading));
        if last.is_some() {
            self.waiting.may_supersede();
        }
        let mut sink = Collector {
            catalog: self.catalog,
            file: &name,
            source: &sha256,
            rows: &mut self.rows,
            room: &mut self.room,
            skipped: Vec::new(),
            events: 0,
            of_next: Vec::new(),
            unknown: &mut self.all.unknown,
            not_utf8: None,
            failed: None,
            last: last.as_ref(),
            is_same: false,
            keep_raw: self.reading.keep_raw,
        };
        match opened {
            Err(skipped) => sink.skipped(skipped),
            Ok(opened) => opened.decode(self.reading, &mut sink),
        }
        let Collector { skipped, events, failed, is_same, not_utf8, .. } = sink;
        if let Some(error) = failed {
            return Err(error);
        }
        if let Some(last) = last.filter(|_| !is_same) {
            self.waiting.supersede(PlaceInFile { file: name.clone(), index: last.index, time: last.time });
        }
        if let Some(near) = not_utf8.filter(|_| events > 0) {
            self.all.not_utf8.insert(name.clone(), near);
        }
        let records = events + SkippedRow::sum(&skipped);
        let is_cut = skipped.iter().any(|skipped| skipped.index.is_none() && skipped.reason == SkipReason::TooLarge.name());
        let read_up_to = (is_cut && !sha256.is_empty()).then_some(self.reading.max_inflated);
        // Where less was read than before, what was loaded stays beside it.
        let is_less = |older: &&SourceFile| read_up_to.is_some_and(|now| older.read_up_to.is_none_or(|before| now < before));
        let replaces = older.filter(|older| older.sha256.is_empty() || !is_less(older)).cloned();
        self.all.read.push(ReadFile { source: SourceFile { file: name, bytes: size, sha256, records, read_up_to }, skipped, replaces });
        Ok(events)
    }
}

/// The name of a file in the dataset: its path, where bytes that are no text are written out, so that no two files have one name.
fn name_of(path: &Path) -> String {
    written_out(path.as_os_str().as_encoded_bytes())
}

/// The column `source_index` of a record.
fn place(index: u64) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}

/// The memory of some rows, for rows that borrow from elsewhere.
fn emptied<'a>(rows: Vec<EventRow<'_>>) -> Vec<EventRow<'a>> {
    // Collected in place: the standard library takes the same memory for values of the same size.
    rows.into_iter().map_while(|_| None).collect()
}

/// Maps the records of a file into rows.
struct Collector<'c, 'r> {
    catalog: &'c Catalog,
    file: &'c str,
    /// SHA-256 of the file.
    source: &'c str,
    rows: &'c mut Buffers<'r>,
    room: &'c mut Vec<EventRow<'static>>,
    skipped: Vec<SkippedRow>,
    events: u64,
    /// What is unknown of the next record, and of how many events so far.
    of_next: Vec<Unknown>,
    unknown: &'c mut BTreeMap<Unknown, u64>,
    not_utf8: Option<String>,
    failed: Option<Error>,
    /// The last event of an older state of the file.
    last: Option<&'c LastEvent>,
    /// Whether it still stands there.
    is_same: bool,
    /// Whether what is skipped is kept itself.
    keep_raw: bool,
}

impl Collector<'_, '_> {
    /// Maps a record into an empty row.
    fn map<'a>(&mut self, row: &mut EventRow<'a>, record: &'a Record<'a>, text: &str)
    where
        Self: 'a,
    {
        row.caller = record.caller;
        map_into(row, self.catalog, record, text, self.file, self.rows.has_caller(record.caller));
    }

    /// Adds rows that were mapped.
    fn push(&mut self, rows: &[EventRow<'_>]) {
        let pushed = self.rows.push(rows);
        self.failed = self.failed.take().or(pushed.err());
        self.events += rows.len() as u64;
    }

    /// Whether a record is the last event of an older state of the file.
    fn is_last(&self, index: u64, text: &str) -> bool {
        self.last.is_some_and(|last| last.index == index && last.text == text)
    }
}

impl Sink for Collector<'_, '_> {
    fn record(&mut self, index: u64, time: i64, record: &Record<'_>, text: &str) {
        self.is_same |= self.is_last(index, text);
        let mut row = EventRow::new(time, place(index));
        self.map(&mut row, record, text);
        self.push(&[row]);
        for unknown in self.of_next.drain(..) {
            *self.unknown.entry(unknown).or_default() += 1;
        }
    }

    fn records(&mut self, first: u64, records: &[(i64, Record<'_>)]) {
        // One step for all of them, and then the next: together they have more instructions than the processor's cache has room for.
        let mut rows = emptied(std::mem::take(self.room));
        rows.extend((first..).zip(records).map(|(index, (time, _))| EventRow::new(*time, place(index))));
        for (row, (_, record)) in rows.iter_mut().zip(records) {
            self.map(row, record, "");
        }
        self.is_same |= (first..).zip(records).any(|(index, _)| self.is_last(index, ""));
        self.push(&rows);
        *self.room = emptied(rows);
    }

    fn skipped(&mut self, skipped: Skipped) {
        self.of_next.clear();
        let row = SkippedRow {
            file: self.file.to_owned(),
            index: skipped.index,
            count: 1,
            reason: skipped.reason.name().to_owned(),
            detail: skipped.detail,
            length: skipped.length,
            sha256: skipped.sha256,
            source: self.source.to_owned(),
            event_time: skipped.event_time,
            raw: Some(skipped.raw).filter(|raw| self.keep_raw && !raw.is_empty()),
        };
        // Millions of lines may be the same, and no records.
        if !self.skipped.last_mut().is_some_and(|last| last.takes(&row)) {
            self.skipped.push(row);
        }
    }

    fn unknown(&mut self, unknown: Vec<Unknown>) {
        self.of_next = unknown;
    }

    fn not_utf8(&mut self, near: String) {
        self.not_utf8.get_or_insert(near);
    }
}
