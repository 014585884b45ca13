//! Keys of the caller: who it is, which credentials it has, its tags.

use super::{EventContext, Kind, absent_or, known_or};
use crate::evaluate::{Bounds, ContextState};
use crate::frame::{Flag, Text};
use crate::iam::arn::{Arn, is_service_linked, permission_set};
use crate::iam::condition::date;
use crate::iam::condition::numeric::Decimal;
use crate::replay::beside::tag;
use crate::replay::sessions::Session;
use crate::replay::view::KeyKind;

impl EventContext<'_> {
    /// Whether the call was made with temporary credentials: `None` if the record contradicts itself.
    pub(super) fn temporary(&self) -> Option<bool> {
        let attributes = self.event.has_session_created() || self.event.flag(Flag::Mfa).is_some();
        let by_service = self.text(Text::InvokedBy).is_some();
        match (self.kind(), attributes) {
            (Kind::Role | Kind::FederatedUser, _) => Some(true),
            (_, true) if self.event.key_kind() == KeyKind::LongTerm && !by_service => None,
            (_, true) => Some(true),
            (_, false) if self.event.key_kind() == KeyKind::Temporary => None,
            (_, false)
                if self.is_untold("aws:tokenissuetime")
                    && (self.event.key_kind() == KeyKind::Other || self.is_untold("aws:multifactorauthpresent")) =>
            {
                None
            }
            (_, false) => Some(false),
        }
    }

    pub(super) fn mfa_present(&self) -> ContextState {
        let logged = self.event.flag(Flag::Mfa);
        let role_arn = self.principal().arn.as_deref().unwrap_or_default();
        match self.kind() {
            Kind::FederatedUser | Kind::Service => ContextState::Absent,
            Kind::Role if permission_set(role_arn).is_some() || role_arn.contains(":role/aws-reserved/sso.amazonaws.com/") => {
                ContextState::Absent
            }
            Kind::Role if self.text(Text::FederatedProvider).is_some() || is_service_linked(role_arn) => ContextState::Absent,
            Kind::Role => match logged {
                // A federated session has none.
                Some(true) if self.is_untold("aws:federatedprovider") => absent_or(&["true"]),
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

    pub(super) fn mfa_age(&self) -> ContextState {
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

    pub(super) fn token_issue_time(&self) -> ContextState {
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
    pub(super) fn principal_state(&self, key: &str, set: usize) -> Option<ContextState> {
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
                None if self.is_older_than(8) || self.is_untold(key) => match self.beside.session(self.event.session()) {
                    Some(Session { source_identity: Some(identity), .. }) => ContextState::value(identity),
                    Some(Session { source_complete: true, .. }) => ContextState::Absent,
                    _ => ContextState::Unknown,
                },
                None => ContextState::Absent,
            },
            ("aws:sourceidentity", Kind::Other) => ContextState::Unknown,
            ("aws:sourceidentity", _) => ContextState::Absent,
            ("aws:federatedprovider", kind) => match self.text(Text::FederatedProvider) {
                Some(provider) => ContextState::value(provider),
                None if matches!(kind, Kind::Role | Kind::Other) && self.is_untold(key) => ContextState::Unknown,
                None => ContextState::Absent,
            },
            ("aws:signinsessionarn", _) if self.temporary() == Some(false) => ContextState::Absent,
            ("aws:signinsessionarn", _) => ContextState::Unknown,
            ("aws:principalorgid" | "aws:principalorgpaths", Kind::Service) => ContextState::Unknown,
            ("aws:principalorgid" | "aws:principalorgpaths", _) => self.organization(key, set, Some(self.principal().account.as_str())),
            _ => return self.session_state(key).or_else(|| self.tag_state(key, set)),
        })
    }

    /// Keys that only some role sessions have and that no record tells.
    pub(super) fn session_state(&self, key: &str) -> Option<ContextState> {
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
    pub(super) fn tag_state(&self, key: &str, set: usize) -> Option<ContextState> {
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

    pub(super) fn user_id(&self) -> Option<String> {
        let id = self.text(Text::PrincipalId);
        match self.kind() {
            Kind::Root => Some(self.principal().account.clone()).filter(|account| !account.is_empty()),
            Kind::Role => Some(format!("{}:{}", id?, self.text(Text::SessionName)?)),
            Kind::FederatedUser => Some(format!("{}:{}", self.principal().account, self.text(Text::SessionName)?)),
            Kind::User => id.map(str::to_owned),
            Kind::Service | Kind::Other => None,
        }
    }

    pub(super) fn is_older_than(&self, minor: u32) -> bool {
        let version = self.text(Text::EventVersion).and_then(|version| version.split_once('.'));
        version
            .and_then(|(major, rest)| Some((major.parse::<u32>().ok()?, rest.parse::<u32>().ok()?)))
            .is_none_or(|version| version < (1, minor))
    }
}
