//! Replays AWS CloudTrail logs against the IAM policies you are about to ship, and says which principals would lose or
//! gain access, why, and how sure it is.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may fail"))]

/// Orders enums by their names in files, so that tables that are sorted by them are sorted for every reader.
macro_rules! ordered_by_name {
    ($($kind:ty),*) => {$(
        impl Ord for $kind {
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                self.name().cmp(other.name())
            }
        }

        impl PartialOrd for $kind {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }
    )*};
}
pub(crate) use ordered_by_name;

pub mod account;
pub mod catalog;
#[cfg(feature = "cli")]
pub mod cli;
pub mod cloudtrail;
pub mod error;
pub mod evaluate;
pub mod frame;
pub mod generate;
pub mod iam;
pub mod ingest;
pub mod lint;
pub mod progress;
pub mod replay;
pub mod report;

pub use arrow;
pub use error::{Error, Result};
