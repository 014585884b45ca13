//! Looks for an event among what was skipped.

use std::collections::BTreeMap;

use super::inflate::{Inflater, is_compressed};
use super::source::Reading;
use super::{Dataset, SkippedRow};

/// The skipped rows of the log files in whose text `id` stands: what became of a record that the dataset does not hold.
/// A file that cannot be read any more has none.
pub fn skipped_with<'d>(dataset: &'d Dataset, id: &str) -> Vec<&'d SkippedRow> {
    let mut files: BTreeMap<&str, Vec<&SkippedRow>> = BTreeMap::new();
    for row in &dataset.ledger.skipped {
        files.entry(&row.file).or_default().push(row);
    }
    let mut inflater = Inflater::default();
    let mut holds = |file: &str| {
        let Ok(bytes) = std::fs::read(file) else { return false };
        let limit = Reading::default().max_inflated;
        let text = if is_compressed(&bytes) { inflater.inflate(&bytes, limit).0 } else { &bytes };
        memchr::memmem::find(text, id.as_bytes()).is_some()
    };
    files.into_iter().filter(|(file, _)| !id.is_empty() && holds(file)).flat_map(|(_, rows)| rows).collect()
}
