//! What policies grant: the actions that some Allow covers, resources and conditions aside.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::used::UsedActions;
use crate::account::{Bundle, Policy};
use crate::catalog::Catalog;
use crate::iam::{ActionPattern, Effect};

/// What a principal's identity-based policies grant.
#[derive(Debug, Clone, Default)]
pub(super) struct Granted<'c> {
    list: Arc<List<'c>>,
    /// Whether some of its policies are not known.
    is_open: bool,
    /// Whether everything is granted: to the root user.
    is_everything: bool,
}

/// What a list of policies grants.
#[derive(Debug, Default)]
struct List<'c> {
    /// The actions of the catalogue that are covered, sorted, each with whether CloudTrail can show its use.
    actions: Vec<(&'c str, bool)>,
    /// The `Action` elements of every Allow; `true` for `NotAction`.
    elements: Vec<(bool, Vec<ActionPattern>)>,
}

/// What lists of policies grant, each worked out once.
#[derive(Default)]
pub(super) struct Covered<'c> {
    /// By the addresses of the policies, which are held so that they stay theirs.
    of: HashMap<Vec<*const Policy>, Held<'c>>,
    /// By what they are made of: candidates mostly grant the same by policies of their own.
    lists: HashMap<Elements, Arc<List<'c>>>,
}

/// The `Action` elements of every Allow, each once; `true` for `NotAction`.
type Elements = Vec<(bool, Vec<String>)>;

/// Policies, and what they grant.
type Held<'c> = (Vec<Arc<Policy>>, Arc<List<'c>>);

impl<'c> Covered<'c> {
    pub(super) fn granted(&mut self, bundle: &Bundle, catalog: &'c Catalog) -> Granted<'c> {
        let policies = bundle.identity.iter().map(Arc::as_ptr).collect();
        let Self { of, lists } = self;
        let (_, list) = of.entry(policies).or_insert_with(|| {
            let list = lists.entry(elements(bundle)).or_insert_with_key(|elements| Arc::new(List::new(elements, catalog)));
            (bundle.identity.clone(), Arc::clone(list))
        });
        Granted { list: Arc::clone(list), is_open: bundle.identity_opaque.is_some(), is_everything: bundle.unlimited }
    }
}

impl<'c> Granted<'c> {
    /// Whether it is the same list: what is granted is the same then.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.list, &other.list) && self.is_open == other.is_open && self.is_everything == other.is_everything
    }

    /// What is not known, or nobody's to review.
    pub(super) fn not_known() -> Self {
        Self { is_open: true, ..Self::default() }
    }

    /// Whether an action is granted; `None` if that is not known. Of one that is a guess only whether the whole service is.
    pub(super) fn has(&self, action: &str, guessed: bool) -> Option<bool> {
        if self.is_everything {
            return Some(true);
        }
        if guessed {
            let service = action.split(':').next().unwrap_or_default();
            return self.list.covers_all_of(service).then_some(true);
        }
        let covered = self.list.covers(action);
        (covered || !self.is_open).then_some(covered)
    }

    /// The actions of the catalogue that are granted, sorted, each with whether CloudTrail can show its use. Those of the root
    /// user, which has all, are not listed.
    pub(super) fn actions(&self) -> &[(&'c str, bool)] {
        &self.list.actions
    }

    /// How many of them are not used, and how many of those CloudTrail never shows.
    pub(super) fn unused(&self, used: Option<&UsedActions>) -> (u64, u64) {
        let unused = self.list.actions.iter().filter(|(name, _)| used.is_none_or(|used| !used.contains_key(*name)));
        unused.fold((0, 0), |(unused, not_observable), (_, observable)| (unused + 1, not_observable + u64::from(!observable)))
    }
}

/// What the identity-based policies of a bundle grant is made of.
fn elements(bundle: &Bundle) -> Elements {
    let statements = bundle.identity.iter().flat_map(|policy| &policy.document.statements);
    let allows = statements.filter(|statement| statement.effect == Effect::Allow);
    // Many statements differ in their resources and conditions alone.
    let elements: BTreeSet<(bool, &[String])> =
        allows.map(|statement| (statement.action.negated, statement.action.patterns.as_slice())).collect();
    elements.into_iter().map(|(negated, patterns)| (negated, patterns.to_vec())).collect()
}

impl<'c> List<'c> {
    fn new(elements: &Elements, catalog: &'c Catalog) -> Self {
        let patterns = |patterns: &[String]| patterns.iter().map(|text| ActionPattern::new(text)).collect();
        let mut list =
            Self { actions: Vec::new(), elements: elements.iter().map(|(negated, texts)| (*negated, patterns(texts))).collect() };
        let mut actions = BTreeMap::new();
        for service in catalog.services() {
            for operation in service.actions.values().filter(|operation| !operation.is_legacy()) {
                if list.covers(&operation.action) {
                    actions.insert(operation.action.as_str(), service.is_observable(operation));
                }
            }
        }
        list.actions = actions.into_iter().collect();
        list
    }

    /// Whether one pattern covers every action of a service.
    fn covers_all_of(&self, service: &str) -> bool {
        let every = format!("{}:*", service.to_ascii_lowercase());
        self.elements.iter().any(|(negated, patterns)| !negated && patterns.iter().any(|pattern| pattern.matches(&every)))
    }

    fn covers(&self, action: &str) -> bool {
        let folded = action.to_ascii_lowercase();
        self.elements.iter().any(|(negated, patterns)| patterns.iter().any(|pattern| pattern.matches(&folded)) != *negated)
    }
}
