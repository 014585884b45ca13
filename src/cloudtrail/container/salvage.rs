//! What is whole in a text that is broken somewhere.

use memchr::memchr_iter;

use super::envelope::{LISTS, begins_a_record, begins_like, first_key, is_sure_list};
use super::{Decoder, Sink, SkipReason, WORDS, is_between, read_value};
use crate::cloudtrail::skipped::without_secrets;

/// Bytes that may be read in vain, as a multiple of the text's length.
const MOST_WASTED: usize = 8;

/// How many bytes of broken JSON are quoted.
const QUOTED: usize = 60;

/// How far from the beginning of a broken wrapper its list may begin.
const HEAD: usize = 4_096;

impl<S: Sink> Decoder<'_, S> {
    /// Takes what is whole of a value that does not read; returns where to go on.
    pub(super) fn salvage(&mut self, text: &str, start: usize, error: &serde_json::Error) -> usize {
        let rest = text.get(start..).unwrap_or("");
        let list = if rest.starts_with('[') { Some((1, false)) } else { list_of(rest).map(|inside| (inside, true)) };
        match list {
            Some((inside, wrapped)) if !self.gives_up(text, rest, error) => self.salvage_list(text, start + inside, wrapped),
            _ => self.broken(text, start, first_key(rest), error),
        }
    }

    /// Accounts for what was read of `rest` in vain; whether that is too much by now.
    fn gives_up(&mut self, text: &str, rest: &str, error: &serde_json::Error) -> bool {
        self.wasted = self.wasted.saturating_add(failed_at(error, rest));
        self.wasted > text.len().saturating_mul(MOST_WASTED)
    }

    fn salvage_list(&mut self, text: &str, start: usize, wrapped: bool) -> usize {
        let mut at = start;
        let mut key = None;
        loop {
            let rest = text.get(at..).unwrap_or("");
            let rest = rest.trim_start_matches(is_between);
            at = text.len() - rest.len();
            key = key.or_else(|| first_key(rest));
            if let Some(end) = rest.strip_prefix(']') {
                return text.len() - if wrapped { after_wrapper(end).len() } else { end.len() };
            }
            if rest.is_empty() {
                if !self.at_end {
                    self.skip(SkipReason::Truncated, "the text ends before the list of records does", "");
                }
                return at;
            }
            at = match read_value(rest) {
                Ok((raw, length)) => {
                    self.element(raw.get(), 1);
                    at + length
                }
                Err(error) => match self.loose(rest, text.len()) {
                    Some((json, length)) => {
                        self.rebuilt(&json, rest.get(..length).unwrap_or_default(), |decoder, json| decoder.element(json, 1));
                        at + length
                    }
                    None => self.broken(text, at, key, &error),
                },
            };
        }
    }

    /// Skips a broken stretch up to the next thing that begins as a record, or as its neighbours (`key`) do.
    fn broken(&mut self, text: &str, start: usize, key: Option<&str>, error: &serde_json::Error) -> usize {
        let rest = text.get(start..).unwrap_or("");
        let gives_up = self.gives_up(text, rest, error);
        let end = if gives_up { rest.len() } else { next_beginning(rest, key) };
        let broken = rest.get(..end).unwrap_or("").trim_end_matches(|c: char| c.is_whitespace() || c == ',');
        let reason = if error.is_eof() { SkipReason::Truncated } else { SkipReason::BrokenJson };
        // Of a list whose last record is broken, the end stands in what is skipped.
        self.at_end = error.is_eof() || (end == rest.len() && broken.trim_end_matches(['}', ' ', '\t', '\r', '\n']).ends_with(']'));
        let more = if gives_up { "; broken in so many places that the rest is left out" } else { "" };
        self.skip(reason, &format!("{}{more}", told(error, rest)), broken);
        start + end
    }
}

