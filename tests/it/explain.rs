//! One event explained: the same answer as the report has, with every reason; and the command as a person uses it.

use std::collections::{BTreeMap, BTreeSet};

use retrial::arrow::array::RecordBatch;
use retrial::catalog::Catalog;
use retrial::frame::{json as rows, read};
use retrial::replay::explain::{ExplainedEvent, Reasons, explain};
use serde_json::Value;

use super::replay::{options, shipped};

/// A row for every candidate and kind of change that occurs, with the id of a sample event.
fn rows_of_each_kind(changes: &RecordBatch) -> BTreeMap<(String, String), serde_json::Map<String, Value>> {
    let (candidates, kinds) = (read::text(changes, "candidate").unwrap(), read::text(changes, "change").unwrap());
    let mut found = BTreeMap::new();
    for row in 0..changes.num_rows() {
        let kind = (candidates.value(row).to_owned(), kinds.value(row).to_owned());
        found.entry(kind).or_insert_with(|| rows::row(changes, row));
    }
    found
}

fn explained(id: &str, candidate: Option<&str>) -> Vec<ExplainedEvent> {
    explain(&shipped().dataset, &options(), Catalog::builtin(), id, candidate).unwrap()
}

fn texts(row: &serde_json::Map<String, Value>, column: &str) -> BTreeSet<String> {
    row.get(column).and_then(Value::as_array).into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// The decision of the explanation record, by the name that reports have for it.
fn report_name(reasons: &Reasons) -> &'static str {
    match (reasons.decision, reasons.kind) {
        ("Allowed", _) => "allowed",
        ("Denied", Some("explicit")) => "explicit_deny",
        ("Denied", Some("implicit")) => "implicit_deny",
        ("Denied", _) => "denied",
        _ => "undetermined",
    }
}

#[test]
fn an_explanation_says_what_the_report_says() {
    let kinds = rows_of_each_kind(&shipped().changes);
    let seen: BTreeSet<&str> = kinds.keys().map(|(_, change)| change.as_str()).collect();
    for expected in ["lost", "potentially_lost", "potentially_gained", "unchanged_unknown", "baseline_contradicted"] {
        assert!(seen.contains(expected), "{expected} does not occur: {seen:?}");
    }
    for ((candidate, change), row) in &kinds {
        let id = row["sample_event_ids"][0].as_str().unwrap();
        let events = explained(id, Some(candidate));
        assert_eq!(events.len(), 1, "{id}");
        let [explained] = events[0].candidates.as_slice() else { panic!("{id} has no single candidate") };
        let context = format!("{candidate} {change} {id}");
        assert_eq!(explained.change, change, "{context}");
        assert_eq!(explained.change_id, row["change_id"], "{context}");
        assert_eq!(explained.candidate_reason, row["candidate_reason"], "{context}");
        assert_eq!(explained.missing_keys.iter().cloned().collect::<BTreeSet<_>>(), texts(row, "missing_keys"), "{context}");
        let settling: BTreeSet<String> =
            explained.settled_by.iter().flat_map(|settling| settling.key.split(" and ").map(str::to_owned)).collect();
        assert_eq!(settling, texts(row, "missing_keys"), "{context}");
        if let [check] = explained.checks.as_slice() {
            assert_eq!(report_name(&check.baseline), row["baseline_decision"], "{context}");
            assert_eq!(report_name(&check.candidate), row["candidate_decision"], "{context}");
        }
        if matches!(change.as_str(), "lost" | "gained" | "potentially_lost" | "potentially_gained") {
            assert!(explained.checks.iter().any(|check| check.first_difference.is_some()), "{context}");
        }
        for reasons in explained.checks.iter().flat_map(|check| [&check.baseline, &check.candidate]) {
            the_record_is_whole(reasons, &context);
        }
    }
}

