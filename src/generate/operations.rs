//! The calls that occur in the logs, with the shape of their request parameters and response elements.

use std::collections::HashMap;
use std::io;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::values::{Scene, ValueKind};

const OPERATIONS: &str = include_str!("operations.json");
/// How often an optional request parameter is given.
const OPTIONAL: f64 = 0.4;

/// One call of one service.
#[derive(Debug)]
pub(super) struct Operation {
    /// The CloudTrail event name.
    pub(super) name: String,
    /// The IAM action prefix.
    pub(super) service: String,
    pub(super) read_only: bool,
    request: Shape,
    response: Shape,
}

/// The shape of a JSON value; what is in it is decided for each record.
#[derive(Debug)]
enum Shape {
    Null,
    Value(ValueKind),
    /// Name, shape, and whether it may be left out.
    Object(Vec<(String, Shape, bool)>),
    List(Box<Shape>),
}

/// All operations in the order of the data file.
#[derive(Debug)]
pub(super) struct Operations {
    all: Vec<Operation>,
    by_name: HashMap<String, usize>,
}

impl Operations {
    /// Reads the built-in table.
    pub(super) fn load() -> io::Result<Self> {
        let table: HashMap<String, HashMap<String, Value>> = serde_json::from_str(OPERATIONS)?;
        let mut all = Vec::new();
        for (group, operations) in &table {
            let service = group.split(' ').next().unwrap_or(group);
            for (name, shapes) in operations {
                all.push(Operation {
                    name: name.clone(),
                    service: service.to_owned(),
                    read_only: is_read_only(name),
                    request: Shape::parse(shapes.get("request"))?,
                    response: Shape::parse(shapes.get("response"))?,
                });
            }
        }
        all.sort_by(|a, b| (&a.service, &a.name).cmp(&(&b.service, &b.name)));
        let by_name = all.iter().enumerate().map(|(index, o)| (format!("{}:{}", o.service, o.name), index)).collect();
        Ok(Self { all, by_name })
    }

    /// The operation of a name like `workmail:ListUsers`.
    pub(super) fn get(&self, name: &str) -> io::Result<&Operation> {
        let found = self.by_name.get(name).and_then(|index| self.all.get(*index));
        found.ok_or_else(|| io::Error::other(format!("no operation named {name}")))
    }

    /// The operations of a service.
    pub(super) fn of_service(&self, service: &str) -> impl Iterator<Item = &Operation> {
        self.all.iter().filter(move |operation| operation.service == service)
    }
}

impl Operation {
    /// The IAM action, without the version that some event names carry.
    pub(super) fn action(&self) -> String {
        match (self.service.as_str(), self.name.as_str()) {
            ("s3", "ListBuckets") => "s3:ListAllMyBuckets".to_owned(),
            (service, name) => format!("{service}:{}", name.trim_end_matches(|c: char| c.is_ascii_digit())),
        }
    }

    /// Whether WorkMail authorizes it without an organization.
    pub(super) fn is_without_organization(&self) -> bool {
        const NAMES: [&str; 7] = [
            "CreateIdentityCenterApplication",
            "CreateOrganization",
            "DeleteIdentityCenterApplication",
            "DescribeDirectories",
            "DescribeKmsKeys",
            "DescribeOrganizations",
            "ListOrganizations",
        ];
        self.service == "workmail" && NAMES.contains(&self.name.as_str())
    }

    /// Writes `requestParameters`.
    pub(super) fn write_request(&self, out: &mut String, scene: &Scene<'_>, rng: &mut ChaCha8Rng) {
        self.request.write(out, scene, rng);
    }

    /// Writes `responseElements` of a success.
    pub(super) fn write_response(&self, out: &mut String, scene: &Scene<'_>, rng: &mut ChaCha8Rng) {
        self.response.write(out, scene, rng);
    }
}

/// WorkMail actions that the service no longer lists, but whose names old clients leave in logs.
const LEGACY: [&str; 19] = [
    "AddMembersToGroup",
    "CreateMailUser",
    "DescribeDirectories",
    "DescribeKmsKeys",
    "DescribeMailGroups",
    "DescribeMailUsers",
    "DescribeOrganizations",
    "DisableMailGroups",
    "DisableMailUsers",
    "EnableMailGroups",
    "EnableMailUsers",
    "GetMailGroupDetails",
    "GetMailUserDetails",
    "ListMembersInMailGroup",
    "RemoveMembersFromGroup",
    "ResetUserPassword",
    "SetAdmin",
    "SetMailGroupDetails",
    "SetMailUserDetails",
];

/// Whether an operation of WorkMail is a legacy one.
pub(super) fn is_legacy(name: &str) -> bool {
    LEGACY.contains(&name)
}

fn is_read_only(name: &str) -> bool {
    const READS: [&str; 9] = ["Describe", "Get", "List", "Search", "Lookup", "AssumeRole", "Decrypt", "Encrypt", "TestAvailability"];
    READS.iter().any(|prefix| name.starts_with(prefix))
}

impl Shape {
    fn parse(value: Option<&Value>) -> io::Result<Self> {
        Ok(match value {
            None | Some(Value::Null) => Self::Null,
            Some(Value::String(kind)) => Self::Value(ValueKind::parse(kind)?),
            Some(Value::Array(items)) => Self::List(Box::new(Self::parse(items.first())?)),
            Some(Value::Object(members)) => {
                let member = |(name, shape): (&String, &Value)| {
                    let plain = name.strip_suffix('?');
                    Ok((plain.unwrap_or(name).to_owned(), Self::parse(Some(shape))?, plain.is_some()))
                };
                Self::Object(members.iter().map(member).collect::<io::Result<_>>()?)
            }
            Some(other) => return Err(io::Error::other(format!("{other} is not a shape"))),
        })
    }

    fn write(&self, out: &mut String, scene: &Scene<'_>, rng: &mut ChaCha8Rng) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Value(kind) => kind.write(out, scene, rng),
            Self::List(item) => {
                out.push('[');
                item.write(out, scene, rng);
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                let mut first = true;
                for (name, shape, optional) in members {
                    if *optional && !rng.random_bool(OPTIONAL) {
                        continue;
                    }
                    out.push_str(if first { "\"" } else { ",\"" });
                    out.push_str(name);
                    out.push_str("\":");
                    shape.write(out, scene, rng);
                    first = false;
                }
                out.push('}');
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn all_workmail_operations_are_known() {
        let operations = Operations::load().unwrap();
        assert_eq!(operations.of_service("workmail").count(), 92 + 34 + 19);
        assert_eq!(operations.of_service("workmailmessageflow").count(), 2);
        assert!(operations.get("workmail:Nothing").is_err());
    }

    #[test]
    fn actions_have_no_version() {
        let operations = Operations::load().unwrap();
        assert_eq!(operations.get("lambda:ListFunctions20150331").unwrap().action(), "lambda:ListFunctions");
        assert_eq!(operations.get("workmail:ListUsers").unwrap().action(), "workmail:ListUsers");
    }

    #[test]
    fn reads_are_told_from_writes() {
        let operations = Operations::load().unwrap();
        assert!(operations.get("workmail:SearchMembers").unwrap().read_only);
        assert!(!operations.get("workmail:CreateUser").unwrap().read_only);
    }
}
