//! What each resource change means, one function a kind of resource.

use std::sync::Arc;

use super::TerraformPlan;
use super::accounts::Accounts;
use super::change::{Given, ResourceChange};
use super::plan::Action;
use super::references::{POLICY, Resolver};
use crate::account::OrganizationEdit;
use crate::account::Policy;
use crate::account::deployment::{Account, Edit, Holder, Listed, Managed, Note, Step, Target};
use crate::error::Result;

/// A kind of resource that this module reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A managed policy.
    Policy,
    /// A role, user or group.
    Holder(Holder),
    /// An inline policy.
    Inline(Holder),
    /// One managed policy attached to one holder.
    Attachment(Holder),
    /// All holders of a managed policy.
    AllHolders,
    /// All inline policies of a holder.
    AllInline(Holder),
    /// All managed policies of a holder.
    AllAttached(Holder),
    /// Groups of a user; it may be in others.
    UserGroups,
    /// All users of a group.
    GroupMembers,
    /// A policy of the organization.
    OrganizationPolicy,
    /// A policy of the organization at a root, unit or account.
    OrganizationAttachment,
    /// A permission set.
    PermissionSet,
    /// The inline policy of a permission set.
    SetInline,
    /// A managed policy of AWS in a permission set.
    SetManaged,
    /// A managed policy of each account in a permission set.
    SetCustomer,
    /// All managed policies of AWS in a permission set.
    SetAllManaged,
    /// All managed policies of each account in a permission set.
    SetAllCustomer,
    /// The permissions boundary of a permission set.
    SetBoundary,
}

impl Kind {
    /// The kind of a resource type.
    pub(super) fn of(kind: &str) -> Option<Self> {
        Some(match kind {
            "aws_iam_policy" => Self::Policy,
            "aws_iam_role" => Self::Holder(Holder::Role),
            "aws_iam_user" => Self::Holder(Holder::User),
            "aws_iam_group" => Self::Holder(Holder::Group),
            "aws_iam_role_policy" => Self::Inline(Holder::Role),
            "aws_iam_user_policy" => Self::Inline(Holder::User),
            "aws_iam_group_policy" => Self::Inline(Holder::Group),
            "aws_iam_role_policy_attachment" => Self::Attachment(Holder::Role),
            "aws_iam_user_policy_attachment" => Self::Attachment(Holder::User),
            "aws_iam_group_policy_attachment" => Self::Attachment(Holder::Group),
            "aws_iam_policy_attachment" => Self::AllHolders,
            "aws_iam_role_policies_exclusive" => Self::AllInline(Holder::Role),
            "aws_iam_user_policies_exclusive" => Self::AllInline(Holder::User),
            "aws_iam_group_policies_exclusive" => Self::AllInline(Holder::Group),
            "aws_iam_role_policy_attachments_exclusive" => Self::AllAttached(Holder::Role),
            "aws_iam_user_policy_attachments_exclusive" => Self::AllAttached(Holder::User),
            "aws_iam_group_policy_attachments_exclusive" => Self::AllAttached(Holder::Group),
            "aws_iam_user_group_membership" => Self::UserGroups,
            "aws_iam_group_membership" => Self::GroupMembers,
            "aws_organizations_policy" => Self::OrganizationPolicy,
            "aws_organizations_policy_attachment" => Self::OrganizationAttachment,
            "aws_ssoadmin_permission_set" => Self::PermissionSet,
            "aws_ssoadmin_permission_set_inline_policy" => Self::SetInline,
            "aws_ssoadmin_managed_policy_attachment" => Self::SetManaged,
            "aws_ssoadmin_customer_managed_policy_attachment" => Self::SetCustomer,
            "aws_ssoadmin_managed_policy_attachments_exclusive" => Self::SetAllManaged,
            "aws_ssoadmin_customer_managed_policy_attachments_exclusive" => Self::SetAllCustomer,
            "aws_ssoadmin_permissions_boundary_attachment" => Self::SetBoundary,
            _ => return None,
        })
    }
}

/// A user, role, group or managed policy by all its names. A name that is known after apply is the address of its
/// resource in angle brackets, which no name of IAM has.
pub(super) struct Identity {
    pub(super) arn: String,
    pub(super) name: String,
    pub(super) account: Account,
}

/// Turns resource changes into edits.
pub(super) struct Reader<'p> {
    pub(super) plan: &'p TerraformPlan,
    pub(super) resolver: Resolver<'p>,
    pub(super) accounts: Accounts<'p>,
    pub(super) steps: Vec<Step>,
    /// Whether one of them is of IAM.
    pub(super) has_iam: bool,
    pub(super) notes: Vec<Note>,
    pub(super) organization: Vec<(String, OrganizationEdit)>,
    /// What the edits of the organization are, by the position of their change.
    pub(super) lines: Vec<(usize, Listed)>,
    /// Roles whose trust policy changes.
    pub(super) trust: Vec<String>,
    pub(super) at: usize,
}

