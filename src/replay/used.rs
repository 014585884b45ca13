//! What principals used: calls that succeeded, by action.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::tally::Measures;

/// The uses of an action by a principal.
#[derive(Debug, Clone, Default)]
pub(crate) struct Used {
    /// Calls that succeeded.
    pub(super) events: u64,
    /// Whether the action is a guess from the name of the event.
    pub(super) guessed: bool,
    /// The UTC days of them, as days since 1970, in any order and perhaps several times.
    days: Vec<i32>,
    /// First and last of them, in microseconds since 1970.
    pub(super) first_seen: Option<i64>,
    pub(super) last_seen: Option<i64>,
}

/// Uses by action.
pub(crate) type UsedActions = BTreeMap<String, Used>;

/// Uses by principal, by its index.
#[derive(Debug, Clone, Default)]
pub(crate) struct UsedBy(HashMap<usize, UsedActions, foldhash::fast::FixedState>);

impl Used {
    /// Days are sorted when there are so many more of them.
    const DAYS: usize = 1_024;

    /// Adds calls.
    pub(super) fn add(&mut self, measures: &Measures) {
        let (days, first_seen, last_seen) = (measures.days.as_slice(), measures.first_seen, measures.last_seen);
        self.add_parts(measures.events, days, first_seen, last_seen);
    }

    /// Adds other uses.
    pub(super) fn merge(&mut self, other: &Self) {
        self.guessed |= other.guessed;
        self.add_parts(other.events, &other.days, other.first_seen, other.last_seen);
    }

    fn add_parts(&mut self, events: u64, days: &[i32], first_seen: Option<i64>, last_seen: Option<i64>) {
        self.events += events;
        if self.days.len() + days.len() > self.days.capacity().max(Self::DAYS) {
            self.settle();
        }
        self.days.extend_from_slice(days);
        self.first_seen = self.first_seen.into_iter().chain(first_seen).min();
        self.last_seen = self.last_seen.into_iter().chain(last_seen).max();
    }

    /// Sorts the days, each once: they are counted often.
    fn settle(&mut self) {
        self.days.sort_unstable();
        self.days.dedup();
    }

    /// Distinct days.
    pub(super) fn days_seen(&self) -> u64 {
        if self.days.is_sorted_by(|day, next| day < next) {
            return self.days.len() as u64;
        }
        let mut used = self.clone();
        used.settle();
        used.days.len() as u64
    }
}

impl UsedBy {
    /// Adds calls of an action by a principal.
    pub(super) fn add(&mut self, principal: usize, action: &str, guessed: bool, measures: &Measures) {
        let actions = self.0.entry(principal).or_default();
        let used = match actions.get_mut(action) {
            Some(used) => used,
            None => actions.entry(action.to_owned()).or_default(),
        };
        used.guessed |= guessed;
        used.add(measures);
    }

    pub(super) fn merge(&mut self, other: Self) {
        for (principal, actions) in other.0 {
            add_all(self.0.entry(principal).or_default(), &actions);
        }
    }

    /// What a principal used.
    pub(super) fn of(&self, principal: usize) -> Option<&UsedActions> {
        self.0.get(&principal)
    }
}

/// Makes uses ready to be told again and again.
pub(super) fn settle(used: &mut UsedActions) {
    used.values_mut().for_each(Used::settle);
}

/// Adds uses, action by action.
pub(super) fn add_all(to: &mut UsedActions, from: &UsedActions) {
    for (action, used) in from {
        to.entry(action.clone()).or_default().merge(used);
    }
}

/// Whether what was used on so many days of a window is rarely used: on at most three days, or on at most one day in thirty.
/// Reviews break monthly and yearly habits.
pub(super) fn is_rare(days_seen: u64, window: u64) -> bool {
    days_seen > 0 && (days_seen <= 3 || days_seen * 30 <= window)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_count_once_however_often_they_come() {
        let mut used = Used::default();
        for round in 0..3_000 {
            used.add_parts(2, &[round % 400, (round + 1) % 400], Some(i64::from(round)), Some(i64::from(round)));
        }
        assert_eq!((used.events, used.days_seen()), (6_000, 400));
        assert_eq!((used.first_seen, used.last_seen), (Some(0), Some(2_999)));
        assert!(used.days.capacity() <= 4_096, "{}", used.days.capacity());
    }

    #[test]
    fn monthly_habits_are_rare() {
        let of = |days, window| is_rare(days, window);
        assert_eq!([of(0, 365), of(3, 10), of(4, 119), of(4, 120), of(12, 365), of(13, 365)], [false, true, false, true, true, false]);
    }
}
