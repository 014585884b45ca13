//! Parquet tables of CloudTrail events: each row becomes the CloudTrail record that it was made of, as far as the table
//! tells it, and goes the way of every record.

mod athena;
mod guard;
mod ocsf;
mod raw;
mod value;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::ChunkReader;
use serde_json::{Map, Value};

use self::guard::guarded;
pub use self::guard::is_guarded;
use crate::cloudtrail::columns::Rebuilt;
use crate::cloudtrail::{Record, Sink, SkipReason, Skipped, decode};

/// Rows that are in memory at a time.
const ROWS: usize = 1_024;

/// How many columns of a strange table are named.
const NAMED: usize = 12;

/// A row, by column.
type Row = Map<String, Value>;

/// A kind of table.
#[derive(Debug, Clone, Copy)]
struct Shape {
    /// Whether a column is used.
    uses: fn(&str) -> bool,
    /// The record of a row, or the records in it, or why there is none; what there is no column for is unknown, not absent.
    records: fn(Row, &Schema) -> Result<Vec<Rebuilt>, String>,
}

/// Hands the record of every row to `sink`; its index is the number of the row.
pub(super) fn decode_table<R: ChunkReader + 'static>(reader: R, limit: u64, sink: &mut impl Sink) {
    let mut rows = Rows { sink, index: 0, row: Rebuilt::default() };
    let damaged = |detail: String| (SkipReason::UnreadableFile, unreadable(&detail));
    let opened = guarded(|| Ok::<_, String>(open(reader, limit)));
    let (shape, mut batches, total, mut doubt) = match opened.map_err(damaged).and_then(|opened| opened) {
        Ok(opened) => opened,
        Err((reason, detail)) => return rows.skip_file(reason, &detail),
    };
    loop {
        match guarded(|| batches.next().transpose()) {
            Ok(Some(batch)) => match doubt.take().filter(|_| !has_record(&batch, shape)) {
                Some(detail) => return rows.skip_file(SkipReason::NotCloudtrail, &detail),
                None => rows.batch(&batch, shape),
            },
            Ok(None) => return,
            Err(error) => {
                let lost = total.saturating_sub(rows.index);
                return rows.skip_file(SkipReason::UnreadableFile, &format!("{lost} of {total} rows are lost: {}", unreadable(&error)));
            }
        }
    }
}

/// Why Parquet cannot be read: few files are damaged that name a codec which this program has not.
fn unreadable(error: &str) -> String {
    match error.split_once("Disabled feature at compile time: ") {
        Some((_, codec)) => format!("Parquet compressed with {codec}, which is not read: write it with zstd, snappy, gzip or lz4"),
        None => format!("damaged Parquet: {error}"),
    }
}

type Refused = (SkipReason, String);
/// The kind of table, its rows and how many there are, and what it is instead if the first of them hold no record.
type Opened = (Shape, ParquetRecordBatchReader, u64, Option<String>);

fn open<R: ChunkReader + 'static>(reader: R, limit: u64) -> Result<Opened, Refused> {
    let damaged = |error: ParquetError| (SkipReason::UnreadableFile, unreadable(&error.to_string()));
    // The types of Parquet itself: whoever wrote the file may have wished for others.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(reader, options).map_err(damaged)?;
    let (shape, doubt) = shape(builder.schema(), builder.metadata()).map_err(|detail| (SkipReason::NotCloudtrail, detail))?;
    let fields = builder.schema().fields().iter().enumerate();
    let roots: Vec<usize> = fields.filter(|(_, field)| (shape.uses)(field.name())).map(|(root, _)| root).collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
    let largest = builder.metadata().row_groups().iter().map(|group| {
        let used = group.columns().iter().enumerate().filter(|(leaf, _)| mask.leaf_included(*leaf));
        used.map(|(_, column)| u64::try_from(column.uncompressed_size()).unwrap_or(u64::MAX)).fold(0, u64::saturating_add)
    });
    if let Some(bytes) = largest.max().filter(|bytes| *bytes > limit) {
        let detail = format!("a row group inflates to {bytes} bytes, and at most {limit} are read: raise --max-inflated if it is a log");
        return Err((SkipReason::TooLarge, detail));
    }
    let total = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
    Ok((shape, builder.with_projection(mask).with_batch_size(ROWS).build().map_err(damaged)?, total, doubt))
}

