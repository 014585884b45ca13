//! Writes the files of the events dataset.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use arrow::array::RecordBatch;
use arrow::datatypes::Field;

use super::Text;
use super::chunk::Stored;
use super::event::CODED;
use super::grain::{self, Grain};
use super::places::Place;
use super::rows_writer::{Files, Room, RowsWriter};
use super::schema::EVENTS;
use crate::error::{Error, Result};

/// The columns whose pages zstd only stores. Replays read them, again and again; random ids and times, and codes of what changes from row to
/// row, hardly shrink to half, and inflating them took longer than all else that is read. Of `request_id`, which they do not read, to
/// shrink it to half took a fortieth of the time of loading.
const RAW: [&str; 24] = [
    "event_id",
    "request_id",
    "event_time",
    "region",
    "account_id",
    "principal_account_id",
    "identity_type",
    "principal_id",
    "session_name",
    "session_issuer_arn",
    "assumed_root",
    "console_session",
    "access_key_id",
    "mfa",
    "tls",
    "outcome",
    "denied_by",
    "action",
    "mapping_source",
    "resource_source",
    "event_category",
    "not_replayable",
    "source_file",
    "vpc_endpoint_id",
];

/// Writes one file: beside it first, then renamed, so that a file is whole or not there.
pub struct EventWriter {
    rows: RowsWriter,
    counted: BTreeMap<&'static str, BTreeMap<String, u64>>,
}

thread_local! {
    /// That of the thread's last file.
    static ROOM: Cell<Option<Box<Room>>> = const { Cell::new(None) };
}

static EVERY_FILE: LazyLock<std::result::Result<Files, String>> = LazyLock::new(|| Files::of(&EVENTS).map_err(|error| error.to_string()));

impl EventWriter {
    /// Begins a file. The values of the columns `counted` are counted.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Columns`].
    pub fn create(path: &Path, counted: &[Text]) -> Result<Self> {
        let files = EVERY_FILE.as_ref().map_err(|error| Error::Columns(error.clone()))?;
        let stored = |field: &Field| if RAW.contains(&field.name().as_str()) { Stored::AS_IT_IS } else { Stored::COMPRESSED };
        let room = ROOM.take().map_or_else(|| Room::new(CODED.fields(), stored), |room| Ok(*room))?;
        let counted = counted.iter().filter_map(|column| Text::NAMES.get(*column as usize)).map(|name| (*name, BTreeMap::new()));
        Ok(Self { rows: RowsWriter::create(path, files, room)?, counted: counted.collect() })
    }

    /// Adds rows of some batches, which have the columns of the events dataset.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Columns`].
    pub fn push(&mut self, batches: &[&RecordBatch], places: &[Place]) -> Result<()> {
        let Self { rows, counted } = self;
        rows.push(&[(batches, places)], |rows| end_group(rows, counted))
    }

    /// Ends the file and puts it in its place. Returns how often each value of the columns that are counted stands there; nulls
    /// are counted as the empty text. That the content survives a loss of power is left to whoever commits it.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Columns`].
    pub fn finish(self) -> Result<BTreeMap<&'static str, BTreeMap<String, u64>>> {
        let Self { rows, mut counted } = self;
        let room = rows.finish(|rows| end_group(rows, &mut counted))?;
        ROOM.set(room.kept().map(Box::new));
        Ok(counted)
    }
}

/// Counts the values of a row group, numbers its callers and calls, and ends it.
fn end_group(rows: &mut RowsWriter, counted: &mut BTreeMap<&'static str, BTreeMap<String, u64>>) -> Result<()> {
    for (field, column) in CODED.fields().iter().zip(rows.columns()) {
        let Some(counts) = counted.get_mut(field.name().as_str()) else { continue };
        for (value, count) in column.counts() {
            *counts.entry(value.unwrap_or_default().to_owned()).or_default() += count;
        }
    }
    let numbers = Grain::NUMBERS.map(|(grain, _)| numbers(rows, grain));
    rows.end_group(&numbers)
}

/// The numbers of a grain, for each row of the row group.
fn numbers(rows: &RowsWriter, grain: Grain) -> Vec<u32> {
    let columns = CODED.fields().iter().zip(rows.columns());
    let columns = columns.filter(|(field, _)| Grain::of(field.name()) == grain).flat_map(|(_, column)| column.numbers());
    grain::number(&columns.collect::<Vec<_>>(), rows.rows())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use rand::{Rng as _, SeedableRng as _};

    use super::*;
    use crate::frame::{Check, EventBuilder, EventRow, Flag};

    /// Rows of all kinds of columns: a third of the cells are nothing.
    fn rows(count: usize, rng: &mut rand_chacha::ChaCha8Rng) -> RecordBatch {
        let mut builder = EventBuilder::default();
        for number in 0..count {
            let mut row = EventRow::new(rng.random_range(0..1_000_000), number as i64);
            for column in Text::ALL {
                let most = if rng.random_bool(0.9) { 9 } else { 100_000 };
                row.set(column, rng.random_bool(0.7).then(|| format!("{column:?} {}", rng.random_range(0..most))));
            }
            for flag in Flag::ALL {
                row.flag(flag, rng.random_bool(0.7).then(|| rng.random()));
            }
            row.session_created = rng.random_bool(0.7).then_some(7);
            for _ in 0..rng.random_range(0..3) {
                row.more_checks.push(Check { action: Cow::Borrowed("iam:PassRole"), resource: None, source: "catalog" });
                let texts = rng.random_bool(0.7).then(|| vec!["a".to_owned(); rng.random_range(0..3)]);
                row.request_context.push((format!("k{}", row.request_context.len()), texts));
            }
            builder.push(&row).unwrap();
        }
        builder.finish().unwrap()
    }

    fn written(path: &Path, batch: &RecordBatch) -> (Vec<u8>, BTreeMap<&'static str, BTreeMap<String, u64>>) {
        let mut writer = EventWriter::create(path, &[Text::AccountId]).unwrap();
        let places: Vec<Place> = (0..batch.num_rows()).rev().map(|row| (0, row)).collect();
        for some in places.chunks(4_096) {
            writer.push(&[batch], some).unwrap();
        }
        let counts = writer.finish().unwrap();
        (std::fs::read(path).unwrap(), counts)
    }

    #[test]
    fn a_file_does_not_depend_on_those_that_its_thread_has_written_before() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.parquet");
        for count in [3, 300, 1, Room::KEPT + 1, 0, 40] {
            let batch = rows(count, &mut rng);
            let after_others = written(&path, &batch);
            let first = std::thread::scope(|scope| scope.spawn(|| written(&path, &batch)).join().unwrap());
            assert!(after_others == first, "{count} rows");
        }
    }
}
