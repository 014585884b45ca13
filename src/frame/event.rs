//! Event rows into columns.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use arrow::array::{
    ArrayBuilder as _, ArrayRef, BooleanBuilder, Int64Builder, ListBuilder, MapBuilder, MapFieldNames, RecordBatch, StringBuilder,
    StructBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::callers::{Caller, Callers};
use super::codes::NULL;
use super::rows_writer::coded_fields;
use super::schema::{MAPPED, check_fields};
use super::texts::CodedBuilder;
use crate::error::Result;

macro_rules! names {
    ($(#[$doc:meta])* $kind:ident { $($variant:ident = $name:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the names are those of the columns, which the interface describes")]
        pub enum $kind { $($variant),* }

        impl $kind {
            /// Column names, in the order of the variants.
            pub const NAMES: [&'static str; [$($name),*].len()] = [$($name),*];
            /// All of them, in order.
            pub const ALL: [Self; Self::NAMES.len()] = [$(Self::$variant),*];

            /// The one of a name.
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.into_iter().zip(Self::NAMES).find(|(_, known)| *known == name).map(|(column, _)| column)
            }
        }
    };
}

names! {
    /// The text columns of the events dataset.
    Text {
        EventId = "event_id", RequestId = "request_id", SharedEventId = "shared_event_id", AddendumOf = "addendum_of",
        EventVersion = "event_version", EventType = "event_type", EventCategory = "event_category",
        EventSource = "event_source", EventName = "event_name", Region = "region", AccountId = "account_id",
        PrincipalAccountId = "principal_account_id", IdentityType = "identity_type", PrincipalArn = "principal_arn",
        PrincipalId = "principal_id", SessionName = "session_name", SourceIdentity = "source_identity",
        SessionIssuerArn = "session_issuer_arn", FederatedProvider = "federated_provider", AccessKeyId = "access_key_id",
        IssuedAccessKeyId = "issued_access_key_id", InvokedBy = "invoked_by", SourceIp = "source_ip",
        VpcEndpointId = "vpc_endpoint_id", VpcEndpointAccountId = "vpc_endpoint_account_id", UserAgent = "user_agent",
        Tls = "tls", Outcome = "outcome", ErrorCode = "error_code", ErrorMessage = "error_message", DeniedBy = "denied_by",
        Action = "action", Resource = "resource", MappingSource = "mapping_source", ResourceSource = "resource_source",
        NotReplayable = "not_replayable", RequestParameters = "request_parameters", AccessChange = "access_change", SourceFile = "source_file",
    }
}

names! {
    /// The boolean columns of the events dataset.
    Flag {
        ReadOnly = "read_only", AssumedRoot = "assumed_root", ConsoleSession = "console_session", Mfa = "mfa",
        RequestContextComplete = "request_context_complete",
    }
}

/// A further check of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check<'a> {
    /// `prefix:Name`.
    pub action: Cow<'a, str>,
    /// As the column `resource`.
    pub resource: Option<Cow<'a, str>>,
    /// How it is known that it is made.
    pub source: &'static str,
}

/// One event, mapped.
#[derive(Debug, Clone)]
pub struct EventRow<'a> {
    /// The text columns, by [`Text`].
    pub text: [Option<Cow<'a, str>>; Text::NAMES.len()],
    /// The boolean columns, by [`Flag`].
    pub flags: [Option<bool>; Flag::NAMES.len()],
    /// Microseconds since 1970.
    pub event_time: i64,
    /// Microseconds since 1970.
    pub session_created: Option<i64>,
    /// Checks beside the event's own.
    pub more_checks: Vec<Check<'a>>,
    /// Context keys of the request in lower case, sorted; `None`: unknown value.
    pub request_context: Vec<(String, Option<Vec<String>>)>,
    /// Position in the file.
    pub source_index: i64,
    /// Who made the call, as a number: rows that have the same, but for 0, agree in all that is said of the caller.
    pub caller: u64,
}

impl Default for EventRow<'_> {
    fn default() -> Self {
        Self::new(0, 0)
    }
}

impl<'a> EventRow<'a> {
    /// The row of an event of which only the time and the place in its file are known.
    #[inline]
    pub fn new(event_time: i64, source_index: i64) -> Self {
        Self {
            text: [const { None }; Text::NAMES.len()],
            flags: [None; Flag::NAMES.len()],
            event_time,
            session_created: None,
            more_checks: Vec::new(),
            request_context: Vec::new(),
            source_index,
            caller: 0,
        }
    }

