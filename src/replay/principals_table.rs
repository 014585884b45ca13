//! The table of principals: those of the log and those of the snapshots, for each candidate.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;

use super::changes::Changes;
use super::compare::Change;
use super::granted::{Covered, Granted};
use super::principals::Principals;
use super::row::OfPrincipal;
use super::used::{UsedActions, add_all, settle};
use crate::account::{EntityKind, InSnapshot, PolicySet, PrincipalKey};
use crate::catalog::Catalog;
use crate::error::Result;
use crate::frame::schema::PRINCIPALS;
use crate::frame::{Cell, TableBuilder};
use crate::iam::arn::{Arn, is_service_linked, permission_set};

/// A principal, collected from log and policies.
#[derive(Debug, Default)]
pub(super) struct Row<'a> {
    principal_type: String,
    permission_set: Option<String>,
    account: Option<String>,
    in_snapshot: Option<InSnapshot>,
    changed: bool,
    decided: OfPrincipal,
    /// What succeeded in the log; nothing if it is `None`.
    pub(super) used: Option<&'a UsedActions>,
    pub(super) granted: Granted<'a>,
    session_names: BTreeSet<String>,
    agree: u64,
    contradict: u64,
}

/// The principals of a candidate by ARN; those of which only the account is known stand under `None`.
pub(super) type Rows<'a> = BTreeMap<Option<String>, Row<'a>>;

/// The principals of the log and of the snapshots, for each candidate, by name.
pub(super) struct Collected<'a>(pub(super) BTreeMap<&'a str, Rows<'a>>);

/// What principals used, by ARN: one may stand in the log in several ways.
pub(super) fn used_by_arn(changes: &Changes, principals: &Principals) -> BTreeMap<Option<String>, UsedActions> {
    let mut all: BTreeMap<Option<String>, UsedActions> = BTreeMap::new();
    for (index, principal) in principals.all.iter().enumerate() {
        if let Some(used) = changes.used.of(index) {
            add_all(all.entry(principal.arn.clone()).or_default(), used);
        }
    }
    all.values_mut().for_each(settle);
    all
}

impl<'a> Collected<'a> {
    pub(super) fn new(
        changes: &Changes,
        principals: &Principals,
        used: &'a BTreeMap<Option<String>, UsedActions>,
        session_names: &BTreeMap<usize, BTreeSet<String>>,
        baseline: &PolicySet,
        candidates: &'a [(String, PolicySet)],
        catalog: &'a Catalog,
    ) -> Self {
        let mut all = BTreeMap::new();
        let mut covered = Covered::default();
        for (index, (candidate, set)) in candidates.iter().enumerate() {
            let mut rows: Rows<'a> = BTreeMap::new();
            for (principal_index, principal) in principals.all.iter().enumerate() {
                let Some(decided) = changes.of_principal.get(&(index, principal_index)) else { continue };
                let row = rows.entry(principal.arn.clone()).or_default();
                row.principal_type.clone_from(&principal.principal_type);
                row.permission_set.clone_from(&principal.permission_set);
                row.account = Some(principal.account.clone()).filter(|account| !account.is_empty());
                row.in_snapshot = row.in_snapshot.max(Some(principal.in_snapshot));
                row.changed |= principal.changed.get(index).copied().unwrap_or(false);
                row.session_names.extend(session_names.get(&principal_index).into_iter().flatten().cloned());
                let (agree, contradict) = changes.by_principal.get(&principal_index).copied().unwrap_or_default();
                row.agree += agree;
                row.contradict += contradict;
                row.decided.merge(decided.clone());
            }
            for entity in baseline.entities.values().chain(set.entities.values()) {
                let key = PrincipalKey { arn: entity.arn.clone(), id: entity.id.clone(), account: account_of(&entity.arn) };
                rows.entry(Some(entity.arn.clone())).or_insert_with(|| Row {
                    principal_type: if entity.kind == EntityKind::User { "User" } else { "Role" }.to_owned(),
                    permission_set: permission_set(&entity.arn).map(str::to_owned),
                    account: Some(key.account.clone()),
                    in_snapshot: Some(baseline.in_snapshot(&key)),
                    changed: set.bundle(&key).differs_from(&baseline.bundle(&key), &key.account)
                        || set.tags_of(&key) != baseline.tags_of(&key),
                    ..Row::default()
                });
            }
            for (arn, row) in &mut rows {
                row.used = used.get(arn);
                let account = row.account.clone().unwrap_or_default();
                let key = PrincipalKey { arn: arn.clone().unwrap_or_default(), id: String::new(), account };
                // AWS writes the policies of service-linked roles, and uses them on its own.
                row.granted = match is_service_linked(&key.arn) {
                    true => Granted::not_known(),
                    false => covered.granted(&set.bundle(&key), catalog),
                };
            }
            all.insert(candidate.as_str(), rows);
        }
        Self(all)
    }

    /// The table of principals.
    pub(super) fn table(&self) -> Result<RecordBatch> {
        let mut table = TableBuilder::new(&PRINCIPALS)?;
        for (candidate, rows) in &self.0 {
            rows.iter().try_for_each(|(arn, row)| table.push(row.cells(candidate, arn.as_deref())))?;
        }
        table.finish()
    }
}

fn account_of(arn: &str) -> String {
    Arn::parse(arn).map(|arn| arn.account.to_owned()).unwrap_or_default()
}

impl Row<'_> {
    fn cells<'c>(&'c self, candidate: &'c str, arn: Option<&'c str>) -> Vec<Cell<'c>> {
        let list = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().into();
        let time = |time: Option<i64>| time.map_or(Cell::Null, Cell::Time);
        let used: Vec<String> = self.used.iter().flat_map(|used| used.keys()).cloned().collect();
        let (granted_unused, not_observable) = self.granted.unused(self.used);
        let mut cells = vec![
            candidate.into(),
            Cell::text(arn),
            self.principal_type.as_str().into(),
            Cell::text(self.permission_set.as_deref()),
            Cell::text(self.account.as_deref()),
            Cell::text(self.in_snapshot.map(InSnapshot::name)),
            Cell::Bool(self.changed),
            Cell::count(self.decided.events.values().sum()),
        ];
        cells.extend(Change::ALL.iter().map(|change| Cell::count(self.decided.events.get(change).copied().unwrap_or(0))));
        cells.extend([
            used.into(),
            list(&self.decided.lost),
            list(&self.decided.gained),
            Cell::count(granted_unused),
            Cell::count(not_observable),
            list(&self.session_names),
            Cell::count(self.agree),
            Cell::count(self.contradict),
            time(self.decided.first_seen),
            time(self.decided.last_seen),
        ]);
        cells
    }
}
