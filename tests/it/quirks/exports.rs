//! What programs make of records on the way: collectors, databases, shells, spreadsheets. Each of these holds the same calls as
//! the trail's own file, and is either read as these or said to be less.

use serde_json::{Value, json};

use super::{Loaded, identity, load, with};

/// A record of a role's session, one of a user that was denied, one with parameters that need escapes.
fn records() -> [Value; 3] {
    let session = |mfa: &str| {
        json!({
            "type": "AssumedRole", "principalId": "AROAEXAMPLE:erin", "arn": "arn:aws:sts::111122223333:assumed-role/MailAdmin/erin",
            "accountId": "111122223333", "accessKeyId": "ASIAEXAMPLE",
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Role", "principalId": "AROAEXAMPLE", "arn": "arn:aws:iam::111122223333:role/ops/MailAdmin",
                    "accountId": "111122223333", "userName": "MailAdmin"
                },
                "attributes": {"creationDate": "2026-01-01T11:00:00Z", "mfaAuthenticated": mfa}
            }
        })
    };
    let mut first = identity(session("true"));
    first["eventID"] = json!("00000000-0000-4000-8000-000000000001");
    first["eventTime"] = json!("2026-01-01T12:00:01Z");
    let mut denied = with(|record| {
        record["errorCode"] = json!("AccessDenied");
        record["errorMessage"] = json!("not authorized");
    });
    denied["eventID"] = json!("00000000-0000-4000-8000-000000000002");
    denied["eventTime"] = json!("2026-01-01T12:00:02Z");
    let mut tagged = identity(session("false"));
    tagged["eventID"] = json!("00000000-0000-4000-8000-000000000003");
    tagged["eventTime"] = json!("2026-01-01T12:00:03Z");
    tagged["eventName"] = json!("TagResource");
    tagged["requestParameters"] = json!({
        "resourceARN": "arn:aws:workmail:eu-west-1:111122223333:organization/m-1",
        "tags": [{"key": "Say", "value": "a \"quoted\" word\nand a \\ line; tab\t|"}]
    });
    [first, denied, tagged]
}

fn plain() -> Loaded {
    load(&[&records().map(|record| record.to_string()).join("\n")])
}

/// Columns that say who did what with which outcome.
const COLUMNS: [&str; 20] = [
    "event_id",
    "event_source",
    "event_name",
    "event_type",
    "region",
    "account_id",
    "identity_type",
    "principal_arn",
    "principal_id",
    "principal_account_id",
    "session_name",
    "session_issuer_arn",
    "access_key_id",
    "source_ip",
    "outcome",
    "error_code",
    "error_message",
    "action",
    "resource",
    "not_replayable",
];

/// That a text holds the records, as far as these columns go, and that they are those of the plain ones.
#[track_caller]
fn are_same(text: &str, but: &[&str]) -> Loaded {
    let (loaded, plain) = (load(&[text]), plain());
    assert_eq!((loaded.counts.records, loaded.counts.events), (3, 3), "{:?}\n{text}", loaded.skipped);
    for column in COLUMNS.into_iter().filter(|column| !but.contains(column)) {
        assert_eq!(loaded.texts(column), plain.texts(column), "{column}: {text}");
    }
    for row in 0..3 {
        assert_eq!(loaded.flag(row, "mfa"), plain.flag(row, "mfa"), "{text}");
    }
    loaded
}

