//! `Condition`: operators, keys and values, one entry at a time.

use std::collections::HashSet;

use super::Linter;
use super::resources::{MALFORMED, malformed_variable};
use super::walk::{ConditionView, Entry, StatementView};
use crate::iam::condition::{Family, Matcher, Piece};
use crate::iam::json::Kind;
use crate::iam::variable::Template;
use crate::iam::{Base, SetOperator};

impl<'a> Linter<'_, 'a> {
    /// The entries of one statement's `Condition`.
    pub(super) fn condition_entries(&mut self, statement: &StatementView<'a>, has_variables: bool) {
        let mut seen = HashSet::new();
        for condition in &statement.conditions {
            if !seen.insert((&condition.written_operator, &condition.key)) {
                let message = format!("`{}` stands twice under `{}`, in two letter cases", condition.key, condition.written_operator);
                self.refused("key-twice", &condition.node, message, Some("keep one of the two: letter case does not count in keys"));
            }
            self.operator(condition);
            self.unknown_key(condition);
            self.types(condition);
            for value in &condition.values {
                self.value(condition, value, has_variables);
            }
            if statement.allow {
                self.unguarded(statement, condition);
            }
        }
        if !has_variables {
            self.plain_variables(statement);
        }
    }

    fn operator(&mut self, condition: &ConditionView<'a>) {
        let canonical = condition.operator.to_string();
        if canonical != condition.written_operator {
            let message = format!("operator `{}` is not in the documented letter case", condition.written_operator);
            self.warning("operator-case", &condition.node, message, Some(&format!("write `{canonical}`")));
        }
        if let (Base::Null, Some(set)) = (condition.operator.base, condition.operator.set) {
            let always = if set == SetOperator::ForAllValues { "always holds" } else { "never holds" };
            let message = format!("`{canonical}` {always}: `Null` takes no set operator");
            self.refused("null-with-set-operator", &condition.node, message, Some("write `Null`"));
        }
    }

    fn types(&mut self, condition: &ConditionView<'a>) {
        let mut kinds: Vec<Kind> = condition.values.iter().map(|value| value.node.kind()).collect();
        kinds.dedup();
        if kinds.len() > 1 {
            let help = Some("write all values as strings");
            self.refused("mixed-types", &condition.node, "values of several JSON types in one list", help);
        }
    }

    fn value(&mut self, condition: &ConditionView<'a>, value: &Entry<'a>, has_variables: bool) {
        let (base, text) = (condition.operator.base, value.text.as_str());
        if has_variables && text.contains("${") {
            if !base.takes_variables() {
                let message = format!("`{base}` takes no variables: `{text}` is plain text and matches nothing", base = base.name());
                self.refused("variable-position", &value.node, message, Some("use an operator for strings or ARNs"));
                return;
            }
            if malformed_variable(text) {
                let message = format!("`${{` in `{text}` begins no variable and is plain text");
                self.refused("variable-syntax", &value.node, message, Some(MALFORMED));
            }
            if Template::parse(text).has_variables() {
                return;
            }
        }
        let piece = Piece { text: text.to_owned(), literal: false };
        let is_arn = base.family() != Family::Arn || text.starts_with("arn:") || text.starts_with(['*', '?']);
        if is_arn && Matcher::new(base, &[piece]) != Matcher::Never {
            return;
        }
        let (code, message, help) = match base.family() {
            Family::String => return,
            Family::Numeric => ("number-value", "no number", "write digits, as in `3600`"),
            Family::Date => ("date-value", "no date", "write `2026-01-31T08:00:00Z`, `2026-01-31` or seconds since 1970"),
            Family::Bool | Family::Null => ("boolean-value", "neither `true` nor `false`", "write `true` or `false`"),
            Family::Binary => ("binary-value", "not base64", "encode the bytes in base64"),
            Family::Ip => ("address-value", "no address and no range", "write `192.0.2.0/24` or `2001:db8::/32`"),
            Family::Arn => {
                ("arn-value", "no ARN of six parts", "write `arn:partition:service:region:account:resource`, or use `StringLike`")
            }
        };
        let always = if base.negated() { "holds whatever the request says, as if it were not there" } else { "never matches it" };
        self.warning(code, &value.node, format!("`{text}` is {message}: `{}` {always}", base.name()), Some(help));
    }

    /// `ForAllValues` holds where the key is missing; in an Allow this opens more than it seems.
    fn unguarded(&mut self, statement: &StatementView<'a>, condition: &ConditionView<'a>) {
        if condition.operator.set != Some(SetOperator::ForAllValues) || condition.operator.base == Base::Null {
            return;
        }
        let guarded = statement.conditions.iter().any(|other| {
            let presence = other.operator.base == Base::Null && other.operator.set.is_none();
            presence && other.key == condition.key && other.values.iter().all(|value| value.text.eq_ignore_ascii_case("false"))
        });
        if !guarded {
            let key = &condition.written_key;
            let help = format!("add \"Null\": {{\"{key}\": \"false\"}}");
            let message = format!("`ForAllValues` in an Allow also holds where the request has no `{key}`");
            self.warning("for-all-values", &condition.node, message, Some(&help));
        }
    }

    fn plain_variables(&mut self, statement: &StatementView<'a>) {
        let resources = statement.resource.iter().flat_map(|list| &list.entries);
        let values = statement.conditions.iter().flat_map(|condition| &condition.values);
        for entry in resources.chain(values).filter(|entry| Template::parse(&entry.text).has_variables()) {
            let message = format!("the variable in `{}` is plain text in a policy of this version", entry.text);
            self.warning("variable-version", &entry.node, message, Some("write \"Version\": \"2012-10-17\""));
        }
    }
}
