//! Resources of AWS Organizations and of permission sets as edits.

use super::called;
use super::change::{Given, ResourceChange};
use super::meaning::Reader;
use super::plan::Action;
use super::references::{ORGANIZATION_POLICY, PERMISSION_SET, POLICY_NAME};
use crate::account::deployment::{Among, Edit, Managed, Target, gone};
use crate::account::{ControlType, OrganizationEdit};
use crate::error::Result;

/// What Identity Center calls the inline policy of a permission set in its roles.
const INLINE: &str = "AwsSSOInlinePolicy";

impl<'p> Reader<'p> {
    pub(super) fn organization_policy(&mut self, change: &'p ResourceChange) {
        if self.is_only_forgotten(change) {
            return;
        }
        let written = match change.text("type") {
            Given::Known(kind) => Some(kind),
            _ => change.was("type"),
        };
        let kind = match written {
            None | Some("SERVICE_CONTROL_POLICY") => ControlType::Scp,
            Some("RESOURCE_CONTROL_POLICY") => ControlType::Rcp,
            Some(other) => return self.pass_over(change, &format!("a `{other}` neither allows nor denies")),
        };
        let word = if kind == ControlType::Rcp { "resource control policy" } else { "service control policy" };
        if let Some(policy_id) = change.was("id").filter(|_| change.action.removes() && !change.stays()) {
            let (name, gone) = (change.was("name").unwrap_or_default(), gone(&change.subject()));
            self.line(change, format!("{word} {name} ({policy_id}){gone}"));
            self.edit_organization(change, OrganizationEdit::Remove { policy_id: policy_id.to_owned() });
        }
        if change.action.makes() && (change.action != Action::Update || change.differs("content")) {
            let (policy_id, name) = (policy_id(change), organization_name(change));
            let full_name = if let Given::Known(arn) = change.text("arn") { arn } else { policy_id.as_str() };
            let document = self.document(change, "content", full_name);
            let of = if change.action == Action::Update { "document of " } else { "" };
            let id = if policy_id.starts_with('<') { String::new() } else { format!(" ({policy_id})") };
            let later = if document.is_none() { ", known after apply" } else { "" };
            self.line(change, format!("{of}{word} {name}{id}{later}"));
            self.edit_organization(change, OrganizationEdit::SetDocument { policy_id, name, kind, document });
        }
    }

    fn edit_organization(&mut self, change: &ResourceChange, edit: OrganizationEdit) {
        self.organization.push((called(change), edit));
    }

    /// Whether Terraform deletes it from its state alone; then that is said.
    fn is_only_forgotten(&mut self, change: &ResourceChange) -> bool {
        let forgotten = change.action == Action::Delete && change.stays();
        if forgotten {
            self.pass_over(change, "`skip_destroy`: Terraform forgets it, and it stays as it is");
        }
        forgotten
    }

    pub(super) fn organization_attachment(&mut self, change: &'p ResourceChange) {
        if self.is_only_forgotten(change) {
            return;
        }
        if let (true, Some(policy_id), Some(target)) =
            (change.action.removes() && !change.stays(), change.was("policy_id"), change.was("target_id"))
        {
            self.line(change, format!("detaches {policy_id} from {target}"));
            let (policy_id, target) = (policy_id.to_owned(), target.to_owned());
            self.edit_organization(change, OrganizationEdit::Detach { policy_id, target });
        }
        if !change.action.makes() {
            return;
        }
        let policy = match change.text("policy_id") {
            Given::Known(id) => Ok((id.to_owned(), id.to_owned())),
            Given::Nothing => Err("`policy_id` is not set".to_owned()),
            Given::Unknown => {
                let resource = self.resolver.one(change, "policy_id", ORGANIZATION_POLICY);
                resource.map(|resource| (policy_id(resource), organization_name(resource)))
            }
        };
        let (policy_id, shown) = match policy {
            Ok(policy) => policy,
            Err(reason) => return self.unresolved(change, format!("{reason}; which policy it is is unknown")),
        };
        let Given::Known(target) = change.text("target_id") else {
            return self.unresolved(change, "`target_id` is known after apply; where the policy is attached is unknown".to_owned());
        };
        self.line(change, format!("attaches {shown} to {target}"));
        self.edit_organization(change, OrganizationEdit::Attach { policy_id, target: target.to_owned() });
    }

    pub(super) fn permission_set(&mut self, change: &'p ResourceChange) {
        if let Some(name) = change.was("name").filter(|_| change.action.removes()) {
            self.edit(change, Edit::RemovePermissionSet { name: name.to_owned() });
        }
        if let (Action::Create | Action::Replace, Given::Known(name)) = (change.action, change.text("name")) {
            self.edit(change, Edit::PermissionSet { name: name.to_owned() });
        }
    }

    pub(super) fn set_inline(&mut self, change: &'p ResourceChange) {
        let new = if change.action.makes() { self.set(change) } else { None };
        if let Some(target) = self.old_set(change).filter(|old| new.as_ref() != Some(old)) {
            self.edit(change, Edit::RemoveInline { target, name: INLINE.to_owned() });
        }
        if let Some(target) = new
            && (change.action != Action::Update || change.differs("inline_policy"))
        {
            let document = change.documents.get("inline_policy").cloned();
            let update = change.action == Action::Update;
            self.edit(change, Edit::Inline { target, name: INLINE.to_owned(), document, update });
        }
    }

    pub(super) fn set_managed(&mut self, change: &'p ResourceChange) -> Result<()> {
        let old = change.was("managed_policy_arn").map(|arn| Managed::Arn(arn.to_owned()));
        let new = if change.action.makes() { self.managed(change, "managed_policy_arn")? } else { None };
        self.set_attachment(change, old, new);
        Ok(())
    }