    /// Sets a text column.
    pub fn set(&mut self, column: Text, value: Option<impl Into<Cow<'a, str>>>) {
        if let Some(slot) = self.text.get_mut(column as usize) {
            *slot = value.map(Into::into);
        }
    }

    /// Sets a boolean column.
    pub fn flag(&mut self, column: Flag, value: Option<bool>) {
        if let Some(slot) = self.flags.get_mut(column as usize) {
            *slot = value;
        }
    }

    /// A text column.
    pub fn get(&self, column: Text) -> Option<&str> {
        self.text.get(column as usize).and_then(|value| value.as_deref())
    }
}

/// Text columns of which nearly every row has a value of its own.
const UNIQUE: [Text; 6] =
    [Text::EventId, Text::RequestId, Text::SharedEventId, Text::IssuedAccessKeyId, Text::RequestParameters, Text::AccessChange];

/// The columns of [`MAPPED`], the texts of which most stand in several rows as codes; a batch has codes as narrow as it can.
pub(super) static CODED: LazyLock<SchemaRef> = LazyLock::new(|| {
    let unique = UNIQUE.map(|column| Text::NAMES.get(column as usize).copied().unwrap_or_default());
    Arc::new(Schema::new(coded_fields(&MAPPED, &unique)))
});

/// Flags that say who made the call.
const OF_CALLER: [Flag; 2] = [Flag::AssumedRoot, Flag::Mfa];

/// Text columns that say who made the call; so do [`OF_CALLER`] and `session_created`.
const CALLER: [Text; Caller::TEXTS] = [
    Text::PrincipalAccountId,
    Text::IdentityType,
    Text::PrincipalArn,
    Text::PrincipalId,
    Text::SessionName,
    Text::SourceIdentity,
    Text::SessionIssuerArn,
    Text::FederatedProvider,
    Text::AccessKeyId,
    Text::InvokedBy,
];

#[derive(Debug)]
enum TextBuilder {
    Plain(StringBuilder),
    Coded(CodedBuilder),
    /// One of [`CALLER`].
    Caller(CodedBuilder),
}

/// Collects event rows into batches of the columns of [`MAPPED`], texts as [`super::Texts`].
#[derive(Debug)]
pub struct EventBuilder {
    text: Vec<TextBuilder>,
    flags: Vec<BooleanBuilder>,
    event_time: TimestampMicrosecondBuilder,
    session_created: TimestampMicrosecondBuilder,
    more_checks: ListBuilder<StructBuilder>,
    request_context: MapBuilder<StringBuilder, ListBuilder<StringBuilder>>,
    source_index: Int64Builder,
    callers: Callers,
    rows: usize,
    bytes: usize,
}

impl Default for EventBuilder {
    fn default() -> Self {
        let text = Text::ALL.map(|column| match (UNIQUE.contains(&column), CALLER.contains(&column)) {
            (true, _) => TextBuilder::Plain(StringBuilder::new()),
            (_, true) => TextBuilder::Caller(CodedBuilder::default()),
            _ => TextBuilder::Coded(CodedBuilder::default()),
        });
        Self::with_room(text.into(), Callers::default(), 0)
    }
}

impl EventBuilder {
    /// None yet, with room for so many rows.
    fn with_room(text: Vec<TextBuilder>, callers: Callers, rows: usize) -> Self {
        let time = || TimestampMicrosecondBuilder::with_capacity(rows).with_data_type(super::schema::timestamp());
        let names = MapFieldNames { entry: "key_value".into(), key: "key".into(), value: "value".into() };
        let checks = ListBuilder::with_capacity(StructBuilder::from_fields(check_fields(), 0), rows);
        let context = ListBuilder::new(StringBuilder::new());
        Self {
            text,
            flags: Flag::NAMES.iter().map(|_| BooleanBuilder::with_capacity(rows)).collect(),
            event_time: time(),
            session_created: time(),
            more_checks: checks.with_field(Field::new("item", DataType::Struct(check_fields()), true)),
            request_context: MapBuilder::with_capacity(Some(names), StringBuilder::new(), context, rows),
            source_index: Int64Builder::with_capacity(rows),
            callers,
            rows: 0,
            bytes: 0,
        }
    }

