//! The operations that are called, sets of them, and policy documents.

use std::ops::{BitAnd, BitOr, BitXor, Sub};

use rand::Rng as _;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::super::estate::CORP;

/// The operations that occur. Each has the place that it has here in a [`Set`].
pub(super) const OPERATIONS: [&str; 32] = [
    "ListUsers",
    "ListGroups",
    "ListResources",
    "ListAliases",
    "ListGroupMembers",
    "ListMailDomains",
    "ListMailboxPermissions",
    "DescribeUser",
    "DescribeGroup",
    "DescribeResource",
    "DescribeOrganization",
    "GetMailboxDetails",
    "GetMailDomain",
    "GetDefaultRetentionPolicy",
    "CreateUser",
    "DeleteUser",
    "ResetPassword",
    "RegisterToWorkMail",
    "DeregisterFromWorkMail",
    "UpdateMailboxQuota",
    "CreateGroup",
    "DeleteGroup",
    "UpdateGroup",
    "AssociateMemberToGroup",
    "DisassociateMemberFromGroup",
    "CreateAlias",
    "DeleteAlias",
    "PutMailboxPermissions",
    "DeleteMailboxPermissions",
    "CreateResource",
    "DeleteResource",
    "UpdateResource",
];

/// What belongs to one duty: actions and, with a star, all that begin so.
const DUTIES: [&[&str]; 11] = [
    &["List*"],
    &["Describe*"],
    &["Get*"],
    &["ListUsers", "DescribeUser", "GetMailboxDetails"],
    &["CreateUser", "DeleteUser", "ResetPassword"],
    &["RegisterToWorkMail", "DeregisterFromWorkMail", "UpdateMailboxQuota"],
    &["CreateGroup", "DeleteGroup", "UpdateGroup"],
    &["AssociateMemberToGroup", "DisassociateMemberFromGroup"],
    &["CreateAlias", "DeleteAlias"],
    &["PutMailboxPermissions", "DeleteMailboxPermissions"],
    &["CreateResource", "DeleteResource", "UpdateResource"],
];
/// Of the duties, those that only look.
const LOOKING: usize = 3;

/// A set of [`OPERATIONS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Set(u32);

impl Set {
    /// All operations.
    pub(super) const ALL: Self = Self(u32::MAX);

    /// The operations that a pattern of an action stands for.
    fn of(pattern: &str) -> Self {
        let is_meant = |name: &str| pattern.strip_suffix('*').map_or(name == pattern, |begin| name.starts_with(begin));
        let places = OPERATIONS.iter().enumerate().filter(|(_, name)| is_meant(name));
        Self(places.fold(0, |bits, (place, _)| bits | 1 << place))
    }

    /// Whether an operation is in the set.
    pub(super) fn has(self, operation: usize) -> bool {
        self.0 >> operation & 1 == 1
    }

    /// Whether there is none.
    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// One of the operations.
    pub(super) fn pick(self, rng: &mut ChaCha8Rng) -> Option<usize> {
        let all: Vec<usize> = (0..OPERATIONS.len()).filter(|place| self.has(*place)).collect();
        all.choose(rng).copied()
    }
}

impl BitAnd for Set {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitOr for Set {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitXor for Set {
    type Output = Self;
    fn bitxor(self, other: Self) -> Self {
        Self(self.0 ^ other.0)
    }
}

impl Sub for Set {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// A policy document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Document(Vec<Statement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Statement {
    deny: bool,
    /// Whether it holds for those alone whose tag `team` is `mail`.
    team: bool,
    /// Whether its resource is everything, and not the organization.
    everywhere: bool,
    /// Actions of WorkMail without the prefix; of another service with it.
    actions: Vec<&'static str>,
    /// The operations that the actions stand for.
    operations: Set,
}

impl Document {
    /// A document that allows one action of another service everywhere.
    pub(super) fn other(action: &'static str) -> Self {
        Self(vec![Statement::new(false, false, true, vec![action])])
    }

    /// Allows some duties; with `team`, to the team alone.
    pub(super) fn allowing(duties: usize, team: bool, rng: &mut ChaCha8Rng) -> Self {
        Self::of_duties(&DUTIES, duties, team, rng)
    }

    /// Allows some of what only looks.
    pub(super) fn looking(duties: usize, rng: &mut ChaCha8Rng) -> Self {
        let looking = DUTIES.get(..LOOKING).unwrap_or_default();
        Self::of_duties(looking, duties, false, rng)
    }

