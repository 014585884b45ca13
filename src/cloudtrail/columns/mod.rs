//! A record put together again from named columns: a row of a table or of a query's result.
//!
//! Tables spell names in their own way (`Event time`, `eventtime`, `userIdentity.arn`) and print what is nested as JSON, as
//! `{key=value, ...}` or as a dictionary of Python. A column that is not there leaves something *unknown*, where a member
//! that a full record does not have is *absent*; [`Rebuilt`] says what.

mod names;
mod printed;
mod untold;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use self::names::path;
pub use self::names::{canonical, is_column, is_member, is_nested, is_own, names_call, of_elastic, simplified, whole_record};
use self::printed::printed;
pub use self::printed::python;
pub use self::untold::{Member, Untold};
use super::record::event_time;

/// Columns whose absence would be taken for a fact, and without which nothing can be decided: who calls what, and whether it
/// failed.
const NEEDED: [&str; 8] =
    ["userIdentity", "eventSource", "eventType", "awsRegion", "errorCode", "errorMessage", "recipientAccountId", "vpcEndpointId"];

/// The cells of a row: column name and value. A text may be the printed form of something nested, and is null where it is
/// empty; an object is a struct, with its members that are null.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Columns(pub Vec<(String, Value)>);

/// What is unknown of a record that was put together from columns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unknown {
    /// What these columns would tell, which are not there: the event cannot be replayed.
    Columns(Vec<&'static str>),
    /// What these members would tell, which are not there or not whole: it is replayed as far as that goes.
    Members(Vec<&'static str>),
    /// Who made the call: its column cannot be read.
    Caller,
    /// The zone of its time, which is that of whoever downloaded the table; taken as UTC.
    Zone,
}

/// A record from columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// The record's JSON.
    pub json: String,
    /// What nothing can be decided without is missing: the table lacks columns, or the caller cannot be read.
    pub partial: bool,
    /// There is no column for the error code.
    pub outcome_unknown: bool,
    /// What else the columns do not tell.
    pub untold: Untold,
    /// What is missing, to be said.
    pub unknown: Vec<Unknown>,
}

