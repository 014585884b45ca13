//! The renderers: they agree with the tables and with one another, a saved report renders the same bytes again, and nothing
//! that stands in a log drives what it is rendered to.
#![cfg(all(feature = "cli", feature = "summary"))]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::{Value, json};

use crate::commands::{Room, Run};

const FORMATS: [(&str, &str); 7] = [
    ("terminal", "terminal.txt"),
    ("markdown", "report.md"),
    ("json", "report.json"),
    ("csv", "changes.csv"),
    ("sarif", "report.sarif"),
    ("junit", "report.xml"),
    ("html", "page-data.json"),
];

const CHANGES: [&str; 9] = [
    "lost",
    "gained",
    "potentially_lost",
    "potentially_gained",
    "unchanged_allowed",
    "unchanged_denied",
    "unchanged_unknown",
    "undetermined",
    "baseline_contradicted",
];

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

/// The report of the organization's log, always the same one.
fn fixed(room: &Room) -> PathBuf {
    let report = room.path("report");
    let mut command = Command::cargo_bin("retrial").unwrap();
    command.current_dir(cases().join("organization")).args(["replay", "logs.json", "--baseline", "baseline"]);
    for name in ["lock-mail", "keep-users", "move", "unlock"] {
        command.args(["--candidate", &format!("candidates/{name}.toml")]);
    }
    command.arg("-o").arg(&report).env("COLUMNS", "100").assert().success();
    report
}

fn render(room: &Room, format: &str) -> String {
    room.run(&["report", "report", "--format", format]).exits(0).stdout
}

/// The data that stands in a page.
fn data(page: &str) -> Value {
    let begin = page.find("id=\"data\">").unwrap() + "id=\"data\">".len();
    let text = &page[begin..];
    serde_json::from_str(&text[..text.find("</script>").unwrap()]).unwrap()
}

/// What a format gives, without what differs between equal runs; of the page the data.
fn stable(room: &Room, format: &str) -> String {
    let text = render(room, format);
    match format {
        "json" => {
            let mut value: Value = serde_json::from_str(&text).unwrap();
            value["run"].take();
            serde_json::to_string_pretty(&value).unwrap() + "\n"
        }
        "html" => data(&text).to_string().replace("},{", "},\n{").replace("],[", "],\n[") + "\n",
        _ => text,
    }
}

/// `RETRIAL_BLESS=1 cargo test report::` writes the snapshots anew: look at the difference.
#[test]
fn every_renderer_says_what_it_said() {
    let room = Room::new();
    fixed(&room);
    let mut differ = Vec::new();
    for (format, file) in FORMATS {
        let (path, found) = (cases().join("report").join(file), stable(&room, format));
        if std::env::var_os("RETRIAL_BLESS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &found).unwrap();
        }
        if std::fs::read_to_string(&path).unwrap_or_default() != found {
            std::fs::write(room.path(file), &found).unwrap();
            differ.push(file);
        }
    }
    assert!(differ.is_empty(), "{differ:?} differ from tests/cases/report");
}

#[test]
fn a_saved_report_renders_the_same_bytes_again() {
    let room = Room::new();
    let report = fixed(&room);
    for (format, file) in [("html", "report.html"), ("markdown", "report.md")] {
        assert!(std::fs::read_to_string(report.join(file)).unwrap() == render(&room, format), "{format}");
        room.run(&["report", "report", "--format", format, "-o", "again"]).exits(0);
        assert!(std::fs::read(report.join(file)).unwrap() == std::fs::read(room.path("again")).unwrap(), "{format}");
    }
    room.run(&["report", "nowhere"]).exits(2).says(&["nowhere", "manifest.json"]);
    std::fs::remove_file(report.join("actions.parquet")).unwrap();
    room.run(&["report", "report", "--format", "html"]).exits(2).says(&["actions.parquet", "older version", "replay again"]);
}

