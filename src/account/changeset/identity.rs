//! Changes of users, roles, groups and managed policies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{ChangeSet, stem};
use crate::account::bundle::Policy;
use crate::account::policy_set::{Boundary, Entity, EntityKind, Group, PolicySet};
use crate::error::Result;
use crate::iam::arn::{Arn, permission_set};
use crate::iam::{Pattern, PolicyType};

/// The inline policies of a user, role or group.
type Inline = BTreeMap<String, Arc<Policy>>;

impl ChangeSet {
    pub(super) fn replace_managed(&self, set: &mut PolicySet, line: usize, policy: &str, with: &str) -> Result<Vec<String>> {
        let pattern = Pattern::glob(policy);
        let arns: Vec<String> = match set.managed.contains_key(policy) {
            true => vec![policy.to_owned()],
            false => set.managed.keys().filter(|arn| pattern.matches(arn)).cloned().collect(),
        };
        if arns.is_empty() {
            return Err(self.unknown(line, "no managed policy", policy, set.managed.keys()));
        }
        for arn in &arns {
            let document = self.policy(set, line, with, PolicyType::Identity, arn.clone())?;
            set.managed.insert(arn.clone(), Some(document));
        }
        Ok(arns)
    }

    pub(super) fn replace_inline(&self, set: &mut PolicySet, line: usize, name: &str, of: &[String], with: &str) -> Result<Vec<String>> {
        let holders = self.holders(set, line, name, of)?;
        for holder in &holders {
            let document = self.policy(set, line, with, PolicyType::Identity, format!("{holder}/{name}"))?;
            if let Some(inline) = inline(set, holder) {
                inline.insert(name.to_owned(), document);
            }
        }
        Ok(holders)
    }

    pub(super) fn remove_inline(&self, set: &mut PolicySet, line: usize, name: &str, of: &[String]) -> Result<Vec<String>> {
        let holders = self.holders(set, line, name, of)?;
        for holder in &holders {
            if let Some(inline) = inline(set, holder) {
                inline.remove(name);
            }
        }
        Ok(holders)
    }

    /// Those of `of` that have an inline policy of a name. Each of `of` has to find one.
    fn holders(&self, set: &PolicySet, line: usize, name: &str, of: &[String]) -> Result<Vec<String>> {
        let mut holders = BTreeSet::new();
        for text in of {
            let targets = self.targets(set, line, std::slice::from_ref(text), true)?;
            let has = |arn: &&String| inline_of(set, arn).is_some_and(|inline| inline.contains_key(name));
            let before = holders.len();
            holders.extend(targets.iter().filter(has).cloned());
            if holders.len() == before && !targets.iter().any(|arn| holders.contains(arn)) {
                let names: BTreeSet<&String> = targets.iter().filter_map(|arn| inline_of(set, arn)).flat_map(BTreeMap::keys).collect();
                return Err(self.unknown(line, &format!("`{text}` has no inline policy"), name, names.into_iter()));
            }
        }
        Ok(holders.into_iter().collect())
    }

    pub(super) fn remove(&self, set: &mut PolicySet, line: usize, what: &[String]) -> Result<Vec<String>> {
        let targets = self.targets(set, line, what, false)?;
        targets.iter().for_each(|arn| {
            set.remove(arn);
        });
        Ok(targets)
    }

    pub(super) fn attach(&self, set: &mut PolicySet, line: usize, policy: &str, to: &[String]) -> Result<Vec<String>> {
        let managed = policy.starts_with("arn:");
        if managed && !set.managed.contains_key(policy) {
            return Err(self.unknown(line, "no managed policy", policy, set.managed.keys()));
        }
        let targets = self.targets(set, line, to, false)?;
        for target in &targets {
            if managed {
                if let Some(arns) = attached(set, target).filter(|arns| !arns.iter().any(|arn| arn == policy)) {
                    arns.push(policy.to_owned());
                }
                continue;
            }
            let name = stem(policy);
            let document = self.policy(set, line, policy, PolicyType::Identity, format!("{target}/{name}"))?;
            let there = inline_of(set, target).and_then(|inline| inline.get(&name));
            if there.is_some_and(|there| there.document != document.document) {
                let help = format!("to give it another document, write `replace = \"{name}\"` with `of`; to add one, rename the file");
                return Err(self.error(line, policy, format!("`{target}` has another inline policy `{name}`"), &help));
            }
            if let Some(inline) = inline(set, target) {
                inline.insert(name, document);
            }
        }
        Ok(targets)
    }

