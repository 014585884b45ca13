//! Where a value that is known only after apply comes from.

use std::collections::{BTreeMap, BTreeSet};

use super::address::{self, Part};
use super::change::ResourceChange;
use super::configuration::{Configuration, references};
use crate::account::deployment::Holder;

/// The resource, and those of its attributes, that a value may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// The type of the resource.
    pub(super) kind: &'static str,
    /// Its attributes that hold the value.
    pub(super) attributes: &'static [&'static str],
}

/// A policy by its ARN.
pub(super) const POLICY: Wanted = Wanted { kind: "aws_iam_policy", attributes: &["arn", "id"] };
/// A policy by its name.
pub(super) const POLICY_NAME: Wanted = Wanted { kind: "aws_iam_policy", attributes: &["name"] };
/// A permission set by its ARN.
pub(super) const PERMISSION_SET: Wanted = Wanted { kind: "aws_ssoadmin_permission_set", attributes: &["arn", "id"] };
/// A policy of the organization by its id.
pub(super) const ORGANIZATION_POLICY: Wanted = Wanted { kind: "aws_organizations_policy", attributes: &["id"] };

/// Finds the resource change that a value comes from.
#[derive(Debug)]
pub(super) struct Resolver<'p> {
    configuration: &'p Configuration,
    /// Data sources that are read during apply, without keys: nothing of theirs is known.
    reads: &'p BTreeSet<String>,
    /// Module instance, type and name to the instances of the resource.
    instances: BTreeMap<String, Vec<&'p ResourceChange>>,
}

/// Where references are read.
struct Place<'p> {
    /// The module instance.
    module: String,
    /// The key of the instance that refers.
    key: String,
    /// What its `for_each` refers to.
    each: &'p [String],
    /// The key of what is taken out of a collection: of an instance, where a reference has no key of its own.
    element: Option<String>,
}

/// What references lead to.
struct Search<'r, 'p> {
    resolver: &'r Resolver<'p>,
    wanted: Wanted,
    resources: Vec<&'p ResourceChange>,
    /// References of which the plan does not tell what they are.
    obscure: Vec<String>,
    depth: usize,
}

impl<'p> Resolver<'p> {
    /// Indexes the resources of a plan.
    pub(super) fn new(configuration: &'p Configuration, changes: &'p [ResourceChange], reads: &'p BTreeSet<String>) -> Self {
        let mut instances: BTreeMap<String, Vec<&ResourceChange>> = BTreeMap::new();
        for change in changes.iter().filter(|change| change.deposed.is_none()) {
            let own = change.address.strip_suffix(change.key()).unwrap_or(&change.address);
            instances.entry(own.to_owned()).or_default().push(change);
        }
        Self { configuration, reads, instances }
    }

    /// The one resource that an unknown attribute comes from.
    ///
    /// # Errors
    /// The reason why there is not one.
    pub(super) fn one(&self, change: &ResourceChange, place: &str, wanted: Wanted) -> Result<&'p ResourceChange, String> {
        let (resources, obscure) = self.find(change, place, wanted);
        match (resources.as_slice(), obscure.as_slice()) {
            ([one], []) => Ok(*one),
            ([], []) => Err(format!("`{place}` is known after apply")),
            (_, [_, ..]) => Err(format!("`{place}` is known after apply, from {}", quoted(&obscure))),
            (several, _) => {
                let names: Vec<String> = several.iter().map(|change| change.address.clone()).collect();
                Err(format!("`{place}` is known after apply: one of {}", quoted(&names)))
            }
        }
    }

    /// The resources that the unknown elements of a list come from, if that is clear.
    pub(super) fn several(&self, change: &ResourceChange, name: &str, unknown: usize, wanted: Wanted) -> Option<Vec<&'p ResourceChange>> {
        let (mut resources, obscure) = self.find(change, name, wanted);
        resources.retain(|resource| wanted.attributes.iter().any(|attribute| resource.is_unknown(attribute)));
        (obscure.is_empty() && resources.len() == unknown).then_some(resources)
    }

    fn find(&self, change: &ResourceChange, place: &str, wanted: Wanted) -> (Vec<&'p ResourceChange>, Vec<String>) {
        let mut search = Search { resolver: self, wanted, resources: Vec::new(), obscure: Vec::new(), depth: 0 };
        if let Some(resource) = self.configuration.resources.get(&address::plain(&change.address)) {
            let from = Place { module: change.module.clone(), key: change.key().to_owned(), each: &resource.each, element: None };
            let expression = resource.expressions.pointer(&format!("/{place}")).map(references).unwrap_or_default();
            search.follow(&from, &expression);
        }
        let Search { mut resources, mut obscure, .. } = search;
        let mut seen = BTreeSet::new();
        resources.retain(|resource| seen.insert(resource.address.as_str()));
        obscure.sort();
        obscure.dedup();
        (resources, obscure)
    }
}

