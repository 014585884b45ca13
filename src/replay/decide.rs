//! One distinct request, decided for the baseline and every candidate: its row, with reasons.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::changes::Changes;
use super::compare::{Change, Compared, Contradiction, compare};
use super::principals::{Principal, Principals};
use super::request::{CheckKey, RequestKey};
use super::row::{ChangeKey, Deciding, policy_name};
use super::rows::Said;
use super::tally::Measures;
use super::variants::Since;
use crate::evaluate::{
    ActionState, BundleId, Case, ContextState, DecidingStatement, Decision, Evaluation, Evaluator, Explanation, KnownKey, LayerKind,
    Observation, Program, Request, ResourceState, Subject, Which,
};
use crate::iam::principal::Caller;
use crate::ingest::dataset::date_text;

/// A decided request: its row, and the statements that it names on each side.
pub(super) struct Described {
    pub(super) key: Arc<ChangeKey>,
    pub(super) named: [Vec<DecidingStatement>; 2],
    /// The statements that their reasons name as nearest.
    pub(super) near: [Option<DecidingStatement>; 2],
}

impl Described {
    /// What a candidate with other policies comes to, where these say the same of the request.
    fn with(&self, program: &Program, counterparts: &[(usize, usize)]) -> Self {
        let [before, after] = &self.named;
        let [near_before, near_after] = &self.near;
        let counterpart = |statement: &DecidingStatement| program.counterpart(statement, counterparts);
        Self {
            key: Arc::clone(&self.key),
            named: [before.clone(), after.iter().map(counterpart).collect()],
            near: [near_before.clone(), near_after.as_ref().map(counterpart)],
        }
    }
}

/// What deciding needs, shared by threads.
pub(super) struct Decider<'a> {
    program: &'a Program,
    principals: &'a Principals,
    candidates: Vec<Arc<str>>,
    logged: bool,
    /// Every key of the program, wholly unknown: for keys that the principal's policies do not look at.
    unknown: Vec<KnownKey>,
}

impl<'a> Decider<'a> {
    pub(super) fn new(program: &'a Program, principals: &'a Principals, candidates: Vec<Arc<str>>, logged: bool) -> Self {
        let state = Arc::new(ContextState::Unknown);
        let unknown = |key| KnownKey { cell: Arc::new(program.classify(key, &state)), state: Arc::clone(&state) };
        Self { program, principals, candidates, logged, unknown: (0..program.key_count()).map(unknown).collect() }
    }

