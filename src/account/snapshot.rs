//! Account snapshots: the output of `aws iam get-account-authorization-details`, one or more pages.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::bundle::Policy;
use super::policy_set::{Boundary, Entity, EntityKind, Group, PolicySet};
use crate::error::PolicyError;
use crate::iam::arn::Arn;
use crate::iam::json::{Kind, Node, Source};
use crate::iam::{PolicyType, parse};

type Parsed<T> = Result<T, PolicyError>;
type Members<'a> = Vec<(std::borrow::Cow<'a, str>, Node<'a>)>;

/// The member names by which a snapshot is told from other JSON.
pub(super) const LISTS: [&str; 4] = ["UserDetailList", "GroupDetailList", "RoleDetailList", "Policies"];

/// What to do where two snapshots of one time differ.
const SAY_WHEN: &str = "say when each was taken: a date such as 2026-06-01 in its path, or `taken_at` in a `context.toml` in its folder; \
                        or keep one of them";

/// What a page says of the pages after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    /// Accounts that it names.
    pub(super) accounts: Vec<String>,
    /// Whether another page follows.
    pub(super) truncated: bool,
}

/// Reads one page into `set`.
pub(super) fn read(source: &Source<'_>, root: &Members<'_>, file: &Path, set: &mut PolicySet) -> Parsed<Page> {
    let reader = Reader { source, file };
    let mut page = Page { accounts: Vec::new(), truncated: false };
    for (name, node) in root {
        match name.as_ref() {
            "UserDetailList" => reader.each(node, |member| reader.entity(member, EntityKind::User, set, &mut page))?,
            "RoleDetailList" => reader.each(node, |member| reader.entity(member, EntityKind::Role, set, &mut page))?,
            "GroupDetailList" => reader.each(node, |member| reader.group(member, set, &mut page))?,
            "Policies" => reader.each(node, |member| reader.managed(member, set, &mut page))?,
            "IsTruncated" => page.truncated = node.text() == "true",
            _ => {}
        }
    }
    set.accounts.extend(page.accounts.iter().cloned());
    Ok(page)
}

struct Reader<'s, 'a> {
    source: &'s Source<'a>,
    file: &'s Path,
}

