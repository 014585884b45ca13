//! What an evaluation comes to: the decision of each side, what would settle it, and under which condition it is allowed.

use std::collections::{BTreeMap, BTreeSet};

use super::authorize::{Side, Verdict, Verdicts};
use super::program::Program;
use super::request::{LayerKind, Layers, Owner};
use super::split::{Case, Evaluation, Unknown, Variable};
use super::words;

/// The decision of one policy set on one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Allowed in every case that is possible.
    Allowed,
    /// Denied by a Deny statement.
    ExplicitDeny,
    /// Denied because nothing, or not every layer, allows it.
    ImplicitDeny,
    /// Denied either way, the kind unknown.
    Denied,
    /// Depends on what the log does not tell.
    Undetermined,
}

impl Decision {
    /// All.
    pub const ALL: [Self; 5] = [Self::Allowed, Self::ExplicitDeny, Self::ImplicitDeny, Self::Denied, Self::Undetermined];

    /// The decision of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|decision| decision.name() == name)
    }

    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::ExplicitDeny => "explicit_deny",
            Self::ImplicitDeny => "implicit_deny",
            Self::Denied => "denied",
            Self::Undetermined => "undetermined",
        }
    }

    /// From the verdicts that are possible.
    pub fn of(verdicts: impl IntoIterator<Item = Verdict>) -> Self {
        let (mut allowed, mut explicit, mut implicit, mut opaque) = (false, false, false, false);
        for verdict in verdicts {
            match verdict {
                Verdict::Allowed => allowed = true,
                Verdict::ExplicitDeny => explicit = true,
                Verdict::ImplicitDeny => implicit = true,
                Verdict::OpaqueDeny => opaque = true,
            }
        }
        match (allowed, explicit, implicit, opaque) {
            (true, false, false, false) => Self::Allowed,
            (false, true, false, false) => Self::ExplicitDeny,
            (false, false, true, false) => Self::ImplicitDeny,
            (false, false, false, false) | (true, ..) => Self::Undetermined,
            _ => Self::Denied,
        }
    }
}

crate::ordered_by_name!(Decision);

/// What the log says happened, as far as it concerns authorization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Observation {
    /// The call succeeded.
    Success,
    /// The call was denied; the layer that the message names.
    AccessDenied(Option<LayerKind>),
    /// Another error, or no observation: nothing follows.
    Open,
}

/// One of the policy sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The newest policies.
    Baseline,
    /// The draft.
    Candidate,
    /// One of those that may have been in force at the event.
    InForce(usize),
}

impl Case {
    /// The verdict of one side.
    pub fn verdict(&self, which: Which) -> Verdict {
        match which {
            Which::Baseline => self.baseline,
            Which::Candidate => self.candidate,
            Which::InForce(_) if self.in_force.may_allow() => Verdict::Allowed,
            Which::InForce(_) if self.in_force.are_explicit() => Verdict::ExplicitDeny,
            Which::InForce(_) => Verdict::ImplicitDeny,
        }
    }

    /// Whether baseline and candidate allow.
    pub fn pair(&self) -> (bool, bool) {
        (self.baseline == Verdict::Allowed, self.candidate == Verdict::Allowed)
    }
}

impl Evaluation {
    /// The cases that agree with what was observed; empty if the policies cannot explain the log.
    ///
    /// What was in force at the event is what has to agree: the baseline, if nothing else was. A denial that names a layer
    /// keeps the cases in which that layer of it denies: a layer whose policies
    /// were not supplied is settled by it, one that was supplied settles the keys that its policies look at. Where the
    /// layer denies in no case, the name is not used: the baseline may differ from what was in force. With `logged`,
    /// where the log itself is the baseline, a denial that names the identity-based policies also says that the layers
    /// before them permitted.
    pub fn consistent(&self, observation: Observation, logged: bool) -> Vec<&Case> {
        let agrees = |case: &&Case| match observation {
            Observation::Success => case.in_force.may_allow(),
            Observation::AccessDenied(_) => case.in_force.may_deny(),
            Observation::Open => true,
        };
        let cases: Vec<&Case> = self.cases.iter().filter(agrees).collect();
        let Observation::AccessDenied(Some(layer)) = observation else { return cases };
        let named: Vec<&Case> = cases.iter().copied().filter(|case| self.fits(case, layer, logged)).collect();
        if named.is_empty() { cases } else { named }
    }

