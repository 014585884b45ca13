//! Actions that none of the resources of their statement can be.

use std::collections::{BTreeMap, BTreeSet};

use super::Linter;
use super::walk::StatementView;
use super::warnings::Known;
use crate::catalog::{Operation, Service};
use crate::iam::Pattern;
use crate::iam::pattern::{Token, arn_tokens, glob_tokens};
use crate::iam::variable::{Part, Template};

/// How many names a message lists.
const LISTED: usize = 3;

/// The ARNs that a statement names, and which forms they can have.
struct Reach {
    patterns: Vec<Pattern>,
    forms: BTreeMap<&'static str, bool>,
}

impl Reach {
    /// Whether some ARN of the form of a catalogue's template is among the resources.
    fn covers(&mut self, template: &'static str) -> bool {
        let patterns = &self.patterns;
        *self.forms.entry(template).or_insert_with(|| {
            let form = form(template);
            patterns.iter().any(|pattern| pattern.meets(&form))
        })
    }

    /// Whether a call of the action has none of the resources: sure only where the catalogue knows all its resource types.
    fn misses(&mut self, service: &'static Service, operation: &'static Operation) -> bool {
        if operation.without_resource() {
            return true;
        }
        let templates: Option<Vec<&'static str>> = templates(service, operation).collect();
        // Tagging takes the ARN of a log group without the `:*` that all else needs (CloudWatch Logs user guide).
        let open = |template: &&str| template.ends_with(':') && operation.name.contains("Tag");
        templates
            .filter(|templates| !templates.iter().any(open))
            .is_some_and(|templates| !templates.is_empty() && !templates.iter().any(|template| self.covers(template)))
    }
}

fn templates(service: &'static Service, operation: &'static Operation) -> impl Iterator<Item = Option<&'static str>> {
    operation.resource.iter().map(|kind| service.resources.get(kind).map(|template| template.arn.as_str()))
}

/// The parts of a template: text, and the names of placeholders.
fn parts(template: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    template.split_inclusive('}').map(|part| match part.strip_suffix('}').and_then(|part| part.split_once("${")) {
        Some((text, name)) => (text, Some(name)),
        None => (part, None),
    })
}

/// Every ARN of a template. What stands for a placeholder has no colon.
fn form(template: &str) -> Pattern {
    let mut tokens = Vec::new();
    for (text, name) in parts(template) {
        tokens.extend(text.chars().map(Token::Char));
        tokens.extend(name.map(|_| Token::Any { colon: false }));
    }
    Pattern::from_tokens(tokens)
}

/// A template as a person would write it.
fn written(template: &str) -> String {
    let mut text = String::new();
    for (part, name) in parts(template) {
        text.push_str(part);
        text.push_str(match name {
            None => "",
            Some("Partition") => "aws",
            Some("Region") => "REGION",
            Some("Account") => "ACCOUNT",
            Some(_) if text.ends_with('*') => "",
            Some(_) => "*",
        });
    }
    text
}

/// A pattern that matches at least what the resource does: a variable may be any text, and so may missing parts.
fn widened(resource: &str) -> Pattern {
    let wide: String = Template::parse(resource)
        .parts
        .into_iter()
        .map(|part| match part {
            Part::Text(text) => text,
            Part::Literal(_) => "?".to_owned(),
            Part::Variable { .. } => "*".to_owned(),
        })
        .collect();
    match arn_tokens(&wide) {
        Some((mut tokens, name)) => {
            tokens.extend(glob_tokens(name, true));
            Pattern::from_tokens(tokens)
        }
        None => Pattern::glob(&format!("{wide}*")),
    }
}

fn list<'n>(names: impl ExactSizeIterator<Item = &'n str>, more: &str) -> String {
    let rest = names.len().saturating_sub(LISTED);
    let mut text = names.take(LISTED).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if rest > 0 {
        text.push_str(&format!(" and {rest} {more}"));
    }
    text
}

impl<'a> Linter<'_, 'a> {
    /// Actions with resource types, none of which can be one of the resources.
    pub(super) fn out_of_reach(&mut self, statement: &StatementView<'a>, actions: &[Known<'_, 'a>]) {
        let Some(resource) = statement.resource.as_ref().filter(|list| !list.negated && !list.entries.is_empty()) else { return };
        // What is no ARN is found elsewhere, and `*` is every resource.
        if resource.entries.iter().any(|entry| !entry.text.starts_with("arn:")) {
            return;
        }
        let patterns = resource.entries.iter().map(|entry| widened(&entry.text)).collect();
        let mut reach = Reach { patterns, forms: BTreeMap::new() };
        let missed: Vec<&Known<'_, 'a>> = actions
            .iter()
            .filter(|action| action.is_sure() && !action.operations.iter().all(|operation| operation.without_resource()))
            .filter(|action| action.operations.iter().all(|operation| reach.misses(action.service, operation)))
            .collect();
        if missed.is_empty() {
            return;
        }
        let operations = missed.iter().flat_map(|action| action.operations.iter().map(|operation| (action.service, *operation)));
        let with_types = operations.filter(|(_, operation)| !operation.without_resource());
        let forms: BTreeSet<String> =
            with_types.flat_map(|(service, operation)| templates(service, operation)).flatten().map(written).collect();
        let does = if statement.allow { "allows" } else { "denies" };
        let names = list(missed.iter().map(|action| action.action.text.as_str()).collect::<Vec<_>>().into_iter(), "more");
        let message = format!("no resource here is one that {names} can act on: the statement {does} nothing of it");
        let forms = list(forms.iter().map(String::as_str).collect::<Vec<_>>().into_iter(), "other forms");
        self.warning("resource-never-matches", &resource.node, message, Some(&format!("it acts on {forms}")));
    }
}