/// What holds for every explanation record.
fn the_record_is_whole(reasons: &Reasons, context: &str) {
    assert!(!reasons.possible.is_empty(), "{context}");
    match report_name(reasons) {
        "explicit_deny" => assert!(!reasons.denied_by.is_empty() && reasons.decided_by.is_some(), "{context}"),
        "implicit_deny" => assert!(!reasons.failed_layers.is_empty(), "{context}"),
        "undetermined" => {
            assert!(!reasons.settled_by.is_empty(), "{context}");
            for settling in &reasons.settled_by {
                assert!(settling.cells.len() > 1, "{context}: {settling:?} settles nothing");
            }
        }
        _ => {}
    }
    let layers: Vec<&str> = reasons.layers.iter().map(|layer| layer.layer).collect();
    assert_eq!(layers.first(), Some(&"scp"), "{context}");
    for layer in reasons.layers.iter().filter(|layer| layer.state == "present") {
        assert!(layer.answer.is_some() || layer.layer == "resource", "{context}: {layer:?}");
    }
}

#[cfg(feature = "cli")]
mod command {
    use std::path::{Path, PathBuf};

    use assert_cmd::Command;
    use serde_json::{Value, json};
    use tempfile::TempDir;

    use super::*;

    struct Run {
        code: i32,
        stdout: String,
        stderr: String,
    }

    impl Run {
        fn exits(self, code: i32) -> Self {
            assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
            assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
            self
        }

        fn has(self, parts: &[&str]) -> Self {
            let all = format!("{}{}", self.stdout, self.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
            for part in parts {
                assert!(all.contains(part), "`{part}` is not in\n{}{}", self.stdout, self.stderr);
            }
            self
        }

        fn json(&self) -> Value {
            serde_json::from_str(&self.stdout).unwrap()
        }
    }

