//! The policies of one principal, by session and by time: those of the baseline and of the candidates, limited by the session
//! policies that are known, and what was in force when.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::past::{PastOf, State};
use super::principals::{Principal, Sets, complete};
use super::timeline::Timeline;
use crate::account::history::{LONGEST_SESSION, Moment, moments};
use crate::account::{Bundle, Layer, Policy, PolicySet};
use crate::evaluate::{BundleId, Compiler, Scope};

/// The policies of a principal in sessions of one kind, at one time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Variant {
    pub(super) baseline: BundleId,
    pub(super) candidates: Vec<BundleId>,
    /// What may have been in force, one of them; none: the baseline.
    pub(super) in_force: Vec<BundleId>,
    /// Which moment it is of, among [`Variants::moments`].
    moment: usize,
    /// The policies of its sessions.
    session: u32,
}

/// Since when something is so, in microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Since {
    /// A call made it so.
    Call(i64),
    /// A snapshot showed it.
    SeenAt(i64),
    /// That is not known.
    Unknown,
}

/// All variants of a principal. There is always a first one.
#[derive(Debug, Default)]
pub(super) struct Variants {
    all: Vec<Variant>,
    /// The moments in which different policies may have been in force; none: the baseline always was.
    moments: Vec<Moment>,
    /// Which of the changes that moments begin with are calls.
    called: BTreeSet<i64>,
    /// By session policies and moment.
    index: HashMap<(u32, usize), u32>,
}

/// How much earlier than their issuing the keys of a session may be seen, in microseconds.
const EARLY: i64 = 3_600_000_000;

impl Variants {
    /// Compiles them; also says which candidates change something.
    pub(super) fn new(
        principal: &mut Principal,
        sets: &Sets<'_>,
        timeline: &Timeline,
        past: Option<&PastOf>,
        compiler: &mut Compiler,
    ) -> (Self, Vec<bool>) {
        let moments = past.map(|past| moments(&past.changes(), timeline.window)).unwrap_or_default();
        let called = past.map(|past| past.called.clone()).unwrap_or_default();
        let mut variants = Self { all: Vec::new(), moments, called, index: HashMap::new() };
        let arn = principal.arn.clone().unwrap_or_default();
        let none = std::iter::once((0, (i64::MIN, i64::MAX)));
        let limited = timeline.sessions.of_role.get(&arn).into_iter().flatten().map(|(number, span)| (*number, *span));
        let mut changed = Vec::new();
        for (session, (first, last)) in none.chain(limited) {
            let layer = |set: &PolicySet| timeline.sessions.layer(session, set);
            let newest = complete_in(principal, sets.baseline, layer(sets.baseline), sets);
            let baseline = compiler.bundle(&newest);
            let (candidates, differ) = candidates(principal, sets, &newest, baseline, &layer, compiler);
            if session == 0 {
                changed = differ;
            }
            let first_of_session = Variant { baseline, candidates, in_force: Vec::new(), moment: 0, session };
            let Some(past) = past else {
                variants.enter(first_of_session);
                continue;
            };
            for (at, moment) in variants.moments.clone().into_iter().enumerate() {
                let ends = variants.moments.get(at + 1).map_or(i64::MAX, |next| next.from);
                if moment.from > last.saturating_add(LONGEST_SESSION) || ends < first.saturating_sub(EARLY) {
                    continue;
                }
                let states = past.between(moment.earliest, moment.latest);
                let mut in_force: Vec<BundleId> = Vec::new();
                for (_, state) in states {
                    let id = in_force_bundle(principal, sets, state, session, (&newest, baseline), &layer, compiler);
                    if !in_force.contains(&id) {
                        in_force.push(id);
                    }
                }
                if in_force == [baseline] {
                    in_force.clear();
                }
                variants.enter(Variant { in_force, moment: at, ..first_of_session.clone() });
            }
        }
        (variants, changed)
    }

    fn enter(&mut self, variant: Variant) {
        let next = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.index.insert((variant.session, variant.moment), next);
        self.all.push(variant);
    }

    /// Whether there is one only.
    pub(super) fn is_only_one(&self) -> bool {
        self.all.len() <= 1
    }

    /// Whether sessions with such policies are among them.
    pub(super) fn has_session(&self, policies: u32) -> bool {
        policies == 0 || self.all.iter().any(|variant| variant.session == policies)
    }

    /// The number of the variant of a session with such policies, at a time.
    pub(super) fn number(&self, policies: u32, time: i64) -> u32 {
        if self.is_only_one() {
            return 0;
        }
        let moment = self.moments.partition_point(|moment| moment.from <= time).saturating_sub(1);
        // A key is used for some hours only; beyond them what limits the session still does.
        let near = || self.all.iter().position(|variant| variant.session == policies).and_then(|at| u32::try_from(at).ok());
        self.index.get(&(policies, moment)).copied().or_else(near).unwrap_or_default()
    }

