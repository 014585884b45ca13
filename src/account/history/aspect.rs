//! What a policy set is made of, piece by piece, and what each piece may be.

use std::sync::Arc;

use crate::account::bundle::Policy;
use crate::account::organization::ControlType;
use crate::account::policy_set::{Boundary, EntityKind, PolicySet};
use crate::iam::arn::Arn;

/// One thing that a policy set says, and that may change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Aspect {
    /// Whether a user, role or group is there. Before all others: what it has is applied to it.
    Exists(String),
    /// An inline policy of a holder, by its name.
    Inline(String, String),
    /// Whether a holder has a managed policy attached.
    Attached(String, String),
    /// The permissions boundary of a user or role.
    Boundary(String),
    /// Whether a user is in a group, by the group's name.
    Member(String, String),
    /// The document of a managed policy, its default version.
    Document(String),
    /// A tag of a user or role, by its name.
    Tag(String, String),
    /// Whether a type of policy is in use in an organization.
    InUse(String, ControlType),
    /// The document of a policy of an organization, by its id.
    Control(String),
    /// Where an account stands: its root or organizational unit.
    Parent(String),
    /// Whether a policy of an organization is attached to a root, organizational unit or account.
    ControlAt(String, String),
}

/// What an [`Aspect`] is at some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// It is not known.
    Unknown,
    /// Nothing: no policy, not attached, no tag.
    Absent,
    /// Attached, a member, in use.
    Present,
    /// A document.
    Document(Arc<Policy>),
    /// An ARN, an id, the value of a tag.
    Text(String),
    /// A user or role with its unique id; a group has none.
    Made(Option<EntityKind>, String),
}

/// What stands for something of which it is not known whether it is there.
pub(in crate::account) fn maybe(name: &str) -> String {
    format!("{name} (not known at that time)")
}

impl Aspect {
    /// The user, role or group that it is of.
    pub(super) fn holder(&self) -> Option<&str> {
        match self {
            Self::Exists(holder)
            | Self::Inline(holder, _)
            | Self::Attached(holder, _)
            | Self::Boundary(holder)
            | Self::Member(holder, _)
            | Self::Tag(holder, _) => Some(holder),
            _ => None,
        }
    }

    /// What a policy set says of it; `None` if it says nothing.
    pub(super) fn read(&self, set: &PolicySet) -> Option<Value> {
        let covered = |arn: &str| Arn::parse(arn).is_some_and(|arn| set.accounts.contains(arn.account));
        if self.holder().is_some_and(|holder| !covered(holder)) {
            return None;
        }
        let presence = |is_there: bool| Some(if is_there { Value::Present } else { Value::Absent });
        match self {
            Self::Exists(holder) => Some(match (set.entities.get(holder), set.groups.get(holder)) {
                (Some(entity), _) => Value::Made(Some(entity.kind), entity.id.clone()),
                (None, Some(_)) => Value::Made(None, String::new()),
                (None, None) => Value::Absent,
            }),
            Self::Inline(holder, name) => Some(set.inline(holder, name).map_or(Value::Absent, Value::Document)),
            Self::Attached(holder, policy) => presence(set.attached_names(holder).iter().any(|arn| arn == policy)),
            Self::Boundary(holder) => Some(match set.entities.get(holder).and_then(|entity| entity.boundary.as_ref()) {
                None => Value::Absent,
                Some(Boundary::Managed(arn)) => Value::Text(arn.clone()),
                Some(Boundary::Document(policy)) => Value::Document(Arc::clone(policy)),
            }),
            Self::Member(user, group) => {
                presence(set.entities.get(user).is_some_and(|entity| entity.groups.iter().any(|name| name == group)))
            }
            Self::Document(arn) => match set.managed.get(arn) {
                Some(document) => document.clone().map(Value::Document),
                None => covered(arn).then_some(Value::Absent),
            },
            Self::Tag(holder, _) if set.tags_open.contains(holder) => None,
            Self::Tag(holder, key) => {
                let tags = set.entities.get(holder).map(|entity| &entity.tags);
                Some(tags.and_then(|tags| tags.get(key)).map_or(Value::Absent, |value| Value::Text(value.clone())))
            }
            Self::InUse(..) | Self::Control(_) | Self::Parent(_) | Self::ControlAt(..) => set.organizations.read_aspect(self),
        }
    }

