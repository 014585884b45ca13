//! Session policies, tags and source identities from the calls that issue keys.

use serde_json::json;

use super::log::Log;
use super::{Story, allow, inline, snapshot};

fn with_ops(statements: serde_json::Value) -> serde_json::Value {
    let document = json!({"Version": "2012-10-17", "Statement": statements});
    let user = json!({"UserPolicyList": inline(&allow(&["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]))});
    snapshot(&user, &json!({"RolePolicyList": inline(&document), "Tags": [{"Key": "team", "Value": "mail"}]}))
}

fn everything() -> serde_json::Value {
    json!([{"Effect": "Allow", "Action": ["workmail:*", "sts:AssumeRole"], "Resource": "*"}])
}

#[test]
fn a_session_policy_limits_its_session_and_no_other() {
    let policy = allow(&["workmail:ListUsers"]).to_string();
    let log = Log::default()
        .assume((2, 0), "ASIAFREE", json!({}))
        .assume((2, 0), "ASIALIMITED", json!({"policy": policy}))
        .by_session("free", (2, 1), "ASIAFREE", "DeleteUser")
        .by_session("limited", (2, 1), "ASIALIMITED", "DeleteUser")
        .denied()
        .by_session("within", (2, 2), "ASIALIMITED", "ListUsers")
        .by_session("other", (2, 2), "ASIAOTHER", "DeleteUser")
        .denied();
    let report = Story::new(log).with("account.json", &with_ops(everything())).replayed(None);
    report.expect(
        "change",
        &[("free", "unchanged_allowed"), ("limited", "unchanged_denied"), ("within", "unchanged_allowed"), ("other", "unchanged_denied")],
    );
    report.expect("baseline_layer", &[("limited", "session")]);
    // Of a session whose key was not issued in the log it is not known what limits it.
    report.expect("assumptions", &[("limited", "[]"), ("free", "[]")]);
    let agreement = report.manifest.agreement.unwrap();
    assert_eq!((agreement.agree, agreement.explained_by_opaque, agreement.contradict), (5, 1, 0));
}

#[test]
fn managed_session_policies_are_looked_up_and_may_be_missing() {
    let log = |arn: &str| {
        Log::default()
            .assume((2, 0), "ASIA1", json!({"policyArns": [{"arn": arn}]}))
            .by_session("deletes", (2, 1), "ASIA1", "DeleteUser")
            .denied()
    };
    let arn = "arn:aws:iam::111122223333:policy/Readers";
    let mut account = with_ops(everything());
    let version = json!({"VersionId": "v1", "IsDefaultVersion": true, "Document": allow(&["workmail:List*"])});
    account["Policies"] = json!([{"PolicyName": "Readers", "Arn": arn, "DefaultVersionId": "v1", "PolicyVersionList": [version]}]);
    let report = Story::new(log(arn)).with("account.json", &account).replayed(None);
    report.expect("baseline_policy", &[("deletes", "")]);
    report.expect("baseline_layer", &[("deletes", "session")]);
    assert_eq!(report.agreement(), (2, 0, 2));
    let report = Story::new(log("arn:aws:iam::111122223333:policy/Unknown")).with("account.json", &account).replayed(None);
    assert_eq!(report.manifest.agreement.unwrap().explained_by_opaque, 1);
}

#[test]
fn a_session_policy_changes_with_the_managed_policy_that_it_names() {
    let arn = "arn:aws:iam::111122223333:policy/Readers";
    let version =
        |id: &str, actions: &[&str], is_default: bool| json!({"VersionId": id, "IsDefaultVersion": is_default, "Document": allow(actions)});
    let mut account = with_ops(everything());
    account["Policies"] = json!([{"PolicyName": "Readers", "Arn": arn, "DefaultVersionId": "v1",
        "PolicyVersionList": [version("v1", &["workmail:List*"], true), version("v2", &["workmail:*"], false)]}]);
    let log = Log::default()
        .assume((2, 0), "ASIA1", json!({"policyArns": [{"arn": arn}]}))
        .by_session("before", (2, 1), "ASIA1", "DeleteUser")
        .denied()
        .iam((3, 0), "SetDefaultPolicyVersion", json!({"policyArn": arn, "versionId": "v2"}))
        .assume((4, 0), "ASIA2", json!({"policyArns": [{"arn": arn}]}))
        .by_session("after", (4, 1), "ASIA2", "DeleteUser");
    let report = Story::new(log).with("2026-05-01/account.json", &account).replayed(None);
    assert_eq!(report.agreement(), (5, 0, 5));
}

#[test]
fn tags_of_a_session_win_and_transitive_ones_stay() {
    let of_team = |team: &str| json!({"StringEquals": {"aws:PrincipalTag/team": team}});
    let statements = json!([
        {"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": "*"},
        {"Effect": "Allow", "Action": "workmail:ListUsers", "Resource": "*", "Condition": of_team("mail")},
        {"Effect": "Allow", "Action": "workmail:DeleteUser", "Resource": "*", "Condition": of_team("sales")},
    ]);
    let sales = json!({"tags": [{"key": "Team", "value": "sales"}], "transitiveTagKeys": ["Team"]});
    let log = Log::default()
        .assume((2, 0), "ASIAMAIL", json!({}))
        .assume((2, 0), "ASIASALES", sales)
        .chain((2, 1), "ASIASALES", "ASIACHAIN", json!({}))
        .chain((2, 1), "ASIANOBODY", "ASIALOST", json!({}))
        .by_session("mail", (2, 2), "ASIAMAIL", "ListUsers")
        .by_session("not-mail", (2, 2), "ASIAMAIL", "DeleteUser")
        .denied()
        .by_session("sales", (2, 2), "ASIASALES", "DeleteUser")
        .by_session("chain", (2, 3), "ASIACHAIN", "DeleteUser")
        .by_session("lost", (2, 3), "ASIALOST", "DeleteUser");
    let report = Story::new(log).with("account.json", &with_ops(statements)).replayed(None);
    report.expect(
        "change",
        &[("mail", "unchanged_allowed"), ("not-mail", "unchanged_denied"), ("sales", "unchanged_allowed"), ("chain", "unchanged_allowed")],
    );
    // What was handed on by a session that the log does not know is not known: that one stays open.
    let agreement = report.manifest.agreement.unwrap();
    assert_eq!((agreement.open, agreement.contradict, agreement.agree), (1, 0, agreement.events - 1), "{:#?}", report.rows());
}
