//! The policy side of the estate: one account snapshot for each account, and the candidates.

use std::collections::BTreeSet;
use std::io;

use serde_json::{Map, Value, json};

use super::estate::PRODUCTION;
use super::principals::{Group, Kind, Presence, Principal, example_id};
use super::roster::{GROUPS, PRINCIPALS};

/// Documents by name; `aws:` marks those of AWS, `inline/` those that live inside an identity.
const DOCUMENTS: &str = include_str!("policies.json");

/// Files of the candidates, as they are written below `policies/`.
pub(super) const CANDIDATES: [(&str, &str); 15] = [
    ("old-admins/changes.toml", include_str!("candidates/old-admins/changes.toml")),
    ("old-admins/workmail-helpdesk-read-only.json", include_str!("candidates/read-only/workmail-helpdesk-read-only.json")),
    ("old-admins/legacy-mail-admins.json", include_str!("candidates/read-only/legacy-mail-admins.json")),
    ("region-lock/changes.toml", include_str!("candidates/region-lock/changes.toml")),
    ("region-lock/mail-stays-in-eu-west-1.json", include_str!("candidates/region-lock/mail-stays-in-eu-west-1.json")),
    ("read-only/changes.toml", include_str!("candidates/read-only/changes.toml")),
    ("read-only/workmail-helpdesk-read-only.json", include_str!("candidates/read-only/workmail-helpdesk-read-only.json")),
    ("read-only/mail-viewer-read-only.json", include_str!("candidates/read-only/mail-viewer-read-only.json")),
    ("read-only/legacy-mail-admins.json", include_str!("candidates/read-only/legacy-mail-admins.json")),
    ("mfa-region-lock/changes.toml", include_str!("candidates/mfa-region-lock/changes.toml")),
    ("mfa-region-lock/workmail-viewers-mfa-eu-west-1.json", include_str!("candidates/mfa-region-lock/workmail-viewers-mfa-eu-west-1.json")),
    ("mfa-region-lock/deny-writes-outside-office.json", include_str!("candidates/mfa-region-lock/deny-writes-outside-office.json")),
    ("wind-down/changes.toml", include_str!("candidates/wind-down/changes.toml")),
    ("wind-down/deny-new.json", include_str!("candidates/wind-down/deny-new.json")),
    ("wind-down/allow-export-everywhere.json", include_str!("candidates/wind-down/allow-export-everywhere.json")),
];

/// Files of what is beside the candidates: the organization, and side data.
pub(super) const BESIDE: [(&str, &str); 3] = [
    ("organization/organization.json", include_str!("organization/organization.json")),
    ("organization/stay-in-the-organization.json", include_str!("organization/stay-in-the-organization.json")),
    ("context.toml", include_str!("organization/context.toml")),
];

const CREATED: &str = "2025-03-04T09:12:00+00:00";

/// The account snapshots are built from these documents.
#[derive(Debug)]
pub(super) struct Documents(Map<String, Value>);

impl Documents {
    /// Reads the built-in documents.
    pub(super) fn load() -> io::Result<Self> {
        Ok(Self(serde_json::from_str(DOCUMENTS)?))
    }

    /// A document by its name.
    pub(super) fn get(&self, name: &str) -> io::Result<&Value> {
        self.0.get(name).ok_or_else(|| io::Error::other(format!("no policy document named {name}")))
    }

    /// What `aws iam get-account-authorization-details` prints for an account. `more` says which users there are because
    /// of one.
    pub(super) fn snapshot(&self, account: &str, more: &dyn Fn(&Value) -> Vec<Value>) -> io::Result<Value> {
        let principals = || PRINCIPALS.into_iter().filter(|p| p.account == account && p.presence != Presence::Deleted);
        let mut users: Vec<Value> = principals().filter(|p| p.kind == Kind::User).map(|p| self.user(p)).collect::<io::Result<_>>()?;
        let colleagues: Vec<Value> = users.iter().flat_map(more).collect();
        users.extend(colleagues);
        let roles: Vec<Value> = principals().filter(|p| p.kind == Kind::Role).map(|p| self.role(p)).collect::<io::Result<_>>()?;
        let groups = || GROUPS.iter().filter(|group| group.account == account);
        let used: BTreeSet<&str> = principals()
            .flat_map(|p| p.managed.iter().chain(&p.boundary))
            .chain(groups().flat_map(|group| group.managed))
            .copied()
            .collect();
        Ok(json!({
            "UserDetailList": users,
            "GroupDetailList": groups().map(|group| self.group(group)).collect::<io::Result<Vec<_>>>()?,
            "RoleDetailList": roles,
            "Policies": used.into_iter().map(|name| self.managed(account, name)).collect::<io::Result<Vec<_>>>()?,
            "IsTruncated": false,
        }))
    }

    fn user(&self, user: &Principal) -> io::Result<Value> {
        let mut entry = json!({
            "Path": user.path,
            "UserName": user.name,
            "UserId": user.snapshot_id(),
            "Arn": user.arn(),
            "CreateDate": CREATED,
            "UserPolicyList": self.inline(user.inline)?,
            "GroupList": user.groups,
            "AttachedManagedPolicies": attached(user.account, user.managed),
            "Tags": tags(user),
        });
        add_boundary(&mut entry, user);
        Ok(entry)
    }

    fn role(&self, role: &Principal) -> io::Result<Value> {
        let mut entry = json!({
            "Path": role.path,
            "RoleName": role.name,
            "RoleId": role.snapshot_id(),
            "Arn": role.arn(),
            "CreateDate": CREATED,
            "AssumeRolePolicyDocument": trust(role),
            "InstanceProfileList": [],
            "RolePolicyList": self.inline(role.inline)?,
            "AttachedManagedPolicies": attached(role.account, role.managed),
            "Tags": tags(role),
            "RoleLastUsed": {},
        });
        add_boundary(&mut entry, role);
        Ok(entry)
    }

