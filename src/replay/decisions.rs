//! The decision on every event, for those who want to count otherwise: a second pass over the events, once all distinct
//! requests are decided.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use hashbrown::HashMap;
use rayon::prelude::*;

use super::kernel::{Kernel, Shared};
use super::request::RequestKey;
use super::row::ChangeKey;
use crate::error::Result;
use crate::frame::parquet::TableWriter;
use crate::frame::schema::DECISIONS;
use crate::frame::{Cell, EventReader, EventRows, Grain, TableBuilder, Texts, read};
use crate::progress::Progress;

/// What each candidate makes of a distinct request: in the order of the candidates.
type Decided = Vec<Arc<ChangeKey>>;

/// The decisions on all distinct requests.
#[derive(Default)]
pub(super) struct Decisions<'r> {
    candidates: Vec<Arc<str>>,
    /// For each candidate, in the order of their names: its place, and the rest of a row.
    of_request: HashMap<&'r RequestKey, Vec<[String; 4]>, foldhash::fast::FixedState>,
}

impl<'r> Decisions<'r> {
    /// Collects them.
    pub(super) fn new(candidates: Vec<Arc<str>>, decided: impl Iterator<Item = (&'r RequestKey, Decided)>) -> Self {
        let mut order: Vec<usize> = (0..candidates.len()).collect();
        order.sort_by_key(|index| candidates.get(*index));
        let cells = |keys: &Decided| -> Vec<[String; 4]> {
            let one = |index: &usize| {
                let (key, candidate) = (keys.get(*index)?, candidates.get(*index)?);
                let decisions = [key.baseline_decision, key.candidate_decision].map(|decision| decision.name().to_owned());
                let [baseline, other] = decisions;
                Some([key.change.name().to_owned(), key.id(candidate), baseline, other])
            };
            order.iter().filter_map(one).collect()
        };
        let of_request = decided.map(|(request, keys)| (request, cells(&keys))).collect();
        let candidates = order.iter().filter_map(|index| candidates.get(*index)).cloned().collect();
        Self { candidates, of_request }
    }

    /// Writes the table. Files are decided in parallel, a few at a time, and written in their order.
    pub(super) fn write(
        &self,
        path: &Path,
        files: &[PathBuf],
        shared: &Shared<'_>,
        columns: &[&str],
        progress: &dyn Progress,
    ) -> Result<()> {
        let columns: Vec<&str> = columns.iter().copied().chain(["source_index"]).collect();
        let mut writer = TableWriter::create(path, &DECISIONS)?;
        progress.begin("writing decisions", files.len() as u64, 0);
        for some in files.chunks(rayon::current_num_threads().max(1)) {
            let written = some.par_iter().map(|file| self.file(file, shared, &columns)).collect::<Result<Vec<_>>>()?;
            for batches in written {
                batches.iter().try_for_each(|batch| writer.push(batch))?;
                let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>();
                progress.advance(0, rows / self.candidates.len().max(1) as u64);
            }
        }
        progress.end();
        writer.finish()
    }

    fn file(&self, file: &Path, shared: &Shared<'_>, columns: &[&str]) -> Result<Vec<RecordBatch>> {
        let mut kernel = Kernel::new(shared);
        let mut batches = Vec::new();
        EventReader::new()?.read(file, columns, |rows| {
            kernel.consume(&rows)?;
            batches.push(self.batch(&rows, &kernel)?);
            Ok(())
        })?;
        Ok(batches)
    }

    fn batch(&self, rows: &EventRows, kernel: &Kernel<'_>) -> Result<RecordBatch> {
        let batch = &rows.events;
        let (ids, times, indexes) = (Texts::of(batch, "event_id")?, read::time(batch, "event_time")?, read::int(batch, "source_index")?);
        let (accounts, files) = (Texts::of(rows.batch(Grain::Call), "account_id")?, Texts::of(batch, "source_file")?);
        let account = |row: usize| accounts.get(*rows.numbers(Grain::Call).get(row)? as usize);
        let mut table = TableBuilder::new(&DECISIONS)?;
        for (row, outcome) in kernel.events_of_batch() {
            let (decided, reason) = match outcome {
                Ok(request) => (self.of_request.get(request), None),
                Err(reason) => (None, Some(reason)),
            };
            for (at, candidate) in self.candidates.iter().enumerate() {
                let cells = decided.and_then(|decided| decided.get(at));
                let cell = |place: usize| Cell::text(cells.and_then(|cells| cells.get(place)).map(String::as_str));
                table.push(vec![
                    Cell::text(ids.get(row)),
                    Cell::Time(times.value(row)),
                    Cell::text(account(row)),
                    candidate.as_ref().into(),
                    cell(0),
                    cell(1),
                    cell(2),
                    cell(3),
                    Cell::text(reason),
                    Cell::text(files.get(row)),
                    Cell::Int(indexes.value(row)),
                ])?;
            }
        }
        table.finish()
    }
}
