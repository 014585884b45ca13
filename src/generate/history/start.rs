//! The account before the first change.

use std::collections::{BTreeMap, BTreeSet};

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::super::principals::Kind;
use super::super::values::PEOPLE;
use super::documents::{Document, some_of};
use super::model::{ADMINISTRATOR, BROKER, Group, Identity, Inline, Model, Policy, Purpose};

/// When all of it was made: 2025-03-04, 09:12.
pub(super) const CREATED: u64 = (20_151 * 24 + 9) * 3600 + 12 * 60;

const POLICIES: [&str; 6] = ["MailReaders", "MailHelpdesk", "MailboxKeepers", "GroupKeepers", "AliasKeepers", "RoomKeepers"];
const TEAM_POLICIES: [&str; 2] = ["MailTeam", "MailTeamOnCall"];
const BOUNDARIES: [&str; 3] = ["StaffBoundary", "AutomationBoundary", "VisitorBoundary"];
/// Their documents never change.
const SESSION_POLICIES: [&str; 2] = ["LookOnly", "LookAtSettings"];
const GROUPS: [&str; 5] = ["MailAdmins", "MailDesk", "MailViewers", "RoomTeam", "NightShift"];
const ROLES: [&str; 6] = ["MailOps", "MailSync", "MailArchive", "RoomBooking", "MailAudit", "Onboarding"];

/// The account with room for so many changes.
pub(super) fn account(changes: usize, rng: &mut ChaCha8Rng) -> Model {
    let mut model = Model::default();
    add_policies(&mut model, changes, rng);
    for index in 0..5 + changes / 50 {
        let inline = if index % 5 == 4 { Document::allowing(2, true, rng) } else { Document::drawn(1, rng) };
        let group = Group {
            path: path(index, 3),
            inline: BTreeMap::from([("group-duties".to_owned(), inline)]),
            attached: some(&model, Purpose::Plain, 1 + index % 2, rng),
        };
        model.groups.insert(numbered(&GROUPS, "MailTeam", index), group);
    }
    for index in 0..12 + changes / 20 {
        let user = user(&model, index, rng);
        model.identities.insert(person(index), user);
    }
    for index in 0..6 + changes / 40 {
        let boundary = if index.is_multiple_of(2) { some(&model, Purpose::Boundary, 1, rng).pop_first() } else { None };
        let attached = some(&model, Purpose::Plain, 2, rng);
        let inline = BTreeMap::from([("duties".to_owned(), Document::drawn(4, rng))]);
        let role = Identity { path: path(index, 3), inline, attached, boundary, ..identity(Kind::Role) };
        model.identities.insert(numbered(&ROLES, "MailJob", index), role);
    }
    for (name, policy, action) in [(ADMINISTRATOR, "administer", "iam:*"), (BROKER, "assume", "sts:AssumeRole")] {
        let inline = BTreeMap::from([(policy.to_owned(), Document::other(action))]);
        model.identities.insert(name.to_owned(), Identity { inline, ..identity(Kind::User) });
    }
    model
}

/// An identity without anything.
pub(super) fn identity(kind: Kind) -> Identity {
    Identity {
        kind,
        path: "/",
        created: CREATED,
        inline: Inline::new(),
        attached: BTreeSet::new(),
        groups: BTreeSet::new(),
        boundary: None,
        team: None,
    }
}

fn user(model: &Model, index: usize, rng: &mut ChaCha8Rng) -> Identity {
    let names: Vec<&String> = model.groups.keys().collect();
    let groups = some_of(&names, if index.is_multiple_of(3) { 2 } else { 1 }, rng).into_iter().cloned().collect();
    let mut inline = BTreeMap::from([("own-tasks".to_owned(), Document::drawn(1, rng))]);
    if index.is_multiple_of(2) {
        inline.insert("extra-tasks".to_owned(), Document::drawn(2, rng));
    }
    let mut attached = some(model, Purpose::Plain, 1, rng);
    if index % 4 != 3 {
        attached.extend(some(model, Purpose::Team, 1, rng));
    }
    let boundary = if index % 3 == 1 { some(model, Purpose::Boundary, 1, rng).pop_first() } else { None };
    let team = [Some("mail"), Some("mail"), Some("mail"), Some("sales"), None].get(index % 5).copied().flatten();
    Identity { path: path(index, 4), inline, attached, groups, boundary, team, ..identity(Kind::User) }
}

