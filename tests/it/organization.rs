//! Organizations: what their policies deny to whom, whatever form they are kept in; and what side data settles.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use retrial::account::{CandidateType, ControlType, Deployment, PolicySet, load, load_as, load_context};
use retrial::arrow::array::RecordBatch;
use retrial::arrow::compute::concat_batches;
use retrial::catalog::Catalog;
use retrial::error::Error;
use retrial::evaluate::{LayerKind, Layers};
use retrial::frame::{json as rows, parquet};
use retrial::ingest::{Dataset, Reading, ingest};
use retrial::progress::Silent;
use retrial::replay::explain::{ExplainedEvent, explain};
use retrial::replay::{Manifest, Options, replay};
use serde_json::{Map, Value};
use tempfile::TempDir;

fn case(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/organization").join(path)
}

fn accounts() -> Vec<PathBuf> {
    ["111122223333", "444455556666", "999988887777"].map(|account| case(&format!("baseline/account-{account}.json"))).into()
}

/// The policies in force, with the organization as a file of ours.
fn baseline() -> PolicySet {
    load(&[case("baseline")]).unwrap().into_baseline().unwrap()
}

fn candidate(name: &str, baseline: &PolicySet) -> PolicySet {
    let loaded = load(&[case("candidates").join(name)]).unwrap();
    loaded.into_candidate(baseline, CandidateType::Identity, &[]).unwrap()
}

/// The log, loaded.
fn dataset(folder: &TempDir) -> Dataset {
    let mut dataset = Dataset::open_or_create(&folder.path().join("events")).unwrap();
    ingest(&[case("logs.json")], &Reading::default(), &mut dataset, Catalog::builtin(), &Silent).unwrap();
    dataset
}

fn explained(options: &Options, event: &str) -> ExplainedEvent {
    let folder = tempfile::tempdir().unwrap();
    explain(&dataset(&folder), options, Catalog::builtin(), event, None).unwrap().remove(0)
}

struct Report {
    folder: TempDir,
    manifest: Manifest,
}

impl Report {
    fn of(options: &Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("report")).unwrap();
        let manifest = replay(&dataset(&folder), options, Catalog::builtin(), &folder.path().join("report"), &Silent).unwrap();
        Self { folder, manifest }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("report").join(format!("{name}.parquet"))
    }

    fn table(&self, name: &str) -> RecordBatch {
        let file = self.file(name);
        concat_batches(&parquet::schema(&file).unwrap(), &parquet::read(&file, None).unwrap()).unwrap()
    }

    fn rows(&self, name: &str) -> Vec<Map<String, Value>> {
        let table = self.table(name);
        (0..table.num_rows()).map(|row| rows::row(&table, row)).collect()
    }

    /// The row of each event, by its id.
    fn by_event(&self) -> BTreeMap<String, Map<String, Value>> {
        let ids = |row: &Map<String, Value>| row["sample_event_ids"].as_array().unwrap().clone();
        let each = self.rows("changes").into_iter().flat_map(|row| ids(&row).into_iter().map(move |id| (id, row.clone())));
        each.map(|(id, row)| (id.as_str().unwrap().to_owned(), row)).collect()
    }

    /// The change of each event, by its id.
    fn changes(&self) -> BTreeMap<String, String> {
        self.by_event().into_iter().map(|(id, row)| (id, row["change"].as_str().unwrap().to_owned())).collect()
    }
}

fn options(baseline: PolicySet, name: &str) -> Options {
    let candidate = candidate(name, &baseline);
    Options { baseline, candidates: vec![("draft".to_owned(), candidate)], ..Options::default() }
}

/// The report of what a file makes of a baseline.
fn drafted(baseline: PolicySet, file: PathBuf) -> Report {
    let draft = load(&[file]).unwrap().into_candidate(&baseline, CandidateType::Identity, &[]).unwrap();
    Report::of(&Options { baseline, candidates: vec![("draft".to_owned(), draft)], ..Options::default() })
}

fn expect(changes: &BTreeMap<String, String>, expected: &[(&str, &str)]) {
    let expected: BTreeMap<String, String> = expected.iter().map(|(id, change)| ((*id).to_owned(), (*change).to_owned())).collect();
    assert_eq!(*changes, expected);
}

