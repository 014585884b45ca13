//! From what is known of a context key to the truth of everything that policies ask about it.
//!
//! The answers to all tests on one key form a *truth vector*. A known value gives one vector; an unknown one gives
//! every vector that some value gives, so that questions about one key are never answered in contradiction.

use std::collections::{BTreeSet, HashMap};

use super::automaton::{self, Run};
use super::bounds::Addresses;
use super::request::{Bounds, ContextState};
use crate::iam::condition::{Comparison, Family, Matcher, SetOperator, Test, Value, numeric::Decimal};
use crate::iam::pattern::{Pattern, Token, UNKNOWN_PART};

/// The most vectors that are told apart for one key.
const MOST_VECTORS: usize = 512;

/// Something that is asked about one key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Question {
    /// A condition entry.
    Test(Test),
    /// A variable in a known text: true where the value is one of these (not, if `negated`); `absent` where the key
    /// has no value.
    Filling {
        /// The values that make the text match.
        values: Vec<String>,
        /// Whether a match means false.
        negated: bool,
        /// The answer where there is no value to put in.
        absent: bool,
    },
}

/// What is known of a key's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct KeyShape {
    /// The type is a list.
    pub multivalued: bool,
    /// The value is free text of a user (a tag): it may be empty.
    pub may_be_empty: bool,
    /// Nothing is known of the type: where policies use set operators it may be a list.
    pub undeclared: bool,
}

/// One possible situation of a key: whether it is absent, and the answers to the questions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Vector {
    /// The key is not in the request.
    pub absent: bool,
    /// One answer for each question.
    pub answers: Vec<bool>,
}

/// All vectors that are possible, in order; `None` if they are too many to tell apart.
pub(super) fn vectors(state: &ContextState, questions: &[&Question], shape: KeyShape) -> Option<BTreeSet<Vector>> {
    let mut all = BTreeSet::new();
    match state {
        ContextState::Absent => {
            all.insert(absent(questions));
        }
        ContextState::Known(values) => {
            all.insert(known(values, questions, shape));
        }
        ContextState::OneOf(states) => {
            for state in states {
                all.insert(state.as_ref().map_or_else(|| absent(questions), |values| known(values, questions, shape)));
            }
        }
        ContextState::PresentUnknown(bounds) => all = present(questions, shape, bounds.as_ref())?,
        ContextState::Unknown => {
            all = present(questions, shape, None)?;
            all.insert(absent(questions));
        }
    }
    Some(all)
}

fn absent(questions: &[&Question]) -> Vector {
    let answer = |question: &&Question| match question {
        Question::Test(test) => test.absent_holds(),
        Question::Filling { absent, .. } => *absent,
    };
    Vector { absent: true, answers: questions.iter().map(answer).collect() }
}

fn known(values: &[String], questions: &[&Question], shape: KeyShape) -> Vector {
    let read: Vec<Value<'_>> = values.iter().map(|value| Value::new(value)).collect();
    let answer = |question: &&Question| match question {
        Question::Test(test) => test.present_holds(&read, shape.multivalued),
        Question::Filling { values: fit, negated, absent } => match values {
            [value] if !value.is_empty() && !shape.multivalued => fit.iter().any(|f| f == value) != *negated,
            _ => *absent,
        },
    };
    Vector { absent: false, answers: questions.iter().map(answer).collect() }
}

/// Every vector of a key that is present with an unknown value.
fn present(questions: &[&Question], shape: KeyShape, bounds: Option<&Bounds>) -> Option<BTreeSet<Vector>> {
    let singles = single_values(questions, bounds)?;
    let mut all = BTreeSet::new();
    let uses_sets = questions.iter().any(|q| matches!(q, Question::Test(test) if test.operator.set.is_some()));
    if !shape.multivalued {
        all.extend(singles.iter().map(|answers| Vector { absent: false, answers: answers.clone() }));
    }
    if shape.multivalued || (shape.undeclared && uses_sets) {
        all.extend(lists(questions, &singles)?);
        all.insert(known(&[], questions, KeyShape { multivalued: true, ..shape }));
    }
    if shape.may_be_empty || mentions_empty(questions) {
        all.insert(known(&[String::new()], questions, shape));
    }
    (all.len() <= MOST_VECTORS).then_some(all)
}

/// Whether a policy compares with the empty text: then the value may be empty, which counts as null for `Null` and
/// the set operators.
fn mentions_empty(questions: &[&Question]) -> bool {
    let empty = |matcher: &Matcher| match matcher {
        Matcher::Text(text) | Matcher::Folded(text) => text.is_empty(),
        Matcher::Glob(pattern) => pattern.literal() == Some(""),
        _ => false,
    };
    matchers(questions).any(empty)
}

