//! The kernel: event batches to distinct requests with their measures.
//!
//! Events that agree in principal, checks, region, outcome and in the cells of every context key that the principal's
//! policies look at are one request.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, Hash, Hasher};
use std::sync::Arc;

use arrow::array::RecordBatch;
use hashbrown::{HashMap, HashSet, HashTable};

use super::codes::Codes;
use super::context::EventContext;
use super::coverage::{CodedCoverage, Coverage};
use super::filter::Filter;
use super::memo::Memo;
use super::principals::{Principal, Principals, Seen};
use super::tally::Measures;
use super::view::{CheckRow, EventColumns, EventView, Field};
use crate::catalog::{Catalog, ResourcePolicies};
use crate::error::Result;
use crate::evaluate::{Cell, ContextState, KeyId, LayerKind, Layers, Program};
use crate::frame::Text;
use crate::iam::arn::{Arn, permission_set};

/// What a replay of events needs, shared by threads.
pub(super) struct Shared<'a> {
    pub(super) program: &'a Program,
    pub(super) principals: &'a Principals,
    pub(super) catalog: &'a Catalog,
    pub(super) filter: &'a Filter,
    pub(super) assume_absent: Layers,
}

/// What is known of one key, equal where the policies cannot tell it apart.
#[derive(Debug, Clone)]
pub(super) struct Fact {
    pub(super) key: KeyId,
    pub(super) cell: Arc<Cell>,
    /// The state; part of the identity only where a policy takes the value itself, or the cell does not tell it.
    pub(super) state: Arc<ContextState>,
    by_value: bool,
}

impl PartialEq for Fact {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && self.cell == other.cell && (!self.by_value || self.state == other.state)
    }
}

impl Eq for Fact {}

impl Hash for Fact {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.key.hash(hasher);
        self.cell.hash(hasher);
        if self.by_value {
            self.state.hash(hasher);
        }
    }
}

/// One check of a distinct request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct CheckKey {
    pub(super) action: String,
    pub(super) resource: Option<String>,
    pub(super) source: String,
    pub(super) resource_account: Option<String>,
    /// Layers of the event that exist and were not supplied.
    pub(super) opaque: Layers,
    pub(super) facts: Vec<Fact>,
}

/// A distinct request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct RequestKey {
    pub(super) principal: usize,
    pub(super) session_identity: Option<String>,
    pub(super) region: Option<String>,
    pub(super) account: Option<String>,
    pub(super) outcome: String,
    pub(super) denied_by: Option<String>,
    pub(super) resource_source: Option<String>,
    /// The event's own check first.
    pub(super) checks: Vec<CheckKey>,
}

/// Distinct requests of a part of the log, with everything that is counted on the way.
#[derive(Debug, Default)]
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

/// Reasons that a dataset's `not_replayable` may hold.
const REASONS: [&str; 7] =
    ["service_event", "sign_in", "unauthenticated", "service_linked_role", "no_identity", "no_permission_needed", "network_activity"];

/// One thread at work: events to distinct requests, by numbers.
pub(super) struct Kernel<'a> {
    shared: &'a Shared<'a>,
    codes: Codes,
    keeps: Memo<bool>,
    callers: Memo<Caller>,
    opaque: Memo<Layers>,
    /// By key.
    states: Vec<Memo<u32>>,
    facts: Facts,
    /// Distinct requests by their numbers: principal, texts, facts.
    known: HashTable<u32>,
    /// Where the numbers of each request begin.
    places: Vec<usize>,
    numbers: Vec<u32>,
    requests: Vec<(RequestKey, Slot)>,
    not_replayed: BTreeMap<&'static str, u64>,
    filtered: u64,
    events: u64,
    coverage: CodedCoverage,
    session_names: HashSet<(u32, u32), foldhash::fast::FixedState>,
    /// The numbers of the event at hand.
    event: Vec<u32>,
}

/// The measures of a request on their way.
#[derive(Debug, Default)]
struct Slot {
    measures: Measures,
    last_session: Option<u64>,
    /// The numbers of the session names that came last.
    names: [u32; 8],
}

/// Who made a call, and why it is not replayed if it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Caller {
    principal: Option<u32>,
    reason: Option<&'static str>,
}

/// What is known of keys, each once.
#[derive(Debug, Default)]
struct Facts {
    all: Vec<Fact>,
    of_state: HashMap<(KeyId, ContextState), u32, foldhash::fast::FixedState>,
    of_fact: HashMap<Fact, u32, foldhash::fast::FixedState>,
}