    fn run(folder: &Path, arguments: &[&str]) -> Run {
        let output = Command::cargo_bin("retrial").unwrap().args(arguments).current_dir(folder).env("NO_COLOR", "1").output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Run { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    const ACCOUNT: &str = "111122223333";

    fn record(id: &str, name: &str, parameters: Value) -> Value {
        json!({
            "eventVersion": "1.08", "eventTime": "2026-03-04T05:06:07Z", "eventSource": "workmail.amazonaws.com", "eventName": name,
            "userIdentity": {
                "type": "IAMUser", "principalId": "AIDAEXAMPLEALICE00000", "arn": "arn:aws:iam::111122223333:user/alice",
                "accountId": ACCOUNT, "userName": "alice", "accessKeyId": "AKIAEXAMPLE000000000"
            },
            "awsRegion": "eu-west-1", "sourceIPAddress": "192.0.2.10", "userAgent": "aws-cli/2.0", "requestParameters": parameters,
            "responseElements": null, "requestID": format!("request-{id}"), "eventID": id, "readOnly": true,
            "eventType": "AwsApiCall", "managementEvent": true, "recipientAccountId": ACCOUNT, "eventCategory": "Management"
        })
    }

    fn organization() -> Value {
        json!({ "organizationId": "m-0123456789abcdef0123456789abcdef" })
    }

    fn snapshot(statements: &Value) -> Value {
        json!({
            "UserDetailList": [{
                "Arn": "arn:aws:iam::111122223333:user/alice", "UserName": "alice", "UserId": "AIDAEXAMPLEALICE00000", "Path": "/",
                "UserPolicyList": [{ "PolicyName": "own", "PolicyDocument": { "Version": "2012-10-17", "Statement": statements } }]
            }],
            "GroupDetailList": [], "RoleDetailList": [], "Policies": []
        })
    }

    /// A folder with logs of four events, a baseline that allows everything, and a candidate of the given statements.
    struct Room(TempDir);

    impl Room {
        fn new(candidate: Value) -> Self {
            let room = Self(tempfile::tempdir().unwrap());
            let tag = json!({
                "resourceARN": "arn:aws:workmail:eu-west-1:111122223333:organization/m-0123456789abcdef0123456789abcdef",
                "tags": [{ "key": "a", "value": "1" }, { "key": "b", "value": "2" }]
            });
            let mut sign_in = record("sign-in", "ConsoleLogin", Value::Null);
            sign_in["eventType"] = json!("AwsConsoleSignIn");
            sign_in["eventSource"] = json!("signin.amazonaws.com");
            let mut twin = record("twin", "ListUsers", organization());
            let other = twin.clone();
            twin["eventName"] = json!("DescribeOrganization");
            let mut broken = record("broken-0001", "ListUsers", organization());
            broken["eventTime"] = json!("yesterday");
            let records =
                json!([record("list", "ListUsers", organization()), record("tag", "TagResource", tag), sign_in, twin, other, broken]);
            room.write("logs/one.json", &json!({ "Records": records }));
            room.write("baseline.json", &snapshot(&json!([{ "Sid": "All", "Effect": "Allow", "Action": "*", "Resource": "*" }])));
            room.write("draft.json", &json!({ "Version": "2012-10-17", "Statement": candidate }));
            room
        }

        fn write(&self, name: &str, content: &Value) -> PathBuf {
            let path = self.0.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, content.to_string()).unwrap();
            path
        }

        fn run(&self, arguments: &[&str]) -> Run {
            run(self.0.path(), arguments)
        }

        fn explain(&self, event: &str, more: &[&str]) -> Run {
            let arguments = ["explain", "logs", "--baseline", "baseline.json", "--candidate", "draft.json", "--event", event];
            self.run(&[arguments.as_slice(), more].concat())
        }

        fn record(&self, event: &str) -> Value {
            let answer = self.explain(event, &["--format", "json"]).exits(0).json();
            answer["explanations"][0]["candidates"][0].clone()
        }
    }

    fn allow(sid: &str, condition: Value) -> Value {
        json!({ "Sid": sid, "Effect": "Allow", "Action": "workmail:*", "Resource": "*", "Condition": condition })
    }

    #[test]
    fn near_misses_tell_why_each_condition_fails() {
        let room = Room::new(json!([
            allow("absent", json!({ "Bool": { "aws:MultiFactorAuthPresent": "true" } })),
            allow("different", json!({ "StringEquals": { "aws:RequestedRegion": "us-east-1" } })),
            allow("type", json!({ "NumericEquals": { "aws:RequestedRegion": "5" } })),
            allow("multi", json!({ "StringEquals": { "aws:TagKeys": "a" } })),
            allow("unresolved-variable", json!({ "StringEquals": { "aws:RequestedRegion": "${aws:FederatedProvider}" } })),
            allow("unknown", json!({ "StringEquals": { "aws:ResourceTag/team": "mail" } })),
            { "Sid": "elsewhere", "Effect": "Allow", "Action": "workmail:*", "Resource": "arn:aws:workmail:us-east-1:111122223333:*" },
        ]));
        let change = room.record("tag");
        let candidate = &change["checks"][0]["candidate"];
        let near = candidate["nearMisses"].as_array().unwrap();
        let whys: BTreeMap<&str, &str> =
            near.iter().map(|miss| (miss["sid"].as_str().unwrap(), miss["conditions"][0]["why"].as_str().unwrap())).collect();
        assert_eq!(whys.len(), 6, "{near:#?}");
        for (sid, why) in &whys {
            assert_eq!(sid, why);
        }
        let multi = near.iter().find(|miss| miss["sid"] == "multi").unwrap();
        assert_eq!(multi["conditions"][0]["requestState"], json!({ "state": "known", "values": ["a", "b"] }));
        assert_eq!(change["change"], "potentially_lost");
        assert_eq!(change["missing_keys"], json!(["aws:ResourceTag/team"]));
        assert_eq!(candidate["settledBy"][0]["key"], "aws:ResourceTag/team");
        let codes = candidate["assumptions"].as_array().unwrap();
        assert!(codes.contains(&json!("A-TYPE")) && codes.contains(&json!("A-MULTI")), "{codes:?}");
        room.explain("tag", &[]).exits(0).has(&[
            "may be lost under `draft`",
            "aws:RequestedRegion must be us-east-1 and is eu-west-1",
            "aws:MultiFactorAuthPresent must be true and is absent",
            "aws:TagKeys must be a and is a, b; several values",
            "it depends on aws:ResourceTag/team, which the log does not tell: lost if",
            "statement `elsewhere` of `draft`",
            "A-MULTI: a key with several values",
        ]);
    }

    #[test]
    fn every_deny_is_listed_and_layers_that_were_not_supplied_are_told() {
        let deny = |sid: &str, action: &str| json!({ "Sid": sid, "Effect": "Deny", "Action": action, "Resource": "*" });
        let all = json!({ "Sid": "All", "Effect": "Allow", "Action": "*", "Resource": "*" });
        let room = Room::new(json!([all, deny("First", "workmail:List*"), deny("Second", "*"), deny("Other", "s3:*")]));
        let change = room.record("list");
        assert_eq!((&change["change"], &change["candidate_decision"]), (&json!("lost"), &json!("explicit_deny")));
        let candidate = &change["checks"][0]["candidate"];
        let sids = |list: &str| candidate[list].as_array().unwrap().iter().map(|s| s["sid"].clone()).collect::<Vec<_>>();
        assert_eq!(sids("deniedBy"), ["First", "Second"]);
        assert_eq!(sids("allowedBy"), ["All"], "an Allow that a Deny overrides is told all the same");
        assert_eq!((&candidate["decision"], &candidate["kind"]), (&json!("Denied"), &json!("explicit")));
        assert_eq!(candidate["decidedBy"]["sid"], "First");
        assert_eq!((&candidate["decidedBy"]["statementIndex"], &candidate["decidedBy"]["line"]), (&json!(1), &json!(1)));
        assert_eq!(change["checks"][0]["first_difference"], "identity");
        let scp = candidate["layers"].as_array().unwrap().iter().find(|layer| layer["layer"] == "scp").unwrap();
        // The call succeeded, so whatever they say, they permit it.
        assert_eq!((&scp["state"], &scp["answer"]), (&json!("opaque"), &json!("allows")));
        room.explain("list", &[]).exits(0).has(&[
            "lost under `draft`",
            "service control policies: not supplied; the outcome shows that they permit it",
            "- statement `First` of `draft`",
            "- statement `Second` of `draft`",
            "draft.json:1",
        ]);
        room.explain("list", &["--assume-absent", "scp"]).exits(0).has(&["not involved: service control policies"]);
    }

    #[test]
    fn short_arns_and_vendor_stars_are_named_where_the_decision_rests_on_them() {
        let statement = |action: &str, resource: &str| json!([{ "Effect": "Allow", "Action": action, "Resource": resource }]);
        let codes = |room: Room| room.record("list")["checks"][0]["candidate"].clone();
        let short = codes(Room::new(statement("*:ListUsers", "arn:aws:workmail:*")));
        assert_eq!((&short["decision"], &short["assumptions"]), (&json!("Allowed"), &json!(["A-SHORTARN", "A-VENDORSTAR"])));
        assert_eq!(short["caveats"], json!(["short-arn"]));
        let plain = codes(Room::new(statement("workmail:ListUsers", "*")));
        assert_eq!((&plain["assumptions"], &plain["caveats"]), (&json!([]), &json!([])));
        let case = codes(Room::new(statement("workmail:ListUsers", "arn:aws:WorkMail:*:*:*")));
        assert_eq!((&case["kind"], &case["caveats"]), (&json!("implicit"), &json!(["case"])));
    }

    #[test]
    fn what_is_not_replayed_not_kept_or_not_there_is_told() {
        let room = Room::new(json!([allow("All", json!({}))]));
        let sign_in = room.explain("sign-in", &[]).exits(0).has(&["not replayed: sign in", "no permission", "time 2026-03-04T05:06:07Z"]);
        assert!(!sign_in.stdout.contains("under `draft`"), "{}", sign_in.stdout);
        let value = room.explain("sign-in", &["--format", "json"]).exits(0).json();
        assert_eq!((&value["explanations"][0]["replayed"], &value["explanations"][0]["not_replayed"]), (&json!(false), &json!("sign_in")));
        room.explain("broken-0001", &[]).exits(2).has(&["event `broken-0001` was skipped", "one.json`, record 5"]);
        let broken: String = (0..9).map(|n| format!("{{\"eventID\":\"broken-{n}\",}}\n")).collect();
        std::fs::write(room.0.path().join("all.zip"), crate::sources::zipped(&[("logs/a.json", broken.into_bytes())])).unwrap();
        let run = room.run(&["explain", "all.zip", "--baseline", "baseline.json", "--event", "broken-7"]).exits(2);
        run.has(&["event `broken-7` was skipped", "all.zip`, record 0", "in `logs/a.json`", "and 4 more of the same files"]);
        room.explain("lisp", &[]).exits(2).has(&["no event `lisp`", "did you mean `list`?"]);
        room.explain("nothing-like-it", &[]).exits(2).has(&["`sample_event_ids` of changes.parquet"]);
        room.explain("twin", &[]).exits(0).has(&["2 events have this id", "workmail:ListUsers", "workmail:DescribeOrganization"]);
        room.run(&["explain", "logs", "--event", "list"]).exits(2).has(&["add --baseline or --candidate"]);
        room.run(&["explain", "logs", "--baseline", "baseline.json", "--change", "x"]).exits(2).has(&["names a row of a report"]);
        room.run(&["explain", "logs", "--baseline", "baseline.json", "--event", "list"]).exits(0).has(&["the baseline: allowed"]);
    }

    #[test]
    fn a_report_is_explained_from_its_own_inputs_or_not_at_all() {
        let room = Room::new(json!([allow("Us", json!({ "StringEquals": { "aws:RequestedRegion": "us-east-1" } }))]));
        let replayed =
            ["replay", "logs", "--baseline", "baseline.json", "--candidate", "draft.json", "-o", "report", "--service", "workmail"];
        room.run(&replayed).exits(0);
        let change = room.run(&["explain", "report", "--event", "list", "--format", "json"]).exits(0).json();
        let change = &change["explanations"][0]["candidates"][0];
        assert_eq!(change["change"], "lost");
        let id = change["change_id"].as_str().unwrap();
        let row = room.run(&["explain", "report", "--change", id]).exits(0).has(&[&format!("change {id}"), "lost under `draft`"]);
        assert!(row.stdout.find("2 events in 1 session").unwrap() < row.stdout.find("the event").unwrap(), "{}", row.stdout);
        let value = room.run(&["explain", "report", "--change", id, "--format", "json"]).exits(0).json();
        assert_eq!((&value["row"]["change_id"], &value["row"]["events"]), (&json!(id), &json!(2)));
        room.run(&["explain", "report", "--change", &id[..8]]).exits(2).has(&[&format!("did you mean `{id}`?")]);
        room.run(&["explain", "report", "--event", "sign-in"]).exits(0).has(&["the filters of the replay leave this event out"]);
        room.run(&["explain", "report", "--event", "list", "--candidate", "draft.json"]).exits(2).has(&["names its own policies"]);
        // A dataset in the place of the logs.
        room.run(&["ingest", "logs", "-o", "events"]).exits(0);
        room.run(&["replay", "events", "--baseline", "baseline.json", "--candidate", "draft.json", "-o", "second"]).exits(0);
        room.run(&["explain", "second", "--event", "list"]).exits(0).has(&["lost under `draft`"]);
        room.write("logs/two.json", &json!({ "Records": [record("new", "ListUsers", organization())] }));
        room.run(&["ingest", "logs", "-o", "events"]).exits(0);
        room.run(&["explain", "second", "--event", "list"]).exits(2).has(&["two.json", "is not the dataset"]);
        // Logs that came since are no part of the report, and change nothing.
        room.run(&["explain", "report", "--event", "list"]).exits(0);
        room.run(&["explain", "report", "--event", "new"]).exits(2).has(&["no event `new`"]);
        room.write("draft.json", &json!({ "Version": "2012-10-17", "Statement": [allow("All", json!({}))] }));
        room.run(&["explain", "report", "--event", "list"]).exits(2).has(&["`draft.json`", "has changed since this report was written"]);
        std::fs::remove_file(room.0.path().join("draft.json")).unwrap();
        room.run(&["explain", "report", "--event", "list"]).exits(2).has(&["`draft.json`", "in the folder in which the replay ran"]);
    }
}