fn add_policies(model: &mut Model, changes: usize, rng: &mut ChaCha8Rng) {
    for index in 0..6 + changes / 40 {
        let versions = if index < 3 { 3 } else { rng.random_range(1..=3) };
        let policy = policy(Purpose::Plain, path(index, 4), versions, rng, |rng| Document::drawn(2, rng));
        model.policies.insert(numbered(&POLICIES, "MailDuties", index), policy);
    }
    for index in 0..2 + changes / 200 {
        let policy = policy(Purpose::Team, "/", 1, rng, |rng| Document::allowing(4, true, rng));
        model.policies.insert(numbered(&TEAM_POLICIES, "MailTeam", index), policy);
    }
    for index in 0..3 + changes / 200 {
        let policy = policy(Purpose::Boundary, path(index, 3), 1, rng, |rng| Document::allowing(7, false, rng));
        model.policies.insert(numbered(&BOUNDARIES, "MailBoundary", index), policy);
    }
    for name in SESSION_POLICIES {
        model.policies.insert(name.to_owned(), policy(Purpose::Session, "/", 1, rng, |rng| Document::looking(2, rng)));
    }
}

fn policy(
    purpose: Purpose,
    path: &'static str,
    versions: u32,
    rng: &mut ChaCha8Rng,
    mut draw: impl FnMut(&mut ChaCha8Rng) -> Document,
) -> Policy {
    let versions: BTreeMap<_, _> = (1..=versions).map(|number| (number, (CREATED + u64::from(number) * 86_400, draw(rng)))).collect();
    let default = versions.keys().next_back().copied().unwrap_or(1);
    Policy { purpose, path, versions, default }
}

/// The names of some managed policies.
fn some(model: &Model, purpose: Purpose, count: usize, rng: &mut ChaCha8Rng) -> BTreeSet<String> {
    let names: Vec<&String> = model.policies.iter().filter(|(_, policy)| policy.purpose == purpose).map(|(name, _)| name).collect();
    some_of(&names, count, rng).into_iter().cloned().collect()
}

/// One in so many has a path.
fn path(index: usize, every: usize) -> &'static str {
    if index % every == every - 1 { "/ops/" } else { "/" }
}

/// The first names are given, the others have numbers.
fn numbered(names: &[&str], further: &str, index: usize) -> String {
    names.get(index).map_or_else(|| format!("{further}{index:03}"), |name| (*name).to_owned())
}

fn person(index: usize) -> String {
    let name = PEOPLE.get(index % PEOPLE.len()).copied().unwrap_or_default();
    if index < PEOPLE.len() { name.to_owned() } else { format!("{name}.{}", index / PEOPLE.len() + 1) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::generate::values::time_text;
    use rand::SeedableRng as _;

    #[test]
    fn the_account_grows_with_the_changes() {
        let count = |changes: usize, kind: Kind| {
            let model = account(changes, &mut ChaCha8Rng::seed_from_u64(1));
            model.identities.values().filter(|identity| identity.kind == kind).count()
        };
        assert_eq!((count(0, Kind::User), count(0, Kind::Role)), (12 + 2, 6));
        assert_eq!((count(1_000, Kind::User), count(1_000, Kind::Role)), (62 + 2, 31));
        assert_eq!(time_text(CREATED), "2025-03-04T09:12:00Z");
    }

    #[test]
    fn no_role_has_a_policy_of_the_team() {
        let model = account(100, &mut ChaCha8Rng::seed_from_u64(1));
        for role in model.identities.values().filter(|identity| identity.kind == Kind::Role) {
            assert!(role.attached.iter().all(|name| model.policies[name].purpose == Purpose::Plain));
        }
    }
}
