//! The order of a day's rows, sorted runs of them, and merging runs in bounded memory.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::compute::interleave_record_batch;
use arrow::error::ArrowError;
use arrow::ipc::{reader::StreamReader, writer::StreamWriter};

use super::dataset::day_of;
use crate::error::{Error, Result};
use crate::frame::schema::EVENTS;
use crate::frame::{parquet, read};

/// Rows of a batch that leaves a merge.
pub(super) const OUTPUT_ROWS: usize = 4_096;

/// About how many bytes a batch of a run has, which is what a merge holds of it.
const RUN_BATCH_BYTES: usize = 256 << 10;

/// Rows, with an order to take them in if they do not stand in it, and the columns that the order is made of.
#[derive(Debug)]
pub(super) struct Sorted {
    batch: RecordBatch,
    order: Option<Vec<u32>>,
    time: TimestampMicrosecondArray,
    /// Event id, account, source, name, principal, error code: what makes two rows of one time the same event.
    identity: [StringArray; 6],
    file: StringArray,
    index: Int64Array,
    identity_type: StringArray,
    context_complete: BooleanArray,
    /// About how many bytes a row has.
    row_bytes: usize,
}

impl Sorted {
    /// A batch that is sorted.
    pub(super) fn new(batch: RecordBatch) -> Result<Self> {
        let text = |name: &str| read::text(&batch, name).cloned();
        Ok(Self {
            order: None,
            time: read::time(&batch, "event_time")?.clone(),
            identity: [
                text("event_id")?,
                text("account_id")?,
                text("event_source")?,
                text("event_name")?,
                text("principal_arn")?,
                text("error_code")?,
            ],
            file: text("source_file")?,
            index: read::int(&batch, "source_index")?.clone(),
            identity_type: text("identity_type")?,
            context_complete: read::flag(&batch, "request_context_complete")?.clone(),
            row_bytes: batch.get_array_memory_size() / batch.num_rows().max(1) + 1,
            batch,
        })
    }

    /// A batch in any order, of any days.
    pub(super) fn sort(batch: RecordBatch) -> Result<Self> {
        let mut sorted = Self::new(batch)?;
        let rows = u32::try_from(sorted.batch.num_rows()).map_err(|error| Error::Internal(error.to_string()))?;
        let mut keys: Vec<(i64, u64, u32)> = (0..rows).map(|row| (sorted.time(row), sorted.id_prefix(row), row)).collect();
        keys.sort_unstable_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)).then_with(|| sorted.compare(a.2, &sorted, b.2)));
        sorted.order = Some(keys.into_iter().map(|(_, _, row)| row).collect());
        Ok(sorted)
    }

    /// The days of the rows, and at which places of the order each begins and ends.
    pub(super) fn days(&self) -> Vec<(i32, Range<usize>)> {
        let mut days: Vec<(i32, Range<usize>)> = Vec::new();
        for (place, row) in (0..).map_while(|place| Some((place, self.at(place)?))) {
            let day = day_of(self.time(row));
            match days.last_mut() {
                Some((last, places)) if *last == day => places.end = place + 1,
                _ => days.push((day, place..place + 1)),
            }
        }
        days
    }

    /// The rows at those places, in order.
    pub(super) fn rows(&self, places: Range<usize>) -> impl Iterator<Item = usize> + '_ {
        places.filter_map(|place| self.at(place)).map(|row| row as usize)
    }

    /// The rows.
    pub(super) fn batch(&self) -> &RecordBatch {
        &self.batch
    }

    fn at(&self, place: usize) -> Option<u32> {
        match &self.order {
            Some(order) => order.get(place).copied(),
            None => u32::try_from(place).ok().filter(|_| place < self.batch.num_rows()),
        }
    }

    fn time(&self, row: u32) -> i64 {
        self.time.values().get(row as usize).copied().unwrap_or_default()
    }

    fn id_prefix(&self, row: u32) -> u64 {
        let [id, ..] = &self.identity;
        let id = read::get(id, row as usize).unwrap_or_default().as_bytes();
        let mut prefix = [0; 8];
        prefix.iter_mut().zip(id).for_each(|(to, from)| *to = *from);
        u64::from_be_bytes(prefix)
    }

    fn compare(&self, row: u32, other: &Self, other_row: u32) -> Ordering {
        self.compare_identity(row, other, other_row)
            .then_with(|| read::get(&self.file, row as usize).cmp(&read::get(&other.file, other_row as usize)))
            .then_with(|| self.index.values().get(row as usize).cmp(&other.index.values().get(other_row as usize)))
    }

    fn compare_identity(&self, row: u32, other: &Self, other_row: u32) -> Ordering {
        let texts = self.identity.iter().zip(&other.identity);
        texts.fold(self.time(row).cmp(&other.time(other_row)), |so_far, (a, b)| {
            so_far.then_with(|| read::get(a, row as usize).cmp(&read::get(b, other_row as usize)))
        })
    }
}

