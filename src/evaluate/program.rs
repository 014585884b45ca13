//! What policies are compiled to: statements with their patterns, condition entries, and bundles of them by layer.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::cell::{Cell, Openness, openness};
use super::domain::{KeyShape, Question, vectors};
use super::request::{ContextState, Layers, Subject};
use crate::account::Policy;
use crate::iam::action::ActionPattern;
use crate::iam::condition::Operator;
use crate::iam::document::Effect;
use crate::iam::pattern::{Pattern, Token};
use crate::iam::principal::PrincipalElement;
use crate::iam::variable::Template;

/// Index of a context key in a program.
pub type KeyId = usize;
/// Index of a bundle in a program.
pub type BundleId = usize;
/// Index of a condition entry in a program.
pub(super) type AtomId = usize;

/// A compiled set of policies: immutable, shared by threads.
#[derive(Debug, Default)]
pub struct Program {
    pub(super) keys: Vec<Key>,
    pub(super) key_ids: HashMap<String, KeyId>,
    pub(super) atoms: Vec<Atom>,
    /// The distinct `Action` and `NotAction` elements.
    pub(super) actions: Vec<ActionElement>,
    pub(super) documents: Vec<CompiledPolicy>,
    pub(super) bundles: Vec<CompiledBundle>,
    /// The distinct tables of resource control policies.
    pub(super) rcp_tables: Vec<CompiledRcps>,
}

/// Resource control policies by the account of the resource.
#[derive(Debug)]
pub(super) struct CompiledRcps {
    pub(super) accounts: BTreeMap<String, CompiledLevels>,
    pub(super) otherwise: CompiledLevels,
    /// Every document of it, once.
    pub(super) documents: Vec<usize>,
}

/// The same below one account.
#[derive(Debug)]
pub(super) struct CompiledLevels {
    pub(super) levels: Vec<Vec<usize>>,
    pub(super) opaque: bool,
}

/// A context key that some policy looks at.
#[derive(Debug)]
pub(super) struct Key {
    /// Lower case.
    pub(super) name: String,
    /// As policies write it.
    pub(super) display: String,
    pub(super) shape: KeyShape,
    /// The entries with fixed values on this key; the answers of a [`Cell`] are in this order.
    pub(super) tests: Vec<AtomId>,
    /// Whether some policy takes the value itself, as a variable or beside one.
    pub(super) by_value: bool,
}

/// One `(operator, key, values)` entry.
#[derive(Debug)]
pub(super) struct Atom {
    pub(super) key: KeyId,
    pub(super) operator: Operator,
    /// The policy's values as written.
    pub(super) written: Vec<String>,
    pub(super) kind: AtomKind,
}

#[derive(Debug)]
pub(super) enum AtomKind {
    /// Fixed values; the index among the key's tests.
    Fixed { slot: usize, question: Question },
    /// Values with policy variables.
    Templates(Vec<Template>),
}

#[derive(Debug)]
pub(super) struct CompiledPolicy {
    pub(super) policy: Arc<Policy>,
    pub(super) statements: Vec<CompiledStatement>,
    /// The action element of each statement, side by side: most statements are passed over for their action.
    pub(super) actions: Vec<usize>,
}

impl CompiledPolicy {
    /// From how many statements on it pays to remember which of them may cover a resource.
    const LONG: usize = 32;

    pub(super) fn is_long(&self) -> bool {
        self.statements.len() >= Self::LONG
    }
}

/// An `Action` or `NotAction` element. An empty list, of `NotAction` too, makes a statement that does nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ActionElement {
    pub(super) negated: bool,
    pub(super) patterns: Vec<ActionPattern>,
}

impl ActionElement {
    /// Whether it covers an action, in lower case.
    pub(super) fn covers(&self, action: &str) -> bool {
        !self.patterns.is_empty() && self.patterns.iter().any(|pattern| pattern.matches(action)) != self.negated
    }
}

