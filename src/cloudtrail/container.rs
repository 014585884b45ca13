//! Finds the records in a text, whatever wraps them: `{"Records": [...]}`, an array, single records, JSON Lines and
//! concatenated objects. A broken record costs itself: reading goes on at the next one.

use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::record::{Record, event_time};

/// Takes what a text holds, in order.
pub trait Sink {
    /// A record: its index in the file and the text of its JSON.
    fn record(&mut self, index: u64, record: &Record<'_>, text: &str);
    /// Something that is not a record, or is broken.
    fn skipped(&mut self, skipped: Skipped);
}

/// Something that was not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Position among the records of the file; `None` for the file as a whole.
    pub index: Option<u64>,
    /// Why.
    pub reason: SkipReason,
    /// The reader's own words, with the input where it helps.
    pub detail: String,
    /// Length in bytes.
    pub length: u64,
    /// SHA-256 of the bytes, in hex.
    pub sha256: String,
    /// The UTC day, where the record had a readable time.
    pub event_time: Option<i64>,
}

/// Why something was not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SkipReason {
    /// The file cannot be opened or read.
    UnreadableFile,
    /// The file is empty.
    EmptyFile,
    /// The compressed data is damaged.
    BrokenCompression,
    /// Not JSON at this place.
    BrokenJson,
    /// The text ends inside a record.
    Truncated,
    /// JSON, but a string, number or the like where a record is expected.
    NotAnObject,
    /// An object, but not a CloudTrail record.
    NotARecord,
    /// A CloudTrail Insights record: not an API call.
    Insight,
    /// A digest file.
    Digest,
    /// No `eventTime`, or one that cannot be read.
    NoEventTime,
    /// Larger than the limit.
    TooLarge,
}

impl SkipReason {
    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::UnreadableFile => "unreadable_file",
            Self::EmptyFile => "empty_file",
            Self::BrokenCompression => "broken_compression",
            Self::BrokenJson => "broken_json",
            Self::Truncated => "truncated",
            Self::NotAnObject => "not_an_object",
            Self::NotARecord => "not_a_record",
            Self::Insight => "insight",
            Self::Digest => "digest",
            Self::NoEventTime => "no_event_time",
            Self::TooLarge => "too_large",
        }
    }
}

impl Skipped {
    /// Skips `bytes` for `reason`.
    pub fn new(index: Option<u64>, reason: SkipReason, detail: impl Into<String>, bytes: &[u8]) -> Self {
        let digest = Sha256::digest(bytes);
        let sha256 = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { index, reason, detail: detail.into(), length: bytes.len() as u64, sha256, event_time: None }
    }
}

/// Hands every record of `text` to `sink`.
pub fn decode(text: &str, sink: &mut impl Sink) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        sink.skipped(Skipped::new(None, SkipReason::EmptyFile, "the file holds nothing", text.as_bytes()));
        return;
    }
    Decoder { text, sink, index: 0, truncated: false }.run();
}

struct Decoder<'t, 's, S> {
    text: &'t str,
    sink: &'s mut S,
    index: u64,
    /// The last thing that was skipped is cut off by the end of the text.
    truncated: bool,
}

impl<S: Sink> Decoder<'_, '_, S> {
    fn run(&mut self) {
        let mut at = 0;
        while let Some(start) = next_value(self.text, at) {
            let rest = self.text.get(start..).unwrap_or("");
            match read_value(rest) {
                Ok((raw, length)) => {
                    self.value(raw);
                    at = start + length;
                }
                Err(error) => {
                    let list = if rest.starts_with('[') { Some(1) } else { records_array(rest) };
                    at = match list {
                        Some(inside) => self.salvage(start + inside),
                        None => self.broken(start, &error),
                    };
                }
            }
        }
    }

