//! Calls in the log that change who may do what, and what each makes of it.
//!
//! Names and parameters: the IAM, Organizations and WorkMail API references, as CloudTrail writes them (first letter in lower
//! case). Only calls that succeeded are looked at.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::aspect::{Aspect, Value};
use super::names::{Holder, Names};
use crate::account::bundle::Policy;
use crate::account::organization::ControlType;
use crate::account::policy_set::EntityKind;
use crate::iam::condition::date;
use crate::iam::{PolicyType, parse};

/// The calls of IAM that are followed.
const IAM: [&str; 34] = [
    "AddUserToGroup",
    "AttachGroupPolicy",
    "AttachRolePolicy",
    "AttachUserPolicy",
    "CreateGroup",
    "CreatePolicy",
    "CreatePolicyVersion",
    "CreateRole",
    "CreateUser",
    "DeleteGroup",
    "DeleteGroupPolicy",
    "DeletePolicy",
    "DeleteRole",
    "DeleteRolePermissionsBoundary",
    "DeleteRolePolicy",
    "DeleteUser",
    "DeleteUserPermissionsBoundary",
    "DeleteUserPolicy",
    "DetachGroupPolicy",
    "DetachRolePolicy",
    "DetachUserPolicy",
    "PutGroupPolicy",
    "PutRolePermissionsBoundary",
    "PutRolePolicy",
    "PutUserPermissionsBoundary",
    "PutUserPolicy",
    "RemoveUserFromGroup",
    "SetDefaultPolicyVersion",
    "TagRole",
    "TagUser",
    "UntagRole",
    "UntagUser",
    "UpdateGroup",
    "UpdateUser",
];

/// The calls of Organizations that are followed.
const ORGANIZATIONS: [&str; 11] = [
    "AcceptHandshake",
    "AttachPolicy",
    "CreatePolicy",
    "DeletePolicy",
    "DetachPolicy",
    "DisablePolicyType",
    "EnablePolicyType",
    "LeaveOrganization",
    "MoveAccount",
    "RemoveAccountFromOrganization",
    "UpdatePolicy",
];

/// The calls that issue the keys of a session.
pub const ISSUING: [&str; 5] = ["AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity", "AssumeRoot", "GetFederationToken"];

/// The calls that change the tags of a resource.
pub const TAGGING: [&str; 2] = ["TagResource", "UntagResource"];

/// Whether a call changes what somebody may do: policies, tags, the policies of a session.
pub fn changes_access(event_source: &str, event_name: &str) -> bool {
    match event_source {
        "iam.amazonaws.com" => IAM.binary_search(&event_name).is_ok(),
        "organizations.amazonaws.com" => ORGANIZATIONS.binary_search(&event_name).is_ok(),
        "sts.amazonaws.com" => ISSUING.contains(&event_name),
        "workmail.amazonaws.com" => TAGGING.contains(&event_name),
        _ => false,
    }
}

/// A call that changes access, as the events dataset keeps it: all that a replay needs to know of it, in one text.
#[derive(Debug, Serialize, Deserialize)]
pub struct AccessChange<'a> {
    /// Microseconds since 1970.
    pub time: i64,
    /// `iam.amazonaws.com`, ...
    #[serde(borrow)]
    pub source: Cow<'a, str>,
    /// `PutRolePolicy`, ...
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// The account in which it was made.
    #[serde(borrow, default, deserialize_with = "borrowed", skip_serializing_if = "Option::is_none")]
    pub account: Option<Cow<'a, str>>,
    /// The identity type of the caller.
    #[serde(borrow, default, deserialize_with = "borrowed", skip_serializing_if = "Option::is_none")]
    pub identity_type: Option<Cow<'a, str>>,
    /// The ARN of the caller.
    #[serde(borrow, default, deserialize_with = "borrowed", skip_serializing_if = "Option::is_none")]
    pub principal_arn: Option<Cow<'a, str>>,
    /// The access key of the caller.
    #[serde(borrow, default, deserialize_with = "borrowed", skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<Cow<'a, str>>,
    /// The access key that the call issued.
    #[serde(borrow, default, deserialize_with = "borrowed", skip_serializing_if = "Option::is_none")]
    pub issued_access_key_id: Option<Cow<'a, str>>,
    /// `requestParameters`
    #[serde(borrow, default)]
    pub request: Option<&'a RawValue>,
    /// `responseElements`; of calls that issue keys nothing, since they are secrets.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub response: Option<&'a RawValue>,
}

