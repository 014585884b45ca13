//! Why a side decided as it did: the deciding statements, and what came near. Built only for what is shown.

use super::asks::Asks;
use super::authorize::{Group, Side, Situation as _, StatementRef, Term, Verdict};
use super::decision::Which;
use super::evaluator::Evaluator;
use super::program::{AtomId, AtomKind, BundleId, CompiledStatement, KeyId, Program};
use super::request::LayerKind;
use super::split::{Case, Chosen, Evaluation, Sides};
use super::statement::{Answer, Ask, Miss, Open, Request, applies, condition, resource};
use super::words;
use crate::account::Policy;
use crate::iam::document::Effect;
use std::sync::Arc;

/// A statement that decides, as reports name it.
#[derive(Debug, Clone)]
pub struct DecidingStatement {
    /// The layer.
    pub layer: LayerKind,
    /// The policy.
    pub policy: Arc<Policy>,
    /// Position in the document, from 0.
    pub statement: usize,
}

/// Why one side decided as it did in one case.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The verdict that is explained.
    pub verdict: Verdict,
    /// The layer that decides; `None` where no policy does.
    pub layer: Option<LayerKind>,
    /// All deciding statements: every Deny that applies, or every Allow; empty where nothing allows.
    pub statements: Vec<DecidingStatement>,
    /// The Allow statement that came nearest, where nothing allows; the reason names it.
    pub near: Option<DecidingStatement>,
    /// One sentence that a person can act on.
    pub reason: String,
}

/// One check of an event in one case.
struct InCase<'a> {
    chosen: Chosen<'a>,
    asks: &'a Asks,
    capped: bool,
}

impl InCase<'_> {
    fn holds(&self, term: &Term) -> bool {
        term.literals.iter().all(|literal| self.chosen.literal(literal))
    }
}

impl Program {
    /// Explains one side's verdict in one case: of the check that decides, whose index stands beside it.
    pub fn explain(&self, checks: &[Request], evaluation: &Evaluation, case: &Case, which: Which) -> (usize, Explanation) {
        let verdict = case.verdict(which);
        let answers = evaluation.answers(case);
        let chosen = |check| Chosen { variables: &evaluation.variables, states: &case.states, answers: &answers, check };
        let decides = |(check, sides): &(usize, &Sides)| evaluation.capped || sides.side(which).verdict(&chosen(*check)) == verdict;
        let found = evaluation.checks.iter().enumerate().find(decides).or_else(|| evaluation.checks.iter().enumerate().next());
        let Some(((check, sides), request)) = found.and_then(|found| Some((found, checks.get(found.0)?))) else {
            return (0, Explanation { verdict, layer: None, statements: Vec::new(), near: None, reason: String::new() });
        };
        let side = sides.side(which);
        let inside = InCase { chosen: chosen(check), asks: &evaluation.asks, capped: evaluation.capped };
        let explanation = match verdict {
            Verdict::ExplicitDeny => self.explain_deny(request, side, &inside),
            Verdict::Allowed => self.explain_allow(request, side, &inside),
            Verdict::OpaqueDeny => {
                let layers: Vec<&str> = side.opaque.iter().map(LayerKind::plural).collect();
                let reason = format!("{} that were not supplied deny it", layers.join(" or "));
                Explanation { verdict, layer: side.opaque.iter().next(), statements: Vec::new(), near: None, reason }
            }
            Verdict::ImplicitDeny => self.explain_implicit(request, side, &inside),
        };
        (check, explanation)
    }
}

