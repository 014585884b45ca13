//! `Null`: whether the key is missing from the request, or only empty.

use super::Matcher;

/// Whether some policy value says what is the case.
pub(super) fn holds(is_null: bool, matchers: &[Matcher]) -> bool {
    matchers.contains(&Matcher::Bool(is_null))
}
