//! Changes of organizations: their policies, and where accounts stand.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::entry::is_file;
use super::{ChangeSet, stem};
use crate::account::bundle::Policy;
use crate::account::organization::{ControlType, Organization, OrganizationEdit};
use crate::account::policy_set::PolicySet;
use crate::error::{Error, Result};

impl ChangeSet {
    pub(super) fn replace_control(&self, set: &mut PolicySet, line: usize, policy: &str, with: &str) -> Result<Vec<String>> {
        let (id, kind) = self.control(set, line, policy)?;
        let Ok(document) = self.policy(set, line, with, kind.policy_type(), id.clone()) else {
            let help = "the document of a resource control policy has `\"Principal\": \"*\"`, that of a service control policy has none";
            return Err(self.error(line, with, format!("`{policy}` is a {}, which `{with}` is not", kind.words()), help));
        };
        let edit = OrganizationEdit::SetDocument { policy_id: id.clone(), name: id, kind, document: Some(document) };
        self.edit(set, line, policy, &edit)
    }

    pub(super) fn attach_control(
        &self,
        set: &mut PolicySet,
        line: usize,
        control: ControlType,
        policy: &str,
        at: &[String],
    ) -> Result<Vec<String>> {
        let mut touched = Vec::new();
        let id = if is_file(policy, &[control.policy_type()]) {
            let name = stem(policy);
            let document: Arc<Policy> = self.policy(set, line, policy, control.policy_type(), name.clone())?;
            if control == ControlType::Rcp && !document.document.names_principals() {
                let message = format!("`{policy}` is no resource control policy: a statement names no `Principal`");
                return Err(self.error(line, policy, message, "add \"Principal\": \"*\""));
            }
            let same = |organization: &Organization| {
                let known = organization.find_policy(&name).and_then(|id| organization.policy(&id));
                known.is_none_or(|known| known.document == document.document)
            };
            if !set.organizations.iter().all(same) {
                let help = format!("to give it another document, write `replace = \"{name}\"` with its id; to add one, rename the file");
                return Err(self.error(line, policy, format!("the organization has another policy `{name}`"), &help));
            }
            if set.organizations.iter().any(|organization| organization.find_policy(&name).is_none()) {
                let (policy_id, document) = (name.clone(), Some(document));
                let edit = OrganizationEdit::SetDocument { policy_id, name: name.clone(), kind: control, document };
                touched.extend(self.edit(set, line, policy, &edit)?);
            }
            name
        } else {
            let (id, kind) = self.control(set, line, policy)?;
            if kind != control {
                let help = format!("write `{}` in the place of `{}`", short(kind), short(control));
                return Err(self.error(line, policy, format!("`{policy}` is a {}", kind.words()), &help));
            }
            id
        };
        for (name, target) in self.places(set, line, at)? {
            let edit = OrganizationEdit::Attach { policy_id: id.clone(), target };
            touched.extend(self.edit(set, line, &name, &edit)?);
        }
        Ok(touched)
    }

    pub(super) fn detach_control(&self, set: &mut PolicySet, line: usize, policy: &str, at: &[String]) -> Result<Vec<String>> {
        let (id, _) = self.control(set, line, policy)?;
        let mut touched = Vec::new();
        for (_, target) in self.places(set, line, at)? {
            let edit = OrganizationEdit::Detach { policy_id: id.clone(), target };
            touched.extend(self.edit(set, line, policy, &edit)?);
        }
        Ok(touched)
    }

    pub(super) fn move_account(&self, set: &mut PolicySet, line: usize, account: &str, to: &str) -> Result<Vec<String>> {
        self.has_organization(set, line, account)?;
        self.edit(set, line, account, &OrganizationEdit::Move { account: account.to_owned(), to: to.to_owned() })
    }

    /// A policy of an organization by id, ARN or name: its id and type.
    fn control(&self, set: &PolicySet, line: usize, policy: &str) -> Result<(String, ControlType)> {
        self.has_organization(set, line, policy)?;
        let find = |organization: &Organization| {
            let id = organization.find_policy(policy)?;
            let control = organization.control_type(&id)?;
            Some((id, control))
        };
        set.organizations.iter().find_map(find).ok_or_else(|| {
            let known: Vec<String> = set.organizations.iter().flat_map(Organization::policy_names).map(str::to_owned).collect();
            self.unknown(line, "no policy of the organization is", policy, known.iter())
        })
    }

    /// The roots, organizational units and accounts that patterns name, each with the text that names it.
    fn places(&self, set: &PolicySet, line: usize, at: &[String]) -> Result<Vec<(String, String)>> {
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for text in at {
            self.has_organization(set, line, text)?;
            let own: Vec<String> = set.organizations.iter().flat_map(|organization| organization.find_targets(text)).collect();
            if own.is_empty() {
                let known: Vec<String> = set.organizations.iter().flat_map(Organization::targets).map(str::to_owned).collect();
                return Err(self.unknown(line, "no root, organizational unit or account is", text, known.iter()));
            }
            found.extend(own.into_iter().filter(|id| seen.insert(id.clone())).map(|id| (text.clone(), id)));
        }
        Ok(found)
    }

    fn has_organization(&self, set: &PolicySet, line: usize, name: &str) -> Result<()> {
        if !set.organizations.is_empty() {
            return Ok(());
        }
        let help = "add `organization.json`, or the outputs of `aws organizations` that `scripts/collect.sh` collects, to --baseline";
        Err(self.error(line, name, "this changes an organization, and the baseline has none".to_owned(), help))
    }

    fn edit(&self, set: &mut PolicySet, line: usize, name: &str, edit: &OrganizationEdit) -> Result<Vec<String>> {
        set.organizations.apply(edit).map_err(|message| -> Error {
            let (message, help) = message.split_once("; ").map_or((message.as_str(), "write its id"), |(message, help)| (message, help));
            self.error(line, name, message.to_owned(), help)
        })
    }
}

fn short(control: ControlType) -> &'static str {
    match control {
        ControlType::Scp => "scp",
        ControlType::Rcp => "rcp",
    }
}
