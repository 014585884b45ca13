//! `organization.json`: the tree of an organization with its policies, in a form of ours.
//!
//! A list that is not there is not known; a list that is empty says that there is no policy. Of a policy whose id stands in
//! several places one needs the document.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::tree::find;
use super::{ControlType, NodeKind, Organization};
use crate::account::load::at;
use crate::account::names::nearest;
use crate::error::{PolicyError, Result};
use crate::iam::arn::is_account_id;
use crate::iam::json::{Kind, Node, Source};
use crate::iam::{PolicyDocument, PolicyType, parse};

type Members<'a> = Vec<(std::borrow::Cow<'a, str>, Node<'a>)>;

const FILE: [&str; 3] = ["id", "management_account", "root"];
const UNIT: [&str; 6] = ["id", "name", "scps", "rcps", "accounts", "children"];
const ACCOUNT: [&str; 4] = ["id", "name", "scps", "rcps"];
const POLICY: [&str; 4] = ["id", "name", "document", "file"];

/// Whether the members of an object are those of an organization file.
pub(in crate::account) fn is_file(members: &Members<'_>) -> bool {
    let has = |name: &str| members.iter().any(|(member, _)| member == name);
    has("management_account") || (has("root") && has("id"))
}

/// Reads an organization file; also the files that it names. `open` reads one of them.
pub(in crate::account) fn read(
    source: &Source<'_>,
    members: &Members<'_>,
    file: &Path,
    open: &mut dyn FnMut(&Path) -> Result<String>,
) -> Result<(Organization, Vec<PathBuf>)> {
    known(source, members, &FILE, "an organization file")?;
    let root = source.root()?;
    let id = required(source, &root, members, "id", "write the organization's id, `o-...`")?;
    let help = "write the 12 digits of the management account: it is exempt from the policies";
    let management_account = required(source, &root, members, "management_account", help)?;
    if !is_account_id(&management_account) {
        let node = find(members, "management_account").unwrap_or(&root);
        return Err(source.error(node, format!("`{management_account}` is no account id"), Some(help)).into());
    }
    let Some(tree) = find(members, "root") else {
        let help = "write \"root\": {\"id\": \"r-...\", \"scps\": [...], \"accounts\": [...], \"children\": [...]}";
        return Err(source.error(&root, "`root` is missing", Some(help)).into());
    };
    let organization = Organization::new(&id, &management_account, "aws");
    let mut reader = Reader { source, file, open, organization, documents: BTreeMap::new(), files: Vec::new() };
    reader.unit(tree, None)?;
    Ok((reader.organization, reader.files))
}

/// The documents that an organization file names, with what they are; nothing of a file that cannot be read.
pub fn named(text: &str, file: &Path) -> Vec<(PathBuf, PolicyType)> {
    fn walk<'a>(source: &Source<'a>, node: &Node<'a>, of: Option<ControlType>, found: &mut Vec<(String, PolicyType)>) {
        for (name, member) in node.members(source).unwrap_or_default() {
            match (name.as_ref(), of) {
                ("file", Some(control)) => found.extend(member.string(source).ok().map(|name| (name, control.policy_type()))),
                ("document", _) => {}
                (name, _) => {
                    let of = name.strip_suffix('s').and_then(ControlType::parse);
                    let elements = member.elements(source).unwrap_or_default();
                    elements
                        .iter()
                        .chain([&member])
                        .filter(|node| node.kind() == Kind::Object)
                        .for_each(|node| walk(source, node, of, found));
                }
            }
        }
    }
    let source = Source::new(text);
    let mut found = Vec::new();
    if let Ok(root) = source.root() {
        walk(&source, &root, None, &mut found);
    }
    let folder = file.parent().map(Path::to_path_buf).unwrap_or_default();
    found.into_iter().map(|(name, policy_type)| (folder.join(name), policy_type)).collect()
}