impl Facts {
    fn number(&mut self, key: KeyId, state: ContextState, program: &Program) -> u32 {
        // Times and ages are never the same twice: only what policies tell of them is kept.
        let is_kept = !matches!(state, ContextState::PresentUnknown(Some(_)));
        if let Some(known) = self.of_state.get(&(key, state.clone())).filter(|_| is_kept) {
            return *known;
        }
        let fact = Fact::new(key, &state, program);
        let next = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        let number = *self.of_fact.entry(fact.clone()).or_insert(next);
        if number == next {
            self.all.push(fact);
        }
        if is_kept {
            self.of_state.insert((key, state), number);
        }
        number
    }

    fn get(&self, number: u32) -> Option<&Fact> {
        self.all.get(number as usize)
    }
}

impl Fact {
    fn new(key: KeyId, state: &ContextState, program: &Program) -> Self {
        let cell = Arc::new(program.classify(key, state));
        let by_value = program.key_is_by_value(key) || !cell.is_told();
        Self { key, cell, state: Arc::new(state.clone()), by_value }
    }
}

impl<'a> Kernel<'a> {
    pub(super) fn new(shared: &'a Shared<'a>) -> Self {
        Self {
            shared,
            codes: Codes::new(shared.program),
            keeps: Memo::default(),
            callers: Memo::default(),
            opaque: Memo::default(),
            states: (0..shared.program.key_count()).map(|_| Memo::default()).collect(),
            facts: Facts::default(),
            known: HashTable::new(),
            places: Vec::new(),
            numbers: Vec::new(),
            requests: Vec::new(),
            not_replayed: BTreeMap::new(),
            filtered: 0,
            events: 0,
            coverage: CodedCoverage::default(),
            session_names: HashSet::default(),
            event: Vec::new(),
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
        for row in 0..columns.len() {
            self.event(columns.row(row), &columns, row)?;
        }
        columns.assert_loaded()
    }

    /// What the events came to.
    pub(super) fn finish(self) -> Accumulator {
        let Self { shared, codes, requests, not_replayed, filtered, events, coverage, session_names, .. } = self;
        let mut names: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
        for (principal, name) in session_names {
            let name = codes.text_of(Text::SessionName, name).unwrap_or_default();
            names.entry(principal as usize).or_default().insert(name.to_owned());
        }
        debug_assert!(names.keys().all(|principal| *principal < shared.principals.all.len()));
        let mut distinct: HashMap<RequestKey, Measures, foldhash::fast::FixedState> = HashMap::default();
        for (request, slot) in requests {
            distinct.entry(request).or_default().merge(&slot.measures);
        }
        Accumulator { requests: distinct, not_replayed, filtered, events, coverage: coverage.finish(&codes), session_names: names }
    }

    fn event(&mut self, event: EventView<'_>, columns: &EventColumns, row: usize) -> Result<()> {
        let shared = self.shared;
        let filter = shared.filter;
        if !filter.is_empty()
            && !(filter.keeps_time(event.time()) && self.keeps.get(event, &mut self.codes, |_| Ok(filter.keeps_rest(event)))?)
        {
            self.filtered += 1;
            return Ok(());
        }
        self.events += 1;
        let caller = self.callers.get(event, &mut self.codes, |_| Ok(Caller::of(event, shared)))?;
        self.coverage.event(event, caller.reason.is_none());
        let (None, Some(index)) = (caller.reason, caller.principal) else {
            *self.not_replayed.entry(caller.reason.unwrap_or("no_identity")).or_default() += 1;
            return Ok(());
        };
        let Some(principal) = shared.principals.all.get(index as usize) else { return Ok(()) };
        let event = event.of_principal(index);
        let context = EventContext::new(event, principal, shared.catalog);
        let slot = self.slot(index, principal, &context, event)?;
        let session = session(columns, row, event, &mut self.codes);
        let time = event.time();
        let Some((_, slot)) = self.requests.get_mut(slot as usize) else { return Ok(()) };
        let id = event.text(Text::EventId).unwrap_or_default();
        if session.is_some() && slot.last_session == session {
            slot.measures.add(time, id, None);
        } else {
            slot.last_session = session;
            let name = event.text_code(Text::SessionName);
            let is_new = name != 0 && !slot.names.contains(&name);
            if is_new {
                // The names that are kept are few; of more, the last ones are remembered.
                slot.names.rotate_right(1);
                if let Some(first) = slot.names.first_mut() {
                    *first = name;
                }
                self.session_names.insert((index, name));
            }
            let name = is_new.then(|| self.codes.text_of(Text::SessionName, name)).flatten();
            slot.measures.add(time, id, Some((session, name)));
        }
        Ok(())
    }

    /// The distinct request of an event, as its place in `requests`.
    fn slot(&mut self, index: u32, principal: &Principal, context: &EventContext<'_>, event: EventView<'_>) -> Result<u32> {
        const TEXTS: [Text; 8] = [
            Text::Action,
            Text::Resource,
            Text::MappingSource,
            Text::Region,
            Text::AccountId,
            Text::Outcome,
            Text::DeniedBy,
            Text::ResourceSource,
        ];
        let shared = self.shared;
        self.event.clear();
        self.event.push(index);
        for column in TEXTS {
            self.event.push(event.text_code(column));
        }
        let checks = event.code(Field::Checks, &mut self.codes)?;
        self.event.push(u32::try_from(checks).unwrap_or(u32::MAX));
        let opaque = self.opaque.get(event, &mut self.codes, |_| Ok(event_layers(event, principal)))?;
        self.event.push(u32::from(opaque.bits()));
        let is_federated = principal.principal_type == "FederatedUser";
        self.event.push(if is_federated { event.text_code(Text::SessionName) } else { 0 });
        for key in &principal.keys {
            let Some(memo) = self.states.get_mut(*key) else { continue };
            let facts = &mut self.facts;
            let number = memo.get(event, &mut self.codes, |_| {
                Ok(facts.number(*key, context.state(shared.program.key_name(*key)), shared.program))
            })?;
            self.event.push(number);
        }
        let hash = hash(&self.event);
        let (numbers, places) = (&self.numbers, &self.places);
        if let Some(slot) = self.known.find(hash, |slot| numbers_of(numbers, places, *slot) == self.event) {
            return Ok(*slot);
        }
        let own = |position: usize| self.event.get(FIRST_FACT + position).and_then(|number| self.facts.get(*number)).cloned();
        let facts = (0..principal.keys.len()).filter_map(own).collect();
        let request = RequestKey::new(index as usize, facts, opaque, context, event, shared);
        let slot = u32::try_from(self.requests.len()).unwrap_or(u32::MAX);
        self.requests.push((request, Slot::default()));
        self.numbers.extend_from_slice(&self.event);
        self.places.push(self.numbers.len());
        let (numbers, places) = (&self.numbers, &self.places);
        self.known.insert_unique(hash, slot, |slot| self::hash(numbers_of(numbers, places, *slot)));
        Ok(slot)
    }
}

/// How many numbers of a request come before its facts.
const FIRST_FACT: usize = 12;

/// The numbers of a request.
fn numbers_of<'n>(numbers: &'n [u32], ends: &[usize], slot: u32) -> &'n [u32] {
    let slot = slot as usize;
    let begin = slot.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or_default();
    ends.get(slot).and_then(|end| numbers.get(begin..*end)).unwrap_or_default()
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

