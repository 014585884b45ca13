//! The ingester: log files in, events dataset out.

pub mod dataset;
mod inflate;
mod load;
mod map;
mod source;

pub use dataset::{Dataset, DatasetCounts, Ledger, SkippedRow, SourceFile};
pub use load::{Ingested, ingest};
pub use map::map_record;
pub use source::{LogFile, Logs, find};