    /// Decides one distinct request for every candidate, and adds what that comes to; returns what each makes of it.
    pub(super) fn decide(
        &self,
        evaluator: &mut Evaluator<'_>,
        request: &RequestKey,
        measures: &Arc<Measures>,
        changes: &mut Changes,
    ) -> Vec<Arc<ChangeKey>> {
        let Some(principal) = self.principals.all.get(request.principal) else { return Vec::new() };
        let mut keys = Vec::with_capacity(self.candidates.len());
        let observation = observation(request);
        let checks: Vec<Request> = request.checks.iter().map(|check| self.request(check, principal)).collect();
        let mut decided: Vec<(BundleId, Described)> = Vec::with_capacity(1);
        let mut said: Vec<(Arc<ChangeKey>, Vec<u32>)> = Vec::with_capacity(1);
        let Some(variant) = principal.variants.get(request.variant) else { return Vec::new() };
        for (number, (candidate, bundle)) in (0..).zip(self.candidates.iter().zip(&variant.candidates)) {
            let index = number as usize;
            // Many candidates leave most principals as they are, and of the others say the same of most requests.
            let known = decided.iter().position(|(known, ..)| known == bundle);
            let known = known.or_else(|| {
                let described = decided.iter().find_map(|(known, described)| {
                    let counterparts = evaluator.alike(&checks, *known, *bundle)?;
                    Some(described.with(self.program, &counterparts))
                })?;
                decided.push((*bundle, described));
                Some(decided.len() - 1)
            });
            let known = known.unwrap_or_else(|| {
                let mut evaluation = evaluator.evaluate_in_force(&checks, variant.baseline, *bundle, &variant.in_force);
                if self.logged {
                    evaluation.believe(observation);
                }
                let compared = compare(&evaluation, observation, self.logged, principal.is_gone());
                if index == 0 {
                    self.agree(changes, request.principal, &evaluation, &compared, observation, measures.events);
                }
                let lost = self.already_lost(evaluator, request, principal, &checks, &compared);
                let mut described = self.describe(evaluator, request, principal, &checks, *bundle, &evaluation, &compared, lost);
                // Other policies mostly come to the same.
                match said.iter().find(|(key, _)| *key == described.key) {
                    Some((key, _)) => described.key = Arc::clone(key),
                    None => said.push((Arc::clone(&described.key), Vec::new())),
                }
                decided.push((*bundle, described));
                decided.len() - 1
            });
            let Some((_, described)) = decided.get(known) else { continue };
            if let Some((_, say_so)) = said.iter_mut().find(|(key, _)| Arc::ptr_eq(key, &described.key)) {
                say_so.push(number);
            }
            changes.note((index, candidate), described, request.principal, principal);
            let of_principal = changes.of_principal.entry((index, request.principal)).or_default();
            of_principal.add(&described.key, measures);
            if index == 0 && request.outcome == "success" {
                changes.used.add(request.principal, &described.key.action, described.key.mapping_source == "rule", measures);
            }
            keys.push(Arc::clone(&described.key));
        }
        for (key, candidates) in said {
            changes.said.push(Said { candidates: candidates.into(), key, measures: Arc::clone(measures) });
        }
        changes.compact();
        keys
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
                rcps_act: check.rcps_act,
                no_permission: false,
                optional: check.optional,
            }),
            context,
        }
    }

    /// The time from which on a request is denied that was allowed when it was called, if baseline and candidate deny it: what
    /// no candidate is to blame for. `None` for every other.
    pub(super) fn already_lost(
        &self,
        evaluator: &mut Evaluator<'_>,
        request: &RequestKey,
        principal: &Principal,
        checks: &[Request],
        compared: &Compared<'_>,
    ) -> Option<Since> {
        let variant = principal.variants.get(request.variant).filter(|variant| !variant.in_force.is_empty())?;
        let succeeded = observation(request) == Observation::Success;
        let allowed_then = compared.cases.iter().all(|case| succeeded || !case.in_force.may_deny());
        if compared.change != Change::UnchangedDenied || !allowed_then {
            return None;
        }
        let mut evaluate = |in_force: &[BundleId]| evaluator.evaluate_in_force(checks, variant.baseline, variant.baseline, in_force);
        let (mut since, mut last) = (None, None);
        for (later, change) in principal.variants.after(request.variant) {
            let then = evaluate(&later.in_force);
            if then.cases.iter().any(|case| case.in_force.may_allow()) {
                last = Some(then);
                break;
            }
            since = Some(change);
        }
        // Where what is not known now may allow it still, no change is known to have taken it away.
        let Some(change) = since else { return Some(Since::Unknown) };
        let last = last.unwrap_or_else(|| evaluate(&variant.in_force));
        // What was in force before may have lost it by something else than the change.
        let (is_sure, _) = last.without_opaque(true);
        Some(match principal.variants.since(change) {
            Since::Call(time) if !is_sure => Since::SeenAt(time),
            since => since,
        })
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
        let (some, every) = evaluation.without_opaque(observation == Observation::Success);
        let agreement = &mut changes.agreement;
        agreement.events += events;
        let mut of_principal = (0, 0);
        if compared.contradiction.is_some() {
            agreement.contradict += events;
            of_principal.1 = events;
        } else if every {
            agreement.agree += events;
            of_principal.0 = events;
        } else if !some {
            agreement.explained_by_opaque += events;
        } else {
            agreement.open += events;
        }
        let sums = changes.by_principal.entry(principal).or_default();
        *sums = (sums.0 + of_principal.0, sums.1 + of_principal.1);
    }

    #[expect(clippy::too_many_arguments, reason = "a row is described by all of them")]
    pub(super) fn describe(
        &self,
        evaluator: &mut Evaluator<'_>,
        request: &RequestKey,
        principal: &Principal,
        checks: &[Request],
        bundle: usize,
        evaluation: &Evaluation,
        compared: &Compared<'_>,
        lost: Option<Since>,
    ) -> Described {
        let shown = shown_case(evaluation, compared);
        let explain = |which| shown.map(|case| self.program.explain(checks, evaluation, case, which));
        let (baseline, other) = (explain(Which::Baseline), explain(Which::Candidate));
        let deciding_check = deciding_check(compared.change, baseline.as_ref(), other.as_ref());
        let deciding = request.checks.get(deciding_check).or(request.checks.first());
        let own = request.checks.first();
        let newest = principal.variants.get(request.variant).map(|variant| variant.baseline).unwrap_or_default();
        let context = checks.get(deciding_check).map(|check| evaluator.context_words(check, [newest, bundle])).unwrap_or_default();
        let decision = |which| Decision::of(compared.cases.iter().map(|case| case.verdict(which)));
        let candidate_deciding = other
            .iter()
            .flat_map(|(_, e)| &e.statements)
            .map(|s| format!("{}#{}", policy_name(&s.policy, principal), s.statement))
            .collect::<BTreeSet<_>>();
        let statements = |explanation: &Option<(usize, Explanation)>| -> Vec<DecidingStatement> {
            explanation.iter().flat_map(|(_, explanation)| explanation.statements.iter().cloned()).collect()
        };
        let named = [statements(&baseline), statements(&other)];
        let missing_keys = evaluation.settled_by(self.program, &compared.cases, Case::pair);
        let near = [&baseline, &other].map(|side| side.as_ref().and_then(|(_, explanation)| explanation.near.clone()));
        let key = ChangeKey {
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
            baseline_reason: match compared.contradiction {
                None => already_lost(lost, self.reason(baseline.as_ref(), compared, evaluation, Which::Baseline)),
                Some(contradiction) => {
                    let then = self.in_force(request, principal, checks, evaluation, compared);
                    let reason = match then {
                        Some((_, reason)) => format!("by the policies that were in force then, {reason}"),
                        None => self.reason(baseline.as_ref(), compared, evaluation, Which::Baseline),
                    };
                    contradicted(reason, contradiction, request.denied_by.as_deref())
                }
            },
            candidate_reason: already_lost(lost, self.reason(other.as_ref(), compared, evaluation, Which::Candidate)),
            baseline: Deciding::of(baseline.as_ref(), principal),
            candidate_side: Deciding::of(other.as_ref(), principal),
            candidate_deciding: candidate_deciding.into_iter().collect(),
            assumptions: assumptions(evaluation, &missing_keys),
            missing_keys,
            residual: evaluation.residual(self.program, &compared.cases, Which::Candidate),
            mapping_source: own.map(|check| check.source.clone()).unwrap_or_default(),
            resource_source: request.resource_source.clone(),
        };
        Described { key: Arc::new(key), named, near }
    }

    /// The decision of what was in force when a request was made, and its reason; `None` where the baseline was.
    pub(super) fn in_force(
        &self,
        request: &RequestKey,
        principal: &Principal,
        checks: &[Request],
        evaluation: &Evaluation,
        compared: &Compared<'_>,
    ) -> Option<(Decision, String)> {
        principal.variants.get(request.variant).filter(|variant| !variant.in_force.is_empty())?;
        let which = Which::InForce(0);
        let explanation = shown_case(evaluation, compared).map(|case| self.program.explain(checks, evaluation, case, which));
        let decision = Decision::of(compared.cases.iter().map(|case| case.verdict(which)));
        Some((decision, self.reason(explanation.as_ref(), compared, evaluation, which)))
    }

    /// The reason of the shown case; where a side is undetermined, what it depends on.
    fn reason(&self, explanation: Option<&(usize, Explanation)>, compared: &Compared<'_>, evaluation: &Evaluation, which: Which) -> String {
        if evaluation.believed && which == Which::Baseline {
            return "the log says so, and not by what was assumed to be absent: such a layer must have decided it".to_owned();
        }
        let reason = explanation.map(|(_, explanation)| explanation.reason.clone()).unwrap_or_default();
        let decision = Decision::of(compared.cases.iter().map(|case| case.verdict(which)));
        if decision != Decision::Undetermined {
            return reason;
        }
        let residual = evaluation.residual(self.program, &compared.cases, which);
        if residual.is_empty() { format!("not determined; for example {reason}") } else { format!("not determined: {residual}") }
    }
}