    pub(super) fn detach(&self, set: &mut PolicySet, line: usize, policy: &str, from: &[String]) -> Result<Vec<String>> {
        let pattern = Pattern::glob(policy);
        let mut detached = Vec::new();
        for target in self.targets(set, line, from, true)? {
            let Some(arns) = attached(set, &target) else { continue };
            let before = arns.len();
            arns.retain(|arn| arn != policy && !pattern.matches(arn));
            if arns.len() < before {
                detached.push(target);
            }
        }
        if detached.is_empty() {
            let of_entities = set.entities.values().flat_map(|entity| &entity.attached);
            let attached: BTreeSet<&String> = of_entities.chain(set.groups.values().flat_map(|group| &group.attached)).collect();
            return Err(self.unknown(line, "nothing in `from` has the attached policy", policy, attached.into_iter()));
        }
        Ok(detached)
    }

    pub(super) fn set_boundary(&self, set: &mut PolicySet, line: usize, policy: &str, to: &[String]) -> Result<Vec<String>> {
        let targets = self.entities(set, line, to, "a permissions boundary")?;
        for target in &targets {
            let boundary = match policy {
                "" => None,
                arn if arn.starts_with("arn:") => Some(Boundary::Managed(arn.to_owned())),
                file => {
                    let name = format!("{target}/{}", stem(file));
                    Some(Boundary::Document(self.policy(set, line, file, PolicyType::Boundary, name)?))
                }
            };
            if let Some(entity) = set.entities.get_mut(target) {
                entity.boundary = boundary;
            }
        }
        Ok(targets)
    }

    pub(super) fn make(
        &self,
        set: &mut PolicySet,
        line: usize,
        arn: &str,
        groups: &[String],
        members: &[String],
        tags: BTreeMap<String, String>,
    ) -> Result<Vec<String>> {
        if set.entities.contains_key(arn) || set.groups.contains_key(arn) {
            return Err(self.error(line, arn, format!("`{arn}` is there already"), "leave this change away, or write another name"));
        }
        let resource = Arn::parse(arn).map(|arn| arn.resource).unwrap_or_default();
        let kind = if resource.starts_with("user/") { EntityKind::User } else { EntityKind::Role };
        if resource.starts_with("group/") {
            set.groups.insert(arn.to_owned(), Group { arn: arn.to_owned(), inline: BTreeMap::new(), attached: Vec::new() });
            return if members.is_empty() { Ok(Vec::new()) } else { self.join(set, line, arn, members) };
        }
        let mut names = Vec::new();
        for group in groups {
            names.push(self.group(set, line, arn, group)?);
        }
        set.insert(Entity {
            arn: arn.to_owned(),
            id: String::new(),
            kind,
            inline: BTreeMap::new(),
            attached: Vec::new(),
            groups: names,
            boundary: None,
            tags,
        });
        Ok(Vec::new())
    }

    /// The name of a group that is named by ARN or, as one of a user's account, by name.
    fn group(&self, set: &PolicySet, line: usize, user: &str, group: &str) -> Result<String> {
        let found = if group.starts_with("arn:") { set.groups.get(group) } else { set.group(user, group) };
        let name = found.and_then(|group| Arn::parse(&group.arn)).map(|arn| arn.name().to_owned());
        name.ok_or_else(|| self.unknown(line, "no group", group, set.groups.keys()))
    }

    pub(super) fn join(&self, set: &mut PolicySet, line: usize, group: &str, users: &[String]) -> Result<Vec<String>> {
        let users = self.users(set, line, group, users)?;
        for user in &users {
            let name = self.group(set, line, user, group)?;
            if let Some(entity) = set.entities.get_mut(user).filter(|entity| !entity.groups.contains(&name)) {
                entity.groups.push(name);
            }
        }
        Ok(users)
    }

    pub(super) fn leave(&self, set: &mut PolicySet, line: usize, group: &str, users: &[String]) -> Result<Vec<String>> {
        let mut left = Vec::new();
        for user in self.users(set, line, group, users)? {
            let name = group.rsplit('/').next().unwrap_or(group);
            let Some(entity) = set.entities.get_mut(&user) else { continue };
            let before = entity.groups.len();
            entity.groups.retain(|own| own != name);
            if entity.groups.len() < before {
                left.push(user);
            }
        }
        if left.is_empty() {
            return Err(self.unknown(line, "nobody in `from` is in the group", group, set.groups.keys()));
        }
        Ok(left)
    }

