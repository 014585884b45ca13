//! What wraps records: one table of members, whoever made the wrapper.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use super::entries::Entries;
use super::packed::is_packed;
use super::{DEPTH, Decoder, Record, Sink, SkipReason, holds_things, is_named};
use crate::cloudtrail::columns::{Unknown, is_member, is_nested, is_own, spelled};
use crate::cloudtrail::record::Nested;

/// Members whose list holds records or wrappers of them.
pub(super) const LISTS: [&str; 16] = [
    // A trail's delivery, Event history.
    "Records",
    // `lookup-events`.
    "Events",
    // `filter-log-events`, `get-log-events`.
    "events",
    // The payload of a CloudWatch Logs subscription.
    "logEvents",
    // `get-query-results` of CloudTrail Lake.
    "QueryResultRows",
    // `get-query-results` of CloudWatch Logs Insights.
    "results",
    // A search result of Elasticsearch or OpenSearch.
    "hits",
    // Firehose's transformations, `receive-message` of SQS, `put-events` of EventBridge.
    "records",
    "Messages",
    "Entries",
    // Sumo, Datadog, Loki, Grafana, tables of DataFrames.
    "messages",
    "logs",
    "data",
    "result",
    "streams",
    "values",
];

/// How many of them hold nothing else.
const SURE_LISTS: usize = 7;

/// Members that hold one record, as an object or as the text of its JSON; the first that does is taken.
const SINGLES: [&str; 33] = [
    // `lookup-events`, EventBridge, CloudTrail Lake.
    "CloudTrailEvent",
    "detail",
    "eventJson",
    "eventjson",
    "eventData",
    "eventdata",
    // Splunk and Cribl, Elasticsearch, Wazuh, SEKOIA and other collectors, SQS.
    "_raw",
    // Microsoft Sentinel's tables of one's own.
    "RawEvent",
    "result",
    "_source",
    "aws",
    // CloudWatch Logs subscriptions, Kinesis; what is in them is in `data`.
    "awslogs",
    "kinesis",
    "data",
    "input",
    "event",
    "hits",
    "body",
    // SNS, SQS, EventBridge, Kinesis.
    "Sns",
    "Message",
    "Body",
    "Detail",
    "Data",
    // Elastic Common Schema, Fluent Bit, `logcli`, S3 Select, Sumo, Datadog.
    "original",
    "event.original",
    "log",
    "line",
    "_1",
    "map",
    "attributes",
    "record",
    // CloudWatch Logs, Logstash: often the words of something else.
    "message",
    "@message",
];

/// Whether a member of that name is a list of records and of nothing else.
pub(super) fn is_sure_list(name: &str) -> bool {
    LISTS.iter().take(SURE_LISTS).any(|list| *list == name)
}

/// Whether a member of that name may wrap records.
pub(super) fn is_wrapper(name: &str) -> bool {
    LISTS.contains(&name) || SINGLES.contains(&name)
}

/// Whether records begin with a member of that name; those of a wrapper are in the tables above.
fn is_beginning(name: &str) -> bool {
    name == "Records" || is_member(name)
}

/// Whether the text of an object begins as a record does.
pub(super) fn begins_a_record(text: &str) -> bool {
    first_key(text).is_some_and(is_member)
}

/// Whether the text of an object begins as a record or a list of them does, or with `key`.
pub(super) fn begins_like(text: &str, key: Option<&str>) -> bool {
    first_key(text).is_some_and(|first| is_beginning(first) || Some(first) == key)
}

/// The first member of an object, as it is written, in JSON or as Python prints it.
pub(super) fn first_key(text: &str) -> Option<&str> {
    let quoted = text.strip_prefix('{')?.trim_start();
    let (quote, inner) = (*quoted.as_bytes().first()?, quoted.strip_prefix(['"', '\''])?);
    let end = memchr::memchr(quote, inner.as_bytes().get(..inner.len().min(64))?)?;
    inner.get(..end)
}

