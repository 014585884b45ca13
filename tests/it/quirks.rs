//! What real logs hold and no description of the format mentions: each oddity, and what loading makes of it.

use std::collections::BTreeMap;

use retrial::arrow::array::{Array as _, RecordBatch};
use retrial::arrow::compute::concat_batches;
use retrial::catalog::Catalog;
use retrial::frame::schema::EVENTS;
use retrial::frame::{parquet, read};
use retrial::ingest::{Dataset, DatasetCounts, SkippedRow, ingest};
use retrial::progress::Silent;
use retrial::replay::{Options, replay};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A dataset made of a few files, and its rows.
struct Loaded {
    dir: TempDir,
    dataset: Dataset,
    counts: DatasetCounts,
    skipped: Vec<SkippedRow>,
    events: RecordBatch,
}

impl Loaded {
    fn text(&self, row: usize, column: &str) -> Option<&str> {
        read::get(read::text(&self.events, column).unwrap(), row)
    }

    fn texts(&self, column: &str) -> Vec<&str> {
        (0..self.events.num_rows()).map(|row| self.text(row, column).unwrap_or("-")).collect()
    }

    fn flag(&self, row: usize, column: &str) -> Option<bool> {
        let flags = read::flag(&self.events, column).unwrap();
        flags.is_valid(row).then(|| flags.value(row))
    }

    fn reasons(&self) -> BTreeMap<&str, usize> {
        let mut reasons = BTreeMap::new();
        self.skipped.iter().for_each(|skipped| *reasons.entry(skipped.reason.as_str()).or_default() += 1);
        reasons
    }
}

/// Loads files of these contents, `0.log` and so on.
fn load(files: &[&str]) -> Loaded {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    std::fs::create_dir(&logs).unwrap();
    for (number, text) in files.iter().enumerate() {
        std::fs::write(logs.join(format!("{number}.log")), text).unwrap();
    }
    let mut dataset = Dataset::open_or_create(&dir.path().join("events")).unwrap();
    ingest(&[logs], &mut dataset, Catalog::builtin(), &Silent).unwrap();
    let counts = dataset.ledger.counts;
    assert_eq!(counts.records, counts.duplicates + counts.skipped + counts.events, "{counts:?}");
    let batches: Vec<RecordBatch> = dataset.files().unwrap().iter().flat_map(|file| parquet::read(file, None).unwrap()).collect();
    let schema = batches.first().map_or(EVENTS.schema.clone(), |batch| batch.schema());
    let events = concat_batches(&schema, &batches).unwrap();
    assert_eq!(events.num_rows() as u64, counts.events);
    Loaded { counts, skipped: dataset.ledger.skipped.clone(), events, dir, dataset }
}

fn load_one(record: &Value) -> Loaded {
    let loaded = load(&[&record.to_string()]);
    assert_eq!(loaded.counts.events, 1, "{record}: {:?}", loaded.skipped);
    loaded
}

/// Loads records of one file, in the order of `eventTime`.
fn load_all(records: impl IntoIterator<Item = Value>) -> Loaded {
    let records: Vec<Value> = records
        .into_iter()
        .enumerate()
        .map(|(second, mut record)| {
            record["eventTime"] = json!(format!("2026-01-01T00:00:{second:02}Z"));
            record["eventID"] = json!(format!("00000000-0000-0000-0000-0000000000{second:02}"));
            record
        })
        .collect();
    let loaded = load(&[&json!({ "Records": records }).to_string()]);
    assert_eq!(loaded.counts.events, records.len() as u64, "{:?}", loaded.skipped);
    loaded
}

const ORGANIZATION: &str = "m-0123456789abcdef0123456789abcdef";

/// A full record of an IAM user's call.
fn record() -> Value {
    json!({
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "IAMUser", "principalId": "AIDAEXAMPLE", "arn": "arn:aws:iam::111122223333:user/mail/erin",
            "accountId": "111122223333", "accessKeyId": "AKIAEXAMPLE", "userName": "erin"
        },
        "eventTime": "2026-01-01T12:00:00Z",
        "eventSource": "workmail.amazonaws.com",
        "eventName": "DescribeUser",
        "awsRegion": "eu-west-1",
        "sourceIPAddress": "192.0.2.7",
        "userAgent": "aws-cli/2.0",
        "requestParameters": {"organizationId": ORGANIZATION, "userId": "S-1"},
        "responseElements": null,
        "requestID": "11111111-0000-0000-0000-000000000000",
        "eventID": "22222222-0000-0000-0000-000000000000",
        "readOnly": true,
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": "111122223333",
        "eventCategory": "Management"
    })
}

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut record = record();
    change(&mut record);
    record
}

fn without(member: &str) -> Value {
    with(|record| assert!(record.as_object_mut().unwrap().remove(member).is_some()))
}

/// A record with one member of the identity replaced.
fn identity(identity: Value) -> Value {
    with(|record| record["userIdentity"] = identity)
}

#[test]
fn quirk_1_records_are_delivered_twice_and_ids_used_twice() {
    let (a, other) = (record(), with(|record| record["eventName"] = json!("DescribeGroup")));
    let loaded = load(&[&json!({"Records": [a, a]}).to_string(), &json!([a, other]).to_string()]);
    assert_eq!((loaded.counts.records, loaded.counts.duplicates, loaded.counts.events), (4, 2, 2));
    assert_eq!(loaded.counts.id_conflicts, 1);
    assert!(loaded.text(0, "source_file").unwrap().ends_with("0.log") || loaded.text(1, "source_file").unwrap().ends_with("0.log"));
}

