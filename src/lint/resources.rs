//! `Resource` and `NotResource`: the form of ARNs, and where variables stand in them.

use super::Linter;
use super::walk::{Entry, StatementView};
use crate::iam::variable::{Part, Template};
use crate::iam::{Pattern, PolicyType};

const PARTITIONS: [&str; 8] = ["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc"];

/// What is wrong with a `${` in a text that is not a well-formed variable.
pub(super) const MALFORMED: &str = "write `${key}` or `${key, 'default'}`, and `${$}{` for the two characters";

/// Whether a text has a `${` that begins no variable.
pub(super) fn malformed_variable(text: &str) -> bool {
    Template::parse(text).parts.iter().any(|part| matches!(part, Part::Text(text) if text.contains("${")))
}

fn is_wild(text: &str) -> bool {
    text.contains(['*', '?'])
}

impl<'a> Linter<'_, 'a> {
    /// The resources of one statement.
    pub(super) fn resources(&mut self, statement: &StatementView<'a>) {
        for resource in statement.resource.iter().flat_map(|list| &list.entries) {
            if resource.text != "*" {
                self.resource(resource);
            }
        }
    }

    fn resource(&mut self, resource: &Entry<'a>) {
        let (text, node) = (resource.text.as_str(), &resource.node);
        if malformed_variable(text) {
            self.refused("variable-syntax", node, format!("`${{` in `{text}` begins no variable and is plain text"), Some(MALFORMED));
        }
        let Some(rest) = text.strip_prefix("arn:") else {
            let help = Some("write an ARN, or \"*\" for all resources");
            self.refused("resource-form", node, format!("resource `{}` is neither an ARN nor \"*\"", shortened(text)), help);
            return;
        };
        let mut segments = rest.splitn(5, ':');
        let mut next = || segments.next();
        let (partition, service, region, account, name) = (next().unwrap_or(""), next(), next(), next(), next());
        self.partition(resource, partition);
        match service {
            None => self.refused("resource-form", node, format!("resource `{text}` names no service"), Some("write an ARN, or \"*\"")),
            Some(service) if is_wild(service) => {
                let help = Some("write the service out; IAM answers \"Resource vendor must be fully qualified\"");
                self.refused("resource-service", node, format!("a wildcard in the service `{service}` of an ARN"), help);
            }
            Some(service) if service.bytes().any(|b| b.is_ascii_uppercase()) => {
                let help = format!("write `{}`: ARNs are case-sensitive", service.to_ascii_lowercase());
                self.refused("resource-service", node, format!("the service `{service}` of an ARN has upper-case letters"), Some(&help));
            }
            Some(_) => {}
        }
        let outer: Vec<&str> = [Some(partition), region, account].into_iter().flatten().collect();
        if outer.iter().any(|segment| !segment.contains("${") && segment.bytes().any(|b| b.is_ascii_uppercase())) {
            let message = format!("upper-case letters before the resource part of `{text}`");
            self.warning("arn-case", node, message, Some("ARNs are case-sensitive, and these parts are lower-case in all of them"));
        }
        if outer.iter().chain(&service).any(|segment| segment.contains("${")) {
            let help = Some("variables are replaced after the fifth colon only; write `*` here and test the key in `Condition`");
            self.refused("variable-position", node, format!("a variable before the fifth colon of `{text}` is plain text"), help);
        }
        match name {
            None => self.short(resource),
            Some(name) => self.global(resource, [service.unwrap_or(""), region.unwrap_or(""), name]),
        }
    }

    fn partition(&mut self, resource: &Entry<'a>, partition: &str) {
        let pattern = Pattern::glob(partition);
        let folded = partition.to_ascii_lowercase();
        if !partition.contains("${") && folded == partition && !PARTITIONS.iter().any(|known| pattern.matches(known)) {
            let help = format!("it is one of {}", PARTITIONS.join(", "));
            self.refused("resource-partition", &resource.node, format!("unknown partition `{partition}`"), Some(&help));
        }
    }

    /// ARNs of global services carry no region.
    fn global(&mut self, resource: &Entry<'a>, [service, region, name]: [&str; 3]) {
        if region.is_empty() || !(service == "iam" || (service == "s3" && !name.starts_with("accesspoint"))) {
            return;
        }
        let message = format!("ARNs of `{service}` have no region, this one has `{region}`");
        let help = Some("leave the region empty: `::`");
        if region == "*" {
            self.warning("resource-region", &resource.node, message, help);
        } else {
            self.refused("resource-region", &resource.node, message, help);
        }
    }

    fn short(&mut self, resource: &Entry<'a>) {
        let (text, node) = (resource.text.as_str(), &resource.node);
        if text.contains("::") {
            let help = Some("write all six parts: `arn:partition:service:region:account:resource`");
            self.refused("resource-form", node, format!("`{text}` has fewer than six parts and an empty one among them"), help);
            return;
        }
        let padded = match self.policy_type {
            PolicyType::Identity | PolicyType::Boundary | PolicyType::Session => true,
            PolicyType::Resource | PolicyType::Endpoint => text.contains('*'),
            PolicyType::Scp => text.ends_with('*'),
            PolicyType::Rcp => false,
        };
        let reading = if padded { "the missing ones count as `*`" } else { "in this policy type it matches nothing" };
        let help = Some("write all six parts: `arn:partition:service:region:account:resource`");
        self.warning("short-arn", node, format!("`{text}` has fewer than six parts: {reading}"), help);
    }
}

fn shortened(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or(text)),
        None => text.to_owned(),
    }
}
