//! The order of rows in the dataset.

use std::cmp::{Ordering, Reverse};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::FieldRef;

use super::dataset::day_of;
use crate::error::{Error, Result};
use crate::frame::{Texts, read};

/// What tells which other rows a row repeats.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mark {
    RequestId,
    NotReplayable,
    SharedEventId,
    PrincipalAccount,
    AddendumOf,
}

/// Their columns, in order.
const MARKS: [&str; 5] = ["request_id", "not_replayable", "shared_event_id", "principal_account_id", "addendum_of"];

/// Rows, with an order to take them in if they do not stand in it, and the columns that the order is made of.
#[derive(Debug)]
pub(super) struct Sorted {
    batch: RecordBatch,
    order: Option<Vec<u32>>,
    time: TimestampMicrosecondArray,
    /// The first bytes of each event id, which mostly tell two of them apart.
    id_prefixes: Vec<u64>,
    /// Event id, account, source, name, principal, error code: what makes two rows of one time the same event.
    identity: [Texts; 6],
    marks: [Texts; MARKS.len()],
    file: Texts,
    index: Int64Array,
    /// About how many bytes the rows have.
    bytes: usize,
    /// They come from the dataset, and not from a log.
    is_loaded: bool,
}

impl Sorted {
    /// A batch that is sorted.
    pub(super) fn new(batch: RecordBatch) -> Result<Self> {
        let text = |name: &str| Texts::of(&batch, name);
        let ids = text("event_id")?;
        Ok(Self {
            order: None,
            id_prefixes: (0..batch.num_rows()).map(|row| prefix(ids.get(row).unwrap_or_default())).collect(),
            time: read::time(&batch, "event_time")?.clone(),
            identity: [ids, text("account_id")?, text("event_source")?, text("event_name")?, text("principal_arn")?, text("error_code")?],
            marks: [text(MARKS[0])?, text(MARKS[1])?, text(MARKS[2])?, text(MARKS[3])?, text(MARKS[4])?],
            file: text("source_file")?,
            index: read::int(&batch, "source_index")?.clone(),
            is_loaded: false,
            bytes: batch.columns().iter().map(|column| column.to_data().get_slice_memory_size()).sum::<Result<_, _>>()?,
            batch,
        })
    }

    /// A batch of the dataset.
    pub(super) fn loaded(batch: RecordBatch) -> Result<Self> {
        Ok(Self { is_loaded: true, ..Self::new(batch)? })
    }

    /// A batch in any order, of any days.
    pub(super) fn sort(batch: RecordBatch) -> Result<Self> {
        let mut sorted = Self::new(batch)?;
        let rows = u32::try_from(sorted.batch.num_rows()).map_err(|error| Error::Internal(error.to_string()))?;
        let mut keys: Vec<(i64, u64, u32)> = (0..rows).map(|row| (sorted.time(row), sorted.id_prefix(row), row)).collect();
        keys.sort_unstable_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)).then_with(|| sorted.compare(a.2, &sorted, b.2)));
        sorted.order = Some(keys.into_iter().map(|(_, _, row)| row).collect());
        Ok(sorted)
    }

    /// The days of the rows, and at which places of the order each begins and ends.
    pub(super) fn days(&self) -> Vec<(i32, Range<usize>)> {
        let mut days: Vec<(i32, Range<usize>)> = Vec::new();
        for (place, row) in (0..).map_while(|place| Some((place, self.at(place)?))) {
            let day = day_of(self.time(row));
            match days.last_mut() {
                Some((last, places)) if *last == day => places.end = place + 1,
                _ => days.push((day, place..place + 1)),
            }
        }
        days
    }

    /// The rows at those places, in order.
    pub(super) fn rows(&self, places: Range<usize>) -> impl Iterator<Item = usize> + '_ {
        places.filter_map(|place| self.at(place)).map(|row| row as usize)
    }

    /// The rows.
    pub(super) fn batch(&self) -> &RecordBatch {
        &self.batch
    }

    /// The row at a place of the order.
    pub(super) fn at(&self, place: usize) -> Option<u32> {
        match &self.order {
            Some(order) => order.get(place).copied(),
            None => u32::try_from(place).ok().filter(|_| place < self.batch.num_rows()),
        }
    }

    /// About how much memory they take: the columns, and for each row its place in the order and the beginning of its id.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.batch.num_rows() * (size_of::<u32>() + size_of::<u64>())
    }

    /// About how many bytes a row has.
    pub(super) fn row_bytes(&self) -> usize {
        self.bytes / self.batch.num_rows().max(1) + 1
    }

    fn time(&self, row: u32) -> i64 {
        self.time.values().get(row as usize).copied().unwrap_or_default()
    }

    fn id_prefix(&self, row: u32) -> u64 {
        self.id_prefixes.get(row as usize).copied().unwrap_or_default()
    }

    fn compare(&self, row: u32, other: &Self, other_row: u32) -> Ordering {
        self.compare_identity(row, other, other_row)
            .then_with(|| self.file.get(row as usize).cmp(&other.file.get(other_row as usize)))
            .then_with(|| self.index.values().get(row as usize).cmp(&other.index.values().get(other_row as usize)))
    }

    fn compare_identity(&self, row: u32, other: &Self, other_row: u32) -> Ordering {
        let texts = self.identity.iter().zip(&other.identity);
        texts.fold(self.time(row).cmp(&other.time(other_row)), |so_far, (a, b)| {
            so_far.then_with(|| a.get(row as usize).cmp(&b.get(other_row as usize)))
        })
    }
}