#[test]
fn quirk_2_files_are_unsorted_and_hold_other_regions() {
    let at = |time: &str, region: &str| with(|record| (record["eventTime"], record["awsRegion"]) = (json!(time), json!(region)));
    let records =
        [at("2026-01-01T02:00:00Z", "us-east-1"), at("2026-01-02T00:00:00Z", "us-west-1"), at("2026-01-01T01:00:00Z", "eu-west-1")];
    let loaded = load(&[&json!({ "Records": records }).to_string()]);
    assert_eq!(loaded.texts("region"), ["eu-west-1", "us-east-1", "us-west-1"]);
}

/// The same record in every container gives the same row.
#[test]
fn quirk_3_containers_do_not_change_a_record() {
    let record = record();
    let text = record.to_string();
    let plain = load(&[&json!({"Records": [record]}).to_string()]);
    let csv = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let pretty = serde_json::to_string_pretty(&record).unwrap();
    let lake: Vec<Value> = ["eventID", "eventJson"].into_iter().zip(["x", &text]).map(|(name, cell)| json!({ name: cell })).collect();
    for container in [
        text.clone(),
        json!([record]).to_string(),
        pretty.clone(),
        json!({"version": "0", "detail-type": "AWS API Call via CloudTrail", "detail": record}).to_string(),
        json!({"Events": [{"EventId": "x", "EventTime": 1767268800.5, "CloudTrailEvent": text}]}).to_string(),
        json!({"Events": [{"EventId": "x", "EventTime": "2026-01-01T13:00:00+01:00", "CloudTrailEvent": pretty}]}).to_string(),
        json!({"events": [{"timestamp": 1, "message": text}]}).to_string(),
        json!({"messageType": "DATA_MESSAGE", "logEvents": [{"id": "1", "message": text}]}).to_string(),
        json!({"results": [[{"field": "@message", "value": text}]]}).to_string(),
        json!({"QueryResultRows": [lake]}).to_string(),
        format!("2026-01-01T12:00:03.000Z {text}\n"),
        format!("eventid,eventjson\nx,{}\n", csv(&text)),
        format!("_time,eventName,userIdentity.type,_raw\n1,X,Root,{}\n", csv(&text)),
        json!([{ "_raw": text, "source": "s3" }]).to_string(),
        json!({"_source": {"aws": record}}).to_string(),
        json!({"input": {"message": text}}).to_string(),
    ] {
        let loaded = load(&[&container]);
        assert_eq!((loaded.counts.records, loaded.counts.events), (1, 1), "{container}: {:?}", loaded.skipped);
        let same = |field: &str| !matches!(field, "source_file" | "request_parameters");
        for (index, field) in plain.events.schema().fields().iter().enumerate().filter(|(_, field)| same(field.name())) {
            assert_eq!(loaded.events.column(index), plain.events.column(index), "{container}: {}", field.name());
        }
        let parameters = |loaded: &Loaded| serde_json::from_str::<Value>(loaded.text(0, "request_parameters").unwrap()).unwrap();
        assert_eq!(parameters(&loaded), parameters(&plain), "{container}");
    }
    let wazuh = with(|record| record["log_info"] = json!({"aws_account_alias": "x"}));
    let loaded = load(&[&json!({"integration": "aws", "aws": wazuh}).to_string()]);
    assert_eq!(loaded.text(0, "resource"), plain.text(0, "resource"));
    let logstash = json!({"@version": "1", "@timestamp": "2026-01-01T12:00:00Z"});
    let loaded = load(&[&with(|record| {
        record.as_object_mut().unwrap().remove("eventTime");
        record.as_object_mut().unwrap().extend(logstash.as_object().unwrap().clone());
    })
    .to_string()]);
    assert_eq!((loaded.reasons(), loaded.counts.events), (BTreeMap::from([("no_event_time", 1)]), 0));
}

const NEW_HEADER: &str = "User name,AWS access key,Event time,Event source,Event name,AWS region,Source IP address,User agent,Error code,Resources,Request ID,Event ID,Read-only,Event type,Recipient Account Id,Event category";
const OLD_HEADER: &str =
    "Event ID,Event time,User name,Event name,Resource type,Resources,AWS access key,AWS region,Error code,Source IP address";

