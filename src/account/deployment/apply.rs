//! Edits applied to a policy set, each with a line that says what it does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::edit::{Edit, Holder, Managed, Target};
use super::{Account, Listed, Note, Step, Subject};
use crate::account::side_data::Tags;
use crate::account::{EntityKind, Policy, PolicySet};
use crate::iam::arn::{Arn, permission_set};

/// Applies edits, and says what they do.
pub(in crate::account) struct Run<'s> {
    pub(super) set: &'s mut PolicySet,
    /// The file of the plan or template.
    pub(super) file: &'s Path,
    /// ARNs by what they are, account and name in lower case: IAM tells names apart without their case.
    names: BTreeMap<(Holder, String, String), String>,
    /// Permission sets that the plan makes: nobody has them.
    new_sets: BTreeSet<String>,
    /// What was done, by the position of the change in the plan.
    pub(in crate::account) lines: Vec<(usize, Listed)>,
    pub(in crate::account) notes: Vec<Note>,
}

impl<'s> Run<'s> {
    /// Indexes the names of a set.
    pub(in crate::account) fn new(set: &'s mut PolicySet, file: &'s Path) -> Self {
        let holder = |kind: EntityKind| if kind == EntityKind::Role { Holder::Role } else { Holder::User };
        let entities = set.entities.values().map(|entity| (holder(entity.kind), &entity.arn));
        let all: Vec<(Holder, String)> =
            entities.chain(set.groups.keys().map(|arn| (Holder::Group, arn))).map(|(holder, arn)| (holder, arn.clone())).collect();
        let (names, new_sets) = (BTreeMap::new(), BTreeSet::new());
        let mut run = Self { set, file, names, new_sets, lines: Vec::new(), notes: Vec::new() };
        all.iter().for_each(|(holder, arn)| run.name(*holder, arn));
        run
    }

    fn name(&mut self, holder: Holder, arn: &str) {
        if let Some(parts) = Arn::parse(arn) {
            self.names.insert((holder, parts.account.to_owned(), parts.name().to_lowercase()), arn.to_owned());
        }
    }

    /// Applies the steps in the order of their phases.
    pub(in crate::account) fn apply(&mut self, mut steps: Vec<Step>) {
        steps.sort_by_key(|step| step.edit.phase());
        for step in &steps {
            match &step.edit {
                Edit::Policy { arn, document } => self.policy(step, arn, document.clone()),
                Edit::RemovePolicy { arn } => self.remove_policy(step, arn),
                Edit::Holder { holder, arn, boundary, tags, open } => {
                    self.holder(step, *holder, arn, boundary.as_deref(), tags);
                    self.open_tags(arn, *open);
                }
                Edit::RemoveHolder { holder, arn } => self.remove_holder(step, *holder, arn),
                Edit::Rename { holder, from, to } => self.rename(step, *holder, from, to),
                Edit::Boundary { target, policy } => self.boundary(step, target, policy.as_ref()),
                Edit::Tags { target, tags, before, open } => self.tags(step, target, (tags, before, *open)),
                Edit::Inline { target, name, document, update } => self.inline(step, target, name, document.as_ref(), *update),
                Edit::RemoveInline { target, name } => self.remove_inline(step, target, name),
                Edit::OnlyInline { target, names, open } => self.only_inline(step, target, names, *open),
                Edit::Attach { target, policy } => self.attach(step, target, policy),
                Edit::Detach { target, policy } => self.detach(step, target, policy),
                Edit::OnlyAttached { target, policies, among, open } => self.only_attached(step, target, policies, *among, *open),
                Edit::OnlyHolders { account, policy, holders, open } => self.only_holders(step, account, policy, holders, *open),
                Edit::PermissionSet { name } => {
                    self.new_sets.insert(name.clone());
                    self.say(step, format!("permission-set/{name}"));
                }
                Edit::RemovePermissionSet { name } => self.remove_permission_set(step, name),
                Edit::Join { user, group } => self.join(step, user, group),
                Edit::Leave { user, group } => self.leave(step, user, group),
                Edit::OnlyMembers { account, group, users, open } => self.only_members(step, account, group, users, *open),
            }
        }
    }

    pub(super) fn say(&mut self, step: &Step, what: String) {
        self.lines.push((step.at, Listed::new(&step.subject, what)));
    }

    /// Where a list is not wholly known, what it leaves out may be there: that is not said.
    pub(super) fn say_if(&mut self, sure: bool, step: &Step, what: String) {
        if sure {
            self.say(step, what);
        }
    }