type Totals = BTreeMap<String, BTreeMap<String, u64>>;

fn add(totals: &mut Totals, candidate: &str, change: &str, events: u64) {
    if events > 0 {
        *totals.entry(candidate.to_owned()).or_default().entry(change.to_owned()).or_default() += events;
    }
}

fn of_changes(totals: &Totals) -> Totals {
    let is_change = |change: &str| !change.starts_with("unchanged");
    let own = |by_change: &BTreeMap<String, u64>| by_change.clone().into_iter().filter(|(change, _)| is_change(change)).collect();
    totals
        .iter()
        .map(|(candidate, by_change)| (candidate.clone(), own(by_change)))
        .filter(|(_, by): &(_, BTreeMap<_, _>)| !by.is_empty())
        .collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

/// Events by candidate and change, as each format has them.
#[test]
fn all_formats_agree_on_every_total() {
    let room = Room::new();
    let report = fixed(&room);
    let manifest: Value = serde_json::from_slice(&std::fs::read(report.join("manifest.json")).unwrap()).unwrap();
    let candidates = manifest["candidates"].as_array().unwrap();
    let mut expected = Totals::new();
    for candidate in candidates {
        CHANGES.iter().for_each(|change| add(&mut expected, text(&candidate["name"]), change, number(&candidate["events"][*change])));
    }
    let changed = of_changes(&expected);
    assert!(changed.len() > 2, "{changed:?}");

    let mut by_csv = Totals::new();
    let csv = render(&room, "csv");
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let headers = reader.headers().unwrap().clone();
    let column = |name: &str| headers.iter().position(|header| header == name).unwrap();
    for row in reader.records() {
        let row = row.unwrap();
        add(&mut by_csv, &row[column("candidate")], &row[column("change")], row[column("events")].parse().unwrap());
    }
    assert_eq!(by_csv, expected);

    let whole: Value = serde_json::from_str(&render(&room, "json")).unwrap();
    assert_eq!(whole["candidates"], manifest["candidates"]);
    let mut by_json = Totals::new();
    for (candidate, findings) in whole["findings"].as_object().unwrap() {
        for finding in findings.as_array().unwrap() {
            add(&mut by_json, candidate, text(&finding["change"]), number(&finding["events"]));
        }
    }
    assert_eq!(by_json, changed);

    let sarif: Value = serde_json::from_str(&render(&room, "sarif")).unwrap();
    let mut by_sarif = Totals::new();
    for result in sarif["runs"][0]["results"].as_array().unwrap() {
        let own = &result["properties"];
        add(&mut by_sarif, text(&own["candidate"]), text(&result["ruleId"]), number(&own["events"]));
        let region = &result["locations"][0]["physicalLocation"]["region"];
        assert!(number(&region["startLine"]) >= 1 && number(&region["endLine"]) >= number(&region["startLine"]));
    }
    assert_eq!(by_sarif, changed);

    let page = data(&render(&room, "html"));
    let (mut by_page, mut by_rows, mut by_principals) = (Totals::new(), Totals::new(), Totals::new());
    let name = |at: &Value| text(&page["candidates"][at.as_u64().unwrap() as usize]["name"]).to_owned();
    for candidate in page["candidates"].as_array().unwrap() {
        for (change, events) in CHANGES.iter().zip(candidate["events"].as_array().unwrap()) {
            add(&mut by_page, text(&candidate["name"]), change, number(events));
        }
    }
    for row in page["rows"].as_array().unwrap() {
        add(&mut by_rows, &name(&row[0]), CHANGES[number(&row[2]) as usize], number(&row[5]));
    }
    for principal in page["principals"].as_array().unwrap() {
        for (at, by) in principal["by"].as_array().unwrap().iter().enumerate() {
            for (change, events) in CHANGES.iter().zip(by["events"].as_array().unwrap()) {
                add(&mut by_principals, &name(&json!(at)), change, number(events));
            }
        }
    }
    assert_eq!((by_page, by_rows, by_principals), (expected.clone(), changed, expected.clone()));

    let (markdown, junit) = (render(&room, "markdown"), render(&room, "junit"));
    for (at, candidate) in candidates.iter().enumerate() {
        let suite = junit.split("<testsuite ").nth(at + 1).unwrap();
        for change in CHANGES {
            let events = number(&candidate["events"][change]);
            assert!(suite.contains(&format!("<property name=\"events.{change}\" value=\"{events}\"/>")), "{change} {suite}");
            let row = markdown.lines().find(|line| line.starts_with(&format!("| {} |", change.replace('_', " ")))).unwrap();
            assert_eq!(row.split('|').nth(2 + at).unwrap().trim(), events.to_string(), "{change}");
        }
    }
}

/// A log whose texts are markup, formulas, quotes, control and right-to-left characters.
fn hostile(room: &Room) -> Run {
    let nasty = "<script>alert(1)</script>\"'`|=cmd\u{202e}\u{1b}[31m</script><!-- ]]> @everyone";
    let record = |id: &str, name: &str, arn: &str| {
        json!({
            "eventVersion": "1.08",
            "userIdentity": {
                "type": "AssumedRole", "principalId": format!("AROAEXAMPLE:{nasty}"), "arn": arn, "accountId": "111122223333",
                "sessionContext": {"sessionIssuer": {"type": "Role", "principalId": "AROAEXAMPLE", "arn": format!("arn:aws:iam::111122223333:role/{nasty}"), "accountId": "111122223333"}}
            },
            "eventTime": "2026-03-04T05:06:07Z", "eventSource": "workmail.amazonaws.com", "eventName": name,
            "awsRegion": nasty, "sourceIPAddress": nasty, "userAgent": nasty,
            "requestParameters": {"organizationId": nasty}, "responseElements": null,
            "requestID": nasty, "eventID": format!("={id}{nasty}"), "readOnly": true, "eventType": "AwsApiCall",
            "managementEvent": true, "recipientAccountId": "111122223333", "eventCategory": "Management"
        })
    };
    let arn = format!("arn:aws:sts::111122223333:assumed-role/{nasty}/{nasty}");
    let records = [record("a", "ListUsers", &arn), record("b", nasty, &arn), record("c", "DeleteUser", "=1+1")];
    room.write("logs/hostile.json", json!({"Records": records}).to_string());
    room.write("draft.json", crate::commands::policy("workmail:DescribeUser"));
    room.run(&["replay", "logs", "--candidate", "draft=draft.json", "-o", "report"])
}

#[test]
fn nothing_in_a_log_drives_what_it_is_rendered_to() {
    let room = Room::new();
    hostile(&room).exits(0);
    let rendered: BTreeMap<&str, String> = FORMATS.iter().map(|(format, _)| (*format, render(&room, format))).collect();
    let controls = |text: &str| text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}');
    for format in ["terminal", "markdown", "html", "sarif", "junit"] {
        assert!(!controls(&rendered[format]), "{format}");
    }
    let page = &rendered["html"];
    assert_eq!(page.matches("</script>").count(), 2, "the data and the script");
    assert!(!page.contains("<script>alert") && page.contains("\\u003cscript>alert(1)"));
    let shown = data(page);
    assert!(shown["texts"].as_array().unwrap().iter().any(|text| text.as_str().unwrap().contains("<script>alert(1)</script>")));
    assert!(!rendered["markdown"].contains("<script>") && !rendered["markdown"].contains(" @everyone"));
    assert!(!rendered["junit"].contains("<script>") && rendered["junit"].contains("&lt;script&gt;"));
    let mut reader = csv::Reader::from_reader(rendered["csv"].as_bytes());
    for row in reader.records() {
        for cell in &row.unwrap() {
            assert!(!cell.starts_with(['=', '+', '-', '@']), "{cell}");
        }
    }
}

