//! A policy document as loaded: what its author wrote, with positions, nothing compiled yet.

use super::condition::Operator;
use super::principal::PrincipalElement;

/// The `Version` element. An absent one behaves as [`Version::V2008`] (IAM user guide, `Version` element).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// `2008-10-17`: no policy variables.
    V2008,
    /// `2012-10-17`.
    V2012,
}

/// `Allow` or `Deny`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Effect {
    /// Grants what it matches, unless something denies it.
    Allow,
    /// Denies what it matches, whatever else allows it.
    Deny,
}

/// What a document is attached as. Decides which elements it may have and how short ARNs are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PolicyType {
    /// Identity-based: user, group, role; inline or managed.
    Identity,
    /// Permissions boundary.
    Boundary,
    /// Session policy.
    Session,
    /// Service control policy.
    Scp,
    /// Resource control policy.
    Rcp,
    /// Resource-based policy.
    Resource,
    /// VPC endpoint policy.
    Endpoint,
}

/// A list of patterns, or its complement: `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// Whether it is the `Not...` form.
    pub negated: bool,
    /// The patterns as written.
    pub patterns: Vec<String>,
}

/// One entry of a `Condition` block: operator, key and values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The operator with its set operator and `IfExists`.
    pub operator: Operator,
    /// The context key in lower case.
    pub key: String,
    /// The context key as written.
    pub written_key: String,
    /// The values as text, numbers and booleans in their source spelling.
    pub values: Vec<String>,
}

/// One statement. Equal to another that says the same, wherever and however it is written.
#[derive(Debug, Clone)]
pub struct Statement {
    /// `Sid`, if any.
    pub sid: Option<String>,
    /// `Effect`.
    pub effect: Effect,
    /// `Principal` or `NotPrincipal`; only where the policy type has one.
    pub principal: Option<PrincipalElement>,
    /// `Action` or `NotAction`.
    pub action: Element,
    /// `Resource` or `NotResource`; `None` only in resource-based policies.
    pub resource: Option<Element>,
    /// `Condition`: all must hold.
    pub conditions: Vec<Condition>,
    /// First and last line in the file that it was read from, from 1.
    pub lines: (usize, usize),
    /// The statement as its author wrote it.
    pub text: String,
}

impl PartialEq for Statement {
    fn eq(&self, other: &Self) -> bool {
        let said = |s: &Self| (s.sid.clone(), s.effect, s.principal.clone(), s.action.clone(), s.resource.clone(), s.conditions.clone());
        said(self) == said(other)
    }
}

impl Eq for Statement {}

/// A policy document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyDocument {
    /// `Version`.
    pub version: Version,
    /// `Id`, kept and ignored.
    pub id: Option<String>,
    /// The statements in order.
    pub statements: Vec<Statement>,
}

impl PolicyDocument {
    /// Whether every statement names principals, or all but some.
    pub fn names_principals(&self) -> bool {
        self.statements.iter().all(|statement| statement.principal.is_some())
    }

    /// Whether some statement has `Effect: Allow`.
    pub fn has_allow(&self) -> bool {
        self.statements.iter().any(|statement| statement.effect == Effect::Allow)
    }
}
