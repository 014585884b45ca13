//! One service of the catalogue.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashMap;
use serde::Deserialize;

use super::resource::ArnTemplate;

/// A service: its actions, resource types, and what its requests look like in the log.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    #[serde(rename = "format")]
    _format: u32,
    /// Version of the data file, a date.
    pub version: String,
    /// IAM prefix of its actions.
    pub prefix: String,
    /// Name for people.
    pub name: String,
    /// CloudTrail event sources, in lower case.
    pub event_sources: Vec<String>,
    /// Whether every action of the service is listed.
    pub complete: bool,
    /// Whether its resources can have policies of their own.
    pub resource_policies: ResourcePolicies,
    /// Whether resource control policies act on it.
    pub rcp: bool,
    /// The region that all calls are made to, for global services.
    #[serde(default)]
    pub region: Option<String>,
    /// Whether every request-level condition key of its actions is listed.
    #[serde(default)]
    pub keys_complete: bool,
    /// Resource types.
    #[serde(default)]
    pub resources: BTreeMap<String, ResourceTemplate>,
    /// Actions by name.
    #[serde(deserialize_with = "shared")]
    pub actions: BTreeMap<String, Arc<Operation>>,
    /// Event names whose action differs.
    #[serde(default)]
    pub events: BTreeMap<String, String>,
    /// Actions by name, and by name in lower case.
    #[serde(skip)]
    by_name: HashMap<String, Arc<Operation>, foldhash::fast::FixedState>,
}

/// Whether a service's resources have policies of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResourcePolicies {
    /// Never.
    None,
    /// Some resources may.
    Some,
    /// The resource's side always takes part.
    Required,
}

impl ResourcePolicies {
    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Some => "some",
            Self::Required => "required",
        }
    }
}

/// A resource type: the shape of its ARN.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceTemplate {
    /// ARN with `${Partition}`, `${Region}`, `${Account}` and request parameters as placeholders.
    pub arn: ArnTemplate,
    /// Condition keys of the resource type.
    #[serde(default)]
    pub keys: Vec<String>,
    /// Whether the parameter that names it may be an ARN of another account or region: where it is not told, neither are these.
    #[serde(default)]
    pub by_arn: bool,
}

/// An action.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// The action's name without prefix; set when loaded.
    #[serde(skip)]
    pub name: String,
    /// `prefix:Name`; set when loaded.
    #[serde(skip)]
    pub action: String,
    /// Access level: List, Read, Write, Tagging, Permissions management.
    pub level: String,
    /// `legacy` for names that AWS no longer lists.
    #[serde(default)]
    pub status: Option<String>,
    /// Whether an API operation of that name exists.
    #[serde(default)]
    pub api: bool,
    /// Whether it is only a permission: console calls and checks of services.
    #[serde(default)]
    pub permission_only: bool,
    /// Whether the call succeeds without any permission.
    #[serde(default)]
    pub no_permission: bool,
    /// Whether the call makes the resource that it names.
    #[serde(default)]
    pub creates: bool,
    /// Resource types, `*` for none.
    #[serde(default, deserialize_with = "one_or_many")]
    pub resource: Vec<String>,
    /// The request parameter that holds the resource's ARN.
    #[serde(default)]
    pub arn_parameter: Option<String>,
    /// Whether the record's list of resources has it first, before others of its type.
    #[serde(default)]
    pub listed_first: bool,
    /// Condition keys of the action itself.
    #[serde(default)]
    pub keys: Vec<String>,
    /// Condition key to request parameter.
    #[serde(default)]
    pub context: BTreeMap<String, String>,
    /// Further checks that the call needs.
    #[serde(default)]
    pub also: Vec<AlsoChecked>,
}

/// A further check of a call, for example `iam:PassRole`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlsoChecked {
    /// The action that is checked too.
    pub action: String,
    /// The request parameter that holds its resource; without it the check is not made.
    #[serde(default)]
    pub resource_parameter: Option<String>,
    /// The request parameter that asks for the check, where none names its resource: it is then that of the call, if it is of
    /// such a type.
    #[serde(default)]
    pub when: Option<String>,
    /// Whether it is not certain that the call needs it.
    #[serde(default)]
    pub perhaps: bool,
    /// Whether there is no such call without that parameter: where a record does not show it, it was left out of the record.
    #[serde(default)]
    pub required: bool,
    /// Context keys of that check alone.
    #[serde(default)]
    pub context: BTreeMap<String, String>,
}

