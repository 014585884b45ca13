//! What is open in one evaluation: every question that some statement leaves open, once, with a number.

use super::statement::{Ask, Open, Request};

/// Number of a question in an evaluation.
pub(super) type AskId = usize;

/// An open part of a statement: holds if any of the questions does (none, if `negated`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Literal {
    pub(super) any_of: Vec<AskId>,
    pub(super) negated: bool,
}

/// The questions of one evaluation.
#[derive(Debug, Clone, Default)]
pub(super) struct Asks {
    list: Vec<(Ask, Option<usize>)>,
}

impl Asks {
    /// The question of a number.
    pub(super) fn get(&self, id: AskId) -> Option<&Ask> {
        self.list.get(id).map(|(ask, _)| ask)
    }

    /// All questions with the check that each belongs to; `None`: it has the same answer in all checks.
    pub(super) fn iter(&self) -> impl Iterator<Item = &(Ask, Option<usize>)> {
        self.list.iter()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// The open part of a statement of one check.
    pub(super) fn literal(&mut self, open: Open, checks: &[Request], check: usize) -> Literal {
        let any_of = open.any_of.into_iter().map(|ask| self.number(ask, checks, check)).collect();
        Literal { any_of, negated: open.negated }
    }

    /// Whether an open part of a statement of one check holds, by the answers to all questions.
    pub(super) fn holds(&self, open: &Open, check: usize, answers: &[bool]) -> bool {
        let answer = |ask: &Ask| {
            let number = self.list.iter().position(|(known, of)| of.is_none_or(|of| of == check) && known == ask);
            number.and_then(|number| answers.get(number)).copied().unwrap_or(false)
        };
        open.any_of.iter().any(answer) != open.negated
    }

    /// A key that all checks see in the same state is one unknown; everything else belongs to its check.
    fn number(&mut self, ask: Ask, checks: &[Request], check: usize) -> AskId {
        let shared = match &ask {
            Ask::Fixed(key, _) | Ask::Derived(key, _) => checks.iter().all(|other| other.same_state(checks.first(), *key)),
            _ => false,
        };
        let owner = (!shared).then_some(check);
        if let Some(known) = self.list.iter().position(|(known, of)| *of == owner && *known == ask) {
            return known;
        }
        self.list.push((ask, owner));
        self.list.len() - 1
    }
}
