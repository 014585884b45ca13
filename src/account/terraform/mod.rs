//! Terraform plans: the output of `terraform show -json PLAN` as edits of a policy set.
//!
//! [`TerraformPlan::apply`] lists what a plan changes, as somebody who reads the plan would, and what of it is not
//! replayed. A plan does not name everything: what is known only after apply becomes a policy without a document, an
//! opaque layer, never a guess.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use self::accounts::{Accounts, Evidence};
use self::change::{Given, ResourceChange};
use self::configuration::Configuration;
use self::meaning::{Kind as Resource, Reader};
use self::plan::{Action, Entry, HELP, Member, Parsed, elements, find_permission_sets, known_version, not_read, value, without_place};
use super::PolicySet;
use super::deployment::{Account, Applied, Note, Run, Subject};
use crate::error::Result;
use crate::iam::json::{Node, Source};

mod accounts;
mod address;
mod change;
mod configuration;
mod meaning;
mod organization;
mod plan;
mod references;
mod resources;

/// The member names by which a plan, or a state that is taken for one, is told from other JSON.
pub(super) const MEMBERS: [&str; 3] = ["resource_changes", "planned_values", "terraform_version"];

/// A Terraform plan, read.
#[derive(Debug, Default)]
pub struct TerraformPlan {
    /// Its file.
    pub path: PathBuf,
    changes: Vec<ResourceChange>,
    configuration: Configuration,
    evidence: Evidence,
    /// Data sources that are read during apply, by address without keys.
    reads: BTreeSet<String>,
    /// Names of permission sets by ARN.
    permission_sets: BTreeMap<String, String>,
    /// What is not replayed, whatever it is applied to.
    notes: Vec<Note>,
}