/// Without a change of policies: what each event is.
const UNCHANGED: [(&str, &str); 8] = [
    ("alice-america", "unchanged_allowed"),
    ("alice-deletes", "unchanged_allowed"),
    ("alice-describes", "unchanged_allowed"),
    ("alice-europe", "unchanged_allowed"),
    ("bob-america", "unchanged_denied"),
    ("bob-europe", "unchanged_allowed"),
    ("mona-america", "unchanged_allowed"),
    ("mona-deletes", "unchanged_allowed"),
];

/// [`UNCHANGED`] but for some events.
fn but(others: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let change = |(id, change)| (id, others.iter().find(|(other, _)| *other == id).map_or(change, |(_, change)| *change));
    UNCHANGED.into_iter().map(change).collect()
}

#[test]
fn a_region_lock_at_a_unit_denies_there_and_nowhere_else() {
    let report = Report::of(&options(baseline(), "lock-mail.toml"));
    expect(&report.changes(), &but(&[("alice-america", "lost")]));
    let row = &report.by_event()["alice-america"];
    assert_eq!((&row["candidate_layer"], &row["candidate_sid"]), (&Value::from("scp"), &Value::from("EuropeOnly")));
    let policy = "arn:aws:organizations::999988887777:policy/o-exampleorgid/service_control_policy/europe-only";
    assert_eq!(row["candidate_policy"], policy);
    let reason = row["candidate_reason"].as_str().unwrap();
    assert!(reason.contains("EuropeOnly") && reason.contains("aws:RequestedRegion is other than eu-west-1"), "{reason}");
    assert!(row.get("assumptions").is_none_or(|codes| codes.as_array().unwrap().is_empty()), "{row:?}");
}

#[test]
fn a_deny_at_the_root_reaches_every_account_but_the_management_account() {
    let report = Report::of(&options(baseline(), "keep-users.toml"));
    expect(&report.changes(), &but(&[("alice-deletes", "lost")]));
    let changed = |name: &str| {
        let row = report.rows("principals").into_iter().find(|row| row["principal_arn"].as_str().unwrap().ends_with(name)).unwrap();
        row["changed_by_candidate"].as_bool().unwrap()
    };
    let all = ["user/alice", "user/bob", "user/mona", "AWSServiceRoleForAmazonWorkMailEvents"];
    assert_eq!(all.map(changed), [true, true, false, false], "the management account and service-linked roles are exempt");
}

#[test]
fn an_account_that_moves_comes_under_other_policies_and_another_path() {
    let report = Report::of(&options(baseline(), "move.toml"));
    let changes = [("alice-america", "lost"), ("alice-describes", "lost"), ("bob-america", "gained")];
    expect(&report.changes(), &but(&changes));
    let rows = report.by_event();
    assert_eq!(rows["alice-america"]["candidate_layer"], "scp");
    // Not a policy of the organization: one of hers that looks at the path.
    assert_eq!(
        (&rows["alice-describes"]["candidate_layer"], &rows["alice-describes"]["candidate_sid"]),
        (&Value::from("identity"), &Value::from("MailOnly"))
    );
}

#[test]
fn a_policy_that_is_detached_denies_no_more() {
    let report = Report::of(&options(baseline(), "unlock.toml"));
    expect(&report.changes(), &but(&[("bob-america", "gained")]));
    let agreement = report.manifest.agreement.unwrap();
    assert_eq!((agreement.events, agreement.agree), (8, 8), "the baseline explains what the log says");
}

#[test]
fn a_call_of_a_service_linked_role_is_not_replayed() {
    let report = Report::of(&options(baseline(), "lock-mail.toml"));
    assert_eq!(report.manifest.counts.not_replayed, BTreeMap::from([("service_linked_role".to_owned(), 1)]));
    let explained = explained(&options(baseline(), "lock-mail.toml"), "service-america");
    assert_eq!((explained.replayed, explained.not_replayed), (false, Some("service_linked_role")));
}

#[test]
fn an_explanation_names_the_level_and_where_the_policy_is_attached() {
    let options = options(baseline(), "lock-mail.toml");
    let alice = explained(&options, "alice-america");
    let [change] = alice.candidates.as_slice() else { panic!("one candidate") };
    let [check] = change.checks.as_slice() else { panic!("one check") };
    assert_eq!(check.first_difference, Some("scp"));
    let levels: Vec<_> = check.candidate.layers.iter().filter(|layer| layer.layer == "scp").collect();
    let answers: Vec<_> = levels.iter().map(|layer| (layer.level, layer.state, layer.answer)).collect();
    let allows = |level| (Some(level), "present", Some("allows"));
    assert_eq!(answers, [allows(0), (Some(1), "present", Some("denies")), allows(2)]);
    let [denies] = check.candidate.denied_by.as_slice() else { panic!("one statement denies") };
    assert_eq!((denies.policy_type, denies.attached_to.as_deref()), ("service_control_policy", Some("ou-ab12-11111111 (Mail)")));
    // Of the management account there is nothing to say.
    let mona = explained(&options, "mona-america");
    let layer = &mona.candidates[0].checks[0].candidate.layers[0];
    assert_eq!((layer.layer, layer.state), ("scp", "absent"));
}