impl Evaluation {
    /// The layers that deny in a case: those with a Deny statement that applies, and those in which nothing allows.
    pub fn blocking_layers(&self, case: &Case, which: Which) -> Vec<LayerKind> {
        let mut layers = std::collections::BTreeSet::new();
        let answers = self.answers(case);
        for (check, sides) in self.checks.iter().enumerate() {
            let side = sides.side(which);
            let chosen = Chosen { variables: &self.variables, states: &case.states, answers: &answers, check };
            if side.optional && !chosen.asks() {
                continue;
            }
            let inside = InCase { chosen, asks: &self.asks, capped: self.capped };
            let fails = |terms: &[Term]| !terms.iter().any(|term| inside.holds(term));
            layers.extend(side.denies.iter().filter(|term| inside.holds(term)).map(|term| term.layer));
            layers.extend(side.guards.iter().chain(&side.limits).filter(|group| fails(&group.terms)).map(|group| group.layer));
            if side.identity.as_ref().is_some_and(|terms| fails(terms)) {
                layers.insert(LayerKind::Identity);
            }
        }
        layers.into_iter().collect()
    }
}

impl Program {
    fn explain_deny(&self, request: &Request, side: &Side, inside: &InCase<'_>) -> Explanation {
        let capped = inside.capped;
        let mut terms: Vec<&Term> = side.denies.iter().filter(|term| capped || inside.holds(term)).collect();
        terms.sort_by_key(|term| term.layer);
        let statements: Vec<DecidingStatement> = terms.iter().filter_map(|term| self.deciding(term.statement, term.layer)).collect();
        let mut reason = match statements.first() {
            Some(first) => {
                format!("{} denies {}{}", statement_name(first), request.action.name_words(), self.because(request, terms.first().copied()))
            }
            None => "a Deny statement applies".to_owned(),
        };
        if statements.len() > 1 {
            reason.push_str(&format!(", and {} more Deny {}", statements.len() - 1, plural(statements.len() - 1, "statement")));
        }
        Explanation { verdict: Verdict::ExplicitDeny, layer: statements.first().map(|s| s.layer), statements, near: None, reason }
    }

    fn explain_allow(&self, request: &Request, side: &Side, inside: &InCase<'_>) -> Explanation {
        let allowed = |layer, statements, reason: String| Explanation { verdict: Verdict::Allowed, layer, statements, near: None, reason };
        if side.always {
            return allowed(None, Vec::new(), "the call needs no permission".to_owned());
        }
        let Some(identity) = &side.identity else {
            return allowed(Some(LayerKind::Identity), Vec::new(), "identity-based policies do not limit the root user".to_owned());
        };
        let grants = side.resource.iter().flat_map(|resource| resource.grants.iter().map(|(_, term)| term));
        let capped = inside.capped;
        let terms: Vec<&Term> = identity.iter().chain(grants).filter(|term| capped || inside.holds(term)).collect();
        let statements: Vec<DecidingStatement> = terms.iter().filter_map(|term| self.deciding(term.statement, term.layer)).collect();
        match statements.first() {
            Some(first) => {
                let reason = format!(
                    "{} allows {}{}",
                    statement_name(first),
                    request.action.name_words(),
                    self.because(request, terms.first().copied())
                );
                allowed(Some(first.layer), statements, reason)
            }
            None if side.opaque_identity => {
                allowed(Some(LayerKind::Identity), statements, "an identity-based policy that was not supplied allows it".to_owned())
            }
            None => allowed(Some(LayerKind::Resource), statements, "a resource-based policy that was not supplied allows it".to_owned()),
        }
    }