    /// Reads the elements of a `Records` array that is broken somewhere; returns where to go on.
    fn salvage(&mut self, start: usize) -> usize {
        let mut at = start;
        loop {
            let rest = self.text.get(at..).unwrap_or("");
            let gap = rest.len() - rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',').len();
            at += gap;
            let rest = self.text.get(at..).unwrap_or("");
            if let Some(end) = rest.strip_prefix(']') {
                return self.text.len() - end.trim_start().strip_prefix('}').unwrap_or(end).len();
            }
            if rest.is_empty() {
                if !self.truncated {
                    self.skip(SkipReason::Truncated, "the text ends before the list of records does", "");
                }
                return at;
            }
            at = match read_value(rest) {
                Ok((raw, length)) => {
                    self.record(raw);
                    at + length
                }
                Err(error) => self.broken(at, &error),
            };
        }
    }

    /// Skips a broken stretch up to the next thing that reads as a record.
    fn broken(&mut self, start: usize, error: &serde_json::Error) -> usize {
        const MOST_TRIES: usize = 10_000;
        let rest = self.text.get(start..).unwrap_or("");
        let mut end = rest.len();
        for (at, _) in rest.match_indices('{').skip_while(|(at, _)| *at == 0).take(MOST_TRIES) {
            let candidate = rest.get(at..).unwrap_or("");
            let begins_a_record = candidate.get(1..).map(str::trim_start).is_some_and(|inner| {
                inner.starts_with("\"event") || inner.starts_with("\"userIdentity") || inner.starts_with("\"Records\"")
            });
            if begins_a_record && read_value(candidate).is_ok() {
                end = at;
                break;
            }
        }
        let broken = rest.get(..end).unwrap_or("").trim_end_matches(|c: char| c.is_whitespace() || c == ',');
        self.truncated = error.is_eof();
        let reason = if self.truncated { SkipReason::Truncated } else { SkipReason::BrokenJson };
        self.skip(reason, &error.to_string(), broken);
        start + end
    }

    fn value(&mut self, raw: &RawValue) {
        let text = raw.get();
        match text.as_bytes().first() {
            Some(b'[') => match serde_json::from_str::<Vec<&RawValue>>(text) {
                Ok(elements) => elements.into_iter().for_each(|element| self.record(element)),
                Err(error) => self.skip(SkipReason::BrokenJson, &error.to_string(), text),
            },
            Some(b'{') => match serde_json::from_str::<Wrapper<'_>>(text) {
                Ok(Wrapper { records: Some(records), .. }) => match serde_json::from_str::<Vec<&RawValue>>(records.get()) {
                    Ok(elements) => elements.into_iter().for_each(|element| self.record(element)),
                    Err(_) => self.skip(SkipReason::NotARecord, "`Records` is not a list", text),
                },
                _ => self.record(raw),
            },
            _ => self.record(raw),
        }
    }

    fn record(&mut self, raw: &RawValue) {
        let text = raw.get();
        if !text.starts_with('{') {
            self.skip(SkipReason::NotAnObject, &format!("`{}`", shorten(text)), text);
            return;
        }
        match serde_json::from_str::<Record<'_>>(text) {
            Ok(record) => self.offer(&record, text),
            Err(error) => {
                // A member that stands twice: the last one counts, as with other JSON readers.
                let last_wins = serde_json::from_str::<serde_json::Value>(text).map(|value| value.to_string());
                match last_wins.as_deref().map(serde_json::from_str::<Record<'_>>) {
                    Ok(Ok(record)) => self.offer(&record, text),
                    _ => self.skip(SkipReason::BrokenJson, &error.to_string(), text),
                }
            }
        }
    }

    fn offer(&mut self, record: &Record<'_>, text: &str) {
        let (Some(_), Some(name)) = (record.event_source.get(), record.event_name.get()) else {
            let (reason, detail) = look_alike(record, text);
            self.skip(reason, detail, text);
            return;
        };
        if record.event_type.get() == Some("AwsCloudTrailInsight") {
            self.skip(SkipReason::Insight, name, text);
            return;
        }
        if record.event_source.get().is_some_and(|source| source.starts_with("aws:")) {
            self.skip(SkipReason::NotARecord, "a notification of a service (`eventSource` `aws:...`), not a CloudTrail record", text);
            return;
        }
        let time = record.event_time.get();
        if time.and_then(event_time).is_none() {
            self.skip(SkipReason::NoEventTime, &format!("`eventTime` is `{}`", time.unwrap_or("missing")), text);
            return;
        }
        self.sink.record(self.index, record, text);
        self.index += 1;
    }

    fn skip(&mut self, reason: SkipReason, detail: &str, text: &str) {
        self.sink.skipped(Skipped::new(Some(self.index), reason, detail, text.as_bytes()));
        self.index += 1;
    }
}

#[derive(Deserialize)]
struct Wrapper<'a> {
    #[serde(borrow, rename = "Records")]
    records: Option<&'a RawValue>,
}

fn look_alike(record: &Record<'_>, text: &str) -> (SkipReason, &'static str) {
    if record.insight_details.0.is_some() {
        return (SkipReason::Insight, "an Insights record");
    }
    if text.contains("\"digestS3Object\"") || text.contains("\"digestPublicKeyFingerprint\"") {
        return (SkipReason::Digest, "a digest file");
    }
    (SkipReason::NotARecord, "no `eventSource` or no `eventName`")
}

