//! Laws of the kernel: what it makes of a log is what it makes of each event alone, added up.

use std::path::Path;

use arrow::array::RecordBatch;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;

use super::filter::Filter;
use super::kernel::{Accumulator, Kernel, Shared};
use super::principals::{Principals, Scan};
use super::timeline::Timeline;
use crate::account::load::{CandidateType, load};
use crate::catalog::Catalog;
use crate::evaluate::{LayerKind, Layers};
use crate::frame::schema::MAPPED;
use crate::frame::{Check, EventBuilder, EventReader, EventRow, EventRows, EventWriter, Flag, Grain, Text};
use crate::iam::Pattern;

const ACCOUNT: &str = "111122223333";
/// 2026-06-01T00:00:00Z, in microseconds.
const BEGIN: i64 = 1_780_272_000_000_000;

/// Keys of every kind, and odd ones.
const KEYS: [&str; 64] = [
    "aws:CurrentTime",
    "aws:EpochTime",
    "aws:RequestedRegion",
    "aws:SecureTransport",
    "aws:UserAgent",
    "aws:Referer",
    "aws:IsMcpServiceAction",
    "aws:CalledViaAWSMCP",
    "aws:ViaAWSMCPService",
    "aws:MultiFactorAuthPresent",
    "aws:MultiFactorAuthAge",
    "aws:TokenIssueTime",
    "aws:AssumedRoot",
    "aws:PrincipalArn",
    "aws:PrincipalAccount",
    "aws:PrincipalType",
    "aws:PrincipalIsAWSService",
    "aws:PrincipalServiceName",
    "aws:PrincipalServiceNamesList",
    "aws:userid",
    "aws:username",
    "aws:SourceIdentity",
    "aws:FederatedProvider",
    "aws:SignInSessionArn",
    "aws:ChatbotSourceArn",
    "aws:Ec2InstanceSourceVpc",
    "aws:Ec2InstanceSourcePrivateIPv4",
    "ec2:SourceInstanceArn",
    "ec2:RoleDelivery",
    "lambda:SourceFunctionArn",
    "identitystore:UserId",
    "aws:PrincipalTag/team",
    "aws:ViaAWSService",
    "aws:CalledVia",
    "aws:CalledViaFirst",
    "aws:CalledViaLast",
    "aws:SourceAccount",
    "aws:SourceArn",
    "aws:SourceOrgID",
    "aws:SourceOrgPaths",
    "aws:SourceIp",
    "aws:VpcSourceIp",
    "aws:SourceVpce",
    "aws:SourceVpc",
    "aws:SourceVpcArn",
    "aws:VpceAccount",
    "aws:VpceOrgID",
    "aws:VpceOrgPaths",
    "aws:ResourceAccount",
    "aws:ResourceOrgID",
    "aws:ResourceOrgPaths",
    "aws:PrincipalOrgID",
    "aws:PrincipalOrgPaths",
    "aws:ResourceTag/stage",
    "workmail:ResourceTag/stage",
    "aws:RequestTag/stage",
    "aws:TagKeys",
    "workmail:ImpersonationRoleId",
    "iam:PassedToService",
    "s3:prefix",
    "aws:NoSuchKey",
    "resourcetag/x:resourcetag/y",
    "my-resourcetag/x",
    "odd",
];