    pub(super) fn unresolved(&mut self, step: &Step, reason: String) {
        let note = Note::new(&step.subject, reason, true);
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Whom a target names, by ARN, and how a listing calls them.
    pub(super) fn find(&mut self, step: &Step, target: &Target) -> (Vec<String>, String) {
        match target {
            Target::One { holder, account, name } => match self.names.get(&(*holder, account.id.clone(), name.to_lowercase())) {
                Some(arn) => (vec![arn.clone()], arn.clone()),
                None => {
                    let called = format!("{} {name} of account {}", holder.word(), account.id);
                    self.unresolved(step, format!("the baseline has no {called}: give a snapshot that has it"));
                    (Vec::new(), called)
                }
            },
            Target::PermissionSet(name) => {
                let entities = self.set.entities.values();
                let roles = entities.filter(|entity| entity.kind == EntityKind::Role && permission_set(&entity.arn) == Some(name.as_str()));
                let found: Vec<String> = roles.map(|entity| entity.arn.clone()).collect();
                if found.is_empty() && !self.new_sets.contains(name) {
                    self.unresolved(step, format!("the baseline has no role of permission-set/{name}: give a snapshot that has it"));
                }
                let called = format!("permission-set/{name}");
                (found, called)
            }
        }
    }

    fn policy(&mut self, step: &Step, arn: &str, document: Option<Arc<Policy>>) {
        let update = step.subject.action == "update";
        if update {
            self.expect_policy(step, arn);
        }
        let of = if update { "document of" } else { "policy" };
        self.say(step, format!("{of} {arn}{}", later(document.is_none())));
        self.set.managed.insert(arn.to_owned(), document);
    }

    fn remove_policy(&mut self, step: &Step, arn: &str) {
        self.expect_policy(step, arn);
        self.say(step, format!("policy {arn}{}", gone(&step.subject)));
        for holder in self.set.remove_managed(arn) {
            self.say(step, format!("detaches {arn} from {holder}"));
        }
    }

    fn expect_policy(&mut self, step: &Step, arn: &str) {
        if !self.set.managed.contains_key(arn) {
            self.unresolved(step, format!("the baseline has no policy {arn}: give a snapshot that has it"));
        }
    }

    fn holder(&mut self, step: &Step, holder: Holder, arn: &str, boundary: Option<&str>, tags: &BTreeMap<String, String>) {
        match holder.entity() {
            Some(kind) => self.set.add_entity(arn, kind),
            None => self.set.add_group(arn),
        }
        if let Some(entity) = self.set.entities.get_mut(arn) {
            entity.tags.clone_from(tags);
        }
        self.known(step, boundary);
        self.set.set_boundary(arn, boundary.map(str::to_owned));
        self.name(holder, arn);
        let with = boundary.map(|policy| format!(" with the boundary {policy}")).unwrap_or_default();
        self.say(step, format!("{} {arn}{with}", holder.word()));
    }

    fn remove_holder(&mut self, step: &Step, holder: Holder, arn: &str) {
        if !self.set.entities.contains_key(arn) && !self.set.groups.contains_key(arn) {
            self.unresolved(step, format!("the baseline has no {arn}: give a snapshot that has it"));
        }
        match holder.entity() {
            Some(_) => self.set.clear_entity(arn),
            None => self.set.remove_group(arn),
        }
        self.say(step, format!("{} {arn}{}", holder.word(), gone(&step.subject)));
    }

    fn remove_permission_set(&mut self, step: &Step, name: &str) {
        let (roles, called) = self.find(step, &Target::PermissionSet(name.to_owned()));
        self.say(step, format!("{called}{}", gone(&step.subject)));
        for role in roles {
            self.set.clear_entity(&role);
            self.say(step, format!("role {role} goes with it"));
        }
    }

    fn rename(&mut self, step: &Step, holder: Holder, from: &str, to: &str) {
        if !self.set.entities.contains_key(from) && !self.set.groups.contains_key(from) {
            self.unresolved(step, format!("the baseline has no {from}: give a snapshot that has it"));
        }
        match holder.entity() {
            Some(_) => self.set.rename_entity(from, to),
            None => self.set.rename_group(from, to),
        }
        self.names.retain(|_, arn| arn.as_str() != from);
        self.name(holder, to);
        self.say(step, format!("{} {from} becomes {to}", holder.word()));
    }

    fn boundary(&mut self, step: &Step, target: &Target, policy: Option<&Managed>) {
        let (found, called) = self.find(step, target);
        for holder in found {
            let arn = policy.map(|policy| policy.arn(&holder));
            self.known(step, arn.as_deref());
            self.set.set_boundary(&holder, arn);
        }
        self.say(
            step,
            match policy {
                Some(policy) => format!("boundary of {called} is {}", policy.shown()),
                None => format!("boundary of {called}{}", gone(&step.subject)),
            },
        );
    }

    /// Notes whether the tags of a user or role are known.
    fn open_tags(&mut self, arn: &str, open: bool) {
        match open {
            true => self.set.tags_open.insert(arn.to_owned()),
            false => self.set.tags_open.remove(arn),
        };
    }

    fn tags(&mut self, step: &Step, target: &Target, (tags, before, open): (&Tags, &Tags, bool)) {
        let (found, called) = self.find(step, target);
        let changed: Vec<(&String, &String)> = tags.iter().filter(|(tag, value)| before.get(*tag) != Some(*value)).collect();
        let removed: Vec<&String> = before.keys().filter(|tag| !tags.contains_key(*tag)).collect();
        for arn in &found {
            self.open_tags(arn, open);
            let Some(entity) = self.set.entities.get_mut(arn) else { continue };
            entity.tags.extend(changed.iter().map(|(tag, value)| ((*tag).clone(), (*value).clone())));
            entity.tags.retain(|tag, _| !removed.contains(&tag));
        }
        let texts =
            changed.iter().map(|(tag, value)| format!("`{tag}` is `{value}`")).chain(removed.iter().map(|tag| format!("`{tag}` removed")));
        let later = open.then(|| "some known after apply".to_owned());
        let texts: Vec<String> = texts.chain(later).collect();
        self.say(step, format!("tags of {called}: {}", texts.join(", ")));
    }

    fn join(&mut self, step: &Step, user: &Target, group: &str) {
        let (found, called) = self.find(step, user);
        self.say(step, format!("{called} joins the group {group}"));
        for user in found {
            self.add_to_group(step, &user, group);
        }
    }

    fn add_to_group(&mut self, step: &Step, user: &str, group: &str) {
        if self.set.group(user, group).is_none() {
            self.unresolved(step, format!("the baseline has no group {group} in the account of {user}: what it permits is unknown"));
        }
        if let Some(entity) = self.set.entities.get_mut(user).filter(|entity| !entity.groups.iter().any(|name| name == group)) {
            entity.groups.push(group.to_owned());
        }
    }

    fn leave(&mut self, step: &Step, user: &Target, group: &str) {
        let (found, called) = self.find(step, user);
        let had = |user: &String| self.set.entities.get(user).is_some_and(|entity| entity.groups.iter().any(|name| name == group));
        if !found.is_empty() && !found.iter().any(had) {
            self.unresolved(
                step,
                format!("the baseline does not have {called} in the group {group}: is the snapshot older than the plan?"),
            );
        }
        for user in found {
            self.take_from_group(&user, group);
        }
        self.say(step, format!("{called} leaves the group {group}"));
    }

    fn take_from_group(&mut self, user: &str, group: &str) {
        if let Some(entity) = self.set.entities.get_mut(user) {
            entity.groups.retain(|name| name != group);
        }
    }

    fn only_members(&mut self, step: &Step, account: &Account, group: &str, users: &[Target], open: bool) {
        let (mut keep, mut called) = (Vec::new(), Vec::new());
        for target in users {
            let (found, name) = self.find(step, target);
            keep.extend(found);
            called.push(name);
        }
        self.say(step, format!("members of the group {group}{}", whole(&called, open)));
        let members = self.set.entities.values().filter(|entity| entity.groups.iter().any(|name| name == group));
        let others: Vec<String> =
            members.map(|entity| entity.arn.clone()).filter(|arn| of_account(arn, account) && !keep.contains(arn)).collect();
        for user in others {
            self.take_from_group(&user, group);
            self.say_if(!open, step, format!("{user} leaves the group {group}"));
            self.rest(step, &user, open);
        }
        for user in keep {
            self.add_to_group(step, &user, group);
        }
    }
}

/// What a listing says of that which goes, where the action does not say it.
pub(in crate::account) fn gone(subject: &Subject) -> &'static str {
    if subject.action == "delete" { "" } else { " removed" }
}

pub(super) fn later(unknown: bool) -> &'static str {
    if unknown { ", known after apply" } else { "" }
}

/// The end of a line about a whole list.
pub(super) fn whole(names: &[String], open: bool) -> String {
    match (names.is_empty(), open) {
        (true, false) => ": none".to_owned(),
        (false, false) => format!(": only {}", names.join(", ")),
        (true, true) => ", known after apply".to_owned(),
        (false, true) => format!(": only {}, and what is known after apply", names.join(", ")),
    }
}

pub(super) fn of_account(arn: &str, account: &Account) -> bool {
    Arn::parse(arn).is_some_and(|arn| arn.account == account.id)
}
