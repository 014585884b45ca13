//! Where log files come from: files, folders, globs, standard input, object stores.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{FileType, Metadata};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use globset::{GlobBuilder, GlobMatcher};

use super::content::Origin;
use super::dataset::Dataset;
use crate::cloudtrail::may_hold_records;
use crate::error::{Error, Result};

/// Folders of a trail's bucket that hold no records of calls.
const PASSED_OVER: [&str; 3] = ["CloudTrail-Digest", "CloudTrail-Insight", "CloudTrail-Aggregated"];

/// File name endings that are taken from a folder unseen; other files are taken if they begin as a log does, and a file
/// that is named directly or by a glob is taken in any case.
const ENDINGS: [&str; 8] = ["json", "gz", "jsonl", "ndjson", "log", "zst", "csv", "parquet"];

/// How many bytes tell what a file is that has another name.
pub(super) const HEAD: u64 = 4_096;

/// The path of standard input.
const STANDARD_INPUT: &str = "-";

/// How log files are found and read.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The most bytes that one file may come to when inflated; what is beyond is skipped.
    pub max_inflated: u64,
    /// Whether the ledger keeps the first 4 KiB of what is skipped.
    pub keep_raw: bool,
    /// Settings of object stores, by the names of the environment variables that the AWS tools read (`AWS_REGION`,
    /// `AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, ...).
    pub settings: Vec<(String, String)>,
}

impl Default for Reading {
    fn default() -> Self {
        Self { max_inflated: 2 << 30, keep_raw: false, settings: Vec::new() }
    }
}

/// A log file to read.
#[derive(Debug, Clone)]
pub struct LogFile {
    /// Its path as given or found; `-` is standard input, `s3://...` an object.
    pub path: PathBuf,
    /// Its size, 0 if it cannot be told.
    pub bytes: u64,
    pub(super) origin: Origin,
}

/// The files of the paths of a run.
#[derive(Debug, Default)]
pub struct Logs {
    /// Sorted by path, each once.
    pub files: Vec<LogFile>,
    /// Events datasets that were named.
    pub datasets: Vec<PathBuf>,
    /// Files in the folders that are no logs by their name and first bytes, events datasets there, and folders of a trail that hold
    /// no records of calls.
    pub passed_over: Vec<PathBuf>,
}

impl Logs {
    fn push(&mut self, path: PathBuf, bytes: u64, origin: Origin) {
        self.files.push(LogFile { path, bytes, origin });
    }

    /// A place that holds or may hold logs and cannot be read: it stands in the ledger like a file.
    fn trouble(&mut self, path: PathBuf, why: impl Into<String>) {
        self.push(path, 0, Origin::Unreadable(why.into()));
    }
}

/// What makes a path a glob.
const WILDCARDS: [char; 4] = ['*', '?', '[', '{'];

/// Finds the log files of files, folders, globs, `-` and `s3://` URLs, and the events datasets among them.
///
/// # Errors
/// [`Error::Io`] if a path is not there or a bucket cannot be listed, [`Error::Nothing`] if the paths hold no log file,
/// [`Error::Usage`] for URLs that cannot be read.
pub fn find(paths: &[PathBuf], reading: &Reading) -> Result<Logs> {
    let mut logs = Logs::default();
    for path in paths {
        let text = path.to_string_lossy();
        if text == STANDARD_INPUT {
            logs.push(path.clone(), 0, Origin::StandardInput);
        } else if text.starts_with("s3://") {
            objects(&text, reading, &mut logs)?;
        } else {
            local(path, &text, &mut logs)?;
        }
    }
    logs.files.sort_by(|a, b| a.path.cmp(&b.path));
    logs.files.dedup_by(|a, b| a.path == b.path);
    if paths.len() > 1 || paths.iter().any(|path| path.to_string_lossy().contains(WILDCARDS)) {
        // The same file under two names, since folders, globs and links overlap. Inside one folder no file is met twice.
        let mut seen = HashSet::new();
        let mut is_new = |path: &Path| path.canonicalize().map_or(true, |real| seen.insert(real));
        logs.files.retain(|file| is_new(&file.path));
        logs.datasets.retain(|path| is_new(path));
    }
    if logs.files.is_empty() && logs.datasets.is_empty() {
        let names: Vec<String> = paths.iter().map(|path| format!("`{}`", path.display())).collect();
        let endings = ENDINGS.map(|ending| format!(".{ending}")).join(", ");
        return Err(Error::Nothing(format!(
            "no log file in {}: the name of a log file ends in {endings}, or it begins as one",
            names.join(", ")
        )));
    }
    Ok(logs)
}