/// The same organization as the AWS CLI prints it, a file for each call.
#[test]
fn the_outputs_of_the_cli_say_what_the_file_says() {
    let from_outputs = || load(&[accounts(), vec![case("outputs")]].concat()).unwrap().into_baseline().unwrap();
    for name in ["lock-mail.toml", "keep-users.toml", "move.toml", "unlock.toml"] {
        let bytes = [baseline(), from_outputs()].map(|baseline| {
            let report = Report::of(&options(baseline, name));
            std::fs::read(report.file("changes")).unwrap()
        });
        assert!(bytes[0] == bytes[1], "{name}");
    }
}

#[test]
fn without_an_organization_the_layer_stays_open() {
    let bare = load(&accounts()).unwrap().into_baseline().unwrap();
    let draft = load_as(&[case("candidates/europe-only.json")], CandidateType::Scp.policy_type()).unwrap();
    let draft = draft.into_candidate(&bare, CandidateType::Scp, &[]).unwrap();
    let report = Report::of(&Options { baseline: bare, candidates: vec![("draft".to_owned(), draft)], ..Options::default() });
    // Its Deny counts wherever it is: also in the account of which nobody knows that it is exempt.
    let changes = report.changes();
    assert_eq!([&changes["alice-america"], &changes["mona-america"], &changes["alice-europe"]], ["lost", "lost", "unchanged_allowed"]);
    // What the log denies, something else denied.
    assert_eq!(changes["bob-america"], "unchanged_denied");
}

#[test]
fn an_organization_alone_is_a_baseline() {
    let alone = load(&[case("baseline/organization.json")]).unwrap().into_baseline().unwrap();
    let report = Report::of(&options(alone, "lock-mail.toml"));
    let changes = report.changes();
    assert_eq!(
        [&changes["alice-america"], &changes["alice-europe"], &changes["mona-america"]],
        ["lost", "unchanged_allowed", "unchanged_allowed"]
    );
    let row = report.rows("principals").into_iter().find(|row| row["principal_arn"] == "arn:aws:iam::111122223333:user/alice").unwrap();
    assert_eq!(row["in_snapshot"], "account_missing");
}

