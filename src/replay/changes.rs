//! A finished tally: each distinct request decided, its rows added up by everything that describes them, sorted, and the
//! statements that they name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use hashbrown::HashMap;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::batch::{CheckKey, RequestKey};
use super::compare::{Change, Compared, Contradiction, compare};
use super::principals::{Principal, Principals};
use super::tally::Measures;
use crate::account::Policy;
use crate::account::load::hex;
use crate::error::Result;
use crate::evaluate::{
    ActionState, Case, ContextState, Decision, Evaluation, Evaluator, Explanation, KnownKey, LayerKind, Observation, Program, Request,
    ResourceState, Subject, Which,
};
use crate::frame::schema::{CHANGES, STATEMENTS};
use crate::frame::{Cell, TableBuilder};
use crate::iam::principal::Caller;

/// Everything that describes a change, in the order of the table: the key of a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ChangeKey {
    pub(crate) candidate: String,
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
    layer: Option<String>,
    policy: Option<String>,
    statement: Option<i64>,
    sid: Option<String>,
}

/// What a principal's rows come to.
#[derive(Debug, Clone, Default)]
pub(crate) struct OfPrincipal {
    /// Events by change.
    pub(crate) events: BTreeMap<Change, u64>,
    /// Actions that succeeded in the log.
    pub(crate) used: BTreeSet<String>,
    pub(crate) lost: BTreeSet<String>,
    pub(crate) gained: BTreeSet<String>,
    pub(crate) first_seen: Option<i64>,
    pub(crate) last_seen: Option<i64>,
}

/// A statement that some row names: side, layer, policy name, position.
type StatementKey = (String, LayerKind, String, usize);

