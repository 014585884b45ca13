//! The kernel: event batches to distinct requests with their measures.
//!
//! Events that agree in principal, checks, region, outcome and in the cells of every context key that the principal's
//! policies look at are one request. A batch is taken in steps, each a short loop over its rows: who calls, what is asked,
//! which request that is, what is measured of it.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, Hasher as _};

use arrow::array::RecordBatch;
use hashbrown::{HashMap, HashSet, HashTable};

use super::caller::Caller;
use super::callers::{Callers, Contexts};
use super::codes::Codes;
use super::context::EventContext;
use super::coverage::{CodedCoverage, Coverage};
use super::filter::Filter;
use super::memo::Memo;
use super::principals::{Principal, Principals};
use super::request::{RequestKey, event_layers};
use super::rules::{ASKED, Facts, Rules, are_asked, state};
use super::shard::Shard;
use super::tally::{Measures, Measuring};
use super::view::{AskedBy, EventColumns, EventView, Field};
use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::evaluate::{Layers, Program};
use crate::frame::{Flag, Text};

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

/// Distinct requests of a part of the log, with everything that is counted on the way.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Accumulator {
    pub(super) requests: HashMap<RequestKey, Measures, foldhash::fast::FixedState>,
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
            into.requests.entry(key).or_default().merge(&measures);
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

/// One thread at work: events to distinct requests, by numbers.
pub(super) struct Kernel<'a> {
    shared: &'a Shared<'a>,
    codes: Codes,
    sessions: Callers,
    contexts: Contexts,
    keeps: Memo<bool>,
    callers: Memo<Caller>,
    opaque: Memo<Layers>,
    /// By key.
    states: Vec<Memo<u32>>,
    facts: Facts,
    /// Distinct requests by their numbers: principal, texts, facts.
    known: HashTable<u32>,
    numbers: Lists,
    requests: Vec<RequestKey>,
    /// What is measured of each request.
    measuring: Vec<Measuring>,
    not_replayed: BTreeMap<&'static str, u64>,
    filtered: u64,
    events: u64,
    coverage: CodedCoverage,
    session_names: HashSet<(u32, u32), foldhash::fast::FixedState>,
    batch: Batch,
}

/// The events of the batch at hand that are replayed.
#[derive(Debug, Default)]
struct Batch {
    /// Row, session, principal, and which of its policies.
    rows: Vec<Asked>,
    /// Rows that are not replayed, and why.
    not_replayed: Vec<(usize, &'static str)>,
    /// What is asked, by numbers.
    numbers: Lists,
    hashes: Vec<u64>,
    /// The places of their requests.
    slots: Vec<u32>,
    /// Place of the request and number of the event, in order.
    order: Vec<u64>,
}

/// An event that is replayed: who asks.
#[derive(Debug, Clone, Copy, Default)]
struct Asked {
    row: usize,
    /// Among the sessions of the row group.
    session: u32,
    by: AskedBy,
    variant: u32,
}

impl Asked {
    fn event<'b>(self, columns: &'b EventColumns, shared: &Shared<'_>) -> EventView<'b> {
        let event = columns.row(self.row).asked_by(self.by);
        let tags = &shared.principals.timeline.tags;
        if tags.is_empty() || !shared.principals.looks_at_tags(self.by) {
            return event;
        }
        let resource = event.looked_up(Text::Resource);
        event.at_tag_moment(resource.map_or(0, |resource| tags.moment(resource, event.time())))
    }
}

/// Lists of numbers, one after the other.
#[derive(Debug, Default)]
struct Lists {
    numbers: Vec<u32>,
    /// Where each list ends.
    ends: Vec<usize>,
}

impl Lists {
    #[inline]
    fn get(&self, list: usize) -> &[u32] {
        let begin = list.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or_default();
        self.ends.get(list).and_then(|end| self.numbers.get(begin..*end)).unwrap_or_default()
    }

    fn push(&mut self, list: &[u32]) {
        self.numbers.extend_from_slice(list);
        self.end();
    }

    /// Ends the list that was begun by pushing numbers.
    fn end(&mut self) {
        self.ends.push(self.numbers.len());
    }

