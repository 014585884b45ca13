//! Finds the records in a text, whatever wraps them; the kind is found from the content.
//!
//! At the top level stand `{"Records": [...]}` and other envelopes, arrays, single records, JSON Lines, concatenated
//! objects, lines of `TIME JSON`, or a table. Whatever is not a record when it is read as one is looked into by the rules
//! of `envelope`; so the records of a plain file pay nothing for the other containers. A broken record costs itself:
//! reading goes on at the next one.

mod callers;
mod endings;
mod entries;
mod envelope;
mod frame;
mod latest;
mod look_alike;
mod loose;
mod packed;
mod rows;
mod salvage;
mod scan;
mod stream;
mod table;

use serde_json::value::RawValue;

pub use self::table::holds_record;
use super::columns::Unknown;
use super::record::{Record, event_time};
use super::skipped::{SkipReason, Skipped};

/// Takes what a text holds, in order.
pub trait Sink {
    /// A record: its index in the file, its time in microseconds since 1970, and the text of its JSON, which may be left out
    /// (empty) if it has an id.
    fn record(&mut self, index: u64, time: i64, record: &Record<'_>, text: &str);
    /// Records in a row with their times, the first of them with that index, without their texts.
    fn records(&mut self, first: u64, records: &[(i64, Record<'_>)]) {
        (first..).zip(records).for_each(|(index, (time, record))| self.record(index, *time, record, ""));
    }
    /// Something that is not a record, or is broken.
    fn skipped(&mut self, skipped: Skipped);
    /// What is unknown of the next record, which comes from a table.
    fn unknown(&mut self, _: Vec<Unknown>) {}
    /// The file holds bytes that are not UTF-8, which its records show as U+FFFD: the first, and what stands around it.
    fn not_utf8(&mut self, _: String) {}
}

/// Hands every record of `text` to `sink`.
pub fn decode(text: &str, sink: &mut impl Sink) {
    // Files that were put together keep the mark of each.
    let text = text.trim_start_matches(['\u{feff}', '\0', '\u{1e}']);
    if text.chars().all(is_between) {
        sink.skipped(Skipped::new(None, SkipReason::EmptyFile, "the file holds nothing", text.as_bytes()));
    } else if let Some(detail) = look_alike::of_text(text) {
        sink.skipped(Skipped::new(None, SkipReason::NotCloudtrail, detail, text.as_bytes()));
    } else {
        let mut decoder =
            Decoder { sink, text, index: 0, taken: 0, at_end: false, wasted: 0, loosened: 0, rebuilt: None, secrets: Vec::new() };
        if decoder.stream(text) {
            return;
        }
        let doubled = table::doubled(text);
        match table::Table::find(doubled.as_deref().unwrap_or(text)) {
            _ if packed::is_packed(text) => decoder.payloads(text),
            Some(table) => decoder.table(table),
            // Another table: none of its cells is a record that went wrong.
            None if is_other_table(text) => {
                let detail = format!("a table without the columns of CloudTrail: it begins `{}`", shorten(text.trim()));
                decoder.sink.skipped(Skipped::new(None, SkipReason::NotCloudtrail, detail, text.as_bytes()));
            }
            None => decoder.values(text),
        }
    }
}

/// Whether a text that begins so may hold records: objects, lists, a table, lines of `TIME JSON`, what is packed in base64.
pub fn may_hold_records(head: &str) -> bool {
    let text = head.trim_start_matches(['\u{feff}', '\0', '\u{1e}']).trim_start();
    let value = next_value(text, 0).and_then(|at| text.get(at..)).unwrap_or_default();
    value.starts_with(['{', '[']) || packed::is_packed(text) || table::Table::find(text).is_some()
}

/// How many wrappers deep records are looked for.
const DEPTH: usize = 6;

struct Decoder<'s, S> {
    sink: &'s mut S,
    /// All of the text.
    text: &'s str,
    index: u64,
    /// The first elements of the first list, which were handed over already.
    taken: u64,
    /// What was skipped last has the end of its list in it, or is cut off by the end of the text.
    at_end: bool,
    /// Bytes that were read in vain; bounds the search for what is whole in a text that is broken everywhere.
    wasted: usize,
    /// Bytes that were read as something that is nearly JSON.
    loosened: usize,
    /// What was put together last, and the text that stands for it in the file.
    rebuilt: Option<(String, String)>,
    /// What stands in columns of secrets in the row that is read.
    secrets: Vec<String>,
}

impl<S: Sink> Decoder<'_, S> {
    /// The file as a trail delivers it, in one pass, up to the first record that asks for care; `true` if that was all.
    fn stream(&mut self, text: &str) -> bool {
        let time_of = |record: &Record<'_>| {
            let is_plain = record.event_id.get().is_some()
                && record.user_identity.0.is_some()
                && is_named(record)
                && record.event_version.get().is_some()
                && !has_quoted(record)
                && !has_unread(record)
                && !loose::has_marker(record)
                && look_alike::of_record(record, "").is_none();
            record.event_time.get().filter(|_| is_plain).and_then(event_time)
        };
        let streamed = stream::stream(text, time_of, |first, records| self.sink.records(first, records));
        self.taken = streamed.taken;
        streamed.whole
    }

