//! One resource of a plan: what it was, what it will be, and what of it is known only after apply.

use std::collections::BTreeMap;

use serde_json::Value;

use super::address;
use super::plan::{Action, Entry, Parsed, descend};
use crate::iam::json::{Node, Source};
use crate::iam::{PolicyDocument, PolicyType, parse};

/// A change of a resource that this module reads.
#[derive(Debug)]
pub(super) struct ResourceChange {
    /// Its address, with module and key.
    pub(super) address: String,
    /// The module instance that it stands in; empty for the root module.
    pub(super) module: String,
    /// Its type.
    pub(super) kind: String,
    /// The provider's name, which says less than the configuration does.
    pub(super) provider: String,
    /// Where it stood before it was moved.
    pub(super) previous: Option<String>,
    /// The key of an object that an earlier replacement left behind.
    pub(super) deposed: Option<String>,
    /// Whether it is taken over from outside.
    pub(super) imported: bool,
    /// What happens to it.
    pub(super) action: Action,
    /// The documents that it writes, by their place in its attributes: `policy`, `inline_policy/0/policy`.
    pub(super) documents: BTreeMap<String, PolicyDocument>,
    before: Value,
    after: Value,
    unknown: Value,
}

/// What a plan says of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Given<T> {
    /// It is not set.
    Nothing,
    /// Its value.
    Known(T),
    /// It is known after apply.
    Unknown,
}

/// What a plan says of a list of texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct List {
    /// The texts that are known.
    pub(super) known: Vec<String>,
    /// How many more there are that are known after apply.
    pub(super) unknown: usize,
    /// Nothing of it is known, not even how many there are.
    pub(super) open: bool,
}

