//! One compiled statement against one request: it does not apply, or it applies under the conditions that are left open.

use super::automaton;
use super::cell::Cell;
use super::domain::Question;
use super::program::{ActionElement, Atom, AtomId, AtomKind, CompiledStatement, KeyId, Program, ResourcePattern};
use super::request::{ActionState, ContextState, ResourceState, Subject};
use crate::iam::condition::{Base, Matcher, Piece, Test, Value};
use crate::iam::pattern::{Matching, Pattern, Token, UNKNOWN_PART, glob_tokens};
use crate::iam::variable::{Part, Template};
use std::sync::Arc;

/// A request against a program: the context is classified by the program's keys.
#[derive(Debug, Clone)]
pub struct Request {
    /// What is asked for.
    pub action: ActionState,
    /// What it acts on.
    pub resource: ResourceState,
    /// By whom, and which layers are opaque.
    pub subject: Arc<Subject>,
    /// What is known of each key of the program, by key id.
    pub context: Vec<KnownKey>,
}

impl Request {
    /// Whether another request knows the same of a key.
    pub(super) fn same_state(&self, other: Option<&Self>, key: KeyId) -> bool {
        match (self.context.get(key), other.and_then(|other| other.context.get(key))) {
            (Some(a), Some(b)) => Arc::ptr_eq(&a.state, &b.state) || a.state == b.state,
            _ => false,
        }
    }
}

/// What is known of one key.
#[derive(Debug, Clone)]
pub struct KnownKey {
    /// The answers to the program's tests.
    pub cell: Arc<Cell>,
    /// The state, or one of the same cell where no policy takes the value itself.
    pub state: Arc<ContextState>,
}

/// Something that is not known of the request and that a statement asks about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ask {
    /// An entry with fixed values.
    Fixed(KeyId, AtomId),
    /// An entry or resource pattern with a variable, made a question on one key.
    Derived(KeyId, Question),
    /// Whether the partly known resource matches.
    Resource(Arc<Pattern>),
    /// Whether the guessed action matches.
    Action(Arc<Pattern>),
    /// Something that depends on several unknown keys: an independent truth value. The names say which keys.
    Free(String, Vec<KeyId>),
}

/// A part of a statement that is left open: holds if any of the asks does (none, if `negated`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Open {
    pub(super) any_of: Vec<Ask>,
    pub(super) negated: bool,
}

/// What a part of a statement comes to.
pub(super) enum Answer {
    True,
    False,
    Open(Ask),
}

impl From<bool> for Answer {
    fn from(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}

/// Why a statement does not apply, for explanations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Miss {
    Action,
    Resource,
    Condition(AtomId),
}

/// What a statement's applying is left to; empty if it applies.
pub(super) fn applies(program: &Program, request: &Request, statement: &CompiledStatement) -> Result<Vec<Open>, Miss> {
    let element = program.actions.get(statement.action).ok_or(Miss::Action)?;
    let action = action(&request.action, element).map_err(|()| Miss::Action)?;
    applies_beyond_action(program, request, statement, action)
}

/// The same for a statement of which it is known what it says of the action.
pub(super) fn applies_beyond_action(
    program: &Program,
    request: &Request,
    statement: &CompiledStatement,
    action: Option<Open>,
) -> Result<Vec<Open>, Miss> {
    let mut open = Vec::new();
    open.extend(action);
    open.extend(resource(program, request, statement).map_err(|()| Miss::Resource)?);
    for atom in &statement.atoms {
        match condition(program, request, *atom) {
            Answer::True => {}
            Answer::False => return Err(Miss::Condition(*atom)),
            Answer::Open(ask) => open.push(Open { any_of: vec![ask], negated: false }),
        }
    }
    Ok(open)
}

fn combine(answers: impl Iterator<Item = Answer>, negated: bool) -> Result<Option<Open>, ()> {
    let mut any_of = Vec::new();
    for answer in answers {
        match answer {
            Answer::True => return if negated { Err(()) } else { Ok(None) },
            Answer::False => {}
            Answer::Open(ask) => any_of.push(ask),
        }
    }
    match (any_of.is_empty(), negated) {
        (true, true) => Ok(None),
        (true, false) => Err(()),
        (false, _) => Ok(Some(Open { any_of, negated })),
    }
}

