//! Tables in the shape of the records themselves, as Athena, Glue and Spark jobs write them: a column for each member,
//! in lower case or otherwise, objects as structs or as JSON text.

use arrow::datatypes::Schema;
use serde_json::{Map, Value};

use super::{Lacks, Row, Shape, plain_name};
use crate::cloudtrail::columns::Columns;

pub(super) const SHAPE: Shape = Shape { uses: |column| canonical(column).is_some(), lacks, record };

/// The members of a record, and of its objects whose members are known, in CloudTrail's spelling.
const NAMES: [&str; 68] = [
    "eventVersion",
    "userIdentity",
    "eventTime",
    "eventSource",
    "eventName",
    "awsRegion",
    "sourceIPAddress",
    "userAgent",
    "errorCode",
    "errorMessage",
    "requestParameters",
    "responseElements",
    "resources",
    "requestID",
    "eventID",
    "eventType",
    "readOnly",
    "recipientAccountId",
    "sharedEventID",
    "vpcEndpointId",
    "vpcEndpointAccountId",
    "eventCategory",
    "managementEvent",
    "sessionCredentialFromConsole",
    "addendum",
    "tlsDetails",
    "insightDetails",
    "eventContext",
    // addendum
    "reason",
    "updatedFields",
    "originalRequestID",
    "originalEventID",
    // tlsDetails
    "tlsVersion",
    "cipherSuite",
    "clientProvidedHostHeader",
    // userIdentity
    "type",
    "principalId",
    "arn",
    "accountId",
    "accessKeyId",
    "userName",
    "invokedBy",
    "invokedByDelegate",
    "onBehalfOf",
    "userId",
    "identityStoreArn",
    "credentialId",
    "identityProvider",
    "inScopeOf",
    "sourceArn",
    "sourceAccount",
    "issuerType",
    "credentialsIssuedTo",
    "sessionContext",
    "sessionIssuer",
    "webIdFederationData",
    "federatedProvider",
    "assumedRoot",
    "signInSessionArn",
    "attributes",
    "creationDate",
    "mfaAuthenticated",
    "sourceIdentity",
    "ec2RoleDelivery",
    // resources
    "ARNPrefix",
    "requestContext",
    "tagContext",
    "serviceEventDetails",
];

/// Members whose own members are the request's or the service's, in its spelling.
const FREE: [&str; 5] = ["requestParameters", "responseElements", "serviceEventDetails", "insightDetails", "eventContext"];

/// CloudTrail's spelling of a member's name.
pub(super) fn canonical(name: &str) -> Option<&'static str> {
    let plain = plain_name(name);
    NAMES.iter().find(|known| known.eq_ignore_ascii_case(&plain)).copied()
}

/// As for every table: what makes a record whole is known there.
fn lacks(schema: &Schema) -> Lacks {
    let names = schema.fields().iter().map(|field| (field.name().clone(), String::new()));
    let rebuilt = Columns(names.collect()).rebuilt();
    Lacks { request: rebuilt.partial, outcome: rebuilt.outcome_unknown, unknown: rebuilt.unknown }
}

fn record(row: Row) -> Result<Value, String> {
    Ok(spelled(row))
}

/// Members in CloudTrail's spelling, texts that are JSON objects or lists read.
pub(super) fn spelled(members: Map<String, Value>) -> Value {
    let spelled = members.into_iter().map(|(name, value)| {
        let name = canonical(&name).map_or(name, str::to_owned);
        let value = parsed(value);
        let value = if FREE.contains(&name.as_str()) { value } else { spelled_value(value) };
        (name, value)
    });
    spelled.collect::<Map<_, _>>().into()
}

fn spelled_value(value: Value) -> Value {
    match value {
        Value::Object(members) => spelled(members),
        Value::Array(items) => items.into_iter().map(spelled_value).collect::<Vec<_>>().into(),
        other => other,
    }
}

/// A text that is a JSON object or list, read; other values as they are.
pub(super) fn parsed(value: Value) -> Value {
    match &value {
        Value::String(text) if text.trim_start().starts_with(['{', '[']) => serde_json::from_str(text).unwrap_or(value),
        _ => value,
    }
}
