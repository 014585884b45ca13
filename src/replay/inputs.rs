//! The inputs of a report, opened again: only if they are what they were.

use std::collections::BTreeSet;
use std::path::Path;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::Manifest;
use crate::account::load::hex;
use crate::error::{Error, Result};
use crate::ingest::Dataset;

/// What to do where an input is not what it was.
const INSTEAD: &str = "replay again, or explain the event from logs and policies as they are now";

impl Manifest {
    /// Checks that the policy files are there and unchanged.
    ///
    /// # Errors
    /// [`Error::Format`] that names the file.
    pub fn verify_policies(&self) -> Result<()> {
        self.policies.iter().try_for_each(|input| verify(&input.file, &input.sha256))
    }

    /// Checks that the log files are there and unchanged. A file that could not be read by the replay is passed over.
    ///
    /// # Errors
    /// [`Error::Format`] that names the file.
    pub fn verify_logs(&self) -> Result<()> {
        self.inputs.par_iter().filter(|input| !input.sha256.is_empty()).try_for_each(|input| verify(&input.file, &input.sha256))
    }

    /// Checks that a dataset holds what the replay read: the same log files with the same content.
    ///
    /// # Errors
    /// [`Error::Format`] that names a log file that came or went.
    pub fn verify_dataset(&self, dataset: &Dataset) -> Result<()> {
        let now: BTreeSet<(&str, &str)> = dataset.ledger.sources.iter().map(|s| (s.file.as_str(), s.sha256.as_str())).collect();
        let then: BTreeSet<(&str, &str)> = self.inputs.iter().map(|s| (s.file.as_str(), s.sha256.as_str())).collect();
        match now.symmetric_difference(&then).next() {
            None => Ok(()),
            Some((file, _)) => {
                Err(Error::format(&dataset.path, format!("is not the dataset that the report was made from: `{file}` differs; {INSTEAD}")))
            }
        }
    }
}

fn verify(file: &str, sha256: &str) -> Result<()> {
    let path = Path::new(file);
    if file == "-" || file.starts_with("s3://") {
        let why = "is an input of this report that is not read a second time: replay with --keep EVENTS, which `explain` then reads";
        return Err(Error::format(path, why));
    }
    let bytes = std::fs::read(path).map_err(|error| {
        Error::format(
            path,
            format!(
                "is an input of this report and cannot be read ({error}): run `explain` in the folder in which the replay ran; if it is gone, {INSTEAD}"
            ),
        )
    })?;
    if hex(&Sha256::digest(&bytes)) == sha256 {
        return Ok(());
    }
    Err(Error::format(path, format!("has changed since this report was written, its SHA-256 differs: {INSTEAD}")))
}