/// The answers of lists: those of one-element lists, closed under taking one element more.
fn lists(questions: &[&Question], singles: &BTreeSet<Vec<bool>>) -> Option<BTreeSet<Vector>> {
    let set_of = |question: &&Question| match question {
        Question::Test(test) => test.operator.set,
        Question::Filling { .. } => None,
    };
    let sets: Vec<Option<SetOperator>> = questions.iter().map(set_of).collect();
    let fixed: Vec<bool> =
        known(&["\u{1}".to_owned(), "\u{2}".to_owned()], questions, KeyShape { multivalued: true, ..KeyShape::default() }).answers;
    let finish = |answers: &Vec<bool>| -> Vec<bool> {
        let zipped = answers.iter().zip(&sets).zip(&fixed);
        zipped.map(|((answer, set), fixed)| if set.is_some() { *answer } else { *fixed }).collect()
    };
    let mut reached: BTreeSet<Vec<bool>> = singles.clone();
    let mut queue: Vec<Vec<bool>> = singles.iter().cloned().collect();
    while let Some(answers) = queue.pop() {
        if reached.len() > MOST_VECTORS {
            return None;
        }
        for single in singles {
            let joined: Vec<bool> = answers
                .iter()
                .zip(single)
                .zip(&sets)
                .map(|((a, b), set)| if *set == Some(SetOperator::ForAllValues) { *a && *b } else { *a || *b })
                .collect();
            if reached.insert(joined.clone()) {
                queue.push(joined);
            }
        }
    }
    Some(reached.iter().map(|answers| Vector { absent: false, answers: finish(answers) }).collect())
}

/// For one unknown single value: every combination of answers. Families of operators are combined freely, which is
/// coarser than the truth and therefore sound.
fn single_values(questions: &[&Question], bounds: Option<&Bounds>) -> Option<BTreeSet<Vec<bool>>> {
    let mut combined: BTreeSet<Vec<bool>> = BTreeSet::from([vec![false; questions.len()]]);
    for group in [Group::Text, Group::Numeric, Group::Date, Group::Bool, Group::Binary, Group::Ip, Group::Null] {
        let members: Vec<usize> =
            (0..questions.len()).filter(|index| questions.get(*index).is_some_and(|q| Group::of(q) == group)).collect();
        if members.is_empty() {
            continue;
        }
        let asked: Vec<&Question> = members.iter().filter_map(|index| questions.get(*index).copied()).collect();
        let answers = group.answers(&asked, bounds)?;
        let mut next = BTreeSet::new();
        for base in &combined {
            for answer in &answers {
                let mut whole = base.clone();
                for (index, value) in members.iter().zip(answer) {
                    if let Some(slot) = whole.get_mut(*index) {
                        *slot = *value;
                    }
                }
                next.insert(whole);
            }
        }
        combined = next;
        if combined.len() > MOST_VECTORS {
            return None;
        }
    }
    Some(combined)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    Text,
    Numeric,
    Date,
    Bool,
    Binary,
    Ip,
    Null,
}

impl Group {
    fn of(question: &Question) -> Self {
        match question {
            Question::Filling { .. } => Self::Text,
            Question::Test(test) => match test.operator.base.family() {
                Family::String | Family::Arn => Self::Text,
                Family::Numeric => Self::Numeric,
                Family::Date => Self::Date,
                Family::Bool => Self::Bool,
                Family::Binary => Self::Binary,
                Family::Ip => Self::Ip,
                Family::Null => Self::Null,
            },
        }
    }

    fn answers(self, questions: &[&Question], bounds: Option<&Bounds>) -> Option<BTreeSet<Vec<bool>>> {
        let each = |value: &dyn Fn(&Test) -> bool| -> Vec<bool> {
            questions.iter().map(|q| if let Question::Test(test) = q { value(test) } else { false }).collect()
        };
        match self {
            Self::Text => text_answers(questions),
            Self::Null => Some(BTreeSet::from([each(&|test| test.present_holds(&[Value::new("x")], false))])),
            Self::Bool => Some(["true", "false"].map(Value::new).iter().map(|value| each(&|test| test.value_holds(value))).collect()),
            Self::Numeric => few(numeric_points(questions, bounds).iter().map(|value| each(&|test| compare(test, value, number_of)))),
            Self::Date => few(date_points(questions, bounds).iter().map(|value| each(&|test| compare(test, value, date_of)))),
            Self::Ip => few(Addresses::of(matchers(questions)).points().map(|address| {
                let address = address.to_string();
                let value = Value::new(&address);
                each(&|test| test.value_holds(&value))
            })),
            Self::Binary => Some(binary_answers(questions)),
        }
    }
}

