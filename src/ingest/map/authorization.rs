//! What a call has to be allowed: its action on its resource, further checks, and what its parameters say to conditions.

use std::borrow::Cow;

use serde_json_borrow::Value;

use crate::catalog::{AlsoChecked, Catalog, MappedAction, MappingSource, Operation, Outcome, Parameters, Place, Service};
use crate::cloudtrail::{Record, denial, json};
use crate::frame::{Check, EventRow, Flag, Text};
use crate::iam::Pattern;
use crate::iam::arn::{self, Arn};
use crate::iam::pattern::UNKNOWN_PART;

/// Action, resource, further checks and request context.
pub(super) fn authorization<'a>(
    catalog: &'a Catalog,
    row: &mut EventRow<'a>,
    (source, record): (&str, &'a Record<'a>),
    parameters: Parameters<'_>,
    outcome: Outcome,
) -> MappedAction<'a> {
    let name = record.event_name.get().unwrap_or_default();
    let (mut mapped, mut action) = catalog.map_event(source, name, parameters);
    let denial = match (outcome, record.error_message.get()) {
        (Outcome::AccessDenied, Some(message)) => denial::parse(message),
        _ => denial::Denial::default(),
    };
    let mut names_action = false;
    if let Some(named) = denial.action {
        let named = canonical_action(catalog, named);
        names_action = named.eq_ignore_ascii_case(&action);
        if !names_action && mapped.source == MappingSource::Rule && may_mean(&named, &action) {
            (mapped.operation, mapped.service) =
                catalog.action(&named).map_or((None, mapped.service), |(service, operation)| (Some(operation), Some(service)));
            (mapped.source, action, names_action) = (MappingSource::ErrorMessage, named, true);
        } else if !names_action {
            let resource = denial.resource.as_deref().map(|resource| Cow::Owned(resource.to_owned()));
            row.more_checks.push(Check { action: named, resource, source: MappingSource::ErrorMessage.name() });
        } else if mapped.source == MappingSource::Rule {
            (mapped.source, action) = (MappingSource::ErrorMessage, named);
        }
    }
    let place = place(row, record);
    let named_resource = denial.resource.as_deref().filter(|_| names_action);
    let (resource, resource_source) = resource(&mapped, record, parameters, place, named_resource);
    let checks = further_checks(catalog, &mapped, (&action, resource.as_deref()), parameters, place);
    for check in checks {
        if !row.more_checks.iter().any(|known| known.action == check.action && (known.resource.is_some() || check.resource.is_none())) {
            row.more_checks.push(check);
        }
    }
    request_context(row, &mapped, parameters);
    row.set(Text::DeniedBy, denied_by(record, &denial));
    row.set(Text::Resource, resource);
    row.set(Text::ResourceSource, resource_source);
    row.set(Text::Action, Some(action).filter(|action| !action.starts_with(':')));
    row.set(Text::MappingSource, Some(mapped.source.name()));
    mapped
}

/// Where the request is made, as far as the record tells it.
fn place<'r>(row: &'r EventRow<'_>, record: &'r Record<'_>) -> Place<'r> {
    // Logs that were shared have accounts that are masked or were numbers once.
    let account = row.get(Text::AccountId).filter(|account| arn::is_account_id(account)).unwrap_or_default();
    match record.aws_region.get() {
        Some(region) => Place { region, account, partition: None },
        None => {
            let caller = record.user_identity.0.as_ref().and_then(|identity| identity.arn.get()).and_then(Arn::parse);
            Place { region: "", account, partition: caller.map(|arn| arn.partition) }
        }
    }
}

/// Whether an action that a message names may be what AWS calls the one that the general rule gives, as `apigateway:GET`, and
/// not one that the call needs beside it, as `iam:PassRole`.
fn may_mean(named: &str, ruled: &str) -> bool {
    let (Some((prefix, name)), Some((ruled_prefix, ruled_name))) = (named.split_once(':'), ruled.split_once(':')) else { return true };
    let tags = ["Tag", "CreateTags", "AddTags"].iter().any(|beginning| name.starts_with(beginning) && !ruled_name.starts_with(beginning));
    name.eq_ignore_ascii_case(ruled_name) || (prefix.eq_ignore_ascii_case(ruled_prefix) && !tags)
}

