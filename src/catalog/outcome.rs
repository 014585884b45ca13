//! What an error code says of authorization: the table of `data/outcomes.json`.

use std::collections::HashMap;

use serde::Deserialize;

use crate::iam::Pattern;

/// What the log says happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The call went through, or a dry run says that it would have.
    Success,
    /// Denied by a policy.
    AccessDenied,
    /// Another error: it proves nothing of authorization either way.
    OtherError,
    /// A credential problem: no authorization took place.
    Unauthenticated,
}

impl Outcome {
    /// The name in files; credential problems are `other_error` there, and marked as not replayable.
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::AccessDenied => "access_denied",
            Self::OtherError | Self::Unauthenticated => "other_error",
        }
    }
}

/// The class of an error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are those of the table")]
pub enum Class {
    Denied,
    Downstream,
    Credential,
    Throttled,
    Validation,
    State,
    Server,
    DryRun,
    Other,
}

/// The table of error codes.
#[derive(Debug, Default)]
pub struct OutcomeRules {
    exact: HashMap<String, (usize, Outcome, Class)>,
    globs: Vec<(usize, Pattern, Outcome, Class)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "format")]
    _format: u32,
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    #[serde(rename = "match")]
    pattern: String,
    outcome: Outcome,
    class: Class,
}

impl OutcomeRules {
    /// Reads the table.
    pub(super) fn load(text: &str) -> Result<Self, serde_json::Error> {
        let file: File = serde_json::from_str(text)?;
        let mut rules = Self::default();
        for (order, Rule { pattern, outcome, class }) in file.rules.into_iter().enumerate() {
            if pattern.contains('*') {
                rules.globs.push((order, Pattern::glob(&pattern), outcome, class));
            } else {
                rules.exact.entry(pattern).or_insert((order, outcome, class));
            }
        }
        Ok(rules)
    }

    /// The first rule that matches; no code is success, an unknown code another error.
    pub fn classify(&self, code: Option<&str>) -> (Outcome, Class) {
        let Some(code) = code.filter(|code| !code.is_empty()) else { return (Outcome::Success, Class::Other) };
        let exact = self.exact.get(code).copied();
        let limit = exact.map_or(usize::MAX, |(order, ..)| order);
        let glob = self.globs.iter().find(|(order, pattern, ..)| *order < limit && pattern.matches(code));
        match (glob, exact) {
            (Some((_, _, outcome, class)), _) => (*outcome, *class),
            (None, Some((_, outcome, class))) => (outcome, class),
            (None, None) => (Outcome::OtherError, Class::Other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Catalog;
    use super::*;

    #[test]
    fn codes_are_told_apart() {
        let outcome = |code| Catalog::builtin().outcome(code).0;
        assert_eq!(outcome(None), Outcome::Success);
        assert_eq!(outcome(Some("Client.DryRunOperation")), Outcome::Success);
        assert_eq!(outcome(Some("AccessDenied")), Outcome::AccessDenied);
        assert_eq!(outcome(Some("VpceAccessDenied")), Outcome::AccessDenied);
        assert_eq!(outcome(Some("KMSAccessDeniedException")), Outcome::OtherError);
        assert_eq!(outcome(Some("EntityNotFoundException")), Outcome::OtherError);
        assert_eq!(outcome(Some("ExpiredToken")), Outcome::Unauthenticated);
        assert_eq!(outcome(Some("SomethingNew")), Outcome::OtherError);
    }
}
