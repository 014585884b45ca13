//! What applies to one principal: its policies by layer.

use std::path::PathBuf;
use std::sync::Arc;

use crate::iam::PolicyDocument;

/// A policy with its name and where it was read. Equal to another of its name that says the same.
#[derive(Debug)]
pub struct Policy {
    /// The policy ARN, or `PRINCIPAL_ARN/POLICY_NAME` for an inline policy; never a file name of ours.
    pub name: String,
    /// The file it was read from.
    pub file: Option<PathBuf>,
    /// The document.
    pub document: PolicyDocument,
}

impl PartialEq for Policy {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.document == other.document
    }
}

impl Eq for Policy {}

/// One layer of a bundle.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Layer {
    /// The layer does not exist for this principal: it limits nothing.
    #[default]
    Absent,
    /// The layer exists, its policies were not supplied; the text says which.
    Opaque(String),
    /// The policies of the layer; some Allow among them must apply.
    Policies(Vec<Arc<Policy>>),
}

/// Everything that applies to one principal, by layer. Bundles of equal content are compiled once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bundle {
    /// Identity-based policies: inline, attached, of groups.
    pub identity: Vec<Arc<Policy>>,
    /// Why the identity-based policies are not all known, if so.
    pub identity_opaque: Option<String>,
    /// The root user: identity-based policies do not limit it.
    pub unlimited: bool,
    /// Permissions boundary.
    pub boundary: Layer,
    /// Session policies; a layer of the event where it is opaque for one session and absent for another.
    pub session: Layer,
    /// Service control policies, level by level from the root. `None`: not in an organization, or exempt.
    pub scps: Option<Vec<Vec<Arc<Policy>>>>,
    /// Whether service control policies exist that were not supplied.
    pub scps_opaque: bool,
    /// Resource control policies, level by level from the root.
    pub rcps: Option<Vec<Vec<Arc<Policy>>>>,
    /// VPC endpoint policy.
    pub endpoint: Layer,
    /// Resource-based policy of the resource.
    pub resource: Layer,
}