/// The answers, unless they are too many to tell apart: then the rest is not worked out.
fn few(answers: impl Iterator<Item = Vec<bool>>) -> Option<BTreeSet<Vec<bool>>> {
    let mut distinct = BTreeSet::new();
    for answers in answers {
        distinct.insert(answers);
        if distinct.len() > MOST_VECTORS {
            return None;
        }
    }
    Some(distinct)
}

fn matchers<'a>(questions: &'a [&'a Question]) -> impl Iterator<Item = &'a Matcher> {
    questions.iter().flat_map(|q| if let Question::Test(test) = q { test.matchers.as_slice() } else { &[] })
}

/// A place on a line of ordered values: exactly at a bound, or strictly between two.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Point<T> {
    At(T),
    Between(Option<T>, Option<T>),
}

fn points<T: Ord + Clone>(mut bounds: Vec<T>, lowest: Option<T>, highest: Option<T>) -> Vec<Point<T>> {
    bounds.extend(lowest.iter().chain(highest.iter()).cloned());
    bounds.sort();
    bounds.dedup();
    let inside = |value: &T| lowest.as_ref().is_none_or(|low| value >= low) && highest.as_ref().is_none_or(|high| value <= high);
    let mut places = Vec::new();
    let mut previous: Option<T> = None;
    for bound in bounds {
        let gap_possible = match (&previous, &lowest) {
            (None, Some(_)) => false,
            (None, None) => true,
            (Some(previous), _) => inside(previous) && inside(&bound),
        };
        if gap_possible {
            places.push(Point::Between(previous.clone(), Some(bound.clone())));
        }
        if inside(&bound) {
            places.push(Point::At(bound.clone()));
        }
        previous = Some(bound);
    }
    if highest.is_none() {
        places.push(Point::Between(previous, None));
    }
    places
}

fn compare<T: Ord>(test: &Test, point: &Point<T>, value_of: impl Fn(&Matcher) -> Option<(Comparison, T)>) -> bool {
    let one = |matcher: &Matcher| {
        let Some((comparison, bound)) = value_of(matcher) else { return false };
        let ordering = match point {
            Point::At(value) => value.cmp(&bound),
            Point::Between(_, Some(above)) if *above <= bound => std::cmp::Ordering::Less,
            Point::Between(..) => std::cmp::Ordering::Greater,
        };
        comparison.accepts(ordering)
    };
    test.matchers.iter().any(one) != test.operator.base.negated()
}

fn number_of(matcher: &Matcher) -> Option<(Comparison, Decimal)> {
    if let Matcher::Number(comparison, number) = matcher { Some((*comparison, number.clone())) } else { None }
}

fn date_of(matcher: &Matcher) -> Option<(Comparison, i64)> {
    if let Matcher::Date(comparison, instant) = matcher { Some((*comparison, *instant)) } else { None }
}

fn numeric_points(questions: &[&Question], bounds: Option<&Bounds>) -> Vec<Point<Decimal>> {
    let values = matchers(questions).filter_map(number_of).map(|(_, number)| number).collect();
    let second = |microseconds: i64| Decimal::parse(&microseconds.div_euclid(1_000_000).to_string());
    match bounds {
        Some(Bounds::AtLeast(lowest)) => points(values, Some(lowest.clone()), None),
        Some(Bounds::Time { from, to }) => points(values, second(*from), second(*to)),
        None => points(values, None, None),
    }
}

fn date_points(questions: &[&Question], bounds: Option<&Bounds>) -> Vec<Point<i64>> {
    let values = matchers(questions).filter_map(date_of).map(|(_, instant)| instant).collect();
    match bounds {
        Some(Bounds::Time { from, to }) => points(values, Some(*from), Some(*to)),
        _ => points(values, None, None),
    }
}

fn binary_answers(questions: &[&Question]) -> BTreeSet<Vec<bool>> {
    let mut values: Vec<Option<&Matcher>> = matchers(questions).filter(|m| matches!(m, Matcher::Binary(_))).map(Some).collect();
    values.push(None);
    let holds =
        |value: Option<&Matcher>, q: &&Question| matches!(q, Question::Test(test) if value.is_some_and(|v| test.matchers.contains(v)));
    values.into_iter().map(|value| questions.iter().map(|q| holds(value, q)).collect()).collect()
}

