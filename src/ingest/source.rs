//! Where log files come from: files and folders.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Folders of a trail's bucket that hold no records of calls.
const PASSED_OVER: [&str; 3] = ["CloudTrail-Digest", "CloudTrail-Insight", "CloudTrail-Aggregated"];

/// File name endings that are taken from a folder unseen; other files are taken if they begin as a log does, and a file
/// that is named directly is taken in any case.
const ENDINGS: [&str; 5] = ["json", "gz", "jsonl", "ndjson", "log"];

/// A log file to read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogFile {
    /// Its path as given or found.
    pub path: PathBuf,
    /// Its size, 0 if it cannot be told.
    pub bytes: u64,
}

/// The files of the paths of a run.
#[derive(Debug, Default)]
pub struct Logs {
    /// Sorted by path, each once.
    pub files: Vec<LogFile>,
    /// Files in the folders that are no logs by their name.
    pub passed_over: u64,
}

/// Finds the log files of files and folders.
///
/// # Errors
/// [`Error::Io`] if a path is not there, [`Error::Nothing`] if the folders hold no log file.
pub fn find(paths: &[PathBuf]) -> Result<Logs> {
    let mut logs = Logs::default();
    for path in paths {
        let metadata = std::fs::metadata(path);
        match metadata {
            Ok(metadata) if metadata.is_dir() => walk(path, &mut logs),
            Ok(metadata) => logs.files.push(LogFile { path: path.clone(), bytes: metadata.len() }),
            Err(error) if std::fs::symlink_metadata(path).is_err() => return Err(Error::io("read", path, error)),
            Err(_) => logs.files.push(LogFile { path: path.clone(), bytes: 0 }),
        }
    }
    logs.files.sort();
    logs.files.dedup_by(|a, b| a.path == b.path);
    if logs.files.is_empty() {
        let names: Vec<String> = paths.iter().map(|path| format!("`{}`", path.display())).collect();
        return Err(Error::Nothing(format!("no log file in {}: a log file ends in .json, .json.gz, .jsonl or .ndjson", names.join(", "))));
    }
    Ok(logs)
}

fn walk(folder: &Path, logs: &mut Logs) {
    let wanted = |entry: &ignore::DirEntry| !entry.file_name().to_str().is_some_and(|name| PASSED_OVER.contains(&name));
    for entry in ignore::WalkBuilder::new(folder).standard_filters(false).filter_entry(wanted).build() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                // A folder that cannot be opened is reported like a file that cannot be read.
                if let Some(path) = error_path(&error) {
                    logs.files.push(LogFile { path, bytes: 0 });
                }
                continue;
            }
        };
        if entry.file_type().is_none_or(|kind| kind.is_dir()) {
            continue;
        }
        if looks_like_log(entry.path()) {
            let bytes = entry.metadata().map_or(0, |metadata| metadata.len());
            logs.files.push(LogFile { path: entry.into_path(), bytes });
        } else {
            logs.passed_over += 1;
        }
    }
}

/// By its ending, else by its first bytes: gzip, or the beginning of a JSON object or array.
fn looks_like_log(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    if ending.as_deref().is_some_and(|ending| ENDINGS.contains(&ending)) {
        return true;
    }
    let mut first = [0; 16];
    let read = std::fs::File::open(path).and_then(|mut file| std::io::Read::read(&mut file, &mut first)).unwrap_or(0);
    let first = first.get(..read).unwrap_or_default();
    let text = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first).trim_ascii_start();
    first.starts_with(&[0x1f, 0x8b]) || first.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) || text.starts_with(b"{") || text.starts_with(b"[")
}

fn error_path(error: &ignore::Error) -> Option<PathBuf> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path.clone()),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => error_path(err),
        _ => None,
    }
}