struct Reader<'s, 'a, 'o> {
    source: &'s Source<'a>,
    file: &'s Path,
    open: &'o mut dyn FnMut(&Path) -> Result<String>,
    organization: Organization,
    /// The documents by policy, to hold them to each other.
    documents: BTreeMap<String, PolicyDocument>,
    files: Vec<PathBuf>,
}

impl<'a> Reader<'_, 'a, '_> {
    /// The root, or an organizational unit.
    fn unit(&mut self, node: &Node<'a>, parent: Option<&str>) -> Result<()> {
        let source = self.source;
        let (kind, prefix, what) = match parent {
            None => (NodeKind::Root, "r-", "the root"),
            Some(_) => (NodeKind::Unit, "ou-", "an organizational unit"),
        };
        let members = self.object(node, what)?;
        known(source, &members, &UNIT, what)?;
        let id = self.enter(node, &members, kind, parent, |id| id.starts_with(prefix))?;
        for account in self.list(&members, "accounts")? {
            let members = self.object(&account, "an account")?;
            known(source, &members, &ACCOUNT, "an account")?;
            self.enter(&account, &members, NodeKind::Account, Some(&id), is_account_id)?;
        }
        for child in self.list(&members, "children")? {
            self.unit(&child, Some(&id))?;
        }
        Ok(())
    }

    /// A node of the tree with its policies; returns its id.
    fn enter(
        &mut self,
        node: &Node<'a>,
        members: &Members<'a>,
        kind: NodeKind,
        parent: Option<&str>,
        fits: impl Fn(&str) -> bool,
    ) -> Result<String> {
        let (what, help) = match kind {
            NodeKind::Root => ("the root", "write the root's id, `r-...`"),
            NodeKind::Unit => ("an organizational unit", "write the unit's id, `ou-...`"),
            NodeKind::Account => ("an account", "write the 12 digits of the account, in quotes"),
        };
        let id = required(self.source, node, members, "id", help)?;
        let place = find(members, "id").unwrap_or(node);
        if !fits(&id) {
            return Err(self.source.error(place, format!("`{id}` is no id of {what}"), Some(help)).into());
        }
        if self.organization.nodes.contains_key(&id) {
            let help = "each stands in the tree once: delete one of the two";
            return Err(self.source.error(place, format!("`{id}` stands in the tree twice"), Some(help)).into());
        }
        let name = text(self.source, members, "name")?.unwrap_or_default();
        self.organization.place(&id, kind, &name, parent);
        for (member, control) in [("scps", ControlType::Scp), ("rcps", ControlType::Rcp)] {
            if find(members, member).is_none_or(|list| list.kind() == Kind::Null) {
                continue;
            }
            let policies = self.list(members, member)?;
            let ids = policies.iter().map(|policy| self.policy(policy, control)).collect::<Result<Vec<String>>>()?;
            self.organization.attach_all(&id, control, ids);
        }
        Ok(id)
    }

    /// A policy that is attached; returns its id.
    fn policy(&mut self, node: &Node<'a>, control: ControlType) -> Result<String> {
        let source = self.source;
        let members = self.object(node, "an attached policy")?;
        known(source, &members, &POLICY, "an attached policy")?;
        let id = required(source, node, &members, "id", "write the policy's id, `p-...`")?;
        let name = text(source, &members, "name")?.unwrap_or_else(|| id.clone());
        if let Some(other) = self.organization.control_type(&id).filter(|other| *other != control) {
            let help = "a policy has one type: move it to the other list, or write another id";
            return Err(source.error(node, format!("`{id}` is a {} elsewhere", other.words()), Some(help)).into());
        }
        let (file, document) = match (find(&members, "document"), find(&members, "file")) {
            (Some(_), Some(file)) => {
                return Err(source.error(file, "`document` and `file` in one policy", Some("keep one of the two")).into());
            }
            (Some(document), None) => (self.file.to_path_buf(), parse::embedded(source, document, control.policy_type())?),
            (None, Some(file)) => self.document(file, control)?,
            (None, None) => {
                self.organization.define(&id, &name, control, None);
                return Ok(id);
            }
        };
        if self.documents.get(&id).is_some_and(|known| *known != document) {
            let help = "a policy has one document: give one of the two another id";
            return Err(source.error(node, format!("`{id}` has another document elsewhere in the tree"), Some(help)).into());
        }
        self.documents.insert(id.clone(), document.clone());
        self.organization.define(&id, &name, control, Some((Some(file), document)));
        Ok(id)
    }

