//! What the log tells of policies, tags and sessions in time: a first pass over the calls that changed them.

use arrow::array::RecordBatch;
use hashbrown::HashSet;

use super::sessions::{Key, Sessions, Told, short_key};
use crate::account::PolicySet;
use crate::account::history::{AccessChange, Call, History, ISSUING, IssuedReader, ResourceTags};
use crate::error::{Error, Result};
use crate::frame::Texts;

/// The columns that tell it.
pub(super) const COLUMNS: [&str; 2] = ["access_change", "issued_access_key_id"];

/// Calls of one part of the log.
#[derive(Debug, Default)]
pub(super) struct Scan {
    calls: Vec<Call>,
    issued: Vec<Told>,
    reader: IssuedReader,
    /// The keys of sessions of which the key says all.
    plain: Vec<Key>,
    long: Vec<String>,
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
        let [changes, issued] = COLUMNS.map(|column| Texts::of(batch, column));
        let (changes, issued) = (changes?, issued?);
        for (row, key) in issued.present() {
            if changes.get(row).is_some() {
                continue;
            }
            match short_key(key) {
                Some(key) => self.plain.push(key),
                None => self.long.push(key.to_owned()),
            }
        }
        for (_, text) in changes.present() {
            let broken = |error| Error::Columns(format!("`access_change` holds `{text:.80}`: {error}"));
            let change: AccessChange<'_> = serde_json::from_str(text).map_err(broken)?;
            match ISSUING.contains(&change.name.as_ref()) {
                true => self.issued.extend(self.reader.read(&change).as_ref().map(Told::of)),
                false => self.calls.push(change.call()),
            }
        }
        Ok(())
    }
}

impl Timeline {
    /// What the parts of a log come to, in any order of the parts.
    pub(super) fn new(parts: Vec<Scan>, baseline: &PolicySet, window: i64) -> Self {
        let mut calls: Vec<Call> = Vec::new();
        let mut issued: Vec<Told> = Vec::new();
        let (mut plain, mut long): (HashSet<Key, _>, Vec<String>) = Default::default();
        for part in parts {
            calls.extend(part.calls);
            // What is moved as it is takes no second room.
            if issued.is_empty() {
                issued = part.issued;
            } else {
                issued.reserve_exact(part.issued.len());
                issued.extend(part.issued);
            }
            plain.extend(part.plain);
            long.extend(part.long);
        }
        calls.sort_by_cached_key(Call::order);
        issued.sort_unstable_by(Told::order);
        // Where the log is the baseline, what was in force is what the log says.
        let history = if baseline.logged { None } else { History::new(baseline, &calls) };
        Self {
            history,
            sessions: Sessions::new(&issued, plain, long),
            tags: ResourceTags::new(&baseline.side_data, &calls, window),
            window,
        }
    }
}
