//! Keys of the resource, and of the request itself.

use super::{EventContext, is_resource_tag, known_or, or_absent};
use crate::account::Place;
use crate::account::history::Value;
use crate::evaluate::ContextState;
use crate::frame::{Flag, Text};
use crate::iam::arn::Arn;

impl EventContext<'_> {
    /// The organization of an account, or the account's path there, as a policy set has it.
    pub(super) fn organization(&self, key: &str, set: usize, account: Option<&str>) -> ContextState {
        match account.and_then(|account| self.beside.place(set, account)) {
            None => ContextState::Unknown,
            Some(Place::Outside) => ContextState::Absent,
            Some(Place::Member { organization, .. }) if key.ends_with("orgid") => ContextState::value(organization.clone()),
            Some(Place::Member { path: Some(path), .. }) => ContextState::value(path.clone()),
            Some(Place::Member { path: None, .. }) => ContextState::PresentUnknown(None),
        }
    }

    /// The organization of the account that a resource is in, where the resource tells it.
    pub(super) fn resource_organization(&self, key: &str, set: usize, action: Option<&str>, resource: Option<&str>) -> ContextState {
        let account = match resource {
            Some("*") => self.text(Text::AccountId),
            Some(arn) => Arn::parse(arn).map(|arn| arn.account).filter(|account| !account.is_empty()),
            None => None,
        };
        let state = self.organization(key, set, account);
        // A few actions of other services leave the key out.
        let service = action.and_then(|action| action.split(':').next()).and_then(|prefix| self.catalog.service(prefix));
        if service.is_some() { state } else { or_absent(state) }
    }

    /// A tag of a resource. Only the key of all services is known to hold the tags of the resource.
    pub(super) fn resource_tag(&self, key: &str, resource: Option<&str>) -> ContextState {
        match (resource, key.strip_prefix("aws:resourcetag/")) {
            (Some("*"), _) => ContextState::Absent,
            (Some(resource), Some(name)) => match self.beside.resource_tag(resource, name, || self.event.time_for_tags()) {
                Value::Text(value) => ContextState::value(value),
                Value::Absent => ContextState::Absent,
                _ => ContextState::Unknown,
            },
            _ => ContextState::Unknown,
        }
    }

    /// Keys of the resource.
    pub(super) fn resource_state(&self, key: &str, set: usize) -> Option<ContextState> {
        let resource = self.text(Text::Resource);
        match key {
            "aws:resourceaccount" => {
                let of_arn = resource.and_then(Arn::parse).map(|arn| arn.account).filter(|account| !account.is_empty());
                Some(known_or(of_arn.or(self.text(Text::AccountId)), ContextState::PresentUnknown(None)))
            }
            "aws:resourceorgid" | "aws:resourceorgpaths" => Some(self.resource_organization(key, set, self.text(Text::Action), resource)),
            _ => is_resource_tag(key).then(|| self.resource_tag(key, resource)),
        }
    }

    /// Keys of the request itself, as the ingester found them.
    pub(super) fn request_state(&self, key: &str) -> ContextState {
        let complete = self.event.flag(Flag::RequestContextComplete) == Some(true);
        let of_request = key.starts_with("aws:requesttag/") || key == "aws:tagkeys" || !key.starts_with("aws:");
        match self.event.request_key(key) {
            Some(Some(values)) => ContextState::Known(values),
            Some(None) => ContextState::Unknown,
            None if complete && of_request => ContextState::Absent,
            None => ContextState::Unknown,
        }
    }
}