/// The next place where a value begins.
fn next_value(text: &str, from: usize) -> Option<usize> {
    let rest = text.get(from..)?;
    let start = rest.find(|c: char| !c.is_whitespace() && c != ',')?;
    Some(from + start)
}

fn read_value(text: &str) -> Result<(&RawValue, usize), serde_json::Error> {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    match stream.next() {
        Some(Ok(raw)) => Ok((raw, stream.byte_offset())),
        Some(Err(error)) => Err(error),
        None => Err(serde::de::Error::custom("nothing to read")),
    }
}

/// Where the elements of the `Records` array of a wrapper begin.
fn records_array(text: &str) -> Option<usize> {
    let at = text.find("\"Records\"")?;
    let after = text.get(at + "\"Records\"".len()..)?;
    let colon = after.trim_start().strip_prefix(':')?.trim_start();
    let inside = colon.strip_prefix('[')?;
    (at < 4_096).then_some(text.len() - inside.len())
}

fn shorten(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    if short.len() < text.len() { format!("{short}...") } else { short }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Collected {
        names: Vec<String>,
        skipped: Vec<(Option<u64>, SkipReason)>,
    }

    impl Sink for Collected {
        fn record(&mut self, _: u64, record: &Record<'_>, _: &str) {
            self.names.push(record.event_name.get().unwrap_or_default().to_owned());
        }
        fn skipped(&mut self, skipped: Skipped) {
            self.skipped.push((skipped.index, skipped.reason));
        }
    }

    fn collect(text: &str) -> Collected {
        let mut collected = Collected::default();
        decode(text, &mut collected);
        collected
    }

    fn record(name: &str) -> String {
        format!(
            r#"{{"eventVersion":"1.11","eventTime":"2026-01-01T00:00:00Z","eventSource":"workmail.amazonaws.com","eventName":"{name}"}}"#
        )
    }

    #[test]
    fn every_container_gives_its_records() {
        let (a, b) = (record("A"), record("B"));
        for text in [
            format!("{{\"Records\":[{a},{b}]}}"),
            format!("[{a},{b}]"),
            format!("{a}\n{b}\n"),
            format!("{a}{b}"),
            format!("\u{feff}{a}\n\n{{\"Records\":[{b}]}}"),
        ] {
            let collected = collect(&text);
            assert_eq!(collected.names, ["A", "B"], "{text}");
            assert!(collected.skipped.is_empty());
        }
    }

    #[test]
    fn a_broken_record_costs_itself() {
        let (a, b) = (record("A"), record("B"));
        let broken = r#"{"eventVersion":"1.11","eventName":"X",,}"#;
        for text in [format!("{{\"Records\":[{a},{broken},{b}]}}"), format!("{a}\n{broken}\n{b}\n"), format!("[{a},{broken},{b}]")] {
            let collected = collect(&text);
            assert_eq!(collected.names, ["A", "B"], "{text}");
            assert!(collected.skipped.iter().any(|(_, reason)| *reason == SkipReason::BrokenJson), "{text}");
        }
        let text = format!("{{\"Records\":[{a},\"oops\",{b},42]}}");
        let collected = collect(&text);
        assert_eq!(collected.names, ["A", "B"]);
        assert_eq!(collected.skipped, [(Some(1), SkipReason::NotAnObject), (Some(3), SkipReason::NotAnObject)]);
    }

    #[test]
    fn a_truncated_file_keeps_what_is_whole() {
        let (a, b) = (record("A"), record("B"));
        let text = format!("{{\"Records\":[{a},{}", &b[..b.len() - 10]);
        let collected = collect(&text);
        assert_eq!(collected.names, ["A"]);
        assert_eq!(collected.skipped.first(), Some(&(Some(1), SkipReason::Truncated)));
    }

    #[test]
    fn look_alikes_are_told_by_name() {
        let cases = [
            (
                r#"{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","eventTime":"2026-01-01T00:00:00Z"}]}"#,
                SkipReason::NotARecord,
            ),
            (r#"{"digestS3Object":"x","awsAccountId":"1"}"#, SkipReason::Digest),
            (r#"{"eventSource":"a","eventName":"b"}"#, SkipReason::NoEventTime),
            ("", SkipReason::EmptyFile),
            ("\"text\"", SkipReason::NotAnObject),
        ];
        for (text, reason) in cases {
            assert_eq!(collect(text).skipped.first().map(|s| s.1), Some(reason), "{text}");
        }
    }

    #[test]
    fn duplicate_members_take_the_last() {
        let collected = collect(r#"{"eventTime":"2026-01-01T00:00:00Z","eventSource":"s","eventName":"A","eventName":"B"}"#);
        assert_eq!(collected.names, ["B"]);
    }
}
