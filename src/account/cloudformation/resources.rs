//! The resources of a template as edits.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::document::{self, Read};
use super::intrinsic::{Scope, is_known, unknown, unknown_names};
use super::names::{Identity, Known, Named, identify};
use super::value::{Node, Value};
use super::{Template, account_of};
use crate::account::bundle::Policy;
use crate::account::deployment::{Account, Among, Edit, Holder, Listed, Managed, Note, Step, Subject, Target};
use crate::account::{ControlType, OrganizationEdit, PolicySet};
use crate::error::Result;
use crate::iam::{PolicyDocument, PolicyType};

/// What a template comes to.
pub(super) struct Found {
    pub(super) steps: Vec<Step>,
    pub(super) lines: Vec<(usize, Listed)>,
    pub(super) notes: Vec<Note>,
    pub(super) organization: Vec<(String, OrganizationEdit)>,
}

/// What a user, role or group of the template has in all.
#[derive(Default)]
struct Has {
    inline: Vec<String>,
    attached: Vec<Managed>,
    groups: Vec<String>,
    /// Whether there may be more policies, and more groups.
    open: bool,
    open_groups: bool,
}

/// Reads the resources one by one.
pub(super) struct Reader<'t> {
    template: &'t Template,
    set: &'t PolicySet,
    scope: Scope<'t>,
    identities: BTreeMap<&'t str, Identity>,
    has: BTreeMap<(Holder, String), Has>,
    /// Resources that were applied.
    applied: BTreeSet<String>,
    /// Kinds of which it is not known who else gets a policy, or is in a group.
    open_kinds: BTreeSet<Holder>,
    open_groups: bool,
    /// The policies before any template of the candidate.
    original: &'t PolicySet,
    found: Found,
    /// The resource at hand.
    at: usize,
    subject: Subject,
}

impl<'t> Reader<'t> {
    pub(super) fn new(
        template: &'t Template,
        set: &'t PolicySet,
        original: &'t PolicySet,
        account: &'t Account,
        parameters: &'t BTreeMap<String, String>,
    ) -> Self {
        let mut scope =
            Scope { template: &template.root, account, given: parameters, physical: BTreeMap::new(), conditions: RefCell::default() };
        let known = Known::new(set, account);
        let identities = template.root.get("Resources").map(|resources| identify(resources, &mut scope, &known)).unwrap_or_default();
        let found = Found { steps: Vec::new(), lines: Vec::new(), notes: Vec::new(), organization: Vec::new() };
        let subject = Subject { action: "create", address: String::new() };
        Self {
            template,
            set,
            scope,
            identities,
            has: BTreeMap::new(),
            applied: BTreeSet::new(),
            open_kinds: BTreeSet::new(),
            open_groups: false,
            original,
            found,
            at: 0,
            subject,
        }
    }

    /// Reads all resources.
    ///
    /// # Errors
    /// [`crate::Error::Policy`] for a document that cannot be given one meaning.
    pub(super) fn read(mut self) -> Result<Found> {
        let template = self.template;
        if let Some(transform) = template.root.get("Transform") {
            let names: Vec<&str> = transform.elements().iter().filter_map(Value::as_text).collect();
            let others: Vec<&str> = names.into_iter().filter(|name| *name != "AWS::LanguageExtensions").collect();
            if !others.is_empty() {
                self.subject = Subject { action: "create", address: "the template".to_owned() };
                self.unresolved(format!("`Transform` {} is not followed: what it makes is not read", others.join(", ")));
            }
        }
        let resources = template.root.get("Resources").map(Value::members).unwrap_or_default();
        let mut others: BTreeMap<&str, usize> = BTreeMap::new();
        for (at, (logical, resource)) in resources.iter().enumerate() {
            let kind = resource.get("Type").and_then(Value::as_text).unwrap_or("Fn::ForEach");
            let is_there = self.identities.get(logical.as_str()).is_some_and(|identity| identity.is_there);
            self.at = at;
            self.subject = Subject { action: if is_there { "update" } else { "create" }, address: logical.clone() };
            if !is_read(kind) {
                *others.entry(kind).or_default() += 1;
                continue;
            }
            match resource.get("Condition").and_then(Value::as_text).map(|name| (name, self.scope.condition(name, 0))) {
                Some((name, Some(false))) => self.pass_over(format!("its condition `{name}` does not hold")),
                Some((name, None)) => {
                    // It may be about anyone.
                    self.open_kinds.extend([Holder::Role, Holder::User, Holder::Group]);
                    self.open_groups = true;
                    self.unresolved(format!(
                        "whether its condition `{name}` holds is not known: give its parameters with --parameter NAME=VALUE"
                    ));
                }
                _ => self.resource(logical, kind, resource)?,
            }
        }
        self.whole();
        for (kind, count) in others {
            let unresolved = kind.starts_with("AWS::Serverless::")
                || kind.starts_with("AWS::SSO::")
                || kind == "Fn::ForEach"
                || kind.starts_with("AWS::CloudFormation::Stack")
                || kind.ends_with("::MODULE");
            let reason = if unresolved { "not read: what it permits is not replayed" } else { "no policy of a principal" };
            self.found.notes.push(Note { subject: format!("{kind} ({count})"), reason: reason.to_owned(), unresolved });
        }
        Ok(self.found)
    }

