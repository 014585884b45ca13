//! Cells and conditions in words that a person can act on: `inside 10.0.0.0/8`, `absent`, `before 2026-01-01T00:00:00Z`.

use std::collections::BTreeSet;

use super::asks::{AskId, Asks};
use super::cell::{Cell, Openness};
use super::domain::{Question, Vector};
use super::program::{AtomId, AtomKind, KeyId, Program};
use super::request::ContextState;
use super::split::{Unknown, Variable};
use super::statement::{Ask, KnownKey};
use crate::iam::condition::{Base, Family, Operator};

/// The states of a variable, joined by `or`, with its name.
pub(super) fn variable(program: &Program, asks: &Asks, variable: &Variable, states: &[usize]) -> String {
    let name = super::decision::variable_names(program, variable).join(" and ");
    let chosen: Vec<&Vector> = states.iter().filter_map(|state| variable.states.get(*state)).collect();
    let yes = chosen.iter().any(|vector| vector.answers.first() == Some(&true));
    match &variable.what {
        Unknown::Permit(layers) => {
            let kinds: Vec<&str> = layers.iter().map(|layer| layer.plural()).collect();
            format!("the {} that were not supplied {}", kinds.join(" and "), if yes { "permit it" } else { "do not permit it" })
        }
        Unknown::Grant(layer, _) if yes => format!("{} that were not supplied allow it", layer.plural()),
        Unknown::Grant(layer, _) => format!("no {} that were not supplied allow it", layer.plural()),
        Unknown::Asked if yes => "the call needs the further permission".to_owned(),
        Unknown::Asked => "the call does not need the further permission".to_owned(),
        Unknown::Free(text, _) => format!("`{text}` {}", if yes { "holds" } else { "does not hold" }),
        Unknown::Key(_) | Unknown::Resource | Unknown::Action => {
            let phrases: BTreeSet<String> = chosen.iter().map(|vector| vector_words(program, asks, &variable.asks, vector)).collect();
            format!("{name} is {}", phrases.into_iter().collect::<Vec<_>>().join(" or "))
        }
    }
}

/// One state of a key, as its answers to the asks.
fn vector_words(program: &Program, asks: &Asks, asked: &[AskId], vector: &Vector) -> String {
    if vector.absent {
        return "absent".to_owned();
    }
    let phrase = |(ask, answer): (&Ask, &bool)| match ask {
        Ask::Fixed(_, atom) => atom_words(program, *atom, *answer),
        Ask::Derived(_, Question::Filling { values, negated, .. }) => one_of(values, *answer != *negated, "or"),
        Ask::Derived(_, Question::Test(_)) => Some(if *answer { "as the policy asks" } else { "not as the policy asks" }.to_owned()),
        Ask::Resource(pattern) | Ask::Action(pattern) => {
            let text: String = pattern.tokens().iter().map(token_text).collect();
            Some(if *answer { text } else { format!("other than {text}") })
        }
        Ask::Free(..) => None,
    };
    join(asked.iter().filter_map(|id| asks.get(*id)).zip(&vector.answers).filter_map(phrase))
}

fn token_text(token: &crate::iam::pattern::Token) -> char {
    match token {
        crate::iam::pattern::Token::Char(character) => *character,
        crate::iam::pattern::Token::One { .. } => '?',
        crate::iam::pattern::Token::Any { .. } => '*',
    }
}

fn join(phrases: impl Iterator<Item = String>) -> String {
    let mut all: Vec<String> = Vec::new();
    for phrase in phrases {
        if !all.contains(&phrase) {
            all.push(phrase);
        }
    }
    if all.is_empty() { "present".to_owned() } else { all.join(" and ") }
}

fn one_of(values: &[String], positive: bool, joiner: &str) -> Option<String> {
    let list = values.join(&format!(" {joiner} "));
    Some(if positive { list } else { format!("other than {list}") })
}

/// What an entry's answer says of the value, or `None` if it says only that there is one.
pub(super) fn atom_words(program: &Program, atom: AtomId, answer: bool) -> Option<String> {
    let atom = program.atoms.get(atom)?;
    operator_words(atom.operator, &atom.written, answer)
}

