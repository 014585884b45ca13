//! How far the baseline can be trusted for each principal: by the events of the log that it cannot explain.

use std::collections::BTreeMap;

use arrow::array::{Array as _, RecordBatch};

use crate::error::Result;
use crate::frame::read;

/// The share of contradicted events above which results for a principal are not reliable, in percent.
const TRUSTED_UP_TO: u64 = 1;

/// A principal's events that the baseline was held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trust {
    /// Events that the baseline cannot explain.
    pub(super) contradict: u64,
    /// These and the events with which it agrees.
    pub(super) judged: u64,
}

impl Trust {
    /// Whether results for the principal are not reliable.
    pub(super) fn is_lost(self) -> bool {
        self.contradict * 100 > self.judged * TRUSTED_UP_TO
    }
}

/// The principals with contradicted events, by ARN.
pub(super) fn contradicted(principals: &RecordBatch) -> Result<BTreeMap<String, Trust>> {
    let (arns, candidates) = (read::text(principals, "principal_arn")?, read::text(principals, "candidate")?);
    let (agree, contradict) = (read::int(principals, "agree")?, read::int(principals, "contradict")?);
    let mut found = BTreeMap::new();
    for row in (0..principals.num_rows()).filter(|row| contradict.is_valid(*row) && contradict.value(*row) > 0) {
        // The same for every candidate: the first is taken.
        let (Some(arn), Some(candidate)) = (read::get(arns, row), read::get(candidates, row)) else { continue };
        if Some(candidate) != read::get(candidates, 0) {
            continue;
        }
        let count = |value: i64| u64::try_from(value).unwrap_or(0);
        let contradict = count(contradict.value(row));
        found.insert(arn.to_owned(), Trust { contradict, judged: contradict + count(agree.value(row)) });
    }
    Ok(found)
}
