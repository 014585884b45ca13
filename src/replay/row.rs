//! A row of the changes: everything that describes it, what was measured, and its cells.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::compare::{Change, Contradiction};
use super::principals::Principal;
use super::tally::Measures;
use crate::account::Policy;
use crate::account::load::hex;
use crate::error::Result;
use crate::evaluate::{Decision, Explanation};
use crate::frame::parquet::TableWriter;
use crate::frame::schema::Table;
use crate::frame::{Cell, TableBuilder};

/// A row. Candidates that say the same of a request share what describes it.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) candidate: Arc<str>,
    pub(crate) key: Arc<ChangeKey>,
    pub(crate) measures: Arc<Measures>,
}

impl Row {
    /// The order of the table.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        self.candidate.cmp(&other.candidate).then_with(|| self.key.cmp(&other.key))
    }

    /// The cells of the row.
    pub(super) fn cells(&self) -> Vec<Cell<'_>> {
        let measures = self.measures.as_ref();
        let time = |time: Option<i64>| time.map_or(Cell::Null, Cell::Time);
        let (before, after) = self.key.columns(&self.candidate);
        let mut cells = vec![Cell::Text(id_of(before.iter().chain(&after)).into())];
        cells.extend(before);
        cells.extend([
            Cell::count(measures.events),
            Cell::count(measures.session_count()),
            Cell::count(measures.days.len() as u64),
            time(measures.first_seen),
            time(measures.last_seen),
            Cell::Texts(measures.session_names.as_slice().into()),
            measures.samples.iter().map(|(_, id)| id.clone()).collect::<Vec<_>>().into(),
        ]);
        cells.extend(after);
        cells
    }
}

/// Sorts rows as the table is, and adds up those of one key.
pub(super) fn add_up(mut rows: Vec<Row>) -> Vec<Row> {
    rows.par_sort_unstable_by(Row::compare);
    let mut sums: Vec<Row> = Vec::new();
    for row in rows {
        match sums.last_mut() {
            Some(last) if last.compare(&row).is_eq() => Arc::make_mut(&mut last.measures).merge(&row.measures),
            _ => sums.push(row),
        }
    }
    sums
}

/// Writes a table of rows, changes or their tally: batches are made in parallel, a few at a time.
pub(super) fn write(path: &Path, table: &'static Table, rows: &[Row], cells: for<'r> fn(&'r Row) -> Vec<Cell<'r>>) -> Result<()> {
    const ROWS: usize = 8_192;
    let batch = |rows: &[Row]| {
        let mut table = TableBuilder::new(table)?;
        rows.iter().try_for_each(|row| table.push(cells(row)))?;
        table.finish()
    };
    let mut writer = TableWriter::create(path, table)?;
    for some in rows.chunks(ROWS * rayon::current_num_threads().max(1)) {
        let batches = some.par_chunks(ROWS).map(batch).collect::<Result<Vec<_>>>()?;
        batches.iter().try_for_each(|batch| writer.push(batch))?;
    }
    writer.finish()
}

/// Everything that describes a change beside the candidate, in the order of the table: the key of a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ChangeKey {
    pub(crate) change: Change,
    pub(crate) change_from_log: Change,
    pub(crate) contradiction: Option<Contradiction>,
    pub(crate) baseline_decision: Decision,
    pub(crate) candidate_decision: Decision,
    pub(crate) observed: String,
    pub(crate) principal_arn: Option<String>,
    pub(crate) principal_type: String,
    pub(crate) permission_set: Option<String>,
    pub(crate) account_id: Option<String>,
    pub(crate) resource_account_id: Option<String>,
    pub(crate) action: String,
    pub(crate) resource: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) checks: Vec<String>,
    pub(crate) deciding_action: String,
    pub(crate) deciding_resource: Option<String>,
    pub(crate) context: Vec<String>,
    pub(crate) baseline_reason: String,
    pub(crate) candidate_reason: String,
    pub(crate) baseline: Deciding,
    pub(crate) candidate_side: Deciding,
    pub(crate) candidate_deciding: Vec<String>,
    pub(crate) missing_keys: Vec<String>,
    pub(crate) residual: String,
    pub(crate) assumptions: Vec<String>,
    pub(crate) mapping_source: String,
    pub(crate) resource_source: Option<String>,
}

/// The statement that decides, as a row names it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Deciding {
    pub(super) layer: Option<String>,
    pub(super) policy: Option<String>,
    pub(super) statement: Option<i64>,
    pub(super) sid: Option<String>,
}

impl Deciding {
    pub(super) fn of(explanation: Option<&(usize, Explanation)>, principal: &Principal) -> Self {
        let Some((_, explanation)) = explanation else { return Self::default() };
        let first = explanation.statements.first();
        let sid = first.and_then(|s| s.policy.document.statements.get(s.statement)).and_then(|statement| statement.sid.clone());
        Self {
            layer: explanation.layer.map(|layer| layer.name().to_owned()),
            policy: first.map(|statement| policy_name(&statement.policy, principal)),
            statement: first.and_then(|statement| i64::try_from(statement.statement).ok()),
            sid,
        }
    }
}

