//! A record put together again from named columns: a row of a table or of a query's result.
//!
//! Tables spell names in their own way (`Event time`, `eventtime`, `userIdentity.arn`) and print what is nested as JSON or
//! as `{key=value, ...}`. A column that is not there leaves something *unknown*, where a member that a full record does not
//! have is *absent*; [`Rebuilt::partial`] says so.

use serde_json::{Map, Value};

use super::record::event_time;

/// Members of a record and of what is nested in it, as CloudTrail spells them.
const NAMES: [&str; 52] = [
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
    // Nested.
    "type",
    "principalId",
    "arn",
    "accountId",
    "accessKeyId",
    "userName",
    "invokedBy",
    "sessionContext",
    "sessionIssuer",
    "webIdFederationData",
    "federatedProvider",
    "assumedRoot",
    "attributes",
    "creationDate",
    "mfaAuthenticated",
    "sourceIdentity",
    "ec2RoleDelivery",
    "identityProvider",
    "reason",
    "originalEventID",
    "tlsVersion",
    "cipherSuite",
    "clientProvidedHostHeader",
];

/// How many of [`NAMES`] stand at the top of a record.
const TOP: usize = 29;

/// Members that are a service's own: names in them are not CloudTrail's.
const OWN: [&str; 3] = ["requestParameters", "responseElements", "additionalEventData"];

/// The others of [`NAMES`] that are objects or lists. All that are neither are texts, whatever these begin with: user agents stand
/// in brackets.
const NESTED: [&str; 9] = [
    "userIdentity",
    "resources",
    "serviceEventDetails",
    "addendum",
    "tlsDetails",
    "sessionContext",
    "sessionIssuer",
    "webIdFederationData",
    "attributes",
];

/// Columns whose absence would be taken for a fact: no error, no endpoint, no parameters.
const NEEDED: [&str; 10] = [
    "userIdentity",
    "eventSource",
    "eventType",
    "awsRegion",
    "sourceIPAddress",
    "errorCode",
    "errorMessage",
    "requestParameters",
    "recipientAccountId",
    "vpcEndpointId",
];

/// How deep a printed value may be nested.
const DEPTH: usize = 8;

/// The longest printed value that is taken apart, in bytes; identities have a few hundred.
const LONGEST: usize = 65_536;

/// The cells of a row: column name and text; an empty text is null.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns(pub Vec<(String, String)>);

/// What is unknown of a record that was put together from columns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unknown {
    /// What these columns would tell, which are not there.
    Columns(Vec<&'static str>),
    /// Who made the call: its column cannot be read.
    Caller,
    /// The zone of its time, which is that of whoever downloaded the table; taken as UTC.
    Zone,
}

/// A record from columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// The record's JSON.
    pub json: String,
    /// What is missing is unknown, not absent: the table lacks columns, or the caller cannot be read.
    pub partial: bool,
    /// There is no column for the error code.
    pub outcome_unknown: bool,
    /// What is missing.
    pub unknown: Vec<Unknown>,
}

/// A column's name without case, spaces, dashes and underscores.
pub fn simplified(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, ' ' | '_' | '-')).flat_map(char::to_lowercase).collect()
}

impl Columns {
    /// The record, as far as the columns go.
    pub fn rebuilt(&self) -> Rebuilt {
        let mut record = Map::new();
        let mut found = [false; NEEDED.len()];
        let mut unknown = Vec::new();
        for (name, cell) in &self.0 {
            let Some(path) = path(name) else { continue };
            if let [only] = path.as_slice() {
                NEEDED.iter().zip(&mut found).filter(|(needed, _)| *needed == only).for_each(|(_, found)| *found = true);
            }
            if path.first().is_some_and(|top| top == "eventTime") && local_time(cell.trim()).is_some() {
                unknown.push(Unknown::Zone);
            }
            let value = value(&path, cell.trim());
            if !value.is_null() {
                insert(&mut record, &path, value);
            }
        }
        let identity = record.get("userIdentity");
        let has_identity = identity.is_none_or(Value::is_object);
        let missing: Vec<&str> = NEEDED.iter().zip(found).filter(|(_, found)| !found).map(|(needed, _)| *needed).collect();
        let outcome_unknown = missing.contains(&"errorCode");
        let partial = !(has_identity && missing.is_empty());
        if !has_identity && !missing.contains(&"userIdentity") {
            unknown.push(Unknown::Caller);
        }
        if !missing.is_empty() {
            unknown.push(Unknown::Columns(missing));
        }
        Rebuilt { partial, outcome_unknown, unknown, json: Value::Object(record).to_string() }
    }
}

/// Whether a member of a record is an object or a list.
pub(super) fn is_nested(name: &str) -> bool {
    OWN.contains(&name) || NESTED.contains(&name)
}

