//! What is nearly JSON: as Python prints dictionaries, with `NaN` for nothing, with words where something is null.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{Decoder, Record, Sink};
use crate::cloudtrail::columns::{is_null, is_own, python};

/// Bytes that may be read for this, as a multiple of the text's length.
const MOST_LOOSENED: usize = 4;

impl<S: Sink> Decoder<'_, S> {
    /// A value that is no JSON as the JSON that says the same, and how long it is; of a text of so many bytes.
    pub(super) fn loose(&mut self, text: &str, total: usize) -> Option<(String, usize)> {
        let inside = text.trim_start_matches(|c: char| matches!(c, '[' | '{') || c.is_whitespace());
        let is_python = inside.starts_with('\'');
        if self.loosened > total.saturating_mul(MOST_LOOSENED) || !(is_python || text.starts_with(['[', '{'])) {
            return None;
        }
        let length = length(text, if is_python { b"\"'" } else { b"\"" });
        self.loosened = self.loosened.saturating_add(length.unwrap_or(text.len()));
        let value = text.get(..length?)?;
        // What is broken beside is not lost with it: it is salvaged.
        let json = if is_python { python(value)?.to_string() } else { without_nan(value).filter(|json| is_json(json))? };
        Some((json, value.len()))
    }

    /// Takes a record without the members that say in a word that there is nothing.
    pub(super) fn without_markers(&mut self, text: &str, depth: usize) -> bool {
        let Ok(Value::Object(members)) = serde_json::from_str(text) else { return false };
        let record = Value::Object(told(members)).to_string();
        self.rebuilt(&record, text, |decoder, record| decoder.item(record, depth + 1));
        true
    }
}

/// Whether a record has a word where a program that has nulls had one: CloudTrail writes no such codes and ids.
pub(super) fn has_marker(record: &Record<'_>) -> bool {
    let member = |name: &str, value: Option<&str>| value.is_some_and(|value| is_null(Some(name), value));
    member("errorCode", record.error_code.get()) || member("vpcEndpointId", record.vpc_endpoint_id.get())
}

/// The members that say something.
fn told(members: Map<String, Value>) -> Map<String, Value> {
    let told = members.into_iter().filter_map(|(name, value)| match value {
        Value::String(text) if is_null(Some(&name), &text) => None,
        Value::Object(inner) if !is_own(&name) => Some((name, Value::Object(told(inner)))),
        other => Some((name, other)),
    });
    told.collect()
}

/// JSON with null where a number is none, as Python and JavaScript have it; what is in quotes stays as it stands. `None` if it has
/// no such number.
fn without_nan(value: &str) -> Option<String> {
    const NONE: [&str; 3] = ["-Infinity", "Infinity", "NaN"];
    let mut json = String::with_capacity(value.len());
    let (mut rest, mut found) = (value, false);
    while let Some(at) = rest.find(['"', 'I', 'N', '-']) {
        let (before, after) = rest.split_at_checked(at)?;
        json.push_str(before);
        let quoted = after.starts_with('"').then(|| length_of_text(after)).flatten();
        let none = NONE.iter().find(|word| after.starts_with(**word));
        let taken = quoted.or(none.map(|word| word.len())).unwrap_or(1);
        json.push_str(if none.is_some() { "null" } else { after.get(..taken)? });
        found |= none.is_some();
        rest = after.get(taken..)?;
    }
    json.push_str(rest);
    found.then_some(json)
}

/// JSON with U+FFFD for halves of characters, which whoever cuts a text leaves (`"\ud83d"`); `None` if there is none.
pub(super) fn without_halves(text: &str) -> Option<String> {
    const ESCAPE: usize = 6;
    let unit = |at: usize| u16::from_str_radix(text.get(at..at + ESCAPE)?.strip_prefix("\\u")?, 16).ok();
    let mut whole = String::new();
    let (mut at, mut kept) = (0, 0);
    while let Some(found) = memchr::memchr(b'\\', text.as_bytes().get(at..)?) {
        at += found;
        at += match (unit(at), unit(at + ESCAPE)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 2 * ESCAPE,
            (Some(0xd800..=0xdfff), _) => {
                whole.push_str(text.get(kept..at)?);
                whole.push_str("\\ufffd");
                kept = at + ESCAPE;
                ESCAPE
            }
            (Some(_), _) => ESCAPE,
            (None, _) => 2,
        };
    }
    (kept > 0).then(|| whole + text.get(kept..).unwrap_or_default())
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

/// How long the text is that begins with a quotation mark, both marks included.
fn length_of_text(quoted: &str) -> Option<usize> {
    let mut bytes = quoted.bytes().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// How long the object or list is that a text begins with, in which brackets in quotes do not count.
fn length(text: &str, quotes: &[u8]) -> Option<usize> {
    let mut open = 0_usize;
    let mut quote = None;
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match (quote, byte) {
            (Some(_), b'\\') => drop(bytes.next()),
            (Some(begun), _) => quote = Some(begun).filter(|begun| *begun != byte),
            (None, _) if quotes.contains(&byte) => quote = Some(byte),
            (None, b'{' | b'[') => open += 1,
            (None, b'}' | b']') => {
                open = open.checked_sub(1)?;
                if open == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}
