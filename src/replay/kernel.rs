//! The kernel: event batches to distinct requests with their measures.
//!
//! Events that agree in principal, checks, region, outcome and in the cells of every context key that the principal's
//! policies look at are one request. A batch is taken in steps: who calls and what is called, once for each caller and
//! call; then short loops over its rows: what is asked, which request that is, what is measured of it.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;

use hashbrown::hash_map::Entry;
use hashbrown::{HashMap, HashSet, HashTable};

use super::caller::Caller;
use super::callers::{Common, Contexts};
use super::codes::{Codes, Lists};
use super::context::EventContext;
use super::coverage::{CodedCoverage, Counting, Coverage};
use super::filter::Filter;
use super::measuring::Measuring;
use super::memo::Memo;
use super::principals::{Principal, Principals};
use super::request::{RequestKey, event_layers};
use super::rules::{ASKED, Facts, Rules, are_asked, state};
use super::shard::Shard;
use super::tally::Measures;
use super::view::{AskedBy, EventColumns, EventView, Field};
use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::evaluate::{Layers, Program};
use crate::frame::{EventRows, Flag, Text};

/// What a replay of events needs, shared by threads.
pub(super) struct Shared<'a> {
    pub(super) program: &'a Program,
    pub(super) principals: &'a Principals,
    pub(super) catalog: &'a Catalog,
    pub(super) filter: &'a Filter,
    pub(super) assume_absent: Layers,
    /// Which part of the events.
    pub(super) shard: Option<Shard>,
}

impl Shared<'_> {
    /// A principal by its number.
    pub(super) fn principal(&self, index: u32) -> Result<&Principal> {
        self.principals.all.get(index as usize).ok_or_else(|| Error::Internal(format!("there is no principal {index}")))
    }
}

/// Requests with what was measured of them.
type Requests = HashMap<Arc<RequestKey>, Arc<Measures>, foldhash::fast::FixedState>;

/// Adds what was measured of a request.
fn enter(requests: &mut Requests, request: Arc<RequestKey>, measures: Arc<Measures>) {
    match requests.entry(request) {
        Entry::Occupied(mut known) => Arc::make_mut(known.get_mut()).merge(&measures),
        Entry::Vacant(new) => {
            new.insert(measures);
        }
    }
}

/// Distinct requests of a part of the log, with everything that is counted on the way.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Accumulator {
    pub(super) requests: Requests,
    pub(super) not_replayed: BTreeMap<&'static str, u64>,
    pub(super) filtered: u64,
    pub(super) events: u64,
    pub(super) coverage: Coverage,
    pub(super) session_names: BTreeMap<usize, BTreeSet<String>>,
}

impl Accumulator {
    /// Adds what another part of the log came to.
    pub(super) fn merge(mut self, other: Self) -> Self {
        let (mut into, from) = if self.requests.len() < other.requests.len() { (other, self) } else { (std::mem::take(&mut self), other) };
        for (key, measures) in from.requests {
            enter(&mut into.requests, key, measures);
        }
        for (reason, count) in from.not_replayed {
            *into.not_replayed.entry(reason).or_default() += count;
        }
        for (principal, names) in from.session_names {
            into.session_names.entry(principal).or_default().extend(names);
        }
        into.filtered += from.filtered;
        into.events += from.events;
        into.coverage.merge(from.coverage);
        into
    }
}

/// Events to distinct requests, by numbers; at work on one thread at a time.
pub(super) struct Kernel<'a> {
    shared: &'a Shared<'a>,
    codes: Codes,
    contexts: Contexts,
    keeps: Memo<bool>,
    callers: Memo<Caller>,
    opaque: Memo<Layers>,
    /// By key.
    states: Vec<Memo<u32>>,
    facts: Facts,
    /// What calls ask for, and what of a request is asked for event by event.
    asked: Lists,
    beside: Lists,
    /// Distinct requests by their numbers.
    known: HashTable<(Described, u32)>,
    requests: Vec<Arc<RequestKey>>,
    /// What is measured of each request.
    measuring: Measuring,
    not_replayed: BTreeMap<&'static str, u64>,
    filtered: u64,
    events: u64,
    coverage: CodedCoverage,
    session_names: HashSet<(usize, u32), foldhash::fast::FixedState>,
    batch: Batch,
}

