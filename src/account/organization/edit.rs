//! Edits of an organization: documents, attachments, and where accounts stand.

use std::sync::Arc;

use super::{ControlType, NodeKind, Organization};
use crate::account::bundle::Policy;
use crate::account::names::nearest;
use crate::iam::Pattern;

/// One edit. Policies are named by id, ARN or name; roots, organizational units and accounts by id or name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrganizationEdit {
    /// A policy gets another document; one that is not there is made, and attached nowhere.
    SetDocument {
        /// The policy.
        policy_id: String,
        /// Its name, if it is made.
        name: String,
        /// Its type.
        kind: ControlType,
        /// The document with the file that it was read from; `None`: it is not known.
        document: Option<Arc<Policy>>,
    },
    /// A policy goes, wherever it is attached.
    Remove {
        /// The policy.
        policy_id: String,
    },
    /// A policy is attached.
    Attach {
        /// The policy.
        policy_id: String,
        /// The root, organizational unit or account.
        target: String,
    },
    /// A policy is detached.
    Detach {
        /// The policy.
        policy_id: String,
        /// The root, organizational unit or account.
        target: String,
    },
    /// An account moves.
    Move {
        /// The account.
        account: String,
        /// The root or organizational unit that it moves to.
        to: String,
    },
}

impl OrganizationEdit {
    /// Of edits that belong together, which come first.
    pub(in crate::account) fn phase(&self) -> u8 {
        match self {
            Self::Detach { .. } => 0,
            Self::Remove { .. } => 1,
            Self::SetDocument { .. } => 2,
            Self::Move { .. } => 3,
            Self::Attach { .. } => 4,
        }
    }

    /// What decides which organization it is about.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::SetDocument { policy_id, .. } | Self::Remove { policy_id } => policy_id,
            Self::Attach { target, .. } | Self::Detach { target, .. } => target,
            Self::Move { account, .. } => account,
        }
    }
}

impl Organization {
    /// The id of a policy by its id, ARN or name; `None` also for a name that several have.
    pub fn find_policy(&self, name: &str) -> Option<String> {
        if self.policies.contains_key(name) {
            return Some(name.to_owned());
        }
        let mut found = self.policies.iter().filter(|(_, control)| control.policy.name == name || control.name == name);
        let (id, _) = found.next()?;
        found.next().is_none().then(|| id.clone())
    }

    /// The type of a policy, by its id.
    pub fn control_type(&self, policy_id: &str) -> Option<ControlType> {
        self.policies.get(policy_id).map(|control| control.control)
    }

    /// A policy by its id; of one that was not supplied, a stand-in.
    pub fn policy(&self, policy_id: &str) -> Option<&Policy> {
        self.policies.get(policy_id).map(|control| control.policy.as_ref())
    }

    /// The roots, organizational units and accounts that a name or glob means, by id or name.
    pub fn find_targets(&self, name: &str) -> Vec<String> {
        if self.nodes.contains_key(name) {
            return vec![name.to_owned()];
        }
        let pattern = Pattern::glob(name);
        self.nodes.iter().filter(|(id, node)| pattern.matches(id) || pattern.matches(&node.name)).map(|(id, _)| id.clone()).collect()
    }

    /// The one root, organizational unit or account that a name means.
    fn find_target(&self, name: &str) -> Result<String, String> {
        match self.find_targets(name).as_slice() {
            [one] => Ok(one.clone()),
            [] => Err(format!("no root, organizational unit or account `{name}`; {}", nearest(self.targets(), name))),
            [one, other, ..] => Err(format!("`{name}` is the name of several: write the id, `{one}` or `{other}`")),
        }
    }