    fn clear(&mut self) {
        self.numbers.clear();
        self.ends.clear();
    }
}

impl<'a> Kernel<'a> {
    pub(super) fn new(shared: &'a Shared<'a>) -> Self {
        Self {
            shared,
            codes: Codes::new(shared.program),
            sessions: Callers::default(),
            contexts: Contexts::default(),
            keeps: Memo::default(),
            callers: Memo::default(),
            opaque: Memo::default(),
            states: (0..shared.program.key_count()).map(|_| Memo::default()).collect(),
            facts: Facts::default(),
            known: HashTable::new(),
            numbers: Lists::default(),
            requests: Vec::new(),
            measuring: Vec::new(),
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

    /// Adds a batch of events.
    pub(super) fn consume(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut columns = EventColumns::new(batch)?;
        columns.number(&mut self.codes)?;
        self.select(&columns)?;
        self.describe(&columns)?;
        self.group(&columns)?;
        self.measure(&columns);
        columns.assert_loaded()
    }

    /// The events of the batch that was added last, in order: row, and its request, or why it is not replayed. Events that
    /// the filter left out are not among them.
    pub(super) fn events_of_batch(&self) -> Vec<(usize, Result<&RequestKey, &'static str>)> {
        let replayed = self.batch.rows.iter().zip(&self.batch.slots);
        let replayed = replayed.filter_map(|(asked, slot)| Some((asked.row, Ok(self.requests.get(*slot as usize)?))));
        let mut events: Vec<_> = replayed.chain(self.batch.not_replayed.iter().map(|(row, reason)| (*row, Err(*reason)))).collect();
        events.sort_unstable_by_key(|(row, _)| *row);
        events
    }

    /// What the events came to.
    pub(super) fn finish(self) -> Accumulator {
        let Self { codes, requests, measuring, not_replayed, filtered, events, coverage, session_names, .. } = self;
        let mut names: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
        for (principal, name) in session_names {
            let name = codes.text_of(Text::SessionName, name).unwrap_or_default();
            names.entry(principal as usize).or_default().insert(name.to_owned());
        }
        let mut distinct: HashMap<RequestKey, Measures, foldhash::fast::FixedState> = HashMap::default();
        for (request, measuring) in requests.into_iter().zip(measuring) {
            let name = |name| codes.text_of(Text::SessionName, name);
            distinct.entry(request).or_default().merge(&measuring.finish(name));
        }
        Accumulator { requests: distinct, not_replayed, filtered, events, coverage: coverage.finish(&codes), session_names: names }
    }

    /// Which rows are replayed, and who calls.
    fn select(&mut self, columns: &EventColumns) -> Result<()> {
        let Self { sessions, contexts, keeps, callers, opaque, states, codes, facts, shared, .. } = self;
        let filter = shared.filter;
        self.batch.rows.clear();
        self.batch.not_replayed.clear();
        sessions.begin(columns)?;
        for row in 0..columns.len() {
            let event = columns.row(row);
            if !filter.keeps_time(event.time()) {
                self.filtered += 1;
                continue;
            }
            let session = sessions.find(row, columns.created(row), || {
                let mut rules = Rules { keeps, callers, opaque, states, codes, facts, contexts, shared };
                rules.common(columns, event)
            })?;
            let Some(common) = sessions.get(session) else { continue };
            let is_kept = match common.keeps {
                Some(is_kept) => is_kept,
                None => keeps.get(event, codes, |_| Ok(filter.keeps_rest(event)))?,
            };
            if !is_kept {
                self.filtered += 1;
                continue;
            }
            let caller = common.caller;
            if !caller.is_of_shard {
                self.filtered += 1;
                self.coverage.elsewhere(event);
                continue;
            }
            self.events += 1;
            self.coverage.event(event, caller.reason.is_none());
            match caller {
                Caller { reason: None, principal: Some(principal), .. } => {
                    let by = AskedBy { principal, session: common.told };
                    let variant = shared.principals.variant(by, event.time());
                    self.batch.rows.push(Asked { row, session, by, variant });
                }
                Caller { reason, .. } => {
                    let reason = reason.unwrap_or("no_identity");
                    self.batch.not_replayed.push((row, reason));
                    *self.not_replayed.entry(reason).or_default() += 1;
                }
            }
        }
        Ok(())
    }

    /// What is asked, by numbers.
    fn describe(&mut self, columns: &EventColumns) -> Result<()> {
        let Self { sessions, contexts, states, codes, facts, shared, .. } = self;
        let Batch { rows, numbers, hashes, .. } = &mut self.batch;
        numbers.clear();
        hashes.clear();
        let asked = columns.rows_of(ASKED)?;
        let has_context = columns.has_request_context();
        let has_variants = shared.principals.has_variants;
        let tags = &shared.principals.timeline.tags;
        for row in rows.iter() {
            let begin = numbers.numbers.len();
            let event = row.event(columns, shared);
            let context = sessions.get(row.session).map(|common| common.context).unwrap_or_default();
            numbers.numbers.push(context);
            if has_variants {
                numbers.numbers.push(row.variant);
            }
            numbers.numbers.extend(asked.map(|column| column.get(row.row).copied().unwrap_or_default()));
            numbers.numbers.push(u32::try_from(event.code(Field::Checks, codes)?).unwrap_or(u32::MAX));
            if has_context {
                let complete = event.code(Field::Flag(Flag::RequestContextComplete), codes)?;
                let listed = event.code(Field::RequestContext, codes)?;
                numbers.numbers.push(u32::try_from(listed * 3 + complete).unwrap_or(u32::MAX));
            }
            if !tags.is_empty() && shared.principals.looks_at_tags(row.by) && event.has_checks() {
                let resources = event.checks().into_iter().filter_map(|check| check.resource);
                numbers.numbers.extend(resources.map(|resource| tags.moment(&resource, event.time())));
            }
            for key in contexts.asked(context) {
                let principal = shared.principal(row.by.principal)?;
                numbers.numbers.push(state(states, *key, event, principal, codes, facts, shared)?.0);
            }
            numbers.end();
            hashes.push(hash(numbers.numbers.get(begin..).unwrap_or_default()));
        }
        Ok(())
    }

    /// Which request that is.
    fn group(&mut self, columns: &EventColumns) -> Result<()> {
        let mut slots = std::mem::take(&mut self.batch.slots);
        slots.clear();
        let mut at = 0;
        while at < self.batch.rows.len() {
            let (asked, hash) = (self.batch.numbers.get(at), self.batch.hashes.get(at).copied().unwrap_or_default());
            let known = self.known.find(hash, |slot| self.numbers.get(*slot as usize) == asked).copied();
            match known.map_or_else(|| self.insert(columns, at, hash), |slot| Ok(Some(slot)))? {
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
    fn insert(&mut self, columns: &EventColumns, at: usize, hash: u64) -> Result<Option<u32>> {
        let shared = self.shared;
        let slot = u32::try_from(self.requests.len()).unwrap_or(u32::MAX);
        let asked = self.batch.rows.get(at).copied().unwrap_or_default();
        let event = asked.event(columns, shared);
        let index = asked.by.principal;
        let principal = shared.principal(index)?;
        let common = self.sessions.get(asked.session).map(|common| common.context).unwrap_or_default();
        let mut known = Vec::with_capacity(principal.keys.len());
        for key in &principal.keys {
            let (fact, fields) = state(&mut self.states, *key, event, principal, &mut self.codes, &mut self.facts, shared)?;
            if self.contexts.is_told(common, *key) && !are_asked(fields) {
                self.contexts.ask(*key);
                return Ok(None);
            }
            known.extend(self.facts.get(fact).cloned());
        }
        let context = EventContext::new(event, principal, shared.catalog);
        self.requests.push(RequestKey::new(
            (index as usize, asked.variant),
            known,
            event_layers(event, principal),
            &context,
            event,
            shared,
        ));
        self.measuring.push(Measuring::default());
        self.numbers.push(self.batch.numbers.get(at));
        let numbers = &self.numbers;
        self.known.insert_unique(hash, slot, |slot| self::hash(numbers.get(*slot as usize)));
        Ok(Some(slot))
    }

    /// What is measured of it.
    fn measure(&mut self, columns: &EventColumns) {
        // Request by request: its measures stand in several places, which are fetched once for all its events of the batch.
        let Batch { rows, slots, order, .. } = &mut self.batch;
        order.clear();
        order.extend(slots.iter().zip(0u64..).map(|(slot, at)| (u64::from(*slot) << 32) | at));
        order.sort_unstable();
        for place in order.iter() {
            let [slot, at] = [place >> 32, place & u64::from(u32::MAX)].map(|half| usize::try_from(half).unwrap_or(usize::MAX));
            let Some(asked) = rows.get(at) else { continue };
            let (event, Some(common)) = (columns.row(asked.row), self.sessions.get(asked.session)) else { continue };
            let Some(measuring) = self.measuring.get_mut(slot) else { continue };
            if measuring.add(event.time(), || event.text(Text::EventId).unwrap_or_default(), common.session) {
                let name = common.session_name;
                if name != 0 && measuring.add_name(name) {
                    self.session_names.insert((asked.by.principal, name));
                }
            }
        }
    }
}

fn hash(numbers: &[u32]) -> u64 {
    let mut hasher = foldhash::fast::FixedState::with_seed(0).build_hasher();
    let mut pairs = numbers.chunks_exact(2);
    for pair in pairs.by_ref() {
        let [a, b] = [0, 1].map(|at| u64::from(pair.get(at).copied().unwrap_or_default()));
        hasher.write_u64((a << 32) | b);
    }
    pairs.remainder().iter().for_each(|number| hasher.write_u32(*number));
    hasher.finish()
}
