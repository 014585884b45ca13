//! The law of the timeline: a replay through changes is each stretch between two changes, replayed apart with the policies of
//! that stretch. What the policies of a stretch are is worked out here, on plain sets.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::select;
use retrial::replay::Options;
use serde_json::{Value, json};

use super::log::Log;
use super::{ACCOUNT, Story};

const USERS: [&str; 2] = ["alice", "bob"];
const ACTIONS: [&str; 3] = ["ListUsers", "DeleteUser", "CreateGroup"];
const POLICIES: [&str; 2] = ["First", "Second"];
const DOCUMENTS: usize = 6;

fn document(number: usize) -> Value {
    let statement = |effect: &str, action: &str| json!({"Effect": effect, "Action": format!("workmail:{action}"), "Resource": "*"});
    let of_team = |mut statement: Value| {
        statement["Condition"] = json!({"StringEquals": {"aws:PrincipalTag/team": "mail"}});
        statement
    };
    let statements = match number {
        0 => vec![statement("Allow", "*")],
        1 => vec![statement("Allow", "ListUsers")],
        2 => vec![statement("Allow", "DeleteUser"), statement("Allow", "CreateGroup")],
        3 => vec![statement("Deny", "DeleteUser"), statement("Allow", "ListUsers")],
        4 => vec![of_team(statement("Allow", "*"))],
        _ => vec![of_team(statement("Deny", "CreateGroup")), statement("Allow", "DeleteUser")],
    };
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn arn(policy: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:policy/{policy}")
}

#[derive(Debug, Clone, Default)]
struct User {
    inline: BTreeMap<&'static str, usize>,
    attached: BTreeSet<&'static str>,
    is_member: bool,
    boundary: Option<&'static str>,
    tag: Option<&'static str>,
}

/// Two users, a group, two managed policies with all documents as versions.
#[derive(Debug, Clone, Default)]
struct Account {
    users: BTreeMap<&'static str, User>,
    group: BTreeMap<&'static str, usize>,
    versions: BTreeMap<&'static str, usize>,
}

/// A change: the kind, the user, a name, a number.
type Change = (usize, &'static str, &'static str, usize);

impl Account {
    fn new() -> Self {
        let users = USERS.map(|name| (name, User::default())).into();
        Self { users, group: BTreeMap::new(), versions: POLICIES.map(|policy| (policy, 0)).into() }
    }

    /// Applies a change, and says how it is called; `None` where AWS would refuse it.
    fn change(&mut self, (kind, name, policy, number): Change) -> Option<(&'static str, Value)> {
        let user = self.users.get_mut(name)?;
        let inline = if policy == "First" { "a" } else { "b" };
        let text = document(number).to_string();
        Some(match kind {
            0 => {
                user.inline.insert(inline, number);
                ("PutUserPolicy", json!({"userName": name, "policyName": inline, "policyDocument": text}))
            }
            1 => {
                user.inline.remove(inline)?;
                ("DeleteUserPolicy", json!({"userName": name, "policyName": inline}))
            }
            2 => {
                user.attached.insert(policy);
                ("AttachUserPolicy", json!({"userName": name, "policyArn": arn(policy)}))
            }
            3 => {
                user.attached.remove(policy).then_some(())?;
                ("DetachUserPolicy", json!({"userName": name, "policyArn": arn(policy)}))
            }
            4 => {
                user.is_member = true;
                ("AddUserToGroup", json!({"userName": name, "groupName": "team"}))
            }
            5 => {
                std::mem::take(&mut user.is_member).then_some(())?;
                ("RemoveUserFromGroup", json!({"userName": name, "groupName": "team"}))
            }
            6 => {
                user.boundary = Some(policy);
                ("PutUserPermissionsBoundary", json!({"userName": name, "permissionsBoundary": arn(policy)}))
            }
            7 => {
                user.boundary.take()?;
                ("DeleteUserPermissionsBoundary", json!({"userName": name}))
            }
            8 => {
                let value = if number < 3 { "mail" } else { "sales" };
                user.tag = Some(value);
                ("TagUser", json!({"userName": name, "tags": [{"key": "team", "value": value}]}))
            }
            9 => {
                user.tag = None;
                ("UntagUser", json!({"userName": name, "tagKeys": ["team"]}))
            }
            10 => {
                self.group.insert(inline, number);
                ("PutGroupPolicy", json!({"groupName": "team", "policyName": inline, "policyDocument": text}))
            }
            11 => {
                self.group.remove(inline)?;
                ("DeleteGroupPolicy", json!({"groupName": "team", "policyName": inline}))
            }
            _ => {
                self.versions.insert(policy, number);
                ("SetDefaultPolicyVersion", json!({"policyArn": arn(policy), "versionId": format!("v{}", number + 1)}))
            }
        })
    }

    fn snapshot(&self) -> Value {
        let inline = |policies: &BTreeMap<&str, usize>| -> Vec<Value> {
            policies.iter().map(|(name, number)| json!({"PolicyName": name, "PolicyDocument": document(*number)})).collect()
        };
        let user = |(name, user): (&&str, &User)| {
            let mut entry = json!({"UserName": name, "UserId": format!("AIDAEXAMPLE{}0000", name.to_uppercase()),
                "Arn": format!("arn:aws:iam::{ACCOUNT}:user/{name}"), "UserPolicyList": inline(&user.inline),
                "AttachedManagedPolicies": user.attached.iter().map(|p| json!({"PolicyName": p, "PolicyArn": arn(p)})).collect::<Vec<_>>(),
                "GroupList": if user.is_member { vec!["team"] } else { vec![] },
                "Tags": user.tag.iter().map(|tag| json!({"Key": "team", "Value": tag})).collect::<Vec<_>>()});
            if let Some(boundary) = user.boundary {
                entry["PermissionsBoundary"] = json!({"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn(boundary)});
            }
            entry
        };
        let policy = |(name, default): (&&str, &usize)| {
            let version = |number| json!({"VersionId": format!("v{}", number + 1), "IsDefaultVersion": number == *default, "Document": document(number)});
            json!({"PolicyName": name, "Arn": arn(name), "DefaultVersionId": format!("v{}", default + 1),
                "PolicyVersionList": (0..DOCUMENTS).map(version).collect::<Vec<_>>()})
        };
        let group =
            json!({"GroupName": "team", "Arn": format!("arn:aws:iam::{ACCOUNT}:group/team"), "GroupPolicyList": inline(&self.group)});
        json!({"UserDetailList": self.users.iter().map(user).collect::<Vec<_>>(), "RoleDetailList": [], "GroupDetailList": [group],
            "Policies": self.versions.iter().map(policy).collect::<Vec<_>>(), "IsTruncated": false})
    }
}

/// A call in a stretch: who, what, and whether it was denied.
type Call = (&'static str, &'static str, bool);

fn change() -> impl Strategy<Value = Change> {
    (0..13usize, select(&USERS[..]), select(&POLICIES[..]), 0..DOCUMENTS)
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    proptest::collection::vec((select(&USERS[..]), select(&ACTIONS[..]), any::<bool>()), 0..6)
}

fn with_calls(mut log: Log, stretch: u32, calls: &[Call]) -> Log {
    for (at, (user, action, denied)) in (0u32..).zip(calls) {
        // Well away from the changes, which are at the full hour.
        log = log.call(&format!("{stretch}-{at}"), (2 + stretch / 20, 60 * (stretch % 20) + 20 + at), user, action);
        log = if *denied { log.denied() } else { log };
    }
    log
}

/// The events that the policies cannot explain.
fn contradicted(story: &Story) -> (super::Report, BTreeSet<String>) {
    let report = story.replayed_with(&Options { decisions: true, ..story.options(None) });
    let rows = report.table("decisions").into_iter().filter(|row| row["change"] == "baseline_contradicted");
    let ids = rows.map(|row| row["event_id"].as_str().unwrap().to_owned()).collect();
    (report, ids)
}

fn check(before: &[Change], stretches: &[(Vec<Call>, Change)]) {
    let mut account = Account::new();
    for change in before {
        account.change(*change);
    }
    let first = account.snapshot();
    let mut log = Log::default();
    let (mut apart, mut expected, mut contradictions) = ((0, 0, 0), 0, BTreeSet::new());
    for (stretch, (calls, change)) in (0u32..).zip(stretches) {
        log = with_calls(log, stretch, calls);
        if !calls.is_empty() {
            let story = Story::new(with_calls(Log::default(), stretch, calls)).with("account.json", &account.snapshot());
            let (report, ids) = contradicted(&story);
            let (agree, contradict, events) = report.agreement();
            apart = (apart.0 + agree, apart.1 + contradict, apart.2 + events);
            contradictions.extend(ids);
        }
        if let Some((name, request)) = account.change(*change) {
            log = log.iam((2 + stretch / 20, 60 * (stretch % 20 + 1)), name, request);
            expected += 1;
        }
    }
    if log.records.is_empty() {
        return;
    }
    let together = Story::new(log).with("2026-05-01/account.json", &first).with("2026-05-31/account.json", &account.snapshot());
    let (report, ids) = contradicted(&together);
    // The changes are calls of the root user, which agree.
    assert_eq!(report.agreement(), (apart.0 + expected, apart.1, apart.2 + expected), "{:#?}", report.rows());
    assert_eq!(ids, contradictions);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: cases(), ..ProptestConfig::default() })]
    #[test]
    fn a_replay_through_changes_is_each_stretch_replayed_apart(
        before in proptest::collection::vec(change(), 0..12),
        stretches in proptest::collection::vec((calls(), change()), 1..10),
    ) {
        check(&before, &stretches);
    }
}

/// Each case is some ten replays.
fn cases() -> u32 {
    std::env::var("RETRIAL_CASES").ok().and_then(|cases| cases.parse().ok()).map_or(40, |cases: u32| cases / 25)
}
