//! A CloudTrail record to its event row: who, which action on which resource, what happened, and what the context keys need.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde_json_borrow::Value;
use sha2::{Digest, Sha256};

use crate::account::history::{self, AccessChange};
use crate::catalog::{self, AlsoChecked, Catalog, MappedAction, MappingSource, Operation, Outcome, Parameters, Place, Service};
use crate::cloudtrail::columns::{Member, Untold};
use crate::cloudtrail::{Identity, Record, denial, event_time, json};
use crate::frame::{Check, EventRow, Flag, Text};
use crate::iam::Pattern;
use crate::iam::arn::{self, Arn};
use crate::iam::pattern::UNKNOWN_PART;

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
    let outcome = catalog.outcome(record.error_code.get());
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

fn principal<'a>(row: &mut EventRow<'a>, identity: &'a Identity<'a>) {
    let context = identity.session_context.0.as_ref();
    let issuer = context.and_then(|context| context.session_issuer.0.as_ref());
    let attributes = context.and_then(|context| context.attributes.0.as_ref());
    let kind = identity.identity_type.get();
    let own_arn = identity.arn.get();
    let is_session = kind == Some("AssumedRole");
    let issuer_id = issuer.and_then(|issuer| issuer.principal_id.get());
    // The ids of AWS's own, as `715248393954:aws:ec2-infrastructure`, have colons themselves.
    let parts = |id: &'a str| {
        let of_issuer = issuer_id.and_then(|issuer| Some((id.get(..issuer.len())?, id.strip_prefix(issuer)?.strip_prefix(':')?)));
        of_issuer.or_else(|| id.split_once(':'))
    };
    let (id, session_of_id) = match identity.principal_id().map(|id| (id, Some(id).filter(|_| is_session).and_then(parts))) {
        Some((_, Some((id, session)))) => (Some(id), Some(session)),
        Some((id, None)) => (Some(id), None),
        None => (None, None),
    };
    let issuer_arn = issuer.and_then(|issuer| issuer.arn.get());
    let (principal_arn, principal_id) = match kind {
        Some("AssumedRole") => (issuer_arn.map(Cow::Borrowed).or_else(|| own_arn.and_then(role_of_session).map(Cow::Owned)), id),
        Some("FederatedUser") => (issuer_arn.map(Cow::Borrowed), issuer_id),
        Some("Root") => (own_arn.map(Cow::Borrowed).or_else(|| root(row, identity).map(Cow::Owned)), id),
        _ => (own_arn.map(|arn| role_of_session(arn).map_or(Cow::Borrowed(arn), Cow::Owned)), id),
    };
    let account = identity.account_id.get().and_then(account).map(Cow::Borrowed);
    let account = account.or_else(|| principal_arn.as_deref().and_then(Arn::parse).map(|arn| Cow::Owned(arn.account.to_owned())));
    let session_name = match kind {
        Some("AssumedRole") => session_of_id.or_else(|| own_arn.and_then(session_of)),
        Some("FederatedUser") => own_arn.and_then(|arn| arn.rsplit_once('/')).map(|(_, name)| name),
        _ => None,
    };
    row.set(Text::PrincipalArn, principal_arn);
    row.set(Text::PrincipalId, principal_id);
    row.set(Text::PrincipalAccountId, account.filter(|account| !account.is_empty()));
    row.set(Text::SessionName, session_name);
    row.set(Text::IdentityType, kind);
    row.set(Text::SessionIssuerArn, issuer_arn);
    row.set(Text::AccessKeyId, identity.access_key_id());
    row.set(Text::InvokedBy, identity.invoked_by.get());
    row.set(Text::SourceIdentity, context.and_then(|context| context.source_identity.get()));
    row.set(
        Text::FederatedProvider,
        context.and_then(|context| context.web_id_federation_data.0.as_ref()).and_then(|data| data.federated_provider.get()),
    );
    row.flag(Flag::AssumedRoot, context.and_then(|context| context.assumed_root.boolean()));
    row.flag(Flag::Mfa, attributes.and_then(|attributes| attributes.mfa_authenticated.boolean()));
    row.session_created = attributes.and_then(|attributes| attributes.creation_date.get()).and_then(event_time);
}

/// The ARN of the root user, where the record has only the account.
fn root(row: &EventRow<'_>, identity: &Identity<'_>) -> Option<String> {
    let account = identity.account_id.get().filter(|account| arn::is_account_id(account))?;
    Some(format!("arn:{}:iam::{account}:root", catalog::partition(row.get(Text::Region).unwrap_or_default())))
}

/// `arn:aws:iam::ACCOUNT:role/NAME` of a session ARN, which does not hold the role's path.
fn role_of_session(session_arn: &str) -> Option<String> {
    let arn = Arn::parse(session_arn)?;
    let name = arn.resource.strip_prefix("assumed-role/")?.split('/').next()?;
    Some(format!("arn:{}:iam::{}:role/{name}", arn.partition, arn.account))
}

/// The session's name in its ARN.
fn session_of(session_arn: &str) -> Option<&str> {
    session_arn.split_once(":assumed-role/")?.1.split_once('/').map(|(_, session)| session)
}

/// An account id as the record has it, or as it was before it became a number or the text of a spreadsheet; `None` where digits
/// were lost.
fn account(text: &str) -> Option<&str> {
    if arn::is_account_id(text) {
        return Some(text);
    }
    let inner = text.strip_prefix("=\"").and_then(|text| text.strip_suffix('"')).or_else(|| text.strip_prefix('\''));
    let whole = inner.unwrap_or(text).strip_suffix(".0").unwrap_or(inner.unwrap_or(text));
    let is_rounded = whole.contains("E+") || whole.contains("e+");
    Some(whole).filter(|_| !is_rounded)
}

/// Action, resource, further checks and request context.
fn authorization<'a>(
    catalog: &'a Catalog,
    row: &mut EventRow<'a>,
    (source, record): (&str, &'a Record<'a>),
    parameters: Parameters<'_>,
    outcome: Outcome,
) -> MappedAction<'a> {
    let name = record.event_name.get().unwrap_or_default();
    let (mut mapped, mut action) = catalog.map_event(source, name);
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
    if event_type != "AwsApiCall" {
        return Some("service_event");
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
