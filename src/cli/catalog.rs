//! `retrial catalog`: what is known of services, actions, resource types, condition keys, and how events map to actions.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Exit;
use super::args::{self, Format};
use super::printer::Printer;
use crate::catalog::{Catalog, Found, FoundEvent, KeyInfo, KnownAction, MappingSource, Operation, ResourceTemplate, Service, ToldBy};
use crate::error::{Error, Result};
use crate::lint::warnings::nearest;
use crate::report::{counted, grouped, visible};

/// Columns of what is printed; long names take more.
const WIDTH: usize = 80;
/// How many names are proposed for one that there is not.
const PROPOSED: usize = 3;
/// How many actions of a key are named in text.
const NAMED: usize = 12;

/// What the columns of the overview leave unsaid.
const RULES: &str = "
all, some: whether every action of the service is listed
event sources: PREFIX.amazonaws.com where none is named

Events of other services map by a general rule: the event source up to its first
dot (tag for tagging), a colon, the event's name without a version such as
20150331. The action is then a guess, and its resource is unknown.
";

pub(super) fn run(arguments: &args::Catalog, printer: &Printer) -> Result<Exit> {
    let catalog = Catalog::builtin();
    // `SOURCE NAME` is `SOURCE:NAME`, in one argument or in two.
    let words: Vec<&str> = arguments.name.iter().chain(&arguments.event).flat_map(|text| text.split_whitespace()).collect();
    let name = words.join(":");
    let found = match arguments.name {
        Some(_) => Some(catalog.look_up(&name).ok_or_else(|| unknown(catalog, &name))?),
        None => None,
    };
    let text = match (arguments.format, &found) {
        (Format::Json, found) => format!("{:#}\n", as_json(catalog, found.as_ref())),
        (Format::Text, None) => overview(catalog),
        (Format::Text, Some(found)) if found.is_list => list(catalog, found),
        (Format::Text, Some(found)) => describe(catalog, found),
    };
    printer.out(&text)?;
    Ok(Exit::Done)
}

/// What to say of a name that there is not: the nearest that there are.
fn unknown(catalog: &Catalog, name: &str) -> Error {
    let keys = catalog.documented_keys();
    let full = || catalog.actions().map(|(_, operation)| &operation.action).chain(keys.keys()).map(String::as_str);
    let (prefix, rest) = name.split_once(':').unwrap_or_default();
    let prefix = format!("{}:", prefix.to_lowercase());
    let behind: BTreeSet<&str> = full().filter_map(|known| known.strip_prefix(prefix.as_str())).collect();
    let (head, text, names): (&str, &str, BTreeSet<&str>) = if behind.is_empty() {
        let bare = catalog.services().flat_map(|service| service.event_sources.iter().chain(service.events.keys()));
        let bare = bare.chain(catalog.services().map(|service| &service.prefix));
        let bare = bare.chain(catalog.actions().map(|(_, operation)| &operation.name)).map(String::as_str);
        ("", name, bare.chain(full()).collect())
    } else {
        // The prefix is right: no name is near only because it has the same.
        (prefix.as_str(), rest, behind)
    };
    let mut near: Vec<&str> = Vec::new();
    while near.len() < PROPOSED {
        let Some(next) = nearest(text, names.iter().copied().filter(|known| !near.contains(known))) else { break };
        near.push(next);
    }
    let near: Vec<String> = near.iter().map(|known| format!("`{head}{known}`")).collect();
    let help = if near.is_empty() {
        "`retrial catalog` lists the services, `retrial catalog 'PREFIX:*'` the actions of one".to_owned()
    } else {
        format!("did you mean {}?", near.join(" or "))
    };
    Error::Usage(format!("the catalogue has no `{}`: {help}", visible(name)))
}

