//! What a call says that issues the key of a session: which policies limit the session, which tags it has.
//!
//! Rules: the STS API reference; IAM user guide, "Pass session tags" (tags of a session win over those of the role; transitive
//! ones stay in a chain of roles) and "Policies and permissions", session policies.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value as Json;

use super::call::{AccessChange, tags, text, texts};

/// Session policies, as the call passes them.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionPolicies {
    /// The text of the inline one.
    pub inline: Option<String>,
    /// The ARNs of managed ones.
    pub managed: Vec<String>,
}

/// What a call that issues a key says.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The access key.
    pub key: String,
    /// The role, or the federated user's issuer.
    pub role: Option<String>,
    /// Microseconds since 1970.
    pub time: i64,
    /// `None`: nothing limits the session.
    pub policies: Option<SessionPolicies>,
    /// Tags of the session.
    pub tags: Vec<(String, String)>,
    /// The names of the tags that go on to the sessions that it asks for.
    pub transitive: Vec<String>,
    /// The source identity.
    pub source_identity: Option<String>,
    /// Who asked.
    pub caller: IssuedTo,
}

/// Who asked for a key, as far as its tags may go on to the session.
#[derive(Debug, Clone)]
pub enum IssuedTo {
    /// Somebody whose tags do not go on.
    Plain,
    /// A session, by its key.
    Session(String),
    /// Not known.
    Unknown,
}

/// What is asked of a call that issues a key.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked<'a> {
    #[serde(borrow)]
    role_arn: Option<Cow<'a, str>>,
    #[serde(borrow)]
    target_principal: Option<Cow<'a, str>>,
    #[serde(borrow)]
    policy: Option<Cow<'a, str>>,
    policy_arns: Option<Json>,
    task_policy_arn: Option<Json>,
    tags: Option<Json>,
    principal_tags: Option<Json>,
    transitive_tag_keys: Option<Json>,
    #[serde(borrow)]
    source_identity: Option<Cow<'a, str>>,
    /// The record was too large for its parameters.
    omitted: Option<IgnoredAny>,
}

impl Issued {
    /// What a call says; `None` if it does not say which key it issued, or what was asked.
    pub fn read(change: &AccessChange<'_>) -> Option<Self> {
        let (name, key) = (change.name.as_ref(), change.issued_access_key_id.as_deref()?);
        let asked: Asked<'_> = serde_json::from_str(change.request?.get()).ok().filter(|asked: &Asked<'_>| asked.omitted.is_none())?;
        // A list that cannot be read is not known to be empty.
        let mut managed: Vec<String> = match &asked.policy_arns {
            Some(list) => list.as_array()?.iter().map(policy_arn).collect::<Option<_>>()?,
            None => Vec::new(),
        };
        if let Some(task) = &asked.task_policy_arn {
            managed.push(policy_arn(task)?);
        }
        let owned = |text: Option<Cow<'_, str>>| text.filter(|text| !text.is_empty()).map(Cow::into_owned);
        let policies = SessionPolicies { inline: owned(asked.policy), managed };
        // A federated user may do nothing that no session policy allows.
        let is_limited = policies != SessionPolicies::default() || name == "GetFederationToken";
        let tags = match asked.tags.as_ref().or(asked.principal_tags.as_ref()) {
            Some(list) => Some(tags(Some(list))?),
            None => None,
        };
        let transitive = match asked.transitive_tag_keys.as_ref() {
            Some(list) => texts(Some(list))?,
            None => Vec::new(),
        };
        let caller = match (change.identity_type.as_deref().unwrap_or_default(), change.access_key_id.as_deref()) {
            // Tags of identity providers stand in the call, if there are any: that there are none is not told.
            _ if name != "AssumeRole" && name != "GetFederationToken" && tags.is_none() => IssuedTo::Unknown,
            ("AssumedRole" | "FederatedUser", Some(key)) => IssuedTo::Session(key.to_owned()),
            ("AssumedRole" | "FederatedUser" | "AWSAccount" | "", _) => IssuedTo::Unknown,
            _ => IssuedTo::Plain,
        };
        Some(Self {
            key: key.to_owned(),
            role: match name {
                "GetFederationToken" => change.principal_arn.as_deref().map(str::to_owned),
                "AssumeRoot" => asked.target_principal.as_deref().map(root_of),
                _ => owned(asked.role_arn),
            },
            time: change.time,
            policies: is_limited.then_some(policies),
            tags: tags.unwrap_or_default(),
            transitive,
            source_identity: owned(asked.source_identity),
            caller,
        })
    }
}

/// The root user of an account, given by its id or its ARN.
fn root_of(target: &str) -> String {
    if target.starts_with("arn:") { target.to_owned() } else { format!("arn:aws:iam::{target}:root") }
}

impl Issued {
    /// Whether nothing limits the session, and nothing is handed on to it: then its key says all.
    pub fn is_plain(&self) -> bool {
        self.policies.is_none()
            && self.tags.is_empty()
            && self.transitive.is_empty()
            && self.source_identity.is_none()
            && matches!(self.caller, IssuedTo::Plain)
    }
}

/// An ARN, or an object with one.
fn policy_arn(item: &Json) -> Option<String> {
    text(item, "arn").or_else(|| item.as_str()).map(str::to_owned)
}