#[test]
fn a_document_that_is_missing_leaves_only_its_accounts_open() {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(case("outputs")).unwrap() {
        let path = entry.unwrap().path();
        if !path.ends_with("describe-policy.p-lock0001.json") {
            std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    let files = || [accounts(), vec![folder.path().to_path_buf()]].concat();
    let open = load(&files()).unwrap().into_baseline().unwrap();
    let levels = |set: &PolicySet, account: &str| set.organizations.levels(account, ControlType::Scp).unwrap();
    assert!(levels(&open, "444455556666").opaque && !levels(&open, "111122223333").opaque);
    // Side data supplies it.
    let lock = case("baseline/region-lock.json");
    std::fs::write(folder.path().join("context.toml"), format!("[documents]\np-lock0001 = {:?}\n", lock.display().to_string())).unwrap();
    let known = load(&files()).unwrap().into_baseline().unwrap();
    assert!(!levels(&known, "444455556666").opaque);
}

/// The organization, without a word of which policies are where.
#[test]
fn what_is_not_known_is_the_same_only_in_the_same_place() {
    fn strip(node: &mut Value) {
        node.as_object_mut().unwrap().remove("scps");
        for list in ["accounts", "children"] {
            node.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten().for_each(strip);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let mut organization: Value = serde_json::from_slice(&std::fs::read(case("baseline/organization.json")).unwrap()).unwrap();
    strip(&mut organization["root"]);
    let file = folder.path().join("organization.json");
    std::fs::write(&file, organization.to_string()).unwrap();
    let baseline = load(&[accounts(), vec![file]].concat()).unwrap().into_baseline().unwrap();
    let changes = |name: &str| Report::of(&options(baseline.clone(), name)).changes();
    // A Deny that is added leaves the rest as it was, whatever that is.
    let added = changes("keep-users.toml");
    assert_eq!([&added["alice-europe"], &added["alice-deletes"]], ["unchanged_allowed", "lost"]);
    // Where the account goes, other policies wait.
    let moved = changes("move.toml");
    assert_eq!(
        [&moved["alice-europe"], &moved["alice-describes"], &moved["mona-america"]],
        ["potentially_lost", "lost", "unchanged_allowed"]
    );
}

/// Of the account only `list-accounts` says that it belongs to the organization: what is attached somewhere may reach it.
#[test]
fn an_account_whose_place_is_not_known_may_be_below_any_change() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(case("outputs/list-roots.json"), folder.path().join("list-roots.json")).unwrap();
    let account = r#"{"Id": "111122223333", "Arn": "arn:aws:organizations::999988887777:account/o-exampleorgid/111122223333"}"#;
    std::fs::write(folder.path().join("list-accounts.json"), format!(r#"{{"Accounts": [{account}]}}"#)).unwrap();
    let baseline = load(&[accounts(), vec![folder.path().to_path_buf()]].concat()).unwrap().into_baseline().unwrap();
    std::fs::copy(case("candidates/keep-users.json"), folder.path().join("keep.json")).unwrap();
    let changes = folder.path().join("changes.toml");
    std::fs::write(&changes, "[[change]]\nscp = \"keep.json\"\nat = \"r-ab12\"\n").unwrap();
    assert_eq!(drafted(baseline, changes).changes()["alice-deletes"], "potentially_lost");
}

#[test]
fn every_change_says_what_it_touches() {
    let loaded = load(&[case("candidates/move.toml")]).unwrap();
    let (_, touched) = loaded.into_listed_candidate(&baseline(), CandidateType::Identity, &[], &Deployment::default()).unwrap();
    let lines: Vec<&str> =
        touched.changes.iter().map(|line| line.rsplit_once("move.toml:").map_or(line.as_str(), |(_, rest)| rest)).collect();
    assert_eq!(
        lines,
        [
            "2: moves an account",
            "  moves 111122223333 (mail) to ou-ab12-22222222 (Sandbox)",
            "6: moves an account",
            "  moves 444455556666 (sandbox) to ou-ab12-11111111 (Mail)",
        ]
    );
}

/// The message and help of a change set that cannot be applied.
fn refused(text: &str, baseline: &PolicySet) -> (String, String, usize) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("lock.json"), std::fs::read(case("baseline/region-lock.json")).unwrap()).unwrap();
    let file = folder.path().join("changes.toml");
    std::fs::write(&file, text).unwrap();
    let result = load(&[file]).and_then(|loaded| loaded.into_candidate(baseline, CandidateType::Identity, &[]));
    let Err(Error::Policy(error)) = result else { panic!("{text} was applied") };
    (error.message.clone(), error.help.clone().unwrap_or_default(), error.line)
}

#[test]
fn what_an_organization_does_not_have_is_told_with_the_nearest() {
    let bare = load(&accounts()).unwrap().into_baseline().unwrap();
    let baseline = baseline();
    for (text, set, message, help) in [
        (
            "scp = \"lock.json\"\nat = \"ou-ab12-1111111\"",
            &baseline,
            "no root, organizational unit or account is `ou-ab12-1111111`",
            "`ou-ab12-11111111`",
        ),
        ("scp = \"lock.json\"\nat = \"Mial\"", &baseline, "`Mial`", "`Mail`"),
        ("detach = \"p-lock001\"\nat = \"Sandbox\"", &baseline, "no policy of the organization is `p-lock001`", "`p-lock0001`"),
        (
            "detach = \"p-lock0001\"\nat = \"Mail\"",
            &baseline,
            "`p-lock0001` is not attached at ou-ab12-11111111 (Mail)",
            "`p-FullAWSAccess`",
        ),
        ("rcp = \"p-lock0001\"\nat = \"Mail\"", &baseline, "is a service control policy", "write `scp`"),
        ("move = \"Mail\"\nto = \"Sandbox\"", &baseline, "`ou-ab12-11111111` is no account", ""),
        (
            "replace = \"p-FullAWSAcces\"\nwith = \"lock.json\"",
            &baseline,
            "no policy of the organization is `p-FullAWSAcces`",
            "`p-FullAWSAccess`",
        ),
        ("scp = \"lock.json\"\nat = \"r-ab12\"", &bare, "the baseline has none", "`organization.json`"),
    ] {
        let (found, found_help, line) = refused(&format!("[[change]]\n{text}\n"), set);
        assert!(found.contains(message), "{text}: {found}");
        assert!(found_help.contains(help), "{text}: {found_help}");
        assert!(line == 2 || line == 3, "{text}: line {line}");
    }
}

/// What AWS itself would refuse, and what could only be done by a guess.
#[test]
fn a_change_that_would_not_be_what_it_says_is_refused() {
    let baseline = baseline();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("own.json"), std::fs::read(case("candidates/keep-users.json")).unwrap()).unwrap();
    let own = folder.path().join("own.json");
    std::fs::copy(case("baseline/region-lock.json"), folder.path().join("region-lock.json")).unwrap();
    let mut open: Value = serde_json::from_slice(&std::fs::read(case("baseline/organization.json")).unwrap()).unwrap();
    open["root"]["children"][0].as_object_mut().unwrap().remove("scps");
    let file = folder.path().join("organization.json");
    std::fs::write(&file, open.to_string()).unwrap();
    let open = load(&[accounts(), vec![file]].concat()).unwrap().into_baseline().unwrap();
    for (text, set, message) in [
        (
            format!("attach = {own:?}\nto = \"arn:aws:iam::111122223333:user/alice\""),
            &baseline,
            "`arn:aws:iam::111122223333:user/alice` has another inline policy `own`",
        ),
        (
            "rcp = \"lock.json\"\nat = \"Mail\"".to_owned(),
            &baseline,
            "`lock.json` is no resource control policy: a statement names no `Principal`",
        ),
        ("detach = \"p-FullAWSAccess\"\nat = \"Mail\"".to_owned(), &open, "it is not known what is attached at ou-ab12-11111111 (Mail)"),
    ] {
        let (found, _, _) = refused(&format!("[[change]]\n{text}\n"), set);
        assert!(found.contains(message), "{text}: {found}");
    }
    let group = "new = \"arn:aws:iam::111122223333:group/Keepers\"";
    for (change, what) in [("boundary = \"lock.json\"", "permissions boundary"), ("tags = { team = \"mail\" }", "tags")] {
        let text = format!("[[change]]\n{group}\n[[change]]\n{change}\nto = \"arn:aws:iam::111122223333:group/Keepers\"\n");
        let (found, help, line) = refused(&text, &baseline);
        assert!(found.contains("is a group") && found.contains(what), "{found}");
        assert!(line == 5 && help.contains("users and roles"), "{line} {help}");
    }
    let twice = load(&[case("baseline"), case("outputs")]).unwrap_err().to_string();
    assert!(twice.contains("o-exampleorgid"), "{twice}");
}

/// Of two managed policies whose documents are missing, either may be the one that allows.
#[test]
fn a_missing_document_that_is_detached_may_have_been_the_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut account: Value = serde_json::from_slice(&std::fs::read(&accounts()[0]).unwrap()).unwrap();
    let policy = |name: &str| serde_json::json!({"PolicyName": name, "PolicyArn": format!("arn:aws:iam::111122223333:policy/{name}")});
    let alice = &mut account["UserDetailList"][0];
    alice["UserPolicyList"] = serde_json::json!([]);
    alice["AttachedManagedPolicies"] = serde_json::json!([policy("PA"), policy("PB")]);
    let file = folder.path().join("account.json");
    std::fs::write(&file, account.to_string()).unwrap();
    let baseline = load(&[file, case("baseline/organization.json")]).unwrap().into_baseline().unwrap();
    let changes = folder.path().join("changes.toml");
    std::fs::write(&changes, "[[change]]\ndetach = \"arn:aws:iam::111122223333:policy/PA\"\nfrom = \"*\"\n").unwrap();
    assert_eq!(drafted(baseline, changes).changes()["alice-europe"], "potentially_lost");
}

#[test]
fn principals_come_go_join_and_leave() {
    let folder = tempfile::tempdir().unwrap();
    let text = r#"
        [[change]]
        new     = "arn:aws:iam::111122223333:group/Keepers"
        members = "arn:aws:iam::111122223333:user/*"

        [[change]]
        attach = "keep.json"
        to     = "arn:aws:iam::111122223333:group/Keepers"

        [[change]]
        remove = "arn:aws:iam::444455556666:user/*"
    "#;
    std::fs::write(folder.path().join("changes.toml"), text).unwrap();
    std::fs::copy(case("candidates/keep-users.json"), folder.path().join("keep.json")).unwrap();
    let report = drafted(baseline(), folder.path().join("changes.toml"));
    expect(&report.changes(), &but(&[("alice-deletes", "lost"), ("bob-europe", "lost")]));
    let rows = report.by_event();
    assert_eq!(rows["alice-deletes"]["candidate_policy"], "arn:aws:iam::111122223333:group/Keepers/keep");
    assert_eq!(rows["bob-europe"]["candidate_decision"], "implicit_deny", "nobody is left to allow anything to");
}

#[test]
fn side_data_settles_what_the_log_leaves_open() {
    let folder = tempfile::tempdir().unwrap();
    let deny = |key: &str, value: &str| {
        serde_json::json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": "workmail:ListUsers", "Resource": "*", "Condition": {"StringEquals": {key: value}}},
        ]})
    };
    let (side_data, files) = load_context(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/side-data/context.toml")).unwrap();
    assert_eq!(files.len(), 2, "the file, and the document that it names");
    let bare = load(&accounts()).unwrap().into_baseline().unwrap();
    let mut told = bare.clone();
    told.add_side_data(side_data);
    for (key, value, change) in [
        ("aws:PrincipalOrgID", "o-exampleorgid", "lost"),
        ("aws:PrincipalOrgID", "o-other", "unchanged_allowed"),
        ("aws:ResourceOrgID", "o-exampleorgid", "lost"),
        ("aws:PrincipalTag/Team", "mail", "lost"),
        ("aws:ResourceTag/stage", "production", "lost"),
        ("aws:ResourceTag/other", "production", "unchanged_allowed"),
    ] {
        let file = folder.path().join("draft.json");
        std::fs::write(&file, deny(key, value).to_string()).unwrap();
        let changes = [&bare, &told].map(|baseline| {
            let draft = load(std::slice::from_ref(&file)).unwrap();
            let draft = draft.into_candidate(baseline, CandidateType::Identity, &[]).unwrap();
            let assume_absent = Layers::NONE.with(LayerKind::Scp);
            let candidates = vec![("draft".to_owned(), draft)];
            Report::of(&Options { baseline: baseline.clone(), candidates, assume_absent, ..Options::default() }).changes()
        });
        // A tag that alice's snapshot does not have is absent without side data: the snapshot has all of hers.
        let open = if key.starts_with("aws:PrincipalTag") { "unchanged_allowed" } else { "potentially_lost" };
        assert_eq!([&changes[0]["alice-europe"], &changes[1]["alice-europe"]], [open, change], "{key} {value}");
    }
}

