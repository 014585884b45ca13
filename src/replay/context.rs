//! The table from context keys to what an event row tells of them: the only place where event rows become the context
//! of requests.
//!
//! Rules: the IAM user guide's "AWS global condition context keys" and the CloudTrail record reference, with the cases
//! that decide soundness: MFA is absent for long-term keys and federated sessions, an address that is a service's name
//! is unknown, what a log never holds (tags, organization ids) is unknown and not absent.

use std::collections::BTreeSet;

use crate::account::Place;
use crate::account::history::Value;
use crate::catalog::Catalog;
use crate::evaluate::{Bounds, ContextState, unscoped};
use crate::frame::{Flag, Text};
use crate::iam::arn::{Arn, is_service_linked, permission_set};
use crate::iam::condition::date;
use crate::iam::condition::numeric::Decimal;

use super::beside::{Beside, tag};
use super::principals::Principal;
use super::sessions::Session;
use super::view::{EventView, Field, KeyKind};

/// How far before and after `eventTime` the evaluation may have been, in microseconds: the record's time is that of the
/// completion, in whole seconds.
const BEFORE: i64 = 5_000_000;
const AFTER: i64 = 1_000_000;

/// Keys of calls that a service makes for the caller.
const SERVICE_KEYS: [&str; 8] = [
    "aws:viaawsservice",
    "aws:calledvia",
    "aws:calledviafirst",
    "aws:calledvialast",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceorgid",
    "aws:sourceorgpaths",
];

/// Keys of the network path.
const NETWORK_KEYS: [&str; 8] = [
    "aws:sourceip",
    "aws:vpcsourceip",
    "aws:sourcevpce",
    "aws:sourcevpc",
    "aws:sourcevpcarn",
    "aws:vpceaccount",
    "aws:vpceorgid",
    "aws:vpceorgpaths",
];

/// The columns that a replay reads whatever the policies are.
const ALWAYS: [&str; 25] = [
    "event_id",
    "event_time",
    "event_category",
    "region",
    "account_id",
    "principal_account_id",
    "identity_type",
    "principal_arn",
    "principal_id",
    "session_name",
    "session_issuer_arn",
    "session_created",
    "access_key_id",
    "assumed_root",
    "source_ip",
    "vpc_endpoint_id",
    "outcome",
    "denied_by",
    "action",
    "resource",
    "more_checks",
    "mapping_source",
    "resource_source",
    "not_replayable",
    "source_file",
];

/// The columns that a replay reads where policies look at some keys, given in lower case.
pub(super) fn columns<'k>(keys: impl IntoIterator<Item = &'k str>) -> Vec<&'static str> {
    let mut columns: BTreeSet<&str> = ALWAYS.into_iter().collect();
    keys.into_iter().for_each(|key| columns.extend(columns_of(key)));
    columns.into_iter().collect()
}

