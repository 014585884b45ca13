//! Case splitting: what is open is tried in every possible way, on baseline and candidate together.
//!
//! A question that stands on both sides gets one answer for both, so that what cannot be known does not look like a
//! change. Sound: the cases cover every completion of what is unknown.

use super::authorize::{Side, Situation, Verdict};
use super::automaton::{self, Run};
use super::compile::{BundleId, Cell, KeyId, Program};
use super::domain::{Question, Vector, vectors};
use super::request::{LayerKind, Layers, ResourceState};
use super::statement::{Ask, Literal, Request};
use crate::iam::pattern::UNKNOWN_PART;

/// The most situations that are tried for one request.
const MOST_SITUATIONS: usize = 4_096;

/// Something unknown, with every state that it can be in.
#[derive(Debug, Clone)]
pub(super) struct Variable {
    pub(super) what: Unknown,
    /// The check that it belongs to; `None`: it is the same for all checks of the event.
    pub(super) check: Option<usize>,
    pub(super) asks: Vec<Ask>,
    /// Each state's answers to the asks.
    pub(super) states: Vec<Vector>,
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
    Grant(LayerKind),
    /// A question on several unknown keys at once.
    Free(String, Vec<KeyId>),
}

/// One situation: a state for every variable, and the verdicts of both sides in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Index of the state of each variable.
    pub(super) states: Vec<usize>,
    /// The baseline's verdict.
    pub baseline: Verdict,
    /// The candidate's verdict.
    pub candidate: Verdict,
}

/// What baseline and candidate come to for one check of an event.
#[derive(Debug, Clone)]
pub(super) struct Sides {
    pub(super) baseline: Side,
    pub(super) candidate: Side,
}

/// Baseline and candidate on one event, in every situation that is possible. An event that needs several checks is
/// allowed if all of them are.
#[derive(Debug, Clone)]
pub struct Evaluation {
    pub(super) variables: Vec<Variable>,
    /// The situations, in a fixed order.
    pub cases: Vec<Case>,
    /// There were too many situations: the cases are all pairs of verdicts that each side alone could give
    /// (assumption `A-CAP`).
    pub capped: bool,
    pub(super) checks: Vec<Sides>,
}

/// The situation of one check: the states chosen for the variables.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chosen<'a> {
    pub(super) variables: &'a [Variable],
    pub(super) states: &'a [usize],
    pub(super) check: usize,
}

impl<'a> Chosen<'a> {
    /// The variables that concern this check, with their states.
    fn own(self) -> impl Iterator<Item = (&'a Variable, usize)> {
        let concerns = move |(variable, _): &(&Variable, usize)| variable.check.is_none_or(|check| check == self.check);
        self.variables.iter().zip(self.states.iter().copied()).filter(concerns)
    }

    fn ask(self, ask: &Ask) -> bool {
        let found = self.own().find_map(|(variable, state)| {
            let slot = variable.asks.iter().position(|own| own == ask)?;
            variable.states.get(state)?.answers.get(slot).copied()
        });
        found.unwrap_or(false)
    }
}

impl Situation for Chosen<'_> {
    fn literal(&self, literal: &Literal) -> bool {
        literal.any_of.iter().any(|ask| self.ask(ask)) != literal.negated
    }

    fn permits(&self, opaque: Layers) -> bool {
        self.own().all(|(variable, state)| match variable.what {
            Unknown::Permit(layers) if layers.iter().any(|layer| opaque.contains(layer)) => state == 1,
            _ => true,
        })
    }

    fn grants(&self, layer: LayerKind) -> bool {
        self.own().any(|(variable, state)| variable.what == Unknown::Grant(layer) && state == 1)
    }
}

