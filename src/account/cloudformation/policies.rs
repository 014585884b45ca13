//! Policies of a template: managed and inline ones, and those of the organization.

use std::sync::Arc;

use super::document::{self, Read};
use super::intrinsic::{is_known, unknown_names};
use super::names::Identity;
use super::resources::Reader;
use super::value::{Node, Value};
use crate::account::bundle::Policy;
use crate::account::deployment::{Edit, Holder, Managed, Target};
use crate::account::{ControlType, OrganizationEdit};
use crate::error::Result;
use crate::iam::{PolicyDocument, PolicyType};

impl Reader<'_> {
    /// The document of a property; `None` where it is not known.
    pub(super) fn document(&mut self, properties: &Value, name: &str, policy_type: PolicyType) -> Result<Option<PolicyDocument>> {
        let nothing = Value { node: Node::Nothing, line: properties.line };
        let value = properties.get(name).unwrap_or(&nothing);
        if value.node == Node::Nothing {
            let message = format!("`{}` has no `{name}`", self.subject.address);
            return Err(self.template.error(properties.line, message, "write the policy document there"));
        }
        let resources = self.template.root.get("Resources");
        // ARNs of resources that the template makes, of other services.
        let is_arn = |name: &str| {
            let Some((logical, attribute)) = name.split_once('.') else { return false };
            let kind = resources.and_then(|all| all.get(logical)).and_then(|resource| resource.get("Type")).and_then(Value::as_text);
            attribute.ends_with("Arn") && kind.is_some_and(|kind| kind.starts_with("AWS::"))
        };
        match document::read(value, policy_type, &is_arn) {
            Ok(Read::Known(document)) => Ok(Some(document)),
            Ok(Read::Unknown(names)) => {
                let names = names.join(", ");
                self.unresolved(format!(
                    "`{name}` depends on {names}: what it permits is unknown; give parameters with --parameter NAME=VALUE"
                ));
                Ok(None)
            }
            Err(error) => {
                let (line, address) = (error.line.max(value.line), &self.subject.address);
                let pointer = if error.pointer.is_empty() { String::new() } else { format!(", {}", error.pointer) };
                let message = format!("the document in `{name}` of `{address}`{pointer}: {}", error.message);
                Err(self.template.error(line, message, error.help.as_deref().unwrap_or("correct the policy document")))
            }
        }
    }

    /// The managed policies of a list, and whether there are more that are not known.
    pub(super) fn managed(&mut self, properties: &Value, name: &str) -> (Vec<Managed>, bool) {
        let Some(list) = properties.get(name) else { return (Vec::new(), false) };
        let texts: Vec<String> = list.elements().iter().filter_map(Value::as_text).map(|text| self.settled(text)).collect();
        let (known, open): (Vec<String>, Vec<String>) = texts.into_iter().partition(|text| is_known(text));
        if !open.is_empty() {
            let names: Vec<&str> = open.iter().flat_map(|text| unknown_names(text)).collect();
            self.unresolved(format!("not all of `{name}` is known, for {}; what else it permits is unknown", names.join(", ")));
        }
        (known.into_iter().map(Managed::Arn).collect(), !open.is_empty())
    }

    pub(super) fn managed_policy(&mut self, properties: &Value, identity: &Identity) -> Result<()> {
        let document = self.document(properties, "PolicyDocument", PolicyType::Identity)?;
        let (arn, file) = (identity.arn.clone(), Some(self.template.path.clone()));
        let document = document.map(|document| Arc::new(Policy { name: arn.clone(), file, document }));
        let same = matches!((self.set.managed.get(&arn), &document), (Some(Some(known)), Some(new)) if known.document == new.document);
        if same {
            self.pass_over("its document is as it was".to_owned());
        } else {
            self.edit(Edit::Policy { arn: arn.clone(), document });
        }
        for (list, holder) in [("Roles", Holder::Role), ("Users", Holder::User), ("Groups", Holder::Group)] {
            for name in self.names(properties, list) {
                self.attach(holder, &name, Managed::Arn(arn.clone()));
            }
        }
        Ok(())
    }

    /// Attaches a policy, unless the holder has it already.
    pub(super) fn attach(&mut self, holder: Holder, name: &str, policy: Managed) {
        self.has(holder, name).attached.push(policy.clone());
        let target = self.target(holder, name);
        if !self.is_attached(&target, &policy) {
            self.edit(Edit::Attach { target, policy });
        }
    }

    pub(super) fn is_attached(&self, target: &Target, policy: &Managed) -> bool {
        self.arn_of(target).is_some_and(|arn| self.set.attached_names(&arn).contains(&policy.arn(&arn)))
    }

    /// An inline policy, unless it is there already as it is written.
    pub(super) fn put_inline(&mut self, target: &Target, name: &str, properties: &Value) -> Result<()> {
        let document = self.document(properties, "PolicyDocument", PolicyType::Identity)?;
        if let Target::One { holder, name: of, .. } = target {
            self.has(*holder, of).inline.push(name.to_owned());
        }
        let known = self.arn_of(target).and_then(|arn| {
            let inline = match self.set.entities.get(&arn) {
                Some(entity) => entity.inline.get(name),
                None => self.set.groups.get(&arn)?.inline.get(name),
            };
            Some(inline?.document.clone())
        });
        if known.is_some() && known == document {
            return Ok(());
        }
        // Under a name that is not known it may take the place of any.
        if let Some(arn) = self.arn_of(target).filter(|_| name.starts_with('<')) {
            self.unresolved("`PolicyName` is not known: which inline policy it replaces, if any, is unknown".to_owned());
            for name in self.set.inline_names(&arn) {
                self.edit(Edit::Inline { target: target.clone(), name, document: None, update: true });
            }
        }
        self.edit(Edit::Inline { target: target.clone(), name: name.to_owned(), document, update: known.is_some() });
        Ok(())
    }

    /// The name of an inline policy; one that is not known has a name that no policy of IAM has.
    pub(super) fn policy_name(&self, properties: &Value, address: &str) -> String {
        let written = properties.get("PolicyName").and_then(Value::as_text).filter(|name| is_known(name));
        written.map_or_else(|| format!("<{address}>"), str::to_owned)
    }

    pub(super) fn inline_for_all(&mut self, properties: &Value) -> Result<()> {
        let name = self.policy_name(properties, &self.subject.address.clone());
        for (list, holder) in [("Roles", Holder::Role), ("Users", Holder::User), ("Groups", Holder::Group)] {
            for of in self.names(properties, list) {
                let target = self.target(holder, &of);
                self.put_inline(&target, &name, properties)?;
            }
        }
        Ok(())
    }

    pub(super) fn inline_of(&mut self, properties: &Value, holder: Holder, property: &str) -> Result<()> {
        let name = self.policy_name(properties, &self.subject.address.clone());
        let Some(of) = self.text(properties, property) else {
            match holder {
                Holder::Group => self.open_group(),
                _ => self.open_kinds.extend([holder]),
            }
            return Ok(());
        };
        let target = self.target(holder, &of);
        self.put_inline(&target, &name, properties)
    }

    /// A policy of the organization.
    pub(super) fn control(&mut self, logical: &str, properties: &Value) -> Result<()> {
        let (kind, words) = match self.text(properties, "Type").as_deref() {
            Some("SERVICE_CONTROL_POLICY") => (ControlType::Scp, "service control policy"),
            Some("RESOURCE_CONTROL_POLICY") => (ControlType::Rcp, "resource control policy"),
            Some(other) => {
                self.pass_over(format!("a `{other}` neither allows nor denies"));
                return Ok(());
            }
            None => return Ok(()),
        };
        let name = self.text(properties, "Name").unwrap_or_else(|| logical.to_owned());
        let known = self.set.organizations.find_policy(&name);
        let policy_id = known.clone().unwrap_or_else(|| format!("<{logical}>"));
        let document = self.document(properties, "Content", kind.policy_type())?;
        let file = Some(self.template.path.clone());
        let later = if document.is_none() { ", not known" } else { "" };
        let document = document.map(|document| Arc::new(Policy { name: policy_id.clone(), file, document }));
        self.subject.action = if known.is_some() { "update" } else { "create" };
        self.line(format!("{}{words} {name}{later}", if known.is_some() { "document of " } else { "" }));
        let edit = OrganizationEdit::SetDocument { policy_id: policy_id.clone(), name, kind, document };
        self.found.organization.push((logical.to_owned(), edit));
        for target in self.names(properties, "TargetIds") {
            self.line(format!("attaches it to {target}"));
            let edit = OrganizationEdit::Attach { policy_id: policy_id.clone(), target };
            self.found.organization.push((logical.to_owned(), edit));
        }
        Ok(())
    }
}
