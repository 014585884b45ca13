//! Measures in the making: events come one by one, each for one of many requests.
//!
//! What every event changes stands close together. Sessions and days are noted, and added request by request when many are: the
//! rest of what is measured of a request stands somewhere else for each. Samples are looked at only when an event may be one.

use super::tally::{EXACT_SESSIONS, KEPT, Measures, Smallest};
use crate::ingest::dataset::day_of;

/// Measures of requests, by their places.
#[derive(Debug, Default)]
pub(super) struct Measuring {
    sums: Vec<Sum>,
    rest: Vec<Rest>,
    /// Requests and their callers at hand, some more than once.
    callers: Vec<(u32, u32)>,
    sessions: Notes<Session>,
    days: Notes<i32>,
    /// Requests and the names of sessions that may be new for them.
    named: Vec<(u32, u32)>,
}

/// What tells a session apart, 0 for none, and the number of its name, 0 for none.
#[derive(Debug, Clone, Copy, Default)]
struct Session {
    hash: u64,
    name: u32,
}

/// What was noted of requests.
#[derive(Debug)]
struct Notes<T> {
    noted: Vec<(u32, T)>,
    sorted: Vec<(u32, T)>,
    /// Where the notes of each request begin.
    begins: Vec<u32>,
}

impl<T> Default for Notes<T> {
    fn default() -> Self {
        Self { noted: Vec::new(), sorted: Vec::new(), begins: Vec::new() }
    }
}

impl<T: Copy + Default> Notes<T> {
    /// So many are noted before they are taken.
    const MOST: usize = 1 << 17;

    /// Takes all notes on requests below a number, request by request, in the order in which they were noted.
    fn take(&mut self, requests: usize, mut each: impl FnMut(u32, T)) {
        // Sorted by counting: a comparing sort takes longer than what it saves.
        self.begins.clear();
        self.begins.resize(requests + 1, 0);
        for (request, _) in &self.noted {
            if let Some(count) = self.begins.get_mut(*request as usize + 1) {
                *count += 1;
            }
        }
        let mut before = 0;
        for count in &mut self.begins {
            before += *count;
            *count = before;
        }
        self.sorted.clear();
        self.sorted.resize(self.noted.len(), (0, T::default()));
        for note in self.noted.drain(..) {
            let Some(begin) = self.begins.get_mut(note.0 as usize) else { continue };
            if let Some(place) = self.sorted.get_mut(*begin as usize) {
                *place = note;
            }
            *begin += 1;
        }
        self.sorted.iter().for_each(|(request, note)| each(*request, *note));
    }
}

/// What nearly every event changes.
#[derive(Debug, Clone, Copy)]
struct Sum {
    events: u64,
    first: i64,
    last: i64,
    /// The time up to which an event may be a sample.
    sampled_until: i64,
    last_caller: u32,
    last_day: i32,
}

/// What few events change.
#[derive(Debug, Default)]
struct Rest {
    /// Days, in the order in which they came.
    days: Vec<i32>,
    last_session: Option<u64>,
    /// Sessions since they were last added up, in the order in which they came.
    recent: Vec<u64>,
    sessions: Smallest<u64, { EXACT_SESSIONS + 1 }>,
    samples: Smallest<(i64, String), KEPT>,
    /// The numbers of the session names that came last.
    last_names: [u32; 4],
    names: Vec<u32>,
}

/// No caller.
const NONE: u32 = u32::MAX;

impl Measuring {
    /// Adds a request: the next place.
    pub(super) fn push(&mut self) {
        let (first, last) = (i64::MAX, i64::MIN);
        self.sums.push(Sum { events: 0, first, last, sampled_until: i64::MAX, last_caller: NONE, last_day: i32::MIN });
        self.rest.push(Rest::default());
    }

