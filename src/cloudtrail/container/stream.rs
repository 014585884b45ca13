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

/// Hands the records at the beginning of a delivered file to `each` until it returns `false`, and says how many it
/// took; `whole` is set if that was all that the text holds.
pub(super) fn stream<'t>(text: &'t str, mut each: impl FnMut(&Record<'t>) -> bool) -> Streamed {
    let mut streamed = Streamed::default();
    streamed.whole = records(text, &mut streamed.taken, &mut each).is_some();
    streamed
}

/// `None` where the text is not, or no longer, as a trail delivers it.
fn records<'t>(text: &'t str, taken: &mut u64, each: &mut impl FnMut(&Record<'t>) -> bool) -> Option<()> {
    let mut scan = Scan::new(text);
    scan.token(b'{')?;
    (scan.key()? == "Records").then_some(())?;
    scan.token(b'[')?;
    let mut follows = !scan.is_next(b']');
    let mut before = Before::default();
    while follows {
        let mut record = Record::default();
        scan.record(&mut record, &mut before)?;
        each(&record).then_some(())?;
        *taken += 1;
        follows = scan.follows(b']')?;
    }
    scan.token(b'}')?;
    scan.is_at_end().then_some(())
}
