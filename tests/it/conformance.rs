//! The documented cases of `tests/cases`: decisions, partial contexts, and the table of comparisons.

use retrial::replay::{Change, simulate};
use serde_json::Value;

use crate::reference::cases;

fn decided(case: &Value) -> Value {
    simulate::answer(&case.to_string())
}

fn failures(text: &str, check: impl Fn(&Value, &Value) -> Option<String>) -> Vec<String> {
    let id = |case: &Value| case["id"].as_str().unwrap_or_default().to_owned();
    cases(text).iter().filter_map(|case| check(case, &decided(case)).map(|failure| format!("{}: {failure}", id(case)))).collect()
}

#[test]
fn every_decision_case_is_right() {
    let failures = failures(include_str!("../cases/decisions.jsonl"), |case, answer| {
        let (expected, found) = (&case["expected"], &answer["decision"]);
        (expected != found).then(|| format!("expected {expected}, found {found} ({}), {}", answer["error"], case["notes"]))
    });
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_partial_context_is_right() {
    let failures = failures(include_str!("../cases/partial-context.jsonl"), |case, answer| {
        let (expected, found) = (&case["expected"], &answer["decision"]);
        if expected != found {
            return Some(format!("expected {expected}, found {found} ({}), {}", answer["error"], case["notes"]));
        }
        let names = |value: &Value| -> Option<Vec<String>> {
            let mut names: Vec<String> = value.as_array()?.iter().filter_map(Value::as_str).map(str::to_lowercase).collect();
            names.sort();
            Some(names)
        };
        let wanted = names(&case["settledBy"])?;
        let settled = names(&answer["settledBy"])?;
        (wanted != settled).then(|| format!("settled by {settled:?} and not by {wanted:?}, {}", case["notes"]))
    });
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn the_table_of_comparisons_holds() {
    let name = |class: &str| match class {
        "unchanged-undetermined" | "unchanged" => "unchanged_unknown".to_owned(),
        other => other.replace('-', "_"),
    };
    for case in cases(include_str!("../cases/comparison.jsonl")) {
        let observed = case["observed"].as_str().unwrap();
        let pairs = case["pairs"].as_array().unwrap().iter().filter_map(Value::as_str);
        let pairs = pairs.map(|pair| (pair.starts_with('A'), pair.ends_with('A')));
        let consistent = pairs.filter(|(baseline, _)| match observed {
            "success" => *baseline,
            "authz-denied" => !baseline,
            _ => true,
        });
        assert_eq!(Change::of_pairs(consistent).name(), name(case["expected"].as_str().unwrap()), "{}", case["id"]);
    }
}
