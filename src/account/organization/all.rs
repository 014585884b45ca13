//! The organizations of a policy set together.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::control::unlisted;
use super::{ControlType, Organization, OrganizationEdit};
use crate::account::bundle::{AccountRcps, Levels, Policy};
use crate::account::names::nearest;
use crate::error::Error;
use crate::iam::PolicyDocument;

/// Where an account stands, for the context keys that tell it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In no organization.
    Outside,
    /// In an organization.
    Member {
        /// `o-...`
        organization: String,
        /// `o-.../r-.../ou-.../`, if it is known.
        path: Option<String>,
    },
}

/// The organizations of a policy set, and policies that are tried at the root of every one.
#[derive(Debug, Clone, Default)]
pub struct Organizations {
    pub(super) all: Vec<Organization>,
    /// Bare documents of a candidate; they are at the roots of organizations that are not known too.
    at_roots: Vec<(ControlType, Arc<Policy>)>,
    /// Made when it is first asked for, and anew after every change.
    pub(super) rcps: OnceLock<Option<Arc<AccountRcps>>>,
}

impl Organizations {
    /// Enters an organization, in the place of an older one of its id.
    pub fn insert(&mut self, organization: Organization) {
        self.rcps = OnceLock::new();
        self.all.retain(|known| known.id != organization.id);
        self.all.push(organization);
    }

    /// Whether nothing is known of any.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The organization of an account.
    pub fn of(&self, account: &str) -> Option<&Organization> {
        self.all.iter().find(|organization| !account.is_empty() && organization.has(account))
    }

    /// The id of a policy by its id, ARN or name.
    pub(in crate::account) fn find_policy(&self, name: &str) -> Option<String> {
        self.all.iter().find_map(|organization| organization.find_policy(name))
    }

    /// All accounts that belong to one.
    pub fn accounts(&self) -> impl Iterator<Item = &str> {
        self.all.iter().flat_map(Organization::accounts)
    }

    /// Where an account stands; `None` if no organization covers it.
    pub fn place(&self, account: &str) -> Option<Place> {
        let organization = self.of(account)?;
        Some(Place::Member { organization: organization.id.clone(), path: organization.path(account) })
    }

    /// Whether an edit may have reached an account whose place in its organization is not known.
    pub fn may_have_changed(&self, baseline: &Self, account: &str) -> bool {
        let edits = |all: &Self| all.of(account).filter(|of| of.path(account).is_none()).map(|of| of.edits);
        edits(self) != edits(baseline)
    }

    /// The policies of a type at each level above an account; `None` if it is exempt. Of an account that no organization
    /// covers, only that there may be some.
    pub fn levels(&self, account: &str, control: ControlType) -> Option<Levels> {
        let mut levels = match self.of(account) {
            Some(organization) => organization.levels(account, control)?,
            None => Levels { policies: Vec::new(), opaque: true },
        };
        self.add_at_root(&mut levels, control);
        Some(levels)
    }

    fn add_at_root(&self, levels: &mut Levels, control: ControlType) {
        let added: Vec<Arc<Policy>> = self.at_roots.iter().filter(|(of, _)| *of == control).map(|(_, policy)| Arc::clone(policy)).collect();
        if added.is_empty() {
            return;
        }
        match levels.policies.first_mut() {
            Some(root) => root.extend(added),
            // Beside those that are not known, or the one of AWS that is attached where a type comes into use.
            None => levels.policies.push(added.into_iter().chain([Arc::clone(unlisted(control))]).collect()),
        }
    }

    /// The resource control policies by the account of the resource; `None` if nothing is known of any.
    pub fn rcps(&self) -> Option<Arc<AccountRcps>> {
        let make = || {
            if self.all.is_empty() && self.at_roots.iter().all(|(control, _)| *control != ControlType::Rcp) {
                return None;
            }
            let of = |account: &str| (account.to_owned(), self.levels(account, ControlType::Rcp).unwrap_or_default());
            let mut otherwise = Levels { policies: Vec::new(), opaque: true };
            // With an organization, other accounts are not below its root.
            if self.all.is_empty() {
                self.add_at_root(&mut otherwise, ControlType::Rcp);
            }
            Some(Arc::new(AccountRcps { accounts: self.accounts().map(of).collect(), otherwise }))
        };
        self.rcps.get_or_init(make).clone()
    }

    /// Adds a document at the root of every organization, known or not.
    pub fn try_at_roots(&mut self, control: ControlType, policy: &Policy) {
        self.rcps = OnceLock::new();
        let name = format!("arn:aws:organizations:::policy/{}/{}", control.name(), policy.name);
        let (file, document) = (policy.file.clone(), policy.document.clone());
        self.at_roots.push((control, Arc::new(Policy { name, file, document })));
    }

    /// Gives a policy that was not supplied its document, by id or ARN; whether there is such a policy.
    pub(in crate::account) fn supply(&mut self, name: &str, file: &std::path::Path, document: &PolicyDocument) -> bool {
        self.rcps = OnceLock::new();
        // Each is to have it.
        let mut supplied = false;
        for organization in &mut self.all {
            supplied |= organization.supply(name, file, document);
        }
        supplied
    }

