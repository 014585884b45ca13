//! Combines the layers into one decision: the AWS evaluation logic, over statements whose applying may be left open.

use std::sync::Arc;

use super::asks::{Asks, Literal};
use super::evaluator::ActionAnswers;
use super::program::{BundleId, CompiledBundle, CompiledStatement, Program};
use super::request::{LayerKind, Layers, Owner};
use super::statement::{Request, applies_beyond_action};
use crate::iam::arn::is_account_id;
use crate::iam::document::Effect;
use crate::iam::principal::Grant;

/// A statement, by policy and position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct StatementRef {
    pub(super) document: usize,
    pub(super) statement: usize,
}

/// A statement that applies if all its literals hold.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Term {
    pub(super) statement: StatementRef,
    pub(super) layer: LayerKind,
    pub(super) literals: Vec<Literal>,
}

/// Some term of it must hold.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Group {
    pub(super) layer: LayerKind,
    /// Index from the root, for service and resource control policies.
    pub(super) level: Option<usize>,
    pub(super) terms: Vec<Term>,
}

/// What the policies of one side come to for one request.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Side {
    /// The bundle that it was made from.
    pub(super) bundle: BundleId,
    /// The call needs no permission.
    pub(super) always: bool,
    /// The call may do without this check.
    pub(super) optional: bool,
    pub(super) denies: Vec<Term>,
    /// Each must allow.
    pub(super) guards: Vec<Group>,
    /// Boundary and session policies: each must allow, unless a resource-based policy grants past them.
    pub(super) limits: Vec<Group>,
    /// Identity-based policies; `None`: not limited (root).
    pub(super) identity: Option<Vec<Term>>,
    /// An unknown identity-based policy may grant.
    pub(super) opaque_identity: bool,
    /// Whose policy that is.
    pub(super) identity_owner: Owner,
    /// Resource-based policies.
    pub(super) resource: Option<ResourceSide>,
    /// An unknown resource-based policy may grant.
    pub(super) opaque_resource: bool,
    /// Layers of which it is not known whether they permit.
    pub(super) opaque: Layers,
}

/// The grants of a resource-based policy by how they name the caller.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ResourceSide {
    pub(super) cross_account: bool,
    pub(super) grants: Vec<(Grant, Term)>,
}

/// How a policy set answers in one situation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// Allowed.
    Allowed,
    /// A Deny statement applies.
    ExplicitDeny,
    /// Nothing allows, or a layer that must allow does not.
    ImplicitDeny,
    /// A layer whose policies were not supplied denies.
    OpaqueDeny,
}

/// Several verdicts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Verdicts(u8);

impl Verdicts {
    /// Those of an iterator.
    pub(super) fn of(verdicts: impl IntoIterator<Item = Verdict>) -> Self {
        Self(verdicts.into_iter().fold(0, |all, verdict| all | (1 << verdict as u8)))
    }

    /// Whether some allows.
    pub fn may_allow(self) -> bool {
        self.0 & (1 << Verdict::Allowed as u8) != 0
    }

    /// Whether some denies.
    pub fn may_deny(self) -> bool {
        self.0 & !(1 << Verdict::Allowed as u8) != 0
    }

    /// Whether each is a Deny statement that applies.
    pub fn are_explicit(self) -> bool {
        self.0 == 1 << Verdict::ExplicitDeny as u8
    }
}

/// Puts together what the policies of one bundle say of one check.
pub(super) struct SideBuilder<'b> {
    pub(super) program: &'b Program,
    /// All checks of the event, and which of them this is.
    pub(super) checks: &'b [Request],
    pub(super) check: usize,
    pub(super) request: &'b Request,
    pub(super) action: &'b ActionAnswers,
    /// Of documents with many statements, those that may cover action and resource.
    pub(super) covering: &'b [(usize, Arc<[usize]>)],
    pub(super) asks: &'b mut Asks,
}