/// A row of a [`Sorted`]; ordered as the dataset is.
#[derive(Debug, Clone)]
pub(super) struct Row {
    time: i64,
    id_prefix: u64,
    row: u32,
    from: Arc<Sorted>,
}

impl Row {
    fn new(from: &Arc<Sorted>, row: u32) -> Self {
        Self { time: from.time(row), id_prefix: from.id_prefix(row), row, from: Arc::clone(from) }
    }

    /// A value of a text column.
    fn get<'r>(&self, column: &'r StringArray) -> Option<&'r str> {
        read::get(column, self.row as usize)
    }

    /// The event id.
    pub(super) fn id(&self) -> &str {
        let [id, ..] = &self.from.identity;
        self.get(id).unwrap_or_default()
    }

    /// The recipient account.
    pub(super) fn account(&self) -> Option<&str> {
        let [_, account, ..] = &self.from.identity;
        self.get(account)
    }

    /// A value of a text column that is no key.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        read::text(&self.from.batch, name).ok().and_then(|column| self.get(column))
    }

    /// Whether the rows have one time and id.
    pub(super) fn has_id_of(&self, other: &Self) -> bool {
        (self.time, self.id_prefix) == (other.time, other.id_prefix) && self.id() == other.id()
    }

    /// Whether the rows are one event: id, recipient account and fingerprint.
    pub(super) fn is_same_event(&self, other: &Self) -> bool {
        self.from.compare_identity(self.row, &other.from, other.row).is_eq()
    }

    /// Whether the row comes from a format that leaves out who called, and with what.
    pub(super) fn is_poor(&self) -> bool {
        let complete = self.from.context_complete.is_valid(self.row as usize) && self.from.context_complete.value(self.row as usize);
        self.get(&self.from.identity_type).is_none() && !complete
    }

    /// Event source and name.
    pub(super) fn call(&self) -> [Option<&str>; 2] {
        let [_, _, source, name, ..] = &self.from.identity;
        [self.get(source), self.get(name)]
    }
}

impl Ord for Row {
    fn cmp(&self, other: &Self) -> Ordering {
        let keys = (self.time, self.id_prefix).cmp(&(other.time, other.id_prefix));
        keys.then_with(|| self.from.compare(self.row, &other.from, other.row))
    }
}