/// What the result rests on: layers that were not supplied and are left open, and the cap on situations.
fn assumptions(evaluation: &Evaluation, missing_keys: &[String]) -> Vec<String> {
    let mut assumptions: Vec<String> = missing_keys.iter().filter(|name| name.starts_with("layer:")).cloned().collect();
    assumptions.extend(evaluation.capped.then(|| "A-CAP".to_owned()));
    assumptions.extend(evaluation.believed.then(|| "A-LOG".to_owned()));
    assumptions.sort();
    assumptions.dedup();
    assumptions
}

/// What the reasons begin with of what the newest policies deny already.
pub(super) const ALREADY_LOST: &str = "already lost";

/// The reason of what was allowed when it was called, and is denied by the newest policies already.
fn already_lost(since: Option<Since>, reason: String) -> String {
    let day = |time: i64| date_text(i32::try_from(time.div_euclid(86_400_000_000)).unwrap_or_default());
    match since {
        None => reason,
        Some(Since::Call(time)) => format!("{ALREADY_LOST} since {}: {reason}", day(time)),
        // A snapshot of a day was taken before the next began.
        Some(Since::SeenAt(time)) => format!("{ALREADY_LOST} since {} at the latest: {reason}", day(time - 1)),
        Some(Since::Unknown) => format!("{ALREADY_LOST}, since when is not known: {reason}"),
    }
}

/// The reason of a baseline that contradicts the log, with what the log says and the likely cause.
fn contradicted(reason: String, contradiction: Contradiction, denied_by: Option<&str>) -> String {
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