    /// Applies an edit, to the organization that has what it names; says what it touches.
    ///
    /// # Errors
    /// What no organization has, with the nearest names.
    pub fn apply(&mut self, edit: &OrganizationEdit) -> Result<Vec<String>, String> {
        self.rcps = OnceLock::new();
        let at = match self.all.as_slice() {
            [] => return Err("no organization file is loaded: add `organization.json` to the baseline".to_owned()),
            [_] => Some(0),
            all => all.iter().position(|organization| organization.is_meant(edit)),
        };
        match (at.and_then(|at| self.all.get_mut(at)), edit) {
            (Some(organization), _) => organization.apply(edit),
            // Which organization a new policy is of shows when it is attached.
            (None, OrganizationEdit::SetDocument { .. }) => {
                let made = self.all.iter_mut().map(|organization| organization.apply(edit)).collect::<Result<Vec<_>, _>>();
                made.map(|lines| lines.into_iter().next().unwrap_or_default())
            }
            (None, _) => {
                let names = self.all.iter().flat_map(Organization::names);
                Err(format!("no organization has `{}`; {}", edit.name(), nearest(names, edit.name())))
            }
        }
    }

    /// Applies edits that belong together, in the order in which they can be: what goes, what comes to be, what is attached.
    ///
    /// # Errors
    /// Those of [`Self::apply`].
    pub fn apply_all(&mut self, edits: &[OrganizationEdit]) -> Result<Vec<String>, String> {
        let mut sorted: Vec<&OrganizationEdit> = edits.iter().collect();
        sorted.sort_by_key(|edit| edit.phase());
        let mut lines = Vec::new();
        for edit in sorted {
            lines.extend(self.apply(edit)?);
        }
        Ok(lines)
    }

    /// # Errors
    /// [`Error::Usage`] for an account that two organizations have.
    pub(in crate::account) fn assert_disjoint(&self) -> Result<(), Error> {
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        for organization in &self.all {
            for account in organization.accounts() {
                if let Some(other) = seen.insert(account, &organization.id) {
                    let id = &organization.id;
                    return Err(Error::Usage(format!(
                        "account {account} is in the organizations `{other}` and `{id}`: correct the id of one"
                    )));
                }
            }
        }
        Ok(())
    }

    /// Where a policy that limits an account is attached.
    pub fn holder(&self, account: &str, policy: &str) -> Option<String> {
        self.of(account)?.holder(account, policy)
    }

    /// The organizations.
    pub(in crate::account) fn iter(&self) -> impl Iterator<Item = &Organization> {
        self.all.iter()
    }

    /// Where every account stands.
    pub(in crate::account) fn places(&self) -> BTreeMap<String, Place> {
        self.accounts().filter_map(|account| Some((account.to_owned(), self.place(account)?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::organization::tests::organization;
    use crate::iam::parse;

    fn policy(control: ControlType, statement: &str) -> Policy {
        let text = format!(r#"{{"Version": "2012-10-17", "Statement": [{statement}]}}"#);
        Policy { name: "draft".to_owned(), file: None, document: parse::document(&text, control.policy_type()).unwrap() }
    }

    #[test]
    fn an_account_that_no_organization_covers_is_open() {
        let mut organizations = Organizations::default();
        assert_eq!(organizations.levels("222222222222", ControlType::Scp), Some(Levels { policies: Vec::new(), opaque: true }));
        assert_eq!(organizations.rcps(), None);
        organizations.insert(organization());
        assert!(organizations.levels("444444444444", ControlType::Scp).unwrap().opaque);
        assert_eq!(organizations.place("444444444444"), None);
        let place = Place::Member { organization: "o-1".to_owned(), path: Some("o-1/r-1/ou-mail/".to_owned()) };
        assert_eq!(organizations.place("222222222222"), Some(place));
        assert_eq!(organizations.accounts().count(), 3);
    }

    #[test]
    fn a_draft_is_tried_at_every_root() {
        let mut organizations = Organizations::default();
        organizations.insert(organization());
        organizations.try_at_roots(ControlType::Scp, &policy(ControlType::Scp, r#"{"Effect": "Deny", "Action": "*", "Resource": "*"}"#));
        assert_eq!(organizations.levels("222222222222", ControlType::Scp).unwrap().policies[0].len(), 2);
        let other = organizations.levels("444444444444", ControlType::Scp).unwrap();
        assert_eq!((other.opaque, other.policies.len(), other.policies[0].len()), (true, 1, 2), "beside what is not known");
        assert_eq!(organizations.levels("111111111111", ControlType::Scp), None, "the management account stays exempt");
    }

    #[test]
    fn resource_control_policies_are_those_of_the_resources_account() {
        let mut organizations = Organizations::default();
        organizations.insert(organization());
        let rcps = organizations.rcps().unwrap();
        assert!(rcps.of("222222222222").opaque && rcps.of("444444444444").opaque);
        assert_eq!(rcps.of("111111111111"), &Levels::default(), "resources of the management account are exempt");
        let again = organizations.rcps().unwrap();
        assert!(Arc::ptr_eq(&rcps, &again), "made once");
        organizations.apply(&OrganizationEdit::Move { account: "222222222222".to_owned(), to: "r-1".to_owned() }).unwrap();
        assert!(!Arc::ptr_eq(&rcps, &organizations.rcps().unwrap()), "and anew after an edit");
    }
}
