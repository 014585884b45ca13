//! Organizations: the tree of accounts, with the service control policies and the resource control policies at each level.
//!
//! What limits an account stands level by level: the root, each organizational unit on the way, the account itself. Every
//! level must allow, some policy of it; a Deny at any level counts. The management account is exempt.

mod all;
mod control;
mod edit;
mod file;
mod file_name;
mod output;
mod outputs;
mod past;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

pub use all::{Organizations, Place};
pub use control::ControlType;
pub use edit::OrganizationEdit;
pub use file::named as named_documents;
pub(super) use file::{is_file, read as read_file};
pub(super) use output::Kind as OutputKind;
pub(super) use outputs::Outputs;
pub(super) use tree::{is_tree, read as read_tree};

use super::bundle::{Levels, Policy};
use crate::iam::PolicyDocument;
use control::{stand_in, unlisted};

/// What a [`Node`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NodeKind {
    Root,
    Unit,
    Account,
}

/// A root, an organizational unit or an account.
#[derive(Debug, Clone)]
struct Node {
    kind: NodeKind,
    name: String,
    /// `None` for the root.
    parent: Option<String>,
    scps: Attached,
    rcps: Attached,
}

/// The policies of one type that are attached to a node.
#[derive(Debug, Clone, Default)]
struct Attached {
    ids: BTreeSet<String>,
    /// Whether these are all.
    complete: bool,
}

impl Node {
    fn attached(&self, control: ControlType) -> &Attached {
        match control {
            ControlType::Scp => &self.scps,
            ControlType::Rcp => &self.rcps,
        }
    }

    fn attached_mut(&mut self, control: ControlType) -> &mut Attached {
        match control {
            ControlType::Scp => &mut self.scps,
            ControlType::Rcp => &mut self.rcps,
        }
    }
}

/// A service or resource control policy.
#[derive(Debug, Clone)]
struct Control {
    control: ControlType,
    name: String,
    /// Its document, or a stand-in.
    policy: Arc<Policy>,
    /// Whether its document is known.
    known: bool,
}

/// An organization.
#[derive(Debug, Clone)]
pub struct Organization {
    /// `o-...`
    pub id: String,
    /// The account that is exempt.
    pub management_account: String,
    partition: String,
    nodes: BTreeMap<String, Node>,
    policies: BTreeMap<String, Control>,
    /// Accounts that belong to it, and it is not known where.
    unplaced: BTreeSet<String>,
    /// Types of policy that are not in use.
    disabled: BTreeSet<ControlType>,
    /// How many edits made it what it is.
    edits: usize,
}

impl Organization {
    /// An organization without accounts, with the policies that AWS provides.
    fn new(id: &str, management_account: &str, partition: &str) -> Self {
        let mut organization = Self {
            id: id.to_owned(),
            management_account: management_account.to_owned(),
            partition: partition.to_owned(),
            nodes: BTreeMap::new(),
            policies: BTreeMap::new(),
            unplaced: BTreeSet::new(),
            disabled: BTreeSet::new(),
            edits: 0,
        };
        for control in ControlType::ALL {
            let id = control.full_access();
            organization.define(id, id.trim_start_matches("p-"), control, Some((None, control.everything(""))));
        }
        organization
    }

    /// Whether an account belongs to it.
    pub fn has(&self, account: &str) -> bool {
        account == self.management_account
            || self.unplaced.contains(account)
            || self.nodes.get(account).is_some_and(|node| node.kind == NodeKind::Account)
    }

    /// The accounts that are known to belong to it, each once.
    pub fn accounts(&self) -> impl Iterator<Item = &str> {
        let placed = self.nodes.iter().filter(|(_, node)| node.kind == NodeKind::Account).map(|(id, _)| id);
        placed.chain(&self.unplaced).chain([&self.management_account]).map(String::as_str).collect::<BTreeSet<_>>().into_iter()
    }

    /// The path of an account as `aws:PrincipalOrgPaths` has it, without the account: `o-1/r-1/ou-1/`; `None` if it is not
    /// known where it stands.
    pub fn path(&self, account: &str) -> Option<String> {
        let chain = self.chain(account);
        let above = chain.split_last().map(|(_, above)| above).filter(|above| !above.is_empty())?;
        Some(std::iter::once(self.id.as_str()).chain(above.iter().map(|(id, _)| *id)).map(|id| format!("{id}/")).collect())
    }