impl<'p> Search<'_, 'p> {
    fn follow(&mut self, place: &Place<'p>, references: &[String]) {
        /// Modules and resources in between; more is a circle.
        const DEEPEST: usize = 30;
        // Only `each.key` is a key itself: what `count.index` and `each.value` are made into, the plan does not tell.
        let indexed = references.iter().any(|one| one == "each.key");
        let computed = references.iter().any(|one| one == "count.index" || one.starts_with("each.") && one != "each.key");
        // A key into what a key was taken out of: the plan does not tell which is which.
        if self.depth == DEEPEST || ((indexed || computed) && place.element.is_some()) {
            self.obscure.extend_from_slice(references);
            return;
        }
        self.depth += 1;
        let element = if indexed && !computed && !place.key.is_empty() { Some(place.key.clone()) } else { place.element.clone() };
        let place = Place { module: place.module.clone(), key: place.key.clone(), each: place.each, element };
        for reference in references {
            if !self.follow_one(&place, &address::parts(reference)) {
                self.obscure.push(reference.clone());
            }
        }
        self.depth -= 1;
    }

    /// Follows one reference; `false` if the plan does not tell what it is.
    fn follow_one(&mut self, place: &Place<'p>, parts: &[Part<'_>]) -> bool {
        match parts {
            [Part { name: "count" | "path" | "terraform" | "self", .. }, ..] => true,
            [Part { name: "each", .. }, Part { name: "value", .. }, ..] => {
                self.follow(place, place.each);
                true
            }
            [Part { name: "each", .. }, ..] => true,
            [Part { name: "var", .. }, variable, ..] => self.variable(place, variable.name),
            [Part { name: "module", .. }, module, rest @ ..] => self.output(place, *module, rest.first()),
            [Part { name: "local", .. }, ..] => false,
            [Part { name: "data", .. }, kind, name, ..] => {
                let data = address::within(&place.module, &format!("data.{}.{}", kind.name, name.name));
                !self.resolver.reads.contains(&address::plain(&data))
            }
            [kind, name, rest @ ..] => self.resource(place, kind.name, *name, rest.first()),
            _ => false,
        }
    }

    /// Follows a variable to the call of the module; variables of the root module are known.
    fn variable(&mut self, place: &Place<'p>, name: &str) -> bool {
        let configuration = self.resolver.configuration;
        let Some(parent) = address::parent(&place.module) else { return true };
        let Some(module) = configuration.modules.get(&address::plain(&place.module)) else { return false };
        // Without an argument it has its default, which is a constant.
        let Some(argument) = module.arguments.get(name) else { return true };
        let key = address::key(&place.module).to_owned();
        let outside = Place { module: parent.to_owned(), key, each: &module.each, element: place.element.clone() };
        self.follow(&outside, &references(argument));
        true
    }

    /// Follows an output into the module. Where the plan does not tell the key, it does not tell the output either.
    fn output(&mut self, place: &Place<'p>, module: Part<'_>, output: Option<&Part<'_>>) -> bool {
        let configuration = self.resolver.configuration;
        let mut inside = address::within(&place.module, &format!("module.{}", module.name));
        let Some(configured) = configuration.modules.get(&address::plain(&inside)) else { return false };
        let element = match (module.key, &place.element) {
            ("", element) if !configured.repeated => element.clone(),
            ("", None) => return false,
            ("", Some(key)) => {
                inside.push_str(key);
                None
            }
            (key, element) => {
                inside.push_str(key);
                element.clone()
            }
        };
        let from = Place { module: inside, key: String::new(), each: &[], element };
        match output {
            Some(output) => match configured.outputs.get(output.name) {
                Some(references) => self.follow(&from, references),
                None => return false,
            },
            None => configured.outputs.values().for_each(|references| self.follow(&from, references)),
        }
        true
    }

    /// Takes a resource that is wanted; follows the expression of an attribute of another.
    fn resource(&mut self, place: &Place<'p>, kind: &str, name: Part<'_>, attribute: Option<&Part<'_>>) -> bool {
        let resolver = self.resolver;
        let own = address::within(&place.module, &format!("{kind}.{}", name.name));
        if kind == self.wanted.kind && attribute.is_none_or(|attribute| self.wanted.attributes.contains(&attribute.name)) {
            let Some(all) = resolver.instances.get(&own) else { return false };
            let same = |key: &str| all.iter().filter(|change| change.key() == key).copied().collect::<Vec<_>>();
            let chosen = match (name.key, &place.element) {
                ("", Some(key)) if all.len() > 1 => same(key),
                ("", _) => all.clone(),
                (key, _) => same(key),
            };
            self.resources.extend(&chosen);
            return !chosen.is_empty();
        }
        let Some(resource) = resolver.configuration.resources.get(&address::plain(&own)) else { return false };
        let Some(expression) = attribute.and_then(|attribute| resource.expressions.get(attribute.name)) else { return false };
        let key = match name.key {
            "" => place.element.clone().unwrap_or_default(),
            key => key.to_owned(),
        };
        let from = Place { module: place.module.clone(), key, each: &resource.each, element: None };
        self.follow(&from, &references(expression));
        true
    }
}

