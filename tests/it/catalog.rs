//! Nothing of WorkMail is missing: the catalogue against an own list of its actions and operations, both ways, and the
//! inner consistency of every other data file.

use std::collections::{BTreeMap, BTreeSet};

use retrial::catalog::{Catalog, MappingSource, Operation, Parameters, Place, Service};
use serde::Deserialize;
use serde_json::{Map, Value, json};

const ORGANIZATION: &str = "m-0123456789abcdef0123456789abcdef";
const ORGANIZATION_ARN: &str = "arn:aws:workmail:eu-west-1:111122223333:organization/m-0123456789abcdef0123456789abcdef";
const PLACE: Place<'static> = Place { region: "eu-west-1", account: "111122223333", partition: None };

/// An action as the documentation has it; `event_source` and `parameters` stand for the operations of the API only.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fact {
    status: String,
    levels: Vec<String>,
    api: bool,
    permission_only: bool,
    resource: String,
    keys: BTreeSet<String>,
    resource_keys: BTreeSet<String>,
    /// The request parameter that holds the organization.
    organization: Option<String>,
    also: Vec<String>,
    event_source: Option<String>,
    #[serde(default)]
    parameters: Vec<String>,
}

impl Fact {
    fn is_legacy(&self) -> bool {
        self.status == "legacy"
    }

    /// A request with a value for every parameter.
    fn sample(&self) -> Value {
        let value = |name: &str| match name {
            "organizationId" => ORGANIZATION.to_owned(),
            "resourceARN" => ORGANIZATION_ARN.to_owned(),
            other => format!("value-of-{other}"),
        };
        Value::Object(self.parameters.iter().map(|name| (name.clone(), value(name).into())).collect::<Map<_, _>>())
    }
}

fn facts() -> BTreeMap<String, Fact> {
    serde_json::from_str(include_str!("../cases/workmail-actions.json")).unwrap()
}

fn set<'s>(texts: impl IntoIterator<Item = &'s String>) -> BTreeSet<String> {
    texts.into_iter().cloned().collect()
}

/// The catalogue's actions of WorkMail and of its message flow, by their full names.
fn known() -> BTreeMap<String, (&'static Service, &'static Operation)> {
    let services = ["workmail", "workmailmessageflow"].map(|prefix| Catalog::builtin().service(prefix).unwrap());
    let entries = services.into_iter().flat_map(|service| service.actions.values().map(move |operation| (service, operation)));
    entries.map(|(service, operation)| (operation.action.clone(), (service, operation.as_ref()))).collect()
}

#[test]
fn the_list_has_the_documented_numbers() {
    let facts = facts();
    let count = |wanted: &dyn Fn(&str, &Fact) -> bool| facts.iter().filter(|(name, fact)| wanted(name, fact)).count();
    let workmail = |name: &str| name.starts_with("workmail:");
    assert_eq!(count(&|name, fact| workmail(name) && !fact.is_legacy()), 126, "current actions");
    assert_eq!(count(&|name, fact| workmail(name) && !fact.is_legacy() && fact.api), 92, "operations");
    assert_eq!(count(&|name, fact| workmail(name) && !fact.is_legacy() && fact.permission_only), 34, "console only");
    assert_eq!(count(&|name, fact| workmail(name) && fact.is_legacy()), 19, "legacy names");
    assert_eq!(count(&|name, _| name.starts_with("workmailmessageflow:")), 2, "message flow");
    assert_eq!(count(&|_, fact| fact.resource == "*"), 7, "without a resource");
    assert_eq!(count(&|_, fact| fact.organization.as_deref() == Some("organizationId")), 85, "organizationId");
    assert_eq!(count(&|_, fact| fact.organization.as_deref() == Some("resourceARN")), 3, "resourceARN");
    assert_eq!(count(&|name, fact| workmail(name) && fact.api && fact.organization.is_none()), 4, "neither");
    assert_eq!(count(&|_, fact| fact.also == ["iam:PassRole"]), 2, "pass a role");
    assert_eq!(facts.len(), 126 + 19 + 2);
}

