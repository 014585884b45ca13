//! What a call says that issues the key of a session: which policies limit the session, which tags it has.
//!
//! Rules: the STS API reference; IAM user guide, "Pass session tags" (tags of a session win over those of the role; transitive
//! ones stay in a chain of roles) and "Policies and permissions", session policies.

use std::borrow::Cow;
use std::sync::Arc;

use hashbrown::HashMap;
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
    /// Microseconds since 1970.
    pub time: i64,
    /// What the session is given: calls that say the same share it.
    pub passed: Arc<Passed>,
    /// Whose session it is, where the call itself does not say it: the issuer of a federated user.
    issuer: Option<String>,
    /// Who asked.
    pub caller: IssuedTo,
}

/// What a session is given by the call that issues its key.
#[derive(Debug, Clone)]
pub struct Passed {
    /// The role, if the call names it.
    role: Option<String>,
    /// `None`: nothing limits the session.
    pub policies: Option<SessionPolicies>,
    /// Tags of the session; `None` if the call has none.
    pub tags: Option<Vec<(String, String)>>,
    /// The names of the tags that go on to the sessions that it asks for.
    pub transitive: Vec<String>,
    /// The source identity.
    pub source_identity: Option<String>,
}

/// What was read of calls, by their names and parameters: people ask for the same again and again.
#[derive(Debug, Default)]
pub struct IssuedReader {
    known: HashMap<Box<str>, Option<Arc<Passed>>, foldhash::fast::FixedState>,
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

impl IssuedReader {
    /// How many are remembered.
    const MOST: usize = 1 << 14;

    /// As [`Issued::read`].
    pub fn read(&mut self, change: &AccessChange<'_>) -> Option<Issued> {
        Issued::of(change, |name, request| {
            // Of other calls the name tells more than the parameters.
            if name != "AssumeRole" {
                return Passed::read(name, request).map(Arc::new);
            }
            if let Some(known) = self.known.get(request) {
                return known.clone();
            }
            if self.known.len() >= Self::MOST {
                self.known.clear();
            }
            let passed = Passed::read(name, request).map(Arc::new);
            self.known.insert(request.into(), passed.clone());
            passed
        })
    }
}

impl Passed {
    /// The role, if the call names it.
    pub fn role(&self) -> Option<&str> {
        self.role.as_deref()
    }

    fn read(name: &str, request: &str) -> Option<Self> {
        let asked: Asked<'_> = serde_json::from_str(request).ok().filter(|asked: &Asked<'_>| asked.omitted.is_none())?;
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
        Some(Self {
            role: match name {
                "GetFederationToken" => None,
                "AssumeRoot" => asked.target_principal.as_deref().map(root_of),
                _ => owned(asked.role_arn),
            },
            policies: is_limited.then_some(policies),
            tags,
            transitive,
            source_identity: owned(asked.source_identity),
        })
    }
}

impl Issued {
    /// What a call says; `None` if it does not say which key it issued, or what was asked.
    pub fn read(change: &AccessChange<'_>) -> Option<Self> {
        Self::of(change, |name, request| Passed::read(name, request).map(Arc::new))
    }

    fn of(change: &AccessChange<'_>, read: impl FnOnce(&str, &str) -> Option<Arc<Passed>>) -> Option<Self> {
        let (name, key) = (change.name.as_ref(), change.issued_access_key_id.as_deref()?);
        let passed = read(name, change.request?.get())?;
        let caller = match (change.identity_type.as_deref().unwrap_or_default(), change.access_key_id.as_deref()) {
            // Tags of identity providers stand in the call, if there are any: that there are none is not told.
            _ if name != "AssumeRole" && name != "GetFederationToken" && passed.tags.is_none() => IssuedTo::Unknown,
            ("AssumedRole" | "FederatedUser", Some(key)) => IssuedTo::Session(key.to_owned()),
            ("AssumedRole" | "FederatedUser" | "AWSAccount" | "", _) => IssuedTo::Unknown,
            _ => IssuedTo::Plain,
        };
        let issuer = change.principal_arn.as_deref().filter(|_| name == "GetFederationToken");
        Some(Self { key: key.to_owned(), time: change.time, passed, issuer: issuer.map(str::to_owned), caller })
    }

    /// The role, or the federated user's issuer.
    pub fn role(&self) -> Option<&str> {
        self.issuer.as_deref().or(self.passed.role.as_deref())
    }

    /// Whether nothing limits the session, and nothing is handed on to it: then its key says all.
    pub fn is_plain(&self) -> bool {
        let Passed { role: _, policies, tags, transitive, source_identity } = self.passed.as_ref();
        policies.is_none()
            && tags.as_ref().is_none_or(Vec::is_empty)
            && transitive.is_empty()
            && source_identity.is_none()
            && matches!(self.caller, IssuedTo::Plain)
    }
}

/// The root user of an account, given by its id or its ARN.
fn root_of(target: &str) -> String {
    if target.starts_with("arn:") { target.to_owned() } else { format!("arn:aws:iam::{target}:root") }
}

/// An ARN, or an object with one.
fn policy_arn(item: &Json) -> Option<String> {
    text(item, "arn").or_else(|| item.as_str()).map(str::to_owned)
}
