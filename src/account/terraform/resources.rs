//! Resources of IAM as edits.

use std::collections::BTreeMap;

use super::change::{Given, ResourceChange};
use super::meaning::{Identity, Reader};
use super::plan::Action;
use crate::account::deployment::{Among, Edit, Holder, Managed, Target};
use crate::error::Result;

impl<'p> Reader<'p> {
    pub(super) fn policy(&mut self, change: &'p ResourceChange) -> Result<()> {
        let old = if change.action == Action::Create { None } else { Some(self.was(change, "policy")?.arn) };
        let new = if change.action.makes() { Some(self.will_be(change, "policy")?.arn) } else { None };
        if let Some(arn) = old.filter(|arn| new.as_ref() != Some(arn)) {
            self.edit(change, Edit::RemovePolicy { arn });
        }
        if let Some(arn) = new
            && (change.action != Action::Update || change.differs("policy"))
        {
            let document = self.document(change, "policy", &arn);
            self.edit(change, Edit::Policy { arn, document });
        }
        Ok(())
    }

    pub(super) fn holder(&mut self, change: &'p ResourceChange, holder: Holder) -> Result<()> {
        if change.action.removes() {
            let arn = self.was(change, holder.word())?.arn;
            self.edit(change, Edit::RemoveHolder { holder, arn });
        }
        if !change.action.makes() {
            return Ok(());
        }
        let new = self.will_be(change, holder.word())?;
        if change.action == Action::Replace {
            self.pass_over(change, "what is attached to the old one goes with it, also where the plan does nothing about it");
        }
        if change.action == Action::Update {
            self.update_holder(change, holder, &new)?;
        } else {
            let boundary = self.managed(change, "permissions_boundary")?.map(|policy| policy.arn(&new.arn));
            let (tags, _, open) = self.tags(change);
            self.edit(change, Edit::Holder { holder, arn: new.arn.clone(), boundary, tags, open });
        }
        if holder == Holder::Role {
            self.inline_blocks(change, &new);
            self.managed_arns(change, &new)?;
            if change.differs("assume_role_policy") {
                self.trust.push(change.address.clone());
            }
        }
        Ok(())
    }

    fn update_holder(&mut self, change: &'p ResourceChange, holder: Holder, new: &Identity) -> Result<()> {
        let old = self.was(change, holder.word())?;
        if old.arn != new.arn && !new.name.starts_with('<') {
            self.edit(change, Edit::Rename { holder, from: old.arn, to: new.arn.clone() });
        }
        if holder == Holder::Group {
            return Ok(());
        }
        if change.differs("permissions_boundary") {
            let policy = self.managed(change, "permissions_boundary")?;
            self.edit(change, Edit::Boundary { target: target(holder, new), policy });
        }
        let (tags, before, open) = self.tags(change);
        if tags != before || open {
            self.edit(change, Edit::Tags { target: target(holder, new), tags, before, open });
        }
        Ok(())
    }

    /// The tags as they will be and as they were, those of the provider's defaults included where the plan knows them.
    /// Also whether some are known only after apply.
    fn tags(&mut self, change: &ResourceChange) -> (BTreeMap<String, String>, BTreeMap<String, String>, bool) {
        let whole = matches!(change.given("tags_all"), Given::Known(_)) && (change.action != Action::Update || change.had("tags_all"));
        let name = if whole { "tags_all" } else { "tags" };
        let (mut tags, open) = change.map(name);
        let before = change.old_map(name);
        if open {
            self.unresolved(change, format!("not all of `{name}` is known before apply: what the tags are is unknown"));
            before.iter().for_each(|(tag, value)| {
                tags.entry(tag.clone()).or_insert_with(|| value.clone());
            });
        }
        (tags, before, open)
    }

    /// Whether a role says itself which policies it has: what it does not say is what other resources attach.
    fn claims(&self, change: &ResourceChange, attribute: &str) -> bool {
        let known = matches!(change.given(attribute), Given::Known(_));
        let changes = change.action != Action::Update || change.differs(attribute);
        changes
            && match self.plan.configuration.writes(change, attribute) {
                Some(true) => true,
                // `dynamic` blocks are not in the configuration of a plan.
                Some(false) => known,
                None => known || change.is_unknown(attribute),
            }
    }