    /// Where the log itself is the baseline, and nothing that was assumed can explain what it says: what it says holds.
    pub fn believe(&mut self, observation: Observation) {
        let baseline = match observation {
            Observation::Success => Verdict::Allowed,
            Observation::AccessDenied(_) => Verdict::ImplicitDeny,
            Observation::Open => return,
        };
        if self.consistent(observation, true).is_empty() {
            self.believed = true;
            self.cases.iter_mut().for_each(|case| (case.baseline, case.in_force) = (baseline, Verdicts::of([baseline])));
        }
    }

    fn fits(&self, case: &Case, layer: LayerKind, logged: bool) -> bool {
        let alternatives = self.checks.first().map_or(0, |sides| sides.all_in_force().len());
        (0..alternatives).any(|at| self.fits_one(case, layer, at, logged))
    }

    fn fits_one(&self, case: &Case, layer: LayerKind, at: usize, logged: bool) -> bool {
        let sides: Vec<&Side> = self.checks.iter().filter_map(|sides| sides.all_in_force().get(at)).collect();
        let supplied = sides.iter().all(|side| !side.opaque.contains(layer));
        if !logged && supplied && !self.blocking_layers(case, Which::InForce(at)).contains(&layer) {
            return false;
        }
        let named = sides.iter().fold(Layers::NONE, |all, side| all.union(side.opaque.only(layer)));
        self.variables.iter().zip(&case.states).all(|(variable, state)| match variable.what {
            // A denial in the log is of the policies that were in force.
            Unknown::Permit(layers) if layer != LayerKind::Identity && layers.meets(named) => *state == 0,
            Unknown::Permit(_) if logged && layer == LayerKind::Identity => *state == 1,
            Unknown::Grant(LayerKind::Identity, Owner::Shared) if logged && layer == LayerKind::Identity => *state == 0,
            _ => true,
        })
    }

    /// Whether in a case all layers that were not supplied permit.
    pub fn opaque_layers_permit(&self, case: &Case) -> bool {
        self.variables.iter().zip(&case.states).all(|(variable, state)| !matches!(variable.what, Unknown::Permit(_)) || *state == 1)
    }

    /// Whether in a case the policies that were not supplied permit everything and grant nothing.
    pub fn nothing_opaque(&self, case: &Case) -> bool {
        self.variables.iter().zip(&case.states).all(|(variable, state)| match variable.what {
            Unknown::Permit(_) => *state == 1,
            Unknown::Grant(..) => *state == 0,
            _ => true,
        })
    }

    /// Whether, taking the policies that were not supplied to permit and to grant nothing, what was in force can give an
    /// outcome, allowed or denied, in some and in every case.
    pub fn without_opaque(&self, allowed: bool) -> (bool, bool) {
        let gives = |case: &Case| if allowed { case.in_force.may_allow() } else { case.in_force.may_deny() };
        let given: Vec<bool> = self.cases.iter().filter(|case| self.nothing_opaque(case)).map(gives).collect();
        (given.contains(&true), !given.contains(&false))
    }

    /// The keys and layers that would settle `outcome` over `cases`: those of which two states, all else equal, give
    /// two outcomes; where no single one does, all that vary.
    pub fn settled_by<T: PartialEq>(&self, program: &Program, cases: &[&Case], outcome: impl Fn(&Case) -> T) -> Vec<String> {
        let mut names = BTreeSet::new();
        for variable in self.settling(cases, &outcome) {
            names.extend(self.variables.get(variable).into_iter().flat_map(|v| variable_names(program, v)));
        }
        if self.capped && cases.windows(2).any(|pair| matches!(pair, [a, b] if outcome(a) != outcome(b))) {
            names.extend(self.variables.iter().flat_map(|variable| variable_names(program, variable)));
        }
        names.into_iter().collect()
    }