    fn of_duties(all: &[&[&'static str]], duties: usize, team: bool, rng: &mut ChaCha8Rng) -> Self {
        let actions = some_of(all, duties, rng).into_iter().flatten().copied().collect();
        Self(vec![Statement::new(false, team, rng.random_bool(0.5), actions)])
    }

    /// Allows some duties, and now and then denies an operation.
    pub(super) fn drawn(duties: usize, rng: &mut ChaCha8Rng) -> Self {
        let mut document = Self::allowing(duties, false, rng);
        if rng.random_ratio(1, 6)
            && let Some(operation) = OPERATIONS.choose(rng)
        {
            document.0.push(Statement::new(true, false, rng.random_bool(0.5), vec![operation]));
        }
        document
    }

    /// The document without some of what it allows.
    pub(super) fn narrower(&self, rng: &mut ChaCha8Rng) -> Option<Self> {
        self.with_actions(|actions| {
            let kept = rng.random_range(1..actions.len().max(2));
            some_of(&actions, kept, rng)
        })
    }

    /// The document with one more duty.
    pub(super) fn wider(&self, rng: &mut ChaCha8Rng) -> Option<Self> {
        self.with_actions(|mut actions| {
            actions.extend(DUTIES.choose(rng).into_iter().copied().flatten());
            actions
        })
    }

    /// The document with other actions in its first statement that allows, if that is another document.
    fn with_actions(&self, edit: impl FnOnce(Vec<&'static str>) -> Vec<&'static str>) -> Option<Self> {
        let mut other = self.clone();
        let statement = other.0.iter_mut().find(|statement| !statement.deny)?;
        *statement = Statement::new(false, statement.team, statement.everywhere, edit(statement.actions.clone()));
        (other != *self).then_some(other)
    }

    /// Narrower or wider.
    pub(super) fn varied(&self, rng: &mut ChaCha8Rng) -> Option<Self> {
        if rng.random_bool(0.5) { self.narrower(rng) } else { self.wider(rng) }
    }

    /// What it allows to someone who is of the team, or is not.
    pub(super) fn allowed(&self, in_team: bool) -> Set {
        self.sum(|statement| !statement.deny && (in_team || !statement.team))
    }

    /// What it denies.
    pub(super) fn denied(&self) -> Set {
        self.sum(|statement| statement.deny)
    }

    fn sum(&self, which: impl Fn(&Statement) -> bool) -> Set {
        self.0.iter().filter(|statement| which(statement)).fold(Set::default(), |set, statement| set | statement.operations)
    }

    /// The document as IAM has it.
    pub(super) fn json(&self) -> Value {
        json!({"Version": "2012-10-17", "Statement": self.0.iter().map(Statement::json).collect::<Vec<_>>()})
    }
}

impl Statement {
    fn new(deny: bool, team: bool, everywhere: bool, mut actions: Vec<&'static str>) -> Self {
        actions.sort_unstable();
        actions.dedup();
        let operations = actions.iter().fold(Set::default(), |set, action| set | Set::of(action));
        Self { deny, team, everywhere, actions, operations }
    }

    fn json(&self) -> Value {
        let full = |action: &&str| if action.contains(':') { (*action).to_owned() } else { format!("workmail:{action}") };
        let actions: Vec<String> = self.actions.iter().map(full).collect();
        let organization = format!("arn:aws:workmail:{}:{}:organization/{}", CORP.region, CORP.account, CORP.id);
        let mut statement = json!({
            "Effect": if self.deny { "Deny" } else { "Allow" },
            "Action": if let [action] = actions.as_slice() { json!(action) } else { json!(actions) },
            "Resource": if self.everywhere { "*" } else { &organization },
        });
        if let (true, Some(members)) = (self.team, statement.as_object_mut()) {
            members.insert("Condition".to_owned(), json!({"StringEquals": {"aws:PrincipalTag/team": "mail"}}));
        }
        statement
    }
}

/// Some of many.
pub(super) fn some_of<T: Clone>(all: &[T], count: usize, rng: &mut ChaCha8Rng) -> Vec<T> {
    let mut some = all.to_vec();
    some.shuffle(rng);
    some.truncate(count);
    some
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    #[test]
    fn patterns_stand_for_operations() {
        let names =
            |set: Set| -> Vec<&str> { (0..OPERATIONS.len()).filter(|place| set.has(*place)).map(|place| OPERATIONS[place]).collect() };
        assert_eq!(names(Set::of("Get*")), ["GetMailboxDetails", "GetMailDomain", "GetDefaultRetentionPolicy"]);
        assert_eq!(names(Set::of("CreateUser")), ["CreateUser"]);
        assert!(Set::of("iam:*").is_empty());
        for action in DUTIES.iter().flat_map(|duty| duty.iter()) {
            assert!(!Set::of(action).is_empty(), "{action}");
        }
    }

    #[test]
    fn narrower_documents_allow_less() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..100 {
            let document = Document::drawn(3, &mut rng);
            let narrower = document.narrower(&mut rng).unwrap();
            assert!((narrower.allowed(true) - document.allowed(true)).is_empty() && narrower != document);
            assert_eq!(narrower.denied(), document.denied());
        }
    }

    #[test]
    fn documents_of_the_team_allow_nothing_to_others() {
        let document = Document::allowing(2, true, &mut ChaCha8Rng::seed_from_u64(1));
        assert!(document.allowed(false).is_empty() && !document.allowed(true).is_empty());
        assert_eq!(document.json()["Statement"][0]["Condition"]["StringEquals"]["aws:PrincipalTag/team"], "mail");
    }
}
