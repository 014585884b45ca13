//! Records that repeat a call under another event id: network activity, the copy in another account, what an addendum
//! replaces.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use arrow::array::RecordBatch;

use super::ledger::Calls;
use super::merge::{Merge, Run};
use super::sorted::{Mark, Row};
use crate::error::Result;
use crate::frame::{Texts, parquet};

/// The columns that [`Marks::read`] reads.
const COLUMNS: [&str; 6] = ["not_replayable", "request_id", "shared_event_id", "account_id", "principal_account_id", "addendum_of"];

/// What rows of network activity are not replayed for, whether their category or their type tells it.
const NETWORK_ACTIVITY: &str = "network_activity";

/// What the rows of a day say about other rows of it.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// Request ids of network activity.
    network: HashSet<String>,
    /// Shared ids of records in another account than the caller's.
    foreign: HashSet<String>,
    /// Account and id of the events that addenda replace.
    pub(super) replaced: BTreeSet<(Option<String>, String)>,
    /// Rows that were read.
    pub(super) rows: u64,
}

impl Marks {
    /// Reads the marks of some rows of a batch.
    ///
    /// # Errors
    /// [`crate::Error::Columns`].
    pub(super) fn read(&mut self, batch: &RecordBatch, rows: impl Iterator<Item = usize>) -> Result<()> {
        let text = |name: &str| Texts::of(batch, name);
        let (reason, request) = (text("not_replayable")?, text("request_id")?);
        let (shared, addendum) = (text("shared_event_id")?, text("addendum_of")?);
        let (account, principal_account) = (text("account_id")?, text("principal_account_id")?);
        let own = |text: &str| text.to_owned();
        // Most batches have none.
        let has_network = reason.has(NETWORK_ACTIVITY);
        for row in rows {
            self.rows += 1;
            if has_network && reason.get(row) == Some(NETWORK_ACTIVITY) {
                self.network.extend(request.get(row).map(own));
            }
            if let Some(original) = addendum.get(row) {
                self.replaced.insert((account.get(row).map(own), original.to_owned()));
            }
            let Some(shared) = shared.get(row) else { continue };
            if is_foreign(account.get(row), principal_account.get(row)) {
                self.foreign.insert(shared.to_owned());
            }
        }
        Ok(())
    }

    /// Reads the marks of an event file.
    ///
    /// # Errors
    /// [`crate::Error::Io`] and [`crate::Error::Columns`].
    pub(super) fn read_file(&mut self, file: &Path) -> Result<()> {
        parquet::read_each(file, Some(&COLUMNS), |batch| self.read(&batch, 0..batch.num_rows()))
    }

    /// Adds those of other rows of the day.
    pub(super) fn merge(&mut self, other: Self) {
        self.network.extend(other.network);
        self.foreign.extend(other.foreign);
        self.replaced.extend(other.replaced);
        self.rows += other.rows;
    }
}

/// Which records repeat one that is there.
#[derive(Debug, Default)]
pub(super) struct Twins {
    requests: HashSet<String>,
    shared: HashSet<String>,
    /// Event ids of copies in other accounts than the caller's.
    copies: HashSet<String>,
}

impl Calls {
    /// Adds the call of a row.
    pub(super) fn add(&mut self, row: &Row) {
        let (request, shared) = call(row);
        self.requests.extend(request.map(str::to_owned));
        self.shared.extend(shared.map(str::to_owned));
        self.copies.extend(of_call_elsewhere(row).map(|_| row.id().to_owned()));
    }
}

impl Twins {
    /// Finds the records that the marked ones repeat, beside the calls of those that addenda `replaced`. Most days have no marks,
    /// and their rows are not read for this.
    ///
    /// # Errors
    /// [`crate::Error::Io`] and [`crate::Error::Columns`].
    pub(super) fn find(marks: &Marks, runs: &[Run], replaced: &Calls) -> Result<Self> {
        let mut twins = Self::default();
        if marks.network.is_empty() && marks.foreign.is_empty() {
            return Ok(twins);
        }
        twins.requests.extend(replaced.requests.iter().filter(|request| marks.network.contains(*request)).cloned());
        twins.shared.extend(replaced.shared.iter().filter(|shared| marks.foreign.contains(*shared)).cloned());
        let mut merge = Merge::new(runs)?;
        let mut copies: Vec<(String, String)> = Vec::new();
        while let Some(row) = merge.next()? {
            if let Some(shared) = of_call_elsewhere(&row) {
                copies.push((shared.to_owned(), row.id().to_owned()));
            }
            let (request, shared) = call(&row);
            twins.requests.extend(request.filter(|request| marks.network.contains(*request)).map(str::to_owned));
            twins.shared.extend(shared.filter(|shared| marks.foreign.contains(*shared)).map(str::to_owned));
        }
        twins.copies.extend(copies.into_iter().filter(|(shared, _)| twins.shared.contains(shared)).map(|(_, id)| id));
        Ok(twins)
    }

    /// Whether a row is network activity of a call that is there.
    pub(super) fn is_network_twin(&self, row: &Row) -> bool {
        let is_known = || row.mark(Mark::RequestId).is_some_and(|request| self.requests.contains(request));
        // The call that an addendum would repeat may be what it takes the place of.
        !self.requests.is_empty() && is_known() && is_network(row) && row.mark(Mark::AddendumOf).is_none()
    }

    /// Whether a row is what another account sees of a call that is there.
    pub(super) fn is_copy(&self, row: &Row) -> bool {
        !self.shared.is_empty() && of_call_elsewhere(row).is_some_and(|shared| self.shared.contains(shared))
    }

    /// Whether a row tells less of one of those than it did itself, and may not tell that it is a copy.
    pub(super) fn is_poor_copy(&self, row: &Row, calls: &Calls) -> bool {
        (self.copies.contains(row.id()) || calls.copies.contains(row.id())) && row.is_poor()
    }
}

/// What tells the call of a row that others may repeat: its request id, and where the caller's account has it, its shared id.
fn call(row: &Row) -> (Option<&str>, Option<&str>) {
    let request = row.mark(Mark::RequestId).filter(|_| !is_network(row));
    (request, row.mark(Mark::SharedEventId).filter(|_| row.account() == row.mark(Mark::PrincipalAccount)))
}

/// The shared id of a row that stands in the log of another account than the caller's.
fn of_call_elsewhere(row: &Row) -> Option<&str> {
    row.mark(Mark::SharedEventId).filter(|_| is_foreign(row.account(), row.mark(Mark::PrincipalAccount)))
}

fn is_network(row: &Row) -> bool {
    row.mark(Mark::NotReplayable) == Some(NETWORK_ACTIVITY)
}

/// Whether a record stands in the log of another account than the caller's.
fn is_foreign(account: Option<&str>, principal_account: Option<&str>) -> bool {
    account.zip(principal_account).is_some_and(|(account, caller)| account != caller)
}
