//! The tree of an organization as tools save it that walk the API: the root as the API describes it, with `Policies` and
//! `Children` at every node. Members that say nothing here are passed over.

use std::path::Path;

use super::{ControlType, NodeKind, Organization};
use crate::error::PolicyError;
use crate::iam::arn::{Arn, is_account_id};
use crate::iam::json::{Kind, Node, Source};
use crate::iam::parse;

type Parsed<T> = Result<T, PolicyError>;
type Members<'a> = Vec<(std::borrow::Cow<'a, str>, Node<'a>)>;

/// Whether the members of an object are those of such a root.
pub(in crate::account) fn is_tree(source: &Source<'_>, members: &Members<'_>) -> bool {
    let is_root = |node: &Node<'_>| node.kind() == Kind::String && node.string(source).is_ok_and(|id| id.starts_with("r-"));
    find(members, "Children").is_some() && find(members, "Id").is_some_and(is_root)
}

/// Reads such a tree.
pub(in crate::account) fn read(source: &Source<'_>, members: &Members<'_>, file: &Path) -> Parsed<Organization> {
    let root = source.root()?;
    let arn = text(source, members, "Arn")?.unwrap_or_default();
    let Some((partition, management_account, id)) = owner(&arn) else {
        let help = "write the root's `Arn`: it names the organization and its management account";
        return Err(source.error(find(members, "Arn").unwrap_or(&root), "the root has no `Arn` of an organization", Some(help)));
    };
    let mut reader = Reader { source, file, organization: Organization::new(id, management_account, partition) };
    reader.disable_what_is_not_in_use(members)?;
    reader.node(&root, members, NodeKind::Root, None)?;
    Ok(reader.organization)
}

/// Partition, management account and organization of the ARN of a root, unit or account:
/// `arn:aws:organizations::111122223333:root/o-1/r-1`.
pub(super) fn owner(arn: &str) -> Option<(&str, &str, &str)> {
    let arn = Arn::parse(arn).filter(|arn| arn.service == "organizations" && is_account_id(arn.account))?;
    let id = arn.resource.split('/').find(|part| part.starts_with("o-"))?;
    Some((arn.partition, arn.account, id))
}

/// The types of policy that a root's `PolicyTypes` says are in use; `None` if it does not say.
pub(super) fn in_use(source: &Source<'_>, members: &Members<'_>) -> Parsed<Option<Vec<ControlType>>> {
    let Some(list) = find(members, "PolicyTypes").filter(|node| node.kind() == Kind::Array) else { return Ok(None) };
    let mut types = Vec::new();
    for entry in list.elements(source)?.iter().filter(|entry| entry.kind() == Kind::Object) {
        let members = entry.members(source)?;
        let enabled = text(source, &members, "Status")?.is_some_and(|status| status == "ENABLED");
        types.extend(text(source, &members, "Type")?.filter(|_| enabled).and_then(|name| ControlType::parse(&name)));
    }
    Ok(Some(types))
}

struct Reader<'s, 'a> {
    source: &'s Source<'a>,
    file: &'s Path,
    organization: Organization,
}