fn quoted(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

impl Holder {
    /// The resource that a name is taken from.
    pub(super) fn wanted(self) -> Wanted {
        let kind = match self {
            Self::Role => "aws_iam_role",
            Self::User => "aws_iam_user",
            Self::Group => "aws_iam_group",
        };
        Wanted { kind, attributes: &["name", "id"] }
    }

    /// The resource that the name of an inline policy is taken from.
    pub(super) fn wanted_inline(self) -> Wanted {
        let kind = match self {
            Self::Role => "aws_iam_role_policy",
            Self::User => "aws_iam_user_policy",
            Self::Group => "aws_iam_group_policy",
        };
        Wanted { kind, attributes: &["name"] }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{change, plan};
    use super::*;

    /// What `policy_arn` of `aws_iam_role_policy_attachment.a`, which is the last of the changes, is found to be.
    fn found(policies: &[&str], attachment: &str, configuration: &str) -> Result<String, String> {
        let unknown = |address: &str, attribute: &str| change(address, "create", "null", "{}", &format!(r#"{{"{attribute}": true}}"#));
        let mut changes: Vec<String> = policies.iter().map(|address| unknown(address, "arn")).collect();
        changes.push(unknown(attachment, "policy_arn"));
        let plan = plan(&changes.join(","), configuration).unwrap();
        let resolver = Resolver::new(&plan.configuration, &plan.changes, &plan.reads);
        resolver.one(plan.changes.last().unwrap(), "policy_arn", POLICY).map(|change| change.address.clone())
    }

    /// A root module with the attachment, whose `policy_arn` refers to these, and more members.
    fn root(references: &str, more: &str) -> String {
        format!(
            r#"{{"root_module": {{"resources": [{{"address": "aws_iam_role_policy_attachment.a",
                "expressions": {{"policy_arn": {{"references": [{references}]}}}}{more}}}}}"#
        )
    }

    #[test]
    fn a_policy_of_the_same_module_is_found_by_its_key() {
        let two = ["aws_iam_policy.p[0]", "aws_iam_policy.p[1]"];
        let by_key = root(r#""aws_iam_policy.p[1].arn", "aws_iam_policy.p[1]", "aws_iam_policy.p""#, "}]");
        assert_eq!(found(&two, "aws_iam_role_policy_attachment.a", &by_key).unwrap(), "aws_iam_policy.p[1]");
        let each = [r#"aws_iam_policy.p["a"]"#, r#"aws_iam_policy.p["b"]"#];
        let by_each = root(r#""aws_iam_policy.p", "each.key""#, "}]");
        assert_eq!(found(&each, r#"aws_iam_role_policy_attachment.a["b"]"#, &by_each).unwrap(), each[1]);
        // The plan shows `p[count.index]` and `p[1 - count.index]` alike.
        let by_count = root(r#""aws_iam_policy.p", "count.index""#, "}]");
        assert!(found(&two, "aws_iam_role_policy_attachment.a[0]", &by_count).unwrap_err().contains("one of"));
        assert_eq!(found(&two[..1], "aws_iam_role_policy_attachment.a[0]", &by_count).unwrap(), two[0]);
        let splat = root(r#""aws_iam_policy.p""#, "}]");
        let several = found(&two, "aws_iam_role_policy_attachment.a", &splat).unwrap_err();
        assert_eq!(several, "`policy_arn` is known after apply: one of `aws_iam_policy.p[0]`, `aws_iam_policy.p[1]`");
    }

    #[test]
    fn each_value_is_known_only_where_it_can_be_one_thing() {
        let more = r#", "for_each_expression": {"references": ["aws_iam_policy.p"]}}]"#;
        let chained = root(r#""each.value.arn", "each.value""#, more);
        let two = [r#"aws_iam_policy.p["a"]"#, r#"aws_iam_policy.p["b"]"#];
        // `for_each` may be a map with other keys than the policies have: the plan shows it alike.
        assert!(found(&two, r#"aws_iam_role_policy_attachment.a["b"]"#, &chained).unwrap_err().contains("one of"));
        assert_eq!(found(&two[1..], r#"aws_iam_role_policy_attachment.a["b"]"#, &chained).unwrap(), two[1]);
    }

    #[test]
    fn outputs_and_variables_lead_into_modules_and_out_of_them() {
        let inner = r#"{"outputs": {"arn": {"expression": {"references": ["aws_iam_policy.p.arn", "aws_iam_policy.p"]}}}}"#;
        let output = root(
            r#""module.m[\"x\"].arn", "module.m[\"x\"]", "module.m""#,
            &format!(r#"}}], "module_calls": {{"m": {{"module": {inner}, "for_each_expression": {{}}}}}}"#),
        );
        let inside = [r#"module.m["x"].aws_iam_policy.p"#, r#"module.m["y"].aws_iam_policy.p"#];
        assert_eq!(found(&inside, "aws_iam_role_policy_attachment.a", &output).unwrap(), inside[0]);

        let call = r#"{"root_module": {"module_calls": {"m": {
            "expressions": {"policy": {"references": ["aws_iam_policy.p.arn", "aws_iam_policy.p"]}},
            "module": {"resources": [{"address": "aws_iam_role_policy_attachment.a", "expressions": {"policy_arn": {"references": ["var.policy"]}}}]}}}}}"#;
        assert_eq!(found(&["aws_iam_policy.p"], "module.m.aws_iam_role_policy_attachment.a", call).unwrap(), "aws_iam_policy.p");
    }

    #[test]
    fn what_the_plan_does_not_tell_stays_unknown() {
        let local = root(r#""local.policy", "aws_iam_policy.p.arn", "aws_iam_policy.p""#, "}]");
        let reason = found(&["aws_iam_policy.p"], "aws_iam_role_policy_attachment.a", &local).unwrap_err();
        assert_eq!(reason, "`policy_arn` is known after apply, from `local.policy`");
        assert!(found(&["aws_iam_policy.p"], "aws_iam_role_policy_attachment.a", "{}").is_err());
        let circle = r#"{"root_module": {"resources": [{"address": "aws_iam_role_policy_attachment.a",
            "expressions": {"policy_arn": {"references": ["aws_iam_role_policy_attachment.a.policy_arn"]}}}]}}"#;
        assert!(found(&[], "aws_iam_role_policy_attachment.a", circle).is_err());
    }
}