    /// A document in a file of its own.
    fn document(&mut self, node: &Node<'a>, control: ControlType) -> Result<(PathBuf, PolicyDocument)> {
        let name = expect_text(self.source, node, "file")?;
        let path = self.file.parent().map(Path::to_path_buf).unwrap_or_default().join(&name);
        if !path.is_file() {
            let help = format!("file names are relative to the organization file; looked for `{}`", path.display());
            return Err(self.source.error(node, format!("`{name}` is not there"), Some(&help)).into());
        }
        let text = (self.open)(&path)?;
        let document = parse::document(&text, control.policy_type()).map_err(|error| at(error.into(), &path))?;
        self.files.push(path.clone());
        Ok((path, document))
    }

    fn object(&self, node: &Node<'a>, what: &str) -> Result<Members<'a>, PolicyError> {
        if node.kind() == Kind::Object {
            return node.members(self.source);
        }
        Err(self.source.error(node, format!("{what} is an object, not {}", node.kind()), Some("write {\"id\": \"...\", ...}")))
    }

    fn list(&self, members: &Members<'a>, name: &str) -> Result<Vec<Node<'a>>, PolicyError> {
        match find(members, name) {
            None => Ok(Vec::new()),
            Some(node) => match node.kind() {
                Kind::Null => Ok(Vec::new()),
                Kind::Array => node.elements(self.source),
                other => {
                    let help = format!("write \"{name}\": [...]");
                    Err(self.source.error(node, format!("`{name}` is a list, not {other}"), Some(&help)))
                }
            },
        }
    }
}

fn expect_text(source: &Source<'_>, node: &Node<'_>, name: &str) -> Result<String, PolicyError> {
    if node.kind() == Kind::String {
        return node.string(source);
    }
    let help = format!("write \"{name}\": \"...\"");
    Err(source.error(node, format!("`{name}` is a text, not {}", node.kind()), Some(&help)))
}

fn text(source: &Source<'_>, members: &Members<'_>, name: &str) -> Result<Option<String>, PolicyError> {
    find(members, name).filter(|node| node.kind() != Kind::Null).map(|node| expect_text(source, node, name)).transpose()
}

fn required(source: &Source<'_>, node: &Node<'_>, members: &Members<'_>, name: &str, help: &str) -> Result<String, PolicyError> {
    let found = text(source, members, name)?.filter(|text| !text.is_empty());
    found.ok_or_else(|| source.error(node, format!("`{name}` is missing"), Some(help)))
}

/// Refuses members of other names: a misspelt list would be taken for one that is not known.
fn known(source: &Source<'_>, members: &Members<'_>, names: &[&str], what: &str) -> Result<(), PolicyError> {
    match members.iter().find(|(name, _)| !names.contains(&name.as_ref())) {
        None => Ok(()),
        Some((name, node)) => {
            let help = format!("{what} has {}; {}", names.join(", "), nearest(names.iter().copied(), name));
            Err(source.error(node, format!("unknown member `{name}` in {what}"), Some(&help)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    const ALLOW: &str = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;

    fn read_text(text: &str) -> Result<(Organization, Vec<PathBuf>)> {
        let source = Source::new(text);
        let members = source.root().unwrap().members(&source).unwrap();
        assert!(is_file(&members));
        read(&source, &members, Path::new("organization.json"), &mut |_| panic!("no file is named"))
    }

    fn with_root(root: &str) -> String {
        format!(r#"{{"id": "o-1", "management_account": "111111111111", "root": {root}}}"#)
    }

    #[test]
    fn documents_stand_as_objects_as_strings_and_encoded() {
        let encoded = ALLOW.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        for document in [ALLOW.to_owned(), format!("{ALLOW:?}"), format!("{encoded:?}")] {
            let (organization, _) = read_text(&with_root(&format!(
                r#"{{"id": "r-1", "scps": [{{"id": "p-1", "document": {document}}}], "accounts": [{{"id": "222222222222", "scps": [{{"id": "p-1"}}]}}]}}"#
            )))
            .unwrap();
            let levels = organization.levels("222222222222", ControlType::Scp).unwrap();
            assert_eq!((levels.policies.len(), levels.opaque), (2, false), "{document}");
        }
    }

    #[test]
    fn a_list_that_is_not_there_is_not_known_and_an_empty_one_is() {
        let of = |account: &str| {
            let (organization, _) = read_text(&with_root(&format!(
                r#"{{"id": "r-1", "scps": [{{"id": "p-FullAWSAccess"}}], "accounts": [{{"id": "222222222222"{account}}}]}}"#
            )))
            .unwrap();
            let levels = organization.levels("222222222222", ControlType::Scp).unwrap();
            (levels.opaque, levels.policies[1].len())
        };
        assert_eq!(of(""), (true, 1));
        assert_eq!(of(r#", "scps": []"#), (false, 0), "a level without any allows nothing");
    }

    #[test]
    fn what_has_no_one_meaning_is_refused_with_its_place() {
        let cases = [
            (with_root(r#"{"id": "r-1", "scp": []}"#), "/root/scp", "unknown member `scp` in the root", "the nearest: `scps`"),
            (with_root(r#"{"id": "1"}"#), "/root/id", "`1` is no id of the root", "`r-...`"),
            (with_root(r#"{"id": "r-1", "accounts": [{"id": "22"}]}"#), "/root/accounts/0/id", "`22` is no id of an account", "12 digits"),
            (with_root(r#"{"id": "r-1", "accounts": {}}"#), "/root/accounts", "`accounts` is a list, not an object", "[...]"),
            (
                with_root(r#"{"id": "r-1", "children": [{"id": "ou-1"}, {"id": "ou-1"}]}"#),
                "/root/children/1/id",
                "`ou-1` stands in the tree twice",
                "once",
            ),
            (
                with_root(r#"{"id": "r-1", "scps": [{"id": "p-1", "file": "nowhere.json"}]}"#),
                "/root/scps/0/file",
                "`nowhere.json` is not there",
                "relative to the organization file",
            ),
            (
                with_root(r#"{"id": "r-1", "scps": [{"id": "p-1", "document": {"Statement": [{"Effect": "Allow", "Action": "*"}]}}]}"#),
                "/root/scps/0/document/Statement/0",
                "`Resource` is missing",
                "`NotResource`",
            ),
            (with_root(r#"{"id": "r-1", "scps": [{"name": "x"}]}"#), "/root/scps/0", "`id` is missing", "`p-...`"),
            (r#"{"management_account": "111111111111"}"#.to_owned(), "", "`id` is missing", "`o-...`"),
        ];
        for (text, pointer, message, help) in cases {
            let Err(Error::Policy(error)) = read_text(&text) else { panic!("{text} was read") };
            assert_eq!((error.pointer.as_str(), error.message.as_str()), (pointer, message), "{text}");
            assert!(error.help.as_deref().unwrap_or_default().contains(help), "{text}: {error}");
        }
    }

    #[test]
    fn the_documents_that_are_named_are_known_by_what_they_are() {
        let text = with_root(
            r#"{"id": "r-1", "scps": [{"id": "p-1", "file": "a.json"}], "children": [{"id": "ou-1", "rcps": [{"id": "p-2", "file": "b/c.json"}]}]}"#,
        );
        let found = named(&text, Path::new("policies/organization.json"));
        let expected = [("policies/a.json", PolicyType::Scp), ("policies/b/c.json", PolicyType::Rcp)];
        assert_eq!(found, expected.map(|(path, policy_type)| (PathBuf::from(path), policy_type)));
    }
}
