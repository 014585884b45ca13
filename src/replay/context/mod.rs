//! The table from context keys to what an event row tells of them: the only place where event rows become the context
//! of requests.
//!
//! Rules: the IAM user guide's "AWS global condition context keys" and the CloudTrail record reference, with the cases
//! that decide soundness: MFA is absent for long-term keys and federated sessions, an address that is a service's name
//! is unknown, what a log never holds (tags, organization ids) is unknown and not absent.

mod call;
mod caller;
mod columns;
mod resource;

pub(super) use columns::columns;

use super::beside::Beside;
use super::principals::Principal;
use super::view::{EventView, Field};
use crate::catalog::Catalog;
use crate::evaluate::{Bounds, ContextState, unscoped};
use crate::frame::{Flag, Text};
use crate::iam::arn::Arn;

/// How far before and after `eventTime` the evaluation may have been, in microseconds: the record's time is that of the
/// completion, in whole seconds.
const BEFORE: i64 = 5_000_000;
const AFTER: i64 = 1_000_000;

/// `aws:ResourceTag/NAME`, or that of a service.
fn is_resource_tag(key: &str) -> bool {
    key.split_once("resourcetag/").is_some_and(|(family, _)| family.ends_with(':'))
}

/// When the call can have been evaluated, from and to, by the record's time.
pub(super) fn possible_times(time: i64) -> [i64; 2] {
    [time - BEFORE, time + AFTER]
}

/// One event with what is known of its principal.
pub(super) struct EventContext<'b> {
    event: EventView<'b>,
    principal: &'b Principal,
    catalog: &'b Catalog,
    /// The same for all principals: what is read of it tells none of them apart.
    beside: &'b Beside,
}

/// Who made the call, as far as context keys differ by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Root,
    User,
    Role,
    FederatedUser,
    Service,
    Other,
}

fn absent_or(values: &[&str]) -> ContextState {
    let known = values.iter().map(|value| Some(vec![(*value).to_owned()]));
    ContextState::OneOf(std::iter::once(None).chain(known).collect())
}

fn either(a: &str, b: &str) -> ContextState {
    ContextState::OneOf(vec![Some(vec![a.to_owned()]), Some(vec![b.to_owned()])])
}

fn known_or(value: Option<&str>, otherwise: ContextState) -> ContextState {
    value.map_or(otherwise, ContextState::value)
}

/// The state of a key of which it is not known whether the request has it at all.
fn or_absent(state: ContextState) -> ContextState {
    match state {
        ContextState::Known(values) => ContextState::OneOf(vec![None, Some(values)]),
        ContextState::PresentUnknown(_) => ContextState::Unknown,
        other => other,
    }
}

impl<'b> EventContext<'b> {
    /// The event with its principal.
    pub(super) fn new(event: EventView<'b>, principal: &'b Principal, catalog: &'b Catalog) -> Self {
        Self { event, principal, catalog, beside: &principal.beside }
    }

    fn principal(&self) -> &'b Principal {
        self.event.reads(Field::Principal);
        self.principal
    }

    /// What is known of a key, by its name in lower case, for the event's own check.
    pub(super) fn state(&self, key: &str) -> ContextState {
        let (key, set) = unscoped(key);
        match key {
            "aws:currenttime" | "aws:epochtime" => {
                let [from, to] = possible_times(self.event.time_for_rules());
                ContextState::PresentUnknown(Some(Bounds::Time { from, to }))
            }
            "aws:requestedregion" => known_or(self.text(Text::Region), ContextState::PresentUnknown(None)),
            "aws:securetransport" => self.secure_transport(),
            "aws:useragent" => self.user_agent(),
            "aws:referer" if self.is_console() || self.is_untold(key) => ContextState::Unknown,
            "aws:referer" => ContextState::Absent,
            "aws:ismcpserviceaction" | "aws:calledviaawsmcp" => ContextState::Absent,
            "aws:viaawsmcpservice" => absent_or(&["false"]),
            "aws:multifactorauthpresent" => self.mfa_present(),
            "aws:multifactorauthage" => self.mfa_age(),
            "aws:tokenissuetime" => self.token_issue_time(),
            "aws:assumedroot" if self.event.flag(Flag::AssumedRoot) == Some(true) => ContextState::value("true"),
            "aws:assumedroot" if self.kind() == Kind::Root && self.is_untold(key) => ContextState::Unknown,
            "aws:assumedroot" => ContextState::Absent,
            // It has one value, which a template does not tell.
            _ if key.starts_with(crate::account::UNKNOWN_VARIABLE) => ContextState::PresentUnknown(None),
            _ => self
                .principal_state(key, set)
                .or_else(|| self.service_state(key))
                .or_else(|| self.network_state(key))
                .or_else(|| self.resource_state(key, set))
                .unwrap_or_else(|| self.request_state(key)),
        }
    }

    fn text(&self, column: Text) -> Option<&str> {
        self.event.text(column)
    }

    /// Whether the log comes from a table that has no column for what tells this key: it is not absent for being nowhere.
    fn is_untold(&self, key: &str) -> bool {
        self.event.request_key(key) == Some(None)
    }

    fn kind(&self) -> Kind {
        match self.text(Text::IdentityType) {
            Some("Root") => Kind::Root,
            Some("IAMUser") => Kind::User,
            Some("AssumedRole" | "Role") => Kind::Role,
            Some("FederatedUser") => Kind::FederatedUser,
            Some("AWSService") => Kind::Service,
            _ => Kind::Other,
        }
    }

    fn is_console(&self) -> bool {
        let agent = self.text(Text::UserAgent).unwrap_or_default();
        let browser = agent.contains("Mozilla/") || agent.contains("console.amazonaws.com") || agent.contains("AWS Internal");
        browser || self.event.flag(Flag::ConsoleSession) == Some(true)
    }

    /// The caller's address, where the record holds one.
    fn address(&self) -> Option<&str> {
        self.text(Text::SourceIp).filter(|text| crate::iam::condition::ip::address(text).is_some())
    }

    /// What is known of a key for a further check of the event: the caller and the call are the same, the request is another.
    pub(super) fn check_state(&self, key: &str, own: &ContextState, check: &super::view::CheckRow) -> ContextState {
        let (key, set) = unscoped(key);
        let own_action = self.text(Text::Action).unwrap_or_default();
        let also =
            self.catalog.action(own_action).and_then(|(_, operation)| operation.also.iter().find(|also| also.action == check.action));
        if let Some(value) =
            also.and_then(|also| also.context.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value))
        {
            return ContextState::value(value.clone());
        }
        // What asks for the check are the tags of the call.
        let is_of_call = also.is_some_and(|also| also.resource_parameter.is_none());
        match key {
            _ if is_of_call && (key == "aws:tagkeys" || key.starts_with("aws:requesttag/") || key.starts_with("sts:")) => own.clone(),
            "aws:tagkeys" => ContextState::Absent,
            _ if key.starts_with("aws:requesttag/") => ContextState::Absent,
            "aws:resourceaccount" => {
                let account = check.resource.as_deref().and_then(Arn::parse).map(|arn| arn.account).filter(|account| !account.is_empty());
                known_or(account, ContextState::PresentUnknown(None))
            }
            "aws:resourceorgid" | "aws:resourceorgpaths" => {
                self.resource_organization(key, set, Some(&check.action), check.resource.as_deref())
            }
            _ if is_resource_tag(key) => self.resource_tag(key, check.resource.as_deref()),
            _ if key.starts_with("aws:") => own.clone(),
            _ => ContextState::Unknown,
        }
    }
}