impl PartialOrd for Row {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Row {}

/// Sorted rows of one day, in memory or in a file.
#[derive(Debug, Clone)]
pub(super) enum Run {
    /// In memory, from one place of the order to another.
    Memory(Arc<Sorted>, Range<usize>),
    /// A stretch of a staging file: where it begins and its length in bytes.
    Staged(PathBuf, u64, u64),
    /// An event file of the dataset.
    Events(PathBuf),
}

impl Run {
    fn open(&self) -> Result<Batches> {
        match self {
            Self::Memory(sorted, places) => Ok(Box::new(std::iter::once(Ok((Arc::clone(sorted), places.clone()))))),
            Self::Staged(path, begin, length) => {
                let failed = |error| Error::io("read", path, error);
                let mut file = File::open(path).map_err(failed)?;
                file.seek(SeekFrom::Start(*begin)).map_err(failed)?;
                let reader = StreamReader::try_new(BufReader::with_capacity(RUN_BATCH_BYTES / 4, file.take(*length)), None)?;
                Ok(Box::new(reader.map(|batch| whole(batch?))))
            }
            Self::Events(path) => {
                let batches = parquet::batches(path, None, 1_024)?;
                Ok(Box::new(batches.map(|batch| whole(retyped(&batch?)?))))
            }
        }
    }
}

/// Sorted batches, each with the places to take of its order.
type Batches = Box<dyn Iterator<Item = Result<(Arc<Sorted>, Range<usize>)>> + Send>;

fn whole(batch: RecordBatch) -> Result<(Arc<Sorted>, Range<usize>)> {
    let rows = batch.num_rows();
    Ok((Arc::new(Sorted::new(batch)?), 0..rows))
}

/// A batch as read from Parquet, with the schema of the program: field names inside lists differ.
fn retyped(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = EVENTS
        .schema
        .fields()
        .iter()
        .map(|field| {
            let column =
                batch.column_by_name(field.name()).ok_or_else(|| Error::Columns(format!("column `{}` is missing", field.name())))?;
            Ok(arrow::compute::cast(column, field.data_type())?)
        })
        .collect::<Result<Vec<ArrayRef>>>()?;
    Ok(RecordBatch::try_new(EVENTS.schema.clone(), columns)?)
}

/// Writes runs, one after the other, into a staging file.
pub(super) struct RunWriter {
    path: PathBuf,
    file: BufWriter<File>,
    at: u64,
}

impl RunWriter {
    /// Begins a staging file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn create(path: PathBuf) -> Result<Self> {
        let file = BufWriter::with_capacity(RUN_BATCH_BYTES, parquet::create_private(&path)?);
        Ok(Self { path, file, at: 0 })
    }

    /// Merges runs into one for each day, in order.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Columns`].
    pub(super) fn merge(&mut self, runs: &[Run]) -> Result<Vec<(i32, Run)>> {
        let mut merge = Merge::new(runs)?;
        let mut written = Vec::new();
        while let Some(day) = merge.day() {
            let mut failed = None;
            let run = self.run(|writer| {
                loop {
                    match merge.batch_of(day) {
                        Ok(Some(batch)) => writer.write(&batch)?,
                        Ok(None) => return Ok(()),
                        Err(error) => {
                            failed = Some(error);
                            return Ok(());
                        }
                    }
                }
            });
            written.push((day, failed.map_or(run, Err)?));
        }
        Ok(written)
    }

    fn run(&mut self, write: impl FnOnce(&mut StreamWriter<&mut BufWriter<File>>) -> Result<(), ArrowError>) -> Result<Run> {
        let path = &self.path;
        let failed = |error| match error {
            ArrowError::IoError(_, error) => Error::io("write", path, error),
            error => error.into(),
        };
        let mut writer = StreamWriter::try_new(&mut self.file, &EVENTS.schema).map_err(failed)?;
        write(&mut writer).and_then(|()| writer.finish()).map_err(failed)?;
        drop(writer);
        let begin = self.at;
        self.at = self.file.stream_position().map_err(|error| Error::io("write", path, error))?;
        Ok(Run::Staged(path.clone(), begin, self.at - begin))
    }

    /// Ends the file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn finish(mut self) -> Result<()> {
        self.file.flush().map_err(|error| Error::io("write", &self.path, error))
    }
}

/// Takes the rows of several runs in order, and collects those that are kept into batches.
pub(super) struct Merge {
    heads: BinaryHeap<Reverse<(Row, usize)>>,
    /// The batches that are left of each run, and the places that are left of the one that its head is from.
    runs: Vec<(Batches, Range<usize>)>,
    kept: Vec<Row>,
}

impl Merge {
    /// The most runs that are open at once.
    const MOST: usize = 64;