/// What an action element says of an action: it covers it, or it does if the open part holds.
pub(super) fn action(action: &ActionState, element: &ActionElement) -> Result<Option<Open>, ()> {
    let ActionState { name, guessed, .. } = action;
    if !guessed || element.patterns.is_empty() {
        return if element.covers(name) { Ok(None) } else { Err(()) };
    }
    let prefix = name.split(':').next().unwrap_or(name);
    let answers = element.patterns.iter().map(|pattern| match (pattern.matches_some_of(prefix), pattern.pattern()) {
        (Matching::Yes, _) => Answer::True,
        (Matching::Maybe, Some(pattern)) => Answer::Open(Ask::Action(Arc::new(pattern.clone()))),
        _ => Answer::False,
    });
    combine(answers, element.negated)
}

/// What a resource element says of a request: it covers it, or it does if the open part holds.
pub(super) fn resource(program: &Program, request: &Request, statement: &CompiledStatement) -> Result<Option<Open>, ()> {
    match &statement.resources {
        None => Ok(None),
        Some(patterns) if patterns.is_empty() => Err(()),
        Some(patterns) => combine(patterns.iter().map(|pattern| resource_answer(program, request, pattern)), statement.not_resource),
    }
}

/// Whether a resource element leaves a resource out, whatever else the request says.
pub(super) fn rules_out(statement: &CompiledStatement, resource: &ResourceState) -> bool {
    // A pattern with variables depends on the rest of the request.
    let depends = || Answer::Open(Ask::Free(String::new(), Vec::new()));
    let answer = |pattern| fixed_answer(resource, pattern).unwrap_or_else(depends);
    match &statement.resources {
        None => false,
        Some(patterns) if patterns.is_empty() => true,
        Some(patterns) => combine(patterns.iter().map(answer), statement.not_resource).is_err(),
    }
}

fn resource_answer(program: &Program, request: &Request, pattern: &ResourcePattern) -> Answer {
    match (fixed_answer(&request.resource, pattern), pattern) {
        (Some(answer), _) => answer,
        (None, ResourcePattern::Template { head, tail }) => template_resource(program, request, head, tail, text_of(&request.resource)),
        (None, _) => Answer::False,
    }
}

/// What a pattern without variables says of a resource.
fn fixed_answer(resource: &ResourceState, pattern: &ResourcePattern) -> Option<Answer> {
    if *resource == ResourceState::None {
        return Some(matches!(pattern, ResourcePattern::Everything).into());
    }
    match pattern {
        ResourcePattern::Everything => Some(Answer::True),
        ResourcePattern::Fixed(pattern) => Some(match pattern.matches_partly(text_of(resource)) {
            Matching::Yes => Answer::True,
            Matching::No => Answer::False,
            Matching::Maybe => Answer::Open(Ask::Resource(Arc::clone(pattern))),
        }),
        ResourcePattern::Template { .. } => None,
    }
}

fn text_of(resource: &ResourceState) -> &str {
    match resource {
        ResourceState::Arn(arn) => arn,
        ResourceState::None | ResourceState::Unknown => UNKNOWN_PART,
    }
}

/// A resource pattern with variables. With one unknown variable and a known ARN it becomes a question on that key:
/// the values that, put in, make the ARN match.
fn template_resource(program: &Program, request: &Request, head: &[Token], tail: &Template, text: &str) -> Answer {
    let Some(slots) = fill(program, request, tail) else { return Answer::False };
    let unknown = unknown_keys(&slots);
    let as_tokens = |slots: &[Slot]| slots.iter().flat_map(Slot::tokens).collect::<Vec<Token>>();
    let whole = Pattern::from_tokens(head.iter().copied().chain(as_tokens(&slots)).collect());
    let outline = whole.matches_partly(text);
    if outline == Matching::No {
        return Answer::False;
    }
    match (unknown.as_slice(), &request.resource) {
        ([], _) if outline == Matching::Yes => Answer::True,
        ([], _) => Answer::Open(Ask::Resource(Arc::new(whole))),
        ([key], ResourceState::Arn(arn)) if !arn.contains(UNKNOWN_PART) => {
            let Some(at) = single_slot(&slots) else { return free(program, "resource", &unknown) };
            let (before, after) = slots.split_at(at);
            let before: Vec<Token> = head.iter().copied().chain(as_tokens(before)).collect();
            let values = automaton::fillings(&before, &as_tokens(after.get(1..).unwrap_or_default()), arn);
            let absent = slots.get(at).is_some_and(|slot| slot.default_is_in(&values));
            Answer::Open(Ask::Derived(*key, Question::Filling { values, negated: false, absent }))
        }
        _ => free(program, &format!("resource {}", tail_text(tail)), &unknown),
    }
}

