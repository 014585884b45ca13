//! Measures of a distinct request, and how they merge: by sum, minimum, maximum, and union cut to a size.
//!
//! Merging is associative and commutative, so that threads, shards and the order of files cannot change a result.

/// Distinct sessions are counted exactly up to this many, estimated above.
const EXACT_SESSIONS: usize = 256;
/// How many samples and session names a row keeps.
const KEPT: usize = 5;

/// The smallest distinct values, at most so many, sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smallest<T, const MOST: usize>(Vec<T>);

impl<T, const MOST: usize> Default for Smallest<T, MOST> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Ord + Clone, const MOST: usize> FromIterator<T> for Smallest<T, MOST> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut values: Vec<T> = values.into_iter().collect();
        values.sort();
        values.dedup();
        values.truncate(MOST);
        Self(values)
    }
}

impl<T: Ord + Clone, const MOST: usize> Smallest<T, MOST> {
    /// The values in order.
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }

    /// The values in order.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a value that compares so with those that are there would change nothing because it is too large.
    fn is_beyond(&self, compare: impl FnOnce(&T) -> std::cmp::Ordering) -> bool {
        self.0.len() >= MOST && self.0.last().is_some_and(|last| compare(last).is_gt())
    }

    fn insert(&mut self, value: T) {
        if self.is_beyond(|last| value.cmp(last)) {
            return;
        }
        // Mostly it is the last one, or comes after it.
        let at = match self.0.last() {
            Some(last) if *last < value => Err(self.0.len()),
            _ => self.0.binary_search(&value),
        };
        if let Err(at) = at {
            self.0.insert(at, value);
            self.0.truncate(MOST);
        }
    }

    fn merge(&mut self, other: &Self) {
        if self.0.is_empty() {
            self.0.clone_from(&other.0);
            return;
        }
        let mut all = Vec::with_capacity(self.0.len() + other.0.len());
        all.append(&mut self.0);
        all.extend(other.0.iter().cloned());
        // Two sorted runs: the sort finds and merges them.
        all.sort();
        all.dedup();
        all.truncate(MOST);
        self.0 = all;
    }
}

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
    pub days: Smallest<i32, { usize::MAX }>,
    /// The smallest hashes of sessions.
    pub(super) sessions: Smallest<u64, { EXACT_SESSIONS + 1 }>,
    /// The names of sessions that sort first.
    pub session_names: Smallest<String, KEPT>,
    /// The earliest events: time and id.
    pub samples: Smallest<(i64, String), KEPT>,
}

impl Measures {
    /// Adds the measures of other events.
    pub fn merge(&mut self, other: &Self) {
        let least = |a: Option<i64>, b: Option<i64>| a.into_iter().chain(b).min();
        self.events += other.events;
        self.first_seen = least(self.first_seen, other.first_seen);
        self.last_seen = self.last_seen.into_iter().chain(other.last_seen).max();
        self.days.merge(&other.days);
        self.sessions.merge(&other.sessions);
        self.session_names.merge(&other.session_names);
        self.samples.merge(&other.samples);
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

/// Measures of events that come one by one. What nearly every event changes stands close together; the rest is looked at
/// when it may change.
#[derive(Debug, Default)]
pub(super) struct Measuring {
    events: u64,
    first: i64,
    last: i64,
    last_session: Option<u64>,
    /// Days, in the order in which they came, not twice in a row.
    days: Vec<i32>,
    /// Sessions since they were last added up, in the order in which they came.
    recent: Vec<u64>,
    /// The time of the last of the samples, where there are as many as are kept.
    last_sample: Option<i64>,
    /// The numbers of the session names that came last.
    last_names: [u32; 4],
    sessions: Smallest<u64, { EXACT_SESSIONS + 1 }>,
    samples: Smallest<(i64, String), KEPT>,
    names: Vec<u32>,
}

impl Measuring {
    /// How many sessions and days are collected before they are added up.
    const RECENT: usize = 128;

    /// Adds an event. `session` is a hash that tells sessions apart. Returns whether the session may be a new one, and with
    /// it its name.
    #[inline]
    pub(super) fn add<'e>(&mut self, time: i64, event_id: impl FnOnce() -> &'e str, session: Option<u64>) -> bool {
        if self.events == 0 {
            (self.first, self.last) = (time, time);
        }
        self.events += 1;
        (self.first, self.last) = (self.first.min(time), self.last.max(time));
        let day = crate::ingest::dataset::day_of(time);
        if self.days.last() != Some(&day) {
            if self.days.len() == self.days.capacity() && self.days.len() >= Self::RECENT {
                self.days.sort_unstable();
                self.days.dedup();
            }
            self.days.push(day);
        }
        if self.last_sample.is_none_or(|last| time <= last) {
            let id = event_id();
            if !self.samples.is_beyond(|(last, known)| (time, id).cmp(&(*last, known.as_str()))) {
                self.samples.insert((time, id.to_owned()));
                self.last_sample = self.samples.0.get(KEPT - 1).map(|(last, _)| *last);
            }
        }
        let is_same = session.is_some() && session == self.last_session;
        self.last_session = session;
        if let Some(session) = session.filter(|_| !is_same) {
            self.recent.push(session);
            if self.recent.len() >= Self::RECENT {
                self.add_up();
            }
        }
        !is_same
    }

    /// Adds the name of a session, by its number; returns whether it may be a new one.
    pub(super) fn add_name(&mut self, name: u32) -> bool {
        if self.last_names.contains(&name) {
            return false;
        }
        self.last_names.rotate_right(1);
        if let Some(first) = self.last_names.first_mut() {
            *first = name;
        }
        self.names.push(name);
        if self.names.len() == self.names.capacity() && self.names.len() >= Self::RECENT {
            self.names.sort_unstable();
            self.names.dedup();
        }
        true
    }

    fn add_up(&mut self) {
        self.recent.sort_unstable();
        self.recent.dedup();
        self.sessions.merge(&Smallest(std::mem::take(&mut self.recent)));
    }

    /// What the events come to. `name` gives the name of a number.
    pub(super) fn finish<'n>(mut self, name: impl Fn(u32) -> Option<&'n str>) -> Measures {
        self.add_up();
        self.days.sort_unstable();
        self.days.dedup();
        self.names.sort_unstable();
        self.names.dedup();
        let mut session_names: Vec<&str> = self.names.into_iter().filter_map(name).collect();
        session_names.sort_unstable();
        session_names.truncate(KEPT);
        Measures {
            events: self.events,
            first_seen: (self.events > 0).then_some(self.first),
            last_seen: (self.events > 0).then_some(self.last),
            days: Smallest(self.days),
            sessions: self.sessions,
            session_names: Smallest(session_names.into_iter().map(str::to_owned).collect()),
            samples: self.samples,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Event = (i64, u16, Option<u16>);

    fn measures(events: &[Event]) -> Measures {
        let mut measuring = Measuring::default();
        for (time, id, session) in events {
            let hash = session.map(|session| u64::from(session).wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let id = id.to_string();
            if measuring.add(*time * 1_000_000_000, || &id, hash)
                && let Some(session) = session
            {
                measuring.add_name(u32::from(*session) + 1);
            }
        }
        let names: Vec<String> = (0..=u16::MAX).map(|session| session.to_string()).collect();
        measuring.finish(|name| names.get(name as usize - 1).map(String::as_str))
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
