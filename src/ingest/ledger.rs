//! The ledger of a dataset: what was loaded, what it came to by day, what was not kept.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::account::load::hex;
use crate::cloudtrail::SkipReason;
use crate::error::{Error, Result};
use crate::frame::parquet;
use crate::frame::schema::SCHEMA_VERSION;

/// The most files of a day: of events that fit a disk there are fewer.
const MOST_FILES: usize = 100_000;

/// What was loaded into a dataset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Version of the schemas.
    pub schema_version: String,
    /// Version of the catalogue that the events were mapped with; the oldest, if they were loaded at several times.
    pub catalog_version: String,
    /// Version of the program.
    pub version: String,
    /// Sums over sources, skipped records and days.
    pub counts: DatasetCounts,
    /// What the dataset holds of each UTC day, by `YYYY-MM-DD`.
    pub days: BTreeMap<String, Day>,
    /// Recipient account and id of the events that an addendum replaces, whether they were there or not.
    pub replaced: BTreeSet<(Option<String>, String)>,
    /// The files, sorted by path.
    pub sources: Vec<SourceFile>,
    /// What was not kept, sorted by file and index.
    pub skipped: Vec<SkippedRow>,
}

/// What the dataset holds of one UTC day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// Files: `events.parquet`, or `events-00.parquet` and so on.
    pub files: usize,
    /// Rows.
    pub events: u64,
    /// Rows with the event id and account of another row of this day.
    pub id_conflicts: u64,
    /// Rows by recipient account; an empty name stands for none here and below.
    pub accounts: BTreeMap<String, u64>,
    /// Rows by region.
    pub regions: BTreeMap<String, u64>,
    /// Rows by event source.
    pub services: BTreeMap<String, u64>,
    /// Rows by identity type.
    pub identities: BTreeMap<String, u64>,
    /// Which calls the rows were of that others took the place of: other records of these repeat them, also later.
    #[serde(default, skip_serializing_if = "Calls::is_empty")]
    pub replaced: Calls,
}

/// What records of one call have in common.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    /// Request ids.
    pub requests: BTreeSet<String>,
    /// Shared event ids.
    pub shared: BTreeSet<String>,
    /// Event ids of copies in other accounts than the caller's: a table that has them may not tell that they are copies.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub copies: BTreeSet<String>,
}

impl Calls {
    /// Adds other calls.
    pub(super) fn extend(&mut self, other: &Self) {
        self.requests.extend(other.requests.iter().cloned());
        self.shared.extend(other.shared.iter().cloned());
        self.copies.extend(other.copies.iter().cloned());
    }

    fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.shared.is_empty() && self.copies.is_empty()
    }
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
    /// What `--max-inflated` was, if there is more in the file than was read for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_up_to: Option<u64>,
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
    /// Events with the id and account of another event of the same day, and different content.
    pub id_conflicts: u64,
    /// Rows of the dataset.
    pub events: u64,
}

/// A row of the skipped ledger: a record that was not kept, or several in a row that are the same in all but their places.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SkippedRow {
    /// The file.
    pub file: String,
    /// Position in the file, of the first; null for the file as a whole.
    pub index: Option<u64>,
    /// How many there are.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub count: u64,
    /// Why.
    pub reason: String,
    /// In the reader's words.
    pub detail: String,
    /// Bytes.
    pub length: u64,
    /// SHA-256 of the bytes.
    pub sha256: String,
    /// That of the file as it was read then; empty if it could not be read.
    #[serde(default)]
    pub source: String,
    /// Microseconds since 1970, if the record had a readable time.
    pub event_time: Option<i64>,
    /// The first 4 KiB as text, without the values of secret members, if it was to be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
}

fn one() -> u64 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_one(count: &u64) -> bool {
    *count == 1
}

impl SkippedRow {
    /// The positions in the file.
    pub fn indices(&self) -> impl Iterator<Item = Option<u64>> + use<> {
        let first = self.index;
        (0..self.count).map(move |at| first.map(|first| first.saturating_add(at)))
    }

    /// Counts another row in, if it is that of the record after this one, and the same in all else.
    pub(super) fn takes(&mut self, next: &Self) -> bool {
        let follows = self.index.zip(next.index).is_some_and(|(index, next)| index.checked_add(self.count) == Some(next));
        let is_same = follows
            && (self.length, &self.sha256, &self.reason, &self.detail) == (next.length, &next.sha256, &next.reason, &next.detail)
            && (&self.file, &self.source, self.event_time, &self.raw) == (&next.file, &next.source, next.event_time, &next.raw);
        if is_same {
            self.count += next.count;
        }
        is_same
    }

    /// How many records rows are of; `None` if more than can be counted, or if a row is of none.
    fn checked_sum(rows: &[Self]) -> Option<u64> {
        rows.iter().try_fold(0, |sum: u64, row| sum.checked_add(row.count).filter(|_| row.count > 0))
    }

