//! From request parameters to a resource ARN and to context keys.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json_borrow::Value;

use super::service::{Operation, ResourceTemplate, Service};
use crate::iam::arn::Arn;
use crate::iam::pattern::UNKNOWN_PART;

/// The text that AWS puts in place of values that it hides.
const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

/// The member of request parameters that says that there may be more of them: what the record does not show is unknown,
/// not absent.
const PARTIAL: &str = "retrial:partial";

/// Request parameters that may not be all of them.
pub fn some_of<'a>(parameters: &Value<'a>) -> Value<'a> {
    let mut some = parameters.clone();
    if let Value::Object(members) = &mut some {
        members.insert(PARTIAL, Value::Bool(true));
    }
    some
}

/// Request parameters, looked up without regard to letter case.
#[derive(Debug, Clone, Copy)]
pub struct Parameters<'a>(pub Option<&'a Value<'a>>);

/// Where a request is made: what the reserved placeholders stand for.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// `awsRegion`; empty if it is unknown.
    pub region: &'a str,
    /// The resource's account; empty if it is unknown.
    pub account: &'a str,
    /// The partition, where the region does not tell it.
    pub partition: Option<&'a str>,
}

impl<'a> Place<'a> {
    /// The same with the partition told.
    fn told(self) -> Self {
        Self { partition: self.partition(), ..self }
    }

    fn partition(self) -> Option<&'a str> {
        if self.region.is_empty() { self.partition } else { Some(partition(self.region)) }
    }
}

/// A resource as far as the request tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// `*`, or an ARN with [`UNKNOWN_PART`] for each part that the record does not tell.
    pub arn: String,
    /// Whether nothing of it is unknown.
    pub complete: bool,
}

impl<'a> Parameters<'a> {
    /// Whether the request's parameters were logged, all of them.
    pub fn are_known(self) -> bool {
        matches!(self.0, Some(Value::Object(members)) if members.iter().all(|(name, _)| name != PARTIAL))
    }

    /// The value at a dotted path. Of members that stand twice the last one counts, as with other JSON readers.
    pub fn get(self, path: &str) -> Option<&'a Value<'a>> {
        let (mut value, mut rest) = (self.0?, path);
        while let Some(at) = memchr::memchr(b'.', rest.as_bytes()) {
            value = member(value, rest.get(..at)?)?;
            rest = rest.get(at + 1..)?;
        }
        member(value, rest)
    }

    /// A text, number or one-element list at a dotted path, unless AWS hides it.
    pub fn text(self, path: &str) -> Option<Cow<'a, str>> {
        scalar(self.get(path)?)
    }

    /// The texts of a list at a dotted path; `None` if something of it is hidden or not a text.
    pub fn texts(self, path: &str) -> Option<Vec<String>> {
        match self.get(path)? {
            Value::Array(items) => items.iter().map(|item| scalar(item).map(Cow::into_owned)).collect(),
            other => Some(vec![scalar(other)?.into_owned()]),
        }
    }

    /// Tags at a dotted path, given as `[{key, value}]` or `{key: value}`.
    pub fn tags(self, path: &str) -> Option<Vec<(String, String)>> {
        match self.get(path)? {
            Value::Array(items) => items
                .iter()
                .map(|item| {
                    let tag = Parameters(Some(item));
                    let text = |name: &str, other: &str| tag.text(name).or_else(|| tag.text(other)).map(Cow::into_owned);
                    Some((text("key", "tagKey")?, text("value", "tagValue")?))
                })
                .collect(),
            // One tag, or two with these names: it cannot be told.
            Value::Object(members) if members.len() == 2 && self.get(path).is_some_and(is_tag) => None,
            Value::Object(members) => members.iter().map(|(key, value)| Some((key.to_owned(), scalar(value)?.into_owned()))).collect(),
            _ => None,
        }
    }
}