/// A snapshot whose policies look at every kind of key.
fn snapshot() -> serde_json::Value {
    let condition = |operator: &str, key: &str, value: &str| serde_json::json!({"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {operator: {key: value}}});
    let mut statements = vec![
        serde_json::json!({"Effect": "Allow", "Action": "*", "Resource": "*"}),
        serde_json::json!({"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::home/${aws:username}/*"}),
        serde_json::json!({"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::of/${aws:userid}/*"}),
    ];
    for (operator, key, value) in [
        ("DateGreaterThan", "aws:CurrentTime", "2026-06-01T00:00:30Z"),
        ("NumericLessThan", "aws:EpochTime", "1780272090"),
        ("NumericGreaterThan", "aws:MultiFactorAuthAge", "60.5"),
        ("DateLessThan", "aws:TokenIssueTime", "2026-06-01T00:00:00Z"),
        ("Bool", "aws:MultiFactorAuthPresent", "false"),
        ("IpAddress", "aws:SourceIp", "203.0.113.0/24"),
        ("StringEquals", "aws:SourceVpce", "vpce-1"),
        ("IpAddress", "aws:VpcSourceIp", "10.0.0.0/8"),
        ("StringLike", "aws:UserAgent", "*aws-cli*"),
        ("Bool", "aws:SecureTransport", "false"),
        ("Bool", "aws:ViaAWSService", "true"),
        ("StringEquals", "aws:CalledViaLast", "cloudformation.amazonaws.com"),
        ("StringEquals", "aws:RequestedRegion", "eu-west-1"),
        ("StringEquals", "aws:PrincipalTag/team", "mail"),
        ("StringEquals", "aws:ResourceTag/stage", "test"),
        ("StringEquals", "aws:RequestTag/stage", "test"),
        ("StringEquals", "aws:ResourceAccount", ACCOUNT),
        ("StringEquals", "aws:SourceIdentity", "alice"),
        ("StringEquals", "aws:FederatedProvider", "idp"),
        ("StringLike", "aws:PrincipalArn", "arn:aws:iam::*:role/ops/*"),
        ("StringEquals", "aws:PrincipalType", "Account"),
        ("Null", "aws:Referer", "false"),
        ("Bool", "aws:AssumedRoot", "true"),
    ] {
        statements.push(condition(operator, key, value));
    }
    snapshot_of(&statements)
}

/// A snapshot of a user and a role with these statements.
fn snapshot_of(statements: &[serde_json::Value]) -> serde_json::Value {
    let policy = serde_json::json!({"PolicyName": "all", "PolicyDocument": {"Version": "2012-10-17", "Statement": statements}});
    serde_json::json!({
        "UserDetailList": [{
            "Path": "/", "UserName": "alice", "UserId": "AIDAALICE", "Arn": format!("arn:aws:iam::{ACCOUNT}:user/alice"),
            "CreateDate": "2025-01-01T00:00:00Z", "UserPolicyList": [policy], "GroupList": [], "AttachedManagedPolicies": [],
            "Tags": [{"Key": "team", "Value": "mail"}],
        }],
        "GroupDetailList": [],
        "RoleDetailList": [{
            "Path": "/ops/", "RoleName": "Ops", "RoleId": "AROAOPS", "Arn": format!("arn:aws:iam::{ACCOUNT}:role/ops/Ops"),
            "CreateDate": "2025-01-01T00:00:00Z", "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []},
            "InstanceProfileList": [], "RolePolicyList": [policy], "AttachedManagedPolicies": [], "Tags": [],
        }],
        "Policies": [],
        "IsTruncated": false,
    })
}

/// The values that a column takes; an empty text is none.
fn values(column: Text) -> &'static [&'static str] {
    match column {
        Text::EventVersion => &["1.05", "1.08", "1.11"],
        Text::EventCategory => &["Management", "Data"],
        Text::Region => &["eu-west-1", "us-east-1", ""],
        Text::AccountId => &[ACCOUNT, "444455556666", ""],
        Text::PrincipalAccountId => &[ACCOUNT, ""],
        Text::IdentityType => &["IAMUser", "AssumedRole", "AssumedRole", "Root", "FederatedUser", "AWSService", "AWSAccount", ""],
        Text::PrincipalArn => &["arn:aws:iam::111122223333:user/alice", "arn:aws:iam::111122223333:role/ops/Ops", ""],
        Text::PrincipalId => &["AIDAALICE", "AROAOPS", "ANONYMOUS", ""],
        Text::SessionName => &["i-0abc", "bob", "eve", ""],
        Text::SourceIdentity => &["alice", "", ""],
        Text::SessionIssuerArn => &["arn:aws:iam::111122223333:role/ops/Ops", ""],
        Text::FederatedProvider => &["idp", "", ""],
        Text::AccessKeyId => &["AKIA1", "ASIA1", "ASIA2", ""],
        Text::InvokedBy => &["AWS Internal", "cloudformation.amazonaws.com", "", ""],
        Text::SourceIp => &["203.0.113.7", "198.51.100.7", "10.1.2.3", "2001:db8::1", "workmail.amazonaws.com", ""],
        Text::VpcEndpointId => &["vpce-1", "vpce-2", "", ""],
        Text::UserAgent => &["aws-cli/2", "Mozilla/5.0", "[Boto3]", ""],
        Text::Tls => &["TLSv1.3", ""],
        Text::Outcome => &["success", "access_denied", "other_error"],
        Text::DeniedBy => &["scp", "", ""],
        Text::Action => &["workmail:DescribeUser", "s3:GetObject", "unknown:Thing", ""],
        Text::Resource => &["*", "arn:aws:s3:::home/alice/x", "arn:aws:workmail:eu-west-1:111122223333:organization/<?>", ""],
        Text::MappingSource => &["catalog", "rule"],
        Text::ResourceSource => &["parameters", "partial", ""],
        Text::NotReplayable => &["", "", "", "", "sign_in"],
        Text::SourceFile => &["a.json", "b.json"],
        _ => &[""],
    }
}

/// Calls that change access: source, name, the key that is issued, what is asked.
const CHANGES: [(&str, &str, &str, &str); 9] = [
    (
        "iam.amazonaws.com",
        "PutUserPolicy",
        "",
        r#"{"userName":"alice","policyName":"all","policyDocument":"{\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"*\"}}"}"#,
    ),
    ("iam.amazonaws.com", "DeleteUserPolicy", "", r#"{"userName":"alice","policyName":"all"}"#),
    ("iam.amazonaws.com", "TagUser", "", r#"{"userName":"alice","tags":[{"key":"team","value":"sales"}]}"#),
    ("iam.amazonaws.com", "UntagRole", "", r#"{"roleName":"Ops","tagKeys":["team"]}"#),
    ("iam.amazonaws.com", "PutRolePermissionsBoundary", "", r#"{"roleName":"Ops","permissionsBoundary":"arn:aws:iam::aws:policy/X"}"#),
    ("workmail.amazonaws.com", "TagResource", "", r#"{"resourceARN":"arn:aws:s3:::home/alice/x","tags":[{"key":"stage","value":"test"}]}"#),
    ("workmail.amazonaws.com", "UntagResource", "", r#"{"resourceARN":"arn:aws:s3:::home/alice/y","tagKeys":["stage"]}"#),
    (
        "sts.amazonaws.com",
        "AssumeRole",
        "ASIA1",
        r#"{"roleArn":"arn:aws:iam::111122223333:role/ops/Ops","policy":"{\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"*\"}}"}"#,
    ),
    (
        "sts.amazonaws.com",
        "AssumeRole",
        "ASIA2",
        r#"{"roleArn":"arn:aws:iam::111122223333:role/ops/Ops","tags":[{"key":"team","value":"mail"}],"sourceIdentity":"alice"}"#,
    ),
];

/// Keys that a table has no column for.
const UNTOLD: &[&[&str]] = &[
    &[],
    &[],
    &["aws:sourceidentity"],
    &["aws:federatedprovider", "aws:referer", "aws:assumedroot"],
    &["aws:tokenissuetime", "aws:viaawsservice", "aws:calledvialast", "aws:multifactorauthpresent"],
];

prop_compose! {
    fn row()(
        texts in Text::ALL.map(|column| select(values(column))).to_vec(),
        flags in Flag::ALL.map(|_| select(&[None, Some(true), Some(false)][..])).to_vec(),
        id in 0..50u32,
        second in 0..150i64,
        created in select(&[None, Some(-10i64), Some(0), Some(45)][..]),
        check in select(&[None, None, Some(("iam:PassRole", None)), Some(("s3:PutObject", Some("arn:aws:s3:::home/alice/y")))][..]),
        tag in select(&[None, None, Some(Some("test")), Some(None)][..]),
        untold in select(UNTOLD),
        change in proptest::option::weighted(0.1, select(&CHANGES[..])),
    ) -> EventRow<'static> {
        let mut row = EventRow::default();
        for (column, text) in Text::ALL.into_iter().zip(texts) {
            row.set(column, Some(text).filter(|text| !text.is_empty()));
        }
        row.set(Text::EventId, Some(format!("event-{id:03}")));
        for (flag, value) in Flag::ALL.into_iter().zip(flags) {
            row.flag(flag, value);
        }
        if let Some((source, name, key, change)) = change {
            let key = if key.is_empty() { String::new() } else { format!(r#""issued_access_key_id":"{key}","#) };
            let time = BEGIN + second * 1_000_000;
            let change = format!(
                r#"{{"time":{time},"source":"{source}","name":"{name}","account":"{ACCOUNT}","identity_type":"Root",{key}"request":{change}}}"#
            );
            row.set(Text::AccessChange, Some(change));
        }
        row.event_time = BEGIN + second * 1_000_000;
        row.session_created = created.map(|second| BEGIN + second * 1_000_000);
        row.more_checks.extend(check.map(|(action, resource)| Check { action: action.into(), resource: resource.map(Into::into), source: "inferred" }));
        row.request_context.extend(tag.map(|value| ("aws:requesttag/stage".to_owned(), value.map(|value| vec![value.to_owned()]))));
        row.request_context.extend(untold.iter().map(|key| ((*key).to_owned(), None)));
        row.request_context.sort();
        row
    }
}

fn batch(rows: &[EventRow<'_>]) -> RecordBatch {
    let mut builder = EventBuilder::default();
    rows.iter().for_each(|row| builder.push(row).unwrap());
    builder.finish().unwrap()
}

/// The same rows, every text as it is.
fn plain(coded: &RecordBatch) -> RecordBatch {
    let columns = coded.columns().iter().zip(MAPPED.fields());
    let columns = columns.map(|(column, field)| arrow::compute::cast(column, field.data_type()).unwrap()).collect();
    RecordBatch::try_new(MAPPED.clone(), columns).unwrap()
}

/// An event alone.
fn alone(row: &EventRow<'_>) -> EventRows {
    EventRows::each(plain(&batch(std::slice::from_ref(row))))
}

/// Some columns of a batch, as they are read from a file of the dataset.
fn read(batch: &RecordBatch, columns: &[&str]) -> Vec<EventRows> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.parquet");
    let mut writer = EventWriter::create(&path, &[]).unwrap();
    writer.push(&[batch], &(0..batch.num_rows()).map(|row| (0, row)).collect::<Vec<_>>()).unwrap();
    writer.finish().unwrap();
    let mut found = Vec::new();
    EventReader::new()
        .unwrap()
        .read(&path, columns, |rows| {
            found.push(rows);
            Ok(())
        })
        .unwrap();
    found
}

fn read_all(batch: &RecordBatch) -> Vec<EventRows> {
    read(batch, &MAPPED.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>())
}

fn replayed(shared: &Shared<'_>, events: &[EventRows]) -> Accumulator {
    let mut kernel = Kernel::new(shared);
    events.iter().for_each(|rows| kernel.consume(rows).unwrap());
    kernel.finish()
}

fn check(folder: &Path, rows: &[EventRow<'_>], cut: usize) {
    let baseline = load(&[folder.join("snapshot.json")]).unwrap().into_baseline().unwrap();
    let candidate = load(&[folder.join("candidate.json")]).unwrap();
    let candidate = candidate.into_candidate(&baseline, CandidateType::Identity, &[]).unwrap();
    let (first, second) = rows.split_at(cut.min(rows.len()));
    let parts = [batch(first), batch(second)].map(|part| read_all(&part));
    let (mut scan, mut each) = (Scan::default(), Scan::default());
    parts.iter().flatten().for_each(|rows| scan.add(rows.batch(Grain::Caller)).unwrap());
    rows.iter().for_each(|row| each.add(alone(row).batch(Grain::Caller)).unwrap());
    let seen = scan.seen();
    assert_eq!(seen, each.seen());
    let mut changes = super::timeline::Scan::default();
    parts.iter().flatten().for_each(|rows| changes.add(&rows.events).unwrap());
    // Near changes overlap: a window of five seconds in a log of some minutes.
    let timeline = Timeline::new(vec![changes], &baseline, 5_000_000);
    let (principals, program) = Principals::compile(seen, &baseline, &[("candidate".to_owned(), candidate)], Layers::NONE, timeline);
    let filters = [
        Filter::default(),
        Filter {
            since: Some(BEGIN + 20_000_000),
            regions: vec!["eu-west-1".to_owned()],
            principals: vec![Pattern::glob("*alice")],
            ..Filter::default()
        },
    ];
    for (filter, assume_absent) in filters.iter().zip([Layers::NONE, Layers::NONE.with(LayerKind::Session)]) {
        let shared = Shared { program: &program, principals: &principals, catalog: Catalog::builtin(), filter, assume_absent, shard: None };
        let together = replayed(&shared, &parts.concat());
        let each = rows.iter().map(|row| replayed(&shared, &[alone(row)]));
        let each = each.fold(Accumulator::default(), Accumulator::merge);
        assert_eq!(together, each);
        let apart = parts.iter().map(|part| replayed(&shared, part));
        assert_eq!(together, apart.fold(Accumulator::default(), |sum, part| part.merge(sum)));
    }
}

#[test]
fn a_log_is_the_sum_of_its_events() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("snapshot.json"), snapshot().to_string()).unwrap();
    let candidate = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "workmail:*", "Resource": "*",
        "Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}, "NumericGreaterThan": {"aws:MultiFactorAuthAge": "20"}}}]}"#;
    std::fs::write(folder.path().join("candidate.json"), candidate).unwrap();
    // Each case is many: of the 256 that are usual (or PROPTEST_CASES) a sixth.
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let config = ProptestConfig { cases: config.cases / 6, ..config };
    proptest!(config, |(rows in proptest::collection::vec(row(), 1..120), cut in 0usize..120)| {
        check(folder.path(), &rows, cut);
    });
}

/// A rule that asks for a column that was not loaded ends the run: each key brings the columns that it needs.
#[test]
fn each_key_brings_the_columns_that_it_needs() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let rows = proptest::collection::vec(row(), 150).new_tree(&mut runner).unwrap().current();
    let whole = batch(&rows);
    let mut scan = Scan::default();
    scan.add(&whole).unwrap();
    let seen = scan.seen();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("snapshot.json");
    for key in KEYS {
        let statement = serde_json::json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Null": {key: "false"}}});
        std::fs::write(&file, snapshot_of(&[statement]).to_string()).unwrap();
        let baseline = load(std::slice::from_ref(&file)).unwrap().into_baseline().unwrap();
        let (principals, program) = Principals::compile(seen.clone(), &baseline, &[], Layers::NONE, Timeline::default());
        assert_eq!((0..program.key_count()).map(|id| program.key_name(id)).collect::<Vec<_>>(), [key.to_lowercase()]);
        let columns = super::context::columns([program.key_name(0)]);
        let filter = Filter::default();
        let shared = Shared {
            program: &program,
            principals: &principals,
            catalog: Catalog::builtin(),
            filter: &filter,
            assume_absent: Layers::NONE,
            shard: None,
        };
        let mut kernel = Kernel::new(&shared);
        for rows in read(&whole, &columns) {
            kernel.consume(&rows).unwrap_or_else(|error| panic!("{key}: {error}"));
        }
        assert_eq!(kernel.finish(), replayed(&shared, &[EventRows::each(whole.clone())]), "{key}");
    }
}
