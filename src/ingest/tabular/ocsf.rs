//! OCSF events, as Security Lake keeps CloudTrail: mapped back to the record, as far as they tell it.
//!
//! The mapping is that of the OCSF project's dossiers for CloudTrail, of 1.0.0-rc.2 (`actor.user.uid` is the principal's
//! id, `uuid` its ARN) and of 1.1.0 and later (`uid` is the ARN, `uid_alt` the id). What CloudTrail has and OCSF has not
//! stands in `unmapped`, by its dotted path.

use arrow::datatypes::{DataType, Schema};
use serde_json::{Map, Value};

use super::{Row, Shape, plain_name};
use crate::cloudtrail::columns::{Member, Rebuilt, Unknown, Untold, canonical, is_nested, spelled, without_nulls};

pub(super) const SHAPE: Shape = Shape { uses: |column| COLUMNS.contains(&column.to_ascii_lowercase().as_str()), records };

const COLUMNS: [&str; 12] = [
    "metadata",
    "time",
    "time_dt",
    "api",
    "actor",
    // `actor` before 1.0.
    "identity",
    "src_endpoint",
    "http_request",
    "cloud",
    "resources",
    "unmapped",
    "class_uid",
];

/// Where the members of a record stand; the first place that holds a text counts.
const TEXTS: [(&str, &[&str]); 15] = [
    ("eventVersion", &["metadata.product.version"]),
    ("eventID", &["metadata.uid"]),
    ("eventType", &["metadata.event_code"]),
    ("eventSource", &["api.service.name"]),
    ("eventName", &["api.operation"]),
    ("requestID", &["api.request.uid"]),
    ("errorCode", &["api.response.error"]),
    ("errorMessage", &["api.response.error_message", "api.response.message"]),
    ("awsRegion", &["cloud.region"]),
    ("sourceIPAddress", &["src_endpoint.ip", "src_endpoint.domain"]),
    ("userAgent", &["http_request.user_agent"]),
    ("requestParameters", &["api.request.data"]),
    ("responseElements", &["api.response.data"]),
    ("recipientAccountId", &["unmapped.recipientAccountId", "cloud.account.uid", "cloud.account_uid"]),
    ("vpcEndpointId", &["src_endpoint.uid", "src_endpoint.vpc_endpoint_uid"]),
];

/// The same of `userIdentity`, below `actor`.
const IDENTITY: [(&str, &[&str]); 5] = [
    ("userName", &["user.name"]),
    ("accountId", &["user.account.uid", "user.account_uid"]),
    ("accessKeyId", &["user.credential_uid"]),
    ("invokedBy", &["invoked_by"]),
    ("type", &["user.type"]),
];

/// CloudTrail's types of identities: OCSF has words of its own for users.
const TYPES: [&str; 13] = [
    "Root",
    "IAMUser",
    "AssumedRole",
    "Role",
    "FederatedUser",
    "Directory",
    "AWSAccount",
    "AWSService",
    "IdentityCenterUser",
    "SAMLUser",
    "WebIdentityUser",
    "SAML",
    "Unknown",
];

/// Columns whose absence would be taken for a fact, and older names of them.
const NEEDED: [[&str; 2]; 4] = [["actor", "identity"], ["src_endpoint", ""], ["cloud", ""], ["unmapped", ""]];

fn records(row: Row, schema: &Schema) -> Result<Vec<Rebuilt>, String> {
    let row: Value =
        row.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), parsed(without_nulls(value)))).collect::<Map<_, _>>().into();
    let product = text(&row, "metadata.product.name");
    if product.is_some_and(|product| !plain_name(product).contains("cloudtrail")) {
        return Err(format!("an OCSF event of `{}`, not of CloudTrail", product.unwrap_or_default()));
    }
    let (mut record, untold) = unmapped(row.get("unmapped"));
    for (name, places) in TEXTS {
        if let Some(found) = places.iter().find_map(|place| at(&row, place)) {
            let found = if is_nested(name) { parsed(found.clone()) } else { found.clone() };
            record.insert(name.to_owned(), found);
        }
    }
    if let Some(time) = time(&row) {
        record.insert("eventTime".to_owned(), time.into());
    }
    if let Some(category @ ("Management" | "Data" | "NetworkActivity" | "Insight")) = text(&row, "metadata.product.feature.name") {
        record.insert("eventCategory".to_owned(), category.into());
    }
    identity(&row, &mut record);
    if let Some(Value::Array(resources)) = at(&row, "resources") {
        let resources: Vec<Value> = resources.iter().map(resource).collect();
        record.insert("resources".to_owned(), resources.into());
    }
    let missing = missing(schema);
    Ok(vec![Rebuilt {
        json: Value::Object(record).to_string(),
        partial: !missing.is_empty(),
        outcome_unknown: lacks_outcome(schema),
        untold,
        unknown: if missing.is_empty() { Vec::new() } else { vec![Unknown::Columns(missing)] },
    }])
}

/// What the table has no column for.
fn missing(schema: &Schema) -> Vec<&'static str> {
    let has = |name: &str| schema.fields().iter().any(|field| field.name().eq_ignore_ascii_case(name));
    NEEDED.into_iter().filter(|names| !names.iter().any(|name| has(name))).map(|[name, _]| name).collect()
}