/// The events at hand.
#[derive(Debug, Default)]
struct Batch {
    callers: Vec<Common>,
    /// Of each caller, what becomes of its events.
    fates: Vec<Fate>,
    /// Of each call, the number of what is asked for.
    calls: Vec<u32>,
    /// The events that are replayed.
    rows: Vec<Asked>,
    /// Rows that are not replayed, and why.
    not_replayed: Vec<(usize, &'static str)>,
    /// Of each event that is replayed, its request.
    described: Vec<Described>,
    /// The places of their requests.
    slots: Vec<u32>,
    /// Room for a list of numbers.
    list: Vec<u32>,
}

/// What becomes of the events of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Replayed,
    NotReplayed,
    Filtered,
    /// They are of another shard.
    Elsewhere,
    /// The filter has to be asked event by event.
    Unsettled,
}

impl Fate {
    /// Of events that the filter lets through.
    fn of_kept(caller: Caller) -> Self {
        match caller {
            Caller { is_of_shard: false, .. } => Self::Elsewhere,
            Caller { reason: None, principal: Some(_), .. } => Self::Replayed,
            _ => Self::NotReplayed,
        }
    }
}

/// A request, by numbers: what its caller tells of it, what is asked for, and what is asked for event by event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Described {
    context: u32,
    asked: u32,
    beside: u32,
}

impl Described {
    /// Nothing is asked for event by event.
    const NOTHING: u32 = u32::MAX;

    #[inline]
    fn hash(self) -> u64 {
        let mut hasher = foldhash::fast::FixedState::with_seed(0).build_hasher();
        hasher.write_u64(u64::from(self.context) << 32 | u64::from(self.asked));
        hasher.write_u32(self.beside);
        hasher.finish()
    }
}

/// An event that is replayed.
#[derive(Debug, Clone, Copy, Default)]
struct Asked {
    row: u32,
    caller: u32,
    call: u32,
    /// Which policies its principal has.
    variant: u32,
}

/// An event, as its principal's policies see it.
fn seen<'b>(columns: &'b EventColumns<'_>, row: u32, by: AskedBy, shared: &Shared<'_>) -> EventView<'b> {
    let event = columns.row(row as usize).asked_by(by);
    let tags = &shared.principals.timeline.tags;
    if tags.is_empty() || !shared.principals.looks_at_tags(by) {
        return event;
    }
    let resource = event.looked_up(Text::Resource);
    event.at_tag_moment(resource.map_or(0, |resource| tags.moment(resource, event.time())))
}

impl<'a> Kernel<'a> {
    pub(super) fn new(shared: &'a Shared<'a>) -> Self {
        Self {
            shared,
            codes: Codes::new(shared.program),
            contexts: Contexts::default(),
            keeps: Memo::default(),
            callers: Memo::default(),
            opaque: Memo::default(),
            states: (0..shared.program.key_count()).map(|_| Memo::default()).collect(),
            facts: Facts::new(shared.program),
            asked: Lists::default(),
            beside: Lists::default(),
            known: HashTable::new(),
            requests: Vec::new(),
            measuring: Measuring::default(),
            not_replayed: BTreeMap::new(),
            filtered: 0,
            events: 0,
            coverage: CodedCoverage::default(),
            session_names: HashSet::default(),
            batch: Batch::default(),
        }
    }

    /// Events so far.
    pub(super) fn events(&self) -> u64 {
        self.events
    }

    /// Adds events.
    pub(super) fn consume(&mut self, rows: &EventRows) -> Result<()> {
        let mut columns = EventColumns::new(rows)?;
        columns.number(&mut self.codes)?;
        self.meet(&columns)?;
        self.select(&columns)?;
        self.describe(&columns)?;
        self.group(&columns)?;
        self.measure(&columns);
        columns.assert_loaded()
    }

    /// The events that were added last, in order: row, and its request, or why it is not replayed. Events that the filter
    /// left out are not among them.
    pub(super) fn events_of_batch(&self) -> Vec<(usize, Result<&RequestKey, &'static str>)> {
        let replayed = self.batch.rows.iter().zip(&self.batch.slots);
        let replayed = replayed.filter_map(|(asked, slot)| Some((asked.row as usize, Ok(self.requests.get(*slot as usize)?.as_ref()))));
        let mut events: Vec<_> = replayed.chain(self.batch.not_replayed.iter().map(|(row, reason)| (*row, Err(*reason)))).collect();
        events.sort_unstable_by_key(|(row, _)| *row);
        events
    }

