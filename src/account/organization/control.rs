//! The types of policy that an organization attaches, and what stands for a policy that was not supplied.

use std::sync::{Arc, LazyLock};

use crate::account::bundle::{NOT_SUPPLIED, Policy};
use crate::iam::{PolicyDocument, PolicyType, Version, parse};

/// The two types of policy that an organization attaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ControlType {
    /// Service control policy: limits the principals of an account.
    Scp,
    /// Resource control policy: limits who may use the resources of an account.
    Rcp,
}

impl ControlType {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Scp, Self::Rcp];

    /// The name in sentences.
    pub fn words(self) -> &'static str {
        match self {
            Self::Scp => "service control policy",
            Self::Rcp => "resource control policy",
        }
    }

    /// The name in ARNs; in the API of AWS Organizations the same in capitals.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scp => "service_control_policy",
            Self::Rcp => "resource_control_policy",
        }
    }

    /// The type of a name, in any letter case: `SERVICE_CONTROL_POLICY`, `scp`.
    pub fn parse(name: &str) -> Option<Self> {
        let short = |control: &Self| if *control == Self::Scp { "scp" } else { "rcp" };
        Self::ALL.into_iter().find(|control| name.eq_ignore_ascii_case(control.name()) || name.eq_ignore_ascii_case(short(control)))
    }

    /// The type whose documents are parsed so.
    pub fn of(policy_type: PolicyType) -> Option<Self> {
        Self::ALL.into_iter().find(|control| control.policy_type() == policy_type)
    }

    /// What its documents are parsed as.
    pub fn policy_type(self) -> PolicyType {
        match self {
            Self::Scp => PolicyType::Scp,
            Self::Rcp => PolicyType::Rcp,
        }
    }

    /// The id of the policy that AWS provides: it allows everything.
    pub(super) fn full_access(self) -> &'static str {
        match self {
            Self::Scp => "p-FullAWSAccess",
            Self::Rcp => "p-RCPFullAWSAccess",
        }
    }

    /// A document that allows everything.
    pub(super) fn everything(self, sid: &str) -> PolicyDocument {
        let principal = if self == Self::Rcp { r#""Principal": "*", "# } else { "" };
        let sid = if sid.is_empty() { String::new() } else { format!(r#""Sid": "{sid}", "#) };
        let text =
            format!(r#"{{"Version": "2012-10-17", "Statement": [{{{sid}"Effect": "Allow", {principal}"Action": "*", "Resource": "*"}}]}}"#);
        // The text is ours and parses: the unit test `what_aws_provides_allows_everything` holds it to that.
        parse::document(&text, self.policy_type()).unwrap_or(PolicyDocument { version: Version::V2012, id: None, statements: Vec::new() })
    }
}

/// Stands for policies that exist and were not supplied: its level may allow, so it does not deny by itself. Whether those
/// policies permit is left to the opaque layer.
pub(super) fn stand_in(control: ControlType, name: String) -> Arc<Policy> {
    Arc::new(Policy { name, file: None, document: control.everything(NOT_SUPPLIED) })
}

/// The stand-in where it is not known which policies there are.
pub(super) fn unlisted(control: ControlType) -> &'static Arc<Policy> {
    static SCP: LazyLock<Arc<Policy>> = LazyLock::new(|| unlisted_of(ControlType::Scp));
    static RCP: LazyLock<Arc<Policy>> = LazyLock::new(|| unlisted_of(ControlType::Rcp));
    match control {
        ControlType::Scp => &SCP,
        ControlType::Rcp => &RCP,
    }
}

fn unlisted_of(control: ControlType) -> Arc<Policy> {
    stand_in(control, format!("arn:aws:organizations:::policy/{}/not-supplied", control.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_aws_provides_allows_everything() {
        for control in ControlType::ALL {
            let [statement] = &control.everything("").statements[..] else { panic!("one statement") };
            assert_eq!((statement.action.patterns.as_slice(), statement.sid.is_none()), (["*".to_owned()].as_slice(), true));
            assert_eq!(statement.principal.is_some(), control == ControlType::Rcp);
        }
    }
}
