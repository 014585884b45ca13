//! In what two snapshots of the same accounts differ.

use std::collections::BTreeSet;

use super::aspect::Aspect;
use crate::account::policy_set::{Entity, Group, PolicySet};
use crate::iam::arn::Arn;

/// The aspects of the accounts of `older` in which it differs from `newer`.
pub(super) fn between(older: &PolicySet, newer: &PolicySet) -> BTreeSet<Aspect> {
    let shared =
        |arn: &str| Arn::parse(arn).is_some_and(|arn| older.accounts.contains(arn.account) && newer.accounts.contains(arn.account));
    let mut found = BTreeSet::new();
    let holders = |set: &PolicySet| set.entities.keys().chain(set.groups.keys()).filter(|arn| shared(arn)).cloned().collect::<Vec<_>>();
    for holder in holders(older).into_iter().chain(holders(newer)).collect::<BTreeSet<String>>() {
        found.extend(of_holder(&holder, older).into_iter().chain(of_holder(&holder, newer)).filter(|aspect| differ(aspect, older, newer)));
        if found.contains(&Aspect::Exists(holder.clone())) {
            // What it has goes and comes with it.
            found.extend(of_holder(&holder, older).into_iter().chain(of_holder(&holder, newer)));
        }
    }
    let managed = older.managed.keys().filter(|arn| newer.managed.contains_key(*arn) || shared(arn));
    let documents = managed.map(|arn| Aspect::Document(arn.clone()));
    found.extend(documents.filter(|aspect| differ(aspect, older, newer)));
    let controls = older.organizations.aspects().into_iter().chain(newer.organizations.aspects());
    found.extend(controls.filter(|aspect| differ(aspect, older, newer)));
    found
}

fn differ(aspect: &Aspect, older: &PolicySet, newer: &PolicySet) -> bool {
    matches!((aspect.read(older), aspect.read(newer)), (Some(older), Some(newer)) if older != newer)
}

/// Everything that a user, role or group has in a set.
pub(super) fn of_holder(holder: &str, set: &PolicySet) -> Vec<Aspect> {
    let own = || holder.to_owned();
    let mut aspects = vec![Aspect::Exists(own())];
    let mut policies = |inline: Vec<&String>, attached: &[String]| {
        aspects.extend(inline.into_iter().map(|name| Aspect::Inline(own(), name.clone())));
        aspects.extend(attached.iter().map(|arn| Aspect::Attached(own(), arn.clone())));
    };
    match (set.entities.get(holder), set.groups.get(holder)) {
        (Some(Entity { inline, attached, groups, tags, .. }), _) => {
            policies(inline.keys().collect(), attached);
            aspects.push(Aspect::Boundary(own()));
            aspects.extend(groups.iter().map(|group| Aspect::Member(own(), group.clone())));
            aspects.extend(tags.keys().map(|key| Aspect::Tag(own(), key.clone())));
        }
        (None, Some(Group { inline, attached, .. })) => policies(inline.keys().collect(), attached),
        (None, None) => {}
    }
    aspects
}