/// The same members whatever was asked for; without a name the services alone.
fn as_json(catalog: &Catalog, found: Option<&Found<'_>>) -> Value {
    let nothing = Found::default();
    let mut services: Vec<&Service> = match found {
        None => catalog.services().collect(),
        Some(found) => found.actions.iter().map(|(service, _)| *service).collect(),
    };
    services.dedup_by(|a, b| a.prefix == b.prefix);
    let Found { actions, events, keys, .. } = found.unwrap_or(&nothing);
    json!({
        "version": catalog.version(),
        "services": services.into_iter().map(service_json).collect::<Vec<_>>(),
        "actions": actions.iter().map(|known| action_json(catalog, *known)).collect::<Vec<_>>(),
        "events": events.iter().map(event_json).collect::<Vec<_>>(),
        "keys": keys.iter().map(|(key, info)| key_json(catalog, key, *info)).collect::<Vec<_>>(),
    })
}

fn service_json(service: &Service) -> Value {
    json!({
        "prefix": service.prefix, "name": service.name, "version": service.version, "event_sources": service.event_sources,
        "actions": service.actions.len(), "complete": service.complete, "keys_complete": service.keys_complete,
        "resource_policies": service.resource_policies.name(), "rcp": service.rcp, "region": service.region,
        "resource_types": service.resources.iter().map(type_json).collect::<Vec<_>>(),
    })
}

fn type_json((kind, template): (&String, &ResourceTemplate)) -> Value {
    json!({ "type": kind, "arn": template.arn.as_str(), "keys": template.keys })
}

fn event_json(event: &FoundEvent<'_>) -> Value {
    json!({ "event_source": event.source, "event_name": event.name, "action": event.action, "mapping_source": event.how.name() })
}

/// `resource` is as in the data files: `["*"]` is none, an empty list is not known.
fn action_json(catalog: &Catalog, (service, operation): KnownAction<'_>) -> Value {
    let also = operation.also.iter();
    let also = also.map(|also| {
        let mut check = json!({ "action": also.action, "resource_parameter": also.resource_parameter, "context": also.context });
        // Only of those that hang on another parameter.
        if let (Some(check), Some(when)) = (check.as_object_mut(), &also.when) {
            check.insert("when".to_owned(), json!(when));
            check.insert("perhaps".to_owned(), json!(also.perhaps));
        }
        check
    });
    json!({
        "action": operation.action, "service": service.prefix, "level": operation.level, "legacy": operation.is_legacy(),
        "api": operation.api, "permission_only": operation.permission_only, "no_permission": operation.no_permission,
        "creates": operation.creates, "resource": operation.resource, "arn_parameter": operation.arn_parameter,
        "resource_types": service.types_of(operation).map(type_json).collect::<Vec<_>>(),
        "keys": operation.keys, "global_keys": catalog.global_keys().count(), "context": operation.context,
        "also": also.collect::<Vec<_>>(), "observable": service.is_observable(operation),
        "events": catalog.events_of((service, operation)).iter().map(event_json).collect::<Vec<_>>(),
    })
}

fn key_json(catalog: &Catalog, key: &str, info: Option<&KeyInfo>) -> Value {
    json!({
        "key": key, "type": info.map(|info| &info.key_type), "multivalued": info.map(|info| info.multivalued),
        "always": info.map(|info| info.always), "told_by": catalog.told_by(key).name(), "parameters": catalog.parameters_of(key),
        "actions": catalog.actions_with(key).map(|(_, operation)| &operation.action).collect::<Vec<_>>(),
    })
}

/// A line for each service.
fn overview(catalog: &Catalog) -> String {
    let keys = (catalog.documented_keys().len(), "condition key");
    let counts = [(catalog.services().count(), "service"), (catalog.actions().count(), "action"), keys];
    let counts = counts.map(|(number, noun)| counted(number as u64, noun)).join(", ");
    let mut text = format!("catalogue {}: {counts}\n\n", catalog.version());
    text.push_str(&format!("{:19} {:34} {:>10}  event sources\n", "prefix", "name", "actions"));
    for service in catalog.services() {
        let all = if service.complete { "all" } else { "some" };
        let short = |source: &String| source.strip_suffix(".amazonaws.com").unwrap_or(source).to_owned();
        let sources: Vec<String> = service.event_sources.iter().map(short).collect();
        let sources = if sources == [service.prefix.as_str()] { String::new() } else { sources.join(", ") };
        let line = format!("{:19} {:34} {:>5} {all:4}  {sources}", service.prefix, service.name, grouped(service.actions.len() as u64));
        text.push_str(&format!("{}\n", line.trim_end()));
    }
    text + RULES
}