#[test]
fn the_catalogue_has_the_documented_numbers() {
    let known = known();
    let count =
        |wanted: &dyn Fn(&Service, &Operation) -> bool| known.values().filter(|(service, operation)| wanted(service, operation)).count();
    let workmail = |service: &Service| service.prefix == "workmail";
    assert_eq!(count(&|service, operation| workmail(service) && !operation.is_legacy()), 126, "current actions");
    assert_eq!(count(&|service, operation| workmail(service) && !operation.is_legacy() && operation.api), 92, "operations");
    assert_eq!(count(&|service, operation| workmail(service) && !operation.is_legacy() && operation.permission_only), 34, "console only");
    assert_eq!(count(&|service, operation| workmail(service) && operation.is_legacy()), 19, "legacy names");
    assert_eq!(count(&|service, _| !workmail(service)), 2, "message flow");
    assert_eq!(count(&|_, operation| operation.without_resource()), 7, "without a resource");
    assert_eq!(count(&|_, operation| operation.arn_parameter.as_deref() == Some("resourceARN")), 3, "resourceARN");
    assert_eq!(count(&|_, operation| operation.also.iter().any(|also| also.action == "iam:PassRole")), 2, "pass a role");
}

#[test]
fn list_and_catalogue_hold_the_same_names() {
    let (listed, known): (BTreeSet<_>, BTreeSet<_>) = (facts().into_keys().collect(), known().into_keys().collect());
    assert_eq!(listed.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new(), "missing in the catalogue");
    assert_eq!(known.difference(&listed).collect::<Vec<_>>(), Vec::<&String>::new(), "invented by the catalogue");
}

#[test]
fn every_action_is_what_the_list_says() {
    let known = known();
    for (name, fact) in facts() {
        let (service, operation) = known[&name];
        assert_eq!(operation.is_legacy(), fact.is_legacy(), "{name}: status");
        assert!(operation.is_legacy() || operation.status.is_none(), "{name}: a status that is not known");
        assert!(fact.levels.contains(&operation.level), "{name}: level {} is not in {:?}", operation.level, fact.levels);
        assert_eq!((operation.api, operation.permission_only), (fact.api, fact.permission_only), "{name}: operation or permission only");
        assert_eq!(operation.resource, std::slice::from_ref(&fact.resource), "{name}: resource");
        assert_eq!(set(&operation.keys), fact.keys, "{name}: condition keys");
        let template = service.resources.get(&fact.resource);
        assert_eq!(template.map(|template| set(&template.keys)).unwrap_or_default(), fact.resource_keys, "{name}: keys of the resource");
        let also: Vec<&str> = operation.also.iter().map(|also| also.action.as_str()).collect();
        assert_eq!(also, fact.also, "{name}: further checks");
        assert!(!operation.no_permission, "{name}: every call of WorkMail needs its permission");
    }
}

#[test]
fn both_spellings_of_a_name_find_the_same_action() {
    for name in facts().into_keys() {
        let found = [name.clone(), name.to_lowercase(), name.to_uppercase()].map(|name| Catalog::builtin().action(&name));
        for found in found {
            let (_, operation) = found.unwrap_or_else(|| panic!("{name} is not found in another letter case"));
            assert_eq!(operation.action.clone(), name);
        }
    }
}

