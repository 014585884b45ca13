//! Builds the explanation record of one side. Only for what is shown: a replay never makes one.
//!
//! Order and content follow the AWS evaluation logic: every Deny that applies (taking one away must not look like a
//! fix), every Allow (to tell redundant grants), and the statements that came near, with each condition and the value
//! that it saw.

use super::assume::Rests;
use super::authorize::{Side, Situation as _, StatementRef, Verdict};
use super::decision::{Decision, Which};
use super::entry::ConditionReasons;
use super::program::{CompiledBundle, CompiledStatement, Program, ResourcePattern};
use super::record::{FailedLayer, LayerReasons, PolicyNote, Reasons, Settling, StatementReasons};
use super::request::{LayerKind, Owner, ResourceState};
use super::split::{Case, Chosen, Evaluation};
use super::statement::{Ask, Miss, Open, Request, applies};
use crate::account::Policy;
use crate::iam::action::ActionPattern;
use crate::iam::document::{Effect, Statement};
use crate::iam::pattern::{Matching, UNKNOWN_PART};

/// How many statements for other resources are named in a layer.
const MOST_OTHERS: usize = 3;

/// In how many of the situations that are possible something holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    All,
    Some,
    None,
}

/// One check on one side, in the situations that are possible.
pub(super) struct Possible<'a> {
    pub(super) program: &'a Program,
    pub(super) request: &'a Request,
    evaluation: &'a Evaluation,
    check: usize,
    side: &'a Side,
    bundle: &'a CompiledBundle,
    /// Each situation with its answers to all questions.
    cases: Vec<(&'a Case, Vec<bool>)>,
    note: &'a dyn Fn(&Policy) -> PolicyNote,
}

/// A statement that covers the action and is for the caller, before it is described.
struct Found<'p> {
    reference: StatementRef,
    statement: &'p CompiledStatement,
    open: Vec<Open>,
    share: Share,
    applies: &'static str,
}

impl Program {
    /// The explanation record of one side for a check of an event, in the cases that agree with what was observed;
    /// `None` for a check that the evaluation does not have. `note` names policies.
    pub fn reasons(
        &self,
        (check, request): (usize, &Request),
        which: Which,
        evaluation: &Evaluation,
        cases: &[&Case],
        note: &dyn Fn(&Policy) -> PolicyNote,
    ) -> Option<Reasons> {
        let side = evaluation.checks.get(check)?.side(which);
        let bundle = self.bundles.get(side.bundle)?;
        let cases = cases.iter().map(|case| (*case, evaluation.answers(case))).collect();
        Some(Possible { program: self, request, evaluation, check, side, bundle, cases, note }.reasons())
    }

    pub(super) fn statement_at(&self, reference: StatementRef) -> Option<(&Policy, &Statement)> {
        let policy = &self.documents.get(reference.document)?.policy;
        Some((policy, policy.document.statements.get(reference.statement)?))
    }
}

impl<'a> Possible<'a> {
    fn reasons(&self) -> Reasons {
        let capped = self.evaluation.capped;
        let verdicts: Vec<Verdict> = match capped {
            true => super::split::possible(self.side).into_iter().collect(),
            false => self.cases.iter().map(|case| self.verdict(case)).collect(),
        };
        let decision = Decision::of(verdicts.iter().copied());
        let mut layers = Vec::new();
        for layer in LayerKind::ALL.into_iter().filter(|_| !self.side.always) {
            for (level, documents) in self.levels(layer) {
                layers.push(self.layer(layer, level, documents));
            }
        }
        let rests = Rests::of(self, decision, capped, &layers);
        let every = || layers.iter().flat_map(|layer| &layer.statements);
        let applying = |effect: &str| every().filter(|s| s.applies == "yes" && s.effect == effect).cloned().collect::<Vec<_>>();
        let (denied_by, allowed_by) = (applying("Deny"), applying("Allow"));
        let (name, kind) = record_names(decision);
        let decided_by = match decision {
            Decision::ExplicitDeny => denied_by.first(),
            Decision::Allowed => allowed_by.iter().find(|statement| matches!(statement.layer, "identity" | "resource")),
            _ => None,
        };
        let fails = |layer: &&LayerReasons| decision != Decision::Allowed && layer.answer == Some("does_not_allow");
        Reasons {
            decision: name,
            kind,
            possible: possible_names(&verdicts),
            decided_by: decided_by.cloned(),
            failed_layers: layers.iter().filter(fails).map(FailedLayer::of).collect(),
            near_misses: every().filter(|statement| matches!(statement.applies, "no" | "depends")).cloned().collect(),
            denied_by,
            allowed_by,
            settled_by: if decision == Decision::Undetermined { self.settled_by() } else { Vec::new() },
            assumptions: rests.assumptions,
            caveats: rests.caveats,
            layers,
        }
    }