    /// The values of a text, one after the other, with or without line breaks, commas and times between them.
    fn values(&mut self, text: &str) {
        let mut at = 0;
        while let Some(start) = next_value(text, at) {
            let rest = text.get(start..).unwrap_or("");
            let is_after_words = text.get(at..start).is_some_and(|between| !between.chars().all(is_between));
            match read_value(rest) {
                Ok((raw, length)) => {
                    self.value(raw.get());
                    at = start + length;
                    if is_after_words {
                        at += words_after(rest.get(length..).unwrap_or(""));
                    }
                }
                Err(error) => {
                    at = match self.loose(rest, text.len()) {
                        Some((json, length)) => {
                            self.rebuilt(&json, rest.get(..length).unwrap_or_default(), Self::value);
                            start + length
                        }
                        None => self.salvage(text, start, &error),
                    }
                }
            }
        }
    }

    fn value(&mut self, text: &str) {
        match text.as_bytes().first() {
            Some(b'[') => self.elements(text, 0),
            Some(b'{') if !envelope::begins_a_record(text) && (self.frame(text, 0) || self.unwrap(text, 0)) => {}
            _ => self.item(text, 0),
        }
    }

    fn elements(&mut self, text: &str, depth: usize) {
        match serde_json::from_str::<Vec<&RawValue>>(text) {
            Ok(elements) => elements.into_iter().for_each(|element| self.element(element.get(), depth)),
            Err(error) => self.skip(SkipReason::BrokenJson, &salvage::told(&error, text), text),
        }
    }

    /// The text of a record's JSON, as a JSON text.
    fn quoted(&mut self, text: &str, depth: usize) -> bool {
        let Ok(inner) = serde_json::from_str::<String>(text) else { return false };
        if packed::is_packed(&inner) {
            return self.try_text("a text", &inner, depth + 1);
        }
        let inner = inner.trim();
        if inner.starts_with(['"', '[']) {
            return self.try_item("a text", inner, depth + 1);
        }
        if inner.starts_with('{')
            && let Err(error) = serde_json::from_str::<&RawValue>(inner)
        {
            let reason = if error.is_eof() { SkipReason::Truncated } else { SkipReason::BrokenJson };
            self.skip(reason, &format!("in a text: {}", salvage::told(&error, inner)), text);
            return true;
        }
        self.try_item("a text", inner, depth + 1)
    }

    /// A list in a list that begins with times and the like, as collectors keep lines: `["1767225600000000000", "{...}"]`.
    fn dated(&mut self, text: &str, depth: usize) -> bool {
        let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(text) else { return false };
        let is_thing = |element: &&&RawValue| element.get().starts_with('{') || element.get().starts_with("\"{");
        let things: Vec<_> = elements.iter().filter(is_thing).collect();
        if things.is_empty() || things.len() == elements.len() || elements.first().is_none_or(|first| is_thing(&first)) {
            return false;
        }
        things.into_iter().for_each(|thing| self.item(thing.get(), depth + 1));
        true
    }

    /// One thing of a list.
    fn element(&mut self, text: &str, depth: usize) {
        if self.index < self.taken {
            self.index += 1;
        } else {
            self.item(text, depth);
        }
    }