    /// The `inline_policy` blocks of a role: it has no others.
    fn inline_blocks(&mut self, change: &'p ResourceChange, role: &Identity) {
        if !self.claims(change, "inline_policy") {
            return;
        }
        let target = target(Holder::Role, role);
        let (mut names, open) = (Vec::new(), change.is_unknown("inline_policy"));
        let blocks = if let Given::Known(value) = change.given("inline_policy") { value.as_array().map_or(0, Vec::len) } else { 0 };
        for block in 0..blocks {
            let place = format!("inline_policy/{block}/policy");
            let name = match (change.text(&format!("inline_policy/{block}/name")), change.text(&place)) {
                // A block without a document stands for no policy.
                (_, Given::Nothing) => continue,
                (Given::Known(name), Given::Known(text)) if change.action == Action::Update && change.old_inline(name) == Some(text) => {
                    names.push(name.to_owned());
                    continue;
                }
                (Given::Known(name), _) => name.to_owned(),
                _ => format!("<inline policy {block} of {}>", change.address.replace('/', ".")),
            };
            let document = change.documents.get(&place).cloned();
            names.push(name.clone());
            let update = change.action == Action::Update && change.old_inline(&name).is_some();
            self.edit(change, Edit::Inline { target: target.clone(), name, document, update });
        }
        if open {
            self.unresolved(change, "`inline_policy` is known after apply; what it permits is unknown".to_owned());
        }
        if open || change.action == Action::Update {
            self.edit(change, Edit::OnlyInline { target, names, open });
        }
    }

    /// The `managed_policy_arns` of a role: it has no others.
    fn managed_arns(&mut self, change: &'p ResourceChange, role: &Identity) -> Result<()> {
        if !self.claims(change, "managed_policy_arns") {
            return Ok(());
        }
        let target = target(Holder::Role, role);
        let old = if change.action == Action::Update { change.old_list("managed_policy_arns") } else { Vec::new() };
        let (policies, open) = self.managed_list(change, "managed_policy_arns")?;
        for policy in policies.iter().filter(|policy| !old.contains(&policy.arn(&role.arn))) {
            self.edit(change, Edit::Attach { target: target.clone(), policy: policy.clone() });
        }
        if open || change.action == Action::Update {
            self.edit(change, Edit::OnlyAttached { target, policies, among: Among::All, open });
        }
        Ok(())
    }

    pub(super) fn inline(&mut self, change: &'p ResourceChange, holder: Holder) -> Result<()> {
        let old = if change.action.removes() { self.old_target(change, holder.word(), holder)? } else { None };
        let old = old.zip(change.was("name").map(str::to_owned));
        let writes = change.action != Action::Update || change.differs("policy");
        let new = if change.action.makes() && writes { self.target(change, holder.word(), holder)? } else { None };
        let new = new.map(|target| (target, inline_name(change)));
        if let Some((target, name)) = old.filter(|old| new.as_ref() != Some(old)) {
            self.edit(change, Edit::RemoveInline { target, name });
        }
        if let Some((target, name)) = new {
            let document = change.documents.get("policy").cloned();
            self.edit(change, Edit::Inline { target, name, document, update: change.action == Action::Update });
        }
        Ok(())
    }

    pub(super) fn attachment(&mut self, change: &'p ResourceChange, holder: Holder) -> Result<()> {
        if change.action.removes() {
            let policy = change.was("policy_arn").map(|arn| Managed::Arn(arn.to_owned()));
            if let Some((target, policy)) = self.old_target(change, holder.word(), holder)?.zip(policy) {
                self.edit(change, Edit::Detach { target, policy });
            }
        }
        if change.action.makes()
            && let Some(target) = self.target(change, holder.word(), holder)?
            && let Some(policy) = self.managed(change, "policy_arn")?
        {
            self.edit(change, Edit::Attach { target, policy });
        }
        Ok(())
    }

    pub(super) fn all_holders(&mut self, change: &'p ResourceChange) -> Result<()> {
        const LISTS: [(&str, Holder); 3] = [("roles", Holder::Role), ("users", Holder::User), ("groups", Holder::Group)];
        if change.action.removes()
            && let Some(policy) = change.was("policy_arn")
        {
            let account = self.accounts.of(change)?;
            for (holder, name) in
                LISTS.into_iter().flat_map(|(list, holder)| change.old_list(list).into_iter().map(move |name| (holder, name)))
            {
                let target = Target::One { holder, account: account.clone(), name };
                self.edit(change, Edit::Detach { target, policy: Managed::Arn(policy.to_owned()) });
            }
        }
        if !change.action.makes() {
            return Ok(());
        }
        let Some(Managed::Arn(policy)) = self.managed(change, "policy_arn")? else { return Ok(()) };
        let (mut holders, mut open) = (Vec::new(), false);
        for (list, holder) in LISTS {
            let (targets, more) = self.targets(change, list, holder)?;
            holders.extend(targets);
            open |= more;
        }
        if change.action != Action::Update {
            // Making it attaches the policy; that it is to have no other holder is noticed by the next plan.
            for target in holders {
                self.edit(change, Edit::Attach { target, policy: Managed::Arn(policy.clone()) });
            }
            if open {
                self.unresolved(change, "who gets the policy is not wholly known before apply".to_owned());
            }
            self.pass_over(change, "whoever else has the policy keeps it: the next plan will detach it");
            return Ok(());
        }
        let account = self.accounts.of(change)?;
        self.edit(change, Edit::OnlyHolders { account, policy, holders, open });
        Ok(())
    }

