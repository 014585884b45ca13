//! A CloudTrail record to its event row: who, which action on which resource, what happened, and what the context keys need.

mod authorization;
mod principal;

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde_json_borrow::Value;
use sha2::{Digest, Sha256};

use self::authorization::authorization;
use self::principal::{account, principal};
use crate::account::history::{self, AccessChange};
use crate::catalog::{self, Catalog, MappedAction, Outcome, Parameters};
use crate::cloudtrail::columns::{Member, Untold};
use crate::cloudtrail::{Record, denial, event_time};
use crate::frame::{EventRow, Flag, Text};
use crate::iam::arn;

/// Maps a record. `text` is its JSON, `file` and `index` where it stands; the record must have a readable time.
pub fn map_record<'a>(catalog: &'a Catalog, record: &'a Record<'a>, text: &str, file: &'a str, index: u64) -> EventRow<'a> {
    let time = record.event_time.get().and_then(event_time).unwrap_or_default();
    let mut row = EventRow::new(time, i64::try_from(index).unwrap_or(i64::MAX));
    map_into(&mut row, catalog, record, text, file, false);
    row
}

/// The same into a row of which time and place are known; who made the call may be left out where it `has_caller` already.
pub(super) fn map_into<'a>(
    row: &mut EventRow<'a>,
    catalog: &'a Catalog,
    record: &'a Record<'a>,
    text: &str,
    file: &'a str,
    has_caller: bool,
) {
    let source = record.event_source.get().map(str::trim);
    row.set(Text::SourceFile, Some(file));
    row.set(Text::EventSource, source);
    let source = source.unwrap_or_default();
    envelope(row, record, text);
    let outcome = outcome(catalog, record);
    let changes_access = outcome == Outcome::Success && !record.outcome_unknown && changes_access(source, record);
    if let Some(identity) = record.user_identity.0.as_ref().filter(|_| !has_caller || changes_access) {
        principal(row, identity);
    }
    row.set(Text::Outcome, (!record.outcome_unknown).then(|| outcome.name()));
    let parameters = record.request_parameters.as_ref().and_then(|json| json.value.as_ref());
    let parameters = parameters.filter(|value| Parameters(Some(value)).get("omitted") != Some(&Value::Bool(true)));
    let some = parameters.filter(|_| record.untold.has(Member::RequestParameters)).map(catalog::some_of);
    let mapped = authorization(catalog, row, (source, record), Parameters(some.as_ref().or(parameters)), outcome);
    untold(row, record.untold);
    if changes_access {
        access_change(row, source, record);
    }
    let mut reason = not_replayable(source, record, &mapped, outcome);
    if record.partial {
        // What the table lacks is unknown: nobody can be said to have made this call.
        row.flag(Flag::RequestContextComplete, Some(false));
        reason = reason.or(Some("no_identity"));
    }
    row.set(Text::NotReplayable, reason);
}

/// What the record says of the call's outcome. A message without a code is of a call that failed, as of a sign-in.
fn outcome(catalog: &Catalog, record: &Record<'_>) -> Outcome {
    match (record.error_code.get(), record.error_message.get()) {
        (None, Some(message)) if denial::parse(message).action.is_some() => Outcome::AccessDenied,
        (None, Some(_)) => Outcome::OtherError,
        (code, _) => catalog.outcome(code),
    }
}

