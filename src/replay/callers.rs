//! What the events of one caller have in common: it is worked out once for all of them.
//!
//! Rules read an event through a view that notes the fields they read ([`super::memo`]). A rule that read only fields in which
//! events agree takes the same turns for each of them, so its answer stands for all; what read more is asked event by event.

use std::sync::LazyLock;

use super::caller::Caller;
use super::codes::Lists;
use super::view::{AskedBy, Field};
use crate::evaluate::KeyId;
use crate::frame::{Flag, Grain, Text};

/// The fields in which the events of a caller agree: its columns, and what follows from them.
static COMMON: LazyLock<u64> = LazyLock::new(|| {
    let texts = Text::ALL.into_iter().filter(|text| Grain::of_text(*text) == Grain::Caller).map(Field::Text);
    let flags = Flag::ALL.into_iter().filter(|flag| Grain::of_flag(*flag) == Grain::Caller).map(Field::Flag);
    let following =
        [Field::SessionCreated, Field::HasSessionCreated, Field::KeyKind, Field::InstanceSession, Field::Principal, Field::Session];
    texts.chain(flags).chain(following).fold(0, |set, field| set | field.bit())
});

/// Whether a rule that read these fields answers the same for all events of a caller.
pub(super) fn are_common(fields: u64) -> bool {
    fields & !*COMMON == 0
}

/// What the events of a caller have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Common {
    pub(super) caller: Caller,
    /// Whether the filter lets them through; `None` if that depends on more.
    pub(super) keeps: Option<bool>,
    /// The number of what their requests have in common.
    pub(super) context: u32,
    /// What the log tells of their session, by number from 1.
    pub(super) told: u32,
    /// Tells their session from others.
    pub(super) session: Option<u64>,
    /// The number of its name; 0 for none.
    pub(super) session_name: u32,
}

impl Common {
    /// Who asks.
    #[inline]
    pub(super) fn asked_by(&self) -> AskedBy {
        AskedBy { principal: self.caller.principal.unwrap_or(u32::MAX), session: self.told }
    }
}

/// What distinct requests have in common that come from callers alike, by number.
#[derive(Debug, Default)]
pub(super) struct Contexts {
    known: Lists,
    /// The keys that each leaves open, since what is known of them depends on more than the caller: the ones that what is
    /// asked for tells, and the ones that are asked for event by event.
    told: Vec<Vec<KeyId>>,
    open: Vec<Vec<KeyId>>,
    /// Keys of which what is asked for did not tell what was thought.
    untold: Vec<KeyId>,
    /// The context in the making.
    making: (Vec<u32>, Vec<KeyId>, Vec<KeyId>),
}

impl Contexts {
    /// Begins a context.
    pub(super) fn begin(&mut self, numbers: [u32; 3]) {
        let (making, told, open) = &mut self.making;
        making.clear();
        making.extend(numbers);
        told.clear();
        open.clear();
    }

    /// Adds what is known of a key.
    pub(super) fn fact(&mut self, fact: u32) {
        self.making.0.push(fact);
    }

    /// Adds a key of which what is asked for tells what is known.
    pub(super) fn told(&mut self, key: KeyId) {
        if self.untold.contains(&key) {
            return self.open(key);
        }
        self.making.0.push(u32::MAX - 1);
        self.making.1.push(key);
    }

    /// Adds a key that is asked for event by event.
    pub(super) fn open(&mut self, key: KeyId) {
        self.making.0.push(u32::MAX);
        self.making.2.push(key);
    }

    /// The number of the context.
    pub(super) fn end(&mut self) -> u32 {
        let (numbers, told, open) = &self.making;
        let (context, is_new) = self.known.number(numbers);
        if is_new {
            self.told.push(told.clone());
            self.open.push(open.clone());
        }
        context
    }

    /// Whether what is asked for should tell of a key what is known.
    pub(super) fn is_told(&self, context: u32, key: KeyId) -> bool {
        self.told.get(context as usize).is_some_and(|told| told.contains(&key))
    }

    /// It does not: from now on the key is asked for event by event.
    pub(super) fn ask(&mut self, key: KeyId) {
        self.untold.push(key);
        for (told, open) in self.told.iter_mut().zip(&mut self.open) {
            let before = told.len();
            told.retain(|known| *known != key);
            open.extend((told.len() < before).then_some(key));
        }
    }

    /// The keys that are asked for event by event.
    #[inline]
    pub(super) fn asked(&self, context: u32) -> &[KeyId] {
        self.open.get(context as usize).map(Vec::as_slice).unwrap_or_default()
    }
}
