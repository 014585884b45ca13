//! Columns: the tables' schemas, Arrow in memory, Parquet at rest, polars for the summary.

mod callers;
mod chunk;
mod chunk_file;
mod chunk_reader;
mod chunk_values;
mod codes;
mod encoding;
mod event;
mod event_reader;
mod event_writer;
mod footer;
mod grain;
#[cfg(feature = "summary")]
pub mod interop;
pub mod json;
mod leaf;
pub mod parquet;
mod places;
pub mod read;
mod recent;
mod row_group;
mod rows_writer;
pub mod schema;
mod staged;
mod table;
mod texts;

pub use event::{Check, EventBuilder, EventRow, Flag, Text};
pub use event_reader::{EventReader, EventRows};
pub use event_writer::EventWriter;
pub use grain::Grain;
pub use places::Place;
pub use rows_writer::{GatheredTable, Part, in_codes};
pub use staged::{Gather, STAGED};
pub use table::{Cell, TableBuilder};
pub use texts::{Distinct, Texts};
