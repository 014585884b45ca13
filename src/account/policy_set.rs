//! Users, roles, groups and managed policies, and the [`Bundle`] of each principal.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::bundle::{Bundle, Layer, Policy};
use crate::iam::Pattern;
use crate::iam::arn::Arn;

/// Everything that a policy set says about identities.
#[derive(Debug, Clone, Default)]
pub struct PolicySet {
    /// Users and roles by ARN.
    pub entities: BTreeMap<String, Entity>,
    /// Groups by ARN.
    pub groups: BTreeMap<String, Group>,
    /// Managed policies by ARN; `None` where one is named but its document is missing.
    pub managed: BTreeMap<String, Option<Arc<Policy>>>,
    /// Accounts that a snapshot covers.
    pub accounts: BTreeSet<String>,
    /// Unique id to ARN.
    pub ids: HashMap<String, String>,
    /// The log itself is the baseline: every identity is opaque.
    pub logged: bool,
    /// Bare documents in place of what the identities have.
    pub overrides: Vec<Override>,
}

/// Bare documents that take the place of a layer.
#[derive(Debug, Clone)]
pub struct Override {
    /// The documents, all attached.
    pub policies: Vec<Arc<Policy>>,
    /// The principals that they are for; empty: all IAM users and role sessions.
    pub principals: Vec<Pattern>,
    /// Which layer they are.
    pub candidate_type: super::CandidateType,
}

/// A user or a role.
#[derive(Debug, Clone)]
pub struct Entity {
    /// ARN with path.
    pub arn: String,
    /// Unique id (`AIDA...`, `AROA...`); empty if unknown.
    pub id: String,
    /// User or role.
    pub kind: EntityKind,
    /// Inline policies by name.
    pub inline: BTreeMap<String, Arc<Policy>>,
    /// ARNs of attached managed policies.
    pub attached: Vec<String>,
    /// Names of the user's groups.
    pub groups: Vec<String>,
    /// The permissions boundary.
    pub boundary: Option<Boundary>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// A permissions boundary.
#[derive(Debug, Clone)]
pub enum Boundary {
    /// A managed policy by ARN.
    Managed(String),
    /// A document of a change set.
    Document(Arc<Policy>),
}

/// What an [`Entity`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntityKind {
    /// IAM user.
    User,
    /// IAM role.
    Role,
}

/// A group.
#[derive(Debug, Clone)]
pub struct Group {
    /// ARN.
    pub arn: String,
    /// Inline policies by name.
    pub inline: BTreeMap<String, Arc<Policy>>,
    /// ARNs of attached managed policies.
    pub attached: Vec<String>,
}

/// A principal of the log.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PrincipalKey {
    /// The IAM identity: user, role with its path, root.
    pub arn: String,
    /// Unique id without the session name; empty if unknown.
    pub id: String,
    /// Its account.
    pub account: String,
}

/// Whether and how a principal of the log was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum InSnapshot {
    /// Found.
    Yes,
    /// No snapshot covers its account.
    AccountMissing,
    /// The account's snapshot does not have it.
    PrincipalMissing,
    /// The snapshot has the ARN with another unique id: it was deleted and made again.
    IdDiffers,
}

impl InSnapshot {
    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::AccountMissing => "account_missing",
            Self::PrincipalMissing => "principal_missing",
            Self::IdDiffers => "id_differs",
        }
    }
}

impl PolicySet {
    /// The baseline that only the log gives.
    pub fn logged() -> Self {
        Self { logged: true, ..Self::default() }
    }

    /// Adds an entity and its id.
    pub fn insert(&mut self, entity: Entity) {
        if !entity.id.is_empty() {
            self.ids.insert(entity.id.clone(), entity.arn.clone());
        }
        self.entities.insert(entity.arn.clone(), entity);
    }

    /// Finds a principal of the log: by unique id, then by ARN.
    pub fn find(&self, principal: &PrincipalKey) -> Result<&Entity, InSnapshot> {
        if let Some(entity) = self.ids.get(&principal.id).and_then(|arn| self.entities.get(arn)) {
            return Ok(entity);
        }
        match self.entities.get(&principal.arn) {
            Some(entity) if entity.id.is_empty() || !is_unique_id(&principal.id) || entity.id == principal.id => Ok(entity),
            Some(_) => Err(InSnapshot::IdDiffers),
            None if self.accounts.contains(&principal.account) => Err(InSnapshot::PrincipalMissing),
            None => Err(InSnapshot::AccountMissing),
        }
    }

    /// Where the principal stands in this set; root is part of every snapshot of its account.
    pub fn in_snapshot(&self, principal: &PrincipalKey) -> InSnapshot {
        if is_root(&principal.arn) {
            let known = self.accounts.contains(&principal.account);
            return if known { InSnapshot::Yes } else { InSnapshot::AccountMissing };
        }
        self.find(principal).map_or_else(|missing| missing, |_| InSnapshot::Yes)
    }

