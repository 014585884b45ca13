//! The kernel: event batches to distinct requests with their measures.
//!
//! Events that agree in principal, checks, region, outcome and in the cells of every context key that the principal's
//! policies look at are one request.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, Hash, Hasher};
use std::sync::Arc;

use arrow::array::RecordBatch;
use hashbrown::HashMap;

use super::context::EventContext;
use super::coverage::Coverage;
use super::filter::Filter;
use super::principals::{Principals, Seen};
use super::tally::Measures;
use super::view::{CheckRow, EventColumns, EventView};
use crate::catalog::{Catalog, ResourcePolicies};
use crate::error::Result;
use crate::evaluate::{Cell, ContextState, KeyId, LayerKind, Layers, Program};
use crate::frame::Text;
use crate::iam::arn::{Arn, permission_set};
use crate::ingest::dataset::day_of;

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
    facts: HashMap<(KeyId, ContextState), Fact, foldhash::fast::FixedState>,
}

/// Reasons that a dataset's `not_replayable` may hold.
const REASONS: [&str; 7] =
    ["service_event", "sign_in", "unauthenticated", "service_linked_role", "no_identity", "no_permission_needed", "network_activity"];

impl Accumulator {
    /// Adds a batch of events.
    pub(super) fn consume(&mut self, batch: &RecordBatch, shared: &Shared<'_>) -> Result<()> {
        let columns = EventColumns::new(batch)?;
        for row in 0..batch.num_rows() {
            self.event(columns.row(row), shared);
        }
        Ok(())
    }

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

    fn event(&mut self, event: EventView<'_>, shared: &Shared<'_>) {
        if !shared.filter.keeps(event) {
            self.filtered += 1;
            return;
        }
        self.events += 1;
        let seen = Seen::of(
            [Text::PrincipalArn, Text::PrincipalId, Text::PrincipalAccountId, Text::IdentityType, Text::SessionIssuerArn]
                .map(|column| event.text(column)),
        );
        let principal = shared.principals.find(&seen);
        let reason = not_replayed(event, principal, shared);
        self.coverage.event(event, reason.is_none());
        let (None, Some(index)) = (reason, principal) else {
            *self.not_replayed.entry(reason.unwrap_or("no_identity")).or_default() += 1;
            return;
        };
        let Some(principal) = shared.principals.all.get(index) else { return };
        let context = EventContext { event, principal, catalog: shared.catalog };
        let key = self.request_key(index, &context, shared);
        let session = session_hash(event);
        let name = event.text(Text::SessionName);
        if let Some(name) = name {
            let names = self.session_names.entry(index).or_default();
            if !names.contains(name) {
                names.insert(name.to_owned());
            }
        }
        let measures = self.requests.entry(key).or_default();
        measures.add(event.time(), event.text(Text::EventId).unwrap_or_default(), session, name);
    }

    fn request_key(&mut self, principal: usize, context: &EventContext<'_>, shared: &Shared<'_>) -> RequestKey {
        let event = context.event;
        let owned = |column| event.text(column).map(str::to_owned);
        let own = CheckRow {
            action: owned(Text::Action).unwrap_or_default(),
            resource: owned(Text::Resource),
            source: owned(Text::MappingSource).unwrap_or_default(),
        };
        let keys = &context.principal.keys;
        let states: Vec<(KeyId, ContextState)> = keys.iter().map(|key| (*key, context.state(shared.program.key_name(*key)))).collect();
        let mut checks = vec![self.check_key(&own, context, &states, shared)];
        for check in event.checks() {
            let other: Vec<(KeyId, ContextState)> =
                states.iter().map(|(key, state)| (*key, context.check_state(shared.program.key_name(*key), state, &check))).collect();
            checks.push(self.check_key(&check, context, &other, shared));
        }
        RequestKey {
            principal,
            session_identity: (context.principal.principal_type == "FederatedUser").then(|| owned(Text::SessionName)).flatten(),
            region: owned(Text::Region),
            account: owned(Text::AccountId),
            outcome: owned(Text::Outcome).unwrap_or_default(),
            denied_by: owned(Text::DeniedBy),
            resource_source: owned(Text::ResourceSource),
            checks,
        }
    }

    fn check_key(
        &mut self,
        check: &CheckRow,
        context: &EventContext<'_>,
        states: &[(KeyId, ContextState)],
        shared: &Shared<'_>,
    ) -> CheckKey {
        let facts = states.iter().map(|(key, state)| self.fact(*key, state, shared.program)).collect();
        let of_arn = check.resource.as_deref().and_then(Arn::parse).map(|arn| arn.account).filter(|account| !account.is_empty());
        let account = match check.resource.as_deref() {
            Some("*") => None,
            _ => of_arn.or(context.event.text(Text::AccountId)).map(str::to_owned),
        };
        let opaque = opaque_layers(check, context, shared.catalog).without(shared.assume_absent);
        CheckKey {
            action: check.action.clone(),
            resource: check.resource.clone(),
            source: check.source.clone(),
            resource_account: account,
            opaque,
            facts,
        }
    }

    fn fact(&mut self, key: KeyId, state: &ContextState, program: &Program) -> Fact {
        if let Some(fact) = self.facts.get(&(key, state.clone())) {
            return fact.clone();
        }
        let cell = Arc::new(program.classify(key, state));
        let by_value = program.key_is_by_value(key) || !cell.is_told();
        let fact = Fact { key, cell, state: Arc::new(state.clone()), by_value };
        self.facts.insert((key, state.clone()), fact.clone());
        fact
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

/// The layers that take part in a check of this event and that no policy file supplies.
fn opaque_layers(check: &CheckRow, context: &EventContext<'_>, catalog: &Catalog) -> Layers {
    let event = context.event;
    let prefix = check.action.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let mut layers = Layers::NONE;
    let role_arn = context.principal.arn.as_deref().unwrap_or_default();
    let by_instance = event.text(Text::SessionName).is_some_and(|name| name.starts_with("i-"));
    let session = match event.text(Text::IdentityType) {
        Some("AssumedRole" | "Role") => permission_set(role_arn).is_none() && !by_instance,
        Some("FederatedUser") => true,
        Some("AWSAccount") => true,
        Some("Root") => event.flag(crate::frame::Flag::AssumedRoot) == Some(true),
        _ => false,
    };
    if session {
        layers = layers.with(LayerKind::Session);
    }
    if catalog.rcp_applies(&prefix) {
        layers = layers.with(LayerKind::Rcp);
    }
    let caller_is_a_service = event.text(Text::SourceIp).is_some_and(|source| source.ends_with(".amazonaws.com"));
    if event.text(Text::VpcEndpointId).is_some() && !caller_is_a_service {
        layers = layers.with(LayerKind::Endpoint);
    }
    let resource_policies = catalog.service(&prefix).map_or(ResourcePolicies::Some, |service| service.resource_policies);
    if resource_policies != ResourcePolicies::None && check.resource.as_deref() != Some("*") {
        layers = layers.with(LayerKind::Resource);
    }
    layers
}

/// Tells the sessions of a principal apart: the credentials and the session's name.
fn session_hash(event: EventView<'_>) -> Option<u64> {
    let parts = (event.text(Text::PrincipalId), event.text(Text::SessionName), event.text(Text::AccessKeyId));
    if parts == (None, None, None) {
        return None;
    }
    Some(foldhash::quality::FixedState::with_seed(0x7265_7472).hash_one((parts, event.session_created())))
}

/// The UTC day of an event.
pub(super) fn day(event: EventView<'_>) -> i32 {
    day_of(event.time())
}
