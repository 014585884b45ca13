//! What an error code says of authorization: the table of `data/outcomes.json`.

use hashbrown::HashMap;
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
    /// What the first rule that matches says.
    exact: HashMap<String, (Outcome, Class), foldhash::fast::FixedState>,
    globs: Vec<(Pattern, Outcome, Class)>,
    /// How many of them there are up to the last that tells another outcome than [`Outcome::OtherError`].
    telling: usize,
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
        for Rule { pattern, outcome, class } in file.rules {
            if pattern.contains('*') {
                rules.globs.push((Pattern::glob(&pattern), outcome, class));
                if outcome != Outcome::OtherError {
                    rules.telling = rules.globs.len();
                }
            } else {
                let earlier = rules.glob(&pattern);
                rules.exact.entry(pattern).or_insert(earlier.unwrap_or((outcome, class)));
            }
        }
        Ok(rules)
    }

    /// The first rule that matches; no code is success, an unknown code another error.
    pub fn classify(&self, code: Option<&str>) -> (Outcome, Class) {
        let Some(code) = code.filter(|code| !code.is_empty()) else { return (Outcome::Success, Class::Other) };
        let known = |code: &str| self.exact.get(code).copied().or_else(|| self.glob(code));
        known(code).or_else(|| known(bare(code)?)).unwrap_or((Outcome::OtherError, Class::Other))
    }

    /// The outcome alone, for which fewer rules are looked at.
    pub fn outcome(&self, code: Option<&str>) -> Outcome {
        let Some(code) = code.filter(|code| !code.is_empty()) else { return Outcome::Success };
        let exact = |code: &str| self.exact.get(code).map(|(outcome, _)| *outcome);
        let glob =
            |code: &str| self.globs.iter().take(self.telling).find(|(pattern, ..)| pattern.matches(code)).map(|(_, outcome, _)| *outcome);
        let known = |code: &str| exact(code).or_else(|| glob(code));
        known(code).or_else(|| known(bare(code)?)).unwrap_or(Outcome::OtherError)
    }

    fn glob(&self, code: &str) -> Option<(Outcome, Class)> {
        self.globs.iter().find(|(pattern, ..)| pattern.matches(code)).map(|(_, outcome, class)| (*outcome, *class))
    }
}

/// A code without the side that EC2 and its kin say is to blame.
fn bare(code: &str) -> Option<&str> {
    code.strip_prefix("Client.").or_else(|| code.strip_prefix("Server."))
}

#[cfg(test)]
mod tests {
    use super::super::Catalog;
    use super::*;

    #[test]
    fn codes_are_told_apart() {
        let outcome = |code| {
            let (outcome, _) = Catalog::builtin().classify(code);
            assert_eq!(outcome, Catalog::builtin().outcome(code));
            outcome
        };
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