#[test]
fn quirk_4_event_history_tables_are_kept_and_never_decided() {
    let row = |account: &str, read_only: &str| {
        format!(
            "erin,AKIAEXAMPLE,2026-01-01T12:00:00Z,workmail.amazonaws.com,DescribeUser,eu-west-1,192.0.2.7,\"aws-cli/2.0, x\",AccessDenied,\"[{{\"\"resourceType\"\":\"\"AWS::WorkMail::Organization\"\",\"\"resourceName\"\":\"\"m-1\"\"}}]\",r-1,e-1,{read_only},AwsApiCall,{account},Management"
        )
    };
    let full = load(&[&format!("{NEW_HEADER}\n{}\n", row("111122223333", "true"))]);
    assert_eq!((full.counts.records, full.counts.events), (1, 1), "{:?}", full.skipped);
    for (column, value) in [
        ("event_id", "e-1"),
        ("request_id", "r-1"),
        ("event_source", "workmail.amazonaws.com"),
        ("event_name", "DescribeUser"),
        ("region", "eu-west-1"),
        ("account_id", "111122223333"),
        ("source_ip", "192.0.2.7"),
        ("user_agent", "aws-cli/2.0, x"),
        ("error_code", "AccessDenied"),
        ("outcome", "access_denied"),
        ("access_key_id", "AKIAEXAMPLE"),
        ("event_category", "Management"),
        ("action", "workmail:DescribeUser"),
        ("not_replayable", "no_identity"),
    ] {
        assert_eq!(full.text(0, column), Some(value), "{column}");
    }
    for column in ["identity_type", "principal_arn", "principal_account_id", "request_parameters"] {
        assert_eq!(full.text(0, column), None, "{column}");
    }
    assert_ne!(full.text(0, "resource_source"), Some("parameters"));
    assert_eq!((full.flag(0, "request_context_complete"), full.flag(0, "read_only")), (Some(false), Some(true)));
    // Saved again by a spreadsheet: the account is lost, the rest is not.
    let mangled = load(&[&format!("{NEW_HEADER}\n{}\n", row("5.28758E+11", "FALSE"))]);
    assert_eq!((mangled.text(0, "account_id"), mangled.flag(0, "read_only")), (None, Some(false)));
    let old = load(&[&format!("{OLD_HEADER}\ne-1,\"2026-01-01, 04:52:01 PM\",erin,DescribeUser,,,AKIAEXAMPLE,eu-west-1,,192.0.2.7\n")]);
    assert_eq!((old.counts.events, old.text(0, "not_replayable")), (1, Some("no_identity")), "{:?}", old.skipped);
    assert_eq!((old.text(0, "event_source"), old.text(0, "action"), old.text(0, "outcome")), (None, None, Some("success")));
    let time = read::time(&old.events, "event_time").unwrap().value(0);
    assert_eq!(time, "2026-01-01T16:52:01Z".parse::<jiff::Timestamp>().unwrap().as_microsecond());
    for loaded in [&full, &mangled, &old] {
        let report = loaded.dir.path().join("report");
        std::fs::create_dir(&report).unwrap();
        let baseline = retrial::account::load(&[]).unwrap().into_baseline().unwrap();
        let options = Options { baseline, ..Options::default() };
        let manifest = replay(&loaded.dataset, &options, Catalog::builtin(), &report, &Silent).unwrap();
        manifest.check().unwrap();
        assert_eq!(manifest.counts.not_replayed, BTreeMap::from([("no_identity".to_owned(), 1)]));
    }
    let damaged = load(&[&format!("{NEW_HEADER}\n{},x\n1/2/2026 4:52,a\n{}\n", row("1", "x"), row("2", "y"))]);
    assert_eq!((damaged.counts.records, damaged.counts.events, damaged.reasons()), (3, 1, BTreeMap::from([("broken_csv", 2)])));
}

/// Columns of a query, each as CloudTrail Lake or Athena prints it.
fn query_result() -> Vec<(&'static str, &'static str)> {
    vec![
        ("eventversion", "1.08"),
        (
            "useridentity",
            "{type=AssumedRole, principalid=AROAEXAMPLE:erin@example.com, arn=arn:aws:sts::111122223333:assumed-role/MailAdmin/erin@example.com, accountid=111122223333, accesskeyid=ASIAEXAMPLE, username=null, sessioncontext={attributes={creationdate=2026-01-01 11:00:00.000, mfaauthenticated=false}, sessionissuer={type=Role, principalid=AROAEXAMPLE, arn=arn:aws:iam::111122223333:role/ops/MailAdmin, accountid=111122223333, username=MailAdmin}, webidfederationdata=null, sourceidentity=null}, invokedby=null}",
        ),
        ("eventtime", "2026-01-01 12:00:00.000"),
        ("eventsource", "workmail.amazonaws.com"),
        ("eventname", "DescribeUser"),
        ("awsregion", "eu-west-1"),
        ("sourceipaddress", "192.0.2.7"),
        ("useragent", "aws-cli/2.0"),
        ("errorcode", "null"),
        ("errormessage", ""),
        ("requestparameters", "{organizationId=m-0123456789abcdef0123456789abcdef}"),
        ("requestid", "r-1"),
        ("eventid", "e-1"),
        ("readonly", "true"),
        ("eventtype", "AwsApiCall"),
        ("recipientaccountid", "111122223333"),
        ("vpcendpointid", ""),
        ("eventcategory", "Management"),
    ]
}

fn csv_of(columns: &[(&str, &str)]) -> String {
    let line = |cells: Vec<&str>| cells.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect::<Vec<_>>().join(",");
    format!("{}\n{}\n", line(columns.iter().map(|c| c.0).collect()), line(columns.iter().map(|c| c.1).collect()))
}

fn json_of(columns: &[(&str, &str)]) -> String {
    let row: Vec<Value> = columns.iter().map(|(name, cell)| json!({ *name: cell })).collect();
    json!({"QueryStatus": "FINISHED", "QueryResultRows": [row]}).to_string()
}

#[test]
fn quirk_3_query_results_with_all_columns_are_records() {
    let columns = query_result();
    for container in [csv_of(&columns), json_of(&columns)] {
        let loaded = load(&[&container]);
        assert_eq!((loaded.counts.records, loaded.counts.events), (1, 1), "{:?}", loaded.skipped);
        for (column, value) in [
            ("identity_type", Some("AssumedRole")),
            ("principal_arn", Some("arn:aws:iam::111122223333:role/ops/MailAdmin")),
            ("principal_id", Some("AROAEXAMPLE")),
            ("session_name", Some("erin@example.com")),
            ("invoked_by", None),
            ("outcome", Some("success")),
            ("resource", Some("arn:aws:workmail:eu-west-1:111122223333:organization/m-0123456789abcdef0123456789abcdef")),
            ("not_replayable", None),
        ] {
            assert_eq!(loaded.text(0, column), value, "{column}: {container}");
        }
        assert_eq!(loaded.flag(0, "mfa"), Some(false));
        assert!(read::time(&loaded.events, "session_created").unwrap().is_valid(0));
    }
}