/// A text that borrows from the JSON where nothing is escaped; serde borrows no text that may be missing by itself.
fn borrowed<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'a, str>>, D::Error> {
    #[derive(Deserialize)]
    struct Text<'t>(#[serde(borrow)] Cow<'t, str>);
    Option::<Text<'a>>::deserialize(deserializer).map(|text| text.map(|Text(text)| text))
}

impl AccessChange<'_> {
    /// The call, with its parameters read.
    pub fn call(&self) -> Call {
        let read = |part: Option<&RawValue>| part.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
        Call {
            time: self.time,
            account: self.account.as_deref().unwrap_or_default().to_owned(),
            source: self.source.clone().into_owned(),
            name: self.name.clone().into_owned(),
            request: read(self.request),
            response: read(self.response),
        }
    }
}

/// A call that changes access.
#[derive(Debug, Clone)]
pub struct Call {
    /// Microseconds since 1970.
    pub time: i64,
    /// The account in which it was made.
    pub account: String,
    /// `iam.amazonaws.com`, ...
    pub source: String,
    /// `PutRolePolicy`, ...
    pub name: String,
    /// `requestParameters`
    pub request: Json,
    /// `responseElements`
    pub response: Json,
}

/// A member of an object, in any letter case.
pub fn member<'j>(object: &'j Json, name: &str) -> Option<&'j Json> {
    let members = object.as_object()?;
    members.get(name).or_else(|| members.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

/// A text member.
pub fn text<'j>(object: &'j Json, name: &str) -> Option<&'j str> {
    member(object, name)?.as_str().filter(|text| !text.is_empty())
}

/// Tags: a list of names and values, or an object of them; `None` if they are not there, or not told.
pub fn tags(list: Option<&Json>) -> Option<Vec<(String, String)>> {
    match list? {
        Json::Array(items) => {
            let one = |item: &Json| {
                let value = member(item, "value").and_then(Json::as_str).unwrap_or_default();
                Some((text(item, "key")?.to_owned(), value.to_owned()))
            };
            items.iter().map(one).collect()
        }
        Json::Object(items) => items.iter().map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect(),
        _ => None,
    }
}

/// The texts of a list.
pub fn texts(list: Option<&Json>) -> Option<Vec<String>> {
    list?.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
}

/// What a call makes of an aspect.
#[derive(Debug, Clone)]
pub(super) struct Effect {
    pub(super) aspect: Aspect,
    pub(super) value: Value,
    /// What it was before, if the call tells: AWS refuses to detach what is not attached.
    pub(super) before: Option<Value>,
}

impl Effect {
    fn new(aspect: Aspect, value: Value) -> Self {
        Self { aspect, value, before: None }
    }

    fn from(aspect: Aspect, before: Value, value: Value) -> Self {
        Self { aspect, value, before: Some(before) }
    }
}

/// Why a call is not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NotFollowed {
    /// It names somebody of whom no snapshot and no call tells.
    Nobody,
    /// Its parameters do not tell what it changed; of whom, by ARN, if they tell that.
    NotTold(Option<String>),
}

impl std::fmt::Display for Call {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let named =
            ["userName", "roleName", "groupName", "policyArn", "policyId", "accountId"].into_iter().find_map(|name| self.parameter(name));
        let named = named.map(|named| format!(" of `{named}`")).unwrap_or_default();
        write!(formatter, "{}{named} at {} in account {}", self.name, date::format(self.time), self.account)
    }
}

