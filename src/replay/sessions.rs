//! What the log tells of sessions: the call that issued a session's access key says which policies limit it, and which tags
//! it has.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use sha2::{Digest as _, Sha256};

use crate::account::history::{self, Issued, IssuedTo, Passed, SessionPolicies};
use crate::account::{Layer, Policy, PolicySet, load::hex};
use crate::iam::PolicyType;

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

/// An access key of the length that those of AWS have, or shorter.
pub(super) type Key = [u8; 20];

/// A key that is as short.
pub(super) fn short_key(text: &str) -> Option<Key> {
    let mut key = Key::default();
    key.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
    Some(key)
}

/// An access key of any length.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum AnyKey {
    Short(Key),
    /// AWS makes none of these.
    Long(Box<str>),
}

impl AnyKey {
    fn of(key: &str) -> Self {
        short_key(key).map_or_else(|| Self::Long(key.into()), Self::Short)
    }
}

/// Whose tags a session may have beside its own.
#[derive(Debug)]
enum Asking {
    /// Nobody's.
    Nobody,
    Session(AnyKey),
    /// It is not known.
    Unknown,
}

/// A call that issued a key, without texts of its own: there may be millions.
#[derive(Debug)]
pub(super) struct Told {
    time: i64,
    key: AnyKey,
    passed: Arc<Passed>,
    asking: Asking,
    /// The role, where what is passed does not name it.
    issuer: Option<Box<str>>,
}

impl Told {
    /// What a call says.
    pub(super) fn of(call: &Issued) -> Self {
        let asking = match &call.caller {
            IssuedTo::Plain => Asking::Nobody,
            IssuedTo::Session(key) => Asking::Session(AnyKey::of(key)),
            IssuedTo::Unknown => Asking::Unknown,
        };
        let issuer = call.role().filter(|role| call.passed.role() != Some(*role)).map(Into::into);
        Self { time: call.time, key: AnyKey::of(&call.key), passed: Arc::clone(&call.passed), asking, issuer }
    }

    /// The order of calls.
    pub(super) fn order(&self, other: &Self) -> std::cmp::Ordering {
        (self.time, &self.key).cmp(&(other.time, &other.key))
    }

    fn role(&self) -> Option<&str> {
        self.issuer.as_deref().or(self.passed.role())
    }
}

/// The sessions whose keys were issued in the log.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    /// Access keys to numbers of sessions, from 1.
    keys: HashMap<Key, u32, foldhash::fast::FixedState>,
    /// The same of longer ones, which AWS does not make.
    long: HashMap<Box<str>, u32, foldhash::fast::FixedState>,
    /// The keys of sessions without policies, tags and source identity: most of them, and there may be millions.
    plain: HashSet<Key, foldhash::fast::FixedState>,
    /// The number of such a session.
    plain_number: u32,
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

impl Sessions {
    /// The sessions of calls, in the order of the calls, and of the keys of those that are plain.
    pub(super) fn new(issued: &[Told], plain: HashSet<Key, foldhash::fast::FixedState>, long: Vec<String>) -> Self {
        let session = Session { tags_complete: true, source_complete: true, ..Session::default() };
        let mut numbers: HashMap<Session, u32, foldhash::fast::FixedState> = HashMap::default();
        numbers.insert(session.clone(), 1);
        let mut sessions = Self { plain, plain_number: 1, all: vec![session], ..Self::default() };
        sessions.long.extend(long.into_iter().map(|key| (key.into(), 1)));
        sessions.keys.reserve(issued.len());
        let mut policies: BTreeMap<SessionPolicies, u32> = BTreeMap::new();
        // The numbers of sessions of which what they were given says all, by where that stands.
        let mut given: HashMap<(usize, bool), u32, foldhash::fast::FixedState> = HashMap::default();
        for call in issued {
            let passed = call.passed.as_ref();
            let is_plain = matches!(call.asking, Asking::Nobody);
            let mut policy = 0;
            if let Some(asked) = &passed.policies {
                let next = u32::try_from(sessions.policies.len() + 1).unwrap_or(u32::MAX);
                policy = match policies.get(asked) {
                    Some(known) => *known,
                    None => *policies.entry(asked.clone()).or_insert(next),
                };
                if policy == next {
                    sessions.policies.push((asked.clone(), Inline::of(asked)));
                }
                if let Some(role) = call.role() {
                    let span = sessions.of_role.entry(role.to_owned()).or_default().entry(policy).or_insert((call.time, call.time));
                    *span = (span.0.min(call.time), span.1.max(call.time));
                }
            }
            let caller = match &call.asking {
                // The caller's session is older, so it is known by now if it is known at all.
                Asking::Session(key) => sessions.number_of(key).and_then(|number| sessions.get(number)).cloned(),
                _ => None,
            };
            let place = (Arc::as_ptr(&call.passed).addr(), is_plain);
            if caller.is_none()
                && let Some(number) = given.get(&place)
            {
                sessions.enter(&call.key, *number);
                continue;
            }
            let mut session = Session {
                tags: passed.tags.iter().flatten().cloned().collect(),
                transitive: passed.transitive.clone(),
                source_identity: passed.source_identity.clone(),
                tags_complete: is_plain,
                source_complete: is_plain,
                policies: policy,
            };
            let is_given = caller.is_none();
            if let Some(caller) = caller {
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
            let number = match numbers.get(&session) {
                Some(number) => *number,
                None => {
                    let number = u32::try_from(sessions.all.len() + 1).unwrap_or(u32::MAX);
                    sessions.all.push(session.clone());
                    numbers.insert(session, number);
                    number
                }
            };
            if is_given {
                given.insert(place, number);
            }
            sessions.enter(&call.key, number);
        }
        sessions
    }

    fn enter(&mut self, key: &AnyKey, number: u32) {
        match key {
            AnyKey::Short(key) => self.keys.insert(*key, number),
            AnyKey::Long(key) => self.long.insert(key.clone(), number),
        };
    }

    /// Whether no key was issued.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.long.is_empty() && self.plain.is_empty()
    }

    /// The number of the session of an access key, from 1.
    pub(super) fn number(&self, key: &str) -> Option<u32> {
        match short_key(key) {
            Some(key) => self.number_of_short(&key),
            None => self.long.get(key).copied(),
        }
    }

    fn number_of(&self, key: &AnyKey) -> Option<u32> {
        match key {
            AnyKey::Short(key) => self.number_of_short(key),
            AnyKey::Long(key) => self.long.get(key).copied(),
        }
    }

    fn number_of_short(&self, key: &Key) -> Option<u32> {
        self.keys.get(key).copied().or_else(|| self.plain.contains(key).then_some(self.plain_number))
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

impl Inline {
    /// Reads the inline policy of a session.
    fn of(policies: &SessionPolicies) -> Self {
        let Some(text) = &policies.inline else { return Self::None };
        let digest = hex(&Sha256::digest(text.as_bytes()));
        let name = format!("session-policy-{}", digest.get(..8).unwrap_or_default());
        history::document(text, &name, PolicyType::Session).map_or(Self::Unknown, Self::Policy)
    }
}
