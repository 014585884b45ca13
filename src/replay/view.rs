//! The columns of an events batch, and one row of them. The columns note what is read of a row, so that what was worked
//! out of one row can be used for every other that agrees in it ([`super::memo`]).

use std::cell::Cell;
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, ListArray, MapArray, RecordBatch, TimestampMicrosecondArray};

use super::codes::Codes;
use crate::error::{Error, Result};
use crate::frame::{Flag, Text, Texts, read};

/// What can be read of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Text(Text),
    Flag(Flag),
    /// `session_created`.
    SessionCreated,
    /// Whether there is a `session_created`.
    HasSessionCreated,
    /// `event_time`, as far as policies tell times apart.
    Time,
    /// The time between `session_created` and `event_time`, as far as policies tell ages apart.
    Age,
    /// `more_checks`.
    Checks,
    /// `request_context`.
    RequestContext,
    /// The kind of access key.
    KeyKind,
    /// Whether the session is named after an instance.
    InstanceSession,
    /// Who made the call, as the policy files have it.
    Principal,
    /// What the log tells of the session.
    Session,
    /// When it was, as far as the tags of the resource differ.
    TagMoment,
}

/// The fields that are neither texts nor flags, in the order of their bits.
const OTHERS: [Field; 11] = [
    Field::SessionCreated,
    Field::HasSessionCreated,
    Field::Time,
    Field::Age,
    Field::Checks,
    Field::RequestContext,
    Field::KeyKind,
    Field::InstanceSession,
    Field::Principal,
    Field::Session,
    Field::TagMoment,
];

const FLAGS_AT: usize = Text::NAMES.len();
const OTHERS_AT: usize = FLAGS_AT + Flag::NAMES.len();

impl Field {
    /// A set of fields that holds this one.
    pub(super) fn bit(self) -> u64 {
        let at = match self {
            Self::Text(text) => text as usize,
            Self::Flag(flag) => FLAGS_AT + flag as usize,
            other => OTHERS_AT + OTHERS.iter().position(|known| *known == other).unwrap_or_default(),
        };
        1 << at
    }

    /// Whether the numbers of the field count from zero, and fit 32 bits.
    pub(super) fn is_counted(self) -> bool {
        !matches!(self, Self::SessionCreated | Self::Time | Self::Age)
    }

    /// The fields of a set.
    pub(super) fn all_of(set: u64) -> Vec<Self> {
        let texts = Text::ALL.into_iter().map(Self::Text);
        texts.chain(Flag::ALL.into_iter().map(Self::Flag)).chain(OTHERS).filter(|field| set & field.bit() != 0).collect()
    }
}

/// The kinds of access keys, by their first letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyKind {
    /// `AKIA`
    LongTerm,
    /// `ASIA`
    Temporary,
    /// Another, or none.
    Other,
}

/// A further check of an event, as its row has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct CheckRow {
    pub(super) action: String,
    pub(super) resource: Option<String>,
    pub(super) source: String,
}

/// The numbers of a column's texts.
#[derive(Default)]
enum Numbers {
    /// It is not compared.
    #[default]
    None,
    /// Row by row.
    Rows(Vec<u32>),
    /// Code by code, for columns that are looked at in few rows.
    Values(Arc<Vec<u32>>),
}

/// The columns that are looked at in every row.
const EVERY_ROW: [Text; 9] = [
    Text::Action,
    Text::Resource,
    Text::MappingSource,
    Text::Region,
    Text::AccountId,
    Text::Outcome,
    Text::DeniedBy,
    Text::ResourceSource,
    Text::SourceFile,
];

/// The columns of a batch, those that were loaded.
pub(super) struct EventColumns {
    text: [Option<Texts>; Text::NAMES.len()],
    /// The numbers of the columns that are compared.
    numbers: [Numbers; Text::NAMES.len()],
    flags: [Option<BooleanArray>; Flag::NAMES.len()],
    event_time: TimestampMicrosecondArray,
    session_created: Option<TimestampMicrosecondArray>,
    more_checks: Option<ListArray>,
    request_context: Option<MapArray>,
    rows: usize,
    /// The fields that were read since the trace was begun.
    trace: Cell<u64>,
    /// The fields that were read and are not loaded.
    missed: Cell<u64>,
}