#[test]
fn quirk_3_query_results_never_say_more_than_their_columns() {
    let resource = |loaded: &Loaded| loaded.text(0, "resource").map(str::to_owned);
    // Where one value ends and the next key begins cannot be told: kept, and unknown.
    let mut columns = query_result();
    columns[10].1 = "{description=x, organizationId=m-0123456789abcdef0123456789abcdef}";
    let loaded = load(&[&csv_of(&columns)]);
    assert!(resource(&loaded).is_none_or(|resource| resource.contains("<?>")), "{:?}", resource(&loaded));
    assert!(loaded.text(0, "request_parameters").unwrap().contains("organizationId=m-"));
    // As JSON it can.
    columns[10].1 = r#"{"description":"x, organizationId=m-1","organizationId":"m-0123456789abcdef0123456789abcdef"}"#;
    assert!(resource(&load(&[&csv_of(&columns)])).unwrap().ends_with("organization/m-0123456789abcdef0123456789abcdef"));
    for missing in ["useridentity", "errorcode", "vpcendpointid", "sourceipaddress", "requestparameters", "awsregion"] {
        let columns: Vec<_> = query_result().into_iter().filter(|(name, _)| *name != missing).collect();
        for container in [csv_of(&columns), json_of(&columns)] {
            let loaded = load(&[&container]);
            assert_eq!(loaded.text(0, "not_replayable"), Some("no_identity"), "{missing}");
            assert_eq!(loaded.flag(0, "request_context_complete"), Some(false), "{missing}");
            let outcome = if missing == "errorcode" { None } else { Some("success") };
            assert_eq!(loaded.text(0, "outcome"), outcome, "without a column for errors nothing says success");
        }
    }
    for broken in ["{type=AssumedRole, arn=", "{type=Root, type=IAMUser}", "erin", "{a={b={c={d={e={f={g={h={i=1}}}}}}}}}"] {
        let mut columns = query_result();
        columns[1].1 = broken;
        let loaded = load(&[&csv_of(&columns)]);
        assert_eq!((loaded.text(0, "not_replayable"), loaded.text(0, "identity_type")), (Some("no_identity"), None), "{broken}");
    }
    let counted = load(&[&json!({"QueryResultRows": [[{"eventName": "A"}, {"_col1": "7"}], [{"_col0": "7"}]]}).to_string()]);
    assert_eq!(counted.reasons(), BTreeMap::from([("no_event_time", 1), ("not_a_record", 1)]));
}

#[test]
fn quirk_5_look_alikes_are_skipped_by_name() {
    let notification =
        |source: &str| json!({"eventSource": source, "eventName": "x", "eventTime": "2026-01-01T00:00:00Z", "awsRegion": "eu-west-1"});
    let sources = ["aws:s3", "aws:dynamodb", "aws:kinesis", "aws:codecommit", "ecs.aliyuncs.com"].map(notification);
    let insight = with(|record| {
        record["eventType"] = json!("AwsCloudTrailInsight");
        record["insightDetails"] = json!({"state": "Start"});
    });
    let loaded = load(&[
        &json!({ "Records": sources }).to_string(),
        &json!({"Records": [insight, record()]}).to_string(),
        &json!({"digestS3Object": "x", "logFiles": []}).to_string(),
    ]);
    assert_eq!(loaded.reasons(), BTreeMap::from([("digest", 1), ("insight", 1), ("not_cloudtrail", 5)]));
    assert_eq!(loaded.counts.events, 1);
    assert!(loaded.skipped.iter().filter(|skipped| skipped.reason == "not_cloudtrail").all(|skipped| skipped.event_time.is_some()));
}

#[test]
fn quirk_6_records_of_documentation_are_often_not_json() {
    let good = record().to_string();
    for broken in [
        r#"{"eventVersion": "1.05" "eventName": "CreateUser"}"#,
        r#"{"eventVersion": "1.05", "eventName": "CreateUser",}"#,
        "{\"eventVersion\": \"1.05\", // a comment\n \"eventName\": \"CreateUser\"}",
        r#"{"eventVersion": "1.05", ... }"#,
        r#"{"eventVersion": "1.05", "userAgent": "a\'b"}"#,
        "{\"eventVersion\": \"1.05\", \"userAgent\": \"a\nb\"}",
        r#"{'eventVersion': '1.05'}"#,
    ] {
        let later = with(|record| record["eventID"] = json!("later")).to_string();
        for text in [format!("{{\"Records\": [{good}, {broken}, {later}]}}"), format!("{good}\n{broken}\n{later}\n")] {
            let loaded = load(&[&text]);
            assert_eq!((loaded.counts.events, loaded.reasons()), (2, BTreeMap::from([("broken_json", 1)])), "{text}");
            let indices: Vec<_> = loaded.skipped.iter().map(|skipped| skipped.index).collect();
            assert_eq!(indices, [Some(1)]);
        }
    }
}