/// Text questions by the product automaton of all their patterns.
fn text_answers(questions: &[&Question]) -> Option<BTreeSet<Vec<bool>>> {
    let mut patterns: Vec<(Vec<Token>, bool)> = Vec::new();
    let mut positions: HashMap<(Vec<Token>, bool), usize> = HashMap::new();
    let mut owners: Vec<Vec<usize>> = Vec::with_capacity(questions.len());
    for question in questions {
        let mut own = Vec::new();
        for pattern in question_patterns(question) {
            own.push(*positions.entry(pattern).or_insert_with_key(|pattern| {
                patterns.push(pattern.clone());
                patterns.len() - 1
            }));
        }
        owners.push(own);
    }
    let asked: Vec<Run<'_>> = patterns.iter().map(|(tokens, folded)| Run { tokens, folded: *folded }).collect();
    let found = automaton::feasible(&asked, UNKNOWN_PART)?;
    let answer = |truth: &Vec<bool>| -> Vec<bool> {
        let one = |(question, own): (&&Question, &Vec<usize>)| {
            let matched = own.iter().any(|index| truth.get(*index).copied().unwrap_or(false));
            let negated = match question {
                Question::Test(test) => test.operator.base.negated(),
                Question::Filling { negated, .. } => *negated,
            };
            matched != negated
        };
        questions.iter().zip(&owners).map(one).collect()
    };
    Some(found.iter().map(answer).collect())
}

fn question_patterns(question: &Question) -> Vec<(Vec<Token>, bool)> {
    let literal = |text: &str| text.chars().map(Token::Char).collect::<Vec<_>>();
    match question {
        Question::Filling { values, .. } => values.iter().map(|value| (literal(value), false)).collect(),
        Question::Test(test) => test
            .matchers
            .iter()
            .filter_map(|matcher| match matcher {
                Matcher::Text(text) => Some((literal(text), false)),
                Matcher::Folded(text) => Some((literal(text), true)),
                Matcher::Glob(pattern) | Matcher::Arn(pattern) => Some((Pattern::tokens(pattern).to_vec(), false)),
                _ => None,
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::condition::{Operator, Piece};

    fn question(operator: &str, values: &[&str]) -> Question {
        let operator = Operator::parse(operator).unwrap();
        let compile = |text: &&str| Matcher::new(operator.base, &[Piece { text: (*text).to_owned(), literal: false }]);
        Question::Test(Test { operator, matchers: values.iter().map(compile).collect() })
    }

    fn present_answers(questions: &[Question], shape: KeyShape) -> Vec<Vec<bool>> {
        let asked: Vec<&Question> = questions.iter().collect();
        let all = vectors(&ContextState::PresentUnknown(None), &asked, shape).unwrap();
        all.into_iter().map(|v| v.answers).collect()
    }

    #[test]
    fn numbers_between_two_bounds_are_a_cell_of_their_own() {
        let asked = [question("NumericLessThan", &["10"]), question("NumericGreaterThan", &["20"])];
        assert_eq!(present_answers(&asked, KeyShape::default()), [vec![false, false], vec![false, true], vec![true, false]]);
    }

    #[test]
    fn everything_and_nothing_are_decided() {
        assert_eq!(present_answers(&[question("IpAddress", &["0.0.0.0/0", "::/0"])], KeyShape::default()), [vec![true]]);
        assert_eq!(present_answers(&[question("StringLike", &["*"])], KeyShape::default()), [vec![true]]);
        assert_eq!(present_answers(&[question("NumericEquals", &["x"])], KeyShape::default()), [vec![false]]);
        assert_eq!(present_answers(&[question("Bool", &["true", "false"])], KeyShape::default()), [vec![true]]);
    }

    #[test]
    fn a_time_inside_its_window_is_open_and_outside_decided() {
        let asked = question("DateLessThan", &["2026-01-01T00:00:00Z"]);
        let bound = crate::iam::condition::date::parse("2026-01-01T00:00:00Z").unwrap();
        let at = |from, to| {
            vectors(&ContextState::PresentUnknown(Some(Bounds::Time { from, to })), &[&asked], KeyShape::default()).unwrap().len()
        };
        assert_eq!(at(bound - 5, bound + 1), 2);
        assert_eq!(at(bound - 9, bound - 5), 1);
        assert_eq!(at(bound, bound + 5), 1);
    }

    #[test]
    fn a_value_may_be_empty_where_a_policy_compares_with_the_empty_text() {
        let null = question("Null", &["true"]);
        for operator in ["StringEquals", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike"] {
            let answers = present_answers(&[null.clone(), question(operator, &[""])], KeyShape::default());
            assert!(answers.iter().any(|answers| answers[0]), "{operator}");
        }
        assert!(present_answers(&[null, question("StringLike", &["a"])], KeyShape::default()).iter().all(|answers| !answers[0]));
    }

    #[test]
    fn lists_may_hold_several_values() {
        let shape = KeyShape { multivalued: true, ..KeyShape::default() };
        let asked = [question("ForAnyValue:StringEquals", &["a"]), question("ForAnyValue:StringEquals", &["b"])];
        assert!(present_answers(&asked, shape).contains(&vec![true, true]));
        assert!(!present_answers(&asked, KeyShape::default()).contains(&vec![true, true]));
    }
}
