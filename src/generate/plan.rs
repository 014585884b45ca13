//! The candidate `old-admins` once more, as `terraform show -json` prints a plan of it.

use std::io;

use serde_json::{Value, json};

use super::estate::PRODUCTION;
use super::policies::{CANDIDATES, Documents, policy_arn};

/// The plan.
///
/// # Errors
/// A defect of the built-in documents.
pub(super) fn plan(documents: &Documents) -> io::Result<Value> {
    let helpdesk = policy_arn(PRODUCTION, "WorkMailHelpdesk");
    let [before, after] = [documents.get("WorkMailHelpdesk")?.clone(), document("old-admins/workmail-helpdesk-read-only.json")?];
    let policy = |document: &Value| {
        let policy = document.to_string();
        json!({"arn": helpdesk, "id": helpdesk, "name": "WorkMailHelpdesk", "path": "/", "policy": policy, "tags": {}})
    };
    let attachment = json!({"group": "LegacyMailAdmins", "id": "LegacyMailAdmins/AmazonWorkMailFullAccess",
        "policy_arn": policy_arn(PRODUCTION, "aws:AmazonWorkMailFullAccess")});
    let own = json!({"group": "LegacyMailAdmins", "name": "legacy-mail-admins", "name_prefix": null,
        "policy": document("old-admins/legacy-mail-admins.json")?.to_string()});
    let trail = json!({"name": "organization", "is_organization_trail": true});
    Ok(json!({
        "format_version": "1.2",
        "terraform_version": "1.11.4",
        "resource_changes": [
            change("aws_cloudtrail", "organization", "no-op", &trail, &trail, &json!({})),
            change("aws_iam_policy", "helpdesk", "update", &policy(&before), &policy(&after), &json!({"tags": {}})),
            change("aws_iam_group_policy_attachment", "legacy_full_access", "delete", &attachment, &Value::Null, &json!({})),
            change("aws_iam_group_policy", "legacy", "create", &Value::Null, &own, &json!({"id": true})),
        ],
    }))
}

fn document(path: &str) -> io::Result<Value> {
    let text = CANDIDATES.iter().find(|(known, _)| *known == path).map(|(_, text)| *text);
    Ok(serde_json::from_str(text.ok_or_else(|| io::Error::other(format!("no policy document at {path}")))?)?)
}

fn change(kind: &str, name: &str, action: &str, before: &Value, after: &Value, unknown: &Value) -> Value {
    json!({
        "address": format!("{kind}.{name}"),
        "mode": "managed",
        "type": kind,
        "name": name,
        "provider_name": "registry.terraform.io/hashicorp/aws",
        "change": {
            "actions": [action],
            "before": before,
            "after": after,
            "after_unknown": unknown,
            "before_sensitive": if before.is_null() { json!(false) } else { json!({}) },
            "after_sensitive": if after.is_null() { json!(false) } else { json!({}) },
        },
    })
}
