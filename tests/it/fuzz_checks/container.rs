//! The decoder of log files: everything in a text is a record, or is skipped by name, once.

use retrial::cloudtrail::{Record, Sink, Skipped, decode, event_time};
use serde_json::value::RawValue;

/// What a text came to, in order.
#[derive(Default)]
struct Collected {
    items: Vec<Item>,
}

enum Item {
    Record { text: String, name: String, partial: bool },
    Skipped(Skipped),
}

impl Sink for Collected {
    fn record(&mut self, index: u64, time: i64, record: &Record<'_>, text: &str) {
        assert_eq!(index, self.items.len() as u64, "records are counted without gaps");
        let left_out = text.is_empty() && record.event_id.get().is_some();
        assert!(left_out || serde_json::from_str::<&RawValue>(text).is_ok_and(|raw| raw.get() == text), "{text}");
        assert!(record.event_source.get().is_some() || record.partial, "{text}");
        let told = record.event_time.get().and_then(event_time);
        // Logstash has it under another name.
        assert!(told == Some(time) || (told.is_none() && text.contains("@timestamp")), "{text}");
        let name = record.event_name.get().unwrap().to_owned();
        self.items.push(Item::Record { text: text.to_owned(), name, partial: record.partial });
    }

    fn skipped(&mut self, skipped: Skipped) {
        assert!(skipped.index.is_none_or(|index| index == self.items.len() as u64), "{skipped:?}");
        assert!(skipped.index.is_some() || self.items.is_empty(), "the file as a whole, after something in it: {skipped:?}");
        assert!(skipped.sha256.len() == 64 && !skipped.detail.is_empty(), "{skipped:?}");
        self.items.push(Item::Skipped(skipped));
    }
}

fn collect(text: &str) -> Vec<Item> {
    let mut collected = Collected::default();
    decode(text, &mut collected);
    collected.items
}

/// Members in which records are looked for.
const WRAPPERS: [&str; 46] = [
    "Records",
    "Events",
    "events",
    "logEvents",
    "QueryResultRows",
    "results",
    "hits",
    "CloudTrailEvent",
    "detail",
    "eventJson",
    "eventjson",
    "eventData",
    "eventdata",
    "_raw",
    "RawEvent",
    "result",
    "_source",
    "aws",
    "awslogs",
    "kinesis",
    "data",
    "input",
    "event",
    "body",
    "message",
    "@message",
    "records",
    "Messages",
    "Entries",
    "messages",
    "logs",
    "streams",
    "values",
    "Sns",
    "Message",
    "Body",
    "Detail",
    "Data",
    "original",
    "event.original",
    "log",
    "line",
    "_1",
    "map",
    "attributes",
    "record",
];

/// Whether a character stands between values and belongs to none.
fn is_between(c: char) -> bool {
    c.is_whitespace() || matches!(c, ',' | '\u{feff}' | '\0' | '\u{1e}')
}

/// Whether words stand before an object in a line: they are passed over, with what comes after it.
fn has_words(text: &str) -> bool {
    text.lines().any(|line| line.contains('{') && !line.trim_start_matches(is_between).starts_with('{'))
}

/// Whether it may be a table in one object, whose rows have the names of the columns once more.
fn is_frame(text: &str) -> bool {
    let text: String = text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(&format!("\"{word}\":")));
    let in_columns = has(&["columns", "meta", "schema", "fields", "names"]) && has(&["data", "rows", "datarows", "values"]);
    text.contains("\"eventname\":{") || text.contains("resultset") || text.contains("cloudtrail.") || in_columns || has(&["tables"])
}

pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let items = collect(text);
    assert!(!items.is_empty() || text.contains('[') || is_table(text) || only_commas(text), "nothing at all of {text}");
    nothing_twice(text, &items);
    if let Some(count) = elements(text) {
        assert_eq!(items.len(), count, "each element is a record or is skipped: {text}");
    }
    again(&items);
    beside_good_records(text);
}

fn only_commas(text: &str) -> bool {
    text.chars().all(is_between)
}

/// Whether it may be a table: those begin with a header.
fn is_table(text: &str) -> bool {
    !text.trim_start_matches(is_between).starts_with(['{', '['])
}

