//! Event rows of a thread on their way into the dataset: columns, in memory up to a budget, in staging files beyond it.

use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;

use super::merge::{Run, RunWriter};
use super::sorted::Sorted;
use super::waiting::{NEVER, Waiting};
use crate::error::Result;
use crate::frame::{EventBuilder, EventRow, Gather, Place};

/// About how many bytes of rows are sorted at once, and which part of the budget at most.
const BATCH_BYTES: usize = 3 << 20;
const BATCH_PART: usize = 8;

/// The rows of one thread. Those of all days stand in the same columns: sorted by time, a day is a stretch of them.
pub(super) struct Buffers<'s> {
    builder: EventBuilder,
    /// The time of the first row of the builder.
    first: i64,
    /// Where the sorted rows wait for their days.
    waiting: &'s Waiting,
    /// Batches of which rows wait in memory.
    sorted: Vec<Arc<Sorted>>,
    /// How much memory they may take at most, and until it is next tried to give some free.
    most: usize,
    budget: usize,
    /// Whether rows have spilled, and no days were written since that gave much free.
    has_spilled: bool,
    staging: &'s Path,
    thread: usize,
    staged: usize,
}

impl<'s> Buffers<'s> {
    /// Which part of the memory is used again once days were written: what the next ones have is all that has to wait.
    const LESS: usize = 2;
    /// Which part is used again once rows have spilled: most will wait in files, and the last ones in memory until all are written.
    const LEAST: usize = 4;
    /// Which part there has to be beyond what waits, or it is time to spill.
    const ROOM: usize = 8;
    /// Which part of it a file may take beyond it, until days are written between two files.
    const MORE: usize = 4;

    /// Buffers of one thread, which spill to `staging` beyond `budget` bytes.
    pub(super) fn new(waiting: &'s Waiting, staging: &'s Path, thread: usize, budget: usize) -> Self {
        Self {
            builder: EventBuilder::default(),
            first: NEVER,
            waiting,
            sorted: Vec::new(),
            most: budget,
            budget,
            has_spilled: false,
            staging,
            thread,
            staged: 0,
        }
    }

    /// Whether what the next row says of the caller of that number is not looked at.
    pub(super) fn has_caller(&mut self, caller: u64) -> bool {
        self.builder.has_caller(caller)
    }

    /// Adds rows.
    ///
    /// # Errors
    /// [`crate::Error::Io`] if a staging file cannot be written, [`crate::Error::Columns`].
    pub(super) fn push(&mut self, rows: &[EventRow<'_>]) -> Result<()> {
        self.first = rows.iter().map(|row| row.event_time).fold(self.first, i64::min);
        self.builder.push_all(rows)?;
        if self.builder.bytes() < BATCH_BYTES.min(self.most / BATCH_PART) {
            return Ok(());
        }
        self.sort()?;
        if self.bytes() < self.budget + self.budget / Self::MORE { Ok(()) } else { self.spill() }
    }

    /// How many bytes the batches have of which rows wait in memory.
    fn bytes(&mut self) -> usize {
        // Of the others every day is written.
        self.sorted.retain(|sorted| Arc::strong_count(sorted) > 1);
        self.sorted.iter().map(|sorted| sorted.bytes()).sum()
    }

    /// Sorts the rows of the builder.
    fn sort(&mut self) -> Result<()> {
        if self.builder.is_empty() {
            return Ok(());
        }
        let sorted = Arc::new(Sorted::sort(self.builder.finish()?)?);
        self.waiting.add(self.thread, &sorted)?;
        self.sorted.push(sorted);
        self.first = NEVER;
        Ok(())
    }

    /// Gives memory free after days were written, if that did not: rows spill.
    ///
    /// # Errors
    /// [`crate::Error::Io`] if a staging file cannot be written, [`crate::Error::Columns`].
    pub(super) fn make_room(&mut self) -> Result<()> {
        self.gather_scattered()?;
        let left = self.bytes();
        let room = self.most / Self::ROOM;
        let is_enough = if self.has_spilled { left < self.budget / 2 } else { left + room < self.most };
        if !is_enough {
            return self.spill();
        }
        self.budget = (self.most / Self::LESS).max(left + room);
        self.has_spilled = false;
        Ok(())
    }

    /// Puts what waits of batches of which most is written into batches of its own: a few rows of other days, as of an account
    /// with few calls, of which a file spans weeks, would keep all of a batch in memory.
    fn gather_scattered(&mut self) -> Result<()> {
        let left = self.waiting.left(&self.sorted);
        let most_is_written = |(left, sorted): &(usize, Arc<Sorted>)| left * 2 < sorted.batch().num_rows();
        let (scattered, whole): (Vec<_>, Vec<_>) = left.into_iter().zip(self.sorted.drain(..)).partition(most_is_written);
        self.sorted.extend(whole.into_iter().map(|(_, sorted)| sorted));
        if scattered.is_empty() {
            return Ok(());
        }
        let scattered: Vec<Arc<Sorted>> = scattered.into_iter().map(|(_, sorted)| sorted).collect();
        let batches: Vec<&RecordBatch> = scattered.iter().map(|sorted| sorted.batch()).collect();
        let mut rows: Vec<Place> = Vec::new();
        for run in self.waiting.take(self.thread, &scattered).into_values().flatten() {
            let Run::Memory(of, places) = run else { continue };
            let batch = scattered.iter().position(|sorted| Arc::ptr_eq(sorted, &of)).unwrap_or(usize::MAX);
            rows.extend(of.rows(places).map(|row| (batch, row)));
        }
        let (mut gather, mut runs) = (Gather::default(), Vec::new());
        for rows in rows.chunks(Gather::ROWS) {
            let sorted = Arc::new(Sorted::sort(gather.batch(&batches, rows)?)?);
            runs.extend(sorted.days().into_iter().map(|(day, places)| (day, Run::Memory(Arc::clone(&sorted), places))));
            self.sorted.push(sorted);
        }
        self.waiting.give_back(self.thread, runs, self.first);
        Ok(())
    }

    fn spill(&mut self) -> Result<()> {
        self.staged += 1;
        let mut writer = RunWriter::create(self.staging.join(format!("{}-{}.run", self.thread, self.staged)))?;
        let mut written = Vec::new();
        for runs in self.waiting.take(self.thread, &self.sorted).values() {
            written.extend(writer.merge(runs)?);
        }
        writer.finish()?;
        self.waiting.give_back(self.thread, written, self.first);
        self.sorted.clear();
        self.budget = self.most / Self::LEAST;
        self.has_spilled = true;
        Ok(())
    }

    /// A file has ended, and the next row is of another one. Whether it is time to write days that are complete,
    /// and to [`Self::make_room`] then.
    pub(super) fn end_file(&mut self) -> bool {
        self.waiting.end_file(self.thread, self.first);
        self.bytes() >= self.budget
    }

    /// Hands on what is not sorted.
    ///
    /// # Errors
    /// [`crate::Error::Columns`].
    pub(super) fn finish(mut self) -> Result<()> {
        self.sort()
    }
}
