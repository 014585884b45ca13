//! Loads log files into a dataset: read, inflate, decode and map in parallel, and write day by day.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::buffer::Buffers;
use super::content::{self, LastEvent, Opened};
use super::dataset::Dataset;
use super::days::{Days, Written};
use super::ledger::{Known, ReadFile, SkippedRow, SourceFile};
use super::map::map_into;
use super::order::by_time;
use super::sorted::PlaceInFile;
use super::source::{LogFile, Reading, find};
use super::threads::on_all_threads;
use super::waiting::Waiting;
use crate::catalog::Catalog;
use crate::cloudtrail::columns::Unknown;
use crate::cloudtrail::{Record, Sink, SkipReason, Skipped};
use crate::error::Result;
use crate::frame::EventRow;
use crate::progress::Progress;

/// What a run of ingest did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ingested {
    /// Files that were read.
    pub files: u64,
    /// Files that the dataset had already.
    pub already_loaded: u64,
    /// Files in the folders that are no logs by their name and beginning.
    pub passed_over: Vec<PathBuf>,
    /// Records that were read, skipped ones included; of a file that has grown since it was loaded, all of them.
    pub records: u64,
    /// What was skipped of the files that were read.
    pub skipped: Vec<SkippedRow>,
    /// What is unknown of how many events, since the tables that they come from do not tell it.
    pub unknown: BTreeMap<Unknown, u64>,
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
    let ordered = by_time(&logs.files);
    let waiting = Waiting::new(ordered.iter().map(|(begins, _)| *begins).collect(), &dataset.ledger.replaced);
    let days = Days { dataset, staging: &staging };
    let AllRead { mut read, written, unknown } = read_all(&ordered, reading, &waiting, &days, catalog, progress)?;
    read.sort_by(|a, b| a.source.cmp(&b.source));
    progress.end();
    let ingested = Ingested {
        files: read.len() as u64,
        already_loaded: (logs.files.len() - read.len()) as u64,
        passed_over: logs.passed_over,
        records: read.iter().map(|file| file.source.records).sum(),
        skipped: read.iter().flat_map(|file| file.skipped.clone()).collect(),
        unknown,
    };
    if read.is_empty() {
        return Ok(ingested);
    }
    let mut ledger = dataset.ledger.clone();
    let (written, replaced) = days.write_rest(waiting, written, progress)?;
    ledger.days.extend(written);
    ledger.replaced = replaced;
    ledger.enter(read)?;
    catalog.version().clone_into(&mut ledger.catalog_version);
    dataset.commit(staging, ledger)?;
    Ok(ingested)
}

/// What reading all files comes to.
#[derive(Default)]
struct AllRead {
    read: Vec<ReadFile>,
    written: Written,
    unknown: BTreeMap<Unknown, u64>,
}

