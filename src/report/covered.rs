//! Where and when there are events at all, from the coverage table, which can be large: most of its rows are gaps.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use arrow::array::Array as _;

use crate::error::Result;
use crate::frame::{parquet, read};

/// Days with events.
#[derive(Debug)]
pub(super) struct Covered {
    /// Days with an event, by account of the logs and the policies.
    pub(super) accounts: BTreeMap<String, usize>,
    /// Days with an event.
    pub(super) days: usize,
    /// Days of the window.
    pub(super) window: u64,
}

impl Covered {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let mut accounts: BTreeMap<String, BTreeSet<i32>> = BTreeMap::new();
        let mut window: BTreeSet<i32> = BTreeSet::new();
        parquet::read_each(path, Some(&["account_id", "day", "events"]), |batch| {
            let (names, events, days) = (read::text(&batch, "account_id")?, read::int(&batch, "events")?, read::day(&batch, "day")?);
            for row in 0..batch.num_rows() {
                let Some(account) = read::get(names, row) else { continue };
                if !accounts.contains_key(account) {
                    accounts.insert(account.to_owned(), BTreeSet::new());
                }
                if days.is_valid(row) && window.last() != Some(&days.value(row)) {
                    window.insert(days.value(row));
                }
                if events.value(row) > 0
                    && let Some(seen) = accounts.get_mut(account)
                {
                    seen.insert(days.value(row));
                }
            }
            Ok(())
        })?;
        let days = accounts.values().flatten().collect::<BTreeSet<_>>().len();
        let accounts = accounts.into_iter().map(|(account, days)| (account, days.len())).collect();
        Ok(Self { accounts, days, window: window.len() as u64 })
    }
}
