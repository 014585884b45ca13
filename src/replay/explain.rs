//! One event, explained: found again in the dataset, decided as a replay decides it, and every reason kept.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use rayon::prelude::*;
use serde::Serialize;
use serde_json::{Map, Value};

use super::Options;
use super::compare::{Change, Compared, Contradiction, compare};
use super::decide::{Decider, observation};
use super::filter::Filter;
use super::kernel::{Kernel, Shared};
use super::principals::{Principal, Principals, Seen};
use super::request::RequestKey;
use super::row::policy_name;
use super::view::EventColumns;
use crate::account::{ControlType, Policy, PolicySet, PrincipalKey};
use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::evaluate::{Case, Decision, Evaluation, Evaluator, Program, Request, Which, code_words};
use crate::frame::{EventRows, Text, json, parquet, read};
use crate::iam::arn::Arn;
use crate::ingest::{Dataset, SkippedRow, skipped_with};

pub use crate::evaluate::{
    ConditionReasons, FailedLayer, LayerReasons, PolicyNote, Reasons, RequestState, SettledCell, Settling, StatementReasons,
};

/// One event of the dataset, explained.
#[derive(Debug, Clone, Serialize)]
pub struct ExplainedEvent {
    /// The event: the columns of the dataset that are not null.
    pub event: Map<String, Value>,
    /// Who made the call, joined with the policy sets; null for an event that is not replayed.
    pub principal: Option<PrincipalNamed>,
    /// Whether a policy set can decide it.
    pub replayed: bool,
    /// Why it is not replayed, by the name in `counts.not_replayed`.
    pub not_replayed: Option<&'static str>,
    /// Whether the filters of the run leave it out; it is explained all the same.
    pub filtered: bool,
    /// What it comes to under each candidate.
    pub candidates: Vec<ExplainedChange>,
}

/// Who made a call.
#[derive(Debug, Clone, Serialize)]
pub struct PrincipalNamed {
    /// ARN of the IAM identity, if there is one.
    pub arn: Option<String>,
    /// As in reports.
    pub principal_type: String,
    /// Account, or empty.
    pub account_id: String,
    /// The permission set of an Identity Center role.
    pub permission_set: Option<String>,
    /// `yes`, `account_missing`, `principal_missing`, `id_differs`.
    pub in_snapshot: &'static str,
}

/// One event under one candidate: the row of `changes.parquet` that it belongs to, and why.
#[derive(Debug, Clone, Serialize)]
pub struct ExplainedChange {
    /// The candidate's name.
    pub candidate: String,
    /// The id of the row.
    pub change_id: String,
    /// The change.
    pub change: &'static str,
    /// What the log alone as baseline would say.
    pub change_from_log: &'static str,
    /// How the baseline contradicts the log.
    pub contradiction: Option<&'static str>,
    /// What the log says happened.
    pub observed: String,
    /// Decision of the baseline.
    pub baseline_decision: &'static str,
    /// Decision of the candidate.
    pub candidate_decision: &'static str,
    /// Why, in a sentence.
    pub baseline_reason: String,
    /// Why, in a sentence.
    pub candidate_reason: String,
    /// Decision of the policies that were in force when it was called; null where they were the baseline's.
    pub in_force_decision: Option<&'static str>,
    /// Why, in a sentence.
    pub in_force_reason: Option<String>,
    /// Index of the check that decides.
    pub deciding_check: usize,
    /// What is known of the context keys that matter, in words.
    pub context: Vec<String>,
    /// The context keys and layers that would settle it.
    pub missing_keys: Vec<String>,
    /// Under which condition the candidate allows it.
    pub residual: Option<String>,
    /// What each state of a missing key makes of the change.
    pub settled_by: Vec<Settling>,
    /// What the result rests on.
    pub assumptions: Vec<Code>,
    /// What a reader should know.
    pub caveats: Vec<Code>,
    /// The checks of the call, the event's own first.
    pub checks: Vec<ExplainedCheck>,
}

/// A code with its sentence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Code {
    /// The code.
    pub code: String,
    /// What it means.
    pub meaning: String,
}