#[test]
fn every_operation_finds_its_resource_in_a_sample_request() {
    let known = known();
    for (name, fact) in facts().into_iter().filter(|(_, fact)| fact.api) {
        let (service, operation) = known[&name];
        let sample = fact.sample();
        let resolved =
            service.resource(operation, Parameters(Some(&(&sample).into())), PLACE).unwrap_or_else(|| panic!("{name}: no resource"));
        let (arn, complete) = match (fact.organization.as_deref(), fact.resource.as_str()) {
            (Some(parameter), "organization") => {
                assert!(fact.parameters.iter().any(|known| known == parameter), "{name} has no parameter {parameter}");
                (ORGANIZATION_ARN.to_owned(), true)
            }
            (None, "*") => ("*".to_owned(), true),
            // Only the message's id is in the request.
            (None, "RawMessage") => {
                ("arn:aws:workmailmessageflow:eu-west-1:111122223333:message/<?>/<?>/value-of-messageId".to_owned(), false)
            }
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!((resolved.arn, resolved.complete), (arn, complete), "{name}");
        let without = service.resource(operation, Parameters(None), PLACE).unwrap_or_else(|| panic!("{name}: no resource at all"));
        assert_eq!(without.complete, fact.resource == "*", "{name}: a record without parameters does not tell the organization");
    }
}

#[test]
fn console_calls_that_name_their_organization_are_resolved_too() {
    let known = known();
    let request = json!({"organizationId": ORGANIZATION});
    for (name, _) in facts().into_iter().filter(|(_, fact)| !fact.api && fact.resource == "organization") {
        let (service, operation) = known[&name];
        let resolved =
            service.resource(operation, Parameters(Some(&(&request).into())), PLACE).unwrap_or_else(|| panic!("{name}: no resource"));
        assert_eq!(resolved.arn, ORGANIZATION_ARN, "{name}");
    }
}

#[test]
fn whatever_the_catalogue_reads_is_a_parameter_of_the_operation() {
    let known = known();
    for (name, fact) in facts().into_iter().filter(|(_, fact)| fact.api) {
        let (_, operation) = known[&name];
        let also = operation.also.iter().filter_map(|also| also.resource_parameter.as_ref().or(also.when.as_ref()));
        for path in operation.context.values().chain(&operation.arn_parameter).chain(also) {
            let parameter = path.split('.').next().unwrap_or_default();
            assert!(fact.parameters.iter().any(|known| known == parameter), "{name} has no parameter {parameter}");
        }
        for key in &fact.keys {
            let family = key.split('/').next().unwrap_or_default();
            let possible: &[&str] = match family {
                "aws:RequestTag" => &["tags"],
                "aws:TagKeys" => &["tags", "tagKeys"],
                "workmail:ImpersonationRoleId" => &["impersonationRoleId"],
                other => panic!("{name}: {other} is new: where is it in the request?"),
            };
            // The documentation lists tag keys for a call that has no tags, too.
            let parameter = fact.parameters.iter().find(|known| possible.contains(&known.as_str()));
            assert_eq!(operation.context.get(family), parameter, "{name}: where {key} is in the request");
        }
    }
}

#[test]
fn every_event_of_workmail_maps_to_the_action_of_its_name() {
    let catalog = Catalog::builtin();
    for (name, fact) in facts() {
        let (prefix, event_name) = name.split_once(':').unwrap();
        let source = format!("{prefix}.amazonaws.com");
        assert_eq!(fact.event_source.as_deref().unwrap_or(&source), source, "{name}: event source");
        // The documentation spells the second one with capitals.
        for source in [source.clone(), source.replace("messageflow", "MessageFlow")] {
            let (mapped, action) = catalog.map_event(&source, event_name, Parameters(None));
            assert_eq!((&*action, mapped.source), (name.as_str(), MappingSource::Exact), "{source} {event_name}");
            assert_eq!(mapped.operation.map(|operation| operation.name.as_str()), Some(event_name));
        }
    }
}

#[test]
fn the_services_around_workmail_are_there() {
    let expected = [
        ("cloudwatch", "monitoring.amazonaws.com"),
        ("ds", "ds.amazonaws.com"),
        ("ds-data", "ds-data.amazonaws.com"),
        ("iam", "iam.amazonaws.com"),
        ("identitystore", "identitystore.amazonaws.com"),
        ("kms", "kms.amazonaws.com"),
        ("lambda", "lambda.amazonaws.com"),
        ("logs", "logs.amazonaws.com"),
        ("organizations", "organizations.amazonaws.com"),
        ("route53", "route53.amazonaws.com"),
        ("route53domains", "route53domains.amazonaws.com"),
        ("ses", "ses.amazonaws.com"),
        ("sso", "sso.amazonaws.com"),
        ("sts", "sts.amazonaws.com"),
        ("workmail", "workmail.amazonaws.com"),
        ("workmailmessageflow", "workmailmessageflow.amazonaws.com"),
    ];
    let prefixes: Vec<&str> = Catalog::builtin().services().map(|service| service.prefix.as_str()).collect();
    assert_eq!(prefixes, expected.map(|(prefix, _)| prefix));
    for (prefix, source) in expected {
        let (mapped, action) = Catalog::builtin().map_event(source, "NoSuchCall", Parameters(None));
        assert_eq!(mapped.service.map(|service| service.prefix.as_str()), Some(prefix), "{source}");
        assert_eq!((action.into_owned(), mapped.source), (format!("{prefix}:NoSuchCall"), MappingSource::Rule), "{source}");
    }
}

#[test]
fn every_data_file_of_a_service_is_loaded() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/catalog/data");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let value: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let Some(prefix) = value["prefix"].as_str() else { continue };
        assert_eq!(path.file_stem().unwrap().to_str(), Some(prefix), "the file is named after its prefix");
        let service = Catalog::builtin().service(prefix).unwrap_or_else(|| panic!("{} is not loaded", path.display()));
        assert_eq!(service.actions.len(), value["actions"].as_object().unwrap().len(), "{prefix}");
        files += 1;
    }
    assert_eq!(files, Catalog::builtin().services().count());
}