/// Decided requests.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Rows; until [`Changes::finish`] in any order, and a key may stand in several.
    pub(crate) rows: Vec<(Box<ChangeKey>, Measures)>,
    statements: BTreeMap<StatementKey, Arc<Policy>>,
    pub(crate) agreement: Agreement,
    /// Agreeing and contradicting events of each principal, by its index.
    pub(crate) by_principal: BTreeMap<usize, (u64, u64)>,
    /// By the indexes of candidate and principal, for the principals table.
    pub(crate) of_principal: HashMap<(usize, usize), OfPrincipal, foldhash::fast::FixedState>,
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
        self.rows.extend(other.rows);
        self.statements.extend(other.statements);
        let (own, more) = (&mut self.agreement, other.agreement);
        own.events += more.events;
        own.agree += more.agree;
        own.explained_by_opaque += more.explained_by_opaque;
        own.open += more.open;
        own.contradict += more.contradict;
        for (principal, (agree, contradict)) in other.by_principal {
            let own = self.by_principal.entry(principal).or_default();
            *own = (own.0 + agree, own.1 + contradict);
        }
        for (principal, rows) in other.of_principal {
            self.of_principal.entry(principal).or_default().merge(rows);
        }
        self
    }

    /// Sorts the rows, and adds up those of one key.
    pub(super) fn finish(mut self) -> Self {
        self.rows.par_sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let mut rows: Vec<(Box<ChangeKey>, Measures)> = Vec::with_capacity(self.rows.len());
        for (key, measures) in self.rows {
            match rows.last_mut() {
                Some((last, sums)) if *last == key => sums.merge(&measures),
                _ => rows.push((key, measures)),
            }
        }
        self.rows = rows;
        self
    }

    /// The table of changes.
    pub(super) fn table(&self) -> Result<RecordBatch> {
        let mut table = TableBuilder::new(&CHANGES)?;
        for (key, measures) in &self.rows {
            table.push(key.cells(measures))?;
        }
        table.finish()
    }

    /// The table of statements.
    pub(super) fn statements_table(&self) -> Result<RecordBatch> {
        let mut table = TableBuilder::new(&STATEMENTS)?;
        for ((side, layer, name, index), policy) in &self.statements {
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

/// What deciding needs, shared by threads.
pub(super) struct Decider<'a> {
    program: &'a Program,
    principals: &'a Principals,
    candidates: Vec<String>,
    logged: bool,
    /// Every key of the program, wholly unknown: for keys that the principal's policies do not look at.
    unknown: Vec<KnownKey>,
}

impl<'a> Decider<'a> {
    pub(super) fn new(program: &'a Program, principals: &'a Principals, candidates: Vec<String>, logged: bool) -> Self {
        let state = Arc::new(ContextState::Unknown);
        let unknown = |key| KnownKey { cell: Arc::new(program.classify(key, &state)), state: Arc::clone(&state) };
        Self { program, principals, candidates, logged, unknown: (0..program.key_count()).map(unknown).collect() }
    }

    /// Decides one distinct request for every candidate, and adds what that comes to.
    pub(super) fn decide(&self, evaluator: &mut Evaluator<'_>, request: &RequestKey, measures: &Measures, changes: &mut Changes) {
        let Some(principal) = self.principals.all.get(request.principal) else { return };
        let observation = observation(request);
        let checks: Vec<Request> = request.checks.iter().map(|check| self.request(check, principal)).collect();
        for (index, (candidate, bundle)) in self.candidates.iter().zip(&principal.candidates).enumerate() {
            let evaluation = evaluator.evaluate(&checks, principal.baseline, *bundle);
            let compared = compare(&evaluation, observation, self.logged);
            if index == 0 {
                self.agree(changes, request.principal, &evaluation, &compared, observation, measures.events);
            }
            let key = self.key(evaluator, candidate, request, principal, &checks, *bundle, &evaluation, &compared, changes);
            changes.of_principal.entry((index, request.principal)).or_default().add(&key, request.outcome == "success", measures);
            changes.rows.push((Box::new(key), measures.clone()));
        }
    }

    pub(super) fn request(&self, check: &CheckKey, principal: &Principal) -> Request {
        let mut context = self.unknown.clone();
        for fact in &check.facts {
            if let Some(slot) = context.get_mut(fact.key) {
                *slot = KnownKey { cell: Arc::clone(&fact.cell), state: Arc::clone(&fact.state) };
            }
        }
        let arn = principal.arn.clone().unwrap_or_default();
        let is_role = principal.principal_type == "Role";
        Request {
            action: ActionState { guessed: check.source == "rule", ..ActionState::known(&check.action) },
            resource: ResourceState::from_text(check.resource.as_deref()),
            subject: Arc::new(Subject {
                caller: Caller {
                    arn: arn.clone(),
                    role_arn: is_role.then_some(arn),
                    account: principal.account.clone(),
                    ..Caller::default()
                },
                resource_account: check.resource_account.clone(),
                opaque: check.opaque,
                no_permission: false,
            }),
            context,
        }
    }

    fn agree(
        &self,
        changes: &mut Changes,
        principal: usize,
        evaluation: &Evaluation,
        compared: &Compared<'_>,
        observation: Observation,
        events: u64,
    ) {
        if self.logged || observation == Observation::Open {
            return;
        }
        let (some, every) = evaluation.baseline_without_opaque();
        let success = observation == Observation::Success;
        let agreement = &mut changes.agreement;
        agreement.events += events;
        let mut of_principal = (0, 0);
        if compared.contradiction.is_some() {
            agreement.contradict += events;
            of_principal.1 = events;
        } else if (success && every) || (!success && !some) {
            agreement.agree += events;
            of_principal.0 = events;
        } else if (success && !some) || (!success && every) {
            agreement.explained_by_opaque += events;
        } else {
            agreement.open += events;
        }
        let sums = changes.by_principal.entry(principal).or_default();
        *sums = (sums.0 + of_principal.0, sums.1 + of_principal.1);
    }

    #[expect(clippy::too_many_arguments, reason = "a row is described by all of them")]
    pub(super) fn key(
        &self,
        evaluator: &mut Evaluator<'_>,
        candidate: &str,
        request: &RequestKey,
        principal: &Principal,
        checks: &[Request],
        bundle: usize,
        evaluation: &Evaluation,
        compared: &Compared<'_>,
        changes: &mut Changes,
    ) -> ChangeKey {
        let shown = shown_case(evaluation, compared);
        let explain = |which| shown.map(|case| self.program.explain(checks, evaluation, case, which));
        let (baseline, other) = (explain(Which::Baseline), explain(Which::Candidate));
        let deciding_check = deciding_check(compared.change, baseline.as_ref(), other.as_ref());
        let deciding = request.checks.get(deciding_check).or(request.checks.first());
        let own = request.checks.first();
        let context =
            checks.get(deciding_check).map(|check| evaluator.context_words(check, [principal.baseline, bundle])).unwrap_or_default();
        let mut note = |side: &str, explanation: &Option<(usize, Explanation)>| {
            for statement in explanation.iter().flat_map(|(_, explanation)| &explanation.statements) {
                let key = (side.to_owned(), statement.layer, policy_name(&statement.policy, principal), statement.statement);
                changes.statements.entry(key).or_insert_with(|| Arc::clone(&statement.policy));
            }
        };
        note("baseline", &baseline);
        note(candidate, &other);
        let decision = |which| Decision::of(compared.cases.iter().map(|case| case.verdict(which)));
        let candidate_deciding = other
            .iter()
            .flat_map(|(_, e)| &e.statements)
            .map(|s| format!("{}#{}", policy_name(&s.policy, principal), s.statement))
            .collect::<BTreeSet<_>>();
        ChangeKey {
            candidate: candidate.to_owned(),
            change: compared.change,
            change_from_log: compared.change_from_log,
            contradiction: compared.contradiction,
            baseline_decision: decision(Which::Baseline),
            candidate_decision: decision(Which::Candidate),
            observed: request.outcome.clone(),
            principal_arn: principal.arn.clone(),
            principal_type: principal.principal_type.clone(),
            permission_set: principal.permission_set.clone(),
            account_id: Some(principal.account.clone()).filter(|account| !account.is_empty()),
            resource_account_id: request.account.clone(),
            action: own.map(|check| check.action.clone()).unwrap_or_default(),
            resource: own.and_then(|check| check.resource.clone()),
            region: request.region.clone(),
            checks: request.checks.iter().map(check_words).collect(),
            deciding_action: deciding.map(|check| check.action.clone()).unwrap_or_default(),
            deciding_resource: deciding.and_then(|check| check.resource.clone()),
            context,
            baseline_reason: contradicted(
                self.reason(baseline.as_ref(), compared, evaluation, Which::Baseline),
                compared.contradiction,
                request.denied_by.as_deref(),
            ),
            candidate_reason: self.reason(other.as_ref(), compared, evaluation, Which::Candidate),
            baseline: Deciding::of(baseline.as_ref(), principal),
            candidate_side: Deciding::of(other.as_ref(), principal),
            candidate_deciding: candidate_deciding.into_iter().collect(),
            missing_keys: evaluation.settled_by(self.program, &compared.cases, Case::pair),
            residual: evaluation.residual(self.program, &compared.cases, Which::Candidate),
            assumptions: self.assumptions(evaluation, compared),
            mapping_source: own.map(|check| check.source.clone()).unwrap_or_default(),
            resource_source: request.resource_source.clone(),
        }
    }

    /// The reason of the shown case; where a side is undetermined, what it depends on.
    fn reason(&self, explanation: Option<&(usize, Explanation)>, compared: &Compared<'_>, evaluation: &Evaluation, which: Which) -> String {
        let reason = explanation.map(|(_, explanation)| explanation.reason.clone()).unwrap_or_default();
        let decision = Decision::of(compared.cases.iter().map(|case| case.verdict(which)));
        if decision != Decision::Undetermined {
            return reason;
        }
        let residual = evaluation.residual(self.program, &compared.cases, which);
        if residual.is_empty() { format!("not determined; for example {reason}") } else { format!("not determined: {residual}") }
    }

    /// What the result rests on: layers that were not supplied and are left open, and the cap on situations.
    fn assumptions(&self, evaluation: &Evaluation, compared: &Compared<'_>) -> Vec<String> {
        let settling = evaluation.settled_by(self.program, &compared.cases, Case::pair);
        let mut assumptions: BTreeSet<String> = settling.into_iter().filter(|name| name.starts_with("layer:")).collect();
        if evaluation.capped {
            assumptions.insert("A-CAP".to_owned());
        }
        assumptions.into_iter().collect()
    }
}

/// The reason of a baseline that contradicts the log, with what the log says and the likely cause.
fn contradicted(reason: String, contradiction: Option<Contradiction>, denied_by: Option<&str>) -> String {
    let Some(contradiction) = contradiction else { return reason };
    let named = denied_by.map(|text| text.split_once(' ').map_or((text, None), |(layer, policy)| (layer, Some(policy))));
    match named.and_then(|(layer, policy)| Some((LayerKind::parse(layer)?, policy))) {
        Some((layer, policy)) if contradiction == Contradiction::DeniedButAllowed => {
            let policy = policy.map(|policy| format!(" `{policy}`")).unwrap_or_default();
            format!(
                "{reason}, but the log says that a {}{policy} denied it: it is missing here, or was another version then",
                layer.words()
            )
        }
        _ => {
            let happened = if contradiction == Contradiction::DeniedButAllowed { "was denied" } else { "succeeded" };
            format!("{reason}, but the call {happened}: likely {}", contradiction.likely_cause())
        }
    }
}

/// The case that a row's reasons are taken from: one that shows the change, and in which the policies that were not
/// supplied permit, if there is one.
fn shown_case<'e>(evaluation: &Evaluation, compared: &Compared<'e>) -> Option<&'e Case> {
    let wanted = match compared.change {
        Change::Lost | Change::PotentiallyLost | Change::Undetermined => Some((true, false)),
        Change::Gained | Change::PotentiallyGained => Some((false, true)),
        _ => None,
    };
    let showing: Vec<&Case> = compared.cases.iter().copied().filter(|case| wanted.is_none_or(|pair| case.pair() == pair)).collect();
    let find = |fits: &dyn Fn(&Case) -> bool| showing.iter().copied().find(|case| fits(case));
    find(&|case| evaluation.nothing_opaque(case))
        .or_else(|| find(&|case| evaluation.opaque_layers_permit(case)))
        .or(showing.first().copied())
        .or(compared.cases.first().copied())
}

