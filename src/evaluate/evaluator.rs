//! A program at work: remembers what it has worked out of actions and keys, so that it is worked out once.

use std::collections::BTreeSet;
use std::sync::Arc;

use hashbrown::HashMap;

use super::alike::Counterparts;
use super::cell::Cell;
use super::domain::Vector;
use super::program::{AtomId, BundleId, CompiledPolicy, CompiledStatement, KeyId, Program};
use super::request::{ActionState, ResourceState};
use super::statement::{KnownKey, Open, action, rules_out};
use super::words;
use crate::iam::pattern::Pattern;

/// Decides requests by a [`Program`]. One for each thread; answers do not depend on what was asked before.
#[derive(Debug)]
pub struct Evaluator<'p> {
    pub(super) program: &'p Program,
    actions: HashMap<ActionState, Arc<ActionAnswers>, foldhash::fast::RandomState>,
    states: HashMap<(KeyId, usize, Vec<AtomId>), KeyStates, foldhash::fast::RandomState>,
    /// By text and patterns.
    feasible: HashMap<(String, Vec<Arc<Pattern>>), States, foldhash::fast::RandomState>,
    conditional: HashMap<(ActionState, Option<ResourceState>, [BundleId; 2]), Statements<'p>, foldhash::fast::RandomState>,
    /// By document, for those with many statements.
    covering: HashMap<(usize, ActionState, ResourceState), Arc<[usize]>, foldhash::fast::RandomState>,
    /// Whether there is such a document.
    has_long: bool,
    words: HashMap<(KeyId, [usize; 2], Vec<AtomId>), KeyWords, foldhash::fast::RandomState>,
    /// By two bundles.
    pub(super) counterparts: HashMap<(BundleId, BundleId), Option<Counterparts>, foldhash::fast::RandomState>,
    /// By two documents and the address of the answers to an action: whether they say the same of it.
    pub(super) alike: HashMap<(usize, usize, usize), bool, foldhash::fast::RandomState>,
}

/// The states of something; `None` if they are too many.
type States = Option<Arc<[Vector]>>;

/// Statements of several documents.
type Statements<'p> = Arc<[&'p CompiledStatement]>;

/// What is known of a key, in words. What is known is kept, so that its address stays its own.
type KeyWords = (KnownKey, Option<String>);

/// The most that is remembered of one kind.
pub(super) const MOST_REMEMBERED: usize = 1 << 16;

/// The states of a key in a cell. The cell is kept, so that its address stays its own.
type KeyStates = (Arc<Cell>, Option<Arc<[Vector]>>);

/// What every action element of a program says of one action.
#[derive(Debug)]
pub(super) struct ActionAnswers {
    /// One bit for each element: whether it may cover the action.
    bits: Vec<u64>,
    /// The elements that cover it under a condition, in order: those of an action that is a guess.
    open: Vec<(usize, Open)>,
}

impl ActionAnswers {
    fn new(program: &Program, asked: &ActionState) -> Self {
        let mut answers = Self { bits: vec![0; program.actions.len().div_ceil(64)], open: Vec::new() };
        for (element, patterns) in program.actions.iter().enumerate() {
            let Ok(open) = action(asked, patterns) else { continue };
            if let Some(word) = answers.bits.get_mut(element / 64) {
                *word |= 1 << (element % 64);
            }
            answers.open.extend(open.map(|open| (element, open)));
        }
        answers
    }

    /// Whether an element may cover the action.
    pub(super) fn may_cover(&self, element: usize) -> bool {
        self.bits.get(element / 64).is_some_and(|word| word & (1 << (element % 64)) != 0)
    }

    /// The condition under which an element that may cover the action does.
    pub(super) fn open(&self, element: usize) -> Option<&Open> {
        let at = self.open.binary_search_by_key(&element, |(element, _)| *element).ok()?;
        self.open.get(at).map(|(_, open)| open)
    }
}

impl<'p> Evaluator<'p> {
    /// One that has not worked out anything yet.
    pub fn new(program: &'p Program) -> Self {
        Self {
            program,
            actions: HashMap::default(),
            states: HashMap::default(),
            feasible: HashMap::default(),
            conditional: HashMap::default(),
            covering: HashMap::default(),
            has_long: program.documents.iter().any(CompiledPolicy::is_long),
            words: HashMap::default(),
            counterparts: HashMap::default(),
            alike: HashMap::default(),
        }
    }

    /// What the program's action elements say of an action.
    pub(super) fn action(&mut self, asked: &ActionState) -> Arc<ActionAnswers> {
        if let Some(known) = self.actions.get(asked) {
            return Arc::clone(known);
        }
        let answers = Arc::new(ActionAnswers::new(self.program, asked));
        self.actions.insert(asked.clone(), Arc::clone(&answers));
        answers
    }