impl<'a> Reader<'_, 'a> {
    fn disable_what_is_not_in_use(&mut self, members: &Members<'a>) -> Parsed<()> {
        if let Some(types) = in_use(self.source, members)? {
            self.organization.disabled.extend(ControlType::ALL.into_iter().filter(|control| !types.contains(control)));
        }
        Ok(())
    }

    fn node(&mut self, node: &Node<'a>, members: &Members<'a>, kind: NodeKind, parent: Option<&str>) -> Parsed<()> {
        let source = self.source;
        let Some(id) = text(source, members, "Id")?.filter(|id| !id.is_empty()) else {
            return Err(source.error(node, "`Id` is missing", Some("write the `Id` of the root, organizational unit or account")));
        };
        if self.organization.nodes.contains_key(&id) {
            let help = "each stands in the tree once: delete one of the two";
            return Err(source.error(node, format!("`{id}` stands in the tree twice"), Some(help)));
        }
        let name = text(source, members, "Name")?.unwrap_or_default();
        self.organization.place(&id, kind, &name, parent);
        if let Some(policies) = find(members, "Policies").filter(|node| node.kind() == Kind::Array) {
            for control in ControlType::ALL {
                self.organization.attach_all(&id, control, []);
            }
            for policy in policies.elements(source)? {
                self.policy(&policy, &id)?;
            }
        }
        if let Some(children) = find(members, "Children").filter(|node| node.kind() == Kind::Array) {
            for child in children.elements(source)? {
                let members = child.members(source)?;
                let is_account = text(source, &members, "Id")?.is_some_and(|id| is_account_id(&id));
                let kind = if is_account { NodeKind::Account } else { NodeKind::Unit };
                self.node(&child, &members, kind, Some(&id))?;
            }
        }
        Ok(())
    }

    /// A policy at a node; other types than the two are passed over.
    fn policy(&mut self, node: &Node<'a>, at: &str) -> Parsed<()> {
        let source = self.source;
        let members = node.members(source)?;
        let Some(control) = text(source, &members, "Type")?.and_then(|name| ControlType::parse(&name)) else { return Ok(()) };
        let Some(id) = text(source, &members, "Id")?.filter(|id| !id.is_empty()) else {
            return Err(source.error(node, "`Id` is missing", Some("write the policy's `Id`, `p-...`")));
        };
        let name = text(source, &members, "Name")?.unwrap_or_else(|| id.clone());
        let document = find(&members, "Content").filter(|node| node.kind() != Kind::Null);
        let document = document.map(|node| parse::embedded(source, node, control.policy_type())).transpose()?;
        self.organization.define(&id, &name, control, document.map(|document| (Some(self.file.to_path_buf()), document)));
        self.organization.attach_all(at, control, [id]);
        Ok(())
    }
}

pub(super) fn find<'m, 'a>(members: &'m Members<'a>, name: &str) -> Option<&'m Node<'a>> {
    members.iter().find(|(member, _)| member == name).map(|(_, node)| node)
}

pub(super) fn text(source: &Source<'_>, members: &Members<'_>, name: &str) -> Parsed<Option<String>> {
    find(members, name).filter(|node| node.kind() == Kind::String).map(|node| node.string(source)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_with_the_names_of_the_api_is_read() {
        let document = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "lambda:*", "Resource": "*"}]}"#;
        let policy = format!(r#"{{"Id": "p-1", "Name": "no lambda", "Type": "SERVICE_CONTROL_POLICY", "Content": {document}}}"#);
        let text = format!(
            r#"{{"Id": "r-1", "Arn": "arn:aws:organizations::111111111111:root/o-1/r-1", "Name": "Root",
                "PolicyTypes": [{{"Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED"}}], "Policies": [],
                "Children": [{{"Id": "ou-1", "Name": "Mail", "Type": "OrganizationalUnit", "Policies": [{policy}],
                    "Children": [{{"Id": "222222222222", "Type": "Account", "Policies": []}}]}}]}}"#
        );
        let source = Source::new(&text);
        let members = source.root().unwrap().members(&source).unwrap();
        assert!(is_tree(&source, &members));
        let organization = read(&source, &members, Path::new("tree.json")).unwrap();
        assert_eq!((organization.id.as_str(), organization.management_account.as_str()), ("o-1", "111111111111"));
        let levels = organization.levels("222222222222", ControlType::Scp).unwrap();
        assert_eq!(levels.policies.iter().map(Vec::len).collect::<Vec<_>>(), [0, 1, 0]);
        let levels = organization.levels("222222222222", ControlType::Rcp).unwrap();
        assert!(levels.policies.is_empty() && !levels.opaque, "a type that is not in use limits nothing");
    }
}
