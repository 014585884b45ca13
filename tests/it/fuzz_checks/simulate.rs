//! `simulate::answer` on any line: the answer's form, and the laws that hold for every case.

use retrial::catalog;
use retrial::replay::simulate;
use serde_json::{Value, json};

use crate::reference::completions::completions;
use crate::reference::{Decision, decide};

const DECISIONS: [&str; 6] = ["Allowed", "ExplicitlyDenied", "ImplicitlyDenied", "Denied", "Undetermined", "PolicyError"];

pub(crate) fn check(data: &[u8]) {
    let Ok(line) = std::str::from_utf8(data) else { return };
    let answer = simulate::answer(line);
    has_its_form(line, &answer);
    let Ok(case) = serde_json::from_str::<Value>(line) else { return };
    assert_eq!(answer["id"], case["id"]);
    if answer["decision"] == "PolicyError" {
        return;
    }
    assert_eq!(simulate::answer(line), answer, "twice");
    compared(&case, &answer);
    if plain(&case) {
        completed(&case, &answer);
    }
}

fn has_its_form(line: &str, answer: &Value) {
    let decision = answer["decision"].as_str().unwrap_or_default();
    assert!(DECISIONS.contains(&decision), "{answer} for {line}");
    assert_eq!(answer["error"].is_string(), decision == "PolicyError", "{answer} for {line}");
    let settled_by = answer["settledBy"].as_array().unwrap();
    assert_eq!(settled_by.is_empty(), decision != "Undetermined", "{answer} for {line}");
    assert!(answer["blockedBy"].is_array() && answer["assumptions"].is_array(), "{answer} for {line}");
    if decision == "ExplicitlyDenied" {
        assert!(answer["decidedBy"]["statement"].is_number(), "a Deny without its statement: {answer} for {line}");
    }
}

/// A case against itself, and the two sides of a comparison.
fn compared(case: &Value, answer: &Value) {
    let mut same = case.clone();
    same["baselinePolicies"] = case["policies"].clone();
    if case["policies"].is_object() && case["observed"].is_null() {
        let itself = simulate::answer(&same.to_string());
        assert_eq!(itself["decision"], answer["decision"], "{case}");
        let change = match answer["decision"].as_str() {
            Some("Allowed") => "unchanged_allowed",
            Some("Undetermined") => "unchanged_unknown",
            _ => "unchanged_denied",
        };
        assert_eq!(itself["change"], change, "{same}");
        assert_eq!(itself["baselineDecision"], itself["decision"], "{same}");
    }
    if !case["baselinePolicies"].is_object() {
        assert!(answer["change"].is_null() || !case["baselinePolicies"].is_null(), "{answer} for {case}");
        return;
    }
    let mut baseline = case.clone();
    baseline["policies"] = case["baselinePolicies"].clone();
    baseline.as_object_mut().unwrap().remove("baselinePolicies");
    let alone = simulate::answer(&baseline.to_string());
    // Giving up on splitting the cases of both sides together may cost a side its answer.
    if answer["assumptions"] == json!([]) {
        assert_eq!(alone["decision"], answer["baselineDecision"], "{case}");
    }
    let change = match (answer["baselineDecision"].as_str(), answer["decision"].as_str(), case["observed"].is_null()) {
        (Some("Allowed"), Some("Allowed"), true) => "unchanged_allowed",
        (Some("Allowed"), Some("ExplicitlyDenied" | "ImplicitlyDenied" | "Denied"), true) => "lost",
        (Some("ExplicitlyDenied" | "ImplicitlyDenied" | "Denied"), Some("Allowed"), true) => "gained",
        (Some("ExplicitlyDenied" | "ImplicitlyDenied" | "Denied"), Some("ExplicitlyDenied" | "ImplicitlyDenied" | "Denied"), true) => {
            "unchanged_denied"
        }
        _ => return,
    };
    assert_eq!(answer["change"], change, "{case}");
}

