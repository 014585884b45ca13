//! Policy documents of a template: as JSON in which everything stands on the line that it has in the template, so that
//! errors and statements name the right one.

use super::intrinsic::{is_known, unknown_names, with_variables};
use super::value::{Node, Value};
use crate::error::PolicyError;
use crate::iam::json::Source;
use crate::iam::{PolicyDocument, PolicyType, parse};

/// A document, or the names of what is not known where it would have to be.
pub(super) enum Read {
    Known(PolicyDocument),
    Unknown(Vec<String>),
}

/// Reads the document that a resolved value is. `is_arn` is that of [`with_variables`].
///
/// # Errors
/// What makes it unreadable, at its line in the template.
pub(super) fn read(value: &Value, policy_type: PolicyType, is_arn: &dyn Fn(&str) -> bool) -> Result<Read, PolicyError> {
    let mut unknown = Vec::new();
    // The older version of the language has no variables.
    let has_variables = value.get("Version").and_then(Value::as_text) == Some("2012-10-17");
    find_unknown(value, &|text| has_variables && with_variables(text, is_arn).is_some(), false, &mut unknown);
    if !unknown.is_empty() {
        unknown.sort();
        unknown.dedup();
        return Ok(Read::Unknown(unknown));
    }
    let mut writer = Writer { text: String::new(), line: 1, is_arn };
    match value.as_text() {
        // A document in a text: JSON as it is.
        Some(text) => {
            writer.go_to(value.line);
            writer.text.push_str(text);
        }
        None => writer.value(value, false),
    }
    let source = Source::new(&writer.text);
    parse::node(&source, &source.root()?, policy_type).map(Read::Known)
}

/// The names of what is not known where a policy cannot say so: anywhere but in `Resource`.
fn find_unknown(value: &Value, fits: &dyn Fn(&str) -> bool, in_resource: bool, found: &mut Vec<String>) {
    match &value.node {
        Node::Text(text, _) if is_known(text) || (in_resource && fits(text)) => {}
        Node::Text(text, _) => found.extend(unknown_names(text).map(str::to_owned)),
        Node::List(elements) => elements.iter().for_each(|element| find_unknown(element, fits, in_resource, found)),
        Node::Map(members) => members.iter().for_each(|(name, value)| find_unknown(value, fits, name == "Resource", found)),
        _ => {}
    }
}

/// Writes JSON, a value on its line.
struct Writer<'a> {
    text: String,
    line: usize,
    is_arn: &'a dyn Fn(&str) -> bool,
}

impl Writer<'_> {
    fn go_to(&mut self, line: usize) {
        while self.line < line {
            self.text.push('\n');
            self.line += 1;
        }
    }

    fn value(&mut self, value: &Value, variables: bool) {
        self.go_to(value.line);
        match &value.node {
            Node::Nothing => self.text.push_str("null"),
            Node::Text(text, quoted) => self.scalar(text, *quoted, variables),
            Node::List(elements) => {
                self.text.push('[');
                for (at, element) in elements.iter().enumerate() {
                    self.text.push_str(if at > 0 { ", " } else { "" });
                    self.value(element, variables);
                }
                self.text.push(']');
            }
            Node::Map(members) => {
                self.text.push('{');
                for (at, (name, value)) in members.iter().enumerate() {
                    self.text.push_str(if at > 0 { ", " } else { "" });
                    self.scalar(name, true, false);
                    self.text.push_str(": ");
                    self.value(value, name == "Resource");
                }
                self.text.push('}');
            }
        }
    }

    fn scalar(&mut self, text: &str, quoted: bool, variables: bool) {
        let is_literal = !quoted && (matches!(text, "true" | "false") || text.parse::<serde_json::Number>().is_ok());
        if is_literal {
            return self.text.push_str(text);
        }
        let text = with_variables(text, self.is_arn).filter(|_| variables && !is_known(text)).unwrap_or_else(|| text.to_owned());
        self.text.push_str(&serde_json::Value::from(text).to_string());
    }
}