/// Whether nothing tells that calls failed; `api` as JSON text may hold everything.
fn lacks_outcome(schema: &Schema) -> bool {
    let api = schema.fields().iter().find(|field| field.name().eq_ignore_ascii_case("api")).map(|field| field.data_type());
    matches!(api, Some(DataType::Struct(members)) if members.find("response").is_none())
}

/// A text that is a JSON object or list, read; other values as they are.
fn parsed(value: Value) -> Value {
    match &value {
        Value::String(text) if text.trim_start().starts_with(['{', '[']) => serde_json::from_str(text).unwrap_or(value),
        _ => value,
    }
}

/// What stands at a dotted path, unless it is an empty text.
fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    let found = path.split('.').try_fold(value, |value, name| value.get(name))?;
    (found.as_str() != Some("") && !found.is_null()).then_some(found)
}

fn text<'v>(value: &'v Value, path: &str) -> Option<&'v str> {
    at(value, path).and_then(Value::as_str)
}

/// `time` is in milliseconds, or a time already; `time_dt` is a time.
fn time(row: &Value) -> Option<String> {
    let time = text(row, "time").or_else(|| text(row, "time_dt"))?;
    Some(instant(time).unwrap_or_else(|| time.to_owned()))
}

fn instant(milliseconds: &str) -> Option<String> {
    let instant = jiff::Timestamp::from_millisecond(milliseconds.parse().ok()?).ok()?;
    Some(instant.to_string())
}

fn identity(row: &Value, record: &mut Map<String, Value>) {
    let Some(actor) = at(row, "actor").or_else(|| at(row, "identity")) else { return };
    let known = record.entry("userIdentity").or_insert_with(|| Map::new().into());
    let Value::Object(known) = known else { return };
    let mut set = |name: &str, value: &str| drop(known.insert(name.to_owned(), value.into()));
    for (name, places) in IDENTITY {
        if let Some(found) = places.iter().find_map(|place| text(actor, place)) {
            set(name, found);
        }
    }
    let ids = ["user.uid", "user.uuid", "user.uid_alt"].map(|place| text(actor, place));
    for id in ids.into_iter().flatten() {
        set(if id.starts_with("arn:") { "arn" } else { "principalId" }, id);
    }
    let arn = ids.into_iter().flatten().find(|id| id.starts_with("arn:"));
    let kind = text(actor, "user.type").filter(|kind| TYPES.contains(kind)).or_else(|| arn.and_then(type_of));
    match kind {
        Some(kind) => set("type", kind),
        None => drop(known.remove("type")),
    }
    session(actor, known);
}

/// The type of the principal that an ARN names.
fn type_of(arn: &str) -> Option<&'static str> {
    let resource = arn.splitn(6, ':').nth(5)?;
    let kinds = [("user/", "IAMUser"), ("assumed-role/", "AssumedRole"), ("federated-user/", "FederatedUser"), ("root", "Root")];
    kinds.into_iter().find(|(prefix, _)| resource.starts_with(prefix)).map(|(_, kind)| kind)
}

fn session(actor: &Value, identity: &mut Map<String, Value>) {
    let created = text(actor, "session.created_time_dt").or_else(|| text(actor, "session.created_time"));
    let created = created.map(|time| instant(time).unwrap_or_else(|| time.to_owned()));
    let mfa = at(actor, "session.is_mfa").or_else(|| at(actor, "session.mfa")).map(|mfa| match mfa {
        Value::Bool(mfa) => mfa.to_string(),
        other => other.as_str().unwrap_or_default().to_owned(),
    });
    let provider = text(actor, "idp.name").map(str::to_owned);
    let issuer = text(actor, "session.issuer").filter(|issuer| issuer.starts_with("arn:")).map(str::to_owned);
    for (path, value) in [
        ("sessionContext.sessionIssuer.arn", issuer),
        ("sessionContext.attributes.creationDate", created),
        ("sessionContext.attributes.mfaAuthenticated", mfa),
        ("sessionContext.webIdFederationData.federatedProvider", provider),
    ] {
        if let Some(value) = value {
            insert(identity, path, value.into());
        }
    }
}

fn resource(resource: &Value) -> Value {
    let places = [("ARN", "uid"), ("type", "type"), ("accountId", "account.uid"), ("accountId", "account_uid")];
    let members = places.into_iter().filter_map(|(name, place)| Some((name.to_owned(), at(resource, place)?.clone())));
    members.collect::<Map<_, _>>().into()
}

/// The members of the record that OCSF has no place for: a map from dotted paths to texts, or an object; and what is lost of
/// them.
fn unmapped(unmapped: Option<&Value>) -> (Map<String, Value>, Untold) {
    let mut record = Map::new();
    let mut untold = Untold::default();
    let Some(Value::Object(members)) = unmapped else { return (record, untold) };
    for (path, value) in members {
        // Lists have no place in dotted paths: what is not there may have been one.
        if plain_name(path).starts_with("requestparameters.") {
            untold = untold.with(Member::RequestParameters);
        }
        insert(&mut record, path, parsed(value.clone()));
    }
    match spelled("", Value::Object(record)) {
        Value::Object(spelled) => (spelled, untold),
        _ => (Map::new(), untold),
    }
}

/// Puts a value at a dotted path; where something else than an object stands on the way, that stays.
fn insert(members: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => drop(members.insert(canonical(path), value)),
        Some((name, rest)) => {
            let below = members.entry(canonical(name)).or_insert_with(|| Map::new().into());
            if let Value::Object(below) = below {
                insert(below, rest, value);
            }
        }
    }
}