/// Reads all files that are not in the dataset, on all threads; when memory gets scarce, writes the days that are complete.
fn read_all(
    files: &[(i64, &LogFile)],
    reading: &Reading,
    waiting: &Waiting,
    days: &Days<'_>,
    catalog: &Catalog,
    progress: &dyn Progress,
) -> Result<AllRead> {
    let mut known: BTreeMap<&str, Vec<&SourceFile>> = BTreeMap::new();
    days.dataset.ledger.sources.iter().for_each(|source| known.entry(&source.file).or_default().push(source));
    let budget = days.dataset.memory / rayon::current_num_threads();
    let threads = on_all_threads(files.len(), usize::MAX, |thread, next| {
        let rows = Buffers::new(waiting, &days.staging.folder, thread, budget);
        let (mut reader, mut written) =
            (Reader { catalog, reading, known: &known, waiting, rows, read: Vec::new(), unknown: BTreeMap::new() }, Written::new());
        while let Some((_, file)) = waiting.next_file(thread, next).and_then(|at| files.get(at)) {
            progress.advance(file.bytes, reader.file(file)?);
            if reader.rows.end_file() {
                days.write_complete(thread, waiting, &mut written)?;
                reader.rows.make_room()?;
            }
        }
        reader.rows.finish()?;
        Ok(AllRead { read: reader.read, written, unknown: reader.unknown })
    })?;
    let mut all = AllRead::default();
    for AllRead { read, written, unknown } in threads {
        all.read.extend(read);
        all.written.extend(written);
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
    read: Vec<ReadFile>,
    unknown: BTreeMap<Unknown, u64>,
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
            rows: &mut self.rows,
            skipped: Vec::new(),
            events: 0,
            of_next: Vec::new(),
            unknown: &mut self.unknown,
            failed: None,
            last: last.as_ref(),
            is_same: false,
        };
        match opened {
            Err(skipped) => sink.skipped(skipped),
            Ok(opened) => opened.decode(self.reading, &mut sink),
        }
        let Collector { skipped, events, failed, is_same, .. } = sink;
        if let Some(error) = failed {
            return Err(error);
        }
        if let Some(last) = last.filter(|_| !is_same) {
            self.waiting.supersede(PlaceInFile { file: name.clone(), index: last.index, time: last.time });
        }
        let records = events + skipped.len() as u64;
        let is_cut = skipped.iter().any(|skipped| skipped.index.is_none() && skipped.reason == SkipReason::TooLarge);
        let read_up_to = (is_cut && !sha256.is_empty()).then_some(self.reading.max_inflated);
        let skipped = skipped.into_iter().map(|skipped| skipped_row((&name, &sha256), skipped)).collect();
        // Where less was read than before, what was loaded stays beside it.
        let is_less = |older: &&SourceFile| read_up_to.is_some_and(|now| older.read_up_to.is_none_or(|before| now < before));
        let replaces = older.filter(|older| older.sha256.is_empty() || !is_less(older)).cloned();
        self.read.push(ReadFile { source: SourceFile { file: name, bytes: size, sha256, records, read_up_to }, skipped, replaces });
        Ok(events)
    }
}

/// The name of a file in the dataset: its path, where bytes that are no text are written out, so that no two files have one name.
fn name_of(path: &Path) -> String {
    let mut name = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        name.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| name.push_str(&format!("\\x{byte:02x}")));
    }
    name
}

fn skipped_row((file, source): (&str, &str), skipped: Skipped) -> SkippedRow {
    SkippedRow {
        file: file.to_owned(),
        index: skipped.index,
        reason: skipped.reason.name().to_owned(),
        detail: skipped.detail,
        length: skipped.length,
        sha256: skipped.sha256,
        source: source.to_owned(),
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
    /// What is unknown of the next record, and of how many events so far.
    of_next: Vec<Unknown>,
    unknown: &'c mut BTreeMap<Unknown, u64>,
    failed: Option<crate::Error>,
    /// The last event of an older state of the file.
    last: Option<&'c LastEvent>,
    /// Whether it still stands there.
    is_same: bool,
}

impl Sink for Collector<'_, '_> {
    fn record(&mut self, index: u64, time: i64, record: &Record<'_>, text: &str) {
        self.is_same |= self.last.is_some_and(|last| last.index == index && last.text == text);
        let mut row = EventRow::new(time, i64::try_from(index).unwrap_or(i64::MAX));
        row.caller = record.caller;
        map_into(&mut row, self.catalog, record, text, self.file, self.rows.has_caller(record.caller));
        let pushed = self.rows.push(&row);
        self.failed = self.failed.take().or(pushed.err());
        self.events += 1;
        for unknown in self.of_next.drain(..) {
            *self.unknown.entry(unknown).or_default() += 1;
        }
    }

    fn skipped(&mut self, skipped: Skipped) {
        self.of_next.clear();
        self.skipped.push(skipped);
    }

    fn unknown(&mut self, unknown: Vec<Unknown>) {
        self.of_next = unknown;
    }
}
