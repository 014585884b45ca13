//! Who has which policy, and what follows from it: plain sets.

use std::collections::{BTreeMap, BTreeSet};

use super::super::estate::PRODUCTION;
use super::super::principals::{Kind, Presence, Principal};
use super::documents::{Document, Set};

/// The user who changes policies.
pub(super) const ADMINISTRATOR: &str = "iam-admin";
/// The user who assumes every role.
pub(super) const BROKER: &str = "broker";

/// Inline policies by name.
pub(super) type Inline = BTreeMap<String, Document>;

/// The account at one moment, everything by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Model {
    /// Users and roles; no two have the same name.
    pub(super) identities: BTreeMap<String, Identity>,
    pub(super) groups: BTreeMap<String, Group>,
    pub(super) policies: BTreeMap<String, Policy>,
}

/// A user or a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) kind: Kind,
    pub(super) path: &'static str,
    pub(super) created: u64,
    pub(super) inline: Inline,
    pub(super) attached: BTreeSet<String>,
    pub(super) groups: BTreeSet<String>,
    pub(super) boundary: Option<String>,
    /// The tag `team`.
    pub(super) team: Option<&'static str>,
}

/// A group of users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) path: &'static str,
    pub(super) inline: Inline,
    pub(super) attached: BTreeSet<String>,
}

/// What a managed policy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Attached to users, groups and roles.
    Plain,
    /// Attached to users and groups; allows something to the team alone.
    Team,
    /// A permissions boundary.
    Boundary,
    /// A session policy: its document never changes.
    Session,
}

/// A managed policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Policy {
    pub(super) purpose: Purpose,
    pub(super) path: &'static str,
    /// Documents by number, with the time at which they were made.
    pub(super) versions: BTreeMap<u32, (u64, Document)>,
    pub(super) default: u32,
}

impl Policy {
    /// The document in force.
    pub(super) fn document(&self) -> Option<&Document> {
        self.versions.get(&self.default).map(|(_, document)| document)
    }
}

/// Why a call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Denied,
    NotAllowed,
    Bounded,
    Session,
}

impl Refusal {
    /// The end of the error message.
    pub(super) fn words(self, action: &str) -> String {
        let layer = match self {
            Self::Denied => return "with an explicit deny in an identity-based policy".to_owned(),
            Self::NotAllowed => "identity-based policy",
            Self::Bounded => "permissions boundary",
            Self::Session => "session policy",
        };
        format!("because no {layer} allows the {action} action")
    }
}

/// What the layers say to one principal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rights {
    denied: Set,
    allowed: Set,
    boundary: Set,
}

impl Rights {
    /// What the principal may do in a session that has this limit.
    pub(super) fn effective(self, session: Set) -> Set {
        (self.allowed & self.boundary & session) - self.denied
    }

    /// What it may not do in such a session, by reason.
    pub(super) fn refused(self, session: Set) -> [(Refusal, Set); 4] {
        let within = self.allowed - self.denied;
        [
            (Refusal::Denied, self.denied),
            (Refusal::NotAllowed, Set::ALL - self.allowed - self.denied),
            (Refusal::Bounded, within - self.boundary),
            (Refusal::Session, (within & self.boundary) - session),
        ]
    }
}

impl Model {
    /// What a principal may do.
    pub(super) fn rights(&self, identity: &Identity) -> Rights {
        let in_team = identity.team == Some("mail");
        let groups = identity.groups.iter().filter_map(|name| self.groups.get(name));
        let inline = identity.inline.values().chain(groups.clone().flat_map(|group| group.inline.values()));
        let attached = identity.attached.iter().chain(groups.flat_map(|group| &group.attached));
        let attached = attached.filter_map(|name| self.policies.get(name)?.document());
        let mut rights = Rights { denied: Set::default(), allowed: Set::default(), boundary: Set::ALL };
        for document in inline.chain(attached) {
            rights.denied = rights.denied | document.denied();
            rights.allowed = rights.allowed | document.allowed(in_team);
        }
        if let Some(name) = &identity.boundary {
            let document = self.policies.get(name).and_then(Policy::document);
            rights.boundary = document.map(|document| document.allowed(in_team)).unwrap_or_default();
        }
        rights
    }

    /// What everyone may do, by name.
    pub(super) fn everyone(&self) -> BTreeMap<&str, Set> {
        self.identities.iter().map(|(name, identity)| (name.as_str(), self.rights(identity).effective(Set::ALL))).collect()
    }

    /// A user or a role as records name it.
    pub(super) fn principal<'m>(&self, name: &'m str) -> Option<Principal<'m>> {
        let identity = self.identities.get(name)?;
        Some(Principal {
            kind: identity.kind,
            account: PRODUCTION,
            path: identity.path,
            name,
            groups: &[],
            managed: &[],
            inline: &[],
            boundary: None,
            tags: &[],
            trusts: ("", ""),
            presence: Presence::Present,
        })
    }

    /// The ARN of a user or a role.
    pub(super) fn arn(&self, name: &str) -> String {
        self.principal(name).map(|principal| principal.arn()).unwrap_or_default()
    }

    /// The ARN of a managed policy.
    pub(super) fn policy_arn(&self, name: &str) -> String {
        let path = self.policies.get(name).map_or("/", |policy| policy.path);
        format!("arn:aws:iam::{PRODUCTION}:policy{path}{name}")
    }
}

/// Whether it is one of the two who never change.
pub(super) fn is_staff(name: &str) -> bool {
    [ADMINISTRATOR, BROKER].contains(&name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn every_operation_is_allowed_or_refused_for_one_reason() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for _ in 0..200 {
            let mut set = || Document::allowing(4, false, &mut rng).allowed(false);
            let (rights, session) = (Rights { denied: set() & set(), allowed: set() | set(), boundary: set() | set() }, set());
            let mut seen = rights.effective(session);
            for (_, refused) in rights.refused(session) {
                assert!((seen & refused).is_empty());
                seen = seen | refused;
            }
            assert_eq!(seen, Set::ALL);
        }
    }
}