/// An action of a message in the spelling of the catalogue, without version.
fn canonical_action<'c>(catalog: &'c Catalog, named: &str) -> Cow<'c, str> {
    let named = crate::catalog::cut_version(named);
    match catalog.action(named) {
        Some((_, operation)) => operation.action.as_str().into(),
        None => match named.split_once(':') {
            Some((prefix, name)) => format!("{}:{name}", prefix.to_ascii_lowercase()).into(),
            None => named.to_owned().into(),
        },
    }
}

fn resource(
    mapped: &MappedAction<'_>,
    record: &Record<'_>,
    parameters: Parameters<'_>,
    place: Place<'_>,
    named: Option<&str>,
) -> (Option<String>, Option<&'static str>) {
    let resolved = match (mapped.service, mapped.operation) {
        (Some(service), Some(operation)) => service.resource(operation, parameters, place),
        _ => None,
    };
    match resolved {
        Some(resolved) if resolved.arn == "*" => (Some(resolved.arn), Some("catalog")),
        Some(resolved) if resolved.complete => (Some(resolved.arn), Some("parameters")),
        resolved => {
            if let Some(named) = named {
                let source = if named.contains(UNKNOWN_PART) { "partial" } else { "error_message" };
                return (Some(named.to_owned()), Some(source));
            }
            let listed = mapped
                .service
                .zip(mapped.operation)
                .and_then(|(service, operation)| listed_resource(record, service, operation, resolved.as_ref().map(|r| r.arn.as_str())));
            match (listed, resolved) {
                (Some(arn), _) => (Some(arn), Some("record")),
                (None, Some(partial)) => (Some(partial.arn), Some("partial")),
                (None, None) => (None, None),
            }
        }
    }
}

/// The only resource of the record's own list that is of the service and fits the partly known ARN.
fn listed_resource(record: &Record<'_>, service: &Service, operation: &Operation, outline: Option<&str>) -> Option<String> {
    let prefix = service.prefix.as_str();
    let list = json::read(record.resources?)?;
    let items = match &list {
        Value::Array(items) => items.as_slice(),
        Value::Object(_) => std::slice::from_ref(&list),
        _ => return None,
    };
    let arns = items.iter().filter_map(|item| Parameters(Some(item)).text("arn")).map(Cow::into_owned);
    // It may be in another account than that of the record.
    let outline = outline.map(|outline| {
        outline.splitn(6, ':').enumerate().map(|(part, text)| if part == 4 { "*" } else { text }).collect::<Vec<_>>().join(":")
    });
    // A role is a resource of IAM, whoever is asked for its session.
    let service = outline.as_deref().and_then(Arn::parse).map_or(prefix, |arn| arn.service).to_owned();
    let pattern = outline.map(|outline| Pattern::glob(&outline.replace(UNKNOWN_PART, "*")));
    let fits = |arn: &String| {
        Arn::parse(arn).is_some_and(|parsed| parsed.service == service) && pattern.as_ref().is_none_or(|pattern| pattern.matches(arn))
    };
    let mut fitting = arns.filter(fits);
    let first = fitting.next()?;
    // One that stands there twice is one; of several that are told apart by their order the first is that of the call.
    (operation.listed_first || fitting.all(|other| other == first)).then_some(first)
}