/// Whether an object may stand in a member of any name: names of records stand deeper than at the top of an object, with regard to
/// quotes or without.
fn digs(text: &str) -> bool {
    [false, true].into_iter().any(|with_quotes| {
        let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
        text.char_indices().any(|(at, c)| {
            match c {
                _ if escaped => escaped = false,
                '\\' if quoted => escaped = true,
                '"' if with_quotes => quoted = !quoted,
                '{' | '[' if !quoted => depth += 1,
                '}' | ']' if !quoted => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth > 1 && text[at..].starts_with("eventSource")
        })
    })
}

/// Whether a value may be read that is nearly JSON, or a record whose objects are texts or that has words for nothing.
fn is_loose(text: &str) -> bool {
    const WORDS: [&str; 9] = ["nan", "infinity", "null\"", "none\"", "\"-\"", "\"na\"", "n/a", "<na>", "success"];
    let text = text.to_lowercase();
    let is_text_of_object = ["\"{", "\"[", "\"@"].iter().any(|begins| text.contains(begins));
    text.contains('\'') || is_text_of_object || WORDS.iter().any(|word| text.contains(word))
}

fn wraps(text: &str) -> bool {
    if digs(text) || is_loose(text) {
        return true;
    }
    // A payload in base64 may hold several.
    let is_packed = text.contains("\"H4sI") || text.contains("\"eyJ");
    is_packed || is_frame(text) || text.contains('\\') || WRAPPERS.iter().any(|name| text.contains(&format!("\"{name}\"")))
}

/// The lengths of all items fill a text without wrappers, but for what separates them.
fn nothing_twice(text: &str, items: &[Item]) {
    let length = |item: &Item| match item {
        Item::Record { text, .. } => text.len(),
        Item::Skipped(skipped) => skipped.length as usize,
    };
    // A row that was put together is longer or shorter than what stands there.
    let is_rebuilt = |item: &Item| matches!(item, Item::Record { text: record, .. } if !text.contains(record.as_str()));
    if is_table(text) || text.contains('[') || wraps(text) || items.iter().any(is_rebuilt) {
        return;
    }
    let sum: usize = items.iter().map(length).sum();
    assert!(sum <= text.len(), "{sum} bytes of {}: {text}", text.len());
    // A time before a value is passed over.
    if !text.contains(|c: char| c.is_ascii_digit()) && !has_words(text) {
        let apart = |c: &char| !is_between(*c);
        let told: usize = text.chars().filter(apart).map(char::len_utf8).sum();
        assert!(told <= sum, "{sum} bytes of {told}: {text}");
    }
}

/// How many elements the list has that the text is, or wraps in one `Records`, if none of them wraps something.
fn elements(text: &str) -> Option<usize> {
    let text = text.trim_start_matches('\u{feff}');
    let list: Vec<&RawValue> = match serde_json::from_str(text) {
        Ok(list) => list,
        Err(_) => {
            let members: std::collections::BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
            let single = members.keys().all(|name| name == "Records" || !WRAPPERS.contains(&name.as_str()));
            let twice = text.matches("\"Records\"").count() > 1;
            serde_json::from_str(members.get("Records").filter(|_| single && !twice)?.get()).ok()?
        }
    };
    list.iter().all(|element| !element.get().starts_with('[') && !wraps(element.get())).then_some(list.len())
}

/// The records of a text are records also in a wrapper, one after the other with and without line breaks.
fn again(items: &[Item]) {
    let (mut texts, mut wanted) = (Vec::new(), Vec::new());
    for item in items {
        if let Item::Record { text, name, partial: false } = item
            && !text.is_empty()
        {
            texts.push(text.as_str());
            wanted.push(name.as_str());
        }
    }
    for whole in [format!("{{\"Records\": [{}]}}", texts.join(", ")), texts.join("\n"), texts.concat()] {
        if !texts.is_empty() && !texts.iter().any(|text| wraps(text)) {
            assert_eq!(names(&collect(&whole)), wanted, "{whole}");
        }
    }
}

fn names(items: &[Item]) -> Vec<&str> {
    let mut names = Vec::new();
    for item in items {
        if let Item::Record { name, .. } = item {
            names.push(name.as_str());
        }
    }
    names
}

/// Whatever stands between two good records, the first is found; the second too, unless quotes or brackets take it in.
fn beside_good_records(text: &str) {
    let record = |name| {
        format!(
            r#"{{"eventVersion":"1.1","eventTime":"2026-01-01T00:00:00Z","eventSource":"s","eventName":"{name}","eventID":"x","userIdentity":{{}}}}"#
        )
    };
    let (first, last) = (record("First"), record("Last"));
    let broken = text.trim_start_matches('\u{feff}');
    let list = format!("{{\"Records\":[{first},{broken},{last}]}}");
    for whole in [list, format!("{first}\n{broken}\n{last}\n"), format!("[{first},{broken},{last}]")] {
        let items = collect(&whole);
        let names = names(&items);
        assert!(names.contains(&"First"), "{names:?} of {whole}");
        assert!(broken.contains(['{', '[', '"', ']', '}']) || names.contains(&"Last"), "{names:?} of {whole}");
    }
}
