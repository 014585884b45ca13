//! Case splitting: what is open is tried in every possible way, on baseline and candidate together.
//!
//! A question that stands on both sides gets one answer for both, so that what cannot be known does not look like a
//! change. Sound: the cases cover every completion of what is unknown.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::asks::{AskId, Asks, Literal};
use super::authorize::{Side, SideBuilder, Situation, Verdict, Verdicts};
use super::automaton::{self, Run};
use super::cell::Cell;
use super::decision::Which;
use super::domain::{Question, Vector, vectors};
use super::evaluator::Evaluator;
use super::program::{AtomId, BundleId, KeyId, Program};
use super::request::{LayerKind, Layers, Owner, ResourceState};
use super::statement::{Ask, KnownKey, Request};
use crate::iam::pattern::{Pattern, UNKNOWN_PART};

/// The most situations that are tried for one request.
const MOST_SITUATIONS: usize = 4_096;

/// Something unknown, with every state that it can be in.
#[derive(Debug, Clone)]
pub(super) struct Variable {
    pub(super) what: Unknown,
    /// The check that it belongs to; `None`: it is the same for all checks of the event.
    pub(super) check: Option<usize>,
    pub(super) asks: Vec<AskId>,
    /// Each state's answers to the asks.
    pub(super) states: Arc<[Vector]>,
}

/// What a [`Variable`] stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unknown {
    /// A context key.
    Key(KeyId),
    /// The part of the resource that the log does not tell.
    Resource,
    /// The name of the action.
    Action,
    /// Whether layers that were not supplied permit: one variable for all that are asked together.
    Permit(Layers),
    /// Whether a policy that was not supplied grants.
    Grant(LayerKind, Owner),
    /// Whether the call asks for a further check.
    Asked,
    /// A question on several unknown keys at once.
    Free(String, Vec<KeyId>),
}

/// One situation: a state for every variable, and the verdicts of all sides in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Index of the state of each variable.
    pub(super) states: Vec<usize>,
    /// The baseline's verdict.
    pub baseline: Verdict,
    /// The candidate's verdict.
    pub candidate: Verdict,
    /// The verdicts of the policies that may have been in force at the event: the baseline's, where that is not said.
    pub in_force: Verdicts,
}

/// What baseline and candidate come to for one check of an event.
#[derive(Debug, Clone)]
pub(super) struct Sides {
    pub(super) baseline: Side,
    /// `None`: the same as the baseline.
    pub(super) candidate: Option<Side>,
    /// What may have been in force at the event, one of them; none: the baseline.
    pub(super) in_force: Vec<Side>,
}

impl Sides {
    pub(super) fn side(&self, which: Which) -> &Side {
        match which {
            Which::Baseline => &self.baseline,
            Which::Candidate => self.candidate.as_ref().unwrap_or(&self.baseline),
            Which::InForce(at) => self.in_force.get(at).unwrap_or(&self.baseline),
        }
    }

    /// What may have been in force.
    pub(super) fn all_in_force(&self) -> &[Side] {
        if self.in_force.is_empty() { std::slice::from_ref(&self.baseline) } else { &self.in_force }
    }
}

/// Baseline and candidate on one event, in every situation that is possible. An event that needs several checks is
/// allowed if all of them are.
#[derive(Debug, Clone)]
pub struct Evaluation {
    pub(super) asks: Asks,
    pub(super) variables: Vec<Variable>,
    /// The situations, in a fixed order.
    pub cases: Vec<Case>,
    /// There were too many situations: the cases are all pairs of verdicts that each side alone could give
    /// (assumption `A-CAP`).
    pub capped: bool,
    /// The baseline's verdicts were taken from the log, against what was assumed (assumption `A-LOG`).
    pub believed: bool,
    pub(super) checks: Vec<Sides>,
}

/// The situation of one check: the states chosen for the variables, and what follows for every question.
pub(super) struct Chosen<'a> {
    pub(super) variables: &'a [Variable],
    pub(super) states: &'a [usize],
    pub(super) answers: &'a [bool],
    pub(super) check: usize,
}