    /// Whether the set says anything of a principal: it has it, its account's snapshot, or documents in its place. A
    /// caller of whom only the account is known has none.
    pub fn speaks_of(&self, principal: &PrincipalKey) -> bool {
        self.accounts.contains(&principal.account)
            || self.find(principal).is_ok()
            || (self.logged && !principal.arn.is_empty())
            || self.overrides.iter().any(|replacement| replacement.covers(principal))
    }

    /// What applies to a principal. An unknown principal has an opaque identity layer and boundary.
    pub fn bundle(&self, principal: &PrincipalKey) -> Bundle {
        let mut bundle = match self.find(principal) {
            _ if is_root(&principal.arn) => Bundle { unlimited: true, ..Bundle::default() },
            _ if self.logged => opaque("the log is the baseline"),
            Ok(entity) => self.entity_bundle(entity),
            Err(InSnapshot::IdDiffers) => opaque("the snapshot has this ARN with another unique id"),
            Err(InSnapshot::AccountMissing) => opaque("no snapshot covers its account"),
            Err(_) => opaque("the snapshot does not have it"),
        };
        for replacement in self.overrides.iter().filter(|replacement| replacement.covers(principal)) {
            replacement.apply(&mut bundle);
        }
        bundle
    }

    fn entity_bundle(&self, entity: &Entity) -> Bundle {
        let mut bundle = Bundle::default();
        let mut missing = Vec::new();
        bundle.identity.extend(entity.inline.values().cloned());
        self.attach(&entity.attached, &mut bundle, &mut missing);
        for name in &entity.groups {
            match self.group(&entity.arn, name) {
                Some(group) => {
                    bundle.identity.extend(group.inline.values().cloned());
                    self.attach(&group.attached, &mut bundle, &mut missing);
                }
                None => missing.push(format!("group `{name}`")),
            }
        }
        if !missing.is_empty() {
            bundle.identity_opaque = Some(format!("not in the snapshot: {}", missing.join(", ")));
        }
        bundle.boundary = match &entity.boundary {
            None => Layer::Absent,
            Some(Boundary::Document(policy)) => Layer::Policies(vec![Arc::clone(policy)]),
            Some(Boundary::Managed(arn)) => match self.managed.get(arn) {
                Some(Some(policy)) => Layer::Policies(vec![Arc::clone(policy)]),
                _ => Layer::Opaque(arn.clone()),
            },
        };
        bundle
    }

    fn attach(&self, arns: &[String], bundle: &mut Bundle, missing: &mut Vec<String>) {
        for arn in arns {
            match self.managed.get(arn) {
                Some(Some(policy)) => bundle.identity.push(Arc::clone(policy)),
                _ => missing.push(format!("`{arn}`")),
            }
        }
    }

    /// Who has a policy that applies to a principal: the principal itself, or one of its groups, by ARN.
    pub fn holder(&self, principal: &PrincipalKey, policy: &str) -> Option<String> {
        let entity = self.find(principal).ok()?;
        let has = |inline: &BTreeMap<String, Arc<Policy>>, attached: &[String]| {
            inline.values().any(|own| own.name == policy) || attached.iter().any(|arn| arn == policy)
        };
        let boundary = match &entity.boundary {
            Some(Boundary::Managed(arn)) => arn == policy,
            Some(Boundary::Document(document)) => document.name == policy,
            None => false,
        };
        if boundary || has(&entity.inline, &entity.attached) {
            return Some(entity.arn.clone());
        }
        let groups = entity.groups.iter().filter_map(|name| self.group(&entity.arn, name));
        groups.into_iter().find(|group| has(&group.inline, &group.attached)).map(|group| group.arn.clone())
    }

    /// The group of a user's account by its name.
    pub fn group(&self, user_arn: &str, name: &str) -> Option<&Group> {
        let account = Arn::parse(user_arn)?.account;
        self.groups.values().find(|group| Arn::parse(&group.arn).is_some_and(|arn| arn.account == account && arn.name() == name))
    }
}

impl Override {
    fn covers(&self, principal: &PrincipalKey) -> bool {
        let identity = !principal.arn.is_empty() && !is_root(&principal.arn) && !crate::iam::arn::is_service_linked(&principal.arn);
        identity && (self.principals.is_empty() || self.principals.iter().any(|pattern| pattern.matches(&principal.arn)))
    }

    fn apply(&self, bundle: &mut Bundle) {
        match self.candidate_type {
            super::CandidateType::Identity => {
                bundle.identity.clone_from(&self.policies);
                bundle.identity_opaque = None;
            }
            super::CandidateType::Boundary => bundle.boundary = Layer::Policies(self.policies.clone()),
        }
    }
}

fn opaque(reason: &str) -> Bundle {
    Bundle { identity_opaque: Some(reason.to_owned()), boundary: Layer::Opaque(reason.to_owned()), ..Bundle::default() }
}

/// Whether the ARN is that of an account's root user.
pub(crate) fn is_root(arn: &str) -> bool {
    Arn::parse(arn).is_some_and(|arn| arn.service == "iam" && arn.resource == "root")
}

fn is_unique_id(id: &str) -> bool {
    id.len() > 12 && (id.starts_with("AIDA") || id.starts_with("AROA"))
}