    /// Makes a policy set say it.
    pub(super) fn apply(&self, value: &Value, set: &mut PolicySet) {
        match (self, value) {
            (Self::Exists(holder), Value::Made(Some(kind), id)) => {
                set.add_entity(holder, *kind);
                set.identify(holder, id);
            }
            (Self::Exists(holder), Value::Made(None, _)) => set.add_group(holder),
            (Self::Exists(holder), _) => set.forget(holder),
            (Self::Inline(holder, name), Value::Document(policy)) => set.set_inline(holder, name, Some(Arc::clone(policy))),
            (Self::Inline(holder, name), Value::Unknown) => set.set_inline(holder, name, None),
            (Self::Inline(holder, name), _) => set.remove_inline(holder, name),
            (Self::Attached(holder, policy), value) => {
                set.detach_policy(holder, policy);
                set.detach_policy(holder, &maybe(policy));
                match value {
                    Value::Present => set.attach_policy(holder, policy),
                    Value::Unknown => set.attach_policy(holder, &maybe(policy)),
                    _ => {}
                }
            }
            (Self::Boundary(holder), value) => set.set_boundary_as(
                holder,
                match value {
                    Value::Text(arn) => Some(Boundary::Managed(arn.clone())),
                    Value::Document(policy) => Some(Boundary::Document(Arc::clone(policy))),
                    Value::Unknown => Some(Boundary::Managed(maybe("a permissions boundary"))),
                    _ => None,
                },
            ),
            (Self::Member(user, group), value) => {
                let unknown = maybe(group);
                let Some(entity) = set.entities.get_mut(user) else { return };
                entity.groups.retain(|name| name != group && *name != unknown);
                match value {
                    Value::Present => entity.groups.push(group.clone()),
                    Value::Unknown => entity.groups.push(unknown),
                    _ => {}
                }
            }
            (Self::Document(arn), Value::Document(policy)) => {
                set.managed.insert(arn.clone(), Some(Arc::clone(policy)));
            }
            (Self::Document(arn), _) => {
                set.managed.insert(arn.clone(), None);
            }
            (Self::Tag(holder, key), value) => set.set_tag(holder, key, value),
            (Self::InUse(..) | Self::Control(_) | Self::Parent(_) | Self::ControlAt(..), value) => {
                set.organizations.apply_aspect(self, value);
            }
        }
    }
}

impl PolicySet {
    fn inline(&self, holder: &str, name: &str) -> Option<Arc<Policy>> {
        let of_entity = self.entities.get(holder).and_then(|entity| entity.inline.get(name));
        of_entity.or_else(|| self.groups.get(holder)?.inline.get(name)).map(Arc::clone)
    }

    /// Gives a user or role its unique id.
    fn identify(&mut self, holder: &str, id: &str) {
        if let Some(mut entity) = self.entities.remove(holder) {
            id.clone_into(&mut entity.id);
            self.insert(entity);
        }
    }

    /// Takes a user, role or group out: of one that is not there nothing is known.
    fn forget(&mut self, holder: &str) {
        self.entities.remove(holder);
        self.groups.remove(holder);
    }

    fn set_tag(&mut self, holder: &str, key: &str, value: &Value) {
        let Some(entity) = self.entities.get_mut(holder) else { return };
        match value {
            Value::Text(text) => {
                entity.tags.insert(key.to_owned(), text.clone());
            }
            _ => {
                entity.tags.remove(key);
            }
        }
        let unknown = self.tags_unknown.entry(holder.to_owned()).or_default();
        match value {
            Value::Unknown => unknown.insert(key.to_owned()),
            _ => unknown.remove(key),
        };
    }
}