impl<'a> Reader<'_, 'a> {
    fn each(&self, list: &Node<'a>, mut read: impl FnMut(&Node<'a>) -> Parsed<()>) -> Parsed<()> {
        match list.kind() {
            Kind::Null => Ok(()),
            Kind::Array => list.elements(self.source)?.iter().try_for_each(&mut read),
            other => Err(self.source.error(
                list,
                format!("a list is expected, not {other}"),
                Some("this should be the output of `aws iam get-account-authorization-details`"),
            )),
        }
    }

    fn entity(&self, node: &Node<'a>, kind: EntityKind, set: &mut PolicySet, page: &mut Page) -> Parsed<()> {
        let members = node.members(self.source)?;
        let arn = self.arn(node, &members, page)?;
        let (id, policies) = match kind {
            EntityKind::User => ("UserId", "UserPolicyList"),
            EntityKind::Role => ("RoleId", "RolePolicyList"),
        };
        let entity = Entity {
            id: self.text(&members, id)?.unwrap_or_default(),
            kind,
            inline: self.inline(&members, policies, &arn)?,
            attached: self.attached(&members)?,
            groups: self.names(&members, "GroupList")?,
            boundary: self.boundary(&members)?,
            tags: self.tags(&members)?,
            arn,
        };
        if let Some(known) = set.entities.get(&entity.arn).filter(|known| !known.has_same(&entity)) {
            let message = format!("`{}` stands in two snapshots of the same time, and not with the same policies or tags", known.arn);
            return Err(self.source.error(node, message, Some(SAY_WHEN)));
        }
        let entity = match set.entities.get(&entity.arn) {
            Some(known) if entity.tags.is_empty() => Entity { tags: known.tags.clone(), ..entity },
            _ => entity,
        };
        set.insert(entity);
        Ok(())
    }

    fn group(&self, node: &Node<'a>, set: &mut PolicySet, page: &mut Page) -> Parsed<()> {
        let members = node.members(self.source)?;
        let arn = self.arn(node, &members, page)?;
        let group = Group { inline: self.inline(&members, "GroupPolicyList", &arn)?, attached: self.attached(&members)?, arn: arn.clone() };
        set.groups.insert(arn, group);
        Ok(())
    }

    fn managed(&self, node: &Node<'a>, set: &mut PolicySet, page: &mut Page) -> Parsed<()> {
        let members = node.members(self.source)?;
        let arn = self.arn(node, &members, page)?;
        let named = self.text(&members, "DefaultVersionId")?;
        let mut default = None;
        if let Some(versions) = find(&members, "PolicyVersionList") {
            self.each(versions, |version| {
                let members = version.members(self.source)?;
                let is_default = match find(&members, "IsDefaultVersion") {
                    Some(node) => node.text() == "true",
                    None => named.is_some() && self.text(&members, "VersionId")? == named,
                };
                let document = find(&members, "Document").filter(|document| document.kind() != Kind::Null);
                if !is_default {
                    // Of a version that is not in force it costs nothing if it cannot be read.
                    let version = self.text(&members, "VersionId")?;
                    let policy = document.and_then(|document| self.policy(document, arn.clone()).ok());
                    if let (Some(version), Some(policy)) = (version, policy) {
                        set.add_version(&arn, &version, policy);
                    }
                    return Ok(());
                }
                if let Some(document) = document {
                    if default.is_some() {
                        let help = "a policy has one default version: collect the account anew";
                        return Err(self.source.error(version, format!("`{arn}` has two default versions"), Some(help)));
                    }
                    let policy = self.policy(document, arn.clone())?;
                    if let Some(version) = self.text(&members, "VersionId")? {
                        set.add_version(&arn, &version, Arc::clone(&policy));
                    }
                    default = Some(policy);
                }
                Ok(())
            })?;
        }
        // Another page, or the snapshot of another account, may name a policy without its document.
        // Of the same document the first file is named: every account has the policies of AWS.
        let known = set.managed.get(&arn);
        if let (Some(Some(known)), Some(new)) = (known, &default)
            && known.document != new.document
            && !arn.contains(":iam::aws:")
        {
            let message = format!("`{arn}` stands in two snapshots of the same time, and not with the same document");
            return Err(self.source.error(node, message, Some(SAY_WHEN)));
        }
        let same = matches!((known, &default), (Some(Some(known)), Some(new)) if known.document == new.document);
        if !same && (default.is_some() || known.is_none()) {
            set.managed.insert(arn, default);
        }
        Ok(())
    }

    fn inline(&self, members: &Members<'a>, list: &str, owner: &str) -> Parsed<BTreeMap<String, Arc<Policy>>> {
        let mut policies = BTreeMap::new();
        if let Some(node) = find(members, list) {
            self.each(node, |entry| {
                let members = entry.members(self.source)?;
                let name = self.required(entry, &members, "PolicyName")?;
                let Some(document) = find(&members, "PolicyDocument") else {
                    return Err(self.source.error(entry, "`PolicyDocument` is missing", None));
                };
                policies.insert(name.clone(), self.policy(document, format!("{owner}/{name}"))?);
                Ok(())
            })?;
        }
        Ok(policies)
    }

    fn policy(&self, document: &Node<'a>, name: String) -> Parsed<Arc<Policy>> {
        let document = parse::embedded(self.source, document, PolicyType::Identity)?;
        Ok(Arc::new(Policy { name, file: Some(self.file.to_path_buf()), document }))
    }

    fn attached(&self, members: &Members<'a>) -> Parsed<Vec<String>> {
        let mut arns = Vec::new();
        if let Some(node) = find(members, "AttachedManagedPolicies") {
            self.each(node, |entry| {
                arns.push(self.required(entry, &entry.members(self.source)?, "PolicyArn")?);
                Ok(())
            })?;
        }
        Ok(arns)
    }

    fn boundary(&self, members: &Members<'a>) -> Parsed<Option<Boundary>> {
        let Some(node) = find(members, "PermissionsBoundary").filter(|node| node.kind() == Kind::Object) else { return Ok(None) };
        let arn = self.text(&node.members(self.source)?, "PermissionsBoundaryArn")?;
        Ok(arn.map(Boundary::Managed))
    }

    fn tags(&self, members: &Members<'a>) -> Parsed<BTreeMap<String, String>> {
        let mut tags = BTreeMap::new();
        if let Some(node) = find(members, "Tags") {
            self.each(node, |entry| {
                let members = entry.members(self.source)?;
                tags.insert(self.required(entry, &members, "Key")?, self.text(&members, "Value")?.unwrap_or_default());
                Ok(())
            })?;
        }
        Ok(tags)
    }

    fn names(&self, members: &Members<'a>, list: &str) -> Parsed<Vec<String>> {
        let mut names = Vec::new();
        if let Some(node) = find(members, list) {
            self.each(node, |entry| {
                names.push(entry.string(self.source)?);
                Ok(())
            })?;
        }
        Ok(names)
    }

    fn arn(&self, node: &Node<'a>, members: &Members<'a>, page: &mut Page) -> Parsed<String> {
        let arn = self.required(node, members, "Arn")?;
        let account = Arn::parse(&arn).map(|arn| arn.account.to_owned()).unwrap_or_default();
        if !account.is_empty() && account != "aws" && !page.accounts.contains(&account) {
            page.accounts.push(account);
        }
        Ok(arn)
    }

    fn required(&self, node: &Node<'a>, members: &Members<'a>, name: &str) -> Parsed<String> {
        let missing = || {
            self.source.error(
                node,
                format!("`{name}` is missing"),
                Some("this should be the output of `aws iam get-account-authorization-details`"),
            )
        };
        self.text(members, name)?.ok_or_else(missing)
    }

    fn text(&self, members: &Members<'a>, name: &str) -> Parsed<Option<String>> {
        find(members, name).filter(|node| node.kind() == Kind::String).map(|node| node.string(self.source)).transpose()
    }
}

fn find<'m, 'a>(members: &'m Members<'a>, name: &str) -> Option<&'m Node<'a>> {
    members.iter().find(|(member, _)| member == name).map(|(_, node)| node)
}
