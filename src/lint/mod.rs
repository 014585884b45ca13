//! Lints policies: what cannot be given one meaning, what IAM refuses to store, what hardly is what its author meant.
//!
//! A document is parsed first; then it is walked once more, node by node, so that each finding has its place and one
//! finding does not hide the next.

mod conditions;
mod file;
mod keys;
mod organization;
mod reach;
mod resources;
mod strict;
mod walk;
pub(crate) mod warnings;

use std::borrow::Cow;

pub use file::{FileKind, file, file_kind};

use crate::error::PolicyError;
use crate::iam::json::{Kind, Node, Source};
use crate::iam::{PolicyType, parse};
use walk::DocumentView;

/// How bad a finding is. Only errors fail a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It cannot be given one meaning, or, in strict mode, IAM would not store it or Access Analyzer calls it an error.
    Error,
    /// It has a meaning, most likely not the one that was meant.
    Warning,
    /// Worth knowing.
    Note,
}

impl Severity {
    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// A finding of a lint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The lint's name: stable, in kebab case.
    pub code: &'static str,
    /// What is found, and where.
    pub finding: PolicyError,
}

/// Lints the text of one policy document. With `strict`, what IAM refuses to store and what Access Analyzer calls an
/// error is an error here too; without, it is a warning. The findings are in the order of their places.
///
/// ```
/// use retrial::iam::PolicyType;
/// use retrial::lint::{Severity, lint};
/// let text = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "workmail:ListUser", "Resource": "*"}}"#;
/// let found = lint(text, PolicyType::Identity, true);
/// assert_eq!((found[0].severity, found[0].code), (Severity::Warning, "unknown-action"));
/// assert!(found[0].finding.help.as_ref().is_some_and(|help| help.contains("workmail:ListUsers")));
/// ```
pub fn lint(text: &str, policy_type: PolicyType, strict: bool) -> Vec<Diagnostic> {
    let (text, marked) = plain(text);
    let source = Source::new(&text);
    let mut linter = Linter::new(&source, policy_type, strict);
    match source.root() {
        Ok(root) => {
            if marked {
                let help = "save the file as UTF-8 without a byte order mark";
                linter.refused("byte-order-mark", &root, "the text begins with a byte order mark, which IAM does not store", Some(help));
            }
            linter.document(&root);
            linter.size(&root, size_limit(policy_type));
        }
        Err(error) => linter.add(Severity::Error, "invalid", error),
    }
    linter.finish()
}

/// The text without percent encoding and byte order mark, and whether there was a mark.
fn plain(text: &str) -> (Cow<'_, str>, bool) {
    match parse::decode(text) {
        Cow::Borrowed(text) => text.strip_prefix('\u{feff}').map_or((Cow::Borrowed(text), false), |rest| (Cow::Borrowed(rest), true)),
        Cow::Owned(text) => match text.strip_prefix('\u{feff}') {
            Some(rest) => (Cow::Owned(rest.to_owned()), true),
            None => (Cow::Owned(text), false),
        },
    }
}

/// How many characters one document of a type may have.
fn size_limit(policy_type: PolicyType) -> Option<usize> {
    match policy_type {
        PolicyType::Identity | PolicyType::Boundary => Some(6_144),
        PolicyType::Scp | PolicyType::Rcp => Some(5_120),
        PolicyType::Session => Some(2_048),
        PolicyType::Resource | PolicyType::Endpoint => None,
    }
}

/// Collects the findings of one text.
struct Linter<'s, 'a> {
    source: &'s Source<'a>,
    policy_type: PolicyType,
    strict: bool,
    found: Vec<Diagnostic>,
}

impl<'s, 'a> Linter<'s, 'a> {
    fn new(source: &'s Source<'a>, policy_type: PolicyType, strict: bool) -> Self {
        Self { source, policy_type, strict, found: Vec::new() }
    }

    /// Lints the document that is `node`.
    fn document(&mut self, node: &Node<'a>) {
        for error in parse::errors(self.source, node, self.policy_type) {
            self.add(Severity::Error, "invalid", error);
        }
        if node.kind() != Kind::Object {
            return;
        }
        let view = DocumentView::read(self.source, node);
        self.storable(node, &view);
        for statement in &view.statements {
            self.statement_storable(statement);
            self.resources(statement);
            self.condition_entries(statement, view.has_variables);
            self.doubtful(statement);
        }
    }

    fn add(&mut self, severity: Severity, code: &'static str, finding: PolicyError) {
        self.found.push(Diagnostic { severity, code, finding });
    }

    /// What IAM refuses to store, or Access Analyzer calls an error.
    fn refused(&mut self, code: &'static str, node: &Node<'a>, message: impl Into<String>, help: Option<&str>) {
        let severity = if self.strict { Severity::Error } else { Severity::Warning };
        self.add(severity, code, self.source.error(node, message, help));
    }

    fn warning(&mut self, code: &'static str, node: &Node<'a>, message: impl Into<String>, help: Option<&str>) {
        self.add(Severity::Warning, code, self.source.error(node, message, help));
    }

    fn note(&mut self, code: &'static str, node: &Node<'a>, message: impl Into<String>, help: Option<&str>) {
        self.add(Severity::Note, code, self.source.error(node, message, help));
    }

    fn finish(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|found| (found.finding.line, found.finding.column, found.severity));
        self.found
    }
}