    /// One thing that should be a record or hold one.
    fn item(&mut self, text: &str, depth: usize) {
        match text.as_bytes().first() {
            Some(b'{') => {}
            Some(b'[') if depth < DEPTH && self.row(text, depth) => return,
            Some(b'[') if depth < DEPTH && self.dated(text, depth) => return,
            Some(b'[') if depth < DEPTH && holds_things(text) => return self.elements(text, depth + 1),
            Some(b'"') if self.quoted(text, depth) => return,
            _ => return self.skip(SkipReason::NotAnObject, &format!("`{}`", shorten(text)), text),
        }
        match serde_json::from_str::<Record<'_>>(text) {
            Ok(mut record) => {
                if has_unread(&record)
                    && let Some(whole) = loose::without_halves(text)
                {
                    return self.rebuilt(&whole, text, |decoder, whole| decoder.item(whole, depth));
                }
                record.look_inside(text);
                self.offer(&record, text, depth);
            }
            Err(error) => {
                if let Some(whole) = loose::without_halves(text) {
                    return self.rebuilt(&whole, text, |decoder, whole| decoder.item(whole, depth));
                }
                // A member that stands twice: the last one counts, as with other JSON readers.
                let last_wins = serde_json::from_str::<serde_json::Value>(text).map(|value| value.to_string());
                match last_wins.as_deref().map(serde_json::from_str::<Record<'_>>) {
                    Ok(Ok(record)) => self.offer(&record, text, depth),
                    _ => self.skip(SkipReason::BrokenJson, &salvage::told(&error, text), text),
                }
            }
        }
    }

    /// Takes what was put together of a text; what is skipped of it as a whole is that text.
    fn rebuilt(&mut self, json: &str, text: &str, take: impl FnOnce(&mut Self, &str)) {
        let rebuilt = (json.to_owned(), self.stands_for(text).to_owned());
        let before = self.rebuilt.replace(rebuilt);
        take(self, json);
        self.rebuilt = before;
    }

    fn stands_for<'t>(&'t self, text: &'t str) -> &'t str {
        self.rebuilt.as_ref().filter(|(json, _)| json == text).map_or(text, |(_, stands)| stands)
    }

    fn offer(&mut self, record: &Record<'_>, text: &str, depth: usize) {
        // Flattened copies have the names beside the record itself, but no identity.
        let is_open = depth < DEPTH;
        let may_wrap = !is_named(record) || record.user_identity.0.is_none() || has_quoted(record);
        let wraps = |decoder: &mut Self| {
            decoder.frame(text, depth)
                || decoder.unwrap(text, depth)
                || decoder.unquoted(text, depth)
                || decoder.elastic(text, depth)
                || decoder.flat_row(text, depth)
                || (!is_named(record) && decoder.any_member(text, depth))
        };
        if is_open && may_wrap && wraps(self) {
            return;
        }
        if is_open && ((loose::has_marker(record) && self.without_markers(text, depth)) || self.selection(record, text, depth)) {
            return;
        }
        self.take(record, text, text);
    }

    /// Takes a record, or says why not; `text` is its JSON, and `stands` what stands for it in the file.
    fn take(&mut self, record: &Record<'_>, text: &str, stands: &str) {
        let time = record.event_time.get().and_then(event_time).or_else(|| logstash_time(record, text));
        let taken = match (look_alike::of_record(record, text), time) {
            (Some(refused), _) => Err(refused),
            (None, Some(time)) => Ok(time),
            (None, None) => Err((SkipReason::NoEventTime, no_time(record))),
        };
        match taken {
            Ok(time) => self.sink.record(self.index, time, record, text),
            Err((reason, detail)) => {
                let mut skipped = Skipped::new(Some(self.index), reason, detail, self.stands_for(stands).as_bytes());
                skipped.event_time = time;
                skipped.hide(&self.secrets);
                self.sink.skipped(skipped);
            }
        }
        self.index += 1;
    }

    fn skip(&mut self, reason: SkipReason, detail: &str, text: &str) {
        let mut skipped = Skipped::new(Some(self.index), reason, detail, self.stands_for(text).as_bytes());
        skipped.hide(&self.secrets);
        self.sink.skipped(skipped);
        self.index += 1;
    }
}

/// Whether a text that is no table of CloudTrail has a header all the same, and no JSON object below it but in cells, where
/// quotation marks stand twice.
fn is_other_table(text: &str) -> bool {
    let header = text.trim_start().lines().next().unwrap_or("");
    let begins_object = |at: usize| {
        let inside = text.get(at + 1..).unwrap_or_default().trim_start();
        inside.starts_with('}') || inside.starts_with('"') && !inside.starts_with("\"\"")
    };
    header.contains(',')
        && !header.contains('{')
        && !header.starts_with('[')
        && !memchr::memchr_iter(b'{', text.as_bytes()).any(begins_object)
}

/// Whether there are lists or objects in a list, or texts of them.
fn holds_things(list: &str) -> bool {
    let inside = list.strip_prefix('[').unwrap_or_default().trim_start();
    inside.starts_with(['[', '{']) || inside.starts_with("\"{")
}

