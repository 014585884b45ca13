//! The Parquet reader panics on some damaged files. Whatever it does, a damaged file costs only itself.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic of this thread is caught and reported as a damaged file: a panic hook need not print it.
pub fn is_guarded() -> bool {
    GUARDED.get()
}

/// Runs the Parquet reader.
///
/// # Errors
/// Its error or the message of its panic.
pub(super) fn guarded<T, E: std::fmt::Display>(read: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    GUARDED.set(true);
    // After a panic the reader is not used again.
    let result = catch_unwind(AssertUnwindSafe(read));
    GUARDED.set(false);
    match result {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
            Err(text.unwrap_or("the reader gave up").to_owned())
        }
    }
}
