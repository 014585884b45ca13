//! What the log tells of policies, tags and sessions in time: a first pass over the calls that changed them.

use arrow::array::RecordBatch;

use serde_json::Value as Json;

use super::sessions::{Asking, Issued, Sessions};
use crate::account::PolicySet;
use crate::account::history::{Call, History, ISSUING, ResourceTags, member};
use crate::error::Result;
use crate::frame::{Texts, read};

/// The columns that tell it.
pub(super) const COLUMNS: [&str; 9] = [
    "access_change",
    "event_time",
    "event_source",
    "event_name",
    "account_id",
    "identity_type",
    "principal_arn",
    "access_key_id",
    "issued_access_key_id",
];

/// Calls of one part of the log.
#[derive(Debug, Default)]
pub(super) struct Scan {
    calls: Vec<Call>,
    issued: Vec<Issued>,
}

/// What is known of other times than that of the newest policies.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// Policies; `None` if they did not change.
    pub(super) history: Option<History>,
    pub(super) sessions: Sessions,
    pub(super) tags: ResourceTags,
    /// Within so many microseconds of a change either state may have been in force.
    pub(super) window: i64,
}

impl Scan {
    /// Adds the calls of a batch.
    pub(super) fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        // A dataset of an older version has no such column.
        let changes = Texts::of(batch, "access_change")?;
        if changes.is_empty() {
            return Ok(());
        }
        let text = |name: &str| Texts::of(batch, name);
        let (sources, names, accounts) = (text("event_source")?, text("event_name")?, text("account_id")?);
        let (types, arns, keys, issued) =
            (text("identity_type")?, text("principal_arn")?, text("access_key_id")?, text("issued_access_key_id")?);
        let times = read::time(batch, "event_time")?;
        for row in 0..batch.num_rows() {
            let Some(change) = changes.get(row) else { continue };
            let (source, name) = (sources.get(row).unwrap_or_default().trim(), names.get(row).unwrap_or_default());
            let Ok(change) = serde_json::from_str::<Json>(change) else { continue };
            let part = |part: &str| member(&change, part).cloned().unwrap_or_default();
            let time = times.value(row);
            if ISSUING.contains(&name) {
                let caller = Asking { identity_type: types.get(row).unwrap_or_default(), access_key: keys.get(row), arn: arns.get(row) };
                self.issued.extend(issued.get(row).and_then(|key| Issued::read(name, key, caller, time, &part("request"))));
                continue;
            }
            self.calls.push(Call {
                time,
                account: accounts.get(row).unwrap_or_default().to_owned(),
                source: source.to_owned(),
                name: name.to_owned(),
                request: part("request"),
                response: part("response"),
            });
        }
        Ok(())
    }
}

impl Timeline {
    /// What the parts of a log come to, in any order of the parts.
    pub(super) fn new(parts: Vec<Scan>, baseline: &PolicySet, window: i64) -> Self {
        let (mut calls, mut issued): (Vec<Call>, Vec<Issued>) = (Vec::new(), Vec::new());
        for part in parts {
            calls.extend(part.calls);
            issued.extend(part.issued);
        }
        calls.sort_by(|a, b| a.order().cmp(&b.order()));
        issued.sort_by(|a, b| (a.time, &a.key).cmp(&(b.time, &b.key)));
        // Where the log is the baseline, what was in force is what the log says.
        let history = if baseline.logged { None } else { History::new(baseline, &calls) };
        Self { history, sessions: Sessions::new(&issued), tags: ResourceTags::new(&baseline.side_data, &calls, window), window }
    }
}