    fn explain_implicit(&self, request: &Request, side: &Side, inside: &InCase<'_>) -> Explanation {
        let fails = |group: &&Group| !group.terms.iter().any(|term| inside.holds(term));
        let order = [LayerKind::Rcp, LayerKind::Scp, LayerKind::Endpoint];
        let guard = order.iter().find_map(|layer| side.guards.iter().filter(|group| group.layer == *layer).find(fails));
        let identity_fails = side.identity.as_ref().is_some_and(|terms| !terms.iter().any(|term| inside.holds(term)));
        let limit = side.limits.iter().find(fails);
        let cross = side
            .resource
            .as_ref()
            .is_some_and(|resource| resource.cross_account && !resource.grants.iter().any(|(_, term)| inside.holds(term)));
        let (layer, level) = match (guard, limit) {
            (Some(group), _) => (group.layer, group.level),
            (None, _) if cross => (LayerKind::Resource, None),
            (None, _) if identity_fails => (LayerKind::Identity, None),
            (None, Some(group)) => (group.layer, None),
            (None, None) => (LayerKind::Identity, None),
        };
        let at = level.map(|level| format!(" at level {level} from the root")).unwrap_or_default();
        let mut reason = format!("no {}{at} allows {}", layer.words(), request.action.name_words());
        let miss = self.nearest_miss(request, side, layer, inside);
        if let Some((_, words)) = &miss {
            reason.push_str("; ");
            reason.push_str(words);
        }
        let near = miss.map(|(statement, _)| statement);
        Explanation { verdict: Verdict::ImplicitDeny, layer: Some(layer), statements: Vec::new(), near, reason }
    }

    /// The Allow statement that came nearest, and what it lacks.
    fn nearest_miss(&self, request: &Request, side: &Side, layer: LayerKind, inside: &InCase<'_>) -> Option<(DecidingStatement, String)> {
        let documents = self.layer_documents(request, side, layer)?;
        let mut resource_miss = None;
        for (reference, statement) in self.statements(&documents).filter(|(_, statement)| statement.effect == Effect::Allow) {
            let Some(deciding) = self.deciding(reference, layer) else { continue };
            match applies(self, request, statement) {
                Err(Miss::Condition(_)) => {
                    let failed = statement.atoms.iter().filter(|atom| matches!(condition(self, request, **atom), Answer::False));
                    let known = |atom: &AtomId| self.atoms.get(*atom).and_then(|atom| request.context.get(atom.key));
                    let failed: Vec<String> = failed.map(|atom| words::failed_condition(self, *atom, known(atom))).collect();
                    let words = format!("{} would, but {}", statement_name(&deciding), failed.join(", and "));
                    return Some((deciding, words));
                }
                Ok(open) if !open.is_empty() => {
                    let failed = open.iter().find(|open| !inside.asks.holds(open, inside.chosen.check, inside.chosen.answers))?;
                    let words = format!("{} would, if {}", statement_name(&deciding), self.open_words(failed));
                    return Some((deciding, words));
                }
                Err(Miss::Resource) => resource_miss = resource_miss.or(Some(deciding)),
                _ => {}
            }
        }
        let words = |deciding: &DecidingStatement| format!("{} allows the action on other resources only", statement_name(deciding));
        resource_miss.map(|deciding| (deciding.clone(), words(&deciding)))
    }

    fn open_words(&self, open: &Open) -> String {
        let ask = |ask: &Ask| match ask {
            Ask::Fixed(key, atom) => {
                let name = self.keys.get(*key).map(|key| key.display.clone()).unwrap_or_default();
                format!("{name} were {}", words::atom_words(self, *atom, true).unwrap_or_else(|| "as asked".to_owned()))
            }
            Ask::Derived(key, _) => self.keys.get(*key).map(|key| format!("{} fitted", key.display)).unwrap_or_default(),
            Ask::Resource(_) => "the resource matched".to_owned(),
            Ask::Action(_) => "the action were the one that the event name suggests".to_owned(),
            Ask::Free(text, _) => text.clone(),
        };
        open.any_of.iter().map(ask).collect::<Vec<_>>().join(" or ")
    }

