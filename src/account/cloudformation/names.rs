//! What the resources of a template are called once it is deployed.

use std::collections::{BTreeMap, BTreeSet};

use super::account_of;
use super::intrinsic::{Physical, Scope, is_known, unknown_names};
use super::value::Value;
use crate::account::deployment::{Account, Holder};
use crate::account::{EntityKind, PolicySet};
use crate::iam::arn::Arn;

/// What has a name of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Holder(Holder),
    Policy,
}

impl Named {
    /// The kind of a resource type.
    pub(super) fn of(kind: &str) -> Option<Self> {
        Some(match kind {
            "AWS::IAM::Role" => Self::Holder(Holder::Role),
            "AWS::IAM::User" => Self::Holder(Holder::User),
            "AWS::IAM::Group" => Self::Holder(Holder::Group),
            "AWS::IAM::ManagedPolicy" => Self::Policy,
            _ => return None,
        })
    }

    fn property(self) -> &'static str {
        match self {
            Self::Holder(Holder::Role) => "RoleName",
            Self::Holder(Holder::User) => "UserName",
            Self::Holder(Holder::Group) => "GroupName",
            Self::Policy => "ManagedPolicyName",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Holder(holder) => holder.word(),
            Self::Policy => "policy",
        }
    }
}

/// A resource with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) named: Named,
    pub(super) name: String,
    pub(super) arn: String,
    /// Whether the baseline has it.
    pub(super) is_there: bool,
    /// What is to be said of how the name was found, and whether that leaves something open.
    pub(super) remark: Option<(String, bool)>,
}

/// The names that an account has: ARN by kind and name.
pub(super) struct Known<'s> {
    all: Vec<(Named, &'s str, &'s str)>,
}

impl<'s> Known<'s> {
    pub(super) fn new(set: &'s PolicySet, account: &Account) -> Self {
        let kind = |kind: EntityKind| Named::Holder(if kind == EntityKind::Role { Holder::Role } else { Holder::User });
        let entities = set.entities.values().map(|entity| (kind(entity.kind), entity.arn.as_str()));
        let groups = set.groups.keys().map(|arn| (Named::Holder(Holder::Group), arn.as_str()));
        let policies = set.managed.keys().map(|arn| (Named::Policy, arn.as_str()));
        let own = entities.chain(groups).chain(policies).filter(|(_, arn)| account_of(arn) == Some(account.id.as_str()));
        Self { all: own.filter_map(|(named, arn)| Some((named, Arn::parse(arn)?.name(), arn))).collect() }
    }

    /// The ARN of a name, in any letter case.
    fn find(&self, named: Named, name: &str) -> Option<&'s str> {
        self.all.iter().find(|(kind, known, _)| *kind == named && known.eq_ignore_ascii_case(name)).map(|(.., arn)| *arn)
    }

    /// Names that CloudFormation makes of a logical name: the stack's, the logical one and capital letters with digits, with
    /// dashes between. What would be too long is cut.
    fn made_of(&self, named: Named, logical: &str, stack: Option<&str>) -> Vec<(&'s str, &'s str)> {
        let fits = |name: &str| {
            let Some((before, random)) = name.rsplit_once('-') else { return false };
            let is_random =
                (12..=13).contains(&random.len()) && random.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
            let stack_fits = |before: &str| {
                !before.is_empty() && stack.is_none_or(|stack| stack == before || (name.len() >= LONG && stack.starts_with(before)))
            };
            let whole = before.strip_suffix(logical).and_then(|before| before.strip_suffix('-')).is_some_and(stack_fits);
            let cut = || {
                before.rmatch_indices('-').any(|(at, _)| {
                    let (stack, part) = (before.get(..at).unwrap_or_default(), before.get(at + 1..).unwrap_or_default());
                    part.len() >= 4 && logical.starts_with(part) && stack_fits(stack)
                })
            };
            is_random && (whole || (name.len() >= LONG && cut()))
        };
        self.all.iter().filter(|(kind, name, _)| *kind == named && fits(name)).map(|(_, name, arn)| (*name, *arn)).collect()
    }
}

/// Names of about the greatest length are cut.
const LONG: usize = 60;

/// The names of all resources of IAM in a template, by logical name; enters them into the scope.
pub(super) fn identify<'t>(resources: &'t Value, scope: &mut Scope<'t>, known: &Known<'_>) -> BTreeMap<&'t str, Identity> {
    let mut all = BTreeMap::new();
    let mut taken: BTreeSet<String> = BTreeSet::new();
    for (logical, resource) in resources.members() {
        let Some(named) = resource.get("Type").and_then(Value::as_text).and_then(Named::of) else { continue };
        let property = |name: &str| {
            let value = resource.get("Properties")?.get(name)?;
            scope.resolve(value).as_text().map(str::to_owned)
        };
        let path = property("Path").unwrap_or_else(|| "/".to_owned());
        let written = property(named.property());
        // A path that is not known leaves the name of a new one open.
        let written = match written {
            Some(name) if !is_known(&path) && known.find(named, &name).is_none() => Some(path.clone()),
            other => other,
        };
        let stack = scope.given.get("AWS::StackName").map(String::as_str);
        let (name, found, remark) = match written {
            Some(name) if is_known(&name) => {
                let found = known.find(named, &name);
                (name, found.map(str::to_owned), None)
            }
            Some(name) => {
                let names: Vec<&str> = unknown_names(&name).collect();
                let names = names.join(", ");
                let remark =
                    format!("its name is not known, for {names}: which {} of the baseline it is, if any, is unknown", named.word());
                (format!("<{logical}>"), None, Some((remark, true)))
            }
            None => match known.made_of(named, logical, stack).as_slice() {
                [(name, arn)] if taken.insert((*arn).to_owned()) => {
                    let sure = if stack.is_some() { "" } else { "; name the stack with --parameter AWS::StackName=NAME to be sure" };
                    let remark = format!("it has no name of its own: taken to be {} {name} of the baseline{sure}", named.word());
                    ((*name).to_owned(), Some((*arn).to_owned()), Some((remark, stack.is_none())))
                }
                [] => (format!("<{logical}>"), None, None),
                several => {
                    let names: Vec<&str> = several.iter().map(|(name, _)| *name).collect();
                    let remark = format!("it may be any of {}: name the stack with --parameter AWS::StackName=NAME", names.join(", "));
                    (format!("<{logical}>"), None, Some((remark, true)))
                }
            },
        };
        let is_there = found.is_some();
        let arn = found
            .unwrap_or_else(|| scope.account.arn(&format!("{}{}{name}", named.word(), if is_known(&path) { path.as_str() } else { "/" })));
        let reference = if named == Named::Policy { arn.clone() } else { name.clone() };
        // A name that CloudFormation has yet to make is not known: lists of the template find it by its mark.
        let known = is_there || !name.starts_with('<');
        scope.physical.insert(logical.clone(), Physical { reference: known.then_some(reference), arn: known.then(|| arn.clone()) });
        all.insert(logical.as_str(), Identity { named, name, arn, is_there, remark });
    }
    all
}
