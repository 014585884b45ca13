//! The ingester: log files in, events dataset out.

mod archive;
mod buffer;
mod content;
pub mod dataset;
mod day;
mod days;
mod inflate;
mod ledger;
mod load;
mod lock;
mod made;
mod map;
mod merge;
mod order;
#[cfg(feature = "s3")]
mod s3;
mod search;
mod sorted;
mod source;
mod tabular;
mod threads;
mod twins;
mod waiting;

pub use dataset::Dataset;
pub use ledger::{DatasetCounts, Day, Ledger, SkippedRow, SourceFile};
pub use load::{Ingested, ingest};
pub use made::{Push, write_made};
pub use map::map_record;
pub use search::skipped_with;
pub use source::{LogFile, Logs, Reading, find};
pub use tabular::is_guarded;
pub(crate) use threads::on_all_threads;
