//! The events dataset on disk: its files, and how a run's work takes their place all at once.
//!
//! A run writes into `_retrial/staging`. When everything is there, the new ledger included, the folder becomes
//! `_retrial/commit` by one rename: before it nothing has happened, after it the files are moved to their places, and if
//! that is interrupted, the next run goes on with it. Files are moved by rename, so each is old or new, and the ledger
//! goes last.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rayon::prelude::*;

use super::day::{file_name, is_file_name, is_staged, staged_name};
use super::ledger::{Day, Ledger};
use super::lock::Lock;
use crate::error::{Error, Result};

/// The folder of the dataset that holds no events.
const LEDGER_FOLDER: &str = "_retrial";
const LEDGER: &str = "ledger.json";
const LOCK: &str = "lock";
const STAGING: &str = "staging";
const COMMIT: &str = "commit";

/// How long a reader waits for another process to put its files in place, which takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// An events dataset on disk.
#[derive(Debug)]
pub struct Dataset {
    /// Its folder.
    pub path: PathBuf,
    /// What was loaded.
    pub ledger: Ledger,
    /// About how many bytes of rows loading holds in memory before it writes complete days and spills to the disk;
    /// [`Dataset::THREAD_MEMORY`] for each thread if nothing else is asked for.
    pub memory: usize,
    /// About how many rows a file has at most: a day with more is split by event id.
    pub file_rows: u64,
}

impl Dataset {
    /// The part of [`Dataset::memory`] that a thread has: a hundred thousand events are held, and loading millions takes up to
    /// two thirds more memory than loading these.
    pub const THREAD_MEMORY: usize = 40 << 20;

    /// The default of [`Dataset::file_rows`].
    pub const FILE_ROWS: u64 = 4_000_000;

    /// Whether a path is an events dataset.
    pub fn is_at(path: &Path) -> bool {
        path.join(LEDGER_FOLDER).is_dir()
    }