impl RequestKey {
    /// The request of an event, of whose own check the facts are known.
    fn new(
        principal: usize,
        facts: Vec<Fact>,
        opaque: Layers,
        context: &EventContext<'_>,
        event: EventView<'_>,
        shared: &Shared<'_>,
    ) -> Self {
        let owned = |column| event.text(column).map(str::to_owned);
        let own = CheckRow {
            action: owned(Text::Action).unwrap_or_default(),
            resource: owned(Text::Resource),
            source: owned(Text::MappingSource).unwrap_or_default(),
        };
        let mut checks = vec![CheckKey::new(own, facts, opaque, event, shared)];
        let further = event.checks();
        if !further.is_empty() {
            let keys = shared.principals.all.get(principal).map(|principal| principal.keys.as_slice()).unwrap_or_default();
            let named = |key: &KeyId| (*key, shared.program.key_name(*key));
            let states: Vec<_> = keys.iter().map(named).map(|(key, name)| (key, name, context.state(name))).collect();
            for check in further {
                let facts = states.iter().map(|(key, name, state)| Fact::new(*key, &context.check_state(name, state, &check), shared.program));
                checks.push(CheckKey::new(check.clone(), facts.collect(), opaque, event, shared));
            }
        }
        let is_federated = shared.principals.all.get(principal).is_some_and(|principal| principal.principal_type == "FederatedUser");
        Self {
            principal,
            session_identity: is_federated.then(|| owned(Text::SessionName)).flatten(),
            region: owned(Text::Region),
            account: owned(Text::AccountId),
            outcome: owned(Text::Outcome).unwrap_or_default(),
            denied_by: owned(Text::DeniedBy),
            resource_source: owned(Text::ResourceSource),
            checks,
        }
    }
}

