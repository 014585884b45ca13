//! The log as a witness: what a denial message says settles what the policies leave open.

use std::path::Path;

use retrial::account::{CandidateType, load};
use retrial::arrow::array::RecordBatch;
use retrial::arrow::compute::concat_batches;
use retrial::catalog::Catalog;
use retrial::evaluate::{LayerKind, Layers};
use retrial::frame::{parquet, read};
use retrial::ingest::{Dataset, Reading, ingest};
use retrial::progress::Silent;
use retrial::replay::{Options, replay};
use serde_json::{Value, json};

const ANA: &str = "arn:aws:iam::111122223333:user/ana";

fn deny_delete(operator: &str) -> Value {
    let mut condition = serde_json::Map::new();
    condition.insert(operator.to_owned(), json!({"aws:PrincipalOrgID": "o-1"}));
    json!([{"Effect": "Allow", "Action": "*", "Resource": "*"},
           {"Effect": "Deny", "Action": "workmail:DeleteUser", "Resource": "*", "Condition": condition}])
}

/// A user whose identity-based policy denies outside an organization, and whose boundary denies inside it.
fn snapshot() -> Value {
    let boundary = "arn:aws:iam::111122223333:policy/Boundary";
    let document = |statements: Value| json!({"Version": "2012-10-17", "Statement": statements});
    json!({
        "UserDetailList": [{
            "Path": "/", "UserName": "ana", "UserId": "AIDAEXAMPLE1", "Arn": ANA, "GroupList": [], "AttachedManagedPolicies": [],
            "UserPolicyList": [{"PolicyName": "own", "PolicyDocument": document(deny_delete("StringNotEquals"))}],
            "PermissionsBoundary": {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": boundary},
        }],
        "GroupDetailList": [], "RoleDetailList": [],
        "Policies": [{
            "PolicyName": "Boundary", "PolicyId": "ANPAEXAMPLE1", "Arn": boundary, "Path": "/", "DefaultVersionId": "v1",
            "PolicyVersionList": [{"Document": document(deny_delete("StringEquals")), "VersionId": "v1", "IsDefaultVersion": true}],
        }],
    })
}

fn denied(id: &str, action: &str, reason: &str) -> Value {
    json!({
        "eventVersion": "1.08", "eventID": id, "eventTime": "2026-03-01T10:00:00Z", "eventSource": "workmail.amazonaws.com",
        "eventName": action, "awsRegion": "eu-west-1", "sourceIPAddress": "10.0.0.1", "userAgent": "aws-cli/2.0",
        "errorCode": "AccessDeniedException",
        "errorMessage": format!("User: {ANA} is not authorized to perform: workmail:{action} on resource: \
            arn:aws:workmail:eu-west-1:111122223333:organization/m-1 {reason}"),
        "requestParameters": {"organizationId": "m-1"}, "eventType": "AwsApiCall", "recipientAccountId": "111122223333",
        "userIdentity": {"type": "IAMUser", "arn": ANA, "principalId": "AIDAEXAMPLE1", "accountId": "111122223333",
            "accessKeyId": "AKIAEXAMPLE", "userName": "ana"},
    })
}

/// The changes of a candidate without the boundary, by event id.
fn replayed(records: &[Value]) -> (tempfile::TempDir, RecordBatch) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    write("log.json", json!({"Records": records}).to_string());
    std::fs::create_dir(folder.path().join("baseline")).unwrap();
    write("baseline/snapshot.json", snapshot().to_string());
    write("free.toml", format!("[[change]]\nboundary = \"\"\nto = [\"{ANA}\"]\n"));
    let at = |name: &str| folder.path().join(name);
    let mut dataset = Dataset::open_or_create(&at("events")).unwrap();
    ingest(&[at("log.json")], &Reading::default(), &mut dataset, Catalog::builtin(), &Silent).unwrap();
    let baseline = load(&[at("baseline")]).unwrap().into_baseline().unwrap();
    let candidate = load(&[at("free.toml")]).unwrap().into_candidate(&baseline, CandidateType::Identity, &[]).unwrap();
    let assume_absent = Layers::NONE.with(LayerKind::Scp);
    let options = Options { baseline, candidates: vec![("free".to_owned(), candidate)], assume_absent, ..Options::default() };
    std::fs::create_dir(at("report")).unwrap();
    replay(&dataset, &options, Catalog::builtin(), &at("report"), &Silent).unwrap();
    let changes = changes(&at("report"));
    (folder, changes)
}

fn changes(report: &Path) -> RecordBatch {
    let file = report.join("changes.parquet");
    concat_batches(&parquet::schema(&file).unwrap(), &parquet::read(&file, None).unwrap()).unwrap()
}

/// The column of the row that holds an event.
fn cell(batch: &RecordBatch, id: &str, column: &str) -> String {
    let samples = read::list(batch, "sample_event_ids").unwrap();
    let row = (0..batch.num_rows()).find(|row| read::texts(&samples.value(*row)).contains(&id.to_owned())).unwrap();
    read::get(read::text(batch, column).unwrap(), row).unwrap_or_default().to_owned()
}

#[test]
fn the_layer_that_a_message_names_settles_the_key_that_it_looks_at() {
    let (_folder, changes) = replayed(&[
        denied("e-boundary", "DeleteUser", "with an explicit deny in a permissions boundary"),
        denied("e-identity", "DeleteUser", "with an explicit deny in an identity-based policy"),
        denied("e-silent", "DeleteUser", ""),
        denied("e-other", "DeleteUser", "with an explicit deny in a session policy"),
    ]);
    let of = |id: &str| cell(&changes, id, "change");
    assert_eq!(of("e-boundary"), "gained", "only inside the organization does the boundary deny, and there nothing else does");
    assert_eq!(of("e-identity"), "unchanged_denied");
    assert_eq!(of("e-silent"), "potentially_gained");
    assert_eq!(of("e-other"), "potentially_gained", "a layer that does not deny here is no evidence");
}

#[test]
fn a_contradiction_names_its_likely_cause() {
    let (_folder, changes) = replayed(&[
        denied(
            "e-scp",
            "ListUsers",
            "with an explicit deny in a service control policy: arn:aws:organizations::1:policy/o-1/service_control_policy/p-9",
        ),
        denied("e-plain", "ListGroups", ""),
    ]);
    let reason = |id: &str| cell(&changes, id, "baseline_reason");
    assert_eq!(cell(&changes, "e-scp", "contradiction"), "denied_but_allowed");
    assert!(
        reason("e-scp").contains("the log says that a service control policy `arn:aws:organizations::1:policy/"),
        "{}",
        reason("e-scp")
    );
    assert!(reason("e-plain").contains("the call was denied: likely a policy is missing"), "{}", reason("e-plain"));
}
