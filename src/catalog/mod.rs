//! What is known of services, as data: actions, resource types, condition keys, how events map to actions and where
//! the resource is found in a request. One file per service in `data/`; another service is one more file.

mod look_up;
mod outcome;
mod resource;
mod service;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use hashbrown::HashMap;
use serde::Deserialize;

pub use look_up::{DocumentedKeys, Found, FoundEvent, KnownAction, ToldBy};
pub use outcome::{Class, Outcome, OutcomeRules};
pub(crate) use resource::partition;
pub use resource::{ArnTemplate, Parameters, Place, Resolved, some_of};
pub use service::{AlsoChecked, Operation, ResourcePolicies, ResourceTemplate, Service};

/// The data files, compiled in.
const SERVICES: [&str; 16] = [
    include_str!("data/cloudwatch.json"),
    include_str!("data/ds.json"),
    include_str!("data/ds-data.json"),
    include_str!("data/iam.json"),
    include_str!("data/identitystore.json"),
    include_str!("data/kms.json"),
    include_str!("data/lambda.json"),
    include_str!("data/logs.json"),
    include_str!("data/organizations.json"),
    include_str!("data/route53.json"),
    include_str!("data/route53domains.json"),
    include_str!("data/ses.json"),
    include_str!("data/sso.json"),
    include_str!("data/sts.json"),
    include_str!("data/workmail.json"),
    include_str!("data/workmailmessageflow.json"),
];

/// All services that are known.
#[derive(Debug, Default)]
pub struct Catalog {
    services: BTreeMap<String, Arc<Service>>,
    by_source: HashMap<String, Vec<Arc<Service>>, foldhash::fast::FixedState>,
    rcp_services: Vec<String>,
    sources: Vec<SourceInfo>,
    keys: HashMap<String, KeyInfo, foldhash::fast::FixedState>,
    outcomes: OutcomeRules,
    version: String,
}

/// A condition key that AWS documents for all services.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyInfo {
    /// The canonical spelling; of a tag family its prefix with the slash.
    pub key: String,
    /// `string`, `bool`, `numeric`, `date`, `ip`, `arn` or `binary`.
    #[serde(rename = "type")]
    pub key_type: String,
    /// Whether its type is a list.
    pub multivalued: bool,
    /// Whether AWS includes it in every request.
    pub always: bool,
    /// Whether it is a family with one key for each tag.
    #[serde(default)]
    pub tag: bool,
    /// What tells its value. What the catalogue itself shows, as request parameters, is not repeated here:
    /// [`Catalog::told_by`] is the whole answer.
    #[serde(default)]
    pub told_by: ToldBy,
}

impl KeyInfo {
    /// The canonical spelling of a key that a policy writes as `written`: the tag's own spelling stays.
    pub fn display(&self, written: &str) -> String {
        match written.split_once('/') {
            Some((_, tag)) if self.tag => format!("{}{tag}", self.key),
            _ => self.key.clone(),
        }
    }
}

/// How an event's action was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MappingSource {
    /// The event name is the action's name.
    Exact,
    /// The catalogue says which action the event name means.
    Catalog,
    /// The error message names it.
    ErrorMessage,
    /// The general rule for services that are not known: a guess.
    Rule,
    /// The check leaves no event of its own.
    Inferred,
}

impl MappingSource {
    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Catalog => "catalog",
            Self::ErrorMessage => "error_message",
            Self::Rule => "rule",
            Self::Inferred => "inferred",
        }
    }
}

/// What an event maps to.
#[derive(Debug, Clone, Copy)]
pub struct MappedAction<'c> {
    /// The service, if it is known.
    pub service: Option<&'c Service>,
    /// The action's entry, if it is known.
    pub operation: Option<&'c Operation>,
    /// How it was found.
    pub source: MappingSource,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    #[serde(rename = "format")]
    _format: u32,
    keys: Vec<KeyInfo>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RcpFile {
    #[serde(rename = "format")]
    _format: u32,
    #[serde(rename = "version")]
    _version: String,
    services: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceFile {
    #[serde(rename = "format")]
    _format: u32,
    #[serde(rename = "version")]
    _version: String,
    sources: Vec<SourceInfo>,
}

/// An event source whose name is not the IAM prefix, of a service that has no file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceInfo {
    /// Without `.amazonaws.com`.
    source: String,
    prefix: String,
    /// It is so of calls that have this request parameter.
    #[serde(default)]
    parameter: Option<String>,
    /// The documentation that says so.
    #[serde(rename = "from")]
    _from: String,
}

