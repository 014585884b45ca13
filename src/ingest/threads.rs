//! Work that is shared by threads, each with a state of its own.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::error::Result;

/// Hands the numbers below `jobs` to `work` on at most `most` threads, each of which asks for its next one, until there
/// is none or one of them fails.
pub(crate) fn on_all_threads<T: Send>(
    jobs: usize,
    most: usize,
    work: impl Fn(usize, &dyn Fn() -> Option<usize>) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let (taken, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let next = || Some(taken.fetch_add(1, Ordering::Relaxed)).filter(|job| *job < jobs && !failed.load(Ordering::Relaxed));
    let results = rayon::broadcast(|context| {
        let result = (context.index() < most).then(|| work(context.index(), &next));
        failed.fetch_or(matches!(result, Some(Err(_))), Ordering::Relaxed);
        result
    });
    results.into_iter().flatten().collect()
}
