//! One condition of a statement for an explanation: what it asks, the value that it saw, and why it fails.

use serde::Serialize;

use super::domain::{KeyShape, Question};
use super::program::{Atom, AtomId, AtomKind, Program};
use super::reasons::{Possible, Share};
use super::request::{Bounds, ContextState};
use super::statement::{Answer, KnownKey, Open, Request, condition};
use super::words;
use crate::iam::condition::date;
use crate::iam::condition::{Base, Family, Matcher, Operator, Piece};
use crate::iam::variable::{Part, Template};

/// One `(operator, key, values)` entry of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConditionReasons {
    /// The operator, with its set operator and `IfExists`.
    pub operator: String,
    /// The context key.
    pub key: String,
    /// The policy's values as written.
    pub policy_values: Vec<String>,
    /// What is known of the key.
    pub request_state: RequestState,
    /// `true`, `false` or `unknown`.
    pub result: &'static str,
    /// Why it is not true: `absent`, `different`, `type`, `multi`, `unresolved-variable` or `unknown`.
    pub why: Option<&'static str>,
    /// Whether the log's outcome tells the result, and nothing else does.
    pub from_outcome: bool,
    /// The entry in words: what it asks, and what it saw.
    pub words: String,
    /// Codes of assumptions that the result rests on.
    #[serde(skip)]
    pub(super) assumptions: Vec<&'static str>,
}

/// What is known of a context key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum RequestState {
    /// Not in the request.
    Absent,
    /// In the request with these values.
    Known {
        /// The values.
        values: Vec<String>,
    },
    /// In the request, the value not in the log; within limits, if there are some.
    PresentUnknown {
        /// The limits in words.
        limits: Option<String>,
    },
    /// Nothing is known.
    Unknown,
    /// One of a few states; null is absence.
    OneOf {
        /// The states.
        states: Vec<Option<Vec<String>>>,
    },
}

impl RequestState {
    fn of(state: &ContextState) -> Self {
        match state {
            ContextState::Absent => Self::Absent,
            ContextState::Known(values) => Self::Known { values: values.clone() },
            ContextState::PresentUnknown(bounds) => Self::PresentUnknown { limits: bounds.as_ref().and_then(limits) },
            ContextState::Unknown => Self::Unknown,
            ContextState::OneOf(states) => Self::OneOf { states: states.clone() },
        }
    }

    /// In words that fit after `is`.
    pub fn words(&self) -> String {
        let values = |values: &[String]| match values {
            [] => "an empty list".to_owned(),
            [value] if value.is_empty() => "empty".to_owned(),
            values => values.join(", "),
        };
        match self {
            Self::Absent => "absent".to_owned(),
            Self::Known { values: known } => values(known),
            Self::PresentUnknown { limits: Some(limits) } => limits.clone(),
            Self::PresentUnknown { limits: None } => "there, with a value that the log does not tell".to_owned(),
            Self::Unknown => "not told by the log".to_owned(),
            Self::OneOf { states } => {
                let state = |state: &Option<Vec<String>>| state.as_ref().map_or_else(|| "absent".to_owned(), |known| values(known));
                states.iter().map(state).collect::<Vec<_>>().join(" or ")
            }
        }
    }
}

fn limits(bounds: &Bounds) -> Option<String> {
    match bounds {
        Bounds::Time { from, to } => Some(format!("between {} and {}", date::format(*from), date::format(*to))),
        Bounds::AtLeast(_) => None,
    }
}

impl Possible<'_> {
    /// One entry, in the situations that are possible.
    pub(super) fn condition(&self, id: AtomId) -> Option<ConditionReasons> {
        let (program, request) = (self.program, self.request);
        let atom = program.atoms.get(id)?;
        let info = program.keys.get(atom.key)?;
        let known = request.context.get(atom.key);
        let state = known.map_or(&ContextState::Unknown, |known| known.state.as_ref());
        let (result, from_outcome) = match condition(program, request, id) {
            Answer::True => ("true", false),
            Answer::False => ("false", false),
            Answer::Open(ask) => match self.hold(&[Open { any_of: vec![ask], negated: false }]) {
                Share::All => ("true", true),
                Share::None => ("false", true),
                Share::Some => ("unknown", false),
            },
        };
        let why = match result {
            "true" => None,
            "unknown" => Some("unknown"),
            _ if from_outcome => Some("different"),
            _ => Some(program.why(request, atom, info.shape, state)),
        };
        let request_state = RequestState::of(state);
        let wanted = wanted(atom);
        let seen = match request_state.words() {
            seen if from_outcome => format!("{seen}; the outcome tells that it was {}", if result == "true" { "so" } else { "not so" }),
            seen => seen,
        };
        let because = match why {
            Some("type") => format!("; the values do not parse for {}", atom.operator),
            Some("multi") => "; several values, or a list, need ForAllValues or ForAnyValue".to_owned(),
            Some("unresolved-variable") => "; the variable has no value in the request".to_owned(),
            _ => String::new(),
        };
        let words = if result == "true" && !from_outcome {
            format!("{} is {seen}{}", info.display, if seen == wanted { String::new() } else { format!(" ({wanted})") })
        } else {
            format!("{} must be {wanted} and is {seen}{because}", info.display)
        };
        Some(ConditionReasons {
            operator: atom.operator.to_string(),
            key: info.display.clone(),
            policy_values: atom.written.clone(),
            request_state,
            result,
            why,
            from_outcome,
            words,
            assumptions: entry_assumptions(atom, info.shape, known, result),
        })
    }
}

