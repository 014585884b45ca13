//! Event rows on their way into the dataset: columns by day, in memory up to a budget, in staging files beyond it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::merge::{Run, RunWriter};
use super::sorted::Sorted;
use super::twins::Marks;
use crate::error::Result;
use crate::frame::{EventBuilder, EventRow};

/// About how many bytes of rows are sorted at once.
const BATCH_BYTES: usize = 3 << 20;

/// The rows of one thread. Those of all days stand in the same columns: sorted by time, a day is a stretch of them.
pub(super) struct Buffers<'s> {
    builder: EventBuilder,
    sorted: Vec<Arc<Sorted>>,
    /// About how much memory they take.
    sorted_bytes: usize,
    /// How much they may take.
    budget: usize,
    staging: &'s Path,
    thread: usize,
    staged: usize,
    collected: Collected,
}

/// What the buffers of a run came to.
#[derive(Debug, Default)]
pub(super) struct Collected {
    /// Sorted rows by day.
    pub(super) runs: BTreeMap<i32, Vec<Run>>,
    /// What the rows say about other rows, by day.
    pub(super) marks: BTreeMap<i32, Marks>,
}

impl<'s> Buffers<'s> {
    /// Which part of the budget is used again after rows have spilled.
    const LESS: usize = 4;

    /// Buffers of one thread, which spill to `staging` beyond `budget` bytes.
    pub(super) fn new(staging: &'s Path, thread: usize, budget: usize) -> Self {
        Self {
            builder: EventBuilder::default(),
            sorted: Vec::new(),
            sorted_bytes: 0,
            budget,
            staging,
            thread,
            staged: 0,
            collected: Collected::default(),
        }
    }

    /// Whether what a row says of the caller of that number is not looked at.
    pub(super) fn has_caller(&self, caller: u64) -> bool {
        self.builder.has_caller(caller)
    }

    /// Adds a row.
    ///
    /// # Errors
    /// [`crate::Error::Io`] if a staging file cannot be written, [`crate::Error::Columns`].
    pub(super) fn push(&mut self, row: &EventRow<'_>) -> Result<()> {
        self.builder.push(row)?;
        if self.builder.bytes() < BATCH_BYTES.min(self.budget) {
            return Ok(());
        }
        self.sort()?;
        if self.sorted_bytes < self.budget { Ok(()) } else { self.spill() }
    }

    /// Sorts the rows of the builder.
    fn sort(&mut self) -> Result<()> {
        if self.builder.is_empty() {
            return Ok(());
        }
        let sorted = Arc::new(Sorted::sort(self.builder.finish()?)?);
        self.sorted_bytes += sorted.bytes();
        for (day, places) in sorted.days() {
            self.collected.marks.entry(day).or_default().read(sorted.batch(), sorted.rows(places))?;
        }
        self.sorted.push(sorted);
        Ok(())
    }

    fn spill(&mut self) -> Result<()> {
        self.staged += 1;
        let mut writer = RunWriter::create(self.staging.join(format!("{}-{}.run", self.thread, self.staged)))?;
        let whole = |sorted: Arc<Sorted>| Run::Memory(Arc::clone(&sorted), 0..sorted.batch().num_rows());
        let runs: Vec<Run> = self.sorted.drain(..).map(whole).collect();
        for (day, run) in writer.merge(&runs)? {
            self.collected.runs.entry(day).or_default().push(run);
        }
        // Most rows will wait in files, and the last ones in memory until all are written: no need to fill as much of it again.
        if self.staged == 1 {
            self.budget /= Self::LESS;
        }
        self.sorted_bytes = 0;
        writer.finish()
    }

    /// Everything that was pushed.
    ///
    /// # Errors
    /// [`crate::Error::Columns`].
    pub(super) fn finish(mut self) -> Result<Collected> {
        self.sort()?;
        for sorted in &self.sorted {
            for (day, places) in sorted.days() {
                self.collected.runs.entry(day).or_default().push(Run::Memory(Arc::clone(sorted), places));
            }
        }
        Ok(self.collected)
    }
}

impl Collected {
    /// Adds what another thread collected.
    pub(super) fn merge(mut self, other: Self) -> Self {
        other.runs.into_iter().for_each(|(day, runs)| self.runs.entry(day).or_default().extend(runs));
        other.marks.into_iter().for_each(|(day, marks)| self.marks.entry(day).or_default().merge(marks));
        self
    }
}