impl Columns {
    /// The record, as far as the columns go.
    pub fn rebuilt(&self) -> Rebuilt {
        let mut record = Map::new();
        // The columns that are there and can be read.
        let mut read: BTreeSet<Vec<String>> = BTreeSet::new();
        let mut unknown = Vec::new();
        let mut untold = Untold::all();
        let mut some_parameters = false;
        for (name, cell) in &self.0 {
            let Some(path) = path(name) else { continue };
            let is_in_zone = || name.to_ascii_lowercase().contains("utc");
            if path.first().is_some_and(|top| top == "eventTime")
                && cell.as_str().is_some_and(|cell| local_time(cell.trim()).is_some())
                && !is_in_zone()
            {
                unknown.push(Unknown::Zone);
            }
            let is_null = cell.is_null() || cell.as_str().is_some_and(|cell| is_null(path.last().map(String::as_str), cell));
            let (value, is_struct) = value(&path, cell.clone());
            untold.tell(&path, &value, is_struct);
            some_parameters |= path.first().is_some_and(|top| top == "requestParameters") && (is_struct || path.len() > 1);
            let is_read = is_null || !value.is_null();
            let value = without_nulls(value);
            if !value.is_null() {
                insert(&mut record, &path, value);
            }
            if is_read {
                read.insert(path);
            }
        }
        let identity = record.get("userIdentity");
        // What says who calls is known, or nothing is.
        let kind = identity.and_then(|identity| identity.get("type")).and_then(Value::as_str);
        let says_who = Member::that_says_who(kind).filter(|member| untold.has(*member) && identity.is_some_and(Value::is_object));
        let has_identity = identity.is_none_or(Value::is_object);
        let has = |path: &[&str]| read.iter().any(|read| read == path);
        let of_caller = |name| has(&["userIdentity", name]);
        let has_caller = of_caller("type") && (of_caller("arn") || of_caller("principalId"));
        let is_missing = |name: &&str| !has(&[*name]) && (*name != "userIdentity" || !has_caller);
        let mut missing: Vec<&str> = NEEDED.into_iter().filter(is_missing).collect();
        if !missing.contains(&"userIdentity") {
            missing.extend(says_who.map(Member::name));
        }
        // Of these only the issuer is asked for later: the ARN of a session looks like that of a role.
        for member in Member::CALLER.into_iter().filter(|member| says_who != Some(*member) || *member != Member::SessionIssuerArn) {
            untold = untold.without(member);
        }
        let outcome_unknown = missing.contains(&"errorCode");
        let partial = !(has_identity && missing.is_empty());
        if some_parameters {
            untold = untold.with(Member::RequestParameters);
        }
        if !has_identity && !missing.contains(&"userIdentity") {
            unknown.push(Unknown::Caller);
        }
        if !missing.is_empty() {
            unknown.push(Unknown::Columns(missing));
        } else if has_identity && !untold.is_empty() {
            unknown.push(Unknown::Members(untold.members().map(Member::name).collect()));
        }
        Rebuilt { partial, outcome_unknown, untold, unknown, json: Value::Object(record).to_string() }
    }
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

/// Whether a cell says that there is nothing.
pub fn is_null(name: Option<&str>, cell: &str) -> bool {
    // Splunk's add-on fills it in.
    let is_success = || name == Some("errorCode") && cell.trim().eq_ignore_ascii_case("success");
    // As Athena, Hive, pandas, PostgreSQL, R and Splunk write it.
    matches!(cell.trim(), "" | "null" | "NULL" | "\\N" | "None" | "nan" | "NaN" | "<NA>" | "(null)" | "NA" | "N/A" | "-") || is_success()
}

/// The value of a cell, and whether it has only the members that its column has.
fn value(path: &[String], cell: Value) -> (Value, bool) {
    let name = path.last().map_or("", String::as_str);
    let own = path.first().is_some_and(|top| is_own(top));
    let text = match cell {
        // Columns of type JSON have their texts in quotation marks.
        Value::String(text) if !own => json_text(&text).unwrap_or(text),
        Value::String(text) => text,
        Value::Object(_) if own => return (unquoted(name, cell), true),
        Value::Object(_) => return (spelled(name, cell), true),
        Value::Array(_) if !own => return (spelled(name, cell), false),
        other => return (other, false),
    };
    let cell = text.trim();
    match name {
        _ if is_null(Some(name), cell) => (Value::Null, false),
        "eventTime" => (Value::String(time(cell)), false),
        "recipientAccountId" => (account_id(cell), false),
        "accountId" => (account_of(text), false),
        _ if !cell.starts_with(['{', '[']) => (Value::String(text), false),
        _ if path.len() == 1 && own => {
            (nested_json(cell).or_else(|| escaped_json(cell)).or_else(|| python(cell)).unwrap_or_else(|| parameters(cell)), false)
        }
        _ if own => (nested_json(cell).or_else(|| python(cell)).unwrap_or(Value::String(text)), false),
        _ if is_nested(name) => nested(name, cell).unwrap_or((Value::String(text), false)),
        _ => (Value::String(text), false),
    }
}

/// An object or a list of a record from its printed form.
fn nested(name: &str, cell: &str) -> Option<(Value, bool)> {
    if let Some(value) = nested_json(cell).or_else(|| escaped_json(cell)) {
        // Records have no members that are null, and spell names as CloudTrail does: this one was a struct.
        let of_struct = |members: &Map<String, Value>| members.iter().any(|(name, value)| value.is_null() || canonical(name) != *name);
        let is_struct = value.as_object().is_some_and(of_struct);
        return Some((spelled(name, value), is_struct));
    }
    if let Some(value) = printed(cell) {
        return Some((value, true));
    }
    Some((spelled(name, python(cell)?), false))
}

/// Members in CloudTrail's spelling, and nested ones that are texts read.
pub fn spelled(name: &str, value: Value) -> Value {
    match value {
        _ if is_own(name) => value,
        Value::Object(members) => {
            let spelled = members.into_iter().map(|(name, value)| {
                let name = canonical(&name);
                let value = spelled(&name, value);
                (name, value)
            });
            spelled.collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.into_iter().map(|item| spelled(name, item)).collect::<Vec<_>>().into(),
        Value::String(text) if is_nested(name) && text.trim_start().starts_with(['{', '[']) => {
            nested(name, text.trim()).map_or(Value::String(text), |(value, _)| value)
        }
        Value::String(text) if name == "accountId" => account_of(text),
        Value::String(text) => json_text(&text).map_or(Value::String(text), Value::String),
        other => other,
    }
}

/// What a text in quotation marks says: columns of type JSON have their texts so.
fn json_text(text: &str) -> Option<String> {
    (text.len() > 1 && text.starts_with('"') && text.ends_with('"')).then(|| serde_json::from_str(text).ok()).flatten()
}

/// What is in a service's own object, of which a column of some type holds the values: texts of type JSON, and lists and objects
/// as texts where all are texts. JSON that is a cell's text is the record's own and stays as it is.
pub fn unquoted(name: &str, value: Value) -> Value {
    match value {
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (name.clone(), unquoted(&name, value))).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.into_iter().map(|item| unquoted(name, item)).collect::<Vec<_>>().into(),
        Value::String(text) => match text.as_bytes().first() {
            Some(b'"') => json_text(&text).map_or(Value::String(text), Value::String),
            Some(b'[') => nested_json(&text).unwrap_or(Value::String(text)),
            // Policies are texts in records, too.
            Some(b'{') if !name.to_ascii_lowercase().contains("policy") => nested_json(&text).unwrap_or(Value::String(text)),
            _ => Value::String(text),
        },
        other => other,
    }
}

/// An account id that may have been a number once; what is none stays as it is.
fn account_of(text: String) -> Value {
    match account_id(&text) {
        Value::Null => Value::String(text),
        id => id,
    }
}

/// A value without the members that are null.
pub fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.into_iter().filter(|(_, value)| !value.is_null());
            members.map(|(name, value)| (name, without_nulls(value))).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.into_iter().map(without_nulls).collect::<Vec<_>>().into(),
        other => other,
    }
}