/// Objects as cells: texts as they are, everything else as its JSON, nothing for what is not there.
fn cells(record: &Value, names: &[&str]) -> Vec<String> {
    let cell = |name: &&str| match name.split('.').fold(record, |value, name| &value[name]) {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    names.iter().map(cell).collect()
}

/// Columns of a whole record.
const WHOLE: [&str; 16] = [
    "eventVersion",
    "userIdentity",
    "eventTime",
    "eventSource",
    "eventName",
    "awsRegion",
    "sourceIPAddress",
    "userAgent",
    "errorCode",
    "errorMessage",
    "requestParameters",
    "eventID",
    "eventType",
    "recipientAccountId",
    "vpcEndpointId",
    "sessionCredentialFromConsole",
];

fn lines(header: &str, row: impl Fn(&Value) -> String) -> String {
    format!("{header}\n{}\n", records().iter().map(row).collect::<Vec<_>>().join("\n"))
}

#[test]
fn selected_members_without_an_error_code_say_nothing_of_failures() {
    let selected = |names: &[&str]| {
        let select = |record: &Value| names.iter().map(|name| ((*name).to_owned(), record[*name].clone())).collect();
        records().map(|record| Value::Object(select(&record))).map(|record| record.to_string()).join("\n")
    };
    let without = ["eventTime", "eventName", "eventSource", "awsRegion", "userIdentity", "sourceIPAddress", "eventID"];
    let loaded = load(&[&selected(&without)]);
    assert_eq!(loaded.texts("outcome"), ["-"; 3]);
    assert_eq!(loaded.texts("not_replayable"), ["no_identity"; 3]);
    // With it, as `null` where there is none, they do.
    let loaded = load(&[&selected(&[&without[..], &["errorCode"]].concat())]);
    assert_eq!(loaded.texts("outcome"), ["success", "access_denied", "success"]);
    // In what a trail delivers a member that is not there is absent.
    let delivered = json!({"Records": records().map(|mut record| {
        ["eventVersion", "eventType", "errorCode"].iter().for_each(|name| drop(record.as_object_mut().unwrap().remove(*name)));
        record
    })});
    // The message of the second says that it failed.
    assert_eq!(load(&[&delivered.to_string()]).texts("outcome"), ["success", "other_error", "success"]);
}

#[test]
fn a_caller_that_is_a_text_is_read_or_said_to_be_unknown() {
    let quoted = |path: &[&str]| {
        let quote = |mut record: Value| {
            let place = path.iter().fold(&mut record, |value, name| &mut value[*name]);
            if place.is_object() {
                *place = json!(place.to_string());
            }
            record
        };
        records().map(quote)
    };
    let context = ["userIdentity", "sessionContext"];
    let issuer = [&context[..], &["sessionIssuer"]].concat();
    let attributes = [&context[..], &["attributes"]].concat();
    for path in [&context[..1], &context[..], &issuer, &attributes] {
        let records = quoted(path);
        are_same(&json!({ "Records": records }).to_string(), &[]);
        are_same(&records.map(|record| record.to_string()).join("\n"), &[]);
    }
    // As PowerShell cuts what is nested deeper than it was asked for.
    for path in [&context[..1], &context[..]] {
        let records = records().map(|mut record| {
            let place = path.iter().fold(&mut record, |value, name| &mut value[*name]);
            if place.is_object() {
                *place = json!("@{sessionIssuer=; attributes=}");
            }
            record
        });
        let loaded = load(&[&json!({ "Records": records }).to_string()]);
        assert_eq!((loaded.counts.events, loaded.text(0, "not_replayable")), (3, Some("no_identity")), "{path:?}");
        assert_eq!((loaded.text(0, "principal_arn"), loaded.text(0, "outcome")), (None, Some("success")), "{path:?}");
    }
}

#[test]
fn accounts_that_were_numbers_are_accounts_wherever_they_stand() {
    for (written, is_told) in
        [("111122223333", true), ("111122223333.0", true), ("'111122223333", true), ("=\"111122223333\"", true), ("1.11122E+11", false)]
    {
        let mut record = records()[0].clone();
        record["userIdentity"]["accountId"] = json!(written);
        let loaded = load(&[&record.to_string()]);
        assert_eq!(loaded.text(0, "principal_account_id"), Some("111122223333"), "{written}: the ARN tells it in any case");
        record["recipientAccountId"] = json!(written);
        record["userIdentity"].as_object_mut().unwrap().remove("accountId");
        let loaded = load(&[&record.to_string()]);
        assert_eq!(loaded.text(0, "account_id"), is_told.then_some("111122223333"), "{written}");
    }
    let names = [&WHOLE[..1], &WHOLE[2..], &["userIdentity.type", "userIdentity.arn", "userIdentity.accountId"]].concat();
    let mut record = records()[1].clone();
    record["userIdentity"]["accountId"] = json!("111122223333.0");
    let row = cells(&record, &names).iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect::<Vec<_>>().join(",");
    let loaded = load(&[&format!("{}\n{row}\n", names.join(","))]);
    assert_eq!(loaded.text(0, "principal_account_id"), Some("111122223333"), "{:?}", loaded.skipped);
}

#[test]
fn tables_that_are_padded_shifted_or_escaped_are_read_as_meant() {
    let spoilt = |text: &str| text.replace(['\n', '|', '\t'], " ");
    let padded =
        |record: &Value| format!(" {} ", cells(record, &WHOLE).iter().map(|cell| format!("{cell:<9}")).collect::<Vec<_>>().join(" | "));
    let psql = lines(&format!(" {} ", WHOLE.join(" | ")), padded);
    // A bar in a value cannot be told from one between columns.
    let loaded = load(&[&psql]);
    assert_eq!((loaded.counts.events, loaded.counts.skipped), (2, 1), "{:?}", loaded.skipped);
    assert_eq!(loaded.texts("event_name"), plain().texts("event_name")[..2]);
    assert_eq!(loaded.texts("not_replayable"), ["-"; 2]);

    // A cell too many before empty ones at the end is no shorter row.
    let shifted =
        lines(&WHOLE.join("|"), |record| cells(record, &WHOLE).iter().map(|cell| cell.replace('\n', " ")).collect::<Vec<_>>().join("|"));
    let loaded = load(&[&shifted]);
    assert_eq!((loaded.counts.events, loaded.counts.skipped), (2, 1), "{:?}", loaded.skipped);
    let trailing = lines(&WHOLE.join("|"), |record| spoilt(&cells(record, &WHOLE).join("\u{1}")).replace('\u{1}', "|") + "|");
    assert_eq!(load(&[&trailing]).counts.events, 3, "all rows end so");

    // Tabs between columns, and backslashes escaped: ClickHouse, `mysql -B`, `COPY` of PostgreSQL.
    let escaped = |cell: &String| cell.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n");
    are_same(&lines(&WHOLE.join("\t"), |record| cells(record, &WHOLE).iter().map(escaped).collect::<Vec<_>>().join("\t")), &[]);
    are_same(&lines("id\trecord", |record| format!("1\t{}", escaped(&record.to_string()))), &[]);

    // Quotation marks escaped by backslashes: Spark, MySQL, Snowflake.
    let quoted = |cell: &String| format!("\"{}\"", cell.replace('\\', "\\\\").replace('"', "\\\""));
    are_same(&lines(&WHOLE.join(","), |record| cells(record, &WHOLE).iter().map(quoted).collect::<Vec<_>>().join(",")), &[]);

    // Excel says first what stands between the columns.
    let doubled = |cell: &String| format!("\"{}\"", cell.replace('"', "\"\""));
    let table = lines(&WHOLE.join(";"), |record| cells(record, &WHOLE).iter().map(doubled).collect::<Vec<_>>().join(";"));
    are_same(&format!("sep=;\n{table}"), &[]);
}

#[test]
fn words_for_nothing_in_records_are_nothing() {
    for word in ["null", "None", "\\N", "-", "NaN"] {
        let records = records().map(|mut record| {
            for name in ["errorCode", "errorMessage", "vpcEndpointId"] {
                if record.get(name).is_none_or(Value::is_null) {
                    record[name] = json!(word);
                }
            }
            record
        });
        let loaded = are_same(&json!({ "Records": records }).to_string(), &[]);
        assert_eq!(loaded.texts("vpc_endpoint_id"), ["-"; 3], "{word}");
    }
    for (written, flag) in [("1", true), ("0", false), ("t", true), ("no", false), ("1.0", true), ("False", false)] {
        let mut record = records()[0].clone();
        record["userIdentity"]["sessionContext"]["attributes"]["mfaAuthenticated"] = json!(written);
        assert_eq!(load(&[&record.to_string()]).flag(0, "mfa"), Some(flag), "{written}");
    }
}

/// Names with `_` and lower case, as Elastic and others have them.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for (at, c) in name.char_indices() {
        let before = name[..at].chars().last();
        if c.is_uppercase() && before.is_some_and(char::is_lowercase) {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

/// Each member of what is nested as one of its own.
fn flat(record: &Value, separator: &str) -> serde_json::Map<String, Value> {
    fn into(name: &str, value: &Value, separator: &str, flat: &mut serde_json::Map<String, Value>) {
        match value {
            Value::Object(members) if name.is_empty() || name.starts_with("userIdentity") => {
                let before = if name.is_empty() { String::new() } else { format!("{name}{separator}") };
                members.iter().for_each(|(inner, value)| into(&format!("{before}{inner}"), value, separator, flat));
            }
            value => drop(flat.insert(name.to_owned(), value.clone())),
        }
    }
    let mut members = serde_json::Map::new();
    into("", record, separator, &mut members);
    members
}

#[test]
fn what_collectors_call_otherwise_is_read() {
    // Rows that were flattened, with whatever stands between the names.
    for separator in ["_", "/", ":", "__", "."] {
        let rows = records().map(|record| {
            let mut row = flat(&record, separator);
            ["errorCode", "errorMessage", "vpcEndpointId"].iter().for_each(|name| _ = row.entry(*name).or_insert(Value::Null));
            Value::Object(row).to_string()
        });
        are_same(&rows.join("\n"), &[]);
    }
    // Elastic's integration without the original.
    let elastic = records().map(|record| {
        let mut own = serde_json::Map::new();
        for (name, value) in flat(&record, ".") {
            let name = match name.as_str() {
                "userIdentity.sessionContext.attributes.mfaAuthenticated" => "user_identity.session_context.mfa_authenticated".to_owned(),
                "userIdentity.sessionContext.attributes.creationDate" => "user_identity.session_context.creation_date".to_owned(),
                other => other.split('.').map(snake).collect::<Vec<_>>().join("."),
            };
            if !["event_time", "event_source", "event_name", "event_id", "aws_region", "source_ipaddress", "user_agent"]
                .contains(&name.as_str())
            {
                own.insert(format!("aws.cloudtrail.{name}"), value);
            }
        }
        let text = |name: &str| record[name].clone();
        json!({"_index": "logs-aws.cloudtrail-default", "_source": {
            "@timestamp": text("eventTime"), "event": {"id": text("eventID"), "action": text("eventName"), "provider": text("eventSource")},
            "cloud": {"region": text("awsRegion")}, "source": {"address": text("sourceIPAddress")},
            "user_agent": {"original": text("userAgent")}, "flat": own.clone(),
        }})
        .as_object()
        .map(|hit| {
            let mut source = hit["_source"].as_object().unwrap().clone();
            source.remove("flat");
            source.extend(own);
            json!({"_index": "x", "_source": source}).to_string()
        })
        .unwrap()
    });
    are_same(&elastic.join("\n"), &[]);
    // Microsoft Sentinel's table, as rows and as the answer of its API.
    let sentinel = |record: &Value| {
        let issuer = &record["userIdentity"]["sessionContext"]["sessionIssuer"];
        let attributes = &record["userIdentity"]["sessionContext"]["attributes"];
        json!({
            "TenantId": "t", "TimeGenerated": record["eventTime"], "AwsEventId": record["eventID"], "EventVersion": record["eventVersion"],
            "EventSource": record["eventSource"], "EventName": record["eventName"], "EventTypeName": record["eventType"],
            "AWSRegion": record["awsRegion"], "SourceIpAddress": record["sourceIPAddress"], "UserAgent": record["userAgent"],
            "ErrorCode": record["errorCode"].as_str().unwrap_or(""), "ErrorMessage": record["errorMessage"].as_str().unwrap_or(""),
            "RequestParameters": record["requestParameters"].to_string(), "RecipientAccountId": record["recipientAccountId"],
            "VpcEndpointId": "", "UserIdentityType": record["userIdentity"]["type"], "UserIdentityArn": record["userIdentity"]["arn"],
            "UserIdentityPrincipalid": record["userIdentity"]["principalId"], "UserIdentityAccountId": record["userIdentity"]["accountId"],
            "UserIdentityAccessKeyId": record["userIdentity"]["accessKeyId"], "UserIdentityInvokedBy": "", "SessionIssuerArn": issuer["arn"],
            "SessionIssuerPrincipalId": issuer["principalId"], "SessionMfaAuthenticated": attributes["mfaAuthenticated"],
            "SessionCreationDate": attributes["creationDate"], "Type": "AWSCloudTrail",
        })
    };
    // One of one's own, with the record beside some of its members.
    let own = records().map(|record| {
        let (name, time) = (&record["eventName"], &record["eventTime"]);
        json!({"TenantId": "t", "TimeGenerated": time, "EventName": name, "RawEvent": record.to_string()}).to_string()
    });
    are_same(&own.join("\n"), &[]);
    let rows = records().map(|record| sentinel(&record));
    are_same(&rows.clone().map(|row| row.to_string()).join("\n"), &[]);
    let names: Vec<&String> = rows[0].as_object().unwrap().keys().collect();
    let columns: Vec<Value> = names.iter().map(|name| json!({"name": name, "type": "string"})).collect();
    let values: Vec<Vec<&Value>> = rows.iter().map(|row| names.iter().map(|name| &row[name.as_str()]).collect()).collect();
    are_same(&json!({"tables": [{"name": "PrimaryResult", "columns": columns, "rows": values}]}).to_string(), &[]);
    let header: Vec<&str> = names.iter().map(|name| if *name == "TimeGenerated" { "TimeGenerated [UTC]" } else { name }).collect();
    let row = |row: &Value, is_british: bool| {
        let cell = |name: &&String| match (name.as_str(), &row[name.as_str()]) {
            ("TimeGenerated", Value::String(time)) if is_british => format!("\"01/01/2026, 12:00:{}.000\"", &time[17..19]),
            ("TimeGenerated", Value::String(time)) => format!("\"1/1/2026, 12:00:{}.000 PM\"", &time[17..19]),
            (_, Value::String(text)) => format!("\"{}\"", text.replace('"', "\"\"")),
            _ => String::new(),
        };
        names.iter().map(cell).collect::<Vec<_>>().join(",")
    };
    for is_british in [false, true] {
        let rows: Vec<String> = rows.iter().map(|record| row(record, is_british)).collect();
        let loaded = are_same(&format!("{}\n{}\n", header.join(","), rows.join("\n")), &[]);
        assert_eq!(loaded.events.column_by_name("event_time"), plain().events.column_by_name("event_time"));
    }
    // Logstash's codec has the time of the event as its own.
    let logstash = records().map(|mut record| {
        record["@timestamp"] = record.as_object_mut().unwrap().remove("eventTime").unwrap();
        record["@version"] = json!("1");
        record.to_string()
    });
    are_same(&logstash.join("\n"), &[]);
}

#[test]
fn what_any_member_wraps_is_read_if_nothing_known_does() {
    let text = |record: &Value| json!(record.to_string());
    let each = |wrap: &dyn Fn(&Value) -> Value| records().iter().map(|record| wrap(record).to_string()).collect::<Vec<_>>().join("\n");
    for wrapped in [
        each(&|record| json!({"version": "1.1", "host": "h", "full_message": text(record)})),
        each(&|record| json!({"schema": {"type": "string"}, "payload": record})),
        each(&|record| json!({"topic": "t", "offset": 7, "value": text(record)})),
        each(&|record| json!({"V": record})),
        each(&|record| json!({"insertId": "x", "jsonPayload": {"inner": record}})),
        each(&|record| json!({"message": json!(json!(record.to_string()).to_string())})),
        json!({"items": records()}).to_string(),
        json!({"status": "ok", "page": {"entries": records()}}).to_string(),
        json!({"body": json!(records()).to_string()}).to_string(),
    ] {
        are_same(&wrapped, &[]);
    }
    // A record stays itself, whatever its parameters hold.
    let mut put = with(|record| record["eventName"] = json!("PutEvents"));
    put["requestParameters"] = json!({"entries": records()});
    put.as_object_mut().unwrap().remove("userIdentity");
    let loaded = load(&[&put.to_string()]);
    assert_eq!((loaded.counts.events, loaded.text(0, "event_name")), (1, Some("PutEvents")));
}

#[test]
fn what_programs_print_is_read() {
    // As Python prints dictionaries: `str`, `pprint`, the answers of boto3.
    fn python(value: &Value) -> String {
        match value {
            Value::Null => "None".to_owned(),
            Value::Bool(true) => "True".to_owned(),
            Value::Bool(false) => "False".to_owned(),
            Value::String(text) => {
                let inner = text.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t").replace('\'', "\\'");
                format!("'{inner}'")
            }
            Value::Array(items) => format!("[{}]", items.iter().map(python).collect::<Vec<_>>().join(", ")),
            Value::Object(members) => {
                format!("{{{}}}", members.iter().map(|(name, value)| format!("'{name}': {}", python(value))).collect::<Vec<_>>().join(", "))
            }
            other => other.to_string(),
        }
    }
    are_same(&records().iter().map(python).collect::<Vec<_>>().join("\n"), &[]);
    are_same(&python(&json!({"Records": records()})), &[]);
    let events: Vec<String> = records()
        .iter()
        .map(|record| {
            format!(
                "{{'EventTime': datetime.datetime(2026, 1, 1, 12, 0, tzinfo=tzlocal()),\n  'CloudTrailEvent': {}}}",
                python(&json!(record.to_string()))
            )
        })
        .collect();
    are_same(&format!("{{'Events': [{}]}}", events.join(",\n ")), &[]);
    // With `NaN` for what is not there.
    let nan = json!(records()).to_string().replace("\"eventVersion\"", "\"errorText\":NaN,\"eventVersion\"");
    are_same(&nan, &[]);
    // What is in quotes stays as it stands: escapes, halves of characters, words.
    let agent = r#""userAgent":"\ud83d\ude00 \b NaN -Infinity \"quoted\"""#;
    let odd = with(|_| ())
        .to_string()
        .replace("\"userAgent\":\"aws-cli/2.0\"", agent)
        .replace("\"eventVersion\"", "\"a\":-Infinity,\"eventVersion\"");
    assert_eq!(load(&[&odd]).text(0, "user_agent"), Some("\u{1f600} \u{8} NaN -Infinity \"quoted\""), "{odd}");
    // What is no dictionary either is broken, and its neighbours are whole.
    let broken = format!("{{'eventVersion': lambda x}}\n{}", records()[0]);
    let loaded = load(&[&broken]);
    assert_eq!((loaded.counts.events, loaded.counts.skipped), (1, 1), "{:?}", loaded.skipped);
    // So is one that is broken in a list, with its neighbours in whatever form.
    let nan = |record: &Value| record.to_string().replace("\"eventVersion\"", "\"errorText\":NaN,\"eventVersion\"");
    let forms: [fn(&Value) -> String; 3] = [Value::to_string, nan, python];
    for form in forms {
        let [first, denied, tagged] = records().map(|record| form(&record));
        let broken = denied.replace("denied", "").replace("eventTime", "}eventTime");
        let quote = if first.contains("'event") { '\'' } else { '"' };
        let list = format!("[{first}, {broken}, {tagged}]");
        for text in [format!("{{{quote}Records{quote}: {list}}}"), format!("{{{quote}Events{quote}: {list}}}"), list] {
            let loaded = load(&[&text]);
            assert_eq!((loaded.counts.events, loaded.counts.skipped), (2, 1), "{:?}\n{text}", loaded.skipped);
        }
    }
}

#[test]
fn times_without_seconds_or_dashes_are_times() {
    for time in ["20260101T120001Z", "2026-01-01T12:00:01+00:00", "2026-01-01T12:00Z"] {
        let record = with(|record| record["eventTime"] = json!(time));
        assert_eq!(load(&[&record.to_string()]).counts.events, 1, "{time}");
    }
    let late = load(&[&with(|record| record["eventTime"] = json!("2126-01-01T12:00:01Z")).to_string()]);
    assert!(late.skipped[0].detail.contains("a broken clock"), "{:?}", late.skipped);
    let object = load(&[&with(|record| record["eventTime"] = json!({"$date": "2026-01-01T12:00:01Z"})).to_string()]);
    assert!(object.skipped[0].detail.contains("that is a text"), "{:?}", object.skipped);
}
