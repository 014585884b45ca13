//! What the log tells of sessions: the call that issued a session's access key says which policies limit it, and which tags
//! it has.
//!
//! Rules: the STS API reference; IAM user guide, "Pass session tags" (tags of a session win over those of the role; transitive
//! ones stay in a chain of roles) and "Policies and permissions", session policies.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use crate::account::history::{self, member, text, texts};
use crate::account::{Layer, Policy, PolicySet, load::hex};
use crate::iam::PolicyType;

/// Session policies, as the call passes them.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SessionPolicies {
    /// The text of the inline one.
    inline: Option<String>,
    /// The ARNs of managed ones.
    pub(super) managed: Vec<String>,
}

/// What a call that issues a key says.
#[derive(Debug, Clone)]
pub(super) struct Issued {
    pub(super) key: String,
    /// The role, or the federated user's issuer.
    pub(super) role: Option<String>,
    /// Microseconds since 1970.
    pub(super) time: i64,
    /// `None`: nothing limits the session.
    policies: Option<SessionPolicies>,
    tags: Vec<(String, String)>,
    transitive: Vec<String>,
    source_identity: Option<String>,
    caller: IssuedTo,
}

/// Who asked for a key, as far as its tags may go on to the session.
#[derive(Debug, Clone)]
enum IssuedTo {
    /// Somebody whose tags do not go on.
    Plain,
    /// A session, by its key.
    Session(String),
    /// Not known.
    Unknown,
}

/// What is known of sessions: those that are alike have one number.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Session {
    /// The number of its policies among [`Sessions::policies`] plus one; 0 for none.
    pub(super) policies: u32,
    pub(super) tags: BTreeMap<String, String>,
    transitive: Vec<String>,
    /// Whether these are all tags of the session; others are then the role's.
    pub(super) tags_complete: bool,
    pub(super) source_identity: Option<String>,
    pub(super) source_complete: bool,
}

/// The sessions whose keys were issued in the log.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    /// Access keys to numbers of sessions, from 1.
    keys: HashMap<Box<str>, u32, foldhash::fast::FixedState>,
    all: Vec<Session>,
    /// What limits sessions, with the inline policy as it is read.
    policies: Vec<(SessionPolicies, Inline)>,
    /// By the ARN of the role: which policies its sessions have, each with the first and last time that one was issued.
    pub(super) of_role: BTreeMap<String, BTreeMap<u32, (i64, i64)>>,
}

/// An inline session policy.
#[derive(Debug)]
enum Inline {
    None,
    Policy(Arc<Policy>),
    /// It cannot be read.
    Unknown,
}

/// The caller of a call that issues a key: its identity type, its access key, its ARN.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asking<'c> {
    pub(super) identity_type: &'c str,
    pub(super) access_key: Option<&'c str>,
    pub(super) arn: Option<&'c str>,
}

