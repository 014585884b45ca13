//! Objects whose members are columns: rows of tables, documents of collectors, records of which members were selected.

use std::borrow::Cow;
use std::collections::BTreeSet;

use memchr::memmem;
use serde_json::Value;
use serde_json::value::RawValue;

use super::entries::{Key, Members, plain};
use super::envelope::is_sure_list;
use super::{Decoder, Record, Sink, SkipReason, is_named, look_alike, shorten};
use crate::cloudtrail::columns::{Columns, is_column, of_elastic, simplified, unescaped, whole_record};
use crate::cloudtrail::skipped::is_secret;

/// Columns that are null in no row of a whole table.
const ALWAYS: [&str; 10] = [
    "eventversion",
    "useridentity",
    "eventtime",
    "eventsource",
    "eventname",
    "awsregion",
    "sourceipaddress",
    "eventid",
    "eventtype",
    "recipientaccountid",
];

/// Columns that are null in many.
const OFTEN_NULL: [&str; 5] = ["errorcode", "errormessage", "vpcendpointid", "requestparameters", "sessioncredentialfromconsole"];

impl<S: Sink> Decoder<'_, S> {
    /// A row of a query's result: a list of cells, `{"column": value}` or `{"field": column, "value": value}`.
    pub(super) fn row(&mut self, text: &str, depth: usize) -> bool {
        let Ok(cells) = serde_json::from_str::<Vec<Members<'_>>>(text) else { return false };
        let mut columns = Vec::new();
        for cell in &cells {
            let value = cell.get(&Key(Cow::Borrowed("value")));
            let name = ["field", "key"].iter().find_map(|name| cell.get(&Key(Cow::Borrowed(name))));
            match (name, value, cell.iter().next()) {
                (Some(name), Some(value), _) if cell.len() == 2 => columns.push((plain(name), plain(value).into())),
                (.., Some((Key(name), value))) if cell.len() == 1 && is_cell(name, value) => {
                    columns.push((name.clone().into_owned(), plain(value).into()));
                }
                // Not a cell, but a thing of its own.
                _ => return false,
            }
        }
        // A row has each column once: of things with one member each, one would hide the other.
        let names: BTreeSet<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        if columns.is_empty() || names.len() < columns.len() {
            return false;
        }
        self.columns(&Columns(columns), text, depth);
        true
    }

    /// A row of a table as an object whose members have the names of columns, as Athena and Glue spell them, or of which each
    /// member of what is nested is one, as DataFrames have it.
    pub(super) fn flat_row(&mut self, text: &str, depth: usize) -> bool {
        let Ok(members) = serde_json::from_str::<Members<'_>>(text) else { return false };
        // Not so the records themselves, and the events of `lookup-events`, of which the record is left out.
        let is_theirs = |name: &str| ["eventName", "eventTime", "eventID", "EventName", "EventTime", "EventId"].contains(&name);
        let names = || members.keys().map(|Key(name)| &**name);
        let has = |wanted: &str| names().any(|name| simplified(name) == wanted && !is_theirs(name));
        let is_spelled = has("eventname") && (has("eventtime") || has("eventid"));
        let names_call = || names().any(|name| name.eq_ignore_ascii_case("eventName"));
        let is_inside = |name: &str| simplified(name).strip_prefix("useridentity").is_some_and(|inner| !inner.is_empty());
        let is_taken_apart = || names_call() && names().any(is_inside);
        let is_pascal = || names_call() && members.contains_key(&Key("UserIdentity".into()));
        if !is_spelled && !is_taken_apart() && !is_pascal() {
            return false;
        }
        let mut columns: Vec<_> = members.iter().map(|(Key(name), value)| (name.clone().into_owned(), plain(value).into())).collect();
        if !members.values().any(|value| value.get() == "null") {
            let names: BTreeSet<String> = names().map(simplified).collect();
            let is_there = |name: &&&str| names.contains(**name) || (**name == "useridentity" && names.iter().any(|name| is_inside(name)));
            if ALWAYS.iter().filter(is_there).count() == ALWAYS.len() {
                // Whoever writes no nulls leaves these out of most rows.
                let missing = OFTEN_NULL.iter().filter(|name| !names.contains(**name));
                columns.extend(missing.map(|name| ((*name).to_owned(), Value::Null)));
            }
        }
        self.columns(&Columns(columns), text, depth);
        true
    }

    /// A document of Elastic's integration of which the record itself was not kept.
    pub(super) fn elastic(&mut self, text: &str, depth: usize) -> bool {
        if memmem::find(text.as_bytes(), b"cloudtrail").is_none() {
            return false;
        }
        let Ok(Value::Object(members)) = serde_json::from_str(text) else { return false };
        let mut flat = Vec::new();
        for (name, value) in members {
            flatten(name, value, &mut flat);
        }
        let Some(names) = of_elastic(flat.iter().map(|(name, _)| name.as_str())) else { return false };
        let cells = names.into_iter().zip(flat).filter_map(|(name, (_, value))| Some((name?, value)));
        // It has no nulls: what a record does not have is not there.
        let nothing = OFTEN_NULL.iter().map(|name| ((*name).to_owned(), Value::Null));
        self.columns(&Columns(cells.chain(nothing).collect()), text, depth);
        true
    }

    /// A record of which members were selected, as with `jq`: without the version and the type that CloudTrail writes into each,
    /// in a file in which none has an error. That nothing failed is not told then.
    pub(super) fn selection(&mut self, record: &Record<'_>, text: &str, depth: usize) -> bool {
        let is_whole = record.event_version.get().is_some() || record.event_type.get().is_some();
        let is_call = is_named(record) && record.event_time.get().is_some() && look_alike::of_record(record, text).is_none();
        if is_whole || depth > 0 || !is_call || memmem::find(self.text.as_bytes(), b"\"errorCode\"").is_some() {
            return false;
        }
        let Ok(members) = serde_json::from_str::<Members<'_>>(text) else { return false };
        let cells = members.into_iter().map(|(Key(name), value)| (name.into_owned(), plain(value).into()));
        self.columns(&Columns(cells.collect()), text, depth);
        true
    }

    /// Takes the record that columns hold, or that they are put together to; `text` is what stands for the row.
    pub(super) fn columns(&mut self, columns: &Columns, text: &str, depth: usize) {
        let secrets = columns.0.iter().filter(|(name, _)| is_secret(name)).filter_map(|(_, cell)| cell.as_str());
        self.secrets = secrets.filter(|secret| !secret.is_empty()).map(str::to_owned).collect();
        let mut whole: Vec<_> = columns.0.iter().filter_map(|(name, cell)| Some((whole_record(name)?, name, cell.as_str()?))).collect();
        whole.sort_by_key(|(place, ..)| *place);
        if whole.into_iter().any(|(_, name, cell)| self.cell(name, cell.trim(), depth + 1)) {
            return;
        }
        let rebuilt = columns.rebuilt();
        match serde_json::from_str::<Record<'_>>(&rebuilt.json) {
            Ok(mut record) if record.event_name.get().is_some() => {
                record.partial = rebuilt.partial;
                record.outcome_unknown = rebuilt.outcome_unknown;
                record.untold = rebuilt.untold;
                if !rebuilt.unknown.is_empty() {
                    self.sink.unknown(rebuilt.unknown);
                }
                self.take(&record, &rebuilt.json, text);
            }
            _ => {
                let names: Vec<&str> = columns.0.iter().map(|(name, _)| name.as_str()).collect();
                let detail = format!("a row without `eventName`, its columns: `{}`; select `eventJson`", shorten(&names.join(", ")));
                self.skip(SkipReason::NotARecord, &detail, text);
            }
        }
    }

    /// Takes the record in a cell, also where its backslashes are escaped.
    fn cell(&mut self, name: &str, cell: &str, depth: usize) -> bool {
        let is_json = |text: &str| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
        match unescaped(cell).filter(|unescaped| !is_json(cell) && is_json(unescaped)) {
            Some(unescaped) => self.try_item(name, &unescaped, depth),
            None => self.try_item(name, cell, depth),
        }
    }
}

/// Whether the only member of an object is a column with its value, and not what wraps records.
fn is_cell(name: &str, value: &RawValue) -> bool {
    let is_known = || is_column(name) || whole_record(name).is_some();
    !is_sure_list(name) && (!value.get().starts_with('{') || is_known())
}

/// What an object holds, by dotted names; what is a service's own stays whole.
fn flatten(name: String, value: Value, flat: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(members) if !name.ends_with("request_parameters") && !name.ends_with("response_elements") => {
            for (inner, value) in members {
                flatten(format!("{name}.{inner}"), value, flat);
            }
        }
        value => flat.push((name, value)),
    }
}