    /// Rows so far.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// About how many bytes of memory they take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a row with a caller of that number is there: what the next one says of the caller is not looked at then. It is asked
    /// for each row, in the order in which they are added, before it is and after the last [`Self::push_all`].
    pub fn has_caller(&mut self, caller: u64) -> bool {
        self.callers.stays(caller)
    }

    /// Adds a row.
    ///
    /// # Errors
    /// [`crate::Error::Columns`] if Arrow refuses, which would be a defect.
    pub fn push(&mut self, row: &EventRow<'_>) -> Result<()> {
        self.push_all(std::slice::from_ref(row))
    }

    /// Adds rows, column by column.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn push_all(&mut self, rows: &[EventRow<'_>]) -> Result<()> {
        for row in rows {
            self.push_caller(row)?;
        }
        self.callers.end_waiting();
        for (column, builder) in self.text.iter_mut().enumerate() {
            let values = rows.iter().map(|row| row.text.get(column).and_then(|value| value.as_deref()));
            match builder {
                TextBuilder::Plain(builder) => {
                    for value in values {
                        builder.append_option(value);
                        self.bytes += value.map_or(0, str::len);
                    }
                }
                TextBuilder::Coded(builder) => {
                    for value in values {
                        self.bytes += builder.push(value)?;
                    }
                }
                TextBuilder::Caller(_) => {}
            }
        }
        for (flag, builder) in Flag::ALL.into_iter().zip(&mut self.flags) {
            if !OF_CALLER.contains(&flag) {
                rows.iter().for_each(|row| builder.append_option(row.flags.get(flag as usize).copied().flatten()));
            }
        }
        for row in rows {
            self.event_time.append_value(row.event_time);
            self.source_index.append_value(row.source_index);
            self.push_nested(row)?;
        }
        // Times, flags, offsets.
        self.bytes += 96 * rows.len();
        self.rows += rows.len();
        Ok(())
    }

    /// Adds what a row says of its caller, or what another row of the same caller said.
    fn push_caller(&mut self, row: &EventRow<'_>) -> Result<()> {
        let known = self.callers.get(row.caller).copied();
        let mut caller = known.unwrap_or_else(|| {
            let [assumed_root, mfa] = OF_CALLER.map(|flag| row.flags.get(flag as usize).copied().flatten());
            Caller { codes: [NULL; Caller::TEXTS], assumed_root, mfa, session_created: row.session_created }
        });
        for (column, code) in CALLER.into_iter().zip(&mut caller.codes) {
            let Some(TextBuilder::Caller(builder)) = self.text.get_mut(column as usize) else { continue };
            if known.is_some() {
                self.bytes += builder.repeat(*code);
            } else {
                self.bytes += builder.push(row.get(column))?;
                *code = builder.last();
            }
        }
        if known.is_none() {
            self.callers.enter(row.caller, caller);
        }
        for (flag, value) in OF_CALLER.into_iter().zip([caller.assumed_root, caller.mfa]) {
            self.flags.get_mut(flag as usize).into_iter().for_each(|builder| builder.append_option(value));
        }
        self.session_created.append_option(caller.session_created);
        Ok(())
    }

    /// Adds the lists and maps of a row.
    fn push_nested(&mut self, row: &EventRow<'_>) -> Result<()> {
        for check in &row.more_checks {
            self.bytes += 32 + check.action.len() + check.resource.as_ref().map_or(0, |resource| resource.len());
            let values = self.more_checks.values();
            let texts = [Some(check.action.as_ref()), check.resource.as_deref(), Some(check.source)];
            for (field, text) in texts.into_iter().enumerate() {
                if let Some(builder) = values.field_builder::<StringBuilder>(field) {
                    builder.append_option(text);
                }
            }
            values.append(true);
        }
        self.more_checks.append(true);
        for (key, value) in &row.request_context {
            self.request_context.keys().append_value(key);
            self.bytes += key.len() + value.iter().flatten().map(|text| text.len() + 8).sum::<usize>();
            match value {
                Some(texts) => self.request_context.values().append_value(texts.iter().map(Some)),
                None => self.request_context.values().append_null(),
            }
        }
        self.request_context.append(true)?;
        Ok(())
    }

    /// The rows as a batch; the builder is empty after.
    ///
    /// # Errors
    /// [`crate::Error::Columns`] if Arrow refuses, which would be a defect.
    pub fn finish(&mut self) -> Result<RecordBatch> {
        let (text, mut callers) = (std::mem::take(&mut self.text), std::mem::take(&mut self.callers));
        callers.clear();
        let next = Self::with_room(text, callers, more_than(self.rows));
        let mut done = std::mem::replace(self, next);
        let mut fields = Vec::with_capacity(MAPPED.fields().len());
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(MAPPED.fields().len());
        for field in MAPPED.fields() {
            let name = field.name().as_str();
            let column: ArrayRef = match name {
                "event_time" => Arc::new(done.event_time.finish()),
                "session_created" => Arc::new(done.session_created.finish()),
                "more_checks" => Arc::new(done.more_checks.finish()),
                "request_context" => Arc::new(done.request_context.finish()),
                "source_index" => Arc::new(done.source_index.finish()),
                _ => match (Text::named(name), Flag::named(name)) {
                    (Some(text), _) => self.text_column(text)?,
                    (_, Some(flag)) => done.flags.get_mut(flag as usize).map(|flags| Arc::new(flags.finish()) as ArrayRef),
                    _ => None,
                }
                .ok_or_else(|| crate::Error::Internal(format!("the events table has no builder for column `{name}`")))?,
            };
            fields.push(Field::new(name, column.data_type().clone(), true));
            columns.push(column);
        }
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
    }

    fn text_column(&mut self, column: Text) -> Result<Option<ArrayRef>> {
        Ok(match self.text.get_mut(column as usize) {
            Some(TextBuilder::Plain(builder)) => {
                let next = StringBuilder::with_capacity(more_than(builder.len()), more_than(builder.values_slice().len()));
                Some(Arc::new(std::mem::replace(builder, next).finish()))
            }
            Some(TextBuilder::Coded(builder) | TextBuilder::Caller(builder)) => Some(builder.finish()?),
            None => None,
        })
    }
}