impl Call {
    /// An order of calls, whatever the order in which they were read.
    pub fn order(&self) -> impl Ord + use<> {
        (self.time, self.source.clone(), self.name.clone(), self.account.clone(), self.request.to_string())
    }

    /// What the call makes of which aspects.
    pub(super) fn effects(&self, names: &Names) -> Result<Vec<Effect>, NotFollowed> {
        let effects = match self.source.as_str() {
            // Names follow them.
            "iam.amazonaws.com" if matches!(self.name.as_str(), "UpdateUser" | "UpdateGroup") => Ok(Vec::new()),
            "iam.amazonaws.com" => {
                let named = Holder::ALL.into_iter().find(|kind| self.parameter(kind.parameter()).is_some());
                let holder = self.holder(names);
                if named.is_some() && holder.is_none() {
                    return Err(NotFollowed::Nobody);
                }
                self.iam(names).ok_or(holder)
            }
            "organizations.amazonaws.com" => self.organizations(names).ok_or(None),
            _ => Ok(Vec::new()),
        };
        effects.map_err(NotFollowed::NotTold)
    }

    /// What becomes unknown by a call of which it is not known what it changed, for one of whom it may have changed something.
    pub(super) fn unknown_of(&self, holder: &str) -> Aspect {
        match self.name.contains("Boundary") {
            true => Aspect::Boundary(holder.to_owned()),
            false => Aspect::Inline(holder.to_owned(), "what a call changed that does not tell it".to_owned()),
        }
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        text(&self.request, name)
    }

    /// The user, role or group that the call is about, by its ARN.
    fn holder(&self, names: &Names) -> Option<String> {
        let kind = Holder::ALL.into_iter().find(|kind| self.parameter(kind.parameter()).is_some())?;
        names.arn(&self.account, kind, self.parameter(kind.parameter())?, self.time)
    }

