//! `Action` and `NotAction` patterns: case-insensitive globs over `prefix:Name`.

use super::pattern::{Matching, Pattern};

/// A compiled action pattern. Stars only match everything; a pattern without a colon matches nothing
/// (IAM refuses to store it); `*:Name` is globbed over the prefix (assumption `A-VENDORSTAR`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ActionPattern {
    pattern: Option<Pattern>,
    prefix: Option<String>,
}

impl ActionPattern {
    /// Compiles a pattern as written in a policy.
    pub fn new(text: &str) -> Self {
        let folded = text.to_ascii_lowercase();
        let stars = !folded.is_empty() && folded.bytes().all(|b| b == b'*');
        let prefix = folded.split_once(':').map(|(prefix, _)| prefix).filter(|prefix| !prefix.contains(['*', '?']));
        let prefix = prefix.map(str::to_owned);
        let pattern = (stars || folded.contains(':')).then(|| Pattern::glob(&folded));
        Self { pattern, prefix }
    }

    /// Whether it covers `action`, which must be in lower case.
    pub fn matches(&self, action: &str) -> bool {
        self.pattern.as_ref().is_some_and(|pattern| pattern.matches(action))
    }

    /// The compiled pattern; `None` matches nothing.
    pub fn pattern(&self) -> Option<&Pattern> {
        self.pattern.as_ref()
    }

    /// What it says of an action of which only the service is known for sure: `prefix` is `workmail`.
    pub fn matches_some_of(&self, prefix: &str) -> Matching {
        match (&self.pattern, &self.prefix) {
            (None, _) => Matching::No,
            (Some(_), Some(own)) if own != prefix => Matching::No,
            (Some(pattern), _) => pattern.matches_partly(&format!("{prefix}:{}", super::pattern::UNKNOWN_PART)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_does_not_matter_and_prefixes_do() {
        assert!(ActionPattern::new("WORKMAIL:list*").matches("workmail:listusers"));
        assert!(!ActionPattern::new("workmail:List").matches("workmail:listusers"));
        assert!(ActionPattern::new("*:*").matches("workmail:listusers"));
        assert!(!ActionPattern::new("workmail").matches("workmail:listusers"));
        assert!(!ActionPattern::new("workmail:ListUsers,DescribeUser").matches("workmail:listusers"));
    }

    #[test]
    fn an_unsure_action_is_covered_only_by_the_whole_service() {
        assert_eq!(ActionPattern::new("s3:*").matches_some_of("s3"), Matching::Yes);
        assert_eq!(ActionPattern::new("s3:Get*").matches_some_of("s3"), Matching::Maybe);
        assert_eq!(ActionPattern::new("ec2:*").matches_some_of("s3"), Matching::No);
    }
}
