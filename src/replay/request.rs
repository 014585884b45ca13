//! A distinct request: what events have in common that policies cannot tell apart.

use std::hash::{BuildHasher as _, Hash, Hasher};
use std::sync::Arc;

use super::context::EventContext;
use super::kernel::Shared;
use super::principals::Principal;
use super::view::{CheckRow, EventView, Field};
use crate::catalog::{Catalog, MappingSource, ResourcePolicies};
use crate::evaluate::{Cell, ContextState, KeyId, LayerKind, Layers, Program};
use crate::frame::Text;
use crate::iam::arn::{Arn, permission_set};

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
    /// Whether resource control policies act on the action.
    pub(super) rcps_act: bool,
    /// Whether the call may do without it.
    pub(super) optional: bool,
    pub(super) facts: Vec<Fact>,
}

/// A distinct request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestKey {
    /// Of everything else: requests are looked up again and again.
    hash: u64,
    pub(super) principal: usize,
    /// Which policies the principal has at that time, in that session.
    pub(super) variant: u32,
    pub(super) session_identity: Option<String>,
    pub(super) region: Option<String>,
    pub(super) account: Option<String>,
    pub(super) outcome: String,
    pub(super) denied_by: Option<String>,
    pub(super) resource_source: Option<String>,
    /// The event's own check first.
    pub(super) checks: Vec<CheckKey>,
}

impl Fact {
    pub(super) fn new(key: KeyId, state: ContextState, program: &Program) -> Self {
        let cell = Arc::new(program.classify(key, &state));
        let by_value = program.key_is_by_value(key) || !cell.is_told();
        Self { key, cell, state: Arc::new(state), by_value }
    }
}

impl RequestKey {
    /// The request of an event, of whose own check the facts are known.
    pub(super) fn new(
        (principal, variant): (usize, u32),
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
                let facts =
                    states.iter().map(|(key, name, state)| Fact::new(*key, context.check_state(name, state, &check), shared.program));
                checks.push(CheckKey::new(check.clone(), facts.collect(), opaque, event, shared));
            }
        }
        let is_federated = shared.principals.all.get(principal).is_some_and(Principal::is_federated_user);
        let mut request = Self {
            hash: 0,
            principal,
            variant,
            session_identity: is_federated.then(|| owned(Text::SessionName)).flatten(),
            region: owned(Text::Region),
            account: owned(Text::AccountId),
            outcome: owned(Text::Outcome).unwrap_or_default(),
            denied_by: owned(Text::DeniedBy),
            resource_source: owned(Text::ResourceSource),
            checks,
        };
        request.hash = request.hash_of_all();
        request
    }

    fn hash_of_all(&self) -> u64 {
        let Self { hash: _, principal, variant, session_identity, region, account, outcome, denied_by, resource_source, checks } = self;
        let told = (principal, variant, session_identity, region, account, outcome, denied_by, resource_source, checks);
        foldhash::fast::FixedState::with_seed(0).hash_one(told)
    }
}

impl Hash for RequestKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl CheckKey {
    fn new(check: CheckRow, facts: Vec<Fact>, opaque: Layers, event: EventView<'_>, shared: &Shared<'_>) -> Self {
        let of_arn = check.resource.as_deref().and_then(Arn::parse).map(|arn| arn.account).filter(|account| !account.is_empty());
        let resource_account = match check.resource.as_deref() {
            Some("*") => None,
            _ => of_arn.or(event.text(Text::AccountId)).map(str::to_owned),
        };
        let of_check = check_layers(&check, shared.catalog);
        let opaque = opaque.union(of_check).without(shared.assume_absent);
        let rcps_act = of_check.contains(LayerKind::Rcp);
        let optional = is_optional(&check, event, shared.catalog);
        Self { resource_account, opaque, rcps_act, optional, facts, action: check.action, resource: check.resource, source: check.source }
    }
}

/// Whether a further check hangs on a parameter that the call may leave out, and that the log does not show, or it is not certain
/// that the call needs it at all.
fn is_optional(check: &CheckRow, event: EventView<'_>, catalog: &Catalog) -> bool {
    if check.source != MappingSource::Inferred.name() {
        return false;
    }
    let own = event.text(Text::Action).and_then(|action| catalog.action(action));
    let also = own.and_then(|(_, operation)| operation.also.iter().find(|also| also.action == check.action));
    also.is_some_and(|also| also.perhaps || (check.resource.is_none() && !also.required))
}

/// The layers that take part in the checks of this event by who calls and how, and that no policy file supplies.
pub(super) fn event_layers(event: EventView<'_>, principal: &Principal) -> Layers {
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
    // Of a session whose key was issued in the log its policies are known, and part of the bundle.
    if session && event.session() == 0 {
        layers = layers.with(LayerKind::Session);
    }
    let called_by_service = || event.text(Text::SourceIp).is_some_and(|source| source.ends_with(".amazonaws.com"));
    if event.text(Text::VpcEndpointId).is_some() && !called_by_service() {
        layers = layers.with(LayerKind::Endpoint);
    }
    layers
}

/// The layers that take part in a check by what is asked for, and that no policy file supplies; resource control policies
/// also where some are.
fn check_layers(check: &CheckRow, catalog: &Catalog) -> Layers {
    let prefix = check.action.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let mut layers = Layers::NONE;
    if catalog.rcp_applies(&prefix) && !check.action.eq_ignore_ascii_case("kms:RetireGrant") {
        layers = layers.with(LayerKind::Rcp);
    }
    let resource_policies = catalog.service(&prefix).map_or(ResourcePolicies::Some, |service| service.resource_policies);
    if resource_policies != ResourcePolicies::None && check.resource.as_deref() != Some("*") {
        layers = layers.with(LayerKind::Resource);
    }
    layers
}
