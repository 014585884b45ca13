//! Whole files: a document, or an account snapshot with many.

use super::{Diagnostic, Linter, lint, plain};
use crate::iam::PolicyType;
use crate::iam::json::{Kind, Node, Source};

/// What a JSON file is, by its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// One policy document, or nothing that can be read.
    Document,
    /// Account authorization details.
    Snapshot,
    /// Something else.
    Other,
}

/// Lists of an account snapshot: its name, the list of inline policies in an entry, and their limit in characters.
const LISTS: [(&str, &str, usize); 3] = [
    ("UserDetailList", "UserPolicyList", 2_048),
    ("GroupDetailList", "GroupPolicyList", 5_120),
    ("RoleDetailList", "RolePolicyList", 10_240),
];
const MANAGED: &str = "Policies";

/// Tells what a file is. What is no JSON object counts as a document, so that linting it says why.
pub fn file_kind(text: &str) -> FileKind {
    let (text, _) = plain(text);
    let source = Source::new(&text);
    let Some(members) = source.root().ok().filter(|root| root.kind() == Kind::Object).and_then(|root| root.members(&source).ok()) else {
        return FileKind::Document;
    };
    let has = |name: &str| members.iter().any(|(member, _)| member == name);
    match () {
        () if LISTS.iter().any(|(list, ..)| has(list)) || has(MANAGED) => FileKind::Snapshot,
        () if ["Statement", "statement", "Version", "Id"].into_iter().any(has) => FileKind::Document,
        () => FileKind::Other,
    }
}

/// Lints a file: a bare document of type `policy_type`, or every document of an account snapshot, which are
/// identity-based. Policies that AWS manages are only read, not judged.
pub fn file(text: &str, policy_type: PolicyType, strict: bool) -> Vec<Diagnostic> {
    if file_kind(text) != FileKind::Snapshot {
        return lint(text, policy_type, strict);
    }
    let (text, _) = plain(text);
    let source = Source::new(&text);
    let mut linter = Linter::new(&source, PolicyType::Identity, strict);
    if let Ok(root) = source.root() {
        linter.snapshot(&root);
    }
    linter.finish()
}

impl<'a> Linter<'_, 'a> {
    fn snapshot(&mut self, root: &Node<'a>) {
        for (list, inline, limit) in LISTS {
            for entry in self.list_of(root, list) {
                for policy in self.list_of(&entry, inline) {
                    if let Some(document) = self.member(&policy, "PolicyDocument") {
                        self.within(&document, Some(limit));
                    }
                }
            }
        }
        for policy in self.list_of(root, MANAGED) {
            let arn = self.member(&policy, "Arn").and_then(|node| node.string(self.source).ok()).unwrap_or_default();
            let of_aws = arn.split(':').nth(4) == Some("aws");
            let before = self.found.len();
            for version in self.list_of(&policy, "PolicyVersionList") {
                let default = self.member(&version, "IsDefaultVersion").is_some_and(|node| node.text() == "true");
                if let Some(document) = self.member(&version, "Document").filter(|_| default) {
                    self.within(&document, Some(6_144));
                }
            }
            if of_aws {
                let own = self.found.split_off(before);
                self.found.extend(own.into_iter().filter(|found| found.code == "invalid"));
            }
        }
    }

    /// A document of a larger text; one that is kept as a string has its findings at the string.
    fn within(&mut self, node: &Node<'a>, limit: Option<usize>) {
        if node.kind() != Kind::String {
            self.document(node, limit);
            return;
        }
        let Ok(text) = node.string(self.source) else { return };
        for inner in lint(&text, self.policy_type, self.strict).into_iter().filter(|inner| inner.code != "size") {
            let finding = &inner.finding;
            let message =
                format!("in the policy text of this string, line {} column {}: {}", finding.line, finding.column, finding.message);
            self.add(inner.severity, inner.code, self.source.error(node, message, finding.help.as_deref()));
        }
    }

    fn member(&self, node: &Node<'a>, name: &str) -> Option<Node<'a>> {
        if node.kind() != Kind::Object {
            return None;
        }
        node.members(self.source).ok()?.into_iter().find(|(member, _)| member == name).map(|(_, node)| node)
    }

    fn list_of(&self, node: &Node<'a>, name: &str) -> Vec<Node<'a>> {
        let list = self.member(node, name).filter(|node| node.kind() == Kind::Array);
        list.and_then(|node| node.elements(self.source).ok()).unwrap_or_default()
    }
}
