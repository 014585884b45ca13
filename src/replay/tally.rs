//! Measures of a distinct request, and how they merge: by sum, minimum, maximum, and union cut to a size.
//!
//! Merging is associative and commutative, so that threads, shards and the order of files cannot change a result.

/// Distinct sessions are counted exactly up to this many, estimated above.
pub(super) const EXACT_SESSIONS: usize = 256;
/// How many samples and session names a row keeps.
pub(super) const KEPT: usize = 5;

/// The smallest distinct values, at most so many, sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smallest<T, const MOST: usize>(pub(super) Vec<T>);

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
    pub(super) fn is_beyond(&self, compare: impl FnOnce(&T) -> std::cmp::Ordering) -> bool {
        self.0.len() >= MOST && self.0.last().is_some_and(|last| compare(last).is_gt())
    }

    pub(super) fn insert(&mut self, value: T) {
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

    pub(super) fn merge(&mut self, other: &Self) {
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