impl Catalog {
    /// The catalogue that this version of the program was made with.
    pub fn builtin() -> &'static Self {
        static BUILTIN: OnceLock<Catalog> = OnceLock::new();
        // A data file that does not load fails the unit test `every_data_file_loads`, not a user's run.
        BUILTIN.get_or_init(|| Self::load().unwrap_or_default())
    }

    fn load() -> Result<Self, serde_json::Error> {
        let mut catalog = Self::default();
        for text in SERVICES {
            let service = Arc::new(Service::load(text)?);
            for source in &service.event_sources {
                catalog.by_source.entry(source.clone()).or_default().push(Arc::clone(&service));
            }
            catalog.version = catalog.version.clone().max(service.version.clone());
            catalog.services.insert(service.prefix.clone(), service);
        }
        let keys: KeyFile = serde_json::from_str(include_str!("data/keys.json"))?;
        catalog.keys = keys.keys.into_iter().map(|key| (key.key.to_lowercase(), key)).collect();
        let rcp: RcpFile = serde_json::from_str(include_str!("data/rcp.json"))?;
        catalog.rcp_services = rcp.services;
        let sources: SourceFile = serde_json::from_str(include_str!("data/sources.json"))?;
        catalog.sources = sources.sources;
        catalog.outcomes = OutcomeRules::load(include_str!("data/outcomes.json"))?;
        Ok(catalog)
    }

    /// The newest version of its data files.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// A service by its IAM prefix.
    pub fn service(&self, prefix: &str) -> Option<&Service> {
        self.services.get(prefix).map(Arc::as_ref)
    }

    /// All services in the order of their prefixes.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values().map(Arc::as_ref)
    }

    /// An action by its IAM name, `prefix:Name`, in any letter case.
    pub fn action(&self, action: &str) -> Option<(&Service, &Operation)> {
        let (prefix, name) = action.split_once(':')?;
        let service = self.service(&prefix.to_ascii_lowercase())?;
        Some((service, service.operation(name)?))
    }

    /// Maps an event to its action: by the catalogue, else by the general rule. The name is made only for the rule.
    pub fn map_event<'c>(&'c self, event_source: &str, event_name: &str, parameters: Parameters<'_>) -> (MappedAction<'c>, Cow<'c, str>) {
        let (source, services) = match self.by_source.get(event_source) {
            Some(services) => (Cow::Borrowed(event_source), Some(services)),
            None => {
                let source = event_source.trim().to_ascii_lowercase();
                let services = self.by_source.get(&source);
                (Cow::Owned(source), services)
            }
        };
        // Mostly it is one; Directory Service and its data have the same source.
        let services = || services.into_iter().flatten().map(Arc::as_ref);
        for service in services() {
            if let Some(operation) = service.operation(event_name) {
                let mapped = MappedAction { service: Some(service), operation: Some(operation), source: MappingSource::Exact };
                return (mapped, operation.action.as_str().into());
            }
            let base = cut_version(event_name);
            let renamed = service.renamed(base).unwrap_or(base);
            if let Some(operation) = service.operation(renamed) {
                let mapped = MappedAction { service: Some(service), operation: Some(operation), source: MappingSource::Catalog };
                return (mapped, operation.action.as_str().into());
            }
        }
        let service = services().next();
        let prefix = service.map_or_else(|| self.rule_prefix(&source, parameters), |service| service.prefix.clone());
        let name = format!("{prefix}:{}", cut_version(event_name));
        (MappedAction { service, operation: None, source: MappingSource::Rule }, name.into())
    }

    /// The prefix that the general rule gives: the event source without `.amazonaws.com`, of several parts the last
    /// (`runtime.sagemaker`), unless `data/sources.json` has another.
    fn rule_prefix(&self, source: &str, parameters: Parameters<'_>) -> String {
        let name = source.strip_suffix(".amazonaws.com").unwrap_or(source);
        let is_so = |info: &&SourceInfo| {
            info.source == name && info.parameter.as_ref().is_none_or(|parameter| parameters.text(parameter).is_some())
        };
        let other = self.sources.iter().find(is_so).map(|info| info.prefix.as_str());
        other.or(name.rsplit('.').next()).unwrap_or(name).to_owned()
    }

    /// Whether resource control policies act on the actions of a service.
    pub fn rcp_applies(&self, prefix: &str) -> bool {
        self.rcp_services.iter().any(|service| service == prefix)
    }

    /// What an error code says of authorization.
    pub fn outcome(&self, error_code: Option<&str>) -> Outcome {
        self.outcomes.outcome(error_code)
    }

    /// What an error code says of authorization, and its class.
    pub fn classify(&self, error_code: Option<&str>) -> (Outcome, Class) {
        self.outcomes.classify(error_code)
    }

    /// All condition keys that AWS documents for all services, in no order.
    pub fn keys(&self) -> impl Iterator<Item = &KeyInfo> {
        self.keys.values()
    }

    /// A documented condition key by its name in lower case.
    pub fn key(&self, name: &str) -> Option<&KeyInfo> {
        self.keys.get(name).or_else(|| {
            let (family, _) = name.split_once('/')?;
            self.keys.get(&format!("{family}/")).filter(|key| key.tag)
        })
    }
}