/// What kind of table it is, or what it is instead; of one whose columns do not tell, that it may hold records all the same.
fn shape(schema: &Schema, metadata: &ParquetMetaData) -> Result<(Shape, Option<String>), String> {
    let has = |wanted: &str| schema.fields().iter().any(|field| plain_name(field.name()) == wanted);
    let own = metadata.file_metadata().key_value_metadata().into_iter().flatten().find(|pair| pair.key == "retrial.schema");
    if let Some(table) = own.and_then(|pair| pair.value.as_deref()) {
        return Err(format!(
            "a file that this program wrote (`{table}`), not a log: an events dataset is replayed as a whole, by the name of its folder"
        ));
    }
    if ["eventsource", "eventname", "eventtime"].iter().all(|name| has(name)) {
        return Ok((athena::SHAPE, None));
    }
    if has("classuid") && has("api") && has("metadata") {
        return Ok((ocsf::SHAPE, None));
    }
    if schema.fields().iter().any(|field| raw::is_whole(field.name())) {
        return Ok((raw::SHAPE, None));
    }
    let names: Vec<String> = schema.fields().iter().take(NAMED).map(|field| format!("`{}`", field.name())).collect();
    let more = schema.fields().len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let kind = if has("classuid") { "OCSF of another class than API Activity" } else { "no table of CloudTrail events" };
    let detail = format!(
        "Parquet, but {kind}: its columns are {}{more}; wanted are `eventtime`, `eventsource`, `eventname`, a column of whole records such as `eventjson` or `_raw`, or OCSF with `class_uid`, `metadata`, `api`",
        names.join(", ")
    );
    let may_hold = |kind: &DataType| matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary);
    if schema.fields().iter().any(|field| may_hold(field.data_type())) { Ok((raw::ANY, Some(detail))) } else { Err(detail) }
}

/// A row of a batch.
fn row_of(batch: &RecordBatch, row: usize) -> Row {
    let schema = batch.schema();
    let cells = schema.fields().iter().zip(batch.columns());
    cells.map(|(field, column)| (field.name().clone(), value::cell(column, row).unwrap_or_default())).collect()
}

/// Whether a row of a batch gives a record.
fn has_record(batch: &RecordBatch, shape: Shape) -> bool {
    (0..batch.num_rows()).any(|row| (shape.records)(row_of(batch, row), &batch.schema()).is_ok())
}

/// A column's name without case and `_`: tables spell `eventName` as `eventname` and `event_name`.
fn plain_name(name: &str) -> String {
    name.chars().filter(|c| *c != '_').map(|c| c.to_ascii_lowercase()).collect()
}

/// Passes records on under the number of their row.
struct Rows<'s, S> {
    sink: &'s mut S,
    index: u64,
    /// The row.
    row: Rebuilt,
}

impl<S: Sink> Rows<'_, S> {
    fn batch(&mut self, batch: &RecordBatch, shape: Shape) {
        let schema = batch.schema();
        for row in 0..batch.num_rows() {
            match (shape.records)(row_of(batch, row), &schema) {
                Ok(records) => {
                    for record in records {
                        self.row = record;
                        decode(&std::mem::take(&mut self.row.json), self);
                    }
                }
                Err(detail) => self.sink.skipped(Skipped::new(Some(self.index), SkipReason::NotCloudtrail, detail, &[])),
            }
            self.index += 1;
        }
    }

    fn skip_file(&mut self, reason: SkipReason, detail: &str) {
        self.sink.skipped(Skipped::new(None, reason, detail, &[]));
    }
}

impl<S: Sink> Sink for Rows<'_, S> {
    fn record(&mut self, _: u64, time: i64, record: &Record<'_>, text: &str) {
        let Rebuilt { partial, outcome_unknown, untold, .. } = self.row;
        if !partial && !outcome_unknown && untold.is_empty() {
            return self.sink.record(self.index, time, record, text);
        }
        if let Ok(mut record) = serde_json::from_str::<Record<'_>>(text) {
            (record.partial, record.outcome_unknown, record.untold) = (partial, outcome_unknown, untold);
            self.sink.unknown(std::mem::take(&mut self.row.unknown));
            self.sink.record(self.index, time, &record, text);
        }
    }

    fn skipped(&mut self, skipped: Skipped) {
        self.sink.skipped(Skipped { index: Some(self.index), ..skipped });
    }
}
