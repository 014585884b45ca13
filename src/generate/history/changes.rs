//! A change of the account: what it does to the model, and how CloudTrail records it.

use serde_json::{Value, json};

use super::super::estate::PRODUCTION;
use super::super::principals::{Kind, example_id};
use super::super::values::write_local_time;
use super::documents::Document;
use super::model::{Identity, Inline, Model};
use super::start::identity;

/// What holds a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    User,
    Group,
    Role,
}

impl Holder {
    /// What a user or a role is as a holder.
    pub(super) fn of(kind: Kind) -> Self {
        if kind == Kind::User { Self::User } else { Self::Role }
    }

    /// Its name in names of events, and in those of parameters.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::User => ("User", "userName"),
            Self::Group => ("Group", "groupName"),
            Self::Role => ("Role", "roleName"),
        }
    }
}

/// One call to IAM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    PutInline { of: Holder, name: String, policy: String, document: Document },
    DeleteInline { of: Holder, name: String, policy: String },
    Attach { of: Holder, name: String, policy: String },
    Detach { of: Holder, name: String, policy: String },
    Join { user: String, group: String },
    Leave { user: String, group: String },
    Tag { user: String, team: &'static str },
    Untag { user: String },
    PutBoundary { of: Kind, name: String, policy: String },
    DeleteBoundary { of: Kind, name: String },
    SetDefault { policy: String, version: u32 },
    CreateVersion { policy: String, document: Document },
    CreateRole { name: String, path: &'static str },
}

impl Edit {
    /// Makes the change.
    pub(super) fn apply(&self, model: &mut Model, time: u64) {
        match self {
            Self::PutInline { of, name, policy, document } => {
                if let Some(inline) = inline_of(model, *of, name) {
                    inline.insert(policy.clone(), document.clone());
                }
            }
            Self::DeleteInline { of, name, policy } => {
                if let Some(inline) = inline_of(model, *of, name) {
                    inline.remove(policy);
                }
            }
            Self::Attach { of, name, policy } => {
                if let Some(attached) = attached_of(model, *of, name) {
                    attached.insert(policy.clone());
                }
            }
            Self::Detach { of, name, policy } => {
                if let Some(attached) = attached_of(model, *of, name) {
                    attached.remove(policy);
                }
            }
            Self::SetDefault { policy, version } => {
                if let Some(policy) = model.policies.get_mut(policy) {
                    policy.default = *version;
                }
            }
            Self::CreateVersion { policy, document } => {
                if let Some(policy) = model.policies.get_mut(policy) {
                    policy.default = policy.versions.keys().next_back().map_or(1, |last| last + 1);
                    policy.versions.insert(policy.default, (time, document.clone()));
                }
            }
            Self::CreateRole { name, path } => {
                model.identities.insert(name.clone(), Identity { path, created: time, ..identity(Kind::Role) });
            }
            _ => self.apply_to_identity(model),
        }
    }

    fn apply_to_identity(&self, model: &mut Model) {
        let (Self::Join { user: name, .. }
        | Self::Leave { user: name, .. }
        | Self::Tag { user: name, .. }
        | Self::Untag { user: name }
        | Self::PutBoundary { name, .. }
        | Self::DeleteBoundary { name, .. }) = self
        else {
            return;
        };
        let Some(identity) = model.identities.get_mut(name) else { return };
        match self {
            Self::Join { group, .. } => _ = identity.groups.insert(group.clone()),
            Self::Leave { group, .. } => _ = identity.groups.remove(group),
            Self::Tag { team, .. } => identity.team = Some(team),
            Self::Untag { .. } => identity.team = None,
            Self::PutBoundary { policy, .. } => identity.boundary = Some(policy.clone()),
            _ => identity.boundary = None,
        }
    }

    /// The name of the event.
    pub(super) fn event(&self) -> String {
        match self {
            Self::PutInline { of, .. } => format!("Put{}Policy", of.words().0),
            Self::DeleteInline { of, .. } => format!("Delete{}Policy", of.words().0),
            Self::Attach { of, .. } => format!("Attach{}Policy", of.words().0),
            Self::Detach { of, .. } => format!("Detach{}Policy", of.words().0),
            Self::Join { .. } => "AddUserToGroup".to_owned(),
            Self::Leave { .. } => "RemoveUserFromGroup".to_owned(),
            Self::Tag { .. } => "TagUser".to_owned(),
            Self::Untag { .. } => "UntagUser".to_owned(),
            Self::PutBoundary { of, .. } => format!("Put{}PermissionsBoundary", Holder::of(*of).words().0),
            Self::DeleteBoundary { of, .. } => format!("Delete{}PermissionsBoundary", Holder::of(*of).words().0),
            Self::SetDefault { .. } => "SetDefaultPolicyVersion".to_owned(),
            Self::CreateVersion { .. } => "CreatePolicyVersion".to_owned(),
            Self::CreateRole { .. } => "CreateRole".to_owned(),
        }
    }

    /// `requestParameters`. Documents are texts there, as the caller typed them: `pretty` or in one line.
    pub(super) fn request(&self, model: &Model, pretty: bool) -> Value {
        let text = |document: &Value| if pretty { format!("{document:#}") } else { document.to_string() };
        match self {
            Self::PutInline { of, name, policy, document } => {
                json!({of.words().1: name, "policyName": policy, "policyDocument": text(&document.json())})
            }
            Self::DeleteInline { of, name, policy } => json!({of.words().1: name, "policyName": policy}),
            Self::Attach { of, name, policy } | Self::Detach { of, name, policy } => {
                json!({of.words().1: name, "policyArn": model.policy_arn(policy)})
            }
            Self::Join { user, group } | Self::Leave { user, group } => json!({"userName": user, "groupName": group}),
            Self::Tag { user, team } => json!({"userName": user, "tags": [{"key": "team", "value": team}]}),
            Self::Untag { user } => json!({"userName": user, "tagKeys": ["team"]}),
            Self::PutBoundary { of, name, policy } => {
                json!({Holder::of(*of).words().1: name, "permissionsBoundary": model.policy_arn(policy)})
            }
            Self::DeleteBoundary { of, name } => json!({Holder::of(*of).words().1: name}),
            Self::SetDefault { policy, version } => json!({"policyArn": model.policy_arn(policy), "versionId": format!("v{version}")}),
            Self::CreateVersion { policy, document } => {
                json!({"policyArn": model.policy_arn(policy), "policyDocument": text(&document.json()), "setAsDefault": true})
            }
            Self::CreateRole { name, path } => json!({"path": path, "roleName": name, "assumeRolePolicyDocument": text(&trust())}),
        }
    }

    /// `responseElements`, once the change is made.
    pub(super) fn response(&self, model: &Model, time: u64) -> Value {
        let mut date = String::new();
        write_local_time(&mut date, time);
        match self {
            Self::CreateVersion { policy, .. } => {
                let version = model.policies.get(policy).map_or(1, |policy| policy.default);
                json!({"policyVersion": {"versionId": format!("v{version}"), "isDefaultVersion": true, "createDate": date}})
            }
            Self::CreateRole { name, path } => {
                let (id, arn) = (example_id("AROA", &[PRODUCTION, name, ""]), model.arn(name));
                json!({"role": {"path": path, "roleName": name, "roleId": id, "arn": arn, "createDate": date}})
            }
            _ => Value::Null,
        }
    }

    /// What the change is, for the description.
    pub(super) fn words(&self, model: &Model) -> String {
        let what = match self {
            Self::PutInline { name, policy, .. } | Self::DeleteInline { name, policy, .. } => {
                format!("inline policy `{policy}` of `{name}`")
            }
            Self::Attach { name, policy, .. } | Self::Detach { name, policy, .. } => format!("`{policy}` and `{name}`"),
            Self::Join { user, group } | Self::Leave { user, group } => format!("`{user}` and `{group}`"),
            Self::Tag { user, team } => format!("`{user}` has `team` = `{team}`"),
            Self::Untag { user } => format!("`{user}` has no `team`"),
            Self::PutBoundary { name, policy, .. } => format!("`{policy}` bounds `{name}`"),
            Self::DeleteBoundary { name, .. } => format!("nothing bounds `{name}`"),
            Self::SetDefault { policy, version } => format!("version {version} of `{policy}`"),
            Self::CreateVersion { policy, .. } => {
                let version = model.policies.get(policy).map_or(1, |policy| policy.default);
                format!("version {version} of `{policy}`")
            }
            Self::CreateRole { name, .. } => format!("`{name}`"),
        };
        format!("`{}` ({what})", self.event())
    }
}

fn inline_of<'m>(model: &'m mut Model, of: Holder, name: &str) -> Option<&'m mut Inline> {
    match of {
        Holder::Group => model.groups.get_mut(name).map(|group| &mut group.inline),
        _ => model.identities.get_mut(name).map(|identity| &mut identity.inline),
    }
}