/// A line for each action, resource type and key.
fn list(catalog: &Catalog, found: &Found<'_>) -> String {
    let width = |of: fn(&Operation) -> usize| found.actions.iter().map(|(_, operation)| of(operation)).max().unwrap_or_default();
    let (names, levels) = (width(|operation| operation.action.len()), width(|operation| operation.level.len()));
    let line = |(_, operation): &KnownAction<'_>| {
        let legacy = if operation.is_legacy() { ", legacy" } else { "" };
        format!("{:names$}  {:levels$}  {}{legacy}\n", operation.action, operation.level, resource(operation))
    };
    let types = found.actions.iter().flat_map(|(service, operation)| service.types_of(operation));
    let types: BTreeSet<String> = types.map(|(kind, template)| format!("  {kind}: {}\n", template.arn.as_str())).collect();
    let keys = found.keys.iter().map(|(key, info)| {
        let kind = info.map_or("type not known", |info| info.key_type.as_str());
        format!("  {key}: {kind}, {}\n", told(catalog, key))
    });
    let sections: [(&str, Vec<String>); 3] = [
        ("", found.actions.iter().map(line).collect()),
        ("resource types\n", types.into_iter().collect()),
        ("condition keys\n", keys.collect()),
    ];
    let sections = sections.into_iter().filter(|(_, lines)| !lines.is_empty()).map(|(heading, lines)| heading.to_owned() + &lines.concat());
    sections.collect::<Vec<_>>().join("\n")
}

/// What was asked for by its own name.
fn describe(catalog: &Catalog, found: &Found<'_>) -> String {
    let mut blocks: Vec<String> = found.events.iter().map(event_text).collect();
    if found.events.is_empty() || found.actions.len() == 1 {
        blocks.extend(found.actions.iter().map(|known| action_text(catalog, *known)));
    }
    blocks.extend(found.keys.iter().map(|(key, info)| key_text(catalog, key, *info)));
    blocks.join("\n")
}

fn event_text(event: &FoundEvent<'_>) -> String {
    let how = match event.how {
        MappingSource::Exact => "exact: the event has the action's name",
        MappingSource::Catalog => "catalog: a version is cut off, or the catalogue names the action",
        _ => "rule: a guess from the names, for the catalogue does not list the action",
    };
    block(&format!("{} {}", event.source, event.name), &[("action", visible(&event.action)), ("mapping", how.to_owned())])
}

fn action_text(catalog: &Catalog, (service, operation): KnownAction<'_>) -> String {
    let observable = service.is_observable(operation);
    let call = match (operation.api, operation.permission_only, observable) {
        (true, ..) => "API operation",
        (_, true, true) => "console only: no API operation has its name",
        (_, true, false) => "permission only: a check of other calls or of services",
        (_, false, _) => "API operation of another name",
    };
    let status = if operation.is_legacy() { "legacy: AWS no longer lists the name" } else { "current" };
    let free = if operation.no_permission { "\nsucceeds without any permission" } else { "" };
    let types: String = service.types_of(operation).map(|(kind, template)| format!("{kind}: {}\n", template.arn.as_str())).collect();
    let types = if types.is_empty() { resource(operation) + "\n" } else { types };
    let by_arn = operation.arn_parameter.as_ref().map(|parameter| format!("or the ARN in `{parameter}`")).unwrap_or_default();
    let type_keys: BTreeSet<&str> = service.types_of(operation).flat_map(|(_, template)| &template.keys).map(String::as_str).collect();
    let seen = if observable { "yes" } else { "no: a use of it leaves no event of its own" };
    let always = catalog.global_keys().filter(|key| key.always).count();
    let events = catalog.events_of((service, operation));
    let also = operation.also.iter().map(|also| {
        let context: String = also.context.iter().map(|(key, value)| format!(", {key} being {value}")).collect();
        let perhaps = if also.perhaps { "perhaps " } else { "" };
        let asked = match &also.resource_parameter {
            Some(parameter) => format!("on the resource in `{parameter}`"),
            None => format!("where there are `{}`", also.parameter()),
        };
        format!("{perhaps}{} {asked}{context}\n", also.action)
    });
    let rows = [
        ("service", service.name.clone()),
        ("access level", operation.level.clone()),
        ("call", format!("{call}{free}")),
        ("status", status.to_owned()),
        ("resource", types + &by_arn),
        ("its keys", operation.keys.join(", ")),
        ("resource's keys", Vec::from_iter(type_keys).join(", ")),
        ("global keys", format!("{}, {always} of them in every request", catalog.global_keys().count())),
        ("events", events.iter().map(|event| format!("{} {} ({})\n", event.source, event.name, event.how.name())).collect()),
        ("also checked", also.collect()),
        ("from parameters", operation.context.iter().map(|(key, parameter)| format!("{key} from `{parameter}`\n")).collect()),
        ("in CloudTrail", seen.to_owned()),
    ];
    block(&operation.action, &rows)
}

