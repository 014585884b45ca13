//! The columns of an events batch, and one row of them. The columns note what is read of a row, so that what was worked
//! out of one row can be used for every other that agrees in it ([`super::memo`]).

use std::cell::Cell;

use arrow::array::{Array, AsArray, BooleanArray, ListArray, MapArray, TimestampMicrosecondArray};

use super::codes::Codes;
use crate::error::{Error, Result};
use crate::frame::{EventRows, Flag, Grain, Text, Texts, read};

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

/// The columns of some events, those that were loaded. Each has a value for each event, for each caller or for each call, as
/// its [`Grain`] says.
pub(super) struct EventColumns<'r> {
    rows: &'r EventRows,
    callers: &'r [u32],
    calls: &'r [u32],
    text: [Option<Texts>; Text::NAMES.len()],
    /// The numbers of the columns that are compared, row by row.
    numbers: [Option<Vec<u32>>; Text::NAMES.len()],
    flags: [Option<BooleanArray>; Flag::NAMES.len()],
    event_time: TimestampMicrosecondArray,
    session_created: Option<TimestampMicrosecondArray>,
    more_checks: Option<ListArray>,
    request_context: Option<MapArray>,
    /// The fields that were read since the trace was begun.
    trace: Cell<u64>,
    /// The fields that were read and are not loaded.
    missed: Cell<u64>,
}

impl<'r> EventColumns<'r> {
    /// The columns of some events.
    pub(super) fn new(rows: &'r EventRows) -> Result<Self> {
        let mut text = [const { None }; Text::NAMES.len()];
        for ((slot, column), name) in text.iter_mut().zip(Text::ALL).zip(Text::NAMES) {
            let batch = rows.batch(Grain::of_text(column));
            if batch.column_by_name(name).is_some() {
                *slot = Some(Texts::of(batch, name)?);
            }
        }
        let mut flags = [const { None }; Flag::NAMES.len()];
        for ((slot, column), name) in flags.iter_mut().zip(Flag::ALL).zip(Flag::NAMES) {
            let batch = rows.batch(Grain::of_flag(column));
            if batch.column_by_name(name).is_some() {
                *slot = Some(read::flag(batch, name)?.clone());
            }
        }
        let (callers, calls) = (rows.batch(Grain::Caller), rows.batch(Grain::Call));
        let of_calls = |name: &str| calls.column_by_name(name).is_some();
        let has_created = callers.column_by_name("session_created").is_some();
        Ok(Self {
            rows,
            callers: rows.numbers(Grain::Caller),
            calls: rows.numbers(Grain::Call),
            text,
            numbers: [const { None }; Text::NAMES.len()],
            flags,
            event_time: read::time(&rows.events, "event_time")?.clone(),
            session_created: has_created.then(|| read::time(callers, "session_created").cloned()).transpose()?,
            more_checks: of_calls("more_checks").then(|| read::list(calls, "more_checks").cloned()).transpose()?,
            request_context: of_calls("request_context").then(|| read::map(calls, "request_context").cloned()).transpose()?,
            trace: Cell::new(0),
            missed: Cell::new(0),
        })
    }

    /// Numbers the texts, but for those that nothing compares.
    pub(super) fn number(&mut self, codes: &mut Codes) -> Result<()> {
        for ((column, texts), numbers) in Text::ALL.into_iter().zip(&self.text).zip(&mut self.numbers) {
            if let Some(texts) = texts.as_ref().filter(|_| !matches!(column, Text::EventId | Text::AccessKeyId)) {
                *numbers = Some(codes.texts(column, texts)?);
            }
        }
        Ok(())
    }

    /// Whether what requests say beside their parameters was loaded.
    pub(super) fn has_request_context(&self) -> bool {
        self.request_context.is_some() && self.flags.get(Flag::RequestContextComplete as usize).is_some_and(Option::is_some)
    }

    /// How many events there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// One event, as the log has it.
    #[inline]
    pub(super) fn row(&self, row: usize) -> EventView<'_> {
        let [caller, call] = [self.callers, self.calls].map(|numbers| numbers.get(row).map_or(usize::MAX, |number| *number as usize));
        EventView { columns: self, row, caller, call, asked_by: AskedBy::default(), tag_moment: 0 }
    }

    /// `event_time` of each event.
    pub(super) fn times(&self) -> &[i64] {
        self.event_time.values()
    }

    /// The numbers of each event's caller and call.
    pub(super) fn numbers(&self) -> impl Iterator<Item = (&u32, &u32)> {
        self.callers.iter().zip(self.calls)
    }

    /// [`EventView::text_code`] of each event.
    pub(super) fn codes_of(&self, column: Text) -> Vec<u32> {
        match self.numbers.get(column as usize).and_then(Option::as_ref) {
            Some(numbers) if Grain::of_text(column) == Grain::Event => numbers.clone(),
            _ => (0..self.len()).map(|row| self.row(row).text_code(column)).collect(),
        }
    }

    /// The first event of each caller, in the order of their numbers.
    pub(super) fn first_of_callers(&self) -> impl Iterator<Item = EventView<'_>> {
        self.rows.firsts(Grain::Caller).iter().map(|row| self.row(*row as usize))
    }

    /// The first event of each call, in the order of their numbers.
    pub(super) fn first_of_calls(&self) -> impl Iterator<Item = EventView<'_>> {
        self.rows.firsts(Grain::Call).iter().map(|row| self.row(*row as usize))
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
    columns: &'b EventColumns<'b>,
    row: usize,
    caller: usize,
    call: usize,
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

    /// Where its value stands in columns of a grain.
    #[inline]
    pub(super) fn place(&self, grain: Grain) -> usize {
        match grain {
            Grain::Event => self.row,
            Grain::Caller => self.caller,
            Grain::Call => self.call,
        }
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
        texts.get(self.place(Grain::of_text(column)))
    }

    pub(super) fn flag(&self, column: Flag) -> Option<bool> {
        self.reads(Field::Flag(column));
        let Some(values) = self.columns.flags.get(column as usize).and_then(Option::as_ref) else {
            self.misses(Field::Flag(column));
            return None;
        };
        value_at(values, self.place(Grain::of_flag(column)))
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
        let is_there = self.caller < values.len() && values.is_valid(self.caller);
        is_there.then(|| values.value(self.caller))
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
        self.call < checks.len() && checks.value_length(self.call) > 0
    }

    pub(super) fn checks(&self) -> Vec<CheckRow> {
        if !self.has_checks() {
            return Vec::new();
        }
        let Some(values) = self.columns.more_checks.as_ref().map(|checks| checks.value(self.call)) else { return Vec::new() };
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
        context.is_some_and(|context| self.call < context.len() && context.is_valid(self.call) && context.value_length(self.call) > 0)
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
        let entries = context.value(self.call);
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
        let place = self.place(Grain::of_text(column));
        let numbers = self.columns.numbers.get(column as usize).and_then(Option::as_ref);
        numbers.and_then(|numbers| numbers.get(place)).copied().unwrap_or_else(|| {
            self.misses(Field::Text(column));
            0
        })
    }
}

fn value_at(flags: &BooleanArray, place: usize) -> Option<bool> {
    (place < flags.len() && flags.is_valid(place)).then(|| flags.value(place))
}