impl ResourceChange {
    /// Takes an entry, with the documents that it writes; `node` is where it stands.
    pub(super) fn read<'a>(source: &Source<'a>, node: &Node<'a>, entry: Entry, action: Action) -> Parsed<Self> {
        let change = Self {
            address: entry.address,
            module: entry.module_address.unwrap_or_default(),
            kind: entry.kind,
            provider: entry.provider_name.unwrap_or_default(),
            previous: entry.previous_address,
            deposed: entry.deposed,
            imported: entry.change.importing.is_some_and(|importing| !importing.is_null()),
            action,
            documents: BTreeMap::new(),
            before: entry.change.before,
            after: entry.change.after,
            unknown: entry.change.after_unknown,
        };
        let mut documents = BTreeMap::new();
        for (place, policy_type) in change.document_places() {
            let Given::Known(text) = change.text(&place) else { continue };
            let node = descend(source, node, &format!("change/after/{place}")).unwrap_or_else(|| node.clone());
            let mut document = parse::document(text, policy_type).map_err(|inner| {
                let pointer = if inner.pointer.is_empty() { String::new() } else { format!(", {}", inner.pointer) };
                let (line, column, why) = (inner.line, inner.column, &inner.message);
                let message = format!("the document in `{place}` of `{}`, line {line} column {column}{pointer}: {why}", change.address);
                source.error(&node, message, inner.help.as_deref())
            })?;
            // The whole document stands on one line of the plan.
            let line = source.line(source.offset(&node));
            document.statements.iter_mut().for_each(|statement| statement.lines = (line, line));
            documents.insert(place, document);
        }
        Ok(Self { documents, ..change })
    }

    /// Where documents stand that the plan writes anew.
    fn document_places(&self) -> Vec<(String, PolicyType)> {
        if !self.action.makes() {
            return Vec::new();
        }
        let (attribute, policy_type) = match self.kind.as_str() {
            "aws_iam_policy" | "aws_iam_role_policy" | "aws_iam_user_policy" | "aws_iam_group_policy" => ("policy", PolicyType::Identity),
            "aws_iam_role" => ("inline_policy", PolicyType::Identity),
            "aws_ssoadmin_permission_set_inline_policy" => ("inline_policy", PolicyType::Identity),
            "aws_organizations_policy" => match self.text("type") {
                Given::Known("SERVICE_CONTROL_POLICY") | Given::Nothing => ("content", PolicyType::Scp),
                Given::Known("RESOURCE_CONTROL_POLICY") => ("content", PolicyType::Rcp),
                _ => return Vec::new(),
            },
            _ => return Vec::new(),
        };
        if self.action == Action::Update && !self.differs(attribute) {
            return Vec::new();
        }
        match self.given(attribute) {
            Given::Known(Value::Array(blocks)) => {
                (0..blocks.len()).map(|block| (format!("{attribute}/{block}/policy"), policy_type)).collect()
            }
            Given::Known(_) => vec![(attribute.to_owned(), policy_type)],
            _ => Vec::new(),
        }
    }

    /// The key of the instance, with its brackets.
    pub(super) fn key(&self) -> &str {
        address::key(&self.address)
    }

    /// The attribute at a place as it will be.
    pub(super) fn given(&self, place: &str) -> Given<&Value> {
        if self.is_unknown(place) {
            return Given::Unknown;
        }
        match self.after.pointer(&format!("/{place}")) {
            None | Some(Value::Null) => Given::Nothing,
            Some(value) => Given::Known(value),
        }
    }

    /// A text as it will be; an empty one is nothing.
    pub(super) fn text(&self, place: &str) -> Given<&str> {
        match self.given(place) {
            Given::Known(value) => value.as_str().filter(|text| !text.is_empty()).map_or(Given::Nothing, Given::Known),
            Given::Nothing => Given::Nothing,
            Given::Unknown => Given::Unknown,
        }
    }

    /// A text as it was.
    pub(super) fn was(&self, place: &str) -> Option<&str> {
        self.before.pointer(&format!("/{place}")).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// Whether it stays as it is where the plan deletes it.
    pub(super) fn stays(&self) -> bool {
        self.before.get("skip_destroy").and_then(Value::as_bool) == Some(true)
    }

    /// A list or set of texts as it will be.
    pub(super) fn list(&self, name: &str) -> List {
        let mut list = List::default();
        match self.given(name) {
            Given::Unknown => list.open = true,
            Given::Known(Value::Array(elements)) => {
                for (index, element) in elements.iter().enumerate() {
                    match element.as_str() {
                        _ if self.is_unknown(&format!("{name}/{index}")) => list.unknown += 1,
                        Some(text) if !text.is_empty() => list.known.push(text.to_owned()),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        list
    }

    /// A list or set of texts as it was.
    pub(super) fn old_list(&self, name: &str) -> Vec<String> {
        let elements = self.before.get(name).and_then(Value::as_array);
        elements.into_iter().flatten().filter_map(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned).collect()
    }

    /// The document of a block of a role, by the name of the inline policy, as it was.
    pub(super) fn old_inline(&self, name: &str) -> Option<&str> {
        let mut blocks = self.before.get("inline_policy").and_then(Value::as_array)?.iter();
        blocks.find(|block| block.get("name").and_then(Value::as_str) == Some(name))?.get("policy")?.as_str()
    }

    /// The names and values of a map as it was.
    pub(super) fn old_map(&self, name: &str) -> BTreeMap<String, String> {
        self.before.get(name).map(texts).unwrap_or_default()
    }

    /// The names and values of a map as it will be, and whether some are known only after apply.
    pub(super) fn map(&self, name: &str) -> (BTreeMap<String, String>, bool) {
        match self.given(name) {
            Given::Unknown => (BTreeMap::new(), true),
            Given::Known(value) => (texts(value), self.unknown.get(name).is_some_and(any)),
            Given::Nothing => (BTreeMap::new(), false),
        }
    }

    /// Whether an attribute of the old object was set.
    pub(super) fn had(&self, name: &str) -> bool {
        self.before.get(name).is_some_and(|value| !value.is_null())
    }

    /// Whether an attribute changes, or may.
    pub(super) fn differs(&self, name: &str) -> bool {
        let null = Value::Null;
        self.unknown.get(name).is_some_and(any) || self.before.get(name).unwrap_or(&null) != self.after.get(name).unwrap_or(&null)
    }

    /// Whether an attribute, or what it stands in, is known only after apply.
    pub(super) fn is_unknown(&self, place: &str) -> bool {
        let mut at = &self.unknown;
        for step in place.split('/') {
            let next = match at {
                Value::Object(members) => members.get(step),
                Value::Array(elements) => step.parse::<usize>().ok().and_then(|index| elements.get(index)),
                _ => None,
            };
            match next {
                Some(next) => at = next,
                None => break,
            }
        }
        at.as_bool() == Some(true)
    }

    /// What tells one object of its type from another, as it was or as it will be.
    pub(super) fn identity(&self, before: bool) -> Vec<&str> {
        let side = if before { &self.before } else { &self.after };
        let text = |name: &str| side.get(name).and_then(Value::as_str).unwrap_or_default();
        match text("arn") {
            "" => ["role", "user", "group", "name", "policy_arn", "permission_set_arn", "managed_policy_arn", "policy_id", "target_id"]
                .map(text)
                .to_vec(),
            arn => vec![arn],
        }
    }

    /// The ARNs that tell the account: its own, then those of policies, which are of the same account or of AWS.
    pub(super) fn arns(&self) -> impl Iterator<Item = &str> {
        let own = [&self.before, &self.after].into_iter().filter_map(|side| side.get("arn").and_then(Value::as_str));
        let policies = [&self.before, &self.after].into_iter().flat_map(|side| {
            let one = ["policy_arn", "permissions_boundary"].into_iter().filter_map(move |name| side.get(name).and_then(Value::as_str));
            let lists = ["policy_arns", "managed_policy_arns"].into_iter().filter_map(move |name| side.get(name).and_then(Value::as_array));
            one.chain(lists.flatten().filter_map(Value::as_str))
        });
        own.chain(policies)
    }
}

/// The texts of an object.
fn texts(value: &Value) -> BTreeMap<String, String> {
    let members = value.as_object().into_iter().flatten();
    members.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

/// Whether anything below is `true`.
fn any(value: &Value) -> bool {
    match value {
        Value::Bool(unknown) => *unknown,
        Value::Array(elements) => elements.iter().any(any),
        Value::Object(members) => members.values().any(any),
        _ => false,
    }
}
