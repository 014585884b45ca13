//! Quirks 1 to 7: files, containers, look-alikes, broken and hostile text.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Loaded, ORGANIZATION, load, load_one, record, with};

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
    // Logstash's codec makes `@timestamp` of `eventTime`; another time is not taken for it.
    let without_time = |more: Value| {
        let record = with(|record| {
            record.as_object_mut().unwrap().remove("eventTime");
            record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        });
        load(&[&record.to_string()])
    };
    let logstash = without_time(json!({"@version": "1", "@timestamp": "2026-01-01T12:00:00Z"}));
    assert_eq!(logstash.events.column_by_name("event_time"), plain.events.column_by_name("event_time"), "{:?}", logstash.skipped);
    let loaded = without_time(json!({"@timestamp": "2026-01-01T12:00:00Z"}));
    assert_eq!((loaded.reasons(), loaded.counts.events), (BTreeMap::from([("no_event_time", 1)]), 0));
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
        r#"{'eventVersion': '1.05' 'eventName': x}"#,
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
}

#[test]
fn hostile_halves_of_characters_cost_only_themselves() {
    let cut = |id: &str, from: &str, to: &str| with(|record| record["eventID"] = json!(id)).to_string().replace(from, to);
    let organization = record()["requestParameters"]["organizationId"].as_str().unwrap().to_owned();
    let texts = [
        cut("1", "aws-cli/2.0", r"agent \ud83d"),
        cut("2", "aws-cli/2.0", r"\\ud83d \ud83d\ude00"),
        cut("3", &organization, r"m-\udc00"),
        cut("4", "aws-cli/2.0", r"\ude00\ud83d"),
    ];
    for text in [texts.join("\n"), format!("{{\"Records\":[{}]}}", texts.join(","))] {
        let loaded = load(&[&text]);
        assert_eq!(loaded.counts.events, 4, "{:?}", loaded.skipped);
        assert_eq!(loaded.texts("user_agent"), ["agent \u{fffd}", "\\ud83d \u{1f600}", "aws-cli/2.0", "\u{fffd}\u{fffd}"]);
        assert!(loaded.text(2, "request_parameters").unwrap().contains(r#""m-\ufffd""#), "{:?}", loaded.text(2, "request_parameters"));
        assert!(loaded.text(2, "resource").unwrap().contains("m-\u{fffd}"), "{:?}", loaded.text(2, "resource"));
    }
}

#[test]
fn hostile_secrets_are_not_quoted() {
    let broken =
        r#"{"eventVersion":"1.08","responseElements":{"credentials":{"secretAccessKey":"wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY",}}}"#;
    let texts =
        [broken, r#"["sessionToken=FwoGZXIvYXdzEXAMPLE secretAccessKey=abcEXAMPLE"]"#, r#"{"password": "p4ssEXAMPLE", "eventTime": }"#];
    let loaded = load(&texts);
    assert_eq!(loaded.counts.skipped, 3);
    assert!(loaded.skipped.iter().all(|row| !row.detail.contains("EXAMPLE")), "{:?}", loaded.skipped);
    assert!(loaded.skipped.iter().all(|row| row.detail.contains("**")), "{:?}", loaded.skipped);
}