    fn iam(&self, names: &Names) -> Option<Vec<Effect>> {
        let one = |effect| Some(vec![effect]);
        let (verb, noun) = self.name.split_at(self.name.char_indices().skip(1).find(|(_, c)| c.is_uppercase())?.0);
        match (verb, noun) {
            ("Put", "UserPolicy" | "RolePolicy" | "GroupPolicy") => {
                let (holder, name) = (self.holder(names)?, self.parameter("policyName")?);
                let document = self.document("policyDocument", &format!("{holder}/{name}"), PolicyType::Identity);
                one(Effect::new(Aspect::Inline(holder, name.to_owned()), document))
            }
            ("Delete", "UserPolicy" | "RolePolicy" | "GroupPolicy") => {
                one(Effect::new(Aspect::Inline(self.holder(names)?, self.parameter("policyName")?.to_owned()), Value::Absent))
            }
            ("Attach", _) => {
                one(Effect::new(Aspect::Attached(self.holder(names)?, self.parameter("policyArn")?.to_owned()), Value::Present))
            }
            ("Detach", _) => {
                let aspect = Aspect::Attached(self.holder(names)?, self.parameter("policyArn")?.to_owned());
                one(Effect::from(aspect, Value::Present, Value::Absent))
            }
            ("Put", _) => {
                let boundary = Value::Text(self.parameter("permissionsBoundary")?.to_owned());
                one(Effect::new(Aspect::Boundary(self.holder(names)?), boundary))
            }
            ("Delete", "UserPermissionsBoundary" | "RolePermissionsBoundary") => {
                one(Effect::new(Aspect::Boundary(self.holder(names)?), Value::Absent))
            }
            ("Create", "Policy") => {
                let arn = text(member(&self.response, "policy")?, "arn")?;
                one(Effect::from(
                    Aspect::Document(arn.to_owned()),
                    Value::Absent,
                    self.document("policyDocument", arn, PolicyType::Identity),
                ))
            }
            ("Create", "PolicyVersion") => {
                let arn = self.parameter("policyArn")?;
                let is_default = member(&self.request, "setAsDefault").is_some_and(|flag| flag == true || flag == "true");
                let document = || self.document("policyDocument", arn, PolicyType::Identity);
                Some(is_default.then(|| Effect::new(Aspect::Document(arn.to_owned()), document())).into_iter().collect())
            }
            ("Set", "DefaultPolicyVersion") => {
                let (arn, version) = (self.parameter("policyArn")?, self.parameter("versionId")?);
                let document = names.version(arn, version, self.time).map_or(Value::Unknown, Value::Document);
                one(Effect::new(Aspect::Document(arn.to_owned()), document))
            }
            ("Delete", "Policy") => one(Effect::new(Aspect::Document(self.parameter("policyArn")?.to_owned()), Value::Absent)),
            ("Add" | "Remove", _) => {
                let user = names.arn(&self.account, Holder::User, self.parameter("userName")?, self.time)?;
                let group = names.group_name(&self.account, self.parameter("groupName")?, self.time);
                let aspect = Aspect::Member(user, group);
                // Whether IAM refuses to remove who is no member is not documented: what was before is not told.
                one(Effect::new(aspect, if verb == "Add" { Value::Present } else { Value::Absent }))
            }
            ("Create", "User" | "Role" | "Group") => self.create(names),
            ("Delete", "User" | "Role" | "Group") => one(Effect::new(Aspect::Exists(self.holder(names)?), Value::Absent)),
            ("Tag", _) => {
                let (holder, tags) = (self.holder(names)?, tags(member(&self.request, "tags"))?);
                let tag = |key: String| names.tag(&holder, key);
                Some(tags.into_iter().map(|(key, value)| Effect::new(tag(key), Value::Text(value))).collect())
            }
            ("Untag", _) => {
                let (holder, keys) = (self.holder(names)?, texts(member(&self.request, "tagKeys"))?);
                Some(keys.into_iter().map(|key| Effect::new(names.tag(&holder, key), Value::Absent)).collect())
            }
            // Names that change are followed by `Names`.
            _ => Some(Vec::new()),
        }
    }

    /// A user, role or group that is made has what the call gives it, and nothing else.
    fn create(&self, names: &Names) -> Option<Vec<Effect>> {
        let holder = self.holder(names)?;
        let id = |of: &str, id: &str| member(&self.response, of).and_then(|made| text(made, id)).unwrap_or_default();
        let (kind, id) = match self.name.as_str() {
            "CreateUser" => (Some(EntityKind::User), id("user", "userId")),
            "CreateRole" => (Some(EntityKind::Role), id("role", "roleId")),
            _ => (None, ""),
        };
        let mut effects = vec![Effect::from(Aspect::Exists(holder.clone()), Value::Absent, Value::Made(kind, id.to_owned()))];
        if kind.is_some() {
            let boundary = self.parameter("permissionsBoundary").map_or(Value::Absent, |arn| Value::Text(arn.to_owned()));
            effects.push(Effect::from(Aspect::Boundary(holder.clone()), Value::Absent, boundary));
            let tags = tags(member(&self.request, "tags")).unwrap_or_default();
            let tag = |(key, value)| Effect::from(names.tag(&holder, key), Value::Absent, Value::Text(value));
            effects.extend(tags.into_iter().map(tag));
        }
        Some(effects)
    }

