//! Which rows of a page have a value, and where it stands.

use super::super::encoding::{Ranks, pull_hybrid, same_in_all};

/// Where the values of rows stand among the values of a page.
#[derive(Default)]
pub(super) struct Places {
    /// The level of all rows, if they have the same.
    same: Option<u32>,
    present: Ranks,
}

impl Places {
    pub(super) fn fill(&mut self, levels: &[u8], rows: usize) -> Option<()> {
        self.same = same_in_all(levels, rows);
        if self.same.is_none() { self.present.fill(levels, rows) } else { Some(()) }
    }

    /// Hands the places of some rows, in order, to `take`; rows without a value have none. `None` if a page ends early.
    #[inline]
    pub(super) fn each(&self, mut rows: impl Iterator<Item = usize>, mut take: impl FnMut(Option<usize>) -> Option<()>) -> Option<()> {
        match self.same {
            Some(0) => rows.try_for_each(|_| take(None)),
            Some(_) => rows.try_for_each(|row| take(Some(row))),
            None => rows.try_for_each(|row| take(self.present.before(row))),
        }
    }
}

/// Which rows of a page have a value.
pub(super) enum Present {
    All,
    None,
    Some(Vec<u32>),
}

impl Present {
    pub(super) fn pull(levels: &[u8], rows: usize) -> Option<Self> {
        Some(match same_in_all(levels, rows) {
            Some(0) => Self::None,
            Some(_) => Self::All,
            None => {
                let mut present = Vec::new();
                pull_hybrid(levels, 1, rows, &mut present)?;
                Self::Some(present)
            }
        })
    }

    /// How many have one.
    pub(super) fn count(&self, rows: usize) -> usize {
        match self {
            Self::All => rows,
            Self::None => 0,
            Self::Some(present) => present.iter().map(|level| *level as usize).sum(),
        }
    }

    /// Puts values in the rows that have one, and `none` in the others.
    pub(super) fn spread<T: Copy>(&self, rows: usize, values: &[T], none: T, into: &mut Vec<T>) {
        match self {
            Self::All => into.extend_from_slice(values.get(..rows).unwrap_or_default()),
            Self::None => into.resize(into.len() + rows, none),
            Self::Some(present) => {
                // Without a branch on what nobody can foresee.
                let mut next = 0;
                into.extend(present.iter().map(|level| {
                    let value = values.get(next).copied().unwrap_or(none);
                    next += *level as usize;
                    if *level == 1 { value } else { none }
                }));
            }
        }
    }
}