fn key_text(catalog: &Catalog, key: &str, info: Option<&KeyInfo>) -> String {
    let actions: Vec<&str> = catalog.actions_with(key).map(|(_, operation)| operation.action.as_str()).collect();
    let mut listed = actions.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    match actions.len() {
        0 if key.starts_with("aws:") => listed.push_str("no action by itself: AWS has it for all services"),
        all if all > NAMED => listed.push_str(&format!(" and {} more", grouped((all - NAMED) as u64))),
        _ => {}
    }
    let kind = match info {
        Some(info) if info.multivalued => format!("{}, a list of values", info.key_type),
        Some(info) => format!("{}, one value", info.key_type),
        None => "not known".to_owned(),
    };
    let included = info.map_or("not known", |info| if info.always { "in every request" } else { "not in every request" });
    block(key, &[("type", kind), ("included", included.to_owned()), ("value", told(catalog, key)), ("listed by", listed)])
}

/// The resource types of an action in words.
fn resource(operation: &Operation) -> String {
    match operation.resource.as_slice() {
        [] => "not known".to_owned(),
        _ if operation.without_resource() => "none (`*`)".to_owned(),
        kinds => kinds.join(", "),
    }
}

/// What tells the value of a key, in words.
fn told(catalog: &Catalog, key: &str) -> String {
    match catalog.told_by(key) {
        ToldBy::Record => "read from the record".to_owned(),
        ToldBy::Parameters => format!("read from the request parameters ({})", Vec::from_iter(catalog.parameters_of(key)).join(", ")),
        ToldBy::Catalog => "not in the log; the catalogue tells it of further checks".to_owned(),
        ToldBy::Absence => "not in the log, which at most tells that a request lacks it".to_owned(),
        ToldBy::Policies => "not in the log; policy files or context.toml tell it".to_owned(),
        ToldBy::Assumed => "not in the log; taken to be absent or false".to_owned(),
        ToldBy::Nothing => "not read from the log".to_owned(),
    }
}

/// A name, and what is known of it: headings with their lines, wrapped at spaces.
fn block(name: &str, rows: &[(&str, String)]) -> String {
    const INDENT: usize = 18;
    let mut text = format!("{}\n", visible(name));
    for (heading, content) in rows {
        let mut line = format!("  {heading}");
        let content = if content.is_empty() { "none known" } else { content.as_str() };
        for paragraph in content.lines() {
            line = format!("{line:INDENT$}");
            for word in paragraph.split(' ') {
                let begun = line.len() > INDENT;
                if begun && line.chars().count() + 1 + word.chars().count() > WIDTH {
                    text.push_str(&format!("{line}\n"));
                    line = " ".repeat(INDENT);
                } else if begun {
                    line.push(' ');
                }
                line.push_str(word);
            }
            text.push_str(&format!("{line}\n"));
            line.clear();
        }
    }
    text
}
