//! What a plan or a template does, in terms of a policy set: edits, applied in an order of their own, each with a line that
//! says what it does.

use std::fmt;

mod apply;
mod edit;
mod policies;

use super::{OrganizationEdit, PolicySet};
use crate::error::{Error, Result};
use crate::iam::arn::{Arn, is_account_id};

pub(super) use apply::{Run, gone};
pub(super) use edit::{Among, Edit, Holder, Managed, Target};

/// An account, and the partition that its ARNs begin with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Account {
    pub(super) partition: String,
    /// Twelve digits.
    pub(super) id: String,
}

impl Account {
    /// An account of a partition, `aws` if nothing else is known.
    pub(super) fn new(partition: &str, id: &str) -> Self {
        Self { partition: partition.to_owned(), id: id.to_owned() }
    }

    /// The account that a user names, with the partition that a policy set has it in.
    ///
    /// # Errors
    /// [`Error::Usage`] if it is no account id.
    pub(super) fn given(set: &PolicySet, id: &str) -> Result<Self> {
        if !is_account_id(id) {
            let next = "write --candidate-account NAME=ID, with the twelve digits of the account";
            return Err(Error::Usage(format!("`{id}` is no account id: {next}")));
        }
        let mut known = set.entities.keys().chain(set.groups.keys()).filter_map(|arn| Self::of_arn(arn));
        Ok(known.find(|account| account.id == id).unwrap_or_else(|| Self::new("aws", id)))
    }

    /// The account that an ARN names.
    pub(super) fn of_arn(text: &str) -> Option<Self> {
        let arn = Arn::parse(text)?;
        is_account_id(arn.account).then(|| Self::new(arn.partition, arn.account))
    }

    /// The ARN of an IAM resource: `role/ops/Mail`.
    pub(super) fn arn(&self, resource: &str) -> String {
        format!("arn:{}:iam::{}:{resource}", self.partition, self.id)
    }
}

/// What an edit comes from, as listings call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subject {
    /// `create`, `update`, `delete` or `replace`.
    pub(super) action: &'static str,
    /// The address or name of the resource.
    pub(super) address: String,
}

/// An edit, and what it comes from.
#[derive(Debug)]
pub(super) struct Step {
    /// The position of the resource in the file.
    pub(super) at: usize,
    pub(super) subject: Subject,
    pub(super) edit: Edit,
}

/// What applying a plan or template did.
#[derive(Debug, Default)]
pub struct Applied {
    /// One line for each change of who may do what, in the order of the file.
    pub changes: Vec<Listed>,
    /// What of it is not replayed, and why.
    pub ignored: Vec<Note>,
    /// Edits of the organization, in the order in which they can be applied, each with the address of its resource.
    pub organization: Vec<(String, OrganizationEdit)>,
}

/// A line of the listing: `update aws_iam_policy.admins: document of arn:...`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// What is done: `create`, `update`, `delete` or `replace`.
    pub action: &'static str,
    /// The address of the resource.
    pub address: String,
    /// What changes.
    pub what: String,
}

/// Something that is not replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The address, or a resource type with the number of its changes.
    pub subject: String,
    /// Why, and what to do about it.
    pub reason: String,
    /// Whether it would change who may do what: the candidate then is not the whole of it.
    pub unresolved: bool,
}

impl Listed {
    pub(super) fn new(subject: &Subject, what: String) -> Self {
        Self { action: subject.action, address: subject.address.clone(), what }
    }
}

impl Note {
    pub(super) fn new(subject: &Subject, reason: String, unresolved: bool) -> Self {
        Self { subject: subject.address.clone(), reason, unresolved }
    }
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.action, self.address, self.what)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.reason)
    }
}
