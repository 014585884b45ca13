//! The outputs of the AWS CLI that hold an organization, each a file, found by their content.
//!
//! A list does not say of what it is the list, so the file's name does ([`super::file_name`]).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::file_name::{parts, stem, target, target_or};
use super::output::Kind;
use super::tree::{find, in_use, owner, text};
use super::{ControlType, NodeKind, Organization};
use crate::account::names::nearest;
use crate::error::{Error, PolicyError, Result};
use crate::iam::json::{Kind as JsonKind, Node, Source};
use crate::iam::{PolicyDocument, parse};

type Members<'a> = Vec<(std::borrow::Cow<'a, str>, Node<'a>)>;

/// What all outputs say, until they are put together.
#[derive(Debug, Default)]
pub(in crate::account) struct Outputs {
    roots: Vec<(Listed, Option<Vec<ControlType>>)>,
    units: Vec<Listed>,
    accounts: Vec<Listed>,
    attached: Vec<Attachments>,
    policies: BTreeMap<String, Described>,
    /// Organization and management account, of `describe-organization`.
    organizations: Vec<(String, String)>,
    /// The first of the files, if there is one.
    file: Option<PathBuf>,
}

/// An entry of a list of roots, organizational units or accounts.
#[derive(Debug)]
struct Listed {
    id: String,
    name: String,
    arn: String,
    /// What it stands below; `None` if the list does not say.
    parent: Option<String>,
    file: PathBuf,
}

/// The policies of one type at one target.
#[derive(Debug)]
struct Attachments {
    target: String,
    control: ControlType,
    ids: Vec<String>,
    file: PathBuf,
}

/// A policy, as far as some output describes it.
#[derive(Debug)]
struct Described {
    name: String,
    arn: String,
    control: ControlType,
    document: Option<(PathBuf, PolicyDocument)>,
}

impl Outputs {
    /// Reads one output.
    pub(in crate::account) fn read(&mut self, kind: Kind, source: &Source<'_>, members: &Members<'_>, file: &Path) -> Result<()> {
        self.file.get_or_insert_with(|| file.to_path_buf());
        if find(members, "NextToken").is_some_and(|node| node.kind() == JsonKind::String) {
            let why = "the list goes on: collect all of it (leave `--max-items` and `--no-paginate` away)";
            return Err(Error::format(file, why));
        }
        match kind {
            Kind::Organization => {
                let members = find(members, "Organization").map(|node| node.members(source)).transpose()?.unwrap_or_default();
                let [id, old, new] = ["Id", "MasterAccountId", "ManagementAccountId"].map(|name| text(source, &members, name));
                if let (Some(id), Some(account)) = (id?, new?.or(old?)) {
                    self.organizations.push((id, account));
                }
            }
            Kind::Roots => {
                for root in list(source, members, "Roots")? {
                    let types = in_use(source, &root.members(source)?)?;
                    self.roots.push((listed(source, &root, None, file)?, types));
                }
            }
            Kind::Units => {
                let parent = target_or(file, "list-organizational-units-for-parent", "PARENT")?;
                for unit in list(source, members, "OrganizationalUnits")? {
                    self.units.push(listed(source, &unit, Some(&parent), file)?);
                }
            }
            Kind::Accounts => {
                // The list of all accounts says that they belong to the organization, and not where.
                let of_all = target(file).is_none() && stem(file).starts_with("list-accounts") && !stem(file).contains("parent");
                let parent = if of_all { None } else { Some(target_or(file, "list-accounts-for-parent", "PARENT")?) };
                for account in list(source, members, "Accounts")? {
                    self.accounts.push(listed(source, &account, parent.as_deref(), file)?);
                }
            }
            Kind::Policies => self.policies(source, members, file)?,
            Kind::Policy => {
                if let Some(policy) = find(members, "Policy") {
                    self.described(source, &policy.members(source)?, file)?;
                }
            }
            Kind::Other(command) => {
                let instead = "`list-roots`, `list-organizational-units-for-parent`, `list-accounts-for-parent`, \
                               `list-policies-for-target` and `describe-policy` say it all (`scripts/collect.sh` collects them)";
                return Err(Error::format(file, format!("is the output of `{command}`, which is not read: {instead}")));
            }
        }
        Ok(())
    }

