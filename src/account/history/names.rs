//! Whom the calls of a log name: IAM says names, and policies go by ARNs.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::call::{Call, document, member, text};
use crate::account::bundle::Policy;
use crate::account::organization::ControlType;
use crate::account::policy_set::{EntityKind, PolicySet};
use crate::iam::PolicyType;
use crate::iam::arn::Arn;

/// Who holds policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    versions: BTreeMap<(String, String), Arc<Policy>>,
    /// Name and type of the policies of organizations, by id.
    controls: HashMap<String, (String, ControlType)>,
}

impl Names {
    /// Those of some policy sets, the newest first, and of what the calls make.
    pub(super) fn new<'s>(sets: impl IntoIterator<Item = &'s PolicySet>, calls: &[Call]) -> Self {
        let mut names = Self::default();
        for set in sets {
            for entity in set.entities.values() {
                let kind = if entity.kind == EntityKind::User { Holder::User } else { Holder::Role };
                names.add(kind, &entity.arn);
            }
            set.groups.keys().for_each(|arn| names.add(Holder::Group, arn));
            for (arn, versions) in set.versions.iter() {
                for (version, policy) in versions {
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
        match (call.source.as_str(), call.name.as_str()) {
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
            ("organizations.amazonaws.com", "CreatePolicy") => {
                let summary = member(&call.response, "policy").and_then(|policy| member(policy, "policySummary"));
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

    /// The document of a version of a managed policy.
    pub(super) fn version(&self, arn: &str, version: &str) -> Option<Arc<Policy>> {
        self.versions.get(&(arn.to_owned(), version.to_owned())).map(Arc::clone)
    }

    /// The ARN and the type of a policy of an organization.
    pub(super) fn control(&self, id: &str) -> Option<(String, ControlType)> {
        self.controls.get(id).cloned()
    }
}