    fn resource(&mut self, logical: &str, kind: &str, resource: &'t Value) -> Result<()> {
        let nothing = Value { node: Node::Nothing, line: resource.line };
        let properties = self.scope.resolve(resource.get("Properties").unwrap_or(&nothing));
        let identity = self.identities.get(logical).cloned();
        self.applied.insert(logical.to_owned());
        if let Some((name, _)) = properties.members().iter().find(|(name, _)| name.starts_with("Fn::")) {
            self.unresolved(format!("`{name}` in its properties is not followed: what it adds is unknown"));
            if let Some((Named::Holder(holder), name)) = identity.as_ref().map(|identity| (identity.named, identity.name.clone())) {
                let has = self.has(holder, &name);
                (has.open, has.open_groups) = (true, true);
            }
        }
        if let Some((remark, open)) = identity.as_ref().and_then(|identity| identity.remark.clone()) {
            if open { self.unresolved(remark) } else { self.pass_over(remark) }
        }
        match (kind, identity) {
            ("AWS::IAM::ManagedPolicy", Some(identity)) => self.managed_policy(&properties, &identity),
            (_, Some(identity)) => self.holder(&properties, &identity),
            ("AWS::IAM::Policy", None) => self.inline_for_all(&properties),
            ("AWS::IAM::RolePolicy", None) => self.inline_of(&properties, Holder::Role, "RoleName"),
            ("AWS::IAM::UserPolicy", None) => self.inline_of(&properties, Holder::User, "UserName"),
            ("AWS::IAM::GroupPolicy", None) => self.inline_of(&properties, Holder::Group, "GroupName"),
            ("AWS::IAM::UserToGroupAddition", None) => self.members(&properties),
            ("AWS::Organizations::Policy", None) => self.control(logical, &properties),
            _ => Ok(()),
        }
    }

    fn edit(&mut self, edit: Edit) {
        self.found.steps.push(Step { at: self.at, subject: self.subject.clone(), edit });
    }

    fn line(&mut self, what: String) {
        self.found.lines.push((self.at, Listed::new(&self.subject, what)));
    }

    fn pass_over(&mut self, reason: String) {
        self.found.notes.push(Note::new(&self.subject, reason, false));
    }

    fn unresolved(&mut self, reason: String) {
        self.found.notes.push(Note::new(&self.subject, reason, true));
    }

    /// A known text of a property.
    fn text(&mut self, properties: &Value, name: &str) -> Option<String> {
        let value = self.settled(properties.get(name)?.as_text()?);
        if is_known(&value) {
            return Some(value);
        }
        let names: Vec<&str> = unknown_names(&value).collect();
        self.unresolved(format!(
            "`{name}` is not known, for {}: give it with --parameter NAME=VALUE if it is a parameter",
            names.join(", ")
        ));
        None
    }

