//! `retrial catalog` as a person runs it: what each kind of name finds, and what is said of a name that there is not.
#![cfg(feature = "cli")]

use std::collections::BTreeSet;

use retrial::catalog::{Catalog, KeyInfo, ToldBy};
use serde_json::{Value, json};

use crate::commands::{Room, Run};

fn catalog(arguments: &[&str]) -> Run {
    Room::new().run(&[["catalog"].as_slice(), arguments].concat())
}

/// What is printed as text, done without a word on standard error.
fn text(arguments: &[&str]) -> String {
    let run = catalog(arguments).exits(0);
    assert_eq!(run.stderr, "");
    run.stdout
}

fn found(arguments: &[&str]) -> Value {
    catalog(&[arguments, &["--format", "json"]].concat()).exits(0).json()
}

/// One member of each entry of a list.
fn texts<'v>(value: &'v Value, list: &str, member: &str) -> Vec<&'v str> {
    value[list].as_array().unwrap().iter().map(|entry| entry[member].as_str().unwrap()).collect()
}

/// The mapped events of an answer: source, name, action and how.
fn events(arguments: &[&str]) -> Vec<[String; 4]> {
    let members = ["event_source", "event_name", "action", "mapping_source"];
    let answer = found(arguments);
    let events = answer["events"].as_array().unwrap();
    events.iter().map(|event| members.map(|member| event[member].as_str().unwrap().to_owned())).collect()
}

/// The line of a heading in a description.
fn row<'t>(text: &'t str, heading: &str) -> &'t str {
    let line = text.lines().find_map(|line| line.strip_prefix("  ")?.strip_prefix(heading)).map(str::trim);
    line.unwrap_or_else(|| panic!("`{heading}` is not in\n{text}"))
}

#[test]
fn without_a_name_each_service_has_a_line() {
    let text = text(&[]);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.lines().next().unwrap().contains(Catalog::builtin().version()), "{text}");
    for service in Catalog::builtin().services() {
        let line = text.lines().find(|line| line.split_whitespace().next() == Some(service.prefix.as_str())).unwrap();
        let all = if service.complete { " all" } else { " some" };
        assert!(line.contains(&service.name) && line.contains(&format!(" {}", service.actions.len())) && line.contains(all), "{line}");
        for source in service.event_sources.iter().filter_map(|source| source.strip_suffix(".amazonaws.com")) {
            assert!(line.contains(source), "{source} is not in {line}");
        }
    }
    assert!(text.contains("general rule"), "{text}");
    let answer = found(&[]);
    let prefixes: Vec<&str> = Catalog::builtin().services().map(|service| service.prefix.as_str()).collect();
    assert_eq!(texts(&answer, "services", "prefix"), prefixes);
    for list in ["actions", "events", "keys"] {
        assert_eq!(answer[list], json!([]), "{list}");
    }
}

#[test]
fn a_service_is_listed_however_it_is_named() {
    let list = text(&["workmail"]);
    for name in ["workmail:*", "WorkMail", "WORKMAIL:*", "workmail.amazonaws.com"] {
        assert!(text(&[name]) == list, "{name}");
    }
    let actions: Vec<&str> = list.lines().filter(|line| line.starts_with("workmail:")).collect();
    assert_eq!(actions.len(), Catalog::builtin().service("workmail").unwrap().actions.len());
    let words = |action: &str| {
        let line = actions.iter().find(|line| line.split_whitespace().next() == Some(action));
        line.unwrap_or_else(|| panic!("no {action}")).split_whitespace().skip(1).collect::<Vec<_>>()
    };
    assert_eq!(words("workmail:CreateUser"), ["Write", "organization"]);
    assert_eq!(words("workmail:ListOrganizations"), ["List", "none", "(`*`)"]);
    assert_eq!(words("workmail:AddMembersToGroup"), ["Write", "organization,", "legacy"]);
    assert!(list.contains("\nresource types\n  organization: arn:${Partition}:workmail:"), "{list}");
    assert!(list.contains("\ncondition keys\n  workmail:ImpersonationRoleId: string, read from the request parameters"), "{list}");
    assert_eq!(text(&["cloudwatch"]), text(&["monitoring.amazonaws.com"]));
}

