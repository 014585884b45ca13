//! What the kernel asks of events, once for all that agree: of a caller, and of a context key.

use hashbrown::HashMap;

use super::caller::{Caller, session};
use super::callers::{Common, Contexts, are_common};
use super::codes::Codes;
use super::context::EventContext;
use super::kernel::Shared;
use super::memo::Memo;
use super::principals::Principal;
use super::request::{Fact, event_layers};
use super::view::{AskedBy, EventColumns, EventView, Field};
use crate::error::{Error, Result};
use crate::evaluate::{Addresses, ContextState, KeyId, Layers, Program};
use crate::frame::{Flag, Text};

/// What is known of keys, each once.
#[derive(Debug)]
pub(super) struct Facts {
    all: Vec<Fact>,
    of_fact: HashMap<Fact, u32, foldhash::fast::FixedState>,
    /// Of each key, the addresses that policies tell apart, if they are all that they tell apart.
    addresses: Vec<Option<Addresses>>,
    /// By key and stretch of addresses.
    of_stretch: HashMap<(KeyId, usize), u32, foldhash::fast::FixedState>,
}

impl Facts {
    /// None yet, of the keys of a program.
    pub(super) fn new(program: &Program) -> Self {
        let addresses = (0..program.key_count()).map(|key| program.addresses(key)).collect();
        Self { all: Vec::new(), of_fact: HashMap::default(), addresses, of_stretch: HashMap::default() }
    }

    pub(super) fn number(&mut self, key: KeyId, state: ContextState, program: &Program) -> u32 {
        let Some(stretch) = self.addresses.get(key).and_then(Option::as_ref).and_then(|addresses| addresses.stretch(&state)) else {
            return self.enter(key, state, program);
        };
        if let Some(known) = self.of_stretch.get(&(key, stretch)) {
            return *known;
        }
        let number = self.enter(key, state, program);
        self.of_stretch.insert((key, stretch), number);
        number
    }

    fn enter(&mut self, key: KeyId, state: ContextState, program: &Program) -> u32 {
        let fact = Fact::new(key, state, program);
        if let Some(known) = self.of_fact.get(&fact) {
            return *known;
        }
        let number = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.all.push(fact.clone());
        self.of_fact.insert(fact, number);
        number
    }

    pub(super) fn get(&self, number: u32) -> Option<&Fact> {
        self.all.get(number as usize)
    }
}

/// What is asked of the event itself.
pub(super) const ASKED: [Text; 8] =
    [Text::Action, Text::Resource, Text::MappingSource, Text::Region, Text::AccountId, Text::Outcome, Text::DeniedBy, Text::ResourceSource];

/// Whether a rule that read these fields answers the same for all events of a principal that ask for the same.
pub(super) fn are_asked(fields: u64) -> bool {
    const OTHERS: [Field; 4] = [Field::Checks, Field::RequestContext, Field::Flag(Flag::RequestContextComplete), Field::Principal];
    let asked = ASKED.into_iter().map(Field::Text).chain(OTHERS).fold(0, |set, field| set | field.bit());
    fields & !asked == 0
}

/// What is asked of a caller once.
pub(super) struct Rules<'k, 'a> {
    pub(super) keeps: &'k mut Memo<bool>,
    pub(super) callers: &'k mut Memo<Caller>,
    pub(super) opaque: &'k mut Memo<Layers>,
    pub(super) states: &'k mut [Memo<u32>],
    pub(super) codes: &'k mut Codes,
    pub(super) facts: &'k mut Facts,
    pub(super) contexts: &'k mut Contexts,
    pub(super) shared: &'a Shared<'a>,
}

impl Rules<'_, '_> {
    /// What is common to the events of the caller of an event.
    pub(super) fn common(&mut self, columns: &EventColumns<'_>, event: EventView<'_>) -> Result<Common> {
        let (shared, codes) = (self.shared, &mut *self.codes);
        let keeps = match shared.filter.has_only_times() {
            true => Some(true),
            false => {
                let (keeps, fields) = self.keeps.get_with_fields(event, codes, |_| Ok(shared.filter.keeps_rest(event)))?;
                Some(keeps).filter(|_| are_common(fields))
            }
        };
        let (caller, fields) = self.callers.get_with_fields(event, codes, |_| Ok(Caller::of(event, shared)))?;
        assert_common("the caller", fields)?;
        let mut common = Common {
            caller,
            keeps,
            context: 0,
            told: 0,
            session: session(columns, event, codes),
            session_name: if columns.texts(Text::SessionName).is_some() { event.text_code(Text::SessionName) } else { 0 },
        };
        let Caller { principal: Some(index), reason: None, .. } = caller else { return Ok(common) };
        let principal = shared.principal(index)?;
        let told = &shared.principals.timeline.sessions;
        if !told.is_empty() {
            let number = event.looked_up(Text::AccessKeyId).and_then(|key| told.number(key));
            let known = |number: &u32| told.get(*number).is_some_and(|session| principal.variants.has_session(session.policies));
            common.told = number.filter(known).unwrap_or_default();
        }
        let event = event.asked_by(AskedBy { principal: index, session: common.told });
        let (opaque, fields) = self.opaque.get_with_fields(event, codes, |_| Ok(event_layers(event, principal)))?;
        assert_common("the layers of a call", fields)?;
        let identity = if principal.is_federated_user() { common.session_name } else { 0 };
        self.contexts.begin([index, opaque.bits(), identity]);
        for key in &principal.keys {
            let (fact, fields) = state(self.states, *key, event, principal, codes, self.facts, shared)?;
            match () {
                () if are_common(fields) => self.contexts.fact(fact),
                () if are_asked(fields) => self.contexts.told(*key),
                () => self.contexts.open(*key),
            }
        }
        common.context = self.contexts.end();
        Ok(common)
    }
}

fn assert_common(what: &str, fields: u64) -> Result<()> {
    match are_common(fields) {
        true => Ok(()),
        false => Err(Error::Internal(format!("{what} depends on {:?}", Field::all_of(fields)))),
    }
}

/// The number of what is known of a key, and the fields of the event that tell it.
pub(super) fn state(
    states: &mut [Memo<u32>],
    key: KeyId,
    event: EventView<'_>,
    principal: &Principal,
    codes: &mut Codes,
    facts: &mut Facts,
    shared: &Shared<'_>,
) -> Result<(u32, u64)> {
    let memo = states.get_mut(key).ok_or_else(|| Error::Internal(format!("there is no key {key}")))?;
    memo.get_with_fields(event, codes, |_| {
        let state = EventContext::new(event, principal, shared.catalog).state(shared.program.key_name(key));
        Ok(facts.number(key, state, shared.program))
    })
}