fn envelope<'a>(row: &mut EventRow<'a>, record: &'a Record<'a>, text: &str) {
    let event_id = match record.event_id.get() {
        Some(id) => Cow::Borrowed(id),
        None => Cow::Owned(canonical_digest(text)),
    };
    row.set(Text::EventId, Some(event_id));
    let addendum = record.addendum.0.as_ref().and_then(|addendum| addendum.original_event_id.get());
    for (column, value) in [
        (Text::RequestId, record.request_id.get()),
        (Text::SharedEventId, record.shared_event_id.get()),
        (Text::AddendumOf, addendum),
        (Text::EventVersion, record.event_version.get()),
        (Text::EventType, record.event_type.get()),
        (Text::EventCategory, record.event_category.get()),
        (Text::EventName, record.event_name.get()),
        (Text::Region, record.aws_region.get()),
        (Text::SourceIp, record.source_ip_address.get()),
        (Text::VpcEndpointId, record.vpc_endpoint_id.get()),
        (Text::VpcEndpointAccountId, record.vpc_endpoint_account_id.get()),
        (Text::UserAgent, record.user_agent.get()),
        (Text::Tls, record.tls_details.0.as_ref().and_then(|tls| tls.tls_version.get())),
        (Text::ErrorCode, record.error_code.get()),
        (Text::ErrorMessage, record.error_message.get()),
        (Text::RequestParameters, record.request_parameters.as_ref().map(|json| json.text).filter(|text| *text != "null")),
    ] {
        row.set(column, value);
    }
    row.flag(Flag::ReadOnly, record.read_only.boolean());
    row.flag(Flag::ConsoleSession, record.session_credential_from_console.boolean());
    // A caller of another account is seen from the resource's side.
    let caller = record.user_identity.0.as_ref().filter(|identity| identity.identity_type.get() != Some("AWSAccount"));
    let caller_account = || caller.and_then(|identity| identity.account_id.get()).and_then(account);
    row.set(Text::AccountId, record.recipient_account_id.get().and_then(account).or_else(caller_account));
}

/// Whether it is a call that changes what somebody may do, or issues the key of a session.
fn changes_access(source: &str, record: &Record<'_>) -> bool {
    record.event_name.get().is_some_and(|name| history::changes_access(source, name))
}

/// Of a call that changes what somebody may do, what was asked and answered; of one that issues the key of a session, the id
/// of the key, and the rest only where something limits or tags the session.
fn access_change<'a>(row: &mut EventRow<'a>, source: &str, record: &'a Record<'a>) {
    let issues = source == "sts.amazonaws.com";
    if issues {
        let issued = record.response_elements.and_then(|text| serde_json::from_str::<Issued>(text).ok());
        row.set(Text::IssuedAccessKeyId, issued.and_then(|issued| issued.credentials).and_then(|key| key.access_key_id));
    }
    let text = |column| row.get(column).map(Cow::Borrowed);
    let raw = |text: Option<&'a str>| text.and_then(|text| serde_json::from_str(text).ok());
    let change = AccessChange {
        time: row.event_time,
        source: source.into(),
        name: record.event_name.get().unwrap_or_default().into(),
        account: text(Text::AccountId),
        identity_type: text(Text::IdentityType),
        principal_arn: text(Text::PrincipalArn),
        access_key_id: text(Text::AccessKeyId),
        issued_access_key_id: text(Text::IssuedAccessKeyId),
        request: raw(record.request_parameters.as_ref().map(|json| json.text)),
        response: raw(record.response_elements.filter(|_| !issues)),
    };
    // Of most sessions the key says all: nothing limits them.
    if history::Issued::read(&change).is_some_and(|issued| issued.is_plain()) {
        return;
    }
    // It is made of texts and of JSON that was read: writing it does not fail.
    let change = serde_json::to_string(&change).ok();
    row.set(Text::AccessChange, change);
}

