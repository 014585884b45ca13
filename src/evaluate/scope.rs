//! Keys of which a policy set says something else than the baseline.
//!
//! Most of what is known of a request is the same for every policy set. Tags of principals and the places of accounts belong
//! to the set: a candidate that changes them asks of keys of its own, so that its value and the baseline's stand side by side.

use std::borrow::Cow;

use crate::account::Policy;
use crate::iam::variable::{Part, Template};

/// Stands between a key's name and the number of the policy set.
const MARK: char = '\u{1f}';

const PLACES: [&str; 4] = ["aws:principalorgid", "aws:principalorgpaths", "aws:resourceorgid", "aws:resourceorgpaths"];
const TAGS: &str = "aws:principaltag/";

/// Of which keys a bundle asks as keys of its own policy set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The policy set: 0 is the baseline.
    pub set: usize,
    /// The tags of the principal.
    pub tags: bool,
    /// The places of accounts.
    pub places: bool,
}

impl Scope {
    /// The name of a key, given in lower case, in this scope.
    pub(super) fn name(self, key: &str) -> Cow<'_, str> {
        if self.covers(key) { Cow::Owned(format!("{key}{MARK}{}", self.set)) } else { Cow::Borrowed(key) }
    }

    /// A text with its variables in this scope.
    pub(super) fn template(self, template: Template) -> Template {
        let part = |part: Part| match part {
            Part::Variable { key, default } => Part::Variable { key: self.name(&key).into_owned(), default },
            other => other,
        };
        Template { parts: template.parts.into_iter().map(part).collect() }
    }

    /// This scope for a policy that asks of one of its keys, else none.
    pub(super) fn of(self, policy: &Policy) -> Self {
        if !self.tags && !self.places {
            return Self::default();
        }
        let takes = |text: &String| text.contains("${") && self.names(&text.to_lowercase());
        let asks = policy.document.statements.iter().any(|statement| {
            let conditions = statement.conditions.iter().any(|c| self.covers(&c.key) || c.values.iter().any(takes));
            conditions || statement.resource.iter().flat_map(|element| &element.patterns).any(takes)
        });
        if asks { self } else { Self::default() }
    }

    fn covers(self, key: &str) -> bool {
        (self.tags && key.starts_with(TAGS)) || (self.places && PLACES.contains(&key))
    }

    fn names(self, text: &str) -> bool {
        (self.tags && text.contains(TAGS)) || (self.places && PLACES.iter().any(|key| text.contains(key)))
    }
}

/// The name of a key without its scope, and the policy set that it is asked of.
pub fn unscoped(key: &str) -> (&str, usize) {
    let parts = key.rsplit_once(MARK).and_then(|(name, set)| Some((name, set.parse().ok()?)));
    parts.unwrap_or((key, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_asked_apart() {
        let scope = Scope { set: 2, tags: true, places: false };
        assert_eq!(unscoped(&scope.name("aws:principaltag/team")), ("aws:principaltag/team", 2));
        assert_eq!(unscoped(&scope.name("aws:principalorgid")), ("aws:principalorgid", 0));
        let template = scope.template(Template::parse("home/${aws:PrincipalTag/team}/${aws:username}"));
        let keys: Vec<_> = template.keys().map(unscoped).collect();
        assert_eq!(keys, [("aws:principaltag/team", 2), ("aws:username", 0)]);
    }
}