    /// From the root to a node; empty if the node is not there or hangs in the air.
    fn chain(&self, id: &str) -> Vec<(&str, &Node)> {
        let mut chain = Vec::new();
        let mut next = self.nodes.get_key_value(id);
        while let Some((id, node)) = next {
            chain.push((id.as_str(), node));
            if chain.len() > self.nodes.len() {
                return Vec::new();
            }
            next = match &node.parent {
                Some(parent) => match self.nodes.get_key_value(parent) {
                    Some(found) => Some(found),
                    None => return Vec::new(),
                },
                None => None,
            };
        }
        chain.reverse();
        chain
    }

    /// The policies of a type at each level above an account that belongs to it, the root first; `None` if the account is
    /// exempt.
    fn levels(&self, account: &str, control: ControlType) -> Option<Levels> {
        if account == self.management_account {
            return None;
        }
        if self.disabled.contains(&control) {
            return Some(Levels::default());
        }
        let chain = self.chain(account);
        let nothing_known = chain.iter().all(|(_, node)| !node.attached(control).complete && node.attached(control).ids.is_empty());
        if chain.is_empty() || nothing_known {
            return Some(Levels { policies: Vec::new(), opaque: true });
        }
        let mut levels = Levels::default();
        for (_, node) in chain {
            let attached = node.attached(control);
            let mut policies: Vec<Arc<Policy>> = Vec::with_capacity(attached.ids.len());
            // It is attached everywhere and cannot be detached.
            let implied = (control == ControlType::Rcp).then(|| control.full_access()).filter(|id| !attached.ids.contains(*id));
            for id in implied.into_iter().chain(attached.ids.iter().map(String::as_str)) {
                let Some(attached) = self.policies.get(id) else { continue };
                policies.push(Arc::clone(&attached.policy));
                levels.opaque |= !attached.known;
            }
            if !attached.complete {
                policies.push(Arc::clone(unlisted(control)));
                levels.opaque = true;
            }
            levels.policies.push(policies);
        }
        Some(levels)
    }

    /// The ARN of a policy.
    fn policy_arn(&self, control: ControlType, id: &str) -> String {
        let (partition, name) = (&self.partition, control.name());
        if id == control.full_access() {
            return format!("arn:{partition}:organizations::aws:policy/{name}/{id}");
        }
        format!("arn:{partition}:organizations::{}:policy/{}/{name}/{id}", self.management_account, self.id)
    }

    /// Enters a policy, or another document for it. Without a document it stays what it is, or becomes one that was not
    /// supplied.
    fn define(&mut self, id: &str, name: &str, control: ControlType, document: Option<(Option<PathBuf>, PolicyDocument)>) {
        // A policy whose id is only known when it is made is named by its name.
        let arn = self.policy_arn(control, if id.starts_with('<') { name } else { id });
        let of_aws = name == control.full_access().trim_start_matches("p-");
        let (policy, known) = match document {
            Some((file, document)) => (Arc::new(Policy { name: arn, file, document }), true),
            None if self.policies.contains_key(id) => return,
            // Of a policy of AWS the name is enough.
            None if of_aws => (Arc::new(Policy { name: arn, file: None, document: control.everything("") }), true),
            None => (stand_in(control, arn), false),
        };
        self.policies.insert(id.to_owned(), Control { control, name: name.to_owned(), policy, known });
    }

    /// Enters a node. Its policies are those of `attach`.
    fn place(&mut self, id: &str, kind: NodeKind, name: &str, parent: Option<&str>) {
        let (scps, rcps) = (Attached::default(), Attached::default());
        self.nodes.insert(id.to_owned(), Node { kind, name: name.to_owned(), parent: parent.map(str::to_owned), scps, rcps });
    }

    /// Says which policies of a type a node has, all of them.
    fn attach_all(&mut self, node: &str, control: ControlType, ids: impl IntoIterator<Item = String>) {
        if let Some(node) = self.nodes.get_mut(node) {
            let attached = node.attached_mut(control);
            attached.ids.extend(ids);
            attached.complete = true;
        }
    }

    /// Gives a policy that was not supplied its document, by id or ARN; whether there is such a policy.
    pub(super) fn supply(&mut self, name: &str, file: &std::path::Path, document: &PolicyDocument) -> bool {
        let Some(id) = self.find_policy(name) else { return false };
        let Some(control) = self.policies.get_mut(&id).filter(|control| !control.known) else { return false };
        let name = control.policy.name.clone();
        control.policy = Arc::new(Policy { name, file: Some(file.to_path_buf()), document: document.clone() });
        control.known = true;
        true
    }