/// The part of an answer that names the key of a session.
#[derive(serde::Deserialize)]
struct Issued {
    credentials: Option<IssuedCredentials>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct IssuedCredentials {
    access_key_id: Option<String>,
}

/// SHA-256 of the record with sorted members, for records without an id.
fn canonical_digest(text: &str) -> String {
    let canonical = serde_json::from_str::<serde_json::Value>(text).map_or_else(|_| text.to_owned(), |value| value.to_string());
    Sha256::digest(canonical.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Lists the context keys that a full record would tell and this one does not: no value, and not absent.
fn untold(row: &mut EventRow<'_>, untold: Untold) {
    if untold.is_empty() {
        return;
    }
    let keys = untold.members().flat_map(keys_of).map(|key| ((*key).to_owned(), None));
    row.request_context.extend(keys);
    row.request_context.sort();
    row.request_context.dedup();
    if untold.has(Member::SessionIssuerArn) {
        row.set(Text::PrincipalArn, None::<&str>);
    }
    if untold.has(Member::RequestParameters) {
        row.flag(Flag::RequestContextComplete, Some(false));
    }
}

/// The keys of which a member that is absent says something; the replay sees for itself where an address or parameters are
/// missing.
fn keys_of(member: Member) -> &'static [&'static str] {
    match member {
        Member::InvokedBy => &["aws:calledvia", "aws:calledviafirst", "aws:calledvialast", "aws:viaawsservice"],
        Member::SourceIdentity => &["aws:sourceidentity"],
        Member::FederatedProvider => &["aws:federatedprovider"],
        Member::AssumedRoot => &["aws:assumedroot"],
        Member::MfaAuthenticated => &["aws:multifactorauthage", "aws:multifactorauthpresent"],
        Member::CreationDate => &["aws:tokenissuetime"],
        Member::SessionCredentialFromConsole => &["aws:referer"],
        Member::UserAgent => &["aws:referer"],
        Member::SourceIpAddress | Member::RequestParameters => &[],
        Member::IdentityType | Member::IdentityArn | Member::SessionIssuerArn => &[],
    }
}

/// What the session ARN of a service-linked role has, whose path it does not tell, and that of what AWS has in an account for
/// itself, as `aws:ec2-infrastructure`: no role of the account has a colon in its name.
static OWN: LazyLock<[Finder<'static>; 2]> = LazyLock::new(|| [":assumed-role/AWSServiceRoleFor", "role/aws:"].map(Finder::new));

/// Why no policy can decide the event; `None` if one can.
fn not_replayable(source: &str, record: &Record<'_>, mapped: &MappedAction<'_>, outcome: Outcome) -> Option<&'static str> {
    let event_type = record.event_type.get().unwrap_or("AwsApiCall");
    if record.event_category.get() == Some("NetworkActivity") || matches!(event_type, "AwsVpceEvents" | "AwsVpceEvent") {
        return Some("network_activity");
    }
    if event_type.eq_ignore_ascii_case("AwsConsoleSignIn") || source.eq_ignore_ascii_case("signin.amazonaws.com") {
        return Some("sign_in");
    }
    match event_type {
        "AwsApiCall" => {}
        "AwsServiceEvent" => return Some("service_event"),
        _ => return Some("not_an_api_call"),
    }
    if mapped.operation.is_some_and(|operation| operation.no_permission) {
        return Some("no_permission_needed");
    }
    let Some(identity) = &record.user_identity.0 else { return Some("no_identity") };
    let kind = identity.identity_type.get();
    if outcome == Outcome::Unauthenticated || matches!(kind, Some("SAMLUser" | "WebIdentityUser")) {
        return Some("unauthenticated");
    }
    match kind {
        Some("AWSService" | "AWSAccount" | "Root") => None,
        Some("IAMUser" | "Role" | "AssumedRole" | "FederatedUser") => {
            let issuer = identity
                .session_context
                .0
                .as_ref()
                .and_then(|context| context.session_issuer.0.as_ref())
                .and_then(|issuer| issuer.arn.get());
            let arn = issuer.or(identity.arn.get());
            let is_own = |arn: &str| {
                let mut roles = OWN.iter().filter_map(|role| role.find(arn.as_bytes()));
                arn::is_service_linked(arn) || roles.next().is_some()
            };
            match arn {
                None if identity.principal_id().is_none() => Some("no_identity"),
                Some(arn) if is_own(arn) => Some("service_linked_role"),
                _ => None,
            }
        }
        None if identity.invoked_by.get().is_some() => Some("service_event"),
        _ => Some("no_identity"),
    }
}