impl ChangeKey {
    /// First 16 hex digits of the SHA-256 of everything that describes the change.
    pub(super) fn id(&self, candidate: &str) -> String {
        let (before, after) = self.columns(candidate);
        id_of(before.iter().chain(&after))
    }

    /// The descriptive columns before the measures, and those after them.
    pub(super) fn columns<'a>(&'a self, candidate: &'a str) -> (Vec<Cell<'a>>, Vec<Cell<'a>>) {
        fn text(text: &str) -> Cell<'_> {
            text.into()
        }
        fn maybe(text: &Option<String>) -> Cell<'_> {
            Cell::text(text.as_deref())
        }
        fn list(texts: &[String]) -> Cell<'_> {
            Cell::Texts(texts.into())
        }
        fn deciding(side: &Deciding) -> [Cell<'_>; 4] {
            [maybe(&side.layer), maybe(&side.policy), side.statement.map_or(Cell::Null, Cell::Int), maybe(&side.sid)]
        }
        let residual = Cell::text(Some(self.residual.as_str()).filter(|residual| !residual.is_empty()));
        let before = vec![
            text(candidate),
            text(self.change.name()),
            text(self.change_from_log.name()),
            Cell::text(self.contradiction.map(Contradiction::name)),
            text(self.baseline_decision.name()),
            text(self.candidate_decision.name()),
            text(&self.observed),
            maybe(&self.principal_arn),
            text(&self.principal_type),
            maybe(&self.permission_set),
            maybe(&self.account_id),
            maybe(&self.resource_account_id),
            text(&self.action),
            maybe(&self.resource),
            maybe(&self.region),
            list(&self.checks),
            text(&self.deciding_action),
            maybe(&self.deciding_resource),
            list(&self.context),
        ];
        let mut after = vec![text(&self.baseline_reason), text(&self.candidate_reason)];
        after.extend(deciding(&self.baseline));
        after.extend(deciding(&self.candidate_side));
        after.extend([
            list(&self.candidate_deciding),
            list(&self.missing_keys),
            residual,
            list(&self.assumptions),
            text(&self.mapping_source),
            maybe(&self.resource_source),
        ]);
        (before, after)
    }
}

/// First 16 hex digits of the SHA-256 of cells: each with its kind before it and a byte after it that no text holds.
fn id_of<'c, 'a: 'c>(cells: impl Iterator<Item = &'c Cell<'a>>) -> String {
    const END: u8 = 0xff;
    let mut bytes = Vec::with_capacity(1_024);
    for cell in cells {
        match cell {
            Cell::Text(text) => {
                bytes.push(b't');
                bytes.extend_from_slice(text.as_bytes());
            }
            Cell::Texts(texts) => {
                bytes.push(b'l');
                for text in texts.iter() {
                    bytes.extend_from_slice(text.as_bytes());
                    bytes.push(END);
                }
            }
            Cell::Int(number) => {
                bytes.push(b'n');
                bytes.extend_from_slice(number.to_string().as_bytes());
            }
            _ => bytes.push(b'0'),
        }
        bytes.push(END);
    }
    hex(Sha256::digest(&bytes).get(..8).unwrap_or_default())
}

/// What a principal's rows come to.
#[derive(Debug, Clone, Default)]
pub(crate) struct OfPrincipal {
    /// Events by change.
    pub(crate) events: BTreeMap<Change, u64>,
    pub(crate) lost: BTreeSet<String>,
    pub(crate) gained: BTreeSet<String>,
    pub(crate) first_seen: Option<i64>,
    pub(crate) last_seen: Option<i64>,
}

impl OfPrincipal {
    pub(super) fn add(&mut self, key: &ChangeKey, measures: &Measures) {
        *self.events.entry(key.change).or_default() += measures.events;
        let mut note = |set: fn(&mut Self) -> &mut BTreeSet<String>| {
            let set = set(self);
            if !set.contains(&key.action) {
                set.insert(key.action.clone());
            }
        };
        match key.change {
            Change::Lost => note(|of| &mut of.lost),
            Change::Gained => note(|of| &mut of.gained),
            _ => {}
        }
        self.first_seen = self.first_seen.into_iter().chain(measures.first_seen).min();
        self.last_seen = self.last_seen.into_iter().chain(measures.last_seen).max();
    }

    /// Adds those of other rows.
    pub(super) fn merge(&mut self, other: Self) {
        for (change, events) in other.events {
            *self.events.entry(change).or_default() += events;
        }
        self.lost.extend(other.lost);
        self.gained.extend(other.gained);
        self.first_seen = self.first_seen.into_iter().chain(other.first_seen).min();
        self.last_seen = self.last_seen.into_iter().chain(other.last_seen).max();
    }
}

/// The policy's ARN, or `PRINCIPAL_ARN/NAME`: a bare document belongs to whom it is tried on.
pub(super) fn policy_name(policy: &Policy, principal: &Principal) -> String {
    match (&principal.arn, policy.name.contains(':')) {
        (Some(arn), false) => format!("{arn}/{}", policy.name),
        _ => policy.name.clone(),
    }
}
