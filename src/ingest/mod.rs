//! The ingester: log files in, events dataset out.

mod buffer;
pub mod dataset;
mod day;
mod inflate;
mod ledger;
mod load;
mod lock;
mod map;
mod merge;
mod sorted;
mod source;
mod twins;

pub use dataset::Dataset;
pub use ledger::{DatasetCounts, Day, Ledger, SkippedRow, SourceFile};
pub use load::{Ingested, ingest};
pub use map::map_record;
pub use source::{LogFile, Logs, find};
