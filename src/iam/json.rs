//! JSON with places: a thin layer over `serde_json` that keeps the source text of every value, refuses duplicate
//! member names and knows line, column and pointer.
//!
//! `serde_json` reads; a `RawValue` borrows from the text, so that its place is its distance from the text's start.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{Finding, PolicyError};

/// A text with the places of its lines.
#[derive(Debug)]
pub struct Source<'a> {
    text: &'a str,
    line_starts: Vec<usize>,
    ascii: bool,
}

/// Characters of an excerpt.
const SHOWN: usize = 100;

/// A value inside a [`Source`], with its pointer.
#[derive(Debug, Clone)]
pub struct Node<'a> {
    raw: &'a str,
    /// RFC 6901 pointer.
    pub pointer: String,
}

/// The six kinds of JSON values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `{...}`
    Object,
    /// `[...]`
    Array,
    /// `"..."`
    String,
    /// A number.
    Number,
    /// `true` or `false`.
    Bool,
    /// `null`
    Null,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Object => "an object",
            Self::Array => "an array",
            Self::String => "a string",
            Self::Number => "a number",
            Self::Bool => "a boolean",
            Self::Null => "null",
        })
    }
}

impl<'a> Source<'a> {
    /// Indexes the lines of `text`.
    pub fn new(text: &'a str) -> Self {
        let line_starts = std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1)).collect();
        Self { text, line_starts, ascii: text.is_ascii() }
    }

    /// The whole text as one value. Trailing data is refused.
    pub fn root(&self) -> Result<Node<'a>, PolicyError> {
        match serde_json::from_str::<&RawValue>(self.text) {
            Ok(raw) => Ok(Node { raw: raw.get(), pointer: String::new() }),
            Err(error) => Err(self.syntax_error(&error)),
        }
    }

    /// Line (from 1) of a byte offset.
    pub fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset).max(1)
    }

    /// Byte offset of a node; 0 if the node is not of this source.
    pub fn offset(&self, node: &Node<'_>) -> usize {
        let offset = (node.raw.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        if offset <= self.text.len() { offset } else { 0 }
    }

    /// First and last line of a node, from 1.
    pub fn lines(&self, node: &Node<'_>) -> (usize, usize) {
        let start = self.offset(node);
        (self.line(start), self.line(start + node.raw.len().saturating_sub(1)))
    }

    /// An error at a node.
    pub fn error(&self, node: &Node<'_>, message: impl Into<String>, help: Option<&str>) -> PolicyError {
        let width = node.raw.chars().take_while(|c| !matches!(c, '\n' | '\r')).take(SHOWN).count();
        self.error_at(self.offset(node), width, node.pointer.clone(), message.into(), help.map(str::to_owned))
    }

    /// An error at a byte range of the text, which need not be JSON.
    pub fn error_in(&self, range: Range<usize>, message: impl Into<String>, help: Option<&str>) -> PolicyError {
        let width = self.text.get(range.clone()).map_or(1, |text| text.lines().next().unwrap_or("").chars().count());
        self.error_at(range.start.min(self.text.len()), width, String::new(), message.into(), help.map(str::to_owned))
    }

    fn syntax_error(&self, error: &serde_json::Error) -> PolicyError {
        let line = error.line().max(1);
        let start = self.line_starts.get(line - 1).copied().unwrap_or(0);
        let mut offset = (start + error.column().saturating_sub(1)).min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let full = error.to_string();
        let message = full.split(" at line ").next().unwrap_or(&full).to_owned();
        let help = self.advice(offset, &message).to_owned();
        self.error_at(offset, 1, String::new(), format!("not valid JSON: {message}"), Some(help))
    }

    /// What to do about a syntax error: what stands there says more than the reader's message.
    fn advice(&self, offset: usize, message: &str) -> &'static str {
        let (before, rest) = self.text.split_at_checked(offset).unwrap_or((self.text, ""));
        match () {
            () if self.text.trim().is_empty() => "the file is empty: write a policy document, or delete the file",
            () if message.contains("trailing characters") => "one JSON document is expected: delete what follows it",
            () if message.contains("EOF") => "the text ends early: a bracket, brace or quote is not closed",
            () if rest.starts_with([']', '}']) && before.trim_end().ends_with(',') => "delete the comma before the closing bracket",
            () if rest.starts_with(['/', '#']) => "JSON has no comments: delete it",
            () if rest.starts_with(['\'', '‘', '’', '“', '”', '„', '«']) => "write straight double quotes: `\"`",
            () if message.contains("expected `,` or") => "a comma, a closing bracket or a quote is missing at this place or before it",
            () if message.contains("control character") => {
                "write a line break in a text as `\\n`, a tab as `\\t`; a quote may be missing before"
            }
            () if message.contains("escape") => "write a backslash as `\\\\`",
            () if message.contains("key must be a string") => "write the name in double quotes",
            () if before.trim().is_empty() => "a policy file is JSON: it begins with `{`",
            () => "texts stand in double quotes; other values are numbers, `true`, `false`, `null`, `[...]` and `{...}`",
        }
    }

    fn error_at(&self, offset: usize, width: usize, pointer: String, message: String, help: Option<String>) -> PolicyError {
        let line = self.line(offset);
        let start = self.line_starts.get(line - 1).copied().unwrap_or(0);
        let head = self.text.get(start..offset).unwrap_or("");
        let before = if self.ascii { head.len() } else { head.chars().count() };
        // A line may be the whole of a large file, with many findings: only what is shown of it is read.
        let shown = head.char_indices().rev().take(SHOWN / 2).last().map_or(offset, |(at, _)| start + at);
        let rest = self.text.get(shown..).unwrap_or("").chars().take_while(|c| *c != '\n').take(SHOWN);
        let excerpt: String = rest.map(|c| if c.is_control() { ' ' } else { c }).collect();
        let excerpt_column = before.min(SHOWN / 2);
        let room = excerpt.chars().count().saturating_sub(excerpt_column).max(1);
        Finding { path: None, line, column: before + 1, width: width.clamp(1, room), pointer, excerpt, excerpt_column, message, help }
            .into()
    }
}

