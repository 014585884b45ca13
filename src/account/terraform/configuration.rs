//! The configuration of a plan: the expressions of its resources, modules and providers.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::address;
use super::change::ResourceChange;

/// The expressions of a plan, by address without keys.
#[derive(Debug, Default)]
pub(super) struct Configuration {
    pub(super) resources: BTreeMap<String, Resource>,
    pub(super) modules: BTreeMap<String, Module>,
    /// The settings of the providers, by the key that resources name.
    pub(super) providers: BTreeMap<String, Value>,
}

/// A resource as it is written.
#[derive(Debug)]
pub(super) struct Resource {
    /// The key of its provider.
    provider: String,
    /// Its attributes and blocks.
    pub(super) expressions: Value,
    /// What `for_each` refers to.
    pub(super) each: Vec<String>,
}

/// A module and its call.
#[derive(Debug, Default)]
pub(super) struct Module {
    /// The expressions of its call, which stand in the module around it.
    pub(super) arguments: Value,
    /// What `for_each` of its call refers to.
    pub(super) each: Vec<String>,
    /// Whether there may be several instances.
    pub(super) repeated: bool,
    /// Output to what it refers to.
    pub(super) outputs: BTreeMap<String, Vec<String>>,
}

impl Configuration {
    /// Indexes the member `configuration` of a plan.
    pub(super) fn new(mut configuration: Value) -> Self {
        let mut found = Self::default();
        if let Some(Value::Object(providers)) = configuration.get_mut("provider_config").map(Value::take) {
            found.providers.extend(providers);
        }
        if let Some(root) = configuration.get_mut("root_module").map(Value::take) {
            found.add(String::new(), Module::default(), root);
        }
        found
    }

    fn add(&mut self, path: String, mut own: Module, module: Value) {
        let Value::Object(mut module) = module else { return };
        for mut resource in array(&mut module, "resources") {
            let Some(address) = resource.get("address").and_then(Value::as_str).map(|own| address::within(&path, own)) else { continue };
            let provider = resource.get("provider_config_key").and_then(Value::as_str).unwrap_or_default().to_owned();
            let each = resource.get("for_each_expression").map(references).unwrap_or_default();
            let expressions = resource.get_mut("expressions").map(Value::take).unwrap_or_default();
            self.resources.insert(address, Resource { provider, expressions, each });
        }
        for (name, output) in object(&mut module, "outputs") {
            own.outputs.insert(name, references(&output));
        }
        for (name, mut call) in object(&mut module, "module_calls") {
            let child = Module {
                each: call.get("for_each_expression").map(references).unwrap_or_default(),
                repeated: call.get("for_each_expression").is_some() || call.get("count_expression").is_some(),
                arguments: call.get_mut("expressions").map(Value::take).unwrap_or_default(),
                outputs: BTreeMap::new(),
            };
            if let Some(inner) = call.get_mut("module").map(Value::take) {
                self.add(address::within(&path, &format!("module.{name}")), child, inner);
            }
        }
        self.modules.insert(path, own);
    }

    /// The key of the provider of a resource.
    pub(super) fn provider(&self, address: &str) -> Option<&str> {
        self.resources.get(&address::plain(address)).map(|resource| resource.provider.as_str()).filter(|key| !key.is_empty())
    }

    /// Whether all providers of AWS call as the same: nothing tells them apart but where, and what they tag.
    pub(super) fn has_one_caller(&self) -> bool {
        let is_aws = |provider: &&Value| provider.get("name").and_then(Value::as_str) == Some("aws");
        let mut settings = self.providers.values().filter(is_aws).map(|provider| {
            let mut settings = provider.get("expressions").and_then(Value::as_object).cloned().unwrap_or_default();
            ["region", "default_tags", "ignore_tags"].iter().for_each(|name| drop(settings.remove(*name)));
            settings
        });
        let first = settings.next();
        settings.all(|settings| Some(&settings) == first.as_ref())
    }

    /// Whether an attribute of a resource is written; `None` where the configuration does not have the resource.
    pub(super) fn writes(&self, change: &ResourceChange, attribute: &str) -> Option<bool> {
        self.resources.get(&address::plain(&change.address)).map(|resource| resource.expressions.get(attribute).is_some())
    }
}

fn array(members: &mut Map<String, Value>, name: &str) -> Vec<Value> {
    match members.get_mut(name).map(Value::take) {
        Some(Value::Array(elements)) => elements,
        _ => Vec::new(),
    }
}

fn object(members: &mut Map<String, Value>, name: &str) -> Map<String, Value> {
    match members.get_mut(name).map(Value::take) {
        Some(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

/// What an expression refers to. Terraform lists `a.b.arn` and then `a.b`: only the longest of each is kept.
pub(super) fn references(expression: &Value) -> Vec<String> {
    let mut all = Vec::new();
    collect(expression, &mut all);
    all.sort();
    all.dedup();
    all.iter().filter(|one| !all.iter().any(|other| extends(other, one))).cloned().collect()
}

fn extends(longer: &str, shorter: &str) -> bool {
    longer.strip_prefix(shorter).is_some_and(|rest| rest.starts_with(['.', '[']))
}

fn collect(expression: &Value, found: &mut Vec<String>) {
    match expression {
        Value::Object(members) => {
            for (name, member) in members.iter().filter(|(name, _)| *name != "constant_value") {
                match member {
                    Value::Array(list) if name == "references" => {
                        found.extend(list.iter().filter_map(Value::as_str).map(str::to_owned));
                    }
                    _ => collect(member, found),
                }
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| collect(element, found)),
        _ => {}
    }
}
