//! What a name means, as a person types it: services, actions, events and condition keys.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{Catalog, KeyInfo, MappingSource, Operation, Parameters, Service};
use crate::iam::ActionPattern;

/// An action and its service.
pub type KnownAction<'c> = (&'c Service, &'c Operation);

/// Condition keys as they are documented, with what AWS documents of those that are not of one service.
pub type DocumentedKeys<'c> = BTreeMap<String, Option<&'c KeyInfo>>;

/// What tells a replay the value of a condition key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToldBy {
    /// The record of the call.
    Record,
    /// The request parameters in the record.
    Parameters,
    /// The catalogue, for the further checks of a call.
    Catalog,
    /// Nothing, but a record can tell that a request lacks the key.
    Absence,
    /// Policy files and side data.
    Policies,
    /// Nothing: requests are taken to lack it.
    Assumed,
    /// Nothing.
    #[default]
    Nothing,
}

impl ToldBy {
    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Parameters => "parameters",
            Self::Catalog => "catalog",
            Self::Absence => "absence",
            Self::Policies => "policies",
            Self::Assumed => "assumed",
            Self::Nothing => "nothing",
        }
    }
}

/// An event and what it maps to.
#[derive(Debug)]
pub struct FoundEvent<'c> {
    /// `eventSource`.
    pub source: String,
    /// `eventName`.
    pub name: String,
    /// The action's full name.
    pub action: String,
    /// The action, if it is known.
    pub known: Option<KnownAction<'c>>,
    /// How it was found.
    pub how: MappingSource,
}

/// What a name means.
#[derive(Debug, Default)]
pub struct Found<'c> {
    /// Actions; those that an event maps to among them.
    pub actions: Vec<KnownAction<'c>>,
    /// Events, if the name is that of events.
    pub events: Vec<FoundEvent<'c>>,
    /// Condition keys.
    pub keys: DocumentedKeys<'c>,
    /// Whether the name is a glob or a service, and not that of one thing.
    pub is_list: bool,
}