    /// Adds an event of a request; `id` is asked where it may be a sample.
    #[inline]
    pub(super) fn add<'e>(&mut self, request: u32, caller: u32, time: i64, id: impl FnOnce() -> &'e str) {
        let Some(sum) = self.sums.get_mut(request as usize) else { return };
        sum.events += 1;
        (sum.first, sum.last) = (sum.first.min(time), sum.last.max(time));
        if sum.last_caller != caller {
            sum.last_caller = caller;
            self.callers.push((request, caller));
        }
        let day = day_of(time);
        if sum.last_day != day {
            sum.last_day = day;
            self.days.noted.push((request, day));
        }
        if time <= sum.sampled_until
            && let Some(rest) = self.rest.get_mut(request as usize)
        {
            sum.sampled_until = rest.sample(time, id());
        }
    }

    /// Ends a batch, whose callers' numbers mean others in the next. `session` gives of a caller a hash that tells sessions
    /// apart, and the number of its name, 0 for none. Returns requests and names of sessions that may be new for them.
    pub(super) fn settle(&mut self, session: impl Fn(u32) -> (Option<u64>, u32)) -> std::vec::Drain<'_, (u32, u32)> {
        for (request, caller) in self.callers.drain(..) {
            if let Some(sum) = self.sums.get_mut(request as usize) {
                sum.last_caller = NONE;
            }
            let (session, name) = session(caller);
            self.sessions.noted.push((request, Session { hash: session.unwrap_or_default(), name }));
        }
        self.take_notes(Notes::<Session>::MOST);
        self.named.drain(..)
    }

    /// Adds what was noted, if there are so many notes.
    fn take_notes(&mut self, many: usize) {
        let Self { rest, sessions, days, named, .. } = self;
        if days.noted.len() >= many {
            days.take(rest.len(), |request, day| {
                if let Some(rest) = rest.get_mut(request as usize) {
                    rest.day(day);
                }
            });
        }
        if sessions.noted.len() >= many {
            sessions.take(rest.len(), |request, Session { hash, name }| {
                let Some(rest) = rest.get_mut(request as usize) else { return };
                if rest.session(Some(hash).filter(|hash| *hash != 0)) && name != 0 && rest.name(name) {
                    named.push((request, name));
                }
            });
        }
    }

    /// What the events come to, by request, and the requests and names of sessions that [`Self::settle`] did not return. `name`
    /// gives the name of a number.
    pub(super) fn finish<'n>(mut self, name: impl Fn(u32) -> Option<&'n str>) -> (Vec<Measures>, Vec<(u32, u32)>) {
        self.take_notes(0);
        let measures = self.sums.into_iter().zip(self.rest).map(|(sum, rest)| rest.finish(sum, &name));
        (measures.collect(), self.named)
    }
}

impl Rest {
    /// How many sessions and days are collected before they are added up.
    const RECENT: usize = 128;

    fn day(&mut self, day: i32) {
        if self.days.len() == self.days.capacity() && self.days.len() >= Self::RECENT {
            self.days.sort_unstable();
            self.days.dedup();
        }
        self.days.push(day);
    }

    /// Adds an event that may be a sample; returns the time up to which others may be.
    #[cold]
    fn sample(&mut self, time: i64, id: &str) -> i64 {
        if !self.samples.is_beyond(|(last, known)| (time, id).cmp(&(*last, known.as_str()))) {
            self.samples.insert((time, id.to_owned()));
        }
        self.samples.0.get(KEPT - 1).map_or(i64::MAX, |(last, _)| *last)
    }

    /// Adds a session; returns whether it may be a new one, and with it its name.
    fn session(&mut self, session: Option<u64>) -> bool {
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
    fn name(&mut self, name: u32) -> bool {
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

    fn finish<'n>(mut self, sum: Sum, name: &impl Fn(u32) -> Option<&'n str>) -> Measures {
        self.add_up();
        self.days.sort_unstable();
        self.days.dedup();
        self.names.sort_unstable();
        self.names.dedup();
        let mut session_names: Vec<&str> = self.names.into_iter().filter_map(name).collect();
        session_names.sort_unstable();
        session_names.truncate(KEPT);
        Measures {
            events: sum.events,
            first_seen: (sum.events > 0).then_some(sum.first),
            last_seen: (sum.events > 0).then_some(sum.last),
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
        measuring.push();
        let hash = |session: u16| (u64::from(session) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        for batch in events.chunks(17) {
            for (caller, (time, id, _)) in (0..).zip(batch) {
                measuring.add(0, caller, *time * 1_000_000_000, || id.to_string().leak());
            }
            let session = |caller: u32| match batch[caller as usize].2 {
                Some(session) => (Some(hash(session)), u32::from(session) + 1),
                None => (None, 0),
            };
            measuring.settle(session);
        }
        let names: Vec<String> = (0..=u16::MAX).map(|session| session.to_string()).collect();
        let (measures, _) = measuring.finish(|name| names.get(name as usize - 1).map(String::as_str));
        let measures = measures.into_iter().next().unwrap();
        if events.is_empty() { Measures::default() } else { measures }
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
    fn notes_are_taken_request_by_request() {
        let mut notes = Notes { noted: vec![(2, 'a'), (0, 'b'), (2, 'c'), (1, 'd'), (0, 'e')], ..Notes::default() };
        let mut taken = Vec::new();
        notes.take(3, |request, note| taken.push((request, note)));
        assert_eq!(taken, [(0, 'b'), (0, 'e'), (1, 'd'), (2, 'a'), (2, 'c')]);
        notes.take(3, |_, _| panic!("they were taken"));
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