#[test]
fn what_is_accepted_passes_the_gate_and_is_told() {
    let room = Room::new();
    fixed(&room);
    let organization = cases().join("organization");
    let path = |name: &str| organization.join(name).to_string_lossy().into_owned();
    let (logs, baseline, candidate) = (path("logs.json"), path("baseline"), path("candidates/lock-mail.toml"));
    let gated = |more: &[&str]| {
        let replay = ["replay", &logs, "--baseline", &baseline, "--candidate", &candidate, "-o", "gated", "-q", "--fail-on", "lost"];
        room.run(&[replay.as_slice(), more].concat())
    };
    gated(&[]).exits(1).says(&["gate: lock-mail:", "distinct request", "not judged:"]);
    let all = "[[accept]]\nchange = \"lost\"\nprincipal = \"*\"\naction = \"*\"\nreason = \"the region lock is meant\"\nexpires = \"2999-12-31\"\n";
    room.write("all.toml", all);
    gated(&["--accept", "all.toml"]).exits(0).says(&["all.toml:1: accepts", "the region lock is meant", "accepted:"]);
    room.write("old.toml", all.replace("2999", "2020") + &all.replace("\"*\"\naction", "\"*/nobody\"\naction"));
    gated(&["--accept", "old.toml"]).exits(1).says(&["old.toml:1: expired on 2020-12-31", "old.toml:7: no change is as it says"]);
    room.write("bad.toml", all.replace("lost", "losst"));
    gated(&["--accept", "bad.toml"]).exits(2).says(&["bad.toml", "`losst` is no change", "lost, gained"]);
    gated(&["--accept", "nowhere.toml"]).exits(2).says(&["nowhere.toml"]);
    room.run(&["replay", &logs, "--candidate", &candidate, "-o", "gated", "--accept", "all.toml"]).exits(2).says(&["--fail-on"]);
}

