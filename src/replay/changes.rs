//! A finished tally: each distinct request decided, its rows added up by everything that describes them, sorted, and the
//! statements that they name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::decide::Described;
use super::principals::{Principal, Principals};
use super::row::{ChangeKey, OfPrincipal, policy_name};
use super::rows::{self, Said};
use super::used::UsedBy;
use crate::account::{Bundle, Policy, PolicySet};
use crate::error::Result;
use crate::evaluate::LayerKind;
use crate::frame::schema::STATEMENTS;
use crate::frame::{Cell, TableBuilder};
use arrow::array::RecordBatch;
use hashbrown::{HashMap, HashSet};

/// A statement that some row names: side, layer, policy name, position.
type StatementKey = (String, LayerKind, String, usize);

/// A statement of a principal's policy: the number of the candidate, the side of it, the principal's index, the policy's
/// address, layer and place, and whether its counterpart is wanted too.
type Noted = (usize, usize, usize, usize, LayerKind, usize, bool);

/// Decided requests.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// What candidates say; until [`Changes::finish`] in any order, and what is of one key may stand in several places.
    pub(crate) said: Vec<Said>,
    /// How many there were when they were last added up.
    compacted: usize,
    statements: BTreeMap<StatementKey, Arc<Policy>>,
    /// Which were noted, without their names.
    noted: HashSet<Noted, foldhash::fast::FixedState>,
    pub(crate) agreement: Agreement,
    /// For event-level rows, if they are wanted: what each candidate makes of a request, by its number.
    pub(crate) decided: Vec<(usize, Vec<Arc<ChangeKey>>)>,
    /// Agreeing and contradicting events of each principal, by its index.
    pub(crate) by_principal: BTreeMap<usize, (u64, u64)>,
    /// By the indexes of candidate and principal, for the principals table.
    pub(crate) of_principal: HashMap<(usize, usize), OfPrincipal, foldhash::fast::FixedState>,
    /// What succeeded, by principal and action.
    pub(crate) used: UsedBy,
    /// Statements of one side whose counterparts on the other are to be shown beside them: that side, the principal's index,
    /// and the statement.
    counterparts: BTreeSet<(String, usize, StatementKey)>,
}

/// How well the baseline explains the log, in events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Agreement {
    /// Replayed events with success or access_denied.
    pub events: u64,
    /// The baseline says what the log says.
    pub agree: u64,
    /// Only a policy that was not supplied can explain it.
    pub explained_by_opaque: u64,
    /// What the log does not tell decides.
    pub open: u64,
    /// The baseline cannot explain it.
    pub contradict: u64,
}

impl Changes {
    pub(super) fn merge(mut self, other: Self) -> Self {
        self.said.extend(other.said);
        self.decided.extend(other.decided);
        self.statements.extend(other.statements);
        let (own, more) = (&mut self.agreement, other.agreement);
        own.events += more.events;
        own.agree += more.agree;
        own.explained_by_opaque += more.explained_by_opaque;
        own.open += more.open;
        own.contradict += more.contradict;
        self.used.merge(other.used);
        self.counterparts.extend(other.counterparts);
        for (principal, (agree, contradict)) in other.by_principal {
            let own = self.by_principal.entry(principal).or_default();
            *own = (own.0 + agree, own.1 + contradict);
        }
        for (principal, rows) in other.of_principal {
            self.of_principal.entry(principal).or_default().merge(rows);
        }
        self
    }

    /// Adds up what is of one key when there is much: requests that differ in what one candidate alone looks at are one row for
    /// the others.
    pub(super) fn compact(&mut self) {
        const FEW: usize = 1 << 16;
        if self.said.len() >= FEW.max(2 * self.compacted) {
            self.said = rows::add_up(std::mem::take(&mut self.said));
            self.compacted = self.said.len();
        }
    }

    /// Sorts what was said by key, and adds up what is of one.
    pub(super) fn finish(mut self) -> Self {
        self.said = rows::add_up(self.said);
        self
    }

    /// Notes the statements that a row of a candidate, given by its number and name, names.
    pub(super) fn note(&mut self, (number, candidate): (usize, &str), described: &Described, index: usize, principal: &Principal) {
        let is_change = described.key.change.is_change();
        let [before, after] = [0, 1].map(|side: usize| described.named.get(side).map(Vec::as_slice).unwrap_or_default());
        // Where only one side names statements, the other side's counterparts are wanted.
        let wanted = [is_change && after.is_empty(), is_change && before.is_empty() && !after.is_empty()];
        for (at, (statements, near)) in [before, after].into_iter().zip(&described.near).enumerate() {
            let (side, other) = if at == 0 { ("baseline", candidate) } else { (candidate, "baseline") };
            let is_wanted = wanted.get(at) == Some(&true);
            let statements = statements.iter().map(|statement| (statement, is_wanted)).chain(near.iter().map(|near| (near, false)));
            for (statement, is_wanted) in statements {
                let address = Arc::as_ptr(&statement.policy).addr();
                if !self.noted.insert((number, at, index, address, statement.layer, statement.statement, is_wanted)) {
                    continue;
                }
                let key = (side.to_owned(), statement.layer, policy_name(&statement.policy, principal), statement.statement);
                if is_wanted {
                    self.counterparts.insert((other.to_owned(), index, key.clone()));
                }
                self.statements.entry(key).or_insert_with(|| Arc::clone(&statement.policy));
            }
        }
    }

    /// The statements that rows name, and where one side names none, what became there of the other side's: the statement of
    /// the same policy, if the principal still has it, with the same `Sid`, else at the same place.
    fn all_statements(&self, principals: &Principals, sets: &BTreeMap<&str, &PolicySet>) -> BTreeMap<StatementKey, Arc<Policy>> {
        let mut all = self.statements.clone();
        let mut bundles: HashMap<(&str, usize), Bundle> = HashMap::new();
        for (side, index, key) in &self.counterparts {
            let (_, layer, name, statement) = key;
            let Some(known) = self.statements.get(key).and_then(|policy| policy.document.statements.get(*statement)) else { continue };
            let (Some(principal), Some(set)) = (principals.all.get(*index), sets.get(side.as_str())) else { continue };
            let bundle = bundles.entry((side, *index)).or_insert_with(|| set.bundle(&principal.key));
            let Some(policy) = bundle.identity.iter().find(|policy| policy_name(policy, principal) == *name) else { continue };
            let statements = &policy.document.statements;
            let same_sid = statements.iter().position(|other| other.sid.is_some() && other.sid == known.sid);
            if let Some(found) = same_sid.or(Some(*statement)).filter(|found| *found < statements.len()) {
                all.entry((side.clone(), *layer, name.clone(), found)).or_insert_with(|| Arc::clone(policy));
            }
        }
        all
    }

    /// The table of statements.
    pub(super) fn statements_table(&self, principals: &Principals, sets: &BTreeMap<&str, &PolicySet>) -> Result<RecordBatch> {
        let mut table = TableBuilder::new(&STATEMENTS)?;
        for ((side, layer, name, index), policy) in &self.all_statements(principals, sets) {
            let Some(statement) = policy.document.statements.get(*index) else { continue };
            table.push(vec![
                side.as_str().into(),
                layer.name().into(),
                name.as_str().into(),
                Cell::count(*index as u64),
                Cell::text(statement.sid.as_deref()),
                Cell::text(policy.file.as_ref().map(|file| file.display().to_string())),
                Cell::count(statement.lines.0 as u64),
                Cell::count(statement.lines.1 as u64),
                statement.text.as_str().into(),
            ])?;
        }
        table.finish()
    }
}
