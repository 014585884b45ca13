//! Users, roles and groups of a template: what they are to have, and no more.

use std::collections::BTreeMap;

use super::intrinsic::{is_known, unknown_names};
use super::names::{Identity, Named};
use super::resources::Reader;
use super::value::Value;
use crate::account::Boundary;
use crate::account::deployment::{Among, Edit, Holder, Managed, Subject, Target};
use crate::error::Result;

impl Reader<'_> {
    pub(super) fn holder(&mut self, properties: &Value, identity: &Identity) -> Result<()> {
        let Named::Holder(holder) = identity.named else { return Ok(()) };
        let (name, target) = (identity.name.clone(), self.target(holder, &identity.name));
        let boundary = self.boundary(properties);
        let (tags, open_tags) = tags(properties);
        if open_tags {
            self.unresolved("not all of `Tags` is known: what the tags are is unknown".to_owned());
        }
        if identity.is_there {
            self.update(&target, &identity.arn, boundary, (tags, open_tags));
        } else {
            let boundary = boundary.map(|policy| policy.arn(&identity.arn));
            self.edit(Edit::Holder { holder, arn: identity.arn.clone(), boundary, tags, open: open_tags });
        }
        self.has(holder, &name);
        for (at, policy) in properties.get("Policies").map(Value::elements).unwrap_or_default().to_vec().iter().enumerate() {
            if policy.as_text().is_some() {
                self.unresolved("not all of `Policies` is known; what else it permits is unknown".to_owned());
                self.has(holder, &name).open = true;
                continue;
            }
            let policy_name = self.policy_name(policy, &format!("{}.{at}", self.subject.address));
            self.put_inline(&target, &policy_name, policy)?;
        }
        let (policies, open) = self.managed(properties, "ManagedPolicyArns");
        self.has(holder, &name).open |= open;
        for policy in policies {
            self.attach(holder, &name, policy);
        }
        if holder == Holder::User {
            let before = std::mem::take(&mut self.open_groups);
            for group in self.names(properties, "Groups") {
                self.join(&name, &group);
            }
            let open = std::mem::replace(&mut self.open_groups, before);
            self.has(holder, &name).open_groups |= open;
        }
        Ok(())
    }

    pub(super) fn boundary(&mut self, properties: &Value) -> Option<Managed> {
        let boundary = properties.get("PermissionsBoundary")?.as_text()?.to_owned();
        if is_known(&boundary) {
            return Some(Managed::Arn(boundary));
        }
        let names: Vec<&str> = unknown_names(&boundary).collect();
        self.unresolved(format!("`PermissionsBoundary` is not known, for {}; what it permits is unknown", names.join(", ")));
        Some(Managed::Arn(format!("<PermissionsBoundary of {}>", self.subject.address)))
    }

    /// What of a user, role or group that is there is another.
    pub(super) fn update(&mut self, target: &Target, arn: &str, boundary: Option<Managed>, (tags, open): (BTreeMap<String, String>, bool)) {
        let Some(entity) = self.set.entities.get(arn) else { return };
        let known = match &entity.boundary {
            Some(Boundary::Managed(arn)) => Some(arn.clone()),
            Some(Boundary::Document(policy)) => Some(policy.name.clone()),
            None => None,
        };
        if known != boundary.as_ref().map(|policy| policy.arn(arn)) {
            self.edit(Edit::Boundary { target: target.clone(), policy: boundary });
        }
        // Tags of the stack itself stand in no template: those that it does not name stay.
        let before: BTreeMap<String, String> =
            entity.tags.iter().filter(|(tag, _)| tags.contains_key(*tag)).map(|(tag, value)| (tag.clone(), value.clone())).collect();
        if tags != before || open {
            self.edit(Edit::Tags { target: target.clone(), tags, before, open });
        }
    }

    pub(super) fn members(&mut self, properties: &Value) -> Result<()> {
        let Some(group) = self.text(properties, "GroupName") else {
            self.open_groups = true;
            for user in self.names(properties, "Users") {
                let user = self.target(Holder::User, &user);
                self.open(user);
            }
            return Ok(());
        };
        for user in self.names(properties, "Users") {
            self.join(&user, &group);
        }
        Ok(())
    }

    pub(super) fn join(&mut self, user: &str, group: &str) {
        let user_target = self.target(Holder::User, user);
        self.has(Holder::User, user).groups.push(group.to_lowercase());
        let groups = self.arn_of(&user_target).and_then(|arn| self.set.entities.get(&arn)).map(|entity| &entity.groups);
        if !groups.is_some_and(|groups| groups.iter().any(|known| known.eq_ignore_ascii_case(group))) {
            self.edit(Edit::Join { user: user_target, group: group.to_owned() });
        }
    }

    /// What users, roles and groups of the template have beside what it says goes.
    pub(super) fn whole(&mut self) {
        let identities: Vec<(String, Identity)> =
            self.identities.iter().map(|(name, identity)| ((*name).to_owned(), identity.clone())).collect();
        for (logical, identity) in identities {
            let Named::Holder(holder) = identity.named else { continue };
            let applied = identity.is_there && self.applied.contains(&logical);
            let Some(mut has) = self.has.remove(&(holder, identity.name.to_lowercase())).filter(|_| applied) else { continue };
            has.open |= self.open_kinds.contains(&holder);
            has.open_groups |= self.open_groups;
            let target = self.target(holder, &identity.name);
            self.subject = Subject { action: "update", address: logical };
            // What another template of the candidate gave it stays.
            let original = self.original.inline_names(&identity.arn);
            let inline = self.set.inline_names(&identity.arn);
            has.inline.extend(inline.iter().filter(|name| !original.contains(name)).cloned());
            if inline.iter().any(|name| !has.inline.contains(name)) {
                self.edit(Edit::OnlyInline { target: target.clone(), names: has.inline, open: has.open });
            }
            let original = self.original.attached_names(&identity.arn);
            let given = self.set.attached_names(&identity.arn).into_iter().filter(|arn| !original.contains(arn));
            has.attached.extend(given.map(Managed::Arn));
            let keep: Vec<String> = has.attached.iter().map(|policy| policy.arn(&identity.arn)).collect();
            if self.set.attached_names(&identity.arn).iter().any(|arn| !keep.contains(arn)) || has.open {
                self.edit(Edit::OnlyAttached { target: target.clone(), policies: has.attached, among: Among::All, open: has.open });
            }
            if has.open_groups {
                // Groups that are not known: a policy without a document.
                let policy = Managed::Arn(format!("<groups of {}>", self.subject.address));
                self.edit(Edit::Attach { target, policy });
                continue;
            }
            let groups = self.original.entities.get(&identity.arn).map(|entity| entity.groups.clone()).unwrap_or_default();
            for group in groups.into_iter().filter(|group| !has.groups.contains(&group.to_lowercase())) {
                self.edit(Edit::Leave { user: target.clone(), group });
            }
        }
    }
}

/// The tags of a user or role, and whether some are not known.
fn tags(properties: &Value) -> (BTreeMap<String, String>, bool) {
    let (mut tags, mut open) = (BTreeMap::new(), false);
    for tag in properties.get("Tags").map(Value::elements).unwrap_or_default() {
        let text = |name: &str| tag.get(name).and_then(Value::as_text).filter(|text| is_known(text));
        match (text("Key"), text("Value")) {
            (Some(key), Some(value)) => {
                tags.insert(key.to_owned(), value.to_owned());
            }
            _ => open = true,
        }
    }
    (tags, open)
}
