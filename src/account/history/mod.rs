//! Which policies were in force when: from account snapshots of several times, and from the calls in the log that changed
//! something.
//!
//! A policy set is taken apart into [`Aspect`]s: an inline policy, an attachment, a tag. What each was when follows from what
//! snapshots saw and calls made of it; where these do not fit together, the log does not hold everything, and it is not
//! known. [`History::walk`] then leads a policy set through time.

mod aspect;
mod call;
mod differences;
mod issued;
mod moments;
mod names;
mod resolve;
mod resources;
mod snapshots;

use std::collections::{BTreeMap, BTreeSet, HashMap};

pub use aspect::{Aspect, Value};
pub use call::{AccessChange, Call, ISSUING, TAGGING, changes_access, document, member, tags, text, texts};
pub use issued::{Issued, IssuedTo, SessionPolicies};
pub use moments::{Moment, moments};
pub use resources::ResourceTags;
pub use snapshots::{Snapshots, Taken};

use super::policy_set::{Boundary, PolicySet};
use crate::iam::arn::Arn;
use names::Names;
use resolve::{Fact, Segments, When, resolve, share_documents};

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
    /// The history of the newest policies; `None` if nothing is known to have changed.
    pub fn new(newest: &PolicySet, calls: &[Call]) -> Option<Self> {
        let snapshots = &newest.snapshots;
        let names = Names::new(std::iter::once(newest).chain(snapshots.older.iter().rev().map(|(_, set)| set)), calls);
        let mut facts: BTreeMap<Aspect, Vec<Fact>> = BTreeMap::new();
        let (mut followed, mut not_followed) = (0, Vec::new());
        let mut made: Vec<(i64, String)> = Vec::new();
        let mut ids: HashMap<String, String> = HashMap::new();
        for call in calls {
            let Some(effects) = call.effects(&names) else {
                // Of accounts without a snapshot nothing is known anyway.
                let matters = newest.accounts.contains(&call.account) || newest.organizations.of(&call.account).is_some();
                not_followed.extend(matters.then(|| call.to_string()));
                continue;
            };
            followed += usize::from(!effects.is_empty());
            for effect in effects {
                if let (Aspect::Exists(holder), when) = (&effect.aspect, call.time) {
                    made.push((when, holder.clone()));
                    if let Value::Made(_, id) = &effect.value {
                        ids.insert(id.clone(), holder.clone());
                    }
                }
                facts.entry(effect.aspect).or_default().push(Fact { when: When::Call(call.time, effect.before), value: effect.value });
            }
        }
        for (_, older) in &snapshots.older {
            differences::between(older, newest).into_iter().for_each(|aspect| {
                facts.entry(aspect).or_default();
            });
        }
        Self::come_and_go(&made, newest, &mut facts);
        if facts.is_empty() {
            return None;
        }
        let mut start = newest.clone();
        let mut steps: BTreeMap<i64, Vec<(Aspect, Value)>> = BTreeMap::new();
        let mut depends = Dependents::default();
        let mut starts = Vec::new();
        for (aspect, mut facts) in facts {
            facts.extend(seen(&aspect, newest));
            let mut segments: Segments = resolve(&facts);
            share_documents(&mut segments, aspect.read(newest).as_ref());
            depends.note(&aspect, &segments);
            let mut segments = segments.into_iter();
            starts.extend(segments.next().map(|(_, value)| (aspect.clone(), value)));
            segments.for_each(|(time, value)| steps.entry(time).or_default().push((aspect.clone(), value)));
        }
        starts.iter().for_each(|(aspect, value)| aspect.apply(value, &mut start));
        depends.note_all(&start);
        Some(Self { start, steps, depends, made: ids, calls: followed, not_followed })
    }

    /// Who is made has nothing before, and nothing but what it is given; who is deleted has nothing after.
    fn come_and_go(made: &[(i64, String)], newest: &PolicySet, facts: &mut BTreeMap<Aspect, Vec<Fact>>) {
        for (_, holder) in made {
            let sets = std::iter::once(newest).chain(newest.snapshots.older.iter().map(|(_, set)| set));
            sets.flat_map(|set| differences::of_holder(holder, set)).for_each(|aspect| {
                facts.entry(aspect).or_default();
            });
        }
        for (time, holder) in made {
            let group = Arn::parse(holder).filter(|arn| arn.resource.starts_with("group/"));
            let is_of = |aspect: &Aspect| match (aspect, &group) {
                (Aspect::Exists(_), _) => false,
                (Aspect::Member(user, name), Some(group)) => {
                    group.name() == name && Arn::parse(user).is_some_and(|user| user.account == group.account)
                }
                (aspect, _) => aspect.holder() == Some(holder),
            };
            let made = |facts: &[Fact]| facts.iter().any(|fact| matches!(fact.when, When::Call(at, _) if at == *time));
            for (_, facts) in facts.iter_mut().filter(|(aspect, facts)| is_of(aspect) && !made(facts)) {
                facts.push(Fact { when: When::Call(*time, None), value: Value::Absent });
            }
        }
    }

    /// The ARN of a user or role that was made in the log, by its unique id.
    pub fn made(&self, id: &str) -> Option<&str> {
        self.made.get(id).map(String::as_str)
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
            "calls in the log that change policies name what no snapshot has, or do not tell their parameters: {named}{more}: what \
             they changed is not followed"
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

/// What the snapshots saw of an aspect.
fn seen<'f>(aspect: &'f Aspect, newest: &'f PolicySet) -> impl Iterator<Item = Fact> + 'f {
    let snapshots = &newest.snapshots;
    let account = aspect.holder().and_then(Arn::parse).map(|arn| arn.account.to_owned());
    let account = account.or_else(|| match aspect {
        Aspect::Document(arn) => Arn::parse(arn).map(|arn| arn.account.to_owned()).filter(|account| account != "aws"),
        _ => None,
    });
    let of_newest = match (&account, aspect) {
        (Some(account), _) => snapshots.newest.get(account).copied(),
        // A policy of AWS is as some snapshot has it.
        (None, Aspect::Document(_)) => snapshots.newest.values().max().copied(),
        (None, _) => snapshots.organizations.values().max().copied(),
    };
    let newest = (of_newest.unwrap_or(Taken::NEWEST), newest);
    let all = snapshots.older.iter().map(|(taken, set)| (*taken, set)).chain([newest]);
    all.filter_map(|(taken, set)| Some(Fact { when: When::Snapshot(taken), value: aspect.read(set)? }))
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