/// Where the list of a wrapper begins.
fn list_of(text: &str) -> Option<usize> {
    if begins_a_record(text) {
        return None;
    }
    let head = text.get(..text.floor_char_boundary(HEAD))?;
    let starts = LISTS.iter().filter(|name| is_sure_list(name)).filter_map(|name| {
        let at = head.find(&format!("\"{name}\"")).or_else(|| head.find(&format!("'{name}'")))?;
        let after = head.get(at + name.len() + 2..)?;
        let inside = after.trim_start().strip_prefix(':')?.trim_start().strip_prefix('[')?;
        Some(head.len() - inside.len())
    });
    starts.min()
}

/// What follows the list in its wrapper is no record: passed over up to the next value.
fn after_wrapper(end: &str) -> &str {
    let end = end.trim_start();
    match end.strip_prefix('}') {
        Some(after) => after,
        None => end.get(next_beginning(end, None)..).unwrap_or(""),
    }
}

/// Where the next object stands that is not a member of another one, as far as that can be seen from around it.
fn next_beginning(text: &str, key: Option<&str>) -> usize {
    let bytes = text.as_bytes();
    let begins = |at: usize| {
        let before = bytes.get(..at).unwrap_or_default();
        let neighbour = before.trim_ascii_end().last();
        match neighbour {
            // A member's value, unless the line before is other text that ends so: `received:`.
            Some(b':' | b'[') | None => before.ends_with(b"\n") && text.get(at..).is_some_and(begins_a_record),
            _ if before.ends_with(b"\n") => true,
            Some(b',' | b'}' | b'Z') => text.get(at..).is_some_and(|candidate| begins_like(candidate, key)),
            _ => false,
        }
    };
    let is_record = |at: usize| text.get(at..).is_some_and(begins_a_record);
    let list = |at: usize| begins_list(bytes, at).filter(|_| is_record(at));
    let words = |at: usize| begins_line_of_words(text, at).filter(|_| is_record(at));
    let beginning = |at: usize| list(at).or_else(|| begins(at).then_some(at)).or_else(|| words(at));
    memchr_iter(b'{', bytes).find_map(beginning).unwrap_or(text.len())
}

/// Where the line begins that has nothing but words before a place.
fn begins_line_of_words(text: &str, at: usize) -> Option<usize> {
    let before = text.get(text.floor_char_boundary(at.saturating_sub(WORDS))..at)?;
    let line = before.rsplit_once('\n')?.1;
    (!line.contains(['"', '{', '}'])).then(|| at - line.len())
}

/// Where the list stands at the beginning of a line whose first element stands at a place.
fn begins_list(bytes: &[u8], at: usize) -> Option<usize> {
    let before = bytes.get(..at)?.trim_ascii_end();
    let list = before.len().checked_sub(1).filter(|_| before.ends_with(b"["))?;
    before.get(..list)?.ends_with(b"\n").then_some(list)
}

/// What is wrong with the JSON of a record, or of what stands in its place, and where in it.
pub(super) fn told(error: &serde_json::Error, text: &str) -> String {
    let message = error.to_string();
    let (line, column) = (error.line(), error.column());
    let message = message.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&message);
    let begin = text.floor_char_boundary(failed_at(error, text).saturating_sub(QUOTED / 2));
    let quoted = without_secrets(text.get(..text.floor_char_boundary(begin + QUOTED)).unwrap_or_default(), begin);
    let quoted = quoted.split_whitespace().collect::<Vec<_>>().join(" ");
    match (line, column) {
        _ if error.is_eof() => format!("{message} at line {line} column {column} of the record"),
        (0 | 1, 0 | 1) if quoted.contains(char::REPLACEMENT_CHARACTER) => format!("{message}: it begins with bytes that are no text"),
        (0 | 1, 0 | 1) => format!("{message}: it begins `{quoted}`"),
        _ => format!("{message} at line {line} column {column} of the record, near `{quoted}`"),
    }
}

/// How many bytes were read before the error.
fn failed_at(error: &serde_json::Error, text: &str) -> usize {
    if error.is_eof() {
        return text.len();
    }
    let line = error.line().checked_sub(2).and_then(|line| memchr_iter(b'\n', text.as_bytes()).nth(line));
    line.unwrap_or(0) + error.column()
}
