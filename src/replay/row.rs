//! A row of the changes: everything that describes it, what was measured, and its cells.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take};
use arrow::datatypes::FieldRef;
use hashbrown::HashMap;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::compare::{Change, Contradiction};
use super::principals::Principal;
use super::tally::Measures;
use crate::account::Policy;
use crate::account::load::hex;
use crate::error::{Error, Result};
use crate::evaluate::{Decision, Explanation};
use crate::frame::parquet::TableWriter;
use crate::frame::schema::{CHANGE_KEYS, CHANGE_MEASURES, CHANGES, Table};
use crate::frame::{Cell, TableBuilder};

/// A row. Candidates that say the same of a request share what describes it.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) candidate: Arc<str>,
    pub(crate) key: Arc<ChangeKey>,
    pub(crate) measures: Arc<Measures>,
}

impl Row {
    /// The cells of the row.
    pub(super) fn cells(&self) -> Vec<Cell<'_>> {
        let mut cells = Vec::with_capacity(CHANGES.schema.fields().len());
        cells.push(Cell::Null);
        self.key.columns_before(&self.candidate, &mut cells);
        let measures = cells.len();
        cells.extend(self.measured());
        let after = cells.len();
        self.key.columns_after(&mut cells);
        let described = cells.get(1..measures).into_iter().chain(cells.get(after..)).flatten();
        let id = id_of(described);
        if let Some(first) = cells.first_mut() {
            *first = Cell::Text(id.into());
        }
        cells
    }

    /// The cells of what was measured.
    fn measured(&self) -> [Cell<'_>; 7] {
        let measures = self.measures.as_ref();
        let time = |time: Option<i64>| time.map_or(Cell::Null, Cell::Time);
        [
            Cell::count(measures.events),
            Cell::count(measures.session_count()),
            Cell::count(measures.days.len() as u64),
            time(measures.first_seen),
            time(measures.last_seen),
            Cell::Texts(measures.session_names.as_slice().into()),
            Cell::Refs(measures.samples.iter().map(|(_, id)| id.as_str()).collect()),
        ]
    }
}

/// Sorts rows as the table is, by candidate and key, and adds up those of one key. Rows of equal keys share one afterwards.
pub(super) fn add_up(rows: Vec<Row>) -> Vec<Row> {
    // Candidates that say the same of a request share the key: each is compared once.
    let mut places: HashMap<usize, u32, foldhash::fast::FixedState> = HashMap::default();
    let mut keys: Vec<(Arc<ChangeKey>, u32)> = Vec::new();
    let mut candidates: BTreeMap<Arc<str>, u32> = BTreeMap::new();
    let mut of_rows: Vec<u32> = Vec::with_capacity(rows.len());
    for row in &rows {
        let next = u32::try_from(keys.len()).unwrap_or(u32::MAX);
        let place = *places.entry(address(&row.key)).or_insert(next);
        if place == next {
            keys.push((Arc::clone(&row.key), place));
        }
        of_rows.push(place);
        if !candidates.contains_key(&row.candidate) {
            candidates.insert(Arc::clone(&row.candidate), 0);
        }
    }
    candidates.values_mut().zip(0..).for_each(|(rank, next)| *rank = next);
    keys.par_sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let mut ranks = vec![(0u32, 0usize); keys.len()];
    let (mut rank, mut first) = (0u32, 0usize);
    for (at, (key, place)) in keys.iter().enumerate() {
        if keys.get(first).is_some_and(|(known, _)| known != key) {
            (rank, first) = (rank + 1, at);
        }
        if let Some(slot) = ranks.get_mut(*place as usize) {
            *slot = (rank, first);
        }
    }
    let order = |(row, place): (Row, u32)| {
        let (rank, first) = ranks.get(place as usize).copied().unwrap_or_default();
        let key = keys.get(first).map_or_else(|| Arc::clone(&row.key), |(key, _)| Arc::clone(key));
        let candidate = candidates.get(&row.candidate).copied().unwrap_or_default();
        ((u64::from(candidate) << 32) | u64::from(rank), Row { key, ..row })
    };
    let mut ordered: Vec<(u64, Row)> = rows.into_iter().zip(of_rows).map(order).collect();
    ordered.par_sort_unstable_by_key(|(order, _)| *order);
    let mut sums: Vec<Row> = Vec::with_capacity(ordered.len());
    let mut last = None;
    for (order, row) in ordered {
        match sums.last_mut() {
            Some(sum) if last == Some(order) => Arc::make_mut(&mut sum.measures).merge(&row.measures),
            _ => sums.push(row),
        }
        last = Some(order);
    }
    sums
}