impl<'a> Chosen<'a> {
    /// The variables that concern this check, with their states.
    fn own(&self) -> impl Iterator<Item = (&'a Variable, usize)> {
        let check = self.check;
        let concerns = move |(variable, _): &(&Variable, usize)| variable.check.is_none_or(|of| of == check);
        self.variables.iter().zip(self.states.iter().copied()).filter(concerns)
    }
}

impl Situation for Chosen<'_> {
    fn literal(&self, literal: &Literal) -> bool {
        literal.any_of.iter().any(|ask| self.answers.get(*ask).copied().unwrap_or(false)) != literal.negated
    }

    fn permits(&self, opaque: Layers) -> bool {
        self.own().all(|(variable, state)| match variable.what {
            Unknown::Permit(layers) if layers.meets(opaque) => state == 1,
            _ => true,
        })
    }

    fn grants(&self, layer: LayerKind, owner: Owner) -> bool {
        self.own().any(|(variable, state)| variable.what == Unknown::Grant(layer, owner) && state == 1)
    }

    fn asks(&self) -> bool {
        self.own().all(|(variable, state)| variable.what != Unknown::Asked || state == 1)
    }
}

impl Evaluator<'_> {
    /// Decides the checks of one event for two bundles together.
    pub fn evaluate(&mut self, checks: &[Request], baseline: BundleId, candidate: BundleId) -> Evaluation {
        self.evaluate_in_force(checks, baseline, candidate, &[])
    }

    /// The same, with the bundles of which one was in force at the event; none: the baseline was.
    pub fn evaluate_in_force(&mut self, checks: &[Request], baseline: BundleId, candidate: BundleId, in_force: &[BundleId]) -> Evaluation {
        let bundles: Vec<BundleId> = [baseline, candidate].iter().chain(in_force).copied().collect();
        let mut asks = Asks::default();
        let mut sides = Vec::with_capacity(checks.len());
        for (check, request) in checks.iter().enumerate() {
            let action = self.action(&request.action);
            let covering = self.covering(&request.action, &request.resource, &bundles);
            let covering = covering.as_slice();
            let mut builder = SideBuilder { program: self.program, checks, check, request, action: &action, covering, asks: &mut asks };
            let left = builder.side(baseline);
            let right = (baseline != candidate).then(|| builder.side(candidate));
            let in_force = in_force.iter().map(|bundle| builder.side_in_force(*bundle)).collect();
            sides.push(Sides { baseline: left, candidate: right, in_force });
        }
        let variables = self.variables(checks, &asks, &sides);
        let total = variables.iter().try_fold(1usize, |total, variable| {
            total.checked_mul(variable.states.len()).filter(|total| *total <= MOST_SITUATIONS && !variable.states.is_empty())
        });
        match total {
            Some(total) => {
                let cases = cases(&variables, total, asks.len(), &sides);
                Evaluation { asks, variables, cases, capped: false, believed: false, checks: sides }
            }
            None => Evaluation { cases: capped_cases(&sides), asks, variables, capped: true, believed: false, checks: sides },
        }
    }

    /// Everything that is unknown and that some statement or layer asks for.
    fn variables(&mut self, checks: &[Request], asks: &Asks, sides: &[Sides]) -> Vec<Variable> {
        let mut variables: Vec<Variable> = Vec::new();
        for (id, (ask, check)) in asks.iter().enumerate() {
            let what = match ask {
                Ask::Fixed(key, _) | Ask::Derived(key, _) => Unknown::Key(*key),
                Ask::Resource(_) => Unknown::Resource,
                Ask::Action(_) => Unknown::Action,
                Ask::Free(name, keys) => Unknown::Free(name.clone(), keys.clone()),
            };
            match variables.iter_mut().find(|variable| variable.what == what && variable.check == *check) {
                Some(variable) => variable.asks.push(id),
                None => variables.push(Variable { what, check: *check, asks: vec![id], states: Arc::default() }),
            }
        }
        for variable in &mut variables {
            let request = checks.get(variable.check.unwrap_or(0));
            let states = request.and_then(|request| self.variable_states(request, variable, asks));
            variable.states = states.unwrap_or_else(|| independent(variable.asks.len()).into());
        }
        for (check, sides) in sides.iter().enumerate() {
            let all: Vec<&Side> = [&sides.baseline, sides.side(Which::Candidate)].into_iter().chain(&sides.in_force).collect();
            variables.extend(opaque_variables(check, &all));
        }
        variables
    }

    fn variable_states(&mut self, request: &Request, variable: &Variable, asks: &Asks) -> Option<Arc<[Vector]>> {
        let asked: Vec<&Ask> = variable.asks.iter().filter_map(|id| asks.get(*id)).collect();
        match &variable.what {
            Unknown::Key(key) => {
                let program = self.program;
                let known = request.context.get(*key)?;
                let fixed: Option<Vec<AtomId>> =
                    asked.iter().map(|ask| if let Ask::Fixed(_, atom) = ask { Some(*atom) } else { None }).collect();
                match fixed {
                    Some(atoms) => self.states(*key, &known.cell, atoms, || program.key_states(known, *key, &asked)),
                    None => program.key_states(known, *key, &asked).map(Into::into),
                }
            }
            Unknown::Resource => {
                let text = if let ResourceState::Arn(arn) = &request.resource { arn.as_str() } else { UNKNOWN_PART };
                self.pattern_states(&asked, text)
            }
            Unknown::Action => {
                let prefix = request.action.name.split(':').next().unwrap_or_default();
                self.pattern_states(&asked, &format!("{prefix}:{UNKNOWN_PART}"))
            }
            _ => Some(booleans().into()),
        }
    }
}

