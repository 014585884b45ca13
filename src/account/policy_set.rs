//! Users, roles, groups and managed policies, and the [`Bundle`] of each principal.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use super::bundle::{AccountRcps, Bundle, Layer, Policy};
use super::history::{Snapshots, Taken};
use super::organization::{ControlType, Organizations, Place};
use super::side_data::{SideData, Tags};
use crate::iam::arn::{Arn, is_service_linked};
use crate::iam::{Pattern, PolicyDocument};

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
    /// The organizations that its accounts belong to.
    pub organizations: Organizations,
    /// What neither log nor snapshot tells; the baseline's counts.
    pub side_data: Arc<SideData>,
    /// Tags of principals that no snapshot has, by ARN.
    pub tags: BTreeMap<String, Tags>,
    /// Users and roles that are no more, by ARN, with their ids: nothing is allowed to them.
    pub removed: BTreeMap<String, String>,
    /// Principals of the set whose tags are not known.
    pub tags_open: BTreeSet<String>,
    /// Of principals whose other tags are known, the tags of which that is not known.
    pub tags_unknown: BTreeMap<String, BTreeSet<String>>,
    /// All versions of managed policies that the snapshots hold, by ARN and id.
    pub versions: Arc<Versions>,
    /// The snapshots that it was read from, by time.
    pub snapshots: Arc<Snapshots>,
}

/// Versions of managed policies, by ARN and id.
pub type Versions = BTreeMap<String, BTreeMap<String, Arc<Policy>>>;

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

