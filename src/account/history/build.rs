//! What snapshots saw and calls made, gathered into a [`History`].

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::aspect::{Aspect, Value};
use super::call::{Call, NotFollowed};
use super::names::{Holder, Names};
use super::resolve::{Fact, Segments, When, resolve, share_documents};
use super::snapshots::Taken;
use super::{Dependents, History, differences};
use crate::account::policy_set::{EntityKind, PolicySet};
use crate::iam::arn::Arn;

/// How long a session and its keys last at most, in microseconds: tags of its role that are changed meanwhile may not be
/// its own.
pub const LONGEST_SESSION: i64 = 36 * 3_600_000_000;

/// Facts in the gathering.
struct Gathering<'g> {
    newest: PolicySet,
    older: Vec<(Taken, PolicySet)>,
    calls: &'g [Call],
    names: Names,
    facts: BTreeMap<Aspect, Vec<Fact>>,
    /// The aspects of a holder, and those of the members of a group by its account and name.
    of: HashMap<String, BTreeSet<Aspect>>,
    /// Who came or went when.
    came: Vec<(i64, String)>,
    ids: HashMap<String, String>,
    /// Of whom nothing is known before a time.
    forgotten: HashMap<String, i64>,
    followed: usize,
    not_followed: Vec<String>,
}

impl History {
    /// The history of the newest policies; `None` if nothing is known to have changed.
    pub fn new(newest: &PolicySet, calls: &[Call]) -> Option<Self> {
        let mut gathering = Gathering::new(newest, calls);
        gathering.calls();
        gathering.snapshots();
        gathering.come_and_go();
        gathering.renamed();
        if gathering.facts.is_empty() && gathering.not_followed.is_empty() {
            return None;
        }
        Some(gathering.finish())
    }
}

/// Under what the members of a group are found.
fn members_of(account: &str, group: &str) -> String {
    format!("{account}/{group}")
}

fn account_of(arn: &str) -> String {
    Arn::parse(arn).map(|arn| arn.account.to_owned()).unwrap_or_default()
}

impl<'g> Gathering<'g> {
    fn new(newest: &PolicySet, calls: &'g [Call]) -> Self {
        let mut older = newest.snapshots.older.clone();
        let names = Names::new(std::iter::once(newest).chain(older.iter().rev().map(|(_, set)| set)), calls);
        let mut newest = newest.clone();
        // A policy of the organization that one of them has is known to all, so that it can be attached in the past.
        let all: Vec<_> =
            std::iter::once(&newest).chain(older.iter().map(|(_, set)| set)).flat_map(|set| set.organizations.documents()).collect();
        for set in std::iter::once(&mut newest).chain(older.iter_mut().map(|(_, set)| set)) {
            all.iter().for_each(|(id, control, policy)| set.organizations.define_missing(id, *control, policy.as_deref()));
            names.controls().for_each(|(id, control)| set.organizations.define_missing(id, control, None));
        }
        let (facts, of, came, ids, forgotten) = Default::default();
        Self { newest, older, calls, names, facts, of, came, ids, forgotten, followed: 0, not_followed: Vec::new() }
    }

    /// The facts of an aspect.
    fn facts(&mut self, aspect: &Aspect) -> &mut Vec<Fact> {
        if !self.facts.contains_key(aspect) {
            if let Some(holder) = aspect.holder() {
                self.of.entry(holder.to_owned()).or_default().insert(aspect.clone());
            }
            if let Aspect::Member(user, group) = aspect {
                self.of.entry(members_of(&account_of(user), group)).or_default().insert(aspect.clone());
            }
        }
        self.facts.entry(aspect.clone()).or_default()
    }

    /// What the calls make of which aspects.
    fn calls(&mut self) {
        for call in self.calls {
            match call.effects(&self.names) {
                Ok(effects) => {
                    self.followed += usize::from(!effects.is_empty());
                    for effect in effects {
                        if let Aspect::Exists(holder) = &effect.aspect {
                            self.came.push((call.time, holder.clone()));
                            if let Value::Made(_, id) = &effect.value {
                                self.ids.insert(id.clone(), holder.clone());
                            }
                        }
                        let fact = Fact { when: When::Call(call.time, effect.before), value: effect.value };
                        self.facts(&effect.aspect).push(fact);
                    }
                }
                Err(why) => self.not_followed(call, &why),
            }
        }
    }

