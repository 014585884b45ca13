//! Whom the calls of a log name: IAM says names, and policies go by ARNs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::aspect::Aspect;
use super::call::{Call, document, member, tags, text};
use crate::account::bundle::Policy;
use crate::account::organization::ControlType;
use crate::account::policy_set::{EntityKind, PolicySet};
use crate::iam::PolicyType;
use crate::iam::arn::Arn;

/// Who holds policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Holder {
    User,
    Role,
    Group,
}

impl Holder {
    pub(super) const ALL: [Self; 3] = [Self::Role, Self::User, Self::Group];

    /// The parameter that names one.
    pub(super) fn parameter(self) -> &'static str {
        match self {
            Self::User => "userName",
            Self::Role => "roleName",
            Self::Group => "groupName",
        }
    }

    /// The member of a response that describes one.
    fn described(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Role => "role",
            Self::Group => "group",
        }
    }
}

/// The names of an account, in lower case, as IAM compares them.
type Key = (String, Holder, String);

/// Names to ARNs, and the versions of policies.
#[derive(Debug, Default)]
pub(super) struct Names {
    arns: HashMap<Key, String>,
    /// New names, by the old one: until when it was that.
    renamed: HashMap<Key, Vec<(i64, String)>>,
    /// When somebody got a name or a path, last, by account and name.
    named: HashMap<(String, String), i64>,
    versions: BTreeMap<(String, String), Arc<Policy>>,
    /// Those of the newest snapshot.
    newest_versions: BTreeSet<(String, String)>,
    /// When managed policies were last deleted: another of the ARN has versions of its own.
    deleted: HashMap<String, i64>,
    /// Names of tags as they are written, by holder and name in lower case: IAM compares them so.
    tags: HashMap<(String, String), String>,
    /// Name and type of the policies of organizations, by id.
    controls: BTreeMap<String, (String, ControlType)>,
    /// Policies of organizations that calls detach or delete, by id.
    attached: BTreeSet<String>,
    /// Those that permit and deny nothing, such as those on tags.
    others: BTreeSet<String>,
}