/// The columns beside [`ALWAYS`] that tell a key's state.
fn columns_of(key: &str) -> &'static [&'static str] {
    match unscoped(key).0 {
        "aws:vpceorgid" => &["vpc_endpoint_account_id"],
        "aws:principalorgid" | "aws:principalorgpaths" | "aws:resourceorgid" | "aws:resourceorgpaths" => &[],
        "aws:currenttime" | "aws:epochtime" | "aws:requestedregion" | "aws:resourceaccount" => &[],
        "aws:principalarn" | "aws:principalaccount" | "aws:principaltype" | "aws:userid" | "aws:username" => &[],
        "aws:useragent" | "aws:referer" | "aws:securetransport" => &["user_agent", "invoked_by", "console_session", "tls"],
        "aws:multifactorauthpresent" | "aws:multifactorauthage" | "aws:tokenissuetime" => &["mfa", "invoked_by", "federated_provider"],
        "aws:sourceidentity" => &["source_identity", "event_version"],
        key if NETWORK_KEYS.contains(&key) => &[],
        key if SERVICE_KEYS.contains(&key) => &["invoked_by"],
        key if key.starts_with("aws:principaltag/") || is_resource_tag(key) => &[],
        key if key.starts_with("aws:requesttag/") || key == "aws:tagkeys" || !key.starts_with("aws:") => {
            &["request_context", "request_context_complete"]
        }
        _ => &[
            "user_agent",
            "invoked_by",
            "console_session",
            "tls",
            "mfa",
            "federated_provider",
            "source_identity",
            "event_version",
            "request_context",
            "request_context_complete",
        ],
    }
}

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
            "aws:referer" if self.is_console() => ContextState::Unknown,
            "aws:referer" => ContextState::Absent,
            "aws:ismcpserviceaction" | "aws:calledviaawsmcp" => ContextState::Absent,
            "aws:viaawsmcpservice" => absent_or(&["false"]),
            "aws:multifactorauthpresent" => self.mfa_present(),
            "aws:multifactorauthage" => self.mfa_age(),
            "aws:tokenissuetime" => self.token_issue_time(),
            "aws:assumedroot" if self.event.flag(Flag::AssumedRoot) == Some(true) => ContextState::value("true"),
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

    /// Whether the call was made with temporary credentials: `None` if the record contradicts itself.
    fn temporary(&self) -> Option<bool> {
        let attributes = self.event.has_session_created() || self.event.flag(Flag::Mfa).is_some();
        let by_service = self.text(Text::InvokedBy).is_some();
        match (self.kind(), attributes) {
            (Kind::Role | Kind::FederatedUser, _) => Some(true),
            (_, true) if self.event.key_kind() == KeyKind::LongTerm && !by_service => None,
            (_, true) => Some(true),
            (_, false) if self.event.key_kind() == KeyKind::Temporary => None,
            (_, false) => Some(false),
        }
    }

    fn secure_transport(&self) -> ContextState {
        let https_only =
            self.text(Text::Action).and_then(|action| action.split(':').next()).and_then(|prefix| self.catalog.service(prefix)).is_some();
        let service_made = self.text(Text::InvokedBy).is_some() || self.is_console();
        if self.text(Text::Tls).is_some() || https_only || service_made { ContextState::value("true") } else { either("false", "true") }
    }

    fn user_agent(&self) -> ContextState {
        let Some(agent) = self.text(Text::UserAgent) else { return ContextState::PresentUnknown(None) };
        let service_made = self.text(Text::InvokedBy).is_some() || agent.ends_with(".amazonaws.com");
        if self.is_console() || service_made || agent.len() >= 1_000 {
            return ContextState::PresentUnknown(None);
        }
        let inner = agent.strip_prefix('[').and_then(|agent| agent.strip_suffix(']')).unwrap_or(agent);
        ContextState::value(inner)
    }

    fn mfa_present(&self) -> ContextState {
        let logged = self.event.flag(Flag::Mfa);
        let role_arn = self.principal().arn.as_deref().unwrap_or_default();
        match self.kind() {
            Kind::FederatedUser | Kind::Service => ContextState::Absent,
            Kind::Role if permission_set(role_arn).is_some() || role_arn.contains(":role/aws-reserved/sso.amazonaws.com/") => {
                ContextState::Absent
            }
            Kind::Role if self.text(Text::FederatedProvider).is_some() || is_service_linked(role_arn) => ContextState::Absent,
            Kind::Role => match logged {
                Some(true) => ContextState::value("true"),
                Some(false) => absent_or(&["false"]),
                None => absent_or(&["false", "true"]),
            },
            Kind::User | Kind::Root => match (self.temporary(), logged) {
                (Some(false), _) => ContextState::Absent,
                (Some(true), Some(mfa)) => ContextState::value(mfa.to_string()),
                (None, Some(mfa)) => absent_or(&[if mfa { "true" } else { "false" }]),
                _ => absent_or(&["false", "true"]),
            },
            Kind::Other => ContextState::Unknown,
        }
    }

    fn mfa_age(&self) -> ContextState {
        let with_mfa = |state: &Option<Vec<String>>| state.as_ref().is_some_and(|values| values.iter().any(|value| value == "true"));
        match self.mfa_present() {
            ContextState::Absent => ContextState::Absent,
            ContextState::Known(values) if !with_mfa(&Some(values.clone())) => ContextState::Absent,
            ContextState::OneOf(states) if !states.iter().any(with_mfa) => ContextState::Absent,
            ContextState::Known(_) => {
                ContextState::PresentUnknown(self.event.age().and_then(|seconds| Decimal::parse(&seconds.to_string())).map(Bounds::AtLeast))
            }
            _ => ContextState::Unknown,
        }
    }

    fn token_issue_time(&self) -> ContextState {
        let issued = self.event.session_created().map(date::format);
        match (self.temporary(), issued) {
            (Some(false), _) => ContextState::Absent,
            (Some(true), Some(time)) => ContextState::value(time),
            (Some(true), None) => ContextState::PresentUnknown(None),
            (None, Some(time)) => absent_or(&[&time]),
            (None, None) => ContextState::Unknown,
        }
    }

    /// Keys of the caller.
    fn principal_state(&self, key: &str, set: usize) -> Option<ContextState> {
        let present_unknown = ContextState::PresentUnknown(None);
        let arn = self.principal().arn.as_deref();
        Some(match (key, self.kind()) {
            ("aws:principalarn", Kind::Service) => ContextState::Absent,
            ("aws:principalarn", Kind::FederatedUser) => match (self.text(Text::SessionName), self.principal().account.as_str()) {
                (Some(name), account) if !account.is_empty() => {
                    ContextState::value(format!("arn:aws:sts::{account}:federated-user/{name}"))
                }
                _ => present_unknown,
            },
            ("aws:principalarn", _) if self.principal().arn_is_sure => known_or(arn, present_unknown),
            ("aws:principalarn", _) => present_unknown,
            ("aws:principalaccount", _) => {
                known_or(Some(self.principal().account.as_str()).filter(|account| !account.is_empty()), present_unknown)
            }
            ("aws:principaltype", Kind::Root) => ContextState::value("Account"),
            ("aws:principaltype", Kind::User) => ContextState::value("User"),
            ("aws:principaltype", Kind::Role) => ContextState::value("AssumedRole"),
            ("aws:principaltype", Kind::FederatedUser) => ContextState::value("FederatedUser"),
            ("aws:principaltype", _) => present_unknown,
            ("aws:principalisawsservice", kind) => ContextState::value((kind == Kind::Service).to_string()),
            ("aws:principalservicename" | "aws:principalservicenameslist", Kind::Service) => present_unknown,
            ("aws:principalservicename" | "aws:principalservicenameslist", _) => ContextState::Absent,
            ("aws:userid", _) => self.user_id().map_or(present_unknown, ContextState::value),
            ("aws:username", Kind::User) => known_or(arn.and_then(Arn::parse).map(|arn| arn.name()), present_unknown),
            ("aws:username", Kind::Other) => ContextState::Unknown,
            ("aws:username", _) => ContextState::Absent,
            ("aws:sourceidentity", Kind::Role) => match self.text(Text::SourceIdentity) {
                Some(identity) => ContextState::value(identity),
                None if self.is_older_than(8) => match self.beside.session(self.event.session()) {
                    Some(Session { source_identity: Some(identity), .. }) => ContextState::value(identity),
                    Some(Session { source_complete: true, .. }) => ContextState::Absent,
                    _ => ContextState::Unknown,
                },
                None => ContextState::Absent,
            },
            ("aws:sourceidentity", Kind::Other) => ContextState::Unknown,
            ("aws:sourceidentity", _) => ContextState::Absent,
            ("aws:federatedprovider", _) => known_or(self.text(Text::FederatedProvider), ContextState::Absent),
            ("aws:signinsessionarn", _) if self.temporary() == Some(false) => ContextState::Absent,
            ("aws:signinsessionarn", _) => ContextState::Unknown,
            ("aws:principalorgid" | "aws:principalorgpaths", Kind::Service) => ContextState::Unknown,
            ("aws:principalorgid" | "aws:principalorgpaths", _) => self.organization(key, set, Some(self.principal().account.as_str())),
            _ => return self.session_state(key).or_else(|| self.tag_state(key, set)),
        })
    }

    /// Keys that only some role sessions have and that no record tells.
    fn session_state(&self, key: &str) -> Option<ContextState> {
        let sessions = [
            "aws:chatbotsourcearn",
            "aws:ec2instancesourcevpc",
            "aws:ec2instancesourceprivateipv4",
            "ec2:sourceinstancearn",
            "ec2:roledelivery",
            "lambda:sourcefunctionarn",
            "identitystore:userid",
        ];
        let role = matches!(self.kind(), Kind::Role | Kind::Other);
        sessions.contains(&key).then_some(if role { ContextState::Unknown } else { ContextState::Absent })
    }

    /// Tags of a user come from the snapshot; those of a role may be overridden by tags of the session.
    fn tag_state(&self, key: &str, set: usize) -> Option<ContextState> {
        let name = key.strip_prefix("aws:principaltag/")?;
        let session = if self.kind() == Kind::Role { self.beside.session(self.event.session()) } else { None };
        match session.map(|session| tag(&session.tags, name)) {
            Some(None) => return Some(ContextState::Unknown),
            Some(Some(Some(value))) => return Some(ContextState::value(value)),
            _ => {}
        }
        let Some((tags, unknown)) = self.principal().tags_in(set) else { return Some(ContextState::Unknown) };
        if unknown.iter().any(|key| key.to_lowercase() == name) {
            return Some(ContextState::Unknown);
        }
        let Some(value) = tag(tags, name) else { return Some(ContextState::Unknown) };
        let told = session.is_some_and(|session| session.tags_complete);
        Some(match (self.kind(), value) {
            (Kind::Role, value) if told => known_or(value, ContextState::Absent),
            (Kind::User, Some(value)) => ContextState::value(value),
            (Kind::User, None) => ContextState::Absent,
            (_, Some(_)) => ContextState::PresentUnknown(None),
            (_, None) => ContextState::Unknown,
        })
    }

    fn user_id(&self) -> Option<String> {
        let id = self.text(Text::PrincipalId);
        match self.kind() {
            Kind::Root => Some(self.principal().account.clone()).filter(|account| !account.is_empty()),
            Kind::Role => Some(format!("{}:{}", id?, self.text(Text::SessionName)?)),
            Kind::FederatedUser => Some(format!("{}:{}", self.principal().account, self.text(Text::SessionName)?)),
            Kind::User => id.map(str::to_owned),
            Kind::Service | Kind::Other => None,
        }
    }

    /// Keys of calls that a service makes for the caller.
    fn service_state(&self, key: &str) -> Option<ContextState> {
        if !SERVICE_KEYS.contains(&key) {
            return None;
        }
        let invoked_by = self.text(Text::InvokedBy);
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
    fn network_state(&self, key: &str) -> Option<ContextState> {
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

    /// The organization of an account, or the account's path there, as a policy set has it.
    fn organization(&self, key: &str, set: usize, account: Option<&str>) -> ContextState {
        match account.and_then(|account| self.beside.place(set, account)) {
            None => ContextState::Unknown,
            Some(Place::Outside) => ContextState::Absent,
            Some(Place::Member { organization, .. }) if key.ends_with("orgid") => ContextState::value(organization.clone()),
            Some(Place::Member { path: Some(path), .. }) => ContextState::value(path.clone()),
            Some(Place::Member { path: None, .. }) => ContextState::PresentUnknown(None),
        }
    }

    /// The organization of the account that a resource is in, where the resource tells it.
    fn resource_organization(&self, key: &str, set: usize, action: Option<&str>, resource: Option<&str>) -> ContextState {
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
    fn resource_tag(&self, key: &str, resource: Option<&str>) -> ContextState {
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
    fn resource_state(&self, key: &str, set: usize) -> Option<ContextState> {
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
    fn request_state(&self, key: &str) -> ContextState {
        let complete = self.event.flag(Flag::RequestContextComplete) == Some(true);
        let of_request = key.starts_with("aws:requesttag/") || key == "aws:tagkeys" || !key.starts_with("aws:");
        match self.event.request_key(key) {
            Some(Some(values)) => ContextState::Known(values),
            Some(None) => ContextState::Unknown,
            None if complete && of_request => ContextState::Absent,
            None => ContextState::Unknown,
        }
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
        match key {
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

    fn is_older_than(&self, minor: u32) -> bool {
        let version = self.text(Text::EventVersion).and_then(|version| version.split_once('.'));
        version
            .and_then(|(major, rest)| Some((major.parse::<u32>().ok()?, rest.parse::<u32>().ok()?)))
            .is_none_or(|version| version < (1, minor))
    }
}
