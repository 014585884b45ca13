//! Rows of all threads that wait, by day, until the day is written: when all logs are read, or when memory gets scarce and no
//! log that is left to read can have more of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::dataset::day_of;
use super::merge::Run;
use super::sorted::{PlaceInFile, Sorted};
use super::twins::Marks;
use crate::error::Result;

/// Account and id of events that addenda replace.
pub(super) type Replaced = BTreeSet<(Option<String>, String)>;

/// How long before a file may begin its records may be, in microseconds: 6 hours, where CloudTrail delivers within minutes. One
/// that is older still costs that its day is written twice.
const DELAY: i64 = 6 * 3_600_000_000;

/// Of how many days rows may come after the day was written, and of which part of the written days beside. Of more, the logs are in
/// another order, and no further day is written before all are read.
const MOST_LATE: usize = 4;
const MOST_LATE_PART: usize = 16;

/// The rows of one day.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// Each run sorted.
    pub(super) runs: Vec<Run>,
    /// What they say about other rows.
    pub(super) marks: Marks,
}

/// Rows that wait.
pub(super) struct Waiting {
    /// From when on each file may have records, in the order in which they are read.
    begins: Vec<i64>,
    state: Mutex<State>,
}

struct State {
    days: BTreeMap<i32, Rows>,
    replaced: Arc<Replaced>,
    /// Places in files that held another event when they were loaded before.
    superseded: Vec<PlaceInFile>,
    /// Whether there may be some.
    supersedes: bool,
    /// How many files were begun.
    begun: usize,
    threads: BTreeMap<usize, Open>,
    /// Days that were handed out to be written.
    handed_out: BTreeSet<i32>,
    /// Those of which rows came after.
    late: BTreeSet<i32>,
}

/// What a thread has in its hands, which is not among the rows that wait.
#[derive(Clone, Copy)]
struct Open {
    /// From when on the file may have records that it reads.
    file: i64,
    /// The time of the first of its rows.
    rows: i64,
}

/// The time of no row.
pub(super) const NEVER: i64 = i64::MAX;