fn attached_of<'m>(model: &'m mut Model, of: Holder, name: &str) -> Option<&'m mut std::collections::BTreeSet<String>> {
    match of {
        Holder::Group => model.groups.get_mut(name).map(|group| &mut group.attached),
        _ => model.identities.get_mut(name).map(|identity| &mut identity.attached),
    }
}

/// The trust policy of every role: the account.
pub(super) fn trust() -> Value {
    let root = format!("arn:aws:iam::{PRODUCTION}:root");
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": root}, "Action": "sts:AssumeRole"}]})
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn a_new_version_is_the_default() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut model = super::super::start::account(0, &mut rng);
        let edit = Edit::CreateVersion { policy: "LookOnly".to_owned(), document: Document::looking(1, &mut rng) };
        edit.apply(&mut model, 1_780_000_000);
        assert_eq!(edit.response(&model, 1_780_000_000)["policyVersion"]["versionId"], "v2");
        let request = edit.request(&model, true);
        assert_eq!((&request["setAsDefault"], edit.event().as_str()), (&Value::Bool(true), "CreatePolicyVersion"));
        let document: Value = serde_json::from_str(request["policyDocument"].as_str().unwrap()).unwrap();
        assert_eq!(Some(document), model.policies["LookOnly"].document().map(Document::json));
    }

    #[test]
    fn boundaries_and_groups_are_named_as_iam_does() {
        let model = super::super::start::account(0, &mut ChaCha8Rng::seed_from_u64(1));
        let edit = Edit::PutBoundary { of: Kind::Role, name: "MailOps".to_owned(), policy: "VisitorBoundary".to_owned() };
        assert_eq!(edit.event(), "PutRolePermissionsBoundary");
        let arn = "arn:aws:iam::111122223333:policy/ops/VisitorBoundary";
        assert_eq!(edit.request(&model, false), json!({"roleName": "MailOps", "permissionsBoundary": arn}));
        let edit = Edit::Leave { user: "anna.berg".to_owned(), group: "MailDesk".to_owned() };
        assert_eq!(edit.event(), "RemoveUserFromGroup");
        assert!(edit.response(&model, 0).is_null());
    }
}
