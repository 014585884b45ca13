//! The documented cases of `tests/cases/documents.jsonl`: what IAM stores, what it refuses, and what only a lint says.

use retrial::iam::{PolicyType, parse};
use retrial::lint::{Diagnostic, Severity, lint};
use serde_json::Value;

use crate::reference::cases;

fn policy_type(case: &Value) -> PolicyType {
    match case["policyType"].as_str().unwrap() {
        "identity" | "inline" | "managed" => PolicyType::Identity,
        "scp" => PolicyType::Scp,
        other => panic!("policy type {other}"),
    }
}

fn errors(found: &[Diagnostic]) -> Vec<String> {
    found.iter().filter(|found| found.severity == Severity::Error).map(|found| format!("{}: {}", found.code, found.finding)).collect()
}

#[test]
fn strict_refuses_what_iam_does_not_store_and_nothing_else() {
    let mut failures = Vec::new();
    for case in cases(include_str!("../cases/documents.jsonl")) {
        let errors = errors(&lint(case["document"].as_str().unwrap(), policy_type(&case), true));
        let refused = !errors.is_empty();
        if refused != (case["expected"] == "invalid") {
            failures.push(format!("{}: expected {}, found {errors:?} ({})", case["id"], case["expected"], case["notes"]));
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn what_is_only_a_lint_loads_without_strict() {
    for case in cases(include_str!("../cases/documents.jsonl")) {
        let level = case["level"].as_str().unwrap();
        if !level.starts_with("lint") && !level.starts_with("tool-choice") {
            continue;
        }
        let text = case["document"].as_str().unwrap();
        let found = lint(text, policy_type(&case), false);
        assert!(parse::document(text, policy_type(&case)).is_ok(), "{}", case["id"]);
        assert!(errors(&found).is_empty(), "{}: {:?}", case["id"], errors(&found));
        assert!(found.iter().any(|found| found.severity == Severity::Warning), "{}: no warning", case["id"]);
    }
}

#[test]
fn without_strict_an_error_is_what_the_loader_refuses() {
    for case in cases(include_str!("../cases/documents.jsonl")) {
        let text = case["document"].as_str().unwrap();
        let loads = parse::document(text, policy_type(&case)).is_ok();
        let found = lint(text, policy_type(&case), false);
        assert_eq!(errors(&found).is_empty(), loads, "{}: {:?}", case["id"], errors(&found));
    }
}

/// Statements of an identity policy, one of each, with the codes that they get and the line of the finding.
fn codes(statement: &str) -> Vec<&'static str> {
    let text = format!("{{\"Version\": \"2012-10-17\", \"Statement\": [\n{statement}\n]}}");
    let found = lint(&text, PolicyType::Identity, true);
    assert!(found.iter().all(|found| found.finding.line == 2), "{found:?}");
    found.iter().map(|found| found.code).collect()
}

fn with(action: &str, resource: &str, condition: &str) -> Vec<&'static str> {
    codes(&format!(r#"{{"Effect": "Allow", "Action": {action}, "Resource": {resource}, "Condition": {condition}}}"#))
}

#[test]
fn the_region_of_a_global_service_that_a_condition_leaves_out_is_named() {
    let text = r#"{
  "Version": "2012-10-17",
  "Statement": [{
    "Effect": "Allow",
    "Action": ["ec2:*", "iam:ListRoles"],
    "Resource": "*",
    "Condition": {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}
  }]
}"#;
    let found = lint(text, PolicyType::Identity, true);
    let [only] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((only.severity, only.code), (Severity::Warning, "region-never-matches"));
    assert_eq!((only.finding.line, only.finding.column, only.finding.pointer.as_str()), (5, 25, "/Statement/0/Action/1"));
    assert!(only.finding.message.contains("us-east-1"), "{}", only.finding.message);
    let none: Vec<&str> = Vec::new();
    for regions in [r#"["eu-west-1", "us-east-1"]"#, r#""us-gov-west-1""#] {
        assert_eq!(with(r#""iam:*""#, r#""*""#, &format!(r#"{{"StringEquals": {{"aws:RequestedRegion": {regions}}}}}"#)), none);
    }
    assert_eq!(with(r#""iam:*""#, r#""*""#, r#"{"StringNotLike": {"aws:RequestedRegion": "us-*"}}"#), ["region-never-matches"]);
}

#[test]
fn every_lint_finds_its_case() {
    for (action, codes) in [
        (r#""workmail:ListUser""#, vec!["unknown-action"]),
        (r#""workmail:Frobnicate*""#, vec!["unknown-action"]),
        (r#""WORKMAIL:listusers""#, vec![]),
        (r#""ListUsers""#, vec!["action-form"]),
        (r#""a:b:c""#, vec!["action-form"]),
        (r#"[]"#, vec!["no-action"]),
        (r#"["workmail:*", null]"#, vec!["null-entry"]),
        (r#""workmail:${aws:username}""#, vec!["variable-position"]),
    ] {
        assert_eq!(with(action, r#""*""#, "{}"), codes, "{action}");
    }
    for (resource, codes) in [
        (r#""arn:aws:workmail:eu-west-1:111122223333:organization/m-1""#, vec!["resource-never-matches"]),
        (r#"["arn:aws:workmail:eu-west-1:111122223333:organization/m-1", "*"]"#, vec![]),
        (r#"["*", "arn:aws:workmail:*"]"#, vec!["short-arn"]),
        (r#"["*", "arn:aws:iam::role"]"#, vec!["resource-form"]),
        (r#"["*", "arn:gcp:iam::111122223333:role/x"]"#, vec!["resource-partition"]),
        (r#"["*", "arn:*:iam::111122223333:role/x"]"#, vec![]),
        (r#"["*", "arn:aws:IAM::111122223333:role/x"]"#, vec!["resource-service"]),
        (r#"["*", "arn:aws:sqs:EU-west-1:111122223333:q"]"#, vec!["arn-case"]),
        (r#"["*", "arn:aws:iam:eu-west-1:111122223333:role/x"]"#, vec!["resource-region"]),
        (r#"["*", "arn:aws:sqs:eu-west-1:${aws:PrincipalAccount}:q"]"#, vec!["variable-position"]),
        (r#"["*", "arn:aws:sqs:eu-west-1:111122223333:${aws:username"]"#, vec!["variable-syntax"]),
    ] {
        assert_eq!(with(r#""workmail:ListOrganizations""#, resource, "{}"), codes, "{resource}");
    }
    for (condition, codes) in [
        (r#"{"stringequals": {"aws:username": "a"}}"#, vec!["operator-case"]),
        (r#"{"StringEquals": {"aws:UserNam": "a"}}"#, vec!["unknown-key"]),
        (r#"{"StringEquals": {"UserName": "a"}}"#, vec!["unknown-key"]),
        (r#"{"StringEquals": {"workmail:Impersonation": "a"}}"#, vec!["unknown-key"]),
        (r#"{"StringEquals": {"WorkMail:impersonationroleid": "a"}}"#, vec![]),
        (r#"{"StringEquals": {"sts:RequestContext/team": "a"}}"#, vec![]),
        (r#"{"StringEquals": {"s3:nosuchkey": "a"}}"#, vec![]),
        (r#"{"StringEquals": {"aws:username": ["a", 1]}}"#, vec!["mixed-types"]),
        (r#"{"ArnLike": {"aws:PrincipalArn": "arn:aws:iam:*"}}"#, vec!["arn-value"]),
        (r#"{"DateLessThan": {"aws:CurrentTime": "tomorrow"}}"#, vec!["date-value"]),
        (r#"{"IpAddress": {"aws:SourceIp": ["10.0.0.0/33"]}}"#, vec!["address-value"]),
        (r#"{"Bool": {"aws:SecureTransport": "yes"}}"#, vec!["boolean-value"]),
        (r#"{"ForAnyValue:Null": {"aws:TagKeys": "true"}}"#, vec!["null-with-set-operator"]),
        (r#"{"ForAllValues:StringEquals": {"aws:TagKeys": "a"}}"#, vec!["for-all-values"]),
        (r#"{"ForAllValues:StringEquals": {"aws:TagKeys": "a"}, "Null": {"aws:TagKeys": false}}"#, vec![]),
    ] {
        assert_eq!(with(r#""workmail:ListUsers""#, r#""*""#, condition), codes, "{condition}");
    }
}

#[test]
fn an_unknown_key_is_answered_with_the_nearest() {
    for (key, near) in [
        ("aws:SourceIP4", "`aws:SourceIp`"),
        ("aws:PrincipleTag/Team", "`aws:PrincipalTag/Team`"),
        ("aws:PrincipalTag", "`aws:PrincipalTag/TAG`"),
        ("SecureTransport", "`aws:SecureTransport`"),
        ("workmail:ImpersonationRole", "`workmail:ImpersonationRoleId`"),
        ("sts:ExternId", "`sts:ExternalId`"),
    ] {
        let statement =
            format!(r#"{{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {{"StringLike": {{"{key}": "*"}}}}}}"#);
        let found = lint(&format!(r#"{{"Version": "2012-10-17", "Statement": {statement}}}"#), PolicyType::Identity, true);
        let [only] = found.as_slice() else { panic!("{key}: {found:?}") };
        assert_eq!((only.severity, only.code), (Severity::Warning, "unknown-key"));
        let help = only.finding.help.clone().unwrap();
        assert_eq!(help, format!("did you mean {near}?"));
    }
}

#[test]
fn resources_that_none_of_the_actions_acts_on_are_found() {
    let missed = ["resource-never-matches"];
    let none: [&str; 0] = [];
    for (action, resource, codes) in [
        (r#""iam:CreateUser""#, r#""arn:aws:iam::111122223333:role/*""#, missed.as_slice()),
        (r#""iam:CreateUser""#, r#""arn:aws:iam::*:role/*""#, &missed),
        (r#"["iam:CreateUser", "iam:CreateRole"]"#, r#""arn:aws:iam::111122223333:role/*""#, &missed),
        (r#""workmail:*""#, r#""arn:aws:iam::111122223333:role/x""#, &missed),
        (r#""workmail:ListUsers""#, r#""arn:aws:workmail:*:*:user/*""#, &missed),
        (r#""workmail:ListUsers""#, r#"["arn:aws:workmail:*:*:user/*", "arn:aws:workmail:*:*:org*"]"#, &none),
        (r#""iam:CreateUser""#, r#""arn:aws:iam::111122223333:user/${aws:username}""#, &none),
        (r#""iam:CreateUser""#, r#""arn:aws:iam::111122223333:${aws:username}""#, &none),
        (r#""iam:CreateUser""#, r#""arn:*:iam::*:*r/a?b/*""#, &none),
        (r#""iam:*""#, r#""arn:aws:s3:::bucket""#, &none),
        (r#""logs:DeleteLogGroup""#, r#""arn:aws:logs:*:*:log-group:x""#, &missed),
        (r#""logs:DeleteLogGroup""#, r#""arn:aws:logs:*:*:log-group:x:*""#, &none),
        (r#""logs:TagResource""#, r#""arn:aws:logs:*:*:log-group:x""#, &none),
        (r#""ec2:RunInstances""#, r#""arn:aws:s3:::bucket""#, &none),
        (r#""sts:AssumeRole""#, r#""arn:aws:iam::*:role/ops""#, &none),
    ] {
        assert_eq!(with(action, resource, "{}"), codes, "{action} on {resource}");
    }
    let text =
        r#"{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "iam:CreateUser", "Resource": "arn:aws:iam::*:role/*"}}"#;
    let found = lint(text, PolicyType::Scp, true);
    let [only] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(only.finding.pointer, "/Statement/Resource");
    assert!(
        only.finding.message.contains("`iam:CreateUser`") && only.finding.message.contains("denies nothing"),
        "{}",
        only.finding.message
    );
    assert_eq!(only.finding.help.as_deref(), Some("it acts on `arn:aws:iam::ACCOUNT:user/*`"));
}
