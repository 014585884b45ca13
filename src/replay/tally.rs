//! Measures of a distinct request, and how they merge: by sum, minimum, maximum, and union cut to a size.
//!
//! Merging is associative and commutative, so that threads, shards and the order of files cannot change a result.

use std::collections::BTreeSet;

/// Distinct sessions are counted exactly up to this many, estimated above.
const EXACT_SESSIONS: usize = 256;
/// How many samples and session names a row keeps.
const KEPT: usize = 5;

/// What was measured of the events of one distinct request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Measures {
    /// Events.
    pub events: u64,
    /// First event, in microseconds since 1970.
    pub first_seen: Option<i64>,
    /// Last event.
    pub last_seen: Option<i64>,
    /// UTC days with an event, as days since 1970.
    pub days: BTreeSet<i32>,
    /// The smallest hashes of sessions.
    sessions: BTreeSet<u64>,
    /// The names of sessions that sort first.
    pub session_names: BTreeSet<String>,
    /// The earliest events: time and id.
    pub samples: BTreeSet<(i64, String)>,
}

impl Measures {
    /// Adds one event. `session` is a hash that tells sessions apart, and the session's name; `None` if it is that of the
    /// event before.
    pub fn add(&mut self, time: i64, event_id: &str, session: Option<(Option<u64>, Option<&str>)>) {
        self.events += 1;
        self.first_seen = Some(self.first_seen.map_or(time, |first| first.min(time)));
        self.last_seen = Some(self.last_seen.map_or(time, |last| last.max(time)));
        let day = crate::ingest::dataset::day_of(time);
        if self.days.last() != Some(&day) {
            self.days.insert(day);
        }
        if let Some((hash, name)) = session {
            if let Some(hash) = hash {
                insert(&mut self.sessions, hash, EXACT_SESSIONS + 1);
            }
            let sorts_first = |name: &&str| self.session_names.len() < KEPT || self.session_names.last().is_none_or(|last| *name < last.as_str());
            if let Some(name) = name.filter(sorts_first) {
                insert(&mut self.session_names, name.to_owned(), KEPT);
            }
        }
        if self.samples.len() < KEPT || self.samples.last().is_some_and(|(last, id)| (time, event_id) < (*last, id.as_str())) {
            insert(&mut self.samples, (time, event_id.to_owned()), KEPT);
        }
    }

    /// Adds the measures of other events.
    pub fn merge(&mut self, other: &Self) {
        let least = |a: Option<i64>, b: Option<i64>| a.into_iter().chain(b).min();
        self.events += other.events;
        self.first_seen = least(self.first_seen, other.first_seen);
        self.last_seen = self.last_seen.into_iter().chain(other.last_seen).max();
        self.days.extend(&other.days);
        self.sessions.extend(&other.sessions);
        cut(&mut self.sessions, EXACT_SESSIONS + 1);
        self.session_names.extend(other.session_names.iter().cloned());
        cut(&mut self.session_names, KEPT);
        self.samples.extend(other.samples.iter().cloned());
        cut(&mut self.samples, KEPT);
    }

    /// Distinct sessions: exact up to 256, else estimated from the 256 smallest hashes (k minimum values).
    pub fn session_count(&self) -> u64 {
        if self.sessions.len() <= EXACT_SESSIONS {
            return self.sessions.len() as u64;
        }
        let kth = self.sessions.iter().nth(EXACT_SESSIONS - 1).copied().unwrap_or(u64::MAX);
        let estimate = (EXACT_SESSIONS as u128 - 1) * u128::from(u64::MAX) / u128::from(kth.max(1));
        u64::try_from(estimate).unwrap_or(u64::MAX)
    }
}

/// Adds a value to the `size` smallest.
fn insert<T: Ord>(set: &mut BTreeSet<T>, value: T, size: usize) {
    if set.len() < size || set.last().is_some_and(|last| value < *last) {
        set.insert(value);
        cut(set, size);
    }
}

/// Keeps the `size` smallest.
fn cut<T: Ord>(set: &mut BTreeSet<T>, size: usize) {
    while set.len() > size {
        set.pop_last();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Event = (i64, u16, Option<u16>);

    fn measures(events: &[Event]) -> Measures {
        let mut measures = Measures::default();
        for (time, id, session) in events {
            let hash = session.map(|session| u64::from(session).wrapping_mul(0x9E37_79B9_7F4A_7C15));
            measures.add(*time * 1_000_000_000, &id.to_string(), Some((hash, session.map(|s| s.to_string()).as_deref())));
        }
        measures
    }

    proptest! {
        #[test]
        fn merging_is_adding(events: Vec<Event>, cut in 0usize..40) {
            let events: Vec<Event> = events.into_iter().map(|(time, id, session)| (time.rem_euclid(1_000_000), id, session)).collect();
            let (left, right) = events.split_at(cut.min(events.len()));
            let (left, right) = (measures(left), measures(right));
            let mut forwards = left.clone();
            forwards.merge(&right);
            let mut backwards = right;
            backwards.merge(&left);
            prop_assert_eq!(&forwards, &backwards);
            prop_assert_eq!(&forwards, &measures(&events));
        }
    }

    #[test]
    fn many_sessions_are_estimated() {
        let events: Vec<Event> = (0..20_000u16).map(|n| (0, 1, Some(n))).collect();
        let count = measures(&events).session_count();
        assert!((17_000..23_000).contains(&count), "{count}");
        let few: Vec<Event> = (0..512u16).map(|n| (0, 1, Some(n / 2))).collect();
        assert_eq!(measures(&few).session_count(), 256);
    }
}
