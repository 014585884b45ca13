//! `retrial check` as a person runs it: what fails, what is only said, and where.
#![cfg(feature = "cli")]

use serde_json::{Value, json};

use crate::commands::{Room, Run, policy, shipped};

/// A document of which IAM stores nothing: it can be evaluated.
const NOT_STORED: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": [], "Resource": "*"}]}"#;
/// A document that cannot be given one meaning.
const BROKEN: &str = "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [{\"effect\": \"Allow\"}]\n}";

impl Run {
    /// The findings of `--format json`: severity, code, line and column.
    fn findings(&self) -> Vec<(String, String, u64, u64)> {
        let text = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
        let number = |finding: &Value, name: &str| finding[name].as_u64().unwrap_or(0);
        let all = self.json()["findings"].as_array().unwrap().clone();
        all.iter().map(|one| (text(one, "severity"), text(one, "code"), number(one, "line"), number(one, "column"))).collect()
    }

    /// The codes of `--format json`.
    fn codes(&self) -> Vec<String> {
        self.findings().into_iter().map(|(_, code, ..)| code).collect()
    }
}

impl Room {
    fn check(&self, arguments: &[&str]) -> Run {
        self.run(&[["check"].as_slice(), arguments].concat())
    }

    /// `check --format json` with more arguments.
    fn check_json(&self, arguments: &[&str]) -> Run {
        self.check(&[["--format", "json"].as_slice(), arguments].concat())
    }
}

#[test]
fn the_exit_code_says_whether_there_is_an_error_and_whether_all_was_read() {
    let room = Room::new();
    room.write("good.json", policy("workmail:ListUsers"));
    room.write("doubtful.json", policy("workmail:ListUser"));
    room.write("broken.json", BROKEN);
    room.write("notes/readme.txt", "no policy");
    assert_eq!(room.check(&["good.json"]).exits(0).stdout, "1 file: 0 errors, 0 warnings, 0 notes\n");
    room.check(&["doubtful.json"]).exits(0);
    room.check(&["good.json", "broken.json"]).exits(1);
    // What is not there does not hide what is, and both are named.
    let run = room.check(&["nowhere.json", "broken.json", "nothing", "notes"]).exits(2);
    assert!(run.stdout.contains("broken.json:3:28") && run.stdout.ends_with("1 file: 4 errors, 0 warnings, 0 notes\n"), "{}", run.stdout);
    run.says(&["`nowhere.json`", "`nothing`", "`notes` holds no policy file"]);
    room.check(&[]).exits(2);
}

#[test]
fn a_finding_has_its_file_line_column_excerpt_and_help() {
    let room = Room::new();
    room.write("broken.json", BROKEN);
    let text = room.check(&["broken.json"]).exits(1).stdout;
    for part in
        ["broken.json:3:28\n", "error[invalid]: unknown element `effect`", "3 |   \"Statement\"", "^^^^^^^", "help: did you mean `Effect`?"]
    {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let run = room.check_json(&["broken.json"]).exits(1);
    let answer = run.json();
    assert_eq!(json!([answer["files"], answer["errors"], answer["warnings"], answer["notes"]]), json!([1, 1, 0, 0]));
    let expected = json!({
        "severity": "error", "code": "invalid", "path": "broken.json", "line": 3, "column": 28, "pointer": "/Statement/0/effect",
        "excerpt": "  \"Statement\": [{\"effect\": \"Allow\"}]", "message": "unknown element `effect` in a statement",
        "help": "did you mean `Effect`? element names are case-sensitive",
    });
    assert_eq!(answer["findings"], json!([expected]));
}

#[test]
fn strict_fails_on_what_iam_does_not_store() {
    let room = Room::new();
    room.write("draft.json", NOT_STORED);
    let place = |severity: &str| vec![(severity.to_owned(), "no-action".to_owned(), 1, 71)];
    assert_eq!(room.check_json(&["draft.json"]).exits(0).findings(), place("warning"));
    assert_eq!(room.check_json(&["--strict", "draft.json"]).exits(1).findings(), place("error"));
    // What is only doubtful never fails.
    room.write("draft.json", policy("workmail:ListUser"));
    assert_eq!(room.check_json(&["--strict", "draft.json"]).exits(0).codes(), ["unknown-action"]);
}

#[test]
fn the_type_says_what_a_bare_document_may_hold() {
    let room = Room::new();
    let everyone = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}]}"#;
    room.write("rcp.json", everyone);
    for policy_type in ["identity", "boundary", "session", "scp"] {
        let run = room.check(&["--type", policy_type, "rcp.json"]).exits(1);
        assert!(run.stdout.contains("has no `Principal`") && run.stdout.contains("`--type resource`"), "{}", run.stdout);
    }
    for policy_type in ["rcp", "resource"] {
        room.check(&["--type", policy_type, "rcp.json"]).exits(0);
        room.write("draft.json", policy("s3:*"));
        assert_eq!(room.check_json(&["--type", policy_type, "draft.json"]).exits(0).codes(), ["no-principal"]);
    }
    // Types have sizes of their own: of an SCP and a session policy, white space counts.
    for (spaces, policy_type, size) in [(5_900, "scp", true), (5_900, "boundary", false), (2_100, "session", true), (2_100, "scp", false)] {
        room.write("long.json", policy("s3:*").replace('[', &format!("{}[", " ".repeat(spaces))));
        let code = room.check_json(&["--strict", "--type", policy_type, "long.json"]).exits(i32::from(size)).codes();
        assert_eq!(code, if size { vec!["size"] } else { vec![] }, "{spaces} {policy_type}");
    }
    room.check(&["--type", "trust", "rcp.json"]).exits(2).says(&["trust", "identity"]);
}

