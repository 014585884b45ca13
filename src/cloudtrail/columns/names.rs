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

/// Names that collectors have for members of records: Microsoft Sentinel's table `AWSCloudTrail`.
const ALIASES: [(&str, &str); 11] = [
    ("awseventid", "eventID"),
    ("awsrequestid", "requestID"),
    ("eventtypename", "eventType"),
    ("timegenerated", "eventTime"),
    ("sessionissuertype", "userIdentity.sessionContext.sessionIssuer.type"),
    ("sessionissuerprincipalid", "userIdentity.sessionContext.sessionIssuer.principalId"),
    ("sessionissuerarn", "userIdentity.sessionContext.sessionIssuer.arn"),
    ("sessionissueraccountid", "userIdentity.sessionContext.sessionIssuer.accountId"),
    ("sessionissuerusername", "userIdentity.sessionContext.sessionIssuer.userName"),
    ("sessioncreationdate", "userIdentity.sessionContext.attributes.creationDate"),
    ("sessionmfaauthenticated", "userIdentity.sessionContext.attributes.mfaAuthenticated"),
];

/// Those of Elastic's integration, beside `aws.cloudtrail.*`.
const ELASTIC: [(&str, &str); 10] = [
    ("@timestamp", "eventTime"),
    ("event.id", "eventID"),
    ("event.action", "eventName"),
    ("event.provider", "eventSource"),
    ("cloud.region", "awsRegion"),
    ("cloud.account.id", "recipientAccountId"),
    ("source.address", "sourceIPAddress"),
    ("user_agent.original", "userAgent"),
    ("tls.version", "tlsDetails.tlsVersion"),
    ("user.id", "userIdentity.principalId"),
];

/// What the names of its other columns begin with.
const OF_ELASTIC: &str = "aws.cloudtrail.";

/// The names of the columns of Elastic's integration as records have them; the others, which repeat them, are left out. `None` of
/// other columns.
pub fn of_elastic<'n>(names: impl Iterator<Item = &'n str> + Clone) -> Option<Vec<Option<String>>> {
    names.clone().any(|name| name.starts_with(OF_ELASTIC)).then(|| {
        let known = |name: &str| ELASTIC.iter().find(|(known, _)| *known == name).map(|(_, member)| (*member).to_owned());
        let name = |name: &str| match name.strip_prefix(OF_ELASTIC) {
            Some("user_identity.session_context.mfa_authenticated") => {
                Some("userIdentity.sessionContext.attributes.mfaAuthenticated".to_owned())
            }
            Some("user_identity.session_context.creation_date") => Some("userIdentity.sessionContext.attributes.creationDate".to_owned()),
            Some(own) if own.starts_with("flattened.") => None,
            Some(own) => Some(own.to_owned()),
            None => known(name),
        };
        names.map(name).collect()
    })
}

/// Whether columns name calls and say which or when.
pub fn names_call<'n>(names: impl Iterator<Item = &'n str> + Clone) -> bool {
    // Tables of Log Analytics all have that time.
    let own = names.filter(|name| !simplified(name).starts_with("timegenerated"));
    let has =
        |wanted: &[&str]| own.clone().filter_map(path).any(|path| matches!(path.as_slice(), [only] if wanted.contains(&only.as_str())));
    has(&["eventName"]) && has(&["eventTime", "eventID"])
}

/// Columns that hold a whole record as JSON, best first.
const WHOLE: [&str; 7] = ["eventjson", "cloudtrailevent", "raw", "eventdata", "message", "detail", "record"];

/// Which of the columns that hold whole records one of that name is, the best first; `None` for others.
pub fn whole_record(name: &str) -> Option<usize> {
    let simple = simplified(name);
    WHOLE.iter().position(|whole| *whole == simple.trim_start_matches('@'))
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
pub fn is_own(name: &str) -> bool {
    OWN.contains(&name)
}

/// The place of a column in a record; `None` for columns that records do not have.
pub(super) fn path(column: &str) -> Option<Vec<String>> {
    // A unit or a zone: `TimeGenerated [UTC]`.
    let column = column.split_once([' ', '[', '(']).filter(|(_, unit)| unit.ends_with([']', ')'])).map_or(column, |(name, _)| name);
    let dotted = column.replace("__", ".").replace(['/', ':'], ".");
    let column = if column.contains('.') { column } else { dotted.as_str() };
    let simple = simplified(column);
    if let Some((_, place)) = ALIASES.iter().find(|(alias, _)| *alias == simple) {
        return Some(place.split('.').map(str::to_owned).collect());
    }
    match simple.as_str() {
        "username" => return Some(vec!["userIdentity".to_owned(), "userName".to_owned()]),
        "awsaccesskey" | "accesskeyid" => return Some(vec!["userIdentity".to_owned(), "accessKeyId".to_owned()]),
        _ => {}
    }
    let (first, rest) = simple.split_once('.').map_or((simple.as_str(), None), |(first, rest)| (first, Some(rest)));
    let Some(top) = TOP.iter().find(|known| known.eq_ignore_ascii_case(first)) else { return run_together(&simple) };
    // Names inside of the parameters are the service's own: they keep their spelling.
    let spelled = column.split_once('.').map(|(_, rest)| rest);
    let rest = if is_own(top) { spelled } else { rest };
    let nested = rest.into_iter().flat_map(|rest| rest.split('.')).take(DEPTH);
    let nested = nested.map(|name| if is_own(top) { name.to_owned() } else { canonical(name) });
    Some(std::iter::once((*top).to_owned()).chain(nested).collect())
}

/// The place of a column with nothing between the names that lead to it: `user_identity_session_context_mfa_authenticated`.
fn run_together(simple: &str) -> Option<Vec<String>> {
    let (top, mut rest) =
        ["userIdentity", "tlsDetails", "addendum"].iter().find_map(|top| Some((*top, simple.strip_prefix(&top.to_lowercase())?)))?;
    let mut place = vec![top.to_owned()];
    while !rest.is_empty() {
        let known = INNER.iter().filter(|name| rest.starts_with(&name.to_lowercase())).max_by_key(|name| name.len())?;
        rest = rest.get(known.len()..)?;
        place.push((*known).to_owned());
    }
    Some(place)
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