#[test]
fn globs_list_what_they_match() {
    let exports = ["workmail:CancelMailboxExportJob", "workmail:DescribeMailboxExportJob", "workmail:StartMailboxExportJob"];
    let answer = found(&["workmail:*ExportJob"]);
    assert_eq!(texts(&answer, "actions", "action"), exports);
    assert_eq!(found(&["*mailboxexportjob"])["actions"], answer["actions"], "without a colon it is about names");
    assert_eq!(texts(&answer, "services", "prefix"), ["workmail"]);
    let all = found(&["*"]);
    assert_eq!(all["actions"].as_array().unwrap().len(), Catalog::builtin().actions().count());
    assert_eq!(all["services"], found(&[])["services"]);
    let keys = found(&["aws:*"]);
    assert_eq!((keys["keys"].as_array().unwrap().len(), &keys["actions"]), (Catalog::builtin().global_keys().count(), &json!([])));
    assert!(text(&["aws:*"]).starts_with("condition keys\n  aws:AssumedRoot: bool, read from the record\n"));
}

#[test]
fn an_action_is_described_in_any_letter_case() {
    let user = text(&["workmail:CreateUser"]);
    assert_eq!(user, text(&["WorkMail:createuser"]));
    assert!(user.starts_with("workmail:CreateUser\n"), "{user}");
    for (heading, content) in [
        ("service", "Amazon WorkMail"),
        ("access level", "Write"),
        ("call", "API operation"),
        ("status", "current"),
        ("its keys", "none known"),
        ("resource's keys", "aws:ResourceTag/${TagKey}"),
        ("global keys", "52, 11 of them in every request"),
        ("events", "workmail.amazonaws.com CreateUser (exact)"),
        ("also checked", "none known"),
        ("from parameters", "none known"),
        ("in CloudTrail", "yes"),
    ] {
        assert_eq!(row(&user, heading), content, "{heading}");
    }
    assert!(user.contains("arn:${Partition}:workmail:${Region}:${Account}:organization/${organizationId}\n"), "{user}");
    let console = text(&["workmail:AddMembersToGroup"]);
    assert!(row(&console, "call").starts_with("console only") && row(&console, "status").starts_with("legacy"), "{console}");
    let delivery = text(&["workmail:DeliverToMailbox"]);
    assert_eq!((row(&delivery, "events"), row(&delivery, "in CloudTrail").split(':').next()), ("none known", Some("no")), "{delivery}");
    let tags = text(&["workmail:TagResource"]);
    assert!(tags.contains("or the ARN in `resourceARN`") && row(&tags, "from parameters") == "aws:RequestTag from `tags`", "{tags}");
}

#[test]
fn an_action_in_json_has_what_the_data_file_has() {
    let answer = found(&["workmail:startmailboxexportjob"]);
    let [action] = answer["actions"].as_array().unwrap().as_slice() else { panic!("{answer}") };
    let expected = json!({
        "action": "workmail:StartMailboxExportJob", "service": "workmail", "level": "Write", "legacy": false, "api": true,
        "permission_only": false, "no_permission": false, "creates": false, "resource": ["organization"], "arn_parameter": null,
        "resource_types": [{
            "type": "organization", "arn": "arn:${Partition}:workmail:${Region}:${Account}:organization/${organizationId}",
            "keys": ["aws:ResourceTag/${TagKey}"]
        }],
        "keys": [], "global_keys": 52, "context": {}, "observable": true,
        "also": [{
            "action": "iam:PassRole", "resource_parameter": "roleArn",
            "context": { "iam:PassedToService": "export.workmail.amazonaws.com" }
        }],
        "events": [{
            "event_source": "workmail.amazonaws.com", "event_name": "StartMailboxExportJob",
            "action": "workmail:StartMailboxExportJob", "mapping_source": "exact"
        }]
    });
    assert_eq!(action, &expected);
}

#[test]
fn an_event_is_found_by_its_source_or_by_its_name_alone() {
    let event = |source: &str, name: &str, action: &str, how: &str| [source, name, action, how].map(str::to_owned);
    let user = event("workmail.amazonaws.com", "CreateUser", "workmail:CreateUser", "exact");
    let forms: [&[&str]; 4] = [
        &["workmail.amazonaws.com:CreateUser"],
        &["workmail.amazonaws.com CreateUser"],
        &["workmail.amazonaws.com", "CreateUser"],
        &["WorkMail.amazonaws.com:createuser"],
    ];
    for form in forms {
        assert_eq!(events(form), std::slice::from_ref(&user), "{form:?}");
    }
    let all = events(&["CreateUser"]);
    assert!(all.contains(&user) && all.contains(&event("iam.amazonaws.com", "CreateUser", "iam:CreateUser", "exact")), "{all:?}");
    let list = event("lambda.amazonaws.com", "ListFunctions20150331", "lambda:ListFunctions", "catalog");
    assert_eq!(events(&["ListFunctions20150331"]), [list]);
    let invoke = event("lambda.amazonaws.com", "Invoke", "lambda:InvokeFunction", "catalog");
    assert_eq!(events(&["lambda:Invoke"]), [invoke], "the prefix stands for the service's sources");
    let vpcs = event("ec2.amazonaws.com", "DescribeVpcs", "ec2:DescribeVpcs", "rule");
    assert_eq!(events(&["ec2.amazonaws.com:DescribeVpcs"]), [vpcs]);
    let guess = event("workmail.amazonaws.com", "NoSuchCall", "workmail:NoSuchCall", "rule");
    assert_eq!(events(&["workmail.amazonaws.com", "NoSuchCall"]), [guess]);
}