    /// What a call changed that does not tell it is not known until a snapshot shows it.
    fn not_followed(&mut self, call: &Call, why: &NotFollowed) {
        // Of accounts without a snapshot nothing is known anyway.
        if !self.newest.accounts.contains(&call.account) && self.newest.organizations.of(&call.account).is_none() {
            return;
        }
        self.not_followed.push(call.to_string());
        let NotFollowed::NotTold(holder) = why else { return };
        let is_of = |arn: &&String| account_of(arn) == call.account;
        let unknown: Vec<Aspect> = match (holder, call.source.as_str()) {
            (Some(holder), _) => vec![call.unknown_of(holder)],
            (None, "organizations.amazonaws.com") => {
                self.newest.organizations.accounts().map(|account| Aspect::Parent(account.to_owned())).collect()
            }
            (None, _) => self.newest.entities.keys().filter(is_of).map(|arn| call.unknown_of(arn)).collect(),
        };
        for aspect in unknown {
            self.facts(&aspect).push(Fact { when: When::Call(call.time, None), value: Value::Unknown });
        }
    }

    /// In what older snapshots differ from the newest.
    fn snapshots(&mut self) {
        let differing: Vec<Aspect> = self.older.iter().flat_map(|(_, older)| differences::between(older, &self.newest)).collect();
        for aspect in &differing {
            self.facts(aspect);
        }
    }

    /// Who is made has nothing before, and nothing but what it is given; who is deleted has nothing after.
    fn come_and_go(&mut self) {
        let came = std::mem::take(&mut self.came);
        let holders: BTreeSet<&String> = came.iter().map(|(_, holder)| holder).collect();
        for holder in holders {
            let sets = std::iter::once(&self.newest).chain(self.older.iter().map(|(_, set)| set));
            let all: Vec<Aspect> = sets.flat_map(|set| differences::of_holder(holder, set)).collect();
            for aspect in &all {
                self.facts(aspect);
            }
        }
        for (time, holder) in &came {
            let group = Arn::parse(holder).filter(|arn| arn.resource.starts_with("group/"));
            let members = group.map(|group| members_of(group.account, group.name()));
            let own = self.of.get(holder).into_iter().chain(members.and_then(|members| self.of.get(&members))).flatten();
            for aspect in own.filter(|aspect| !matches!(aspect, Aspect::Exists(_))) {
                let Some(facts) = self.facts.get_mut(aspect) else { continue };
                if !facts.iter().any(|fact| matches!(fact.when, When::Call(at, _) if at == *time)) {
                    facts.push(Fact { when: When::Call(*time, None), value: Value::Absent });
                }
            }
        }
        self.came = came;
    }

    /// Of whom had another name or path before, nothing before that is known: calls and snapshots name another.
    fn renamed(&mut self) {
        let mut all: BTreeMap<(String, Holder, String), BTreeSet<String>> = BTreeMap::new();
        let mut renamed: BTreeSet<String> = BTreeSet::new();
        for set in std::iter::once(&self.newest).chain(self.older.iter().map(|(_, set)| set)) {
            let entities = set.entities.values().map(|entity| {
                let kind = if entity.kind == EntityKind::User { Holder::User } else { Holder::Role };
                (kind, entity.arn.as_str())
            });
            for (kind, arn) in entities.chain(set.groups.keys().map(|arn| (Holder::Group, arn.as_str()))) {
                let Some(parsed) = Arn::parse(arn) else { continue };
                let key = (parsed.account.to_owned(), kind, parsed.name().to_lowercase());
                if kind == Holder::Group && self.names.was_renamed(&key) {
                    renamed.insert(arn.to_owned());
                }
                all.entry(key).or_default().insert(arn.to_owned());
            }
            for (id, arn) in set.ids.iter().filter(|_| !std::ptr::eq(set, &self.newest)) {
                if let Some(now) = self.newest.ids.get(id).filter(|now| *now != arn) {
                    renamed.extend([arn.clone(), now.clone()]);
                }
            }
        }
        renamed.extend(all.into_values().filter(|arns| arns.len() > 1).flatten());
        for holder in renamed {
            self.forget_before(&holder);
        }
    }

    fn forget_before(&mut self, holder: &str) {
        let Some(arn) = Arn::parse(holder) else { return };
        let account = arn.account.to_owned();
        let newest = self.newest.snapshots.newest.get(&account).map_or(i64::MAX, |taken| taken.from);
        let since = self.names.last_named(&account, arn.name()).unwrap_or(newest);
        let is_group = arn.resource.starts_with("group/");
        let members = is_group.then(|| members_of(&account, arn.name()));
        let exists = Aspect::Exists(holder.to_owned());
        self.facts(&exists);
        let own = self.of.get(holder).into_iter().chain(members.and_then(|members| self.of.get(&members))).flatten();
        for aspect in own {
            let Some(facts) = self.facts.get_mut(aspect) else { continue };
            facts.retain(|fact| match &fact.when {
                When::Call(time, _) => *time >= since,
                When::Snapshot(taken) => taken.from >= since,
            });
            let begins = facts.iter().any(|fact| matches!(fact.when, When::Call(time, _) if time == since));
            if !begins && (*aspect == exists || matches!(aspect, Aspect::Member(..))) {
                facts.push(Fact { when: When::Call(since, Some(Value::Unknown)), value: Value::Unknown });
            }
        }
        self.forgotten.insert(holder.to_owned(), since);
    }

