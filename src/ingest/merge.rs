//! Sorted runs of rows, in memory, in staging files, in the dataset; merging them in bounded memory.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::error::ArrowError;
use arrow::ipc::{reader::StreamReader, writer::StreamWriter};

use super::dataset::day_of;
use super::sorted::{Row, Sorted};
use crate::error::{Error, Result};
use crate::frame::schema::MAPPED;
use crate::frame::{Gather, Place, STAGED, parquet};

/// Rows of a batch that leaves a merge.
pub(super) const OUTPUT_ROWS: usize = 4_096;

/// About how many bytes a batch of a run has, which is what a merge holds of it.
const RUN_BATCH_BYTES: usize = 256 << 10;

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
                Ok(Box::new(batches.map(|batch| {
                    let sorted = Sorted::loaded(retyped(&batch?)?)?;
                    let rows = sorted.batch().num_rows();
                    Ok((Arc::new(sorted), 0..rows))
                })))
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
    let columns = MAPPED
        .fields()
        .iter()
        .map(|field| {
            let column =
                batch.column_by_name(field.name()).ok_or_else(|| Error::Columns(format!("column `{}` is missing", field.name())))?;
            Ok(arrow::compute::cast(column, field.data_type())?)
        })
        .collect::<Result<Vec<ArrayRef>>>()?;
    Ok(RecordBatch::try_new(MAPPED.clone(), columns)?)
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
        let (mut merge, mut gather) = (Merge::new(runs)?, Gather::default());
        let mut written = Vec::new();
        while let Some(day) = merge.day() {
            let mut failed = None;
            let run = self.run(|writer| {
                loop {
                    match merge.batch_of(day, &mut gather) {
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
        let mut writer = StreamWriter::try_new(&mut self.file, &STAGED).map_err(failed)?;
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
        // A usual day is written at once: to grow to it step by step would copy its rows twice.
        let mut merge = Self { heads: BinaryHeap::with_capacity(runs.len()), runs: Vec::new(), kept: Vec::with_capacity(OUTPUT_ROWS) };
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
        let from = head.0.0.sorted();
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
        self.heads.peek().map(|head| day_of(head.0.0.time()))
    }

    /// Keeps a row for the next batch.
    pub(super) fn keep(&mut self, row: Row) {
        self.kept.push(row);
    }

    /// How many rows are kept for the next batch.
    pub(super) fn kept(&self) -> usize {
        self.kept.len()
    }

    /// The rows that were kept, and what they are rows of.
    pub(super) fn take(&mut self) -> (Vec<Arc<Sorted>>, Vec<Place>) {
        let mut places = Vec::with_capacity(self.kept.len());
        let mut batches: Vec<Arc<Sorted>> = Vec::new();
        for row in self.kept.drain(..) {
            let known = batches.iter().rposition(|batch| Arc::ptr_eq(batch, row.sorted()));
            let place = known.unwrap_or_else(|| {
                batches.push(Arc::clone(row.sorted()));
                batches.len() - 1
            });
            places.push((place, row.row()));
        }
        (batches, places)
    }

    /// The next rows of a day, all of them kept, as many as a batch of a run has.
    fn batch_of(&mut self, day: i32, gather: &mut Gather) -> Result<Option<RecordBatch>> {
        let mut bytes = 0;
        while bytes < RUN_BATCH_BYTES && self.kept() < Gather::ROWS && self.day() == Some(day) {
            let Some(row) = self.next()? else { break };
            bytes += row.sorted().row_bytes();
            self.keep(row);
        }
        if self.kept.is_empty() {
            return Ok(None);
        }
        let (sorted, places) = self.take();
        let batches: Vec<&RecordBatch> = sorted.iter().map(|sorted| sorted.batch()).collect();
        gather.batch(&batches, &places).map(Some)
    }
}
