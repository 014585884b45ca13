//! Policies as they were.

use serde_json::json;

use super::log::Log;
use super::{ACCOUNT, Story, allow, inline, snapshot};
use retrial::replay::Options;

const BROAD: [&str; 3] = ["workmail:ListUsers", "workmail:DeleteUser", "sts:AssumeRole"];
const NARROW: [&str; 2] = ["workmail:ListUsers", "sts:AssumeRole"];

/// Alice may delete users until the tenth of May.
fn alice_is_cut() -> Log {
    let document = allow(&NARROW).to_string();
    Log::default()
        .call("before", (5, 0), "alice", "DeleteUser")
        .iam((10, 600), "PutUserPolicy", json!({"userName": "alice", "policyName": "own", "policyDocument": document}))
        .call("after", (15, 0), "alice", "DeleteUser")
        .denied()
        .call("lists", (16, 0), "alice", "ListUsers")
}

fn with_alice(actions: &[&str]) -> serde_json::Value {
    snapshot(&json!({"UserPolicyList": inline(&allow(actions))}), &json!({}))
}

#[test]
fn the_last_snapshot_alone_is_contradicted_and_the_log_explains_it() {
    let story = Story::new(alice_is_cut()).with("2026-05-20/account.json", &with_alice(&NARROW));
    let report = story.replayed(None);
    // What the policy was before the call is not told: the success is explained by what was not supplied.
    assert_eq!(report.agreement(), (3, 0, 4));
    assert_eq!(report.manifest.agreement.unwrap().explained_by_opaque, 1);
    report.expect("change", &[("before", "unchanged_denied"), ("after", "unchanged_denied"), ("lists", "unchanged_allowed")]);
    // Without the call, as if the log had no events of IAM.
    let mut log = alice_is_cut();
    log.records.remove(1);
    let report = Story::new(log).with("2026-05-20/account.json", &with_alice(&NARROW)).replayed(None);
    report.expect("contradiction", &[("before", "success_but_implicit_deny"), ("after", "")]);
}

#[test]
fn two_snapshots_and_the_log_agree_with_it_and_blame_no_candidate() {
    let story = Story::new(alice_is_cut())
        .with("2026-05-01/account.json", &with_alice(&BROAD))
        .with("2026-05-20/account.json", &with_alice(&NARROW));
    let report = story.replayed(Some(&format!("[[change]]\nremove = \"own\"\nof = \"arn:aws:iam::{ACCOUNT}:user/alice\"\n")));
    assert_eq!(report.agreement(), (4, 0, 4));
    report.expect("change", &[("before", "unchanged_denied"), ("after", "unchanged_denied"), ("lists", "lost")]);
    let reasons = report.by_event("candidate_reason");
    assert!(reasons["before"].starts_with("already lost since 2026-05-10: no identity-based policy allows"), "{reasons:#?}");
    assert!(report.by_event("baseline_reason")["before"].starts_with("already lost since 2026-05-10: "));
    assert!(!reasons["after"].contains("already lost"), "{reasons:#?}");
    let followed = report.manifest.followed.unwrap();
    assert_eq!((followed.changes, followed.calls, followed.not_followed), (1, 1, 0));
}

#[test]
fn a_contradiction_is_told_by_what_was_in_force() {
    let story = Story::new(alice_is_cut().call("wrong", (6, 0), "alice", "DeleteGroup"))
        .with("2026-05-01/account.json", &with_alice(&BROAD))
        .with("2026-05-20/account.json", &with_alice(&NARROW));
    let report = story.replayed(None);
    report.expect("contradiction", &[("wrong", "success_but_implicit_deny")]);
    let reason = &report.by_event("baseline_reason")["wrong"];
    assert!(reason.starts_with("by the policies that were in force then, no identity-based policy allows"), "{reason}");
}

#[test]
fn snapshots_that_differ_without_a_call_leave_the_time_between_open() {
    let mut log = alice_is_cut();
    log.records.remove(1);
    let log = log.call("early", (1, 0), "alice", "DeleteUser");
    let story = Story::new(log).with("2026-05-02/account.json", &with_alice(&BROAD)).with("2026-05-20/account.json", &with_alice(&NARROW));
    let report = story.replayed(None);
    assert_eq!(report.agreement().1, 0, "either may have been in force between the snapshots");
    report.expect("change", &[("early", "unchanged_denied"), ("before", "unchanged_denied"), ("after", "unchanged_denied")]);
}