/// A documented condition key of the built-in catalogue by its name in lower case.
pub fn key(name: &str) -> Option<&'static KeyInfo> {
    Catalog::builtin().key(name)
}

/// Cuts a version from an event name: `ListFunctions20150331`, `UpdateFunctionCode20150331v2`, `CreateFunction2020_05_31`.
pub fn cut_version(name: &str) -> &str {
    let stem = match name.rsplit_once('v') {
        Some((stem, version)) if !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit()) => stem,
        _ => name,
    };
    let cut = stem.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_');
    let suffix = stem.get(cut.len()..).unwrap_or("");
    let digits = suffix.bytes().filter(u8::is_ascii_digit).count();
    if digits == 8 && !cut.is_empty() { cut } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_data_file_loads() {
        let catalog = Catalog::load().unwrap();
        assert_eq!(catalog.services.len(), SERVICES.len());
        assert_eq!(catalog.keys.len(), 60);
        assert!(catalog.rcp_applies("s3") && !catalog.rcp_applies("workmail") && !catalog.rcp_applies("ses"));
    }

    #[test]
    fn events_map_by_name_by_catalogue_and_by_rule() {
        let catalog = Catalog::builtin();
        let map = |source, name| {
            let (mapped, action) = catalog.map_event(source, name, Parameters(None));
            (action, mapped.source)
        };
        assert_eq!(map("workmail.amazonaws.com", "CreateUser"), ("workmail:CreateUser".into(), MappingSource::Exact));
        assert_eq!(map("workmailMessageFlow.amazonaws.com", "GetRawMessageContent").1, MappingSource::Exact);
        assert_eq!(map("lambda.amazonaws.com", "ListFunctions20150331"), ("lambda:ListFunctions".into(), MappingSource::Catalog));
        assert_eq!(map("lambda.amazonaws.com", "Invoke"), ("lambda:InvokeFunction".into(), MappingSource::Catalog));
        assert_eq!(map("monitoring.amazonaws.com", "GetMetricData").0, "cloudwatch:GetMetricData");
        assert_eq!(map("ec2.amazonaws.com", "DescribeVpcs"), ("ec2:DescribeVpcs".into(), MappingSource::Rule));
        assert_eq!(map("cloudfront.amazonaws.com", "CreateDistribution2020_05_31").0, "cloudfront:CreateDistribution");
    }

    #[test]
    fn only_dates_are_cut() {
        for (name, cut) in [
            ("UpdateFunctionCode20150331v2", "UpdateFunctionCode"),
            ("ListObjectsV2", "ListObjectsV2"),
            ("GetV2", "GetV2"),
            ("20150331", "20150331"),
        ] {
            assert_eq!(cut_version(name), cut);
        }
    }

    #[test]
    fn tag_families_keep_the_tags_spelling() {
        assert_eq!(key("aws:principaltag/team").unwrap().display("AWS:principaltag/Team"), "aws:PrincipalTag/Team");
        assert_eq!(key("aws:sourceip").unwrap().display("AWS:sourceIP"), "aws:SourceIp");
        assert!(key("aws:sourceip/x").is_none());
    }
}
