//! Edits of a policy set: what an account does to its users, roles, groups and policies.
//!
//! A holder is a user, role or group by its ARN.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::bundle::Policy;
use super::policy_set::{Boundary, Entity, EntityKind, Group, PolicySet};
use crate::iam::arn::Arn;

/// The inline policies of a holder, and the ARNs of its attached ones.
type Policies<'p> = (&'p BTreeMap<String, Arc<Policy>>, &'p Vec<String>);
/// The same, to be changed.
type PoliciesMut<'p> = (&'p mut BTreeMap<String, Arc<Policy>>, &'p mut Vec<String>);

impl PolicySet {
    /// Adds a user or role without policies. One that is there keeps what it has.
    pub(super) fn add_entity(&mut self, arn: &str, kind: EntityKind) {
        if self.entities.contains_key(arn) {
            return;
        }
        self.insert(Entity {
            arn: arn.to_owned(),
            id: String::new(),
            kind,
            inline: BTreeMap::new(),
            attached: Vec::new(),
            groups: Vec::new(),
            boundary: None,
            tags: BTreeMap::new(),
        });
    }

    /// Takes everything from a user or role. It stays in the set: of one that is gone it is known that it may do
    /// nothing, of one that the set does not have nothing is known.
    pub(super) fn clear_entity(&mut self, arn: &str) {
        if let Some(entity) = self.entities.get_mut(arn) {
            entity.inline.clear();
            entity.attached.clear();
            entity.groups.clear();
            entity.boundary = None;
        }
    }

    /// Gives a user or role another ARN; its unique id stays.
    pub(super) fn rename_entity(&mut self, from: &str, to: &str) {
        if let Some(mut entity) = self.entities.remove(from) {
            rename_policies(from, to, &mut entity.inline, &mut entity.attached);
            entity.arn = to.to_owned();
            self.insert(entity);
        }
    }

    /// Adds a group without policies. One that is there keeps what it has.
    pub(super) fn add_group(&mut self, arn: &str) {
        let new = || Group { arn: arn.to_owned(), inline: BTreeMap::new(), attached: Vec::new() };
        self.groups.entry(arn.to_owned()).or_insert_with(new);
    }

    /// Removes a group; its members leave it.
    pub(super) fn remove_group(&mut self, arn: &str) {
        if self.groups.remove(arn).is_some() {
            self.members(arn, |groups, name| groups.retain(|group| group != name));
        }
    }

    /// Gives a group another ARN; its members stay.
    pub(super) fn rename_group(&mut self, from: &str, to: &str) {
        let Some(mut group) = self.groups.remove(from) else { return };
        rename_policies(from, to, &mut group.inline, &mut group.attached);
        group.arn = to.to_owned();
        self.groups.insert(to.to_owned(), group);
        let new = Arn::parse(to).map_or(to, |arn| arn.name());
        self.members(from, |groups, name| {
            for group in groups.iter_mut().filter(|group| group.as_str() == name) {
                *group = new.to_owned();
            }
        });
    }

    /// Applies an edit to the groups of every user of a group's account.
    fn members(&mut self, group: &str, edit: impl Fn(&mut Vec<String>, &str)) {
        let Some(group) = Arn::parse(group) else { return };
        let own = |arn: &str| Arn::parse(arn).is_some_and(|arn| arn.account == group.account);
        for entity in self.entities.values_mut().filter(|entity| own(&entity.arn)) {
            edit(&mut entity.groups, group.name());
        }
    }

    /// Removes a managed policy, and detaches it from everyone who has it; returns them. A boundary that it is stays
    /// one, of which the document is missing.
    pub(super) fn remove_managed(&mut self, policy: &str) -> Vec<String> {
        self.managed.remove(policy);
        let holders = self.attached_to(policy);
        for holder in &holders {
            self.detach_policy(holder, policy);
        }
        holders
    }

