//! The events dataset: one Parquet file for each UTC day, and the ledger of what was loaded.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray, UInt32Array};
use arrow::compute::{SortColumn, concat_batches, lexsort_to_indices, take_record_batch};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::frame::schema::{EVENTS, SCHEMA_VERSION};
use crate::frame::{parquet, read};

/// The folder of the dataset that holds no events.
const LEDGER_FOLDER: &str = "_retrial";

/// The columns by which two rows are the same event: id, recipient account and fingerprint.
const IDENTITY: [&str; 7] = ["event_time", "event_id", "account_id", "event_source", "event_name", "principal_arn", "error_code"];

/// What was loaded into a dataset.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Ledger {
    /// Version of the schemas.
    pub schema_version: String,
    /// Version of the catalogue that the events were mapped with.
    pub catalog_version: String,
    /// Version of the program.
    pub version: String,
    /// The files, sorted by path.
    pub sources: Vec<SourceFile>,
    /// Sums over the files.
    pub counts: DatasetCounts,
    /// What was not kept.
    #[serde(skip)]
    pub skipped: Vec<SkippedRow>,
}

/// A file that was loaded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SourceFile {
    /// Path.
    pub file: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the bytes; empty if the file could not be read.
    pub sha256: String,
    /// Records in it, skipped ones included.
    pub records: u64,
}

/// What became of the records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetCounts {
    /// Everything that came in.
    pub records: u64,
    /// Records that were there already.
    pub duplicates: u64,
    /// Records that were not kept.
    pub skipped: u64,
    /// Events with the id of another event and different content.
    pub id_conflicts: u64,
    /// Rows of the dataset.
    pub events: u64,
}

/// A row of the skipped ledger.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SkippedRow {
    /// The file.
    pub file: String,
    /// Position in the file; null for the file as a whole.
    pub index: Option<u64>,
    /// Why.
    pub reason: String,
    /// In the reader's words.
    pub detail: String,
    /// Bytes.
    pub length: u64,
    /// SHA-256 of the bytes.
    pub sha256: String,
    /// Microseconds since 1970, if the record had a readable time.
    pub event_time: Option<i64>,
}

/// An events dataset on disk.
#[derive(Debug)]
pub struct Dataset {
    /// Its folder.
    pub path: PathBuf,
    /// What was loaded.
    pub ledger: Ledger,
}

impl Dataset {
    /// Whether a path is an events dataset.
    pub fn is_at(path: &Path) -> bool {
        path.join(LEDGER_FOLDER).join("ledger.json").is_file()
    }

    /// Opens a dataset.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Format`] for a ledger that cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let file = path.join(LEDGER_FOLDER).join("ledger.json");
        let text = std::fs::read_to_string(&file).map_err(|error| Error::io("read", &file, error))?;
        let mut ledger: Ledger = serde_json::from_str(&text).map_err(|error| {
            Error::format(&file, format!("is no ledger of an events dataset ({error}); load the logs again into a new folder"))
        })?;
        if ledger.schema_version != SCHEMA_VERSION {
            return Err(Error::format(
                &file,
                format!("has schema version {}, this program reads {SCHEMA_VERSION}: load the logs again", ledger.schema_version),
            ));
        }
        let skipped = path.join(LEDGER_FOLDER).join("skipped.jsonl");
        let text = std::fs::read_to_string(&skipped).map_err(|error| Error::io("read", &skipped, error))?;
        for line in text.lines() {
            ledger.skipped.push(serde_json::from_str(line).map_err(|error| Error::format(&skipped, error.to_string()))?);
        }
        Ok(Self { path: path.to_path_buf(), ledger })
    }

    /// Opens the dataset of a folder, or makes an empty one in a folder that is empty or not there.
    ///
    /// # Errors
    /// [`Error::Usage`] for a folder that holds something else.
    pub fn open_or_create(path: &Path) -> Result<Self> {
        if Self::is_at(path) {
            return Self::open(path);
        }
        if std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Error::Usage(format!(
                "`{}` is not empty and no events dataset: give an empty or a new folder to -o",
                path.display()
            )));
        }
        let ledger_folder = path.join(LEDGER_FOLDER);
        std::fs::create_dir_all(&ledger_folder).map_err(|error| Error::io("create", &ledger_folder, error))?;
        let ledger =
            Ledger { schema_version: SCHEMA_VERSION.to_owned(), version: env!("CARGO_PKG_VERSION").to_owned(), ..Ledger::default() };
        Ok(Self { path: path.to_path_buf(), ledger })
    }

    /// The event files in the order of their dates.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn files(&self) -> Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(&self.path).map_err(|error| Error::io("read", &self.path, error))?;
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| Error::io("read", &self.path, error))?.path();
            let is_date = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("date="));
            if is_date && path.join("events.parquet").is_file() {
                files.push(path.join("events.parquet"));
            }
        }
        files.sort();
        Ok(files)
    }

    /// Adds batches of events, date by date, and records the sources. Duplicates are dropped: of equal rows the one
    /// with the smallest (file, index) stays.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Columns`]; the dates that were written before stay.
    pub fn add(
        &mut self,
        by_date: BTreeMap<i32, Vec<RecordBatch>>,
        sources: Vec<SourceFile>,
        skipped: Vec<SkippedRow>,
        catalog_version: &str,
    ) -> Result<()> {
        for (day, batches) in by_date {
            let folder = self.path.join(format!("date={}", date_text(day)));
            let file = folder.join("events.parquet");
            let mut all = Vec::new();
            if file.is_file() {
                all.extend(parquet::read(&file, None)?.into_iter().map(retyped).collect::<Result<Vec<_>>>()?);
            }
            let before: u64 = all.iter().map(|batch| batch.num_rows() as u64).sum();
            all.extend(batches);
            let merged = merge(&all)?;
            std::fs::create_dir_all(&folder).map_err(|error| Error::io("create", &folder, error))?;
            parquet::write(&file, &EVENTS, std::slice::from_ref(&merged))?;
            self.ledger.counts.events += merged.num_rows() as u64 - before.min(merged.num_rows() as u64);
        }
        self.ledger.counts.records += sources.iter().map(|source| source.records).sum::<u64>();
        self.ledger.counts.skipped += skipped.len() as u64;
        self.ledger.sources.extend(sources);
        self.ledger.sources.sort();
        self.ledger.skipped.extend(skipped);
        self.ledger.skipped.sort();
        let counts = &mut self.ledger.counts;
        counts.duplicates = counts.records.saturating_sub(counts.skipped + counts.events);
        self.ledger.counts.id_conflicts = self.id_conflicts()?;
        catalog_version.clone_into(&mut self.ledger.catalog_version);
        self.write_ledger()
    }

    fn write_ledger(&self) -> Result<()> {
        let folder = self.path.join(LEDGER_FOLDER);
        let mut lines = String::new();
        for row in &self.ledger.skipped {
            lines.push_str(&serde_json::to_string(row).map_err(|error| Error::Internal(error.to_string()))?);
            lines.push('\n');
        }
        let text = serde_json::to_string_pretty(&self.ledger).map_err(|error| Error::Internal(error.to_string()))?;
        for (name, text) in [("skipped.jsonl", lines), ("ledger.json", text)] {
            let part = folder.join(format!("{name}.part"));
            let mut file = parquet::create_private(&part)?;
            std::io::Write::write_all(&mut file, text.as_bytes()).map_err(|error| Error::io("write", &part, error))?;
            let path = folder.join(name);
            std::fs::rename(&part, &path).map_err(|error| Error::io("write", &path, error))?;
        }
        Ok(())
    }

    /// Events whose id and account another event with different content has too.
    fn id_conflicts(&self) -> Result<u64> {
        let mut seen: HashSet<u64> = HashSet::new();
        let mut conflicts = 0;
        for file in self.files()? {
            parquet::read_each(&file, Some(&["event_id", "account_id"]), |batch| {
                let (ids, accounts) = (read::text(&batch, "event_id")?, read::text(&batch, "account_id")?);
                for row in 0..batch.num_rows() {
                    use std::hash::BuildHasher as _;
                    let hash = foldhash::fast::FixedState::default().hash_one((read::get(ids, row), read::get(accounts, row)));
                    conflicts += u64::from(!seen.insert(hash));
                }
                Ok(())
            })?;
        }
        Ok(conflicts)
    }

    /// The paths of sources with this content that were loaded before.
    pub fn has_source(&self, file: &str, sha256: &str) -> bool {
        self.ledger.sources.iter().any(|source| source.file == file && source.sha256 == sha256 && !sha256.is_empty())
    }
}

