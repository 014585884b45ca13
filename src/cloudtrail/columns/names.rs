//! Names of members of records, however tables spell them.

/// Members at the top of a record, as CloudTrail spells them.
const TOP: [&str; 31] = [
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
    "additionalEventData",
    "requestID",
    "eventID",
    "readOnly",
    "resources",
    "eventType",
    "apiVersion",
    "managementEvent",
    "recipientAccountId",
    "sharedEventID",
    "vpcEndpointId",
    "vpcEndpointAccountId",
    "eventCategory",
    "serviceEventDetails",
    "addendum",
    "tlsDetails",
    "sessionCredentialFromConsole",
    "insightDetails",
    "eventContext",
];

/// Members of what is nested in them.
const INNER: [&str; 38] = [
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
    "eventRegion",
];

/// Members that are a service's own: names in them are not CloudTrail's.
const OWN: [&str; 6] =
    ["requestParameters", "responseElements", "additionalEventData", "serviceEventDetails", "insightDetails", "eventContext"];

/// The others that are objects or lists. All that are neither are texts, whatever these begin with: user agents stand in
/// brackets.
const NESTED: [&str; 11] = [
    "userIdentity",
    "resources",
    "addendum",
    "tlsDetails",
    "sessionContext",
    "sessionIssuer",
    "webIdFederationData",
    "attributes",
    "onBehalfOf",
    "inScopeOf",
    "updatedFields",
];

/// How deep a column's name may lead.
const DEPTH: usize = 8;

/// A column's name without case, spaces, dashes and underscores.
pub fn simplified(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, ' ' | '_' | '-')).flat_map(char::to_lowercase).collect()
}

/// Whether a member of that name stands at the top of a record, spelled as CloudTrail does.
pub fn is_member(name: &str) -> bool {
    TOP.contains(&name)
}

/// Whether records have a column of that name, however it is spelled.
pub fn is_column(name: &str) -> bool {
    path(name).is_some()
}

/// Whether a member of a record is an object or a list.
pub fn is_nested(name: &str) -> bool {
    is_own(name) || NESTED.contains(&name)
}

/// Whether what is in a member of a record is spelled as the service spells it.
pub(super) fn is_own(name: &str) -> bool {
    OWN.contains(&name)
}

/// The place of a column in a record; `None` for columns that records do not have.
pub(super) fn path(column: &str) -> Option<Vec<String>> {
    let simple = simplified(column);
    match simple.as_str() {
        "username" => return Some(vec!["userIdentity".to_owned(), "userName".to_owned()]),
        "awsaccesskey" | "accesskeyid" => return Some(vec!["userIdentity".to_owned(), "accessKeyId".to_owned()]),
        _ => {}
    }
    let (first, rest) = simple.split_once('.').map_or((simple.as_str(), None), |(first, rest)| (first, Some(rest)));
    let top = TOP.iter().find(|known| known.eq_ignore_ascii_case(first))?;
    // Names inside of the parameters are the service's own: they keep their spelling.
    let spelled = column.split_once('.').map(|(_, rest)| rest);
    let rest = if is_own(top) { spelled } else { rest };
    let nested = rest.into_iter().flat_map(|rest| rest.split('.')).take(DEPTH);
    let nested = nested.map(|name| if is_own(top) { name.to_owned() } else { canonical(name) });
    Some(std::iter::once((*top).to_owned()).chain(nested).collect())
}

/// A name in CloudTrail's spelling, if it is known.
pub fn canonical(name: &str) -> String {
    let simple = simplified(name);
    // Resources have an `ARN`, callers an `arn`: either is read in any case.
    if name == "ARN" {
        return name.to_owned();
    }
    let known = TOP.iter().chain(&INNER).find(|known| known.eq_ignore_ascii_case(&simple));
    known.map_or_else(|| name.to_owned(), |known| (*known).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_find_their_place_however_they_are_spelled() {
        let place = |column| path(column).map(|path| path.join("/"));
        for (column, expected) in [
            ("Event time", "eventTime"),
            ("Source IP address", "sourceIPAddress"),
            ("eventid", "eventID"),
            ("event_id", "eventID"),
            ("useridentity.sessioncontext.sessionissuer.arn", "userIdentity/sessionContext/sessionIssuer/arn"),
            ("user_identity.principal_id", "userIdentity/principalId"),
            ("requestParameters.organizationId", "requestParameters/organizationId"),
            ("requestParameters.policy_arn.UserName", "requestParameters/policy_arn/UserName"),
            ("AWS access key", "userIdentity/accessKeyId"),
        ] {
            assert_eq!(place(column).as_deref(), Some(expected), "{column}");
        }
        // `arn` alone may be the caller's or a resource's.
        for column in ["arn", "principalid", "_time", "", ".", "Resource type"] {
            assert_eq!(place(column), None, "{column}");
        }
    }
}
