//! `Pattern::glob` against a slow, obvious matcher. An input is a pattern, a text, and what `<?>` in the text may be:
//! one a line.

use retrial::iam::pattern::{Matching, OTHER, Pattern, UNKNOWN_PART};

/// The most texts that one input is completed to.
const MOST: usize = 300;

pub(crate) fn check(data: &[u8]) {
    let Ok(input) = std::str::from_utf8(data) else { return };
    let mut lines = input.split('\n');
    let (written, text) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let pattern = Pattern::glob(written);
    assert_eq!(pattern.matches(text), matches(written, text), "`{written}` and `{text}`");
    assert!(pattern.literal().is_none_or(|literal| pattern.matches(literal)));
    assert_eq!(Pattern::from_tokens(pattern.tokens().to_vec()), pattern);

    let answer = pattern.matches_partly(text);
    let possible = meet(written, text);
    assert!(answer != Matching::Yes || possible, "`{written}` always matches `{text}`, and never");
    assert!(answer != Matching::No || !possible, "`{written}` never matches `{text}`, but for some completion");
    // Long patterns are given up on, see `reachable`.
    assert!(possible || answer == Matching::No || written.len() > 12, "`{written}` matches no completion of `{text}`");
    for whole in completions(written, text, &lines.collect::<Vec<_>>()) {
        let found = pattern.matches(&whole);
        assert_eq!(found, matches(written, &whole), "`{written}` and `{whole}`");
        assert!(answer == Matching::Maybe || answer == found.into(), "`{written}` and `{text}`: {answer:?}, but {found} for `{whole}`");
    }
}

/// Whether the glob matches the whole text: every token against every length of the text.
fn matches(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for token in pattern.chars() {
        let before = std::mem::replace(&mut reached, vec![false; text.len() + 1]);
        for end in 0..=text.len() {
            reached[end] = match token {
                '*' => before[end] || end > 0 && reached[end - 1],
                '?' => end > 0 && before[end - 1],
                wanted => end > 0 && before[end - 1] && text[end - 1] == wanted,
            };
        }
    }
    reached[text.len()]
}

/// Whether the glob matches some completion of the text: two globs, and whether they have a text in common.
fn meet(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let parts: Vec<Vec<Option<char>>> = text.split(UNKNOWN_PART).map(|part| part.chars().map(Some).collect()).collect();
    let text: Vec<Option<char>> = parts.join(&None);
    let mut common = vec![vec![false; text.len() + 1]; pattern.len() + 1];
    for p in (0..=pattern.len()).rev() {
        for t in (0..=text.len()).rev() {
            common[p][t] = match (pattern.get(p), text.get(t)) {
                (None, None) => true,
                (Some('*'), Some(_)) | (Some(_), Some(None)) if common[p][t + 1] || common[p + 1][t] => true,
                (Some('*'), None) => common[p + 1][t],
                (None, Some(None)) => common[p][t + 1],
                (Some(wanted), Some(Some(found))) if *wanted == '?' || wanted == found => common[p + 1][t + 1],
                _ => false,
            };
        }
    }
    common[0][0]
}

/// The text with `<?>` replaced in many ways: as the input says, by what the pattern names, by nothing.
fn completions(pattern: &str, text: &str, fillings: &[&str]) -> Vec<String> {
    let parts: Vec<&str> = text.split(UNKNOWN_PART).collect();
    let other = OTHER.to_string();
    let mut fillings = fillings.to_vec();
    fillings.extend(["", ":", "q", &other]);
    fillings.extend(pattern.split(['*', '?']).take(8));
    let ways = fillings.len().saturating_pow(parts.len() as u32 - 1);
    let whole = |mut number: usize| {
        let mut whole = parts[0].to_owned();
        for part in &parts[1..] {
            whole += fillings[number % fillings.len()];
            number /= fillings.len();
            whole += part;
        }
        whole
    };
    // The first and the last of them: neither place keeps one filling.
    (0..ways.min(MOST)).chain(ways.saturating_sub(MOST).max(MOST)..ways).map(whole).collect()
}