pub(super) fn operator_words(operator: Operator, values: &[String], answer: bool) -> Option<String> {
    let list = values.join(" or ");
    if let Some(set) = operator.set {
        let quantifier = match set {
            crate::iam::condition::SetOperator::ForAllValues => "all",
            crate::iam::condition::SetOperator::ForAnyValue => "some",
        };
        let negated = if operator.base.negated() { "not " } else { "" };
        let fails = if answer { "" } else { "not: " };
        return Some(format!("{fails}{quantifier} {negated}{list}"));
    }
    let positive = answer != operator.base.negated();
    match operator.base.family() {
        Family::Null => None,
        Family::Bool => match values {
            [value] if positive => Some(value.to_lowercase()),
            [value] => Some(if value.eq_ignore_ascii_case("true") { "false" } else { "true" }.to_owned()),
            _ => None,
        },
        Family::Ip if positive => Some(format!("inside {list}")),
        Family::Ip => Some(format!("outside {}", values.join(" and "))),
        Family::Numeric | Family::Date => Some(format!("{}{list}", comparison(operator.base, positive))),
        Family::String | Family::Arn
            if matches!(operator.base, Base::StringLike | Base::StringNotLike) || operator.base.family() == Family::Arn =>
        {
            Some(if positive { format!("like {list}") } else { format!("not like {list}") })
        }
        Family::String | Family::Arn | Family::Binary => one_of(values, positive, "or"),
    }
}

fn comparison(base: Base, positive: bool) -> &'static str {
    match (base, positive) {
        (Base::NumericLessThan, true) | (Base::NumericGreaterThanEquals, false) => "less than ",
        (Base::NumericLessThanEquals, true) | (Base::NumericGreaterThan, false) => "at most ",
        (Base::NumericGreaterThan, true) | (Base::NumericLessThanEquals, false) => "more than ",
        (Base::NumericGreaterThanEquals, true) | (Base::NumericLessThan, false) => "at least ",
        (Base::DateLessThan, true) | (Base::DateGreaterThanEquals, false) => "before ",
        (Base::DateLessThanEquals, true) | (Base::DateGreaterThan, false) => "not after ",
        (Base::DateGreaterThan, true) | (Base::DateLessThanEquals, false) => "after ",
        (Base::DateGreaterThanEquals, true) | (Base::DateLessThan, false) => "not before ",
        (_, true) => "",
        (_, false) => "other than ",
    }
}

/// `key=cell` for a key of a request: a function of the cell and of the entries, so that equal requests read equal.
pub(super) fn context_entry(program: &Program, key: KeyId, known: &KnownKey, atoms: &[AtomId]) -> Option<String> {
    let info = program.keys.get(key)?;
    Some(format!("{}={}", info.display, cell_words(program, known, atoms, info.by_value)))
}

/// What is known of a key, in words.
pub(super) fn cell_words(program: &Program, known: &KnownKey, atoms: &[AtomId], by_value: bool) -> String {
    let Cell { vectors, open, .. } = known.cell.as_ref();
    let asked: Vec<(AtomId, usize)> = atoms
        .iter()
        .filter_map(|atom| match &program.atoms.get(*atom)?.kind {
            AtomKind::Fixed { slot, .. } => Some((*atom, *slot)),
            AtomKind::Templates(_) => None,
        })
        .collect();
    let words = |vector: &Vector| {
        if vector.absent {
            return "absent".to_owned();
        }
        join(asked.iter().filter_map(|(atom, slot)| atom_words(program, *atom, vector.answers.get(*slot).copied().unwrap_or(false))))
    };
    match (open, vectors) {
        (Openness::Known, _) if by_value && asked.len() < atoms.len() => match known.state.as_ref() {
            ContextState::Known(values) => values.join(","),
            _ => "absent".to_owned(),
        },
        (Openness::Unknown, _) | (_, None) => "unknown".to_owned(),
        (Openness::Present, Some(vectors)) => match vectors.as_slice() {
            [vector] => words(vector),
            _ => "unknown".to_owned(),
        },
        (Openness::Known | Openness::Few, Some(vectors)) => {
            vectors.iter().map(words).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" or ")
        }
    }
}

/// A condition entry and the value it saw: `aws:MultiFactorAuthPresent must be true and is absent`.
pub(super) fn failed_condition(program: &Program, atom_id: AtomId, known: Option<&KnownKey>) -> String {
    let Some(atom) = program.atoms.get(atom_id) else { return String::new() };
    let name = program.keys.get(atom.key).map(|key| key.display.as_str()).unwrap_or_default();
    let wanted = match atom.operator.base {
        Base::Null => {
            if atom.written.first().is_some_and(|value| value.eq_ignore_ascii_case("true")) { "absent" } else { "present" }.to_owned()
        }
        _ => operator_words(atom.operator, &atom.written, true).unwrap_or_else(|| atom.written.join(" or ")),
    };
    let seen = known.map_or_else(
        || "unknown".to_owned(),
        |known| {
            let absent = known.cell.vectors.as_ref().is_some_and(|vectors| matches!(vectors.as_slice(), [vector] if vector.absent));
            if absent { "absent".to_owned() } else { cell_words(program, known, &[atom_id], true) }
        },
    );
    if seen == wanted { format!("{name} must be {wanted}") } else { format!("{name} must be {wanted} and is {seen}") }
}
