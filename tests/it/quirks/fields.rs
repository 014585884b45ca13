//! Quirks 8 to 18: members of a record.

use std::collections::BTreeMap;

use retrial::arrow::array::{Array as _, AsArray as _};
use retrial::frame::read;
use serde_json::{Value, json};

use super::{ORGANIZATION, identity, load, load_all, load_one, with, without};

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
    // What is not there is unknown: an ARN has no empty part in its place.
    let resource = |record: &Value| load_one(record).text(0, "resource").unwrap().to_owned();
    assert!(resource(&without("awsRegion")).starts_with("arn:aws:workmail:<?>:111122223333:organization/"));
    let mut nobody = without("awsRegion");
    nobody["userIdentity"] = Value::Null;
    nobody["recipientAccountId"] = Value::Null;
    assert!(resource(&nobody).starts_with("arn:<?>:workmail:<?>:<?>:organization/"), "{}", resource(&nobody));
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
        (json!({"type": "Root", "principalId": account, "accountId": account}), Some("arn:aws:iam::111122223333:root"), None),
        (
            json!({"type": "Unknown", "arn": "arn:aws:sts::111122223333:assumed-role/Ops/erin"}),
            Some("arn:aws:iam::111122223333:role/Ops"),
            Some("no_identity"),
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
fn quirk_10_ids_are_whole_however_they_are_spelled() {
    for (value, id, session) in [
        (json!({"type": "AssumedRole", "principalId": "AROA1:erin"}), Some("AROA1"), Some("erin")),
        (json!({"type": "AWSAccount", "principalId": "AROA1:erin"}), Some("AROA1:erin"), None),
        (json!({"type": "WebIdentityUser", "principalId": "accounts.google.com:a:b"}), Some("accounts.google.com:a:b"), None),
        (json!({"type": "IAMUser", "principalid": "AIDA1"}), Some("AIDA1"), None),
        (json!({"type": "IAMUser", "principalid": "AIDA2", "principalId": "AIDA1"}), Some("AIDA1"), None),
    ] {
        let loaded = load_one(&identity(value.clone()));
        assert_eq!((loaded.text(0, "principal_id"), loaded.text(0, "session_name")), (id, session), "{value}");
    }
    for name in ["accessKeyId", "accesskeyid", "accesKeyId"] {
        let loaded = load_one(&identity(json!({"type": "IAMUser", "principalId": "AIDA1", name: "AKIA1"})));
        assert_eq!(loaded.text(0, "access_key_id"), Some("AKIA1"), "{name}");
    }
}

#[test]
fn quirk_9_the_account_of_a_caller_of_another_account_is_not_that_of_the_resource() {
    let mut record = identity(json!({"type": "AWSAccount", "principalId": "AROA1:s", "accountId": "444455556666"}));
    record["recipientAccountId"] = Value::Null;
    let loaded = load_one(&record);
    assert_eq!(loaded.text(0, "account_id"), None);
    assert!(loaded.text(0, "resource").unwrap().starts_with("arn:aws:workmail:eu-west-1:<?>:organization/"));
}

#[test]
fn the_partition_is_that_of_the_region() {
    for (region, partition) in [
        ("eu-west-1", "aws"),
        ("cn-north-1", "aws-cn"),
        ("us-gov-west-1", "aws-us-gov"),
        ("us-iso-east-1", "aws-iso"),
        ("us-isob-east-1", "aws-iso-b"),
        ("eusc-de-east-1", "aws-eusc"),
    ] {
        let loaded = load_one(&with(|record| record["awsRegion"] = json!(region)));
        assert!(loaded.text(0, "resource").unwrap().starts_with(&format!("arn:{partition}:workmail:{region}:")), "{region}");
    }
}

#[test]
fn quirk_16_objects_may_be_texts() {
    for name in ["requestParameters", "responseElements", "resources", "userIdentity"] {
        let whole = with(|record| {
            record["responseElements"] = json!({"a": 1});
            record["resources"] = json!([{"ARN": "arn:aws:workmail:eu-west-1:111122223333:organization/m-1"}]);
        });
        let mut texts = whole.clone();
        texts[name] = json!(whole[name].to_string());
        let (whole, texts) = (load_one(&whole), load_one(&texts));
        for column in ["resource", "resource_source", "principal_arn", "request_parameters", "event_id"] {
            assert_eq!(texts.text(0, column), whole.text(0, column), "{name}: {column}");
        }
    }
}

#[test]
fn quirk_17_a_resource_may_be_in_another_account_and_an_alias_stands_for_its_key() {
    let resource = |parameters: Value, listed: Value| {
        let loaded = load_one(&with(|record| {
            record["eventSource"] = json!("kms.amazonaws.com");
            record["eventName"] = json!("Decrypt");
            record["requestParameters"] = parameters;
            record["resources"] = listed;
        }));
        (loaded.text(0, "resource").unwrap().to_owned(), loaded.text(0, "resource_source").unwrap().to_owned())
    };
    let key = |account: &str| format!("arn:aws:kms:eu-west-1:{account}:key/1a2b");
    let listed = |account: &str| json!([{"ARN": key(account), "accountId": account, "type": "AWS::KMS::Key"}]);
    let (other, record, partial) = ("999988887777", "record".to_owned(), "partial".to_owned());
    assert_eq!(resource(json!({"a": "b"}), listed(other)), (key(other), record.clone()));
    let alias = json!({"keyId": format!("arn:aws:kms:eu-west-1:{other}:alias/x")});
    assert_eq!(resource(alias.clone(), listed(other)), (key(other), record));
    assert_eq!(resource(alias, json!(null)), (format!("arn:aws:kms:eu-west-1:{other}:key/<?>"), partial));
}

#[test]
fn tags_that_are_no_list_are_unknown() {
    for tags in [json!("omitted"), json!("[{\"key\":\"a\",\"value\":\"b\"}]"), json!({"key": "a", "value": "b"})] {
        let loaded = load_one(&with(|record| {
            record["eventName"] = json!("TagResource");
            record["requestParameters"] = json!({"resourceARN": "arn:aws:workmail:eu-west-1:111122223333:organization/m-1", "tags": tags});
        }));
        assert_eq!(
            (loaded.unknown_keys(0), loaded.flag(0, "request_context_complete")),
            (vec!["aws:tagkeys".to_owned()], Some(false)),
            "{tags}"
        );
    }
}

#[test]
fn a_role_that_is_passed_is_checked_where_it_cannot_be_read() {
    let checks = |name: &str, parameters: Value| {
        let loaded = load_one(&with(|record| {
            record["eventName"] = json!(name);
            record["requestParameters"] = parameters;
        }));
        let checks = read::list(&loaded.events, "more_checks").unwrap().value(0);
        let checks = checks.as_struct();
        let of = |name: &str| read::get(read::field(checks, name).unwrap(), 0).map(str::to_owned);
        (checks.len() > 0).then(|| (of("action").unwrap(), of("resource")))
    };
    let pass = |resource: Option<&str>| Some(("iam:PassRole".to_owned(), resource.map(str::to_owned)));
    let role = "arn:aws:iam::111122223333:role/Export";
    for (name, value, wanted) in [
        ("StartMailboxExportJob", json!(role), pass(Some(role))),
        ("StartMailboxExportJob", json!("HIDDEN_DUE_TO_SECURITY_REASONS"), pass(None)),
        ("StartMailboxExportJob", json!("arn***role"), pass(None)),
        ("StartMailboxExportJob", json!([role, role]), pass(None)),
        // There is no such call without a role, but others are.
        ("StartMailboxExportJob", json!(null), pass(None)),
        ("PutEmailMonitoringConfiguration", json!(role), pass(Some(role))),
        ("PutEmailMonitoringConfiguration", json!("HIDDEN_DUE_TO_SECURITY_REASONS"), pass(None)),
        ("PutEmailMonitoringConfiguration", json!(null), None),
    ] {
        assert_eq!(checks(name, json!({"organizationId": "m-1", "roleArn": value})), wanted, "{name} {value}");
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
    for number in [json!(1_767_268_800), json!("1767268800"), json!(1_767_268_800_000i64), json!(1_767_268_800_000_000i64)] {
        let loaded = load_one(&with(|record| record["eventTime"] = number.clone()));
        assert_eq!(read::time(&loaded.events, "event_time").unwrap().value(0), noon, "{number}");
    }
    for time in [
        json!("0000-01-01T00:00:00Z"),
        json!("9999-12-31T23:59:59Z"),
        json!("292277026596-12-04T15:30:08Z"),
        json!("2026"),
        json!(20260101),
        json!(1767268800.5),
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
    for account in ["XXXXXXXXXXXX", "1122223333", "<account>"] {
        let loaded = load_one(&with(|record| record["recipientAccountId"] = json!(account)));
        assert!(loaded.text(0, "resource").unwrap().starts_with("arn:aws:workmail:eu-west-1:<?>:organization/"), "{account}");
        assert_eq!((loaded.text(0, "account_id"), loaded.text(0, "resource_source")), (Some(account), Some("partial")));
    }
    let placeholder =
        identity(json!({"type": "IAMUser", "principalId": "AIDA1", "arn": "arn:aws:iam::<account>:user/erin", "accountId": "<account>"}));
    assert_eq!(load_one(&placeholder).counts.events, 1);
}

/// The further checks of a call, with their resources.
fn checks(record: &Value) -> Vec<(String, Option<String>)> {
    let loaded = load_one(record);
    let checks = read::list(&loaded.events, "more_checks").unwrap().value(0);
    let checks = checks.as_struct();
    let of = |row: usize, name: &str| read::get(read::field(checks, name).unwrap(), row).map(str::to_owned);
    (0..checks.len()).map(|row| (of(row, "action").unwrap(), of(row, "resource"))).collect()
}

fn call(source: &str, name: &str, parameters: &Value) -> Value {
    with(|record| {
        (record["eventSource"], record["eventName"]) = (json!(source), json!(name));
        record["requestParameters"] = parameters.clone();
    })
}

#[test]
fn tags_that_a_call_gives_need_a_permission_of_their_own() {
    let tags = json!([{"key": "Team", "value": "mail"}]);
    let role = "arn:aws:iam::444455556666:role/Ops";
    let check = |action: &str, resource: Option<&str>| (action.to_owned(), resource.map(str::to_owned));
    for (source, name, parameters, wanted) in [
        ("sts", "AssumeRole", json!({"roleArn": role, "roleSessionName": "a"}), vec![]),
        (
            "sts",
            "AssumeRole",
            json!({"roleArn": role, "roleSessionName": "a", "tags": tags, "sourceIdentity": "erin"}),
            vec![check("sts:TagSession", Some(role)), check("sts:SetSourceIdentity", Some(role))],
        ),
        ("sts", "AssumeRole", json!({"roleArn": role, "tags": []}), vec![]),
        (
            "iam",
            "CreateRole",
            json!({"roleName": "Ops", "tags": tags}),
            vec![check("iam:TagRole", Some("arn:aws:iam::111122223333:role/Ops"))],
        ),
        ("iam", "CreateRole", json!({"roleName": "Ops"}), vec![]),
        // Who makes a key names none.
        ("kms", "CreateKey", json!({"tags": tags}), vec![check("kms:TagResource", Some("arn:aws:kms:<?>:<?>:key/<?>"))]),
        // It cannot be seen whether there were tags.
        ("iam", "CreateRole", json!({"omitted": true}), vec![check("iam:TagRole", None)]),
    ] {
        let record = call(&format!("{source}.amazonaws.com"), name, &parameters);
        assert_eq!(checks(&record), wanted, "{name} {parameters}");
    }
}

#[test]
fn the_account_of_a_resource_is_not_guessed() {
    let resource = |source: &str, name: &str, parameters: Value, listed: Value| {
        let mut record = call(&format!("{source}.amazonaws.com"), name, &parameters);
        record["resources"] = listed;
        load_one(&record).text(0, "resource").unwrap_or("-").to_owned()
    };
    let (own, other) = ("arn:aws:kms:eu-west-1:111122223333:key/own", "arn:aws:kms:eu-west-1:444455556666:key/other");
    let both = json!([{"ARN": other, "accountId": "444455556666"}, {"ARN": own, "accountId": "111122223333"}]);
    let group = "arn:aws:logs:us-west-2:444455556666:log-group:G";
    for (source, name, parameters, listed, wanted) in [
        ("kms", "ReEncrypt", json!(null), both.clone(), other),
        ("kms", "Decrypt", json!(null), both, "arn:aws:kms:<?>:<?>:key/<?>"),
        ("kms", "Decrypt", json!(null), json!([{"ARN": own}, {"ARN": own}]), own),
        ("kms", "DescribeKey", json!({"keyId": "k-1"}), json!(null), "arn:aws:kms:eu-west-1:111122223333:key/k-1"),
        ("sts", "AssumeRole", json!(null), json!([{"ARN": "arn:aws:iam::444455556666:role/x"}]), "arn:aws:iam::444455556666:role/x"),
        ("sts", "AssumeRole", json!({"omitted": true}), json!(null), "arn:aws:iam::<?>:role/<?><?>"),
        (
            "logs",
            "GetLogEvents",
            json!({"logGroupIdentifier": group, "logStreamName": "s"}),
            json!(null),
            "arn:aws:logs:us-west-2:444455556666:log-group:G:log-stream:s",
        ),
        (
            "logs",
            "GetLogEvents",
            json!({"logGroupIdentifier": "G", "logStreamName": "s"}),
            json!(null),
            "arn:aws:logs:eu-west-1:111122223333:log-group:G:log-stream:s",
        ),
        ("route53", "GetHostedZone", json!({"id": "/hostedzone/Z1"}), json!(null), "arn:aws:route53:::hostedzone/Z1"),
        ("iam", "ListRoles", json!({"maxItems": 5}), json!(null), "arn:aws:iam::111122223333:role/"),
        ("iam", "ListUsers", json!({"pathPrefix": "/mail/"}), json!(null), "arn:aws:iam::111122223333:user/mail/"),
        ("iam", "ListGroups", json!(null), json!(null), "arn:aws:iam::111122223333:group/<?>"),
    ] {
        assert_eq!(resource(source, name, parameters.clone(), listed), wanted, "{name} {parameters}");
    }
}

#[test]
fn a_denial_of_something_that_the_call_needs_beside_leaves_its_own_action() {
    let denied = |source: &str, name: &str, named: &str| {
        let mut record = call(source, name, &json!({}));
        record["errorCode"] = json!("AccessDenied");
        record["errorMessage"] = json!(format!(
            "User: arn:aws:iam::111122223333:user/u is not authorized to perform: {named} on resource: arn:aws:iam::111122223333:role/r"
        ));
        (load_one(&record).text(0, "action").unwrap().to_owned(), checks(&record).into_iter().map(|(action, _)| action).collect::<Vec<_>>())
    };
    for (source, name, named, action, further) in [
        ("ec2.amazonaws.com", "RunInstances", "iam:PassRole", "ec2:RunInstances", vec!["iam:PassRole"]),
        ("ec2.amazonaws.com", "RunInstances", "ec2:CreateTags", "ec2:RunInstances", vec!["ec2:CreateTags"]),
        ("secretsmanager.amazonaws.com", "GetSecretValue", "kms:Decrypt", "secretsmanager:GetSecretValue", vec!["kms:Decrypt"]),
        // Other names of the same.
        ("apigateway.amazonaws.com", "GetRestApis", "apigateway:GET", "apigateway:GET", vec![]),
        ("new.amazonaws.com", "CreateUser", "new-data:CreateUser", "new-data:CreateUser", vec![]),
        ("cloudcontrolapi.amazonaws.com", "GetResource", "cloudformation:GetResource", "cloudformation:GetResource", vec![]),
        ("ds.amazonaws.com", "ListUsers", "ds-data:ListUsers", "ds-data:ListUsers", vec!["ds:AccessDSData"]),
    ] {
        assert_eq!(denied(source, name, named), (action.to_owned(), further.into_iter().map(str::to_owned).collect()), "{named}");
    }
}

#[test]
fn the_prefix_of_a_service_is_not_always_the_beginning_of_its_event_source() {
    let action = |source: &str, name: &str, parameters: Value| {
        let record = with(|record| {
            record["eventSource"] = json!(format!("{source}.amazonaws.com"));
            record["eventName"] = json!(name);
            record["requestParameters"] = parameters;
        });
        load_one(&record).text(0, "action").unwrap().to_owned()
    };
    for (source, name, expected) in [
        ("ec2", "RunInstances", "ec2:RunInstances"),
        ("metering-marketplace", "BatchMeterUsage", "aws-marketplace:BatchMeterUsage"),
        ("agreement-marketplace", "AcceptAgreementRequest", "aws-marketplace:AcceptAgreementRequest"),
        ("servicecatalog-appregistry", "CreateApplication", "servicecatalog:CreateApplication"),
        ("runtime.sagemaker", "InvokeEndpoint", "sagemaker:InvokeEndpoint"),
        ("models.lex", "PutBot", "lex:PutBot"),
        ("rdsdata", "ExecuteStatement", "rds-data:ExecuteStatement"),
        ("autoscaling", "PutScalingPolicy", "autoscaling:PutScalingPolicy"),
    ] {
        assert_eq!(action(source, name, json!({"x": 1})), expected);
    }
    let scaled = json!({"serviceNamespace": "ec2", "scalableDimension": "ec2:spot-fleet-request:TargetCapacity"});
    assert_eq!(action("autoscaling", "PutScalingPolicy", scaled), "application-autoscaling:PutScalingPolicy");
}

#[test]
fn a_message_without_a_code_is_of_a_call_that_failed() {
    for (message, outcome) in [
        ("User: arn:aws:iam::111122223333:user/u is not authorized to perform: kms:ListKeys on resource: *", "access_denied"),
        ("Failed authentication", "other_error"),
    ] {
        let record = with(|record| record["errorMessage"] = json!(message));
        assert_eq!(load_one(&record).text(0, "outcome"), Some(outcome), "{message}");
    }
}

#[test]
fn only_what_a_service_does_unasked_is_a_service_event() {
    for (kind, reason) in [
        ("AwsApiCall", None),
        ("AwsServiceEvent", Some("service_event")),
        ("AwsConsoleAction", Some("not_an_api_call")),
        ("AwsMcpEvent", Some("not_an_api_call")),
        ("AwsConsoleSignIn", Some("sign_in")),
        ("AwsVpceEvents", Some("network_activity")),
    ] {
        let record = with(|record| record["eventType"] = json!(kind));
        assert_eq!(load_one(&record).text(0, "not_replayable"), reason, "{kind}");
    }
}

#[test]
fn what_aws_does_for_itself_in_an_account_is_nobodys_role() {
    let loaded = load_one(&identity(json!({
        "type": "AssumedRole", "principalId": "715248393954:aws:ec2-infrastructure:i-0c9d", "accountId": "715248393954",
        "arn": "arn:aws:sts::715248393954:assumed-role/aws:ec2-infrastructure/i-0c9d",
        "sessionContext": {"sessionIssuer": {
            "type": "Role", "principalId": "715248393954:aws:ec2-infrastructure",
            "arn": "arn:aws:iam::715248393954:role/aws:ec2-infrastructure", "accountId": "715248393954", "userName": "aws:ec2-infrastructure"
        }}
    })));
    assert_eq!(loaded.text(0, "not_replayable"), Some("service_linked_role"));
    assert_eq!(
        (loaded.text(0, "principal_id"), loaded.text(0, "session_name")),
        (Some("715248393954:aws:ec2-infrastructure"), Some("i-0c9d"))
    );
    // An ARN without a session names none.
    let nameless =
        load_one(&identity(json!({"type": "AssumedRole", "principalId": "AROA1", "arn": "arn:aws:sts::111122223333:assumed-role/tester"})));
    assert_eq!((nameless.text(0, "session_name"), nameless.text(0, "principal_id")), (None, Some("AROA1")));
}