    /// How many records rows are of.
    pub fn sum<'r>(rows: impl IntoIterator<Item = &'r Self>) -> u64 {
        rows.into_iter().map(|row| row.count).fold(0, u64::saturating_add)
    }

    /// The first of each file and reason, in their order, with how many there are of it; rows of a file stand together.
    pub fn first_of_each<'r>(rows: impl IntoIterator<Item = &'r Self>) -> Vec<Self> {
        let mut firsts: Vec<Self> = Vec::new();
        for row in rows {
            let mut of_file = firsts.iter_mut().rev().take_while(|first| first.file == row.file);
            match of_file.find(|first| first.reason == row.reason) {
                Some(first) => first.count = first.count.saturating_add(row.count),
                None => firsts.push(row.clone()),
            }
        }
        firsts
    }
}

/// A file that was read in this run, with what was skipped of it.
#[derive(Debug)]
pub(super) struct ReadFile {
    pub(super) source: SourceFile,
    pub(super) skipped: Vec<SkippedRow>,
    /// The entry of the ledger that it takes the place of: an older state of the same file.
    pub(super) replaces: Option<SourceFile>,
}

impl Ledger {
    /// The ledger of a dataset that holds nothing.
    pub(super) fn empty() -> Self {
        Self { schema_version: SCHEMA_VERSION.to_owned(), version: env!("CARGO_PKG_VERSION").to_owned(), ..Self::default() }
    }

    /// Reads a ledger; `None` if there is no such file.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Format`] for a file that is no ledger of this version.
    pub(super) fn read(file: &Path) -> Result<Option<Self>> {
        let text = match std::fs::read(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", file, error)),
        };
        let ledger: Self = serde_json::from_slice(&text).map_err(|error| {
            Error::format(file, format!("is no ledger of an events dataset ({error}); load the logs again into a new folder"))
        })?;
        if ledger.schema_version != SCHEMA_VERSION {
            let version = ledger.schema_version;
            return Err(Error::format(
                file,
                format!("has schema version {version}, this program reads {SCHEMA_VERSION}: load the logs again into a new folder"),
            ));
        }
        // Names of folders and files are made of these.
        let is_day =
            |(date, day): (&String, &Day)| date.parse::<jiff::civil::Date>().is_ok() && date.len() == 10 && day.files <= MOST_FILES;
        if let Some((date, _)) = ledger.days.iter().find(|day| !is_day(*day)) {
            return Err(Error::format(file, format!("has a day `{date}` that cannot be: load the logs again into a new folder")));
        }
        // Rows are written out as many times as they say.
        let (counted, of_rows) = (ledger.counts.skipped, SkippedRow::checked_sum(&ledger.skipped));
        if of_rows != Some(counted) || counted > ledger.counts.records {
            let records = ledger.counts.records;
            return Err(Error::format(
                file,
                format!(
                    "counts {counted} skipped of {records} records, which its rows do not come to: load the logs again into a new folder"
                ),
            ));
        }
        Ok(Some(ledger))
    }

