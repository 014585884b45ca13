//! One output of `aws organizations`: what it is of, by its content.

use std::path::Path;

use super::file_name::stem;
use super::tree::find;
use crate::iam::json::{Kind as JsonKind, Node, Source};

type Members<'a> = Vec<(std::borrow::Cow<'a, str>, Node<'a>)>;

/// What an output is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::account) enum Kind {
    Organization,
    Roots,
    Units,
    Accounts,
    Policies,
    Policy,
    /// Of a command that is not needed.
    Other(&'static str),
}

impl Kind {
    /// Tells an output by its members.
    pub(in crate::account) fn of(source: &Source<'_>, members: &Members<'_>, file: &Path) -> Option<Self> {
        let list = |name: &str| find(members, name).filter(|node| node.kind() == JsonKind::Array);
        let inside = |name: &str, member: &str| {
            let node = find(members, name).filter(|node| node.kind() == JsonKind::Object);
            node.and_then(|node| node.members(source).ok()).is_some_and(|members| find(&members, member).is_some())
        };
        let first = |name: &str| list(name).and_then(|list| list.elements(source).ok()).and_then(|all| all.into_iter().next());
        let first_has = |name: &str, member: &str| {
            let members = first(name).filter(|node| node.kind() == JsonKind::Object).and_then(|node| node.members(source).ok());
            members.is_some_and(|members| find(&members, member).is_some())
        };
        match () {
            () if list("Roots").is_some() => Some(Self::Roots),
            () if list("OrganizationalUnits").is_some() => Some(Self::Units),
            () if list("Accounts").is_some() => Some(Self::Accounts),
            () if inside("Organization", "Id") => Some(Self::Organization),
            () if inside("Policy", "PolicySummary") => Some(Self::Policy),
            // The policies of IAM, of which an account snapshot has a list too, have no `Type`.
            () if first_has("Policies", "Type") => Some(Self::Policies),
            () if list("Policies").is_some() && first("Policies").is_none() && stem(file).starts_with("list-policies") => {
                Some(Self::Policies)
            }
            () if list("Parents").is_some() => Some(Self::Other("list-parents")),
            () if list("Targets").is_some() => Some(Self::Other("list-targets-for-policy")),
            () if list("Children").is_some() => Some(Self::Other("list-children")),
            () if inside("Account", "JoinedMethod") => Some(Self::Other("describe-account")),
            () if inside("OrganizationalUnit", "Id") => Some(Self::Other("describe-organizational-unit")),
            () => None,
        }
    }
}