impl<'a> Node<'a> {
    /// The source text of the value.
    pub fn text(&self) -> &'a str {
        self.raw
    }

    /// What kind of value it is.
    pub fn kind(&self) -> Kind {
        match self.raw.as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'n') => Kind::Null,
            _ => Kind::Number,
        }
    }

    /// The members of an object in order; empty for other kinds. Duplicate names are an error of `source`.
    pub fn members(&self, source: &Source<'a>) -> Result<Vec<(Cow<'a, str>, Node<'a>)>, PolicyError> {
        // Most objects have few members: looking through them is faster than hashing.
        const FEW: usize = 16;
        let members: Members<'a> = self.read(source)?;
        let mut nodes: Vec<(Cow<'a, str>, Node<'a>)> = Vec::with_capacity(members.0.len());
        let mut seen: Option<HashSet<Cow<'a, str>>> = (members.0.len() > FEW).then(HashSet::new);
        for (name, raw) in members.0 {
            let pointer = match name.contains(['~', '/']) {
                true => format!("{}/{}", self.pointer, name.replace('~', "~0").replace('/', "~1")),
                false => format!("{}/{name}", self.pointer),
            };
            let node = Node { raw: raw.get(), pointer };
            let is_new = match &mut seen {
                Some(seen) => seen.insert(name.clone()),
                None => nodes.iter().all(|(known, _)| *known != name),
            };
            if !is_new {
                let message = format!("`{name}` stands twice in one object");
                return Err(source.error(&node, message, Some("keep one of the two: JSON readers disagree on which one counts")));
            }
            nodes.push((name, node));
        }
        Ok(nodes)
    }

    /// The elements of an array.
    pub fn elements(&self, source: &Source<'a>) -> Result<Vec<Node<'a>>, PolicyError> {
        let raws: Vec<&'a RawValue> = self.read(source)?;
        let node = |(index, raw): (usize, &'a RawValue)| Node { raw: raw.get(), pointer: format!("{}/{index}", self.pointer) };
        Ok(raws.into_iter().enumerate().map(node).collect())
    }

    /// The text of a string.
    pub fn string(&self, source: &Source<'a>) -> Result<String, PolicyError> {
        self.read(source)
    }

    fn read<T: Deserialize<'a>>(&self, source: &Source<'a>) -> Result<T, PolicyError> {
        serde_json::from_str(self.raw).map_err(|error| {
            let full = error.to_string();
            let message = full.split(" at line ").next().unwrap_or(&full);
            let help = "write the text again; `\\u` takes four hex digits, and two such escapes for what lies beyond U+FFFF";
            source.error(self, format!("not valid JSON: {message}"), Some(help))
        })
    }
}

/// Text that borrows where it can; `Cow<str>` itself never borrows with serde.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Text<'a>(pub Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
            fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text)))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((name, raw)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                    members.push((name.0, raw));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_text() {
        let text = "{\n  \"a\": [1, \"x\"]\n}";
        let source = Source::new(text);
        let members = source.root().unwrap().members(&source).unwrap();
        let elements = members[0].1.elements(&source).unwrap();
        let error = source.error(&elements[1], "here", None);
        assert_eq!((error.line, error.column, error.pointer.as_str()), (2, 12, "/a/1"));
    }

    #[test]
    fn a_duplicate_member_is_refused_where_it_stands() {
        let text = "{\"a\": 1,\n \"a\": 2}";
        let source = Source::new(text);
        let error = source.root().unwrap().members(&source).unwrap_err();
        assert_eq!((error.line, error.message.as_str()), (2, "`a` stands twice in one object"));
    }

    #[test]
    fn a_syntax_error_says_what_to_do_about_what_stands_there() {
        for (text, help) in [
            ("[1,]", "delete the comma"),
            ("{\"a\": 1,\n}", "delete the comma"),
            ("{ // why\n}", "no comments"),
            ("{'a': 1}", "double quotes"),
            ("{“a”: 1}", "double quotes"),
            ("{a: 1}", "the name in double quotes"),
            ("[\"a\" \"b\"]", "a comma"),
            ("[\"a\nb\"]", "line break"),
            ("[\"\\q\"]", "backslash"),
            ("Version: 1", "begins with `{`"),
            ("[Allow]", "double quotes"),
            ("{} {}", "delete what follows"),
        ] {
            let error = Source::new(text).root().unwrap_err();
            assert!(error.help.clone().unwrap().contains(help), "{text}: {error}");
        }
    }

    #[test]
    fn an_excerpt_is_cut_around_its_place_whatever_the_characters() {
        for letter in ["x", "é"] {
            let text = format!("[\"{}\", 7, \"{}\"]", letter.repeat(300), letter.repeat(300));
            let source = Source::new(&text);
            let seven = source.root().unwrap().elements(&source).unwrap().remove(1);
            let error = source.error(&seven, "here", None);
            assert_eq!((error.column, error.excerpt_column, error.width), (306, 50, 1));
            assert_eq!((error.excerpt.chars().count(), error.excerpt.chars().nth(50)), (100, Some('7')));
        }
    }

    #[test]
    fn an_empty_or_cut_text_names_its_end() {
        assert!(Source::new("").root().unwrap_err().help.clone().unwrap().contains("empty"));
        let error = Source::new("{\"a\": [1,").root().unwrap_err();
        assert_eq!((error.line, error.help.clone().unwrap().contains("ends early")), (1, true));
    }
}