impl<'p> Reader<'p> {
    /// A reader of a plan.
    pub(super) fn new(plan: &'p TerraformPlan, accounts: Accounts<'p>) -> Self {
        let resolver = Resolver::new(&plan.configuration, &plan.changes, &plan.reads);
        let (steps, notes, organization) = (Vec::new(), Vec::new(), Vec::new());
        Self { plan, resolver, accounts, has_iam: false, steps, notes, organization, lines: Vec::new(), trust: Vec::new(), at: 0 }
    }

    /// Reads all changes of the plan.
    ///
    /// # Errors
    /// [`crate::Error::Format`] if the account of one is not known.
    pub(super) fn read(&mut self) -> Result<()> {
        let plan = self.plan;
        for (at, change) in plan.changes.iter().enumerate() {
            self.at = at;
            match change.action {
                Action::NoOp | Action::Read if change.imported => self.pass_over(change, "it is taken over as it is"),
                Action::NoOp | Action::Read => {
                    if let Some(previous) = &change.previous {
                        self.pass_over(change, &format!("it moves from `{previous}`: nothing changes in the account"));
                    }
                }
                Action::Forget => self.pass_over(change, "Terraform manages it no longer; it stays as it is"),
                _ if self.stands_elsewhere(change) => {
                    self.pass_over(change, "an object that was left behind has the name of one that stays: which one goes is unclear");
                }
                _ => self.change(change)?,
            }
        }
        if !self.trust.is_empty() {
            let reason = "trust policy: who may assume the role is not replayed".to_owned();
            self.notes.push(Note { subject: self.trust.join(", "), reason, unresolved: false });
        }
        Ok(())
    }

    fn change(&mut self, change: &'p ResourceChange) -> Result<()> {
        let before = self.steps.len() + self.lines.len() + self.notes.len();
        let Some(kind) = Kind::of(&change.kind) else { return Ok(()) };
        match kind {
            Kind::Policy => self.policy(change)?,
            Kind::Holder(holder) => self.holder(change, holder)?,
            Kind::Inline(holder) => self.inline(change, holder)?,
            Kind::Attachment(holder) => self.attachment(change, holder)?,
            Kind::AllHolders => self.all_holders(change)?,
            Kind::AllInline(holder) => self.all_inline(change, holder)?,
            Kind::AllAttached(holder) => self.all_attached(change, holder)?,
            Kind::UserGroups => self.user_groups(change)?,
            Kind::GroupMembers => self.group_members(change)?,
            Kind::OrganizationPolicy => self.organization_policy(change),
            Kind::OrganizationAttachment => self.organization_attachment(change),
            Kind::PermissionSet => self.permission_set(change),
            Kind::SetInline => self.set_inline(change),
            Kind::SetManaged => self.set_managed(change)?,
            Kind::SetCustomer => self.set_customer(change),
            Kind::SetAllManaged => self.set_all_managed(change)?,
            Kind::SetAllCustomer => self.set_all_customer(change),
            Kind::SetBoundary => self.set_boundary(change)?,
        }
        if before == self.steps.len() + self.lines.len() + self.notes.len() && !self.trust.contains(&change.address) {
            self.pass_over(change, "nothing that a decision depends on changes");
        }
        Ok(())
    }

    /// Whether a left-behind object is the same as one that is there to stay.
    fn stands_elsewhere(&self, change: &ResourceChange) -> bool {
        let own = change.identity(true);
        let stays =
            |other: &&ResourceChange| other.deposed.is_none() && other.kind == change.kind && !matches!(other.action, Action::Delete);
        change.deposed.is_some() && self.plan.changes.iter().filter(stays).any(|other| other.identity(false) == own)
    }

    /// Records an edit.
    pub(super) fn edit(&mut self, change: &'p ResourceChange, edit: Edit) {
        self.has_iam |= change.kind.starts_with("aws_iam_");
        self.steps.push(Step { at: self.at, subject: change.subject(), edit });
    }

    /// Records a line of the listing that no edit makes.
    pub(super) fn line(&mut self, change: &ResourceChange, what: String) {
        self.lines.push((self.at, Listed::new(&change.subject(), what)));
    }

    /// Records that a change is not replayed, which is right.
    pub(super) fn pass_over(&mut self, change: &ResourceChange, reason: &str) {
        self.notes.push(Note::new(&change.subject(), reason.to_owned(), false));
    }

    /// Records that a change could not be followed.
    pub(super) fn unresolved(&mut self, change: &ResourceChange, reason: String) {
        self.notes.push(Note::new(&change.subject(), reason, true));
    }

    /// A document that a change writes; `None` if it is known after apply.
    pub(super) fn document(&self, change: &ResourceChange, place: &str, name: &str) -> Option<Arc<Policy>> {
        let document = change.documents.get(place)?.clone();
        Some(Arc::new(Policy { name: name.to_owned(), file: Some(self.plan.path.clone()), document }))
    }