fn local(path: &Path, text: &str, logs: &mut Logs) -> Result<()> {
    if Dataset::is_at(path) {
        logs.datasets.push(path.to_path_buf());
        return Ok(());
    }
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => walk(path, logs),
        Ok(metadata) => logs.push(path.to_path_buf(), metadata.len(), origin(&metadata)),
        // A link that leads nowhere is there, and cannot be read.
        Err(_) if std::fs::symlink_metadata(path).is_ok() => logs.push(path.to_path_buf(), 0, Origin::File),
        Err(_) if text.contains(WILDCARDS) && !text.contains("://") => glob(path, text, logs)?,
        Err(_) if text.contains("://") => {
            return Err(Error::Usage(format!(
                "`{text}` is no URL that can be read: only s3://BUCKET/PREFIX is; copy the logs to a folder"
            )));
        }
        Err(error) => return Err(Error::io("read", path, error)),
    }
    Ok(())
}

/// A named pipe that was named directly is read, as the shell's `<(...)` is one.
fn origin(metadata: &Metadata) -> Origin {
    if metadata.is_file() { Origin::File } else { Origin::Stream }
}

/// Hands every entry of a folder to `each` that is no folder. Returns the folders that are passed over: events datasets, and what of
/// a trail holds no records of calls.
fn entries(folder: &Path, logs: &mut Logs, mut each: impl FnMut(&ignore::DirEntry, FileType, &mut Logs)) -> Vec<PathBuf> {
    let passed_over = Arc::new(Mutex::new(Vec::new()));
    let met = Arc::clone(&passed_over);
    let wanted = move |entry: &ignore::DirEntry| {
        let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
        let is_passed_over = is_folder && (is_without_calls(entry.file_name()) || Dataset::is_at(entry.path()));
        if is_passed_over {
            met.lock().unwrap_or_else(PoisonError::into_inner).push(entry.path().to_path_buf());
        }
        !is_passed_over
    };
    for entry in ignore::WalkBuilder::new(folder).standard_filters(false).filter_entry(wanted).build() {
        match entry {
            Ok(entry) => {
                if let Some(kind) = entry.file_type().filter(|kind| !kind.is_dir()) {
                    each(&entry, kind, logs);
                }
            }
            // A folder that cannot be opened is reported like a file that cannot be read.
            Err(error) => {
                let path = error_path(&error).unwrap_or_else(|| folder.to_path_buf());
                logs.trouble(path, error.io_error().map_or_else(|| error.to_string(), ToString::to_string));
            }
        }
    }
    let mut passed_over = passed_over.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut *passed_over)
}

/// Whether a folder of that name, in a trail's bucket, holds no records of calls.
pub(super) fn is_without_calls(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| PASSED_OVER.contains(&name))
}

fn walk(folder: &Path, logs: &mut Logs) {
    let passed_over = entries(folder, logs, |entry, kind, logs| take(folder, entry, kind, false, logs));
    logs.passed_over.extend(passed_over);
}

/// Takes an entry of a folder, if it is a log; `named` if a glob names it.
fn take(root: &Path, entry: &ignore::DirEntry, kind: FileType, named: bool, logs: &mut Logs) {
    let path = entry.path();
    if kind.is_symlink() {
        match std::fs::metadata(path) {
            // A glob that matches a link names it.
            Ok(metadata) if metadata.is_dir() && named => return walk(path, logs),
            Ok(metadata) if metadata.is_dir() => return linked_folder(root, path, logs),
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return logs.trouble(path.to_path_buf(), NO_FILE),
            Err(error) => return logs.trouble(path.to_path_buf(), format!("a link that leads nowhere: {error}")),
        }
    } else if !kind.is_file() {
        // A pipe blocks whoever opens it.
        return logs.trouble(path.to_path_buf(), NO_FILE);
    }
    if named || looks_like_log(path) {
        let bytes = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        logs.push(path.to_path_buf(), bytes, Origin::File);
    } else {
        logs.passed_over.push(path.to_path_buf());
    }
}

const NO_FILE: &str = "a pipe, socket or device, not a file: name a pipe itself to read it";

/// Links to folders are not followed, so that nothing is walked for ever or twice; what lies outside is named.
fn linked_folder(root: &Path, path: &Path, logs: &mut Logs) {
    let inside = root.canonicalize().is_ok_and(|root| path.canonicalize().is_ok_and(|target| target.starts_with(root)));
    if !inside {
        logs.trouble(path.to_path_buf(), "a link to a folder, which is not followed: name that folder too, to read it");
    }
}

