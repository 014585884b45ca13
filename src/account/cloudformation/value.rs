//! The values of a template, JSON or YAML, each with the line that it stands on. Short forms of intrinsic functions (`!Sub`)
//! become the long ones (`Fn::Sub`).

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use crate::error::PolicyError;
use crate::iam::json::{self, Source};

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Value {
    pub(super) node: Node,
    /// Line in the file, from 1.
    pub(super) line: usize,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// Nothing at all: `AWS::NoValue`, and what is empty.
    Nothing,
    /// A scalar: its text, and whether it was written in quotes.
    Text(String, bool),
    List(Vec<Value>),
    /// Members in the order in which they stand.
    Map(Vec<(String, Value)>),
}

/// Members of a map.
type Members = Vec<(String, Value)>;

/// What is wrong with a template, and on which line.
pub(super) type Broken = (usize, String);

/// Nesting deeper than this is refused.
const DEPTH: usize = 100;
/// The most values: aliases of aliases make many of few.
const VALUES: usize = 1_000_000;

impl Value {
    /// A text.
    pub(super) fn text(text: impl Into<String>, line: usize) -> Self {
        Self { node: Node::Text(text.into(), true), line }
    }

    /// A member of a map.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        self.members().iter().find(|(member, _)| member == name).map(|(_, value)| value)
    }

    /// The members of a map; none of anything else.
    pub(super) fn members(&self) -> &[(String, Self)] {
        if let Node::Map(members) = &self.node { members } else { &[] }
    }

    /// The elements of a list; anything else but nothing is a list of itself, as CloudFormation takes it.
    pub(super) fn elements(&self) -> &[Self] {
        match &self.node {
            Node::List(elements) => elements,
            Node::Nothing => &[],
            _ => std::slice::from_ref(self),
        }
    }

    /// The text of a scalar.
    pub(super) fn as_text(&self) -> Option<&str> {
        if let Node::Text(text, _) = &self.node { Some(text) } else { None }
    }

    /// The only member of a map that has one: an intrinsic function.
    pub(super) fn function(&self) -> Option<(&str, &Self)> {
        match self.members() {
            [(name, value)] if name == "Ref" || name == "Condition" || name.starts_with("Fn::") => Some((name, value)),
            _ => None,
        }
    }
}

/// Reads a template, JSON if it begins so.
pub(super) fn read(text: &str) -> Result<Value, Broken> {
    if text.trim_start().starts_with('{') {
        let source = Source::new(text);
        let broken = |error: PolicyError| (error.line, error.message.clone());
        // YAML has flow maps too: what is no JSON is read as that.
        match source.root().and_then(|root| from_json(&source, &root, 0)) {
            Ok(value) => return Ok(value),
            Err(error) if Reader::new(text).document().is_err() => return Err(broken(error)),
            Err(_) => {}
        }
    }
    Reader::new(text).document()
}

fn from_json(source: &Source<'_>, node: &json::Node<'_>, depth: usize) -> Result<Value, PolicyError> {
    if depth > DEPTH {
        return Err(source.error(node, "it is nested too deeply", None));
    }
    let value = match node.kind() {
        json::Kind::Object => {
            let members = node.members(source)?;
            Node::Map(
                members
                    .iter()
                    .map(|(name, node)| Ok((name.to_string(), from_json(source, node, depth + 1)?)))
                    .collect::<Result<_, PolicyError>>()?,
            )
        }
        json::Kind::Array => {
            Node::List(node.elements(source)?.iter().map(|node| from_json(source, node, depth + 1)).collect::<Result<_, PolicyError>>()?)
        }
        json::Kind::String => Node::Text(node.string(source)?, true),
        json::Kind::Null => Node::Nothing,
        json::Kind::Number | json::Kind::Bool => Node::Text(node.text().to_owned(), false),
    };
    Ok(Value { node: value, line: source.line(source.offset(node)) })
}

#[cfg(test)]
fn read_yaml(text: &str) -> Result<Value, Broken> {
    Reader::new(text).document()
}

