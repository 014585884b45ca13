//! Output folders: written beside their place and moved there whole.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A report folder in the making. Dropped without [`Staged::publish`], it leaves nothing.
#[derive(Debug)]
pub(super) struct Staged {
    target: PathBuf,
    staging: PathBuf,
}

impl Staged {
    /// Prepares to write `target`: not there, empty, or an older report.
    pub(super) fn new(target: &Path) -> Result<Self> {
        if target.is_file() {
            return Err(Error::Usage(format!("`{}` is a file: -o takes a folder", target.display())));
        }
        let is_report = target.join("manifest.json").is_file();
        let is_empty = std::fs::read_dir(target).map_or(true, |mut entries| entries.next().is_none());
        if !is_report && !is_empty {
            return Err(Error::Usage(format!(
                "`{}` is not empty and holds no report: give a new or an empty folder to -o",
                target.display()
            )));
        }
        let staging = beside(target, "part");
        remove(&staging)?;
        std::fs::create_dir_all(&staging).map_err(|error| Error::io("create", &staging, error))?;
        Ok(Self { target: target.to_path_buf(), staging })
    }

    /// Where to write.
    pub(super) fn path(&self) -> &Path {
        &self.staging
    }

    /// Puts the folder in its place.
    pub(super) fn publish(self) -> Result<()> {
        let old = beside(&self.target, "old");
        remove(&old)?;
        if self.target.exists() {
            std::fs::rename(&self.target, &old).map_err(|error| Error::io("replace", &self.target, error))?;
        }
        std::fs::rename(&self.staging, &self.target).map_err(|error| Error::io("write", &self.target, error))?;
        remove(&old)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // Best effort: what stays behind is replaced by the next run.
        let _ = std::fs::remove_dir_all(&self.staging);
    }
}

/// A folder for as long as a run needs it.
#[derive(Debug)]
pub(super) struct Temporary(pub(super) PathBuf);

impl Temporary {
    pub(super) fn new(target: &Path) -> Result<Self> {
        let path = beside(target, "events");
        remove(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// `.NAME.SUFFIX` beside `target`.
fn beside(target: &Path, suffix: &str) -> PathBuf {
    let name = target.file_name().map_or_else(|| "report".to_owned(), |name| name.to_string_lossy().into_owned());
    target.with_file_name(format!(".{name}.{suffix}"))
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path, error)),
        _ => Ok(()),
    }
}