impl Evaluator<'_> {
    /// The answers of patterns to a text of which a part is unknown.
    fn pattern_states(&mut self, asks: &[&Ask], text: &str) -> Option<Arc<[Vector]>> {
        let pattern = |ask: &&Ask| match ask {
            Ask::Resource(pattern) | Ask::Action(pattern) => Some(Arc::clone(pattern)),
            _ => None,
        };
        let patterns: Vec<Arc<Pattern>> = asks.iter().map(pattern).collect::<Option<_>>()?;
        self.feasible(patterns, text, pattern_states)
    }
}

impl Program {
    /// Decides the checks of one event for two bundles together. For many events, keep an [`Evaluator`].
    pub fn evaluate(&self, checks: &[Request], baseline: BundleId, candidate: BundleId) -> Evaluation {
        Evaluator::new(self).evaluate(checks, baseline, candidate)
    }

    fn key_states(&self, known: &KnownKey, key: KeyId, asks: &[&Ask]) -> Option<Vec<Vector>> {
        let slots: Option<Vec<usize>> = asks.iter().map(|ask| self.slot(ask)).collect();
        if let (Some(slots), Cell { vectors: Some(vectors), .. }) = (slots, known.cell.as_ref()) {
            let project = |vector: &Vector| Vector {
                absent: vector.absent,
                answers: slots.iter().map(|slot| vector.answers.get(*slot).copied().unwrap_or(false)).collect(),
            };
            let projected: BTreeSet<Vector> = vectors.iter().map(project).collect();
            return Some(projected.into_iter().collect());
        }
        let question = |ask: &&Ask| match ask {
            Ask::Fixed(_, atom) => self.question(*atom).cloned(),
            Ask::Derived(_, question) => Some(question.clone()),
            _ => None,
        };
        let questions: Vec<Question> = asks.iter().map(question).collect::<Option<_>>()?;
        let shape = self.keys.get(key)?.shape;
        let asked: Vec<&Question> = questions.iter().collect();
        Some(vectors(&known.state, &asked, shape)?.into_iter().collect())
    }

    fn slot(&self, ask: &Ask) -> Option<usize> {
        let Ask::Fixed(_, atom) = ask else { return None };
        match &self.atoms.get(*atom)?.kind {
            super::program::AtomKind::Fixed { slot, .. } => Some(*slot),
            super::program::AtomKind::Templates(_) => None,
        }
    }
}