    fn verdict(&self, case: &(&Case, Vec<bool>)) -> Verdict {
        self.side.verdict(&self.chosen(case))
    }

    fn chosen<'c>(&'c self, (case, answers): &'c (&Case, Vec<bool>)) -> Chosen<'c> {
        Chosen { variables: &self.evaluation.variables, states: &case.states, answers, check: self.check }
    }

    fn share(&self, holds: impl Fn(&(&Case, Vec<bool>)) -> bool) -> Share {
        let holding = self.cases.iter().filter(|case| holds(case)).count();
        match holding {
            _ if self.evaluation.capped => Share::Some,
            0 => Share::None,
            all if all == self.cases.len() => Share::All,
            _ => Share::Some,
        }
    }

    fn all_hold(&self, open: &[Open], (_, answers): &(&Case, Vec<bool>)) -> bool {
        open.iter().all(|open| self.evaluation.asks.holds(open, self.check, answers))
    }

    /// In how many situations what is left open holds.
    pub(super) fn hold(&self, open: &[Open]) -> Share {
        if open.is_empty() { Share::All } else { self.share(|case| self.all_hold(open, case)) }
    }

    fn settled_by(&self) -> Vec<Settling> {
        let verdict = |case: &Case| self.verdict(&(case, self.evaluation.answers(case)));
        let cases: Vec<&Case> = self.cases.iter().map(|(case, _)| *case).collect();
        let name = |cases: &[&Case]| record_names(Decision::of(cases.iter().map(|case| verdict(case)))).0.to_owned();
        self.evaluation.settling_cells(self.program, &cases, |case| verdict(case) == Verdict::Allowed, name)
    }