impl Names {
    /// Those of some policy sets, the newest first, and of what the calls make.
    pub(super) fn new<'s>(sets: impl IntoIterator<Item = &'s PolicySet>, calls: &[Call]) -> Self {
        let mut names = Self::default();
        for (set, is_newest) in sets.into_iter().zip(std::iter::once(true).chain(std::iter::repeat(false))) {
            for entity in set.entities.values() {
                let kind = if entity.kind == EntityKind::User { Holder::User } else { Holder::Role };
                names.add(kind, &entity.arn);
                for key in entity.tags.keys() {
                    names.tags.entry((entity.arn.clone(), key.to_lowercase())).or_insert_with(|| key.clone());
                }
            }
            set.groups.keys().for_each(|arn| names.add(Holder::Group, arn));
            for (arn, versions) in set.versions.iter() {
                for (version, policy) in versions {
                    if is_newest {
                        names.newest_versions.insert((arn.clone(), version.clone()));
                    }
                    names.versions.entry((arn.clone(), version.clone())).or_insert_with(|| Arc::clone(policy));
                }
            }
            for (id, name, control) in set.organizations.controls() {
                names.controls.entry(id.to_owned()).or_insert_with(|| (name.to_owned(), control));
            }
        }
        calls.iter().for_each(|call| names.learn(call));
        names
    }

    fn add(&mut self, kind: Holder, arn: &str) {
        let Some(parsed) = Arn::parse(arn) else { return };
        let key = (parsed.account.to_owned(), kind, parsed.name().to_lowercase());
        self.arns.entry(key).or_insert_with(|| arn.to_owned());
    }

    /// What a call says of names.
    fn learn(&mut self, call: &Call) {
        for kind in Holder::ALL {
            let described = member(&call.response, kind.described());
            if let Some(arn) = described.and_then(|described| text(described, "arn")) {
                self.add(kind, arn);
            }
        }
        if call.source == "iam.amazonaws.com" && ["Create", "Update", "Delete"].iter().any(|verb| call.name.starts_with(verb)) {
            let own = Holder::ALL.into_iter().filter(|kind| call.name.to_lowercase().ends_with(kind.described()));
            let names = own.flat_map(|kind| {
                [text(&call.request, kind.parameter()), text(&call.request, "newUserName"), text(&call.request, "newGroupName")]
            });
            for name in names.flatten() {
                let last = self.named.entry((call.account.clone(), name.to_lowercase())).or_insert(call.time);
                *last = call.time.max(*last);
            }
        }
        match (call.source.as_str(), call.name.as_str()) {
            ("iam.amazonaws.com", "TagUser" | "TagRole" | "CreateUser" | "CreateRole") => {
                let kind = if call.name.ends_with("User") { Holder::User } else { Holder::Role };
                let holder = text(&call.request, kind.parameter()).and_then(|name| self.arn(&call.account, kind, name, call.time));
                for (key, _) in tags(member(&call.request, "tags")).unwrap_or_default() {
                    let Some(holder) = &holder else { break };
                    self.tags.entry((holder.clone(), key.to_lowercase())).or_insert(key);
                }
            }
            ("iam.amazonaws.com", "UpdateUser" | "UpdateGroup") => {
                let kind = if call.name == "UpdateUser" { Holder::User } else { Holder::Group };
                let (old, new) = (
                    text(&call.request, kind.parameter()),
                    text(&call.request, if kind == Holder::User { "newUserName" } else { "newGroupName" }),
                );
                if let (Some(old), Some(new)) = (old, new) {
                    let key = (call.account.clone(), kind, old.to_lowercase());
                    self.renamed.entry(key).or_default().push((call.time, new.to_owned()));
                }
            }
            ("iam.amazonaws.com", "DeletePolicy") => {
                if let Some(arn) = text(&call.request, "policyArn") {
                    let last = self.deleted.entry(arn.to_owned()).or_insert(call.time);
                    *last = call.time.max(*last);
                }
            }
            ("iam.amazonaws.com", "CreatePolicy" | "CreatePolicyVersion") => {
                let of_policy = member(&call.response, "policy");
                let arn = text(&call.request, "policyArn").or_else(|| text(of_policy?, "arn"));
                let of_version = member(&call.response, "policyVersion");
                let version = of_version.and_then(|version| text(version, "versionId")).or_else(|| text(of_policy?, "defaultVersionId"));
                let policy =
                    text(&call.request, "policyDocument").zip(arn).and_then(|(text, arn)| document(text, arn, PolicyType::Identity));
                if let (Some(arn), Some(version), Some(policy)) = (arn, version, policy) {
                    self.versions.entry((arn.to_owned(), version.to_owned())).or_insert(policy);
                }
            }
            // What is attached and never seen is of another type: the newest organization would have it.
            ("organizations.amazonaws.com", "DetachPolicy" | "DeletePolicy") => {
                if let Some(id) = text(&call.request, "policyId").filter(|id| id.starts_with("p-")) {
                    self.attached.insert(id.to_owned());
                }
            }
            ("organizations.amazonaws.com", "CreatePolicy" | "UpdatePolicy") if call.is_of_other_type() => {
                let id = text(&call.request, "policyId").or_else(|| text(call.summary()?, "id"));
                self.others.extend(id.map(str::to_owned));
            }
            ("organizations.amazonaws.com", "CreatePolicy") => {
                let summary = call.summary();
                let control = summary.and_then(|summary| text(summary, "type")).and_then(ControlType::parse);
                let named = summary.and_then(|summary| Some((text(summary, "id")?, text(summary, "arn")?)));
                if let (Some((id, arn)), Some(control)) = (named, control) {
                    self.controls.entry(id.to_owned()).or_insert_with(|| (arn.to_owned(), control));
                }
            }
            _ => {}
        }
    }

    /// The name that somebody had last who was named so at a time.
    fn last_name(&self, account: &str, kind: Holder, name: &str, time: i64) -> String {
        let (mut name, mut time) = (name.to_owned(), time);
        // A name that goes round in a circle ends: each step is later than the one before.
        while let Some((at, next)) = self
            .renamed
            .get(&(account.to_owned(), kind, name.to_lowercase()))
            .and_then(|renames| renames.iter().filter(|(at, _)| *at > time).min_by_key(|(at, _)| *at))
        {
            (name, time) = (next.clone(), *at);
        }
        name
    }

    /// The ARN of somebody who was named so at a time; `None` if nobody is known by that name.
    pub(super) fn arn(&self, account: &str, kind: Holder, name: &str, time: i64) -> Option<String> {
        let name = self.last_name(account, kind, name, time);
        self.arns.get(&(account.to_owned(), kind, name.to_lowercase())).cloned()
    }

    /// The name by which a group's members know it.
    pub(super) fn group_name(&self, account: &str, name: &str, time: i64) -> String {
        let arn = self.arn(account, Holder::Group, name, time);
        arn.as_deref().and_then(Arn::parse).map_or_else(|| name.to_owned(), |arn| arn.name().to_owned())
    }

    /// The document of a version of a managed policy, that a call named at a time. Of a policy that was deleted since it is
    /// not known.
    pub(super) fn version(&self, arn: &str, version: &str, time: i64) -> Option<Arc<Policy>> {
        let key = (arn.to_owned(), version.to_owned());
        let other = |deleted: &i64| time <= *deleted || !self.newest_versions.contains(&key);
        if self.deleted.get(arn).is_some_and(other) {
            return None;
        }
        self.versions.get(&key).map(Arc::clone)
    }

    /// A tag of a holder, by its name as it is written.
    pub(super) fn tag(&self, holder: &str, key: String) -> Aspect {
        let known = self.tags.get(&(holder.to_owned(), key.to_lowercase()));
        Aspect::Tag(holder.to_owned(), known.cloned().unwrap_or(key))
    }

    /// The policies of organizations that calls name, by id, each with its type; one of which no more is known counts as a
    /// service control policy.
    pub(super) fn controls(&self) -> impl Iterator<Item = (&str, ControlType)> {
        let known = self.controls.iter().map(|(id, (_, control))| (id.as_str(), *control));
        let others = self.attached.iter().filter(|id| !self.controls.contains_key(*id) && !self.others.contains(*id));
        known.chain(others.map(|id| (id.as_str(), ControlType::Scp)))
    }

    /// Whether somebody of a name got another one, or has it from another.
    pub(super) fn was_renamed(&self, (account, kind, name): &Key) -> bool {
        let same = |new: &str| new.to_lowercase() == *name;
        self.renamed
            .iter()
            .any(|((of, which, old), to)| of == account && which == kind && (old == name || to.iter().any(|(_, new)| same(new))))
    }

    /// When a call last gave somebody in an account this name, or another path.
    pub(super) fn last_named(&self, account: &str, name: &str) -> Option<i64> {
        self.named.get(&(account.to_owned(), name.to_lowercase())).copied()
    }

    /// The ARN and the type of a policy of an organization.
    pub(super) fn control(&self, id: &str) -> Option<(String, ControlType)> {
        self.controls.get(id).cloned()
    }
}