impl Entity {
    /// Whether another of its ARN says the same.
    pub(super) fn has_same(&self, other: &Self) -> bool {
        fn sorted(texts: &[String]) -> BTreeSet<&String> {
            texts.iter().collect()
        }
        let boundary = |entity: &Self| match &entity.boundary {
            Some(Boundary::Managed(arn)) => Some(arn.clone()),
            Some(Boundary::Document(policy)) => Some(policy.name.clone()),
            None => None,
        };
        // Some exports leave tags out.
        let tags = self.tags.is_empty() || other.tags.is_empty() || self.tags == other.tags;
        tags && (&self.id, &self.inline) == (&other.id, &other.inline)
            && (sorted(&self.attached), sorted(&self.groups)) == (sorted(&other.attached), sorted(&other.groups))
            && boundary(self) == boundary(other)
    }
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
        self.removed.remove(&entity.arn);
        self.entities.insert(entity.arn.clone(), entity);
    }

    /// Takes a user, role or group away; whether it was there.
    pub fn remove(&mut self, arn: &str) -> bool {
        if let Some(entity) = self.entities.remove(arn) {
            self.removed.insert(entity.arn, entity.id);
            return true;
        }
        let Some(group) =
            self.groups.remove(arn).and_then(|group| Some((account_of(&group.arn)?, Arn::parse(&group.arn)?.name().to_owned())))
        else {
            return false;
        };
        let (account, name) = group;
        for entity in self.entities.values_mut().filter(|entity| account_of(&entity.arn).is_some_and(|of| of == account)) {
            entity.groups.retain(|group| *group != name);
        }
        true
    }

    /// Gives a managed policy that is missing, or only named, its document.
    pub(super) fn supply(&mut self, arn: &str, file: &Path, document: &PolicyDocument) {
        let policy = self.managed.entry(arn.to_owned()).or_default();
        policy.get_or_insert_with(|| Arc::new(Policy { name: arn.to_owned(), file: Some(file.to_path_buf()), document: document.clone() }));
    }

    /// Adds side data: what it says of all policy sets, and what this set lacks.
    pub fn add_side_data(&mut self, other: SideData) {
        let mut all = SideData::clone(&self.side_data);
        all.extend(other);
        all.supply(self, true);
        let snapshots = Arc::make_mut(&mut self.snapshots);
        snapshots.older.iter_mut().for_each(|(_, set)| all.supply(set, false));
        self.side_data = Arc::new(all);
    }

    /// Says when the snapshots were taken that do not say it themselves, in microseconds since 1970.
    pub fn set_taken_at(&mut self, time: i64) {
        let snapshots = Arc::make_mut(&mut self.snapshots);
        let all = snapshots.newest.values_mut().chain(snapshots.organizations.values_mut());
        all.filter(|taken| **taken == Taken::NEWEST).for_each(|taken| *taken = Taken::at(time));
    }

    /// Says which tags a principal has, all of them.
    pub fn set_tags(&mut self, arn: &str, tags: Tags) {
        match self.entities.get_mut(arn) {
            Some(entity) => entity.tags = tags,
            None => {
                self.tags.insert(arn.to_owned(), tags);
            }
        }
    }

    /// The tags of a principal; `None` if they are not known.
    pub fn tags_of(&self, principal: &PrincipalKey) -> Option<&Tags> {
        match self.find(principal) {
            Ok(entity) => Some(&entity.tags).filter(|_| !self.tags_open.contains(&entity.arn)),
            Err(_) => self.tags.get(&principal.arn),
        }
    }

    /// Where accounts stand: those of the organizations, and those of which side data tells it.
    pub fn places(&self) -> BTreeMap<String, Place> {
        let mut places = self.side_data.accounts.clone();
        places.extend(self.organizations.places());
        places
    }

    /// The tags of a principal of which it is not known what they are, while the others are known.
    pub fn unknown_tags_of(&self, principal: &PrincipalKey) -> BTreeSet<String> {
        let of = |entity: &Entity| self.tags_unknown.get(&entity.arn).cloned();
        self.find(principal).ok().and_then(of).unwrap_or_default()
    }

    /// Whether a principal of the log is one that is no more.
    fn is_removed(&self, principal: &PrincipalKey) -> bool {
        let same = |(arn, id): (&String, &String)| {
            if is_unique_id(id) && is_unique_id(&principal.id) { *id == principal.id } else { *arn == principal.arn }
        };
        self.removed.iter().any(same)
    }

    /// Finds a principal of the log: by unique id, then by ARN.
    pub fn find(&self, principal: &PrincipalKey) -> Result<&Entity, InSnapshot> {
        // An id of an older snapshot may lead to what was made again under the ARN.
        let by_id = self.ids.get(&principal.id).and_then(|arn| self.entities.get(arn));
        if let Some(entity) = by_id.filter(|entity| entity.id == principal.id) {
            return Ok(entity);
        }
        match self.entities.get(&principal.arn) {
            Some(entity) if entity.id.is_empty() || !is_unique_id(&principal.id) || entity.id == principal.id => Ok(entity),
            Some(_) => Err(InSnapshot::IdDiffers),
            None if self.accounts.contains(&principal.account) => self.by_role_name(principal).ok_or(InSnapshot::PrincipalMissing),
            None => Err(InSnapshot::AccountMissing),
        }
    }

    /// The role of that name, for a principal of whose role neither path nor id is known: names are unique in an account,
    /// whatever the path.
    fn by_role_name(&self, principal: &PrincipalKey) -> Option<&Entity> {
        if is_unique_id(&principal.id) {
            return None;
        }
        let name = Arn::parse(&principal.arn)?.resource.strip_prefix("role/").filter(|name| !name.contains('/'))?;
        let is_it = |arn: &Arn<'_>| arn.account == principal.account && arn.resource.starts_with("role/") && arn.name() == name;
        self.entities.iter().find(|(arn, _)| Arn::parse(arn).is_some_and(|arn| is_it(&arn))).map(|(_, entity)| entity)
    }

    /// Where the principal stands in this set; root is part of every snapshot of its account.
    pub fn in_snapshot(&self, principal: &PrincipalKey) -> InSnapshot {
        if is_root(&principal.arn) {
            let known = self.accounts.contains(&principal.account);
            return if known { InSnapshot::Yes } else { InSnapshot::AccountMissing };
        }
        self.find(principal).map_or_else(|missing| missing, |_| InSnapshot::Yes)
    }

    /// Whether the set says anything of a principal: it has it, its account's snapshot, its account's organization, or
    /// documents in its place. A caller of whom only the account is known has none.
    pub fn speaks_of(&self, principal: &PrincipalKey) -> bool {
        self.accounts.contains(&principal.account)
            || self.find(principal).is_ok()
            || (!principal.arn.is_empty() && self.organizations.of(&principal.account).is_some())
            || (self.logged && !principal.arn.is_empty())
            || self.overrides.iter().any(|replacement| replacement.covers(principal))
    }

    /// What applies to a principal. An unknown principal has an opaque identity layer and boundary.
    pub fn bundle(&self, principal: &PrincipalKey) -> Bundle {
        let found = self.find(principal);
        let arn = found.map_or(principal.arn.as_str(), |entity| entity.arn.as_str());
        let mut bundle = match found {
            _ if is_root(&principal.arn) => Bundle { unlimited: true, ..Bundle::default() },
            _ if self.logged => opaque("the log is the baseline"),
            _ if self.is_removed(principal) => Bundle::default(),
            Ok(entity) => self.entity_bundle(entity),
            Err(InSnapshot::IdDiffers) => opaque("the snapshot has this ARN with another unique id"),
            Err(InSnapshot::AccountMissing) => opaque("no snapshot covers its account"),
            Err(_) => opaque("the snapshot does not have it"),
        };
        for replacement in self.overrides.iter().filter(|replacement| replacement.covers(principal)) {
            replacement.apply(&mut bundle);
        }
        self.control(&mut bundle, arn, &principal.account);
        bundle
    }

    /// The policies of the organization. Service-linked roles are exempt from them.
    fn control(&self, bundle: &mut Bundle, arn: &str, account: &str) {
        if is_service_linked(arn) {
            bundle.rcps_by_account = Some(AccountRcps::exempt());
            return;
        }
        // Side data may say that the account is in no organization; a document that is tried is not tried on it.
        let outside = self.organizations.of(account).is_none() && self.side_data.accounts.get(account) == Some(&Place::Outside);
        if let Some(levels) = self.organizations.levels(account, ControlType::Scp).filter(|_| !outside) {
            bundle.scps_opaque = levels.opaque;
            bundle.scps = Some(levels.policies).filter(|levels| !levels.is_empty());
        }
        bundle.rcps_by_account = self.organizations.rcps();
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
        missing.sort();
        missing.dedup();
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

    /// Who has a policy that applies to a principal: the principal itself, or one of its groups, by ARN; of the organization
    /// the root, organizational unit or account.
    pub fn holder(&self, principal: &PrincipalKey, policy: &str) -> Option<String> {
        if let Some(holder) = self.organizations.holder(&principal.account, policy) {
            return Some(holder);
        }
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
        let Arn { partition, account, .. } = Arn::parse(user_arn)?;
        let first = format!("arn:{partition}:iam::{account}:group/");
        // Most stand at the root; of the others one has to be found among those of the account.
        self.groups.get(&format!("{first}{name}")).or_else(|| {
            let of_account = self.groups.range(first.clone()..).take_while(|(arn, _)| arn.starts_with(&first));
            of_account.map(|(_, group)| group).find(|group| Arn::parse(&group.arn).is_some_and(|arn| arn.name() == name))
        })
    }
}

impl Override {
    fn covers(&self, principal: &PrincipalKey) -> bool {
        let identity = !principal.arn.is_empty() && !is_root(&principal.arn) && !is_service_linked(&principal.arn);
        identity && (self.principals.is_empty() || self.principals.iter().any(|pattern| pattern.matches(&principal.arn)))
    }

    fn apply(&self, bundle: &mut Bundle) {
        match self.candidate_type {
            super::CandidateType::Identity => {
                bundle.identity.clone_from(&self.policies);
                bundle.identity_opaque = None;
            }
            super::CandidateType::Boundary => bundle.boundary = Layer::Policies(self.policies.clone()),
            // They are at the roots of the organizations.
            super::CandidateType::Scp | super::CandidateType::Rcp => {}
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

fn account_of(arn: &str) -> Option<String> {
    Arn::parse(arn).map(|arn| arn.account.to_owned())
}

fn is_unique_id(id: &str) -> bool {
    id.len() > 12 && (id.starts_with("AIDA") || id.starts_with("AROA"))
}