fn booleans() -> Vec<Vector> {
    [false, true].map(|answer| Vector { absent: false, answers: vec![answer] }).to_vec()
}

/// Every combination of answers: coarser than the truth, and sound. Empty if there are too many.
fn independent(asks: usize) -> Vec<Vector> {
    if asks > 9 {
        return Vec::new();
    }
    let bits = |mask: usize| (0..asks).map(|bit| mask & (1 << bit) != 0).collect();
    (0..1usize << asks).map(|mask| Vector { absent: false, answers: bits(mask) }).collect()
}

fn pattern_states(patterns: &[Arc<Pattern>], text: &str) -> Option<Vec<Vector>> {
    let runs: Vec<Run<'_>> = patterns.iter().map(|pattern| Run::new(pattern)).collect();
    Some(automaton::feasible(&runs, text)?.into_iter().map(|answers| Vector { absent: false, answers }).collect())
}

/// A variable for the opaque layers that the same sides have, and the grants.
fn opaque_variables(check: usize, sides: &[&Side]) -> Vec<Variable> {
    let variable = |what| Variable { what, check: Some(check), asks: Vec::new(), states: booleans().into() };
    // By the sides that have them, those of the baseline first: layers that are always asked together are one question.
    let mut groups: BTreeMap<Vec<std::cmp::Reverse<bool>>, Layers> = BTreeMap::new();
    for layer in sides.iter().fold(Layers::NONE, |all, side| all.union(side.opaque)).each() {
        let of_sides = sides.iter().map(|side| std::cmp::Reverse(side.opaque.meets(layer))).collect();
        let group = groups.entry(of_sides).or_default();
        *group = group.union(layer);
    }
    let mut variables: Vec<Variable> = groups.into_values().map(|layers| variable(Unknown::Permit(layers))).collect();
    for owner in [Owner::Shared, Owner::Candidate, Owner::InForce] {
        if sides.iter().any(|side| side.opaque_identity && side.identity_owner == owner) {
            variables.push(variable(Unknown::Grant(LayerKind::Identity, owner)));
        }
    }
    if sides.iter().any(|side| side.opaque_resource) {
        variables.push(variable(Unknown::Grant(LayerKind::Resource, Owner::Shared)));
    }
    if sides.iter().any(|side| side.optional) {
        variables.push(variable(Unknown::Asked));
    }
    variables
}

fn cases(variables: &[Variable], total: usize, asks: usize, checks: &[Sides]) -> Vec<Case> {
    let mut cases = Vec::with_capacity(total);
    let mut states = vec![0usize; variables.len()];
    let mut answers = vec![false; asks];
    let alternatives = checks.first().map_or(0, |sides| sides.in_force.len());
    for variable in variables {
        variable.answer(0, &mut answers);
    }
    for _ in 0..total {
        let verdict = |which| {
            let one = |(check, sides): (usize, &Sides)| {
                sides.side(which).verdict(&Chosen { variables, states: &states, answers: &answers, check })
            };
            conjunction(checks.iter().enumerate().map(one))
        };
        let baseline = verdict(Which::Baseline);
        let candidate = if checks.iter().all(|sides| sides.candidate.is_none()) { baseline } else { verdict(Which::Candidate) };
        let in_force = match alternatives {
            0 => Verdicts::of([baseline]),
            _ => Verdicts::of((0..alternatives).map(|at| verdict(Which::InForce(at)))),
        };
        cases.push(Case { states: states.clone(), baseline, candidate, in_force });
        for (state, variable) in states.iter_mut().zip(variables).rev() {
            *state = (*state + 1) % variable.states.len();
            variable.answer(*state, &mut answers);
            if *state > 0 {
                break;
            }
        }
    }
    cases
}

impl Variable {
    /// Writes down what a state answers.
    fn answer(&self, state: usize, answers: &mut [bool]) {
        let Some(vector) = self.states.get(state) else { return };
        for (ask, answer) in self.asks.iter().zip(&vector.answers) {
            if let Some(slot) = answers.get_mut(*ask) {
                *slot = *answer;
            }
        }
    }
}