    /// Opens a dataset.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Format`] for a ledger that cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let folder = path.join(LEDGER_FOLDER);
        let mut waited = Duration::ZERO;
        let ledger = loop {
            if !folder.join(COMMIT).is_dir() {
                let ledger = read_ledger(path);
                // The ledger is the last that another run puts in place: one that is missing may come.
                if ledger.is_ok() || !folder.join(COMMIT).is_dir() {
                    break ledger.or_else(|_| read_ledger(path))?;
                }
            }
            match Lock::take(&folder.join(LOCK))? {
                Some(_lock) => roll_forward(path)?,
                None if waited < PATIENCE => std::thread::sleep(Duration::from_millis(20)),
                None => return Err(in_use(path)),
            }
            waited += Duration::from_millis(20);
        };
        Ok(Self {
            path: path.to_path_buf(),
            ledger,
            memory: Self::THREAD_MEMORY * rayon::current_num_threads(),
            file_rows: Self::FILE_ROWS,
        })
    }

    /// Opens the dataset of a folder, or an empty one in a folder that is empty or not there, where nothing is made before something
    /// is loaded.
    ///
    /// # Errors
    /// [`Error::Usage`] for a folder that holds something else, or what is no folder.
    pub fn open_or_create(path: &Path) -> Result<Self> {
        if !Self::is_at(path) {
            if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_dir()) {
                return Err(Error::Usage(format!("`{}` is no folder: an events dataset is one", path.display())));
            }
            let holds_something = std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
            // Looked at again, since another run may have made the dataset just now.
            if holds_something && !Self::is_at(path) {
                return Err(Error::Usage(format!(
                    "`{}` is not empty and no events dataset: give an empty or a new folder",
                    path.display()
                )));
            }
        }
        Self::open(path)
    }

    /// Refuses a dataset that another run has loaded into since it was opened: what was read of it may be of two times.
    ///
    /// # Errors
    /// [`Error::Usage`], and [`Error::Io`] if it can no longer be read.
    pub fn assert_unchanged(&self) -> Result<()> {
        if Self::open(&self.path)?.ledger == self.ledger {
            return Ok(());
        }
        Err(Error::Usage(format!("another run has loaded into `{}` while it was read: run this again", self.path.display())))
    }

    /// The file of the ledger.
    pub fn ledger_file(&self) -> PathBuf {
        self.path.join(LEDGER_FOLDER).join(LEDGER)
    }

    /// The event files in the order of their dates.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn files(&self) -> Result<Vec<PathBuf>> {
        Ok(self.ledger.days.iter().flat_map(|(date, day)| self.files_of(date, day)).collect())
    }

    /// The event files of a day.
    pub(super) fn files_of(&self, date: &str, day: &Day) -> Vec<PathBuf> {
        (0..day.files).map(|file| self.path.join(date_folder(date)).join(file_name(file, day.files))).collect()
    }

    /// Begins to load: takes the lock, ends what an earlier run left, and reads the ledger as it is now.
    ///
    /// # Errors
    /// [`Error::Usage`] if another process is loading into the dataset, [`Error::Io`].
    pub(super) fn begin(&mut self) -> Result<Staging> {
        let folder = self.path.join(LEDGER_FOLDER);
        std::fs::create_dir_all(&folder).map_err(|error| Error::io("create", &folder, error))?;
        let lock = Lock::take(&folder.join(LOCK))?.ok_or_else(|| in_use(&self.path))?;
        roll_forward(&self.path)?;
        let staging = Staging { folder: folder.join(STAGING), _lock: lock };
        staging.remove()?;
        std::fs::create_dir(&staging.folder).map_err(|error| Error::io("create", &staging.folder, error))?;
        self.ledger = read_ledger(&self.path)?;
        Ok(staging)
    }

    /// Puts the files of `staging` and the ledger in place.
    ///
    /// # Errors
    /// [`Error::Io`]. Nothing has happened then, or the next run goes on with it.
    pub(super) fn commit(&mut self, staging: Staging, ledger: Ledger) -> Result<()> {
        let folder = self.path.join(LEDGER_FOLDER);
        // All files at once: made durable one by one as they were written, each was a transaction of the file system.
        let staged: Vec<PathBuf> = entries(&staging.folder)?.into_iter().filter(|file| is_staged(file)).collect();
        staged.par_iter().try_for_each(|file| sync_file(file))?;
        let made = self.make_days(&ledger)?;
        if let Err(error) = ledger.write(&staging.folder.join(LEDGER)) {
            made.iter().for_each(|folder| drop(std::fs::remove_dir(folder)));
            return Err(error);
        }
        sync(&staging.folder)?;
        rename(&staging.folder, &folder.join(COMMIT))?;
        sync(&folder)?;
        put_in_place(&self.path, &ledger)?;
        self.ledger = ledger;
        Ok(())
    }

    /// Makes the folders of days that are new, so that putting files in place asks for no more room on the disk; all or none.
    fn make_days(&self, ledger: &Ledger) -> Result<Vec<PathBuf>> {
        let mut made = Vec::new();
        for date in ledger.days.keys().filter(|date| !self.ledger.days.contains_key(*date)) {
            let folder = self.path.join(date_folder(date));
            match std::fs::create_dir(&folder) {
                Ok(()) => made.push(folder),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && folder.is_dir() => {}
                Err(error) => {
                    made.iter().for_each(|folder| drop(std::fs::remove_dir(folder)));
                    return Err(Error::io("create", &folder, error));
                }
            }
        }
        Ok(made)
    }
}

/// What a run has written and not committed, and the lock. It goes away with the run.
#[derive(Debug)]
pub(super) struct Staging {
    /// Where to write.
    pub(super) folder: PathBuf,
    _lock: Lock,
}

impl Staging {
    fn remove(&self) -> Result<()> {
        remove_folder(&self.folder)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Best effort: what stays behind is removed by the next run.
        let _ = self.remove();
    }
}

/// Puts what was committed in its place, if there is something. The caller holds the lock.
fn roll_forward(path: &Path) -> Result<()> {
    let commit = path.join(LEDGER_FOLDER).join(COMMIT);
    if !commit.is_dir() {
        return Ok(());
    }
    match Ledger::read(&commit.join(LEDGER))? {
        Some(ledger) => put_in_place(path, &ledger),
        // Everything is in place already.
        None => remove_folder(&commit),
    }
}

