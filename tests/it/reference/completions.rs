//! Partial contexts (5.1, 5.3, 5.5): every unknown key is tried with values on both sides of everything the policies
//! ask about it. No cells, no shortcuts: each completion is a fully known case of its own.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Decision;
use super::condition::{self, Operator};
use super::layers::{decide, taking_part};
use super::policy::{Request, Token, expand, glob, has_variables, resource_matches, statements, texts};

/// The decisions over all completions: the reference's answer to a partial case.
pub(crate) fn possible(case: &Value) -> BTreeSet<Decision> {
    let mut found = BTreeSet::new();
    for completion in completions(case) {
        found.insert(decide(&completion));
        if found.len() == 3 || found.contains(&Decision::PolicyError) {
            break;
        }
    }
    found
}

/// How many completions of a case are tried at most: lists of several unknown keys that variables bring together can be a
/// thousand million.
const MOST: usize = 1 << 15;

/// Whether every completion of a case can be tried.
pub(crate) fn can_be_tried(case: &Value) -> bool {
    states(case).iter().try_fold(1usize, |total, (_, states)| total.checked_mul(states.len())).is_some_and(|total| total <= MOST)
}

/// All fully known cases that a partial case stands for, as far as its policies can tell them apart.
pub(crate) fn completions(case: &Value) -> impl Iterator<Item = Value> {
    let states = states(case);
    let total: usize = states.iter().map(|(_, states)| states.len()).product();
    let mut known = case.clone();
    known["request"]["unknownKeys"] = json!([]);
    known["request"]["presentUnknownKeys"] = json!([]);
    (0..total).map(move |mut number| {
        let mut completion = known.clone();
        for (key, states) in &states {
            if let Some(values) = &states[number % states.len()] {
                completion["request"]["context"][key] = json!(values);
            }
            number /= states.len();
        }
        completion
    })
}

/// One (operator, key, values) entry of some condition.
struct Entry {
    operator: Operator,
    key: String,
    values: Vec<String>,
    variables: bool,
}

type State = Option<Vec<String>>; // None = absent

/// Each unknown key with the states to try.
fn states(case: &Value) -> Vec<(String, Vec<State>)> {
    let request = Request::read(case);
    let entries = entries(case);
    let maybe = texts(&case["request"]["unknownKeys"]);
    let present = texts(&case["request"]["presentUnknownKeys"]);
    let keys: Vec<(&String, bool)> = maybe.iter().map(|k| (k, true)).chain(present.iter().map(|k| (k, false))).collect();
    // Values of one unknown key may matter to another through a variable: two rounds.
    let mut pools: Vec<Vec<String>> = keys.iter().map(|_| Vec::new()).collect();
    for _ in 0..2 {
        let others: Vec<(String, Vec<String>)> = keys.iter().map(|(key, _)| key.to_lowercase()).zip(pools).collect();
        let pool = |(key, _): &(&String, bool)| {
            let mut pool = candidates(key, case, &request, &entries, &others);
            // 5.3: only what users write (tags), or what a policy compares with the empty text, may be empty.
            let written = entries.iter().any(|e| e.key == key.to_lowercase() && e.values.iter().any(String::is_empty));
            let free = key.to_lowercase().contains("tag") || request.is_multivalued(key);
            pool.retain(|value| !value.is_empty() || written || free);
            pool
        };
        pools = keys.iter().map(pool).collect();
    }
    let listed = |(&(key, absent), pool): (&(&String, bool), &Vec<String>)| {
        let mut states: Vec<State> = if absent { vec![None] } else { Vec::new() };
        if request.is_multivalued(key) {
            states.push(Some(Vec::new()));
            // Lists of up to three of them, in any order: operators do not see the order.
            for (i, a) in pool.iter().enumerate() {
                states.push(Some(vec![a.clone()]));
                for (j, b) in pool.iter().enumerate().skip(i + 1) {
                    states.push(Some(vec![a.clone(), b.clone()]));
                    states.extend(pool[j + 1..].iter().map(|c| Some(vec![a.clone(), b.clone(), c.clone()])));
                }
            }
        } else {
            states.extend(pool.iter().map(|value| Some(vec![value.clone()])));
        }
        (key.clone(), distinct(key, states, &request, &entries, case))
    };
    keys.iter().zip(&pools).map(listed).collect()
}