/// A definite answer is that of the reference, for every completion.
fn completed(case: &Value, answer: &Value) {
    let found = answer["decision"].as_str().unwrap_or_default();
    for whole in completions(&with_lists(case)).take(40) {
        let expected = decide(&whole);
        let fits = match found {
            "Undetermined" => true,
            // The reference's own grammar is for the cases that it is given: it wants what the loader lets pass.
            _ if expected == Decision::PolicyError => true,
            "Denied" => expected != Decision::Allowed,
            definite => definite == expected.name(),
        };
        assert!(fits, "{found}, but {} for\n{whole}\nof\n{case}", expected.name());
    }
}

/// The case with the keys named as lists that AWS documents as such: the reference knows no catalogue.
fn with_lists(case: &Value) -> Value {
    fn names(value: &Value, into: &mut Vec<Value>) {
        match value {
            Value::Object(members) => {
                let lists = members.keys().filter(|name| catalog::key(&name.to_lowercase()).is_some_and(|key| key.multivalued));
                into.extend(lists.map(|name| json!(name)));
                members.values().for_each(|value| names(value, into));
            }
            Value::Array(list) => list.iter().for_each(|value| names(value, into)),
            Value::String(text) if catalog::key(&text.to_lowercase()).is_some_and(|key| key.multivalued) => into.push(json!(text)),
            _ => {}
        }
    }
    let mut lists = case["request"]["multivaluedKeys"].as_array().cloned().unwrap_or_default();
    names(case, &mut lists);
    let mut case = case.clone();
    case["request"]["multivaluedKeys"] = json!(lists);
    case
}

/// Whether the reference reads the case as it is meant: it is lenient where `simulate` is strict and the other way round.
fn plain(case: &Value) -> bool {
    let request = &case["request"];
    let text = |value: &Value| value.is_string();
    // Logs mask accounts: only two numbers are two accounts.
    let account = |value: &Value| value.as_str().is_some_and(|text| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()));
    let resource = request["resource"].as_str().unwrap_or("<?>");
    let unknown = |keys: &str| request[keys].as_array().map_or(0, Vec::len);
    let context = request["context"].as_object().into_iter().flatten();
    let (mut keys, mut known) = (Vec::new(), true);
    for (key, values) in context {
        keys.push(key.to_lowercase());
        known &= values.as_array().is_some_and(|values| values.iter().all(text));
    }
    for list in ["unknownKeys", "presentUnknownKeys"] {
        keys.extend(request[list].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_lowercase));
    }
    // The reference knows the first few of the services that RCPs apply to.
    let prefix = request["action"].as_str().and_then(|action| action.split(':').next()).unwrap_or_default().to_lowercase();
    let rcps = case["policies"]["rcps"].is_null() || ["s3", "sts", "kms", "workmail"].contains(&prefix.as_str());
    let count = keys.len();
    keys.sort_unstable();
    keys.dedup();
    let policies = &case["policies"];
    let absent_or = |layer: &str, check: &dyn Fn(&Value) -> bool| policies[layer].is_null() || check(&policies[layer]);
    let of_documents = |list: &Value| is_list_of(list, Value::is_object);
    let single = ["identity", "boundary", "session", "endpoint", "resource"].iter().all(|layer| absent_or(layer, &of_documents));
    let levels = ["scps", "rcps"].iter().all(|layer| absent_or(layer, &|list| is_list_of(list, of_documents)));
    known
        && rcps
        && keys.len() == count
        && unknown("unknownKeys") + unknown("presentUnknownKeys") <= 2
        && !resource.contains("<?>")
        && account(&request["resourceAccount"])
        && account(&request["principal"]["account"])
        && single
        && levels
        && !has_number(&case["policies"])
        && super::plain_variables(&case["policies"].to_string())
}

fn is_list_of(value: &Value, item: impl Fn(&Value) -> bool) -> bool {
    value.as_array().is_some_and(|list| list.iter().all(item))
}

/// Numbers are compared in their spelling, which `serde_json` does not keep, and a document may be a text.
fn has_number(value: &Value) -> bool {
    match value {
        Value::Number(_) => true,
        Value::Array(list) => list.iter().any(has_number),
        Value::Object(members) => members.values().any(has_number),
        _ => false,
    }
}
