//! `Bool`: `true` or `false` in any letter case; anything else matches nothing.

/// Reads a boolean.
pub(super) fn parse(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}
