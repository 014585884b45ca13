//! A dataset of rows that were made, not read.

use std::collections::BTreeMap;

use super::dataset::{Dataset, date_text};
use super::day::{Output, staged_name};
use super::ledger::{Day, ReadFile, SourceFile};
use super::threads::on_all_threads;
use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::frame::{EventBuilder, Place};
use crate::progress::Progress;

/// Takes the rows that a builder has so far.
pub type Push<'p> = dyn FnMut(&mut EventBuilder) -> Result<()> + 'p;

/// Writes the days of an empty dataset, each by a call of `day` with its number, which hands on the rows of the day in the
/// order of the dataset. `days` are days since 1970.
///
/// # Errors
/// [`crate::Error::Usage`] if the dataset holds something or another process is loading into it, [`crate::Error::Io`] and
/// [`crate::Error::Columns`], and those of `day`.
pub fn write_made(
    dataset: &mut Dataset,
    days: &[i32],
    day: &(dyn Fn(usize, &mut Push<'_>) -> Result<()> + Sync),
    progress: &dyn Progress,
) -> Result<()> {
    let staging = dataset.begin()?;
    if !dataset.ledger.days.is_empty() {
        return Err(Error::Usage(format!("`{}` holds events already: give a new folder", dataset.path.display())));
    }
    progress.begin("writing events", days.len() as u64, 0);
    let written = on_all_threads(days.len(), usize::MAX, |_, next| {
        let mut written: Vec<(String, Day)> = Vec::new();
        while let Some((number, date)) = next().and_then(|number| Some((number, date_text(*days.get(number)?)))) {
            let mut output = Output::create(&staging.folder.join(staged_name(&date, 0)))?;
            day(number, &mut |builder| {
                let batch = builder.finish()?;
                let places: Vec<Place> = (0..batch.num_rows()).map(|row| (0, row)).collect();
                output.push_rows(&[&batch], &places)
            })?;
            let mut entry = Day { files: 1, ..Day::default() };
            output.finish(&mut entry)?;
            progress.advance(0, entry.events);
            written.push((date, entry));
        }
        Ok(written)
    })?;
    progress.end();
    let mut ledger = dataset.ledger.clone();
    ledger.days = written.into_iter().flatten().collect::<BTreeMap<String, Day>>();
    let read = |(date, day): (&String, &Day)| ReadFile {
        source: SourceFile { file: format!("made/{date}"), bytes: 0, sha256: String::new(), records: day.events, read_up_to: None },
        skipped: Vec::new(),
        replaces: None,
    };
    let read = ledger.days.iter().map(read).collect();
    ledger.mapped_with(Catalog::builtin().version());
    ledger.enter(read)?;
    dataset.commit(staging, ledger)
}