#[test]
fn side_data_that_all_share_is_none_of_a_candidate() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("context.toml"), "[accounts]\n111122223333 = { organization = \"\" }\n").unwrap();
    let loaded = load(&[folder.path().to_path_buf()]).unwrap();
    let error = loaded.into_candidate(&baseline(), CandidateType::Identity, &[]).unwrap_err().to_string();
    assert!(error.contains("`accounts`") && error.contains("--context"), "{error}");
}

#[test]
fn a_folder_with_side_data_against_itself_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for account in accounts() {
        std::fs::copy(&account, folder.path().join(account.file_name().unwrap())).unwrap();
    }
    std::fs::write(folder.path().join("context.toml"), "[endpoints.vpce-0123456789abcdef0]\nvpc = \"vpc-1\"\n").unwrap();
    let files = [folder.path().to_path_buf()];
    let baseline = load(&files).unwrap().into_baseline().unwrap();
    let again = load(&files).unwrap().into_candidate(&baseline, CandidateType::Identity, &[]).unwrap();
    let report = Report::of(&Options { baseline, candidates: vec![("again".to_owned(), again)], ..Options::default() });
    assert!(report.changes().values().all(|change| !change.contains("lost") && !change.contains("gained")));
}

#[test]
fn an_organization_against_itself_changes_nothing() {
    let baseline = baseline();
    let again = load(&[case("baseline/organization.json")]).unwrap().into_candidate(&baseline, CandidateType::Identity, &[]).unwrap();
    let report = Report::of(&Options { baseline, candidates: vec![("again".to_owned(), again)], ..Options::default() });
    expect(&report.changes(), &UNCHANGED);
}
