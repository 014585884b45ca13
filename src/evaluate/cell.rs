//! Everything that policies can tell of one key's state: the state itself does not matter beyond it.

use super::domain::Vector;
use super::request::ContextState;

/// What is known of one key in one request: the vectors of answers to the program's tests on it.
#[derive(Debug, Clone)]
pub struct Cell {
    /// `None`: too many to tell apart, each question stands alone.
    pub(super) vectors: Option<Vec<Vector>>,
    /// Whether the key's value is wholly unknown, rather than one of few.
    pub(super) open: Openness,
    /// For each test the answer, if all vectors agree; follows from `vectors`.
    pub(super) settled: Vec<Option<bool>>,
}

impl PartialEq for Cell {
    fn eq(&self, other: &Self) -> bool {
        self.open == other.open && self.vectors == other.vectors
    }
}

impl Eq for Cell {}

impl std::hash::Hash for Cell {
    fn hash<H: std::hash::Hasher>(&self, hasher: &mut H) {
        self.vectors.hash(hasher);
        self.open.hash(hasher);
    }
}

impl Cell {
    pub(super) fn new(vectors: Option<Vec<Vector>>, open: Openness) -> Self {
        let mut settled = Vec::new();
        if let Some(all) = &vectors
            && let Some((first, others)) = all.split_first()
        {
            settled = first.answers.iter().copied().map(Some).collect();
            for other in others {
                for (slot, answer) in settled.iter_mut().zip(&other.answers) {
                    if *slot != Some(*answer) {
                        *slot = None;
                    }
                }
            }
        }
        Self { vectors, open, settled }
    }

    /// Whether it holds everything that the policies can tell of the state.
    pub fn is_told(&self) -> bool {
        self.vectors.is_some()
    }

    /// The answer to a test, if it is the same whatever the key's value.
    pub(super) fn answer(&self, slot: usize) -> Option<bool> {
        self.settled.get(slot).copied().flatten()
    }
}

/// How much of a key is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Openness {
    Known,
    Few,
    Present,
    Unknown,
}

pub(super) fn openness(state: &ContextState) -> Openness {
    match state {
        ContextState::Absent | ContextState::Known(_) => Openness::Known,
        ContextState::OneOf(_) => Openness::Few,
        ContextState::PresentUnknown(_) => Openness::Present,
        ContextState::Unknown => Openness::Unknown,
    }
}