#[test]
fn near_a_change_either_state_counts() {
    let log =
        |minute| {
            let document = allow(&NARROW).to_string();
            Log::default()
                .iam((10, 600), "PutUserPolicy", json!({"userName": "alice", "policyName": "own", "policyDocument": document}))
                .call("late", (10, minute), "alice", "DeleteUser")
        };
    let story = |minute| {
        Story::new(log(minute)).with("2026-05-01/account.json", &with_alice(&BROAD)).with("2026-05-20/account.json", &with_alice(&NARROW))
    };
    assert_eq!(story(601).replayed(None).agreement().1, 0);
    assert_eq!(story(602).replayed(None).agreement().1, 1);
    let wide = story(602);
    let options = Options { change_window: 120_000_000, ..wide.options(None) };
    assert_eq!(wide.replayed_with(&options).agreement().1, 0);
}

#[test]
fn calls_after_the_newest_snapshot_are_in_force_and_not_what_candidates_are_compared_with() {
    let story = Story::new(alice_is_cut()).with("2026-05-01/account.json", &with_alice(&BROAD));
    let report = story.replayed(None);
    assert_eq!(report.agreement(), (4, 0, 4));
    // The newest that is known still allows it.
    report.expect("change", &[("before", "unchanged_allowed"), ("after", "unchanged_allowed"), ("lists", "unchanged_allowed")]);
    report.expect("observed", &[("after", "access_denied")]);
}

#[test]
fn a_policy_that_was_detached_was_attached_before() {
    let policy = format!("arn:aws:iam::{ACCOUNT}:policy/Deleters");
    let log = Log::default()
        .by_session("before", (5, 0), "ASIA1", "DeleteUser")
        .iam((10, 0), "DetachRolePolicy", json!({"roleName": "Ops", "policyArn": policy}))
        .by_session("after", (12, 0), "ASIA1", "DeleteUser")
        .denied();
    let mut account = snapshot(&json!({}), &json!({}));
    let document = allow(&["workmail:DeleteUser"]);
    let version = json!({"VersionId": "v1", "IsDefaultVersion": true, "Document": document});
    account["Policies"] = json!([{"PolicyName": "Deleters", "Arn": policy, "DefaultVersionId": "v1", "PolicyVersionList": [version]}]);
    let report = Story::new(log).with("account.json", &account).replayed(None);
    assert_eq!(report.agreement(), (3, 0, 3));
    assert!(report.by_event("candidate_reason")["before"].starts_with("already lost since 2026-05-10: "));
}

#[test]
fn a_version_that_is_set_is_found_in_the_snapshot_or_in_the_log() {
    let policy = format!("arn:aws:iam::{ACCOUNT}:policy/Mail");
    let version =
        |id: &str, actions: &[&str], is_default: bool| json!({"VersionId": id, "IsDefaultVersion": is_default, "Document": allow(actions)});
    let account = |versions: serde_json::Value, default: &str| {
        let attached = json!([{"PolicyName": "Mail", "PolicyArn": policy}]);
        let mut account = snapshot(&json!({"AttachedManagedPolicies": attached}), &json!({}));
        account["Policies"] = json!([{"PolicyName": "Mail", "Arn": policy, "DefaultVersionId": default, "PolicyVersionList": versions}]);
        account
    };
    let created = json!({"policyVersion": {"versionId": "v2", "isDefaultVersion": true}});
    let document = allow(&["workmail:DeleteUser"]).to_string();
    let log = Log::default()
        .call("first", (3, 0), "alice", "ListUsers")
        .change(
            (5, 0),
            "iam",
            "CreatePolicyVersion",
            json!({"policyArn": policy, "policyDocument": document, "setAsDefault": true}),
            created,
        )
        .call("second", (7, 0), "alice", "DeleteUser")
        .iam((10, 0), "SetDefaultPolicyVersion", json!({"policyArn": policy, "versionId": "v1"}))
        .call("third", (12, 0), "alice", "DeleteUser")
        .denied()
        .iam((14, 0), "SetDefaultPolicyVersion", json!({"policyArn": policy, "versionId": "v2"}))
        .call("fourth", (16, 0), "alice", "DeleteUser");
    let first = account(json!([version("v1", &["workmail:ListUsers"], true)]), "v1");
    let report = Story::new(log).with("2026-05-01/account.json", &first).replayed(None);
    assert_eq!(report.agreement(), (7, 0, 7));
}