impl TerraformPlan {
    /// Reads a plan.
    ///
    /// # Errors
    /// [`crate::error::PolicyError`] at what is no plan, and at a document that cannot be given one meaning.
    pub(super) fn read<'a>(source: &Source<'a>, root: &Node<'a>, members: &[Member<'a>], file: &Path) -> Parsed<Self> {
        let has = |wanted: &str| members.iter().any(|(name, _)| name == wanted);
        if !has("resource_changes") && !has("planned_values") {
            return Err(source.error(root, "this is a Terraform state, not a plan: it does not say what will be", Some(HELP)));
        }
        let mut plan = Self { path: file.to_path_buf(), ..Self::default() };
        for (name, node) in members {
            match name.as_ref() {
                "format_version" => known_version(source, node)?,
                "resource_changes" => plan.read_changes(source, node)?,
                "configuration" => plan.configuration = Configuration::new(value(source, node)?),
                "prior_state" => {
                    let state = value(source, node)?;
                    plan.evidence.add_state(&state);
                    find_permission_sets(&state, &mut plan.permission_sets);
                }
                "resource_drift" => {
                    let drifted = elements(source, node)?.len();
                    plan.note(drifted, "resource drift", "changed outside Terraform: the baseline says what was there", false);
                }
                "deferred_changes" => {
                    let deferred = elements(source, node)?.len();
                    plan.note(deferred, "deferred changes", "the plan leaves them to a later one", true);
                }
                "errored" if node.text() == "true" => {
                    let reason = "making it ended with an error: it is not the whole".to_owned();
                    plan.notes.push(Note { subject: "the plan".to_owned(), reason, unresolved: true });
                }
                _ => {}
            }
        }
        Ok(plan)
    }

    fn read_changes<'a>(&mut self, source: &Source<'a>, list: &Node<'a>) -> Parsed<()> {
        let (mut reads, mut others) = (0, BTreeMap::<String, usize>::new());
        for node in elements(source, list)? {
            let entry: Entry = serde_json::from_str(node.text())
                .map_err(|error| source.error(&node, format!("not a resource change: {}", without_place(&error)), Some(HELP)))?;
            let Some(action) = Action::of(&entry.change.actions) else {
                let message = format!("unknown actions `{}` of `{}`", entry.change.actions.join(", "), entry.address);
                return Err(source.error(&node, message, Some("this version reads the plans of Terraform 0.12 to 1.x and OpenTofu")));
            };
            self.evidence.add(&entry);
            match Resource::of(&entry.kind) {
                _ if entry.mode.as_deref() == Some("data") => {
                    if action == Action::Read {
                        reads += 1;
                        self.reads.insert(address::plain(&entry.address));
                    }
                }
                None if matches!(action, Action::NoOp | Action::Read) => {}
                None => *others.entry(entry.kind).or_default() += 1,
                Some(resource) => {
                    let change = ResourceChange::read(source, &node, entry, action)?;
                    if change.kind.starts_with("aws_iam_") {
                        self.evidence.add_policies(&change);
                    }
                    if resource == Resource::PermissionSet {
                        let now = if let Given::Known(name) = change.text("name") { Some(name) } else { None };
                        let pair = change.was("arn").zip(change.was("name").or(now));
                        self.permission_sets.extend(pair.map(|(arn, name)| (arn.to_owned(), name.to_owned())));
                    }
                    self.changes.push(change);
                }
            }
        }
        self.note(reads, "data sources", "only read", false);
        for (kind, count) in others {
            let (reason, unresolved) = not_read(&kind);
            self.note(count, &kind, reason, unresolved);
        }
        Ok(())
    }

    fn note(&mut self, count: usize, subject: &str, reason: &str, unresolved: bool) {
        if count > 0 {
            self.notes.push(Note { subject: format!("{subject} ({count})"), reason: reason.to_owned(), unresolved });
        }
    }

    /// Applies the plan to a policy set. `account` is the account of what the plan itself says nothing about.
    ///
    /// # Errors
    /// [`Error::Format`](crate::Error::Format) if the account of a change is not known, and
    /// [`Error::Usage`](crate::Error::Usage) if `account` is no account id.
    pub fn apply(&self, set: &mut PolicySet, account: Option<&str>) -> Result<Applied> {
        let given = account.map(|id| Account::given(set, id)).transpose()?;
        let accounts = Accounts::new(&self.evidence, &self.configuration, &self.path, given);
        let guessed = accounts.guessed();
        let mut reader = Reader::new(self, accounts);
        reader.read()?;
        let Reader { steps, notes, mut organization, mut lines, has_iam, .. } = reader;
        let guessed = guessed.filter(|_| has_iam);
        let mut run = Run::new(set, &self.path);
        run.apply(steps);
        let Run { lines: done, notes: missing, .. } = run;
        lines.extend(done);
        lines.sort_by_key(|(at, _)| *at);
        organization.sort_by_key(|(_, edit)| edit.phase());
        let changes = lines.into_iter().map(|(_, line)| line).collect();
        let mut ignored = [notes, missing, self.notes.clone()].concat();
        if let Some(account) = guessed {
            let reason = format!("taken to be {account}, which an ARN in the plan mentions: name another with --candidate-account NAME=ID");
            ignored.push(Note { subject: "the account".to_owned(), reason, unresolved: false });
        }
        Ok(Applied { changes, ignored, organization })
    }
}

impl ResourceChange {
    /// What a listing says of it.
    fn subject(&self) -> Subject {
        Subject { action: self.action.word(), address: called(self) }
    }
}