impl SideBuilder<'_> {
    pub(super) fn side(&mut self, id: BundleId) -> Side {
        let program = self.program;
        let Some(bundle) = program.bundles.get(id) else { return Side::default() };
        let subject = &self.request.subject;
        let mut side = Side { bundle: id, always: subject.no_permission, optional: subject.optional, ..Side::default() };
        if side.always {
            return side;
        }
        side.opaque = bundle.opaque.union(subject.opaque);
        if !program.rcps(bundle, subject).1 {
            side.opaque = side.opaque.without(Layers::NONE.with(LayerKind::Rcp));
        }
        let identity = self.group(LayerKind::Identity, None, &bundle.identity, &mut side.denies);
        if bundle.identity_opaque && !bundle.unlimited {
            side.opaque_identity = true;
            side.identity_owner = if bundle.identity_own { Owner::Candidate } else { Owner::Shared };
            let opaque = side.opaque;
            side.opaque = if bundle.identity_own { opaque.with_own(LayerKind::Identity) } else { opaque.with(LayerKind::Identity) };
        }
        side.identity = (!bundle.unlimited).then_some(identity.terms);
        let limits = [(LayerKind::Boundary, &bundle.boundary), (LayerKind::Session, &bundle.session)];
        for (layer, documents) in limits {
            if let Some(documents) = documents {
                let group = self.group(layer, None, documents, &mut side.denies);
                side.limits.push(group);
            }
        }
        self.guards(bundle, &mut side);
        let cross_account = cross_account(self.request).is_some();
        if let Some(documents) = &bundle.resource {
            side.resource = Some(self.resource_side(documents, bundle.boundary.is_some(), &mut side.denies));
        } else if cross_account && !side.opaque.contains(LayerKind::Resource) {
            side.resource = Some(ResourceSide { cross_account: true, grants: Vec::new() });
        }
        side.opaque_resource = side.opaque.contains(LayerKind::Resource) && !cross_account;
        side
    }

    /// The same for policies that were in force at the event.
    pub(super) fn side_in_force(&mut self, id: BundleId) -> Side {
        let mut side = self.side(id);
        side.opaque = side.opaque.in_force();
        if side.identity_owner == Owner::Candidate {
            side.identity_owner = Owner::InForce;
        }
        side
    }

    fn guards(&mut self, bundle: &CompiledBundle, side: &mut Side) {
        let program = self.program;
        let (rcps, _) = program.rcps(bundle, &self.request.subject);
        for (layer, levels) in [(LayerKind::Scp, bundle.scps.as_deref().unwrap_or_default()), (LayerKind::Rcp, rcps)] {
            for (level, documents) in levels.iter().enumerate() {
                let group = self.group(layer, Some(level), documents, &mut side.denies);
                side.guards.push(group);
            }
        }
        if let Some(documents) = &bundle.endpoint {
            let group = self.group(LayerKind::Endpoint, None, documents, &mut side.denies);
            side.guards.push(group);
        }
    }

    fn group(&mut self, layer: LayerKind, level: Option<usize>, documents: &[usize], denies: &mut Vec<Term>) -> Group {
        let mut terms = Vec::new();
        let caller = &self.request.subject.caller;
        // Policies that name principals say nothing where a statement names none.
        let names_principals = matches!(layer, LayerKind::Endpoint | LayerKind::Rcp);
        let about = |statement: &CompiledStatement| {
            statement.principal.as_ref().map_or(!names_principals, |principal| principal.covers(caller)).then_some(statement.effect)
        };
        self.each_term(documents, layer, about, |effect, term| if effect == Effect::Deny { denies.push(term) } else { terms.push(term) });
        Group { layer, level, terms }
    }

    fn resource_side(&mut self, documents: &[usize], has_boundary: bool, denies: &mut Vec<Term>) -> ResourceSide {
        let request = self.request;
        let caller = &request.subject.caller;
        let mut grants = Vec::new();
        // `Some(None)`: a Deny about the caller.
        let about = |statement: &CompiledStatement| {
            let principal = statement.principal.as_ref()?;
            match statement.effect {
                Effect::Deny => (principal.covers(caller) || (principal.negated && has_boundary)).then_some(None),
                Effect::Allow if principal.negated => principal.covers(caller).then_some(Some(Grant::Direct)),
                Effect::Allow => principal.grant(caller).map(Some),
            }
        };
        self.each_term(documents, LayerKind::Resource, about, |grant, term| match grant {
            None => denies.push(term),
            Some(grant) => grants.push((grant, term)),
        });
        ResourceSide { cross_account: cross_account(request).is_some(), grants }
    }

    /// Every statement of the documents that is `about` the caller and applies or may apply.
    fn each_term<T>(
        &mut self,
        documents: &[usize],
        layer: LayerKind,
        about: impl Fn(&CompiledStatement) -> Option<T>,
        mut found: impl FnMut(T, Term),
    ) {
        let program = self.program;
        let mut try_one = |builder: &mut Self, document: usize, index: usize, statement: &CompiledStatement| {
            let Some(role) = about(statement) else { return };
            let open = builder.action.open(statement.action).cloned();
            let Ok(open) = applies_beyond_action(program, builder.request, statement, open) else { return };
            let literals = open.into_iter().map(|open| builder.asks.literal(open, builder.checks, builder.check)).collect();
            found(role, Term { statement: StatementRef { document, statement: index }, layer, literals });
        };
        for (document, policy) in documents.iter().filter_map(|id| program.documents.get(*id).map(|policy| (*id, policy))) {
            let covering = self.covering.iter().find(|(long, _)| *long == document).map(|(_, statements)| Arc::clone(statements));
            if let Some(covering) = covering {
                for index in covering.iter().copied() {
                    policy.statements.get(index).into_iter().for_each(|statement| try_one(self, document, index, statement));
                }
                continue;
            }
            for (index, _) in policy.actions.iter().enumerate().filter(|(_, element)| self.action.may_cover(**element)) {
                policy.statements.get(index).into_iter().for_each(|statement| try_one(self, document, index, statement));
            }
        }
    }
}

