//! What something was when: from what snapshots saw and what calls in the log made of it.

use super::aspect::Value;
use super::snapshots::Taken;

/// What is known of an aspect at some time.
#[derive(Debug, Clone)]
pub(super) struct Fact {
    /// When: of a call its time, of a snapshot the time within which it was taken.
    pub(super) when: When,
    pub(super) value: Value,
}

#[derive(Debug, Clone)]
pub(super) enum When {
    /// A call made it so, in microseconds since 1970; what it was before, if the call tells.
    Call(i64, Option<Value>),
    /// A snapshot saw it so.
    Snapshot(Taken),
}

/// What something was from when on; the first begins before all times.
pub(super) type Segments = Vec<(i64, Value)>;

/// The segments that facts leave. What lies between two facts that do not fit together is not known: something changed it
/// that the log does not hold.
pub(super) fn resolve(facts: &[Fact]) -> Segments {
    let mut calls: Vec<(i64, &Option<Value>, &Value)> = facts
        .iter()
        .filter_map(|fact| match &fact.when {
            When::Call(time, before) => Some((*time, before, &fact.value)),
            When::Snapshot(_) => None,
        })
        .collect();
    calls.sort_by_key(|(time, ..)| *time);
    // The order of calls within a second is not told: where they do not agree, what comes of them is not known.
    calls.dedup_by(|next, last| {
        let same = next.0 == last.0;
        if same && (next.2 != last.2 || next.1 != last.1) {
            (last.1, last.2) = (&None, if next.2 == last.2 { last.2 } else { &Value::Unknown });
        }
        same
    });
    let mut snapshots: Vec<(usize, Taken, &Value)> = facts
        .iter()
        .filter_map(|fact| match &fact.when {
            When::Snapshot(taken) => Some((place(&calls, *taken, &fact.value), *taken, &fact.value)),
            When::Call(..) => None,
        })
        .collect();
    snapshots.sort_by_key(|(place, taken, _)| (*place, *taken));
    let mut known = Known { segments: Segments::new(), sure: i64::MIN };
    let mut snapshots = snapshots.into_iter().peekable();
    for at in 0..=calls.len() {
        while let Some((_, taken, value)) = snapshots.next_if(|(place, ..)| *place <= at) {
            known.see(taken, value, calls.get(at).map(|(time, ..)| *time));
        }
        if let Some((time, before, value)) = calls.get(at) {
            known.change(*time, before.as_ref(), value);
        }
    }
    // A value that lasts no time at all is none.
    known.segments.dedup_by(|next, last| {
        let same = next.0 == last.0;
        if same {
            last.1 = next.1.clone();
        }
        same
    });
    known.segments.dedup_by(|next, last| next.1 == last.1);
    known.segments
}

/// After how many of the calls a snapshot was taken. Of one that tells only the day, the calls of that day whose outcome it
/// shows were before it.
fn place(calls: &[(i64, &Option<Value>, &Value)], taken: Taken, value: &Value) -> usize {
    let before = calls.partition_point(|(time, ..)| *time < taken.from);
    let within = calls.partition_point(|(time, ..)| *time < taken.to).max(before);
    let shown = calls.get(before..within).unwrap_or_default().iter().rposition(|(_, _, made)| *made == value);
    shown.map_or(before, |at| before + at + 1)
}

/// What is known so far.
struct Known {
    segments: Segments,
    /// Until when the last fact tells it.
    sure: i64,
}

impl Known {
    /// `next` is the time of the next call.
    fn see(&mut self, taken: Taken, value: &Value, next: Option<i64>) {
        match self.segments.last_mut() {
            None => self.segments.push((i64::MIN, value.clone())),
            Some((_, last)) if *last == *value || *last == Value::Unknown => *last = value.clone(),
            Some(_) => {
                self.forget();
                self.segments.push((next.map_or(taken.to, |next| next.min(taken.to)), value.clone()));
            }
        }
        // It was so at some time of the day, and may have been another before and after.
        self.sure = self.sure.max(taken.from);
    }

    fn change(&mut self, time: i64, before: Option<&Value>, value: &Value) {
        match (self.segments.last_mut(), before) {
            (None, _) => self.segments.push((i64::MIN, before.cloned().unwrap_or(Value::Unknown))),
            (Some((_, last)), Some(before)) if *last == Value::Unknown => *last = before.clone(),
            (Some((_, last)), Some(before)) if last != before => self.forget(),
            _ => {}
        }
        self.segments.push((time, value.clone()));
        self.sure = time;
    }

