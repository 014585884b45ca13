//! The crate's error type: every variant is a place plus a cause, and every message says what to do next.

use std::fmt;
use std::path::{Path, PathBuf};

/// What can go wrong as a whole. A broken record or a broken log file is not an error of the run:
/// it is counted and listed (see [`crate::cloudtrail::Skipped`]).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read or written.
    #[error("cannot {action} `{}`: {source}{}", path.display(), next_step(source))]
    Io {
        /// What was tried: `read`, `write`, `create`, ...
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A policy, snapshot or change set that cannot be given one meaning.
    #[error("{0}")]
    Policy(PolicyError),
    /// Bad usage: flags that contradict each other, or are missing.
    #[error("{0}")]
    Usage(String),
    /// Nothing to read, or nothing left after filtering.
    #[error("{0}")]
    Nothing(String),
    /// A file that is there, but is not what it should be.
    #[error("`{}`: {message}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        message: String,
    },
    /// Arrow or Parquet refused; a defect of the program or a damaged file.
    #[error("columns: {0}")]
    Columns(String),
    /// A promise of the program does not hold: please report it.
    #[error("internal check failed: {0}; please report this with the command that was run")]
    Internal(String),
}

/// The result of everything that can fail as a whole.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An [`Error::Io`] for `path`.
    pub fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { action, path: path.to_path_buf(), source }
    }

    /// An [`Error::Format`] for `path`.
    pub fn format(path: &Path, message: impl Into<String>) -> Self {
        Self::Format { path: path.to_path_buf(), message: message.into() }
    }
}

/// What to do about an answer of the operating system, where that is clear.
fn next_step(source: &std::io::Error) -> &'static str {
    use std::io::ErrorKind;
    match source.kind() {
        ErrorKind::NotFound => "; check the spelling, and the folder that the command runs in",
        ErrorKind::PermissionDenied => "; make it readable and its folder writable for this user, or name another",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "; make room or name another folder, then run the command again",
        ErrorKind::ReadOnlyFilesystem => "; name another folder",
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => "; name another path, or move away what stands there",
        _ => "",
    }
}

impl From<PolicyError> for Error {
    fn from(error: PolicyError) -> Self {
        Self::Policy(error)
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self::Columns(error.to_string())
    }
}

impl From<parquet::errors::ParquetError> for Error {
    fn from(error: parquet::errors::ParquetError) -> Self {
        Self::Columns(error.to_string())
    }
}

/// A policy that cannot be given one meaning, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyError(Box<Finding>);

impl From<Finding> for PolicyError {
    fn from(finding: Finding) -> Self {
        Self(Box::new(finding))
    }
}

impl std::ops::Deref for PolicyError {
    type Target = Finding;

    fn deref(&self) -> &Finding {
        &self.0
    }
}

impl std::ops::DerefMut for PolicyError {
    fn deref_mut(&mut self) -> &mut Finding {
        &mut self.0
    }
}

/// A finding in a policy file, at a place: the line and column (from 1, in characters), the JSON pointer, the
/// line's text and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file, where the text came from one.
    pub path: Option<PathBuf>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// How many characters are meant, at least 1.
    pub width: usize,
    /// RFC 6901 pointer to the value, empty for the whole document.
    pub pointer: String,
    /// The line's text, cut around the column if it is long.
    pub excerpt: String,
    /// Column of the finding inside `excerpt`, from 0, in characters.
    pub excerpt_column: usize,
    /// What is wrong: lower case, no full stop, the input in backticks.
    pub message: String,
    /// What to do, if there is something to say.
    pub help: Option<String>,
}

impl std::error::Error for PolicyError {}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{}:", path.display())?;
        }
        write!(f, "{}:{}: {}", self.line, self.column, self.message)?;
        if !self.pointer.is_empty() {
            write!(f, " (at {})", self.pointer)?;
        }
        if let Some(help) = &self.help {
            write!(f, "; {help}")?;
        }
        Ok(())
    }
}