impl Program {
    pub(super) fn statements<'p>(&'p self, documents: &'p [usize]) -> impl Iterator<Item = (StatementRef, &'p CompiledStatement)> {
        documents.iter().filter_map(|id| self.documents.get(*id).map(|document| (*id, document))).flat_map(|(document, policy)| {
            policy.statements.iter().enumerate().map(move |(statement, compiled)| (StatementRef { document, statement }, compiled))
        })
    }
}

/// The resource's account, if it is known and not the caller's.
fn cross_account(request: &Request) -> Option<&str> {
    let subject = &request.subject;
    subject
        .resource_account
        .as_deref()
        .filter(|account| *account != subject.caller.account && is_account_id(account) && is_account_id(&subject.caller.account))
}

/// One situation: a truth value for every literal and for the opaque layers.
pub(super) trait Situation {
    fn literal(&self, literal: &Literal) -> bool;
    /// Whether the opaque layers permit.
    fn permits(&self, opaque: Layers) -> bool;
    /// Whether an unknown policy of the layer grants.
    fn grants(&self, layer: LayerKind, owner: Owner) -> bool;
    /// Whether the call asks for a check that it may do without.
    fn asks(&self) -> bool;
}

impl Side {
    /// The decision in one situation.
    pub(super) fn verdict(&self, situation: &impl Situation) -> Verdict {
        if self.always || (self.optional && !situation.asks()) {
            return Verdict::Allowed;
        }
        let holds = |term: &Term| term.literals.iter().all(|literal| situation.literal(literal));
        if self.denies.iter().any(holds) {
            return Verdict::ExplicitDeny;
        }
        if !self.opaque.is_empty() && !situation.permits(self.opaque) {
            return Verdict::OpaqueDeny;
        }
        let allows = |group: &Group| group.terms.iter().any(holds);
        let guards = self.guards.iter().all(allows);
        let limits = self.limits.iter().all(allows);
        let identity = self.identity.as_ref().is_none_or(|terms| terms.iter().any(holds))
            || (self.opaque_identity && situation.grants(LayerKind::Identity, self.identity_owner));
        let granted = |least: Grant| {
            self.resource.as_ref().is_some_and(|resource| resource.grants.iter().any(|(grant, term)| *grant >= least && holds(term)))
        };
        let core = match &self.resource {
            Some(resource) if resource.cross_account => identity && limits && granted(Grant::Account),
            _ => {
                (identity && limits)
                    || granted(Grant::Direct)
                    || (limits && granted(Grant::Role))
                    || (self.opaque_resource && situation.grants(LayerKind::Resource, Owner::Shared))
            }
        };
        if guards && core { Verdict::Allowed } else { Verdict::ImplicitDeny }
    }

    /// Whether both come to the same residual policies.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        *self == Self { bundle: self.bundle, ..other.clone() }
    }
}
