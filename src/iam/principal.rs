//! The `Principal` element of resource-based policies, resource control policies and endpoint policies.

use super::arn::Arn;

/// `Principal` or `NotPrincipal`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PrincipalElement {
    /// Whether it is `NotPrincipal`.
    pub negated: bool,
    /// What it names.
    pub entries: Vec<PrincipalEntry>,
}

/// One entry of a [`PrincipalElement`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PrincipalEntry {
    /// `"*"` or `{"AWS": "*"}`.
    Everyone,
    /// An AWS principal: account id, ARN or unique id.
    Aws(String),
    /// A service principal.
    Service(String),
    /// A federated provider.
    Federated(String),
    /// A canonical user id.
    CanonicalUser(String),
}

/// Who calls, as far as `Principal` elements can name them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Caller {
    /// The ARN of the session or of the user, as in `userIdentity.arn`.
    pub arn: String,
    /// The role that a session was made from.
    pub role_arn: Option<String>,
    /// The user that a federated session was made by.
    pub user_arn: Option<String>,
    /// The account.
    pub account: String,
    /// The unique id without the session name.
    pub unique_id: Option<String>,
    /// The service principal, for calls of AWS services.
    pub service: Option<String>,
}

/// How a resource-based policy reaches a caller: it decides which other layers limit the grant
/// (IAM user guide, policy evaluation logic for resource-based policies).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grant {
    /// Names the account: the account's identity-based policies must allow too.
    Account,
    /// Names the role of a session, or the user of a federated one: boundary and session policies limit the grant.
    Role,
    /// Names the user, the session or everyone: nothing of the identity limits the grant.
    Direct,
}

impl PrincipalElement {
    /// Whether the element, `Not` included, covers the caller.
    pub fn covers(&self, caller: &Caller) -> bool {
        self.grant(caller).is_some() != self.negated
    }

    /// The strongest way in which an entry names the caller, `Not` ignored.
    pub fn grant(&self, caller: &Caller) -> Option<Grant> {
        self.entries.iter().filter_map(|entry| entry.grant(caller)).max()
    }
}

impl PrincipalEntry {
    fn grant(&self, caller: &Caller) -> Option<Grant> {
        match self {
            Self::Everyone => Some(Grant::Direct),
            Self::Aws(name) => aws_grant(name, caller),
            Self::Service(name) => (caller.service.as_ref() == Some(name)).then_some(Grant::Direct),
            Self::Federated(_) | Self::CanonicalUser(_) => None,
        }
    }
}

fn aws_grant(name: &str, caller: &Caller) -> Option<Grant> {
    if !name.is_empty() && *name == caller.account {
        return Some(Grant::Account);
    }
    if let Some(arn) = Arn::parse(name)
        && arn.resource == "root"
        && arn.service == "iam"
    {
        let root_itself = caller.arn == name;
        return (arn.account == caller.account).then_some(if root_itself { Grant::Direct } else { Grant::Account });
    }
    if name == caller.arn || caller.unique_id.as_deref() == Some(name) {
        return Some(Grant::Direct);
    }
    let behind = [&caller.role_arn, &caller.user_arn].into_iter().any(|arn| arn.as_deref() == Some(name));
    behind.then_some(Grant::Role)
}
