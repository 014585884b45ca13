//! Terraform plans on top of a snapshot: the cases of `tests/cases/terraform`, each with the listing that a reader of the
//! plan would make, and what the policies then are.

use std::path::{Path, PathBuf};

use retrial::account::Applied;
use retrial::account::{Bundle, Layer, OrganizationEdit, PolicySet, PrincipalKey, load};
use retrial::error::Result;

const ACCOUNT: &str = "111122223333";

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/terraform")
}

fn baseline() -> PolicySet {
    load(&[cases().join("baseline.json")]).unwrap().into_baseline().unwrap()
}

/// Applies the plans of a path to the snapshot.
fn apply(path: &Path, account: Option<&str>) -> Result<(PolicySet, Vec<Applied>)> {
    let mut set = baseline();
    let plans = load(&[path.to_path_buf()])?.plans;
    let applied = plans.iter().map(|plan| plan.apply(&mut set, account)).collect::<Result<_>>()?;
    Ok((set, applied))
}

/// Applies one case.
fn case(name: &str, account: Option<&str>) -> (PolicySet, Applied) {
    let (set, mut applied) = apply(&cases().join(name).with_extension("json"), account).unwrap();
    assert_eq!(applied.len(), 1, "{name}");
    (set, applied.remove(0))
}

/// A listing as the cases have it: the changes, then what is ignored, with `!` where that leaves something out.
fn listing(applied: &Applied) -> String {
    let changes = applied.changes.iter().map(|change| format!("{change}\n"));
    let ignored = applied.ignored.iter().map(|note| format!("{} {note}\n", if note.unresolved { '!' } else { '-' }));
    changes.chain(ignored).collect()
}

fn bundle(set: &PolicySet, resource: &str) -> Bundle {
    let key = PrincipalKey { arn: format!("arn:aws:iam::{ACCOUNT}:{resource}"), id: String::new(), account: ACCOUNT.to_owned() };
    set.bundle(&key)
}

/// What somebody has who has nothing; no organization covers the account.
fn nothing() -> Bundle {
    Bundle { scps_opaque: true, ..Bundle::default() }
}

/// The names of the identity-based policies, without what they all begin with.
fn names(bundle: &Bundle) -> Vec<String> {
    let short = |name: &str| name.replace(&format!("arn:aws:iam::{ACCOUNT}:"), "").replace("arn:aws:iam::aws:", "");
    let mut names: Vec<String> = bundle.identity.iter().map(|policy| short(&policy.name)).collect();
    names.sort();
    names
}

#[test]
fn each_plan_is_listed_as_its_reader_would() {
    for name in ["create", "update", "delete", "replace", "modules", "unknown", "exclusive", "organizations", "ssoadmin"] {
        let expected = std::fs::read_to_string(cases().join(format!("{name}.expected.txt"))).unwrap();
        let (_, applied) = case(name, None);
        assert_eq!(listing(&applied), expected, "{name}");
    }
}

#[test]
fn a_plan_of_several_accounts_needs_to_say_which_one_is_meant() {
    let error = apply(&cases().join("accounts.json"), None).unwrap_err().to_string();
    let said = "`aws_iam_user.third` may be in any of the accounts 111122223333, 444455556666, the plan does not tell which";
    assert!(error.contains(said) && error.contains("--candidate-account NAME=ID"), "{error}");
    let expected = std::fs::read_to_string(cases().join("accounts.expected.txt")).unwrap();
    assert_eq!(listing(&case("accounts", Some("555566667777")).1), expected);
}

