//! The file as a trail delivers it, read in one pass: `{"Records": [...]}` with whole records and nothing else.
//!
//! Everything unusual is left to the careful reader, which goes on at the record where this one stopped.

use super::Record;
use super::scan::Before;
use crate::cloudtrail::json::Scan;

/// How far a file was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Streamed {
    /// Records that were handed over.
    pub(super) taken: u64,
    /// Nothing is left.
    pub(super) whole: bool,
}

/// How many records are read before they are handed over: what reads and what takes them would push one another's
/// instructions out of the processor's cache at each record.
const GROUP: usize = 16;

/// Hands the records at the beginning of a delivered file to `each`, some at once, up to one that `time_of` has no time for,
/// and says how many those were; `whole` is set if that was all that the text holds.
pub(super) fn stream<'t>(
    text: &'t str,
    time_of: impl Fn(&Record<'t>) -> Option<i64>,
    mut each: impl FnMut(u64, &[(i64, Record<'t>)]),
) -> Streamed {
    let mut group = Vec::with_capacity(GROUP);
    let mut streamed = Streamed::default();
    let mut hand_over = |group: &mut Vec<(i64, Record<'t>)>| {
        each(streamed.taken, group);
        streamed.taken += group.len() as u64;
        group.clear();
    };
    let whole = records(text, &mut group, time_of, &mut hand_over).is_some();
    hand_over(&mut group);
    streamed.whole = whole;
    streamed
}

/// `None` where the text is not, or no longer, as a trail delivers it.
fn records<'t>(
    text: &'t str,
    group: &mut Vec<(i64, Record<'t>)>,
    time_of: impl Fn(&Record<'t>) -> Option<i64>,
    hand_over: &mut impl FnMut(&mut Vec<(i64, Record<'t>)>),
) -> Option<()> {
    let mut scan = Scan::new(text);
    scan.token(b'{')?;
    (scan.key()? == "Records").then_some(())?;
    scan.token(b'[')?;
    let mut follows = !scan.is_next(b']');
    let mut before = Before::default();
    while follows {
        if group.len() == GROUP {
            hand_over(group);
        }
        group.push((0, Record::default()));
        let (time, record) = group.last_mut()?;
        match scan.record(record, &mut before).and_then(|()| time_of(record)) {
            Some(told) => *time = told,
            None => {
                group.pop();
                return None;
            }
        }
        follows = scan.follows(b']')?;
    }
    scan.token(b'}')?;
    scan.is_at_end().then_some(())
}
