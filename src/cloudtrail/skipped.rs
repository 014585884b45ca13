//! What was not kept, and why.

use std::ops::Range;

use sha2::{Digest, Sha256};

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
    /// Microseconds since 1970, where the record had a readable time.
    pub event_time: Option<i64>,
    /// The first 4 KiB, with stars for the values of secret members and `\xNN` for bytes that are not UTF-8.
    pub raw: String,
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
    /// A row that does not fit the header of its table.
    BrokenCsv,
    /// The text ends inside a record.
    Truncated,
    /// JSON, but a string, number or the like where a record is expected.
    NotAnObject,
    /// An object, but not a CloudTrail record.
    NotARecord,
    /// Something known that looks like a CloudTrail record and is none: a notification, another log.
    NotCloudtrail,
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
            Self::BrokenCsv => "broken_csv",
            Self::Truncated => "truncated",
            Self::NotAnObject => "not_an_object",
            Self::NotARecord => "not_a_record",
            Self::NotCloudtrail => "not_cloudtrail",
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
        let detail = without_secrets(&detail.into(), 0);
        Self { index, reason, detail, length: bytes.len() as u64, sha256, event_time: None, raw: raw(bytes) }
    }

    /// Puts stars for values that are known to be secret.
    pub(super) fn hide(&mut self, secrets: &[String]) {
        for secret in secrets {
            for text in [&mut self.raw, &mut self.detail] {
                *text = text.replace(secret, &"*".repeat(secret.len()));
            }
        }
    }
}

/// The most bytes that are kept of what is skipped.
const MOST_RAW: usize = 4_096;

/// The beginning of what is skipped, as text without secrets.
fn raw(bytes: &[u8]) -> String {
    let mut end = bytes.len().min(MOST_RAW);
    // A character is not cut in two.
    while end > MOST_RAW - 3 && bytes.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
        end -= 1;
    }
    without_secrets(&written_out(bytes.get(..end).unwrap_or_default()), 0)
}

/// Text, where bytes that are none are written out (`\xf6`).
pub fn written_out(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
    }
    text
}

/// How the names of members end whose values are secret: `secretAccessKey`, `sessionToken` and other tokens, `password`.
const SECRET: [&str; 4] = ["secretaccesskey", "secret_access_key", "token", "password"];

/// Whether a member or column of that name holds a secret.
pub(super) fn is_secret(name: &str) -> bool {
    let tail = |length: usize| name.len().checked_sub(length).and_then(|at| name.get(at..)).unwrap_or_default();
    SECRET.iter().any(|end| tail(end.len()).eq_ignore_ascii_case(end))
}

/// Other spellings of quotation marks and signs, and the same in as many bytes.
const SPELLINGS: [(&str, &str); 5] =
    [("\\u0022", "\\\"    "), ("\\u0027", "\\'    "), ("\\u003d", "=     "), ("&quot;", "\"     "), ("%3d", "=  ")];

/// How long a secret may be.
const LONGEST: usize = 4_096;

/// The last part of a text, from a place on, without the values of secret members, also where it begins in one.
pub fn without_secrets(text: &str, from: usize) -> String {
    let before = text.floor_char_boundary(from.saturating_sub(LONGEST));
    let stretch = text.get(before..).unwrap_or_default();
    let masked = masked(stretch);
    masked.as_deref().unwrap_or(stretch).get(from - before..).unwrap_or_default().to_owned()
}

/// A text of the same length in which the values of secret members are stars; `None` if there is none.
fn masked(text: &str) -> Option<String> {
    let mut lower = text.to_ascii_lowercase();
    for (spelling, plain) in SPELLINGS {
        if lower.contains(spelling) {
            lower = lower.replace(spelling, plain);
        }
    }
    let mut masked: Option<String> = None;
    let mut at = 0;
    while let Some(end) = SECRET.iter().filter_map(|name| Some(at + lower.get(at..)?.find(name)? + name.len())).min() {
        at = end;
        let Some(value) = lower.get(at..).and_then(value) else { continue };
        let begin = at + value.start;
        at += value.end;
        masked.get_or_insert_with(|| text.to_owned()).replace_range(begin..at, &"*".repeat(at - begin));
    }
    masked
}

/// Where the value stands in what follows the name of a member, without its quotation marks.
fn value(after: &str) -> Option<Range<usize>> {
    // A text in JSON in a text has `\"`, a cell of a CSV `""`.
    let run = |text: &'_ str| text.len() - text.trim_start_matches(['\\', '"', '\'']).len();
    let quote = after.get(..run(after))?;
    let named = after.get(quote.len()..)?.trim_start();
    let rest = named_apart(named).unwrap_or(named).strip_prefix([':', '='])?;
    let rest = rest.strip_prefix('>').unwrap_or(rest).trim_start();
    // Python's `u'...'`.
    let rest = rest.strip_prefix(['u', 'b', 'r']).filter(|text| text.starts_with(['"', '\''])).unwrap_or(rest);
    let first = rest.trim_start_matches('\\').strip_prefix(['"', '\'']).map_or(0, |after| rest.len() - after.len());
    let own = if rest.starts_with(quote) && !quote.is_empty() { quote } else { rest.get(..first)? };
    let value = rest.strip_prefix(own)?;
    let begin = after.len() - value.len();
    Some(begin..begin + end_of(value, own).unwrap_or(value.len()))
}