#[test]
fn an_event_in_text_says_how_it_maps_and_describes_the_one_action() {
    let one = text(&["workmail.amazonaws.com", "CreateUser"]);
    assert!(one.starts_with("workmail.amazonaws.com CreateUser\n  action          workmail:CreateUser\n"), "{one}");
    assert!(row(&one, "mapping").starts_with("exact: "), "{one}");
    assert!(one.ends_with(&format!("\n\n{}", text(&["workmail:CreateUser"]))), "{one}");
    let several = text(&["CreateUser"]);
    assert!(several.matches("mapping").count() > 1 && !several.contains("access level"), "{several}");
    let guess = text(&["ec2.amazonaws.com:DescribeVpcs"]);
    assert!(row(&guess, "mapping").starts_with("rule: a guess"), "{guess}");
}

/// What uses of an action leave in the log agrees with how these events map.
#[test]
fn the_events_of_each_action_map_to_it() {
    let all = found(&["*"]);
    for action in all["actions"].as_array().unwrap() {
        let events = action["events"].as_array().unwrap();
        assert_eq!(action["observable"], json!(!events.is_empty()), "{action}");
        for event in events {
            assert_eq!(event["action"], action["action"]);
            assert!(["exact", "catalog"].contains(&event["mapping_source"].as_str().unwrap()), "{event}");
        }
    }
    assert!(text(&["lambda:InvokeFunction"]).contains("lambda.amazonaws.com Invoke (catalog)"));
}

#[test]
fn a_condition_key_is_described() {
    let address = text(&["AWS:sourceip"]);
    assert!(address.starts_with("aws:SourceIp\n"), "{address}");
    assert_eq!(row(&address, "type"), "ip, one value");
    assert_eq!(row(&address, "included"), "not in every request");
    assert_eq!(row(&address, "value"), "read from the record");
    let key = |name: &str| {
        let answer = found(&[name]);
        let [key] = answer["keys"].as_array().unwrap().as_slice() else { panic!("{name}: {answer}") };
        key.clone()
    };
    let expected = json!({
        "key": "aws:SourceIp", "type": "ip", "multivalued": false, "always": false, "told_by": "record", "parameters": [], "actions": []
    });
    assert_eq!(key("aws:SourceIp"), expected);
    let tags = key("aws:TagKeys");
    assert_eq!(
        (&tags["multivalued"], &tags["told_by"], &tags["parameters"]),
        (&json!(true), &json!("parameters"), &json!(["tagKeys", "tags"]))
    );
    assert!(tags["actions"].as_array().unwrap().contains(&json!("workmail:TagResource")), "{tags}");
    for written in ["aws:PrincipalTag/team", "aws:principaltag/Cost Center", "aws:PrincipalTag", "aws:PrincipalTag/${TagKey}"] {
        assert_eq!(key(written)["key"], json!("aws:PrincipalTag/${TagKey}"), "{written}");
    }
    assert_eq!(key("iam:PassedToService")["told_by"], json!("catalog"));
    assert_eq!(key("ses:FromAddress")["type"], Value::Null, "AWS documents it for its service alone");
    assert_eq!(key("cognito-identity.amazonaws.com:aud")["told_by"], json!("nothing"), "it looks like an event and is none");
}

#[test]
fn a_name_that_there_is_not_is_answered_with_the_nearest() {
    for (name, near) in [
        ("workmail:CreateUsr", "`workmail:CreateUser`"),
        ("workmial:CreateUser", "`workmail:CreateUser`"),
        ("CreateMailboxExprtJob", "`CancelMailboxExportJob`"),
        ("workmal", "`workmail`"),
        ("aws:SourceIP4", "`aws:SourceIp`"),
        ("monitorin.amazonaws.com", "`monitoring.amazonaws.com`"),
    ] {
        let run = catalog(&[name]).exits(2).says(&["error: ", &format!("no `{name}`: did you mean "), near]);
        assert_eq!(run.stdout, "", "{name}");
        catalog(&[name, "--format", "json"]).exits(2).says(&[near]);
    }
    for name in ["", "qqq", "ec2:DescribeVpcs", "workmail:", "qqq*", "aws:qqqqqqqq"] {
        let run = catalog(&[name]).exits(2).says(&[&format!("no `{name}`: "), "`retrial catalog`"]);
        assert_eq!(run.stdout, "", "{name}");
    }
    catalog(&["\u{1b}[31m"]).exits(2).says(&["\\u{1b}"]);
    catalog(&["workmail", "CreateUser", "DeleteUser"]).exits(2);
}