    /// A list of policies: those that are attached to a target, or all that there are.
    fn policies(&mut self, source: &Source<'_>, members: &Members<'_>, file: &Path) -> Result<()> {
        let mut of_type: BTreeMap<ControlType, Vec<String>> = BTreeMap::new();
        let mut others = 0;
        for policy in list(source, members, "Policies")? {
            match self.summary(source, &policy.members(source)?)? {
                Some((id, control)) => of_type.entry(control).or_default().push(id),
                None => others += 1,
            }
        }
        if target(file).is_none() && !stem(file).contains("target") && stem(file).starts_with("list-policies") {
            return Ok(());
        }
        let target = target_or(file, "list-policies-for-target", "TARGET")?;
        let named = parts(file).find_map(|part| ControlType::parse(&part));
        // An empty list of another type than the two.
        let other = parts(file).any(|part| part.ends_with("_policy") && ControlType::parse(&part).is_none());
        if let Some(control) = named {
            of_type.entry(control).or_default();
        }
        if of_type.is_empty() && others == 0 && !other {
            let why = format!(
                "the list is empty, and the file's name does not say of which type of policy: name it \
                 `list-policies-for-target.{target}.service_control_policy.json`, or `...resource_control_policy.json`"
            );
            return Err(Error::format(file, why));
        }
        self.attached.extend(of_type.into_iter().map(|(control, ids)| Attachments {
            target: target.clone(),
            control,
            ids,
            file: file.to_path_buf(),
        }));
        Ok(())
    }

    /// A policy's summary; `None` for one of another type.
    fn summary(&mut self, source: &Source<'_>, members: &Members<'_>) -> Result<Option<(String, ControlType)>, PolicyError> {
        let Some(control) = text(source, members, "Type")?.and_then(|name| ControlType::parse(&name)) else { return Ok(None) };
        let Some(id) = text(source, members, "Id")? else { return Ok(None) };
        let name = text(source, members, "Name")?.unwrap_or_else(|| id.clone());
        let arn = text(source, members, "Arn")?.unwrap_or_default();
        self.policies.entry(id.clone()).or_insert(Described { name, arn, control, document: None });
        Ok(Some((id, control)))
    }

    /// A policy with its document.
    fn described(&mut self, source: &Source<'_>, members: &Members<'_>, file: &Path) -> Result<(), PolicyError> {
        let Some(summary) = find(members, "PolicySummary") else { return Ok(()) };
        let Some((id, control)) = self.summary(source, &summary.members(source)?)? else { return Ok(()) };
        let Some(content) = find(members, "Content").filter(|node| node.kind() != JsonKind::Null) else { return Ok(()) };
        let document = parse::embedded(source, content, control.policy_type())?;
        if let Some(described) = self.policies.get_mut(&id) {
            described.document = Some((file.to_path_buf(), document));
        }
        Ok(())
    }

    /// Puts the outputs together: one organization for each root.
    pub(in crate::account) fn build(self) -> Result<Vec<Organization>> {
        let Some(file) = &self.file else { return Ok(Vec::new()) };
        if self.roots.is_empty() {
            let why = "is a part of an organization, and its root is not there: collect `aws organizations list-roots` too, as \
                       `list-roots.json` (`scripts/collect.sh` collects everything)";
            return Err(Error::format(file, why));
        }
        let mut organizations = Vec::new();
        for (root, in_use) in &self.roots {
            let mut organization = self.empty(root)?;
            if let Some(types) = in_use {
                organization.disabled.extend(ControlType::ALL.into_iter().filter(|control| !types.contains(control)));
            }
            organization.place(&root.id, NodeKind::Root, &root.name, None);
            self.grow(&mut organization, &root.id)?;
            self.define(&mut organization);
            self.attach(&mut organization);
            let belongs = |account: &&Listed| owner(&account.arn).is_some_and(|(_, _, id)| id == organization.id);
            let more: Vec<String> = self.accounts.iter().filter(belongs).map(|account| account.id.clone()).collect();
            let more = more.into_iter().filter(|account| !organization.nodes.contains_key(account));
            organization.unplaced = more.collect();
            organizations.push(organization);
        }
        self.everything_has_its_place(&organizations)?;
        Ok(organizations)
    }

    /// The organization of a root, without what is below.
    fn empty(&self, root: &Listed) -> Result<Organization> {
        if let Some((partition, management_account, id)) = owner(&root.arn) {
            return Ok(Organization::new(id, management_account, partition));
        }
        match self.organizations.as_slice() {
            [(id, management_account)] => Ok(Organization::new(id, management_account, "aws")),
            _ => {
                let why = "the root has no `Arn`, so nothing tells its management account: collect `aws organizations describe-organization` too, \
                           as `describe-organization.json`";
                Err(Error::format(&root.file, why))
            }
        }
    }

    /// What stands below a root.
    fn grow(&self, organization: &mut Organization, root: &str) -> Result<()> {
        let mut parents = vec![root.to_owned()];
        while let Some(parent) = parents.pop() {
            let below = |listed: &&Listed| listed.parent.as_ref() == Some(&parent);
            for unit in self.units.iter().filter(below) {
                if enter(organization, unit, NodeKind::Unit, &parent)? {
                    parents.push(unit.id.clone());
                }
            }
            for account in self.accounts.iter().filter(below) {
                enter(organization, account, NodeKind::Account, &parent)?;
            }
        }
        Ok(())
    }