/// Whether an object is a tag with its key and value.
fn is_tag(value: &Value<'_>) -> bool {
    let has = |names: [&str; 2]| names.iter().any(|name| member(value, name).is_some());
    has(["key", "tagKey"]) && has(["value", "tagValue"])
}

/// The last member of a name, else of one that differs in letter case.
fn member<'a>(value: &'a Value<'a>, name: &str) -> Option<&'a Value<'a>> {
    let Value::Object(members) = value else { return None };
    let (mut same, mut alike) = (None, None);
    for (key, value) in members.iter().filter(|(key, _)| key.len() == name.len()) {
        if key == name {
            same = Some(value);
        } else if key.eq_ignore_ascii_case(name) {
            alike = Some(value);
        }
    }
    same.or(alike)
}

fn scalar<'a>(value: &'a Value<'a>) -> Option<Cow<'a, str>> {
    let text = match value {
        Value::Str(text) => Cow::Borrowed(text.as_ref()),
        Value::Number(_) => Cow::Owned(value.to_string()),
        Value::Bool(flag) => Cow::Borrowed(if *flag { "true" } else { "false" }),
        Value::Array(items) => match items.as_slice() {
            [only] => return scalar(only),
            _ => return None,
        },
        _ => return None,
    };
    let starred = memchr::memchr(b'*', text.as_bytes()).is_some() && text.contains("***");
    (text != HIDDEN && !starred).then_some(text)
}

impl Service {
    /// The resource that a call of `operation` acts on. `None` where the catalogue does not know.
    pub fn resource(&self, operation: &Operation, parameters: Parameters<'_>, place: Place<'_>) -> Option<Resolved> {
        if operation.without_resource() {
            return Some(Resolved { arn: "*".to_owned(), complete: true });
        }
        if let Some(path) = &operation.arn_parameter
            && let Some(arn) = parameters.text(path).filter(|text| text.starts_with("arn:"))
        {
            return Some(Resolved { arn: arn.into_owned(), complete: true });
        }
        let mut templates = operation.resource.iter().filter_map(|kind| self.resources.get(kind));
        let expand = |template: &ResourceTemplate| {
            let resolved = template.arn.expand(parameters, place, operation.creates);
            let is_told = resolved.complete || !template.by_arn || template.arn.names_something(parameters);
            if is_told { resolved } else { template.arn.expand(parameters, Place { region: "", account: "", ..place.told() }, false) }
        };
        match (templates.next(), templates.next()) {
            (first, None) => first.map(expand),
            (first, second) => first.into_iter().chain(second).chain(templates).map(expand).find(|resolved| resolved.complete),
        }
    }

    /// The resource of a template name, for checks that name it by a parameter of another service's call.
    pub fn resource_named(&self, operation: &Operation, value: &str, place: Place<'_>) -> Option<Resolved> {
        if value.starts_with("arn:") {
            return Some(Resolved { arn: value.to_owned(), complete: true });
        }
        let template = self.resources.get(operation.resource.first()?)?.arn.as_str();
        let head = ArnTemplate::new(template.get(..template.rfind("${")?)?).expand(Parameters(None), place, false);
        Some(Resolved { arn: format!("{}{value}", head.arn), complete: head.complete })
    }
}

/// The shape of an ARN: texts and placeholders.
#[derive(Debug)]
pub struct ArnTemplate {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    Partition,
    Region,
    Account,
    Parameter(Placeholder),
}

/// A request parameter's place in an ARN.
#[derive(Debug)]
struct Placeholder {
    /// Dotted paths of parameters, the first of which that is present counts.
    paths: Vec<String>,
    /// Whether a missing parameter is an empty path where the call creates the thing.
    optional: bool,
    /// Whether it is one in any call.
    by_default: bool,
}

