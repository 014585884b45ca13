//! The reference evaluator: small, slow, obvious. It reads policy documents as JSON at every evaluation and shares no
//! code with the crate, so that the property tests compare two independent readings of `iam-semantics.md`; the numbers
//! in the comments are its sections.
//!
//! `decide` answers fully known cases in the format of `tests/cases`, `completions` turns a partial case into fully
//! known ones, `possible` is the set of their decisions, `generate` has the strategies.
//!
//! JSON numbers are compared in the spelling that `serde_json::Value` gives back (1.2 wants the source's): integers
//! keep theirs, so cases should write other numbers as strings.

#![allow(dead_code, unused_imports, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

pub(crate) mod completions;
pub(crate) mod condition;
pub(crate) mod generate;
pub(crate) mod layers;
pub(crate) mod policy;

use std::collections::BTreeSet;

use serde_json::Value;

pub(crate) use completions::{completions, possible};
pub(crate) use layers::decide;

/// The decision of one policy set on one fully known request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Decision {
    Allowed,
    ExplicitlyDenied,
    ImplicitlyDenied,
    PolicyError,
}

impl Decision {
    /// As `expected` of a case and `decision` of `simulate` spell it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Decision::Allowed => "Allowed",
            Decision::ExplicitlyDenied => "ExplicitlyDenied",
            Decision::ImplicitlyDenied => "ImplicitlyDenied",
            Decision::PolicyError => "PolicyError",
        }
    }
}

/// 5.4: the one word for a set of possible decisions.
pub(crate) fn summary(possible: &BTreeSet<Decision>) -> &'static str {
    match (possible.first(), possible.len()) {
        (Some(only), 1) => only.name(),
        (Some(Decision::Allowed), _) => "Undetermined",
        _ => "Denied",
    }
}

/// The lines of a JSON Lines file.
pub(crate) fn cases(text: &str) -> Vec<Value> {
    text.lines().filter(|line| !line.trim().is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

mod tests {
    use super::{cases, decide, layers, policy, possible, summary};

    #[test]
    fn reference_gives_the_expected_decisions() {
        let cases = cases(include_str!("../../cases/decisions.jsonl"));
        assert_eq!(cases.len(), 263);
        let got = |case: &serde_json::Value| (case["id"].clone(), decide(case).name(), case["expected"].clone());
        let wrong: Vec<_> = cases.iter().map(got).filter(|(_, got, expected)| got != expected).collect();
        assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
    }

    #[test]
    fn reference_gives_the_possible_decisions() {
        let cases = cases(include_str!("../../cases/partial-context.jsonl"));
        assert_eq!(cases.len(), 158);
        let mut wrong = Vec::new();
        for case in &cases {
            let found = possible(case);
            let names: Vec<&str> = found.iter().map(|decision| decision.name()).collect();
            let same = case["possible"].as_array().is_none_or(|list| {
                let mut list: Vec<&str> = list.iter().filter_map(|name| name.as_str()).collect();
                list.sort_unstable();
                list == names
            });
            if case["expected"] != summary(&found) || !same {
                wrong.push((case["id"].clone(), names, case["expected"].clone(), case["possible"].clone()));
            }
        }
        assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
    }

    /// What needs no `--strict` to be refused; duplicate members and broken text never become a `Value`.
    #[test]
    fn reference_refuses_what_has_no_single_meaning() {
        const STRICT: [&str; 7] = ["hw-val-002", "hw-val-004", "hw-val-027", "hw-val-029", "hw-val-030", "hw-val-037", "hw-val-040"];
        for case in cases(include_str!("../../cases/documents.jsonl")) {
            let Ok(document) = serde_json::from_str(case["document"].as_str().unwrap()) else { continue };
            let kind = if case["policyType"] == "scp" { policy::Kind::Scp } else { policy::Kind::Identity };
            let id = case["id"].as_str().unwrap();
            if !STRICT.contains(&id) {
                assert_eq!(policy::is_refused(&document, kind), case["expected"] == "invalid", "{id}");
            }
        }
        assert_eq!(layers::LAYERS.len(), 7);
    }
}