#[test]
fn who_is_made_in_the_log_has_what_the_log_gives() {
    let document = allow(&["workmail:ListUsers"]).to_string();
    let made = json!({"user": {"userName": "bob", "userId": "AIDAEXAMPLEBOB0000", "arn": format!("arn:aws:iam::{ACCOUNT}:user/new/bob"), "path": "/new/"}});
    let log = Log::default()
        .change((5, 0), "iam", "CreateUser", json!({"userName": "bob", "path": "/new/"}), made)
        .iam((5, 10), "PutUserPolicy", json!({"userName": "bob", "policyName": "own", "policyDocument": document}))
        .call("lists", (6, 0), "bob", "ListUsers")
        .call("deletes", (6, 1), "bob", "DeleteUser")
        .denied();
    let story = Story::new(log).with("2026-05-01/account.json", &snapshot(&json!({}), &json!({})));
    let report = story.replayed(None);
    assert_eq!(report.agreement(), (4, 0, 4), "{:#?}", report.rows());
    // The newest snapshot is from before, and knows nothing of bob.
    report.expect("change", &[("lists", "unchanged_allowed"), ("deletes", "unchanged_denied")]);
}

#[test]
fn a_policy_of_the_organization_is_followed() {
    let deny = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "workmail:DeleteUser", "Resource": "*"}]});
    let everything = json!({"id": "p-FullAWSAccess", "name": "FullAWSAccess", "document": allow(&["*"])});
    let lock = json!({"id": "p-lock0001", "name": "lock", "document": deny});
    let organization = json!({"id": "o-exampleorgid", "management_account": "999988887777", "root": {"id": "r-ab12", "name": "Root",
        "scps": [everything, lock], "rcps": [], "accounts": [{"id": ACCOUNT, "name": "mail", "scps": [everything], "rcps": []}], "children": []}});
    let log = Log::default()
        .call("before", (5, 0), "alice", "DeleteUser")
        .change((10, 0), "organizations", "AttachPolicy", json!({"policyId": "p-lock0001", "targetId": "r-ab12"}), serde_json::Value::Null)
        .call("after", (12, 0), "alice", "DeleteUser")
        .denied();
    let story = Story::new(log).with("account.json", &with_alice(&BROAD)).with("organization.json", &organization);
    let report = story.replayed(None);
    assert_eq!(report.agreement().1, 0);
    assert!(report.by_event("candidate_reason")["before"].starts_with("already lost since 2026-05-10: "), "{:#?}", report.rows());
}

#[test]
fn a_call_that_names_nobody_is_told() {
    let log = alice_is_cut().iam((11, 0), "PutUserPolicy", json!({"userName": "nobody", "policyName": "own", "policyDocument": "{}"}));
    let report = Story::new(log).with("2026-05-20/account.json", &with_alice(&NARROW)).replayed(None);
    assert_eq!(report.manifest.followed.unwrap().not_followed, 1);
}

#[test]
fn an_explanation_shows_what_was_in_force() {
    let story = Story::new(alice_is_cut())
        .with("2026-05-01/account.json", &with_alice(&BROAD))
        .with("2026-05-20/account.json", &with_alice(&NARROW));
    let explained = story.explained("before");
    let change = &explained.candidates[0];
    assert_eq!((change.in_force_decision, change.baseline_decision), (Some("allowed"), "implicit_deny"));
    let then = change.checks[0].in_force.as_ref().unwrap();
    assert_eq!(then.decision, "Allowed");
    assert_eq!(story.explained("after").candidates[0].in_force_decision, None);
    let style = retrial::report::Style { width: 100, color: false };
    let text = retrial::report::explanation::render(&[explained], retrial::report::explanation::Asked::Event, style);
    assert!(text.contains("in force then") && text.contains("identity-based policies, in force then"), "{text}");
}
