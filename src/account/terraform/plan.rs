//! The JSON of a plan.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::error::PolicyError;
use crate::iam::json::{Kind, Node, Source};

/// What should have been given.
pub(super) const HELP: &str =
    "this should be the output of `terraform show -json PLAN`, where PLAN was written by `terraform plan -out=PLAN`";

pub(super) type Parsed<T> = Result<T, PolicyError>;
pub(super) type Member<'a> = (Cow<'a, str>, Node<'a>);

/// One element of `resource_changes` as written.
#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    pub(super) address: String,
    #[serde(default)]
    pub(super) previous_address: Option<String>,
    #[serde(default)]
    pub(super) module_address: Option<String>,
    #[serde(default)]
    pub(super) mode: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) deposed: Option<String>,
    #[serde(default)]
    pub(super) provider_name: Option<String>,
    pub(super) change: Change,
}

/// The `change` of an [`Entry`].
#[derive(Debug, Deserialize)]
pub(super) struct Change {
    pub(super) actions: Vec<String>,
    #[serde(default)]
    pub(super) before: Value,
    #[serde(default)]
    pub(super) after: Value,
    #[serde(default)]
    pub(super) after_unknown: Value,
    #[serde(default)]
    pub(super) importing: Option<Value>,
}

/// What a plan does to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing.
    NoOp,
    /// Reads a data source.
    Read,
    /// Makes it.
    Create,
    /// Changes it in place.
    Update,
    /// Deletes it.
    Delete,
    /// Deletes it and makes it again, in either order.
    Replace,
    /// Manages it no longer; it stays.
    Forget,
}

impl Action {
    /// The action of a list of `actions`.
    pub(super) fn of(actions: &[String]) -> Option<Self> {
        let actions: Vec<&str> = actions.iter().map(String::as_str).collect();
        Some(match actions.as_slice() {
            ["no-op"] | [] => Self::NoOp,
            ["read"] => Self::Read,
            // The old object stays, unmanaged, beside the new one.
            ["create"] | ["create", "forget"] | ["forget", "create"] => Self::Create,
            ["update"] => Self::Update,
            ["delete"] => Self::Delete,
            ["create", "delete"] | ["delete", "create"] => Self::Replace,
            ["forget"] => Self::Forget,
            _ => return None,
        })
    }

    /// The word in listings.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::NoOp => "no-op",
            Self::Read => "read",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Replace => "replace",
            Self::Forget => "forget",
        }
    }

    /// Whether something stands there afterwards that the plan has written.
    pub(super) fn makes(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Replace)
    }

    /// Whether what was there before goes.
    pub(super) fn removes(self) -> bool {
        matches!(self, Self::Delete | Self::Replace)
    }
}

/// The node at a place below another.
pub(super) fn descend<'a>(source: &Source<'a>, node: &Node<'a>, place: &str) -> Option<Node<'a>> {
    let mut at = node.clone();
    for step in place.split('/') {
        at = match at.kind() {
            Kind::Object => at.members(source).ok()?.into_iter().find(|(name, _)| name == step)?.1,
            Kind::Array => at.elements(source).ok()?.into_iter().nth(step.parse().ok()?)?,
            _ => return None,
        };
    }
    Some(at)
}

/// Why resources of a type are not read, and whether they may change who may do what.
pub(super) fn not_read(kind: &str) -> (&'static str, bool) {
    match kind {
        "aws_iam_instance_profile" => ("an instance profile has no policies of its own", false),
        "aws_iam_openid_connect_provider" | "aws_iam_saml_provider" | "aws_ssoadmin_account_assignment" => {
            ("who may sign in as whom is not replayed", false)
        }
        "aws_iam_service_linked_role" => ("what a service-linked role may do is decided by AWS", false),
        "aws_organizations_account" | "aws_organizations_organizational_unit" | "aws_organizations_organization" => {
            ("the tree of the organization is not read from plans: give it as `organization.json`", true)
        }
        _ if kind.starts_with("awscc_") => ("resources of the provider `awscc` are not read: express the change as a change set", true),
        _ if kind.starts_with("aws_iam_") => ("it has no policies", false),
        _ if kind.ends_with("_policy") => ("resource-based policies are not read from plans", false),
        _ => ("not about IAM", false),
    }
}

/// The names of the permission sets of a state, data sources included.
pub(super) fn find_permission_sets(value: &Value, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(members) => {
            if members.get("type").and_then(Value::as_str) == Some("aws_ssoadmin_permission_set") {
                let text = |name: &str| members.get("values")?.get(name)?.as_str().map(str::to_owned);
                found.extend(text("arn").zip(text("name")));
            }
            members.values().for_each(|member| find_permission_sets(member, found));
        }
        Value::Array(elements) => elements.iter().for_each(|element| find_permission_sets(element, found)),
        _ => {}
    }
}

pub(super) fn known_version(source: &Source<'_>, node: &Node<'_>) -> Parsed<()> {
    if node.text().starts_with("\"0.") || node.text().starts_with("\"1.") {
        return Ok(());
    }
    let message = format!("plans of the format {} are not known", node.text());
    Err(source.error(node, message, Some("this version reads the formats 0.1 to 1.x, of Terraform 0.12 and later and OpenTofu")))
}

pub(super) fn elements<'a>(source: &Source<'a>, node: &Node<'a>) -> Parsed<Vec<Node<'a>>> {
    match node.kind() {
        Kind::Null => Ok(Vec::new()),
        Kind::Array => node.elements(source),
        other => Err(source.error(node, format!("a list is expected, not {other}"), Some(HELP))),
    }
}

pub(super) fn value<'a>(source: &Source<'a>, node: &Node<'a>) -> Parsed<Value> {
    serde_json::from_str(node.text()).map_err(|error| source.error(node, format!("not valid JSON: {}", without_place(&error)), Some(HELP)))
}

/// The reader's message without a place, which would be one inside the value.
pub(super) fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}
