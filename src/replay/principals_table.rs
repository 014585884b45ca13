//! The table of principals: those of the log and those of the snapshots, for each candidate.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::RecordBatch;

use super::changes::Changes;
use super::compare::Change;
use super::principals::Principals;
use super::row::OfPrincipal;
use crate::account::{Bundle, EntityKind, InSnapshot, Policy, PolicySet, PrincipalKey};
use crate::catalog::Catalog;
use crate::error::Result;
use crate::frame::schema::PRINCIPALS;
use crate::frame::{Cell, TableBuilder};
use crate::iam::arn::{Arn, permission_set};
use crate::iam::{ActionPattern, Effect};

/// One row, collected.
#[derive(Debug, Default)]
struct Row {
    principal_type: String,
    permission_set: Option<String>,
    account: Option<String>,
    in_snapshot: Option<InSnapshot>,
    changed: bool,
    decided: OfPrincipal,
    granted_unused: u64,
    not_observable: u64,
    session_names: BTreeSet<String>,
    agree: u64,
    contradict: u64,
}

/// Builds the table. Principals of which only the account is known stand under a null ARN.
pub(super) fn table(
    changes: &Changes,
    principals: &Principals,
    session_names: &BTreeMap<usize, BTreeSet<String>>,
    baseline: &PolicySet,
    candidates: &[(String, PolicySet)],
    catalog: &Catalog,
) -> Result<RecordBatch> {
    let mut table = TableBuilder::new(&PRINCIPALS)?;
    let mut granted = Granted::default();
    let mut sorted: Vec<(usize, &(String, PolicySet))> = candidates.iter().enumerate().collect();
    sorted.sort_by_key(|(_, (name, _))| name);
    for (index, (candidate, set)) in sorted {
        let mut rows: BTreeMap<Option<String>, Row> = BTreeMap::new();
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
            let row = rows.entry(Some(entity.arn.clone())).or_insert_with(|| Row {
                principal_type: if entity.kind == EntityKind::User { "User" } else { "Role" }.to_owned(),
                permission_set: permission_set(&entity.arn).map(str::to_owned),
                account: Some(key.account.clone()),
                in_snapshot: Some(baseline.in_snapshot(&key)),
                changed: set.bundle(&key).differs_from(&baseline.bundle(&key), &key.account) || set.tags_of(&key) != baseline.tags_of(&key),
                ..Row::default()
            });
            (row.granted_unused, row.not_observable) = granted.unused(&set.bundle(&key), &row.decided.used, catalog);
        }
        for (arn, row) in rows {
            table.push(row.cells(candidate, arn))?;
        }
    }
    table.finish()
}

/// The catalogue actions that some Allow of a policy set covers: name, and whether the log would show their use. Worked out
/// once for each list of policies.
#[derive(Default)]
struct Granted<'c> {
    /// By the addresses of the policies, which are held so that they stay theirs.
    of: HashMap<Vec<*const Policy>, Held<'c>>,
}

/// Policies, and what they cover.
type Held<'c> = (Vec<Arc<Policy>>, Vec<(&'c str, bool)>);

impl<'c> Granted<'c> {
    /// How many of them no success used, and how many of those the log never shows.
    fn unused(&mut self, bundle: &Bundle, used: &BTreeSet<String>, catalog: &'c Catalog) -> (u64, u64) {
        let policies = bundle.identity.iter().map(Arc::as_ptr).collect();
        let (_, granted) = self.of.entry(policies).or_insert_with(|| (bundle.identity.clone(), covered(bundle, catalog)));
        let unused = granted.iter().filter(|(name, _)| !used.contains(*name));
        unused.fold((0, 0), |(unused, not_observable), (_, observable)| (unused + 1, not_observable + u64::from(!observable)))
    }
}

fn covered<'c>(bundle: &Bundle, catalog: &'c Catalog) -> Vec<(&'c str, bool)> {
    let allows =
        bundle.identity.iter().flat_map(|policy| &policy.document.statements).filter(|statement| statement.effect == Effect::Allow);
    // Many statements differ in their resources and conditions alone.
    let elements: BTreeSet<(bool, &[String])> =
        allows.map(|statement| (statement.action.negated, statement.action.patterns.as_slice())).collect();
    let granted: Vec<(bool, Vec<ActionPattern>)> =
        elements.into_iter().map(|(negated, patterns)| (negated, patterns.iter().map(|text| ActionPattern::new(text)).collect())).collect();
    let mut covered = Vec::new();
    for service in catalog.services() {
        for operation in service.actions.values().filter(|operation| !operation.is_legacy()) {
            let folded = operation.action.to_ascii_lowercase();
            if granted.iter().any(|(negated, patterns)| patterns.iter().any(|pattern| pattern.matches(&folded)) != *negated) {
                covered.push((operation.action.as_str(), service.is_observable(operation)));
            }
        }
    }
    covered
}

fn account_of(arn: &str) -> String {
    Arn::parse(arn).map(|arn| arn.account.to_owned()).unwrap_or_default()
}

impl Row {
    fn cells(self, candidate: &str, arn: Option<String>) -> Vec<Cell<'_>> {
        let list = |set: BTreeSet<String>| set.into_iter().collect::<Vec<_>>().into();
        let time = |time: Option<i64>| time.map_or(Cell::Null, Cell::Time);
        let mut cells = vec![
            candidate.into(),
            Cell::text(arn),
            Cell::Text(self.principal_type.into()),
            Cell::text(self.permission_set),
            Cell::text(self.account),
            Cell::text(self.in_snapshot.map(InSnapshot::name)),
            Cell::Bool(self.changed),
            Cell::count(self.decided.events.values().sum()),
        ];
        cells.extend(Change::ALL.iter().map(|change| Cell::count(self.decided.events.get(change).copied().unwrap_or(0))));
        cells.extend([
            list(self.decided.used),
            list(self.decided.lost),
            list(self.decided.gained),
            Cell::count(self.granted_unused),
            Cell::count(self.not_observable),
            list(self.session_names),
            Cell::count(self.agree),
            Cell::count(self.contradict),
            time(self.decided.first_seen),
            time(self.decided.last_seen),
        ]);
        cells
    }
}
