//! Organizations: the service and resource control policies of an organization file, of a saved tree, or of an output of
//! the AWS CLI.

use super::Linter;
use crate::iam::PolicyType;
use crate::iam::json::{Kind, Node, Source};

/// The lists of a node with nodes or policies inside, and what the policies are where the list says it.
const LISTS: [(&str, Option<PolicyType>); 6] = [
    ("scps", Some(PolicyType::Scp)),
    ("rcps", Some(PolicyType::Rcp)),
    ("Policies", None),
    ("accounts", None),
    ("children", None),
    ("Children", None),
];
/// The policies of AWS, which are nobody's to judge.
const OF_AWS: [&str; 2] = ["p-FullAWSAccess", "p-RCPFullAWSAccess"];

/// Whether an object is an organization, or a part of one.
pub(super) fn is_organization<'a>(source: &Source<'a>, root: &Node<'a>) -> bool {
    let members = root.members(source).unwrap_or_default();
    let find = |name: &str| members.iter().find(|(member, _)| member == name).map(|(_, node)| node);
    let is = |name: &str, kind: Kind| find(name).is_some_and(|node| node.kind() == kind);
    let inside = |node: Option<&Node<'a>>, name: &str| {
        let members = node.filter(|node| node.kind() == Kind::Object).and_then(|node| node.members(source).ok());
        members.is_some_and(|members| members.iter().any(|(member, _)| member == name))
    };
    let first_policy = find("Policies").filter(|node| node.kind() == Kind::Array).and_then(|node| node.elements(source).ok());
    let first_policy = first_policy.and_then(|policies| policies.into_iter().next());
    find("management_account").is_some()
        || (is("root", Kind::Object) && find("id").is_some())
        || ["Roots", "OrganizationalUnits", "Accounts"].into_iter().any(|name| is(name, Kind::Array))
        || (is("Children", Kind::Array) && find("Id").is_some())
        || inside(find("Organization"), "Id")
        || inside(find("Policy"), "PolicySummary")
        || inside(first_policy.as_ref(), "Type")
}

impl<'a> Linter<'_, 'a> {
    /// The policies of an organization, or of a part of one, each as what it is.
    pub(super) fn organization(&mut self, node: &Node<'a>) {
        self.controls(node, None);
    }

    fn controls(&mut self, node: &Node<'a>, of_list: Option<PolicyType>) {
        let text = |node: Option<Node<'a>>| node.filter(|node| node.kind() == Kind::String).and_then(|node| node.string(self.source).ok());
        let summary = self.member(node, "PolicySummary");
        let told = |name: &str| text(self.member(node, name).or_else(|| self.member(summary.as_ref()?, name)));
        let own = match told("Type").as_deref() {
            Some("SERVICE_CONTROL_POLICY") => Some(PolicyType::Scp),
            Some("RESOURCE_CONTROL_POLICY") => Some(PolicyType::Rcp),
            _ => of_list,
        };
        let id = told("Id").or_else(|| told("id")).unwrap_or_default();
        for name in ["document", "Content"] {
            let document = self.member(node, name).filter(|document| matches!(document.kind(), Kind::Object | Kind::String));
            if let (Some(policy_type), Some(document)) = (own.filter(|_| !OF_AWS.contains(&id.as_str())), document) {
                self.policy_type = policy_type;
                self.within(&document);
            }
        }
        for (name, of) in LISTS {
            for entry in self.list_of(node, name) {
                self.controls(&entry, of);
            }
        }
        for name in ["root", "Policy"] {
            if let Some(inner) = self.member(node, name) {
                self.controls(&inner, None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::iam::PolicyType;
    use crate::lint::{FileKind, file, file_kind};

    #[test]
    fn the_policies_of_an_organization_are_judged_as_what_they_are() {
        let statement = r#"{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}"#;
        let document = format!(r#"{{"Version": "2012-10-17", "Statement": [{statement}]}}"#);
        let of = |list: &str| {
            let text = format!(
                r#"{{"id": "o-1", "management_account": "111111111111", "root": {{"id": "r-1", "children": [{{"id": "ou-1", "{list}": [{{"id": "p-1", "document": {document}}}]}}]}}}}"#
            );
            assert_eq!(file_kind(&text), FileKind::Organization);
            file(&text, PolicyType::Identity, false)
        };
        let found = of("scps");
        assert_eq!(
            (found[0].code, found[0].finding.pointer.as_str()),
            ("invalid", "/root/children/0/scps/0/document/Statement/0/Principal")
        );
        assert!(of("rcps").iter().all(|found| found.code != "invalid"));
    }

    #[test]
    fn a_described_policy_is_judged_at_its_text() {
        let text = r#"{"Policy": {"PolicySummary": {"Id": "p-1", "Type": "SERVICE_CONTROL_POLICY"}, "Content": "{\"Statement\": [{\"effect\": \"Deny\"}]}"}}"#;
        assert_eq!(file_kind(text), FileKind::Organization);
        let found = file(text, PolicyType::Identity, false);
        assert!(found.iter().any(|found| found.code == "invalid" && found.finding.pointer == "/Policy/Content"), "{found:?}");
    }
}