fn tail_text(tail: &Template) -> String {
    let part = |part: &Part| match part {
        Part::Text(text) => text.clone(),
        Part::Literal(character) => character.to_string(),
        Part::Variable { key, .. } => format!("${{{key}}}"),
    };
    tail.parts.iter().map(part).collect()
}

fn free(program: &Program, what: &str, keys: &[KeyId]) -> Answer {
    let names: Vec<&str> = keys.iter().filter_map(|key| program.keys.get(*key)).map(|key| key.name.as_str()).collect();
    Answer::Open(Ask::Free(format!("{what} with {}", names.join(", ")), keys.to_vec()))
}

/// What a condition entry comes to.
pub(super) fn condition(program: &Program, request: &Request, id: AtomId) -> Answer {
    let Some(atom) = program.atoms.get(id) else { return Answer::False };
    let Some(known) = request.context.get(atom.key) else { return Answer::Open(Ask::Fixed(atom.key, id)) };
    match &atom.kind {
        AtomKind::Fixed { slot, .. } => known.cell.answer(*slot).map_or_else(|| Answer::Open(Ask::Fixed(atom.key, id)), Answer::from),
        AtomKind::Templates(templates) => template_condition(program, request, atom, id, templates, &known.state),
    }
}

fn template_condition(
    program: &Program,
    request: &Request,
    atom: &Atom,
    id: AtomId,
    templates: &[Template],
    state: &ContextState,
) -> Answer {
    let filled: Vec<Option<Vec<Slot>>> = templates.iter().map(|template| fill(program, request, template)).collect();
    let unknown = filled.iter().flatten().flat_map(|slots| unknown_keys(slots)).collect::<std::collections::BTreeSet<KeyId>>();
    let unknown: Vec<KeyId> = unknown.into_iter().collect();
    let base = atom.operator.base;
    let matcher = |slots: &Option<Vec<Slot>>| slots.as_ref().map_or(Matcher::Never, |slots| Matcher::new(base, &pieces(slots, base)));
    let shape = program.keys.get(atom.key).map(|key| key.shape).unwrap_or_default();
    if unknown.is_empty() {
        let test = Test { operator: atom.operator, matchers: filled.iter().map(matcher).collect() };
        return match state {
            ContextState::Absent => test.absent_holds().into(),
            ContextState::Known(values) => {
                test.present_holds(&values.iter().map(|value| Value::new(value)).collect::<Vec<_>>(), shape.multivalued).into()
            }
            _ => Answer::Open(Ask::Derived(atom.key, Question::Test(test))),
        };
    }
    let text = match state {
        ContextState::Absent => return Test { operator: atom.operator, matchers: Vec::new() }.absent_holds().into(),
        state => state.single(),
    };
    let plain = atom.operator.set.is_none()
        && !shape.multivalued
        && !matches!(base, Base::StringEqualsIgnoreCase | Base::StringNotEqualsIgnoreCase | Base::Bool);
    let (Some(text), [key], true) = (text, unknown.as_slice(), plain) else {
        return free(program, &format!("{} {} {}", atom.operator, atom.written.join(","), id), &unknown);
    };
    filling_condition(atom, &filled, text, *key).unwrap_or_else(|| free(program, &format!("{} {id}", atom.operator), &unknown))
}