/// Tells keys apart that are held: it is only compared.
fn address(key: &Arc<ChangeKey>) -> usize {
    Arc::as_ptr(key).addr()
}

/// Rows that are made at a time: their columns use the same memory again.
const ROWS: usize = 2_048;

/// Writes a table of rows: batches are made in parallel, a few at a time.
pub(super) fn write(path: &Path, table: &'static Table, rows: &[Row], cells: for<'r> fn(&'r Row) -> Vec<Cell<'r>>) -> Result<()> {
    let batch = |rows: &[Row]| {
        let mut table = TableBuilder::new(table)?;
        rows.iter().try_for_each(|row| table.push(cells(row)))?;
        table.finish()
    };
    write_batches(path, table, rows, &batch)
}

/// Writes the changes. What describes them is made once for all candidates that say the same.
pub(super) fn write_changes(path: &Path, rows: &[Row]) -> Result<()> {
    match Keys::of(rows)? {
        Some(keys) => write_batches(path, &CHANGES, rows, &|rows| keys.batch(rows)),
        None => write(path, &CHANGES, rows, Row::cells),
    }
}

fn write_batches(path: &Path, table: &'static Table, rows: &[Row], batch: &(dyn Fn(&[Row]) -> Result<RecordBatch> + Sync)) -> Result<()> {
    let mut writer = TableWriter::create(path, table)?;
    for some in rows.chunks(ROWS * rayon::current_num_threads().max(1)) {
        let batches = some.par_chunks(ROWS).map(batch).collect::<Result<Vec<_>>>()?;
        batches.iter().try_for_each(|batch| writer.push(batch))?;
    }
    writer.finish()
}

/// What describes rows, by the places of their keys.
struct Keys {
    places: HashMap<usize, u32, foldhash::fast::FixedState>,
    columns: RecordBatch,
    /// What the ids of changes are made of, beside the candidate.
    bytes: Vec<Vec<u8>>,
}

impl Keys {
    /// So many are held at most.
    const MOST: usize = 1 << 17;

    /// The keys of rows; `None` if too few rows share one.
    fn of(rows: &[Row]) -> Result<Option<Self>> {
        let mut places: HashMap<usize, u32, foldhash::fast::FixedState> = HashMap::default();
        let mut keys: Vec<&ChangeKey> = Vec::new();
        for row in rows {
            let next = u32::try_from(keys.len()).unwrap_or(u32::MAX);
            if *places.entry(address(&row.key)).or_insert(next) == next {
                keys.push(&row.key);
            }
        }
        if keys.len() * 2 > rows.len() || keys.len() > Self::MOST {
            return Ok(None);
        }
        let part = |keys: &[&ChangeKey]| {
            let mut table = TableBuilder::new(&CHANGE_KEYS)?;
            keys.iter().try_for_each(|key| table.push(key.cells()))?;
            table.finish()
        };
        let batches = keys.par_chunks(ROWS).map(part).collect::<Result<Vec<_>>>()?;
        let columns = concat_batches(&CHANGE_KEYS.schema, &batches)?;
        let bytes = keys.par_iter().map(|key| bytes_of(key.cells().iter())).collect();
        Ok(Some(Self { places, columns, bytes }))
    }

    /// The batch of some rows.
    fn batch(&self, rows: &[Row]) -> Result<RecordBatch> {
        let mut rest = TableBuilder::new(&CHANGE_MEASURES)?;
        let mut places: Vec<u32> = Vec::with_capacity(rows.len());
        for row in rows {
            let place = self.places.get(&address(&row.key)).copied().unwrap_or_default();
            let candidate = bytes_of([Cell::from(row.candidate.as_ref())].iter());
            let key = self.bytes.get(place as usize).map(Vec::as_slice).unwrap_or_default();
            let mut cells = vec![Cell::Text(id_of_parts([&candidate, key]).into()), row.candidate.as_ref().into()];
            cells.extend(row.measured());
            rest.push(cells)?;
            places.push(place);
        }
        let (rest, places) = (rest.finish()?, UInt32Array::from(places));
        let column = |field: &FieldRef| match rest.column_by_name(field.name()) {
            Some(column) => Ok(Arc::clone(column)),
            None => {
                let column = self.columns.column_by_name(field.name());
                let column = column.ok_or_else(|| Error::Internal(format!("nothing makes the column `{}`", field.name())))?;
                Ok(take(column, &places, None)?)
            }
        };
        let columns = CHANGES.schema.fields().iter().map(column).collect::<Result<Vec<ArrayRef>>>()?;
        Ok(RecordBatch::try_new(Arc::clone(&CHANGES.schema), columns)?)
    }
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

impl Deciding {
    fn cells(&self) -> [Cell<'_>; 4] {
        [maybe(&self.layer), maybe(&self.policy), self.statement.map_or(Cell::Null, Cell::Int), maybe(&self.sid)]
    }
}

impl ChangeKey {
    /// First 16 hex digits of the SHA-256 of everything that describes the change.
    pub(super) fn id(&self, candidate: &str) -> String {
        id_of(self.columns(candidate).iter())
    }

    /// The descriptive columns beside the candidate, in the order of the table.
    fn cells(&self) -> Vec<Cell<'_>> {
        self.columns("").into_iter().skip(1).collect()
    }

    /// The descriptive columns, in the order of the table.
    pub(super) fn columns<'a>(&'a self, candidate: &'a str) -> Vec<Cell<'a>> {
        let mut cells = Vec::with_capacity(CHANGES.schema.fields().len());
        self.columns_before(candidate, &mut cells);
        self.columns_after(&mut cells);
        cells
    }

    /// Adds the descriptive columns before the measures.
    pub(super) fn columns_before<'a>(&'a self, candidate: &'a str, cells: &mut Vec<Cell<'a>>) {
        cells.extend([
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
        ]);
    }

    /// Adds the descriptive columns after the measures.
    pub(super) fn columns_after<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        let residual = Cell::text(Some(self.residual.as_str()).filter(|residual| !residual.is_empty()));
        cells.extend([text(&self.baseline_reason), text(&self.candidate_reason)]);
        cells.extend(self.baseline.cells());
        cells.extend(self.candidate_side.cells());
        cells.extend([
            list(&self.candidate_deciding),
            list(&self.missing_keys),
            residual,
            list(&self.assumptions),
            text(&self.mapping_source),
            maybe(&self.resource_source),
        ]);
    }
}

fn text(text: &str) -> Cell<'_> {
    text.into()
}

fn maybe(text: &Option<String>) -> Cell<'_> {
    Cell::text(text.as_deref())
}

fn list(texts: &[String]) -> Cell<'_> {
    Cell::Texts(texts.into())
}

/// First 16 hex digits of the SHA-256 of cells: each with its kind before it and a byte after it that no text holds.
fn id_of<'c, 'a: 'c>(cells: impl Iterator<Item = &'c Cell<'a>>) -> String {
    id_of_parts([&bytes_of(cells), &[]])
}

/// The same of bytes that stand one behind the other.
fn id_of_parts([first, second]: [&[u8]; 2]) -> String {
    hex(Sha256::new().chain_update(first).chain_update(second).finalize().get(..8).unwrap_or_default())
}

fn bytes_of<'c, 'a: 'c>(cells: impl Iterator<Item = &'c Cell<'a>>) -> Vec<u8> {
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
    bytes
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