/// One check, on both sides.
#[derive(Debug, Clone, Serialize)]
pub struct ExplainedCheck {
    /// The action.
    pub action: String,
    /// The resource; null if it is wholly unknown.
    pub resource: Option<String>,
    /// How it is known that the check is made.
    pub source: String,
    /// The baseline.
    pub baseline: Reasons,
    /// The candidate.
    pub candidate: Reasons,
    /// What was in force when it was called, where that was another than the baseline; near a change, the earlier.
    pub in_force: Option<Reasons>,
    /// The first layer, in the order of the evaluation, in which they differ.
    pub first_difference: Option<&'static str>,
}

/// Explains every event with an id: one, or several where the id occurs with different content. A policy set that is
/// no candidate of `options` is not looked at; `only` names the one candidate that is wanted.
///
/// # Errors
/// [`Error::Nothing`] if the dataset has no such event, with the nearest ids, or what became of a skipped record;
/// [`Error::Io`] and [`Error::Columns`].
pub fn explain(dataset: &Dataset, options: &Options, catalog: &Catalog, id: &str, only: Option<&str>) -> Result<Vec<ExplainedEvent>> {
    let rows = find(dataset, id)?;
    let mut scan = super::principals::Scan::default();
    rows.iter().try_for_each(|row| scan.add(row))?;
    let timeline = super::timeline(&dataset.files()?, options)?;
    let (principals, program) = Principals::compile(scan.seen(), &options.baseline, &options.candidates, options.assume_absent, timeline);
    let everything = Filter::default();
    let shared = Shared {
        program: &program,
        principals: &principals,
        catalog,
        filter: &everything,
        assume_absent: options.assume_absent,
        shard: None,
    };
    let names = options.candidates.iter().map(|(name, _)| name.as_str().into()).collect();
    let explainer =
        Explainer { program: &program, options, decider: Decider::new(&program, &principals, names, options.baseline.logged), only };
    rows.iter().map(|row| explainer.event(row, &shared)).collect()
}

/// The rows with an id, each as a batch of its own.
fn find(dataset: &Dataset, id: &str) -> Result<Vec<RecordBatch>> {
    const MOST_NEAR: usize = 3;
    let files = dataset.files()?;
    let looked: Vec<(bool, BTreeSet<String>)> = files
        .par_iter()
        .map(|file| {
            let (mut here, mut near) = (false, BTreeSet::new());
            parquet::read_each(file, Some(&["event_id"]), |batch| {
                for known in read::text(&batch, "event_id")?.iter().flatten() {
                    here |= known == id;
                    let alike = (!id.is_empty() && known.starts_with(id)) || strsim::hamming(known, id).is_ok_and(|differ| differ <= 2);
                    if alike && near.len() < MOST_NEAR {
                        near.insert(known.to_owned());
                    }
                }
                Ok(())
            })?;
            Ok((here, near))
        })
        .collect::<Result<_>>()?;
    let mut rows = Vec::new();
    for (file, _) in files.iter().zip(&looked).filter(|(_, (here, _))| *here) {
        parquet::read_each(file, None, |batch| {
            let ids = read::text(&batch, "event_id")?;
            rows.extend((0..batch.num_rows()).filter(|row| read::get(ids, *row) == Some(id)).map(|row| batch.slice(row, 1)));
            Ok(())
        })?;
    }
    if !rows.is_empty() {
        return Ok(rows);
    }
    let near: BTreeSet<String> = looked.into_iter().flat_map(|(_, near)| near).collect();
    Err(Error::Nothing(not_found(dataset, id, &near.into_iter().take(MOST_NEAR).collect::<Vec<_>>())?))
}

fn not_found(dataset: &Dataset, id: &str, near: &[String]) -> Result<String> {
    const MOST_SKIPPED: usize = 5;
    if !near.is_empty() {
        return Ok(format!("no event `{id}` in the log: did you mean `{}`?", near.join("` or `")));
    }
    let rows = skipped_with(dataset, id);
    let mut skipped: Vec<String> = rows
        .iter()
        .flat_map(|row| row.indices().map(move |index| (row, index)))
        .take(MOST_SKIPPED)
        .map(|(row, index)| {
            let place = index.map(|index| format!(", record {index}")).unwrap_or_default();
            format!("`{}`{place}: {}: {}", row.file, row.reason.replace('_', " "), row.detail)
        })
        .collect();
    let more = SkippedRow::sum(rows.iter().copied()).saturating_sub(MOST_SKIPPED as u64);
    if more > 0 {
        skipped.push(format!("and {more} more of the same files"));
    }
    if !skipped.is_empty() {
        return Ok(format!("event `{id}` was skipped, so nothing can be said of it: {}", skipped.join("; ")));
    }
    Ok(format!("no event `{id}` in the log: ids stand in `sample_event_ids` of changes.parquet, and in `event_id` of an events dataset"))
}

