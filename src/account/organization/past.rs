//! Organizations as they were: what they say of one aspect, and how they are made to say it.

use std::sync::Arc;

use super::control::ControlType;
use super::{Node, NodeKind, Organization, OrganizationEdit, Organizations};
use crate::account::bundle::Policy;
use crate::account::history::{Aspect, Value, maybe};

impl Organizations {
    /// The policies, each with its id, its ARN and its type.
    pub(in crate::account) fn controls(&self) -> impl Iterator<Item = (&str, &str, ControlType)> {
        let policies = self.all.iter().flat_map(|organization| &organization.policies);
        policies.map(|(id, control)| (id.as_str(), control.policy.name.as_str(), control.control))
    }

    /// The policies, each with its id, its type, and the policy itself if its document is known.
    pub(in crate::account) fn documents(&self) -> Vec<(String, ControlType, Option<Arc<Policy>>)> {
        let policies = self.all.iter().flat_map(|organization| &organization.policies);
        policies.map(|(id, control)| (id.clone(), control.control, control.known.then(|| Arc::clone(&control.policy)))).collect()
    }

    /// Enters a policy that another time has, attached nowhere.
    pub(in crate::account) fn define_missing(&mut self, id: &str, control: ControlType, policy: Option<&Policy>) {
        for organization in self.all.iter_mut().filter(|organization| !organization.policies.contains_key(id)) {
            organization.define(id, id, control, policy.map(|policy| (policy.file.clone(), policy.document.clone())));
        }
    }

    /// Everything that they say and that may change.
    pub(in crate::account) fn aspects(&self) -> Vec<Aspect> {
        let of = |organization: &Organization| {
            let controls = organization.policies.keys().map(|id| Aspect::Control(id.clone()));
            let attached = |(target, node): (&String, &Node)| {
                let all = ControlType::ALL.into_iter().flat_map(|control| node.attached(control).ids.iter());
                all.map(|id| Aspect::ControlAt(target.clone(), id.clone())).collect::<Vec<_>>()
            };
            let accounts = organization.nodes.iter().filter(|(_, node)| node.kind == NodeKind::Account);
            let parents = accounts.map(|(id, _)| Aspect::Parent(id.clone()));
            let roots = organization.nodes.iter().filter(|(_, node)| node.kind == NodeKind::Root);
            let in_use = roots.flat_map(|(id, _)| ControlType::ALL.map(|control| Aspect::InUse(id.clone(), control)));
            let attached = organization.nodes.iter().flat_map(attached);
            controls.chain(attached).chain(parents).chain(in_use).collect::<Vec<_>>()
        };
        self.all.iter().flat_map(of).collect()
    }

    /// What they say of an aspect; `None` if nothing.
    pub(in crate::account) fn read_aspect(&self, aspect: &Aspect) -> Option<Value> {
        let found = self.all.iter().find_map(|organization| organization.read_aspect(aspect));
        // The one organization that is known does not have the account.
        let is_outside = || matches!(aspect, Aspect::Parent(_)) && self.all.len() == 1;
        found.or_else(|| is_outside().then_some(Value::Absent))
    }

    /// Makes them say it: the one that has what the aspect is about.
    pub(in crate::account) fn apply_aspect(&mut self, aspect: &Aspect, value: &Value) {
        self.rcps = std::sync::OnceLock::new();
        self.all.iter_mut().for_each(|organization| organization.apply_aspect(aspect, value));
    }
}

impl Organization {
    fn read_aspect(&self, aspect: &Aspect) -> Option<Value> {
        let presence = |is_there: bool| Some(if is_there { Value::Present } else { Value::Absent });
        match aspect {
            Aspect::InUse(root, control) => {
                self.nodes.get(root)?;
                presence(!self.disabled.contains(control))
            }
            Aspect::Control(id) => {
                let control = self.policies.get(id)?;
                control.known.then(|| Value::Document(Arc::clone(&control.policy)))
            }
            Aspect::Parent(account) => self.nodes.get(account)?.parent.clone().map(Value::Text),
            Aspect::ControlAt(target, id) => {
                let node = self.nodes.get(target)?;
                let is_attached = ControlType::ALL.iter().any(|control| node.attached(*control).ids.contains(id));
                let complete = match self.control_type(id) {
                    Some(control) => node.attached(control).complete,
                    None => ControlType::ALL.iter().all(|control| node.attached(*control).complete),
                };
                if is_attached || complete { presence(is_attached) } else { None }
            }
            _ => None,
        }
    }

    fn apply_aspect(&mut self, aspect: &Aspect, value: &Value) {
        match aspect {
            Aspect::InUse(root, control) if self.nodes.contains_key(root) => match value {
                Value::Absent => {
                    self.disabled.insert(*control);
                }
                _ => {
                    self.disabled.remove(control);
                }
            },
            Aspect::Control(id) => {
                let document = if let Value::Document(policy) = value { Some(Arc::clone(policy)) } else { None };
                // One that is not there, or not yet, is attached nowhere.
                let known = self.policies.get(id).map(|control| (control.name.clone(), control.control));
                let made = document.as_ref().and_then(|policy| Some((id.clone(), ControlType::of_arn(&policy.name)?)));
                if let Some((name, kind)) = known.or(made) {
                    let edit = OrganizationEdit::SetDocument { policy_id: id.clone(), name, kind, document };
                    // It names what is there, or makes it.
                    let _made = self.apply(&edit);
                }
            }
            Aspect::Parent(account) => match value {
                Value::Text(parent) if self.nodes.contains_key(parent) => {
                    if let Some(node) = self.nodes.get_mut(account) {
                        node.parent = Some(parent.clone());
                    }
                }
                // An account that hangs in the air may be anywhere.
                _ => {
                    if let Some(node) = self.nodes.get_mut(account) {
                        node.parent = Some(maybe(account));
                    }
                }
            },
            Aspect::ControlAt(target, id) => {
                let Some(control) = self.control_type(id) else { return };
                let unknown = maybe(id);
                if *value == Value::Unknown {
                    self.define(&unknown, &unknown, control, None);
                }
                let Some(node) = self.nodes.get_mut(target) else { return };
                let ids = &mut node.attached_mut(control).ids;
                ids.remove(id);
                ids.remove(&unknown);
                match value {
                    Value::Present => ids.insert(id.clone()),
                    Value::Unknown => ids.insert(unknown),
                    _ => false,
                };
            }
            _ => {}
        }
    }
}

impl ControlType {
    /// The type of a policy by its ARN.
    fn of_arn(arn: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|control| arn.split('/').any(|part| part == control.name()))
    }
}