impl ArnTemplate {
    /// `arn:${Partition}:...`.
    pub fn new(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, tail) = after.split_once('}').unwrap_or((after, ""));
            parts.extend((!before.is_empty()).then(|| Part::Text(before.to_owned())));
            parts.push(match name {
                "Partition" => Part::Partition,
                "Region" => Part::Region,
                "Account" => Part::Account,
                _ => {
                    let (paths, by_default) = name.strip_suffix("??").map_or((name, false), |paths| (paths, true));
                    let (paths, optional) = paths.strip_suffix('?').map_or((paths, by_default), |paths| (paths, true));
                    Part::Parameter(Placeholder { paths: paths.split('|').map(str::to_owned).collect(), optional, by_default })
                }
            });
            rest = tail;
        }
        parts.extend((!rest.is_empty()).then(|| Part::Text(rest.to_owned())));
        Self { text: text.to_owned(), parts }
    }

    /// As the data file has it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether one of its parameters is there and can be read.
    fn names_something(&self, parameters: Parameters<'_>) -> bool {
        let mut paths = self.parts.iter().flat_map(|part| match part {
            Part::Parameter(placeholder) => placeholder.paths.as_slice(),
            _ => &[],
        });
        paths.any(|path| parameters.text(path).is_some())
    }

    /// Whether an ARN is that of an alias of what is meant: policies are asked about the thing itself.
    fn is_alias(&self, arn: &Arn<'_>) -> bool {
        arn.service == "kms" && arn.resource.starts_with("alias/") && !self.text.contains(":alias/")
    }

    /// Fills the template. A parameter that itself holds an ARN replaces all of it.
    fn expand(&self, parameters: Parameters<'_>, place: Place<'_>, creates: bool) -> Resolved {
        let mut arn = String::with_capacity(self.text.len() + 24);
        let mut complete = true;
        let mut parts = self.parts.iter();
        while let Some(part) = parts.next() {
            let value = match part {
                Part::Text(text) => {
                    arn.push_str(text);
                    continue;
                }
                Part::Partition => place.partition().map(Cow::Borrowed),
                Part::Region => Some(place.region).filter(|region| !region.is_empty()).map(Cow::Borrowed),
                Part::Account => Some(place.account).filter(|account| !account.is_empty()).map(Cow::Borrowed),
                Part::Parameter(placeholder) => placeholder.value(parameters, creates),
            };
            match value {
                Some(value) if memchr::memchr(b':', value.as_bytes()).is_none() && !value.starts_with("alias/") => {
                    arn.push_str(without_type(&value, &arn));
                }
                Some(value) if value.starts_with("arn:") => match Arn::parse(&value).filter(|arn| self.is_alias(arn)) {
                    Some(Arn { partition, region, account, .. }) => {
                        return self.expand(Parameters(None), Place { region, account, partition: Some(partition) }, creates);
                    }
                    None => match beginning(&value, &arn, parts.as_slice()) {
                        Some(beginning) => {
                            arn.clear();
                            arn.push_str(beginning);
                        }
                        None => return Resolved { arn: value.into_owned(), complete: true },
                    },
                },
                _ => {
                    arn.push_str(UNKNOWN_PART);
                    complete = false;
                }
            }
        }
        Resolved { arn, complete }
    }
}

/// An id without the type that some APIs put before it: `/hostedzone/Z1` after `...hostedzone/` is `Z1`.
fn without_type<'v>(value: &'v str, before: &str) -> &'v str {
    // Nearly all begin otherwise.
    let Some(path) = value.strip_prefix('/') else { return value };
    let kind = before.rsplit([':', '/']).nth(1).filter(|_| before.ends_with('/'));
    kind.and_then(|kind| path.strip_prefix(kind)?.strip_prefix('/')).unwrap_or(value)
}

/// The part of an ARN that stands for what a template has up to here, if the template goes on with the name of a part of it:
/// `...:log-group:NAME` before `:log-stream:`.
fn beginning<'v>(value: &'v str, before: &str, after: &[Part]) -> Option<&'v str> {
    let [Part::Text(separator), ..] = after else { return None };
    let kind = before.splitn(6, ':').nth(5)?;
    let value = value.strip_suffix(":*").unwrap_or(value);
    let name = Arn::parse(value)?.resource.strip_prefix(kind)?;
    (!name.contains(separator.as_str())).then_some(value)
}