struct Explainer<'a> {
    program: &'a Program,
    options: &'a Options,
    decider: Decider<'a>,
    only: Option<&'a str>,
}

impl Explainer<'_> {
    fn event(&self, row: &RecordBatch, shared: &Shared<'_>) -> Result<ExplainedEvent> {
        let mut kernel = Kernel::new(shared);
        let rows = EventRows::each(row.clone());
        kernel.consume(&rows)?;
        let accumulator = kernel.finish();
        let columns = EventColumns::new(&rows)?;
        let event = columns.row(0);
        let seen = Seen::of(
            [Text::PrincipalArn, Text::PrincipalId, Text::PrincipalAccountId, Text::IdentityType, Text::SessionIssuerArn]
                .map(|column| event.text(column)),
        );
        let request = accumulator.requests.keys().next();
        let principal = request.and_then(|request| shared.principals.all.get(request.principal));
        let mut candidates = Vec::new();
        if let (Some(request), Some(principal)) = (request, principal) {
            let wanted =
                |index: &usize| self.only.is_none_or(|only| self.options.candidates.get(*index).is_some_and(|(name, _)| name == only));
            candidates.extend(
                (0..self.options.candidates.len()).filter(wanted).filter_map(|index| self.change(request, principal, &seen.key, index)),
            );
        }
        let named = |principal: &Principal| PrincipalNamed {
            arn: principal.arn.clone(),
            principal_type: principal.principal_type.clone(),
            account_id: principal.account.clone(),
            permission_set: principal.permission_set.clone(),
            in_snapshot: principal.in_snapshot.name(),
        };
        Ok(ExplainedEvent {
            filtered: !self.options.filter.keeps(event),
            event: json::row(row, 0),
            principal: principal.map(named),
            replayed: request.is_some(),
            not_replayed: accumulator.not_replayed.keys().next().copied(),
            candidates,
        })
    }

    fn change(&self, request: &RequestKey, principal: &Principal, key: &PrincipalKey, index: usize) -> Option<ExplainedChange> {
        let (name, set) = self.options.candidates.get(index)?;
        let variant = principal.variants.get(request.variant)?;
        let bundle = *variant.candidates.get(index)?;
        let checks: Vec<Request> = request.checks.iter().map(|check| self.decider.request(check, principal)).collect();
        let mut evaluator = Evaluator::new(self.program);
        let mut evaluation = evaluator.evaluate_in_force(&checks, variant.baseline, bundle, &variant.in_force);
        if self.options.baseline.logged {
            evaluation.believe(observation(request));
        }
        let compared = compare(&evaluation, observation(request), self.options.baseline.logged, principal.is_gone());
        let lost = self.decider.already_lost(&mut evaluator, request, principal, &checks, &compared);
        let described = self.decider.describe(&mut evaluator, request, principal, &checks, bundle, &evaluation, &compared, lost);
        let row = Arc::unwrap_or_clone(described.key);
        let explained: Vec<ExplainedCheck> = checks
            .iter()
            .zip(&request.checks)
            .enumerate()
            .map(|(check, (asked, described))| {
                let reasons = |set: &PolicySet, which| {
                    let note = |policy: &Policy| note(set, key, principal, policy);
                    let mut reasons = self.program.reasons((check, asked), which, &evaluation, &compared.cases, &note)?;
                    complete(&mut reasons, &described.source, principal);
                    Some(reasons)
                };
                let before = !variant.in_force.is_empty();
                let in_force = before.then(|| reasons(&self.options.baseline, Which::InForce(0))).flatten();
                let (baseline, candidate) = (reasons(&self.options.baseline, Which::Baseline)?, reasons(set, Which::Candidate)?);
                Some(ExplainedCheck {
                    action: described.action.clone(),
                    resource: described.resource.clone(),
                    source: described.source.clone(),
                    first_difference: first_difference(&baseline, &candidate),
                    in_force,
                    baseline,
                    candidate,
                })
            })
            .collect::<Option<_>>()?;
        let sides = || explained.iter().flat_map(|check| [&check.baseline, &check.candidate]);
        let assumed = sides().flat_map(|reasons| &reasons.assumptions).map(|code| (*code).to_owned());
        let assumptions: BTreeSet<String> = row.assumptions.iter().cloned().chain(assumed).collect();
        let caveats: BTreeSet<String> = sides().flat_map(|reasons| &reasons.caveats).map(|code| (*code).to_owned()).collect();
        let in_force = self.decider.in_force(request, principal, &checks, &evaluation, &compared);
        let (in_force_decision, in_force_reason) = in_force.unzip();
        Some(ExplainedChange {
            in_force_decision: in_force_decision.map(Decision::name),
            in_force_reason,
            candidate: name.clone(),
            change_id: row.id(name),
            change: row.change.name(),
            change_from_log: row.change_from_log.name(),
            contradiction: row.contradiction.map(Contradiction::name),
            observed: row.observed.clone(),
            baseline_decision: row.baseline_decision.name(),
            candidate_decision: row.candidate_decision.name(),
            deciding_check: request
                .checks
                .iter()
                .position(|check| check.action == row.deciding_action && check.resource == row.deciding_resource)
                .unwrap_or(0),
            settled_by: settled_by(self.program, &evaluation, &compared),
            baseline_reason: row.baseline_reason,
            candidate_reason: row.candidate_reason,
            context: row.context,
            missing_keys: row.missing_keys,
            residual: Some(row.residual).filter(|residual| !residual.is_empty()),
            assumptions: codes(assumptions),
            caveats: codes(caveats),
            checks: explained,
        })
    }
}