#[derive(Debug, PartialEq)]
pub(super) struct CompiledStatement {
    pub(super) effect: Effect,
    pub(super) principal: Option<PrincipalElement>,
    /// Index of its action element.
    pub(super) action: usize,
    pub(super) not_resource: bool,
    /// `None` in resource-based policies without the element.
    pub(super) resources: Option<Vec<ResourcePattern>>,
    pub(super) atoms: Vec<AtomId>,
}

/// A `Resource` pattern.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ResourcePattern {
    /// Stars only: matches also a request without resource.
    Everything,
    /// Without variables.
    Fixed(Arc<Pattern>),
    /// The five leading segments, and the sixth with variables.
    Template { head: Vec<Token>, tail: Template },
}

#[derive(Debug)]
pub(super) struct CompiledBundle {
    pub(super) identity: Vec<usize>,
    pub(super) identity_opaque: bool,
    pub(super) identity_own: bool,
    pub(super) unlimited: bool,
    pub(super) boundary: Option<Vec<usize>>,
    pub(super) session: Option<Vec<usize>>,
    pub(super) endpoint: Option<Vec<usize>>,
    pub(super) resource: Option<Vec<usize>>,
    pub(super) scps: Option<Vec<Vec<usize>>>,
    pub(super) rcps: Option<Vec<Vec<usize>>>,
    /// Index of its table of resource control policies.
    pub(super) rcps_by_account: Option<usize>,
    pub(super) opaque: Layers,
    /// The keys that its policies look at, sorted.
    pub(super) keys: Vec<KeyId>,
}

impl Program {
    /// How many context keys some policy looks at; their ids are 0 to this.
    pub fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// The name of a context key, in lower case.
    pub fn key_name(&self, key: KeyId) -> &str {
        self.keys.get(key).map(|key| key.name.as_str()).unwrap_or_default()
    }

    /// Whether some policy takes the key's value itself: then equal cells are not enough to be equal.
    pub fn key_is_by_value(&self, key: KeyId) -> bool {
        self.keys.get(key).is_some_and(|key| key.by_value)
    }

    /// The keys that a bundle's policies look at.
    pub fn bundle_keys(&self, bundle: BundleId) -> &[KeyId] {
        self.bundles.get(bundle).map_or(&[], |bundle| &bundle.keys)
    }

    /// The cell of a key's state: the answers to everything that the policies ask of it.
    pub fn classify(&self, key: KeyId, state: &ContextState) -> Cell {
        let Some(info) = self.keys.get(key) else { return Cell::new(None, Openness::Unknown) };
        let questions: Vec<&Question> = info.tests.iter().filter_map(|atom| self.question(*atom)).collect();
        let vectors = vectors(state, &questions, info.shape).map(|set| set.into_iter().collect());
        Cell::new(vectors, openness(state))
    }

    /// The resource control policies that act on a request, level by level, and whether there are more that were not
    /// supplied.
    pub(super) fn rcps<'p>(&'p self, bundle: &'p CompiledBundle, subject: &Subject) -> (&'p [Vec<usize>], bool) {
        if let Some(levels) = &bundle.rcps {
            return (levels.as_slice(), false);
        }
        if !subject.rcps_act {
            return (&[], false);
        }
        let Some(table) = bundle.rcps_by_account.and_then(|table| self.rcp_tables.get(table)) else { return (&[], true) };
        let of_account = subject.resource_account.as_ref().and_then(|account| table.accounts.get(account));
        let CompiledLevels { levels, opaque } = of_account.unwrap_or(&table.otherwise);
        (levels.as_slice(), *opaque)
    }

    /// The id of a key, by its name in lower case.
    pub(super) fn key_id(&self, name: &str) -> Option<KeyId> {
        self.key_ids.get(name).copied()
    }

    pub(super) fn question(&self, atom: AtomId) -> Option<&Question> {
        match &self.atoms.get(atom)?.kind {
            AtomKind::Fixed { question, .. } => Some(question),
            AtomKind::Templates(_) => None,
        }
    }
}
