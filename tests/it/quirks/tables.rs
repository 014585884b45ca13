//! Quirks 3 and 4: tables and query results, which hold less than a record.

use std::collections::BTreeMap;

use retrial::arrow::array::Array as _;
use retrial::catalog::Catalog;
use retrial::frame::read;
use retrial::progress::Silent;
use retrial::replay::{Options, replay};
use serde_json::{Value, json};

use super::{Loaded, load};

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
fn quirk_14_a_user_agent_in_brackets_is_a_text_in_every_table() {
    const AGENT: &str = "[AWSCloudTrail, aws-internal/3 aws-sdk-java/1.11.920]";
    let mut columns = query_result();
    columns.iter_mut().filter(|(name, _)| name.eq_ignore_ascii_case("userAgent")).for_each(|(_, cell)| *cell = AGENT);
    let history = format!(
        "{NEW_HEADER}\nerin,AKIAEXAMPLE,2026-01-01T12:00:00Z,workmail.amazonaws.com,DescribeUser,eu-west-1,192.0.2.7,\"{AGENT}\",,,r-1,e-1,true,AwsApiCall,111122223333,Management\n"
    );
    for container in [csv_of(&columns), json_of(&columns), history] {
        assert_eq!(load(&[&container]).text(0, "user_agent"), Some(AGENT), "{container}");
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
    for missing in ["sourceipaddress", "requestparameters"] {
        let columns: Vec<_> = query_result().into_iter().filter(|(name, _)| *name != missing).collect();
        for container in [csv_of(&columns), json_of(&columns)] {
            let loaded = load(&[&container]);
            assert_eq!(loaded.text(0, "not_replayable"), None, "{missing}");
            assert_eq!(loaded.text(0, "source_ip").is_none(), missing == "sourceipaddress");
            assert_eq!(resource(&loaded).unwrap().contains("<?>"), missing == "requestparameters");
            assert_eq!(loaded.flag(0, "request_context_complete"), Some(missing == "sourceipaddress"), "{missing}");
        }
    }
    for missing in ["useridentity", "errorcode", "vpcendpointid", "awsregion"] {
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
fn quirk_3_what_a_struct_has_no_place_for_is_not_absent() {
    let listed = |columns: &[(&str, &str)]| {
        let loaded = load(&[&csv_of(columns)]);
        assert_eq!(loaded.text(0, "not_replayable"), None);
        loaded.unknown_keys(0)
    };
    let all = [("sessioncredentialfromconsole", "")];
    let mut columns = [query_result(), all.to_vec()].concat();
    // Here `assumedRoot` has no place; what is null is absent.
    assert_eq!(listed(&columns), ["aws:assumedroot"]);
    columns[1].1 =
        "{type=IAMUser, principalid=AIDAEXAMPLE, arn=arn:aws:iam::111122223333:user/bob, accountid=111122223333, sessioncontext=null}";
    assert_eq!(listed(&columns), ["aws:calledvia", "aws:calledviafirst", "aws:calledvialast", "aws:viaawsservice"]);
    // A whole record has everything, whoever printed it.
    for whole in [
        r#"{"type":"IAMUser","principalId":"AIDAEXAMPLE","arn":"arn:aws:iam::111122223333:user/bob","accountId":"111122223333"}"#,
        "{'type': 'IAMUser', 'principalId': 'AIDAEXAMPLE', 'arn': 'arn:aws:iam::111122223333:user/bob', 'accountId': '111122223333'}",
    ] {
        columns[1].1 = whole;
        let loaded = load(&[&csv_of(&columns)]);
        assert_eq!(loaded.text(0, "principal_arn"), Some("arn:aws:iam::111122223333:user/bob"), "{whole}");
        assert_eq!(listed(&columns), [""; 0], "{whole}");
    }
}

#[test]
fn tables_of_data_frames_are_read_with_a_column_for_each_member_or_dictionaries() {
    let columns = [
        ("eventVersion", "1.08"),
        ("eventTime", "2026-01-01T12:00:00Z"),
        ("eventSource", "workmail.amazonaws.com"),
        ("eventName", "TagResource"),
        ("awsRegion", "eu-west-1"),
        ("sourceIPAddress", "192.0.2.7"),
        ("errorCode", ""),
        ("errorMessage", ""),
        ("eventID", "e-1"),
        ("eventType", "AwsApiCall"),
        ("recipientAccountId", "111122223333.0"),
        ("vpcEndpointId", ""),
        ("userIdentity.type", "AssumedRole"),
        ("userIdentity.principalId", "AROAEXAMPLE:erin"),
        ("userIdentity.arn", "arn:aws:sts::111122223333:assumed-role/MailAdmin/erin"),
        ("userIdentity.invokedBy", ""),
        ("userIdentity.sessionContext.sessionIssuer.arn", "arn:aws:iam::111122223333:role/ops/MailAdmin"),
        ("userIdentity.sessionContext.attributes.mfaAuthenticated", "true"),
    ];
    let arn = "arn:aws:workmail:eu-west-1:111122223333:organization/m-0123456789abcdef0123456789abcdef";
    let apart = [("requestParameters.resourceARN", arn), ("requestParameters.tags", "[{'key': 'Team', 'value': \"it's\"}]")];
    let dictionary = format!("{{'resourceARN': '{arn}', 'tags': [{{'key': 'Team', 'value': \"it's\"}}]}}");
    let apart = [&columns[..], &apart].concat();
    let flat: serde_json::Map<_, _> =
        apart.iter().map(|(name, cell)| ((*name).to_owned(), json!(cell.replace('\'', "\"").replace("it\"s", "it's")))).collect();
    let flat = Value::from(flat).to_string();
    for (container, complete) in
        [(csv_of(&apart), false), (flat, false), (csv_of(&[&columns[..], &[("requestParameters", &dictionary)]].concat()), true)]
    {
        let loaded = load(&[&container]);
        assert_eq!((loaded.counts.records, loaded.counts.events), (1, 1), "{:?}", loaded.skipped);
        for (column, value) in [
            ("identity_type", Some("AssumedRole")),
            ("principal_arn", Some("arn:aws:iam::111122223333:role/ops/MailAdmin")),
            ("session_name", Some("erin")),
            ("account_id", Some("111122223333")),
            ("resource", Some(arn)),
            ("outcome", Some("success")),
            ("not_replayable", None),
        ] {
            assert_eq!(loaded.text(0, column), value, "{column}: {container}");
        }
        assert_eq!((loaded.flag(0, "mfa"), loaded.flag(0, "request_context_complete")), (Some(true), Some(complete)), "{container}");
        let unknown = loaded.unknown_keys(0);
        assert_eq!(
            unknown,
            ["aws:assumedroot", "aws:federatedprovider", "aws:referer", "aws:sourceidentity", "aws:tokenissuetime"],
            "{container}"
        );
    }
}

#[test]
fn what_programs_write_for_nothing_is_nothing() {
    for null in ["", "null", "NULL", "\\N", "None", "nan", "NaN", "<NA>", "(null)", "NA", "N/A", "-"] {
        let mut columns = query_result();
        columns
            .iter_mut()
            .filter(|(name, _)| ["errorcode", "errormessage", "vpcendpointid", "useragent"].contains(name))
            .for_each(|(_, cell)| *cell = null);
        let loaded = load(&[&csv_of(&columns)]);
        assert_eq!((loaded.text(0, "outcome"), loaded.text(0, "not_replayable")), (Some("success"), None), "{null}");
        assert_eq!(
            (loaded.text(0, "error_code"), loaded.text(0, "vpc_endpoint_id"), loaded.text(0, "user_agent")),
            (None, None, None),
            "{null}"
        );
    }
    let mut columns = query_result();
    columns[8].1 = "success";
    assert_eq!((load(&[&csv_of(&columns)]).text(0, "outcome"), columns[8].0), (Some("success"), "errorcode"));
}

#[test]
fn what_columns_of_type_json_hold_is_what_the_record_has() {
    let arn = "arn:aws:workmail:eu-west-1:111122223333:organization/m-0123456789abcdef0123456789abcdef";
    let parameters = |text: String| {
        let mut columns = query_result();
        columns[4].1 = "TagResource";
        columns[10].1 = &text;
        let loaded = load(&[&csv_of(&columns)]);
        (loaded.text(0, "resource").map(str::to_owned), loaded.text(0, "request_parameters").map(str::to_owned), loaded.keys(0))
    };
    assert_eq!(query_result()[4].0, "eventname");
    let policy = r#"{"Version":"2012-10-17"}"#;
    let plain = json!({"resourceARN": arn, "tags": [{"key": "Team", "value": "mail"}], "policyDocument": policy});
    let wanted = parameters(plain.to_string());
    assert_eq!(wanted.2, ["aws:requesttag/team", "aws:tagkeys"]);
    // A cell that is JSON is what the record has, whatever its texts look like.
    let texts =
        json!({"resourceARN": arn, "tags": [{"key": "Team", "value": "mail"}], "pattern": "[1]", "body": "{\"a\":1}", "quoted": "\"x\""});
    assert_eq!(parameters(texts.to_string()), (wanted.0, Some(texts.to_string()), wanted.2));
    let one = parameters(format!("{{resourceARN='\"{arn}\"'}}"));
    assert_eq!(one.0.as_deref(), Some(arn));
}

#[test]
fn tables_that_are_one_object_are_read_row_by_row() {
    let columns = query_result();
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let cells: Vec<&str> = columns.iter().map(|(_, cell)| if *cell == "null" { "" } else { cell }).collect();
    let row = |cells: &[&str]| json!({"Data": cells.iter().map(|cell| if cell.is_empty() { json!({}) } else { json!({"VarCharValue": cell}) }).collect::<Vec<_>>()});
    let of_athena = |with_header: bool, with_names: bool| {
        let mut rows = vec![row(&cells)];
        if with_header {
            rows.insert(0, row(&names));
        }
        let info: Vec<Value> = names.iter().map(|name| json!({"Name": name, "Type": "varchar"})).collect();
        let metadata = if with_names { json!({"ColumnInfo": info}) } else { json!({}) };
        json!({"ResultSet": {"Rows": rows, "ResultSetMetadata": metadata}, "UpdateCount": 0}).to_string()
    };
    let wanted = load(&[&csv_of(&columns)]);
    let second = |text: &str| text.replace("e-1", "e-2");
    let split = json!({"columns": names, "index": [0, 1], "data": [cells, cells]}).to_string();
    let by_column: serde_json::Map<_, _> = columns.iter().map(|(name, cell)| ((*name).to_owned(), json!({"0": cell, "1": cell}))).collect();
    for (text, rows) in [
        (of_athena(true, true), 1),
        (of_athena(true, false), 1),
        (of_athena(false, true), 1),
        (split, 2),
        (Value::from(by_column).to_string(), 2),
    ] {
        let loaded = load(&[&text, &second(&text)]);
        assert_eq!((loaded.counts.records, loaded.counts.events, loaded.counts.skipped), (2 * rows, 2, 0), "{text}: {:?}", loaded.skipped);
        for column in ["event_name", "principal_arn", "resource", "outcome", "not_replayable", "account_id"] {
            assert_eq!(loaded.text(0, column), wanted.text(0, column), "{column}: {text}");
        }
    }
    // Of whole records.
    let one = |id: &str| {
        let mut record = super::record();
        record["eventID"] = json!(id);
        record
    };
    let by_index = json!({"0": one("a"), "1": one("b")}).to_string();
    let (a, b) = (one("a"), one("b"));
    let by_column: serde_json::Map<_, _> =
        a.as_object().unwrap().iter().map(|(name, value)| (name.clone(), json!({"0": value, "1": b[name]}))).collect();
    let table = json!({"schema": {"fields": []}, "data": [a, b]}).to_string();
    for text in [by_index, Value::from(by_column).to_string(), table] {
        let loaded = load(&[&text]);
        assert_eq!((loaded.texts("event_id"), loaded.texts("user_agent")), (vec!["a", "b"], vec!["aws-cli/2.0"; 2]), "{text}");
        assert_eq!((loaded.counts.records, loaded.unknown_keys(0)), (2, vec![]), "{text}");
    }
}

#[test]
fn rows_as_objects_without_their_nulls_are_whole() {
    let columns = query_result();
    let row = |keep: &dyn Fn(&str, &str) -> bool| {
        let members: serde_json::Map<_, _> =
            columns.iter().filter(|(name, cell)| keep(name, cell)).map(|(name, cell)| ((*name).to_owned(), json!(cell))).collect();
        load(&[&Value::from(members).to_string()])
    };
    let is_null = |cell: &str| matches!(cell, "" | "null");
    let without_nulls = row(&|_, cell| !is_null(cell));
    assert_eq!((without_nulls.text(0, "not_replayable"), without_nulls.text(0, "outcome")), (None, Some("success")));
    // Where columns are missing that are never null, others may be missing too.
    for missing in ["eventtype", "recipientaccountid", "sourceipaddress"] {
        let selected = row(&|name, cell| !is_null(cell) && name != missing);
        assert_eq!((selected.text(0, "not_replayable"), selected.text(0, "outcome")), (Some("no_identity"), None), "{missing}");
    }
}