    /// A variant.
    pub(super) fn get(&self, number: u32) -> Option<&Variant> {
        self.all.get(number as usize)
    }

    /// What came after a variant: what was in force later, the latest first, each with the change that it began with.
    pub(super) fn after(&self, number: u32) -> impl Iterator<Item = (&Variant, i64)> {
        let of = self.get(number);
        let (session, from) = of.map(|variant| (variant.session, variant.moment + 1)).unwrap_or_default();
        let later = (from..self.moments.len()).rev().filter_map(move |at| Some((at, self.moments.get(at)?)));
        later.filter_map(move |(at, moment)| {
            let number = self.index.get(&(session, at)).or_else(|| self.index.get(&(0, at)))?;
            Some((self.get(*number)?, moment.change))
        })
    }

    /// When something changed, as far as that is known.
    pub(super) fn since(&self, change: i64) -> Since {
        match change {
            i64::MAX => Since::Unknown,
            change if self.called.contains(&change) => Since::Call(change),
            change => Since::SeenAt(change),
        }
    }

    /// All bundles.
    pub(super) fn bundles(&self) -> impl Iterator<Item = &BundleId> {
        self.all.iter().flat_map(|variant| std::iter::once(&variant.baseline).chain(&variant.candidates).chain(&variant.in_force))
    }
}

/// What a policy set gives a principal in a session.
fn complete_in(principal: &Principal, set: &PolicySet, session: Layer, sets: &Sets<'_>) -> Bundle {
    Bundle { session, ..complete(set.bundle(&principal.key), sets.assume_absent) }
}

fn candidates(
    principal: &Principal,
    sets: &Sets<'_>,
    newest: &Bundle,
    baseline: BundleId,
    session: &dyn Fn(&PolicySet) -> Layer,
    compiler: &mut Compiler,
) -> (Vec<BundleId>, Vec<bool>) {
    let (mut ids, mut changed) = (Vec::new(), Vec::new());
    let account = &principal.account;
    for ((_, set), index) in sets.candidates.iter().zip(1..) {
        let scope = Scope { set: index, tags: principal.has_tags_of(index), places: sets.beside.has_places_of(index) };
        let mut bundle = complete_in(principal, set, session(set), sets);
        let moves = sets.beside.place(0, account) != sets.beside.place(index, account)
            || set.organizations.may_have_changed(&sets.baseline.organizations, account);
        bundle.scps_own = bundle.scps_opaque && newest.scps_opaque && (moves || !bundle.shares_missing_scps_of(newest));
        bundle.identity_own = matches!((&bundle.identity_opaque, &newest.identity_opaque), (Some(a), Some(b)) if a != b);
        bundle.boundary_own = matches!((&bundle.boundary, &newest.boundary), (Layer::Opaque(a), Layer::Opaque(b)) if a != b);
        let id = compiler.bundle_in(&bundle, scope);
        let asks_of_what_differs = (scope.tags || scope.places) && id != baseline;
        changed.push(asks_of_what_differs || bundle.differs_from(newest, account));
        ids.push(id);
    }
    (ids, changed)
}

fn in_force_bundle(
    principal: &mut Principal,
    sets: &Sets<'_>,
    state: &State,
    session: u32,
    (newest, baseline): (&Bundle, BundleId),
    layer: &dyn Fn(&PolicySet) -> Layer,
    compiler: &mut Compiler,
) -> BundleId {
    let of_session = state.sessions.get(&session).cloned().unwrap_or_else(|| layer(sets.baseline));
    let mut bundle = Bundle { session: of_session, ..state.bundle.clone() };
    let set = principal.set_of_tags(&state.tags, sets.candidates.len());
    let places = sets.beside.has_places_of(sets.candidates.len() + 1);
    // The order of policies says nothing: what was detached and attached again stands elsewhere.
    let is_of = |of: &Bundle, policy: &Arc<Policy>| of.identity.iter().any(|other| Arc::ptr_eq(other, policy));
    let same = |a: &Bundle, b: &Bundle| a.identity.iter().all(|policy| is_of(b, policy));
    if bundle.identity.len() == newest.identity.len() && same(&bundle, newest) && same(newest, &bundle) {
        bundle.identity.clone_from(&newest.identity);
    }
    if bundle == *newest && set.is_none() && !places {
        return baseline;
    }
    // What is not known of it is what is not known of the newest only where the same is missing.
    bundle.scps_own = bundle.scps_opaque && !(newest.scps_opaque && bundle.scps == newest.scps);
    bundle.identity_own = bundle.identity_opaque.is_some() && bundle.identity_opaque != newest.identity_opaque;
    bundle.boundary_own = matches!(bundle.boundary, Layer::Opaque(_)) && bundle.boundary != newest.boundary;
    compiler.bundle_in(&bundle, Scope { set: set.unwrap_or(sets.candidates.len() + 1), tags: set.is_some(), places })
}
