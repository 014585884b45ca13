//! Which policies the principals of a log had when: the states of each, from the time on at which they began.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::principals::{KnownTags, Seen, Sets, complete};
use super::timeline::Timeline;
use crate::account::history::{Concerned, History};
use crate::account::{Bundle, Layer, PolicySet, PrincipalKey};

/// What a principal had from some time on.
#[derive(Debug, PartialEq)]
pub(super) struct State {
    pub(super) bundle: Bundle,
    pub(super) tags: KnownTags,
    /// The policies of its sessions, by number, where they are managed ones.
    pub(super) sessions: BTreeMap<u32, Layer>,
}

/// The states of a principal, each with the time from which on it was so; the first before all times.
#[derive(Debug, Default)]
pub(super) struct PastOf {
    pub(super) states: Vec<(i64, Arc<State>)>,
    /// The times at which a call changed something; what changes at another is seen in a snapshot.
    pub(super) called: BTreeSet<i64>,
}

/// The states of all principals whose policies changed.
#[derive(Debug, Default)]
pub(super) struct Past {
    of: HashMap<PrincipalKey, PastOf>,
}

impl Past {
    /// Leads the policies through time. Principals whose policies were always those of the baseline are left out.
    pub(super) fn new(seen: &BTreeSet<Seen>, sets: &Sets<'_>, timeline: &Timeline, history: Option<History>) -> Self {
        let Some(mut history) = history else { return Self::default() };
        let keys: BTreeSet<&PrincipalKey> = seen.iter().map(|seen| &seen.key).collect();
        let mut by_arn: HashMap<String, Vec<&PrincipalKey>> = HashMap::new();
        for key in &keys {
            let older = sets.baseline.snapshots.older.iter().map(|(_, set)| set);
            let found = std::iter::once(sets.baseline).chain(older).filter_map(|set| set.find(key).ok());
            let known = found.map(|entity| entity.arn.as_str()).chain(history.made(&key.id)).chain([key.arn.as_str()]);
            let arns: BTreeSet<&str> = known.collect();
            arns.into_iter().for_each(|arn| by_arn.entry(arn.to_owned()).or_default().push(key));
        }
        for (role, policies) in &timeline.sessions.of_role {
            for number in policies.keys() {
                timeline.sessions.managed(*number).iter().for_each(|policy| history.note_session(role, policy));
            }
        }
        let called = history.called().clone();
        let mut of: HashMap<PrincipalKey, PastOf> = HashMap::new();
        history.walk(|time, set, concerned| {
            let mut enter = |key: &PrincipalKey| {
                let state = State::new(key, set, sets, timeline);
                let past = of.entry(key.clone()).or_default();
                if past.states.last().is_none_or(|(_, last)| **last != state) {
                    past.states.push((time, Arc::new(state)));
                    past.called.extend(called.get(&time));
                }
            };
            match concerned {
                Concerned::Everyone => keys.iter().for_each(|key| enter(key)),
                Concerned::Some(arns) => {
                    let concerned: BTreeSet<&PrincipalKey> = arns.iter().filter_map(|arn| by_arn.get(arn)).flatten().copied().collect();
                    concerned.into_iter().for_each(enter);
                }
            }
        });
        of.retain(|key, past| match past.states.as_slice() {
            [(_, only)] => **only != State::new(key, sets.baseline, sets, timeline),
            _ => true,
        });
        Self { of }
    }

    /// The states of a principal; `None` if they were always those of the baseline.
    pub(super) fn of(&self, key: &PrincipalKey) -> Option<&PastOf> {
        self.of.get(key)
    }
}

impl State {
    fn new(key: &PrincipalKey, set: &PolicySet, sets: &Sets<'_>, timeline: &Timeline) -> Self {
        let arn = set.find(key).map_or(key.arn.as_str(), |entity| entity.arn.as_str());
        let numbers = timeline.sessions.of_role.get(arn).into_iter().flat_map(|policies| policies.keys());
        let managed = numbers.filter(|number| !timeline.sessions.managed(**number).is_empty());
        Self {
            bundle: complete(set.bundle(key), sets.assume_absent),
            tags: KnownTags::of(key, set),
            sessions: managed.map(|number| (*number, timeline.sessions.layer(*number, set))).collect(),
        }
    }
}

impl PastOf {
    /// The states that may have been in force at some time between two.
    pub(super) fn between(&self, earliest: i64, latest: i64) -> &[(i64, Arc<State>)] {
        let begun = self.states.partition_point(|(from, _)| *from <= earliest).saturating_sub(1);
        let ended = self.states.partition_point(|(from, _)| *from <= latest);
        self.states.get(begun..ended).unwrap_or_default()
    }

    /// When something changed.
    pub(super) fn changes(&self) -> BTreeSet<i64> {
        self.states.iter().skip(1).map(|(from, _)| *from).collect()
    }
}
