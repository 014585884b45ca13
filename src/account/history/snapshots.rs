//! Account snapshots of several times, and when each was taken.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::account::bundle::Policy;
use crate::account::policy_set::PolicySet;
use crate::iam::arn::Arn;
use crate::iam::condition::date;

/// A day in microseconds.
const DAY: i64 = 86_400_000_000;

/// When something was taken, in microseconds since 1970: at some time from `from` to `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Taken {
    /// Earliest.
    pub from: i64,
    /// Latest.
    pub to: i64,
}

impl Taken {
    /// Of what does not say when it was taken: after everything in the log.
    pub const NEWEST: Self = Self { from: i64::MAX, to: i64::MAX };

    /// At a time.
    pub fn at(time: i64) -> Self {
        Self { from: time, to: time }
    }

    /// From the path of a file: the newest `YYYY-MM-DD` or `YYYY-MM-DDTHHMMSSZ` in it.
    ///
    /// ```
    /// use retrial::account::history::Taken;
    /// let taken = Taken::of_path("snapshots/2026-03-01/account-2026-03-02T101500Z.json".as_ref());
    /// assert_eq!(taken, Some(Taken::at(1_772_446_500_000_000)));
    /// assert_eq!(Taken::of_path("account.json".as_ref()), None);
    /// ```
    pub fn of_path(path: &Path) -> Option<Self> {
        let text = path.to_string_lossy();
        let starts = text.char_indices().map(|(at, _)| at);
        starts.filter_map(|at| Self::parse(text.get(at..)?, text.get(..at)?.chars().next_back())).max()
    }

    /// The date that a text begins with, behind a character.
    fn parse(text: &str, before: Option<char>) -> Option<Self> {
        let is_part = |character: Option<char>| character.is_some_and(|character| character.is_ascii_digit());
        let day = text.get(..10).filter(|day| [4, 7].iter().all(|at| day.as_bytes().get(*at) == Some(&b'-')))?;
        if is_part(before) || is_part(text.chars().nth(10)) {
            return None;
        }
        let from = date::parse(day)?;
        let clock = text.get(10..18).filter(|clock| clock.starts_with('T') && clock.ends_with('Z'));
        let [hours, minutes, seconds] = [1..3, 3..5, 5..7].map(|part| clock.and_then(|clock| clock.get(part)));
        match (hours, minutes, seconds) {
            (Some(hours), Some(minutes), Some(seconds)) => {
                date::parse(&format!("{day}T{hours}:{minutes}:{seconds}Z")).map(Self::at).or(Some(Self { from, to: from + DAY }))
            }
            _ => Some(Self { from, to: from + DAY }),
        }
    }
}

/// The snapshots of a baseline: when the newest of each account was taken, and the older ones.
#[derive(Debug, Clone, Default)]
pub struct Snapshots {
    /// By account, when its newest snapshot was taken; [`Taken::NEWEST`] where that is not said.
    pub newest: BTreeMap<String, Taken>,
    /// By organization, the same.
    pub organizations: BTreeMap<String, Taken>,
    /// The older ones, the oldest first.
    pub older: Vec<(Taken, PolicySet)>,
}

impl Snapshots {
    /// Sorts snapshots by the time at which they were taken into the newest of each account, and what is older. One that does
    /// not say when it was taken counts as the newest.
    pub(in crate::account) fn sort(taken: BTreeMap<Option<Taken>, PolicySet>) -> (Option<PolicySet>, Self) {
        let mut snapshots = Self::default();
        let mut newest: Option<PolicySet> = None;
        // The undated ones last, and of the others the newest before the older.
        let mut all: Vec<(Taken, PolicySet)> = taken.into_iter().map(|(taken, set)| (taken.unwrap_or(Taken::NEWEST), set)).collect();
        all.sort_by_key(|(taken, _)| std::cmp::Reverse(*taken));
        for (taken, mut set) in all {
            let newer: BTreeSet<String> = set.accounts.iter().filter(|account| snapshots.newest.contains_key(*account)).cloned().collect();
            if !newer.is_empty() {
                let older = set.split_off(&newer);
                snapshots.older.insert(0, (taken, older));
            }
            snapshots.newest.extend(set.accounts.iter().map(|account| (account.clone(), taken)));
            match &mut newest {
                Some(known) => known.add(set),
                None => newest = Some(set),
            }
        }
        (newest, snapshots)
    }
}

impl PolicySet {
    /// Takes what it says of some accounts, with the policies of AWS, into a set of its own.
    fn split_off(&mut self, accounts: &BTreeSet<String>) -> Self {
        let is_of = |arn: &str| Arn::parse(arn).is_some_and(|arn| accounts.contains(arn.account));
        let mut taken = Self { versions: self.versions.clone(), ..Self::default() };
        taken.accounts = accounts.clone();
        self.accounts.retain(|account| !accounts.contains(account));
        taken.entities = self.entities.extract_if(.., |arn, _| is_of(arn)).collect();
        taken.groups = self.groups.extract_if(.., |arn, _| is_of(arn)).collect();
        taken.managed = self.managed.extract_if(.., |arn, _| is_of(arn)).collect();
        let of_aws = self.managed.iter().filter(|(arn, _)| arn.contains(":iam::aws:")).map(|(arn, policy)| (arn.clone(), policy.clone()));
        taken.managed.extend(of_aws.collect::<Vec<_>>());
        taken.ids = taken.entities.values().map(|entity| (entity.id.clone(), entity.arn.clone())).collect();
        self.ids.retain(|id, _| !taken.ids.contains_key(id));
        taken
    }

    /// Enters a version of a managed policy.
    pub(in crate::account) fn add_version(&mut self, arn: &str, version: &str, policy: Arc<Policy>) {
        Arc::make_mut(&mut self.versions).entry(arn.to_owned()).or_default().insert(version.to_owned(), policy);
    }

    /// Adds snapshots of other accounts; of the policies of AWS what is known stays.
    fn add(&mut self, other: Self) {
        self.accounts.extend(other.accounts);
        self.entities.extend(other.entities);
        self.groups.extend(other.groups);
        self.ids.extend(other.ids);
        for (arn, document) in other.managed {
            let known = self.managed.entry(arn).or_default();
            *known = known.take().or(document);
        }
        for (arn, versions) in Arc::unwrap_or_clone(other.versions) {
            Arc::make_mut(&mut self.versions).entry(arn).or_default().extend(versions);
        }
    }
}