impl Program {
    fn why(&self, request: &Request, atom: &Atom, shape: KeyShape, state: &ContextState) -> &'static str {
        let base = atom.operator.base;
        match state {
            ContextState::Absent => "absent",
            _ if self.unresolved(request, atom) => "unresolved-variable",
            ContextState::Known(values) if is_multi(atom.operator, shape, values) => "multi",
            ContextState::Known(values) if mismatched(atom, values) && !base.negated() => "type",
            _ if !atom.written.is_empty() && atom.written.iter().all(|value| !parses(base, value)) => "type",
            _ => "different",
        }
    }

    /// Whether every policy value has a variable that has no value in the request and no default.
    fn unresolved(&self, request: &Request, atom: &Atom) -> bool {
        let AtomKind::Templates(templates) = &atom.kind else { return false };
        templates.iter().all(|template| self.template_is_unresolved(request, template))
    }

    pub(super) fn template_is_unresolved(&self, request: &Request, template: &Template) -> bool {
        template.parts.iter().any(|part| match part {
            Part::Variable { key, default: None } => {
                let id = self.keys.iter().position(|known| known.name == *key);
                let state = id.and_then(|id| request.context.get(id)).map(|known| known.state.as_ref());
                state.is_some_and(|state| state.is_known() && state.single().is_none())
            }
            _ => false,
        })
    }
}

/// Several values, or a list, without a set operator.
fn is_multi(operator: Operator, shape: KeyShape, values: &[String]) -> bool {
    operator.set.is_none() && operator.base != Base::Null && (shape.multivalued || values.len() > 1)
}

/// Whether no pair of request value and policy value parses for the operator.
fn mismatched(atom: &Atom, values: &[String]) -> bool {
    let base = atom.operator.base;
    let typed = !matches!(base.family(), Family::String | Family::Null) && !values.is_empty() && !atom.written.is_empty();
    let policy_fits = match &atom.kind {
        AtomKind::Fixed { question: Question::Test(test), .. } => test.matchers.iter().any(|matcher| *matcher != Matcher::Never),
        _ => true,
    };
    typed && (!policy_fits || !values.iter().any(|value| parses(base, value)))
}

fn parses(base: Base, value: &str) -> bool {
    Matcher::new(base, &[Piece { text: value.to_owned(), literal: true }]) != Matcher::Never
}

/// Whether a date with a clock has no zone.
fn lacks_zone(value: &str) -> bool {
    value.split_once(['T', 't']).is_some_and(|(_, clock)| !clock.contains(['Z', 'z', '+', '-']))
}

/// What the entry asks of the key, in words that fit after `must be`.
fn wanted(atom: &Atom) -> String {
    let Operator { base, if_exists, .. } = atom.operator;
    if base == Base::Null {
        let absent = atom.written.first().is_some_and(|value| value.eq_ignore_ascii_case("true"));
        return if absent { "absent" } else { "there" }.to_owned();
    }
    let words = words::operator_words(atom.operator, &atom.written, true).unwrap_or_else(|| atom.written.join(" or "));
    if if_exists { format!("{words}, or absent") } else { words }
}

/// The assumptions that an entry's result rests on (iam-semantics, assumption register).
fn entry_assumptions(atom: &Atom, shape: KeyShape, known: Option<&KnownKey>, result: &str) -> Vec<&'static str> {
    let Operator { set, base, if_exists } = atom.operator;
    let none = Vec::new();
    let values = match known.map(|known| known.state.as_ref()) {
        Some(ContextState::Known(values)) => values,
        _ => &none,
    };
    let family = base.family();
    let any = |test: &dyn Fn(&String) -> bool| atom.written.iter().any(test);
    let decided = result != "unknown";
    let rules: [(&'static str, bool); 9] = [
        ("A-MULTI", decided && !values.is_empty() && is_multi(atom.operator, shape, values)),
        ("A-TYPE", decided && mismatched(atom, values)),
        ("A-EMPTY", !values.is_empty() && values.iter().all(String::is_empty) && (set.is_some() || base == Base::Null)),
        ("A-EMPTYLIST", atom.written.is_empty() && set.is_none() && !if_exists),
        ("A-BOOLVAR", family == Family::Bool && matches!(atom.kind, AtomKind::Templates(_))),
        ("A-EPOCH", family == Family::Date && any(&|value| !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()))),
        ("A-TZ", family == Family::Date && any(&|value| lacks_zone(value))),
        ("A-V6PREFIX", family == Family::Ip && any(&|value| value.contains(':') && !value.contains('/'))),
        ("A-V4MAP", family == Family::Ip && values.iter().any(|value| value.to_ascii_lowercase().starts_with("::ffff:"))),
    ];
    rules.into_iter().filter(|(_, holds)| *holds).map(|(code, _)| code).collect()
}