impl Catalog {
    /// What a name means: a glob, an IAM prefix, an event source, an action, a key, or else an event. Letter case does not
    /// matter, but for the names of events. `None` if there is nothing of that name.
    pub fn look_up(&self, name: &str) -> Option<Found<'_>> {
        let folded = name.to_lowercase();
        let by_source = || self.services().find(|service| service.event_sources.contains(&folded));
        let mut found = if name.contains(['*', '?']) {
            // Without a colon it is about names of actions.
            let prefix = if name.contains(':') { "" } else { "*:" };
            self.matching(&format!("{prefix}{folded}"))
        } else if let Some(service) = self.service(&folded).or_else(by_source) {
            self.matching(&format!("{}:*", service.prefix))
        } else {
            Found { actions: self.action(name).into_iter().collect(), keys: self.keys_named(&folded), ..Found::default() }
        };
        if found.actions.is_empty() && found.keys.is_empty() && !found.is_list {
            found.events = self.events_named(name);
            found.actions = found.events.iter().filter_map(|event| event.known).collect();
            found.actions.dedup_by(|a, b| a.1.action == b.1.action);
        }
        let nothing = found.actions.is_empty() && found.keys.is_empty() && found.events.is_empty();
        (!nothing).then_some(found)
    }

    /// All actions, in the order of their services.
    pub fn actions(&self) -> impl Iterator<Item = KnownAction<'_>> {
        self.services().flat_map(|service| service.actions.values().map(move |operation| (service, operation.as_ref())))
    }

    /// All condition keys: those that are not of one service, and those that actions and resource types list.
    pub fn documented_keys(&self) -> DocumentedKeys<'_> {
        let of_actions = self.actions().flat_map(|(_, operation)| &operation.keys);
        let of_types = self.services().flat_map(|service| service.resources.values()).flat_map(|template| &template.keys);
        let mut keys: DocumentedKeys<'_> = of_actions.chain(of_types).map(|key| (key.clone(), None)).collect();
        let spelling = |key: &KeyInfo| if key.tag { format!("{}${{TagKey}}", key.key) } else { key.key.clone() };
        keys.extend(self.keys().map(|key| (spelling(key), Some(key))));
        keys
    }

    /// The keys of all services, with `aws:` before them.
    pub fn global_keys(&self) -> impl Iterator<Item = &KeyInfo> {
        self.keys().filter(|key| key.key.starts_with("aws:"))
    }

    /// The actions that list a key, or have a resource type that does. The key is spelt as it is documented.
    pub fn actions_with(&self, key: &str) -> impl Iterator<Item = KnownAction<'_>> {
        self.actions().filter(move |(service, operation)| {
            let of_types = service.types_of(operation).flat_map(|(_, template)| &template.keys);
            operation.keys.iter().chain(of_types).any(|known| known == key)
        })
    }

    /// The request parameters that a key is read from, whatever the action is.
    pub fn parameters_of(&self, key: &str) -> BTreeSet<&str> {
        let family = key.split_once('/').map_or(key, |(family, _)| family);
        let is_key = |entry: &(&String, &String)| entry.0.eq_ignore_ascii_case(family);
        let found = self.actions().filter_map(|(_, operation)| operation.context.iter().find(is_key));
        found.map(|(_, parameter)| parameter.as_str()).collect()
    }

    /// What tells a replay the value of a key.
    pub fn told_by(&self, key: &str) -> ToldBy {
        let told = self.key(&key.to_lowercase()).map(|key| key.told_by).unwrap_or_default();
        if told != ToldBy::Nothing {
            return told;
        }
        let mut checks = self.actions().flat_map(|(_, operation)| &operation.also);
        if !self.parameters_of(key).is_empty() {
            ToldBy::Parameters
        } else if checks.any(|check| check.context.keys().any(|known| known.eq_ignore_ascii_case(key))) {
            ToldBy::Catalog
        } else {
            ToldBy::Nothing
        }
    }

    /// The events that show a use of an action.
    pub fn events_of<'c>(&'c self, (service, operation): KnownAction<'c>) -> Vec<FoundEvent<'c>> {
        let of_source = move |source: &'c String| service.event_names(operation).map(move |name| self.found_event(source, name));
        service.event_sources.iter().flat_map(of_source).collect()
    }

    /// The actions and keys that a glob in lower case matches.
    fn matching(&self, glob: &str) -> Found<'_> {
        let pattern = ActionPattern::new(glob);
        let covers = |name: &str| pattern.matches(&name.to_lowercase());
        let actions = self.actions().filter(|(_, operation)| covers(&operation.action)).collect();
        let keys = self.documented_keys().into_iter().filter(|(key, _)| covers(key)).collect();
        Found { actions, events: Vec::new(), keys, is_list: true }
    }

    /// The documented keys that a key in lower case is one of: of a family it has any tag, or none.
    fn keys_named(&self, written: &str) -> DocumentedKeys<'_> {
        let is_last = |rest: &str| rest.strip_suffix('}').is_some_and(|tag| !tag.contains('}'));
        let is_written = |known: &str| {
            let family = known.split_once("${").filter(|(_, rest)| is_last(rest)).map(|(family, _)| family);
            let of_family = |family: &str| written.starts_with(family) || written == family.trim_end_matches(['/', ':']);
            written == known || family.is_some_and(of_family)
        };
        self.documented_keys().into_iter().filter(|(key, _)| is_written(&key.to_lowercase())).collect()
    }

    /// The one event of `SOURCE:NAME`; of `PREFIX:NAME` and of a bare name those events of it that are known.
    fn events_named(&self, text: &str) -> Vec<FoundEvent<'_>> {
        let (head, name) = text.split_once(':').map_or((None, text), |(head, name)| (Some(head.to_lowercase()), name));
        if let Some(source) = head.as_ref().filter(|head| head.contains('.') && !name.is_empty()) {
            return vec![self.found_event(source, name)];
        }
        let services = self.services().filter(|service| head.as_ref().is_none_or(|head| service.prefix == *head));
        let events = services.flat_map(|service| &service.event_sources).map(|source| self.found_event(source, name));
        events.filter(|event| event.known.is_some()).collect()
    }

    fn found_event(&self, source: &str, name: &str) -> FoundEvent<'_> {
        let (mapped, action) = self.map_event(source, name, Parameters(None));
        let known = mapped.service.zip(mapped.operation);
        // In the catalogue's spelling, whatever letter case was typed.
        let own = known.filter(|_| mapped.source == MappingSource::Exact).map(|(_, operation)| operation.name.as_str());
        let name = own.unwrap_or(name).to_owned();
        FoundEvent { source: source.to_owned(), name, action: action.into_owned(), known, how: mapped.source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_as_what_they_are() {
        let found = |name| Catalog::builtin().look_up(name).map(|found| (found.actions.len(), found.events.len(), found.keys.len()));
        assert_eq!(found("WORKMAIL:createuser"), Some((1, 0, 0)));
        assert_eq!(found("workmail:*"), found("workmail.amazonaws.com"));
        assert_eq!(found("aws:principaltag/team"), Some((0, 0, 1)));
        assert_eq!(found("AWS:RequestTag"), Some((0, 0, 1)));
        assert_eq!(found("cognito-identity.amazonaws.com:aud"), Some((0, 0, 1)), "not every name with a dot is an event");
        assert_eq!(found("ec2.amazonaws.com:DescribeVpcs"), Some((0, 1, 0)));
        assert_eq!(found("lambda:Invoke"), Some((1, 1, 0)));
        assert_eq!(found("email.amazonaws.com:SendEmail"), Some((1, 1, 0)));
        assert_eq!(found("SendRawEmail"), Some((1, 2, 0)), "two sources, one action");
        for nothing in ["", ":", "workmail:", "ec2", "ec2.amazonaws.com", "ec2.amazonaws.com:", "ec2:DescribeVpcs", "Nothing*"] {
            assert_eq!(found(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn each_key_is_told_by_something() {
        let catalog = Catalog::builtin();
        let told = |key: &str| catalog.told_by(key).name();
        assert_eq!(told("AWS:sourceip"), "record");
        assert_eq!(told("aws:RequestTag/${TagKey}"), "parameters");
        assert_eq!(catalog.parameters_of("aws:TagKeys").into_iter().collect::<Vec<_>>(), ["tagKeys", "tags"]);
        assert_eq!(told("workmail:ImpersonationRoleId"), "parameters");
        assert_eq!(told("iam:PassedToService"), "catalog");
        assert_eq!(told("aws:ResourceTag/Team"), "policies");
        assert_eq!(told("aws:Referer"), "absence");
        assert_eq!(told("kms:ViaService"), "nothing");
        assert!(catalog.global_keys().all(|key| catalog.told_by(&key.key) != ToldBy::Nothing), "keys.json says it of each global key");
    }
}
