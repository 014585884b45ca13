//! Looks for an event among what was skipped.

use std::collections::BTreeMap;

use super::dataset::{Dataset, SkippedRow};
use super::inflate::inflate;

/// The skipped rows of the log files in whose text `id` stands: what became of a record that the dataset does not hold.
/// A file that cannot be read any more has none.
pub fn skipped_with<'d>(dataset: &'d Dataset, id: &str) -> Vec<&'d SkippedRow> {
    let mut files: BTreeMap<&str, Vec<&SkippedRow>> = BTreeMap::new();
    for row in &dataset.ledger.skipped {
        files.entry(&row.file).or_default().push(row);
    }
    let holds = |file: &str| std::fs::read(file).is_ok_and(|bytes| memchr::memmem::find(&inflate(bytes).bytes, id.as_bytes()).is_some());
    files.into_iter().filter(|(file, _)| !id.is_empty() && holds(file)).flat_map(|(_, rows)| rows).collect()
}
