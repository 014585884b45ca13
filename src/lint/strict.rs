//! What IAM refuses to store and what Access Analyzer calls an error, of the document and of its statements.

use std::collections::HashSet;

use super::walk::{DocumentView, Entry, ListView, StatementView, children};
use super::{Linter, plain};
use crate::iam::PolicyType;
use crate::iam::json::{Kind, Node};

/// How far down a character that cannot be stored is looked for: deeper than the values of any document.
const DEPTH: usize = 8;

impl<'a> Linter<'_, 'a> {
    /// The document as a whole.
    pub(super) fn storable(&mut self, root: &Node<'a>, view: &DocumentView<'a>) {
        self.version(root, view);
        self.characters(root);
        self.sids(view);
        let empty = |node: &&Node<'a>| node.kind() == Kind::Array && children(self.source, node).is_empty();
        if let Some(statement) = view.statement.as_ref().filter(empty) {
            let help = Some("write a statement, or delete the policy");
            self.refused("no-statement", statement, "`Statement` is empty: the policy does nothing, and IAM does not store it", help);
        }
    }

    fn version(&mut self, root: &Node<'a>, view: &DocumentView<'a>) {
        let (code, node, message) = match &view.version {
            None => ("version-missing", root, "`Version` is missing: the policy is read as 2008-10-17, where `${...}` is plain text"),
            Some(version) if version.text == "2008-10-17" => {
                ("version-2008", &version.node, "in a policy of version 2008-10-17 `${...}` is plain text")
            }
            Some(_) => return,
        };
        let managed = "write \"Version\": \"2012-10-17\": IAM stores no new managed policy without it";
        match self.policy_type {
            PolicyType::Boundary => self.refused(code, node, message, Some(managed)),
            PolicyType::Resource | PolicyType::Endpoint => self.note(code, node, message, Some("write \"Version\": \"2012-10-17\"")),
            PolicyType::Identity => self.warning(code, node, message, Some(managed)),
            _ => self.warning(code, node, message, Some("write \"Version\": \"2012-10-17\"")),
        }
    }

    /// The size of one document: an object, or a string that holds one.
    pub(super) fn size(&mut self, root: &Node<'a>, limit: Option<usize>) {
        let spaces_count = matches!(self.policy_type, PolicyType::Session | PolicyType::Scp | PolicyType::Rcp);
        let size = if spaces_count { root.text().chars().count() } else { self.counted(root) };
        if let Some(limit) = limit.filter(|limit| size > *limit) {
            let counted = if spaces_count { "" } else { " without white space" };
            let message = format!("the document has {size} characters{counted}, {limit} are allowed");
            self.refused("size", root, message, Some("split it into several policies, or shorten it with wildcards"));
        }
    }

    /// The characters of a document that IAM counts: an object, or a string that holds one.
    pub(super) fn counted(&self, root: &Node<'a>) -> usize {
        match root.kind() {
            Kind::String => root.string(self.source).map_or(0, |text| without_white_space(&plain(&text).0)),
            _ => without_white_space(root.text()),
        }
    }

    fn characters(&mut self, root: &Node<'a>) {
        let mut node = root.clone();
        let Some(character) = node.text().chars().find(|c| !storable_character(*c)) else { return };
        // The innermost value that has it; a member's name belongs to its object.
        for _ in 0..DEPTH {
            let inner = children(self.source, &node).into_iter().find(|node| !node.text().chars().all(storable_character));
            node = inner.unwrap_or(node);
        }
        let message = format!("the character U+{:04X} cannot be stored in a policy", u32::from(character));
        self.refused("character", &node, message, Some("IAM stores tab, line feed, carriage return and U+0020 to U+00FF"));
    }

    fn sids(&mut self, view: &DocumentView<'a>) {
        let iam = matches!(self.policy_type, PolicyType::Identity | PolicyType::Boundary | PolicyType::Session);
        if matches!(self.policy_type, PolicyType::Resource | PolicyType::Endpoint) {
            return;
        }
        let mut seen: HashSet<&str> = HashSet::new();
        for sid in view.statements.iter().filter_map(|statement| statement.sid.as_ref()) {
            let mut report = |code, message: String, help| {
                if iam { self.refused(code, &sid.node, message, help) } else { self.warning(code, &sid.node, message, help) }
            };
            if !sid.text.bytes().all(|b| b.is_ascii_alphanumeric()) {
                let help = Some("write letters and digits only, without spaces");
                report("sid-characters", format!("`Sid` `{}` has other characters than A-Z, a-z and 0-9", sid.text), help);
            }
            if !seen.insert(&sid.text) && !sid.text.is_empty() {
                report("sid-duplicate", format!("`Sid` `{}` stands in two statements", sid.text), Some("give each statement its own"));
            }
        }
    }

    /// One statement: lists and actions.
    pub(super) fn statement_storable(&mut self, statement: &StatementView<'a>) {
        for (list, what) in [(&statement.action, "action"), (&statement.resource, "resource")] {
            if let Some(list) = list {
                self.list(list, what);
            }
        }
        for action in statement.action.iter().flat_map(|list| &list.entries) {
            self.action(action);
        }
    }

    fn list(&mut self, list: &ListView<'a>, what: &str) {
        if list.entries.is_empty() {
            let code = if what == "action" { "no-action" } else { "no-resource" };
            let help = format!("name {what}s, or delete the statement");
            self.refused(
                code,
                &list.node,
                format!("the statement names no {what}: it does nothing, and IAM does not store it"),
                Some(&help),
            );
        }
        for null in &list.nulls {
            self.warning("null-entry", null, format!("`null` is no {what} and is passed over"), Some("delete it"));
        }
    }

    fn action(&mut self, action: &Entry<'a>) {
        let text = action.text.as_str();
        if text == "*" {
            return;
        }
        if text.contains("${") {
            let help = Some("variables are replaced in `Resource` and `Condition` only");
            self.refused("variable-position", &action.node, format!("the variable in action `{text}` is plain text"), help);
            return;
        }
        let Some((prefix, name)) = text.split_once(':') else {
            let help = Some("write `service:Name`, for example `workmail:ListUsers`, or `*`");
            self.refused("action-form", &action.node, format!("action `{text}` has no service and matches nothing"), help);
            return;
        };
        if name.contains(':') {
            self.refused("action-form", &action.node, format!("action `{text}` has more than one colon"), Some("write `service:Name`"));
        }
        let named = !prefix.is_empty() && prefix.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-');
        if prefix != "*" && !named {
            let help = Some("the service is written out; a wildcard stands after the colon, or for the whole service");
            self.refused("action-prefix", &action.node, format!("`{prefix}` is no service that IAM accepts in an action"), help);
        }
    }
}

fn storable_character(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | '\u{20}'..='\u{ff}')
}

/// The number of characters as IAM counts them: white space inside strings counts (assumption `A-SIZE`).
fn without_white_space(text: &str) -> usize {
    let (mut count, mut inside, mut escaped) = (0, false, false);
    for character in text.chars() {
        if inside || !character.is_ascii_whitespace() {
            count += 1;
        }
        if character == '"' && !escaped {
            inside = !inside;
        }
        escaped = inside && character == '\\' && !escaped;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_counts_inside_strings_only() {
        assert_eq!(without_white_space("{ \"a b\" :\n \"\\\" c\" }"), "{\"a b\":\"\\\" c\"}".len());
    }
}
