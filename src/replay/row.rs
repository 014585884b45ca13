//! What describes a row of the changes, its cells and its id, and what the rows of a principal come to.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::compare::{Change, Contradiction};
use super::principals::Principal;
use super::tally::Measures;
use crate::account::Policy;
use crate::account::load::hex;
use crate::evaluate::{Decision, Explanation};
use crate::frame::Cell;
use crate::frame::schema::CHANGES;

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
    /// The id of a candidate's change.
    pub(super) fn id(&self, candidate: &str) -> String {
        let mut cells = Vec::with_capacity(CHANGES.schema.fields().len());
        self.columns_before(&mut cells);
        self.columns_after(&mut cells);
        change_id(candidate, &Self::digest(cells.iter()))
    }

    /// What tells a key apart, of the cells of all columns that describe it: the SHA-256 of them, each with its kind before it
    /// and a byte after it that no text holds.
    pub(super) fn digest<'c, 'a: 'c>(described: impl Iterator<Item = &'c Cell<'a>>) -> Digest {
        Sha256::digest(bytes_of(described)).into()
    }

    /// Adds the descriptive columns before the measures, but the candidate.
    pub(super) fn columns_before<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.extend([
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

/// The SHA-256 of what describes a change beside the candidate.
pub(super) type Digest = [u8; 32];

/// First 16 hex digits of the SHA-256 of the candidate's name and the digest of the key, with a byte between that no text holds.
pub(super) fn change_id(candidate: &str, key: &Digest) -> String {
    let id = Sha256::new().chain_update(candidate).chain_update([END]).chain_update(key).finalize();
    hex(id.get(..8).unwrap_or_default())
}

/// A byte that no text holds.
const END: u8 = 0xff;

fn bytes_of<'c, 'a: 'c>(cells: impl Iterator<Item = &'c Cell<'a>>) -> Vec<u8> {
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