#[test]
fn answers_in_json_have_the_same_members() {
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let answers = ["*", "workmail", "workmail:CreateUser", "CreateUser", "ec2.amazonaws.com:X", "aws:SourceIp", "ses:FromAddress"];
    let answers: Vec<Value> = answers.iter().map(|name| found(&[*name])).chain([found(&[])]).collect();
    for answer in &answers {
        assert_eq!(names(answer), BTreeSet::from(["actions", "events", "keys", "services", "version"].map(str::to_owned)));
        assert_eq!(answer["version"], json!(Catalog::builtin().version()));
    }
    for list in ["actions", "events", "keys", "services"] {
        let entries = answers.iter().flat_map(|answer| answer[list].as_array().unwrap());
        assert_eq!(entries.map(names).collect::<BTreeSet<_>>().len(), 1, "{list}");
    }
}

/// A call through an endpoint by a session with MFA: nothing that a record can tell is missing.
fn telling_record() -> Value {
    let issuer = json!({
        "type": "Role", "principalId": "AROAEXAMPLEOPS", "arn": "arn:aws:iam::111122223333:role/Ops", "accountId": "111122223333",
        "userName": "Ops"
    });
    json!({
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole", "principalId": "AROAEXAMPLEOPS:alice", "arn": "arn:aws:sts::111122223333:assumed-role/Ops/alice",
            "accountId": "111122223333", "accessKeyId": "ASIAEXAMPLE",
            "sessionContext": {
                "sessionIssuer": issuer, "sourceIdentity": "alice",
                "attributes": { "creationDate": "2026-03-04T05:00:00Z", "mfaAuthenticated": "true" }
            }
        },
        "eventTime": "2026-03-04T05:06:07Z", "eventSource": "workmail.amazonaws.com", "eventName": "CreateUser",
        "awsRegion": "eu-west-1", "sourceIPAddress": "10.0.0.10", "userAgent": "aws-cli/2.0",
        "requestParameters": { "organizationId": "m-0123456789abcdef0123456789abcdef" }, "responseElements": null,
        "requestID": "request", "eventID": "telling", "readOnly": false, "eventType": "AwsApiCall", "managementEvent": true,
        "recipientAccountId": "111122223333", "eventCategory": "Management", "tlsDetails": { "tlsVersion": "TLSv1.3" },
        "vpcEndpointId": "vpce-0123456789abcdef0", "vpcEndpointAccountId": "111122223333"
    })
}

/// A policy that allows everything if a key has a value that it does not have.
fn asking(key: &KeyInfo) -> Value {
    let (operator, value) = match key.key_type.as_str() {
        "date" => ("DateLessThan", "2000-01-01T00:00:00Z"),
        "numeric" => ("NumericLessThan", "1"),
        _ => ("StringLike", "no-such-value"),
    };
    let operator = if key.multivalued { format!("ForAnyValue:{operator}") } else { operator.to_owned() };
    let name = if key.tag { format!("{}team", key.key) } else { key.key.clone() };
    let statement = json!({ "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": { operator: { name: value } } });
    json!({ "Version": "2012-10-17", "Statement": [statement] })
}

/// What the catalogue says of a key is what a replay does: it knows what a record tells, and asks for what policy files tell.
#[test]
fn a_key_is_told_by_what_the_catalogue_says() {
    let room = Room::new();
    room.write("log.json", json!({ "Records": [telling_record()] }).to_string());
    let mut keys: Vec<&KeyInfo> = Catalog::builtin().keys().collect();
    keys.retain(|key| matches!(key.told_by, ToldBy::Record | ToldBy::Policies | ToldBy::Assumed));
    assert!(keys.len() > 30, "{}", keys.len());
    let mut arguments: Vec<String> = ["explain", "log.json", "--event", "telling", "--format", "json"].map(str::to_owned).into();
    for (index, key) in keys.iter().enumerate() {
        room.write(&format!("key-{index}.json"), asking(key).to_string());
        arguments.extend(["--candidate".to_owned(), format!("key-{index}.json")]);
    }
    let answer = room.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).exits(0).json();
    let candidates = answer["explanations"][0]["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), keys.len());
    for (index, key) in keys.iter().enumerate() {
        let candidate = candidates.iter().find(|candidate| candidate["candidate"] == json!(format!("key-{index}"))).unwrap();
        let missing = candidate["missing_keys"].as_array().unwrap().len();
        assert_eq!(missing, usize::from(key.told_by == ToldBy::Policies), "{}: {candidate}", key.key);
    }
}
