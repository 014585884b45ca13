//! The decoder of log files: everything in a text is a record, or is skipped by name, once.

use retrial::cloudtrail::{Record, Sink, SkipReason, Skipped, decode, event_time};
use serde_json::value::RawValue;

/// What a text came to, in order.
#[derive(Default)]
struct Collected {
    items: Vec<Item>,
}

enum Item {
    Record { text: String, name: String },
    Skipped(Skipped),
}

impl Sink for Collected {
    fn record(&mut self, index: u64, record: &Record<'_>, text: &str) {
        assert_eq!(index, self.items.len() as u64, "records are counted without gaps");
        assert!(serde_json::from_str::<&RawValue>(text).is_ok_and(|raw| raw.get() == text), "{text}");
        assert!(record.event_source.get().is_some() && record.event_time.get().and_then(event_time).is_some(), "{text}");
        let name = record.event_name.get().unwrap().to_owned();
        self.items.push(Item::Record { text: text.to_owned(), name });
    }

    fn skipped(&mut self, skipped: Skipped) {
        assert_eq!(skipped.index, (skipped.reason != SkipReason::EmptyFile).then_some(self.items.len() as u64));
        assert!(skipped.sha256.len() == 64 && !skipped.detail.is_empty(), "{skipped:?}");
        self.items.push(Item::Skipped(skipped));
    }
}

fn collect(text: &str) -> Vec<Item> {
    let mut collected = Collected::default();
    decode(text, &mut collected);
    collected.items
}

pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let items = collect(text);
    assert!(!items.is_empty() || text.contains('[') || only_commas(text), "nothing at all of {text}");
    nothing_twice(text, &items);
    if let Some(count) = elements(text) {
        assert_eq!(items.len(), count, "each element is a record or is skipped: {text}");
    }
    again(&items);
    beside_good_records(text);
}

fn only_commas(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || c == ',' || c == '\u{feff}')
}

/// The lengths of all items fill the text, but for what separates and wraps them.
fn nothing_twice(text: &str, items: &[Item]) {
    let length = |item: &Item| match item {
        Item::Record { text, .. } => text.len(),
        Item::Skipped(skipped) => skipped.length as usize,
    };
    let sum: usize = items.iter().map(length).sum();
    assert!(sum <= text.len(), "{sum} bytes of {}: {text}", text.len());
    if !text.contains('[') {
        let apart = |c: &char| !c.is_whitespace() && *c != ',' && *c != '\u{feff}';
        let told: usize = text.chars().filter(apart).map(char::len_utf8).sum();
        assert!(told <= sum, "{sum} bytes of {told}: {text}");
    }
}

/// How many elements the list has that the text is, or wraps in one `Records`.
fn elements(text: &str) -> Option<usize> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let list = match serde_json::from_str::<Vec<&RawValue>>(text) {
        Ok(list) => return Some(list.len()),
        Err(_) => text,
    };
    if list.matches("Records").count() > 1 || list.contains('\\') {
        return None;
    }
    let members: std::collections::BTreeMap<String, &RawValue> = serde_json::from_str(list).ok()?;
    Some(serde_json::from_str::<Vec<&RawValue>>(members.get("Records")?.get()).ok()?.len())
}

/// A record alone is that record, and so is each in a wrapper of them all.
fn again(items: &[Item]) {
    let records: Vec<(&str, &str)> = items
        .iter()
        .filter_map(|item| match item {
            Item::Record { text, name } => Some((text.as_str(), name.as_str())),
            Item::Skipped(_) => None,
        })
        .collect();
    let texts: Vec<&str> = records.iter().map(|(text, _)| *text).collect();
    let wanted: Vec<&str> = records.iter().map(|(_, name)| *name).collect();
    for whole in [format!("{{\"Records\": [{}]}}", texts.join(", ")), texts.join("\n"), texts.concat()] {
        // A record that holds `Records` is a wrapper when it stands alone.
        if !records.is_empty() && !texts.iter().any(|text| text.contains("Records") || text.contains('\\')) {
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
    let record = |name| format!(r#"{{"eventTime":"2026-01-01T00:00:00Z","eventSource":"s","eventName":"{name}"}}"#);
    let (first, last) = (record("First"), record("Last"));
    let broken = text.trim_start_matches('\u{feff}');
    let list = format!("{{\"Records\":[{first},{broken},{last}]}}");
    for whole in [list, format!("{first}\n{broken}\n{last}\n"), format!("[{first},{broken},{last}]")] {
        let items = collect(&whole);
        let names = names(&items);
        assert!(names.first() == Some(&"First"), "{names:?} of {whole}");
        assert!(broken.contains(['{', '[', '"', ']', '}']) || names.last() == Some(&"Last"), "{names:?} of {whole}");
    }
}