/// The check that decides: the one that denies on the side that denies.
fn deciding_check(change: Change, baseline: Option<&(usize, Explanation)>, candidate: Option<&(usize, Explanation)>) -> usize {
    let side = match change {
        Change::Gained | Change::PotentiallyGained => baseline,
        _ => candidate,
    };
    side.map_or(0, |(check, _)| *check)
}

/// The policy's ARN, or `PRINCIPAL_ARN/NAME`: a bare document belongs to whom it is tried on.
pub(super) fn policy_name(policy: &Policy, principal: &Principal) -> String {
    match (&principal.arn, policy.name.contains(':')) {
        (Some(arn), false) => format!("{arn}/{}", policy.name),
        _ => policy.name.clone(),
    }
}

fn check_words(check: &CheckKey) -> String {
    let resource = check.resource.as_deref().unwrap_or("unknown resource");
    let inferred = if check.source == "inferred" { " (inferred)" } else { "" };
    format!("{} on {resource}{inferred}", check.action)
}

pub(super) fn observation(request: &RequestKey) -> Observation {
    match request.outcome.as_str() {
        "success" => Observation::Success,
        "access_denied" => {
            let layer = request.denied_by.as_deref().and_then(|text| text.split(' ').next()).and_then(LayerKind::parse);
            Observation::AccessDenied(layer)
        }
        _ => Observation::Open,
    }
}