#[test]
fn what_is_created_and_updated_is_what_applies() {
    let (set, _) = case("create", None);
    let role = bundle(&set, "role/mail/MailExport");
    assert_eq!(names(&role), ["policy/MailExport", "role/mail/MailExport/describe", "role/mail/MailExport/read"]);
    assert!(matches!(&role.boundary, Layer::Policies(policies) if policies[0].name.ends_with("policy/Fence")));
    let dora = bundle(&set, "user/mail/dora");
    assert_eq!(
        names(&dora),
        ["group/ops/rooms", "group/rooms/rooms", "policy/AmazonWorkMailReadOnlyAccess", "policy/WorkMailAdmins", "user/mail/dora/own"]
    );
    // The snapshot does not have the document of what is attached.
    assert!(dora.identity_opaque.unwrap().contains("IAMUserChangePassword"));

    let (set, _) = case("update", None);
    assert_eq!(names(&bundle(&set, "role/ops/WorkMailOps")), ["policy/AmazonWorkMailReadOnlyAccess", "role/ops/WorkMailOps/read"]);
    let alice = bundle(&set, "user/alice");
    assert_eq!(names(&alice), ["group/operators/rooms", "policy/WorkMailAdmins"]);
    assert!(alice.identity.iter().any(|policy| policy.document.statements[0].text.contains("MultiFactorAuthPresent")));
    assert_eq!(names(&bundle(&set, "user/bob")), ["policy/MailRead", "policy/MailRead", "user/bob/own"]);
    assert_eq!(bundle(&set, "user/mail/carol").boundary, Layer::Absent);
    let tags = &set.entities[&format!("arn:aws:iam::{ACCOUNT}:user/alice")].tags;
    assert_eq!((tags["team"].as_str(), tags["tier"].as_str()), ("directory", "1"));
}

#[test]
fn who_is_deleted_is_known_to_have_nothing() {
    let (set, _) = case("delete", None);
    for gone in ["user/carol", "role/MailReader"] {
        assert_eq!(bundle(&set, gone), nothing(), "{gone}");
    }
    // Bob leaves the group that goes; the policy that goes is detached from him.
    assert_eq!(names(&bundle(&set, "user/bob")), ["policy/WorkMailAdmins"]);
    assert_eq!(bundle(&set, "user/alice"), nothing());
}

#[test]
fn what_is_known_only_after_apply_is_opaque_and_never_a_guess() {
    let (set, _) = case("unknown", None);
    let reader = bundle(&set, "role/MailReader");
    assert_eq!(names(&reader), ["policy/MailRead"]);
    let opaque = reader.identity_opaque.unwrap();
    for part in ["aws_iam_role_policy_attachment.either", "aws_iam_role_policy_attachment.local", "aws_iam_role.reader"] {
        assert!(opaque.contains(part), "{part}: {opaque}");
    }
    assert!(bundle(&set, "user/bob").identity_opaque.unwrap().contains("user/bob/own"));
    let alice = bundle(&set, "user/alice");
    assert_eq!(alice.boundary, Layer::Opaque(format!("arn:aws:iam::{ACCOUNT}:policy/MailNew")));
    // The document of a policy of her group is unknown; her new group has no policies.
    assert!(alice.identity_opaque.unwrap().contains("policy/WorkMailAdmins"));
}

#[test]
fn a_replaced_role_has_what_the_plan_gives_it() {
    let (set, _) = case("replace", None);
    assert_eq!(bundle(&set, "role/ops/WorkMailOps"), nothing());
    assert_eq!(names(&bundle(&set, "role/mail/WorkMailOps")), ["policy/WorkMailAdmins", "role/mail/WorkMailOps/export"]);
    assert_eq!(names(&bundle(&set, "role/MailReader")), ["policy/<aws_iam_policy.read>", "role/MailReader/current"]);
}

#[test]
fn exclusive_resources_shut_out_everything_else() {
    let (set, _) = case("exclusive", None);
    assert_eq!(names(&bundle(&set, "role/MailReader")), ["policy/MailNew", "role/MailReader/current"]);
    assert_eq!(names(&bundle(&set, "role/ops/WorkMailOps")).last().unwrap(), "role/ops/WorkMailOps/export");
    // Making an exclusive membership or attachment takes nothing away yet: what alice has is the group's.
    assert_eq!(names(&bundle(&set, "user/alice")), ["policy/WorkMailAdmins"]);
    let bob = bundle(&set, "user/bob");
    assert_eq!(names(&bob), ["policy/MailRead", "policy/WorkMailAdmins", "user/bob/own"]);
    assert!(bob.identity_opaque.unwrap().contains("aws_iam_group_policy_attachments_exclusive.auditors"));
}

