//! Where log files come from: files, folders, globs, standard input, object stores.

use std::collections::HashSet;
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
const HEAD: u64 = 4_096;

/// The path of standard input.
const STANDARD_INPUT: &str = "-";

/// How log files are found and read.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The most bytes that one file may come to when inflated; what is beyond is skipped.
    pub max_inflated: u64,
    /// Settings of object stores, by the names of the environment variables that the AWS tools read (`AWS_REGION`,
    /// `AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, ...).
    pub settings: Vec<(String, String)>,
}

impl Default for Reading {
    fn default() -> Self {
        Self { max_inflated: 2 << 30, settings: Vec::new() }
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
    /// Files in the folders that are no logs by their name and first bytes, and events datasets.
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

/// Finds the log files of files, folders, globs, `-` and `s3://` URLs.
///
/// # Errors
/// [`Error::Io`] if a path is not there or a bucket cannot be listed, [`Error::Nothing`] if the paths hold no log file,
/// [`Error::Usage`] for an events dataset and for URLs that cannot be read.
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
        logs.files.retain(|file| file.path.canonicalize().map_or(true, |real| seen.insert(real)));
    }
    if logs.files.is_empty() {
        let names: Vec<String> = paths.iter().map(|path| format!("`{}`", path.display())).collect();
        return Err(Error::Nothing(format!(
            "no log file in {}: a log file ends in .json, .json.gz, .jsonl, .ndjson, .zst, .csv or .parquet, or begins as one",
            names.join(", ")
        )));
    }
    Ok(logs)
}

fn local(path: &Path, text: &str, logs: &mut Logs) -> Result<()> {
    if Dataset::is_at(path) {
        return Err(Error::Usage(format!(
            "`{}` is an events dataset, not logs: `retrial replay` reads it as it is; to have its events in another dataset, \
             load the logs that it came from",
            path.display()
        )));
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

fn entries(folder: &Path, logs: &mut Logs, mut each: impl FnMut(&ignore::DirEntry, FileType, &mut Logs)) {
    let datasets = Arc::new(Mutex::new(Vec::new()));
    let met = Arc::clone(&datasets);
    let wanted = move |entry: &ignore::DirEntry| {
        let is_dataset = entry.file_type().is_some_and(|kind| kind.is_dir()) && Dataset::is_at(entry.path());
        if is_dataset {
            met.lock().unwrap_or_else(PoisonError::into_inner).push(entry.path().to_path_buf());
        }
        !is_dataset && !entry.file_name().to_str().is_some_and(|name| PASSED_OVER.contains(&name))
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
    logs.passed_over.append(&mut datasets.lock().unwrap_or_else(PoisonError::into_inner));
}

fn walk(folder: &Path, logs: &mut Logs) {
    entries(folder, logs, |entry, kind, logs| take(folder, entry, kind, false, logs));
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
    let before = logs.files.len();
    let mut passed_over = 0;
    entries(root, logs, |entry, kind, logs| {
        let name = entry.path().strip_prefix("./").unwrap_or(entry.path());
        let named = matcher.is_match(name);
        if named || name.ancestors().skip(1).any(|folder| folder.starts_with(&literal) && matcher.is_match(folder)) {
            take(root, entry, kind, named, logs);
        } else {
            passed_over += 1;
        }
    });
    if logs.files.len() == before {
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
        let passed_over = !named && path.components().any(|part| part.as_os_str().to_str().is_some_and(|name| PASSED_OVER.contains(&name)));
        if !wanted || passed_over || (found.bytes == 0 && !named) {
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

fn has_log_ending(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    ending.as_deref().is_some_and(|ending| ENDINGS.contains(&ending))
}

/// Gzip, zstd, Parquet, or a text that may hold records.
fn begins_as_log(first: &[u8]) -> bool {
    super::inflate::is_compressed(first) || first.starts_with(b"PAR1") || may_hold_records(&super::content::text(first))
}

fn error_path(error: &ignore::Error) -> Option<PathBuf> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path.clone()),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => error_path(err),
        _ => None,
    }
}