    fn define(&self, organization: &mut Organization) {
        for (id, policy) in &self.policies {
            let of_other = owner_of_policy(&policy.arn).is_some_and(|owner| owner != organization.id);
            let of_aws = ControlType::ALL.iter().any(|control| control.full_access() == id);
            if !of_other && !of_aws {
                let document = policy.document.as_ref().map(|(file, document)| (Some(file.clone()), document.clone()));
                organization.define(id, &policy.name, policy.control, document);
            }
        }
    }

    fn attach(&self, organization: &mut Organization) {
        for attachments in &self.attached {
            organization.attach_all(&attachments.target, attachments.control, attachments.ids.iter().cloned());
        }
    }

    /// A list that hangs in the air is most likely named wrongly.
    fn everything_has_its_place(&self, organizations: &[Organization]) -> Result<()> {
        let has = |id: &str| organizations.iter().any(|organization| organization.nodes.contains_key(id));
        let lists = self.units.iter().chain(&self.accounts).filter_map(|listed| Some((listed.parent.as_deref()?, &listed.file)));
        let lists = lists.chain(self.attached.iter().map(|attachments| (attachments.target.as_str(), &attachments.file)));
        if let Some((id, file)) = lists.into_iter().find(|(id, _)| !has(id)) {
            let known = organizations.iter().flat_map(|organization| organization.nodes.keys()).map(String::as_str);
            let why = format!(
                "is of `{id}`, by its name, which no list of roots, organizational units or accounts has: correct the name, or \
                 collect the list that has it; {}",
                nearest(known, id)
            );
            return Err(Error::format(file, why));
        }
        Ok(())
    }
}

/// Enters a node; whether it was not there.
fn enter(organization: &mut Organization, listed: &Listed, kind: NodeKind, parent: &str) -> Result<bool> {
    match organization.nodes.get(&listed.id) {
        None => {
            organization.place(&listed.id, kind, &listed.name, Some(parent));
            Ok(true)
        }
        Some(node) if node.parent.as_deref() == Some(parent) => Ok(false),
        Some(node) => {
            let other = node.parent.as_deref().unwrap_or_default();
            let id = &listed.id;
            Err(Error::format(
                &listed.file,
                format!("`{id}` stands below `{parent}` here and below `{other}` elsewhere: collect all lists anew"),
            ))
        }
    }
}

/// The organization of a policy's ARN: `arn:aws:organizations::111122223333:policy/o-1/service_control_policy/p-1`.
fn owner_of_policy(arn: &str) -> Option<&str> {
    owner(arn).map(|(_, _, id)| id)
}

fn list<'a>(source: &Source<'a>, members: &Members<'a>, name: &str) -> Result<Vec<Node<'a>>, PolicyError> {
    find(members, name).map_or(Ok(Vec::new()), |node| node.elements(source))
}