    /// What the events came to.
    pub(super) fn finish(self) -> Accumulator {
        let Self { codes, requests, measuring, not_replayed, filtered, events, coverage, mut session_names, .. } = self;
        let (measures, named) = measuring.finish(|name| codes.text_of(Text::SessionName, name));
        session_names.extend(named.into_iter().filter_map(|(request, name)| Some((requests.get(request as usize)?.principal, name))));
        let mut names: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
        for (principal, name) in session_names {
            let name = codes.text_of(Text::SessionName, name).unwrap_or_default();
            names.entry(principal).or_default().insert(name.to_owned());
        }
        let mut distinct = Requests::with_capacity_and_hasher(requests.len(), foldhash::fast::FixedState::default());
        for (request, measures) in requests.into_iter().zip(measures) {
            enter(&mut distinct, request, Arc::new(measures));
        }
        Accumulator { requests: distinct, not_replayed, filtered, events, coverage: coverage.finish(&codes), session_names: names }
    }

    /// Who calls, and what is called.
    fn meet(&mut self, columns: &EventColumns<'_>) -> Result<()> {
        let Self { contexts, keeps, callers, opaque, states, codes, facts, asked, shared, batch, coverage, .. } = self;
        batch.callers.clear();
        batch.fates.clear();
        for event in columns.first_of_callers() {
            let mut rules = Rules { keeps, callers, opaque, states, codes, facts, contexts, shared };
            let common = rules.common(columns, event)?;
            batch.fates.push(match common.keeps {
                Some(true) => Fate::of_kept(common.caller),
                Some(false) => Fate::Filtered,
                None => Fate::Unsettled,
            });
            batch.callers.push(common);
        }
        batch.calls.clear();
        coverage.begin();
        let has_context = columns.has_request_context();
        for event in columns.first_of_calls() {
            batch.list.clear();
            batch.list.extend(ASKED.map(|column| event.text_code(column)));
            batch.list.push(u32::try_from(event.code(Field::Checks, codes)?).unwrap_or(u32::MAX));
            if has_context {
                let complete = event.code(Field::Flag(Flag::RequestContextComplete), codes)?;
                let listed = event.code(Field::RequestContext, codes)?;
                batch.list.push(u32::try_from(listed * 3 + complete).unwrap_or(u32::MAX));
            }
            batch.calls.push(asked.number(&batch.list).0);
            coverage.call(event);
        }
        Ok(())
    }

    /// Which rows are replayed.
    fn select(&mut self, columns: &EventColumns<'_>) -> Result<()> {
        let Self { keeps, codes, shared, batch, coverage, .. } = self;
        let (filter, principals) = (shared.filter, shared.principals);
        batch.rows.clear();
        batch.not_replayed.clear();
        let files = columns.codes_of(Text::SourceFile);
        for ((row, (caller, call)), time) in (0u32..).zip(columns.numbers()).zip(columns.times()) {
            if !filter.keeps_time(*time) {
                self.filtered += 1;
                continue;
            }
            let Some(mut fate) = batch.fates.get(*caller as usize).copied() else { continue };
            if fate == Fate::Unsettled {
                let event = columns.row(row as usize);
                let is_kept = keeps.get(event, codes, |_| Ok(filter.keeps_rest(event)))?;
                let kept = batch.callers.get(*caller as usize).filter(|_| is_kept);
                fate = kept.map_or(Fate::Filtered, |common| Fate::of_kept(common.caller));
            }
            let counting = match fate {
                Fate::Filtered | Fate::Unsettled => {
                    self.filtered += 1;
                    continue;
                }
                Fate::Elsewhere => Counting::Elsewhere,
                Fate::Replayed => Counting::Replayed,
                Fate::NotReplayed => Counting::NotReplayed,
            };
            coverage.event(*call, *time, files.get(row as usize).copied().unwrap_or_default(), counting);
            match counting {
                Counting::Elsewhere => self.filtered += 1,
                Counting::Replayed => {
                    let by = || batch.callers.get(*caller as usize).map(Common::asked_by).unwrap_or_default();
                    let variant = if principals.has_variants { principals.variant(by(), *time) } else { 0 };
                    batch.rows.push(Asked { row, caller: *caller, call: *call, variant });
                }
                Counting::NotReplayed => {
                    let reason = batch.callers.get(*caller as usize).and_then(|common| common.caller.reason);
                    batch.not_replayed.push((row as usize, reason.unwrap_or("no_identity")));
                }
            }
        }
        self.events += (batch.rows.len() + batch.not_replayed.len()) as u64;
        for (_, reason) in &batch.not_replayed {
            *self.not_replayed.entry(reason).or_default() += 1;
        }
        Ok(())
    }