/// Room for the next batch, which is about as large: growing to it step by step would copy and touch twice the memory.
fn more_than(size: usize) -> usize {
    size / 4 * 5
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _};

    use super::*;

    /// A row of a caller, which says all of it, or where it is known already nothing.
    fn row(caller: u64, number: i64, says_all: bool) -> EventRow<'static> {
        let mut row = EventRow::new(number, number);
        row.set(Text::EventName, Some(format!("Call{}", number % 3)));
        if says_all {
            for (at, column) in CALLER.into_iter().enumerate() {
                let is_there = caller as usize >> (at % 3) & 1 == 1;
                row.set(column, is_there.then(|| format!("{at} of {caller}")));
            }
            row.flag(Flag::Mfa, [None, Some(true), Some(false)].get(caller as usize % 3).copied().flatten());
            row.flag(Flag::AssumedRoot, caller.is_multiple_of(2).then_some(true));
            row.session_created = (!caller.is_multiple_of(4)).then_some(caller.cast_signed());
        }
        row
    }

    #[test]
    fn rows_of_known_callers_say_what_their_first_one_says() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(6);
        let (mut plain, mut by_caller) = (EventBuilder::default(), EventBuilder::default());
        let (mut known, mut in_all) = (0, 0);
        for _ in 0..80 {
            for _ in 0..rng.random_range(0..10) {
                // Some at once, also of callers that take the place of one another.
                let mut group = Vec::new();
                for number in 0..rng.random_range(1..12) {
                    let caller = rng.random_range(1..9u64) + 2_048 * u64::from(rng.random_bool(0.1));
                    plain.push(&row(caller, number, true)).unwrap();
                    let is_known = by_caller.has_caller(caller);
                    let mut one = row(caller, number, !is_known || rng.random());
                    one.caller = caller;
                    group.push(one);
                    known += u32::from(is_known);
                    in_all += 1;
                }
                by_caller.push_all(&group).unwrap();
            }
            assert!(plain.bytes() >= by_caller.bytes());
            if rng.random_bool(0.4) {
                assert_eq!(plain.finish().unwrap(), by_caller.finish().unwrap());
            }
        }
        assert!(known > in_all / 2, "{known} of {in_all}");
    }
}