    /// `, since KEY is CELL` for the conditions of a statement that applies.
    fn because(&self, request: &Request, term: Option<&Term>) -> String {
        let Some(statement) = term.and_then(|term| self.compiled(term.statement)) else { return String::new() };
        let mut parts: Vec<String> = Vec::new();
        for atom in &statement.atoms {
            let Some(compiled) = self.atoms.get(*atom) else { continue };
            let (Some(key), Some(known)) = (self.keys.get(compiled.key), request.context.get(compiled.key)) else { continue };
            let part = format!("{} is {}", key.display, words::cell_words(self, known, &[*atom], key.by_value));
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        if parts.is_empty() { String::new() } else { format!(", since {}", parts.join(" and ")) }
    }

    pub(super) fn deciding(&self, reference: StatementRef, layer: LayerKind) -> Option<DecidingStatement> {
        let policy = Arc::clone(&self.documents.get(reference.document)?.policy);
        Some(DecidingStatement { layer, policy, statement: reference.statement })
    }

    fn compiled(&self, reference: StatementRef) -> Option<&CompiledStatement> {
        self.documents.get(reference.document)?.statements.get(reference.statement)
    }
}

impl Evaluator<'_> {
    /// `key=cell` for every key on which some statement that covers action and resource puts a condition, sorted.
    pub fn context_words(&mut self, request: &Request, bundles: [BundleId; 2]) -> Vec<String> {
        let program = self.program;
        let mut asked: std::collections::BTreeMap<KeyId, Vec<AtomId>> = std::collections::BTreeMap::new();
        for statement in self.conditional(&request.action, &request.resource, bundles).iter() {
            if resource(program, request, statement).is_err() {
                continue;
            }
            for atom in &statement.atoms {
                let Some(compiled) = program.atoms.get(*atom) else { continue };
                let atoms = asked.entry(compiled.key).or_default();
                if !atoms.contains(atom) {
                    atoms.push(*atom);
                }
                if let AtomKind::Templates(templates) = &compiled.kind {
                    for key in templates.iter().flat_map(|t| t.keys()).filter_map(|name| program.key_id(name)) {
                        let atoms = asked.entry(key).or_default();
                        if !atoms.contains(atom) {
                            atoms.push(*atom);
                        }
                    }
                }
            }
        }
        let entry = |(key, atoms): (KeyId, Vec<AtomId>)| self.context_entry(key, request.context.get(key)?, atoms);
        let mut entries: Vec<String> = asked.into_iter().filter_map(entry).collect();
        entries.sort();
        entries
    }
}

impl super::program::CompiledBundle {
    pub(super) fn all_documents(&self, program: &Program) -> Vec<usize> {
        let optional = [&self.boundary, &self.session, &self.endpoint, &self.resource].into_iter().flatten().flatten();
        let levels = self.scps.iter().chain(&self.rcps).flatten().flatten();
        let by_account =
            self.rcps_by_account.and_then(|table| program.rcp_tables.get(table)).into_iter().flat_map(|table| &table.documents);
        self.identity.iter().chain(optional).chain(levels).chain(by_account).copied().collect()
    }
}

impl Program {
    /// The documents of a layer, as the bundle of the side has them.
    fn layer_documents(&self, request: &Request, side: &Side, layer: LayerKind) -> Option<Vec<usize>> {
        let bundle = self.bundles.get(side.bundle)?;
        let documents = match layer {
            LayerKind::Identity => bundle.identity.clone(),
            LayerKind::Boundary => bundle.boundary.clone()?,
            LayerKind::Session => bundle.session.clone()?,
            LayerKind::Endpoint => bundle.endpoint.clone()?,
            LayerKind::Resource => bundle.resource.clone()?,
            LayerKind::Scp => bundle.scps.as_ref()?.iter().flatten().copied().collect(),
            LayerKind::Rcp => self.rcps(bundle, &request.subject).0.iter().flatten().copied().collect(),
        };
        Some(documents)
    }
}

/// `statement `Sid` of `POLICY``, or its position.
pub fn statement_name(statement: &DecidingStatement) -> String {
    let document = &statement.policy.document;
    let sid = document.statements.get(statement.statement).and_then(|s| s.sid.as_deref()).filter(|sid| !sid.is_empty());
    match sid {
        Some(sid) => format!("statement `{sid}` of `{}`", statement.policy.name),
        None => format!("statement {} of `{}`", statement.statement, statement.policy.name),
    }
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

impl super::request::ActionState {
    fn name_words(&self) -> &str {
        &self.display
    }
}