/// What follows `"value"` where name and value are members of their own: `{"field":"sessionToken","value":"..."}`.
fn named_apart(after_name: &str) -> Option<&str> {
    let (member, rest) = after_name.strip_prefix(',')?.split_once(':')?;
    let is_value = member.len() < 64 && member.trim_matches([' ', '\n', '\r', '\t', '\\', '"', '\'']).ends_with("value");
    is_value.then(|| after_name.get(after_name.len() - rest.len() - 1..)).flatten()
}

/// Where a value ends that stands behind `quote`: there it stands again, or, without one, at what stands between two values.
fn end_of(value: &str, quote: &str) -> Option<usize> {
    if !quote.is_empty() {
        return value.match_indices(quote).map(|(at, _)| at).find(|at| value.get(..*at).is_some_and(|before| !before.ends_with('\\')));
    }
    if !value.starts_with(['[', '{']) {
        let end = value.find(['"', '\'', '\\', ',', '&', '}', '`', '\n', ';']).unwrap_or(value.len());
        // Words that stand behind it are of it, up to one that is a member of its own.
        let begins_member =
            |at: &usize| value.get(at + 1..end).is_some_and(|rest| rest.split(' ').next().is_some_and(|word| word.contains(['=', ':'])));
        return Some(value.get(..end)?.match_indices(' ').map(|(at, _)| at).find(begins_member).unwrap_or(end));
    }
    let (mut depth, mut is_text) = (0_usize, false);
    for (at, byte) in value.bytes().enumerate() {
        match byte {
            b'"' => is_text = !is_text,
            b'[' | b'{' if !is_text => depth += 1,
            b']' | b'}' if !is_text => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_secret_members_are_stars() {
        for (text, expected) in [
            (r#""secretAccessKey":"wJalr/K","x":"y""#, r#""secretAccessKey":"*******","x":"y""#),
            (r#"{"SessionToken" : "é", "nextToken":null}"#, r#"{"SessionToken" : "**", "nextToken":****}"#),
            ("aws_secret_access_key=ab c d=e {password => \"f\"}", "aws_secret_access_key=**** d=e {password => \"*\"}"),
            ("{u'sessionToken': u'V', 'x': u'y'}", "{u'sessionToken': u'*', 'x': u'y'}"),
            (
                r#"[{"field":"a.sessionToken","value":"V"},{"field":"b","value":"c"}]"#,
                r#"[{"field":"a.sessionToken","value":"*"},{"field":"b","value":"c"}]"#,
            ),
            ("sessionToken=FwoG secretAccessKey=abc", "sessionToken=**** secretAccessKey=***"),
            (r#"{\"password\":\"a\"}"#, r#"{\"password\":\"*\"}"#),
            ("{'password': 'a b', 'c': 1}", "{'password': '***', 'c': 1}"),
            (r#""password":"a\"b, c","d":1"#, r#""password":"*******","d":1"#),
            (r#""token":"cut"#, r#""token":"***"#),
            (r#""{""sessionToken"":""Fwo,G"",""password"":"""",""x"":1}""#, r#""{""sessionToken"":""*****"",""password"":"""",""x"":1}""#),
            (r#"{\\\"token\\\":\\\"a\"b\\\"}"#, r#"{\\\"token\\\":\\\"****\\\"}"#),
            ("password: 'a b'; token=\"c\"", "password: '***'; token=\"*\""),
            (r#"{'password': "it's", 'c': 1}"#, r#"{'password': "****", 'c': 1}"#),
            (r#""token":["a]",["b"]],"c":1"#, r#""token":************,"c":1"#),
            (r#""password":{"value":"a"}"#, r#""password":*************"#),
            (r#"{"password":"","token":null,"x":"y"}"#, r#"{"password":"","token":****,"x":"y"}"#),
        ] {
            assert_eq!(masked(text).as_deref(), Some(expected));
        }
        let escaped = masked(r#""{\u0022password\u0022:\u0022SECRET\u0022,\u0022x\u0022:1}""#).unwrap_or_default();
        assert!(!escaped.contains("SECRET") && escaped.ends_with(r#"\u0022,\u0022x\u0022:1}""#), "{escaped}");
        assert_eq!(masked("no token here; eventName: GetSessionToken"), None);
        assert_eq!(without_secrets(r#""token":"abc","x":1"#, 10), r#"**","x":1"#, "it begins in a secret");
    }
}