    pub(super) fn set_customer(&mut self, change: &'p ResourceChange) {
        let old = old_customer(change, "customer_managed_policy_reference/0");
        let new = if change.action.makes() { self.customer(change, "customer_managed_policy_reference/0") } else { None };
        self.set_attachment(change, old, new);
    }

    fn set_attachment(&mut self, change: &'p ResourceChange, old: Option<Managed>, new: Option<Managed>) {
        if let Some((target, policy)) = self.old_set(change).zip(old) {
            self.edit(change, Edit::Detach { target, policy });
        }
        if let Some(policy) = new
            && let Some(target) = self.set(change)
        {
            self.edit(change, Edit::Attach { target, policy });
        }
    }

    pub(super) fn set_all_managed(&mut self, change: &'p ResourceChange) -> Result<()> {
        if !change.action.makes() {
            self.pass_over(change, "what it listed is no longer the whole; nothing goes");
        } else if let Some(target) = self.set(change) {
            let (policies, open) = self.managed_list(change, "managed_policy_arns")?;
            self.edit(change, Edit::OnlyAttached { target, policies, among: Among::Aws, open });
        }
        Ok(())
    }

    pub(super) fn set_all_customer(&mut self, change: &'p ResourceChange) {
        const BLOCKS: &str = "customer_managed_policy_reference";
        if !change.action.makes() {
            return self.pass_over(change, "what it listed is no longer the whole; nothing goes");
        }
        let Some(target) = self.set(change) else { return };
        let open = change.is_unknown(BLOCKS);
        if open {
            self.unresolved(change, format!("`{BLOCKS}` is known after apply; what it permits is unknown"));
        }
        let blocks = if let Given::Known(value) = change.given(BLOCKS) { value.as_array().map_or(0, Vec::len) } else { 0 };
        let policies = (0..blocks).filter_map(|block| self.customer(change, &format!("{BLOCKS}/{block}"))).collect();
        self.edit(change, Edit::OnlyAttached { target, policies, among: Among::Own, open });
    }

    pub(super) fn set_boundary(&mut self, change: &'p ResourceChange) -> Result<()> {
        const CUSTOMER: &str = "permissions_boundary/0/customer_managed_policy_reference/0";
        let new = if change.action.makes() { self.set(change) } else { None };
        if let Some(target) = self.old_set(change).filter(|old| new.as_ref() != Some(old)) {
            self.edit(change, Edit::Boundary { target, policy: None });
        }
        if let Some(target) = new {
            let policy = match self.managed(change, "permissions_boundary/0/managed_policy_arn")? {
                Some(policy) => Some(policy),
                None => self.customer(change, CUSTOMER),
            };
            self.edit(change, Edit::Boundary { target, policy });
        }
        Ok(())
    }

    /// The permission set that a change will be about.
    fn set(&mut self, change: &ResourceChange) -> Option<Target> {
        let name = match change.text("permission_set_arn") {
            Given::Known(arn) => match self.plan.permission_sets.get(arn) {
                Some(name) => Ok(name.clone()),
                None => Err(format!("the plan does not tell the name of the permission set `{arn}`")),
            },
            Given::Nothing => Err("`permission_set_arn` is not set".to_owned()),
            Given::Unknown => {
                self.resolver.one(change, "permission_set_arn", PERMISSION_SET).and_then(|resource| match resource.text("name") {
                    Given::Known(name) => Ok(name.to_owned()),
                    _ => Err(format!("the name of `{}` is known after apply", resource.address)),
                })
            }
        };
        match name {
            Ok(name) => Some(Target::PermissionSet(name)),
            Err(reason) => {
                self.unresolved(change, format!("{reason}; whom it is about is unknown"));
                None
            }
        }
    }

    /// The permission set that a change that removes something was about.
    fn old_set(&mut self, change: &ResourceChange) -> Option<Target> {
        let arn = change.was("permission_set_arn").filter(|_| change.action.removes())?;
        let Some(name) = self.plan.permission_sets.get(arn) else {
            self.unresolved(change, format!("the plan does not tell the name of the permission set `{arn}`; whom it is about is unknown"));
            return None;
        };
        Some(Target::PermissionSet(name.clone()))
    }

    /// The policy that a block names by path and name.
    fn customer(&mut self, change: &ResourceChange, block: &str) -> Option<Managed> {
        let place = format!("{block}/name");
        let path = if let Given::Known(path) = change.text(&format!("{block}/path")) { path } else { "/" };
        let reason = match change.text(&place) {
            Given::Nothing => return None,
            Given::Known(name) => return Some(Managed::Own(format!("{path}{name}"))),
            Given::Unknown => match self.resolver.one(change, &place, POLICY_NAME) {
                Ok(resource) => return Some(Managed::Own(format!("/<{}>", resource.address.replace('/', ".")))),
                Err(reason) => reason,
            },
        };
        self.unresolved(change, format!("{reason}; what the policy permits is unknown"));
        Some(Managed::Own(format!("/<{}>", change.address.replace('/', "."))))
    }
}

/// The policy that a block named.
fn old_customer(change: &ResourceChange, block: &str) -> Option<Managed> {
    let name = change.was(&format!("{block}/name"))?;
    let path = change.was(&format!("{block}/path")).unwrap_or("/");
    Some(Managed::Own(format!("{path}{name}")))
}

/// The id of a policy of the organization; one that is known after apply is the address in angle brackets.
fn policy_id(change: &ResourceChange) -> String {
    match change.text("id") {
        Given::Known(id) => id.to_owned(),
        _ => format!("<{}>", change.address),
    }
}

fn organization_name(change: &ResourceChange) -> String {
    match change.text("name") {
        Given::Known(name) => name.to_owned(),
        _ => policy_id(change),
    }
}