impl<'de> Deserialize<'de> for ArnTemplate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::new(&String::deserialize(deserializer)?))
    }
}

impl Placeholder {
    /// The first of its alternatives that is present. A missing one that may be is an empty path where the call creates the
    /// thing or that is the default, else unknown.
    fn value<'a>(&self, parameters: Parameters<'a>, creates: bool) -> Option<Cow<'a, str>> {
        let found = self.paths.iter().find_map(|path| parameters.text(path)).filter(|text| !text.is_empty());
        match found {
            Some(path) if self.optional => Some(path.trim_start_matches('/').to_owned().into()),
            None if self.optional && (creates || self.by_default) && parameters.are_known() => Some(Cow::Borrowed("")),
            other => other,
        }
    }
}

/// The partition of a region.
pub(crate) fn partition(region: &str) -> &'static str {
    const BEGINNINGS: [(&str, &str); 7] = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("eusc-", "aws-eusc"),
        ("us-iso-", "aws-iso"),
        ("us-isob-", "aws-iso-b"),
        ("eu-isoe-", "aws-iso-e"),
        ("us-isof-", "aws-iso-f"),
    ];
    // Most are none of them, and told by a few bytes.
    match region.as_bytes() {
        [b'c', b'n', ..] | [_, _, b'-', b'g' | b'i', ..] | [b'e', b'u', b's', ..] => {
            BEGINNINGS.iter().find(|(beginning, _)| region.starts_with(beginning)).map_or("aws", |(_, partition)| partition)
        }
        _ => "aws",
    }
}

#[cfg(test)]
mod tests {
    use super::super::Catalog;
    use super::*;

    fn resource(action: &str, parameters: &str) -> Option<String> {
        let value: Value<'_> = serde_json::from_str(parameters).unwrap();
        let (service, operation) = Catalog::builtin().action(action).unwrap();
        let place = Place { region: "eu-west-1", account: "111122223333", partition: None };
        service.resource(operation, Parameters(Some(&value)), place).map(|resolved| resolved.arn)
    }

    #[test]
    fn resources_come_from_the_parameters() {
        let organization = "arn:aws:workmail:eu-west-1:111122223333:organization/m-1";
        assert_eq!(resource("workmail:CreateUser", r#"{"organizationId":"m-1"}"#).unwrap(), organization);
        assert_eq!(resource("workmail:CreateUser", r#"{"OrganizationID":"m-1"}"#).unwrap(), organization);
        assert_eq!(resource("workmail:TagResource", &format!(r#"{{"resourceARN":"{organization}"}}"#)).unwrap(), organization);
        assert_eq!(resource("workmail:CreateUser", "null").unwrap(), "arn:aws:workmail:eu-west-1:111122223333:organization/<?>");
        assert_eq!(resource("workmail:ListOrganizations", "null").unwrap(), "*");
        assert_eq!(
            resource("workmailmessageflow:GetRawMessageContent", r#"{"messageId":"x-1"}"#).unwrap(),
            "arn:aws:workmailmessageflow:eu-west-1:111122223333:message/<?>/<?>/x-1"
        );
    }

    #[test]
    fn a_role_named_without_its_path_is_partly_unknown_unless_created() {
        assert_eq!(resource("iam:DeleteRole", r#"{"roleName":"ops"}"#).unwrap(), "arn:aws:iam::111122223333:role/<?>ops");
        assert_eq!(resource("iam:CreateRole", r#"{"roleName":"ops"}"#).unwrap(), "arn:aws:iam::111122223333:role/ops");
        assert_eq!(resource("iam:CreateRole", r#"{"roleName":"ops","path":"/a/"}"#).unwrap(), "arn:aws:iam::111122223333:role/a/ops");
    }
}