    /// The states of a key in a cell as answers to `atoms`, made by `make` once.
    pub(super) fn states(
        &mut self,
        key: KeyId,
        cell: &Arc<Cell>,
        atoms: Vec<AtomId>,
        make: impl FnOnce() -> Option<Vec<Vector>>,
    ) -> Option<Arc<[Vector]>> {
        let (_, states) =
            self.states.entry((key, Arc::as_ptr(cell) as usize, atoms)).or_insert_with(|| (Arc::clone(cell), make().map(Into::into)));
        states.clone()
    }

    /// The answers that patterns can give together to a text of which a part is unknown, made by `make` once.
    pub(super) fn feasible(
        &mut self,
        patterns: Vec<Arc<Pattern>>,
        text: &str,
        make: impl FnOnce(&[Arc<Pattern>], &str) -> Option<Vec<Vector>>,
    ) -> Option<Arc<[Vector]>> {
        if self.feasible.len() >= MOST_REMEMBERED {
            self.feasible.clear();
        }
        let key = (text.to_owned(), patterns);
        if let Some(known) = self.feasible.get(&key) {
            return known.clone();
        }
        let states: Option<Arc<[Vector]>> = make(&key.1, text).map(Into::into);
        self.feasible.insert(key, states.clone());
        states
    }

    /// Of each document of some bundles that has many statements, those that may cover an action and a resource. Trying all of
    /// them for each request would make long policies slow.
    pub(super) fn covering(&mut self, action: &ActionState, resource: &ResourceState, bundles: &[BundleId]) -> Vec<(usize, Arc<[usize]>)> {
        let program = self.program;
        if !self.has_long {
            return Vec::new();
        }
        let bundles = bundles.iter().filter_map(|bundle| program.bundles.get(*bundle));
        let documents: BTreeSet<usize> = bundles.flat_map(|bundle| bundle.all_documents(program)).collect();
        let long = documents.into_iter().filter_map(|id| Some((id, program.documents.get(id).filter(|document| document.is_long())?)));
        long.map(|(id, document)| (id, self.covering_of(id, document, action, resource))).collect()
    }

    fn covering_of(&mut self, id: usize, document: &CompiledPolicy, asked: &ActionState, resource: &ResourceState) -> Arc<[usize]> {
        let key = (id, asked.clone(), resource.clone());
        if let Some(known) = self.covering.get(&key) {
            return Arc::clone(known);
        }
        if self.covering.len() >= MOST_REMEMBERED {
            self.covering.clear();
        }
        let action = self.action(asked);
        let statements = document.statements.iter().enumerate();
        let covers = |statement: &CompiledStatement| action.may_cover(statement.action) && !rules_out(statement, resource);
        let found: Arc<[usize]> = statements.filter(|(_, statement)| covers(statement)).map(|(index, _)| index).collect();
        self.covering.insert(key, Arc::clone(&found));
        found
    }

    /// The statements of two bundles that have conditions and may cover an action, and a resource as far as that is looked at.
    pub(super) fn conditional(&mut self, asked: &ActionState, resource: &ResourceState, bundles: [BundleId; 2]) -> Statements<'p> {
        let resource = self.has_long.then_some(resource);
        if self.conditional.len() >= MOST_REMEMBERED {
            self.conditional.clear();
        }
        let key = (asked.clone(), resource.cloned(), bundles);
        if let Some(known) = self.conditional.get(&key) {
            return Arc::clone(known);
        }
        let (program, action) = (self.program, self.action(asked));
        let bundles = bundles.iter().filter_map(|bundle| program.bundles.get(*bundle));
        let mut seen = BTreeSet::new();
        let documents = bundles.flat_map(|bundle| bundle.all_documents(program)).filter(|document| seen.insert(*document));
        let mut found: Vec<&'p CompiledStatement> = Vec::new();
        for (id, document) in documents.filter_map(|id| Some((id, program.documents.get(id)?))) {
            match resource.filter(|_| document.is_long()) {
                Some(resource) => {
                    let covering = self.covering_of(id, document, asked, resource);
                    found.extend(covering.iter().filter_map(|index| document.statements.get(*index)));
                }
                None => {
                    let rules_out = |statement: &CompiledStatement| resource.is_some_and(|resource| rules_out(statement, resource));
                    let may_cover = |statement: &&CompiledStatement| action.may_cover(statement.action) && !rules_out(statement);
                    found.extend(document.statements.iter().filter(may_cover));
                }
            }
        }
        let found: Arc<[_]> = found.into_iter().filter(|statement| !statement.atoms.is_empty()).collect();
        self.conditional.insert(key, Arc::clone(&found));
        found
    }

    /// What is known of a key, as far as some conditions look at it, in words.
    pub(super) fn context_entry(&mut self, key: KeyId, known: &KnownKey, atoms: Vec<AtomId>) -> Option<String> {
        let place = [Arc::as_ptr(&known.cell) as usize, Arc::as_ptr(&known.state) as usize];
        let program = self.program;
        let entry = self
            .words
            .entry((key, place, atoms))
            .or_insert_with_key(|(_, _, atoms)| (known.clone(), words::context_entry(program, key, known, atoms)));
        entry.1.clone()
    }
}