    pub(super) fn settling<T: PartialEq>(&self, cases: &[&Case], outcome: &impl Fn(&Case) -> T) -> Vec<usize> {
        let differs = cases.windows(2).any(|pair| matches!(pair, [a, b] if outcome(a) != outcome(b)));
        if !differs {
            return Vec::new();
        }
        let settles = |index: usize| {
            let mut seen: BTreeMap<Vec<usize>, T> = BTreeMap::new();
            cases.iter().any(|case| {
                let mut rest = case.states.clone();
                if index < rest.len() {
                    rest.remove(index);
                }
                let value = outcome(case);
                match seen.get(&rest) {
                    Some(known) => *known != value,
                    None => {
                        seen.insert(rest, value);
                        false
                    }
                }
            })
        };
        let found: Vec<usize> = (0..self.variables.len()).filter(|index| settles(*index)).collect();
        if found.is_empty() {
            let varies = |index: &usize| cases.iter().map(|case| case.states.get(*index)).collect::<BTreeSet<_>>().len() > 1;
            return (0..self.variables.len()).filter(varies).collect();
        }
        found
    }

    /// Under which condition one side allows, in words; empty if it always or never does.
    pub fn residual(&self, program: &Program, cases: &[&Case], which: Which) -> String {
        const MOST_WAYS: usize = 4;
        let allowed = |case: &Case| case.verdict(which) == Verdict::Allowed;
        let settling = self.settling(cases, &allowed);
        if settling.is_empty() || self.capped {
            return String::new();
        }
        let ways: BTreeSet<Vec<usize>> = cases
            .iter()
            .filter(|case| allowed(case))
            .map(|case| settling.iter().filter_map(|index| case.states.get(*index).copied()).collect())
            .collect();
        let columns: Vec<BTreeSet<usize>> =
            (0..settling.len()).map(|column| ways.iter().filter_map(|way| way.get(column).copied()).collect()).collect();
        let is_product = columns.iter().map(BTreeSet::len).product::<usize>() == ways.len();
        let phrase = |column: usize, states: &[usize]| {
            let variable = settling.get(column).and_then(|index| self.variables.get(*index));
            variable.map(|variable| words::variable(program, &self.asks, variable, states)).unwrap_or_default()
        };
        if is_product {
            let mut parts: Vec<String> = Vec::new();
            for (column, states) in columns.iter().enumerate() {
                let part = phrase(column, &states.iter().copied().collect::<Vec<_>>());
                if !parts.contains(&part) {
                    parts.push(part);
                }
            }
            return format!("allowed if {}", parts.join(" and "));
        }
        let way =
            |way: &Vec<usize>| way.iter().enumerate().map(|(column, state)| phrase(column, &[*state])).collect::<Vec<_>>().join(" and ");
        let mut lines: Vec<String> = ways.iter().take(MOST_WAYS).map(way).collect();
        if ways.len() > MOST_WAYS {
            lines.push(format!("one of {} more ways", ways.len() - MOST_WAYS));
        }
        format!("allowed if {}", lines.join("; or "))
    }
}

/// The names by which a variable is asked for: context keys, `layer:NAME`, `action`, `resource`.
pub(super) fn variable_names(program: &Program, variable: &Variable) -> Vec<String> {
    let key = |key: &usize| program.keys.get(*key).map(|key| key.display.clone());
    match &variable.what {
        Unknown::Key(id) => key(id).into_iter().collect(),
        // What would tell it is the parameter that holds the resource of the further check.
        Unknown::Resource | Unknown::Asked => vec!["resource".to_owned()],
        Unknown::Action => vec!["action".to_owned()],
        Unknown::Permit(layers) => layers.iter().map(|layer| format!("layer:{}", layer.name())).collect(),
        Unknown::Grant(layer, _) => vec![format!("layer:{}", layer.name())],
        Unknown::Free(_, keys) => keys.iter().filter_map(key).collect(),
    }
}