impl EventColumns {
    /// The event columns of a batch.
    pub(super) fn new(batch: &RecordBatch) -> Result<Self> {
        let has = |name: &str| batch.column_by_name(name).is_some();
        let mut text = [const { None }; Text::NAMES.len()];
        for (slot, name) in text.iter_mut().zip(Text::NAMES).filter(|(_, name)| has(name)) {
            *slot = Some(Texts::of(batch, name)?);
        }
        let mut flags = [const { None }; Flag::NAMES.len()];
        for (slot, name) in flags.iter_mut().zip(Flag::NAMES).filter(|(_, name)| has(name)) {
            *slot = Some(read::flag(batch, name)?.clone());
        }
        Ok(Self {
            text,
            numbers: [const { Numbers::None }; Text::NAMES.len()],
            flags,
            event_time: read::time(batch, "event_time")?.clone(),
            session_created: has("session_created").then(|| read::time(batch, "session_created").cloned()).transpose()?,
            more_checks: has("more_checks").then(|| read::list(batch, "more_checks").cloned()).transpose()?,
            request_context: has("request_context").then(|| read::map(batch, "request_context").cloned()).transpose()?,
            rows: batch.num_rows(),
            trace: Cell::new(0),
            missed: Cell::new(0),
        })
    }

    /// Numbers the texts, but for those that nothing compares.
    pub(super) fn number(&mut self, codes: &mut Codes) -> Result<()> {
        for ((column, texts), numbers) in Text::ALL.into_iter().zip(&self.text).zip(&mut self.numbers) {
            if let Some(texts) = texts.as_ref().filter(|_| !matches!(column, Text::EventId | Text::AccessKeyId)) {
                *numbers = match texts {
                    Texts::Coded(_, values) if !EVERY_ROW.contains(&column) => Numbers::Values(codes.values(column, values)?),
                    texts => Numbers::Rows(codes.texts(column, texts)?),
                };
            }
        }
        Ok(())
    }

    /// The numbers of columns that are looked at in every row.
    ///
    /// # Errors
    /// [`Error::Internal`] if one of them was not loaded.
    pub(super) fn rows_of<const N: usize>(&self, columns: [Text; N]) -> Result<[&[u32]; N]> {
        let mut rows = [&[][..]; N];
        for (rows, column) in rows.iter_mut().zip(columns) {
            let Some(Numbers::Rows(numbers)) = self.numbers.get(column as usize) else {
                return Err(Error::Internal(format!("{column:?} was asked for and not loaded")));
            };
            *rows = numbers;
        }
        Ok(rows)
    }

    /// Whether what requests say beside their parameters was loaded.
    pub(super) fn has_request_context(&self) -> bool {
        self.request_context.is_some() && self.flags.get(Flag::RequestContextComplete as usize).is_some_and(Option::is_some)
    }

    /// Rows.
    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// One event, as the log has it.
    pub(super) fn row(&self, row: usize) -> EventView<'_> {
        EventView { columns: self, row, asked_by: AskedBy::default(), tag_moment: 0 }
    }

    /// Adds what a flag is in each row to the numbers of the rows.
    pub(super) fn add_flag(&self, flag: Flag, numbers: &mut [u32]) {
        let Some(flags) = self.flags.get(flag as usize).and_then(Option::as_ref) else { return };
        for (number, flag) in numbers.iter_mut().zip(flags) {
            *number = *number * 3 + flag.map_or(2, u32::from);
        }
    }

    /// `session_created` of a row, for what is counted; the least number for none.
    #[inline]
    pub(super) fn created(&self, row: usize) -> i64 {
        let created = self.session_created.as_ref().filter(|created| created.is_valid(row));
        created.map_or(i64::MIN, |created| created.values().get(row).copied().unwrap_or_default())
    }

    /// A text column.
    pub(super) fn texts(&self, column: Text) -> Option<&Texts> {
        self.text.get(column as usize).and_then(Option::as_ref)
    }

    /// Runs `work`, and says which fields it read.
    pub(super) fn traced<T>(&self, work: impl FnOnce() -> T) -> (T, u64) {
        let before = self.trace.replace(0);
        let result = work();
        let read = self.trace.replace(before);
        self.trace.set(before | read);
        (result, read)
    }

    /// # Errors
    /// [`Error::Internal`] if a rule has asked for a column that was not loaded: its answer would be a guess.
    pub(super) fn assert_loaded(&self) -> Result<()> {
        match self.missed.get() {
            0 => Ok(()),
            missed => Err(Error::Internal(format!("{:?} were asked for and not loaded", Field::all_of(missed)))),
        }
    }
}

