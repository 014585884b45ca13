//! What applies to one principal: its policies by layer.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

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

/// The `Sid` of a statement that stands for a document that was not supplied.
pub(super) const NOT_SUPPLIED: &str = "NotSupplied";

impl Policy {
    /// Whether it only stands for a policy that was not supplied.
    fn is_stand_in(&self) -> bool {
        self.file.is_none() && self.document.statements.iter().any(|statement| statement.sid.as_deref() == Some(NOT_SUPPLIED))
    }
}

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

/// Policies of an organization, level by level from the root. Every level must allow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Levels {
    /// The policies of each level.
    pub policies: Vec<Vec<Arc<Policy>>>,
    /// Whether there are more that were not supplied.
    pub opaque: bool,
}

/// Resource control policies by the account that owns the resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountRcps {
    /// Of the accounts that an organization covers.
    pub accounts: BTreeMap<String, Levels>,
    /// Of every other account, and where the owner is not known.
    pub otherwise: Levels,
}

impl AccountRcps {
    /// Those that act on a caller who is exempt: none, whatever the resource.
    pub(super) fn exempt() -> Arc<Self> {
        static NONE: LazyLock<Arc<AccountRcps>> = LazyLock::new(Arc::default);
        Arc::clone(&NONE)
    }

    /// Those of the resources of an account.
    pub fn of(&self, account: &str) -> &Levels {
        self.accounts.get(account).unwrap_or(&self.otherwise)
    }
}

/// Everything that applies to one principal, by layer. Bundles of equal content are compiled once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bundle {
    /// Identity-based policies: inline, attached, of groups.
    pub identity: Vec<Arc<Policy>>,
    /// Why the identity-based policies are not all known, if so.
    pub identity_opaque: Option<String>,
    /// Whether those are others than the baseline's, which are not known either.
    pub identity_own: bool,
    /// The root user: identity-based policies do not limit it.
    pub unlimited: bool,
    /// Permissions boundary.
    pub boundary: Layer,
    /// Whether it is not known, and another than the baseline's, which is not known either.
    pub boundary_own: bool,
    /// Session policies; a layer of the event where it is opaque for one session and absent for another.
    pub session: Layer,
    /// Service control policies, level by level from the root. `None`: not in an organization, exempt, or none is known.
    pub scps: Option<Vec<Vec<Arc<Policy>>>>,
    /// Whether service control policies exist that were not supplied.
    pub scps_opaque: bool,
    /// Whether those are others than the baseline's, which are not known either.
    pub scps_own: bool,
    /// Resource control policies, level by level from the root, of the resource of a case.
    pub rcps: Option<Vec<Vec<Arc<Policy>>>>,
    /// Resource control policies by the account of the resource, for requests on which such policies act. `None`: nothing is
    /// known of them.
    pub rcps_by_account: Option<Arc<AccountRcps>>,
    /// VPC endpoint policy.
    pub endpoint: Layer,
    /// Resource-based policy of the resource.
    pub resource: Layer,
}

/// A level with policies that were not supplied.
#[derive(Debug, Default)]
struct OpenLevel<'b> {
    known: Vec<&'b Policy>,
    missing: Vec<&'b str>,
}

impl Bundle {
    /// Whether the service control policies that were not supplied decide here as they do in the baseline's bundle: the levels
    /// that have some are the same, but for added policies that only deny.
    pub fn shares_missing_scps_of(&self, baseline: &Self) -> bool {
        let Some(own) = self.open_levels() else { return baseline.open_levels().is_none() };
        // Where nothing is known, every level is open.
        if baseline.scps.is_none() && self.scps.as_ref().is_some_and(|levels| levels.len() != own.len()) {
            return false;
        }
        let of_baseline = baseline.open_levels().unwrap_or_else(|| own.iter().map(|_| OpenLevel::default()).collect());
        let same = |(own, other): (&OpenLevel<'_>, &OpenLevel<'_>)| {
            (own.missing == other.missing || baseline.scps.is_none())
                && other.known.iter().all(|policy| own.known.contains(policy))
                && own.known.iter().all(|policy| other.known.contains(policy) || !policy.document.has_allow())
        };
        own.len() == of_baseline.len() && own.iter().zip(&of_baseline).all(same)
    }

    /// The levels with policies that were not supplied; `None` where no level is known.
    fn open_levels(&self) -> Option<Vec<OpenLevel<'_>>> {
        let levels = self.scps.as_ref()?.iter().map(|level| {
            let (missing, known): (Vec<&Policy>, Vec<&Policy>) =
                level.iter().map(|policy| &**policy).partition(|policy| policy.is_stand_in());
            OpenLevel { known, missing: missing.into_iter().map(|policy| policy.name.as_str()).collect() }
        });
        Some(levels.filter(|level| !level.missing.is_empty()).collect())
    }

    /// Whether it says something else than another of the same principal, whose account is given. Of the resource control
    /// policies only those of its own account count: those of other accounts change what others share with it.
    pub fn differs_from(&self, other: &Self, account: &str) -> bool {
        fn own<'b>(bundle: &'b Bundle, account: &str) -> Option<&'b Levels> {
            bundle.rcps_by_account.as_ref().map(|rcps| rcps.of(account))
        }
        let rest = |bundle: &Self| Self { rcps_by_account: None, ..bundle.clone() };
        own(self, account) != own(other, account) || rest(self) != rest(other)
    }
}
