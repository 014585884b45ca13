//! Tags of users, roles and resources in time.

use serde_json::json;

use super::log::{Log, ORGANIZATION};
use super::{ACCOUNT, Story, inline, snapshot};

#[test]
fn a_tag_of_a_user_is_followed() {
    let document = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "workmail:ListUsers", "Resource": "*", "Condition": {"StringEquals": {"aws:PrincipalTag/team": "mail"}}}]});
    let account =
        |team: &str| snapshot(&json!({"UserPolicyList": inline(&document), "Tags": [{"Key": "team", "Value": team}]}), &json!({}));
    let log = Log::default()
        .call("before", (5, 0), "alice", "ListUsers")
        .iam((10, 0), "TagUser", json!({"userName": "alice", "tags": [{"key": "team", "value": "sales"}]}))
        .call("after", (12, 0), "alice", "ListUsers")
        .denied();
    let story = Story::new(log).with("2026-05-01/account.json", &account("mail")).with("2026-05-20/account.json", &account("sales"));
    let report = story.replayed(None);
    assert_eq!(report.agreement(), (3, 0, 3));
    assert!(report.by_event("candidate_reason")["before"].starts_with("already lost since 2026-05-10: "), "{:#?}", report.rows());
    // A candidate that gives the tag back.
    let tags = format!("[principals.\"arn:aws:iam::{ACCOUNT}:user/alice\"]\ntags = {{ team = \"mail\" }}\n");
    let file = story.folder.path().join("context.toml");
    std::fs::write(&file, tags).unwrap();
    let mut options = story.options(None);
    let loaded = retrial::account::load(&[file]).unwrap();
    let candidate = loaded.into_candidate(&options.baseline, retrial::account::CandidateType::Identity, &[]).unwrap();
    options.candidates = vec![("draft".to_owned(), candidate)];
    story.replayed_with(&options).expect("change", &[("before", "gained"), ("after", "gained")]);
}

#[test]
fn a_tag_of_a_resource_is_known_where_the_log_tells_it() {
    let document = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "workmail:ListUsers", "Resource": "*",
        "Condition": {"StringEquals": {"aws:ResourceTag/stage": "production"}}}]});
    let account = snapshot(&json!({"UserPolicyList": inline(&document)}), &json!({}));
    let arn = format!("arn:aws:workmail:eu-west-1:{ACCOUNT}:organization/{ORGANIZATION}");
    let tag = json!({"resourceARN": arn, "tags": [{"key": "stage", "value": "production"}]});
    let log = || {
        Log::default()
            .call("before", (4, 0), "alice", "ListUsers")
            .denied()
            .change((5, 0), "workmail", "TagResource", tag.clone(), json!(null))
            .call("tagged", (6, 0), "alice", "ListUsers")
            .change((10, 0), "workmail", "UntagResource", json!({"resourceARN": arn, "tagKeys": ["stage"]}), json!(null))
            .call("untagged", (12, 0), "alice", "ListUsers")
            .denied()
    };
    let report = Story::new(log()).with("account.json", &account).replayed(None);
    report.expect("baseline_decision", &[("tagged", "allowed"), ("untagged", "implicit_deny")]);
    let agreement = report.manifest.agreement.unwrap();
    // Whether it was tagged before is not told.
    assert_eq!((agreement.contradict, agreement.open), (0, 1), "{:#?}", report.rows());
}