    pub(super) fn all_inline(&mut self, change: &'p ResourceChange, holder: Holder) -> Result<()> {
        if !change.action.makes() {
            self.pass_over(change, "what it listed is no longer the whole; nothing goes");
            return Ok(());
        }
        let Some(target) = self.target(change, &format!("{}_name", holder.word()), holder)? else { return Ok(()) };
        let list = change.list("policy_names");
        let (mut names, mut open) = (list.known, list.open);
        if list.unknown > 0 {
            match self.resolver.several(change, "policy_names", list.unknown, holder.wanted_inline()) {
                Some(resources) => names.extend(resources.into_iter().map(inline_name)),
                None => open = true,
            }
        }
        if open {
            self.unresolved(change, "not all of `policy_names` is known before apply; what else it permits is unknown".to_owned());
        }
        self.edit(change, Edit::OnlyInline { target, names, open });
        Ok(())
    }

    pub(super) fn all_attached(&mut self, change: &'p ResourceChange, holder: Holder) -> Result<()> {
        if !change.action.makes() {
            self.pass_over(change, "what it listed is no longer the whole; nothing goes");
            return Ok(());
        }
        let Some(target) = self.target(change, &format!("{}_name", holder.word()), holder)? else { return Ok(()) };
        let (policies, open) = self.managed_list(change, "policy_arns")?;
        self.edit(change, Edit::OnlyAttached { target, policies, among: Among::All, open });
        Ok(())
    }

    pub(super) fn user_groups(&mut self, change: &'p ResourceChange) -> Result<()> {
        let (user, (groups, open)) = if change.action.makes() {
            (self.target(change, "user", Holder::User)?, self.targets(change, "groups", Holder::Group)?)
        } else {
            (None, (Vec::new(), false))
        };
        let groups: Vec<String> = groups.into_iter().filter_map(name).collect();
        let old_user = self.old_target(change, "user", Holder::User)?;
        let same = old_user == user;
        let old = change.old_list("groups");
        if let Some(old_user) = old_user {
            for group in old.iter().filter(|group| !same || !groups.contains(group)) {
                self.edit(change, Edit::Leave { user: old_user.clone(), group: group.clone() });
            }
        }
        if let Some(user) = user {
            if open {
                // Groups that are known only after apply: a policy without a document.
                let policy = Managed::Arn(format!("<groups of {}, known after apply>", change.address));
                self.edit(change, Edit::Attach { target: user.clone(), policy });
            }
            for group in groups.into_iter().filter(|group| !same || !old.contains(group)) {
                self.edit(change, Edit::Join { user: user.clone(), group });
            }
        }
        Ok(())
    }

    pub(super) fn group_members(&mut self, change: &'p ResourceChange) -> Result<()> {
        let new = if change.action.makes() { self.target(change, "group", Holder::Group)? } else { None };
        let new = new.and_then(name);
        if let Some(group) = change.was("group").filter(|group| change.action.removes() && new.as_deref() != Some(*group)) {
            let account = self.accounts.of(change)?;
            for name in change.old_list("users") {
                let user = Target::One { holder: Holder::User, account: account.clone(), name };
                self.edit(change, Edit::Leave { user, group: group.to_owned() });
            }
        }
        if let Some(group) = new {
            let account = self.accounts.of(change)?;
            let (users, open) = self.targets(change, "users", Holder::User)?;
            if change.action == Action::Update {
                self.edit(change, Edit::OnlyMembers { account, group, users, open });
                return Ok(());
            }
            // As with attachments: making it adds members.
            for user in users {
                self.edit(change, Edit::Join { user, group: group.clone() });
            }
            if open {
                self.unresolved(change, "who joins the group is not wholly known before apply".to_owned());
            }
            self.pass_over(change, "whoever else is in the group stays: the next plan will take them out");
        }
        Ok(())
    }
}

fn target(holder: Holder, identity: &Identity) -> Target {
    Target::One { holder, account: identity.account.clone(), name: identity.name.clone() }
}

fn name(target: Target) -> Option<String> {
    match target {
        Target::One { name, .. } => Some(name),
        Target::PermissionSet(_) => None,
    }
}

/// The name of an inline policy as it will be.
fn inline_name(change: &ResourceChange) -> String {
    match change.text("name") {
        Given::Known(name) => name.to_owned(),
        _ => format!("<{}>", change.address.replace('/', ".")),
    }
}