/// States that every entry answers alike are one, unless a variable brings the key and another value together.
fn distinct(key: &str, states: Vec<State>, request: &Request, entries: &[Entry], case: &Value) -> Vec<State> {
    let mine: Vec<&Entry> = entries.iter().filter(|entry| entry.key == key.to_lowercase()).collect();
    let named = format!("${{{}", key.to_lowercase());
    let is_variable = case["policies"].to_string().to_lowercase().contains(&named);
    if is_variable || mine.iter().any(|entry| entry.values.iter().any(|value| value.contains("${"))) {
        return states;
    }
    let mut seen = BTreeSet::new();
    let answers = |state: &State| -> Vec<bool> {
        let request = with(request, key, state.clone());
        mine.iter().map(|e| condition::entry(e.operator, &e.key, &e.values, e.variables, &request)).collect()
    };
    states.into_iter().filter(|state| seen.insert(answers(state))).collect()
}

fn with(request: &Request, key: &str, state: State) -> Request {
    let mut request = request.clone();
    request.context.retain(|(name, _)| *name != key.to_lowercase());
    request.context.extend(state.map(|values| (key.to_lowercase(), values)));
    request
}

fn entries(case: &Value) -> Vec<Entry> {
    let mut found = Vec::new();
    for (document, _) in taking_part(case) {
        for statement in statements(document) {
            for (name, block) in statement["Condition"].as_object().into_iter().flatten() {
                let Some(operator) = Operator::parse(name) else { continue };
                found.extend(block.as_object().into_iter().flatten().map(|(key, values)| Entry {
                    operator,
                    key: key.to_lowercase(),
                    values: texts(values),
                    variables: has_variables(document),
                }));
            }
        }
    }
    found
}

/// The single values to try for a key. 5.3: a key that only typed operators ask about has values of that type.
fn candidates(key: &str, case: &Value, request: &Request, all: &[Entry], others: &[(String, Vec<String>)]) -> Vec<String> {
    let lower = key.to_lowercase();
    let mine: Vec<&Entry> = all.iter().filter(|entry| entry.key == lower && entry.operator.base != "Null").collect();
    let of = |family: &str| -> Vec<&str> {
        let family = mine.iter().filter(|entry| entry.operator.base.starts_with(family));
        family.flat_map(|entry| &entry.values).map(String::as_str).collect()
    };
    let asks = |family: &str| mine.iter().any(|entry| entry.operator.base.starts_with(family));
    let mut pool: BTreeSet<String> = BTreeSet::new();
    if asks("Bool") {
        pool.extend(["true".to_owned(), "false".to_owned()]);
    }
    if asks("Numeric") {
        pool.extend(numbers(&of("Numeric")));
    }
    if asks("Date") {
        pool.extend(dates(&of("Date")));
    }
    if asks("IpAddress") {
        pool.extend(addresses(&of("IpAddress")));
    }
    if pool.is_empty() || asks("String") || asks("Arn") || asks("Binary") {
        pool.extend(strings(key, case, request, all, others));
    }
    pool.into_iter().collect()
}

/// Strings: what is mentioned, with wildcards replaced, in other case, joined; what a variable has to be; and others.
fn strings(key: &str, case: &Value, request: &Request, all: &[Entry], others: &[(String, Vec<String>)]) -> BTreeSet<String> {
    let lower = key.to_lowercase();
    // Two values that nothing mentions: one that all keys share and one of this key's own, as a variable may compare.
    let mut found = BTreeSet::from(["zq-fresh".to_owned(), format!("zq-{}", lower.replace([':', '/'], "-"))]);
    // 5.3: user-supplied values (tags) may be empty, which Null and set operators take for absent.
    if lower.contains("tag/") {
        found.insert(String::new());
    }
    // A second request for each value of another unknown key, for values that mention it as a variable.
    let mut requests = vec![request.clone()];
    for (other, values) in others.iter().filter(|(other, _)| *other != lower) {
        requests.extend(values.iter().map(|value| with(request, other, Some(vec![value.clone()]))));
    }
    let mut globs: BTreeSet<String> = BTreeSet::new();
    for entry in all.iter().filter(|entry| entry.key == lower && entry.operator.base != "Null") {
        for (value, request) in entry.values.iter().flat_map(|value| requests.iter().map(move |request| (value, request))) {
            let plain = || Some(super::policy::tokens(value));
            let Some(pattern) = (if entry.variables { expand(value, request) } else { plain() }) else { continue };
            let replaced = [("*", "?"), ("", "q"), ("q", "q"), ("qq", "q"), ("q:q", "q")].map(|(star, question)| {
                let text = |token: &Token| match token {
                    Token::Char(c) => c.to_string(),
                    Token::Star { .. } => star.to_owned(),
                    Token::Question { .. } => question.to_owned(),
                };
                pattern.iter().map(text).collect::<String>()
            });
            let wild = replaced[0] != replaced[1];
            match entry.operator.base {
                "StringLike" | "ArnLike" | "ArnEquals" if wild => globs.extend(replaced[1..].iter().cloned()),
                "StringEqualsIgnoreCase" => found.extend([replaced[0].to_uppercase(), replaced[0].to_lowercase()]),
                _ => {}
            }
            found.insert(replaced[0].clone());
        }
    }
    // Two globs at once: `a*` and `*b` need `ab`.
    found.extend(globs.iter().flat_map(|a| globs.iter().map(move |b| format!("{a}{b}"))).filter(|_| globs.len() > 5));
    found.extend(globs);
    found.extend(needed(&lower, case, request, all, others));
    found
}

