//! Statements that have a meaning, most likely not the one that was meant.

use super::Linter;
use super::walk::{ConditionView, Entry, StatementView};
use crate::catalog::{Catalog, Operation, Service};
use crate::iam::condition::{Family, Matcher, Piece, Value};
use crate::iam::{ActionPattern, PolicyType, SetOperator};

/// An action of a policy whose service the catalogue knows.
pub(super) struct Known<'p, 'a> {
    pub(super) action: &'p Entry<'a>,
    pub(super) service: &'static Service,
    pub(super) operations: Vec<&'static Operation>,
}

impl Known<'_, '_> {
    fn is_wild(&self) -> bool {
        self.action.text.contains(['*', '?'])
    }

    /// Whether `operations` are some, and all that the action covers.
    pub(super) fn is_sure(&self) -> bool {
        !self.operations.is_empty() && (!self.is_wild() || self.service.complete)
    }
}

/// The nearest of the names, if one is near.
pub(crate) fn nearest<'n>(text: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let folded = text.to_ascii_lowercase();
    let scored = names.map(|name| (strsim::normalized_damerau_levenshtein(&name.to_ascii_lowercase(), &folded), name));
    scored.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(score, _)| *score > 0.6).map(|(_, name)| name)
}

fn known<'p, 'a>(action: &'p Entry<'a>) -> Option<Known<'p, 'a>> {
    let (prefix, name) = action.text.split_once(':')?;
    let service = Catalog::builtin().service(&prefix.to_ascii_lowercase())?;
    let pattern = ActionPattern::new(&format!("{}:{name}", service.prefix));
    let covered = |operation: &&Operation| pattern.matches(&operation.action.to_ascii_lowercase());
    Some(Known { action, service, operations: service.actions.values().map(AsRef::as_ref).filter(covered).collect() })
}

impl<'a> Linter<'_, 'a> {
    /// One statement.
    pub(super) fn doubtful(&mut self, statement: &StatementView<'a>) {
        if matches!(self.policy_type, PolicyType::Resource | PolicyType::Endpoint | PolicyType::Rcp) && !statement.has_principal {
            let help = Some("add \"Principal\": a statement of this policy type without one never applies");
            self.warning("no-principal", &statement.node, "the statement has no `Principal`", help);
        }
        let Some(list) = &statement.action else { return };
        let actions: Vec<Known<'_, 'a>> = list.entries.iter().filter_map(known).collect();
        for action in &actions {
            self.unknown_action(action);
            if !list.negated {
                self.without_resource(statement, action);
                self.elsewhere(statement, action);
            }
        }
        if !list.negated {
            self.out_of_reach(statement, &actions);
        }
    }

    fn unknown_action(&mut self, action: &Known<'_, 'a>) {
        let (text, service) = (&action.action.text, action.service);
        if !service.complete || !action.operations.is_empty() || text.contains("${") {
            return;
        }
        if action.is_wild() {
            let message = format!("no action of {} matches `{text}`", service.name);
            let help = format!("its actions are those of `{}:*`: write one of them, or delete this one", service.prefix);
            self.warning("unknown-action", &action.action.node, message, Some(&help));
            return;
        }
        let name = text.split_once(':').map_or("", |(_, name)| name);
        let help = match nearest(name, service.actions.keys().map(String::as_str)) {
            Some(name) => format!("did you mean `{}:{name}`?", service.prefix),
            None => "delete it: an action that there is not has no effect".to_owned(),
        };
        let message = format!("{} has no action `{text}`", service.name);
        self.warning("unknown-action", &action.action.node, message, Some(&help));
    }

    /// An action without resource-level permission is matched by `*` alone.
    fn without_resource(&mut self, statement: &StatementView<'a>, action: &Known<'_, 'a>) {
        let Some(resource) = statement.resource.as_ref().filter(|list| !list.negated && !list.entries.is_empty()) else { return };
        let everything = resource.entries.iter().any(|entry| !entry.text.is_empty() && entry.text.bytes().all(|b| b == b'*'));
        let never = action.operations.iter().all(|operation| operation.without_resource());
        if everything || !action.is_sure() || !never {
            return;
        }
        let text = &action.action.text;
        let does = if statement.allow { "allows" } else { "denies" };
        let message = format!("`{text}` has no resource-level permission: with these resources the statement {does} nothing of it");
        self.warning("resource-never-matches", &action.action.node, message, Some("move it to a statement with \"Resource\": \"*\""));
    }

    /// Calls of global services are made to one region; a statement for other regions never applies to them.
    fn elsewhere(&mut self, statement: &StatementView<'a>, action: &Known<'_, 'a>) {
        let service = action.service;
        let Some(region) = service.region.as_deref() else { return };
        if !statement.conditions.iter().any(|condition| excludes(condition, region)) {
            return;
        }
        let effect = if statement.allow { "Allow" } else { "Deny" };
        let message = format!(
            "this {effect} can never hold for `{}`: calls of {} are made to {region}, which `aws:RequestedRegion` leaves out",
            action.action.text, service.name
        );
        let help = format!("add \"{region}\" to the regions, or move the action to a statement without them");
        self.warning("region-never-matches", &action.action.node, message, Some(&help));
    }
}

/// Whether a condition on the region of the call is false for `region`, whatever else the request holds.
fn excludes(condition: &ConditionView<'_>, region: &str) -> bool {
    let operator = condition.operator;
    let applies = condition.key == "aws:requestedregion"
        && operator.base.family() == Family::String
        && operator.set != Some(SetOperator::ForAllValues)
        && !condition.values.is_empty();
    // Global services of the other partitions have other regions.
    let elsewhere =
        |text: &str| text.contains("${") || ["cn-", "us-gov-", "us-iso", "eusc-", "eu-iso"].iter().any(|start| text.starts_with(start));
    if !applies || condition.values.iter().any(|value| elsewhere(&value.text)) {
        return false;
    }
    let matches = |text: &str| Matcher::new(operator.base, &[Piece { text: text.to_owned(), literal: false }]).matches(&Value::new(region));
    condition.values.iter().any(|value| matches(&value.text)) == operator.base.negated()
}
