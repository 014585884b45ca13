//! The table of actions: what each principal is granted and what of it the log shows in use, for least-privilege reviews.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, BooleanArray, RecordBatch, StringArray, make_array};
use arrow::compute::BatchCoalescer;
use rayon::prelude::*;

use super::principals_table::{Collected, Row};
use super::shard::Shard;
use super::used::{Used, is_rare};
use crate::error::Result;
use crate::frame::parquet::TableWriter;
use crate::frame::schema::ACTIONS;
use crate::frame::{Cell, Place, TableBuilder, read};

/// Principals whose rows are made at a time.
const PRINCIPALS: usize = 128;
/// Rows that are written at a time: the same whoever makes them, so that equal rows are equal bytes.
const ROWS: usize = 8_192;

/// So many rows are held for other candidates, at most.
const HELD: usize = 1 << 18;

/// A principal, with its ARN.
type Of<'r> = (Option<&'r str>, &'r Row<'r>);

/// Writes the table. `window` is how many days there are from the first event to the last.
pub(super) fn write(path: &Path, collected: &Collected<'_>, window: u64) -> Result<()> {
    let mut writer = TableWriter::create(path, &ACTIONS)?;
    let mut even = BatchCoalescer::new(Arc::clone(&ACTIONS.schema), ROWS);
    // What candidates say alike of some principals is made once.
    let mut made: HashMap<usize, (Vec<Of<'_>>, RecordBatch)> = HashMap::new();
    let mut held = 0;
    for (candidate, rows) in &collected.0 {
        let all: Vec<Of<'_>> = rows.iter().map(|(arn, row)| (arn.as_deref(), row)).collect();
        let parts: Vec<(usize, &[Of<'_>])> = all.chunks(PRINCIPALS).enumerate().collect();
        for some in parts.chunks(rayon::current_num_threads().max(1)) {
            let batch = |(number, principals): &(usize, &[Of<'_>])| match made.get(number) {
                Some((known, rows)) if say_the_same(known, principals) => of_candidate(rows, candidate).map(|batch| (batch, false)),
                _ => batch(candidate, principals, window).map(|batch| (batch, true)),
            };
            let batches = some.par_iter().map(batch).collect::<Result<Vec<_>>>()?;
            for ((number, principals), (batch, is_new)) in some.iter().zip(batches) {
                if is_new && collected.0.len() > 1 && held + batch.num_rows() <= HELD && !made.contains_key(number) {
                    held += batch.num_rows();
                    made.insert(*number, (principals.to_vec(), batch.clone()));
                }
                even.push_batch(batch)?;
                while let Some(batch) = even.next_completed_batch() {
                    writer.push(&plain(&batch)?)?;
                }
            }
        }
    }
    even.finish_buffered_batch()?;
    while let Some(batch) = even.next_completed_batch() {
        writer.push(&plain(&batch)?)?;
    }
    writer.finish()
}

/// Whether two candidates say the same of principals.
fn say_the_same(one: &[Of<'_>], other: &[Of<'_>]) -> bool {
    let used = |row: &Row<'_>| row.used.map(std::ptr::from_ref);
    let same = |((arn, row), (other, of)): (&Of<'_>, &Of<'_>)| arn == other && row.granted.is(&of.granted) && used(row) == used(of);
    one.len() == other.len() && one.iter().zip(other).all(same)
}

/// Rows, as another candidate has them.
fn of_candidate(rows: &RecordBatch, candidate: &str) -> Result<RecordBatch> {
    let (schema, mut columns, count) = rows.clone().into_parts();
    if let Some(column) = schema.index_of("candidate").ok().and_then(|at| columns.get_mut(at)) {
        *column = Arc::new(StringArray::from_iter_values(std::iter::repeat_n(candidate, count)));
    }
    Ok(RecordBatch::try_new(schema, columns)?)
}

/// The same rows; a column without a null does not say which are: how it came to be must not be seen in the file.
fn plain(batch: &RecordBatch) -> Result<RecordBatch> {
    let column = |column: &ArrayRef| -> Result<ArrayRef> {
        match column.null_count() {
            0 => Ok(make_array(column.to_data().into_builder().nulls(None).build()?)),
            _ => Ok(Arc::clone(column)),
        }
    };
    Ok(RecordBatch::try_new(batch.schema(), batch.columns().iter().map(column).collect::<Result<_>>()?)?)
}

/// Writes the table of a run from those of its shards. `window` is that of the run.
pub(super) fn write_merged(path: &Path, shards: &[(Shard, RecordBatch)], window: u64) -> Result<()> {
    let merged = merged(shards, window)?;
    let mut writer = TableWriter::create(path, &ACTIONS)?;
    for begin in (0..merged.num_rows()).step_by(ROWS) {
        writer.push(&plain(&merged.slice(begin, ROWS.min(merged.num_rows() - begin)))?)?;
    }
    writer.finish()
}

/// The rows of some principals.
fn batch(candidate: &str, principals: &[Of<'_>], window: u64) -> Result<RecordBatch> {
    let mut table = TableBuilder::new(&ACTIONS)?;
    for (arn, row) in principals {
        let mut granted = row.granted.actions().iter().peekable();
        let mut used = row.used.into_iter().flatten().peekable();
        // Both are sorted.
        while granted.peek().is_some() || used.peek().is_some() {
            let next_used = used.next_if(|(name, _)| granted.peek().is_none_or(|(action, _)| name.as_str() <= *action));
            let cells = match next_used {
                Some((action, of)) => {
                    granted.next_if(|(granted, _)| granted == action);
                    used_cells(action, of, row.granted.has(action, of.guessed), window)
                }
                None => granted.next().map(|(action, observable)| unused_cells(action, *observable)).unwrap_or_default(),
            };
            table.push([candidate.into(), Cell::text(*arn)].into_iter().chain(cells).collect())?;
        }
    }
    table.finish()
}

/// What is granted and was not used.
fn unused_cells(action: &str, observable: bool) -> Vec<Cell<'_>> {
    let [yes, no, observable] = [true, false, observable].map(Cell::Bool);
    vec![action.into(), yes, no.clone(), observable, Cell::count(0), Cell::count(0), Cell::Null, Cell::Null, no]
}

/// What was used: CloudTrail has shown it.
fn used_cells<'c>(action: &'c str, used: &Used, granted: Option<bool>, window: u64) -> Vec<Cell<'c>> {
    let time = |time: Option<i64>| time.map_or(Cell::Null, Cell::Time);
    let days = used.days_seen();
    vec![
        action.into(),
        granted.map_or(Cell::Null, Cell::Bool),
        Cell::Bool(true),
        Cell::Bool(true),
        Cell::count(used.events),
        Cell::count(days),
        time(used.first_seen),
        time(used.last_seen),
        Cell::Bool(is_rare(days, window)),
    ]
}

/// The rows of the whole from those of its shards, in their order: each principal's from the shard that has its events.
fn merged(shards: &[(Shard, RecordBatch)], window: u64) -> Result<RecordBatch> {
    let mut places: BTreeMap<(&str, Option<&str>), Vec<Place>> = BTreeMap::new();
    for (index, (shard, batch)) in shards.iter().enumerate() {
        let (candidates, arns) = (read::text(batch, "candidate")?, read::text(batch, "principal_arn")?);
        for row in 0..batch.num_rows() {
            let arn = read::get(arns, row);
            if shard.takes(arn) {
                places.entry((candidates.value(row), arn)).or_default().push((index, row));
            }
        }
    }
    let places: Vec<Place> = places.into_values().flatten().collect();
    let batches: Vec<&RecordBatch> = shards.iter().map(|(_, batch)| batch).collect();
    let merged = arrow::compute::interleave_record_batch(&batches, &places)?;
    // The window of a shard is not that of the whole.
    let days = read::int(&merged, "days_seen")?;
    let rare: BooleanArray = days.values().iter().map(|days| Some(is_rare(u64::try_from(*days).unwrap_or_default(), window))).collect();
    let (schema, mut columns, _) = merged.into_parts();
    if let Some(column) = schema.index_of("rare").ok().and_then(|at| columns.get_mut(at)) {
        *column = Arc::new(rare) as ArrayRef;
    }
    Ok(RecordBatch::try_new(schema, columns)?)
}