#[test]
fn permission_sets_are_the_roles_of_every_account() {
    let (set, _) = case("ssoadmin", None);
    for (account, suffix) in [(ACCOUNT, "0123456789abcdef"), ("444455556666", "fedcba9876543210")] {
        let arn = format!("arn:aws:iam::{account}:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_MailAdmin_{suffix}");
        let bundle = set.bundle(&PrincipalKey { arn, id: String::new(), account: account.to_owned() });
        let names: Vec<&str> = bundle.identity.iter().map(|policy| policy.name.rsplit('/').next().unwrap()).collect();
        assert_eq!(names, ["AwsSSOInlinePolicy", "MailRead", "AmazonWorkMailReadOnlyAccess"], "{account}");
        assert_eq!(bundle.identity[1].name, format!("arn:aws:iam::{account}:policy/MailRead"));
        assert_eq!(matches!(bundle.boundary, Layer::Opaque(_)), account != ACCOUNT);
    }
}

#[test]
fn the_organization_gets_edits_of_its_own() {
    let (_, applied) = case("organizations", None);
    let kinds: Vec<String> = applied.organization.iter().map(|(_, edit)| short(edit)).collect();
    assert_eq!(
        kinds,
        [
            "detach p-examplegone r-ab12",
            "remove p-examplegone",
            "set p-examplebase",
            "set p-exampledata",
            "set <aws_organizations_policy.lock>",
            "attach <aws_organizations_policy.lock> ou-ab12-34567890"
        ]
    );
}

fn short(edit: &OrganizationEdit) -> String {
    match edit {
        OrganizationEdit::SetDocument { policy_id, document, .. } => {
            assert!(document.is_some(), "{policy_id}");
            format!("set {policy_id}")
        }
        OrganizationEdit::Remove { policy_id } => format!("remove {policy_id}"),
        OrganizationEdit::Attach { policy_id, target } => format!("attach {policy_id} {target}"),
        OrganizationEdit::Detach { policy_id, target } => format!("detach {policy_id} {target}"),
        OrganizationEdit::Move { account, to } => format!("move {account} {to}"),
    }
}

#[test]
fn a_plan_and_a_change_set_of_the_same_change_come_to_the_same() {
    let room = tempfile::tempdir().unwrap();
    let admins = std::fs::read_to_string(cases().join("update.json")).unwrap();
    let plan: serde_json::Value = serde_json::from_str(&admins).unwrap();
    let changes = plan["resource_changes"].as_array().unwrap();
    let update = changes.iter().find(|change| change["address"] == "aws_iam_policy.admins").unwrap();
    let alone = serde_json::json!({"format_version": "1.2", "resource_changes": [update]});
    std::fs::write(room.path().join("plan.json"), alone.to_string()).unwrap();
    std::fs::write(room.path().join("admins.json"), update["change"]["after"]["policy"].as_str().unwrap()).unwrap();
    let change_set = format!("[[change]]\nreplace = \"arn:aws:iam::{ACCOUNT}:policy/WorkMailAdmins\"\nwith = \"admins.json\"\n");
    std::fs::write(room.path().join("changes.toml"), change_set).unwrap();

    let (planned, _) = apply(&room.path().join("plan.json"), None).unwrap();
    let mut changed = baseline();
    load(&[room.path().join("changes.toml")]).unwrap().changes[0].apply(&mut changed).unwrap();
    for entity in changed.entities.values() {
        let key = PrincipalKey { arn: entity.arn.clone(), id: entity.id.clone(), account: ACCOUNT.to_owned() };
        assert_eq!(planned.bundle(&key), changed.bundle(&key), "{}", entity.arn);
    }
}

/// Plans that nobody here wrote, where they are there.
#[test]
fn every_plan_of_other_people_loads_and_applies() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/terraform");
    let mut folders = vec![shared];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            if text.contains("\"resource_changes\"") || text.contains("\"planned_values\"") {
                apply(&path, Some(ACCOUNT)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            }
        }
    }
}
