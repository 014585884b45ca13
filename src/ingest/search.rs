//! Looks for an event among what was skipped.

use std::collections::BTreeMap;

use super::archive::{self, Part, is_archive};
use super::content::NESTED;
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
    let holds = |file: &str| std::fs::read(file).is_ok_and(|bytes| holds(&bytes, id.as_bytes(), NESTED));
    files.into_iter().filter(|(file, _)| !id.is_empty() && holds(file)).flat_map(|(_, rows)| rows).collect()
}

/// Whether a text stands in bytes, in what they are when inflated, or in the files of an archive.
fn holds(bytes: &[u8], wanted: &[u8], nested: u8) -> bool {
    let limit = Reading::default().max_inflated;
    if nested > 0 && is_archive(bytes) {
        let mut found = false;
        archive::read(bytes, limit, &mut |part, _| {
            let Part::File(_, bytes, _) = part else { return 0 };
            found = found || holds(&bytes, wanted, nested - 1);
            bytes.len() as u64
        });
        found
    } else if nested > 0 && is_compressed(bytes) {
        holds(Inflater::default().inflate(bytes, limit).0, wanted, nested - 1)
    } else {
        memchr::memmem::find(bytes, wanted).is_some()
    }
}