fn codes(codes: BTreeSet<String>) -> Vec<Code> {
    codes.into_iter().map(|code| Code { meaning: code_words(&code).into_owned(), code }).collect()
}

/// What each state of what is open makes of the change.
fn settled_by(program: &Program, evaluation: &Evaluation, compared: &Compared<'_>) -> Vec<Settling> {
    let name = |cases: &[&Case]| Change::of_pairs(cases.iter().map(|case| case.pair())).name().to_owned();
    evaluation.settling_cells(program, &compared.cases, Case::pair, name)
}

/// What only the replay knows: how the check was found, and the tags of the principal.
fn complete(reasons: &mut Reasons, source: &str, principal: &Principal) {
    if source == "inferred" {
        reasons.caveats.push("inferred-check");
        reasons.caveats.sort_unstable();
    }
    let same = |tag: &str| principal.tags.all.iter().flatten().filter(|(name, _)| name.to_lowercase() == tag).count();
    let asked = reasons.layers.iter().flat_map(|layer| &layer.statements).flat_map(|statement| &statement.conditions);
    let ambiguous = asked.map(|condition| condition.key.to_lowercase()).any(|key| {
        let tag = key.strip_prefix("aws:principaltag/");
        tag.is_some_and(|tag| same(tag) > 1)
    });
    if ambiguous && reasons.decision == "Undetermined" {
        reasons.assumptions.push("A-TAGCASE");
        reasons.assumptions.sort_unstable();
    }
}

/// The first layer, in the order of the evaluation, that does not say the same on both sides.
fn first_difference(baseline: &Reasons, candidate: &Reasons) -> Option<&'static str> {
    let of = |reasons: &Reasons, name: &str| reasons.layers.iter().filter(|layer| layer.layer == name).cloned().collect::<Vec<_>>();
    let names = baseline.layers.iter().chain(&candidate.layers).map(|layer| layer.layer);
    names.into_iter().find(|name| of(baseline, name) != of(candidate, name))
}

/// What a reader calls a policy of a side, and who has it.
fn note(set: &PolicySet, key: &PrincipalKey, principal: &Principal, policy: &Policy) -> PolicyNote {
    let resource = Arn::parse(&policy.name).map(|arn| (arn.account, arn.resource));
    let control = ControlType::ALL.into_iter().find(|control| policy.name.contains(&format!("/{}/", control.name())));
    let policy_type = match (resource, control) {
        (Some(("aws", _)), _) => "aws_managed",
        (Some(_), Some(control)) => control.name(),
        (Some((_, resource)), None) if resource.starts_with("policy/") => "customer_managed",
        (Some((_, resource)), None) if resource.starts_with("group/") => "group_inline",
        (Some(_), None) => "inline",
        (None, _) => "document",
    };
    PolicyNote { name: policy_name(policy, principal), policy_type, attached_to: set.holder(key, &policy.name) }
}