/// What the key has to be where it is a variable: every part of the other side that makes the pattern match.
fn needed(key: &str, case: &Value, request: &Request, all: &[Entry], others: &[(String, Vec<String>)]) -> BTreeSet<String> {
    let named = format!("${{{key}");
    let is_named = |pattern: &str| pattern.to_lowercase().contains(&named);
    let mut found = BTreeSet::new();
    let mut try_parts = |text: &str, matches: &dyn Fn(&Request) -> bool| {
        let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let parts = starts.iter().flat_map(|from| starts.iter().filter(move |to| from < *to).map(|to| &text[*from..*to]));
        let hits = parts.filter(|part| matches(&with(request, key, Some(vec![(*part).to_owned()]))));
        found.extend(hits.take(4).map(str::to_owned));
    };
    for (document, kind) in taking_part(case).into_iter().filter(|(document, _)| has_variables(document)) {
        for statement in statements(document) {
            for pattern in texts(&statement["Resource"]).iter().chain(&texts(&statement["NotResource"])) {
                if is_named(pattern) {
                    let last = request.resource.splitn(6, ':').last().unwrap_or_default();
                    try_parts(last, &|request| resource_matches(pattern, kind, true, request));
                }
            }
        }
    }
    for entry in all.iter().filter(|entry| entry.variables && entry.operator.takes_variables()) {
        let unknown = others.iter().filter(|(other, _)| *other == entry.key).flat_map(|(_, values)| values);
        let values: Vec<&String> = request.values(&entry.key).into_iter().flatten().chain(unknown).collect();
        for pattern in entry.values.iter().filter(|pattern| is_named(pattern)) {
            for value in &values {
                try_parts(value, &|request| expand(pattern, request).is_some_and(|pattern| glob(&pattern, value)));
            }
        }
    }
    found
}

/// Each bound, a number between each two, one below and one above.
fn numbers(bounds: &[&str]) -> Vec<String> {
    let parsed = bounds.iter().filter(|bound| condition::compare_decimals(bound, bound).is_some());
    let mut sorted: Vec<(f64, &str)> = parsed.filter_map(|bound| Some((bound.parse().ok()?, *bound))).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut found: Vec<String> = sorted.iter().map(|(_, text)| (*text).to_owned()).collect();
    found.extend(sorted.windows(2).map(|pair| ((pair[0].0 + pair[1].0) / 2.0).to_string()));
    found.push((sorted.first().map_or(7.0, |(low, _)| *low) - 1.0).to_string());
    found.push((sorted.last().map_or(7.0, |(high, _)| *high) + 1.0).to_string());
    found
}

/// Each bound, a second between each two, one before and one after, as epoch seconds.
fn dates(bounds: &[&str]) -> Vec<String> {
    let mut seconds: Vec<i128> = bounds.iter().filter_map(|bound| condition::instant(bound)).map(|ns| ns / 1_000_000_000).collect();
    seconds.sort_unstable();
    let mut found: Vec<String> = bounds.iter().filter(|b| condition::instant(b).is_some()).map(|b| (*b).to_owned()).collect();
    let between = seconds.windows(2).map(|pair| (pair[0] + pair[1]) / 2);
    let beside = [seconds.first().map_or(1_700_000_000, |first| first - 1), seconds.last().map_or(0, |last| last + 1)];
    found.extend(between.chain(beside).filter(|second| *second >= 0).map(|second| second.to_string()));
    found
}

/// The ends of each range, the addresses beside them, and one of each family elsewhere.
fn addresses(ranges: &[&str]) -> Vec<String> {
    let mut found = vec!["198.18.7.7".to_owned(), "2001:db8:ffff::77".to_owned()];
    for (six, first, last) in ranges.iter().filter_map(|text| condition::range(text)) {
        for address in [Some(first), Some(last), first.checked_sub(1), last.checked_add(1)].into_iter().flatten() {
            if six {
                found.push(std::net::Ipv6Addr::from(address).to_string());
            } else if let Ok(address) = u32::try_from(address) {
                found.push(std::net::Ipv4Addr::from(address).to_string());
            }
        }
    }
    found
}
