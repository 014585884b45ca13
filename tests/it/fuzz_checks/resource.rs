//! One `Resource` pattern of a policy against one resource, as a case of `simulate`, and the reference's matcher.
//!
//! An input is, one a line: layer, element and version (`scps NotResource 2008-10-17`), the pattern, the resource, a
//! user name for `${aws:username}`, and what `<?>` in the resource may be.

use retrial::replay::simulate;
use serde_json::{Value, json};

use super::plain_variables;
use crate::reference::layers::LAYERS;
use crate::reference::policy::{Request, resource_matches};

/// The most completions of one resource.
const MOST: usize = 100;

pub(crate) fn check(data: &[u8]) {
    let Ok(input) = std::str::from_utf8(data) else { return };
    let mut lines = input.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let (what, pattern, resource, user) = (line(), line(), line(), line());
    let (layer, kind) = LAYERS.into_iter().find(|(layer, _)| what.contains(layer)).unwrap_or(LAYERS[0]);
    let negated = what.contains("Not");
    let version = if what.contains("2008") { "2008-10-17" } else { "2012-10-17" };
    let policies = policies(layer, negated, version, pattern);
    let denied = |resource: &str, user: &str| {
        let request = Request::read(&case(&policies, resource, Some(user)));
        resource_matches(pattern, kind, version == "2012-10-17", &request) != negated
    };
    let wholes = completions(resource, &lines.collect::<Vec<_>>());
    for user in [Some(user), None] {
        let partial = case(&policies, resource, user);
        let answer = simulate::answer(&partial.to_string());
        let expected = match answer["decision"].as_str() {
            Some("ExplicitlyDenied") => true,
            Some("Allowed") => false,
            Some("Undetermined") => {
                let settled_by = answer["settledBy"].as_array().map_or(0, Vec::len);
                assert!(settled_by > 0, "undetermined by nothing: {partial}");
                assert!(user.is_none() || resource.contains("<?>"), "nothing is unknown: {partial}");
                continue;
            }
            _ => panic!("{answer} for {partial}"),
        };
        for whole in wholes.iter().filter(|_| plain_variables(pattern)) {
            for name in user.map_or(vec!["", "q", "a", "*", whole], |user| vec![user]) {
                // A user name is never empty, and then it is absent.
                let found = denied(whole, name);
                assert_eq!(found, expected, "`{whole}` for the user `{name}`, {} for\n{partial}", answer["decision"]);
            }
        }
    }
}

/// Everything is allowed; the pattern denies.
fn policies(layer: &str, negated: bool, version: &str, pattern: &str) -> Value {
    let element = if negated { "NotResource" } else { "Resource" };
    let mut statements = json!([
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "*", element: pattern}
    ]);
    if ["rcps", "resource", "endpoint"].contains(&layer) {
        for statement in statements.as_array_mut().into_iter().flatten() {
            statement["Principal"] = json!("*");
        }
    }
    let document = json!({"Version": version, "Statement": statements});
    let mut policies = json!({"identity": [{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}]});
    policies[layer] = if ["scps", "rcps"].contains(&layer) { json!([[document]]) } else { json!([document]) };
    policies
}

/// `None` is an unknown user name.
fn case(policies: &Value, resource: &str, user: Option<&str>) -> Value {
    json!({
        "request": {
            // RCPs apply to this service.
            "action": "s3:GetObject",
            "resource": resource,
            "resourceAccount": "1",
            "principal": {"type": "User", "arn": "arn:aws:iam::1:user/a", "account": "1"},
            "context": user.map_or(json!({}), |user| json!({"aws:username": [user]})),
            "unknownKeys": if user.is_some() { json!([]) } else { json!(["aws:username"]) },
        },
        "policies": policies,
    })
}

fn completions(resource: &str, fillings: &[&str]) -> Vec<String> {
    let parts: Vec<&str> = resource.split("<?>").collect();
    let mut fillings = fillings.to_vec();
    fillings.extend(["", "q", ":", "a:b"]);
    let ways = fillings.len().saturating_pow(parts.len() as u32 - 1);
    let whole = |mut number: usize| {
        let mut whole = parts[0].to_owned();
        for part in &parts[1..] {
            whole += fillings[number % fillings.len()];
            number /= fillings.len();
            whole += part;
        }
        whole
    };
    (0..ways.min(MOST)).map(whole).filter(|whole| whole != "*" || resource == "*").collect()
}