    fn layer(&self, kind: LayerKind, level: Option<usize>, documents: Option<&[usize]>) -> LayerReasons {
        let documents_of = documents.unwrap_or_default();
        let found = self.found(kind, documents_of);
        let state = self.state(kind, documents.is_some());
        let rank = |found: &Found<'_>| match (found.applies, found.statement.effect) {
            ("yes", Effect::Deny) => 0,
            ("yes", Effect::Allow) => 1,
            ("depends", Effect::Deny) => 2,
            ("depends", Effect::Allow) => 3,
            ("no", _) => 4,
            _ => 5,
        };
        let mut shown: Vec<&Found<'_>> = found.iter().collect();
        shown.sort_by_key(|found| rank(found));
        shown.truncate(shown.iter().filter(|found| rank(found) < 5).count() + MOST_OTHERS);
        let policy = |id: &usize| self.program.documents.get(*id).map(|document| (self.note)(&document.policy).name);
        LayerReasons {
            layer: kind.name(),
            level,
            state,
            policies: documents_of.iter().filter_map(policy).collect(),
            answer: self.answer(kind, state, &found),
            statements: shown.iter().filter_map(|found| self.describe(kind, level, found)).collect(),
        }
    }

    fn state(&self, layer: LayerKind, supplied: bool) -> &'static str {
        let side = self.side;
        let cross_account = side.resource.as_ref().is_some_and(|resource| resource.cross_account);
        match layer {
            LayerKind::Identity if self.bundle.unlimited => "unlimited",
            LayerKind::Identity if side.opaque_identity => "partly_opaque",
            LayerKind::Scp | LayerKind::Rcp if supplied && side.opaque.contains(layer) => "partly_opaque",
            _ if supplied => "present",
            _ if side.opaque.contains(layer) => "opaque",
            LayerKind::Resource if cross_account => "missing",
            _ => "absent",
        }
    }

    /// The statements of a layer that cover the action and are for the caller.
    fn found(&self, kind: LayerKind, documents: &'a [usize]) -> Vec<Found<'a>> {
        let caller = &self.request.subject.caller;
        let concerns = |statement: &CompiledStatement| match (&statement.principal, kind, statement.effect) {
            (None, kind, _) => kind != LayerKind::Resource,
            (Some(principal), LayerKind::Resource, Effect::Deny) => {
                principal.covers(caller) || (principal.negated && self.bundle.boundary.is_some())
            }
            (Some(principal), LayerKind::Resource, Effect::Allow) if !principal.negated => principal.grant(caller).is_some(),
            (Some(principal), ..) => principal.covers(caller),
        };
        let mut all = Vec::new();
        for (reference, statement) in self.program.statements(documents).filter(|(_, statement)| concerns(statement)) {
            let (open, share, applies) = match applies(self.program, self.request, statement) {
                Err(Miss::Action) => continue,
                Err(Miss::Resource) => (Vec::new(), Share::None, "other_resource"),
                Err(Miss::Condition(_)) => (Vec::new(), Share::None, "no"),
                Ok(open) => match self.hold(&open) {
                    Share::All => (open, Share::All, "yes"),
                    Share::Some => (open, Share::Some, "depends"),
                    Share::None => (open, Share::None, "no"),
                },
            };
            all.push(Found { reference, statement, open, share, applies });
        }
        all
    }

    /// What a layer says, over the situations that are possible.
    fn answer(&self, kind: LayerKind, state: &'static str, found: &[Found<'_>]) -> Option<&'static str> {
        let holding = |effect: Effect| {
            let of_effect = || found.iter().filter(|found| found.statement.effect == effect);
            if of_effect().any(|found| found.share == Share::All) {
                return Share::All;
            }
            let open: Vec<&Found<'_>> = of_effect().filter(|found| found.share == Share::Some).collect();
            if open.is_empty() { Share::None } else { self.share(|case| open.iter().any(|found| self.all_hold(&found.open, case))) }
        };
        let permits = || self.share(|case| self.chosen(case).permits(self.side.opaque.only(kind)));
        let grants = || {
            self.share(|case| {
                self.chosen(case).grants(kind, if kind == LayerKind::Identity { self.side.identity_owner } else { Owner::Shared })
            })
        };
        let named = |share: Share| match share {
            Share::All => "allows",
            Share::Some => "may_allow",
            Share::None => "does_not_allow",
        };
        match (state, holding(Effect::Deny), holding(Effect::Allow)) {
            ("absent", ..) => None,
            ("missing", ..) => Some("does_not_allow"),
            (_, Share::All, _) => Some("denies"),
            ("unlimited", Share::None, _) => Some("allows"),
            ("opaque", ..) if kind == LayerKind::Resource && self.side.opaque_resource && permits() != Share::None => {
                Some(match grants() {
                    Share::All => "allows",
                    Share::Some => "may_allow",
                    Share::None => "grants_nothing",
                })
            }
            ("opaque", ..) => Some(named(permits())),
            ("partly_opaque", Share::None, Share::All) if kind != LayerKind::Identity => Some(named(permits())),
            ("partly_opaque", Share::None, Share::None) if kind == LayerKind::Identity => Some(named(grants())),
            ("partly_opaque", Share::None, Share::Some) if kind == LayerKind::Identity => {
                Some(if grants() == Share::All { "allows" } else { "may_allow" })
            }
            (_, Share::Some, _) => Some("may_deny"),
            (_, Share::None, Share::None) if kind == LayerKind::Resource && !self.needs_resource_policy() => Some("grants_nothing"),
            (_, Share::None, allows) => Some(named(allows)),
        }
    }

    fn needs_resource_policy(&self) -> bool {
        self.side.resource.as_ref().is_some_and(|resource| resource.cross_account)
    }

    fn describe(&self, kind: LayerKind, level: Option<usize>, found: &Found<'_>) -> Option<StatementReasons> {
        let (policy, document) = self.program.statement_at(found.reference)?;
        let PolicyNote { name, policy_type, attached_to } = (self.note)(policy);
        let mut conditions: Vec<ConditionReasons> = match found.applies {
            "other_resource" => Vec::new(),
            _ => found.statement.atoms.iter().filter_map(|atom| self.condition(*atom)).collect(),
        };
        if found.applies != "yes" {
            conditions.retain(|condition| condition.result != "true");
        }
        let mut open = Vec::new();
        if found.applies == "depends" {
            let asks = || found.open.iter().flat_map(|open| &open.any_of);
            open.extend(asks().any(|ask| matches!(ask, Ask::Action(_))).then_some("action"));
            open.extend(asks().any(|ask| matches!(ask, Ask::Resource(_))).then_some("resource"));
        }
        Some(StatementReasons {
            layer: kind.name(),
            level,
            policy: name,
            policy_type,
            attached_to,
            statement_index: found.reference.statement,
            sid: document.sid.clone().filter(|sid| !sid.is_empty()),
            effect: if found.statement.effect == Effect::Deny { "Deny" } else { "Allow" },
            file: policy.file.as_ref().map(|file| file.display().to_string()),
            line: document.lines.0,
            end_line: document.lines.1,
            text: document.text.clone(),
            matched_action: self.matched_action(document),
            matched_resource: if found.applies == "other_resource" { None } else { self.matched_resource(found.statement, document) },
            applies: found.applies,
            open,
            conditions,
            reference: found.reference,
        })
    }

    /// The `Action` pattern that covers the action, as written.
    fn matched_action(&self, document: &Statement) -> Option<String> {
        if document.action.negated {
            return None;
        }
        let name = self.request.action.name.as_str();
        let prefix = name.split(':').next().unwrap_or(name);
        let covers = |pattern: &&String| match self.request.action.guessed {
            true => ActionPattern::new(pattern).matches_some_of(prefix) != Matching::No,
            false => ActionPattern::new(pattern).matches(name),
        };
        document.action.patterns.iter().find(covers).cloned()
    }

    /// The `Resource` pattern that covers the resource, as written.
    fn matched_resource(&self, statement: &CompiledStatement, document: &Statement) -> Option<String> {
        if statement.not_resource {
            return None;
        }
        let patterns = statement.resources.as_ref()?;
        let text = match &self.request.resource {
            ResourceState::None => None,
            ResourceState::Unknown => Some(UNKNOWN_PART),
            ResourceState::Arn(arn) => Some(arn.as_str()),
        };
        let covers = |wanted: Matching| {
            patterns.iter().position(|pattern| match (pattern, text) {
                (ResourcePattern::Everything, _) => true,
                (ResourcePattern::Fixed(pattern), Some(text)) => pattern.matches_partly(text) == wanted,
                _ => false,
            })
        };
        let with_variable = || patterns.iter().position(|pattern| matches!(pattern, ResourcePattern::Template { .. }));
        let at = covers(Matching::Yes).or_else(|| covers(Matching::Maybe)).or_else(with_variable)?;
        document.resource.as_ref()?.patterns.get(at).cloned()
    }
}