/// The checks that the catalogue says the call needs beside its own; their resource is unknown where the parameters are.
fn further_checks(
    catalog: &Catalog,
    mapped: &MappedAction<'_>,
    (action, own_resource): (&str, Option<&str>),
    parameters: Parameters<'_>,
    place: Place<'_>,
) -> Vec<Check<'static>> {
    let Some(operation) = mapped.operation else { return Vec::new() };
    let mut checks = Vec::new();
    for also in &operation.also {
        let asking = parameters.get(also.parameter());
        // A value that is hidden, or no text, is one all the same.
        let is_there = match asking {
            None | Some(Value::Null) => false,
            Some(Value::Array(items)) => !items.is_empty() || also.resource_parameter.is_some(),
            Some(_) => true,
        };
        if !is_there && !also.required && parameters.are_known() {
            continue;
        }
        let resource = further_resource(catalog, (operation, also), own_resource.filter(|_| is_there), parameters, place);
        if also.action != action || resource.is_some() {
            let resource = resource.map(Cow::Owned);
            checks.push(Check { action: Cow::Owned(also.action.clone()), resource, source: MappingSource::Inferred.name() });
        }
    }
    checks
}

/// The resource of a further check: what its parameter names, else that of the call itself, if it is of such a type, or one of
/// which nothing is told but its type.
fn further_resource(
    catalog: &Catalog,
    (operation, also): (&Operation, &AlsoChecked),
    own_resource: Option<&str>,
    parameters: Parameters<'_>,
    place: Place<'_>,
) -> Option<String> {
    let (service, checked) = catalog.action(&also.action)?;
    if let Some(parameter) = &also.resource_parameter {
        let value = parameters.text(parameter)?;
        return service.resource_named(checked, &value, place).map(|resolved| resolved.arn);
    }
    let own = own_resource?;
    let is_of_it = operation.resource.iter().any(|kind| checked.resource.contains(kind));
    match is_of_it {
        true => Some(own.to_owned()),
        false => service.resource(checked, Parameters(None), place).map(|resolved| resolved.arn),
    }
}

fn request_context(row: &mut EventRow<'_>, mapped: &MappedAction<'_>, parameters: Parameters<'_>) {
    let Some(operation) = mapped.operation else {
        row.flag(Flag::RequestContextComplete, Some(false));
        return;
    };
    let mut keys: Vec<(String, Option<Vec<String>>)> = Vec::new();
    let mut complete = mapped.service.is_some_and(|service| service.keys_complete);
    for (key, path) in &operation.context {
        let name = key.to_ascii_lowercase();
        let present = parameters.get(path).is_some();
        match name.as_str() {
            "aws:requesttag" => match parameters.tags(path) {
                Some(tags) => {
                    keys.extend(tags.into_iter().map(|(tag, value)| (format!("{name}/{}", tag.to_lowercase()), Some(vec![value]))))
                }
                None => complete &= !present && parameters.are_known(),
            },
            "aws:tagkeys" => {
                let tags = parameters.tags(path).map(|tags| tags.into_iter().map(|(tag, _)| tag).collect());
                // A text in place of the list says that tags were left out, or is no list that can be read.
                let is_list = matches!(parameters.get(path), Some(Value::Array(_)));
                let values: Option<Vec<String>> = tags.or_else(|| parameters.texts(path).filter(|_| is_list));
                if present || !parameters.are_known() {
                    keys.push((name, values.map(sorted)));
                }
            }
            _ if present || !parameters.are_known() => keys.push((name, parameters.texts(path).map(sorted))),
            _ => {}
        }
    }
    // Two tags that differ by case only make one key with an unknown value (assumption A-TAGCASE).
    keys.sort();
    let mut merged: Vec<(String, Option<Vec<String>>)> = Vec::with_capacity(keys.len());
    for (key, values) in keys {
        match merged.last_mut() {
            Some((last, known)) if *last == key => *known = None,
            _ => merged.push((key, values)),
        }
    }
    row.request_context = merged;
    row.flag(Flag::RequestContextComplete, Some(complete));
}

fn sorted(mut values: Vec<String>) -> Vec<String> {
    values.sort();
    values.dedup();
    values
}

/// The layer that denied, and the policy if the message names it: `scp`, `scp arn:...`.
fn denied_by(record: &Record<'_>, denial: &denial::Denial<'_>) -> Option<String> {
    if record.error_code.get() == Some("VpceAccessDenied") {
        return Some("endpoint".to_owned());
    }
    let layer = denial.layer?;
    Some(denial.policy.map_or_else(|| layer.to_owned(), |policy| format!("{layer} {policy}")))
}
