//! The evaluator against the reference evaluator, and the laws that any evaluator keeps.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use retrial::replay::simulate;
use serde_json::Value;

use crate::reference::completions::{can_be_tried, possible};
use crate::reference::generate::{case, partial_case, refused_case, shuffled, with_added_allow, with_added_deny, witness};
use crate::reference::layers::decide;
use crate::reference::summary;

/// Cases of a run; `RETRIAL_CASES` asks for a longer one.
fn config() -> Config {
    let cases = std::env::var("RETRIAL_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1_000);
    Config { cases, max_global_rejects: 1 << 20, failure_persistence: None, ..Config::default() }
}

fn check(strategy: impl Strategy<Value = Value>, test: impl Fn(Value) -> Result<(), TestCaseError>) {
    if let Err(error) = TestRunner::new(config()).run(&strategy, test) {
        panic!("{error}");
    }
}

fn decision(case: &Value) -> String {
    let answer = simulate::answer(&case.to_string());
    answer["decision"].as_str().unwrap_or("no decision").to_owned()
}

fn allows(case: &Value) -> bool {
    decision(case) == "Allowed"
}

#[test]
fn full_requests_are_decided_as_by_the_reference() {
    check(case(), |case| {
        prop_assert_eq!(decision(&case), decide(&case).name(), "{}", case);
        Ok(())
    });
}

#[test]
fn refused_documents_are_refused() {
    check(refused_case(), |case| {
        prop_assert_eq!(decision(&case), "PolicyError", "{}", case);
        Ok(())
    });
}

#[test]
fn a_definite_answer_holds_for_every_completion() {
    check(partial_case(), |case| {
        // The others are left to the law of a random completion.
        prop_assume!(can_be_tried(&case));
        let found = decision(&case);
        let possible = possible(&case);
        let expected = summary(&possible);
        // Definite answers must be those of all completions. Undetermined where the reference is definite is sound, and
        // is let through only where the completions are fewer than the cells.
        if found != "Undetermined" {
            let denied = found == "Denied" && !matches!(expected, "Allowed" | "Undetermined");
            prop_assert!(denied || found == expected, "found {}, expected {} of {:?}\n{}", found, expected, possible, case);
        }
        Ok(())
    });
}

#[test]
fn a_definite_answer_holds_for_a_random_completion() {
    let pairs = partial_case().prop_flat_map(|case| (Just(case.clone()), witness(case)));
    let strategy = pairs.prop_map(|(partial, full)| serde_json::json!({"partial": partial, "full": full}));
    check(strategy, |pair| {
        let (found, full) = (decision(&pair["partial"]), decide(&pair["full"]).name());
        let fits = match found.as_str() {
            "Undetermined" => true,
            "Denied" => full != "Allowed",
            definite => definite == full,
        };
        prop_assert!(fits, "{} for the whole, {} for a completion\n{}", found, full, pair);
        Ok(())
    });
}

#[test]
fn an_added_allow_never_loses() {
    let strategy = case().prop_flat_map(|case| (Just(case.clone()), with_added_allow(case))).prop_map(|(a, b)| serde_json::json!([a, b]));
    check(strategy, |pair| {
        prop_assert!(!allows(&pair[0]) || allows(&pair[1]), "{}", pair);
        Ok(())
    });
}

#[test]
fn an_added_deny_never_gains() {
    let strategy = case().prop_flat_map(|case| (Just(case.clone()), with_added_deny(case))).prop_map(|(a, b)| serde_json::json!([a, b]));
    check(strategy, |pair| {
        prop_assert!(allows(&pair[0]) || !allows(&pair[1]), "{}", pair);
        let explicit = decision(&pair[0]) == "ExplicitlyDenied";
        prop_assert!(!explicit || decision(&pair[1]) == "ExplicitlyDenied", "{}", pair);
        Ok(())
    });
}

#[test]
fn order_never_matters() {
    let strategy = (case(), any::<u64>()).prop_map(|(case, seed)| serde_json::json!([case.clone(), shuffled(case, seed)]));
    check(strategy, |pair| {
        prop_assert_eq!(decision(&pair[0]), decision(&pair[1]), "{}", pair);
        Ok(())
    });
}

/// A case whose policies say 40 more things each, none of them about what is asked.
fn padded(mut value: Value) -> Value {
    match &mut value {
        Value::Object(members) => {
            members.values_mut().for_each(|member| *member = padded(member.take()));
            if let Some(statements) = members.get_mut("Statement") {
                let mut all = statements.as_array().cloned().unwrap_or_else(|| vec![statements.clone()]);
                let mut other = all.last().cloned().unwrap_or_default();
                if let Some(other) = other.as_object_mut() {
                    other.remove("NotAction");
                    other.remove("Sid");
                    other.insert("Action".to_owned(), Value::from("nothing:Never"));
                    all.extend(std::iter::repeat_n(Value::Object(other.clone()), 40));
                }
                *statements = Value::Array(all);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = padded(item.take())),
        _ => {}
    }
    value
}

#[test]
fn a_long_policy_is_decided_as_a_short_one() {
    check(prop_oneof![case(), partial_case()], |case| {
        let long = padded(case.clone());
        prop_assert_eq!(simulate::answer(&case.to_string()), simulate::answer(&long.to_string()), "{}", case);
        Ok(())
    });
}