impl<'a> Possible<'a> {
    /// The documents of a layer, level by level; `None` where none were supplied.
    fn levels(&self, layer: LayerKind) -> Vec<(Option<usize>, Option<&'a [usize]>)> {
        let (program, bundle): (&'a Program, &'a CompiledBundle) = (self.program, self.bundle);
        let several = match layer {
            LayerKind::Scp => bundle.scps.as_deref().unwrap_or_default(),
            LayerKind::Rcp => program.rcps(bundle, &self.request.subject).0,
            LayerKind::Endpoint => return vec![(None, bundle.endpoint.as_deref())],
            LayerKind::Resource => return vec![(None, bundle.resource.as_deref())],
            LayerKind::Boundary => return vec![(None, bundle.boundary.as_deref())],
            LayerKind::Session => return vec![(None, bundle.session.as_deref())],
            LayerKind::Identity => return vec![(None, Some(bundle.identity.as_slice()))],
        };
        if several.is_empty() {
            return vec![(None, None)];
        }
        several.iter().enumerate().map(|(level, documents)| (Some(level), Some(documents.as_slice()))).collect()
    }
}

impl FailedLayer {
    fn of(layer: &LayerReasons) -> Self {
        let near = layer.statements.iter().filter(|s| s.effect == "Allow" && matches!(s.applies, "no" | "depends"));
        Self { layer: layer.layer, level: layer.level, near_misses: near.cloned().collect() }
    }
}

/// The names of the explanation record: the decision, and of a denial its kind.
fn record_names(decision: Decision) -> (&'static str, Option<&'static str>) {
    match decision {
        Decision::Allowed => ("Allowed", None),
        Decision::ExplicitDeny => ("Denied", Some("explicit")),
        Decision::ImplicitDeny => ("Denied", Some("implicit")),
        Decision::Denied => ("Denied", Some("unknown")),
        Decision::Undetermined => ("Undetermined", None),
    }
}

fn possible_names(verdicts: &[Verdict]) -> Vec<&'static str> {
    let name = |verdict: &Verdict| match verdict {
        Verdict::Allowed => "Allowed",
        Verdict::ExplicitDeny => "ExplicitlyDenied",
        Verdict::ImplicitDeny => "ImplicitlyDenied",
        Verdict::OpaqueDeny => "Denied",
    };
    verdicts.iter().map(name).collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}