#[test]
fn quirk_7_double_members_deep_and_large_records() {
    let doubled = record().to_string().replacen("\"eventName\":", "\"eventName\":\"Other\",\"eventName\":", 1);
    let loaded = load(&[&doubled]);
    assert_eq!(loaded.text(0, "event_name"), Some("DescribeUser"), "the last one counts");
    let deep: Value = (0..11).fold(json!(1), |inner, _| json!({ "n": inner }));
    let nested = with(|record| record["requestParameters"]["nested"] = deep);
    assert!(load_one(&nested).text(0, "resource").unwrap().ends_with(ORGANIZATION));
    // Deeper than JSON readers go: the parameters are unknown, the record is not lost.
    let abyss = record().to_string().replacen("\"S-1\"", &format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)), 1);
    let loaded = load(&[&abyss]);
    assert_eq!(loaded.counts.events, 1, "{:?}", loaded.skipped);
    assert!(loaded.text(0, "resource").is_none_or(|resource| resource.contains("<?>")));
    let large = with(|record| record["requestParameters"]["text"] = json!("x".repeat(32_000)));
    assert_eq!(load_one(&large).counts.events, 1);
}

#[test]
fn hostile_one_line_of_sixty_megabytes() {
    let records: Vec<String> = (0..4)
        .map(|number| {
            with(|record| {
                record["eventID"] = json!(number);
                record["additionalEventData"] = json!("x".repeat(15_000_000));
            })
            .to_string()
        })
        .collect();
    let text = format!("{{\"Records\":[{}]}}", records.join(","));
    assert!(text.len() > 60_000_000 && !text.contains('\n'));
    let loaded = load(&[&text]);
    assert_eq!((loaded.counts.events, loaded.counts.records), (4, 4));
    assert_eq!(loaded.texts("event_id"), ["0", "1", "2", "3"], "ids may be numbers");
    let cut = load(&[&text[..text.len() - 100]]);
    assert_eq!((cut.counts.events, cut.reasons()), (3, BTreeMap::from([("truncated", 1)])));
}

#[test]
fn quirk_8_versions_are_text_and_newer_members_harmless() {
    let versions = ["1.0", "1.09", "1.11"].map(|version| with(|record| record["eventVersion"] = json!(version)));
    let number = with(|record| record["eventVersion"] = json!(1.08));
    let loaded = load_all(versions.into_iter().chain([number, without("eventVersion")]));
    assert_eq!(loaded.texts("event_version"), ["1.0", "1.09", "1.11", "1.08", "-"]);
    let sessions = [json!("true"), json!(true), json!(null)];
    let loaded = load_all(sessions.map(|flag| {
        with(|record| {
            record["sessionCredentialFromConsole"] = flag;
            record["userIdentity"]["inScopeOf"] = json!({"sourceArn": "x"});
            record["userIdentity"]["onBehalfOf"] = json!({"userId": "x"});
            record["userIdentity"]["credentialId"] = json!("x");
            record["userIdentity"]["invokedByDelegate"] = json!({"accountId": "1"});
            record["tlsDetails"] = json!({"tlsVersion": "TLSv1.3"});
            record["vpcEndpointAccountId"] = json!("111122223333");
        })
    }));
    let flags: Vec<_> = (0..3).map(|row| loaded.flag(row, "console_session")).collect();
    assert_eq!(flags, [Some(true), Some(true), None]);
    assert_eq!((loaded.text(0, "tls"), loaded.text(0, "vpc_endpoint_account_id")), (Some("TLSv1.3"), Some("111122223333")));
}

#[test]
fn quirk_9_members_are_absent() {
    for member in ["eventCategory", "managementEvent", "readOnly", "requestID", "eventID", "userAgent", "responseElements", "awsRegion"] {
        let loaded = load_one(&without(member));
        assert_eq!(loaded.text(0, "not_replayable"), None, "{member}");
    }
    assert_eq!(load_one(&without("eventType")).text(0, "not_replayable"), None);
    let loaded = load_one(&without("recipientAccountId"));
    assert_eq!(loaded.text(0, "account_id"), Some("111122223333"), "the caller's");
    let digest = load_one(&without("eventID")).text(0, "event_id").unwrap().to_owned();
    assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let twice = load(&[&without("eventID").to_string(), &serde_json::to_string_pretty(&without("eventID")).unwrap()]);
    assert_eq!((twice.counts.events, twice.counts.duplicates), (1, 1), "without an id the content is compared");
    let denied = with(|record| record["errorCode"] = json!("AccessDenied"));
    assert_eq!(load_one(&denied).text(0, "outcome"), Some("access_denied"));
    assert_eq!(load_one(&without("userIdentity")).text(0, "not_replayable"), Some("no_identity"));
    let service = identity(json!({"accountId": "111122223333", "invokedBy": "workmail.amazonaws.com"}));
    assert_eq!(load_one(&service).text(0, "not_replayable"), Some("service_event"));
    assert_eq!(load(&[&without("eventTime").to_string()]).reasons(), BTreeMap::from([("no_event_time", 1)]));
}

