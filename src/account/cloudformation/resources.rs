//! The resources of a template as edits.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::intrinsic::{Scope, is_known, unknown, unknown_names, with_stars};
use super::names::{Identity, Known, Named, identify};
use super::value::{Node, Value};
use super::{Template, account_of};
use crate::account::deployment::{Account, Edit, Holder, Listed, Managed, Note, Step, Subject, Target};
use crate::account::{OrganizationEdit, PolicySet};
use crate::error::Result;

/// What a template comes to.
pub(super) struct Found {
    pub(super) steps: Vec<Step>,
    pub(super) lines: Vec<(usize, Listed)>,
    pub(super) notes: Vec<Note>,
    pub(super) organization: Vec<(String, OrganizationEdit)>,
}

/// What a user, role or group of the template has in all.
#[derive(Default)]
pub(super) struct Has {
    pub(super) inline: Vec<String>,
    pub(super) attached: Vec<Managed>,
    pub(super) groups: Vec<String>,
    /// Whether there may be more policies, and more groups.
    pub(super) open: bool,
    pub(super) open_groups: bool,
}

/// Reads the resources one by one.
pub(super) struct Reader<'t> {
    pub(super) template: &'t Template,
    pub(super) set: &'t PolicySet,
    pub(super) scope: Scope<'t>,
    pub(super) identities: BTreeMap<&'t str, Identity>,
    pub(super) has: BTreeMap<(Holder, String), Has>,
    /// Resources that were applied.
    pub(super) applied: BTreeSet<String>,
    /// Kinds of which it is not known who else gets a policy, or is in a group.
    pub(super) open_kinds: BTreeSet<Holder>,
    pub(super) open_groups: bool,
    /// The policies before any template of the candidate.
    pub(super) original: &'t PolicySet,
    pub(super) found: Found,
    /// The resource at hand.
    pub(super) at: usize,
    pub(super) subject: Subject,
}

