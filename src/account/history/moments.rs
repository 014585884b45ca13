//! Time cut at changes: within some time of a change it is not known whether it was in force yet.

use std::collections::BTreeSet;

/// A stretch of time in which the same states may be in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// When it begins, in microseconds since 1970; it ends where the next begins.
    pub from: i64,
    /// What was in force at some time from here ...
    pub earliest: i64,
    /// ... to here may be in force in it.
    pub latest: i64,
    /// The change that it begins with.
    pub change: i64,
}

/// The moments between changes: IAM takes seconds until a change is everywhere, so within `window` microseconds of one either
/// state may be in force.
pub fn moments(changes: &BTreeSet<i64>, window: i64) -> Vec<Moment> {
    let mut begins: Vec<(i64, i64)> = changes
        .iter()
        .flat_map(|change| [(change.saturating_sub(window), *change), (change.saturating_add(window).saturating_add(1), *change)])
        .collect();
    begins.sort_unstable();
    begins.dedup_by_key(|(from, _)| *from);
    let moment =
        |(from, change): (i64, i64)| Moment { from, earliest: from.saturating_sub(window), latest: from.saturating_add(window), change };
    let first = Moment { from: i64::MIN, earliest: i64::MIN, latest: i64::MIN, change: i64::MIN };
    std::iter::once(first).chain(begins.into_iter().map(moment)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_makes_two_moments() {
        let all = moments(&BTreeSet::from([100]), 10);
        assert_eq!(all.iter().map(|moment| moment.from).collect::<Vec<_>>(), [i64::MIN, 90, 111]);
        let [_, around, after] = all.as_slice() else { panic!("three") };
        assert!(around.earliest < 100 && around.latest >= 100 && after.earliest > 100);
        assert_eq!((around.change, after.change), (100, 100));
    }

    #[test]
    fn changes_that_are_near_overlap() {
        let all = moments(&BTreeSet::from([100, 105]), 10);
        assert_eq!(all.iter().map(|moment| moment.from).collect::<Vec<_>>(), [i64::MIN, 90, 95, 111, 116]);
    }
}