/// A condition on a known value whose policy values take one unknown key: a question on that key.
fn filling_condition(atom: &Atom, filled: &[Option<Vec<Slot>>], text: &str, key: KeyId) -> Option<Answer> {
    let base = atom.operator.base;
    let mut values = Vec::new();
    let mut absent = false;
    for slots in filled.iter().flatten() {
        if unknown_keys(slots).is_empty() {
            if Matcher::new(base, &pieces(slots, base)).matches(&Value::new(text)) {
                return Some((!base.negated()).into());
            }
            continue;
        }
        let at = single_slot(slots)?;
        let tokens = |slots: &[Slot]| slots.iter().flat_map(|slot| slot.condition_tokens(base)).collect::<Vec<Token>>();
        let (before, after) = slots.split_at(at);
        let found = automaton::fillings(&tokens(before), &tokens(after.get(1..).unwrap_or_default()), text);
        absent |= slots.get(at).is_some_and(|slot| slot.default_is_in(&found));
        values.extend(found);
    }
    if values.is_empty() {
        return Some(base.negated().into());
    }
    let negated = base.negated();
    Some(Answer::Open(Ask::Derived(key, Question::Filling { values, negated, absent: absent != negated })))
}

/// A part of a template for one request.
enum Slot {
    Text(String),
    Literal(String),
    Unknown { key: KeyId, default: Option<String> },
}

impl Slot {
    /// Tokens of a resource pattern; an unknown value could be anything.
    fn tokens(&self) -> Vec<Token> {
        match self {
            Self::Text(text) => glob_tokens(text, true).collect(),
            Self::Literal(text) => text.chars().map(Token::Char).collect(),
            Self::Unknown { .. } => vec![Token::Any { colon: true }],
        }
    }

    fn condition_tokens(&self, base: Base) -> Vec<Token> {
        match self {
            Self::Text(text) if !base.takes_wildcards() => text.chars().map(Token::Char).collect(),
            other => other.tokens(),
        }
    }

    fn default_is_in(&self, values: &[String]) -> bool {
        matches!(self, Self::Unknown { default: Some(default), .. } if values.contains(default))
    }
}

/// Puts in what is known; `None` if a variable has no value and no default: then the text matches nothing.
fn fill(program: &Program, request: &Request, template: &Template) -> Option<Vec<Slot>> {
    let mut slots = Vec::with_capacity(template.parts.len());
    for part in &template.parts {
        slots.push(match part {
            Part::Text(text) => Slot::Text(text.clone()),
            Part::Literal(character) => Slot::Literal(character.to_string()),
            Part::Variable { key, default } => {
                let id = program.key_id(key)?;
                let shape = program.keys.get(id).map(|key| key.shape).unwrap_or_default();
                match request.context.get(id).map(|known| known.state.as_ref()) {
                    Some(state) if !state.is_known() => Slot::Unknown { key: id, default: default.clone() },
                    Some(state) => match state.single().filter(|_| !shape.multivalued) {
                        Some(value) => Slot::Literal(value.to_owned()),
                        None => Slot::Literal(default.clone()?),
                    },
                    None => Slot::Unknown { key: id, default: default.clone() },
                }
            }
        });
    }
    Some(slots)
}

fn unknown_keys(slots: &[Slot]) -> Vec<KeyId> {
    let mut keys: Vec<KeyId> =
        slots.iter().filter_map(|slot| if let Slot::Unknown { key, .. } = slot { Some(*key) } else { None }).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// The place of the only unknown part.
fn single_slot(slots: &[Slot]) -> Option<usize> {
    let mut places = slots.iter().enumerate().filter(|(_, slot)| matches!(slot, Slot::Unknown { .. }));
    let first = places.next()?.0;
    places.next().is_none().then_some(first)
}

fn pieces(slots: &[Slot], base: Base) -> Vec<Piece> {
    let piece = |slot: &Slot| match slot {
        Slot::Text(text) => Piece { text: text.clone(), literal: !base.takes_wildcards() },
        Slot::Literal(text) => Piece { text: text.clone(), literal: true },
        Slot::Unknown { .. } => Piece { text: String::new(), literal: true },
    };
    slots.iter().map(piece).collect()
}
