//! The calls: before, between and after the changes, each with the outcome that follows from the policies of its moment.

use std::io;

use rand::Rng as _;
use rand::seq::{IndexedRandom as _, IteratorRandom as _};
use rand_chacha::ChaCha8Rng;

use super::super::acts::Place;
use super::super::estate::{CORP, DAYS, FIRST_DAY, PRODUCTION};
use super::super::events::blank;
use super::super::network::{GLOBAL, address, host, source};
use super::super::operations::{Operation, Operations};
use super::super::principals::Kind;
use super::super::records::{Record, user_with_key};
use super::super::values::{PEOPLE, Scene};
use super::super::write::{MANAGEMENT, Trail};
use super::changes::Edit;
use super::documents::{OPERATIONS, Set};
use super::model::{ADMINISTRATOR, Model, is_staff};
use super::plan::{Change, Plan};
use super::sessions::{Limit, assume_role};

/// No call is made in so many seconds before or after a change.
const QUIET: u64 = 11 * 60;
/// The most seconds that a visit lasts; temporary credentials are used no longer.
const LONGEST: u64 = 45 * 60;
/// The seconds that a visit has in any case: there is more time between two changes.
const SHORTEST: u64 = 300;
/// How often a call is one that is refused, if there is one.
const REFUSED: f64 = 0.16;
/// How often a call is one that the changes are about.
const CHANGED: f64 = 0.4;
const AGENT: &str = "aws-cli/2.28.4 md/awscrt#0.27.4 ua/2.1 os/linux#6.8.0 md/arch#x86_64 lang/python#3.13.5";

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) events: u64,
    /// Calls of WorkMail, and how many of them were refused.
    pub(super) calls: u64,
    pub(super) refused: u64,
}

/// Somebody at work with one set of credentials.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) name: String,
    /// `userIdentity`.
    pub(super) identity: String,
    /// The ARN in error messages.
    pub(super) caller: String,
    pub(super) address: String,
    /// What its session policies leave.
    pub(super) limit: Set,
}

/// The state of the generation.
pub(super) struct Traffic<'a> {
    pub(super) rng: ChaCha8Rng,
    trail: &'a mut dyn Trail,
    operations: Vec<&'a Operation>,
    pub(super) assume: &'a Operation,
    plan: &'a Plan,
    pub(super) count: Count,
    /// The credentials with which a role makes calls before and after a change.
    held: Option<Visit>,
}

impl<'a> Traffic<'a> {
    /// Prepares the log of a plan.
    pub(super) fn new(rng: ChaCha8Rng, table: &'a Operations, trail: &'a mut dyn Trail, plan: &'a Plan) -> io::Result<Self> {
        let operations = OPERATIONS.iter().map(|name| table.get(&format!("workmail:{name}"))).collect::<io::Result<_>>()?;
        Ok(Self { rng, trail, operations, assume: table.get("sts:AssumeRole")?, plan, count: Count::default(), held: None })
    }

    /// Writes so many events.
    pub(super) fn run(&mut self, events: u64) -> io::Result<()> {
        let plan = self.plan;
        let (begin, end) = (FIRST_DAY * 86_400 + 3_600, (FIRST_DAY + DAYS) * 86_400 - 3_600);
        let times: Vec<u64> = plan.changes.iter().map(|change| change.time).collect();
        let opens = std::iter::once(begin).chain(times.iter().map(|time| time + QUIET));
        let closes = times.iter().map(|time| time - QUIET).chain([end]);
        let windows: Vec<(u64, u64)> = opens.zip(closes).collect();
        let length = |windows: &[(u64, u64)]| windows.iter().map(|(open, close)| close - open).sum::<u64>();
        let (all, free) = (length(&windows), events.saturating_sub(needed(plan)));
        let share = |passed: u64| u64::try_from(u128::from(free) * u128::from(passed) / u128::from(all.max(1))).unwrap_or(free);
        let (mut model, mut passed) = (plan.start.clone(), 0);
        let mut changes = plan.changes.iter();
        let mut last: Option<&Change> = None;
        for window in windows {
            if let Some(change) = last {
                self.look_after(&model, change)?;
            }
            let before = share(passed);
            passed += window.1 - window.0;
            self.work(&model, window, share(passed) - before)?;
            last = changes.next();
            if let Some(change) = last {
                self.look_before(&model, change)?;
                self.change(&mut model, change)?;
            }
        }
        Ok(())
    }