    /// What [`OrganizationEdit`]s can name: policies and targets.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.targets().chain(self.policy_names())
    }

    /// Roots, organizational units and accounts, by id and by name.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().flat_map(|(id, node)| [id.as_str(), node.name.as_str()]).filter(|name| !name.is_empty())
    }

    /// Policies, by id and by name.
    pub fn policy_names(&self) -> impl Iterator<Item = &str> {
        self.policies.iter().flat_map(|(id, control)| [id.as_str(), control.name.as_str()])
    }

    /// Whether an edit names what this organization has.
    pub(super) fn is_meant(&self, edit: &OrganizationEdit) -> bool {
        match edit {
            OrganizationEdit::SetDocument { policy_id, .. } | OrganizationEdit::Remove { policy_id } => {
                self.find_policy(policy_id).is_some()
            }
            OrganizationEdit::Attach { target, .. } | OrganizationEdit::Detach { target, .. } => !self.find_targets(target).is_empty(),
            OrganizationEdit::Move { account, to } => self.has(account) || !self.find_targets(to).is_empty(),
        }
    }

    /// Applies an edit; says what it touches.
    ///
    /// # Errors
    /// What the organization does not have, with the nearest names.
    pub fn apply(&mut self, edit: &OrganizationEdit) -> Result<Vec<String>, String> {
        self.edits += 1;
        match edit {
            OrganizationEdit::SetDocument { policy_id, name, kind, document } => {
                Ok(vec![self.set_document(policy_id, name, *kind, document.as_deref())])
            }
            OrganizationEdit::Remove { policy_id } => {
                let id = self.policy_id(policy_id)?;
                for control in ControlType::ALL {
                    self.nodes.values_mut().for_each(|node| {
                        node.attached_mut(control).ids.remove(&id);
                    });
                }
                self.policies.remove(&id);
                Ok(vec![format!("removes the policy `{id}`")])
            }
            OrganizationEdit::Attach { policy_id, target } => {
                let (id, target) = (self.policy_id(policy_id)?, self.find_target(target)?);
                let Some(control) = self.control_type(&id) else { return Ok(Vec::new()) };
                let mut lines = Vec::new();
                if self.disabled.remove(&control) {
                    // AWS attaches its own policy everywhere where a type comes into use.
                    for node in self.nodes.values_mut() {
                        let attached = node.attached_mut(control);
                        attached.ids.insert(control.full_access().to_owned());
                        attached.complete = true;
                    }
                    lines.push(format!("the type of `{id}` comes into use, with `{}` everywhere", control.full_access()));
                }
                if let Some(node) = self.nodes.get_mut(&target) {
                    node.attached_mut(control).ids.insert(id.clone());
                }
                lines.push(format!("attaches `{id}` at {}: {}", self.node_words(&target), self.below(&target)));
                Ok(lines)
            }
            OrganizationEdit::Detach { policy_id, target } => self.detach(policy_id, target),
            OrganizationEdit::Move { account, to } => self.move_account(account, to),
        }
    }

    fn set_document(&mut self, policy: &str, name: &str, kind: ControlType, document: Option<&Policy>) -> String {
        let (id, verb) = match self.find_policy(policy) {
            Some(id) => (id, "gets another document"),
            None => (policy.to_owned(), "is made"),
        };
        let (kind, name) = match self.policies.get(&id) {
            Some(control) => (control.control, control.name.clone()),
            None => (kind, name.to_owned()),
        };
        // What it was before is not what it is now, also where the new document is not known.
        self.policies.remove(&id);
        self.define(&id, &name, kind, document.map(|policy| (policy.file.clone(), policy.document.clone())));
        format!("the {} `{id}` {verb}", kind.words())
    }

    fn detach(&mut self, policy: &str, target: &str) -> Result<Vec<String>, String> {
        let (id, target) = (self.policy_id(policy)?, self.find_target(target)?);
        let Some(control) = self.control_type(&id) else { return Ok(Vec::new()) };
        if id == ControlType::Rcp.full_access() {
            return Err(format!("`{id}` is attached everywhere and cannot be detached: leave this out"));
        }
        let words = self.node_words(&target);
        let Some(attached) = self.nodes.get_mut(&target).map(|node| node.attached_mut(control)) else { return Ok(Vec::new()) };
        if !attached.ids.remove(&id) {
            if !attached.complete {
                return Err(format!("it is not known what is attached at {words}: supply the list, then `{id}` can be detached there"));
            }
            return Err(format!("`{id}` is not attached at {words}; {}", nearest(attached.ids.iter().map(String::as_str), &id)));
        }
        Ok(vec![format!("detaches `{id}` at {words}: {}", self.below(&target))])
    }

    fn move_account(&mut self, account: &str, to: &str) -> Result<Vec<String>, String> {
        let (account, to) = (self.find_target(account)?, self.find_target(to)?);
        let kind = |id: &str| self.nodes.get(id).map(|node| node.kind);
        if kind(&account) != Some(NodeKind::Account) {
            return Err(format!("`{account}` is no account: only accounts move"));
        }
        if kind(&to) == Some(NodeKind::Account) {
            return Err(format!("`{to}` is an account: an account moves to the root or to an organizational unit"));
        }
        let words = format!("moves {} to {}", self.node_words(&account), self.node_words(&to));
        if let Some(node) = self.nodes.get_mut(&account) {
            node.parent = Some(to);
        }
        Ok(vec![words])
    }

    fn policy_id(&self, name: &str) -> Result<String, String> {
        self.find_policy(name).ok_or_else(|| {
            let several = self.policies.values().filter(|control| control.name == name).count() > 1;
            match several {
                true => format!("`{name}` is the name of several policies: write its id"),
                false => format!("no policy `{name}` in the organization; {}", nearest(self.policy_names(), name)),
            }
        })
    }

    /// The accounts at or below a node, in words; without the one that is exempt.
    fn below(&self, node: &str) -> String {
        let below = |account: &&str| self.chain(account).iter().any(|(id, _)| *id == node);
        let placed = self.nodes.iter().filter(|(_, node)| node.kind == NodeKind::Account).map(|(id, _)| id.as_str());
        let placed = placed.filter(|account| *account != self.management_account);
        match placed.filter(below).collect::<Vec<_>>().as_slice() {
            [] => "no account".to_owned(),
            [one] => format!("account {one}"),
            some if some.len() <= 3 => format!("accounts {}", some.join(", ")),
            many => format!("{} accounts", many.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::organization::Organizations;
    use crate::account::organization::tests::organization;
    use crate::iam::{PolicyType, parse};

    fn set(id: &str) -> OrganizationEdit {
        let document = parse::document(r#"{"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}"#, PolicyType::Scp).unwrap();
        let document = Some(Arc::new(Policy { name: "draft".to_owned(), file: None, document }));
        OrganizationEdit::SetDocument { policy_id: id.to_owned(), name: id.to_owned(), kind: ControlType::Scp, document }
    }

    fn attach(policy: &str, target: &str) -> OrganizationEdit {
        OrganizationEdit::Attach { policy_id: policy.to_owned(), target: target.to_owned() }
    }

    fn detach(policy: &str, target: &str) -> OrganizationEdit {
        OrganizationEdit::Detach { policy_id: policy.to_owned(), target: target.to_owned() }
    }

    #[test]
    fn edits_touch_what_they_name() {
        let mut organization = organization();
        assert_eq!(organization.apply(&set("lock")).unwrap(), ["the service control policy `lock` is made"]);
        let touched = organization.apply(&attach("lock", "Mail")).unwrap();
        assert_eq!(touched, ["attaches `lock` at ou-mail (Mail): account 222222222222"]);
        let names: Vec<usize> = organization.levels("222222222222", ControlType::Scp).unwrap().policies.iter().map(Vec::len).collect();
        assert_eq!(names, [1, 2, 1]);
        organization.apply(&OrganizationEdit::Move { account: "222222222222".to_owned(), to: "r-1".to_owned() }).unwrap();
        assert_eq!(organization.path("222222222222").as_deref(), Some("o-1/r-1/"));
        organization.apply(&detach("lock", "ou-mail")).unwrap();
        organization.apply(&OrganizationEdit::Remove { policy_id: "lock".to_owned() }).unwrap();
        assert_eq!(organization.find_policy("lock"), None);
    }

    #[test]
    fn what_is_not_there_is_told_with_the_nearest() {
        let mut organization = organization();
        let error = organization.apply(&attach("p-FullAWSAcess", "ou-mail")).unwrap_err();
        assert!(error.starts_with("no policy `p-FullAWSAcess` in the organization; the nearest: `p-FullAWSAccess`"), "{error}");
        let error = organization.apply(&attach("p-FullAWSAccess", "ou-mial")).unwrap_err();
        assert!(error.contains("no root, organizational unit or account `ou-mial`; the nearest: `ou-mail`"), "{error}");
        organization.apply(&set("lock")).unwrap();
        let error = organization.apply(&detach("lock", "r-1")).unwrap_err();
        assert_eq!(error, "`lock` is not attached at r-1 (Root); the nearest: `p-FullAWSAccess`");
        let error = organization.apply(&OrganizationEdit::Move { account: "ou-mail".to_owned(), to: "r-1".to_owned() }).unwrap_err();
        assert!(error.contains("only accounts move"), "{error}");
    }

    #[test]
    fn a_policy_that_is_made_is_named_by_its_name() {
        let mut organizations = Organizations::default();
        organizations.insert(organization());
        let OrganizationEdit::SetDocument { kind, document, .. } = set("x") else { panic!("a document") };
        let made = "<aws_organizations_policy.lock>".to_owned();
        let edits =
            [attach(&made, "r-1"), OrganizationEdit::SetDocument { policy_id: made.clone(), name: "lock".to_owned(), kind, document }];
        organizations.apply_all(&edits).unwrap();
        let levels = organizations.levels("333333333333", ControlType::Scp).unwrap();
        let names: Vec<&str> = levels.policies[0].iter().map(|policy| policy.name.as_str()).collect();
        assert!(names.contains(&"arn:aws:organizations::111111111111:policy/o-1/service_control_policy/lock"), "{names:?}");
    }

    #[test]
    fn a_document_that_is_not_known_leaves_the_layer_open() {
        let mut organization = organization();
        organization.apply(&set("lock")).unwrap();
        organization.apply(&attach("lock", "r-1")).unwrap();
        assert!(!organization.levels("222222222222", ControlType::Scp).unwrap().opaque);
        let OrganizationEdit::SetDocument { policy_id, name, kind, .. } = set("lock") else { panic!("a document") };
        organization.apply(&OrganizationEdit::SetDocument { policy_id, name, kind, document: None }).unwrap();
        assert!(organization.levels("222222222222", ControlType::Scp).unwrap().opaque);
    }
}