/// The time of a record of Logstash's codec for CloudTrail, which takes `eventTime` away and has it as `@timestamp`.
fn logstash_time(record: &Record<'_>, text: &str) -> Option<i64> {
    if record.event_time.get().is_some() || record.event_version.get().is_none() {
        return None;
    }
    let members = serde_json::from_str::<entries::Entries<'_>>(text).ok()?;
    members.get("@version")?;
    event_time(&serde_json::from_str::<String>(members.get("@timestamp")?.get()).ok()?)
}

/// Whether the parameters cannot be read: they are too deep, or have halves of characters.
fn has_unread(record: &Record<'_>) -> bool {
    record.request_parameters.as_ref().is_some_and(|json| json.value.is_none())
}

/// Whether something nested is the text of its JSON.
fn has_quoted(record: &Record<'_>) -> bool {
    if record.has_text_inside {
        return true;
    }
    let texts = [record.request_parameters.as_ref().map(|json| json.text), record.response_elements, record.resources];
    texts.into_iter().flatten().any(|text| text.starts_with("\"{") || text.starts_with("\"["))
}

/// Whether it names a call. A row of a table may lack the source.
fn is_named(record: &Record<'_>) -> bool {
    record.event_name.get().is_some() && (record.event_source.get().is_some() || record.partial)
}

/// Why a record has no time.
fn no_time(record: &Record<'_>) -> String {
    match record.event_time.get() {
        Some(time) if time.parse::<jiff::Timestamp>().is_ok_and(|_| event_time(time).is_none()) => {
            format!("`eventTime` is `{}`, which is not between 2000 and 2100: a broken clock", shorten(time))
        }
        Some(time) => format!("`eventTime` is `{}`, and not as `2026-01-31T08:00:00Z`", shorten(time)),
        None => "no `eventTime` that is a text or a number; another time, as of loading, is not taken for it".to_owned(),
    }
}

/// Whether a character may stand between values: commas, the mark that each of some files began with, padding, separators.
fn is_between(c: char) -> bool {
    c.is_whitespace() || matches!(c, ',' | '\u{feff}' | '\0' | '\u{1e}')
}

/// How many bytes of a line may stand before a record.
const WORDS: usize = 1_024;

/// How many bytes stand before the record of a line: words of syslog, of `grep`, of the AWS CLI.
fn words_before(text: &str) -> usize {
    if text.starts_with(['{', '[', '"']) {
        return 0;
    }
    let line = text.get(..text.floor_char_boundary(WORDS)).and_then(|text| text.lines().next()).unwrap_or("");
    let begins = |at: &usize| text.get(*at..).is_some_and(|text| envelope::begins_like(text, None));
    memchr::memchr_iter(b'{', line.as_bytes()).find(begins).unwrap_or(0)
}

/// How many bytes of the line come after its record, unless another one follows.
fn words_after(text: &str) -> usize {
    let line = text.get(..text.floor_char_boundary(WORDS)).and_then(|text| text.split('\n').next()).unwrap_or("");
    if line.contains(['{', '[']) { 0 } else { line.len() }
}

/// The next place where a value begins. The time that a CloudWatch Logs export puts before each line is passed over, and after it
/// the name of the stream, as `aws logs tail` prints it.
fn next_value(text: &str, from: usize) -> Option<usize> {
    let rest = text.get(from..)?;
    let start = rest.find(|c: char| !is_between(c))?;
    let value = rest.get(start..)?;
    let time = match value.as_bytes().first() {
        Some(b'0'..=b'9') => value.split_once(' ').filter(|(time, _)| time.len() <= 40 && event_time(time).is_some()),
        _ => None,
    };
    let Some((_, after)) = time else {
        let line = text.get(..from + start).and_then(|before| before.rsplit('\n').next()).unwrap_or("");
        // What stands between two values of a line is no preface of the second.
        let words = if line.chars().all(is_between) { words_before(value) } else { 0 };
        return Some(from + start + words);
    };
    let after = after.trim_start();
    let after_stream = after.split_once(' ').map(|(stream, after)| (stream, after.trim_start()));
    let after =
        after_stream.filter(|(stream, after)| !stream.contains(['{', '\n']) && after.starts_with('{')).map_or(after, |(_, after)| after);
    Some(from + rest.len() - after.len())
}

fn read_value(text: &str) -> Result<(&RawValue, usize), serde_json::Error> {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    match stream.next() {
        Some(Ok(raw)) => Ok((raw, stream.byte_offset())),
        Some(Err(error)) => Err(error),
        None => Err(serde::de::Error::custom("nothing to read")),
    }
}

fn shorten(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    if short.len() < text.len() { format!("{short}...") } else { short }
}