    /// Who has a managed policy attached: users and roles, then groups, by ARN.
    pub(super) fn attached_to(&self, policy: &str) -> Vec<String> {
        let has = |attached: &[String]| attached.iter().any(|arn| arn == policy);
        let entities = self.entities.values().filter(|entity| has(&entity.attached)).map(|entity| entity.arn.clone());
        let groups = self.groups.values().filter(|group| has(&group.attached)).map(|group| group.arn.clone());
        entities.chain(groups).collect()
    }

    /// Sets an inline policy. Without a document it is one of which nothing is known.
    pub(super) fn set_inline(&mut self, holder: &str, name: &str, document: Option<Arc<Policy>>) {
        self.remove_inline(holder, name);
        let Some((inline, attached)) = self.policies_of(holder) else { return };
        match document {
            Some(document) => {
                inline.insert(name.to_owned(), document);
            }
            None => attached.push(inline_policy(holder, name)),
        }
    }

    /// Removes an inline policy.
    pub(super) fn remove_inline(&mut self, holder: &str, name: &str) {
        if let Some((inline, attached)) = self.policies_of(holder) {
            let unknown = inline_policy(holder, name);
            inline.remove(name);
            attached.retain(|arn| *arn != unknown);
        }
    }

    /// The names of a holder's inline policies, also of those without a document.
    pub(super) fn inline_names(&self, holder: &str) -> Vec<String> {
        let Some((inline, attached)) = self.policies(holder) else { return Vec::new() };
        let prefix = inline_policy(holder, "");
        inline.keys().cloned().chain(attached.iter().filter_map(|arn| arn.strip_prefix(&prefix)).map(str::to_owned)).collect()
    }

    /// The ARNs of a holder's attached managed policies.
    pub(super) fn attached_names(&self, holder: &str) -> Vec<String> {
        let Some((_, attached)) = self.policies(holder) else { return Vec::new() };
        let prefix = inline_policy(holder, "");
        attached.iter().filter(|arn| !arn.starts_with(&prefix)).cloned().collect()
    }

    /// Attaches a managed policy, once.
    pub(super) fn attach_policy(&mut self, holder: &str, policy: &str) {
        if let Some((_, attached)) = self.policies_of(holder).filter(|(_, attached)| !attached.iter().any(|arn| arn == policy)) {
            attached.push(policy.to_owned());
        }
    }

    /// Detaches a managed policy.
    pub(super) fn detach_policy(&mut self, holder: &str, policy: &str) {
        if let Some((_, attached)) = self.policies_of(holder) {
            attached.retain(|arn| arn != policy);
        }
    }

    /// Sets the permissions boundary of a user or role.
    pub(super) fn set_boundary(&mut self, holder: &str, policy: Option<String>) {
        if let Some(entity) = self.entities.get_mut(holder) {
            entity.boundary = policy.map(Boundary::Managed);
        }
    }

    /// Sets the permissions boundary of a user or role, a managed policy or a document.
    pub(super) fn set_boundary_as(&mut self, holder: &str, boundary: Option<Boundary>) {
        if let Some(entity) = self.entities.get_mut(holder) {
            entity.boundary = boundary;
        }
    }

    fn policies(&self, holder: &str) -> Option<Policies<'_>> {
        match self.entities.get(holder) {
            Some(entity) => Some((&entity.inline, &entity.attached)),
            None => self.groups.get(holder).map(|group| (&group.inline, &group.attached)),
        }
    }

    fn policies_of(&mut self, holder: &str) -> Option<PoliciesMut<'_>> {
        match self.entities.get_mut(holder) {
            Some(entity) => Some((&mut entity.inline, &mut entity.attached)),
            None => self.groups.get_mut(holder).map(|group| (&mut group.inline, &mut group.attached)),
        }
    }
}

/// The name of an inline policy. One without a document stands among the attached policies by it: a policy that is
/// named and not there.
fn inline_policy(holder: &str, name: &str) -> String {
    format!("{holder}/{name}")
}