    /// The work of a time without changes.
    fn work(&mut self, model: &Model, (open, close): (u64, u64), events: u64) -> io::Result<()> {
        let callers: Vec<&String> = model.identities.keys().filter(|name| !is_staff(name)).collect();
        let (first, end) = (self.count.events, self.count.events + events);
        while self.count.events < end {
            let passed = u128::from(close - open) * u128::from(self.count.events - first) / u128::from(events);
            let start = open + u64::try_from(passed).unwrap_or_default() + self.rng.random_range(0..600);
            let start = start.min(close - SHORTEST);
            let length = self.rng.random_range(120..=LONGEST).min(close - start);
            let Some(name) = callers.choose(&mut self.rng) else { return Ok(()) };
            let limit = Limit::draw(model, &mut self.rng);
            let visit = self.begin(model, name, limit, start)?;
            let calls = self.rng.random_range(2..=9_u64);
            for call in 0..calls {
                if self.count.events >= end {
                    break;
                }
                let offset = 1 + call * (length - 2) / calls + self.rng.random_range(0..(length - 2) / calls);
                let Some(operation) = self.choose(model, &visit) else { break };
                self.call(model, &visit, operation, start + offset)?;
            }
        }
        Ok(())
    }

    /// An operation for a visit, refused now and then.
    fn choose(&mut self, model: &Model, visit: &Visit) -> Option<usize> {
        let rights = model.rights(model.identities.get(&visit.name)?);
        let refused = rights.refused(visit.limit).into_iter().map(|(_, set)| set).filter(|set| !set.is_empty());
        let refused = refused.choose(&mut self.rng);
        let allowed = Some(rights.effective(visit.limit)).filter(|set| !set.is_empty());
        let set = if self.rng.random_bool(REFUSED) { refused.or(allowed) } else { allowed.or(refused) }?;
        let changed = self.plan.changed.get(&visit.name).copied().unwrap_or_default() & set;
        if !changed.is_empty() && self.rng.random_bool(CHANGED) { changed.pick(&mut self.rng) } else { set.pick(&mut self.rng) }
    }

    /// The call that the change is about, before it is made. Some roles keep their credentials.
    fn look_before(&mut self, model: &Model, change: &Change) -> io::Result<()> {
        let witness = &change.witness;
        if witness.is_new {
            return Ok(());
        }
        let start = change.time - QUIET - self.rng.random_range(60..SHORTEST);
        let visit = self.begin(model, &witness.name, Limit::None, start)?;
        let time = start + self.rng.random_range(1..60);
        self.call(model, &visit, witness.operation, time)?;
        self.held = Some(visit).filter(|_| keeps(change));
        Ok(())
    }

    /// The same call afterwards.
    fn look_after(&mut self, model: &Model, change: &Change) -> io::Result<()> {
        let start = change.time + QUIET + self.rng.random_range(1..120);
        let visit = match self.held.take() {
            Some(visit) => visit,
            None => self.begin(model, &change.witness.name, Limit::None, start)?,
        };
        let time = start + self.rng.random_range(1..120);
        self.call(model, &visit, change.witness.operation, time)
    }

    /// Signs somebody in: users have keys, roles are assumed.
    fn begin(&mut self, model: &Model, name: &str, limit: Limit<'_>, start: u64) -> io::Result<Visit> {
        let principal = model.principal(name).ok_or_else(|| io::Error::other(format!("no principal named {name}")))?;
        if principal.kind == Kind::Role {
            return assume_role(self, model, &principal, limit, start);
        }
        let (identity, caller) = (user_with_key(&principal), principal.arn());
        let address = address(Place::Office, &mut self.rng);
        Ok(Visit { name: name.to_owned(), identity, caller, address, limit: Set::ALL })
    }