/// The files below the longest folder without a wildcard that the glob matches, and the logs of the folders that it matches.
fn glob(path: &Path, text: &str, logs: &mut Logs) -> Result<()> {
    let matcher = matcher(text)?;
    let literal: PathBuf = path.components().take_while(|part| !part.as_os_str().to_string_lossy().contains(WILDCARDS)).collect();
    // `*.gz` is walked from `.`, whose entries are called `./a.gz`.
    let root = if literal.as_os_str().is_empty() { Path::new(".") } else { literal.as_path() };
    if !root.exists() {
        return Err(Error::Nothing(format!("no file matches `{text}`: there is no folder `{}`", root.display())));
    }
    let before = logs.files.len() + logs.datasets.len();
    let mut passed_over = 0;
    let folders = entries(root, logs, |entry, kind, logs| {
        let name = entry.path().strip_prefix("./").unwrap_or(entry.path());
        let named = matcher.is_match(name);
        if named || name.ancestors().skip(1).any(|folder| folder.starts_with(&literal) && matcher.is_match(folder)) {
            take(root, entry, kind, named, logs);
        } else {
            passed_over += 1;
        }
    });
    let is_named = |folder: &PathBuf| matcher.is_match(folder.strip_prefix("./").unwrap_or(folder)) && Dataset::is_at(folder);
    let (named, others): (Vec<PathBuf>, Vec<PathBuf>) = folders.into_iter().partition(is_named);
    logs.datasets.extend(named);
    logs.passed_over.extend(others);
    if logs.files.len() + logs.datasets.len() == before {
        return Err(Error::Nothing(format!(
            "no file matches `{text}`, of {passed_over} below `{}`: `*` stays inside a folder, `**` crosses folders",
            root.display()
        )));
    }
    Ok(())
}

fn matcher(text: &str) -> Result<GlobMatcher> {
    let glob = GlobBuilder::new(text.strip_prefix("./").unwrap_or(text)).literal_separator(true).build();
    Ok(glob.map_err(|error| Error::Usage(format!("`{text}` is no glob: {}", error.kind())))?.compile_matcher())
}

#[cfg(feature = "s3")]
fn objects(url: &str, reading: &Reading, logs: &mut Logs) -> Result<()> {
    let wildcard = url.find(WILDCARDS);
    let matcher = wildcard.map(|_| matcher(url)).transpose()?;
    // What stands before the wildcard, if that is in the key: the name of a bucket has none.
    let literal = wildcard.and_then(|at| url.get(..at)).filter(|literal| literal.matches('/').count() > 2);
    let listed = super::s3::list(literal.unwrap_or(url), reading)?;
    let is_below = |path: &Path| match &matcher {
        Some(matcher) => path.ancestors().any(|place| matcher.is_match(place)),
        None => true,
    };
    for (url, why) in listed.unnameable {
        let path = PathBuf::from(url);
        if is_below(&path) {
            logs.trouble(path, why);
        }
    }
    for found in listed.objects {
        let path = PathBuf::from(&found.url);
        let named = found.url == url || matcher.as_ref().is_some_and(|matcher| matcher.is_match(&path));
        let wanted = named || is_below(&path);
        // The console makes empty objects where it shows folders.
        let is_folder = found.bytes == 0 && !has_log_ending(&path);
        if !wanted || (is_folder && !named) {
            continue;
        }
        let without_calls = path.ancestors().find(|place| place.file_name().is_some_and(is_without_calls)).filter(|_| !named);
        if let Some(folder) = without_calls {
            if logs.passed_over.last().is_none_or(|last| last != folder) {
                logs.passed_over.push(folder.to_path_buf());
            }
            continue;
        }
        let looks_like_log =
            if named || has_log_ending(&path) { Ok(true) } else { found.object.first(HEAD).map(|first| begins_as_log(&first)) };
        match looks_like_log {
            Ok(true) => logs.push(path, found.bytes, Origin::Object(found.object)),
            Ok(false) => logs.passed_over.push(path),
            // It may be a log, and is reported as one.
            Err(error) => logs.trouble(path, error.to_string()),
        }
    }
    Ok(())
}

#[cfg(not(feature = "s3"))]
fn objects(url: &str, _: &Reading, _: &mut Logs) -> Result<()> {
    Err(Error::Usage(format!(
        "`{url}`: this program was built without the feature `s3`; build it with `--features s3`, or copy the logs to a folder"
    )))
}

/// By its ending, else by its first bytes.
fn looks_like_log(path: &Path) -> bool {
    if has_log_ending(path) {
        return true;
    }
    let mut first = Vec::new();
    // One that cannot be opened may be a log, and is reported as one.
    let Ok(file) = std::fs::File::open(path) else { return true };
    // What could be read of a file that fails tells as much.
    let _ = file.take(HEAD).read_to_end(&mut first);
    begins_as_log(&first)
}

/// The same of a file that begins so.
pub(super) fn is_log(path: &Path, first: &[u8]) -> bool {
    has_log_ending(path) || begins_as_log(first)
}

fn has_log_ending(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    ending.as_deref().is_some_and(|ending| ENDINGS.contains(&ending))
}

/// Gzip, zstd, an archive, Parquet, or a text that may hold records.
fn begins_as_log(first: &[u8]) -> bool {
    super::inflate::is_compressed(first)
        || super::archive::is_archive(first)
        || first.starts_with(b"PAR1")
        || may_hold_records(&super::content::text(first))
}

fn error_path(error: &ignore::Error) -> Option<PathBuf> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path.clone()),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => error_path(err),
        _ => None,
    }
}