/// One event.
#[derive(Clone, Copy)]
pub(super) struct EventView<'b> {
    columns: &'b EventColumns,
    row: usize,
    asked_by: AskedBy,
    tag_moment: u32,
}

/// Who asks, by numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct AskedBy {
    /// The principal.
    pub(super) principal: u32,
    /// The session, from 1, if the log tells of it.
    pub(super) session: u32,
}

impl<'b> EventView<'b> {
    /// The event of a principal.
    pub(super) fn asked_by(self, asked_by: AskedBy) -> Self {
        Self { asked_by, ..self }
    }

    /// The event at a moment of the tags of its resource.
    pub(super) fn at_tag_moment(self, tag_moment: u32) -> Self {
        Self { tag_moment, ..self }
    }

    /// The number of the session.
    pub(super) fn session(&self) -> u32 {
        self.reads(Field::Session);
        self.asked_by.session
    }

    /// `event_time`, for what depends on it only as far as the tags of the resource differ.
    pub(super) fn time_for_tags(&self) -> i64 {
        self.reads(Field::TagMoment);
        self.time()
    }

    /// A text, for what is looked up by it and noted otherwise.
    pub(super) fn looked_up(&self, column: Text) -> Option<&'b str> {
        self.untraced_text(column)
    }

    /// Its row.
    pub(super) fn at(&self) -> usize {
        self.row
    }

    /// Runs `work`, and says which fields it read.
    pub(super) fn traced<T>(&self, work: impl FnOnce() -> T) -> (T, u64) {
        self.columns.traced(work)
    }

    /// Notes that a field is read.
    pub(super) fn reads(&self, field: Field) {
        self.columns.trace.set(self.columns.trace.get() | field.bit());
    }

    fn misses(&self, field: Field) {
        self.columns.missed.set(self.columns.missed.get() | field.bit());
    }

    pub(super) fn text(&self, column: Text) -> Option<&'b str> {
        self.reads(Field::Text(column));
        self.untraced_text(column)
    }

    fn untraced_text(&self, column: Text) -> Option<&'b str> {
        let Some(texts) = self.columns.texts(column) else {
            self.misses(Field::Text(column));
            return None;
        };
        texts.get(self.row)
    }

    pub(super) fn flag(&self, column: Flag) -> Option<bool> {
        self.reads(Field::Flag(column));
        let Some(values) = self.columns.flags.get(column as usize).and_then(Option::as_ref) else {
            self.misses(Field::Flag(column));
            return None;
        };
        values.is_valid(self.row).then(|| values.value(self.row))
    }

    /// `event_time`, for what is counted: rules see it as [`Self::time_for_rules`].
    pub(super) fn time(&self) -> i64 {
        self.columns.event_time.values().get(self.row).copied().unwrap_or_default()
    }

    /// `event_time`, for rules whose answers depend on it only as far as policies tell times apart.
    pub(super) fn time_for_rules(&self) -> i64 {
        self.reads(Field::Time);
        self.time()
    }

    pub(super) fn session_created(&self) -> Option<i64> {
        self.reads(Field::SessionCreated);
        self.created()
    }

    pub(super) fn has_session_created(&self) -> bool {
        self.reads(Field::HasSessionCreated);
        self.created().is_some()
    }

    /// `session_created`, for what is counted.
    pub(super) fn created(&self) -> Option<i64> {
        let Some(values) = &self.columns.session_created else {
            self.misses(Field::SessionCreated);
            return None;
        };
        values.is_valid(self.row).then(|| values.value(self.row))
    }

    /// Whole seconds from the creation of the session to the event, for rules whose answers depend on it only as far as
    /// policies tell ages apart.
    pub(super) fn age(&self) -> Option<i64> {
        self.reads(Field::Age);
        self.created().map(|created| (self.time() - created).max(0) / 1_000_000)
    }

    pub(super) fn key_kind(&self) -> KeyKind {
        self.reads(Field::KeyKind);
        match self.untraced_text(Text::AccessKeyId) {
            Some(key) if key.starts_with("AKIA") => KeyKind::LongTerm,
            Some(key) if key.starts_with("ASIA") => KeyKind::Temporary,
            _ => KeyKind::Other,
        }
    }

    /// Whether the session is that of an instance, by its name.
    pub(super) fn is_instance_session(&self) -> bool {
        self.reads(Field::InstanceSession);
        self.untraced_text(Text::SessionName).is_some_and(|name| name.starts_with("i-"))
    }

    /// Whether it is a data event.
    pub(super) fn is_data(&self) -> bool {
        self.text(Text::EventCategory) == Some("Data")
    }

    /// Whether the event has further checks.
    pub(super) fn has_checks(&self) -> bool {
        self.reads(Field::Checks);
        let Some(checks) = &self.columns.more_checks else {
            self.misses(Field::Checks);
            return false;
        };
        checks.value_length(self.row) > 0
    }

    pub(super) fn checks(&self) -> Vec<CheckRow> {
        if !self.has_checks() {
            return Vec::new();
        }
        let Some(values) = self.columns.more_checks.as_ref().map(|checks| checks.value(self.row)) else { return Vec::new() };
        let Some(rows) = values.as_struct_opt() else { return Vec::new() };
        let text = |name: &str, row: usize| read::field(rows, name).and_then(|column| read::get(column, row)).map(str::to_owned);
        let one = |row: usize| CheckRow {
            action: text("action", row).unwrap_or_default(),
            resource: text("resource", row),
            source: text("source", row).unwrap_or_default(),
        };
        (0..rows.len()).map(one).collect()
    }

    /// A key of the request's own context: `None` if it is not listed, `Some(None)` if its value is unknown.
    pub(super) fn request_key(&self, key: &str) -> Option<Option<Vec<String>>> {
        self.request_context().into_iter().find(|(known, _)| known == key).map(|(_, values)| values)
    }

    fn has_request_context(&self) -> bool {
        let context = self.columns.request_context.as_ref();
        context.is_some_and(|context| context.is_valid(self.row) && context.value_length(self.row) > 0)
    }

    /// The request's own context: keys and their values, `None` where they are unknown.
    fn request_context(&self) -> Vec<(String, Option<Vec<String>>)> {
        self.reads(Field::RequestContext);
        let Some(context) = &self.columns.request_context else {
            self.misses(Field::RequestContext);
            return Vec::new();
        };
        if !self.has_request_context() {
            return Vec::new();
        }
        let entries = context.value(self.row);
        let (Some(keys), Some(values)) = (entries.column(0).as_string_opt::<i32>(), entries.column(1).as_list_opt::<i32>()) else {
            return Vec::new();
        };
        let value = |at| values.is_valid(at).then(|| read::texts(&values.value(at)));
        (0..entries.len()).filter_map(|at| Some((read::get(keys, at)?.to_owned(), value(at)))).collect()
    }

    /// A number that two events have in common where they agree in a field.
    #[inline]
    pub(super) fn code(&self, field: Field, codes: &mut Codes) -> Result<u64> {
        const NONE: u64 = u64::MAX;
        Ok(match field {
            Field::Text(column) => u64::from(self.text_code(column)),
            Field::Flag(column) => self.flag(column).map_or(2, u64::from),
            Field::SessionCreated => self.created().map_or(NONE, i64::cast_unsigned),
            Field::HasSessionCreated => u64::from(self.created().is_some()),
            Field::Time => codes.time(self.time()),
            Field::Age => self.age().map_or(NONE, |age| codes.age(age)),
            Field::Checks if !self.has_checks() => 0,
            Field::Checks => 1 + u64::from(codes.checks(&self.checks())?),
            Field::RequestContext if !self.has_request_context() => 0,
            Field::RequestContext => 1 + u64::from(codes.request_context(&self.request_context())?),
            Field::KeyKind => self.key_kind() as u64,
            Field::InstanceSession => u64::from(self.is_instance_session()),
            Field::Principal => u64::from(self.asked_by.principal),
            Field::Session => u64::from(self.asked_by.session),
            Field::TagMoment => u64::from(self.tag_moment),
        })
    }

    /// [`Self::code`] of a text; 0 for none.
    #[inline]
    pub(super) fn text_code(&self, column: Text) -> u32 {
        let number = match self.columns.numbers.get(column as usize) {
            Some(Numbers::Rows(numbers)) => numbers.get(self.row).copied(),
            Some(Numbers::Values(numbers)) => match self.columns.texts(column).and_then(|texts| texts.code(self.row)) {
                Some(code) => numbers.get(code as usize).copied(),
                None => Some(0),
            },
            _ => None,
        };
        number.unwrap_or_else(|| {
            self.misses(Field::Text(column));
            0
        })
    }
}