struct Reader<'t> {
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
    anchors: HashMap<usize, Value>,
    values: usize,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str) -> Self {
        Self { parser: Parser::new_from_str(text), anchors: HashMap::new(), values: 0 }
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), Broken> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err((error.marker().line().max(1), error.info().to_owned())),
            None => Err((1, "it ends early".to_owned())),
        }
    }

    fn document(&mut self) -> Result<Value, Broken> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
                (Event::StreamEnd, _) => return Err((1, "it holds nothing".to_owned())),
                (event, span) => {
                    let value = self.value(event, span, 0)?;
                    return self.end().map(|()| value);
                }
            }
        }
    }

    fn end(&mut self) -> Result<(), Broken> {
        match self.next()? {
            (Event::DocumentEnd, _) => match self.next()? {
                (Event::StreamEnd, _) => Ok(()),
                (_, span) => Err((span.start.line(), "a second document begins here: a template is one".to_owned())),
            },
            (_, span) => Err((span.start.line(), "something stands behind the template".to_owned())),
        }
    }

    fn value(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Value, Broken> {
        let mut line = span.start.line().max(1);
        self.values += 1;
        if depth > DEPTH || self.values > VALUES {
            return Err((line, "it is nested too deeply, or holds too much".to_owned()));
        }
        let (node, anchor, tag) = match event {
            Event::Alias(anchor) => {
                let value = self.anchors.get(&anchor).cloned().ok_or((line, "this alias has no anchor".to_owned()))?;
                self.values += size(&value);
                return Ok(value);
            }
            Event::Scalar(text, style, anchor, tag) => {
                // With a tag it begins at the tag: the text of a block is below it.
                if tag.is_some() && matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
                    line += 1;
                }
                (scalar(text, style), anchor, tag)
            }
            Event::SequenceStart(anchor, tag) => {
                let mut elements = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (event, span) => elements.push(self.value(event, span, depth + 1)?),
                    }
                }
                (Node::List(elements), anchor, tag)
            }
            Event::MappingStart(anchor, tag) => (self.map(depth)?, anchor, tag),
            _ => return Err((line, "a value is missing here".to_owned())),
        };
        let value = tagged(Value { node, line }, tag.as_deref());
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        Ok(value)
    }

    fn map(&mut self, depth: usize) -> Result<Node, Broken> {
        let (mut members, mut merged): (Members, Members) = (Vec::new(), Vec::new());
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                // What stands beside a merge is right.
                let known: Vec<String> = members.iter().map(|(name, _)| name.clone()).collect();
                members.extend(merged.into_iter().filter(|(name, _)| !known.contains(name)));
                return Ok(Node::Map(members));
            }
            // `Null` is a condition operator.
            let (name, line) = match event {
                Event::Scalar(text, _, 0, _) => (text.into_owned(), span.start.line().max(1)),
                event => {
                    let key = self.value(event, span, depth + 1)?;
                    let Node::Text(name, _) = key.node else { return Err((key.line, "the name of a member is no text".to_owned())) };
                    (name, key.line)
                }
            };
            let (event, span) = self.next()?;
            let value = self.value(event, span, depth + 1)?;
            if name == "<<" {
                for (name, value) in value.elements().iter().flat_map(Value::members).cloned().collect::<Vec<_>>() {
                    if !merged.iter().any(|(known, _)| *known == name) {
                        merged.push((name, value));
                    }
                }
            } else if members.iter().any(|(known, _)| *known == name) {
                return Err((line, format!("`{name}` stands twice")));
            } else {
                members.push((name, value));
            }
        }
    }
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle) -> Node {
    let plain = style == ScalarStyle::Plain;
    match text.as_ref() {
        "" | "~" | "null" | "Null" | "NULL" if plain => Node::Nothing,
        _ => Node::Text(text.into_owned(), !plain),
    }
}

/// The long form of what a tag says.
fn tagged(value: Value, tag: Option<&Tag>) -> Value {
    let Some(tag) = tag.filter(|tag| tag.handle == "!" && !tag.suffix.is_empty()) else { return value };
    let name = match tag.suffix.as_str() {
        "Ref" => "Ref".to_owned(),
        "Condition" => "Condition".to_owned(),
        other => format!("Fn::{other}"),
    };
    let line = value.line;
    Value { node: Node::Map(vec![(name, value)]), line }
}

fn size(value: &Value) -> usize {
    1 + match &value.node {
        Node::List(elements) => elements.iter().map(size).sum(),
        Node::Map(members) => members.iter().map(|(_, value)| size(value)).sum::<usize>(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_yaml_with_short_forms_are_the_same() {
        let yaml = read("A: !Sub '${B}-x'\nC:\n  - !Ref D\n  - !GetAtt E.Arn\n").unwrap();
        let json = read("{\"A\": {\"Fn::Sub\": \"${B}-x\"},\n\"C\": [{\"Ref\": \"D\"},\n{\"Fn::GetAtt\": \"E.Arn\"}]}").unwrap();
        let plain = |value: &Value| format!("{value:?}").replace("true", "q").replace("false", "q").split("line").count();
        assert_eq!(plain(&yaml), plain(&json));
        assert_eq!(yaml.get("A").unwrap().function().unwrap().0, "Fn::Sub");
        assert_eq!(yaml.get("C").unwrap().elements()[1].line, 4);
        assert_eq!(json.get("C").unwrap().elements()[1].line, 3);
    }

    #[test]
    fn what_is_broken_is_told_with_its_line() {
        for (text, line) in [("A: 1\nA: 2\n", 2), ("a: [1, 2\nb: c\n", 2), ("{\"a\": 1,\n\"a\": 2}", 2), ("a: 1\n---\nb: 2\n", 2), ("", 1)]
        {
            assert_eq!(read(text).unwrap_err().0, line, "{text}");
        }
        let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
        assert!(read(&deep).unwrap_err().1.contains("nested too deeply"));
        let bombs = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f]\n";
        assert!(read(bombs).unwrap_err().1.contains("holds too much"));
        assert!(
            read_yaml("a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\n")
                .is_ok_and(|value| value.get("b").unwrap().get("y").unwrap().as_text() == Some("3"))
        );
        assert_eq!(read("{\"a\": \"\\ud83d\\ude00\"}").unwrap().get("a").unwrap().as_text(), Some("\u{1f600}"));
    }
}
