//! The account as `aws iam get-account-authorization-details` prints it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::estate::PRODUCTION;
use super::super::principals::{Kind, example_id};
use super::super::values::time_text;
use super::changes::trust;
use super::model::{Group, Identity, Inline, Model, Policy};

/// The snapshot of a moment.
pub(super) fn snapshot(model: &Model) -> Value {
    let of = |kind: Kind| model.identities.iter().filter(move |(_, identity)| identity.kind == kind);
    json!({
        "UserDetailList": of(Kind::User).map(|(name, user)| user_entry(model, name, user)).collect::<Vec<_>>(),
        "GroupDetailList": model.groups.iter().map(|(name, group)| group_entry(model, name, group)).collect::<Vec<_>>(),
        "RoleDetailList": of(Kind::Role).map(|(name, role)| role_entry(model, name, role)).collect::<Vec<_>>(),
        "Policies": model.policies.iter().map(|(name, policy)| policy_entry(model, name, policy)).collect::<Vec<_>>(),
        "IsTruncated": false,
    })
}

fn user_entry(model: &Model, name: &str, user: &Identity) -> Value {
    let entry = json!({
        "Path": user.path,
        "UserName": name,
        "UserId": example_id("AIDA", &[PRODUCTION, name, ""]),
        "Arn": model.arn(name),
        "CreateDate": date(user.created),
        "UserPolicyList": inline(&user.inline),
        "GroupList": user.groups,
        "AttachedManagedPolicies": attached(model, &user.attached),
        "Tags": user.team.map(|team| json!({"Key": "team", "Value": team})).into_iter().collect::<Vec<_>>(),
    });
    with_boundary(entry, model, user)
}

fn role_entry(model: &Model, name: &str, role: &Identity) -> Value {
    let entry = json!({
        "Path": role.path,
        "RoleName": name,
        "RoleId": example_id("AROA", &[PRODUCTION, name, ""]),
        "Arn": model.arn(name),
        "CreateDate": date(role.created),
        "AssumeRolePolicyDocument": trust(),
        "InstanceProfileList": [],
        "RolePolicyList": inline(&role.inline),
        "AttachedManagedPolicies": attached(model, &role.attached),
        "Tags": [],
        "RoleLastUsed": {},
    });
    with_boundary(entry, model, role)
}

fn group_entry(model: &Model, name: &str, group: &Group) -> Value {
    json!({
        "Path": group.path,
        "GroupName": name,
        "GroupId": example_id("AGPA", &[PRODUCTION, name]),
        "Arn": format!("arn:aws:iam::{PRODUCTION}:group{}{name}", group.path),
        "CreateDate": date(super::start::CREATED),
        "GroupPolicyList": inline(&group.inline),
        "AttachedManagedPolicies": attached(model, &group.attached),
    })
}

fn policy_entry(model: &Model, name: &str, policy: &Policy) -> Value {
    let arn = model.policy_arn(name);
    let versions = policy.versions.iter().rev().map(|(number, (created, document))| {
        json!({
            "Document": document.json(),
            "VersionId": format!("v{number}"),
            "IsDefaultVersion": *number == policy.default,
            "CreateDate": date(*created),
        })
    });
    json!({
        "PolicyName": name,
        "PolicyId": example_id("ANPA", &[&arn]),
        "Arn": arn,
        "Path": policy.path,
        "DefaultVersionId": format!("v{}", policy.default),
        "IsAttachable": true,
        "CreateDate": date(super::start::CREATED),
        "PolicyVersionList": versions.collect::<Vec<_>>(),
    })
}

fn inline(policies: &Inline) -> Vec<Value> {
    policies.iter().map(|(name, document)| json!({"PolicyName": name, "PolicyDocument": document.json()})).collect()
}

fn attached(model: &Model, names: &BTreeSet<String>) -> Vec<Value> {
    names.iter().map(|name| json!({"PolicyName": name, "PolicyArn": model.policy_arn(name)})).collect()
}

fn with_boundary(mut entry: Value, model: &Model, identity: &Identity) -> Value {
    if let (Some(name), Some(entry)) = (&identity.boundary, entry.as_object_mut()) {
        let arn = model.policy_arn(name);
        entry.insert("PermissionsBoundary".to_owned(), json!({"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}));
    }
    entry
}

fn date(time: u64) -> String {
    time_text(time).replace('Z', "+00:00")
}