/// A place in a file, and the time of the event there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlaceInFile {
    pub(super) file: String,
    pub(super) index: u64,
    /// Microseconds since 1970.
    pub(super) time: i64,
}

/// How parameters begin that were left out, by CloudTrail or since a table prints them so that they cannot be told apart.
const OMITTED: &str = r#"{"omitted":true"#;

/// The first eight bytes of a text, as a number that is ordered as they are.
fn prefix(text: &str) -> u64 {
    let bytes = text.as_bytes();
    u64::from_be_bytes(bytes.first_chunk().copied().unwrap_or_else(|| {
        let mut prefix = [0; 8];
        prefix.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        prefix
    }))
}

/// A row of a [`Sorted`]; ordered as the dataset is.
#[derive(Debug, Clone)]
pub(super) struct Row {
    time: i64,
    id_prefix: u64,
    row: u32,
    from: Arc<Sorted>,
}

impl Row {
    /// A row.
    pub(super) fn new(from: &Arc<Sorted>, row: u32) -> Self {
        Self { time: from.time(row), id_prefix: from.id_prefix(row), row, from: Arc::clone(from) }
    }

    /// The rows that it is one of.
    pub(super) fn sorted(&self) -> &Arc<Sorted> {
        &self.from
    }

    /// Its number there.
    pub(super) fn row(&self) -> usize {
        self.row as usize
    }

    /// Microseconds since 1970.
    pub(super) fn time(&self) -> i64 {
        self.time
    }

    /// The event id.
    pub(super) fn id(&self) -> &str {
        let [id, ..] = &self.from.identity;
        id.get(self.row()).unwrap_or_default()
    }

    /// The recipient account.
    pub(super) fn account(&self) -> Option<&str> {
        let [_, account, ..] = &self.from.identity;
        account.get(self.row())
    }

    /// What tells which other rows it repeats.
    pub(super) fn mark(&self, mark: Mark) -> Option<&str> {
        self.from.marks.get(mark as usize)?.get(self.row())
    }

    /// Whether the rows have one time and id.
    pub(super) fn has_id_of(&self, other: &Self) -> bool {
        (self.time, self.id_prefix) == (other.time, other.id_prefix) && self.id() == other.id()
    }

    /// Whether the rows are one event: id, recipient account and fingerprint.
    pub(super) fn is_same_event(&self, other: &Self) -> bool {
        self.from.compare_identity(self.row, &other.from, other.row).is_eq()
    }

    /// Whether the row comes from a form that leaves out who called and with what, or what came of it.
    pub(super) fn is_poor(&self) -> bool {
        let is_there = |name: &str| Texts::of(self.from.batch(), name).is_ok_and(|texts| texts.get(self.row()).is_some());
        !(self.is_complete() || (is_there("identity_type") && is_there("outcome") && self.is_replayable()))
    }

    /// Whether it tells who called, and all else without which nothing can be decided.
    fn is_replayable(&self) -> bool {
        self.mark(Mark::NotReplayable) != Some("no_identity")
    }

    /// How many context keys are listed whose value is not told.
    fn untold_keys(&self) -> usize {
        let context = read::map(self.from.batch(), "request_context").ok().filter(|context| context.is_valid(self.row()));
        context.map_or(0, |context| context.value(self.row()).column(1).null_count())
    }

    /// Whether all is known of the request that policies may ask for.
    fn is_complete(&self) -> bool {
        let flags = read::flag(self.from.batch(), "request_context_complete");
        flags.is_ok_and(|flags| flags.is_valid(self.row()) && flags.value(self.row()))
    }

    /// Whether the row comes from the dataset, and not from a log.
    pub(super) fn is_loaded(&self) -> bool {
        self.from.is_loaded
    }

    /// Whether it stands there.
    pub(super) fn stands_at(&self, place: &PlaceInFile) -> bool {
        let index = self.from.index.values().get(self.row()).and_then(|index| u64::try_from(*index).ok());
        self.time == place.time && index == Some(place.index) && self.from.file.get(self.row()) == Some(&place.file)
    }

    /// Whether of two rows of one event this one stays: what tells more. Of others that stays which has the smallest file and
    /// index.
    pub(super) fn is_better_than(&self, other: &Self) -> bool {
        self.tells() > other.tells()
    }

    /// How much the row tells, to compare it with another one of the same event: a form that leaves something out tells less.
    fn tells(&self) -> (bool, bool, Reverse<usize>, bool, usize) {
        let batch = self.from.batch();
        let schema = batch.schema();
        let is_told = |(field, column): &(&FieldRef, &ArrayRef)| match field.name().as_str() {
            "not_replayable" => false,
            "request_parameters" => {
                let text = Texts::new(column);
                text.as_ref().and_then(|texts| texts.get(self.row())).is_some_and(|text| !text.starts_with(OMITTED))
            }
            _ => column.is_valid(self.row()),
        };
        let told = schema.fields().iter().zip(batch.columns()).filter(is_told).count();
        (!self.is_poor(), self.is_replayable(), Reverse(self.untold_keys()), self.is_complete(), told)
    }

    /// Event source and name.
    pub(super) fn call(&self) -> [Option<&str>; 2] {
        let [_, _, source, name, ..] = &self.from.identity;
        [source.get(self.row()), name.get(self.row())]
    }
}

impl Ord for Row {
    fn cmp(&self, other: &Self) -> Ordering {
        let keys = (self.time, self.id_prefix).cmp(&(other.time, other.id_prefix));
        keys.then_with(|| self.from.compare(self.row, &other.from, other.row))
    }
}

impl PartialOrd for Row {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Row {}