#[test]
fn too_little_evidence_is_not_judged() {
    let room = Room::new();
    let organization = cases().join("organization");
    let path = |name: &str| organization.join(name).to_string_lossy().into_owned();
    let (logs, baseline) = (path("logs.json"), path("baseline"));
    let gated = |share: &str| {
        let candidate = format!("same={baseline}");
        room.run(&["replay", &logs, "--baseline", &baseline, "--candidate", &candidate, "-o", "report", "-q", "--min-coverage", share])
    };
    let report = gated("0").exits(0);
    assert!(report.stderr.contains("not judged:"), "{}", report.stderr);
    gated("101").exits(2).says(&["--min-coverage", "0 to 100"]);
    room.write("two.json", json!({"Records": [dated("2026-03-01"), dated("2026-03-10")]}).to_string());
    let two = |share: &str| {
        let candidate = format!("same={baseline}");
        room.run(&["replay", "two.json", "--baseline", &baseline, "--candidate", &candidate, "-o", "report", "-q", "--min-coverage", share])
    };
    two("20").exits(0);
    two("21").exits(2).says(&["events on 2 of 10 days", "--min-coverage asks for 21 %"]);
}

fn dated(day: &str) -> Value {
    json!({
        "eventVersion": "1.08",
        "userIdentity": {"type": "IAMUser", "principalId": "AIDAEXAMPLE", "arn": "arn:aws:iam::111122223333:user/alice", "accountId": "111122223333", "userName": "alice"},
        "eventTime": format!("{day}T05:06:07Z"), "eventSource": "workmail.amazonaws.com", "eventName": "ListUsers",
        "awsRegion": "eu-west-1", "sourceIPAddress": "192.0.2.10", "userAgent": "x", "requestParameters": {"organizationId": "m-1"},
        "responseElements": null, "requestID": day, "eventID": day, "readOnly": true, "eventType": "AwsApiCall",
        "managementEvent": true, "recipientAccountId": "111122223333", "eventCategory": "Management"
    })
}