#[test]
fn quirk_10_identities_of_every_type() {
    let account = json!("111122223333");
    for (value, arn, not_replayable) in [
        (json!({"type": "AWSService", "invokedBy": "kms.amazonaws.com"}), None, None),
        (json!({"type": "AWSAccount", "principalId": "AROA1:s", "accountId": "999988887777"}), None, None),
        (json!({"type": "AWSAccount", "principalId": "ANONYMOUS_PRINCIPAL", "accountId": "ANONYMOUS_PRINCIPAL"}), None, None),
        (
            json!({"type": "Root", "principalId": account, "arn": "arn:aws:iam::111122223333:root", "accountId": account}),
            Some("arn:aws:iam::111122223333:root"),
            None,
        ),
        (json!({"type": "SAMLUser", "principalId": "x:y", "userName": "erin"}), None, Some("unauthenticated")),
        (json!({"type": "WebIdentityUser", "principalId": "x:y"}), None, Some("unauthenticated")),
        (json!({"type": "Unknown", "accountId": account}), None, Some("no_identity")),
        (json!({"type": "IdentityCenterUser", "accountId": account, "onBehalfOf": {"userId": "u"}}), None, Some("no_identity")),
        (
            json!({"type": "Role", "principalId": "AROA1", "arn": "arn:aws:iam::111122223333:role/R"}),
            Some("arn:aws:iam::111122223333:role/R"),
            None,
        ),
        (json!({"type": "IAMUser", "arn": null, "accountId": account, "userName": "x"}), None, Some("no_identity")),
        (
            json!({"type": "IAMUser", "principalid": "AIDA1", "accesKeyId": "AKIA1", "arn": "arn:aws:iam::111122223333:user/e"}),
            Some("arn:aws:iam::111122223333:user/e"),
            None,
        ),
        (json!("erin"), None, Some("no_identity")),
        (json!(null), None, Some("no_identity")),
        (json!([]), None, Some("no_identity")),
        (json!({}), None, Some("no_identity")),
    ] {
        let loaded = load_one(&identity(value.clone()));
        assert_eq!((loaded.text(0, "principal_arn"), loaded.text(0, "not_replayable")), (arn, not_replayable), "{value}");
    }
}

#[test]
fn quirk_11_the_path_of_a_role_is_known_from_the_issuer_only() {
    let session = |context: Value| {
        identity(json!({
            "type": "AssumedRole", "principalId": "AROA1:erin", "arn": "arn:aws:sts::111122223333:assumed-role/Ops/erin",
            "accountId": "111122223333", "sessionContext": context
        }))
    };
    let issuer =
        json!({"type": "Role", "principalId": "AROA1", "arn": "arn:aws:iam::111122223333:role/team/Ops", "accountId": "111122223333"});
    let loaded = load_all([
        session(json!({"sessionIssuer": issuer, "attributes": {"mfaAuthenticated": "true", "creationDate": "2026-01-01T00:00:00Z"}})),
        session(json!({"sessionIssuer": {}})),
        session(json!(null)),
    ]);
    assert_eq!(loaded.texts("session_issuer_arn"), ["arn:aws:iam::111122223333:role/team/Ops", "-", "-"]);
    assert_eq!(loaded.text(0, "principal_arn"), Some("arn:aws:iam::111122223333:role/team/Ops"));
    assert_eq!(loaded.texts("session_name"), ["erin"; 3]);
    assert_eq!(loaded.texts("principal_id"), ["AROA1"; 3]);
    let flags: Vec<_> = (0..3).map(|row| loaded.flag(row, "mfa")).collect();
    assert_eq!(flags, [Some(true), None, None]);
}

#[test]
fn quirk_12_13_14_texts_of_the_network_are_kept_as_they_are() {
    let callers = ["workmail.amazonaws.com", "AWS Internal", "signin.amazonaws.com"];
    let loaded = load_all(callers.map(|by| with(|record| record["userIdentity"]["invokedBy"] = json!(by))));
    assert_eq!(loaded.texts("invoked_by"), callers);
    assert_eq!(loaded.texts("not_replayable"), ["-"; 3], "the caller's policies still decide");
    let addresses =
        ["2001:db8::1", "workmail.eu-west-1.amazonaws.com", "AWS Internal", "xx.xx.xx.xx", "30.*.0.210", "77.88.999.69", "10.0.0.0/8"];
    let loaded = load_all(addresses.map(|address| with(|record| record["sourceIPAddress"] = json!(address))));
    assert_eq!(loaded.texts("source_ip"), addresses);
    assert_eq!(load_one(&without("sourceIPAddress")).text(0, "source_ip"), None);
    let agents = [json!("[aws-cli/2.0]"), json!("kms.amazonaws.com"), json!(""), json!(["a", "b"]), json!(null)];
    let loaded = load_all(agents.map(|agent| with(|record| record["userAgent"] = agent)));
    assert_eq!(loaded.texts("user_agent"), ["[aws-cli/2.0]", "kms.amazonaws.com", "-", "-", "-"]);
}

#[test]
fn quirk_15_times_come_in_several_forms_and_some_are_none() {
    let noon = "2026-01-01T12:00:00Z".parse::<jiff::Timestamp>().unwrap().as_microsecond();
    for (text, microseconds) in
        [("2026-01-01 12:00:00", 0), ("2026-01-01 12:00:00.500", 500_000), ("2026-01-01T13:00:00+01:00", 0), (" 2026-01-01T12:00:00Z ", 0)]
    {
        let loaded = load_one(&with(|record| record["eventTime"] = json!(text)));
        assert_eq!(read::time(&loaded.events, "event_time").unwrap().value(0), noon + microseconds, "{text}");
    }
    for time in [
        json!("0000-01-01T00:00:00Z"),
        json!("9999-12-31T23:59:59Z"),
        json!("292277026596-12-04T15:30:08Z"),
        json!("2026"),
        json!(1767268800),
        json!(null),
        json!({}),
    ] {
        let loaded = load(&[&with(|record| record["eventTime"] = time.clone()).to_string()]);
        assert_eq!((loaded.counts.events, loaded.reasons()), (0, BTreeMap::from([("no_event_time", 1)])), "{time}");
    }
    let session = with(|record| record["userIdentity"]["sessionContext"] = json!({"attributes": {"creationDate": "0000-01-01T00:00:00Z"}}));
    assert!(read::time(&load_one(&session).events, "session_created").unwrap().is_null(0));
}