/// A number without what spreadsheets and data frames write around it: `'1`, `="1"`, `1.0`.
pub fn written_as_number(text: &str) -> &str {
    let inner = text.strip_prefix("=\"").and_then(|text| text.strip_suffix('"')).or_else(|| text.strip_prefix('\'')).unwrap_or(text);
    inner.strip_suffix(".0").unwrap_or(inner)
}

/// An account id; null for what is none. Where it was a number once it may have lost zeros, or got a fraction; a spreadsheet
/// makes 5.28758E+11 of it, which is none.
fn account_id(cell: &str) -> Value {
    const DIGITS: usize = 12;
    let cell = written_as_number(cell);
    let is_number = cell.len() <= DIGITS && cell.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { format!("{cell:0>DIGITS$}").into() } else { Value::Null }
}

/// The older Event history table has `2020-05-13, 04:52:01 PM` in the zone of whoever downloaded it; it is taken as UTC.
fn time(cell: &str) -> String {
    local_time(cell).map_or_else(|| cell.to_owned(), |local| format!("{local}Z"))
}

fn local_time(cell: &str) -> Option<jiff::civil::DateTime> {
    // The second and third are those of Log Analytics, where the month stands first beside `AM` and `PM` only; the last is Kibana's.
    const FORMS: [&str; 4] = ["%Y-%m-%d, %I:%M:%S %p", "%m/%d/%Y, %I:%M:%S%.f %p", "%d/%m/%Y, %H:%M:%S%.f", "%b %d, %Y @ %H:%M:%S%.f"];
    let is_local = (cell.ends_with(['M', 'm']) || cell.contains(['/', '@'])) && event_time(cell).is_none();
    is_local.then(|| FORMS.iter().find_map(|form| jiff::civil::DateTime::strptime(form, cell).ok())).flatten()
}

fn nested_json(cell: &str) -> Option<Value> {
    serde_json::from_str(cell).ok()
}

/// JSON in a cell that escapes backslashes by backslashes, as ClickHouse, MySQL and PostgreSQL write tabs between columns.
fn escaped_json(cell: &str) -> Option<Value> {
    serde_json::from_str(&unescaped(cell)?).ok()
}

/// A cell without the backslashes that stand before others and before quotation marks; `None` if there is none.
pub fn unescaped(cell: &str) -> Option<String> {
    cell.contains("\\\\").then(|| cell.replace("\\\\", "\\"))
}