fn rename_policies(from: &str, to: &str, inline: &mut BTreeMap<String, Arc<Policy>>, attached: &mut [String]) {
    for (name, policy) in inline.iter_mut() {
        let (file, document) = (policy.file.clone(), policy.document.clone());
        *policy = Arc::new(Policy { name: inline_policy(to, name), file, document });
    }
    let prefix = inline_policy(from, "");
    for arn in attached {
        if let Some(name) = arn.strip_prefix(&prefix) {
            *arn = inline_policy(to, name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::PrincipalKey;
    use crate::iam::{PolicyType, parse};

    const ALICE: &str = "arn:aws:iam::111122223333:user/alice";
    const OPS: &str = "arn:aws:iam::111122223333:group/ops";
    const MAIL: &str = "arn:aws:iam::111122223333:policy/Mail";

    fn policy(name: &str) -> Arc<Policy> {
        let text = r#"{"Statement": {"Effect": "Allow", "Action": "workmail:*", "Resource": "*"}}"#;
        Arc::new(Policy { name: name.to_owned(), file: None, document: parse::document(text, PolicyType::Identity).unwrap() })
    }

    fn bundle(set: &PolicySet, arn: &str) -> crate::account::Bundle {
        set.bundle(&PrincipalKey { arn: arn.to_owned(), id: "AIDAEXAMPLEALICE0000".to_owned(), account: "111122223333".to_owned() })
    }

    /// What somebody has who has nothing; no organization covers the account.
    fn nothing() -> crate::account::Bundle {
        crate::account::Bundle { scps_opaque: true, ..crate::account::Bundle::default() }
    }

    /// Alice, in the group ops, which has a managed policy.
    fn set() -> PolicySet {
        let mut set = PolicySet::default();
        set.add_entity(ALICE, EntityKind::User);
        set.add_group(OPS);
        set.managed.insert(MAIL.to_owned(), Some(policy(MAIL)));
        set.attach_policy(OPS, MAIL);
        set.attach_policy(OPS, MAIL);
        set.entities.get_mut(ALICE).unwrap().groups.push("ops".to_owned());
        set
    }

    #[test]
    fn an_inline_policy_without_a_document_makes_the_layer_opaque_until_it_has_one() {
        let mut set = set();
        set.set_inline(ALICE, "own", None);
        assert_eq!(set.inline_names(ALICE), ["own"]);
        assert!(set.attached_names(ALICE).is_empty());
        assert!(bundle(&set, ALICE).identity_opaque.unwrap().contains("user/alice/own"));
        set.set_inline(ALICE, "own", Some(policy("own")));
        assert_eq!((bundle(&set, ALICE).identity.len(), bundle(&set, ALICE).identity_opaque), (2, None));
    }

    #[test]
    fn who_is_deleted_may_do_nothing_and_is_still_known() {
        let mut set = set();
        set.clear_entity(ALICE);
        assert_eq!(bundle(&set, ALICE), nothing());
    }

    #[test]
    fn a_group_that_goes_or_is_renamed_takes_its_members_along() {
        let mut set = set();
        set.rename_group(OPS, "arn:aws:iam::111122223333:group/mail/operators");
        assert_eq!(bundle(&set, ALICE).identity.len(), 1);
        set.remove_group("arn:aws:iam::111122223333:group/mail/operators");
        assert_eq!(bundle(&set, ALICE), nothing());
    }

    #[test]
    fn a_user_that_is_renamed_keeps_id_and_policies() {
        let mut set = set();
        set.entities.get_mut(ALICE).unwrap().id = "AIDAEXAMPLEALICE0000".to_owned();
        set.set_inline(ALICE, "own", Some(policy("own")));
        let new = "arn:aws:iam::111122223333:user/mail/alice";
        let entity = set.entities.remove(ALICE).unwrap();
        set.insert(entity);
        set.rename_entity(ALICE, new);
        let found = bundle(&set, ALICE);
        assert_eq!(found.identity.first().unwrap().name, format!("{new}/own"));
    }

    #[test]
    fn a_managed_policy_that_goes_is_detached_from_everyone() {
        let mut set = set();
        assert_eq!(set.remove_managed(MAIL), [OPS]);
        assert_eq!(bundle(&set, ALICE), nothing());
    }
}