    /// Merges the runs of a day until no more than can be open at once are left. `file` names the staging files that it
    /// needs.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Columns`].
    pub(super) fn reduce(mut runs: Vec<Run>, file: &dyn Fn(usize) -> PathBuf) -> Result<Vec<Run>> {
        let mut rounds = 0;
        while runs.len() > Self::MOST {
            let mut writer = RunWriter::create(file(rounds))?;
            let merged = runs.chunks(Self::MOST).map(|some| writer.merge(some)).collect::<Result<Vec<_>>>()?;
            writer.finish()?;
            runs = merged.into_iter().flatten().map(|(_, run)| run).collect();
            rounds += 1;
        }
        Ok(runs)
    }

    /// Opens the runs.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Columns`].
    pub(super) fn new(runs: &[Run]) -> Result<Self> {
        let mut merge = Self { heads: BinaryHeap::with_capacity(runs.len()), runs: Vec::new(), kept: Vec::new() };
        for run in runs {
            merge.runs.push((run.open()?, 0..0));
            merge.refill(merge.runs.len() - 1)?;
        }
        Ok(merge)
    }

    /// Puts the first row of a run's next batch among the heads.
    fn refill(&mut self, run: usize) -> Result<()> {
        let Some((batches, left)) = self.runs.get_mut(run) else { return Ok(()) };
        for batch in batches.by_ref() {
            let (sorted, places) = batch?;
            *left = places;
            if let Some(row) = left.next().and_then(|place| sorted.at(place)) {
                self.heads.push(Reverse((Row::new(&sorted, row), run)));
                return Ok(());
            }
        }
        Ok(())
    }

    /// The next row.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Columns`].
    pub(super) fn next(&mut self) -> Result<Option<Row>> {
        let Some(mut head) = self.heads.peek_mut() else { return Ok(None) };
        let run = head.0.1;
        let left = self.runs.get_mut(run).and_then(|(_, places)| places.next());
        let from = &head.0.0.from;
        if let Some(row) = left.and_then(|place| from.at(place)) {
            let next = Row::new(from, row);
            return Ok(Some(std::mem::replace(&mut head.0.0, next)));
        }
        let Reverse((row, _)) = PeekMut::pop(head);
        self.refill(run)?;
        Ok(Some(row))
    }

    /// The day of the next row.
    fn day(&self) -> Option<i32> {
        self.heads.peek().map(|head| day_of(head.0.0.time))
    }

    /// Keeps a row for the next batch.
    pub(super) fn keep(&mut self, row: Row) {
        self.kept.push(row);
    }

    /// How many rows are kept for the next batch.
    pub(super) fn kept(&self) -> usize {
        self.kept.len()
    }

    /// The rows that were kept, as a batch.
    ///
    /// # Errors
    /// [`Error::Columns`].
    pub(super) fn batch(&mut self) -> Result<RecordBatch> {
        let mut places = Vec::with_capacity(self.kept.len());
        let mut batches: Vec<&Arc<Sorted>> = Vec::new();
        for row in &self.kept {
            let known = batches.iter().rposition(|batch| Arc::ptr_eq(batch, &row.from));
            let place = known.unwrap_or_else(|| {
                batches.push(&row.from);
                batches.len() - 1
            });
            places.push((place, row.row as usize));
        }
        let batches: Vec<&RecordBatch> = batches.iter().map(|sorted| &sorted.batch).collect();
        let batch =
            if batches.is_empty() { RecordBatch::new_empty(EVENTS.schema.clone()) } else { interleave_record_batch(&batches, &places)? };
        self.kept.clear();
        Ok(batch)
    }

    /// The next rows of a day, all of them kept, as many as a batch of a run has.
    fn batch_of(&mut self, day: i32) -> Result<Option<RecordBatch>> {
        let mut bytes = 0;
        while bytes < RUN_BATCH_BYTES && self.day() == Some(day) {
            let Some(row) = self.next()? else { break };
            bytes += row.from.row_bytes;
            self.keep(row);
        }
        if self.kept.is_empty() { Ok(None) } else { self.batch().map(Some) }
    }
}

/// The folder's entries that are still there when it is read; none if it is not there.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::io("read", folder, error)),
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path()).map_err(|error| Error::io("read", folder, error))).collect(),
    }
}