    /// What the snapshots saw of an aspect.
    fn seen(&self, aspect: &Aspect) -> Vec<Fact> {
        let snapshots = &self.newest.snapshots;
        let account = aspect.holder().map(account_of).or_else(|| match aspect {
            Aspect::Document(arn) => Some(account_of(arn)).filter(|account| account != "aws"),
            _ => None,
        });
        let of_newest = match (&account, aspect) {
            (Some(account), _) => snapshots.newest.get(account).copied(),
            // A policy of AWS is as some snapshot has it.
            (None, Aspect::Document(_)) => snapshots.newest.values().max().copied(),
            (None, _) => snapshots.organizations.values().max().copied(),
        };
        let newest = (of_newest.unwrap_or(Taken::NEWEST), &self.newest);
        let since = aspect.holder().and_then(|holder| self.forgotten.get(holder)).copied().unwrap_or(i64::MIN);
        let all = self.older.iter().map(|(taken, set)| (*taken, set)).filter(|(taken, _)| taken.from >= since).chain([newest]);
        all.filter_map(|(taken, set)| Some(Fact { when: When::Snapshot(taken), value: aspect.read(set)? })).collect()
    }

    fn finish(self) -> History {
        let mut all: BTreeMap<&Aspect, Segments> = BTreeMap::new();
        let mut depends = Dependents::default();
        for (aspect, facts) in &self.facts {
            let facts: Vec<Fact> = facts.iter().cloned().chain(self.seen(aspect)).collect();
            let mut segments = resolve(&facts);
            share_documents(&mut segments, aspect.read(&self.newest).as_ref());
            if let Aspect::Tag(holder, _) = aspect
                && holder.contains(":role/")
            {
                // Who is just made has no older sessions.
                let came: BTreeSet<i64> = self.came.iter().filter(|(_, who)| who == holder).map(|(time, _)| *time).collect();
                segments = for_sessions(segments, &came);
            }
            depends.note(aspect, &segments);
            all.insert(aspect, segments);
        }
        let mut steps: BTreeMap<i64, Vec<(Aspect, Value)>> = BTreeMap::new();
        for (aspect, segments) in &all {
            segments.iter().skip(1).for_each(|(time, value)| steps.entry(*time).or_default().push(((*aspect).clone(), value.clone())));
            let Aspect::Exists(holder) = aspect else { continue };
            // Who is there anew is there without anything: what is known of it then is said again.
            for (time, _) in segments.iter().skip(1).filter(|(_, value)| matches!(value, Value::Made(..))) {
                for own in self.of.get(holder).into_iter().flatten().filter(|own| own != aspect) {
                    let Some(segments) = all.get(own) else { continue };
                    let at = segments.partition_point(|(from, _)| from <= time);
                    let value = at.checked_sub(1).and_then(|at| segments.get(at)).filter(|(from, _)| from != time);
                    steps.entry(*time).or_default().extend(value.map(|(_, value)| (own.clone(), value.clone())));
                }
            }
        }
        steps.values_mut().for_each(|changes| changes.sort_by(|(a, _), (b, _)| a.cmp(b)));
        let mut start = self.newest.clone();
        let begins = all.iter().filter_map(|(aspect, segments)| Some((*aspect, segments.first()?)));
        begins.for_each(|(aspect, (_, value))| aspect.apply(value, &mut start));
        depends.note_all(&start);
        let called = self.calls.iter().map(|call| call.time).collect();
        History { start, steps, depends, made: self.ids, called, calls: self.followed, not_followed: self.not_followed }
    }
}

/// The tags of a role as its sessions may have them: one that is older than a change may have what was before it.
fn for_sessions(segments: Segments, came: &BTreeSet<i64>) -> Segments {
    let mut all = Segments::new();
    let mut segments = segments.into_iter().peekable();
    all.extend(segments.next());
    while let Some((time, value)) = segments.next() {
        if came.contains(&time) {
            all.push((time, value));
            continue;
        }
        let until = time.saturating_add(LONGEST_SESSION);
        all.push((time, Value::Unknown));
        if segments.peek().is_none_or(|(next, _)| *next > until) {
            all.push((until, value));
        }
    }
    all
}