#[test]
fn every_event_source_belongs_to_one_service() {
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    for service in Catalog::builtin().services() {
        assert!(!service.event_sources.is_empty(), "{} has no event source", service.prefix);
        for source in &service.event_sources {
            assert_eq!(source, &source.to_lowercase(), "{source}: sources are compared in lower case");
            let other = owners.insert(source, &service.prefix);
            // What both are asked for is told by the name of the call.
            let shared = source == "ds.amazonaws.com" && other == Some("ds") && service.prefix == "ds-data";
            assert!(other.is_none() || shared, "{source} belongs to {} too", service.prefix);
        }
    }
}

#[test]
fn every_service_is_consistent_in_itself() {
    const LEVELS: [&str; 5] = ["List", "Read", "Write", "Tagging", "Permissions management"];
    for service in Catalog::builtin().services() {
        let prefix = &service.prefix;
        assert!(!service.actions.is_empty(), "{prefix} has no action");
        for operation in service.actions.values() {
            let name = operation.action.clone();
            assert!(LEVELS.contains(&operation.level.as_str()), "{name}: level {}", operation.level);
            for kind in operation.resource.iter().filter(|kind| *kind != "*") {
                assert!(service.resources.contains_key(kind), "{name}: there is no resource type {kind}");
            }
            assert!(operation.resource.len() < 2 || !operation.resource.iter().any(|kind| kind == "*"), "{name}: `*` beside others");
            for also in &operation.also {
                assert!(Catalog::builtin().action(&also.action).is_some(), "{name}: also checks {}, which is not known", also.action);
            }
        }
        for (event, action) in &service.events {
            assert!(service.actions.contains_key(action), "{prefix}: the event {event} means {action}, which is no action");
            let source = service.event_sources.first().unwrap();
            let (mapped, _) = Catalog::builtin().map_event(source, event, Parameters(None));
            assert_eq!(mapped.operation.map(|operation| &operation.name), Some(action), "{prefix}: the event {event} is not mapped so");
        }
        for (kind, template) in &service.resources {
            let parts: Vec<&str> = template.arn.as_str().splitn(6, ':').collect();
            assert!(matches!(parts.as_slice(), ["arn", "${Partition}", _, _, _, _]), "{prefix}: {kind}: {}", template.arn.as_str());
            assert_eq!(
                template.arn.as_str().matches("${").count(),
                template.arn.as_str().matches('}').count(),
                "{prefix}: {kind}: {}",
                template.arn.as_str()
            );
        }
    }
}
