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

#[test]
fn who_is_made_in_the_log_may_have_what_the_log_does_not_hold() {
    let made = json!({"user": {"userName": "alice", "userId": "AIDAEXAMPLEALICE0000", "arn": format!("arn:aws:iam::{ACCOUNT}:user/alice"), "path": "/"}});
    let log = Log::default().change((3, 0), "iam", "CreateUser", json!({"userName": "alice"}), made).call(
        "deletes",
        (4, 0),
        "alice",
        "DeleteUser",
    );
    let report = Story::new(log).with("2026-05-20/account.json", &with_alice(&BROAD)).replayed(None);
    let agreement = report.manifest.agreement.unwrap();
    assert_eq!((agreement.explained_by_opaque, agreement.contradict), (1, 0), "no call tells when the policy was put");
}

#[test]
fn a_snapshot_of_a_day_leaves_the_day_open() {
    let log = Log::default()
        .call("first", (1, 900), "alice", "DeleteUser")
        .denied()
        .call("last", (20, 600), "alice", "DeleteUser")
        .call("next", (21, 0), "alice", "DeleteUser")
        .denied();
    let story = Story::new(log).with("2026-05-01/account.json", &with_alice(&BROAD)).with("2026-05-20/account.json", &with_alice(&NARROW));
    let report = story.replayed(None);
    assert_eq!(report.agreement().1, 0);
    assert!(report.by_event("candidate_reason")["last"].starts_with("already lost since 2026-05-20 at the latest: "));
}

#[test]
fn a_snapshot_without_a_time_is_the_newest_and_gives_no_date() {
    let log = Log::default().call("before", (10, 0), "alice", "DeleteUser");
    let story = Story::new(log).with("2026-05-03/account.json", &with_alice(&BROAD)).with("account.json", &with_alice(&NARROW));
    let report = story.replayed(None);
    let reason = &report.by_event("candidate_reason")["before"];
    assert!(reason.starts_with("already lost, since when is not known: "), "{reason}");
}

#[test]
fn a_call_that_does_not_tell_what_it_changed_opens_what_was_before() {
    let log = Log::default()
        .call("before", (5, 0), "alice", "DeleteUser")
        .iam((10, 0), "PutUserPolicy", json!({"omitted": true, "reason": "too large"}))
        .call("after", (12, 0), "alice", "DeleteUser")
        .denied();
    let report = Story::new(log).with("2026-05-20/account.json", &with_alice(&NARROW)).replayed(None);
    assert_eq!(report.agreement().1, 0);
    assert_eq!(report.manifest.followed.unwrap().not_followed, 1);
}

#[test]
fn what_was_renamed_is_not_known_before() {
    let user = |name: &str, actions: &[&str]| {
        let mut account = with_alice(actions);
        account["UserDetailList"][0]["UserName"] = json!(name);
        account["UserDetailList"][0]["Arn"] = json!(format!("arn:aws:iam::{ACCOUNT}:user/{name}"));
        account
    };
    let document = allow(&NARROW).to_string();
    let log = Log::default()
        .call("before", (2, 0), "alice", "DeleteUser")
        .iam((3, 0), "PutUserPolicy", json!({"userName": "alice", "policyName": "own", "policyDocument": document}))
        .iam((10, 0), "UpdateUser", json!({"userName": "alice", "newUserName": "bob"}));
    let story =
        Story::new(log).with("2026-05-05/account.json", &user("alice", &NARROW)).with("2026-05-20/account.json", &user("bob", &NARROW));
    assert_eq!(story.replayed(None).agreement().1, 0, "what the policy was before the call is not told");
}

#[test]
fn a_version_of_a_policy_that_was_deleted_is_not_that_of_the_next() {
    let arn = format!("arn:aws:iam::{ACCOUNT}:policy/Mail");
    let version =
        |id: &str, actions: &[&str], is_default: bool| json!({"VersionId": id, "IsDefaultVersion": is_default, "Document": allow(actions)});
    let mut account = snapshot(&json!({"AttachedManagedPolicies": [{"PolicyName": "Mail", "PolicyArn": arn}]}), &json!({}));
    let versions = json!([version("v1", &BROAD, true), version("v2", &NARROW, false)]);
    account["Policies"] = json!([{"PolicyName": "Mail", "Arn": arn, "DefaultVersionId": "v1", "PolicyVersionList": versions}]);
    let made = json!({"policy": {"arn": arn, "defaultVersionId": "v1"}});
    let log = Log::default()
        .iam((3, 0), "SetDefaultPolicyVersion", json!({"policyArn": arn, "versionId": "v2"}))
        .call("old", (4, 0), "alice", "DeleteUser")
        .iam((6, 0), "DetachUserPolicy", json!({"userName": "alice", "policyArn": arn}))
        .iam((6, 1), "DeletePolicy", json!({"policyArn": arn}))
        .change((7, 0), "iam", "CreatePolicy", json!({"policyName": "Mail", "policyDocument": allow(&BROAD).to_string()}), made)
        .iam((7, 1), "AttachUserPolicy", json!({"userName": "alice", "policyArn": arn}))
        .call("new", (8, 0), "alice", "DeleteUser");
    let report = Story::new(log).with("2026-05-20/account.json", &account).replayed(None);
    let agreement = report.manifest.agreement.unwrap();
    assert_eq!((agreement.contradict, agreement.explained_by_opaque), (0, 1), "{:#?}", report.rows());
}