    fn group(&self, group: &Group) -> io::Result<Value> {
        Ok(json!({
            "Path": "/",
            "GroupName": group.name,
            "GroupId": example_id("AGPA", &[group.account, group.name]),
            "Arn": format!("arn:aws:iam::{}:group/{}", group.account, group.name),
            "CreateDate": CREATED,
            "GroupPolicyList": self.inline(group.inline)?,
            "AttachedManagedPolicies": attached(group.account, group.managed),
        }))
    }

    fn inline(&self, policies: &[(&str, &str)]) -> io::Result<Vec<Value>> {
        policies.iter().map(|(name, document)| Ok(json!({"PolicyName": name, "PolicyDocument": self.get(document)?}))).collect()
    }

    fn managed(&self, account: &str, name: &str) -> io::Result<Value> {
        let arn = policy_arn(account, name);
        let version = match name {
            "aws:AmazonWorkMailFullAccess" => "v10",
            "aws:AmazonWorkMailReadOnlyAccess" => "v4",
            "WorkMailHelpdesk" | "WorkMailAdmins" => "v3",
            _ => "v1",
        };
        Ok(json!({
            "PolicyName": plain_name(name),
            "PolicyId": example_id("ANPA", &[&arn]),
            "Arn": arn,
            "Path": "/",
            "DefaultVersionId": version,
            "IsAttachable": true,
            "CreateDate": CREATED,
            "PolicyVersionList": [{
                "Document": self.get(name)?,
                "VersionId": version,
                "IsDefaultVersion": true,
                "CreateDate": CREATED,
            }],
        }))
    }
}

fn plain_name(name: &str) -> &str {
    name.rsplit(['/', ':']).next().unwrap_or(name)
}

/// The ARN of a policy by the name that it has here.
pub(super) fn policy_arn(account: &str, name: &str) -> String {
    match name.strip_prefix("aws:") {
        Some(name) => format!("arn:aws:iam::aws:policy/{name}"),
        None => format!("arn:aws:iam::{account}:policy/{name}"),
    }
}

fn attached(account: &str, names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| json!({"PolicyName": plain_name(name), "PolicyArn": policy_arn(account, name)})).collect()
}

fn tags(principal: &Principal) -> Vec<Value> {
    principal.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

fn add_boundary(entry: &mut Value, principal: &Principal) {
    if let (Some(boundary), Some(entry)) = (principal.boundary, entry.as_object_mut()) {
        let arn = policy_arn(principal.account, boundary);
        entry.insert("PermissionsBoundary".into(), json!({"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}));
    }
}

fn trust(role: &Principal) -> Value {
    let (kind, name) = role.trusts;
    let action = if kind == "Federated" { "sts:AssumeRoleWithSAML" } else { "sts:AssumeRole" };
    let name = if kind == "Federated" { name.replace(PRODUCTION, role.account) } else { name.to_owned() };
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {kind: name}, "Action": action}]})
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::generate::estate::{ACCOUNTS, BRANCH, CORP};
    use crate::generate::roster::SSO_VIEWER;

    #[test]
    fn snapshots_hold_every_principal_that_still_exists() {
        let documents = Documents::load().unwrap();
        let count = |list: &str| -> usize {
            ACCOUNTS.iter().map(|account| documents.snapshot(account, &|_| Vec::new()).unwrap()[list].as_array().unwrap().len()).sum()
        };
        assert_eq!(count("UserDetailList") + count("RoleDetailList"), PRINCIPALS.len() - 1);
        assert_eq!(count("GroupDetailList"), GROUPS.len());
    }

    #[test]
    fn snapshot_names_the_boundary_and_the_aws_managed_policy() {
        let snapshot = Documents::load().unwrap().snapshot(PRODUCTION, &|_| Vec::new()).unwrap().to_string();
        assert!(snapshot.contains("arn:aws:iam::111122223333:policy/MailAutomationBoundary"));
        assert!(snapshot.contains("arn:aws:iam::aws:policy/AmazonWorkMailFullAccess"));
        assert!(snapshot.contains("arn:aws:iam::aws:policy/aws-service-role/AmazonWorkMailEventsServiceRolePolicy"));
    }

    #[test]
    fn documents_name_organizations_that_exist() {
        for text in [DOCUMENTS].into_iter().chain(CANDIDATES.map(|(_, text)| text)) {
            for rest in text.split("organization/m-").skip(1) {
                assert!([&CORP, &BRANCH].iter().any(|known| rest.starts_with(&known.id[2..])), "{rest:.40}");
            }
        }
    }

    #[test]
    fn change_sets_name_files_and_principals_that_exist() {
        for (path, text) in CANDIDATES.iter().filter(|(path, _)| path.ends_with(".toml")) {
            let folder = path.split('/').next().unwrap();
            for line in text.lines().filter(|line| line.starts_with("with") || line.starts_with("attach")) {
                let file = line.split('"').nth(1).unwrap();
                assert!(CANDIDATES.iter().any(|(known, _)| *known == format!("{folder}/{file}")), "{file}");
            }
        }
        assert!(CANDIDATES.iter().any(|(_, text)| text.contains(&SSO_VIEWER.arn())));
    }

    #[test]
    fn candidate_documents_are_json() {
        for (path, text) in CANDIDATES.iter().filter(|(path, _)| path.ends_with(".json")) {
            let document: Value = serde_json::from_str(text).unwrap();
            assert!(document["Statement"].is_array(), "{path}");
        }
    }
}