/// The address of a change in listings.
fn called(change: &ResourceChange) -> String {
    match (&change.deposed, &change.previous) {
        (Some(key), _) => format!("{} (left behind, {key})", change.address),
        (None, Some(previous)) => format!("{} (was {previous})", change.address),
        (None, None) => change.address.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plan of these resource changes.
    pub(super) fn plan(changes: &str, configuration: &str) -> Parsed<TerraformPlan> {
        let text = format!(r#"{{"format_version": "1.2", "resource_changes": [{changes}], "configuration": {configuration}}}"#);
        let source = Source::new(&text);
        let root = source.root()?;
        TerraformPlan::read(&source, &root, &root.members(&source)?, Path::new("plan.json"))
    }

    /// A resource change.
    pub(super) fn change(address: &str, action: &str, before: &str, after: &str, unknown: &str) -> String {
        let module = address.rfind(".aws_").map(|at| &address[..at]).unwrap_or_default();
        let kind = address[module.len()..].trim_start_matches('.').split('.').next().unwrap();
        format!(
            r#"{{"address": {address:?}, "module_address": {module:?}, "mode": "managed", "type": "{kind}", "provider_name": "aws",
                "change": {{"actions": ["{action}"], "before": {before}, "after": {after}, "after_unknown": {unknown}}}}}"#
        )
    }

    fn error(changes: &str) -> crate::error::PolicyError {
        plan(changes, "{}").unwrap_err()
    }

    #[test]
    fn a_document_that_does_not_parse_is_named_by_resource_and_place() {
        let after = r#"{"name": "Mail", "policy": "{\n \"Statement\": [{\"effect\": \"Allow\"}]}"}"#;
        let error = error(&change("module.m.aws_iam_policy.mail", "create", "null", after, "{}"));
        assert_eq!(error.pointer, "/resource_changes/0/change/after/policy");
        let place = "the document in `policy` of `module.m.aws_iam_policy.mail`, line 2 column 27, /Statement/0/effect: unknown element";
        assert!(error.message.starts_with(place), "{error}");
        assert!(error.help.clone().unwrap().contains("`Effect`"));
    }

    #[test]
    fn a_document_that_the_plan_does_not_write_is_not_judged() {
        for action in ["no-op", "update", "delete"] {
            let old = r#"{"name": "Mail", "policy": "", "arn": "arn:aws:iam::111122223333:policy/Mail"}"#;
            let new = if action == "delete" { "null" } else { old };
            assert!(plan(&change("aws_iam_policy.mail", action, old, new, "{}"), "{}").is_ok(), "{action}");
        }
    }

    #[test]
    fn what_is_no_plan_is_refused_with_the_command_that_makes_one() {
        for text in [r#"{"terraform_version": "1.9.0", "values": {}}"#, r#"{"resource_changes": {}}"#, r#"{"resource_changes": [1]}"#] {
            let source = Source::new(text);
            let root = source.root().unwrap();
            let error = TerraformPlan::read(&source, &root, &root.members(&source).unwrap(), Path::new("plan.json")).unwrap_err();
            assert!(error.help.clone().unwrap().contains("terraform show -json"), "{error}");
        }
        let error = error(&change("aws_iam_policy.mail", "frobnicate", "null", "null", "{}"));
        assert_eq!(error.message, "unknown actions `frobnicate` of `aws_iam_policy.mail`");
    }

    #[test]
    fn an_account_is_needed_only_for_what_changes() {
        let other = plan(&change("aws_sqs_queue.q", "create", "null", "{}", "{}"), "{}").unwrap();
        let applied = other.apply(&mut PolicySet::default(), None).unwrap();
        assert_eq!(applied.ignored.iter().map(ToString::to_string).collect::<Vec<_>>(), ["aws_sqs_queue (1): not about IAM"]);

        let mail = change("aws_iam_user.mail", "create", "null", r#"{"name": "mail", "path": "/"}"#, r#"{"arn": true}"#);
        let mail = plan(&mail, "{}").unwrap();
        let error = mail.apply(&mut PolicySet::default(), None).unwrap_err().to_string();
        assert!(error.contains("the account of `aws_iam_user.mail`: name it with --candidate-account NAME=ID"), "{error}");
        assert!(mail.apply(&mut PolicySet::default(), Some("1111")).unwrap_err().to_string().contains("no account id"));
        let mut set = PolicySet::default();
        let applied = mail.apply(&mut set, Some("111122223333")).unwrap();
        assert_eq!(applied.changes[0].to_string(), "create aws_iam_user.mail: user arn:aws:iam::111122223333:user/mail");
        assert!(set.entities.contains_key("arn:aws:iam::111122223333:user/mail"));
    }

    const MAIL: &str = "arn:aws:iam::111122223333:user/mail";

    /// A set with a user in a group.
    fn mail() -> (PolicySet, crate::account::PrincipalKey) {
        let mut set = PolicySet::default();
        set.add_entity(MAIL, crate::account::EntityKind::User);
        set.add_group("arn:aws:iam::111122223333:group/ops");
        set.entities.get_mut(MAIL).unwrap().groups.push("ops".to_owned());
        set.entities.get_mut(MAIL).unwrap().tags.insert("team".to_owned(), "a".to_owned());
        (set, crate::account::PrincipalKey { arn: MAIL.to_owned(), id: String::new(), account: "111122223333".to_owned() })
    }

    #[test]
    fn groups_and_tags_that_are_known_after_apply_are_not_what_they_were() {
        let (mut set, key) = mail();
        let before = r#"{"user": "mail", "groups": ["ops"]}"#;
        let groups = change("aws_iam_user_group_membership.m", "update", before, r#"{"user": "mail"}"#, r#"{"groups": true}"#);
        let before = format!(r#"{{"name": "mail", "path": "/", "arn": "{MAIL}", "tags": {{"team": "a"}}}}"#);
        let after = format!(r#"{{"name": "mail", "path": "/", "arn": "{MAIL}", "tags": {{}}}}"#);
        let user = change("aws_iam_user.mail", "update", &before, &after, r#"{"tags": {"team": true}}"#);
        assert!(set.bundle(&key).identity_opaque.is_none() && set.tags_of(&key).is_some());
        plan(&[groups, user].join(","), "{}").unwrap().apply(&mut set, Some("111122223333")).unwrap();
        assert!(set.bundle(&key).identity_opaque.is_some());
        assert_eq!(set.tags_of(&key), None);
    }

    #[test]
    fn what_a_provider_of_its_own_settings_makes_is_not_in_the_plans_only_account() {
        let role = change("aws_iam_role.a", "no-op", r#"{"arn": "arn:aws:iam::111122223333:role/a"}"#, r#"{"name": "a"}"#, "{}");
        let lab = change("aws_iam_user.lab", "create", "null", r#"{"name": "lab", "path": "/"}"#, r#"{"arn": true}"#);
        let configuration = |settings: &str| {
            format!(
                r#"{{"provider_config": {{"aws": {{"name": "aws", "expressions": {{}}}}, "aws.lab": {{"name": "aws", "expressions": {settings}}}}},
                    "root_module": {{"resources": [{{"address": "aws_iam_role.a", "provider_config_key": "aws"}},
                        {{"address": "aws_iam_user.lab", "provider_config_key": "aws.lab"}}]}}}}"#
            )
        };
        let read = |settings: &str| plan(&[role.clone(), lab.clone()].join(","), &configuration(settings)).unwrap();
        let elsewhere = read(r#"{"region": {"constant_value": "us-east-1"}}"#).apply(&mut PolicySet::default(), None).unwrap();
        assert!(elsewhere.changes[0].to_string().ends_with("user arn:aws:iam::111122223333:user/lab"));
        let other = read(r#"{"profile": {"constant_value": "lab"}}"#);
        let error = other.apply(&mut PolicySet::default(), None).unwrap_err().to_string();
        assert!(error.contains("`aws_iam_user.lab`") && error.contains("--candidate-account NAME=ID"), "{error}");
        let given = other.apply(&mut PolicySet::default(), Some("444455556666")).unwrap();
        assert!(given.changes[0].to_string().ends_with("user arn:aws:iam::444455556666:user/lab"));
    }

    #[test]
    fn what_terraform_only_forgets_stays() {
        let before = r#"{"policy_id": "p-1", "target_id": "r-ab12", "skip_destroy": true}"#;
        let kept = change("aws_organizations_policy_attachment.a", "delete", before, "null", "{}");
        let applied = plan(&kept, "{}").unwrap().apply(&mut PolicySet::default(), None).unwrap();
        assert!(applied.organization.is_empty() && applied.changes.is_empty() && !applied.ignored.is_empty());
    }
}
