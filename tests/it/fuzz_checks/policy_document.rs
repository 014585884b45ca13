//! The loader of policy documents: the text as given, percent-encoded, and inside another text; and the lint.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use retrial::error::PolicyError;
use retrial::iam::json::Source;
use retrial::iam::{PolicyDocument, PolicyType, parse};
use retrial::lint::{Severity, lint};

const TYPES: [PolicyType; 7] = [
    PolicyType::Identity,
    PolicyType::Boundary,
    PolicyType::Session,
    PolicyType::Scp,
    PolicyType::Rcp,
    PolicyType::Resource,
    PolicyType::Endpoint,
];

pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for policy_type in TYPES {
        let loaded = parse::document(text, policy_type);
        match &loaded {
            Ok(document) => statements_stand_alone(document, policy_type),
            Err(error) => has_a_place(error, &parse::decode(text)),
        }
        linted(text, policy_type, loaded.is_ok());
        written_otherwise(text, policy_type, &loaded);
    }
    // Who is meant is all that a resource-based policy says more; an identity policy has to name the resource.
    if let Ok(document) = parse::document(text, PolicyType::Identity) {
        assert_eq!(parse::document(text, PolicyType::Resource).as_ref(), Ok(&document));
        assert_eq!(parse::document(text, PolicyType::Scp).as_ref(), Ok(&document));
    }
}

fn has_a_place(error: &PolicyError, text: &str) {
    let lines = text.matches('\n').count() + 1;
    assert!((1..=lines).contains(&error.line), "{error} of {lines} lines");
    let width = text.trim_start_matches('\u{feff}').split('\n').nth(error.line - 1).map_or(0, |line| line.chars().count());
    assert!((1..=width + 1).contains(&error.column), "{error} in a line of {width}");
    assert!(error.width >= 1 && !error.message.is_empty(), "{error:?}");
    assert!(error.excerpt_column <= error.excerpt.chars().count(), "{error:?}");
    assert!(!error.excerpt.contains(char::is_control), "{error:?}");
}

/// A statement keeps its text, and its text says the same.
fn statements_stand_alone(document: &PolicyDocument, policy_type: PolicyType) {
    for statement in &document.statements {
        assert!(1 <= statement.lines.0 && statement.lines.0 <= statement.lines.1, "{:?}", statement.lines);
        let alone = parse::document(&format!("{{\"Statement\": {}}}", statement.text), policy_type);
        assert_eq!(alone.map(|document| document.statements), Ok(vec![statement.clone()]));
    }
}

/// What loads has no error without `strict`, what is refused has one; `strict` only makes findings worse.
fn linted(text: &str, policy_type: PolicyType, loads: bool) {
    let (lax, strict) = (lint(text, policy_type, false), lint(text, policy_type, true));
    for found in strict.iter().chain(&lax) {
        has_a_place(&found.finding, &parse::decode(text));
    }
    // The lint also takes a document as a string, as in an account snapshot.
    if !text.trim_start_matches('\u{feff}').trim_start().starts_with('"') {
        let errors: Vec<_> = lax.iter().filter(|found| found.severity == Severity::Error).collect();
        assert_eq!(errors.is_empty(), loads, "{policy_type:?}: {errors:?}");
    }
    let names = |found: &[retrial::lint::Diagnostic]| {
        let mut names: Vec<_> = found.iter().map(|found| (found.finding.line, found.finding.column, found.code)).collect();
        names.sort_unstable();
        names
    };
    assert_eq!(names(&lax), names(&strict));
    assert!(
        strict.iter().filter(|f| f.severity == Severity::Error).count() >= lax.iter().filter(|f| f.severity == Severity::Error).count()
    );
}

/// The same document in the other forms in which it comes.
fn written_otherwise(text: &str, policy_type: PolicyType, loaded: &Result<PolicyDocument, PolicyError>) {
    let same = |form: &str, other: Result<PolicyDocument, PolicyError>| match (loaded, other) {
        (Ok(a), Ok(b)) => assert_eq!(a, &b, "{form}"),
        (Err(_), Err(_)) => {}
        (a, b) => panic!("{policy_type:?}, {form}: {a:?}, but {b:?}"),
    };
    if text.starts_with('{') {
        same("percent-encoded", parse::document(&utf8_percent_encode(text, NON_ALPHANUMERIC).to_string(), policy_type));
    }
    let quoted = format!("[\n{}]", serde_json::Value::from(text));
    same("a string", embedded(&quoted, policy_type));
    if serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok() && text.trim_start().starts_with('{') {
        same("an object", embedded(&format!("[\n{text}]"), policy_type));
    }
}

fn embedded(list: &str, policy_type: PolicyType) -> Result<PolicyDocument, PolicyError> {
    let source = Source::new(list);
    let elements = source.root()?.elements(&source)?;
    let found = parse::embedded(&source, &elements[0], policy_type);
    if let Err(error) = &found {
        has_a_place(error, list);
    }
    found
}