impl<S: Sink> Decoder<'_, S> {
    /// Takes the records that an object wraps; `false` if it wraps none, and then nothing was taken.
    pub(super) fn unwrap(&mut self, text: &str, depth: usize) -> bool {
        let Ok(Entries(mut members)) = serde_json::from_str::<Entries<'_>>(text) else { return false };
        members.retain(|(name, _)| is_wrapper(name));
        let mut is_list = false;
        for (name, raw) in &members {
            let is_list_of_it = LISTS.contains(&&**name) && raw.get().starts_with('[');
            if is_list_of_it && (is_sure_list(name) || holds_things(raw.get())) {
                self.elements(raw.get(), depth + 1);
                is_list = true;
            } else if name == "Records" {
                self.skip(SkipReason::NotARecord, "`Records` is not a list", text);
                is_list = true;
            }
        }
        is_list
            || SINGLES.iter().any(|single| {
                let mut named = members.iter().filter(|(name, _)| name == single);
                named.any(|(name, raw)| self.unwrap_member(name, raw.get(), depth + 1))
            })
    }

    fn unwrap_member(&mut self, name: &str, raw: &str, depth: usize) -> bool {
        match raw.as_bytes().first() {
            Some(b'{') => self.try_item(name, raw, depth),
            Some(b'"') => serde_json::from_str::<String>(raw).is_ok_and(|inner| self.try_text(name, inner.trim(), depth)),
            _ => false,
        }
    }

    /// Takes what a text of a member says, as it is or packed.
    pub(super) fn try_text(&mut self, name: &str, text: &str, depth: usize) -> bool {
        (depth <= DEPTH && is_packed(text) && self.payload(text, depth)) || self.try_item(name, text, depth)
    }

    /// Takes a record whose objects are texts of their JSON, or as programs print them: stores with flat rows export them so. Who
    /// made the call is unknown where such a text cannot be read.
    pub(super) fn unquoted(&mut self, text: &str, depth: usize) -> bool {
        let Ok(members) = serde_json::from_str::<BTreeMap<Cow<'_, str>, &RawValue>>(text) else { return false };
        let mut caller_is_unknown = false;
        let mut changed = false;
        let mut inner = |name: &str, raw: &RawValue| {
            if is_own(name) {
                let text = serde_json::from_str::<String>(raw.get()).ok().filter(|text| text.trim_start().starts_with(['{', '[']))?;
                return RawValue::from_string(text).ok();
            }
            let value = serde_json::from_str::<Value>(raw.get()).ok()?;
            let read = spelled(name, value.clone());
            caller_is_unknown |= name == "userIdentity" && has_text_of_object(name, &read);
            (read != value).then(|| serde_json::value::to_raw_value(&read).ok()).flatten()
        };
        let read = members.into_iter().map(|(name, raw)| {
            let object = if is_nested(&name) { inner(&name, raw) } else { None };
            changed |= object.is_some();
            (name, object.unwrap_or_else(|| raw.to_owned()))
        });
        let Ok(json) = serde_json::to_string(&read.collect::<BTreeMap<_, _>>()) else { return false };
        if !changed && !caller_is_unknown {
            return false;
        }
        match serde_json::from_str::<Record<'_>>(&json) {
            Ok(mut record) if caller_is_unknown && is_named(&record) => {
                record.partial = true;
                record.user_identity = Nested::default();
                self.sink.unknown(vec![Unknown::Caller]);
                self.take(&record, &json, text);
            }
            _ => self.rebuilt(&json, text, |decoder, json| decoder.item(json, depth + 1)),
        }
        true
    }

    /// Takes what some member holds, of an object that names no call itself and that nothing known of wraps anything.
    pub(super) fn any_member(&mut self, text: &str, depth: usize) -> bool {
        if !mentions_records(text) {
            return false;
        }
        let Ok(Entries(members)) = serde_json::from_str::<Entries<'_>>(text) else { return false };
        let others = members.iter().filter(|(name, raw)| !is_wrapper(name) && !is_member(name) && mentions_records(raw.get()));
        let mut lists = others.clone().filter(|(_, raw)| raw.get().starts_with('[') && holds_things(raw.get())).peekable();
        if lists.peek().is_some() {
            lists.for_each(|(_, raw)| self.elements(raw.get(), depth + 1));
            return true;
        }
        let mut singles = others;
        singles.any(|(name, raw)| self.unwrap_member(name, raw.get(), depth + 1))
    }

    /// Takes a text if it is an object that is or wraps a record, or is meant to be one and is broken.
    pub(super) fn try_item(&mut self, name: &str, text: &str, depth: usize) -> bool {
        if depth > DEPTH || !text.starts_with('{') {
            return depth <= DEPTH && self.try_other(name, text, depth);
        }
        match serde_json::from_str::<Record<'_>>(text) {
            Ok(record) if !is_named(&record) => self.unwrap(text, depth) || self.elastic(text, depth) || self.any_member(text, depth),
            Err(error) if error.is_eof() => {
                self.skip(SkipReason::Truncated, &format!("`{name}` ends inside a record"), text);
                true
            }
            _ => {
                self.item(text, depth);
                true
            }
        }
    }

    /// A list in a text, or a text in a text.
    fn try_other(&mut self, name: &str, text: &str, depth: usize) -> bool {
        if !mentions_records(text) {
            return false;
        }
        match text.as_bytes().first() {
            Some(b'[') if holds_things(text) && serde_json::from_str::<Vec<&RawValue>>(text).is_ok() => {
                self.elements(text, depth + 1);
                true
            }
            Some(b'"') => serde_json::from_str::<String>(text).is_ok_and(|inner| self.try_text(name, inner.trim(), depth + 1)),
            _ => false,
        }
    }
}

/// Whether a text has the name in it that every record has.
fn mentions_records(text: &str) -> bool {
    memchr::memmem::find(text.as_bytes(), b"eventSource").is_some()
}

/// Whether an identity, or something in it, is the text of an object that could not be read.
fn has_text_of_object(name: &str, value: &Value) -> bool {
    match value {
        Value::String(text) => is_nested(name) && text.trim_start().starts_with(['{', '[', '@']),
        Value::Object(members) => members.iter().any(|(name, value)| has_text_of_object(name, value)),
        _ => false,
    }
}