    /// A node in words: `ou-ab12-11111111 (Mail)`.
    fn node_words(&self, id: &str) -> String {
        match self.nodes.get(id) {
            Some(node) if !node.name.is_empty() && node.name != id => format!("{id} ({})", node.name),
            _ => id.to_owned(),
        }
    }

    /// Where a policy that limits an account is attached, the highest level first; `None` if it does not limit it.
    fn holder(&self, account: &str, policy: &str) -> Option<String> {
        let id = self.policies.iter().find(|(_, control)| control.policy.name == policy).map(|(id, control)| (id, control.control));
        let (id, control) = id?;
        let chain = self.chain(account);
        let holders = chain.iter().filter(|(_, node)| node.attached(control).ids.contains(id)).map(|(node, _)| self.node_words(node));
        let holders: Vec<String> = holders.collect();
        (!holders.is_empty()).then(|| holders.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::{PolicyType, parse};

    /// `r-1` with `ou-mail` (account 2) and account 3; 1 is the management account.
    pub(super) fn organization() -> Organization {
        let mut organization = Organization::new("o-1", "111111111111", "aws");
        organization.place("r-1", NodeKind::Root, "Root", None);
        organization.place("ou-mail", NodeKind::Unit, "Mail", Some("r-1"));
        organization.place("222222222222", NodeKind::Account, "mail", Some("ou-mail"));
        organization.place("333333333333", NodeKind::Account, "other", Some("r-1"));
        for node in ["r-1", "ou-mail", "222222222222", "333333333333"] {
            organization.attach_all(node, ControlType::Scp, ["p-FullAWSAccess".to_owned()]);
        }
        organization
    }

    fn names(levels: &Levels) -> Vec<Vec<String>> {
        let name = |policy: &Arc<Policy>| policy.name.rsplit('/').next().unwrap().to_owned();
        levels.policies.iter().map(|level| level.iter().map(name).collect()).collect()
    }

    #[test]
    fn the_levels_are_those_from_the_root_to_the_account() {
        let organization = organization();
        let levels = organization.levels("222222222222", ControlType::Scp).unwrap();
        assert_eq!(names(&levels), [["p-FullAWSAccess"]; 3]);
        assert!(!levels.opaque);
        assert_eq!(organization.levels("333333333333", ControlType::Scp).unwrap().policies.len(), 2);
        assert_eq!(organization.levels("111111111111", ControlType::Scp), None, "the management account is exempt");
        assert_eq!(organization.path("222222222222").as_deref(), Some("o-1/r-1/ou-mail/"));
        assert_eq!(organization.path("333333333333").as_deref(), Some("o-1/r-1/"));
        assert_eq!(organization.path("111111111111"), None, "it is not known where the management account stands");
    }

    #[test]
    fn what_was_not_supplied_leaves_the_level_open() {
        let mut organization = organization();
        organization.define("p-1", "Region lock", ControlType::Scp, None);
        organization.attach_all("ou-mail", ControlType::Scp, ["p-1".to_owned()]);
        let levels = organization.levels("222222222222", ControlType::Scp).unwrap();
        assert!(levels.opaque);
        assert_eq!(names(&levels)[1], ["p-1", "p-FullAWSAccess"]);
        assert!(!organization.levels("333333333333", ControlType::Scp).unwrap().opaque, "the policy stands elsewhere");
        let document = parse::document(r#"{"Statement": []}"#, PolicyType::Scp).unwrap();
        assert!(organization.supply("p-1", std::path::Path::new("p-1.json"), &document));
        assert!(!organization.levels("222222222222", ControlType::Scp).unwrap().opaque);
        // Of resource control policies nothing is known at all.
        let levels = organization.levels("222222222222", ControlType::Rcp).unwrap();
        assert_eq!(levels, Levels { policies: Vec::new(), opaque: true });
    }

    #[test]
    fn the_resource_control_policy_of_aws_is_everywhere() {
        let mut organization = organization();
        for node in ["r-1", "ou-mail", "222222222222"] {
            organization.attach_all(node, ControlType::Rcp, []);
        }
        let levels = organization.levels("222222222222", ControlType::Rcp).unwrap();
        assert_eq!(names(&levels), [["p-RCPFullAWSAccess"]; 3]);
    }

    #[test]
    fn a_type_that_is_not_in_use_limits_nothing() {
        let mut organization = organization();
        organization.disabled.insert(ControlType::Scp);
        assert_eq!(organization.levels("222222222222", ControlType::Scp), Some(Levels::default()));
    }
}
