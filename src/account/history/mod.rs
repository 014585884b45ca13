//! Which policies were in force when: from account snapshots of several times, and from the calls in the log that changed
//! something.
//!
//! A policy set is taken apart into [`Aspect`]s: an inline policy, an attachment, a tag. What each was when follows from what
//! snapshots saw and calls made of it; where these do not fit together, the log does not hold everything, and it is not
//! known. [`History::walk`] then leads a policy set through time.

mod aspect;
mod build;
mod call;
mod differences;
mod issued;
mod moments;
mod names;
mod resolve;
mod resources;
mod snapshots;

use std::collections::{BTreeMap, BTreeSet, HashMap};

pub(super) use aspect::maybe;
pub use aspect::{Aspect, Value};
pub use build::LONGEST_SESSION;
pub use call::{AccessChange, Call, ISSUING, TAGGING, changes_access, document, member, tags, text, texts};
pub use issued::{Issued, IssuedReader, IssuedTo, Passed, SessionPolicies};
pub use moments::{Moment, moments};
pub use resources::ResourceTags;
pub use snapshots::{Snapshots, Taken};

use super::policy_set::{Boundary, PolicySet};
use crate::iam::arn::Arn;
use resolve::Segments;

/// How policies came to be what they are.
#[derive(Debug)]
pub struct History {
    /// What was before all that is known to have changed.
    start: PolicySet,
    /// What changes when, in order.
    steps: BTreeMap<i64, Vec<(Aspect, Value)>>,
    depends: Dependents,
    /// Unique ids of users and roles that were made in the log, to their ARNs.
    made: HashMap<String, String>,
    /// When there were calls: what changes at another time is seen in a snapshot.
    called: BTreeSet<i64>,
    /// Calls that were followed.
    pub calls: usize,
    /// Calls that change something and of which it is not known what or whose.
    pub not_followed: Vec<String>,
}

/// Whom a step of a [`History`] concerns.
#[derive(Debug)]
pub enum Concerned<'h> {
    /// Users and roles, by ARN.
    Some(&'h BTreeSet<String>),
    /// All of them: the organization changes.
    Everyone,
}

impl History {
    /// The ARN of a user or role that was made in the log, by its unique id.
    pub fn made(&self, id: &str) -> Option<&str> {
        self.made.get(id).map(String::as_str)
    }

    /// When there were calls.
    pub fn called(&self) -> &BTreeSet<i64> {
        &self.called
    }

    /// Says that sessions of a role are limited by a managed policy too.
    pub fn note_session(&mut self, role: &str, policy: &str) {
        self.depends.holder(role, policy);
    }

    /// How many times something changed.
    pub fn times(&self) -> usize {
        self.steps.len()
    }

    /// What to say of calls that were not followed.
    pub fn warnings(&self) -> Vec<String> {
        const NAMED: usize = 3;
        let named = self.not_followed.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        let more = self.not_followed.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let text = format!(
            "calls in the log that change policies name somebody whom no snapshot has, or do not tell what they change: \
             {named}{more}: they are not followed"
        );
        (!self.not_followed.is_empty()).then_some(text).into_iter().collect()
    }

    /// Whether accounts were moved.
    pub fn moves_accounts(&self) -> bool {
        self.steps.values().flatten().any(|(aspect, _)| matches!(aspect, Aspect::Parent(_)))
    }

    /// Leads the policy set through time. `each` is told the time, the set from then on, and whom the step concerns; first
    /// the least time, which concerns everyone.
    pub fn walk(self, mut each: impl FnMut(i64, &PolicySet, Concerned<'_>)) {
        let Self { start: mut set, steps, depends, .. } = self;
        each(i64::MIN, &set, Concerned::Everyone);
        for (time, changes) in steps {
            let mut concerned = BTreeSet::new();
            let mut everyone = false;
            for (aspect, value) in &changes {
                aspect.apply(value, &mut set);
                match depends.on(aspect) {
                    Some(holders) => concerned.extend(holders),
                    None => everyone = true,
                }
            }
            each(time, &set, if everyone { Concerned::Everyone } else { Concerned::Some(&concerned) });
        }
    }
}

/// Who has what at some time, so that it is known whom a change concerns.
#[derive(Debug, Default)]
struct Dependents {
    /// Groups, by account and name, with their members.
    members: HashMap<(String, String), BTreeSet<String>>,
    /// Managed policies, by ARN, with their holders.
    holders: HashMap<String, BTreeSet<String>>,
}

impl Dependents {
    fn note(&mut self, aspect: &Aspect, segments: &Segments) {
        match aspect {
            Aspect::Member(user, group) => self.member(user, group),
            Aspect::Attached(holder, policy) => self.holder(holder, policy),
            Aspect::Boundary(holder) => {
                for (_, value) in segments {
                    if let Value::Text(policy) = value {
                        self.holder(holder, policy);
                    }
                }
            }
            _ => {}
        }
    }

    fn note_all(&mut self, set: &PolicySet) {
        for (arn, entity) in &set.entities {
            entity.groups.iter().for_each(|group| self.member(arn, group));
            entity.attached.iter().for_each(|policy| self.holder(arn, policy));
            if let Some(Boundary::Managed(policy)) = &entity.boundary {
                self.holder(arn, policy);
            }
        }
        for (arn, group) in &set.groups {
            group.attached.iter().for_each(|policy| self.holder(arn, policy));
        }
    }

    fn member(&mut self, user: &str, group: &str) {
        let account = Arn::parse(user).map(|arn| arn.account.to_owned()).unwrap_or_default();
        self.members.entry((account, group.to_owned())).or_default().insert(user.to_owned());
    }

    fn holder(&mut self, holder: &str, policy: &str) {
        self.holders.entry(policy.to_owned()).or_default().insert(holder.to_owned());
    }

    /// The users and roles behind a holder: those of a group, or itself.
    fn behind(&self, holder: &str) -> BTreeSet<String> {
        match Arn::parse(holder).filter(|arn| arn.resource.starts_with("group/")) {
            Some(group) => self.members.get(&(group.account.to_owned(), group.name().to_owned())).cloned().unwrap_or_default(),
            None => BTreeSet::from([holder.to_owned()]),
        }
    }

    /// The users and roles that a change of an aspect concerns; `None`: all.
    fn on(&self, aspect: &Aspect) -> Option<BTreeSet<String>> {
        match aspect {
            Aspect::Document(policy) => {
                Some(self.holders.get(policy).into_iter().flatten().flat_map(|holder| self.behind(holder)).collect())
            }
            _ => aspect.holder().map(|holder| self.behind(holder)),
        }
    }
}
