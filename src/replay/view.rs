//! The columns of an events batch, and one row of them.

use arrow::array::{Array, AsArray, BooleanArray, ListArray, MapArray, RecordBatch, StringArray, TimestampMicrosecondArray};

use crate::error::Result;
use crate::frame::{Flag, Text, read};

/// The columns that a replay reads.
pub(super) struct EventColumns<'b> {
    text: Vec<Option<&'b StringArray>>,
    flags: Vec<&'b BooleanArray>,
    event_time: &'b TimestampMicrosecondArray,
    session_created: &'b TimestampMicrosecondArray,
    more_checks: &'b ListArray,
    request_context: &'b MapArray,
}

/// Text columns that no replay looks at.
const UNREAD: [Text; 7] = [
    Text::RequestId,
    Text::SharedEventId,
    Text::AddendumOf,
    Text::ErrorMessage,
    Text::RequestParameters,
    Text::IssuedAccessKeyId,
    Text::VpcEndpointAccountId,
];

/// The names of the columns that a replay reads.
pub(super) fn columns() -> Vec<&'static str> {
    let unread = |name: &str| UNREAD.iter().any(|column| Text::NAMES.get(*column as usize) == Some(&name));
    let text = Text::NAMES.iter().copied().filter(|name| !unread(name));
    text.chain(Flag::NAMES).chain(["event_time", "session_created", "more_checks", "request_context"]).collect()
}

/// A further check of an event, as its row has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct CheckRow {
    pub(super) action: String,
    pub(super) resource: Option<String>,
    pub(super) source: String,
}

impl<'b> EventColumns<'b> {
    pub(super) fn new(batch: &'b RecordBatch) -> Result<Self> {
        let unread = |name: &&str| UNREAD.iter().any(|column| Text::NAMES.get(*column as usize) == Some(name));
        let text = Text::NAMES
            .iter()
            .map(|name| if unread(name) { Ok(None) } else { read::text(batch, name).map(Some) })
            .collect::<Result<_>>()?;
        Ok(Self {
            text,
            flags: Flag::NAMES.iter().map(|name| read::flag(batch, name)).collect::<Result<_>>()?,
            event_time: read::time(batch, "event_time")?,
            session_created: read::time(batch, "session_created")?,
            more_checks: read::list(batch, "more_checks")?,
            request_context: read::map(batch, "request_context")?,
        })
    }

    pub(super) fn row(&'b self, row: usize) -> EventView<'b> {
        EventView { columns: self, row }
    }
}

/// One event.
#[derive(Clone, Copy)]
pub(super) struct EventView<'b> {
    columns: &'b EventColumns<'b>,
    row: usize,
}

impl<'b> EventView<'b> {
    pub(super) fn text(&self, column: Text) -> Option<&'b str> {
        read::get(self.columns.text.get(column as usize).copied().flatten()?, self.row)
    }

    pub(super) fn flag(&self, column: Flag) -> Option<bool> {
        let values = self.columns.flags.get(column as usize)?;
        values.is_valid(self.row).then(|| values.value(self.row))
    }

    pub(super) fn time(&self) -> i64 {
        self.columns.event_time.value(self.row)
    }

    pub(super) fn session_created(&self) -> Option<i64> {
        let values = self.columns.session_created;
        values.is_valid(self.row).then(|| values.value(self.row))
    }

    pub(super) fn checks(&self) -> Vec<CheckRow> {
        if self.columns.more_checks.is_null(self.row) || self.columns.more_checks.value_length(self.row) == 0 {
            return Vec::new();
        }
        let values = self.columns.more_checks.value(self.row);
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
        if self.columns.request_context.is_null(self.row) {
            return None;
        }
        let entries = self.columns.request_context.value(self.row);
        let (keys, values) = (entries.column(0).as_string_opt::<i32>()?, entries.column(1).as_list_opt::<i32>()?);
        let at = (0..entries.len()).find(|at| read::get(keys, *at) == Some(key))?;
        Some(values.is_valid(at).then(|| read::texts(&values.value(at))))
    }
}