/// Whether records have a column of that name, however it is spelled.
pub fn is_column(name: &str) -> bool {
    path(name).is_some()
}

/// The place of a column in a record; `None` for columns that records do not have.
fn path(column: &str) -> Option<Vec<String>> {
    let simple = simplified(column);
    match simple.as_str() {
        "username" => return Some(vec!["userIdentity".to_owned(), "userName".to_owned()]),
        "awsaccesskey" | "accesskeyid" => return Some(vec!["userIdentity".to_owned(), "accessKeyId".to_owned()]),
        _ => {}
    }
    let (first, rest) = simple.split_once('.').map_or((simple.as_str(), None), |(first, rest)| (first, Some(rest)));
    let top = NAMES.iter().take(TOP).find(|known| known.eq_ignore_ascii_case(first))?;
    // Names inside of the parameters are the service's own: they keep their spelling.
    let spelled = column.split_once('.').map(|(_, rest)| rest);
    let rest = if OWN.contains(top) { spelled } else { rest };
    let nested = rest.into_iter().flat_map(|rest| rest.split('.')).take(DEPTH).map(canonical);
    Some(std::iter::once((*top).to_owned()).chain(nested).collect())
}

/// A name in CloudTrail's spelling, if it is known.
fn canonical(name: &str) -> String {
    NAMES.iter().find(|known| known.eq_ignore_ascii_case(name)).map_or_else(|| name.to_owned(), |known| (*known).to_owned())
}

/// What stands in the place already stays: a whole `userIdentity` before a `userName` beside it.
fn insert(record: &mut Map<String, Value>, path: &[String], value: Value) {
    match path {
        [] => {}
        [last] => match (record.get_mut(last), value) {
            (Some(Value::Object(there)), Value::Object(more)) => there.extend(more),
            (Some(_), _) => {}
            (None, value) => {
                record.insert(last.clone(), value);
            }
        },
        [first, rest @ ..] => {
            let nested = record.entry(first.clone()).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(nested) = nested {
                insert(nested, rest, value);
            }
        }
    }
}

fn value(path: &[String], cell: &str) -> Value {
    let name = path.last().map_or("", String::as_str);
    let is_own = path.first().is_some_and(|top| OWN.contains(&top.as_str()));
    match name {
        _ if matches!(cell, "" | "null" | "NULL") => Value::Null,
        "eventTime" => Value::String(time(cell)),
        // A spreadsheet makes 5.28758E+11 of an account id: that is none.
        "recipientAccountId" if !is_account_id(cell) => Value::Null,
        _ if !cell.starts_with(['{', '[']) => Value::String(cell.to_owned()),
        _ if !is_own && NAMES.contains(&name) && !NESTED.contains(&name) => Value::String(cell.to_owned()),
        _ if OWN.contains(&name) => nested_json(cell).unwrap_or_else(|| parameters(cell)),
        _ => nested_json(cell).map(with_known_names).or_else(|| printed(cell)).unwrap_or_else(|| Value::String(cell.to_owned())),
    }
}

fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The older Event history table has `2020-05-13, 04:52:01 PM` in the zone of whoever downloaded it; it is taken as UTC.
fn time(cell: &str) -> String {
    local_time(cell).map_or_else(|| cell.to_owned(), |local| format!("{local}Z"))
}

fn local_time(cell: &str) -> Option<jiff::civil::DateTime> {
    let is_local = cell.ends_with(['M', 'm']) && event_time(cell).is_none();
    is_local.then(|| jiff::civil::DateTime::strptime("%Y-%m-%d, %I:%M:%S %p", cell).ok()).flatten()
}

fn nested_json(cell: &str) -> Option<Value> {
    serde_json::from_str(cell).ok()
}

fn with_known_names(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(name, value)| (canonical(&name), with_known_names(value))).collect())
        }
        other => other,
    }
}

/// Parameters that are printed as `{key=value, ...}`. Of several it cannot be told where a value ends and the next key
/// begins, so they are kept as text, in the form in which CloudTrail says that it left parameters out.
fn parameters(cell: &str) -> Value {
    let inner = cell.strip_prefix('{').and_then(|inner| inner.strip_suffix('}'));
    match inner.filter(|inner| !inner.contains(", ")).and_then(|inner| inner.split_once('=')) {
        Some((_, "null")) => Value::Object(Map::new()),
        Some((key, text)) => {
            let nested = nested_json(text).filter(|value| value.is_object() || value.is_array());
            Value::Object(Map::from_iter([(key.to_owned(), nested.unwrap_or_else(|| Value::String(text.to_owned())))]))
        }
        None => {
            Value::Object(Map::from_iter([("omitted".to_owned(), Value::Bool(true)), ("text".to_owned(), Value::String(cell.to_owned()))]))
        }
    }
}