    /// A call of WorkMail.
    fn call(&mut self, model: &Model, visit: &Visit, place: usize, time: u64) -> io::Result<()> {
        let Some((operation, identity)) = self.operations.get(place).copied().zip(model.identities.get(&visit.name)) else {
            return Ok(());
        };
        let refused = model.rights(identity).refused(visit.limit).into_iter().find(|(_, set)| set.has(place));
        let action = operation.action();
        let message = refused.map(|(reason, _)| {
            let resource = format!("arn:aws:workmail:{}:{PRODUCTION}:organization/{}", CORP.region, CORP.id);
            let reason = reason.words(&action);
            format!("User: {} is not authorized to perform: {action} on resource: {resource} {reason}", visit.caller)
        });
        let scene = Scene { organization: &CORP, role: "", session: "", issued_key: "", time };
        let (mut request, mut response) = (String::new(), String::new());
        if message.is_none() {
            operation.write_request(&mut request, &scene, &mut self.rng);
            operation.write_response(&mut response, &scene, &mut self.rng);
        }
        self.count.calls += 1;
        self.count.refused += u64::from(message.is_some());
        self.deliver(&Record {
            source: &source("workmail"),
            name: &operation.name,
            address: &visit.address,
            error: message.as_deref().map(|message| ("AccessDenied", message)),
            request: if message.is_none() { &request } else { "null" },
            response: if message.is_none() { &response } else { "null" },
            read_only: operation.read_only,
            host: Some(&host("workmail", CORP.region)),
            ..self::record(&visit.identity, time)
        })
    }

    /// Makes a change, and writes the records of it.
    fn change(&mut self, model: &mut Model, change: &Change) -> io::Result<()> {
        let administrator = model.principal(ADMINISTRATOR).map(|principal| user_with_key(&principal)).unwrap_or_default();
        let address = address(Place::Office, &mut self.rng);
        for (edit, time) in change.edits.iter().zip((change.time..).step_by(7)) {
            edit.apply(model, change.time);
            self.log_edit(model, edit, &administrator, &address, time)?;
        }
        Ok(())
    }

    fn log_edit(&mut self, model: &Model, edit: &Edit, identity: &str, address: &str, time: u64) -> io::Result<()> {
        let request = edit.request(model, self.rng.random_bool(0.3)).to_string();
        self.deliver(&Record {
            source: &source("iam"),
            name: &edit.event(),
            region: GLOBAL,
            address,
            request: &request,
            response: &edit.response(model, time).to_string(),
            host: Some(&host("iam", GLOBAL)),
            ..self::record(identity, time)
        })
    }

    /// Writes and counts a record.
    pub(super) fn deliver(&mut self, record: &Record<'_>) -> io::Result<()> {
        let mut text = String::with_capacity(2_048);
        record.write(&mut text, &mut self.rng);
        self.count.events += 1;
        let region = if record.region == GLOBAL { GLOBAL } else { CORP.region };
        self.trail.push(PRODUCTION, region, MANAGEMENT, record.time, &text, &mut self.rng)
    }

    /// The name of a role's session.
    pub(super) fn session_name(&mut self) -> &'static str {
        PEOPLE.choose(&mut self.rng).copied().unwrap_or_default()
    }
}

/// A record of nothing in particular, from the command line.
pub(super) fn record(identity: &str, time: u64) -> Record<'_> {
    Record { agent: AGENT, ..blank(identity, time, PRODUCTION) }
}

/// Whether a role that shows a change makes both calls with the same credentials; a user does in any case.
fn keeps(change: &Change) -> bool {
    change.time.is_multiple_of(2)
}

/// The fewest events that a plan needs: the changes, and the calls that show them.
pub(super) fn needed(plan: &Plan) -> u64 {
    let of = |change: &Change| {
        let name = &change.witness.name;
        let is_role = plan.end.identities.get(name).is_some_and(|identity| identity.kind == Kind::Role);
        let sessions = if change.witness.is_new || keeps(change) { 1 } else { 2 };
        let calls = if change.witness.is_new { 1 } else { 2 };
        change.edits.len() as u64 + calls + if is_role { sessions } else { 0 }
    };
    plan.changes.iter().map(of).sum()
}