    /// What is asked, by numbers.
    fn describe(&mut self, columns: &EventColumns<'_>) -> Result<()> {
        let Self { contexts, states, codes, facts, beside, shared, batch, .. } = self;
        let Batch { callers, calls, rows, described, list, .. } = batch;
        described.clear();
        let (has_variants, tags) = (shared.principals.has_variants, &shared.principals.timeline.tags);
        let looks_at_tags = |common: &Common| !tags.is_empty() && shared.principals.looks_at_tags(common.asked_by());
        // Whether what the caller and the call tell is all.
        let is_all = |common: &Common| !has_variants && contexts.asked(common.context).is_empty() && !looks_at_tags(common);
        let told: Vec<(u32, bool)> = callers.iter().map(|common| (common.context, is_all(common))).collect();
        for row in rows.iter() {
            let (context, is_all) = told.get(row.caller as usize).copied().unwrap_or_default();
            let asked = calls.get(row.call as usize).copied().unwrap_or_default();
            let mut request = Described { context, asked, beside: Described::NOTHING };
            if !is_all && let Some(common) = callers.get(row.caller as usize) {
                list.clear();
                list.push(row.variant);
                let by = common.asked_by();
                let event = seen(columns, row.row, by, shared);
                if looks_at_tags(common) && event.has_checks() {
                    let resources = event.checks().into_iter().filter_map(|check| check.resource);
                    list.extend(resources.map(|resource| tags.moment(&resource, event.time())));
                }
                let principal = shared.principal(by.principal)?;
                for key in contexts.asked(context) {
                    list.push(state(states, *key, event, principal, codes, facts, shared)?.0);
                }
                request.beside = beside.number(list).0;
            }
            described.push(request);
        }
        Ok(())
    }

    /// Which request that is.
    fn group(&mut self, columns: &EventColumns<'_>) -> Result<()> {
        let mut slots = std::mem::take(&mut self.batch.slots);
        slots.clear();
        let mut at = 0;
        while let Some(described) = self.batch.described.get(at).copied() {
            let known = self.known.find(described.hash(), |(known, _)| *known == described).map(|(_, slot)| *slot);
            match known.map_or_else(|| self.insert(columns, at, described), |slot| Ok(Some(slot)))? {
                Some(slot) => {
                    slots.push(slot);
                    at += 1;
                }
                // What is asked does not tell of some key what was thought: it is asked for now.
                None => self.describe(columns)?,
            }
        }
        self.batch.slots = slots;
        Ok(())
    }

    /// Enters the request of an event of the batch; `None` if some key has to be asked for event by event first.
    #[cold]
    fn insert(&mut self, columns: &EventColumns<'_>, at: usize, described: Described) -> Result<Option<u32>> {
        let shared = self.shared;
        let slot = u32::try_from(self.requests.len()).unwrap_or(u32::MAX);
        let asked = self.batch.rows.get(at).copied().unwrap_or_default();
        let by = self.batch.callers.get(asked.caller as usize).map(Common::asked_by).unwrap_or_default();
        let event = seen(columns, asked.row, by, shared);
        let principal = shared.principal(by.principal)?;
        let mut known = Vec::with_capacity(principal.keys.len());
        for key in &principal.keys {
            let (fact, fields) = state(&mut self.states, *key, event, principal, &mut self.codes, &mut self.facts, shared)?;
            if self.contexts.is_told(described.context, *key) && !are_asked(fields) {
                self.contexts.ask(*key);
                return Ok(None);
            }
            known.extend(self.facts.get(fact).cloned());
        }
        let context = EventContext::new(event, principal, shared.catalog);
        self.requests.push(Arc::new(RequestKey::new(
            (by.principal as usize, asked.variant),
            known,
            event_layers(event, principal),
            &context,
            event,
            shared,
        )));
        self.measuring.push();
        self.known.insert_unique(described.hash(), (described, slot), |(known, _)| known.hash());
        Ok(Some(slot))
    }

    /// What is measured of it.
    fn measure(&mut self, columns: &EventColumns<'_>) {
        let Self { batch, measuring, requests, session_names, .. } = self;
        let Batch { callers, rows, slots, .. } = batch;
        let times = columns.times();
        for (asked, slot) in rows.iter().zip(slots.iter()) {
            let time = times.get(asked.row as usize).copied().unwrap_or_default();
            let id = || columns.row(asked.row as usize).looked_up(Text::EventId).unwrap_or_default();
            measuring.add(*slot, asked.caller, time, id);
        }
        let common = |caller: u32| callers.get(caller as usize);
        let named = measuring.settle(|caller| common(caller).map_or((None, 0), |common| (common.session, common.session_name)));
        session_names.extend(named.filter_map(|(request, name)| Some((requests.get(request as usize)?.principal, name))));
    }
}
