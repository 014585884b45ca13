//! The program as a person runs it: exit codes, messages, files.
#![cfg(feature = "cli")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A finished run.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Asserts the exit code, and that nothing panicked.
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }

    /// Asserts that standard error has all parts.
    pub(crate) fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.stderr.contains(part), "`{part}` is not in\n{}", self.stderr);
        }
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}:\n{}", self.stdout))
    }
}

/// A folder to work in.
pub(crate) struct Room {
    dir: TempDir,
}

impl Room {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// A log file with four events of one user.
    fn logs(&self) -> &Self {
        let records: Vec<Value> = ["one", "two", "three", "four"].map(record).into();
        self.write("logs/good.json", json!({ "Records": records }).to_string());
        self
    }

    /// A policy that allows nothing that is in the log.
    fn draft(&self) -> &Self {
        self.write("draft.json", policy("workmail:DescribeUser"));
        self
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        let mut command = Command::cargo_bin("retrial").unwrap();
        let output = command.args(arguments).current_dir(self.dir.path()).env("NO_COLOR", "1").output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Run { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// `replay logs -o report` with more arguments.
    fn replay(&self, arguments: &[&str]) -> Run {
        self.run(&[["replay", "logs", "-o", "report"].as_slice(), arguments].concat())
    }

    fn manifest(&self) -> Value {
        serde_json::from_str(&std::fs::read_to_string(self.path("report/manifest.json")).unwrap()).unwrap()
    }
}

fn record(id: &str) -> Value {
    json!({
        "eventVersion": "1.08",
        "userIdentity": {
            "type": "IAMUser", "principalId": "AIDAEXAMPLEALICE", "arn": "arn:aws:iam::111122223333:user/alice",
            "accountId": "111122223333", "userName": "alice"
        },
        "eventTime": "2026-03-04T05:06:07Z", "eventSource": "workmail.amazonaws.com", "eventName": "ListUsers",
        "awsRegion": "eu-west-1", "sourceIPAddress": "192.0.2.10", "userAgent": "aws-cli/2.0",
        "requestParameters": { "organizationId": "m-0123456789abcdef0123456789abcdef" }, "responseElements": null,
        "requestID": format!("request-{id}"), "eventID": id, "readOnly": true, "eventType": "AwsApiCall",
        "managementEvent": true, "recipientAccountId": "111122223333", "eventCategory": "Management"
    })
}

pub(crate) fn policy(action: &str) -> String {
    let statement = json!({ "Sid": "Only", "Effect": "Allow", "Action": action, "Resource": "*" });
    json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
}

/// The shipped policies.
pub(crate) fn shipped(path: &str) -> String {
    format!("{}/datasets/workmail/policies/{path}", env!("CARGO_MANIFEST_DIR"))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

/// Every file below a folder, by its path in it, with its bytes.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_path_buf(), std::fs::read(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(folder, folder, &mut found);
    found
}

/// The names in a folder.
fn names(folder: &Path) -> BTreeSet<String> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Five broken files beside the good one: their names.
fn break_logs(room: &Room) -> Vec<&'static str> {
    let wrap = |records: &[Value]| json!({ "Records": records }).to_string();
    let whole = gzip(wrap(&[record("lost-with-gzip")]).as_bytes());
    room.write("logs/broken-gzip.json.gz", &whole[..whole.len() / 2]);
    let cut = wrap(&[record("before-the-cut"), record("lost-with-the-end")]);
    room.write("logs/truncated.json", &cut[..cut.len() - 100]);
    room.write("logs/string-record.json", wrap(&[json!("only a string"), record("beside-a-string")]));
    room.write("logs/empty.json", "");
    let mut broken = vec!["broken-gzip.json.gz", "truncated.json", "string-record.json", "empty.json"];
    if cfg!(unix) {
        #[cfg(unix)]
        std::os::unix::fs::symlink("nowhere.json", room.path("logs/dangling.json")).unwrap();
        broken.push("dangling.json");
    }
    broken
}

#[test]
fn broken_logs_cost_only_themselves_and_are_named() {
    let room = Room::new();
    let broken = break_logs(room.logs().draft());
    let run = room.replay(&["--candidate", "draft.json", "--keep", "events"]).exits(0).says(&broken);
    assert!(!run.stderr.contains("good.json"), "{}", run.stderr);
    let counts = &room.manifest()["counts"];
    assert_eq!((&counts["events"], &counts["replayed"]), (&json!(6), &json!(6)), "four good ones and the two beside broken ones");
    let skipped = room.manifest()["skipped_by_reason"].clone();
    let reasons: Vec<&str> = skipped.as_object().unwrap().keys().map(String::as_str).collect();
    for reason in ["broken_compression", "empty_file", "not_an_object", "truncated"] {
        assert!(reasons.contains(&reason), "{reason} is not in {reasons:?}");
    }
    assert_eq!(reasons.contains(&"unreadable_file"), cfg!(unix));
    let sum: u64 = skipped.as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!(counts["skipped"], json!(sum));
    assert_eq!(counts["records"], json!(sum + 6));
    assert!(room.path("events/_retrial/ledger.json").is_file(), "--keep keeps the dataset");
}

#[test]
fn ingest_names_broken_logs_and_keeps_the_good_events() {
    let room = Room::new();
    let broken = break_logs(room.logs());
    let run = room.run(&["ingest", "logs", "-o", "events", "--format", "json"]).exits(0).says(&broken);
    assert_eq!(run.json()["events"], json!(6));
    let again = room.run(&["ingest", "logs", "-o", "events", "--format", "json"]).exits(0);
    assert_eq!(again.json()["events"], json!(6), "a second run adds no event");
}

#[test]
#[cfg(target_os = "linux")]
fn standard_error_that_is_full_or_closed_changes_nothing() {
    let room = Room::new();
    room.write("logs/a.json", "no json");
    for (redirect, code) in [("2> /dev/full", 0), ("2>&-", 0), ("2> /dev/full -o", 2)] {
        let line = format!("\"$0\" ingest logs -o events {redirect}");
        let run = std::process::Command::new("sh")
            .args(["-c", &line, env!("CARGO_BIN_EXE_retrial")])
            .current_dir(room.path(""))
            .output()
            .unwrap();
        assert_eq!(run.status.code(), Some(code), "{redirect}: {}", String::from_utf8_lossy(&run.stderr));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn names_and_logs_cannot_drive_the_terminal() {
    use std::os::unix::ffi::OsStrExt as _;
    let room = Room::new();
    let event = |region: &str| json!({"eventID": region, "eventTime": "2026-01-01T00:00:00Z", "eventSource": "s3.amazonaws.com", "eventName": "A", "awsRegion": region});
    room.write("logs/a.json", event("x\u{9b}31m\u{202e}\u{7f}\u{200b}y").to_string());
    let run = room.run(&["ingest", "logs", "-o", "e\u{1b}[31mvents", "--format", "json"]).exits(0);
    assert!(!run.stdout.chars().any(|c| "\u{9b}\u{202e}\u{7f}\u{200b}".contains(c)), "{}", run.stdout);
    assert_eq!(run.json()["regions"]["x\u{9b}31m\u{202e}\u{7f}\u{200b}y"], 1);
    let run = room.run(&["ingest", "logs", "-o", "e\u{1b}[31mvents"]).exits(0);
    assert!(run.stdout.starts_with("e\\u{1b}[31mvents: ") && !run.stdout.contains('\u{1b}'), "{}", run.stdout);
    let run = room.run(&["ingest", "nope\u{1b}[31m", "-o", "other"]).exits(2);
    assert!(!run.stderr.contains('\u{1b}') && run.stderr.contains("nope\\u{1b}"), "{}", run.stderr);
    // Two files whose names are no text have two names.
    for (name, region) in [(b"\xfe.json", "one"), (b"\xff.json", "two")] {
        std::fs::write(room.path("logs").join(std::ffi::OsStr::from_bytes(name)), event(region).to_string()).unwrap();
    }
    room.run(&["ingest", "logs", "-o", "bytes"]).exits(0);
    let ledger = std::fs::read_to_string(room.path("bytes/_retrial/ledger.json")).unwrap();
    assert!(ledger.contains(r"\\xfe.json") && ledger.contains(r"\\xff.json"), "{ledger}");
}

#[test]
fn ingest_says_what_tables_do_not_tell() {
    let room = Room::new();
    room.write("logs/lake.csv", "eventID,eventName,eventTime,eventSource,userIdentity,errorCode,awsRegion\n1,A,2026-01-01T00:00:00Z,s3.amazonaws.com,{'type': User},,eu-west-1\n");
    room.write(
        "logs/history.csv",
        "Event ID,Event name,Event time\n2,B,\"2026-01-01, 04:52:01 PM\"\n3,C,\"2026-01-01, 04:52:02 PM\"\n4,D,soon\n",
    );
    room.write("logs/notes.md", "# notes");
    let run = room.run(&["ingest", "logs", "-o", "events", "-v"]).exits(0);
    run.says(&[
        "1 event of tables that lack `eventType`, `errorMessage`, `recipientAccountId`, `vpcEndpointId`: ",
        "2 events of tables that lack `userIdentity`, `eventSource`, `eventType`, `awsRegion` and 4 more: ",
        "1 event with a `userIdentity` that cannot be read: ",
        "2 events with the local time of whoever downloaded the table, which is taken as UTC",
        "passed over: `logs/notes.md`",
    ]);
    room.write("empty/a.json", "{\"Records\":[]}");
    room.run(&["ingest", "empty", "-o", "none"]).exits(0).says(&["no event: what was read holds no records"]);
}

#[test]
fn bytes_that_are_no_text_are_told_with_their_place() {
    let room = Room::new();
    let latin = |text: &str| text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect::<Vec<u8>>();
    let named = |name: &str| {
        let mut named = record(name);
        named["userIdentity"]["userName"] = json!("bj\u{f6}rn");
        named.to_string()
    };
    room.write("logs/utf8.json", named("one"));
    room.write("logs/latin.json", latin(&named("two")));
    // A character that is cut at the end is the file's, whose last record is cut anyway; what holds no record is said to hold none.
    let cut = [named("three").as_bytes(), b"\n{\"eventVersion\": \"\xc3"].concat();
    room.write("logs/cut.json", cut);
    room.write("logs/noise.json", [0xf1, 0xf2, b'{']);
    let mut secret = record("four");
    secret["requestParameters"] = json!({"password": "p\u{e4}ssEXAMPLE"});
    room.write("logs/secret.json", latin(&secret.to_string()));
    room.draft();
    for command in [&["ingest", "logs", "-o", "events"][..], &["replay", "logs", "--candidate", "draft.json", "-o", "report"]] {
        let run = room.run(command).exits(0);
        let told: Vec<&str> = run.stderr.lines().filter(|line| line.contains("not UTF-8")).collect();
        assert!(matches!(told[..], [line, _] if line.contains(r"latin.json`: not UTF-8 at `") && line.contains(r"bj\xf6rn")), "{told:?}");
        let secret: Vec<&str> = run.stderr.lines().filter(|line| line.contains("EXAMPLE")).collect();
        assert!(secret.is_empty(), "{secret:?}");
    }
}

#[cfg(feature = "summary")]
#[test]
fn what_is_skipped_is_kept_where_that_is_asked_for() {
    let room = Room::new();
    let secret = r#"{"eventVersion":"1.08","responseElements":{"credentials":{"sessionToken":"FwoGSECRET","accessKeyId":"ASIA1"}},}"#;
    let long = format!("[\"{}\u{e9}\u{e9}\"]", "x".repeat(4_093));
    room.write("logs/a.json", secret);
    room.write("logs/b.json", b"{\"Records\":[{\"eventVersion\": \xf6}]}".as_slice());
    room.write("logs/c.json", &long);
    room.write("logs/d.json", json!({"Records": [record("a")]}).to_string());
    room.write("logs/e.json", "");
    room.write(
        "logs/f.csv",
        "eventName,eventSource,eventTime,responseElements.sessionToken\nAssumeRole,sts.amazonaws.com,never,CELLSECRET\n",
    );
    room.draft();
    let raws = |report: &str| {
        let batches = retrial::frame::parquet::read(&room.path(report).join("skipped.parquet"), None).unwrap();
        let column = |name| retrial::frame::read::text(&batches[0], name).unwrap().iter().map(|cell| cell.map(str::to_owned)).collect();
        let (files, raw): (Vec<Option<String>>, Vec<Option<String>>) = (column("file"), column("raw"));
        files.into_iter().map(|file| file.unwrap()[5..6].to_owned()).zip(raw).collect::<Vec<_>>()
    };
    let replay = |inputs: &[&str]| room.run(&[&["replay", "--candidate", "draft.json", "-o", "report", "-q"], inputs].concat()).exits(0);
    replay(&["logs"]);
    assert!(raws("report").iter().all(|(_, raw)| raw.is_none()) && raws("report").len() == 5, "{:?}", raws("report"));
    replay(&["logs", "--keep-raw"]);
    let kept = raws("report");
    let raw = |file: &str| kept.iter().find(|(name, _)| name == file).unwrap().1.as_deref();
    assert_eq!(raw("a").unwrap(), secret.replace("FwoGSECRET", "**********"));
    assert!(raw("b").unwrap().contains("{\"eventVersion\": "), "{kept:?}");
    assert_eq!(raw("c").unwrap(), format!("\"{}\u{e9}", "x".repeat(4_093)), "4,096 bytes and no half of a character");
    assert_eq!((raw("e"), raw("f")), (None, Some("AssumeRole,sts.amazonaws.com,never,**********")));
    // The report says how it was made, and datasets hand on what they have.
    assert!(room.manifest()["arguments"].as_array().unwrap().contains(&json!("--keep-raw")), "{}", room.manifest()["arguments"]);
    room.run(&["ingest", "logs", "--keep-raw", "-o", "kept"]).exits(0);
    room.run(&["ingest", "kept", "-o", "copy"]).exits(0);
    replay(&["copy"]);
    assert_eq!(raws("report"), kept);
    let ledger = std::fs::read_to_string(room.path("copy/_retrial/ledger.json")).unwrap();
    assert!(ledger.contains("\"raw\"") && !ledger.contains("FwoGSECRET"), "{ledger}");
}

#[test]
fn lines_that_are_the_same_and_no_records_take_one_row_of_the_ledger() {
    let room = Room::new();
    let lines: String = (0..40_000).map(|line| if line % 20_000 == 7 { "{\"a\": 1}\n" } else { "{}\n" }).collect();
    room.write("logs/a.json", lines);
    room.write("logs/b.json", record("a").to_string() + "\n{}\n{}\n" + &record("b").to_string() + "\n{}\n");
    room.draft();
    room.run(&["ingest", "logs", "-o", "events"]).exits(0).says(&[
        "no `eventSource` and no `eventName`",
        "; and 39,999 more of this file",
        "; and 2 more of this file",
    ]);
    let ledger: serde_json::Value = serde_json::from_slice(&std::fs::read(room.path("events/_retrial/ledger.json")).unwrap()).unwrap();
    let rows: Vec<(u64, u64)> = (ledger["skipped"].as_array().unwrap().iter())
        .map(|row| (row["index"].as_u64().unwrap(), row.get("count").map_or(1, |count| count.as_u64().unwrap())))
        .collect();
    assert_eq!(rows, [(0, 7), (7, 1), (8, 19_999), (20_007, 1), (20_008, 19_992), (1, 2), (4, 1)]);
    room.run(&["ingest", "events", "-o", "copy"]).exits(0);
    room.run(&["replay", "copy", "--candidate", "draft.json", "-o", "report"]).exits(0);
    let batches = retrial::frame::parquet::read(&room.path("report/skipped.parquet"), None).unwrap();
    let indices: Vec<i64> =
        batches.iter().flat_map(|batch| retrial::frame::read::int(batch, "index").unwrap().iter().flatten().collect::<Vec<_>>()).collect();
    assert_eq!(indices, (0..40_000).chain([1, 2, 4]).collect::<Vec<_>>(), "the report has a row for each of them");
    assert_eq!(room.manifest()["counts"]["skipped"], 40_003);
    assert_eq!(room.manifest()["skipped_by_reason"], json!({"not_a_record": 40_003}));
}

#[test]
fn a_ledger_whose_rows_do_not_come_to_what_it_counts_is_refused() {
    let room = Room::new();
    room.write("logs/a.json", record("a").to_string() + "\n{}\n{}\n");
    room.run(&["ingest", "logs", "-o", "events"]).exits(0);
    let path = room.path("events/_retrial/ledger.json");
    let ledger = std::fs::read_to_string(&path).unwrap();
    assert!(ledger.contains("\"count\":2"), "{ledger}");
    for count in ["0", "3", "18446744073709551615"] {
        std::fs::write(&path, ledger.replace("\"count\":2", &format!("\"count\":{count}"))).unwrap();
        room.run(&["ingest", "logs", "-o", "events"])
            .exits(2)
            .says(&["counts 2 skipped of 3 records", "load the logs again into a new folder"]);
    }
    std::fs::write(&path, ledger).unwrap();
    room.run(&["ingest", "logs", "-o", "events"]).exits(0);
}

#[test]
fn accounts_of_the_log_are_text_in_every_report() {
    let room = Room::new();
    let account = "\u{1b}]0;pwn\u{7}<img src=x>\u{2028}";
    let mut foreign = record("two");
    (foreign["recipientAccountId"], foreign["eventTime"]) = (json!(account), json!("2026-03-05T05:06:07Z"));
    room.write("logs/a.json", json!({ "Records": [record("one"), foreign] }).to_string());
    let run = room.draft().replay(&["--candidate", "draft.json"]).exits(0);
    assert!(run.stdout.contains(r"\u{1b}]0;pwn\u{7}<img src=x>\u{2028} on 1"), "{}", run.stdout);
    let markdown = std::fs::read_to_string(room.path("report/report.md")).unwrap();
    for text in [&run.stdout, &markdown] {
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{2028}']), "{text}");
    }
    assert!(!markdown.replace(r"\<", "").contains('<'), "{markdown}");
}

#[test]
fn a_key_that_a_table_has_no_place_for_is_undetermined_and_not_lost() {
    let mut of_role = record("one");
    of_role["eventVersion"] = json!("1.11");
    of_role["userIdentity"] = json!({
        "type": "AssumedRole", "principalId": "AROAEXAMPLE:erin", "arn": "arn:aws:sts::111122223333:assumed-role/Ops/erin",
        "accountId": "111122223333", "sessionContext": {"sessionIssuer": {"arn": "arn:aws:iam::111122223333:role/Ops"}}
    });
    let struct_without = "{type=AssumedRole, principalid=AROAEXAMPLE:erin, arn=arn:aws:sts::111122223333:assumed-role/Ops/erin, \
                          accountid=111122223333, invokedby=null, sessioncontext={sessionissuer={arn=arn:aws:iam::111122223333:role/Ops}}}";
    let columns = [
        "eventVersion",
        "eventTime",
        "eventSource",
        "eventName",
        "awsRegion",
        "sourceIPAddress",
        "requestParameters",
        "eventType",
        "recipientAccountId",
    ];
    let cell = |name: &str| match &of_role[name] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let quoted = |cell: String| format!("\"{}\"", cell.replace('"', "\"\""));
    let table = format!(
        "{},errorCode,errorMessage,vpcEndpointId,eventID,userIdentity\n{},,,,two,{}\n",
        columns.join(","),
        columns.map(|name| quoted(cell(name))).join(","),
        quoted(struct_without.to_owned())
    );
    let only = |condition: Value| {
        let statement = json!({"Effect": "Allow", "Action": "workmail:*", "Resource": "*", "Condition": condition});
        json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
    };
    for (condition, of_record, of_table) in [
        (json!({"StringEquals": {"aws:SourceIdentity": "erin"}}), "lost", "potentially_lost"),
        (json!({"Bool": {"aws:ViaAWSService": "false"}}), "unchanged_allowed", "unchanged_allowed"),
        (json!({"Null": {"aws:FederatedProvider": "true"}}), "unchanged_allowed", "potentially_lost"),
        (json!({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}), "unchanged_allowed", "unchanged_allowed"),
    ] {
        for (log, class) in [(of_role.to_string(), of_record), (table.clone(), of_table)] {
            let room = Room::new();
            room.write("logs/log", &log);
            room.write("draft.json", only(condition.clone()));
            let run = room.replay(&["--candidate", "draft.json", "--assume-absent", "session"]).exits(0);
            assert_eq!(
                room.manifest()["candidates"][0]["events"][class],
                json!(1),
                "{condition}: {}\n{}",
                room.manifest()["candidates"][0],
                run.stderr
            );
            assert_eq!(run.stderr.contains("do not tell all of `sourceIdentity`, `federatedProvider`"), log == table, "{}", run.stderr);
        }
    }
}

#[test]
fn a_check_that_a_call_may_do_without_is_undetermined_where_the_log_does_not_show_it() {
    let role = "arn:aws:iam::111122223333:role/Monitoring";
    let workmail = "workmail:*";
    let both = json!(["workmail:*", "iam:PassRole"]);
    let allow = |action: Value| {
        let statement = json!({"Effect": "Allow", "Action": action, "Resource": "*"});
        json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
    };
    for (name, parameters, class) in [
        // The role that it passes is in the log, or is not there, or the log does not say.
        ("PutEmailMonitoringConfiguration", json!({"organizationId": "m-1", "roleArn": role}), "lost"),
        ("PutEmailMonitoringConfiguration", json!({"organizationId": "m-1"}), "unchanged_allowed"),
        ("PutEmailMonitoringConfiguration", json!(null), "potentially_lost"),
        // There is none without.
        ("StartMailboxExportJob", json!(null), "lost"),
        ("StartMailboxExportJob", json!({"organizationId": "m-1", "roleArn": "HIDDEN_DUE_TO_SECURITY_REASONS"}), "lost"),
    ] {
        let room = Room::new();
        let mut call = record("one");
        call["eventName"] = json!(name);
        call["requestParameters"] = parameters.clone();
        room.write("logs/log.json", call.to_string());
        room.write("draft.json", allow(json!(workmail)));
        room.write("all.json", allow(both.clone()));
        room.replay(&["--candidate", "draft.json", "--candidate", "all.json"]).exits(0);
        let candidates = room.manifest()["candidates"].clone();
        assert_eq!(candidates[0]["events"][class], json!(1), "{name} {parameters}: {candidates}");
        assert_eq!(candidates[1]["events"]["unchanged_allowed"], json!(1), "{name} {parameters}: {candidates}");
    }
}

#[test]
fn the_sums_of_a_run_are_those_of_what_it_read() {
    let room = Room::new();
    let [one, two] = ["one", "two"].map(|id| record(id).to_string());
    room.write("logs/a.json", format!("{{\"Records\":[{one},{}", &two[..40]));
    room.run(&["ingest", "logs", "-o", "events"]).exits(0);
    room.write("logs/a.json", format!("{{\"Records\":[{one},{two}]}}"));
    let run = room.run(&["ingest", "logs", "-o", "events", "--format", "json"]).exits(0).json();
    assert_eq!(
        run["run"],
        json!({"files": 1, "already_loaded": 0, "passed_over": 0, "records": 2, "events": 1, "duplicates": 1, "skipped": 0})
    );
    assert_eq!((&run["records"], &run["events"], &run["duplicates"]), (&json!(2), &json!(2), &json!(0)));
}

#[test]
fn ingest_says_so_where_nothing_is_an_event() {
    let room = Room::new();
    room.write("logs/notes.json", "{\"a\":1}");
    room.run(&["ingest", "logs", "-o", "events"]).exits(0).says(&["no event could be read"]);
    let loaded = room.logs().run(&["ingest", "logs", "-o", "events"]).exits(0);
    assert!(!loaded.stderr.contains("no event could be read"), "{}", loaded.stderr);
    // Where no file can be read at all, the run could not be done.
    room.write("damaged/a.parquet", "PAR1");
    room.write("damaged/b.parquet", "PAR1 and no end");
    let run = room.run(&["ingest", "damaged", "-o", "damaged-events", "--format", "json"]).exits(2);
    assert_eq!(run.json()["skipped"], 2);
    run.says(&["nothing could be read, of 2 files"]);
    room.write("damaged/c.json", "no json");
    room.run(&["ingest", "damaged", "-o", "damaged-events"]).exits(0);
}

#[test]
fn a_dangling_link_that_is_named_directly_is_a_broken_file_too() {
    if !cfg!(unix) {
        return;
    }
    let room = Room::new();
    break_logs(room.logs());
    let run = room.run(&["ingest", "logs/good.json", "logs/dangling.json", "-o", "events", "--format", "json"]).exits(0);
    let run = run.says(&["dangling.json"]);
    assert_eq!((&run.json()["events"], &run.json()["skipped"]), (&json!(4), &json!(1)));
}

#[test]
fn a_syntax_error_in_a_policy_is_shown_with_its_place_an_excerpt_and_a_caret() {
    let room = Room::new();
    let text = policy("workmail:ListUsers").replace("[{", "[\n  {").replace("\"Allow\"", "Allow");
    room.logs().write("bad.json", &text);
    let line = text.lines().nth(1).unwrap();
    let column = line.find("Allow").unwrap() + 1;
    let run = room.replay(&["--candidate", "bad.json"]).exits(2).says(&[&format!("bad.json:2:{column}"), "error:", "Allow", "^"]);
    let (excerpt, caret) = {
        let lines: Vec<&str> = run.stderr.lines().collect();
        let at = lines.iter().position(|line| line.contains('^')).unwrap();
        (lines[at - 1], lines[at])
    };
    assert!(excerpt.starts_with("2 |"), "{excerpt}");
    assert!(excerpt[caret.find('^').unwrap()..].starts_with("Allow"), "the caret is elsewhere:\n{excerpt}\n{caret}");
    assert!(!room.path("report").exists(), "a report was written all the same");
}

#[test]
fn a_misspelt_element_of_a_policy_is_refused_with_a_proposal() {
    let room = Room::new();
    room.logs().write("bad.json", policy("workmail:ListUsers").replace("\"Effect\"", "\"Efect\""));
    room.replay(&["--candidate", "bad.json"]).exits(2).says(&["bad.json:1:", "`Efect`", "`Effect`", "^"]);
}

#[test]
fn an_unknown_class_of_the_gate_is_answered_with_the_list() {
    let room = Room::new();
    let run = room.logs().draft().replay(&["--candidate", "draft.json", "--fail-on", "losses"]).exits(2);
    let classes =
        ["lost", "gained", "potentially_lost", "potentially_gained", "unchanged_allowed", "unchanged_denied", "unchanged_unknown"];
    let others = ["undetermined", "baseline_contradicted", "skipped", "not_replayed", "uncovered", "unexercised", "unsafe"];
    run.says(&["`losses`", "--fail-on"]).says(&classes).says(&others);
    assert!(!room.path("report").exists(), "the flags are read before the work is done");
}

#[test]
fn a_gate_that_finds_something_exits_with_1_and_the_report_is_there() {
    let room = Room::new();
    let run = room.logs().draft().replay(&["--candidate", "draft.json", "--fail-on", "lost"]).exits(1);
    run.says(&["gate:", "lost", "of 4 replayed", "not judged"]);
    assert_eq!(room.manifest()["candidates"][0]["events"]["lost"], json!(4));
}

#[test]
fn a_gate_that_finds_nothing_passes_and_says_what_it_did_not_judge() {
    let room = Room::new();
    room.logs().write("same.json", policy("workmail:*"));
    room.replay(&["--candidate", "same.json", "--fail-on", "lost"]).exits(0).says(&["gate:", "0 lost of 4 replayed", "not judged"]);
}

#[test]
fn a_gate_lets_through_as_much_as_its_threshold() {
    let room = Room::new();
    room.logs().draft();
    // One distinct request, four events of four.
    room.replay(&["--candidate", "draft.json", "--fail-on", "lost:1"]).exits(0);
    room.replay(&["--candidate", "draft.json", "--fail-on", "lost:99%"]).exits(1);
    room.replay(&["--candidate", "draft.json", "--fail-on", "gained,lost:100%"]).exits(0);
    room.replay(&["--candidate", "draft.json", "--fail-on", "lost:many"]).exits(2).says(&["`lost:many`"]);
}

#[test]
fn a_gate_does_not_pass_where_a_filter_matches_nothing() {
    let room = Room::new();
    room.logs().draft();
    let nothing = ["--candidate", "draft.json", "--region", "nowhere-1"];
    room.replay(&[nothing.as_slice(), &["--fail-on", "lost"]].concat()).exits(2);
    // Without a gate neither: a misspelt filter is no answer.
    room.replay(&nothing).exits(2).says(&["filter"]);
    assert_eq!(room.manifest()["counts"]["filtered"], json!(4));
}

#[test]
fn a_gate_does_not_pass_where_nothing_could_be_replayed() {
    let room = Room::new();
    let mut root = record("root");
    root["userIdentity"] =
        json!({ "type": "Root", "principalId": "111122223333", "arn": "arn:aws:iam::111122223333:root", "accountId": "111122223333" });
    let mut service = record("service");
    service["userIdentity"] = json!({ "type": "AWSService", "invokedBy": "workmail.amazonaws.com" });
    room.draft().write("logs/service.json", service.to_string());
    room.replay(&["--candidate", "draft.json", "--fail-on", "lost"]).exits(2).says(&["nothing to judge"]);
    // Root is not decided by identity policies, but its calls are replayed: an account policy could deny them.
    room.write("logs/service.json", root.to_string());
    room.replay(&["--candidate", "draft.json"]).exits(0);
    assert_eq!(room.manifest()["candidates"][0]["events"]["lost"], json!(0), "a bare document is never for root");
}

#[test]
fn two_candidates_of_one_name_are_bad_usage() {
    let room = Room::new();
    room.logs().draft().write("other/draft.json", policy("workmail:*"));
    room.replay(&["--candidate", "draft.json", "--candidate", "other/draft.json"]).exits(2).says(&["`draft`", "NAME=PATH"]);
    room.replay(&["--candidate", "draft.json", "--candidate", "other=other/draft.json"]).exits(0);
    room.replay(&["--candidate", "x=draft.json", "--candidate", "x=other/draft.json"]).exits(2).says(&["`x`"]);
}

#[test]
fn an_output_folder_that_holds_something_else_is_left_alone() {
    let room = Room::new();
    room.logs().draft().write("report/notes.txt", "mine");
    room.replay(&["--candidate", "draft.json"]).exits(2).says(&["`report`", "not empty", "-o"]);
    assert_eq!(names(&room.path("report")), BTreeSet::from(["notes.txt".to_owned()]));
    room.run(&["ingest", "logs", "-o", "report"]).exits(2).says(&["`report`"]);
    room.run(&["generate", "report", "--events", "10", "--seed", "1"]).exits(2).says(&["`report`"]);
    assert_eq!(names(&room.path("report")), BTreeSet::from(["notes.txt".to_owned()]));
    assert_eq!(names(room.dir.path()), ["draft.json", "logs", "report"].map(str::to_owned).into_iter().collect::<BTreeSet<_>>());
}

#[test]
fn an_older_report_is_replaced_and_nothing_else_stays_behind() {
    let room = Room::new();
    room.logs().draft();
    room.replay(&["--candidate", "draft.json"]).exits(0);
    room.write("report/left-over.txt", "of the older run");
    room.replay(&["--candidate", "again=draft.json"]).exits(0);
    assert_eq!(room.manifest()["candidates"][0]["name"], json!("again"));
    let mut files = BTreeSet::from(["manifest.json".to_owned()]);
    files.extend(["changes", "principals", "actions", "statements", "coverage", "skipped"].map(|name| format!("{name}.parquet")));
    if cfg!(feature = "summary") {
        files.extend(["report.md", "report.html"].map(str::to_owned));
    }
    assert_eq!(names(&room.path("report")), files);
    assert_eq!(names(room.dir.path()), ["draft.json", "logs", "report"].map(str::to_owned).into_iter().collect::<BTreeSet<_>>());
}

#[test]
fn a_change_set_that_names_no_policy_is_answered_with_the_nearest_and_its_line() {
    let room = Room::new();
    let change = "# A comment.\n\n[[change]]\nreplace = \"arn:aws:iam::111122223333:policy/WorkMailHelpdeks\"\nwith = \"../draft.json\"\n";
    room.logs().draft().write("candidate/changes.toml", change);
    let run = room.replay(&["--baseline", &shipped("baseline"), "--candidate", "candidate"]).exits(2);
    run.says(&[
        "changes.toml",
        "changes.toml:4:11",
        "`arn:aws:iam::111122223333:policy/WorkMailHelpdeks`",
        "`arn:aws:iam::111122223333:policy/WorkMailHelpdesk`",
    ]);
}

#[test]
fn a_change_set_whose_document_is_not_there_is_an_error_with_its_line() {
    let room = Room::new();
    let change = "[[change]]\nattach = \"nowhere.json\"\nto = [\"*\"]\n";
    room.logs().write("candidate/changes.toml", change);
    let run = room.replay(&["--baseline", &shipped("baseline"), "--candidate", "candidate"]).exits(2);
    run.says(&["changes.toml:2:10", "`nowhere.json` is not there"]);
}

#[test]
fn a_change_set_without_a_baseline_names_the_flag_that_is_missing() {
    let room = Room::new();
    room.logs().replay(&["--candidate", &shipped("read-only")]).exits(2).says(&["changes.toml", "--baseline"]);
    room.replay(&["--baseline", &shipped("read-only/changes.toml"), "--candidate", &shipped("read-only")]).exits(2).says(&["--candidate"]);
}

#[test]
fn a_snapshot_whose_next_page_is_missing_is_an_error() {
    let room = Room::new();
    let snapshot = std::fs::read_to_string(shipped("baseline/account-777788889999.json")).unwrap();
    let mut page: Value = serde_json::from_str(&snapshot).unwrap();
    page["IsTruncated"] = json!(true);
    page["Marker"] = json!("next");
    room.logs().draft().write("snapshot/page-1.json", page.to_string());
    let run = room.replay(&["--baseline", "snapshot", "--candidate", "draft.json"]).exits(2);
    run.says(&["page-1.json", "IsTruncated", "777788889999"]);
    room.write("snapshot/page-2.json", snapshot);
    room.replay(&["--baseline", "snapshot", "--candidate", "draft.json"]).exits(0);
}

#[test]
fn a_path_that_is_not_there_is_an_error_that_names_it() {
    let room = Room::new();
    room.logs().draft();
    room.run(&["replay", "nowhere", "--candidate", "draft.json", "-o", "report"]).exits(2).says(&["`nowhere`"]);
    room.run(&["ingest", "nowhere.json", "-o", "events"]).exits(2).says(&["`nowhere.json`"]);
    room.replay(&["--candidate", "nowhere.json"]).exits(2).says(&["`nowhere.json`"]);
    room.replay(&["--baseline", "nowhere", "--candidate", "draft.json"]).exits(2).says(&["`nowhere`"]);
    assert!(!room.path("report").exists());
}

#[test]
fn a_folder_without_logs_is_an_error() {
    let room = Room::new();
    room.draft().write("logs/notes.txt", "no log");
    room.replay(&["--candidate", "draft.json"]).exits(2).says(&["no log file", "`logs`"]);
}

#[test]
fn without_a_baseline_a_policy_document_is_compared_with_the_log() {
    let room = Room::new();
    room.logs().draft().replay(&["--candidate", "draft.json"]).exits(0);
    let manifest = room.manifest();
    assert_eq!((&manifest["baseline"], &manifest["agreement"]), (&json!("logged"), &Value::Null));
    assert_eq!(manifest["candidates"][0]["events"]["lost"], json!(4));
    assert_eq!(manifest["candidates"][0]["requests"]["lost"], json!(1));
    assert_eq!(manifest["candidates"][0]["name"], json!("draft"));
}

#[test]
fn a_candidate_that_allows_nothing_is_refused_with_a_proposal() {
    let room = Room::new();
    room.logs().write("deny.json", policy("workmail:*").replace("Allow", "Deny"));
    for kind in ["identity", "boundary"] {
        room.replay(&["--candidate", "deny.json", "--candidate-type", kind]).exits(2).says(&["`deny`", "no Allow", "`attach`"]);
    }
}

#[test]
fn a_dataset_gives_the_report_that_its_logs_give() {
    let room = Room::new();
    room.logs().draft();
    room.run(&["ingest", "logs", "-o", "events"]).exits(0);
    room.run(&["replay", "events", "--candidate", "draft.json", "-o", "from-events"]).exits(0);
    room.replay(&["--candidate", "draft.json"]).exits(0);
    for name in ["changes", "principals", "statements", "coverage", "skipped"] {
        let file = format!("{name}.parquet");
        let bytes = ["from-events", "report"].map(|folder| std::fs::read(room.path(folder).join(&file)).unwrap());
        assert!(bytes[0] == bytes[1], "{file} differs");
    }
}

#[test]
fn json_is_printed_where_json_is_asked_for() {
    let room = Room::new();
    let run = room.logs().draft().replay(&["--candidate", "draft.json", "--format", "json"]).exits(0);
    assert_eq!(run.json()["counts"]["replayed"], json!(4));
    assert_eq!(run.json()["candidates"], room.manifest()["candidates"]);
    let run = room.run(&["ingest", "logs", "-o", "events", "--format", "json"]).exits(0);
    let json = run.json();
    for (name, count) in [("records", 4), ("duplicates", 0), ("skipped", 0), ("id_conflicts", 0), ("events", 4)] {
        assert_eq!(json[name], json!(count), "{name}");
    }
    assert_eq!(json["window"], json!({ "first": "2026-03-04", "last": "2026-03-04", "without_events": [] }));
    assert_eq!((&json["services"], &json["accounts"]), (&json!({ "workmail.amazonaws.com": 4 }), &json!({ "111122223333": 4 })));
}

#[test]
fn data_goes_to_standard_output_and_remarks_to_standard_error() {
    let room = Room::new();
    room.logs().draft();
    let loud = room.replay(&["--candidate", "draft.json"]).exits(0);
    assert!(loud.stdout.contains("draft") && loud.stderr.contains("report"), "{}\n{}", loud.stdout, loud.stderr);
    assert!(!loud.stdout.contains('\u{1b}') && !loud.stderr.contains('\u{1b}'), "colours where there is no terminal");
    let quiet = room.replay(&["--candidate", "draft.json", "-q"]).exits(0);
    assert_eq!((quiet.stdout, quiet.stderr.as_str()), (loud.stdout, ""), "-q leaves the data and nothing else");
}

#[test]
fn the_same_seed_generates_the_same_bytes() {
    let room = Room::new();
    for (folder, seed) in [("a", "5"), ("b", "5"), ("c", "6")] {
        room.run(&["generate", folder, "--events", "300", "--seed", seed]).exits(0);
    }
    let [a, b, c] = ["a", "b", "c"].map(|folder| tree(&room.path(folder)));
    assert!(a.len() > 5 && a.keys().any(|path| path.starts_with("logs")) && a.keys().any(|path| path.starts_with("policies")));
    assert!(a == b, "the same seed, other bytes");
    assert!(a != c, "another seed, the same bytes");
}

#[test]
fn a_generated_estate_can_be_replayed_with_each_of_its_candidates() {
    let room = Room::new();
    room.run(&["generate", "estate", "--events", "300", "--seed", "5"]).exits(0);
    let mut arguments = vec!["replay", "estate/logs", "-o", "report", "--baseline", "estate/policies/baseline"];
    let candidates = ["estate/policies/mfa-region-lock", "estate/policies/read-only", "estate/policies/wind-down"];
    candidates.iter().for_each(|candidate| arguments.extend(["--candidate", candidate]));
    room.run(&arguments).exits(0);
    let manifest = room.manifest();
    let [records, duplicates, events] = ["records", "duplicates", "events"].map(|name| manifest["counts"][name].as_u64().unwrap());
    // Of calls from another account both accounts have a record; one of them counts.
    assert!((290..=300).contains(&events) && records == duplicates + events, "{}", manifest["counts"]);
    let names: Vec<&Value> = manifest["candidates"].as_array().unwrap().iter().map(|candidate| &candidate["name"]).collect();
    assert_eq!(names, ["mfa-region-lock", "read-only", "wind-down"]);
}

#[test]
fn an_account_with_policy_changes_is_written_as_logs_alone() {
    let room = Room::new();
    let command = ["generate", "history", "--events", "60", "--seed", "5", "--policy-changes", "5"];
    room.run(&[&command[..], &["--as", "events"]].concat()).exits(2).says(&["--policy-changes", "--as events"]);
    room.run(&["generate", "history", "--events", "5", "--seed", "5", "--policy-changes", "5"]).exits(2).says(&["--events"]);
    room.run(&command).exits(0);
    for path in ["oldest/2026-06-01T000000Z", "newest/2026-09-29T000000Z", "candidate/changes.toml", "organization.json"] {
        assert!(room.path("history/policies").join(path).exists(), "{path}");
    }
}

/// The lines of the README on policies in time.
#[test]
fn each_event_is_compared_with_the_policies_that_were_in_force() {
    let room = Room::new();
    room.run(&["generate", "changing", "--events", "3000", "--seed", "7", "--policy-changes", "5"]).exits(0);
    let of = |name: &str| format!("changing/policies/{name}");
    let (newest, oldest, organization, candidate) = (of("newest"), of("oldest"), of("organization.json"), of("candidate"));
    let replay = |more: &[&str], report: &str| {
        let newest = ["replay", "changing/logs", "--baseline", &newest, "--baseline", &organization, "--candidate", &candidate];
        room.run(&[&newest[..], more, &["-o", report]].concat())
    };
    let shown = replay(&["--baseline", &oldest], "report").exits(0).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        shown.contains(
            "the baseline agrees with the log on 100 % of 3,000 events, each compared with the policies in force then (5 changes followed)"
        ),
        "{shown}"
    );
    assert!(shown.contains("2,723 unchanged, of which 320 had been lost before"), "{shown}");
    let shown = replay(&[], "alone").exits(0).stdout;
    assert!(shown.contains("agrees with the log on 90.3 % of 3,000 events"), "{shown}");
    // In parts, the report is the same.
    for shard in ["0/2", "1/2"] {
        replay(&["--baseline", &oldest, "--shard", shard], &format!("part-{}", &shard[..1])).exits(0);
    }
    room.run(&["merge", "part-0", "part-1", "-o", "merged"]).exits(0);
    for table in ["changes", "principals", "actions", "statements"] {
        let bytes = |report: &str| std::fs::read(room.path(report).join(format!("{table}.parquet"))).unwrap();
        assert!(bytes("report") == bytes("merged"), "{table}");
    }
}

#[test]
fn the_help_lists_the_commands_that_there_are() {
    let room = Room::new();
    let help = room.run(&["--help"]).exits(0).stdout;
    let section = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let commands: BTreeSet<&str> = section
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(
        commands,
        BTreeSet::from(["ingest", "merge", "replay", "report", "explain", "check", "simulate", "catalog", "generate", "help"])
    );
    for command in ["ingest", "merge", "replay", "report", "explain", "check", "simulate", "catalog", "generate"] {
        let help = room.run(&[command, "--help"]).exits(0).stdout;
        assert!(help.contains(&format!("Usage: retrial {command}")), "{help}");
    }
}

#[test]
fn a_command_that_there_is_not_and_a_missing_flag_are_bad_usage() {
    let room = Room::new();
    room.run(&["relay"]).exits(2).says(&["relay", "replay"]);
    room.run(&[]).exits(2);
    room.logs().draft().run(&["replay", "logs", "-o", "report"]).exits(2).says(&["--candidate"]);
    room.run(&["replay", "logs", "--candidate", "draft.json"]).exits(2).says(&["--output"]);
    room.replay(&["--candidate", "draft.json", "--since", "yesterday"]).exits(2).says(&["`yesterday`", "--since"]);
}