    /// Writes the ledger, safe against a loss of power.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn write(&self, file: &Path) -> Result<()> {
        let mut writer = std::io::BufWriter::new(parquet::create_private(file)?);
        let written = serde_json::to_writer(&mut writer, self).map_err(std::io::Error::from);
        let written = written.and_then(|()| writer.into_inner().map_err(std::io::IntoInnerError::into_error));
        written.and_then(|file| file.sync_all()).map_err(|error| Error::io("write", file, error))
    }

    /// Enters files that were read.
    ///
    /// # Errors
    /// [`Error::Internal`] if there are more events and skipped records than there were records.
    pub(super) fn enter(&mut self, read: Vec<ReadFile>) -> Result<()> {
        let replaced: BTreeSet<SourceFile> = read.iter().filter_map(|file| file.replaces.clone()).collect();
        let states: BTreeSet<(&str, &str)> = replaced.iter().map(|source| (source.file.as_str(), source.sha256.as_str())).collect();
        let files: BTreeSet<&str> = replaced.iter().map(|source| source.file.as_str()).collect();
        // Ledgers of before did not say which state of a file a row is of.
        let is_of_any = |row: &SkippedRow| row.source.is_empty() && row.reason != SkipReason::UnreadableFile.name();
        let goes = |row: &SkippedRow| {
            states.contains(&(row.file.as_str(), row.source.as_str())) || (is_of_any(row) && files.contains(row.file.as_str()))
        };
        self.skipped.retain(|row| !goes(row));
        self.sources.retain(|source| !replaced.contains(source));
        for file in read {
            self.sources.push(file.source);
            self.skipped.extend(file.skipped);
        }
        self.sources.sort();
        self.skipped.sort();
        self.count()
    }

    /// Notes that events were added which a catalogue of that version has mapped.
    pub(super) fn mapped_with(&mut self, version: &str) {
        if self.sources.is_empty() || version < self.catalog_version.as_str() {
            version.clone_into(&mut self.catalog_version);
        }
    }

    /// What to say to a user whose events were mapped with another catalogue than that of the program.
    pub fn mapped_otherwise(&self, version: &str) -> Option<String> {
        (!self.sources.is_empty() && self.catalog_version != version).then(|| {
            format!(
                "events were mapped with catalogue {}, this program has {version}: load the logs into a new folder to map them anew",
                self.catalog_version
            )
        })
    }

    /// Forgets the folders that could not be opened and can be now: what is in them are files of their own.
    pub(super) fn forget_opened(&mut self) {
        let could_not = |source: &&SourceFile| source.sha256.is_empty() && std::fs::read_dir(&source.file).is_ok();
        let opened: BTreeSet<String> = self.sources.iter().filter(could_not).map(|source| source.file.clone()).collect();
        self.sources.retain(|source| !opened.contains(&source.file));
        self.skipped.retain(|row| !opened.contains(&row.file));
    }

    /// What another dataset has of files that this one has not, or not as much of.
    pub(super) fn missing_of(&self, other: &Self) -> Vec<ReadFile> {
        let (mut mine, mut skipped) = (BTreeMap::<&str, Vec<&SourceFile>>::new(), BTreeMap::<(&str, &str), Vec<&SkippedRow>>::new());
        self.sources.iter().for_each(|source| mine.entry(&source.file).or_default().push(source));
        other.skipped.iter().for_each(|row| skipped.entry((&row.file, &row.source)).or_default().push(row));
        let missing = other.sources.iter().filter_map(|source| {
            let mine = mine.get(source.file.as_str()).map(Vec::as_slice).unwrap_or_default();
            let same = mine.iter().find(|mine| mine.sha256 == source.sha256);
            let is_unread = source.sha256.is_empty() && !mine.is_empty();
            let is_here = same.is_some_and(|mine| mine.read_up_to.is_none_or(|mine| source.read_up_to.is_some_and(|other| other <= mine)));
            if is_unread || is_here {
                return None;
            }
            let unread = || mine.iter().find(|mine| mine.sha256.is_empty());
            let skipped = skipped.get(&(source.file.as_str(), source.sha256.as_str()));
            Some(ReadFile {
                source: source.clone(),
                skipped: skipped.into_iter().flatten().map(|row| (*row).clone()).collect(),
                replaces: same.or_else(unread).map(|source| (*source).clone()),
            })
        });
        missing.collect()
    }

    fn count(&mut self) -> Result<()> {
        let records = self.sources.iter().map(|source| source.records).sum();
        let skipped = SkippedRow::sum(&self.skipped);
        let events = self.days.values().map(|day| day.events).sum();
        let id_conflicts = self.days.values().map(|day| day.id_conflicts).sum();
        let Some(duplicates) = u64::checked_sub(records, skipped + events) else {
            return Err(Error::Internal(format!("{records} records, but {events} events and {skipped} skipped")));
        };
        self.counts = DatasetCounts { records, duplicates, skipped, id_conflicts, events };
        Ok(())
    }
}

/// What the ledger has of a path.
#[derive(Debug)]
pub(super) enum Known<'l> {
    /// This content.
    Loaded,
    /// The beginning of it, or only that it could not be read: the entry gives way to the new one.
    Older(&'l SourceFile),
    /// Nothing, or another content.
    No,
}

impl<'l> Known<'l> {
    /// Looks for `bytes` among the `entries` of their path; `limit` is how much of them may be read.
    pub(super) fn of(entries: &[&'l SourceFile], bytes: &[u8], sha256: &str, limit: u64) -> Self {
        // That it could not be read once is over, or is said again.
        if let Some(unread) = entries.iter().find(|source| source.sha256.is_empty()) {
            return Self::Older(unread);
        }
        match entries.iter().find(|source| source.sha256 == sha256) {
            Some(same) if same.read_up_to.is_some_and(|before| before < limit) => Self::Older(same),
            Some(_) => Self::Loaded,
            None => {
                let older = entries.iter().filter(|old| old.begins(bytes));
                older.max_by_key(|old| old.bytes).map_or(Self::No, |old| Self::Older(old))
            }
        }
    }
}

impl SourceFile {
    /// Whether `bytes` begin with the file's content.
    fn begins(&self, bytes: &[u8]) -> bool {
        let beginning = usize::try_from(self.bytes).ok().and_then(|length| bytes.get(..length));
        beginning.is_some_and(|beginning| hex(&Sha256::digest(beginning)) == self.sha256)
    }
}