impl Program {
    /// Decides the checks of one event for two bundles together.
    pub fn evaluate(&self, checks: &[Request], baseline: BundleId, candidate: BundleId) -> Evaluation {
        let sides = |request: &Request| {
            let left = self.side(baseline, request);
            let right = if baseline == candidate { left.clone() } else { self.side(candidate, request) };
            Sides { baseline: left, candidate: right }
        };
        let sides: Vec<Sides> = checks.iter().map(sides).collect();
        let mut variables = Vec::new();
        for (index, sides) in sides.iter().enumerate() {
            self.collect_variables(checks, index, sides, &mut variables);
        }
        for variable in &mut variables {
            let request = checks.get(variable.check.unwrap_or(0));
            variable.states =
                request.and_then(|request| self.states(request, variable)).unwrap_or_else(|| independent(variable.asks.len()));
        }
        for (index, sides) in sides.iter().enumerate() {
            variables.extend(opaque_variables(index, &sides.baseline, &sides.candidate));
        }
        let total = variables.iter().try_fold(1usize, |total, variable| {
            total.checked_mul(variable.states.len()).filter(|total| *total <= MOST_SITUATIONS && !variable.states.is_empty())
        });
        match total {
            Some(total) => {
                let cases = cases(&variables, total, &sides);
                Evaluation { variables, cases, capped: false, checks: sides }
            }
            None => Evaluation { cases: capped_cases(&sides), variables, capped: true, checks: sides },
        }
    }

    fn collect_variables(&self, checks: &[Request], index: usize, sides: &Sides, variables: &mut Vec<Variable>) {
        for ask in sides.baseline.literals().chain(sides.candidate.literals()).flat_map(|literal| &literal.any_of) {
            let what = match ask {
                Ask::Fixed(key, _) | Ask::Derived(key, _) => Unknown::Key(*key),
                Ask::Resource(_) => Unknown::Resource,
                Ask::Action(_) => Unknown::Action,
                Ask::Free(name, keys) => Unknown::Free(name.clone(), keys.clone()),
            };
            // A key that all checks see in the same state is one unknown; everything else belongs to its check.
            let shared = match &what {
                Unknown::Key(key) => checks.iter().all(|check| same_state(check, checks.first(), *key)),
                _ => false,
            };
            let check = (!shared).then_some(index);
            match variables.iter_mut().find(|variable| variable.what == what && variable.check == check) {
                Some(variable) if variable.asks.contains(ask) => {}
                Some(variable) => variable.asks.push(ask.clone()),
                None => variables.push(Variable { what, check, asks: vec![ask.clone()], states: Vec::new() }),
            }
        }
    }

    fn states(&self, request: &Request, variable: &Variable) -> Option<Vec<Vector>> {
        match &variable.what {
            Unknown::Key(key) => self.key_states(request, *key, &variable.asks),
            Unknown::Resource => {
                let text = if let ResourceState::Arn(arn) = &request.resource { arn.as_str() } else { UNKNOWN_PART };
                pattern_states(&variable.asks, text)
            }
            Unknown::Action => {
                let prefix = request.action.name.split(':').next().unwrap_or_default();
                pattern_states(&variable.asks, &format!("{prefix}:{UNKNOWN_PART}"))
            }
            _ => Some(booleans()),
        }
    }

    fn key_states(&self, request: &Request, key: KeyId, asks: &[Ask]) -> Option<Vec<Vector>> {
        let known = request.context.get(key)?;
        let slots: Option<Vec<usize>> = asks.iter().map(|ask| self.slot(ask)).collect();
        if let (Some(slots), Cell { vectors: Some(vectors), .. }) = (slots, known.cell.as_ref()) {
            let project = |vector: &Vector| Vector {
                absent: vector.absent,
                answers: slots.iter().map(|slot| vector.answers.get(*slot).copied().unwrap_or(false)).collect(),
            };
            let projected: std::collections::BTreeSet<Vector> = vectors.iter().map(project).collect();
            return Some(projected.into_iter().collect());
        }
        let question = |ask: &Ask| match ask {
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
            super::compile::AtomKind::Fixed { slot, .. } => Some(*slot),
            super::compile::AtomKind::Templates(_) => None,
        }
    }
}