    /// From the last fact on it is not known what it was.
    fn forget(&mut self) {
        let sure = self.sure;
        match self.segments.last_mut() {
            Some((from, last)) if *from >= sure => *last = Value::Unknown,
            _ => self.segments.push((sure, Value::Unknown)),
        }
    }
}

/// Makes equal documents one: what is the same is compiled once.
pub(super) fn share_documents(segments: &mut Segments, newest: Option<&Value>) {
    let mut known: Vec<Value> = newest.into_iter().cloned().collect();
    for (_, value) in segments.iter_mut().filter(|(_, value)| matches!(value, Value::Document(_))) {
        match known.iter().find(|other| *other == value) {
            Some(other) => *value = other.clone(),
            None => known.push(value.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn call(time: i64, value: Value) -> Fact {
        Fact { when: When::Call(time, None), value }
    }

    fn saw(from: i64, to: i64, value: Value) -> Fact {
        Fact { when: When::Snapshot(Taken { from, to }), value }
    }

    #[test]
    fn a_call_says_what_is_after_it_and_a_snapshot_what_was_before() {
        let facts = [call(10, text("b")), saw(0, 0, text("a")), saw(20, 20, text("b"))];
        assert_eq!(resolve(&facts), [(i64::MIN, text("a")), (10, text("b"))]);
        assert_eq!(resolve(&facts[2..]), [(i64::MIN, text("b"))]);
        assert_eq!(resolve(&[facts[0].clone(), facts[2].clone()]), [(i64::MIN, Value::Unknown), (10, text("b"))]);
    }

    #[test]
    fn what_a_call_took_away_was_there_before() {
        let facts = [Fact { when: When::Call(10, Some(Value::Present)), value: Value::Absent }, saw(i64::MAX, i64::MAX, Value::Absent)];
        assert_eq!(resolve(&facts), [(i64::MIN, Value::Present), (10, Value::Absent)]);
    }

    #[test]
    fn what_no_call_explains_leaves_the_time_between_open() {
        let facts = [saw(0, 0, text("a")), saw(20, 20, text("b"))];
        assert_eq!(resolve(&facts), [(i64::MIN, text("a")), (0, Value::Unknown), (20, text("b"))]);
        let facts = [saw(0, 0, text("a")), call(10, text("c")), saw(20, 20, text("b")), call(30, text("d"))];
        assert_eq!(resolve(&facts), [(i64::MIN, text("a")), (10, Value::Unknown), (20, text("b")), (30, text("d"))]);
    }

    #[test]
    fn a_call_whose_outcome_is_not_known_is_settled_by_the_next_snapshot() {
        let facts = [saw(0, 0, text("a")), call(10, Value::Unknown), saw(20, 20, text("b"))];
        assert_eq!(resolve(&facts), [(i64::MIN, text("a")), (10, text("b"))]);
    }

    #[test]
    fn calls_of_one_second_that_do_not_agree_leave_it_open() {
        let facts = [saw(0, 0, text("a")), call(10, text("b")), call(10, text("c"))];
        assert_eq!(resolve(&facts), [(i64::MIN, text("a")), (10, Value::Unknown)]);
        let facts = [saw(0, 0, text("a")), call(10, text("b")), call(10, text("c")), saw(20, 20, text("c"))];
        assert_eq!(resolve(&facts), [(i64::MIN, text("a")), (10, text("c"))]);
    }

    #[test]
    fn a_snapshot_of_a_day_comes_after_the_calls_that_it_shows() {
        let facts = [call(10, text("b")), call(14, text("c")), saw(5, 20, text("b"))];
        assert_eq!(resolve(&facts), [(i64::MIN, Value::Unknown), (10, text("b")), (14, text("c"))]);
        let facts = [call(10, text("b")), saw(5, 20, text("a"))];
        assert_eq!(resolve(&facts), [(i64::MIN, text("a")), (10, text("b"))]);
        let facts = [saw(0, 10, text("a")), saw(20, 30, text("b"))];
        assert_eq!(resolve(&facts), [(i64::MIN, text("a")), (0, Value::Unknown), (30, text("b"))]);
        let facts = [saw(0, 10, text("a")), saw(20, 30, text("b")), call(25, text("c"))];
        assert_eq!(resolve(&facts), [(i64::MIN, text("a")), (0, Value::Unknown), (25, text("c"))]);
    }
}