#[test]
fn quirk_16_parameters_are_an_object_or_not() {
    let values = [
        json!({"organizationId": ORGANIZATION}),
        json!({}),
        json!(null),
        json!("text"),
        json!([1]),
        json!({"omitted": true, "reason": "too large"}),
    ];
    let loaded = load_all(values.map(|value| with(|record| record["requestParameters"] = value)));
    assert_eq!(loaded.texts("request_parameters")[1..], ["{}", "-", "\"text\"", "[1]", r#"{"omitted":true,"reason":"too large"}"#]);
    assert!(loaded.text(0, "resource").unwrap().ends_with(ORGANIZATION));
    for row in 1..6 {
        assert!(loaded.text(row, "resource").is_none_or(|resource| resource.contains("<?>")), "{:?}", loaded.text(row, "resource"));
    }
    let bucket = with(|record| {
        record["eventSource"] = json!("s3.amazonaws.com");
        record["requestParameters"] =
            json!({"bucketName": "b", "Host": "b.s3.amazonaws.com", "acl": "", "list-type": 2, "x-amz-acl": "private"});
        record["additionalEventData"] = json!({"bytesTransferredIn": 0.0, "bytesTransferredOut": 1e300});
    });
    assert_eq!(load_one(&bucket).counts.events, 1);
}

#[test]
fn quirk_17_resources_come_in_several_shapes() {
    let arn = format!("arn:aws:workmail:eu-west-1:111122223333:organization/{ORGANIZATION}");
    let lists = [
        (json!([{"ARN": arn, "accountId": "111122223333", "type": "AWS::WorkMail::Organization"}]), true),
        (json!([{"arn": arn}]), true),
        (json!({"ARN": arn}), true),
        (json!([{"ARN": arn}, {"ARN": "arn:aws:kms:eu-west-1:111122223333:key/k"}]), true),
        (json!([{"ARN": arn}, {"ARN": arn.replace("m-0", "m-1")}]), false),
        (json!([{"ARNPrefix": arn}]), false),
        (json!(""), false),
        (json!([]), false),
        (json!(null), false),
    ];
    for (list, is_known) in lists {
        let loaded = load_one(&with(|record| (record["resources"], record["requestParameters"]) = (list.clone(), json!(null))));
        let known = loaded.text(0, "resource") == Some(arn.as_str());
        assert_eq!(known, is_known, "{list}: {:?}", loaded.text(0, "resource"));
    }
}

#[test]
fn quirk_18_what_is_masked_is_unknown() {
    for hidden in ["HIDDEN_DUE_TO_SECURITY_REASONS", "***", "m-0123***"] {
        let loaded = load_one(&with(|record| record["requestParameters"]["organizationId"] = json!(hidden)));
        let resource = loaded.text(0, "resource");
        assert!(resource.is_none_or(|resource| resource.contains("<?>")), "{hidden}: {resource:?}");
    }
    let cut =
        identity(json!({"type": "AssumedRole", "principalId": "***:erin", "arn": "arn***/assumed-role/Ops/erin", "accountId": "12345"}));
    let loaded = load_one(&cut);
    assert_eq!(loaded.text(0, "principal_arn"), None);
    assert_eq!(loaded.text(0, "session_name"), Some("erin"));
    let placeholder =
        identity(json!({"type": "IAMUser", "principalId": "AIDA1", "arn": "arn:aws:iam::<account>:user/erin", "accountId": "<account>"}));
    assert_eq!(load_one(&placeholder).counts.events, 1);
}

#[test]
fn quirk_19_names_of_events_are_not_names_of_actions() {
    for (source, name, action) in [
        ("lambda.amazonaws.com", "ListFunctions20150331", "lambda:ListFunctions"),
        ("lambda.amazonaws.com", "UpdateFunctionCode20150331v2", "lambda:UpdateFunctionCode"),
        ("cloudfront.amazonaws.com", "CreateFunction2020_05_31", "cloudfront:CreateFunction"),
        ("monitoring.amazonaws.com", "GetMetricData", "cloudwatch:GetMetricData"),
        ("tagging.amazonaws.com", "GetResources", "tag:GetResources"),
        ("email.amazonaws.com", "SendEmail", "ses:SendEmail"),
        ("workmailMessageFlow.amazonaws.com", "GetRawMessageContent", "workmailmessageflow:GetRawMessageContent"),
        (" workmail.amazonaws.com", "DescribeUser", "workmail:DescribeUser"),
        ("workmail.amazonaws.com", "describeUser", "workmail:DescribeUser"),
        ("route53domains.amazonaws.com", "updateDomainContact", "route53domains:UpdateDomainContact"),
    ] {
        let loaded = load_one(&with(|record| (record["eventSource"], record["eventName"]) = (json!(source), json!(name))));
        assert_eq!(loaded.text(0, "action"), Some(action), "{source} {name}");
        assert_eq!(loaded.text(0, "event_source"), Some(source.trim()));
        assert_eq!(loaded.text(0, "event_name"), Some(name));
    }
    // Guesses: marked as such.
    for (source, name) in [
        ("apigateway.amazonaws.com", "GetRestApis"),
        ("s3.amazonaws.com", "HeadBucket"),
        ("sso.amazonaws.com", "https://x.awsapps.com/start/"),
    ] {
        let loaded = load_one(&with(|record| (record["eventSource"], record["eventName"]) = (json!(source), json!(name))));
        assert_eq!(loaded.text(0, "mapping_source"), Some("rule"), "{source} {name}");
    }
    for name in ["ConsoleLogin", "CheckMfa", "GetSigninToken"] {
        let loaded = load_one(&with(|record| (record["eventSource"], record["eventName"]) = (json!("signin.amazonaws.com"), json!(name))));
        assert_eq!(loaded.text(0, "not_replayable"), Some("sign_in"), "{name}");
    }
}

fn failed(code: &str, message: Option<&str>) -> Loaded {
    load_one(&with(|record| {
        record["errorCode"] = json!(code);
        record["requestParameters"] = json!(null);
        if let Some(message) = message {
            record["errorMessage"] = json!(message);
        }
    }))
}

#[test]
fn quirk_20_denials_and_what_their_messages_tell() {
    for code in [
        "AccessDenied",
        "Client.UnauthorizedOperation",
        "AccessDeniedException",
        "UnauthorizedOperation",
        "VpceAccessDenied",
        "ForbiddenException",
        "UnauthorizedException",
    ] {
        assert_eq!(failed(code, None).text(0, "outcome"), Some("access_denied"), "{code}");
    }
    assert_eq!(failed("Client.DryRunOperation", None).text(0, "outcome"), Some("success"));
    let arn = format!("arn:aws:workmail:eu-west-1:111122223333:organization/{ORGANIZATION}");
    let who = "User: arn:aws:iam::111122223333:user/mail/erin is not authorized to perform: workmail:DescribeUser";
    for (message, denied_by, resource) in [
        ("Access Denied".to_owned(), None, None),
        ("Encoded authorization failure message: 5dVQ".to_owned(), None, None),
        (
            format!("{who} on resource: {arn} because no identity-based policy allows the workmail:DescribeUser action"),
            Some("identity"),
            Some(arn.as_str()),
        ),
        (format!("{who} on resource: {arn} with an explicit deny in a service control policy"), Some("scp"), Some(arn.as_str())),
        (
            format!("{who} on resource: {arn} because no resource-based policy allows the workmail:DescribeUser action"),
            Some("resource"),
            Some(arn.as_str()),
        ),
        (format!("{who} on resource: user erin because no identity-based policy allows it"), Some("identity"), None),
        (format!("{who} because public policies are blocked by the BlockPublicPolicy block public access setting"), None, None),
    ] {
        let loaded = failed("AccessDenied", Some(&message));
        assert_eq!(loaded.text(0, "denied_by"), denied_by, "{message}");
        match resource {
            Some(resource) => assert_eq!(loaded.text(0, "resource"), Some(resource), "{message}"),
            None => assert!(loaded.text(0, "resource").is_none_or(|resource| resource.contains("<?>")), "{message}"),
        }
        assert_eq!(loaded.text(0, "action"), Some("workmail:DescribeUser"), "{message}");
    }
    let topics = load_one(&with(|record| {
        (record["eventSource"], record["eventName"], record["errorCode"]) =
            (json!("sns.amazonaws.com"), json!("ListTopics"), json!("AccessDenied"));
        record["errorMessage"] =
            json!("User: x is not authorized to perform: SNS:ListTopics on resource: arn:aws:sns:eu-west-1:111122223333:*");
    }));
    assert_eq!(topics.text(0, "action"), Some("sns:ListTopics"), "upper-case prefix");
}

#[test]
fn quirk_21_other_errors_prove_nothing() {
    for code in ["NoSuchBucketPolicy", "ThrottlingException", "EntityNotFoundException", "ValidationException", "KMSAccessDeniedException"]
    {
        let loaded = failed(code, None);
        assert_eq!((loaded.text(0, "outcome"), loaded.text(0, "not_replayable")), (Some("other_error"), None), "{code}");
    }
    assert_eq!(failed("ExpiredToken", None).text(0, "not_replayable"), Some("unauthenticated"));
}

#[test]
fn quirk_22_calls_of_services_are_rows_like_any_other() {
    let service = identity(json!({"type": "AWSService", "invokedBy": "kms.amazonaws.com"}));
    let loaded = load_all([service.clone(), service.clone(), service, record()]);
    assert_eq!(loaded.texts("identity_type"), ["AWSService", "AWSService", "AWSService", "IAMUser"]);
    assert_eq!(loaded.counts.skipped, 0);
}

#[test]
fn hostile_ids_names_and_controls_cost_at_most_themselves() {
    let ids = [json!(7), json!(1.5), json!(true), json!(null), json!({"a": 1}), json!([1])];
    let records: Vec<Value> = ids
        .into_iter()
        .enumerate()
        .map(|(second, id)| {
            with(|record| {
                record["eventTime"] = json!(format!("2026-01-01T00:00:{second:02}Z"));
                record["eventID"] = id;
            })
        })
        .collect();
    let loaded = load(&[&json!({ "Records": records }).to_string()]);
    assert_eq!(loaded.texts("event_id")[..3], ["7", "1.5", "true"]);
    assert!(loaded.texts("event_id")[3..].iter().all(|id| id.len() == 64), "no id: the content's digest");
    let controls = with(|record| record["eventName"] = json!("a\u{0}\u{1b}[31m\u{202e}"));
    assert_eq!(load_one(&controls).text(0, "event_name"), Some("a\u{0}\u{1b}[31m\u{202e}"));
    let escaped = record().to_string().replace("aws-cli/2.0", "\\ud800");
    let loaded = load(&[&format!("{escaped}\n{}", record())]);
    assert_eq!((loaded.counts.events, loaded.reasons()), (1, BTreeMap::from([("broken_json", 1)])));
}