#[test]
fn what_an_organization_had_before_is_looked_up_or_open() {
    let deny = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "workmail:DeleteUser", "Resource": "*"}]});
    let everything = json!({"id": "p-FullAWSAccess"});
    let organization = |scps: Vec<serde_json::Value>, has_account: bool| {
        let account = json!({"id": ACCOUNT, "name": "mail", "scps": scps, "rcps": []});
        let accounts = if has_account { vec![account] } else { vec![] };
        json!({"id": "o-exampleorgid", "management_account": "999988887777", "root": {"id": "r-ab12", "name": "Root",
            "scps": [everything], "rcps": [], "accounts": accounts, "children": []}})
    };
    let lock = json!({"id": "p-lock0001", "name": "lock", "document": deny});
    let denied = || Log::default().call("before", (1, 0), "alice", "DeleteUser").denied();
    let newest = organization(vec![everything.clone()], true);
    // The older file has the policy.
    let story = Story::new(denied())
        .with("account.json", &with_alice(&BROAD))
        .with("2026-05-02/organization.json", &organization(vec![everything.clone(), lock.clone()], true))
        .with("2026-05-20/organization.json", &newest);
    let report = story.replayed(None);
    assert_eq!(report.agreement(), (1, 0, 1), "{:#?}", report.rows());
    // Only the calls name it.
    let log = denied().change(
        (5, 0),
        "organizations",
        "DetachPolicy",
        json!({"policyId": "p-lock0001", "targetId": ACCOUNT}),
        serde_json::Value::Null,
    );
    let report = Story::new(log).with("account.json", &with_alice(&BROAD)).with("organization.json", &newest).replayed(None);
    let agreement = report.manifest.agreement.unwrap();
    assert_eq!(agreement.contradict, 0, "{:#?}", report.rows());
    // The account was in none before.
    let story = Story::new(Log::default().call("before", (1, 0), "alice", "DeleteUser"))
        .with("account.json", &with_alice(&BROAD))
        .with("2026-05-02/organization.json", &organization(vec![], false))
        .with("2026-05-20/organization.json", &organization(vec![everything.clone(), lock], true));
    assert_eq!(story.replayed(None).agreement().1, 0);
}

#[test]
fn one_account_twice_at_one_time_is_refused() {
    let story = Story::new(alice_is_cut()).with("a/account.json", &with_alice(&BROAD)).with("b/account.json", &with_alice(&NARROW));
    let error = retrial::account::load(&story.baseline).unwrap_err().to_string();
    assert!(error.contains("user/alice` stands in two snapshots of the same time"), "{error}");
}

#[test]
fn equal_sides_are_told_as_equal() {
    let story = Story::new(alice_is_cut()).with("2026-05-20/account.json", &with_alice(&NARROW));
    let mut options = story.options(None);
    options.candidates = vec![("draft".to_owned(), story.baseline())];
    let explained =
        retrial::replay::explain::explain(&story.dataset(), &options, retrial::catalog::Catalog::builtin(), "after", None).unwrap();
    assert_eq!(explained[0].candidates[0].checks[0].first_difference, None, "the same policies, read twice");
}

#[test]
fn policies_on_tags_and_renames_cost_nothing_and_are_no_strangers() {
    let everything = json!({"id": "p-FullAWSAccess"});
    let organization = json!({"id": "o-exampleorgid", "management_account": "999988887777", "root": {"id": "r-ab12", "name": "Root",
        "scps": [everything], "rcps": [], "accounts": [{"id": ACCOUNT, "name": "mail", "scps": [everything], "rcps": []}], "children": []}});
    let summary = json!({"policy": {"policySummary": {"id": "p-tags00001", "arn": "arn:aws:organizations::999988887777:policy/o-exampleorgid/tag_policy/p-tags00001", "type": "TAG_POLICY"}}});
    let log = Log::default()
        .change((3, 0), "organizations", "CreatePolicy", json!({"type": "TAG_POLICY", "content": "{}"}), summary.clone())
        .change((3, 1), "organizations", "AttachPolicy", json!({"policyId": "p-tags00001", "targetId": ACCOUNT}), serde_json::Value::Null)
        .change((3, 2), "organizations", "UpdatePolicy", json!({"policyId": "p-tags00001", "content": "{}"}), summary)
        .change(
            (3, 3),
            "organizations",
            "EnablePolicyType",
            json!({"rootId": "r-ab12", "policyType": "TAG_POLICY"}),
            serde_json::Value::Null,
        )
        .iam((4, 0), "UpdateUser", json!({"userName": "alison", "newUserName": "alice"}))
        .call("deletes", (5, 0), "alice", "DeleteUser");
    let story = Story::new(log).with("account.json", &with_alice(&BROAD)).with("organization.json", &organization);
    let report = story.replayed(None);
    assert_eq!(report.agreement(), (6, 0, 6), "{:#?}", report.rows());
    assert_eq!(report.manifest.followed.map_or(0, |followed| followed.not_followed), 0);
}