fn listed(source: &Source<'_>, node: &Node<'_>, parent: Option<&str>, file: &Path) -> Result<Listed, PolicyError> {
    let members = node.members(source)?;
    let Some(id) = text(source, &members, "Id")? else {
        let help = "this should be an output of `aws organizations` as it is: leave `--query` away";
        return Err(source.error(node, "`Id` is missing", Some(help)));
    };
    let [name, arn] = ["Name", "Arn"].map(|name| text(source, &members, name));
    let (name, arn) = (name?.unwrap_or_default(), arn?.unwrap_or_default());
    Ok(Listed { id, name, arn, parent: parent.map(str::to_owned), file: file.to_path_buf() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOTS: &str = r#"{"Roots": [{"Id": "r-ab12", "Arn": "arn:aws:organizations::111111111111:root/o-1/r-ab12", "Name": "Root",
        "PolicyTypes": [{"Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED"}]}]}"#;
    const UNITS: &str = r#"{"OrganizationalUnits": [{"Id": "ou-ab12-11111111", "Name": "Mail"}]}"#;
    const ACCOUNTS: &str = r#"{"Accounts": [{"Id": "222222222222", "Name": "mail", "Status": "ACTIVE"}]}"#;
    const FULL: &str = r#"{"Policies": [{"Id": "p-FullAWSAccess", "Name": "FullAWSAccess", "Type": "SERVICE_CONTROL_POLICY"}]}"#;
    const LOCK: &str = r#"{"Policies": [{"Id": "p-lock1", "Name": "Lock", "Type": "SERVICE_CONTROL_POLICY"}]}"#;
    const DESCRIBED: &str = r#"{"Policy": {"PolicySummary": {"Id": "p-lock1", "Name": "Lock", "Type": "SERVICE_CONTROL_POLICY"},
        "Content": "{\"Version\": \"2012-10-17\", \"Statement\": {\"Effect\": \"Deny\", \"Action\": \"*\", \"Resource\": \"*\"}}"}}"#;

    fn built(files: &[(&str, &str)]) -> Result<Vec<Organization>> {
        let mut outputs = Outputs::default();
        for (name, text) in files {
            let source = Source::new(text);
            let members = source.root().unwrap().members(&source).unwrap();
            let file = Path::new("organization").join(format!("{name}.json"));
            let kind = Kind::of(&source, &members, &file).unwrap_or_else(|| panic!("{name} is no output"));
            outputs.read(kind, &source, &members, &file)?;
        }
        outputs.build()
    }

    fn whole<'t>() -> Vec<(&'t str, &'t str)> {
        vec![
            ("list-roots", ROOTS),
            ("list-organizational-units-for-parent.r-ab12", UNITS),
            ("list-accounts-for-parent.ou-ab12-11111111", ACCOUNTS),
            ("list-policies-for-target.r-ab12.service_control_policy", FULL),
            ("list-policies-for-target.ou-ab12-11111111", LOCK),
            ("list-policies-for-target.222222222222.service_control_policy", FULL),
            ("describe-policy.p-lock1", DESCRIBED),
        ]
    }

    #[test]
    fn the_outputs_make_the_organization_in_any_order() {
        for turn in 0..whole().len() {
            let mut files = whole();
            files.rotate_left(turn);
            let organizations = built(&files).unwrap();
            let [organization] = organizations.as_slice() else { panic!("one organization") };
            assert_eq!(organization.path("222222222222").as_deref(), Some("o-1/r-ab12/ou-ab12-11111111/"));
            let levels = organization.levels("222222222222", ControlType::Scp).unwrap();
            assert_eq!((levels.policies.iter().map(Vec::len).collect::<Vec<_>>(), levels.opaque), (vec![1, 1, 1], false));
            assert_eq!(organization.levels("222222222222", ControlType::Rcp).unwrap().policies.len(), 0, "not in use");
        }
    }

    #[test]
    fn what_was_not_collected_is_open() {
        let without = |name: &str| whole().into_iter().filter(|(file, _)| *file != name).collect::<Vec<_>>();
        for name in ["describe-policy.p-lock1", "list-policies-for-target.ou-ab12-11111111"] {
            let organizations = built(&without(name)).unwrap();
            assert!(organizations[0].levels("222222222222", ControlType::Scp).unwrap().opaque, "{name}");
        }
        let organizations = built(&without("list-accounts-for-parent.ou-ab12-11111111")[..3]).unwrap();
        assert!(!organizations[0].has("222222222222"), "an account of no list is not covered");
    }

    #[test]
    fn a_list_whose_name_says_nothing_or_something_wrong_is_refused() {
        let error = |files: &[(&str, &str)]| built(files).unwrap_err().to_string();
        let text = error(&[("list-roots", ROOTS), ("accounts", ACCOUNTS)]);
        assert!(
            text.contains("accounts.json`: the list does not say") && text.contains("`list-accounts-for-parent.PARENT.json`"),
            "{text}"
        );
        let text = error(&[("list-roots", ROOTS), ("list-accounts-for-parent.r-ab13", ACCOUNTS)]);
        assert!(text.contains("is of `r-ab13`, by its name") && text.contains("the nearest: `r-ab12`"), "{text}");
        let text = error(&[("list-roots", ROOTS), ("list-policies-for-target.r-ab12", r#"{"Policies": []}"#)]);
        assert!(text.contains("`list-policies-for-target.r-ab12.service_control_policy.json`"), "{text}");
        let text = error(&[("list-accounts-for-parent.r-ab12", ACCOUNTS)]);
        assert!(text.contains("`aws organizations list-roots`"), "{text}");
        let text = error(&[("list-roots", r#"{"Roots": [], "NextToken": "x"}"#)]);
        assert!(text.contains("the list goes on"), "{text}");
        let text = error(&[("list-parents.222222222222", r#"{"Parents": [{"Id": "r-ab12", "Type": "ROOT"}]}"#)]);
        assert!(text.contains("the output of `list-parents`, which is not read"), "{text}");
    }

    #[test]
    fn the_list_of_all_accounts_says_that_they_belong_to_it() {
        let all = r#"{"Accounts": [{"Id": "333333333333", "Arn": "arn:aws:organizations::111111111111:account/o-1/333333333333"}]}"#;
        let organizations = built(&[("list-roots", ROOTS), ("list-accounts", all)]).unwrap();
        assert!(organizations[0].has("333333333333"));
        assert_eq!(organizations[0].path("333333333333"), None);
        assert!(organizations[0].levels("333333333333", ControlType::Scp).unwrap().opaque);
    }
}
