//! Loads log files into a dataset: read, inflate, decode and map in parallel, then write by date.

use std::collections::BTreeMap;
use std::path::PathBuf;

use arrow::array::RecordBatch;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::dataset::{Dataset, SkippedRow, SourceFile, day_of};
use super::inflate::{Damage, inflate};
use super::map::map_record;
use super::source::{LogFile, find};
use crate::catalog::Catalog;
use crate::cloudtrail::{Record, Sink, SkipReason, Skipped, decode};
use crate::error::Result;
use crate::frame::EventBuilder;
use crate::progress::Progress;

/// What a run of ingest did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ingested {
    /// Files that were read.
    pub files: u64,
    /// Files that the dataset had already.
    pub already_loaded: u64,
    /// Files in the folders that are no logs by their name.
    pub passed_over: u64,
    /// Records that were read, skipped ones included.
    pub records: u64,
}

/// Loads the log files of `paths` into `dataset`. Files that it has already, by path and content, are not read twice.
///
/// # Errors
/// [`crate::Error::Io`] and [`crate::Error::Nothing`] for paths that are not there or hold no logs; broken files and
/// records are no errors, they stand in the ledger.
pub fn ingest(paths: &[PathBuf], dataset: &mut Dataset, catalog: &Catalog, progress: &dyn Progress) -> Result<Ingested> {
    let logs = find(paths)?;
    let bytes = logs.files.iter().map(|file| file.bytes).sum();
    progress.begin("reading logs", logs.files.len() as u64, bytes);
    let known = &*dataset;
    let read: Vec<FileRead> = logs
        .files
        .par_iter()
        .map(|file| {
            let read = read_file(file, known, catalog)?;
            progress.advance(file.bytes, read.events);
            Ok(read)
        })
        .collect::<Result<_>>()?;
    progress.end();
    let mut ingested = Ingested { passed_over: logs.passed_over, ..Ingested::default() };
    let mut by_date: BTreeMap<i32, Vec<RecordBatch>> = BTreeMap::new();
    let (mut sources, mut skipped) = (Vec::new(), Vec::new());
    for file in read {
        let Some(source) = file.source else {
            ingested.already_loaded += 1;
            continue;
        };
        ingested.files += 1;
        ingested.records += source.records;
        sources.push(source);
        skipped.extend(file.skipped);
        for (day, batch) in file.batches {
            by_date.entry(day).or_default().push(batch);
        }
    }
    progress.begin("writing events", by_date.len() as u64, 0);
    dataset.add(by_date, sources, skipped, catalog.version())?;
    progress.end();
    Ok(ingested)
}

/// One file, read.
#[derive(Default)]
struct FileRead {
    source: Option<SourceFile>,
    batches: Vec<(i32, RecordBatch)>,
    skipped: Vec<SkippedRow>,
    events: u64,
}

fn read_file(file: &LogFile, dataset: &Dataset, catalog: &Catalog) -> Result<FileRead> {
    let name = file.path.to_string_lossy().into_owned();
    let mut collector = Collector { catalog, file: &name, days: BTreeMap::new(), skipped: Vec::new(), events: 0, failed: None };
    let (size, sha256) = match std::fs::read(&file.path) {
        Err(error) => {
            collector.skipped(Skipped::new(None, SkipReason::UnreadableFile, error.to_string(), &[]));
            (0, String::new())
        }
        Ok(bytes) => {
            let sha256 = crate::account::load::hex(&Sha256::digest(&bytes));
            if dataset.has_source(&name, &sha256) {
                return Ok(FileRead::default());
            }
            let size = bytes.len() as u64;
            decode_bytes(bytes, &mut collector);
            (size, sha256)
        }
    };
    if let Some(error) = collector.failed {
        return Err(error);
    }
    let records = collector.events + collector.skipped.len() as u64;
    let skipped = collector.skipped.into_iter().map(|skipped| skipped_row(&name, skipped)).collect();
    let mut batches = Vec::new();
    for (day, mut builder) in collector.days {
        batches.push((day, builder.finish()?));
    }
    let source = SourceFile { file: name.clone(), bytes: size, sha256, records };
    Ok(FileRead { source: Some(source), batches, skipped, events: collector.events })
}

fn decode_bytes(bytes: Vec<u8>, collector: &mut Collector<'_>) {
    let length = bytes.len();
    let inflated = inflate(bytes);
    if !inflated.bytes.is_empty() || inflated.damage.is_none() {
        match std::str::from_utf8(&inflated.bytes) {
            Ok(text) => decode(text, collector),
            // Bytes that are not UTF-8 become U+FFFD; the records around them are whole.
            Err(_) => decode(&String::from_utf8_lossy(&inflated.bytes), collector),
        }
    }
    let lost = match inflated.damage {
        None => return,
        Some(Damage::Broken(message)) => (SkipReason::BrokenCompression, format!("{message}; {length} bytes compressed")),
        Some(Damage::TooLarge) => (SkipReason::TooLarge, "inflates to more than 2 GiB".to_owned()),
    };
    collector.skipped(Skipped::new(None, lost.0, lost.1, &[]));
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

/// Maps the records of a file into columns by date.
struct Collector<'a> {
    catalog: &'a Catalog,
    file: &'a str,
    days: BTreeMap<i32, EventBuilder>,
    skipped: Vec<Skipped>,
    events: u64,
    failed: Option<crate::Error>,
}

impl Sink for Collector<'_> {
    fn record(&mut self, index: u64, record: &Record<'_>, text: &str) {
        let row = map_record(self.catalog, record, text, self.file, index);
        let pushed = self.days.entry(day_of(row.event_time)).or_default().push(&row);
        self.failed = self.failed.take().or(pushed.err());
        self.events += 1;
    }

    fn skipped(&mut self, skipped: Skipped) {
        self.skipped.push(skipped);
    }
}
