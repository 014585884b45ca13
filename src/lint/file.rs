//! Whole files: a document, or an account snapshot with many.

use std::borrow::Cow;

use super::organization::is_organization;
use super::{Diagnostic, Linter, lint, plain};
use crate::iam::json::{Kind, Node, Source};
use crate::iam::{PolicyType, parse};

/// What a JSON file is, by its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// One policy document, or nothing that can be read.
    Document,
    /// Account authorization details.
    Snapshot,
    /// An organization, or a part of one: an output of the AWS CLI.
    Organization,
    /// Something else.
    Other,
}

/// A list of an account snapshot.
struct List {
    name: &'static str,
    /// What an entry is called, and the member with its name.
    of: (&'static str, &'static str),
    /// The entry's list of inline policies, and how many characters they may have in all (IAM user guide, quotas).
    inline: (&'static str, usize),
}

const LISTS: [List; 3] = [
    List { name: "UserDetailList", of: ("user", "UserName"), inline: ("UserPolicyList", 2_048) },
    List { name: "GroupDetailList", of: ("group", "GroupName"), inline: ("GroupPolicyList", 5_120) },
    List { name: "RoleDetailList", of: ("role", "RoleName"), inline: ("RolePolicyList", 10_240) },
];
const MANAGED: &str = "Policies";
/// How many characters a managed policy may have.
const MANAGED_LIMIT: usize = 6_144;

/// Tells what a file is. What is no JSON object counts as a document, so that linting it says why.
pub fn file_kind(text: &str) -> FileKind {
    let (text, _) = plain(text);
    let source = Source::new(&text);
    let Some(root) = source.root().ok().filter(|root| root.kind() == Kind::Object) else { return FileKind::Document };
    let Ok(members) = root.members(&source) else { return FileKind::Document };
    let has = |name: &str| members.iter().any(|(member, _)| member == name);
    match () {
        () if is_organization(&source, &root) => FileKind::Organization,
        () if LISTS.iter().any(|list| has(list.name)) || has(MANAGED) => FileKind::Snapshot,
        () if ["Statement", "statement", "Version", "Id"].into_iter().any(has) => FileKind::Document,
        () => FileKind::Other,
    }
}

/// Lints a file: a bare document of type `policy_type`, every document of an account snapshot, which are identity-based, or
/// of an organization. Policies that AWS manages are only read, not judged.
pub fn file(text: &str, policy_type: PolicyType, strict: bool) -> Vec<Diagnostic> {
    let mut found = match file_kind(text) {
        FileKind::Snapshot => whole(text, strict, |linter, root| linter.snapshot(root)),
        FileKind::Organization => whole(text, strict, |linter, root| linter.organization(root)),
        FileKind::Document | FileKind::Other => lint(text, policy_type, strict),
    };
    if let Cow::Owned(_) = parse::decode(text) {
        for diagnostic in &mut found {
            diagnostic.finding.message.insert_str(0, "in the percent-decoded text: ");
        }
    }
    found
}

/// Lints a file of many documents, which `each` finds.
fn whole(text: &str, strict: bool, each: for<'s, 'a> fn(&mut Linter<'s, 'a>, &Node<'a>)) -> Vec<Diagnostic> {
    let (text, _) = plain(text);
    let source = Source::new(&text);
    let mut linter = Linter::new(&source, PolicyType::Identity, strict);
    if let Ok(root) = source.root() {
        each(&mut linter, &root);
    }
    linter.finish()
}

impl<'a> Linter<'_, 'a> {
    fn snapshot(&mut self, root: &Node<'a>) {
        for list in LISTS {
            for entry in self.list_of(root, list.name) {
                self.inline(&list, &entry);
            }
        }
        for policy in self.list_of(root, MANAGED) {
            let arn = self.member(&policy, "Arn").and_then(|node| node.string(self.source).ok()).unwrap_or_default();
            let of_aws = arn.split(':').nth(4) == Some("aws");
            let before = self.found.len();
            for version in self.list_of(&policy, "PolicyVersionList") {
                let default = self.member(&version, "IsDefaultVersion").is_some_and(|node| node.text() == "true");
                if let Some(document) = self.member(&version, "Document").filter(|_| default) {
                    self.within(&document);
                    self.size(&document, Some(MANAGED_LIMIT));
                }
            }
            if of_aws {
                let own = self.found.split_off(before);
                self.found.extend(own.into_iter().filter(|found| found.code == "invalid"));
            }
        }
    }

    /// The inline policies of a user, group or role: each one, and the sum of their sizes, which is what IAM limits.
    fn inline(&mut self, list: &List, entry: &Node<'a>) {
        let ((kind, name), (inline, limit)) = (list.of, list.inline);
        let policies = self.list_of(entry, inline);
        let documents: Vec<Node<'a>> = policies.iter().filter_map(|policy| self.member(policy, "PolicyDocument")).collect();
        documents.iter().for_each(|document| self.within(document));
        let size: usize = documents.iter().map(|document| self.counted(document)).sum();
        let Some(node) = self.member(entry, inline).filter(|_| size > limit) else { return };
        let name = self.member(entry, name).and_then(|node| node.string(self.source).ok()).unwrap_or_default();
        let many = if documents.len() == 1 { "inline policy" } else { "inline policies" };
        let message = format!(
            "the {} {many} of {kind} `{name}` have {size} characters without white space in all, {limit} are allowed",
            documents.len()
        );
        let help = "move some of it to a managed policy, or shorten it with wildcards";
        self.refused("size", &node, message, Some(help));
    }

    /// A document of a larger text; one that is kept as a string has its findings at the string.
    pub(super) fn within(&mut self, node: &Node<'a>) {
        if node.kind() != Kind::String {
            self.document(node);
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

    pub(super) fn member(&self, node: &Node<'a>, name: &str) -> Option<Node<'a>> {
        if node.kind() != Kind::Object {
            return None;
        }
        node.members(self.source).ok()?.into_iter().find(|(member, _)| member == name).map(|(_, node)| node)
    }

    pub(super) fn list_of(&self, node: &Node<'a>, name: &str) -> Vec<Node<'a>> {
        let list = self.member(node, name).filter(|node| node.kind() == Kind::Array);
        list.and_then(|node| node.elements(self.source).ok()).unwrap_or_default()
    }
}