    fn organizations(&self, names: &Names) -> Option<Vec<Effect>> {
        let id = || self.parameter("policyId").map(str::to_owned);
        let effect = match self.name.as_str() {
            // Policies of other types, such as those on tags, permit and deny nothing.
            "CreatePolicy" | "UpdatePolicy" | "EnablePolicyType" | "DisablePolicyType" if self.is_of_other_type() => {
                return Some(Vec::new());
            }
            "CreatePolicy" => {
                let summary = self.summary()?;
                let control = self.policy_type().and_then(ControlType::parse)?;
                let document = self.document("content", text(summary, "arn")?, control.policy_type());
                Effect::new(Aspect::Control(text(summary, "id")?.to_owned()), document)
            }
            "UpdatePolicy" => {
                let id = id()?;
                // A new name alone changes nothing.
                if member(&self.request, "content").is_none() {
                    return Some(Vec::new());
                }
                let told = || Some((text(self.summary()?, "arn")?.to_owned(), ControlType::parse(self.policy_type()?)?));
                let document = match names.control(&id).or_else(told) {
                    Some((name, control)) => self.document("content", &name, control.policy_type()),
                    None => Value::Unknown,
                };
                Effect::new(Aspect::Control(id), document)
            }
            "AttachPolicy" => Effect::from(Aspect::ControlAt(self.parameter("targetId")?.to_owned(), id()?), Value::Absent, Value::Present),
            "DetachPolicy" => Effect::from(Aspect::ControlAt(self.parameter("targetId")?.to_owned(), id()?), Value::Present, Value::Absent),
            "MoveAccount" => {
                let parent = |name: &str| self.parameter(name).map(|parent| Value::Text(parent.to_owned()));
                let aspect = Aspect::Parent(self.parameter("accountId")?.to_owned());
                Effect::from(aspect, parent("sourceParentId")?, parent("destinationParentId")?)
            }
            // It joins at the root, and may have been moved since.
            "AcceptHandshake" => Effect::from(Aspect::Parent(self.account.clone()), Value::Absent, Value::Unknown),
            "LeaveOrganization" => Effect::new(Aspect::Parent(self.account.clone()), Value::Absent),
            "RemoveAccountFromOrganization" => Effect::new(Aspect::Parent(self.parameter("accountId")?.to_owned()), Value::Absent),
            "EnablePolicyType" | "DisablePolicyType" => {
                let control = ControlType::parse(self.parameter("policyType")?)?;
                let aspect = Aspect::InUse(self.parameter("rootId")?.to_owned(), control);
                let (before, after) =
                    if self.name.starts_with("Enable") { (Value::Absent, Value::Present) } else { (Value::Present, Value::Absent) };
                Effect::from(aspect, before, after)
            }
            _ => return Some(Vec::new()),
        };
        Some(vec![effect])
    }

    /// What an answer says of a policy of an organization.
    pub(super) fn summary(&self) -> Option<&Json> {
        member(member(&self.response, "policy")?, "policySummary")
    }

    /// The type of the policy that the call is about, as Organizations names it.
    pub(super) fn policy_type(&self) -> Option<&str> {
        let answered = self.summary().and_then(|summary| text(summary, "type"));
        answered.or_else(|| self.parameter("type")).or_else(|| self.parameter("policyType"))
    }

    /// Whether the policy is one that permits and denies nothing.
    pub(super) fn is_of_other_type(&self) -> bool {
        self.policy_type().is_some_and(|name| ControlType::parse(name).is_none())
    }

    /// The document of a parameter; unknown where it is not one that can be read.
    fn document(&self, parameter: &str, name: &str, policy_type: PolicyType) -> Value {
        self.parameter(parameter).and_then(|text| document(text, name, policy_type)).map_or(Value::Unknown, Value::Document)
    }
}

/// A policy of the log.
pub fn document(text: &str, name: &str, policy_type: PolicyType) -> Option<Arc<Policy>> {
    let document = parse::document(&parse::decode(text), policy_type).ok()?;
    Some(Arc::new(Policy { name: name.to_owned(), file: None, document }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted() {
        assert!(IAM.is_sorted() && ORGANIZATIONS.is_sorted());
        assert!(changes_access("iam.amazonaws.com", "PutRolePolicy") && changes_access("organizations.amazonaws.com", "MoveAccount"));
        assert!(!changes_access("iam.amazonaws.com", "GetUser") && !changes_access("ses.amazonaws.com", "TagResource"));
    }
}