impl Evaluation {
    /// What a case answers to every question.
    pub(super) fn answers(&self, case: &Case) -> Vec<bool> {
        let mut answers = vec![false; self.asks.len()];
        for (variable, state) in self.variables.iter().zip(&case.states) {
            variable.answer(*state, &mut answers);
        }
        answers
    }
}

/// All checks must be allowed; of several denials an explicit one counts first.
fn conjunction(verdicts: impl Iterator<Item = Verdict>) -> Verdict {
    let rank = |verdict: &Verdict| match verdict {
        Verdict::ExplicitDeny => 3,
        Verdict::ImplicitDeny => 2,
        Verdict::OpaqueDeny => 1,
        Verdict::Allowed => 0,
    };
    verdicts.max_by_key(rank).unwrap_or(Verdict::Allowed)
}

/// Every literal true, or every literal false: the extremes between which a side's verdict lies.
struct Uniform {
    literals: bool,
    permit: bool,
}

impl Situation for Uniform {
    fn literal(&self, _: &Literal) -> bool {
        self.literals
    }
    fn permits(&self, _: Layers) -> bool {
        self.permit
    }
    fn grants(&self, _: LayerKind, _: Owner) -> bool {
        self.literals
    }
    fn asks(&self) -> bool {
        true
    }
}

/// The verdicts that a side could give, by three-valued logic: every literal on its own.
pub(super) fn possible(side: &Side) -> BTreeSet<Verdict> {
    let mut verdicts: BTreeSet<Verdict> = side.optional.then_some(Verdict::Allowed).into_iter().collect();
    let denies_only = Side { denies: side.denies.clone(), always: side.always, identity: Some(Vec::new()), ..Side::default() };
    let without_denies = Side { denies: Vec::new(), ..side.clone() };
    for denied in [false, true] {
        if denies_only.verdict(&Uniform { literals: denied, permit: true }) == Verdict::ExplicitDeny {
            verdicts.insert(Verdict::ExplicitDeny);
            continue;
        }
        for (literals, permit) in [(false, false), (false, true), (true, false), (true, true)] {
            verdicts.insert(without_denies.verdict(&Uniform { literals, permit }));
        }
    }
    verdicts
}

/// Where cases cannot be split: equal residuals give equal verdicts, else every pair is possible.
fn capped_cases(checks: &[Sides]) -> Vec<Case> {
    let all = |which| {
        let mut reached = BTreeSet::from([Verdict::Allowed]);
        for sides in checks {
            let verdicts = possible(sides.side(which));
            reached = reached.iter().flat_map(|a| verdicts.iter().map(|b| conjunction([*a, *b].into_iter()))).collect();
        }
        reached
    };
    let equal = |which: Which, other: Which| checks.iter().all(|sides| sides.side(which).same_as(sides.side(other)));
    let baselines = all(Which::Baseline);
    let mut pairs: Vec<(Verdict, Verdict)> = Vec::new();
    for baseline in &baselines {
        match equal(Which::Baseline, Which::Candidate) {
            true => pairs.push((*baseline, *baseline)),
            false => pairs.extend(all(Which::Candidate).into_iter().map(|candidate| (*baseline, candidate))),
        }
    }
    let mut cases = Vec::new();
    for (baseline, candidate) in pairs {
        let case = |verdict| Case { states: Vec::new(), baseline, candidate, in_force: Verdicts::of([verdict]) };
        let alternatives = checks.first().map_or(0, |sides| sides.in_force.len());
        let mut in_force: BTreeSet<Verdict> = BTreeSet::new();
        for which in (0..alternatives).map(Which::InForce) {
            match equal(Which::Baseline, which) {
                true => in_force.extend([baseline]),
                false => in_force.extend(all(which)),
            }
        }
        match alternatives {
            0 => cases.push(case(baseline)),
            _ => cases.extend(in_force.into_iter().map(case)),
        }
    }
    cases
}