#[test]
fn quiet_leaves_the_errors() {
    let room = Room::new();
    room.write("doubtful.json", policy("workmail:ListUser"));
    room.write("broken.json", BROKEN);
    let run = room.check(&["-q", "doubtful.json"]).exits(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    let run = room.check(&["-q", "doubtful.json", "broken.json"]).exits(1);
    assert!(run.stdout.contains("error[invalid]") && !run.stdout.contains("warning"), "{}", run.stdout);
    let answer = room.check_json(&["-q", "doubtful.json", "broken.json"]).exits(1);
    assert_eq!(answer.codes(), ["invalid"]);
    assert_eq!(answer.json()["warnings"], json!(1), "it is counted all the same");
}

#[test]
fn the_documents_of_a_change_set_are_checked_as_what_they_become() {
    let room = Room::new();
    room.write(
        "set/changes.toml",
        "[[change]]\nboundary = \"limit.json\"\nto = [\"*\"]\n\n[[change]]\nattach = \"more.json\"\nto = [\"*\"]\n",
    );
    let old = policy("workmail:ListUsers").replace("2012", "2008");
    room.write("set/limit.json", &old);
    room.write("set/more.json", &old);
    // A new managed policy of that version is not stored; an inline one is.
    let run = room.check_json(&["--strict", "set"]).exits(1);
    assert_eq!((run.codes(), run.json()["errors"].clone()), (vec!["version-2008".to_owned(); 2], json!(1)));
    assert_eq!((&run.json()["files"], &run.json()["findings"][0]["path"]), (&json!(3), &json!("set/limit.json")));
    // Named alone it brings its documents.
    assert_eq!(room.check_json(&["set/changes.toml"]).exits(0).json()["files"], json!(3));
}

#[test]
fn a_change_set_that_is_none_is_shown_with_its_place() {
    let room = Room::new();
    for (text, place, part) in [
        ("# edits\n[[change]\nx", "changes.toml:2:", "not a change set"),
        ("[[change]]\natach = \"a.json\"\n", "changes.toml:2:1", "unknown field `atach`"),
        ("[[change]]\nattach = \"a.json\"\n", "changes.toml:1:1", "`attach` + `to`"),
        ("[[change]]\n\nattach = \"a.json\"\nto = [\"*\"]\n", "changes.toml:3:10", "`a.json` is not there"),
        ("", "changes.toml:1:1", "not a change set"),
    ] {
        room.write("changes.toml", text);
        let run = room.check(&["changes.toml"]).exits(1);
        for part in [place, part, "= help: "] {
            assert!(run.stdout.contains(part), "{part} in\n{}", run.stdout);
        }
    }
}

/// A user with inline policies of so many characters each, as objects and as strings by turns.
fn snapshot(user: &str, sizes: &[usize]) -> String {
    let policies: Vec<Value> = sizes
        .iter()
        .enumerate()
        .map(|(index, size)| {
            let bare = policy("workmail:ListUsers");
            let text = bare.replace("Only", &"x".repeat(size - bare.len() + 4));
            assert_eq!(text.len(), *size);
            let document = if index % 2 == 0 { serde_json::from_str(&text).unwrap() } else { json!(text) };
            json!({ "PolicyName": format!("p{index}"), "PolicyDocument": document })
        })
        .collect();
    let user = json!({
        "Path": "/", "UserName": user, "UserId": "AIDAEXAMPLE", "Arn": format!("arn:aws:iam::111122223333:user/{user}"),
        "UserPolicyList": policies, "GroupList": [], "AttachedManagedPolicies": []
    });
    json!({ "UserDetailList": [user], "GroupDetailList": [], "RoleDetailList": [], "Policies": [] }).to_string()
}

#[test]
fn the_inline_policies_of_a_user_are_measured_together() {
    let room = Room::new();
    for (sizes, over) in [(vec![1_024, 1_024], false), (vec![1_024, 1_025], true), (vec![2_049], true), (vec![700, 700, 649], true)] {
        room.write("account.json", snapshot("alice", &sizes));
        let codes = if over { vec!["size"] } else { vec![] };
        assert_eq!(room.check_json(&["account.json"]).exits(0).codes(), codes, "{sizes:?}");
        let run = room.check_json(&["--strict", "account.json"]).exits(i32::from(over));
        assert_eq!(run.codes(), codes, "{sizes:?}");
        if over {
            let found = &run.json()["findings"][0];
            let message = found["message"].as_str().unwrap();
            assert!(message.contains("`alice`") && message.contains(" 2049 characters") && message.contains("2048"), "{message}");
            assert_eq!(found["pointer"], json!("/UserDetailList/0/UserPolicyList"));
        }
    }
}

/// A file's name for messages, its bytes, the place of the error, and a part of what is said.
type Broken = (&'static str, Vec<u8>, (u64, u64), &'static str);

#[test]
fn broken_files_of_every_kind_are_shown_with_place_and_help() {
    let room = Room::new();
    let good = policy("workmail:ListUsers");
    let wide = |little: bool| good.encode_utf16().flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect();
    let marked = [vec![0xFF, 0xFE], wide(true)].concat();
    let latin = good.replace("Only", "caf?").bytes().map(|b| if b == b'?' { 0xE9 } else { b }).collect::<Vec<u8>>();
    let column = latin.iter().position(|b| *b == 0xE9).unwrap() as u64 + 1;
    let cases: Vec<Broken> = vec![
        ("twice", good.replace("\"Effect\":", "\"Effect\":\"Deny\",\n\"Effect\":").into(), (2, 10), "`Effect` stands twice"),
        ("comma", b"{\"Statement\": [\n],\n}".into(), (3, 1), "delete the comma"),
        ("utf-16", marked, (1, 1), "UTF-16"),
        ("utf-16-le", wide(true), (1, 1), "UTF-16"),
        ("utf-16-be", wide(false), (1, 1), "UTF-16"),
        ("latin-1", latin, (1, column), "0xE9"),
        ("gzip", vec![0x1F, 0x8B, 8, 0], (1, 1), "decompress"),
        ("empty", Vec::new(), (1, 1), "empty"),
        ("list", format!("[{good}]").into(), (1, 1), "each a file of its own"),
        ("deep", format!("{{\"Statement\": {}{}}}", "[".repeat(2_000), "]".repeat(2_000)).into(), (1, 16), "a statement is an object"),
        ("wrapped", format!("{{\"PolicyVersion\": {{\"Document\": {good}}}}}").into(), (1, 1), "inside `PolicyVersion`"),
    ];
    for (name, bytes, place, part) in cases {
        room.write("policy.json", bytes);
        let run = room.check_json(&["policy.json"]).exits(1);
        let answer = run.json();
        let errors: Vec<&Value> = answer["findings"].as_array().unwrap().iter().filter(|one| one["severity"] == "error").collect();
        let [only] = errors.as_slice() else { panic!("{name}: {errors:?}") };
        assert_eq!((only["line"].as_u64().unwrap(), only["column"].as_u64().unwrap()), place, "{name}: {only}");
        let said = format!("{} {}", only["message"], only["help"].as_str().unwrap());
        assert!(said.contains(part), "{name}: {said}");
        assert_eq!(only["path"], json!("policy.json"));
    }
    // A byte order mark alone costs nothing but a word.
    room.write("policy.json", format!("\u{feff}{good}"));
    assert_eq!(room.check_json(&["policy.json"]).exits(0).codes(), ["byte-order-mark"]);
}

#[test]
fn many_statements_in_one_line_are_no_matter_of_hours() {
    let room = Room::new();
    let statements: Vec<Value> =
        (0..20_000).map(|index| json!({ "Sid": format!("S{index}"), "Effect": "Allow", "Action": "ListUsers", "Resource": "*" })).collect();
    room.write("large.json", json!({ "Version": "2012-10-17", "Statement": statements }).to_string());
    assert_eq!(room.check_json(&["large.json"]).exits(0).json()["warnings"], json!(20_001), "one each, and the size");
}

#[test]
fn the_shipped_policies_hold_one_doubt() {
    let room = Room::new();
    assert_eq!(room.check_json(&["--strict", &shipped("")]).exits(0).codes(), ["region-never-matches"]);
}