/// Parameters that are printed as `{key=value, ...}`. Of several it cannot be told where a value ends and the next key
/// begins, so they are kept as text, in the form in which CloudTrail says that it left parameters out.
fn parameters(cell: &str) -> Value {
    let inner = cell.strip_prefix('{').and_then(|inner| inner.strip_suffix('}'));
    match inner.filter(|inner| !inner.contains(", ")).and_then(|inner| inner.split_once('=')) {
        Some((_, "null")) => Value::Object(Map::new()),
        Some((key, text)) => {
            // As DuckDB prints what is in a map.
            let text = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')).unwrap_or(text);
            unquoted("", Value::Object(Map::from_iter([(key.to_owned(), Value::String(text.to_owned()))])))
        }
        None => {
            Value::Object(Map::from_iter([("omitted".to_owned(), Value::Bool(true)), ("text".to_owned(), Value::String(cell.to_owned()))]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rebuilt(cells: &[(&str, Value)]) -> Rebuilt {
        Columns(cells.iter().map(|(name, cell)| ((*name).to_owned(), cell.clone())).collect()).rebuilt()
    }

    #[test]
    fn what_is_a_text_stays_one() {
        let agent = "[AWSCloudTrail, aws-internal/3 aws-sdk-java/1.11.920]";
        let cells = [
            ("User agent", json!(agent)),
            ("errorMessage", json!("{\"message\":\"no\"}")),
            ("userIdentity.userName", json!("[alice]")),
            ("tlsDetails", json!("{tlsVersion=TLSv1.3}")),
            ("resources", json!("[{\"ARN\":\"arn:x\"}]")),
            ("requestParameters", json!("{\"userName\":\"bob\"}")),
            ("responseElements.arn", json!("[\"a\",\"b\"]")),
        ];
        let record: Value = serde_json::from_str(&rebuilt(&cells).json).unwrap();
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
    fn members_that_no_column_tells_are_unknown() {
        let untold = |cells: &[(&str, Value)]| rebuilt(cells).untold.members().map(Member::name).collect::<Vec<_>>();
        let others = [
            "invokedBy",
            "sourceIdentity",
            "federatedProvider",
            "assumedRoot",
            "mfaAuthenticated",
            "creationDate",
            "sessionCredentialFromConsole",
            "sourceIPAddress",
            "requestParameters",
            "userAgent",
        ];
        let beside =
            ["sessioncredentialfromconsole", "sourceIPAddress", "requestParameters", "userAgent"].map(|column| (column, json!("")));
        assert_eq!(untold(&[]), others);
        assert_eq!(untold(&beside), others[..6]);
        let identity = |cell: Value| {
            let cells: Vec<_> = beside.iter().cloned().chain([("userIdentity", cell)]).collect();
            untold(&cells)
        };
        // A record's own object, or nothing, says all.
        for cell in [json!(""), json!("{}"), json!("{\"type\":\"Root\"}"), json!("{'type': 'Root'}"), Value::Null] {
            assert_eq!(identity(cell.clone()), [""; 0], "{cell}");
        }
        for cell in [
            json!("{type=Root, invokedby=null, sessioncontext={attributes={mfaauthenticated=false, creationdate=null}}}"),
            json!({"type": "Root", "invokedby": null, "session_context": {"attributes": {"mfaauthenticated": "false", "creationdate": null}}}),
            json!(
                "{\"type\":\"Root\",\"invokedBy\":null,\"sessionContext\":{\"attributes\":{\"mfaAuthenticated\":\"false\",\"creationDate\":null}}}"
            ),
        ] {
            assert_eq!(identity(cell.clone()), ["sourceIdentity", "federatedProvider", "assumedRoot"], "{cell}");
        }
        assert_eq!(identity(json!({"invokedBy": null, "sessionContext": null})), [""; 0]);
        // Some parameters are not all.
        assert_eq!(untold(&[("requestParameters.userName", json!("bob"))]), others);
        assert_eq!(untold(&[("requestParameters", json!({"userName": "bob"}))]), others);
    }

    #[test]
    fn account_ids_that_were_numbers_are_account_ids() {
        let account = |cell: &str| rebuilt(&[("recipientAccountId", json!(cell))]);
        for (cell, id) in [("111122223333", "111122223333"), ("11122223333.0", "011122223333"), ("1", "000000000001")] {
            assert_eq!(account(cell).json, json!({ "recipientAccountId": id }).to_string());
        }
        for cell in ["5.28758E+11", "1111222233334", "***", "x"] {
            let Some(Unknown::Columns(missing)) = account(cell).unknown.pop() else { panic!("{cell}") };
            assert!(account(cell).json == "{}" && missing.contains(&"recipientAccountId"), "{cell}");
        }
        assert!(!matches!(&account("").unknown[..], [Unknown::Columns(missing)] if missing.contains(&"recipientAccountId")));
    }
}