impl Waiting {
    /// No rows yet, of files that begin at those times, beside what addenda replace that were loaded before.
    pub(super) fn new(begins: Vec<i64>, replaced: &Replaced) -> Self {
        let state = State {
            days: BTreeMap::new(),
            replaced: Arc::new(replaced.clone()),
            superseded: Vec::new(),
            supersedes: false,
            begun: 0,
            threads: BTreeMap::new(),
            handed_out: BTreeSet::new(),
            late: BTreeSet::new(),
        };
        Self { begins, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next file for a thread.
    pub(super) fn next_file(&self, thread: usize, next: &dyn Fn() -> Option<usize>) -> Option<usize> {
        let mut state = self.state();
        let file = next()?;
        state.begun = state.begun.max(file + 1);
        let begins = self.begins.get(file).copied().unwrap_or(i64::MIN);
        state.open(thread).file = begins;
        Some(file)
    }

    /// A thread has read a file: the first of the rows that it still has is of that time.
    pub(super) fn end_file(&self, thread: usize, first: i64) {
        *self.state().open(thread) = Open { file: NEVER, rows: first };
    }

    /// Adds all rows that a thread has.
    ///
    /// # Errors
    /// [`crate::Error::Columns`].
    pub(super) fn add(&self, thread: usize, sorted: &Arc<Sorted>) -> Result<()> {
        let mut days = Vec::new();
        for (day, places) in sorted.days() {
            let mut marks = Marks::default();
            marks.read(sorted.batch(), sorted.rows(places.clone()))?;
            days.push((day, places, marks));
        }
        let mut state = self.state();
        for (day, places, mut marks) in days {
            if !marks.replaced.is_empty() {
                Arc::make_mut(&mut state.replaced).append(&mut marks.replaced);
            }
            if state.handed_out.contains(&day) {
                state.late.insert(day);
            }
            let rows = state.days.entry(day).or_default();
            rows.runs.push(Run::Memory(Arc::clone(sorted), places));
            rows.marks.merge(marks);
        }
        state.open(thread).rows = NEVER;
        Ok(())
    }

    /// A file is read again that may hold another event somewhere than when it was loaded before: until all are read, no further
    /// day is written.
    pub(super) fn may_supersede(&self) {
        self.state().supersedes = true;
    }

    /// It does.
    pub(super) fn supersede(&self, place: PlaceInFile) {
        self.state().superseded.push(place);
    }

    /// How many rows wait of each of some batches.
    pub(super) fn left(&self, batches: &[Arc<Sorted>]) -> Vec<usize> {
        let state = self.state();
        let runs = || state.days.values().flat_map(|rows| &rows.runs);
        let of = |run: &Run, batch: &Arc<Sorted>| match run {
            Run::Memory(sorted, places) if Arc::ptr_eq(sorted, batch) => places.len(),
            _ => 0,
        };
        let rows = |batch: &Arc<Sorted>| runs().map(|run| of(run, batch)).sum();
        batches.iter().map(rows).collect()
    }

    /// Takes the rows of some batches away, by day, until the thread gives them back: no day is complete in between.
    pub(super) fn take(&self, thread: usize, batches: &[Arc<Sorted>]) -> BTreeMap<i32, Vec<Run>> {
        let mut state = self.state();
        state.open(thread).rows = i64::MIN;
        let is_of = |run: &mut Run| matches!(run, Run::Memory(of, _) if batches.iter().any(|batch| Arc::ptr_eq(batch, of)));
        let taken = state.days.iter_mut().map(|(day, rows)| (*day, rows.runs.extract_if(.., is_of).collect::<Vec<_>>()));
        taken.filter(|(_, runs)| !runs.is_empty()).collect()
    }

    /// Takes them back in other runs. The first of the rows that the thread still has is of that time.
    pub(super) fn give_back(&self, thread: usize, runs: Vec<(i32, Run)>, first: i64) {
        let mut state = self.state();
        for (day, run) in runs {
            state.days.entry(day).or_default().runs.push(run);
        }
        state.open(thread).rows = first;
    }

    /// A day of which nothing is left to come, with its rows and what is known to be replaced, for the caller to write.
    pub(super) fn complete_day(&self) -> Option<(i32, Rows, Arc<Replaced>)> {
        let mut state = self.state();
        if state.supersedes || state.late.len() > MOST_LATE + state.handed_out.len() / MOST_LATE_PART {
            return None;
        }
        let to_begin = self.begins.get(state.begun).copied().unwrap_or(NEVER);
        let to_read = state.threads.values().fold(to_begin, |first, open| first.min(open.file)).saturating_sub(DELAY);
        let until = day_of(state.threads.values().fold(to_read, |first, open| first.min(open.rows)));
        let day = state.days.range(..until).map(|(day, _)| *day).find(|day| !state.handed_out.contains(day))?;
        let rows = state.days.remove(&day)?;
        state.handed_out.insert(day);
        Some((day, rows, Arc::clone(&state.replaced)))
    }

    /// What still waits, by day, and all that is replaced.
    pub(super) fn into_rest(self) -> (BTreeMap<i32, Rows>, Replaced, Vec<PlaceInFile>) {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        (state.days, Arc::unwrap_or_clone(state.replaced), state.superseded)
    }
}

impl State {
    fn open(&mut self, thread: usize) -> &mut Open {
        self.threads.entry(thread).or_insert(Open { file: NEVER, rows: NEVER })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{EventBuilder, EventRow};

    const HOUR: i64 = 3_600_000_000;
    const DAY: i64 = 24 * HOUR;

    /// An event of each of those days.
    fn rows(days: &[i64]) -> Arc<Sorted> {
        let mut builder = EventBuilder::default();
        days.iter().for_each(|day| builder.push(&EventRow::new(day * DAY + HOUR, 0)).unwrap());
        Arc::new(Sorted::sort(builder.finish().unwrap()).unwrap())
    }

    fn complete(waiting: &Waiting) -> Vec<i32> {
        std::iter::from_fn(|| waiting.complete_day())
            .map(|(day, rows, _)| i32::from(rows.marks.rows == rows.runs.len() as u64) * day)
            .collect()
    }

    #[test]
    fn a_day_is_complete_when_no_thread_can_have_more_of_it() {
        let waiting = Waiting::new([i64::MIN, i64::MIN, 3 * DAY + 7 * HOUR, 5 * DAY, 9 * DAY].into(), &Replaced::new());
        let (first, second) = (waiting.next_file(0, &|| Some(0)), waiting.next_file(1, &|| Some(1)));
        assert_eq!((first, second), (Some(0), Some(1)));
        waiting.add(0, &rows(&[0, 1, 2, 3, 4])).unwrap();
        waiting.end_file(0, NEVER);
        assert!(complete(&waiting).is_empty(), "a file of any time is read");
        // Of that file rows wait to be sorted.
        waiting.end_file(1, DAY + HOUR);
        assert_eq!(complete(&waiting), [0]);
        waiting.add(1, &rows(&[1])).unwrap();
        assert_eq!(complete(&waiting), [1, 2], "the next file begins on the fourth day, in the morning");
        assert_eq!(waiting.next_file(0, &|| Some(2)), Some(2));
        assert!(complete(&waiting).is_empty());
        waiting.end_file(0, NEVER);
        assert_eq!(complete(&waiting), [3], "at midnight the day before is not over");
        // What is taken holds every day back until it is given back.
        let five = rows(&[5]);
        waiting.add(0, &five).unwrap();
        waiting.next_file(0, &|| Some(3));
        waiting.end_file(0, NEVER);
        assert_eq!(waiting.left(&[Arc::clone(&five), rows(&[5])]), [1, 0]);
        let taken = waiting.take(0, &[Arc::clone(&five)]);
        assert_eq!((taken.keys().copied().collect::<Vec<_>>(), complete(&waiting)), (vec![5], Vec::<i32>::new()));
        waiting.give_back(0, taken.into_iter().flat_map(|(day, runs)| runs.into_iter().map(move |run| (day, run))).collect(), NEVER);
        assert_eq!(complete(&waiting), [4, 5]);
        assert_eq!(waiting.next_file(0, &|| None), None);
        assert!(waiting.into_rest().0.is_empty());
    }

    #[test]
    fn no_day_is_written_early_of_logs_in_another_order() {
        let waiting = Waiting::new(Vec::new(), &Replaced::new());
        waiting.add(0, &rows(&[0, 1, 2, 3, 4])).unwrap();
        assert_eq!(complete(&waiting), [0, 1, 2, 3, 4]);
        // More of a few is another matter.
        waiting.add(0, &rows(&[0, 1, 2, 3, 5])).unwrap();
        assert_eq!(complete(&waiting), [5]);
        waiting.add(0, &rows(&[4, 6])).unwrap();
        assert!(complete(&waiting).is_empty());
        assert_eq!(waiting.into_rest().0.into_keys().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 6]);
    }
}
