//! JSON with places: a thin layer over `serde_json` that keeps the source text of every value, refuses duplicate
//! member names and knows line, column and pointer.
//!
//! `serde_json` reads; a `RawValue` borrows from the text, so that its place is its distance from the text's start.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{Finding, PolicyError};

/// A text with the places of its lines.
#[derive(Debug)]
pub struct Source<'a> {
    text: &'a str,
    line_starts: Vec<usize>,
}

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
        Self { text, line_starts }
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
        let width = node.raw.lines().next().map_or(1, |line| line.chars().count());
        self.error_at(self.offset(node), width, node.pointer.clone(), message.into(), help.map(str::to_owned))
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
        let help = match () {
            () if self.text.trim().is_empty() => Some("the file is empty"),
            () if message.contains("trailing characters") => Some("one JSON document is expected: delete what follows it"),
            () if message.contains("expected `,` or") => Some("a comma may be missing before this place"),
            () if message.contains("trailing comma") => Some("delete the comma before the closing bracket"),
            () if message.contains("EOF") => Some("the text ends early: a bracket, brace or quote is not closed"),
            () => None,
        };
        self.error_at(offset, 1, String::new(), format!("not valid JSON: {message}"), help.map(str::to_owned))
    }

    fn error_at(&self, offset: usize, width: usize, pointer: String, message: String, help: Option<String>) -> PolicyError {
        const SHOWN: usize = 100;
        let line = self.line(offset);
        let start = self.line_starts.get(line - 1).copied().unwrap_or(0);
        let before = self.text.get(start..offset).unwrap_or("").chars().count();
        let full = self.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or("");
        let skip = before.saturating_sub(SHOWN / 2);
        let excerpt: String = full.chars().skip(skip).take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let excerpt_column = before - skip;
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
        let members: Members<'a> = self.read(source)?;
        let mut nodes: Vec<(Cow<'a, str>, Node<'a>)> = Vec::with_capacity(members.0.len());
        for (name, raw) in members.0 {
            let escaped = name.replace('~', "~0").replace('/', "~1");
            let node = Node { raw: raw.get(), pointer: format!("{}/{escaped}", self.pointer) };
            if nodes.iter().any(|(other, _)| *other == name) {
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
            let message = full.split(" at line ").next().unwrap_or(&full).to_owned();
            source.error(self, message, None)
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
    fn an_empty_or_cut_text_names_its_end() {
        assert!(Source::new("").root().unwrap_err().help.clone().unwrap().contains("empty"));
        let error = Source::new("{\"a\": [1,").root().unwrap_err();
        assert_eq!((error.line, error.help.clone().unwrap().contains("ends early")), (1, true));
    }
}