/// What queries print for structs and lists: `{key=value, key={...}}`, `[{...}, {...}]`. `None` if it does not read, or has
/// a key twice: then a value hides it.
fn printed(text: &str) -> Option<Value> {
    let mut rest = Some(text).filter(|text| text.len() <= LONGEST)?;
    let value = printed_value(&mut rest, DEPTH)?;
    rest.is_empty().then_some(value)
}

fn printed_value(rest: &mut &str, depth: usize) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    if let Some(inner) = rest.strip_prefix('{') {
        *rest = inner;
        let mut members = Map::new();
        while !ends(rest, '}')? {
            let (key, after) = rest.split_once('=').filter(|(key, _)| !key.contains([',', '{', '}', '[', ']']))?;
            *rest = after;
            let value = printed_value(rest, depth)?;
            if members.insert(canonical(key), value).is_some() {
                return None;
            }
        }
        members.retain(|_, value| !value.is_null());
        return Some(Value::Object(members));
    }
    if let Some(inner) = rest.strip_prefix('[') {
        *rest = inner;
        let mut items = Vec::new();
        while !ends(rest, ']')? {
            let before = rest.len();
            items.push(printed_value(rest, depth)?);
            (rest.len() < before).then_some(())?;
        }
        return Some(Value::Array(items));
    }
    let end = [rest.find(", "), rest.find(['}', ']'])].into_iter().flatten().min()?;
    let (scalar, after) = rest.split_at_checked(end)?;
    *rest = after;
    Some(if scalar == "null" { Value::Null } else { Value::String(scalar.to_owned()) })
}

/// Whether the struct or list ends here; passes over its end, or over the comma before its next part.
fn ends(rest: &mut &str, end: char) -> Option<bool> {
    if let Some(after) = rest.strip_prefix(end) {
        *rest = after;
        return Some(true);
    }
    *rest = rest.strip_prefix(", ").unwrap_or(rest);
    (!rest.is_empty()).then_some(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn printed_structs_read_or_are_refused() {
        for (text, value) in [
            ("{}", json!({})),
            ("[]", json!([])),
            ("{type=Root, arn=null}", json!({"type": "Root"})),
            (
                "{sessioncontext={attributes={mfaauthenticated=false}, sessionissuer=null}, invokedby=x=y}",
                json!({"sessionContext": {"attributes": {"mfaAuthenticated": "false"}}, "invokedBy": "x=y"}),
            ),
            ("[{arn=a, accountid=1}, {arn=b}]", json!([{"arn": "a", "accountId": "1"}, {"arn": "b"}])),
        ] {
            assert_eq!(printed(text), Some(value), "{text}");
        }
        for text in ["{", "{a", "{a=", "{a=1", "{a=1}}", "{a=1, a=2}", "{a=x, y, b=1}", "[", "[}", "{a=[}}", "x"] {
            assert_eq!(printed(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_a_text_stays_one() {
        let agent = "[AWSCloudTrail, aws-internal/3 aws-sdk-java/1.11.920]";
        let cells = [
            ("User agent", agent),
            ("errorMessage", "{\"message\":\"no\"}"),
            ("userIdentity.userName", "[alice]"),
            ("tlsDetails", "{tlsVersion=TLSv1.3}"),
            ("resources", "[{\"ARN\":\"arn:x\"}]"),
            ("requestParameters", "{\"userName\":\"bob\"}"),
            ("responseElements.arn", "[\"a\",\"b\"]"),
        ];
        let cells = cells.into_iter().map(|(name, cell)| (name.to_owned(), cell.to_owned()));
        let record: Value = serde_json::from_str(&Columns(cells.collect()).rebuilt().json).unwrap();
        let expected = json!({
            "userAgent": agent,
            "errorMessage": "{\"message\":\"no\"}",
            "userIdentity": {"userName": "[alice]"},
            "tlsDetails": {"tlsVersion": "TLSv1.3"},
            "resources": [{"ARN": "arn:x"}],
            "requestParameters": {"userName": "bob"},
            "responseElements": {"arn": ["a", "b"]},
        });
        assert_eq!(record, expected);
    }

    #[test]
    fn columns_find_their_place_however_they_are_spelled() {
        let place = |column| path(column).map(|path| path.join("/"));
        for (column, expected) in [
            ("Event time", "eventTime"),
            ("Source IP address", "sourceIPAddress"),
            ("eventid", "eventID"),
            ("useridentity.sessioncontext.sessionissuer.arn", "userIdentity/sessionContext/sessionIssuer/arn"),
            ("userIdentity.principalId", "userIdentity/principalId"),
            ("requestParameters.organizationId", "requestParameters/organizationId"),
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