fn same_state(check: &Request, other: Option<&Request>, key: KeyId) -> bool {
    match (check.context.get(key), other.and_then(|other| other.context.get(key))) {
        (Some(a), Some(b)) => std::sync::Arc::ptr_eq(&a.state, &b.state) || a.state == b.state,
        _ => false,
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

fn pattern_states(asks: &[Ask], text: &str) -> Option<Vec<Vector>> {
    let run = |ask: &Ask| match ask {
        Ask::Resource(pattern) | Ask::Action(pattern) => Some(pattern.clone()),
        _ => None,
    };
    let patterns: Vec<_> = asks.iter().map(run).collect::<Option<Vec<_>>>()?;
    let runs: Vec<Run<'_>> = patterns.iter().map(Run::new).collect();
    Some(automaton::feasible(&runs, text)?.into_iter().map(|answers| Vector { absent: false, answers }).collect())
}

/// One variable for the opaque layers that both sides have, one each for those of one side alone, and the grants.
fn opaque_variables(check: usize, left: &Side, right: &Side) -> Vec<Variable> {
    let shared = left.opaque.without(left.opaque.without(right.opaque));
    let sets = [shared, left.opaque.without(shared), right.opaque.without(shared)];
    let variable = |what| Variable { what, check: Some(check), asks: Vec::new(), states: booleans() };
    let mut variables: Vec<Variable> =
        sets.into_iter().filter(|layers| !layers.is_empty()).map(|layers| variable(Unknown::Permit(layers))).collect();
    if left.opaque_identity || right.opaque_identity {
        variables.push(variable(Unknown::Grant(LayerKind::Identity)));
    }
    if left.opaque_resource || right.opaque_resource {
        variables.push(variable(Unknown::Grant(LayerKind::Resource)));
    }
    variables
}

fn cases(variables: &[Variable], total: usize, checks: &[Sides]) -> Vec<Case> {
    let mut cases = Vec::with_capacity(total);
    let mut states = vec![0usize; variables.len()];
    for _ in 0..total {
        let verdict = |side: fn(&Sides) -> &Side| {
            conjunction(checks.iter().enumerate().map(|(check, sides)| side(sides).verdict(&Chosen { variables, states: &states, check })))
        };
        let (baseline, candidate) = (verdict(|sides| &sides.baseline), verdict(|sides| &sides.candidate));
        cases.push(Case { states: states.clone(), baseline, candidate });
        for (state, variable) in states.iter_mut().zip(variables).rev() {
            *state += 1;
            if *state < variable.states.len() {
                break;
            }
            *state = 0;
        }
    }
    cases
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
    fn grants(&self, _: LayerKind) -> bool {
        self.literals
    }
}

/// The verdicts that a side could give, by three-valued logic: every literal on its own.
fn possible(side: &Side) -> std::collections::BTreeSet<Verdict> {
    let mut verdicts = std::collections::BTreeSet::new();
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
    let all = |side: fn(&Sides) -> &Side| {
        let mut reached = std::collections::BTreeSet::from([Verdict::Allowed]);
        for sides in checks {
            let verdicts = possible(side(sides));
            reached = reached.iter().flat_map(|a| verdicts.iter().map(|b| conjunction([*a, *b].into_iter()))).collect();
        }
        reached
    };
    let case = |baseline, candidate| Case { states: Vec::new(), baseline, candidate };
    if checks.iter().all(|sides| sides.baseline.same_as(&sides.candidate)) {
        return all(|sides| &sides.baseline).into_iter().map(|verdict| case(verdict, verdict)).collect();
    }
    let candidates = all(|sides| &sides.candidate);
    all(|sides| &sides.baseline).into_iter().flat_map(|b| candidates.iter().map(move |c| case(b, *c))).collect()
}