    /// What a resource was called; `word` begins the resource part of its ARN.
    pub(super) fn was(&self, change: &ResourceChange, word: &str) -> Result<Identity> {
        let name = change.was("name").unwrap_or_default().to_owned();
        if let Some((arn, account)) = change.was("arn").and_then(|arn| Some((arn.to_owned(), Account::of_arn(arn)?))) {
            return Ok(Identity { arn, name, account });
        }
        let account = self.accounts.of(change)?;
        let path = change.was("path").unwrap_or("/");
        Ok(Identity { arn: account.arn(&format!("{word}{path}{name}")), name, account })
    }

    /// What a resource will be called.
    pub(super) fn will_be(&self, change: &ResourceChange, word: &str) -> Result<Identity> {
        let account = self.accounts.of(change)?;
        let (name, path) = match (change.text("name"), change.text("path")) {
            (Given::Known(name), Given::Known(path)) => (name.to_owned(), path),
            (Given::Known(name), Given::Nothing) => (name.to_owned(), "/"),
            _ => (format!("<{}>", change.address.replace('/', ".")), "/"),
        };
        Ok(Identity { arn: account.arn(&format!("{word}{path}{name}")), name, account })
    }

    /// Whom a change will be about, by the name in an attribute.
    pub(super) fn target(&mut self, change: &ResourceChange, place: &str, holder: Holder) -> Result<Option<Target>> {
        let reason = match change.text(place) {
            Given::Known(name) => {
                return Ok(Some(Target::One { holder, account: self.accounts.of(change)?, name: name.to_owned() }));
            }
            Given::Nothing => format!("`{place}` is not set"),
            Given::Unknown => match self.resolver.one(change, place, holder.wanted()) {
                Ok(resource) => return self.target_of(resource, holder).map(Some),
                Err(reason) => reason,
            },
        };
        self.unresolved(change, format!("{reason}; whom it is about is unknown"));
        Ok(None)
    }

    fn target_of(&self, resource: &ResourceChange, holder: Holder) -> Result<Target> {
        let Identity { name, account, .. } = self.will_be(resource, holder.word())?;
        Ok(Target::One { holder, account, name })
    }

    /// Whom a change was about.
    pub(super) fn old_target(&self, change: &ResourceChange, place: &str, holder: Holder) -> Result<Option<Target>> {
        let Some(name) = change.was(place) else { return Ok(None) };
        Ok(Some(Target::One { holder, account: self.accounts.of(change)?, name: name.to_owned() }))
    }

    /// Whom a list of names will be about, and whether there are more that are not known.
    pub(super) fn targets(&mut self, change: &ResourceChange, name: &str, holder: Holder) -> Result<(Vec<Target>, bool)> {
        let list = change.list(name);
        let mut targets = Vec::new();
        for name in list.known {
            targets.push(Target::One { holder, account: self.accounts.of(change)?, name });
        }
        let mut open = list.open;
        if list.unknown > 0 {
            match self.resolver.several(change, name, list.unknown, holder.wanted()) {
                Some(resources) => {
                    for resource in resources {
                        targets.push(self.target_of(resource, holder)?);
                    }
                }
                None => open = true,
            }
        }
        if open {
            self.unresolved(change, format!("not all of `{name}` is known before apply"));
        }
        Ok((targets, open))
    }

    /// The managed policy in an attribute. One of which nothing is known gets a name without a document.
    pub(super) fn managed(&mut self, change: &ResourceChange, place: &str) -> Result<Option<Managed>> {
        let reason = match change.text(place) {
            Given::Nothing => return Ok(None),
            Given::Known(arn) => return Ok(Some(Managed::Arn(arn.to_owned()))),
            Given::Unknown => match self.resolver.one(change, place, POLICY) {
                Ok(resource) => return Ok(Some(Managed::Arn(self.will_be(resource, "policy")?.arn))),
                Err(reason) => reason,
            },
        };
        self.unresolved(change, format!("{reason}; what the policy permits is unknown"));
        Ok(Some(Managed::Arn(format!("<{place} of {}>", change.address))))
    }

    /// The managed policies in a list, and whether there are more that are not known.
    pub(super) fn managed_list(&mut self, change: &ResourceChange, name: &str) -> Result<(Vec<Managed>, bool)> {
        let list = change.list(name);
        let mut policies: Vec<Managed> = list.known.into_iter().map(Managed::Arn).collect();
        let mut open = list.open;
        if list.unknown > 0 {
            match self.resolver.several(change, name, list.unknown, POLICY) {
                Some(resources) => {
                    for resource in resources {
                        policies.push(Managed::Arn(self.will_be(resource, "policy")?.arn));
                    }
                }
                None => open = true,
            }
        }
        if open {
            self.unresolved(change, format!("not all of `{name}` is known before apply; what else it permits is unknown"));
        }
        Ok((policies, open))
    }
}
