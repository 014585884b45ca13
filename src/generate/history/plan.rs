//! Which changes are made when: each is chosen so that somebody may do something else afterwards.

use std::collections::{BTreeMap, BTreeSet};

use rand::seq::IteratorRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::super::estate::{DAYS, FIRST_DAY};
use super::changes::Edit;
use super::documents::Set;
use super::kinds::{CYCLE, Plot, draw};
use super::model::Model;

/// The most changes: with more, there would be no time between them.
pub(super) const MOST_CHANGES: usize = 4_000;
/// The fewest seconds between two changes.
const GAP: u64 = 1_800;
/// How often a change is looked for before another kind is tried.
const TRIES: u32 = 80;
const DAY: u64 = 86_400;

/// Somebody whom a change lets do an operation, or no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Witness {
    pub(super) name: String,
    pub(super) operation: usize,
    pub(super) gains: bool,
    /// Whether it was there before.
    pub(super) is_new: bool,
    /// How many principals may do something else.
    pub(super) touched: usize,
}

/// A planted change: calls to IAM, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) time: u64,
    pub(super) edits: Vec<Edit>,
    pub(super) witness: Witness,
}

impl Change {
    /// Makes the change.
    pub(super) fn apply(&self, model: &mut Model) {
        for edit in &self.edits {
            edit.apply(model, self.time);
        }
    }
}

/// The history of the account.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) start: Model,
    pub(super) changes: Vec<Change>,
    pub(super) end: Model,
    /// What each could do only for some of the time.
    pub(super) changed: BTreeMap<String, Set>,
    /// Who lost something.
    pub(super) losers: BTreeSet<String>,
}

impl Plan {
    /// Draws the account and so many changes.
    pub(super) fn new(seed: u64, changes: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let start = super::start::account(changes, &mut rng);
        let (changed, losers) = (BTreeMap::new(), BTreeSet::new());
        let mut plan = Self { end: start.clone(), start, changes: Vec::with_capacity(changes), changed, losers };
        let mut created = 0;
        for index in 0..changes {
            let time = time_of(index, changes, &mut rng);
            let mut kinds = (0..CYCLE.len()).filter_map(|more| Some((index + more, *CYCLE.get((index + more) % CYCLE.len())?)));
            let found = kinds.find_map(|(index, [first, second])| {
                let plots = if (index / CYCLE.len()).is_multiple_of(2) { [first, second] } else { [second, first] };
                plots.into_iter().find_map(|plot| plan.find(plot, time, created, &mut rng))
            });
            // A role can always be created.
            if let Some((change, model)) = found {
                created += usize::from(change.witness.is_new);
                plan.end = model;
                plan.changes.push(change);
            }
        }
        plan
    }

    /// A change of a kind that matters to somebody, and what the account is then.
    fn find(&mut self, plot: Plot, time: u64, created: usize, rng: &mut ChaCha8Rng) -> Option<(Change, Model)> {
        let before = self.end.everyone();
        let (change, after, flips) = (0..TRIES).find_map(|_| {
            let edits = draw(&self.end, plot, created, rng)?;
            let mut after = self.end.clone();
            edits.iter().for_each(|edit| edit.apply(&mut after, time));
            let own = |name: &str| before.get(name).copied();
            let differs = |(name, now): (&str, Set)| {
                let was = own(name).unwrap_or_default();
                (was != now).then(|| (name.to_owned(), was, now))
            };
            let flips: Vec<(String, Set, Set)> = after.everyone().into_iter().filter_map(differs).collect();
            let (name, was, now) = flips.iter().choose(rng)?;
            let operation = (*was ^ *now).pick(rng)?;
            let (gains, is_new) = (now.has(operation), own(name).is_none());
            let witness = Witness { name: name.clone(), operation, gains, is_new, touched: flips.len() };
            Some((Change { time, edits, witness }, after, flips))
        })?;
        for (name, was, now) in flips {
            let changed = self.changed.entry(name.clone()).or_default();
            *changed = *changed | (was ^ now);
            if !(was - now).is_empty() {
                self.losers.insert(name);
            }
        }
        Some((change, after))
    }
}

/// When a change is made: each has an equal part of the middle of the window, and leaves room before and behind.
fn time_of(index: usize, changes: usize, rng: &mut ChaCha8Rng) -> u64 {
    let (begin, length) = (FIRST_DAY * DAY + DAYS * DAY / 10, DAYS * DAY / 10 * 8);
    let part = length / changes.max(1) as u64;
    begin + index as u64 * part + GAP / 2 + rng.random_range(0..=part.saturating_sub(GAP))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    const FIRST_CYCLE: [&str; 16] = [
        "PutRolePolicy",
        "SetDefaultPolicyVersion",
        "RemoveUserFromGroup",
        "TagUser",
        "Put*PermissionsBoundary",
        "DetachRolePolicy",
        "AttachUserPolicy",
        "CreatePolicyVersion",
        "DeleteUserPolicy",
        "PutGroupPolicy",
        "AddUserToGroup",
        "DeleteRolePermissionsBoundary",
        "UntagUser",
        "DetachGroupPolicy",
        "CreateRole",
        "DeleteUserPermissionsBoundary",
    ];

    #[test]
    fn the_first_changes_are_one_of_each_kind() {
        for seed in 0..50 {
            let plan = Plan::new(seed, 16);
            let events: Vec<String> = plan.changes.iter().map(|change| change.edits[0].event()).collect();
            let events = events.iter().map(|event| event.replace("PutUserP", "PutP").replace("PutRolePerm", "PutPerm"));
            let wanted = FIRST_CYCLE.map(|event| event.replace('*', ""));
            assert_eq!(events.collect::<Vec<_>>(), wanted, "{seed}");
            assert_eq!(plan.changes[3].edits, [Edit::Tag { user: plan.changes[3].witness.name.clone(), team: "sales" }]);
        }
    }

    #[test]
    fn changes_are_apart_and_inside_of_the_window() {
        for changes in [1, 5, 1_000, MOST_CHANGES] {
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            let times: Vec<u64> = (0..changes).map(|index| time_of(index, changes, &mut rng)).collect();
            assert!(times.windows(2).all(|pair| pair[0] + GAP <= pair[1]));
            assert!(times[0] >= (FIRST_DAY + 12) * DAY && times[changes - 1] <= (FIRST_DAY + 108) * DAY);
        }
    }

    #[test]
    fn many_changes_all_matter() {
        let plan = Plan::new(3, 400);
        assert_eq!(plan.changes.len(), 400);
        let mut model = plan.start.clone();
        for change in &plan.changes {
            let may = |model: &Model| {
                let identity = model.identities.get(&change.witness.name);
                identity.is_some_and(|identity| model.rights(identity).effective(Set::ALL).has(change.witness.operation))
            };
            let before = may(&model);
            change.apply(&mut model);
            assert_eq!((before, may(&model)), (!change.witness.gains, change.witness.gains));
        }
        assert_eq!(model, plan.end);
    }
}