    /// The document of a property; `None` where it is not known.
    fn document(&mut self, properties: &Value, name: &str, policy_type: PolicyType) -> Result<Option<PolicyDocument>> {
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
    fn managed(&mut self, properties: &Value, name: &str) -> (Vec<Managed>, bool) {
        let Some(list) = properties.get(name) else { return (Vec::new(), false) };
        let texts: Vec<String> = list.elements().iter().filter_map(Value::as_text).map(|text| self.settled(text)).collect();
        let (known, open): (Vec<String>, Vec<String>) = texts.into_iter().partition(|text| is_known(text));
        if !open.is_empty() {
            let names: Vec<&str> = open.iter().flat_map(|text| unknown_names(text)).collect();
            self.unresolved(format!("not all of `{name}` is known, for {}; what else it permits is unknown", names.join(", ")));
        }
        (known.into_iter().map(Managed::Arn).collect(), !open.is_empty())
    }

    fn target(&self, holder: Holder, name: &str) -> Target {
        // A name, or an ARN where a name should stand.
        let name = name.rsplit('/').next().unwrap_or(name).to_owned();
        Target::One { holder, account: self.scope.account.clone(), name }
    }

    fn has(&mut self, holder: Holder, name: &str) -> &mut Has {
        let name = name.rsplit('/').next().unwrap_or(name).to_lowercase();
        self.has.entry((holder, name)).or_default()
    }

    fn managed_policy(&mut self, properties: &Value, identity: &Identity) -> Result<()> {
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
    fn attach(&mut self, holder: Holder, name: &str, policy: Managed) {
        self.has(holder, name).attached.push(policy.clone());
        let target = self.target(holder, name);
        if !self.is_attached(&target, &policy) {
            self.edit(Edit::Attach { target, policy });
        }
    }

    fn is_attached(&self, target: &Target, policy: &Managed) -> bool {
        self.arn_of(target).is_some_and(|arn| self.set.attached_names(&arn).contains(&policy.arn(&arn)))
    }

    /// The ARN of whom a target names, if the baseline has it.
    fn arn_of(&self, target: &Target) -> Option<String> {
        let Target::One { holder, account, name } = target else { return None };
        let fits = |arn: &&String| {
            account_of(arn) == Some(account.id.as_str())
                && crate::iam::arn::Arn::parse(arn).is_some_and(|arn| arn.name().eq_ignore_ascii_case(name))
        };
        let of_kind = |entity: &&crate::account::Entity| holder.entity() == Some(entity.kind);
        match holder {
            Holder::Group => self.set.groups.keys().find(fits).cloned(),
            _ => self.set.entities.values().filter(of_kind).map(|entity| &entity.arn).find(fits).cloned(),
        }
    }

    /// The known names of a list of users, roles or groups.
    fn names(&mut self, properties: &Value, list: &str) -> Vec<String> {
        let texts = properties.get(list).map(Value::elements).unwrap_or_default().iter().filter_map(Value::as_text);
        let texts: Vec<String> = texts.map(|text| self.settled(text)).collect();
        let (known, open): (Vec<String>, Vec<String>) = texts.into_iter().partition(|text| is_known(text));
        if !open.is_empty() {
            match list {
                "Roles" => self.open_kinds.insert(Holder::Role),
                "Groups" => {
                    self.open_groups = true;
                    self.open_kinds.insert(Holder::Group)
                }
                _ => {
                    self.open_groups = true;
                    self.open_kinds.insert(Holder::User)
                }
            };
            let names: Vec<&str> = open.iter().flat_map(|text| unknown_names(text)).collect();
            self.unresolved(format!("not all of `{list}` is known, for {}; whom it is about is unknown", names.join(", ")));
        }
        known
    }

    /// A text, or the name that a resource of the template goes by until it has one.
    fn settled(&self, text: &str) -> String {
        let own = |(logical, identity): (&&str, &Identity)| {
            let name = if identity.named == Named::Policy { &identity.arn } else { &identity.name };
            (text == unknown(logical)).then(|| name.clone())
        };
        self.identities.iter().find_map(own).unwrap_or_else(|| text.to_owned())
    }

    fn holder(&mut self, properties: &Value, identity: &Identity) -> Result<()> {
        let Named::Holder(holder) = identity.named else { return Ok(()) };
        let (name, target) = (identity.name.clone(), self.target(holder, &identity.name));
        let boundary = self.boundary(properties);
        let (tags, open_tags) = tags(properties);
        if open_tags {
            self.unresolved("not all of `Tags` is known: what the tags are is unknown".to_owned());
        }
        if identity.is_there {
            self.update(&target, &identity.arn, boundary, (tags, open_tags));
        } else {
            let boundary = boundary.map(|policy| policy.arn(&identity.arn));
            self.edit(Edit::Holder { holder, arn: identity.arn.clone(), boundary, tags, open: open_tags });
        }
        self.has(holder, &name);
        for (at, policy) in properties.get("Policies").map(Value::elements).unwrap_or_default().to_vec().iter().enumerate() {
            if policy.as_text().is_some() {
                self.unresolved("not all of `Policies` is known; what else it permits is unknown".to_owned());
                self.has(holder, &name).open = true;
                continue;
            }
            let policy_name = self.policy_name(policy, &format!("{}.{at}", self.subject.address));
            self.put_inline(&target, &policy_name, policy)?;
        }
        let (policies, open) = self.managed(properties, "ManagedPolicyArns");
        self.has(holder, &name).open |= open;
        for policy in policies {
            self.attach(holder, &name, policy);
        }
        if holder == Holder::User {
            let before = std::mem::take(&mut self.open_groups);
            for group in self.names(properties, "Groups") {
                self.join(&name, &group);
            }
            let open = std::mem::replace(&mut self.open_groups, before);
            self.has(holder, &name).open_groups |= open;
        }
        Ok(())
    }

    fn boundary(&mut self, properties: &Value) -> Option<Managed> {
        let boundary = properties.get("PermissionsBoundary")?.as_text()?.to_owned();
        if is_known(&boundary) {
            return Some(Managed::Arn(boundary));
        }
        let names: Vec<&str> = unknown_names(&boundary).collect();
        self.unresolved(format!("`PermissionsBoundary` is not known, for {}; what it permits is unknown", names.join(", ")));
        Some(Managed::Arn(format!("<PermissionsBoundary of {}>", self.subject.address)))
    }

    /// What of a user, role or group that is there is another.
    fn update(&mut self, target: &Target, arn: &str, boundary: Option<Managed>, (tags, open): (BTreeMap<String, String>, bool)) {
        let Some(entity) = self.set.entities.get(arn) else { return };
        let known = match &entity.boundary {
            Some(crate::account::Boundary::Managed(arn)) => Some(arn.clone()),
            Some(crate::account::Boundary::Document(policy)) => Some(policy.name.clone()),
            None => None,
        };
        if known != boundary.as_ref().map(|policy| policy.arn(arn)) {
            self.edit(Edit::Boundary { target: target.clone(), policy: boundary });
        }
        // Tags of the stack itself stand in no template: those that it does not name stay.
        let before: BTreeMap<String, String> =
            entity.tags.iter().filter(|(tag, _)| tags.contains_key(*tag)).map(|(tag, value)| (tag.clone(), value.clone())).collect();
        if tags != before || open {
            self.edit(Edit::Tags { target: target.clone(), tags, before, open });
        }
    }

    /// An inline policy, unless it is there already as it is written.
    fn put_inline(&mut self, target: &Target, name: &str, properties: &Value) -> Result<()> {
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
        self.edit(Edit::Inline { target: target.clone(), name: name.to_owned(), document, update: known.is_some() });
        Ok(())
    }

    /// The name of an inline policy; one that is not known has a name that no policy of IAM has.
    fn policy_name(&self, properties: &Value, address: &str) -> String {
        let written = properties.get("PolicyName").and_then(Value::as_text).filter(|name| is_known(name));
        written.map_or_else(|| format!("<{address}>"), str::to_owned)
    }

    fn inline_for_all(&mut self, properties: &Value) -> Result<()> {
        let name = self.policy_name(properties, &self.subject.address.clone());
        for (list, holder) in [("Roles", Holder::Role), ("Users", Holder::User), ("Groups", Holder::Group)] {
            for of in self.names(properties, list) {
                let target = self.target(holder, &of);
                self.put_inline(&target, &name, properties)?;
            }
        }
        Ok(())
    }

    fn inline_of(&mut self, properties: &Value, holder: Holder, property: &str) -> Result<()> {
        let name = self.policy_name(properties, &self.subject.address.clone());
        let Some(of) = self.text(properties, property) else {
            self.open_kinds.insert(holder);
            return Ok(());
        };
        let target = self.target(holder, &of);
        self.put_inline(&target, &name, properties)
    }

    fn members(&mut self, properties: &Value) -> Result<()> {
        let Some(group) = self.text(properties, "GroupName") else {
            self.open_groups = true;
            return Ok(());
        };
        for user in self.names(properties, "Users") {
            self.join(&user, &group);
        }
        Ok(())
    }

    fn join(&mut self, user: &str, group: &str) {
        let user_target = self.target(Holder::User, user);
        self.has(Holder::User, user).groups.push(group.to_lowercase());
        let groups = self.arn_of(&user_target).and_then(|arn| self.set.entities.get(&arn)).map(|entity| &entity.groups);
        if !groups.is_some_and(|groups| groups.iter().any(|known| known.eq_ignore_ascii_case(group))) {
            self.edit(Edit::Join { user: user_target, group: group.to_owned() });
        }
    }

    /// What users, roles and groups of the template have beside what it says goes.
    fn whole(&mut self) {
        let identities: Vec<(String, Identity)> =
            self.identities.iter().map(|(name, identity)| ((*name).to_owned(), identity.clone())).collect();
        for (logical, identity) in identities {
            let Named::Holder(holder) = identity.named else { continue };
            let applied = identity.is_there && self.applied.contains(&logical);
            let Some(mut has) = self.has.remove(&(holder, identity.name.to_lowercase())).filter(|_| applied) else { continue };
            has.open |= self.open_kinds.contains(&holder);
            has.open_groups |= self.open_groups;
            let target = self.target(holder, &identity.name);
            self.subject = Subject { action: "update", address: logical };
            // What another template of the candidate gave it stays.
            let original = self.original.inline_names(&identity.arn);
            let inline = self.set.inline_names(&identity.arn);
            has.inline.extend(inline.iter().filter(|name| !original.contains(name)).cloned());
            if inline.iter().any(|name| !has.inline.contains(name)) {
                self.edit(Edit::OnlyInline { target: target.clone(), names: has.inline, open: has.open });
            }
            let original = self.original.attached_names(&identity.arn);
            let given = self.set.attached_names(&identity.arn).into_iter().filter(|arn| !original.contains(arn));
            has.attached.extend(given.map(Managed::Arn));
            let keep: Vec<String> = has.attached.iter().map(|policy| policy.arn(&identity.arn)).collect();
            if self.set.attached_names(&identity.arn).iter().any(|arn| !keep.contains(arn)) || has.open {
                self.edit(Edit::OnlyAttached { target: target.clone(), policies: has.attached, among: Among::All, open: has.open });
            }
            if has.open_groups {
                // Groups that are not known: a policy without a document.
                let policy = Managed::Arn(format!("<groups of {}>", self.subject.address));
                self.edit(Edit::Attach { target, policy });
                continue;
            }
            let groups = self.original.entities.get(&identity.arn).map(|entity| entity.groups.clone()).unwrap_or_default();
            for group in groups.into_iter().filter(|group| !has.groups.contains(&group.to_lowercase())) {
                self.edit(Edit::Leave { user: target.clone(), group });
            }
        }
    }

    /// A policy of the organization.
    fn control(&mut self, logical: &str, properties: &Value) -> Result<()> {
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

/// Whether resources of a type are read.
fn is_read(kind: &str) -> bool {
    const OTHERS: [&str; 6] = [
        "AWS::IAM::Policy",
        "AWS::IAM::RolePolicy",
        "AWS::IAM::UserPolicy",
        "AWS::IAM::GroupPolicy",
        "AWS::IAM::UserToGroupAddition",
        "AWS::Organizations::Policy",
    ];
    Named::of(kind).is_some() || OTHERS.contains(&kind)
}

/// The tags of a user or role, and whether some are not known.
fn tags(properties: &Value) -> (BTreeMap<String, String>, bool) {
    let (mut tags, mut open) = (BTreeMap::new(), false);
    for tag in properties.get("Tags").map(Value::elements).unwrap_or_default() {
        let text = |name: &str| tag.get(name).and_then(Value::as_text).filter(|text| is_known(text));
        match (text("Key"), text("Value")) {
            (Some(key), Some(value)) => {
                tags.insert(key.to_owned(), value.to_owned());
            }
            _ => open = true,
        }
    }
    (tags, open)
}
