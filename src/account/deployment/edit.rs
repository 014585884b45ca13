//! What the resources of a plan or template come to: edits of a policy set.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Account;
use crate::account::{EntityKind, Policy};
use crate::iam::PolicyDocument;
use crate::iam::arn::Arn;

/// Who may have policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::account) enum Holder {
    /// A role.
    Role,
    /// A user.
    User,
    /// A group.
    Group,
}

impl Holder {
    /// The word in ARNs, attributes and listings.
    pub(in crate::account) fn word(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::User => "user",
            Self::Group => "group",
        }
    }

    /// What the entity of a policy set is; a group is none.
    pub(in crate::account) fn entity(self) -> Option<EntityKind> {
        match self {
            Self::Role => Some(EntityKind::Role),
            Self::User => Some(EntityKind::User),
            Self::Group => None,
        }
    }
}

/// Whom an edit is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::account) enum Target {
    /// One by name, which is unique in its account whatever the path.
    One { holder: Holder, account: Account, name: String },
    /// Every role of a permission set.
    PermissionSet(String),
}

/// A managed policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::account) enum Managed {
    /// By ARN.
    Arn(String),
    /// By path and name, in the account of whoever it is attached to.
    Own(String),
}

impl Managed {
    /// The ARN for a holder.
    pub(in crate::account) fn arn(&self, holder: &str) -> String {
        match (self, Arn::parse(holder)) {
            (Self::Arn(arn), _) => arn.clone(),
            (Self::Own(name), Some(arn)) => format!("arn:{}:iam::{}:policy{name}", arn.partition, arn.account),
            (Self::Own(name), None) => format!("policy{name}"),
        }
    }

    /// The name in listings.
    pub(in crate::account) fn shown(&self) -> String {
        match self {
            Self::Arn(arn) => arn.clone(),
            Self::Own(name) => format!("each account's policy{name}"),
        }
    }
}

/// Which managed policies a whole list is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::account) enum Among {
    /// All.
    All,
    /// Those of AWS.
    Aws,
    /// Those of the account.
    Own,
}

impl Among {
    /// Whether the policy of an ARN is one of them.
    pub(in crate::account) fn has(self, arn: &str) -> bool {
        let aws = Arn::parse(arn).is_some_and(|arn| arn.account == "aws");
        match self {
            Self::All => true,
            Self::Aws => aws,
            Self::Own => !aws,
        }
    }
}

/// An edit of a policy set. Where a document is `None`, it is known after apply.
#[derive(Debug, Clone)]
pub(in crate::account) enum Edit {
    /// A managed policy gets a document.
    Policy { arn: String, document: Option<Arc<Policy>> },
    /// A managed policy goes.
    RemovePolicy { arn: String },
    /// A user, role or group comes to be.
    Holder { holder: Holder, arn: String, boundary: Option<String>, tags: BTreeMap<String, String>, open: bool },
    /// A user, role or group goes.
    RemoveHolder { holder: Holder, arn: String },
    /// A user or group gets another name or path.
    Rename { holder: Holder, from: String, to: String },
    /// The permissions boundary is another, or none.
    Boundary { target: Target, policy: Option<Managed> },
    /// The tags are others; `open` where some are known only after apply.
    Tags { target: Target, tags: BTreeMap<String, String>, before: BTreeMap<String, String>, open: bool },
    /// An inline policy gets a document; `update` if it had one.
    Inline { target: Target, name: String, document: Option<PolicyDocument>, update: bool },
    /// An inline policy goes.
    RemoveInline { target: Target, name: String },
    /// There are no inline policies but these, and what is known after apply.
    OnlyInline { target: Target, names: Vec<String>, open: bool },
    /// A managed policy is attached.
    Attach { target: Target, policy: Managed },
    /// A managed policy is detached.
    Detach { target: Target, policy: Managed },
    /// No managed policies of a sort are attached but these, and what is known after apply.
    OnlyAttached { target: Target, policies: Vec<Managed>, among: Among, open: bool },
    /// A managed policy is attached to no others in the account.
    OnlyHolders { account: Account, policy: String, holders: Vec<Target>, open: bool },
    /// A permission set comes to be; nobody has it yet.
    PermissionSet { name: String },
    /// A permission set goes, and with it its roles.
    RemovePermissionSet { name: String },
    /// A user joins a group.
    Join { user: Target, group: String },
    /// A user leaves a group.
    Leave { user: Target, group: String },
    /// A group has no members but these.
    OnlyMembers { account: Account, group: String, users: Vec<Target>, open: bool },
}

impl Edit {
    /// Edits of a plan are applied in this order: what goes before what comes, a thing before what is said of it, and
    /// what shuts out everything else last.
    pub(in crate::account) fn phase(&self) -> u8 {
        match self {
            Self::Detach { .. } | Self::RemoveInline { .. } | Self::Leave { .. } | Self::Boundary { policy: None, .. } => 0,
            Self::RemoveHolder { .. } | Self::RemovePermissionSet { .. } => 1,
            Self::RemovePolicy { .. } => 2,
            Self::Policy { .. } | Self::Holder { .. } | Self::Rename { .. } | Self::PermissionSet { .. } => 3,
            Self::Boundary { .. } | Self::Tags { .. } => 4,
            Self::Inline { .. } | Self::Attach { .. } | Self::Join { .. } => 5,
            Self::OnlyInline { .. } | Self::OnlyAttached { .. } | Self::OnlyHolders { .. } | Self::OnlyMembers { .. } => 6,
        }
    }
}