impl CheckKey {
    fn new(check: CheckRow, facts: Vec<Fact>, opaque: Layers, event: EventView<'_>, shared: &Shared<'_>) -> Self {
        let of_arn = check.resource.as_deref().and_then(Arn::parse).map(|arn| arn.account).filter(|account| !account.is_empty());
        let resource_account = match check.resource.as_deref() {
            Some("*") => None,
            _ => of_arn.or(event.text(Text::AccountId)).map(str::to_owned),
        };
        let opaque = opaque.union(check_layers(&check, shared.catalog)).without(shared.assume_absent);
        Self { resource_account, opaque, facts, action: check.action, resource: check.resource, source: check.source }
    }
}

impl Caller {
    fn of(event: EventView<'_>, shared: &Shared<'_>) -> Self {
        let seen = Seen::of(
            [Text::PrincipalArn, Text::PrincipalId, Text::PrincipalAccountId, Text::IdentityType, Text::SessionIssuerArn]
                .map(|column| event.text(column)),
        );
        let principal = shared.principals.find(&seen);
        Self { principal: principal.and_then(|index| u32::try_from(index).ok()), reason: not_replayed(event, principal, shared) }
    }
}

/// Why an event is not replayed; `None` if it is.
fn not_replayed(event: EventView<'_>, principal: Option<usize>, shared: &Shared<'_>) -> Option<&'static str> {
    if let Some(reason) = event.text(Text::NotReplayable) {
        return Some(REASONS.iter().find(|known| **known == reason).copied().unwrap_or("no_identity"));
    }
    match event.text(Text::IdentityType) {
        Some("AWSService") => return Some("service_principal"),
        Some("AWSAccount") if event.text(Text::PrincipalId).is_some_and(|id| id.contains("ANONYMOUS")) => return Some("anonymous"),
        _ => {}
    }
    let decidable = principal.and_then(|index| shared.principals.all.get(index)).is_some_and(|principal| principal.decidable);
    (!decidable).then_some("foreign_principal")
}

/// The layers that take part in the checks of this event by who calls and how, and that no policy file supplies.
fn event_layers(event: EventView<'_>, principal: &Principal) -> Layers {
    let mut layers = Layers::NONE;
    event.reads(Field::Principal);
    let role_arn = principal.arn.as_deref().unwrap_or_default();
    let session = match event.text(Text::IdentityType) {
        Some("AssumedRole" | "Role") => permission_set(role_arn).is_none() && !event.is_instance_session(),
        Some("FederatedUser") => true,
        Some("AWSAccount") => true,
        Some("Root") => event.flag(crate::frame::Flag::AssumedRoot) == Some(true),
        _ => false,
    };
    if session {
        layers = layers.with(LayerKind::Session);
    }
    let called_by_service = || event.text(Text::SourceIp).is_some_and(|source| source.ends_with(".amazonaws.com"));
    if event.text(Text::VpcEndpointId).is_some() && !called_by_service() {
        layers = layers.with(LayerKind::Endpoint);
    }
    layers
}

/// The layers that take part in a check by what is asked for, and that no policy file supplies.
fn check_layers(check: &CheckRow, catalog: &Catalog) -> Layers {
    let prefix = check.action.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let mut layers = Layers::NONE;
    if catalog.rcp_applies(&prefix) {
        layers = layers.with(LayerKind::Rcp);
    }
    let resource_policies = catalog.service(&prefix).map_or(ResourcePolicies::Some, |service| service.resource_policies);
    if resource_policies != ResourcePolicies::None && check.resource.as_deref() != Some("*") {
        layers = layers.with(LayerKind::Resource);
    }
    layers
}

/// Tells the sessions of a principal apart: the credentials and the session's name.
fn session(columns: &EventColumns, row: usize, event: EventView<'_>, codes: &mut Codes) -> Option<u64> {
    let parts = [Text::PrincipalId, Text::SessionName, Text::AccessKeyId]
        .map(|column| columns.texts(column).map_or(0, |texts| codes.hash(column, texts, row)));
    if parts == [0; 3] {
        return None;
    }
    let mut hasher = foldhash::quality::FixedState::with_seed(0x7365_7373).build_hasher();
    parts.into_iter().for_each(|part| hasher.write_u64(part));
    hasher.write_i64(event.created().unwrap_or(i64::MIN));
    Some(hasher.finish())
}
