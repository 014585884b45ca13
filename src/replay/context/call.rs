//! Keys of the call: the program that makes it, the service behind it, the network path.

use super::columns::{NETWORK_KEYS, SERVICE_KEYS};
use super::{EventContext, Kind, absent_or, either, known_or, or_absent};
use crate::evaluate::ContextState;
use crate::frame::Text;

impl EventContext<'_> {
    pub(super) fn secure_transport(&self) -> ContextState {
        let https_only =
            self.text(Text::Action).and_then(|action| action.split(':').next()).and_then(|prefix| self.catalog.service(prefix)).is_some();
        let service_made = self.text(Text::InvokedBy).is_some() || self.is_console();
        if self.text(Text::Tls).is_some() || https_only || service_made { ContextState::value("true") } else { either("false", "true") }
    }

    pub(super) fn user_agent(&self) -> ContextState {
        let Some(agent) = self.text(Text::UserAgent) else { return ContextState::PresentUnknown(None) };
        let service_made = self.text(Text::InvokedBy).is_some() || agent.ends_with(".amazonaws.com");
        let may_be_made_for = self.is_untold("aws:referer") || self.is_untold("aws:viaawsservice");
        if self.is_console() || service_made || may_be_made_for || agent.len() >= 1_000 {
            return ContextState::PresentUnknown(None);
        }
        let inner = agent.strip_prefix('[').and_then(|agent| agent.strip_suffix(']')).unwrap_or(agent);
        ContextState::value(inner)
    }

    /// Keys of calls that a service makes for the caller.
    pub(super) fn service_state(&self, key: &str) -> Option<ContextState> {
        if !SERVICE_KEYS.contains(&key) {
            return None;
        }
        let invoked_by = self.text(Text::InvokedBy);
        let is_via = key == "aws:viaawsservice" || key.starts_with("aws:calledvia");
        if is_via && invoked_by.is_none() && self.kind() != Kind::Service && self.is_untold(key) {
            return Some(ContextState::Unknown);
        }
        let console_hop = matches!(invoked_by, Some("AWS Internal" | "signin.amazonaws.com"));
        let unsure = console_hop || matches!(self.kind(), Kind::Role | Kind::Other);
        Some(match (key, self.kind(), invoked_by) {
            ("aws:viaawsservice", Kind::Service, _) | ("aws:viaawsservice", _, None) => ContextState::value("false"),
            ("aws:viaawsservice", ..) if unsure => either("false", "true"),
            ("aws:viaawsservice", ..) => ContextState::value("true"),
            ("aws:calledvia" | "aws:calledviafirst" | "aws:calledvialast", Kind::Service, _) => ContextState::Absent,
            ("aws:calledvia" | "aws:calledviafirst" | "aws:calledvialast", _, None) => ContextState::Absent,
            ("aws:calledvialast", _, Some(service)) if !console_hop && unsure => absent_or(&[service]),
            ("aws:calledvialast", _, Some(service)) if !console_hop => ContextState::value(service),
            ("aws:calledvia" | "aws:calledviafirst" | "aws:calledvialast", ..) if unsure => ContextState::Unknown,
            ("aws:calledvia" | "aws:calledviafirst" | "aws:calledvialast", ..) => ContextState::PresentUnknown(None),
            ("aws:sourceaccount" | "aws:sourcearn" | "aws:sourceorgid" | "aws:sourceorgpaths", Kind::Service | Kind::Other, _) => {
                ContextState::Unknown
            }
            ("aws:sourceaccount" | "aws:sourcearn" | "aws:sourceorgid" | "aws:sourceorgpaths", ..) => ContextState::Absent,
            _ => return None,
        })
    }

    /// Keys of the network path.
    pub(super) fn network_state(&self, key: &str) -> Option<ContextState> {
        if !NETWORK_KEYS.contains(&key) {
            return None;
        }
        let endpoint = self.text(Text::VpcEndpointId);
        let address = self.address();
        // Asked only where it matters: an address then means the same whatever the action is.
        let workmail = || self.text(Text::Action).is_some_and(|action| action.starts_with("workmail"));
        Some(match (key, endpoint) {
            ("aws:sourceip", None) => known_or(address, ContextState::Unknown),
            ("aws:sourceip", Some(_)) if address.is_some() => ContextState::Absent,
            ("aws:sourceip", Some(_)) => ContextState::Unknown,
            ("aws:vpcsourceip" | "aws:sourcevpce" | "aws:sourcevpc" | "aws:sourcevpcarn", None) => ContextState::Absent,
            ("aws:vpceaccount" | "aws:vpceorgid" | "aws:vpceorgpaths", None) => ContextState::Absent,
            ("aws:vpcsourceip", Some(_)) => known_or(address, ContextState::Unknown),
            ("aws:sourcevpce", Some(id)) if address.is_some() => ContextState::value(id),
            // Of a call that a service makes, the endpoint is the service's own.
            ("aws:sourcevpc", Some(id)) if address.is_some() => {
                known_or(self.beside.endpoint(id).and_then(|endpoint| endpoint.vpc.as_deref()), ContextState::Unknown)
            }
            ("aws:vpceorgid", Some(id)) if address.is_some() => {
                let owner = self.beside.endpoint(id).and_then(|endpoint| endpoint.account.as_deref());
                let state = self.organization(key, 0, self.text(Text::VpcEndpointAccountId).or(owner));
                if workmail() || self.text(Text::Action).is_some_and(|action| action.starts_with("ses:")) {
                    state
                } else {
                    or_absent(state)
                }
            }
            ("aws:sourcevpcarn" | "aws:vpceaccount" | "aws:vpceorgpaths", Some(_)) if workmail() => ContextState::Absent,
            (
                "aws:sourcevpc" | "aws:sourcevpce" | "aws:sourcevpcarn" | "aws:vpceaccount" | "aws:vpceorgid" | "aws:vpceorgpaths",
                Some(_),
            ) => ContextState::Unknown,
            _ => return None,
        })
    }
}