impl AlsoChecked {
    /// The request parameter without which the check is not made.
    pub fn parameter(&self) -> &str {
        self.resource_parameter.as_deref().or(self.when.as_deref()).unwrap_or_default()
    }
}

impl Service {
    /// Reads a data file.
    pub(super) fn load(text: &str) -> Result<Self, serde_json::Error> {
        let mut service: Self = serde_json::from_str(text)?;
        for (name, shared) in &mut service.actions {
            if let Some(operation) = Arc::get_mut(shared) {
                operation.name.clone_from(name);
                operation.action = format!("{}:{name}", service.prefix);
            }
            service.by_name.insert(name.to_ascii_lowercase(), Arc::clone(shared));
        }
        // A name counts before another one in lower case.
        service.by_name.extend(service.actions.iter().map(|(name, operation)| (name.clone(), Arc::clone(operation))));
        Ok(service)
    }

    /// An action by its name without prefix, in any letter case.
    pub fn operation(&self, name: &str) -> Option<&Operation> {
        let found = self.by_name.get(name).or_else(|| self.by_name.get(&name.to_ascii_lowercase()));
        found.map(Arc::as_ref)
    }

    /// The condition keys of the service itself, with its prefix; `${...}` stands in those that are families.
    pub fn own_keys(&self) -> BTreeSet<&str> {
        let keys = self.actions.values().flat_map(|operation| &operation.keys);
        let keys = keys.chain(self.resources.values().flat_map(|template| &template.keys)).map(String::as_str);
        keys.filter(|key| key.split_once(':').is_some_and(|(prefix, _)| prefix == self.prefix)).collect()
    }

    /// Whether CloudTrail can show a use of the action.
    pub fn is_observable(&self, operation: &Operation) -> bool {
        self.event_names(operation).next().is_some()
    }

    /// The names of the events that show a use of the action. Checks that services make on their own leave no event of
    /// their name; of WorkMail these are the two for mail delivery and vended logs, its other console calls are logged.
    pub fn event_names<'s>(&'s self, operation: &'s Operation) -> impl Iterator<Item = &'s str> {
        const CHECKS_ONLY: [&str; 2] = ["AllowVendedLogDeliveryForResource", "DeliverToMailbox"];
        let own = if self.prefix == "workmail" { !CHECKS_ONLY.contains(&operation.name.as_str()) } else { operation.api };
        let other = self.events.iter().filter(move |(_, action)| **action == operation.name).map(|(event, _)| event.as_str());
        own.then_some(operation.name.as_str()).into_iter().chain(other)
    }

    /// The resource types of an action, with their ARNs.
    pub fn types_of<'s>(&'s self, operation: &'s Operation) -> impl Iterator<Item = (&'s String, &'s ResourceTemplate)> {
        operation.resource.iter().filter_map(move |kind| self.resources.get_key_value(kind))
    }

    /// The action that an event name of another spelling means.
    pub(super) fn renamed(&self, event_name: &str) -> Option<&str> {
        self.events.get(event_name).map(String::as_str)
    }
}

impl Operation {
    /// Whether the action has no resource-level permission.
    pub fn without_resource(&self) -> bool {
        matches!(self.resource.as_slice(), [only] if only == "*")
    }

    /// Whether AWS no longer lists the name.
    pub fn is_legacy(&self) -> bool {
        self.status.as_deref() == Some("legacy")
    }
}

fn shared<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Arc<Operation>>, D::Error> {
    let operations = BTreeMap::<String, Operation>::deserialize(deserializer)?;
    Ok(operations.into_iter().map(|(name, operation)| (name, Arc::new(operation))).collect())
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        Nothing(()),
        One(String),
        Many(Vec<String>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::Nothing(()) => Vec::new(),
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    })
}