impl<'t> Reader<'t> {
    pub(super) fn new(
        template: &'t Template,
        set: &'t PolicySet,
        original: &'t PolicySet,
        account: &'t Account,
        parameters: &'t BTreeMap<String, String>,
    ) -> Self {
        let mut scope = Scope {
            template: &template.root,
            account,
            given: parameters,
            physical: BTreeMap::new(),
            conditions: RefCell::default(),
            may_be: RefCell::default(),
        };
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
                    self.unresolved(format!(
                        "whether its condition `{name}` holds is not known: give its parameters with --parameter NAME=VALUE"
                    ));
                    self.perhaps(logical, kind, resource)?;
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

    /// A resource that may be there or not: all that it would be about is open.
    fn perhaps(&mut self, logical: &str, kind: &str, resource: &'t Value) -> Result<()> {
        let (steps, has) = (self.found.steps.len(), std::mem::take(&mut self.has));
        self.resource(logical, kind, resource)?;
        let steps = self.found.steps.split_off(steps);
        for (of, perhaps) in std::mem::replace(&mut self.has, has) {
            let has = self.has.entry(of).or_default();
            (has.open, has.open_groups) = (true, has.open_groups || !perhaps.groups.is_empty());
            has.inline.extend(perhaps.inline);
        }
        self.applied.remove(logical);
        if let Some(identity) = self.identities.get(logical).filter(|identity| identity.is_there).cloned() {
            if identity.named == Named::Holder(Holder::Group) {
                self.open_group();
            }
            self.open_wholly(&identity);
        }
        for step in steps {
            match step.edit {
                Edit::Policy { arn, .. } => self.edit(Edit::Policy { arn, document: None }),
                Edit::Inline { target, name, update, .. } => self.edit(Edit::Inline { target, name, document: None, update }),
                Edit::Attach { target, .. } | Edit::Join { user: target, .. } => self.open(target),
                _ => {}
            }
        }
        Ok(())
    }

    /// Somebody may have more than is known: a policy without a document.
    pub(super) fn open(&mut self, target: Target) {
        let policy = Managed::Arn(format!("<what {} gives>", self.subject.address));
        self.edit(Edit::Attach { target, policy });
    }

    /// A group may have other policies or members: so may the users of the template.
    pub(super) fn open_group(&mut self) {
        self.open_groups = true;
        self.open_kinds.extend([Holder::Group, Holder::User]);
    }

    /// Nothing is known of what a user, role or group of the baseline will have.
    fn open_wholly(&mut self, identity: &Identity) {
        let Named::Holder(holder) = identity.named else { return };
        let target = self.target(holder, &identity.name);
        for name in self.set.inline_names(&identity.arn) {
            self.edit(Edit::Inline { target: target.clone(), name, document: None, update: true });
        }
        for arn in self.set.attached_names(&identity.arn) {
            self.edit(Edit::Detach { target: target.clone(), policy: Managed::Arn(arn) });
        }
        if let Some(entity) = self.set.entities.get(&identity.arn) {
            let policy = Managed::Arn(format!("<PermissionsBoundary of {}>", self.subject.address));
            self.edit(Edit::Boundary { target: target.clone(), policy: Some(policy) });
            let before = entity.tags.clone();
            self.edit(Edit::Tags { target: target.clone(), tags: before.clone(), before, open: true });
            for group in entity.groups.clone() {
                self.edit(Edit::Leave { user: target.clone(), group });
            }
        }
        self.open(target);
    }

    pub(super) fn resource(&mut self, logical: &str, kind: &str, resource: &'t Value) -> Result<()> {
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
        if let Some(identity) = identity.as_ref().filter(|identity| identity.name.starts_with('<') && identity.remark.is_some()) {
            // It may be one that others have, or are in.
            match identity.named {
                Named::Policy => self.open_kinds.extend([Holder::Role, Holder::User, Holder::Group]),
                Named::Holder(Holder::Group) => self.open_group(),
                Named::Holder(_) => {}
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

    pub(super) fn edit(&mut self, edit: Edit) {
        self.found.steps.push(Step { at: self.at, subject: self.subject.clone(), edit });
    }

    pub(super) fn line(&mut self, what: String) {
        self.found.lines.push((self.at, Listed::new(&self.subject, what)));
    }

    pub(super) fn pass_over(&mut self, reason: String) {
        self.found.notes.push(Note::new(&self.subject, reason, false));
    }

    pub(super) fn unresolved(&mut self, reason: String) {
        self.found.notes.push(Note::new(&self.subject, reason, true));
    }

    /// A known text of a property.
    pub(super) fn text(&mut self, properties: &Value, name: &str) -> Option<String> {
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

    pub(super) fn target(&self, holder: Holder, name: &str) -> Target {
        // A name, or an ARN where a name should stand.
        let name = name.rsplit('/').next().unwrap_or(name).to_owned();
        Target::One { holder, account: self.scope.account.clone(), name }
    }

    pub(super) fn has(&mut self, holder: Holder, name: &str) -> &mut Has {
        let name = name.rsplit('/').next().unwrap_or(name).to_lowercase();
        self.has.entry((holder, name)).or_default()
    }

    /// The ARN of whom a target names, if the baseline has it.
    pub(super) fn arn_of(&self, target: &Target) -> Option<String> {
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
    pub(super) fn names(&mut self, properties: &Value, list: &str) -> Vec<String> {
        let texts = properties.get(list).map(Value::elements).unwrap_or_default().iter().filter_map(Value::as_text);
        let texts: Vec<String> = texts.map(|text| self.settled(text)).collect();
        let (known, open): (Vec<String>, Vec<String>) = texts.into_iter().partition(|text| is_known(text));
        if !open.is_empty() {
            match list {
                "Roles" => self.open_kinds.insert(Holder::Role),
                "Groups" => {
                    self.open_group();
                    true
                }
                _ => {
                    self.open_groups = true;
                    self.open_kinds.insert(Holder::User)
                }
            };
            // Those whom it may be may have more than is known.
            let holder = if list == "Roles" {
                Holder::Role
            } else if list == "Groups" {
                Holder::Group
            } else {
                Holder::User
            };
            let perhaps: BTreeSet<String> = open.iter().flat_map(|text| self.may_be_named(holder, text)).collect();
            for name in perhaps {
                let target = self.target(holder, &name);
                if self.arn_of(&target).is_some() {
                    self.open(target);
                }
            }
            let names: Vec<&str> = open.iter().flat_map(|text| unknown_names(text)).collect();
            self.unresolved(format!("not all of `{list}` is known, for {}; whom it is about is unknown", names.join(", ")));
        }
        known
    }

    /// The names that a text may be that is not wholly known; none where nothing of it is.
    fn may_be_named(&self, holder: Holder, text: &str) -> BTreeSet<String> {
        let pattern = with_stars(text);
        if pattern == "*" {
            return self.scope.may_be.borrow().get(text).cloned().unwrap_or_default();
        }
        let pattern = crate::iam::Pattern::glob(&pattern.to_lowercase());
        let name = |arn: &String| {
            let arn = crate::iam::arn::Arn::parse(arn).filter(|arn| arn.account == self.scope.account.id)?;
            Some(arn.name().to_owned()).filter(|name| pattern.matches(&name.to_lowercase()))
        };
        match holder {
            Holder::Group => self.set.groups.keys().filter_map(name).collect(),
            _ => self
                .set
                .entities
                .values()
                .filter(|entity| holder.entity() == Some(entity.kind))
                .filter_map(|entity| name(&entity.arn))
                .collect(),
        }
    }

    /// A text, or the name that a resource of the template goes by until it has one.
    pub(super) fn settled(&self, text: &str) -> String {
        let own = |(logical, identity): (&&str, &Identity)| {
            let name = if identity.named == Named::Policy { &identity.arn } else { &identity.name };
            (text == unknown(&self.scope.told_apart(logical))).then(|| name.clone())
        };
        self.identities.iter().find_map(own).unwrap_or_else(|| text.to_owned())
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