/// Sorts by (time, id, ...) and drops duplicates.
fn merge(batches: &[RecordBatch]) -> Result<RecordBatch> {
    let all = concat_batches(&EVENTS.schema, batches)?;
    let sort_columns: Vec<SortColumn> = IDENTITY
        .iter()
        .chain(&["source_file", "source_index"])
        .filter_map(|name| all.column_by_name(name))
        .map(|values| SortColumn { values: values.clone(), options: None })
        .collect();
    let order = lexsort_to_indices(&sort_columns, None)?;
    let sorted = take_record_batch(&all, &order)?;
    let columns: Vec<&ArrayRef> = IDENTITY.iter().filter_map(|name| sorted.column_by_name(name)).collect();
    let kept: Vec<u32> = (0..sorted.num_rows())
        .filter(|row| *row == 0 || !columns.iter().all(|column| equal(column, row - 1, *row)))
        .filter_map(|row| u32::try_from(row).ok())
        .collect();
    if kept.len() == sorted.num_rows() {
        return Ok(sorted);
    }
    Ok(take_record_batch(&sorted, &UInt32Array::from(kept))?)
}

fn equal(column: &ArrayRef, a: usize, b: usize) -> bool {
    match column.as_any().downcast_ref::<StringArray>() {
        Some(texts) => read::get(texts, a) == read::get(texts, b),
        None => column.slice(a, 1).to_data() == column.slice(b, 1).to_data(),
    }
}

/// A batch as read from Parquet, with the schema of the program: field names inside lists differ.
fn retyped(batch: RecordBatch) -> Result<RecordBatch> {
    let columns = EVENTS
        .schema
        .fields()
        .iter()
        .map(|field| {
            let column =
                batch.column_by_name(field.name()).ok_or_else(|| Error::Columns(format!("column `{}` is missing", field.name())))?;
            Ok(arrow::compute::cast(column, field.data_type())?)
        })
        .collect::<Result<Vec<ArrayRef>>>()?;
    Ok(RecordBatch::try_new(EVENTS.schema.clone(), columns)?)
}

/// `YYYY-MM-DD` of a day since 1970.
pub(crate) fn date_text(day: i32) -> String {
    let epoch = jiff::civil::Date::constant(1970, 1, 1);
    let date = jiff::Span::new().try_days(day).and_then(|span| epoch.checked_add(span));
    date.map_or_else(|_| day.to_string(), |date| date.to_string())
}

/// The distinct days of a ledger's skipped rows, for the window.
pub fn days_of(ledger: &Ledger) -> BTreeSet<i32> {
    ledger.skipped.iter().filter_map(|row| row.event_time).map(day_of).collect()
}

/// The UTC day of an instant.
pub fn day_of(microseconds: i64) -> i32 {
    i32::try_from(microseconds.div_euclid(86_400_000_000)).unwrap_or(i32::MAX)
}