impl Deciding {
    fn of(explanation: Option<&(usize, Explanation)>, principal: &Principal) -> Self {
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
    pub(super) fn id(&self) -> String {
        let (before, after) = self.columns();
        id_of(before.iter().chain(&after))
    }

    fn cells(&self, measures: &Measures) -> Vec<Cell> {
        let time = |time: Option<i64>| time.map_or(Cell::Null, Cell::Time);
        let (before, after) = self.columns();
        let mut cells = vec![Cell::Text(id_of(before.iter().chain(&after)))];
        cells.extend(before);
        cells.extend([
            Cell::count(measures.events),
            Cell::count(measures.session_count()),
            Cell::count(measures.days.len() as u64),
            time(measures.first_seen),
            time(measures.last_seen),
            Cell::Texts(measures.session_names.iter().cloned().collect()),
            Cell::Texts(measures.samples.iter().map(|(_, id)| id.clone()).collect()),
        ]);
        cells.extend(after);
        cells
    }

    /// The descriptive columns before the measures, and those after them.
    fn columns(&self) -> (Vec<Cell>, Vec<Cell>) {
        let text = |text: &str| Cell::Text(text.to_owned());
        let maybe = |text: &Option<String>| Cell::text(text.as_deref());
        let residual = Cell::text(Some(self.residual.as_str()).filter(|residual| !residual.is_empty()));
        let deciding =
            |side: &Deciding| [maybe(&side.layer), maybe(&side.policy), side.statement.map_or(Cell::Null, Cell::Int), maybe(&side.sid)];
        let before = vec![
            text(&self.candidate),
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
            Cell::Texts(self.checks.clone()),
            text(&self.deciding_action),
            maybe(&self.deciding_resource),
            Cell::Texts(self.context.clone()),
        ];
        let mut after = vec![text(&self.baseline_reason), text(&self.candidate_reason)];
        after.extend(deciding(&self.baseline));
        after.extend(deciding(&self.candidate_side));
        after.extend([
            Cell::Texts(self.candidate_deciding.clone()),
            Cell::Texts(self.missing_keys.clone()),
            residual,
            Cell::Texts(self.assumptions.clone()),
            text(&self.mapping_source),
            maybe(&self.resource_source),
        ]);
        (before, after)
    }
}

/// First 16 hex digits of the SHA-256 of cells: each with its kind before it and a byte after it that no text holds.
fn id_of<'c>(cells: impl Iterator<Item = &'c Cell>) -> String {
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
                for text in texts {
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

impl OfPrincipal {
    fn add(&mut self, key: &ChangeKey, used: bool, measures: &Measures) {
        *self.events.entry(key.change).or_default() += measures.events;
        let mut note = |set: fn(&mut Self) -> &mut BTreeSet<String>| {
            let set = set(self);
            if !set.contains(&key.action) {
                set.insert(key.action.clone());
            }
        };
        if used {
            note(|of| &mut of.used);
        }
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
        self.used.extend(other.used);
        self.lost.extend(other.lost);
        self.gained.extend(other.gained);
        self.first_seen = self.first_seen.into_iter().chain(other.first_seen).min();
        self.last_seen = self.last_seen.into_iter().chain(other.last_seen).max();
    }
}