    pub(super) fn tag(&self, set: &mut PolicySet, line: usize, tags: &BTreeMap<String, String>, to: &[String]) -> Result<Vec<String>> {
        let targets = self.entities(set, line, to, "tags that policies can look at")?;
        for target in &targets {
            if let Some(entity) = set.entities.get_mut(target) {
                entity.tags.extend(tags.iter().map(|(name, value)| (name.clone(), value.clone())));
            }
        }
        Ok(targets)
    }

    /// The users and roles among what patterns name. Each pattern has to name one: a group has no `what`.
    fn entities(&self, set: &PolicySet, line: usize, patterns: &[String], what: &str) -> Result<Vec<String>> {
        let mut found = BTreeSet::new();
        for text in patterns {
            let named = self.targets(set, line, std::slice::from_ref(text), false)?;
            let entities: Vec<String> = named.into_iter().filter(|arn| set.entities.contains_key(arn)).collect();
            if entities.is_empty() {
                let message = format!("`{text}` is a group, and a group has no {what}");
                return Err(self.error(line, text, message, "name users and roles; the members of a group are users"));
            }
            found.extend(entities);
        }
        Ok(found.into_iter().collect())
    }

    /// The users among what patterns name, of the account of a group that is named by ARN.
    fn users(&self, set: &PolicySet, line: usize, group: &str, patterns: &[String]) -> Result<Vec<String>> {
        let account = Arn::parse(group).map(|arn| arn.account);
        let fits = |arn: &String| {
            let is_user = set.entities.get(arn).is_some_and(|entity| entity.kind == EntityKind::User);
            is_user && account.is_none_or(|account| Arn::parse(arn).is_some_and(|arn| arn.account == account))
        };
        let users: Vec<String> = self.targets(set, line, patterns, false)?.into_iter().filter(|arn| fits(arn)).collect();
        if users.is_empty() {
            let known: Vec<&String> = set.entities.keys().filter(|arn| fits(arn)).collect();
            return Err(self.unknown(
                line,
                "no user of its account matches",
                patterns.first().map_or("", String::as_str),
                known.into_iter(),
            ));
        }
        Ok(users)
    }

    /// The ARNs that the patterns name, sorted. Groups are named where a pattern says so, or with `groups`.
    pub(super) fn targets(&self, set: &PolicySet, line: usize, patterns: &[String], groups: bool) -> Result<Vec<String>> {
        let mut found = BTreeSet::new();
        for text in patterns {
            let own: Vec<&String> = match text.strip_prefix("permission-set/") {
                Some(name) => {
                    let of_set = |entity: &&Entity| entity.kind == EntityKind::Role && permission_set(&entity.arn) == Some(name);
                    set.entities.values().filter(of_set).map(|entity| &entity.arn).collect()
                }
                None => {
                    let pattern = Pattern::glob(text);
                    let of_groups = set.groups.keys().filter(|_| groups || text.contains(":group/"));
                    set.entities.keys().chain(of_groups).filter(|arn| pattern.matches(arn)).collect()
                }
            };
            if own.is_empty() {
                let sets = set.entities.keys().filter_map(|arn| permission_set(arn)).map(|name| format!("permission-set/{name}"));
                let names: Vec<String> = set.entities.keys().chain(set.groups.keys()).cloned().chain(sets).collect();
                return Err(self.unknown(line, "nothing matches", text, names.iter()));
            }
            found.extend(own.into_iter().cloned());
        }
        Ok(found.into_iter().collect())
    }
}

/// The inline policies of a user, role or group, to be read.
fn inline_of<'s>(set: &'s PolicySet, holder: &str) -> Option<&'s Inline> {
    match set.entities.get(holder) {
        Some(entity) => Some(&entity.inline),
        None => set.groups.get(holder).map(|group| &group.inline),
    }
}

/// The inline policies of a user, role or group, to be changed.
fn inline<'s>(set: &'s mut PolicySet, holder: &str) -> Option<&'s mut Inline> {
    match set.entities.get_mut(holder) {
        Some(entity) => Some(&mut entity.inline),
        None => set.groups.get_mut(holder).map(|group| &mut group.inline),
    }
}

/// The managed policies that are attached to a user, role or group.
fn attached<'s>(set: &'s mut PolicySet, holder: &str) -> Option<&'s mut Vec<String>> {
    match set.entities.get_mut(holder) {
        Some(entity) => Some(&mut entity.attached),
        None => set.groups.get_mut(holder).map(|group| &mut group.attached),
    }
}