impl Issued {
    /// What a call says; `None` if it does not say what was asked.
    pub(super) fn read(name: &str, key: &str, caller: Asking<'_>, time: i64, request: &Json) -> Option<Self> {
        request.as_object()?;
        let managed = member(request, "policyArns").map(|list| list.as_array().map(|list| list.iter().map(policy_arn).collect()));
        // A list that cannot be read is not known to be empty.
        let mut managed: Vec<String> = managed.unwrap_or(Some(Some(Vec::new())))??;
        managed.extend(member(request, "taskPolicyArn").and_then(policy_arn));
        let inline = text(request, "policy").map(str::to_owned);
        let policies = SessionPolicies { inline, managed };
        // A federated user may do nothing that no session policy allows.
        let is_limited = policies != SessionPolicies::default() || name == "GetFederationToken";
        let tags = history::tags(member(request, "tags").or_else(|| member(request, "principalTags")));
        let role = match name {
            "GetFederationToken" => caller.arn.map(str::to_owned),
            "AssumeRoot" => text(request, "targetPrincipal").map(root_of),
            _ => text(request, "roleArn").map(str::to_owned),
        };
        let caller = match (caller.identity_type, caller.access_key) {
            // Tags of identity providers stand in the call, if there are any: that there are none is not told.
            _ if name != "AssumeRole" && name != "GetFederationToken" && tags.is_none() => IssuedTo::Unknown,
            ("AssumedRole" | "FederatedUser", Some(key)) => IssuedTo::Session(key.to_owned()),
            ("AssumedRole" | "FederatedUser" | "AWSAccount" | "", _) => IssuedTo::Unknown,
            _ => IssuedTo::Plain,
        };
        Some(Self {
            key: key.to_owned(),
            role,
            time,
            policies: is_limited.then_some(policies),
            tags: tags.unwrap_or_default(),
            transitive: texts(member(request, "transitiveTagKeys")).unwrap_or_default(),
            source_identity: text(request, "sourceIdentity").map(str::to_owned),
            caller,
        })
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

impl Sessions {
    /// The sessions of calls, in the order of the calls.
    pub(super) fn new(issued: &[Issued]) -> Self {
        let mut sessions = Self::default();
        let mut numbers: HashMap<Session, u32, foldhash::fast::FixedState> = HashMap::default();
        let mut policies: BTreeMap<SessionPolicies, u32> = BTreeMap::new();
        for call in issued {
            let mut session = Session {
                tags: call.tags.iter().cloned().collect(),
                transitive: call.transitive.clone(),
                source_identity: call.source_identity.clone(),
                tags_complete: matches!(call.caller, IssuedTo::Plain),
                source_complete: matches!(call.caller, IssuedTo::Plain),
                policies: 0,
            };
            // The caller's session is older, so it is known by now if it is known at all.
            if let IssuedTo::Session(key) = &call.caller
                && let Some(caller) = sessions.number(key).and_then(|number| sessions.get(number)).cloned()
            {
                let handed = |(name, _): &(&String, &String)| caller.transitive.iter().any(|key| key.eq_ignore_ascii_case(name));
                for (name, value) in caller.tags.iter().filter(handed) {
                    session.tags.insert(name.clone(), value.clone());
                    session.transitive.push(name.clone());
                }
                session.tags_complete = caller.tags_complete;
                session.source_complete = caller.source_complete;
                session.source_identity = session.source_identity.or(caller.source_identity);
            }
            session.transitive.sort();
            session.transitive.dedup();
            if let Some(asked) = &call.policies {
                let next = u32::try_from(sessions.policies.len() + 1).unwrap_or(u32::MAX);
                session.policies = *policies.entry(asked.clone()).or_insert(next);
                if session.policies == next {
                    sessions.policies.push((asked.clone(), asked.read()));
                }
                if let Some(role) = &call.role {
                    let span = sessions.of_role.entry(role.clone()).or_default().entry(session.policies).or_insert((call.time, call.time));
                    *span = (span.0.min(call.time), span.1.max(call.time));
                }
            }
            let number = match numbers.get(&session) {
                Some(number) => *number,
                None => {
                    let number = u32::try_from(sessions.all.len() + 1).unwrap_or(u32::MAX);
                    sessions.all.push(session.clone());
                    numbers.insert(session, number);
                    number
                }
            };
            sessions.keys.insert(call.key.as_str().into(), number);
        }
        sessions
    }

    /// Whether no key was issued.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The number of the session of an access key, from 1.
    pub(super) fn number(&self, key: &str) -> Option<u32> {
        self.keys.get(key).copied()
    }

    /// A session by its number.
    pub(super) fn get(&self, number: u32) -> Option<&Session> {
        self.all.get((number as usize).checked_sub(1)?)
    }

    /// The policies of a number from 1, as a layer of a policy set.
    pub(super) fn layer(&self, number: u32, set: &PolicySet) -> Layer {
        let Some((asked, inline)) = self.policies_of(number) else { return Layer::Absent };
        let mut all: Vec<Arc<Policy>> = Vec::new();
        match inline {
            Inline::None => {}
            Inline::Policy(policy) => all.push(Arc::clone(policy)),
            Inline::Unknown => return Layer::Opaque("a session policy that cannot be read".to_owned()),
        }
        for arn in &asked.managed {
            match set.managed.get(arn) {
                Some(Some(policy)) => all.push(Arc::clone(policy)),
                _ => return Layer::Opaque(format!("`{arn}`")),
            }
        }
        Layer::Policies(all)
    }

    /// The ARNs of the managed policies of a number from 1.
    pub(super) fn managed(&self, number: u32) -> &[String] {
        self.policies_of(number).map(|(asked, _)| asked.managed.as_slice()).unwrap_or_default()
    }

    fn policies_of(&self, number: u32) -> Option<&(SessionPolicies, Inline)> {
        self.policies.get((number as usize).checked_sub(1)?)
    }
}

impl SessionPolicies {
    /// Reads the inline policy.
    fn read(&self) -> Inline {
        let Some(text) = &self.inline else { return Inline::None };
        let digest = hex(&Sha256::digest(text.as_bytes()));
        let name = format!("session-policy-{}", digest.get(..8).unwrap_or_default());
        history::document(text, &name, PolicyType::Session).map_or(Inline::Unknown, Inline::Policy)
    }
}