/// Puts what was committed with a ledger in its place, the ledger last.
fn put_in_place(path: &Path, ledger: &Ledger) -> Result<()> {
    let folder = path.join(LEDGER_FOLDER);
    let commit = folder.join(COMMIT);
    let staged: BTreeSet<PathBuf> = entries(&commit)?.into_iter().collect();
    let is_staged = |date: &str, day: &Day| (0..day.files).any(|file| staged.contains(&commit.join(staged_name(date, file))));
    let days: Vec<(&String, &Day)> = ledger.days.iter().filter(|(date, day)| is_staged(date, day)).collect();
    days.par_iter().try_for_each(|(date, day)| put_day(path, &commit, date, day))?;
    days.par_iter().try_for_each(|(date, _)| sync(&path.join(date_folder(date))))?;
    sync(path)?;
    rename(&commit.join(LEDGER), &folder.join(LEDGER))?;
    sync(&folder)?;
    remove_folder(&commit)
}

fn put_day(path: &Path, commit: &Path, date: &str, day: &Day) -> Result<()> {
    let folder = path.join(date_folder(date));
    std::fs::create_dir_all(&folder).map_err(|error| Error::io("create", &folder, error))?;
    let names: Vec<String> = (0..day.files).map(|file| file_name(file, day.files)).collect();
    for old in entries(&folder)? {
        // A day that is split anew has other file names; its rows must not stand twice.
        let name = old.file_name().unwrap_or_default().to_string_lossy();
        if is_file_name(&name) && !names.iter().any(|kept| *kept == name) {
            std::fs::remove_file(&old).map_err(|error| Error::io("remove", &old, error))?;
        }
    }
    for (file, name) in names.iter().enumerate() {
        let staged = commit.join(staged_name(date, file));
        if staged.is_file() {
            rename(&staged, &folder.join(name))?;
        }
    }
    Ok(())
}

fn read_ledger(path: &Path) -> Result<Ledger> {
    let file = path.join(LEDGER_FOLDER).join(LEDGER);
    let is_date = |entry: &PathBuf| entry.file_name().is_some_and(|name| name.to_string_lossy().starts_with("date="));
    // A run that was interrupted before its commit may have made the folder.
    let holds_something = |entry: &PathBuf| std::fs::read_dir(entry).is_ok_and(|mut entries| entries.next().is_some());
    // Listed before the ledger is read: a run that ends in between puts the dates in place first.
    let holds_days = entries(path)?.iter().any(|entry| is_date(entry) && holds_something(entry));
    if let Some(ledger) = Ledger::read(&file)? {
        return Ok(ledger);
    }
    if holds_days {
        return Err(Error::format(&file, "is missing, and with it what was loaded: load the logs again into a new folder"));
    }
    Ok(Ledger::empty())
}

fn in_use(path: &Path) -> Error {
    let path = path.display();
    Error::Usage(format!("another run is loading into `{path}`: wait for it to end, or give another folder to -o"))
}

fn date_folder(date: &str) -> String {
    format!("date={date}")
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    std::fs::rename(from, to).map_err(|error| Error::io("write", to, error))
}

fn remove_folder(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", folder, error)),
        _ => Ok(()),
    }
}

/// The folder's entries that are still there when it is read; none if it is not there.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::io("read", folder, error)),
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path()).map_err(|error| Error::io("read", folder, error))).collect(),
    }
}

/// Makes the content of a file survive a loss of power.
fn sync_file(path: &Path) -> Result<()> {
    let file = File::options().write(true).open(path);
    file.and_then(|file| file.sync_all()).map_err(|error| Error::io("write", path, error))
}

/// Makes the renames in a folder survive a loss of power. Only Unix can open a folder for that.
fn sync(folder: &Path) -> Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| Error::io("write", folder, error))
}

/// `YYYY-MM-DD` of a day since 1970.
pub(crate) fn date_text(day: i32) -> String {
    let epoch = jiff::civil::Date::constant(1970, 1, 1);
    let date = jiff::Span::new().try_days(day).and_then(|span| epoch.checked_add(span));
    date.map_or_else(|_| day.to_string(), |date| date.to_string())
}

/// The UTC day of an instant.
pub fn day_of(microseconds: i64) -> i32 {
    i32::try_from(microseconds.div_euclid(86_400_000_000)).unwrap_or(i32::MAX)
}
